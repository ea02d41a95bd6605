"""What a function is given: the rows of the requested keys, what reaches the scan, and what views see."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from lakehouse import All, Categories, Daily, Hourly, Keys, Lake, Latest, Monthly, Periods, Weekly
from lakehouse.measure import frames_of
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


# Arguments of assets of any kind.

DAYS = pl.date_range(date(2018, 1, 28), date(2018, 3, 5), eager=True)  # 4 of January, 28 of February, 5 of March


@pytest.fixture
def orders(lake: Lake, tmp_path: Path) -> Lake:
    """An order a day, of ``eu`` and ``us`` in turn, the first of ``eu``; ``id`` counts from 0."""
    frame = pl.DataFrame({"id": range(37), "t": DAYS, "region": (["eu", "us"] * 19)[:37]})
    frame.write_parquet(tmp_path / "orders.parquet")
    lake.source("orders", "orders.parquet", time="t")
    return lake


def given_to(lake: Lake, asset: str, name: str, keys: Sequence[str]) -> pl.DataFrame:
    """What a function is given for an argument, sorted; its upstreams are made as far as they are read."""
    survey, node = lake.survey(), lake.graph.asset(asset)
    with tempfile.TemporaryDirectory() as folder:
        frames = frames_of(survey, node, keys, lambda: Path(folder) / "x")
        return frames.argument(name, keys).collect().sort(pl.all())


@pytest.mark.parametrize("dtype", [pl.String(), pl.Categorical(), pl.Enum(["us", "mars", "eu"])], ids=str)
def test_rows_are_told_apart_by_a_column_of_the_dimensions_name(
    lake: Lake, tmp_path: Path, dtype: pl.DataType
) -> None:
    """Whatever text is; it arrives as String. Rows of nobody's region are no one's, and that is said."""
    regions = pl.Series(["eu", "us", "mars", None, "eu"]).cast(dtype)
    pl.DataFrame({"id": range(5), "region": regions}).write_parquet(tmp_path / "raw.parquet")
    lake.source("raw", "raw.parquet")

    @lake.asset(partitions=Categories("region", ["us", "eu", "apac"]))
    def by_region(raw: pl.LazyFrame) -> pl.LazyFrame:
        assert raw.collect_schema()["region"] == pl.String
        return raw

    outcome = make(lake, "all")
    assert {result.key: result.row_count for result in outcome.results} == {"us": 1, "eu": 2, "apac": 0}
    assert sorted(lake.scan("by_region").collect().rows()) == [(0, "eu"), (1, "us"), (4, "eu")]
    assert outcome.notes == {
        "by_region": [
            "1 row of raw has no region and belongs to no partition",
            "1 row of raw is of a region that by_region does not list: mars",
        ]
    }


def test_a_column_of_the_dimensions_name_that_is_no_text_is_refused_with_the_cast(lake: Lake, tmp_path: Path) -> None:
    pl.DataFrame({"region": [1, 2]}).write_parquet(tmp_path / "raw.parquet")
    lake.source("raw", "raw.parquet")

    @lake.asset(partitions=Categories("region", ["1", "2"]))
    def by_region(raw: pl.LazyFrame) -> pl.LazyFrame:
        return raw

    for result in lake.materialize("all", on_failure="return"):
        error = result.error or {}
        assert result.result == "failed"
        assert error["message"] == "raw.region is Int64, and partition keys are text"
        assert error["help"] == 'cast it in a view: pl.col("region").cast(pl.String)'

    @lake.view
    def told(raw: pl.LazyFrame) -> pl.LazyFrame:
        return raw.with_columns(pl.col("region").cast(pl.String))

    @lake.asset(partitions=Categories("region", ["1", "2"]))
    def cured(told: pl.LazyFrame) -> pl.LazyFrame:
        return told.with_columns(n=1)

    assert {result.row_count for result in lake.materialize("all", assets=["cured"])} == {1}


def test_of_two_dimensions_only_the_combinations_that_were_asked_for_arrive(orders: Lake) -> None:
    @orders.asset(partitions=Categories("region", ["eu", "us"]) * Monthly("2018-01", end="2018-04"))
    def regional(orders: pl.LazyFrame) -> pl.LazyFrame:
        return orders

    keys = ["region=eu/partition_date=2018-01", "region=us/partition_date=2018-03"]
    found = given_to(orders, "regional", "orders", keys)
    assert found.select("id", "region", "partition_date").rows() == [
        (0, "eu", "2018-01"),
        (2, "eu", "2018-01"),
        (33, "us", "2018-03"),
        (35, "us", "2018-03"),
    ]
    assert given_to(orders, "regional", "orders", []).height == 0


def test_an_upstream_with_shorter_windows_arrives_with_the_keys_of_the_asset_and_its_own_beside(orders: Lake) -> None:
    """A month over its days, those before the first day left out; the record says so."""

    @orders.asset(partitions=Daily("2018-01-30", end="2018-03-06"))
    def daily(orders: pl.LazyFrame) -> pl.LazyFrame:
        return orders.select("id", "partition_date")

    @orders.asset(partitions=Monthly("2017-12", end="2018-04"))
    def monthly(daily: pl.LazyFrame) -> pl.LazyFrame:
        return daily.group_by("partition_date").agg(pl.col("upstream_partition_date").unique().sort().str.join(" "))

    orders.materialize("all", assets=["daily"])
    found = given_to(orders, "monthly", "daily", ["2017-12", "2018-01", "2018-02"])
    assert found.columns == ["id", "upstream_partition_date", "partition_date"]
    assert found.rows() == [(row, f"{DAYS[row]}", f"{DAYS[row]:%Y-%m}") for row in range(2, 32)]
    made = {result.key: result for result in orders.materialize("all", assets=["monthly"], upstream=False)}
    assert [result.inputs["daily"].keys for result in made.values()] == [
        "",
        "2018-01-30..2018-01-31",
        "2018-02-01..2018-02-28",
        "2018-03-01..2018-03-05",
    ]
    assert [result.inputs["daily"].absent for result in made.values()] == [
        "before 2018-01-30",
        "before 2018-01-30",
        "",
        "after 2018-03-05",
    ]


@pytest.mark.parametrize(("time", "rows"), [(None, range(4, 32)), ("t", [4, 5])], ids=["whole", "cut"])
def test_an_upstream_with_longer_windows_arrives_whole_or_cut_by_its_time(
    orders: Lake, time: str | None, rows: Sequence[int]
) -> None:
    """A day over its month: all of the month for each day, unless the month says when its rows were."""

    @orders.asset(partitions=Monthly("2018-01", end="2018-04"), time=time)
    def monthly(orders: pl.LazyFrame) -> pl.LazyFrame:
        return orders.select("id", "t", "partition_date")

    @orders.asset(partitions=Daily("2018-02-01", end="2018-02-03", column="day"))
    def daily(monthly: pl.LazyFrame) -> pl.LazyFrame:
        return monthly.select("id", "day", month="upstream_partition_date")

    outcome = make(orders, "all")
    assert {result.result for result in outcome.results} == {"created"}
    expected = [(row, "2018-02", day) for day in ("2018-02-01", "2018-02-02") for row in rows]
    if time:
        expected = [(4, "2018-02", "2018-02-01"), (5, "2018-02", "2018-02-02")]
    found = orders.scan("daily").select("id", "month", "day").collect()
    assert sorted(found.rows()) == sorted(expected)


def test_a_week_that_touches_two_months_is_read_by_both(orders: Lake) -> None:
    """Each month by itself, for rows that two partitions read cannot hold the key of both."""

    @orders.asset(partitions=Weekly("2018-01-22", end="2018-03-12"))
    def weekly(orders: pl.LazyFrame) -> pl.LazyFrame:
        return orders.group_by("partition_date").agg(n=pl.len().cast(pl.Int64))

    @orders.asset(partitions=Monthly("2018-02", end="2018-04"))
    def monthly(weekly: pl.LazyFrame) -> pl.LazyFrame:
        return weekly

    make(orders, "all")
    assert sorted(
        orders.scan("monthly").select("partition_date", "upstream_partition_date", "n").collect().rows()
    ) == [
        ("2018-02", "2018-W05", 7),
        ("2018-02", "2018-W06", 7),
        ("2018-02", "2018-W07", 7),
        ("2018-02", "2018-W08", 7),
        ("2018-02", "2018-W09", 7),
        ("2018-03", "2018-W09", 7),
        ("2018-03", "2018-W10", 1),
    ]


def test_hours_read_the_day_that_holds_them_by_the_clocks_of_their_own_zone(lake: Lake, tmp_path: Path) -> None:
    """Midnight in Berlin is 22:00 or 23:00 in UTC; the doubled hour is there twice."""
    moments = pl.datetime_range(
        datetime(2018, 10, 27, 20, tzinfo=UTC), datetime(2018, 10, 28, 3, tzinfo=UTC), "1h", eager=True
    )
    pl.DataFrame({"id": range(8), "t": moments}).write_parquet(tmp_path / "raw.parquet")
    lake._clock = lambda: datetime(2018, 11, 1, tzinfo=UTC)
    lake.source("raw", "raw.parquet", time="t")

    @lake.asset(partitions=Daily("2018-10-27", end="2018-10-29", timezone="Europe/Berlin"), time="t")
    def daily(raw: pl.LazyFrame) -> pl.LazyFrame:
        return raw

    hours = Hourly("2018-10-27T23+0200", end="2018-10-28T04+0100", timezone="Europe/Berlin")

    @lake.asset(partitions=hours)
    def hourly(daily: pl.LazyFrame) -> pl.LazyFrame:
        return daily.select("id", "partition_date", day="upstream_partition_date")

    make(lake, "all")
    assert sorted(lake.scan("hourly").select("id", "partition_date", "day").collect().rows()) == [
        (1, "2018-10-27T23+0200", "2018-10-27"),
        (2, "2018-10-28T00+0200", "2018-10-28"),
        (3, "2018-10-28T01+0200", "2018-10-28"),
        (4, "2018-10-28T02+0200", "2018-10-28"),
        (5, "2018-10-28T02+0100", "2018-10-28"),
        (6, "2018-10-28T03+0100", "2018-10-28"),
    ]


@pytest.mark.parametrize(
    ("rule", "rows"),
    [
        (All(), range(37)),
        (Latest(), range(32, 37)),
        (Keys(["2018-01", "2018-03"]), [*range(4), *range(32, 37)]),
    ],
    ids=str,
)
def test_what_is_the_same_for_every_key_arrives_without_the_partition_column(
    orders: Lake, rule: All | Latest | Keys, rows: Sequence[int]
) -> None:
    @orders.asset(partitions=Monthly("2018-01", end="2018-04"))
    def monthly(orders: pl.LazyFrame) -> pl.LazyFrame:
        return orders.select("id", "partition_date")

    @orders.asset(partitions=Monthly("2018-01", end="2018-04"), upstream={"monthly": rule})
    def shares(monthly: pl.LazyFrame) -> pl.LazyFrame:
        return monthly

    orders.materialize("all", assets=["monthly"])
    for keys in (["2018-01"], ["2018-01", "2018-02"]):
        found = given_to(orders, "shares", "monthly", keys)
        assert found.rows() == [(row, f"{DAYS[row]:%Y-%m}") for row in rows]
        assert found.columns == ["id", "upstream_partition_date"]


@pytest.mark.parametrize("upstream", ["monthly", "orders", "seen"])
def test_the_windows_around_a_key_arrive_under_it_with_their_own_beside(orders: Lake, upstream: str) -> None:
    """Of an asset, a source and a view alike; and each key by itself, for a row is of several."""

    @orders.asset(partitions=Monthly("2018-01", end="2018-04"))
    def monthly(orders: pl.LazyFrame) -> pl.LazyFrame:
        return orders.select("id", "t", "region", "partition_date")

    @orders.view(time="t")
    def seen(orders: pl.LazyFrame) -> pl.LazyFrame:
        return orders

    def counted(frame: pl.LazyFrame) -> pl.LazyFrame:
        return frame.group_by("partition_date", "upstream_partition_date").agg(n=pl.len())

    def of_asset(monthly: pl.LazyFrame) -> pl.LazyFrame:
        return counted(monthly)

    def of_source(orders: pl.LazyFrame) -> pl.LazyFrame:
        return counted(orders)

    def of_view(seen: pl.LazyFrame) -> pl.LazyFrame:
        return counted(seen)

    function = {"monthly": of_asset, "orders": of_source, "seen": of_view}[upstream]
    function.__name__ = "rolling"
    partitions = Monthly("2018-01", end="2018-05")
    orders.asset(partitions=partitions, upstream={upstream: Periods(-1, 0)}, version="1")(function)
    outcome = make(orders, "all")
    assert {result.result for result in outcome.results} == {"created"}
    columns = ["partition_date", "upstream_partition_date", "n"]
    assert sorted(orders.scan("rolling").select(columns).collect().rows()) == [
        ("2018-01", "2018-01", 4),
        ("2018-02", "2018-01", 4),
        ("2018-02", "2018-02", 28),
        ("2018-03", "2018-02", 28),
        ("2018-03", "2018-03", 5),
        ("2018-04", "2018-03", 5),
    ]


def test_a_dimension_that_the_upstream_lacks_is_told_by_its_column_alone_as_in_company(orders: Lake) -> None:
    """A region over months that have a column of the name: one region asked for is that region (I12)."""

    @orders.asset(partitions=Monthly("2018-01", end="2018-04"))
    def monthly(orders: pl.LazyFrame) -> pl.LazyFrame:
        return orders.select("id", "region", "partition_date")

    @orders.asset(partitions=Categories("region", ["eu", "us"]) * Monthly("2018-01", end="2018-04"))
    def regional(monthly: pl.LazyFrame) -> pl.LazyFrame:
        return monthly.group_by("region", "partition_date").agg(n=pl.len().cast(pl.Int64))

    *_, alone = orders.materialize("region=eu/partition_date=2018-03", assets=["regional"])
    assert (alone.result, alone.row_count) == ("created", 1)
    orders.materialize("all", force=True)
    assert sorted(orders.scan("regional").select("region", "partition_date", "n").collect().rows()) == [
        ("eu", "2018-01", 2),
        ("eu", "2018-02", 14),
        ("eu", "2018-03", 3),
        ("us", "2018-01", 2),
        ("us", "2018-02", 14),
        ("us", "2018-03", 2),
    ]
    keys = ["region=eu/partition_date=2018-01", "region=us/partition_date=2018-03"]
    found = given_to(orders, "regional", "monthly", keys)
    assert [row[0] for row in found.rows()] == [0, 2, 33, 35]


def test_an_unpartitioned_asset_that_says_when_its_rows_were_is_cut_to_windows(orders: Lake) -> None:
    @orders.asset(time="t")
    def cleaned(orders: pl.LazyFrame) -> pl.LazyFrame:
        return orders

    @orders.asset(partitions=Monthly("2018-01", end="2018-04"))
    def monthly(cleaned: pl.LazyFrame) -> pl.LazyFrame:
        return cleaned.group_by("partition_date").agg(n=pl.len().cast(pl.Int64))

    assert [result.asset for result in make(orders, "2018-03").results] == ["cleaned", "monthly"]
    make(orders, "all")
    assert sorted(orders.scan("monthly").collect().rows()) == [(4, "2018-01"), (5, "2018-03"), (28, "2018-02")]


def test_of_the_days_of_a_month_each_region_gets_its_own_only(orders: Lake) -> None:
    """Cut by time, and only the combinations that were asked for."""
    regions = Categories("region", ["eu", "us"])

    @orders.asset(partitions=Monthly("2018-01", end="2018-04") * regions, time="t")
    def monthly(orders: pl.LazyFrame) -> pl.LazyFrame:
        return orders.select("id", "t", "region", "partition_date")

    @orders.asset(partitions=regions * Daily("2018-02-01", end="2018-02-04"))
    def daily(monthly: pl.LazyFrame) -> pl.LazyFrame:
        return monthly.select("id", "region", "partition_date")

    make(orders, "all")
    keys = ["region=eu/partition_date=2018-02-01", "region=us/partition_date=2018-02-02"]
    assert given_to(orders, "daily", "monthly", keys)["id"].to_list() == [4, 5]
    assert sorted(orders.scan("daily").select("id", "region", "partition_date").collect().rows()) == [
        (4, "eu", "2018-02-01"),
        (5, "us", "2018-02-02"),
        (6, "eu", "2018-02-03"),
    ]


def test_two_dimensions_in_another_order_are_the_same_dimensions(orders: Lake) -> None:
    regions, months = Categories("region", ["eu", "us"]), Monthly("2018-01", end="2018-04")

    @orders.asset(partitions=months * regions)
    def one(orders: pl.LazyFrame) -> pl.LazyFrame:
        return orders.select("id", "region", "partition_date")

    @orders.asset(partitions=regions * months)
    def other(one: pl.LazyFrame) -> pl.LazyFrame:
        return one.sort("id").head(2)  # mixes partitions, and is found out

    outcome = make(orders, "all")
    assert list(outcome.notes) == ["other"]
    assert {result.row_count for result in outcome.results if result.asset == "other"} == {2}


@pytest.mark.parametrize(
    ("added", "partitions"),
    [
        ("upstream_partition_date", Monthly("2018-01", end="2018-04")),
        ("day", Daily("2018-02-01", end="2018-02-02", column="day")),
        ("month", Monthly("2018-01", end="2018-04", column="month")),
    ],
    ids=["beside", "replaced", "renamed"],
)
def test_a_column_of_an_upstreams_own_is_not_replaced_by_keys_unsaid(
    orders: Lake, added: str, partitions: Daily | Monthly
) -> None:
    upper = (
        Daily("2018-02-01", end="2018-03-01") if added.startswith("upstream") else Monthly("2018-02", end="2018-03")
    )

    @orders.asset(partitions=upper)
    def first(orders: pl.LazyFrame) -> pl.LazyFrame:
        return orders.select("id", "partition_date", pl.lit("mine").alias(added))

    @orders.asset(partitions=partitions)
    def second(first: pl.LazyFrame) -> pl.LazyFrame:
        return first

    found = [item for item in orders.materialize("2018-02", on_failure="return") if item.asset == "second"]
    assert {result.result for result in found} == {"failed"}
    error = found[0].error or {}
    assert error["message"].startswith(f"'first' has a column {added!r} of its own, and its keys would replace it")
    assert error["help"] == "give it another name where first is made"


def test_an_asset_without_partitions_reads_all_and_is_one_file(orders: Lake) -> None:
    @orders.asset(partitions=Categories("region", ["eu", "us"]) * Monthly("2018-01", end="2018-04"))
    def regional(orders: pl.LazyFrame) -> pl.LazyFrame:
        return orders.select("id", "region", "partition_date")

    @orders.asset
    def total(regional: pl.LazyFrame) -> pl.LazyFrame:
        return regional.select(n=pl.len(), keys=pl.struct("region", "partition_date").n_unique())

    @orders.asset(partitions=Monthly("2018-01", end="2018-04"))
    def shares(regional: pl.LazyFrame, total: pl.LazyFrame) -> pl.LazyFrame:
        counted = regional.group_by("partition_date").agg(n=pl.len(), regions=pl.col("region").n_unique())
        return counted.join(total.select(all="n"), how="cross")

    make(orders, "all")
    assert sorted(path.name for path in (orders.root / "total").iterdir()) == ["part.parquet"]
    assert orders.scan("total").collect().rows() == [(37, 6)]
    assert sorted(orders.scan("shares").collect().rows()) == [
        (4, 2, 37, "2018-01"),
        (5, 2, 37, "2018-03"),
        (28, 2, 37, "2018-02"),
    ]


def test_the_folders_of_others_arrive_under_the_assets_keys(lake: Lake, tmp_path: Path) -> None:
    """Of days that there are no folders for, nothing; the others are not so much as opened."""
    for day in ("2018-02-01", "2018-02-02", "2018-03-01"):
        folder = tmp_path / "raw" / f"day={day}"
        folder.mkdir(parents=True)
        pl.DataFrame({"v": [1, 2]}).write_parquet(folder / "x.parquet")
    lake.source("raw", "raw", partitions=Daily("2018-02-01", column="day"))

    @lake.asset(partitions=Daily("2018-02-01", end="2018-02-03"))
    def same(raw: pl.LazyFrame) -> pl.LazyFrame:
        return raw

    @lake.asset(partitions=Monthly("2018-02", end="2018-03"))
    def monthly(raw: pl.LazyFrame) -> pl.LazyFrame:
        return raw

    (tmp_path / "raw/day=2018-03-01/x.parquet").write_bytes(b"no Parquet")
    assert {result.result for result in make(lake, "all").results} == {"created"}
    days = ["2018-02-01", "2018-02-02"]
    assert sorted(lake.scan("same").collect().rows()) == [(v, day) for v in (1, 2) for day in days]
    found = lake.scan("monthly").select("v", "upstream_day", "partition_date").collect()
    assert sorted(found.rows()) == [(v, day, "2018-02") for v in (1, 2) for day in days]
