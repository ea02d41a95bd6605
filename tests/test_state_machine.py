"""A lake of many kinds against plain Python: whatever is done to data, code, clock and files, status tells the truth.

The model knows the rows of each source and what each function means, and works out by itself which rows a partition
has to have and whether it is fresh. The walks are the same each time; `LAKEHOUSE_EXAMPLES` asks for so many others,
and `LAKEHOUSE_STEPS` makes them longer.
"""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from lakehouse import Lake

EXAMPLES = int(os.environ.get("LAKEHOUSE_EXAMPLES", "30"))
STEPS = int(os.environ.get("LAKEHOUSE_STEPS", "12"))

MONDAY = datetime(2024, 3, 4, tzinfo=UTC)  # the very midnight on which Sunday, and the week, are over
DAYS = [
    "2024-01-30",
    "2024-01-31",
    "2024-02-01",
    "2024-02-02",
    "2024-03-02",
    "2024-03-03",
    "2024-03-04",
    "2024-03-06",
]
REGIONS = ["eu", "us", "apac"]
FOLDERS = ["2024-01-30", "2024-01-31", "2024-02-01", "2024-02-02"]
MADE = ("created", "replaced", "unchanged")

Rows = list[tuple[Any, ...]]
Row = tuple[int, str, str, int]  # id, day, region, amount; an empty text is a null
Node = tuple[str, str]  # an asset and a key
Upstream = Mapping[str, Mapping[str, Rows]]
Keys = Callable[..., list[str]]  # of a model, with or without the window that still runs


# What there is beside the lake


@dataclass
class World:
    """Sources, code and clock, as plain values."""

    rows: list[Row]
    prices: list[tuple[str, int]]
    events: dict[str, dict[str, list[int]]]
    rate: int = 2
    code: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(["SCALE", "helper", "view", "stage", "query", "comment"], 1)
    )
    days: int = 3
    months: int = 2
    categories: list[str] = field(default_factory=lambda: ["us", "eu"])
    listed: set[str] = field(default_factory=set)
    now: datetime = MONDAY
    broken: str = ""

    def write(self, folder: Path) -> None:
        """The files, as they are now."""
        lines = "".join(f"{','.join(map(str, row))}\n" for row in self.rows)
        (folder / "raw.csv").write_text(f"id,day,region,amount\n{lines}")
        lines = "".join(f"{region},{price}\n" for region, price in self.prices)
        (folder / "prices.csv").write_text(f"region,price\n{lines}")
        (folder / "rate.txt").write_text(str(self.rate))
        (folder / "broken.txt").write_text(self.broken)
        shutil.rmtree(folder / "events", ignore_errors=True)
        for day, files in self.events.items():
            (folder / f"events/day={day}").mkdir(parents=True)
            for name, numbers in files.items():
                text = "".join(f"{number}\n" for number in numbers)
                (folder / f"events/day={day}/{name}.csv").write_text(f"n\n{text}")


# What is declared, and what it means. Each asset stands once as code of a lakefile, and once as plain Python.

HEAD = """\
import polars as pl
from lakehouse import All, Categories, Daily, Dynamic, Lake, Latest, Monthly, Periods, Weekly

lake = Lake("lake")
"""
SOURCES = """
FOLDER = {folder!r}
SCALE = {SCALE}
lake.source(
    "raw", "raw.csv", track="rows", time="day", nullable=["day", "region"],
    schema={{"id": pl.Int64, "day": pl.Date, "region": pl.String, "amount": pl.Int64}},
)
lake.source("prices", "prices.csv", schema={{"region": pl.String, "price": pl.Int64}})
lake.source(
    "events", "events", partitions=Daily("2024-01-30", end="2024-03-01", column="day"), format="csv",
    schema={{"n": pl.Int64}},
)


def rate_of_now():
    with open(FOLDER + "/rate.txt") as file:
        return file.read()


@lake.source(version=rate_of_now)
def rates() -> pl.DataFrame:
    return pl.DataFrame({{"rate": [int(rate_of_now())]}})


def is_broken(key):
    with open(FOLDER + "/broken.txt") as file:
        return file.read() == key


def innermost(frame):
    return pl.col("amount").sum() * 1 + {helper}


def helper(frame):
    {remark}
    return innermost(frame)


@lake.view(time="day")
def priced(raw: pl.LazyFrame, prices: pl.LazyFrame) -> pl.LazyFrame:
    {remark}
    return raw.join(prices, on="region").with_columns(value=pl.col("amount") * pl.col("price") + {view})


"""
COUNT = "n=pl.len().cast(pl.Int64)"


@dataclass(frozen=True, kw_only=True)
class Kind:
    """An asset as it is declared, and as the model understands it.

    Attributes:
        text: its code.
        code: what of the world's code it is made of.
        partitions: its keys, from the model; with or without the window that still runs.
        reads: by upstream asset, whether a key reads one of its keys by the rule.
        through_view: upstream assets of which a view sees all that was made.
        facts: what of the sources decides one key.
        rows: what the function means.
        end: the end of a key's window.
    """

    text: str
    code: tuple[str, ...] = ()
    partitions: Keys
    reads: Mapping[str, Callable[[Model, str, str], bool]] = field(default_factory=dict)
    through_view: tuple[str, ...] = ()
    facts: Callable[[World, str], Any] = lambda world, key: None  # noqa: ARG005
    rows: Callable[[World, str, Upstream], Rows]
    end: Callable[[str], datetime | None] = lambda key: None  # noqa: ARG005
    columns: tuple[str, ...] = ("partition_date",)


@cache
def midnight(day: str) -> datetime:
    return datetime.fromisoformat(day).replace(tzinfo=UTC)


def span(first: str, end: datetime) -> list[str]:
    """The days from one to an instant, those that have begun by then."""
    count = -((midnight(first) - end) // timedelta(days=1))
    return [str((midnight(first) + timedelta(days=number)).date()) for number in range(count)]


def ended(days: list[str], now: datetime, *, running: bool) -> list[str]:
    return [day for day in days if running or midnight(day) + timedelta(days=1) <= now]


def week(day: str) -> str:
    year, number, _ = date.fromisoformat(day).isocalendar()
    return f"{year}-W{number:02}"


def week_end(key: str) -> datetime:
    return midnight(str(date.fromisocalendar(int(key[:4]), int(key[6:]), 7))) + timedelta(days=1)


def next_day(key: str) -> datetime:
    return midnight(key) + timedelta(days=1)


def month_end(key: str) -> datetime:
    return midnight(f"2024-{int(key[5:]) + 1:02}-01")


def closed_days(model: Model, *, running: bool) -> list[str]:  # noqa: ARG001
    return DAYS[: model.world.days]


def closed_months(model: Model, *, running: bool) -> list[str]:
    found = [f"2024-{number:02}" for number in range(1, model.world.months + 1)]
    return [key for key in found if running or month_end(key) <= model.world.now]


def open_days(model: Model, *, running: bool) -> list[str]:
    now = model.world.now
    return ended(span("2024-03-02", now + timedelta(microseconds=1)), now, running=running)


def open_weeks(model: Model, *, running: bool) -> list[str]:
    now = model.world.now
    weeks = dict.fromkeys(week(day) for day in span("2024-02-19", now + timedelta(microseconds=1)))
    return [key for key in weeks if running or week_end(key) <= now]


def by_month(model: Model, key: str, day: str) -> bool:  # noqa: ARG001
    return day[:7] == key


def every(model: Model, key: str, upper: str) -> bool:  # noqa: ARG001
    return True


def same(model: Model, key: str, upper: str) -> bool:  # noqa: ARG001
    return upper == key


def of_day(world: World, key: str) -> Rows:
    return sorted(row for row in world.rows if row[1] == key)


def of_region(world: World, key: str) -> Rows:
    return sorted(row for row in world.rows if row[2] == key)


def counted(rows: Sequence[tuple[Any, ...]], *values: int) -> Rows:
    """One row of a count and sums, where there is anything to count."""
    return [(len(rows), *values)] if rows else []


def total(rows: Iterable[Row]) -> int:
    return sum(row[3] for row in rows)


def all_n(upstream: Mapping[str, Rows]) -> list[int]:
    return [row[0] for rows in upstream.values() for row in rows]


def summed(upstream: Mapping[str, Rows], *more: int) -> Rows:
    numbers = all_n(upstream)
    return [(sum(numbers), *more)] if numbers else []


def priced(world: World, key: str) -> Rows:
    region, month = (part.partition("=")[2] for part in key.split("/"))
    mine = [row for row in world.rows if row[2] == region and row[1][:7] == month]
    return sorted(
        (*row, price, row[3] * price + world.code["view"])
        for row in mine
        for other, price in world.prices
        if other == region
    )


def regional_keys(model: Model, *, running: bool) -> list[str]:
    months = closed_months(model, running=running)
    return [f"region={region}/partition_date={key}" for region in model.world.categories for key in months]


def found_upstream(model: Model, *, running: bool) -> list[str]:  # noqa: ARG001
    made = {key.split("/")[0].partition("=")[2] for name, key in model.made if name == "regional"}
    return sorted(made & {*model.world.categories})


def folders(world: World, days: Iterable[str]) -> Any:
    return [(day, sorted(world.events[day].items())) for day in days if day in world.events]


def event_numbers(world: World, days: Iterable[str]) -> list[int]:
    return [number for day in days for numbers in world.events.get(day, {}).values() for number in numbers]


def month_of_events(world: World, key: str) -> list[str]:
    return [day for day in sorted(world.events) if day[:7] == key and day < "2024-03-01"]


def event_month(world: World, key: str, _: Upstream) -> Rows:
    numbers = event_numbers(world, month_of_events(world, key))
    return [(sum(numbers) * world.rate + sum(price for _, price in world.prices),)] if numbers else []


DAYS_TEXT, MONTHS_TEXT = 'Daily("2024-01-30", end="{end_day}")', 'Monthly("2024-01", end="{end_month}")'
OF_RAW = f'raw.group_by("partition_date").agg({COUNT}, total=pl.col("amount").sum())'

KINDS: dict[str, Kind] = {
    "daily": Kind(
        text=f"""@lake.asset(partitions={DAYS_TEXT})
def daily(raw: pl.LazyFrame) -> pl.LazyFrame:
    {{remark}}
    return raw.group_by("partition_date").agg({COUNT}, total=pl.col("amount").sum() * SCALE)""",
        code=("SCALE",),
        partitions=closed_days,
        facts=of_day,
        rows=lambda world, key, _: counted(of_day(world, key), total(of_day(world, key)) * world.code["SCALE"]),
        end=next_day,
    ),
    "per_day": Kind(
        text=f"""@lake.asset(partitions={DAYS_TEXT})
def per_day(raw: pl.LazyFrame, partition) -> pl.LazyFrame:
    if is_broken(partition.key):
        raise ValueError("no such luck")
    return raw.select({COUNT}, total=helper(raw))""",
        code=("helper",),
        partitions=closed_days,
        facts=of_day,
        rows=lambda world, key, _: [(len(of_day(world, key)), total(of_day(world, key)) + world.code["helper"])],
        end=next_day,
    ),
    "doubled": Kind(
        text=f"""lake.sql(
    "doubled", "select partition_date, n * {{query}} as n -- {{comment}}\\n from daily", partitions={DAYS_TEXT}
)""",  # noqa: S608  the test's own query
        code=("query",),
        partitions=closed_days,
        reads={"daily": same},
        rows=lambda world, key, up: [(n * world.code["query"],) for n in all_n(up["daily"])],  # noqa: ARG005
        end=next_day,
    ),
    "staged": Kind(
        text=f"""@lake.view
def stage(daily: pl.LazyFrame) -> pl.LazyFrame:
    return daily.select("partition_date", pl.col("n") + {{stage}})


@lake.asset(partitions={DAYS_TEXT})
def staged(stage: pl.LazyFrame) -> pl.LazyFrame:
    return stage""",
        code=("stage",),
        partitions=closed_days,
        reads={"daily": same},
        through_view=("daily",),
        rows=lambda world, key, up: [(row[0] + world.code["stage"],) for row in up["daily"].get(key, [])],
        end=next_day,
    ),
    "monthly": Kind(
        text=f"""@lake.asset(partitions={MONTHS_TEXT})
def monthly(daily: pl.LazyFrame) -> pl.LazyFrame:
    days = pl.col("upstream_partition_date").n_unique().cast(pl.Int64)
    return daily.group_by("partition_date").agg(pl.col("n").sum(), days=days)""",
        partitions=closed_months,
        reads={"daily": by_month},
        rows=lambda world, key, up: summed(up["daily"], sum(bool(rows) for rows in up["daily"].values())),  # noqa: ARG005
        end=month_end,
    ),
    "after": Kind(
        text=f"""@lake.asset(partitions={MONTHS_TEXT})
def after(per_day: pl.LazyFrame) -> pl.LazyFrame:
    return per_day.group_by("partition_date").agg(pl.col("n").sum())""",
        partitions=closed_months,
        reads={"per_day": by_month},
        rows=lambda world, key, up: summed(up["per_day"]),  # noqa: ARG005
        end=month_end,
    ),
    "rolling": Kind(
        text=f"""@lake.asset(partitions={MONTHS_TEXT}, upstream={{{{"monthly": Periods(-1, 0)}}}})
def rolling(monthly: pl.LazyFrame) -> pl.LazyFrame:
    return monthly.group_by("partition_date").agg(pl.col("n").sum())""",
        partitions=closed_months,
        reads={"monthly": lambda model, key, month: int(key[5:]) - 1 <= int(month[5:]) <= int(key[5:])},  # noqa: ARG005
        rows=lambda world, key, up: summed(up["monthly"]),  # noqa: ARG005
        end=month_end,
    ),
    "totals": Kind(
        text="""@lake.asset
def totals(monthly: pl.LazyFrame) -> pl.LazyFrame:
    return monthly.select(pl.col("n").sum())""",
        partitions=lambda model, running: ["all"],  # noqa: ARG005
        reads={"monthly": every},
        rows=lambda world, key, up: [(sum(all_n(up["monthly"])),)],  # noqa: ARG005
        columns=(),
    ),
    "shares": Kind(
        text="""@lake.asset(partitions=Categories("region", {categories}), upstream={{"monthly": All()}})
def shares(monthly: pl.LazyFrame, raw: pl.LazyFrame, partition) -> pl.LazyFrame:
    return monthly.select(pl.col("n").sum()).join(raw.select(own=pl.len().cast(pl.Int64)), how="cross")""",
        partitions=lambda model, running: list(model.world.categories),  # noqa: ARG005
        reads={"monthly": every},
        facts=of_region,
        rows=lambda world, key, up: [(sum(all_n(up["monthly"])), len(of_region(world, key)))],
        columns=("region",),
    ),
    "regional": Kind(
        text=f"""@lake.asset(partitions=Categories("region", {{categories}}) * {MONTHS_TEXT})
def regional(priced: pl.LazyFrame) -> pl.LazyFrame:
    return priced.group_by("region", "partition_date").agg({COUNT}, value=pl.col("value").sum())""",
        code=("view",),
        partitions=regional_keys,
        facts=priced,
        rows=lambda world, key, _: counted(priced(world, key), sum(row[-1] for row in priced(world, key))),
        end=lambda key: month_end(key.rpartition("=")[2]),
        columns=("region", "partition_date"),
    ),
    "regions": Kind(
        text="""@lake.asset(partitions=Dynamic("region", discover=True))
def regions(regional: pl.LazyFrame) -> pl.LazyFrame:
    return regional.group_by("region").agg(pl.col("n").sum())""",
        partitions=found_upstream,
        reads={"regional": lambda model, key, upper: upper.startswith(f"region={key}/")},  # noqa: ARG005
        rows=lambda world, key, up: summed(up["regional"]),  # noqa: ARG005
        columns=("region",),
    ),
    "found": Kind(
        text=f"""@lake.asset(partitions=Dynamic("region", discover=True))
def found(raw: pl.LazyFrame) -> pl.LazyFrame:
    return raw.group_by("region").agg({COUNT}, total=helper(raw))""",
        code=("helper",),
        partitions=lambda model, running: sorted({row[2] for row in model.world.rows} - {""}),  # noqa: ARG005
        facts=of_region,
        rows=lambda world, key, _: counted(
            of_region(world, key), total(of_region(world, key)) + world.code["helper"]
        ),
        columns=("region",),
    ),
    "refound": Kind(
        text="""@lake.asset(partitions=Dynamic("region", discover=True))
def refound(found: pl.LazyFrame) -> pl.LazyFrame:
    return found.select("region", pl.col("n") + 1)""",
        partitions=lambda model, running: sorted(
            {key for name, key in model.made if name == "found"} & {*model.keys("found", running=running)}
        ),
        reads={"found": same},
        rows=lambda world, key, up: [(n + 1,) for n in all_n(up["found"])],  # noqa: ARG005
        columns=("region",),
    ),
    "listed": Kind(
        text=f"""@lake.asset(partitions=Dynamic("region"))
def listed(raw: pl.LazyFrame) -> pl.LazyFrame:
    return raw.group_by("region").agg({COUNT})""",
        partitions=lambda model, running: sorted(model.world.listed),  # noqa: ARG005
        facts=of_region,
        rows=lambda world, key, _: counted(of_region(world, key)),
        columns=("region",),
    ),
    "event_days": Kind(
        text=f"""@lake.asset(partitions={DAYS_TEXT})
def event_days(events: pl.LazyFrame) -> pl.LazyFrame:
    return events.group_by("partition_date").agg(pl.col("n").sum())""",
        partitions=closed_days,
        facts=lambda world, key: folders(world, [key]),
        rows=lambda world, key, _: [(sum(found),)] if (found := event_numbers(world, [key])) else [],
        end=next_day,
    ),
    "event_months": Kind(
        text=f"""@lake.asset(partitions={MONTHS_TEXT})
def event_months(events: pl.LazyFrame, rates: pl.LazyFrame, prices: pl.LazyFrame) -> pl.LazyFrame:
    summed = events.group_by("partition_date").agg(pl.col("n").sum()).join(rates, how="cross")
    both = summed.join(prices.select(pl.col("price").sum()), how="cross")
    return both.select("partition_date", n=pl.col("n") * pl.col("rate") + pl.col("price"))""",
        partitions=closed_months,
        facts=lambda world, key: (folders(world, month_of_events(world, key)), world.rate, tuple(world.prices)),
        rows=event_month,
        end=month_end,
    ),
    "whole": Kind(
        text=f"""@lake.asset
def whole(raw: pl.LazyFrame) -> pl.LazyFrame:
    return raw.group_by("region").agg({COUNT})""",
        partitions=lambda model, running: ["all"],  # noqa: ARG005
        facts=lambda world, key: tuple(world.rows),  # noqa: ARG005
        rows=lambda world, key, _: [  # noqa: ARG005
            (region or None, sum(row[2] == region for row in world.rows)) for region in {row[2] for row in world.rows}
        ],
        columns=(),
    ),
    "recent": Kind(
        text=f"""@lake.asset(partitions=Daily("2024-03-02"))
def recent(raw: pl.LazyFrame) -> pl.LazyFrame:
    return {OF_RAW}""",
        partitions=open_days,
        facts=of_day,
        rows=lambda world, key, _: counted(of_day(world, key), total(of_day(world, key))),
        end=next_day,
    ),
    "current": Kind(
        text=f"""@lake.asset(partitions=Daily("2024-03-02", include_current=True))
def current(raw: pl.LazyFrame) -> pl.LazyFrame:
    return {OF_RAW}""",
        partitions=lambda model, running: open_days(model, running=True),  # noqa: ARG005
        facts=of_day,
        rows=lambda world, key, _: counted(of_day(world, key), total(of_day(world, key))),
        end=next_day,
    ),
    "weekly": Kind(
        text="""@lake.asset(partitions=Weekly("2024-W08"))
def weekly(recent: pl.LazyFrame) -> pl.LazyFrame:
    return recent.group_by("partition_date").agg(pl.col("n").sum())""",
        partitions=open_weeks,
        reads={"recent": lambda model, key, day: week(day) == key},  # noqa: ARG005
        rows=lambda world, key, up: summed(up["recent"]),  # noqa: ARG005
        end=week_end,
    ),
    "newest": Kind(
        text="""@lake.asset(upstream={{"recent": Latest()}})
def newest(recent: pl.LazyFrame) -> pl.LazyFrame:
    return recent.select(pl.col("n").sum())""",
        partitions=lambda model, running: ["all"],  # noqa: ARG005
        reads={"recent": lambda model, key, day: day in open_days(model, running=False)[-1:]},  # noqa: ARG005
        rows=lambda world, key, up: [(sum(all_n(up["recent"])),)],  # noqa: ARG005
        columns=(),
    ),
}


def with_upstream(names: Iterable[str]) -> list[str]:
    """These assets and what they are made of, in the order of declaration."""
    found, pending = set[str](), [*names]
    while pending:
        name = pending.pop()
        found.add(name)
        pending += KINDS[name].reads
    return [name for name in KINDS if name in found]


# What the model knows of the lake


@dataclass(frozen=True)
class Made:
    """A partition as it was published."""

    rows: Rows
    of: Any
    at: datetime


@dataclass
class Model:
    """What was made, of what, and what became of the files."""

    world: World
    names: list[str]
    made: dict[Node, Made] = field(default_factory=dict)
    failed: set[Node] = field(default_factory=set)
    absent: set[Node] = field(default_factory=set)
    foreign: set[Node] = field(default_factory=set)
    _told: dict[Node, str] = field(default_factory=dict)

    def forget(self) -> None:
        self._told.clear()

    def keys(self, name: str, *, running: bool = False) -> list[str]:
        return KINDS[name].partitions(self, running=running)

    def reads(self, name: str, key: str) -> dict[str, list[str]]:
        """The upstream keys that a key reads: those that were made, and those that are due by now."""
        runs, found = key not in self.keys(name), {}
        for upper, is_read in KINDS[name].reads.items():
            there = {*self.keys(upper, running=runs and bool(KINDS[name].end(key)))}
            made = {one for other, one in self.made if other == upper}  # also what nothing declares any longer
            wanted = {one for one in there | made if is_read(self, key, one)}
            found[upper] = sorted(wanted | made if upper in KINDS[name].through_view else wanted)
        return found

    def rows(self, name: str, key: str) -> Rows:
        """What a partition has to hold, by what is published upstream."""
        found = {
            upper: {one: self.made[upper, one].rows for one in keys if (upper, one) in self.made}
            for upper, keys in self.reads(name, key).items()
        }
        return in_order(KINDS[name].rows(self.world, key, found))

    def through(self, name: str, key: str) -> Rows:
        """What a partition has to hold, made anew from the sources up; what nothing declares stays as it is."""
        found: dict[str, dict[str, Rows]] = {}
        for upper, keys in self.reads(name, key).items():
            declared = {*self.keys(upper, running=True)}
            found[upper] = {
                one: self.through(upper, one) if one in declared else self.made[upper, one].rows for one in keys
            }
        return in_order(KINDS[name].rows(self.world, key, found))

    def made_of(self, name: str, key: str) -> Any:
        """All that decides a partition's rows."""
        code = tuple(self.world.code[part] for part in KINDS[name].code)
        upstream = [
            (upper, one, self.made[upper, one].rows)
            for upper, keys in self.reads(name, key).items()
            for one in keys
            if (upper, one) in self.made
        ]
        return code, KINDS[name].facts(self.world, key), upstream

    def status(self, name: str, key: str) -> str:
        node = name, key
        if node not in self._told:
            self._told[node] = self._status(node)
        return self._told[node]

    def _status(self, node: Node) -> str:
        if node in self.foreign:
            return "unrecorded"
        if node not in self.made or node in self.absent:
            return "missing"
        name, key = node
        if key not in self.keys(name, running=True):
            return "orphaned"
        made, end = self.made[node], KINDS[name].end(key)
        is_stale = (
            made.of != self.made_of(name, key)
            or (end is not None and made.at < end <= self.world.now)
            or any(self.is_due(upper, one) for upper, keys in self.reads(name, key).items() for one in keys)
        )
        return "stale" if is_stale else "fresh" if made.rows else "empty"

    def is_due(self, name: str, key: str) -> bool:
        """Whether it is made, if that is asked for; what the definition does not have is not."""
        is_fresh = self.status(name, key) in ("fresh", "empty") and (name, key) not in self.failed
        return key in self.keys(name, running=True) and not is_fresh

    def listing(self) -> dict[Node, str]:
        """What status has to say."""
        found = {(name, key): self.status(name, key) for name in self.names for key in self.keys(name)}
        rest = {node: self.status(*node) for node in self.made if node not in found}
        return found | {node: status for node, status in rest.items() if status == "orphaned"}


def in_order(rows: Rows) -> Rows:
    return sorted(rows, key=repr)


# The walk

DAY, REGION, FILE = st.sampled_from(DAYS), st.sampled_from(REGIONS), st.sampled_from(["a", "b"])
FRESH = ("fresh", "empty")


class Walk(RuleBasedStateMachine):
    """Something happens to sources, code, clock, definitions or files; or a part of the lake is made."""

    project: Any  # set by the test: makes a new project for each walk

    def __init__(self) -> None:
        super().__init__()
        self.files = type(self).project()
        self.folder: Path = self.files.folder
        self.numbers = itertools.count(100)
        rows = [(number, day, "eu" if number % 2 else "us", number) for number, day in enumerate([*DAYS, ""], 1)]
        events = {day: {"a": [1, 2]} for day in FOLDERS[:2]}
        self.world = World(rows, [("eu", 3), ("us", 4)], events)
        self.model = Model(self.world, [])
        self.seen: dict[Node, tuple[tuple[int, ...], bytes]] = {}
        self.lake: Lake | None = None
        self.is_sound = False  # whether all held after the last step

    @initialize(
        names=st.sets(st.sampled_from([*KINDS]), min_size=3, max_size=7),
        broken=st.sampled_from(["", "", DAYS[0]]),
        is_made=st.sampled_from([True, True, True, False]),
    )
    def declare(self, names: set[str], broken: str, is_made: bool) -> None:  # noqa: FBT001
        """Some assets; most often they have been made."""
        self.model.names, self.world.broken = with_upstream(names), broken
        self.changed()
        if is_made:
            self.run(None, "all")

    def changed(self, *, is_written: bool = True) -> None:
        """What was done is done: the files are written, and the next command is a new one."""
        self.is_sound = False
        if is_written:
            self.world.write(self.folder)
        self.model.forget()
        self.load()

    def load(self) -> Lake:
        world = self.world
        values = {
            **world.code,
            "folder": str(self.folder),
            "remark": f"# remark {world.code['comment']}",
            "end_day": DAYS[world.days] if world.days < 4 else "2024-02-03",
            "end_month": f"2024-{world.months + 1:02}",
            "categories": repr(world.categories),
        }
        text = "\n\n\n".join([SOURCES, *(KINDS[name].text for name in self.model.names)])
        self.files.now = world.now
        self.lake = self.files.load(text.format(**values), HEAD)
        return self.lake

    # Sources

    @rule(
        day=st.sampled_from([*DAYS, "", "2023-05-01"]),
        region=st.sampled_from([*REGIONS, ""]),
        amount=st.integers(0, 3),
    )
    def append(self, day: str, region: str, amount: int) -> None:
        self.world.rows.append((next(self.numbers), day, region, amount))
        self.changed()

    @precondition(lambda self: self.world.rows)
    @rule(data=st.data(), change=st.sampled_from(["amount", "day", "region", "remove", "double", "part"]))
    def change(self, data: st.DataObject, change: str) -> None:
        """One row is another, elsewhere, gone, there three times, or in two parts."""
        rows = self.world.rows
        place = data.draw(st.integers(0, len(rows) - 1))
        number, day, region, amount = rows.pop(place)
        if change == "amount":
            rows.insert(place, (number, day, region, amount + 1))
        elif change == "day":
            rows.insert(place, (number, data.draw(DAY), region, amount))
        elif change == "region":
            rows.insert(place, (number, day, data.draw(REGION), amount))
        elif change == "double":
            rows += [(number, day, region, amount)] * 3
        elif change == "part":
            rows[place:place] = [(number, day, region, amount), (number, day, region, 0)]
        self.changed()

    @rule(data=st.data(), what=st.sampled_from(["price", "event", "no event", "rate"]))
    def supply(self, data: st.DataObject, what: str) -> None:
        """Something changes in the other sources."""
        world = self.world
        if what == "price":
            region, price = data.draw(REGION), data.draw(st.integers(1, 3))
            world.prices = [*(item for item in world.prices if item[0] != region), (region, price)]
        elif what == "event":
            day, name = data.draw(st.sampled_from([*FOLDERS, "2024-02-20", "2024-05-05"])), data.draw(FILE)
            world.events.setdefault(day, {})[name] = [data.draw(st.integers(0, 2))]
        elif what == "rate":
            world.rate += 1
        elif len(world.events) > 1:
            day = data.draw(st.sampled_from(sorted(world.events)))
            del world.events[day][data.draw(st.sampled_from(sorted(world.events[day])))]
            if not world.events[day]:
                del world.events[day]
        self.changed()

    @rule(what=st.sampled_from(["the same bytes", "other times", "a comment", "no cache", "another order"]))
    def fidget(self, what: str) -> None:
        """Something that makes nothing stale."""
        if what == "other times":
            for path in [*self.folder.glob("*.csv"), *self.folder.glob("events/*/*.csv")]:
                os.utime(path, (1_600_000_000, 1_600_000_000))
        elif what == "a comment":
            self.world.code["comment"] += 1
        elif what == "no cache":
            shutil.rmtree(self.folder / "lake/.lake/cache", ignore_errors=True)
        elif what == "another order":
            self.world.rows.reverse()
        self.harmless(but=["whole"] if what == "another order" else [], is_written=what != "other times")

    # Code, definitions, clock

    @rule(data=st.data())
    def edit(self, data: st.DataObject) -> None:
        """A constant, a helper two calls away, a view or a query is another."""
        parts = sorted({part for name in self.model.names for part in KINDS[name].code})
        if parts:
            self.world.code[data.draw(st.sampled_from(parts))] += 1
            self.changed()

    @rule(days=st.integers(2, 4), months=st.integers(1, 3))
    def extend(self, days: int, months: int) -> None:
        """The end is later, or earlier."""
        self.world.days, self.world.months = days, months
        self.harmless(but=READERS_OF_WINDOWS)

    @rule(categories=st.permutations(REGIONS), count=st.integers(1, 3))
    def categorize(self, categories: list[str], count: int) -> None:
        """More categories, fewer, or in another order."""
        self.world.categories = categories[:count]
        self.harmless()

    @precondition(lambda self: "listed" in self.model.names)
    @rule(region=REGION, add=st.booleans())
    def enlist(self, region: str, add: bool) -> None:  # noqa: FBT001
        """A key is added to the list, or taken from it."""
        lake = self.load()
        if add:
            assert lake.add_partitions("listed", [region]) == [region] * (region not in self.world.listed)
            self.world.listed.add(region)
        else:
            assert lake.remove_partitions("listed", [region]) == [region] * (region in self.world.listed)
            self.world.listed.discard(region)
        self.changed()

    @precondition(lambda self: self.world.now < MONDAY + timedelta(days=8))
    @rule(hours=st.sampled_from([12, 24, 24, 48, 72]))
    def wait(self, hours: int) -> None:
        self.world.now += timedelta(hours=hours)
        self.changed()

    # Files

    @precondition(lambda self: self.model.made)
    @rule(data=st.data(), what=st.sampled_from(["remove", "replace"]))
    def tamper(self, data: st.DataObject, what: str) -> None:
        node = data.draw(st.sampled_from(sorted(self.model.made)))
        self.file(node).unlink(missing_ok=True)
        self.model.absent.discard(node)
        self.model.foreign.discard(node)
        self.seen.pop(node, None)
        if what == "remove":
            self.model.absent.add(node)
        else:
            pl.DataFrame({"stranger": [7]}).write_parquet(self.file(node))
            self.model.foreign.add(node)
        self.model.forget()

    @rule(key=st.sampled_from(["", *DAYS[:3]]))
    def fail(self, key: str) -> None:
        """From now on a function fails for a key, whose rows are others."""
        self.world.broken = key
        if key:
            self.world.rows.append((next(self.numbers), key, "eu", 1))
        self.changed()

    def harmless(self, but: Sequence[str] = (), *, is_written: bool = True) -> None:
        """Go on after something that makes nothing stale, of all but some assets."""
        before = [node for node, status in self.model.listing().items() if status in FRESH and node[0] not in but]
        self.changed(is_written=is_written)
        for name, key in before:
            if key in self.model.keys(name):
                assert self.model.status(name, key) in FRESH, f"the model itself calls {name} {key} stale"

    # Making

    @rule(
        data=st.data(),
        force=st.sampled_from([False, False, False, True]),
        upstream=st.sampled_from([True, True, False]),
        running=st.sampled_from([None, None, True]),
    )
    def make(self, data: st.DataObject, force: bool, upstream: bool, running: bool | None) -> None:  # noqa: FBT001
        name = data.draw(st.sampled_from(self.model.names))
        keys = self.model.keys(name, running=bool(running))
        if not keys:
            return
        some = data.draw(st.lists(st.sampled_from(keys), unique=True, max_size=3))
        self.run(name, some or "all", force=force, upstream=upstream, include_current=running)

    @rule(force=st.sampled_from([False, False, True]))
    def make_all(self, force: bool) -> None:  # noqa: FBT001
        self.run(None, "all", force=force)

    def run(self, name: str | None, selection: str | list[str], **options: Any) -> dict[Node, str]:
        """Make something, hold each result against the model, and take it over."""
        self.is_sound = False
        model, force = self.model, options.get("force", False)
        running = bool(options.get("include_current"))
        picked = [name] if name else model.names
        asked = (
            {(one, key) for one in picked for key in model.keys(one, running=running)}
            if selection == "all"
            else {(name, key) for key in selection}
        )
        before = {node: self.stat(node) for node in model.made if node not in model.absent}
        results = self.load().materialize(selection, assets=[name] if name else [], on_failure="return", **options)
        found = {(result.asset, result.key): result.result for result in results}
        note(f"made {found}")
        bad: set[Node] = set()
        for result in results:
            node = result.asset, result.key
            said = f"{node} came out {result.result}: {result.error or result.reason}"
            upstream = {(upper, one) for upper, keys in model.reads(*node).items() for one in keys}
            if result.result in MADE:
                is_forced = force and node in asked
                assert is_forced or model.is_due(*node), said
                assert not upstream & bad, said
                rows, known = model.rows(*node), model.made.get(node)
                assert self.rows(node) == rows, said
                is_same = known is not None and known.rows == rows and node not in model.absent | model.foreign
                assert (result.result == "unchanged") == is_same, said
                if is_same:
                    assert self.stat(node) == before[node], said
                model.made[node] = Made(rows, model.made_of(*node), self.world.now)
                for marks in (model.failed, model.absent, model.foreign):
                    marks.discard(node)
                model.forget()
            elif result.result == "fresh":
                assert model.status(*node) in (*FRESH, "orphaned"), said
                assert node not in model.failed, said
            elif result.result == "skipped":
                assert upstream & bad or any(one not in model.made for one in upstream) or (self.is_pending(node)), (
                    said
                )
                bad.add(node)
            else:
                is_broken = node == ("per_day", self.world.broken)
                assert is_broken or node in model.foreign, said
                bad.add(node)
                if is_broken and not (node in model.foreign and not (force and node in asked)):
                    model.failed.add(node)
                    model.forget()
        assert asked - {*found} <= {node for node in asked if node[1] not in model.keys(node[0], running=running)}
        return found

    def is_pending(self, node: Node) -> bool:
        """Whether it waits for a window that is not over."""
        return node[0] == "weekly"

    @rule(force=st.booleans())
    def settle(self, force: bool) -> None:  # noqa: FBT001
        self.settled(force=force)

    def settled(self, *, force: bool) -> None:
        """Make everything; then everything is fresh, and making it again changes nothing."""
        model = self.model
        self.world.broken = ""
        self.changed()
        for node in sorted(model.foreign):
            if node[1] in model.keys(node[0]):
                self.run(node[0], [node[1]], force=True, upstream=False)
        for name, key in [node for node in model.foreign if node[1] in model.keys(node[0], running=True)]:
            self.file((name, key)).unlink()  # could not be made yet, or is of a window that still runs
            model.foreign.discard((name, key))
            model.absent.add((name, key))
            model.forget()
        before = {node: self.stat(node) for node, status in model.listing().items() if status in FRESH}
        running = {node for node in model.made if node[1] not in model.keys(node[0])}
        self.run(None, "all")
        assert {node: self.stat(node) for node in before} == before
        listing = model.listing()
        late = {node for node, status in listing.items() if status not in (*FRESH, "orphaned")}
        assert not late or running, late
        for node, status in listing.items():
            if status in FRESH:
                assert self.rows(node) == model.through(*node)
        stats = {node: self.stat(node) for node in listing}
        if not late:
            again = self.run(None, "all", force=force)
            assert {*again.values()} <= ({"unchanged"} if force else {"fresh"})
            assert {node: self.stat(node) for node in stats} == stats
        self.read_by_duckdb()

    def teardown(self) -> None:
        if self.is_sound:  # else it has failed already
            self.settled(force=True)
            self.holds()
        shutil.rmtree(self.folder)

    # What is to be seen

    @invariant()
    def holds(self) -> None:
        if self.lake is None:
            return
        told = {(asset.asset, part.key): part.status for asset in self.load().status() for part in asset.partitions}
        expected = self.model.listing()
        other = {node: (told.get(node), expected.get(node)) for node in told.keys() | expected.keys()}
        wrong = {node: pair for node, pair in other.items() if pair[0] != pair[1]}
        assert not wrong, f"told, expected: {wrong}"
        for node, status in told.items():
            if status in FRESH:
                assert self.rows(node) == self.model.through(*node), node
        root = self.folder / "lake"
        files = {path for path in root.rglob("*") if path.is_file() and root / ".lake" not in path.parents}
        made = {node for node in self.model.made if node not in self.model.absent}
        assert files == {self.file(node) for node in made | self.model.foreign}
        for name in self.model.names:
            commits = sorted(path.name for path in (root / ".lake/log" / name).glob("*.json"))
            assert commits == [f"{number:08}.json" for number in range(1, len(commits) + 1)]
        self.is_sound = True

    def file(self, node: Node) -> Path:
        name, key = node
        columns = KINDS[name].columns
        folder = key if len(columns) > 1 else f"{columns[0]}={key}" if columns else "."
        return self.folder / "lake" / name / folder / "part.parquet"

    def stat(self, node: Node) -> tuple[int, ...]:
        found = self.file(node).stat()
        return found.st_mtime_ns, found.st_ino, found.st_size

    def rows(self, node: Node) -> Rows:
        """What a plain reader finds in a partition."""
        stat = self.stat(node)
        if node not in self.seen or self.seen[node][0] != stat:
            self.seen[node] = stat, pl.read_parquet(self.file(node), hive_partitioning=False).rows()
        return in_order(self.seen[node][1])

    def read_by_duckdb(self) -> None:
        """DuckDB finds the rows of every partition in the Hive tree."""
        for name in self.model.names:
            nodes = [node for node in self.model.made if node[0] == name and node not in self.model.absent]
            if not nodes or any(node in self.model.foreign for node in nodes):
                continue
            columns = KINDS[name].columns
            options = "hive_partitioning=true, hive_types_autocast=false"
            files = f"read_parquet('{self.folder}/lake/{name}/**/*.parquet', {options})"
            chosen = f"SELECT * EXCLUDE ({', '.join(columns)}), {', '.join(columns)}" if columns else "SELECT *"
            found = duckdb.sql(f"{chosen} FROM {files}").fetchall()
            values = {
                node: tuple(part.rpartition("=")[2] for part in node[1].split("/")) if columns else ()
                for node in nodes
            }
            expected = [(*row, *values[node]) for node in nodes for row in self.model.made[node].rows]
            assert sorted(found, key=repr) == sorted(expected, key=repr), name


READERS_OF_WINDOWS = [
    "staged",
    "monthly",
    "after",
    "rolling",
    "totals",
    "shares",
    "regions",
]  # more to read is another input


@pytest.mark.invariant("I1", "I5", "I7", "I8", "I11", "I15")
def test_what_status_calls_fresh_is_what_making_everything_again_would_not_change(
    project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # nothing is killed here, and it is most of the time
    numbers = itertools.count()

    def another() -> Any:
        folder = tmp_path / f"{next(numbers)}"
        folder.mkdir()
        return type(project)(folder)

    Walk.project = staticmethod(another)
    run_state_machine_as_test(
        Walk,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize="LAKEHOUSE_EXAMPLES" not in os.environ,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
