"""DuckDB's partitioned write, as its documentation shows it: ``COPY ... TO ... (FORMAT parquet, PARTITION_BY ...)``.

``python with_duckdb.py JOB SOURCE TARGET``
"""

from __future__ import annotations

import argparse
from typing import Final

import duckdb

TYPES: Final = (
    "{'order_id': 'BIGINT', 'customer_id': 'BIGINT', 'order_date': 'DATE', 'status': 'VARCHAR', 'amount': 'BIGINT'}"
)
ROWS: Final = "SELECT *, strftime(order_date, '%Y-%m') AS partition_date FROM orders"
JOBS: Final = {
    # A sum of BIGINT is no BIGINT of itself.
    "month": "SELECT '2018-02' AS partition_date, status, count(*) AS order_num, sum(amount)::BIGINT AS amount"
    " FROM orders WHERE order_date >= DATE '2018-02-01' AND order_date < DATE '2018-03-01' GROUP BY ALL",
    "months": "SELECT strftime(month, '%Y-%m') AS partition_date, * EXCLUDE (month)"
    " FROM (SELECT date_trunc('month', order_date) AS month, status, count(*) AS order_num,"
    " sum(amount)::BIGINT AS amount FROM orders GROUP BY ALL)",
    "split": ROWS,
    "split_sorted": f"{ROWS} ORDER BY ALL",
    "split_by_order": f"{ROWS} ORDER BY order_id",
    "split_by_customer": f"{ROWS} ORDER BY customer_id",
}


def main() -> None:
    """Do one job."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=JOBS)
    parser.add_argument("source")
    parser.add_argument("target")
    parser.add_argument("--compression", default="snappy", help="snappy is DuckDB's own default")
    asked = parser.parse_args()
    is_csv = asked.source.endswith(".csv")
    reader = f"read_csv('{asked.source}', columns = {TYPES})" if is_csv else f"read_parquet('{asked.source}')"
    connection = duckdb.connect()
    connection.execute(f"CREATE VIEW orders AS FROM {reader}")
    options = f"FORMAT parquet, COMPRESSION {asked.compression}, PARTITION_BY (partition_date), OVERWRITE_OR_IGNORE"
    connection.execute(f"COPY ({JOBS[asked.job]}) TO '{asked.target}' ({options})")


if __name__ == "__main__":
    main()
