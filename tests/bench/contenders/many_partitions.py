"""A lakefile of very many small partitions, each of a row: days from 1700 on, or groups and days.

``python many_partitions.py FOLDER NUMBER [GROUPS]``
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

LAKEFILE: Final = """import polars as pl
from datetime import date, timedelta
from lakehouse import Categories, Daily, Lake

lake = Lake("lake")
keys = Daily("1700-01-01", end=date(1700, 1, 1) + timedelta({days}))
if {groups} > 1:
    keys = Categories("group", [f"g{{number}}" for number in range({groups})]) * keys
lake.source("raw", "raw.parquet", time="day")


@lake.asset(partitions=keys)
def one(raw: pl.LazyFrame) -> pl.LazyFrame:
    return raw.select(*(["group"] if {groups} > 1 else []), "partition_date", "value")
"""


def main() -> None:
    """Write the project: the lakefile, and a source of one row a partition."""
    from datetime import date, timedelta

    import polars as pl

    folder, number = Path(sys.argv[1]), int(sys.argv[2])
    groups = int(sys.argv[3]) if len(sys.argv) > 3 else 1
    days = number // groups
    folder.mkdir(parents=True)
    (folder / "lakefile.py").write_text(LAKEFILE.format(days=days, groups=groups), encoding="utf-8")
    dates = pl.DataFrame({"day": [date(1700, 1, 1) + timedelta(day) for day in range(days)]})
    names = pl.DataFrame({"group": [f"g{place}" for place in range(groups)]})
    rows = names.join(dates, how="cross").with_row_index("value").cast({"value": pl.Int64})
    rows.write_parquet(folder / "raw.parquet")


if __name__ == "__main__":
    main()
