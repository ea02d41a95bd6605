"""What came of one reading, in a few words: as it was put in, or what is other.

Knows rows and messages. Knows no reader.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from interop.columns import POSITION

if TYPE_CHECKING:
    from interop.tables import Answer, Row, Table

__all__ = ["WORKS", "attempted", "brief", "compared", "compared_column", "compared_rows", "is_same", "shown"]

WORKS: Final = "yes"
_LONGEST: Final = 180
_SHOWN: Final = 2
_PLACES: Final = (
    (re.compile(r"(file:/*)?(/[\w.-]+)*/interop-\w+/(imported|bare|w)\b"), "copy"),
    (re.compile(r"(file:/*)?(/[\w.-]+)+/lake/\.lake/snapshots/[\w-]+"), "snapshot"),
    (re.compile(r"(file:/*)?(/[\w.-]+)+/(lake|changed)\b(?=/)"), "lake"),
    (re.compile(r"(?<=/key=).*?(?=/part\.parquet)", re.DOTALL), "…"),  # which of several comes first differs
)


def attempted(ask: Callable[[], str], errors: tuple[type[BaseException], ...]) -> str:
    """The outcome; of an error, the message of the reader's own."""
    try:
        return ask()
    except errors as error:
        return brief(error)


def brief(error: BaseException) -> str:
    """The first line of an error that says anything, without this machine's own paths."""
    text = str(error)
    for place, name in _PLACES:
        text = place.sub(name, text)
    text = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return f"{type(error).__name__}: {text[:_LONGEST]}{'…' if len(text) > _LONGEST else ''}"


def is_same(found: Any, wanted: Any) -> bool:
    """Whether a value is the one that was put in: moments by their instant, NaN as itself, else by value and kind."""
    if wanted is None or found is None or isinstance(wanted, bool) or isinstance(found, bool):
        return found is wanted
    if isinstance(wanted, list | dict):
        return type(found) is type(wanted) and _are_same(found, wanted)
    if isinstance(wanted, datetime):
        return isinstance(found, datetime) and _moment(found) == _moment(wanted)
    if isinstance(wanted, float) and math.isnan(wanted):
        return isinstance(found, float) and math.isnan(found)
    numbers = isinstance(wanted, int | float | Decimal) and isinstance(found, int | float | Decimal)
    return (numbers or type(found) is type(wanted)) and bool(found == wanted)


def _are_same(found: Any, wanted: Any) -> bool:
    if len(found) != len(wanted):
        return False
    if isinstance(wanted, dict):
        return list(found) == list(wanted) and _are_same([*found.values()], [*wanted.values()])
    return all(map(is_same, found, wanted))


def _moment(value: datetime) -> tuple[bool, Any]:
    # Python compares moments of one zone by their wall clocks, which show an hour of autumn twice.
    return (False, value) if value.tzinfo is None else (True, value.timestamp())


def shown(value: Any) -> str:
    """A value as the page has it."""
    if value is None:
        return "null"
    if isinstance(value, datetime):
        return value.isoformat(" ")
    return str(value) if isinstance(value, date | Decimal) else repr(value)


def compared(answer: Answer, table: Table) -> str:
    """Whether an answer has the columns and rows that were put in, whatever their order."""
    wanted = [*table.schema, *table.columns]
    if missing := [name for name in wanted if name not in answer.types]:
        return f"no column {', '.join(missing)}"
    more = [name for name in answer.types if name not in wanted]
    outcome = compared_rows(answer.rows, table.rows, wanted)
    return f"{outcome}; also has the column {', '.join(more)}" if more else outcome


def compared_rows(found: Sequence[Row], wanted: Sequence[Row], columns: Sequence[str]) -> str:
    """Whether these are those rows; else what is other."""
    if len(found) != len(wanted):
        return f"{len(found)} of {len(wanted)} rows"
    pairs = zip(_ordered(found, columns), _ordered(wanted, columns), strict=True)
    wrong = [
        f"{name}: {shown(got[name])} for {shown(put[name])}"
        for got, put in pairs
        for name in columns
        if not is_same(got[name], put[name])
    ]
    more = [f"{len(wrong) - _SHOWN} more"] if len(wrong) > _SHOWN else []
    return "; ".join([*wrong[:_SHOWN], *more]) or WORKS


def _ordered(rows: Iterable[Row], columns: Sequence[str]) -> list[Row]:
    return sorted(rows, key=lambda row: [str(row[name]) for name in columns])


def compared_column(name: str, answer: Answer, table: Table) -> str:
    """The reader's type of a column of the only partition, and which values it does not give back."""
    if name not in answer.types:
        return f"no column {name}"
    found = sorted(answer.rows, key=lambda row: row[POSITION])
    if len(found) != len(table.rows):
        return f"{len(found)} of {len(table.rows)} rows"
    pairs = zip(found, table.rows, strict=True)
    wrong = [f"{shown(got[name])} for {shown(put[name])}" for got, put in pairs if not is_same(got[name], put[name])]
    return "; ".join([answer.types[name], *wrong])
