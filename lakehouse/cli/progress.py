"""Progress while partitions are made: a bar whose cells are the partitions, or a line each where nobody watches.

Knows terminals. Knows nothing of how partitions are made.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Final, TypeVar

from lakehouse.cli.output import GLYPHS, Screen, joined, plural
from lakehouse.printable import printable

if TYPE_CHECKING:
    from rich.live import Live
    from rich.text import Text

    from lakehouse.outcome import Event
    from lakehouse.records import Materialization

__all__ = ["Progress", "binned", "bins", "state_of", "worst"]

_CELLS: Final = 50
_FEWEST_CELLS: Final = 8
_DELAY: Final = 0.3  # seconds; a run that is over by then has nothing to show
# Of several partitions in one cell, the worst is shown.
_WORST_FIRST: Final = ("failed", "running", "missing", "stale", "unrecorded", "orphaned", "empty", "fresh")
_T = TypeVar("_T")


def state_of(result: Materialization) -> str:
    """The state that a result leaves a partition in, for its cell."""
    if not result.is_ok:
        return "failed"
    if result.is_frozen:
        return "stale" if result.version else "missing"
    return "empty" if result.row_count == 0 else "fresh"


def bins(items: Sequence[_T], cells: int) -> list[Sequence[_T]]:
    """Items in so many runs at most, as even as can be.

    >>> bins("abcde", 2)
    ['ab', 'cde']
    """
    edges = [len(items) * number // cells for number in range(cells + 1)]
    return [items[low:high] for low, high in pairwise(edges) if low < high]


def worst(states: Iterable[str]) -> str:
    """Of several states, the one that most wants a look."""
    return min(states, key=_WORST_FIRST.index)


def binned(states: Sequence[str], cells: int = _CELLS) -> list[str]:
    """States as so many cells at most, the worst of each cell's winning.

    >>> binned(["fresh", "failed", "empty", "fresh"], 2)
    ['failed', 'empty']
    """
    if len(states) <= cells:
        return list(states)
    return [worst(run) for run in bins(states, cells)]


class Progress:
    """Draws events on stderr."""

    def __init__(self, screen: Screen, keys: Mapping[str, Sequence[str]], spans: Mapping[str, str]) -> None:
        self._screen = screen
        self._spans = spans
        self._states = {asset: dict.fromkeys(wanted, "missing") for asset, wanted in keys.items()}
        self._began = time.monotonic()
        self._kept = 0
        self._live = sys.stderr.isatty() and os.environ.get("TERM") != "dumb" and not screen.is_quiet
        self._is_long = sum(map(len, keys.values())) > 3  # noqa: PLR2004  as few are reported in full at the end
        self._lock = threading.Lock()
        self._is_over = False
        self._drawing: Live | None = None

    @contextmanager
    def drawn(self) -> Iterator[None]:
        """Draw for as long as the block runs."""
        if not self._live:
            yield
            return
        timer = threading.Timer(_DELAY, self._start)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()
            with self._lock:
                self._is_over = True
                if self._drawing is not None:
                    self._drawing.stop()

    def _start(self) -> None:
        with self._lock:
            if self._is_over:
                return
            from rich.console import Console
            from rich.live import Live

            is_coloured = self._screen.err_colour
            console = Console(stderr=True, highlight=False, color_system="standard" if is_coloured else None)
            self._drawing = Live(
                console=console,
                get_renderable=lambda: self._bars(console.width),
                refresh_per_second=8,
                transient=True,
            )
            self._drawing.start()

    def on_event(self, event: Event) -> None:
        """Take one event."""
        states, result = self._states.get(event.asset, {}), event.result
        if result is None:
            states[event.key] = "running"
            return
        states[event.key] = state_of(result)
        self._kept += result.is_kept
        if not self._live and self._is_long and not self._screen.is_quiet and not result.is_kept:
            sign = self._screen.glyph("ok" if result.is_ok else "failed", to="err")
            rows = "" if not result.is_ok or result.row_count is None else plural(result.row_count, "row")
            self._screen.note(f"{sign} " + joined([f"{event.asset} {event.key}", result.result, rows]))

    def _bars(self, width: int) -> Text:
        """A line for each asset that was begun."""
        from rich.text import Text

        begun = [asset for asset, states in self._states.items() if any(s != "missing" for s in states.values())]
        return Text("\n").join(self._bar(asset, width) for asset in begun)

    def _bar(self, asset: str, width: int) -> Text:
        from rich.text import Text

        states = list(self._states[asset].values())
        done = sum(state not in ("missing", "running") for state in states)
        head, tail = f"{asset} {printable(self._spans[asset])}  ", f"   {done}/{len(states)}{self._left()}"
        if len(head) + len(tail) + _FEWEST_CELLS > width:
            head = f"{asset}  "
        text = Text(head, no_wrap=True, overflow="crop")
        for state in binned(states, max(_FEWEST_CELLS, min(_CELLS, width - len(head) - len(tail)))):
            unicode, plain, colour = GLYPHS[state]
            text.append(unicode if self._screen.is_unicode else plain, style=colour)
        return text.append(tail)

    def _left(self) -> str:
        """How long the rest will take, if it goes on as before; partitions that were kept took no time."""
        states = [state for of_asset in self._states.values() for state in of_asset.values()]
        to_do = sum(state in ("missing", "running") for state in states)
        made = len(states) - to_do - self._kept
        if not made or not to_do:
            return ""
        seconds = (time.monotonic() - self._began) / made * to_do
        return f"   {seconds:.0f}s left"
