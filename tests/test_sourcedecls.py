"""What a declaration of a source says, and what is refused of one, with its line and the cure."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from lakehouse.errors import DefinitionError
from lakehouse.partitions import Categories, Daily, Dynamic, Unpartitioned
from lakehouse.sources.declared import Source, declare_function_source, declare_source

DAYS = Daily("2018-01-01", column="day")


IDS = {"id": pl.Int64}


def declare(path: str = "data/events", **changed: Any) -> Source:
    """A declaration of files."""
    facts: dict[str, Any] = {"schema": None, "time": None, "nullable": (), "track": "content"}
    return declare_source("events", path, **{**facts, **changed})


def declare_function(function: Callable[..., Any], **changed: Any) -> Source:
    """A declaration of a function."""
    facts: dict[str, Any] = {"time": None, "version": "1", "schema": None, "nullable": ()}
    return declare_function_source(function, **{**facts, **changed})


def refusal(make: Callable[[], Source]) -> list[str]:
    """The lines of the error, each place without its number."""
    with pytest.raises(DefinitionError) as caught:
        make()
    message, *others = caught.value.lines()
    assert message.rpartition(" (test_sourcedecls.py:")[2].rstrip(")").isdecimal()
    return [message.rpartition(" (")[0], *others]


def rates() -> pl.DataFrame:
    return pl.DataFrame({"day": ["2018-01-01"], "rate": [2]})


# Files.


@pytest.mark.parametrize(
    ("path", "format_"),
    [
        ("a.csv", "csv"),
        ("a.PARQUET", "parquet"),
        ("a/*.pq", "parquet"),
        ("a.jsonl", "ndjson"),
        ("a.ndjson", "ndjson"),
        ("a.arrow", "ipc"),
        ("a.feather", "ipc"),
        ("a.ipc", "ipc"),
    ],
)
def test_the_suffix_tells_the_format(path: str, format_: str) -> None:
    assert declare(path, schema={"id": pl.Int64}).format == format_


def test_a_format_that_is_said_needs_no_suffix() -> None:
    assert declare("orders", format="csv", schema={"id": pl.Int64}).format == "csv"
    assert refusal(lambda: declare("orders", format="xlsx")) == [
        "source 'events' has format='xlsx'",
        "  help: the formats are csv, parquet, ndjson, ipc",
    ]
    assert refusal(lambda: declare("orders", format="function"))[0] == "source 'events' has format='function'"


@pytest.mark.parametrize("track", ["content", "stat", "rows"])
def test_a_change_is_noticed_in_one_of_three_ways(track: str) -> None:
    assert declare("a.parquet", track=track).track == track


def test_only_a_pattern_is_a_glob() -> None:
    assert declare("a/*.parquet").is_glob
    assert not declare("a/b.parquet").is_glob
    assert not declare("a/[b]", partitions=DAYS).is_glob


# Hive folders.


def test_a_folder_is_of_parquet_unless_said_otherwise() -> None:
    found = declare(partitions=DAYS)
    assert (found.format, found.partitions, found.path) == ("parquet", DAYS, "data/events")
    assert declare(partitions=DAYS, format="ndjson", schema={"id": pl.Int64}).format == "ndjson"
    assert (
        refusal(lambda: declare(partitions=DAYS, format="csv"))[0] == "source 'events' is CSV and declares no schema"
    )


def test_the_keys_of_a_folder_may_be_any_that_folders_can_tell() -> None:
    regions = Dynamic("region", discover=True)
    for partitions in (DAYS, regions, Categories("region", ["eu"]) * DAYS, regions * DAYS):
        assert declare(partitions=partitions).partitions is partitions


@pytest.mark.parametrize(
    ("changed", "lines"),
    [
        (
            {"partitions": "day"},
            [
                "source 'events' has no partitions: 'day'",
                '  help: say which folders it has: Daily("2018-01-01", column="day")',
            ],
        ),
        (
            {"partitions": DAYS * Dynamic("region")},
            [
                "source 'events' keeps no keys of its own for 'region'",
                "  help: its folders tell its keys: Dynamic('region', discover=True)",
            ],
        ),
        (
            {"partitions": DAYS, "schema": {"id": pl.Int64, "day": pl.Date}},
            [
                "source 'events' declares day in its schema, which is a partition column",
                "  help: its value is the folder's name, as text: leave it out",
            ],
        ),
        (
            {"partitions": DAYS, "schema": {"id": pl.Int64}, "time": "at"},
            ["source 'events' declares no column 'at'", "  help: its schema has id"],
        ),
    ],
)
def test_a_folder_that_is_not_well_formed_is_refused(changed: dict[str, Any], lines: list[str]) -> None:
    assert refusal(lambda: declare(**changed)) == lines


def test_a_source_without_columns_to_part_it_has_no_partitions() -> None:
    assert refusal(lambda: declare(partitions=Unpartitioned()))[0].startswith("source 'events' has no partitions: ")


def test_a_declaration_holds_what_keys_mean_and_not_their_extent() -> None:
    plain, parted = declare("a.parquet").declaration(), declare(partitions=DAYS).declaration()
    assert {*plain} == {"path", "schema", "time", "nullable"}
    assert {*parted} == {*plain, "format", "partitions"}
    assert declare(partitions=Daily("2019-01-01", column="day")).declaration() == parted
    assert declare(partitions=Daily("2018-01-01", column="date")).declaration() != parted
    assert declare(partitions=DAYS, format="ipc").declaration() != parted


# Functions.


def test_a_function_is_a_source_of_its_own_name() -> None:
    found = declare_function(rates, time="day", schema={"day": pl.String, "rate": pl.Int64}, nullable="rate")
    assert (found.name, found.path, found.format, found.track) == ("rates", "rates()", "function", "content")
    assert (found.function, found.version, found.time, found.nullable) == (rates, "1", "day", ("rate",))
    assert str(found.where).startswith("test_sourcedecls.py:")
    assert not found.is_glob


def test_a_functions_declaration_is_without_its_version() -> None:
    """The version is that of the rows, which are no code."""
    assert declare_function(rates, version="2").declaration() == declare_function(rates).declaration()
    assert declare_function(rates, time="day").declaration() != declare_function(rates).declaration()


def with_default(limit: int = 3) -> pl.DataFrame:
    return rates().head(limit)


@pytest.mark.parametrize("version", [None, "", "2", lambda: "3", dict])
def test_a_version_is_a_text_or_what_tells_it(version: Any) -> None:
    assert declare_function(with_default, version=version).version is version


@pytest.mark.parametrize(
    ("function", "changed", "lines"),
    [
        (
            lambda orders, *, customers: (orders, customers),
            {},
            [
                "source '<lambda>' asks for orders, customers",
                "  help: a source reads nothing of the lake; a view does: @lake.view",
            ],
        ),
        (
            lambda *orders: orders,
            {},
            [
                "source '<lambda>' asks for *orders",
                "  help: a source reads nothing of the lake; a view does: @lake.view",
            ],
        ),
        (
            rates,
            {"version": 2},
            [
                "source 'rates' has version=2",
                '  help: a version is a text, or a function that tells it: "2"',
            ],
        ),
        (
            rates,
            {"version": lambda key: key},
            ["source 'rates' has a version that cannot be called without arguments", "  help: version=lambda: …"],
        ),
        (
            rates,
            {"schema": {"rate": int}},
            ["source 'rates' declares 'rate' as <class 'int'>, which is no Polars type"],
        ),
        (rates, {"schema": {"rate": pl.Int64}, "time": "day"}, ["source 'rates' declares no column 'day'"]),
    ],
)
def test_a_function_that_cannot_be_a_source_is_refused(
    function: Callable[..., Any], changed: dict[str, Any], lines: list[str]
) -> None:
    assert refusal(lambda: declare_function(function, **changed))[: len(lines)] == lines


def test_what_is_no_function_or_is_async_is_refused() -> None:
    async def later() -> None:
        """Never called."""

    for function in (later, "rates"):
        with pytest.raises(DefinitionError):
            declare_function(function)  # type: ignore[arg-type]
    assert refusal(lambda: declare_function(rates, version=later))[0].endswith("without arguments")


def test_a_format_other_than_the_suffix_says_is_part_of_what_a_declaration_says() -> None:
    """The same bytes are then other rows."""
    usual, other = declare("a.csv", schema=IDS), declare("a.csv", schema=IDS, format="ndjson")
    assert usual.declaration() == declare("a.csv", schema=IDS, format="csv").declaration()
    assert usual.declaration() != other.declaration()
