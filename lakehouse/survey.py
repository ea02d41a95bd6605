"""What a lake is at one moment: logs, code, sources and files, and from them the state of each partition.

Knows where to look, and looks once. Refuses to decide: `staleness.decide` does that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path

from msgspec import Struct, field

from lakehouse import layout
from lakehouse.assetcode import Code, code_of
from lakehouse.assets import Asset, Source
from lakehouse.disk import Disk
from lakehouse.errors import DefinitionError
from lakehouse.fold import Fold
from lakehouse.graph import Graph
from lakehouse.inputs import Inputs
from lakehouse.log import Log
from lakehouse.partitions.categories import Dynamic
from lakehouse.partitions.dimension import Partitions
from lakehouse.projection import FileState, compare, is_in_place, let_go, projected
from lakehouse.records import Version
from lakehouse.rowfacts import Measures, RowFacts
from lakehouse.sources.now import SourceNow
from lakehouse.sources.seen import Seen
from lakehouse.staleness import Now, State, decide
from lakehouse.storage_errors import storage_errors

__all__ = ["Survey", "require_same_keys"]


class _Asked:
    """What a survey asks in its turn."""

    __slots__ = ("inputs", "rows", "sources")

    inputs: Inputs
    sources: Seen
    rows: RowFacts


class Survey(_Asked, Struct, eq=False, kw_only=True):
    """One look at a lake.

    Attributes:
        graph: its definitions.
        disk: its files.
        base: the project's folder, against which sources resolve.
        time: the present instant.
        opaque: the lake's own objects by id, which stand for themselves in code versions.
        measures: asks the rows, where neither logs nor files tell.
        inputs: what each partition is made of.
        sources: as they are.
        rows: what only they can tell.
    """

    graph: Graph
    disk: Disk
    base: Path
    time: datetime
    opaque: Mapping[int, str]
    measures: Measures
    _folds: dict[str, Fold] = field(default_factory=dict)
    _behind: dict[str, bool] = field(default_factory=dict)
    _let_go: dict[str, Mapping[str, Sequence[Version]]] = field(default_factory=dict)
    _codes: dict[str, Code] = field(default_factory=dict)
    _declared: dict[tuple[str, bool | None], frozenset[str]] = field(default_factory=dict)
    _states: dict[tuple[str, str], State] = field(default_factory=dict)
    _told: dict[str, Partitions] = field(default_factory=dict)
    _due: dict[tuple[str, str, int], bool] = field(default_factory=dict)
    _running: dict[tuple[str, datetime], int] = field(default_factory=dict)
    _root: str = ""

    def __post_init__(self) -> None:
        self._root = str(self.disk.root)
        self.inputs, self.rows = Inputs(self), RowFacts(self, self.measures)
        self.sources = Seen(graph=self.graph, disk=self.disk, base=self.base)

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
            require_same_keys(self.graph.asset(asset), fold)
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
        self.rows.forget()
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

    def catch_up(self, asset: str) -> bool:
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

    def look_again(self, source: str) -> None:
        """Look at a source anew; what was told of it may be otherwise.

        Raises:
            SourceError: it is missing or cannot be read.
        """
        self._due.clear()
        self.rows.forget()
        self.inputs.forget(source)
        self.sources.again(source)

    def source_for(self, asset: Asset, source: Source, keys: Sequence[str] | None) -> SourceNow:
        """A source as far as some keys of an asset read it: of Hive folders, those of the upstream keys.

        Args:
            asset: the reader.
            source: what it reads.
            keys: of the asset; None: whichever it may have.

        Raises:
            SourceError: it is missing or cannot be read.
        """
        now = self.sources.now(source.name)
        if source.partitions is None or keys is None or self.inputs.is_whole(asset, source):
            return now
        return now.only(dict.fromkeys(upper for key in keys for upper in self.inputs.reads(asset, source, key).keys))

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
            try:
                keys = {
                    dimension.column: self.rows.values(asset, dimension.column)
                    if isinstance(dimension, Dynamic) and dimension.discover
                    else listed.get(dimension.column, ())
                    for dimension in asset.partitions.dimensions
                    if dimension.column in asset.partitions.unknown_columns
                }
            finally:
                del self._told[asset.name]
                self.inputs.forget(asset.name)
            self._told[asset.name] = asset.partitions.with_keys(keys)
        return self._told[asset.name]

    def known_partitions(self, asset: Asset) -> Partitions:
        """An asset's partitions with the keys told as far as that is known without looking at data."""
        if asset.name in self._told or not any(
            isinstance(dimension, Dynamic) and dimension.discover for dimension in asset.partitions.dimensions
        ):
            return self.partitions(asset)
        return asset.partitions

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
        value = key
        if windows is not asset.partitions:
            value = asset.partitions.values(key)[asset.partitions.columns.index(windows.column)]
        return windows.window(value).end if windows.index(value) >= self._running[entry] else None

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
            return self.is_to_be_made(upstream, named.keys[0])
        entry = asset.name, upstream.name, id(named)  # many keys may share one answer
        if entry not in self._due:
            self._due[entry] = any(self.is_to_be_made(upstream, upper) for upper in named.keys)
        return self._due[entry]

    def is_to_be_made(self, asset: Asset, key: str) -> bool:
        """Whether a partition is due and the definition still has it; what it no longer has is read as it was."""
        return self.is_declared(asset, key) and self.state(asset, key).is_due

    def file(self, asset: Asset, key: str) -> Path:
        """Where a partition's file stands in the Hive tree."""
        partition = layout.partition_path(asset.partitions.columns, asset.partitions.values(key))
        return self.disk.path(layout.hive_file(asset.name, partition))

    def _file(self, asset: Asset, key: str) -> FileState:
        """Whether the Hive tree holds what the log names; a step that is due counts as taken."""
        version = self.fold(asset.name).key(key).version
        # Versions are kept in folders that are named like the partition's own.
        if version is not None and is_in_place(f"{self._root}/{layout.hive_file_of(version.path)}", version):
            return "same"
        file = self.file(asset, key)
        with storage_errors(self.disk.root, "looking at the files"):
            while True:
                known = self.fold(asset.name).key(key)
                state = compare(file, [known.version] if known.version else [])
                if state != "same" and self.is_behind(asset.name):
                    older = [*known.versions, *self._leaving(asset.name, key)]
                    if state == "absent" or compare(file, older) != "other":
                        state = "same" if known.version else "absent"
                # Whoever changes a file commits first: if it was another run, the log says so by now.
                if state != "other" or not self.catch_up(asset.name):
                    return state

    def _leaving(self, asset: str, key: str) -> Sequence[Version]:
        """The versions of a key that are let go once the Hive tree follows the log."""
        if asset not in self._let_go:
            self._let_go[asset] = let_go(self.log(asset), self.fold(asset))
        return self._let_go[asset].get(key, ())


def require_same_keys(asset: Asset, fold: Fold) -> None:
    """Nothing, if an asset's keys mean what they meant at a position of its log.

    Raises:
        DefinitionError: they were made with other partitions.
    """
    then, now = dict(fold.partitions), asset.partitions.describe()
    if differing := [name for name in {**now, **then} if then and then.get(name) != now.get(name)]:
        raise DefinitionError(
            f"{asset.name}: its partitions were made with other {' and '.join(differing)} ({asset.where})",
            code="partitions-changed",
            details=[f"{name}: {then.get(name)} became {now.get(name)}" for name in differing],
            help="give the asset another name, or put it back; what was made stays readable",
        )
