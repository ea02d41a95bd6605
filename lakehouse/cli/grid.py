"""Months as a grid, a row a year; neighbouring years in which nothing was made are drawn together.

Knows rows and columns. Knows nothing of states but their signs.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from lakehouse.cli.output import Screen

__all__ = ["months"]

_NAMES: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WIDE: Final = 56  # columns of the grid with whole names; narrower terminals get their first letters


def months(screen: Screen, parts: Sequence[tuple[str, date, str]]) -> list[str]:
    """The lines of the grid.

    Args:
        screen: for which the signs are drawn.
        parts: key, first day and state of each month, in time order.
    """
    years: dict[int, list[tuple[str, date, str]]] = {}
    for part in parts:
        years.setdefault(part[1].year, []).append(part)
    runs = _runs(years)
    wide = screen.width >= _WIDE
    names, gap = (_NAMES, "   ") if wide else ([name[0] for name in _NAMES], " ")
    lines = [" " * (8 if wide else 7) + " ".join(names)] if any(len(run) == 1 for run in runs) else []
    for run in runs:
        if len(run) > 1:
            lines.append(f"  {_span(years, run)}   {sum(len(years[year]) for year in run)} missing")
            continue
        signs = {day.month: screen.glyph(state) for _, day, state in years[run[0]]}
        cells = "".join(f"{gap}{signs.get(month, ' ')}" for month in range(1, 13))
        lines.append(f"  {run[0]:4}{cells}".rstrip())
    return lines


def _span(years: dict[int, list[tuple[str, date, str]]], run: Sequence[int]) -> str:
    """The years as a person would select them: those that are whole by their number alone."""
    first, last = years[run[0]], years[run[-1]]
    begin = str(run[0]) if len(first) == len(_NAMES) else first[0][0]
    end = str(run[-1]) if len(last) == len(_NAMES) else last[-1][0]
    return f"{begin}..{end}"


def _runs(years: dict[int, list[tuple[str, date, str]]]) -> list[list[int]]:
    """The years, one by one but for neighbours of which every month is missing."""
    runs: list[list[int]] = []
    for year, parts in years.items():
        if runs and _is_missing(parts) and runs[-1][-1] == year - 1 and _is_missing(years[year - 1]):
            runs[-1].append(year)
        else:
            runs.append([year])
    return runs


def _is_missing(parts: Sequence[tuple[str, date, str]]) -> bool:
    return all(state == "missing" for _, _, state in parts)
