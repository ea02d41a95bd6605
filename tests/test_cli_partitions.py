"""Keys are listed; dynamic ones are added and removed, and nothing that was made is lost by it."""

from __future__ import annotations

from typing import Any

import pytest

HEAD = """import polars as pl

from lakehouse import Lake
from lakehouse.partitions import Categories, Dynamic, Monthly, Unpartitioned

lake = Lake("data/lake")
lake.source(
    "raw_orders",
    "data/raw_orders.csv",
    schema={"id": pl.Int64, "user_id": pl.Int64, "order_date": pl.Date, "status": pl.String},
    time="order_date",
)
"""
LAKEFILE = f"""{HEAD}

@lake.asset(partitions=Dynamic("status"))
def by_status(raw_orders):
    return raw_orders.select("status", "id")


@lake.asset(partitions=Dynamic("status") * Dynamic("user"))
def by_both(raw_orders):
    return raw_orders.select("status", "id", user=pl.col("user_id").cast(pl.String))


@lake.asset(partitions=Dynamic("status", discover=True))
def found(raw_orders):
    return raw_orders.select("status", "id")


@lake.asset(partitions=Categories("status", ["completed", "placed"]))
def listed(raw_orders):
    return raw_orders.select("status", "id")


@lake.asset(partitions=Monthly("2018-01", end="2018-04"))
def monthly(raw_orders):
    return raw_orders.select("partition_date", "id")


@lake.asset(partitions=Unpartitioned())
def whole(raw_orders):
    return raw_orders.select(pl.len())
"""


@pytest.fixture(autouse=True)
def shop(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cli.folder / "cache"))
    cli.write(LAKEFILE)


def test_keys_are_listed_a_line_each(cli: Any) -> None:
    done = cli("partitions", "monthly")
    assert (done.code, done.out, done.err) == (0, "2018-01\n2018-02\n2018-03\n", "")
    assert cli("partitions", "whole").out == "all\n"
    assert cli("partitions", "listed").out == "completed\nplaced\n"


def test_machines_get_columns_and_extent_too(cli: Any) -> None:
    assert cli("partitions", "monthly", "--json").json == {
        "schema_version": 1,
        "asset": "monthly",
        "kind": "monthly",
        "columns": ["partition_date"],
        "extent": "2018-01..2018-03",
        "first": "2018-01",
        "last": "2018-03",
        "keys": ["2018-01", "2018-02", "2018-03"],
    }
    nothing = cli("partitions", "by_status", "--json").json
    assert (nothing["keys"], nothing["first"], nothing["extent"]) == ([], None, "no keys yet")


def test_keys_are_added_made_and_removed(cli: Any) -> None:
    """A transcript; what was made of the removed key stays where it is."""
    done = [
        cli("partitions", "by_status"),
        cli("partitions", "by_status", "add", "placed", "return pending", "completed"),
        cli("partitions", "by_status", "add", "placed"),
        cli("partitions", "by_status"),
        cli("materialize", "placed", "completed", "-a", "by_status"),
        cli("partitions", "by_status", "remove", "completed", "return pending"),
        cli("status", "by_status"),
    ]
    assert [run.code for run in done] == [0] * 7
    assert "data/lake/by_status/status=completed/part.parquet" in cli.hive()
    cli.golden("partitions", *done)


def test_added_and_removed_keys_are_told_to_machines(cli: Any) -> None:
    added = cli("partitions", "by_status", "add", "b", "a", "--json").json
    assert added == {
        "schema_version": 1,
        "ok": True,
        "exit_code": 0,
        "asset": "by_status",
        "column": "status",
        "action": "add",
        "changed": ["b", "a"],
        "keys": ["a", "b"],
    }
    removed = cli("partitions", "by_status", "remove", "b", "--json").json
    assert (removed["action"], removed["changed"], removed["keys"]) == ("remove", ["b"], ["a"])


def test_of_several_dynamic_columns_one_is_named(cli: Any) -> None:
    refused = cli("partitions", "by_both", "add", "placed")
    assert (refused.code, refused.out) == (2, "")
    assert "--column status" in refused.err
    done = cli("partitions", "by_both", "add", "placed", "--column", "status")
    assert done.out.splitlines()[-1] == "next: lake materialize status=placed -a by_both"
    assert cli("partitions", "by_both", "add", "101", "--column", "user").code == 0
    assert cli("partitions", "by_both").out == "status=placed/user=101\n"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["listed", "add", "x"], "edit the values of Categories('status', […]) (lakefile.py:"),
        (["monthly", "add", "2018-05"], "edit start= or end= (lakefile.py:"),
        (["whole", "remove", "all"], "it has one partition (lakefile.py:"),
        (["found", "add", "x"], "they are the values found in the data: Dynamic(…, discover=True) (lakefile.py:"),
        (["by_status", "add"], "lake partitions by_status add KEY..."),
        (["by_status", "add", "x", "--column", "user"], "dynamic columns: status (lakefile.py:"),
        (["by_statis", "add", "x"], "did you mean 'by_status'?"),
    ],
)
def test_what_cannot_be_changed_says_what_to_edit(cli: Any, args: list[str], message: str) -> None:
    done = cli("partitions", *args)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert not (cli.folder / "data/lake").exists()


def test_a_key_that_is_not_there_is_not_removed_and_the_nearest_is_named(cli: Any) -> None:
    """Nothing of the request is done."""
    cli("partitions", "by_status", "add", "placed", "completed")
    done = cli("partitions", "by_status", "remove", "completed", "place")
    assert done.code == 2
    assert "did you mean placed?" in done.err
    assert cli("partitions", "by_status").out == "completed\nplaced\n"


def test_a_key_that_no_folder_can_be_named_by_is_refused(cli: Any) -> None:
    done = cli("partitions", "by_status", "add", "good", "..")
    assert (done.code, done.out) == (2, "")
    assert cli("partitions", "by_status").out == ""


def test_an_unpartitioned_asset_needs_no_selection(cli: Any) -> None:
    done = cli("materialize", "-a", "whole")
    assert done.code == 0
    assert "whole all   created" in done.out
    assert cli("materialize", "-a", "monthly").code == 2


def test_the_last_n_are_windows_where_there_is_time(cli: Any) -> None:
    cli.write(f"""{HEAD}

@lake.asset(partitions=Categories("status", ["completed", "placed"]) * Monthly("2018-01", end="2018-05"))
def orders(raw_orders):
    return raw_orders.select("status", "partition_date", "id")
""")
    plan = cli("materialize", "--last", "2", "-n", "--json").json["plan"]
    assert [step["key"] for step in plan] == [
        f"status={status}/partition_date=2018-{month}" for status in ("completed", "placed") for month in ("03", "04")
    ]


def test_status_goes_on_over_an_asset_whose_definition_changed(cli: Any) -> None:
    """The others are shown, then the error; exit code 2."""
    cli("materialize", "all", "-a", "listed")
    cli("materialize", "all", "-a", "monthly")
    cli.write(LAKEFILE.replace('Categories("status", ["completed", "placed"])', 'Categories("state", ["a"])'))
    done = cli("status", "listed", "monthly")
    assert done.code == 2
    assert done.out.startswith("monthly   monthly   2018-01..2018-03   3 partitions\n")
    assert "error[partitions-changed]" in done.err
    found = cli("status", "listed", "monthly", "--json")
    assert found.code == 2
    assert [asset["asset"] for asset in found.json["assets"]] == ["monthly"]
    assert [error["code"] for error in found.json["errors"]] == ["partitions-changed"]


def test_status_takes_a_category_for_a_key_and_not_for_an_unknown_asset(cli: Any) -> None:
    done = cli("status", "placed")
    assert done.code == 0
    assert "listed   categories   completed, placed   1 partition" in done.out
    assert cli("status", "plaaced").code == 2


def test_each_kind_says_what_it_spans(cli: Any) -> None:
    """One line on each asset: kind, extent, number of partitions; what has no keys yet gets the next command."""
    done = cli("status", "by_status", "listed", "monthly", "whole")
    assert (done.code, done.err) == (0, "")
    assert done.out.split("\n\n") == [
        "by_status   dynamic   no keys yet   0 partitions\nnext: lake partitions by_status add KEY...",
        "listed   categories   completed, placed   2 partitions\n  · completed   · placed\n  · 2 missing",
        (
            "monthly   monthly   2018-01..2018-03   3 partitions\n"
            "        Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec\n"
            "  2018   ·   ·   ·\n"
            "  · 3 missing"
        ),
        (
            "whole   unpartitioned   1 partition\n  · all\n  · 1 missing\n"
            "next: lake materialize -a by_status -a listed -a monthly -a whole --missing   6 partitions\n"
        ),
    ]
    found = {asset["asset"]: asset for asset in cli("status", "--json").json["assets"]}
    assert (found["listed"]["columns"], found["listed"]["extent"]) == (["status"], "completed, placed")
    assert (found["whole"]["first"], found["whole"]["last"]) == (None, None)
