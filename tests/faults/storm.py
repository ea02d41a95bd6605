"""L4: writers of the same keys that are killed at random and begin again, beside readers who must not notice.

Knows who runs when, and who is killed. Knows nothing of what a reader may see: `faults.crowd` does.

Everything is forked from a process that has used no engine (`faults.warm`), so that a writer begins in milliseconds.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import random
import re
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

from faults import crowd, readers
from faults.warm import in_child

if TYPE_CHECKING:
    from faults.scenarios import Place

__all__ = ["storm"]

_SELECTIONS: Final = ("k0,k1,k2,k3,k4", "k3,k4,k5,k6,k7", "all", "k0,k4,k7")  # one a writer; they overlap
_LEFT_ALONE: Final = "left alone"
_WAYS: Final = {  # how a writer is ended: by which signals, how likely
    "KILL": ((signal.SIGKILL,), 6),
    "TERM": ((signal.SIGTERM,), 2),
    "INT": ((signal.SIGINT,), 2),
    "INT, INT": ((signal.SIGINT, signal.SIGINT), 2),
    "HUP": ((signal.SIGHUP,), 1),
    _LEFT_ALONE: ((), 4),
}
_ENDS: Final = {0, 130, 143, -signal.SIGKILL, -signal.SIGTERM, -signal.SIGHUP}
_SPILLED: Final = re.compile(r"Traceback|panicked|Exception ignored|error\[(?!race-lost)[a-z-]+\]")
_PATIENCE: Final = 60  # seconds, of which a writer takes less than one


@dataclass(slots=True)
class Writer:
    """One command at work, on a content of its own or a newer one.

    Attributes:
        number: which of the writers.
        pid: its process.
        said: where its output goes.
        generation: of the content.
        began: when.
        way: how it is ended.
        signals: which are yet to be sent, and when the next one is.
    """

    number: int
    pid: int
    said: Path
    generation: int
    began: float
    way: str
    signals: list[tuple[float, int]]

    @property
    def keys(self) -> Sequence[str]:
        """The keys that it makes."""
        selection = _SELECTIONS[self.number]
        return crowd.KEYS if selection == "all" else selection.split(",")

    def send(self, now: float) -> None:
        """Send what is due."""
        while self.signals and self.signals[0][0] <= now:
            os.kill(self.pid, self.signals.pop(0)[1])

    def ended(self) -> int | None:
        """Its exit code, below 0 the signal that ended it; None while it runs."""
        pid, status = os.waitpid(self.pid, os.WNOHANG)
        if not pid and time.monotonic() - self.began > _PATIENCE:
            os.kill(self.pid, signal.SIGKILL)
            raise TimeoutError(f"a writer that was to be ended by {self.way} hung: {self.said.read_text()}")
        return os.waitstatus_to_exitcode(status) if pid else None


def storm(
    folder: str,
    seconds: float,
    seed: int,
    watched: Sequence[str],
    grace: str,
    killed: Literal["at random", "never"],
) -> dict[str, Any]:
    """What came of so many seconds: what is wrong, and how often what was done.

    Args:
        folder: of the project; made anew.
        seconds: how long.
        seed: of what is done to whom, and when.
        watched: which readers look on, by their names in `readers.READERS`.
        grace: how long versions that are superseded stay.
        killed: whether writers are.
    """
    place = crowd.begin(Path(folder), grace=grace)
    in_child(_first, place).answer()
    reading = {
        name: _forked(_reading(place, name), place.folder / f"reader-{number}") for number, name in enumerate(watched)
    }
    rage = _Rage(place=place, chance=random.Random(seed), is_calm=killed == "never")  # noqa: S311
    rage.go_on_for(seconds)
    readers.stop(place)
    wrong = rage.wrong
    answers = {}
    for name, (pid, said) in reading.items():
        if os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]):
            wrong.append(f"the reader {name} ended: {said.read_text()}")
        else:
            answers[name] = json.loads(said.read_text())
    found = in_child(_judge, place, answers, rage.acknowledged).answer()
    return {"wrong": wrong + found["wrong"], "ends": rage.ends, "sent": rage.sent, **found["figures"]}


def _first(place: Place) -> None:
    _write(place, "all")()


def _write(place: Place, selection: str) -> Callable[[], None]:
    def act() -> None:
        from lakehouse import cli

        os.fsync = lambda _: None  # nobody pulls the plug here: waiting for the disk would only take time
        code = cli.run(["-C", str(place.folder), "materialize", selection, "-q"])
        sys.stdout.flush()
        os._exit(code)

    return act


def _reading(place: Place, name: str) -> Callable[[], None]:
    def act() -> None:
        print(json.dumps(readers.read_until_told(place, name)), flush=True)  # noqa: T201

    return act


def _forked(act: Callable[[], None], said: Path) -> tuple[int, Path]:
    """A child that acts, and where its output goes."""
    if pid := os.fork():
        return pid, said
    code = 1
    try:
        descriptor = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o666)
        os.dup2(descriptor, 1)
        os.dup2(descriptor, 2)
        sys.stdout = os.fdopen(1, "w", closefd=False)
        act()
        code = 0
    except KeyboardInterrupt:  # before the command was there to hear of it
        code = 130
    except BaseException:  # noqa: BLE001  whatever it is, the child ends here
        os.write(2, traceback.format_exc().encode())
    finally:
        os._exit(code)


class _Rage:
    """Keeps every writer at work, and ends each at its moment."""

    def __init__(self, *, place: Place, chance: random.Random, is_calm: bool) -> None:
        self._place = place
        self._chance = chance
        self._is_calm = is_calm
        self._usual = 0.3  # seconds that a writer takes; learned
        self.wrong: list[str] = []
        self.ends: Counter[str] = Counter()
        self.sent: Counter[str] = Counter()
        self.acknowledged = dict.fromkeys(crowd.KEYS, 0)

    def go_on_for(self, seconds: float) -> None:
        """Until the time is over and every writer has ended."""
        end = time.monotonic() + seconds
        writers = [self._begin(number) for number in range(len(_SELECTIONS))]
        while writers:
            now, going = time.monotonic(), []
            for writer in writers:
                writer.send(now)
                if (code := writer.ended()) is None:
                    going.append(writer)
                    continue
                self._take(writer, code)
                if now < end:
                    going.append(self._begin(writer.number))
            writers = going
            time.sleep(0.001)

    def _begin(self, number: int) -> Writer:
        generation = crowd.next_generation(self._place)
        said = self._place.folder / f"writer-{number}"
        pid, _ = _forked(_write(self._place, _SELECTIONS[number]), said)
        way = self._chance.choices(list(_WAYS), [likely for _, likely in _WAYS.values()])[0]
        way, began = _LEFT_ALONE if self._is_calm else way, time.monotonic()
        first = began + self._chance.uniform(0, 1.2 * self._usual)
        signals = [(first + later * self._usual / 8, number) for later, number in enumerate(_WAYS[way][0])]
        return Writer(number, pid, said, generation, began, way, signals)

    def _take(self, writer: Writer, code: int) -> None:
        said = writer.said.read_text()
        spilled = _SPILLED.search(said)
        is_lost = code == 1 and "error[race-lost]" in said
        if spilled or not (code in _ENDS or is_lost):
            self.wrong.append(f"a writer, {writer.way}, ended with {code}: {said}")
        self.sent[writer.way] += 1
        self.ends["lost three races" if is_lost else str(code)] += 1
        if code == 0:
            self._usual += (time.monotonic() - writer.began - self._usual) / 8
            for key in writer.keys:
                self.acknowledged[key] = max(self.acknowledged[key], writer.generation)


# What it came to


def _judge(place: Place, answers: dict[str, Any], acknowledged: dict[str, int]) -> dict[str, Any]:
    """What is wrong with the answers of readers and with what was left; and the figures."""
    allowed = {asset: crowd.states(place, asset) for asset in ("batches", "sums")}
    wrong = [*_history(allowed["batches"], acknowledged)]
    counted = {}
    for name, found in answers.items():
        items = [
            crowd.Reading(item["state"], item["fault"], item["torn"]) for item in found for _ in range(item["times"])
        ]
        errors, torn, mixed = crowd.judged(items, allowed["batches"])
        if name in readers.PLAIN:
            mixed = []  # each partition is the old one or the new one, by no commit's rule
        if name not in readers.OPENING_TWICE:
            wrong += [f"{name}: {text}" for text in (*errors, *torn, *mixed)]
        counted[name] = {"reads": len(items), "errors": len(errors), "torn": len(torn), "mixed": len(mixed)}
    commits = sum(len(states) - 1 for states in allowed.values())
    return {"wrong": wrong + list(_converged(place)), "figures": {"commits": commits, "readers": counted}}


def _history(states: Sequence[crowd.State], acknowledged: dict[str, int]) -> Iterator[str]:
    """No key goes back to an older content, and none lacks what exit code 0 acknowledged."""
    for before, after in itertools.pairwise(states):
        if any(after[key] < generation for key, generation in before.items()):
            yield f"{after} came after {before}"
    for key, generation in acknowledged.items():
        if states[-1].get(key, 0) < generation:
            yield f"{key}: exit code 0 of generation {generation}, and it is {states[-1].get(key)}"


def _converged(place: Place) -> Iterator[str]:
    """The same command makes everything fresh, and leaves nothing; once more it changes nothing."""
    first, second = (place.run("materialize", "all", "--json") for _ in range(2))
    if first.code or second.code:
        yield f"the same command ends with {first.code}, {second.code}: {first.err}{second.err}"
        return
    if (results := {item["result"] for item in json.loads(second.out)["results"]}) != {"fresh"}:
        yield f"once more, the same command gives {results}"
    current = int((place.folder / "generation").read_text())
    for asset in ("batches", "sums"):
        yield from _log_is_whole(place, asset)
        fold = place.lakehouse().survey().fold(asset)
        named = {}
        for key, state in fold.keys.items():
            assert state.version is not None
            named.update({state.version.path: state.version.digest})
            named.update({old.version.path: old.version.digest for old in state.superseded})
            file = place.lake / asset / f"key={key}" / "part.parquet"
            if _digest(file) != state.version.digest:
                yield f"{file} is not what the log's end says"
        folder = place.lake / ".lake/versions" / asset
        there = {
            path.relative_to(place.lake).as_posix(): _digest(path) for path in folder.rglob("*") if path.is_file()
        }
        if there != named:
            yield f"of {asset}, other versions than named: {sorted(there.items() ^ named.items())}"
        tree = sorted(path.relative_to(place.lake / asset).as_posix() for path in (place.lake / asset).rglob("*"))
        if tree != sorted(name for key in crowd.KEYS for name in (f"key={key}", f"key={key}/part.parquet")):
            yield f"the tree of {asset} holds {tree}"
    if (rows := crowd.states(place, "batches")[-1]) != dict.fromkeys(crowd.KEYS, current):
        yield f"it has converged to {rows}, not to {current}"
    if left := sorted((place.lake / ".lake/staging").rglob("*")):
        yield f"left in staging: {left}"


def _log_is_whole(place: Place, asset: str) -> Iterator[str]:
    """Numbered without a hole, each commit naming the digest of the one before."""
    files = sorted((place.lake / ".lake/log" / asset).glob("*.json"))
    if [path.name for path in files] != [f"{number:08}.json" for number in range(1, len(files) + 1)]:
        yield f"the log of {asset} has a hole"
    before = ""
    for path in files:
        if (previous := json.loads(path.read_bytes())["previous"] or "") != before:
            yield f"{path} names {previous!r} before it, not {before!r}"
        before = _digest(path)


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
