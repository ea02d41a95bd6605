"""What each partition of an asset is made of: the version of each thing that it reads, as it is now.

Knows versions; which keys are read it leaves to `upstreams`. Refuses to know states, or what was recorded.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, field

from lakehouse.assets import Asset, Source
from lakehouse.errors import SourceError
from lakehouse.graph import partitions_of
from lakehouse.mapping import Named
from lakehouse.records import Input
from lakehouse.rules import OWN, All, Periods
from lakehouse.selection import describe
from lakehouse.upstreams import Upstreams

__all__ = ["Inputs", "RowTable"]


class RowTable(Struct, frozen=True):
    """The rows that one argument of a function has for each key, as digests.

    Attributes:
        columns: the partition columns by which they are told apart.
        digests: by the values of those columns, in their order; keys without rows are left out.
    """

    columns: tuple[str, ...]
    digests: Mapping[tuple[str, ...], str]


class Inputs(Upstreams, eq=False):
    """What the partitions of a lake are made of, as one survey sees it."""

    _versions: dict[tuple[str, str, int], Input] = field(default_factory=dict)
    _spans: dict[tuple[str, int], str] = field(default_factory=dict)
    _sizes: dict[str, int] = field(default_factory=dict)
    _by_rows: dict[str, tuple[str, ...]] = field(default_factory=dict)
    _nodes: dict[str, list[Source | Asset]] = field(default_factory=dict)

    def forget(self, upstream: str) -> None:
        """An asset's log went on, or a source changed: what was told of it may be otherwise."""
        Upstreams.forget(self, upstream)
        self._sizes.pop(upstream, None)
        self._spans = {entry: text for entry, text in self._spans.items() if entry[0] != upstream}
        self._versions = {entry: found for entry, found in self._versions.items() if entry[1] != upstream}

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
        if not isinstance(rule, Periods) or rule == OWN or (windows := partitions.time) is None:
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

    def upstream_bytes(self, asset: Asset, keys: Sequence[str] | None) -> int:
        """The size of the files of other assets that some keys read (None: of those that every key reads)."""
        total = 0
        for node in (node for node in self.survey.graph.inputs(asset.name) if isinstance(node, Asset)):
            if self.is_whole(asset, node):
                if node.name not in self._sizes:
                    self._sizes[node.name] = self._size_of(node, self.whole(node)[0].keys)
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
        is_cut = source.name in asset.reads and not self.is_whole(asset, source) and rule in (None, OWN)
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
