"""An asset's query: it reads the frames that it is given and nothing else, and types do not depend on values."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from lakehouse import calls
from lakehouse.dtypes import schema_of
from lakehouse.errors import AuditError, ComputeError, LakeError, StorageError
from lakehouse.sql.asset import SqlQuery
from lakehouse.sql.frames import laid_out
from lakehouse.sql.lasting import CHANGING

Spool = Callable[[], Path] | None

ORDERS = pl.LazyFrame(
    {
        "partition_date": ["2018-01", "2018-01", "2018-02", "2018-02"],
        "id": [1, 2, 3, 4],
        "status": ["placed", "shipped", "placed", None],
        "amount": [10, 20, 30, 40],
    }
)
RETURNS = pl.LazyFrame({"partition_date": ["2018-01", "2018-02"], "id": [2, 3]})


@pytest.fixture(params=["in memory", "through files"])
def spool(request: pytest.FixtureRequest, tmp_path: Path) -> Spool:
    """Both ways in which a query is run; what is asked of one is asked of the other."""
    folder = tmp_path / "key=value" / "[a]*'b"
    folder.mkdir(parents=True)
    return (lambda: folder / secrets.token_hex(4)) if request.param == "through files" else None


def query(sql: str, *reads: str) -> SqlQuery:
    return SqlQuery(name="totals", sql=sql, reads=reads)


def rows(sql: str, spool: Spool = None, **frames: pl.LazyFrame) -> pl.DataFrame:
    return query(sql, *frames).run(frames, spool=spool).lazy().collect()


def refusal(sql: str, spool: Spool = None, **frames: pl.LazyFrame) -> LakeError:
    with pytest.raises(LakeError) as caught:
        query(sql, *frames).run(frames, spool=spool)
    assert caught.value.__cause__ is None  # whoever looks for causes would look in the sources
    return caught.value


# ---- what it gives


def test_a_query_adds_up_what_it_reads(spool: Spool) -> None:
    """The sum of integers, a HUGEINT in DuckDB, is a plain integer."""
    sql = "select partition_date, sum(amount) as total, count(*) as n from orders group by all order by 1"
    found = rows(sql, spool, orders=ORDERS)
    assert found.rows() == [("2018-01", 30, 2), ("2018-02", 70, 2)]
    assert found.schema == {"partition_date": pl.String, "total": pl.Int64, "n": pl.Int64}


def test_a_query_is_called_as_a_function_is(tmp_path: Path) -> None:
    function = query("select o.id from orders o join returns r using (partition_date, id)", "orders", "returns")
    result = calls.call(function, {"orders": ORDERS, "returns": RETURNS}, name="totals")
    frame = calls.to_frame(result, name="totals", spool=lambda: tmp_path / "unused")
    assert sorted(frame.collect()["id"]) == [2, 3]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "sql",
    [
        "from orders;",
        ";from orders -- all",
        "/* all */ table orders",
        "select * from ORDERS where status = 'placed' or status is null order by amount desc",
        "with o as (from orders) from o, (select max(id) as top from returns)",
        "pivot orders on status in ('placed', 'shipped') using sum(amount)::int group by partition_date",
        "select orders.id, returns.id as other from orders left join returns using (partition_date) order by 1, 2",
        "select partition_date, list({'id': id, 's': status} order by id) as o from orders group by all order by 1",
        "with recursive n as (select 1 as i union all select i + 1 from n where i < 5) select i, 'a;b' as t from n",
        "from query_table('orders') select count(distinct status) as n",
        "select * from orders where false",
    ],
)
def test_plain_duckdb_gives_the_same_rows(spool: Spool, sql: str) -> None:
    with duckdb.connect(config={"threads": 1}) as plain:
        for name, frame in {"orders": ORDERS, "returns": RETURNS}.items():
            plain.register(name, frame.collect())
        expected = plain.sql(sql).pl()
    assert_frame_equal(rows(sql, spool, orders=ORDERS, returns=RETURNS), expected, check_row_order="order by" in sql)


def test_rows_come_in_the_order_that_the_query_asks_for(spool: Spool) -> None:
    many = pl.LazyFrame({"a": pl.arange(0, 300_000, eager=True)})
    found = rows("select a from many where a % 3 = 0 order by a desc", spool, many=many)
    assert found["a"].to_list() == list(range(299_997, -1, -3))
    assert rows("from many", spool, many=many)["a"].to_list() == list(range(300_000))


def test_a_frame_may_be_read_twice_and_not_at_all(spool: Spool) -> None:
    sql = "select count(*) as n from orders a join orders b using (id)"
    assert rows(sql, spool, orders=ORDERS, returns=RETURNS).item() == 4
    assert rows("select 1 as n", spool).item() == 1


def test_a_name_that_sql_has_a_use_for_is_quoted(spool: Spool) -> None:
    assert rows('select count(*) as n from "order", "select"', spool, order=ORDERS, select=RETURNS).item() == 8


def test_a_frame_without_rows_is_a_table_without_rows(spool: Spool) -> None:
    none = ORDERS.filter(pl.lit(value=False))
    assert rows("select sum(amount) as total, count(*) as n from orders", spool, orders=none).rows() == [(None, 0)]
    assert rows("from orders", spool, orders=none).schema == ORDERS.collect_schema()


def test_the_same_frames_give_the_same_bits() -> None:
    """Sums of floats depend on the order of adding, and what ``first`` picks on who comes first."""
    floats = pl.LazyFrame({"a": pl.arange(0, 1_000_000, eager=True)}).with_columns(x=(pl.col("a") * 0.1).sin())
    sql = "select a % 7 as k, sum(x) as s, avg(x) as m, first(x) as f, list(x)[:3] as l from t group by k"
    found = [rows(sql, t=floats) for _ in range(3)]
    assert found[0].equals(found[1])
    assert found[0].equals(found[2])


# ---- how much it reads


def test_frames_that_share_a_scan_are_evaluated_in_one_pass(spool: Spool) -> None:
    reads: list[str] = []

    def noted(batch: pl.DataFrame) -> pl.DataFrame:
        reads.append("read")
        return batch

    source = ORDERS.map_batches(noted).cache()
    assert rows("select count(*) as n from a, b", spool, a=source.filter(pl.col("id") > 2), b=source).item() == 8
    assert reads == ["read"]


def test_frames_that_are_laid_out_are_not_evaluated_again(spool: Spool) -> None:
    """As when a partition is made alone, to be compared: all that is new then is a filter."""
    runs: list[int] = []

    def run(queries: Any) -> list[pl.DataFrame]:
        runs.append(len(queries))
        return pl.collect_all(queries)

    tables = laid_out({"orders": ORDERS, "returns": RETURNS}, spool=spool, run=run)
    frames = dict(tables.frames)
    function = query("select count(*) as n from orders, returns", "orders", "returns")
    kept = dict(tables.kept)
    assert function.run(frames, tables=tables, spool=spool).lazy().collect().item() == 8
    narrowed = {**frames, "orders": frames["orders"].filter(pl.col("partition_date") == "2018-01")}
    assert function.run(narrowed, tables=tables, spool=spool).lazy().collect().item() == 4
    assert runs == [2]
    assert all(tables.kept[name] is kept[name] for name in kept)


def test_a_large_query_leaves_files_only_where_it_is_told_to(tmp_path: Path) -> None:
    (folder := tmp_path / "spool").mkdir()
    names = iter(["orders", "result", "overflow"])
    found = query("from orders", "orders").run({"orders": ORDERS}, spool=lambda: folder / next(names))
    assert isinstance(found, pl.LazyFrame)
    assert sorted(path.name for path in folder.iterdir()) == ["orders", "result"]
    assert list(tmp_path.iterdir()) == [folder]


def test_a_small_query_loads_no_further_library() -> None:
    code = (
        "import sys; from lakehouse.sql.asset import SqlQuery\n"
        "print(sorted({'polars', 'duckdb', 'pyarrow'} & set(sys.modules)))\n"
        "import polars as pl\n"
        "found = SqlQuery(name='q', sql='select sum(a) as s from t', reads=('t',))(t=pl.LazyFrame({'a': [1, 2]}))\n"
        "print(found.item(), sorted({'pyarrow', 'pandas', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[]", "3 []"]
    assert done.stderr == ""  # DuckDB complains at the end of a process where something of it is held on to


# ---- what it may not


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("select * from read_csv('{}')", "totals: read_csv() is not run here"),
        ("select * from read_text('{}')", "totals: read_text() is not run here"),
        ("from glob('{}')", "totals: glob() is not run here"),
        ("from query('from orders')", "totals: query() is not run here"),
        ("from orders, '{}'", "totals: the query reads '{}', which is not declared"),
        ('with x as (from "{}") from x', "totals: the query reads '{}', which is not declared"),
        ("from 'https://example.com/a.csv'", "totals: the query reads 'https://example.com/a.csv', which is not"),
    ],
)
def test_what_is_not_declared_is_not_read(spool: Spool, tmp_path: Path, sql: str, message: str) -> None:
    path = tmp_path / "other.csv"
    path.write_text("a\n1\n")
    error = refusal(sql.replace("{}", str(path)), spool, orders=ORDERS)
    assert isinstance(error, ComputeError)
    assert error.message.startswith(message.replace("{}", str(path)))
    assert error.code == "query-refused"
    assert str(error.help).endswith('declare lake.source("name", "path"), and select from name')


def test_the_files_of_other_frames_are_not_read_either(tmp_path: Path) -> None:
    """Not even those of the same run, which the connection could reach."""
    paths = iter([tmp_path / "orders", tmp_path / "result", tmp_path / "overflow"])
    sql = f"from orders, read_parquet('{tmp_path / 'orders'}')"
    with pytest.raises(ComputeError, match=r"read_parquet\(\) is not run here"):
        query(sql, "orders").run({"orders": ORDERS}, spool=lambda: next(paths))


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("copy orders to 'x.csv'", "this is a COPY"),
        ("insert into orders select * from orders", "this is an INSERT"),
        ("select 1; select 2", "this is 2 statements"),
        ("select 1) union (select 2", "Parser Error"),
        ("set threads = 4", "this is a SET"),
        ("explain copy orders to 'x'", "this explains something else"),
        ("with x as (insert into orders select 1 returning id) from x", ""),
        ("pivot orders on status", "a PIVOT is run here only with its values listed"),
        ("-- nothing", "this is none"),
    ],
)
def test_only_one_select_is_run(spool: Spool, sql: str, message: str) -> None:
    error = refusal(sql, spool, orders=ORDERS)
    assert isinstance(error, ComputeError)
    assert error.message.startswith("totals: ")
    assert message in error.message


def test_no_variable_of_python_is_a_table() -> None:
    other = ORDERS.collect()
    assert refusal("from other", orders=ORDERS).code == "query-unknown-table"
    assert other.height == 4


def test_the_machines_time_zone_has_no_part_in_it() -> None:
    code = (
        "from lakehouse.sql.asset import SqlQuery\n"
        "sql = \"select '2020-01-01 00:00:00'::timestamptz as t, current_setting('TimeZone') as z\"\n"
        "found = SqlQuery(name='q', sql=sql, reads=())()\n"
        "print(found.schema['t'], found['t'].dt.epoch('s').item(), found['z'].item())"
    )
    environment = {**os.environ, "TZ": "America/New_York"}
    told = subprocess.check_output([sys.executable, "-c", code], text=True, env=environment)
    assert told.strip() == f"Datetime(time_unit='us', time_zone='UTC') {1_577_836_800} UTC"


# ---- types


def wall(time_of_day: str) -> datetime:
    return datetime.fromisoformat(f"2020-01-02T{time_of_day}")


@pytest.mark.parametrize(
    ("value", "dtype", "told"),
    [
        ("true", pl.Boolean(), True),
        ("1::tinyint", pl.Int8(), 1),
        ("1::integer", pl.Int32(), 1),
        ("1::bigint", pl.Int64(), 1),
        ("-9223372036854775808::hugeint", pl.Int64(), -(2**63)),
        ("9223372036854775807::uhugeint", pl.Int64(), 2**63 - 1),
        ("null::hugeint", pl.Int64(), None),
        ("sum(1)", pl.Int64(), 1),
        ("1::utinyint", pl.UInt8(), 1),
        ("18446744073709551615::ubigint", pl.UInt64(), 2**64 - 1),
        ("1.5::float", pl.Float32(), 1.5),
        ("1.5::double", pl.Float64(), 1.5),
        ("1.50::decimal(10, 2)", pl.Decimal(10, 2), Decimal("1.50")),
        ("sum(1.50::decimal(10, 2))", pl.Decimal(38, 2), Decimal("1.50")),
        ("sum(1)::decimal(38, 0)", pl.Decimal(38, 0), Decimal(1)),
        ("'a'", pl.String(), "a"),
        ("'a'::enum('b', 'a')", pl.String(), "a"),
        ("'{\"a\": 1}'::json", pl.String(), '{"a": 1}'),
        ("'00000000-0000-0000-0000-000000000001'::uuid", pl.String(), "00000000-0000-0000-0000-000000000001"),
        ("'x'::blob", pl.Binary(), b"x"),
        ("'2020-01-02'::date", pl.Date(), date(2020, 1, 2)),
        ("'2020-01-02 03:04:05'::timestamp_s", pl.Datetime("us"), wall("03:04:05")),
        ("'2020-01-02 03:04:05.006'::timestamp_ms", pl.Datetime("us"), wall("03:04:05.006")),
        ("'2020-01-02 03:04:05.000006'::timestamp", pl.Datetime("us"), wall("03:04:05.000006")),
        ("'2020-01-02 03:04:05+01'::timestamptz", pl.Datetime("us", "UTC"), wall("02:04:05+00:00")),
        ("[1::hugeint, null]", pl.List(pl.Int64()), [1, None]),
        ("{'a': sum(1), 'b\"': ['x'::enum('x')]}", pl.Struct({"a": pl.Int64(), 'b"': pl.List(pl.String())}),
         {"a": 1, 'b"': ["x"]}),
        ("null", pl.Null(), None),
    ],
)  # fmt: skip
def test_a_column_has_one_type_in_memory_and_through_files(
    spool: Spool, value: str, dtype: pl.DataType, told: object
) -> None:
    found = rows(f"select {value} as x, 1 as y", spool)
    assert found.schema == {"x": dtype, "y": pl.Int32}
    assert found["x"].to_list() == [told]
    if dtype != pl.Null:
        schema_of(found.schema)  # it can be stored


@pytest.mark.parametrize(
    "value",
    ["9223372036854775808::hugeint", "-9223372036854775809::hugeint", "340282366920938463463374607431768211455"],
)
def test_an_integer_too_large_for_its_column_is_told_with_the_cure(spool: Spool, value: str) -> None:
    error = refusal(f'select 1 as "a", {value} as "the ""total"""', spool)
    assert isinstance(error, ComputeError)
    number = value.partition("::")[0]
    assert error.message == f'totals: column "the ""total""" holds {number}, which does not fit into BIGINT'
    assert error.help == "say in which type it is kept: sum(…)::DECIMAL(38, 0), or ::DOUBLE"
    assert error.details == ()


def test_the_cure_for_an_integer_too_large_helps(spool: Spool) -> None:
    sql = "select sum(amount::hugeint * 1000000000000000000) as total from orders"
    error = refusal(sql, spool, orders=ORDERS)
    assert error.message == 'totals: column "total" holds 100000000000000000000, which does not fit into BIGINT'
    cured = rows(sql.replace(" as", "::decimal(38, 0) as"), spool, orders=ORDERS)
    assert cured["total"].to_list() == [Decimal(10**20)]


def test_an_integer_too_large_within_a_list_is_told_with_the_cure(spool: Spool) -> None:
    error = refusal("select [10000000000000000000000::hugeint] as x", spool)
    assert "10000000000000000000000" in error.message
    assert "DECIMAL(38, 0)" in str(error.help)
    assert error.details == ()  # the line at fault is none of the query's


@pytest.mark.parametrize(
    ("value", "kind", "cure"),
    [
        ("'12:00'::time", "TIME", 'CAST("x" AS VARCHAR)'),
        ("'12:00:00+01'::timetz", "TIME WITH TIME ZONE", 'CAST("x" AS VARCHAR)'),
        ("interval 2 day", "INTERVAL", 'epoch_us("x")'),
        ("map {'a': 1}", "MAP(VARCHAR, INTEGER)", 'map_entries("x")'),
        ("[1, 2]::integer[2]", "INTEGER[2]", 'CAST("x" AS INTEGER[])'),
        ("'2020-01-01'::timestamp_ns", "TIMESTAMP_NS", 'CAST("x" AS TIMESTAMP)'),
        ("'2020-01-01'::timestamptz_ns", "TIMESTAMPTZ_NS", 'CAST("x" AS TIMESTAMP WITH TIME ZONE)'),
        ("'101'::bit", "BIT", 'CAST("x" AS VARCHAR)'),
        ("1::variant", "VARIANT", 'CAST("x" AS VARCHAR)'),
        ("1::bignum", "BIGNUM", 'CAST("x" AS VARCHAR)'),
        ("union_value(a := 1)", "UNION(a INTEGER)", 'CAST("x" AS VARCHAR)'),
        ("row(1, 'a')", "TUPLE(INTEGER, VARCHAR)", 'CAST("x" AS STRUCT("element1" INTEGER, "element2" VARCHAR))'),
        ("[interval 2 day]", "INTERVAL[]", 'CAST("x" AS VARCHAR[])'),
        ("{'a': 1, 'b': ['12:00'::time]}", "STRUCT(a INTEGER, b TIME[])",
         'CAST("x" AS STRUCT("a" INTEGER, "b" VARCHAR[]))'),
        ("[]", '"NULL"[]', None),
    ],
)  # fmt: skip
def test_a_type_that_readers_differ_on_is_refused_with_what_to_write(
    spool: Spool, value: str, kind: str, cure: str | None
) -> None:
    error = refusal(f"select {value} as x", spool)
    assert isinstance(error, AuditError)
    assert error.code == "type-refused"
    assert error.message.startswith(f"totals: column 'x' is {kind}, which not every reader")
    if cure is None:
        assert error.help == 'write CAST("x" AS <the type of its values>[])'
    else:
        assert error.help == f"write {cure}"
        found = rows(f"select {cure} as y from (select {value} as x)", spool)  # noqa: S608  the test's own
        schema_of(found.schema)


@pytest.mark.parametrize(("columns", "named"), [("1 as a, 2 as a", "a, a"), ("1 as a, 2 as b, 3 as A", "a, A")])
def test_two_columns_of_one_name_are_refused(spool: Spool, columns: str, named: str) -> None:
    """DuckDB would rename the second one, in a file even where only the case differs."""
    error = refusal(f"select {columns}", spool)
    assert isinstance(error, AuditError)
    assert error.message == f"totals: the result has columns of one name: {named}"


NOON = wall("12:00")


@pytest.mark.parametrize(
    ("values", "dtype", "kind"),
    [
        ([1, None], pl.Int8, "TINYINT"),
        ([1, 2**64 - 1], pl.UInt64, "UBIGINT"),
        ([1, 2**70], pl.Int128, "DECIMAL(38,0)"),
        ([1, 2**70], pl.UInt128, "DECIMAL(38,0)"),
        ([1.5, None], pl.Float16, "FLOAT"),
        (["a", "b"], pl.Categorical, "VARCHAR"),
        (["a", "b"], pl.Enum(["b", "a"]), "VARCHAR"),
        ([b"a", None], pl.Binary, "BLOB"),
        ([NOON, None], pl.Datetime("ms"), "TIMESTAMP"),
        ([NOON, None], pl.Datetime("us"), "TIMESTAMP"),
        ([NOON, None], pl.Datetime("ns"), "TIMESTAMP_NS"),
        ([NOON.replace(tzinfo=UTC)], pl.Datetime("ms", "Europe/Berlin"), "TIMESTAMP WITH TIME ZONE"),
        ([NOON.replace(tzinfo=UTC)], pl.Datetime("us", "Europe/Berlin"), "TIMESTAMP WITH TIME ZONE"),
        ([time(12), None], pl.Time, "TIME_NS"),
        ([timedelta(days=1), None], pl.Duration("ms"), "BIGINT"),
        ([timedelta(days=1), None], pl.Duration("ns"), "BIGINT"),
        ([Decimal("1.50")], pl.Decimal(10, 2), "DECIMAL(10,2)"),
        ([[1], []], pl.List(pl.Int64), "BIGINT[]"),
        ([[1, 2]], pl.Array(pl.Int64, 2), "BIGINT[]"),
        ([[[1], [2]]], pl.Array(pl.Int64, (2, 1)), "BIGINT[][]"),
        ([[timedelta(days=1)]], pl.List(pl.Duration("ms")), "BIGINT[]"),
        ([{"a": NOON, "b": [NOON]}], pl.Struct({"a": pl.Datetime("ms"), "b": pl.List(pl.Datetime("ms"))}),
         "STRUCT(a TIMESTAMP, b TIMESTAMP[])"),
        ([None, None], pl.Null, "INTEGER"),
    ],
)  # fmt: skip
def test_a_frames_column_has_one_type_from_memory_and_from_a_file(
    spool: Spool, values: list[object], dtype: Any, kind: str
) -> None:
    frame = pl.LazyFrame({"x": pl.Series(values, dtype=dtype)})
    found = rows(
        "select typeof(x) as kind, count(x) as n, min(x::varchar) as least from t group by all", spool, t=frame
    )
    assert found["kind"].to_list() == [kind]
    assert found["n"].item() == sum(value is not None for value in values)
    if timedelta(days=1) in values:
        assert found["least"].item() == "86400000000"  # microseconds
    if NOON in values:
        assert found["least"].item() == "2020-01-02 12:00:00"


# ---- errors


def test_an_unknown_column_is_told_with_its_line_and_what_there_is(spool: Spool) -> None:
    error = refusal("-- totals\n\nselect id,\n  amout\nfrom orders;", spool, orders=ORDERS)
    assert error.lines() == [
        'totals: Binder Error: Referenced column "amout" not found in FROM clause!',
        '  Candidate bindings: "amount", "status"',
        "  LINE 4:   amout",
        "            ^^^^^",
    ]
    assert error.code == "query-failed"
    json.dumps(error.to_json())


def test_an_unknown_table_is_told_with_those_that_there_are(spool: Spool) -> None:
    error = refusal("select *\nfrom ordrs", spool, orders=ORDERS, returns=RETURNS)
    assert isinstance(error, ComputeError)
    assert error.lines() == [
        "totals: no table 'ordrs'",
        "  LINE 2: from ordrs",
        "               ^^^^^",
        "  help: did you mean 'orders'? upstreams are named as tables; declared: orders, returns",
    ]
    assert refusal("from x", spool).help == "upstreams are named as tables; declared: none"


def test_a_value_that_does_not_convert_is_told_with_its_line(spool: Spool) -> None:
    error = refusal("select id,\n\n status::int as n\nfrom orders", spool, orders=ORDERS)
    assert "Could not convert string 'placed' to INT32" in error.message
    assert error.details[0] == "LINE 3:  status::int as n"


def test_lines_are_counted_in_the_query_whatever_its_columns_are_called(spool: Spool) -> None:
    error = refusal('select 1 as "a\n\nb", status::int as n\nfrom orders', spool, orders=ORDERS)
    assert error.details[0].startswith('LINE 3: b", status::int as n')


def test_a_mistake_in_the_grammar_is_told_with_its_line(spool: Spool) -> None:
    lines = refusal("-- totals\nselect id,\nfrom orders whre id = 1", spool, orders=ORDERS).lines()
    assert lines[0].startswith("totals: Parser Error: syntax error at or near")
    assert lines[1] == "  LINE 3: from orders whre id = 1"


def test_what_goes_wrong_in_a_frame_is_polars_own_error(spool: Spool) -> None:
    """It is not DuckDB's to explain; a malformed source is found by its kind."""
    broken = pl.LazyFrame({"a": ["x"]}).select(pl.col("a").cast(pl.Int64))
    with pytest.raises(pl.exceptions.InvalidOperationError, match="conversion from"):
        query("from broken", "broken").run({"broken": broken}, spool=spool)


def test_a_file_that_is_gone_is_the_storages_fault(tmp_path: Path) -> None:
    def spool() -> Path:
        return tmp_path / secrets.token_hex(4)

    tables = laid_out({"orders": ORDERS}, spool=spool)
    path = tables.kept["orders"]
    assert isinstance(path, Path)
    path.unlink()
    with pytest.raises(StorageError, match="totals: IO Error") as caught:
        query("from orders", "orders").run(tables.frames, tables=tables, spool=spool)
    assert "again" in str(caught.value.help)


def test_an_interrupt_is_no_failure_of_the_query() -> None:
    """DuckDB tells one as an error of its own, which would be recorded as the partition's."""
    told = query("from t", "t")._told
    with pytest.raises(KeyboardInterrupt), told(above=0):
        raise RuntimeError("Query interrupted")
    with pytest.raises(RuntimeError, match="another"), told(above=0):
        raise RuntimeError("another")


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("select now() as t", "now()"),
        ("select o.*, ToDay() as t from orders o", "today()"),
        ("select current_timestamp::varchar as t", "current_timestamp"),
        ("with w as (select LOCALTIME::varchar as t) from w", "localtime"),
        ("from orders where exists (select 1 where random() < 0.5)", "random()"),
        ("select list_transform([1], x -> x + random()) as t", "random()"),
        ("select epoch(age(timestamp '2018-01-01')) as t", "age()"),
        ("from orders using sample 1", "a sample"),
        ("from orders tablesample 10%", "a sample"),
    ],
)
def test_what_changes_by_itself_is_refused(spool: Spool, sql: str, what: str) -> None:
    error = refusal(sql, spool, orders=ORDERS)
    assert error.message == f"totals: {what} gives something else each time that it is run"
    assert error.code == "query-refused"
    assert str(error.help).startswith("the same inputs have to give the same rows: read it from a table")


@pytest.mark.parametrize(
    "sql",
    [
        "select t.current_date from t",
        "select x as now, 'random()' as random from (select 1 as x) -- now()",
        "select epoch(age(timestamp '2018-01-02', timestamp '2018-01-01')) as x from t",
        "from t tablesample reservoir(1) repeatable (7)",
    ],
)
def test_what_only_looks_like_it_is_not(sql: str) -> None:
    assert rows(sql, t=pl.LazyFrame({"current_date": [1]})).height == 1


def test_every_function_that_duckdb_says_may_change_is_refused_or_known_to_hold_still_here() -> None:
    held = {"current_database", "current_schema", "current_schemas", "in_search_path", "current_setting"}
    held |= {"current_query", "getvariable", "error", "setseed", "sleep_ms", "stats", "vector_type", "write_log"}
    held |= {"currval", "nextval", "setval"}  # there are no sequences
    told = duckdb.sql("SELECT DISTINCT function_name FROM duckdb_functions() WHERE stability <> 'CONSISTENT'")
    assert {name for (name,) in told.fetchall()} - held <= CHANGING
