"""The graph is told to the letter: as a tree, for Mermaid, and for machines; no data is opened for it."""

from __future__ import annotations

from typing import Any

import pytest
from counting import calls_of

from lakehouse.cli.graph import _visit
from lakehouse.cli.lineage import Edge, Vertex, mermaid, tree
from lakehouse.cli.output import Screen

LAKEFILE = """import polars as pl

from lakehouse import Lake
from lakehouse.partitions import Categories, Daily, Dynamic, Monthly, Unpartitioned

lake = Lake("data/lake")
lake.source("raw_orders", "data/raw_orders.csv", schema={"id": pl.Int64, "order_date": pl.Date}, time="order_date")


@lake.view(time="order_date")
def stg_orders(raw_orders):
    return raw_orders


@lake.asset(partitions=Daily("2018-01-01", end="2018-04-10"))
def daily_orders(stg_orders):
    return stg_orders.group_by("partition_date").agg(order_num=pl.len())


@lake.asset(partitions=Monthly("2018-01"))
def monthly_orders(daily_orders):
    return daily_orders.group_by("partition_date").agg(order_num=pl.col("order_num").sum())


@lake.asset(partitions=Categories("region", ["eu", "us"]) * Monthly("2018-01"))
def regional_revenue(monthly_orders):
    return monthly_orders.with_columns(region=pl.lit("eu"))


@lake.asset(partitions=Dynamic("method"))
def orders_by_method(stg_orders):
    return stg_orders.select("id", method=pl.lit("card"))


@lake.asset(partitions=Unpartitioned())
def order_totals(regional_revenue, orders_by_method):
    return regional_revenue.select(pl.len())
"""


@pytest.fixture(autouse=True)
def shop(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cli.folder / "cache"))
    cli.write(LAKEFILE)


def test_the_graph_is_a_tree_from_the_sources_down(cli: Any) -> None:
    (cli.folder / "data/raw_orders.csv").unlink()  # it is not looked at
    done = cli("graph")
    assert (done.code, done.err) == (0, "")
    assert max(map(len, done.out.splitlines())) <= 80
    cli.golden("graph", done, cli("graph", "orders_by_method"), cli("graph", "raw_orders", "--format", "tree", "-q"))


def test_mermaid_draws_it_as_a_flowchart(cli: Any) -> None:
    done = cli("graph", "--format", "mermaid")
    assert (done.code, done.err) == (0, "")
    cli.golden("graph-mermaid", done)


def test_machines_get_every_node_and_edge(cli: Any) -> None:
    found = cli("graph", "--json").json
    assert found["schema_version"] == 1
    nodes = {node["name"]: node for node in found["nodes"]}
    assert list(nodes) == [
        "raw_orders",
        "stg_orders",
        "daily_orders",
        "monthly_orders",
        "regional_revenue",
        "orders_by_method",
        "order_totals",
    ]
    assert nodes["raw_orders"] == {
        "name": "raw_orders",
        "kind": "source",
        "partitions": None,
        "path": "data/raw_orders.csv",
        "where": "lakefile.py:7",
    }
    assert nodes["regional_revenue"]["partitions"] == {
        "kind": "categories × monthly",
        "columns": ["region", "partition_date"],
        "extent": "eu, us × 2018-01..2026-10",
        "first": "2018-01",
        "last": "2026-10",
    }
    assert nodes["orders_by_method"]["partitions"]["first"] is None
    assert nodes["order_totals"]["path"] == "data/lake/order_totals"
    rules = {(edge["from"], edge["to"]): edge["rule"] for edge in found["edges"]}
    assert rules[("raw_orders", "stg_orders")] is None
    assert rules[("stg_orders", "daily_orders")] is None
    assert rules[("daily_orders", "monthly_orders")] == "windows that overlap"
    assert rules[("monthly_orders", "regional_revenue")] not in (None, "")
    assert len(rules) == 7


def test_one_assets_graph_is_what_it_is_made_of_and_what_is_made_of_it(cli: Any) -> None:
    names = [node["name"] for node in cli("graph", "daily_orders", "--json").json["nodes"]]
    assert "orders_by_method" not in names
    assert {"raw_orders", "stg_orders", "daily_orders", "monthly_orders", "order_totals"} <= {*names}


def test_a_name_that_is_none_gets_the_nearest(cli: Any) -> None:
    done = cli("graph", "monthly_order")
    assert done.code == 2
    assert "did you mean 'monthly_orders'?" in done.err


def test_nothing_is_written(cli: Any) -> None:
    cli("graph")
    assert not (cli.folder / "data/lake").exists()


def screen(*, unicode: bool) -> Screen:
    return Screen(is_unicode=unicode, width=80, out_colour=False, err_colour=False)


def test_plain_terminals_get_a_tree_of_ascii() -> None:
    vertices = [
        Vertex("a", "source", ("source", "a.csv")),
        Vertex("b", "asset", ("daily", "")),
        Vertex("c", "view", ("view", "")),
    ]
    edges = [Edge("a", "b", "Periods(-2, 0)"), Edge("a", "c", "")]
    assert tree(screen(unicode=False), vertices, edges) == [
        "a      source   a.csv",
        "|- b   daily    <- Periods(-2, 0)",
        "`- c   view",
    ]


def test_what_reads_several_things_is_drawn_once() -> None:
    """Under the last of them; under the others stands where."""
    vertices = [Vertex(name, "asset", ("monthly", "")) for name in "abcd"]
    edges = [Edge("a", "c", ""), Edge("b", "c", "all"), Edge("c", "d", "")]
    assert tree(screen(unicode=True), vertices, edges) == [
        "a         monthly",
        "└─ c      (below b)",
        "b         monthly",
        "└─ c      monthly   ← all",
        "   └─ d   monthly",
    ]


def test_labels_are_escaped_for_mermaid() -> None:
    lines = mermaid(
        [Vertex("end", "source", ("source", 'a "b" <c>#1|`d`')), Vertex("x", "asset", ("dynamic", ""))],
        [Edge("end", "x", 'Keys(["a"])')],
    )
    assert lines == [
        "flowchart LR",
        '  n_end[("end<br/>source · a #34;b#34; #60;c#62;#35;1#124;#96;d#96;")]',
        '  n_x["x<br/>dynamic"]',
        '  n_end -->|"Keys([#34;a#34;])"| n_x',
    ]


def test_names_too_long_for_the_terminal_are_not_cut(cli: Any) -> None:
    """What is said of them stands below, between the branches."""
    text = (cli.folder / "lakefile.py").read_text(encoding="utf-8")
    (cli.folder / "lakefile.py").write_text(text.replace("daily_orders", "daily_" + "o" * 60), encoding="utf-8")
    lines = cli("graph", "daily_" + "o" * 60).out.splitlines()
    assert lines[2] == "   └─ daily_" + "o" * 60 + "   daily"
    assert lines[3].split() == ["│", "2018-01-01..2018-04-09"]


def test_what_many_read_is_walked_once() -> None:
    """Twenty pairs, each of which reads both of the pair before: two to the twentieth ways, and forty names."""
    reads = {"a0": (), "b0": ()}
    for number in range(1, 21):
        above = (f"a{number - 1}", f"b{number - 1}")
        reads |= {f"a{number}": above, f"b{number}": above}
    order: dict[str, None] = {}
    assert calls_of(lambda: [_visit(name, reads, order) for name in reads]) < 500
    assert list(order) == list(reads)
