"""``lake validate``: definitions and sources looked at, nothing written."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from lakehouse.cli.help import Command
from lakehouse.cli.options import Format, common, folder_of, screen_of
from lakehouse.cli.output import Screen, aside, emit, plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakehouse.validate import Finding

__all__ = ["command"]

_SIGNS: Final = {"ok": "ok", "warning": "stale", "error": "failed"}
_GRAVEST_FIRST: Final = (70, 4, 2, 5, 1)


@click.command("validate", cls=Command, examples=("lake validate", "lake validate --deep", "lake validate --json"))
@click.option("--deep", is_flag=True, help="Read every row of the sources too, and ask the checks.")
@common("table", "json")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    deep: bool,
    folder: str | None,
    quiet: bool,
    verbose: bool,
    color: Literal["auto", "always", "never"],
    form: Format,
) -> int:
    """Look at every definition and every source, and say what would fail.

    Each function is called, so that its columns are known, but its result is not computed. With --deep the checks
    of sources and of what is published are asked too. Nothing is written to the lake. Exits with 2 if a definition
    is wrong, with 5 if a source is, with 1 if a check of what is published fails.
    """
    from lakehouse.cli.project import load
    from lakehouse.cli.spills import keep_back

    screen = screen_of(color, quiet=quiet)
    lake = load(folder_of(ctx, folder))
    keep_back(ctx, lake.root, verbose=verbose)
    with aside():
        found = lake.validate(deep=deep)
    code = _exit_code(found)
    if form == "json":
        emit({"schema_version": 1, "ok": code == 0, "exit_code": code, "findings": [_to_json(one) for one in found]})
    else:
        _print(screen, found)
    return code


def _exit_code(found: Sequence[Finding]) -> int:
    """0, or that of the gravest error."""
    codes = {one.error.exit_code if one.error is not None else 2 for one in found if one.severity == "error"}
    return min(codes, key=_GRAVEST_FIRST.index, default=0)


def _print(screen: Screen, found: Sequence[Finding]) -> None:
    """A line for each thing that was looked at, with the help below it; if quiet, only what is not well."""
    width = max((len(one.subject) for one in found), default=0)
    for one in found:
        if screen.is_quiet and one.severity == "ok":
            continue
        screen.say(f"{screen.glyph(_SIGNS[one.severity])} {one.subject:{width}}   {one.message}".rstrip())
        for line in _below(one):
            screen.say(f"    {line}")
    counts = Counter(one.severity for one in found)
    if screen.is_quiet and not (counts["error"] or counts["warning"]):
        return
    parts = [plural(counts[name], name) for name in ("error", "warning") if counts[name]]
    looked = len({one.subject for one in found})
    screen.say(f"{looked} looked at: {', '.join(parts) or 'all in order'}")


def _below(one: Finding) -> list[str]:
    """What an error says beyond its message, and the help."""
    details = list(one.error.details) if one.error is not None else []
    return [*details, *([f"help: {one.help}"] if one.help else [])]


def _to_json(one: Finding) -> dict[str, Any]:
    error = None if one.error is None else one.error.to_json()
    return {
        "subject": one.subject,
        "severity": one.severity,
        "message": one.message,
        "help": one.help,
        "error": error,
    }
