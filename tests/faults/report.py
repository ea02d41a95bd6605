"""The page "How lakehouse is tested": what the cells of a full run came to, the same text for the same cells.

Knows how the figures stand on the page. Knows nothing of how they came about.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from faults.calls import FAULTS
from faults.care import CARE
from faults.compared import WRITERS
from faults.mutants import MUTANTS
from faults.promises import PROMISES
from faults.scenarios import SCENARIOS

if TYPE_CHECKING:
    from faults.results import Cell

__all__ = ["LAYERS", "figures", "headline", "page"]

LAYERS: Final = {
    "L0": "order of calls: a command under `strace`; nothing is relied on before it is on disk",
    "L1": "nth call fails: each call that changes a file is the last one of its process, or is refused",
    "two writers": "a writer is stopped before each of its calls, another runs to its end, the first goes on",
    "L2": "power cut: before each call and after success, on real file systems",
    "L3": "real limits: full, no inodes, quota, read-only, other users, too few descriptors",
    "L4": "storm: writers killed at random, readers beside them",
    "L5": "inputs: damaged and hostile files, keys and names",
}
_ALL: Final = {**SCENARIOS, **CARE}
_SUBJECT: Final = "lakehouse"
_FILE_SYSTEM: Final = re.compile(r"([^:]+)(?::|$)")
_PROMISES: Final = {
    "R1": "half a partition, or none",
    "R2": "acknowledged, not on disk",
    "R3": "failed, and changed",
    "R4": "the same again does not mend it",
    "R5": "old rows stay",
    "R6": "others touched",
}
_OUTLINE: Final = Path(__file__).with_name("outline.md")


def _of_the_lake(cells: Iterable[Cell]) -> list[Cell]:
    return [cell for cell in cells if cell.subject == _SUBJECT and cell.layer in LAYERS]


def _unique(cells: Iterable[Cell]) -> list[Cell]:
    """Each cell once, in order; one that ran several times as it came out worst."""
    worst = ("violated", "passed", "skipped")
    found: dict[tuple[str, ...], Cell] = {}
    for cell in sorted(cells, key=lambda cell: (_order(cell), worst.index(cell.verdict), cell.note)):
        found.setdefault(_order(cell), cell)
    return list(found.values())


def figures(cells: Iterable[Cell]) -> dict[str, int]:
    """The headline's figures."""
    unique = _unique(cells)
    own = _of_the_lake(unique)
    verdicts = Counter(cell.verdict for cell in own)
    killed = _killed(unique)
    return {
        "cells": len(own) - verdicts["skipped"],
        "skipped": verdicts["skipped"],
        "violated": verdicts["violated"],
        "mounts": len(_mounts(own)),
        "mutants": len(MUTANTS),
        "killed": sum(all(layer in killed.get(name, {}) for layer in MUTANTS[name].dies_by) for name in MUTANTS),
    }


def headline(cells: Iterable[Cell]) -> str:
    """The one line that the README shows."""
    lake = "{cells:,} cells, {violated} violated, {skipped} skipped; {mounts} file systems and mounts"
    return f"{lake}; {{killed}} of {{mutants}} mutants killed".format(**figures(cells))


def page(cells: Iterable[Cell], facts: Mapping[str, Any]) -> str:
    """The page as a whole."""
    unique = _unique(cells)
    own = _of_the_lake(unique)
    return _OUTLINE.read_text(encoding="utf-8").format(
        headline=headline(unique),
        run=_table(("", ""), [(name, str(value)) for name, value in facts.get("run", {}).items()]),
        layers=_table(("layer", "what is done", "cells", "violated", "skipped"), _layers(own)),
        scenarios="; ".join(f"*{name}*, {item.about}" for name, item in _ALL.items()),
        calls=_table(("fault", *_ALL), _calls(own)),
        mounts=_table(("file system or mount", "fault", "cells", "violated", "skipped"), _by_mount(own)),
        skipped=_skipped(own),
        readers=_readers(facts),
        mutants=_table(("mutant", "noticed by"), _mutants(unique)),
        compared=_table(("writer", "cells", "broken", *_PROMISES.values()), _compared(unique)),
        promises=_table(("", "promise", "tests"), _promises()),
    )


def _order(cell: Cell) -> tuple[str, ...]:
    return (cell.layer, cell.subject, cell.scenario, cell.fault, cell.where)


def _table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _tallied(cells: Iterable[Cell]) -> tuple[int, int, int]:
    verdicts = Counter(cell.verdict for cell in cells)
    return verdicts["passed"] + verdicts["violated"], verdicts["violated"], verdicts["skipped"]


def _layers(cells: Sequence[Cell]) -> Iterator[Sequence[object]]:
    for layer, what in LAYERS.items():
        yield layer, what, *_tallied(cell for cell in cells if cell.layer == layer)


def _calls(cells: Sequence[Cell]) -> Iterator[Sequence[object]]:
    for fault in FAULTS:
        of_fault = [cell for cell in cells if cell.layer == "L1" and cell.fault == fault]
        counts = [_tallied(cell for cell in of_fault if cell.scenario == name) for name in _ALL]
        yield fault, *(f"{run}" if not violated else f"{run}, **{violated} violated**" for run, violated, _ in counts)


def _mount(cell: Cell) -> str:
    match = _FILE_SYSTEM.match(cell.where)
    return match[1].strip() if match else ""


def _mounts(cells: Iterable[Cell]) -> list[str]:
    return sorted({_mount(cell) for cell in cells if cell.layer in ("L2", "L3") and cell.verdict != "skipped"} - {""})


def _by_mount(cells: Sequence[Cell]) -> Iterator[Sequence[object]]:
    on = [cell for cell in cells if cell.layer in ("L2", "L3")]
    for mount, fault in sorted({(_mount(cell), cell.fault) for cell in on}):
        yield mount, fault, *_tallied(cell for cell in on if (_mount(cell), cell.fault) == (mount, fault))


def _skipped(cells: Sequence[Cell]) -> str:
    reasons = Counter((cell.layer, cell.note) for cell in cells if cell.verdict == "skipped")
    if not reasons:
        return ""
    rows = [(layer, count, reason) for (layer, reason), count in sorted(reasons.items())]
    return f"## Skipped\n\n{_table(('layer', 'cells', 'why'), rows)}\n\n"


def _readers(facts: Mapping[str, Any]) -> str:
    texts = []
    if (found := facts.get("readers")) is not None:
        texts.append(
            f"Beside writers that changed the content without pause, {found['seconds']} s, "
            f"{found['commits']} commits. Plain readers open a file more than once in a query; when it is replaced "
            "in between, some notice:"
        )
        texts.append(_table(("reader", "reads", "errors", "torn", "two commits at once"), _reads(found["readers"])))
    if (found := facts.get("storm")) is not None:
        ended = ", ".join(f"{count} by {way}" for way, count in sorted(found["sent"].items()) if way != "left alone")
        texts.append(
            f"Beside writers that were killed at random, {found['seconds']} s, {found['commits']} commits ({ended}):"
        )
        texts.append(_table(("reader", "reads", "errors", "torn", "two commits at once"), _reads(found["readers"])))
    return "\n\n".join(texts)


def _reads(readers: Mapping[str, Mapping[str, int]]) -> Iterator[Sequence[object]]:
    for name, found in readers.items():
        yield name, f"{found['reads']:,}", found["errors"], found["torn"], found["mixed"]


def _killed(cells: Iterable[Cell]) -> dict[str, dict[str, str]]:
    """By mutant and layer, what it died of."""
    killed: dict[str, dict[str, str]] = {}
    for cell in cells:
        if cell.layer == "mutants" and cell.verdict == "passed":
            killed.setdefault(cell.subject, {})[cell.where] = cell.note
        elif cell.layer in LAYERS and cell.subject in MUTANTS and cell.verdict == "violated":
            killed.setdefault(cell.subject, {}).setdefault(cell.layer, cell.note)
    return killed


def _mutants(cells: Sequence[Cell]) -> Iterator[Sequence[object]]:
    killed = _killed(cells)
    for name, mutant in MUTANTS.items():
        layers = [layer for layer in LAYERS if layer in killed.get(name, {})]
        missed = [f"**not by {layer}**" for layer in mutant.dies_by if layer not in layers]
        yield name, ", ".join([*layers, *missed])


def _compared(cells: Sequence[Cell]) -> Iterator[Sequence[object]]:
    for writer in WRITERS:
        own = [cell for cell in cells if cell.layer == "compared" and cell.subject == writer]
        run, broken, _ = _tallied(own)
        yield writer, run, broken, *(sum(f"{promise}:" in cell.note for cell in own) for promise in _PROMISES)


def _promises() -> Iterator[Sequence[object]]:
    for promise in PROMISES.values():
        names = (f"`{test.rpartition('::')[2]}`" for test in promise.tests)
        yield promise.number, promise.text, "<br>".join(names)
