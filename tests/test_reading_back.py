"""The example, held against DuckDB's own answers over the same CSVs, through each reader of Hive folders."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest

from lakehouse.examples import jaffle_shop

DATA = Path(__file__).parents[1] / "data"
MONTHS = [f"2018-{month:02}" for month in range(1, 7)]
DAYS = [f"{date(2018, 1, 1) + timedelta(days=number)}" for number in range(181)]
REGIONS = ["apac", "eu", "us"]
METHODS = ["bank_transfer", "coupon", "credit_card", "gift_card"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """An asset of the example.

    Attributes:
        columns: its own, in order.
        folders: the folders of its partitions, in order.
        keys: the partition columns, in order.
        one: the folder of one partition that has rows.
        query: DuckDB's own over the CSVs; its columns are `columns`, then `keys`.
    """

    columns: dict[str, type[pl.DataType]]
    folders: list[str]
    keys: tuple[str, ...]
    one: str
    query: str


ASSETS = {
    "monthly_orders": Expected(
        columns={"status": pl.String, "order_num": pl.Int64},
        folders=[f"partition_date={month}" for month in MONTHS],
        keys=("partition_date",),
        one="partition_date=2018-02",
        query="""
            select status, count(*) as order_num, strftime(order_date, '%Y-%m') as partition_date
            from read_csv($orders) group by all
        """,
    ),
    "daily_orders": Expected(
        columns={"status": pl.String, "order_num": pl.Int64},
        folders=[f"partition_date={day}" for day in DAYS],
        keys=("partition_date",),
        one="partition_date=2018-02-03",
        query="""
            select status, count(*) as order_num, strftime(order_date, '%Y-%m-%d') as partition_date
            from read_csv($orders) group by all
        """,
    ),
    "busiest_days": Expected(
        columns={"day": pl.String, "order_num": pl.Int64},
        folders=[f"partition_date={month}" for month in MONTHS],
        keys=("partition_date",),
        one="partition_date=2018-02",
        query="""
            with days as (select order_date as day, count(*) as n from read_csv($orders) group by all)
            select strftime(day, '%Y-%m-%d'), n, strftime(day, '%Y-%m') from days
            where (select count(*) from days as other where month(other.day) = month(days.day)
                   and (other.n > days.n or (other.n = days.n and other.day < days.day))) < 3
        """,
    ),
    "regional_revenue": Expected(
        columns={"payment_method": pl.String, "revenue_cents": pl.Int64, "payments": pl.Int64},
        folders=[f"region={region}/partition_date={month}" for region in REGIONS for month in MONTHS],
        keys=("region", "partition_date"),
        one="region=us/partition_date=2018-02",
        query="""
            select payment_method, sum(amount), count(*), region, strftime(order_date, '%Y-%m')
            from read_csv($payments) as p, read_csv($orders) as o, read_csv($customers) as c
            where p.order_id = o.id and o.user_id = c.id group by all
        """,
    ),
    "payment_methods": Expected(
        columns={"status": pl.String, "payments": pl.Int64, "revenue_cents": pl.Int64},
        folders=[f"payment_method={method}" for method in METHODS],
        keys=("payment_method",),
        one="payment_method=coupon",
        query="""
            select status, count(*), sum(amount), payment_method
            from read_csv($payments) as p join read_csv($orders) as o on p.order_id = o.id group by all
        """,
    ),
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
        results = [*lake.materialize("2018-01..2018-06"), *lake.materialize("all", assets=["payment_methods"])]
    assert {result.result for result in results} == {"created"}
    assert len(results) == sum(len(asset.folders) for asset in ASSETS.values())
    return base / "data/lake"


def expected(asset: str, root: Path, where: str = "") -> list[Row]:
    """The rows of DuckDB's own query over the CSVs, integers for its HUGEINT sums; of one folder, or of all."""
    query, keys = ASSETS[asset].query, len(ASSETS[asset].keys)
    given = {name: str(root.parent / f"raw_{name}.csv") for name in ("orders", "payments", "customers")}
    used = {name: path for name, path in given.items() if f"${name}" in query}
    found = [
        tuple(int(value) if isinstance(value, int) else value for value in row)
        for row in duckdb.connect().execute(query, used).fetchall()
    ]
    wanted = tuple(folder.partition("=")[2] for folder in where.split("/"))
    return sorted(row for row in found if not where or row[-keys:] == wanted)


def as_text(rows: list[Row]) -> list[Row]:
    """Rows in order, with dates as a lake writes them: DuckDB and Polars take a folder 2018-02-03 for a date."""
    return sorted(tuple(f"{value}" if isinstance(value, date) else value for value in row) for row in rows)


@pytest.mark.parametrize("asset", ASSETS)
def test_each_partition_holds_what_another_engine_computes(asset: str, root: Path) -> None:
    everything = expected(asset, root)
    width = len(ASSETS[asset].columns)
    for folder in ASSETS[asset].folders:
        file = root / asset / folder / "part.parquet"
        values = tuple(part.partition("=")[2] for part in folder.split("/"))
        wanted = [row[:width] for row in everything if row[width:] == values]
        frame = pl.read_parquet(file, hive_partitioning=False)
        assert frame.schema == ASSETS[asset].columns
        assert frame.rows() == wanted
        plain = duckdb.connect().execute("from read_parquet(?, hive_partitioning = false)", [str(file)])
        assert plain.fetchall() == wanted
    assert len(expected(asset, root, ASSETS[asset].one)) >= 2


def test_the_partitions_add_up_to_the_whole(root: Path) -> None:
    con = duckdb.connect()
    orders = con.execute("select count(*) from read_csv(?)", [str(root.parent / "raw_orders.csv")]).fetchone()
    paid = con.execute(
        "select sum(amount), count(*) from read_csv(?)", [str(root.parent / "raw_payments.csv")]
    ).fetchone()
    read = "from read_parquet(?, hive_partitioning = true)"
    for asset in ("monthly_orders", "daily_orders"):
        counted = con.execute(f"select sum(order_num) {read}", [f"{root}/{asset}/*/part.parquet"]).fetchone()
        assert counted == orders == (3047,)
    for asset in ("regional_revenue", "payment_methods"):
        summed = con.execute(
            f"select sum(revenue_cents), sum(payments) {read}", [f"{root}/{asset}/**/part.parquet"]
        ).fetchone()
        assert summed == paid


@pytest.mark.parametrize("asset", ASSETS)
def test_duckdb_reads_every_partition_by_glob(asset: str, root: Path) -> None:
    found = duckdb.connect().execute(
        "from read_parquet(?, hive_partitioning = true)", [f"{root}/{asset}/**/part.parquet"]
    )
    kinds = {pl.String: "VARCHAR", pl.Int64: "BIGINT"}
    shown = dict.fromkeys(ASSETS[asset].keys, "DATE" if asset == "daily_orders" else "VARCHAR")
    assert {name: str(kind) for name, kind, *_ in found.description or ()} == {
        **{name: kinds[dtype] for name, dtype in ASSETS[asset].columns.items()},
        **shown,
    }
    names = [*ASSETS[asset].columns, *ASSETS[asset].keys]
    places = [[name for name, *_ in found.description or ()].index(name) for name in names]
    rows = [tuple(row[place] for place in places) for row in found.fetchall()]
    assert as_text(rows) == expected(asset, root)


@pytest.mark.parametrize("asset", ASSETS)
def test_polars_reads_every_partition_by_folder(asset: str, root: Path) -> None:
    frame = pl.scan_parquet(f"{root}/{asset}/").collect()
    shown = dict.fromkeys(ASSETS[asset].keys, pl.Date if asset == "daily_orders" else pl.String)
    assert frame.schema == {**ASSETS[asset].columns, **shown}
    assert as_text(frame.rows()) == expected(asset, root)


@pytest.mark.parametrize("asset", ASSETS)
def test_pyarrow_reads_every_partition_as_a_hive_data_set(asset: str, root: Path) -> None:
    table = ds.dataset(root / asset, partitioning="hive").to_table()
    kinds = {pl.String: (pa.string(), pa.large_string(), pa.string_view()), pl.Int64: (pa.int64(),)}
    columns = {**ASSETS[asset].columns, **dict.fromkeys(ASSETS[asset].keys, pl.String)}
    assert table.column_names == list(columns)
    assert all(table.schema.field(name).type in kinds[dtype] for name, dtype in columns.items())
    assert sorted(tuple(row.values()) for row in table.to_pylist()) == expected(asset, root)


@pytest.mark.parametrize("asset", ASSETS)
def test_each_reader_prunes_to_one_partitions_file(asset: str, root: Path) -> None:
    folder, count = ASSETS[asset].one, len(ASSETS[asset].folders)
    wanted = expected(asset, root, folder)
    values = dict(part.split("=") for part in folder.split("/"))

    query = pl.scan_parquet(f"{root}/{asset}/", try_parse_hive_dates=False)
    query = query.filter([pl.col(name) == value for name, value in values.items()])
    assert f"Parquet SCAN [{root}/{asset}/{folder}/part.parquet]" in query.explain()
    assert sorted(query.collect().rows()) == wanted

    clause = " and ".join(f"{name} = '{value}'" for name, value in values.items())
    columns = ", ".join([*ASSETS[asset].columns, *ASSETS[asset].keys])
    sql = f"select {columns} from read_parquet(?, hive_partitioning = true) where {clause} order by all"  # noqa: S608
    con, glob = duckdb.connect(), f"{root}/{asset}/**/part.parquet"
    assert as_text(con.execute(sql, [glob]).fetchall()) == wanted
    assert f"1/{count}" in con.execute(f"explain {sql}", [glob]).fetchall()[0][1]

    dataset = ds.dataset(root / asset, partitioning="hive")
    condition = ds.scalar(1) == ds.scalar(1)
    for name, value in values.items():
        condition &= ds.field(name) == value
    assert len(list(dataset.get_fragments(condition))) == 1


def test_the_lakes_own_scan_gives_the_same_rows_and_keys_as_text(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jaffle_shop.lake, "_base", root.parents[1])
    for asset, wanted in ASSETS.items():
        frame = jaffle_shop.lake.scan(asset).collect()
        assert frame.schema == {**wanted.columns, **dict.fromkeys(wanted.keys, pl.String)}
        assert sorted(frame.rows()) == expected(asset, root)


@pytest.mark.invariant("I1")
def test_the_hive_folders_hold_the_partitions_and_nothing_else(root: Path) -> None:
    found = sorted(path.relative_to(root).as_posix() for path in root.rglob("*") if ".lake" not in path.parts)
    files = [f"{name}/{folder}/part.parquet" for name, asset in ASSETS.items() for folder in asset.folders]
    folders = {parent.as_posix() for file in files for parent in Path(file).parents} - {"."}
    assert found == sorted([*files, *folders])
