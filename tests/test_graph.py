"""Laws of the graph: the order of making, what things are made of, and the words of what is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest

from lakehouse import Lake
from lakehouse.errors import AssetUnknownError, DefinitionError
from lakehouse.graph import Graph, nearest

SHOP = """
lake.source("raw_orders", "raw_orders.csv", schema={"id": pl.Int64, "at": pl.Date})
lake.source("raw_payments", "raw_payments.csv", schema={"id": pl.Int64})

@lake.asset(partitions=Monthly("2018-01"))
def summary(daily_ratio, revenue): ...

@lake.asset(partitions=Monthly("2018-01"))
def revenue(stg_orders, stg_payments): ...

@lake.view
def daily_ratio(revenue, orders): ...

@lake.view
def stg_payments(raw_payments, stg_orders): ...

@lake.view
def stg_orders(raw_orders): ...

@lake.asset(partitions=Monthly("2018-01"))
def orders(stg_orders): ...
"""


def names(nodes: list[Any]) -> list[str]:
    return [node.name for node in nodes]


def refusal(project: Any, text: str) -> DefinitionError:
    lake = project.load(text)
    with pytest.raises(DefinitionError) as caught:
        _ = lake.graph
    return caught.value


@pytest.fixture
def graph(project: Any) -> Graph:
    lake: Lake = project.load(SHOP)
    return lake.graph


def test_each_asset_comes_after_what_it_reads_and_else_as_declared(graph: Graph) -> None:
    assert names(graph.assets()) == ["revenue", "orders", "summary"]


def test_what_a_thing_reads_itself_is_in_the_order_of_its_parameters(graph: Graph) -> None:
    assert graph.reads("summary") == ("daily_ratio", "revenue")
    assert graph.reads("raw_orders") == ()


def test_inputs_are_found_through_views_and_not_through_assets(graph: Graph) -> None:
    assert names(graph.inputs("revenue")) == ["raw_orders", "raw_payments"]
    assert names(graph.inputs("summary")) == ["revenue", "orders"]
    assert names(graph.inputs("stg_payments")) == ["raw_payments", "raw_orders"]
    assert names(graph.inputs("raw_orders")) == []


def test_views_are_those_between_an_asset_and_stored_data(graph: Graph) -> None:
    assert names(graph.views("revenue")) == ["stg_orders", "stg_payments"]
    assert names(graph.views("summary")) == ["daily_ratio"]


def test_upstream_assets_are_those_read_through_views(graph: Graph) -> None:
    assert graph.upstream_assets("summary") == ["revenue", "orders"]
    assert graph.upstream_assets("orders") == []


def test_with_upstream_adds_all_that_assets_are_made_of(graph: Graph) -> None:
    assert names(graph.with_upstream(["summary"])) == ["revenue", "orders", "summary"]
    assert names(graph.with_upstream(["orders"])) == ["orders"]
    assert names(graph.with_upstream([])) == []


@pytest.mark.parametrize(
    ("source", "asset", "path"),
    [
        ("raw_orders", "orders", "stg_orders -> orders"),
        ("raw_orders", "revenue", "stg_orders -> revenue"),
        ("raw_payments", "revenue", "stg_payments -> revenue"),
        ("raw_payments", "summary", "stg_payments -> revenue -> summary"),
        ("revenue", "summary", "summary"),
    ],
)
def test_a_path_is_the_shortest_way_from_a_source_to_an_asset(
    graph: Graph, source: str, asset: str, path: str
) -> None:
    assert graph.path(source, asset) == path


def test_a_ladder_of_views_is_walked_once_a_view(project: Any) -> None:
    rungs = "".join(
        f"@lake.view\ndef a{n}(a{n - 1}, b{n - 1}): ...\n@lake.view\ndef b{n}(a{n - 1}, b{n - 1}): ...\n"
        for n in range(1, 60)  # 2 ** 59 ways lead through it
    )
    graph = project.load(
        'lake.source("a0", "a.parquet")\nlake.source("b0", "b.parquet")\n'
        f'{rungs}\n@lake.asset(partitions=Monthly("2018-01"))\ndef top(a59): ...\n'
    ).graph
    assert names(graph.inputs("top")) == ["a0", "b0"]
    assert len(graph.views("top")) == 117
    assert graph.path("b0", "top").startswith("a1 -> a2")


def test_something_read_and_not_declared_is_named_with_its_line_and_the_nearest(project: Any) -> None:
    error = refusal(
        project,
        'lake.source("raw_orders", "raw_orders.parquet")\n'
        "\n"
        '@lake.asset(partitions=Monthly("2018-01"))\n'
        "def monthly_orders(raw_order): ...\n",
    )
    assert error.code == "upstream-unknown"
    assert error.lines() == [
        "'monthly_orders' reads 'raw_order', which is not declared (lakefile.py:7)",
        "  help: did you mean 'raw_orders'? a parameter's name is the name of a source, view or asset: raw_orders",
    ]


def test_where_nothing_is_alike_the_first_eight_names_are_listed(project: Any) -> None:
    sources = "".join(f'lake.source("s{n}", "s.parquet")\n' for n in range(9))
    error = refusal(project, f"{sources}@lake.view\ndef clean(orders): ...\n")
    assert error.lines() == [
        "'clean' reads 'orders', which is not declared (lakefile.py:14)",
        "  help: a parameter's name is the name of a source, view or asset: s0, s1, s2, s3, s4, s5, s6, s7 …",
    ]


def test_a_thing_is_not_offered_itself(project: Any) -> None:
    error = refusal(project, '@lake.asset(partitions=Monthly("2018-01"))\ndef orders(order): ...\n')
    assert "did you mean" not in str(error)


def test_a_cycle_is_named_in_the_direction_of_the_data(project: Any) -> None:
    error = refusal(
        project,
        "@lake.view\ndef clean(rates): ...\n@lake.view\ndef orders(clean): ...\n@lake.view\ndef rates(orders): ...\n",
    )
    assert error.code == "cycle"
    assert error.lines() == [
        "clean -> orders -> rates -> clean is a cycle (lakefile.py:5)",
        "  help: a thing cannot be made of itself: read an earlier step in one of them",
    ]


def test_a_thing_that_reads_itself_is_a_cycle(project: Any) -> None:
    error = refusal(project, "@lake.view\ndef orders(orders): ...\n")
    assert error.message == "orders -> orders is a cycle (lakefile.py:5)"


def test_an_unknown_asset_is_refused_with_the_nearest(graph: Graph) -> None:
    with pytest.raises(AssetUnknownError) as caught:
        graph.asset("sumary")
    assert caught.value.lines() == [
        "no asset 'sumary'",
        "  help: did you mean 'summary'? Assets: revenue, orders, summary",
    ]
    assert caught.value.context == {"name": "sumary"}
    with pytest.raises(AssetUnknownError) as caught:
        graph.asset("x")
    assert caught.value.help == "Assets: revenue, orders, summary"


@pytest.mark.parametrize(("name", "kind"), [("raw_orders", "source"), ("stg_orders", "view")])
def test_what_is_declared_and_no_asset_is_said_to_be_what_it_is(graph: Graph, name: str, kind: str) -> None:
    with pytest.raises(AssetUnknownError) as caught:
        graph.asset(name)
    assert caught.value.lines() == [
        f"{name!r} is a {kind}, not an asset",
        "  help: Assets: revenue, orders, summary",
    ]


COUNTS = "counts windows of time"
KINDS = [
    "",
    '(partitions=Monthly("2018-01"))',
    '(partitions=Monthly("2018-01", timezone="Europe/Berlin", format="%Y%m"))',
    '(partitions=Monthly("2019-01", end="2020-01", include_current=True))',
    '(partitions=Daily("2018-01-01", column="day"))',
    '(partitions=Categories("region", ["eu", "us"]))',
    '(partitions=Dynamic("region"))',
    '(partitions=Categories("region", ["eu"]) * Weekly("2018-01-01"))',
]


@pytest.mark.parametrize("upper", KINDS)
@pytest.mark.parametrize("lower", KINDS)
def test_an_asset_may_read_one_with_other_keys(project: Any, upper: str, lower: str) -> None:
    graph = project.load(
        f"@lake.asset{upper}\ndef orders(): ...\n@lake.asset{lower}\ndef revenue(orders): ...\n"
    ).graph
    assert graph.upstream_assets("revenue") == ["orders"]


@pytest.mark.parametrize(
    ("upper", "lower", "kinds"),
    [
        ('Monthly("2018-01", column="at")', 'Categories("at", ["x"])', "categories here and monthly there"),
        ('Dynamic("at")', 'Monthly("2018-01", column="at")', "monthly here and dynamic there"),
        (
            'Categories("region", ["eu"]) * Dynamic("at")',
            'Categories("region", ["eu"]) * Daily("2018-01-01", column="at")',
            "daily here and dynamic there",
        ),
    ],
)
def test_a_column_that_is_a_time_in_one_asset_and_none_in_the_other_is_refused(
    project: Any, upper: str, lower: str, kinds: str
) -> None:
    error = refusal(
        project,
        f"@lake.asset(partitions={upper})\ndef orders(): ...\n"
        f"@lake.asset(partitions={lower})\ndef revenue(orders): ...\n",
    )
    assert error.code == "upstream-keys"
    assert error.lines() == [
        f"'revenue' reads 'orders': the column 'at' is {kinds} (lakefile.py:7)",
        "  help: give one of them another name",
    ]


@pytest.mark.parametrize(
    ("lower", "rule", "lines"),
    [
        (
            'Categories("region", ["eu"])',
            "Periods(-1, 0)",
            ["'revenue' reads 'orders': Periods(-1, 0) counts windows of time, and the asset has none"],
        ),
        (
            'Monthly("2018-01")',
            'Keys(["2018-13"])',
            ["'revenue' reads 'orders': '2018-13' is not a month", "  help: did you mean 2018-12?"],
        ),
        (
            'Monthly("2018-01")',
            "Latest()",
            [
                "'revenue' reads 'regions': Latest() is the last window of time, and the upstream has none",
            ],
        ),
        (
            'Monthly("2018-01")',
            "Periods(-1, 0)",
            [
                "'revenue' reads 'regions': Periods(-1, 0) counts windows of time, and the upstream has none",
            ],
        ),
        (
            'Monthly("2018-01")',
            "Latest()",
            [
                "'revenue' reads 'raw': Latest() names keys, and it has none",
                "  help: Periods(-2, 0) and All() go without",
            ],
        ),
        (
            'Monthly("2018-01")',
            "Periods(-1, 0)",
            [
                f"'revenue' reads 'raw': Periods(-1, 0) {COUNTS}, and it does not say when its rows were",
                '  help: declare it with time="…"',
            ],
        ),
        (
            'Monthly("2018-01")',
            "All()",
            [
                "asset 'revenue' has a rule for 'order', which it does not read",
                "  help: upstream= names what the function reads: orders, regions, raw",
            ],
        ),
        (
            'Monthly("2018-01")',
            "'2018-01'",
            [
                "asset 'revenue' reads 'orders' by '2018-01', which is no rule",
                "  help: a rule is Periods(-2, 0), All(), Latest() or Keys([...])",
            ],
        ),
    ],
)
def test_a_rule_that_does_not_fit_is_refused_with_its_line(
    project: Any, lower: str, rule: str, lines: list[str]
) -> None:
    named = lines[0].partition("reads '")[2].partition("'")[0] or "order"
    text = (
        '@lake.asset(partitions=Monthly("2018-01"))\ndef orders(): ...\n'
        '@lake.asset(partitions=Categories("region", ["eu"]))\ndef regions(): ...\n'
        'lake.source("raw", "raw.parquet")\n'
        f'@lake.asset(partitions={lower}, upstream={{"{named}": {rule}}})\n'
        "def revenue(orders, regions, raw): ...\n"
    )
    with pytest.raises(DefinitionError) as caught:
        _ = project.load(text).graph
    assert caught.value.lines() == [f"{lines[0]} (lakefile.py:10)", *lines[1:]]


def test_a_declaration_after_the_first_look_is_looked_at_too(project: Any) -> None:
    lake = project.load('lake.source("orders", "orders.parquet")\n')
    assert list(lake.graph.nodes) == ["orders"]
    lake.source("payments", "payments.parquet")
    assert list(lake.graph.nodes) == ["orders", "payments"]


@pytest.mark.parametrize(
    ("name", "near"),
    [("monthly_order", "monthly_orders"), ("weekly", None), ("", None)],
)
def test_the_nearest_name_is_one_that_is_alike_or_none(name: str, near: str | None) -> None:
    assert nearest(name, ["monthly_orders", "customers"]) == near
