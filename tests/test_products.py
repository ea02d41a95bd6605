"""Laws of products: keys are paths of folders, every combination once, and each dimension has its say."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from counting import calls_of
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.errors import DefinitionError, PartitionKeyError
from lakehouse.partitions import Categories, Daily, Dynamic, Monthly, Partitions, Product, Unpartitioned

NOW = datetime(2018, 4, 3, 9, 12, tzinfo=UTC)
REGIONS = Categories("region", ["us", "eu"])
MONTHS = Monthly("2018-01", timezone="Europe/Berlin")
REGIONAL = REGIONS * MONTHS
safe = st.text(min_size=1, max_size=20).filter(lambda text: text not in {".", ".."} and text.isprintable())


def refusal(make: Any) -> str:
    """The error's message, without the place once it is seen to be in this file."""
    with pytest.raises(DefinitionError) as caught:
        make()
    message, _, place = caught.value.message.rpartition(" (")
    assert place.startswith(f"{Path(__file__).name}:")
    return message


def malformed(key: str, partitions: Partitions = REGIONAL) -> tuple[str, str | None]:
    with pytest.raises(PartitionKeyError) as caught:
        partitions.values(key)
    assert caught.value.code == "partition-invalid"
    return caught.value.message, caught.value.help


def test_keys_are_every_combination_nested_in_order() -> None:
    assert REGIONAL.keys(NOW) == [
        "region=us/partition_date=2018-01",
        "region=us/partition_date=2018-02",
        "region=us/partition_date=2018-03",
        "region=eu/partition_date=2018-01",
        "region=eu/partition_date=2018-02",
        "region=eu/partition_date=2018-03",
    ]
    assert (MONTHS * REGIONS).keys(NOW)[:3] == [
        "partition_date=2018-01/region=us",
        "partition_date=2018-01/region=eu",
        "partition_date=2018-02/region=us",
    ]
    assert len(REGIONAL.keys(NOW, include_current=True)) == 8
    assert (REGIONS * Monthly("2018-04")).keys(NOW) == []


def test_dimensions_keep_their_order_however_they_are_grouped() -> None:
    sizes = Categories("size", ["s", "l"])
    grouped = [REGIONS * MONTHS * sizes, REGIONS * (MONTHS * sizes), Product([REGIONS, MONTHS, sizes])]
    for each in grouped:
        assert each == grouped[0]
        assert each.dimensions == (REGIONS, MONTHS, sizes)
        assert each.columns == ("region", "partition_date", "size")
        assert each.kind == "categories × monthly × categories"
        assert each.time == MONTHS
        assert each.keys(NOW)[1] == "region=us/partition_date=2018-01/size=l"
    assert (REGIONS * sizes).time is None
    assert hash(grouped[0]) == hash(grouped[1])


def test_what_cannot_be_multiplied_is_refused_at_its_line() -> None:
    whole: Any = Unpartitioned()
    assert refusal(lambda: REGIONS * Categories("region", ["x"])) == "two dimensions have the column 'region'"
    assert refusal(lambda: REGIONS * Dynamic("REGION")) == "two dimensions have the column 'REGION' ('region')"
    two = "monthly × daily: a product has one dimension of time at most"
    assert refusal(lambda: MONTHS * Daily("2018-01-01", column="day")) == two
    assert refusal(lambda: Product([REGIONS, whole])) == "Unpartitioned() has no dimension to multiply"
    assert refusal(lambda: REGIONAL * whole) == "Unpartitioned() has no dimension to multiply"
    assert refusal(lambda: Product([REGIONS])) == "a product takes two dimensions or more"
    assert refusal(lambda: REGIONAL * ["eu"]) == "['eu'] is no kind of partitions"  # type: ignore[operator]


@given(safe, safe, st.integers(0, 30))
def test_a_key_is_taken_apart_into_what_it_was_made_of(one: str, two: str, month: int) -> None:
    partitions = Dynamic("a") * Dynamic("b") * MONTHS
    values = (one, two, f"{2018 + month // 12}-{month % 12 + 1:02}")
    key = partitions.key(values)
    assert key.count("/") == 2
    assert partitions.values(key) == values
    assert partitions.key(partitions.values(key)) == key


def test_values_are_escaped_as_hive_does() -> None:
    assert REGIONAL.key(["a/b =%", "2018-02"]) == "region=a%2Fb %3D%25/partition_date=2018-02"
    assert REGIONAL.values("region=a%2Fb %3D%25/partition_date=2018-02") == ("a/b =%", "2018-02")
    with pytest.raises(PartitionKeyError, match="cannot be a value of region"):
        REGIONAL.key(["..", "2018-02"])
    with pytest.raises(ValueError, match="zip"):
        REGIONAL.key(["eu"])


@pytest.mark.parametrize(
    "key",
    [
        "",
        "eu",
        "2018-02",
        "region=eu",
        "region=eu/partition_date",
        "region=eu/partition_date=",
        "region=/partition_date=2018-02",
        "partition_date=2018-02/region=eu",
        "region=eu/partition_date=2018-02/",
        "/region=eu/partition_date=2018-02",
        "region=eu/partition_date=2018-02/part.parquet",
        "Region=eu/partition_date=2018-02",
    ],
)
def test_a_key_of_another_form_is_refused(key: str) -> None:
    message, helped = malformed(key)
    assert message == f"{key!r} does not name a partition of region × partition_date"
    assert helped == "expected region=KEY/partition_date=KEY"
    with pytest.raises(PartitionKeyError):
        REGIONAL.check(key, NOW, "orders", "lakefile.py:9")


def test_order_is_that_of_the_dimensions_also_for_keys_that_are_not_there() -> None:
    made = [
        REGIONAL.key(pair) for pair in product(["us", "eu", "mars"], ["2017-12", "2018-01", "2018-02", "2030-01"])
    ]
    assert sorted(sorted(made), key=REGIONAL.order) == made
    assert sorted({*REGIONAL.keys(NOW)}, key=REGIONAL.order) == REGIONAL.keys(NOW)


def test_a_key_has_the_window_of_its_time_and_a_value_in_each_column() -> None:
    key = "region=eu/partition_date=2018-02"
    window = MONTHS.window("2018-02")
    assert window is not None
    assert REGIONAL.window(key) == window
    partition = REGIONAL.partition(key)
    assert (partition.key, partition.start, partition.end) == (key, window.start, window.end)
    assert partition.values == {"region": "eu", "partition_date": "2018-02"}
    assert (REGIONS * Dynamic("size")).window("region=eu/size=s") is None


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("region=mars/partition_date=2030-01", "'mars' is not a region of orders"),
        ("region=eu/partition_date=2018-04", "2018-04 has not ended; last complete month: 2018-03"),
        ("region=eu/partition_date=2017-12", "2017-12 is before orders begins (2018-01)"),
        ("region=eu/partition_date=2018-13", "'2018-13' is not a month"),
    ],
)
def test_the_first_dimension_that_lacks_its_value_says_so(key: str, message: str) -> None:
    with pytest.raises(PartitionKeyError) as caught:
        REGIONAL.check(key, NOW, "orders", "lakefile.py:9")
    assert caught.value.message == message


def test_keys_that_are_there_pass() -> None:
    for key in REGIONAL.keys(NOW):
        REGIONAL.check(key, NOW, "orders", "lakefile.py:9")
    REGIONAL.check("region=eu/partition_date=2018-04", NOW, "orders", "lakefile.py:9", include_current=True)


def test_extents_and_descriptions_are_those_of_the_dimensions() -> None:
    assert REGIONAL.extent(NOW) == "us, eu × 2018-01..2018-03"
    assert (MONTHS * Dynamic("size")).extent(NOW) == "2018-01..2018-03 × no keys yet"
    assert REGIONAL.describe() == {
        "kind": "categories × monthly",
        "column": "region, partition_date",
        "timezone": "Europe/Berlin",
        "format": "%Y-%m",
    }
    assert (REGIONS * Dynamic("size")).describe() == {"kind": "categories × dynamic", "column": "region, size"}


def test_keys_are_told_to_the_dimension_that_asks_for_them() -> None:
    untold = Dynamic("size") * REGIONAL
    assert (untold.unknown_columns, untold.keys(NOW)) == (("size",), [])
    told = untold.with_keys({"size": ["s", "l"], "region": ["mars"]})
    assert told.unknown_columns == ()
    assert len(told.keys(NOW)) == 12
    assert told.keys(NOW)[0] == "size=l/region=us/partition_date=2018-01"
    assert told.describe() == untold.describe()


def test_chosen_values_are_combined_in_the_order_given() -> None:
    assert REGIONAL.combinations([["eu", "us"], ["2018-02"]]) == [
        "region=eu/partition_date=2018-02",
        "region=us/partition_date=2018-02",
    ]


def test_what_is_not_partitioned_has_one_key() -> None:
    whole = Unpartitioned()
    assert (whole.kind, whole.columns, whole.dimensions, whole.time) == ("unpartitioned", (), (), None)
    assert (whole.keys(NOW), whole.extent(NOW), whole.key(()), whole.values("all")) == (["all"], "all", "all", ())
    assert (whole.describe(), whole.window("all")) == ({"kind": "unpartitioned"}, None)
    assert whole.partition("all").values == {}
    assert sorted(["x", "all", "a"], key=whole.order) == ["all", "a", "x"]
    assert whole == Unpartitioned()
    whole.check("all", NOW, "totals", "lakefile.py:9")
    with pytest.raises(PartitionKeyError) as caught:
        whole.check("2018-02", NOW, "totals", "lakefile.py:9")
    assert caught.value.lines() == ["totals is not partitioned: it has no 2018-02", "  help: its one key is all"]
    with pytest.raises(PartitionKeyError, match="'x' is not 'all', the only key"):
        whole.values("x")


def test_tens_of_thousands_of_keys_are_made_sorted_and_taken_apart_by_few_calls_each() -> None:
    partitions = Categories("store", [f"s{number}" for number in range(300)]) * Monthly("2000-01", "2008-05")

    def take_apart() -> None:
        keys = partitions.keys(NOW)
        assert len(keys) == 30_000
        assert sorted({*keys}, key=partitions.order) == keys
        assert [partitions.key(partitions.values(key)) for key in keys] == keys

    assert calls_of(take_apart) < 40 * 30_000
