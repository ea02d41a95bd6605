"""The tests are tested: a publisher that is wrong in one way does not get past the layer that is there for it."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from faults.mutants import MUTANTS
from faults.needs import need
from faults.order import broken_rules
from faults.results import Cell, note
from faults.scenarios import SCENARIOS, Place
from faults.trace import run

if TYPE_CHECKING:
    from conftest import Prepared
    from faults.warm import Warm

_FAULTS = ("ENOSPC", "EIO", "KILL")
_AT_ONCE = 4
_NEVER = 10**6
_LAYERS = ("L0", "L1", "two writers")  # the others try mutants among their own cells
Of = Callable[[str], "Prepared"]


def by_order(folder: Path, lake: Prepared, mutant: str) -> Iterator[str]:
    """L0: what is wrong with the order of its calls, each with the rule."""
    need(shutil.which("strace") is not None, "L0", "there is no strace")
    place = Place(Path(shutil.copytree(lake.folder / "base", folder / "place")))
    spoiled = f"from faults import mutants; mutants.apply({mutant!r}); from lakehouse.cli import main; main()"
    command = [sys.executable, "-c", spoiled, "-C", str(place.folder), *SCENARIOS["create"].args]
    events = run(place, (), folder / "log", start=command)
    for rule, broken in broken_rules(events, place).items():
        yield from (f"{rule}: {text}" for text in broken)


def by_fault(warm: Warm, lake: Prepared, mutant: str) -> Iterator[str]:
    """L1: what is violated, until something is."""
    cells = [
        (str(lake.folder), "replace", fault, number, lake.before, mutant)
        for number in range(len(lake.calls), 0, -1)
        for fault in _FAULTS
    ]
    for start in range(0, len(cells), _AT_ONCE):
        for found in warm.map("faults.calls:cell", cells[start : start + _AT_ONCE]):
            yield from found["violations"]


def by_another_writer(warm: Warm, lake: Prepared, mutant: str) -> Iterator[str]:
    """Two writers: what is violated, until something is."""
    cells = [(str(lake.folder), "replace", number, lake.before, mutant) for number in range(len(lake.calls), 0, -1)]
    for start in range(0, len(cells), _AT_ONCE):
        for found in warm.map("faults.races:race", cells[start : start + _AT_ONCE]):
            yield from found["violations"]


@pytest.mark.parametrize(
    ("mutant", "layer"),
    [(mutant.name, layer) for mutant in MUTANTS.values() for layer in mutant.dies_by if layer in _LAYERS],
)
def test_a_mutant_dies(warm: Warm, prepared: Of, tmp_path: Path, mutant: str, layer: str) -> None:
    match layer:
        case "L0":
            found = by_order(tmp_path, prepared("create"), mutant)
        case "L1":
            found = by_fault(warm, prepared("replace"), mutant)
        case _:
            found = by_another_writer(warm, prepared("replace"), mutant)
    clause = MUTANTS[mutant].dies_by[layer]
    cause = next((text for text in found if text.startswith(clause)), "")
    facts = {"layer": "mutants", "scenario": "", "fault": mutant, "where": layer, "subject": mutant}
    note(Cell(**facts, verdict="passed" if cause else "violated", note=cause or "it survives"))
    assert cause


@pytest.mark.parametrize("mutant", [mutant.name for mutant in MUTANTS.values() if not mutant.shows_at_rest])
def test_a_mutant_that_nobody_disturbs_passes_for_right(warm: Warm, prepared: Of, mutant: str) -> None:
    """So it is the fault, and the rule, by which it dies, and not some other flaw."""
    lake = prepared("replace")
    found = warm.call("faults.calls:cell", str(lake.folder), "replace", "KILL", _NEVER, lake.before, mutant)
    left = [text for text in found["violations"] if not text.startswith(MUTANTS[mutant].dies_by.get("L1", "none"))]
    assert left == []
