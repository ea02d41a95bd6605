"""What is wrong with an NDJSON file, by line, column and value.

Knows JSON lines and which of their values can be of a declared type. Knows nothing of lakes, and writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from lakehouse.errors import SourceError

if TYPE_CHECKING:
    from polars._typing import PolarsDataType

__all__ = ["find_error"]

_SHOWN = 5
_LONGEST = 40
_READ = 4 * _LONGEST  # bytes that are enough for what is shown


def find_error(path: Path, schema: Mapping[str, PolarsDataType], path_as_declared: str) -> SourceError | None:
    """The faults of a file against its declared columns, the first few with their lines; None where none is seen.

    Seen are lines that are no JSON object, names that a line has twice, and values of another kind than declared;
    a text that is no date, say, is not.
    """
    count, first = 0, list[str]()
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            for fault in _faults(line, schema):
                count += 1
                if count <= _SHOWN:
                    first.append(f"line {number}   {fault}")
    if not count:
        return None
    return SourceError(
        f"{path_as_declared}: {count} bad value{'' if count == 1 else 's'}, nothing written",
        details=first,
        help=f"fix the lines ({len(first)} of {count} shown); each is one JSON object",
        context={"path": path_as_declared, "count": count},
    )


def _faults(line: bytes, schema: Mapping[str, PolarsDataType]) -> Iterator[str]:
    if not line.strip():
        return
    try:
        pairs = json.loads(line, object_pairs_hook=list)
    except RecursionError:
        yield f"{_shown(line[:_READ].strip().decode(errors='replace'))}  is nested too deeply"
        return
    except ValueError as error:
        yield f"{_shown(line.strip().decode(errors='replace'))}  is no JSON: {str(error).split(':')[0].lower()}"
        return
    if not isinstance(pairs, list) or not line.lstrip().startswith(b"{"):
        yield f"{_shown(line.strip().decode(errors='replace'))}  is no JSON object"
        return
    names = [name for name, _ in pairs]
    for name, value in dict(pairs).items():
        if name in schema and names.count(name) > 1:
            yield f"{name}  is there {names.count(name)} times"
        elif name in schema and not _may_be(value, schema[name]):
            yield f"{name}  {_shown(json.dumps(value, ensure_ascii=False))}  expected {schema[name]}"


def _may_be(value: Any, dtype: PolarsDataType) -> bool:
    if value is None:
        return True
    if dtype.is_integer():
        return isinstance(value, int) and not isinstance(value, bool)
    if dtype.is_numeric():
        return isinstance(value, int | float | str) and not isinstance(value, bool)
    if dtype == pl.Boolean:
        return isinstance(value, bool)
    if dtype == pl.String or dtype.is_temporal():
        return not isinstance(value, list | dict)
    return True


def _shown(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
