"""``lake wipe``: partitions deleted, with all their versions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from lakehouse.cli import completing
from lakehouse.cli.asking import is_agreed
from lakehouse.cli.consequences import named, print_stale, results_json, span, turning_stale
from lakehouse.cli.help import Command
from lakehouse.cli.options import Format, common, folder_of, screen_of
from lakehouse.cli.output import Screen, emit, joined, plural, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakehouse.lake import Lake
    from lakehouse.records import Materialization

__all__ = ["command"]


@click.command(
    "wipe",
    cls=Command,
    examples=(
        "lake wipe monthly_orders 2018-02 --dry-run",
        "lake wipe daily_orders 2018-02-01..2018-02-07 --yes",
        "lake wipe monthly_orders 2018-02 --yes",
    ),
)
@click.argument("asset", shell_complete=completing.assets)
@click.argument("selection", nargs=-1, required=True, metavar="SEL...", shell_complete=completing.keys)
@click.option("-n", "--dry-run", is_flag=True, help="Show what would go; delete nothing.")
@click.option("-y", "--yes", is_flag=True, help="Delete without being asked.")
@common("table", "json")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    asset: str,
    selection: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    folder: str | None,
    quiet: bool,
    verbose: bool,  # noqa: ARG001  taken by the error handler
    color: Literal["auto", "always", "never"],
    form: Format,
) -> int:
    """Delete partitions: their files, every version that is kept of them, and nothing else. It cannot be undone.

    The log says that they were deleted, and they are missing from then on. What was made of them turns stale.
    Snapshots keep what they hold.
    """
    from lakehouse.cli.project import load

    screen = screen_of(color, quiet=quiet)
    lake = load(folder_of(ctx, folder))
    if not dry_run:
        lake.settle([asset])
    planned = lake.wipe(asset, selection, dry_run=True)
    stale = turning_stale(lake, asset, [record.key for record in planned])
    is_shown = form == "table" and not (screen.is_quiet and yes)
    if is_shown:
        _print_planned(screen, lake, asset, planned)
        print_stale(screen, lake, stale, verb="would turn stale" if dry_run else "turns stale")
    if dry_run:
        screen.say("nothing deleted: --dry-run") if form == "table" else None
    elif not is_agreed(f"delete {plural(len(planned), 'partition')} of {asset} for good", yes=yes):
        screen.note("nothing was deleted")
        return 0
    done = planned if dry_run else lake.wipe(asset, selection)
    if form == "json":
        emit(results_json([_to_json(record) for record in done], stale, dry_run=dry_run))
    elif not dry_run:
        screen.say(f"{screen.glyph('ok')} deleted: {_sums(done)}")
        if asset in {known.name for known in lake.graph.assets()} and not screen.is_quiet:
            keys = [record.key for record in done]
            screen.say(f"next: lake materialize {named(lake, asset, keys)} -a {asset}")
    return 0


def _print_planned(screen: Screen, lake: Lake, asset: str, planned: Sequence[Materialization]) -> None:
    keys = [record.key for record in planned]
    screen.say(f"{asset}   {plural(len(planned), 'partition')}: {span(lake, asset, keys)}")
    screen.say(f"  {_sums(planned)}")


def _sums(records: Sequence[Materialization]) -> str:
    rows = sum(max(record.kept.row_count, 0) for record in records if record.kept is not None)
    files = [version for record in records for version in record.dropped]
    versions = f"in {plural(len(files), 'version')}" if len(files) != len(records) else ""
    whole = size(sum(version.size_bytes for version in files))
    return joined([plural(len(records), "partition"), plural(rows, "row"), f"{whole} {versions}".strip()])


def _to_json(record: Materialization) -> dict[str, object]:
    return {
        "asset": record.asset,
        "key": record.key,
        "partition": dict(record.partition),
        "result": record.result,
        "row_count": record.kept.row_count if record.kept is not None else None,
        "size_bytes": sum(version.size_bytes for version in record.dropped),
        "versions": len(record.dropped),
    }
