"""An asset's query: one SELECT in DuckDB over the frames that it is given, and over nothing else.

Knows how frames become tables, how the query is locked in, what its result is, and how its errors read. Knows
neither lake nor partitions.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from lakehouse.errors import AuditError, ComputeError, LakeError, RequestError, StorageError
from lakehouse.sql.lasting import require_lasting
from lakehouse.sql.readonly import only_select
from lakehouse.sql.tables import listed, literally, quoted, text
from lakehouse.sql.text import bare
from lakehouse.sql.types import TOO_LARGE, shown

if TYPE_CHECKING:
    import duckdb
    import polars as pl
    from duckdb.sqltypes import DuckDBPyType

    from lakehouse.sql.frames import Tables

    Columns = Sequence[tuple[str, DuckDBPyType]]

__all__ = ["SqlQuery"]

_CONFIG: Final[Mapping[str, Any]] = {
    "python_enable_replacements": False,  # a name in the query is a table, never a variable of a caller
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_persistent_secrets": False,  # else they are looked for in the home folder
}
_NO_TABLE: Final = re.compile(r'Catalog Error: Table with name "?(.+?)"? does not exist')
_NO_FILE: Final = re.compile(r'Permission Error: Cannot access file "(.+)" - ')
_NO_FUNCTION: Final = re.compile(r"(\w+)\(\) is not run here")
_NO_SPACE: Final = re.compile(r"No space left|Disk quota exceeded", re.IGNORECASE)
_OVERFLOW: Final = re.compile(r"Type U?INT128 with value .* destination type INT64")
_PLACE: Final = re.compile(r"LINE (\d+): ")
_DECLARE: Final = 'a query reads declared names only: declare lake.source("name", "path"), and select from name'
_CAST_SUM: Final = "say in which type it is kept: sum(…)::DECIMAL(38, 0), or ::DOUBLE"
_MAX_DETAILS: Final = 8


class SqlQuery(Struct, frozen=True, kw_only=True):
    """A query that is called as an asset's function is: with frames, by the names of the tables that it reads.

    Its result has DuckDB's types, but for these: HUGEINT, as which DuckDB adds integers up, is BIGINT, and an error
    where a value is larger; ENUM, UUID and JSON are text; times are in microseconds, and TIMESTAMP WITH TIME ZONE is
    in UTC, as is the query's own time zone.

    Over the same frames it gives the same rows. Held in memory it runs on one thread, so that sums of floats, and
    what an aggregate without an order picks, are the same too; through files it runs on all, and those may differ.

    Attributes:
        name: the asset's.
        sql: the text, of which `sqltext.fault` finds no fault.
        reads: the names of the tables.
    """

    name: str
    sql: str
    reads: tuple[str, ...]

    def __call__(self, **frames: pl.LazyFrame) -> pl.DataFrame | pl.LazyFrame:
        """The rows, in memory."""
        return self.run(frames)

    def run(
        self,
        frames: Mapping[str, pl.LazyFrame],
        *,
        tables: Tables | None = None,
        spool: Callable[[], Path] | None = None,
    ) -> pl.DataFrame | pl.LazyFrame:
        """The rows of the query over these frames.

        Args:
            frames: what to read under each name; evaluated together, in one pass.
            tables: frames that are evaluated already; where a frame is one of these, it is not evaluated again.
            spool: gives paths of new files, for frames, for the result, and for what DuckDB cannot hold in memory;
                None: all of it is held in memory.

        Raises:
            ComputeError: the query fails, or is more than a SELECT over its tables.
            AuditError: a column has a type that is not kept.
            StorageError: the disk is at fault.
        """
        from lakehouse.sql.frames import laid_out

        known = {name for name, frame in frames.items() if tables is not None and tables.holds(name, frame)}
        fresh = {name: frame for name, frame in frames.items() if name not in known}
        kept = dict(laid_out(fresh, spool=spool).kept) if fresh else {}
        if tables is not None:
            kept |= {name: tables.kept[name] for name in known}
        return self._answer(kept, spool)

    def _answer(
        self, kept: Mapping[str, pl.DataFrame | Path], spool: Callable[[], Path] | None
    ) -> pl.DataFrame | pl.LazyFrame:
        import duckdb
        import polars as pl

        from lakehouse.sql.frames import Stream

        target, sql = (spool() if spool else None), f"{bare(self.sql)}\n"
        # On one thread, what fits into memory comes out the same to the last bit of a sum.
        own: dict[str, Any] = {"temp_directory": str(spool())} if spool else {"temp_directory": "", "threads": 1}
        with closing(duckdb.connect(":memory:", config={**_CONFIG, **own})) as connection:
            with self._told(above=0):
                connection.execute("SET enable_progress_bar_print = false")  # it goes to stdout
                connection.execute("SET TimeZone = 'UTC'")  # else the machine's, and times would come out in that
                statement = only_select(connection, sql)
                require_lasting(connection, sql)
                _lay(connection, kept, target)
            with self._told(above=1):
                columns = _bound(connection, statement, sql)
            head = f"SELECT {self._items(columns)} FROM (\n"  # noqa: S608  quoted
            with self._told(above=head.count("\n")):
                if target is None:
                    # A frame straight from the relation would take no interrupt before the query's end.
                    return pl.DataFrame(Stream(connection.sql(f"{head}{sql})").materialize()))
                options = "FORMAT parquet, COMPRESSION lz4_raw, USE_TMP_FILE false"
                connection.execute(f"COPY ({head}{sql})) TO {text(str(target))} ({options})")
        untyped = [pl.lit(None).alias(name) for name, kind in columns if kind.id == "null"]  # no file has such
        return pl.scan_parquet(target, hive_partitioning=False, glob=False).with_columns(untyped)

    def _items(self, columns: Columns) -> str:
        """What to select of the result, each column in a type that is kept."""
        counts = Counter(name.casefold() for name, _ in columns)
        if doubled := [name for name, _ in columns if counts[name.casefold()] > 1]:
            raise AuditError(
                f"{self.name}: the result has columns of one name: {', '.join(doubled)}",
                code="column-refused",
                help="give each a name of its own: SELECT a.id, b.id AS b_id, or SELECT * EXCLUDE (…)",
            )
        items = []
        for position, (name, kind) in enumerate(columns, 1):
            try:
                items.append(shown(position, name, kind))
            except ValueError as cure:
                raise AuditError(
                    f"{self.name}: column {name!r} is {kind}, which not every reader of Parquet gives back as it was",
                    code="type-refused",
                    help=f"write {cure}",
                ) from None
        return ", ".join(items)

    @contextmanager
    def _told(self, *, above: int) -> Iterator[None]:
        """DuckDB's errors as the lake's; `above` lines come before the query's own in what is run."""
        import duckdb

        try:
            yield
        except RequestError as error:
            hint = _DECLARE if _NO_FUNCTION.search(error.message) else error.help
            raise ComputeError(
                f"{self.name}: {error.message}", code=error.code, details=error.details, help=hint
            ) from None
        except duckdb.Error as error:
            # Not as its cause: whoever looks for the cause of a failure would look for it in the sources.
            raise self._explained(str(error), above) from None
        except RuntimeError as error:
            if "interrupted" in str(error):
                raise KeyboardInterrupt from error
            raise

    def _explained(self, said: str, above: int) -> LakeError:
        first, *rest = [line.rstrip() for line in said.splitlines() if line.strip()] or [
            "DuckDB failed without a word"
        ]
        details = [line for line in _placed(rest, above) if not line.startswith("Did you mean")]
        code, hint = "query-failed", None
        if match := _NO_TABLE.match(first):
            code, first = "query-unknown-table", f"no table {match[1]!r}"
            near = difflib.get_close_matches(match[1].casefold(), self.reads, n=1, cutoff=0.6)
            hint = f"upstreams are named as tables; declared: {', '.join(self.reads) or 'none'}"
            hint = f"did you mean {near[0]!r}? {hint}" if near else hint
        elif match := _NO_FILE.match(first):
            code, first, hint = "query-refused", f"the query reads {match[1]!r}, which is not declared", _DECLARE
        elif match := TOO_LARGE.match(said):
            code, first, details, hint = "integer-too-large", match[1], [], _CAST_SUM
        elif _OVERFLOW.search(first):
            hint = _CAST_SUM
        elif first.startswith("IO Error"):
            is_full = _NO_SPACE.search(said) is not None
            return StorageError(
                f"{self.name}: {first}",
                code="disk-full" if is_full else "storage",
                details=details,
                help="see to the disk, then run the same command again: nothing is lost",
            )
        context = {"exception": first.partition(":")[0], "message": said}
        return ComputeError(f"{self.name}: {first}", code=code, details=details, help=hint, context=context)


def _lay(connection: duckdb.DuckDBPyConnection, kept: Mapping[str, pl.DataFrame | Path], target: Path | None) -> None:
    """Make each frame a table; from here on no other file can be read or written, and no setting can be changed."""
    from lakehouse.sql.frames import Stream

    files = []
    for name, rows in kept.items():
        if isinstance(rows, Path):
            files.append(str(rows))
            source = f"read_parquet({listed([literally(str(rows))])}, hive_partitioning = false)"
            connection.execute(f"CREATE TEMP VIEW {quoted(name)} AS SELECT * FROM {source}")  # noqa: S608  quoted
        else:
            connection.register(name, Stream(rows))
    allowed = {*files, *map(literally, files), *([str(target)] if target else [])}
    if allowed:
        connection.execute(f"SET allowed_paths = {listed(sorted(allowed))}")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")


def _bound(connection: duckdb.DuckDBPyConnection, statement: duckdb.Statement, sql: str) -> Columns:
    """The names and types of the result's columns."""
    import duckdb

    try:
        relation = connection.sql(statement)
    except duckdb.Error:
        connection.execute(f"SELECT * FROM (\n{sql})")  # noqa: S608  fails alike, and tells the line, as sql() does not
        raise
    return list(zip(relation.columns, relation.types, strict=True))


def _placed(lines: Sequence[str], above: int) -> list[str]:
    """What DuckDB says below the first line; a line that it shows gets the number which it has in the query."""
    at = next((number for number, line in enumerate(lines) if _PLACE.match(line)), len(lines))
    placed = [line.expandtabs(2) for line in lines[: min(at, _MAX_DETAILS)]]
    for line, caret in zip(lines[at : at + 1], [*lines[at + 1 :], ""], strict=False):
        match = _PLACE.match(line)
        if match is not None and int(match[1]) > above:  # else it is the lake's own
            label = f"LINE {int(match[1]) - above}: "
            placed += [
                label + line[match.end() :],
                " " * (len(label) - match.end()) + caret[match.end() - len(label) :],
            ]
    return placed
