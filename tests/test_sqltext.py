"""Queries as texts: what counts as their code, which tables they read, and what is wrong with them at sight."""

from __future__ import annotations

import doctest
import json
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.sql import text as sqltext
from lakehouse.sql.text import fault, normalized, tables_read

NAMES = ("orders", "returns", "daily_orders", "order", "t")


@pytest.fixture(scope="module")
def engine() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(":memory:") as connection:
        yield connection


def parsed(node: Any, hidden: frozenset[str] = frozenset()) -> set[str]:
    """The tables in the syntax tree of a query; what the query defines itself is hidden where it is in force."""
    found: set[str] = set()
    if isinstance(node, list):
        return found.union(*(parsed(item, hidden) for item in node))
    if not isinstance(node, dict):
        return found
    if node.get("type") == "BASE_TABLE" and not (not node["schema_name"] and node["table_name"].casefold() in hidden):
        found.add(node["table_name"].casefold())
    for definition in node.get("cte_map", {}).get("map", []):
        found |= parsed(definition["value"], hidden)
        hidden |= {definition["key"].casefold()}
    for key, value in node.items():
        recurs = node.get("type") == "RECURSIVE_CTE_NODE" and key == "right"
        found |= set() if key == "cte_map" else parsed(value, hidden | ({node["cte_name"]} if recurs else set()))
    return found & set(NAMES)


def tree(engine: duckdb.DuckDBPyConnection, sql: str) -> Any:
    """What DuckDB understands a query to be, without the places in the text; None where it understands nothing."""

    def told(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: told(value) for key, value in node.items() if not key.startswith("query_location")}
        return [told(value) for value in node] if isinstance(node, list) else node

    # The last character of a text is a letter to DuckDB even where it is a blank.
    ((text,),) = engine.execute("SELECT json_serialize_sql($1::VARCHAR)", [f"{sql}\n"]).fetchall()
    found = json.loads(text)
    return None if found["error"] else told(found["statements"])


def test_the_examples_in_the_docstrings_hold() -> None:
    assert doctest.testmod(sqltext).failed == 0


def test_no_engine_is_loaded_to_look_at_a_query() -> None:
    code = (
        "import sys; import lakehouse.sql.text as s; s.normalized('select 1'); s.tables_read('from t', ['t'])\n"
        "print(sorted({'polars', 'duckdb', 'pyarrow'} & set(sys.modules)))"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "[]"


# ---- tables


READS = [
    ("select * from orders", ["orders"]),
    ("from orders", ["orders"]),
    ("FROM OrDeRs", ["orders"]),
    ('from "Orders" x', ["orders"]),
    ("from 'orders'", ["orders"]),
    ("table orders", ["orders"]),
    ("from main.orders", ["orders"]),
    ('from main . "orders"', ["orders"]),
    ("from memory.main.orders", ["orders"]),
    ('from "order"', ["order"]),
    ("from o: orders select o.a", ["orders"]),
    ("from returns r, o : orders", ["returns", "orders"]),
    ("select 1from orders", ["orders"]),
    ("select 1.from orders", ["orders"]),
    ("select 1.5e3from orders", ["orders"]),
    ("select 'a'from orders", ["orders"]),
    ("select count(*)from orders", ["orders"]),
    ("select 1\N{NO-BREAK SPACE}from\N{IDEOGRAPHIC SPACE}orders", ["orders"]),
    ("select a, from orders,", ["orders"]),
    # several
    ("select * from orders, returns", ["orders", "returns"]),
    ("select * from returns r join orders o using (id), daily_orders", ["returns", "orders", "daily_orders"]),
    ("select * from orders o left join returns r on o.id = r.id and r.n in (1, 2), t", ["orders", "returns", "t"]),
    ("from orders positional join returns", ["orders", "returns"]),
    ("from orders asof join returns using (day)", ["orders", "returns"]),
    ("from orders natural join returns cross join t", ["orders", "returns", "t"]),
    ("from (orders join returns using (id))", ["orders", "returns"]),
    ("from ((orders)) o, (from returns)", ["orders", "returns"]),
    ("from t join (orders o join returns r on true) on true", ["t", "orders", "returns"]),
    ("from orders tablesample 10%, returns", ["orders", "returns"]),
    ("from orders sample, returns", ["orders", "returns"]),
    ("from range(3) r(i), orders", ["orders"]),
    ("from unnest([1, 2]) u, orders", ["orders"]),
    ("from (values (1), (2)) v(orders), t", ["t"]),
    ("from t, lateral (select * from orders where orders.id = t.id)", ["t", "orders"]),
    ("from orders union all from returns", ["orders", "returns"]),
    ("table orders except table returns", ["orders", "returns"]),
    ("(select id from orders intersect select id from returns) order by id", ["orders", "returns"]),
    ("select id from orders where n = 1union select id from returns", ["orders", "returns"]),
    ("select id from orders where id not in (select id from returns)", ["orders", "returns"]),
    ("select (select max(id) from returns), exists(from orders) from t", ["returns", "orders", "t"]),
    ("select array(select id from orders), a = any(from returns select a) from t", ["orders", "returns", "t"]),
    ("from t limit (from orders select count(*))", ["t", "orders"]),
    ("select id from t group by all having count(*) > (select count(*) from orders)", ["t", "orders"]),
    ("select sum(n) over w from orders window w as (partition by id), x as ()", ["orders"]),
    # other forms of tables
    ("pivot orders on status in ('a', 'b') using sum(n)", ["orders"]),
    ("pivot (from orders) on status in ('a', 'b') using sum(n) group by t", ["orders"]),
    ("from orders pivot (sum(n) for status in ('a'))", ["orders"]),
    ("pivot_wider orders on status in ('a')", ["orders"]),
    ("unpivot orders on jan, feb into name month value n", ["orders"]),
    ("unpivot (select * from orders) on jan", ["orders"]),
    ("from orders unpivot (n for month in (jan, feb))", ["orders"]),
    ("summarize orders", ["orders"]),
    ("from (describe orders)", ["orders"]),
    ("from (summarize from orders)", ["orders"]),
    # names that the query defines
    ("with o as (from orders) from o", ["orders"]),
    ("with orders as (select 1) from orders", []),
    ("with orders as (from orders) from orders", ["orders"]),
    ("with orders(a, b) as not materialized (select 1, 2) from orders", []),
    ("with ORDERS as materialized (select 1), from orders", []),
    ("with orders as (select 1) from main.orders", ["orders"]),
    ("with t as (select 1), u as (from t) from u, t", []),
    ("with u as (from t), t as (select 1) from u, t", ["t"]),
    ("from (with orders as (select 1) from orders), orders", ["orders"]),
    ("(with orders as (select 1) from orders) union all from orders", ["orders"]),
    ("with o as (with orders as (select 1) from orders) from orders", ["orders"]),
    ("with t as (select 1) select (select count(*) from t), n from orders", ["orders"]),
    ("with recursive t as (select 1 i union all select i + 1 from t where i < 3) from t", []),
    ("with recursive t as (from t) from t", ["t"]),
    ("with recursive t as (from t union all select id + 1 from t where id < 3) from t", ["t"]),
    ("with recursive t as (from orders union (select o.* from t join returns o using (id))) from t",
     ["orders", "returns"]),
    ("with recursive t(i) using key (i) as (select 1 union select i from t) from t, orders", ["orders"]),
    # where a name is no table
    ("select orders from t", ["t"]),
    ("select t.orders, orders.id from t as orders", ["t"]),
    ("select orders.id, returns.n from t orders", ["t"]),
    ("from t order by orders, returns", ["t"]),
    ("from t select id as orders, returns", ["t"]),
    ("from t select id as where, returns", ["t"]),
    ("select t.where, t.from, t.limit from t, orders", ["t", "orders"]),
    ("select extract(year from orders) from t", ["t"]),
    ("select trim(both 'x' from orders), substring(orders from 1 for 2), position('a' in orders) from t", ["t"]),
    ("select a is not distinct from orders, b is distinct from returns from t", ["t"]),
    ("from t where a in orders and b not in returns", ["t"]),
    ("select [orders for x in returns] from t", ["t"]),
    ("select * replace (orders as a) from t as x(orders, returns)", ["t"]),
    ("select 'from orders', \"from returns\", $$ from orders $$, $a$ from $$ orders $a$ from t", ["t"]),
    ("select E'\\'', ' from orders' from t -- , orders\n /* join /* returns */ using (id) */", ["t"]),
    ("select 'a' -- 'from orders\n 'b' from t", ["t"]),
    ("select 1 -- from orders\r from t", ["t"]),
    ("select {a: 1, 'b': orders}, map {'a': returns} from t", ["t"]),
    ("select 1", []),
    ("values (1)", []),
]  # fmt: skip


@pytest.mark.parametrize(("sql", "names"), READS)
def test_the_tables_of_a_query_are_those_that_duckdb_finds(
    engine: duckdb.DuckDBPyConnection, sql: str, names: list[str]
) -> None:
    assert parsed(tree(engine, sql)) == set(names)
    assert list(tables_read(sql, NAMES)) == names


@pytest.mark.parametrize(
    ("sql", "names"),
    [
        ("from query_table('orders')", ["orders"]),
        ("from query_table(orders)", ["orders"]),
        ("from query_table(['orders', 'returns'])", ["orders", "returns"]),
        ("select query_table, 'orders' from t", ["t"]),
    ],
)
def test_a_table_that_a_function_is_told_counts(sql: str, names: list[str]) -> None:
    """DuckDB's own answer leaves these out."""
    assert list(tables_read(sql, NAMES)) == names


@pytest.mark.parametrize(
    "sql",
    [
        "from orders pivot (sum(n) as a, max(n) for t in (1))",
        "with recursive t as (select 1 union select 2 union select 3 from t) from t",
        "with recursive t as (select 1 union select 2 except select 3 from t) from t",
        "with t as (with recursive u as (select 1 union select 2 from u) from u union from t) from t, orders",
        "from orders.t",
        "describe with t as (from orders) from t",
    ],
)
def test_a_doubtful_name_is_a_table_rather_than_none(engine: duckdb.DuckDBPyConnection, sql: str) -> None:
    assert parsed(tree(engine, sql)) <= set(tables_read(sql, NAMES))


def test_only_the_names_that_are_asked_for_are_found_and_as_they_are_written_there() -> None:
    assert tables_read("from stg_orders, raw_orders, STG_ORDERS", ["stg_orders"]) == ("stg_orders",)
    assert tables_read("from stg_orders", []) == ()


PIECES = (
    *("select", "from", "from orders", "join", "returns", "t", ",", "(", ")", "(select", "with", "recursive", "as ("),
    *("where", "union", "orders", "order by", "limit 1", "on true", "t as (", "1", "'a'", "using (id)", "as", "."),
    *("values", "table", "lateral", "distinct", "is", "[", "]", "id", "*", "pivot", "unpivot", ":", "group by", "in"),
)  # fmt: skip


@given(st.lists(st.sampled_from(PIECES), max_size=14))
def test_no_table_is_missed_whatever_the_query(engine: duckdb.DuckDBPyConnection, pieces: list[str]) -> None:
    sql = " ".join(pieces)
    assert parsed(tree(engine, sql)) <= set(tables_read(sql, NAMES))


TABLES = st.recursive(
    st.sampled_from(["orders", '"returns"', "t x", "a: daily_orders", "range(2) r(orders)", "(values (1)) v(t)"]),
    lambda below: st.one_of(
        st.builds("({} join {} on true)".format, below, below),
        st.builds("(from {}, {})".format, below, below),
        st.builds("(select 1 as limit, 2 from {} where (1, 2) in (select orders, t from {}))".format, below, below),
        st.builds("(with t as (from {}), u as (from t) select (from u limit 1) from {})".format, below, below),
        st.builds("(with recursive t as (from {} union from {}) from t)".format, below, below),
        st.builds("(from {} union all table orders order by 1, 2)".format, below),
        st.builds("(pivot (from {}) on status in (1, 2) using sum(orders))".format, below),
    ),
    max_leaves=8,
)


@given(TABLES, TABLES)
def test_tables_are_found_at_any_depth(engine: duckdb.DuckDBPyConnection, first: str, second: str) -> None:
    sql = f"select orders, t.a from {first}, {second} where orders.id is distinct from t"  # noqa: S608  only parsed
    assert tree(engine, sql) is not None
    assert set(tables_read(sql, NAMES)) == parsed(tree(engine, sql))


# ---- code


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("select a,b from t", "select a ,  b\nfrom\tt"),
        ("select count(*) from t", "select count ( * ) -- how many\nfrom t;"),
        ("select a+b from t", "select a /* one /* or the */ other */ + b from t"),
        ("select 2*3", "select 2*/* times */3"),
        ("select a.b::int from t", "select a . b :: int\r\nfrom t ; ;"),
        ("select 'a'\n'b'", "select 'a' -- and\n\n  'b'"),
    ],
)
def test_comments_and_layout_are_no_code(engine: duckdb.DuckDBPyConnection, one: str, other: str) -> None:
    assert normalized(one) == normalized(other)
    assert tree(engine, one) == tree(engine, other) is not None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("select - -1", "select --1"),
        ("select 1 x", "select 1x2"),
        ("select 'a b'", "select 'a  b'"),
        ("select 'a--b'", "select 'a'"),
        ("select ' /* */ '", "select '  '"),
        ("select 'a''b'", "select 'a' 'b'"),
        ("select 'a'\n'b'", "select 'a' 'b'"),
        ('select "a""b" from t', 'select "a" "b" from t'),
        ("select e'a\\n'", "select e 'a\\n'"),
        ("select 'a\\n'", "select e'a\\n'"),
        ("select x'ab'", "select x 'ab'"),
        ("select $$a -- b$$", "select $$a $$"),
        ("select $a$ $$ -- $a$", "select $a$ $$ $a$"),
        ("select 5 ! = 2", "select 5 != 2"),
        ("select 1e-3", "select 1 e -3"),
        ("select 1e-3", "select 1e -3"),
        ("select 1.5", "select 1 .5"),
        ("select t.a from t", "select t a from t"),
        ("select a .5", "select a.5"),
        ("select A from t", "select a from t"),
        ("select 1 /* /* */ + 1 */", "select 1 /* /* */ */ + 1"),
        ("select 1\N{LINE SEPARATOR}x", "select 1 x"),
        ("select 1\N{NO-BREAK SPACE}x", "select 1 x"),
        ("select 'a\N{NO-BREAK SPACE}b'", "select /* ' */ 'a\N{NO-BREAK SPACE}b'"),
    ],
)
def test_what_could_mean_something_else_is_other_code(one: str, other: str) -> None:
    assert normalized(one) != normalized(other)


TOKENS = st.sampled_from(
    [
        *"+-*/<>=!|:.,()[]1aeEx'\"$;",
        "--",
        "/*",
        "*/",
        "''",
        "$$",
        "e'",
        "x'",
        "$a$",
        "select",
        "from t",
        "'a'",
        "1.5",
        "#1",
        "1e5",
    ]
)
LAYOUT = st.sampled_from(["", "", " ", "\n", "\r", "\t", " -- x\n", "/**/", "/* ' */", "\N{NO-BREAK SPACE}"])


@given(st.lists(st.tuples(TOKENS, LAYOUT, LAYOUT), max_size=8))
def test_queries_of_one_normalized_text_mean_the_same(
    engine: duckdb.DuckDBPyConnection, pieces: list[tuple[str, str, str]]
) -> None:
    one = "select " + "".join(token + layout for token, layout, _ in pieces)
    other = "select " + "".join(token + layout for token, _, layout in pieces)
    if normalized(one) == normalized(other):
        # A text may be an error in one layout and none in another: what fails publishes nothing.
        meanings = [meaning for sql in (one, other) if (meaning := tree(engine, sql)) is not None]
        assert all(before == after for before, after in pairwise(meanings))
    again = normalized(normalized(one))
    assert again == normalized(one) or fault(one) is not None


# ---- faults


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("", "is empty"),
        (" ;\n-- nothing\n;", "is empty"),
        ("select 1; select 2", "holds 2 statements, where one SELECT is run"),
        ("select 1;;drop table t;", "holds 2 statements, where one SELECT is run"),
        ("COPY t TO 'x'", "begins with COPY, where one SELECT is run"),
        ("explain select 1", "begins with explain, where one SELECT is run"),
        ("'select'", "begins with 'select', where one SELECT is run"),
        ("select\n 'a", "leaves a text open that begins on line 2"),
        ("select E'a\\'", "leaves a text open that begins on line 1"),
        ('select "a""', "leaves a name open that begins on line 1"),
        ("select $x$ a $$", "leaves a text open that begins on line 1"),
        ("select 1\n/* /* */", "leaves a comment open that begins on line 2"),
        ("select '\udc80'", "holds bytes that are no text"),
        ("select 1\0", "holds bytes that are no text"),
    ],
)
def test_a_text_that_is_not_one_select_is_told_at_sight(sql: str, what: str) -> None:
    assert fault(sql) == what


@pytest.mark.parametrize(
    "sql",
    [
        *("select 1", "; select 1;", "-- c;\nselect ';' ; -- ;", "(select 1)", "FROM t", "values (1)", "table t"),
        *(
            "\ufeffselect 1",
            "with x as (select 1) from x",
            "pivot t on a in (1)",
            "summarize t",
            'select $a$;$a$, $$;$$, ";" from t',
        ),
    ],
)
def test_one_select_has_no_fault(sql: str) -> None:
    assert fault(sql) is None
