"""Laws of `track="rows"`: what was made of a key is stale if its own rows are others, and only then."""

# ruff: noqa: ARG001  the parameters say what is read

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lakehouse import Categories, Daily, Dynamic, Lake, Monthly, measure
from lakehouse.rules import All, Periods

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
MONTHS = Monthly("2018-10", "2019-02")
REGIONS = Categories("region", ["us", "eu", "apac"])
SCHEMA = {"id": pl.Int64, "day": pl.Date, "region": pl.String, "amount": pl.Float64, "note": pl.String}
Row = tuple[Any, ...]


def rows() -> list[Row]:
    """Some rows of each of four months and three regions, the same each time."""
    dice = random.Random(5)  # noqa: S311  a seeded one, for the same rows each time
    return [
        (
            number,
            date(2018, 10, 1) + timedelta(dice.randrange(123)),
            dice.choice(["us", "eu", "apac"]),
            dice.choice([0.0, 1.5, 2.5]),
            dice.choice(["a", "b", None]),
        )
        for number in range(120)
    ]


ROWS = rows()
DECEMBER = (900, date(2018, 12, 24), "eu", 1.5, "a")


class Shop:
    """A folder with `events.csv`, tracked by rows, and a lake over it; `scans` counts how often rows were asked."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder, self.scans = folder, 0
        self.clock = 0
        self.declare: Callable[[Lake], None] = lambda _: None
        original = measure.rows

        def counted(*arguments: Any) -> Any:
            self.scans += 1
            return original(*arguments)

        monkeypatch.setattr(measure, "rows", counted)
        self.write(ROWS)

    def write(self, rows: Iterable[Row]) -> None:
        lines = [",".join("" if value is None else str(value) for value in row) for row in rows]
        spare = self.folder / "events.csv.new"
        spare.write_text("\n".join([",".join(SCHEMA), *lines, ""]))
        spare.replace(self.folder / "events.csv")

    def open(self, declare: Callable[[Lake], None] | None = None, **options: Any) -> Lake:
        """The lake opened anew, as the next command does."""
        self.declare = declare or self.declare
        lake = Lake(self.folder / "lake")
        lake.base, lake._clock = self.folder, lambda: NOW
        settings = {"schema": SCHEMA, "nullable": ["amount", "note", "region", "day"], "time": "day", **options}
        lake.source("events", "events.csv", track="rows", **settings)
        self.declare(lake)
        return lake

    def keeps(self, partitions: Any, **options: Any) -> None:
        """One asset, `kept`, that keeps the rows of its keys; it is made at once."""

        def declare(lake: Lake) -> None:
            @lake.asset(partitions=partitions, version="1", **options)
            def kept(events: pl.LazyFrame) -> pl.LazyFrame:
                return events.select(*partitions.columns, "id", "amount", "note")

        self.open(declare).materialize("all")

    def stale(self, asset: str = "kept") -> list[str]:
        """The keys that are not fresh, as the next command sees it."""
        (status,) = self.open().status(assets=[asset])
        return [partition.key for partition in status.partitions if partition.status not in ("fresh", "empty")]

    def make(self, **options: Any) -> dict[str, str]:
        return {result.key: result.result for result in self.open().materialize("all", **options)}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shop:
    return Shop(tmp_path, monkeypatch)


KINDS = {
    "months": (MONTHS, ["2018-12"]),
    "days": (Daily("2018-12-20", "2018-12-30"), ["2018-12-24"]),
    "regions": (REGIONS, ["eu"]),
    "regions by months": (REGIONS * MONTHS, ["region=eu/partition_date=2018-12"]),
    "discovered": (Dynamic("region", discover=True), ["eu"]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_appended_row_makes_its_own_key_stale_and_no_other(shop: Shop, kind: str) -> None:
    partitions, own = KINDS[kind]
    shop.keeps(partitions)
    assert shop.stale() == []
    shop.write([*ROWS, DECEMBER])
    assert shop.stale() == own
    (status,) = shop.open().status()
    reason = next(partition.reason for partition in status.partitions if partition.key in own)
    assert reason.startswith("stale: events.csv changed ")
    made = shop.make()
    assert [key for key, result in made.items() if result != "fresh"] == own
    assert shop.stale() == []
    assert shop.open().scan("kept", own).filter(pl.col("id") == 900).collect().height == 1


def replaced(change: Callable[[Row], Row]) -> list[Row]:
    """The rows with one of November changed, its number 7."""
    found = [row for row in ROWS if row[1].month == 11]
    return [change(row) if row is found[0] else row for row in ROWS]


@pytest.mark.parametrize(
    ("after", "months"),
    [
        (replaced(lambda row: (*row[:3], 99.0, row[4])), ["2018-11"]),
        (replaced(lambda row: (*row[:4], "c")), ["2018-11"]),
        (replaced(lambda row: (*row[:3], None, row[4])), ["2018-11"]),
        (replaced(lambda row: (row[0], date(2018, 10, 5), *row[2:])), ["2018-10", "2018-11"]),
        (replaced(lambda row: (row[0], None, *row[2:])), ["2018-11"]),
        (replaced(lambda row: (row[0], date(2020, 1, 1), *row[2:])), ["2018-11"]),
        ([row for row in ROWS if row[1].month != 11], ["2018-11"]),
        ([row for row in ROWS if row is not ROWS[0]], [ROWS[0][1].strftime("%Y-%m")]),
        ([*ROWS, ROWS[0]], [ROWS[0][1].strftime("%Y-%m")]),
        ([*ROWS, ROWS[0], ROWS[0]], [ROWS[0][1].strftime("%Y-%m")]),
        ([*ROWS, (901, None, "eu", 1.0, "a")], []),
        ([*ROWS, (901, date(2030, 1, 1), "eu", 1.0, "a")], []),
        (ROWS[::-1], []),
        (sorted(ROWS, key=lambda row: (row[2], row[1])), []),
        ([*ROWS], []),
    ],
    ids=[
        "value", "text", "null", "moved", "without date", "out of range", "month gone", "row gone", "twice", "thrice",
        "null date", "beyond the end", "reversed", "sorted", "rewritten",
    ],
)  # fmt: skip
def test_a_month_is_stale_if_its_rows_are_others(shop: Shop, after: list[Row], months: list[str]) -> None:
    shop.keeps(MONTHS)
    shop.write(after)
    assert shop.stale() == months
    shop.make()
    assert shop.stale() == []


def test_the_sign_of_zero_a_null_and_a_nan_are_other_values(shop: Shop) -> None:
    shop.keeps(MONTHS)
    for value in ("0.0", "-0.0", "NaN", None, "0.0"):
        shop.write([*ROWS, (900, date(2018, 12, 24), "eu", value, "a")])
        assert shop.stale() == ["2018-12"], value
        shop.make()
        assert shop.stale() == []


def test_values_that_change_places_are_other_rows(shop: Shop) -> None:
    """Digests add up over rows: what one row gives away another must not take unseen."""
    first = [(900, date(2018, 12, 24), "eu", 1.0, "x"), (901, date(2018, 12, 25), "eu", 2.0, None)]
    shop.write([*ROWS, *first])
    shop.keeps(MONTHS)
    (one, other) = first
    for swap in ([(*one[:4], None), (*other[:4], "x")], [(*one[:3], 2.0, "x"), (*other[:3], 1.0, None)]):
        shop.write([*ROWS, *swap])
        assert shop.stale() == ["2018-12"]


@pytest.mark.parametrize("kind", [pl.Categorical, pl.Enum(["us", "eu", "apac"])])
def test_categorical_columns_are_compared_by_their_texts(shop: Shop, kind: Any) -> None:
    def declare(lake: Lake) -> None:
        @lake.view(time="day")
        def coded(events: pl.LazyFrame) -> pl.LazyFrame:
            return events.with_columns(region_code=pl.col("region").cast(kind))

        @lake.asset(partitions=MONTHS, version="1")
        def kept(coded: pl.LazyFrame) -> pl.LazyFrame:
            return coded.select("partition_date", "id", pl.col("region_code").cast(pl.String))

    shop.open(declare).materialize("all")
    shop.write(ROWS[::-1])
    assert shop.stale() == [], "the codes are others, the texts are not"
    shop.write(replaced(lambda row: (*row[:2], "us" if row[2] != "us" else "eu", *row[3:])))
    assert shop.stale() == ["2018-11"]


def test_a_categorical_partition_column_is_its_texts_too(shop: Shop) -> None:
    def declare(lake: Lake) -> None:
        @lake.view
        def coded(events: pl.LazyFrame) -> pl.LazyFrame:
            return events.with_columns(pl.col("region").cast(pl.Categorical))

        @lake.asset(partitions=REGIONS, version="1")
        def kept(coded: pl.LazyFrame) -> pl.LazyFrame:
            return coded.group_by("region").agg(n=pl.len().cast(pl.Int64))

    shop.open(declare).materialize("all")
    shop.write([*ROWS[::-1], DECEMBER])
    assert shop.stale() == ["eu"]


def with_customers(lake: Lake) -> None:
    lake.source("names", "names.csv", schema={"region": pl.String, "name": pl.String})

    @lake.view(time="day")
    def named(events: pl.LazyFrame, names: pl.LazyFrame) -> pl.LazyFrame:
        return events.join(names, on="region", how="left")

    @lake.asset(partitions=MONTHS, version="1")
    def kept(named: pl.LazyFrame) -> pl.LazyFrame:
        return named.select("partition_date", "id", "name")


def test_through_a_join_what_the_join_brings_counts_too(shop: Shop) -> None:
    """The rows of the view are digested: of a table of names only those that are joined to the key's rows count."""
    names = shop.folder / "names.csv"
    names.write_text("region,name\nus,States\neu,Europe\napac,Pacific\nmars,Mars\n")
    only_us = [row for row in ROWS if row[2] != "us" or row[1].month == 10]
    shop.write(only_us)
    shop.open(with_customers).materialize("all")
    names.write_text("region,name\nus,States\neu,Europe\napac,Pacific\nmars,Red\n")
    assert shop.stale() == [], "nobody is there"
    names.write_text("region,name\nus,America\neu,Europe\napac,Pacific\nmars,Red\n")
    assert shop.stale() == ["2018-10"]
    shop.make()
    shop.write([*only_us, DECEMBER])
    assert shop.stale() == ["2018-12"]


def test_what_is_computed_across_all_rows_is_stale_wherever_it_changes(shop: Shop) -> None:
    def declare(lake: Lake) -> None:
        @lake.view(time="day")
        def ranked(events: pl.LazyFrame) -> pl.LazyFrame:
            return events.with_columns(
                nth=pl.col("day").rank("ordinal").over("region"), first=pl.col("day").min().over("region")
            )

        @lake.asset(partitions=MONTHS, version="1")
        def kept(ranked: pl.LazyFrame) -> pl.LazyFrame:
            return ranked.select("partition_date", "id", "nth", "first")

    unique = [row for number, row in enumerate(ROWS) if (row[1], row[2]) not in {(r[1], r[2]) for r in ROWS[:number]}]
    shop.write(unique)
    shop.open(declare).materialize("all")
    shop.write([*unique, (900, date(2018, 11, 30), "eu", 1.0, None)])
    stale = {*shop.stale()}
    assert {"2018-11"} < stale <= {"2018-11", "2018-12", "2019-01"}, "ranks of before stay as they are"
    before = {row[0]: row for row in shop.open().scan("kept").collect().iter_rows()}
    shop.make(force=True)
    differing = {row[-1] for row in shop.open().scan("kept").collect().iter_rows() if before.get(row[0]) != row}
    assert differing == stale, "just those came out otherwise"
    shop.write([*unique, (900, date(2018, 11, 30), "eu", 1.0, None), (901, date(2018, 9, 1), "us", 1.0, None)])
    expected = {row[1].strftime("%Y-%m") for row in unique if row[2] == "us"}
    assert {*shop.stale()} == expected, "the first day of all rows of the region is another"


def test_an_asset_that_reads_all_of_it_is_stale_whichever_row_changes(shop: Shop) -> None:
    def declare(lake: Lake) -> None:
        @lake.asset(partitions=MONTHS, version="1", upstream={"events": All()})
        def kept(events: pl.LazyFrame, partition: Any) -> pl.LazyFrame:
            return events.select(n=pl.len().cast(pl.Int64))

        @lake.asset(version="1")
        def total(events: pl.LazyFrame) -> pl.LazyFrame:
            return events.select(n=pl.len().cast(pl.Int64))

    shop.open(declare).materialize("all")
    assert (shop.stale(), shop.stale("total")) == ([], [])
    shop.write([*ROWS, DECEMBER])
    assert shop.stale() == ["2018-10", "2018-11", "2018-12", "2019-01"]
    assert shop.stale("total") == ["all"]


def test_periods_are_stale_by_the_rows_of_the_windows_that_they_read(shop: Shop) -> None:
    def declare(lake: Lake) -> None:
        @lake.asset(partitions=MONTHS, version="1", upstream={"events": Periods(-1, 0)})
        def kept(events: pl.LazyFrame) -> pl.LazyFrame:
            return events.group_by("partition_date").agg(n=pl.len().cast(pl.Int64))

    shop.open(declare).materialize("all")
    assert shop.stale() == []
    shop.write([*ROWS, DECEMBER])
    assert shop.stale() == ["2018-12", "2019-01"]
    shop.make()
    shop.write([*ROWS, DECEMBER, (901, date(2018, 9, 30), "eu", 1.0, None)])
    assert shop.stale() == ["2018-10"], "a row of before the first window is read by the first"
    shop.make()
    assert shop.stale() == []


def test_rows_that_two_arguments_bring_count_each_by_itself(shop: Shop) -> None:
    def declare(lake: Lake) -> None:
        @lake.view(time="day")
        def europe(events: pl.LazyFrame) -> pl.LazyFrame:
            return events.filter(pl.col("region") == "eu")

        @lake.asset(partitions=MONTHS, version="1", upstream={"events": All()})
        def share(events: pl.LazyFrame, europe: pl.LazyFrame) -> pl.LazyFrame:
            return europe.group_by("partition_date").agg(n=pl.len().cast(pl.Int64))

        @lake.asset(partitions=MONTHS, version="1")
        def kept(europe: pl.LazyFrame) -> pl.LazyFrame:
            return europe.group_by("partition_date").agg(n=pl.len().cast(pl.Int64))

    shop.open(declare).materialize("all")
    shop.write([*ROWS, (901, date(2018, 12, 24), "us", 1.0, None)])
    assert shop.stale() == [], "the row is not among those that the view has"
    assert shop.stale("share") == ["2018-10", "2018-11", "2018-12", "2019-01"], "all rows of the other are read"


def test_downstream_only_what_reads_a_stale_key_is_stale(shop: Shop) -> None:
    def declare(lake: Lake) -> None:
        @lake.asset(partitions=Daily("2018-10-01", "2019-02-01"), version="1")
        def daily(events: pl.LazyFrame) -> pl.LazyFrame:
            return events.group_by("partition_date").agg(n=pl.len().cast(pl.Int64))

        @lake.asset(partitions=MONTHS, version="1")
        def kept(daily: pl.LazyFrame) -> pl.LazyFrame:
            return daily.group_by("partition_date").agg(pl.col("n").sum())

    shop.open(declare).materialize("all")
    shop.write([*ROWS, DECEMBER])
    assert (shop.stale("daily"), shop.stale()) == (["2018-12-24"], ["2018-12"])
    made = shop.make()
    assert {key for key, result in made.items() if result != "fresh"} == {"2018-12-24", "2018-12"}


def test_one_more_window_or_category_makes_nothing_stale(shop: Shop) -> None:
    for number, (few, more) in enumerate(
        [(Monthly("2018-11", "2019-01"), MONTHS), (Categories("region", ["eu"]), REGIONS)]
    ):
        shutil.rmtree(shop.folder / "lake", ignore_errors=True)
        shop.keeps(few)
        made = [partition.key for partition in shop.open().status()[0].partitions]

        def declare(lake: Lake, partitions: Any = more) -> None:
            @lake.asset(partitions=partitions, version="1")
            def kept(events: pl.LazyFrame) -> pl.LazyFrame:
                return events.select(*partitions.columns, "id", "amount", "note")

        shop.open(declare)
        assert not {*made} & {*shop.stale()}, number
        assert shop.stale()


def test_rows_of_many_files_count_wherever_they_stand(shop: Shop) -> None:
    """Of Parquet, through a glob and with instants: files split and put together anew leave all as it was."""

    def write(name: str, some: list[Row]) -> None:
        found = pl.DataFrame(some, schema=SCHEMA, orient="row")
        found.with_columns(pl.col("day").cast(pl.Datetime("us", "UTC"))).write_parquet(shop.folder / name)

    def declare(lake: Lake) -> None:
        lake.source("parts", "part-*.parquet", time="day", track="rows")

        @lake.asset(partitions=Monthly("2018-10", "2019-02", timezone="Europe/Berlin"), version="1")
        def kept(parts: pl.LazyFrame) -> pl.LazyFrame:
            return parts.select("partition_date", "id")

    write("part-1.parquet", ROWS[:50])
    write("part-2.parquet", ROWS[50:])
    shop.open(declare).materialize("all")
    write("part-1.parquet", ROWS[:70][::-1])
    write("part-2.parquet", ROWS[70:90])
    write("part-3.parquet", ROWS[90:])
    assert shop.stale() == []
    write("part-4.parquet", [DECEMBER])
    assert shop.stale() == ["2018-12"]


# What it costs


def test_where_nothing_changed_no_rows_are_read(shop: Shop) -> None:
    shop.keeps(REGIONS * MONTHS)
    shop.stale()
    shop.scans = 0
    assert shop.stale() == []
    assert set(shop.make().values()) == {"fresh"}
    assert shop.scans == 0
    (shop.folder / "events.csv").touch()
    assert shop.stale() == []
    assert shop.scans == 0, "touched, and the same bytes"
    shop.write(ROWS[::-1])
    assert shop.stale() == []
    assert shop.scans == 1, "other bytes: one scan for all keys"
    assert shop.stale() == []
    assert shop.scans == 1, "and the answer is kept"


def test_without_caches_the_answers_are_the_same(shop: Shop) -> None:
    shop.keeps(MONTHS)
    shutil.rmtree(shop.folder / "lake/.lake/cache")
    assert shop.stale() == []
    shop.write([*ROWS, DECEMBER])
    shop.stale()
    shutil.rmtree(shop.folder / "lake/.lake/cache")
    assert shop.stale() == ["2018-12"]
    shop.make()
    shutil.rmtree(shop.folder / "lake/.lake/cache")
    assert shop.stale() == []


# Sources that do not hold still


@pytest.mark.parametrize("through", ["nothing", "a view"])
def test_a_source_that_changes_while_it_is_read_is_never_taken_for_what_was_made(shop: Shop, through: str) -> None:
    """The function writes the file anew each time that it is called: whatever was read, it may be something else."""
    count = 0

    def disturb(found: pl.LazyFrame) -> pl.LazyFrame:
        nonlocal count
        count += 1
        read = found.select("id").collect()
        shop.write([*ROWS, (900 + count, date(2018, 12, 24), "eu", 1.0, None)])
        return read.lazy()

    def declare(lake: Lake) -> None:
        @lake.view(time="day")
        def seen(events: pl.LazyFrame) -> pl.LazyFrame:
            return events

        if through == "a view":

            @lake.asset(partitions=MONTHS, version="1")
            def kept(seen: pl.LazyFrame, partition: Any) -> pl.LazyFrame:
                return disturb(seen)
        else:

            @lake.asset(partitions=MONTHS, version="1")
            def kept(events: pl.LazyFrame, partition: Any) -> pl.LazyFrame:
                return disturb(events)

    lake = shop.open(declare)
    lake.materialize("2018-12")
    made = {*lake.scan("kept", "2018-12").collect()["id"]}
    assert 900 + count not in made, "the last row was written after the last look"
    assert "2018-12" in shop.stale()


def test_a_source_that_changes_once_while_it_is_read_is_read_again(shop: Shop) -> None:
    count = 0

    def declare(lake: Lake) -> None:
        @lake.asset(partitions=MONTHS, version="1")
        def kept(events: pl.LazyFrame, partition: Any) -> pl.LazyFrame:
            nonlocal count
            count += 1
            found = events.select("id").collect()
            if count == 1:
                shop.write([*ROWS, DECEMBER])
            return found.lazy()

    lake = shop.open(declare)
    lake.materialize("2018-12")
    assert count == 2
    assert 900 in lake.scan("kept", "2018-12").collect()["id"]
    assert "2018-12" not in shop.stale()


@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_source_that_changes_while_its_rows_are_digested_is_not_known_by_them(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    """The digest of one content must not be kept as that of another: the file may be put back."""
    shop.keeps(MONTHS)
    shop.write([*ROWS, DECEMBER])
    counted = measure.rows

    def disturbed(*arguments: Any) -> Any:
        if moment == "before":
            shop.write(ROWS)
        answer = counted(*arguments)
        if moment == "after":
            shop.write(ROWS)
        return answer

    monkeypatch.setattr(measure, "rows", disturbed)
    shop.stale()
    monkeypatch.setattr(measure, "rows", counted)
    assert shop.stale() == []
    shop.write([*ROWS, DECEMBER])
    assert shop.stale() == ["2018-12"]


def test_a_missing_source_leaves_what_was_made_and_says_so(shop: Shop) -> None:
    shop.keeps(MONTHS)
    (shop.folder / "events.csv").unlink()
    (status,) = shop.open().status()
    assert {partition.status for partition in status.partitions} == {"stale"}
    assert {partition.reason for partition in status.partitions} == {"stale: events.csv does not exist"}
    shop.write(ROWS)
    assert shop.stale() == []


# Against brute force


@pytest.mark.parametrize("seed", range(6))
def test_after_any_edit_what_is_stale_is_what_differs(shop: Shop, seed: int) -> None:
    """Never false fresh, never false stale: a key is stale if and only if its rows, counted, are others."""
    dice = random.Random(seed)  # noqa: S311  a seeded one
    shop.keeps(REGIONS * MONTHS)
    before = list(ROWS)
    after = list(ROWS)
    for _ in range(dice.randrange(1, 5)):
        place = dice.randrange(len(after))
        match dice.randrange(5):
            case 0:
                after.append((dice.randrange(2000), *dice.choice(after)[1:]))
            case 1:
                del after[place]
            case 2:
                after[place] = (*after[place][:3], dice.choice([0.0, 1.5, None]), after[place][4])
            case 3:
                after[place] = (*after[place][:2], dice.choice(["us", "eu", None, "mars"]), *after[place][3:])
            case 4:
                other = dice.randrange(len(after))
                after[place], after[other] = after[other], after[place]
    shop.write(after)

    def of(found: list[Row]) -> dict[str, list[str]]:
        keys: dict[str, list[str]] = {}
        for row in found:
            if row[1] is not None and row[2] in ("us", "eu", "apac"):
                keys.setdefault(f"region={row[2]}/partition_date={row[1]:%Y-%m}", []).append(repr(row))
        return {key: sorted(own) for key, own in keys.items()}

    old, new = of(before), of(after)
    assert {*shop.stale()} == {key for key in {**old, **new} if old.get(key) != new.get(key)}
    shop.make()
    assert shop.stale() == []
