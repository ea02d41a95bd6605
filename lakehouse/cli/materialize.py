"""``lake materialize``: make partitions, and say on one screen what came of it."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Literal

import click

from lakehouse.cli import completing
from lakehouse.cli.help import Command
from lakehouse.cli.options import Format, common, folder_of, screen_of
from lakehouse.errors import LakeError, RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakehouse.cli.machine import Stream
    from lakehouse.cli.output import Screen
    from lakehouse.lake import Lake
    from lakehouse.outcome import Outcome
    from lakehouse.partitions.dimension import Partitions
    from lakehouse.plan import Filter, Plan
    from lakehouse.selection import Resolution
    from lakehouse.survey import Survey

__all__ = ["command"]


@click.command(
    "materialize",
    cls=Command,
    examples=(
        "lake materialize 2018-02",
        "lake materialize 2018-01..2018-06 --dry-run",
        "lake materialize 2018 --except 2018-03 -a monthly_orders",
        "lake materialize --stale --failed",
        "lake materialize --last 3 --force",
    ),
)
@click.argument("selection", nargs=-1, metavar="[SEL]...", shell_complete=completing.keys)
@click.option(
    "-a",
    "--asset",
    "assets",
    multiple=True,
    metavar="ASSET",
    shell_complete=completing.assets,
    help="Only this asset, and what it reads.",
)
@click.option("--missing", is_flag=True, help="Of these, the partitions never made.")
@click.option("--stale", is_flag=True, help="Of these, the stale ones.")
@click.option("--failed", is_flag=True, help="Of these, those whose last attempt failed.")
@click.option("--all", "everything", is_flag=True, help="Every partition; the same as the selection all.")
@click.option("--last", type=click.IntRange(min=1), metavar="N", help="Of these, the last N windows of each asset.")
@click.option(
    "--except",
    "excepted",
    multiple=True,
    metavar="SEL",
    shell_complete=completing.keys,
    help="Of these, all but SEL.",
)
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
    last: int | None,
    excepted: tuple[str, ...],
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
    """Make whatever is not fresh among the selected partitions, upstream first.

    SEL is a key (2018-02, eu), a year (2018), a range with both ends (2018-01..2018-04), a pattern (2018-*), latest
    or all; of several dimensions region=eu, or region=eu/partition_date=2018-02. A range is a backfill is a retry
    is a resume: what is fresh is not made again.
    """
    from lakehouse.cli import machine, reports
    from lakehouse.cli.output import reading_on
    from lakehouse.cli.project import load, note_key_folders, tell_shells
    from lakehouse.cli.spills import keep_back

    screen = screen_of(color, quiet=quiet or form != "table")
    lake = load(folder_of(ctx, folder))
    keep_back(ctx, lake.root, verbose=verbose)
    note_key_folders(screen, lake.root)
    named: list[tuple[Filter, bool]] = [("missing", missing), ("stale", stale), ("failed", failed)]
    only: list[Filter] = [name for name, wanted in named if wanted]
    if everything and selection:
        raise RequestError(
            f"--all and a selection ({' '.join(selection)}) contradict each other", help="leave one out"
        )
    if not (selection or only or everything or last or _are_whole(lake, assets)):
        _nothing_asked(ctx, folder=folder, color=color, form=form)

    began = time.monotonic()
    survey = lake.survey()
    resolution = lake.resolve(selection or None, assets, include_current=include_current, survey=survey)
    resolution = _narrowed(lake, survey, resolution, last, excepted, include_current=include_current)
    plan = lake.plan(survey, resolution, force=force, only=only, upstream=not no_upstream)
    for problem in survey.sources.problems.values():
        raise problem
    if form == "table":
        reports.echo_resolution(screen, lake, resolution, asked=bool(selection or last or excepted))
    if dry_run:
        (reports if form == "table" else machine).print_plan(screen, plan)
        return 0

    stream = machine.stream_for(form, lake)
    stream.started(plan)
    how = {"force": force, "fail_fast": fail_fast, "allow_schema_change": allow_schema_change}
    outcome = _run(screen, lake, survey, plan, stream, **how)
    outcome.faults = list(dict.fromkeys(resolution.faults.values()))
    seconds = time.monotonic() - began
    tell_shells(folder_of(ctx, folder), lake, survey)
    if form == "table":
        from lakehouse.cli.blame import print_failures
        from lakehouse.cli.failures import print_error

        with reading_on():
            if not plan.steps:
                screen.say(f"nothing to do: no partition is {' or '.join(only) or 'left'}")
            reports.print_outcome(screen, lake, outcome, now=survey.time, seconds=seconds, preview=preview)
        print_failures(screen, lake, outcome, planned=len(plan.steps), verbose=verbose)
        for fault in outcome.faults:
            print_error(screen, fault)
    else:
        stream.finished(outcome, seconds, preview)
    return outcome.exit_code


def _nothing_asked(ctx: click.Context, *, folder: str | None, color: str, form: Format) -> None:
    """Show the status and how to go on: nobody said what to make."""
    if form == "table":
        from lakehouse.cli.status import command as status

        ctx.invoke(status, folder=folder, color=color)
    raise RequestError(
        "no partitions named", code="selection-missing", help="name some: lake materialize latest, or --missing"
    )


def _are_whole(lake: Lake, assets: Sequence[str]) -> bool:
    """Whether assets are named that have one partition each, so that no selection is left to make."""
    return bool(assets) and not any(lake.graph.asset(name).partitions.dimensions for name in assets)


def _last(partitions: Partitions, keys: Sequence[str], count: int) -> list[str]:
    """The keys of the last windows; all of them where no key is later than another."""
    time = partitions.time
    if time is None:
        return list(keys)
    place = partitions.columns.index(time.column)
    windows = {key: partitions.values(key)[place] for key in keys}
    wanted = {*sorted({*windows.values()}, key=time.index)[-count:]}
    return [key for key in keys if windows[key] in wanted]


def _narrowed(
    lake: Lake,
    survey: Survey,
    resolution: Resolution,
    last: int | None,
    excepted: Sequence[str],
    *,
    include_current: bool | None,
) -> Resolution:
    """What is left of a selection by ``--last`` and, after that, by ``--except``."""
    from lakehouse.selection import Resolution

    kept = {
        name: _last(lake.graph.asset(name).partitions, keys, last) if last else keys
        for name, keys in resolution.keys_by_asset.items()
    }
    if excepted:
        without = lake.resolve(excepted, list(kept), include_current=include_current, survey=survey).keys_by_asset
        kept = {name: [key for key in keys if key not in {*without.get(name, ())}] for name, keys in kept.items()}
    # An asset without keys as yet may find some once its upstreams are made.
    named = {name: keys for name, keys in kept.items() if keys or not resolution.keys_by_asset[name]}
    return Resolution(named, resolution.out_of_scope, resolution.faults)


def _run(screen: Screen, lake: Lake, survey: Survey, plan: Plan, stream: Stream, **how: bool) -> Outcome:
    """Carry out the plan, with progress, until it is done or asked to end."""
    from functools import partial

    from lakehouse.cli.failures import Terminated
    from lakehouse.cli.interrupts import Interrupts
    from lakehouse.cli.leaving import leave, sweep_up
    from lakehouse.cli.output import aside
    from lakehouse.cli.progress import Progress
    from lakehouse.cli.reports import keys_of, spans_of

    if plan.to_make:
        import polars  # noqa: F401, ICN001  now: it takes Ctrl-C from whoever took it before

    progress = Progress(screen, keys_of(plan), spans_of(lake, plan))
    interrupts = Interrupts(screen, leave=partial(leave, lake.root))
    on_event = stream.hears(progress.on_event)
    with interrupts.taken():
        try:
            with aside(), progress.drawn():
                outcome = lake.run(survey, plan, on_event=on_event, should_stop=interrupts.is_asked, **how)
        except (KeyboardInterrupt, Terminated):
            sweep_up(lake.root)  # the run's own cleaning may be what was interrupted
            raise
    if interrupts.asked is not None and outcome.error is None:
        outcome.error = _stopped(lake, plan, outcome, interrupts.asked)
    return outcome


def _stopped(lake: Lake, plan: Plan, outcome: Outcome, number: int) -> LakeError:
    """What is to be said of a run that a signal ended: what is left, and that the same command makes it."""
    from lakehouse.cli.failures import stopped_by
    from lakehouse.cli.output import plural
    from lakehouse.cli.quoting import quoted
    from lakehouse.selection import describe

    done = {(result.asset, result.key): result for result in outcome.results}
    made = sum(result.result in ("created", "replaced", "unchanged") for result in done.values())
    left: dict[str, list[str]] = {}
    again = " ".join(["lake", *map(quoted, sys.argv[1:])])
    for step in plan.to_make:
        if (step.asset, step.key) not in done:
            left.setdefault(step.asset, []).append(step.key)
    return stopped_by(
        number,
        f"{plural(made, 'partition')} made, {sum(map(len, left.values())) or 'none'} left",
        details=[f"left: {name} {describe(keys, lake.graph.asset(name).partitions)}" for name, keys in left.items()],
        help=f"the same command goes on from there: {again}" if left else None,
        context={"made": made, "left": left},
    )
