"""Partitions computed: all requested ones in one pass, or one alone.

Knows how a function is asked, and when it gives a partition other rows alone than in company. Refuses to know where
partitions go.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import polars as pl

from lakehouse.assets import ALL_COLUMNS, PARTITION, Asset
from lakehouse.audit import contract_for, differs, require_keys, require_partition_columns
from lakehouse.calls import ENGINE_ERRORS, call, engine_error, is_reading_error, to_frame
from lakehouse.dtypes import conform, parse_type
from lakehouse.errors import AuditError, ComputeError, LakeError
from lakehouse.frames import Frames
from lakehouse.inputs import RowTable
from lakehouse.intake import Intake
from lakehouse.measure import RowQuestion, row_question
from lakehouse.partitions.dimension import Partitions
from lakehouse.parts import Divided, Held, Part, divided, held
from lakehouse.records import Schema
from lakehouse.sql.asset import SqlQuery
from lakehouse.sql.frames import Tables, laid_out
from lakehouse.verdicts import Verdicts
from lakehouse.versions import digest_of

__all__ = [
    "IN_MEMORY_BYTES",
    "Batch",
    "NotSeparableError",
    "Work",
    "compute_alone",
    "compute_together",
    "writer",
]

IN_MEMORY_BYTES: Final = 64 * 1024 * 1024
"""Results of inputs up to this size are divided in memory; those of larger ones go through files."""


class NotSeparableError(Exception):
    """The function gives a partition other rows alone than in company; ``args[0]`` is the key."""


def writer() -> str:
    """Who encodes the files: with another release, the same rows may be other bytes."""
    return f"polars {pl.__version__}"


@dataclass(slots=True, kw_only=True)
class Work:
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
        """The answers of queries that are run together: what they share is scanned once.

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
        sources, on = self.frames.sources.values(), self._judged_on()
        match self.verdicts.get("intake", on):
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
            self.verdicts.keep("intake", on, {"notes": intake.notes, "latest": intake.latest})
        self.on_facts(intake.notes, intake.latest)
        return answers[: len(queries)]

    def _judged_on(self) -> str:
        """What the answers about the sources depend on: them, and all that decides which row has which key."""
        facts = {
            "code": self.code,
            "extent": self.frames.extent(),
            "sources": [now.version for now in self.frames.sources.values()],
            "upstream": [self.frames.upstream[name].digest for name in self.frames.below_views()],
        }
        return digest_of({name: json.dumps(fact) for name, fact in facts.items()})

    def _collect(self, queries: Sequence[pl.LazyFrame]) -> list[pl.DataFrame]:
        try:
            return pl.collect_all(queries, engine="streaming")
        except ENGINE_ERRORS as error:
            raise self.explain(error) from error

    def arguments(self, keys: Sequence[str]) -> dict[str, pl.LazyFrame]:
        """What the asset's function or query is given for these keys; for a query, its rows are evaluated once.

        Raises:
            SourceError, ComputeError, DefinitionError, StorageError: they cannot be read.
        """
        found = self.frames.arguments(keys)
        if self.asset.query is None:
            return found
        self._laid_out = laid_out(found, spool=self.spool_if_large, run=self.run)
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
        """An engine's error in the lake's words: a malformed source is said with line, column and value."""
        if isinstance(error, LakeError):
            return error
        if is_reading_error(error):
            for now in self.frames.sources.values():
                if (fault := now.fault()) is not None:
                    return fault
        return engine_error(error, self.asset.name)

    @property
    def spool_if_large(self) -> Callable[[], Path] | None:
        """Where results go that may not fit into memory; None where the inputs are small."""
        upstream = (state.version for fold in self.frames.upstream.values() for state in fold.keys.values())
        size = sum(now.size_bytes for now in self.frames.sources.values())
        size += sum(version.size_bytes for version in upstream if version)
        return self.spool if size > self.in_memory_bytes else None


@dataclass(slots=True, kw_only=True)
class Batch:
    """What was computed.

    Attributes:
        parts: the rows of each requested key; a key without rows has a part without rows.
        schema: the contract under which they are written.
        order: the columns by which each file is sorted; empty: the order of the result.
        is_told: whether probes told that partitions come out alone as they do in company; where fewer than two keys
            have rows going in, there is no company, and nothing is told.
    """

    parts: dict[str, Part]
    schema: Schema
    order: tuple[str, ...] = field(default=())
    is_told: bool = False


def compute_together(work: Work, keys: Sequence[str], *, probe: bool) -> Batch:
    """All requested partitions from one call of a set-wise function and one pass over its sources.

    Args:
        work: what to compute.
        keys: the requested keys.
        probe: whether to make the first and the last key alone too, in the same pass, and compare.

    Raises:
        NotSeparableError: a partition made alone is another.
        ComputeError, AuditError: the batch cannot be computed as a whole.
        SourceError: a source is malformed.
    """
    arguments = work.arguments(keys)
    batch, main = _batch(work, work.call(arguments))
    ends = (keys[0], keys[-1]) if probe and len(keys) > 1 else ()
    probes = [_probe(work, arguments, batch, key) for key in ends]
    columns = work.partitions.columns
    inputs = [arguments[name].group_by(*columns).len() for name in work.frames.keyed()] if columns else []
    answer, *answers = work.run([main.query, *(probe.held.query for probe in probes), *(inputs if probes else [])])
    batch.parts = _complete(work, batch, main.parts(answer), keys)
    _compare(batch, probes, answers[: len(probes)])
    if probes:
        _compare_another(work, batch, arguments, answers[len(probes) :], done=[probe.key for probe in probes])
    return batch


def compute_alone(work: Work, key: str) -> Batch:
    """One partition: a set-wise function asked for one key, or a per-key function called for it.

    Raises:
        ComputeError, AuditError, SourceError: the partition cannot be computed.
    """
    if not work.asset.is_per_key:
        return compute_together(work, [key], probe=False)
    result = work.call({**work.arguments([key]), PARTITION: work.partitions.partition(key)})
    values = dict(zip(work.partitions.columns, work.partitions.values(key), strict=True))
    lacking = [column for column in values if column not in work.columns(result)]
    result = result.with_columns(pl.lit(values[column]).alias(column) for column in lacking)
    batch, main = _batch(work, result)
    batch.parts = _complete(work, batch, main.parts(work.run([main.query])[0]), [key])
    return batch


def _batch(work: Work, result: pl.LazyFrame) -> tuple[Batch, Divided]:
    """A batch without its rows yet, and the query for them, under the contract."""
    columns, keys = work.columns(result), work.partitions.columns
    require_partition_columns(work.asset, columns)
    own = {name: dtype for name, dtype in columns.items() if name not in keys}
    schema = contract_for(work.asset, own, work.contract, may_change=work.may_change)
    ready = result.select(*conform(own, schema), *(pl.col(column).cast(pl.String) for column in keys))
    batch = Batch(parts={}, schema=schema, order=_order(work.asset, schema))
    return batch, divided(ready, work.partitions, is_final=not batch.order, spool=work.spool_if_large)


def _complete(work: Work, batch: Batch, found: Mapping[str | None, Part], keys: Sequence[str]) -> dict[str, Part]:
    """The parts of the requested keys, and of no others."""
    require_keys(work.asset, list(found), keys)
    empty = Part(rows=pl.DataFrame(schema={name: parse_type(kind) for name, kind in batch.schema}), row_count=0)
    return {key: found.get(key, empty) for key in keys}


def _order(asset: Asset, schema: Schema) -> tuple[str, ...]:
    """The columns to sort by: those asked for, then the others, so that the same rows give the same bytes."""
    if asset.sort_by is None:
        return ()
    first = () if asset.sort_by == ALL_COLUMNS else asset.sort_by
    names = [name for name, _ in schema]
    if unknown := [name for name in first if name not in names]:
        raise AuditError(
            f"{asset.name}: sort_by names {', '.join(unknown)}, which the result does not have ({asset.where})",
            code="sort-column-missing",
            help=f"it has {', '.join(names)}",
        )
    return (*first, *(name for name in names if name not in first))


@dataclass(frozen=True, slots=True)
class _Probe:
    """A partition made alone, to be compared with the same made in company.

    Attributes:
        key: which.
        held: what makes it.
    """

    key: str
    held: Held


def _probe(work: Work, arguments: dict[str, pl.LazyFrame], batch: Batch, key: str) -> _Probe:
    """A probe whose query filters the batch's own frames: the engine then shares their scans.

    Raises:
        NotSeparableError: alone, the partition has other columns.
    """
    values = dict(zip(work.partitions.columns, work.partitions.values(key), strict=True))
    result = work.call(work.frames.narrowed(arguments, key))
    columns = work.columns(result)
    if columns.keys() - values.keys() != dict(batch.schema).keys():
        raise NotSeparableError(key)
    own = [pl.col(column).cast(pl.String) == value for column, value in values.items()]
    query = result.filter(own).select(conform(columns, batch.schema))
    return _Probe(key, held(query, spool=work.spool_if_large))


def _compare(batch: Batch, probes: Sequence[_Probe], answers: Sequence[pl.DataFrame]) -> None:
    for probe, answer in zip(probes, answers, strict=True):
        if differs(batch.parts[probe.key].frame(), probe.held.rows(answer), [name for name, _ in batch.schema]):
            raise NotSeparableError(probe.key)


def _compare_another(
    work: Work, batch: Batch, arguments: dict[str, pl.LazyFrame], inputs: Sequence[pl.DataFrame], done: Sequence[str]
) -> None:
    """Of the keys that came out empty, probe the one with the most input rows: others may have crowded it out.

    Where there is none, and the first and the last key have no input rows and so tell nothing, probe another one.
    """
    counts: Counter[str] = Counter()
    for frame in inputs:
        counts.update({work.partitions.key(values): count for *values, count in frame.iter_rows()})
    peopled = [key for key in batch.parts if counts[key]]
    others = [key for key in peopled if not batch.parts[key].row_count and key not in done]
    if not others and not {*done} & {*peopled}:
        others = peopled
    if others:
        probe = _probe(work, arguments, batch, max(others, key=lambda key: counts[key]))
        _compare(batch, [probe], work.run([probe.held.query]))
    batch.is_told = len(peopled) > 1 or not work.frames.keyed()
