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

if TYPE_CHECKING:
    from lakehouse.sql.sandbox import Result

__all__ = ["WRITERS"]

_SHOWN_ROWS: Final = 100
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


def _csv(_: Screen, result: Result, stream: IO[str]) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(result.columns)
    for row in result.rows():
        writer.writerow(["" if value is None else _text(value) for value in row])


def _object(columns: Sequence[str], row: Sequence[Any]) -> str:
    return json.dumps({name: _plain(value) for name, value in zip(columns, row, strict=True)}, ensure_ascii=False)


def _plain(value: Any) -> Any:
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
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
    return str(value)


def _text(value: Any) -> Any:
    """A value as text that reads back: lists and structs as JSON, truth in lower case."""
    if isinstance(value, bool | Mapping | list | tuple):
        return json.dumps(_plain(value), ensure_ascii=False)
    if isinstance(value, bytes):
        return value.hex()
    return value


WRITERS: Final[Mapping[str, Callable[[Screen, Result, IO[str]], None]]] = {
    "table": _table,
    "json": _json,
    "ndjson": _ndjson,
    "csv": _csv,
}
