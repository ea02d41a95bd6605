"""``lake materialize``: make partitions, and say on one screen what came of it."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Literal

import click

from lakehouse.cli.options import Format, common, folder_of, screen_of
from lakehouse.errors import RequestError

if TYPE_CHECKING:
    from lakehouse.plan import Filter

__all__ = ["command"]


@click.command("materialize")
@click.argument("selection", nargs=-1, metavar="[SEL]...")
@click.option("-a", "--asset", "assets", multiple=True, metavar="ASSET", help="Only this asset, and what it reads.")
@click.option("--missing", is_flag=True, help="Of these, the partitions never made.")
@click.option("--stale", is_flag=True, help="Of these, the stale ones.")
@click.option("--failed", is_flag=True, help="Of these, those whose last attempt failed.")
@click.option("--all", "everything", is_flag=True, help="Every partition; the same as the selection `all`.")
@click.option("-f", "--force", is_flag=True, help="Make fresh ones too, and replace files that others put there.")
@click.option("-n", "--dry-run", is_flag=True, help="Show the plan; write nothing.")
@click.option("--fail-fast", is_flag=True, help="Stop at the first partition that fails.")
@click.option("--no-upstream", is_flag=True, help="Do not make first what the partitions are made of.")
@click.option("--include-current", is_flag=True, default=None, help="Make the running window from the data so far.")
@click.option("--allow-schema-change", is_flag=True, help="Let an asset have other columns from now on.")
@click.option("--preview", type=click.IntRange(min=0), metavar="N", help="Rows shown of each partition.")
@common("table", "json", "ndjson")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    selection: tuple[str, ...],
    assets: tuple[str, ...],
    missing: bool,
    stale: bool,
    failed: bool,
    everything: bool,
    force: bool,
    dry_run: bool,
    fail_fast: bool,
    no_upstream: bool,
    include_current: bool | None,
    allow_schema_change: bool,
    preview: int | None,
    folder: str | None,
    quiet: bool,
    verbose: bool,
    color: Literal["auto", "always", "never"],
    form: Format,
) -> int:
    r"""Make whatever is not fresh among the selected partitions, upstream first.

    SEL is a key (2018-02), a year (2018), a range with both ends (2018-01..2018-04), a pattern (2018-*), latest
    or all. A range is a backfill is a retry is a resume: what is fresh is not made again.

    \b
    Examples:
      lake materialize 2018-02
      lake materialize 2018-01..2018-06
      lake materialize --failed
      lake materialize 2018 -a monthly_orders --force
    """
    from lakehouse.cli import machine, reports
    from lakehouse.cli.progress import Progress
    from lakehouse.cli.project import load
    from lakehouse.selection import Selection

    screen = screen_of(color, quiet=quiet or form != "table")
    lake = load(folder_of(ctx, folder))
    named: list[tuple[Filter, bool]] = [("missing", missing), ("stale", stale), ("failed", failed)]
    only: list[Filter] = [name for name, wanted in named if wanted]
    if everything and selection:
        raise RequestError(
            f"--all and a selection ({' '.join(selection)}) contradict each other", help="leave one out"
        )
    if not (selection or only or everything):
        return _nothing_asked(ctx, folder=folder, color=color)
    asked = Selection.parse(selection) if selection else Selection.parse("all")

    began = time.monotonic()
    survey = lake.survey()
    resolution = lake.resolve(asked, assets, include_current=include_current)
    plan = lake.plan(survey, resolution, force=force, only=only, upstream=not no_upstream)
    for problem in survey.problems.values():
        raise problem
    if form == "table":
        reports.echo_resolution(screen, lake, resolution, asked=bool(selection))
    if dry_run:
        (reports if form == "table" else machine).print_plan(screen, plan)
        return 0

    stream = machine.stream_for(form, lake)
    progress = Progress(screen, reports.keys_of(plan), reports.spans_of(lake, plan))
    stream.started(plan)
    with progress.drawn():
        outcome = lake.run(
            survey,
            plan,
            force=force,
            allow_schema_change=allow_schema_change,
            fail_fast=fail_fast,
            command=" ".join(["lake", *sys.argv[1:]]),
            on_event=stream.hears(progress.on_event),
        )
    seconds = time.monotonic() - began
    if form == "table":
        reports.print_outcome(screen, lake, outcome, seconds=seconds, preview=preview, verbose=verbose)
    else:
        stream.finished(outcome, seconds, preview)
    return outcome.exit_code


def _nothing_asked(ctx: click.Context, *, folder: str | None, color: str) -> int:
    """Show the status and how to go on: nobody said what to make."""
    from lakehouse.cli.status import command as status

    ctx.invoke(status, folder=folder, color=color)
    raise RequestError(
        "no partitions named", code="selection-missing", help="name some: lake materialize latest, or --missing"
    )
