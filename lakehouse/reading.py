"""Things read as they are, all of each: sources, views over them, and what assets have published.

Knows files and the functions of views. Refuses to know whose keys are asked for, or to run a query.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Final

import polars as pl
from msgspec import Struct, field

from lakehouse.assets import Asset, Source, View
from lakehouse.audit import outdated_columns
from lakehouse.calls import ENGINE_ERRORS, call, engine_error, to_frame
from lakehouse.damage import damage
from lakehouse.dtypes import from_declared, parse_type
from lakehouse.errors import SourceError
from lakehouse.fold import Fold
from lakehouse.graph import Graph
from lakehouse.records import Version
from lakehouse.sources.now import ONE_PASS, SourceNow

__all__ = ["Reader", "published", "version_rows"]

_FILES_AT_FAULT: Final = ("source-missing", "source-unreadable", "source-damaged")


class Reader(Struct, eq=False, kw_only=True):
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
                frame = self.rows_of(self.sources[name])
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

    def rows_of(self, now: SourceNow) -> pl.LazyFrame:
        """The rows of a source, or of some of its keys.

        Raises:
            SourceError: they cannot be read; it names what needs them.
        """
        try:
            return now.scan(self.spool)
        except SourceError as error:
            raise self.with_readers(error, now) from None

    def with_readers(self, error: SourceError, now: SourceNow) -> SourceError:
        """The same error; where files cannot be read at all, it says who needs them."""
        needed = f"needed by: {self.graph.needed_by(now.source.name)}"
        if error.code in _FILES_AT_FAULT and needed not in error.details:
            error.details += (needed,)
        return error


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


def version_rows(root: Path, asset: str, key: str, version: Version, *, rows: int | None = None) -> pl.DataFrame:
    """The rows of one version, the first ones only if so many are asked for; without partition columns.

    Raises:
        DamageError: the version is gone, or no longer as it was published.
        StorageError: it cannot be read for another reason.
    """
    frame = pl.scan_parquet(root / version.path, hive_partitioning=False, glob=False)
    try:
        return (frame if rows is None else frame.head(rows)).collect()
    except ENGINE_ERRORS as error:
        raise damage(root, asset, key, version) or engine_error(error, f"{asset} {key}") from error
