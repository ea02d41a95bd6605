"""Months as a grid, a row a year; years at the end of which nothing was made are drawn together.

Knows rows and columns. Knows nothing of states but their signs.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from lakehouse.cli.output import Screen

__all__ = ["months"]

_NAMES = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def months(screen: Screen, parts: Sequence[tuple[str, date, str]]) -> list[str]:
    """The lines of the grid.

    Args:
        screen: for which the signs are drawn.
        parts: key, first day and state of each month, in time order.
    """
    years: dict[int, list[tuple[str, date, str]]] = {}
    for part in parts:
        years.setdefault(part[1].year, []).append(part)
    tail = _missing_tail(years)
    shown = [year for year in years if year not in tail]
    lines = [f"        {' '.join(_NAMES)}"] if shown else []
    for year in shown:
        signs = {day.month: screen.glyph(state) for _, day, state in years[year]}
        cells = "".join(f"   {signs.get(month, ' ')}" for month in range(1, 13))
        lines.append(f"  {year:4}{cells}".rstrip())
    if tail:
        keys = [key for year in tail for key, _, _ in years[year]]
        first = str(tail[0]) if len(years[tail[0]]) == len(_NAMES) else keys[0]
        span = first if len(tail) == 1 and first == str(tail[0]) else f"{first}..{keys[-1]}"
        lines.append(f"  {span}   {len(keys)} missing")
    return lines


def _missing_tail(years: dict[int, list[tuple[str, date, str]]]) -> list[int]:
    """The years at the end of which every month is missing; drawn one by one where it is only one."""
    tail: list[int] = []
    for year in reversed(years):
        if any(state != "missing" for _, _, state in years[year]):
            break
        tail.insert(0, year)
    return tail if len(tail) > 1 else []
