"""What a lake is at one moment: logs, code, sources and files, and from them the state of each partition.

Knows where to look, and looks once. Refuses to decide: `staleness.decide` does that.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from lakehouse import layout
from lakehouse.assets import Asset, Source
from lakehouse.disk import Disk
from lakehouse.errors import DefinitionError, SourceError
from lakehouse.fold import Fold, KeyState
from lakehouse.graph import Graph
from lakehouse.log import Log
from lakehouse.projection import FileState, compare, projected
from lakehouse.records import Input
from lakehouse.sources import DigestCache, SourceNow, look_at
from lakehouse.staleness import Now, State, decide
from lakehouse.versions import code_version, digest_of, value_digest

__all__ = ["Code", "Survey"]

_DIGESTS: Final = f"{layout.cache_folder()}/digests.json"


@dataclass(frozen=True, slots=True)
class Code:
    """The version of everything that computes an asset.

    Attributes:
        digest: over all parts.
        parts: each function, view and declaration, with its own digest.
    """

    digest: str
    parts: Mapping[str, str]


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
    _codes: dict[str, Code] = field(default_factory=dict)
    _sources: dict[str, SourceNow] = field(default_factory=dict)
    _states: dict[tuple[str, str], State] = field(default_factory=dict)
    _cache: DigestCache | None = None

    def log(self, asset: str) -> Log:
        """The asset's log."""
        return Log(self.disk, asset)

    def fold(self, asset: str) -> Fold:
        """The state of the asset's log, as of the first look or the last `note`.

        Raises:
            DefinitionError: its keys meant something else when they were recorded.
        """
        if asset not in self._folds:
            self.note(self.log(asset).read())
            self._require_same_keys(self.graph.asset(asset), self._folds[asset])
        return self._folds[asset]

    def note(self, fold: Fold) -> None:
        """Take the asset's log as it is now; states that were told before are told anew."""
        self._folds[fold.asset] = fold
        self._behind[fold.asset] = projected(self.disk, fold.asset) < fold.number
        below = {asset.name for asset in self.graph.assets() if self._is_made_of(asset, fold.asset)}
        self._states = {known: state for known, state in self._states.items() if known[0] not in below}

    def _is_made_of(self, asset: Asset, upstream: str) -> bool:
        return upstream in {upper.name for upper in self.graph.with_upstream([asset.name])}

    def _require_same_keys(self, asset: Asset, fold: Fold) -> None:
        present = asset.partitions.describe()
        if fold.partitions and dict(fold.partitions) != present:
            then, now = dict(fold.partitions), dict(present)
            differing = [name for name in now if then.get(name) != now[name]]
            raise DefinitionError(
                f"{asset.name}: its partitions were made with other {' and '.join(differing)} ({asset.where})",
                code="partitions-changed",
                details=[f"{name}: {then.get(name)} became {now[name]}" for name in differing],
                help="give the asset another name, or put it back; what was made stays readable",
            )

    def is_behind(self, asset: str) -> bool:
        """Whether commits of the log are not yet projected onto the Hive tree."""
        self.fold(asset)
        return self._behind[asset]

    def source(self, name: str, *, again: bool = False) -> SourceNow:
        """A source as it is; ``again`` looks anew.

        Raises:
            SourceError: it is missing or cannot be read.
        """
        if again or name not in self._sources:
            node = self.graph.node(name)
            assert isinstance(node, Source)  # noqa: S101  the graph's inputs say so
            self._sources[name] = look_at(node, self.base, self._digests(), lambda: self._needed_by(name))
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
            parts = {
                "partitions": digest_of(asset.partitions.describe()),
                "sort_by": value_digest(asset.sort_by),
                "schema": digest_of({name: str(dtype) for name, dtype in (asset.schema or {}).items()}),
            }
            if asset.version is not None:
                parts["version"] = value_digest(asset.version)
            else:
                parts |= dict(code_version(asset.function, opaque=self.opaque).parts)
                for view in self.graph.views(asset.name):
                    parts |= dict(code_version(view.function, opaque=self.opaque).parts)
                    parts[f"{view.name}(time=)"] = value_digest(view.time)
            for node in self.graph.inputs(asset.name):
                if isinstance(node, Source):
                    parts[f"source {node.name}"] = digest_of(node.declaration())
            self._codes[asset.name] = Code(digest_of(parts), parts)
        return self._codes[asset.name]

    def inputs(self, asset: Asset, key: str) -> dict[str, Input]:
        """The present version of each thing that one partition is made of.

        Raises:
            SourceError: a source is missing or cannot be read.
        """
        return {
            node.name: Input(kind="source", version=self.source(node.name).version)
            if isinstance(node, Source)
            else self._asset_input(node, self.upstream_keys(asset, node, key))
            for node in self.graph.inputs(asset.name)
        }

    def _asset_input(self, upstream: Asset, keys: Iterable[str]) -> Input:
        fold = self.fold(upstream.name)
        versions = [(key, version.digest) for key in keys if (version := fold.key(key).version) is not None]
        digest = hashlib.sha256(json.dumps(versions).encode()).hexdigest()
        return Input(kind="asset", version=digest, position=fold.number)

    def upstream_keys(self, asset: Asset, upstream: Asset, key: str) -> list[str]:
        """The keys of an upstream asset that one key reads: its own, or all where a view stands between."""
        if upstream.name in asset.reads:
            return [key]
        return sorted(key for key, state in self.fold(upstream.name).keys.items() if state.version is not None)

    def state(self, asset: Asset, key: str, *, is_declared: bool = True) -> State:
        """The state of one partition, with its reasons."""
        if (asset.name, key) not in self._states:
            inputs = self._inputs_or_unknown(asset, key)
            self._states[asset.name, key] = self._state(asset, key, inputs, is_declared=is_declared)
        return self._states[asset.name, key]

    def _state(self, asset: Asset, key: str, inputs: Mapping[str, Input], *, is_declared: bool) -> State:
        fold = self.fold(asset.name)
        known = fold.key(key)
        code = self.code(asset)
        return decide(
            known,
            self._file(asset, key, known),
            now=Now(
                code=code.digest,
                code_parts=code.parts,
                inputs=inputs,
                stale_upstream=self._stale_upstream(asset, key),
                schema=fold.schema,
                time=self.time,
            ),
            window_end=asset.partitions.window(key).end,
            code_parts=fold.code_parts(key),
            is_declared=is_declared,
        )

    def _inputs_or_unknown(self, asset: Asset, key: str) -> dict[str, Input]:
        try:
            return self.inputs(asset, key)
        except SourceError as error:
            found = {}
            for node in self.graph.inputs(asset.name):
                if isinstance(node, Source):
                    found[node.name] = Input(kind="source", version=None)
            self.problems.setdefault(str(error.context.get("source", asset.name)), error)
            return found

    def _stale_upstream(self, asset: Asset, key: str) -> list[str]:
        return [
            node.name
            for node in self.graph.inputs(asset.name)
            if isinstance(node, Asset)
            and any(self.state(node, upper).status != "fresh" for upper in self.upstream_keys(asset, node, key))
        ]

    def file(self, asset: Asset, key: str) -> Path:
        """Where a partition's file stands in the Hive tree."""
        partition = layout.partition_path(asset.partitions.columns, asset.partitions.values(key))
        return self.disk.path(layout.hive_file(asset.name, partition))

    def _file(self, asset: Asset, key: str, known: KeyState) -> FileState:
        """Whether the Hive tree holds what the log names; a step that is due counts as taken."""
        file = self.file(asset, key)
        state = compare(file, [known.version] if known.version else [])
        if state != "same" and known.version and self.is_behind(asset.name):
            older = [item.version for item in known.superseded]
            return "other" if state == "other" and compare(file, older) == "other" else "same"
        return state
