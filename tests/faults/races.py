"""Two writers of one lake: the first is stopped before its nth call, the second runs to its end, the first goes on.

Knows who stands where. What is right of a lake, the oracle knows.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from faults import mutants
from faults.calls import STOP, armed, outcome_of, traced
from faults.oracle import Look, by_engines, converged, told
from faults.scenarios import NEW, SCENARIOS, Outcome, Place, Scenario
from faults.warm import Forked, in_child

__all__ = ["race"]

# Written while the first one stands: whatever it has read of January until then is old.
_NEWER: Final = NEW.replace("1,2018-01-05,eu,completed", "1,2018-01-05,eu,shipped")
_JANUARY: Final = "monthly_orders/partition_date=2018-01"
_ROWS: Final = {"completed": 2, "shipped": 1}


def _scenario(name: str) -> Scenario:
    return replace(SCENARIOS[name], new={_JANUARY: _ROWS})


def race(folder: str, name: str, number: int, before: Mapping[str, Any], mutant: str = "") -> dict[str, Any]:
    """One cell: where the first writer stood, and what was violated."""
    place = Path(folder) / re.sub(r"\W+", "-", f"{mutant}-race-{number}")
    shutil.copytree(Path(folder) / "base", place)
    first = Forked(_write, str(place), name, number, mutant)
    _, status = os.waitpid(first.pid, os.WUNTRACED)
    if not os.WIFSTOPPED(status):
        shutil.rmtree(place)
        return {"kind": "end", "path": "", "violations": []}
    Place(place).orders(_NEWER)
    second = Forked(_write, str(place), name, 0, mutant)
    _until_it_ends_or_waits(second.pid)
    os.kill(first.pid, signal.SIGCONT)
    ends = [first.ended(), second.ended()]
    outcomes = [outcome_of(child) for child in ends]
    judged = in_child(_judge, str(place), name, before, [outcome.to_json() for outcome in outcomes])
    shutil.rmtree(place)
    violations = judged.value if judged.code == 0 else [f"the judge: {judged.fault or judged.code}"]
    at = traced(ends[0], place)[number - 1]
    return {"kind": at.name, "path": at.path, "violations": violations}


def _write(folder: str, name: str, number: int, mutant: str, *, say: int) -> Any:
    place = Place(Path(folder))
    if mutant:
        mutants.apply(mutant)
    return armed(
        place.folder, number, STOP if number else None, lambda: place.run(*SCENARIOS[name].args).to_json(), say
    )


def _until_it_ends_or_waits(pid: int) -> None:
    """Return when a process has ended, or waits for a lock that somebody else holds."""
    while os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
        locks = Path("/proc/locks").read_text(encoding="ascii").splitlines()
        if any(" -> " in line and f" {pid} " in line for line in locks):
            return
        time.sleep(0.002)


def _judge(folder: str, name: str, before: Mapping[str, Any], outcomes: list[Mapping[str, Any]]) -> list[str]:
    place, scenario, then = Place(Path(folder)), _scenario(name), Look.from_json(before)
    wrong = []
    for who, found in zip(("first", "second"), map(Outcome.from_json, outcomes), strict=True):
        wrong += [f"{line} (the {who})" for line in told(found)]
        if found.code != 0:
            wrong.append(f"kept: the {who} ends with {found.code}: {found.err}")
    wrong += _published(place)
    return wrong + converged(place, scenario, then)


def _published(place: Place) -> Iterator[str]:
    """Both said that they are done: what everybody sees is made of the newest orders."""
    file = place.lake / _JANUARY / "part.parquet"
    if not file.exists():
        yield "kept: both ended with 0, and January is not there"
        return
    found = by_engines(file)
    if found != [_ROWS] * 3:
        yield f"kept: both ended with 0, and January holds {found[0]}"
    through = dict(place.lakehouse().scan("monthly_orders", "2018-01").select("status", "order_num").collect().rows())
    if through != _ROWS:
        yield f"read: both ended with 0, and the lake has {through}"
