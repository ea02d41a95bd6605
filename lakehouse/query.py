"""The lake through DuckDB: a table for each asset, view and source, each asset as one commit left it.

Knows which files and frames stand behind which name. Refuses to run a query itself: `sandbox` does.
"""

from __future__ import annotations

import secrets
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final, cast

from lakehouse.assets import Asset, Source, View
from lakehouse.sandbox import Frame, Result, Table, select
from lakehouse.survey import Survey

if TYPE_CHECKING:
    import polars as pl

__all__ = ["query", "tables"]

_DUCKDB: Final = {
    "bool": "BOOLEAN",
    "i8": "TINYINT",
    "i16": "SMALLINT",
    "i32": "INTEGER",
    "i64": "BIGINT",
    "f32": "FLOAT",
    "f64": "DOUBLE",
    "str": "VARCHAR",
    "binary": "BLOB",
    "date": "DATE",
    "datetime[ms]": "TIMESTAMP",
    "datetime[us]": "TIMESTAMP",
}


def query(survey: Survey, sql: str) -> Result:
    """The result of one SELECT over the lake's assets, views and sources.

    Raises:
        RequestError: it is no single SELECT, names something that there is not, or fails.
    """
    return select(tables(survey), sql)


def tables(survey: Survey) -> list[Table | Frame]:
    """Every table that a query may name: assets as their published files, sources and views computed on use."""
    scratch = TemporaryDirectory(prefix="lake-")  # gone with the last frame that may need it
    return [
        _asset(survey, node)
        if isinstance(node, Asset)
        else Frame(name=node.name, load=partial(_whole, survey, node, scratch))
        for node in survey.graph.nodes.values()
    ]


def _asset(survey: Survey, asset: Asset) -> Table:
    fold = survey.fold(asset.name)
    versions = [state.version for state in fold.keys.values() if state.version is not None]
    return Table(
        name=asset.name,
        files=tuple(str(survey.disk.path(version.path)) for version in versions),
        columns=tuple(name for name, _ in fold.schema or ()),
        ddl=tuple(_ddl(kind) for _, kind in fold.schema or ()),
        partition_columns=asset.partitions.columns,
    )


def _ddl(kind: str) -> str:
    """DuckDB's name of a type that the log names; needed where no file tells it."""
    if kind in _DUCKDB:
        return _DUCKDB[kind]
    if kind.startswith("decimal["):
        return f"DECIMAL({kind[8:-1]})"
    if kind.startswith("datetime["):
        return "TIMESTAMP WITH TIME ZONE"
    return _nested(kind)


def _nested(kind: str) -> str:
    import polars as pl

    from lakehouse.dtypes import parse_type, type_name

    dtype = parse_type(kind)
    if isinstance(dtype, pl.List):
        return f"{_ddl(type_name(cast('pl.DataType', dtype.inner)))}[]"
    assert isinstance(dtype, pl.Struct)  # noqa: S101  nothing else is nested
    named = [('"' + field.name.replace('"', '""') + '"', cast("pl.DataType", field.dtype)) for field in dtype.fields]
    return f"STRUCT({', '.join(f'{name} {_ddl(type_name(inner))}' for name, inner in named)})"


def _whole(survey: Survey, node: Source | View, scratch: TemporaryDirectory[str]) -> pl.LazyFrame:
    """All rows of a source or a view; what is no Polars frame goes through a file outside the lake."""
    from lakehouse.frames import Frames

    graph = survey.graph
    inputs = [node] if isinstance(node, Source) else graph.inputs(node.name)
    frames = Frames(
        graph=graph,
        asset=graph.assets()[0],
        sources={item.name: survey.source(item.name) for item in inputs if isinstance(item, Source)},
        upstream={item.name: survey.fold(item.name) for item in inputs if isinstance(item, Asset)},
        root=survey.disk.root,
        spool=lambda: Path(scratch.name) / secrets.token_hex(8),
    )
    return frames.whole(node.name)
