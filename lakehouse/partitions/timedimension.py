"""Partitions by time, whatever the unit: which windows a definition has at a given instant, and their keys.

Knows the extent of a definition and the words of its refusals; the calendar it leaves to `periods`. Knows no clock
(``now`` comes in), no rows, no disk, and nothing of what a person may type beyond one key.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import ClassVar

from msgspec.structs import force_setattr

from lakehouse.callsite import CallSite
from lakehouse.errors import PartitionKeyError
from lakehouse.partitions.dimension import Dimension, Window
from lakehouse.partitions.periods import Calendar, named_period
from lakehouse.partitions.timebounds import TimeArguments, likely, with_article

__all__ = ["TimePartitions"]

_INSTANT = timedelta(microseconds=1)  # the shortest time that Python tells apart


class _Counted:
    """What a definition works out of its bounds: no part of what it shows or equals."""

    __slots__ = ("_calendar", "_first", "_read", "_stop")

    _calendar: Calendar
    _first: int
    _stop: int
    # Ordinals of keys once read: to read an hour takes 5 µs, and a status asks for each of 10,000 several times.
    _read: dict[str, int]


class _Bounded(_Counted, Dimension, frozen=True):
    start: str | date
    end: str | date | None = None


class TimePartitions(_Bounded, frozen=True, kw_only=True):
    """A partition for each window of time from ``start`` on that has ended, in time order.

    Windows are half-open and go from local midnight to local midnight, so a day of a clock change has 23 or 25 hours.
    Of two midnights the first counts; a day that its zone skipped, as Samoa did 2011-12-30, has an empty window.

    Args:
        start: a key, an ISO date or a ``date``: the first window is the first to start at or after it.
        end: likewise, exclusive: windows are kept that end by it; None: no end.
        timezone: the IANA name of the zone whose clocks part the windows.
        format: how a key is written: directives and text.
        column: the partition column.
        include_current: whether the window that is still running counts too.

    Raises:
        DefinitionError: one of these is not what it should be; the message names the line.
    """

    calendar: ClassVar[type[Calendar]]

    timezone: str = "UTC"
    format: str
    column: str = "partition_date"
    include_current: bool = False

    def __post_init__(self) -> None:
        told = (type(self).__name__, self.start, self.end, self.timezone, self.format, self.column)
        bounds = TimeArguments(*told).bounds(self.calendar)
        for name, value in zip(("_calendar", "_first", "_stop", "_read"), (*bounds, {}), strict=True):
            force_setattr(self, name, value)

    @property
    def time(self) -> TimePartitions:
        """Itself."""
        return self

    @property
    def first_key(self) -> str:
        """The key that the definition begins with, ended or not."""
        return self._calendar.text(self._first)

    @property
    def final_key(self) -> str | None:
        """The key that the definition ends with, ended or not; None where it has no end."""
        return None if self.end is None else self._calendar.text(self._stop - 1)

    def last_key(self, now: datetime, include_current: bool | None = None) -> str | None:  # noqa: FBT001
        """The last key that the definition has by ``now``; None when no window has ended."""
        last = self._last(now, include_current)
        return self._calendar.text(last) if last >= self._first else None

    def keys(self, now: datetime, include_current: bool | None = None) -> list[str]:  # noqa: FBT001
        """Every key whose window has ended by ``now`` (and the running one, if included), in time order."""
        first, last = self._first, self._last(now, include_current)
        keys = self._calendar.texts(first, last)
        if len(keys) == last + 1 - first:  # then each is the next one's neighbour, and need not be read to be placed
            self._read.update(zip(keys, range(first, last + 1), strict=True))
        return keys

    def latest(self, now: datetime, include_current: bool | None = None) -> list[str]:  # noqa: FBT001
        """The last key that the definition has by ``now``, if there is one."""
        last = self.last_key(now, include_current)
        return [] if last is None else [last]

    def extent(self, now: datetime, include_current: bool | None = None) -> str:  # noqa: FBT001
        """What ``keys`` spans, in words: ``2018-01..2026-10``, or ``no month yet``."""
        last = self.last_key(now, include_current)
        if last is None:
            return f"no {self.unit} yet"
        return last if last == self.first_key else f"{self.first_key}..{last}"

    def index(self, key: str) -> int:
        """The place of a key, 0 being the first key's, whether the definition has it yet or not.

        Raises:
            PartitionKeyError: it does not have the form of a key.
        """
        return self._ordinal(key) - self._first

    def order(self, key: str) -> int:
        """The same: keys sort in time order, whatever their format."""
        return self.index(key)

    def at(self, index: int) -> str:
        """The key of a place: the inverse of ``index``.

        Raises:
            PartitionKeyError: no key has this place: years have four digits.
        """
        if not self._calendar.has(self._first + index):
            raise PartitionKeyError(f"no {self.unit} has a key {index:+} {self.unit}s from {self.first_key}")
        return self._calendar.text(self._first + index)

    def shift(self, key: str, n: int) -> str:
        """The key that is ``n`` after this one; before it, if negative.

        >>> Monthly("2018-01").shift("2018-01", -2)
        '2017-11'

        Raises:
            PartitionKeyError: it does not have the form of a key, or there is no key so far from it.
        """
        return self.at(self.index(key) + n)

    def holding(self, instant: datetime) -> int:
        """The place of the window that holds an instant, which tells its time zone; negative before the first.

        >>> Monthly("2018-01").holding(datetime(2018, 3, 31, 23, 59, tzinfo=UTC))
        2
        """
        return self._calendar.running(_utc("instant", instant)) - self._first

    def key_of(self, day: date) -> str:
        """The key of the window that holds a day, whether the definition has it or not.

        Raises:
            TypeError: of hours, of which a day holds many; ``holding`` finds that of an instant.
        """
        if self.unit == "hour":
            raise TypeError("a day holds many hours: ask for the one that is holding(instant)")
        return self._calendar.text(self._calendar.holding(day))

    def overlapping(self, start: datetime, end: datetime) -> list[str]:
        """The keys whose windows overlap the instants from ``start`` to before ``end``, ended by now or not.

        None is before the first window, nor from the definition's ``end`` on.
        """
        start, end = _utc("start", start), _utc("end", end)
        if start >= end:
            return []
        first, last = self._calendar.running(start), self._calendar.running(end - _INSTANT)
        return self._calendar.texts(max(first, self._first), min(last, self._stop - 1))

    def window(self, key: str) -> Window:
        """The half-open window of a key, whether the definition has it or not."""
        ordinal = self._ordinal(key)
        return Window(self._calendar.start(ordinal), self._calendar.start(ordinal + 1))

    def between(self, first: str, last: str) -> list[str]:
        """The keys from ``first`` to ``last``, both included, whatever the extent; none if ``last`` is earlier."""
        return self._calendar.texts(self._ordinal(first), self._ordinal(last))

    def are_neighbours(self, one: str, other: str) -> bool:
        """Whether the second key's window is the next after the first one's."""
        return self._ordinal(other) == self._ordinal(one) + 1

    def coarser(self, text: str) -> tuple[str, str] | None:
        """The first and last key of the windows that start in a longer period; None for any other text.

        Periods are named as ``2018``, ``2018-Q1``, ``2018-02``, ``2018-W05`` and ``2018-02-01``.

        >>> Monthly("2018-01").coarser("2018")
        ('2018-01', '2018-12')
        """
        calendar = self._calendar
        if calendar.read(text) is not None or (period := named_period(text, self.unit)) is None:
            return None
        first = max(calendar.at_or_after(period[0]), calendar.begin)
        last = min(calendar.at_or_after(period[1]), calendar.stop) - 1
        if first > last or not (calendar.has(first) and calendar.has(last)):
            return None
        return calendar.text(first), calendar.text(last)

    def parse(self, text: str, *, exact: bool = False, also: str = "") -> str:
        """The key that a text names: itself or, unless ``exact``, the ISO date of a window's first day.

        Of an hour, the ISO datetime of its start; one without offset must name one hour only.

        >>> Monthly("2018-01").parse("2018-02-01")
        '2018-02'

        Raises:
            PartitionKeyError: any other text; its help holds the likely key, then ``also``.
        """
        if self._calendar.read(text) is not None:
            return text
        if not exact and (ordinal := self._calendar.read_start(text)) is not None:
            return self._calendar.text(ordinal)
        raise self._not_a_key(text, also)

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
            PartitionKeyError: it does not: the code says whether it is before, after or incomplete.
        """
        ordinal = self._ordinal(key)
        if ordinal < self._first:
            code, message = "partition-before-start", f"{key} is before {asset} begins ({self.first_key})"
            cure = f'first key is {self.first_key}; for older data set start="{key}" ({where})'
        elif ordinal >= self._stop:
            final, end = self._calendar.text(self._stop - 1), self._calendar.text(ordinal + 1)
            code, message = "partition-after-end", f"{key} is after {asset} ends ({final})"
            cure = f'last key is {final}; for newer data set end="{end}" ({where})'
        elif ordinal > self._last(now, include_current):
            code = "partition-incomplete"
            message, cure = self._not_ended(key, now, asset, include_current)
        else:
            return
        facts = {"first": self.first_key, "last": self.last_key(now, include_current)}
        raise PartitionKeyError(message, code=code, help=cure, context={"asset": asset, "key": key, **facts})

    def describe(self) -> dict[str, str]:
        """What keys mean here, without the extent: part of code versions, and kept in the log."""
        return {"kind": self.kind, "column": self.column, "timezone": self.timezone, "format": self.format}

    def _ordinal(self, key: str) -> int:
        if (known := self._read.get(key)) is not None:
            return known
        if (ordinal := self._calendar.read(key)) is None:
            raise self._not_a_key(key)
        self._read[key] = ordinal
        return ordinal

    def _last(self, now: datetime, include_current: bool | None) -> int:  # noqa: FBT001
        included = self.include_current if include_current is None else include_current
        return min(self._calendar.running(_utc("now", now)) - (not included), self._stop - 1)

    def _not_ended(self, key: str, now: datetime, asset: str, include_current: bool | None) -> tuple[str, str]:  # noqa: FBT001
        """What to say of a key whose window is not over, and the cure."""
        ended = self.last_key(now, include_current=False)
        done = f"last complete {self.unit}: {ended}" if ended else f"no {self.unit} of {asset} has"
        if self._ordinal(key) > self._calendar.running(_utc("now", now)):
            return f"{key} has not begun; {done}", f"{asset} has {self.extent(now, include_current)}"
        return f"{key} has not ended; {done}", "add --include-current to make it from the data so far"

    def _not_a_key(self, text: str, also: str = "") -> PartitionKeyError:
        guess = likely(self._calendar, text)
        cure = f"did you mean {guess}?" if guess else f"expected {self._calendar.format.form}" + (";" if also else "")
        message, facts = f"{text!r} is not {with_article(self.unit)}", {"key": text, "guess": guess}
        return PartitionKeyError(message, help=f"{cure} {also}".rstrip(), context=facts)


def _utc(name: str, instant: datetime) -> datetime:
    """The same instant in UTC: within one zone, Python compares and subtracts what clocks show."""
    if instant.tzinfo is None:
        raise ValueError(f"{name} must be a datetime with a time zone")
    try:
        return instant.astimezone(UTC)
    except OverflowError:  # within a day of the first or the last year that Python knows
        return instant.replace(tzinfo=UTC)
