"""Partition keys and the time windows they stand for: which months a definition has at a given instant.

Knows the extent of a definition and the words of its refusals; the calendar it leaves to `lakehouse.periods`. Knows
no clock (``now`` comes in), no rows, no disk, and nothing of what a person may type beyond one key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any, ClassVar
from zoneinfo import ZoneInfo, available_timezones

from lakehouse.callsite import CallSite, caller
from lakehouse.errors import DefinitionError, PartitionKeyError
from lakehouse.periods import Months

__all__ = ["Monthly", "Partition", "Window"]

_SAFE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


@dataclass(frozen=True, slots=True)
class Window:
    """The half-open interval ``[start, end)`` of a key, at local midnights of its time zone.

    Convert to UTC before comparing with datetimes of the same zone: Python compares those by their wall clocks.
    """

    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Partition:
    """One key and its window, ``start`` included and ``end`` not: what a function's ``partition`` is."""

    key: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Monthly:
    """A partition for each calendar month from ``start`` on that has ended, in time order.

    Args:
        start: a key (``"2018-01"``), an ISO date or a ``date``: the first month is the first to start at or after it.
        end: likewise, exclusive: months are kept that end by it; None: no end.
        timezone: the IANA name of the zone whose midnights part the months.
        format: how a key is written from ``%Y``, ``%m``, ``%d`` (always 01) and text.
        column: the partition column.
        include_current: whether the month that is still running counts too.

    Raises:
        DefinitionError: one of these is not what it should be; the message names the line.
    """

    kind: ClassVar[str] = "monthly"
    unit: ClassVar[str] = "month"

    start: str | date
    end: str | date | None = None
    timezone: str = field(default="UTC", kw_only=True)
    format: str = field(default="%Y-%m", kw_only=True)
    column: str = field(default="partition_date", kw_only=True)
    include_current: bool = field(default=False, kw_only=True)
    _months: Months = field(init=False, repr=False, compare=False)
    _first: int = field(init=False, repr=False, compare=False)
    _stop: int | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not (isinstance(self.column, str) and _SAFE_NAME.fullmatch(self.column)):
            what = "is not a column name: expected letters, digits and _, no digit first"
            raise _refused("column", self.column, what)
        months = _months(self.format, self.timezone)
        first = months.starting(_day("start", self.start, months))
        stop = None if self.end is None else months.holding(_day("end", self.end, months))
        if stop is not None and stop <= first:
            what = f"leaves no month: expected one after start={self.start!r}, end is exclusive"
            raise _refused("end", self.end, what)
        for name, value in (("_months", months), ("_first", first), ("_stop", stop)):
            object.__setattr__(self, name, value)

    @property
    def columns(self) -> tuple[str, ...]:
        """The partition columns in the order in which their folders nest."""
        return (self.column,)

    def values(self, key: str) -> tuple[str, ...]:
        """A key's value in each of ``columns``."""
        return (key,)

    @property
    def first_key(self) -> str:
        """The key that the definition begins with, ended or not."""
        return self._months.text(self._first)

    def last_key(self, now: datetime, include_current: bool | None = None) -> str | None:  # noqa: FBT001
        """The last key that the definition has by ``now``; None when no window has ended."""
        last = self._last(now, include_current)
        return self._months.text(last) if last >= self._first else None

    def keys(self, now: datetime, include_current: bool | None = None) -> list[str]:  # noqa: FBT001
        """Every key whose window has ended by ``now`` (and the running one, if included), in time order."""
        return self._months.texts(self._first, self._last(now, include_current))

    def extent(self, now: datetime, include_current: bool | None = None) -> str:  # noqa: FBT001
        """What ``keys`` spans, in words: ``2018-01..2026-10``, or ``no month yet``."""
        last = self.last_key(now, include_current)
        if last is None:
            return f"no {self.unit} yet"
        return last if last == self.first_key else f"{self.first_key}..{last}"

    def index(self, key: str) -> int:
        """The place of a key, 0 being the first key's, whether the definition has it yet or not."""
        if (ordinal := self._months.read(key)) is None:
            raise self._not_a_key(key)
        return ordinal - self._first

    def window(self, key: str) -> Window:
        """The half-open window of a key, whether the definition has it or not."""
        ordinal = self._first + self.index(key)
        return Window(self._months.start(ordinal), self._months.start(ordinal + 1))

    def partition(self, key: str) -> Partition:
        """A key with its window."""
        window = self.window(key)
        return Partition(key, window.start, window.end)

    def between(self, first: str, last: str) -> list[str]:
        """The keys from ``first`` to ``last``, both included, whatever the extent; none if ``last`` is earlier."""
        return self._months.texts(self._first + self.index(first), self._first + self.index(last))

    def key_of(self, day: date) -> str:
        """The key of the month that holds a day, whether the definition has it or not."""
        return self._months.text(self._months.holding(day))

    def coarser(self, text: str) -> tuple[str, str] | None:
        """The first and last key of the year that a text names; None for any other text.

        >>> Monthly("2018-01").coarser("2018")
        ('2018-01', '2018-12')
        """
        if (span := self._months.read_coarser(text)) is None:
            return None
        return self._months.text(span[0]), self._months.text(span[1])

    def parse(self, text: str, *, exact: bool = False, also: str = "") -> str:
        """The key that a text names: a key itself or, unless ``exact``, the ISO date of a month's first day.

        >>> Monthly("2018-01").parse("2018-02-01")
        '2018-02'

        Raises:
            PartitionKeyError: any other text; its help holds the likely key, then ``also``.
        """
        if self._months.read(text) is not None:
            return text
        if not exact and (ordinal := self._months.read_first_day(text)) is not None:
            return self._months.text(ordinal)
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
        ordinal = self._first + self.index(key)
        if ordinal < self._first:
            code, message = "partition-before-start", f"{key} is before {asset} begins ({self.first_key})"
            cure = f'first key is {self.first_key}; for older data set start="{key}" ({where})'
        elif self._stop is not None and ordinal >= self._stop:
            final, end = self._months.text(self._stop - 1), self._months.text(ordinal + 1)
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

    def _last(self, now: datetime, include_current: bool | None) -> int:  # noqa: FBT001
        included = self.include_current if include_current is None else include_current
        last = self._months.running(now) - (not included)
        return last if self._stop is None else min(last, self._stop - 1)

    def _not_ended(self, key: str, now: datetime, asset: str, include_current: bool | None) -> tuple[str, str]:  # noqa: FBT001
        """What to say of a key whose window is not over, and the cure."""
        ended = self.last_key(now, include_current=False)
        done = f"last complete {self.unit}: {ended}" if ended else f"no {self.unit} of {asset} has"
        if self._first + self.index(key) > self._months.running(now):
            return f"{key} has not begun; {done}", f"{asset} has {self.extent(now, include_current)}"
        return f"{key} has not ended; {done}", "add --include-current to make it from the data so far"

    def _not_a_key(self, text: str, also: str = "") -> PartitionKeyError:
        guess = self._months.guess(text)
        cure = f"did you mean {guess}?" if guess else f"expected {self._months.form}" + (";" if also else "")
        message, facts = f"{text!r} is not a {self.unit}", {"key": text, "guess": guess}
        return PartitionKeyError(message, help=f"{cure} {also}".rstrip(), context=facts)


def _months(key_format: str, timezone: str) -> Months:
    if not isinstance(key_format, str):
        raise _refused("format", key_format, "is not a format: expected text such as %Y-%m")
    zone = _zone(timezone)
    try:
        return Months.of(key_format, zone)
    except ValueError as error:
        raise _refused("format", key_format, str(error)) from None


def _day(name: str, value: str | date, months: Months) -> date:
    """The day that a bound names."""
    if (day := months.day(value)) is not None:
        return day
    guess = months.guess(value) if isinstance(value, str) else None
    cure = f"did you mean {guess}?" if guess else None
    raise _refused(name, value, f"is not a month: expected {months.form} or a date YYYY-MM-DD", cure)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError, TypeError, AttributeError):  # by what the name happens to look like
        import difflib  # only for errors

        near = difflib.get_close_matches(str(name), sorted(available_timezones()), n=1)
    what = "is not a time zone: expected an IANA name such as Europe/Berlin"
    raise _refused("timezone", name, what, f"did you mean {near[0]!r}?" if near else None)


def _refused(name: str, value: Any, what: str, cure: str | None = None) -> DefinitionError:
    return DefinitionError(f"Monthly({name}={value!r}) {what} ({caller()})", help=cure)
