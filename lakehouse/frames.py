"""What an asset's function is given: one LazyFrame an upstream, with just the rows of the requested keys.

Knows time columns, windows, and published files. Refuses to run a query.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Final

import polars as pl

from lakehouse.assets import Asset, Source, View
from lakehouse.audit import outdated_columns
from lakehouse.calls import ENGINE_ERRORS, call, engine_error, to_frame
from lakehouse.dtypes import parse_type
from lakehouse.errors import DefinitionError
from lakehouse.fold import Fold
from lakehouse.graph import Graph
from lakehouse.partitions import Monthly
from lakehouse.sources import ONE_PASS, SourceNow, scan

__all__ = ["Frames", "Reader", "edge", "limit", "published"]

_EPOCH: Final = date(1970, 1, 1)
_MAX_SPANS: Final = 8  # more intervals than this cost more as a filter than the rows between them
_CASTS: Final = {
    pl.String: 'str.to_date("%Y-%m-%d")',
    pl.Int64: 'cast(pl.Datetime("ms")), if it counts milliseconds',
    pl.Int32: "cast(pl.Date), if it counts days",
}
# Clocks are set back by two hours at most, and within two hours after the midnight that they then show again.
_SET_BACK: Final = [timedelta(minutes=minutes) for minutes in range(15, 241, 15)]


@dataclass(slots=True, kw_only=True)
class Reader:
    """Reads things as they are, all of each.

    Attributes:
        graph: who reads what.
        sources: the sources that are read, as they are now.
        upstream: the assets that are read, each at the position of its log that counts.
        root: the lake's root.
        spool: gives a path for results that are not Polars' own.
    """

    graph: Graph
    sources: Mapping[str, SourceNow]
    upstream: Mapping[str, Fold]
    root: Path
    spool: Callable[[], Path]
    _scans: dict[str, pl.LazyFrame] = field(default_factory=dict)

    def whole(self, name: str) -> pl.LazyFrame:
        """A thing as it is, all of it: how views see what they read."""
        if name not in self._scans:
            node = self.graph.node(name)
            if isinstance(node, Source):
                frame = scan(self.sources[name])
                # Queries that ask different things of a text file must share its scan all the same. Where there is
                # one query only, Polars takes the cache out again.
                self._scans[name] = frame.cache() if node.format in ONE_PASS else frame
            elif isinstance(node, View):
                arguments = {below: self.whole(below) for below in node.reads}
                self._scans[name] = to_frame(call(node.function, arguments, name=name), name=name, spool=self.spool)
            else:
                # In the order of the keys, not in that in which they were first made.
                keys = sorted(self.upstream[name].keys, key=node.partitions.index)
                self._scans[name] = published(self.root, node, self.upstream[name], keys)
        return self._scans[name]


@dataclass(slots=True, kw_only=True)
class Frames(Reader):
    """Builds the frames of one asset.

    Attributes:
        asset: whose function is to be called; what is read is what it is made of.
    """

    asset: Asset

    def arguments(self, keys: Sequence[str]) -> dict[str, pl.LazyFrame]:
        """The function's arguments by name, for these keys."""
        return {name: self._argument(name, keys) for name in self.asset.reads}

    def timed(self) -> list[tuple[str, str]]:
        """The things whose rows are limited to the requested windows, each with its time column."""
        nodes = [self.graph.node(name) for name in self.asset.reads]
        return [(node.name, node.time) for node in nodes if not isinstance(node, Asset) and node.time]

    def below_views(self) -> list[str]:
        """The upstream assets that lie below the views whose rows are limited."""
        below = {node.name: node for name, _ in self.timed() for node in self.graph.inputs(name)}
        return [name for name, node in below.items() if isinstance(node, Asset)]

    def keyed(self) -> list[str]:
        """The arguments that hold the rows of the requested keys and no others, with the partition column."""
        timed = {name for name, _ in self.timed()}
        return [
            name
            for name in self.asset.reads
            if name in timed or isinstance(self.graph.node(name), Asset) or self._brings_keys(name)
        ]

    def _brings_keys(self, name: str) -> bool:
        """Whether something without ``time=`` has the partition column itself, as a view over an asset does."""
        try:
            return self.whole(name).collect_schema().get(self.asset.partitions.column) == pl.String
        except ENGINE_ERRORS as error:
            raise engine_error(error, name) from error

    def _argument(self, name: str, keys: Sequence[str]) -> pl.LazyFrame:
        node = self.graph.node(name)
        if isinstance(node, Asset):
            return published(self.root, node, self.upstream[name], keys)
        frame = self.whole(name)
        if node.time:
            return limit(frame, node.time, self.asset.partitions, keys, of=name)
        return frame.filter(pl.col(self.asset.partitions.column).is_in(keys)) if self._brings_keys(name) else frame


def limit(frame: pl.LazyFrame, time: str, partitions: Monthly, keys: Sequence[str], *, of: str) -> pl.LazyFrame:
    """The rows whose time lies in the windows of these keys, with the key in the partition column.

    Dates and naive times are wall clock in the definition's time zone; aware ones are converted to it. The
    windows' own filter comes first, as a plain comparison that Polars pushes down into the scan.

    Raises:
        DefinitionError: the column is missing, or is no date or time, with the cast that helps; or the frame has a
            column of the partition column's name.
        ComputeError: the frame's own query is at fault.
    """
    dtype = _time_type(frame, time, partitions, of)
    spans = _spans(partitions, keys)
    column = pl.col(time)
    inside = [(column >= edge(start, dtype)) & (column < edge(end, dtype)) for start, end in _few(spans)]
    first, days = _days(partitions, keys, spans)
    day = _local_day(column, dtype, partitions, keys)
    key = pl.lit(days).gather(day.cast(pl.Int32) - (first - _EPOCH).days)
    limited = frame.filter(reduce(or_, inside))
    limited = limited.with_columns(key.alias(partitions.column))
    return limited if len(inside) == len(spans) else limited.filter(pl.col(partitions.column).is_not_null())


def _time_type(frame: pl.LazyFrame, time: str, partitions: Monthly, of: str) -> pl.DataType:
    """The type of the time column, if rows can be told apart by it."""
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
    if partitions.column in columns:
        raise DefinitionError(
            f"{of!r} has a column {partitions.column!r} of its own, and the partition column would replace it",
            help=f'rename it in a view, or name the other: Monthly(..., column="{partitions.column}_key")',
        )
    return dtype


def _local_day(column: pl.Expr, dtype: pl.DataType, partitions: Monthly, keys: Sequence[str]) -> pl.Expr:
    """The day by which a row's key goes: the one that clocks in the definition's time zone show."""
    if isinstance(dtype, pl.Date):
        return column
    if getattr(dtype, "time_zone", None) is None:
        return column.dt.date()
    day = column.dt.convert_time_zone(partitions.timezone).dt.date()
    # Where clocks are set back over a window's first midnight they show the day before again, but what has begun
    # has begun: windows are intervals of time.
    for start in (partitions.window(key).start for key in keys):
        if any((start.astimezone(UTC) + after).astimezone(start.tzinfo).date() < start.date() for after in _SET_BACK):
            shown_again = (column >= edge(start, dtype)) & (day < start.date())
            day = pl.when(shown_again).then(pl.lit(start.date())).otherwise(day)
    return day


def _spans(partitions: Monthly, keys: Sequence[str]) -> list[tuple[datetime, datetime]]:
    """The keys' windows, those that touch made one, in time order."""
    spans: list[tuple[datetime, datetime]] = []
    for key in sorted(keys, key=partitions.index):
        window = partitions.window(key)
        if spans and spans[-1][1] == window.start:
            spans[-1] = (spans[-1][0], window.end)
        else:
            spans.append((window.start, window.end))
    return spans


def _few(spans: list[tuple[datetime, datetime]]) -> list[tuple[datetime, datetime]]:
    return spans if len(spans) <= _MAX_SPANS else [(spans[0][0], spans[-1][1])]


def edge(instant: datetime, dtype: pl.DataType) -> pl.Expr:
    """A window's edge as the column would write it."""
    if dtype == pl.Date:
        return pl.lit(instant.date())
    assert isinstance(dtype, pl.Datetime)  # noqa: S101  the caller has looked
    if dtype.time_zone is None:
        return pl.lit(instant.replace(tzinfo=None), dtype=pl.Datetime(dtype.time_unit))
    # By way of UTC: Polars takes no wall clock time that its zone skips, and a month may begin with one.
    utc = pl.lit(instant.astimezone(UTC), dtype=pl.Datetime(dtype.time_unit, "UTC"))
    return utc.dt.convert_time_zone(dtype.time_zone)


def _days(
    partitions: Monthly, keys: Sequence[str], spans: Sequence[tuple[datetime, datetime]]
) -> tuple[date, pl.Series]:
    """The key of each day from the first span's start to the last one's end; null for days between."""
    first, last = spans[0][0].date(), spans[-1][1].date()
    wanted = set(keys)
    of_day = (partitions.key_of(first + timedelta(number)) for number in range((last - first).days))
    return first, pl.Series([key if key in wanted else None for key in of_day], dtype=pl.String)


def published(root: Path, asset: Asset, fold: Fold, keys: Sequence[str]) -> pl.LazyFrame:
    """The published rows of these keys at the log position of ``fold``; keys that were never made have none.

    Columns: the contract's, then the partition columns as String.

    Raises:
        AuditError: some have the columns of before a change of the contract; readers would fill, drop or round.
    """
    if outdated := fold.outdated(keys):
        raise outdated_columns(asset.name, outdated)
    columns = asset.partitions.columns
    contract = {name: parse_type(kind) for name, kind in fold.schema or ()}
    names = [*contract, *columns]
    versions = [version for key in keys if (version := fold.key(key).version) is not None]
    if not versions:
        return pl.LazyFrame(schema={**contract, **dict.fromkeys(columns, pl.String)})
    # A key=value folder above the lake would be read as a column of each file: name it, then leave it out.
    above = {part.partition("=")[0] for part in root.parts if "=" in part}
    if above & set(names):
        return _one_by_one(root, asset, fold, keys)
    frame = pl.scan_parquet(
        [root / version.path for version in versions],
        hive_partitioning=True,
        hive_schema=dict.fromkeys([*sorted(above), *columns], pl.String),
        glob=False,
    )
    return frame.select(names)


def _one_by_one(root: Path, asset: Asset, fold: Fold, keys: Sequence[str]) -> pl.LazyFrame:
    """The same where a folder above the lake has a column's name: Hive's value would replace the column's."""
    frames = [
        pl.scan_parquet(root / version.path, hive_partitioning=False, glob=False).with_columns(
            pl.lit(value).alias(column)
            for column, value in zip(asset.partitions.columns, asset.partitions.values(key), strict=True)
        )
        for key in keys
        if (version := fold.key(key).version) is not None
    ]
    return pl.concat(frames, how="vertical")
