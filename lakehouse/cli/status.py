"""``lake status``: which partitions are fresh, which are not and why, and the command that helps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from lakehouse.cli.help import Command
from lakehouse.cli.options import Format, common, folder_of, screen_of
from lakehouse.cli.output import Screen, emit, joined, plural, size, stamp
from lakehouse.graph import nearest
from lakehouse.reasons import ago
from lakehouse.selection import describe

if TYPE_CHECKING:
    from lakehouse.lake import Lake
    from lakehouse.status import AssetStatus, PartitionStatus
    from lakehouse.survey import Survey

__all__ = ["command"]

_FOUND_WORK: Final = 3
_FEW: Final = 5
_STATES: Final = ("fresh", "empty", "stale", "missing", "unrecorded", "orphaned")


@click.command(
    "status",
    cls=Command,
    examples=("lake status", "lake status monthly_orders 2018", "lake status --why", "lake status --check --quiet"),
)
@click.argument("words", nargs=-1, metavar="[ASSET]... [SEL]...")
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

    SEL is a key (2018-02), a year (2018), a range with both ends (2018-01..2018-04), a pattern (2018-*), latest
    or all. No data is opened. --check --quiet prints nothing, for scripts that need the exit code only.
    """
    from lakehouse.cli.project import load

    screen = screen_of(color, quiet=quiet)
    lake = load(folder_of(ctx, folder))
    assets, selection = _told_apart(lake, words)
    survey = lake.survey()
    found = lake.status_of(survey, lake.resolve(selection or None, assets), with_orphans=not selection)
    is_done = all(_is_done(status) for status in found)
    if form == "json":
        emit(_to_json(found))
    elif not (check and quiet):
        for number, status in enumerate(found):
            if number:
                screen.say()
            _print(screen, lake, survey, status, why=why, listed=listed)
        _print_next(screen, found, [*selection, *(text for name in assets for text in ("-a", name))])
    return _FOUND_WORK if check and not is_done else 0


def _told_apart(lake: Lake, words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words that name assets, and those that select partitions."""
    names = [node.name for node in lake.graph.assets()]
    assets = [word for word in words if word in names]
    selection = [word for word in words if word not in names]
    for word in selection:
        if word.isidentifier() and word not in ("all", "latest") and (nearest(word, names) or not assets):
            lake.graph.asset(word)  # raises: it is no asset, and no key either
    return assets, selection


def _is_done(status: AssetStatus) -> bool:
    """Whether a `lake materialize` of all this would find nothing to do."""
    is_fresh = all(part.status in ("fresh", "empty") and part.last_attempt is None for part in status.partitions)
    return is_fresh and not status.is_behind


def _print(screen: Screen, lake: Lake, survey: Survey, status: AssetStatus, *, why: bool, listed: bool) -> None:
    extent = f"{status.first}..{status.last}" if status.last else f"from {status.first}"
    screen.say(joined([status.asset, status.kind, extent, plural(len(status.partitions), "partition")]))
    if listed:
        for part in status.partitions:
            screen.say(f"  {screen.glyph(_sign(part))} {_line(part)}")
        return
    from lakehouse.cli.grid import months

    partitions = lake.graph.asset(status.asset).partitions
    days = {part.key: partitions.window(part.key).start.date() for part in status.partitions}
    for line in months(screen, [(part.key, days[part.key], _sign(part)) for part in status.partitions]):
        screen.say(line)
    screen.say(f"  {_legend(screen, status)}".rstrip())
    if status.is_behind:
        screen.say("  commits are not yet shown in the folders; the next `lake materialize` does it")
    reasons = _reasons(screen, lake, survey, status, why=why)
    shown = reasons if why else reasons[:_FEW]
    for line in shown:
        screen.say(f"  {line}")
    if len(shown) < len(reasons):
        screen.say(f"  … and {len(reasons) - len(shown)} more (--why)")


def _sign(part: PartitionStatus) -> str:
    return "failed" if part.last_attempt is not None else part.status


def _line(part: PartitionStatus) -> str:
    rows = "" if part.row_count is None else plural(part.row_count, "row")
    made = f"made {stamp(part.made)}" if part.made else ""
    reason = part.reason if part.status not in ("fresh", "empty", "missing") else ""
    if part.last_attempt is not None:
        reason = joined([reason, f"last attempt {part.last_attempt.result}"])
    status = part.status if not reason.startswith(part.status) else ""
    bytes_shown = "" if part.size_bytes is None else size(part.size_bytes)
    return joined([part.key, status, rows, bytes_shown, made, reason])


def _legend(screen: Screen, status: AssetStatus) -> str:
    counts = status.counts
    parts = [f"{screen.glyph(name)} {counts[name]} {name}" for name in _STATES if counts.get(name)]
    if failed := status.failed_attempts:
        parts.append(f"({screen.glyph('failed')} last attempt failed: {failed} of these)")
    return joined(parts)


def _reasons(screen: Screen, lake: Lake, survey: Survey, status: AssetStatus, *, why: bool) -> list[str]:
    """A line for each reason, with the partitions that share it."""
    keys_by_reason: dict[tuple[str, str], list[str]] = {}
    for part in status.partitions:
        if part.status in ("stale", "unrecorded", "orphaned") or part.reason.startswith("missing:"):
            reason = part.reason.partition(": ")[2] or part.reason
            keys_by_reason.setdefault((part.status, reason), []).append(part.key)
        if part.last_attempt is not None:
            keys_by_reason.setdefault(("failed", _attempt(part, survey, why=why)), []).append(part.key)
    partitions = lake.graph.asset(status.asset).partitions
    return [
        f"{screen.glyph(state)} {describe(keys, partitions)}  {reason}"
        for (state, reason), keys in keys_by_reason.items()
    ]


def _attempt(part: PartitionStatus, survey: Survey, *, why: bool) -> str:
    """What became of the last attempt, in short by the name of the exception."""
    attempt = part.last_attempt
    assert attempt is not None  # noqa: S101  the caller has looked
    error = attempt.error or {}
    message = str(error.get("message", attempt.result)).removeprefix(f"{attempt.asset}: ")
    name = error.get("context", {}).get("exception")
    kept = f"; previous data kept ({plural(part.row_count, 'row')})" if part.row_count is not None else ""
    what = message if why or not name else str(name)
    return f"{what}{',' if ' ' in what else ''} {ago(attempt.finished, survey.time)}{kept}"


def _print_next(screen: Screen, found: Sequence[AssetStatus], asked: Sequence[str]) -> None:
    """The commands that would make what is not fresh, with how many partitions each makes."""
    parts = [part for status in found for part in status.partitions]
    behind = sum(part.status == "stale" or part.last_attempt is not None for part in parts)
    missing = sum(part.status == "missing" and part.last_attempt is None for part in parts)
    flags = [
        *(["--stale"] if any(part.status == "stale" for part in parts) else []),
        *(["--failed"] if any(part.last_attempt is not None for part in parts) else []),
    ]
    commands = [(" ".join(["lake materialize", *asked, *flags]), behind)] if behind else []
    if missing:
        commands.append((" ".join(["lake materialize", *asked, "--missing"]), missing))
    width = max((len(text) for text, _ in commands), default=0)
    figures = max((len(str(count)) for _, count in commands), default=0)
    for number, (text, count) in enumerate(commands):
        screen.say(
            f"{'next:' if number == 0 else '     '} {text:{width}}  {plural(count, 'partition', max(2, figures))}"
        )


def _to_json(found: list[AssetStatus]) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "assets": [
            {
                "asset": status.asset,
                "kind": status.kind,
                "first": status.first,
                "last": status.last,
                "counts": {name: status.counts.get(name, 0) for name in _STATES},
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
        "reason": part.reason,
        "reasons": [{"code": cause.code, "input": cause.input} for cause in part.causes],
        "last_attempt": attempt
        and {"result": attempt.result, "at": from_instant(attempt.finished), "error": attempt.error},
    }
