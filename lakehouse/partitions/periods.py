"""Period arithmetic: the ordinal of a period <-> its first day or hour <-> its key and its first instant in a zone.

Knows years, quarters, months, weeks and days and where their midnights lie in a time zone; hours it leaves to
`lakehouse.partitions.hours`. Knows no definition: not which periods one has, nor how it refuses a text; and no clock.
"""

from __future__ import annotations

from abc import abstractmethod
from datetime import date, datetime
from functools import cache
from typing import ClassVar, Self
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from lakehouse.partitions.dimension import Abstract
from lakehouse.partitions.keyformats import KeyFormat, KeyParts
from lakehouse.partitions.nearmisses import iso_day, near_day, near_quarter, near_time, near_week

__all__ = ["FIRST_DAY", "Calendar", "Days", "Months", "Quarters", "Weeks", "Years", "named_period"]

FIRST_DAY = date(1000, 1, 1)  # four digits a year, and a window's end must be a datetime too


class Calendar(Abstract, frozen=True):
    """The periods of one unit as ordinals, which grow by one from each to the next; their keys, and their windows.

    Attributes:
        zone: whose clocks part the periods.
        format: how keys read.
        begin, stop: the ordinals that have keys are those from ``begin`` on, before ``stop``.
    """

    parts: ClassVar[KeyParts]
    zone: ZoneInfo
    format: KeyFormat
    begin: int
    stop: int

    @classmethod
    def of(cls, key_format: str, zone: ZoneInfo) -> Self:
        """The calendar of a zone with keys in a format; ``ValueError`` says what is wrong with that."""
        return cls(zone, KeyFormat.of(key_format, cls.parts), 0, 0).limited()

    def limited(self) -> Self:
        """The same with ``begin`` and ``stop`` as far as there are keys and datetimes."""
        return replace(self, begin=self.at_or_after(FIRST_DAY), stop=self.holding(date.max))

    @abstractmethod
    def holding(self, day: date) -> int:
        """The ordinal of the period that holds a day; where periods are hours, an instant."""

    @abstractmethod
    def first_day(self, ordinal: int) -> date:
        """The day with which a period begins; where periods are hours, the local time."""

    def within(self, start: date, end: date | None) -> Self:  # noqa: ARG002
        """The calendar for the periods between these bounds; ``HoursUnfitError`` says why there is none."""
        return self

    def text(self, ordinal: int) -> str:
        """The key of a period."""
        return self.format.text(self.first_day(ordinal))

    def texts(self, first: int, last: int) -> list[str]:
        """The keys from one period to another, both included."""
        return [self.text(ordinal) for ordinal in range(first, last + 1)]

    def read(self, text: str) -> int | None:
        """The ordinal of a key in exactly this format."""
        if (day := self.format.read(text)) is None:
            return None
        ordinal = self.holding(day)
        return ordinal if self.begin <= ordinal < self.stop and self.first_day(ordinal) == day else None

    def has(self, ordinal: int) -> bool:
        """Whether a period has a key that reads back."""
        return self.begin <= ordinal < self.stop and self.read(self.text(ordinal)) == ordinal

    def read_start(self, text: str) -> int | None:
        """The ordinal of the period on whose first day an ISO date falls."""
        if (day := iso_day(text)) is None:
            return None
        ordinal = self.holding(day)
        return ordinal if self.begin <= ordinal < self.stop and self.first_day(ordinal) == day else None

    def guess(self, text: str) -> str | None:
        """The key that was probably meant by a text that is none."""
        if (day := self.near(text)) is None:
            return None
        return self.text(min(max(self.holding(day), self.begin), self.stop - 1))

    def near(self, text: str) -> date | None:
        """A day of the period that was probably meant."""
        return near_day(text)

    def bound(self, value: object) -> date | None:
        """What the bound of a definition names: a day itself, an ISO date, or the first day of a key's period."""
        if isinstance(value, str):
            if (ordinal := self.read(value)) is not None:
                return self.first_day(ordinal)
            return iso_day(value) or type(self).of(self.parts.usual, self.zone).format.read(value)
        if not isinstance(value, date) or isinstance(value, datetime):
            return None
        return value if value >= FIRST_DAY else None

    @property
    def bound_forms(self) -> str:
        """What a bound may look like, in words."""
        form = self.format.form
        return form if form == "YYYY-MM-DD" else f"{form} or a date YYYY-MM-DD"

    def at_or_after(self, bound: date) -> int:
        """The ordinal of the first period to start at or after a bound."""
        ordinal = self.holding(bound)
        return ordinal + (self.first_day(ordinal) < bound)

    def start(self, ordinal: int) -> datetime:
        """The local midnight at which a period begins."""
        day = self.first_day(ordinal)
        return datetime(day.year, day.month, day.day, tzinfo=self.zone)

    def running(self, utc: datetime) -> int:
        """The ordinal of the period whose window holds an instant, told in UTC."""
        try:
            ordinal = self.holding(utc.astimezone(self.zone))
        except OverflowError:  # within a day of the first or the last year that Python knows
            return self.holding(utc)
        if not self.begin <= ordinal < self.stop:
            return ordinal
        # Clocks set back over midnight show the old day again, although the new one has begun; and a day that a zone
        # skips begins and ends at once.
        while self.start(ordinal) > utc:
            ordinal -= 1
        while self.start(ordinal + 1) <= utc:
            ordinal += 1
        return ordinal


class Days(Calendar, frozen=True):
    """Days, from midnight to midnight."""

    parts = KeyParts(unit="day", usual="%Y-%m-%d", allowed="Ymdj", enough=("Ymd", "Yj"))

    def holding(self, day: date) -> int:
        """Days since the one before the year 1."""
        return day.toordinal()

    def first_day(self, ordinal: int) -> date:
        """The day itself."""
        return date.fromordinal(ordinal)

    def near(self, text: str) -> date | None:
        """The day that was probably meant, by a time too."""
        return day.date() if (day := near_time(text)) else None


class Weeks(Calendar, frozen=True):
    """ISO weeks, from Monday."""

    parts = KeyParts(unit="week", usual="%G-W%V", allowed="GVYmdj", enough=("GV", "Ymd", "Yj"))

    def holding(self, day: date) -> int:
        """Weeks since the year 1, which began with a Monday."""
        return (day.toordinal() - 1) // 7

    def first_day(self, ordinal: int) -> date:
        """The Monday."""
        return date.fromordinal(ordinal * 7 + 1)

    def near(self, text: str) -> date | None:
        """A day of the week that was probably meant."""
        return near_week(text) or near_day(text)


class Months(Calendar, frozen=True):
    """Calendar months."""

    parts = KeyParts(unit="month", usual="%Y-%m", allowed="Ymd", enough=("Ym",), always_01="d")

    def holding(self, day: date) -> int:
        """Months since the year 0."""
        return day.year * 12 + day.month - 1

    def first_day(self, ordinal: int) -> date:
        """The first of the month."""
        return date(ordinal // 12, ordinal % 12 + 1, 1)


class Quarters(Calendar, frozen=True):
    """Quarters of calendar years."""

    parts = KeyParts(unit="quarter", usual="%Y-Q%q", allowed="Yqmd", enough=("Yq", "Ym"), always_01="d")

    def holding(self, day: date) -> int:
        """Quarters since the year 0."""
        return day.year * 4 + (day.month - 1) // 3

    def first_day(self, ordinal: int) -> date:
        """The first of January, April, July or October."""
        return date(ordinal // 4, ordinal % 4 * 3 + 1, 1)

    def near(self, text: str) -> date | None:
        """A day of the quarter that was probably meant."""
        return near_quarter(text) or near_day(text)


class Years(Calendar, frozen=True):
    """Calendar years."""

    parts = KeyParts(unit="year", usual="%Y", allowed="Ymd", enough=("Y",), always_01="md")

    def holding(self, day: date) -> int:
        """The year's number."""
        return day.year

    def first_day(self, ordinal: int) -> date:
        """The first of January."""
        return date(ordinal, 1, 1)

    def near(self, text: str) -> date | None:
        """A day of the year that was probably meant."""
        return near_day(text) or near_day(f"{text.strip()}-01")


@cache
def _ordinary() -> list[Calendar]:
    return [unit.of(unit.parts.usual, ZoneInfo("UTC")) for unit in (Years, Quarters, Months, Weeks, Days)]


def named_period(text: str, longer_than: str) -> tuple[date, date] | None:
    """The first day of the period that its ordinary text names, and the day after its last.

    Args:
        text: ``2018``, ``2018-Q1``, ``2018-02``, ``2018-W05`` or ``2018-02-01``.
        longer_than: the unit whose periods, and shorter ones, are not taken.
    """
    for calendar in _ordinary():
        if calendar.parts.unit == longer_than:
            return None
        if (ordinal := calendar.read(text)) is not None:
            return calendar.first_day(ordinal), calendar.first_day(ordinal + 1)
    return None
