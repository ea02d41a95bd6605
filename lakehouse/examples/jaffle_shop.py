"""The orders of a small shop, month by month: three sources, a view, and two assets made from them."""

from __future__ import annotations

import polars as pl

from lakehouse import Lake, Monthly

lake = Lake("data/lake")

lake.source(
    "raw_orders",
    "data/raw_orders.csv",
    schema={"id": pl.Int64, "user_id": pl.Int64, "order_date": pl.Date, "status": pl.String},
    time="order_date",
)
lake.source(
    "raw_customers",
    "data/raw_customers.csv",
    schema={"id": pl.Int64, "first_name": pl.String, "last_name": pl.String, "region": pl.String},
)
lake.source(
    "raw_payments",
    "data/raw_payments.csv",
    schema={"id": pl.Int64, "order_id": pl.Int64, "payment_method": pl.String, "amount": pl.Int64},
)


@lake.view(time="order_date")
def stg_orders(raw_orders: pl.LazyFrame) -> pl.LazyFrame:
    """Orders under their business names: one row per order."""
    return raw_orders.rename({"id": "order_id", "user_id": "customer_id"})


@lake.asset(partitions=Monthly("2018-01"))
def monthly_orders(stg_orders: pl.LazyFrame) -> pl.LazyFrame:
    """Orders a month by status: one row per partition_date and status; ``order_num`` counts orders."""
    return stg_orders.group_by("partition_date", "status").agg(order_num=pl.len().cast(pl.Int64))


@lake.asset(partitions=Monthly("2018-01"))
def monthly_revenue(stg_orders: pl.LazyFrame, raw_payments: pl.LazyFrame) -> pl.LazyFrame:
    """What a month's orders were paid with: one row per partition_date and payment_method.

    ``revenue_cents`` sums the payments, ``payments`` counts them; cents are integers, so that the same
    payments give the same bytes in whichever order they are added up.
    """
    return (
        stg_orders.join(raw_payments, on="order_id")
        .group_by("partition_date", "payment_method")
        .agg(revenue_cents=pl.col("amount").sum(), payments=pl.len().cast(pl.Int64))
    )
