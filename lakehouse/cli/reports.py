"""What ``lake materialize`` prints for people: the plan, then the results with their previews.

Knows the words and where they stand. Refuses to decide anything.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lakehouse.cli.machine import FEW, PREVIEW_ROWS, RESULTS
from lakehouse.cli.output import Screen, duration, joined, plural, size, wrapped
from lakehouse.cli.progress import binned, state_of
from lakehouse.errors import LakeError
from lakehouse.plan import Plan, Step
from lakehouse.reasons import ago
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
    frozen = sum(_is_left_frozen(step) for step in plan.steps)
    kept = counts["keep"] - frozen
    parts = [plural(len(plan.steps), "partition"), f"{counts['make']} to make", f"{kept} fresh"]
    if frozen:
        parts.append(f"{frozen} frozen")
    if counts["refuse"]:
        parts.append(f"{counts['refuse']} blocked")
    screen.say(f"plan: {', '.join(parts)} (nothing written: --dry-run)")
    words = {"make": "make    {}", "keep": "fresh", "refuse": "blocked {}", "frozen": "frozen  {}"}
    for asset in plan.assets():
        indent = "  "
        if len(plan.assets()) > 1:
            screen.say(f"  {asset}")
            indent = "    "
        for step in plan.of(asset):
            word = words["frozen" if _is_left_frozen(step) else step.action]
            screen.say(f"{indent}{step.key}  {word.format(step.reason.removesuffix(' (frozen)'))}")


def _is_left_frozen(step: Step) -> bool:
    return step.action == "keep" and step.state.is_frozen and step.state.status != "fresh"


def print_outcome(
    screen: Screen, lake: Lake, outcome: Outcome, *, now: datetime, seconds: float, preview: int | None
) -> None:
    """Every asset's results, each partition with a preview where they are few; nothing, if quiet and idle."""
    results = outcome.results
    is_idle = bool(results) and all(result.is_kept for result in results)
    if is_idle and screen.is_quiet:
        return
    by_asset: dict[str, list[Materialization]] = {}
    for result in results:
        by_asset.setdefault(result.asset, []).append(result)
    is_few = sum(not result.is_kept for result in results) <= FEW
    blocks: list[list[str]] = []
    for asset, found in by_asset.items():
        if is_few:
            rows = PREVIEW_ROWS if preview is None else preview
            each = [result for result in found if not result.is_kept or len(results) <= FEW]
            blocks += [_one(screen, lake, result, rows, now) for result in each]
            blocks.append(_fresh(screen, lake, [result for result in found if result not in each]))
        else:
            took = seconds if len(by_asset) == 1 else _spent(found)
            blocks.append(_many(screen, lake, found, took, is_alone=len(by_asset) == 1))
            blocks.append(_preview(screen, lake, found[-1], preview or 0))
        notes = [*outcome.notes.get(asset, ()), *_empty_note(found, outcome.latest.get(asset, {}))]
        blocks.append([f"  note: {note}" for note in notes])
    if is_idle:
        frozen = [result for result in results if result.is_frozen]
        cure = f"{(frozen[0].error or {}).get('help')}" if len(frozen) == 1 else "lake unfreeze, or --force"
        same = "Same inputs, same code: nothing to do. Make it again with --force."
        blocks.append([f"Frozen: left as it is. To make it: {cure}" if frozen else same])
    _say(screen, blocks)


def _say(screen: Screen, blocks: Sequence[list[str]]) -> None:
    """The blocks below each other, an empty line after one that has a preview in it."""
    shown = [block for block in blocks if block]
    for number, block in enumerate(shown):
        if number and "" in shown[number - 1] and block[0]:
            screen.say()
        for line in block:
            screen.say(line)


def _spent(results: Sequence[Materialization]) -> float:
    made = [result for result in results if not result.is_kept]
    if not made:
        return 0.0
    return (max(r.finished for r in made) - min(r.started for r in made)).total_seconds()


def _one(screen: Screen, lake: Lake, result: Materialization, rows: int, now: datetime) -> list[str]:
    name = f"{screen.glyph(_sign(result))} {result.asset} {result.key}"
    count = "" if result.row_count is None else plural(result.row_count, "row")
    if result.is_kept:
        made = f"made {ago(result.finished, now)}" if result.version else ""
        return [joined([name, "frozen" if result.is_frozen else "fresh", count, made])]
    if not result.is_ok:
        return [joined([name, result.result])]
    took = duration((result.finished - result.started).total_seconds())
    head = joined([name, result.result, count, size(result.size_bytes or 0), took])
    return [head, f"  {_shown_path(lake, result.path)}", *_preview(screen, lake, result, rows)]


def _fresh(screen: Screen, lake: Lake, results: Sequence[Materialization]) -> list[str]:
    """One line for all partitions that were not made."""
    if not results:
        return []
    span = describe([result.key for result in results], lake.graph.asset(results[0].asset).partitions)
    rows = plural(sum(result.row_count or 0 for result in results), "row")
    name = f"{screen.glyph('same')} {results[0].asset} {span}"
    frozen = sum(result.is_frozen for result in results)
    what = [f"{plural(len(results) - frozen, 'partition')} fresh"] if len(results) > frozen else []
    what += [f"{plural(frozen, 'partition')} frozen"] if frozen else []
    return [joined([name, ", ".join(what), rows])]


def _shown_path(lake: Lake, path: str) -> str:
    """A path below the current folder relative to it; others whole."""
    whole = lake.root / path
    return os.path.relpath(whole) if whole.is_relative_to(Path.cwd()) else str(whole)


def _preview(screen: Screen, lake: Lake, result: Materialization, rows: int) -> list[str]:
    """An empty line and the first rows; nothing where there are none."""
    if not rows or not result.row_count or result.version is None:
        return []
    from lakehouse.cli.table import frame_lines
    from lakehouse.reading import version_rows

    try:
        frame = version_rows(lake.root, result.asset, result.key, result.version, rows=rows)
    except LakeError as error:  # what was published stands, though it cannot be shown
        return [f"  no preview: {error.message}"]
    return ["", *frame_lines(screen, frame, [kind for _, kind in result.schema or ()], total=result.row_count)]


def _many(
    screen: Screen, lake: Lake, results: Sequence[Materialization], seconds: float, *, is_alone: bool
) -> list[str]:
    """A line for the asset and its bar; where few are concerned and some failed, each with its rows."""
    counts = Counter(result.result for result in results)
    has_failed = not all(result.is_ok for result in results)
    few_failed = has_failed and len(results) <= _ROW
    if few_failed and is_alone:
        return wrapped([_short(screen, result) for result in results], width=screen.width)
    summary = ", ".join(f"{counts[name]} {name}" for name in RESULTS if counts[name])
    rows = plural(sum(result.row_count or 0 for result in results if result.is_ok), "row")
    name = f"{screen.glyph('failed' if has_failed else 'ok')} {results[0].asset}"
    head = joined([name, f"{plural(len(results), 'partition')}: {summary}", rows, duration(seconds)])
    if few_failed:
        return [head, *wrapped([_short(screen, result) for result in results], width=screen.width, indent="  ")]
    span = describe([result.key for result in results], lake.graph.asset(results[0].asset).partitions)
    states = binned([state_of(result) for result in results])
    return [head, f"  {''.join(map(screen.glyph, states))}  {span}"]


def _short(screen: Screen, result: Materialization) -> str:
    name = f"{screen.glyph(_sign(result))} {result.key}"
    if not result.is_ok:
        return name if result.result == "failed" else f"{name}  {result.result}"
    return f"{name}  {plural(result.row_count or 0, 'row')}"


def _sign(result: Materialization) -> str:
    signs = {"fresh": "same", "unchanged": "same", "skipped": "missing"}
    return signs.get(result.result, "ok" if result.is_ok else "failed")


def _empty_note(results: Sequence[Materialization], latest: Mapping[str, str]) -> list[str]:
    empty = sum(result.row_count == 0 for result in results if result.is_ok and not result.is_kept)
    if not empty:
        return []
    verb = "is" if empty == 1 else "are"
    until = next((f"; the source's last {column} is {value}" for column, value in latest.items()), "")
    return [f"{plural(empty, 'partition')} {verb} empty{until}"]
