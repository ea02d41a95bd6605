"""The orders of a small shop: by day, by month, by region and month, and by payment method."""

from __future__ import annotations

import polars as pl

from lakehouse import Categories, Daily, Dynamic, Lake, Monthly

lake = Lake("data/lake")

lake.source(
    "raw_orders",
    "data/raw_orders.csv",
    schema={"id": pl.Int64, "user_id": pl.Int64, "order_date": pl.Date, "status": pl.String},
    time="order_date",
    track="rows",
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


@lake.view(time="order_date")
def paid_orders(stg_orders: pl.LazyFrame, raw_customers: pl.LazyFrame, raw_payments: pl.LazyFrame) -> pl.LazyFrame:
    """Payments with the region and the day of their orders: one row per payment."""
    regions = raw_customers.select(customer_id="id", region="region")
    payments = raw_payments.select("order_id", "payment_method", "amount")
    return stg_orders.join(regions, on="customer_id").join(payments, on="order_id")


@lake.asset(partitions=Monthly("2018-01"))
def monthly_orders(stg_orders: pl.LazyFrame) -> pl.LazyFrame:
    """Orders a month by status: one row per partition_date and status; ``order_num`` counts orders."""
    return stg_orders.group_by("partition_date", "status").agg(order_num=pl.len().cast(pl.Int64))


@lake.asset(partitions=Daily("2018-01-01", end="2019-01-01"))
def daily_orders(stg_orders: pl.LazyFrame) -> pl.LazyFrame:
    """Orders a day by status: one row per partition_date and status; ``order_num`` counts orders."""
    return stg_orders.group_by("partition_date", "status").agg(order_num=pl.len().cast(pl.Int64))


lake.sql(
    "busiest_days",
    """
    select partition_date, upstream_partition_date as day, sum(order_num) as order_num
    from daily_orders
    group by partition_date, day
    qualify row_number() over (partition by partition_date order by sum(order_num) desc, day) <= 3
    """,
    partitions=Monthly("2018-01", end="2019-01"),
    description="The three days of a month with the most orders: one row per partition_date and day.",
)


@lake.asset(partitions=Categories("region", ["eu", "us", "apac"]) * Monthly("2018-01", end="2019-01"))
def regional_revenue(paid_orders: pl.LazyFrame) -> pl.LazyFrame:
    """What a region's orders of a month were paid with: one row per region, partition_date and payment_method.

    ``revenue_cents`` sums the payments, ``payments`` counts them; cents are integers, so that the same
    payments give the same bytes in whichever order they are added up.
    """
    return paid_orders.group_by("region", "partition_date", "payment_method").agg(
        revenue_cents=pl.col("amount").sum(), payments=pl.len().cast(pl.Int64)
    )


@lake.asset(partitions=Dynamic("payment_method", discover=True))
def payment_methods(paid_orders: pl.LazyFrame) -> pl.LazyFrame:
    """How a payment method is used: one row per payment_method and status of the orders."""
    return paid_orders.group_by("payment_method", "status").agg(
        payments=pl.len().cast(pl.Int64), revenue_cents=pl.col("amount").sum()
    )


@lake.check("monthly_orders")
def orders_counted(frame: pl.LazyFrame) -> pl.Expr:
    """A status is only there if at least one order of the month has it."""
    return pl.col("order_num") > 0
