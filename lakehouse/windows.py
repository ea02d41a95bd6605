"""Rows limited to windows of time, each with the key of its window.

Knows time columns, and how a key is told from one without a query's being slowed down. Refuses to run a query, and
to know where the rows come from.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from operator import or_
from typing import Final

import polars as pl

from lakehouse.calls import ENGINE_ERRORS, engine_error
from lakehouse.errors import DefinitionError
from lakehouse.partitions.timekinds import TimePartitions

__all__ = ["edge", "limit", "require_time", "without_window"]

_EPOCH: Final = date(1970, 1, 1)
_HOUR: Final = 3600
_MAX_SPANS: Final = 8  # more intervals than this cost more as a filter than the rows between them
_CASTS: Final = {
    pl.String: 'str.to_date("%Y-%m-%d")',
    pl.Int64: 'cast(pl.Datetime("ms")), if it counts milliseconds',
    pl.Int32: "cast(pl.Date), if it counts days",
}
# Clocks are set back by two hours at most, and within two hours after the midnight that they then show again.
_SET_BACK: Final = [timedelta(minutes=minutes) for minutes in range(15, 241, 15)]
_SLACK: Final = timedelta(hours=4)
# The times that a count of nanoseconds reaches; Polars has no literal of one beyond.
_NANOSECONDS: Final = datetime(1677, 9, 21, 0, 12, 43, 145225), datetime(2262, 4, 11, 23, 47, 16, 854775)  # noqa: DTZ001

Span = tuple[datetime, datetime]


def limit(
    frame: pl.LazyFrame, time: str, windows: TimePartitions, keys: Sequence[str], *, of: str, into: str
) -> pl.LazyFrame:
    """The rows whose time lies in the windows of these keys, with the key in the column ``into``.

    Dates and naive times are wall clock in the definition's time zone; aware ones are converted to it. The
    windows' own filter comes first, as a plain comparison that Polars pushes down into the scan.

    Raises:
        DefinitionError: the column is missing, or is no date or time, with the cast that helps; or the frame has a
            column of the partition column's name.
        ComputeError: the frame's own query is at fault.
    """
    dtype = require_time(frame, time, windows, of=of)
    _require_free(frame, into, windows, of=of)
    spans = _spans(windows, keys)
    if not spans:
        return frame.clear().with_columns(pl.lit(None, dtype=pl.String).alias(into))
    few = spans if len(spans) <= _MAX_SPANS else [(spans[0][0], spans[-1][1])]
    column, is_loose = pl.col(time), _is_doubled(dtype, windows)
    slack = _SLACK if is_loose else timedelta()
    inside = [(column >= edge(start, dtype, -slack)) & (column < edge(end, dtype, slack)) for start, end in few]
    key = _by_hour(column, dtype, windows, keys, spans) if windows.unit == "hour" else None
    limited = frame.filter(reduce(or_, inside))
    limited = limited.with_columns((_by_day(column, dtype, windows, keys, spans) if key is None else key).alias(into))
    return limited.filter(pl.col(into).is_not_null()) if len(few) < len(spans) or is_loose else limited


def without_window(time: str, dtype: pl.DataType, windows: TimePartitions) -> list[pl.Expr]:
    """How many rows have no key, by reason: ``null``, ``before``, ``after``, ``skipped``; and the ``last`` time."""
    column, final, nothing = pl.col(time), windows.final_key, pl.lit(0)
    moment, skipped = column, nothing
    if _is_doubled(dtype, windows):  # as the keys are told
        moment = column.dt.replace_time_zone(windows.timezone, ambiguous="earliest", non_existent="null")
        skipped = (moment.is_null() & column.is_not_null()).sum()
        dtype = pl.Datetime(getattr(dtype, "time_unit", "us"), windows.timezone)
    first = edge(windows.window(windows.first_key).start, dtype)
    return [
        column.is_null().sum().alias("null"),
        (moment < first).sum().alias("before"),
        (nothing if final is None else (moment >= edge(windows.window(final).end, dtype)).sum()).alias("after"),
        skipped.alias("skipped"),
        column.max().alias("last"),
    ]


def require_time(frame: pl.LazyFrame, time: str, windows: TimePartitions, *, of: str) -> pl.DataType:
    """The type of a time column, if rows can be told apart by it.

    Raises:
        DefinitionError: it is missing, or is no date or time, with the cast that helps.
        ComputeError: the frame's own query is at fault.
    """
    try:
        columns = frame.collect_schema()
    except ENGINE_ERRORS as error:
        raise engine_error(error, of) from error
    dtype = columns.get(time)
    if dtype is None:
        raise DefinitionError(
            f"{of!r} has no column {time!r}, which its time= names", help=f"it has {', '.join(columns)}"
        )
    if not isinstance(dtype, pl.Date | pl.Datetime):
        cure = _CASTS.get(type(dtype), "cast(pl.Date)")
        raise DefinitionError(
            f"{of}.{time} is {dtype}, not a date or time", help=f'cast it in a view: pl.col("{time}").{cure}'
        )
    if windows.unit == "hour" and isinstance(dtype, pl.Date):
        raise DefinitionError(
            f"{of}.{time} is a date, and tells no hours apart", help="name a column with a time of day, or use Daily"
        )
    return dtype


def _require_free(frame: pl.LazyFrame, into: str, windows: TimePartitions, *, of: str) -> None:
    if into in frame.collect_schema():
        kind = type(windows).__name__
        raise DefinitionError(
            f"{of!r} has a column {into!r} of its own, and the partition column would replace it",
            help=f'rename it in a view, or name the other: {kind}(..., column="{into}_key")',
        )


def _is_doubled(dtype: pl.DataType, windows: TimePartitions) -> bool:
    """Whether the column's clock shows some hours twice and others never, and keys tell those apart."""
    is_naive = isinstance(dtype, pl.Datetime) and dtype.time_zone is None
    return is_naive and windows.unit == "hour" and windows.timezone != "UTC"


def _by_hour(
    column: pl.Expr, dtype: pl.DataType, windows: TimePartitions, keys: Sequence[str], spans: Sequence[Span]
) -> pl.Expr:
    """The key of each row by its hour, counted from the first span's start; a doubled hour is taken for the first."""
    if _is_doubled(dtype, windows):
        column = column.dt.replace_time_zone(windows.timezone, ambiguous="earliest", non_existent="null")
    first, wanted = int(spans[0][0].timestamp()), set(keys)
    count = (int(spans[-1][1].timestamp()) - first) // _HOUR
    begin = windows.index(min(keys, key=windows.index))
    found = (windows.at(begin + number) for number in range(count))
    table = pl.Series([key if key in wanted else None for key in found], dtype=pl.String)
    hour = (column.dt.epoch("s") - first) // _HOUR
    return pl.lit(table).gather(pl.when(hour.is_between(0, count - 1)).then(hour))


def _by_day(
    column: pl.Expr, dtype: pl.DataType, windows: TimePartitions, keys: Sequence[str], spans: Sequence[Span]
) -> pl.Expr:
    """The key of each row by its day, looked up in a table of the days from the first span to the last."""
    first, last = spans[0][0].date(), spans[-1][1].date()
    wanted = set(keys)
    found = (windows.key_of(first + timedelta(number)) for number in range((last - first).days))
    table = pl.Series([key if key in wanted else None for key in found], dtype=pl.String)
    # Also where a window begins that was not asked for: its rows are no others' for that.
    starts = sorted({windows.window(key).start for key in keys} | {end for _, end in spans[:-1]})
    day = _local_day(column, dtype, windows, starts)
    return pl.lit(table).gather(day.cast(pl.Int32) - (first - _EPOCH).days)


def _local_day(column: pl.Expr, dtype: pl.DataType, windows: TimePartitions, starts: Iterable[datetime]) -> pl.Expr:
    """The day by which a row's key goes: the one that clocks in the definition's time zone show.

    Args:
        column: the time.
        dtype: its type.
        windows: the definition.
        starts: when windows begin.
    """
    if isinstance(dtype, pl.Date):
        return column
    if getattr(dtype, "time_zone", None) is None:
        return column.dt.date()
    day = column.dt.convert_time_zone(windows.timezone).dt.date()
    # Where clocks are set back over a window's first midnight they show the day before again, but what has begun
    # has begun: windows are intervals of time.
    for start in starts:
        begun = start.astimezone(UTC)
        if (begun + _SLACK).astimezone(start.tzinfo).utcoffset() == start.utcoffset():
            continue
        if any((begun + after).astimezone(start.tzinfo).date() < start.date() for after in _SET_BACK):
            shown_again = (column >= edge(start, dtype)) & (day < start.date())
            day = pl.when(shown_again).then(pl.lit(start.date())).otherwise(day)
    return day


def _spans(windows: TimePartitions, keys: Sequence[str]) -> list[Span]:
    """The keys' windows, those that touch made one, in time order."""
    spans: list[Span] = []
    for key in sorted(keys, key=windows.index):
        window = windows.window(key)
        if spans and spans[-1][1].timestamp() == window.start.timestamp():  # wall clocks show some hours twice
            spans[-1] = (spans[-1][0], window.end)
        else:
            spans.append((window.start, window.end))
    return spans


def edge(instant: datetime, dtype: pl.DataType, by: timedelta = timedelta()) -> pl.Expr:
    """A window's edge as the column would write it, moved by some time."""
    if dtype == pl.Date:
        return pl.lit(instant.date())
    assert isinstance(dtype, pl.Datetime)  # noqa: S101  the caller has looked
    # By way of UTC: Polars takes no wall clock time that its zone skips, and a month may begin with one.
    moment = (instant if dtype.time_zone is None else instant.astimezone(UTC)).replace(tzinfo=None) + by
    if dtype.time_unit == "ns":
        moment = min(max(moment, _NANOSECONDS[0]), _NANOSECONDS[1])
    if dtype.time_zone is None:
        return pl.lit(moment, dtype=pl.Datetime(dtype.time_unit))
    utc = pl.lit(moment.replace(tzinfo=UTC), dtype=pl.Datetime(dtype.time_unit, "UTC"))
    return utc.dt.convert_time_zone(dtype.time_zone)
