"""``lake freeze``: partitions left as they are; ``lake unfreeze`` lets them go again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from lakehouse.cli import completing
from lakehouse.cli.consequences import named, span
from lakehouse.cli.help import Command
from lakehouse.cli.options import Format, common, folder_of, screen_of
from lakehouse.cli.output import Screen, emit, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakehouse.lake import Lake

__all__ = ["command", "freeze"]


@click.command(
    "freeze",
    cls=Command,
    examples=(
        "lake freeze monthly_orders 2018-02 --dry-run",
        "lake freeze monthly_orders 2018-02",
        "lake freeze monthly_orders 2018-01..2018-03",
    ),
)
@click.argument("asset", shell_complete=completing.assets)
@click.argument("selection", nargs=-1, required=True, metavar="SEL...", shell_complete=completing.keys)
@click.option("-n", "--dry-run", is_flag=True, help="Say what would be frozen; write nothing.")
@common("table", "json")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    asset: str,
    selection: tuple[str, ...],
    dry_run: bool,
    folder: str | None,
    quiet: bool,
    verbose: bool,  # noqa: ARG001  taken by the error handler
    color: Literal["auto", "always", "never"],
    form: Format,
) -> int:
    """Leave partitions as they are, whatever becomes of what they were made of.

    A run passes over a frozen partition, and says so; `lake unfreeze` lets it go again, and so does making it with
    --force. It may be one that was never made.
    """
    screen = screen_of(color, quiet=quiet)
    return freeze(screen, folder_of(ctx, folder), asset, selection, frozen=True, dry_run=dry_run, form=form)


def freeze(
    screen: Screen,
    folder: str | None,
    asset: str,
    selection: Sequence[str],
    *,
    frozen: bool,
    dry_run: bool,
    form: Format,
) -> int:
    """Freeze partitions, or unfreeze them, and say which were not so before."""
    from lakehouse.cli.project import load

    lake = load(folder)
    changed = (lake.freeze if frozen else lake.unfreeze)(asset, selection, dry_run=dry_run)
    if form == "json":
        facts = {"dry_run": dry_run, "asset": asset, "frozen": frozen, "keys": changed}
        emit({"schema_version": 1, "ok": True, "exit_code": 0, **facts})
    elif changed:
        _print(screen, lake, asset, changed, frozen=frozen, dry_run=dry_run)
    elif not screen.is_quiet:
        screen.say(f"{asset} {' '.join(selection)}: {'frozen already' if frozen else 'not frozen'}; nothing to do")
    return 0


def _print(screen: Screen, lake: Lake, asset: str, keys: Sequence[str], *, frozen: bool, dry_run: bool) -> None:
    word = "frozen" if frozen else "no longer frozen"
    if dry_run:
        what = f"would be {word}"
        screen.say(f"{asset}   {plural(len(keys), 'partition')} {what}: {span(lake, asset, keys)} (--dry-run)")
        return
    screen.say(f"{screen.glyph('ok')} {asset}   {plural(len(keys), 'partition')} {word}: {span(lake, asset, keys)}")
    if not screen.is_quiet:
        back = f"lake unfreeze {asset} {named(lake, asset, keys)}"
        screen.say(f"{'until' if frozen else 'next'}: {back if frozen else f'lake materialize --stale -a {asset}'}")
