"""L1: whichever call fails, and however: a partition is whole, the message true, and the same command converges."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import pytest
from faults.calls import FAULTS, Fault, numbers, sample, steady
from faults.care import CARE
from faults.results import Cell, note
from faults.scenarios import SCENARIOS

if TYPE_CHECKING:
    from conftest import Prepared
    from faults.warm import Warm

ALL = {**SCENARIOS, **CARE}
_EVERY = ("KILL", "KILL in a write", "short write")
_ONE_IN, _KILL_ONE_IN = 8, 3  # the latter of the commands that make no rows
Of = Callable[[str], "Prepared"]


def few(lake: Prepared, scenario: str, fault: Fault) -> list[int]:
    """The calls at which a fault is tried with each change: a sample that is not the same for any two faults."""
    turn = list(FAULTS).index(fault.name) + list(ALL).index(scenario)
    if fault.name not in _EVERY:
        return sample(lake.calls, fault, of=_ONE_IN, at=turn)
    if fault.name == "KILL" and scenario in CARE:
        return sample(lake.calls, fault, of=_KILL_ONE_IN, at=turn)
    return numbers(lake.calls, fault)


def violations(warm: Warm, lake: Prepared, scenario: str, fault: Fault, at: Iterable[int]) -> list[str]:
    """What the cells of one fault at these calls came to."""
    chosen, wrong, missed = list(at), [], 0
    calls = [(str(lake.folder), scenario, fault.name, number, lake.before) for number in chosen]
    for number, found in zip(chosen, warm.map("faults.calls:cell", calls), strict=True):
        where = f"{number:02} {found['kind']} {steady(found['path'])}"
        note(Cell.judged(found["violations"], layer="L1", scenario=scenario, fault=fault.name, where=where))
        wrong += [f"{where}: {text}" for text in found["violations"]]
        missed += found["kind"] == "end"
    assert missed <= 1 + len(chosen) // 10, "the command made fewer calls than where nothing fails"
    return wrong


@pytest.mark.invariant("I1", "I2", "I4", "I5", "I6", "I7", "I8")
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("scenario", ALL)
def test_whichever_call_fails_the_promises_hold(warm: Warm, prepared: Of, scenario: str, fault: str) -> None:
    lake = prepared(scenario)
    assert violations(warm, lake, scenario, FAULTS[fault], few(lake, scenario, FAULTS[fault])) == []


@pytest.mark.sweep
@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("scenario", ALL)
def test_at_all_other_calls_the_promises_hold(warm: Warm, prepared: Of, scenario: str, fault: str) -> None:
    lake = prepared(scenario)
    others = {*numbers(lake.calls, FAULTS[fault])} - {*few(lake, scenario, FAULTS[fault])}
    assert violations(warm, lake, scenario, FAULTS[fault], sorted(others)) == []


def test_each_change_tries_every_fault_at_every_kind_of_call(prepared: Of) -> None:
    lakes = {name: prepared(name) for name in ALL}
    for fault in FAULTS.values():
        tried = {lake.calls[at - 1].name for name, lake in lakes.items() for at in few(lake, name, fault)}
        assert tried == {lake.calls[at - 1].name for lake in lakes.values() for at in numbers(lake.calls, fault)}
