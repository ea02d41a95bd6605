"""``lake adopt``: files made elsewhere, copied in and recorded."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from lakehouse.cli import completing
from lakehouse.cli.help import Command
from lakehouse.cli.options import Format, common, folder_of, screen_of
from lakehouse.cli.output import Screen, emit, joined, plural, wrapped
from lakehouse.selection import describe

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakehouse.lake import Lake
    from lakehouse.records import Materialization

__all__ = ["command"]

_WORDS: Final = {
    "created": "adopted",
    "replaced": "adopted",
    "unchanged": "unchanged",
    "fresh": "recorded already",
    "skipped": "frozen",
    "blocked": "refused",
    "failed": "failed",
}
_SIGNS: Final = {"adopted": "ok", "unchanged": "same", "recorded already": "same", "frozen": "missing"}
_FEW: Final = 12  # so many partitions are named each
_FEW_ERRORS: Final = 5


@click.command(
    "adopt",
    cls=Command,
    examples=(
        "lake adopt monthly_orders all --dry-run",
        "lake adopt monthly_orders 2018-02",
        "lake adopt monthly_orders 2018-02 --from /backup/monthly_orders",
    ),
)
@click.argument("asset", shell_complete=completing.assets)
@click.argument("selection", nargs=-1, required=True, metavar="SEL...", shell_complete=completing.keys)
@click.option(
    "--from",
    "source",
    metavar="DIR",
    type=click.Path(file_okay=False),
    help="Hive folders elsewhere, with one Parquet file each.",
)
@click.option("-f", "--force", is_flag=True, help="Frozen ones too; replace files that others put into the lake.")
@click.option("-n", "--dry-run", is_flag=True, help="Say what would be adopted or refused; write nothing.")
@common("table", "json")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    asset: str,
    selection: tuple[str, ...],
    source: str | None,
    force: bool,
    dry_run: bool,
    folder: str | None,
    quiet: bool,
    verbose: bool,
    color: Literal["auto", "always", "never"],
    form: Format,
) -> int:
    """Record files that were made elsewhere as partitions of an asset; they are copied, never linked.

    Without --from, these are files that stand in the lake itself and that its log does not know: put there by hand,
    or all of them, once .lake was deleted. Each has to be what the lake would write: the columns of the asset in
    their order, without the partition columns, and the asset's checks have to hold. A file that is refused stays as
    it is, and the others are adopted. What is adopted counts as made of the code and the inputs of now: you vouch for
    it.
    """
    from lakehouse.cli.interrupts import Interrupts
    from lakehouse.cli.output import aside
    from lakehouse.cli.project import load, tell_shells
    from lakehouse.cli.spills import keep_back

    screen = screen_of(color, quiet=quiet)
    lake = load(folder_of(ctx, folder))
    keep_back(ctx, lake.root, verbose=verbose)
    place = None if source is None else Path(source).absolute()
    with Interrupts(screen, is_at_once=True).taken(), aside():
        results = lake.adopt(asset, selection, place, force=force, dry_run=dry_run)
    tell_shells(folder_of(ctx, folder), lake, lake.survey())
    code = 0 if all(result.is_ok for result in results) else 1
    if form == "json":
        emit(_to_json(results, code, dry_run=dry_run))
        return code
    _print(screen, lake, results, dry_run=dry_run)
    return code


def _print(screen: Screen, lake: Lake, results: Sequence[Materialization], *, dry_run: bool) -> None:
    words = [_WORDS[result.result] for result in results]
    if screen.is_quiet and set(words) <= {"recorded already"}:
        return
    counts = Counter(words)
    asset, ok = results[0].asset, all(result.is_ok for result in results)
    rows = sum(result.row_count or 0 for result, word in zip(results, words, strict=True) if word == "adopted")
    what = ", ".join(f"{counts[word]} {word}" for word in dict.fromkeys(_WORDS.values()) if counts[word])
    suffix = " (nothing written: --dry-run)" if dry_run else ""
    head = f"plan: {asset}" if dry_run else f"{screen.glyph('ok' if ok else 'failed')} {asset}"
    line = [head, f"{plural(len(results), 'partition')}: {what}"]
    screen.say(joined([*line, plural(rows, "row") if counts["adopted"] else ""]) + suffix)
    if len(results) <= _FEW:
        each = [_one(screen, result, word) for result, word in zip(results, words, strict=True)]
        for text in wrapped(each, width=screen.width, indent="  "):
            screen.say(text)
    else:
        for word in (word for word in dict.fromkeys(_WORDS.values()) if counts[word]):
            keys = [r.key for r, w in zip(results, words, strict=True) if w == word and r.partition]
            if keys:
                screen.say(f"  {word}: {describe(keys, lake.graph.asset(asset).partitions)}")
    _print_errors(screen, [result for result in results if not result.is_ok], dry_run=dry_run)


def _one(screen: Screen, result: Materialization, word: str) -> str:
    rows = plural(result.row_count, "row") if word == "adopted" and result.row_count is not None else word
    return f"{screen.glyph(_SIGNS.get(word, 'failed'))} {result.key}  {rows}"


def _print_errors(screen: Screen, refused: Sequence[Materialization], *, dry_run: bool) -> None:
    for result in refused[:_FEW_ERRORS]:
        error = result.error or {}
        name = screen.paint(f"error[{error.get('code', 'failed')}]:", "red", bold=True, to="err")
        screen.note(f"{name} {error.get('message', '')}")
        for line in error.get("details", ()):
            screen.note(f"  {line}")
        if error.get("help"):
            screen.note(f"  help: {error['help']}")
    if len(refused) > _FEW_ERRORS:
        screen.note(f"  … and {len(refused) - _FEW_ERRORS} more: --json shows all")
    if refused and not dry_run:
        screen.note("what was refused stays as it was")


def _to_json(results: Sequence[Materialization], code: int, *, dry_run: bool) -> dict[str, Any]:
    counts = Counter[str](result.result for result in results)
    return {
        "schema_version": 1,
        "ok": code == 0,
        "exit_code": code,
        "dry_run": dry_run,
        "summary": {name: counts[name] for name in _WORDS},
        "results": [
            {
                "asset": result.asset,
                "key": result.key,
                "partition": dict(result.partition),
                "result": result.result,
                "reason": result.reason,
                "row_count": result.row_count,
                "size_bytes": result.size_bytes,
                "data_version": result.data_version,
                "path": result.path,
                "checks": [dict(check) for check in result.checks],
                "error": result.error,
            }
            for result in results
        ],
    }
