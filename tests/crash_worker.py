"""Runs to be killed: ``python crash_worker.py FOLDER`` makes all months over and over, from changing orders.

It prints a line before each call. And what others need who kill: a child that acts, a kill before the nth call, and a
file as three engines read it.
"""

from __future__ import annotations

import itertools
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

# What would be imported on use is imported here, once, and not in each child.
import duckdb
import polars as pl
import polars.testing
import pyarrow.parquet as pq
from conftest import Rows, Shop

_KILLED = 137
_PATIENCE = 60  # seconds


def in_child(act: Callable[[], None], log: Path) -> int:
    """The exit code of a forked child that acts; what went wrong in it is in the log."""
    if (child := os.fork()) == 0:
        signal.alarm(_PATIENCE)
        try:
            act()
        except BaseException:  # noqa: BLE001  whatever it is, the child ends here
            log.write_text(traceback.format_exc())
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_before(number: int) -> Callable[[str, Path], None]:
    """A hook that ends the process, as SIGKILL would, before its nth call."""
    calls = iter(range(1, number))

    def hook(_name: str, _path: Path) -> None:
        if next(calls, None) is None:
            os._exit(_KILLED)

    return hook


def by_engine(file: Path) -> list[Rows]:
    """One file as PyArrow, Polars and DuckDB read it."""
    with duckdb.connect() as connection:
        by_duckdb = connection.sql(f"select status, order_num from read_parquet('{file}')").fetchall()  # noqa: S608
    by_arrow = pq.read_table(file, partitioning=None).to_pydict()
    by_polars = pl.read_parquet(file, hive_partitioning=False)
    return [
        dict(by_duckdb),
        dict(zip(by_arrow["status"], by_arrow["order_num"], strict=True)),
        dict(by_polars.iter_rows()),
    ]


def run_endlessly(shop: Shop) -> None:
    shop.lake._on_call = lambda name, _: print(name, flush=True)  # noqa: T201  for whoever counts them
    for text in itertools.cycle([shop.NEW, shop.OLD]):
        shop.write(text)
        shop.make("2018-01..2018-06", force=True)


if __name__ == "__main__":
    os.fsync = lambda _: None  # a kill loses no page of the kernel's: waiting for the disk would only take time
    run_endlessly(Shop(Path(sys.argv[1])))
