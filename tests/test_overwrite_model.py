"""Whatever is written in whichever order, the folder holds what a plain dict of rows would."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from overwriting import Target

from lakehouse import AuditError

TEXTS = ["eu", "us", "a/b", "50%", "x=y", "é", "東京", " b", "007", "null", "k=v"]
DAY = date(1969, 12, 30)
SECONDS: Mapping[str, tuple[Any, list[Any]]] = {
    "text": (pl.String, TEXTS),
    "enum": (pl.Enum(TEXTS), TEXTS),
    "date": (pl.Date, [DAY + timedelta(number) for number in (0, 1, 2, 800, 10**6)]),
    "i64": (pl.Int64, [-3, 0, 1, 2**63 - 1, -(2**63)]),
    "i8": (pl.Int8, [-128, 0, 5]),
    "u64": (pl.UInt64, [0, 7, 2**64 - 1]),
    "bool": (pl.Boolean, [True, False]),
}
ROW = {"k": pl.String, "n": pl.Int64, "t": pl.String, "x": pl.Int64}
FRAMES = ["DataFrame", "LazyFrame", "Table", "reader", "relation"]


@pytest.fixture(autouse=True)
def no_syncs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody pulls the plug here: waiting for the disk would only take time."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


def text_of(value: Any) -> str:
    """How a key is written, by the words of the README."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value.isoformat() if isinstance(value, date) else str(value)


def as_kind(frame: pl.DataFrame, kind: str) -> Any:
    match kind:
        case "LazyFrame":
            return frame.lazy()
        case "Table":
            return frame.to_arrow()
        case "reader":
            return frame.to_arrow().to_reader()
        case "relation":
            return duckdb.connect().from_arrow(frame.to_arrow())
        case _:
            return frame


def in_order(row: tuple[Any, ...]) -> tuple[Any, ...]:
    """What Python sorts a row by as the lake does: nulls first."""
    return tuple((value is not None, value) for value in row)


@dataclass
class Model:
    """What the folder should hold: of each key its columns and its rows in order."""

    parts: dict[tuple[str, str], tuple[list[str], list[tuple[Any, ...]]]] = field(default_factory=dict)
    columns: list[str] | None = None

    def write(
        self, frame: pl.DataFrame, asked: list[tuple[Any, Any]], *, is_sorted: bool
    ) -> dict[tuple[str, str], str]:
        """Take a write; the result of each key that is in the frame or was asked for."""
        columns = [name for name in frame.columns if name not in ("k", "j")]
        if self.columns is None or {*self.columns} != {*columns}:
            self.columns = columns
        made: dict[tuple[str, str], list[tuple[Any, ...]]] = {(text_of(k), text_of(j)): [] for k, j in asked}
        for row in frame.iter_rows(named=True):
            made.setdefault((row["k"], text_of(row["j"])), []).append(tuple(row[name] for name in self.columns))
        results = {}
        for key, rows in made.items():
            part = ([*self.columns], sorted(rows, key=in_order) if is_sorted else rows)
            results[key] = "created" if key not in self.parts else "unchanged"
            if key in self.parts and self.parts[key] != part:
                results[key] = "replaced"
            self.parts[key] = part
        return results


@st.composite
def writes(draw: st.DrawFn) -> tuple[str, list[dict[str, Any]]]:
    """Of which type the second column is, and what is written one after the other."""
    second = draw(st.sampled_from(sorted(SECONDS)))
    kind, values = SECONDS[second]
    key = st.tuples(st.sampled_from(TEXTS[:6]), st.sampled_from(values))
    own = st.tuples(st.integers(-2, 2), st.none() | st.sampled_from(["", "a", "é"]), st.integers(0, 1))
    many = []
    for _ in range(draw(st.integers(1, 4))):
        rows = [(*k, *v) for k, v in draw(st.lists(st.tuples(key, own), max_size=12))]
        frame = pl.DataFrame(
            rows, schema={"k": pl.String, "j": kind, "n": pl.Int64, "t": pl.String, "x": pl.Int64}, orient="row"
        )
        order = draw(st.permutations(["k", "j", "n", "t", *(["x"] if draw(st.integers(0, 3)) == 0 else [])]))
        many.append(
            {
                "frame": frame.select(order),
                "kind": draw(st.sampled_from(FRAMES)),
                "asked": draw(st.lists(key, max_size=2)),
                "is_sorted": draw(st.booleans()),
                "may_change": draw(st.booleans()),
            }
        )
    return second, many


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(writes(), st.sampled_from([100, 1]))
def test_the_folder_holds_what_a_dict_of_rows_would(
    monkeypatch: pytest.MonkeyPatch, given: tuple[str, list[dict[str, Any]]], files: int
) -> None:
    """Only what changed was touched, nothing else is there, and nothing is left in staging."""
    monkeypatch.setattr("lakehouse.division._FILES", files)
    with tempfile.TemporaryDirectory() as folder:
        target, model = Target(Path(folder), by=["k", "j"]), Model()
        for write in given[1]:
            step(target, model, **write)


def step(
    target: Target, model: Model, *, frame: pl.DataFrame, kind: str, asked: Any, is_sorted: bool, may_change: bool
) -> None:
    """One write into both, and a look that they are alike."""
    own = {*frame.columns} - {"k", "j"}
    before = target.identities()
    options = {"partitions": asked, "allow_schema_change": may_change} | ({} if is_sorted else {"sort_by": None})
    if model.columns is not None and own != {*model.columns} and not may_change:
        with pytest.raises(AuditError, match="the schema would change"):
            target.write(as_kind(frame, kind), **options)
        assert target.identities() == before
        assert target.left() == []
        return
    has_any = not frame.is_empty() or bool(asked)
    kept = model.columns
    expected = model.write(frame, asked, is_sorted=is_sorted)
    if not has_any:
        model.columns = kept  # nothing was written, so nothing was agreed on
    found = {(*item.partition.values(),): item.result for item in target.results(as_kind(frame, kind), **options)}
    assert found == expected
    after = target.identities()
    assert {key: target.table(path) for key, path in target.files().items()} == {
        "/".join(key): part for key, part in model.parts.items()
    }
    touched = {"/".join(key) for key, result in expected.items() if result != "unchanged"}
    assert {key for key in after if after[key] != before.get(key)} == touched
    assert target.left() == []
    assert_by_arrow(target, model)


def assert_by_arrow(target: Target, model: Model) -> None:
    """The whole folder as one table, where all of it has the same columns."""
    if not model.parts or len({(*columns,) for columns, _ in model.parts.values()}) > 1:
        return
    shape = ds.partitioning(pa.schema([("k", pa.string()), ("j", pa.string())]), flavor="hive")
    table = ds.dataset(target.path, format="parquet", partitioning=shape).to_table()
    columns = next(columns for columns, _ in model.parts.values())
    rows = [*zip(*(table[name].to_pylist() for name in ("k", "j", *columns)), strict=True)]
    expected = [(*key, *row) for key, (_, part) in model.parts.items() for row in part]
    assert sorted(rows, key=in_order) == sorted(expected, key=in_order)
