"""A plan carried out: attempt and publish, asset after asset, each partition with its own result.

Knows the order of things, and what one failure leaves standing. Refuses to know how any of them is done.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Final

from msgspec import Struct
from msgspec.structs import replace

from lakehouse import layout
from lakehouse.assets import Asset
from lakehouse.attempt import Attempt
from lakehouse.blocked import Blocked
from lakehouse.checks.ofsources import SourceChecks
from lakehouse.checks.vetting import Vetting
from lakehouse.errors import ComputeError, LakeError, StorageError
from lakehouse.fold import Fold
from lakehouse.outcome import Event, Outcome, Reporter
from lakehouse.plan import Plan, Step
from lakehouse.portions import Portion
from lakehouse.projection import Projection, project
from lakehouse.publish import Published, Publisher
from lakehouse.records import Provenance
from lakehouse.retention import Retention, forget_versions
from lakehouse.staging import Run, open_run, sweep
from lakehouse.storage_errors import storage_errors
from lakehouse.survey import Survey

__all__ = ["Settings", "materialize"]

_RACES: Final = 3


class Settings(Struct, frozen=True, kw_only=True):
    """How a run goes about it.

    Attributes:
        retention: which superseded versions are kept.
        force: whether what is fresh is made again, and files that somebody else made are replaced.
        allow_schema_change: whether the contract may change.
        fail_fast: whether the first failure ends the run.
        by: user, host and command, for the log.
        clock: tells the time.
        in_memory_bytes: inputs up to this size are split in memory; None: the default.
        should_stop: whether the run was asked to end: no computation begins any more, and what is computed is
            published as far as one commit goes.
    """

    retention: Retention
    force: bool
    allow_schema_change: bool
    fail_fast: bool
    by: Mapping[str, str]
    clock: Callable[[], datetime]
    in_memory_bytes: int | None = None
    should_stop: Callable[[], bool] = lambda: False


def materialize(survey: Survey, plan: Plan, settings: Settings, on_event: Callable[[Event], None]) -> Outcome:
    """Carry out a plan.

    Each partition is published or left as it was; one that fails stops nothing but what is made of it. Without
    anything to make, nothing is written; what dead runs left is removed all the same.

    Raises:
        StorageError: nothing could be begun. Once begun, it is the outcome's ``error``.
    """
    outcome = Outcome("")
    reporter = Reporter(graph=survey.graph, outcome=outcome, clock=settings.clock, on_event=on_event)
    forget = partial(forget_versions, survey.disk)
    sweep(survey.disk, forget)
    if not plan.to_make and not any(survey.is_behind(asset) for asset in plan.assets()):
        for step in plan.steps:
            reporter.finish(step, reporter.kept(step))
        reporter.close(plan.steps)
        return outcome
    try:
        with (
            storage_errors(survey.disk.root, "making partitions"),
            open_run(survey.disk, settings.clock(), forget) as run,
        ):
            outcome.run = run.id
            _make_all(survey, plan, settings, reporter, run)
    except StorageError as error:
        if not outcome.run:
            raise
        outcome.error = error
    finally:
        reporter.close(reporter.planned)
    survey.sources.keep_digests()
    return outcome


def _make_all(survey: Survey, plan: Plan, settings: Settings, reporter: Reporter, run: Run) -> None:
    checks = SourceChecks(lambda: run.spare("spool"), reporter.outcome.source_checks)
    for asset in survey.graph.assets():
        if settings.should_stop():
            return
        steps = [*plan.of(asset.name), *(_found_since(survey, plan, asset) if asset.name in plan.open_ended else ())]
        reporter.planned += steps
        if steps:
            one = _AssetRun(
                survey=survey, asset=asset, settings=settings, reporter=reporter, run=run, source_checks=checks
            )
            one.make(steps)
        if settings.fail_fast and reporter.has_failed():
            return


def _found_since(survey: Survey, plan: Plan, asset: Asset) -> list[Step]:
    """Steps for keys that are found in the data now that upstreams are made, and were not when all was planned."""
    planned = {step.key for step in plan.of(asset.name)}
    found = [key for key in survey.partitions(asset).keys(survey.time) if key not in planned]
    states = {key: survey.state(asset, key) for key in found}
    return [Step(asset.name, key, "make", state, state.status) for key, state in states.items() if state.is_due]


class _AssetRun(Struct, eq=False, kw_only=True):
    """The part of a run that makes one asset."""

    survey: Survey
    asset: Asset
    settings: Settings
    reporter: Reporter
    run: Run
    source_checks: SourceChecks

    def make(self, steps: Sequence[Step]) -> None:
        """Make the partitions, planning again those that another run changed meanwhile."""
        if self.survey.is_behind(self.asset.name):
            fold = self.survey.fold(self.asset.name)
            self._take(fold, project(self.survey.log(self.asset.name), self.run, fold))
        pending = list(steps)
        for race in range(_RACES + 1):
            due = [step for step in pending if self._is_there(step) and self._is_due(step, is_retry=race > 0)]
            if not due or self.settings.should_stop():
                return
            if race == _RACES:
                self._give_up(due)
                return
            lost = self._attempt(due)
            pending = [
                replace(step, state=self.survey.state(self.asset, step.key)) for step in due if step.key in lost
            ]

    def _give_up(self, steps: Sequence[Step]) -> None:
        error = ComputeError(
            f"{self.asset.name}: other runs changed the partition {_RACES} times while it was made",
            code="race-lost",
            help="run the same command again",
        )
        for step in steps:
            self.reporter.finish(step, self.reporter.failed(step, error))

    def _is_there(self, step: Step) -> bool:
        """Whether the key is still found in the data, now that upstreams are made; if not, what it has is kept."""
        if not self.asset.partitions.unknown_columns or self.survey.is_declared(self.asset, step.key):
            return True
        state = self.survey.state(self.asset, step.key)
        if state.known.current is not None:
            self.reporter.finish(step, self.reporter.kept(replace(step, state=state)))
        return False

    def _is_due(self, step: Step, *, is_retry: bool) -> bool:
        """Whether a step computes something, now that its upstreams are made; one that does not is finished."""
        state = self.survey.state(self.asset, step.key)
        # What was taken for somebody else's may have been moved away, or turn out to be ours.
        is_refused = step.action == "refuse" and state.status == "unrecorded"
        if state.is_frozen and not self.settings.force:
            self.reporter.finish(step, self.reporter.kept(replace(step, state=state)))
            return False
        is_wanted = step.action != "keep" and not is_refused
        if is_wanted and (blocked := self._blocked_upstream(step.key)) is not None:
            self.reporter.finish(step, self.reporter.failed(step, blocked))
            return False
        is_forced = self.settings.force and not is_retry
        if is_refused or (state.status == "fresh" and not state.is_failed and not is_forced):
            self.reporter.finish(step, self.reporter.kept(replace(step, state=state)))
            return False
        return True

    def _blocked_upstream(self, key: str) -> LakeError | None:
        """Why a key cannot be made: a partition that it reads failed in this run, or was never made."""
        for name in self.survey.graph.upstream_assets(self.asset.name):
            upstream = self.survey.graph.asset(name)
            failed, fold = self.reporter.failed_keys(name), self.survey.fold(name)
            named = self.survey.inputs.reads(self.asset, upstream, key)
            for upper in named.keys:
                if upper in failed:
                    return self._failure_of(name, upper)
                if fold.key(upper).version is None:
                    return ComputeError(f"upstream {name} {upper} is missing", code="upstream-missing")
            if fold.schema is None and not upstream.schema:
                what = f"upstream {name} was never made, so that its columns are not known"
                return ComputeError(what, code="upstream-missing")
            if named.pending:
                return ComputeError(f"upstream {name} {named.pending} has not ended", code="upstream-missing")
        return None

    def _failure_of(self, upstream: str, key: str) -> LakeError:
        """What to say of a failed upstream key: of one that was skipped itself, what failed above it."""
        result = self.reporter.result(upstream, key)
        if result is not None and result.result == "skipped" and result.error is not None:
            return ComputeError(str(result.error["message"]), code=str(result.error["code"]))
        return ComputeError(f"upstream {upstream} {key} failed", code="upstream-failed")

    def _attempt(self, steps: Sequence[Step]) -> set[str]:
        """Compute and publish; the keys that another run changed meanwhile."""
        by_key = {step.key: step for step in steps}
        attempt = Attempt(
            asset=self.asset,
            steps=by_key,
            survey=self.survey,
            run=self.run,
            reporter=self.reporter,
            may_change=self.settings.allow_schema_change,
            fail_fast=self.settings.fail_fast,
            in_memory_bytes=self.settings.in_memory_bytes,
            should_stop=self.settings.should_stop,
            vetting=Vetting(asset=self.asset, survey=self.survey, source_checks=self.source_checks),
        )
        blocked = Blocked(self.survey.disk, self.asset.name)
        fold = self.survey.fold(self.asset.name)
        publisher = Publisher(
            log=self.survey.log(self.asset.name),
            run=self.run,
            retention=self.settings.retention,
            clock=self.settings.clock,
            is_forced=self.settings.force,
            fold=fold,
            contract=fold.schema,
        )
        for step in steps:
            self.reporter.start(step)
        lost: set[str] = set()
        read = {name: self.survey.fold(name).number for name in self.survey.graph.upstream_assets(self.asset.name)}
        for portion in attempt.portions():
            lost |= self._overtaken(portion, read)
            blocked.keep(portion.refused)
            published = publisher.publish(portion.staged, portion.failures, self._shared(attempt, publisher.fold))
            self._report(published, by_key)
            lost.update(published.lost)
            settled = [record.key for record in published.records if record.is_ok]
            blocked.forget(self._partition(key) for key in (*settled, *published.lost))
            self._take(publisher.fold, published.projection)
        for note in (*attempt.notes, *self._afterthoughts(by_key)):
            self.reporter.outcome.note(self.asset.name, note)
        self.reporter.outcome.latest[self.asset.name] = attempt.latest
        return lost

    def _overtaken(self, portion: Portion, read: Mapping[str, int]) -> set[str]:
        """Keys that failed for want of a version that another run has replaced and let go since; they count as lost.

        Args:
            portion: they are taken out of it.
            read: by upstream asset, the position of its log when the attempt began.
        """
        gone = {record.key for record in portion.failures if (record.error or {}).get("code") == "version-missing"}
        if not gone:
            return set()
        for name in read:
            self.survey.catch_up(name)
        if all(self.survey.fold(name).number == number for name, number in read.items()):
            return set()
        portion.failures = [record for record in portion.failures if record.key not in gone]
        return gone

    def _partition(self, key: str) -> str:
        columns = self.asset.partitions.columns
        return layout.partition_path(columns, self.asset.partitions.values(key))

    def _afterthoughts(self, steps: Iterable[str]) -> Iterator[str]:
        """What is to be said of the asset once partitions were made."""
        made = [key for key in steps if (result := self.reporter.result(self.asset.name, key)) and result.is_ok]
        causes = [(key, cause) for key in made for cause in self.survey.state(self.asset, key).causes]
        for name in dict.fromkeys(cause.input for _, cause in causes if cause.code == "upstream_stale"):
            count = sum(cause.input == name and cause.code == "upstream_stale" for _, cause in causes)
            what = "1 partition stays" if count == 1 else f"{count} partitions stay"
            yield f"{what} stale: made of {name} as it is, which is not fresh"
        fold = self.survey.fold(self.asset.name)
        if self.settings.allow_schema_change and (outdated := fold.outdated(fold.keys)):
            what = "1 partition has" if len(outdated) == 1 else f"{len(outdated)} partitions have"
            yield f"{what} other columns by now; until they are made again, readers of the whole may refuse it"

    def _shared(self, attempt: Attempt, fold: Fold) -> Provenance:
        code = self.survey.code(self.asset)
        return Provenance(
            run=self.run.id,
            code=code.digest,
            code_parts=code.parts,
            schema=attempt.schema or fold.schema,
            partitions=self.asset.partitions.describe(),
            by=self.settings.by,
        )

    def _report(self, published: Published, steps: Mapping[str, Step]) -> None:
        for record in published.records:
            self.reporter.finish(steps[record.key], record)

    def _take(self, fold: Fold, projection: Projection | None) -> None:
        """Go on from a later position of the log.

        Raises:
            StorageError: commits could not be projected onto the Hive tree.
        """
        self.survey.note(fold)
        if projection is None:
            return
        for key in projection.unrecorded:
            note = f"{key}: a file that somebody else put there was left as it is; the log has newer data"
            self.reporter.outcome.note(self.asset.name, note)
        if projection.error is not None:
            raise projection.error
