"""What a lake is at one moment: logs, code, sources and files, and from them the state of each partition.

Knows where to look, and looks once. Refuses to decide: `staleness.decide` does that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from lakehouse import layout
from lakehouse.assetcode import Code, code_of
from lakehouse.assets import Asset, Source
from lakehouse.disk import Disk
from lakehouse.errors import DefinitionError, SourceError
from lakehouse.fold import Fold
from lakehouse.graph import Graph
from lakehouse.log import Log
from lakehouse.projection import FileState, compare, let_go, projected
from lakehouse.reasons import ago, explain
from lakehouse.records import Input, Version
from lakehouse.sources import DigestCache, SourceNow, look_at
from lakehouse.staleness import Now, State, decide
from lakehouse.storage_errors import storage_errors

__all__ = ["Survey"]

_DIGESTS: Final = f"{layout.cache_folder()}/digests.json"


@dataclass(slots=True, kw_only=True)
class Survey:
    """One look at a lake.

    Attributes:
        graph: its definitions.
        disk: its files.
        base: the project's folder, against which sources resolve.
        time: the present instant.
        opaque: the lake's own objects by id, which stand for themselves in code versions.
        problems: sources that could not be looked at.
    """

    graph: Graph
    disk: Disk
    base: Path
    time: datetime
    opaque: Mapping[int, str]
    problems: dict[str, SourceError] = field(default_factory=dict)
    _folds: dict[str, Fold] = field(default_factory=dict)
    _behind: dict[str, bool] = field(default_factory=dict)
    _let_go: dict[str, Mapping[str, Sequence[Version]]] = field(default_factory=dict)
    _codes: dict[str, Code] = field(default_factory=dict)
    _declared: dict[str, frozenset[str]] = field(default_factory=dict)
    _sources: dict[str, SourceNow] = field(default_factory=dict)
    _states: dict[tuple[str, str], State] = field(default_factory=dict)
    _wholes: dict[str, tuple[list[str], Input]] = field(default_factory=dict)
    _due_wholes: dict[str, bool] = field(default_factory=dict)
    _cache: DigestCache | None = None

    def log(self, asset: str) -> Log:
        """The asset's log."""
        return Log(self.disk, asset)

    def fold(self, asset: str) -> Fold:
        """The state of the asset's log, as of the first look or the last `note`.

        Raises:
            DefinitionError: its keys meant something else when they were recorded.
            StorageError: the log cannot be read.
        """
        if asset not in self._folds:
            with storage_errors(self.disk.root, "reading the log"):
                fold = self.log(asset).read()
            _require_same_keys(self.graph.asset(asset), fold)
            self._take(fold)
        return self._folds[asset]

    def note(self, fold: Fold) -> None:
        """Take the asset's log as it is now; states that were told before are told anew."""
        self._take(fold)
        below = {
            asset.name
            for asset in self.graph.assets()
            if any(upper.name == fold.asset for upper in self.graph.with_upstream([asset.name]))
        }
        self._states = {known: state for known, state in self._states.items() if known[0] not in below}
        self._wholes.clear()
        self._due_wholes.clear()

    def _take(self, fold: Fold) -> None:
        self._folds[fold.asset] = fold
        self._behind[fold.asset] = projected(self.disk, fold.asset) < fold.number
        self._let_go.pop(fold.asset, None)

    def _catch_up(self, asset: str) -> bool:
        """Whether another run has committed since the asset's log was read; if so, its commits are taken."""
        fold = self.fold(asset)
        before = fold.number
        self.log(asset).extend(fold)
        if fold.number == before:
            return False
        self.note(fold)
        return True

    def is_behind(self, asset: str) -> bool:
        """Whether commits of the log are not yet projected onto the Hive tree."""
        self.fold(asset)
        return self._behind[asset]

    def source(self, name: str, *, again: bool = False) -> SourceNow:
        """A source as it is; ``again`` looks anew.

        Raises:
            SourceError: it is missing or cannot be read; it is then among `problems`.
        """
        if again:
            self._sources.pop(name, None)
            self.problems.pop(name, None)
        if (problem := self.problems.get(name)) is not None:
            raise problem.with_traceback(None)  # or each time that it is raised would lengthen it
        if name not in self._sources:
            node = self.graph.node(name)
            assert isinstance(node, Source)  # noqa: S101  the graph's inputs say so
            try:
                self._sources[name] = look_at(node, self.base, self._digests(), lambda: self._needed_by(name))
            except SourceError as error:
                self.problems[name] = error
                raise
        return self._sources[name]

    def _needed_by(self, source: str) -> str:
        readers = [
            asset.name for asset in self.graph.assets() if source in {i.name for i in self.graph.inputs(asset.name)}
        ]
        return self.graph.path(source, readers[0]) if readers else "nothing"

    def _digests(self) -> DigestCache:
        if self._cache is None:
            try:
                self._cache = DigestCache.from_json(self.disk.path(_DIGESTS).read_bytes())
            except OSError:
                self._cache = DigestCache()
        return self._cache

    def keep_digests(self) -> None:
        """Keep what was read of sources, so that the next command need not read it."""
        if self._cache is not None and self._cache.is_changed and self.disk.path(layout.BOOKKEEPING).is_dir():
            self.disk.cache(self.disk.path(_DIGESTS), self._cache.to_json())
            self._cache.is_changed = False

    def code(self, asset: Asset) -> Code:
        """The code version of an asset: its function, the views and the declarations between it and stored data.

        Raises:
            DefinitionError: the function uses something whose version cannot be told.
        """
        if asset.name not in self._codes:
            self._codes[asset.name] = code_of(asset, self.graph, opaque=self.opaque)
        return self._codes[asset.name]

    def inputs(self, asset: Asset, key: str) -> dict[str, Input]:
        """The present version of each thing that one partition is made of.

        Raises:
            SourceError: a source is missing or cannot be read.
        """
        return {node.name: self._input(asset, node, key) for node in self.graph.inputs(asset.name)}

    def _inputs_or_unknown(self, asset: Asset, key: str) -> dict[str, Input]:
        found = {}
        for node in self.graph.inputs(asset.name):
            try:
                found[node.name] = self._input(asset, node, key)
            except SourceError:
                found[node.name] = Input(kind="source", version=None)
        return found

    def _input(self, asset: Asset, node: Source | Asset, key: str) -> Input:
        if isinstance(node, Source):
            return Input(kind="source", version=self.source(node.name).version)
        if not self.reads_all(asset, node):
            return self._version_of(node, [key])
        return self._whole(node)[1]

    def _whole(self, upstream: Asset) -> tuple[list[str], Input]:
        """All keys of an upstream asset that were made, and their version: what a view over it sees."""
        if upstream.name not in self._wholes:
            keys = self.fold(upstream.name).keys.items()
            made = sorted(key for key, known in keys if known.version is not None)
            self._wholes[upstream.name] = made, self._version_of(upstream, made)
        return self._wholes[upstream.name]

    def _version_of(self, upstream: Asset, keys: Iterable[str]) -> Input:
        fold = self.fold(upstream.name)
        versions = [(key, version.digest) for key in keys if (version := fold.key(key).version) is not None]
        digest = hashlib.sha256(json.dumps(versions).encode()).hexdigest()
        return Input(kind="asset", version=digest, position=fold.number)

    def reads_all(self, asset: Asset, upstream: Asset) -> bool:
        """Whether a view stands between two assets: it sees all partitions of the upstream."""
        return any(upstream.name in view.reads for view in self.graph.views(asset.name))

    def upstream_keys(self, asset: Asset, upstream: Asset, keys: Iterable[str]) -> list[str]:
        """The keys of an upstream asset that some keys read, in time order.

        These are the same keys, as far as the upstream has them; and, where a view reads it, all that were made.
        """
        found = {key for key in keys if self.is_declared(upstream, key)}
        if self.reads_all(asset, upstream):
            found.update(key for key in self._whole(upstream)[0] if self.is_declared(upstream, key))
        return sorted(found, key=upstream.partitions.index)

    def is_declared(self, asset: Asset, key: str) -> bool:
        """Whether the definition has a key by now, be its window still open."""
        if asset.name not in self._declared:
            self._declared[asset.name] = frozenset(asset.partitions.keys(self.time, include_current=True))
        return key in self._declared[asset.name]

    def state(self, asset: Asset, key: str) -> State:
        """The state of one partition, with its reasons."""
        if (asset.name, key) not in self._states:
            file = self._file(asset, key)  # first, for it may find that the log has gone on
            fold, code = self.fold(asset.name), self.code(asset)
            now = Now(
                code=code.digest,
                code_parts=code.parts,
                stale_upstream=self._stale_upstream(asset, key),
                inputs=self._inputs_or_unknown(asset, key),
                schema=fold.schema,
                time=self.time,
            )
            self._states[asset.name, key] = decide(
                fold.key(key),
                file,
                now=now,
                window_end=asset.partitions.window(key).end,
                code_parts=fold.code_parts(key),
                is_declared=self.is_declared(asset, key),
            )
        return self._states[asset.name, key]

    def reason(self, state: State) -> str:
        """A state in words, with what became of each source."""

        def source(name: str) -> str:
            node = self.graph.node(name)
            assert isinstance(node, Source)  # noqa: S101  the cause says so
            if (problem := self.problems.get(name)) is not None:
                return problem.message
            return f"{node.path} changed {ago(self.source(name).changed, self.time)}"

        return explain(state, source=source)

    def _stale_upstream(self, asset: Asset, key: str) -> list[str]:
        return [
            node.name
            for node in self.graph.inputs(asset.name)
            if isinstance(node, Asset) and self._is_due(asset, node, key)
        ]

    def _is_due(self, asset: Asset, upstream: Asset, key: str) -> bool:
        """Whether any upstream partition that a key reads is to be made itself."""
        if upstream.name in asset.reads and self._is_to_be_made(upstream, key):
            return True
        if not self.reads_all(asset, upstream):
            return False
        if upstream.name not in self._due_wholes:
            due = any(self._is_to_be_made(upstream, upper) for upper in self._whole(upstream)[0])
            self._due_wholes[upstream.name] = due
        return self._due_wholes[upstream.name]

    def _is_to_be_made(self, asset: Asset, key: str) -> bool:
        """Whether a partition is due and the definition still has it; what it no longer has is read as it was."""
        return self.is_declared(asset, key) and self.state(asset, key).is_due

    def file(self, asset: Asset, key: str) -> Path:
        """Where a partition's file stands in the Hive tree."""
        partition = layout.partition_path(asset.partitions.columns, asset.partitions.values(key))
        return self.disk.path(layout.hive_file(asset.name, partition))

    def _file(self, asset: Asset, key: str) -> FileState:
        """Whether the Hive tree holds what the log names; a step that is due counts as taken."""
        file = self.file(asset, key)
        with storage_errors(self.disk.root, "looking at the files"):
            while True:
                known = self.fold(asset.name).key(key)
                state = compare(file, [known.version] if known.version else [])
                if state != "same" and known.version and self.is_behind(asset.name):
                    older = [*(item.version for item in known.superseded), *self._leaving(asset.name, key)]
                    state = "other" if state == "other" and compare(file, older) == "other" else "same"
                # Whoever changes a file commits first: if it was another run, the log says so by now.
                if state != "other" or not self._catch_up(asset.name):
                    return state

    def _leaving(self, asset: str, key: str) -> Sequence[Version]:
        """The versions of a key that are let go once the Hive tree follows the log."""
        if asset not in self._let_go:
            self._let_go[asset] = let_go(self.log(asset), self.fold(asset))
        return self._let_go[asset].get(key, ())


def _require_same_keys(asset: Asset, fold: Fold) -> None:
    then, now = dict(fold.partitions), asset.partitions.describe()
    if differing := [name for name in {**now, **then} if then and then.get(name) != now.get(name)]:
        raise DefinitionError(
            f"{asset.name}: its partitions were made with other {' and '.join(differing)} ({asset.where})",
            code="partitions-changed",
            details=[f"{name}: {then.get(name)} became {now.get(name)}" for name in differing],
            help="give the asset another name, or put it back; what was made stays readable",
        )
