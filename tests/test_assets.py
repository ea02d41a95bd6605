"""Laws of declarations: what is well-formed, and the words and the line of what is not."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from lakehouse import Lake, Monthly
from lakehouse.errors import DefinitionError

NO_SCHEMA = (
    "  help: declare its columns, so that no type is guessed: lake.source('orders', …, schema={\"id\": pl.Int64})"
)
TRACKS = 'track is "content" (the bytes), "stat" (size and time) or "rows" (the rows of each partition)'
MONTHLY = '@lake.asset(partitions=Monthly("2018-01"))\n'


def refusal(project: Any, text: str) -> list[str]:
    """What a lakefile is refused with; its fifth line is the first one of ``text``."""
    with pytest.raises(DefinitionError) as caught:
        project.load(text)
    return caught.value.lines()


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            'lake.source("orders", "https://example.com/orders.csv")',
            [
                "source 'orders' is a URL, https://example.com/orders.csv (lakefile.py:5)",
                "  help: download it first, and name the file",
            ],
        ),
        (
            'lake.source("orders", "orders.xlsx")',
            [
                "source 'orders' has no known suffix: orders.xlsx (lakefile.py:5)",
                "  help: the formats go by suffix: .csv, .parquet, .pq, .ndjson, .jsonl, .arrow, .ipc, .feather",
            ],
        ),
        (
            'lake.source("orders", "orders")',
            [
                "source 'orders' has no known suffix: orders (lakefile.py:5)",
                "  help: the formats go by suffix: .csv, .parquet, .pq, .ndjson, .jsonl, .arrow, .ipc, .feather",
            ],
        ),
        (
            'lake.source("orders", "orders.csv")',
            [
                "source 'orders' is CSV and declares no schema (lakefile.py:5)",
                NO_SCHEMA,
            ],
        ),
        (
            'lake.source("orders", "orders.jsonl", schema={})',
            [
                "source 'orders' is NDJSON and declares no schema (lakefile.py:5)",
                NO_SCHEMA,
            ],
        ),
        (
            '\nlake.source("orders", "orders.csv", schema={"id": pl.Int64, "at": pl.Date}, time="order_date")',
            [
                "source 'orders' declares no column 'order_date' (lakefile.py:6)",
                "  help: its schema has id, at",
            ],
        ),
        (
            'lake.source("orders", "orders.csv", schema={"id": pl.Int64}, nullable=["note"])',
            ["source 'orders' declares no column 'note' (lakefile.py:5)", "  help: its schema has id"],
        ),
        (
            'lake.source("orders", "orders.csv", schema={"id": pl.Int64}, nullable="note")',
            ["source 'orders' declares no column 'note' (lakefile.py:5)", "  help: its schema has id"],
        ),
        (
            'lake.source("orders", "orders.parquet", track="mtime")',
            [
                "source 'orders' is tracked by 'mtime' (lakefile.py:5)",
                f"  help: {TRACKS}",
            ],
        ),
        (
            'lake.source("Orders", "orders.parquet")',
            [
                "'Orders' cannot be a name (lakefile.py:5)",
                "  help: a name is lower-case letters, digits and _, starting with a letter: monthly_orders",
            ],
        ),
        (
            'lake.source("partition", "orders.parquet")',
            ["'partition' cannot be a name: it is a parameter's (lakefile.py:5)"],
        ),
        (
            'lake.source("orders", "orders.parquet")\nlake.source("orders", "other.parquet")',
            [
                "'orders' is declared twice (lakefile.py:5 and lakefile.py:6)",
                "  help: give one of them another name",
            ],
        ),
    ],
)
def test_a_source_that_is_not_well_formed_is_refused_with_its_line(project: Any, text: str, lines: list[str]) -> None:
    assert refusal(project, text) == lines


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (
            f"{MONTHLY}def orders(): ...\n{MONTHLY}def orders(): ...\n",
            [
                "'orders' is declared twice (lakefile.py:5 and lakefile.py:7)",
                "  help: give one of them another name",
            ],
        ),
        (
            f"{MONTHLY}def MonthlyOrders(): ...\n",
            [
                "'MonthlyOrders' cannot be a name (lakefile.py:5)",
                "  help: a name is lower-case letters, digits and _, starting with a letter: monthly_orders",
            ],
        ),
        (
            "lake.view(lambda orders: orders)\n",
            [
                "'<lambda>' cannot be a name (lakefile.py:5)",
                "  help: a name is lower-case letters, digits and _, starting with a letter: monthly_orders",
            ],
        ),
        (
            "@lake.view\ndef clean(orders, partition): ...\n",
            [
                "view 'clean' asks for 'partition' (lakefile.py:5)",
                "  help: only an asset's function can; a view is computed for whatever reads it",
            ],
        ),
        (
            "@lake.view\ndef clean(*args): ...\n",
            [
                "'clean' takes *args (lakefile.py:5)",
                "  help: each parameter names one thing that it reads: def monthly_orders(stg_orders)",
            ],
        ),
        (
            f"{MONTHLY}def orders(**upstream): ...\n",
            [
                "'orders' takes **upstream (lakefile.py:5)",
                "  help: each parameter names one thing that it reads: def monthly_orders(stg_orders)",
            ],
        ),
        (
            f"{MONTHLY}def orders(raw, /): ...\n",
            [
                "'orders' takes raw (lakefile.py:5)",
                "  help: each parameter names one thing that it reads: def monthly_orders(stg_orders)",
            ],
        ),
        (
            '@lake.asset(partitions="2018-01")\ndef orders(): ...\n',
            [
                "asset 'orders' has no partitions: '2018-01' (lakefile.py:5)",
                '  help: say which: @lake.asset(partitions=Monthly("2018-01"))',
            ],
        ),
        (
            '@lake.asset(partitions=Monthly("2018-01"), schema={"partition_date": pl.Int64})\ndef orders(): ...\n',
            [
                "asset 'orders' declares partition_date in its schema (lakefile.py:5)",
                "  help: the partition column lives in the folder's name, not in the file: leave it out",
            ],
        ),
    ],
)
def test_a_function_that_cannot_be_an_asset_or_view_is_refused_with_its_line(
    project: Any, text: str, lines: list[str]
) -> None:
    assert refusal(project, text) == lines


def test_a_callable_that_is_no_function_is_refused(project: Any) -> None:
    lines = refusal(project, "import functools\nlake.view(functools.partial(print, 1))\n")
    assert lines == ["functools.partial(<built-in function print>, 1) is not a function (lakefile.py:6)"]


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ("keep_versions=-1", ["keep_versions=-1 is negative (lakefile.py:1)"]),
        (
            'grace="1 week"',
            ["grace='1 week' is not a duration (lakefile.py:1)", "  help: write it as 30m, 24h or 7d"],
        ),
        ('grace="-1h"', ["grace='-1h' is not a duration (lakefile.py:1)", "  help: write it as 30m, 24h or 7d"]),
    ],
)
def test_a_lake_that_keeps_less_than_nothing_is_refused(project: Any, options: str, lines: list[str]) -> None:
    with pytest.raises(DefinitionError) as caught:
        project.load("", head=f'from lakehouse import Lake; lake = Lake("lake", {options})')
    assert caught.value.lines() == lines


def test_a_source_keeps_what_was_declared(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    schema = {"id": pl.Int64, "at": pl.Date, "note": pl.String}
    source = lake.source("orders", Path("data") / "*.CSV", schema=schema, time="at", nullable=["note"], track="stat")
    assert (source.path, source.format, source.is_glob) == ("data/*.CSV", "csv", True)
    assert (source.schema, source.time, source.nullable, source.track) == (schema, "at", ("note",), "stat")
    assert not lake.source("one", "data/one.parquet").is_glob


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("o.csv", "csv"),
        ("o.parquet", "parquet"),
        ("o.pq", "parquet"),
        ("o.ndjson", "ndjson"),
        ("o.jsonl", "ndjson"),
        ("o.arrow", "ipc"),
        ("o.ipc", "ipc"),
        ("o.feather", "ipc"),
    ],
)
def test_a_format_goes_by_its_suffix(tmp_path: Path, path: str, kind: str) -> None:
    assert Lake(tmp_path).source("orders", path, schema={"id": pl.Int64}).format == kind


@pytest.mark.parametrize(
    "other",
    [
        {"path": "other.csv"},
        {"schema": {"id": pl.Int32, "at": pl.Date}},
        {"schema": {"at": pl.Date, "id": pl.Int64}},
        {"time": "at"},
        {"nullable": ["id"]},
    ],
    ids=lambda other: next(iter(other)),
)
def test_a_declaration_tells_each_thing_that_decides_what_is_read(tmp_path: Path, other: dict[str, Any]) -> None:
    lake, options = Lake(tmp_path), {"path": "orders.csv", "schema": {"id": pl.Int64, "at": pl.Date}}
    one = lake.source("one", **options).declaration()
    assert one != lake.source("two", **{**options, **other}).declaration()
    assert one == lake.source("three", **{**options, "track": "stat"}).declaration()


def test_an_asset_reads_what_its_parameters_name(tmp_path: Path) -> None:
    lake = Lake(tmp_path)
    for name in ("orders", "rates"):
        lake.source(name, f"{name}.parquet")

    @lake.asset(partitions=Monthly("2018-01"))
    def each(orders: pl.LazyFrame, *, rates: pl.LazyFrame, limit: int = 3) -> None:
        """Orders, each month.

        More of them.
        """

    @lake.asset(partitions=Monthly("2018-01"))
    def alone(partition: Any, orders: pl.LazyFrame) -> None: ...

    asset = lake.graph.asset("each")
    assert (asset.reads, asset.is_per_key, asset.description) == (("orders", "rates"), False, "Orders, each month.")
    asset = lake.graph.asset("alone")
    assert (asset.reads, asset.is_per_key, asset.description) == (("orders",), True, "")
    assert each.__name__ == "each", "the function itself stays what it was, to be called in tests"


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({}, "all columns"),
        ({"sort_by": None}, None),
        ({"sort_by": "id"}, ("id",)),
        ({"sort_by": ["b", "a"]}, ("b", "a")),
    ],
)
def test_sort_by_is_all_columns_unless_it_is_said_otherwise(tmp_path: Path, given: dict[str, Any], kept: Any) -> None:
    lake = Lake(tmp_path)

    @lake.asset(partitions=Monthly("2018-01"), **given)
    def orders() -> None: ...

    assert lake.graph.asset("orders").sort_by == kept


def test_the_line_of_a_wrapped_function_is_its_own(project: Any) -> None:
    lines = refusal(
        project,
        "import functools\n"
        "def wrapped(function):\n"
        "    @functools.wraps(function)\n"
        "    def wrapper(*args, **kwargs): ...\n"
        "    return wrapper\n"
        "\n"
        "@lake.view\n"
        "@wrapped\n"
        "def clean(orders, partition): ...\n",
    )
    assert lines[0] == "view 'clean' asks for 'partition' (lakefile.py:11)"


def test_a_wrapped_function_reads_what_its_own_parameters_name(tmp_path: Path) -> None:
    lake = Lake(tmp_path)

    def wrapped(function: Any) -> Any:
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            return function(*args, **kwargs)

        return wrapper

    @lake.view
    @wrapped
    def clean(orders: pl.LazyFrame) -> None: ...

    lake.source("orders", "orders.parquet")
    assert lake.graph.reads("clean") == ("orders",)


def test_a_type_that_is_no_polars_type_is_refused_where_it_is_declared() -> None:
    lake = Lake("lake")
    with pytest.raises(DefinitionError, match="declares 'v' as 'int', which is no Polars type"):
        lake.source("raw", "raw.csv", schema={"v": "int"})  # type: ignore[dict-item]
    with pytest.raises(DefinitionError, match="declares 'v' as <class 'int'>, which is no Polars type"):
        lake.source("raw", "raw.csv", schema={"v": int})  # type: ignore[dict-item]


def test_a_coroutine_is_refused_where_it_is_declared() -> None:
    async def orders() -> None: ...

    with pytest.raises(DefinitionError, match="'orders' is async"):
        Lake("lake").view(orders)


def test_an_asset_without_partitions_is_one_file_with_or_without_parentheses(tmp_path: Path) -> None:
    lake = Lake(tmp_path)

    @lake.asset
    def totals() -> None: ...

    @lake.asset(sort_by="id")
    def sorted_totals() -> None: ...

    for name in ("totals", "sorted_totals"):
        partitions = lake.graph.asset(name).partitions
        assert (partitions.kind, partitions.columns) == ("unpartitioned", ())
    assert totals.__name__ == "totals", "the function itself stays what it was"


def test_what_is_no_function_is_no_asset() -> None:
    with pytest.raises(DefinitionError, match=r"<built-in function len> is not a function \(test_assets\.py:\d+\)"):
        Lake("lake").asset(len)
