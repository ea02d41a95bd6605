"""Two versions of a partition, compared: columns and rows that only one of them has, and rows that changed.

Knows Polars and two files. Refuses to know which versions these are.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, Final

import polars as pl
from msgspec import Struct

from lakehouse.calls import ENGINE_ERRORS
from lakehouse.dtypes import type_name
from lakehouse.errors import RequestError, StorageError
from lakehouse.rowvalues import rows_of
from lakehouse.storage_errors import as_storage_error

__all__ = ["SHOWN", "Changed", "ColumnChange", "RowDifference", "Rows", "compare_rows"]

SHOWN: Final = 10
_ROWS_AT_ONCE = 4_000_000
_BYTES_AT_ONCE = 256 * 2**20  # of the files, which are compressed
_SEED: Final = 0


class ColumnChange(Struct, frozen=True, kw_only=True):
    """A column that is other than it was.

    Attributes:
        name: its name.
        old, new: its types; None where one version does not have it.
    """

    name: str
    old: str | None
    new: str | None


class Rows(Struct, frozen=True, kw_only=True):
    """Rows that only one of the versions has.

    Attributes:
        count: how many; one that is there twice counts twice.
        first: the first few, in the order of their columns.
    """

    count: int
    first: tuple[Mapping[str, Any], ...]


class Changed(Struct, frozen=True, kw_only=True):
    """A row whose key both versions have, with other values.

    Attributes:
        key: the values by which it is known.
        columns: what changed, each with its old and its new value.
    """

    key: Mapping[str, Any]
    columns: Mapping[str, tuple[Any, Any]]


class RowDifference(Struct, frozen=True, kw_only=True):
    """What is other in the new version of a partition.

    Attributes:
        columns: those that are other; rows are compared by the others.
        is_reordered: whether the columns that both have stand in another order.
        by: the columns by which a row is known; empty where rows are compared as a whole.
        added, removed: rows of the new version that the old one has not, and the reverse.
        changed: how many rows have other values, under the same key.
        first_changed: the first few of these, in the order of their keys.
    """

    columns: tuple[ColumnChange, ...]
    is_reordered: bool
    by: tuple[str, ...]
    added: Rows
    removed: Rows
    changed: int = 0
    first_changed: tuple[Changed, ...] = ()

    @property
    def is_same(self) -> bool:
        """Whether both versions hold the same columns and rows."""
        has_rows = self.added.count or self.removed.count or self.changed
        return not (self.columns or self.is_reordered or has_rows)


def compare_rows(old: Path, new: Path, *, by: Sequence[str] = ()) -> RowDifference:
    """What is other in one file than in another. Nulls are alike, and so are NaNs; floats are compared exactly.

    Rows are compared in portions where there are many, so that memory does not grow with the files.

    Args:
        old: a Parquet file.
        new: another.
        by: columns in which no two rows of a file are alike; rows are then known by them. Empty: rows as a whole.

    Raises:
        RequestError: a column of ``by`` is not in both files, or two rows of one file are alike in them.
        StorageError: a file cannot be read.
    """
    try:
        return _compare(old, new, tuple(by))
    except (RequestError, FileNotFoundError):
        raise
    except ENGINE_ERRORS as error:
        if (storage := as_storage_error(error, new, "comparing versions")) is not None:
            raise storage from error
        raise StorageError(
            f"{old} and {new} cannot be compared: {str(error).splitlines()[0]}",
            code="version-damaged",
            help="lake verify tells which of them is damaged",
        ) from error


def _compare(old: Path, new: Path, by: tuple[str, ...]) -> RowDifference:
    files = [pl.scan_parquet(path, hive_partitioning=False, glob=False) for path in (old, new)]
    before, after = (file.collect_schema() for file in files)
    names = dict.fromkeys([*after, *before])
    shared = [name for name in after if before.get(name) == after[name]]
    _require(by, shared)
    counts = [file.select(pl.len()).collect().item() for file in files]
    found = _Found(by)
    if shared:
        sides = [
            file.select(row=pl.struct(shared), side=pl.lit(side, pl.Int64))
            for file, side in zip(files, (-1, 1), strict=True)
        ]
        size_bytes = sum(path.stat().st_size for path in (old, new))
        portions = max(math.ceil(sum(counts) / _ROWS_AT_ONCE), math.ceil(size_bytes / _BYTES_AT_ONCE), 1)
        for portion in range(portions):
            found.add(pl.concat(sides), portion, portions)
    else:
        found.removed, found.added = counts
    return RowDifference(
        columns=tuple(
            ColumnChange(name=name, old=_type(before.get(name)), new=_type(after.get(name)))
            for name in names
            if before.get(name) != after.get(name)
        ),
        is_reordered=[name for name in before if name in after] != [name for name in after if name in before],
        by=by,
        added=Rows(count=found.added, first=found.first("added")),
        removed=Rows(count=found.removed, first=found.first("removed")),
        changed=found.changed,
        first_changed=found.first_changed(),
    )


def _type(dtype: pl.DataType | None) -> str | None:
    return None if dtype is None else type_name(dtype)


def _require(by: Sequence[str], shared: Sequence[str]) -> None:
    for name in by:
        if name not in shared:
            raise RequestError(
                f"{name!r} is no column that both versions have with the same type",
                code="column-unknown",
                help=f"they share: {', '.join(shared) or 'none'}",
            )


def _require_unique(both: pl.LazyFrame, by: Sequence[str]) -> None:
    twice = both.group_by("key", "side").len().filter(pl.col("len") > 1).head(1).collect(engine="streaming")
    if twice.height:
        shown = ", ".join(f"{name}={value}" for name, value in twice["key"][0].items())
        raise RequestError(
            f"{twice['len'][0]} rows of one version are alike in {', '.join(by)}: {shown}",
            code="rows-alike",
            help="name more columns: --by COLUMN,COLUMN; without --by rows are compared as a whole",
        )


class _Found:
    """What the portions add up to; of each kind no more rows are kept than are shown."""

    def __init__(self, by: Sequence[str]) -> None:
        self._by = by
        self.added = self.removed = self.changed = 0
        self._first: dict[str, pl.DataFrame] = {}

    def add(self, both: pl.LazyFrame, portion: int, portions: int) -> None:
        """Add one portion of the rows: those of which all that are alike fall into it."""
        row, side = pl.col("row"), pl.col("side")
        known = pl.struct(row.struct.field(name) for name in self._by) if self._by else row
        if portions > 1:
            both = both.filter(known.hash(_SEED) % portions == portion)
        if self._by:
            _require_unique(both.select("side", key=known), self._by)
        net = both.group_by("row").agg(side.sum()).filter(side != 0).collect(engine="streaming")
        if self._by:
            net = self._without_changed(net.with_columns(key=known))
        added, removed = net.filter(side > 0), net.filter(side < 0)
        self.added += int(added["side"].sum())
        self.removed -= int(removed["side"].sum())
        self._keep("added", added, "row")
        self._keep("removed", removed, "row")

    def _without_changed(self, net: pl.DataFrame) -> pl.DataFrame:
        """The rows but for those that have one of the same key on the other side, which are counted and kept."""
        row, side = pl.col("row"), pl.col("side")
        sides = net.group_by("key").agg(
            old=row.filter(side < 0).first(), new=row.filter(side > 0).first(), n=pl.len()
        )
        changed = sides.filter(pl.col("n") == 2).drop("n")  # noqa: PLR2004  the old row and the new
        self.changed += changed.height
        self._keep("changed", changed, "key")
        return net.join(changed.select("key"), on="key", how="anti", nulls_equal=True).drop("key")

    def _keep(self, kind: str, found: pl.DataFrame, order: str) -> None:
        kept = [self._first[kind], found] if kind in self._first else [found]
        self._first[kind] = pl.concat(kept).sort(order).head(SHOWN)

    def first(self, kind: str) -> tuple[Mapping[str, Any], ...]:
        """The first rows of a kind, each as often as it is there."""
        rows = rows_of(self._first[kind].select("row", pl.col("side").abs())) if kind in self._first else ()
        return tuple(islice((row for row, count in rows for _ in range(count)), SHOWN))

    def first_changed(self) -> tuple[Changed, ...]:
        """The first rows that changed."""
        rows = rows_of(self._first["changed"]) if "changed" in self._first else ()
        return tuple(
            Changed(
                key=key,
                columns={name: (old[name], new[name]) for name in new if not _is_same(old[name], new[name])},
            )
            for key, old, new in rows
        )


def _is_same(one: Any, other: Any) -> bool:
    """Whether two values of one type are the same to Polars, to which all NaNs are."""
    if isinstance(one, float) and isinstance(other, float):
        return one == other or (math.isnan(one) and math.isnan(other))
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_is_same, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return all(_is_same(one[name], other[name]) for name in one)
    return bool(one == other)
