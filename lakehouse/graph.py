"""What reads what: the order of making, the things that an asset is made of, and what is wrong with the graph.

Knows declared names only. Refuses to know data, keys or state.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from lakehouse.assets import Asset, Definitions, Node, Source, View
from lakehouse.errors import AssetUnknownError, DefinitionError

__all__ = ["Graph", "nearest"]

_NAMES_SHOWN = 8


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The name that was most likely meant; None where none is alike."""
    import difflib  # only for errors

    close = difflib.get_close_matches(name, list(names), n=1, cutoff=0.6)
    return close[0] if close else None


class Graph:
    """The checked graph of a lake's definitions.

    Raises:
        DefinitionError: for something that is read and not declared, for a cycle, and for an asset whose keys are not
            those of an asset that it reads; it gives file and line.
    """

    def __init__(self, definitions: Definitions) -> None:
        self._nodes: Mapping[str, Node] = dict(definitions.nodes)
        for node in self._nodes.values():
            for name in _reads(node):
                self._require(name, node)
        order = self._order()
        self._made_of = {name: self._through_views(name) for name in self._nodes}
        self._assets = self._by_depth(order)

    def _require(self, name: str, reader: Node) -> None:
        if name in self._nodes:
            if isinstance(reader, Asset) and isinstance(upstream := self._nodes[name], Asset):
                _require_same_keys(reader, upstream)
            return
        others = [other for other in self._nodes if other != reader.name]
        raise DefinitionError(
            f"{reader.name!r} reads {name!r}, which is not declared ({reader.where})",
            code="upstream-unknown",
            help=f"{_hint(name, others)}a parameter's name is the name of a source, view or asset: {_some(others)}",
        )

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


def _require_same_keys(reader: Asset, upstream: Asset) -> None:
    """Nothing, if a key means the same in both: an asset is handed the upstream partition of its own key."""
    own, other = reader.partitions.describe(), upstream.partitions.describe()
    if differing := [name for name in own if own[name] != other[name]]:
        raise DefinitionError(
            f"{reader.name!r} reads {upstream.name!r}, which has other {' and '.join(differing)} ({reader.where})",
            code="upstream-keys",
            details=[f"{name}: {own[name]}, and {upstream.name} has {other[name]}" for name in differing],
            help="give both the same, or read it through a view, which sees all of its partitions",
        )
