"""What a lake makes of the column types of a DuckDB query: kept, told in another type, or refused with the cast.

Knows DuckDB's types. A column's type never depends on its values. What Parquet's readers agree on beyond that, the
contract of the result decides.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, cast

from lakehouse.sql.tables import quoted, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from duckdb.sqltypes import DuckDBPyType

__all__ = ["TOO_LARGE", "shown"]

_KEPT: Final = frozenset(
    (
        *("boolean", "tinyint", "smallint", "integer", "bigint", "float", "double", "decimal", "blob", "date"),
        *("utinyint", "usmallint", "uinteger", "ubigint", "timestamp", "timestamp with time zone"),
    )
)
# DuckDB adds integers up as HUGEINT, which Arrow and Parquet lack; in microseconds, times from memory and from a
# file are of one type.
_TOLD: Final[Mapping[str, str]] = {
    "varchar": "VARCHAR",  # JSON too
    "hugeint": "BIGINT",
    "uhugeint": "BIGINT",
    "enum": "VARCHAR",
    "uuid": "VARCHAR",
    "timestamp_s": "TIMESTAMP",
    "timestamp_ms": "TIMESTAMP",
}
_CURES: Final[Mapping[str, str]] = {"timestamp_ns": "TIMESTAMP", "timestamptz_ns": "TIMESTAMP WITH TIME ZONE"}
_CALLS: Final[Mapping[str, str]] = {"interval": "epoch_us", "map": "map_entries"}

TOO_LARGE: Final = re.compile(
    r"Invalid Input Error: (column .* holds -?\d+, which does not fit into BIGINT)", re.DOTALL
)
"""How DuckDB tells that a value is too large for the type that `shown` gives its column."""


def shown(position: int, name: str, kind: DuckDBPyType) -> str:
    """A column of a result, by its place, as an item of a SELECT that gives it a type which can be kept.

    Raises:
        ValueError: for a type that is refused; the message is what to write instead.
    """
    target, is_refused = _target(kind)
    if kind.id == "null":
        return f"#{position} AS {quoted(name)}"  # it takes the type of the contract
    if is_refused:
        call = _CALLS.get(kind.id)
        raise ValueError(f"{call}({quoted(name)})" if call else f"CAST({quoted(name)} AS {target})")
    value = f"#{position}"
    if kind.id in ("hugeint", "uhugeint"):
        tried = f"TRY_CAST({value} AS BIGINT)"
        fault = f"{text(f'column {quoted(name)} holds ')} || {value} || ', which does not fit into BIGINT'"
        is_lost = f"{tried} IS NULL AND {value} IS NOT NULL"
        value = f"CASE WHEN {is_lost} THEN CAST(error({fault}) AS BIGINT) ELSE {tried} END"
    elif target != str(kind):
        value = f"CAST({value} AS {target})"
    return f"{value} AS {quoted(name)}"


def _target(kind: DuckDBPyType) -> tuple[str, bool]:
    """The type in which values are kept, and whether the query has to cast to it itself."""
    if kind.id in _KEPT:
        return str(kind), False
    if kind.id in _TOLD:
        return _TOLD[kind.id], False
    if kind.id in ("list", "array"):
        target, is_refused = _target(_inner(kind)[0][1])
        return f"{target}[]", is_refused or kind.id == "array"
    if kind.id in ("struct", "tuple"):
        names = [name or f"element{number}" for number, (name, _) in enumerate(_inner(kind), 1)]
        targets = [_target(inner) for _, inner in _inner(kind)]
        fields = ", ".join(f"{quoted(name)} {target}" for name, (target, _) in zip(names, targets, strict=True))
        return f"STRUCT({fields})", kind.id == "tuple" or any(is_refused for _, is_refused in targets)
    if kind.id == "null":
        return "<the type of its values>", True
    return _CURES.get(kind.id, "VARCHAR"), True


def _inner(kind: DuckDBPyType) -> list[tuple[str, DuckDBPyType]]:
    """The types within a nested one; the length of an array is listed among them, and is none."""
    return cast("list[tuple[str, DuckDBPyType]]", kind.children)
