"""``lake history``: the runs that wrote to the lake, or what became of one partition, newest first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from lakehouse.cli import completing
from lakehouse.cli.consequences import span
from lakehouse.cli.events import event_json, print_events, who
from lakehouse.cli.help import Command
from lakehouse.cli.options import Format, common, folder_of, screen_of
from lakehouse.cli.output import Screen, emit, joined, stamp
from lakehouse.printable import printable
from lakehouse.records import from_instant

if TYPE_CHECKING:
    from lakehouse.lake import Lake
    from lakehouse.past.runs import AssetRun, LakeRun

__all__ = ["command"]

_WORDS: Final = (
    *("created", "replaced", "unchanged", "rolled back", "adopted", "wiped"),
    *("frozen", "unfrozen", "damaged", "cleaned", "blocked", "failed"),
)
_FEW: Final = 3
_SPAN: Final = 24  # so much of the keys is worth showing beside the rest


@click.command(
    "history",
    cls=Command,
    examples=(
        "lake history",
        "lake history monthly_orders --last 5",
        "lake history monthly_orders 2018-02",
        "lake history --failed",
    ),
)
@click.argument("asset", required=False, shell_complete=completing.assets)
@click.argument("key", required=False, shell_complete=completing.keys)
@click.option("--last", type=click.IntRange(min=1), default=20, metavar="N", help="So many, the newest (20).")
@click.option("--failed", is_flag=True, help="Only what failed or was blocked.")
@common("table", "json")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    asset: str | None,
    key: str | None,
    last: int,
    failed: bool,
    folder: str | None,
    quiet: bool,
    verbose: bool,  # noqa: ARG001  taken by the error handler
    color: Literal["auto", "always", "never"],
    form: Format,
) -> int:
    """Show the runs that wrote to the lake: when, who, and what became of how many partitions of which asset.

    With KEY, show what became of one partition: each version with its rows, its code and what it was made of, whether
    its bytes are still kept, and the attempts that failed. A version goes by the number of its commit: that is what
    diff, rollback and query --as-of take. Times are local.
    """
    from lakehouse.cli.project import load

    screen = screen_of(color, quiet=quiet)
    lake = load(folder_of(ctx, folder))
    if asset is None or key is None:
        runs = lake.history(asset, last=last + 1, failed=failed)
        if form == "json":
            emit({"schema_version": 1, "asset": asset, "runs": [_run_json(run) for run in runs[:last]]})
        else:
            _print_runs(screen, lake, runs[:last], asset, failed=failed)
            _print_rest(screen, len(runs), last)
        return 0
    name = lake.known_key(lake.survey(), asset, key)
    events = lake.history(asset, name, last=last + 1, failed=failed)
    if form == "json":
        emit({"schema_version": 1, "asset": asset, "key": name, "events": list(map(event_json, events[:last]))})
    else:
        print_events(screen, asset, name, events[:last], failed=failed)
        _print_rest(screen, len(events), last)
    return 0


def _print_rest(screen: Screen, found: int, last: int) -> None:
    if found > last:
        screen.say(f"… older ones: --last {2 * last}")


def _print_runs(screen: Screen, lake: Lake, runs: Sequence[LakeRun], asset: str | None, *, failed: bool) -> None:
    if not runs:
        what = "no run failed" if failed else "nothing was made yet"
        screen.say(f"{asset}: {what}" if asset else what)
        if not failed:
            screen.say(f"next: lake materialize latest{f' -a {asset}' if asset else ''}")
    for run in runs:
        head = [screen.paint(f"run {run.run}", "yellow"), stamp(run.finished), who(run.by)]
        screen.say(joined(head))
        screen.say(f"  {printable(run.by.get('command', ''))}")
        widths = [max(len(cells) for cells in column) for column in zip(*map(_cells, run.assets), strict=True)]
        for each in run.assets:
            _print_asset(screen, lake, each, widths)


def _cells(run: AssetRun) -> tuple[str, str, str]:
    first, last = run.commits[0], run.commits[-1]
    commits = f"commit {first}" if first == last else f"commits {first}-{last}"
    counts = [f"{run.counts[word]} {word}" for word in _WORDS if word in run.counts]
    return run.asset, commits, ", ".join([*counts, *(["keys changed"] if run.lists_keys else [])])


def _print_asset(screen: Screen, lake: Lake, run: AssetRun, widths: Sequence[int]) -> None:
    cells = [cell.ljust(width) for cell, width in zip(_cells(run), widths, strict=True)]
    sign = "failed" if run.failures else "ok" if {*run.counts} - {"unchanged"} or run.lists_keys else "same"
    line = joined(cells).rstrip()
    room = screen.width - len(joined(cells)) - 7  # the sign before, and the gap
    keys = span(lake, run.asset, run.keys)
    if len(keys) <= room or room >= _SPAN:
        line = joined([joined(cells), printable(keys, room)]).rstrip()
    screen.say(f"  {screen.glyph(sign)} {line}")
    keys_by_message: dict[str, list[str]] = {}
    for failure in run.failures:
        keys_by_message.setdefault(f"{failure.what}: {failure.message}", []).append(failure.key)
    for message, failed in [*keys_by_message.items()][:_FEW]:
        screen.say(f"    {printable(f'{span(lake, run.asset, failed)}  {message}', screen.width - 4)}")
    if (more := len(keys_by_message) - _FEW) > 0:
        screen.say(f"    … and {more} more (--json)")


def _run_json(run: LakeRun) -> dict[str, Any]:
    return {
        "run_id": run.run,
        "started_at": from_instant(run.started),
        "finished_at": from_instant(run.finished),
        "by": dict(run.by),
        "assets": [
            {
                "asset": each.asset,
                "commits": list(each.commits),
                "counts": {word: each.counts.get(word, 0) for word in _WORDS},
                "keys": list(each.keys),
                "keys_changed": each.lists_keys,
                "failures": [
                    {"key": item.key, "result": item.what, "code": item.code, "message": item.message}
                    for item in each.failures
                ],
            }
            for each in run.assets
        ],
    }
