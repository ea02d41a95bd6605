"""What reads what: the order of making, the things that an asset is made of, and what is wrong with the graph.

Knows declared names only. Refuses to know data, keys or state.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter

from lakehouse.assets import Asset, Definitions, Node, Source, View
from lakehouse.errors import AssetUnknownError, DefinitionError

__all__ = ["Graph", "nearest"]


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name that was most likely meant; None where none is alike."""
    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return close[0] if close else None


class Graph:
    """The checked graph of a lake's definitions.

    Raises:
        DefinitionError: for something that is read and not declared, and for a cycle; it gives file and line.
    """

    def __init__(self, definitions: Definitions) -> None:
        self._nodes: Mapping[str, Node] = dict(definitions.nodes)
        for node in self._nodes.values():
            for name in _reads(node):
                self._require(name, node)
        try:
            order = list(TopologicalSorter({name: _reads(node) for name, node in self._nodes.items()}).static_order())
        except CycleError as error:
            names = list(reversed(error.args[1]))
            raise DefinitionError(
                f"{' -> '.join(names)} is a cycle ({self._nodes[names[0]].where})",
                code="cycle",
                help="a thing cannot be made of itself: read an earlier step in one of them",
            ) from None
        self._order = {name: position for position, name in enumerate(order)}

    def _require(self, name: str, reader: Node) -> None:
        if name in self._nodes:
            return
        close = nearest(name, self._nodes)
        hint = f"did you mean {close!r}? " if close else ""
        raise DefinitionError(
            f"{reader.name!r} reads {name!r}, which is not declared ({reader.where})",
            code="upstream-unknown",
            help=f"{hint}a parameter's name is the name of a source, view or asset: {', '.join(self._nodes)}",
        )

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
        assets = [asset.name for asset in self.assets()]
        if node is not None:
            kind = "source" if isinstance(node, Source) else "view"
            raise AssetUnknownError(
                f"{name!r} is a {kind}, not an asset", help=f"Assets: {', '.join(assets)}", context={"name": name}
            )
        close = nearest(name, assets)
        hint = f"did you mean {close!r}? " if close else ""
        raise AssetUnknownError(
            f"no asset {name!r}", help=f"{hint}Assets: {', '.join(assets[:8])}", context={"name": name}
        )

    def assets(self) -> list[Asset]:
        """The assets, each after what it reads; otherwise in the order of declaration."""
        found = [node for node in self._nodes.values() if isinstance(node, Asset)]
        declared = {asset.name: position for position, asset in enumerate(found)}
        depth: dict[str, int] = {}
        for asset in sorted(found, key=lambda asset: self._order[asset.name]):
            depth[asset.name] = 1 + max((depth[name] for name in self.upstream_assets(asset.name)), default=0)
        return sorted(found, key=lambda asset: (depth[asset.name], declared[asset.name]))

    def reads(self, name: str) -> tuple[str, ...]:
        """What a thing reads itself, in the order of its parameters."""
        return _reads(self._nodes[name])

    def inputs(self, name: str) -> list[Source | Asset]:
        """The stored things that an asset or a view is made of: sources and assets, through all views between."""
        found: dict[str, Source | Asset] = {}
        pending = list(self.reads(name))
        while pending:
            node = self._nodes[pending.pop(0)]
            if isinstance(node, View):
                pending += self.reads(node.name)
            else:
                found[node.name] = node
        return list(found.values())

    def views(self, name: str) -> list[View]:
        """The views between an asset and the stored things that it is made of."""
        found: dict[str, View] = {}
        pending = list(self.reads(name))
        while pending:
            node = self._nodes[pending.pop(0)]
            if isinstance(node, View):
                found[node.name] = node
                pending += self.reads(node.name)
        return list(found.values())

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

    def path(self, source: str, asset: str) -> str:
        """How a source reaches an asset: ``stg_orders -> monthly_orders``, the source itself left out."""
        trail = [asset]
        while source not in self.reads(trail[0]):
            trail.insert(0, next(name for name in self.reads(trail[0]) if self._leads(source, name)))
        return " -> ".join(trail)

    def _leads(self, source: str, name: str) -> bool:
        return name != source and any(source == below or self._leads(source, below) for below in self.reads(name))


def _reads(node: Node) -> tuple[str, ...]:
    return () if isinstance(node, Source) else node.reads
