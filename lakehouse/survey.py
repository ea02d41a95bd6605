"""What a lake is at one moment: logs, code, sources and files, and from them the state of each partition.

Knows where to look, and looks once. Refuses to decide: `staleness.decide` does that.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final, Protocol

from lakehouse import layout
from lakehouse.assetcode import Code, code_of
from lakehouse.assets import Asset, Source
from lakehouse.disk import Disk
from lakehouse.errors import DefinitionError, SourceError
from lakehouse.fold import Fold
from lakehouse.graph import Graph
from lakehouse.inputs import Inputs, RowTable
from lakehouse.log import Log
from lakehouse.partitions.categories import Dynamic
from lakehouse.partitions.dimension import Partitions
from lakehouse.projection import FileState, compare, is_in_place, let_go, projected
from lakehouse.reasons import explain
from lakehouse.records import Version
from lakehouse.selection import describe
from lakehouse.sources.digestcache import DigestCache
from lakehouse.sources.look import look_at
from lakehouse.sources.now import SourceNow
from lakehouse.staleness import Cause, Now, State, decide
from lakehouse.storage_errors import storage_errors
from lakehouse.verdicts import Verdicts
from lakehouse.versions import digest_of

__all__ = ["Measures", "Survey"]

_DIGESTS: Final = f"{layout.cache_folder()}/digests.json"


class Measures(Protocol):
    """Asks the rows what only they can tell; None where they cannot be read."""

    def rows(self, survey: Survey, asset: Asset, name: str, keys: Sequence[str]) -> RowTable | None:
        """A digest of the rows that an argument of an asset's function has for each key."""

    def values(self, survey: Survey, asset: Asset, column: str) -> list[str] | None:
        """The values of a partition column in what an asset's function reads."""


@dataclass(slots=True, kw_only=True)
class Survey:
    """One look at a lake.

    Attributes:
        graph: its definitions.
        disk: its files.
        base: the project's folder, against which sources resolve.
        time: the present instant.
        opaque: the lake's own objects by id, which stand for themselves in code versions.
        measures: asks the rows, where neither logs nor files tell.
        inputs: what each partition is made of.
        problems: sources that could not be looked at.
    """

    graph: Graph
    disk: Disk
    base: Path
    time: datetime
    opaque: Mapping[int, str]
    measures: Measures
    inputs: Inputs = field(init=False)
    problems: dict[str, SourceError] = field(default_factory=dict)
    _folds: dict[str, Fold] = field(default_factory=dict)
    _behind: dict[str, bool] = field(default_factory=dict)
    _let_go: dict[str, Mapping[str, Sequence[Version]]] = field(default_factory=dict)
    _codes: dict[str, Code] = field(default_factory=dict)
    _declared: dict[tuple[str, bool | None], frozenset[str]] = field(default_factory=dict)
    _sources: dict[str, SourceNow] = field(default_factory=dict)
    _states: dict[tuple[str, str], State] = field(default_factory=dict)
    _told: dict[str, Partitions] = field(default_factory=dict)
    _keys: dict[str, frozenset[str]] = field(default_factory=dict)
    _tables: dict[tuple[str, str], RowTable | None] = field(default_factory=dict)
    _due: dict[tuple[str, str, int], bool] = field(default_factory=dict)
    _running: dict[tuple[str, datetime], int] = field(default_factory=dict)
    _root: str = ""
    _cache: DigestCache | None = None

    def __post_init__(self) -> None:
        self.inputs, self._root = Inputs(self), str(self.disk.root)

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
        self._due.clear()
        # Keys may be those of the log, or be found in what was made of it.
        told = {fold.asset, *(name for name in below if self.graph.asset(name).partitions.unknown_columns)}
        self._declared = {entry: keys for entry, keys in self._declared.items() if entry[0] not in told}
        for name in told:
            self._told.pop(name, None)
            self.inputs.forget(name)

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
        known = None
        if again:
            known = self._sources.pop(name, None)
            self._keys.pop(name, None)
            self._tables.clear()
            self._due.clear()
            self.problems.pop(name, None)
            self.inputs.forget(name)
        if (problem := self.problems.get(name)) is not None:
            raise problem.with_traceback(None)  # or each time that it is raised would lengthen it
        if name not in self._sources:
            node = self.graph.node(name)
            assert isinstance(node, Source)  # noqa: S101  the graph's inputs say so
            try:
                self._sources[name] = look_at(
                    node, self.base, self._digests(), lambda: self._needed_by(name), known=known
                )
            except SourceError as error:
                self.problems[name] = error
                raise
        return self._sources[name]

    def look_at_sources(self, asset: Asset) -> None:
        """Look at what an asset is made of; what cannot be looked at is then among `problems`."""
        for node in self.graph.inputs(asset.name):
            if isinstance(node, Source):
                with contextlib.suppress(SourceError):
                    self.source(node.name)

    def source_for(self, asset: Asset, source: Source, keys: Sequence[str]) -> SourceNow:
        """A source as far as some keys of an asset read it: of Hive folders, those of the upstream keys.

        Raises:
            SourceError: it is missing or cannot be read.
        """
        now = self.source(source.name)
        if source.partitions is None or self.inputs.is_whole(asset, source):
            return now
        return now.only(dict.fromkeys(upper for key in keys for upper in self.inputs.reads(asset, source, key).keys))

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
        if self._cache is not None and self._cache.is_changed and self._has_place():
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

    # Keys

    def partitions(self, asset: Asset) -> Partitions:
        """An asset's partitions, with the keys told that are kept in the lake or found in the data."""
        if not asset.partitions.unknown_columns:
            return asset.partitions
        if asset.name not in self._told:
            listed = self.fold(asset.name).listed
            self._told[asset.name] = asset.partitions  # while keys are asked for, there are none
            keys = {
                dimension.column: self._discovered(asset, dimension.column)
                if isinstance(dimension, Dynamic) and dimension.discover
                else listed.get(dimension.column, ())
                for dimension in asset.partitions.dimensions
                if dimension.column in asset.partitions.unknown_columns
            }
            self.inputs.forget(asset.name)
            self._told[asset.name] = asset.partitions.with_keys(keys)
        return self._told[asset.name]

    def source_partitions(self, source: Source) -> Partitions:
        """A partitioned source's, with the keys told that its folders have."""
        partitions = source.partitions
        assert partitions is not None  # noqa: S101  the caller has looked
        found: dict[str, dict[str, None]] = {column: {} for column in partitions.unknown_columns}
        if found:
            for values in map(partitions.values, self.source(source.name).keys):
                for column, value in zip(partitions.columns, values, strict=True):
                    if column in found:
                        found[column][value] = None
        return partitions.with_keys({column: list(values) for column, values in found.items()})

    def source_keys(self, name: str) -> frozenset[str]:
        """The keys that a partitioned source has folders for; none where it cannot be looked at."""
        if name not in self._keys:
            try:
                self._keys[name] = frozenset(self.source(name).keys)
            except SourceError:
                self._keys[name] = frozenset()
        return self._keys[name]

    def is_declared(self, asset: Asset, key: str) -> bool:
        """Whether the definition has a key by now, be its window still open."""
        return key in self._known_keys(asset, include_current=True)

    def is_listed(self, asset: Asset, key: str) -> bool:
        """Whether the definition has a key by now; windows that still run only if it includes them itself."""
        return key in self._known_keys(asset, include_current=None)

    def _known_keys(self, asset: Asset, *, include_current: bool | None) -> frozenset[str]:
        entry = asset.name, include_current
        if entry not in self._declared:
            self._declared[entry] = frozenset(self.partitions(asset).keys(self.time, include_current))
        return self._declared[entry]

    # What only rows can tell

    def rows(self, asset: Asset, name: str) -> RowTable | None:
        """Digests of the rows that an argument of an asset's function has for each key; None where untold.

        They are asked once for each content.

        Raises:
            SourceError: a source is missing or cannot be read.
        """
        if (asset.name, name) not in self._tables:
            self._tables[asset.name, name] = self._row_table(asset, name)
        return self._tables[asset.name, name]

    def _row_table(self, asset: Asset, name: str) -> RowTable | None:
        keys = self.inputs.row_keys(asset, name)
        if (on := self._content(asset, [name], {"keys": keys})) is None:
            return None
        if (kept := self._kept_rows(asset, name, on)) is not None:
            return kept
        table = self.measures.rows(self, asset, name, keys)
        if table is None or not self._is_as_it_was([name]):
            return None
        self._keep_rows(asset, name, on, table)
        return table

    def _kept_rows(self, asset: Asset, name: str, on: str) -> RowTable | None:
        match Verdicts(self.disk, asset.name).get(f"rows/{name}", on):
            case {"columns": list(columns), "digests": list(digests)}:
                return RowTable(tuple(columns), {tuple(values): digest for values, digest in digests})
        return None

    def _keep_rows(self, asset: Asset, name: str, on: str, table: RowTable) -> None:
        if self._has_place():
            digests = [[list(values), digest] for values, digest in table.digests.items()]
            content = {"columns": table.columns, "digests": digests}
            Verdicts(self.disk, asset.name).keep(f"rows/{name}", on, content)

    def rows_to_ask(self, asset: Asset) -> dict[str, list[str]]:
        """The arguments whose rows are yet to be digested, with the keys: it may be done along with what reads them.

        Raises:
            SourceError: a source is missing or cannot be read.
        """
        found = {}
        for name in self.inputs.by_rows(asset):
            keys = self.inputs.row_keys(asset, name)
            on = None if (asset.name, name) in self._tables else self._content(asset, [name], {"keys": keys})
            if on is not None and self._kept_rows(asset, name, on) is None:
                found[name] = keys
        return found

    def take_rows(self, asset: Asset, name: str, keys: Sequence[str], table: RowTable) -> None:
        """Take the digests of an argument's rows, which were asked while its sources held still."""
        self._tables[asset.name, name] = table
        if (on := self._content(asset, [name], {"keys": keys})) is not None:
            self._keep_rows(asset, name, on, table)

    def _is_as_it_was(self, names: Sequence[str]) -> bool:
        """Whether the sources below some names have not changed since they were looked at."""
        nodes = (node for name in names for node in self.graph.below(name))
        return all(self.source(node.name).is_as_it_was for node in nodes if isinstance(node, Source))

    def _discovered(self, asset: Asset, column: str) -> list[str]:
        """The keys that a column has in the data; where that cannot be read, those that were made."""
        partitions, verdicts, subject = asset.partitions, Verdicts(self.disk, asset.name), f"keys/{column}"
        on = None
        try:
            on = self._content(asset, asset.reads, {"column": column})
        except SourceError:
            found = None
        else:
            if on is not None and isinstance(kept := verdicts.get(subject, on), list):
                return kept
            found = self.measures.values(self, asset, column)
        if found is not None:
            if on is not None and self._has_place() and self._is_as_it_was(asset.reads):
                verdicts.keep(subject, on, found)
            return found
        place = partitions.columns.index(column)
        known = self.fold(asset.name).keys.items()
        return sorted({partitions.values(key)[place] for key, state in known if state.version is not None})

    def _content(self, asset: Asset, names: Sequence[str], facts: Mapping[str, object]) -> str | None:
        """A digest of all that decides the rows of some arguments; None where a version cannot be told."""
        versions: list[tuple[str, str | None]] = []
        for node in {node.name: node for name in names for node in self.graph.below(name)}.values():
            is_source = isinstance(node, Source)
            versions.append((node.name, self.source(node.name).version if is_source else self.fold(node.name).digest))
            if is_source and versions[-1][1] is None:
                return None
        found = {"code": self.code(asset).digest, "versions": versions, **facts}
        return digest_of({name: json.dumps(fact) for name, fact in found.items()})

    def _has_place(self) -> bool:
        return self.disk.path(layout.BOOKKEEPING).is_dir()

    # States

    def state(self, asset: Asset, key: str) -> State:
        """The state of one partition, with its reasons."""
        if (asset.name, key) not in self._states:
            file = self._file(asset, key)  # first, for it may find that the log has gone on
            fold, code = self.fold(asset.name), self.code(asset)
            known, is_declared = fold.key(key), self.is_declared(asset, key)
            # What was never made, or is no longer where it was, is not held against anything.
            is_held = known.version is not None and file == "same" and is_declared
            now = Now(
                code=code.digest,
                code_parts=code.parts,
                stale_upstream=self._stale_upstream(asset, key) if is_held else (),
                inputs=self.inputs.of_or_unknown(asset, key) if is_held else {},
                schema=fold.schema,
                time=self.time,
            )
            self._states[asset.name, key] = decide(
                known,
                file,
                now=now,
                window_end=self._window_end(asset, key) if is_held else None,
                code_parts=fold.code_parts(key) if is_held else {},
                is_declared=is_declared,
            )
        return self._states[asset.name, key]

    def _window_end(self, asset: Asset, key: str) -> datetime | None:
        """The end of a key's window, where that can matter: it had not come when the partition was made."""
        current = self.fold(asset.name).key(key).current
        if (windows := asset.partitions.time) is None or current is None:
            return None
        entry = asset.name, current.started
        if entry not in self._running:
            self._running[entry] = windows.holding(current.started)
        value = asset.partitions.values(key)[asset.partitions.columns.index(windows.column)]
        return windows.window(value).end if windows.index(value) >= self._running[entry] else None

    def reason(self, asset: Asset, key: str) -> str:
        """The state of one partition in words, with what became of each thing that it is made of."""
        state = self.state(asset, key)

        def source(name: str) -> str:
            """What became of a source, or of what the rows of an argument come from."""
            sources = self.inputs.sources_of(name)
            for node in sources:
                if (problem := self.problems.get(node.name)) is not None:
                    return problem.message
            recorded = state.known.current.started if state.known.current else self.time
            found = [self.source_for(asset, node, [key]) for node in sources]
            newer = [now for now in found if now.changed is None or now.changed > recorded] or found[:1]
            return newer[0].became(self.time)

        def keys(cause: Cause) -> str:
            found = self.upstream_of(asset, key, cause)
            return describe(found, self.partitions(self.graph.asset(cause.input))) if found else ""

        return explain(state, source=source, keys=keys)

    def upstream_of(self, asset: Asset, key: str, cause: Cause) -> list[str]:
        """The upstream keys behind a cause: those that are due, or were made anew since the partition was."""
        upstream = self.graph.node(cause.input)
        if not isinstance(upstream, Asset):
            return []
        read = self.inputs.reads(asset, upstream, key).keys
        if cause.code == "upstream_stale":
            return [upper for upper in read if self._is_to_be_made(upstream, upper)]
        current, fold = self.state(asset, key).known.current, self.fold(upstream.name)
        made_of = current.inputs.get(upstream.name) if current else None
        position = made_of.position if made_of and made_of.position is not None else 0
        return [upper for upper in read if fold.key(upper).since > position]

    def _stale_upstream(self, asset: Asset, key: str) -> list[str]:
        return [
            node.name
            for node in self.graph.inputs(asset.name)
            if isinstance(node, Asset) and self._is_due(asset, node, key)
        ]

    def _is_due(self, asset: Asset, upstream: Asset, key: str) -> bool:
        """Whether any upstream partition that a key reads is to be made itself."""
        named = self.inputs.reads(asset, upstream, key)
        if len(named.keys) == 1:
            return self._is_to_be_made(upstream, named.keys[0])
        entry = asset.name, upstream.name, id(named)  # many keys may share one answer
        if entry not in self._due:
            self._due[entry] = any(self._is_to_be_made(upstream, upper) for upper in named.keys)
        return self._due[entry]

    def _is_to_be_made(self, asset: Asset, key: str) -> bool:
        """Whether a partition is due and the definition still has it; what it no longer has is read as it was."""
        return self.is_declared(asset, key) and self.state(asset, key).is_due

    def file(self, asset: Asset, key: str) -> Path:
        """Where a partition's file stands in the Hive tree."""
        return self.disk.path(self._hive_file(asset, key))

    def _hive_file(self, asset: Asset, key: str) -> str:
        partition = layout.partition_path(asset.partitions.columns, asset.partitions.values(key))
        return layout.hive_file(asset.name, partition)

    def _file(self, asset: Asset, key: str) -> FileState:
        """Whether the Hive tree holds what the log names; a step that is due counts as taken."""
        version = self.fold(asset.name).key(key).version
        if version is not None and is_in_place(f"{self._root}/{self._hive_file(asset, key)}", version):
            return "same"
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
