"""What a table is in SQL: files as one view with their keys as text, and names and texts in quotes.

Knows how DuckDB reads Hive folders, and what it makes of odd names. Opens nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import chain

from msgspec import Struct

from lakehouse.errors import LakeError

__all__ = ["Frame", "Table", "listed", "literally", "quoted", "text", "view"]

_KEY_FOLDER = re.compile(r"([^=]+)=.*", re.DOTALL)
_GLOB = re.compile(r"[*?[]")
_FILE = "a partition's file"  # a column name that no asset has
Fault = Callable[[str], LakeError | None]


def _no_fault(_said: str) -> None:
    """Nothing is known of any."""


class Table(Struct, frozen=True, kw_only=True):
    """A table of Parquet files.

    Attributes:
        name: the table's name in a query.
        files: absolute paths, each ``…/<partition column>=<key>/…/<any name>``, a folder a partition column.
        columns: the columns inside the files, in the order in which they are shown.
        ddl: their DuckDB types, for when no file is opened.
        partition_columns: shown after ``columns``, as VARCHAR; taken from the folders.
        fault: given what DuckDB says of a query that failed, what is wrong with one of the files; None: nothing.
    """

    name: str
    files: tuple[str, ...]
    columns: tuple[str, ...]
    ddl: tuple[str, ...]
    partition_columns: tuple[str, ...] = ()
    fault: Fault = _no_fault


class Frame(Struct, frozen=True, kw_only=True):
    """A table that is loaded only if a query's text holds its name.

    Attributes:
        name: the table's name in a query.
        load: gives a Polars frame, lazy or not, or anything with ``__arrow_c_stream__``. What it raises is passed
            on; what a *lazy* frame raises later is told as the query's failure.
        columns: its columns, and ``ddl`` their DuckDB types: what ``SHOW ALL TABLES`` tells of it unloaded.
            Without them, an unloaded frame is not listed.
        fault: given what DuckDB says of a query that failed, what is wrong with what it was loaded from.
    """

    name: str
    load: Callable[[], object]
    columns: tuple[str, ...] = ()
    ddl: tuple[str, ...] = ()
    fault: Fault = _no_fault


def view(table: Table | Frame, *, is_opened: bool) -> str:
    """The statement that makes a table of files, or one that is not opened, known by its name and columns."""
    name = quoted(table.name)
    if isinstance(table, Table) and is_opened and table.files:
        return f"CREATE VIEW {name} AS {_over_files(table)}"
    partition_columns = table.partition_columns if isinstance(table, Table) else ()
    typed = chain(zip(table.columns, table.ddl, strict=True), ((column, "VARCHAR") for column in partition_columns))
    columns = ", ".join(f"CAST(NULL AS {kind}) AS {quoted(column)}" for column, kind in typed)
    # Listed with its columns, but never read as if it were empty: its name may be put together by the query.
    unopened = f"CAST(error({text(f'{table.name} is opened only where the query names it')}) AS BOOLEAN)"
    return f"CREATE VIEW {name} AS SELECT {columns} WHERE {'false' if is_opened else unopened}"


def _over_files(table: Table) -> str:
    files, keys = listed(map(literally, table.files)), table.partition_columns
    columns = ", ".join(map(quoted, table.columns))
    if keys and not _is_shadowed(table):
        kinds = ", ".join(f"{quoted(key)}: VARCHAR" for key in keys)
        options = f"hive_partitioning = true, hive_types = {{{kinds}}}"
        columns = ", ".join(map(quoted, (*table.columns, *keys)))
        return f"SELECT {columns} FROM read_parquet({files}, {options})"  # noqa: S608  quoted
    for depth, key in enumerate(keys):
        folder = f"split_part({quoted(_FILE)}, '/', {depth - len(keys) - 1})"
        columns += f", url_decode(regexp_extract({folder}, '^[^=]*=(.*)$', 1)) AS {quoted(key)}"
    options = f"hive_partitioning = false, filename = {text(_FILE)}"
    return f"SELECT {columns} FROM read_parquet({files}, {options})"  # noqa: S608  quoted


def _is_shadowed(table: Table) -> bool:
    """Whether a ``key=value`` folder further up has a column's name: DuckDB would show its value in that column."""
    names = {name.casefold() for name in (*table.columns, *table.partition_columns)}
    depth = len(table.partition_columns) + 1
    above = {folder for path in {file.rsplit("/", depth)[0] for file in table.files} for folder in path.split("/")}
    return any((match := _KEY_FOLDER.fullmatch(folder)) and match[1].casefold() in names for folder in above)


def literally(path: str) -> str:
    """The pattern that only this path matches: DuckDB takes every path for a pattern."""
    return _GLOB.sub(r"[\g<0>]", path)


def listed(values: Iterable[str]) -> str:
    """Texts as a list in SQL."""
    return f"[{', '.join(map(text, values))}]"


def text(value: str) -> str:
    """A text in SQL."""
    return "'" + value.replace("'", "''") + "'"


def quoted(value: str) -> str:
    """A name in SQL."""
    return '"' + value.replace('"', '""') + '"'
