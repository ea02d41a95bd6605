"""The writer alone replaces exactly the partitions that a frame has rows of, whatever a frame is."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from overwriting import Target, names

from lakehouse import RequestError

THREE = pl.DataFrame({"k": ["a", "b", "a"], "n": [3, 2, 1]})
HARD = [
    *("a b", "a/b", "a\\b", "50%", "%41", "x=y", "it's", 'k"', "g*", "[z]", "{w}", "h#", "q?", "c:d", "~", "+", "&"),
    *(";", "é", "東京", "🙂", "ß", "\t", "a\nb", "-", "...", "null", "NaN", "None", "true", "1", "01", "1e3"),
    *("2018-01", "2018-01-01", " leading", "trailing ", "k=v/j=w", "../up", "part.parquet", "\0", "x" * 250),
]


@pytest.fixture(autouse=True)
def no_syncs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody pulls the plug here: waiting for the disk would only take time."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return Target(tmp_path)


# Which partitions are written


def test_exactly_the_partitions_of_the_frame_are_replaced(target: Target) -> None:
    assert target.write(THREE) == {"a": "created", "b": "created"}
    before = target.identities()
    assert target.write(pl.DataFrame({"k": ["c", "b"], "n": [9, 8]})) == {"b": "replaced", "c": "created"}
    assert target.rows() == {"a": [(1,), (3,)], "b": [(8,)], "c": [(9,)]}
    assert target.identities()["a"] == before["a"]
    assert target.left() == []
    assert names(target.root) == [".lake", "events"]


def test_the_same_rows_again_touch_no_file(target: Target) -> None:
    """In whichever order they come."""
    target.write(THREE)
    before = target.identities()
    assert target.write(THREE.reverse()) == {"a": "unchanged", "b": "unchanged"}
    assert target.identities() == before
    assert target.versions() == 2


def test_keys_that_are_asked_for_and_have_no_rows_are_emptied(target: Target) -> None:
    target.write(THREE)
    one = pl.DataFrame({"k": ["a"], "n": [7]})
    assert target.write(one, partitions=["b", "d"]) == {"a": "replaced", "b": "replaced", "d": "created"}
    assert target.rows() == {"a": [(7,)], "b": [], "d": []}
    assert target.table(target.files()["d"])[0] == ["n"]


def test_of_several_columns_asked_keys_are_tuples_or_mappings(tmp_path: Path) -> None:
    target = Target(tmp_path, by=["k", "d"])
    frame = pl.DataFrame({"k": ["a"], "d": [date(2018, 2, 1)], "n": [1]})
    asked = [("b", date(2018, 2, 2)), {"d": "2018-02-03", "k": "c"}, ["a", "2018-02-01"]]
    results = target.results(frame, partitions=asked)
    assert [item.partition for item in results] == [
        {"k": "a", "d": "2018-02-01"},
        {"k": "b", "d": "2018-02-02"},
        {"k": "c", "d": "2018-02-03"},
    ]
    assert target.rows() == {"a/2018-02-01": [(1,)], "b/2018-02-02": [], "c/2018-02-03": []}


def test_a_frame_without_rows_writes_what_is_asked_for_alone(target: Target) -> None:
    """However many there are: nothing at all, if there are none."""
    assert target.write(THREE.clear()) == {}
    assert target.commits() == 0
    assert target.write(THREE.clear(), partitions=[f"{number}" for number in range(120)]) == {
        f"{number}": "created" for number in range(120)
    }
    assert {*map(len, target.rows().values())} == {0}


# What can be a frame


FRAMES: dict[str, Callable[[pl.DataFrame], Any]] = {
    "DataFrame": lambda frame: frame,
    "LazyFrame": lambda frame: frame.lazy(),
    "Table": lambda frame: frame.to_arrow(),
    "RecordBatchReader": lambda frame: frame.to_arrow().to_reader(),
    "DuckDB": lambda frame: duckdb.connect().from_arrow(frame.to_arrow()),
    "capsule": lambda frame: _Capsule(frame.to_arrow()),
}


class _Capsule:
    """Nothing but the protocol."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("sort_by", [None, "n", "all columns"])
def test_whatever_the_frame_is_the_bytes_are_those_of_one_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, sort_by: Any
) -> None:
    """Divided in memory, into a file a key, or (of many keys) by way of files of some keys each."""
    number = pl.int_range(300_000)
    frame = pl.select(k=number % 7 % 3, n=number * 7919 % 1009, t=(number % 5).cast(pl.String))
    options = {} if sort_by == "all columns" else {"sort_by": sort_by}
    expected = Target(tmp_path / "one")
    expected.write(frame, **options)
    ordered = frame if sort_by is None else frame.sort("n", "t")
    assert expected.rows() == {f"{k}": ordered.filter(k=k).drop("k").rows() for k in range(3)}
    for files in (100, 2):
        monkeypatch.setattr("lakehouse.division._FILES", files)
        other = Target(tmp_path / f"{files}")
        other.write(FRAMES[kind](frame), **options)
        assert {key: data for key, (data, *_) in other.identities().items()} == {
            key: data for key, (data, *_) in expected.identities().items()
        }
        assert other.left() == []


def test_hundreds_of_keys_go_to_hundreds_of_files(tmp_path: Path) -> None:
    target = Target(tmp_path, by=["d", "k"])
    first = date(2018, 1, 1)
    days = [first + timedelta(number) for number in range(130)]
    frame = pl.DataFrame({"d": days * 6, "k": [1, 2] * 390, "n": range(780)})
    assert {*target.write(frame.lazy()).values()} == {"created"}
    expected: dict[str, list[tuple[int]]] = {}
    for day, k, n in frame.rows():
        expected.setdefault(f"{day}/{k}", []).append((n,))
    assert target.rows() == expected
    assert len(expected) == 130


@pytest.mark.parametrize("frame", ["a.parquet", pl.Series("k", ["a"]), None, {"k": ["a"]}, [1]])
def test_what_is_no_frame_is_refused_and_leaves_no_trace(target: Target, frame: object) -> None:
    with pytest.raises(RequestError, match=r"no frame \(overwriting.py:\d+\)\n  help: give a Polars LazyFrame"):
        target.write(frame)
    assert not target.root.exists()


def test_a_frame_may_read_the_folder_that_it_is_written_to(target: Target) -> None:
    target.write(THREE)
    read = pl.scan_parquet(target.path, hive_partitioning=True)
    assert target.write(read.with_columns(pl.col("n") * 10)) == {"a": "replaced", "b": "replaced"}
    assert target.rows() == {"a": [(10,), (30,)], "b": [(20,)]}
    connection = duckdb.connect()
    relation = connection.sql(f"select k, n + 1 as n from '{target.path}/*/*.parquet' where k = 'a'")  # noqa: S608
    assert target.write(relation) == {"a": "replaced"}
    assert target.rows() == {"a": [(11,), (31,)], "b": [(20,)]}
    assert target.write(pl.scan_parquet(target.path, hive_partitioning=True)) == {"a": "unchanged", "b": "unchanged"}


# What can be a key


@pytest.mark.parametrize("kind", [None, pl.Categorical(), pl.Enum([*HARD, "other"])], ids=str)
@pytest.mark.parametrize("lazy", [False, True])
def test_whatever_text_a_key_is_readers_of_the_folder_find_it(
    tmp_path: Path, kind: pl.DataType | None, *, lazy: bool
) -> None:
    target = Target(tmp_path, by=["k", "j"])
    frame = pl.DataFrame({"k": HARD, "j": HARD[::-1], "n": range(len(HARD))})
    frame = frame if kind is None else frame.with_columns(pl.col("k", "j").cast(kind))
    results = target.results(frame.lazy() if lazy else frame)
    assert {(*item.partition.values(),) for item in results} == {*zip(HARD, HARD[::-1], strict=True)}
    shape = ds.partitioning(pa.schema([("k", pa.string()), ("j", pa.string())]), flavor="hive")
    found = ds.dataset(target.path, partitioning=shape).to_table().select(["n", "k", "j"]).sort_by("n")
    assert found.to_pydict() == {"n": [*range(len(HARD))], "k": HARD, "j": HARD[::-1]}


NUMBERS = {
    pl.Int8: [-128, -1, 0, 127],
    pl.Int16: [-(2**15), 2**15 - 1],
    pl.Int32: [-(2**31), 2**31 - 1],
    pl.Int64: [-(2**63), 2**63 - 1],
    pl.UInt8: [0, 255],
    pl.UInt16: [0, 2**16 - 1],
    pl.UInt32: [0, 2**32 - 1],
    pl.UInt64: [2**64 - 1, 2**63, 2**63 - 1],
    pl.Int128: [-(2**127), 2**127 - 1, 0],
    pl.UInt128: [2**128 - 1, 0],
}


@pytest.mark.parametrize(("kind", "values"), NUMBERS.items(), ids=str)
def test_whole_numbers_are_keys_as_people_write_them(tmp_path: Path, kind: Any, values: list[int]) -> None:
    """Far apart, and one alone at either end of what the type holds."""
    for number, some in enumerate([values, *([value] for value in values)]):
        for lazy in (False, True):
            target = Target(tmp_path / f"{number}{lazy}")
            frame = pl.DataFrame({"k": pl.Series(some, dtype=kind), "n": range(len(some))})
            asked = [*some, *map(str, some)]
            assert {*target.write(frame.lazy() if lazy else frame, partitions=asked).values()} == {"created"}
            assert target.rows() == {f"{value}": [(place,)] for place, value in enumerate(some)}


FAR = 3_000_000  # days since 1970
DATES = {
    "near": ([date(1969, 12, 31), date(1970, 1, 1)], ["1969-12-31", "1970-01-01"]),
    "far": ([date(1, 1, 1), date(9999, 12, 31)], ["0001-01-01", "9999-12-31"]),
    "beyond": (pl.Series([FAR, FAR + 1]).cast(pl.Int32).cast(pl.Date), ["+10183-09-21", "+10183-09-22"]),
    "before": (pl.Series([-800_000]).cast(pl.Int32).cast(pl.Date), ["-0221-09-04"]),
}


@pytest.mark.parametrize("which", DATES)
def test_dates_are_keys_in_iso_format(tmp_path: Path, which: str) -> None:
    values, texts = DATES[which]
    for lazy in (False, True):
        target = Target(tmp_path / f"{lazy}")
        frame = pl.DataFrame({"k": values, "n": range(len(texts))})
        target.write(frame.lazy() if lazy else frame, partitions=[*texts])
        assert target.rows() == {text: [(place,)] for place, text in enumerate(texts)}
        assert [unquote(path.parent.name) for path in target.files().values()] == [f"k={text}" for text in texts]


def test_booleans_are_true_and_false(target: Target) -> None:
    target.write(pl.DataFrame({"k": [True, False, True], "n": [1, 2, 3]}).lazy(), partitions=["true", False])
    assert target.rows() == {"false": [(2,)], "true": [(1,), (3,)]}


CURES = {
    "Float64": (pl.Series([1.0, float("nan")]), lambda k: k.fill_nan(0).cast(pl.Int64), ".cast(pl.Int64)"),
    "Float32": (pl.Series([1.0, 2.0], dtype=pl.Float32), lambda k: k.cast(pl.Int64), ".cast(pl.Int64)"),
    "Decimal": (pl.Series(["1.5", "2"]).cast(pl.Decimal(4, 1)), lambda k: k.cast(pl.String), ".cast(pl.String)"),
    "Datetime": (
        pl.Series([date(2018, 2, 1), date(2018, 2, 2)]).cast(pl.Datetime),
        lambda k: k.dt.date(),
        ".dt.date()",
    ),
    "Time": (pl.Series([1, 2]).cast(pl.Time), lambda k: k.dt.strftime("%T%.9f"), ".dt.strftime("),
    "Duration": (pl.Series([timedelta(1), timedelta(2)]), lambda k: k.dt.total_days(), ".dt.total_days()"),
    "Binary": (pl.Series([b"a", b"b"]), lambda k: k.cast(pl.String), ".cast(pl.String)"),
    "List": (
        pl.Series([[1, 2], [3]]),
        lambda k: k.cast(pl.List(pl.String)).list.join("-"),
        ".cast(pl.List(pl.String)).list.join(",
    ),
    "Array": (
        pl.Series([[1], [2]], dtype=pl.Array(pl.Int64, 1)),
        lambda k: k.arr.to_list().cast(pl.List(pl.String)).list.join("-"),
        ".arr.to_list().cast(pl.List(pl.String)).list.join(",
    ),
    "Struct": (pl.Series([{"a": 1}, {"a": 2}]), lambda k: k.struct.field("a"), ".struct.field("),
}


@pytest.mark.parametrize("kind", CURES)
def test_a_type_that_is_no_key_is_refused_with_the_cast_that_helps(target: Target, kind: str) -> None:
    values, cast, cure = CURES[kind]
    frame = pl.DataFrame({"k": values, "n": [1, 2]})
    with pytest.raises(RequestError, match=r"k is .*, and keys are text, whole numbers, dates or booleans") as caught:
        target.write(frame)
    assert cure in str(caught.value.help)
    assert not target.root.exists()
    assert len(target.write(frame.with_columns(k=cast(pl.col("k"))))) == 2
