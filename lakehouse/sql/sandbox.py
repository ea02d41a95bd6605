"""One SELECT over named tables, in an in-memory DuckDB that can touch nothing else.

Knows how a query is locked in, what its rows are, and how its errors read. Knows neither lake nor log: it is told
the files, reads those and no others, and writes nothing. It hands out no connection, as a COPY could write to a file
that may be read.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from typing import TYPE_CHECKING, Any, Self

from lakehouse.errors import LakeError, RequestError, StorageError
from lakehouse.sql.readonly import only_select, refused
from lakehouse.sql.tables import Frame, Table, listed, literally, quoted, view
from lakehouse.sql.text import normalized, tables_read
from lakehouse.storage_errors import as_storage_error

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

_NO_TABLE = re.compile(r'Catalog Error: Table with name "?(.+?)"? does not exist')
_SELECT = re.compile(r"(select|from|with|values)\b|\(", re.IGNORECASE)
_SHOWN_AS_TEXT = frozenset({"INTERVAL", "BIT", "TIME WITH TIME ZONE"})
_NAMES_SHOWN = 8


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
            columns = [_values(column) for column in batch.columns]
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


def _values(column: pa.Array) -> list[Any]:
    """A column's values; where it holds a time that Python has no value for (beyond its years, infinity), as text."""
    import pyarrow as pa

    try:
        return list(column.to_pylist())
    except (ValueError, OverflowError):
        return list(column.cast(pa.string()).to_pylist())


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
            statement = only_select(connection, sql)
        read = _read(sql, [table.name for table in tables])
        opened = [table for table in tables if table.name in read]
        frames = {table.name: table.load() for table in opened if isinstance(table, Frame)}
        with _told(tables):
            for name, frame in frames.items():
                connection.register(name, frame)
            for table in tables:
                if table.name not in frames and table.columns:
                    connection.execute(view(table, is_opened=table in opened))
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


def _read(sql: str, names: Sequence[str]) -> Collection[str]:
    """Those of some names that a statement reads: of a SELECT its tables, of any other what its text holds."""
    if _SELECT.match(normalized(sql)):
        return tables_read(sql, names)
    return [name for name in names if _mentions(sql, name)]


def _mentions(sql: str, name: str) -> bool:
    return re.search(rf"(?<!\w){re.escape(name)}(?!\w)", sql, re.IGNORECASE) is not None


def _lock(connection: duckdb.DuckDBPyConnection, tables: Sequence[Table]) -> None:
    """From here on the tables' files can be read, no other file can, and no setting can be changed."""
    files = set(chain.from_iterable(table.files for table in tables))
    if files:
        # DuckDB asks for leave twice where it expands a pattern: for the pattern and for the file that it names.
        connection.execute(f"SET allowed_paths = {listed(files | set(map(literally, files)))}")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


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
        faults = (table.fault(str(error)) for table in tables)
        fault = as_storage_error(error) or next((fault for fault in faults if fault is not None), None)
        raise fault or _explained(str(error), tables) from error
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
        return refused(first, details=rest, help="a query reads the lake's tables only")
    return RequestError(first, code="query-failed", details=rest)


def _shown(position: int, name: str, kind: str) -> str:
    """A column of the result by its place, as names may come twice; as text where Arrow's readers have no type."""
    value = f"CAST(#{position} AS VARCHAR)" if kind in _SHOWN_AS_TEXT else f"#{position}"
    return f"{value} AS {quoted(name)}"


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
