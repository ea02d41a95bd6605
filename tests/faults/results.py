"""What the cells of a session came to: one line of JSON each, in a file that every process may add to.

Knows cells. Knows nothing of pages.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

__all__ = ["Cell", "Verdict", "cells", "file", "note", "note_fact"]

Verdict = Literal["passed", "skipped", "violated"]
VARIABLE = "LAKE_FAULT_CELLS"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One fault at one place of one scenario.

    Attributes:
        layer: ``L0`` to ``L5``, ``mutants``, ``compared``.
        scenario: what was done.
        fault: what went wrong.
        where: at which call, on which file system.
        verdict: what came of it.
        note: what was violated, or why it was skipped.
        subject: who was made to fail; a mutant or another writer has its own name.
    """

    layer: str
    scenario: str
    fault: str
    where: str
    verdict: Verdict
    note: str = ""
    subject: str = "lakehouse"

    @classmethod
    def judged(cls, violations: Iterable[str], **facts: Any) -> Cell:
        """A cell that ran, from what the oracle found."""
        note = "; ".join(violations)
        return cls(verdict="violated" if note else "passed", note=note, **facts)


def file() -> Path | None:
    """Where cells are collected; None where nobody wants them."""
    return Path(named) if (named := os.environ.get(VARIABLE)) else None


def _add(content: dict[str, Any]) -> None:
    if (path := file()) is not None:
        line = json.dumps(content, ensure_ascii=False) + "\n"
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        try:
            os.write(descriptor, line.encode())  # one call, so that processes do not mix their lines
        finally:
            os.close(descriptor)


def note(cell: Cell) -> Cell:
    """Add a cell to the session's."""
    _add({"cell": asdict(cell)})
    return cell


def note_fact(name: str, value: Any) -> None:
    """Add a figure of another kind, by name: the seconds of a layer, the reads of a storm."""
    _add({"fact": name, "value": value})


def cells(path: Path) -> tuple[list[Cell], dict[str, Any]]:
    """The cells of a session, and the last of each other figure."""
    found, facts = [], {}
    for line in path.read_text(encoding="utf-8").splitlines():
        content = json.loads(line)
        if "cell" in content:
            found.append(Cell(**content["cell"]))
        else:
            facts[content["fact"]] = content["value"]
    return found, facts
