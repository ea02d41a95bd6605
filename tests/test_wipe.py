"""Partitions deleted: in the log, among the versions, and for every reader; nothing else is."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import polars as pl
import pytest
from conftest import Shop

from lakehouse import Lake, Monthly
from lakehouse.errors import RequestError, StorageError


@pytest.fixture
def twice(shop: Shop) -> Shop:
    """January to March, January with a superseded version."""
    shop.make("2018-01..2018-03")
    shop.write(Shop.NEW)
    shop.make("2018-01..2018-03")
    return shop


def others(shop: Shop) -> list[tuple[bytes, int, int, int]]:
    return [shop.identity(key) for key in ("2018-02", "2018-03")]


def test_a_wiped_partition_is_gone_for_everyone_with_all_its_versions(twice: Shop) -> None:
    before = others(twice)
    (record,) = twice.lake.wipe("monthly_orders", "2018-01")
    assert (record.result, record.kept and record.kept.row_count) == ("wiped", 2)
    assert not twice.file().parent.exists()
    assert [path for path in twice.versions() if "2018-01" in path] == []
    assert others(twice) == before
    assert twice.lake.scan("monthly_orders").collect().height == 2
    assert twice.state() == ("missing", "missing: wiped")
    assert twice.staging() == []


def test_a_wiped_partition_is_made_again_when_it_is_asked_for(twice: Shop) -> None:
    twice.lake.wipe("monthly_orders", "2018-01")
    assert twice.make("2018-01") == ["created"]
    assert twice.rows() == Shop.NEW_ROWS["2018-01"]


def test_wiping_everything_leaves_no_folder(twice: Shop) -> None:
    assert len(twice.lake.wipe("monthly_orders", "all")) == 3
    assert twice.hive() == []
    assert twice.versions() == []


def test_a_wipe_thaws(twice: Shop) -> None:
    twice.lake.freeze("monthly_orders", "2018-01")
    twice.lake.wipe("monthly_orders", "2018-01")
    assert twice.make("2018-01") == ["created"]


def test_what_has_no_data_is_not_wiped(shop: Shop) -> None:
    with pytest.raises(RequestError, match="has no data for 2018-02"):
        shop.lake.wipe("monthly_orders", "2018-02")


def test_a_dry_run_tells_and_writes_nothing(twice: Shop) -> None:
    twice.calls.clear()
    told = twice.lake.wipe("monthly_orders", "all", dry_run=True)
    assert [record.key for record in told] == ["2018-01", "2018-02", "2018-03"]
    assert [len(record.dropped) for record in told] == [2, 1, 1]
    assert twice.calls == []


def test_a_file_that_somebody_else_put_there_stays(twice: Shop) -> None:
    twice.file().unlink()
    twice.file().write_bytes(b"mine")
    twice.lake.wipe("monthly_orders", "2018-01")
    assert twice.file().read_bytes() == b"mine"
    assert twice.state()[0] == "unrecorded"


def test_a_strange_file_in_its_folder_stays(twice: Shop) -> None:
    (twice.file().parent / "notes.txt").write_text("mine")
    twice.lake.wipe("monthly_orders", "2018-01")
    assert [path.name for path in twice.file().parent.iterdir()] == ["notes.txt"]


def test_what_the_definition_no_longer_has_can_be_wiped(twice: Shop) -> None:
    later = Lake(twice.root)
    later.base = twice.folder
    later._clock = lambda: twice.now
    later.source("orders", "orders.csv", schema={"id": pl.Int64, "order_date": pl.Date, "status": pl.String},
                 time="order_date")  # fmt: skip

    @later.asset(partitions=Monthly("2018-02", end="2018-07"))
    def monthly_orders(orders: pl.LazyFrame) -> pl.LazyFrame:
        return orders.group_by("partition_date", "status").agg(order_num=pl.len().cast(pl.Int64))

    assert later.status()[0].counts["orphaned"] == 1
    assert [record.key for record in later.wipe("monthly_orders", "2018-01")] == ["2018-01"]
    assert "orphaned" not in later.status()[0].counts
    assert not twice.file().exists()


def test_an_asset_that_is_no_longer_declared_can_be_wiped(twice: Shop) -> None:
    bare = Lake(twice.root)
    bare.base = twice.folder
    with pytest.raises(RequestError, match="no longer declared, and has no data for 2017"):
        bare.wipe("monthly_orders", "2017")
    assert len(bare.wipe("monthly_orders", "all")) == 3
    assert twice.hive() == []
    with pytest.raises(RequestError, match="no asset 'others'"):
        bare.wipe("others", "all")
    with pytest.raises(RequestError, match="no asset"):
        bare.wipe("../lake", "all")


def test_what_reads_a_wiped_partition_turns_stale_and_is_skipped_until_it_is_there_again(shop: Shop) -> None:
    @shop.lake.asset(partitions=Monthly("2018-01", end="2018-04"))
    def copied(monthly_orders: pl.LazyFrame) -> pl.LazyFrame:
        return monthly_orders

    shop.lake.materialize("2018-01..2018-03")
    shop.lake.wipe("monthly_orders", "2018-01")
    (status,) = shop.lake.status("2018-01", assets=["copied"])
    assert status.partitions[0].status == "stale"
    results = shop.lake.materialize("2018-01", assets=["copied"], upstream=False, on_failure="return")
    assert [item.result for item in results] == ["skipped"]
    results = shop.lake.materialize("2018-01", assets=["copied"])
    assert [(item.asset, item.result) for item in results] == [("monthly_orders", "created"), ("copied", "fresh")]


def test_killed_before_any_call_it_is_wiped_or_not_and_the_next_run_finishes(
    twice: Shop, tmp_path_factory: pytest.TempPathFactory
) -> None:
    number, killed = 0, True
    while killed:
        place = tmp_path_factory.mktemp("place")
        shutil.copytree(twice.folder, place, copy_function=os.link, dirs_exist_ok=True)
        shop, calls = Shop(place), iter(range(number))

        def hook(_name: str, _path: Path, calls: object = calls) -> None:
            if next(calls, None) is None:  # type: ignore[call-overload]
                raise KeyboardInterrupt

        shop.lake._on_call = hook
        try:
            shop.lake.wipe("monthly_orders", "2018-01")
            killed = False
        except KeyboardInterrupt:
            pass
        again = Shop(place)
        is_committed = again.lake.survey().fold("monthly_orders").key("2018-01").version is None
        assert is_committed or killed
        assert again.state() == (("missing", "missing: wiped") if is_committed else ("fresh", "fresh"))
        if again.file().exists():
            assert again.rows() == Shop.NEW_ROWS["2018-01"]
        again.write(Shop.NEW + "8,2018-02-09,placed\n")
        again.make("2018-02")
        assert again.file().exists() is not is_committed
        assert again.versions() == again.named()
        assert again.staging() == []
        number += 1
    assert number > 8


def test_a_run_that_made_the_key_meanwhile_makes_it_again(shop: Shop) -> None:
    """Wiped between staging and commit: what the run brings is newer than the wipe."""
    shop.make()
    shop.write(Shop.NEW)
    other, fired = shop.again(), []

    def hook(name: str, path: Path) -> None:
        if name == "link" and path.name.endswith(".json") and not fired:
            fired.append(path)
            other.lake.wipe("monthly_orders", "2018-01")

    shop.lake._on_call = hook
    assert shop.make() == ["created"]
    assert fired
    assert shop.rows() == shop.published() == Shop.NEW_ROWS["2018-01"]
    assert shop.versions() == shop.named()


def test_a_file_that_cannot_be_removed_is_removed_by_the_next_writing_command(twice: Shop) -> None:
    def hook(name: str, path: Path) -> None:
        if name == "unlink" and path == twice.file():
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    twice.lake._on_call = hook
    with pytest.raises(StorageError, match="committed, not yet projected") as failed:
        twice.lake.wipe("monthly_orders", "2018-01")
    assert failed.value.code == "not-projected"
    assert twice.file().exists()
    assert twice.state() == ("missing", "missing: wiped")
    twice.lake._on_call = lambda *_: None
    twice.lake.freeze("monthly_orders", "2018-02")
    assert not twice.file().exists()
    assert twice.versions() == twice.named()


def test_wiped_by_another_run_at_the_same_time_it_is_wiped_once(twice: Shop) -> None:
    other, fired = twice.again(), []

    def hook(name: str, path: Path) -> None:
        if name == "link" and path.name.endswith(".json") and not fired:
            fired.append(path)
            other.lake.wipe("monthly_orders", "2018-01")

    twice.lake._on_call = hook
    commits = twice.commits()
    assert twice.lake.wipe("monthly_orders", "2018-01") == []
    assert fired
    assert twice.commits() == commits + 1


def test_a_folder_that_is_not_empty_to_the_eye_stays(twice: Shop) -> None:
    (twice.root / "monthly_orders" / "notes.txt").write_text("mine")
    twice.lake.wipe("monthly_orders", "all")
    assert twice.hive() == ["monthly_orders/", "monthly_orders/notes.txt"]


def test_what_a_check_refused_goes_too(twice: Shop) -> None:
    @twice.lake.check("monthly_orders")
    def none_at_all(frame: pl.LazyFrame) -> bool:
        return frame.collect().is_empty()

    twice.write(Shop.OLD)
    twice.lake.materialize("2018-01", on_failure="return")
    blocked = twice.root / ".lake/blocked/monthly_orders/partition_date=2018-01/part.parquet"
    assert blocked.exists()
    twice.lake.wipe("monthly_orders", "2018-01")
    assert not blocked.parent.exists()
