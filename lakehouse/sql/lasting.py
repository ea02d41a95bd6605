"""Whether a SELECT over the same rows would give the same rows at any time.

Knows what of DuckDB's SQL asks the clock, chance or the session. Knows no tables, and runs nothing that it is shown.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lakehouse.sql.readonly import refused

if TYPE_CHECKING:
    import duckdb

__all__ = ["CHANGING", "require_lasting"]

CHANGING: Final = frozenset(
    (
        *("now", "today", "ago", "current_date", "current_localtime", "current_localtimestamp", "get_current_time"),
        *("get_current_timestamp", "transaction_timestamp", "pg_conf_load_time", "pg_postmaster_start_time"),
        *("random", "uuid", "uuidv4", "uuidv7", "gen_random_uuid"),
        *("txid_current", "current_transaction_id", "current_query_id", "current_connection_id"),
    )
)
"""The functions that answer otherwise each time; and ``age`` of one argument, which counts from today."""

# These need no brackets. A column of that name comes first, but must then be told apart by its table.
_WORDS: Final = frozenset({"current_date", "current_time", "current_timestamp", "localtime", "localtimestamp"})
_CURE: Final = "the same inputs have to give the same rows: read it from a table"

# In DuckDB, for which no tree is too deep: each function with the number of its arguments, each name of a column with
# the number of its parts, and whether a sample can be drawn again.
_ASKED: Final = """
    WITH nodes AS MATERIALIZED (
        SELECT key, atom, type, id, parent FROM json_tree(json_serialize_sql($1::VARCHAR))
    ),
    counts AS (SELECT parent, count(*) AS count, any_value(atom) AS atom FROM nodes GROUP BY parent)
    SELECT n.key, lower(trim(n.atom, '"')), coalesce(c.count, 0)
    FROM nodes AS n
    LEFT JOIN nodes AS listed ON listed.parent = n.parent AND listed.key = 'arguments'
    LEFT JOIN counts AS c ON c.parent = listed.id
    WHERE n.key = 'function_name'
    UNION ALL
    SELECT n.key, lower(trim(c.atom, '"')), c.count
    FROM nodes AS n JOIN counts AS c ON c.parent = n.id WHERE n.key = 'column_names'
    UNION ALL
    SELECT n.key, lower(drawn.atom), 0
    FROM nodes AS n JOIN nodes AS drawn ON drawn.parent = n.id AND drawn.key = 'repeatable' WHERE n.key = 'sample'
"""


def require_lasting(connection: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Nothing, if a SELECT that may be run asks nothing that changes by itself; it is only parsed for this.

    Raises:
        RequestError: ``query-refused``, with what it asks.
    """
    for kind, name, count in connection.execute(_ASKED, [sql]).fetchall():
        found, cure = "", _CURE
        if kind == "function_name" and (name in CHANGING or (name == "age" and count == 1)):
            found = f"{name}()"
        elif kind == "column_names" and name in _WORDS and count == 1:
            found, cure = name, f"{_CURE}; a column of this name is written t.{name}"
        elif kind == "sample" and name != "true":
            found, cure = "a sample", f"{_CURE}, or add REPEATABLE (1)"
        if found:
            raise refused(f"{found} gives something else each time that it is run", help=cure)
