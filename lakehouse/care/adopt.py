"""Files that were made elsewhere, taken in: looked through, copied, and published like what a run makes.

Knows what becomes of each. Refuses to change one: what does not fit is not adopted; and to link to one, for whoever
made it may still write to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from msgspec import Struct

from lakehouse.assets import Asset
from lakehouse.care.arrivals import Arrival
from lakehouse.care.fates import Fates
from lakehouse.checks.declared import Matches
from lakehouse.disk import digest_file
from lakehouse.errors import AuditError, ComputeError
from lakehouse.projection import project
from lakehouse.publish import Publisher, Staged
from lakehouse.records import Materialization, Provenance, Result, Schema, Version
from lakehouse.retention import Retention
from lakehouse.staging import Run
from lakehouse.storage_errors import storage_errors
from lakehouse.survey import Survey

if TYPE_CHECKING:
    from lakehouse.care.shape import Shape
    from lakehouse.checks.reconciling import Tallies

__all__ = ["Adoption"]

_COMMIT_KEYS: Final = 256


class _Told:
    """What an adoption finds out by itself."""

    __slots__ = ("fates", "schema")

    schema: Schema | None
    fates: Fates


class Adoption(_Told, Struct, eq=False, kw_only=True):
    """Takes in files as partitions of one asset.

    Attributes:
        asset: whose partitions they become.
        survey: the lake as it is.
        retention: which superseded versions stay.
        clock: tells the time.
        by: user, host and command.
        is_forced: whether frozen partitions take part, and files are replaced that somebody else put in the lake.
        schema: the contract; None before anything was made or looked at.
        fates: gives the results their form.
    """

    asset: Asset
    survey: Survey
    retention: Retention
    clock: Callable[[], datetime]
    by: Mapping[str, str]
    is_forced: bool

    def __post_init__(self) -> None:
        self.fates = Fates(asset=self.asset, survey=self.survey, clock=self.clock, is_forced=self.is_forced)
        self.schema = self.survey.fold(self.asset.name).schema

    def foreseen(self, arrivals: Iterable[Arrival]) -> list[Materialization]:
        """What would become of each; nothing is written, and checks that need upstreams are not asked.

        Raises:
            StorageError: the lake cannot be read.
        """
        with storage_errors(self.survey.disk.root, "looking at files to adopt"):
            return [self._foreseen(arrival) for arrival in arrivals]

    def carry_out(self, arrivals: Sequence[Arrival], run: Run) -> list[Materialization]:
        """What became of each: adopted, or left as it was with the reason why.

        Raises:
            StorageError: the disk is at fault; what was committed stands, and doing it again is safe.
        """
        results: dict[str, Materialization] = {}
        with storage_errors(self.survey.disk.root, "adopting files"):
            self._catch_up(run)
            tallies = self._tallies([arrival.key for arrival in arrivals if arrival.file], run)
            publisher = self._publisher(run)
            for begin in range(0, len(arrivals), _COMMIT_KEYS):
                staged = []
                for arrival in arrivals[begin : begin + _COMMIT_KEYS]:
                    found = self._staged(arrival, run, tallies)
                    if isinstance(found, Staged):
                        staged.append(found)
                    else:
                        results[arrival.key] = found
                if staged:
                    results |= self._published(publisher, staged, run)
        self.survey.sources.keep_digests()
        return [results[arrival.key] for arrival in arrivals]

    def _catch_up(self, run: Run) -> None:
        """Let the Hive tree follow the log first: else its own files were taken for somebody else's."""
        fold = self.survey.fold(self.asset.name)
        if (error := project(self.survey.log(self.asset.name), run, fold).error) is not None:
            raise error
        self.survey.note(fold)

    def _publisher(self, run: Run) -> Publisher:
        fold = self.survey.fold(self.asset.name)
        return Publisher(
            log=self.survey.log(self.asset.name),
            run=run,
            retention=self.retention,
            clock=self.clock,
            is_forced=self.is_forced,
            fold=fold,
            contract=fold.schema,
        )

    def _published(self, publisher: Publisher, staged: Sequence[Staged], run: Run) -> dict[str, Materialization]:
        code = self.survey.code(self.asset)
        shared = Provenance(
            run=run.id,
            code=code.digest,
            code_parts=code.parts,
            schema=self.schema,
            partitions=self.asset.partitions.describe(),
            by=self.by,
        )
        published = publisher.publish(staged, (), shared)
        if published.projection is not None and published.projection.error is not None:
            raise published.projection.error
        self.survey.note(publisher.fold)
        by_key = {item.record.key: item for item in staged}
        # What another run made of the same inputs by the same code is not the file that was to be adopted.
        same = [record.key for record in published.records if record.result == "unchanged"]
        newest = {key: publisher.fold.key(key).current for key in same}
        others = [key for key, current in newest.items() if current is None or current.run != run.id]
        lost = ComputeError(
            f"{self.asset.name}: another run changed the partition meanwhile", code="race-lost", help="run it again"
        )
        found = {record.key: record for record in published.records}
        return found | {
            key: by_key[key].record.with_(result="failed", error=lost.to_json()) for key in (*published.lost, *others)
        }

    # One file

    def _staged(self, arrival: Arrival, run: Run, tallies: Tallies | None) -> Staged | Materialization:
        began = self.clock()
        if (settled := self.fates.unopened(arrival, began)) is not None:
            return settled
        assert arrival.file is not None  # noqa: S101  else it were settled
        copy = run.spare("part")
        self.survey.disk.copy_in(arrival.file, copy)
        try:
            record, shape = self._audited(arrival.key, copy, began, tallies)
        except AuditError as error:
            self.survey.disk.remove(copy)
            return self.fates.refused(arrival.key, began, error)
        digest = digest_file(copy)
        if (settled := self.fates.unpublished(record, digest)) is not None:
            self.survey.disk.remove(copy)
            return settled
        return Staged(
            file=copy,
            digest=digest,
            row_count=shape.row_count,
            writer=shape.writer,
            record=record,
            same_rows=partial(self._has_same_rows, copy),
        )

    def _foreseen(self, arrival: Arrival) -> Materialization:
        began = self.clock()
        if (settled := self.fates.unopened(arrival, began)) is not None:
            return settled
        assert arrival.file is not None  # noqa: S101  else it were settled
        try:
            record, shape = self._audited(arrival.key, arrival.file, began, None)
        except AuditError as error:
            return self.fates.refused(arrival.key, began, error)
        digest, known = digest_file(arrival.file), self.fates.known(arrival.key)
        if (settled := self.fates.unpublished(record, digest)) is not None:
            return settled
        is_same = known.version is not None and known.version.digest == digest
        result: Result = "unchanged" if is_same else "replaced" if known.version else "created"
        size = arrival.file.stat().st_size
        version = Version(
            digest=digest, path="", row_count=shape.row_count, size_bytes=size, mtime_ns=0, writer=shape.writer
        )
        return record.with_(result=result, version=version)

    def _audited(
        self, key: str, file: Path, began: datetime, tallies: Tallies | None
    ) -> tuple[Materialization, Shape]:
        """The record of a file that may be a partition's.

        Raises:
            AuditError: it may not.
        """
        from lakehouse.care.shape import shape_of

        shape = shape_of(self.asset, key, file, self.schema)
        verdicts: tuple[Mapping[str, object], ...] = ()
        if self.asset.checks:
            from lakehouse.checks.judging import judge_file, refusal

            judged = judge_file(self.asset, self.survey.partitions(self.asset).partition(key), file, tallies)
            if (error := refusal(f"{self.asset.name} {key}", judged, then="nothing adopted")) is not None:
                raise error
            verdicts = tuple(verdict.to_json() for verdict in judged)
        self.schema = shape.schema  # what was looked at first is the contract of the rest
        record = self.fates.blank(key, began).with_(
            schema=shape.schema,
            code=self.survey.code(self.asset).digest,
            inputs=self.survey.inputs.of_or_unknown(self.asset, key),
            checks=verdicts,
        )
        return record, shape

    def _tallies(self, keys: Sequence[str], run: Run) -> Tallies | None:
        """What checks have to know of the upstreams; None where none asks."""
        if not keys or not any(isinstance(check.rule, Matches) for check in self.asset.checks):
            return None
        from lakehouse.checks.reconciling import tallies_of
        from lakehouse.measure import frames_of

        return tallies_of(self.asset, frames_of(self.survey, self.asset, keys, lambda: run.spare("spool")), keys)

    def _has_same_rows(self, copy: Path, version: Version) -> bool:
        from lakehouse.care.shape import has_same_rows

        return has_same_rows(copy, self.survey.disk.path(version.path))
