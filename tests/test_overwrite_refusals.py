"""What the writer alone refuses changes nothing, and says what to do instead."""

from __future__ import annotations

import itertools
import os
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from overwriting import Target
from polars.io.plugins import register_io_source

from lakehouse import AuditError, ComputeError, DefinitionError, LakeError, RequestError

THREE = pl.DataFrame({"k": ["a", "b", "a"], "n": [3, 2, 1]})


@pytest.fixture(autouse=True)
def no_syncs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody pulls the plug here: waiting for the disk would only take time."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return Target(tmp_path)


def refused(target: Target, frame: object, **options: Any) -> LakeError:
    """The error of a write that changes nothing at all."""
    is_there, commits = target.root.exists(), target.commits()
    before = target.identities()
    with pytest.raises(LakeError) as caught:
        target.write(frame, **options)
    assert target.identities() == before
    assert target.commits() == commits
    assert target.left() == []
    assert target.root.exists() == is_there
    return caught.value


# Rows and keys


@pytest.mark.parametrize("column", ["k", "j"])
def test_rows_without_a_key_are_counted_and_nothing_is_written(tmp_path: Path, column: str) -> None:
    target = Target(tmp_path, by=["k", "j"])
    frame = pl.DataFrame({"k": ["a", "b", "c"], "j": [1, 2, 3], "n": [1, 2, 3]})
    target.write(frame)
    for keys, said in (([1], "1 row has no {}, and so belongs"), ([1, 2], "2 rows have no {}, and so belong")):
        lacking = frame.with_columns(pl.when(~pl.col("j").is_in(keys)).then(pl.col(column)).alias(column))
        error = refused(target, lacking.lazy(), force=True)
        assert (type(error), error.code) == (AuditError, "key-null")
        assert error.message == f"{said.format(column)} to no partition; nothing written"
    assert target.write(lacking.drop_nulls(column)) == {"k=c/j=3": "unchanged"}


@pytest.mark.parametrize("value", ["", ".", "..", "__HIVE_DEFAULT_PARTITION__", "x" * 254])
def test_a_text_that_no_folder_can_be_named_by_is_refused(target: Target, value: str) -> None:
    frame = pl.DataFrame({"k": ["a", value], "n": [1, 2]})
    for one in (frame, frame.lazy()):
        error = refused(target, one)
        assert (type(error), error.code) == (AuditError, "key-unsafe")
    error = refused(target, THREE, partitions=[value])
    assert error.code == "key-unsafe"


@pytest.mark.parametrize("days", [2**31 - 1, -(2**31), 95_026_237])
def test_a_date_of_no_calendar_is_refused(target: Target, days: int) -> None:
    frame = pl.DataFrame({"k": pl.Series([days, 0]).cast(pl.Int32).cast(pl.Date), "n": [1, 2]})
    error = refused(target, frame)
    assert (type(error), error.code) == (AuditError, "key-unsafe")


@pytest.mark.parametrize(("one", "other"), [("EU", "eu"), ("\u00e9", "e\u0301"), ("stra\u00dfe", "STRASSE")])
def test_keys_that_are_one_folder_elsewhere_are_refused(tmp_path: Path, one: str, other: str) -> None:
    """Within a frame, beside what is asked for, and beside what was written earlier."""
    target = Target(tmp_path, by=["k", "j"])
    both = pl.DataFrame({"k": [one, other], "j": [1, 2], "n": [1, 2]})
    assert refused(target, both).code == "key-unsafe"
    assert refused(target, both.head(1), partitions=[(other, 1)]).code == "key-unsafe"
    target.write(both.head(1))
    error = refused(target, both.tail(1))
    assert error.code == "key-unsafe"
    assert "one folder where case or composed accents make no difference" in error.message


ASKED: dict[str, tuple[Any, list[Any]]] = {
    "text": ("a", [None, 1, True, b"a", date(2018, 1, 1), float("nan")]),
    "number": (1, [None, 1.5, 1.0, True, "1.0", "+1", "01", " 1", "x", date(2018, 1, 1), 2**63, -(2**200)]),
    "date": (
        date(2018, 1, 1),
        [None, 1, "2018-1-2", "20180102", datetime(2018, 1, 1, tzinfo=UTC), "2018-02-30", True],
    ),
    "bool": (True, [None, 1, 0, "True", "yes"]),
}


@pytest.mark.parametrize("kind", ASKED)
def test_an_asked_key_is_of_the_columns_type_or_its_text(target: Target, kind: str) -> None:
    """Nothing is guessed: a folder of the wrong name would be there for good."""
    value, wrong = ASKED[kind]
    frame = pl.DataFrame({"k": [value], "n": [1]})
    for asked in wrong:
        error = refused(target, frame, partitions=[asked])
        assert type(error) is RequestError
        assert error.message.startswith(f"partitions= has {asked!r} for k, which is ")
        assert str(error.help).startswith("write it as ")


@pytest.mark.parametrize("asked", ["ab", {"k": "a"}, 5, None])
def test_what_is_asked_for_is_a_list(target: Target, asked: Any) -> None:
    """A text is one as well, of its letters."""
    with pytest.raises(RequestError, match=r"is no list of keys \(overwriting.py"):
        target.write(THREE, partitions=asked)
    assert not target.root.exists()


@pytest.mark.parametrize("asked", [("a", "b"), [], {"j": "a"}, {"k": "a", "j": "b"}])
def test_an_asked_key_has_one_value_a_column(target: Target, asked: Any) -> None:
    assert "which is no key by k" in refused(target, THREE, partitions=[asked]).message


@pytest.mark.parametrize(
    ("by", "kind"),
    [
        ([], RequestError),
        (["k", "k"], RequestError),
        (["k", "K"], DefinitionError),
        ("nope", RequestError),
        ("a b", DefinitionError),
        ([1], DefinitionError),
    ],
    ids=str,
)
def test_columns_that_make_no_keys_are_refused(tmp_path: Path, by: Any, kind: type[LakeError]) -> None:
    target = Target(tmp_path, by=by)
    assert type(refused(target, THREE.with_columns(K=pl.col("k")))) is kind


def test_other_columns_of_keys_than_before_are_refused(tmp_path: Path) -> None:
    frame = THREE.with_columns(j=pl.lit("x"))
    Target(tmp_path, by="k").write(frame)
    for by in ("j", ["k", "j"], ["j", "k"]):
        target = Target(tmp_path, by=by)
        error = refused(target, frame, force=True)
        assert (type(error), error.code) == (DefinitionError, "partitions-changed")
        assert error.help == "write it by the same columns, or under another name"


# Columns


def test_other_columns_are_refused_until_they_are_allowed(target: Target) -> None:
    target.write(THREE)
    more = pl.DataFrame({"k": ["b", "c"], "n": [5, 6], "x": [0.5, 1.5]})
    error = refused(target, more)
    assert (type(error), error.code) == (AuditError, "schema-changed")
    assert error.details == ("x: f64 is new",)
    assert error.help == "if that is meant, write with allow_schema_change=True"
    assert target.write(more, allow_schema_change=True) == {"b": "replaced", "c": "created"}
    assert {key: target.table(path) for key, path in target.files().items()} == {
        "a": (["n"], [(1,), (3,)]),
        "b": (["n", "x"], [(5, 0.5)]),
        "c": (["n", "x"], [(6, 1.5)]),
    }
    assert refused(target, THREE).details == ("x: f64 is no longer there",)
    assert target.write(more) == {"b": "unchanged", "c": "unchanged"}
    assert target.write(more.select("x", "k", "n")) == {"b": "unchanged", "c": "unchanged"}


def test_a_column_without_a_value_takes_the_type_that_it_had(target: Target) -> None:
    target.write(THREE)
    assert target.write(pl.DataFrame({"k": ["a"], "n": [None]})) == {"a": "replaced"}
    assert target.rows() == {"a": [(None,)], "b": [(2,)]}
    assert refused(target, THREE.with_columns(pl.col("n").cast(pl.Int32))).details == ("n: i64 became i32",)


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        (THREE.select("k"), "audit-blocked"),
        (THREE.with_columns(N=1), "column-refused"),
        (THREE.with_columns(t=pl.lit(1).cast(pl.Time)), "type-refused"),
        (THREE.with_columns(pl.lit(None).alias("x")), "type-refused"),
    ],
    ids=["no columns", "case", "type", "null"],
)
def test_columns_that_not_every_reader_gives_back_are_refused(target: Target, frame: pl.DataFrame, code: str) -> None:
    error = refused(target, frame)
    assert (type(error), error.code) == (AuditError, code)


def test_a_column_to_sort_by_has_to_be_there(target: Target) -> None:
    assert refused(target, THREE, sort_by=["n", "x"]).code == "sort-column-missing"


# Queries


def failing(frame: pl.DataFrame, *, at: int) -> pl.LazyFrame:
    """A frame whose query fails the nth time that it is asked."""
    calls = itertools.count(1)

    def check(batch: pl.DataFrame) -> pl.DataFrame:
        if next(calls) >= at:
            raise ValueError("the wire is cut")
        return batch

    return frame.lazy().map_batches(check, schema=frame.schema)


@pytest.mark.parametrize("at", [1, 2])
def test_a_query_that_fails_leaves_nothing(target: Target, at: int) -> None:
    for _ in range(2):
        error = refused(target, failing(THREE.with_columns(n=-pl.col("n")), at=at))
        assert type(error) is ComputeError
        assert "the wire is cut" in str(error)
        target.write(THREE)


def test_a_stream_that_fails_leaves_nothing(target: Target) -> None:
    relation = duckdb.connect().sql("select 'a' as k, error('the wire is cut') as n from range(3)")
    error = refused(target, relation)
    assert type(error) is ComputeError
    assert "the wire is cut" in str(error)


def changing(*frames: pl.DataFrame) -> pl.LazyFrame:
    """A frame that is another each time that it is read."""
    left = iter(frames)
    return register_io_source(lambda *_: iter([next(left)]), schema=frames[0].schema)


DAYS = pl.DataFrame({"k": [10, 11], "n": [1, 2]})


@pytest.mark.parametrize(
    "then",
    [
        pl.DataFrame({"k": [10, 10], "n": [1, 2]}),
        pl.DataFrame({"k": [9, 10], "n": [1, 2]}),
        pl.DataFrame({"k": [10, 12], "n": [1, 2]}),
        pl.DataFrame({"k": [10, -(2**63)], "n": [1, 2]}),
        pl.DataFrame({"k": [10, 2**62], "n": [1, 2]}),
        pl.DataFrame({"k": [10, None], "n": [1, 2]}),
        pl.DataFrame({"k": [10, 11, 11], "n": [1, 2, 3]}),
        DAYS.head(1),
        DAYS.clear(),
    ],
    ids=lambda frame: str(frame["k"].to_list()),
)
@pytest.mark.parametrize("kind", [pl.Int64, pl.String])
@pytest.mark.parametrize("files", [100, 1], ids=["files", "buckets"])
def test_a_frame_that_is_another_when_it_is_read_again_is_refused(
    target: Target, monkeypatch: pytest.MonkeyPatch, then: pl.DataFrame, kind: Any, files: int
) -> None:
    """No row goes where it does not belong, nor is one left out."""
    monkeypatch.setattr("lakehouse.division._FILES", files)
    target.write(DAYS.with_columns(pl.col("k").cast(kind)))
    error = refused(target, changing(*(frame.with_columns(pl.col("k").cast(kind)) for frame in (DAYS, then))))
    assert (type(error), error.code) == (AuditError, "frame-changed")
    assert error.help == "collect it first: write_partitions(frame.collect(), …)"
