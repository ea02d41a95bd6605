"""The files of snapshots held against the commits that they are pinned to.

Knows which version each file has to be. Refuses to change a snapshot, which never changes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from lakehouse import layout
from lakehouse.care.faults import Fault
from lakehouse.care.hashing import Hashing
from lakehouse.disk import Disk
from lakehouse.errors import StorageError
from lakehouse.log import Log
from lakehouse.past.snapshots import FACTS, Snapshot, snapshots
from lakehouse.records import Version
from lakehouse.storage_errors import storage_errors

__all__ = ["check_snapshots"]


def check_snapshots(disk: Disk, assets: Sequence[str], hashing: Hashing) -> Iterator[Fault]:
    """What is wrong with the snapshots of some assets, whose logs are whole.

    A file that is a link of a kept version is that version, and not looked at twice.

    Raises:
        StorageError: files cannot be read, for another reason than damage.
    """
    with storage_errors(disk.root, "reading the snapshots"):
        for snapshot in snapshots(disk):
            found = [*_of_snapshot(disk, snapshot, assets, hashing)]
            if disk.path(snapshot.path).exists():  # else somebody removed it meanwhile
                yield from found


def _of_snapshot(disk: Disk, snapshot: Snapshot, assets: Sequence[str], hashing: Hashing) -> Iterator[Fault]:
    if snapshot.made is None:
        yield _fault(snapshot, f"{snapshot.path}/{FACTS}", "", "", "is missing or cannot be read")
    for pinned in (pinned for pinned in snapshot.assets if pinned.asset in assets):
        try:
            fold = Log(disk, pinned.asset).read(to=pinned.commit)
        except StorageError:  # a log that was put back from an older copy does not reach so far
            continue
        made = {key: state.version for key, state in fold.keys.items() if state.version is not None}
        yield from _of_asset(disk, snapshot, pinned.asset, made, hashing)


def _of_asset(
    disk: Disk, snapshot: Snapshot, asset: str, made: Mapping[str, Version], hashing: Hashing
) -> Iterator[Fault]:
    to_hash: dict[Path, tuple[str, Version]] = {}
    for key, version in made.items():
        file = disk.path(f"{snapshot.path}/{layout.hive_file_of(version.path)}")
        if not file.is_file():
            yield _fault(snapshot, file.relative_to(disk.root).as_posix(), asset, key, "is missing")
        elif not _is_link_of(file, disk.path(version.path)):
            to_hash[file] = key, version
    digests = hashing.digests(to_hash)
    for file, (key, version) in to_hash.items():
        if digests[file] != version.digest:
            path = file.relative_to(disk.root).as_posix()
            yield _fault(snapshot, path, asset, key, "does not hold the bytes that the snapshot was taken of")


def _is_link_of(file: Path, version: Path) -> bool:
    with suppress(FileNotFoundError):
        return file.samefile(version)
    return False


def _fault(snapshot: Snapshot, path: str, asset: str, key: str, what: str) -> Fault:
    return Fault(
        kind="snapshot-damaged",
        path=path,
        asset=asset,
        key=key,
        message=what,
        help=f"nothing can make it again; to give it up: lake snapshot remove {snapshot.name}",
    )
