"""L2: the power is cut before a call of a command, or right after its end; then the disk is mounted again and judged.

Knows when to cut. Knows nothing of what is right afterwards, nor of how a file system is stopped. What it does is
done in a process of `faults.warm` that has a mount namespace of its own.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import os
import shutil
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from faults import mutants
from faults.calls import outcome_of, steady
from faults.care import CARE
from faults.mounts import FILE_SYSTEMS, Cut, FileSystem, UnavailableError, copy, mend, mounted, power_cut, tmpfs
from faults.oracle import Look, by_engines, check, look
from faults.scenarios import SCENARIOS, Outcome, Place, Scenario
from faults.warm import Child, in_child

__all__ = ["Series", "cells", "cells_twice", "kept_of_a_plain_write", "why_not"]

_ALL: Final = {**SCENARIOS, **CARE}
_MEMORY: Final = "size=1g"  # for sparse images: some tens of megabytes are used


@dataclass(frozen=True, slots=True)
class _Disk:
    """A disk that can be had again and again as it was prepared."""

    system: FileSystem
    folder: Path

    @property
    def place(self) -> Place:
        return Place(self.folder / "mount/place")

    @contextlib.contextmanager
    def powered(self, cut: Cut, base: str = "base") -> Iterator[Callable[[], None]]:
        """The disk as it was prepared, mounted, and what cuts its power."""
        image, survivor = self.folder / "image", self.folder / "survivor"
        image.unlink(missing_ok=True)
        survivor.unlink(missing_ok=True)
        copy(self.folder / base, image)
        with mounted(self.system, image, self.folder / "mount") as mount:
            yield power_cut(cut, image, mount, survivor)
        mend(self.system, survivor)

    @contextlib.contextmanager
    def restarted(self) -> Iterator[None]:
        """What was left of it, mounted again."""
        with mounted(self.system, self.folder / "survivor", self.folder / "mount"):
            yield

    def keep(self, base: str) -> None:
        """Have what was left of it as what is prepared."""
        (self.folder / "survivor").replace(self.folder / base)


@contextlib.contextmanager
def _prepared(folder: Path, name: str, prepare: Callable[[Place], Any]) -> Iterator[tuple[_Disk, Any]]:
    """A disk on which something was prepared, and what that gave."""
    disk = _Disk(FILE_SYSTEMS[name], folder / "disk")
    with tmpfs(disk.folder, _MEMORY):
        disk.system.format(disk.folder / "base")
        with mounted(disk.system, disk.folder / "base", disk.folder / "mount"):
            given = in_child(prepare, disk.place).answer()
        yield disk, given


def why_not(folder: str, name: str, cut: Cut) -> str | None:
    """Why this machine cannot cut the power of a file system so; None where it can."""
    try:
        with _prepared(Path(folder), name, Place.begin) as (disk, _):
            with disk.powered(cut) as stop:
                stop()
            with disk.restarted():
                return None
    except (UnavailableError, OSError) as error:
        return str(error)


# The lake


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """Cells that share a prepared disk: one a cut, from the first call on by a stride, and one after the end.

    Attributes:
        system: on which file system.
        cut: how the power is cut.
        scenario: what is done.
        subject: who does it.
        first: the call before which it is cut first.
        stride: from there on, before every so manyth.
        is_alive: whether only the disk goes, and the command has to say so.
    """

    system: str
    cut: Cut
    scenario: str
    subject: str = "lakehouse"
    first: int = 1
    stride: int = 1
    is_alive: bool = False

    @property
    def fault(self) -> str:
        """As figures call it."""
        return "the disk goes" if self.is_alive else f"power cut, {self.cut}"


def cells(folder: str, asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Where each cell of a series was cut off, and what was wrong."""
    series = Series(**asked)
    with _prepared(Path(folder), series.system, lambda place: _prepare(place, series)) as (disk, given):
        return [*_cells(disk, series, Look.from_json(given))]


def cells_twice(folder: str, asked: Mapping[str, Any], number: int) -> list[dict[str, Any]]:
    """The same of the command that makes good what a cut before the nth call left: it is cut off in its turn."""
    series = Series(**asked)
    with _prepared(Path(folder), series.system, lambda place: _prepare(place, series)) as (disk, given):
        once = _cut_off(disk, series, number)
        disk.keep("once")
        found = _cells(disk, series, Look.from_json(given), base="once")
        return [{**cell, "at": f"{once.said}; again, {cell['at']}"} for cell in found]


def _cells(disk: _Disk, series: Series, before: Look, *, base: str = "base") -> Iterator[dict[str, Any]]:
    for number in itertools.count(series.first, series.stride):
        cut = _cut_off(disk, series, number, base=base)
        with disk.restarted():
            judged = in_child(_judge, disk.place, _ALL[series.scenario], before, cut)
        wrong = judged.value if judged.code == 0 else [f"the judge: {judged.fault or judged.code}"]
        yield {"at": cut.said, "violations": wrong}
        if not _is_cut(cut):
            return


def _judge(place: Place, scenario: Scenario, before: Look, cut: Child) -> list[str]:
    """What is wrong with what the disk had: all that a command left is there, if it came to its end."""
    if cut.code != 0:
        return check(place, scenario, before, outcome_of(cut))
    outcome, left, wrong = Outcome.from_json(cut.value["outcome"]), cut.value["left"], []
    if outcome.code == 0 and not _is_cut(cut):
        now = _files(place)
        wrong += [f"kept: {steady(path)} is lost" for path in left if now.get(path) != left[path]]
        wrong += [f"kept: {steady(path)} is back again" for path in now if path not in left]
    return [*wrong, *check(place, scenario, before, outcome)]


def _files(place: Place) -> dict[str, str]:
    """By path, what lies in a lake, and is neither unseen work nor kept to save time."""
    found = {}
    for path in sorted(place.lake.rglob("*")):
        relative = path.relative_to(place.lake).as_posix()
        if path.is_file() and not relative.startswith((".lake/staging/", ".lake/cache/")):
            found[relative] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def _is_cut(child: Child) -> bool:
    """Whether the command had a call to be cut off at."""
    return child.said.startswith("before")


def _cut_off(disk: _Disk, series: Series, number: int, *, base: str = "base") -> Child:
    with disk.powered(series.cut, base) as stop:
        return in_child(_act, disk.place, series, number, stop)


def _prepare(place: Place, series: Series) -> dict[str, Any]:
    """A scenario's lake; the look of it, with what three engines read in all that its command leaves."""
    scenario = _ALL[series.scenario]
    place.begin()
    scenario.prepare(place)
    before, spare = look(place), Place(place.folder.with_name("spare"))
    shutil.copytree(place.folder, spare.folder)
    spare.run(*scenario.args)
    for where in (place, spare):
        for path, (digest, _, _) in look(where).hive.items():
            first, *others = by_engines(where.lake / path)
            assert others == [first, first], path
            before.read[digest] = dict(first)
    shutil.rmtree(spare.folder)
    return before.to_json()


def _act(place: Place, series: Series, number: int, stop: Callable[[], None], *, say: int) -> dict[str, Any]:
    """Run the command until its nth call, or to its end; then there is no power any more."""
    from lakehouse import disk

    if series.subject in mutants.MUTANTS:
        mutants.apply(series.subject)
    count = itertools.count(1)
    calls = disk.Disk._call

    def cut_off(lake: disk.Disk, name: str, path: Path) -> None:
        if next(count) == number:
            stop()
            os.write(
                say, f"before call {number}, {name} {steady(path.relative_to(place.folder).as_posix())}".encode()
            )
            if not series.is_alive:
                os.kill(os.getpid(), signal.SIGKILL)
        calls(lake, name, path)

    disk.Disk._call = cut_off  # type: ignore[method-assign]
    disk._SYNC_THREADS = 1  # type: ignore[misc]  so that the same call is the nth each time
    outcome, left = place.run(*_ALL[series.scenario].args), dict[str, str]()
    if next(count) <= number:
        left = _files(place)
        stop()
        os.write(say, f"after exit code {outcome.code}".encode())
    return {"outcome": outcome.to_json(), "left": left}


def kept_of_a_plain_write(folder: str, name: str, cut: Cut) -> int:
    """How many bytes of a file are there that was written, and not synced, before the power was cut."""
    with _prepared(Path(folder), name, Place.begin) as (disk, _):
        file = disk.place.folder / "plain"
        with disk.powered(cut) as stop:
            file.write_bytes(b"acknowledged")
            stop()
        with disk.restarted():
            return file.stat().st_size if file.exists() else 0
