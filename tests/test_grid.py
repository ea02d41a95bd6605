"""Each kind of partitions has its grid: what was made when is seen at a glance, on one page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from lakehouse.cli.grid import draw
from lakehouse.cli.output import Screen
from lakehouse.partitions import (
    Categories,
    Daily,
    Dynamic,
    Hourly,
    Monthly,
    Partitions,
    Quarterly,
    Unpartitioned,
    Weekly,
    Yearly,
)

NOW = datetime(2026, 11, 20, 9, tzinfo=UTC)
State = Callable[[int, str], str]


def drawn(
    partitions: Partitions, state: State, *, width: int = 80, now: datetime = NOW, unicode: bool = True
) -> list[str]:
    screen = Screen(is_unicode=unicode, width=width, out_colour=False, err_colour=False)
    return draw(screen, partitions, [(key, state(number, key)) for number, key in enumerate(partitions.keys(now))])


def first(count: int) -> State:
    return lambda number, _: "fresh" if number < count else "missing"


def test_months_are_a_row_a_year() -> None:
    assert drawn(Monthly("2018-03"), first(4)) == [
        "        Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec",
        "  2018           ●   ●   ●   ●   ·   ·   ·   ·   ·   ·",
        "  2019..2026-10   94 missing",
    ]


def test_days_are_a_row_a_month() -> None:
    """Months that are missing as a whole are drawn together, whole years by their number."""
    assert drawn(Daily("2018-01-03", end="2020-04-10"), first(40)) == [
        "          1 2 3 4 5 6 7 8 9  11  13  15  17  19  21  23  25  27  29  31",
        "  2018-01     ● ● ● ● ● ● ● ● ● ● ● ● ● ● ● ● ● ● ● ● ● ● ● ● ● ● ● ● ●",
        "  2018-02 ● ● ● ● ● ● ● ● ● ● ● · · · · · · · · · · · · · · · · ·",
        "  2018-03..2020-04-09   771 missing",
    ]


def test_narrow_terminals_get_days_without_gaps() -> None:
    assert drawn(Daily("2018-01-01", end="2018-02-01"), first(31), width=60) == [
        "          1   5   10   15   20   25   30",
        "  2018-01 ●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●●",
    ]


def test_weeks_are_a_row_a_year_and_years_of_53_are_longer() -> None:
    lines = drawn(Weekly("2020-W01", end="2021-W03"), first(54))
    assert lines == [
        "       1   5   10   15   20   25   30   35   40   45   50",
        "  2020 " + "●" * 53,
        "  2021 ●·",
    ]


def test_quarters_are_a_row_a_year() -> None:
    assert drawn(Quarterly("2018-04-01", end="2019-04-01"), first(2)) == [
        "        Q1  Q2  Q3  Q4",
        "  2018       ●   ●   ·",
        "  2019   ·",
    ]


def test_years_are_one_row() -> None:
    assert drawn(Yearly("2018", end="2021"), first(2)) == ["  ● 2018   ● 2019   · 2020"]


def test_hours_are_a_row_a_day_and_one_that_comes_twice_has_two_signs() -> None:
    """Clocks in Berlin were set back at 3 on 28 October 2018 and forward at 2 on 25 March."""
    autumn = Hourly("2018-10-28", end="2018-10-29", timezone="Europe/Berlin")
    spring = Hourly("2018-03-25", end="2018-03-26", timezone="Europe/Berlin")
    header = "             0 1 2 3 4 5 6 7 8 9  11  13  15  17  19  21  23"
    assert drawn(autumn, first(25)) == [header, "  2018-10-28 ● ● ●●●" + " ●" * 20]
    assert drawn(spring, first(23)) == [header, "  2018-03-25 ● ●  " + " ●" * 21]


@pytest.mark.parametrize(
    ("partitions", "state"),
    [
        (Daily("1999-07-06"), lambda i, _: "stale" if i % 500 == 0 else "fresh"),
        (Daily("1999-07-06"), lambda i, _: "fresh" if i % 40 else "missing"),
        (Hourly("2025-09-29"), lambda i, _: "fresh" if i % 7 else "failed"),
        (Weekly("1840-01-06"), lambda i, _: "fresh" if i % 60 else "missing"),
        (Categories("shop", [f"shop{i}" for i in range(10_000)]), lambda i, _: "fresh" if i % 900 else "stale"),
        (Categories("shop", [f"shop{i}" for i in range(95)]) * Monthly("2018-01"), first(5000)),
        (Categories("shop", ["eu", "us"]) * Daily("2013-03-01"), first(9000)),
    ],
    ids=lambda value: getattr(value, "kind", ""),
)
def test_ten_thousand_partitions_fit_a_page(partitions: Partitions, state: State) -> None:
    """Earlier periods are summed up, and no partition is lost from the count."""
    assert len(partitions.keys(NOW)) > 9_000
    lines = drawn(partitions, state)
    assert len(lines) <= 45
    assert max(map(len, lines)) <= 80


def test_years_that_do_not_fit_are_summed_up() -> None:
    lines = drawn(Daily("2000-01-01", end="2010-01-01"), lambda i, _: "stale" if i % 100 == 0 else "fresh")
    assert lines[1:3] == ["  2000   362 fresh, 4 stale", "  2001   361 fresh, 4 stale"]
    assert lines[-1].startswith("  2009-12 ")
    assert 30 <= len(lines) <= 41


def test_years_of_one_state_are_summed_up_together() -> None:
    lines = drawn(Daily("2000-01-01", end="2010-01-01"), lambda i, _: "fresh" if i < 3600 else "empty")
    assert lines[1] == "  2000..2006   2557 fresh"


def test_categories_stand_one_after_another() -> None:
    regions = Categories("region", ["eu", "us", "apac"])
    assert drawn(regions, lambda i, _: "stale" if i == 2 else "fresh") == ["  ● eu   ● us   ◐ apac"]


def test_of_too_many_categories_those_to_look_at_come_first() -> None:
    many = Categories("shop", [f"shop{i:04}" for i in range(2000)])
    lines = drawn(many, lambda i, _: "missing" if i == 1999 else "fresh")
    assert lines[0].startswith("  · shop1999   ● shop0000")
    assert lines[-1].endswith(" fresh")


def test_what_is_not_partitioned_has_one_sign_and_what_has_no_keys_none() -> None:
    assert drawn(Unpartitioned(), first(1)) == ["  ● all"]
    assert drawn(Dynamic("method"), first(1)) == []


def test_a_product_with_time_is_a_row_a_category_and_a_column_a_window() -> None:
    product = Categories("region", ["eu", "apac"]) * Monthly("2018-01", end="2019-03")
    assert drawn(product, first(20)) == [
        "        2018                    2019",
        "  eu    " + " ".join("●" * 14),
        "  apac  " + " ".join("●" * 6 + "·" * 8),
    ]


def test_within_a_year_the_columns_are_named_by_months() -> None:
    product = Monthly("2018-01", end="2018-07") * Categories("region", ["eu", "us"])
    lines = drawn(product, lambda _, key: "fresh" if "region=eu" in key else "missing")
    assert lines == ["      Jan Mar May", "  eu  ● ● ● ● ● ●", "  us  · · · · · ·"]


def test_windows_that_do_not_fit_share_a_column_and_the_worst_shows() -> None:
    """106 months as 36 quarters: the one of the failed month is marked, however fresh its neighbours."""
    product = Categories("region", ["eu"]) * Monthly("2018-01")
    lines = drawn(product, lambda i, _: "failed" if i == 4 else "fresh")
    assert lines == [
        "      2018    2019    2020    2021    2022    2023    2024    2025    2026",
        "  eu  " + " ".join("●✗" + "●" * 34),
        "  (a column is a quarter; its worst state shows)",
    ]


def test_years_of_which_nothing_is_there_make_room_for_the_others() -> None:
    """Before and after what was made, where not all fit; if nothing was made, a line is all."""
    product = Categories("region", ["eu", "us"]) * Monthly("2016-07")
    assert drawn(product, lambda _, key: "fresh" if "2018-0" in key else "missing") == [
        "      Jan Mar May Jul Sep Nov",
        "  eu  ● ● ● ● ● ● ● ● ● · · ·",
        "  us  ● ● ● ● ● ● ● ● ● · · ·",
        "  2016-07..2017   36 missing",
        "  2019..2026-10   188 missing",
    ]
    assert drawn(product, first(0)) == ["  2016-07..2026-10   248 missing"]


def test_two_dimensions_without_time_are_a_matrix() -> None:
    product = Categories("region", ["eu", "apac"]) * Categories("channel", ["web", "shop"])
    assert drawn(product, lambda i, _: ["fresh", "empty", "stale", "missing"][i]) == [
        "         web   shop",
        "  eu     ●     ○",
        "  apac   ◐     ·",
    ]


def test_a_matrix_too_wide_is_turned() -> None:
    product = Categories("region", ["eu", "us"]) * Categories("shop", [f"shop{i}" for i in range(30)])
    lines = drawn(product, first(30))
    assert lines[:2] == ["           eu   us", "  shop0    ●    ·"]
    assert len(lines) == 31


def test_three_dimensions_without_time_are_a_list() -> None:
    product = Categories("region", ["eu"]) * Categories("channel", ["web", "shop"]) * Categories("plan", ["a"])
    assert drawn(product, first(1)) == ["  ● eu/web/a   · eu/shop/a"]


def test_what_the_definition_no_longer_has_is_drawn_in_its_place() -> None:
    screen = Screen(is_unicode=True, width=80, out_colour=False, err_colour=False)
    months = draw(screen, Monthly("2018-02", end="2018-04"), [("2018-02", "fresh"), ("2018-01", "orphaned")])
    regions = draw(screen, Categories("region", ["eu"]), [("eu", "fresh"), ("latam", "orphaned")])
    assert (months[1], regions) == ("  2018   ?   ●", ["  ● eu   ? latam"])


def test_plain_terminals_get_ascii() -> None:
    assert drawn(Categories("region", ["eu", "us"]), first(1), unicode=False) == ["  # eu   . us"]
