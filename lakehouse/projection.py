"""The Hive tree made to follow the log: one step a partition, what the log's end says and never "my" version.

Knows how to tell a file that the lake put there from one that somebody else did. Refuses to replace the latter.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from lakehouse import layout
from lakehouse.disk import Disk, digest_file
from lakehouse.errors import AuditError, StorageError
from lakehouse.fold import Fold
from lakehouse.log import Log
from lakehouse.records import Version
from lakehouse.staging import Run, locked

__all__ = ["FileState", "Projection", "compare", "foreign_file", "project", "projected"]

FileState = Literal["absent", "same", "other"]


@dataclass(slots=True)
class Projection:
    """What came of one projection.

    Attributes:
        number: the commit up to which the Hive tree follows the log now.
        unrecorded: keys whose file somebody else put there; they were left alone.
        failed: keys that could not be projected, and why; the log still holds their data.
    """

    number: int
    unrecorded: list[str] = field(default_factory=list)
    failed: dict[str, OSError] = field(default_factory=dict)


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
    alike = [version for version in versions if version.size_bytes == status.st_size]
    if any(version.mtime_ns == status.st_mtime_ns for version in alike):
        return "same"
    if not alike or not file.is_file():
        return "other"
    digest = digest_file(file)
    return "same" if any(version.digest == digest for version in alike) else "other"


def projected(disk: Disk, asset: str) -> int:
    """The commit up to which the Hive tree follows the log; 0 where nothing tells."""
    try:
        return int(json.loads((disk.path(layout.log_folder(asset)) / "projected").read_bytes())["commit"])
    except (OSError, ValueError, KeyError, TypeError):
        return 0  # it is worked out again by comparing every file


def project(log: Log, run: Run) -> tuple[Projection, Fold]:
    """Make each key that the log touched since the last projection what the log's end says.

    Whoever comes later does what an earlier one left undone, so a crash at any point is made good by the next
    call. Returns the log's end along with what came of it.
    """
    disk = log.disk
    with locked(log.folder / "lock"):
        fold = log.read()
        before = projected(disk, log.asset)
        if before >= fold.number:
            return Projection(fold.number), fold
        touched, dropped = _since(log, before, fold)
        outcome = Projection(fold.number)
        changed = _put_all(disk, run, fold, touched, dropped, outcome)
        disk.sync_folders(changed)
        if not outcome.failed:
            for version in (version for versions in dropped.values() for version in versions):
                disk.remove(disk.path(version.path))
            content = json.dumps({"commit": fold.number, "digest": fold.digest}).encode()
            disk.overwrite(log.folder / "projected", content, run.spare("projected"))
        return outcome, fold


def _since(log: Log, before: int, fold: Fold) -> tuple[Mapping[str, str], Mapping[str, list[Version]]]:
    """The keys touched after a commit, with their Hive folders; the versions that those commits let go."""
    touched: dict[str, str] = {}
    dropped: dict[str, list[Version]] = {}
    for commit in log.commits(before, fold.number):
        for record in commit.records:
            if record.result not in ("failed", "blocked"):
                touched[record.key] = layout.partition_path(tuple(record.partition), tuple(record.partition.values()))
                dropped.setdefault(record.key, []).extend(record.dropped)
    return touched, dropped


def _put_all(
    disk: Disk,
    run: Run,
    fold: Fold,
    touched: Mapping[str, str],
    dropped: Mapping[str, list[Version]],
    outcome: Projection,
) -> list[Path]:
    """Project each key; the folders whose names changed."""
    wanted: list[tuple[str, Version, Path]] = []
    for key, partition in touched.items():
        state = fold.key(key)
        target = disk.path(layout.hive_file(fold.asset, partition))
        if state.version is None or compare(target, [state.version]) == "same":
            continue
        ours = [*(item.version for item in state.superseded), *dropped[key]]
        if compare(target, ours) == "other":
            outcome.unrecorded.append(key)
            continue
        wanted.append((key, state.version, target))
    disk.make_folders([target.parent for _, _, target in wanted])
    changed = []
    for key, version, target in wanted:
        try:
            disk.put(disk.path(version.path), target, run.spare("link"))
        except OSError as error:
            if isinstance(error, StorageError):
                raise
            outcome.failed[key] = error
        else:
            changed.append(target.parent)
    return changed
