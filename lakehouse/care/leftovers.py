"""What nobody needs any more: work of runs that died, versions that no commit names, files that were refused.

Knows how to tell it from what a run that is alive is just about to use. Refuses to remove anything.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from lakehouse import layout
from lakehouse.care.faults import Fault
from lakehouse.care.strays import foreign, listed
from lakehouse.disk import Disk
from lakehouse.fold import Fold
from lakehouse.log import Log
from lakehouse.projection import let_go, projected
from lakehouse.staging import is_held
from lakehouse.storage_errors import storage_errors

__all__ = ["Leftovers", "size_of"]

_VERSION: Final = re.compile(r"(\d{8}T\d{6}-[0-9a-f]{8})-\d+", re.ASCII)
_CACHED: Final = re.compile(r"(.+)\.json(\.\d+-\d+)?", re.ASCII)


class Leftovers(Struct, eq=False, kw_only=True):
    """Looks for what is left over.

    Attributes:
        disk: the lake's.
        folds: the state of every log; None where that is damaged, so that nothing of it can be told left over.
        names: every asset that is declared or has a log.
        own: the id of the run that asks, which is none of the others.
    """

    disk: Disk
    folds: Mapping[str, Fold | None]
    names: Sequence[str]
    own: str = ""
    _alive: dict[str, bool] = field(default_factory=dict)

    def found(self, assets: Sequence[str]) -> list[Fault]:
        """What is left over of some assets; and what is left of runs, which may be of any.

        Raises:
            StorageError: the folders cannot be read.
        """
        with storage_errors(self.disk.root, "looking for leftovers"):
            faults = [*self._runs()]
            for asset in assets:
                if (fold := self.folds.get(asset, Fold(asset))) is not None:
                    faults += [*self._versions(asset, fold), *self._blocked(asset, fold)]
            return [*faults, *self._cache()]

    def is_alive(self, run: str) -> bool:
        """Whether a run is still at work."""
        if run not in self._alive:
            self._alive[run] = is_held(self.disk.path(f"{layout.staging_folder()}/{run}"))
        return self._alive[run]

    def _runs(self) -> Iterator[Fault]:
        for name, is_folder in listed(self.disk, layout.staging_folder()):
            path = f"{layout.staging_folder()}/{name}"
            # One that is empty may be just about to be locked by the run that made it.
            if is_folder and listed(self.disk, path) and not self.is_alive(name):
                yield self._left(path, "is the unseen work of a run that died")

    def _versions(self, asset: str, fold: Fold) -> Iterator[Fault]:
        """Files among the versions that no commit names; where there is no log at all, that is damage."""
        log = Log(self.disk, asset)
        named = _named(fold)
        unnamed = [path for path in self._files(layout.versions_folder(asset)) if path not in named]
        dead = [path for path in unnamed if (run := _run_of(path)) is not None and not self.is_alive(run)]
        if dead:  # whoever wrote them has committed what it ever will
            log.extend(fold)
            leaving = let_go(log, fold) if projected(self.disk, asset) < fold.number else {}
            named = _named(fold) | {version.path for versions in leaving.values() for version in versions}
        for path in unnamed:
            if _run_of(path) is None:
                yield foreign(path, "is no version", asset=asset)
        lost = [path for path in dead if path not in named and self.disk.path(path).exists()]
        swept = {name for name, _ in listed(self.disk, layout.staging_folder())}
        if fold.number == 0 and any(_run_of(path) not in swept for path in lost):
            yield Fault(
                kind="log-missing",
                path=layout.log_folder(asset),
                asset=asset,
                message=f"is gone, and {len(lost)} versions are there that it named",
                help=f"put it back from a copy of the lake; without one: lake adopt {asset} all",
            )
            return
        for path in lost:
            yield self._left(path, "is a version that no commit names", asset)

    def _blocked(self, asset: str, fold: Fold) -> Iterator[Fault]:
        """Refused files of partitions that were made since; while any run is at work, none is told left over."""
        refused = {
            layout.blocked_file(asset, layout.partition_path(tuple(made.partition), tuple(made.partition.values())))
            for state in fold.keys.values()
            if (made := state.attempt) is not None and made.result == "blocked"
        }
        for path in self._files(layout.blocked_folder(asset)):
            if not path.endswith(f"/{layout.PART_FILE}"):
                yield foreign(path, "is no refused file", asset=asset)
            elif path not in refused and not self._is_anyone_alive():
                yield self._left(path, "was refused, and its partition was made since", asset)

    def _is_anyone_alive(self) -> bool:
        runs = [name for name, is_folder in listed(self.disk, layout.staging_folder()) if is_folder]
        return any(name != self.own and self.is_alive(name) for name in runs)

    def _cache(self) -> Iterator[Fault]:
        top = layout.cache_folder()
        for path in self._files(top):
            match = _CACHED.fullmatch(path.rpartition("/")[2])
            if match is None:
                yield foreign(path, "is nothing that the lake keeps there")
            elif match[2] or not self._is_useful(path, match[1], is_on_top=path.count("/") == top.count("/") + 1):
                yield self._left(path, "is cached, and nothing reads it any more")

    def _is_useful(self, path: str, name: str, *, is_on_top: bool) -> bool:
        if not is_on_top and name not in self.names:
            return False
        with suppress(FileNotFoundError):
            try:
                json.loads(self.disk.path(path).read_bytes())
            except ValueError:
                return False
        return True

    def _left(self, path: str, what: str, asset: str = "") -> Fault:
        size = size_of(self.disk.path(path))
        return Fault(kind="leftover", path=path, message=what, asset=asset, help="lake clean", size_bytes=size)

    def _files(self, folder: str) -> Iterator[str]:
        """Everything below a folder that is no folder itself, relative to the root."""
        pending = [folder]
        while pending:
            above = pending.pop()
            for name, is_folder in listed(self.disk, above):
                if is_folder:
                    pending.append(f"{above}/{name}")
                else:
                    yield f"{above}/{name}"


def _named(fold: Fold) -> set[str]:
    return {version.path for state in fold.keys.values() for version in state.versions}


def _run_of(version: str) -> str | None:
    """The run that moved a version into place; None for a file of another name."""
    match = _VERSION.fullmatch(version.rpartition("/")[2])
    return match[1] if match else None


def size_of(path: Path) -> int:
    """The bytes that go with a file or a folder: not those that another link holds."""
    files = [path]
    if path.is_dir() and not path.is_symlink():
        files = [Path(folder) / name for folder, _, names in os.walk(path) for name in names]
    total = 0
    for file in files:
        with suppress(FileNotFoundError):
            status = file.lstat()
            total += status.st_size if status.st_nlink == 1 else 0
    return total
