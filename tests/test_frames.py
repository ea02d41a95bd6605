"""What a function is given: the rows of the requested keys, what reaches the scan, and what views see."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from lakehouse import Lake, Monthly
from lakehouse.outcome import Outcome


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake without definitions, in an empty project; its clock stands still."""
    lake = Lake("lake")
    lake.base = tmp_path
    lake._clock = lambda: datetime(2019, 6, 1, tzinfo=UTC)
    return lake


def make(lake: Lake, selection: str) -> Outcome:
    """Carry out a selection; the outcome with its notes."""
    survey = lake.survey()
    return lake.run(survey, lake.plan(survey, lake.resolve(selection)))


# Rows of no partition.


@pytest.mark.invariant("I13")
def test_rows_of_no_partition_are_counted_by_reason_and_said(lake: Lake, tmp_path: Path) -> None:
    """Each time, whether the sources were asked anew or an earlier verdict on them holds."""
    (tmp_path / "raw.csv").write_text(
        "id,t\n1,2017-12-31\n2,2018-01-01\n3,\n4,2016-01-01\n5,2018-03-01\n6,2018-02-28\n"
    )
    lake.source("raw", "raw.csv", schema={"id": pl.Int64, "t": pl.Date}, time="t", nullable=["t"])

    @lake.asset(partitions=Monthly("2018-01", end="2018-03"))
    def monthly(raw: pl.LazyFrame) -> pl.LazyFrame:
        return raw

    expected = [
        "1 row of raw has no t and belongs to no partition",
        "2 rows of raw are from before 2018-01, where monthly begins",
        "1 row of raw is from after 2018-02, where monthly ends",
    ]
    outcome = make(lake, "2018-01")
    assert outcome.notes == {"monthly": expected}
    assert outcome.latest == {"monthly": {"t": "2018-03-01"}}
    assert make(lake, "2018-02").notes == {"monthly": expected}
    assert sorted(lake.scan("monthly").collect()["id"]) == [2, 6]


def test_rows_are_counted_anew_once_the_definition_begins_elsewhere(lake: Lake, tmp_path: Path) -> None:
    """Where it begins is no part of the code's version, so it must be part of what the verdict holds for."""
    (tmp_path / "raw.csv").write_text("t\n2017-12-31\n2018-01-01\n2018-02-01\n")

    def declared(start: str) -> Lake:
        again = Lake("lake")
        again.base, again._clock = tmp_path, lake._clock
        again.source("raw", "raw.csv", schema={"t": pl.Date}, time="t")

        @again.asset(partitions=Monthly(start), version="1")
        def monthly(raw: pl.LazyFrame) -> pl.LazyFrame:
            return raw

        return again

    assert make(declared("2018-01"), "2018-01").notes["monthly"] == [
        "1 row of raw is from before 2018-01, where monthly begins"
    ]
    assert make(declared("2018-02"), "2018-02").notes["monthly"] == [
        "2 rows of raw are from before 2018-02, where monthly begins"
    ]


# Views.


def test_a_view_sees_all_rows_whatever_is_asked_for(lake: Lake, tmp_path: Path) -> None:
    """A running number over a customer's orders of all months must not begin anew with the requested window."""
    (tmp_path / "raw.csv").write_text("who,t\na,2018-01-05\na,2018-02-05\nb,2018-02-06\na,2018-03-05\n")
    lake.source("raw", "raw.csv", schema={"who": pl.String, "t": pl.Date}, time="t")

    @lake.view(time="t")
    def numbered(raw: pl.LazyFrame) -> pl.LazyFrame:
        return raw.with_columns(number=pl.col("t").rank().over("who").cast(pl.Int64))

    @lake.asset(partitions=Monthly("2018-01"))
    def monthly(numbered: pl.LazyFrame) -> pl.LazyFrame:
        return numbered

    for month in ("2018-03", "2018-01..2018-02"):
        lake.materialize(month)
    assert lake.scan("monthly").select("partition_date", "who", "number").sort(
        "partition_date", "who"
    ).collect().rows() == [
        ("2018-01", "a", 1),
        ("2018-02", "a", 2),
        ("2018-02", "b", 1),
        ("2018-03", "a", 3),
    ]


def test_time_is_not_inherited_by_a_view(lake: Lake, tmp_path: Path) -> None:
    """A view without `time=` of its own is unpartitioned: all of it is given, without a partition column."""
    (tmp_path / "raw.csv").write_text("id,t\n1,2018-01-05\n2,2018-02-05\n")
    lake.source("raw", "raw.csv", schema={"id": pl.Int64, "t": pl.Date}, time="t")

    @lake.view
    def every(raw: pl.LazyFrame) -> pl.LazyFrame:
        return raw

    @lake.asset(partitions=Monthly("2018-01"))
    def monthly(raw: pl.LazyFrame, every: pl.LazyFrame) -> pl.LazyFrame:
        assert "partition_date" not in every.collect_schema()
        return raw.join(every.select(total=pl.len().cast(pl.Int64)), how="cross")

    lake.materialize("2018-02")
    assert lake.scan("monthly").select("id", "total").collect().rows() == [(2, 2)]


def test_a_fault_in_a_views_query_is_the_views(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "raw.csv").write_text("t\n2018-01-05\n")
    lake.source("raw", "raw.csv", schema={"t": pl.Date}, time="t")

    @lake.view(time="t")
    def cleaned(raw: pl.LazyFrame) -> pl.LazyFrame:
        return raw.select("t", "nonsense")

    @lake.asset(partitions=Monthly("2018-01"))
    def monthly(cleaned: pl.LazyFrame) -> pl.LazyFrame:
        return cleaned

    (result,) = lake.materialize("2018-01", on_failure="return")
    assert result.result == "failed"
    assert (result.error or {})["message"].startswith("cleaned: ColumnNotFoundError:")


# Upstream assets.


def upstream_of_two(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "raw.csv").write_text("status,t\na,2018-01-05\nb,2018-02-05\nc,2018-03-05\n")
    lake.source("raw", "raw.csv", schema={"status": pl.String, "t": pl.Date}, time="t")

    @lake.asset(partitions=Monthly("2018-01"))
    def monthly(raw: pl.LazyFrame) -> pl.LazyFrame:
        return raw.select("status", "partition_date")

    @lake.asset(partitions=Monthly("2018-01"))
    def again(monthly: pl.LazyFrame) -> pl.LazyFrame:
        return monthly


def test_an_upstream_asset_arrives_with_the_requested_partitions_and_their_column(lake: Lake, tmp_path: Path) -> None:
    upstream_of_two(lake, tmp_path)
    lake.materialize("2018-01..2018-03", assets=["monthly"])
    lake.materialize("2018-02..2018-03", assets=["again"])
    assert sorted(lake.scan("again").collect().rows()) == [("b", "2018-02"), ("c", "2018-03")]


@pytest.mark.parametrize("above", ["status=zzz", "partition_date=zzz", "other=zzz", "=", "a=b=c"])
def test_a_folder_above_the_lake_that_looks_like_a_key_changes_no_value(above: str, tmp_path: Path) -> None:
    """Polars takes its value for the column's, in every file below it, unless told otherwise."""
    folder = tmp_path / above / "project"
    folder.mkdir(parents=True)
    lake = Lake("lake")
    lake.base, lake._clock = folder, lambda: datetime(2019, 6, 1, tzinfo=UTC)
    upstream_of_two(lake, folder)
    lake.materialize("2018-01..2018-03")
    assert sorted(lake.scan("again").collect().rows()) == [("a", "2018-01"), ("b", "2018-02"), ("c", "2018-03")]
    assert lake.scan("again").collect_schema().names() == ["status", "partition_date"]


# What reaches the scan.


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The plan of each set of queries that is run from now on."""
    found: list[str] = []
    run: Callable[..., list[pl.DataFrame]] = pl.collect_all

    def explained(queries: Sequence[pl.LazyFrame], **options: object) -> list[pl.DataFrame]:
        found.append(pl.explain_all(queries))
        return run(queries, **options)

    monkeypatch.setattr(pl, "collect_all", explained)
    return found


@pytest.mark.parametrize(
    ("column", "selection"),
    [
        (pl.Date(), '(col("t") >= 2018-02-01) & (col("t") < 2018-03-01)'),
        (pl.Datetime("us"), '(col("t") >= 2018-02-01 00:00:00) & (col("t") < 2018-03-01 00:00:00)'),
        (pl.Datetime("us", "UTC"), '(col("t") >= 2018-02-01 05:00:00 UTC) & (col("t") < 2018-03-01 05:00:00 UTC)'),
    ],
    ids=str,
)
def test_the_windows_filter_reaches_a_parquet_scan_through_a_view(
    column: pl.DataType, selection: str, lake: Lake, tmp_path: Path, plans: list[str]
) -> None:
    days = pl.date_range(date(2018, 1, 1), date(2018, 4, 30), eager=True).cast(pl.Datetime("us"))
    times = days.dt.replace_time_zone("UTC") if getattr(column, "time_zone", None) else days.cast(column)
    pl.DataFrame({"t": times, "n": pl.int_range(120, eager=True)}).write_parquet(tmp_path / "raw.parquet")
    lake.source("raw", "raw.parquet")

    @lake.view(time="t")
    def seen(raw: pl.LazyFrame) -> pl.LazyFrame:
        return raw.with_columns(double=pl.col("n") * 2)

    @lake.asset(partitions=Monthly("2018-01", timezone="America/New_York"))
    def monthly(seen: pl.LazyFrame) -> pl.LazyFrame:
        return seen.group_by("partition_date").agg(pl.col("double").sum())

    lake.materialize("2018-02")
    assert len(plans) == 1
    assert plans[0].count("Parquet SCAN") == 1
    assert f"SELECTION: {selection}" in plans[0]
    expected = sum(2 * n for n in range(120) if _shown(times[n]) == "2018-02")
    assert lake.scan("monthly").collect().rows() == [(expected, "2018-02")]


def _shown(moment: date | datetime) -> str:
    """The month by clocks in New York, five hours behind UTC in winter."""
    if isinstance(moment, datetime) and moment.tzinfo is not None:
        moment -= timedelta(hours=5)
    return f"{moment:%Y-%m}"


def test_a_month_of_a_sorted_parquet_reads_only_its_row_groups(tmp_path: Path) -> None:
    """Told by Polars itself, in a process of its own since it looks at its environment once."""
    days = pl.date_range(date(2018, 1, 1), date(2018, 12, 31), eager=True)
    frame = pl.DataFrame({"t": days, "n": pl.int_range(365, eager=True)})
    frame.write_parquet(tmp_path / "raw.parquet", row_group_size=10)
    script = """
import sys, polars as pl
from datetime import UTC, datetime
from pathlib import Path
from lakehouse import Lake, Monthly
lake = Lake("lake")
lake.base, lake._clock = Path(sys.argv[1]), lambda: datetime(2019, 6, 1, tzinfo=UTC)
lake.source("raw", "raw.parquet", time="t")
@lake.asset(partitions=Monthly("2018-01"), version="1")
def monthly(raw):
    return raw
lake.materialize("2018-05")
lake.materialize("2018-06", force=True)  # by now the source is known, and only the asset's own query runs
print(lake.scan("monthly", "2018-06").collect().height)
"""
    environment = {**os.environ, "POLARS_VERBOSE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)], env=environment, capture_output=True, text=True, check=True
    )
    assert done.stdout == "30\n"
    skipped = re.findall(r"reading (\d+) / (\d+) row groups", done.stderr)
    # 365 days in groups of 10: May lies in days 120-150, five groups; June in 151-180, four.
    assert [pair for pair in skipped if pair[1] == "37"] == [("4", "37"), ("4", "37")]


def test_a_view_that_brings_the_partition_column_is_limited_to_the_requested_keys(tmp_path: Path) -> None:
    """A view over an asset, without ``time=``: the same column is the same key, alone as in company (I12)."""
    lake = Lake(tmp_path / "lake")
    lake.base, lake._clock = tmp_path, lambda: datetime(2018, 6, 1, tzinfo=UTC)
    (tmp_path / "raw.csv").write_text("id,t\n1,2018-01-05\n2,2018-02-05\n3,2018-02-06\n")
    lake.source("raw", "raw.csv", schema={"id": pl.Int64, "t": pl.Date}, time="t")

    @lake.asset(partitions=Monthly("2018-01"))
    def base(raw: pl.LazyFrame) -> pl.LazyFrame:
        return raw

    @lake.view
    def odd(base: pl.LazyFrame) -> pl.LazyFrame:
        return base.filter(pl.col("id") != 2)

    @lake.asset(partitions=Monthly("2018-01"))
    def counted(odd: pl.LazyFrame) -> pl.LazyFrame:
        return odd.group_by("partition_date").agg(n=pl.len())

    for key in ("2018-01", "2018-02"):
        lake.materialize(key)
    alone = lake.scan("counted").collect()
    assert sorted(alone.rows()) == [(1, "2018-01"), (1, "2018-02")]
    lake.materialize("2018-01..2018-02", force=True)
    assert lake.scan("counted").collect().equals(alone)


def test_a_view_sees_partitions_in_the_order_of_their_keys_whatever_was_made_first(tmp_path: Path) -> None:
    """An asset that keeps the order of its result has the same bytes after either history (I15)."""
    found = []
    for folder, history in (("a", ["2018-01", "2018-02"]), ("b", ["2018-02", "2018-01"])):
        lake = Lake(tmp_path / folder)
        lake.base, lake._clock = tmp_path, lambda: datetime(2018, 6, 1, tzinfo=UTC)
        (tmp_path / "raw.csv").write_text("id,t\n1,2018-01-05\n2,2018-02-05\n")
        lake.source("raw", "raw.csv", schema={"id": pl.Int64, "t": pl.Date}, time="t")

        @lake.asset(partitions=Monthly("2018-01"))
        def base(raw: pl.LazyFrame) -> pl.LazyFrame:
            return raw

        @lake.view
        def ids(base: pl.LazyFrame) -> pl.LazyFrame:
            return base.select("id")

        @lake.asset(partitions=Monthly("2018-01"), sort_by=None)
        def every(ids: pl.LazyFrame, partition: object) -> pl.LazyFrame:  # noqa: ARG001  asks to be called once a key
            return ids

        for key in history:
            lake.materialize(key, assets=["base"])
        (result,) = lake.materialize("2018-02", assets=["every"])
        found.append((lake.scan("every").collect()["id"].to_list(), result.data_version))
    assert found[0] == found[1]
    assert found[0][0] == [1, 2]
