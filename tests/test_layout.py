"""Laws of the layout: names and key values become paths that every reader of Hive folders gives back."""

from __future__ import annotations

from pathlib import Path

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.errors import DefinitionError, PartitionKeyError
from lakehouse.layout import (
    escape,
    hive_file,
    hive_folder,
    log_folder,
    partition_path,
    require_asset_name,
    require_key_value,
    unescape,
    version_folder,
    versions_folder,
)

# Values that some reader or writer of Hive folders gets wrong, and the folder names that all of them read back.
HARD = [
    ("2018-02", "2018-02"),
    ("02", "02"),
    ("1e3", "1e3"),
    ("true", "true"),
    ("a b", "a b"),
    (" a", " a"),
    ("a ", "a "),
    ("+", "+"),
    ("a+b", "a+b"),
    ("&", "&"),
    ("a;b", "a;b"),
    ("a,b", "a,b"),
    ("a|b", "a|b"),
    ("<>", "<>"),
    ("~", "~"),
    ("$HOME", "$HOME"),
    ("!", "!"),
    ("(a)", "(a)"),
    ("a}", "a}"),
    ("-", "-"),
    (".a", ".a"),
    ("...", "..."),
    ("_a", "_a"),
    ('"', "%22"),
    ("#", "%23"),
    ("%", "%25"),
    ("%2F", "%252F"),
    ("100%", "100%25"),
    ("it's", "it%27s"),
    ("*", "%2A"),
    ("a/b", "a%2Fb"),
    ("../../etc", "..%2F..%2Fetc"),
    ("12:30", "12%3A30"),
    ("a=b", "a%3Db"),
    ("?", "%3F"),
    ("a\\b", "a%5Cb"),
    ("{a", "%7Ba"),
    ("[a]^", "%5Ba%5D%5E"),
    ("a\tb\nc\x00\x1f\x7f", "a%09b%0Ac%00%1F%7F"),
    ("é 東京 🙂", "é 東京 🙂"),
]


def test_there_are_forty_hard_values_and_no_two_share_a_folder() -> None:
    assert len(HARD) == 40
    assert len({folder for _, folder in HARD}) == 40


@pytest.mark.parametrize(("value", "folder"), HARD)
def test_a_hard_value_is_escaped_as_hive_does_and_read_back(value: str, folder: str) -> None:
    assert escape(value) == folder
    assert unescape(folder) == value
    assert partition_path(["region"], [value]) == f"region={folder}"


@given(st.text())
def test_unescaping_what_was_escaped_gives_the_value(value: str) -> None:
    assert unescape(escape(value)) == value


@given(st.text(min_size=1))
def test_an_escaped_value_is_one_component_and_holds_nothing_that_a_glob_reads(value: str) -> None:
    assert not set(escape(value)) & set("/=*?[{\\\x00")


@given(st.text(), st.text())
def test_two_values_share_a_folder_only_if_they_are_the_same(one: str, other: str) -> None:
    assert (escape(one) == escape(other)) == (one == other)


@pytest.mark.parametrize("value", ["", ".", "..", "__HIVE_DEFAULT_PARTITION__"])
def test_what_readers_take_for_no_value_is_refused(value: str) -> None:
    with pytest.raises(PartitionKeyError) as caught:
        require_key_value("region", value)
    assert caught.value.message == f"{value!r} cannot be a value of region: readers take it for no value at all"


def test_half_a_character_is_refused() -> None:
    with pytest.raises(PartitionKeyError, match="it is no Unicode text"):
        partition_path(["region"], ["a\ud800"])


@pytest.mark.parametrize(
    "longest",
    [
        "a" * 248,  # "region=" takes 7 of the 255 bytes
        "é" * 124,
        "/" * 82 + "ab",  # three bytes each
    ],
)
def test_a_folder_name_may_have_255_bytes_and_no_more(longest: str) -> None:
    assert len(partition_path(["region"], [longest]).encode()) == 255
    with pytest.raises(PartitionKeyError, match="a value of region is too long for a folder's name"):
        partition_path(["region"], [f"{longest}b"])


@pytest.mark.parametrize("name", ["a", "monthly_orders", "x1", "a_", "o" * 255])
def test_a_plain_lower_case_name_is_a_name(name: str) -> None:
    assert require_asset_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", "A", "Orders", "1st", "_a", "a-b", "a.b", "a b", "a/b", "..", "é", "orders\n", "o٣", "o" * 256, "<lambda>"],
)
def test_any_other_name_is_refused(name: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        require_asset_name(name)
    assert caught.value.lines() == [
        f"{name!r} cannot be a name",
        "  help: a name is lower-case letters, digits and _, starting with a letter: monthly_orders",
    ]


def test_dimensions_nest_in_their_order_and_no_dimension_is_no_folder() -> None:
    assert partition_path(["region", "partition_date"], ["eu", "2018-02"]) == "region=eu/partition_date=2018-02"
    assert partition_path([], []) == ""
    assert hive_file("totals", "") == "totals/part.parquet"


def test_a_value_for_each_column_or_none_at_all() -> None:
    with pytest.raises(ValueError, match="zip"):
        partition_path(["region"], ["eu", "2018-02"])


def test_both_trees_are_keyed_alike() -> None:
    partition = partition_path(["partition_date"], ["2018-02"])
    assert hive_folder("monthly_orders", partition) == "monthly_orders/partition_date=2018-02"
    assert hive_file("monthly_orders", partition) == "monthly_orders/partition_date=2018-02/part.parquet"
    assert version_folder("monthly_orders", partition) == ".lake/versions/monthly_orders/partition_date=2018-02"
    assert versions_folder("") == ".lake/versions"
    assert log_folder("monthly_orders") == ".lake/log/monthly_orders"


def test_polars_and_duckdb_read_every_hard_value_back(tmp_path: Path) -> None:
    written = {f"v-{value}" for value, _ in HARD}  # led by a letter, so that no reader takes it for a number
    for value in written:
        folder = tmp_path / partition_path(["region"], [value])
        folder.mkdir()
        pl.DataFrame({"n": [1]}).write_parquet(folder / "part.parquet")

    scanned = pl.scan_parquet(tmp_path / "**/part.parquet", hive_schema={"region": pl.String}).collect()
    assert set(scanned["region"]) == written
    rows = duckdb.read_parquet(f"{tmp_path}/**/*.parquet", hive_partitioning=True).project("region").fetchall()
    assert {region for (region,) in rows} == written
