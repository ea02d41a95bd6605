"""A lake verified: every commit, every kept version and every file of the Hive tree; repaired where that is wanted.

Knows in which order to look, and what may be done about what is found. Refuses to report what a run is just doing.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, suppress
from itertools import chain

from msgspec import Struct, field

from lakehouse import layout
from lakehouse.amend import Amendment
from lakehouse.care.datacheck import DataCheck
from lakehouse.care.faults import Fault, Faults
from lakehouse.care.hashing import Hashing
from lakehouse.care.leftovers import Leftovers
from lakehouse.care.logcheck import LogCheck, check_log
from lakehouse.care.mend import mark_damaged, mend
from lakehouse.care.snapshotcheck import check_snapshots
from lakehouse.care.strays import Strays
from lakehouse.errors import LakeError, StorageError
from lakehouse.fold import Fold, KeyState
from lakehouse.past.lookback import logged_assets
from lakehouse.projection import compare, projected
from lakehouse.records import Version
from lakehouse.selection import describe
from lakehouse.staging import Run
from lakehouse.storage_errors import storage_errors
from lakehouse.survey import Survey

__all__ = ["OnRead", "Writing", "known_names", "verify"]

OnRead = Callable[[int, int], None]
"""Hears how many bytes were read, of how many about."""


class Writing(Struct, frozen=True):
    """How a log is written to.

    Attributes:
        run: opens a run.
        amendment: amends the log of an asset, by name, under what its keys mean, within a run.
    """

    run: Callable[[], AbstractContextManager[Run]]
    amendment: Callable[[str, Fold, Run], Amendment]


def known_names(survey: Survey) -> list[str]:
    """The assets that are declared, and those that have a log and no longer are."""
    declared = [asset.name for asset in survey.graph.assets()]
    return [*declared, *(name for name in logged_assets(survey.disk) if name not in declared)]


def verify(
    survey: Survey,
    assets: Sequence[str],
    writing: Writing | None,
    *,
    repair: bool,
    on_read: OnRead = lambda *_: None,
) -> Faults:
    """What is wrong with a lake; damaged versions are marked in the log, so that a run makes them again.

    Args:
        survey: the lake.
        assets: which; none: all, and what lies beside them.
        writing: how to write to logs; None: nothing is written.
        repair: whether to put right what can be.
        on_read: hears how far it is.

    Raises:
        StorageError: the lake cannot be read, for another reason than damage.
    """
    return _Verification(survey, assets, repair, on_read).carried_out(writing)


class _Hashed:
    __slots__ = ("hashing",)

    hashing: Hashing


class _Verification(_Hashed, Struct, eq=False):
    survey: Survey
    assets: Sequence[str]
    repair: bool
    on_read: OnRead
    logs: dict[str, LogCheck] = field(default_factory=dict)
    data: dict[str, DataCheck] = field(default_factory=dict)
    expected_bytes: int = 0

    def __post_init__(self) -> None:
        self.hashing = Hashing(on_read=lambda _: self.on_read(self.hashing.size_bytes, self.expected_bytes))

    def carried_out(self, writing: Writing | None) -> Faults:
        names = known_names(self.survey)
        for asset in self.assets:
            if asset not in names:
                self.survey.graph.asset(asset)  # raises: there is none
        wanted = list(dict.fromkeys(self.assets)) or names
        strays = Strays(disk=self.survey.disk, names=names, key_of=self._key_of)
        for name in wanted:
            self.logs[name] = check_log(self.survey.log(name))
        self.expected_bytes = sum(version.size_bytes for fold in self._folds().values() for version in _kept(fold))
        faults = Faults(chain.from_iterable(self._of_asset(name, strays) for name in wanted))
        faults += check_snapshots(self.survey.disk, [*self.data], self.hashing)
        if not self.assets:
            faults += strays.around()
        faults.versions, faults.files = sum(check.versions for check in self.data.values()), self.hashing.files
        faults.commits, faults.size_bytes = sum(log.commits for log in self.logs.values()), self.hashing.size_bytes
        self._treat(faults, writing)
        leftovers = Leftovers(disk=self.survey.disk, folds=self._folds_or_none(), names=names)
        faults += [fault for fault in leftovers.found(wanted) if not self.assets or fault.asset in self.assets]
        return faults

    def _folds(self) -> dict[str, Fold]:
        return {name: log.fold for name, log in self.logs.items() if log.fold is not None}

    def _folds_or_none(self) -> dict[str, Fold | None]:
        return {name: log.fold for name, log in self.logs.items()}

    def _of_asset(self, name: str, strays: Strays) -> list[Fault]:
        found = self.logs[name]
        if (fold := found.fold) is None:
            return found.faults
        check = DataCheck(log=self.survey.log(name), fold=fold, hashing=self.hashing, cure=self._cure(name))
        self.data[name] = check
        return [*found.faults, *check.faults(), *strays.beside(name, fold), *self._notes(name, fold)]

    def _notes(self, name: str, fold: Fold) -> list[Fault]:
        notes = []
        if (behind := fold.number - projected(self.survey.disk, name)) > 0 and not self._has_lost(name):
            commits = "1 commit is" if behind == 1 else f"{behind} commits are"
            notes.append(
                Fault(
                    kind="not-projected",
                    path=name,
                    asset=name,
                    message=f"{commits} not yet shown in the folders",
                    help="the next command that writes does it; or lake verify --repair",
                    is_mendable=True,
                )
            )
        if name not in {asset.name for asset in self.survey.graph.assets()} and any(_kept(fold)):
            notes.append(
                Fault(
                    kind="undeclared",
                    path=name,
                    asset=name,
                    message="is not declared; its data was verified all the same",
                    help=f"declare it, go on with write_partitions, or delete it: lake wipe {name} all",
                )
            )
        return notes

    def _has_lost(self, name: str) -> bool:
        return any(fault.kind == "projected-damaged" for fault in self.logs[name].faults)

    # What is done about it

    def _treat(self, faults: Faults, writing: Writing | None) -> None:
        """Mend what can be, note what cannot; each fault says what was done."""
        if writing is None:
            done = "would be repaired" if self.repair else ""
            faults[:] = [fault.with_(done=done) if fault.is_mendable else fault for fault in faults]
            return
        for name in self.logs:
            found = [fault for fault in faults if fault.asset == name]
            try:
                with storage_errors(self.survey.disk.root, "repairing"):
                    found = self._without_cache(found)
                    if (check := self.data.get(name)) is not None:
                        found = self._treated(check, found, writing)
            except StorageError as error:
                faults.error = faults.error or error
            again = {fault.identity: fault for fault in found}
            faults[:] = [again.get(fault.identity, fault) for fault in faults]

    def _without_cache(self, found: Sequence[Fault]) -> list[Fault]:
        """The faults, and gone is what is cached and wrong: without it, it is computed again."""
        for fault in (fault for fault in found if fault.kind == "cache-damaged"):
            self.survey.disk.remove(self.survey.disk.path(fault.path))
        done = {"done": "removed", "help": "", "is_mended": True}
        return [fault.with_(**done) if fault.kind == "cache-damaged" else fault for fault in found]

    def _treated(self, check: DataCheck, found: Sequence[Fault], writing: Writing) -> list[Fault]:
        """The faults of one asset, those mended that could be, and noted what could not."""
        mendable = [fault for fault in found if self.repair and fault.is_mendable and not fault.is_mended]
        if mendable or any(not check.fold.key(key).is_damaged for key in _damaged(check, found)):
            with writing.run() as run:
                amendment = writing.amendment(check.log.asset, check.fold, run)
                if mendable:
                    mend(check, amendment, mendable)
                    found = self._looked_again(check, found)
                mark_damaged(amendment, _damaged(check, found))
        noted = _damaged(check, found)
        return [f.with_(done="marked as damaged") if noted.get(f.key) == f.path else f for f in found]

    def _looked_again(self, check: DataCheck, found: Sequence[Fault]) -> list[Fault]:
        """The faults, and of each whether it is gone."""
        check.log.extend(check.fold)
        left = {fault.identity for fault in check.of({fault.key for fault in found if fault.key})}
        left |= {fault.identity for fault in found if not fault.is_mendable}
        return [
            fault if fault.identity in left else fault.with_(done=_DONE[fault.kind], help="", is_mended=True)
            for fault in found
        ]

    # What the definitions tell

    def _key_of(self, asset: str, folder: str) -> str | None:
        """The key whose folder it is, if the asset is declared and has that key."""
        node = next((node for node in self.survey.graph.assets() if node.name == asset), None)
        parts = [part.partition("=") for part in folder.split("/")[1:]]
        if node is None or tuple(column for column, _, _ in parts) != node.partitions.columns:
            return None
        values = [layout.unescape(value) for _, _, value in parts]
        with suppress(LakeError):
            key = node.partitions.key(values)
            is_it = layout.hive_folder(asset, layout.partition_path(node.partitions.columns, values)) == folder
            return key if is_it and self.survey.is_declared(node, key) else None
        return None

    def _cure(self, name: str) -> Callable[[str, KeyState], str]:
        """Says how a partition of an asset is made again."""
        node = next((node for node in self.survey.graph.assets() if node.name == name), None)

        def cure(key: str, state: KeyState) -> str:
            is_there = False
            with suppress(LakeError):
                is_there = node is not None and self.survey.is_declared(node, key)
            if node is None or not is_there:
                return "nothing can make it again: the definitions no longer have it"
            file = self.survey.file(node, key)
            is_refused = state.is_frozen or compare(file, state.versions) == "other"
            named = shlex.quote(describe([key], self.survey.known_partitions(node)))
            return f"make it again: lake materialize {named} -a {name}{' --force' if is_refused else ''}"

        return cure


_DONE = {
    "version-damaged": "restored",
    "version-missing": "restored",
    "file-missing": "linked again",
    "file-replaced": "linked again; what stood there is kept as a version",
    "projected-damaged": "worked out again",
    "not-projected": "shown",
    "mark-outdated": "no longer marked",
}


def _damaged(check: DataCheck, found: Sequence[Fault]) -> dict[str, str]:
    """By key, the current version where that is damaged or lost."""
    lost = [f for f in found if f.kind in ("version-damaged", "version-missing") and not f.is_mended]
    current = {fault.key: check.fold.key(fault.key).version for fault in lost}
    return {f.key: f.path for f in lost if (version := current[f.key]) is not None and version.path == f.path}


def _kept(fold: Fold) -> list[Version]:
    return [version for state in fold.keys.values() for version in state.versions]
