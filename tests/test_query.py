"""`lakehouse.query`: each asset, view and source under its name, as the log has it, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from lakehouse import Lake, Monthly
from lakehouse.errors import AssetUnknownError, ComputeError, RequestError, SourceError
from lakehouse.query import query, tables

SCHEMA = {"id": pl.Int64, "order_date": pl.Date, "status": pl.String}
ORDERS = """id,order_date,status
1,2018-01-05,completed
2,2018-01-20,completed
3,2018-01-21,returned
4,2018-02-03,placed
5,2018-03-09,completed
"""
OVER_CSV = """
    SELECT strftime(order_date, '%Y-%m') AS partition_date, status, count(*) AS order_num
    FROM read_csv('{csv}') GROUP BY ALL ORDER BY ALL
"""
Declare = Callable[[Lake], None]


def lake_in(folder: Path, declare: Declare | None = None) -> Lake:
    """A lake over five orders: a source, a view, and an asset of counts a month, or what `declare` declares."""
    (folder / "orders.csv").write_text(ORDERS)
    lake = Lake(folder / "lake")
    lake.base = folder
    lake.source("orders", "orders.csv", schema=SCHEMA, time="order_date")

    @lake.view(time="order_date")
    def stg_orders(orders: pl.LazyFrame) -> pl.LazyFrame:
        return orders.rename({"id": "order_id"})

    @lake.asset(partitions=Monthly("2018-01", end="2018-07"))
    def monthly_orders(stg_orders: pl.LazyFrame) -> pl.LazyFrame:
        return stg_orders.group_by("partition_date", "status").agg(order_num=pl.len().cast(pl.Int64))

    if declare is not None:
        declare(lake)
    return lake


def rows(lake: Lake, sql: str) -> list[tuple[Any, ...]]:
    with query(lake.survey(), sql) as result:
        return list(result.rows())


def test_every_asset_view_and_source_is_a_table_of_its_name(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    lake.materialize("2018-01..2018-03")
    assert [table.name for table in tables(lake.survey())] == ["orders", "stg_orders", "monthly_orders"]
    assert rows(lake, "SELECT count(*) FROM orders") == [(5,)]
    assert rows(lake, "SELECT max(order_id) FROM stg_orders") == [(5,)]
    assert rows(lake, "SELECT sum(order_num) FROM monthly_orders") == [(5,)]
    joined = "monthly_orders m JOIN stg_orders s ON m.partition_date = strftime(s.order_date, '%Y-%m')"
    assert rows(lake, f"FROM {joined} SELECT count(*)") == [
        (8,)
    ]  # January: 3 orders by 2 statuses; February and March: 1 by 1


def test_numbers_are_those_of_duckdb_over_the_source_itself(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    lake.materialize("2018-01..2018-06")
    expected = duckdb.sql(OVER_CSV.format(csv=tmp_path / "orders.csv")).fetchall()
    assert rows(lake, "FROM monthly_orders SELECT partition_date, status, order_num ORDER BY ALL") == expected


def test_the_key_is_text_in_the_order_of_the_keys_whatever_it_looks_like(tmp_path: Path) -> None:
    """Keys that look like numbers or dates stay what they are, also in a format that sorts otherwise."""

    def declare(lake: Lake) -> None:
        @lake.asset(partitions=Monthly("2018-01", end="2019-03", format="%m%Y"))
        def compact(orders: pl.LazyFrame) -> pl.LazyFrame:
            return orders.select("partition_date", "id")

    lake = lake_in(tmp_path, declare)
    (tmp_path / "orders.csv").write_text(ORDERS + "6,2019-01-02,placed\n")
    for key in ("032018", "012019", "012018"):
        lake.materialize(key, assets=["compact"])
    with query(lake.survey(), "SELECT DISTINCT partition_date FROM compact") as result:
        assert result.types == ("VARCHAR",)
    assert rows(lake, "SELECT partition_date FROM compact") == [("012018",)] * 3 + [("032018",), ("012019",)]


def test_it_reads_what_the_log_names_not_what_lies_in_the_folders(tmp_path: Path) -> None:
    """A file that somebody put there, or removed, changes nothing."""
    lake = lake_in(tmp_path)
    lake.materialize("2018-01..2018-02")
    (tmp_path / "lake/monthly_orders/partition_date=2018-01/part.parquet").unlink()
    stray = tmp_path / "lake/monthly_orders/partition_date=2018-05/part.parquet"
    stray.parent.mkdir()
    pl.DataFrame({"status": ["stray"], "order_num": [99]}).write_parquet(stray)
    assert rows(lake, "SELECT sum(order_num) FROM monthly_orders") == [(4,)]


def test_a_made_empty_lake_gives_typed_empty_tables(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    lake.materialize("2018-05")
    with query(lake.survey(), "FROM monthly_orders") as result:
        assert list(zip(result.columns, result.types, strict=True)) == [
            ("status", "VARCHAR"),
            ("order_num", "BIGINT"),
            ("partition_date", "VARCHAR"),
        ]
        assert list(result.rows()) == []


def test_an_asset_that_was_never_made_is_told_with_the_command_that_makes_it(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    with pytest.raises(RequestError, match="monthly_orders was never made") as caught:
        rows(lake, "FROM monthly_orders")
    assert caught.value.help == "make a partition: lake materialize latest -a monthly_orders"
    assert rows(lake, "SELECT count(*) FROM orders") == [(5,)]  # what is there can be asked all the same


def test_an_asset_that_declares_its_schema_is_an_empty_table_before_it_is_made(tmp_path: Path) -> None:
    def declare(lake: Lake) -> None:
        kinds = {
            "flag": pl.Boolean,
            "amount": pl.Decimal(12, 2),
            "at": pl.Datetime("us"),
            "seen": pl.Datetime("ms", "Europe/Berlin"),
            "tags": pl.List(pl.String),
            "place": pl.Struct({"lat": pl.Float64, 'of "x"': pl.List(pl.Int32)}),
        }

        @lake.asset(partitions=Monthly("2018-01"), schema=kinds)
        def declared(orders: pl.LazyFrame) -> pl.LazyFrame:
            return orders

    with query(lake_in(tmp_path, declare).survey(), "FROM declared") as result:
        assert dict(zip(result.columns, result.types, strict=True)) == {
            "flag": "BOOLEAN",
            "amount": "DECIMAL(12,2)",
            "at": "TIMESTAMP",
            "seen": "TIMESTAMP WITH TIME ZONE",
            "tags": "VARCHAR[]",
            "place": 'STRUCT(lat DOUBLE, "of ""x""" INTEGER[])',
            "partition_date": "VARCHAR",
        }
        assert list(result.rows()) == []


def test_a_view_over_an_asset_sees_all_of_its_rows_and_their_keys(tmp_path: Path) -> None:
    def declare(lake: Lake) -> None:
        @lake.view
        def totals(monthly_orders: pl.LazyFrame) -> pl.LazyFrame:
            return monthly_orders.group_by("partition_date").agg(pl.col("order_num").sum())

    lake = lake_in(tmp_path, declare)
    lake.materialize("2018-01..2018-02")
    assert rows(lake, "FROM totals ORDER BY ALL") == [("2018-01", 3), ("2018-02", 1)]


def test_a_view_may_be_a_relation_of_another_engine_and_leaves_no_file_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(scratch))

    def declare(lake: Lake) -> None:
        @lake.view
        def by_arrow(orders: pl.LazyFrame) -> Any:
            return orders.select("status").collect().to_arrow()

    lake = lake_in(tmp_path, declare)
    with query(lake.survey(), "SELECT count(*) FROM by_arrow") as result:
        assert list(result.rows()) == [(5,)]
        assert len(list(scratch.iterdir())) == 1
    del result
    assert list(scratch.iterdir()) == []


def test_a_lake_without_assets_can_be_asked_about_its_sources_and_views(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text(ORDERS)
    lake = Lake(tmp_path / "lake")
    lake.base = tmp_path
    lake.source("orders", "orders.csv", schema=SCHEMA)

    @lake.view
    def placed(orders: pl.LazyFrame) -> pl.LazyFrame:
        return orders.filter(pl.col("status") == "placed")

    assert rows(lake, "SELECT id FROM placed") == [(4,)]


def test_listing_names_sources_and_views_too_with_their_columns(tmp_path: Path) -> None:
    def declare(lake: Lake) -> None:
        @lake.view
        def broken(orders: pl.LazyFrame) -> pl.LazyFrame:
            raise RuntimeError(f"no matter what {orders} are")

    lake = lake_in(tmp_path, declare)
    lake.materialize("2018-01")
    assert rows(lake, "SHOW TABLES") == [("monthly_orders",), ("orders",), ("stg_orders",)]
    listed = "SELECT column_name, data_type FROM duckdb_columns() WHERE table_name = 'stg_orders'"
    assert rows(lake, listed) == [("order_id", "BIGINT"), ("order_date", "DATE"), ("status", "VARCHAR")]


def test_what_a_query_does_not_name_is_not_looked_at(tmp_path: Path) -> None:
    """A missing source, a view that raises: they are told only where they are asked for."""

    def declare(lake: Lake) -> None:
        lake.source("gone", "gone.csv", schema={"id": pl.Int64})

        @lake.view
        def broken(orders: pl.LazyFrame) -> pl.LazyFrame:
            raise RuntimeError(f"of the view, given a {type(orders).__name__}")

    lake = lake_in(tmp_path, declare)
    lake.materialize("2018-01")
    assert rows(lake, "SELECT count(*) FROM monthly_orders") == [(2,)]
    with pytest.raises(SourceError, match=r"gone\.csv does not exist"):
        rows(lake, "FROM gone")
    with pytest.raises(ComputeError, match="broken: RuntimeError: of the view, given a LazyFrame"):
        rows(lake, "FROM broken")


@pytest.mark.parametrize(
    "sql",
    [
        "COPY monthly_orders TO '{out}'",
        "COPY (SELECT 1) TO '{out}' (FORMAT parquet)",
        "ATTACH '{out}' AS other",
        "CREATE TABLE t AS SELECT 1",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET threads = 1",
        "PRAGMA database_list",
        "EXPORT DATABASE '{out}'",
        "SELECT 1; SELECT 2",
        "",
        "FROM read_csv('{csv}')",
        "FROM read_text('/etc/hostname')",
        "FROM '{csv}'",
        "FROM glob('/*')",
        "SELECT getenv('HOME')",
    ],
)
def test_nothing_else_can_be_reached_or_changed(tmp_path: Path, sql: str) -> None:
    lake = lake_in(tmp_path)
    lake.materialize("2018-01")
    before = sorted(str(path) for path in tmp_path.rglob("*"))
    with pytest.raises(RequestError) as caught:
        rows(lake, sql.format(out=tmp_path / "out", csv=tmp_path / "orders.csv"))
    assert caught.value.exit_code == 2
    assert sorted(str(path) for path in tmp_path.rglob("*")) == before


def test_a_name_that_nothing_has_is_told_with_the_nearest(tmp_path: Path) -> None:
    lake = lake_in(tmp_path)
    lake.materialize("2018-01")
    with pytest.raises(RequestError, match="no table 'monthly_order'") as caught:
        rows(lake, "FROM monthly_order")
    assert caught.value.help == "did you mean 'monthly_orders'?"
    with pytest.raises(AssetUnknownError):
        lake.graph.asset("monthly_order")


def test_a_query_can_be_stopped_from_another_thread(tmp_path: Path) -> None:
    import threading

    with query(lake_in(tmp_path).survey(), "SELECT count(*) FROM range(10000000) a, range(100000) b") as result:
        timer = threading.Timer(0.2, result.interrupt)
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            list(result.rows())
        timer.join()


@pytest.mark.parametrize("name", ["lakefile.py", "data/raw_orders.csv", "data/lake/x.csv"])
def test_the_rows_of_a_query_replace_nothing_that_the_lake_is_made_of(cli: Any, name: str) -> None:
    before = {path: path.read_bytes() for path in cli.folder.rglob("*") if path.is_file()}
    done = cli("query", "select 1 as one", "-o", str(cli.folder / name), "--format", "csv")
    assert (done.code, "error[output-refused]" in done.err) == (2, True)
    assert {path: path.read_bytes() for path in cli.folder.rglob("*") if path.is_file()} == before


def test_only_what_stands_in_the_place_of_a_table_is_opened(tmp_path: Path) -> None:
    """An alias, a column or a CTE that happens to be called like an asset which was never made is none of it."""
    lake = Lake(tmp_path / "lake")
    lake.base = tmp_path

    @lake.asset
    def s() -> pl.DataFrame:
        return pl.DataFrame({"a": [1]})

    for sql in ("select 1 as s", "with s as (select 2 as a) select a from s", "/* s */ select 's'"):
        with query(lake.survey(), sql) as result:
            assert len(list(result.rows())) == 1
    with pytest.raises(RequestError, match="never made"):
        query(lake.survey(), "describe s")
