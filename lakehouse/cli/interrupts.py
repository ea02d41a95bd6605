"""Ctrl-C and SIGTERM during a run: asked once, it ends where nothing is lost; asked again, at once.

Knows signals. Knows nothing of what a run does, but that it tells of each partition.

A query engine keeps the main thread for as long as it computes, and Python runs no signal handler meanwhile. So a
thread of its own hears of signals: it says at once what will happen, and ends the process where the engine does not
let go. That is safe at any moment: what was committed stands, and the next run sweeps up what was staged.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

from lakehouse.cli.failures import INTERRUPTED, STAYS, TERMINATED, Terminated
from lakehouse.cli.output import Screen

__all__ = ["Interrupts"]

_PATIENCE: Final = {signal.SIGINT: 1.0, signal.SIGTERM: 5.0}  # seconds that a busy engine is given to let go
_CODES: Final = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED}


class Interrupts:
    """Takes the signals that ask a run to end."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self._heard: list[int] = []
        self._handled = 0
        self._is_over = threading.Event()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take them for as long as the block runs; outside the main thread they are somebody else's."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        before = {number: signal.signal(number, self._handle) for number in _CODES}
        wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        listener = threading.Thread(target=self._listen, args=(reader,), daemon=True)
        listener.start()
        try:
            yield
        finally:
            self._is_over.set()
            signal.set_wakeup_fd(wakeup)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(writer)
            listener.join()
            os.close(reader)

    def between_partitions(self) -> None:
        """Nothing, unless the run was asked to end: then it ends here.

        Raises:
            KeyboardInterrupt, Terminated: it was.
        """
        if self._heard:
            raise Terminated if self._heard[0] == signal.SIGTERM else KeyboardInterrupt

    def _handle(self, number: int, _: FrameType | None) -> None:
        self._handled += 1
        if max(self._handled, len(self._heard)) > 1:
            raise Terminated if number == signal.SIGTERM else KeyboardInterrupt

    def _listen(self, reader: int) -> None:
        while heard := os.read(reader, 1):
            number = heard[0]
            if number not in _CODES:
                continue
            self._heard.append(number)
            if len(self._heard) == 1 and number == signal.SIGINT:
                self._screen.note("finishing what is being made; Ctrl-C again drops it")
            else:
                threading.Thread(target=self._leave, args=(number,), daemon=True).start()

    def _leave(self, number: int) -> None:
        if self._is_over.wait(_PATIENCE[signal.Signals(number)]):
            return
        with suppress(OSError, ValueError):
            if sys.stderr.isatty():
                sys.stderr.write("\x1b[?25h")  # the progress bar had hidden the cursor
            word = "terminated" if number == signal.SIGTERM else "interrupted"
            self._screen.note(f"{word}; {STAYS}")
        os._exit(_CODES[signal.Signals(number)])
