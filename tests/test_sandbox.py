"""The sandbox: it runs one SELECT, reads the tables that it was given, and leaves everything else alone."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import duckdb
import polars as pl
import pytest

from lakehouse.errors import RequestError, StorageError
from lakehouse.sql import readonly, sandbox
from lakehouse.sql.sandbox import Frame, Table, select

CANARY = "the canary sings"


def put(base: Path, folder: str, **columns: list[object]) -> str:
    """One partition's file, written by DuckDB's rival; gives its path."""
    path = base / folder / "part.parquet"
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame(columns).write_parquet(path)
    return str(path)


def monthly(base: Path, name: str = "monthly_orders") -> Table:
    """Two months of orders: 5 and 7 placed, 1 and 2 shipped."""
    root = base / name
    return Table(
        name=name,
        files=(
            put(root, "partition_date=2018-01", status=["placed", "shipped"], order_num=[5, 1]),
            put(root, "partition_date=2018-02", status=["placed", "shipped"], order_num=[7, 2]),
        ),
        columns=("status", "order_num"),
        ddl=("VARCHAR", "BIGINT"),
        partition_columns=("partition_date",),
    )


def ask(tables: list[Table | Frame], sql: str) -> list[tuple[object, ...]]:
    with select(tables, sql) as result:
        return list(result.rows())


def everything_under(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# ---- what is answered


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("SELECT sum(order_num) FROM monthly_orders", [(15,)]),
        ("select partition_date, order_num from Monthly_Orders where status = 'placed' order by 1",
         [("2018-01", 5), ("2018-02", 7)]),
        ("FROM monthly_orders SELECT order_num ORDER BY ALL LIMIT 1", [(1,)]),
        ("WITH o AS (FROM monthly_orders) SELECT max(order_num) FROM o", [(7,)]),
        ("WITH RECURSIVE n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 3) FROM n", [(1,), (2,), (3,)]),
        ("VALUES (1, 'a'), (2, 'b')", [(1, "a"), (2, "b")]),
        ("SELECT 'a;b' -- ; COPY\n;", [("a;b",)]),
        ("/* DROP */ SELECT count(*) FROM query_table('monthly_orders')", [(4,)]),
        ("SELECT 1 UNION ALL SELECT 2 ORDER BY 1", [(1,), (2,)]),
        ("PIVOT monthly_orders ON status IN ('placed') USING sum(order_num) GROUP BY partition_date ORDER BY 1",
         [("2018-01", 5), ("2018-02", 7)]),
        ("SELECT column_name, column_type FROM (DESCRIBE monthly_orders)",
         [("status", "VARCHAR"), ("order_num", "BIGINT"), ("partition_date", "VARCHAR")]),
        ("SHOW TABLES", [("monthly_orders",)]),
        ("SELECT column_name, max FROM (SUMMARIZE monthly_orders) WHERE max = '7'", [("order_num", "7")]),
        ("SELECT sum(i) FROM range(4) t(i)", [(6,)]),
        ("SELECT NULL::INTEGER, '101'::BIT, INTERVAL 1 DAY", [(None, "101", "1 day")]),
        ("SELECT 170141183460469231731687303715884105727 AS n", [(2**127 - 1,)]),
    ],
)  # fmt: skip
def test_a_select_in_any_of_its_forms_is_answered(tmp_path: Path, sql: str, rows: list[tuple[object, ...]]) -> None:
    assert ask([monthly(tmp_path)], sql) == rows


@pytest.mark.parametrize("prefix", ["EXPLAIN", "explain analyze"])
def test_a_select_is_explained(tmp_path: Path, prefix: str) -> None:
    ((_, plan),) = ask([monthly(tmp_path)], f"{prefix} FROM monthly_orders WHERE partition_date = '2018-02'")
    assert "1/2" in str(plan)  # one of the two files


def test_columns_and_types_are_known_before_any_row_is_read(tmp_path: Path) -> None:
    with select([monthly(tmp_path)], "SELECT *, 1 AS status, order_num / 2 FROM monthly_orders") as result:
        assert result.columns == ("status", "order_num", "partition_date", "status_1", "(order_num / 2)")
        assert result.types == ("VARCHAR", "BIGINT", "VARCHAR", "INTEGER", "DOUBLE")
        assert result.frame().columns == list(result.columns)


def test_rows_come_in_batches_and_no_rows_still_have_a_schema(tmp_path: Path) -> None:
    with select([], "FROM range(100_000)") as result:
        sizes = [batch.num_rows for batch in result.batches(rows=10_000)]
        assert len(sizes) > 5
        assert sum(sizes) == 100_000
    with select([monthly(tmp_path)], "FROM monthly_orders WHERE order_num > 99") as result:
        (batch,) = result.batches()
        assert batch.num_rows == 0
        assert batch.schema.names == ["status", "order_num", "partition_date"]
        assert result.frame().schema == {"status": pl.String, "order_num": pl.Int64, "partition_date": pl.String}


# ---- what a table is


def test_keys_are_text_whatever_they_look_like(tmp_path: Path) -> None:
    folders = ["day=2018-02-01/n=02", "day=2018-02-02/n=2", "day=a%2Fb%25/n=é"]
    table = Table(
        name="t",
        files=tuple(put(tmp_path, folder, x=[1]) for folder in folders),
        columns=("x",),
        ddl=("BIGINT",),
        partition_columns=("day", "n"),
    )
    assert ask([table], "SELECT day, n, x FROM t ORDER BY 1") == [
        ("2018-02-01", "02", 1),
        ("2018-02-02", "2", 1),
        ("a/b%", "é", 1),
    ]


@pytest.mark.parametrize("above", ["env=prod", "status=prod", "Order_Num=9", "partition_date=never", "a=b=c"])
def test_a_key_folder_above_the_lake_is_no_column_and_changes_no_value(tmp_path: Path, above: str) -> None:
    table = monthly(tmp_path / above / "lake")
    assert ask([table], "FROM monthly_orders ORDER BY partition_date, status") == [
        ("placed", 5, "2018-01"),
        ("shipped", 1, "2018-01"),
        ("placed", 7, "2018-02"),
        ("shipped", 2, "2018-02"),
    ]
    ((_, plan),) = ask([table], "EXPLAIN ANALYZE FROM monthly_orders WHERE partition_date = '2018-02'")
    assert "1/2" in str(plan)  # files of other keys are not opened either way


def test_an_unpartitioned_table_takes_no_column_from_its_path(tmp_path: Path) -> None:
    table = Table(name="t", files=(put(tmp_path, "x=9/lake/t", x=[1]),), columns=("x",), ddl=("BIGINT",))
    assert ask([table], "FROM t") == [(1,)]


@pytest.mark.parametrize(("name", "sibling"), [("s*r", "star"), ("[ab]", "a"), ("wh?t", "what"), ("it's", "its")])
def test_a_path_is_a_path_and_no_pattern(tmp_path: Path, name: str, sibling: str) -> None:
    monthly(tmp_path / sibling)
    assert ask([monthly(tmp_path / name)], "SELECT count(*), sum(order_num) FROM monthly_orders") == [(4, 15)]


def test_a_table_without_files_is_empty_and_has_its_columns() -> None:
    table = Table(
        name="t", files=(), columns=("a b", "s"), ddl=("DECIMAL(10,2)", "STRUCT(x INTEGER)"), partition_columns=("k",)
    )
    with select([table], "FROM t") as result:
        assert list(result.rows()) == []
        assert result.columns == ("a b", "s", "k")
        assert result.types == ("DECIMAL(10,2)", "STRUCT(x INTEGER)", "VARCHAR")


def test_ten_thousand_files_are_one_table(tmp_path: Path) -> None:
    first = Path(put(tmp_path, "n=0", x=[1]))
    files = [first]
    for number in range(1, 10_000):
        path = tmp_path / f"n={number}" / "part.parquet"
        path.parent.mkdir()
        path.hardlink_to(first)
        files.append(path)
    table = Table(name="t", files=tuple(map(str, files)), columns=("x",), ddl=("BIGINT",), partition_columns=("n",))
    assert ask([table], "SELECT count(*), sum(x), count(DISTINCT n) FROM t") == [(10_000, 10_000, 10_000)]


class Loads:
    """A frame that counts how often it is loaded."""

    def __init__(self, frame: pl.DataFrame | pl.LazyFrame) -> None:
        self.frame = frame
        self.count = 0

    def __call__(self) -> pl.DataFrame | pl.LazyFrame:
        self.count += 1
        return self.frame


@pytest.mark.parametrize("made", [pl.DataFrame.clone, pl.DataFrame.lazy])
def test_a_frame_is_loaded_once_where_the_query_names_it_and_else_never(
    made: Callable[[pl.DataFrame], pl.DataFrame | pl.LazyFrame],
) -> None:
    named = Loads(made(pl.DataFrame({"a": [1, 2, None]})))
    other = Loads(made(pl.DataFrame({"a": [9]})))
    tables = [
        Frame(name="raw_orders", load=named),
        Frame(name="raw_order", load=other),
        Frame(name="orders", load=other),
    ]
    assert ask(tables, "SELECT sum(l.a) FROM Raw_Orders l JOIN raw_orders r USING (a) WHERE a > 1") == [(2,)]
    assert (named.count, other.count) == (1, 0)


def test_a_refused_query_loads_nothing() -> None:
    load = Loads(pl.DataFrame({"a": [1]}))
    with pytest.raises(RequestError, match="this is a CREATE"):
        select([Frame(name="f", load=load)], "CREATE TABLE t AS FROM f")
    assert load.count == 0


def test_a_frame_that_fails_to_load_fails_in_its_own_words() -> None:
    def load() -> object:
        raise FileNotFoundError("no such source")

    with pytest.raises(FileNotFoundError, match="no such source"):
        select([Frame(name="f", load=load)], "FROM f")


@pytest.mark.parametrize("name", ["monthly_orders", "raw_orders"])
def test_a_table_that_the_query_does_not_name_is_listed_but_never_read_as_empty(tmp_path: Path, name: str) -> None:
    load = Loads(pl.DataFrame({"a": [1]}))
    tables = [monthly(tmp_path), Frame(name="raw_orders", load=load, columns=("a",), ddl=("BIGINT",))]
    assert ask(tables, "SHOW TABLES") == [("monthly_orders",), ("raw_orders",)]
    with pytest.raises(RequestError, match=f"{name} is opened only where the query names it"):
        ask(tables, f"FROM query_table('{name[:4]}' || '{name[4:]}')")
    assert load.count == 0


def test_importing_the_sandbox_loads_no_engine() -> None:
    loaded = "any(m in sys.modules for m in ('duckdb', 'polars', 'pyarrow'))"
    code = f"import sys, lakehouse.sql.sandbox; sys.exit({loaded})"
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": ":".join(sys.path)})


# ---- what is refused

STATEMENTS = [
    ("", "only one SELECT is run here; this is none"),
    ("-- nothing", "only one SELECT is run here; this is none"),
    ("SELECT 1; SELECT 2", "only one SELECT is run here; this is 2 statements"),
    ("SELECT 1; COPY t TO '{outside}'", "this is 2 statements"),
    ("SELECT 1 /* ; */; /* */ DROP VIEW monthly_orders --", "this is 2 statements"),
    ("COPY monthly_orders TO '{outside}'", "only one SELECT is run here; this is a COPY"),
    ("COPY (SELECT 7) TO '{inside}' (FORMAT csv, USE_TMP_FILE false)", "this is a COPY"),
    ("/* SELECT */ COPY monthly_orders TO '{outside}'", "this is a COPY"),
    ("ATTACH '{folder}/new.db'", "this is an ATTACH"),
    ("DETACH memory", "this is a DETACH"),
    ("USE memory", "this is a SET"),
    ("INSTALL httpfs", "this is a LOAD"),
    ("LOAD httpfs", "this is a LOAD"),
    ("SET enable_external_access = true", "this is a SET"),
    ("SET VARIABLE x = 1", "this is a SET"),
    ("RESET lock_configuration", "this is a SET"),
    ("PRAGMA database_list", "this is a PRAGMA"),
    ("CREATE TABLE t AS FROM monthly_orders", "this is a CREATE"),
    ("CREATE MACRO f() AS TABLE FROM read_text('{outside}')", "this is a CREATE"),
    ("CREATE SECRET s (TYPE s3)", "this is a CREATE"),
    ("DROP VIEW monthly_orders", "this is a DROP"),
    ("INSERT INTO monthly_orders VALUES ('x', 1, 'y')", "this is an INSERT"),
    ("WITH a AS (SELECT 1) DELETE FROM monthly_orders", "this is a DELETE"),
    ("CALL enable_logging('all')", "this is a CALL"),
    ("CHECKPOINT", "this is a CALL"),
    ("EXPORT DATABASE '{folder}/export'", "this is an EXPORT"),
    ("IMPORT DATABASE '{folder}'", "this is a PRAGMA"),
    ("PREPARE p AS SELECT 1", "this is a PREPARE"),
    ("BEGIN", "this is a TRANSACTION"),
    ("VACUUM", "this is a VACUUM"),
    ("EXPLAIN ANALYZE COPY monthly_orders TO '{outside}'", "this explains something else"),
    ("EXPLAIN CREATE TABLE t AS SELECT 1", "this explains something else"),
    ("EXPLAIN /* x */ ANALYZE COPY monthly_orders TO '{outside}'", "this explains something else"),
    # DuckDB's parser calls each of these a SELECT
    ("WITH a AS (COPY (SELECT 7) TO '{inside}' (FORMAT csv, USE_TMP_FILE false)) FROM a", "this holds a COPY"),
    ("EXPLAIN ANALYZE WITH a AS (COPY (SELECT 7) TO '{inside}' (USE_TMP_FILE false)) FROM a", "this holds a COPY"),
    ("SELECT (WITH a AS (COPY (SELECT 7) TO '{inside}' (USE_TMP_FILE false)) FROM a)", "this holds a COPY"),
    ("WITH a AS (INSERT INTO monthly_orders VALUES (1) RETURNING *) FROM a", "this holds an INSERT"),
    ("WITH a AS (UPDATE monthly_orders SET order_num = 1 RETURNING *) FROM a", "this holds an UPDATE"),
    ("WITH a AS (DELETE FROM monthly_orders RETURNING *) FROM a", "this holds a DELETE"),
    ("FROM json_execute_serialized_sql(json_serialize_sql('WITH a AS (COPY (SELECT 7) TO ''{inside}'') FROM a'))",
     "json_execute_serialized_sql() is not run here"),
    ("FROM query('FROM read_text(''{outside}'')')", "query() is not run here"),
    ("COPY (PIVOT monthly_orders ON status) TO '{outside}'", "only with its values listed"),
    ("PIVOT monthly_orders ON status USING count(*)", "only with its values listed"),
    # functions that reach outside
    ("FROM read_csv('{outside}')", "read_csv() is not run here: a query reads the lake's tables only"),
    ("SELECT * FROM read_csv('/etc/passwd')", "read_csv() is not run here"),
    ("FROM READ_TEXT('{outside}')", "read_text() is not run here"),
    ("FROM system.main.\"read_blob\"('{outside}')", "read_blob() is not run here"),
    ("FROM read_parquet('{parquet}')", "read_parquet() is not run here"),
    ("FROM read_parquet('{inside}')", "read_parquet() is not run here"),
    ("FROM parquet_metadata('{parquet}')", "parquet_metadata() is not run here"),
    ("FROM glob('{folder}/*')", "glob() is not run here"),
    ("SELECT (SELECT content FROM read_text('{outside}'))", "read_text() is not run here"),
    ("SELECT 1 ORDER BY (SELECT size FROM read_blob('{outside}'))", "read_blob() is not run here"),
    ("SUMMARIZE (FROM sniff_csv('{outside}'))", "sniff_csv() is not run here"),
    ("FROM duckdb_secrets()", "duckdb_secrets() is not run here"),
    ("FROM enable_logging(storage = 'file')", "enable_logging() is not run here"),
    ("FROM '{outside}'", "Permission Error"),
    ("FROM '{parquet}'", "Permission Error"),
    ("FROM query_table('{outside}')", "Permission Error"),
    ("FROM query_table(['{parquet}'])", "Permission Error"),
]  # fmt: skip


@pytest.fixture
def lake(tmp_path: Path) -> Table:
    (tmp_path / "outside.csv").write_text(f"a,b\n1,{CANARY}\n")
    pl.DataFrame({"secret": [CANARY]}).write_parquet(tmp_path / "outside.parquet")
    return monthly(tmp_path / "lake")


def places(tmp_path: Path, table: Table) -> dict[str, str]:
    return {
        "folder": str(tmp_path),
        "outside": str(tmp_path / "outside.csv"),
        "parquet": str(tmp_path / "outside.parquet"),
        "inside": table.files[0],
    }


@pytest.mark.parametrize(("statement", "reason"), STATEMENTS)
def test_all_but_one_select_is_refused_and_nothing_is_touched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lake: Table, statement: str, reason: str
) -> None:
    working = tmp_path / "working"
    working.mkdir()
    monkeypatch.chdir(working)
    before = everything_under(tmp_path)
    with pytest.raises(RequestError) as caught:
        ask([lake], statement.format_map(places(tmp_path, lake)))
    assert caught.value.code == "query-refused"
    assert reason in str(caught.value)
    assert CANARY not in str(caught.value)
    assert everything_under(tmp_path) == before
    assert list(working.iterdir()) == []


@pytest.mark.parametrize(
    "sql",
    [
        "FROM read_csv('{outside}')",
        "FROM read_parquet('{parquet}')",
        "FROM glob('{folder}/*')",
        "FROM query('FROM read_text(''{outside}'')')",
        "FROM json_execute_serialized_sql(json_serialize_sql('FROM read_text(''{outside}'')'))",
        "WITH a AS (COPY (SELECT 7) TO '{outside}' (FORMAT csv, USE_TMP_FILE false)) FROM a",
        "WITH a AS (COPY (SELECT 7) TO '{folder}/new.csv' (FORMAT csv, USE_TMP_FILE false)) FROM a",
        "FROM duckdb_extensions()",
    ],
)
def test_what_slips_past_the_parser_finds_the_files_outside_locked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lake: Table, sql: str
) -> None:
    monkeypatch.setattr(readonly, "_refuse_effects", lambda *_: None)
    before = everything_under(tmp_path)
    with pytest.raises(RequestError, match="Permission Error"):
        ask([lake], sql.format_map(places(tmp_path, lake)) + " -- monthly_orders")
    assert everything_under(tmp_path) == before


@pytest.mark.parametrize("sql", ["SET threads = 1", "SET allowed_paths = ['/']", "CALL enable_logging('all')"])
def test_no_setting_can_be_changed_once_the_tables_stand(lake: Table, sql: str) -> None:
    with select([lake], "FROM monthly_orders") as result, pytest.raises(duckdb.Error, match="locked"):
        result._connection.execute(sql)


def test_the_sandbox_looks_for_no_extension_secret_variable_or_folder_of_its_own() -> None:
    names = sandbox._CONFIG.keys()
    assert ask([], "SELECT " + ", ".join(f"current_setting('{name}')" for name in names)) == [
        (False, False, False, False, "")
    ]


def test_a_name_in_a_query_is_never_a_variable_of_the_caller(lake: Table) -> None:
    secret_frame = pl.DataFrame({"secret": [CANARY]})
    with pytest.raises(RequestError) as caught:
        ask([lake], "FROM secret_frame")
    assert caught.value.code == "query-unknown-table"
    assert len(secret_frame) == 1


def test_the_environment_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CANARY", CANARY)
    with pytest.raises(RequestError) as caught:
        ask([], "SELECT getenv('CANARY')")
    assert CANARY not in str(caught.value)


def test_select_into_is_no_sql_here(lake: Table) -> None:
    with pytest.raises(RequestError) as caught:
        ask([lake], "SELECT * INTO copied FROM monthly_orders")
    assert caught.value.code == "query-failed"
    assert caught.value.message == 'Parser Error: syntax error at or near "INTO"'


def test_a_text_that_is_no_text_is_refused() -> None:
    with pytest.raises(RequestError, match="not UTF-8"):
        ask([], b"SELECT '\xff'".decode(errors="surrogateescape"))


# ---- what is told of a failure


def test_an_unknown_table_is_answered_with_the_nearest_name(lake: Table) -> None:
    with pytest.raises(RequestError) as caught:
        ask([lake], "SELECT * FROM monthly_order")
    assert caught.value.code == "query-unknown-table"
    assert caught.value.lines() == [
        "no table 'monthly_order'",
        "  LINE 1: SELECT * FROM monthly_order",
        "                        ^^^^^^^^^^^^^",
        "  help: did you mean 'monthly_orders'?",
    ]


def test_an_unknown_table_near_to_none_is_answered_with_eight_names() -> None:
    tables = [Frame(name=f"table_{letter}", load=pl.DataFrame) for letter in "jihgfedcba"]
    with pytest.raises(RequestError) as caught:
        ask([*tables], "FROM xyz")
    assert caught.value.help == "tables: table_a, table_b, table_c, table_d, table_e, table_f, table_g, table_h"
    with pytest.raises(RequestError) as caught:
        ask([], "FROM xyz")
    assert caught.value.help == "tables: none"


def test_a_wrong_column_is_told_in_duckdbs_words_with_its_place(lake: Table) -> None:
    with pytest.raises(RequestError) as caught:
        ask([lake], "SELECT statu\nFROM monthly_orders")
    assert caught.value.code == "query-failed"
    assert caught.value.lines() == [
        'Binder Error: Referenced column "statu" not found in FROM clause!',
        '  Candidate bindings: "status"',
        "  LINE 1: SELECT statu",
        "                 ^^^^^",
    ]


def test_a_failure_in_mid_stream_is_told_like_any_other() -> None:
    with pytest.raises(RequestError) as caught:
        ask([], "SELECT CASE WHEN i = 900_000 THEN error('boom') ELSE 'fine' END FROM range(1_000_000) t(i)")
    assert caught.value.code == "query-failed"
    assert caught.value.message == "Invalid Input Error: boom"


def test_a_file_that_is_gone_is_the_storages_fault(lake: Table) -> None:
    Path(lake.files[0]).unlink()
    with pytest.raises(StorageError) as caught:
        ask([lake], "FROM monthly_orders")
    assert caught.value.code == "query-unreadable"
