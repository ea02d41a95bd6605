"""Rows that break a rule, and what else a check says of them: as values that the log can keep and a person can read.

Knows how much of a value is kept. Refuses to know rules.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    import polars as pl

__all__ = ["MOST_ROWS", "MOST_VALUES", "kept_rows", "plain", "said"]

MOST_ROWS: Final = 10
_MOST_COLUMNS: Final = 20
_MOST_CHARACTERS: Final = 40
MOST_VALUES: Final = 3


def kept_rows(frame: pl.DataFrame, first: Sequence[str], hidden: Sequence[str]) -> dict[str, Any]:
    """The rows of a frame for the log, one mapping a row; of wide ones the first columns, and how many are left out.

    Args:
        frame: few rows.
        first: the columns that come first, for they are what it is about.
        hidden: columns that are the same in all rows, and left out.
    """
    from lakehouse.rowvalues import rows_of

    wanted = dict.fromkeys([*first, *(name for name in frame.columns if name not in hidden)])
    columns = [name for name in wanted if name in frame.columns]
    shown = frame.select(columns[:_MOST_COLUMNS])
    rows = [dict(zip(shown.columns, map(_cell, row), strict=True)) for row in rows_of(shown)]
    left_out = len(columns) - shown.width
    return {"rows": rows, **({"columns_left_out": left_out} if left_out else {})}


def plain(value: Any) -> Any:
    r"""A value that JSON has: what it lacks is text.

    >>> plain([1, float("nan"), {"on": b"\x00"}])
    [1, 'nan', {'on': '00'}]
    """
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else str(value)
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
        case bytes():
            return value.hex()
    return str(value)


def _cell(value: Any) -> Any:
    """A value of a row, no longer than 40 characters."""
    if isinstance(value, str | bytes | list | tuple):
        value = value[: _MOST_CHARACTERS + 1]  # before it is told as text
    shown = plain(value)
    if isinstance(shown, list | dict):
        shown = str(shown)
    return _cut(shown) if isinstance(shown, str) else shown


def said(values: Sequence[Any]) -> str:
    r"""Values in a sentence, at most three of them, text in quotes and without what steers a terminal.

    >>> said(["paid", "x\n", 3, 4])
    "'paid', 'x\\n', 3, …"
    >>> said([0, None])
    '0 or null'
    """
    shown = [_quoted(value) for value in values[:MOST_VALUES]]
    if len(values) > MOST_VALUES:
        return ", ".join([*shown, "…"])
    return " or ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)


def _quoted(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    shown = _cell(value)
    return repr(shown) if isinstance(value, str) else str(shown)


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else f"{text[: _MOST_CHARACTERS - 1]}…"
