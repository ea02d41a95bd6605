"""What every kind of partitions is: keys, their columns and their order; and how kinds are multiplied.

Knows the words that the rest of the package uses of partitions. Refuses to know any one kind, a clock (``now`` comes
in), rows or disk.
"""

from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Final, Self

from msgspec import Struct, StructMeta, field

from lakehouse.callsite import CallSite

if TYPE_CHECKING:
    from lakehouse.partitions.product import Product
    from lakehouse.partitions.timekinds import TimePartitions

__all__ = ["ANY_TIME", "Abstract", "Dimension", "Partition", "Partitions", "Window"]

ANY_TIME: Final = datetime(2000, 1, 1, tzinfo=UTC)
"""Whenever: for dimensions that have the same keys at any time."""


class Window(Struct, frozen=True):
    """The half-open interval ``[start, end)`` of a key, in its time zone.

    Convert to UTC before comparing with datetimes of the same zone: Python compares those by their wall clocks.
    """

    start: datetime
    end: datetime


class Partition(Struct, frozen=True):
    """One key with its window, ``start`` included and ``end`` not: what a function's ``partition`` is.

    Attributes:
        key: the whole key.
        start, end: the window of its time dimension; None where it has none.
        values: its value in each partition column.
    """

    key: str
    start: datetime | None = None
    end: datetime | None = None
    values: Mapping[str, str] = field(default_factory=dict)


class _AbstractMeta(StructMeta, ABCMeta):
    """Of structs that leave methods to their subclasses."""


class Abstract(Struct, frozen=True, metaclass=_AbstractMeta):
    """A value whose class may have abstract methods."""


class Partitions(Abstract, frozen=True):
    """Which keys an asset has. Keys are text; each has one value in each partition column."""

    def __copy__(self) -> Self:
        return self  # it never changes, and msgspec would leave out what was worked out

    @property
    @abstractmethod
    def kind(self) -> str:
        """The kind in a word: *monthly*, *categories*, *dynamic*, *unpartitioned*, or *categories × monthly*."""

    @property
    @abstractmethod
    def dimensions(self) -> tuple[Dimension, ...]:
        """One for each partition column, in the order in which their folders nest; none where there is one file."""

    @property
    def columns(self) -> tuple[str, ...]:
        """The partition columns, in the order in which their folders nest."""
        return tuple(dimension.column for dimension in self.dimensions)

    @property
    def time(self) -> TimePartitions | None:
        """The one dimension whose keys are windows of time; None where there is none."""
        return None

    @abstractmethod
    def values(self, key: str) -> tuple[str, ...]:
        """A key's value in each of ``columns``; it need not be one that the definition has.

        Raises:
            PartitionKeyError: it does not have the form of a key.
        """

    @abstractmethod
    def key(self, values: Sequence[str]) -> str:
        """The key of a value for each of ``columns``: the inverse of ``values``."""

    @abstractmethod
    def order(self, key: str) -> Any:
        """What keys are sorted by: time order, declared order; also for keys that the definition does not have."""

    @abstractmethod
    def keys(self, now: datetime, include_current: bool | None = None) -> list[str]:  # noqa: FBT001
        """Every key that the definition has by ``now``, in order; windows of time that have ended.

        Args:
            now: the present instant, with a time zone.
            include_current: whether the window that is still running counts; None: as defined.
        """

    @abstractmethod
    def extent(self, now: datetime, include_current: bool | None = None) -> str:  # noqa: FBT001
        """What ``keys`` spans, in words: ``2018-01..2026-10``, ``eu, us, apac``, ``no month yet``."""

    @abstractmethod
    def check(
        self,
        key: str,
        now: datetime,
        asset: str,
        where: CallSite | str,
        include_current: bool | None = None,  # noqa: FBT001
    ) -> None:
        """Nothing, if the definition has this key by ``now``.

        Raises:
            PartitionKeyError: it does not; it says why, and what would help.
        """

    @abstractmethod
    def describe(self) -> dict[str, str]:
        """What keys mean here, without the extent: part of code versions, and kept in the log."""

    @property
    def unknown_columns(self) -> tuple[str, ...]:
        """The columns whose keys are kept in the lake or found in the data, and not told yet: see ``with_keys``."""
        return ()

    def with_keys(self, keys: Mapping[str, Sequence[str]]) -> Partitions:  # noqa: ARG002
        """The same with the keys of ``unknown_columns`` told, by column, in order."""
        return self

    def window(self, key: str) -> Window | None:
        """The half-open window of a key, whether the definition has it or not; None where it is of no time."""
        if (time := self.time) is None:
            return None
        return time.window(self.values(key)[self.columns.index(time.column)])

    def partition(self, key: str) -> Partition:
        """A key with its window and its values."""
        values = dict(zip(self.columns, self.values(key), strict=True))
        if (window := self.window(key)) is None:
            return Partition(key, values=values)
        return Partition(key, window.start, window.end, values)


class Dimension(Partitions, frozen=True):
    """Partitions by one column; the key is the column's value."""

    unit: ClassVar[str]
    """What one key is: *month*, *category*, *key*."""

    @property
    @abstractmethod
    def column(self) -> str:
        """The partition column."""

    @property
    def dimensions(self) -> tuple[Dimension, ...]:
        """Itself."""
        return (self,)

    @property
    def columns(self) -> tuple[str, ...]:
        """Its column."""
        return (self.column,)

    def values(self, key: str) -> tuple[str, ...]:
        """The key itself."""
        return (key,)

    def key(self, values: Sequence[str]) -> str:
        """The one value."""
        return values[0]

    def __mul__(self, other: Partitions) -> Product:
        """Every combination of keys; the folders of ``self`` hold those of ``other``."""
        from lakehouse.partitions.product import Product

        return Product((self, other))

    @abstractmethod
    def latest(self, now: datetime, include_current: bool | None = None) -> list[str]:  # noqa: FBT001
        """What ``latest`` means here: the last window of time; every key where keys are no times."""

    @abstractmethod
    def parse(self, text: str, *, exact: bool = False, also: str = "") -> str:
        """The key that a text names; unless ``exact``, other spellings of it too.

        Args:
            text: what a person typed.
            exact: whether only the key itself, to the letter, is taken.
            also: ends the error's help.

        Raises:
            PartitionKeyError: any other text; its help holds the likely key, then ``also``.
        """

    @abstractmethod
    def between(self, first: str, last: str) -> list[str]:
        """The keys from ``first`` to ``last``, both included, in order; none if ``last`` is earlier."""

    def coarser(self, text: str) -> tuple[str, str] | None:  # noqa: ARG002
        """The first and last key of the longer period that a text names; None for any other text."""
        return None

    def are_neighbours(self, one: str, other: str) -> bool:  # noqa: ARG002
        """Whether nothing can ever lie between two keys, so that they are drawn as a range."""
        return False
