"""Which statements are run: one SELECT that reads tables, and does nothing beside.

Knows DuckDB's statements and syntax trees. Knows no tables, and runs nothing that it is shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from lakehouse.errors import RequestError

if TYPE_CHECKING:
    import duckdb

__all__ = ["only_select", "refused"]

# A SELECT may hold a COPY or an INSERT in its WITH, and a function may run text: DuckDB calls both a SELECT still.
# So its syntax tree is held against what is known to read only. Both lists say what may be there.
_QUERY_NODES = frozenset({"SELECT_NODE", "SET_OPERATION_NODE", "RECURSIVE_CTE_NODE"})
_TABLE_FUNCTIONS = frozenset(
    (
        *("range", "generate_series", "unnest", "repeat", "repeat_row", "query_table", "json_each", "json_tree"),
        *("histogram", "histogram_values", "pg_timezone_names", "pragma_table_info", "pragma_version"),
        *("duckdb_columns", "duckdb_functions", "duckdb_keywords", "duckdb_tables", "duckdb_types", "duckdb_views"),
    )
)
_SYNTAX = """
    WITH syntax AS (SELECT json_serialize_sql($1::VARCHAR) AS tree)
    SELECT tree->>'error_message', json_extract_string(tree, '$..type'),
           json_extract_string(tree, '$..function.function_name')
    FROM syntax
"""
_EXPLAIN = re.compile(r"explain\b(\s+analyze\b)?", re.IGNORECASE)
_NO_TEXT = re.compile(r"[\ud800-\udfff]")  # what the shell's bytes become where they are not UTF-8


def only_select(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement:
    """The one SELECT that the text is, parsed and not run.

    Raises:
        RequestError: ``query-refused``, for anything else.
    """
    if _NO_TEXT.search(sql):
        raise refused("the query holds bytes that are not UTF-8")
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        found = f"this is {len(statements)} statements" if statements else "this is none"
        raise refused(f"only one SELECT is run here; {found}")
    statement: duckdb.Statement = statements[0]
    kind, text = statement.type.name, statement.query
    if kind == "MULTI":
        hint = "write them out, as in PIVOT t ON status IN ('placed', 'shipped') USING count(*)"
        raise refused("a PIVOT is run here only with its values listed", help=hint)
    if kind == "EXPLAIN" and (prefix := _EXPLAIN.match(text)):
        text = text[prefix.end() :]
    elif kind != "SELECT":
        raise refused(f"only one SELECT is run here; this is {_article(kind)}")
    _refuse_effects(connection, text)
    return statement


def _refuse_effects(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    """RequestError if a SELECT does more than read tables; it is parsed for this, neither bound nor run."""
    ((problem, nodes, functions),) = connection.execute(_SYNTAX, [text]).fetchall()
    if problem is not None:
        raise refused("only one SELECT is run here; this explains something else", details=[problem])
    for node in nodes:
        if node is not None and node.endswith("_NODE") and node not in _QUERY_NODES:
            raise refused(f"only one SELECT is run here; this holds {_article(node.split('_')[0])}")
    for name in functions:
        if name.lower() not in _TABLE_FUNCTIONS:
            raise refused(f"{name}() is not run here: a query reads the lake's tables only")


def refused(message: str, *, details: Sequence[str] = (), help: str | None = None) -> RequestError:  # noqa: A002
    """The refusal of a query, of which nothing ran."""
    return RequestError(message, code="query-refused", details=details, help=help)


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'AEIOU' else 'a'} {kind.replace('_', ' ')}"
