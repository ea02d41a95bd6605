"""The floor: what a good engineer writes in Polars where nothing can go wrong; streaming, one pass, no safety.

``python bare_polars.py JOB SOURCE TARGET [--fsync]``

The months are told by year and month as numbers, the fastest of the plain forms; ``truncated`` has the usual one.
"""

from __future__ import annotations

import argparse
import os
from datetime import date
from pathlib import Path
from typing import Final

import polars as pl

SCHEMA: Final = {
    "order_id": pl.Int64,
    "customer_id": pl.Int64,
    "order_date": pl.Date,
    "status": pl.String,
    "amount": pl.Int64,
}
KEY: Final = "partition_date"


def scanned(source: str) -> pl.LazyFrame:
    """The orders; a folder's files are one table."""
    return pl.scan_csv(source, schema=SCHEMA) if source.endswith(".csv") else pl.scan_parquet(source)


def counted(orders: pl.LazyFrame, *by: pl.Expr | str) -> pl.LazyFrame:
    """Number and amount of orders: one row a group."""
    return orders.group_by(*by, "status").agg(order_num=pl.len(), amount=pl.col("amount").sum())


def one_month(orders: pl.LazyFrame) -> pl.LazyFrame:
    """One month by status."""
    found = orders.filter(pl.col("order_date").is_between(date(2018, 2, 1), date(2018, 2, 28)))
    return counted(found).with_columns(pl.lit("2018-02").alias(KEY))


def months_counted(orders: pl.LazyFrame) -> pl.LazyFrame:
    """All months by status."""
    day, text = pl.col("order_date"), pl.col("month").cast(pl.String).str.zfill(2)
    found = counted(orders, day.dt.year().alias("year"), day.dt.month().alias("month"))
    return found.with_columns(pl.format("{}-{}", "year", text).alias(KEY)).drop("year", "month")


def keyed(orders: pl.LazyFrame) -> pl.LazyFrame:
    """All rows with their month; looked up by day, for writing it out for each row takes longer."""
    days = pl.date_range(date(2018, 1, 1), date(2022, 12, 31), eager=True)
    number = pl.col("order_date").cast(pl.Int32) - (days[0] - date(1970, 1, 1)).days
    return orders.with_columns(pl.lit(days.dt.strftime("%Y-%m")).gather(number).alias(KEY))


def month(orders: pl.LazyFrame, target: Path) -> None:
    """One month by status, in its folder."""
    path = target / f"{KEY}=2018-02" / "part.parquet"
    one_month(orders).drop(KEY).sink_parquet(path, compression="zstd", mkdir=True)


def months(orders: pl.LazyFrame, target: Path) -> None:
    """All months by status, in one pass."""
    to_folders(months_counted(orders), target)


def truncated(orders: pl.LazyFrame, target: Path) -> None:
    """The same in the words that come to mind first."""
    found = counted(orders, pl.col("order_date").dt.truncate("1mo").alias(KEY))
    to_folders(found.with_columns(pl.col(KEY).dt.strftime("%Y-%m")), target)


def split(orders: pl.LazyFrame, target: Path) -> None:
    """All rows, a file a month."""
    to_folders(keyed(orders), target)


def split_sorted(orders: pl.LazyFrame, target: Path) -> None:
    """The same, each file sorted by all columns once its rows are known."""
    split(orders, target)
    for path in sorted(target.rglob("*.parquet")):
        pl.read_parquet(path, hive_partitioning=False).sort(*SCHEMA).write_parquet(path, compression="zstd")


def split_in_memory(orders: pl.LazyFrame, target: Path) -> None:
    """The same as ``split``, all rows held at once."""
    for (key,), rows in keyed(orders).collect().partition_by(KEY, as_dict=True, include_key=False).items():
        folder = target / f"{KEY}={key}"
        folder.mkdir(parents=True)
        rows.write_parquet(folder / "part.parquet", compression="zstd")


def to_folders(rows: pl.LazyFrame, target: Path) -> None:
    """One Hive folder a month."""
    by_month = pl.PartitionBy(target, key=KEY, include_key=False, approximate_bytes_per_file=None)
    rows.sink_parquet(by_month, compression="zstd", mkdir=True)


def synced(folder: Path) -> None:
    """All files and names below a folder on disk."""
    for path in (folder, *folder.rglob("*")):
        descriptor = os.open(path, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)


JOBS: Final = {job.__name__: job for job in (month, months, truncated, split, split_sorted, split_in_memory)}


def main() -> None:
    """Do one job."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=JOBS)
    parser.add_argument("source")
    parser.add_argument("target", type=Path)
    parser.add_argument("--fsync", action="store_true")
    asked = parser.parse_args()
    JOBS[asked.job](scanned(asked.source), asked.target)
    if asked.fsync:
        synced(asked.target)


if __name__ == "__main__":
    main()
