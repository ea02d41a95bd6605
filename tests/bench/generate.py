"""The orders that everything is measured on: the same rows for the same seed, on any machine.

Each value is arithmetic over the order's number, so that no piece has to be held to make the next one. Kept in a
folder whose name tells what made it; what is there is used again.
"""

from __future__ import annotations

import argparse
import hashlib
import os
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

if TYPE_CHECKING:
    import polars as pl

__all__ = ["MONTHS", "Kind", "location", "made"]

Kind = Literal["unsorted", "by_date", "csv", "pieces"]

RECIPE: Final = 1  # to be raised whenever the arithmetic below gives other rows
SEED: Final = 7
MONTHS: Final = [f"{year}-{month:02}" for year in range(2018, 2023) for month in range(1, 13)]
FIRST_DAY: Final = date(2018, 1, 1)
DAYS: Final = (date(2023, 1, 1) - FIRST_DAY).days
CUSTOMERS: Final = 50_000
PIECE: Final = 10_000_000
ROW_GROUP: Final = 262_144
# Of a hundred orders, up to which each status goes.
STATUSES: Final = {"completed": 72, "shipped": 84, "placed": 92, "returned": 97, "return_pending": 100}


def location(folder: Path, rows: int, kind: Kind) -> Path:
    """Where these orders are kept: a file, or for ``pieces`` a folder of Parquet files."""
    recipe = repr((RECIPE, SEED, FIRST_DAY, DAYS, CUSTOMERS, PIECE, ROW_GROUP, STATUSES))
    made_by = hashlib.sha256(recipe.encode())
    suffix = {"csv": ".csv", "pieces": ""}.get(kind, ".parquet")
    return folder / f"orders-{rows}-{made_by.hexdigest()[:8]}" / f"{kind}{suffix}"


def made(folder: Path, rows: int, kind: Kind) -> Path:
    """The orders, made unless they are there; whoever is stopped leaves nothing that would be taken for them."""
    path = location(folder, rows, kind)
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        spare = path.with_name(f"{path.name}.{os.getpid()}")
        _write(spare, rows, kind)
        spare.rename(path)
    return path


def orders(first: int, count: int) -> pl.LazyFrame:
    """One row an order, from number ``first`` on: its customer, day, status and amount in cents; no nulls."""
    import polars as pl

    share, days = _mixed(3) % 100, pl.lit((FIRST_DAY - date(1970, 1, 1)).days, dtype=pl.Int32)
    status = pl.lit(None, dtype=pl.String)
    for name, limit in reversed(STATUSES.items()):
        status = pl.when(share < limit).then(pl.lit(name)).otherwise(status)
    return (
        pl.select(order_id=pl.int_range(first, first + count))
        .lazy()
        .with_columns(
            customer_id=(_mixed(1) % CUSTOMERS + 1).cast(pl.Int64),
            order_date=(days + (_mixed(2) % DAYS).cast(pl.Int32)).cast(pl.Date),
            status=status,
            amount=((_mixed(4) % 400 + 4) * 25).cast(pl.Int64),
        )
    )


def _mixed(salt: int) -> pl.Expr:
    """Thirty-one bits that look like chance: the finisher of SplitMix64 over the order's number, without shifts."""
    import polars as pl

    def number(value: int) -> pl.Expr:
        return pl.lit(value % 2**64, dtype=pl.UInt64)

    mixed = pl.col("order_id").cast(pl.UInt64) + number((SEED + salt) * 0x9E3779B97F4A7C15)
    for factor in (0xBF58476D1CE4E5B9, 0x94D049BB133111EB):
        mixed *= number(factor)
        mixed = mixed ^ (mixed // number(2**31))
    return mixed // number(2**33)


def _write(path: Path, rows: int, kind: Kind) -> None:
    match kind:
        case "csv":
            orders(1, rows).sink_csv(path)
        case "unsorted":
            orders(1, rows).sink_parquet(path, row_group_size=ROW_GROUP)
        case "by_date":
            orders(1, rows).sort("order_date", "order_id").sink_parquet(path, row_group_size=ROW_GROUP)
        case "pieces":
            path.mkdir()
            for number, first in enumerate(range(0, rows, PIECE)):
                piece = orders(first + 1, min(PIECE, rows - first))
                piece.sink_parquet(path / f"{number:03}.parquet", row_group_size=ROW_GROUP)


def main() -> None:
    """Make one kind, so that whoever measures need not load an engine."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("rows", type=int)
    parser.add_argument("kind", choices=["unsorted", "by_date", "csv", "pieces"])
    asked = parser.parse_args()
    print(made(asked.folder, asked.rows, asked.kind))


if __name__ == "__main__":
    main()
