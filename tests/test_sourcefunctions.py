"""A source whose rows a function gives: its version, its rows, and what is said of those that cannot be had."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from lakehouse.errors import ComputeError, SourceError
from lakehouse.sources.declared import Source, declare_function_source
from lakehouse.sources.digestcache import DigestCache
from lakehouse.sources.look import SourceNow, look_at, scan, source_fault

NOW = datetime(2019, 1, 1, tzinfo=UTC)


def declare(function: Callable[..., Any], **changed: Any) -> Source:
    """A declaration of a function as a source."""
    facts: dict[str, Any] = {"time": None, "version": "1", "schema": None, "nullable": ()}
    return declare_function_source(function, **{**facts, **changed})


def look(source: Source, known: SourceNow | None = None) -> SourceNow:
    """One look."""
    return look_at(source, Path("/nowhere"), DigestCache(), lambda: "rates -> monthly", known)


def rates() -> pl.DataFrame:
    return pl.DataFrame({"day": ["2018-01-01"], "rate": [2]})


def test_a_version_is_known_by_its_text_alone() -> None:
    first = look(declare(rates)).version
    assert first is not None
    assert look(declare(lambda: 1 / 0, version="1")).version == first
    assert look(declare(rates, version=lambda: "1")).version == first
    assert look(declare(rates, version="2")).version != first


@pytest.mark.parametrize("version", [None, lambda: None], ids=["not told", "told as none"])
def test_without_a_version_nobody_knows_it(version: Any) -> None:
    now = look(declare(rates, version=version))
    assert (now.version, now.version_of("2018-01"), now.version_of_windows([]), now.is_as_it_was) == (
        None,
        None,
        None,
        True,
    )
    assert now.became(NOW) == "rates has no version, so it may have changed"


def test_a_version_that_changes_is_told() -> None:
    told = ["1"]
    declared = declare(rates, version=lambda: told[0])
    first = look(declared)
    assert first.is_as_it_was
    told[0] = "2"
    assert not first.is_as_it_was
    assert look(declared).fingerprint() != first.fingerprint()
    assert first.became(NOW) == "rates changed: its version is another"


def test_a_version_that_cannot_be_told_is_the_sources_fault() -> None:
    def version() -> str:
        raise ConnectionError("no route to host")

    now = look(declare(rates))
    with pytest.raises(SourceError) as caught:
        look(declare(rates, version=version))
    error = caught.value
    assert (error.code, error.exit_code) == ("source-unreadable", 5)
    assert error.message == "rates: its version cannot be told: ConnectionError: no route to host"
    assert any(" in version:  raise ConnectionError" in line for line in error.details)
    assert now.is_as_it_was
    with pytest.raises(SourceError, match=r"^rates: its version is int, not a text \(test_sourcefunctions\.py:"):
        look(declare(rates, version=lambda: 3))


def test_a_function_is_called_once_a_look_and_not_again_under_the_same_version() -> None:
    calls: list[int] = []

    def counted() -> pl.LazyFrame:
        calls.append(1)
        return rates().lazy()

    told = ["1"]
    declared = declare(counted, version=lambda: told[0])
    now = look(declared)
    assert calls == []
    for _ in range(2):
        assert scan(now).collect().equals(rates())
    assert len(calls) == 1
    again = look(declared, now)
    assert (again is now, len(calls)) == (True, 1)
    told[0] = "2"
    scan(look(declared, now))
    assert len(calls) == 2


def test_a_stream_goes_through_a_file_and_is_asked_for_again_where_that_is_gone(tmp_path: Path) -> None:
    calls: list[Path] = []

    def spool() -> Path:
        calls.append(tmp_path / f"{len(calls)}")
        return calls[-1]

    now = look(declare(lambda: duckdb.sql("SELECT 1 AS x")))
    assert [scan(now, spool=spool).collect().rows() for _ in range(2)] == [[(1,)]] * 2
    assert len(calls) == 1
    calls[0].unlink()
    assert scan(now, spool=spool).collect().rows() == [(1,)]
    assert len(calls) == 2


def test_the_declared_columns_are_read_in_their_order() -> None:
    schema = {"rate": pl.Int64, "day": pl.String}
    assert scan(look(declare(rates, schema=schema))).collect().rows() == [(2, "2018-01-01")]
    assert list(scan(look(declare(rates, schema={"rate": pl.Int64}))).collect_schema()) == ["rate"]


@pytest.mark.parametrize(
    ("schema", "message", "cure"),
    [
        ({"id": pl.Int64}, r"^rates\(\) has no column 'id', which rates declares \(test_", "it has day, rate"),
        (
            {"rate": pl.String},
            r"^rates\(\): column 'rate' is Int64, and rates declares String\n",
            "declare it as it is",
        ),
    ],
    ids=["column", "type"],
)
def test_other_columns_than_declared_are_refused(schema: dict[str, Any], message: str, cure: str) -> None:
    with pytest.raises(SourceError, match=message) as caught:
        scan(look(declare(rates, schema=schema)))
    assert (caught.value.help or "").startswith(cure)


def test_a_function_that_raises_is_the_sources_fault() -> None:
    def broken() -> pl.LazyFrame:
        raise TimeoutError("nobody answers")

    with pytest.raises(SourceError) as caught:
        scan(look(declare(broken)))
    assert caught.value.message == "broken: TimeoutError: nobody answers"
    assert any(" in broken:  raise TimeoutError" in line for line in caught.value.details)

    def lazy() -> pl.LazyFrame:
        return rates().lazy().select("nothing")

    with pytest.raises(SourceError, match=r"^lazy: ColumnNotFoundError: "):
        scan(look(declare(lazy, schema={"rate": pl.Int64})))


def test_what_is_no_frame_is_refused() -> None:
    with pytest.raises(ComputeError, match=r"^rates returned list, not a frame"):
        scan(look(declare(named("rates", lambda: [1]))))


def named(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A function under another name."""
    function.__name__ = name
    return function


def test_it_has_no_files_keys_or_faults() -> None:
    now = look(declare(rates))
    assert (now.files, now.keys, now.strangers, now.size_bytes, now.changed) == ((), (), (), 0, None)
    assert (source_fault(now), now.only(["x"]), now.shown(Path("x"))) == (None, now, "rates()")


def test_rows_are_as_large_as_what_holds_them_and_of_a_lazy_frame_nobody_knows(tmp_path: Path) -> None:
    """What may not fit in memory is not to be held there."""
    frame = pl.DataFrame({"x": range(1000)})
    path = tmp_path / "spool"
    for function, low, high in (
        (lambda: frame, 8_000, 9_000),
        (lambda: duckdb.sql("SELECT unnest(range(1000)) AS x"), 1_000, 100_000),
        (lambda: pl.LazyFrame({"x": [1]}), 10**15, 2**64),
    ):
        now = look(declare(function))
        assert now.size_bytes == 0
        scan(now, spool=lambda: path)
        assert low <= now.size_bytes <= high
