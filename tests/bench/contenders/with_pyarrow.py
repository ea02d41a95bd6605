"""PyArrow's partitioned write, as its documentation shows it: ``write_dataset(..., partitioning=..., "hive")``.

``python with_pyarrow.py JOB SOURCE TARGET``
"""

from __future__ import annotations

import argparse
import glob
from datetime import date
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.dataset as ds

TYPES: Final = {
    "order_id": pa.int64(),
    "customer_id": pa.int64(),
    "order_date": pa.date32(),
    "status": pa.string(),
    "amount": pa.int64(),
}
KEY: Final = "partition_date"
DAY: Final = ds.field("order_date")
# The first seven characters of the date: `pc.strftime` takes five times as long.
MONTH: Final = pc.utf8_slice_codeunits(DAY.cast(pa.string()), 0, 7)


def scanned(source: str) -> ds.Dataset:
    """The orders."""
    if not source.endswith(".csv"):
        return ds.dataset(sorted(glob.glob(source)))  # noqa: PTH207  it may be a pattern, and absolute
    return ds.dataset(source, format=ds.CsvFileFormat(convert_options=pa.csv.ConvertOptions(column_types=TYPES)))


def counted(orders: ds.Dataset, rows: pc.Expression | None = None) -> pa.Table:
    """Number and amount of orders: one row a month and status."""
    columns = {KEY: MONTH, "status": ds.field("status"), "amount": ds.field("amount")}
    table = orders.scanner(columns=columns, filter=rows).to_table()
    sums = table.group_by([KEY, "status"]).aggregate([([], "count_all"), ("amount", "sum")])
    return sums.rename_columns([KEY, "status", "order_num", "amount"])


def main() -> None:
    """Do one job."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=["month", "months", "split"])
    parser.add_argument("source")
    parser.add_argument("target")
    asked = parser.parse_args()
    orders = scanned(asked.source)
    match asked.job:
        case "month":
            rows = counted(orders, (date(2018, 2, 1) <= DAY) & (date(2018, 3, 1) > DAY))
        case "months":
            rows = counted(orders)
        case _:
            rows = orders.scanner(columns={**{name: ds.field(name) for name in TYPES}, KEY: MONTH})
    ds.write_dataset(
        rows,
        asked.target,
        format="parquet",
        partitioning=ds.partitioning(pa.schema([(KEY, pa.string())]), flavor="hive"),
        existing_data_behavior="delete_matching",
    )


if __name__ == "__main__":
    main()
