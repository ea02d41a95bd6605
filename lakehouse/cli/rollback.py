"""``lake rollback``: an earlier version published again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from lakehouse.cli import completing
from lakehouse.cli.consequences import named, print_stale, results_json, turning_stale
from lakehouse.cli.help import Command
from lakehouse.cli.options import Format, common, folder_of, screen_of
from lakehouse.cli.output import Screen, emit, joined, plural, size

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lakehouse.lake import Lake
    from lakehouse.records import Materialization

__all__ = ["command"]


@click.command(
    "rollback",
    cls=Command,
    examples=(
        "lake rollback monthly_orders 2018-02 --dry-run",
        "lake rollback monthly_orders 2018-02 --to 1",
        "lake rollback monthly_orders 2018-02",
    ),
)
@click.argument("asset", shell_complete=completing.assets)
@click.argument("selection", nargs=-1, required=True, metavar="KEY...", shell_complete=completing.keys)
@click.option(
    "--to", metavar="V", help="The version of that commit, or of that instant; the last before, unless given."
)
@click.option("-n", "--dry-run", is_flag=True, help="Say what would be published; write nothing.")
@common("table", "json")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    asset: str,
    selection: tuple[str, ...],
    to: str | None,
    dry_run: bool,
    folder: str | None,
    quiet: bool,
    verbose: bool,
    color: Literal["auto", "always", "never"],
    form: Format,
) -> int:
    """Publish an earlier version of a partition again, and freeze it; what was made of it turns stale.

    The version has to be kept still (`lake history ASSET KEY` tells), whole, and under the contract of today. It is
    frozen, for otherwise the next run would make the partition as it was: `lake unfreeze` ends that.
    """
    from lakehouse.cli.project import load
    from lakehouse.cli.spills import keep_back

    screen = screen_of(color, quiet=quiet)
    lake = load(folder_of(ctx, folder))
    keep_back(ctx, lake.root, verbose=verbose)
    if not dry_run:
        lake.settle([asset])
    planned = lake.rollback(asset, selection, to=to, dry_run=True)
    changed = [r.key for r in planned if r.kept is None or r.kept.digest != r.data_version]
    stale = turning_stale(lake, asset, changed)
    done = planned if dry_run else lake.rollback(asset, selection, to=to)
    if form == "json":
        emit(results_json([_to_json(record) for record in done], stale, dry_run=dry_run))
    else:
        _print(screen, lake, done, stale, dry_run=dry_run)
    return 0


def _print(
    screen: Screen,
    lake: Lake,
    done: Sequence[Materialization],
    stale: Mapping[str, Sequence[str]],
    *,
    dry_run: bool,
) -> None:
    asset, keys = done[0].asset, [record.key for record in done]
    for record in done:
        was = f"(was {plural(record.kept.row_count, 'row')})" if record.kept and record.kept.row_count >= 0 else ""
        reason = f"would be {record.reason}" if dry_run else record.reason
        rows = "" if (record.row_count or 0) < 0 else f"{plural(record.row_count or 0, 'row')} {was}".strip()
        glyph = "" if dry_run else f"{screen.glyph('ok')} "
        screen.say(joined([f"{glyph}{asset} {record.key}", reason, rows, size(record.size_bytes or 0)]))
    print_stale(screen, lake, stale, verb="would turn stale" if dry_run else "turns stale")
    if dry_run:
        screen.say("nothing written: --dry-run")
    elif not screen.is_quiet:
        screen.say(f"frozen until: lake unfreeze {asset} {named(lake, asset, keys)}")
        if stale:
            screen.say(f"next: lake materialize --stale {' '.join(f'-a {name}' for name in stale)}")


def _to_json(record: Materialization) -> dict[str, object]:
    return {
        "asset": record.asset,
        "key": record.key,
        "partition": dict(record.partition),
        "result": record.result,
        "reason": record.reason,
        "row_count": record.row_count,
        "size_bytes": record.size_bytes,
        "data_version": record.data_version,
        "before": record.kept and {"data_version": record.kept.digest, "row_count": record.kept.row_count},
    }
