"""The same faults for other writers: where the lake holds its promises, what do the usual ways do?

Of the others nothing is asserted but that the harness sees the plainest of them break: what they do may change, and
the page counts it.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from faults.calls import FAULTS, Call, numbers
from faults.compared import WRITERS
from faults.needs import need
from faults.order import undurable
from faults.results import Cell, note
from faults.scenarios import SCENARIOS, Place
from faults.trace import run

if TYPE_CHECKING:
    from faults.warm import Warm

_FAULTS = ("KILL", "KILL in a write", "ENOSPC from there on")
_FEW = ("replace", "backfill")
Begun = tuple[Path, list[Call]]
Of = Callable[[str, str], Begun]


@pytest.fixture(scope="module")
def begun(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Of:
    """Gives a scenario's partitions as a writer writes them, and its calls; made once."""
    made: dict[tuple[str, str], Begun] = {}

    def of(writer: str, scenario: str) -> Begun:
        if writer == "deltalake":
            need(find_spec("deltalake") is not None, "compared", "deltalake is not installed")
        if (writer, scenario) not in made:
            folder = tmp_path_factory.mktemp("compared")
            found = warm.call("faults.compared:begin", str(folder), writer, scenario)
            made[writer, scenario] = folder, [Call(*call) for call in found["calls"]]
        return made[writer, scenario]

    return of


def violations(warm: Warm, begun: Of, writer: str, scenarios: Iterable[str], every: int) -> list[str]:
    """What a writer breaks: with a fault at one call in so many, and with none."""
    wrong = []
    for scenario in scenarios:
        folder, calls = begun(writer, scenario)
        facts = {"layer": "compared", "scenario": scenario, "subject": writer}
        found = warm.call("faults.compared:undisturbed", str(folder), writer, scenario)
        note(Cell.judged(found, fault="none", where="", **facts))
        wrong += found
        asked = [(fault, number) for fault in _FAULTS for number in numbers(calls, FAULTS[fault])[::every]]
        cells = [(str(folder), writer, scenario, fault, number) for fault, number in asked]
        for (fault, number), cell in zip(asked, warm.map("faults.compared:cell", cells), strict=True):
            note(Cell.judged(cell["violations"], fault=fault, where=f"{number:02} {cell['where']}", **facts))
            wrong += cell["violations"]
    return wrong


def unsynced(begun: Of, writer: str, scenarios: Iterable[str], folder: Path) -> list[str]:
    """What a writer leaves in memory when it says that it is done."""
    need(shutil.which("strace") is not None, "compared", "there is no strace")
    wrong = []
    for number, scenario in enumerate(scenarios):
        place = Place(Path(shutil.copytree(begun(writer, scenario)[0] / "base", folder / str(number))))
        act = f"from faults.compared import write; write({str(place.folder)!r}, {writer!r}, {scenario!r})"
        found = undurable(run(place, (), folder / "log", start=[sys.executable, "-c", act]), place)
        facts = {"layer": "compared", "scenario": scenario, "subject": writer}
        note(Cell.judged(found, fault="power cut", where="after success", **facts))
        wrong += found
    return wrong


@pytest.mark.parametrize("writer", WRITERS)
def test_where_others_break_the_lake_does_not(warm: Warm, begun: Of, tmp_path: Path, writer: str) -> None:
    every = 9 if writer == "lakehouse" else 2  # of the lake, L1 tries them all
    wrong = violations(warm, begun, writer, _FEW, every=every) + unsynced(begun, writer, _FEW, tmp_path)
    match writer:
        case "lakehouse":
            assert wrong == []
        case "write_parquet in place":
            assert {text[:2] for text in wrong} >= {"R1", "R2"}


@pytest.mark.sweep
@pytest.mark.parametrize("writer", WRITERS)
def test_in_every_scenario_and_at_every_call(warm: Warm, begun: Of, tmp_path: Path, writer: str) -> None:
    others = [name for name in SCENARIOS if name not in _FEW]
    wrong = violations(warm, begun, writer, SCENARIOS, every=1) + unsynced(begun, writer, others, tmp_path)
    assert writer != "lakehouse" or wrong == []
