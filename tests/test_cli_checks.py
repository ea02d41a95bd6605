"""What a person reads of checks: which rows break them, what is kept, and the next command."""

from __future__ import annotations

from typing import Any

import pytest

COUNTED = """

@lake.check("monthly_orders")
def orders_counted(frame: pl.LazyFrame) -> pl.Expr:
    return pl.col("order_num") > 0
"""
MANY = """

@lake.check("monthly_orders", severity="warn")
def more_than_one(frame: pl.LazyFrame) -> pl.Expr:
    return pl.col("order_num") > 1
"""
STATUS = """

@lake.check("raw_orders"{})
def known_status(frame: pl.LazyFrame) -> pl.Expr:
    return pl.col("status").is_in(["completed", "returned", "return_pending", "shipped"])
"""
# What is "placed" counts as no order, as a slip in the code would have it.
SLIP = ("agg(order_num=pl.len()", 'agg(order_num=(pl.col("status") != "placed").sum()')


@pytest.fixture
def lakefile(cli: Any) -> str:
    return str((cli.folder / "lakefile.py").read_text())


def test_the_failing_rows_are_shown_and_where_the_staged_file_is(cli: Any, lakefile: str) -> None:
    """Then it is a failed attempt in the status; mended, it is made by --failed, and nothing is kept any more."""
    cli("materialize", "2018-01..2018-03")
    before = cli.hive()
    cli.write(lakefile.replace(*SLIP) + COUNTED)
    failed = cli("materialize", "2018-03")
    assert (failed.code, cli.hive()) == (1, before)
    assert (cli.folder / "data/lake/.lake/blocked/monthly_orders/partition_date=2018-03/part.parquet").is_file()
    status = cli("status", "2018-01..2018-03", "--why")
    cli.write(lakefile + COUNTED)
    mended = cli("materialize", "--failed")
    assert mended.code == 0
    assert list((cli.folder / "data/lake/.lake/blocked").iterdir()) == []
    cli.golden("checks-blocked", failed, status, mended)


def test_partitions_that_the_same_check_refuses_are_one_error_and_the_others_are_made(
    cli: Any, lakefile: str
) -> None:
    few = """

@lake.check("monthly_orders")
def few(frame: pl.LazyFrame) -> pl.Expr:
    return pl.col("order_num") < 3
"""
    cli.write(lakefile + few)
    done = cli("materialize", "2018-01..2018-06", "-q")
    assert done.code == 1
    cli.golden("checks-several", done)


def test_a_warning_is_shown_and_the_partition_is_made(cli: Any, lakefile: str) -> None:
    cli.write(lakefile + MANY)
    one, several = cli("materialize", "2018-02"), cli("materialize", "2018-01..2018-06", "-f", "-q")
    assert (one.code, several.code) == (0, 0)
    fresh = cli("materialize", "2018-02", "-q")
    assert (fresh.out, fresh.err) == ("", "")
    cli.golden("checks-warn", one, several)


def test_a_check_that_raises_names_its_line(cli: Any, lakefile: str) -> None:
    raising = COUNTED.replace('pl.col("order_num") > 0', "frame.collect().height / 0")
    column = (
        '\n\n@lake.check("monthly_orders")\ndef typo(frame: pl.LazyFrame) -> pl.Expr:\n    return pl.col("num") > 0\n'
    )
    cli.write(lakefile + raising)
    raised = cli("materialize", "2018-02", "-q")
    cli.write(lakefile + column)
    unknown = cli("materialize", "2018-02", "-q")
    cli.write(lakefile + raising + column)
    both = cli("materialize", "2018-02", "-q")
    assert (raised.code, unknown.code, both.code) == (1, 1, 1)
    assert "Traceback" not in raised.err + unknown.err + both.err
    cli.golden("checks-raise", raised, unknown, both)


def test_a_source_that_fails_is_one_error_for_all_that_reads_it(cli: Any, lakefile: str) -> None:
    """Exit 5, as of any source at fault; with severity="warn" it is said, and everything is made."""
    cli.write(lakefile + STATUS.format(""))
    failed = cli("materialize", "2018-01..2018-04", "-q")
    assert (failed.code, cli.hive()) == (5, {})
    cli.write(lakefile + STATUS.format(', severity="warn"'))
    warned = cli("materialize", "2018-02", "-q")
    assert warned.code == 0
    cli.golden("checks-source", failed, warned)


def test_of_many_rows_the_first_ten_are_shown_and_what_warns_alike_is_said_once(cli: Any, lakefile: str) -> None:
    head = '\n\n@lake.check("{}", severity="warn")\ndef {}(frame: pl.LazyFrame) -> pl.Expr:\n    return {}\n'
    late = head.format("raw_orders", "late", 'pl.col("id") > 40')
    cli.write(lakefile + head.format("monthly_orders", "never", "False") + late)
    cli.golden("checks-many", cli("materialize", "2018-01..2018-05", "-q"))


def test_two_checks_that_refuse_a_partition_are_told_apart(cli: Any, lakefile: str) -> None:
    cli.write(lakefile + COUNTED.replace("> 0", "> 1") + MANY.replace(', severity="warn"', "").replace("> 1", "> 4"))
    cli.golden("checks-two", cli("materialize", "2018-02", "-q"))


def test_validate_asks_the_checks_of_what_is_published(cli: Any, lakefile: str) -> None:
    cli("materialize", "2018-01..2018-04")
    cli.write(lakefile + COUNTED.replace("> 0", "> 1") + MANY.replace("> 1", "> 4") + STATUS.format(""))
    shallow, deep = cli("validate"), cli("validate", "--deep")
    cli.write(lakefile + COUNTED.replace("> 0", "> 1"))
    published = cli("validate", "--deep", "--json")
    assert (shallow.code, deep.code, published.code) == (0, 5, 1)
    (error,) = [
        one for one in published.json["findings"] if one["severity"] == "error" and "2018-03" in one["message"]
    ]
    assert error["error"]["context"] == {"of": "monthly_orders", "key": "2018-03", "check": "orders_counted"}
    cli.golden("checks-validate", deep)


def test_a_value_is_cut_and_cannot_steer_the_terminal(cli: Any, lakefile: str) -> None:
    names = ["x" * 60, "\\x1b[31mred\\x1b[0m", "tab\\there"]
    named = f"pl.lit(pl.Series({names!r}))".replace("\\\\", "\\")
    cli.write(
        lakefile.replace(
            "return stg_orders.group_by", f"return pl.LazyFrame({{'name': {named}}}).join(stg_orders.group_by", 1
        )
        .replace("cast(pl.Int64))", "cast(pl.Int64)), how='cross')", 1)
        .replace("pl.lit(pl.Series", "(pl.Series")
        + COUNTED.replace('pl.col("order_num") > 0', "pl.col('name').str.len_chars() < 4")
    )
    done = cli("materialize", "2018-02", "-q")
    assert done.code == 1
    assert "\x1b" not in done.err
    assert f"{'x' * 39}…" in done.err
    assert "x" * 40 not in done.err


def test_machines_read_every_check_with_its_rows(cli: Any, lakefile: str) -> None:
    cli.write(lakefile.replace(*SLIP) + COUNTED + MANY + STATUS.format(', severity="warn"'))
    done = cli("materialize", "2018-03", "--json")
    assert done.code == 1
    (result,) = done.json["results"]
    assert result["result"] == "blocked"
    assert [(check["name"], check["passed"], check["severity"]) for check in result["checks"]] == [
        ("known_status", False, "warn"),
        ("orders_counted", False, "error"),
        ("more_than_one", False, "warn"),
    ]
    assert result["checks"][1]["metadata"] == {
        "failing": 1,
        "of": 3,
        "rows": [{"order_num": 0, "status": "placed"}],
    }
    assert result["error"]["context"]["staged"] == ".lake/blocked/monthly_orders/partition_date=2018-03/part.parquet"
    (source,) = done.json["source_checks"]
    assert (source["source"], source["metadata"]["failing"], source["metadata"]["of"]) == ("raw_orders", 6, 45)
    assert [row["status"] for row in source["metadata"]["rows"]] == ["placed"] * 6
