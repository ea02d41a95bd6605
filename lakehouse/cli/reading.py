"""A bar while many bytes are read, where somebody watches.

Knows terminals. Knows nothing of what is read.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from lakehouse.cli.output import Screen

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

__all__ = ["Reading"]

_DELAY: Final = 0.3  # seconds; what is over by then has nothing to show


class Reading:
    """Draws on stderr how much was read, of how much.

    Args:
        screen: where.
        what: the word before the bar.
    """

    def __init__(self, screen: Screen, what: str) -> None:
        self._screen = screen
        self._what = what
        self._is_live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not screen.is_quiet
        self._began = time.monotonic()
        self._lock = threading.Lock()
        self._is_over = False
        self._drawing: tuple[Progress, TaskID] | None = None

    @contextmanager
    def drawn(self) -> Iterator[None]:
        """Draw for as long as the block runs; what was drawn is gone after it."""
        try:
            yield
        finally:
            with self._lock:
                self._is_over = True
                if self._drawing is not None:
                    self._drawing[0].stop()

    def on_read(self, done: int, total: int) -> None:
        """Take note of how many bytes were read; from whichever thread."""
        if not self._is_live or time.monotonic() - self._began < _DELAY:
            return
        with self._lock:
            if self._is_over:
                return
            if self._drawing is None:
                self._drawing = self._started()
            progress, task = self._drawing
            progress.update(task, completed=done, total=max(done, total))

    def _started(self) -> tuple[Progress, TaskID]:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True, highlight=False, color_system="standard" if self._screen.err_colour else None)
        columns = TextColumn(self._what), BarColumn(), DownloadColumn(), TimeRemainingColumn()
        progress = Progress(*columns, console=console, transient=True)
        progress.start()
        return progress, progress.add_task(self._what)
