"""Partitions computed: all requested ones in one pass, or one alone.

Knows how a function is asked, and when it gives a partition other rows alone than in company. Refuses to know where
partitions go.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import polars as pl
from msgspec import Struct, field

from lakehouse.assets import ALL_COLUMNS, PARTITION, Asset
from lakehouse.audit import contract_for, differs, require_keys, require_partition_columns
from lakehouse.division import Divided, divided
from lakehouse.dtypes import conform
from lakehouse.errors import AuditError
from lakehouse.parts import Held, Part, held, no_rows
from lakehouse.records import Schema
from lakehouse.work import Work

__all__ = [
    "Batch",
    "NotSeparableError",
    "compute_alone",
    "compute_together",
    "sort_order",
    "writer",
]


class NotSeparableError(Exception):
    """The function gives a partition other rows alone than in company; ``args[0]`` is the key."""


def writer() -> str:
    """Who encodes the files: with another release, the same rows may be other bytes."""
    return f"polars {pl.__version__}"


class Batch(Struct, eq=False, kw_only=True):
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
        probe: whether to make the first and the last key alone too, and compare.

    Raises:
        NotSeparableError: a partition made alone is another.
        ComputeError, AuditError: the batch cannot be computed as a whole.
        SourceError: a source is malformed.
    """
    arguments = work.arguments(keys)
    batch, main = _batch(work, work.call(arguments), keys)
    if not probe or len(keys) < 2:  # noqa: PLR2004  where there is no company
        batch.parts = _complete(work, batch, main.parts(work.run([main.query])[0]), keys)
        return batch
    ends = (keys[0], keys[-1])
    if work.is_cheap_apart:
        batch.parts = _complete(work, batch, main.parts(work.run([main.query])[0]), keys)
        probes = _probes(work, work.arguments(ends), batch, ends)
        _compare(batch, probes, work.run([probe.held.query for probe in probes]))
        if all(part.row_count for part in batch.parts.values()):
            batch.is_told = True  # none came out empty, so none was crowded out
            return batch
        counted = work.run(_inputs(work, arguments))
    else:
        probes = _probes(work, arguments, batch, ends)
        queries = [probe.held.query for probe in probes]
        answer, *answers = work.run([main.query, *queries, *_inputs(work, arguments)])
        batch.parts = _complete(work, batch, main.parts(answer), keys)
        _compare(batch, probes, answers[: len(probes)])
        counted = answers[len(probes) :]
    _compare_another(work, batch, arguments, _input_counts(work, counted), done=ends)
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
    batch, main = _batch(work, result, [key])
    batch.parts = _complete(work, batch, main.parts(work.run([main.query])[0]), [key])
    return batch


def _batch(work: Work, result: pl.LazyFrame, keys: Sequence[str]) -> tuple[Batch, Divided]:
    """A batch without its rows yet, and the query for them, under the contract."""
    columns, keys = work.columns(result), work.partitions.columns
    require_partition_columns(work.asset, columns)
    own = {name: dtype for name, dtype in columns.items() if name not in keys}
    schema = contract_for(work.asset, own, work.contract, may_change=work.may_change)
    ready = result.select(*conform(own, schema), *(pl.col(column).cast(pl.String) for column in keys))
    batch = Batch(parts={}, schema=schema, order=sort_order(work.asset, schema))
    return batch, divided(ready, work.partitions, keys, is_final=not batch.order, spool=work.spool_if_large)


def _complete(work: Work, batch: Batch, found: Mapping[str | None, Part], keys: Sequence[str]) -> dict[str, Part]:
    """The parts of the requested keys, and of no others."""
    require_keys(work.asset, list(found), keys)
    empty = no_rows(batch.schema)
    return {key: found.get(key, empty) for key in keys}


def sort_order(asset: Asset, schema: Schema) -> tuple[str, ...]:
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


class _Probe(Struct, frozen=True):
    """A partition made alone, to be compared with the same made in company.

    Attributes:
        key: which.
        held: what makes it.
    """

    key: str
    held: Held


def _probes(work: Work, arguments: Mapping[str, pl.LazyFrame], batch: Batch, keys: Sequence[str]) -> list[_Probe]:
    """Probes of these keys, each from the arguments cut to it: the engine shares their scans."""
    return [_probe(work, work.frames.narrowed(arguments, key), batch, key) for key in keys]


def _probe(work: Work, arguments: dict[str, pl.LazyFrame], batch: Batch, key: str) -> _Probe:
    """A probe of one key, from arguments that hold its rows alone.

    Raises:
        NotSeparableError: alone, the partition has other columns.
    """
    values = dict(zip(work.partitions.columns, work.partitions.values(key), strict=True))
    result = work.call(arguments)
    columns = work.columns(result)
    if columns.keys() - values.keys() != dict(batch.schema).keys():
        raise NotSeparableError(key)
    own = [pl.col(column).cast(pl.String) == value for column, value in values.items()]
    query = result.filter(own).select(conform(columns, batch.schema))
    return _Probe(key, held(query, spool=work.spool_if_large))


def _compare(batch: Batch, probes: Sequence[_Probe], answers: Sequence[pl.DataFrame]) -> None:
    """Nothing, if each probe gave what the batch has for its key."""
    for probe, answer in zip(probes, answers, strict=True):
        if differs(batch.parts[probe.key].frame(), probe.held.rows(answer), [name for name, _ in batch.schema]):
            raise NotSeparableError(probe.key)


def _inputs(work: Work, arguments: Mapping[str, pl.LazyFrame]) -> list[pl.LazyFrame]:
    """The queries for how many rows each key has going in."""
    columns = work.partitions.columns
    return [arguments[name].group_by(*columns).len() for name in work.frames.keyed()] if columns else []


def _input_counts(work: Work, answers: Sequence[pl.DataFrame]) -> Counter[str]:
    counts: Counter[str] = Counter()
    for frame in answers:
        counts.update({work.partitions.key(values): count for *values, count in frame.iter_rows()})
    return counts


def _compare_another(
    work: Work, batch: Batch, arguments: dict[str, pl.LazyFrame], counts: Counter[str], done: Sequence[str]
) -> None:
    """Of the keys that came out empty, probe the one with the most input rows: others may have crowded it out.

    Where there is none, and the first and the last key have no input rows and so tell nothing, probe another one.
    """
    peopled = [key for key in batch.parts if counts[key]]
    others = [key for key in peopled if not batch.parts[key].row_count and key not in done]
    if not others and not {*done} & {*peopled}:
        others = peopled
    if others:
        key = max(others, key=lambda key: counts[key])
        given = work.arguments([key]) if work.is_cheap_apart else arguments
        probes = _probes(work, given, batch, [key])
        _compare(batch, probes, work.run([probe.held.query for probe in probes]))
    batch.is_told = len(peopled) > 1 or not work.frames.keyed()
