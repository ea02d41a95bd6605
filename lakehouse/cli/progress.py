"""Progress while partitions are made: a bar whose cells are the partitions, or a line each where nobody watches.

Knows terminals. Knows nothing of how partitions are made.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from lakehouse.cli.output import GLYPHS, Screen, joined, plural

if TYPE_CHECKING:
    from rich.text import Text

    from lakehouse.outcome import Event

__all__ = ["Progress", "binned", "state_of"]

_CELLS: Final = 50
# Of several partitions in one cell, the worst is shown.
_WORST_FIRST: Final = ("failed", "running", "missing", "stale", "unrecorded", "empty", "fresh")


def state_of(result: str, row_count: int | None) -> str:
    """The state that a result leaves a partition in, for its cell."""
    if result in ("failed", "blocked", "skipped"):
        return "failed"
    return "empty" if row_count == 0 else "fresh"


def binned(states: Sequence[str], cells: int = _CELLS) -> list[str]:
    """States as so many cells at most, the worst of each cell's winning.

    >>> binned(["fresh", "failed", "fresh", "fresh"], 2)
    ['failed', 'fresh']
    """
    if len(states) <= cells:
        return list(states)
    edges = [len(states) * number // cells for number in range(cells + 1)]
    return [
        min(states[low:high], key=lambda state: _WORST_FIRST.index(state) if state in _WORST_FIRST else 0)
        for low, high in pairwise(edges)
    ]


class Progress:
    """Draws events on stderr."""

    def __init__(self, screen: Screen, keys: Mapping[str, Sequence[str]], spans: Mapping[str, str]) -> None:
        self._screen = screen
        self._spans = spans
        self._states = {asset: dict.fromkeys(wanted, "missing") for asset, wanted in keys.items()}
        self._began = time.monotonic()
        self._live = sys.stderr.isatty() and not screen.is_quiet
        self._is_long = sum(map(len, keys.values())) > 3  # noqa: PLR2004  as few are reported in full at the end

    @contextmanager
    def drawn(self) -> Iterator[Progress]:
        """Draw for as long as the block runs."""
        if not self._live:
            yield self
            return
        from rich.console import Console
        from rich.live import Live

        console = Console(stderr=True, highlight=False, color_system="standard" if self._screen.err_colour else None)
        with Live(console=console, get_renderable=self._render, refresh_per_second=8, transient=True):
            yield self

    def on_event(self, event: Event) -> None:
        """Take one event."""
        states = self._states.get(event.asset, {})
        if event.result is None:
            states[event.key] = "running"
            return
        states[event.key] = state_of(event.result.result, event.result.row_count)
        if not self._live and self._is_long and not self._screen.is_quiet and event.result.result != "fresh":
            result = event.result
            sign = self._screen.glyph("ok" if result.is_ok else "failed", to="err")
            rows = "" if not result.is_ok or result.row_count is None else plural(result.row_count, "row")
            self._screen.note(f"{sign} " + joined([f"{event.asset} {event.key}", result.result, rows]))

    def _render(self) -> Text:
        from rich.text import Text

        text = Text()
        for asset, states in self._states.items():
            done = sum(state not in ("missing", "running") for state in states.values())
            if text:
                text.append("\n")
            text.append(f"{asset} {self._spans[asset]}  ")
            for state in binned(list(states.values())):
                unicode, plain, colour = GLYPHS[state]
                text.append(unicode if self._screen.is_unicode else plain, style=colour)
            text.append(f"   {done}/{len(states)}{self._left(done, len(states))}")
        return text

    def _left(self, done: int, total: int) -> str:
        if not 0 < done < total:
            return ""
        seconds = (time.monotonic() - self._began) / done * (total - done)
        return f"   {seconds:.0f}s left"
