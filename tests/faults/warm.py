"""Processes that have imported the engines and never used them: a cell forks one, in a hundredth of a start's time.

`Warm` is the side of the tests. ``python -m faults.warm`` is the other: it calls the functions that it is told, which
do their work by `in_child`. Engines must not be used but there: their threads would not survive in a child.
"""

from __future__ import annotations

import gc
import importlib
import inspect
import json
import os
import pkgutil
import queue
import signal
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

__all__ = ["Child", "Forked", "Warm", "in_child"]

PATIENCE = 60  # seconds, of which a cell takes less than one
TESTS = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Child:
    """How a child ended.

    Attributes:
        code: its exit code; below 0 the signal that ended it; None: it hung, and was ended.
        value: what its function gave, if it came to its end.
        fault: what it raised, if anything.
        said: what it wrote to the descriptor that it was given.
    """

    code: int | None
    value: Any = None
    fault: str = ""
    said: str = ""

    def answer(self) -> Any:
        """What its function gave; it must have come to its end."""
        if self.code != 0:
            raise RuntimeError(self.fault or f"a child ended with {self.code}")
        return self.value


class Forked:
    """A function at work in a child; it gives what JSON can hold.

    A function with a parameter `say` is given a descriptor: what is written there survives a kill.
    """

    def __init__(self, function: Callable[..., Any], *arguments: Any, patience: int = PATIENCE) -> None:
        self._answer, self._said = os.memfd_create("answer"), os.memfd_create("said")
        options = {"say": self._said} if "say" in inspect.signature(function).parameters else {}
        self.pid = os.fork()
        if not self.pid:
            signal.alarm(patience)
            os._exit(_answer(self._answer, lambda: function(*arguments, **options)))

    def ended(self) -> Child:
        """Wait for its end, and tell how that was."""
        code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        answer, said = (_content(descriptor) for descriptor in (self._answer, self._said))
        os.close(self._answer)
        os.close(self._said)
        content = json.loads(answer or "{}")
        code_or_hung = None if code == -signal.SIGALRM else code
        return Child(code_or_hung, content.get("value"), content.get("fault", ""), said)


def in_child(function: Callable[..., Any], *arguments: Any, patience: int = PATIENCE) -> Child:
    """Call a function in a forked child, and wait for it."""
    return Forked(function, *arguments, patience=patience).ended()


def _answer(descriptor: int, act: Callable[[], Any]) -> int:
    """The child's part: its exit code; what it has to say is in the file."""
    code = 0
    try:
        content = {"value": act()}
    except BaseException:  # noqa: BLE001  whatever it is, the child ends here
        content, code = {"fault": traceback.format_exc()}, 1
    with os.fdopen(descriptor, "w", closefd=False) as file:
        json.dump(content, file)
    return code


def _content(descriptor: int) -> str:
    return os.pread(descriptor, os.fstat(descriptor).st_size, 0).decode()


def warm_up() -> None:
    """Import whatever a command may import on use."""
    import duckdb  # noqa: F401
    import polars.testing  # noqa: F401
    import pyarrow.dataset
    import pyarrow.parquet  # noqa: F401

    import lakehouse

    for module in pkgutil.walk_packages(lakehouse.__path__, "lakehouse."):
        if ".examples" not in module.name:
            importlib.import_module(module.name)
    gc.collect()
    gc.freeze()


def serve() -> None:
    """Answer calls, one a line, until nobody asks any more."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what anybody prints is no answer
    warm_up()
    for line in sys.stdin:
        asked = json.loads(line)
        module, _, name = asked["function"].partition(":")
        try:
            content = {"value": getattr(importlib.import_module(module), name)(*asked["arguments"])}
        except Exception:  # noqa: BLE001  told to whoever asked
            content = {"fault": traceback.format_exc()}
        answers.write(json.dumps(content) + "\n")
        answers.flush()


class Warm:
    """Some such processes, and calls spread over them."""

    def __init__(
        self, *, count: int | None = None, environment: Mapping[str, str] | None = None, within: Iterable[str] = ()
    ) -> None:
        self._within = list(within)  # a command that runs them
        self._count = count or max(2, len(os.sched_getaffinity(0)))
        path = os.pathsep.join([str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH", "")])
        self._environment = {**os.environ, "PYTHONPATH": path, **(environment or {})}
        self._idle: queue.SimpleQueue[subprocess.Popen[str]] = queue.SimpleQueue()
        self._all: list[subprocess.Popen[str]] = []

    def __enter__(self) -> Self:
        for _ in range(self._count):
            process = subprocess.Popen(
                [*self._within, sys.executable, "-m", "faults.warm"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env=self._environment,
            )
            self._all.append(process)
            self._idle.put(process)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        for process in self._all:
            process.kill()
            process.communicate()

    def call(self, function: str, *arguments: Any) -> Any:
        """What a function (``"faults.calls:cell"``) gives, called in one of the processes."""
        process = self._idle.get()
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(json.dumps({"function": function, "arguments": arguments}) + "\n")
            process.stdin.flush()
            content = json.loads(process.stdout.readline() or '{"fault": "the process has gone"}')
        finally:
            self._idle.put(process)
        if "fault" in content:
            raise RuntimeError(content["fault"])
        return content["value"]

    def map(self, function: str, calls: Iterable[tuple[Any, ...]]) -> Iterator[Any]:
        """What a function gives for each, in order; several are at work at once."""
        with ThreadPoolExecutor(self._count) as pool:
            yield from pool.map(lambda arguments: self.call(function, *arguments), calls)


if __name__ == "__main__":
    serve()
