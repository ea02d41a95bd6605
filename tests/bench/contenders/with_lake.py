"""The lake: sources and assets as its README declares them, and one call of `Lake.materialize`.

``python with_lake.py JOB SOURCE ROOT [--force]``
"""

from __future__ import annotations

import argparse
import sys

import polars as pl

from lakehouse import Lake, Monthly

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("job", choices=["month", "months", "split", "split_sorted", "split_by_customer", "written"])
parser.add_argument("source")
parser.add_argument("root")
parser.add_argument("--force", action="store_true")
asked = parser.parse_args()

lake = Lake(asked.root)
all_months = Monthly("2018-01", end="2023-01")

lake.source(
    "orders",
    asked.source,
    schema={
        "order_id": pl.Int64,
        "customer_id": pl.Int64,
        "order_date": pl.Date,
        "status": pl.String,
        "amount": pl.Int64,
    },
    time="order_date",
)


@lake.asset(partitions=all_months)
def monthly_orders(orders: pl.LazyFrame) -> pl.LazyFrame:
    """Orders of a month by status: one row a status."""
    return orders.group_by("partition_date", "status").agg(order_num=pl.len(), amount=pl.col("amount").sum())


@lake.asset(partitions=all_months, sort_by=None)
def split(orders: pl.LazyFrame) -> pl.LazyFrame:
    """All orders of a month, as they come."""
    return orders


@lake.asset(partitions=all_months)
def split_sorted(orders: pl.LazyFrame) -> pl.LazyFrame:
    """All orders of a month, sorted by all columns."""
    return orders


@lake.asset(partitions=all_months, sort_by=("customer_id",))
def split_by_customer(orders: pl.LazyFrame) -> pl.LazyFrame:
    """All orders of a month, a customer's together."""
    return orders


def written() -> None:
    """All orders, split by the call that declares nothing."""
    from bare_polars import keyed, scanned  # the same rows as the floor's; only the writing differs

    from lakehouse import write_partitions

    rows = keyed(scanned(asked.source))
    write_partitions(rows, f"{asked.root}/events", by=["partition_date"], sort_by=None)


def main() -> None:
    """Do one job, and say what was made."""
    if asked.job == "written":
        written()
        return
    selection, asset = {"month": ("2018-02", "monthly_orders"), "months": ("all", "monthly_orders")}.get(
        asked.job, ("all", asked.job)
    )
    results = lake.materialize(selection, assets=[asset], force=asked.force)
    made = sum(result.result in {"created", "replaced", "unchanged"} for result in results)
    print(f"{made} of {len(results)} partitions made", file=sys.stderr)


if __name__ == "__main__":
    main()
