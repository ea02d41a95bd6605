"""The sources of a lake as one survey sees them: each looked at once, and again where it may have changed.

Knows who needs a source, and what was digested before. Refuses to know keys of assets, or what was recorded.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from lakehouse import layout
from lakehouse.assets import Asset, Source
from lakehouse.disk import Disk
from lakehouse.errors import SourceError
from lakehouse.graph import Graph
from lakehouse.partitions import Partitions
from lakehouse.sources.digestcache import DigestCache
from lakehouse.sources.look import look_at
from lakehouse.sources.now import SourceNow

__all__ = ["Seen"]

_DIGESTS: Final = f"{layout.cache_folder()}/digests.json"


class Seen(Struct, eq=False, kw_only=True):
    """Sources as they were when they were looked at.

    Attributes:
        graph: the lake's definitions.
        disk: the lake's files, where digests are kept.
        base: the project's folder, against which sources resolve.
        problems: by name, why a source could not be looked at.
    """

    graph: Graph
    disk: Disk
    base: Path
    problems: dict[str, SourceError] = field(default_factory=dict)
    _seen: dict[str, SourceNow] = field(default_factory=dict)
    _keys: dict[str, frozenset[str]] = field(default_factory=dict)
    _cache: DigestCache | None = None

    def now(self, name: str) -> SourceNow:
        """A source as it is.

        Raises:
            SourceError: it is missing or cannot be read; it is then among `problems`.
        """
        return self._look(name, None)

    def again(self, name: str) -> SourceNow:
        """A source as it is by now, looked at anew.

        Raises:
            SourceError: it is missing or cannot be read.
        """
        self._keys.pop(name, None)
        self.problems.pop(name, None)
        return self._look(name, self._seen.pop(name, None))

    def _look(self, name: str, known: SourceNow | None) -> SourceNow:
        if (problem := self.problems.get(name)) is not None:
            raise problem.with_traceback(None)  # or each time that it is raised would lengthen it
        if name not in self._seen:
            node = self.graph.node(name)
            assert isinstance(node, Source)  # noqa: S101  the graph's inputs say so
            try:
                self._seen[name] = look_at(
                    node, self.base, self._digests(), lambda: self.graph.needed_by(name), known=known
                )
            except SourceError as error:
                self.problems[name] = error
                raise
        return self._seen[name]

    def look_at_all(self, asset: Asset) -> None:
        """Look at what an asset is made of; what cannot be looked at is then among `problems`."""
        for node in self.graph.inputs(asset.name):
            if isinstance(node, Source):
                with contextlib.suppress(SourceError):
                    self.now(node.name)

    def is_as_it_was(self, names: Iterable[str]) -> bool:
        """Whether the sources that some names are made of have not changed since they were looked at."""
        nodes = (node for name in names for node in self.graph.below(name))
        return all(self.now(node.name).is_as_it_was for node in nodes if isinstance(node, Source))

    def keys(self, name: str) -> frozenset[str]:
        """The keys that a partitioned source has folders for; none where it cannot be looked at."""
        if name not in self._keys:
            try:
                self._keys[name] = frozenset(self.now(name).keys)
            except SourceError:
                self._keys[name] = frozenset()
        return self._keys[name]

    def partitions(self, source: Source) -> Partitions:
        """A partitioned source's, with the keys told that its folders have."""
        partitions = source.partitions
        assert partitions is not None  # noqa: S101  the caller has looked
        found: dict[str, dict[str, None]] = {column: {} for column in partitions.unknown_columns}
        for values in map(partitions.values, self.now(source.name).keys) if found else ():
            for column, value in zip(partitions.columns, values, strict=True):
                if column in found:
                    found[column][value] = None
        return partitions.with_keys({column: list(values) for column, values in found.items()})

    def keep_digests(self) -> None:
        """Keep what was read, so that the next command need not read it; only where there is a lake already."""
        is_lake = self.disk.path(layout.BOOKKEEPING).is_dir()
        if self._cache is not None and self._cache.is_changed and is_lake:
            self.disk.cache(self.disk.path(_DIGESTS), self._cache.to_json())
            self._cache.is_changed = False

    def _digests(self) -> DigestCache:
        if self._cache is None:
            try:
                self._cache = DigestCache.from_json(self.disk.path(_DIGESTS).read_bytes())
            except OSError:
                self._cache = DigestCache()
        return self._cache
