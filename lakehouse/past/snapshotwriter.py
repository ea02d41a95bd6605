"""A snapshot taken, and removed: built unseen out of hard links, and shown or taken out of sight in one step.

Knows the order of those steps, and what becomes of them when the lake changes meanwhile. Refuses to mix commits.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

from lakehouse import layout
from lakehouse.disk import Disk
from lakehouse.errors import StorageError
from lakehouse.fold import Fold
from lakehouse.log import Log
from lakehouse.past.snapshots import FACTS, Snapshot, current_versions, planned, require_snapshot, taken
from lakehouse.records import FORMAT, Version, dump, from_instant
from lakehouse.staging import Run
from lakehouse.storage_errors import storage_errors

__all__ = ["remove_snapshot", "take_snapshot"]

_TAKEN: Final = (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR)
_TRIES: Final = 8


def take_snapshot(
    disk: Disk, name: str, assets: Sequence[str], *, run: Run, time: datetime, by: Mapping[str, str]
) -> Snapshot:
    """Take a snapshot of assets, each as the end of its log has it; it is on disk when this returns.

    It is built in the run's folder and gets its name in one step, so that nobody ever sees half of it.

    Args:
        disk: the lake's.
        name: the snapshot's.
        assets: their names.
        run: whose folder is used.
        time: the present instant.
        by: user, host and command.

    Raises:
        RequestError, AuditError: as by `planned`; nothing was written.
        StorageError: the lake cannot be read or written; its code tells whether the snapshot is there.
    """
    with storage_errors(disk.root, "taking a snapshot"):
        logs = [Log(disk, asset) for asset in assets]
        folds = [log.read() for log in logs]
        planned(disk, name, folds)
        built = run.spare("snapshot")
        disk.make_folders([built])
        for log, fold in zip(logs, folds, strict=True):
            _link_all(log, fold, built)
        found = planned(disk, name, folds)
        # Somebody else's commit may not be on disk yet: after a power cut, its number would be another one's.
        disk.sync_folders(disk.path(layout.log_folder(asset.asset)) for asset in found.assets)
        content = {
            "format": FORMAT,
            "name": name,
            "made": from_instant(time),
            "by": dict(by),
            "assets": [asset.to_json() for asset in found.assets],
        }
        disk.write_new(built / FACTS, dump(content, indent=1) + b"\n")
        disk.sync_folders([built])
        _show(disk, built, name)
    return Snapshot(name=name, path=found.path, made=time, by=dict(by), assets=found.assets)


def _link_all(log: Log, fold: Fold, built: Path) -> None:
    """Give every current version of an asset a name below a folder; those names are on disk when this returns.

    A version may be let go between the look at the log and its linking. The log then has a newer one: the state moves
    on, and what is linked with it, so that all is of one commit.
    """
    disk, linked = log.disk, dict[str, Version]()
    for _ in range(_TRIES):
        wanted = current_versions(fold)
        for key in [key for key, version in linked.items() if wanted.get(key) != version]:
            disk.remove(_place(built, linked.pop(key)))
        todo = {key: version for key, version in wanted.items() if key not in linked}
        disk.make_folders([_place(built, version).parent for version in todo.values()])
        try:
            for key, version in todo.items():
                disk.link(disk.path(version.path), _place(built, version))
                linked[key] = version
        except FileNotFoundError as error:
            before = fold.number
            log.extend(fold)
            if fold.number == before:
                raise _missing(version) from error
            continue
        disk.sync_folders(_place(built, version).parent for version in linked.values())
        return
    raise StorageError(
        f"{log.asset} changes faster than it can be linked",
        code="too-busy",
        help="run it again; or keep superseded versions for longer: Lake(..., grace=…)",
    )


def _place(built: Path, version: Version) -> Path:
    return built / layout.hive_file_of(version.path)


def _missing(version: Version) -> StorageError:
    return StorageError(
        f"{version.path} is missing, and the log has nothing newer",
        code="version-missing",
        help="somebody has removed it: see `lake verify`",
        context={"path": version.path},
    )


def _show(disk: Disk, built: Path, name: str) -> None:
    """Give the folder its name, if nobody has it."""
    folder = disk.path(layout.snapshot_folder(""))
    disk.make_folders([folder])
    try:
        disk.move(built, folder / name)
    except OSError as error:
        if error.errno in _TAKEN:
            raise taken(name) from None
        raise
    try:
        # The names of a folder that moves are in three: without a journal, the new one alone might be taken back.
        disk.sync_folders([folder, folder / name, built.parent])
    except OSError as error:
        raise StorageError(
            f"{folder / name}: it is there, but the disk did not confirm it ({error.strerror})",
            code="durability-unconfirmed",
            help="see to the disk; then remove the snapshot, and take it again",
            context={"path": str(folder / name), "errno": error.errno},
        ) from error


def remove_snapshot(disk: Disk, name: str, *, run: Run) -> Snapshot:
    """Remove a snapshot, out of sight in one step; the bytes that nothing else holds are gone.

    Args:
        disk: the lake's.
        name: the snapshot's.
        run: whose folder is used.

    Raises:
        RequestError: there is none of that name.
        StorageError: it cannot be removed.
    """
    found = require_snapshot(disk, name)
    with storage_errors(disk.root, "removing a snapshot"):
        leaving = run.spare("snapshot")
        disk.require_place(disk.path(found.path) / FACTS, leaving)  # behind a link, it is none of the lake's
        disk.move(disk.path(found.path), leaving)
        disk.sync_folders([disk.path(layout.snapshot_folder(""))])
        disk.remove_tree(leaving)
    return found
