"""One SELECT over named tables, in an in-memory DuckDB that can touch nothing else.

Knows how files and frames become tables, and which statements are run. Knows neither lake nor log: it is told the
files, reads those and no others, and writes nothing. It hands out no connection, as a COPY could write to a file
that may be read.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Self

from lakehouse.errors import LakeError, RequestError, StorageError

if TYPE_CHECKING:
    import duckdb
    import polars as pl
    import pyarrow as pa

__all__ = ["Frame", "Result", "Table", "select"]

_CONFIG: dict[str, Any] = {
    "python_enable_replacements": False,  # a name in a query is a table, never a variable of the caller
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_persistent_secrets": False,  # else they are looked for in the home folder
    "temp_directory": "",  # a query too large for memory fails, and spills into no folder
}

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
_NO_TABLE = re.compile(r'Catalog Error: Table with name "?(.+?)"? does not exist')
_KEY_FOLDER = re.compile(r"([^=]+)=.*", re.DOTALL)
_NO_TEXT = re.compile(r"[\ud800-\udfff]")  # what the shell's bytes become where they are not UTF-8
_GLOB = re.compile(r"[*?[]")
_FILE = "a partition's file"  # a column name that no asset has
_SHOWN_AS_TEXT = frozenset({"INTERVAL", "BIT", "TIME WITH TIME ZONE"})
_NAMES_SHOWN = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table of Parquet files.

    Attributes:
        name: the table's name in a query.
        files: absolute paths, each ``…/<partition column>=<key>/…/<any name>``, a folder a partition column.
        columns: the columns inside the files, in the order in which they are shown.
        ddl: their DuckDB types, for when no file is opened.
        partition_columns: shown after ``columns``, as VARCHAR; taken from the folders.
    """

    name: str
    files: tuple[str, ...]
    columns: tuple[str, ...]
    ddl: tuple[str, ...]
    partition_columns: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """A table that is loaded only if a query's text holds its name.

    Attributes:
        name: the table's name in a query.
        load: gives a Polars frame, lazy or not, or anything with ``__arrow_c_stream__``. What it raises is passed
            on; what a *lazy* frame raises later is told as the query's failure.
        columns: its columns, and ``ddl`` their DuckDB types: what ``SHOW ALL TABLES`` tells of it unloaded.
            Without them, an unloaded frame is not listed.
    """

    name: str
    load: Callable[[], object]
    columns: tuple[str, ...] = ()
    ddl: tuple[str, ...] = ()


class Result:
    """The rows of one query, computed as they are read; each method runs the query. Close it, or use ``with``.

    Attributes:
        columns: names, told apart where the query has one twice (``n``, ``n_1``).
        types: DuckDB's names of the types.
    """

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        relation: duckdb.DuckDBPyRelation,
        tables: Sequence[Table | Frame],
    ) -> None:
        self._connection = connection
        self._tables = tables
        self.columns: tuple[str, ...] = _told_apart(relation.columns)
        self.types: tuple[str, ...] = tuple(str(kind).strip('"') for kind in relation.types)
        self._relation = relation
        if len(set(relation.columns)) < len(self.columns) or not _SHOWN_AS_TEXT.isdisjoint(self.types):
            shown = map(_shown, range(1, len(self.columns) + 1), self.columns, self.types)
            self._relation = relation.project(", ".join(shown))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def interrupt(self) -> None:
        """Stop the query, from another thread: whoever reads its rows gets a KeyboardInterrupt."""
        self._connection.interrupt()

    def close(self) -> None:
        """Give the memory back; nothing can be read afterwards."""
        self._connection.close()

    def batches(self, *, rows: int = 65_536) -> Iterator[pa.RecordBatch]:
        """Arrow batches of about so many rows; at least one, so that the schema is known even of no rows."""
        with _told(self._tables):
            reader = self._relation.to_arrow_reader(rows)
        with reader:
            batch = self._next(reader)
            yield batch if batch is not None else _empty(reader.schema)
            while (batch := self._next(reader)) is not None:
                yield batch

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """Rows of Python values; DuckDB's 128-bit integers, which Arrow holds as decimals, as ``int``."""
        whole = [kind in ("HUGEINT", "UHUGEINT") for kind in self.types]
        for batch in self.batches():
            columns = [column.to_pylist() for column in batch.columns]
            for i, is_whole in enumerate(whole):
                if is_whole:
                    columns[i] = [None if value is None else int(value) for value in columns[i]]
            yield from zip(*columns, strict=True)

    def frame(self) -> pl.DataFrame:
        """All rows, as a Polars frame."""
        import polars as pl
        import pyarrow as pa

        return pl.DataFrame(pa.Table.from_batches(self.batches()))

    def _next(self, reader: pa.RecordBatchReader) -> pa.RecordBatch | None:
        with _told(self._tables):
            return next(reader, None)


def select(tables: Sequence[Table | Frame], sql: str) -> Result:
    """Run one SELECT over the tables (FROM-first, VALUES, DESCRIBE, SHOW, SUMMARIZE and EXPLAIN are SELECTs too).

    Raises:
        RequestError: ``query-refused``, where nothing ran; ``query-unknown-table``; ``query-failed``.
        StorageError: a file cannot be read.
    """
    import duckdb

    connection = duckdb.connect(":memory:", config=_CONFIG)
    try:
        connection.execute("SET enable_progress_bar_print = false")  # it goes to stdout, into the midst of the rows
        with _told(tables):
            statement = _only_select(connection, sql)
        opened = [table for table in tables if _mentions(sql, table.name)]
        frames = {table.name: table.load() for table in opened if isinstance(table, Frame)}
        with _told(tables):
            for name, frame in frames.items():
                connection.register(name, frame)
            for table in tables:
                if table.name not in frames and table.columns:
                    connection.execute(_view(table, is_opened=table in opened))
            _lock(connection, [table for table in opened if isinstance(table, Table)])
            return Result(connection, _bound(connection, statement), tables)
    except BaseException:
        connection.close()
        raise


def _bound(connection: duckdb.DuckDBPyConnection, statement: duckdb.Statement) -> duckdb.DuckDBPyRelation:
    import duckdb

    try:
        return connection.sql(statement)
    except duckdb.Error:
        connection.execute(statement)  # fails alike, and tells the place in the query, which sql() does not
        raise


def _mentions(sql: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", sql, re.IGNORECASE) is not None


def _lock(connection: duckdb.DuckDBPyConnection, tables: Sequence[Table]) -> None:
    """From here on the tables' files can be read, no other file can, and no setting can be changed."""
    files = set(chain.from_iterable(table.files for table in tables))
    if files:
        # DuckDB asks for leave twice where it expands a pattern: for the pattern and for the file that it names.
        connection.execute(f"SET allowed_paths = {_list(files | set(map(_literally, files)))}")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


# ---- which statement is run


def _only_select(connection: duckdb.DuckDBPyConnection, sql: str) -> duckdb.Statement:
    """The one SELECT that the text is, parsed and not run; RequestError on anything else."""
    if _NO_TEXT.search(sql):
        raise _refused("the query holds bytes that are not UTF-8")
    statements = connection.extract_statements(sql)
    if len(statements) != 1:
        found = f"this is {len(statements)} statements" if statements else "this is none"
        raise _refused(f"only one SELECT is run here; {found}")
    statement: duckdb.Statement = statements[0]
    kind, text = statement.type.name, statement.query
    if kind == "MULTI":
        hint = "write them out, as in PIVOT t ON status IN ('placed', 'shipped') USING count(*)"
        raise _refused("a PIVOT is run here only with its values listed", help=hint)
    if kind == "EXPLAIN" and (prefix := _EXPLAIN.match(text)):
        text = text[prefix.end() :]
    elif kind != "SELECT":
        raise _refused(f"only one SELECT is run here; this is {_article(kind)}")
    _refuse_effects(connection, text)
    return statement


def _refuse_effects(connection: duckdb.DuckDBPyConnection, text: str) -> None:
    """RequestError if a SELECT does more than read tables; it is parsed for this, neither bound nor run."""
    ((problem, nodes, functions),) = connection.execute(_SYNTAX, [text]).fetchall()
    if problem is not None:
        raise _refused("only one SELECT is run here; this explains something else", details=[problem])
    for node in nodes:
        if node is not None and node.endswith("_NODE") and node not in _QUERY_NODES:
            raise _refused(f"only one SELECT is run here; this holds {_article(node.split('_')[0])}")
    for name in functions:
        if name.lower() not in _TABLE_FUNCTIONS:
            raise _refused(f"{name}() is not run here: a query reads the lake's tables only")


def _refused(message: str, *, details: Sequence[str] = (), help: str | None = None) -> RequestError:  # noqa: A002
    return RequestError(message, code="query-refused", details=details, help=help)


def _article(kind: str) -> str:
    return f"{'an' if kind[0] in 'AEIOU' else 'a'} {kind.replace('_', ' ')}"


# ---- what a table is in SQL


def _view(table: Table | Frame, *, is_opened: bool) -> str:
    name = _name(table.name)
    if isinstance(table, Table) and is_opened and table.files:
        return f"CREATE VIEW {name} AS {_over_files(table)}"
    partition_columns = table.partition_columns if isinstance(table, Table) else ()
    typed = chain(zip(table.columns, table.ddl, strict=True), ((column, "VARCHAR") for column in partition_columns))
    columns = ", ".join(f"CAST(NULL AS {kind}) AS {_name(column)}" for column, kind in typed)
    # Listed with its columns, but never read as if it were empty: its name may be put together by the query.
    unopened = f"CAST(error({_text(f'{table.name} is opened only where the query names it')}) AS BOOLEAN)"
    return f"CREATE VIEW {name} AS SELECT {columns} WHERE {'false' if is_opened else unopened}"


def _over_files(table: Table) -> str:
    files, keys = _list(map(_literally, table.files)), table.partition_columns
    columns = ", ".join(map(_name, table.columns))
    if keys and not _is_shadowed(table):
        kinds = ", ".join(f"{_name(key)}: VARCHAR" for key in keys)
        options = f"hive_partitioning = true, hive_types = {{{kinds}}}"
        columns = ", ".join(map(_name, (*table.columns, *keys)))
        return f"SELECT {columns} FROM read_parquet({files}, {options})"  # noqa: S608  quoted
    for depth, key in enumerate(keys):
        folder = f"split_part({_name(_FILE)}, '/', {depth - len(keys) - 1})"
        columns += f", url_decode(regexp_extract({folder}, '^[^=]*=(.*)$', 1)) AS {_name(key)}"
    options = f"hive_partitioning = false, filename = {_text(_FILE)}"
    return f"SELECT {columns} FROM read_parquet({files}, {options})"  # noqa: S608  quoted


def _is_shadowed(table: Table) -> bool:
    """Whether a ``key=value`` folder further up has a column's name: DuckDB would show its value in that column."""
    names = {name.casefold() for name in (*table.columns, *table.partition_columns)}
    depth = len(table.partition_columns) + 1
    above = {folder for path in {file.rsplit("/", depth)[0] for file in table.files} for folder in path.split("/")}
    return any((match := _KEY_FOLDER.fullmatch(folder)) and match[1].casefold() in names for folder in above)


def _literally(path: str) -> str:
    """The pattern that only this path matches: DuckDB takes every path for a pattern."""
    return _GLOB.sub(r"[\g<0>]", path)


def _list(values: Iterator[str] | set[str]) -> str:
    return f"[{', '.join(map(_text, values))}]"


def _text(value: str) -> str:
    return "'" + value.replace("'", "''") + "'"


def _name(value: str) -> str:
    return '"' + value.replace('"', '""') + '"'


# ---- what is told


@contextmanager
def _told(tables: Sequence[Table | Frame]) -> Iterator[None]:
    """DuckDB's errors as the lake's; Arrow passes those of a running query on as OSError."""
    import duckdb

    try:
        yield
    except LakeError:
        raise
    except duckdb.InterruptException as error:
        raise KeyboardInterrupt from error
    except (duckdb.Error, OSError) as error:
        raise _explained(str(error), tables) from error
    except RuntimeError as error:
        if "interrupted" in str(error):
            raise KeyboardInterrupt from error
        raise


def _explained(text: str, tables: Sequence[Table | Frame]) -> LakeError:
    first, *rest = [line.rstrip() for line in text.splitlines() if line.strip()] or ["DuckDB failed without a word"]
    if match := _NO_TABLE.match(first):
        names = sorted(table.name for table in tables)
        near = difflib.get_close_matches(match[1].casefold(), names, n=1, cutoff=0.6)
        hint = f"did you mean {near[0]!r}?" if near else f"tables: {', '.join(names[:_NAMES_SHOWN]) or 'none'}"
        place = [line for line in rest if not line.startswith("Did you mean")]  # DuckDB means its own tables
        return RequestError(f"no table {match[1]!r}", code="query-unknown-table", details=place, help=hint)
    if first.startswith("IO Error"):
        return StorageError(
            first, code="query-unreadable", details=rest, help="run it again: the file may be replaced"
        )
    if first.startswith("Permission Error"):
        return _refused(first, details=rest, help="a query reads the lake's tables only")
    return RequestError(first, code="query-failed", details=rest)


def _shown(position: int, name: str, kind: str) -> str:
    """A column of the result by its place, as names may come twice; as text where Arrow's readers have no type."""
    value = f"CAST(#{position} AS VARCHAR)" if kind in _SHOWN_AS_TEXT else f"#{position}"
    return f"{value} AS {_name(name)}"


def _told_apart(names: Sequence[str]) -> tuple[str, ...]:
    told: dict[str, None] = {}
    for name in names:
        candidate, count = name, 0
        while candidate in told or (count and candidate in names):
            count += 1
            candidate = f"{name}_{count}"
        told[candidate] = None
    return tuple(told)


def _empty(schema: pa.Schema) -> pa.RecordBatch:
    import pyarrow as pa

    return pa.RecordBatch.from_pylist([], schema=schema)
