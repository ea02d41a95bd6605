"""``lake show``: one asset or one partition: where it lies, what it holds, what it is made of."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from lakehouse.assets import Asset, Source
from lakehouse.cli import completing
from lakehouse.cli.help import Command
from lakehouse.cli.options import Format, common, folder_of, screen_of
from lakehouse.cli.output import Screen, align, cell, emit, joined, plural, size, stamp
from lakehouse.errors import RequestError
from lakehouse.records import from_instant
from lakehouse.why import why

if TYPE_CHECKING:
    import polars as pl

    from lakehouse.fold import Fold
    from lakehouse.lake import Lake
    from lakehouse.survey import Survey

__all__ = ["command"]


@click.command(
    "show",
    cls=Command,
    examples=(
        "lake show monthly_orders",
        "lake show monthly_orders 2018-02 --rows 3",
        "lake show monthly_orders --schema",
    ),
)
@click.argument("asset", shell_complete=completing.assets)
@click.argument("key", required=False, shell_complete=completing.keys)
@click.option("--rows", type=click.IntRange(min=0), default=10, metavar="N", help="Rows in the preview (10).")
@click.option("--schema", "only_schema", is_flag=True, help="The columns and their types, nothing else.")
@common("table", "json")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    asset: str,
    key: str | None,
    rows: int,
    only_schema: bool,
    folder: str | None,
    quiet: bool,
    verbose: bool,
    color: Literal["auto", "always", "never"],
    form: Format,
) -> int:
    """Show an asset, or one partition of it: where it lies, what it holds, what it is made of.

    Without KEY, the preview is of the latest partition that has rows.
    """
    from lakehouse.cli.project import load
    from lakehouse.cli.spills import keep_back

    screen = screen_of(color, quiet=quiet)
    lake = load(folder_of(ctx, folder))
    keep_back(ctx, lake.root, verbose=verbose)
    declared = lake.graph.asset(asset)
    survey = lake.survey()
    found = _facts(lake, survey, declared, _one_key(lake, survey, asset, key) if key else None)
    survey.sources.keep_digests()
    frame = None if only_schema else _rows(survey, found)
    if form == "json":
        preview = [] if frame is None else json.loads(frame.head(rows).write_json())
        schema = [{"name": name, "type": kind} for name, kind in found["schema"]]
        emit({"schema_version": 1, **found, "schema": schema, "preview": preview})
        return 0
    if only_schema:
        _print_schema(screen, found)
        return 0
    _print(screen, found)
    if frame is not None and frame.width:
        _print_statistics(screen, frame, found["schema"])
        _print_preview(screen, frame, found["schema"], rows)
    return 0


def _print_schema(screen: Screen, found: dict[str, Any]) -> None:
    folders = [[column, "str", "in the folder's name"] for column in found["columns"]]
    rows = [*([*column, ""] for column in found["schema"]), *folders]
    if not found["schema"]:
        raise RequestError(
            f"{found['asset']} has no schema yet: it was never made, and declares none",
            code="schema-missing",
            help=f"make a partition: lake materialize latest -a {found['asset']}",
        )
    for line in align(rows, right=[False] * 3, width=screen.width, indent=""):
        screen.say(line)


def _one_key(lake: Lake, survey: Survey, asset: str, text: str) -> str:
    keys = lake.resolve(text, [asset], include_current=True, survey=survey).keys_by_asset[asset]
    if len(keys) != 1:
        raise RequestError(
            f"{text} is {plural(len(keys), 'partition')}; show takes one", help=f"lake status {asset} {text}"
        )
    return keys[0]


def _facts(lake: Lake, survey: Survey, asset: Asset, key: str | None) -> dict[str, Any]:
    """Everything that is told of an asset or a partition, but for its rows."""
    fold = survey.fold(asset.name)
    rows = {name: state.version.row_count for name, state in fold.keys.items() if state.version is not None}
    made = sorted(rows, key=asset.partitions.order)
    shown = key or next((name for name in reversed(made) if rows[name]), made[-1] if made else None)
    facts: dict[str, Any] = {
        "asset": asset.name,
        "key": shown,
        "description": asset.description,
        "declared": str(asset.where),
        "kind": asset.partitions.kind,
        "column": ", ".join(asset.partitions.columns),
        "columns": list(asset.partitions.columns),
        "partitions": len(made),
        "rows": sum(rows.values()),
        "size_bytes": sum(state.version.size_bytes for state in fold.keys.values() if state.version),
        "folder": _shown(lake.root / asset.name),
        "reads": [_lineage(lake, name) for name in asset.reads],
        "schema": _schema(asset, fold),
    }
    if shown is None:
        return facts
    state = survey.state(asset, shown)
    version, current = state.known.version, state.known.current
    facts |= {
        "status": state.status,
        "reason": why(survey, asset, shown),
        "path": _shown(survey.file(asset, shown)),
    }
    if version is not None and current is not None:
        facts |= {
            "row_count": version.row_count,
            "partition_bytes": version.size_bytes,
            "made_at": from_instant(current.finished),
            "made": stamp(current.finished),
            "data_version": version.digest,
            "code_version": current.code,
            "run_id": current.run,
            "inputs": {name: item.to_json() for name, item in current.inputs.items()},
            "version_path": version.path,
        }
    return facts


def _schema(asset: Asset, fold: Fold) -> list[list[str]]:
    """The columns in the files: as the log has them, else as they are declared."""
    if fold.schema is not None or not asset.schema:
        return [[*column] for column in fold.schema or ()]
    from lakehouse.dtypes import from_declared

    return [[*column] for column in from_declared(asset.schema)]


def _lineage(lake: Lake, name: str) -> str:
    """One thing that is read, and what that is made of: ``stg_orders <- raw_orders (data/raw_orders.csv)``."""
    node = lake.graph.node(name)
    if isinstance(node, Source):
        return f"{name} ({node.path})"
    if isinstance(node, Asset):
        return name
    return f"{name} <- {', '.join(_lineage(lake, below) for below in node.reads)}"


def _shown(path: Path) -> str:
    return os.path.relpath(path) if path.is_relative_to(Path.cwd()) else str(path)


def _rows(survey: Survey, found: dict[str, Any]) -> pl.DataFrame | None:
    version = survey.fold(found["asset"]).key(found["key"]).version if found["key"] is not None else None
    if version is None:
        return None
    from lakehouse.reading import version_rows

    return version_rows(survey.disk.root, found["asset"], found["key"], version)


def _print(screen: Screen, found: dict[str, Any]) -> None:
    screen.say(joined([screen.paint(found["asset"], None, bold=True), found["kind"], found["declared"]]))
    if found["description"]:
        screen.say(f"  {found['description']}")
    for line in found["reads"]:
        screen.say(f"  reads {line}")
    whole = [
        plural(found["partitions"], "partition") + " made",
        plural(found["rows"], "row"),
        size(found["size_bytes"]),
    ]
    screen.say(f"  {found['folder']}   {joined(whole)}")
    if found["key"] is None:
        screen.say(f"next: lake materialize latest -a {found['asset']}")
        return
    screen.say()
    status = "empty" if found["status"] == "fresh" and found.get("row_count") == 0 else found["status"]
    head = [f"{screen.glyph(status)} {found['key']}", found["reason"] if status != "empty" else "empty"]
    if "row_count" in found:
        head += [plural(found["row_count"], "row"), size(found["partition_bytes"]), f"made {found['made']}"]
    screen.say(joined(head))
    if found["status"] == "missing":
        screen.say(f"next: lake materialize {found['key']} -a {found['asset']}")
        return
    screen.say(f"  {found['path']}")
    if "data_version" in found:
        screen.say(f"  data {found['data_version'][:12]}   code {found['code_version'][:12]}   run {found['run_id']}")


def _print_statistics(screen: Screen, frame: pl.DataFrame, schema: list[list[str]]) -> None:
    import polars as pl

    from lakehouse.rowvalues import rows_of

    rows = [["column", "type", "nulls", "min", "max"]]
    for name, kind in schema:
        column = frame.select(name)
        ends = pl.concat([column.min(), column.max()]) if not column.schema[name].is_nested() else column.clear(2)
        shown = ("" if end is None else cell(end) for (end,) in rows_of(ends))
        rows.append([name, kind, str(frame[name].null_count()), *shown])
    screen.say()
    for line in align(rows, right=[False, False, True, False, False], width=screen.width):
        screen.say(line)


def _print_preview(screen: Screen, frame: pl.DataFrame, schema: list[list[str]], rows: int) -> None:
    if not rows or not frame.height:
        return
    from lakehouse.cli.table import frame_lines

    screen.say()
    for line in frame_lines(screen, frame.head(rows), [kind for _, kind in schema], total=frame.height):
        screen.say(line)
