"""Whole processes measured, one after the other: wall, CPU, peak memory.

Knows how contenders take turns. Refuses to know what they do.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

__all__ = ["Case", "Contender", "ProcessError", "interleaved", "measured"]

ROOT: Final = Path(__file__).parent.parent.parent


class ProcessError(Exception):
    """A process that was to be measured failed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Contender:
    """One way to do a job.

    Attributes:
        name: as the table shows it.
        command: the process that is measured.
        target: the folder or file that it makes.
        prepare: what runs first, unmeasured, whenever the target was removed.
        is_kept: whether it finds what its last run left; the target is removed before each run otherwise.
        is_once: whether it is measured in the first round, and never again.
        folder: where it runs.
        units: how many partitions it is about, where a row tells the cost of each.
        floor: the name of the one that it is compared with; empty: the case's.
    """

    name: str
    command: Sequence[str]
    target: Path
    prepare: Sequence[Sequence[str]] = ()
    is_kept: bool = False
    is_once: bool = False
    folder: Path | None = None
    units: int | None = None
    floor: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Contenders that do the same job.

    Attributes:
        key: by which it is asked for.
        title: as the table shows it.
        contenders: in the order of their turns.
        floor: the name of the one that the others are compared with.
        rounds: how often each is measured.
        warms_up: whether a first round is not counted.
        facts: tells what a target holds, which is to be the same for all; None: nothing to compare.
        expected: what it is to hold.
        measure: what is measured of a contender; None: wall, CPU and memory of its process.
        shows_difference: whether the difference to the floor is what one wants to know.
    """

    key: str
    title: str
    contenders: Sequence[Contender]
    floor: str
    rounds: int
    warms_up: bool = True
    facts: Callable[[Path], str] | None = None
    expected: Callable[[], str] = field(default=lambda: "")
    measure: Callable[[Contender], dict[str, float]] | None = None
    shows_difference: bool = False


def environment() -> dict[str, str]:
    """The environment, but with compiled modules kept: without them imports take three times as long."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"PYTHONPATH": str(ROOT)}


def measured(command: Sequence[str], folder: Path | None = None) -> dict[str, float]:
    """Seconds of wall and CPU, and the peak of memory in bytes, of one process with those that it waited for.

    Raises:
        ProcessError: it failed; with the last of what it said.
    """
    os.sync()  # what the one before left unwritten is not this one's to wait for
    # Isolated, so that the small process in between loads nothing; the command is a Python of its own.
    watched = [sys.executable, "-I", "-S", str(ROOT / "tests" / "bench" / "one_process.py"), *command]
    done = subprocess.run(watched, cwd=folder, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode:
        raise ProcessError(f"exit {done.returncode}: {done.stderr[-2000:]}")
    figure: dict[str, float] = json.loads(done.stdout)
    return figure


def interleaved(case: Case, say: Callable[[str], None]) -> dict[str, Any]:
    """The figures of a case: the contenders take turns, round after round; one that fails takes none any more."""
    figures: dict[str, list[dict[str, float]]] = {contender.name: [] for contender in case.contenders}
    failed: dict[str, str] = {}
    facts: dict[str, str] = {}
    for number in range(case.rounds + case.warms_up):
        for contender in case.contenders:
            if contender.name in failed or (contender.is_once and number):
                continue
            try:
                figure = _turn(contender, case.measure)
            except ProcessError as error:
                failed[contender.name] = str(error)
                say(f"{case.key}: {contender.name} failed: {error}")
                continue
            if case.facts is not None and contender.name not in facts:
                facts[contender.name] = case.facts(contender.target)
            if number or not case.warms_up or contender.is_once:
                figures[contender.name].append(figure)
            say(f"{case.key}, round {number}: {contender.name}: " + _shown(figure))
    expected = case.expected()
    for contender in case.contenders:
        _removed(contender.target)
    return {
        "key": case.key,
        "title": case.title,
        "floor": case.floor,
        "shows_difference": case.shows_difference,
        "contenders": [
            {
                "name": one.name,
                "units": one.units,
                "floor": one.floor or case.floor,
                "figures": figures[one.name],
                "failed": failed.get(one.name),
                "same_rows": None if one.name not in facts else facts[one.name] == expected,
            }
            for one in case.contenders
        ],
    }


def _turn(contender: Contender, measure: Callable[[Contender], dict[str, float]] | None) -> dict[str, float]:
    if not contender.is_kept:
        _removed(contender.target)
    if not contender.target.exists():
        contender.target.parent.mkdir(parents=True, exist_ok=True)
        for command in contender.prepare:
            measured(command, contender.folder)
    if measure is not None:
        return measure(contender)
    figure = measured(contender.command, contender.folder)
    return figure | {"out_bytes": _size(contender.target)}


def _shown(figure: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {value:,.2f}" for name, value in figure.items())


def _removed(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def _size(path: Path) -> int:
    """Bytes of a file, or of the files below a folder; a file of two names counts once."""
    if not path.is_dir():
        return path.stat().st_size if path.exists() else 0
    sizes: dict[int, int] = {}
    for folder, _, names in os.walk(path):
        for status in (os.lstat(f"{folder}/{name}") for name in names):
            sizes[status.st_ino] = status.st_size
    return sum(sizes.values())
