"""``lake snapshot``: the lake as it is, kept as a plain Hive tree; those that there are, and their removal."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from lakehouse.cli import completing
from lakehouse.cli.asking import is_agreed
from lakehouse.cli.events import who
from lakehouse.cli.help import Command
from lakehouse.cli.options import Format, common, folder_of, screen_of
from lakehouse.cli.output import Screen, align, emit, joined, plural, size, stamp, wrapped
from lakehouse.errors import RequestError
from lakehouse.records import from_instant

if TYPE_CHECKING:
    from lakehouse.lake import Lake
    from lakehouse.past.snapshots import Snapshot

__all__ = ["command"]


@click.command(
    "snapshot",
    cls=Command,
    examples=(
        "lake snapshot before-fix",
        "lake snapshot orders -a monthly_orders -a daily_orders",
        "lake snapshot list",
        "lake snapshot remove before-fix --yes",
    ),
)
@click.argument("words", nargs=-1, metavar="NAME | list | remove NAME...", shell_complete=completing.snapshot_words)
@click.option(
    "-a", "--asset", "assets", multiple=True, metavar="ASSET", shell_complete=completing.assets, help="Only this one."
)
@click.option("-n", "--dry-run", is_flag=True, help="Say what would be done; write nothing.")
@click.option("-y", "--yes", is_flag=True, help="Remove without being asked.")
@common("table", "json")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    words: tuple[str, ...],
    assets: tuple[str, ...],
    dry_run: bool,
    yes: bool,
    folder: str | None,
    quiet: bool,
    verbose: bool,  # noqa: ARG001  taken by the error handler
    color: Literal["auto", "always", "never"],
    form: Format,
) -> int:
    """Keep the lake as it is now under a name: plain Hive folders that never change, for readers that take long.

    Each asset is as one commit left it. The files are hard links, which cost no space until the lake goes on; they
    hold the bytes, whatever is replaced, cleaned or wiped later. list shows the snapshots, remove deletes some.
    """
    from lakehouse.cli.project import load

    screen = screen_of(color, quiet=quiet)
    lake = load(folder_of(ctx, folder))
    verb = words[0] if words and words[0] in ("list", "remove") else "take"
    names = words if verb == "take" else words[1:]
    _require_words(verb, names, assets)
    if verb == "list":
        _list(screen, lake, form)
    elif verb == "remove":
        _remove(screen, lake, names, form, dry_run=dry_run, yes=yes)
    else:
        _take(screen, lake, names[0], assets, form, dry_run=dry_run)
    return 0


def _require_words(verb: str, names: Sequence[str], assets: Sequence[str]) -> None:
    wrong = {
        "take": "" if len(names) == 1 else f"{len(names)} names are given; a snapshot has one",
        "list": "list takes no name" if names else "",
        "remove": "which snapshot is to be removed is not said" if not names else "",
    }[verb]
    if verb != "take" and assets:
        wrong = wrong or f"{verb} is of whole snapshots: -a has no meaning there"
    if wrong:
        raise RequestError(
            wrong, code="usage", help="lake snapshot NAME, lake snapshot list, lake snapshot remove NAME"
        )


def _take(screen: Screen, lake: Lake, name: str, assets: Sequence[str], form: Format, *, dry_run: bool) -> None:
    found = lake.snapshot(name, assets, dry_run=dry_run)
    if form == "json":
        emit(_done_json([found], lake, dry_run=dry_run))
        return
    head = f"snapshot {name}" if dry_run else f"{screen.glyph('ok')} snapshot {name}"
    screen.say(joined([head, *_sums(found)]) + (" (nothing written: --dry-run)" if dry_run else ""))
    folder = _folder(lake, found)
    screen.say(f"  {folder}")
    table = [
        [
            asset.asset,
            f"commit {asset.commit}",
            plural(asset.partitions, "partition"),
            plural(asset.row_count, "row"),
            size(asset.size_bytes),
        ]
        for asset in found.assets
    ]
    for line in align(table, right=[False, False, True, True, True], width=screen.width):
        screen.say(line)
    if not dry_run and not screen.is_quiet:
        screen.say("read it with DuckDB, or any reader of Hive folders; it never changes:")
        hive = ", hive_partitioning = true" if found.assets[0].columns else ""
        screen.say(f"  FROM read_parquet('{folder}/{found.assets[0].pattern}'{hive})")


def _sums(found: Snapshot) -> list[str]:
    return [
        plural(len(found.assets), "asset"),
        plural(sum(asset.partitions for asset in found.assets), "partition"),
        plural(sum(asset.row_count for asset in found.assets), "row"),
        size(sum(asset.size_bytes for asset in found.assets)),
    ]


def _folder(lake: Lake, found: Snapshot) -> str:
    whole = lake.root / found.path
    return os.path.relpath(whole) if whole.is_relative_to(Path.cwd()) else str(whole)


def _list(screen: Screen, lake: Lake, form: Format) -> None:
    found = lake.snapshots()
    if form == "json":
        emit({"schema_version": 1, "snapshots": [_snapshot_json(item, lake) for item in found]})
        return
    if not found:
        screen.say("there is no snapshot")
        screen.say("next: lake snapshot NAME")
    for item in found:
        if item.made is None:
            screen.say(f"{item.name}   its snapshot.json is missing or cannot be read")
            continue
        screen.say(joined([item.name, stamp(item.made), *_sums(item)[1:], who(item.by)]))
        commits = [f"{asset.asset}:{asset.commit}" for asset in item.assets]
        for line in wrapped(commits, width=screen.width, indent="  "):
            screen.say(line)


def _remove(screen: Screen, lake: Lake, names: Sequence[str], form: Format, *, dry_run: bool, yes: bool) -> None:
    found = [lake.remove_snapshot(name, dry_run=True) for name in dict.fromkeys(names)]
    what = f"remove the snapshot{'s' if len(found) > 1 else ''} {', '.join(item.name for item in found)}"
    if not dry_run and not is_agreed(what, yes=yes):
        screen.note("nothing was removed")
        return
    for item in found if not dry_run else ():
        lake.remove_snapshot(item.name)
    if form == "json":
        emit(_done_json(found, lake, dry_run=dry_run))
        return
    for item in found:
        what = "would be removed (nothing written: --dry-run)" if dry_run else "removed"
        screen.say(joined([f"{item.name} {what}", *(_sums(item) if item.made else [])]))


def _done_json(found: Sequence[Snapshot], lake: Lake, *, dry_run: bool) -> dict[str, Any]:
    shown = [_snapshot_json(item, lake) for item in found]
    return {"schema_version": 1, "ok": True, "exit_code": 0, "dry_run": dry_run, "snapshots": shown}


def _snapshot_json(found: Snapshot, lake: Lake) -> dict[str, Any]:
    return {
        "name": found.name,
        "path": str(lake.root / found.path),
        "made_at": found.made and from_instant(found.made),
        "by": dict(found.by),
        "assets": [asset.to_json() | {"pattern": asset.pattern} for asset in found.assets],
    }
