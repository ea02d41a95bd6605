"""What a text that is no key probably meant, and the other spellings of a day or an hour that are taken for one.

Knows how people write dates. Knows no definition: whether what they meant exists is for others to say, and nothing
that is guessed here runs by itself.
"""

from __future__ import annotations

import re
from calendar import monthrange
from datetime import date, datetime

__all__ = ["iso_day", "iso_time", "near_day", "near_quarter", "near_time", "near_week"]

# Compiled as they are asked for, which most commands never do.
_YEAR = "[1-9][0-9]{3}"
_ISO_DAY = rf"{_YEAR}-[01][0-9]-[0-3][0-9]"
_ISO_TIME = (
    rf"{_YEAR}-[01][0-9]-[0-3][0-9][T ][0-2][0-9](:[0-5][0-9](:[0-5][0-9](\.[0-9]{{3}}([0-9]{{3}})?)?)?)?"
    r"(Z|[+-][0-2][0-9]:?[0-5][0-9])?"
)
_DAY = rf"({_YEAR})(?:[-/._ ]([0-9]{{1,2}})|([0-9]{{2}}))(?:[-/._ ]?([0-9]{{1,2}}))?"
_NEAR_TIME = rf"{_DAY}(?:(?:T| +)([0-9]{{1,2}})(?:[:.h]?[0-9]{{2}})*(?:\.[0-9]+)?(?: ?(?:Z|[+-][0-9:]+))?)?"
_NEAR_WEEK = rf"({_YEAR})[-/._ ]?[Ww]([0-9]{{1,2}})(?:-?[1-7])?"
_NEAR_QUARTER = rf"({_YEAR})(?:[-/._ ]?[Qq]0?([0-9])|[-/._ ]([1-4]))"


def iso_day(text: str) -> date | None:
    """The day that an ISO date names."""
    try:
        return date.fromisoformat(text) if re.fullmatch(_ISO_DAY, text) else None
    except ValueError:
        return None


def iso_time(text: str) -> datetime | None:
    """The datetime that an ISO text of at least day and hour names, naive where it tells no offset."""
    try:
        return datetime.fromisoformat(text) if re.fullmatch(_ISO_TIME, text) else None
    except ValueError:
        return None


def near_day(text: str) -> date | None:
    """The day that was probably meant: by a month alone its first, by a day past its month's end the last."""
    match = re.fullmatch(_DAY, text.strip())
    return _within(match) if match else None


def near_time(text: str) -> datetime | None:
    """The same with an hour, 0 where none was told, and no offset."""
    if not (match := re.fullmatch(_NEAR_TIME, text.strip())):
        return None
    day = _within(match)
    return datetime(day.year, day.month, day.day, min(int(match[5] or 0), 23))  # noqa: DTZ001  a wall clock


def near_week(text: str) -> date | None:
    """The Monday of the ISO week that was probably meant."""
    if not (match := re.fullmatch(_NEAR_WEEK, text.strip())):
        return None
    year = int(match[1])
    weeks = date(year, 12, 28).isocalendar().week  # ISO 8601: the 28th of December is in the last week of its year
    return date.fromisocalendar(year, min(max(int(match[2]), 1), weeks), 1)


def near_quarter(text: str) -> date | None:
    """The first day of the quarter that was probably meant."""
    if not (match := re.fullmatch(_NEAR_QUARTER, text.strip())):
        return None
    quarter = min(max(int(match[2] or match[3]), 1), 4)
    return date(int(match[1]), quarter * 3 - 2, 1)


def _within(match: re.Match[str]) -> date:
    year, month = int(match[1]), min(max(int(match[2] or match[3]), 1), 12)
    return date(year, month, min(max(int(match[4] or 1), 1), monthrange(year, month)[1]))
