"""What somebody else put into a lake: files and folders where nothing of the kind belongs.

Knows every place where something does. Refuses to open files, and to remove anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from typing import Final

from msgspec import Struct

from lakehouse import layout
from lakehouse.care.datacheck import hive_path
from lakehouse.care.faults import Fault
from lakehouse.disk import Disk
from lakehouse.fold import Fold
from lakehouse.log import Log
from lakehouse.projection import projected
from lakehouse.storage_errors import storage_errors

__all__ = ["Strays", "foreign", "listed"]

_TREES: Final = ("staging", "versions", "log", "blocked", "snapshots", "cache")
_NOT_OURS: Final = "is none of the lake's own"


def listed(disk: Disk, folder: str) -> list[tuple[str, bool]]:
    """The names in a folder of the lake, and whether each is a folder and no link; none where there is none."""
    try:
        with os.scandir(disk.path(folder)) as entries:
            return sorted((entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries)
    except (FileNotFoundError, NotADirectoryError):
        return []


def foreign(path: str, what: str, *, asset: str = "") -> Fault:
    """Something of somebody else's."""
    return Fault(kind="foreign", path=path, message=what, asset=asset, help="move it out of the lake")


class Strays(Struct, frozen=True, kw_only=True):
    """Looks through a lake's folders.

    Attributes:
        disk: the lake's.
        names: every asset that is declared or has a log.
        key_of: the key whose file lies in a folder of an asset, if the definition has such a key.
    """

    disk: Disk
    names: Collection[str]
    key_of: Callable[[str, str], str | None]

    def around(self) -> Iterator[Fault]:
        """What lies beside the assets, and beside the trees of the lake's own folder."""
        own = layout.BOOKKEEPING
        with storage_errors(self.disk.root, "verifying"):
            for name, is_folder in listed(self.disk, ""):
                if name not in (own, *self.names) or not is_folder:
                    yield foreign(name, "is no asset of this lake")
            for name, is_folder in listed(self.disk, own):
                if name not in _TREES or not is_folder:
                    yield foreign(f"{own}/{name}", _NOT_OURS)
            for tree in ("log", "versions", "blocked", "staging", "snapshots"):
                for name, is_folder in listed(self.disk, f"{own}/{tree}"):
                    if not is_folder or (tree == "log" and name not in self.names):
                        yield foreign(f"{own}/{tree}/{name}", _NOT_OURS)

    def beside(self, asset: str, fold: Fold) -> list[Fault]:
        """What lies in an asset's own folder, where partitions and nothing else belong."""
        with storage_errors(self.disk.root, "verifying"):
            found = sorted(self._within(asset, fold), key=lambda fault: fault.path)
            if found:  # a run may have published meanwhile; then its commit is there by now
                Log(self.disk, asset).extend(fold)
                again = {fault.path for fault in self._within(asset, fold)}
                found = [fault for fault in found if fault.path in again]
        return found

    def _within(self, asset: str, fold: Fold) -> Iterator[Fault]:
        shown = projected(self.disk, asset)
        places = {hive_path(asset, state) for state in fold.keys.values() if state.current is not None}
        above = {path[:end] for path in places for end in range(len(path)) if path[end] == "/"}
        pending = [asset] if dict(listed(self.disk, "")).get(asset) else []
        while pending:
            folder = pending.pop()
            entries = listed(self.disk, folder)
            if not entries and folder not in above and shown >= fold.number:  # else it may be about to go
                yield foreign(folder, "is an empty folder, and of no partition", asset=asset)
            for name, is_folder in entries:
                path = f"{folder}/{name}"
                if is_folder and path not in places and (path in above or "=" in name):
                    pending.append(path)
                elif path in above:
                    yield foreign(path, "stands where the folder of a partition belongs", asset=asset)
                elif path not in places and not self._is_going(asset, fold, path, shown):
                    yield self._stranger(asset, path)

    def _is_going(self, asset: str, fold: Fold, path: str, shown: int) -> bool:
        """Whether a file is one that the log let go, and that is still to be removed."""
        folder, _, name = path.rpartition("/")
        key = self.key_of(asset, folder) if name == layout.PART_FILE else None
        return key is not None and fold.key(key).commit > shown

    def _stranger(self, asset: str, path: str) -> Fault:
        folder, _, name = path.rpartition("/")
        is_file = self.disk.path(path).is_file() and not self.disk.path(path).is_symlink()
        key = self.key_of(asset, folder) if name == layout.PART_FILE and is_file else None
        if key is None:
            return foreign(path, "is no partition's file; readers of the folder may take it for data", asset=asset)
        return Fault(
            kind="unrecorded",
            path=path,
            asset=asset,
            key=key,
            message="was put there by somebody else: the log does not know it",
            help=f"record it: lake adopt {asset} {key}",
        )
