"""Ctrl-C and SIGTERM at many moments of a run: what is being published is finished, and the same command goes on."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults import results
from faults.interrupted import during_a_query
from faults.warm import Warm

INT, TERM = int(signal.SIGINT), int(signal.SIGTERM)
# At a moment: which signals come then, and which some moments later.
WAYS = {
    "once": ((INT,), ()),
    "SIGTERM": ((TERM,), ()),
    "twice": ((INT, INT), ()),
    "once, and again later": ((INT,), (INT,)),
}
LATER = 4


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    with Warm() as processes:
        yield processes


@pytest.fixture(scope="module")
def base(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("interrupted") / "base"
    warm.call("faults.interrupted:prepare", str(folder))
    return folder


@pytest.fixture(scope="module")
def moments(warm: Warm, base: Path) -> list[str]:
    """The names of a run's moments, in order."""
    found: list[str] = warm.call("faults.interrupted:moments", str(base), str(base.parent / "counted"))
    assert sum(name.startswith("function") for name in found) >= 5
    assert len(found) > 60
    return found


@pytest.mark.invariant("I1", "I2", "I5", "I8")
@pytest.mark.parametrize("which", ["some", pytest.param("every", marks=pytest.mark.sweep)])
def test_interrupted_at_any_moment_a_run_leaves_nothing_behind_and_the_same_command_makes_what_is_left(
    warm: Warm, base: Path, moments: list[str], which: str
) -> None:
    """Once, it finishes what it is publishing and says what is left; twice, it drops what is not published."""
    ways = list(WAYS)
    cells = [
        (number, way)
        for number in range(1, len(moments) + 1, 1 if which == "every" else 3)
        for way in (ways if which == "every" else [ways[number // 3 % len(ways)]])
    ]
    calls = []
    for number, way in cells:
        at_once, later = WAYS[way]
        sent = {str(number): at_once, **({str(number + LATER): later} if number + LATER <= len(moments) else {})}
        calls.append((str(base), str(base.parent / f"{which}-{number}-{way}"), sent))
    found = dict(zip(cells, warm.map("faults.interrupted:cell", calls), strict=True))
    for (number, way), faults in found.items():
        where = f"call {number}, {moments[number - 1]}"
        results.note(results.Cell.judged(faults, layer="L4", scenario="interrupted", fault=way, where=where))
    assert {cell: faults for cell, faults in found.items() if faults} == {}


@pytest.mark.parametrize("numbers", [(INT, INT), (TERM, INT)], ids=str)
def test_twice_ends_a_run_whose_engine_does_not_let_go_and_what_it_staged_goes_with_it(
    tmp_path: Path, numbers: tuple[int, ...]
) -> None:
    outcome, left = during_a_query(tmp_path / "shop", numbers)
    assert outcome.code == 130
    again = "Ctrl-C" if numbers[0] == INT else "SIGTERM"
    assert outcome.err.splitlines() == [
        "2 partitions: even, odd",
        f"finishing what is being published; {again} again drops what is not yet",
        "interrupted; what was published stays, and the same command goes on from there",
    ]
    assert left == []
