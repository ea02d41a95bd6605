"""Partitions computed: all requested ones in one pass, or one alone, as frames or as files too large for memory.

Knows how rows become partitions, and when a function gives a partition other rows alone than in company. Refuses to
know where partitions go.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal
from urllib.parse import unquote

import polars as pl

from lakehouse.assets import ALL_COLUMNS, PARTITION, Asset
from lakehouse.audit import contract_for, differs, require_keys, require_partition_columns
from lakehouse.calls import ENGINE_ERRORS, call, engine_error, to_frame
from lakehouse.dtypes import conform, parse_type
from lakehouse.errors import AuditError, LakeError
from lakehouse.frames import Frames
from lakehouse.intake import Intake, source_fault
from lakehouse.records import Schema
from lakehouse.verdicts import Verdicts
from lakehouse.versions import digest_of

__all__ = [
    "IN_MEMORY_BYTES",
    "Batch",
    "NotSeparableError",
    "Part",
    "Work",
    "compute_alone",
    "compute_together",
    "writer",
]

IN_MEMORY_BYTES: Final = 64 * 1024 * 1024
"""Results of inputs up to this size are split in memory; those of larger ones go through files."""

_ROW_GROUP_SIZE: Final = 122_880  # larger groups only lose; without an explicit size the same rows give other files
_HIVE_NULL: Final = "__HIVE_DEFAULT_PARTITION__"


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
        frames: gives its function's arguments.
        contract: the schema of the log; None before the first materialization.
        may_change: whether the result may have another schema.
        verdicts: what was found out about it before.
        code: the digest of its code, which verdicts hold for.
        on_facts: takes notes about the sources, and the latest time in each time column.
        spool: gives paths in the run's own folder.
        in_memory_bytes: inputs up to this size are split in memory.
    """

    asset: Asset
    frames: Frames
    contract: Schema | None
    may_change: bool
    verdicts: Verdicts
    code: str
    on_facts: Callable[[Sequence[str], Mapping[str, str]], None]
    spool: Callable[[], Path]
    in_memory_bytes: int = IN_MEMORY_BYTES

    def run(self, queries: Sequence[pl.LazyFrame]) -> list[pl.DataFrame]:
        """The answers of queries that are run together: what they share is scanned once.

        Along with them, the sources are asked whether they hold what they declare; once for each content.

        Raises:
            SourceError: they do not.
            ComputeError, StorageError: a query fails.
        """
        versions = [now.version for now in self.frames.sources.values()]
        on = digest_of({"code": self.code, "sources": json.dumps(versions)})
        kept = self.verdicts.get("intake", on)
        if kept is not None:
            self.on_facts(kept["notes"], kept["latest"])
            return self._collect(queries)
        intake = Intake(self.frames)
        try:
            questions = intake.ask()
            answers = pl.collect_all([*queries, *questions], engine="streaming")
        except ENGINE_ERRORS as error:
            raise self.explain(error) from error
        intake.judge(answers[len(queries) :])
        if None not in versions:
            self.verdicts.keep("intake", on, {"notes": intake.notes, "latest": intake.latest})
        self.on_facts(intake.notes, intake.latest)
        return answers[: len(queries)]

    def _collect(self, queries: Sequence[pl.LazyFrame]) -> list[pl.DataFrame]:
        try:
            return pl.collect_all(queries, engine="streaming")
        except ENGINE_ERRORS as error:
            raise self.explain(error) from error

    def explain(self, error: BaseException) -> LakeError:
        """An engine's error in the lake's words: a malformed source is said with line, column and value."""
        if isinstance(error, LakeError):
            return error
        for now in self.frames.sources.values():
            if (fault := source_fault(now)) is not None:
                return fault
        return engine_error(error, self.asset.name)

    @property
    def is_small(self) -> bool:
        """Whether the inputs are small enough for results to be held in memory."""
        upstream = (state.version for fold in self.frames.upstream.values() for state in fold.keys.values())
        size = sum(now.size_bytes for now in self.frames.sources.values())
        return size + sum(version.size_bytes for version in upstream if version) <= self.in_memory_bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The rows of one partition, in memory or in a file.

    Attributes:
        rows: the frame, or the file that holds it.
        row_count: how many rows there are.
        is_final: whether the file is already as it is to be published.
    """

    rows: pl.DataFrame | Path
    row_count: int
    is_final: bool = False

    def frame(self) -> pl.DataFrame:
        """The rows, in memory."""
        return (
            self.rows if isinstance(self.rows, pl.DataFrame) else pl.read_parquet(self.rows, hive_partitioning=False)
        )

    def write(self, path: Path, order: Sequence[str]) -> None:
        """Write the file to be published: sorted by ``order``, or as the rows come where it is empty."""
        if self.is_final and isinstance(self.rows, Path):
            self.rows.rename(path)
            return
        frame = self.frame()
        if order:
            frame = frame.sort(order)
        frame.rechunk().write_parquet(
            path, compression="zstd", compression_level=3, statistics=True, row_group_size=_ROW_GROUP_SIZE
        )


@dataclass(slots=True, kw_only=True)
class Batch:
    """What was computed.

    Attributes:
        parts: the rows of each requested key; a key without rows has a part without rows.
        schema: the contract under which they are written.
        order: the columns by which each file is sorted; empty: the order of the result.
    """

    parts: dict[str, Part]
    schema: Schema
    order: tuple[str, ...] = field(default=())


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
    column = work.asset.partitions.columns[0]
    arguments = work.frames.arguments(keys)
    result = _call(work, arguments)
    columns = _columns(work, result)
    require_partition_columns(work.asset, columns)
    own = {name: dtype for name, dtype in columns.items() if name != column}
    schema = contract_for(work.asset, own, work.contract, may_change=work.may_change)
    ready = result.select(*conform(own, schema), pl.col(column).cast(pl.String))
    batch = Batch(parts={}, schema=schema, order=_order(work.asset, schema))

    probed = list(dict.fromkeys([keys[0], keys[-1]])) if probe and len(keys) > 1 else []
    alone = [_alone(work, arguments, schema, key) for key in probed]
    inputs = [frame.group_by(column).len() for frame in _limited(work, arguments).values()] if probed else []
    split, main = _splitter(work, ready, batch)
    answer, *answers = work.run([main, *alone, *inputs])
    batch.parts = split(answer, keys)
    _compare(batch, probed, answers[: len(alone)])
    _compare_fullest_empty(work, batch, arguments, answers[len(alone) :], set(probed))
    return batch


def compute_alone(work: Work, key: str) -> Batch:
    """One partition: a set-wise function asked for one key, or a per-key function called for it.

    Raises:
        ComputeError, AuditError, SourceError: the partition cannot be computed.
    """
    if not work.asset.is_per_key:
        return compute_together(work, [key], probe=False)
    column = work.asset.partitions.columns[0]
    arguments = work.frames.arguments([key])
    result = _call(work, {**arguments, PARTITION: work.asset.partitions.partition(key)})
    columns = _columns(work, result)
    if column not in columns:
        result = result.with_columns(pl.lit(key).alias(column))
    own = {name: dtype for name, dtype in columns.items() if name != column}
    schema = contract_for(work.asset, own, work.contract, may_change=work.may_change)
    batch = Batch(parts={}, schema=schema, order=_order(work.asset, schema))
    split, main = _splitter(work, result.select(*conform(own, schema), pl.col(column).cast(pl.String)), batch)
    batch.parts = split(work.run([main])[0], [key])
    return batch


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


def _call(work: Work, arguments: dict[str, Any]) -> pl.LazyFrame:
    result = call(work.asset.function, arguments, name=work.asset.name)
    return to_frame(result, name=work.asset.name, spool=work.spool)


def _columns(work: Work, result: pl.LazyFrame) -> dict[str, pl.DataType]:
    try:
        return dict(result.collect_schema())
    except ENGINE_ERRORS as error:
        raise work.explain(error) from error


def _limited(work: Work, arguments: dict[str, pl.LazyFrame]) -> dict[str, pl.LazyFrame]:
    """The arguments that hold the rows of the requested keys, and no others."""
    timed = {name for name, _ in work.frames.timed()}
    return {
        name: frame
        for name, frame in arguments.items()
        if name in timed or isinstance(work.frames.graph.node(name), Asset)
    }


def _alone(work: Work, arguments: dict[str, pl.LazyFrame], schema: Schema, key: str) -> pl.LazyFrame:
    """The query of one partition, as a filter on the batch's own frames: the engine then shares their scans."""
    column = work.asset.partitions.columns[0]
    limited = _limited(work, arguments)
    narrowed = {name: frame.filter(pl.col(column) == key) for name, frame in limited.items()}
    result = _call(work, {**arguments, **narrowed})
    own = {name: dtype for name, dtype in _columns(work, result).items() if name != column}
    return result.filter(pl.col(column).cast(pl.String) == key).select(conform(own, schema))


def _compare(batch: Batch, keys: Sequence[str], alone: Sequence[pl.DataFrame]) -> None:
    for key, frame in zip(keys, alone, strict=True):
        if differs(batch.parts[key].frame(), frame, [name for name, _ in batch.schema]):
            raise NotSeparableError(key)


def _compare_fullest_empty(
    work: Work, batch: Batch, arguments: dict[str, pl.LazyFrame], inputs: Sequence[pl.DataFrame], done: set[str]
) -> None:
    """Of the keys that came out empty, probe the one with the most input rows: others may have crowded it out."""
    counts: dict[str, int] = {}
    for frame in inputs:
        for key, count in frame.iter_rows():
            counts[key] = counts.get(key, 0) + count
    crowded = [key for key, part in batch.parts.items() if not part.row_count and counts.get(key) and key not in done]
    if crowded:
        key = max(crowded, key=lambda key: counts[key])
        _compare(batch, [key], work.run([_alone(work, arguments, batch.schema, key)]))


Split = Callable[[pl.DataFrame, Sequence[str]], dict[str, Part]]


def _splitter(work: Work, ready: pl.LazyFrame, batch: Batch) -> tuple[Split, pl.LazyFrame]:
    """How to split a result by key, and the query to run for it."""
    empty = pl.DataFrame(schema={name: parse_type(kind) for name, kind in batch.schema})

    def complete(found: dict[str | None, Part], keys: Sequence[str]) -> dict[str, Part]:
        require_keys(work.asset, list(found), keys)
        return {key: found.get(key) or Part(rows=empty, row_count=0) for key in keys}

    column = work.asset.partitions.columns[0]
    if work.is_small:

        def split_frame(frame: pl.DataFrame, keys: Sequence[str]) -> dict[str, Part]:
            groups = frame.partition_by(column, as_dict=True, include_key=False, maintain_order=True)
            return complete({key[0]: Part(rows=rows, row_count=rows.height) for key, rows in groups.items()}, keys)

        return split_frame, ready

    sunk: list[Any] = []
    query = _sink(work, ready, is_final=not batch.order, on_paths=sunk.append)

    def split_files(_: pl.DataFrame, keys: Sequence[str]) -> dict[str, Part]:
        found: dict[str | None, Part] = {}
        for item in (item for paths in sunk for item in paths.paths):
            text = unquote(Path(item.path).parent.name.partition("=")[2])
            key = None if text == _HIVE_NULL else text
            found[key] = Part(rows=Path(item.path), row_count=item.num_rows, is_final=not batch.order)
        return complete(found, keys)

    return split_files, query


def _sink(work: Work, ready: pl.LazyFrame, *, is_final: bool, on_paths: Callable[[Any], None]) -> pl.LazyFrame:
    """The query that writes one file a key, into a fresh folder: a sink that failed leaves truncated files."""
    compression: Literal["zstd", "lz4"] = "zstd" if is_final else "lz4"
    query = ready.sink_parquet(
        pl.PartitionBy(
            work.spool(), key=work.asset.partitions.columns[0], include_key=False, approximate_bytes_per_file=None
        ),
        compression=compression,
        compression_level=3 if is_final else None,
        statistics=is_final,
        row_group_size=_ROW_GROUP_SIZE,
        maintain_order=True,
        mkdir=True,
        lazy=True,
        sinked_paths_callback=on_paths,
    )
    assert query is not None  # noqa: S101  lazy=True gives a query
    return query
