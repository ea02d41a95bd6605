"""The bytes of an asset held against its log: each kept version, and each file of the Hive tree.

Knows that a run may publish meanwhile, and asks the log again before it says that something is wrong. Refuses to
change anything, and to look for what the log does not name.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct, field

from lakehouse import layout
from lakehouse.care.faults import Fault
from lakehouse.care.hashing import Hashing
from lakehouse.disk import Disk
from lakehouse.fold import Fold, KeyState
from lakehouse.log import Log
from lakehouse.projection import let_go, projected
from lakehouse.records import Version
from lakehouse.storage_errors import storage_errors

__all__ = ["Bytes", "DataCheck", "hive_path"]

Bytes = Literal["whole", "missing", "other", "shared", "elsewhere"]
"""What a file holds: what it should; nothing, for it is not there; other bytes; those of the version's own file; or
it is out of the lake, for a link or a file stands where a folder should."""


class DataCheck(Struct, eq=False, kw_only=True):
    """Looks at what one asset's log names.

    Attributes:
        log: the asset's log.
        fold: its state; it moves on to the end.
        hashing: takes the digests.
        cure: says how a partition is made again, by key and state.
        versions: how many versions were looked at.
    """

    log: Log
    fold: Fold
    hashing: Hashing
    cure: Callable[[str, KeyState], str]
    versions: int = 0
    _dropped: Mapping[str, Sequence[Version]] = field(default_factory=dict)

    @property
    def disk(self) -> Disk:
        """The lake's."""
        return self.log.disk

    def faults(self) -> list[Fault]:
        """What is wrong, key by key; what a run changed meanwhile is looked at again.

        Raises:
            StorageError: files cannot be read, for another reason than damage.
        """
        with storage_errors(self.disk.root, "verifying"):
            keys, confirmed = [*self.fold.keys], list[Fault]()
            self.versions = sum(len(state.versions) for state in self.fold.keys.values())
            while keys:
                before = dict(self.fold.keys)
                suspected = self.of(keys)
                if suspected:
                    self.log.extend(self.fold)
                moved = {key for key, state in before.items() if self.fold.key(key) is not state}
                confirmed += [fault for fault in suspected if fault.key not in moved]
                keys = list(dict.fromkeys(fault.key for fault in suspected if fault.key in moved))
        return confirmed

    def of(self, keys: Iterable[str]) -> list[Fault]:
        """What is wrong with some keys, as the log's state has them."""
        shown = projected(self.disk, self.log.asset)  # first: whoever changes a file has committed, and says so last
        self._dropped = let_go(self.log, self.fold) if shown < self.fold.number else {}
        states = {key: self.fold.key(key) for key in keys}
        found = self.look(states)
        faults: list[Fault] = []
        for key, state in states.items():
            faults += self._of_key(key, state, found, is_pending=shown < state.commit)
        return faults

    def look(self, states: Mapping[str, KeyState]) -> dict[str, Bytes]:
        """What each version and each file of some keys holds, by path; files are held against current versions."""
        found: dict[str, Bytes] = {}
        to_hash: dict[Path, str] = {}
        for state in states.values():
            for version in state.versions:
                self._sort(version.path, version, found, to_hash)
            if state.version is not None:
                self._sort(hive_path(self.fold.asset, state), state.version, found, to_hash)
        digests = self.hashing.digests(to_hash)
        for path, digest in to_hash.items():
            found[path.relative_to(self.disk.root).as_posix()] = "whole" if digests[path] == digest else "other"
        return found

    def _sort(self, path: str, version: Version, found: dict[str, Bytes], to_hash: dict[Path, str]) -> None:
        """Tell what a file is by its status, as far as that goes; or have it read."""
        file = self.disk.path(path)
        try:
            status = file.lstat()
        except FileNotFoundError:
            found[path] = "missing"
            return
        except NotADirectoryError:
            found[path] = "elsewhere"
            return
        if os.path.realpath(file.parent) != str(file.parent):
            found[path] = "elsewhere"
            return
        if not stat.S_ISREG(status.st_mode) or status.st_size != version.size_bytes:
            found[path] = "other"
        else:
            to_hash[file] = version.digest
        if path != version.path and _is_same_file(self.disk.path(version.path), status):
            found[path] = "shared"
            to_hash.pop(file, None)

    def _of_key(self, key: str, state: KeyState, found: Mapping[str, Bytes], *, is_pending: bool) -> Iterator[Fault]:
        for version in state.versions:
            if (held := found[version.path]) != "whole":
                yield self._of_version(key, state, version, held, found)
        if state.version is None or state.current is None:
            return
        path = hive_path(self.fold.asset, state)
        current, held = found[state.version.path], found[path]
        if held in ("missing", "other") and not (is_pending and self._is_older(path, key, state, held)):
            is_kept = current == "whole" or any(True for _ in self.copies(state, state.version, found))
            yield self._of_file(key, state, path, held, is_mendable=is_kept)
        if state.is_damaged and current == "whole":
            yield Fault(
                kind="mark-outdated",
                path=state.version.path,
                asset=self.fold.asset,
                key=key,
                message="is marked as damaged, and is whole again",
                help="lake verify --repair",
                is_mendable=True,
            )

    def _is_older(self, path: str, key: str, state: KeyState, held: Bytes) -> bool:
        """Whether a file is as an earlier commit left it, and is still to follow the log."""
        if held == "missing":
            return True
        file = self.disk.path(path)
        older = [*state.versions, *self._dropped.get(key, ())]
        return not file.is_symlink() and self.hashing.digests([file])[file] in {version.digest for version in older}

    def copies(self, state: KeyState, version: Version, found: Mapping[str, Bytes]) -> Iterator[Path]:
        """Files that hold the bytes of a version: the one in the Hive tree, other versions, those in snapshots."""
        if version == state.version and found.get(path := hive_path(self.fold.asset, state)) == "whole":
            yield self.disk.path(path)
        for other in state.versions:
            if other.path != version.path and other.digest == version.digest and found.get(other.path) == "whole":
                yield self.disk.path(other.path)
        place = layout.hive_file_of(version.path)
        for folder in sorted(self.disk.path(layout.snapshot_folder("")).glob("*")):
            file = folder / place
            is_alike = file.is_file() and file.stat().st_size == version.size_bytes
            if is_alike and self.hashing.digests([file])[file] == version.digest:
                yield file

    def _of_version(
        self, key: str, state: KeyState, version: Version, held: Bytes, found: Mapping[str, Bytes]
    ) -> Fault:
        asset, is_current = self.fold.asset, version == state.version
        has_copy = any(True for _ in self.copies(state, version, found))
        what = "is missing" if held == "missing" else "does not hold the bytes that were published"
        if is_current and found.get(hive_path(asset, state)) == "shared":
            what += ", nor does its file in the Hive tree, which is the same file"
        kind: Literal["version-missing", "version-damaged"] = (
            "version-missing" if held == "missing" else "version-damaged"
        )
        if is_current:
            cure = self.cure(key, state)
        else:
            what += " (an earlier version)"
            cure = "nothing can make it again; only history, diff and rollback read it"
            if held != "missing":
                cure += "; to give it up, remove the file, then lake verify --repair"
        return Fault(
            kind=kind,
            path=version.path,
            asset=asset,
            key=key,
            message=what,
            help="lake verify --repair" if has_copy else cure,
            is_mendable=has_copy or (held == "missing" and not is_current),
        )

    def _of_file(self, key: str, state: KeyState, path: str, held: Bytes, *, is_mendable: bool) -> Fault:
        asset, again = self.fold.asset, self.cure(key, state)
        if held == "missing":
            return Fault(
                kind="file-missing",
                path=path,
                asset=asset,
                key=key,
                message="is missing: somebody removed it",
                help="lake verify --repair" if is_mendable else again,
                is_mendable=is_mendable,
            )
        file = self.disk.path(path)
        if not file.is_file() or file.is_symlink():
            what = "a link" if file.is_symlink() else "a folder"
            return Fault(
                kind="file-replaced",
                path=path,
                asset=asset,
                key=key,
                message=f"{what} stands in its place",
                help="move it away, then lake verify --repair",
            )
        return Fault(
            kind="file-replaced",
            path=path,
            asset=asset,
            key=key,
            message="does not hold the bytes that were published: it was changed or replaced",
            help=f"lake verify --repair (what stands there is kept as a version), or lake adopt {asset} {key}"
            if is_mendable
            else again,
            is_mendable=is_mendable,
        )


def hive_path(asset: str, state: KeyState) -> str:
    """Where the file of a key stands, relative to the root."""
    assert state.current is not None  # noqa: S101  the callers have looked
    partition = state.current.partition
    return layout.hive_file(asset, layout.partition_path(tuple(partition), tuple(partition.values())))


def _is_same_file(version: Path, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(version.lstat(), status)
    except OSError:
        return False
