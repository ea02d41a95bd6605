"""The past of a lake, read from its logs: runs, the events of one partition, and which versions are still there.

Knows in which order to read, and to stop. Refuses to open data.
"""

from __future__ import annotations

import heapq
import os
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import islice

from msgspec import Struct
from msgspec.structs import replace

from lakehouse import layout
from lakehouse.commits import Commit
from lakehouse.disk import Disk
from lakehouse.errors import RequestError
from lakehouse.fold import Fold
from lakehouse.log import Log
from lakehouse.past.history import ATTEMPTS, KeyEvent, events
from lakehouse.past.runs import LakeRun, runs
from lakehouse.records import Materialization, Schema, Version
from lakehouse.storage_errors import storage_errors

__all__ = ["Then", "events_of", "logged_assets", "require_kept", "runs_of", "then", "version_gone"]

_SHOWN = 5


class Then(Struct, frozen=True, kw_only=True):
    """A version that a partition had at a position of its log.

    Attributes:
        commit: the number of the commit that brought it.
        made: when it was made.
        version: the bytes.
        schema: its columns and their types.
    """

    commit: int
    made: datetime
    version: Version
    schema: Schema


def logged_assets(disk: Disk) -> list[str]:
    """The assets that have a log, those too that are no longer declared."""
    folder = disk.path(layout.log_folder(""))
    with storage_errors(folder, "reading the logs"), suppress(FileNotFoundError), os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    return []


def _newest_first(log: Log, begin: int | None = None) -> Iterator[Commit]:
    """The commits of a log from a position backward, each read when it is asked for."""
    for number in range(log.end() if begin is None else begin, 0, -1):
        yield from log.commits(number - 1, number)


def runs_of(disk: Disk, assets: Sequence[str], *, last: int | None, failed: bool) -> list[LakeRun]:
    """The runs that wrote to the logs of some assets, newest first.

    Args:
        disk: the lake's.
        assets: whose logs are read.
        last: so many at most; None: all.
        failed: only those in which a partition failed or was blocked.

    Raises:
        StorageError: a log cannot be read.
    """
    logs = [_newest_first(Log(disk, asset)) for asset in assets]
    return runs(heapq.merge(*logs, key=lambda commit: commit.time, reverse=True), last=last, failed=failed)


def events_of(log: Log, key: str, *, last: int | None, failed: bool) -> list[KeyEvent]:
    """What each commit did to a partition, newest first, and what is left of it.

    Args:
        log: the asset's.
        key: the partition.
        last: so many at most; None: all.
        failed: only attempts that failed or were blocked.

    Raises:
        StorageError: the log cannot be read.
    """
    state = log.read().key(key)
    kept = {version.path for version in state.versions if log.disk.path(version.path).exists()}
    found = (event for event in events(_newest_first(log), key) if event.what in ATTEMPTS or not failed)
    return [
        event
        if event.version is None
        else replace(
            event,
            is_current=state.version is not None and event.version.path == state.version.path,
            is_kept=event.version.path in kept,
        )
        for event in islice(found, last)
    ]


def then(log: Log, key: str, position: int) -> Then | None:
    """The version that a partition had at a position of its log; None where it had none.

    Raises:
        StorageError: the log cannot be read.
    """
    found: tuple[Commit, Materialization] | None = None
    for commit in _newest_first(log, position):
        record = next((record for record in commit.records if record.key == key), None)
        if record is None or record.result in ATTEMPTS:
            continue
        if record.version is None or (found and found[1].data_version != record.data_version):
            break
        found = commit, record
        if record.result != "unchanged":
            break
    if found is None:
        return None
    commit, record = found
    assert record.version is not None  # noqa: S101  what has none ends the search
    return Then(commit=commit.number, made=record.finished, version=record.version, schema=record.schema or ())


def require_kept(log: Log, fold: Fold, keys: Sequence[str]) -> None:
    """Nothing, if the bytes that some keys had at a position of their log are still there.

    Raises:
        RequestError: some are gone.
    """
    made = {key: version.path for key in keys if (version := fold.key(key).version) is not None}
    gone = [key for key, path in made.items() if not log.disk.path(path).exists()]
    if gone:
        more = f", and {len(gone) - _SHOWN} more" if len(gone) > _SHOWN else ""
        raise RequestError(
            f"{len(gone)} of the {len(made)} versions that {fold.asset} had then are no longer kept",
            code="version-gone",
            details=[f"{', '.join(gone[:_SHOWN])}{more}"],
            help=f"Lake(..., keep_versions=…) says how many are kept; see which: lake history {fold.asset} {gone[0]}",
            context={"asset": fold.asset, "commit": fold.number, "keys": gone},
        )


def version_gone(log: Log, key: str, commit: int) -> RequestError:
    """The refusal to read a version that is no longer kept; it says which are."""
    kept: dict[str, str] = {}
    for event in events_of(log, key, last=None, failed=False):
        if event.version is not None and event.is_kept:
            kept[event.version.path] = f"commit {event.commit}{' (current)' if event.is_current else ''}"
    what = f"kept: {', '.join([*kept.values()][:_SHOWN])}" if kept else "none of its versions is kept"
    return RequestError(
        f"{log.asset} {key}: the version of commit {commit} is no longer kept",
        code="version-gone",
        details=[what],
        help="Lake(..., keep_versions=…) says how many superseded versions are kept; a snapshot keeps its own",
        context={"asset": log.asset, "key": key, "commit": commit},
    )
