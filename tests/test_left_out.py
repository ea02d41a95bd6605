"""What is left out is said, and what is wrong with one asset does not keep the others from being made."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lakehouse import Categories, Daily, Dynamic, Keys, Lake, Monthly, Weekly
from lakehouse.errors import DefinitionError
from lakehouse.outcome import Outcome

NOW = datetime(2024, 3, 1, 9, tzinfo=UTC)
DAYS = Daily("2024-01-01", end="2024-01-05")


def lake_in(folder: Path) -> Lake:
    """A lake over Hive folders of events: a, b and one of nobody on each of three days; nothing on the third."""
    for day in (1, 2, 4):
        place = folder / f"events/day=2024-01-0{day}"
        place.mkdir(parents=True, exist_ok=True)
        pl.DataFrame({"customer": ["a", "b", None], "v": [1, 2, 3]}).write_parquet(place / "x.parquet")
    lake = Lake(folder / "lake")
    lake.base, lake._clock = folder, lambda: NOW
    lake.source("events", "events", partitions=Daily("2024-01-01", end="2024-01-05", column="day"))
    return lake


def run(lake: Lake, selection: str = "all", **how: Any) -> Outcome:
    survey = lake.survey()
    plan = lake.plan(survey, lake.resolve(selection, survey=survey), **how)
    return lake.run(survey, plan)


def states(lake: Lake, asset: str) -> dict[str, str]:
    (status,) = lake.status(assets=[asset])
    return {part.key: part.status for part in status.partitions}


def test_keys_are_found_in_hive_folders_that_are_read_directly(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)

    @lake.asset(partitions=Dynamic("customer", discover=True))
    def by_customer(events: pl.LazyFrame) -> pl.LazyFrame:
        return events.group_by("customer").agg(pl.col("v").sum())

    run(lake)
    assert sorted(lake.scan("by_customer").collect().rows()) == [(3, "a"), (6, "b")]


def test_rows_of_no_key_and_folders_that_there_are_not_are_said(tmp_path: Path) -> None:
    """Of nine rows three are a's, three b's, three nobody's; the third day has no folder."""
    lake = lake_in(tmp_path)

    @lake.asset(partitions=Categories("customer", ["a"]) * DAYS)
    def cut(events: pl.LazyFrame) -> pl.LazyFrame:
        return events.group_by("customer", "partition_date").agg(pl.col("v").sum())

    assert run(lake).notes["cut"] == [
        "3 rows of events have no customer and belong to no partition",
        "3 rows of events are of a customer that cut does not list: b",
        "events has no 2024-01-03",
    ]
    assert lake.scan("cut").collect()["v"].sum() == 3


def test_keys_of_an_upstream_that_are_not_listed_are_said(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)

    @lake.asset(partitions=Categories("customer", ["a", "b"]))
    def upper(events: pl.LazyFrame) -> pl.LazyFrame:
        return events.group_by("customer").agg(pl.col("v").sum())

    @lake.asset(partitions=Categories("customer", ["a"]))
    def lower(upper: pl.LazyFrame) -> pl.LazyFrame:
        return upper

    assert run(lake).notes["lower"] == ["upper has keys of a customer that lower does not list: b"]


def test_one_asset_of_which_nothing_can_be_told_keeps_no_other_from_being_made(tmp_path: Path) -> None:
    """Neither it nor what reads it is made; the rest is, and its error is there to be shown."""
    lake = lake_in(tmp_path)
    lake.source("numbers", "numbers.csv", schema={"k": pl.Int64})
    (tmp_path / "numbers.csv").write_text("k\n1\n2\n")

    @lake.asset(partitions=Dynamic("k", discover=True))
    def by_number(numbers: pl.LazyFrame) -> pl.LazyFrame:
        return numbers.with_columns(n=pl.lit(1))

    @lake.asset
    def above(by_number: pl.LazyFrame) -> pl.LazyFrame:
        return by_number

    @lake.asset(partitions=DAYS)
    def daily(events: pl.LazyFrame) -> pl.LazyFrame:
        return events.select("partition_date", "v")

    resolution = lake.resolve("all")
    assert list(resolution.keys_by_asset) == ["daily"]
    assert sorted(resolution.faults) == ["above", "by_number"]
    assert resolution.faults["by_number"].message == "numbers.k is Int64, and partition keys are text"
    assert {result.asset for result in run(lake).results} == {"daily"}
    with pytest.raises(DefinitionError, match="keys are text"):
        lake.resolve("all", ["by_number"])


def test_what_an_upstream_no_longer_defines_is_still_read(tmp_path: Path) -> None:
    """The upstream ends two days earlier, its data of those days is kept: neither reader loses a row."""

    def declared(end: str) -> Lake:
        lake = lake_in(tmp_path)

        @lake.asset(partitions=Daily("2024-01-01", end=end))
        def daily(events: pl.LazyFrame) -> pl.LazyFrame:
            return events.group_by("partition_date").agg(pl.col("v").sum())

        @lake.asset(partitions=Monthly("2024-01", end="2024-02"))
        def monthly(daily: pl.LazyFrame) -> pl.LazyFrame:
            return daily.group_by("partition_date").agg(pl.col("v").sum())

        @lake.asset
        def total(daily: pl.LazyFrame) -> pl.LazyFrame:
            return daily.select(pl.col("v").sum())

        return lake

    run(declared("2024-01-05"))
    narrowed = declared("2024-01-03")
    assert states(narrowed, "daily")["2024-01-04"] == "orphaned"
    assert states(narrowed, "monthly") == {"2024-01": "fresh"}
    run(narrowed, force=True)
    assert narrowed.scan("monthly").collect()["v"].to_list() == [18]
    assert narrowed.scan("total").collect().item() == 18


def test_what_is_skipped_names_what_failed_and_not_what_was_skipped_in_between(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)

    @lake.asset(partitions=DAYS)
    def daily(events: pl.LazyFrame, partition: Any) -> pl.LazyFrame:
        if partition.key == "2024-01-02":
            raise ValueError("no")
        return events.select("v")

    @lake.asset(partitions=Monthly("2024-01", end="2024-02"))
    def monthly(daily: pl.LazyFrame) -> pl.LazyFrame:
        return daily.group_by("partition_date").agg(pl.col("v").sum())

    @lake.asset
    def total(monthly: pl.LazyFrame) -> pl.LazyFrame:
        return monthly.select(pl.col("v").sum())

    skipped = [result for result in run(lake).results if result.result == "skipped"]
    assert [(result.asset, (result.error or {})["message"]) for result in skipped] == [
        ("monthly", "upstream daily 2024-01-02 failed"),
        ("total", "upstream daily 2024-01-02 failed"),
    ]


def test_what_is_made_of_something_stale_is_said_to_stay_so(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)

    @lake.asset(partitions=DAYS)
    def daily(events: pl.LazyFrame) -> pl.LazyFrame:
        return events.select("partition_date", "v")

    @lake.asset(partitions=DAYS)
    def copy(daily: pl.LazyFrame) -> pl.LazyFrame:
        return daily

    run(lake)
    pl.DataFrame({"customer": ["a"], "v": [5]}).write_parquet(tmp_path / "events/day=2024-01-01/y.parquet")
    survey = lake.survey()
    plan = lake.plan(survey, lake.resolve("2024-01-01", ["copy"], survey=survey), upstream=False)
    assert lake.run(survey, plan).notes["copy"] == [
        "1 partition stays stale: made of daily as it is, which is not fresh"
    ]


def test_validate_looks_at_what_reads_an_asset_that_was_never_made(tmp_path: Path) -> None:
    """And warns of weeks that two months would both read whole."""
    lake = lake_in(tmp_path)

    @lake.asset(partitions=Weekly("2024-W01", end="2024-W06"))
    def weekly(events: pl.LazyFrame) -> pl.LazyFrame:
        return events.group_by("partition_date").agg(pl.col("v").sum())

    @lake.asset(partitions=Monthly("2024-01", end="2024-02"))
    def monthly(weekly: pl.LazyFrame) -> pl.LazyFrame:
        return weekly.group_by("partition_date").agg(pl.col("v").sum())

    found = {(finding.subject, finding.severity): finding.message for finding in lake.validate()}
    assert found["monthly", "ok"] == "1 column, 1 partition"
    assert found["monthly", "warning"].startswith("a week of weekly may lie in several months")
    assert not any(severity == "error" for _, severity in found)
    assert not (tmp_path / "lake").exists()


def test_keys_that_an_upstream_never_has_are_refused_where_they_are_named(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)

    @lake.asset(partitions=Monthly("2018-01", end="2019-01"))
    def monthly() -> pl.DataFrame:
        return pl.DataFrame({"v": [1], "partition_date": ["2018-01"]})

    @lake.asset(upstream={"monthly": Keys(["2019-01"])})
    def later(monthly: pl.LazyFrame) -> pl.LazyFrame:
        return monthly

    with pytest.raises(DefinitionError, match="2019-01, which the upstream never has"):
        lake.graph  # noqa: B018


def test_a_source_without_a_version_says_so(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)

    @lake.source
    def rates() -> pl.DataFrame:
        return pl.DataFrame({"r": [1]})

    @lake.asset
    def kept(rates: pl.LazyFrame) -> pl.LazyFrame:
        return rates

    run(lake)
    (status,) = lake.status(assets=["kept"])
    assert status.partitions[0].reason == "stale: rates has no version by which it could be told unchanged"
