"""What a person declares: sources, views and assets, under names that are unique in a lake.

Knows what a well-formed declaration is, and where in the lakefile it stands. Refuses to read data or to run anything.
"""

from __future__ import annotations

import glob
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Final, Literal

from lakehouse import layout
from lakehouse.callsite import CallSite, caller
from lakehouse.errors import DefinitionError
from lakehouse.partitions import Monthly

if TYPE_CHECKING:
    from polars._typing import PolarsDataType

__all__ = ["ALL_COLUMNS", "Asset", "Definitions", "Format", "Node", "SortBy", "Source", "Track", "View"]

Format = Literal["csv", "parquet", "ndjson", "ipc"]
Track = Literal["content", "stat"]
SortBy = tuple[str, ...] | Literal["all columns"] | None
ALL_COLUMNS: Final = "all columns"

_FORMATS: Final[Mapping[str, Format]] = {
    ".csv": "csv",
    ".parquet": "parquet",
    ".pq": "parquet",
    ".ndjson": "ndjson",
    ".jsonl": "ndjson",
    ".arrow": "ipc",
    ".ipc": "ipc",
    ".feather": "ipc",
}
_SELF_DESCRIBED: Final = ("parquet", "ipc")
PARTITION: Final = "partition"  # the parameter by which a function asks to be called once a key


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Data that the lake reads and did not make.

    Attributes:
        name: under which functions ask for it.
        path: a file or a glob, relative to the project's folder.
        format: by the path's suffix.
        schema: the columns that are read, with their types; None: all that the files themselves declare.
        time: the column that decides which time partition a row belongs to; None: it has no partitions.
        nullable: columns that may hold nulls; the other declared ones hold none.
        track: how a change is noticed: by the bytes, or by size and modification time.
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

    @property
    def is_glob(self) -> bool:
        """Whether the path names files by a pattern."""
        return glob.has_magic(self.path)

    def declaration(self) -> dict[str, str]:
        """What the declaration says of the data, as text: it is part of the code version of what reads it."""
        return {
            "path": self.path,
            "schema": repr([(name, str(dtype)) for name, dtype in (self.schema or {}).items()]),
            "time": str(self.time),
            "nullable": repr(sorted(self.nullable)),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """A step that is computed when it is read, and never stored.

    Attributes:
        name: the function's.
        function: takes one LazyFrame for each of `reads`, returns one.
        reads: the names of its parameters.
        time: the column of its result that decides which time partition a row belongs to; None: none does.
        where: the line that declares it.
    """

    name: str
    function: Callable[..., Any]
    reads: tuple[str, ...]
    time: str | None
    where: CallSite


@dataclass(frozen=True, slots=True, kw_only=True)
class Asset:
    """A table that the lake keeps, one file a partition.

    Attributes:
        name: the function's.
        function: takes one LazyFrame for each of `reads`, returns the rows of all requested partitions at once;
            or, where it has a parameter named ``partition``, those of one.
        reads: the names of its parameters, without ``partition``.
        is_per_key: whether it is called once a key.
        partitions: which keys it has.
        sort_by: in which order rows are written; None: the order of the result.
        schema: the declared contract; None: learned at the first materialization.
        version: replaces the code version; None: told from the code.
        description: the function's docstring, first line.
        where: the line that declares it.
    """

    name: str
    function: Callable[..., Any]
    reads: tuple[str, ...]
    is_per_key: bool
    partitions: Monthly
    sort_by: SortBy
    schema: Mapping[str, PolarsDataType] | None
    version: str | None
    description: str
    where: CallSite


Node = Source | View | Asset


@dataclass(slots=True)
class Definitions:
    """Everything that is declared for one lake, in the order of declaration."""

    nodes: dict[str, Node] = field(default_factory=dict)

    def add(self, node: Node) -> None:
        """Declare one more.

        Raises:
            DefinitionError: where the name is taken or cannot be a name; it gives file and line.
        """
        try:
            layout.require_asset_name(node.name)
        except DefinitionError as error:
            raise DefinitionError(f"{error.message} ({node.where})", help=error.help) from None
        if node.name == PARTITION:
            raise DefinitionError(f"{PARTITION!r} cannot be a name: it is a parameter's ({node.where})")
        if other := self.nodes.get(node.name):
            raise DefinitionError(
                f"{node.name!r} is declared twice ({other.where} and {node.where})",
                code="name-taken",
                help="give one of them another name",
            )
        self.nodes[node.name] = node

    def assets(self) -> dict[str, Asset]:
        """The assets by name, in the order of declaration."""
        return {name: node for name, node in self.nodes.items() if isinstance(node, Asset)}


def declare_source(
    name: str,
    path: str | PurePath,
    *,
    schema: Mapping[str, PolarsDataType] | None,
    time: str | None,
    nullable: Sequence[str],
    track: Track,
) -> Source:
    """A source, if it is well-formed.

    Raises:
        DefinitionError: names the fault, the fix, and file and line.
    """
    where, text = caller(), str(path)
    nullable = (nullable,) if isinstance(nullable, str) else tuple(nullable)

    def refuse(what: str, cure: str) -> DefinitionError:
        return DefinitionError(f"source {name!r} {what} ({where})", help=cure)

    if "://" in text:
        raise refuse(f"is a URL, {text}", "download it first, and name the file")
    kind = _FORMATS.get(PurePath(text).suffix.lower())
    if kind is None:
        raise refuse(f"has no known suffix: {text}", f"the formats go by suffix: {', '.join(_FORMATS)}")
    if not schema and kind not in _SELF_DESCRIBED:
        raise refuse(
            f"is {kind.upper()} and declares no schema",
            f'declare its columns, so that no type is guessed: lake.source({name!r}, …, schema={{"id": pl.Int64}})',
        )
    for column, dtype in (schema or {}).items():
        if not _is_polars_type(dtype):
            raise refuse(f"declares {column!r} as {dtype!r}, which is no Polars type", "write pl.Int64, pl.String, …")
    for column in [*nullable, *([time] if time else [])]:
        if schema and column not in schema:
            raise refuse(f"declares no column {column!r}", f"its schema has {', '.join(schema)}")
    if track not in ("content", "stat"):
        raise refuse(f"is tracked by {track!r}", 'track is "content" (the bytes) or "stat" (size and time)')
    return Source(
        name=name,
        path=text,
        format=kind,
        schema=dict(schema) if schema else None,
        time=time,
        nullable=nullable,
        track=track,
        where=where,
    )


def declare_view(function: Callable[..., Any], *, time: str | None) -> View:
    """A view, if its function is one that can be called.

    Raises:
        DefinitionError: names the fault, and file and line.
    """
    where = _where(function)
    reads, per_key = _reads(function, where)
    if per_key:
        raise DefinitionError(
            f"view {function.__name__!r} asks for {PARTITION!r} ({where})",
            help="only an asset's function can; a view is computed for whatever reads it",
        )
    return View(name=function.__name__, function=function, reads=reads, time=time, where=where)


def declare_asset(
    function: Callable[..., Any],
    *,
    partitions: Monthly,
    sort_by: str | Sequence[str] | None,
    schema: Mapping[str, PolarsDataType] | None,
    version: str | None,
) -> Asset:
    """An asset, if it is well-formed.

    Raises:
        DefinitionError: names the fault, and file and line.
    """
    where = _where(function)
    if not isinstance(partitions, Monthly):
        raise DefinitionError(
            f"asset {function.__name__!r} has no partitions: {partitions!r} ({where})",
            help='say which: @lake.asset(partitions=Monthly("2018-01"))',
        )
    for column, dtype in (schema or {}).items():
        if not _is_polars_type(dtype):
            raise DefinitionError(
                f"asset {function.__name__!r} declares {column!r} as {dtype!r}, which is no Polars type ({where})",
                help="write pl.Int64, pl.String, …",
            )
    if schema and (doubled := set(schema) & set(partitions.columns)):
        raise DefinitionError(
            f"asset {function.__name__!r} declares {', '.join(sorted(doubled))} in its schema ({where})",
            help="the partition column lives in the folder's name, not in the file: leave it out",
        )
    reads, per_key = _reads(function, where)
    order: SortBy
    if sort_by is None or sort_by == ALL_COLUMNS:
        order = ALL_COLUMNS if sort_by else None
    else:
        order = (sort_by,) if isinstance(sort_by, str) else tuple(sort_by)
    return Asset(
        name=function.__name__,
        function=function,
        reads=reads,
        is_per_key=per_key,
        partitions=partitions,
        sort_by=order,
        schema=dict(schema) if schema else None,
        version=version,
        description=(inspect.getdoc(function) or "").partition("\n")[0].replace("``", "`"),
        where=where,
    )


def _is_polars_type(dtype: object) -> bool:
    """Told without importing Polars, which the declaration itself does not need."""
    kind = dtype if isinstance(dtype, type) else type(dtype)
    return any(base.__module__.startswith("polars") and "DataType" in base.__name__ for base in kind.__mro__)


def _where(function: Callable[..., Any]) -> CallSite:
    code = getattr(inspect.unwrap(function), "__code__", None)  # a wrapper's own line is in somebody's library
    if code is None:
        raise DefinitionError(f"{function!r} is not a function ({caller()})")
    if inspect.iscoroutinefunction(function):
        raise DefinitionError(
            f"{function.__name__!r} is async ({caller()})", help="declare it with def: it is called once"
        )
    return CallSite(code.co_filename, code.co_firstlineno)


def _reads(function: Callable[..., Any], where: CallSite) -> tuple[tuple[str, ...], bool]:
    """The names of what a function reads, and whether it asks for one partition at a time."""
    names = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            raise DefinitionError(
                f"{function.__name__!r} takes {parameter} ({where})",
                help="each parameter names one thing that it reads: def monthly_orders(stg_orders)",
            )
        if parameter.default is parameter.empty:
            names.append(parameter.name)
    return tuple(name for name in names if name != PARTITION), PARTITION in names
