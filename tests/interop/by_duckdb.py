"""DuckDB, by `read_parquet`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, Final

import duckdb
from interop.tables import GLOB, Answer, Filter, Form, How, Opened, Table

__all__ = ["DuckDB"]

_OPTIONS: Final[Mapping[How, str]] = {
    "default": ", hive_partitioning = true",
    "pinned": ", hive_partitioning = true, {keys}",
    "coping": ", hive_partitioning = true, {keys}, union_by_name = true",
}
_KEYS: Final = {"String": "VARCHAR", "Date": "DATE", "Int64": "BIGINT"}


class DuckDB:
    """Reads by SQL."""

    errors = (duckdb.Error,)

    def __init__(self) -> None:
        self._connection = duckdb.connect()
        self._connection.execute("SET TimeZone = 'UTC'")

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def bare(self, table: Table, form: Form) -> Answer:
        path = table.path(form)
        return self._asked(f"FROM '{path}'" if form == GLOB else f"FROM read_parquet('{path}')")

    def read(self, table: Table, form: Form, how: How) -> Answer:
        return self._asked(_from(table, form, how))

    def _asked(self, query: str, values: Sequence[Any] = ()) -> Answer:
        found = self._connection.sql(query, params=values)
        types = dict(zip(found.columns, map(str, found.types), strict=True))
        return Answer(types, found.to_arrow_table().to_pylist())  # `fetchall` wants pytz for moments with a zone

    def opened(self, table: Table, form: Form, filters: Sequence[Filter]) -> Opened:
        where = " AND ".join(f"{column} {'=' if sign == '==' else sign} ?" for column, sign, _ in filters)
        query = f"{_from(table, form, 'pinned')} WHERE {where}"
        values = [value for _, _, value in filters]
        ((_, plan),) = self._connection.execute(f"EXPLAIN (ANALYZE, FORMAT json) {query}", values).fetchall()
        return Opened(_scanned(json.loads(plan)), self._asked(query, values).rows)


def _from(table: Table, form: Form, how: How) -> str:
    types = {column: _KEYS[str(dtype)] for column, dtype in table.keys.items()}
    told = ", ".join(f"'{column}': {kind}" for column, kind in types.items())
    keys = f"hive_types = {{{told}}}" if {*types.values()} != {"VARCHAR"} else "hive_types_autocast = false"
    return f"FROM read_parquet('{table.path(form)}'{_OPTIONS[how].format(keys=keys)})"


def _scanned(plan: Any) -> int:
    """The first number of `Scanning Files: 1/4`, wherever it is in the plan."""
    if isinstance(plan, dict):
        own = plan.get("extra_info", {})
        if "Scanning Files" in own:
            return int(own["Scanning Files"].partition("/")[0])
        return sum(map(_scanned, plan.values()))
    return sum(map(_scanned, plan)) if isinstance(plan, list) else 0
