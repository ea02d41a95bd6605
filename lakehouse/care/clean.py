"""What nobody needs, removed: leftovers, and superseded versions whose time is over.

Knows what is let go by a commit, and what was never anybody's. Refuses to touch what a run that is alive may use, and
anything of an asset whose log is damaged.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Literal

from msgspec import Struct, field
from msgspec.structs import replace

from lakehouse.amend import Amendment, Change, time_after
from lakehouse.care.leftovers import Leftovers, size_of
from lakehouse.care.verify import Writing, known_names
from lakehouse.commits import Mark
from lakehouse.disk import Disk
from lakehouse.errors import StorageError
from lakehouse.fold import Fold
from lakehouse.log import Log
from lakehouse.projection import let_go, project, projected
from lakehouse.records import Version
from lakehouse.retention import Retention
from lakehouse.storage_errors import storage_errors
from lakehouse.survey import Survey

__all__ = ["Cleaned", "Removed", "clean"]

Kind = Literal["expired", "run", "version", "blocked", "cached"]
_KINDS: Final[dict[str, Kind]] = {"staging": "run", "versions": "version", "blocked": "blocked", "cache": "cached"}


class Removed(Struct, frozen=True, kw_only=True):
    """One file or folder that is gone, or would be.

    Attributes:
        kind: a version that *expired*; the unseen work of a *run* that died; a *version* that no commit names; a
            *blocked* file, refused by an audit, whose partition was made since; something *cached* that is not read.
        asset, key: whose it was; empty where it was nobody's.
        path: relative to the lake's root.
        size_bytes: the bytes that are free with it; 0 where a snapshot holds them.
        is_held: whether something else holds its bytes.
        is_early: whether only ``now`` lets it go: its grace is not over.
    """

    kind: Kind
    path: str
    asset: str = ""
    key: str = ""
    size_bytes: int = 0
    is_held: bool = False
    is_early: bool = False


class Cleaned(Struct):
    """What came of cleaning.

    Attributes:
        removed: what is gone, or with a dry run would be.
        problems: logs that are damaged, of whose assets nothing was touched.
    """

    removed: list[Removed] = field(default_factory=list)
    problems: list[StorageError] = field(default_factory=list)

    @property
    def size_bytes(self) -> int:
        """The bytes that are free."""
        return sum(item.size_bytes for item in self.removed)


def clean(survey: Survey, retention: Retention, writing: Writing | None, *, now: bool) -> Cleaned:
    """Remove what nobody needs.

    Args:
        survey: the lake.
        retention: which superseded versions are kept.
        writing: how to write to logs; None: nothing is removed, and only told.
        now: whether to wait for no version's grace.

    Raises:
        StorageError: the lake cannot be read or written; what was removed until then was needed by nobody.
    """
    names, found = known_names(survey), Cleaned()
    disk, folds = survey.disk, dict[str, Fold | None]()
    for name in names:
        try:
            folds[name] = survey.log(name).read()
        except StorageError as error:
            if error.code != "log-damaged":
                raise
            folds[name] = None
            found.problems.append(error)
    wanted = replace(retention, grace=timedelta(0)) if now else retention
    for fold in (fold for fold in folds.values() if fold is not None):
        time = time_after(fold, survey.time)
        usual = {version.path for _, version in [*_expired(fold, retention, time), *_leaving(disk, fold)]}
        expired = _expired(fold, wanted, time)
        expired += [(key, version) for key, version in _leaving(disk, fold) if disk.path(version.path).exists()]
        found.removed += [_of_version(disk, fold.asset, key, version, usual) for key, version in expired]
    found.removed += _left_over(Leftovers(disk=disk, folds=folds, names=names))
    is_behind = any(fold is not None and projected(disk, fold.asset) < fold.number for fold in folds.values())
    if writing is not None and (found.removed or is_behind):
        with storage_errors(disk.root, "cleaning"):
            _remove(survey, wanted, writing, folds, found)
    return found


def _remove(
    survey: Survey, retention: Retention, writing: Writing, folds: dict[str, Fold | None], found: Cleaned
) -> None:
    with writing.run() as run:  # which removes what dead runs left
        for fold in (fold for fold in folds.values() if fold is not None):
            if (error := project(survey.log(fold.asset), run, fold).error) is not None:
                raise error
            if any(item.kind == "expired" and item.asset == fold.asset for item in found.removed):
                _let_go(writing.amendment(fold.asset, fold, run), retention)
        again = Leftovers(disk=survey.disk, folds=folds, names=known_names(survey), own=run.id)
        for item in _left_over(again):
            if item.kind != "run":
                survey.disk.remove(survey.disk.path(item.path))
    found.removed = [item for item in found.removed if not survey.disk.path(item.path).exists()]


def _let_go(amendment: Amendment, retention: Retention) -> None:
    """Commit that versions are let go; the projection then removes them."""

    def decide(fold: Fold, time: datetime) -> Change | None:
        dropped: dict[str, list[Version]] = {}
        for key, version in _expired(fold, retention, time):
            dropped.setdefault(key, []).append(version)
        marks = []
        for key, versions in dropped.items():
            if (current := fold.key(key).current) is not None:
                marks.append(Mark(key=key, partition=current.partition, dropped=tuple(versions)))
        return Change(marks=tuple(marks)) if marks else None

    amendment.commit(decide)


def _expired(fold: Fold, retention: Retention, time: datetime) -> list[tuple[str, Version]]:
    """The versions that are not kept any more, each with its key."""
    return [
        (key, version)
        for key, state in fold.keys.items()
        if state.current is not None
        for version in retention.expired(state.superseded, time)
    ]


def _leaving(disk: Disk, fold: Fold) -> list[tuple[str, Version]]:
    """The versions that were let go, and are still to be removed: whoever did so did not come that far."""
    if projected(disk, fold.asset) >= fold.number:
        return []
    return [(key, version) for key, gone in let_go(Log(disk, fold.asset), fold).items() for version in gone]


def _of_version(disk: Disk, asset: str, key: str, version: Version, usual: Iterable[str]) -> Removed:
    file = disk.path(version.path)
    return Removed(
        kind="expired",
        path=version.path,
        asset=asset,
        key=key,
        size_bytes=size_of(file),
        is_held=_is_held(file),
        is_early=version.path not in usual,
    )


def _left_over(leftovers: Leftovers) -> list[Removed]:
    found = (fault for fault in leftovers.found(leftovers.names) if fault.kind == "leftover")
    return [
        Removed(
            kind=_KINDS[fault.path.split("/")[1]],
            path=fault.path,
            asset=fault.asset,
            size_bytes=fault.size_bytes,
            is_held=_is_held(leftovers.disk.path(fault.path)),
        )
        for fault in found
    ]


def _is_held(file: Path) -> bool:
    with suppress(FileNotFoundError):
        return file.is_file() and file.lstat().st_nlink > 1
    return False
