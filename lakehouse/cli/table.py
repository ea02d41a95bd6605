"""The preview of a frame: names, types and the first rows, as plain columns.

Knows Polars frames. Knows nothing of where they come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lakehouse.cli.output import Screen, align, cell, plural

if TYPE_CHECKING:
    import polars as pl

__all__ = ["frame_lines"]


def frame_lines(screen: Screen, frame: pl.DataFrame, types: Sequence[str], *, total: int) -> list[str]:
    """The rows of a frame under its columns' names and types.

    Args:
        screen: for which they are drawn.
        frame: the rows that are shown.
        types: a name for each column's type.
        total: how many rows there are altogether.
    """
    from lakehouse.rowvalues import rows_of

    right = [dtype.is_numeric() for dtype in frame.dtypes]
    rows = [[cell(value) for value in row] for row in rows_of(frame)]
    lines = align([[cell(name) for name in frame.columns], list(types), *rows], right=right, width=screen.width)
    lines[1] = screen.paint(lines[1], "bright_black")
    if total > frame.height:
        lines.append(f"  … {plural(total - frame.height, 'more row')}")
    return lines
