"""``lake status``: which partitions are fresh, which are not and why, and the command that helps."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Literal

import click

from lakehouse.cli.options import Format, common, folder_of, screen_of
from lakehouse.cli.output import Screen, joined, plural, size, stamp
from lakehouse.graph import nearest

if TYPE_CHECKING:
    from lakehouse.lake import Lake
    from lakehouse.status import AssetStatus, PartitionStatus

__all__ = ["command"]

_FOUND_WORK = 3


@click.command("status")
@click.argument("words", nargs=-1, metavar="[ASSET]... [SEL]...")
@click.option("--why", is_flag=True, help="Every reason, not the first few.")
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
    r"""Show the state of partitions: a grid, the reasons, the next command. Opens no data.

    \b
    Examples:
      lake status
      lake status monthly_orders 2018
      lake status --check
    """
    from lakehouse.cli.project import load

    screen = screen_of(color, quiet=quiet)
    lake = load(folder_of(ctx, folder))
    found = _look(lake, words)
    if form == "json":
        click.echo(json.dumps(_to_json(found), ensure_ascii=False))
    else:
        for number, status in enumerate(found):
            if number:
                screen.say()
            _print(screen, lake, status, why=why, listed=listed)
        _print_next(screen, found)
    is_done = all(part.status in ("fresh", "empty") for status in found for part in status.partitions)
    return _FOUND_WORK if check and not is_done else 0


def _look(lake: Lake, words: tuple[str, ...]) -> list[AssetStatus]:
    """The status of what the words name: assets by their names, all else a selection."""
    names = [node.name for node in lake.graph.assets()]
    assets = [word for word in words if word in names]
    selection = [word for word in words if word not in names]
    for word in selection:
        if word.isidentifier() and word not in ("all", "latest") and (nearest(word, names) or not assets):
            lake.graph.asset(word)  # raises: it is no asset, and no key either
    return lake.status(selection or None, assets=assets)


def _print(screen: Screen, lake: Lake, status: AssetStatus, *, why: bool, listed: bool) -> None:
    from lakehouse.cli.grid import months

    extent = f"{status.first}..{status.last}" if status.last else f"from {status.first}"
    screen.say(joined([status.asset, status.kind, extent, plural(len(status.partitions), "partition")]))
    if listed:
        for part in status.partitions:
            screen.say(f"  {screen.glyph(_sign(part))} {_line(part)}")
        return
    partitions = lake.graph.asset(status.asset).partitions
    starts = {part.key: partitions.window(part.key).start.date() for part in status.partitions}
    for line in months(screen, [(part.key, starts[part.key], _sign(part)) for part in status.partitions]):
        screen.say(line)
    screen.say(f"  {_legend(screen, status)}")
    if status.is_behind:
        screen.say("  commits are not yet shown in the folders; the next `lake materialize` does it")
    reasons = [line for part in status.partitions for line in _reasons(screen, part)]
    shown = reasons if why else reasons[:5]
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
    status = part.status if not reason.startswith(part.status) else ""
    bytes_shown = "" if part.size_bytes is None else size(part.size_bytes)
    return joined([part.key, status, rows, bytes_shown, made, reason])


def _legend(screen: Screen, status: AssetStatus) -> str:
    counts = status.counts
    names = ("fresh", "empty", "stale", "missing", "unrecorded", "orphaned")
    parts = [f"{screen.glyph(name)} {counts[name]} {name}" for name in names if counts.get(name)]
    if failed := status.failed_attempts:
        parts.append(f"({screen.glyph('failed')} last attempt failed: {failed} of these)")
    return joined(parts)


def _reasons(screen: Screen, part: PartitionStatus) -> list[str]:
    lines = []
    if part.status in ("stale", "unrecorded", "orphaned") or part.reason.startswith("missing:"):
        reason = part.reason.partition(": ")[2] or part.reason
        lines.append(f"{screen.glyph(part.status)} {part.key}  {reason}")
    if part.last_attempt is not None:
        error = part.last_attempt.error or {}
        kept = f"; previous data kept ({plural(part.row_count, 'row')})" if part.row_count is not None else ""
        message = str(error.get("message", part.last_attempt.result)).removeprefix(f"{part.last_attempt.asset}: ")
        when = stamp(part.last_attempt.finished)
        lines.append(f"{screen.glyph('failed')} {part.key}  {message}, {when}{kept}")
    return lines


def _print_next(screen: Screen, found: list[AssetStatus]) -> None:
    """The commands that would make what is not fresh, with how many partitions each makes."""
    parts = [part for status in found for part in status.partitions]
    stale = sum(part.status == "stale" or part.last_attempt is not None for part in parts)
    missing = sum(part.status == "missing" and part.last_attempt is None for part in parts)
    flags = [name for name in ("stale", "failed") if any(_is(part, name) for part in parts)]
    commands = []
    if stale:
        commands.append((f"lake materialize {' '.join(f'--{name}' for name in flags)}", stale))
    if missing:
        commands.append(("lake materialize --missing", missing))
    width = max((len(text) for text, _ in commands), default=0)
    for number, (text, count) in enumerate(commands):
        screen.say(f"{'next:' if number == 0 else '     '} {text:{width}}   {plural(count, 'partition')}")


def _is(part: PartitionStatus, name: str) -> bool:
    return part.last_attempt is not None if name == "failed" else part.status == name


def _to_json(found: list[AssetStatus]) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "assets": [
            {
                "asset": status.asset,
                "kind": status.kind,
                "first": status.first,
                "last": status.last,
                "counts": status.counts,
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
        "reasons": [{"code": cause.code, "input": cause.input} for cause in part.causes],
        "last_attempt": attempt
        and {"result": attempt.result, "at": from_instant(attempt.finished), "error": attempt.error},
    }
