"""The kinds of partitions by time: hours, days, weeks, months, quarters, years.

Knows which calendar each kind has and how its keys read if nothing else is said. What they have in common is in
`lakehouse.partitions.timedimension`.
"""

from __future__ import annotations

from typing import ClassVar

from msgspec.structs import force_setattr

from lakehouse.partitions.hours import USUAL_IN_UTC, Hours, is_utc
from lakehouse.partitions.periods import Calendar, Days, Months, Quarters, Weeks, Years
from lakehouse.partitions.timedimension import TimePartitions

__all__ = ["Daily", "Hourly", "Monthly", "Quarterly", "TimePartitions", "Weekly", "Yearly"]

_BY_ZONE = f"{USUAL_IN_UTC} in UTC, else {USUAL_IN_UTC}%z"


class Hourly(TimePartitions, frozen=True, kw_only=True):
    """A partition for each hour by the clocks of a zone, an hour long each: days have 23, 24 or 25.

    ``start`` and ``end`` may be datetimes too, naive ones by the zone's clocks, or ISO texts of them. Keys outside
    UTC carry the offset, ``2018-10-28T02+0200``, so that an hour that clocks show twice has two.

    Raises:
        DefinitionError: also for a zone whose clocks change by less than an hour between ``start`` and ``end``.
    """

    kind: ClassVar[str] = "hourly"
    unit: ClassVar[str] = "hour"
    calendar: ClassVar[type[Calendar]] = Hours

    format: str = _BY_ZONE

    def __post_init__(self) -> None:
        if self.format == _BY_ZONE:
            in_utc = isinstance(self.timezone, str) and is_utc(self.timezone)
            force_setattr(self, "format", USUAL_IN_UTC if in_utc else Hours.parts.usual)
        TimePartitions.__post_init__(self)


class Daily(TimePartitions, frozen=True, kw_only=True):
    """A partition for each day, ``2018-02-01``; ``format`` from ``%Y``, ``%m``, ``%d``, ``%j`` and text."""

    kind: ClassVar[str] = "daily"
    unit: ClassVar[str] = "day"
    calendar: ClassVar[type[Calendar]] = Days

    format: str = "%Y-%m-%d"


class Weekly(TimePartitions, frozen=True, kw_only=True):
    """A partition for each ISO week, from Monday, ``2018-W05``; ``format`` from ``%G``, ``%V`` and text.

    ``%Y``, ``%m``, ``%d`` and ``%j`` are those of the Monday, and may stand in for the others.
    """

    kind: ClassVar[str] = "weekly"
    unit: ClassVar[str] = "week"
    calendar: ClassVar[type[Calendar]] = Weeks

    format: str = "%G-W%V"


class Monthly(TimePartitions, frozen=True, kw_only=True):
    """A partition for each calendar month, ``2018-02``; ``format`` from ``%Y``, ``%m`` and text; ``%d`` is 01."""

    kind: ClassVar[str] = "monthly"
    unit: ClassVar[str] = "month"
    calendar: ClassVar[type[Calendar]] = Months

    format: str = "%Y-%m"


class Quarterly(TimePartitions, frozen=True, kw_only=True):
    """A partition for each quarter of a year, ``2018-Q1``; ``format`` from ``%Y``, ``%q`` (1 to 4) and text.

    ``%m`` is the first month of the quarter, and may stand in for ``%q``; ``%d`` is always 01.
    """

    kind: ClassVar[str] = "quarterly"
    unit: ClassVar[str] = "quarter"
    calendar: ClassVar[type[Calendar]] = Quarters

    format: str = "%Y-Q%q"


class Yearly(TimePartitions, frozen=True, kw_only=True):
    """A partition for each calendar year, ``2018``; ``format`` from ``%Y`` and text; ``%m`` and ``%d`` are 01."""

    kind: ClassVar[str] = "yearly"
    unit: ClassVar[str] = "year"
    calendar: ClassVar[type[Calendar]] = Years

    format: str = "%Y"
