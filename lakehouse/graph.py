"""What reads what: the order of making, the things that an asset is made of, and what is wrong with the graph.

Knows declarations only. Refuses to know data or state.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter
from types import MappingProxyType

from msgspec.structs import replace

from lakehouse.assets import Asset, Definitions, Node, Source, View
from lakehouse.errors import AssetUnknownError, DefinitionError, PartitionKeyError
from lakehouse.mapping import Link, link
from lakehouse.partitions import Partitions
from lakehouse.rules import All, Periods, Rule

__all__ = ["Graph", "nearest", "partitions_of"]

_NAMES_SHOWN = 8


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name that was most likely meant; None where none is alike."""
    import difflib  # only for errors

    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return close[0] if close else None


class Graph:
    """The checked graph of a lake's definitions.

    Raises:
        DefinitionError: for something that is read and not declared, for a cycle, and for an asset whose keys cannot
            read those of an asset that it reads; it gives file and line.
    """

    def __init__(self, definitions: Definitions) -> None:
        names = definitions.nodes.keys()
        self._nodes: Mapping[str, Node] = {name: _told(node, names) for name, node in definitions.nodes.items()}
        for node in self._nodes.values():
            for name in _reads(node):
                self._require(name, node)
        order = self._order()
        self._made_of = {name: self._through_views(name) for name in self._nodes}
        self._assets = self._by_depth(order)
        for asset in self._assets:
            for name in asset.reads:
                self.link(asset, self._nodes[name])

    def _require(self, name: str, reader: Node) -> None:
        if name in self._nodes:
            return
        others = [other for other in self._nodes if other != reader.name]
        raise DefinitionError(
            f"{reader.name!r} reads {name!r}, which is not declared ({reader.where})",
            code="upstream-unknown",
            help=f"{_hint(name, others)}a parameter's name is the name of a source, view or asset: {_some(others)}",
        )

    def link(
        self, asset: Asset, upstream: Node, told: Mapping[str, Partitions] = MappingProxyType({})
    ) -> Link | None:
        """How the keys of an asset read those of something that its function reads; None where that has no keys.

        Args:
            asset: the reader.
            upstream: what it reads.
            told: by name, partitions with the keys told that are kept in the lake or found in the data.

        Raises:
            DefinitionError: they do not fit each other; it gives file and line.
        """
        rule = asset.rules.get(upstream.name)
        own, other = told.get(asset.name, asset.partitions), told.get(upstream.name, partitions_of(upstream))
        try:
            if other is None:
                _require_windows(asset, upstream, rule)
                return None
            return link(own, other, rule)
        except (DefinitionError, PartitionKeyError) as error:
            raise DefinitionError(
                f"{asset.name!r} reads {upstream.name!r}: {error.message} ({asset.where})",
                code="upstream-keys",
                help=error.help,
            ) from None

    def rule_text(self, asset: str, upstream: str) -> str:
        """How an asset reads something, in words; empty where a key reads what is its own."""
        reader, node = self.asset(asset), self._nodes[upstream]
        if not isinstance(node, View) and upstream not in reader.reads:
            return "all"  # through a view, which sees all of it
        found = self.link(reader, node)
        rule = reader.rules.get(upstream)
        return found.text() if found else "" if rule is None else str(rule)

    def _order(self) -> list[str]:
        """Every name, each after what it reads."""
        try:
            return list(TopologicalSorter({name: _reads(node) for name, node in self._nodes.items()}).static_order())
        except CycleError as error:
            names = error.args[1]
            raise DefinitionError(
                f"{' -> '.join(names)} is a cycle ({self._nodes[names[0]].where})",
                code="cycle",
                help="a thing cannot be made of itself: read an earlier step in one of them",
            ) from None

    def _through_views(self, name: str) -> dict[str, Node]:
        """Everything that a thing is made of up to stored data, nearest first: views, sources and assets."""
        found: dict[str, Node] = {}
        pending = [*self.reads(name)]
        while pending:
            below = pending.pop(0)
            if below not in found:
                found[below] = self._nodes[below]
                if isinstance(self._nodes[below], View):
                    pending += self.reads(below)
        return found

    def _by_depth(self, order: Iterable[str]) -> list[Asset]:
        depth: dict[str, int] = {}
        for name in order:
            if isinstance(self._nodes[name], Asset):
                depth[name] = 1 + max((depth[upper] for upper in self.upstream_assets(name)), default=0)
        found = [node for node in self._nodes.values() if isinstance(node, Asset)]
        return sorted(found, key=lambda asset: depth[asset.name])

    def node(self, name: str) -> Node:
        """The declaration of a name that is known to be declared."""
        return self._nodes[name]

    @property
    def nodes(self) -> Mapping[str, Node]:
        """Every declaration by name."""
        return self._nodes

    def asset(self, name: str) -> Asset:
        """The asset of a name.

        Raises:
            AssetUnknownError: names the nearest, or those that there are.
        """
        node = self._nodes.get(name)
        if isinstance(node, Asset):
            return node
        assets = [asset.name for asset in self._assets]
        if node is not None:
            message, hint = f"{name!r} is a {type(node).__name__.lower()}, not an asset", ""
        else:
            message, hint = f"no asset {name!r}", _hint(name, assets)
        raise AssetUnknownError(message, help=f"{hint}Assets: {_some(assets)}", context={"name": name})

    def assets(self) -> list[Asset]:
        """The assets, each after what it reads; those that wait for as many others in the order of declaration."""
        return list(self._assets)

    def reads(self, name: str) -> tuple[str, ...]:
        """What a thing reads itself, in the order of its parameters."""
        return _reads(self._nodes[name])

    def inputs(self, name: str) -> list[Source | Asset]:
        """The stored things that an asset or a view is made of: sources and assets, through all views between."""
        return [node for node in self._made_of[name].values() if not isinstance(node, View)]

    def below(self, name: str) -> list[Source | Asset]:
        """The stored things that a name stands for: itself, or what a view is made of."""
        node = self._nodes[name]
        return self.inputs(name) if isinstance(node, View) else [node]

    def views(self, name: str) -> list[View]:
        """The views between an asset and the stored things that it is made of."""
        return [node for node in self._made_of[name].values() if isinstance(node, View)]

    def upstream_assets(self, name: str) -> list[str]:
        """The assets that an asset reads, through views, but not through other assets."""
        return [node.name for node in self.inputs(name) if isinstance(node, Asset)]

    def with_upstream(self, names: Iterable[str]) -> list[Asset]:
        """These assets and all that they are made of, each after what it reads."""
        wanted: set[str] = set()
        pending = list(names)
        while pending:
            name = pending.pop()
            if name not in wanted:
                wanted.add(name)
                pending += self.upstream_assets(name)
        return [asset for asset in self.assets() if asset.name in wanted]

    def needed_by(self, source: str) -> str:
        """Who reads a source: the way to one asset, and the names of the others."""
        readers = [asset.name for asset in self.assets() if source in {node.name for node in self.inputs(asset.name)}]
        if not readers:
            return "nothing"
        others = f"; also by {_some(readers[1:])}" if readers[1:] else ""
        return self.path(source, readers[0]) + others

    def path(self, source: str, asset: str) -> str:
        """The shortest way of a source to an asset: ``stg_orders -> monthly_orders``, the source itself left out."""
        reader: dict[str, str] = {}
        pending = [asset]
        while source not in reader:
            name = pending.pop(0)
            found = [below for below in self.reads(name) if below not in reader]
            reader |= dict.fromkeys(found, name)
            pending += found
        trail = [reader[source]]
        while trail[-1] != asset:
            trail.append(reader[trail[-1]])
        return " -> ".join(trail)


def _reads(node: Node) -> tuple[str, ...]:
    return () if isinstance(node, Source) else node.reads


def _hint(name: str, names: Iterable[str]) -> str:
    close = nearest(name, names)
    return f"did you mean {close!r}? " if close else ""


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_NAMES_SHOWN]) + (" …" if len(names) > _NAMES_SHOWN else "")


def partitions_of(node: Node) -> Partitions | None:
    """The partitions of something that is stored by key: an asset, or the Hive folders of others."""
    return None if isinstance(node, View) else node.partitions


def _told(node: Node, names: Collection[str]) -> Node:
    """A declaration with what it reads; of a query, those of the declared names that it has as tables."""
    if not isinstance(node, Asset) or node.query is None:
        return node
    from lakehouse.sql.text import tables_read  # only for lakes that have queries

    reads = tables_read(node.query, [name for name in names if name != node.name])
    if unread := [name for name in node.rules if name not in reads]:
        raise DefinitionError(
            f"asset {node.name!r} has a rule for {unread[0]!r}, which its query does not read ({node.where})",
            help=f"upstream= names tables of the query: {', '.join(reads)}",
        )
    return replace(node, reads=reads)


def _require_windows(asset: Asset, upstream: Node, rule: Rule | None) -> None:
    """Nothing, if a rule can hold for something that has no keys of its own."""
    if rule is None or isinstance(rule, All):
        return
    if not isinstance(rule, Periods):
        raise DefinitionError(f"{rule} names keys, and it has none", help="Periods(-2, 0) and All() go without")
    if asset.partitions.time is None:
        raise DefinitionError(f"{rule} counts windows of time, and the asset has none")
    if isinstance(upstream, Asset) or upstream.time is None:
        raise DefinitionError(
            f"{rule} counts windows of time, and it does not say when its rows were", help='declare it with time="…"'
        )
