"""L4: writers killed at random, beside readers through the lake who must not notice."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from faults import results
from faults.warm import Warm

from lakehouse import Categories, Lake

THROUGH_THE_LAKE = ("lake.scan", "lake query", "snapshot")
GRACE = "10s"  # more than any answer takes; less than the storm, so that versions are let go


@pytest.mark.invariant("I1", "I2", "I5", "I8", "I9", "I14")
@pytest.mark.parametrize("seconds", [20, pytest.param(60, marks=pytest.mark.sweep)])
def test_whoever_is_killed_when_every_read_is_one_commit_and_the_lake_comes_to_rest(
    tmp_path: Path, seconds: int
) -> None:
    seed = secrets.randbits(32)
    with Warm(count=1) as warm:
        arguments = (str(tmp_path / "shop"), seconds, seed, THROUGH_THE_LAKE, GRACE, "at random")
        found = warm.call("faults.storm:storm", *arguments)
    _note(found, seconds, seed)
    assert (found["wrong"], f"seed {seed}") == ([], f"seed {seed}")
    assert found["commits"] > seconds
    assert sum(count for way, count in found["sent"].items() if way != "left alone") > seconds
    assert all(counted["reads"] > seconds for counted in found["readers"].values())


def _note(found: dict[str, Any], seconds: int, seed: int) -> None:
    for name in THROUGH_THE_LAKE:
        wrong = [text for text in found["wrong"] if text.startswith(f"{name}: ")]
        facts = {"layer": "L4", "scenario": f"storm, {seconds} s", "fault": "writers killed at random"}
        results.note(results.Cell.judged(wrong, **facts, where=f"read through {name}"))
    wrong = [text for text in found["wrong"] if not text.startswith(THROUGH_THE_LAKE)]
    results.note(results.Cell.judged(wrong, **facts, where="what is left"))
    results.note_fact(
        "storm", {"seconds": seconds, "seed": seed, **{name: found[name] for name in found if name != "wrong"}}
    )


def test_what_reads_a_version_that_is_let_go_meanwhile_is_planned_again(tmp_path: Path) -> None:
    """With no grace at all, another run replaces the upstream partition between our look at it and our reading."""
    overtaken: list[str] = []

    def lake(number: int) -> Lake:
        made = Lake(tmp_path / "lake", keep_versions=0, grace="0s")
        made.base = tmp_path

        @made.source(version=lambda: str(number))
        def numbers() -> pl.DataFrame:
            return pl.DataFrame({"key": ["a"], "n": [number]})

        @made.asset(partitions=Categories("key", ["a"]), version="1")
        def first(numbers: pl.LazyFrame) -> pl.LazyFrame:
            return numbers

        @made.asset(partitions=Categories("key", ["a"]), version="1")
        def second(first: pl.LazyFrame) -> pl.LazyFrame:
            if len(overtaken) < number:
                overtaken.append("once more")
                lake(number + len(overtaken)).materialize("a", assets=["first"])
            return first.with_columns(m=pl.col("n") * 2)

        return made

    assert [item.result for item in lake(1).materialize("a")] == ["created", "created"]
    assert overtaken == ["once more"]
    assert lake(2).scan("second").collect().rows() == [(2, 4, "a")]
    assert [item.result for item in lake(2).materialize("a")] == ["fresh", "fresh"]
