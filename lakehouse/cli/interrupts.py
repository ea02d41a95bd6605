"""Ctrl-C and SIGTERM: a run ends where nothing is lost, and at once when asked again; a query ends at once.

Knows signals. Knows nothing of what runs or queries do.

An engine keeps the main thread for as long as it computes, and Python runs no signal handler meanwhile. So a thread
of its own hears of signals: it says what will happen, stops what can be stopped, and ends the process where the
engine does not let go. That is safe at any moment: what was committed stands, and the next run sweeps up the rest.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final, NoReturn

from lakehouse.cli.failures import INTERRUPTED, STAYS, TERMINATED, Terminated
from lakehouse.cli.output import Screen

__all__ = ["Interrupts"]

_PATIENCE: Final = {signal.SIGINT: 1.0, signal.SIGTERM: 5.0}  # seconds that a busy engine is given to let go
_CODES: Final = {signal.SIGINT: INTERRUPTED, signal.SIGTERM: TERMINATED}


class Interrupts:
    """Takes the signals that ask a command to end.

    Args:
        screen: where to say so.
        is_at_once: whether the first one ends it at once; else it ends between partitions, and the second does.
    """

    def __init__(self, screen: Screen, *, is_at_once: bool = False) -> None:
        self._screen = screen
        self._needed = 1 if is_at_once else 2
        self.stop: Callable[[], None] = lambda: None
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
            self._end(self._heard[0])

    def _handle(self, number: int, _: FrameType | None) -> None:
        self._handled += 1
        if max(self._handled, len(self._heard)) >= self._needed:
            self._end(number)

    def _end(self, number: int) -> NoReturn:
        said = [STAYS] if self._needed > 1 else []
        raise Terminated(*said) if number == signal.SIGTERM else KeyboardInterrupt(*said)

    def _listen(self, reader: int) -> None:
        while heard := os.read(reader, 1):
            number = heard[0]
            if number not in _CODES:
                continue
            self._heard.append(number)
            if len(self._heard) < self._needed and number == signal.SIGINT:
                echoed = "\n" if sys.stderr.isatty() else ""
                self._screen.note(f"{echoed}finishing what is being made; Ctrl-C again drops it")
                continue
            with suppress(Exception):  # it may be over by now
                self.stop()
            threading.Thread(target=self._leave, args=(number,), daemon=True).start()

    def _leave(self, number: int) -> None:
        if self._is_over.wait(_PATIENCE[signal.Signals(number)]):
            return
        with suppress(OSError, ValueError):
            if sys.stderr.isatty():
                sys.stderr.write("\x1b[?25h\n")  # the progress bar had hidden the cursor, and stays on its line
            said = [STAYS] if self._needed > 1 else []
            self._screen.note("; ".join(["terminated" if number == signal.SIGTERM else "interrupted", *said]))
        os._exit(_CODES[signal.Signals(number)])
