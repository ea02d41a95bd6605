"""The demo's month as Dagster's tutorial makes it: an asset that replaces a month's rows in a DuckDB table.

``dagster asset materialize -f dagster_project.py --select monthly_orders --partition 2018-02-01``
"""

# No `from __future__ import annotations`: Dagster reads the annotations of an asset's parameters as they are.
import dagster as dg
from dagster_duckdb import DuckDBResource

by_month = dg.MonthlyPartitionsDefinition(start_date="2018-01-01")


@dg.asset(kinds={"duckdb"})
def stg_orders(duckdb: DuckDBResource) -> None:
    """The orders, taken in once."""
    with duckdb.get_connection() as connection:
        connection.execute(
            "CREATE OR REPLACE TABLE stg_orders AS SELECT id AS order_id, user_id AS customer_id,"
            " order_date::DATE AS order_date, status FROM read_csv_auto('data/raw_orders.csv')"
        )


@dg.asset(deps=["stg_orders"], kinds={"duckdb"}, partitions_def=by_month)
def monthly_orders(context: dg.AssetExecutionContext, duckdb: DuckDBResource) -> dg.MaterializeResult:
    """Orders of a month by status: one row a status."""
    month = context.partition_key[:-3]
    with duckdb.get_connection() as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS monthly_orders (partition_date VARCHAR, status VARCHAR, order_num DOUBLE)"
        )
        connection.execute("DELETE FROM monthly_orders WHERE partition_date = ?", [month])
        connection.execute(
            "INSERT INTO monthly_orders SELECT strftime(order_date, '%Y-%m') AS month, status, count(*)"
            " FROM stg_orders WHERE month = ? GROUP BY ALL",
            [month],
        )
        shown = connection.execute("SELECT * FROM monthly_orders WHERE partition_date = ?", [month]).fetchdf()
    metadata = {
        "row_count": dg.MetadataValue.int(len(shown)),
        "preview": dg.MetadataValue.md(shown.to_markdown(index=False)),
    }
    return dg.MaterializeResult(metadata=metadata)


defs = dg.Definitions(
    assets=[stg_orders, monthly_orders], resources={"duckdb": DuckDBResource(database="target/jaffle.duckdb")}
)
