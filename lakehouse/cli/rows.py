"""The rows of a query, written as a table, JSON, NDJSON or CSV.

Knows the formats. Knows nothing of lakes or of DuckDB.
"""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from itertools import islice
from typing import IO, TYPE_CHECKING, Any, Final

from lakehouse.cli.output import Screen, align, cell, plural
from lakehouse.printable import unsteering

if TYPE_CHECKING:
    from lakehouse.sql.sandbox import Result

__all__ = ["WRITERS", "plain"]

_SHOWN_ROWS: Final = 100
_CRLF: Final = "\r\n"
# With these a spreadsheet's formula begins, be it of full width or after white space that is not shown.
_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_NUMBERS: Final = ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "DECIMAL", "DOUBLE", "FLOAT")


def _table(screen: Screen, result: Result, stream: IO[str]) -> None:
    rows = result.rows()
    shown = [[cell(_text(value)) for value in row] for row in islice(rows, _SHOWN_ROWS)]
    right = [kind.removeprefix("U").startswith(_NUMBERS) and "[" not in kind for kind in result.types]
    head = [[cell(name) for name in result.columns], [cell(kind.lower()) for kind in result.types]]
    for line in align([*head, *shown], right=right, width=screen.width):
        print(screen.fitted(line), file=stream)
    if not shown:
        print("  (no rows)", file=stream)
    if more := sum(1 for _ in rows):
        print(screen.fitted(f"  … {plural(more, 'more row')}; all of them: --format csv"), file=stream)


def _json(_: Screen, result: Result, stream: IO[str]) -> None:
    stream.write("[")
    for number, row in enumerate(result.rows()):
        stream.write(",\n " if number else "\n ")
        stream.write(_object(result.columns, row))
    stream.write("\n]\n")


def _ndjson(_: Screen, result: Result, stream: IO[str]) -> None:
    for row in result.rows():
        stream.write(f"{_object(result.columns, row)}\n")


class _Lines:
    """Lines that a CSV writer ends in CRLF, so that it quotes a text with either of the two; here they end in LF."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def write(self, line: str) -> int:
        """Write one."""
        return self._stream.write(f"{line.removesuffix(_CRLF)}\n")


def _csv(_: Screen, result: Result, stream: IO[str]) -> None:
    writer = csv.writer(_Lines(stream))
    writer.writerow(result.columns)
    for row in result.rows():
        writer.writerow(["" if value is None else _text(value) for value in row])


def _safe_csv(_: Screen, result: Result, stream: IO[str]) -> None:
    writer = csv.writer(_Lines(stream))
    writer.writerow(map(_unevaluated, result.columns))
    for row in result.rows():
        writer.writerow(["" if value is None else _unevaluated(_text(value)) for value in row])


def _unevaluated(value: Any) -> Any:
    """A text as a spreadsheet shows it, whatever it begins with; what is no text, such as a number, as it is."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


def _object(columns: Sequence[str], row: Sequence[Any]) -> str:
    content = {name: plain(value) for name, value in zip(columns, row, strict=True)}
    return unsteering(json.dumps(content, ensure_ascii=False))


def plain(value: Any) -> Any:
    """A value that JSON has: numbers that it lacks as null, decimals and times as text, bytes in hexadecimal."""
    match value:
        case float():
            return value if math.isfinite(value) else None
        case None | bool() | int() | str():
            return value
        case datetime() | date() | time():
            return value.isoformat()
        case bytes():
            return value.hex()
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple():
            return [plain(item) for item in value]
    return str(value)


def _text(value: Any) -> Any:
    """A value as text that reads back: lists and structs as JSON, truth in lower case."""
    if isinstance(value, bool | Mapping | list | tuple):
        return json.dumps(plain(value), ensure_ascii=False)
    if isinstance(value, bytes):
        return value.hex()
    return value


WRITERS: Final[Mapping[str, Callable[[Screen, Result, IO[str]], None]]] = {
    "table": _table,
    "json": _json,
    "ndjson": _ndjson,
    "csv": _csv,
    "safe-csv": _safe_csv,
}
