"""Wherever one writer is stopped, and another runs to its end: what both acknowledged is what is there."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
from faults.calls import steady
from faults.results import Cell, note

if TYPE_CHECKING:
    from conftest import Prepared
    from faults.warm import Warm


def violations(warm: Warm, lake: Prepared, scenario: str) -> list[str]:
    chosen = range(1, len(lake.calls) + 1)
    wrong, missed = [], 0
    calls = [(str(lake.folder), scenario, number, lake.before) for number in chosen]
    for number, found in zip(chosen, warm.map("faults.races:race", calls), strict=True):
        where = f"{number:02} {found['kind']} {steady(found['path'])}"
        facts = {"scenario": scenario, "fault": "another writer goes first", "where": where}
        note(Cell.judged(found["violations"], layer="two writers", **facts))
        wrong += [f"{where}: {text}" for text in found["violations"]]
        missed += found["kind"] == "end"
    assert missed <= 1 + len(chosen) // 10, "the first writer made fewer calls than where it is alone"
    return wrong


@pytest.mark.invariant("I8", "I9")
def test_a_writer_that_is_overtaken_anywhere_replaces_nothing_newer(
    warm: Warm, prepared: Callable[[str], Prepared]
) -> None:
    assert violations(warm, prepared("replace"), "replace") == []


@pytest.mark.sweep
def test_two_writers_may_make_a_lake_at_once(warm: Warm, prepared: Callable[[str], Prepared]) -> None:
    assert violations(warm, prepared("new asset"), "new asset") == []
