"""Period arithmetic: the text of a key <-> its ordinal <-> the first instant of its period.

Knows calendar months, how their keys read and where their midnights lie in a time zone. Knows no definition: not
which periods one has, nor how it refuses a text; and no clock (``now`` comes in).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

__all__ = ["Months"]

_DIRECTIVE = re.compile(r"%(.?)|[^%]+", re.DOTALL)
_YEAR, _MONTH = r"[1-9][0-9]{3}", r"0[1-9]|1[0-2]"
_ISO = re.compile(rf"{_YEAR}-(?:{_MONTH})(-[0-3][0-9])?")
_COARSER = re.compile(_YEAR)
_NEARLY = re.compile(r"([1-9][0-9]{3})(?:[-/._ ]([0-9]{1,2})|([0-9]{2}))(?:[-/._ ]?[0-9]{1,2})?")
_BEGIN, _STOP = 1000 * 12, 9999 * 12 + 11  # four digits a year, and a window's end must be a datetime too
_PARTS = {  # how each directive is written by str.format(year, month), read, and shown to a person
    "Y": ("{0:04}", f"(?P<Y>{_YEAR})", "YYYY"),
    "m": ("{1:02}", f"(?P<m>{_MONTH})", "MM"),
    "d": ("01", "01", "01"),
    "%": ("%", "%", "%"),
}


@dataclass(frozen=True, slots=True)
class Months:
    """Months as ordinals (months since year 0), their keys in one format, their midnights in one zone."""

    zone: ZoneInfo
    template: str
    pattern: re.Pattern[str]
    form: str

    @classmethod
    def of(cls, key_format: str, zone: ZoneInfo) -> Months:
        """Months in a format of ``%Y``, ``%m``, ``%d`` and literal text; ``ValueError`` says what it lacks.

        Each part has a fixed width, so keys are distinct, read back, and never change with the locale.
        """
        pieces = list(_pieces(key_format))
        pattern = re.compile("".join(read for _, read, _ in pieces))
        if not {"Y", "m"} <= pattern.groupindex.keys():
            raise ValueError("does not tell months apart: expected both %Y and %m, as in %Y-%m")
        form = "".join(shown for _, _, shown in pieces)
        if form.startswith(".") or "/" in form or "\0" in form:
            raise ValueError("gives no safe folder names: expected keys without / and NUL, not led by a dot")
        return cls(zone, "".join(written for written, _, _ in pieces), pattern, form)

    def text(self, ordinal: int) -> str:
        """The key of a month."""
        return self.template.format(ordinal // 12, ordinal % 12 + 1)

    def texts(self, first: int, last: int) -> list[str]:
        """The keys from one month to another, both included."""
        return [self.text(ordinal) for ordinal in range(first, last + 1)]

    def read(self, text: str) -> int | None:
        """The ordinal of a key in exactly this format."""
        if not (match := self.pattern.fullmatch(text)):
            return None
        ordinal = int(match["Y"]) * 12 + int(match["m"]) - 1
        return ordinal if ordinal < _STOP else None

    def read_first_day(self, text: str) -> int | None:
        """The ordinal of the month on whose first day an ISO date falls."""
        match = _ISO.fullmatch(text)
        return self.holding(date.fromisoformat(text)) if match and match[1] == "-01" else None

    def read_coarser(self, text: str) -> tuple[int, int] | None:
        """The first and last ordinal of the year that a text names."""
        if not _COARSER.fullmatch(text) or int(text) * 12 + 11 >= _STOP:
            return None
        return int(text) * 12, int(text) * 12 + 11

    def guess(self, text: str) -> str | None:
        """The key that was probably meant by a text that is none."""
        if not (match := _NEARLY.fullmatch(text.strip())):
            return None
        month = min(max(int(match[2] or match[3]), 1), 12)
        return self.text(min(int(match[1]) * 12 + month - 1, _STOP - 1))

    def day(self, bound: str | date) -> date | None:
        """The day that a bound names: itself, an ISO date, or the first of the month whose key it is."""
        if isinstance(bound, str):
            with contextlib.suppress(ValueError):  # 2018-02-30 has the form and is no day
                if (ordinal := self.read(bound)) is not None:
                    return date(ordinal // 12, ordinal % 12 + 1, 1)
                if match := _ISO.fullmatch(bound):
                    return date.fromisoformat(bound if match[1] else f"{bound}-01")
            return None
        is_day = isinstance(bound, date) and not isinstance(bound, datetime)
        return bound if is_day and self.holding(bound) >= _BEGIN else None

    def holding(self, day: date) -> int:
        """The ordinal of the month that holds a day."""
        return day.year * 12 + day.month - 1

    def starting(self, day: date) -> int:
        """The ordinal of the first month to start at or after a day, as far as there are keys."""
        return min(self.holding(day) + (day.day > 1), _STOP - 1)

    def start(self, ordinal: int) -> datetime:
        """The local midnight at which a month begins."""
        return datetime(ordinal // 12, ordinal % 12 + 1, 1, tzinfo=self.zone)

    def running(self, now: datetime) -> int:
        """The ordinal of the month whose window holds ``now``."""
        if now.tzinfo is None:
            raise ValueError("now must be a datetime with a time zone")
        following = self.holding(now.astimezone(self.zone)) + 1
        # Clocks set back over midnight show the old month again, although the new one has begun.
        return following if self.start(following).astimezone(UTC) <= now.astimezone(UTC) else following - 1


def _pieces(key_format: str) -> Iterator[tuple[str, str, str]]:
    """How each directive and each literal text of a format is written, read and shown."""
    seen: set[str] = set()
    for match in _DIRECTIVE.finditer(key_format):
        piece, name = match[0], match[1]
        if name is None:
            yield piece.replace("{", "{{").replace("}", "}}"), re.escape(piece), piece
        elif name not in _PARTS:
            raise ValueError(f"holds {piece}: expected only %Y, %m and %d, which read the same everywhere")
        else:
            written, read, shown = _PARTS[name]
            yield written, f"(?P={name})" if name in seen & {"Y", "m"} else read, shown
            seen.add(name)
