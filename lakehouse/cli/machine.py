"""What ``lake materialize`` prints for machines: one JSON object at the end, or one a line while it runs.

Knows the fields, which are only ever added to. Refuses to decide anything.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from lakehouse.cli.output import Screen, emit
from lakehouse.errors import LakeError
from lakehouse.plan import Plan
from lakehouse.records import Materialization, from_instant

if TYPE_CHECKING:
    from lakehouse.lake import Lake
    from lakehouse.outcome import Event, Outcome

__all__ = ["FEW", "PREVIEW_ROWS", "RESULTS", "Stream", "print_plan", "stream_for"]

FEW: Final = 3  # so many partitions are shown each with its preview
PREVIEW_ROWS: Final = 10
RESULTS: Final = ("created", "replaced", "unchanged", "fresh", "blocked", "failed", "skipped")


def print_plan(_: Screen, plan: Plan) -> None:
    """``--dry-run``: what would be made, and why."""
    steps = [{"asset": s.asset, "key": s.key, "action": s.action, "reason": s.reason} for s in plan.steps]
    content = {"schema_version": 1, "ok": True, "exit_code": 0, "dry_run": True, "plan": steps, "error": None}
    emit(content)


class Stream:
    """Nothing while it runs, one object at the end."""

    def __init__(self, lake: Lake) -> None:
        self._lake = lake
        self._out = sys.stdout  # of now: while a run goes on, what the user's functions print goes elsewhere

    def started(self, plan: Plan) -> None:
        """The run begins."""

    def hears(self, also: Callable[[Event], None]) -> Callable[[Event], None]:
        """What takes the events of the run."""
        return also

    def finished(self, outcome: Outcome, seconds: float, preview: int | None) -> None:
        """The run is over."""
        emit(self._summary(outcome, seconds, preview), self._out)

    def _summary(self, outcome: Outcome, seconds: float, preview: int | None) -> dict[str, Any]:
        counts = Counter(result.result for result in outcome.results)
        rows = PREVIEW_ROWS if preview is None and len(outcome.results) <= FEW else preview or 0
        return {
            "schema_version": 1,
            "ok": outcome.exit_code == 0,
            "exit_code": outcome.exit_code,
            "run_id": outcome.run or None,
            "dry_run": False,
            "duration_ms": round(seconds * 1000),
            "summary": {name: counts[name] for name in RESULTS},
            "results": [_result_json(self._lake, result, rows) for result in outcome.results],
            "notes": outcome.notes,
            "source_checks": [verdict for judged in outcome.source_checks for verdict in judged.to_json()],
            "error": outcome.error and outcome.error.to_json(),
            "faults": [fault.to_json() for fault in outcome.faults],
        }


class _LineStream(Stream):
    """One object an event, each with its number and its instant."""

    def __init__(self, lake: Lake) -> None:
        super().__init__(lake)
        self._seq = 0

    def _emit(self, kind: str, **facts: Any) -> None:
        head = {"event": kind, "seq": self._seq, "ts": from_instant(datetime.now(UTC))}
        emit(head | facts, self._out)
        self._seq += 1

    def started(self, plan: Plan) -> None:
        self._emit("run_started", schema_version=1, partitions=len(plan.steps), to_make=len(plan.to_make))

    def hears(self, also: Callable[[Event], None]) -> Callable[[Event], None]:
        def take(event: Event) -> None:
            also(event)
            if event.result is None:
                self._emit("partition_started", asset=event.asset, key=event.key)
            else:
                self._emit("partition_finished", **_result_json(self._lake, event.result, 0))

        return take

    def finished(self, outcome: Outcome, seconds: float, preview: int | None) -> None:
        summary = self._summary(outcome, seconds, preview)
        del summary["results"]
        self._emit("run_finished", **summary)


def stream_for(form: str, lake: Lake) -> Stream:
    """What speaks to machines in a format."""
    return _LineStream(lake) if form == "ndjson" else Stream(lake)


def _result_json(lake: Lake, result: Materialization, preview: int) -> dict[str, Any]:
    took = result.finished - result.started
    return {
        "asset": result.asset,
        "key": result.key,
        "partition": dict(result.partition),
        "result": result.result,
        "reason": result.reason,
        "row_count": result.row_count,
        "size_bytes": result.size_bytes,
        "data_version": result.data_version,
        "path": result.path,
        "schema": [{"name": name, "type": kind} for name, kind in result.schema or ()],
        "duration_ms": 0 if result.result == "fresh" else round(took.total_seconds() * 1000),
        "preview": _preview_json(lake, result, preview),
        "checks": [dict(check) for check in result.checks],
        "error": result.error,
    }


def _preview_json(lake: Lake, result: Materialization, rows: int) -> list[Any]:
    if not rows or result.version is None or result.result == "fresh":
        return []
    from lakehouse.reading import version_rows

    try:
        frame = version_rows(lake.root, result.asset, result.key, result.version, rows=rows)
    except LakeError:  # what was published stands, though it cannot be shown
        return []
    rows_json: list[Any] = json.loads(frame.write_json())
    return rows_json
