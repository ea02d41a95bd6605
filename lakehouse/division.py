"""A result divided by key: in memory, one file a key, or, of very many keys, by way of files of some keys each.

Knows how rows are told apart without all of them being held at once. Knows nothing of functions, contracts or
sources.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import polars as pl
from msgspec import Struct, field

from lakehouse.errors import AuditError, PartitionKeyError
from lakehouse.partitions.dimension import Partitions
from lakehouse.parts import Part, held, read_rows, to_file

__all__ = ["Divided", "divided"]

_HIVE_NULL: Final = "__HIVE_DEFAULT_PARTITION__"
_FILES: Final = 100
"""As many files are written at once. Polars keeps 128 open, and of each up to a row group in memory: with more keys
it would hold all rows until the end, or write a key as several files."""
_BUCKETS: Final = 50  # fewer hold less in memory as they are written, and more once one is read
_BUCKET_BYTES: Final = 256 * 1024 * 1024  # of a compressed file, that is read as a whole

Values = tuple[str | None, ...]


class Divided(Struct, frozen=True):
    """A query whose answer is divided by key, in memory or in one file a key.

    Attributes:
        query: to be run; where the answer goes to files, its own answer is empty.
        parts: gives the parts from the query's answer, by key; None is the key of rows without one.
    """

    query: pl.LazyFrame
    parts: Callable[[pl.DataFrame], dict[str | None, Part]]


def divided(
    query: pl.LazyFrame,
    partitions: Partitions,
    keys: Sequence[str],
    *,
    is_final: bool,
    spool: Callable[[], Path] | None,
) -> Divided:
    """A query with its answer divided by the partition columns, which the parts then lack.

    Args:
        query: what to divide; it holds the partition columns, as String.
        partitions: how keys are made of the columns' values.
        keys: those that are expected, in the order in which their parts will be asked for.
        is_final: whether the rows come in the order in which they are to be published.
        spool: gives the path of a fresh folder for the files; None: the answer is divided in memory.
    """
    if spool is None:
        return Divided(query, lambda answer: _by_key(answer, partitions))
    if not partitions.columns:
        whole = held(query, spool=spool)
        return Divided(whole.query, lambda answer: _by_key(whole.rows(answer), partitions))
    if len(keys) > _FILES:
        return _by_bucket(query, partitions, keys, spool)
    return _by_file(query, partitions, is_final=is_final, spool=spool)


def _by_file(query: pl.LazyFrame, partitions: Partitions, *, is_final: bool, spool: Callable[[], Path]) -> Divided:
    """Divided into one file a key."""
    sunk: list[Any] = []
    # A fresh folder: one in which a sink failed holds truncated files.
    columns = list(partitions.columns)
    target = pl.PartitionBy(spool(), key=columns, include_key=False, approximate_bytes_per_file=None)
    sink = to_file(query, target, is_final=is_final, on_paths=sunk.append)
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


class _Buckets(Struct, eq=False):
    """Files of some keys each, of which one at a time is held in memory, divided by key.

    Attributes:
        files: by the number of the bucket.
        keys: of each bucket in turn.
        partitions: how keys are made of the columns' values.
        spool: gives the path of a fresh folder.
    """

    files: Mapping[int, Path]
    keys: Sequence[Sequence[str]]
    partitions: Partitions
    spool: Callable[[], Path]
    _number: int = -1
    _parts: dict[str | None, Part] = field(default_factory=dict)

    def rows(self, number: int, key: str | None) -> pl.DataFrame:
        """The rows of one key, which stands in the bucket of this number."""
        if number != self._number:
            self._parts.clear()
            self._parts, self._number = self._divided(number), number
        return self._parts[key].frame()

    def _divided(self, number: int) -> dict[str | None, Part]:
        file = self.files[number]
        if file.stat().st_size <= _BUCKET_BYTES:
            return _by_key(read_rows(file), self.partitions)
        rows = pl.scan_parquet(file, hive_partitioning=False, glob=False)
        again = divided(rows, self.partitions, self.keys[number], is_final=False, spool=self.spool)
        return again.parts(again.query.collect(engine="streaming"))


def _by_bucket(
    query: pl.LazyFrame, partitions: Partitions, keys: Sequence[str], spool: Callable[[], Path]
) -> Divided:
    """Divided into files of several consecutive keys, each of which is divided once its first part is asked for."""
    columns, size = list(partitions.columns), -(-len(keys) // _BUCKETS)
    texts = dict.fromkeys("\0".join(partitions.values(key)) for key in keys)
    place = pl.concat_str(columns, separator="\0").cast(pl.Enum(list(texts)), strict=False).to_physical()
    name = "bucket_of_" + "_".join(query.collect_schema())  # no column is called like that
    bucket = (place.cast(pl.Int64) // size).fill_null(-1).alias(name)  # -1: of keys that were not expected
    sunk: list[Any] = []
    target = pl.PartitionBy(spool(), key=bucket, include_key=False, approximate_bytes_per_file=None)
    sink = to_file(query, target, on_paths=sunk.append)

    def parts(_: pl.DataFrame) -> dict[str | None, Part]:
        paths = [Path(item.path) for found in sunk for item in found.paths]
        files = {int(path.parent.name.rpartition("=")[2]): path for path in paths}
        if len(files) < len(paths):
            raise AuditError("keys of one kind were written as several files", code="staged-damaged")
        buckets = _Buckets(files, [keys[at : at + size] for at in range(0, len(keys), size)], partitions, spool)
        counts = _counts([*files.values()], columns)
        numbers = {key: number // size for number, key in enumerate(keys)}
        found: dict[str | None, Part] = {}
        for values, count in counts.items():
            key = _key(values, partitions)
            found[key] = Part(rows=partial(buckets.rows, numbers.get(key or "", -1), key), row_count=count)
        return found

    return Divided(sink, parts)


def _counts(files: Sequence[Path], columns: Sequence[str]) -> dict[Values, int]:
    """How many rows the files have, by the values of these columns."""
    if not files:
        return {}
    rows = pl.scan_parquet([*files], hive_partitioning=False, glob=False).group_by(columns).len()
    return {tuple(values): count for *values, count in rows.collect(engine="streaming").iter_rows()}
