"""L2: whenever the power is cut, each partition is the old one or the new one; after exit code 0, the new one."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from faults.care import CARE
from faults.mounts import FILE_SYSTEMS, UnavailableError, alone
from faults.mutants import MUTANTS
from faults.needs import need
from faults.power import Series
from faults.results import Cell, note, note_fact
from faults.scenarios import SCENARIOS
from faults.warm import Warm

CUTS = [(system.name, cut) for system in FILE_SYSTEMS.values() for cut in system.cuts]
OTHERS = [name for name in SCENARIOS if name != "replace"]
Found = list[dict[str, Any]]


class Cutter:
    """What cuts the power, in processes that were started for it; several series are at work at once."""

    def __init__(self, folder: Path, warm: Warm, pool: ThreadPoolExecutor) -> None:
        self._folder, self._warm, self._pool = folder, warm, pool
        self._count = 0
        self._begun = time.monotonic()
        self._asked: dict[Series, Future[Found]] = {}
        reasons = {(name, cut): self.call("why_not", name, cut) for name, cut in CUTS}
        self._reasons = {key: reason.result() for key, reason in reasons.items()}

    def call(self, function: str, *arguments: Any) -> Future[Any]:
        """What a function of `faults.power` gives, in time."""
        self._count += 1
        folder = self._folder / str(self._count)
        folder.mkdir()
        return self._pool.submit(self._warm.call, f"faults.power:{function}", str(folder), *arguments)

    def ask(self, wanted: Sequence[Series]) -> None:
        """Begin these series, as far as this machine can."""
        for series in wanted:
            if not self._reasons[series.system, series.cut]:
                self._asked[series] = self.call("cells", asdict(series))

    def require(self, name: str, cut: str) -> None:
        """Nothing, if this machine can cut the power so."""
        reason = self._reasons[name, cut]
        need(not reason, "L2", f"{name}: {reason}")

    def found(self, series: Series) -> Found:
        """The cells of a series, each of them noted."""
        self.require(series.system, series.cut)
        found = self._asked[series].result()
        noted(series, found)
        note_fact("L2 seconds", round(time.monotonic() - self._begun, 1))
        return found


def noted(series: Series, found: Found) -> list[str]:
    """The cells added to the session's; what was wrong."""
    for cell in found:
        layer = "L3" if series.is_alive else "L2"
        facts = {"layer": layer, "scenario": series.scenario, "fault": series.fault, "subject": series.subject}
        note(Cell.judged(cell["violations"], where=f"{series.system}: {cell['at']}", **facts))
    return wrong(found)


def wrong(found: Found) -> list[str]:
    return [f"{cell['at']}: {text}" for cell in found for text in cell["violations"]]


_UNJOURNALED = "ext4 without journal"  # a journal saves everybody's names, whoever has something synced

# Each file system has every cut of one scenario, and some of each of the others; where several kinds of cut are to be
# had, the second has fewer.
SERIES = [
    Series(system=name, cut=cut, scenario="replace", stride=1 if cut == FILE_SYSTEMS[name].cuts[0] else 4)
    for name, cut in CUTS
]
MORE = [
    Series(system=system.name, cut=system.cuts[0], scenario=scenario, first=1 + 3 * number, stride=13)
    for number, system in enumerate(FILE_SYSTEMS.values())
    for scenario in OTHERS
]
# A folder that was removed and made again is dropped there by e2fsck, though it and its parent were synced, in this
# order; not understood yet, so it is counted as not judged.
_UNTOLD = _UNJOURNALED, "repair"
TENDED = [
    *(
        Series(system=_UNJOURNALED, cut="copied", scenario=scenario, first=3 + number % 4, stride=7)
        for number, scenario in enumerate(CARE)
        if (_UNJOURNALED, scenario) != _UNTOLD
    ),
    *(Series(system=name, cut="at once", scenario="repair", stride=3) for name in ("ext4", "xfs")),
]
EVERY = [
    Series(system=name, cut=cut, scenario=scenario)
    for name, cut in CUTS
    for scenario in (*SCENARIOS, *CARE)
    if (name, scenario) != _UNTOLD
]
GONE = [
    Series(system=name, cut="at once", scenario="replace", first=first, stride=3, is_alive=True)
    for first, name in ((1, "ext4"), (3, "xfs"))
]
SPOILED = [
    *(
        Series(system=name, cut=cut, scenario="replace", subject="no file fsync", first=5, stride=9)
        for name, cut in CUTS
    ),
    *(
        Series(system=_UNJOURNALED, cut="copied", scenario="create", subject=mutant, first=5, stride=9)
        for mutant in ("no folder fsync", "success told before the last fsync")
    ),
]


def _id(series: Series) -> str:
    words = (series.system, series.fault, series.scenario, *([series.subject] if series in SPOILED else []))
    return "-".join(words).replace(", ", "-").replace(" ", "-")


@pytest.fixture(scope="module")
def cutter(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cutter]:
    """The series of the tests that were asked for, begun all at once."""
    try:
        within = alone()
    except UnavailableError as error:
        need(is_there=False, layer="L2", reason=str(error))
    count = max(2, len(os.sched_getaffinity(0)))
    with Warm(count=count, within=within) as warm, ThreadPoolExecutor(count) as pool:
        cutter = Cutter(tmp_path_factory.mktemp("power"), warm, pool)
        calls = [getattr(item, "callspec", None) for item in request.session.items if item.module is request.module]
        cutter.ask([call.params["series"] for call in calls if call is not None and "series" in call.params])
        yield cutter
        pool.shutdown(cancel_futures=True)


def test_what_is_not_judged_is_counted() -> None:
    """The page says which cells say nothing, and why."""
    system, scenario = _UNTOLD
    why = "its loss was seen: a folder removed and made again is dropped by e2fsck, though synced; not understood"
    note(Cell(layer="L2", scenario=scenario, fault="power cut, copied", where=system, verdict="skipped", note=why))
    assert not [series for series in (*TENDED, *EVERY) if (series.system, series.scenario) == _UNTOLD]


@pytest.mark.invariant("I2", "I3", "I5")
@pytest.mark.parametrize("series", [*SERIES, *MORE, *TENDED], ids=_id)
def test_cut_off_anywhere_a_partition_is_whole_and_what_was_acknowledged_stays(
    cutter: Cutter, series: Series
) -> None:
    found = cutter.found(series)
    assert wrong(found) == []
    assert found[-1]["at"] == "after exit code 0"
    assert all(cell["at"].startswith("before call") for cell in found[:-1])


@pytest.mark.invariant("I4", "I5")
@pytest.mark.parametrize("series", GONE, ids=_id)
def test_a_disk_that_goes_while_a_run_writes_is_told_and_what_was_acknowledged_stays(
    cutter: Cutter, series: Series
) -> None:
    assert wrong(cutter.found(series)) == []


def test_each_mutant_that_should_lose_something_is_cut_off() -> None:
    assert {series.subject for series in SPOILED} == {name for name in MUTANTS if "L2" in MUTANTS[name].dies_by}


@pytest.mark.parametrize("series", SPOILED, ids=_id)
def test_who_does_not_sync_is_seen_to_lose_what_was_acknowledged(cutter: Cutter, series: Series) -> None:
    assert any("after exit code 0: " in text for text in wrong(cutter.found(series)))


@pytest.mark.parametrize(("name", "cut"), CUTS)
def test_what_was_written_and_not_synced_is_lost(cutter: Cutter, name: str, cut: str) -> None:
    cutter.require(name, cut)
    assert cutter.call("kept_of_a_plain_write", name, cut).result() == 0


@pytest.mark.sweep
@pytest.mark.invariant("I2", "I3", "I5")
@pytest.mark.parametrize("series", EVERY, ids=_id)
def test_cut_off_at_each_call_of_each_scenario(cutter: Cutter, series: Series) -> None:
    assert wrong(cutter.found(series)) == []


@pytest.mark.invariant("I2", "I3", "I5")
@pytest.mark.parametrize(
    ("system", "number"),
    [
        (_UNJOURNALED, 11),
        *(pytest.param(name, number, marks=pytest.mark.sweep) for name in FILE_SYSTEMS for number in range(2, 24, 3)),
    ],
)
def test_cut_off_while_it_makes_good_what_a_cut_left_it_is_made_good_by_the_next(
    cutter: Cutter, system: str, number: int
) -> None:
    cut = FILE_SYSTEMS[system].cuts[0]
    cutter.require(system, cut)
    series = Series(system=system, cut=cut, scenario="replace", first=2, stride=3)
    assert noted(series, cutter.call("cells_twice", asdict(series), number).result()) == []
