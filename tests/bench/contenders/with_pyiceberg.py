"""Iceberg's partitioned overwrite, as PyIceberg's documentation shows it: ``dynamic_partition_overwrite``.

``python with_pyiceberg.py JOB SOURCE TARGET``

The rows are Polars' own, as in the floor. ``prepare_<job>`` makes the catalog, in SQLite, and the empty table.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from bare_polars import KEY, keyed, months_counted, one_month, scanned
from pyiceberg.catalog.sql import SqlCatalog

JOBS: Final = {"month": one_month, "months": months_counted, "split": keyed}


def main() -> None:
    """Do one job."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=[*JOBS, *(f"prepare_{job}" for job in JOBS)])
    parser.add_argument("source")
    parser.add_argument("target", type=Path)
    asked = parser.parse_args()
    rows = JOBS[asked.job.removeprefix("prepare_")](scanned(asked.source))
    asked.target.mkdir(parents=True, exist_ok=True)
    place = asked.target.absolute()
    catalog = SqlCatalog("bench", uri=f"sqlite:///{place}/catalog.db", warehouse=f"file://{place}")
    if asked.job.startswith("prepare_"):
        catalog.create_namespace("shop")
        table = catalog.create_table("shop.orders", schema=rows.head(0).collect().to_arrow().schema)
        with table.update_spec() as spec:
            spec.add_identity(KEY)
        return
    catalog.load_table("shop.orders").dynamic_partition_overwrite(rows.collect(engine="streaming").to_arrow())


if __name__ == "__main__":
    main()
