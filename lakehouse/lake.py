"""`Lake`: a root folder, the things declared for it, and the verbs.

Knows how a call becomes a survey, a plan and a run. Refuses to do any of them itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from lakehouse.caring import Caring
from lakehouse.errors import MaterializeError
from lakehouse.garbage import collected_later
from lakehouse.plan import Filter, Plan
from lakehouse.records import Materialization
from lakehouse.selection import Resolution, Selection
from lakehouse.survey import Survey

if TYPE_CHECKING:
    from lakehouse.outcome import Event, Outcome

__all__ = ["Lake"]


class Lake(Caring):
    """A folder of assets, each plain Parquet in Hive folders.

    Args:
        root: the folder; a relative one resolves against the folder of the file that makes the `Lake`, at first
            use (the command line resolves it against the project's folder, which is the same for a lakefile).
        keep_versions: how many superseded versions of a partition are kept beside the current one.
        grace: how long further superseded versions stay, so that readers that planned on them can finish:
            ``"30m"``, ``"24h"``, ``"7d"`` or a timedelta.

    Raises:
        DefinitionError: one of these is not what it should be.
    """

    def plan(
        self,
        survey: Survey,
        resolution: Resolution,
        *,
        force: bool = False,
        only: Sequence[Filter] = (),
        upstream: bool = True,
    ) -> Plan:
        """What making these partitions takes: they, and before them what they are made of and is not fresh."""
        from lakehouse.planning import plan_for

        with collected_later():
            return plan_for(survey, resolution.keys_by_asset, force=force, only=only, upstream=upstream)

    def run(
        self,
        survey: Survey,
        plan: Plan,
        *,
        force: bool = False,
        allow_schema_change: bool = False,
        fail_fast: bool = False,
        on_event: Callable[[Event], None] = lambda _: None,
        should_stop: Callable[[], bool] = lambda: False,
    ) -> Outcome:
        """Carry out a plan, until it is to stop; the outcome tells of failures, and is not raised."""
        from lakehouse.materialize import Settings, materialize

        settings = Settings(
            retention=self._retention,
            force=force,
            allow_schema_change=allow_schema_change,
            fail_fast=fail_fast,
            by=self._by(),
            clock=self._clock,
            in_memory_bytes=self._in_memory_bytes,
            should_stop=should_stop,
        )
        return materialize(survey, plan, settings, on_event)

    def materialize(
        self,
        selection: Selection | str | Iterable[str],
        *,
        assets: Iterable[str] = (),
        force: bool = False,
        only: Sequence[Filter] = (),
        include_current: bool | None = None,
        allow_schema_change: bool = False,
        upstream: bool = True,
        on_failure: Literal["raise", "return"] = "raise",
    ) -> list[Materialization]:
        """Make what is not fresh among the selected partitions, each published on its own, in one pass.

        Args:
            selection: which partitions, as on the command line: ``"2018-01..2018-04"``.
            assets: which assets; none: all that have the keys. What they are made of is made first.
            force: make fresh partitions too, and replace files that somebody else put there.
            only: of the selected partitions, those that are ``"missing"``, ``"stale"`` or ``"failed"``.
            include_current: whether the window that is still running may be made; None: as defined.
            allow_schema_change: whether the asset may have other columns from now on.
            upstream: whether to make first what the partitions are made of.
            on_failure: whether partitions that failed raise, once the others are published.

        Returns:
            One result a partition, in the order of making.

        Raises:
            RequestError, DefinitionError: nothing was done.
            SourceError: a source is missing.
            MaterializeError: partitions failed; its ``results`` has all of them.
            StorageError: the disk is at fault; what was committed stands, and doing it again is safe.
        """
        survey = self.survey()
        resolution = self.resolve(selection, assets, include_current=include_current, survey=survey)
        plan = self.plan(survey, resolution, force=force, only=only, upstream=upstream)
        for problem in (*resolution.faults.values(), *survey.sources.problems.values()):
            raise problem
        outcome = self.run(survey, plan, force=force, allow_schema_change=allow_schema_change)
        if outcome.error is not None:
            raise outcome.error
        failed = [result for result in outcome.results if not result.is_ok]
        if failed and on_failure == "raise":
            raise MaterializeError(
                f"{len(failed)} of {len(outcome.results)} partitions failed; the others are published",
                results=outcome.results,
                details=[f"{result.asset} {result.key}: {(result.error or {}).get('message')}" for result in failed],
            )
        return outcome.results
