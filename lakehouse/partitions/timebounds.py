"""From the arguments of a time definition to its calendar and its extent, or to an error at the line that has them.

Knows how a definition is told and refused. Knows no clock: which of its windows have ended is for
`lakehouse.partitions.timekinds` to say.
"""

from __future__ import annotations

import re
from datetime import date
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo, available_timezones

from lakehouse.callsite import caller
from lakehouse.errors import DefinitionError
from lakehouse.partitions.hours import HoursUnfitError
from lakehouse.partitions.periods import Calendar

__all__ = ["Bounds", "TimeArguments", "likely", "with_article"]

_SAFE_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


class Bounds(NamedTuple):
    """The calendar of a definition and its windows: those from ``first`` on, before ``stop``, as ordinals."""

    calendar: Calendar
    first: int
    stop: int


class TimeArguments(NamedTuple):
    """What a time definition was told, of any type: nothing of it has been looked at yet.

    Attributes:
        kind: the class, as errors name it: ``Monthly``.
    """

    kind: str
    start: Any
    end: Any
    timezone: Any
    format: Any
    column: Any

    def bounds(self, unit: type[Calendar]) -> Bounds:
        """The calendar and the extent.

        Raises:
            DefinitionError: an argument is not what it should be; the message names the line.
        """
        if not (isinstance(self.column, str) and _SAFE_NAME.fullmatch(self.column)):
            raise self._refused("column", "is not a column name: expected letters, digits and _, no digit first")
        calendar = self._calendar(unit)
        start = self._bound("start", calendar)
        end = None if self.end is None else self._bound("end", calendar)
        try:
            calendar = calendar.within(start, end)
        except HoursUnfitError as error:
            raise self._refused(error.argument, str(error), error.cure) from None
        first = min(calendar.at_or_after(start), calendar.stop - 1)
        stop = calendar.stop if end is None else min(calendar.holding(end), calendar.stop)
        if stop <= first:
            what = f"leaves no {unit.parts.unit}: expected one after start={self.start!r}, end is exclusive"
            raise self._refused("end", what)
        return Bounds(calendar, first, stop)

    def _calendar(self, unit: type[Calendar]) -> Calendar:
        if not isinstance(self.format, str):
            raise self._refused("format", f"is not a format: expected text such as {unit.parts.usual}")
        zone = self._zone()
        try:
            return unit.of(self.format, zone)
        except ValueError as error:
            raise self._refused("format", str(error)) from None

    def _bound(self, name: str, calendar: Calendar) -> date:
        """The day or, of hours, the instant that ``start`` or ``end`` names."""
        value = getattr(self, name)
        if (bound := calendar.bound(value)) is not None:
            return bound
        guess = calendar.guess(value) if isinstance(value, str) else None  # hours cannot be read before both bounds
        cure = f"did you mean {guess}?" if guess else None
        raise self._refused(
            name, f"is not {with_article(calendar.parts.unit)}: expected {calendar.bound_forms}", cure
        )

    def _zone(self) -> ZoneInfo:
        try:
            return ZoneInfo(self.timezone)
        except (KeyError, ValueError, OSError, TypeError, AttributeError):  # by what the name happens to look like
            import difflib  # only for errors

            near = difflib.get_close_matches(str(self.timezone), sorted(available_timezones()), n=1)
        what = "is not a time zone: expected an IANA name such as Europe/Berlin"
        raise self._refused("timezone", what, f"did you mean {near[0]!r}?" if near else None)

    def _refused(self, name: str, what: str, cure: str | None = None) -> DefinitionError:
        return DefinitionError(f"{self.kind}({name}={getattr(self, name)!r}) {what} ({caller()})", help=cure)


def with_article(unit: str) -> str:
    """A unit with its article.

    >>> with_article("hour"), with_article("day")
    ('an hour', 'a day')
    """
    return f"an {unit}" if unit == "hour" else f"a {unit}"


def likely(calendar: Calendar, text: str) -> str | None:
    """The key that was probably meant by a text that is none; None if there is no such key."""
    guess = calendar.guess(text)
    return guess if guess is not None and calendar.read(guess) is not None else None
