"""Who reads a lake while others write it: through the lake, over a snapshot, and plainly.

Knows engines. Knows nothing of what an answer may be: `faults.crowd` does.
"""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from faults.crowd import KEYS, ROWS, SQL, Reading, Row, reading, total

if TYPE_CHECKING:
    from pathlib import Path

    from faults.scenarios import Place

__all__ = ["OPENING_TWICE", "PLAIN", "READERS", "read_until_told", "stop"]

# Readers: each is called over and over, and gives the rows of one answer


def by_scan(place: Place) -> Iterator[list[Row]]:
    """Polars, through `lake.scan`."""
    import polars as pl

    lake, number = place.lakehouse(), pl.col("number")
    while True:
        yield lake.scan("batches").group_by("key").agg(*_told_by(pl, number)).collect().rows()
        for row in lake.scan("sums").select("generation", "rows", "total").collect().rows():
            if (row[1], row[2]) != (ROWS + row[0], total(row[0])):
                raise RuntimeError(f"sums has {row}")


def by_late_scan(place: Place) -> Iterator[list[Row]]:
    """Polars, through a `lake.scan` that is collected one second after the log was read."""
    import polars as pl

    lake, waiting = place.lakehouse(), list[tuple[float, Any]]()
    while True:
        waiting.append((time.monotonic() + 1, lake.scan("batches")))
        while waiting[0][0] > time.monotonic():
            time.sleep(0.02)
            waiting.append((time.monotonic() + 1, lake.scan("batches")))
        _, frame = waiting.pop(0)
        yield frame.group_by("key").agg(*_told_by(pl, pl.col("number"))).collect().rows()


def _told_by(pl: Any, number: Any) -> list[Any]:
    generation = pl.col("generation")
    return [
        generation.min().alias("first"),
        generation.max().alias("last"),
        pl.len().alias("rows"),
        number.n_unique().alias("numbers"),
        number.sum().alias("total"),
    ]


def by_query(place: Place) -> Iterator[list[Row]]:
    """DuckDB, through `lake query`."""
    while True:
        outcome = place.run("query", SQL.format(table="batches"), "--format", "json")
        if outcome.code != 0:
            raise RuntimeError(outcome.err + outcome.out)
        yield [tuple(row.values()) for row in json.loads(outcome.out)]


def by_snapshot(place: Place) -> Iterator[list[Row]]:
    """PyArrow, over a snapshot, which does not change: each is read three times."""
    import pyarrow.dataset

    lake = place.lakehouse()
    for number in itertools.count():
        name = f"s{os.getpid()}-{number}"
        folder = place.lake / lake.snapshot(name, ["batches"]).path / "batches"
        answers = [_by_arrow(pyarrow.dataset, folder) for _ in range(3)]
        lake.remove_snapshot(name)
        if any(answer != answers[0] for answer in answers):
            raise RuntimeError(f"a snapshot has changed: {answers}")
        yield answers[0]


def _by_arrow(dataset: Any, folder: Path) -> list[Row]:
    table = dataset.dataset(folder, partitioning="hive").to_table()
    of_key = table.group_by("key").aggregate(
        [
            ("generation", "min"),
            ("generation", "max"),
            ("number", "count"),
            ("number", "count_distinct"),
            ("number", "sum"),
        ]
    )
    names = ["key", "generation_min", "generation_max", "number_count", "number_count_distinct", "number_sum"]
    return sorted(zip(*(of_key[name].to_pylist() for name in names), strict=True))


def by_plain_polars(place: Place) -> Iterator[list[Row]]:
    """Polars over the Hive tree, without the lake."""
    import polars as pl

    while True:
        frame = pl.scan_parquet(place.lake / "batches")
        yield frame.group_by("key").agg(*_told_by(pl, pl.col("number"))).collect().rows()


def by_plain_duckdb(place: Place) -> Iterator[list[Row]]:
    """DuckDB over the Hive tree, without the lake."""
    import duckdb

    connection = duckdb.connect()
    table = f"read_parquet('{place.lake}/batches/*/*.parquet', hive_partitioning=true)"
    while True:
        yield connection.execute(SQL.format(table=table)).fetchall()


def by_plain_file(place: Place) -> Iterator[list[Row]]:
    """PyArrow over the Hive tree, each file opened once."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    while True:
        rows: list[Row] = []
        for key in KEYS:
            table = pq.read_table(
                pa.BufferReader((place.lake / "batches" / f"key={key}" / "part.parquet").read_bytes())
            )
            numbers, generations = table["number"].to_pylist(), table["generation"].to_pylist()
            told = min(generations), max(generations), len(numbers), len(set(numbers)), sum(numbers)
            rows.append((key, *told))
        yield rows


READERS: Final[Mapping[str, Callable[[Place], Iterator[list[Row]]]]] = {
    "lake.scan": by_scan,
    "lake.scan, collected late": by_late_scan,
    "lake query": by_query,
    "snapshot": by_snapshot,
    "files, each opened once": by_plain_file,
    "plain Polars": by_plain_polars,
    "plain DuckDB": by_plain_duckdb,
}

# These read the Hive tree: each partition is the old one or the new one. And these open a file more than once in one
# query, and find another in its place: what comes of it is counted, and is nobody's promise.
OPENING_TWICE: Final = ("plain Polars", "plain DuckDB")
PLAIN: Final = ("files, each opened once", *OPENING_TWICE)


def stop(place: Place) -> None:
    """Have the readers of a place end."""
    (place.folder / "stop").touch()


def read_until_told(place: Place, reader: str) -> list[dict[str, Any]]:
    """The answers of a reader, each different one once in a row, with how often it came."""
    found: list[dict[str, Any]] = []
    answers = READERS[reader](place)
    while not (place.folder / "stop").exists():
        try:
            rows = next(answers)
            item = reading([(row[0], *map(int, row[1:])) for row in rows])  # type: ignore[misc]
        except BaseException as error:  # noqa: BLE001  a reader's failure of any kind is what is counted
            item = Reading(fault=f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
            answers = READERS[reader](place)
        content = {"state": dict(item.state), "fault": item.fault, "torn": item.torn}
        if found and {**found[-1], "times": 0} == {**content, "times": 0}:
            found[-1]["times"] += 1
        else:
            found.append({**content, "times": 1})
    return found
