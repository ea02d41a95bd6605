"""Laws of checks: what each rule lets through, and what it says of the rows that break it.

What becomes of partitions that break one is in `test_blocked.py`.
"""

from __future__ import annotations

import errno
import math
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse import CheckResult, accepted_values, between, matches, not_null, row_count, unique
from lakehouse.callsite import CallSite
from lakehouse.checks.declared import Check, declare_check
from lakehouse.checks.judging import Rows, Verdict, judge, refusal
from lakehouse.errors import DefinitionError, SourceError, StorageError

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = CallSite("lakefile.py", 7)


def written(function: Callable[..., Any], **options: Any) -> Check:
    return declare_check(function, **{"severity": "error", "name": None, "where": HERE, **options})


def verdict(check: Check, columns: dict[str, Any] | pl.DataFrame) -> Verdict:
    (found,) = judge([check], Rows(frame=pl.DataFrame(columns).lazy()))
    return found


def said(check: Check, columns: dict[str, Any] | pl.DataFrame) -> str:
    """What is said of rows that break a rule; empty where they pass."""
    found = verdict(check, columns)
    assert found.passed == (not found.message)
    return found.message


FLOATS = {"x": [0.0, math.nan, None, 100.0, 100.5]}
DAYS = {"day": [date(2018, 1, 31), date(2018, 2, 1), date(2018, 2, 28)]}
MONEY = pl.DataFrame({"x": ["1.00", "2.50"]}).select(pl.col("x").cast(pl.Decimal(10, 2)))
ENUM = pl.DataFrame({"x": ["a", "b"]}, schema={"x": pl.Enum(["a", "b", "c"])})


@pytest.mark.parametrize(
    ("check", "columns", "expected"),
    [
        (not_null("a"), {"a": [1, 2]}, ""),
        (not_null("a"), {"a": [1.0, math.nan]}, ""),  # NaN is a value
        (
            not_null("a", "b"),
            {"a": [1, None], "b": [None, None], "c": [1, 1]},
            "a is null in 1 of 2 rows; b is null in 2 of 2 rows",
        ),
        (not_null("a", "b"), {"a": [None], "b": ["x"]}, "a is null in 1 of 1 row"),
        (unique("a"), {"a": [1, 2, None, None]}, ""),
        (unique("a"), {"a": [3, 1, 3, 2, 3]}, "a repeats in 3 of 5 rows"),
        (unique("a", "b"), {"a": [1, 1, 1], "b": ["x", "y", None]}, ""),
        (unique("a", "b"), {"a": [1, 1, 2], "b": ["x", "x", "x"]}, "(a, b) repeats in 2 of 3 rows"),
        (accepted_values("s", ["p", "q"]), {"s": ["p", None, "q"]}, ""),
        (accepted_values("s", ["p", None]), {"s": ["p", "x", "y", "x"]}, "s is 'x' or 'y' in 3 of 4 rows"),
        (accepted_values("s", ["p"]), {"s": list("abcd")}, "s is 'a', 'b', 'c', … in 4 of 4 rows"),
        (accepted_values("x", [0, 100]), FLOATS, "x is nan or 100.5 in 2 of 5 rows"),
        (accepted_values("x", [1, 2]), MONEY, "x is 2.50 in 1 of 2 rows"),
        (accepted_values("x", ["a", "z"]), ENUM, "x is 'b' in 1 of 2 rows"),
        (accepted_values("b", [True]), {"b": [True, False]}, "b is false in 1 of 2 rows"),
        (between("x", 0, 100), FLOATS, "x is nan or 100.5 in 2 of 5 rows"),
        (between("x", low=0), FLOATS, "x is nan in 1 of 5 rows"),
        (between("x", high=100), FLOATS, "x is nan or 100.5 in 2 of 5 rows"),
        (between("x", 1, Decimal("2.50")), MONEY, ""),
        (between("x", 1, 2), MONEY, "x is 2.50 in 1 of 2 rows"),
        (between("day", date(2018, 2, 1), date(2018, 2, 28)), DAYS, "day is 2018-01-31 in 1 of 3 rows"),
        (between("day", high=datetime(2018, 2, 27)), DAYS, "day is 2018-02-28 in 1 of 3 rows"),  # noqa: DTZ001
        (between("s", "b", "d"), {"s": ["a", "b", "d", "da"]}, "s is 'a' or 'da' in 2 of 4 rows"),
        (row_count(min=1), {"a": []}, "0 rows, and not at least 1"),
        (row_count(min=1), {"a": [1]}, ""),
        (row_count(max=1), {"a": [1, 2]}, "2 rows, and not at most 1"),
        (row_count(2, 2), {"a": [1, 2]}, ""),
        # Without rows nothing breaks a rule about rows.
        (not_null("a"), {"a": []}, ""),
        (unique("a"), {"a": []}, ""),
        (between("a", 0, 1), {"a": pl.Series([], dtype=pl.Int64)}, ""),
        (accepted_values("a", [1]), {"a": pl.Series([], dtype=pl.Int64)}, ""),
    ],
)
def test_a_ready_made_rule_counts_the_rows_that_break_it(check: Check, columns: Any, expected: str) -> None:
    assert said(check, columns) == expected


@pytest.mark.parametrize(
    ("expression", "columns", "expected"),
    [
        (pl.col("n") > 0, {"n": [1, None, 2]}, ""),  # null passes, as in an SQL CHECK
        (pl.col("n") > 0, {"n": [1, 0, None, 0]}, "n is 0 in 2 of 4 rows"),
        (pl.col("n") > 0, {"n": []}, ""),
        (pl.col("n") <= pl.col("of"), {"n": [1, 3], "of": [2, 2]}, "it does not hold in 1 of 2 rows"),
        (pl.all() >= 0, {"a": [1, 2], "b": [0, -1]}, "it does not hold in 1 of 2 rows"),
        (pl.len().over("k") < 2, {"k": ["x", "y", "x"]}, "k is 'x' in 2 of 3 rows"),
        (pl.len() > 0, {"a": [1]}, ""),
        (pl.len() > 0, {"a": []}, "it does not hold of the 0 rows"),
        (pl.col("a").sum() > 10, {"a": [4, 5]}, "it does not hold of the 2 rows"),
        (pl.lit(None), {"a": [4, 5]}, ""),
        (pl.col("l").list.len() > 0, {"l": [[1], []]}, "it does not hold in 1 of 2 rows"),
    ],
)
def test_an_expression_has_to_be_true_of_each_row_and_null_passes(
    expression: pl.Expr, columns: Any, expected: str
) -> None:
    assert said(written(lambda _: expression, name="x"), columns) == expected


NUMBERS = st.lists(st.none() | st.integers(-3, 3), max_size=12)


@given(NUMBERS, st.integers(-3, 0), st.integers(0, 3))
def test_a_rule_finds_the_rows_that_an_sql_check_finds(numbers: list[int | None], low: int, high: int) -> None:
    """DuckDB counts the rows of which BETWEEN and IN are false, and those of which a value is there twice."""
    frame = pl.DataFrame({"x": numbers}, schema={"x": pl.Int64})
    (counts,) = duckdb.sql(
        f"""
        select count(*) filter (not (x between {low} and {high})), count(*) filter (not (x in ({low}, {high}))),
               count(*) filter (x in (select x from frame group by x having count(*) > 1 and x is not null)),
               count(*) filter (x is null)
        from frame
        """  # noqa: S608
    ).fetchall()
    checks = [between("x", low, high), accepted_values("x", [low, high]), unique("x"), not_null("x")]
    found = judge(checks, Rows(frame=frame.lazy()))
    assert tuple(one.metadata.get("failing", 0) for one in found) == counts
    assert [one.passed for one in found] == [count == 0 for count in counts]


def test_the_first_ten_rows_that_fail_are_kept_those_columns_first_that_it_is_about() -> None:
    frame = pl.DataFrame({"a": range(30), "n": [1, 0] * 15, "day": ["2018-02"] * 30}).lazy()
    (found,) = judge([written(lambda _: pl.col("n") > 0, name="x")], Rows(frame=frame, constant=("day",)))
    rows = [{"n": 0, "a": number} for number in range(1, 21, 2)]
    assert found.metadata == {"failing": 15, "of": 30, "rows": rows}
    assert [list(row) for row in found.metadata["rows"]] == [["n", "a"]] * 10


def test_rows_that_repeat_stand_together() -> None:
    found = verdict(unique("k"), {"k": ["b", "a", "b", "a", "c"], "i": [1, 2, 3, 4, 5]})
    assert [tuple(row.values()) for row in found.metadata["rows"]] == [("a", 2), ("a", 4), ("b", 1), ("b", 3)]


def test_a_value_is_kept_to_its_fortieth_character_and_is_one_that_json_has() -> None:
    values = {
        "n": [None],
        "text": ["x" * 41],
        "whole": ["y" * 40],
        "nan": [math.nan],
        "day": [date(2018, 2, 1)],
        "money": [Decimal("1.50")],
        "bytes": [b"\x00\xff" * 40],
        "list": [list(range(1000))],
        "struct": [{"a": "z" * 60}],
    }
    (row,) = verdict(not_null("n"), values).metadata["rows"]
    assert row["text"] == "x" * 39 + "…"
    assert row["whole"] == "y" * 40
    assert (row["n"], row["nan"], row["day"], row["money"]) == (None, "nan", "2018-02-01", "1.50")
    assert row["bytes"] == ("00ff" * 10)[:39] + "…"
    assert row["list"] == str(list(range(50)))[:39] + "…"
    assert row["struct"].startswith("{'a': 'zzz")
    assert len(row["struct"]) == 40


def test_what_is_said_cannot_steer_a_terminal() -> None:
    found = verdict(accepted_values("s", ["a"]), {"s": ["\x1b[31mred\n"]})
    assert found.message == r"s is '\x1b[31mred\n' in 1 of 1 row"
    told = verdict(written(lambda _: CheckResult(False, "bad\x1b[2J\nrows"), name="x"), {"a": [1]})  # noqa: FBT003
    assert told.message == "bad[2Jrows"


def test_of_wide_rows_the_first_columns_are_kept() -> None:
    found = verdict(not_null("c29"), {f"c{number}": [None] for number in range(30)})
    assert list(found.metadata["rows"][0]) == ["c29", *(f"c{number}" for number in range(19))]
    assert found.metadata["columns_left_out"] == 10


# Functions


def test_a_function_may_return_a_bool_or_a_result_with_its_own_words() -> None:
    rows = {"a": [1, 2]}
    assert verdict(written(lambda frame: frame.collect().height == 2, name="x"), rows).passed
    assert said(written(lambda frame: frame.collect().height == 3, name="x"), rows) == "it returned False"
    facts = {"day": date(2018, 2, 1), "nan": math.nan, "n": (1,), "bytes": b"\x01", "long": "x" * 60}
    result = CheckResult(passed=False, message="two", metadata=facts)
    found = verdict(written(lambda _: result, name="x"), rows)
    assert (found.passed, found.message) == (False, "two")
    assert found.metadata == {"day": "2018-02-01", "nan": "nan", "n": [1], "bytes": "01", "long": "x" * 60}
    noted = verdict(written(lambda _: CheckResult(passed=True, message="fine"), name="x"), rows)
    assert (noted.passed, noted.message) == (True, "fine")


def broken(frame: pl.LazyFrame) -> bool:
    return bool(frame.collect().height / 0)


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (broken, "raised ZeroDivisionError: division by zero"),
        (lambda _: None, "returned None, not a bool, an expression or a CheckResult"),
        (lambda _: 1, "returned int, not a bool, an expression or a CheckResult"),
        (
            lambda _: CheckResult("yes"),
            "returned CheckResult(passed='yes'), not a bool, an expression or a CheckResult",
        ),
        (lambda _: pl.col("a"), "returned an expression of Int64, not of Boolean"),
        (
            lambda _: pl.col("a").filter(pl.col("a") > 1) > 0,
            "returned an expression of 2 values for 3 rows: it takes one for each, or one",
        ),
        (lambda _: pl.col("zz") > 0, 'raised ColumnNotFoundError: unable to find column "zz"; valid columns: ["a"]'),
        (
            lambda _: pl.col("a").cast(pl.String).str.to_date().is_not_null(),
            "raised ComputeError: could not",
        ),
    ],
)
def test_a_check_that_is_at_fault_itself_has_not_passed_and_the_others_are_asked(
    answer: Callable[[pl.LazyFrame], Any], message: str
) -> None:
    frame = pl.LazyFrame({"a": [1, 2, 3]})
    first, fault, last = judge([not_null("a"), written(answer, name="x"), between("a", 0, 2)], Rows(frame=frame))
    assert first.passed
    assert (fault.passed, fault.is_fault, fault.is_blocking) == (False, True, True)
    assert fault.message.startswith(message)
    assert "\n" not in fault.message
    assert last.message == "a is 3 in 1 of 3 rows"


def test_the_line_of_the_user_s_code_that_raised_is_named() -> None:
    found = verdict(written(broken, where=CallSite(__file__, 1)), {"a": [1]})
    assert found.check.name == "broken"
    assert [line.rpartition(":  ")[2] for line in found.details] == ["return bool(frame.collect().height / 0)"]
    elsewhere = verdict(written(lambda _: pl.col("zz") > 0, name="x"), {"a": [1]})
    assert elsewhere.details == ("declared at lakefile.py:7",)


@pytest.mark.parametrize(
    ("check", "message"),
    [
        (not_null("zz"), "names 'zz', which is no column"),
        (unique("a", "zz"), "names 'zz', which is no column"),
        (between("zz", 0), "names 'zz', which is no column"),
        (accepted_values("zz", [1]), "names 'zz', which is no column"),
        (accepted_values("a", ["x"]), "raised TypeError: unexpected value while building Series of type Int64"),
        (between("a", "x"), "raised ComputeError: cannot compare string with numeric type (i64)"),
    ],
)
def test_a_rule_that_does_not_fit_the_column_says_so(check: Check, message: str) -> None:
    found = verdict(check, {"a": [1]})
    assert found.is_fault
    assert found.message.startswith(message), found.message


def test_data_that_cannot_be_read_are_no_fault_of_the_checks(tmp_path: Any) -> None:
    (tmp_path / "rows.csv").write_text("a\n1\nx\n")
    frame = pl.scan_csv(tmp_path / "rows.csv", schema={"a": pl.Int64})
    fault = SourceError("rows.csv: 1 bad value")
    with pytest.raises(SourceError, match="1 bad value"):
        judge([not_null("a"), row_count(min=1)], Rows(frame=frame, fault=lambda _: fault))


def test_a_full_disk_is_no_fault_of_a_check() -> None:
    def filling(_: pl.LazyFrame) -> bool:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StorageError):
        judge([not_null("a"), written(filling)], Rows(frame=pl.LazyFrame({"a": [1]})))


def test_all_rules_are_asked_in_one_query_where_nothing_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    collect = pl.LazyFrame.collect

    def counted(frame: pl.LazyFrame, **options: Any) -> Any:
        asked.append(frame.explain())
        return collect(frame, **options)

    monkeypatch.setattr(pl.LazyFrame, "collect", counted)
    checks = [not_null("a", "b"), unique("a"), between("a", 0, 9), row_count(min=1), accepted_values("b", ["x"])]
    checks += [written(lambda _: pl.col("a") >= 0, name="x")]
    found = judge(checks, Rows(frame=pl.LazyFrame({"a": [1, 2], "b": ["x", "x"]})))
    assert [one.passed for one in found] == [True] * 6
    assert len(asked) == 1


# What is refused


@pytest.mark.parametrize(
    ("severities", "message", "code"),
    [
        (["warn"], None, None),
        (["error"], "x: check `a` failed; nothing published", "audit-blocked"),
        (["error", "warn", "error"], "x: checks `a`, `c` failed; nothing published", "audit-blocked"),
    ],
)
def test_what_blocks_is_what_failed_and_is_no_warning(severities: list[Any], message: Any, code: Any) -> None:
    checks = [written(lambda _: False, name=name, severity=s) for name, s in zip("abc", severities, strict=False)]
    found = refusal("x", judge(checks, Rows(frame=pl.LazyFrame({"a": [1]}))))
    assert (found and found.message, found and found.code) == (message, code)


def test_a_check_that_raised_is_told_from_one_that_failed() -> None:
    checks = [written(broken), written(lambda _: False, name="no")]
    rows = Rows(frame=pl.LazyFrame({"a": [1]}))
    alone, both = refusal("x", judge(checks[:1], rows)), refusal("x", judge(checks, rows))
    assert alone is not None
    assert both is not None
    assert alone.code == "check-raised"
    assert alone.message == "x: check `broken` raised ZeroDivisionError: division by zero; nothing published"
    assert (both.code, both.exit_code) == ("audit-blocked", 1)
    assert both.message.startswith("x: check `no` failed and check `broken` raised ZeroDivisionError")
    assert both.details[-1] == "`no`: it returned False"


# Declarations


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (not_null, "not_null() names no column"),
        (unique, "unique() names no column"),
        (lambda: not_null(["a", "b"]), "not_null(['a', 'b']) names no column"),  # type: ignore[arg-type]
        (lambda: accepted_values("s", []), "accepted_values('s') has no list of values: []"),
        (lambda: accepted_values("s", "abc"), "accepted_values('s') has no list of values: 'abc'"),
        (lambda: between("x"), "between('x') has no bound"),
        (lambda: between("x", 2, 1), "nothing lies between 2 and 1: between('x')"),
        (lambda: between("x", 2, "b"), "between('x') compares 2 with 'b'"),
        (row_count, "row_count() has no bound"),
        (lambda: row_count(2, 1), "nothing lies between 2 and 1: row_count()"),
        (lambda: not_null("a", severity="warning"), "check 'not_null(a)' has severity='warning'"),  # type: ignore[arg-type]
        (lambda: not_null("a", name=""), "'' cannot be the name of a check"),
        (lambda: not_null("a", name="a\nb"), "'ab' cannot be the name of a check"),
        (lambda: matches("orders", "order_num"), "matches('orders') compares 'order_num', which is no expression"),  # type: ignore[arg-type]
        (lambda: written(lambda: True, name="x"), "check 'x' takes nothing"),
        (lambda: written(lambda a, b: True, name="x"), "check 'x' takes a, b"),  # noqa: ARG005
        (lambda: written(lambda partition: True, name="x"), "check 'x' takes partition"),  # noqa: ARG005
        (lambda: written(lambda *a: True, name="x"), "check 'x' takes *a"),  # noqa: ARG005
    ],
)
def test_what_cannot_be_a_check_is_refused_where_it_stands(make: Callable[[], Check], message: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        make()
    assert caught.value.message.startswith(f"{message} (")
    assert caught.value.help


@pytest.mark.parametrize(
    ("check", "name"),
    [
        (not_null("a", "b"), "not_null(a, b)"),
        (unique("a", name="key"), "key"),
        (accepted_values("s", ["p"]), "accepted_values(s)"),
        (between("x", 0, 100), "between(x, 0, 100)"),
        (between("x", high=1), "between(x, , 1)"),
        (row_count(min=1), "row_count(min=1)"),
        (row_count(1, 2), "row_count(min=1, max=2)"),
        (matches("orders"), "matches(orders)"),
        (matches("orders", on=["id", "day"]), "matches(orders, id, day)"),
    ],
)
def test_a_ready_made_check_is_called_as_it_is_written(check: Check, name: str) -> None:
    assert check.name == name


ASSET = '@lake.asset(partitions=Monthly("2018-01"))\ndef monthly(orders):\n    return orders\n'
ORDERS = 'lake.source("orders", "o.csv", schema={"id": pl.Int64, "day": pl.Date}, time="day")\n'
CHECK = '@lake.check("{}")\ndef good(frame):\n    return True\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (CHECK.format("monthly"), "check 'good' is of 'monthly', which is not declared (lakefile.py:5)"),
        (
            "@lake.view\ndef v(orders):\n    return orders\n" + ORDERS + CHECK.format("v"),
            "check 'good' is of 'v', which is a view, which is not stored (lakefile.py:9)",
        ),
        (
            CHECK.format("orders") + ORDERS + CHECK.format("orders"),
            "'orders' has two checks 'good' (lakefile.py:5 and lakefile.py:9)",
        ),
        (
            ORDERS.replace("time=", 'checks=[lh.not_null("zz")], time='),
            "check 'not_null(zz)' names 'zz', which 'orders' does not have (lakefile.py:5)",
        ),
        (
            ORDERS.replace("time=", 'checks=[lh.matches("orders")], time='),
            "check 'matches(orders)' is of the source 'orders', which is made of nothing (lakefile.py:5)",
        ),
        (
            ORDERS + CHECK.format("orders").replace("(frame)", "(frame, partition)"),
            "check 'good' of the source 'orders' asks for 'partition' (lakefile.py:6)",
        ),
        (
            ORDERS + ASSET.replace('"2018-01")', '"2018-01"), checks=[lh.matches("other")]'),
            "check 'matches(other)' names 'other', which 'monthly' does not read (lakefile.py:6)",
        ),
        (
            ORDERS + ASSET.replace('"2018-01")', '"2018-01"), checks=[len]'),
            "asset 'monthly' has checks=[<built-in function len>], which is no check (lakefile.py:6)",
        ),
        (
            ORDERS + ASSET.replace('"2018-01")', '"2018-01"), schema={"id": pl.Int64}, checks=[lh.unique("zz")]'),
            "check 'unique(zz)' names 'zz', which 'monthly' does not have (lakefile.py:6)",
        ),
        (
            ORDERS + '@lake.check("orders")\nasync def good(frame):\n    return True\n',
            "'good' is async (lakefile.py:6)",
        ),
    ],
)
def test_a_check_that_fits_nothing_is_refused_with_file_and_line(project: Any, text: str, message: str) -> None:
    head = project.head.replace("import polars as pl\n", "import polars as pl; import lakehouse as lh\n")
    with pytest.raises(DefinitionError) as caught:
        _ = project.load(text, head=head).graph
    assert caught.value.message == message


def test_a_check_may_stand_before_what_it_is_of(project: Any) -> None:
    lake = project.load(CHECK.format("monthly") + ORDERS + ASSET)
    assert [check.name for check in lake.graph.asset("monthly").checks] == ["good"]


def test_a_decorated_function_stays_a_function(project: Any) -> None:
    lake = project.load(ORDERS + ASSET + CHECK.format("monthly") + "assert good(None) is True\n")
    assert len(lake.graph.asset("monthly").checks) == 1
