"""The partitions of an asset as a grid of signs, in the form that suits their kind.

Knows which form that is. Knows nothing of states but their signs.
"""

from __future__ import annotations

from collections.abc import Sequence

from lakehouse.cli.grid.calendar import calendar
from lakehouse.cli.grid.flat import flat
from lakehouse.cli.grid.matrix import matrix, timelines
from lakehouse.cli.output import Screen
from lakehouse.partitions.dimension import Partitions

__all__ = ["draw"]


def draw(screen: Screen, partitions: Partitions, parts: Sequence[tuple[str, str]]) -> list[str]:
    """The lines of the grid.

    Args:
        screen: for which the signs are drawn.
        partitions: what the keys mean.
        parts: key and state of each partition.
    """
    ordered = sorted(parts, key=lambda part: partitions.order(part[0]))
    time, dimensions = partitions.time, len(partitions.dimensions)
    if time is not None and dimensions == 1:
        return flat(screen, partitions, ordered) if time.kind == "yearly" else calendar(screen, time, ordered)
    if time is not None:
        return timelines(screen, partitions, time, ordered)
    if dimensions == 2:  # noqa: PLR2004  rows and columns
        return matrix(screen, partitions, ordered)
    return flat(screen, partitions, ordered)
