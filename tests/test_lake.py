"""Laws of `Lake` in Python: where it lies, what it reads and makes, and what importing it costs."""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from lakehouse import Lake, MaterializeError, Monthly
from lakehouse.errors import AssetUnknownError, AuditError, DefinitionError, RequestError

ORDERS = "id,order_date,status\n1,2018-01-05,completed\n2,2018-01-20,placed\n3,2018-03-03,placed\n"
SOURCE = """
lake.source(
    "raw_orders",
    "raw_orders.csv",
    schema={"id": pl.Int64, "order_date": pl.Date, "status": pl.String},
    time="order_date",
)
"""
ORDERS_ASSET = """
@lake.asset(partitions=Monthly("2018-01", end="2018-04"))
def orders(raw_orders):
    return raw_orders.select("status", "id", "partition_date")
"""
SHOP = SOURCE + ORDERS_ASSET
REFUND = """
@lake.asset(partitions=Monthly("2018-01", end="2018-04"))
def refunds(raw_orders, partition):
    if partition.key == "2018-02":
        raise ZeroDivisionError("no orders")
    return raw_orders.select("id")
"""
REPOSITORY = Path(__file__).parent.parent


def made(lake: Lake, selection: str = "all", **options: Any) -> list[tuple[str, str]]:
    return [(item.key, item.result) for item in lake.materialize(selection, **options)]


@pytest.fixture
def lake(project: Any) -> Lake:
    """A lake of one asset, with all its partitions made."""
    project.write("raw_orders.csv", ORDERS)
    lake: Lake = project.load(SHOP)
    lake.materialize("all")
    return lake


# Where it lies


def test_a_relative_root_lies_beside_the_file_that_makes_the_lake(
    project: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    project.write("raw_orders.csv", ORDERS)
    monkeypatch.chdir(elsewhere)
    lake = project.load(SHOP)
    assert (lake.base, lake.root) == (project.folder, project.folder / "lake")
    lake.materialize("2018-01")
    assert [path.name for path in project.folder.iterdir() if path.name == "lake"] == ["lake"]
    assert list(elsewhere.iterdir()) == []


def test_the_root_resolves_at_first_use_so_that_a_command_may_say_where(project: Any, tmp_path: Path) -> None:
    lake = project.load(SHOP)
    lake.base = tmp_path / "project"
    assert lake.root == tmp_path / "project/lake"


@pytest.mark.parametrize(("given", "root"), [("../lake", "lake"), ("a/./b/..", "project/a"), ("/lake", "/lake")])
def test_a_root_is_absolute_and_plain(tmp_path: Path, given: str, root: str) -> None:
    lake = Lake(given)
    lake.base = tmp_path / "project"
    assert lake.root == tmp_path / root


def test_a_lake_shows_the_root_that_it_was_given(tmp_path: Path) -> None:
    assert repr(Lake("data/lake")) == "Lake('data/lake')"
    assert repr(Lake(tmp_path)) == f"Lake({str(tmp_path)!r})"


# Reading


def test_a_scan_gives_the_contract_and_then_the_partition_column_as_text(lake: Lake) -> None:
    expected = pl.DataFrame(
        {
            "status": ["completed", "placed", "placed"],
            "id": [1, 2, 3],
            "partition_date": ["2018-01", "2018-01", "2018-03"],
        }
    )
    assert_frame_equal(lake.scan("orders").collect(), expected)
    assert_frame_equal(lake.scan("orders", "2018-03").collect(), expected.tail(1))
    assert_frame_equal(lake.scan("orders", ["2018-02", "2018-03"]).collect(), expected.tail(1))


def test_a_partition_that_is_empty_is_scanned_as_no_rows(lake: Lake) -> None:
    frame = lake.scan("orders", "2018-02").collect()
    assert (frame.height, frame.columns) == (0, ["status", "id", "partition_date"])


def test_what_was_never_made_is_no_empty_table(project: Any) -> None:
    project.write("raw_orders.csv", ORDERS)
    lake = project.load(SHOP)
    with pytest.raises(RequestError) as caught:
        lake.scan("orders", "2018-01")
    assert caught.value.code == "partition-missing"
    assert caught.value.lines() == [
        "orders has no data for 2018-01",
        "  help: make it: lake materialize 2018-01 -a orders",
    ]
    lake.materialize("2018-01")
    assert lake.scan("orders", "2018-01..2018-03").collect().height == 2, "of those selected, the ones that were made"


def test_an_asset_that_is_not_there_is_refused(lake: Lake) -> None:
    with pytest.raises(AssetUnknownError, match="no asset 'order'"):
        lake.scan("order")
    with pytest.raises(AssetUnknownError, match="'raw_orders' is a source, not an asset"):
        lake.scan("raw_orders")


@pytest.fixture
def history(lake: Lake, project: Any) -> tuple[Lake, datetime]:
    """A lake in which January was made with one order more a day later, and the instant of the first commit."""
    first = project.now
    project.now += timedelta(days=1)
    project.write("raw_orders.csv", ORDERS + "4,2018-01-21,placed\n")
    lake.materialize("2018-01")
    return lake, first


@pytest.mark.parametrize(
    "spelling", ["number", "text of a number", "instant", "text of an instant", "later that day"]
)
def test_an_earlier_position_is_a_commit_or_an_instant(history: tuple[Lake, datetime], spelling: str) -> None:
    lake, first = history
    as_of: Any = {
        "number": 1,
        "text of a number": "1",
        "instant": first,
        "text of an instant": "2026-11-20T09:00:00+00:00",
        "later that day": first + timedelta(hours=23),
    }[spelling]
    assert lake.scan("orders", as_of=as_of).collect()["id"].to_list() == [1, 2, 3]
    assert lake.scan("orders", "2018-01", as_of=as_of).collect()["id"].to_list() == [1, 2]
    assert lake.scan("orders").collect()["id"].sort().to_list() == [1, 2, 3, 4]


def test_before_the_first_commit_there_was_nothing(history: tuple[Lake, datetime]) -> None:
    lake, first = history
    assert lake.scan("orders", as_of=first - timedelta(microseconds=1)).collect().height == 0
    with pytest.raises(RequestError, match="orders has no data for 2018-01"):
        lake.scan("orders", "2018-01", as_of=0)


def test_a_position_that_is_not_there_yet_or_that_cannot_be_read_is_refused(history: tuple[Lake, datetime]) -> None:
    lake, _ = history
    with pytest.raises(RequestError) as caught:
        lake.scan("orders", as_of=3)
    assert caught.value.lines() == ["orders has no commit 3", "  help: its last commit is 2"]
    with pytest.raises(RequestError, match="'yesterday' is neither a commit's number nor an instant"):
        lake.scan("orders", as_of="yesterday")


def test_versions_that_are_no_longer_kept_are_said_to_be_gone(project: Any) -> None:
    project.write("raw_orders.csv", ORDERS)
    head = project.head.replace('Lake("lake")', 'Lake("lake", keep_versions=0, grace="0s")')
    lake = project.load(SHOP, head)
    lake.materialize("all")
    project.write("raw_orders.csv", ORDERS + "4,2018-01-21,placed\n")
    lake.materialize("all")
    with pytest.raises(RequestError) as caught:
        lake.scan("orders", as_of=1)
    assert caught.value.code == "version-gone"
    assert caught.value.lines() == [
        "1 of the 3 versions that orders had then are no longer kept",
        "  2018-01",
        "  help: Lake(..., keep_versions=…) says how many are kept; see which: lake history orders 2018-01",
    ]


@pytest.mark.parametrize("above", ["env=prod", "partition_date=x", "status=x", "a=1/b=2"])
def test_a_folder_above_the_lake_that_looks_like_a_partition_is_no_column(project: Any, above: str) -> None:
    project.write("raw_orders.csv", ORDERS)
    lake = project.load(SHOP, project.head.replace('"lake"', f'"{above}/lake"'))
    lake.materialize("all")
    assert lake.scan("orders").collect().rows() == [
        ("completed", 1, "2018-01"),
        ("placed", 2, "2018-01"),
        ("placed", 3, "2018-03"),
    ]


# Making


def test_what_is_fresh_is_not_made_again_unless_it_is_forced(lake: Lake) -> None:
    assert made(lake) == [("2018-01", "fresh"), ("2018-02", "fresh"), ("2018-03", "fresh")]
    assert made(lake, "2018-01", force=True) == [("2018-01", "unchanged")]


def test_a_run_with_nothing_to_do_writes_nothing(lake: Lake) -> None:
    def listing() -> list[tuple[str, int]]:
        return sorted((str(path), path.stat().st_mtime_ns) for path in lake.root.rglob("*"))

    before = listing()
    lake.materialize("all")
    assert listing() == before


def test_only_narrows_the_selection(project: Any) -> None:
    project.write("raw_orders.csv", ORDERS)
    lake = project.load(SHOP)
    lake.materialize("2018-01")
    assert made(lake, only=("missing",)) == [("2018-02", "created"), ("2018-03", "created")]
    assert made(lake, only=("missing",)) == []
    assert made(lake, only=("missing",), force=True) == []
    project.write("raw_orders.csv", ORDERS + "4,2018-01-21,placed\n")
    assert made(lake, "2018-01 2018-02", only=("stale",)) == [("2018-01", "replaced"), ("2018-02", "unchanged")]
    assert made(lake, only=("failed",)) == []


def test_partitions_that_failed_raise_once_the_others_are_published(project: Any) -> None:
    project.write("raw_orders.csv", ORDERS)
    lake = project.load(SOURCE + REFUND)
    with pytest.raises(MaterializeError) as caught:
        lake.materialize("all")
    assert [(item.key, item.result) for item in caught.value.results] == [
        ("2018-01", "created"),
        ("2018-02", "failed"),
        ("2018-03", "created"),
    ]
    assert (caught.value.code, caught.value.exit_code) == ("partitions-failed", 1)
    assert caught.value.lines() == [
        "1 of 3 partitions failed; the others are published",
        "  refunds 2018-02: refunds: ZeroDivisionError: no orders",
    ]
    assert lake.scan("refunds").collect()["id"].to_list() == [1, 2, 3]
    assert not (lake.root / "refunds/partition_date=2018-02").exists()


def test_failures_are_returned_where_that_is_asked_for(project: Any) -> None:
    project.write("raw_orders.csv", ORDERS)
    lake = project.load(SOURCE + REFUND)
    assert made(lake, on_failure="return") == [("2018-01", "created"), ("2018-02", "failed"), ("2018-03", "created")]
    assert made(lake, only=("failed",), on_failure="return") == [("2018-02", "failed")]


def test_the_running_month_is_made_only_where_that_is_asked_for(project: Any) -> None:
    project.write("raw_orders.csv", ORDERS + "4,2026-11-03,placed\n")
    lake = project.load(SHOP.replace('"2018-01", end="2018-04"', '"2026-10"'))
    assert made(lake) == [("2026-10", "created")]
    with pytest.raises(RequestError, match="2026-11 has not ended"):
        lake.materialize("2026-11")
    assert made(lake, "2026-11", include_current=True) == [("2026-11", "created")]
    assert lake.scan("orders", "2026-11").collect().height == 1


def test_an_asset_of_which_nothing_has_ended_yet_has_no_partitions(project: Any) -> None:
    project.write("raw_orders.csv", ORDERS)
    lake = project.load(SHOP.replace('"2018-01", end="2018-04"', '"2026-12"'))
    (status,) = lake.status()
    assert (status.first, status.last, status.partitions, status.counts) == ("2026-12", None, (), {})
    assert lake.materialize("all") == []


def test_a_lake_without_assets_says_how_to_declare_one(project: Any) -> None:
    lake = project.load("")
    for call in (lake.status, lambda: lake.materialize("all")):
        with pytest.raises(DefinitionError) as caught:
            call()
        assert caught.value.lines() == [
            "the lake has no assets",
            "  help: declare one: @lake.asset(partitions=Monthly(...))",
        ]


def test_assets_may_be_picked_and_come_upstream_first(project: Any) -> None:
    project.write("raw_orders.csv", ORDERS)
    lake = project.load(
        SOURCE
        + '@lake.asset(partitions=Monthly("2018-01", end="2018-04"))\n'
        + "def counted(orders):\n"
        + '    return orders.group_by("partition_date").agg(n=pl.len().cast(pl.Int64))\n'
        + ORDERS_ASSET
    )
    assert [status.asset for status in lake.status()] == ["orders", "counted"]
    assert [status.asset for status in lake.status(assets=["counted"])] == ["counted"]
    assert [(item.asset, item.result) for item in lake.materialize("2018-01", assets=["counted"])] == [
        ("orders", "created"),
        ("counted", "created"),
    ]


def test_a_result_tells_what_was_made_and_of_what(lake: Lake, project: Any) -> None:
    (result,) = lake.materialize("2018-01", force=True)
    assert (result.asset, result.key, result.partition) == ("orders", "2018-01", {"partition_date": "2018-01"})
    assert (result.row_count, result.schema) == (2, (("status", "str"), ("id", "i64")))
    assert result.path == "orders/partition_date=2018-01/part.parquet"
    assert result.size_bytes == (lake.root / result.path).stat().st_size
    assert result.started == result.finished == project.now
    assert list(result.inputs) == ["raw_orders"]


# What it costs


def loaded(code: str, folder: Path) -> set[str]:
    """The packages that are loaded once the code has run in a process of its own."""
    watched = ("polars", "duckdb", "pyarrow", "rich", "click", "numpy", "pandas")
    script = f"{code}\nimport sys\nprint(*(name for name in {watched!r} if name in sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    ran = subprocess.run(
        [sys.executable, "-c", script], cwd=folder, env=environment, capture_output=True, text=True, check=True
    )
    return set(ran.stdout.splitlines()[-1].split()) if ran.stdout.strip() else set()


def test_importing_the_library_loads_no_engine(tmp_path: Path) -> None:
    assert loaded("from lakehouse import *", tmp_path) == set()


def test_status_loads_no_engine_but_what_the_lakefile_loads(tmp_path: Path) -> None:
    text = (
        "from lakehouse import Lake, Monthly\n"
        'lake = Lake("lake")\n'
        'lake.source("raw_orders", "raw_orders.parquet", time="order_date")\n'
        '@lake.asset(partitions=Monthly("2018-01", end="2018-03"))\n'
        "def orders(raw_orders):\n"
        "    return raw_orders\n"
    )
    (tmp_path / "lakefile.py").write_text(text)
    frame = pl.DataFrame({"order_date": [datetime(2018, 1, 5, tzinfo=UTC).date()], "id": [1]})
    frame.write_parquet(tmp_path / "raw_orders.parquet")
    assert "polars" in loaded("from lakefile import lake; lake.materialize('all')", tmp_path)
    status = "from lakefile import lake; (status,) = lake.status(); assert status.counts == {'fresh': 1, 'empty': 1}"
    assert loaded(status, tmp_path) == set()
    (tmp_path / "lakefile.py").write_text(f"import polars\n{text}")
    assert loaded(status, tmp_path) <= {"polars", "numpy"}


def test_a_lake_may_be_declared_in_plain_python(tmp_path: Path) -> None:
    (tmp_path / "raw.csv").write_text("at,n\n2018-01-05,1\n")
    lake = Lake(tmp_path / "lake")
    lake.base = tmp_path
    lake.source("raw", "raw.csv", schema={"at": pl.Date, "n": pl.Int64}, time="at")

    @lake.asset(partitions=Monthly("2018-01", end="2018-02"))
    def numbers(raw: pl.LazyFrame) -> pl.LazyFrame:
        return raw.select("n", "partition_date")

    assert made(lake) == [("2018-01", "created")]
    assert lake.scan("numbers").collect().rows() == [(1, "2018-01")]


@pytest.mark.usefixtures("lake")
def test_partitions_of_two_schemas_are_not_read_as_one_table(project: Any) -> None:
    """After a change of the contract, old partitions are refused until they are made again: readers would guess."""
    changed: Lake = project.load(SHOP.replace('"id", "part', '"id", pl.lit(1).alias("one"), "part'))
    changed.materialize("2018-02", allow_schema_change=True)
    assert changed.scan("orders", "2018-02").collect().columns == ["status", "id", "one", "partition_date"]
    with pytest.raises(AuditError, match="2 of its partitions have other columns than the others: 2018-01, 2018-03"):
        changed.scan("orders")
    changed.materialize("all")
    assert changed.scan("orders").collect().height == 3
