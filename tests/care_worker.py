"""Kills a command that takes care of a lake before each of its calls: ``python care_worker.py SCENARIO FOLDER``.

Prints how many calls there are and what was wrong after which kill, as JSON. A process of its own, because it forks,
as `crash_worker.py` does.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
from care import current, everything, flip, found, superseded
from conftest import Shop
from crash_worker import in_child, kill_before

from lakehouse.disk import digest_file

_KILLED = 137
MINE = {"mine": 7}


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A command, what was there before it, and what has to hold after it was killed, and after it was done."""

    prepare: Callable[[Shop], object]
    act: Callable[[Shop], object]
    always: Callable[[Shop], object]
    done: Callable[[Shop], object]


def put(file: Path) -> None:
    """A file of somebody else's."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    pq.write_table(pa.table({"status": ["mine"], "order_num": pa.array([7], pa.int64())}), file)


def read(file: Path) -> dict[str, int]:
    """A file as PyArrow reads it."""
    found = pq.read_table(file, partitioning=None).to_pydict()
    return dict(zip(found["status"], found["order_num"], strict=True))


# Files of somebody else, in the lake or elsewhere, of a month that was made and of one that was not


def foreign(shop: Shop) -> None:
    shop.write(shop.OLD)
    shop.make("2018-01..2018-02")
    put(shop.file("2018-02"))
    put(shop.file("2018-05"))


def adopt(shop: Shop) -> None:
    results = shop.lake.adopt("monthly_orders", "2018-02 2018-05")
    assert all(result.is_ok for result in results), results


def adopt_from(shop: Shop) -> None:
    results = shop.lake.adopt("monthly_orders", "all", "elsewhere")
    assert all(result.is_ok for result in results), results


def is_mine_or(shop: Shop, **old: object) -> None:
    """Each month is whole, before and after."""
    assert read(shop.file("2018-01")) == shop.OLD_ROWS["2018-01"]
    for month in ("2018-02", "2018-05"):
        if month not in old:
            assert shop.file(month).exists()
        if shop.file(month).exists():
            assert read(shop.file(month)) in (MINE, old.get(month))


def elsewhere(shop: Shop) -> None:
    shop.write(shop.OLD)
    shop.make("2018-01..2018-02")
    for month in ("2018-02", "2018-05"):
        put(shop.folder / f"elsewhere/partition_date={month}/any.parquet")


def adopted(shop: Shop) -> None:
    for month in ("2018-02", "2018-05"):
        assert shop.rows(month) == shop.published(month) == MINE
        assert shop.state(month) == ("fresh", "fresh")
        assert digest_file(shop.file(month)) == digest_file(shop.root / current(shop, month))
        assert shop.file(month).stat().st_mode & 0o777 == 0o444
    is_sound(shop)


# What nobody needs


def thrice(shop: Shop) -> None:
    for text in (shop.OLD, shop.NEW, shop.OLD):
        shop.write(text)
        shop.make("2018-01..2018-02")
    folder = shop.root / ".lake/staging/20180101T000000-0123abcd"
    folder.mkdir()
    (folder / "part-1").write_bytes(b"12345")
    for tree in ("versions", "blocked"):
        place = shop.root / f".lake/{tree}/monthly_orders/partition_date=2018-02"
        place.mkdir(parents=True, exist_ok=True)
        (place / ("part.parquet" if tree == "blocked" else "20180101T000000-0123abcd-7")).write_bytes(b"123")


def clean(shop: Shop) -> None:
    shop.now += timedelta(hours=1)
    shop.lake.clean(now=True)


def is_published(shop: Shop) -> None:
    for month in ("2018-01", "2018-02"):
        assert read(shop.file(month)) == shop.OLD_ROWS[month]
        assert shop.published(month) == shop.OLD_ROWS[month]


def cleaned(shop: Shop) -> None:
    is_sound(shop)
    assert shop.versions() == sorted([current(shop), superseded(shop), current(shop, "2018-02")])
    assert not (shop.root / ".lake/blocked/monthly_orders/partition_date=2018-02/part.parquet").exists()


# Damage


def damaged(shop: Shop) -> None:
    """In January a file of somebody else stands; of February the version is damaged, of March the file is gone."""
    shop.write(shop.OLD)
    shop.make("2018-01..2018-03")
    lake = shop.root.with_name("whole")
    shutil.copytree(shop.root, lake)  # so that versions and files share no bytes
    shutil.rmtree(shop.root)
    lake.rename(shop.root)
    flip(shop.root / current(shop, "2018-02"))
    shop.lake.verify()
    put(shop.file("2018-01"))
    shop.file("2018-03").unlink()


def repair(shop: Shop) -> None:
    faults = shop.lake.verify(repair=True)
    if faults.error is not None:
        raise faults.error
    assert not faults.is_damaged, faults


def is_whole(shop: Shop) -> None:
    assert read(shop.file("2018-01")) in (MINE, shop.OLD_ROWS["2018-01"])
    assert read(shop.file("2018-02")) == shop.OLD_ROWS["2018-02"]
    if shop.file("2018-03").exists():
        assert read(shop.file("2018-03")) == shop.OLD_ROWS["2018-03"]
    kept = [name for name, data in everything(shop.root).items() if b"mine" in data]
    assert kept, "what somebody put there is gone"


def repaired(shop: Shop) -> None:
    is_sound(shop)
    for month, rows in shop.OLD_ROWS.items():
        assert shop.rows(month) == shop.published(month) == rows
        assert shop.state(month) == ("fresh", "fresh")


def is_sound(shop: Shop) -> None:
    """Nothing is damaged, and nothing left over that `clean` would not remove."""
    assert [fault for fault in found(shop) if fault[0] != "leftover"] == []
    shop.lake.clean()
    assert found(shop) == []
    assert shop.versions() == shop.named()
    assert shop.staging() == []


SCENARIOS = {
    "adopt": Scenario(prepare=foreign, act=adopt, always=is_mine_or, done=adopted),
    "adopt-from": Scenario(
        prepare=elsewhere,
        act=adopt_from,
        always=lambda shop: is_mine_or(shop, **{"2018-02": shop.OLD_ROWS["2018-02"], "2018-05": None}),
        done=adopted,
    ),
    "clean": Scenario(prepare=thrice, act=clean, always=is_published, done=cleaned),
    "repair": Scenario(prepare=damaged, act=repair, always=is_whole, done=repaired),
}


def check(shop: Shop, scenario: Scenario, *, is_acknowledged: bool) -> None:
    """What always holds does; and the same command finishes the job."""
    names = [name for name in shop.hive() if not name.endswith("/")]
    assert all(name.endswith("/part.parquet") for name in names), names
    scenario.always(shop)
    if not is_acknowledged:
        scenario.act(shop)
    scenario.always(shop)
    scenario.done(shop)


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
        shutil.copytree(base, place)
        log.unlink(missing_ok=True)

        def act(place: Path = place, number: int = number) -> None:
            shop = Shop(place)
            shop.lake._on_call = kill_before(number)
            scenario.act(shop)

        code = in_child(act, log)
        if code in (0, _KILLED):
            in_child(lambda place=place, code=code: check(Shop(place), scenario, is_acknowledged=code == 0), log)
        if log.exists():
            faults.append(f"before call {number}: {log.read_text()}")
        shutil.rmtree(place)
    return number - 1, faults


if __name__ == "__main__":
    os.fsync = lambda _: None  # a kill loses no page of the kernel's: waiting for the disk would only take time
    calls, wrong = run(SCENARIOS[sys.argv[1]], Path(sys.argv[2]))
    json.dump({"calls": calls, "faults": wrong}, sys.stdout)
