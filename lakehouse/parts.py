"""The rows of partitions, in memory or in files where they may not fit, and the files to be published.

Knows how a result is divided by key, and how a file is written so that the same rows give the same bytes. Knows
nothing of functions, contracts or sources.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import unquote

import polars as pl
from msgspec import Struct

from lakehouse.errors import AuditError, PartitionKeyError
from lakehouse.partitions.dimension import Partitions

__all__ = ["Divided", "Held", "Part", "divided", "held"]

_ROW_GROUP_SIZE: Final = 122_880  # larger groups only lose; without an explicit size the same rows give other files
_HIVE_NULL: Final = "__HIVE_DEFAULT_PARTITION__"


class Part(Struct, frozen=True, kw_only=True):
    """The rows of one partition, in memory or in a file.

    Attributes:
        rows: the frame, or the file that holds it.
        row_count: how many rows there are.
        is_final: whether the file is already as it is to be published.
    """

    rows: pl.DataFrame | Path
    row_count: int
    is_final: bool = False

    def frame(self) -> pl.DataFrame:
        """The rows, in memory."""
        return self.rows if isinstance(self.rows, pl.DataFrame) else _read(self.rows)

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


def _signs_of_zero(frame: pl.DataFrame) -> list[pl.Expr]:
    """What tells -0.0 from 0.0, which a sort takes for equal and a file does not."""
    floats = [name for name, dtype in frame.schema.items() if dtype.is_float()]
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
    return Held(_to_file(query, path), lambda _: _read(path))


def _read(path: Path) -> pl.DataFrame:
    """The rows of one file, whatever its folders are called."""
    return pl.read_parquet(path, hive_partitioning=False, glob=False)


class Divided(Struct, frozen=True):
    """A query whose answer is divided by key, in memory or in one file a key.

    Attributes:
        query: to be run; where the answer goes to files, its own answer is empty.
        parts: gives the parts from the query's answer, by key; None is the key of rows without one.
    """

    query: pl.LazyFrame
    parts: Callable[[pl.DataFrame], dict[str | None, Part]]


def divided(
    query: pl.LazyFrame, partitions: Partitions, *, is_final: bool, spool: Callable[[], Path] | None
) -> Divided:
    """A query with its answer divided by the partition columns, which the parts then lack.

    Args:
        query: what to divide; it holds the partition columns, as String.
        partitions: how keys are made of the columns' values.
        is_final: whether the rows come in the order in which they are to be published.
        spool: gives the path of a fresh folder for the files; None: the answer is divided in memory.
    """
    if spool is None:
        return Divided(query, lambda answer: _by_key(answer, partitions))
    if not partitions.columns:
        whole = held(query, spool=spool)
        return Divided(whole.query, lambda answer: _by_key(whole.rows(answer), partitions))
    sunk: list[Any] = []
    # A fresh folder: one in which a sink failed holds truncated files.
    columns = list(partitions.columns)
    target = pl.PartitionBy(spool(), key=columns, include_key=False, approximate_bytes_per_file=None)
    sink = _to_file(query, target, is_final=is_final, on_paths=sunk.append)
    return Divided(sink, lambda _: _from_files(sunk, partitions, is_final=is_final))


def _by_key(frame: pl.DataFrame, partitions: Partitions) -> dict[str | None, Part]:
    if not partitions.columns:
        return {partitions.key(()): Part(rows=frame, row_count=frame.height)}
    groups = frame.partition_by(*partitions.columns, as_dict=True, include_key=False, maintain_order=True)
    return {_key(values, partitions): Part(rows=rows, row_count=rows.height) for values, rows in groups.items()}


def _key(values: Sequence[str | None], partitions: Partitions) -> str | None:
    """The key of a row's values; None where it lacks one.

    Raises:
        AuditError: a value cannot be the name of a folder.
    """
    told = [value for value in values if value is not None]
    if len(told) < len(values):
        return None
    try:
        return partitions.key(told)
    except PartitionKeyError as error:
        raise AuditError(error.message, code="key-unsafe", help=error.help) from None


def _from_files(sunk: Sequence[Any], partitions: Partitions, *, is_final: bool) -> dict[str | None, Part]:
    found: dict[str | None, Part] = {}
    for item in (item for paths in sunk for item in paths.paths):
        folders = Path(item.path).parts[-1 - len(partitions.columns) : -1]
        texts = [unquote(folder.partition("=")[2]) for folder in folders]
        key = _key([None if text == _HIVE_NULL else text for text in texts], partitions)
        if key in found and key is not None:  # a row may lack a key in several ways
            raise AuditError(f"{key} was written as several files", code="staged-damaged")
        found[key] = Part(rows=Path(item.path), row_count=item.num_rows, is_final=is_final)
    return found


def _to_file(
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
        row_group_size=_ROW_GROUP_SIZE,
        maintain_order=True,
        mkdir=True,
        lazy=True,
        sinked_paths_callback=on_paths,
    )
    assert sink is not None  # noqa: S101  lazy=True gives a query
    return sink
