"""The lake through DuckDB: a table for each asset, view and source, each asset as one commit left it.

Knows which files and frames stand behind which name. Refuses to run a query itself: `sandbox` does.
"""

from __future__ import annotations

import re
import secrets
import shutil
import weakref
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Final, NoReturn, cast

from lakehouse.assets import Asset, Source, View
from lakehouse.errors import LakeError, RequestError
from lakehouse.sql.sandbox import Frame, Result, Table, select
from lakehouse.sql.tables import literally
from lakehouse.survey import Survey

if TYPE_CHECKING:
    import polars as pl
    from polars._typing import PolarsDataType

    from lakehouse.fold import Fold
    from lakehouse.past.moment import Past
    from lakehouse.records import Schema

    _Folded = Callable[[str], Fold]

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


def query(survey: Survey, sql: str, *, as_of: str | int | datetime | None = None) -> Result:
    """The result of one SELECT over the lake's assets, views and sources.

    Args:
        survey: the lake as it is.
        sql: the SELECT.
        as_of: a moment at which all assets are read (`Past` tells how it is written); sources, and views over them,
            are then refused. None: now.

    Raises:
        RequestError: it is no single SELECT, names something that there is not, or fails; or the moment is wrong,
            or what an asset had then is no longer kept.
        SourceError, ComputeError: a source or a view that it names cannot be read.
        StorageError: a file cannot be read.
    """
    past = None
    if as_of is not None:
        from lakehouse.past.moment import Past

        past = Past(survey, as_of)
    return select(tables(survey, described=_LISTS.search(sql) is not None, past=past), sql)


def tables(survey: Survey, *, described: bool = False, past: Past | None = None) -> list[Table | Frame]:
    """Every table that a query may name: assets as their published files, sources and views computed on use.

    Args:
        survey: the lake as it is.
        described: whether to tell the columns of sources and views too, for queries that list what there is; this
            calls the views' functions.
        past: the lake as it was, where that is asked for.
    """
    fold = survey.fold if past is None else past.fold
    scratch = _Scratch()
    found: list[Table | Frame] = []
    for node in survey.graph.nodes.values():
        if isinstance(node, Asset):
            found.append(_asset(survey, node, fold, is_past=past is not None))
        elif past is not None and (refusal := past.refusal(node)) is not None:
            found.append(Frame(name=node.name, load=partial(_refuse, refusal)))
        else:
            schema = _columns(survey, node, scratch, fold) if described else ()
            found.append(
                Frame(
                    name=node.name,
                    load=partial(_whole, survey, node, scratch, fold),
                    columns=tuple(name for name, _ in schema),
                    ddl=tuple(_ddl(kind) for _, kind in schema),
                    fault=partial(_fault, survey, node, fold),
                )
            )
    return found


def _asset(survey: Survey, asset: Asset, folded: _Folded, *, is_past: bool) -> Table | Frame:
    """The files that the log names, in the order of their keys; with the declared columns where there are none."""
    try:
        fold = folded(asset.name)
    except LakeError as error:  # of no matter to a query that does not read it
        return Frame(name=asset.name, load=partial(_refuse, error))
    schema = fold.schema or _declared(asset.schema)
    if schema is None:
        return Frame(name=asset.name, load=partial(_refuse_unmade, asset, is_past=is_past))
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
        fault=partial(_damage, survey.disk.root, fold),
    )


def _damage(root: Path, fold: Fold, said: str) -> LakeError | None:
    """What is wrong with a version that DuckDB names; None: nothing, or it names none."""
    from lakehouse.damage import first_damage

    versions = ((key, state.version) for key, state in fold.keys.items())
    named = [key for key, version in versions if version and literally(str(root / version.path)) in said]
    return first_damage(root, fold, named)


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


def _refuse_unmade(asset: Asset, *, is_past: bool) -> NoReturn:
    cure = "see when it was: lake history" if is_past else "make a partition: lake materialize latest -a"
    raise RequestError(
        f"{asset.name} {'was not made by then' if is_past else 'was never made'}, so it has no columns yet",
        code="asset-missing",
        help=f"{cure} {asset.name}",
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


def _whole(survey: Survey, node: Source | View, scratch: _Scratch, fold: _Folded) -> pl.LazyFrame:
    """All rows of a source or a view; what is no Polars frame goes through a file outside the lake."""
    from lakehouse.reading import Reader

    inputs = [node] if isinstance(node, Source) else survey.graph.inputs(node.name)
    reader = Reader(
        graph=survey.graph,
        sources={item.name: survey.sources.now(item.name) for item in inputs if isinstance(item, Source)},
        upstream={item.name: fold(item.name) for item in inputs if isinstance(item, Asset)},
        root=survey.disk.root,
        spool=scratch.spare,
    )
    return reader.whole(node.name)


def _fault(survey: Survey, node: Source | View, fold: _Folded, said: str) -> LakeError | None:
    """What is wrong with what a source or a view is read from, where it is the one that failed; None: nothing."""
    from lakehouse.damage import first_damage

    if f"registered as '{node.name}'" not in said:
        return None
    inputs = [node] if isinstance(node, Source) else survey.graph.inputs(node.name)
    sources = (survey.sources.now(item.name).fault() for item in inputs if isinstance(item, Source))
    folds = (fold(item.name) for item in inputs if isinstance(item, Asset))
    damaged = (first_damage(survey.disk.root, upper, upper.keys) for upper in folds)
    return next((found for found in (*sources, *damaged) if found is not None), None)


def _columns(survey: Survey, node: Source | View, scratch: _Scratch, fold: _Folded) -> Schema:
    """The columns of a source or a view; none where they cannot be told without an error."""
    from lakehouse.calls import ENGINE_ERRORS
    from lakehouse.dtypes import schema_of

    try:
        if isinstance(node, Source) and node.schema:
            return _declared(node.schema) or ()
        return schema_of(_whole(survey, node, scratch, fold).collect_schema())
    except (LakeError, *ENGINE_ERRORS):
        return ()
