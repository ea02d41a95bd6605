"""Laws of status: states and reasons of small lakes, from their definitions, sources, logs and files."""

from __future__ import annotations

import io
import os
import shutil
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from counting import calls_of

from lakehouse import Lake
from lakehouse.commits import Commit
from lakehouse.errors import DefinitionError, SourceError
from lakehouse.records import Materialization, Provenance, Version
from lakehouse.sources import seen
from lakehouse.sources.look import look_at

ORDERS = "id,order_date,status\n1,2018-01-05,completed\n2,2018-01-20,placed\n3,2018-03-03,placed\n"
SOURCE = """
lake.source(
    "raw_orders",
    "data/raw_orders.csv",
    schema={"id": pl.Int64, "order_date": pl.Date, "status": pl.String},
    time="order_date",
)
"""
SHOP = f"""
RATE = 3


def scaled(column):
    return column * RATE

{SOURCE}
@lake.view(time="order_date")
def stg_orders(raw_orders):
    return raw_orders.rename({{"id": "order_id"}})


@lake.asset(partitions=Monthly("2018-01", end="2018-04"))
def monthly_orders(stg_orders):
    return stg_orders.group_by("partition_date", "status").agg(n=scaled(pl.len().cast(pl.Int64)))
"""
DOWN = """
@lake.asset(partitions=Monthly("2018-01", end="2018-04"))
def doubled(monthly_orders):
    return monthly_orders.with_columns(n=pl.col("n") * 2)
"""
OVERALL = """
@lake.view
def overall(monthly_orders):
    return monthly_orders.select(total=pl.col("n").sum())


@lake.asset(partitions=Monthly("2018-01", end="2018-04"))
def shares(monthly_orders, overall):
    return monthly_orders.join(overall, how="cross")
"""
TOTALS = OVERALL.replace(
    'def shares(monthly_orders, overall):\n    return monthly_orders.join(overall, how="cross")',
    "def shares(overall, partition):\n    return overall",
)
MONTHS = ["2018-01", "2018-02", "2018-03"]
FRESH = {"2018-01": ("fresh", "fresh"), "2018-02": ("empty", "fresh"), "2018-03": ("fresh", "fresh")}


def states(lake: Lake, asset: str = "monthly_orders") -> dict[str, tuple[str, str]]:
    """Status and reason of each partition of an asset."""
    (found,) = [status for status in lake.status() if status.asset == asset]
    return {partition.key: (partition.status, partition.reason) for partition in found.partitions}


def reasons(lake: Lake, asset: str = "monthly_orders") -> set[tuple[str, str]]:
    return set(states(lake, asset).values())


def results(made: list[Materialization]) -> list[tuple[str, str, str]]:
    return [(item.asset, item.key, item.result) for item in made]


@pytest.fixture
def lake(project: Any) -> Lake:
    """The shop, with all its partitions made."""
    project.write("data/raw_orders.csv", ORDERS)
    lake: Lake = project.load(SHOP)
    lake.materialize("all")
    return lake


# Files and sources


def test_before_anything_was_made_all_is_missing(project: Any) -> None:
    project.write("data/raw_orders.csv", ORDERS)
    lake = project.load(SHOP)
    assert states(lake) == dict.fromkeys(MONTHS, ("missing", "missing"))
    assert not (project.folder / "lake").exists(), "looking writes nothing"


def test_after_it_was_made_all_is_fresh(lake: Lake) -> None:
    assert states(lake) == FRESH
    (status,) = lake.status()
    assert (status.asset, status.kind, status.first, status.last) == (
        "monthly_orders",
        "monthly",
        "2018-01",
        "2018-03",
    )
    assert (status.counts, status.failed_attempts, status.is_behind) == ({"fresh": 2, "empty": 1}, 0, False)
    january = status.partitions[0]
    file = lake.root / "monthly_orders/partition_date=2018-01/part.parquet"
    assert (january.row_count, january.size_bytes) == (2, file.stat().st_size)
    assert (january.made, january.last_attempt) == (datetime(2026, 11, 20, 9, 0, tzinfo=UTC), None)


def test_a_source_that_was_touched_and_holds_the_same_bytes_leaves_all_fresh(lake: Lake, project: Any) -> None:
    project.write("data/raw_orders.csv", ORDERS, at=project.now - timedelta(hours=2))
    assert states(lake) == FRESH


def test_a_source_of_other_bytes_makes_all_stale_and_says_when_it_changed(lake: Lake, project: Any) -> None:
    project.write("data/raw_orders.csv", ORDERS + "4,2018-01-06,placed\n", at=project.now - timedelta(hours=2))
    assert reasons(lake) == {("stale", "stale: data/raw_orders.csv changed 2 h ago")}
    again = lake.materialize("all")
    assert [item.result for item in again] == ["replaced", "unchanged", "unchanged"]
    assert {item.reason for item in again} == {"stale: data/raw_orders.csv changed 2 h ago"}
    assert states(lake) == FRESH


def test_a_source_that_is_put_back_makes_all_fresh_again(lake: Lake, project: Any) -> None:
    project.write("data/raw_orders.csv", ORDERS.replace("placed", "lost"))
    assert {status for status, _ in reasons(lake)} == {"stale"}
    project.write("data/raw_orders.csv", ORDERS)
    assert states(lake) == FRESH


def test_a_missing_source_is_said_by_status_and_raised_by_materialize(lake: Lake, project: Any) -> None:
    (project.folder / "data/raw_orders.csv").unlink()
    assert reasons(lake) == {("stale", "stale: data/raw_orders.csv does not exist")}
    with pytest.raises(SourceError) as caught:
        lake.materialize("all")
    assert caught.value.lines() == [
        "data/raw_orders.csv does not exist",
        "  needed by: stg_orders -> monthly_orders",
    ]


def test_of_two_sources_only_the_missing_one_is_a_cause(project: Any) -> None:
    text = SHOP.replace("def monthly_orders(stg_orders)", "def monthly_orders(stg_orders, rates)")
    project.write("data/raw_orders.csv", ORDERS)
    project.write("data/rates.csv", "rate\n1\n")
    lake = project.load(text + 'lake.source("rates", "data/rates.csv", schema={"rate": pl.Int64})\n')
    lake.materialize("all")
    (project.folder / "data/rates.csv").unlink()
    assert reasons(lake) == {("stale", "stale: data/rates.csv does not exist")}


def test_a_file_that_was_removed_by_hand_is_missing_and_has_no_rows(lake: Lake) -> None:
    (lake.root / "monthly_orders/partition_date=2018-01/part.parquet").unlink()
    assert states(lake) == {**FRESH, "2018-01": ("missing", "missing: removed by hand")}
    january = lake.status()[0].partitions[0]
    assert (january.row_count, january.size_bytes, january.made) == (None, None, None)
    assert [item.result for item in lake.materialize("all")] == ["created", "fresh", "fresh"]


def test_a_file_that_somebody_else_put_there_is_unrecorded_and_left_alone(lake: Lake) -> None:
    file = lake.root / "monthly_orders/partition_date=2018-01/part.parquet"
    file.unlink()
    file.write_bytes(b"mine")
    assert states(lake)["2018-01"] == ("unrecorded", "unrecorded: somebody else put a file there")
    assert lake.status()[0].partitions[0].row_count is None
    (blocked, *_) = lake.materialize("all", on_failure="return")
    assert (blocked.result, (blocked.error or {})["code"]) == ("blocked", "unrecorded")
    assert file.read_bytes() == b"mine"


def test_a_lake_that_was_copied_without_its_times_stays_fresh(lake: Lake) -> None:
    for file in lake.root.rglob("part.parquet"):
        data = file.read_bytes()
        file.unlink()
        file.write_bytes(data)
    assert states(lake) == FRESH


def test_without_its_log_a_lake_holds_files_that_nobody_recorded(lake: Lake) -> None:
    shutil.rmtree(lake.root / ".lake")
    assert reasons(lake) == {("unrecorded", "unrecorded: somebody else put a file there")}


# Definitions


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("RATE = 3", "RATE = 4", "global RATE"),
        ("return column * RATE", "return RATE * column", "helper scaled"),
        ('"order_id"})', '"order_id"}).unique()', "stg_orders"),
        ('@lake.view(time="order_date")', '@lake.view(time="placed_on")', "stg_orders(time=)"),
        ("scaled(pl.len()", "scaled(pl.count()", "monthly_orders"),
        ('"data/raw_orders.csv"', '"data/../data/raw_orders.csv"', "source raw_orders"),
        ('"status": pl.String}', '"status": pl.Categorical}', "source raw_orders"),
        ('end="2018-04")', 'end="2018-04"), sort_by="n"', "sort_by"),
        ('end="2018-04")', 'end="2018-04"), schema={"status": pl.String, "n": pl.Int64}', "schema"),
        (
            'end="2018-04")',
            'end="2018-04"), version="2"',
            "monthly_orders, global RATE, helper scaled, stg_orders, version",
        ),
    ],
)
def test_a_changed_definition_makes_all_stale_and_is_named(
    lake: Lake, project: Any, old: str, new: str, names: str
) -> None:
    assert SHOP.count(old) == 1
    assert states(lake) == FRESH
    assert reasons(project.load(SHOP.replace(old, new))) == {("stale", f"stale: code changed: {names}")}
    assert states(project.load(SHOP)) == FRESH, "put back, it is what it was"


@pytest.mark.invariant("I11")
def test_another_order_of_the_declared_columns_is_another_declaration(project: Any) -> None:
    """The files have their columns in that order."""
    project.write("data/raw_orders.csv", ORDERS)
    declared, turned = (
        SHOP.replace('end="2018-04")', f'end="2018-04"), schema={{{columns}}}')
        for columns in ('"status": pl.String, "n": pl.Int64', '"n": pl.Int64, "status": pl.String')
    )
    lake = project.load(declared)
    lake.materialize("all")
    assert states(lake) == FRESH
    assert reasons(project.load(turned)) == {("stale", "stale: code changed: schema")}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("RATE = 3", "RATE = 3  # of the bank"),
        ("def scaled(column):\n", 'def scaled(column):\n    """A column times the rate."""\n    # a rate is exact\n'),
        ("return column * RATE", "return column   *   RATE\n\n"),
        ("def monthly_orders(stg_orders):", "def monthly_orders(stg_orders: pl.LazyFrame) -> pl.LazyFrame:"),
        ("RATE = 3", "RATE = 3\nOTHER = 4\n"),
        ('time="order_date",\n)', 'time="order_date",\n    track="content",\n)'),
        ("def stg_orders(raw_orders):", "def stg_orders(\n    raw_orders,\n):"),
    ],
    ids=["comment", "docstring", "layout", "annotations", "a global that nobody uses", "a default", "line breaks"],
)
def test_what_changes_no_result_changes_no_state(lake: Lake, project: Any, old: str, new: str) -> None:
    assert SHOP.count(old) == 1
    assert states(lake) == FRESH
    assert states(project.load(SHOP.replace(old, new))) == FRESH


@pytest.mark.parametrize(
    ("extent", "added"),
    [
        ('"2018-01", end="2018-05"', {"2018-04": ("missing", "missing")}),
        ('"2017-12", end="2018-04"', {"2017-12": ("missing", "missing")}),
        ('"2018-01", end="2018-04", include_current=True', {}),
    ],
)
def test_another_extent_leaves_what_was_made_fresh(
    lake: Lake, project: Any, extent: str, added: dict[str, Any]
) -> None:
    assert states(lake) == FRESH
    assert states(project.load(SHOP.replace('"2018-01", end="2018-04"', extent))) == {**FRESH, **added}


@pytest.mark.parametrize(
    ("added", "details"),
    [
        ('column="month"', ["column: partition_date became month"]),
        ('timezone="Europe/Berlin"', ["timezone: UTC became Europe/Berlin"]),
        (
            'column="month", format="%Y%m"',
            ["column: partition_date became month", "format: %Y-%m became %Y%m"],
        ),
    ],
)
def test_keys_of_another_meaning_are_refused_each_time_they_are_looked_at(
    lake: Lake, project: Any, added: str, details: list[str]
) -> None:
    assert states(lake) == FRESH
    other = project.load(SHOP.replace('end="2018-04"', f'end="2018-04", {added}'))
    one_look = other.survey()
    for _ in range(2):
        with pytest.raises(DefinitionError) as caught:
            one_look.fold("monthly_orders")
        assert caught.value.code == "partitions-changed"
        assert caught.value.details == tuple(details)
    words = " and ".join(detail.partition(":")[0] for detail in details)
    assert caught.value.message == f"monthly_orders: its partitions were made with other {words} (lakefile.py:25)"
    with pytest.raises(DefinitionError):
        other.status()


def test_keys_may_change_their_meaning_as_long_as_nothing_was_made(project: Any) -> None:
    project.write("data/raw_orders.csv", ORDERS)
    broken = SHOP.replace("n=scaled(", "n=1 // 0 + scaled(")
    made = project.load(broken).materialize("all", on_failure="return")
    assert {item.result for item in made} == {"failed"}
    text = SHOP.replace('"2018-01", end="2018-04"', '"2018-01-01", end="2018-04-01", column="month", format="%Y%m"')
    lake = project.load(text.replace('"partition_date"', '"month"'))
    lake.materialize("all")
    assert {status for status, _ in reasons(lake)} == {"fresh", "empty"}


@pytest.mark.usefixtures("lake")
def test_a_partition_that_the_definition_no_longer_has_is_orphaned_and_listed_last(project: Any) -> None:
    later = project.load(SHOP.replace('"2018-01", end="2018-04"', '"2018-03", end="2018-06"'))
    orphaned = ("orphaned", "orphaned: the definition no longer has it")
    assert list(states(later).items()) == [
        ("2018-03", ("fresh", "fresh")),
        ("2018-04", ("missing", "missing")),
        ("2018-05", ("missing", "missing")),
        ("2018-01", orphaned),
        ("2018-02", orphaned),
    ]
    assert later.status()[0].partitions[-2].row_count == 2
    assert [status.key for status in later.status("2018-03")[0].partitions] == ["2018-03"]
    assert states(project.load(SHOP)) == FRESH, "put back, it is what it was"


def test_two_modules_may_each_have_a_global_of_one_name_and_either_counts(
    project: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.write("data/raw_orders.csv", ORDERS)
    monkeypatch.syspath_prepend(project.folder)
    module = f"steps_{project.folder.name}"
    project.write(f"{module}.py", "def clean(raw_orders):\n    return raw_orders.head(RATE)\n")
    text = SHOP.replace(
        '@lake.view(time="order_date")\ndef stg_orders(raw_orders):\n'
        '    return raw_orders.rename({"id": "order_id"})',
        f'import {module}\n{module}.RATE = 5\nlake.view(time="order_date")({module}.clean)',
    ).replace("stg_orders", "clean")
    project.load(text).materialize("all")
    assert states(project.load(text)) == FRESH
    for old, new in ((".RATE = 5", ".RATE = 3"), ("RATE = 3", "RATE = 5")):
        changed = reasons(project.load(text.replace(old, new)))
        assert changed == {("stale", "stale: code changed: global RATE")}, new
    monkeypatch.delitem(sys.modules, module)


# Windows


def test_a_month_that_was_made_before_its_end_is_stale_once_it_is_over(project: Any) -> None:
    project.write("data/raw_orders.csv", ORDERS)
    lake = project.load(SHOP.replace(', end="2018-04"', ""))
    project.now = datetime(2018, 3, 20, tzinfo=UTC)
    lake.materialize("2018-03", include_current=True)
    assert "2018-03" not in states(lake), "it is still open, and nobody asks for it"
    project.now = datetime(2018, 4, 1, tzinfo=UTC)
    assert states(lake)["2018-03"] == ("stale", "stale: made before its window was over")
    lake.materialize("2018-03")
    assert states(lake)["2018-03"] == ("fresh", "fresh")


# Attempts


@pytest.mark.usefixtures("lake")
def test_a_failed_attempt_stands_beside_the_data_of_before(project: Any) -> None:
    broken = project.load(SHOP.replace("n=scaled(", "n=1 // 0 + scaled("))
    broken.materialize("2018-01", on_failure="return")
    lake = project.load(SHOP)
    (status,) = lake.status()
    assert (status.counts, status.failed_attempts) == ({"fresh": 2, "empty": 1}, 1)
    january = status.partitions[0]
    assert (january.status, january.reason, january.row_count) == ("fresh", "last attempt failed", 2)
    assert january.last_attempt is not None
    assert (january.last_attempt.error or {})["code"] == "asset-raised"
    (again,) = lake.materialize("all", only=["failed"])
    assert (again.key, again.result) == ("2018-01", "unchanged")
    assert states(lake) == FRESH


# Upstreams


def test_what_reads_a_stale_asset_is_stale_with_it_and_fresh_again_where_that_came_out_the_same(project: Any) -> None:
    project.write("data/raw_orders.csv", ORDERS)
    lake = project.load(SHOP + DOWN)
    assert results(lake.materialize("2018-01")) == [
        ("monthly_orders", "2018-01", "created"),
        ("doubled", "2018-01", "created"),
    ]
    lake.materialize("all")
    assert states(lake, "doubled") == FRESH

    project.write("data/raw_orders.csv", ORDERS + "4,2018-03-09,lost\n", at=project.now - timedelta(minutes=5))
    assert states(lake, "doubled") == {
        month: ("stale", f"stale: upstream monthly_orders {month} is not fresh") for month in MONTHS
    }
    lake.materialize("all", assets=["monthly_orders"])
    assert states(lake, "doubled") == {
        **FRESH,
        "2018-03": ("stale", "stale: upstream monthly_orders 2018-03 changed"),
    }
    assert results(lake.materialize("all", assets=["doubled"])) == [
        ("doubled", "2018-01", "fresh"),
        ("doubled", "2018-02", "fresh"),
        ("doubled", "2018-03", "replaced"),
    ]
    assert states(lake, "doubled") == FRESH


def test_a_run_that_makes_an_upstream_again_leaves_alone_what_came_out_the_same(project: Any) -> None:
    project.write("data/raw_orders.csv", ORDERS)
    lake = project.load(SHOP + DOWN)
    lake.materialize("all")
    project.write("data/raw_orders.csv", ORDERS + "4,2018-03-09,lost\n")
    assert results(lake.materialize("all")) == [
        ("monthly_orders", "2018-01", "unchanged"),
        ("monthly_orders", "2018-02", "unchanged"),
        ("monthly_orders", "2018-03", "replaced"),
        ("doubled", "2018-01", "fresh"),
        ("doubled", "2018-02", "fresh"),
        ("doubled", "2018-03", "replaced"),
    ]


def test_an_upstream_of_which_the_last_attempt_failed_makes_what_reads_it_stale(project: Any) -> None:
    project.write("data/raw_orders.csv", ORDERS)
    project.load(SHOP + DOWN).materialize("all")
    broken = project.load((SHOP + DOWN).replace("n=scaled(", "n=1 // 0 + scaled("))
    broken.materialize("2018-01", assets=["monthly_orders"], on_failure="return")
    lake = project.load(SHOP + DOWN)
    assert states(lake, "doubled") == {
        **FRESH,
        "2018-01": ("stale", "stale: upstream monthly_orders 2018-01 is not fresh"),
    }
    assert results(lake.materialize("2018-01", assets=["doubled"])) == [
        ("monthly_orders", "2018-01", "unchanged"),
        ("doubled", "2018-01", "fresh"),
    ]


def test_what_reads_a_missing_upstream_is_skipped_unless_that_is_made_first(project: Any) -> None:
    project.write("data/raw_orders.csv", ORDERS)
    lake = project.load(SHOP + DOWN)
    (skipped,) = lake.materialize("2018-01", assets=["doubled"], upstream=False, on_failure="return")
    assert (skipped.result, skipped.version) == ("skipped", None)
    assert skipped.error is not None
    assert (skipped.error["code"], skipped.error["message"]) == (
        "upstream-missing",
        "upstream monthly_orders 2018-01 is missing",
    )
    assert results(lake.materialize("2018-01", assets=["doubled"])) == [
        ("monthly_orders", "2018-01", "created"),
        ("doubled", "2018-01", "created"),
    ]


def test_every_partition_that_is_read_is_made_first_however_many_there_are(project: Any) -> None:
    project.write("data/raw_orders.csv", ORDERS)
    lake = project.load((SHOP + DOWN).replace('end="2018-04"', 'end="2020-07"'))
    made = results(lake.materialize("all", assets=["doubled"]))
    assert [(asset, result) for asset, _, result in made] == [
        *[("monthly_orders", "created")] * 30,
        *[("doubled", "created")] * 30,
    ]


def test_a_partition_that_the_upstream_does_not_have_is_not_made_and_not_read_and_the_record_says_so(
    project: Any,
) -> None:
    project.write("data/raw_orders.csv", ORDERS)
    lake = project.load((SHOP + DOWN).replace('"2018-01", end="2018-04"', '"2018-01", end="2018-03"', 1))
    lake.materialize("2018-01", assets=["monthly_orders"])
    (made,) = lake.materialize("2018-03")
    assert (made.asset, made.result, made.row_count) == ("doubled", "created", 0)
    assert made.inputs["monthly_orders"].absent == "no 2018-03"
    assert states(lake, "doubled")["2018-03"] == ("empty", "fresh")
    folders = sorted(path.name for path in (lake.root / "monthly_orders").iterdir())
    assert folders == ["partition_date=2018-01"]


def test_what_reads_a_partition_that_failed_is_skipped_and_keeps_its_data(project: Any) -> None:
    project.write("data/raw_orders.csv", ORDERS)
    project.load(SHOP + DOWN).materialize("all")
    broken = project.load((SHOP + DOWN).replace("n=scaled(", "n=1 // 0 + scaled("))
    failed, skipped = broken.materialize("2018-01", on_failure="return")
    assert (failed.asset, failed.result) == ("monthly_orders", "failed")
    assert (skipped.asset, skipped.result, (skipped.error or {})["message"]) == (
        "doubled",
        "skipped",
        "upstream monthly_orders 2018-01 failed",
    )
    assert skipped.kept is not None
    assert skipped.kept.row_count == 2


def test_a_view_over_an_asset_sees_all_its_partitions_even_where_one_is_read_beside_it(project: Any) -> None:
    project.write("data/raw_orders.csv", ORDERS)
    lake = project.load(SHOP + OVERALL)
    lake.materialize("all")
    assert states(lake, "shares") == FRESH
    project.write("data/raw_orders.csv", ORDERS + "4,2018-03-09,lost\n")
    lake.materialize("2018-03", assets=["monthly_orders"])
    lake.materialize("all", assets=["monthly_orders"])
    assert reasons(lake, "shares") == {("stale", "stale: upstream monthly_orders 2018-03 changed")}
    lake.materialize("all")
    assert lake.scan("shares").select("total").unique().collect().item() == 12


@pytest.mark.parametrize("text", [OVERALL, TOTALS], ids=["beside the asset itself", "alone"])
def test_what_a_view_makes_of_an_asset_that_came_out_the_same_is_left_alone_in_the_same_run(
    project: Any, text: str
) -> None:
    project.write("data/raw_orders.csv", ORDERS)
    lake = project.load(SHOP + text)
    lake.materialize("all")
    project.write("data/raw_orders.csv", ORDERS.replace("\n1,", "\n9,"))  # another id, and as many orders
    assert reasons(lake, "shares") == {("stale", "stale: upstream monthly_orders 2018-01..2018-03 is not fresh")}
    assert [(asset, result) for asset, _, result in results(lake.materialize("all"))] == [
        *[("monthly_orders", "unchanged")] * 3,
        *[("shares", "fresh")] * 3,
    ]


def test_an_orphaned_upstream_makes_nothing_stale_in_whatever_order_it_is_asked(project: Any) -> None:
    project.write("data/raw_orders.csv", ORDERS)
    project.load(SHOP + OVERALL + DOWN).materialize("all")
    text = (SHOP + OVERALL + DOWN).replace('"2018-01", end="2018-04"', '"2018-03", end="2018-04"', 1)
    lake = project.load(text)
    assert states(lake)["2018-01"][0] == "orphaned"
    assert states(lake, "shares") == FRESH
    assert states(lake, "doubled") == FRESH
    (status,) = lake.status(assets=["shares"])
    assert status.counts == {"fresh": 2, "empty": 1}
    assert {result for *_, result in results(lake.materialize("all", assets=["doubled", "shares"]))} == {"fresh"}


def test_an_orphaned_upstream_whose_file_is_gone_makes_nothing_stale_that_no_run_could_make_fresh(
    project: Any,
) -> None:
    project.write("data/raw_orders.csv", ORDERS)
    project.load(SHOP + OVERALL + DOWN).materialize("all")
    text = (SHOP + OVERALL + DOWN).replace('"2018-01", end="2018-04"', '"2018-02", end="2018-04"', 1)
    lake = project.load(text)
    (lake.root / "monthly_orders/partition_date=2018-01/part.parquet").unlink()
    assert states(lake, "doubled") == FRESH
    assert lake.status(assets=["shares"])[0].counts == {"fresh": 2, "empty": 1}
    assert {result for *_, result in results(lake.materialize("all", assets=["doubled", "shares"]))} == {"fresh"}


# Other runs


def test_a_partition_that_another_run_replaced_meanwhile_is_not_taken_for_a_foreign_file(
    lake: Lake, project: Any
) -> None:
    earlier = lake.survey()
    asset = lake.graph.asset("monthly_orders")
    assert earlier.fold("monthly_orders").number == 1
    project.write("data/raw_orders.csv", ORDERS.replace("placed", "lost").replace("completed", "x"))
    lake.materialize("all")
    state = earlier.state(asset, "2018-01")
    assert (state.status, state.known.commit) == ("fresh", 2)


def test_what_is_committed_and_not_yet_projected_counts_as_done(lake: Lake, project: Any) -> None:
    project.write("data/raw_orders.csv", ORDERS.replace("placed", "lost and found"))
    old = {file: (file.read_bytes(), file.stat().st_mtime_ns) for file in lake.root.rglob("part.parquet")}
    lake.materialize("all")
    for file, (data, mtime_ns) in old.items():  # as a crash before the projection would have left it
        file.unlink()
        file.write_bytes(data)
        os.utime(file, ns=(mtime_ns, mtime_ns))
    (lake.root / ".lake/log/monthly_orders/projected").write_text('{"commit": 1}')
    (status,) = lake.status()
    assert (status.is_behind, status.counts) == (True, {"fresh": 2, "empty": 1})


# Size


def synthetic(project: Any, count: int) -> Lake:
    """A lake of ``count`` partitions an asset, all fresh: written as a log and files, without computing anything."""
    project.write("data/raw_orders.csv", ORDERS, at=datetime(2020, 1, 1, tzinfo=UTC))
    end = f"{1200 + count // 12}-01"
    lake: Lake = project.load((SHOP + DOWN + OVERALL).replace('"2018-01", end="2018-04"', f'"1200-01", end="{end}"'))
    root = lake.root
    for asset in lake.graph.assets():
        now = lake.survey()  # what reads another asset is made of what was just written of that
        code, records = now.code(asset), []
        shared = Provenance(
            run="r",
            code=code.digest,
            code_parts=code.parts,
            schema=(("n", "i64"),),
            partitions=asset.partitions.describe(),
            by={},
        )
        for key in asset.partitions.keys(now.time):
            file = root / f"{asset.name}/partition_date={key}/part.parquet"
            file.parent.mkdir(parents=True)
            file.touch()
            version = Version(
                digest="d",
                path=f".lake/versions/{asset.name}/partition_date={key}/run-1",
                row_count=1,
                size_bytes=0,
                mtime_ns=file.stat().st_mtime_ns,
                writer="w",
            )
            facts = {"run": "r", "reason": "", "started": now.time, "finished": now.time, "version": version}
            partition = {"partition_date": key}
            inputs = now.inputs.of(asset, key)
            records.append(
                Materialization(
                    asset=asset.name, key=key, partition=partition, result="created", inputs=inputs, **facts
                )
            )
        log = root / f".lake/log/{asset.name}"
        log.mkdir(parents=True)
        commit = Commit(
            asset=asset.name, number=1, previous=None, time=now.time, shared=shared, records=tuple(records)
        )
        (log / "00000001.json").write_bytes(commit.to_bytes())
        (log / "projected").write_text('{"commit": 1}')
    return lake


def test_status_looks_at_each_file_once_and_opens_none(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = synthetic(project, 240)
    looked, opened = [], []
    real_stat, real_open = os.stat, io.open

    def stat(path: Any, *args: Any, **kwargs: Any) -> os.stat_result:
        looked.append(str(path))
        return real_stat(path, *args, **kwargs)

    def opening(path: Any, *args: Any, **kwargs: Any) -> Any:
        opened.append(Path(str(path)).name)
        return real_open(path, *args, **kwargs)

    monkeypatch.setattr(os, "stat", stat)
    monkeypatch.setattr(io, "open", opening)
    found = lake.status()
    monkeypatch.undo()

    assert [(status.asset, status.counts) for status in found] == [
        ("monthly_orders", {"fresh": 240}),
        ("doubled", {"fresh": 240}),
        ("shares", {"fresh": 240}),
    ]
    parts = [path for path in looked if path.endswith(".parquet")]
    assert len(parts) == len(set(parts)) == 3 * 240
    assert sum(path.endswith("raw_orders.csv") for path in looked) <= 4, "however many partitions are made of it"
    assert "part.parquet" not in opened


def test_a_missing_source_is_looked_for_once(project: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = synthetic(project, 120)
    (project.folder / "data/raw_orders.csv").unlink()
    looked = []
    monkeypatch.setattr(seen, "look_at", lambda *args, **more: looked.append(args) or look_at(*args, **more))
    found = lake.status()
    assert len(looked) == 1
    assert [status.counts for status in found] == [{"stale": 120}] * 3


def test_twice_the_partitions_take_at_most_twice_the_work(project: Any) -> None:
    small, large = type(project)(project.folder / "small"), type(project)(project.folder / "large")
    taken = []
    for one, count in ((small, 120), (large, 240)):
        one.folder.mkdir()
        taken.append(calls_of(synthetic(one, count).status))
    assert taken[1] <= 2.1 * taken[0]
