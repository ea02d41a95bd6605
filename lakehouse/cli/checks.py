"""What is printed of checks that failed: facts, and the first of the rows that break them.

Knows verdicts as the log keeps them. Refuses to decide anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lakehouse import layout
from lakehouse.cli.output import Screen, align, cell, plural
from lakehouse.selection import describe

if TYPE_CHECKING:
    from lakehouse.lake import Lake
    from lakehouse.outcome import Outcome
    from lakehouse.records import Materialization

__all__ = ["blocked_lines", "print_warnings", "source_lines", "span_of"]

_FEW: Final = 3  # so many partitions are shown with their rows
_LONG: Final = 60
_MADE: Final = ("created", "replaced", "unchanged")


def print_warnings(screen: Screen, lake: Lake, outcome: Outcome) -> None:
    """One block a check that failed and blocks nothing; partitions that it failed for are named together."""
    for judged in outcome.source_checks:
        for verdict in _failed(judged.to_json(), "warn"):
            _print(screen, f"{judged.of}: check `{verdict['name']}` failed; used all the same", [("", verdict)])
    groups: dict[tuple[str, str], list[tuple[str, Mapping[str, Any]]]] = {}
    for result in outcome.results:
        if result.result in _MADE:
            for verdict in _own(result, "warn"):
                groups.setdefault((result.asset, verdict["name"]), []).append((result.key, verdict))
    for (asset, name), found in groups.items():
        span = span_of(lake, asset, [key for key, _ in found])
        label = [(f"{key}: " if len(found) > 1 else "", verdict) for key, verdict in found]
        _print(screen, f"{asset} {span}: check `{name}` failed; published all the same", label)


def span_of(lake: Lake, asset: str, keys: Sequence[str]) -> str:
    """Some keys as a person would write them; how many, where that is long."""
    span = describe(keys, lake.graph.asset(asset).partitions)
    return span if len(span) <= _LONG else plural(len(keys), "partition")


def _print(screen: Screen, headline: str, verdicts: Sequence[tuple[str, Mapping[str, Any]]]) -> None:
    screen.note(f"{screen.paint('warning[check-failed]:', 'yellow', bold=True, to='err')} {headline}")
    if len({str(verdict) for _, verdict in verdicts}) == 1:  # what is said of one is said of all
        verdicts = [("", verdicts[0][1])]
    lines = [line for label, verdict in verdicts[:_FEW] for line in _facts(screen, label, verdict)]
    for line in [*lines, *_more(len(verdicts))]:
        screen.note(f"  {line}")


def blocked_lines(
    screen: Screen, lake: Lake, failed: Sequence[Materialization], raised: Sequence[str] | None
) -> list[str]:
    """What is said below the error of partitions that the same checks refused: facts, rows, and what is kept.

    Args:
        screen: for which it is.
        lake: whose.
        failed: the results, with the same error.
        raised: the lines of the user's code that are at fault; None: the rows are.
    """
    if raised is not None:
        return [*raised, *_kept(lake, failed)]
    lines: list[str] = []
    for result in failed[:_FEW]:
        broken = _own(result, "error")
        for verdict in broken:
            label = f"{result.key}: " if len(failed) > 1 else ""
            lines += _facts(screen, f"{label}`{verdict['name']}`: " if len(broken) > 1 else label, verdict)
    return [*lines, *_more(len(failed)), *_kept(lake, failed)]


def source_lines(screen: Screen, outcome: Outcome, context: Mapping[str, Any]) -> list[str]:
    """What is said below the error of a source: facts and rows of the checks that refused it."""
    lines: list[str] = []
    for judged in outcome.source_checks:
        if (judged.name, judged.key) == (context.get("source"), context.get("key", "")):
            broken = _failed(judged.to_json(), "error")
            for verdict in broken:
                lines += _facts(screen, f"`{verdict['name']}`: " if len(broken) > 1 else "", verdict)
    return lines


def _own(result: Materialization, severity: str) -> list[Mapping[str, Any]]:
    """The failed checks of the partition itself, not those of a source."""
    return [verdict for verdict in _failed(result.checks, severity) if "source" not in verdict]


def _failed(verdicts: Iterable[Mapping[str, Any]], severity: str) -> list[Mapping[str, Any]]:
    return [verdict for verdict in verdicts if not verdict["passed"] and verdict["severity"] == severity]


def _facts(screen: Screen, label: str, verdict: Mapping[str, Any]) -> list[str]:
    metadata = verdict["metadata"]
    lines = [f"{label}{verdict['message']}"]
    rows = metadata.get("rows") if isinstance(metadata, Mapping) else None
    if isinstance(rows, list) and rows and all(isinstance(row, Mapping) for row in rows):
        lines += _table(screen, rows)
        if isinstance(failing := metadata.get("failing"), int) and failing > len(rows):
            lines.append(f"  … {plural(failing - len(rows), 'more row')}")
    return lines


def _table(screen: Screen, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The rows as aligned columns, as far as they fit."""
    names = list(rows[0])
    cells = [[cell(row.get(name)) for name in names] for row in rows]
    right = [all(_is_number(row.get(name)) for row in rows) for name in names]
    return align([[cell(name) for name in names], *cells], right=right, width=screen.width - 2)


def _is_number(value: object) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _more(count: int) -> list[str]:
    return [f"and {plural(count - _FEW, 'more partition')}"] if count > _FEW else []


def _kept(lake: Lake, failed: Sequence[Materialization]) -> list[str]:
    """Where the staged files are: one folder, or that of all of them."""
    if len(failed) > 1:
        return [f"the staged files are kept: {_shown(lake, layout.blocked_folder(failed[0].asset))}"]
    staged = (failed[0].error or {}).get("context", {}).get("staged")
    return [f"the staged file is kept: {_shown(lake, str(Path(staged).parent))}"] if staged else []


def _shown(lake: Lake, path: str) -> str:
    whole = lake.root / path
    return os.path.relpath(whole) if whole.is_relative_to(Path.cwd()) else str(whole)
