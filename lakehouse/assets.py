"""What a person declares: sources, views and assets, under names that are unique in a lake.

Knows what a well-formed declaration is, and where in the lakefile it stands. Refuses to read data or to run anything.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from lakehouse import layout
from lakehouse.callsite import CallSite
from lakehouse.checks.declared import Check, require_list
from lakehouse.errors import DefinitionError
from lakehouse.partitions import Partitions, Unpartitioned
from lakehouse.rules import All, Keys, Latest, Periods, Rule
from lakehouse.sources.declared import (
    Source,
    Track,
    declare_function_source,
    declare_source,
    is_polars_type,
    where_of,
)

if TYPE_CHECKING:
    from polars._typing import PolarsDataType

__all__ = [
    "ALL_COLUMNS",
    "PARTITION",
    "Asset",
    "AssetOptions",
    "Definitions",
    "Node",
    "SortBy",
    "Source",
    "Track",
    "View",
    "as_order",
    "declare_asset",
    "declare_function_source",
    "declare_query",
    "declare_source",
    "declare_view",
    "where_of",
]

SortBy = tuple[str, ...] | Literal["all columns"] | None
ALL_COLUMNS: Final = "all columns"

PARTITION: Final = "partition"  # the parameter by which a function asks to be called once a key


class View(Struct, frozen=True, kw_only=True):
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


class Asset(Struct, frozen=True, kw_only=True):
    """A table that the lake keeps, one file a partition.

    Attributes:
        name: the function's.
        function: takes one LazyFrame for each of `reads`, returns the rows of all requested partitions at once;
            or, where it has a parameter named ``partition``, those of one. None for a query.
        query: the SQL text, in place of a function; None for a function.
        reads: the names of its parameters, without ``partition``; of a query, told by the `Graph`.
        is_per_key: whether it is called once a key.
        partitions: which keys it has; of those kept in the lake or found in the data, only the column.
        rules: what overrides the usual rule from a key to the upstream keys that it reads, by name.
        time: the column of its rows by which they are cut to the windows of what reads it; None: they are not cut.
        sort_by: in which order rows are written; None: the order of the result.
        schema: the declared contract; None: learned at the first materialization.
        version: replaces the code version; None: told from the code.
        checks: what has to hold of each partition before it is published; no part of the code version.
        description: the function's docstring, first line.
        where: the line that declares it.
    """

    name: str
    function: Callable[..., Any] | None
    query: str | None = None
    reads: tuple[str, ...]
    is_per_key: bool
    partitions: Partitions
    rules: Mapping[str, Rule] = field(default_factory=dict)
    time: str | None = None
    sort_by: SortBy
    schema: Mapping[str, PolarsDataType] | None
    version: str | None
    description: str
    where: CallSite
    checks: tuple[Check, ...] = ()


Node = Source | View | Asset


class Definitions(Struct):
    """Everything that is declared for one lake, in the order of declaration.

    Attributes:
        nodes: by name, sources, views and assets.
        checks: those that are declared apart from what they are of, with its name.
    """

    nodes: dict[str, Node] = field(default_factory=dict)
    checks: list[tuple[str, Check]] = field(default_factory=list)

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


def declare_view(function: Callable[..., Any], *, time: str | None) -> View:
    """A view, if its function is one that can be called.

    Raises:
        DefinitionError: names the fault, and file and line.
    """
    where = where_of(function)
    reads, per_key = _reads(function, where)
    if per_key:
        raise DefinitionError(
            f"view {function.__name__!r} asks for {PARTITION!r} ({where})",
            help="only an asset's function can; a view is computed for whatever reads it",
        )
    return View(name=function.__name__, function=function, reads=reads, time=time, where=where)


class AssetOptions(Struct, frozen=True, kw_only=True):
    """What a person says of an asset beside what computes it, as given."""

    partitions: Partitions | None = None
    sort_by: str | Sequence[str] | None = ALL_COLUMNS
    schema: Mapping[str, PolarsDataType] | None = None
    version: str | None = None
    upstream: Mapping[str, Rule] | None = None
    time: str | None = None
    checks: Sequence[Check] = ()


def declare_asset(function: Callable[..., Any], options: AssetOptions) -> Asset:
    """An asset made by a function, if it is well-formed.

    Raises:
        DefinitionError: names the fault, and file and line.
    """
    where = where_of(function)
    reads, per_key = _reads(function, where)
    description = (inspect.getdoc(function) or "").partition("\n")[0].replace("``", "`")
    bare = Asset(
        name=function.__name__,
        function=function,
        reads=reads,
        is_per_key=per_key,
        partitions=Unpartitioned(),
        sort_by=ALL_COLUMNS,
        schema=None,
        version=None,
        description=description,
        where=where,
    )
    found = _with_options(bare, options)
    if unread := [name for name in found.rules if name not in reads]:
        raise DefinitionError(
            f"asset {found.name!r} has a rule for {unread[0]!r}, which it does not read ({where})",
            help=f"upstream= names what the function reads: {', '.join(reads)}",
        )
    return found


def declare_query(name: str, query: str, description: str, where: CallSite, options: AssetOptions) -> Asset:
    """An asset made by a query, if it is well-formed; what it reads is told once everything is declared.

    Raises:
        DefinitionError: names the fault, and file and line.
    """
    from lakehouse.sql.text import fault  # only for lakes that have queries

    if (found := fault(query)) is not None:
        raise DefinitionError(f"asset {name!r}: the query {found} ({where})", help="a query is one SELECT")
    bare = Asset(
        name=name,
        function=None,
        query=query,
        reads=(),
        is_per_key=False,
        partitions=Unpartitioned(),
        sort_by=ALL_COLUMNS,
        schema=None,
        version=None,
        description=description,
        where=where,
    )
    return _with_options(bare, options)


def _with_options(asset: Asset, options: AssetOptions) -> Asset:
    name, where = asset.name, asset.where
    partitions = Unpartitioned() if options.partitions is None else options.partitions
    if not isinstance(partitions, Partitions):
        raise DefinitionError(
            f"asset {name!r} has no partitions: {partitions!r} ({where})",
            help='say which: @lake.asset(partitions=Monthly("2018-01"))',
        )
    for column, dtype in (options.schema or {}).items():
        if not is_polars_type(dtype):
            raise DefinitionError(
                f"asset {name!r} declares {column!r} as {dtype!r}, which is no Polars type ({where})",
                help="write pl.Int64, pl.String, …",
            )
    if options.schema and (doubled := set(options.schema) & set(partitions.columns)):
        raise DefinitionError(
            f"asset {name!r} declares {', '.join(sorted(doubled))} in its schema ({where})",
            help="the partition column lives in the folder's name, not in the file: leave it out",
        )
    for upstream, rule in (options.upstream or {}).items():
        if not isinstance(rule, Periods | All | Latest | Keys):
            raise DefinitionError(
                f"asset {name!r} reads {upstream!r} by {rule!r}, which is no rule ({where})",
                help="a rule is Periods(-2, 0), All(), Latest() or Keys([...])",
            )
    return replace(
        asset,
        partitions=partitions,
        rules=dict(options.upstream or {}),
        time=options.time,
        sort_by=as_order(options.sort_by),
        schema=dict(options.schema) if options.schema else None,
        version=options.version,
        checks=require_list(f"asset {name!r}", options.checks, where),
    )


def as_order(sort_by: str | Sequence[str] | None) -> SortBy:
    """What a person wrote as ``sort_by``, in the form in which an asset has it."""
    if sort_by is None or sort_by == ALL_COLUMNS:
        return ALL_COLUMNS if sort_by else None
    return (sort_by,) if isinstance(sort_by, str) else tuple(sort_by)


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
