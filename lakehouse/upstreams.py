"""Which upstream keys each key of an asset reads: by the rule between their definitions, of those that there are.

Knows rules, logs and folders. Refuses to know versions or states.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field
from msgspec.structs import replace

from lakehouse.assets import Asset, Node, Source
from lakehouse.errors import DefinitionError, PartitionKeyError
from lakehouse.graph import partitions_of
from lakehouse.mapping import Link, Named
from lakehouse.rules import Keys, Latest
from lakehouse.selection import describe

if TYPE_CHECKING:
    from lakehouse.survey import Survey

__all__ = ["Upstreams"]


class Upstreams(Struct, eq=False):
    """What reads what, key by key, as one survey sees it."""

    survey: Survey
    _links: dict[tuple[str, str], Link | None] = field(default_factory=dict)
    _reads: dict[tuple[str, str, str | None], Named] = field(default_factory=dict)
    _left_over: dict[tuple[str, str], Mapping[str | None, list[str]]] = field(default_factory=dict)
    _wholes: dict[str, tuple[Named, frozenset[str]]] = field(default_factory=dict)
    _seen_whole: dict[str, frozenset[str]] = field(default_factory=dict)

    def forget(self, upstream: str) -> None:
        """An asset's log went on, or a source changed: what was told of it may be otherwise."""
        self._wholes.pop(upstream, None)
        self._left_over = {entry: found for entry, found in self._left_over.items() if upstream not in entry}
        self._reads = {entry: named for entry, named in self._reads.items() if entry[1] != upstream}
        for pair in [pair for pair in self._links if upstream in pair]:
            del self._links[pair]

    def link(self, asset: Asset, node: Node) -> Link | None:
        """How an asset's keys read those of something that it is made of; None where that has none."""
        if (asset.name, node.name) not in self._links:
            graph, told = self.survey.graph, {asset.name: self.survey.partitions(asset)}
            if isinstance(node, Asset):
                told[node.name] = self.survey.partitions(node)
            elif isinstance(node, Source) and node.partitions is not None:
                told[node.name] = self.survey.sources.partitions(node)
            found: Link | None = None
            try:
                found = graph.link(asset, node, told) if partitions_of(node) is not None else None
            except DefinitionError:
                if node.name in asset.reads:
                    raise
            self._links[asset.name, node.name] = found
        return self._links[asset.name, node.name]

    def reads(self, asset: Asset, node: Source | Asset, key: str) -> Named:
        """The upstream keys that one key reads, of those that there are; and what it asks for beyond them.

        Where a view stands between, these are all that there are, and those that the key reads by the rule.
        """
        link, is_whole = self.link(asset, node), self.is_whole(asset, node)
        if link is not None and link.is_same_key and not is_whole and self._is_made(node, key):
            return Named((key,))
        shared = link is None or link.is_shared
        # A window that still runs is read by what is made while it runs; for the rest it is not there, unless made.
        runs = not shared and not self.survey.is_listed(asset, key)
        if link is not None and link.is_same_key and not is_whole and self._is_there(node, key, runs=runs):
            return Named((key,))
        entry = asset.name, node.name, None if shared else key
        if entry not in self._reads:
            named = link.named(key, self.survey.time) if link else Named(())
            if link is not None and (orphans := self._orphans(asset, node, link).get(None if shared else key)):
                # What the upstream's definition no longer has is still its data, until somebody wipes it.
                named = replace(named, keys=tuple(sorted({*named.keys, *orphans}, key=link.upstream.order)))
            there = tuple(upper for upper in named.keys if self._is_there(node, upper, runs=runs))
            found = self._told(asset, node, named, there, runs=runs)
            self._reads[entry] = self._with_whole(node, found) if is_whole else found
        return self._reads[entry]

    def _runs(self, link: Link, upper: str) -> bool:
        """Whether the window of an upstream key is not over."""
        window = link.upstream.window(upper)
        return window is not None and window.end > self.survey.time

    def _orphans(self, asset: Asset, node: Source | Asset, link: Link) -> Mapping[str | None, list[str]]:
        """By the key that reads them (None: every key), upstream keys that were made and are no longer defined."""
        entry = asset.name, node.name
        if entry not in self._left_over:
            found: dict[str | None, list[str]] = {}
            if isinstance(node, Asset) and not isinstance(link.rule, Keys | Latest):
                made = self.whole(node)[0].keys
                orphans = [upper for upper in made if not self.survey.is_declared(node, upper)]
                wide = link if link.is_shared or not orphans else link.widened(orphans)
                for upper in orphans:
                    for key in [None] if link.is_shared else self._readers(wide, upper):
                        found.setdefault(key, []).append(upper)
            self._left_over[entry] = found
        return self._left_over[entry]

    def _readers(self, link: Link, upper: str) -> list[str]:
        try:
            return link.readers(upper, self.survey.time)
        except PartitionKeyError:  # a key of other dimensions
            return []

    def _with_whole(self, node: Source | Asset, named: Named) -> Named:
        """What a key reads, and all else that there is; one answer for all keys that read nothing more."""
        whole, known = self.whole(node)
        if not named.beyond and not named.pending and known.issuperset(named.keys):
            return whole
        keys = tuple(sorted({*named.keys, *known}, key=self._order(node)))
        return Named(keys, named.beyond, named.pending)

    def _told(self, asset: Asset, node: Source | Asset, named: Named, there: tuple[str, ...], *, runs: bool) -> Named:
        """What is read, with what the rule names and there is not."""
        link, known = self.link(asset, node), frozenset(there)
        lacking = [upper for upper in named.keys if upper not in known]
        if link is None or node.name not in asset.reads or not (lacking or named.beyond):
            return Named(there)
        if not link.is_by_window:  # which windows it reads is none of the key's business: those that have ended
            lacking = [upper for upper in lacking if not self._runs(link, upper)]
        pending = ""
        if link.is_by_window and isinstance(node, Asset) and not runs:
            pending = next((upper for upper in lacking if self._runs(link, upper)), "")
        beyond = named.beyond or (f"no {describe(lacking, link.upstream)}" if lacking else "")
        return Named(there, beyond, pending)

    def is_whole(self, asset: Asset, node: Source | Asset) -> bool:
        """Whether a view stands between two things: it sees all partitions of the upstream."""
        if asset.name not in self._seen_whole:
            views = self.survey.graph.views(asset.name)
            self._seen_whole[asset.name] = frozenset(name for view in views for name in view.reads)
        return node.name in self._seen_whole[asset.name]

    def upstream_keys(self, asset: Asset, upstream: Asset, keys: Iterable[str]) -> list[str]:
        """The keys of an upstream asset that some keys read and its definition has, in order."""
        found: dict[str, None] = {}
        seen: set[int] = set()
        for key in keys:
            named = self.reads(asset, upstream, key)
            if len(named.keys) == 1:
                found[named.keys[0]] = None
            elif id(named) not in seen:  # many keys may share one answer, which lives on in `_reads`
                seen.add(id(named))
                found |= dict.fromkeys(named.keys)
        declared = (key for key in found if self.survey.is_declared(upstream, key))
        return sorted(declared, key=self.survey.partitions(upstream).order)

    def _is_there(self, node: Source | Asset, key: str, *, runs: bool) -> bool:
        if isinstance(node, Source):
            return key in self._folders(node)
        if self._is_made(node, key):
            return True
        return self.survey.is_declared(node, key) if runs else self.survey.is_listed(node, key)

    def _is_made(self, node: Source | Asset, key: str) -> bool:
        return isinstance(node, Asset) and self.survey.fold(node.name).key(key).version is not None

    def _folders(self, source: Source) -> frozenset[str]:
        return self.survey.sources.keys(source.name)

    def whole(self, node: Source | Asset) -> tuple[Named, frozenset[str]]:
        """All keys that there are: what a view sees."""
        if node.name not in self._wholes:
            if isinstance(node, Asset):
                keys = self.survey.fold(node.name).keys.items()
                found = frozenset(key for key, known in keys if known.version is not None)
            else:
                found = self._folders(node)
            self._wholes[node.name] = Named(tuple(sorted(found, key=self._order(node)))), found
        return self._wholes[node.name]

    def _order(self, node: Source | Asset) -> Callable[[str], Any]:
        found = self.survey.partitions(node) if isinstance(node, Asset) else partitions_of(node)
        assert found is not None  # noqa: S101  the caller has looked
        return found.order
