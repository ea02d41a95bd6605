"""Things read as they are, all of each: sources, views over them, and what assets have published.

Knows files and the functions of views. Refuses to know whose keys are asked for, or to run a query.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from lakehouse.assets import Asset, Source, View
from lakehouse.audit import outdated_columns
from lakehouse.calls import call, to_frame
from lakehouse.dtypes import from_declared, parse_type
from lakehouse.fold import Fold
from lakehouse.graph import Graph
from lakehouse.sources.now import ONE_PASS, SourceNow

__all__ = ["Reader", "published"]


@dataclass(slots=True, eq=False, repr=False, kw_only=True)
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
                frame = self.sources[name].scan(self.spool)
                # Queries that ask different things of a text file must share its scan all the same. Where there is
                # one query only, Polars takes the cache out again.
                self._scans[name] = frame.cache() if node.format in ONE_PASS else frame
            elif isinstance(node, View):
                arguments = {below: self.whole(below) for below in node.reads}
                self._scans[name] = to_frame(call(node.function, arguments, name=name), name=name, spool=self.spool)
            else:
                # In the order of the keys, not in that in which they were first made.
                keys = sorted(self.upstream[name].keys, key=node.partitions.order)
                self._scans[name] = published(self.root, node, self.upstream[name], keys)
        return self._scans[name]


def published(root: Path, asset: Asset, fold: Fold, keys: Sequence[str]) -> pl.LazyFrame:
    """The published rows of these keys at the log position of ``fold``; keys that were never made have none.

    Columns: the contract's, then the partition columns as String.

    Raises:
        AuditError: some have the columns of before a change of the contract; readers would fill, drop or round.
    """
    if outdated := fold.outdated(keys):
        raise outdated_columns(asset.name, outdated)
    columns = asset.partitions.columns
    schema = fold.schema or (from_declared(asset.schema) if asset.schema else ())
    contract = {name: parse_type(kind) for name, kind in schema}
    names = [*contract, *columns]
    versions = [version for key in keys if (version := fold.key(key).version) is not None]
    if not versions:
        return pl.LazyFrame(schema={**contract, **dict.fromkeys(columns, pl.String)})
    # A key=value folder above the lake would be read as a column of each file: name it, then leave it out.
    above = {part.partition("=")[0] for part in root.parts if "=" in part}
    if above & set(names):
        return _one_by_one(root, asset, fold, keys)
    folders = dict.fromkeys([*sorted(above), *columns], pl.String)
    files = [root / version.path for version in versions]
    frame = pl.scan_parquet(files, hive_partitioning=bool(folders), hive_schema=folders or None, glob=False)
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
