"""What each partition of an asset is made of: which upstream keys it reads, and the version of each thing now.

Knows rules and versions. Refuses to know states, or what was recorded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from lakehouse.assets import Asset, Node, Source
from lakehouse.errors import DefinitionError, PartitionKeyError, SourceError
from lakehouse.graph import partitions_of
from lakehouse.mapping import All, Keys, Latest, Link, Named, Periods
from lakehouse.records import Input
from lakehouse.selection import describe

if TYPE_CHECKING:
    from lakehouse.survey import Survey

__all__ = ["Inputs", "RowTable"]

_OWN: Final = Periods(0, 0)


@dataclass(frozen=True, slots=True)
class RowTable:
    """The rows that one argument of a function has for each key, as digests.

    Attributes:
        columns: the partition columns by which they are told apart.
        digests: by the values of those columns, in their order; keys without rows are left out.
    """

    columns: tuple[str, ...]
    digests: Mapping[tuple[str, ...], str]


@dataclass(slots=True, eq=False, repr=False)
class Inputs:
    """What the partitions of a lake are made of, as one survey sees it."""

    survey: Survey
    _links: dict[tuple[str, str], Link | None] = field(default_factory=dict)
    _reads: dict[tuple[str, str, str | None], Named] = field(default_factory=dict)
    _versions: dict[tuple[str, str, int], Input] = field(default_factory=dict)
    _spans: dict[tuple[str, int], str] = field(default_factory=dict)
    _sizes: dict[str, int] = field(default_factory=dict)
    _left_over: dict[tuple[str, str], Mapping[str | None, list[str]]] = field(default_factory=dict)
    _wholes: dict[str, tuple[Named, frozenset[str]]] = field(default_factory=dict)
    _by_rows: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _nodes: dict[str, list[Source | Asset]] = field(default_factory=dict)
    _seen_whole: dict[str, frozenset[str]] = field(default_factory=dict)

    def forget(self, upstream: str) -> None:
        """An asset's log went on: what was told of it may be otherwise."""
        self._wholes.pop(upstream, None)
        self._left_over = {entry: found for entry, found in self._left_over.items() if entry[1] != upstream}
        self._sizes.pop(upstream, None)
        self._spans = {entry: text for entry, text in self._spans.items() if entry[0] != upstream}
        self._reads = {entry: named for entry, named in self._reads.items() if entry[1] != upstream}
        self._versions = {entry: found for entry, found in self._versions.items() if entry[1] != upstream}
        for pair in [pair for pair in self._links if upstream in pair]:
            del self._links[pair]

    # Which keys

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
                made = self._whole(node)[0].keys
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
        whole, known = self._whole(node)
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

    def _whole(self, node: Source | Asset) -> tuple[Named, frozenset[str]]:
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

    # Which versions

    def of(self, asset: Asset, key: str, *, described: bool = False) -> dict[str, Input]:
        """The present version of each thing that one partition is made of.

        Args:
            asset: whose it is.
            key: which.
            described: whether to say in words which upstream keys were read, for the record.

        Raises:
            SourceError: a source is missing or cannot be read.
        """
        found = {node.name: self._version(asset, node, key, described=described) for node in self._stored(asset)}
        return found | {name: self._rows(asset, name, key) for name in self.by_rows(asset)}

    def of_or_unknown(self, asset: Asset, key: str) -> dict[str, Input]:
        """The same, where what cannot be told is of unknown version."""
        found: dict[str, Input] = {}
        for node in self._stored(asset):
            try:
                found[node.name] = self._version(asset, node, key)
            except SourceError:
                found[node.name] = Input(kind="source", version=None)
        for name in self.by_rows(asset):
            try:
                found[name] = self._rows(asset, name, key)
            except SourceError:
                found[name] = Input(kind="rows", version=None)
        return found

    def by_rows(self, asset: Asset) -> tuple[str, ...]:
        """The arguments of an asset's function of which the rows themselves are versioned, key by key."""
        if asset.name not in self._by_rows:
            graph, has_keys = self.survey.graph, bool(asset.partitions.columns)
            self._by_rows[asset.name] = tuple(
                name
                for name in asset.reads
                if has_keys
                and partitions_of(graph.node(name)) is None
                and not isinstance(asset.rules.get(name), All)
                and any(isinstance(node, Source) and node.track == "rows" for node in graph.below(name))
            )
        return self._by_rows[asset.name]

    def row_keys(self, asset: Asset, name: str) -> list[str]:
        """The keys of which an argument's rows are versioned: all that there are, and those that a rule reaches."""
        partitions, rule = self.survey.partitions(asset), asset.rules.get(name)
        keys = partitions.keys(self.survey.time, include_current=True)
        if not isinstance(rule, Periods) or rule == _OWN or (windows := partitions.time) is None:
            return keys
        place, found = partitions.columns.index(windows.column), dict[str, None]()
        for values in map(partitions.values, keys):
            for number in range(rule.first, rule.last + 1):
                around = [*values[:place], windows.shift(values[place], number), *values[place + 1 :]]
                found[partitions.key(around)] = None
        return list(found)

    def sources_of(self, name: str) -> list[Source]:
        """The sources that something is made of, those first by whose rows it is versioned."""
        found = [node for node in self.survey.graph.below(name) if isinstance(node, Source)]
        return sorted(found, key=lambda source: source.track != "rows")

    def _stored(self, asset: Asset) -> list[Source | Asset]:
        """The stored things that are versioned themselves; not the sources that are, wherever read, by their rows."""
        if asset.name not in self._nodes:
            graph, by_rows = self.survey.graph, self.by_rows(asset)
            elsewhere = {node.name for name in asset.reads if name not in by_rows for node in graph.below(name)}
            nodes = graph.inputs(asset.name)
            self._nodes[asset.name] = [n for n in nodes if isinstance(n, Asset) or n.name in elsewhere]
        return self._nodes[asset.name]

    def _version(self, asset: Asset, node: Source | Asset, key: str, *, described: bool = False) -> Input:
        if isinstance(node, Source) and node.partitions is None:
            return Input(kind="source", version=self._source_version(asset, node, key))
        link, named = self.link(asset, node), self.reads(asset, node, key)
        if len(named.keys) == 1:
            found = self._version_of(node, named.keys)
        else:  # many keys may share one answer, which lives on in `_reads`
            entry = asset.name, node.name, id(named)
            if entry not in self._versions:
                self._versions[entry] = self._version_of(node, named.keys)
            found = self._versions[entry]
        if not described or (link and link.is_same_key and not self.is_whole(asset, node)):
            return found if not (described and named.beyond) else _with(found, None, named.beyond)
        return _with(found, self._described(node, named), named.beyond)

    def size_bytes(self, asset: Asset, keys: Sequence[str] | None) -> int:
        """The size of all the files that some keys read.

        Raises:
            SourceError: a source is missing or cannot be read.
        """
        total = 0
        for node in self.survey.graph.inputs(asset.name):
            if isinstance(node, Source):
                total += self.survey.source_for(asset, node, keys).size_bytes
            elif self.is_whole(asset, node):
                if node.name not in self._sizes:
                    self._sizes[node.name] = self._size_of(node, self._whole(node)[0].keys)
                total += self._sizes[node.name]
            else:
                read = {upper for key in keys or () for upper in self.reads(asset, node, key).keys}
                total += self._size_of(node, read)
        return total

    def _size_of(self, asset: Asset, keys: Iterable[str]) -> int:
        fold = self.survey.fold(asset.name)
        versions = (fold.key(key).version for key in keys)
        return sum(version.size_bytes for version in versions if version is not None)

    def _described(self, node: Source | Asset, named: Named) -> str:
        partitions = self.survey.partitions(node) if isinstance(node, Asset) else node.partitions
        assert partitions is not None  # noqa: S101  the caller has looked
        if len(named.keys) == 1:
            return describe(named.keys, partitions)
        if (node.name, id(named)) not in self._spans:  # many keys may share one answer
            self._spans[node.name, id(named)] = describe(named.keys, partitions)
        return self._spans[node.name, id(named)]

    def _version_of(self, node: Source | Asset, keys: Sequence[str]) -> Input:
        if isinstance(node, Asset):
            fold = self.survey.fold(node.name)
            known = ((key, fold.key(key).version) for key in keys)
            versions = [(key, version.digest) for key, version in known if version is not None]
            return Input(kind="asset", version=_digest(versions), position=fold.number)
        now = self.survey.sources.now(node.name)
        found = [(key, now.version_of(key)) for key in keys]
        return Input(kind="source", version=None if any(one is None for _, one in found) else _digest(found))

    def _source_version(self, asset: Asset, source: Source, key: str) -> str | None:
        """The version of a source's files: of those that can hold rows of the key, where that is cheap to tell."""
        now, windows = self.survey.sources.now(source.name), asset.partitions.time
        rule = asset.rules.get(source.name)
        is_cut = source.name in asset.reads and not self.is_whole(asset, source) and rule in (None, _OWN)
        is_told = source.format == "parquet" and source.is_glob and source.time is not None
        if not is_told or windows is None or not is_cut:
            return now.version
        window = asset.partitions.window(key)
        assert window is not None  # noqa: S101  there is a time dimension
        return now.version_of_windows([(window.start, window.end)])

    def _rows(self, asset: Asset, name: str, key: str) -> Input:
        table = self.survey.rows.table(asset, name)
        if table is None:
            return Input(kind="rows", version=None)
        partitions, rule = asset.partitions, asset.rules.get(name)
        values = dict(zip(partitions.columns, partitions.values(key), strict=True))
        around = [values]
        if isinstance(rule, Periods) and (windows := partitions.time) is not None:
            numbers = range(rule.first, rule.last + 1)
            own = values[windows.column]
            around = [{**values, windows.column: windows.shift(own, number)} for number in numbers]
        found = [table.digests.get(tuple(each[column] for column in table.columns), "") for each in around]
        return Input(kind="rows", version=found[0] if len(found) == 1 else _digest(found))


def _digest(content: object) -> str:
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _with(found: Input, keys: str | None, absent: str) -> Input:
    return Input(kind=found.kind, version=found.version, position=found.position, keys=keys, absent=absent)
