"""Rows divided by key: in memory, by way of files or of files of some keys each, they come out the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.division import divided
from lakehouse.errors import AuditError, PartitionKeyError
from lakehouse.layout import require_key_value
from lakehouse.partitions import Categories, Monthly, Partitions, Unpartitioned
from lakehouse.parts import Part

Spool = Callable[[], Path]
REGIONS = Categories("region", ["eu", "us", "apac"])
TWO = REGIONS * Monthly("2018-01")
HARD = [
    *(
        "a b",
        "a/b",
        "a\\b",
        "50%",
        "%41",
        "x=y",
        "it's",
        'k"',
        "g*",
        "[z]",
        "{w}",
        "h#",
        "q?",
        "c:d",
        "~",
        "+",
        "&",
        ";",
    ),
    *("é", "東京", "🙂", "ß", "\t", "a\nb", "-", "...", "null", "NULL", "None", "nan", "true", "1", "01", "1e3"),
    *("2018-01", "2018-01-01", " leading", "trailing "),
]


def expected(frame: pl.DataFrame, partitions: Partitions) -> list[str]:
    """The keys that the frame has, and so many more that they are divided by buckets where that is how."""
    rows = frame.select(partitions.columns).unique().drop_nulls().rows() if partitions.columns else []
    sane = [values for values in rows if all(is_sane(value) for value in values)]
    return [partitions.key(values) for values in sorted(sane)]


def is_sane(value: str) -> bool:
    try:
        require_key_value("region", value)
    except PartitionKeyError:
        return False
    return True


@pytest.fixture(params=["in memory", "in files", "in final files", "in buckets", "in large buckets"])
def parts(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., dict[str | None, Part]]:
    """Divides a frame by key, in one of the ways there are."""
    if "buckets" in request.param:
        monkeypatch.setattr("lakehouse.division._FILES", 3)
        monkeypatch.setattr("lakehouse.division._BUCKETS", 2)
    if request.param == "in large buckets":
        monkeypatch.setattr("lakehouse.division._BUCKET_BYTES", 0)
    numbers = count()
    spool: Spool | None = None if request.param == "in memory" else lambda: tmp_path / f"{next(numbers)}"

    def divide(frame: pl.DataFrame, partitions: Partitions) -> dict[str | None, Part]:
        found = divided(
            frame.lazy(),
            partitions,
            expected(frame, partitions),
            is_final=request.param == "in final files",
            spool=spool,
        )
        return found.parts(found.query.collect())

    return divide


def rows(parts: dict[str | None, Part]) -> dict[str | None, list[tuple[object, ...]]]:
    """The rows of each part, after a look that their number is told."""
    frames = {key: part.frame() for key, part in parts.items()}
    assert {key: part.row_count for key, part in parts.items()} == {key: one.height for key, one in frames.items()}
    return {key: frame.rows() for key, frame in frames.items()}


def frame(values: Sequence[tuple[str | None, ...]], columns: Sequence[str]) -> pl.DataFrame:
    """A row for each combination of key values, numbered from 0."""
    keys = {column: [row[place] for row in values] for place, column in enumerate(columns)}
    return pl.DataFrame({"n": range(len(values)), **keys}, schema_overrides=dict.fromkeys(columns, pl.String))


def test_parts_hold_the_rows_of_their_keys_in_order_without_the_partition_columns(
    parts: Callable[..., dict[str | None, Part]],
) -> None:
    given = [("us", "2018-02"), ("eu", "2018-01"), ("us", "2018-02"), ("us", "2018-01"), ("eu", "2018-01")]
    found = parts(frame(given, TWO.columns), TWO)
    assert rows(found) == {
        "region=us/partition_date=2018-02": [(0,), (2,)],
        "region=eu/partition_date=2018-01": [(1,), (4,)],
        "region=us/partition_date=2018-01": [(3,)],
    }
    assert {tuple(part.frame().columns) for part in found.values()} == {("n",)}


def test_one_dimensions_keys_are_its_values(parts: Callable[..., dict[str | None, Part]]) -> None:
    assert rows(parts(frame([("us",), ("eu",), ("us",)], ["region"]), REGIONS)) == {
        "us": [(0,), (2,)],
        "eu": [(1,)],
    }


def test_without_partition_columns_all_rows_are_one_part(parts: Callable[..., dict[str | None, Part]]) -> None:
    for number in (0, 3):
        found = parts(pl.DataFrame({"n": range(number)}, schema={"n": pl.Int64}), Unpartitioned())
        assert rows(found) == {"all": [(n,) for n in range(number)]}
        assert dict(found["all"].frame().schema) == {"n": pl.Int64()}


def test_rows_that_lack_a_value_have_no_key(parts: Callable[..., dict[str | None, Part]]) -> None:
    """Whichever it is, and however many lack one."""
    for lacking in [(None, "2018-01"), ("eu", None), (None, None)]:
        found = parts(frame([("eu", "2018-01"), lacking], TWO.columns), TWO)
        assert rows(found) == {"region=eu/partition_date=2018-01": [(0,)], None: [(1,)]}
    every = frame([("eu", "2018-01"), (None, "2018-01"), ("us", None), (None, None), ("eu", None)], TWO.columns)
    assert set(parts(every, TWO)) == {"region=eu/partition_date=2018-01", None}
    assert set(parts(frame([("eu",), (None,)], ["region"]), REGIONS)) == {"eu", None}


@pytest.mark.parametrize("value", HARD)
def test_a_value_that_folders_escape_comes_back_as_it_is(
    parts: Callable[..., dict[str | None, Part]], value: str
) -> None:
    kinds = Categories("kind", [value, "other"])
    found = parts(frame([(value,), ("other",), (value,)], ["kind"]), kinds)
    assert rows(found) == {value: [(0,), (2,)], "other": [(1,)]}
    two = kinds * Monthly("2018-01")
    found = parts(frame([(value, "2018-01"), (value, "2018-02")], two.columns), two)
    assert rows(found) == {two.key([value, "2018-01"]): [(0,)], two.key([value, "2018-02"]): [(1,)]}


@given(st.lists(st.tuples(*[st.text(min_size=1, max_size=4)] * 2), max_size=6))
def test_whatever_text_keys_are_both_ways_agree(
    tmp_path_factory: pytest.TempPathFactory, values: list[tuple[str, str]]
) -> None:
    allowed = []
    for value in values:
        try:
            allowed.append(tuple(require_key_value("a", text) for text in value))
        except Exception:  # noqa: BLE001, S112  readers of folders take it for no value: another law's
            continue
    two = Categories("a", ["x"]) * Categories("b", ["x"])
    given = frame(allowed, two.columns)
    folder = tmp_path_factory.mktemp("spool")
    expected: dict[str | None, list[tuple[object, ...]]] = {}
    for number, value in enumerate(allowed):
        expected.setdefault(two.key(value), []).append((number,))
    for spool in (None, lambda: folder / "files"):
        found = divided(given.lazy(), two, [], is_final=False, spool=spool)
        assert rows(found.parts(found.query.collect())) == expected


@pytest.mark.parametrize("value", ["", ".", "..", "x" * 300])
def test_a_value_that_cannot_be_a_folder_is_refused_in_memory(value: str) -> None:
    found = divided(frame([(value, "2018-01")], TWO.columns).lazy(), TWO, [], is_final=False, spool=None)
    with pytest.raises(AuditError) as caught:
        found.parts(found.query.collect())
    assert caught.value.code == "key-unsafe"


def test_the_same_rows_give_the_same_bytes_whichever_way_they_went(tmp_path: Path) -> None:
    """Sorted as they are published; a part that was a file is one no longer."""
    given = frame([("us", "2018-02"), ("eu", "2018-01"), ("us", "2018-02")] * 50, TWO.columns).reverse()
    written: list[dict[str | None, bytes]] = []
    for name, spool in (("memory", None), ("files", lambda: tmp_path / "spool")):
        found = divided(given.lazy(), TWO, [], is_final=False, spool=spool)
        written.append({})
        for number, (key, part) in enumerate(sorted(found.parts(found.query.collect()).items(), key=str)):
            part.write(tmp_path / f"{name}{number}", ["n"])
            written[-1][key] = (tmp_path / f"{name}{number}").read_bytes()
    assert written[0] == written[1]
    assert len(written[0]) == 2
    assert [path for path in (tmp_path / "spool").rglob("*") if path.is_file()] == []
