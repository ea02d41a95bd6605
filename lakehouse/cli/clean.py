"""``lake clean``: what nobody needs, removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import click

from lakehouse.cli.asking import is_agreed
from lakehouse.cli.failures import print_error
from lakehouse.cli.help import Command
from lakehouse.cli.options import Format, common, folder_of, screen_of
from lakehouse.cli.output import Screen, emit, joined, plural, size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakehouse.care.clean import Cleaned, Removed

__all__ = ["command"]

_KINDS: Final = {
    "expired": ("superseded version", "superseded versions"),
    "version": ("version that no commit names", "versions that no commit names"),
    "run": ("folder of a run that died", "folders of runs that died"),
    "blocked": ("refused file of a partition made since", "refused files of partitions made since"),
    "cached": ("cached file that is not read", "cached files that are not read"),
}


@click.command("clean", cls=Command, examples=("lake clean", "lake clean --dry-run", "lake clean --now --yes"))
@click.option("--now", is_flag=True, help="Wait for no version's grace: only keep_versions of each partition stay.")
@click.option("-n", "--dry-run", is_flag=True, help="Say what would be removed; remove nothing.")
@click.option("-y", "--yes", is_flag=True, help="Remove without being asked.")
@common("table", "json")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    now: bool,
    dry_run: bool,
    yes: bool,
    folder: str | None,
    quiet: bool,
    verbose: bool,  # noqa: ARG001  taken by the error handler
    color: Literal["auto", "always", "never"],
    form: Format,
) -> int:
    """Remove leftovers of runs that died, and superseded versions that are no longer kept.

    Of each partition the lake keeps its current version, so many earlier ones as Lake(keep_versions=…) says, and
    whatever was superseded within Lake(grace=…), for readers that are still at it: --now does not wait for these, and
    asks first. What a snapshot holds stays on disk until the snapshot is removed. What a run that is at work may
    still use is left alone.
    """
    from lakehouse.cli.project import load

    screen = screen_of(color, quiet=quiet)
    lake = load(folder_of(ctx, folder))
    if now and not dry_run:
        early = [item for item in lake.clean(now=True, dry_run=True).removed if item.is_early]
        what = f"remove {plural(len(early), 'version')} whose grace is not over"
        if early and not is_agreed(what, yes=yes):
            screen.note("nothing was removed")
            return 0
    done = lake.clean(now=now, dry_run=dry_run)
    code = done.problems[0].exit_code if done.problems else 0
    if form == "json":
        emit(_to_json(done, code, dry_run=dry_run))
        return code
    _print(screen, done, dry_run=dry_run)
    for problem in done.problems:
        print_error(screen, problem)
    return code


def _print(screen: Screen, done: Cleaned, *, dry_run: bool) -> None:
    if not done.removed:
        if not screen.is_quiet:
            screen.say("nothing to remove")
        return
    for kind, (one, many) in _KINDS.items():
        if found := [item for item in done.removed if item.kind == kind]:
            freed = size(sum(item.size_bytes for item in found))
            screen.say(joined([f"  {len(found):>4} {one if len(found) == 1 else many}", freed]))
    files = f"{screen.glyph('ok')} removed" if not dry_run else "would be removed"
    suffix = " (nothing removed: --dry-run)" if dry_run else ""
    screen.say(f"{files}: {plural(len(done.removed), 'item')}, {size(done.size_bytes)} free{suffix}")
    if held := _held(done.removed):
        screen.note(f"note: the bytes of {plural(held, 'version')} stay, held by a snapshot or another link")


def _held(removed: Sequence[Removed]) -> int:
    return sum(item.is_held for item in removed)


def _to_json(done: Cleaned, code: int, *, dry_run: bool) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "ok": code == 0,
        "exit_code": code,
        "dry_run": dry_run,
        "size_bytes": done.size_bytes,
        "removed": [
            {
                "kind": item.kind,
                "asset": item.asset or None,
                "key": item.key or None,
                "path": item.path,
                "size_bytes": item.size_bytes,
                "held": item.is_held,
                "early": item.is_early,
            }
            for item in done.removed
        ],
        "errors": [problem.to_json() for problem in done.problems],
    }
