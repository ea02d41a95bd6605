"""The rule from a key to the upstream keys that it reads, and back.

Knows definitions of partitions, two at a time. Refuses to know which partitions were made, or any rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from itertools import product
from typing import Final

from msgspec import Struct
from msgspec.structs import force_setattr, replace

from lakehouse.errors import DefinitionError
from lakehouse.partitions.dimension import Dimension, Partitions
from lakehouse.partitions.product import Product
from lakehouse.partitions.timekinds import TimePartitions
from lakehouse.rules import OWN, All, Keys, Latest, Periods, Rule

__all__ = ["Link", "Named", "link"]

_NESTED: Final = {  # the longer windows of which each holds whole ones of a unit
    "hour": ("day", "week", "month", "quarter", "year"),
    "day": ("week", "month", "quarter", "year"),
    "month": ("quarter", "year"),
    "quarter": ("year",),
}


class Named(Struct, frozen=True):
    """The upstream keys that a rule names.

    Attributes:
        keys: in the upstream's order; they need not have been made, nor be due by now.
        beyond: what else the rule asks for and the upstream does not have, in words: ``before 2018-01``; else empty.
        pending: the first key that is named and there is not yet, for its window still runs; else empty.
    """

    keys: tuple[str, ...]
    beyond: str = ""
    pending: str = ""


class _Paired:
    """What a link works out of its two definitions: no part of what it equals."""

    __slots__ = ("_positions", "_same", "_shared", "is_same_key", "is_shared")

    is_same_key: bool
    is_shared: bool
    _same: tuple[bool, ...]
    _positions: dict[str, int]
    _shared: dict[datetime, Named]


class Link(_Paired, Struct, frozen=True):
    """How the partitions of one thing read those of another.

    Attributes:
        reader: whose keys are given.
        upstream: whose keys are named; every dimension that is kept in the lake or found in the data is told.
        rule: what was said to override the usual one; None: nothing was.
        pairs: for each upstream dimension the reader's that decides its values; None where none does.
        is_same_key: whether each key reads the upstream key of the same name, and no other.
        is_shared: whether every key reads the same upstream keys.
    """

    reader: Partitions
    upstream: Partitions
    rule: Rule | None
    pairs: tuple[Dimension | None, ...]

    def __post_init__(self) -> None:
        is_usual = self.rule in (None, OWN)
        # Keys of several dimensions tell their columns.
        is_spelled_alike = len(self.pairs) == 1 or self.reader.columns == self.upstream.columns
        paired = zip(self.pairs, self.upstream.dimensions, strict=True)
        same = tuple(is_usual and mine is not None and _means_the_same(mine, theirs) for mine, theirs in paired)
        told: dict[str, object] = {
            "_positions": {column: number for number, column in enumerate(self.reader.columns)},
            "_shared": {},
            "_same": same,
            "is_same_key": is_usual and all(same) and self.pairs == self.reader.dimensions and is_spelled_alike,
            "is_shared": isinstance(self.rule, All | Keys) or not any(self.pairs),
        }
        for name, value in told.items():
            force_setattr(self, name, value)

    @property
    def splits_windows(self) -> bool:
        """Whether an upstream window may lie in several of the reader's, each of which then reads all of it."""
        mine, theirs = self.reader.time, self.upstream.time
        if not self.is_by_window or mine is None or theirs is None or self.rule not in (None, OWN):
            return False
        is_nested = mine.unit == theirs.unit or mine.unit in _NESTED.get(theirs.unit, ())
        return not (is_nested and mine.timezone == theirs.timezone)

    @property
    def is_by_window(self) -> bool:
        """Whether a key's window decides which upstream windows it reads."""
        paired = (mine for mine, theirs in zip(self.pairs, self.upstream.dimensions, strict=True) if theirs.time)
        return not isinstance(self.rule, All | Latest | Keys) and any(paired)

    def is_same(self, number: int) -> bool:
        """Whether an upstream dimension has the value of the reader's dimension that it is paired with."""
        return self._same[number]

    def named(self, key: str, now: datetime) -> Named:
        """The upstream keys that one key reads."""
        if self.is_same_key:
            return Named((key,), "" if _is_within(self.upstream, key) else f"no {key}")
        if self.is_shared:
            if now not in self._shared:
                self._shared[now] = self._named(key, now)
            return self._shared[now]
        return self._named(key, now)

    def _named(self, key: str, now: datetime) -> Named:
        if isinstance(self.rule, Keys):
            return Named(tuple(sorted(self.rule.keys, key=self.upstream.order)))
        values, beyond = self.reader.values(key), []
        axes: list[Sequence[str]] = []
        for theirs, mine in zip(self.upstream.dimensions, self.pairs, strict=True):
            if isinstance(theirs, TimePartitions) and isinstance(self.rule, Latest):
                axes.append(theirs.latest(now))
            elif mine is None or isinstance(self.rule, All):
                axes.append(theirs.keys(now, include_current=True))
            else:
                value = values[self._positions[mine.column]]
                axes.append(self._along(mine, theirs, value))
                beyond += _beyond(theirs, self._span(mine, value)) if isinstance(mine, TimePartitions) else []
        return Named(tuple(map(self.upstream.key, product(*axes))), ", ".join(beyond))

    def _along(self, mine: Dimension, theirs: Dimension, value: str) -> list[str]:
        if not isinstance(theirs, TimePartitions) or not isinstance(mine, TimePartitions):
            return [value]
        found = theirs.overlapping(*self._span(mine, value))
        if theirs.unit != "day" or theirs.timezone == "UTC":
            return found
        return [key for key in found if not _is_skipped(theirs, key)]  # they have keys, and no time

    def _span(self, mine: TimePartitions, value: str) -> tuple[datetime, datetime]:
        """The half-open interval of the windows that a key reads."""
        periods = self.rule if isinstance(self.rule, Periods) else OWN
        if periods == OWN:
            window = mine.window(value)
            return window.start, window.end
        first, last = mine.window(mine.shift(value, periods.first)), mine.window(mine.shift(value, periods.last))
        return first.start, last.end

    def readers(self, key: str, now: datetime) -> list[str]:
        """The reader's keys that read an upstream key: the inverse of ``named``, among those that it has by now."""
        if self.is_same_key:
            own = zip(self.reader.dimensions, self.reader.values(key), strict=True)
            return [key] if all(_has(mine, value, now) for mine, value in own) else []
        if self.is_shared or isinstance(self.rule, Latest):
            candidates = self.reader.keys(now, include_current=True)
            return [own for own in candidates if key in self.named(own, now).keys]
        found: dict[str, list[str]] = {}
        values = self.upstream.values(key)
        for theirs, mine, value in zip(self.upstream.dimensions, self.pairs, values, strict=True):
            if mine is not None:
                found[mine.column] = [own for own in self._back(mine, theirs, value) if _has(mine, own, now)]
        axes = [
            found[mine.column] if mine.column in found else mine.keys(now, include_current=True)
            for mine in self.reader.dimensions
        ]
        return [*map(self.reader.key, product(*axes))]

    def _back(self, mine: Dimension, theirs: Dimension, value: str) -> list[str]:
        if not isinstance(mine, TimePartitions) or not isinstance(theirs, TimePartitions):
            return [value]
        window = theirs.window(value)
        periods = self.rule if isinstance(self.rule, Periods) else OWN
        first, last = mine.holding(window.start) - periods.last, mine.holding(window.end) - periods.first
        near = map(mine.at, range(max(first, 0), last + 1))
        return [own for own in near if value in self._along(mine, theirs, own)]

    def widened(self, keys: Sequence[str]) -> Link:
        """The same with an upstream that has some keys more, which lie before its start or after its end."""
        if (time := self.upstream.time) is None:
            return self
        place = self.upstream.columns.index(time.column)
        starts = [time.window(self.upstream.values(key)[place]).start for key in keys]
        earliest = min([*starts, time.window(time.first_key).start], key=_utc)
        start = earliest if time.unit == "hour" else earliest.date()
        wide = replace(time, start=start, end=None)
        dimensions = [wide if dimension is time else dimension for dimension in self.upstream.dimensions]
        return link(self.reader, wide if len(dimensions) == 1 else Product(dimensions), self.rule)

    def text(self) -> str:
        """The rule in words, for a person who looks at the graph; empty where keys are the same."""
        if self.rule not in (None, OWN):
            return str(self.rule)
        if self.is_same_key:
            return ""
        if words := ", ".join(self._words()):
            return words
        same = ", ".join(pair.column for pair in self.pairs if pair is not None)
        return f"same {same}" if same else "all"

    def _words(self) -> Iterator[str]:
        for number, (theirs, mine) in enumerate(zip(self.upstream.dimensions, self.pairs, strict=True)):
            if mine is None:
                yield f"every {theirs.column}" if len(self.pairs) > 1 else "all"
            elif not self.is_same(number):
                yield "windows that overlap"


def link(reader: Partitions, upstream: Partitions, rule: Rule | None) -> Link:
    """How the keys of one definition read those of another.

    Time is paired with time, and any other column with the reader's of the same name.

    Raises:
        DefinitionError: a column is a time in one and not in the other, or the rule does not fit; without a place.
    """
    own = {dimension.column: dimension for dimension in reader.dimensions}
    pairs: list[Dimension | None] = []
    for theirs in upstream.dimensions:
        same = own.get(theirs.column)
        if same is not None and isinstance(same, TimePartitions) != isinstance(theirs, TimePartitions):
            kinds = f"{same.kind} here and {theirs.kind} there"
            raise DefinitionError(f"the column {theirs.column!r} is {kinds}", help="give one of them another name")
        pairs.append(reader.time if isinstance(theirs, TimePartitions) else same)
    if isinstance(rule, Periods) and (reader.time is None or upstream.time is None):
        raise DefinitionError(f"{rule} counts windows of time, and {_timeless(reader, upstream)} has none")
    if isinstance(rule, Latest) and upstream.time is None:
        raise DefinitionError("Latest() is the last window of time, and the upstream has none")
    for key in rule.keys if isinstance(rule, Keys) else ():
        upstream.order(key)  # raises for what has not the form of a key
        if not _is_within(upstream, key):
            raise DefinitionError(f"{rule} names {key}, which the upstream never has")
    return Link(reader, upstream, rule, tuple(pairs))


def _timeless(reader: Partitions, upstream: Partitions) -> str:
    return "the asset" if reader.time is None else "the upstream" if upstream.time is None else ""


def _means_the_same(mine: Dimension, theirs: Dimension) -> bool:
    """Whether one text is the same key in both dimensions."""
    if isinstance(mine, TimePartitions) and isinstance(theirs, TimePartitions):
        return {**mine.describe(), "column": ""} == {**theirs.describe(), "column": ""}
    return mine.column == theirs.column


def _utc(instant: datetime) -> datetime:
    return instant.astimezone(UTC)


def _is_skipped(windows: TimePartitions, key: str) -> bool:
    """Whether a key's window is empty: a day that clocks of its zone never showed, as in Samoa 2011-12-30."""
    window = windows.window(key)
    return _utc(window.start) >= _utc(window.end)


def _has(dimension: Dimension, value: str, now: datetime) -> bool:
    """Whether a dimension has a key by now, be its window still open."""
    if not isinstance(dimension, TimePartitions):
        return value in dimension.keys(now, include_current=True)
    last = dimension.last_key(now, include_current=True)
    return last is not None and 0 <= dimension.index(value) <= dimension.index(last)


def _is_within(partitions: Partitions, key: str) -> bool:
    """Whether a key lies between the definition's start and end, be it due by now or not."""
    for dimension, value in zip(partitions.dimensions, partitions.values(key), strict=True):
        if isinstance(dimension, TimePartitions) and not _is_skipped(dimension, value):
            window = dimension.window(value)
            if value not in dimension.overlapping(window.start, window.end):
                return False
    return True


def _beyond(theirs: Dimension, span: tuple[datetime, datetime]) -> list[str]:
    """What of a span lies before the upstream's first window or after its last."""
    if not isinstance(theirs, TimePartitions) or _utc(span[0]) >= _utc(span[1]):
        return []
    found = []
    if _utc(span[0]) < _utc(theirs.window(theirs.first_key).start):
        found.append(f"before {theirs.first_key}")
    if (final := theirs.final_key) is not None and _utc(span[1]) > _utc(theirs.window(final).end):
        found.append(f"after {final}")
    return found
