"""Windows of time as a calendar: months a row a year, days a row a month, hours a row a day.

Knows rows, columns and which rows are drawn together. Knows nothing of states but their signs, and that nothing is
there where they are missing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from typing import Final

from msgspec import Struct

from lakehouse.cli.grid.header import placed
from lakehouse.cli.grid.spans import span
from lakehouse.cli.grid.tally import PAGE, tally
from lakehouse.cli.output import Screen
from lakehouse.partitions.timekinds import TimePartitions

__all__ = ["calendar"]

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


class _Form(Struct, frozen=True):
    """Where a window is drawn.

    Attributes:
        place: its row (an ordinal, without gaps in time, and a label) and its column.
        names: of the columns.
        step: from one column to the next; narrower terminals get `narrow_step` and `narrow_names`.
        periods: in which rows are summed up where they fill more than a page, shortest first.
    """

    place: Callable[[datetime], tuple[int, str, int]]
    names: tuple[str, ...]
    step: int
    narrow_names: tuple[str, ...]
    narrow_step: int
    periods: tuple[Callable[[datetime], int], ...]

    def fitting(self, room: int) -> tuple[tuple[str, ...], int]:
        """Names and step for a line of so many columns, the rows' own labels taken off."""
        is_wide = len(self.names) * self.step <= room
        return (self.names, self.step) if is_wide else (self.narrow_names, self.narrow_step)


class _Row(Struct, frozen=True):
    ordinal: int
    label: str
    keys: list[str]
    starts: list[datetime]
    states: list[str]
    columns: list[int]


class _Block(Struct, frozen=True):
    """Neighbouring rows; more than one, or one that is summed up, are drawn as a line of numbers."""

    rows: tuple[_Row, ...]
    is_summed: bool
    only: str | None  # the one state that all have


def calendar(screen: Screen, time: TimePartitions, parts: Sequence[tuple[str, str]]) -> list[str]:
    """The lines of the calendar: each row of it, or a line for rows that are drawn together.

    Args:
        screen: for which the signs are drawn.
        time: what the keys mean; not by the year.
        parts: key and state of each window, in time order.
    """
    form = _FORMS[time.kind]
    blocks = _folded(_rows(form, time, parts), form)
    label = max((len(block.rows[0].label) for block in blocks), default=0)
    names, step = form.fitting(screen.width - 2 - label - 2)
    edge = 2 + label + max(1, step - 1)  # where the first sign stands
    lines = []
    if any(not block.is_summed for block in blocks):
        lines.append(placed((_over(edge + number * step, name), name) for number, name in enumerate(names)))
    for block in blocks:
        if block.is_summed:
            states = [state for row in block.rows for state in row.states]
            keys = [key for row in block.rows for key in row.keys]
            lines.append(f"  {span(time, keys)}   {tally(states)}")
        else:
            lines.append(_drawn(screen, block.rows[0], label, edge, step))
    return lines


def _over(position: int, name: str) -> int:
    """Where a name begins whose sign stands at a position: names over their signs' middle, numbers to their left."""
    return position - len(name) // 2 if name.isalpha() else position - len(name) + 1


def _drawn(screen: Screen, row: _Row, label: int, edge: int, step: int) -> str:
    """A row; where clocks are set back, an hour that comes twice has two signs."""
    line, width = f"  {row.label:{label}}", 2 + label
    for column, state in zip(row.columns, row.states, strict=True):
        position = max(edge + column * step, width)
        line += " " * (position - width) + screen.glyph(state)
        width = position + 1
    return line


def _rows(form: _Form, time: TimePartitions, parts: Sequence[tuple[str, str]]) -> list[_Row]:
    rows: dict[int, _Row] = {}
    for key, state in parts:
        start = time.window(key).start
        ordinal, label, column = form.place(start)
        row = rows.setdefault(ordinal, _Row(ordinal, label, [], [], [], []))
        row.keys.append(key)
        row.starts.append(start)
        row.states.append(state)
        row.columns.append(column)
    return list(rows.values())


def _folded(rows: Sequence[_Row], form: _Form) -> list[_Block]:
    """The rows, neighbours of which nothing is there drawn together; over a page, earlier periods are summed up."""
    blocks = [_Block((row,), is_summed=False, only=_only(row.states)) for row in rows]
    for period in form.periods:
        numbers = [period(block.rows[0].starts[0]) for block in blocks]
        for number in list(dict.fromkeys(numbers))[:-1]:
            merged = _merged(blocks)
            if len(merged) <= PAGE:
                return merged
            blocks = _summed(blocks, [period(block.rows[0].starts[0]) == number for block in blocks])
    return _merged(blocks)


def _summed(blocks: Sequence[_Block], wanted: Sequence[bool]) -> list[_Block]:
    """The same with some neighbours, the wanted ones, as one."""
    first, count = wanted.index(True), sum(wanted)
    return [*blocks[:first], _joined(blocks[first : first + count]), *blocks[first + count :]]


def _joined(blocks: Sequence[_Block]) -> _Block:
    states = {block.only for block in blocks}
    only = states.pop() if len(states) == 1 else None
    return _Block(tuple(row for block in blocks for row in block.rows), is_summed=True, only=only)


def _merged(blocks: Sequence[_Block]) -> list[_Block]:
    runs: list[list[_Block]] = []
    for block in blocks:
        if runs and _are_alike(runs[-1][-1], block):
            runs[-1].append(block)
        else:
            runs.append([block])
    return [run[0] if len(run) == 1 else _joined(run) for run in runs]


def _are_alike(one: _Block, other: _Block) -> bool:
    if one.only is None or one.only != other.only or one.rows[-1].ordinal + 1 != other.rows[0].ordinal:
        return False
    return one.only == "missing" or (one.is_summed and other.is_summed)


def _only(states: Sequence[str]) -> str | None:
    return states[0] if len({*states}) == 1 else None


def _by_year(columns: Callable[[datetime], int]) -> Callable[[datetime], tuple[int, str, int]]:
    return lambda start: (start.year, f"{start.year}", columns(start))


def _week(start: datetime) -> tuple[int, str, int]:
    year, week, _ = start.isocalendar()
    return year, f"{year}", week - 1


def _month(start: date) -> int:
    return start.year * 12 + start.month - 1


def _every_fifth(count: int) -> tuple[str, ...]:
    return tuple(str(n) if n == 1 or n % 5 == 0 else "" for n in range(1, count + 1))


def _decade(start: datetime) -> int:
    return start.year // 10


_INITIALS: Final = tuple(name[0] for name in _MONTHS)
_QUARTERS: Final = ("Q1", "Q2", "Q3", "Q4")
_DAYS: Final = tuple(str(day) for day in range(1, 32))
_HOURS: Final = tuple(str(hour) for hour in range(24))
_FEW_HOURS: Final = tuple(str(hour) if hour % 6 == 0 else "" for hour in range(24))
_FORMS: Final[Mapping[str, _Form]] = {
    "quarterly": _Form(_by_year(lambda start: (start.month - 1) // 3), _QUARTERS, 4, _QUARTERS, 4, (_decade,)),
    "monthly": _Form(_by_year(lambda start: start.month - 1), _MONTHS, 4, _INITIALS, 2, (_decade,)),
    "weekly": _Form(_week, _every_fifth(53), 1, _every_fifth(53), 1, (_decade,)),
    "daily": _Form(
        lambda start: (_month(start), start.date().isoformat()[:7], start.day - 1),
        _DAYS,
        2,
        _every_fifth(31),
        1,
        (lambda start: start.year,),
    ),
    "hourly": _Form(
        lambda start: (start.date().toordinal(), start.date().isoformat(), start.hour),
        _HOURS,
        2,
        _FEW_HOURS,
        1,
        (_month, lambda start: start.year),
    ),
}
