"""The lake as it was: one instant for every asset, whole commits, and a clear refusal where bytes are gone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from lakehouse import AssetUnknownError, DefinitionError, Lake, LakeError, RequestError
from lakehouse.query import query

if TYPE_CHECKING:
    from conftest import Shop

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
CHAIN = """
lake.source("orders", "orders.csv", schema={"id": pl.Int64, "day": pl.Date}, time="day")


@lake.view(time="day")
def stg(orders: pl.LazyFrame) -> pl.LazyFrame:
    return orders


@lake.asset(partitions=Monthly("2018-01", end="2018-03"))
def base(stg: pl.LazyFrame) -> pl.LazyFrame:
    return stg.group_by("partition_date").agg(n=pl.len().cast(pl.Int64))


@lake.view
def doubled(base: pl.LazyFrame) -> pl.LazyFrame:
    return base.with_columns(pl.col("n") * 2)


@lake.asset
def total(base: pl.LazyFrame) -> pl.LazyFrame:
    return base.select(pl.col("n").sum())


@lake.asset
def late(base: pl.LazyFrame) -> pl.LazyFrame:
    return base.select(pl.col("n").max())
"""


def rows(lake: Lake, sql: str, as_of: Any = None) -> list[tuple[Any, ...]]:
    with query(lake.survey(), sql, as_of=as_of) as result:
        return list(result.rows())


@pytest.fixture
def lake(project: Any) -> Lake:
    """At nine o'clock there were 3 orders, at ten a fourth; `late` is made at eleven."""
    project.write("orders.csv", "id,day\n1,2018-01-05\n2,2018-01-06\n3,2018-02-07\n")
    lake: Lake = project.load(CHAIN)
    lake.materialize("all", assets=["total"])
    project.now = NOW + timedelta(hours=1)
    project.write("orders.csv", "id,day\n1,2018-01-05\n2,2018-01-06\n3,2018-02-07\n4,2018-02-08\n")
    lake.materialize("all", assets=["total"])
    project.now = NOW + timedelta(hours=2)
    lake.materialize("all", assets=["late"])
    return lake


BY_MONTH = "select n from base order by partition_date"


# An instant


@pytest.mark.parametrize(
    "when", ["2026-11-20T09:30+00:00", NOW, NOW + timedelta(minutes=59), "2026-11-20T14:59:59.999999+05:00"], ids=str
)
def test_every_asset_is_read_as_it_was_at_one_instant(lake: Lake, when: Any) -> None:
    assert rows(lake, BY_MONTH, when) == [(2,), (1,)]
    assert rows(lake, "from total", when) == [(3,)]
    assert rows(lake, "select (select sum(n) from base) - n from total", when) == [(0,)]


def test_an_instant_after_the_last_commit_is_the_lake_as_it_is(lake: Lake) -> None:
    for when in ("2026-11-21", datetime(2030, 1, 1, tzinfo=UTC)):
        assert rows(lake, BY_MONTH, when) == rows(lake, BY_MONTH) == [(2,), (2,)]
        assert rows(lake, "from late", when) == [(2,)]


def test_what_had_not_been_made_has_no_columns_and_keeps_no_query_from_the_others(lake: Lake) -> None:
    with pytest.raises(RequestError) as caught:
        rows(lake, "from late", NOW)
    assert caught.value.code == "asset-missing"
    assert caught.value.message == "late was not made by then, so it has no columns yet"
    assert rows(lake, BY_MONTH, NOW) == [(2,), (1,)]
    with pytest.raises(RequestError, match="base was not made by then"):
        rows(lake, "from base", NOW - timedelta(microseconds=1))


def test_declared_columns_are_there_before_anything_was_made(project: Any) -> None:
    lake: Lake = project.load('\n@lake.asset(schema={"n": pl.Int64})\ndef one() -> pl.LazyFrame:\n    ...\n')
    assert rows(lake, "select count(*), sum(n) from one", NOW) == [(0, None)]


# A commit


def test_a_commit_of_one_asset_is_its_instant_for_the_others(lake: Lake) -> None:
    """At a clock that stands still each asset's first commit is of nine o'clock, its second of ten."""
    assert rows(lake, BY_MONTH, "base:1") == [(2,), (1,)]
    assert rows(lake, "from total", "base:1") == [(3,)]
    assert rows(lake, BY_MONTH, "total:2") == [(2,), (2,)]
    assert rows(lake, "from base select sum(n)", "late:1") == [(4,)]


def test_of_one_asset_alone_a_number_is_enough(shop: Shop) -> None:
    shop.make("2018-01")
    shop.write(shop.NEW)
    shop.make("2018-01")
    total = "select sum(order_num) from monthly_orders"
    for when in (1, "1", "monthly_orders:1"):
        assert rows(shop.lake, total, when) == [(3,)]
    assert rows(shop.lake, total, 2) == [(4,)]


def test_of_several_assets_a_number_says_too_little(lake: Lake) -> None:
    for when in (1, "1"):
        with pytest.raises(RequestError) as caught:
            rows(lake, BY_MONTH, when)
        assert caught.value.code == "as-of-ambiguous"
        assert "base:1" in (caught.value.help or "")


@pytest.mark.parametrize(
    ("when", "message"),
    [
        ("base:3", "base has no commit 3"),
        ("base:0", "base has no commit 0"),
        ("yesterday", "'yesterday' is neither a commit's number nor an instant"),
        ("2026-13-01", "'2026-13-01' is neither"),
        ("0001-01-01", "'0001-01-01' is neither"),
        ("", "'' is neither"),
        ("base:-1", "'base:-1' is neither"),
        ("base:x", "'base:x' is neither"),
    ],
)
def test_a_moment_that_there_is_not_is_refused_whatever_is_asked(lake: Lake, when: str, message: str) -> None:
    with pytest.raises(RequestError) as caught:
        rows(lake, "select 1", when)
    assert caught.value.message.startswith(message)


def test_a_commit_of_an_asset_that_there_is_not_is_refused(lake: Lake) -> None:
    with pytest.raises(AssetUnknownError, match="no asset 'nix'"):
        rows(lake, "select 1", "nix:1")


@pytest.mark.parametrize("as_of", [-1, "-1", 3])
def test_a_scan_of_a_commit_that_there_is_not_is_refused(shop: Shop, as_of: Any) -> None:
    shop.make("2018-01")
    with pytest.raises(RequestError):
        shop.lake.scan("monthly_orders", as_of=as_of)


# Sources and views


def test_sources_have_no_past_nor_have_views_of_them(lake: Lake) -> None:
    """They would be read as they are today, unsaid."""
    for name, message in (
        ("orders", "'orders' is a source, of which the lake keeps no earlier state"),
        ("stg", "'stg' is made of the source 'orders', of which the lake keeps no earlier state"),
    ):
        with pytest.raises(RequestError) as caught:
            rows(lake, f"from {name} select count(*)", NOW)
        assert (caught.value.code, caught.value.message) == ("as-of-source", message)
        assert caught.value.help == "as of then there are base, total, late"
        assert rows(lake, f"from {name} select count(*)") == [(4,)]


def test_a_view_of_assets_alone_is_computed_from_what_they_were(lake: Lake) -> None:
    assert rows(lake, "select sum(n) from doubled", "base:1") == [(6,)]
    assert rows(lake, "select sum(n) from doubled") == [(8,)]


def test_what_has_no_past_is_not_listed(lake: Lake) -> None:
    assert sorted(rows(lake, "show tables", "base:1")) == [("base",), ("doubled",), ("total",)]


# What is gone


def test_versions_that_are_gone_are_told_only_by_a_query_of_their_asset(project: Any) -> None:
    project.write("orders.csv", "id,day\n1,2018-01-05\n2,2018-02-07\n")
    head = project.head.replace('Lake("lake")', 'Lake("lake", keep_versions=0, grace="0s")')
    lake: Lake = project.load(CHAIN, head)
    lake.materialize("all", assets=["late"])
    project.now = NOW + timedelta(hours=1)
    project.write("orders.csv", "id,day\n1,2018-01-05\n2,2018-02-07\n3,2018-02-08\n")
    lake.materialize("all", assets=["base"])
    assert rows(lake, "from late", "base:1") == [(1,)]
    for name in ("base", "doubled"):
        with pytest.raises(RequestError) as caught:
            rows(lake, f"from {name}", "base:1")
        assert caught.value.code == "version-gone"
        assert caught.value.lines() == [
            "1 of the 2 versions that base had then are no longer kept",
            "  2018-02",
            "  help: Lake(..., keep_versions=…) says how many are kept; see which: lake history base 2018-02",
        ]
        with pytest.raises(RequestError, match="1 of the 2 versions that base had then are no longer kept"):
            lake.scan("base", as_of=1)
    assert lake.scan("base", "2018-01", as_of=1).collect()["n"].to_list() == [1]


def test_before_a_wipe_the_bytes_are_gone_and_at_it_the_partition_is(shop: Shop) -> None:
    shop.make("2018-01..2018-02")
    shop.lake.wipe("monthly_orders", "2018-01")
    shop.make("2018-01")
    total = "select sum(order_num) from monthly_orders"
    assert [rows(shop.lake, total, when) for when in (2, 3)] == [[(1,)], [(4,)]]
    with pytest.raises(RequestError, match="1 of the 2 versions that monthly_orders had then are no longer kept"):
        rows(shop.lake, total, 1)
    assert shop.lake.scan("monthly_orders", as_of=2).collect().height == 1
    assert shop.lake.scan("monthly_orders", "2018-02", as_of=1).collect().height == 1
    with pytest.raises(RequestError, match="no longer kept"):
        shop.lake.scan("monthly_orders", as_of=1)
    with pytest.raises(RequestError, match="monthly_orders has no data for 2018-01"):
        shop.lake.scan("monthly_orders", "2018-01", as_of=2)


def test_after_a_rollback_each_commit_has_the_version_that_it_named(shop: Shop) -> None:
    shop.make("2018-01")
    shop.write(shop.NEW)
    shop.make("2018-01")
    shop.lake.rollback("monthly_orders", "2018-01")
    shop.lake.unfreeze("monthly_orders", "2018-01")
    total = "select sum(order_num) from monthly_orders"
    assert [rows(shop.lake, total, when)[0][0] for when in (1, 2, 3, 4)] == [3, 4, 3, 3]
    scanned = [shop.lake.scan("monthly_orders", as_of=when).collect()["order_num"].sum() for when in (1, 2, 3, 4)]
    assert scanned == [3, 4, 3, 3]


def test_attempts_that_failed_are_commits_that_change_nothing(shop: Shop) -> None:
    shop.make("2018-01")
    shop.write("id,order_date,status\n1,nix,completed\n")
    shop.make("2018-01", on_failure="return")
    assert rows(shop.lake, "select sum(order_num) from monthly_orders", 2) == [(3,)]
    assert shop.lake.scan("monthly_orders", as_of=2).collect()["order_num"].sum() == 3


def test_the_past_is_read_under_the_contract_of_then(shop: Shop) -> None:
    shop.make("2018-01..2018-02")
    other = shop.again(result=lambda frame: frame.rename({"order_num": "n"}))
    other.make("2018-01..2018-02", allow_schema_change=True)
    assert rows(other.lake, "select sum(order_num) from monthly_orders", 1) == [(4,)]
    assert rows(other.lake, "select sum(n) from monthly_orders", 2) == [(4,)]
    assert other.lake.scan("monthly_orders", as_of=1).collect().columns == ["status", "order_num", "partition_date"]


def test_keys_that_meant_something_else_then_are_refused(project: Any) -> None:
    project.write("orders.csv", "id,day\n1,2018-01-05\n")
    project.load(CHAIN).materialize("2018-01", assets=["base"])
    lake: Lake = project.load(CHAIN.replace("Monthly(", 'Monthly(column="month", start='))
    for read in (lambda: rows(lake, "from base", "base:1"), lambda: lake.scan("base", as_of=1)):
        with pytest.raises(DefinitionError) as caught:
            read()
        assert caught.value.code == "partitions-changed"


def test_the_present_is_not_held_against_what_is_no_longer_kept(shop: Shop) -> None:
    shop = shop.again(keep_versions=0, grace="0s")
    shop.make("2018-01")
    shop.write(shop.NEW)
    shop.make("2018-01")
    assert rows(shop.lake, "select sum(order_num) from monthly_orders", 2) == [(4,)]
    with pytest.raises(LakeError, match="no longer kept"):
        rows(shop.lake, "from monthly_orders", 1)
