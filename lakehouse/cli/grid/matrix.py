"""Partitions of several dimensions as a matrix: a row for each combination, a column for each window or category.

Knows which windows share a column where they do not all fit. Knows nothing of states but which of several is worse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final

from lakehouse.cli.grid.flat import flat
from lakehouse.cli.grid.header import placed
from lakehouse.cli.grid.spans import span
from lakehouse.cli.grid.tally import PAGE, tally
from lakehouse.cli.output import Screen, align, cell
from lakehouse.cli.progress import bins, worst
from lakehouse.partitions.dimension import Partitions
from lakehouse.partitions.timekinds import TimePartitions

__all__ = ["matrix", "timelines"]

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_WIDEST_LABEL: Final = 24
_Cells = dict[str, dict[str, str]]  # state by column, by row


def matrix(screen: Screen, partitions: Partitions, parts: Sequence[tuple[str, str]]) -> list[str]:
    """Two dimensions without time: the second one's keys are the columns, or the first one's where only those fit."""
    pairs = [(partitions.values(key), state) for key, state in parts]
    for row, column in ((0, 1), (1, 0)):
        names = list(dict.fromkeys(values[column] for values, _ in pairs))
        cells: _Cells = {}
        for values, state in pairs:
            cells.setdefault(values[row], {})[values[column]] = state
        table = [["", *map(cell, names)]]
        shown, rest = _page(cells)
        table += [[cell(label), *(_sign(screen, states.get(name)) for name in names)] for label, states in shown]
        lines = align(table, right=[False] * len(table[0]), width=screen.width)
        if len(lines) == len(table):  # one line more says how many columns were left out
            return [*lines, *rest]
    return flat(screen, partitions, parts)


def timelines(
    screen: Screen, partitions: Partitions, time: TimePartitions, parts: Sequence[tuple[str, str]]
) -> list[str]:
    """A row for each combination of the other dimensions, along the time; of windows in one column the worst."""
    if not parts:
        return []
    place = partitions.columns.index(time.column)
    cells: _Cells = {}
    for key, state in parts:
        values = partitions.values(key)
        name = cell("/".join(value for number, value in enumerate(values) if number != place))
        cells.setdefault(_cut(name), {})[values[place]] = state
    windows = sorted({key for states in cells.values() for key in states}, key=time.index)
    edge = 2 + max(map(len, cells)) + 2
    windows, left_out = _trimmed(time, cells, windows, screen.width - edge)
    if not windows:
        return left_out
    starts = [time.window(key).start for key in windows]
    columns, unit = _columns(time.kind, windows, starts, screen.width - edge)
    step = 2 if len(columns) * 2 <= screen.width - edge else 1
    shown, rest = _page(cells)
    lines = [_header([starts[column[0]] for column in columns], edge, step)]
    for name, states in shown:
        found = [[states[windows[i]] for i in column if windows[i] in states] for column in columns]
        signs = (" " * (step - 1)).join(_sign(screen, worst(of) if of else None) for of in found)
        lines.append(f"  {name:{edge - 2}}{signs}".rstrip())
    note = [f"  (a column is {unit}; its worst state shows)"] if unit else []
    return [*lines, *rest, *note, *left_out]


def _trimmed(time: TimePartitions, cells: _Cells, windows: list[str], room: int) -> tuple[list[str], list[str]]:
    """Where not all fit, the windows without the years at either end that are missing, and a line on each end."""
    if len(windows) <= room:
        return windows, []
    years = [list(run) for _, run in groupby(windows, key=lambda key: time.window(key).start.year)]
    is_there = [any(states.get(key, "missing") != "missing" for states in cells.values() for key in y) for y in years]
    first = is_there.index(True) if True in is_there else len(years)
    last = len(years) - is_there[::-1].index(True) if True in is_there else len(years)
    lines = []
    for part in (years[:first], years[last:]):
        if keys := [key for year in part for key in year]:
            count = sum(key in states for states in cells.values() for key in keys)
            lines.append(f"  {span(time, keys)}   {count} missing")
    return [key for year in years[first:last] for key in year], lines


def _columns(kind: str, windows: Sequence[str], starts: Sequence[datetime], room: int) -> tuple[list[list[int]], str]:
    """Which windows share a column, by their numbers; and what a column is then, in words."""
    if len(windows) <= room:
        return [[number] for number in range(len(windows))], ""
    for unit, period in _PERIODS.items():
        if unit in _COARSER[kind]:
            runs = [list(run) for _, run in groupby(range(len(windows)), key=lambda i: period(starts[i]))]
            if len(runs) <= room:
                return runs, unit
    runs = [list(run) for run in bins(range(len(windows)), max(room, 1))]
    return runs, f"up to {max(map(len, runs))} windows"


def _header(starts: Sequence[datetime], edge: int, step: int) -> str:
    """The years over the columns in which they begin; within one year its months, and so on."""
    ends = starts[0], starts[-1]
    period, text = next((label for label in _LABELS if len({label[0](end) for end in ends}) > 1), _LABELS[-1])
    labels = []
    before: int | None = None
    for number, start in enumerate(starts):
        if period(start) != before:
            labels.append((edge + number * step, text(start)))
        before = period(start)
    return placed(labels)


def _page(cells: _Cells) -> tuple[list[tuple[str, dict[str, str]]], list[str]]:
    """The rows that make a page, those that are all of one state left out first; and a line on the others."""
    rows = list(cells.items())
    if len(rows) <= PAGE:
        return rows, []
    mixed = [(label, states) for label, states in rows if {*states.values()} - {"fresh", "empty"}][:PAGE]
    shown = {label for label, _ in mixed}
    others = [states for label, states in rows if label not in shown]
    counted = tally(state for states in others for state in states.values())
    return mixed, [f"  … and {len(others)} more rows: {counted}"]


def _sign(screen: Screen, state: str | None) -> str:
    return " " if state is None else screen.glyph(state)


def _cut(label: str) -> str:
    return label if len(label) <= _WIDEST_LABEL else f"{label[: _WIDEST_LABEL - 1]}…"


def _year(start: datetime) -> int:
    return start.year


def _quarter(start: datetime) -> int:
    return start.year * 4 + (start.month - 1) // 3


def _month(start: datetime) -> int:
    return start.year * 12 + start.month - 1


def _day(start: datetime) -> int:
    return start.toordinal()


def _hour(start: datetime) -> int:
    return start.hour


_PERIODS: Final[Mapping[str, Callable[[datetime], int]]] = {
    "a day": _day,
    "a month": _month,
    "a quarter": _quarter,
    "a year": _year,
}
_COARSER: Final = {
    "hourly": ("a day", "a month", "a year"),
    "daily": ("a month", "a quarter", "a year"),
    "weekly": ("a month", "a quarter", "a year"),
    "monthly": ("a quarter", "a year"),
    "quarterly": ("a year",),
    "yearly": (),
}
_LABELS: Final[Sequence[tuple[Callable[[datetime], int], Callable[[datetime], str]]]] = (
    (_year, lambda start: str(start.year)),
    (_month, lambda start: _MONTHS[start.month - 1]),
    (_day, lambda start: str(start.day)),
    (_hour, lambda start: str(start.hour)),
)
