"""Hours as periods: whole hours by the clocks of one zone, each an hour long, the doubled one two.

Knows where a zone's hours begin (India's at half past in UTC) and which instants one key names. Refuses zones whose
clocks change by less than an hour: there, time does not part into hours. Knows no definition and no clock.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import ClassVar, Self
from zoneinfo import ZoneInfo

from msgspec.structs import replace

from lakehouse.partitions.keyformats import KeyParts
from lakehouse.partitions.nearmisses import iso_day, iso_time, near_time
from lakehouse.partitions.periods import FIRST_DAY, Calendar

__all__ = ["USUAL_IN_UTC", "Hours", "HoursUnfitError", "is_utc"]

USUAL_IN_UTC = "%Y-%m-%dT%H"
_UTC_NAMES = frozenset({"UTC", "UCT", "Zulu", "Universal", "GMT", "GMT0", "GMT+0", "GMT-0", "Greenwich"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LAST_DAY = date(9999, 12, 31)  # whose end is no datetime
_HOUR, _MINUTE, _SECOND = timedelta(hours=1), timedelta(minutes=1), timedelta(seconds=1)
_STEP = timedelta(days=3)  # no zone ever kept an offset for less: Freetown's four days of 1939 are the shortest
_YEAR, _LATE = timedelta(days=366), datetime(9990, 1, 1, tzinfo=UTC)
_RULES_REPEAT = datetime(2040, 1, 1, tzinfo=UTC)  # from 2038 on, zones follow one rule a year


class HoursUnfitError(ValueError):
    """Why a zone, or a format in it, has no hours between two bounds; ``cure`` is what to do, or None."""

    def __init__(self, argument: str, what: str, cure: str | None = None) -> None:
        super().__init__(what)
        self.argument = argument
        self.cure = cure


def is_utc(timezone: str) -> bool:
    """Whether a zone's clocks show UTC under another name."""
    return timezone.removeprefix("Etc/") in _UTC_NAMES


class Hours(Calendar, frozen=True):
    """Hours by the clocks of a zone.

    Attributes:
        origin: an instant at which clocks of the zone strike, in UTC; hours are counted from it.
        offset: the one offset from UTC of all keys, where they do not carry their own.
    """

    parts: ClassVar[KeyParts] = KeyParts(
        unit="hour", usual=f"{USUAL_IN_UTC}%z", allowed="YmdjHz", enough=("YmdH", "YjH")
    )

    origin: datetime = _EPOCH
    offset: timedelta | None = None

    def within(self, start: date, end: date | None) -> Self:
        """The hours between two bounds, if the zone has whole hours there, and the format a key for each."""
        first = min(self._instant(start), self.first_day(self.stop - 1).astimezone(UTC))
        last = None if end is None else self._instant(end)
        offset = _offset(self.zone, first)
        if changed := _first_change(self.zone, first, last, lambda one: one % _HOUR):
            raise HoursUnfitError("timezone", *_without_hours(self.zone, changed, last))
        if self.format.tells_offset and offset % _MINUTE:
            what = f"is no whole minutes from UTC on {_day(self.zone, first)}, as %z would write it"
            raise HoursUnfitError("timezone", what, 'set timezone="UTC", or a later start')
        if self.format.tells_offset:
            return replace(self, origin=_EPOCH - offset % _HOUR).limited()
        if changed := _first_change(self.zone, first, last, lambda one: one):
            what = f"does not tell hours apart where clocks change, as on {_day(self.zone, changed)}"
            raise HoursUnfitError("format", f"{what}: expected %z too, as in {self.parts.usual}")
        return replace(self, origin=_EPOCH - offset % _HOUR, offset=offset).limited()

    def holding(self, day: date) -> int:
        """The ordinal of the hour that holds an instant, or a day's local midnight."""
        return (self._instant(day) - self.origin) // _HOUR

    def first_day(self, ordinal: int) -> datetime:
        """The local time at which an hour begins."""
        return (self.origin + timedelta(hours=ordinal)).astimezone(self.zone)

    def start(self, ordinal: int) -> datetime:
        """The local time at which an hour begins."""
        return self.first_day(ordinal)

    def at_or_after(self, bound: date) -> int:
        """The ordinal of the first hour to start at or after an instant or a day's local midnight."""
        return -((self.origin - self._instant(bound)) // _HOUR)

    def running(self, utc: datetime) -> int:
        """The ordinal of the hour that holds an instant, told in UTC."""
        return (utc - self.origin) // _HOUR

    def read(self, text: str) -> int | None:
        """The ordinal of a key in exactly this format: an hour that the zone's clocks did show."""
        moment = self.format.read(text)
        return self._beginning(moment) if isinstance(moment, datetime) else None

    def read_start(self, text: str) -> int | None:
        """The ordinal of the hour that begins when an ISO datetime says; without an offset if that names one hour."""
        moment = iso_time(text)
        local = moment and self._localized(moment)
        return self._beginning(local) if local else None

    def guess(self, text: str) -> str | None:
        """The key that was probably meant: of the doubled hour the first, of the skipped one the next."""
        told = iso_time(text)
        moment = told if told and told.tzinfo else near_time(text)
        if moment is None or moment.date() >= _LAST_DAY:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=self.zone)
        return self.format.text(moment.astimezone(UTC).astimezone(self.zone))

    def bound(self, value: object) -> date | None:
        """What the bound of a definition names: a day, or an instant by a key, an ISO datetime or a ``datetime``."""
        if isinstance(value, str):
            moment = self.format.read(value) or iso_time(value)
            return self._localized(moment) if isinstance(moment, datetime) else iso_day(value)
        if isinstance(value, datetime):
            value = value if value.tzinfo else value.replace(tzinfo=self.zone)
            return value if value.date() >= FIRST_DAY else None
        return value if isinstance(value, date) and value >= FIRST_DAY else None

    @property
    def bound_forms(self) -> str:
        """What a bound may look like, in words."""
        return f"{self.format.form}, a date YYYY-MM-DD or a datetime"

    def _beginning(self, moment: datetime) -> int | None:
        """The ordinal of the hour that begins when clocks show a moment with its offset, if ever they do."""
        offset = self.offset if moment.tzinfo is None else moment.utcoffset()
        if offset is None or self.offset not in {None, offset}:
            return None
        ordinal, later = divmod(moment.replace(tzinfo=UTC) - offset - self.origin, _HOUR)
        if later or not self.begin <= ordinal < self.stop:
            return None
        return ordinal if self.first_day(ordinal).utcoffset() == offset else None

    def _localized(self, moment: datetime) -> datetime | None:
        """A moment with its offset; None for a naive one that clocks showed twice or never."""
        if moment.tzinfo is not None:
            return moment
        local = moment.replace(tzinfo=self.zone)
        return local if local.utcoffset() == local.replace(fold=1).utcoffset() else None

    def _instant(self, bound: date) -> datetime:
        if not isinstance(bound, datetime):
            bound = datetime(bound.year, bound.month, bound.day, tzinfo=self.zone)
        try:
            return bound.astimezone(UTC)
        except OverflowError:  # within a day of the first or the last year that Python knows
            return bound.replace(tzinfo=UTC)


def _offset(zone: ZoneInfo, instant: datetime) -> timedelta:
    offset = instant.astimezone(zone).utcoffset()
    assert offset is not None  # noqa: S101  a ZoneInfo always tells it
    return offset


def _day(zone: ZoneInfo, instant: datetime) -> date:
    return instant.astimezone(zone).date()


def _first_change(
    zone: ZoneInfo, start: datetime, end: datetime | None, seen: Callable[[timedelta], timedelta]
) -> datetime | None:
    """When, after ``start`` and before ``end``, clocks first change so that ``seen`` of their offset does."""
    if is_utc(zone.key):
        return None
    stop = max(_RULES_REPEAT, min(start, _LATE) + _YEAR) if end is None else end - _SECOND
    old, same = seen(_offset(zone, start)), start
    while same < stop:
        other = min(same + _STEP, stop)
        if seen(_offset(zone, other)) == old:
            same = other
            continue
        while other - same > _SECOND:
            middle = same + (other - same) // 2
            same, other = (middle, other) if seen(_offset(zone, middle)) == old else (same, middle)
        return other
    return None


def _without_hours(zone: ZoneInfo, changed: datetime, end: datetime | None) -> tuple[str, str]:
    """What to say of a zone whose clocks change by less than an hour at an instant, and the cure."""
    day = _day(zone, changed)
    what = f"has no whole hours here: its clocks change by less than an hour on {day}"
    cure = 'set timezone="UTC"'
    if not _first_change(zone, changed, end, lambda one: one % _HOUR):
        cure += f', or start="{day + timedelta(days=1)}"'
    return what, cure
