"""What only the rows themselves can tell: a digest of those of each key, and the keys that they have.

Knows how rows are digested, whatever their order. Refuses to keep the answers.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final

import polars as pl
from msgspec import Struct

from lakehouse.assets import Asset, Source
from lakehouse.calls import ENGINE_ERRORS
from lakehouse.errors import ComputeError, DefinitionError, PartitionKeyError, SourceError
from lakehouse.frames import Frames
from lakehouse.inputs import RowTable
from lakehouse.partitions.categories import Dynamic

if TYPE_CHECKING:
    from lakehouse.survey import Survey

__all__ = ["RowQuestion", "frames_of", "row_question", "rows", "values"]

_HASH: Final = f"polars {pl.__version__}"  # whose it is: another release may hash the same rows otherwise
_SEEDS: Final = (1, 7)
_UNTOLD: Final = (SourceError, DefinitionError, ComputeError, *ENGINE_ERRORS)


def frames_of(survey: Survey, asset: Asset, keys: Sequence[str] | None, spool: Callable[[], Path]) -> Frames:
    """The frames of an asset's function for some keys (None: for any), as a survey sees what they are made of."""
    graph, inputs = survey.graph, survey.inputs
    nodes = {node.name: node for node in graph.inputs(asset.name)}
    links = {name: link for name in asset.reads if (link := inputs.link(asset, graph.node(name))) is not None}
    return Frames(
        graph=graph,
        sources={
            name: survey.source_for(asset, node, keys) for name, node in nodes.items() if isinstance(node, Source)
        },
        upstream={name: survey.fold(name) for name, node in nodes.items() if isinstance(node, Asset)},
        root=survey.disk.root,
        spool=spool,
        asset=asset,
        partitions=survey.partitions(asset),
        links=links,
        reads=lambda name, key: inputs.reads(asset, nodes[name], key).keys,
        keys=keys or (),
        upstream_bytes=inputs.upstream_bytes(asset, keys),
    )


class RowQuestion(Struct, frozen=True):
    """The question what rows an argument has for each key.

    Attributes:
        query: to be run.
        columns: the partition columns by which the rows are told apart; the first of the answer's.
    """

    query: pl.LazyFrame
    columns: tuple[str, ...]

    def table(self, answer: pl.DataFrame) -> RowTable:
        """What the query's answer means."""
        width = len(self.columns)
        return RowTable(self.columns, {tuple(row[:width]): _digest(row[width:]) for row in answer.iter_rows()})


def row_question(frames: Frames, name: str, keys: Sequence[str]) -> RowQuestion | None:
    """How to ask for a digest of the rows that an argument has for each of these keys; None where none would last.

    Rows count with how often they are there, and not by their order.
    """
    columns, frame = frames.carried(name), frames.every(name, keys)
    if (hashes := _hashes(frame.collect_schema(), columns)) is None:
        return None
    sums = [*hashes, pl.len().alias("\0count")]
    return RowQuestion(frame.group_by(*columns).agg(sums) if columns else frame.select(sums), columns)


def rows(survey: Survey, asset: Asset, name: str, keys: Sequence[str]) -> RowTable | None:
    """A digest of the rows that an argument has for each of these keys, in one scan."""
    with _spool() as spool:
        try:
            question = row_question(frames_of(survey, asset, keys, spool), name, keys)
            return None if question is None else question.table(question.query.collect(engine="streaming"))
        except _UNTOLD:
            return None


def values(survey: Survey, asset: Asset, column: str) -> list[str] | None:
    """The values that a partition column has in what an asset's function reads, in order; nulls left out.

    Raises:
        SourceError: some cannot be keys, each by itself or beside another.
        DefinitionError: the column is there and no text.
    """
    with _spool() as spool:
        try:
            frames = frames_of(survey, asset, None, spool)
            found = [frames.values_of(name, column) for name in asset.reads]
            queries = [query for query in found if query is not None]
            if not queries:
                return []
            answers = pl.collect_all(queries, engine="streaming")
        except DefinitionError:  # a column that is no text would never have a key
            raise
        except _UNTOLD:
            return None
    present = sorted({value for answer in answers for value in answer.to_series() if value is not None})
    try:
        return Dynamic(column).require_keys(present)
    except PartitionKeyError as error:
        raise SourceError(
            f"the data of {asset.name} has a {column} that cannot be a key: {error.message}",
            code="key-unsafe",
            help=f'mend it in a view, e.g. with pl.col("{column}").str.to_lowercase(), or as null: of no key',
            context={"asset": asset.name, "column": column},
        ) from None


def _hashes(schema: pl.Schema, columns: Sequence[str]) -> list[pl.Expr] | None:
    """What adds up to the digest of a set of rows; None where a column has no hash that lasts."""
    parts: list[pl.Expr] = []
    for name, dtype in schema.items():
        if name in columns:
            continue
        if isinstance(dtype, pl.Categorical | pl.Enum):
            parts.append(pl.col(name).cast(pl.String))  # its codes are another process's
        elif (dtype.is_nested() and _is_coded(dtype)) or isinstance(dtype, pl.Object):
            return None
        else:
            parts.append(pl.col(name))
        if dtype.is_float():  # a hash takes -0.0 for 0.0
            parts.append(((pl.col(name) == 0) & (1 / pl.col(name) < 0)).alias(f"{name}\0sign"))
    if not parts:
        return []
    return [pl.struct(parts).hash(seed).sum().alias(f"\0{seed}") for seed in _SEEDS]


def _is_coded(dtype: pl.DataType) -> bool:
    return any(word in str(dtype) for word in ("Categorical", "Enum", "Object"))


def _digest(row: Sequence[object]) -> str:
    return hashlib.sha256(json.dumps([_HASH, *row]).encode()).hexdigest()


@contextmanager
def _spool() -> Iterator[Callable[[], Path]]:
    """Room for results that are not Polars' own, outside the lake: looking at one writes nothing into it."""
    with tempfile.TemporaryDirectory(prefix="lakehouse-") as folder:
        numbers = count()
        yield lambda: Path(folder) / f"{next(numbers)}"
