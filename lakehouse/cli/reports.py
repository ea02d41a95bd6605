"""What ``lake materialize`` prints for people: the plan, the results with their previews, the errors.

Knows the words and where they stand. Refuses to decide anything.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lakehouse.cli.failures import print_error
from lakehouse.cli.machine import FEW, PREVIEW_ROWS, RESULTS
from lakehouse.cli.output import Screen, duration, joined, plural, size, stamp
from lakehouse.cli.progress import binned, state_of
from lakehouse.errors import LakeError
from lakehouse.plan import Plan, ago
from lakehouse.records import Materialization
from lakehouse.selection import Resolution, describe

if TYPE_CHECKING:
    from lakehouse.lake import Lake
    from lakehouse.outcome import Outcome

__all__ = ["echo_resolution", "keys_of", "print_outcome", "print_plan", "spans_of"]

_ROW: Final = 12  # so many are named each in a row, where one failed


def keys_of(plan: Plan) -> dict[str, list[str]]:
    """The keys of each asset of a plan."""
    return {asset: [step.key for step in plan.of(asset)] for asset in plan.assets()}


def spans_of(lake: Lake, plan: Plan) -> dict[str, str]:
    """The keys of each asset, as a person would write them."""
    return {asset: describe(keys, lake.graph.asset(asset).partitions) for asset, keys in keys_of(plan).items()}


def echo_resolution(screen: Screen, lake: Lake, resolution: Resolution, *, asked: bool) -> None:
    """Say which partitions a selection means, where it means more than one, and which assets it leaves out."""
    if screen.is_quiet:
        return
    for name, error in resolution.out_of_scope.items():
        screen.note(f"note: {name} is left out: {error.message}")
    assets_by_span: dict[tuple[int, str], list[str]] = {}
    for name, keys in resolution.keys_by_asset.items():
        span = describe(keys, lake.graph.asset(name).partitions)
        assets_by_span.setdefault((len(keys), span), []).append(name)
    for (count, span), names in assets_by_span.items():
        if asked and count > 1:
            of = f" of {', '.join(names)}" if len(names) > 1 or len(assets_by_span) > 1 else ""
            screen.note(f"{plural(count, 'partition')}: {span}{of}")


def print_plan(screen: Screen, plan: Plan) -> None:
    """``--dry-run``: what would be made, and why."""
    counts = Counter(step.action for step in plan.steps)
    parts = [plural(len(plan.steps), "partition"), f"{counts['make']} to make", f"{counts['keep']} fresh"]
    if counts["refuse"]:
        parts.append(f"{counts['refuse']} blocked")
    screen.say(f"plan: {', '.join(parts)} (nothing written: --dry-run)")
    words = {"make": "make    {}", "keep": "fresh", "refuse": "blocked {}"}
    for asset in plan.assets():
        indent = "  "
        if len(plan.assets()) > 1:
            screen.say(f"  {asset}")
            indent = "    "
        for step in plan.of(asset):
            screen.say(f"{indent}{step.key}  {words[step.action].format(step.reason)}")


def print_outcome(
    screen: Screen, lake: Lake, outcome: Outcome, *, seconds: float, preview: int | None, verbose: bool
) -> None:
    """Every asset's results; errors last, each with what it left standing."""
    results = outcome.results
    by_asset: dict[str, list[Materialization]] = {}
    for result in results:
        by_asset.setdefault(result.asset, []).append(result)
    made = [result for result in results if result.result != "fresh"]
    is_few = len(made) <= FEW and len(results) <= _ROW
    for asset, found in by_asset.items():
        if is_few:
            for result in found:
                _print_one(screen, lake, result, PREVIEW_ROWS if preview is None else preview)
        else:
            _print_many(screen, lake, asset, found, seconds if len(by_asset) == 1 else _spent(found))
            if preview:
                _print_preview(screen, lake, found[-1], preview)
        for note in [*outcome.notes.get(asset, ()), *_empty_note(found, outcome.latest.get(asset, {}))]:
            screen.say(f"  note: {note}")
    if results and all(result.result == "fresh" for result in results):
        screen.say("Same inputs, same code: nothing to do. Make it again with --force.")
    if not results and outcome.error is None:
        screen.say("nothing to do: no partition is selected")
    _print_errors(screen, results, verbose=verbose)
    if outcome.error is not None:
        print_error(screen, outcome.error)


def _spent(results: Sequence[Materialization]) -> float:
    made = [result for result in results if result.result != "fresh"]
    if not made:
        return 0.0
    return (max(r.finished for r in made) - min(r.started for r in made)).total_seconds()


def _print_one(screen: Screen, lake: Lake, result: Materialization, rows: int) -> None:
    sign = {"fresh": "same", "unchanged": "same"}.get(result.result, "ok" if result.is_ok else "failed")
    name = f"{screen.glyph(sign)} {result.asset} {result.key}"
    count = "" if result.row_count is None else plural(result.row_count, "row")
    if result.result == "fresh":
        screen.say(joined([name, "fresh", count, f"made {ago(result.finished, datetime.now(UTC))}"]))
        return
    if not result.is_ok:
        screen.say(joined([name, result.result]))
        return
    took = duration((result.finished - result.started).total_seconds())
    screen.say(joined([name, result.result, count, size(result.size_bytes or 0), took]))
    screen.say(f"  {_shown_path(lake, result.path)}")
    _print_preview(screen, lake, result, rows)


def _shown_path(lake: Lake, path: str) -> str:
    """A path below the current folder relative to it; others whole."""
    whole = lake.root / path
    return os.path.relpath(whole) if whole.is_relative_to(Path.cwd()) else str(whole)


def _print_preview(screen: Screen, lake: Lake, result: Materialization, rows: int) -> None:
    if not rows or not result.row_count or result.version is None:
        return
    import polars as pl

    from lakehouse.cli.table import print_frame

    frame = pl.scan_parquet(lake.root / result.version.path, hive_partitioning=False, glob=False).head(rows).collect()
    screen.say()
    print_frame(screen, frame, [kind for _, kind in result.schema or ()], total=result.row_count)
    screen.say()


def _print_many(screen: Screen, lake: Lake, asset: str, results: Sequence[Materialization], seconds: float) -> None:
    counts = Counter(result.result for result in results)
    failed = [result for result in results if not result.is_ok]
    summary = ", ".join(f"{counts[name]} {name}" for name in RESULTS if counts[name])
    rows = plural(sum(result.row_count or 0 for result in results if result.is_ok), "row")
    sign = screen.glyph("failed" if failed else "ok")
    head = f"{sign} {asset}"
    screen.say(joined([head, f"{plural(len(results), 'partition')}: {summary}", rows, duration(seconds)]))
    if failed and len(results) <= _ROW:
        screen.say(f"  {joined(_short(screen, result) for result in results)}")
        return
    cells = "".join(screen.glyph(state) for state in binned([state_of(r.result, r.row_count) for r in results]))
    span = describe([result.key for result in results], lake.graph.asset(asset).partitions)
    screen.say(f"  {cells}  {span}")


def _short(screen: Screen, result: Materialization) -> str:
    if not result.is_ok:
        return f"{screen.glyph('failed')} {result.key}"
    sign = "same" if result.result in ("fresh", "unchanged") else "ok"
    return f"{screen.glyph(sign)} {result.key}  {plural(result.row_count or 0, 'row')}"


def _empty_note(results: Sequence[Materialization], latest: Mapping[str, str]) -> list[str]:
    empty = sum(result.row_count == 0 for result in results if result.is_ok and result.result != "fresh")
    if not empty:
        return []
    verb = "is" if empty == 1 else "are"
    until = next((f"; the source's last {column} is {value}" for column, value in latest.items()), "")
    return [f"{plural(empty, 'partition')} {verb} empty{until}"]


def _print_errors(screen: Screen, results: Sequence[Materialization], *, verbose: bool) -> None:
    """One block an error; partitions that share it are named together."""
    groups: dict[str, list[Materialization]] = {}
    for result in results:
        if result.error is not None:
            groups.setdefault(json.dumps(result.error, sort_keys=True, default=str), []).append(result)
    for failed in groups.values():
        error = failed[0].error or {}
        if error["code"].startswith("upstream-"):
            for result in failed:
                screen.note(f"skipped: {result.asset} {result.key}: {error['message']}")
            continue
        details = [*error.get("details", ()), *_kept(failed)]
        shown = LakeError(_message(failed), code=error["code"], details=details, help=_help(error, failed))
        print_error(screen, shown)
    if verbose and groups:
        screen.note("(the definitions' own tracebacks are in the log of each asset)")


def _message(failed: Sequence[Materialization]) -> str:
    """The error's message, naming the partitions where it does not name them itself."""
    message, asset = str((failed[0].error or {}).get("message")), failed[0].asset
    if (failed[0].error or {}).get("exit_code") == 5:  # noqa: PLR2004  a source's fault is no partition's
        return message
    keys = ", ".join(result.key for result in failed[:3]) + (" …" if len(failed) > 3 else "")  # noqa: PLR2004
    if any(result.key in message for result in failed):
        return message
    rest = message.removeprefix(f"{asset}: ")
    return f"{asset} {keys}: {rest}"


def _kept(failed: Sequence[Materialization]) -> list[str]:
    lines = [
        f"{result.key} keeps its previous data ({_rows(result.kept.row_count)}, made {stamp(result.kept_made)})"
        for result in failed
        if result.kept is not None and result.kept_made is not None
    ]
    return lines[:FEW] + ([f"and {len(lines) - FEW} more keep theirs"] if len(lines) > FEW else [])


def _rows(count: int) -> str:
    return plural(count, "row")


def _help(error: Mapping[str, Any], failed: Sequence[Materialization]) -> str | None:
    if error.get("help"):
        return str(error["help"])
    if error["code"] == "asset-raised":
        return f"fix it, then `lake materialize --failed` ({plural(len(failed), 'partition')})"
    return None
