"""L0: in the order in which the kernel is asked, nothing is relied on before it is on disk."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from faults.calls import Call, counts
from faults.care import CARE
from faults.counts import CALLS
from faults.needs import need
from faults.order import RULES, broken_rules
from faults.results import Cell, note
from faults.scenarios import SCENARIOS, Place
from faults.trace import Event, calls, run

if TYPE_CHECKING:
    from conftest import Prepared

ALL = {**SCENARIOS, **CARE}


@pytest.fixture(scope="module")
def events(
    prepared: Callable[[str], Prepared], tmp_path_factory: pytest.TempPathFactory
) -> Callable[[str], tuple[Place, list[Event]]]:
    """Gives what each scenario's command asks of the kernel, and where; asked once."""
    need(shutil.which("strace") is not None, "L0", "there is no strace")
    seen: dict[str, tuple[Place, list[Event]]] = {}

    def of(name: str) -> tuple[Place, list[Event]]:
        if name not in seen:
            folder = tmp_path_factory.mktemp("traced")
            place = Place(Path(shutil.copytree(prepared(name).folder / "base", folder / "place")))
            seen[name] = place, run(place, ALL[name].args, folder / "log")
        return seen[name]

    return of


@pytest.mark.invariant("I3")
@pytest.mark.parametrize("scenario", ALL)
def test_nothing_is_relied_on_before_it_is_on_disk(
    events: Callable[[str], tuple[Place, list[Event]]], scenario: str
) -> None:
    place, seen = events(scenario)
    found = broken_rules(seen, place, commits=ALL[scenario].commits)
    for rule, broken in found.items():
        note(Cell.judged(broken, layer="L0", scenario=scenario, fault="none", where=rule))
    assert found == {rule: [] for rule in RULES}


@pytest.mark.parametrize("scenario", ALL)
def test_each_command_makes_the_calls_that_it_is_known_to_make(
    events: Callable[[str], tuple[Place, list[Event]]], scenario: str
) -> None:
    place, seen = events(scenario)
    assert counts(calls(seen, place)) == CALLS[scenario]


@pytest.mark.parametrize("scenario", ALL)
def test_whatever_the_kernel_is_asked_the_shim_sees(
    events: Callable[[str], tuple[Place, list[Event]]], prepared: Callable[[str], Prepared], scenario: str
) -> None:
    place, seen = events(scenario)
    lasting: list[Call] = [call for call in prepared(scenario).calls if not call.is_cache]
    assert counts(lasting) == counts(calls(seen, place))
