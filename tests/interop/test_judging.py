"""What is held against what was put in is judged rightly: the judge sees each kind of difference."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from math import nan
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from interop.judging import WORKS, brief, compared, compared_rows, is_same
from interop.tables import Answer, Table
from interop.verdicts import is_as_it_should_be, verdict

BERLIN = ZoneInfo("Europe/Berlin")
FIRST, SECOND = (datetime(2018, 10, 28, 2, 30, fold=fold, tzinfo=BERLIN) for fold in (0, 1))
PUT = [{"n": 1, "key": "a"}, {"n": 2, "key": "b"}]
TABLE = Table(folder=Path("t"), keys={"key": pl.String()}, schema={"n": pl.Int64()}, rows=PUT, file_count=2)
TYPES = {"n": "int", "key": "text"}


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (1, 2),
        (2**63 - 1, float(2**63)),
        (True, 1),
        (None, nan),
        (nan, None),
        ("1", 1),
        (1, "1"),
        (b"a", "a"),
        (datetime(2018, 1, 1), date(2018, 1, 1)),  # noqa: DTZ001
        (date(2018, 1, 1), datetime(2018, 1, 1)),  # noqa: DTZ001
        (datetime(2018, 1, 1), datetime(2018, 1, 1, tzinfo=UTC)),  # noqa: DTZ001
        (FIRST, SECOND),
        ([], None),
        ([1], [1, None]),
        ({"a": 1}, {"b": 1}),
        ({"a": [None]}, {"a": [0]}),
    ],
)
def test_other_values_are_not_the_same(found: Any, wanted: Any) -> None:
    assert not is_same(found, wanted)


@pytest.mark.parametrize(
    ("found", "wanted"),
    [
        (1.0, 1),
        (Decimal(1), 1),
        (nan, nan),
        (None, None),
        (FIRST.astimezone(UTC), FIRST),
        ([{"a": [None, 1]}], [{"a": [None, 1]}]),
    ],
)
def test_the_same_value_of_another_kind_of_number_or_zone_is_the_same(found: Any, wanted: Any) -> None:
    assert is_same(found, wanted)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (Answer(TYPES, [*reversed(PUT)]), WORKS),
        (Answer(TYPES, PUT[:1]), "1 of 2 rows"),
        (Answer(TYPES, []), "0 of 2 rows"),
        (Answer({"n": "int"}, [{"n": 1}, {"n": 2}]), "no column key"),
        (Answer(TYPES, [{"n": 1, "key": "b"}, {"n": 2, "key": "a"}]), "key: 'b' for 'a'; key: 'a' for 'b'"),
        (Answer(TYPES, [row | {"key": None} for row in PUT]), "key: null for 'a'; key: null for 'b'"),
        (Answer({**TYPES, "m": "int"}, [row | {"m": 1} for row in PUT]), "yes; also has the column m"),
    ],
)
def test_an_answer_is_judged_by_its_columns_and_rows(answer: Answer, outcome: str) -> None:
    assert compared(answer, TABLE) == outcome


def test_of_many_differences_two_are_shown() -> None:
    found = [{"n": -n, "key": "a"} for n in range(1, 6)]
    wanted = [{"n": n, "key": "a"} for n in range(1, 6)]
    assert compared_rows(found, wanted, ["n", "key"]) == "n: -1 for 1; n: -2 for 2; 3 more"


def test_a_message_names_no_place_of_this_machine() -> None:
    error = OSError("\ncannot read /var/tmp/x-1/lake/months/key=a\nb/part.parquet\n\nCaused by: …")
    assert brief(error) == "OSError: cannot read lake/months/key=…/part.parquet"


def test_only_the_best_answer_is_as_it_should_be() -> None:
    assert is_as_it_should_be("yes", WORKS)
    assert not is_as_it_should_be("yes; also has the column m", WORKS)
    assert not is_as_it_should_be("OSError: no", WORKS)
    assert not is_as_it_should_be("int; 1 for '01'", "a reader's own type")
    assert is_as_it_should_be("int", "a reader's own type")


@pytest.mark.parametrize(
    ("outcome", "best", "word"),
    [
        ("yes", "yes", "yes"),
        ("yes; also has the column m", "yes", "yes"),
        ("2 of 4", "1 of 4", "yes"),
        ("int", "a reader's own type", "yes"),
        ("int; 1 for '01'", "a reader's own type", "wrong"),
        ("no column key", "yes", "wrong"),
        ("0 of 2 rows", "yes", "wrong"),
        ("4 of 4; 0 of 2 rows", "1 of 4", "wrong"),
        ("0 of 63; 0 of 1 rows for each", "63 of 63", "wrong"),
        ("51 of 63; 0 of 1 rows for 'a=b'", "63 of 63", "wrong"),
        ("44 of 63; FileNotFoundError for 'a/b'", "63 of 63", "error"),
        ("OSError: no", "a reader's own type", "error"),
        ("lakehouse refuses: partitions of two schemas", "yes", "refused"),
    ],
)
def test_an_answer_that_is_not_what_was_put_in_is_wrong_unless_the_reader_says_that_it_cannot(
    outcome: str, best: str, word: str
) -> None:
    assert verdict(outcome, best) == word
