"""What a run reports: events while it goes on, one result a partition, and the exit code that they add up to.

Knows how a step becomes a result without being computed, or after it failed. Refuses to make anything.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from msgspec import Struct, field

from lakehouse import layout
from lakehouse.errors import AuditError, LakeError, RequestError, SourceError, StorageError
from lakehouse.graph import Graph
from lakehouse.plan import Step
from lakehouse.projection import foreign_file
from lakehouse.records import Materialization, Result

if TYPE_CHECKING:
    from lakehouse.checks.ofsources import Judged

__all__ = ["Event", "Outcome", "Reporter"]


class Event(Struct, frozen=True):
    """Something that happened, for whoever draws progress.

    Attributes:
        kind: a partition was begun, or finished.
        asset: whose it is.
        key: which.
        result: what came of it, once finished.
    """

    kind: Literal["started", "finished"]
    asset: str
    key: str
    result: Materialization | None = None


class Outcome(Struct):
    """What came of a run.

    Attributes:
        run: its id; empty where nothing had to be done.
        results: one for each partition of the plan, in its order, as far as the run came.
        notes: by asset, what a reader of the results should know.
        latest: by asset, the latest time in each time column that it reads.
        error: what ended the run early, or left it incomplete; None where each result speaks for itself.
        faults: assets that were left out, for nothing can be told of them.
        raised: the errors behind the results that failed, with their causes; those alike only once.
        source_checks: what the checks of sources said.
    """

    run: str
    results: list[Materialization] = field(default_factory=list)
    notes: dict[str, list[str]] = field(default_factory=dict)
    latest: dict[str, dict[str, str]] = field(default_factory=dict)
    error: LakeError | None = None
    faults: list[LakeError] = field(default_factory=list)
    raised: list[LakeError] = field(default_factory=list)
    source_checks: list[Judged] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 done; 1 a partition failed; 4 the environment; 5 a source is at fault and nothing was published.

        What ended the run early has its own.
        """
        if self.error is not None:
            return self.error.exit_code
        failed = [result for result in self.results if not result.is_ok]
        if not failed:
            return self.faults[0].exit_code if self.faults else 0
        published = any(result.result in ("created", "replaced", "unchanged") for result in self.results)
        codes = {result.error["exit_code"] for result in failed if result.error}
        if StorageError.exit_code in codes:
            return StorageError.exit_code
        return SourceError.exit_code if SourceError.exit_code in codes and not published else 1

    def note(self, asset: str, text: str) -> None:
        """Add a note, once."""
        if text not in self.notes.setdefault(asset, []):
            self.notes[asset].append(text)


class Reporter(Struct, eq=False, kw_only=True):
    """Collects the results of a run.

    Attributes:
        graph: the lake's definitions.
        outcome: what is reported so far.
        clock: tells the time.
        on_event: hears of each partition.
        planned: the steps that were taken up so far.
    """

    graph: Graph
    outcome: Outcome
    clock: Callable[[], datetime]
    on_event: Callable[[Event], None]
    planned: list[Step] = field(default_factory=list)
    _done: dict[tuple[str, str], Materialization] = field(default_factory=dict)
    _failed: dict[str, set[str]] = field(default_factory=dict)

    def start(self, step: Step) -> None:
        """Say that a partition is begun."""
        self.on_event(Event("started", step.asset, step.key))

    def finish(self, step: Step, result: Materialization) -> None:
        """Take a result; the version that the partition had before is added to it."""
        before = step.state.known.current
        result = result.with_(kept=before and before.version, kept_made=before and before.finished)
        self._done[result.asset, result.key] = result
        if not result.is_ok:
            self._failed.setdefault(result.asset, set()).add(result.key)
        self.on_event(Event("finished", result.asset, result.key, result))

    def result(self, asset: str, key: str) -> Materialization | None:
        """What came of a partition in this run; None where nothing did yet."""
        return self._done.get((asset, key))

    def failed_keys(self, asset: str) -> set[str]:
        """The partitions of an asset that are not what was asked for."""
        return self._failed.get(asset, set())

    def has_failed(self) -> bool:
        """Whether any partition is not what was asked for."""
        return bool(self._failed)

    def close(self, steps: Iterable[Step]) -> None:
        """Hand the results to the outcome, in the plan's order."""
        found = (self.result(step.asset, step.key) for step in steps)
        self.outcome.results = [result for result in found if result is not None]

    def blank(self, step: Step, *, started: datetime | None = None) -> Materialization:
        """The record of a step before anything came of it."""
        partitions = self.graph.asset(step.asset).partitions
        now = self.clock()
        partition = dict(zip(partitions.columns, partitions.values(step.key), strict=True))
        folder = layout.partition_path(partitions.columns, partitions.values(step.key))
        return Materialization(
            asset=step.asset,
            key=step.key,
            partition=partition,
            result="skipped",
            reason=step.reason,
            run=self.outcome.run,
            started=started or now,
            finished=now,
            base=step.state.known.commit,
            path=layout.hive_file(step.asset, folder),
        )

    def kept(self, step: Step) -> Materialization:
        """The result of a step that computes nothing: what is there, or why it is not touched."""
        current = step.state.known.current
        if step.state.is_frozen and step.state.status != "fresh":
            error = RequestError(
                f"{step.asset} {step.key} is frozen",
                code="frozen",
                help=f"lake unfreeze {step.asset} {step.key}, or --force",
            )
            kept = self.blank(step) if current is None else current.with_(dropped=(), displaced=None)
            return kept.with_(result="skipped", reason=step.reason, path=self.blank(step).path, error=error.to_json())
        if step.state.status == "unrecorded" or current is None:
            return self.failed(step, foreign_file(self.blank(step).path))
        return current.with_(
            result="fresh", reason=step.reason, path=self.blank(step).path, dropped=(), displaced=None
        )

    def failed(self, step: Step, error: LakeError, *, started: datetime | None = None) -> Materialization:
        """The record of an attempt that changed nothing."""
        result: Result = "failed"
        if isinstance(error, AuditError):
            result = "blocked"
        elif error.code.startswith("upstream-"):
            result = "skipped"
        if error.message not in {other.message for other in self.outcome.raised}:
            self.outcome.raised.append(error)
        return self.blank(step, started=started).with_(result=result, error=error.to_json())
