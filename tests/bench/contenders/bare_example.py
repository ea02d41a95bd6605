"""One month of the demo in a script: reads the CSV, counts, writes one Parquet file, shows it.

``python bare_example.py TARGET``
"""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl

schema = {"id": pl.Int64, "user_id": pl.Int64, "order_date": pl.Date, "status": pl.String}
orders = pl.scan_csv("data/raw_orders.csv", schema=schema)
month = pl.col("order_date").dt.strftime("%Y-%m")
made = orders.filter(month == "2018-02").group_by("status").agg(order_num=pl.len()).sort("status").collect()
folder = Path(sys.argv[1]) / "monthly_orders" / "partition_date=2018-02"
folder.mkdir(parents=True)
made.write_parquet(folder / "part.parquet")
print(made)
