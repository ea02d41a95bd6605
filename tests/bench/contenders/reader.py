"""Look-ups and range filters over Hive folders of the same rows, laid out in several ways; in one engine, warm.

``python reader.py ENGINE REPEATS FOLDER...``

Prints JSON: for each query and folder the seconds of each repeat, and in how many of the row groups the value may be,
by their statistics. The folders take turns. Fails where two of them give different answers.
"""

from __future__ import annotations

import datetime as dt
import json
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final


@dataclass(frozen=True, slots=True)
class Range:
    """Rows whose column lies between two values, both included; of one month, where there is one."""

    column: str
    low: Any
    high: Any
    month: str = ""


Ask = Callable[[str, Range], tuple[int, int]]


def queries(last: int) -> dict[str, list[Range]]:
    """What is asked, each with several values, of orders numbered up to ``last``."""
    days = [dt.date(2020, month, 10) for month in (2, 5, 11)]
    return {
        "order_id = …": [Range("order_id", value, value) for value in (last // 7, last // 2, last - 5)],
        "customer_id = …": [Range("customer_id", value, value) for value in (77, 25_000, 49_001)],
        "customer_id = …, of a month": [
            Range("customer_id", 25_000, 25_000, month) for month in ("2018-02", "2021-07")
        ],
        "order_date within 5 days": [Range("order_date", day, day + dt.timedelta(days=4)) for day in days],
        "amount: the largest 1 %": [Range("amount", 10_000, 99_999)],
    }


def of_duckdb() -> Ask:
    """How DuckDB answers: one connection, which keeps no footers."""
    import duckdb

    connection = duckdb.connect()

    def ask(folder: str, wanted: Range) -> tuple[int, int]:
        month = f" AND partition_date = '{wanted.month}'" if wanted.month else ""
        sql = (
            f"SELECT count(*), coalesce(sum(amount), 0) FROM read_parquet('{folder}/*/*.parquet',"  # noqa: S608
            " hive_partitioning = true, hive_types = {'partition_date': VARCHAR})"
            f" WHERE {wanted.column} BETWEEN '{wanted.low}' AND '{wanted.high}'{month}"
        )
        count, total = connection.execute(sql).fetchall()[0]
        return int(count), int(total)

    return ask


def of_polars() -> Ask:
    """How Polars answers."""
    import polars as pl

    def ask(folder: str, wanted: Range) -> tuple[int, int]:
        rows = pl.scan_parquet(f"{folder}/*/*.parquet", hive_schema={"partition_date": pl.String})
        found = rows.filter(pl.col(wanted.column).is_between(wanted.low, wanted.high))
        if wanted.month:
            found = found.filter(pl.col("partition_date") == wanted.month)
        answer = found.select(count=pl.len(), total=pl.col("amount").sum()).collect(engine="streaming")
        return int(answer["count"][0]), int(answer["total"][0])

    return ask


def groups_in_range(folder: str, wanted: Range) -> tuple[int, int]:
    """Of how many row groups the statistics allow such a row, and how many there are in all."""
    import pyarrow.parquet as pq

    allowed = total = 0
    for path in sorted(Path(folder).glob("*/*.parquet")):
        footer = pq.read_metadata(path)
        total += footer.num_row_groups
        if wanted.month and path.parent.name != f"partition_date={wanted.month}":
            continue
        place = footer.schema.names.index(wanted.column)
        found = [footer.row_group(number).column(place).statistics for number in range(footer.num_row_groups)]
        allowed += sum(one is None or (one.min <= wanted.high and wanted.low <= one.max) for one in found)
    return allowed, total


def timed(ask: Ask, folders: Sequence[str], ranges: Sequence[Range], repeats: int) -> dict[str, list[float]]:
    """Seconds by folder; the first turn warms up."""
    seconds: dict[str, list[float]] = {folder: [] for folder in folders}
    for turn in range(repeats + 1):
        for wanted in ranges:
            answers = []
            for folder in folders:
                began = time.perf_counter()
                answers.append(ask(folder, wanted))
                if turn:
                    seconds[folder].append(time.perf_counter() - began)
            if len({*answers}) != 1:
                sys.exit(f"{wanted}: the folders give {answers}")
    return seconds


ENGINES: Final = {"DuckDB": of_duckdb, "Polars": of_polars}


def main() -> None:
    """Ask everything, and print the figures."""
    engine, repeats, last, *folders = sys.argv[1:]
    ask = ENGINES[engine]()
    told = {}
    for name, ranges in queries(int(last)).items():
        seconds = timed(ask, folders, ranges, int(repeats))
        told[name] = {
            folder: {"seconds": seconds[folder], "groups": groups_in_range(folder, ranges[0])} for folder in folders
        }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
