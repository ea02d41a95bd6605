"""Frames as DuckDB reads them: evaluated together, in memory or in files, in types that are the same from both.

Knows Polars' types and what DuckDB makes of them. Knows no query.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import polars as pl
from msgspec import Struct

__all__ = ["Stream", "Tables", "laid_out"]

Run = Callable[[Sequence[pl.LazyFrame]], list[pl.DataFrame]]


class Tables(Struct, frozen=True):
    """Frames that are evaluated.

    Attributes:
        frames: reads each, as often as is asked for; evaluating it, or a filter of it, is cheap.
        kept: where its rows are: in memory, or in a Parquet file.
    """

    frames: Mapping[str, pl.LazyFrame]
    kept: Mapping[str, pl.DataFrame | Path]

    def holds(self, name: str, frame: pl.LazyFrame) -> bool:
        """Whether this very frame is one of these."""
        return self.frames.get(name) is frame


def laid_out(
    frames: Mapping[str, pl.LazyFrame], *, spool: Callable[[], Path] | None = None, run: Run | None = None
) -> Tables:
    """The frames, evaluated in one go, so that what they share is scanned once.

    Args:
        frames: by name.
        spool: gives the path of a new file for each; None: they are held in memory.
        run: evaluates queries together; their answers are empty where rows go to files. None: Polars alone.
    """
    paths = {} if spool is None else {name: spool() for name in frames}
    queries = [
        _to_file(_readable(frame), paths[name]) if paths else _readable(frame) for name, frame in frames.items()
    ]
    answers = _run(queries) if run is None else run(queries)
    kept: Mapping[str, pl.DataFrame | Path] = paths or dict(zip(frames, answers, strict=True))
    return Tables({name: _scan(rows) for name, rows in kept.items()}, kept)


def _run(queries: Sequence[pl.LazyFrame]) -> list[pl.DataFrame]:
    return pl.collect_all(queries, engine="streaming")


def _to_file(frame: pl.LazyFrame, path: Path) -> pl.LazyFrame:
    sink = frame.sink_parquet(path, compression="lz4", statistics=False, maintain_order=True, lazy=True)
    assert sink is not None  # noqa: S101  lazy=True gives a query
    return sink


def _scan(rows: pl.DataFrame | Path) -> pl.LazyFrame:
    if isinstance(rows, pl.DataFrame):
        return rows.lazy()
    return pl.scan_parquet(rows, hive_partitioning=False, glob=False)


class Stream(Struct, frozen=True):
    """Rows that one engine hands to the other as an Arrow stream, and as nothing else.

    DuckDB would load PyArrow for a frame of Polars. Polars would remember the class of a relation of DuckDB, which
    complains of that at the end of the process.
    """

    rows: Any

    def __arrow_c_stream__(self, requested_schema: object = None) -> Any:
        return self.rows.__arrow_c_stream__(requested_schema)


def _readable(frame: pl.LazyFrame) -> pl.LazyFrame:
    """The frame in types that DuckDB reads from memory as it reads them from a file."""
    columns = frame.collect_schema()
    while casts := {name: to for name, dtype in columns.items() if (to := _read_as(dtype)) != dtype}:
        frame = frame.cast(cast("Any", casts))
        columns = frame.collect_schema()
    return frame


def _read_as(dtype: Any) -> pl.DataType:
    """The type to cast to; a duration takes two steps, to count microseconds."""
    match dtype:
        case pl.Datetime(time_unit="ms"):
            return pl.Datetime("us", dtype.time_zone)
        case pl.Duration(time_unit="us"):
            return pl.Int64()
        case pl.Duration():
            return pl.Duration("us")
        case pl.Int128() | pl.UInt128():
            return pl.Decimal(38, 0)
        case pl.Float16():
            return pl.Float32()
        case pl.Null():
            return pl.Int32()  # DuckDB's own choice for a column of NULL
        case pl.List() | pl.Array():
            return pl.List(_read_as(dtype.inner))
        case pl.Struct():
            return pl.Struct([pl.Field(field.name, _read_as(field.dtype)) for field in dtype.fields])
    return cast("pl.DataType", dtype)
