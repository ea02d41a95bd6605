"""Kills a run before each of its calls, and looks at what it left: ``python crash_worker.py SCENARIO FOLDER``.

Prints how many calls there are and what was wrong, as JSON. A process of its own, because it forks: it has imported
the engines and never starts their threads, which would not survive in a child. ``python crash_worker.py endlessly
FOLDER`` makes all months over and over, from changing orders, and prints a line before each call.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

# What would be imported on use is imported here, once, and not in each child.
import duckdb
import polars as pl
import polars.testing
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
from conftest import Rows, Shop

from lakehouse.disk import digest_file

_KILLED = 137
_HIVE = re.compile(r"monthly_orders/(partition_date=\d{4}-\d{2}/(part\.parquet)?)?")
_PATIENCE = 60  # seconds


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A command, what was there before it, and what each month holds before and after."""

    prepare: Callable[[Shop], object]
    selection: str
    options: dict[str, Any] = field(default_factory=dict)
    old: dict[str, Rows]
    new: dict[str, Rows]


def nothing(shop: Shop) -> None:
    shop.write(shop.OLD)


def january(shop: Shop) -> None:
    shop.write(shop.OLD)
    shop.make()


def january_changed(shop: Shop) -> None:
    january(shop)
    shop.write(shop.NEW)


def january_foreign(shop: Shop) -> None:
    january(shop)
    shop.file().unlink()
    pq.write_table(pa.table({"status": ["mine"], "order_num": [7]}), shop.file())


def all_but(rows: dict[str, Rows], *months: str) -> dict[str, Rows]:
    return {month: found for month, found in rows.items() if month not in months}


OLD, NEW = Shop.OLD_ROWS, Shop.NEW_ROWS
JANUARY, NEW_JANUARY = all_but(OLD, "2018-02", "2018-03"), all_but(NEW, "2018-02", "2018-03")
SCENARIOS = {
    "create": Scenario(prepare=nothing, selection="2018-01", old={}, new=JANUARY),
    "replace": Scenario(prepare=january_changed, selection="2018-01", old=JANUARY, new=NEW_JANUARY),
    "backfill": Scenario(prepare=january_changed, selection="2018-01..2018-03", old=JANUARY, new=NEW),
    "unchanged": Scenario(prepare=january, selection="2018-01", options={"force": True}, old=JANUARY, new=JANUARY),
    "unrecorded": Scenario(
        prepare=january_foreign,
        selection="2018-01",
        options={"force": True},
        old={"2018-01": {"mine": 7}},
        new=JANUARY,
    ),
}


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


def act(shop: Shop, scenario: Scenario, number: int) -> None:
    shop.lake._on_call = kill_before(number)
    shop.make(scenario.selection, **scenario.options)


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


def check(shop: Shop, scenario: Scenario, *, is_acknowledged: bool) -> None:
    """Every partition is the old one or the new one, whole; and the same command finishes the job."""
    assert all(_HIVE.fullmatch(name) for name in shop.hive()), shop.hive()
    for month in scenario.new:
        old, new = scenario.old.get(month), scenario.new[month]
        if shop.file(month).exists():
            found = by_engine(shop.file(month))
            assert found in ([[new] * 3] if is_acknowledged else [[old] * 3, [new] * 3]), found
        else:
            assert old is None, f"{month} is gone"
            assert not is_acknowledged, f"{month} is not there"
    assert len(shop.lake.status(scenario.selection)[0].partitions) == len(scenario.new)
    made = dict(shop.lake.survey().fold("monthly_orders").keys)
    if made:
        assert all(
            shop.published(month) in (scenario.old.get(month), scenario.new[month], OLD[month]) for month in made
        )
    shop.make(scenario.selection, **scenario.options)
    for month, rows in scenario.new.items():
        version = shop.lake.survey().fold("monthly_orders").key(month).version
        assert version is not None
        assert digest_file(shop.file(month)) == digest_file(shop.root / version.path) == version.digest
        assert shop.rows(month) == shop.published(month) == rows
        assert shop.state(month) == ("fresh", "fresh")
    assert shop.staging() == []
    assert shop.versions() == shop.named()
    shop.calls.clear()
    assert set(shop.make(scenario.selection)) == {"fresh"}
    assert shop.calls == []


def run(scenario: Scenario, folder: Path) -> tuple[int, list[str]]:
    """How many calls the command takes; what was found wrong after a kill before which."""
    base, log = folder / "base", folder / "log"
    base.mkdir(parents=True)
    if in_child(lambda: scenario.prepare(Shop(base)) and None, log):
        return 0, [log.read_text()]
    faults: list[str] = []
    number, code = 0, _KILLED
    while code == _KILLED:
        number += 1
        place = folder / str(number)
        shutil.copytree(base, place, copy_function=os.link)  # nothing in a lake is ever changed in place
        log.unlink(missing_ok=True)
        code = in_child(lambda place=place, number=number: act(Shop(place), scenario, number), log)
        if code in (0, _KILLED):
            in_child(lambda place=place, code=code: check(Shop(place), scenario, is_acknowledged=code == 0), log)
        if log.exists():
            faults.append(f"before call {number}: {log.read_text()}")
        shutil.rmtree(place)
    return number - 1, faults


def run_endlessly(shop: Shop) -> None:
    shop.lake._on_call = lambda name, _: print(name, flush=True)  # noqa: T201  for whoever counts them
    for text in itertools.cycle([shop.NEW, shop.OLD]):
        shop.write(text)
        shop.make("2018-01..2018-06", force=True)


if __name__ == "__main__":
    os.fsync = lambda _: None  # a kill loses no page of the kernel's: waiting for the disk would only take time
    if sys.argv[1] == "endlessly":
        run_endlessly(Shop(Path(sys.argv[2])))
    calls, wrong = run(SCENARIOS[sys.argv[1]], Path(sys.argv[2]))
    json.dump({"calls": calls, "faults": wrong}, sys.stdout)
