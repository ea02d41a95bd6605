"""The sample sources: reproducible, consistent, and uneven enough to be worth looking at."""

from __future__ import annotations

import csv
import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

ROOT = Path(__file__).resolve().parents[1]
DATA = ROOT / "data"
NAMES = ["raw_customers.csv", "raw_orders.csv", "raw_payments.csv"]


def ask(sql: str) -> list[tuple[Any, ...]]:
    """Rows of a query, with the three files as tables."""
    with duckdb.connect() as con:
        for name in NAMES:
            con.execute(f"CREATE VIEW {name.removesuffix('.csv')} AS FROM read_csv('{DATA / name}')")
        return con.execute(sql).fetchall()


def test_the_generator_writes_the_committed_bytes(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "lakehouse.examples.generate", "out"],
        cwd=tmp_path,
        check=True,
        env={"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7"},
    )
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == NAMES
    for name in NAMES:
        assert (tmp_path / "out" / name).read_bytes() == (DATA / name).read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_lines_end_as_unix_ends_them(name: str) -> None:
    content = (DATA / name).read_bytes()
    assert b"\r" not in content
    assert content.endswith(b"\n")
    assert not content.startswith(b"\xef\xbb\xbf")


def test_the_columns_are_those_that_the_example_declares() -> None:
    assert ask("SELECT column_name, column_type FROM (DESCRIBE raw_orders)") == [
        ("id", "BIGINT"),
        ("user_id", "BIGINT"),
        ("order_date", "DATE"),
        ("status", "VARCHAR"),
    ]
    assert ask("SELECT column_name, column_type FROM (DESCRIBE raw_customers)") == [
        ("id", "BIGINT"),
        ("first_name", "VARCHAR"),
        ("last_name", "VARCHAR"),
        ("region", "VARCHAR"),
    ]
    assert ask("SELECT column_name, column_type FROM (DESCRIBE raw_payments)") == [
        ("id", "BIGINT"),
        ("order_id", "BIGINT"),
        ("payment_method", "VARCHAR"),
        ("amount", "BIGINT"),
    ]


def test_months_hold_unlike_numbers_of_orders() -> None:
    assert ask("SELECT strftime(order_date, '%Y-%m'), count(*) FROM raw_orders GROUP BY ALL ORDER BY ALL") == [
        ("2018-01", 437),
        ("2018-02", 291),
        ("2018-03", 562),
        ("2018-04", 388),
        ("2018-05", 743),
        ("2018-06", 626),
    ]


@pytest.mark.parametrize("name", NAMES)
def test_no_value_is_missing(name: str) -> None:
    with (DATA / name).open(encoding="utf-8", newline="") as file:
        header, *rows = csv.reader(file)
    assert [row for row in rows if len(row) != len(header) or "" in row] == []


def test_every_reference_has_its_row() -> None:
    assert ask("SELECT count(*) FROM raw_orders WHERE user_id NOT IN (SELECT id FROM raw_customers)") == [(0,)]
    assert ask("SELECT count(*) FROM raw_payments WHERE order_id NOT IN (SELECT id FROM raw_orders)") == [(0,)]


@pytest.mark.parametrize("table", ["raw_orders", "raw_customers", "raw_payments"])
def test_ids_count_from_one(table: str) -> None:
    ids = [number for (number,) in ask(f"SELECT id FROM {table}")]  # noqa: S608  the names are those above
    assert ids == list(range(1, len(ids) + 1))


def test_dates_follow_ids_nearly_but_not_strictly() -> None:
    dates = [day for (day,) in ask("SELECT order_date FROM raw_orders ORDER BY id")]
    steps_days = [(after - before).days for before, after in itertools.pairwise(dates)]
    assert len([step for step in steps_days if step < 0]) > 100
    assert min(steps_days) >= -4


def test_old_orders_are_done_and_young_ones_are_on_their_way() -> None:
    shares = dict(
        ask(
            "SELECT month(order_date), round(avg((status IN ('placed', 'shipped'))::INT), 1)"
            " FROM raw_orders GROUP BY ALL"
        )
    )
    assert shares == {1: 0.0, 2: 0.0, 3: 0.0, 4: 0.0, 5: 0.6, 6: 0.8}
    assert ask("SELECT DISTINCT status FROM raw_orders ORDER BY ALL") == [
        ("completed",),
        ("placed",),
        ("return_pending",),
        ("returned",),
        ("shipped",),
    ]


def test_an_order_has_at_most_two_payments_and_a_few_have_none() -> None:
    counts = dict(
        ask(
            "SELECT n, count(*) FROM (SELECT o.id, count(p.id) AS n FROM raw_orders o"
            " LEFT JOIN raw_payments p ON p.order_id = o.id GROUP BY ALL) GROUP BY ALL"
        )
    )
    assert counts.keys() == {0, 1, 2}
    assert 20 < counts[0] < 150


def test_amounts_are_whole_cents_above_nothing() -> None:
    assert ask("SELECT min(amount) > 0, max(amount) < 20_000 FROM raw_payments") == [(True, True)]


def test_customers_have_names_beyond_ascii_and_live_in_three_regions() -> None:
    assert ask("SELECT count(*) > 10 FROM raw_customers WHERE NOT regexp_full_match(first_name, '[A-Za-z]+')") == [
        (True,)
    ]
    assert ask("SELECT DISTINCT region FROM raw_customers ORDER BY ALL") == [("apac",), ("eu",), ("us",)]
