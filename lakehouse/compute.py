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
from lakehouse.dtypes import conform, parse_type
from lakehouse.errors import AuditError
from lakehouse.parts import Divided, Held, Part, divided, held
from lakehouse.records import Schema
from lakehouse.work import Work

__all__ = [
    "Batch",
    "NotSeparableError",
    "compute_alone",
    "compute_together",
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


class _Probe(Struct, frozen=True):
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
