"""Whether sources hold what they declare, and how many of their rows belong to no partition.

Knows how to ask that in the same pass that computes, and what the answers mean. The verdict holds for one content
of the sources under one declaration, so it is asked once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import polars as pl

from lakehouse import csv_faults
from lakehouse.assets import Asset, Source, View
from lakehouse.calls import ENGINE_ERRORS
from lakehouse.errors import SourceError
from lakehouse.frames import Frames, edge
from lakehouse.sources import SourceNow

__all__ = ["Intake"]

_ONE_PASS: Final = ("csv", "ndjson")  # nothing can be skipped in these: the query scans all of them anyway


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
            frame = self.frames.whole(name)
            start = self.frames.asset.partitions.window(self.frames.asset.partitions.first_key).start
            before = pl.col(time) < edge(start, frame.collect_schema()[time])
            self._ask(
                "no key",
                name,
                frame.select(null=pl.col(time).is_null().sum(), before=before.sum(), last=pl.col(time).max()),
            )
        shared = [item for item in self._asked if self._is_shared(item[1])]
        for item in [item for item in self._asked if item not in shared]:
            self._judge_one(*item[:2], item[2].collect(engine="streaming"))
        for now in self.frames.sources.values():
            if now.source.format == "parquet" and (required := _required(now.source)):
                self._judge_parquet(now, required)
        self._asked = shared
        return [query for _, _, query in shared]

    def _ask(self, question: str, name: str, query: pl.LazyFrame) -> None:
        self._asked.append((question, name, query))

    def _is_shared(self, name: str) -> bool:
        node = self.frames.graph.node(name)
        inputs = [node] if isinstance(node, Source) else self.frames.graph.inputs(name)
        return all(isinstance(item, Source) and item.format in _ONE_PASS for item in inputs)

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
        """Null counts from the files' footers; a scan only where a writer left them out."""
        import pyarrow.parquet as pq

        counts: dict[str, int] = {}
        for path in now.files:
            footer = pq.read_metadata(path)
            for group in range(footer.num_row_groups):
                for index in range(footer.num_columns):
                    column = footer.row_group(group).column(index)
                    statistics = column.statistics
                    if column.path_in_schema not in required:
                        continue
                    if statistics is None or not statistics.has_null_count:
                        self._judge_one("nulls", now.source.name, self._count_nulls(now.source.name, required))
                        return
                    if statistics.null_count:
                        counts[column.path_in_schema] = counts.get(column.path_in_schema, 0) + statistics.null_count
        if counts:
            raise _holds_nulls(now, counts)

    def _count_nulls(self, name: str, required: list[str]) -> pl.DataFrame:
        return self.frames.whole(name).select(pl.col(required).null_count()).collect(engine="streaming")


def _required(source: Source) -> list[str]:
    return [name for name in source.schema or () if name not in source.nullable]


def source_fault(now: SourceNow) -> SourceError | None:
    """What is wrong with a source's lines; None where nothing is, or where it has no lines."""
    if now.source.format != "csv" or now.source.schema is None:
        return None
    for path in now.files:
        try:
            faults = csv_faults.find_faults(path, now.source.schema, nullable=now.source.nullable)
        except ENGINE_ERRORS:  # the file may be gone by now; the first error is then the better one
            continue
        if faults is not None:
            return csv_faults.source_error(now.shown(path), faults)
    return None


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
        verb, start = "is" if before == 1 else "are", asset.partitions.first_key
        notes.append(f"{_rows(before)} of {node.name} {verb} from before {start}, where {asset.name} begins")
    return notes


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"


def _have(count: int) -> str:
    return "has" if count == 1 else "have"


def _belong(count: int) -> str:
    return "belongs" if count == 1 else "belong"
