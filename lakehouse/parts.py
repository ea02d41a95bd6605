"""The rows of partitions, in memory or in files where they may not fit, and the files to be published.

Knows how a file is written so that the same rows give the same bytes. Knows nothing of functions, contracts or
sources, nor how rows are told apart by key.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import polars as pl
from msgspec import Struct

from lakehouse.dtypes import parse_type
from lakehouse.records import Schema

__all__ = ["Held", "Part", "held", "no_rows", "read_rows", "to_file"]

_SPOOLED_ROW_GROUP_SIZE: Final = 16_384  # a sink holds up to one row group of each file
_ROW_GROUP_SIZE: Final = 122_880  # larger groups only lose; without an explicit size the same rows give other files


class Part(Struct, frozen=True, kw_only=True):
    """The rows of one partition, in memory, in a file, or among others in one.

    Attributes:
        rows: the frame, the file that holds it, or what gives it.
        row_count: how many rows there are.
        is_final: whether the file is already as it is to be published.
    """

    rows: pl.DataFrame | Path | Callable[[], pl.DataFrame]
    row_count: int
    is_final: bool = False

    def frame(self) -> pl.DataFrame:
        """The rows, in memory."""
        if isinstance(self.rows, pl.DataFrame):
            return self.rows
        return read_rows(self.rows) if isinstance(self.rows, Path) else self.rows()

    def write(self, path: Path, order: Sequence[str]) -> None:
        """Write the file to be published: sorted by ``order``, or as the rows come where it is empty.

        A file that held the rows until now is gone afterwards.
        """
        if self.is_final and isinstance(self.rows, Path):
            self.rows.rename(path)
            return
        frame = self.frame()
        if order:
            frame = frame.sort(*order, *_signs_of_zero(frame))
        frame.rechunk().write_parquet(
            path, compression="zstd", compression_level=3, statistics=True, row_group_size=_ROW_GROUP_SIZE
        )
        if isinstance(self.rows, Path):
            self.rows.unlink()


def no_rows(schema: Schema) -> Part:
    """A partition that was made, and is empty."""
    return Part(rows=pl.DataFrame(schema={name: parse_type(kind) for name, kind in schema}), row_count=0)


def _signs_of_zero(frame: pl.DataFrame) -> list[pl.Expr]:
    """What tells -0.0 from 0.0, which a sort takes for equal and a file does not."""
    floats = [name for name, dtype in frame.schema.items() if dtype.is_float()]
    if not floats:
        return []
    negative = {name: (pl.col(name) == 0) & (1 / pl.col(name) < 0) for name in floats}
    held = frame.select(is_negative.any().alias(name) for name, is_negative in negative.items())
    return [negative[name] for name in floats if held[name].item()]


class Held(Struct, frozen=True):
    """A query whose answer waits in memory, or in a file.

    Attributes:
        query: to be run; where the answer goes to a file, its own answer is empty.
        rows: gives the rows from the query's answer.
    """

    query: pl.LazyFrame
    rows: Callable[[pl.DataFrame], pl.DataFrame]


def held(query: pl.LazyFrame, *, spool: Callable[[], Path] | None) -> Held:
    """A query with its answer in a new file of ``spool``'s; in memory without."""
    if spool is None:
        return Held(query, lambda answer: answer)
    path = spool()
    return Held(to_file(query, path), lambda _: read_rows(path))


def read_rows(path: Path) -> pl.DataFrame:
    """The rows of one file, whatever its folders are called."""
    return pl.read_parquet(path, hive_partitioning=False, glob=False)


def to_file(
    query: pl.LazyFrame,
    target: Path | pl.PartitionBy,
    *,
    is_final: bool = False,
    on_paths: Callable[[Any], None] | None = None,
) -> pl.LazyFrame:
    """The query that writes its rows as they come: as they are to be published, or to be read once more."""
    compression: Literal["zstd", "lz4"] = "zstd" if is_final else "lz4"
    sink = query.sink_parquet(
        target,
        compression=compression,
        compression_level=3 if is_final else None,
        statistics=is_final,
        row_group_size=_ROW_GROUP_SIZE if is_final else _SPOOLED_ROW_GROUP_SIZE,
        maintain_order=True,
        mkdir=True,
        lazy=True,
        sinked_paths_callback=on_paths,
    )
    assert sink is not None  # noqa: S101  lazy=True gives a query
    return sink
