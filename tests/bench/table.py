"""The figures as Markdown tables, with the conditions under which they came.

``python tests/bench/table.py results.json``
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

__all__ = ["MEASURES", "page"]

Figures = Sequence[dict[str, float]]


def page(results: dict[str, Any]) -> str:
    """Conditions, then a table a case."""
    return "\n\n".join([_conditions(results["conditions"]), *(_table(case) for case in results["cases"])])


def _conditions(found: dict[str, Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in found["versions"].items())
    return (
        f"{found['date']}: {found['cores']} cores ({found['processor'] or found['machine']}),"
        f" {found['memory_bytes'] / 2**30:.0f} GiB, {found['system']}, {found['file_system']},"
        f" Python {found['python']}, {versions}; {found['rows']:,} orders; load {found['load']:.1f} at the start."
        " Whole processes, medians of interleaved runs; ratios are medians of the pairs. `peak` is the most memory"
        " resident at once, pages of mapped files among it; `written` is what was there afterwards."
    )


def _seconds(value: float) -> str:
    if abs(value) < 0.1:
        return f"{value * 1e3:.1f} ms"
    return f"{value:.2f} s" if abs(value) < 10 else f"{value:.1f} s"


def _bytes(value: float) -> str:
    return f"{value / 1e6:,.0f} MB" if value >= 1e7 else f"{value / 1e3:,.0f} kB"


MEASURES: Final[dict[str, tuple[str, Callable[[float], str]]]] = {
    "wall": ("wall", _seconds),
    "cpu": ("CPU", _seconds),
    "peak_bytes": ("peak", _bytes),
    "out_bytes": ("written", _bytes),
    "read_bytes": ("read", _bytes),
    "groups": ("row groups in range", lambda value: f"{value:.0f}"),
}
_COMPARED: Final = {"wall": "wall", "cpu": "CPU", "read_bytes": "read"}


def _table(case: dict[str, Any]) -> str:
    """One row a contender; columns of what was measured."""
    contenders = case["contenders"]
    measured = [name for name in MEASURES if any(name in figure for one in contenders for figure in one["figures"])]
    by_name = {one["name"]: one["figures"] for one in contenders}
    columns: list[tuple[str, Callable[[dict[str, Any]], str]]] = [("", _name)]
    columns += [(MEASURES[name][0], partial(_median, name)) for name in measured]
    compared, sign = (_differences, "saved") if case["shows_difference"] else (_ratios, "×")
    columns += [
        (f"{_COMPARED[name]} {sign}", partial(compared, name, by_name)) for name in measured if name in _COMPARED
    ]
    if len({one["floor"] for one in contenders}) > 1:
        columns.append(("beside", lambda one: one["floor"]))
    if any(one["units"] for one in contenders):
        columns.append(("CPU a further partition", partial(_per_unit, {one["name"]: one for one in contenders})))
    columns.append(("runs", lambda one: str(len(one["figures"]))))
    head, line = [head for head, _ in columns], ["---"] * len(columns)
    rows = [
        [cell(one) for _, cell in columns] if one["figures"] else _failed(one, len(columns)) for one in contenders
    ]
    return "\n".join([f"**{case['title']}**", "", *("| " + " | ".join(row) + " |" for row in (head, line, *rows))])


def _name(one: dict[str, Any]) -> str:
    return one["name"] + (" (**other rows**)" if one["same_rows"] is False else "")


def _failed(one: dict[str, Any], width: int) -> list[str]:
    """The cells of one that failed: its last words."""
    last = (one["failed"] or "").strip().rpartition("\n")[2][:80].replace("|", "/")
    return [one["name"], f"failed: {last}", *[""] * (width - 2)]


def _median(name: str, one: dict[str, Any]) -> str:
    found = [figure[name] for figure in one["figures"] if name in figure]
    return MEASURES[name][1](statistics.median(found)) if found else ""


def _ratios(name: str, by_name: dict[str, Figures], one: dict[str, Any]) -> str:
    pairs = zip(one["figures"], by_name[one["floor"]], strict=False)
    found = [mine[name] / base[name] for mine, base in pairs if base[name]]
    return f"{statistics.median(found):.2f}" if found else ""


def _differences(name: str, by_name: dict[str, Figures], one: dict[str, Any]) -> str:
    pairs = zip(one["figures"], by_name[one["floor"]], strict=False)
    found = [base[name] - mine[name] for mine, base in pairs]
    return _seconds(statistics.median(found)) if found else ""


def _per_unit(floors: dict[str, dict[str, Any]], one: dict[str, Any]) -> str:
    """What each partition costs that the smallest lake does not have: all the same, if the cost is on a line."""
    floor = floors[one["floor"]]
    if not one["figures"] or not floor["figures"] or one["units"] == floor["units"]:
        return ""
    cpu, base = (statistics.median(figure["cpu"] for figure in of["figures"]) for of in (one, floor))
    return f"{(cpu - base) / (one['units'] - floor['units']) * 1e6:,.0f} µs"


def main() -> None:
    """Print the page of a file of figures."""
    if len(sys.argv) != 2:
        sys.exit("usage: python tests/bench/table.py results.json")
    print(page(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))))


if __name__ == "__main__":
    main()
