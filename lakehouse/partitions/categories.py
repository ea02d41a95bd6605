"""Partitions by the values of a column: listed in the definition, or kept beside it and told by whoever keeps them.

Knows which of these keys there are, their order, and the words of its refusals. Refuses to know where dynamic keys
are kept or found, a clock, rows or disk.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar
from unicodedata import normalize

from msgspec.structs import force_setattr, replace

from lakehouse.callsite import CallSite, caller
from lakehouse.errors import DefinitionError, PartitionKeyError
from lakehouse.layout import require_key_value
from lakehouse.partitions.dimension import Dimension

__all__ = ["Categories", "Dynamic"]

_SAFE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SHOWN = 8


class _Placed:
    """Where each key stands in the list: worked out, and no part of what a definition shows or equals."""

    __slots__ = ("_places",)

    _places: dict[str, int]


class _Listed(_Placed, Dimension, frozen=True):
    """Keys that are listed one by one, none of which means more than its text."""

    column: str

    @property
    @abstractmethod
    def listed(self) -> Sequence[str]:
        """The keys, in order."""

    def keys(self, now: datetime, include_current: bool | None = None) -> list[str]:  # noqa: ARG002, FBT001
        """Every key, in order, at any time."""
        return [*self.listed]

    def latest(self, now: datetime, include_current: bool | None = None) -> list[str]:  # noqa: ARG002, FBT001
        """Every key: none is later than another."""
        return [*self.listed]

    def extent(self, now: datetime, include_current: bool | None = None) -> str:  # noqa: ARG002, FBT001
        """The first keys, and of many their number: ``eu, us, apac``, ``no keys yet``."""
        return self._names()

    def parse(self, text: str, *, exact: bool = False, also: str = "") -> str:  # noqa: ARG002
        """The text itself: a key has one spelling, and ``check`` tells whether there is such a key."""
        return text

    def between(self, first: str, last: str) -> list[str]:
        """The keys that stand from ``first`` to ``last``, both included, in order."""
        low, high = self.order(first), self.order(last)
        return [key for key in self.listed if low <= self.order(key) <= high]

    def _place(self, keys: Iterable[str]) -> None:
        force_setattr(self, "_places", {key: place for place, key in enumerate(keys)})

    def _names(self) -> str:
        more = f", … ({len(self.listed)})" if len(self.listed) > _SHOWN else ""
        return ", ".join(self.listed[:_SHOWN]) + more if self.listed else "no keys yet"

    def _unknown(self, key: str, asset: str, cure: str) -> PartitionKeyError:
        """What to say of a key that is not listed: the nearest that is, else some of them, then the cure."""
        guess, article = self._guess(key), "an" if self.column[0] in "aeioAEIO" else "a"
        message = f"{key!r} is not {article} {self.column} of {asset}"
        names = f"did you mean {guess}?" if guess is not None else f"{asset} has {self._names()};"
        helped = f"{names} {cure}" if cure else names.rstrip(";")
        facts = {"asset": asset, "key": key, "guess": guess}
        return PartitionKeyError(message, code="partition-unknown", help=helped, context=facts)

    def _guess(self, key: str) -> str | None:
        import difflib  # only for errors

        folded = {_fold(known): known for known in reversed(self.listed)}
        near = difflib.get_close_matches(_fold(key), folded, n=1, cutoff=0.6)
        return folded[near[0]] if near else None


class Categories(_Listed, frozen=True):
    """A partition for each of the listed values of a column, in the order in which they are listed.

    Args:
        column: the partition column.
        categories: its values. A row with any other value is of no partition.

    Raises:
        DefinitionError: one of these is not what it should be; the message names the line.
    """

    kind: ClassVar[str] = "categories"
    unit: ClassVar[str] = "category"

    categories: Sequence[str]

    def __post_init__(self) -> None:
        _require_column("Categories", self.column)
        if isinstance(self.categories, str) or not isinstance(self.categories, Sequence):
            cure = f"did you mean [{self.categories!r}]?" if isinstance(self.categories, str) else None
            raise self._refused(f"expected a list of texts, not {self.categories!r}", cure)
        if not self.categories:
            raise self._refused("expected one value or more")
        seen: dict[str, str] = {}
        for value in self.categories:
            self._require(value, seen)
        force_setattr(self, "categories", tuple(self.categories))
        self._place(self.categories)

    @property
    def listed(self) -> Sequence[str]:
        """The values, in declared order."""
        return self.categories

    def order(self, key: str) -> tuple[int, str]:
        """Its place in the list; what is not there comes after, by its text."""
        place = self._places.get(key)
        return (len(self._places), key) if place is None else (place, "")

    def check(
        self,
        key: str,
        now: datetime,  # noqa: ARG002
        asset: str,
        where: CallSite | str,  # noqa: ARG002
        include_current: bool | None = None,  # noqa: ARG002, FBT001
    ) -> None:
        """Nothing, if the key is listed.

        Raises:
            PartitionKeyError: it is not; the help names the nearest that is, else the first eight.
        """
        if key not in self._places:
            raise self._unknown(key, asset, "")

    def describe(self) -> dict[str, str]:
        """The column; not its values, so that one more of them changes nothing for the others."""
        return {"kind": self.kind, "column": self.column}

    def _require(self, value: Any, seen: dict[str, str]) -> None:
        """Nothing, if a value can be a key beside those ``seen``, to which it is added."""
        if value is None:
            raise self._refused("None is no value")
        if not isinstance(value, str):
            raise self._refused(f"{value!r} is no text", f"cast it: str({value!r})")
        try:
            require_key_value(self.column, value)
        except PartitionKeyError as error:
            raise self._refused(error.message) from None
        if (folded := _fold(value)) in seen:
            raise self._refused(_clash(value, seen[folded]))
        seen[folded] = value

    def _refused(self, what: str, cure: str | None = None) -> DefinitionError:
        return DefinitionError(f"Categories({self.column!r}, …): {what} ({caller()})", help=cure)


class Dynamic(_Listed, frozen=True, kw_only=True):
    """A partition for each key that was added by hand or, with ``discover``, for each value that the data holds.

    A definition knows no keys by itself: ``with_keys`` gives the same definition with its keys told.

    Args:
        column: the partition column.
        discover: whether the keys are the values present in the data.

    Raises:
        DefinitionError: the column is no name; the message names the line.
    """

    kind: ClassVar[str] = "dynamic"
    unit: ClassVar[str] = "key"

    discover: bool = False
    _told: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        _require_column("Dynamic", self.column)
        self._place(self.listed)

    def __repr__(self) -> str:
        return f"Dynamic(column={self.column!r}, discover={self.discover!r})"

    @property
    def listed(self) -> Sequence[str]:
        """The keys that were told, in the order of their texts."""
        return self._told or ()

    @property
    def unknown_columns(self) -> tuple[str, ...]:
        """Its column, until its keys are told."""
        return (self.column,) if self._told is None else ()

    def with_keys(self, keys: Mapping[str, Sequence[str]]) -> Dynamic:
        """The same with its keys told, if they are among them, by column."""
        if self.column not in keys:
            return self
        return replace(self, _told=tuple(sorted({*keys[self.column]})))

    def require_key(self, value: str) -> str:
        """The value itself, if it can be a key beside those that are told.

        Raises:
            PartitionKeyError: readers of Hive folders would not give it back, or it shares its folder with another.
        """
        return self.require_keys([value])[0]

    def require_keys(self, values: Sequence[str]) -> list[str]:
        """The values themselves, if they can be keys beside each other and those that are told.

        Raises:
            PartitionKeyError: as for one.
        """
        seen = {_fold(known): known for known in self.listed}
        for value in values:
            require_key_value(self.column, value)
            if (other := seen.setdefault(_fold(value), value)) != value:
                raise PartitionKeyError(f"{value!r} cannot be a value of {self.column}: {_clash(value, other)}")
        return [*values]

    def order(self, key: str) -> str:
        """Its text."""
        return key

    def check(
        self,
        key: str,
        now: datetime,  # noqa: ARG002
        asset: str,
        where: CallSite | str,  # noqa: ARG002
        include_current: bool | None = None,  # noqa: ARG002, FBT001
    ) -> None:
        """Nothing, if the key was told.

        Raises:
            PartitionKeyError: it was not; the help says how a key comes to be.
        """
        if key not in self._places:
            from shlex import quote  # only for errors

            add = f"to add it: lake partitions {asset} add {quote(key)}"
            raise self._unknown(key, asset, "the data has no such value" if self.discover else add)

    def describe(self) -> dict[str, str]:
        """The column; not its keys, nor how they come to be."""
        return {"kind": self.kind, "column": self.column}


def _require_column(definition: str, column: Any) -> None:
    if not (isinstance(column, str) and _SAFE_NAME.fullmatch(column)):
        what = "is not a column name: expected letters, digits and _, no digit first"
        raise DefinitionError(f"{definition}(column={column!r}) {what} ({caller()})")


def _fold(text: str) -> str:
    """What a file system that is blind to case and to the composition of accents sees of a name."""
    return normalize("NFC", normalize("NFC", text).casefold())


def _clash(value: str, other: str) -> str:
    if value == other:
        return f"{value!r} is there twice"
    return f"{other!r} and {value!r} are one folder where case or composed accents make no difference"
