"""The states of an asset's partitions in words: a line a partition, a line a reason, their numbers.

Knows the words and their order. Refuses to decide anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from lakehouse.cli.output import Screen, joined, plural, size, stamp
from lakehouse.reasons import ago
from lakehouse.selection import describe

if TYPE_CHECKING:
    from lakehouse.status import AssetStatus, PartitionStatus
    from lakehouse.survey import Survey

__all__ = ["STATES", "legend", "line", "reasons", "sign"]

STATES: Final = ("fresh", "empty", "stale", "missing", "unrecorded", "orphaned")


def sign(part: PartitionStatus) -> str:
    """The name of the sign that stands for a partition."""
    return "failed" if part.last_attempt is not None else part.status


def line(part: PartitionStatus) -> str:
    """A partition by itself: key, status, size and age."""
    rows = "" if part.row_count is None else plural(part.row_count, "row")
    made = f"made {stamp(part.made)}" if part.made else ""
    reason = part.reason if part.status not in ("fresh", "empty", "missing") or part.is_frozen else ""
    if part.last_attempt is not None:
        reason = joined([reason, f"last attempt {part.last_attempt.result}"])
    status = part.status if not reason.startswith(part.status) else ""
    bytes_shown = "" if part.size_bytes is None else size(part.size_bytes)
    return joined([part.key, status, rows, bytes_shown, made, reason])


def legend(screen: Screen, status: AssetStatus) -> str:
    """How many partitions have each status; empty where there are none."""
    counts = status.counts
    parts = [f"{screen.glyph(name)} {counts[name]} {name}" for name in STATES if counts.get(name)]
    if failed := status.failed_attempts:
        parts.append(f"({screen.glyph('failed')} last attempt failed: {failed} of these)")
    return joined(parts)


def reasons(screen: Screen, survey: Survey, status: AssetStatus, *, why: bool) -> list[str]:
    """A line for each reason, with the partitions that share it."""
    keys_by_reason: dict[tuple[str, str], list[str]] = {}
    for part in status.partitions:
        is_told = part.status in ("stale", "unrecorded", "orphaned") or part.reason.startswith("missing:")
        if is_told or part.is_frozen:
            reason = part.reason.partition(": ")[2] or part.reason
            keys_by_reason.setdefault((part.status, reason), []).append(part.key)
        if part.last_attempt is not None:
            keys_by_reason.setdefault(("failed", _attempt(part, survey, why=why)), []).append(part.key)
    return [
        f"{screen.glyph(state)} {describe(keys, status.definition)}  {reason}"
        for (state, reason), keys in keys_by_reason.items()
    ]


def _attempt(part: PartitionStatus, survey: Survey, *, why: bool) -> str:
    """What became of the last attempt, in short by the name of the exception."""
    attempt = part.last_attempt
    assert attempt is not None  # noqa: S101  the caller has looked
    error = attempt.error or {}
    message = str(error.get("message", attempt.result)).removeprefix(f"{attempt.asset}: ")
    name = error.get("context", {}).get("exception")
    kept = f"; previous data kept ({plural(part.row_count, 'row')})" if part.row_count is not None else ""
    what = message if why or not name else str(name)
    return f"{what}{',' if ' ' in what else ''} {ago(attempt.finished, survey.time)}{kept}"
