"""Whether sources hold what they declare, and how many of their rows belong to no partition.

Knows how to ask that in the same pass that computes, and what the answers mean. The verdict holds for one content
of the sources under one declaration, so it is asked once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import polars as pl
from msgspec import Struct, field

from lakehouse.assets import Source
from lakehouse.errors import SourceError
from lakehouse.frames import Frames
from lakehouse.partitions.dimension import ANY_TIME, Dimension
from lakehouse.partitions.timekinds import TimePartitions
from lakehouse.sources.now import SourceNow
from lakehouse.windows import require_time, without_window

__all__ = ["Intake", "unread_values"]

_FEW: Final = 5


def unread_values(frames: Frames) -> list[str]:
    """What there is to say of keys of upstreams that the asset does not list: nothing of them is read."""
    asset, notes = frames.asset.name, []
    for name in frames.links:
        for column, values in frames.unread_values(name).items():
            shown = ", ".join(values[:_FEW]) + (" …" if len(values) > _FEW else "")
            notes.append(f"{name} has keys of a {column} that {asset} does not list: {shown}")
    return notes


class Intake(Struct, eq=False):
    """The questions about an asset's sources, and their answers.

    Attributes:
        frames: the asset's.
        notes: rows of no partition, by reason; filled in by `judge`.
        latest: the latest time in each time column; filled in by `judge`.
    """

    frames: Frames
    notes: list[str] = field(default_factory=list)
    latest: dict[str, str] = field(default_factory=dict)
    _asked: list[tuple[str, str, pl.LazyFrame]] = field(default_factory=list)

    def ask(self) -> list[pl.LazyFrame]:
        """The queries, to be run along with the asset's own so that they share its scans.

        Those over Parquet are asked at once and apart: shared, they would keep the asset's query from skipping
        row groups.
        """
        for now in self.frames.sources.values():
            if (required := _required(now.source)) and now.source.format != "parquet":
                self._ask(
                    "nulls", now.source.name, self.frames.whole(now.source.name).select(pl.col(required).null_count())
                )
        for name in self.frames.limited():
            self._ask("no key", name, self._without_key(name, self.frames.whole(name), self.frames.carried(name)))
        for name, columns in self.frames.cut_by_column().items():
            self._ask("no key", name, self._without_key(name, self.frames.uncut(name), columns))
        asked, self._asked = self._asked, []
        for question, name, query in asked:
            if self.frames.is_one_pass(name):
                self._ask(question, name, query)
            else:
                self._judge_one(question, name, query.collect(engine="streaming"))
        for now in self.frames.sources.values():
            if now.source.format == "parquet" and (required := _required(now.source)):
                self._judge_skippable(now, required)
        return [query for _, _, query in self._asked]

    def _without_key(self, name: str, frame: pl.LazyFrame, columns: Sequence[str]) -> pl.LazyFrame:
        """How many rows have no key, by column and reason, and the latest time; one row."""
        found: list[pl.Expr] = []
        for dimension in self.frames.partitions.dimensions:
            column, time = dimension.column, self.frames.time_of(name)
            if column not in columns:
                continue
            if isinstance(dimension, TimePartitions):
                if time:
                    dtype = require_time(frame, time, dimension, of=name)
                    found += [e.name.prefix(f"{column}\0") for e in without_window(time, dtype, dimension)]
                continue
            key = pl.col(column).cast(pl.String)
            stranger = key.is_not_null() & ~key.is_in(dimension.keys(ANY_TIME))
            found += [
                key.is_null().sum().alias(f"{column}\0null"),
                stranger.sum().alias(f"{column}\0unlisted"),
                key.filter(stranger).unique().sort().head(_FEW).implode().alias(f"{column}\0values"),
            ]
        return frame.select(found)

    def _ask(self, question: str, name: str, query: pl.LazyFrame) -> None:
        self._asked.append((question, name, query))

    def judge(self, answers: Sequence[pl.DataFrame]) -> None:
        """Take the answers, in the order of the questions.

        Raises:
            SourceError: a column that may hold no nulls holds some; with line and value where the file has lines.
        """
        for (question, name, _), answer in zip(self._asked, answers, strict=True):
            self._judge_one(question, name, answer)

    def _judge_one(self, question: str, name: str, answer: pl.DataFrame) -> None:
        found = {column: value for column in answer.columns if (value := _value(answer, column))}
        if question == "nulls" and found:
            raise self.frames.sources[name].fault() or _holds_nulls(self.frames.sources[name], found)
        if question == "no key":
            for dimension in self.frames.partitions.dimensions:
                own = {k.partition("\0")[2]: v for k, v in found.items() if k.partition("\0")[0] == dimension.column}
                if (last := own.pop("last", None)) is not None:
                    self.latest[str(self.frames.time_of(name))] = str(last)
                self.notes += _no_key(self.frames, name, dimension, own)

    def _judge_skippable(self, now: SourceNow, required: list[str]) -> None:
        """Null counts of Parquet files: Polars reads only the row groups whose statistics do not rule nulls out."""
        nulls = self.frames.whole(now.source.name).filter(pl.any_horizontal(pl.col(required).is_null()))
        answer = nulls.select(pl.col(required).null_count()).collect(engine="streaming")
        self._judge_one("nulls", now.source.name, answer)


def _value(answer: pl.DataFrame, column: str) -> Any:
    """The value in the one row; None for a time that is beyond Python's years."""
    try:
        return answer.select(column).row(0)[0]
    except (ValueError, OverflowError, pl.exceptions.PanicException):
        return None


def _required(source: Source) -> list[str]:
    return [name for name in source.schema or () if name not in source.nullable]


def _holds_nulls(now: SourceNow, counts: dict[str, int]) -> SourceError:
    listed = ", ".join(f"{count} in {column}" for column, count in counts.items())
    return SourceError(
        f"{now.source.path}: nulls in columns that hold none: {listed}; nothing written",
        help=f"mend the data, or name the columns in nullable=[...] ({now.source.where})",
        context={"source": now.source.name, "nulls": counts},
    )


def _no_key(frames: Frames, name: str, dimension: Dimension, counts: dict[str, Any]) -> list[str]:
    asset, notes = frames.asset, []
    what = frames.time_of(name) if isinstance(dimension, TimePartitions) else dimension.column
    if null := counts.get("null"):
        notes.append(f"{_rows(null)} of {name} {_have(null)} no {what} and {_belong(null)} to no partition")
    if isinstance(dimension, TimePartitions):
        if before := counts.get("before"):
            start = dimension.first_key
            notes.append(f"{_rows(before)} of {name} {_are(before)} from before {start}, where {asset.name} begins")
        if after := counts.get("after"):
            end = dimension.final_key
            notes.append(f"{_rows(after)} of {name} {_are(after)} from after {end}, where {asset.name} ends")
        if skipped := counts.get("skipped"):
            zone = dimension.timezone
            notes.append(f"{_rows(skipped)} of {name} {_have(skipped)} a {what} that clocks in {zone} skip")
    elif unlisted := counts.get("unlisted"):
        shown = ", ".join(counts["values"]) + (" …" if len(counts["values"]) == _FEW else "")
        listed = f"of a {what} that {asset.name} does not list"
        notes.append(f"{_rows(unlisted)} of {name} {_are(unlisted)} {listed}: {shown}")
    return notes


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _have(count: int) -> str:
    return "has" if count == 1 else "have"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _belong(count: int) -> str:
    return "belongs" if count == 1 else "belong"
