"""Partitions that are left as they are, whatever becomes of what they were made of."""

from __future__ import annotations

from pathlib import Path

import polars as pl  # noqa: TC002  code versions look annotations up
import pytest
from conftest import Shop

from lakehouse import Monthly


def test_a_frozen_partition_is_not_made_and_the_run_succeeds(shop: Shop) -> None:
    shop.make("2018-01..2018-03")
    assert shop.lake.freeze("monthly_orders", "2018-01") == ["2018-01"]
    shop.write(Shop.NEW)
    before = shop.identity()
    results = shop.lake.materialize("2018-01..2018-03")
    assert [item.result for item in results] == ["skipped", "unchanged", "unchanged"]
    assert results[0].error
    assert results[0].error["code"] == "frozen"
    assert shop.identity() == before


def test_a_frozen_partition_that_is_fresh_is_fresh(shop: Shop) -> None:
    shop.make()
    shop.lake.freeze("monthly_orders", "2018-01")
    assert shop.make() == ["fresh"]
    assert shop.state() == ("fresh", "fresh (frozen)")


def test_freezing_twice_is_freezing_once(shop: Shop) -> None:
    shop.make()
    shop.lake.freeze("monthly_orders", "2018-01")
    commits = shop.commits()
    assert shop.lake.freeze("monthly_orders", "2018-01") == []
    assert shop.commits() == commits
    assert shop.lake.unfreeze("monthly_orders", "all") == ["2018-01"]
    assert shop.lake.unfreeze("monthly_orders", "all") == []


def test_what_was_never_made_can_be_frozen(shop: Shop) -> None:
    assert shop.lake.freeze("monthly_orders", "2018-02..2018-03") == ["2018-02", "2018-03"]
    results = shop.lake.materialize("2018-01..2018-03")
    assert [item.result for item in results] == ["created", "skipped", "skipped"]
    assert shop.hive() == [
        "monthly_orders/",
        "monthly_orders/partition_date=2018-01/",
        "monthly_orders/partition_date=2018-01/part.parquet",
    ]


def test_a_dry_run_tells_and_writes_nothing(shop: Shop) -> None:
    shop.make()
    shop.calls.clear()
    assert shop.lake.freeze("monthly_orders", "2018-01..2018-02", dry_run=True) == ["2018-01", "2018-02"]
    assert shop.calls == []


def test_freezing_does_not_bring_back_what_somebody_removed(shop: Shop) -> None:
    shop.make()
    shop.file().unlink()
    shop.lake.freeze("monthly_orders", "2018-01")
    assert not shop.file().exists()


@pytest.mark.invariant("I17")
def test_frozen_while_it_was_made_it_stays_as_it_was(shop: Shop) -> None:
    """Frozen between staging and commit: what was staged is dropped."""
    shop.make("2018-01..2018-02")
    before = shop.identity()
    shop.write(Shop.NEW + "9,2018-02-11,placed\n")
    other, fired = shop.again(), []

    def hook(name: str, path: Path) -> None:
        if name == "link" and path.name.endswith(".json") and not fired:
            fired.append(path)
            other.lake.freeze("monthly_orders", "2018-01")

    shop.lake._on_call = hook
    results = shop.lake.materialize("2018-01..2018-02")
    assert fired
    assert [item.result for item in results] == ["skipped", "replaced"]
    assert shop.identity() == before
    assert shop.versions() == shop.named()
    assert shop.staging() == []


def test_what_reads_a_frozen_partition_is_made_of_it_as_it_is(shop: Shop) -> None:
    @shop.lake.asset(partitions=Monthly("2018-01", end="2018-04"))
    def copied(monthly_orders: pl.LazyFrame) -> pl.LazyFrame:
        return monthly_orders

    shop.lake.materialize("2018-01", assets=["monthly_orders"])
    shop.lake.freeze("monthly_orders", "2018-01")
    shop.write(Shop.NEW)
    results = shop.lake.materialize("2018-01")
    assert [(item.asset, item.result) for item in results] == [("monthly_orders", "skipped"), ("copied", "created")]
    states = {status.asset: status.partitions[0].status for status in shop.lake.status("2018-01")}
    assert states == {"monthly_orders": "stale", "copied": "fresh"}


def test_marks_outlive_a_checkpoint(shop: Shop) -> None:
    """The folded state is kept in a cache every 64 commits; what is frozen is part of it."""
    shop.make("2018-01..2018-02")
    shop.lake.freeze("monthly_orders", "2018-02")
    for _ in range(70):
        shop.make("2018-01", force=True)
    again = shop.again()
    assert again.lake.survey().fold("monthly_orders").key("2018-02").is_frozen
    assert (shop.root / ".lake/cache/log/monthly_orders.json").exists()
    assert again.lake.survey().fold("monthly_orders").key("2018-02").is_frozen
