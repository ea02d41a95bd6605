"""Products of kinds of partitions, and the one partition of what is not partitioned.

Knows how the keys of several dimensions are combined into one, and taken apart. Refuses to know what any one kind's
keys mean, a clock (``now`` comes in), rows or disk.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from itertools import product
from typing import Any, ClassVar

from msgspec.structs import force_setattr

from lakehouse.callsite import CallSite, caller
from lakehouse.errors import DefinitionError, PartitionKeyError
from lakehouse.layout import partition_path, unescape
from lakehouse.partitions.dimension import Dimension, Partitions
from lakehouse.partitions.timekinds import TimePartitions

__all__ = ["Product", "Unpartitioned"]


class _Combined:
    """What a product works out of its factors: no part of what it shows or equals."""

    __slots__ = ("_dimensions", "_folders", "_orders", "_time")

    _dimensions: tuple[Dimension, ...]
    _time: TimePartitions | None
    _orders: tuple[dict[str, Any], ...]
    _folders: tuple[dict[str, str], ...]


class Product(_Combined, Partitions, frozen=True):
    """A partition for each combination of the keys of several dimensions; a key is the path of its Hive folders.

    Args:
        factors: definitions of one dimension, or products, whose dimensions are taken one by one.

    Raises:
        DefinitionError: they cannot be combined; the message names the line.
    """

    factors: Sequence[Partitions]

    def __post_init__(self) -> None:
        dimensions = tuple(dimension for factor in self.factors for dimension in _dimensions(factor))
        times = [dimension for dimension in dimensions if isinstance(dimension, TimePartitions)]
        if len(dimensions) < 2:  # noqa: PLR2004
            raise _refused("a product takes two dimensions or more")
        if len(times) > 1:
            kinds = " × ".join(time.kind for time in times)
            raise _refused(
                f"{kinds}: a product has one dimension of time at most", "keep the one with the shorter windows"
            )
        seen: dict[str, str] = {}
        for column in (dimension.column for dimension in dimensions):
            if other := seen.get(column.casefold()):
                raise _refused(
                    f"two dimensions have the column {column!r}{'' if other == column else f' ({other!r})'}"
                )
            seen[column.casefold()] = column
        force_setattr(self, "factors", dimensions)
        force_setattr(self, "_dimensions", dimensions)
        force_setattr(self, "_time", times[0] if times else None)
        force_setattr(self, "_orders", tuple({} for _ in dimensions))
        force_setattr(self, "_folders", tuple({} for _ in dimensions))

    def __mul__(self, other: Partitions) -> Product:
        """Every combination of keys; the folders of ``self`` hold those of ``other``."""
        return Product((self, other))

    @property
    def kind(self) -> str:
        """The kinds of its dimensions: ``categories × monthly``."""
        return " × ".join(dimension.kind for dimension in self._dimensions)

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        """One for each partition column, in the order in which their folders nest."""
        return self._dimensions

    @property
    def time(self) -> TimePartitions | None:
        """The one dimension whose keys are windows of time; None where there is none."""
        return self._time

    def values(self, key: str) -> tuple[str, ...]:
        """A key's value in each of ``columns``: the path taken apart.

        Raises:
            PartitionKeyError: it is not the path of a folder for each column, in their order.
        """
        folders = key.split("/")
        if len(folders) != len(self._dimensions):
            raise self._malformed(key)
        values = []
        for dimension, folder in zip(self._dimensions, folders, strict=True):
            column, assigned, value = folder.partition("=")
            if column != dimension.column or not assigned or not value:
                raise self._malformed(key)
            values.append(unescape(value) if "%" in value else value)
        return tuple(values)

    def key(self, values: Sequence[str]) -> str:
        """The path of the Hive folders of a value for each of ``columns``: ``region=eu/partition_date=2018-02``.

        Raises:
            PartitionKeyError: a value cannot be the name of a folder.
        """
        return "/".join(
            known.get(value) or self._folder(number, value)
            for number, (known, value) in enumerate(zip(self._folders, values, strict=True))
        )

    def order(self, key: str) -> tuple[Any, ...]:
        """The order of each of its values, outer folders first."""
        return tuple(
            known[value] if value in known else known.setdefault(value, dimension.order(value))
            for known, dimension, value in zip(self._orders, self._dimensions, self.values(key), strict=True)
        )

    def combinations(self, values: Sequence[Sequence[str]]) -> list[str]:
        """The keys of every combination of the values given for each column; the last column's change fastest."""
        return [*map(self.key, product(*values))]

    def keys(self, now: datetime, include_current: bool | None = None) -> list[str]:  # noqa: FBT001
        """Every combination of the keys that the dimensions have by ``now``, in order."""
        return self.combinations([dimension.keys(now, include_current) for dimension in self._dimensions])

    def extent(self, now: datetime, include_current: bool | None = None) -> str:  # noqa: FBT001
        """What each dimension spans: ``eu, us × 2018-01..2026-10``."""
        return " × ".join(dimension.extent(now, include_current) for dimension in self._dimensions)

    def check(
        self,
        key: str,
        now: datetime,
        asset: str,
        where: CallSite | str,
        include_current: bool | None = None,  # noqa: FBT001
    ) -> None:
        """Nothing, if each dimension has its value of this key by ``now``.

        Raises:
            PartitionKeyError: one has not: the first that has not says why.
        """
        for dimension, value in zip(self._dimensions, self.values(key), strict=True):
            dimension.check(value, now, asset, where, include_current)

    def describe(self) -> dict[str, str]:
        """What keys mean here, without the extent: the kinds, the columns and what the time dimension says."""
        told = self._time.describe() if self._time else {}
        return {**told, "kind": self.kind, "column": ", ".join(self.columns)}

    @property
    def unknown_columns(self) -> tuple[str, ...]:
        """The columns whose keys are not told yet."""
        return tuple(column for dimension in self._dimensions for column in dimension.unknown_columns)

    def with_keys(self, keys: Mapping[str, Sequence[str]]) -> Product:
        """The same with the keys of ``unknown_columns`` told, by column, in order."""
        return Product([dimension.with_keys(keys) for dimension in self._dimensions])

    def _folder(self, number: int, value: str) -> str:
        folder = partition_path([self._dimensions[number].column], [value])
        return self._folders[number].setdefault(value, folder)

    def _malformed(self, key: str) -> PartitionKeyError:
        form = "/".join(f"{column}=KEY" for column in self.columns)
        what = f"{key!r} does not name a partition of {' × '.join(self.columns)}"
        return PartitionKeyError(what, help=f"expected {form}", context={"key": key, "guess": None})


class Unpartitioned(Partitions, frozen=True):
    """One partition that is everything, without partition columns; its key is ``all``."""

    KEY: ClassVar[str] = "all"
    kind: ClassVar[str] = "unpartitioned"

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        """None."""
        return ()

    def values(self, key: str) -> tuple[str, ...]:
        """None, as there are no columns.

        Raises:
            PartitionKeyError: the key is not ``all``.
        """
        if key != self.KEY:
            raise PartitionKeyError(f"{key!r} is not {self.KEY!r}, the only key of what is not partitioned")
        return ()

    def key(self, values: Sequence[str]) -> str:  # noqa: ARG002
        """Always ``all``."""
        return self.KEY

    def order(self, key: str) -> tuple[bool, str]:
        """The one key before any that it is not."""
        return key != self.KEY, key

    def keys(self, now: datetime, include_current: bool | None = None) -> list[str]:  # noqa: ARG002, FBT001
        """The one key."""
        return [self.KEY]

    def extent(self, now: datetime, include_current: bool | None = None) -> str:  # noqa: ARG002, FBT001
        """The one key."""
        return self.KEY

    def check(
        self,
        key: str,
        now: datetime,  # noqa: ARG002
        asset: str,
        where: CallSite | str,  # noqa: ARG002
        include_current: bool | None = None,  # noqa: ARG002, FBT001
    ) -> None:
        """Nothing, if the key is ``all``.

        Raises:
            PartitionKeyError: it is another.
        """
        if key != self.KEY:
            message, facts = f"{asset} is not partitioned: it has no {key}", {"asset": asset, "key": key}
            raise PartitionKeyError(message, code="partition-unknown", help="its one key is all", context=facts)

    def describe(self) -> dict[str, str]:
        """The kind alone."""
        return {"kind": self.kind}


def _dimensions(factor: Partitions) -> tuple[Dimension, ...]:
    """The dimensions of a factor of a product; it has one at least."""
    if not isinstance(factor, Partitions):
        raise _refused(f"{factor!r} is no kind of partitions")
    if not factor.dimensions:
        raise _refused(f"{factor!r} has no dimension to multiply")
    return factor.dimensions


def _refused(what: str, cure: str | None = None) -> DefinitionError:
    return DefinitionError(f"{what} ({caller()})", help=cure)
