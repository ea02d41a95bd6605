"""What a Parquet file of somebody else has to be, so that it may be a partition's file as it is.

Knows the contract and the types that every reader gives back. Refuses to change a byte of it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl
import pyarrow.parquet as pq
from msgspec import Struct

from lakehouse.assets import Asset
from lakehouse.audit import contract_for, same_rows
from lakehouse.calls import ENGINE_ERRORS
from lakehouse.dtypes import storable
from lakehouse.errors import AuditError
from lakehouse.records import Schema
from lakehouse.storage_errors import as_storage_error

__all__ = ["Shape", "has_same_rows", "shape_of"]

_MAGIC: Final = b"PAR1"


class Shape(Struct, frozen=True):
    """What a file holds.

    Attributes:
        schema: the contract that it keeps.
        row_count: its rows.
        writer: who encoded it.
    """

    schema: Schema
    row_count: int
    writer: str


def shape_of(asset: Asset, key: str, file: Path, contract: Schema | None) -> Shape:
    """What a file holds, if it may stand for a partition; every page of it is read.

    Args:
        asset: whose partition it is to be.
        key: which.
        file: looked at.
        contract: of the asset; None before anything was made.

    Raises:
        AuditError: it may not; says why.
        StorageError: the disk is at fault.
    """
    what = f"{asset.name} {key}"
    columns, row_count, writer = _read(what, file)
    if inside := [
        name for name in columns if name.casefold() in {one.casefold() for one in asset.partitions.columns}
    ]:
        raise AuditError(
            f"{what}: the file holds the partition column {inside[0]!r}, which the folder's name tells already",
            code="partition-column-inside",
            help=f"write it without: .drop({inside[0]!r})",
        )
    for name, dtype in columns.items():
        _require_stored(what, name, dtype)
    try:
        wanted = contract_for(asset, columns, contract, may_change=False)
    except AuditError as error:
        raise AuditError(
            f"{what}: the file's columns are not those of {asset.name}",
            code=error.code,
            details=error.details or (error.message,),
            help="write it with them, or leave it out",
        ) from None
    if [name for name, _ in wanted] != list(columns):
        raise AuditError(
            f"{what}: the file's columns are in another order",
            code="schema-changed",
            details=[f"{', '.join(columns)}, and not {', '.join(name for name, _ in wanted)}"],
            help="write them in this order",
        )
    return Shape(wanted, row_count, writer)


def _read(what: str, file: Path) -> tuple[dict[str, pl.DataType], int, str]:
    """Columns, rows and writer of a file that opens, and of which every page can be decoded."""
    frame = pl.scan_parquet(file, hive_partitioning=False, glob=False)
    try:
        with file.open("rb") as opened:
            if opened.read(len(_MAGIC)) != _MAGIC:
                raise ValueError("it does not begin as a Parquet file does")
        metadata = pq.read_metadata(file)
        columns = dict(frame.collect_schema())
        counted = frame.select(pl.len().alias("rows"), nulls=pl.sum_horizontal(pl.all().null_count()))
        row_count = counted.collect(engine="streaming").item(0, "rows")
    except ENGINE_ERRORS as error:
        if (fault := as_storage_error(error, file, "reading")) is not None:
            raise fault from error
        said = str(error).strip().partition("\n")[0]
        raise AuditError(
            f"{what}: {file} cannot be read as Parquet",
            code="file-unreadable",
            details=[said],
            help="is it whole? copy or write it again",
        ) from error
    if row_count != metadata.num_rows:
        raise AuditError(
            f"{what}: {file} holds {row_count} rows and says {metadata.num_rows}", code="file-unreadable"
        )
    return columns, row_count, metadata.created_by or "unknown"


def _require_stored(what: str, name: str, dtype: pl.DataType) -> None:
    try:
        stored, cure = storable(dtype), ""
    except ValueError as error:
        stored, cure = None, str(error)
    if stored != dtype:
        cast = cure or f".cast(pl.{stored!r})"
        raise AuditError(
            f"{what}: column {name!r} is {dtype}, which not every reader of Parquet gives back as it was",
            code="type-refused",
            help=f'write pl.col("{name}"){cast}',
        )


def has_same_rows(one: Path, other: Path) -> bool:
    """Whether two files hold the same rows; not, where one cannot be read."""
    try:
        return same_rows(one, other)
    except ENGINE_ERRORS:
        return False
