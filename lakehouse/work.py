"""What computing one asset takes: its frames, its function or query, and the questions asked along with it.

Knows how queries are run together, so that what they share is scanned once. Refuses to know which partitions are
wanted.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl
from msgspec import Struct, field

from lakehouse.assets import Asset
from lakehouse.calls import ENGINE_ERRORS, call, engine_error, is_reading_error, to_frame
from lakehouse.damage import first_damage
from lakehouse.errors import ComputeError, LakeError
from lakehouse.frames import Frames
from lakehouse.inputs import RowTable
from lakehouse.intake import Intake, unread_values
from lakehouse.measure import RowQuestion, row_question
from lakehouse.partitions import Partitions
from lakehouse.records import Schema
from lakehouse.verdicts import Verdicts
from lakehouse.versions import digest_of

if TYPE_CHECKING:
    from lakehouse.sql.frames import Tables

__all__ = ["IN_MEMORY_BYTES", "Work"]

IN_MEMORY_BYTES: Final = 64 * 1024 * 1024
"""Results of inputs up to this size are divided in memory; those of larger ones go through files."""


SHARED_BYTES: Final = 2 * 1024**3
"""Of inputs up to this size, what several queries share is scanned once, and held in memory for the others; of larger
ones, each query scans for itself."""


class Work(Struct, eq=False, kw_only=True):
    """Everything that computing one asset takes.

    Attributes:
        asset: whose partitions are computed.
        partitions: the asset's, all keys told.
        frames: gives its function's arguments.
        contract: the schema of the log; None before the first materialization.
        may_change: whether the result may have another schema.
        verdicts: what was found out about it before.
        code: the digest of its code, which verdicts hold for.
        on_facts: takes notes about the sources, and the latest time in each time column.
        spool: gives paths in the run's own folder.
        in_memory_bytes: results of inputs up to this size are divided in memory.
        rows_to_ask: the arguments of which the rows of these keys are to be digested in the same pass.
        tables: those digests, once they are told.
    """

    asset: Asset
    partitions: Partitions
    frames: Frames
    contract: Schema | None
    may_change: bool
    verdicts: Verdicts
    code: str
    on_facts: Callable[[Sequence[str], Mapping[str, str]], None]
    spool: Callable[[], Path]
    in_memory_bytes: int = IN_MEMORY_BYTES
    rows_to_ask: Mapping[str, Sequence[str]] = field(default_factory=dict)
    tables: dict[str, RowTable] = field(default_factory=dict)
    _laid_out: Tables | None = None

    def run(self, queries: Sequence[pl.LazyFrame]) -> list[pl.DataFrame]:
        """The answers of queries that are run together: what they share is scanned once, unless it is very large.

        Along with them, the sources are asked whether they hold what they declare; once for each content.

        Raises:
            SourceError: they do not.
            ComputeError, StorageError: a query fails.
        """
        asked = self._row_questions()
        answers = self._run([*queries, *(question.query for question in asked.values())])
        told = answers[len(queries) :]
        self.tables |= {name: asked[name].table(answer) for name, answer in zip(asked, told, strict=True)}
        return answers[: len(queries)]

    def _row_questions(self) -> dict[str, RowQuestion]:
        """What is asked of rows in the same pass, of those that are read only once whatever is asked of them."""
        wanted = self.rows_to_ask.items() if not self.tables else ()
        try:
            found = {
                name: row_question(self.frames, name, keys) for name, keys in wanted if self.frames.is_one_pass(name)
            }
        except ENGINE_ERRORS as error:
            raise self.explain(error) from error
        return {name: question for name, question in found.items() if question is not None}

    def _run(self, queries: Sequence[pl.LazyFrame]) -> list[pl.DataFrame]:
        self.on_facts(unread_values(self.frames), {})
        sources = self.frames.sources.values()
        # A version that is still being told is that of new content: nothing was found out about it before.
        match self.verdicts.get("intake", self._judged_on()) if all(now.is_told for now in sources) else None:
            case {"notes": list(notes), "latest": dict(latest)}:
                self.on_facts(notes, latest)
                return self._collect(queries)
        intake = Intake(self.frames)
        try:
            questions = intake.ask()
        except ENGINE_ERRORS as error:
            raise self.explain(error) from error
        answers = self._collect([*queries, *questions])
        intake.judge(answers[len(queries) :])
        # What was read while it changed is not the content that a version stands for.
        if all(now.version is not None and now.is_as_it_was for now in sources):
            self.verdicts.keep("intake", self._judged_on(), {"notes": intake.notes, "latest": intake.latest})
        self.on_facts(intake.notes, intake.latest)
        return answers[: len(queries)]

    def _judged_on(self) -> str:
        """What the answers about the sources depend on: them, and all that decides which row has which key."""
        facts = {
            "code": self.code,
            "extent": self.frames.extent(),
            "sources": [now.version for now in self.frames.sources.values()],
            "upstream": [self.frames.upstream[name].digest for name in self.frames.below_views()],
            "cut": [
                [name, (fold := self.frames.upstream.get(name)) and fold.digest, list(self.frames.keys)]
                for name in self.frames.cut_by_column()
            ],
        }
        return digest_of({name: json.dumps(fact) for name, fact in facts.items()})

    def _collect(self, queries: Sequence[pl.LazyFrame]) -> list[pl.DataFrame]:
        is_shared = self.frames.size_bytes <= SHARED_BYTES
        try:
            return pl.collect_all(
                queries, engine="streaming", optimizations=pl.QueryOptFlags(comm_subplan_elim=is_shared)
            )
        except ENGINE_ERRORS as error:
            raise self.explain(error) from error

    def arguments(self, keys: Sequence[str]) -> dict[str, pl.LazyFrame]:
        """What the asset's function or query is given for these keys; for a query, its rows are evaluated once.

        Raises:
            SourceError, ComputeError, DefinitionError, StorageError: they cannot be read.
        """
        try:
            found = self.frames.arguments(keys)
        except ComputeError as error:  # of a view's query
            raise self._at_fault(error.__cause__) or error from error.__cause__
        if self.asset.query is None:
            return found
        from lakehouse.sql.frames import laid_out

        try:
            self._laid_out = laid_out(found, spool=self.spool_if_large, run=self.run)
        except ENGINE_ERRORS as error:
            raise self.explain(error) from error
        return dict(self._laid_out.frames)

    def call(self, arguments: Mapping[str, Any]) -> pl.LazyFrame:
        """What the asset's function or query makes of its arguments.

        Raises:
            SourceError: it, or an engine that it asked, met a malformed source.
            ComputeError, StorageError: it failed for another reason.
        """
        asset = self.asset
        try:
            if asset.query is not None:
                from lakehouse.sql.asset import SqlQuery

                query = SqlQuery(name=asset.name, sql=asset.query, reads=asset.reads)
                return query.run(arguments, tables=self._laid_out, spool=self.spool_if_large).lazy()
            assert asset.function is not None  # noqa: S101  an asset has a function or a query
            return to_frame(call(asset.function, arguments, name=asset.name), name=asset.name, spool=self.spool)
        except ComputeError as error:
            raise (self.explain(error.__cause__) if error.__cause__ else error) from error.__cause__

    def columns(self, result: pl.LazyFrame) -> dict[str, pl.DataType]:
        """The columns of a result, with their types."""
        try:
            return dict(result.collect_schema())
        except ENGINE_ERRORS as error:
            raise self.explain(error) from error

    def explain(self, error: BaseException) -> LakeError:
        """An engine's error in the lake's words: a malformed source is said with line, column and value.

        A version of the lake that is no longer as it was published is named.
        """
        if isinstance(error, LakeError):
            return error
        return self._at_fault(error) or engine_error(error, self.asset.name, at=self.spool().parent)

    def _at_fault(self, error: BaseException | None) -> LakeError | None:
        """What is wrong with something that was being read; None: nothing is."""
        if error is None or not is_reading_error(error):
            return None
        for now in self.frames.sources.values():
            if (fault := now.fault()) is not None:
                return self.frames.with_readers(fault, now)
        read = ((self.frames.upstream[name], keys) for name, keys in self.frames.read_keys().items())
        damaged = (first_damage(self.frames.root, fold, keys) for fold, keys in read)
        return next((found for found in damaged if found is not None), None)

    @property
    def is_cheap_apart(self) -> bool:
        """Whether one key is better read by itself than along with all: what is large can be skipped through.

        Queries that share a scan hold all of it in memory.
        """
        if self.asset.query is not None or self.frames.size_bytes <= self.in_memory_bytes:
            return False
        return self.frames.unskippable_bytes <= self.in_memory_bytes

    @property
    def spool_if_large(self) -> Callable[[], Path] | None:
        """Where results go that may not fit into memory; None where the inputs are small."""
        return self.spool if self.frames.size_bytes > self.in_memory_bytes else None
