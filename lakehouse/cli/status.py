"""``lake status``: which partitions are fresh, which are not and why, and the command that helps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from lakehouse.cli.completing import assets_and_keys
from lakehouse.cli.failures import print_error
from lakehouse.cli.help import Command
from lakehouse.cli.options import Format, common, folder_of, screen_of
from lakehouse.cli.output import Screen, emit, joined, plural
from lakehouse.cli.quoting import quoted
from lakehouse.cli.states import STATES, legend, line, reasons, sign
from lakehouse.errors import DefinitionError, LakeError, SourceError
from lakehouse.graph import nearest
from lakehouse.partitions.categories import Dynamic
from lakehouse.selection import Resolution

if TYPE_CHECKING:
    from lakehouse.lake import Lake
    from lakehouse.partitions.dimension import Dimension
    from lakehouse.status import AssetStatus, PartitionStatus
    from lakehouse.survey import Survey

__all__ = ["command"]

_FOUND_WORK: Final = 3
_DONE: Final = ("fresh", "empty", "orphaned")  # what the definition no longer has is nothing to make
_FEW: Final = 5


@click.command(
    "status",
    cls=Command,
    examples=("lake status", "lake status monthly_orders 2018", "lake status --why", "lake status --check --quiet"),
)
@click.argument("words", nargs=-1, metavar="[ASSET]... [SEL]...", shell_complete=assets_and_keys)
@click.option("--why", is_flag=True, help="Every reason in full, not the first few.")
@click.option("--check", is_flag=True, help="Exit with 3 if anything is not fresh.")
@click.option("--list", "listed", is_flag=True, help="A line a partition, no grid.")
@common("table", "json")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    words: tuple[str, ...] = (),
    why: bool = False,
    check: bool = False,
    listed: bool = False,
    folder: str | None = None,
    quiet: bool = False,
    verbose: bool = False,  # noqa: ARG001  taken by the error handler
    color: Literal["auto", "always", "never"] = "auto",
    form: Format = "table",
) -> int:
    """Show the state of partitions: a grid, the reasons, the next command.

    SEL is a key (2018-02, eu), a year (2018), a range with both ends (2018-01..2018-04), a pattern (2018-*), latest
    or all; of several dimensions region=eu, or region=eu/partition_date=2018-02. No data is opened. --check
    --quiet prints nothing, for scripts that need the exit code only.
    """
    from lakehouse.cli.project import load, tell_shells

    screen = screen_of(color, quiet=quiet)
    lake = load(folder_of(ctx, folder))
    survey = lake.survey()
    assets, selection = _told_apart(lake, survey, words)
    resolution = lake.resolve(selection or None, assets, survey=survey)
    found, problems = _looked_at(lake, survey, resolution, with_orphans=not selection)
    tell_shells(folder_of(ctx, folder), lake, survey)
    is_done = all(_is_done(status) for status in found)
    if form == "json":
        emit(_to_json(found, problems))
    elif not (check and quiet):
        for number, status in enumerate(found):
            if number:
                screen.say()
            _print(screen, survey, status, why=why, listed=listed)
        _print_next(screen, found, [*selection, *(text for name in assets for text in ("-a", name))])
    if problems:
        for problem in problems if form != "json" else ():
            print_error(screen, problem)
        return problems[0].exit_code
    return _FOUND_WORK if check and not is_done else 0


def _looked_at(
    lake: Lake, survey: Survey, resolution: Resolution, *, with_orphans: bool
) -> tuple[list[AssetStatus], list[LakeError]]:
    """The status of each asset, and what is wrong with those whose definition is no longer that of their data."""
    found: list[AssetStatus] = []
    problems: dict[str, LakeError] = {error.message: error for error in resolution.faults.values()}
    for name, keys in resolution.keys_by_asset.items():
        try:
            found += lake.status_of(survey, Resolution({name: keys}, {}), with_orphans=with_orphans)
        except (DefinitionError, SourceError) as error:  # what reads it fails by the same error
            problems.setdefault(error.message, error)
    return found, [*problems.values()]


def _told_apart(lake: Lake, survey: Survey, words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words that name assets, and those that select partitions."""
    names = [node.name for node in lake.graph.assets()]
    assets = [word for word in words if word in names]
    selection = [word for word in words if word not in names]
    for word in selection:
        if not word.isidentifier() or word in ("all", "latest") or _is_key(lake, survey, word):
            continue
        if nearest(word, names) or not assets:
            lake.graph.asset(word)  # raises: it is no asset, and no key either
    return assets, selection


def _is_key(lake: Lake, survey: Survey, word: str) -> bool:
    """Whether some asset has a key of that text; times, which read like no name, are not looked through."""
    return any(
        word in dimension.keys(survey.time)
        for asset in lake.graph.assets()
        for dimension in survey.partitions(asset).dimensions
        if dimension.kind in ("categories", "dynamic")
    )


def _is_done(status: AssetStatus) -> bool:
    """Whether a `lake materialize` of all this would find nothing to do."""
    due = [part for part in status.partitions if not part.is_frozen]
    is_fresh = all(part.status in _DONE and part.last_attempt is None for part in due)
    return is_fresh and not status.is_behind


def _print(screen: Screen, survey: Survey, status: AssetStatus, *, why: bool, listed: bool) -> None:
    extent = status.extent if status.definition.dimensions else ""  # all, of what has no partitions, says nothing
    screen.say(joined([status.asset, status.kind, extent, plural(len(status.partitions), "partition")]))
    if listed:
        for part in status.partitions:
            screen.say(f"  {screen.glyph(sign(part))} {line(part)}")
        return
    from lakehouse.cli.grid import draw

    for row in draw(screen, status.definition, [(part.key, sign(part)) for part in status.partitions]):
        screen.say(row)
    if not status.partitions and any(_is_filled_by_hand(item) for item in status.definition.dimensions):
        screen.say(f"next: lake partitions {status.asset} add KEY...")
    if counted := legend(screen, status):
        screen.say(f"  {counted}")
    if status.is_behind:
        screen.say("  commits are not yet shown in the folders; the next `lake materialize` does it")
    told = reasons(screen, survey, status, why=why)
    shown = told if why else told[:_FEW]
    for reason in shown:
        screen.say(f"  {reason}")
    if len(shown) < len(told):
        screen.say(f"  … and {len(told) - len(shown)} more (--why)")


def _is_filled_by_hand(dimension: Dimension) -> bool:
    return isinstance(dimension, Dynamic) and not dimension.discover


def _print_next(screen: Screen, found: Sequence[AssetStatus], asked: Sequence[str]) -> None:
    """The commands that would make what is not fresh, with how many partitions each makes."""
    parts = [part for status in found for part in status.partitions if not part.is_frozen]
    behind = sum(part.status == "stale" or part.last_attempt is not None for part in parts)
    missing = sum(part.status == "missing" and part.last_attempt is None for part in parts)
    flags = [
        *(["--stale"] if any(part.status == "stale" for part in parts) else []),
        *(["--failed"] if any(part.last_attempt is not None for part in parts) else []),
    ]
    begin = ["lake materialize", *map(quoted, asked)]
    commands = [(" ".join([*begin, *flags]), behind)] if behind else []
    if missing:
        commands.append((" ".join([*begin, "--missing"]), missing))
    width = max((len(text) for text, _ in commands), default=0)
    figures = max((len(str(count)) for _, count in commands), default=0)
    for number, (text, count) in enumerate(commands):
        screen.say(
            f"{'next:' if number == 0 else '     '} {text:{width}}  {plural(count, 'partition', max(2, figures))}"
        )


def _to_json(found: Sequence[AssetStatus], problems: Sequence[LakeError]) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "errors": [problem.to_json() for problem in problems],
        "assets": [
            {
                "asset": status.asset,
                "kind": status.kind,
                "first": status.first,
                "last": status.last,
                "columns": list(status.definition.columns),
                "extent": status.extent,
                "counts": {name: status.counts.get(name, 0) for name in STATES},
                "failed_attempts": status.failed_attempts,
                "not_yet_projected": status.is_behind,
                "partitions": [_partition_json(part) for part in status.partitions],
            }
            for status in found
        ],
    }


def _partition_json(part: PartitionStatus) -> dict[str, Any]:
    from lakehouse.records import from_instant

    attempt = part.last_attempt
    return {
        "key": part.key,
        "status": part.status,
        "row_count": part.row_count,
        "size_bytes": part.size_bytes,
        "made_at": part.made and from_instant(part.made),
        "frozen": part.is_frozen,
        "reason": part.reason,
        "reasons": [{"code": cause.code, "input": cause.input} for cause in part.causes],
        "last_attempt": attempt
        and {"result": attempt.result, "at": from_instant(attempt.finished), "error": attempt.error},
    }
