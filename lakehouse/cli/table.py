"""The preview of a frame: names, types and the first rows, as plain columns.

Knows Polars frames. Knows nothing of where they come from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lakehouse.cli.output import Screen, align, cell

if TYPE_CHECKING:
    import polars as pl

__all__ = ["print_frame"]


def print_frame(screen: Screen, frame: pl.DataFrame, types: Sequence[str], *, total: int, indent: str = "  ") -> None:
    """Print the rows of a frame under its columns' names and types.

    Args:
        screen: where to.
        frame: the rows that are shown.
        types: a name for each column's type.
        total: how many rows there are altogether.
        indent: before each line.
    """
    right = [dtype.is_numeric() for dtype in frame.dtypes]
    rows = [[cell(value) for value in row] for row in frame.iter_rows()]
    lines = align([frame.columns, list(types), *rows], right=right, width=screen.width, indent=indent)
    screen.say(lines[0])
    screen.say(screen.paint(lines[1], "bright_black"))
    for line in lines[2:]:
        screen.say(line)
    if total > frame.height:
        screen.say(f"{indent}… {total - frame.height:,} more rows".replace(",", " "))
