"""Neighbouring windows as a person would select them: whole years, months and days by their own name.

Knows keys. Knows nothing of states or of what is drawn.
"""

from __future__ import annotations

from collections.abc import Sequence

from lakehouse.grammar import naming
from lakehouse.partitions.timekinds import TimePartitions

__all__ = ["span"]


def span(time: TimePartitions, keys: Sequence[str]) -> str:
    """The windows from the first to the last of these.

    >>> from lakehouse.partitions.timekinds import Monthly
    >>> span(Monthly("2018-01"), [f"2019-{month:02}" for month in range(1, 13)] + ["2020-01"])
    '2019..2020-01'
    """
    known = {*keys}
    begin, end = _name(time, keys[0], known), _name(time, keys[-1], known)
    return begin if begin == end else f"{begin}..{end}"


def _name(time: TimePartitions, edge: str, known: set[str]) -> str:
    """The longest period that has the edge in it and lies in these keys from end to end; else the edge itself."""
    day = time.window(edge).start.date().isoformat()
    for text in (day[:4], day[:7], day):
        ends = time.coarser(text)
        if ends is not None and edge in ends and known.issuperset(ends):
            return text
    return str(naming(edge))
