"""Ctrl-C and SIGTERM: a run ends where nothing is lost, and at once when asked again; a query ends at once.

Knows signals. Knows nothing of what runs or queries do.

An engine keeps the main thread for as long as it computes, and Python runs no signal handler meanwhile. So a thread
of its own hears of signals: it says what will happen, stops what can be stopped, and ends the process where the
engine does not let go. That is safe at any moment: what was committed stands.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Final

from lakehouse.cli.failures import EXIT_CODES, STAYS, Terminated, word_of
from lakehouse.cli.output import Screen

__all__ = ["Interrupts"]

_PATIENCE: Final = 1.0  # seconds that a busy engine is given to let go


class Interrupts:
    """Takes the signals that ask a command to end.

    Args:
        screen: where to say so.
        is_at_once: whether the first one ends it at once; else the first is for the run to look for, and the second
            ends it.
        leave: ends the process with an exit code where its main thread does not; called in another thread.

    Attributes:
        asked: the signal that was the first to ask; None while none did.
        stop: stops what can be stopped from another thread.
    """

    def __init__(
        self, screen: Screen, *, is_at_once: bool = False, leave: Callable[[int], object] = os._exit
    ) -> None:
        self._screen = screen
        self._needed = 1 if is_at_once else 2
        self._leave = leave
        self.asked: int | None = None
        self.stop: Callable[[], None] = lambda: None
        self._heard = 0
        self._handled = 0
        self._has_ended = False
        self._is_over = threading.Event()

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Take them for as long as the block runs; outside the main thread they are somebody else's.

        One that is ignored stays ignored: Ctrl-C is not meant for a shell's background jobs.
        """
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        wanted = [number for number in EXIT_CODES if signal.getsignal(number) is not signal.SIG_IGN]
        before = {number: signal.signal(number, self._handle) for number in wanted}
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

    def is_asked(self) -> bool:
        """Whether the run is to end, with what it has begun to publish."""
        return self.asked is not None

    def _handle(self, number: int, _: FrameType | None) -> None:
        """Called in the main thread, once it runs Python; two signals in one such moment may be one call."""
        self._handled += 1
        self.asked = self.asked or number
        # Only once: who presses on must not disturb the cleaning up.
        if max(self._handled, self._heard) >= self._needed and not self._has_ended:
            self._has_ended = True
            said = [STAYS] if self._needed > 1 else []
            raise Terminated(*said) if number == signal.SIGTERM else KeyboardInterrupt(*said)

    def _listen(self, reader: int) -> None:
        while heard := os.read(reader, 1):
            number = heard[0]
            if number not in EXIT_CODES:
                continue
            self._heard += 1
            self.asked = self.asked or number
            if self._heard < self._needed:
                echoed = "\n" if number == signal.SIGINT and sys.stderr.isatty() else ""
                again = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
                self._screen.note(f"{echoed}finishing what is being published; {again} again drops what is not yet")
            elif self._heard == self._needed:
                with suppress(Exception):  # it may be over by now
                    self.stop()
                threading.Thread(target=self._leave_if_held, args=(number,), daemon=True).start()

    def _leave_if_held(self, number: int) -> None:
        if self._is_over.wait(_PATIENCE):
            return
        with suppress(OSError, ValueError):
            if sys.stderr.isatty():
                sys.stderr.write("\x1b[?25h\n")  # the progress bar had hidden the cursor, and stays on its line
            said = [STAYS] if self._needed > 1 else []
            self._screen.note("; ".join([word_of(number), *said]))
        self._leave(EXIT_CODES[number])
