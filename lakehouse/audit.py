"""What stands between a staged partition and its publication: schema, keys, counts, and a file that opens.

Knows the contract of an asset. Refuses to know how rows were computed or where they will go.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Final

import polars as pl

from lakehouse.assets import Asset
from lakehouse.calls import ENGINE_ERRORS
from lakehouse.dtypes import from_declared, parse_type, require_columns, schema_of
from lakehouse.errors import AuditError
from lakehouse.records import Schema

__all__ = [
    "contract_for",
    "differs",
    "has_same_rows",
    "outdated_columns",
    "require_keys",
    "require_partition_columns",
    "require_staged",
    "same_rows",
]

_SMALL_BYTES: Final = 256 * 1024
_CURES = (
    "keep it through every step (group_by(..., {columns}), .over({columns})), "
    "or give the function a parameter named `partition`, to be called once a key"
)


def require_partition_columns(asset: Asset, columns: Mapping[str, pl.DataType]) -> None:
    """Nothing, if a set-wise result tells which row belongs to which partition.

    Raises:
        AuditError: a partition column is missing or no String; names both cures.
    """
    for name in asset.partitions.columns:
        quoted = f'"{name}"'
        if name not in columns:
            raise AuditError(
                f"{asset.name}: the result has no column {quoted}, which says where a row belongs ({asset.where})",
                code="partition-column-missing",
                help=_CURES.format(columns=quoted),
            )
        if not isinstance(columns[name], pl.String | pl.Categorical | pl.Enum):
            raise AuditError(
                f"{asset.name}: the partition column {quoted} came back as {columns[name]}, not as String",
                code="partition-column-type",
                help="leave the column as it arrives",
            )


def contract_for(
    asset: Asset, computed: Mapping[str, pl.DataType], kept: Schema | None, *, may_change: bool
) -> Schema:
    """The schema under which a result is written.

    Args:
        asset: whose result it is.
        computed: the result's columns, partition columns left out.
        kept: the contract of the log; None before the first materialization.
        may_change: whether the contract may be another from now on.

    Raises:
        AuditError: the result is not what the contract says; names each difference.
    """
    require_columns(computed, asset.partitions.columns)
    if not computed:
        raise AuditError(f"{asset.name}: the result has no columns but the partition's ({asset.where})")
    declared = from_declared(asset.schema) if asset.schema else None
    promised = dict(declared or kept or ())
    untyped = {
        name: parse_type(promised[name]) for name, dtype in computed.items() if dtype == pl.Null and name in promised
    }
    found = schema_of({**computed, **untyped})
    if declared is not None and dict(found) != dict(declared):
        cure = "change the function, or the declared schema"
        raise _broken(asset, declared, found, f"the result is not what it declares ({asset.where})", cure)
    wanted = declared or (kept if kept and dict(kept) == dict(found) else found)
    if kept is not None and wanted != kept and not may_change:
        cure = "if that is meant, run again with --allow-schema-change; partitions made before are then stale"
        raise _broken(asset, kept, wanted, "the schema would change", cure)
    return wanted


def _broken(asset: Asset, contract: Schema, found: Schema, what: str, cure: str) -> AuditError:
    old, new = dict(contract), dict(found)
    details = [f"{name}: {kind} is no longer there" for name, kind in contract if name not in new]
    details += [f"{name}: {kind} is new" for name, kind in found if name not in old]
    details += [f"{name}: {old[name]} became {new[name]}" for name in old if name in new and old[name] != new[name]]
    return AuditError(
        f"{asset.name}: {what}",
        code="schema-changed",
        details=details or [f"the order of the columns: {', '.join(old)} became {', '.join(new)}"],
        help=cure,
    )


def require_keys(asset: Asset, found: Collection[str | None], requested: Collection[str]) -> None:
    """Nothing, if every row belongs to a partition that was asked for.

    Raises:
        AuditError: rows have no key, or that of another partition.
    """
    column = " and ".join(asset.partitions.columns)
    if None in found:
        raise AuditError(
            f"{asset.name}: rows without a {column.replace(' and ', ' or ')} ({asset.where})",
            code="key-null",
            help="drop them, or give them the key that they belong to",
        )
    if strangers := sorted(str(key) for key in found if key not in requested):
        shown = ", ".join(strangers[:5]) + (" …" if len(strangers) > 5 else "")  # noqa: PLR2004
        raise AuditError(
            f"{asset.name}: rows of partitions that were not asked for: {shown} ({asset.where})",
            code="key-unrequested",
            help=f"a result holds rows of the requested partitions only: leave {column} as it arrives",
        )


def require_staged(file: Path, contract: Schema, row_count: int) -> None:
    """Nothing, if the staged file opens again and holds what was computed.

    Raises:
        AuditError: it does not; the writer is not to be trusted further than this.
    """
    names, dtypes = [name for name, _ in contract], [parse_type(kind) for _, kind in contract]
    try:
        found, rows = _opened(file)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise AuditError(f"the staged file does not open again: {error}", code="staged-damaged") from error
    if list(found) != names or list(found.values()) != dtypes:
        raise AuditError(f"the staged file holds {dict(found)}, not {dict(contract)}", code="staged-damaged")
    if rows != row_count:
        raise AuditError(f"the staged file holds {rows} rows, and {row_count} were computed", code="staged-damaged")


def _opened(file: Path) -> tuple[pl.Schema, int]:
    """The columns and the number of rows that a file has; a small one is read whole, which costs less than to ask."""
    if file.stat().st_size <= _SMALL_BYTES:
        whole = pl.read_parquet(file, hive_partitioning=False, glob=False)
        return whole.schema, whole.height
    frame = pl.scan_parquet(file, hive_partitioning=False, glob=False)
    return frame.collect_schema(), frame.select(pl.len()).collect().item()


def outdated_columns(asset: str, keys: Sequence[str]) -> AuditError:
    """The refusal to read partitions of two schemas as one table."""
    shown = ", ".join(keys[:5]) + (" …" if len(keys) > 5 else "")  # noqa: PLR2004
    return AuditError(
        f"{asset}: {len(keys)} of its partitions have other columns than the others: {shown}",
        code="schema-mixed",
        help=f"make them again: lake materialize --stale -a {asset}",
        context={"asset": asset, "keys": list(keys)},
    )


def has_same_rows(one: Path, other: Path) -> bool:
    """`same_rows`, but False where one of them cannot be read: such a version is not worth keeping in place."""
    try:
        return same_rows(one, other)
    except ENGINE_ERRORS:
        return False


def same_rows(one: Path, other: Path) -> bool:
    """Whether two files hold the same rows; their order does not count, for releases may sort ties differently."""
    frames = [pl.read_parquet(path, hive_partitioning=False, glob=False) for path in (one, other)]
    if frames[0].schema != frames[1].schema:
        return False
    columns = frames[0].columns
    return frames[0].sort(columns).equals(frames[1].sort(columns))


def differs(together: pl.DataFrame, alone: pl.DataFrame, order: Sequence[str]) -> bool:
    """Whether a partition made alone is another than the same made in company; floats may differ by 1e-9."""
    if together.equals(alone):  # as they come: what is not put in order by the query often is in the source's
        return False
    from polars.testing import assert_frame_equal

    floats = [name for name, dtype in together.schema.items() if dtype.is_float()]
    by = [name for name in order if name not in floats] + [name for name in order if name in floats]
    try:
        assert_frame_equal(together.sort(by), alone.sort(by), check_exact=False, rel_tol=1e-9, abs_tol=1e-9)
    except AssertionError:
        return True
    return False
