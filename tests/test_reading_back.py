"""The example, held against DuckDB's own answers over the same CSVs, through each reader of Hive folders."""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from lakehouse.examples import jaffle_shop

DATA = Path(__file__).parents[1] / "data"
MONTHS = [f"2018-{month:02}" for month in range(1, 7)]
ORDERS = """
    select status, count(*) as order_num, strftime(order_date, '%Y-%m') as partition_date
    from read_csv($orders) group by all
"""
REVENUE = """
    select payment_method, sum(amount) as revenue_cents, count(*) as payments,
           strftime(order_date, '%Y-%m') as partition_date
    from read_csv($orders) as o join read_csv($payments) as p on p.order_id = o.id group by all
"""
QUERIES = {"monthly_orders": ORDERS, "monthly_revenue": REVENUE}
COLUMNS = {
    "monthly_orders": {"status": pl.String, "order_num": pl.Int64, "partition_date": pl.String},
    "monthly_revenue": {
        "payment_method": pl.String,
        "revenue_cents": pl.Int64,
        "payments": pl.Int64,
        "partition_date": pl.String,
    },
}
Row = tuple[object, ...]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example's lake with all six months made, at its root."""
    base = tmp_path_factory.mktemp("shop")
    shutil.copytree(DATA, base / "data", ignore=shutil.ignore_patterns("lake"))
    lake = jaffle_shop.lake
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lake, "_base", base)
        patch.setattr(lake, "_clock", lambda: datetime(2018, 7, 2, tzinfo=UTC))
        results = lake.materialize("2018-01..2018-06")
    assert {(result.asset, result.key, result.result) for result in results} == {
        (asset, month, "created") for asset in QUERIES for month in MONTHS
    }
    return base / "data/lake"


def expected(asset: str, root: Path) -> list[Row]:
    """The rows of DuckDB's own query over the CSVs, integers for its HUGEINT sums."""
    given = {"orders": str(root.parent / "raw_orders.csv"), "payments": str(root.parent / "raw_payments.csv")}
    used = {name: path for name, path in given.items() if f"${name}" in QUERIES[asset]}
    rows = duckdb.connect().execute(QUERIES[asset], used).fetchall()
    return sorted(tuple(int(value) if isinstance(value, int) else value for value in row) for row in rows)


@pytest.mark.parametrize("asset", QUERIES)
@pytest.mark.parametrize("month", MONTHS)
def test_each_month_holds_what_another_engine_computes(asset: str, month: str, root: Path) -> None:
    file = root / asset / f"partition_date={month}" / "part.parquet"
    wanted = [row[:-1] for row in expected(asset, root) if row[-1] == month]
    assert len(wanted) > 3
    assert pl.read_parquet(file, hive_partitioning=False).rows() == wanted
    assert (
        duckdb.connect().execute("from read_parquet(?, hive_partitioning = false)", [str(file)]).fetchall() == wanted
    )


def test_the_partitions_add_up_to_the_whole(root: Path) -> None:
    con = duckdb.connect()
    orders = con.execute("select count(*) from read_csv(?)", [str(root.parent / "raw_orders.csv")]).fetchone()
    read = "from read_parquet(?, hive_partitioning = true)"
    counted = con.execute(f"select sum(order_num) {read}", [f"{root}/monthly_orders/*/part.parquet"]).fetchone()
    assert counted == orders == (3047,)
    paid = con.execute(
        "select sum(amount), count(*) from read_csv(?)", [str(root.parent / "raw_payments.csv")]
    ).fetchone()
    summed = con.execute(
        f"select sum(revenue_cents), sum(payments) {read}", [f"{root}/monthly_revenue/*/part.parquet"]
    ).fetchone()
    assert summed == paid


@pytest.mark.parametrize("asset", QUERIES)
def test_duckdb_reads_every_month_by_glob(asset: str, root: Path) -> None:
    found = duckdb.connect().execute(
        "from read_parquet(?, hive_partitioning = true) order by all", [f"{root}/{asset}/*/part.parquet"]
    )
    kinds = {pl.String: "VARCHAR", pl.Int64: "BIGINT"}
    assert [(name, str(kind)) for name, kind, *_ in found.description or ()] == [
        (name, kinds[dtype]) for name, dtype in COLUMNS[asset].items()
    ]
    assert found.fetchall() == expected(asset, root)


@pytest.mark.parametrize("asset", QUERIES)
def test_polars_reads_every_month_by_folder(asset: str, root: Path) -> None:
    frame = pl.scan_parquet(f"{root}/{asset}/").collect()
    assert frame.schema == COLUMNS[asset]
    assert sorted(frame.rows()) == expected(asset, root)


@pytest.mark.parametrize("asset", QUERIES)
def test_pyarrow_reads_every_month_as_a_hive_data_set(asset: str, root: Path) -> None:
    table = ds.dataset(root / asset, partitioning="hive").to_table()
    kinds = {pl.String: (pa.string(), pa.large_string(), pa.string_view()), pl.Int64: (pa.int64(),)}
    assert table.column_names == list(COLUMNS[asset])
    assert all(table.schema.field(name).type in kinds[dtype] for name, dtype in COLUMNS[asset].items())
    assert sorted(tuple(row.values()) for row in table.to_pylist()) == expected(asset, root)


@pytest.mark.parametrize("asset", QUERIES)
def test_each_reader_prunes_to_one_months_file(asset: str, root: Path) -> None:
    wanted = [row for row in expected(asset, root) if row[-1] == "2018-02"]
    query = pl.scan_parquet(f"{root}/{asset}/").filter(pl.col("partition_date") == "2018-02")
    assert f"Parquet SCAN [{root}/{asset}/partition_date=2018-02/part.parquet]" in query.explain()
    assert sorted(query.collect().rows()) == wanted
    sql = "from read_parquet(?, hive_partitioning = true) where partition_date = '2018-02' order by all"
    con, glob = duckdb.connect(), f"{root}/{asset}/*/part.parquet"
    assert con.execute(sql, [glob]).fetchall() == wanted
    assert "1/6" in con.execute(f"explain {sql}", [glob]).fetchall()[0][1]
    dataset = ds.dataset(root / asset, partitioning="hive")
    assert len(list(dataset.get_fragments(ds.field("partition_date") == "2018-02"))) == 1


def test_the_lakes_own_scan_gives_the_same_rows(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaffle_shop.lake, "_base", root.parents[1])
    for asset in QUERIES:
        assert sorted(jaffle_shop.lake.scan(asset).collect().rows()) == expected(asset, root)


@pytest.mark.invariant("I1")
def test_the_hive_folders_hold_the_partitions_and_nothing_else(root: Path) -> None:
    found = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if ".lake" not in path.parts)
    assert [name for name in found if name.endswith(".parquet")] == [
        f"{asset}/partition_date={month}/part.parquet" for asset in QUERIES for month in MONTHS
    ]
    assert len(found) == 2 * (1 + 6 + 6)
