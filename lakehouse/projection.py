"""The Hive tree made to follow the log: one step a partition, what the log's end says and never "my" version.

Knows how to tell a file that the lake put there from one that somebody else did. Refuses to replace the latter.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal

from msgspec import Struct, field

from lakehouse import layout
from lakehouse.disk import Disk, digest_file
from lakehouse.errors import AuditError, StorageError
from lakehouse.fold import Fold
from lakehouse.log import Log
from lakehouse.records import Version
from lakehouse.staging import Run, locked
from lakehouse.storage_errors import storage_errors

__all__ = ["FileState", "Projection", "compare", "foreign_file", "is_in_place", "let_go", "project", "projected"]

FileState = Literal["absent", "same", "other"]


class Projection(Struct):
    """What came of one projection.

    Attributes:
        unrecorded: keys whose file somebody else put there; they were left alone.
        error: what keeps the Hive tree from following the log, which still holds the data.
    """

    unrecorded: list[str] = field(default_factory=list)
    error: StorageError | None = None


def foreign_file(path: str) -> AuditError:
    """The refusal to replace a file that the lake did not put there."""
    return AuditError(
        f"{path} was put there by somebody else; it is left as it is",
        code="unrecorded",
        help="to replace it (it is kept as a version), run again with --force",
    )


def compare(file: Path, versions: Iterable[Version]) -> FileState:
    """Whether the file is one of these versions: by size and time first, by digest where the time differs.

    The time differs, and the bytes do not, in a lake that was copied without its times.
    """
    try:
        status = file.stat(follow_symlinks=False)
    except FileNotFoundError:
        return "absent"
    except NotADirectoryError:
        return "other"
    alike = [version for version in versions if version.size_bytes == status.st_size]
    if not alike or not stat.S_ISREG(status.st_mode):
        return "other"
    if any(version.mtime_ns == status.st_mtime_ns for version in alike):
        return "same"
    digest = digest_file(file)
    return "same" if any(version.digest == digest for version in alike) else "other"


def is_in_place(file: str, version: Version) -> bool:
    """Whether size and time say that a file is a version: what is most often so, told quickly."""
    try:
        status = os.stat(file, follow_symlinks=False)  # noqa: PTH116  for tens of thousands of partitions
    except OSError:
        return False
    is_alike = status.st_size == version.size_bytes and status.st_mtime_ns == version.mtime_ns
    return is_alike and stat.S_ISREG(status.st_mode)


def projected(disk: Disk, asset: str) -> int:
    """The commit up to which the Hive tree follows the log; 0 where nothing tells.

    A log that was put back from a copy may have other commits under the same numbers, hence the digest.
    """
    log = Log(disk, asset)
    try:
        content = json.loads((log.folder / "projected").read_bytes())
        number = int(content["commit"])
        return number if log.digest(number) == content["digest"] else 0
    except (OSError, ValueError, KeyError, TypeError):
        return 0  # it is worked out again by comparing every file


def let_go(log: Log, fold: Fold) -> Mapping[str, Sequence[Version]]:
    """By key, the versions that commits let go which are not yet projected: one of them may still be in place."""
    touched = _since(log, projected(log.disk, log.asset), fold)
    return {key: item.dropped for key, item in touched.items()}


def project(log: Log, run: Run, fold: Fold, *, synced: int = 0) -> Projection:
    """Make each key that the log touched since the last projection what the log's end says.

    Whoever comes later does what an earlier one left undone, so a crash at any point is made good by the next
    call.

    Args:
        log: the asset's log.
        run: whose folder is used.
        fold: the log's state as of the last look; it moves on to the end.
        synced: the commit up to which the caller knows the log to be on disk.

    Raises:
        StorageError: the log is damaged. Any other is the projection's ``error``, for what was committed stands.
    """
    outcome = Projection()
    try:
        log.extend(fold)
        if projected(log.disk, log.asset) < fold.number:
            lock = log.folder / "lock"
            with storage_errors(log.folder, "projecting"), locked(log.disk.require_own(lock)):
                log.extend(fold)
                _follow(log, run, fold, synced, outcome)
    except StorageError as error:
        if error.code in ("log-damaged", "log-newer"):
            raise
        outcome.error = StorageError(
            f"{log.asset}: committed, not yet projected: {error.message}",
            code="not-projected",
            help="see to the cause, then run the same command again: the data is safe in the log",
            context={"asset": log.asset, **error.context},
        )
    return outcome


def _follow(log: Log, run: Run, fold: Fold, synced: int, outcome: Projection) -> None:
    """The projection itself, under the lock."""
    before = projected(log.disk, log.asset)
    if before >= fold.number:
        return
    if fold.number > synced:
        # Somebody else's commit may not be on disk yet, or its run may have died before it was: after a power cut,
        # a file of a commit that is gone would be nobody's.
        log.disk.sync_folders([log.folder])
    touched = _since(log, before, fold)
    changed, failed = _put_all(log.disk, run, fold, touched, outcome)
    log.disk.sync_folders(changed)
    if failed:
        raise failed[0]
    dropped = [log.disk.path(version.path) for item in touched.values() for version in item.dropped]
    for path in dropped:
        log.disk.remove(path)
    # Once `projected` is on disk nobody removes them again: a power cut must not bring back what was to be gone.
    log.disk.sync_folders(folder for folder in {path.parent: None for path in dropped} if folder.is_dir())
    content = json.dumps({"commit": fold.number, "digest": fold.digest}).encode()
    log.disk.overwrite(log.folder / "projected", content, run.spare("projected"))


class _Touched(Struct, eq=False):
    """What the commits since the last projection did to one key."""

    partition: str
    is_made: bool = False
    is_replaced: bool = False
    dropped: list[Version] = field(default_factory=list)


def _since(log: Log, before: int, fold: Fold) -> Mapping[str, _Touched]:
    """The keys that the commits after one touched."""
    touched: dict[str, _Touched] = {}
    for commit in log.commits(before, fold.number):
        for record in (record for record in commit.records if record.result not in ("failed", "blocked")):
            item = touched.setdefault(record.key, _Touched(_path(record.partition)))
            item.is_made = True
            item.is_replaced |= record.result != "unchanged"
            item.dropped += record.dropped
        for mark in (mark for mark in commit.marks if mark.dropped):
            touched.setdefault(mark.key, _Touched(_path(mark.partition))).dropped += mark.dropped
    return touched


def _path(partition: Mapping[str, str]) -> str:
    return layout.partition_path(tuple(partition), tuple(partition.values()))


def _put_all(
    disk: Disk, run: Run, fold: Fold, touched: Mapping[str, _Touched], outcome: Projection
) -> tuple[list[Path], list[OSError]]:
    """Project each key; the folders whose names changed, and what went wrong."""
    wanted: list[tuple[Version, Path]] = []
    unwanted: list[Path] = []
    changed, failed = [], []
    for key, item in touched.items():
        state = fold.key(key)
        target = disk.path(layout.hive_file(fold.asset, item.partition))
        if not item.is_made:
            continue
        if state.version is not None and compare(target, [state.version]) == "same":
            if item.is_replaced and not is_in_place(str(target), state.version):
                wanted.append((state.version, target))  # somebody else put these bytes there; the log has them now
            # Whoever put it there may have died before the name was on disk.
            changed += [target.parent] * item.is_replaced
        elif compare(target, [*state.versions, *item.dropped]) == "other":
            outcome.unrecorded.append(key)
        elif state.version is None:
            unwanted.append(target)
        else:
            wanted.append((state.version, target))
    disk.make_folders([target.parent for _, target in wanted])
    for version, target in wanted:
        try:
            disk.put(disk.path(version.path), target, run.spare("link"))
            changed.append(target.parent)
        except OSError as error:  # one partition's folder may be closed where the others' are not
            failed.append(error)
    for target in unwanted:
        try:
            changed += _take_away(disk, target)
        except OSError as error:
            failed.append(error)
    return [folder for folder in changed if folder.is_dir()], failed


def _take_away(disk: Disk, target: Path) -> list[Path]:
    """Remove a partition's file, and the folders that this leaves empty; the folders whose names changed."""
    if target.exists():
        disk.remove(target)
    changed = [target.parent]
    while changed[-1] != disk.root and disk.remove_if_empty(changed[-1]):
        changed.append(changed[-1].parent)
    return changed
