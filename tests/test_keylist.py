"""The list of dynamic keys that is kept in the lake."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import polars as pl
import pytest

from lakehouse import Dynamic, Lake


class Counted(str):
    """A key that counts how often it is compared."""

    __slots__ = ()
    comparisons = 0

    def __eq__(self, other: object) -> bool:
        Counted.comparisons += 1
        return str.__eq__(self, other) is True

    __hash__ = str.__hash__


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake("lake")
    lake.base = tmp_path

    @lake.asset(partitions=Dynamic("name"), version="1")
    def named() -> pl.LazyFrame:
        return pl.LazyFrame({"name": ["a"]})

    return lake


@pytest.mark.parametrize("change", ["add", "remove"])
def test_changing_many_keys_compares_each_a_few_times(lake: Lake, change: Literal["add", "remove"]) -> None:
    """And not with each of the others."""
    lake.add_partitions("named", [f"{number:04}" for number in range(2000)])
    numbers = range(2000, 4000) if change == "add" else range(1, 2000)
    keys = [Counted(f"{number:04}") for number in numbers]
    Counted.comparisons = 0
    act = lake.add_partitions if change == "add" else lake.remove_partitions
    assert act("named", keys) == keys
    assert Counted.comparisons < 20 * len(keys)
    survey = lake.survey()
    left = survey.partitions(lake.graph.asset("named")).keys(survey.time)
    assert left == (["0000"] if change == "remove" else [f"{number:04}" for number in range(4000)])


def test_a_key_that_is_named_twice_is_changed_once(lake: Lake) -> None:
    assert lake.add_partitions("named", ["b", "a", "b"]) == ["b", "a"]
    assert lake.remove_partitions("named", ["a", "c", "a"]) == ["a"]
