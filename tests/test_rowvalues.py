"""Times that Python has no value for: shown as text, wherever rows are shown."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from lakehouse.rowvalues import rows_of

DAY, FAR = 17_563, 8_000_000  # days since 1970: 2018-02-01, and one in the year 23873


def test_rows_that_python_has_values_for_are_those_values() -> None:
    frame = pl.DataFrame({"day": [DAY, None], "n": [1, 2]}, schema={"day": pl.Int32, "n": pl.Int64}).cast(
        {"day": pl.Date}
    )
    assert rows_of(frame) == frame.rows()


def test_a_time_beyond_the_year_9999_is_text_also_within_lists_and_structs() -> None:
    schema = {"at": pl.List(pl.Int32), "of": pl.Struct({"day": pl.Int32, "n": pl.Int64}), "day": pl.Int32}
    frame = pl.DataFrame({"at": [[FAR, None]], "of": [{"day": DAY, "n": 1}], "day": [None]}, schema=schema)
    dated = frame.cast({"at": pl.List(pl.Date), "of": pl.Struct({"day": pl.Date, "n": pl.Int64}), "day": pl.Date})
    assert rows_of(dated) == [(["+23873-04-04", None], {"day": "2018-02-01", "n": 1}, None)]


def test_one_that_polars_cannot_spell_is_its_number() -> None:
    frame = pl.DataFrame({"at": [9 * 10**18]}).cast(pl.Datetime("us"))
    assert rows_of(frame) == [(9 * 10**18,)]


FAR_DAYS = """
import polars as pl
from lakehouse import Categories, Lake, Monthly, row_count

lake = Lake("data/lake")
lake.source("days", "days.parquet", time="day", track="rows")


@lake.asset(partitions=Categories("kind", ["a"]), checks=[row_count(min=1)])
def copies(days: pl.LazyFrame) -> pl.LazyFrame:
    return days


@lake.asset(partitions=Monthly("2018-01", end="2018-03"))
def months(days: pl.LazyFrame) -> pl.LazyFrame:
    return days.select("partition_date", "n")
"""


@pytest.mark.parametrize(
    ("args", "shown"),
    [
        (["materialize", "all", "-f"], "+23873-04-04"),
        (["show", "copies", "a"], "+23873-04-04"),
        (["query", "SELECT day FROM copies"], "23873-04-04"),
        (["query", "SELECT day FROM copies", "--json"], "23873-04-04"),
        (["query", "SELECT 'infinity'::date AS day", "--format", "csv"], "day"),
        (["validate", "--deep"], ""),
        (["diff", "copies", "a"], "+23873-04-04"),
        (["status"], ""),
    ],
)
def test_such_a_day_in_the_data_is_no_bug(cli: Any, args: list[str], shown: str) -> None:
    cli.write(FAR_DAYS)
    days = pl.DataFrame({"kind": ["a", "a"], "day": [FAR, DAY], "n": [1, 2]}, schema_overrides={"day": pl.Int32})
    days.cast({"day": pl.Date}).write_parquet(cli.folder / "days.parquet")
    assert cli("materialize", "all", "--preview", "0", "-q").code == 0
    days.with_columns(n=pl.col("n") + 5).cast({"day": pl.Date}).write_parquet(cli.folder / "days.parquet")
    assert cli("materialize", "all", "--preview", "0", "-q").code == 0
    done = cli(*args)
    assert (done.code, shown in done.out) == (0, True), done


def test_a_row_with_such_a_day_that_fails_a_check_is_shown(cli: Any) -> None:
    cli.write(FAR_DAYS.replace("row_count(min=1)", 'between("n", high=1)').replace("row_count", "between"))
    days = pl.DataFrame({"kind": ["a"], "day": [FAR], "n": [2]}, schema_overrides={"day": pl.Int32})
    days.cast({"day": pl.Date}).write_parquet(cli.folder / "days.parquet")
    done = cli("materialize", "a")
    assert (done.code, "+23873-04-04" in done.err) == (1, True), done
