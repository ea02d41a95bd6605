"""Damage put right as far as the bytes are somewhere: versions restored, files linked again, the rest marked.

Knows the order in which that is safe, whoever else writes. Refuses to invent bytes, and to lose those of somebody
else: a file that stands where one of the lake's belongs is first kept as a version.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from msgspec import Struct

from lakehouse.amend import Amendment, Change
from lakehouse.care.datacheck import Bytes, DataCheck, hive_path
from lakehouse.care.faults import Fault
from lakehouse.commits import Mark
from lakehouse.disk import Disk, digest_file
from lakehouse.fold import Fold, KeyState
from lakehouse.projection import project
from lakehouse.records import Provenance, Version
from lakehouse.staging import locked
from lakehouse.storage_errors import storage_errors

__all__ = ["mark_damaged", "mend"]


def mark_damaged(amendment: Amendment, paths: Mapping[str, str]) -> None:
    """Note in the log that the current versions of keys are damaged, so that a run makes them again.

    Args:
        amendment: amends the asset's log.
        paths: by key, the version that was found damaged; where it is no longer current, nothing is noted.

    Raises:
        StorageError: the log cannot be written.
    """

    def decide(fold: Fold, _: datetime) -> Change | None:
        marks = []
        for key, path in paths.items():
            state = fold.key(key)
            if state.current is not None and state.version is not None and state.version.path == path:
                marks += [_mark(state, key, damaged=state.version.digest)] if not state.is_damaged else []
        return Change(marks=tuple(marks)) if marks else None

    amendment.commit(decide)


def mend(check: DataCheck, amendment: Amendment, faults: Sequence[Fault]) -> None:
    """Put right what was found wrong with an asset, as far as that can be done.

    Raises:
        StorageError: the disk refuses; what was done until then is right, and doing it again is safe.
    """
    mending, keys = _Mending(check, amendment), list(dict.fromkeys(fault.key for fault in faults if fault.key))
    with storage_errors(check.disk.root, "repairing"):
        mending.project(is_lost=any(fault.kind == "projected-damaged" for fault in faults))
        mending.restore(keys)
        mending.forget(keys)
        mending.keep_others(keys)
        mending.show(keys)


class _Mending(Struct, frozen=True, eq=False):
    check: DataCheck
    amendment: Amendment

    @property
    def _disk(self) -> Disk:
        return self.check.disk

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """The Hive tree's lock, and the log read to its end."""
        with locked(self.check.log.folder / "lock"):
            self.check.log.extend(self.check.fold)
            yield

    def _states(self, keys: Iterable[str]) -> dict[str, KeyState]:
        return {key: self.check.fold.key(key) for key in keys}

    def project(self, *, is_lost: bool) -> None:
        """Let the Hive tree follow the log; where it is lost how far it does, by comparing every file."""
        if is_lost:
            with self._locked():
                self._disk.remove(self.check.log.folder / "projected")
        if (error := project(self.check.log, self.amendment.run, self.check.fold).error) is not None:
            raise error

    def restore(self, keys: Iterable[str]) -> None:
        """Copy versions that are lost or damaged from wherever their bytes are still whole."""
        with self._locked():
            found = self.check.look(states := self._states(keys))
            for state in states.values():
                for version in state.versions:
                    if found[version.path] != "whole" and not self._disk.path(version.path).is_dir():
                        any(self._copied(copy, version) for copy in self.check.copies(state, version, found))

    def _copied(self, source: Path, version: Version) -> bool:
        staged, target = self.amendment.run.spare("copy"), self._disk.path(version.path)
        self._disk.copy_in(source, staged)
        if digest_file(staged) != version.digest:
            return False
        self._disk.seal(staged, version.mtime_ns)
        self._disk.make_folders([target.parent])
        self._disk.move(staged, target)
        self._disk.sync_folders([target.parent])
        return True

    def forget(self, keys: Sequence[str]) -> None:
        """Let go of earlier versions that are lost."""

        def decide(fold: Fold, _: datetime) -> Change | None:
            states = {key: fold.key(key) for key in keys}
            found = self.check.look(states)
            marks = []
            for key, state in states.items():
                lost = tuple(v for v in state.versions if v != state.version and found[v.path] == "missing")
                marks += [_mark(state, key, dropped=lost)] if lost and state.current else []
            return Change(marks=tuple(marks)) if marks else None

        self.amendment.commit(decide)

    def keep_others(self, keys: Iterable[str]) -> None:
        """Keep as versions what stands where files of the lake belong; take back marks of damage that is no more.

        Each is a record of the version that the key has, made as it was.
        """
        self.check.log.extend(self.check.fold)
        found = self.check.look(states := self._states(keys))
        groups: dict[int, dict[str, tuple[KeyState, Version | None]]] = {}
        for key, state in states.items():
            is_whole = state.version is not None and found[state.version.path] == "whole"
            # A record sets the contract: that of a partition that has other columns would set it back.
            if is_whole and state.current is not None and state.current.schema == self.check.fold.schema:
                other = self._other(state, found)
                if other is not None or state.is_damaged:
                    displaced = None if other is None else self._displaced(other, state)
                    groups.setdefault(state.commit, {})[key] = state, displaced
        for commit, group in groups.items():
            made_by = self.check.log.commits(commit - 1, commit)[0].shared
            self.amendment.commit(partial(self._records, group, made_by))

    def _other(self, state: KeyState, found: Mapping[str, Bytes]) -> Path | None:
        """The file of somebody else in place of a key's own."""
        path = hive_path(self.check.fold.asset, state)
        file = self._disk.path(path)
        if found[path] != "other" or file.is_symlink() or not file.is_file():
            return None
        return None if digest_file(file) in {version.digest for version in state.versions} else file

    def _displaced(self, file: Path, state: KeyState) -> Version:
        assert state.version is not None  # noqa: S101  the caller has looked
        run, folder = self.amendment.run, state.version.path.rpartition("/")[0]
        staged, path = run.spare("other"), f"{folder}/{run.id}-{run.number()}"
        self._disk.copy_in(file, staged)
        self._disk.make_folders([self._disk.path(folder)])
        self._disk.move(staged, self._disk.path(path))
        self._disk.sync_folders([self._disk.path(folder)])
        status = self._disk.path(path).stat()
        return Version(
            digest=digest_file(self._disk.path(path)),
            path=path,
            row_count=-1,
            size_bytes=status.st_size,
            mtime_ns=status.st_mtime_ns,
            writer="unknown",
        )

    def _records(
        self,
        group: Mapping[str, tuple[KeyState, Version | None]],
        made_by: Provenance,
        fold: Fold,
        _: datetime,
    ) -> Change | None:
        records, marks = [], []
        for key, (state, displaced) in group.items():
            if state.current is None or fold.key(key) != state:  # another run was first, and its word counts
                continue
            records.append(
                state.current.with_(
                    result="unchanged",
                    reason="repaired",
                    run=self.amendment.run.id,
                    base=state.commit,
                    displaced=displaced,
                    dropped=(),
                )
            )
            marks += [_mark(state, key, frozen=True)] if state.is_frozen else []
        return Change(records=tuple(records), marks=tuple(marks), made_by=made_by) if records else None

    def show(self, keys: Iterable[str]) -> None:
        """Put versions in the place of files that are missing, or hold what is kept as a version."""
        with self._locked():
            found = self.check.look(states := self._states(keys))
            for state in states.values():
                if state.version is not None and found[state.version.path] == "whole":
                    self._put(state, state.version, found)

    def _put(self, state: KeyState, version: Version, found: Mapping[str, Bytes]) -> None:
        path = hive_path(self.check.fold.asset, state)
        source, target = self._disk.path(version.path), self._disk.path(path)
        if found[path] not in ("missing", "other"):
            return
        try:
            self._disk.require_place(target, source)
        except OSError:  # a folder or a link stands there: that is for somebody to move away
            return
        if found[path] == "other" and digest_file(target) not in {kept.digest for kept in state.versions}:
            return
        self._disk.make_folders([target.parent])
        self._disk.put(source, target, self.amendment.run.spare("link"))
        self._disk.sync_folders([target.parent])


def _mark(state: KeyState, key: str, **says: Any) -> Mark:
    assert state.current is not None  # noqa: S101  the callers have looked
    return Mark(key=key, partition=state.current.partition, **says)
