"""Laws of every kind of partitions, from a raw file to the lake: DuckDB over the file gives the same, key by key."""

# ruff: noqa: ARG001  the parameters say what is read

from __future__ import annotations

import copy
import pickle
import random
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from lakehouse import (
    Categories,
    Daily,
    Dynamic,
    Hourly,
    Lake,
    Monthly,
    Quarterly,
    Weekly,
    Yearly,
)
from lakehouse.errors import DefinitionError, PartitionKeyError, RequestError, SourceError
from lakehouse.outcome import Outcome
from lakehouse.partitions import Unpartitioned
from lakehouse.rules import All, Keys, Latest, Periods

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
SCHEMA = {"id": pl.Int64, "moment": pl.Datetime("us"), "day": pl.Date, "region": pl.String, "amount": pl.Int64}
REGIONS = ["us", "eu"]
LISTED = Categories("region", REGIONS)
Row = tuple[Any, ...]


def events() -> list[Row]:
    """Rows around a change of year, with one at each edge: the first and the last instant of many windows."""
    dice, found = random.Random(3), []  # noqa: S311  a seeded one, for the same rows each time
    for _ in range(400):
        at = datetime(2018, 12, 10) + timedelta(seconds=dice.randrange(60 * 86400))  # noqa: DTZ001  as a CSV has it
        found.append((at, dice.choice(["us", "eu", "eu", "apac", None])))
    edges = [date(2018, 12, 10), date(2018, 12, 31), date(2019, 1, 1), date(2019, 1, 7), date(2019, 2, 1)]
    for day in edges:
        midnight = datetime(day.year, day.month, day.day)  # noqa: DTZ001
        found += [
            (midnight, "us"),
            (midnight - timedelta(microseconds=1), "eu"),
            (midnight + timedelta(hours=23), "eu"),
        ]
    found += [(None, "us")] * 3
    return [
        (number, at, at and at.date(), region, dice.randrange(100))
        for number, (at, region) in enumerate(found, start=1)
    ]


ROWS = events()


class Warehouse:
    """A folder with `events.csv` and a lake over it, whose clock stands still."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.now = folder, NOW
        self.lake = self.open()

    def open(self, track: Any = "content") -> Lake:
        """The lake without any asset."""
        self.lake = lake = Lake(self.folder / "lake")
        lake.base, lake._clock = self.folder, lambda: self.now
        lake.source(
            "events", "events.csv", schema=SCHEMA, nullable=["moment", "day", "region"], time="moment", track=track
        )
        return lake

    def write(self, rows: Iterable[Row] = ROWS) -> None:
        lines = [",".join("" if value is None else str(value) for value in row) for row in rows]
        (self.folder / "events.csv").write_text("\n".join([",".join(SCHEMA), *lines, ""]))

    def asset(self, partitions: Any, name: str = "kept", **options: Any) -> None:
        """An asset that keeps the rows as they are."""
        columns = partitions.columns if partitions is not None else ()

        def function(events: pl.LazyFrame) -> pl.LazyFrame:
            return events.select(*columns, "id", "amount")

        function.__name__ = function.__qualname__ = name
        self.lake.asset(partitions=partitions, version="1", **options)(function)

    def make(self, selection: str = "all", **options: Any) -> Outcome:
        """Materialize as the command line does: with the notes."""
        survey = self.lake.survey()
        resolution = self.lake.resolve(selection, options.pop("assets", ()), survey=survey)
        plan = self.lake.plan(survey, resolution, upstream=options.pop("upstream", True))
        return self.lake.run(survey, plan, **options)

    def states(self, asset: str = "kept") -> dict[str, str]:
        (found,) = self.lake.status(assets=[asset])
        return {partition.key: partition.status for partition in found.partitions}

    def stale(self, asset: str = "kept") -> list[str]:
        return [key for key, status in self.states(asset).items() if status not in ("fresh", "empty")]

    def reason(self, key: str, asset: str = "kept") -> str:
        (found,) = self.lake.status(assets=[asset])
        return next(partition.reason for partition in found.partitions if partition.key == key)

    def raw(self, query: str) -> list[Row]:
        """What DuckDB finds in the raw file, as the table `events`."""
        types = "{'id': 'BIGINT', 'moment': 'TIMESTAMP', 'day': 'DATE', 'region': 'VARCHAR', 'amount': 'BIGINT'}"
        table = f"read_csv('{self.folder}/events.csv', header=true, columns={types})"
        return duckdb.sql(query.replace("events", table)).fetchall()

    def published(self, asset: str = "kept", *columns: str) -> list[Row]:
        """What DuckDB finds in the published files, the partition columns by the names of their folders."""
        files = f"{self.folder}/lake/{asset}/**/*.parquet"
        chosen = ", ".join(columns) or "*"
        query = f"SELECT {chosen} FROM read_parquet('{files}', hive_partitioning=true, hive_types_autocast=false)"  # noqa: S608
        return duckdb.sql(query).fetchall()


@pytest.fixture
def house(tmp_path: Path) -> Warehouse:
    house = Warehouse(tmp_path)
    house.write()
    return house


def found(outcome: Outcome, asset: str | None = None) -> dict[str, str]:
    return {result.key: result.result for result in outcome.results if asset in (None, result.asset)}


def messages(outcome: Outcome) -> dict[str, str]:
    """Asset and key of what was not made, with why."""
    return {
        f"{result.asset} {result.key}": f"{result.result}: {(result.error or {}).get('message')}"
        for result in outcome.results
        if not result.is_ok
    }


# Every kind against the raw file

KINDS: dict[str, tuple[Any, str, str]] = {
    "hours": (
        Hourly("2018-12-30", "2019-01-03"),
        "strftime(moment, '%Y-%m-%dT%H')",
        "moment >= '2018-12-30' AND moment < '2019-01-03'",
    ),
    "days": (
        Daily("2018-12-20", "2019-01-20"),
        "strftime(moment, '%Y-%m-%d')",
        "moment >= '2018-12-20' AND moment < '2019-01-20'",
    ),
    "weeks": (
        Weekly("2018-W50", "2019-W07"),
        "strftime(moment, '%G-W%V')",
        "moment >= '2018-12-10' AND moment < '2019-02-11'",
    ),
    "months": (
        Monthly("2018-12", "2019-03"),
        "strftime(moment, '%Y-%m')",
        "moment >= '2018-12-01' AND moment < '2019-03-01'",
    ),
    "quarters": (
        Quarterly("2018-Q4", "2019-Q2"),
        "year(moment) || '-Q' || quarter(moment)",
        "moment >= '2018-10-01' AND moment < '2019-04-01'",
    ),
    "years": (Yearly("2018", "2020"), "strftime(moment, '%Y')", "moment IS NOT NULL"),
    "written otherwise": (
        Monthly("201812", "201902", format="%Y%m", column="month"),
        "strftime(moment, '%Y%m')",
        "moment >= '2018-12-01' AND moment < '2019-02-01'",
    ),
    "regions": (LISTED, "region", "region IN ('us', 'eu')"),
    "regions by months": (
        LISTED * Monthly("2018-12", "2019-02"),
        "region, strftime(moment, '%Y-%m')",
        "region IN ('us', 'eu') AND moment >= '2018-12-01' AND moment < '2019-02-01'",
    ),
    "weeks by regions": (
        Weekly("2018-W50", "2019-W02") * LISTED,
        "strftime(moment, '%G-W%V'), region",
        "region IN ('us', 'eu') AND moment >= '2018-12-10' AND moment < '2019-01-07'",
    ),
    "discovered": (Dynamic("region", discover=True), "region", "region IS NOT NULL"),
    "discovered by months": (
        Dynamic("region", discover=True) * Monthly("2018-12", "2019-02"),
        "region, strftime(moment, '%Y-%m')",
        "region IS NOT NULL AND moment >= '2018-12-01' AND moment < '2019-02-01'",
    ),
}


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda thing: pickle.loads(pickle.dumps(thing))])  # noqa: S301
@pytest.mark.parametrize("kind", [*KINDS, "none"])
def test_a_definition_that_is_copied_is_as_good(kind: str, again: Callable[[Any], Any]) -> None:
    partitions = KINDS[kind][0] if kind in KINDS else Unpartitioned()
    partitions = partitions.with_keys({"region": REGIONS})
    copied, keys = again(partitions), partitions.keys(NOW)
    assert (copied, repr(copied), hash(copied)) == (partitions, repr(partitions), hash(partitions))
    assert copied.keys(NOW) == keys
    assert [copied.order(key) for key in keys] == [partitions.order(key) for key in keys]
    assert copied.partition(keys[0]) == partitions.partition(keys[0])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("spooled", [False, True], ids=["in memory", "through files"])
def test_each_row_is_in_its_own_partition_and_in_no_other(house: Warehouse, kind: str, spooled: bool) -> None:  # noqa: FBT001
    partitions, key, there = KINDS[kind]
    house.lake._in_memory_bytes = 0 if spooled else None
    house.asset(partitions)
    outcome = house.make()
    assert outcome.exit_code == 0
    expected = Counter(house.raw(f"SELECT {key}, id, amount FROM events WHERE {there}"))  # noqa: S608
    assert Counter(house.published("kept", *partitions.columns, "id", "amount")) == expected
    assert {*house.states().values()} <= {"fresh", "empty"}
    assert found(house.make()) == dict.fromkeys(house.states(), "fresh")


@pytest.mark.parametrize("kind", KINDS)
def test_partition_by_partition_is_the_same_as_all_in_one_pass(house: Warehouse, kind: str) -> None:
    partitions, key, there = KINDS[kind]
    house.asset(partitions)
    for one in [*house.states()][-4:]:
        outcome = house.make(one, assets=["kept"])
        assert found(outcome) == {one: "created"}
        values = dict(zip(partitions.columns, partitions.values(one), strict=True))
        raw = house.raw(f"SELECT {key}, id FROM events WHERE {there}")  # noqa: S608
        rows = house.lake.scan("kept", one).collect()
        assert sorted(rows["id"]) == sorted(row[-1] for row in raw if row[:-1] == partitions.values(one))
        assert all(set(rows[column]) <= {value} for column, value in values.items())


def test_what_is_unpartitioned_is_one_file_with_every_row(house: Warehouse) -> None:
    house.asset(None)
    assert found(house.make()) == {"all": "created"}
    assert Counter(house.published("kept", "id", "amount")) == Counter(house.raw("SELECT id, amount FROM events"))
    assert [path.name for path in (house.folder / "lake/kept").rglob("*")] == ["part.parquet"]


def test_keys_that_are_listed_in_the_lake_get_their_rows(house: Warehouse) -> None:
    house.asset(Dynamic("region"))
    assert house.lake.add_partitions("kept", ["eu", "apac"]) == ["eu", "apac"]
    house.make()
    expected = Counter(house.raw("SELECT region, id, amount FROM events WHERE region IN ('eu', 'apac')"))
    assert Counter(house.published("kept", "region", "id", "amount")) == expected


@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Asia/Kolkata", "UTC"])
@pytest.mark.parametrize(
    ("partitions", "key"),
    [
        (lambda zone: Hourly("2018-10-27", "2018-10-30", timezone=zone, format="%Y-%m-%dT%H%z"), "%Y-%m-%dT%H%z"),
        (lambda zone: Daily("2018-10-01", "2018-12-01", timezone=zone), "%Y-%m-%d"),
        (lambda zone: Monthly("2018-10", "2019-01", timezone=zone), "%Y-%m"),
    ],
    ids=["hours", "days", "months"],
)
def test_instants_are_parted_by_the_clocks_of_the_zone(
    tmp_path: Path, zone: str, partitions: Callable[[str], Any], key: str
) -> None:
    """Every quarter of an hour about the days on which clocks go back, by Python's own arithmetic."""
    from zoneinfo import ZoneInfo

    instants = [datetime(2018, 10, 26, tzinfo=UTC) + timedelta(minutes=15 * number) for number in range(15 * 96)]
    pl.DataFrame({"id": range(len(instants)), "at": instants}).write_parquet(tmp_path / "instants.parquet")
    definition = partitions(zone)
    lake = Lake(tmp_path / "lake")
    lake.base, lake._clock = tmp_path, lambda: NOW
    lake.source("instants", "instants.parquet", time="at")

    @lake.asset(partitions=definition, version="1")
    def kept(instants: pl.LazyFrame) -> pl.LazyFrame:
        return instants.select("partition_date", "id")

    lake.materialize("all")
    local = {number: instant.astimezone(ZoneInfo(zone)) for number, instant in enumerate(instants)}
    there = {*definition.keys(NOW)}
    expected = {number: at.strftime(key) for number, at in local.items() if at.strftime(key) in there}
    rows = lake.scan("kept").collect()
    assert dict(rows.select("id", "partition_date").iter_rows()) == expected
    assert rows.height == len(expected)


# Rows of no partition


def test_rows_of_no_partition_are_counted_and_said(house: Warehouse) -> None:
    house.asset(LISTED * Monthly("2019-01", "2019-02"))
    notes = house.make().notes["kept"]
    ((nulls, before, after, no_region, unlisted),) = house.raw(
        "SELECT count(*) FILTER (moment IS NULL), count(*) FILTER (moment < '2019-01-01'),"
        " count(*) FILTER (moment >= '2019-02-01'), count(*) FILTER (region IS NULL),"
        " count(*) FILTER (region = 'apac') FROM events"
    )
    assert notes == [
        f"{no_region} rows of events have no region and belong to no partition",
        f"{unlisted} rows of events are of a region that kept does not list: apac",
        f"{nulls} rows of events have no moment and belong to no partition",
        f"{before} rows of events are from before 2019-01, where kept begins",
        f"{after} rows of events are from after 2019-01, where kept ends",
    ]


def test_every_row_is_kept_or_counted_in_a_note(house: Warehouse) -> None:
    """Along one dimension no row is left out of both: kept ones and noted ones add up to the file."""
    total = len(ROWS)
    for number, partitions in enumerate([LISTED, Monthly("2019-01", "2019-02"), Dynamic("region", discover=True)]):
        house.asset(partitions, f"kept{number}")
        outcome = house.make(assets=[f"kept{number}"])
        noted = sum(int(note.split()[0]) for note in outcome.notes[f"kept{number}"])
        assert sum(result.row_count or 0 for result in outcome.results) + noted == total


def test_a_row_in_an_hour_before_the_first_or_after_the_last_is_counted_where_clocks_show_it_twice(
    tmp_path: Path,
) -> None:
    """Clocks without offset show the doubled hour once more; its rows are taken for the first of both."""
    (tmp_path / "ticks.csv").write_text(
        "id,moment\n1,2018-10-28T01:30:00\n2,2018-10-28T02:30:00\n3,2018-10-28T03:30:00\n"
    )
    lake = Lake(tmp_path / "lake")
    lake.base, lake._clock = tmp_path, lambda: NOW
    lake.source("ticks", "ticks.csv", schema={"id": pl.Int64, "moment": pl.Datetime("us")}, time="moment")

    @lake.asset(partitions=Hourly("2018-10-28T02+0100", "2018-10-28T03+0100", timezone="Europe/Berlin"), version="1")
    def late(ticks: pl.LazyFrame) -> pl.LazyFrame:
        return ticks.select("partition_date", "id")

    @lake.asset(partitions=Hourly("2018-10-28T02+0200", "2018-10-28T02+0100", timezone="Europe/Berlin"), version="1")
    def early(ticks: pl.LazyFrame) -> pl.LazyFrame:
        return ticks.select("partition_date", "id")

    survey = lake.survey()
    outcome = lake.run(survey, lake.plan(survey, lake.resolve("all")))
    assert {result.asset: result.row_count for result in outcome.results} == {"late": 0, "early": 1}
    assert outcome.notes["late"] == [
        "2 rows of ticks are from before 2018-10-28T02+0100, where late begins",
        "1 row of ticks is from after 2018-10-28T02+0100, where late ends",
    ]
    assert outcome.notes["early"] == [
        "1 row of ticks is from before 2018-10-28T02+0200, where early begins",
        "1 row of ticks is from after 2018-10-28T02+0200, where early ends",
    ]


# Dynamic keys


def test_a_rerun_of_discovered_keys_has_exactly_the_values_that_are_present(house: Warehouse) -> None:
    house.asset(Dynamic("region", discover=True))
    assert found(house.make()) == {"apac": "created", "eu": "created", "us": "created"}
    before = house.lake.scan("kept", "apac").collect()
    house.write([row if row[3] != "apac" else (*row[:3], "latam", row[4]) for row in ROWS])
    assert house.states() == {"eu": "stale", "latam": "missing", "us": "stale", "apac": "orphaned"}
    assert found(house.make()) == {"eu": "unchanged", "latam": "created", "us": "unchanged"}
    assert house.states() == {"eu": "fresh", "latam": "fresh", "us": "fresh", "apac": "orphaned"}
    assert house.reason("apac") == "orphaned: the definition no longer has it"
    files = sorted(
        str(path.relative_to(house.folder / "lake/kept")) for path in (house.folder / "lake/kept").rglob("*.parquet")
    )
    assert files == [f"region={name}/part.parquet" for name in ("apac", "eu", "latam", "us")]
    assert (
        pl.read_parquet(house.folder / "lake/kept/region=apac/part.parquet", hive_partitioning=False)
        .sort("id")
        .equals(before.drop("region").sort("id"))
    )
    house.write()
    assert house.states()["latam"] == "orphaned"
    assert house.states()["apac"] == "fresh", "it is one of them again, and made of the same bytes"


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("US", "'us' cannot be a value of region: 'US' and 'us' are one folder"),
        ('""', "'' cannot be a value of region"),
        ("__HIVE_DEFAULT_PARTITION__", "'__HIVE_DEFAULT_PARTITION__' cannot be a value of region"),
    ],
)
def test_a_discovered_value_that_cannot_be_a_key_is_refused_and_named(
    house: Warehouse, value: str, what: str
) -> None:
    house.asset(Dynamic("region", discover=True))
    house.make()
    published = house.published()
    house.write([*ROWS, (9001, *ROWS[0][1:3], value, 1)])
    with pytest.raises(SourceError) as caught:
        house.make()
    assert caught.value.message.startswith(f"the data of kept has a region that cannot be a key: {what}")
    assert house.published() == published


def test_keys_discovered_in_an_asset_are_those_that_it_has_once_it_is_made(house: Warehouse) -> None:
    """One run does it: what an upstream brings in the same run counts."""
    lake = house.lake

    @lake.asset(partitions=Monthly("2018-12", "2019-03"), version="1")
    def regional(events: pl.LazyFrame) -> pl.LazyFrame:
        return events.filter(pl.col("region").is_not_null()).group_by("partition_date", "region").agg(n=pl.len())

    @lake.view
    def seen(regional: pl.LazyFrame) -> pl.LazyFrame:
        return regional

    @lake.asset(partitions=Dynamic("region", discover=True), version="1")
    def kept(seen: pl.LazyFrame) -> pl.LazyFrame:
        return seen.group_by("region").agg(pl.col("n").sum())

    house.make()
    assert house.states() == {"apac": "fresh", "eu": "fresh", "us": "fresh"}
    ((before,),) = house.raw("SELECT count(*) FROM events WHERE region = 'apac' AND moment IS NOT NULL")
    house.write([row if row[3] != "apac" else (*row[:3], "latam", row[4]) for row in ROWS])
    house.make()
    assert house.states() == {"eu": "fresh", "latam": "fresh", "us": "fresh", "apac": "orphaned"}
    assert ("apac", before) in house.published("kept", "region", "n"), "what was made of it is kept"


def test_keys_are_added_and_removed_and_what_was_made_of_them_stays(house: Warehouse) -> None:
    house.asset(Dynamic("region"))
    lake = house.lake
    assert house.states() == {}
    assert lake.add_partitions("kept", ["eu", "us"]) == ["eu", "us"]
    assert lake.add_partitions("kept", ["us", "apac"]) == ["apac"], "only what is new"
    assert house.states() == {"apac": "missing", "eu": "missing", "us": "missing"}
    house.make("eu")
    assert lake.remove_partitions("kept", ["eu", "nowhere"]) == ["eu"]
    assert lake.remove_partitions("kept", ["eu"]) == []
    assert house.states() == {"apac": "missing", "us": "missing", "eu": "orphaned"}
    assert lake.scan("kept").collect().height == len([row for row in ROWS if row[3] == "eu"])
    assert lake.add_partitions("kept", ["eu"]) == ["eu"]
    assert house.states()["eu"] == "fresh", "nothing became of it meanwhile"
    with pytest.raises(PartitionKeyError, match="'EU' cannot be a value of region"):
        lake.add_partitions("kept", ["EU"])
    with pytest.raises(PartitionKeyError):
        lake.add_partitions("kept", [""])


def test_removing_every_key_leaves_a_status_that_works(house: Warehouse) -> None:
    house.open("rows")
    house.asset(Dynamic("region"))
    house.lake.add_partitions("kept", ["eu"])
    house.make()
    house.lake.remove_partitions("kept", ["eu"])
    assert house.states() == {"eu": "orphaned"}


def test_only_dynamic_keys_that_are_kept_can_be_changed(house: Warehouse) -> None:
    house.asset(LISTED)
    house.asset(Dynamic("region", discover=True), "discovered")
    with pytest.raises(RequestError, match="the keys of kept follow from its definition") as fixed:
        house.lake.add_partitions("kept", ["latam"])
    assert fixed.value.help
    assert "edit the values of Categories('region'" in fixed.value.help
    with pytest.raises(RequestError, match="the keys of discovered follow from its definition") as found:
        house.lake.add_partitions("discovered", ["latam"])
    assert found.value.help
    assert "the values found in the data" in found.value.help


# Definitions that change


def test_more_windows_or_categories_make_nothing_stale(house: Warehouse) -> None:
    for track in ("content", "rows"):
        house.open(track)
        house.asset(Monthly("2018-12", "2019-02"), f"months_{track}")
        house.asset(Categories("region", ["us"]), f"regions_{track}")
        house.make()
        house.open(track)
        house.asset(Monthly("2018-11", "2019-03"), f"months_{track}")
        house.asset(Categories("region", ["eu", "us"]), f"regions_{track}")
        assert house.states(f"months_{track}") == {
            "2018-11": "missing", "2018-12": "fresh", "2019-01": "fresh", "2019-02": "missing",
        }  # fmt: skip
        assert house.states(f"regions_{track}") == {"eu": "missing", "us": "fresh"}
        house.make()
        assert not house.stale(f"months_{track}")


def test_a_narrower_definition_orphans_what_was_made_and_keeps_it(house: Warehouse) -> None:
    house.asset(LISTED * Monthly("2018-12", "2019-02"))
    house.make()
    rows = house.lake.scan("kept").collect().height
    house.open()
    house.asset(Categories("region", ["eu"]) * Monthly("2019-01", "2019-02"))
    assert house.states() == {
        "region=eu/partition_date=2019-01": "fresh",
        "region=eu/partition_date=2018-12": "orphaned",
        "region=us/partition_date=2018-12": "orphaned",
        "region=us/partition_date=2019-01": "orphaned",
    }
    assert found(house.make()) == {"region=eu/partition_date=2019-01": "fresh"}
    assert house.lake.scan("kept").collect().height == rows
    with pytest.raises(PartitionKeyError):
        house.make("2018-12")


@pytest.mark.parametrize(
    ("other", "what", "detail"),
    [
        (Daily("2018-12-01", "2019-02-01"), "kind and format", "kind: monthly became daily"),
        (Monthly("2018-12", "2019-02", column="month"), "column", "column: partition_date became month"),
        (Monthly("2018-12", "2019-02", timezone="Europe/Berlin"), "timezone", "timezone: UTC became Europe/Berlin"),
        (Monthly("2018-12", "2019-02", format="%Y%m"), "format", "format: %Y-%m became %Y%m"),
        (LISTED * Monthly("2018-12", "2019-02"), "kind and column", "kind: monthly became categories × monthly"),
        (None, "kind and column and timezone and format", "kind: monthly became unpartitioned"),
    ],
)
def test_another_kind_column_or_zone_is_refused_with_the_way_out(
    house: Warehouse, other: Any, what: str, detail: str
) -> None:
    house.asset(Monthly("2018-12", "2019-02"))
    house.make()
    kept = house.published()
    house.open()
    house.asset(other)
    for act in (house.states, house.make):
        with pytest.raises(DefinitionError) as caught:
            act()
        assert caught.value.code == "partitions-changed"
        assert caught.value.message.startswith(f"kept: its partitions were made with other {what} (test_kinds.py:")
        assert detail in caught.value.details
        assert caught.value.help == "give the asset another name, or put it back; what was made stays readable"
    assert house.published() == kept


# Assets over assets


def daily_and_monthly(house: Warehouse, broken: str = "", **monthly: Any) -> None:
    """Days with their counts; months over days, which say how many days they read."""
    lake = house.lake

    @lake.asset(partitions=Daily("2018-12-10", "2019-02-01"), version="1")
    def daily(events: pl.LazyFrame, partition: Any) -> pl.LazyFrame:
        if partition.key == broken:
            raise ValueError("no such luck")
        return events.select(n=pl.len().cast(pl.Int64), total=pl.col("amount").sum())

    @lake.asset(partitions=Monthly("2018-12", "2019-02"), version="1", **monthly)
    def monthly_orders(daily: pl.LazyFrame) -> pl.LazyFrame:
        return daily.group_by("partition_date").agg(
            n=pl.col("n").sum(), days=pl.col("upstream_partition_date").n_unique().cast(pl.Int64)
        )


def test_a_month_makes_its_missing_and_stale_days_first(house: Warehouse) -> None:
    daily_and_monthly(house)
    outcome = house.make("2018-12", assets=["monthly_orders"])
    order = [(result.asset, result.key) for result in outcome.results]
    assert order == [*(("daily", f"2018-12-{day}") for day in range(10, 32)), ("monthly_orders", "2018-12")]
    ((count,),) = house.raw("SELECT count(*) FROM events WHERE moment >= '2018-12-10' AND moment < '2019-01-01'")
    assert house.published("monthly_orders", "partition_date", "n", "days") == [("2018-12", count, 22)]
    (house.folder / "lake/daily/partition_date=2018-12-15/part.parquet").unlink()
    assert house.states("monthly_orders")["2018-12"] == "stale"
    again = house.make("2018-12", assets=["monthly_orders"])
    assert [*found(again, "daily")] == ["2018-12-15"]
    assert house.stale("monthly_orders") == ["2019-01"]
    (record,) = [result for result in outcome.results if result.asset == "monthly_orders"]
    assert record.inputs["daily"].keys == "2018-12-10..2018-12-31"
    assert record.inputs["daily"].absent == "before 2018-12-10"


def test_a_day_that_fails_skips_its_month_and_no_other(house: Warehouse) -> None:
    daily_and_monthly(house, broken="2018-12-13")
    outcome = house.make()
    assert outcome.exit_code == 1
    assert [*messages(outcome)] == ["daily 2018-12-13", "monthly_orders 2018-12"]
    assert messages(outcome)["monthly_orders 2018-12"] == "skipped: upstream daily 2018-12-13 failed"
    assert found(outcome, "monthly_orders") == {"2018-12": "skipped", "2019-01": "created"}


def test_a_day_that_fails_skips_its_month_also_where_old_data_of_it_exists(house: Warehouse) -> None:
    daily_and_monthly(house)
    house.make()
    before = sorted(house.published("monthly_orders"))
    house.write([*ROWS, (9001, datetime(2018, 12, 13, 12), date(2018, 12, 13), "eu", 5)])  # noqa: DTZ001
    house.open()
    daily_and_monthly(house, broken="2018-12-13")
    outcome = house.make()
    assert messages(outcome)["monthly_orders 2018-12"] == "skipped: upstream daily 2018-12-13 failed"
    assert len(messages(outcome)) == 2
    assert sorted(house.published("monthly_orders")) == before
    assert house.stale("monthly_orders") == ["2018-12"]


def test_without_upstream_a_missing_day_skips_the_month(house: Warehouse) -> None:
    daily_and_monthly(house)
    house.make("2018-12-10..2018-12-30", assets=["daily"])
    outcome = house.make("2018-12", assets=["monthly_orders"], upstream=False)
    assert messages(outcome) == {"monthly_orders 2018-12": "skipped: upstream daily 2018-12-31 is missing"}
    assert outcome.exit_code == 1
    house.make("2018-12-31", assets=["daily"])
    outcome = house.make("2018-12", assets=["monthly_orders"], upstream=False)
    assert found(outcome) == {"2018-12": "created"}, "it and nothing else"


def test_without_upstream_what_is_published_is_read_and_the_key_stays_stale(house: Warehouse) -> None:
    daily_and_monthly(house)
    house.make()
    ((old,),) = house.raw("SELECT count(*) FROM events WHERE moment >= '2018-12-10' AND moment < '2019-01-01'")
    house.write([*ROWS, (9001, datetime(2018, 12, 13, 12), date(2018, 12, 13), "eu", 5)])  # noqa: DTZ001
    outcome = house.make("2018-12", assets=["monthly_orders"], upstream=False)
    assert found(outcome) == {"2018-12": "unchanged"}
    assert ("2018-12", old) in house.published("monthly_orders", "partition_date", "n")
    assert house.states("monthly_orders")["2018-12"] == "stale"
    assert house.reason("2018-12", "monthly_orders") == "stale: upstream daily 2018-12-10..2018-12-31 is not fresh"
    house.make("2018-12")
    assert ("2018-12", old + 1) in house.published("monthly_orders", "partition_date", "n")


def test_what_is_unpartitioned_does_not_wait_for_a_window_that_is_still_open(house: Warehouse) -> None:
    house.now = datetime(2019, 1, 10, tzinfo=UTC)
    house.asset(Monthly("2018-11"), "months")
    lake = house.lake

    @lake.asset(version="1")
    def total(months: pl.LazyFrame) -> pl.LazyFrame:
        return months.select(n=pl.len().cast(pl.Int64))

    @lake.asset(partitions=LISTED, version="1", upstream={"months": All()})
    def shares(months: pl.LazyFrame, partition: Any) -> pl.LazyFrame:
        return months.select(n=pl.len().cast(pl.Int64))

    outcome = house.make()
    assert messages(outcome) == {}
    assert found(outcome, "months") == {"2018-11": "created", "2018-12": "created"}
    house.now = datetime(2019, 2, 1, tzinfo=UTC)
    assert house.states("total") == {"all": "stale"}, "one more month has ended"
    assert found(house.make(), "months") == {"2018-11": "fresh", "2018-12": "fresh", "2019-01": "created"}


def test_rolling_windows_are_the_window_sums_of_another_engine(house: Warehouse) -> None:
    lake = house.lake
    house.asset(Weekly("2018-W50", "2019-W06"), "weekly")

    @lake.asset(partitions=Weekly("2018-W50", "2019-W06"), upstream={"weekly": Periods(-2, 0)}, version="1")
    def rolling(weekly: pl.LazyFrame) -> pl.LazyFrame:
        return weekly.group_by("partition_date").agg(
            n=pl.len().cast(pl.Int64),
            total=pl.col("amount").sum(),
            weeks=pl.col("upstream_partition_date").unique().sort().str.join(" "),
        )

    outcome = house.make()
    expected = house.raw(
        "WITH w AS (SELECT strftime(moment, '%G-W%V') AS week, count(*) AS n, sum(amount) AS total FROM events"
        " WHERE moment >= '2018-12-10' AND moment < '2019-02-04' GROUP BY 1)"
        " SELECT week, sum(n) OVER three, sum(total) OVER three, string_agg(week, ' ') OVER three FROM w"
        " WINDOW three AS (ORDER BY week ROWS BETWEEN 2 PRECEDING AND CURRENT ROW)"
    )
    assert sorted(house.published("rolling", "partition_date", "n", "total", "weeks")) == sorted(expected)
    first = next(result for result in outcome.results if result.asset == "rolling")
    assert (first.inputs["weekly"].keys, first.inputs["weekly"].absent) == ("2018-W50", "before 2018-W50")
    # A row of one week concerns this week and the two after it.
    house.write([*ROWS, (9001, datetime(2019, 1, 2, 12), date(2019, 1, 2), "eu", 5)])  # noqa: DTZ001
    house.make(assets=["weekly"])
    assert house.stale("rolling") == ["2019-W01", "2019-W02", "2019-W03"]


def test_rolling_windows_over_a_source_are_cut_by_its_time(house: Warehouse) -> None:
    lake = house.lake

    @lake.asset(
        partitions=LISTED * Daily("2019-01-01", "2019-01-08"), upstream={"events": Periods(-1, 0)}, version="1"
    )
    def rolling(events: pl.LazyFrame) -> pl.LazyFrame:
        return events.group_by("region", "partition_date").agg(
            n=pl.len().cast(pl.Int64), days=pl.col("upstream_partition_date").min()
        )

    house.make()
    expected = house.raw(
        "SELECT region, strftime(d, '%Y-%m-%d'), count(*), strftime(min(moment), '%Y-%m-%d')"
        " FROM events JOIN range(TIMESTAMP '2019-01-01', TIMESTAMP '2019-01-08', INTERVAL 1 DAY) AS days(d)"
        " ON moment >= d - INTERVAL 1 DAY AND moment < d + INTERVAL 1 DAY"
        " WHERE region IN ('us', 'eu') GROUP BY region, d"
    )
    assert Counter(house.published("rolling", "region", "partition_date", "n", "days")) == Counter(expected)


def test_a_month_over_weeks_reads_every_week_that_touches_it(house: Warehouse) -> None:
    lake = house.lake
    house.asset(Weekly("2018-W50", "2019-W06"), "weekly")

    @lake.asset(partitions=Monthly("2019-01", "2019-02"), version="1")
    def one(weekly: pl.LazyFrame) -> pl.LazyFrame:
        return weekly.group_by("partition_date").agg(n=pl.len().cast(pl.Int64))

    @lake.asset(partitions=Monthly("2018-12", "2019-02"), version="1")
    def touching(weekly: pl.LazyFrame) -> pl.LazyFrame:
        return weekly.group_by("partition_date").agg(n=pl.len().cast(pl.Int64))

    house.make()
    expected = house.raw(
        "SELECT m, count(*) FROM events JOIN (VALUES ('2018-12', '2018-12-10', '2019-01-07'),"
        " ('2019-01', '2018-12-31', '2019-02-04')) AS months(m, a, b) ON moment >= CAST(a AS TIMESTAMP)"
        " AND moment < CAST(b AS TIMESTAMP) GROUP BY m"
    )
    assert sorted(house.published("touching", "partition_date", "n")) == sorted(expected)
    assert house.published("one", "partition_date", "n") == [row for row in expected if row[0] == "2019-01"]


def test_with_its_time_a_month_over_weeks_has_exactly_its_own_rows(house: Warehouse) -> None:
    lake = house.lake

    @lake.asset(partitions=Weekly("2018-W50", "2019-W06"), time="moment", version="1")
    def weekly(events: pl.LazyFrame) -> pl.LazyFrame:
        return events.select("partition_date", "id", "moment")

    @lake.asset(partitions=Monthly("2018-12", "2019-02"), version="1")
    def cut(weekly: pl.LazyFrame) -> pl.LazyFrame:
        return weekly.select("partition_date", "id", week="upstream_partition_date")

    outcome = house.make()
    assert outcome.notes.get("cut", []) == [], "made in one pass"
    expected = house.raw(
        "SELECT strftime(moment, '%Y-%m'), id, strftime(moment, '%G-W%V') FROM events"
        " WHERE moment >= '2018-12-10' AND moment < '2019-02-01'"
    )
    assert Counter(house.published("cut", "partition_date", "id", "week")) == Counter(expected)


def test_upstream_keys_stand_beside_the_own_through_three_levels(house: Warehouse) -> None:
    """A column that an asset took over from its upstream's name does not stand in the way of the next."""
    daily_and_monthly(house)
    lake = house.lake

    @lake.asset(partitions=Monthly("2018-12", "2019-02"), version="1")
    def detailed(daily: pl.LazyFrame) -> pl.LazyFrame:
        return daily.select("partition_date", "upstream_partition_date", "n")

    @lake.asset(partitions=Yearly("2018", "2020"), version="1")
    def yearly(detailed: pl.LazyFrame) -> pl.LazyFrame:
        return detailed.group_by("partition_date").agg(n=pl.col("n").sum())

    outcome = house.make("2018", assets=["yearly"])
    assert "yearly 2018" in messages(outcome)
    assert "upstream_partition_date" in messages(outcome)["yearly 2018"]


def test_latest_and_keys_and_all_bring_the_same_rows_to_every_key(house: Warehouse) -> None:
    lake = house.lake
    house.asset(Monthly("2018-12", "2019-03"), "months")

    @lake.asset(partitions=LISTED, upstream={"months": Latest()}, version="1")
    def latest(months: pl.LazyFrame, partition: Any) -> pl.LazyFrame:
        return months.select(n=pl.len().cast(pl.Int64))

    @lake.asset(
        partitions=Daily("2019-01-01", "2019-01-03"), upstream={"months": Keys(["2018-12", "2019-02"])}, version="1"
    )
    def named(months: pl.LazyFrame, partition: Any) -> pl.LazyFrame:
        return months.select(n=pl.len().cast(pl.Int64))

    outcome = house.make()
    assert messages(outcome) == {}
    counts = dict(house.raw("SELECT strftime(moment, '%Y-%m'), count(*) FROM events GROUP BY 1"))
    assert {*house.published("latest", "region", "n")} == {("us", counts["2019-02"]), ("eu", counts["2019-02"])}
    both = counts["2018-12"] + counts["2019-02"]
    assert {*house.published("named", "partition_date", "n")} == {("2019-01-01", both), ("2019-01-02", both)}


def test_latest_of_what_has_no_time_itself_is_the_last_window_too(house: Warehouse) -> None:
    house.asset(Monthly("2018-12", "2019-03"), "months")
    lake = house.lake

    @lake.asset(upstream={"months": Latest()}, version="1")
    def newest(months: pl.LazyFrame) -> pl.LazyFrame:
        return months.select(n=pl.len().cast(pl.Int64))

    house.make()
    ((count,),) = house.raw("SELECT count(*) FROM events WHERE moment >= '2019-02-01' AND moment < '2019-03-01'")
    assert house.published("newest", "n") == [(count,)]


def test_a_view_over_assets_sees_all_that_was_made(house: Warehouse) -> None:
    house.asset(Monthly("2018-12", "2019-02"), "months")
    lake = house.lake

    @lake.view
    def counts(months: pl.LazyFrame) -> pl.LazyFrame:
        return months.group_by("partition_date").agg(n=pl.len().cast(pl.Int64))

    @lake.asset(partitions=Monthly("2018-12", "2019-02"), upstream={"counts": All()}, version="1")
    def share(counts: pl.LazyFrame, partition: Any) -> pl.LazyFrame:
        return counts.select(
            pl.col("n").sum(), own=(pl.col("n").filter(pl.col("partition_date") == partition.key)).sum()
        )

    @lake.asset(partitions=Monthly("2018-12", "2019-02"), version="1")
    def own(counts: pl.LazyFrame) -> pl.LazyFrame:
        return counts

    house.make()
    expected = dict(
        house.raw(
            "SELECT strftime(moment, '%Y-%m'), count(*) FROM events"
            " WHERE moment >= '2018-12-01' AND moment < '2019-02-01' GROUP BY 1"
        )
    )
    total = sum(expected.values())
    assert {*house.published("share", "partition_date", "n", "own")} == {(k, total, n) for k, n in expected.items()}
    assert dict(house.published("own", "partition_date", "n")) == expected
    assert not house.stale("own")
    assert not house.stale("share")


def test_products_read_upstreams_of_fewer_and_of_more_dimensions(house: Warehouse) -> None:
    lake = house.lake
    house.asset(LISTED * Daily("2018-12-30", "2019-01-03"), "fine")
    house.asset(LISTED, "regional")

    @lake.asset(partitions=Monthly("2018-12", "2019-02") * LISTED, version="1")
    def both(fine: pl.LazyFrame, regional: pl.LazyFrame) -> pl.LazyFrame:
        counts = regional.group_by("region").agg(everywhere=pl.len().cast(pl.Int64))
        return fine.group_by("partition_date", "region").agg(n=pl.len().cast(pl.Int64)).join(counts, on="region")

    @lake.asset(partitions=Monthly("2018-12", "2019-02"), version="1")
    def summed(fine: pl.LazyFrame) -> pl.LazyFrame:
        return fine.group_by("partition_date", "region").agg(n=pl.len().cast(pl.Int64))

    @lake.asset(version="1")
    def whole(fine: pl.LazyFrame) -> pl.LazyFrame:
        return fine.group_by("region", "partition_date").agg(n=pl.len().cast(pl.Int64))

    outcome = house.make()
    assert messages(outcome) == {}
    there = "region IN ('us', 'eu') AND moment >= '2018-12-30' AND moment < '2019-01-03'"
    months = house.raw(f"SELECT strftime(moment, '%Y-%m'), region, count(*) FROM events WHERE {there} GROUP BY 1, 2")  # noqa: S608
    everywhere = dict(house.raw("SELECT region, count(*) FROM events GROUP BY 1"))
    assert {*house.published("both", "partition_date", "region", "n", "everywhere")} == {
        (*row, everywhere[row[1]]) for row in months
    }
    assert {*house.published("summed", "partition_date", "region", "n")} == {*months}
    days = house.raw(f"SELECT region, strftime(moment, '%Y-%m-%d'), count(*) FROM events WHERE {there} GROUP BY 1, 2")  # noqa: S608
    assert {*house.published("whole", "region", "partition_date", "n")} == {*days}


@pytest.mark.parametrize("kind", KINDS)
def test_a_function_with_a_partition_is_called_once_a_key_with_its_rows(house: Warehouse, kind: str) -> None:
    partitions, key, there = KINDS[kind]
    seen: list[Any] = []

    @house.lake.asset(partitions=partitions, version="1")
    def counted(events: pl.LazyFrame, partition: Any) -> pl.LazyFrame:
        seen.append(partition)
        return events.select(n=pl.len().cast(pl.Int64))

    house.make()
    keys = [*house.states("counted")]
    assert [partition.key for partition in seen] == keys
    columns = partitions.columns
    counts = Counter(row[:-1] for row in house.raw(f"SELECT {key}, id FROM events WHERE {there}"))  # noqa: S608
    made = {row[:-1]: row[-1] for row in house.published("counted", *columns, "n")}
    assert made == {partitions.values(one): counts[partitions.values(one)] for one in keys}
    for partition in seen:
        assert dict(partition.values) == dict(zip(columns, partitions.values(partition.key), strict=True))
        assert (partition.start is None) == (partitions.time is None)


def test_a_source_in_hive_folders_of_others_is_read_key_by_key(tmp_path: Path) -> None:
    for day, count in {"2019-01-30": 2, "2019-01-31": 3, "2019-02-01": 4}.items():
        folder = tmp_path / "raw" / f"day={day}"
        folder.mkdir(parents=True)
        pl.DataFrame({"id": range(count)}).write_parquet(folder / "data.parquet")
    lake = Lake(tmp_path / "lake")
    lake.base, lake._clock = tmp_path, lambda: NOW
    lake.source("raw", "raw", partitions=Daily("2019-01-01", column="day"))

    @lake.asset(partitions=Monthly("2019-01", "2019-05"), version="1")
    def monthly(raw: pl.LazyFrame) -> pl.LazyFrame:
        return raw.group_by("partition_date").agg(n=pl.len().cast(pl.Int64))

    results = lake.materialize("all", on_failure="return")
    assert {result.key: result.row_count for result in results} == {
        "2019-01": 1, "2019-02": 1, "2019-03": 0, "2019-04": 0,
    }  # fmt: skip
    assert dict(lake.scan("monthly").select("partition_date", "n").collect().iter_rows()) == {
        "2019-01": 5,
        "2019-02": 4,
    }
    (damaged := tmp_path / "raw/day=2019-02-01/data.parquet").write_bytes(b"PAR1 and no more")
    assert [result.result for result in lake.materialize("2019-01")] == ["fresh"]
    damaged.unlink()
    folder = tmp_path / "raw/day=2019-03-05"
    folder.mkdir()
    pl.DataFrame({"id": [1]}).write_parquet(folder / "data.parquet")
    (status,) = lake.status()
    assert {partition.key: partition.status for partition in status.partitions} == {
        "2019-01": "fresh", "2019-02": "stale", "2019-03": "stale", "2019-04": "empty",
    }  # fmt: skip
