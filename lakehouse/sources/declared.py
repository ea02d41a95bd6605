"""What a person declares of the data that the lake reads and does not make.

Knows what a well-formed source is, and where in the lakefile it stands. Refuses to read any of it.
"""

from __future__ import annotations

import glob
import inspect
from collections.abc import Callable, Mapping, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct

from lakehouse.callsite import CallSite, caller
from lakehouse.checks.declared import Check
from lakehouse.errors import DefinitionError
from lakehouse.partitions.dimension import Partitions

if TYPE_CHECKING:
    from polars._typing import PolarsDataType

__all__ = [
    "SUFFIXES",
    "Format",
    "Source",
    "SourceVersion",
    "Track",
    "declare_function_source",
    "declare_source",
    "is_polars_type",
    "where_of",
]

Format = Literal["csv", "parquet", "ndjson", "ipc", "function"]
Track = Literal["content", "stat", "rows"]
SourceVersion = str | Callable[[], str] | None

SUFFIXES: Final[Mapping[Format, tuple[str, ...]]] = {
    "csv": (".csv",),
    "parquet": (".parquet", ".pq"),
    "ndjson": (".ndjson", ".jsonl"),
    "ipc": (".arrow", ".ipc", ".feather"),
}
"""How the names of files end, by what is in them."""

_FORMATS: Final = {suffix: kind for kind, suffixes in SUFFIXES.items() for suffix in suffixes}
_SELF_DESCRIBED: Final = ("parquet", "ipc")
_TRACKS: Final = {"content": "the bytes", "stat": "size and time", "rows": "the rows of each partition"}


class Source(Struct, frozen=True, kw_only=True):
    """Data that the lake reads and did not make.

    Attributes:
        name: under which functions ask for it.
        path: a file, a glob or, with ``partitions``, a folder, relative to the project's folder; of a function, how
            it is called: ``rates()``.
        format: what the files hold, or that a function gives the rows.
        schema: the columns that are read, with their types, partition columns left out; None: all that the files
            themselves declare, or that the function returns.
        time: the column that decides which time partition a row belongs to; None: it has no windows.
        nullable: columns that may hold nulls; the other declared ones hold none.
        track: how a change is noticed: by the bytes, by size and modification time, or by the rows of each
            partition: appending to December leaves November fresh; one more scan when the bytes change.
        partitions: which Hive folders of ``path`` are read, each by itself; None: the source is one whole.
        function: gives the rows; None: files do.
        version: of the function's rows: a text, or what tells it when asked; None: nobody knows, and what reads it
            is always stale.
        checks: what has to hold of its rows before anything is made of them.
        where: the line that declares it.
    """

    name: str
    path: str
    format: Format
    schema: Mapping[str, PolarsDataType] | None
    time: str | None
    nullable: tuple[str, ...]
    track: Track
    where: CallSite
    partitions: Partitions | None = None
    function: Callable[..., Any] | None = None
    version: SourceVersion = None
    checks: tuple[Check, ...] = ()

    @property
    def is_glob(self) -> bool:
        """Whether the path names files by a pattern."""
        return self.partitions is None and glob.has_magic(self.path)

    def declaration(self) -> dict[str, str]:
        """What the declaration says of the data, as text: it is part of the code version of what reads it.

        A function's own text, the version of its rows and the checks, which compute nothing, are not part of it.
        """
        said = {
            "path": self.path,
            "schema": repr([(name, str(dtype)) for name, dtype in (self.schema or {}).items()]),
            "time": str(self.time),
            "nullable": repr(sorted(self.nullable)),
        }
        if self.partitions is not None:
            said["partitions"] = repr(sorted(self.partitions.describe().items()))
        if self.partitions is not None or self.format not in ("function", _format_of(self.path)):
            said["format"] = self.format
        return said


def declare_source(
    name: str,
    path: str | PurePath,
    *,
    schema: Mapping[str, PolarsDataType] | None,
    time: str | None,
    nullable: Sequence[str],
    track: Track,
    partitions: Partitions | None = None,
    format: Format | None = None,  # noqa: A002  the word that users write
) -> Source:
    """A source of files, if it is well-formed.

    Args:
        name: under which functions ask for it.
        path: a file or a glob; with ``partitions`` a folder of Hive folders.
        schema: the columns that are read, with their types.
        time: the column that decides which time partition a row belongs to.
        nullable: declared columns that may hold nulls.
        track: how a change is noticed.
        partitions: which Hive folders there are.
        format: of the files; None: by the suffix of the path, and Parquet for a folder.

    Raises:
        DefinitionError: names the fault, the fix, and file and line.
    """
    where, text = caller(), str(path)
    refuse = _Refusal(name, where)
    if "://" in text:
        raise refuse(f"is a URL, {text}", "download it first, and name the file")
    if partitions is not None:
        _check_partitions(partitions, schema, refuse)
    kind = _format(text, partitions, format, refuse)
    if not schema and kind not in _SELF_DESCRIBED:
        raise refuse(
            f"is {kind.upper()} and declares no schema",
            f'declare its columns, so that no type is guessed: lake.source({name!r}, …, schema={{"id": pl.Int64}})',
        )
    if track not in _TRACKS:
        known = [f'"{word}" ({what})' for word, what in _TRACKS.items()]
        raise refuse(f"is tracked by {track!r}", f"track is {', '.join(known[:-1])} or {known[-1]}")
    return Source(
        name=name,
        path=text,
        format=kind,
        schema=dict(schema) if schema else None,
        time=time,
        nullable=_check_columns(schema, time, nullable, refuse),
        track=track,
        where=where,
        partitions=partitions,
    )


def declare_function_source(
    function: Callable[..., Any],
    *,
    time: str | None,
    version: SourceVersion,
    schema: Mapping[str, PolarsDataType] | None,
    nullable: Sequence[str],
) -> Source:
    """A source whose rows a function gives, if the function is one that can be called.

    Args:
        function: takes nothing, returns a frame.
        time: the column that decides which time partition a row belongs to.
        version: of the rows, as a text, or a function that takes nothing and tells it (an ETag, a
            ``max(updated_at)``); None: nobody knows, and what reads it is always stale.
        schema: the columns that are read, with their types; None: all that the function returns.
        nullable: declared columns that may hold nulls.

    Raises:
        DefinitionError: names the fault, the fix, and file and line.
    """
    where = where_of(function)
    name = function.__name__
    refuse = _Refusal(name, where)
    if needed := _needed(function):
        raise refuse(f"asks for {', '.join(needed)}", "a source reads nothing of the lake; a view does: @lake.view")
    if not (version is None or isinstance(version, str) or callable(version)):
        raise refuse(f"has version={version!r}", f'a version is a text, or a function that tells it: "{version}"')
    if callable(version) and (inspect.iscoroutinefunction(version) or _needed(version)):
        raise refuse("has a version that cannot be called without arguments", "version=lambda: …")
    return Source(
        name=name,
        path=f"{name}()",
        format="function",
        schema=dict(schema) if schema else None,
        time=time,
        nullable=_check_columns(schema, time, nullable, refuse),
        track="content",
        where=where,
        function=function,
        version=version,
    )


class _Refusal(Struct, frozen=True):
    """Makes the errors of one declaration."""

    name: str
    where: CallSite

    def __call__(self, what: str, cure: str) -> DefinitionError:
        return DefinitionError(f"source {self.name!r} {what} ({self.where})", help=cure)


def _check_partitions(partitions: Partitions, schema: Mapping[str, PolarsDataType] | None, refuse: _Refusal) -> None:
    """Nothing, if these can be the Hive folders of a source."""
    if not isinstance(partitions, Partitions) or not partitions.dimensions:
        raise refuse(
            f"has no partitions: {partitions!r}", 'say which folders it has: Daily("2018-01-01", column="day")'
        )
    for dimension in partitions.dimensions:
        if dimension.unknown_columns and not getattr(dimension, "discover", False):
            cure = f"its folders tell its keys: Dynamic({dimension.column!r}, discover=True)"
            raise refuse(f"keeps no keys of its own for {dimension.column!r}", cure)
    if schema and (doubled := [column for column in partitions.columns if column in schema]):
        cure = "its value is the folder's name, as text: leave it out"
        raise refuse(f"declares {', '.join(doubled)} in its schema, which is a partition column", cure)


def _format(text: str, partitions: Partitions | None, given: Format | None, refuse: _Refusal) -> Format:
    """What the files hold."""
    if given is not None:
        if given not in SUFFIXES:
            raise refuse(f"has format={given!r}", f"the formats are {', '.join(SUFFIXES)}")
        return given
    if partitions is not None:
        return "parquet"
    kind = _format_of(text)
    if kind is None:
        raise refuse(f"has no known suffix: {text}", f"the formats go by suffix: {', '.join(_FORMATS)}")
    return kind


def _format_of(path: str) -> Format | None:
    """What files hold by the suffix of a path; None where it says nothing."""
    return _FORMATS.get(PurePath(path).suffix.lower())


def _check_columns(
    schema: Mapping[str, PolarsDataType] | None, time: str | None, nullable: Sequence[str], refuse: _Refusal
) -> tuple[str, ...]:
    """The nullable columns, if all that is named is declared, with types that are some."""
    nullable = (nullable,) if isinstance(nullable, str) else tuple(nullable)
    for column, dtype in (schema or {}).items():
        if not is_polars_type(dtype):
            raise refuse(f"declares {column!r} as {dtype!r}, which is no Polars type", "write pl.Int64, pl.String, …")
    for column in [*nullable, *([time] if time else [])]:
        if schema and column not in schema:
            raise refuse(f"declares no column {column!r}", f"its schema has {', '.join(schema)}")
    return nullable


def is_polars_type(dtype: object) -> bool:
    """Whether it is one, told without importing Polars, which a declaration itself does not need."""
    kind = dtype if isinstance(dtype, type) else type(dtype)
    return any(base.__module__.startswith("polars") and "DataType" in base.__name__ for base in kind.__mro__)


def where_of(function: Callable[..., Any]) -> CallSite:
    """The line on which a function that is to be declared stands.

    Raises:
        DefinitionError: it is none, or an async one.
    """
    code = getattr(inspect.unwrap(function), "__code__", None)  # a wrapper's own line is in somebody's library
    if code is None:
        raise DefinitionError(f"{function!r} is not a function ({caller()})")
    if inspect.iscoroutinefunction(function):
        raise DefinitionError(
            f"{function.__name__!r} is async ({caller()})", help="declare it with def: it is called once"
        )
    return CallSite(code.co_filename, code.co_firstlineno)


def _needed(function: Callable[..., Any]) -> list[str]:
    """What a function cannot be called without; and ``*names``, which nothing could be given for."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):  # built in, without a signature
        return []
    return [
        str(parameter) if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD) else parameter.name
        for parameter in parameters
        if parameter.default is parameter.empty
    ]
