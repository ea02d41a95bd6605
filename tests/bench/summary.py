"""The figures that the README shows, in one table: a row a job and measure, a column a contender.

``python tests/bench/summary.py results.json``
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from jobs import PEERS
from setting import FLOOR, LAKE
from table import MEASURES

__all__ = ["summary"]

_ROWS: Final = [
    ("a unsorted", "wall", "one month, unsorted Parquet"),
    ("a by_date", "wall", "one month, Parquet sorted by date"),
    ("b unsorted", "wall", "60 months in one pass"),
    ("b unsorted", "cpu", "the same, CPU"),
    ("c", "wall", "60 months in one pass, CSV"),
    ("c", "cpu", "the same, CPU"),
    ("d unsorted", "wall", "all rows into 60 partitions"),
    ("d unsorted", "cpu", "the same, CPU"),
    ("d unsorted", "peak_bytes", "the same, peak memory"),
    ("e", "peak_bytes", "100 million rows, peak memory"),
]
AGAIN: Final = f"{LAKE}, made again (--force)"
_COLUMNS: Final = [FLOOR, LAKE, *PEERS.values()]


def summary(results: dict[str, Any]) -> str:
    """A Markdown table of those rows that were measured."""
    cases = {case["key"]: case for case in results["cases"]}
    lines = ["| | " + " | ".join([FLOOR, LAKE, "×", "again ×", *PEERS]) + " |", "|" + "---|" * (len(_COLUMNS) + 3)]
    for key, measure, title in _ROWS:
        if key in cases:
            lines.append("| " + " | ".join([title, *_cells(cases[key], measure)]) + " |")
    return "\n".join(lines)


def _cells(case: dict[str, Any], measure: str) -> list[str]:
    """Medians; beside the lake's own, the medians of its ratios to the floor, of a first run and of one by force."""
    figures = {one["name"]: [figure[measure] for figure in one["figures"]] for one in case["contenders"]}
    shown: Callable[[float], str] = MEASURES[measure][1]
    cells = [shown(statistics.median(figures[name])) if figures.get(name) else "" for name in _COLUMNS]
    return [*cells[:2], *(_ratio(figures, name) for name in (LAKE, AGAIN)), *cells[2:]]


def _ratio(figures: dict[str, list[float]], name: str) -> str:
    """How much more than the floor somebody took; empty where it was not measured."""
    pairs = [mine / base for mine, base in zip(figures.get(name, ()), figures[FLOOR], strict=False)]
    return f"{statistics.median(pairs):.2f}" if pairs else ""


def main() -> None:
    """Print the table of a file of figures."""
    if len(sys.argv) != 2:
        sys.exit("usage: python tests/bench/summary.py results.json")
    print(summary(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
