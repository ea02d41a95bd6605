"""The lake through DuckDB: a table for each asset, view and source, each asset as one commit left it.

Knows which files and frames stand behind which name. Refuses to run a query itself: `sandbox` does.
"""

from __future__ import annotations

import re
import secrets
import shutil
import weakref
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Final, NoReturn, cast

from lakehouse.assets import Asset, Source, View
from lakehouse.errors import DefinitionError, LakeError, RequestError
from lakehouse.sql.sandbox import Frame, Result, Table, select
from lakehouse.survey import Survey

if TYPE_CHECKING:
    import polars as pl
    from polars._typing import PolarsDataType

    from lakehouse.records import Schema

__all__ = ["query", "tables"]

_LISTS: Final = re.compile(r"\b(show|duckdb_\w+)\b", re.IGNORECASE)
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
        SourceError, ComputeError: a source or a view that it names cannot be read.
        StorageError: a file cannot be read.
    """
    return select(tables(survey, described=_LISTS.search(sql) is not None), sql)


def tables(survey: Survey, *, described: bool = False) -> list[Table | Frame]:
    """Every table that a query may name: assets as their published files, sources and views computed on use.

    Args:
        survey: the lake as it is.
        described: whether to tell the columns of sources and views too, for queries that list what there is; this
            calls the views' functions.
    """
    scratch = _Scratch()
    found: list[Table | Frame] = []
    for node in survey.graph.nodes.values():
        if isinstance(node, Asset):
            found.append(_asset(survey, node))
        else:
            schema = _columns(survey, node, scratch) if described else ()
            found.append(
                Frame(
                    name=node.name,
                    load=partial(_whole, survey, node, scratch),
                    columns=tuple(name for name, _ in schema),
                    ddl=tuple(_ddl(kind) for _, kind in schema),
                )
            )
    return found


def _asset(survey: Survey, asset: Asset) -> Table | Frame:
    """The files that the log names, in the order of their keys; with the declared columns where there are none."""
    try:
        fold = survey.fold(asset.name)
    except DefinitionError as error:  # of no matter to a query that does not read it
        return Frame(name=asset.name, load=partial(_refuse, error))
    schema = fold.schema or _declared(asset.schema)
    if schema is None:
        return Frame(name=asset.name, load=partial(_refuse_unmade, asset))
    made = [key for key, state in fold.keys.items() if state.version is not None]
    if outdated := fold.outdated(made):
        return Frame(name=asset.name, load=partial(_refuse_outdated, asset, outdated))
    versions = [fold.key(key).version for key in sorted(made, key=asset.partitions.order)]
    return Table(
        name=asset.name,
        files=tuple(str(survey.disk.path(version.path)) for version in versions if version is not None),
        columns=tuple(name for name, _ in schema),
        ddl=tuple(_ddl(kind) for _, kind in schema),
        partition_columns=asset.partitions.columns,
    )


def _declared(schema: Mapping[str, PolarsDataType] | None) -> Schema | None:
    if not schema:
        return None
    from lakehouse.dtypes import from_declared

    return from_declared(schema)


def _refuse_outdated(asset: Asset, keys: list[str]) -> NoReturn:
    from lakehouse.audit import outdated_columns

    raise outdated_columns(asset.name, keys)


def _refuse(error: LakeError) -> NoReturn:
    raise error


def _refuse_unmade(asset: Asset) -> NoReturn:
    raise RequestError(
        f"{asset.name} was never made, so it has no columns yet",
        code="asset-missing",
        help=f"make a partition: lake materialize latest -a {asset.name}",
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


class _Scratch:
    """A folder outside the lake, made when it is needed; it goes with the last frame that may need it."""

    def __init__(self) -> None:
        self._folder: Path | None = None

    def spare(self) -> Path:
        """The path of a new file."""
        if self._folder is None:
            self._folder = Path(mkdtemp(prefix="lake-"))
            weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        return self._folder / secrets.token_hex(8)


def _whole(survey: Survey, node: Source | View, scratch: _Scratch) -> pl.LazyFrame:
    """All rows of a source or a view; what is no Polars frame goes through a file outside the lake."""
    from lakehouse.reading import Reader

    inputs = [node] if isinstance(node, Source) else survey.graph.inputs(node.name)
    reader = Reader(
        graph=survey.graph,
        sources={item.name: survey.sources.now(item.name) for item in inputs if isinstance(item, Source)},
        upstream={item.name: survey.fold(item.name) for item in inputs if isinstance(item, Asset)},
        root=survey.disk.root,
        spool=scratch.spare,
    )
    return reader.whole(node.name)


def _columns(survey: Survey, node: Source | View, scratch: _Scratch) -> Schema:
    """The columns of a source or a view; none where they cannot be told without an error."""
    from lakehouse.calls import ENGINE_ERRORS
    from lakehouse.dtypes import schema_of

    try:
        if isinstance(node, Source) and node.schema:
            return _declared(node.schema) or ()
        return schema_of(_whole(survey, node, scratch).collect_schema())
    except (LakeError, *ENGINE_ERRORS):
        return ()
