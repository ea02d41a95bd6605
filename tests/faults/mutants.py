"""The tests are tested: publishers that are wrong in one way each, which a layer has to notice.

Knows how to spoil a process for good, so that it is to be done in one that ends. Knows nothing of layers, but for
which ones a mutant must not survive.
"""

from __future__ import annotations

import atexit
import errno
import functools
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

__all__ = ["MUTANTS", "Mutant", "apply"]


@dataclass(frozen=True, slots=True)
class Mutant:
    """A publisher that is wrong.

    Attributes:
        name: what is wrong with it.
        spoil: makes this process's publisher so.
        dies_by: each of these layers has to notice, by this rule or clause.
        shows_at_rest: whether it is seen without any fault.
    """

    name: str
    spoil: Callable[[], None]
    dies_by: Mapping[str, str]
    shows_at_rest: bool = False


def apply(name: str) -> None:
    """Make this process's publisher a mutant."""
    MUTANTS[name].spoil()


def _no_file_sync() -> None:
    from lakehouse import disk

    sync = disk._sync
    disk._sync = lambda descriptor: sync(descriptor) if stat.S_ISDIR(os.fstat(descriptor).st_mode) else None


def _no_folder_sync() -> None:
    from lakehouse import disk

    sync = disk._sync
    disk._sync = lambda descriptor: None if stat.S_ISDIR(os.fstat(descriptor).st_mode) else sync(descriptor)


def _no_ancestor_sync() -> None:
    from lakehouse.disk import Disk

    def make_folders(_disk: Disk, folders: Iterable[Path]) -> None:
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)

    Disk.make_folders = make_folders  # type: ignore[method-assign]


def _rename_before_sync() -> None:
    from lakehouse.disk import Disk

    move, late = Disk.move, set[Path]()

    def not_yet(_disk: Disk, digests: Mapping[Path, str], _spare: Callable[[], Path]) -> list[Path]:
        late.update(digests)
        return [*digests]

    def move_and_sync(disk: Disk, source: Path, target: Path) -> None:
        move(disk, source, target)
        if source in late:
            disk.sync_files([target])

    Disk.sync_or_copy = not_yet  # type: ignore[method-assign]
    Disk.move = move_and_sync  # type: ignore[method-assign]


def _write_in_place() -> None:
    from lakehouse.disk import Disk

    def put(_disk: Disk, version: Path, target: Path, _spare: Path) -> None:
        with target.open("wb") as file:
            file.write(version.read_bytes())
            file.flush()
            os.fsync(file.fileno())

    Disk.put = put  # type: ignore[method-assign]


def _success_before_sync() -> None:
    from lakehouse.disk import Disk

    sync_folders = Disk.sync_folders

    def later(disk: Disk, folders: Iterable[Path]) -> None:
        atexit.register(sync_folders, disk, [folder for folder in folders if folder.is_dir()])

    Disk.sync_folders = later  # type: ignore[method-assign]


def _fixed_staging_name() -> None:
    from lakehouse.disk import Disk
    from lakehouse.staging import Run

    remove_tree = Disk.remove_tree

    def remove_all(disk: Disk, folder: Path) -> None:
        remove_tree(disk, folder)
        for path in folder.parent.iterdir():
            if path.is_file():
                path.unlink()

    Run.spare = lambda run, name="file": run.folder.parent / f"{name}-{run.number()}"  # type: ignore[method-assign]
    Disk.remove_tree = remove_all  # type: ignore[method-assign]


def _own_version() -> None:
    from lakehouse import projection, publish

    def project(log: Any, run: Any, fold: Any, *, synced: int = 0) -> projection.Projection:
        if not synced:
            return projection.project(log, run, fold)
        log._add(fold, synced)
        with projection.locked(log.folder / "lock"):
            for key, item in projection._since(log, synced - 1, fold).items():
                target = log.disk.path(projection.layout.hive_file(fold.asset, item.partition))
                log.disk.make_folders([target.parent])
                log.disk.put(log.disk.path(fold.key(key).version.path), target, run.spare("link"))
                log.disk.sync_folders([target.parent])
            content = projection.json.dumps({"commit": fold.number, "digest": fold.digest}).encode()
            log.disk.overwrite(log.folder / "projected", content, run.spare("projected"))
        return projection.Projection()

    publish.project = project


def _lost_race_ignored() -> None:
    from lakehouse.publish import Publisher

    Publisher._is_lost = lambda *_: False  # type: ignore[method-assign]


def _commit_over_another() -> None:
    from lakehouse.disk import Disk

    def create(_disk: Disk, staged: Path, target: Path) -> bool:
        staged.rename(target)
        return True

    Disk.create = create  # type: ignore[method-assign]


def _swallow(codes: set[int], *names: str) -> None:
    from lakehouse.disk import Disk

    def tolerant(method: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(method)
        def tried(*arguments: Any) -> Any:
            try:
                return method(*arguments)
            except OSError as error:
                if error.errno not in codes:
                    raise
                return True

        return tried

    for name in names:
        setattr(Disk, name, tolerant(getattr(Disk, name)))


def _full_disk_swallowed() -> None:
    _swallow({errno.ENOSPC}, "make_folders", "sync_folders", "write_new", "seal", "move", "create", "put")


def _failed_sync_swallowed() -> None:
    _swallow({errno.EIO, errno.ENOSPC}, "sync_folders")


def _sync_again() -> None:
    from lakehouse import disk

    sync = disk._sync

    def twice(descriptor: int) -> None:
        try:
            sync(descriptor)
        except OSError:
            sync(descriptor)

    disk._sync = twice


def _no_cleanup() -> None:
    from lakehouse.disk import Disk

    Disk.remove_tree = lambda *_: None  # type: ignore[method-assign]


def _staged_in_the_hive_tree() -> None:
    from lakehouse import layout

    layout.staging_folder = lambda: "monthly_orders/_staging"


def _failed_sink_trusted() -> None:
    from lakehouse import audit
    from lakehouse.parts import Part

    write = Part.write

    def tried(part: Part, path: Path, order: Any) -> None:
        try:
            write(part, path, order)
        except BaseException:  # noqa: BLE001  that is what is wrong
            path.touch()

    Part.write = tried  # type: ignore[method-assign]
    audit.require_staged = lambda *_: None


def _copied_not_renamed() -> None:
    from lakehouse.disk import Disk

    def move(_disk: Disk, source: Path, target: Path) -> None:
        shutil.copy2(source, target)

    Disk.move = move  # type: ignore[method-assign]


_WRITERS: Final = "two writers"

MUTANTS: Final[Mapping[str, Mutant]] = {
    mutant.name: mutant
    for mutant in (
        Mutant("no file fsync", _no_file_sync, {"L0": "bytes before the name", "L2": ""}),
        Mutant("no folder fsync", _no_folder_sync, {"L0": "names before success", "L2": "kept"}),
        Mutant("no ancestor fsync", _no_ancestor_sync, {"L0": "a folder before what is in it"}),
        Mutant("rename before fsync", _rename_before_sync, {"L0": "bytes before the name"}),
        Mutant("copied among the versions, not renamed", _copied_not_renamed, {"L0": "bytes before the name"}),
        Mutant(
            "success told before the last fsync",
            _success_before_sync,
            {"L0": "all syncs before success", "L2": "kept"},
        ),
        Mutant("written in place", _write_in_place, {"L0": "nothing in place, nothing elsewhere", "L1": "whole"}),
        Mutant("ENOSPC swallowed", _full_disk_swallowed, {"L1": "kept", "L3": ""}),
        Mutant("a failed fsync of a folder swallowed", _failed_sync_swallowed, {"L1": "kept"}),
        Mutant("fsync tried again", _sync_again, {"L1": "kept"}),
        Mutant("a sink that raised trusted", _failed_sink_trusted, {"L1": "whole"}),
        Mutant("no cleanup", _no_cleanup, {"L1": "converges"}),
        Mutant(
            "staged inside the Hive tree",
            _staged_in_the_hive_tree,
            {"L0": "nothing in place, nothing elsewhere", "L1": "elsewhere"},
            shows_at_rest=True,
        ),
        Mutant("fixed staging name", _fixed_staging_name, {_WRITERS: ""}),
        Mutant("its own version projected, not the log's end", _own_version, {_WRITERS: "kept"}),
        Mutant("a lost race ignored", _lost_race_ignored, {_WRITERS: "kept"}),
        Mutant("a commit over another's", _commit_over_another, {_WRITERS: ""}),
    )
}
