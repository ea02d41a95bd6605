"""The difference between two versions of a partition: which two, by which columns a row is known, and what it is.

Knows the log and the checks of an asset. How files are compared it leaves to `difference`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from lakehouse.assets import Asset
from lakehouse.checks.declared import Unique
from lakehouse.errors import RequestError
from lakehouse.log import Log
from lakehouse.past.lookback import Then, then, version_gone

if TYPE_CHECKING:
    from lakehouse.past.difference import RowDifference

__all__ = ["Difference", "Moment", "difference_of"]

Moment = str | int | datetime
"""The number of a commit, an ISO instant, or a datetime."""


class Difference(Struct, frozen=True, kw_only=True):
    """What is other in one version of a partition than in an earlier one.

    Attributes:
        asset: whose.
        key: which partition.
        old, new: the versions.
        rows: what is other.
        notes: what a reader should know.
    """

    asset: str
    key: str
    old: Then
    new: Then
    rows: RowDifference
    notes: tuple[str, ...] = ()


def difference_of(
    asset: Asset, log: Log, key: str, old: Moment | None, new: Moment | None, by: Sequence[str] | None
) -> Difference:
    """The difference between two versions of a partition.

    Args:
        asset: whose.
        log: its log.
        key: which partition.
        old: the moment of the one; None: the last version before the other.
        new: the moment of the other; None: now.
        by: columns in which no two rows are alike; none: rows are compared as a whole; None: the columns of a
            ``unique`` check, if the asset has one.

    Raises:
        RequestError: there was no such version, or it is no longer kept, or rows are alike in ``by``.
        StorageError: the log or a file cannot be read.
    """
    after = _required(log, key, new)
    if old is None:
        before = then(log, key, after.commit - 1)
        if before is None:
            raise RequestError(
                f"{log.asset} {key} had no data before commit {after.commit}: there is nothing to compare with",
                code="version-missing",
                help=f"see its versions: lake history {log.asset} {key}",
            )
    else:
        before = _required(log, key, old)
    rows, notes = _rows(asset, log, key, before, after, by)
    if rows.is_same and before.version.digest != after.version.digest:
        notes = (*notes, f"other bytes all the same: {_writers(before, after)}")
    return Difference(asset=log.asset, key=key, old=before, new=after, rows=rows, notes=notes)


def _required(log: Log, key: str, moment: Moment | None) -> Then:
    position = log.end() if moment is None else log.position(moment)
    if (found := then(log, key, position)) is None:
        is_number = isinstance(moment, int) or (isinstance(moment, str) and moment.isdecimal())
        when = f"{'commit ' if is_number else ''}{moment}"
        raise RequestError(
            f"{log.asset} {key} {'has no data' if moment is None else f'had no data at {when}'}",
            code="version-missing",
            help=f"see its versions: lake history {log.asset} {key}",
        )
    return found


def _rows(
    asset: Asset, log: Log, key: str, before: Then, after: Then, by: Sequence[str] | None
) -> tuple[RowDifference, tuple[str, ...]]:
    from lakehouse.past.difference import compare_rows

    files = [_kept(log, key, version) for version in (before, after)]
    # All rows of a partition have the same values in its own columns, and the files leave these out.
    named = _declared(asset) if by is None else by
    known_by = [name for name in named if name not in asset.partitions.columns]
    try:
        return compare_rows(*files, by=known_by), ()
    except FileNotFoundError:  # let go since
        gone = next((item for item in (before, after) if not log.disk.path(item.version.path).exists()), before)
        raise version_gone(log, key, gone.commit) from None
    except RequestError as error:
        if by is not None or not known_by:
            raise
        return compare_rows(*files), (f"rows are compared as a whole: {error.message}",)


def _kept(log: Log, key: str, found: Then) -> Path:
    path = log.disk.path(found.version.path)
    if not path.exists():
        raise version_gone(log, key, found.commit)
    return path


def _declared(asset: Asset) -> Sequence[str]:
    """The columns in which no two rows of a partition are alike, by a check of the asset; none where none says so."""
    found = [check for check in asset.checks if isinstance(check.rule, Unique)]
    found.sort(key=lambda check: check.severity != "error")
    return found[0].rule.columns if found else ()


def _writers(before: Then, after: Then) -> str:
    writers = [before.version.writer, after.version.writer]
    return "rows in another order" if len({*writers}) == 1 else f"written by {' and '.join(writers)}"
