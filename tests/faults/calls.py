"""L1: the nth call of a command that changes a file fails, or is the last one that its process makes.

Knows the shim, which faults a call may have, and what is right of the calls that come after one. What is right of a
lake, the oracle knows.
"""

from __future__ import annotations

import ctypes
import errno
import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

from faults import mutants
from faults.care import CARE
from faults.oracle import Look, by_engines, check, look
from faults.scenarios import SCENARIOS, Outcome, Place, Scenario
from faults.warm import Child, in_child

__all__ = [
    "FAULTS",
    "Call",
    "Fault",
    "armed",
    "build_shim",
    "cell",
    "counts",
    "numbers",
    "outcome_of",
    "prepare",
    "sample",
    "steady",
]

SOURCE: Final = Path(__file__).with_name("shim.c")
_NO_SYNC: Final = 1  # nobody pulls the plug here: waiting for the disk would only take time
_COUNT, _FAIL, _FAIL_ON, _FAIL_ALL_ON, _KILL, _SHORT, _TORN, _STOP = range(8)


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at a call.

    Attributes:
        name: as the page has it.
        action: the shim's number for it.
        code: the error's, if it is one.
        told: what the lake calls that error.
        only: the calls that it can happen to; empty: all.
    """

    name: str
    action: int
    code: int = 0
    told: str = ""
    only: tuple[str, ...] = ()

    @property
    def is_kill(self) -> bool:
        return self.action in (_KILL, _TORN)


# Rights are asked where a name is looked up; who has a file open may write to it.
_BY_NAME: Final = ("open", "mkdir", "rename", "link", "unlink", "rmdir", "chmod", "utime")

FAULTS: Final[Mapping[str, Fault]] = {
    fault.name: fault
    for fault in (
        Fault("KILL", _KILL),
        Fault("KILL in a write", _TORN, only=("write",)),
        Fault("EIO", _FAIL, errno.EIO, "disk-failed"),
        Fault("ENOSPC", _FAIL, errno.ENOSPC, "disk-full"),
        Fault("EDQUOT", _FAIL, errno.EDQUOT, "disk-quota"),
        Fault("EROFS", _FAIL, errno.EROFS, "read-only"),
        Fault("EACCES", _FAIL, errno.EACCES, "no-rights", only=_BY_NAME),
        Fault("EINTR", _FAIL, errno.EINTR),
        Fault("short write", _SHORT, only=("write",)),
        Fault("ENOSPC from there on", _FAIL_ON, errno.ENOSPC, "disk-full"),
        Fault("EROFS from there on", _FAIL_ALL_ON, errno.EROFS, "read-only"),
    )
}
_ALL: Final = {**SCENARIOS, **CARE}
STOP: Final = Fault("STOP", _STOP)  # no fault of its own: somebody else goes on meanwhile
_INTERRUPTIBLE: Final = ("open", "write", "fsync", "truncate")  # the others, no local file system interrupts
_AFTER_THE_COMMIT: Final = ("durability-unconfirmed", "not-projected")
_STAGED: Final = re.compile(r"lake/\.lake/staging/[^/]+/[^/]+")
# What can be computed again: whether it is written depends on the clock, and nobody relies on it.
_CACHE: Final = re.compile(r"user-cache(/.*)?|lake/\.lake/cache(/.*)?")


class Call(NamedTuple):
    """One call that changes files, its paths relative to the place."""

    name: str
    path: str
    source: str = ""

    @property
    def is_cache(self) -> bool:
        return _CACHE.fullmatch(self.path) is not None


def steady(path: str) -> str:
    """A path without what differs from run to run."""
    path = re.sub(r"\d{8}T\d{6}-[0-9a-f]{8}", "<run>", path)
    path = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22,}", "<id>", path)
    return re.sub(r"[0-9a-f]{64}|tmp\w{8}|json\.\d+-\d+", "<name>", path)


def counts(calls: Sequence[Call]) -> str:
    """How many there are of each kind, caches aside."""
    found = Counter(call.name for call in calls if not call.is_cache)
    return ", ".join(f"{number} {name}" for name, number in sorted(found.items()))


def numbers(calls: Sequence[Call], fault: Fault) -> list[int]:
    """The calls, counted from 1, that a fault can happen to."""
    return [number for number, call in enumerate(calls, 1) if not fault.only or call.name in fault.only]


def sample(calls: Sequence[Call], fault: Fault, *, of: int, at: int) -> list[int]:
    """One call in so many, and the first of each kind: the same ones in each run, others for each `at`."""
    all_of_them = numbers(calls, fault)
    firsts: dict[str, int] = {}
    for number in all_of_them:
        firsts.setdefault(calls[number - 1].name, number)
    strided = all_of_them[at % of :: of]
    turns = [number for turn, number in enumerate(firsts.values()) if turn % 3 == at % 3]
    return sorted({*strided, *turns})


def build_shim(folder: Path) -> Path:
    """The shim as a library, from its source."""
    library = folder / "shim.so"
    options = ["-O2", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC"]
    subprocess.run(["gcc", *options, "-o", str(library), str(SOURCE), "-ldl"], check=True, capture_output=True)
    return library


def armed(root: Path, number: int, fault: Fault | None, act: Callable[[], Any], say: int) -> Any:
    """What an action gives while the shim watches the calls below a root, and says each."""
    shim = ctypes.CDLL(None)
    action, code = (fault.action, fault.code) if fault else (_COUNT, 0)
    shim.faults_arm.argtypes = [ctypes.c_char_p, ctypes.c_long, *[ctypes.c_int] * 4]
    shim.faults_arm(str(root).encode(), number, action, code, _NO_SYNC, say)
    try:
        return act()
    finally:
        shim.faults_disarm()


def traced(child: Child, place: Path) -> list[Call]:
    """The calls that a child made, or was about to make."""
    lines = [line.split("\t") for line in child.said.splitlines()]
    return [Call(name, *(path.removeprefix(f"{place}/") for path in paths)) for name, *paths in lines]


def outcome_of(child: Child) -> Outcome:
    """What became of the command in a child."""
    if child.code == 0:
        return Outcome.from_json(child.value)
    if child.code is not None and child.code > 0:
        return Outcome(code=70, err=child.fault)
    return Outcome(code=child.code)


# In the warm process


def prepare(folder: str, name: str) -> dict[str, Any]:
    """A scenario's lake, the look of it, and the calls that its command makes where nothing fails."""
    base, spare = Path(folder) / "base", Path(folder) / "spare"
    before = Look.from_json(in_child(_begin, str(base), name).answer())
    shutil.copytree(base, spare)
    child = in_child(_act, str(spare), name, "", 0, "")
    assert outcome_of(child).code == 0, outcome_of(child)
    before.read = in_child(_read_all, str(base), str(spare)).answer()
    shutil.rmtree(spare)
    return {"before": before.to_json(), "calls": traced(child, spare)}


def _begin(folder: str, name: str) -> Any:
    place = Place(Path(folder))
    place.begin()
    _ALL[name].prepare(place)
    return look(place).to_json()


def _read_all(*folders: str) -> dict[str, dict[str, int]]:
    """By digest, the rows of all that lies in these trees, in which three engines agree."""
    read = {}
    for place in (Place(Path(folder)) for folder in folders):
        for path, (digest, _, _) in look(place).hive.items():
            first, *others = by_engines(place.lake / path)
            assert others == [first, first], path
            read[digest] = dict(first)
    return read


def _act(folder: str, name: str, fault: str, number: int, mutant: str, *, say: int) -> Any:
    """Run a scenario's command with a fault at its nth call."""
    place = Place(Path(folder))
    if mutant:
        mutants.apply(mutant)
    return armed(place.folder, number, FAULTS.get(fault), lambda: place.run(*_ALL[name].args).to_json(), say)


def cell(
    folder: str, name: str, fault: str, number: int, before: Mapping[str, Any], mutant: str = ""
) -> dict[str, Any]:
    """One cell: the command with its fault, where it was, and what was violated."""
    place = Path(folder) / re.sub(r"\W+", "-", f"{mutant}-{fault}-{number}")
    shutil.copytree(Path(folder) / "base", place)
    child = in_child(_act, str(place), name, fault, number, mutant)
    outcome, calls = outcome_of(child), traced(child, place)
    judged = in_child(_judge, str(place), name, before, outcome.to_json(), mutant)
    shutil.rmtree(place)
    violations = judged.value if judged.code == 0 else [f"the judge: {judged.fault or judged.code}"]
    at = calls[number - 1] if len(calls) >= number else Call("end", "")
    violations += [
        *_misjudged(_ALL[name], FAULTS[fault], at, outcome),
        *_synced_again(FAULTS[fault], number, calls, outcome),
    ]
    return {"kind": at.name, "path": at.path, "outcome": outcome.to_json(), "violations": violations}


def _judge(folder: str, name: str, before: Mapping[str, Any], outcome: Mapping[str, Any], mutant: str) -> list[str]:
    if mutant:
        mutants.apply(mutant)
    return check(Place(Path(folder)), _ALL[name], Look.from_json(before), Outcome.from_json(outcome))


def _misjudged(scenario: Scenario, fault: Fault, at: Call, outcome: Outcome) -> Iterator[str]:
    """Whether the command took the fault for what it is."""
    if at.name == "end":  # threads came in another order, and there was no such call
        return
    is_harmless = fault.name == "short write" or (fault.name == "EINTR" and at.name in _INTERRUPTIBLE)
    if is_harmless and outcome.code != 0:
        yield f"told: {fault.name} of {at.name} is no failure, and ended with {outcome.code}: {outcome.err}"
    if at.is_cache and not fault.is_kill and "on" not in fault.name.split() and outcome.code != 0:
        yield f"told: a cache was not written, and that ended the command with {outcome.code}: {outcome.err}"
    if fault.is_kill and outcome.code != -signal.SIGKILL:
        yield f"the shim did not kill at {at}"
    if fault.told and outcome.code:
        named = re.findall(r"error\[([a-z-]+)\]", outcome.err)
        if outcome.code not in (4, *scenario.codes) or not {*named} & {fault.told, *_AFTER_THE_COMMIT}:
            yield f"told: {fault.name} is called {named}, exit code {outcome.code}"


def _synced_again(fault: Fault, number: int, calls: Sequence[Call], outcome: Outcome) -> Iterator[str]:
    """What follows a sync that failed: the kernel calls the lost pages clean, and the second one succeeds."""
    if not fault.code or fault.code == errno.EINTR or len(calls) < number or calls[number - 1].name != "fsync":
        return
    path, after = calls[number - 1].path, calls[number:]
    if _STAGED.fullmatch(path):
        if any(call.name == "fsync" and call.path == path for call in after):
            yield f"kept: {path} was synced again after that had failed"
        if any(call.source == path for call in after):
            yield f"kept: {path} got its name though its sync had failed"
    elif outcome.code == 0:
        yield f"kept: the sync of {path} failed, and the exit code is 0"
