"""The rows of a frame that nobody declared, divided by key under the contract.

Knows what can be a frame, and that it holds still while it is read twice. Refuses to know where its partitions go.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

import polars as pl

from lakehouse.assets import Asset
from lakehouse.audit import contract_for
from lakehouse.calls import to_frame
from lakehouse.callsite import CallSite
from lakehouse.compute import Batch, sort_order
from lakehouse.division import divided
from lakehouse.dtypes import conform
from lakehouse.errors import AuditError, RequestError
from lakehouse.framekeys import FrameKeys
from lakehouse.parts import no_rows
from lakehouse.records import Schema

__all__ = ["frame_batch", "frame_rows"]

_IN_MEMORY_BYTES: Final = 64 * 1024 * 1024

Spool = Callable[[], Path]


def frame_rows(frame: object, *, name: str, spool: Spool, where: CallSite) -> tuple[pl.LazyFrame, Spool | None]:
    """A frame as a LazyFrame, and where its rows are divided: in files of ``spool``'s, or (None) in memory.

    Raises:
        RequestError: it is no frame.
        ComputeError: a stream failed.
    """
    is_frame = isinstance(frame, pl.LazyFrame | pl.DataFrame) or hasattr(frame, "__arrow_c_stream__")
    if not is_frame or isinstance(frame, pl.Series):
        raise RequestError(
            f"{type(frame).__name__} is no frame ({where})",
            help="give a Polars LazyFrame or DataFrame, a DuckDB relation, or anything with __arrow_c_stream__",
        )
    is_small = isinstance(frame, pl.DataFrame) and frame.estimated_size() <= _IN_MEMORY_BYTES
    return to_frame(frame, name=name, spool=spool), None if is_small else spool


def frame_batch(
    rows: pl.LazyFrame, keys: FrameKeys, asset: Asset, kept: Schema | None, *, may_change: bool, spool: Spool | None
) -> Batch:
    """The rows of each key under the contract, in memory or in files; of a key without rows, none.

    Args:
        rows: the frame.
        keys: the keys that were counted in it, and those that were asked for.
        asset: what the log and the audit know of it.
        kept: the contract of the log; None where nothing was written yet.
        may_change: whether the contract may be another from now on.
        spool: gives the path of a fresh folder; None: the rows are divided in memory.

    Raises:
        AuditError: the columns are not those of the contract, or the rows are others than were counted.
    """
    own = {name: dtype for name, dtype in rows.collect_schema().items() if name not in asset.partitions.columns}
    schema = contract_for(asset, own, kept, may_change=may_change)
    batch = Batch(parts={}, schema=schema, order=sort_order(asset, schema))
    if not keys.counts:
        return batch
    ready = rows.select(*conform(own, schema), *keys.columns)
    query = divided(ready, keys.partitions, [*keys.counts], is_final=not batch.order, spool=spool)
    found = query.parts(pl.collect_all([query.query], engine="streaming")[0])
    if {key: count for key, count in keys.counts.items() if count} != {
        k: part.row_count for k, part in found.items()
    }:
        raise AuditError(
            "the frame had other rows when it was read again; nothing written",
            code="frame-changed",
            help="collect it first: write_partitions(frame.collect(), …)",
        )
    batch.parts = {key: found.get(key, no_rows(schema)) for key in keys.counts}
    return batch
