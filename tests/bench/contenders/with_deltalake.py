"""Delta Lake's partitioned overwrite, as its documentation shows it: ``mode="overwrite"`` with a predicate.

``python with_deltalake.py JOB SOURCE TARGET``

The rows are Polars' own, as in the floor. ``prepare_<job>`` makes the empty table.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Final

from bare_polars import KEY, keyed, months_counted, one_month, scanned
from deltalake import DeltaTable, write_deltalake

JOBS: Final = {"month": one_month, "months": months_counted, "split": keyed}


def main() -> None:
    """Do one job."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job", choices=[*JOBS, *(f"prepare_{job}" for job in JOBS)])
    parser.add_argument("source")
    parser.add_argument("target", type=Path)
    asked = parser.parse_args()
    rows = JOBS[asked.job.removeprefix("prepare_")](scanned(asked.source))
    if asked.job.startswith("prepare_"):
        DeltaTable.create(asked.target, rows.collect_schema().to_arrow(), partition_by=[KEY])
        return
    months = f"{KEY} = '2018-02'" if asked.job == "month" else f"{KEY} >= '2018-01' AND {KEY} <= '2022-12'"
    # All rows at once: Delta takes a stream, and Polars gives one, but a table is what both their pages show.
    write_deltalake(asked.target, rows.collect(engine="streaming"), mode="overwrite", predicate=months)


if __name__ == "__main__":
    main()
