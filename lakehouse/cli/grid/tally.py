"""How many partitions have each state, in a few words; and the most lines that still make a page.

Knows states by name. Knows nothing of what is drawn.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Final

__all__ = ["PAGE", "tally"]

PAGE: Final = 40  # lines; what goes beyond is summed up
_NAMES: Final = ("fresh", "empty", "stale", "failed", "missing", "unrecorded", "orphaned")


def tally(states: Iterable[str]) -> str:
    """The states with their numbers.

    >>> tally(["missing", "fresh", "missing"])
    '1 fresh, 2 missing'
    """
    counts = Counter(states)
    return ", ".join(f"{counts[name]} {name}" for name in _NAMES if counts[name])
