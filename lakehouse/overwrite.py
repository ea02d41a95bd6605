"""The writer alone: a frame's partitions published into a folder, for those who declare nothing.

Knows what a caller may ask for. Refuses to do it itself.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial, reduce
from operator import mul
from pathlib import Path
from typing import Any

from lakehouse import layout
from lakehouse.assets import ALL_COLUMNS, as_order
from lakehouse.callsite import caller
from lakehouse.disk import Disk
from lakehouse.errors import MaterializeError, RequestError
from lakehouse.framewriter import FrameWriter
from lakehouse.log import Log
from lakehouse.partitions import Dynamic
from lakehouse.records import Materialization
from lakehouse.retention import Retention, forget_versions
from lakehouse.staging import open_run, sweep
from lakehouse.storage_errors import storage_errors

__all__ = ["write_partitions"]


def write_partitions(
    frame: Any,
    path: str | os.PathLike[str],
    *,
    by: str | Sequence[str],
    sort_by: str | Sequence[str] | None = ALL_COLUMNS,
    partitions: Iterable[Any] = (),
    allow_schema_change: bool = False,
    force: bool = False,
    keep_versions: int = 1,
    grace: str | timedelta = "24h",
) -> list[Materialization]:
    """Replace exactly the partitions that a frame has rows of, each in one atomic step; the others stay as they are.

    Each partition is one file, ``path/<by>=<value>/part.parquet``, staged unseen in ``.lake`` beside the folder, held
    against the columns that were written before, synced, logged, and put in place by a rename. One whose bytes are
    what they were is left alone. Rows are divided as they stream: memory holds some row groups and one partition.

    Args:
        frame: a Polars LazyFrame or DataFrame, a DuckDB relation, or anything with ``__arrow_c_stream__``. A
            LazyFrame is asked twice, first for its keys alone: collect one that is costly, or not the same each time.
        path: the folder that readers read. Its name is the asset's (lower-case letters, digits and ``_``), the folder
            above it is the lake.
        by: the columns whose values make the keys, in the order in which their folders nest: text, whole numbers,
            dates (``day=2018-02-01``) or booleans, without nulls. The files do not hold them.
        sort_by: the columns by which the rows of each file are sorted first; by default all, left to right, so that
            the same rows are the same bytes. None keeps the frame's order.
        partitions: keys that are written even if the frame has no rows of them, as files without rows: of each its
            value, or of several columns a tuple or a mapping.
        allow_schema_change: whether the columns may be others than those written before.
        force: whether files are replaced that somebody else put there (each is kept as a version), and partitions
            that are frozen.
        keep_versions: how many superseded versions of a partition are kept.
        grace: how long further ones stay, so that readers can finish: ``"30m"``, ``"24h"``, ``"7d"`` or a timedelta.

    Returns:
        One result a partition, in the order of the keys.

    Raises:
        RequestError, DefinitionError: what was asked for cannot be done; nothing was written.
        AuditError: rows without a key, columns that were not there before, or files of another program's in a
            partition's folder, which readers would take for more of its rows; nothing was written.
        ComputeError: the frame's own query failed; nothing was written.
        MaterializeError: some partitions were refused, the others are published; its ``results`` has all of them.
        StorageError: the disk is at fault; what was committed stands, and writing again is safe.
    """
    where, target = caller(), Path(os.path.abspath(path))  # noqa: PTH100  a link on the way is the user's own
    columns = (by,) if isinstance(by, str) else tuple(by)
    if not columns or len({*columns}) < len(columns):
        raise RequestError(
            f"by={by!r} names no column, or one twice ({where})", help='write by="day", or by=["a", "b"]'
        )
    if isinstance(partitions, str | Mapping) or not isinstance(partitions, Iterable):
        cure = f"did you mean partitions=[{partitions!r}]?"
        raise RequestError(f"partitions={partitions!r} is no list of keys ({where})", help=cure)
    kind = reduce(mul, map(Dynamic, columns))
    disk, name = Disk(target.parent), layout.require_asset_name(target.name)
    retention, forget = Retention.declared(keep_versions, grace, where), partial(forget_versions, disk)
    sweep(disk, forget)
    with (
        storage_errors(disk.root, "writing partitions"),
        _nothing_half_made(disk),
        open_run(disk, datetime.now(UTC), forget) as run,
    ):
        log = Log(disk, name)
        writer = FrameWriter(
            log=log,
            run=run,
            fold=log.read(),
            kind=kind,
            sort_by=as_order(sort_by),
            retention=retention,
            may_change=allow_schema_change,
            is_forced=force,
            where=where,
        )
        results = writer.write(frame, partitions)
    failed = [result for result in results if not result.is_ok]
    if failed:
        raise MaterializeError(
            f"{len(failed)} of {len(results)} partitions were not written; the others are published",
            results=results,
            details=[f"{result.asset} {result.key}: {(result.error or {}).get('message')}" for result in failed],
        )
    return results


@contextlib.contextmanager
def _nothing_half_made(disk: Disk) -> Iterator[None]:
    """Where the block fails, the folders that it made and left empty are gone: a typo in a path leaves no trace."""
    own = [disk.path(layout.staging_folder()), disk.path(layout.BOOKKEEPING), disk.root, *disk.root.parents]
    missing = [folder for folder in own if not folder.exists()]
    try:
        yield
    except BaseException:
        with contextlib.suppress(OSError):
            all(disk.remove_if_empty(folder) for folder in missing)  # up to the first that holds something
        raise
