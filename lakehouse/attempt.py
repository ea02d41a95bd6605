"""One try at a set of partitions of one asset: computed together or key by key, staged, audited, not yet published.

Knows when a batch has to be taken apart, and whether sources held still meanwhile. Refuses to publish.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field

from lakehouse import layout
from lakehouse.assets import Asset, Source
from lakehouse.checks.ofsources import SourceCheckError
from lakehouse.checks.vetting import Vetting
from lakehouse.disk import digest_file
from lakehouse.errors import AuditError, ComputeError, DefinitionError, LakeError, SourceError, StorageError
from lakehouse.outcome import Reporter
from lakehouse.plan import Step
from lakehouse.portions import Made, Portion, Refused
from lakehouse.publish import Staged
from lakehouse.records import Input, Materialization, Schema
from lakehouse.staging import Run
from lakehouse.storage_errors import storage_errors
from lakehouse.survey import Survey
from lakehouse.verdicts import Verdicts

if TYPE_CHECKING:
    from lakehouse.checks.judging import Verdict
    from lakehouse.checks.reconciling import Tallies
    from lakehouse.compute import Batch
    from lakehouse.work import Work

__all__ = ["Attempt"]

_NOT_SEPARABLE: Final = (
    "made key by key: together with others, {key} has other rows than alone; to make all in one pass, rank and "
    "limit within each partition (.over({column})), or say so with a parameter named `partition`"
)

_FAILURES: Final = (SourceError, DefinitionError, ComputeError, AuditError)

Inputs = Mapping[str, Mapping[str, Input]]


class _Computed(Struct, frozen=True, kw_only=True):
    """What was computed in one go.

    Attributes:
        batch: the rows.
        inputs: by key, the versions of what they were computed from.
        checks: what the checks of the sources said.
        tallies: what the asset's own checks have to know of its upstreams.
    """

    batch: Batch
    inputs: Inputs
    checks: tuple[Mapping[str, Any], ...]
    tallies: Tallies | None


class Attempt(Struct, eq=False, kw_only=True):
    """Makes partitions of one asset.

    Attributes:
        asset: whose partitions are made.
        steps: which, by key.
        survey: the lake as it is.
        run: whose folder is used.
        reporter: gives the records their form.
        may_change: whether the schema may be another than the contract.
        fail_fast: whether to stop at the first failure.
        in_memory_bytes: inputs up to this size are split in memory; None: the default.
        should_stop: whether to end after what is computed, or with the portion that is due.
        vetting: asks the checks.
        schema: the contract under which the staged files are written; None before anything was staged.
        notes: what a reader of the results should know.
        latest: the latest time in each time column that was read.
    """

    asset: Asset
    steps: Mapping[str, Step]
    survey: Survey
    run: Run
    reporter: Reporter
    may_change: bool
    fail_fast: bool
    in_memory_bytes: int | None
    should_stop: Callable[[], bool]
    vetting: Vetting
    schema: Schema | None = None
    notes: list[str] = field(default_factory=list)
    latest: dict[str, str] = field(default_factory=dict)

    def portions(self) -> Iterator[Portion]:
        """The work, portion by portion; each is to be published before the next is asked for.

        Raises:
            StorageError: the disk is at fault; what was yielded before stands.
        """
        portion = Portion(self._now())
        for staged in self._all():
            portion.add(staged)
            if portion.is_due(self._now()):
                yield portion
                portion = Portion(self._now())
                if self.should_stop():
                    break
            if self.fail_fast and not isinstance(staged, Staged):
                break
        if portion.staged or portion.failures:
            yield portion

    def _now(self) -> datetime:
        return self.reporter.clock()

    @property
    def _verdicts(self) -> Verdicts:
        return Verdicts(self.survey.disk, self.asset.name)

    @property
    def _code(self) -> str:
        return self.survey.code(self.asset).digest

    def _all(self) -> Iterator[Made]:
        keys, began, apart = list(self.steps), self._now(), ""
        try:
            together = None if self._is_taken_apart(keys) else self._together(keys)
        except _FAILURES as error:
            # Sources and definitions are at fault for every key; a batch of one has nothing to be taken apart.
            is_of_one = isinstance(error, ComputeError | AuditError) or self._reads_folders()
            if is_of_one and not isinstance(error, DefinitionError) and len(keys) > 1:
                together, apart = None, error.message
            else:
                yield from (self._failed(key, error, began) for key in keys)
                return
        if together is not None:
            for key in keys:
                yield self._stage(key, together, began)
            return
        has_failed = False
        for key in keys:
            if self.should_stop():
                return
            result = self._alone(key)
            has_failed |= not isinstance(result, Staged)
            yield result
        if apart and not has_failed:  # else the failures say so themselves
            self.notes.append(f"made key by key, which scans the sources once a key: together it failed: {apart}")

    def _is_taken_apart(self, keys: Sequence[str]) -> bool:
        """Whether the keys are made one by one from the start."""
        if self.asset.is_per_key or (len(keys) > 1 and self._work(keys).frames.is_shared_row(keys)):
            return True
        kept = self._verdicts.get("separable", self._code)
        if len(keys) > 1 and kept not in (None, True):
            self._note_not_separable(str(kept))
            return True
        return False

    def _note_not_separable(self, key: str) -> None:
        columns = ", ".join(f'"{column}"' for column in self.asset.partitions.columns)
        self.notes.append(_NOT_SEPARABLE.format(key=key, column=columns))

    def _failed(self, key: str, error: LakeError, began: datetime) -> Materialization:
        """The record of a partition of which nothing could be staged."""
        record = self.reporter.failed(self.steps[key], error, started=began)
        if isinstance(error, SourceCheckError):
            return record.with_(checks=tuple(error.judged.for_record()))
        return record

    def _together(self, keys: Sequence[str]) -> _Computed | None:
        """The whole batch in one pass; None where the function does not give each partition its own rows."""
        from lakehouse.compute import NotSeparableError, compute_together

        probe = len(keys) > 1 and self._verdicts.get("separable", self._code) is None
        try:
            made = self._steady(keys, lambda work: compute_together(work, keys, probe=probe))
        except NotSeparableError as error:
            self._verdicts.keep("separable", self._code, error.args[0])
            self._note_not_separable(error.args[0])
            return None
        if made.batch.is_told:
            self._verdicts.keep("separable", self._code, True)  # noqa: FBT003  the verdict itself
        return made

    def _alone(self, key: str) -> Made:
        from lakehouse.compute import compute_alone

        began = self._now()
        try:
            made = self._steady([key], lambda work: compute_alone(work, key))
        except _FAILURES as error:
            return self._failed(key, error, began)
        return self._stage(key, made, began)

    def _steady(self, keys: Sequence[str], compute: Callable[[Work], Batch]) -> _Computed:
        """What was computed, and the versions of what it was computed from.

        Sources are looked at before and after. Where one changed meanwhile it is computed once more; where it
        changed again, its version is recorded as unknown, which never counts as unchanged.
        """
        nodes = [node for node in self.survey.graph.inputs(self.asset.name) if isinstance(node, Source)]
        for _ in range(2):
            read = {node.name: self.survey.source_for(self.asset, node, keys) for node in nodes}
            for now in read.values():
                now.begin()  # takes the times of the files; what was digested before them would not tell
            checks = self.vetting.require_sound(read.values())
            work = self._work(keys)
            batch = compute(work)
            tallies = self.vetting.tallies(work.frames, keys)
            self._note_absent(nodes, keys)
            # A file may change and change back: its times tell what its digest does not.
            changed = [name for name, now in read.items() if not now.is_as_it_was]
            for name in changed:
                self.survey.look_again(name)
            if not changed:
                for name, table in work.tables.items():
                    self.survey.rows.take(self.asset, name, work.rows_to_ask[name], table)
                break
        inputs = self.survey.inputs
        unknown = dict.fromkeys(changed, Input(kind="source", version=None))
        for name in inputs.by_rows(self.asset):  # of these the version stands under the argument's name
            if any(node.name in changed for node in inputs.sources_of(name)):
                unknown[name] = Input(kind="rows", version=None)
        return _Computed(
            batch=batch,
            inputs={key: {**inputs.of(self.asset, key, described=True), **unknown} for key in keys},
            checks=checks,
            tallies=tallies,
        )

    def _reads_folders(self) -> bool:
        """Whether a source may be at fault for one key only: of Hive folders, each key reads its own."""
        nodes = self.survey.graph.inputs(self.asset.name)
        folders = [node for node in nodes if isinstance(node, Source) and node.partitions is not None]
        return any(not self.survey.inputs.is_whole(self.asset, node) for node in folders)

    def _note_absent(self, sources: Sequence[Source], keys: Sequence[str]) -> None:
        """Say which Hive folders there are not: whoever writes them may be late."""
        for source in (source for source in sources if source.partitions is not None):
            named = (self.survey.inputs.reads(self.asset, source, key).beyond for key in keys)
            absent = list(dict.fromkeys(text for text in named if text))
            if absent:
                more = f", and the like for {len(absent) - 1} more keys" if len(absent) > 1 else ""
                self._note(f"{source.name} has {absent[0]}{more}")

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)

    def _work(self, keys: Sequence[str]) -> Work:
        from lakehouse.measure import frames_of
        from lakehouse.work import IN_MEMORY_BYTES, Work

        def spool() -> Path:
            return self.run.spare("spool")

        return Work(
            asset=self.asset,
            partitions=self.survey.partitions(self.asset),
            frames=frames_of(self.survey, self.asset, keys, spool),
            # What was staged first is the contract of the rest: one commit has one.
            contract=self.schema or self.survey.fold(self.asset.name).schema,
            may_change=self.may_change and self.schema is None,
            verdicts=self._verdicts,
            code=self._code,
            on_facts=self._take_facts,
            spool=spool,
            rows_to_ask=self.survey.rows.to_ask(self.asset),
            in_memory_bytes=IN_MEMORY_BYTES if self.in_memory_bytes is None else self.in_memory_bytes,
        )

    def _take_facts(self, notes: Sequence[str], latest: Mapping[str, str]) -> None:
        self.notes += [note for note in notes if note not in self.notes]
        self.latest.update(latest)

    def _stage(self, key: str, made: _Computed, began: datetime) -> Made:
        """Write one partition into the run's folder, open it again, ask the checks, and take its digest."""
        from lakehouse.audit import has_same_rows, require_staged
        from lakehouse.calls import ENGINE_ERRORS, engine_error
        from lakehouse.compute import writer

        batch = made.batch
        part, path = batch.parts.pop(key), self.run.spare("part")
        try:
            with storage_errors(path, f"making {self.asset.name}"):  # told now, before what is staged is removed
                part.write(path, batch.order)
                require_staged(path, batch.schema, part.row_count)
            verdicts = self.vetting.verdicts(key, path, made.tallies)
        except OSError:  # these files are the lake's own
            raise
        except ENGINE_ERRORS as error:
            fault = error if isinstance(error, LakeError) else engine_error(error, self.asset.name, at=path)
            if isinstance(fault, StorageError):
                raise fault from error
            return self._failed(key, fault, began)
        self.schema = batch.schema
        record = self.reporter.blank(self.steps[key], started=began).with_(
            schema=batch.schema,
            code=self._code,
            inputs=dict(made.inputs[key]),
            checks=(*made.checks, *(verdict.to_json() for verdict in verdicts)),
        )
        if (refused := self._refused(record, verdicts, path)) is not None:
            return refused
        return Staged(
            file=path,
            digest=digest_file(path),
            row_count=part.row_count,
            writer=writer(),
            record=record,
            same_rows=lambda version: has_same_rows(path, self.survey.disk.path(version.path)),
        )

    def _refused(self, record: Materialization, verdicts: Sequence[Verdict], path: Path) -> Refused | None:
        """What becomes of a staged file that checks are against; None where none is."""
        partition = layout.partition_path(tuple(record.partition), tuple(record.partition.values()))
        if (error := self.vetting.refusal(verdicts, partition)) is None:
            return None
        failed = self.reporter.failed(self.steps[record.key], error, started=record.started)
        return Refused(failed.with_(checks=record.checks, inputs=record.inputs), partition, path)
