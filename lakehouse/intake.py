"""Whether sources hold what they declare, and how many of their rows belong to no partition.

Knows how to ask that in the same pass that computes, and what the answers mean. The verdict holds for one content
of the sources under one declaration, so it is asked once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

import polars as pl

from lakehouse.assets import Asset, Source, View
from lakehouse.errors import SourceError
from lakehouse.frames import Frames, edge
from lakehouse.sources import ONE_PASS, SourceNow, source_fault

__all__ = ["Intake"]

_FAR_AWAY: Final = datetime(9000, 1, 1, tzinfo=UTC)


@dataclass(slots=True)
class Intake:
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
        for name, time in self.frames.timed():
            self._ask("no key", name, self._without_key(self.frames.whole(name), time))
        asked, self._asked = self._asked, []
        for question, name, query in asked:
            if self._is_shared(name):
                self._ask(question, name, query)
            else:
                self._judge_one(question, name, query.collect(engine="streaming"))
        for now in self.frames.sources.values():
            if now.source.format == "parquet" and (required := _required(now.source)):
                self._judge_parquet(now, required)
        return [query for _, _, query in self._asked]

    def _without_key(self, frame: pl.LazyFrame, time: str) -> pl.LazyFrame:
        """How many rows have no key, by reason, and the latest time; one row."""
        partitions, dtype = self.frames.asset.partitions, frame.collect_schema()[time]
        first, last = partitions.window(partitions.first_key).start, _last_key(self.frames.asset)
        after = pl.lit(0) if last is None else (pl.col(time) >= edge(partitions.window(last).end, dtype)).sum()
        return frame.select(
            null=pl.col(time).is_null().sum(),
            before=(pl.col(time) < edge(first, dtype)).sum(),
            after=after,
            last=pl.col(time).max(),
        )

    def _ask(self, question: str, name: str, query: pl.LazyFrame) -> None:
        self._asked.append((question, name, query))

    def _is_shared(self, name: str) -> bool:
        node = self.frames.graph.node(name)
        inputs = [node] if isinstance(node, Source) else self.frames.graph.inputs(name)
        return all(isinstance(item, Source) and item.format in ONE_PASS for item in inputs)

    def judge(self, answers: Sequence[pl.DataFrame]) -> None:
        """Take the answers, in the order of the questions.

        Raises:
            SourceError: a column that may hold no nulls holds some; with line and value where the file has lines.
        """
        for (question, name, _), answer in zip(self._asked, answers, strict=True):
            self._judge_one(question, name, answer)

    def _judge_one(self, question: str, name: str, answer: pl.DataFrame) -> None:
        found = {column: value for column, value in answer.row(0, named=True).items() if value}
        if question == "nulls" and found:
            raise source_fault(self.frames.sources[name]) or _holds_nulls(self.frames.sources[name], found)
        if question == "no key":
            node = self.frames.graph.node(name)
            if (last := found.pop("last", None)) is not None and not isinstance(node, Asset):
                self.latest[str(node.time)] = str(last)
            self.notes += _no_key(self.frames.asset, node, found)

    def _judge_parquet(self, now: SourceNow, required: list[str]) -> None:
        """Null counts from the files' footers; a scan only of columns of which those do not tell."""
        import pyarrow.parquet as pq

        counts, untold = dict.fromkeys(required, 0), {name for name in required if self._is_nested(now, name)}
        for path in now.files:
            footer = pq.read_metadata(path)
            indices = {footer.schema.column(index).path: index for index in range(footer.num_columns)}
            for group in (footer.row_group(number) for number in range(footer.num_row_groups)):
                for name in [name for name in required if name not in untold]:
                    statistics = group.column(indices[name]).statistics
                    if statistics is None or not statistics.has_null_count:
                        untold.add(name)
                    else:
                        counts[name] += statistics.null_count
        if untold:
            query = self.frames.whole(now.source.name).select(pl.col(sorted(untold)).null_count())
            counts |= query.collect(engine="streaming").row(0, named=True)
        if found := {name: count for name, count in counts.items() if count}:
            raise _holds_nulls(now, found)

    def _is_nested(self, now: SourceNow, name: str) -> bool:
        """Whether a column has no null count of its own in a footer, only its leaves do."""
        return (now.source.schema or {})[name].is_nested()


def _required(source: Source) -> list[str]:
    return [name for name in source.schema or () if name not in source.nullable]


def _holds_nulls(now: SourceNow, counts: dict[str, int]) -> SourceError:
    listed = ", ".join(f"{count} in {column}" for column, count in counts.items())
    return SourceError(
        f"{now.source.path}: nulls in columns that hold none: {listed}; nothing written",
        help=f"mend the data, or name the columns in nullable=[...] ({now.source.where})",
        context={"source": now.source.name, "nulls": counts},
    )


def _no_key(asset: Asset, node: Source | View | Asset, counts: dict[str, int]) -> list[str]:
    time = "" if isinstance(node, Asset) else node.time
    notes = []
    if null := counts.get("null"):
        notes.append(f"{_rows(null)} of {node.name} {_have(null)} no {time} and {_belong(null)} to no partition")
    if before := counts.get("before"):
        start = asset.partitions.first_key
        notes.append(f"{_rows(before)} of {node.name} {_are(before)} from before {start}, where {asset.name} begins")
    if after := counts.get("after"):
        end = _last_key(asset)
        notes.append(f"{_rows(after)} of {node.name} {_are(after)} from after {end}, where {asset.name} ends")
    return notes


def _last_key(asset: Asset) -> str | None:
    """The key that the definition ends with; None where it has no end."""
    return None if asset.partitions.end is None else asset.partitions.last_key(_FAR_AWAY)


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _have(count: int) -> str:
    return "has" if count == 1 else "have"


def _are(count: int) -> str:
    return "is" if count == 1 else "are"


def _belong(count: int) -> str:
    return "belongs" if count == 1 else "belong"
