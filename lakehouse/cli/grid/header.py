"""A line of labels, each over its column, as many as have room.

Knows positions. Knows nothing of what is below.
"""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["placed"]


def placed(labels: Iterable[tuple[int, str]]) -> str:
    """The labels at their positions; one that would touch the label before it is left out.

    >>> placed([(2, "2018"), (5, "2019"), (9, "2020")])
    '  2018   2020'
    """
    line = ""
    for position, text in labels:
        if text and (position > len(line) or not line):
            line = f"{line:{position}}{text}"
    return line
