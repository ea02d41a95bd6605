"""Partitions made together and alone: one pass, the same rows and bytes either way, and each failing for itself."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lakehouse import Categories, Lake, Monthly, Partition, compute
from lakehouse.examples import jaffle_shop
from lakehouse.outcome import Outcome

DATA = Path(__file__).parents[1] / "data"
SCHEMA = {"id": pl.Int64, "amount": pl.Int64, "t": pl.Date}
MONTHS = [f"2018-{month:02}" for month in range(1, 7)]
ALL = "2018-01..2018-06"
IN_MEMORY, IN_FILES = None, 0


def days(count: int = 600) -> list[str]:
    """Rows of a CSV, so many, over the six months."""
    return [f"{n},{n * 7919 % 1000},{date.fromordinal(736695 + n % 181)}" for n in range(count)]


@pytest.fixture(params=["in memory", "in files", "in files, each query scanning for itself"])
def lake(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lake:
    """A lake over 600 amounts of six months, whose results are divided in memory, or by way of files."""
    (tmp_path / "raw.csv").write_text("\n".join(["id,amount,t", *days()]) + "\n")
    if "itself" in request.param:
        monkeypatch.setattr("lakehouse.work.SHARED_BYTES", 0)
    return declared(tmp_path, IN_MEMORY if request.param == "in memory" else IN_FILES)


def declared(folder: Path, in_memory_bytes: int | None = None) -> Lake:
    """A lake without assets over the amounts in a folder; its clock stands still."""
    lake = Lake("lake")
    lake.base = folder
    lake._clock = lambda: datetime(2019, 6, 1, tzinfo=UTC)
    lake._in_memory_bytes = in_memory_bytes
    lake.source("raw", "raw.csv", schema=SCHEMA, time="t")
    return lake


def make(lake: Lake, selection: str = ALL, **options: Any) -> Outcome:
    """Carry out a selection; the outcome with its notes."""
    survey = lake.survey()
    plan = lake.plan(survey, lake.resolve(selection), force=options.get("force", False))
    return lake.run(survey, plan, **options)


def results(outcome: Outcome) -> dict[str, str]:
    """What came of each key."""
    return {result.key: result.result for result in outcome.results}


def left(lake: Lake) -> list[str]:
    """Everything outside `.lake`, and what is left in staging."""
    staged = (lake.root / ".lake/staging").rglob("*")
    visible = (path for path in lake.root.rglob("*") if ".lake" not in path.parts)
    return sorted(path.relative_to(lake.root).as_posix() for path in [*visible, *staged])


class Queries:
    """What is run from now on: how many queries at a time, and their plans."""

    def __init__(self) -> None:
        self.counts: list[int] = []
        self.plans: list[str] = []

    def run(self, queries: Sequence[pl.LazyFrame], **options: Any) -> list[pl.DataFrame]:
        self.counts.append(len(queries))
        self.plans.append(pl.explain_all(queries))
        collected: list[pl.DataFrame] = COLLECT_ALL(queries, **options)
        return collected


COLLECT_ALL: Callable[..., Any] = pl.collect_all


@pytest.fixture
def queries(monkeypatch: pytest.MonkeyPatch) -> Queries:
    """Notes what is run."""
    noted = Queries()
    monkeypatch.setattr(pl, "collect_all", noted.run)
    return noted


# One pass.


def test_a_backfill_scans_each_source_once_an_asset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, queries: Queries
) -> None:
    """The first run too, although it also asks the sources what they hold, and makes two months alone to compare."""
    shutil.copytree(DATA, tmp_path / "data", ignore=shutil.ignore_patterns("lake"))
    lake = jaffle_shop.lake
    monkeypatch.setattr(lake, "_base", tmp_path)
    monkeypatch.setattr(lake, "_clock", lambda: datetime(2018, 7, 2, tzinfo=UTC))
    files = [f"Csv SCAN [{tmp_path}/data/raw_{name}.csv]" for name in ("orders", "payments", "customers")]
    for _ in range(2):
        lake.materialize(ALL, assets=["monthly_orders", "regional_revenue"], force=True)
    scans = [([plan.count(file) for file in files], plan.count("Csv SCAN")) for plan in queries.plans]
    assert scans == [([1, 0, 0], 1), ([1, 1, 1], 3)] * 2
    # Orders: result, two months alone, rows a month; nulls and rows of no month; digests of the rows, which are
    # tracked. Revenue: nulls of the payments and of the customers too.
    assert queries.counts == [7, 9, 1, 1]
    assert "2018-06-30" not in queries.plans[2]
    assert queries.plans[2].count('col("order_date") < 2018-07-01') == 1


def test_a_source_that_is_read_in_two_ways_is_scanned_once(lake: Lake, queries: Queries) -> None:
    @lake.view(time="t")
    def doubled(raw: pl.LazyFrame) -> pl.LazyFrame:
        return raw.with_columns(pl.col("amount") * 2)

    @lake.view
    def total(raw: pl.LazyFrame) -> pl.LazyFrame:
        return raw.select(total=pl.col("amount").sum())

    @lake.asset(partitions=Monthly("2018-01"))
    def monthly(raw: pl.LazyFrame, doubled: pl.LazyFrame, total: pl.LazyFrame) -> pl.LazyFrame:
        both = pl.concat([raw, doubled]).group_by("partition_date").agg(pl.col("amount").sum())
        return both.join(total, how="cross")

    assert set(results(make(lake)).values()) == {"created"}
    assert [plan.count("Csv SCAN") for plan in queries.plans] == [1]
    amounts = [int(row.split(",")[1]) for row in days()]
    found = lake.scan("monthly").collect()
    assert (found["amount"].sum(), found["total"].unique().to_list()) == (3 * sum(amounts), [sum(amounts)])


def test_the_probes_of_a_parquet_share_the_asset_s_scan_and_its_filter(tmp_path: Path, queries: Queries) -> None:
    frame = pl.read_csv("\n".join(["id,amount,t", *days()]).encode(), schema=SCHEMA)
    frame.write_parquet(tmp_path / "raw.parquet")
    lake = declared(tmp_path)
    lake.source("stored", "raw.parquet", schema=SCHEMA, time="t")

    @lake.asset(partitions=Monthly("2018-01"))
    def monthly(stored: pl.LazyFrame) -> pl.LazyFrame:
        return stored.group_by("partition_date").agg(pl.col("amount").sum())

    make(lake, "2018-02..2018-03")
    assert queries.counts == [4]
    assert queries.plans[0].count("Parquet SCAN") == 1
    assert 'SELECTION: (col("t") >= 2018-02-01) & (col("t") < 2018-04-01)' in queries.plans[0]


# Made alone or together, a partition is the same.

NOTE = (
    "made key by key: together with others, {} has other rows than alone; to make all in one pass, rank and limit "
    'within each partition (.over("partition_date")), or say so with a parameter named `partition`'
)


def top_ten_of_all(raw: pl.LazyFrame) -> pl.LazyFrame:
    return raw.sort("amount", "id").head(10)


@pytest.mark.invariant("I12")
def test_a_function_that_mixes_partitions_is_found_out_and_made_key_by_key(lake: Lake, queries: Queries) -> None:
    """Each month gets its own ten, with a note; the verdict holds for later runs, which are not probed."""
    lake.asset(partitions=Monthly("2018-01"))(top_ten_of_all)
    outcome = make(lake)
    assert results(outcome) == dict.fromkeys(MONTHS, "created")
    assert outcome.notes == {"top_ten_of_all": [NOTE.format("2018-01")]}
    rows = [(int(n), int(amount), t[:7]) for n, amount, t in (row.split(",") for row in days())]
    for month in MONTHS:
        lowest = sorted((amount, n) for n, amount, key in rows if key == month)[:10]
        found = lake.scan("top_ten_of_all", month).select("amount", "id").collect()
        assert sorted(found.rows()) == lowest
    # Two sets: the batch with its probes and the sources' questions, then each key, the sources not asked again.
    assert queries.counts == [6, 1, 1, 1, 1, 1, 1]
    queries.counts.clear()
    again = make(lake, force=True)
    assert results(again) == dict.fromkeys(MONTHS, "unchanged")
    assert again.notes == outcome.notes
    assert queries.counts == [1] * 6


def test_a_verdict_holds_for_one_version_of_the_code(tmp_path: Path, queries: Queries) -> None:
    (tmp_path / "raw.csv").write_text("\n".join(["id,amount,t", *days()]) + "\n")

    def over(version: str, limit: Callable[[pl.LazyFrame], pl.LazyFrame]) -> Outcome:
        lake = declared(tmp_path)

        @lake.asset(partitions=Monthly("2018-01"), version=version)
        def monthly(raw: pl.LazyFrame) -> pl.LazyFrame:
            return limit(raw)

        return make(lake)

    assert len(over("1", top_ten_of_all).notes["monthly"]) == 1
    queries.counts.clear()
    assert (
        over("2", lambda raw: raw.filter(pl.col("amount").rank("ordinal").over("partition_date") <= 10)).notes == {}
    )
    assert queries.counts == [6]
    assert len(over("3", top_ten_of_all).notes["monthly"]) == 1


def test_a_month_that_others_crowd_out_altogether_is_found_out(lake: Lake) -> None:
    """The first and the last month hold the highest amounts, so they are the same alone as together."""

    @lake.view(time="t")
    def raised(raw: pl.LazyFrame) -> pl.LazyFrame:
        high = pl.col("t").dt.month().is_in([1, 6])
        return raw.with_columns(pl.when(high).then(5000).otherwise(pl.col("amount")).alias("amount"))

    @lake.asset(partitions=Monthly("2018-01"))
    def highest(raised: pl.LazyFrame) -> pl.LazyFrame:
        return raised.filter(pl.col("amount") == pl.col("amount").max())

    outcome = make(lake)
    assert results(outcome) == dict.fromkeys(MONTHS, "created")
    # Of the four months without rows, the one with the most rows going in: four on most days of February, else three.
    assert outcome.notes == {"highest": [NOTE.format("2018-02")]}
    assert all(result.row_count for result in outcome.results)


def test_where_the_first_and_the_last_month_have_no_rows_another_one_tells(lake: Lake) -> None:
    lake.asset(partitions=Monthly("2017-01"))(top_ten_of_all)
    outcome = make(lake, "2017-11..2018-09")
    assert len(outcome.notes["top_ten_of_all"]) == 1
    rows = {result.key: result.row_count for result in outcome.results}
    assert rows == dict.fromkeys(rows, 0) | dict.fromkeys(MONTHS, 10)


@pytest.mark.parametrize("selection", ["2017-11..2017-12", "2017-12..2018-01"], ids=["no rows", "rows of one month"])
def test_a_batch_without_rows_of_two_months_tells_nothing_of_later_ones(lake: Lake, selection: str) -> None:
    lake.asset(partitions=Monthly("2017-01"))(top_ten_of_all)
    assert make(lake, selection).notes == {}
    assert len(make(lake, ALL, force=True).notes["top_ten_of_all"]) == 1
    assert lake.scan("top_ten_of_all", ALL).group_by("partition_date").len().collect()["len"].to_list() == [10] * 6


def test_a_month_that_comes_out_empty_alone_too_is_no_sign_of_mixing(lake: Lake) -> None:
    @lake.asset(partitions=Monthly("2018-01"))
    def winter(raw: pl.LazyFrame) -> pl.LazyFrame:
        return raw.filter(pl.col("t").dt.month().is_in([1, 2]))

    outcome = make(lake)
    assert outcome.notes == {}
    assert [bool(result.row_count) for result in outcome.results] == [True, True, False, False, False, False]


def test_ranking_within_each_partition_passes(lake: Lake) -> None:
    @lake.asset(partitions=Monthly("2018-01"))
    def top_ten(raw: pl.LazyFrame) -> pl.LazyFrame:
        return raw.filter(pl.struct("amount", "id").rank("ordinal").over("partition_date") <= 10)

    outcome = make(lake)
    assert outcome.notes == {}
    assert [result.row_count for result in outcome.results] == [10] * 6


@pytest.mark.parametrize(("share", "is_found_out"), [(1e-13, False), (1e-4, True)])
def test_floats_may_differ_in_their_last_bits(lake: Lake, share: float, *, is_found_out: bool) -> None:
    """As a sum does whose order of addition depends on what else is added."""

    @lake.asset(partitions=Monthly("2018-01"), version="1")
    def means(raw: pl.LazyFrame) -> pl.LazyFrame:
        jitter = 1 + share * pl.col("id").max()
        return raw.with_columns(x=pl.lit(0.1) * jitter).select("partition_date", "id", "x")

    assert bool(make(lake).notes) == is_found_out


def wide(raw: pl.LazyFrame) -> pl.DataFrame:
    """A column for each month that there is."""
    named = raw.with_columns(month=pl.col("t").dt.strftime("m%m")).collect()
    return named.group_by("partition_date", "month").len("n").pivot("month", index="partition_date", values="n")


def test_columns_that_depend_on_the_data_are_found_out(lake: Lake) -> None:
    """Alone, January has no column for February."""
    lake.asset(partitions=Monthly("2018-01"))(wide)
    assert make(lake, "2018-01..2018-02").notes == {"wide": [NOTE.format("2018-01")]}


def test_key_by_key_the_first_partitions_schema_is_the_others_contract(lake: Lake) -> None:
    lake.asset(partitions=Monthly("2018-01"))(wide)
    outcome = make(lake, "2018-01..2018-02")
    assert results(outcome) == {"2018-01": "created", "2018-02": "blocked"}
    assert (outcome.results[1].error or {})["details"] == ["m01: i64 is no longer there", "m02: i64 is new"]


def test_a_single_partition_needs_no_probe(lake: Lake, queries: Queries) -> None:
    lake.asset(partitions=Monthly("2018-01"))(top_ten_of_all)
    assert make(lake, "2018-03").notes == {}
    assert queries.counts == [3]


# A batch that cannot be computed as a whole is taken apart.


def strict_cast(raw: pl.LazyFrame) -> pl.LazyFrame:
    """Its March cannot be computed: 255 is the largest that fits."""
    is_bad = pl.col("partition_date") == "2018-03"
    number = pl.when(is_bad).then(pl.col("amount") + 300).otherwise(7).cast(pl.UInt8, strict=True)
    return raw.select("partition_date", "id", number=number)


def eager_raise(raw: pl.LazyFrame) -> pl.LazyFrame:
    frame = raw.collect()
    if frame["t"].dt.month().eq(3).any():
        raise RuntimeError("no March")
    return frame.lazy()


def null_key(raw: pl.LazyFrame) -> pl.LazyFrame:
    return raw.with_columns(pl.when(pl.col("t") != date(2018, 3, 9)).then("partition_date"))


def strange_key(raw: pl.LazyFrame) -> pl.LazyFrame:
    is_strange = pl.col("t") == date(2018, 3, 9)
    return raw.with_columns(
        pl.when(is_strange).then(pl.lit("1999-01")).otherwise("partition_date").alias("partition_date")
    )


@pytest.mark.parametrize(
    ("function", "result", "code", "text"),
    [
        (strict_cast, "failed", "asset-raised", "conversion from `i64` to `u8` failed"),
        (eager_raise, "failed", "asset-raised", "eager_raise: RuntimeError: no March"),
        (null_key, "blocked", "key-null", "null_key: rows without a partition_date"),
        (strange_key, "blocked", "key-unrequested", "rows of partitions that were not asked for: 1999-01"),
    ],
)
def test_one_bad_month_fails_alone_and_the_others_are_published(
    lake: Lake, function: Callable[[pl.LazyFrame], pl.LazyFrame], result: str, code: str, text: str
) -> None:
    lake.asset(partitions=Monthly("2018-01"))(function)
    outcome = make(lake)
    name = function.__name__
    assert results(outcome) == {month: "created" if month != "2018-03" else result for month in MONTHS}
    error = outcome.results[2].error or {}
    assert error["code"] == code
    assert text in error["message"]
    good = [month for month in MONTHS if month != "2018-03"]
    folders = [f"{name}/partition_date={month}" for month in good]
    assert left(lake) == sorted([name, *folders, *(f"{folder}/part.parquet" for folder in folders)])
    assert lake.scan(name).collect().height == sum("-03-" not in row for row in days())


def test_a_sink_that_fails_leaves_nothing(tmp_path: Path) -> None:
    """Polars leaves files that are cut short and valid; none is found in the lake, nor in staging afterwards."""
    (tmp_path / "raw.csv").write_text("\n".join(["id,amount,t", *days(50_000)]) + "\n")
    lake = declared(tmp_path, IN_FILES)

    @lake.asset(partitions=Monthly("2018-01"), sort_by=None)
    def failing(raw: pl.LazyFrame) -> pl.LazyFrame:
        last = pl.when(pl.col("id") == 49_999).then(300 + pl.col("id")).otherwise(7)
        return raw.with_columns(number=last.cast(pl.UInt8, strict=True))

    outcome = make(lake)
    # The last row is of day 49,999 mod 181 = 43 of the year, counted from 0: 13 February.
    assert results(outcome) == {month: "failed" if month == "2018-02" else "created" for month in MONTHS}
    assert not [name for name in left(lake) if "2018-02" in name or "staging" in name]
    assert lake.scan("failing").collect().height == sum("2018-02-" not in row for row in days(50_000))


def test_a_function_that_always_fails_leaves_no_folder(lake: Lake) -> None:
    @lake.asset(partitions=Monthly("2018-01"))
    def failing(raw: pl.LazyFrame) -> pl.LazyFrame:
        return raw.with_columns(pl.lit("x").cast(pl.Int64, strict=True))

    assert set(results(make(lake)).values()) == {"failed"}
    assert left(lake) == []


# A function of one partition.


def test_a_function_of_one_partition_is_called_once_a_key(lake: Lake, queries: Queries) -> None:
    seen: list[tuple[str, datetime, datetime]] = []

    @lake.asset(partitions=Monthly("2018-01", timezone="America/New_York"), version="1")
    def monthly(raw: pl.LazyFrame, partition: Any) -> pl.LazyFrame:
        seen.append((partition.key, partition.start, partition.end))
        return raw.sort("amount", "id").head(10).drop("partition_date")

    outcome = make(lake, "2018-02..2018-03")
    assert [(key, start.isoformat(), end.isoformat()) for key, start, end in seen] == [
        ("2018-02", "2018-02-01T00:00:00-05:00", "2018-03-01T00:00:00-05:00"),
        ("2018-03", "2018-03-01T00:00:00-05:00", "2018-04-01T00:00:00-04:00"),
    ]
    assert (outcome.notes, [result.row_count for result in outcome.results]) == ({}, [10, 10])
    assert queries.counts == [3, 1]


# The same input, the same bytes.


def digests(lake: Lake) -> dict[str, str]:
    """The SHA-256 of each partition's file."""
    files = sorted(lake.root.glob("*/*/part.parquet"))
    return {path.parent.name[-7:]: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.parametrize("sort_by", [None, "amount", "all columns"])
def test_results_that_go_through_files_have_the_bytes_of_those_in_memory(tmp_path: Path, sort_by: str | None) -> None:
    """One month with several row groups, one empty, one of a row; every type that is stored."""
    count = 130_000
    months = pl.Series([1] * (count - 1001) + [2] * 1000 + [4], dtype=pl.Int8)
    number = pl.int_range(count, eager=True)
    frame = pl.DataFrame(
        {
            "t": pl.select(pl.date(2018, months, 1 + number % 28)).to_series(),
            "amount": number * 7919 % 1000,
            "small": (number % 100).cast(pl.Int8),
            "share": (number % 97) / 7,
            "price": (number % 991).cast(pl.Decimal(10, 2)),
            "name": pl.select(pl.format("name {}", number % 5003)).to_series(),
            "blob": pl.select(pl.format("{}", number % 11).cast(pl.Binary)).to_series(),
            "kind": (number % 3 == 0),
            "at": number.cast(pl.Datetime("us")),
            "zoned": number.cast(pl.Datetime("ms")).dt.replace_time_zone("Europe/Berlin"),
            "none": pl.Series([None] * count, dtype=pl.String),
        }
    ).with_columns(
        pl.when(number % 5 > 0).then("name"), listed=pl.concat_list("small", "small"), pair=pl.struct("small", "kind")
    )
    frame.sample(fraction=1, shuffle=True, seed=1).write_parquet(tmp_path / "many.parquet", row_group_size=10_000)
    found = []
    for in_memory_bytes in (10**12, IN_FILES):
        (tmp_path / "raw.csv").write_text("id,amount,t\n")
        lake = declared(tmp_path, in_memory_bytes)
        lake.source("many", "many.parquet", time="t")

        @lake.asset(partitions=Monthly("2018-01"), sort_by=sort_by)
        def monthly(many: pl.LazyFrame) -> pl.LazyFrame:
            return many

        assert set(results(make(lake, "2018-01..2018-04", force=True)).values()) <= {"created", "unchanged"}
        found.append(digests(lake))
        shutil.rmtree(lake.root)
    assert len(set(found[0].values())) == 4
    assert found[0] == found[1]


SAME_BYTES = """
import hashlib, json, sys
from datetime import UTC, datetime
from pathlib import Path
import polars as pl
from lakehouse import Lake, Monthly

base, seed = Path(sys.argv[1]), int(sys.argv[2])
found = {}
for in_memory_bytes in (10**12, 0):
    lake = Lake(f"lake-{seed}-{in_memory_bytes}")
    lake.base, lake._clock = base, lambda: datetime(2019, 6, 1, tzinfo=UTC)
    lake._in_memory_bytes = in_memory_bytes
    lake.source("raw", f"raw-{seed}.parquet", time="t")

    @lake.asset(partitions=Monthly("2018-01"), version="1")
    def rows(raw):
        return raw

    @lake.asset(partitions=Monthly("2018-01"), version="1", sort_by="kind")
    def counts(raw):
        return raw.group_by("partition_date", "kind").agg(n=pl.len(), total=pl.col("amount").sum())

    lake.materialize("2018-01..2018-03")
    found[in_memory_bytes] = {
        f"{result.parent.parent.name} {result.parent.name}": hashlib.sha256(result.read_bytes()).hexdigest()
        for result in sorted(lake.root.glob("*/*/part.parquet"))
    }
print(json.dumps(found))
"""


@pytest.mark.invariant("I15")
def test_the_same_rows_give_the_same_bytes_whatever_their_order_and_the_number_of_threads(tmp_path: Path) -> None:
    """Rows that tie in every column, zeros of both signs, and nulls among them."""
    count = 60_000
    number = pl.int_range(count, eager=True)
    zeros = pl.Series([0.0, -0.0, None, 1.5, float("nan"), -1.0])
    frame = pl.DataFrame(
        {
            "t": pl.select(pl.date(2018, 1 + number % 3, 1)).to_series(),
            "kind": number % 7,
            "share": zeros.gather(number // 210 % 6),
            "amount": number % 10,
        }
    )
    children = []
    for seed, threads in enumerate(("1", "2", "4")):
        shuffled = frame.sample(fraction=1, shuffle=True, seed=seed)
        shuffled.write_parquet(tmp_path / f"raw-{seed}.parquet", row_group_size=1000 * (seed + 1))
        environment = {**os.environ, "POLARS_MAX_THREADS": threads}
        command = [sys.executable, "-c", SAME_BYTES, str(tmp_path), str(seed)]
        children.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE))
    answers = [json.loads(child.communicate()[0]) for child in children]
    assert [child.returncode for child in children] == [0, 0, 0]
    found = [files for answer in answers for files in answer.values()]
    assert len(set(found[0].values())) == 6
    assert found == [found[0]] * 6


# Memory.

PEAK = """
import sys
from datetime import UTC, datetime
from pathlib import Path
import polars as pl
from lakehouse import Lake, Monthly

base, in_memory_bytes = Path(sys.argv[1]), int(sys.argv[2])
lake = Lake(f"lake-{in_memory_bytes}")
lake.base, lake._clock = base, lambda: datetime(2019, 6, 1, tzinfo=UTC)
lake._in_memory_bytes = in_memory_bytes
lake.source("raw", "raw.parquet", time="t")

@lake.asset(partitions=Monthly("2018-01"), version="1")
def monthly(raw):
    return raw

made = lake.materialize("2018-01..2018-06")
assert sum(result.row_count for result in made) == 5_000_000
status = Path("/proc/self/status").read_text()  # the peak of this program; resource's would be at least its parent's
print(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="the peak of a process is read from /proc")
def test_results_that_go_through_files_need_less_memory(tmp_path: Path) -> None:
    """Five million rows of six months, as they are; the two months that are made alone to compare included."""
    number = pl.int_range(5_000_000, eager=True)
    days = pl.select(pl.lit(date(2018, 1, 1)) + pl.duration(days=number % 181)).to_series()
    pl.DataFrame({"id": number, "who": number * 7919 % 100_003, "t": days}).write_parquet(tmp_path / "raw.parquet")
    peaks_kib = []
    for in_memory_bytes in (10**12, 0):
        command = [sys.executable, "-c", PEAK, str(tmp_path), str(in_memory_bytes)]
        peaks_kib.append(int(subprocess.run(command, stdout=subprocess.PIPE, check=True).stdout))
        shutil.rmtree(tmp_path / f"lake-{in_memory_bytes}")
    assert peaks_kib[1] < 0.75 * peaks_kib[0]


def test_a_batch_that_fails_only_as_a_whole_is_said_to_be_made_key_by_key(lake: Lake) -> None:
    """Each month comes out alone, so no failure tells why there were so many scans; a note does."""

    def one_at_a_time(raw: pl.LazyFrame) -> pl.LazyFrame:
        if raw.select(pl.col("partition_date").n_unique()).collect().item() > 1:
            raise RuntimeError("one at a time, please")
        return raw

    lake.asset(partitions=Monthly("2018-01"))(one_at_a_time)
    outcome = make(lake, "2018-01..2018-02")
    assert results(outcome) == {"2018-01": "created", "2018-02": "created"}
    (note,) = outcome.notes["one_at_a_time"]
    assert note.startswith("made key by key, which scans the sources once a key: together it failed")
    assert "one at a time, please" in note


# Keys of other kinds.

NAMES = ["a b", "a/b", "50%", "%41", "x=y", "it's", "[z]*", "é", "東京", "null", "1", "2018-01-01", " b "]


def test_keys_of_any_text_come_back_as_they_are(lake: Lake) -> None:
    """In two dimensions, and as folders that escape what a path cannot hold."""

    @lake.view(time="t")
    def named(raw: pl.LazyFrame) -> pl.LazyFrame:
        return raw.with_columns(name=pl.lit(pl.Series(NAMES)).gather(pl.col("id") % len(NAMES)))

    @lake.asset(partitions=Monthly("2018-01", end="2018-03") * Categories("name", NAMES))
    def by_name(named: pl.LazyFrame) -> pl.LazyFrame:
        return named.select("id", "name", "partition_date")

    outcome = make(lake, "all")
    assert set(results(outcome).values()) == {"created"}
    rows = [(int(n), NAMES[int(n) % len(NAMES)], t[:7]) for n, _, t in (row.split(",") for row in days())]
    expected = sorted((n, name, month) for n, name, month in rows if month < "2018-03")
    assert sorted(lake.scan("by_name").select("id", "name", "partition_date").collect().rows()) == expected
    folders = sorted(path.name for path in (lake.root / "by_name/partition_date=2018-01").iterdir())
    assert folders == sorted(
        [
            *("name=a b", "name=a%2Fb", "name=50%25", "name=%2541", "name=x%3Dy", "name=it%27s", "name=%5Bz%5D%2A"),
            *("name=é", "name=東京", "name=null", "name=1", "name=2018-01-01", "name= b "),
        ]
    )
    again = make(lake, "all", force=True)
    assert set(results(again).values()) == {"unchanged"}


def test_an_asset_without_partitions_is_computed_like_any(lake: Lake) -> None:
    @lake.asset
    def total(raw: pl.LazyFrame) -> pl.LazyFrame:
        return raw.select(n=pl.len().cast(pl.Int64), amount=pl.col("amount").sum())

    @lake.asset(sort_by=None)
    def biggest(raw: pl.LazyFrame, partition: Partition) -> pl.LazyFrame:
        assert (partition.key, partition.start, partition.end, dict(partition.values)) == ("all", None, None, {})
        return raw.sort("amount", "id", descending=True).head(3).select("id")

    assert [(item.asset, item.key, item.result) for item in make(lake, "all").results] == [
        ("total", "all", "created"),
        ("biggest", "all", "created"),
    ]
    amounts = {int(n): int(amount) for n, amount, _ in (row.split(",") for row in days())}
    assert lake.scan("total").collect().rows() == [(600, sum(amounts.values()))]
    highest = sorted(amounts, key=lambda n: (amounts[n], n), reverse=True)[:3]
    assert lake.scan("biggest").collect()["id"].to_list() == highest
    assert left(lake) == ["biggest", "biggest/part.parquet", "total", "total/part.parquet"]


def test_rows_that_lack_a_key_in_several_ways_are_refused_in_the_words_of_the_columns(lake: Lake) -> None:
    regions = Categories("region", ["eu", "us"])

    @lake.asset(partitions=regions * Monthly("2018-01", end="2018-03"))
    def by_region(raw: pl.LazyFrame) -> pl.LazyFrame:
        region = pl.when(pl.col("id") % 3 == 0).then(pl.lit("eu"))
        month = pl.when(pl.col("id") % 2 == 0).then("partition_date")
        return raw.select("id", region.alias("region"), month.alias("partition_date"))

    outcome = make(lake, "region=eu/partition_date=2018-01")
    error = outcome.results[0].error or {}
    assert (outcome.results[0].result, error["code"]) == ("blocked", "key-null")
    assert error["message"].startswith("by_region: rows without a region or partition_date (")


def test_a_function_whose_size_nobody_knows_goes_through_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a LazyFrame of a function will hold is told by nothing: it is not taken for small."""
    lake = Lake(tmp_path / "lake")
    lake.base = tmp_path
    ways: list[bool] = []
    real = compute.divided

    def noted(*args: Any, spool: Any, **more: Any) -> Any:
        ways.append(spool is not None)
        return real(*args, spool=spool, **more)

    monkeypatch.setattr(compute, "divided", noted)

    @lake.source(version="1")
    def endless() -> pl.LazyFrame:
        return pl.LazyFrame({"day": ["a", "b"], "v": [1, 2]})

    @lake.source(version="1")
    def small() -> pl.DataFrame:
        return pl.DataFrame({"day": ["a", "b"], "v": [1, 2]})

    @lake.asset(partitions=Categories("day", ["a", "b"]))
    def lazily(endless: pl.LazyFrame) -> pl.LazyFrame:
        return endless

    @lake.asset(partitions=Categories("day", ["a", "b"]))
    def eagerly(small: pl.LazyFrame) -> pl.LazyFrame:
        return small

    lake.materialize("all", assets=["lazily"])
    lake.materialize("all", assets=["eagerly"])
    assert ways == [True, False]
    assert lake.scan("lazily").collect().equals(lake.scan("eagerly").collect())
