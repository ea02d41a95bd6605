"""What ``lake materialize`` prints of partitions that failed: the cause, and what was kept, last on the screen.

Knows the errors of results. Refuses to decide anything.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from lakehouse.cli.checks import blocked_lines, print_warnings, source_lines, span_of
from lakehouse.cli.failures import print_error
from lakehouse.cli.output import Screen, plural, stamp
from lakehouse.errors import LakeError, SourceError
from lakehouse.records import Materialization

if TYPE_CHECKING:
    from lakehouse.lake import Lake
    from lakehouse.outcome import Outcome

__all__ = ["print_failures"]

_FEW: Final = 3  # so many partitions are named each
_MOST: Final = 5  # so many causes are shown
_REFUSED: Final = ("audit-blocked", "check-raised")
_CURES: Final = {
    "asset-raised": "fix it",
    "check-raised": "fix the check",
    "audit-blocked": "mend the data or the check",
    "source-check-failed": "mend the data or the check",
}


def print_failures(screen: Screen, lake: Lake, outcome: Outcome, *, planned: int, verbose: bool) -> None:
    """One block an error; partitions that share it are named together. Whole tracebacks first, if verbose.

    Before them what checks warn of, for that blocks nothing.
    """
    print_warnings(screen, lake, outcome)
    for raised in outcome.raised if verbose else ():
        if raised.__cause__ is not None:
            screen.note("".join(traceback.format_exception(raised.__cause__)).rstrip())
    groups: dict[str, list[Materialization]] = {}
    for result in outcome.results:
        if result.error is not None and not result.is_frozen:
            groups.setdefault(_kind(result), []).append(result)
    blamed = [failed for failed in groups.values() if failed[0].result != "skipped"]
    for failed in groups.values():
        if failed[0].result == "skipped":
            _print_skipped(screen, lake, failed)
    if more := sum(len(failed) for failed in blamed[_MOST:]):
        screen.note(f"{plural(more, 'more partition')} failed for other reasons: lake status --why")
    skipped = sum(len(failed) for failed in groups.values() if failed[0].result == "skipped")
    for failed in blamed[:_MOST]:
        _print_block(screen, lake, outcome, failed, skipped)
    if outcome.error is not None:
        print_error(screen, outcome.error)
    elif groups and (undone := planned - len(outcome.results)) > 0:
        screen.note(f"stopped at the first failure; not begun: {plural(undone, 'partition')}")


def _print_block(
    screen: Screen, lake: Lake, outcome: Outcome, failed: Sequence[Materialization], skipped: int
) -> None:
    error = failed[0].error or {}
    details = list(error.get("details", ()))
    if error["code"] == "source-check-failed":
        details = source_lines(screen, outcome, error["context"])
    elif error["code"] in _REFUSED:
        details = blocked_lines(screen, lake, failed, details if error["code"] == "check-raised" else None)
    details += _kept(failed)
    shown = LakeError(_message(lake, failed), code=error["code"], details=details, help=_help(error, failed, skipped))
    print_error(screen, shown)


def _kind(result: Materialization) -> str:
    if result.result == "skipped":
        return f"skipped {result.asset}"
    if result.error and result.error["code"] in _REFUSED:  # its details are of one partition
        return json.dumps([result.asset, result.error["code"], result.error["message"]])
    return json.dumps(result.error, sort_keys=True, default=str)


def _print_skipped(screen: Screen, lake: Lake, skipped: Sequence[Materialization]) -> None:
    if len(skipped) <= _FEW:
        for result in skipped:
            screen.note(f"skipped: {result.asset} {result.key}: {(result.error or {})['message']}")
        return
    what = f"{skipped[0].asset} {_span(lake, skipped)}"
    screen.note(f"skipped: {what}: what they are made of failed ({plural(len(skipped), 'partition')})")


def _span(lake: Lake, results: Sequence[Materialization]) -> str:
    return span_of(lake, results[0].asset, [result.key for result in results])


def _message(lake: Lake, failed: Sequence[Materialization]) -> str:
    """The error's message, naming the partitions where it does not name them itself."""
    message, asset = str((failed[0].error or {}).get("message")), failed[0].asset
    of_all = f"{asset}: "
    is_named = bool(failed[0].partition) and failed[0].key in message
    if _is_source_fault(failed) or (is_named and not message.startswith(of_all)):
        return message
    return f"{asset} {_span(lake, failed)}: {message.removeprefix(of_all)}"


def _kept(failed: Sequence[Materialization]) -> list[str]:
    if _is_source_fault(failed) or (failed[0].error or {})["code"] == "unrecorded":
        return []
    lines = [
        f"{result.key} keeps its previous data ({plural(result.kept.row_count, 'row')}, "
        f"made {stamp(result.kept_made)})"
        for result in failed
        if result.kept is not None and result.kept_made is not None
    ]
    return lines[:_FEW] + ([f"and {len(lines) - _FEW} more keep theirs"] if len(lines) > _FEW else [])


def _is_source_fault(failed: Sequence[Materialization]) -> bool:
    """Whether a source is at fault: that is no single partition's matter."""
    return (failed[0].error or {}).get("exit_code") == SourceError.exit_code


def _help(error: Mapping[str, Any], failed: Sequence[Materialization], skipped: int) -> str | None:
    if error.get("help"):
        return str(error["help"])
    if cure := _CURES.get(error["code"]):
        if skipped:  # these were not tried, and so have not failed
            return f"{cure}, then run the same command again ({plural(len(failed) + skipped, 'partition')})"
        return f"{cure}, then `lake materialize --failed` ({plural(len(failed), 'partition')})"
    return None
