"""``lake unfreeze``: partitions that were frozen are made again, once they are not fresh."""

from __future__ import annotations

from typing import Literal

import click

from lakehouse.cli import completing
from lakehouse.cli.freeze import freeze
from lakehouse.cli.help import Command
from lakehouse.cli.options import Format, common, folder_of, screen_of

__all__ = ["command"]


@click.command(
    "unfreeze",
    cls=Command,
    examples=(
        "lake unfreeze monthly_orders 2018-02 --dry-run",
        "lake unfreeze monthly_orders 2018-02",
        "lake unfreeze monthly_orders all",
    ),
)
@click.argument("asset", shell_complete=completing.assets)
@click.argument("selection", nargs=-1, required=True, metavar="SEL...", shell_complete=completing.keys)
@click.option("-n", "--dry-run", is_flag=True, help="Say what would be unfrozen; write nothing.")
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
    """Let partitions go that were frozen, or rolled back: the next run makes them again, if they are not fresh."""
    screen = screen_of(color, quiet=quiet)
    return freeze(screen, folder_of(ctx, folder), asset, selection, frozen=False, dry_run=dry_run, form=form)
