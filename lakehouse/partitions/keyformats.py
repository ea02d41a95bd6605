"""How the key of a period of time reads: a template of directives, each of a fixed width, to text and back.

Knows directives, what tells the keys of a unit apart, and safe folder names. Knows no calendar: whether a day begins
a month, or an hour exists in a zone, is for `lakehouse.partitions.periods` to say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from operator import attrgetter
from typing import Any

from msgspec import Struct

__all__ = ["KeyFormat", "KeyParts"]

_DIRECTIVE = re.compile(r"%(.?)|[^%]+", re.DOTALL)


class KeyParts(Struct, frozen=True, kw_only=True):
    """What the keys of a unit may be written with.

    Attributes:
        unit: what one key is: *month*.
        usual: the format that is used where none is given.
        allowed: the letters of the directives that a format may hold.
        enough: the sets of letters of which each tells keys apart, the usual one first.
        always_01: those of ``allowed`` that are 01 in every key.
    """

    unit: str
    usual: str
    allowed: str
    enough: tuple[str, ...]
    always_01: str = ""


class KeyFormat(Struct, frozen=True):
    """Keys in one format: distinct, read back as they were written, and the same in every locale.

    Attributes:
        letters: the directives in the order in which they are written.
        template: the key for ``%`` with the directives' values.
        pattern: what a key matches, each directive's text in a group of its letter.
        form: a key as it is shown to a person: ``YYYY-MM``.
        told_by: the letters from which a key is read.
    """

    letters: str
    template: str
    pattern: re.Pattern[str]
    form: str
    told_by: str

    @classmethod
    def of(cls, key_format: str, parts: KeyParts) -> KeyFormat:
        """The format of ``%`` directives and literal text; ``ValueError`` says what is wrong with it."""
        pieces = list(_pieces(key_format, parts))
        letters = "".join(letter for letter, *_ in pieces)
        told_by = next((enough for enough in parts.enough if set(enough) <= set(letters)), None)
        if told_by is None:
            wanted = _listed(parts.enough[0], "both " if len(parts.enough[0]) == 2 else "")  # noqa: PLR2004  a pair
            usual = f", as in {parts.usual}" if parts.usual != wanted else ""
            raise ValueError(f"does not tell {parts.unit}s apart: expected {wanted}{usual}")
        form = "".join(shown for *_, shown in pieces)
        if form.startswith(".") or "/" in form or "\0" in form:
            raise ValueError("gives no safe folder names: expected keys without / and NUL, not led by a dot")
        template = "".join(written for _, written, _, _ in pieces)
        pattern = re.compile("".join(read for _, _, read, _ in pieces))
        return cls(letters, template, pattern, form, told_by)

    @property
    def tells_offset(self) -> bool:
        """Whether keys carry the offset from UTC."""
        return "z" in self.letters

    def text(self, moment: date) -> str:
        """The key of the period that begins with a day, or with a datetime where keys are hours."""
        return self.template % tuple([_PARTS[letter].get(moment) for letter in self.letters])

    def read(self, text: str) -> date | None:
        """What ``text`` was called with to give this key; None for what is no key.

        A day or, where keys are hours, a datetime: of the offset that the key carries, naive where it carries none.
        """
        if not (match := self.pattern.fullmatch(text)):
            return None
        try:
            moment = _BUILD[self.told_by](*map(int, match.group(0, *self.told_by)[1:]))
        except ValueError:  # 2018-02-30 has the form and is no day
            return None
        if self.tells_offset:
            moment = moment.replace(tzinfo=_zone_of(match["z"]))
        is_redundant = self.letters.removesuffix("z") != self.told_by or "j" in self.told_by
        return None if is_redundant and self.text(moment) != text else moment


def _pieces(key_format: str, parts: KeyParts) -> Iterator[tuple[str, str, str, str]]:
    """Letter, template, pattern and shown form of each directive and each literal text of a format."""
    seen: set[str] = set()
    for match in _DIRECTIVE.finditer(key_format):
        piece, letter = match[0], match[1]
        if letter is None or letter == "%":
            literal = piece if letter is None else "%"
            yield "", literal.replace("%", "%%"), re.escape(literal), literal
        elif letter not in parts.allowed or not letter:
            allowed = _listed(parts.allowed)
            raise ValueError(f"holds {piece}: expected only {allowed}, which read the same everywhere")
        else:
            part = _PARTS[letter]
            read, shown = ("01", "01") if letter in parts.always_01 else (part.read, part.shown)
            yield letter, part.written, f"(?P={letter})" if letter in seen else f"(?P<{letter}>{read})", shown
            seen.add(letter)


def _listed(letters: Sequence[str], before: str = "") -> str:
    """Directives in words: ``%Y, %m and %d``."""
    *first, last = (f"%{letter}" for letter in letters)
    return f"{before}{', '.join(first)} and {last}" if first else last


class _Part(Struct, frozen=True):
    """How a directive's value is got from a day or datetime, written, read, and shown to a person."""

    get: Callable[[Any], int | str]
    written: str
    read: str
    shown: str


def _offset(moment: datetime) -> str:
    return _offset_text(moment.utcoffset() or timedelta())


@lru_cache(maxsize=256)
def _offset_text(offset: timedelta) -> str:
    minutes = round(offset.total_seconds() / 60)
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}{abs(minutes) % 60:02}"


@lru_cache(maxsize=256)
def _zone_of(offset: str) -> tzinfo:
    size = timedelta(hours=int(offset[1:3]), minutes=int(offset[3:]))
    return timezone(-size if offset[0] == "-" else size)


def _day_of_year(day: date) -> int:
    return day.timetuple().tm_yday


_YEAR = r"[1-9][0-9]{3}"
_PARTS = {
    "Y": _Part(attrgetter("year"), "%04d", _YEAR, "YYYY"),
    "q": _Part(lambda day: (day.month + 2) // 3, "%d", "[1-4]", "n"),
    "m": _Part(attrgetter("month"), "%02d", "0[1-9]|1[0-2]", "MM"),
    "d": _Part(attrgetter("day"), "%02d", "0[1-9]|[12][0-9]|3[01]", "DD"),
    "j": _Part(_day_of_year, "%03d", "[0-3][0-9]{2}", "DDD"),
    "G": _Part(lambda day: day.isocalendar().year, "%04d", _YEAR, "YYYY"),
    "V": _Part(lambda day: day.isocalendar().week, "%02d", "0[1-9]|[1-4][0-9]|5[0-3]", "ww"),
    "H": _Part(attrgetter("hour"), "%02d", "[01][0-9]|2[0-3]", "HH"),
    "z": _Part(_offset, "%s", "(?!-0000)[+-](?:[01][0-9]|2[0-3])[0-5][0-9]", "+HHMM"),
}
_BUILD: dict[str, Callable[..., Any]] = {
    "Y": lambda year: date(year, 1, 1),
    "Yq": lambda year, quarter: date(year, quarter * 3 - 2, 1),
    "Ym": lambda year, month: date(year, month, 1),
    "GV": lambda year, week: date.fromisocalendar(year, week, 1),
    "Ymd": date,
    "Yj": lambda year, day: date(year, 1, 1) + timedelta(day - 1),
    "YmdH": datetime,
    "YjH": lambda year, day, hour: datetime(year, 1, 1, hour) + timedelta(day - 1),  # noqa: DTZ001  a wall clock
}
