"""Which Parquet files may hold rows of a window of time, told from their footers.

Knows the statistics of a time column, and what clocks show. Refuses to guess: where a footer does not tell, a file
may hold rows of any window.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

__all__ = ["FileRange", "Ranges", "time_range"]

FileRange = list[Any]
"""``["date", first, last]`` in days, ``["naive" or "aware", first, last]`` in microseconds, both since 1970; ``[]``
without a row that has a time; ``["untold"]``."""

_UNTOLD: Final[FileRange] = ["untold"]
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_PER_MICROSECOND: Final = {"milliseconds": (1000, 1), "microseconds": (1, 1), "nanoseconds": (1, 1000)}
# Clocks may be changed near an edge; what they show on both sides of the change is then taken for either.
_NEAR: Final = [timedelta(hours=hours) for hours in (-25, 0, 25)]


def time_range(path: Path, column: str) -> FileRange:
    """The first and last time of a Parquet file, by its footer; a JSON value.

    Polars says how the column is to be read, for that is who reads it; the statistics are the numbers as stored.
    """
    import polars as pl
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        # Not read_parquet_schema, which takes a path for a pattern, and answers for another file.
        columns = pl.scan_parquet(path, hive_partitioning=False, glob=False).collect_schema()
        dtype, footer = columns.get(column), pq.read_metadata(path)
    except (OSError, pa.ArrowException, pl.exceptions.PolarsError, pl.exceptions.PanicException):
        return _UNTOLD  # whoever reads the file says what is wrong with it
    places = [place for place in range(footer.num_columns) if footer.schema.column(place).path == column]
    if not isinstance(dtype, pl.Date | pl.Datetime) or len(places) != 1:
        return _UNTOLD
    place = places[0]
    factor = _factor(footer.schema.column(place))
    numbers: list[int] = []
    for group in (footer.row_group(number).column(place) for number in range(footer.num_row_groups)):
        found = group.statistics
        if group.num_values == 0 or (found and found.has_null_count and found.null_count == group.num_values):
            continue  # a group of nulls, which are of no window
        if factor is None or found is None or not found.has_min_max:
            return _UNTOLD
        numbers += [found.min_raw, found.max_raw]
    if not numbers:
        return []
    kind = "date" if isinstance(dtype, pl.Date) else "naive" if dtype.time_zone is None else "aware"
    times, over = factor or (1, 1)
    return [kind, min(numbers) * times // over, -(-max(numbers) * times // over)]


def _factor(column: Any) -> tuple[int, int] | None:
    """By what to multiply and divide a stored number to get days or microseconds; None where it is neither."""
    import json

    if column.physical_type not in ("INT32", "INT64"):
        return None
    said = json.loads(column.logical_type.to_json())
    if said["Type"] == "Date":
        return 1, 1
    return _PER_MICROSECOND.get(said.get("timeUnit", "")) if said["Type"] == "Timestamp" else None


class Ranges(Struct, frozen=True):
    """The ranges of some files, for finding those that may hold rows of a window.

    Attributes:
        kind: how all times are read; None where the files differ, or none has any.
        always: the places of the files that may hold rows of any window.
        first: the first times of the others, ascending; `last`, `place` and `latest` are in the same order.
        last: their last times.
        latest: the latest of the last times so far.
        place: their places.
    """

    kind: str | None
    always: tuple[int, ...]
    first: tuple[int, ...]
    last: tuple[int, ...]
    latest: tuple[int, ...]
    place: tuple[int, ...]

    @classmethod
    def of(cls, found: Sequence[FileRange | None]) -> Ranges:
        """From the range of each file; None is as good as untold."""
        told = sorted(
            (item[1], item[2], place, item[0]) for place, item in enumerate(found) if item and item[0] != "untold"
        )
        kinds = {item[3] for item in told}
        if len(kinds) > 1:
            return cls(None, tuple(range(len(found))), (), (), (), ())
        return cls(
            kind=kinds.pop() if kinds else None,
            always=tuple(place for place, item in enumerate(found) if item is None or item == _UNTOLD),
            first=tuple(item[0] for item in told),
            last=tuple(item[1] for item in told),
            latest=tuple(accumulate((item[1] for item in told), max)),
            place=tuple(item[2] for item in told),
        )

    def within(self, spans: Iterable[tuple[datetime, datetime]]) -> list[int]:
        """The places of the files that may hold rows of these windows, ascending."""
        found = {*self.always}
        for start, end in spans if self.kind else ():
            low, high = _shown(start, end, str(self.kind))
            number = bisect_left(self.first, high) - 1
            while number >= 0 and self.latest[number] >= low:
                if self.last[number] >= low:
                    found.add(self.place[number])
                number -= 1
        return sorted(found)


def _shown(start: datetime, end: datetime, kind: str) -> tuple[int, int]:
    """A window as the column would write it, end exclusive: never less than it, a little more where clocks change."""
    if kind == "aware":
        return (start.astimezone(UTC) - _EPOCH) // _MICROSECOND, (end.astimezone(UTC) - _EPOCH) // _MICROSECOND
    low, high = min(_clocks(start)), max(_clocks(end))
    if kind == "date":
        return _days(low.date()), _days((high - _MICROSECOND).date()) + 1
    epoch = _EPOCH.replace(tzinfo=None)
    return (low - epoch) // _MICROSECOND, (high - epoch) // _MICROSECOND


def _clocks(instant: datetime) -> list[datetime]:
    """What clocks show at an instant, or would show by the time that is in force shortly before or after it."""
    utc = instant.astimezone(UTC)
    offsets = [(utc + near).astimezone(instant.tzinfo).utcoffset() or timedelta() for near in _NEAR]
    return [utc.replace(tzinfo=None) + offset for offset in offsets]


def _days(day: date) -> int:
    return day.toordinal() - _EPOCH.toordinal()
