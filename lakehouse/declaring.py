"""How things are declared for a lake: the decorators and calls of a lakefile.

Knows what may be said. What is well-formed it leaves to `lakehouse.assets`.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, overload

from msgspec.structs import replace

from lakehouse import assets
from lakehouse.assets import ALL_COLUMNS, AssetOptions, Definitions, Source, Track
from lakehouse.callsite import caller
from lakehouse.checks.checklists import require_read, with_checks
from lakehouse.checks.declared import Check, Severity, declare_check, require_list
from lakehouse.errors import DefinitionError
from lakehouse.graph import Graph
from lakehouse.partitions.dimension import Partitions
from lakehouse.rules import Rule

if TYPE_CHECKING:
    from polars._typing import PolarsDataType

    from lakehouse.sources.declared import Format

__all__ = ["Declaring"]

_F = TypeVar("_F", bound=Callable[..., Any])


class Declaring:
    """What is declared, and the graph of it."""

    def __init__(self) -> None:
        self._definitions = Definitions()
        self._graph: Graph | None = None

    @overload
    def source(
        self,
        name: str,
        path: str | os.PathLike[str],
        *,
        schema: Mapping[str, PolarsDataType] | None = None,
        time: str | None = None,
        nullable: Sequence[str] = (),
        track: Track = "content",
        partitions: Partitions | None = None,
        format: Format | None = None,
        checks: Sequence[Check] = (),
    ) -> Source: ...
    @overload
    def source(self, name: _F) -> _F: ...
    @overload
    def source(
        self,
        *,
        schema: Mapping[str, PolarsDataType] | None = None,
        time: str | None = None,
        nullable: Sequence[str] = (),
        version: str | Callable[[], str] | None = None,
        checks: Sequence[Check] = (),
    ) -> Callable[[_F], _F]: ...
    def source(
        self,
        name: str | Callable[..., Any] | None = None,
        path: str | os.PathLike[str] | None = None,
        *,
        schema: Mapping[str, PolarsDataType] | None = None,
        time: str | None = None,
        nullable: Sequence[str] = (),
        track: Track = "content",
        partitions: Partitions | None = None,
        format: Format | None = None,  # noqa: A002  the word that users write
        version: str | Callable[[], str] | None = None,
        checks: Sequence[Check] = (),
    ) -> Any:
        """Declare data that the lake reads and does not make: files, or the result of a function.

        ``lake.source("raw_orders", "data/raw_orders.csv", schema=…)`` names files. ``@lake.source(version=…)``
        decorates a function without parameters that returns the rows; its name is the source's.

        Args:
            name: under which functions ask for it, by a parameter of that name.
            path: a file or a glob, relative to the project; CSV, Parquet, NDJSON or Arrow IPC by its suffix. With
                ``partitions`` a folder of Hive folders, of which only those are read that are asked for.
            schema: the columns that are read, with their types; needed for CSV and NDJSON.
            time: the column that decides which time partition a row belongs to.
            nullable: declared columns that may hold nulls; the others hold none.
            track: how a change is noticed: ``"content"`` (SHA-256 of the bytes, read once for each new size or
                time), ``"stat"`` (size and modification time, for very large files), or ``"rows"`` (a digest of the
                rows of each key, whatever their order, so that appending to December leaves November fresh; one more
                scan when the bytes have changed).
            partitions: which Hive folders ``path`` has.
            format: of the files in Hive folders, by default Parquet.
            version: of a function's rows: a text, or a function that tells it; None: nobody knows, and what reads
                it is always stale.
            checks: what has to hold of its rows before anything is made of them; of Hive folders, of each key's. They
                cost one more scan a run, of what is read.

        Raises:
            DefinitionError: names the fault, and file and line.
        """
        listed = require_list(f"source {name!r}" if isinstance(name, str) else "a source", checks, caller())
        if isinstance(name, str):
            if path is None:
                raise DefinitionError(f"source {name!r} names no files ({caller()})", help="give their path")
            if version is not None:
                raise DefinitionError(
                    f"source {name!r} has files and a version ({caller()})",
                    help="the version of files is told from them; leave version= out",
                )
            source = assets.declare_source(
                name,
                os.fspath(path),
                schema=schema,
                time=time,
                nullable=nullable,
                track=track,
                partitions=partitions,
                format=format,
            )
            source = replace(source, checks=listed)
            self._add(source)
            return source
        if track != "content" or partitions is not None or format is not None:
            raise DefinitionError(
                f"track, partitions and format are of files, and a function has none ({caller()})",
                help="a function's rows have a version=",
            )

        def declare(function: _F) -> _F:
            source = assets.declare_function_source(
                function, time=time, version=version, schema=schema, nullable=nullable
            )
            self._add(replace(source, checks=listed))
            return function

        return declare if name is None else declare(name)

    @overload
    def view(self, function: _F) -> _F: ...
    @overload
    def view(self, *, time: str | None = None) -> Callable[[_F], _F]: ...
    def view(self, function: _F | None = None, *, time: str | None = None) -> _F | Callable[[_F], _F]:
        """Declare a step that is computed when it is read: ``@lake.view`` or ``@lake.view(time="order_date")``.

        The function's parameters name what it reads; it returns a LazyFrame. It sees all rows: whatever reads
        the view gets those whose ``time`` lies in the requested windows. ``time`` is not inherited from a source.

        Raises:
            DefinitionError: names the fault, and file and line.
        """

        def declare(function: _F) -> _F:
            self._add(assets.declare_view(function, time=time))
            return function

        return declare if function is None else declare(function)

    @overload
    def asset(self, function: _F) -> _F: ...
    @overload
    def asset(
        self,
        *,
        partitions: Partitions | None = None,
        upstream: Mapping[str, Rule] | None = None,
        time: str | None = None,
        sort_by: str | Sequence[str] | None = ALL_COLUMNS,
        schema: Mapping[str, PolarsDataType] | None = None,
        version: str | None = None,
        checks: Sequence[Check] = (),
    ) -> Callable[[_F], _F]: ...
    def asset(
        self,
        function: _F | None = None,
        *,
        partitions: Partitions | None = None,
        upstream: Mapping[str, Rule] | None = None,
        time: str | None = None,
        sort_by: str | Sequence[str] | None = ALL_COLUMNS,
        schema: Mapping[str, PolarsDataType] | None = None,
        version: str | None = None,
        checks: Sequence[Check] = (),
    ) -> _F | Callable[[_F], _F]:
        """Declare a table that the lake keeps: ``@lake.asset(partitions=Monthly("2018-01"))``.

        The function's parameters name what it reads. Each arrives as a LazyFrame of just the rows of the requested
        partitions, with the partition columns attached; the function returns the rows of all of them, with those
        columns. With a parameter named ``partition`` it is called once a key instead, gets that key
        (``partition.key``, ``.values``, ``.start``, ``.end``; the end is exclusive), and need not return the columns.

        Args:
            function: what the decorator decorates, where it is written without parentheses.
            partitions: which keys the asset has; None: it is one file, ``<asset>/part.parquet``.
            upstream: by name, what overrides the usual rule from a key to the upstream keys that it reads (windows
                that overlap, the same value of the same column, else all): ``Periods(-2, 0)``, ``All()``,
                ``Latest()``, ``Keys([...])``.
            time: the column of the result that tells when a row was, by which rows are cut to the windows of an
                asset that reads this one with other windows.
            sort_by: the columns by which each file is sorted, the others after them; by default all, left to
                right; None keeps the order of the result, which must then be the same each time.
            schema: the columns with their types; without it the first materialization decides.
            version: replaces what the lake tells from the code; raise it when the code changes.
            checks: what has to hold of a partition before it is published: ``not_null("status")``,
                ``row_count(min=1)``; functions are made checks by ``@lake.check``.

        Raises:
            DefinitionError: names the fault, and file and line.
        """
        options = AssetOptions(
            partitions=partitions,
            upstream=upstream,
            time=time,
            sort_by=sort_by,
            schema=schema,
            version=version,
            checks=checks,
        )

        def declare(function: _F) -> _F:
            self._add(assets.declare_asset(function, options))
            return function

        return declare if function is None else declare(function)

    def sql(
        self,
        name: str,
        query: str | os.PathLike[str],
        *,
        partitions: Partitions | None = None,
        upstream: Mapping[str, Rule] | None = None,
        time: str | None = None,
        sort_by: str | Sequence[str] | None = ALL_COLUMNS,
        schema: Mapping[str, PolarsDataType] | None = None,
        version: str | None = None,
        description: str = "",
        checks: Sequence[Check] = (),
    ) -> None:
        """Declare a table that the lake keeps, made by a query in DuckDB's SQL.

        The tables of the query name what it reads. Each holds just the rows of the requested partitions, with the
        partition columns; the query returns the rows of all of them, with those columns.

        Args:
            name: the asset's.
            query: one SELECT, or the path of a ``.sql`` file, relative to the file that declares it.
            partitions: as of ``asset``, like the five that follow.
            upstream: by name, what overrides the usual rule from key to key.
            time: the column by which rows are cut to the windows of other assets.
            sort_by: the columns by which each file is sorted.
            schema: the columns with their types.
            version: replaces what the lake tells from the text.
            description: what a row is, for people.
            checks: what has to hold of a partition before it is published.

        Raises:
            DefinitionError: names the fault, and file and line.
        """
        where = caller()
        text = _query_text(name, query, where.filename)
        options = AssetOptions(
            partitions=partitions,
            upstream=upstream,
            time=time,
            sort_by=sort_by,
            schema=schema,
            version=version,
            checks=checks,
        )
        self._add(assets.declare_query(name, text, inspect.cleandoc(description), where, options))

    def check(self, of: str, *, severity: Severity = "error", name: str | None = None) -> Callable[[_F], _F]:
        """Declare what has to hold of an asset's partitions, or of a source: ``@lake.check("monthly_orders")``.

        The function is given a LazyFrame of the rows of one partition, as they are to be published, with the
        partition columns as text; with a parameter named ``partition`` it gets the key too. It returns one of:

        - a Polars expression that has to be true of each row; null passes, as in an SQL CHECK. One that gives a
          single value (``pl.len() > 0``) has to be true of the partition.
        - a bool.
        - a `CheckResult`, with a message and metadata.

        A partition that fails, or whose check raises, is not published and keeps what it had; the others are. Checks
        are no part of the code version: adding one makes nothing stale, and ``lake validate --deep`` runs it on what
        is published.

        Args:
            of: the name of an asset or a source. A source is asked before anything is made of it; what reads it is
                not made if it fails.
            severity: ``"error"`` blocks what fails, ``"warn"`` records and shows it.
            name: what the check is called; None: as the function is.

        Raises:
            DefinitionError: names the fault, and file and line.
        """

        def declare(function: _F) -> _F:
            where = assets.where_of(function)
            check = declare_check(function, severity=severity, name=name, where=where)
            self._definitions.checks.append((of, check))
            self._graph = None
            return function

        return declare

    def _add(self, node: assets.Node) -> None:
        self._definitions.add(node)
        self._graph = None

    @property
    def graph(self) -> Graph:
        """The checked graph of what is declared.

        Raises:
            DefinitionError: something is read and not declared, or a cycle, or a check is of nothing that can be
                checked; with file and line.
        """
        if self._graph is None:
            graph = Graph(with_checks(self._definitions))
            require_read(graph.assets())
            self._graph = graph
        return self._graph


def _query_text(name: str, query: str | os.PathLike[str], lakefile: str) -> str:
    """A query, or what stands in its file."""
    if isinstance(query, str) and not query.strip().lower().endswith(".sql"):
        return query
    path = Path(lakefile).parent / os.fspath(query).strip()
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise DefinitionError(f"asset {name!r}: {query} cannot be read: {reason} ({caller()})") from None
