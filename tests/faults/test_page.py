"""The page of the figures: well-formed, without a violation, and naming only tests that there are."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from faults.compared import WRITERS
from faults.mutants import MUTANTS
from faults.promises import PROMISES
from faults.report import LAYERS, figures, headline, page
from faults.results import Cell

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs/how-it-is-tested.md"
_HEADLINE = re.compile(
    r"\*\*([\d,]+) cells, (\d+) violated, (\d+) skipped; (\d+) file systems and mounts; "
    r"(\d+) of (\d+) mutants killed\*\*"
)
_PASSED = {"verdict": "passed", "fault": "KILL", "scenario": "replace"}


def rows(text: str, title: str) -> list[list[str]]:
    """The cells of the table under a title, without its head."""
    section = text.partition(f"## {title}\n")[2].partition("\n## ")[0]
    lines = [line for line in section.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]] for line in lines[2:]]


def test_the_page_tells_of_enough_cells_and_of_no_violation() -> None:
    found = _HEADLINE.search(PAGE.read_text(encoding="utf-8"))
    assert found is not None
    cells, violated, _, mounts, killed, mutants = (int(text.replace(",", "")) for text in found.groups())
    assert cells >= 500
    assert violated == 0
    assert mounts >= 4
    assert killed == mutants == len(MUTANTS) >= 12


def test_the_page_has_each_layer_mutant_writer_and_promise() -> None:
    text = PAGE.read_text(encoding="utf-8")
    layers = rows(text, "Layers")
    assert [row[0] for row in layers] == list(LAYERS)
    assert all(int(row[2].replace(",", "")) > 0 and row[3] == "0" for row in layers)
    assert [row[0] for row in rows(text, "The tests are tested")] == list(MUTANTS)
    compared = {row[0]: row[2] for row in rows(text, "Other writers, by the same harness")}
    assert list(compared) == list(WRITERS)
    assert compared["lakehouse"] == "0"
    assert [row[0] for row in rows(text, "What is promised, and what shows it")] == list(PROMISES)


@pytest.mark.parametrize("promise", PROMISES)
def test_what_is_said_to_show_a_promise_is_a_test(promise: str) -> None:
    assert PROMISES[promise].tests
    for name in PROMISES[promise].tests:
        file, _, function = name.partition("::")
        tree = ast.parse((TESTS / file).read_text(encoding="utf-8"))
        assert function in [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)], name


def test_the_same_cells_give_the_same_page_in_whichever_order_they_came() -> None:
    cells = [
        Cell(layer="L1", where="01 open x", **_PASSED),
        Cell(layer="L2", where="ext4: before call 1", **_PASSED),
        Cell(layer="L2", where="xfs: before call 1", **_PASSED),
        Cell(layer="L3", where="tmpfs", verdict="skipped", fault="full", scenario="create", note="no root"),
        Cell(layer="mutants", where="L0", subject="no ancestor fsync", verdict="passed", fault="", scenario=""),
    ]
    text = page(cells, {"run": {"date": "2026-11-22"}})
    assert text == page([*reversed(cells), cells[0]], {"run": {"date": "2026-11-22"}})
    assert f"**{headline(cells)}**" in text
    assert _HEADLINE.search(text)
    assert figures(cells) == {
        "cells": 3,
        "skipped": 1,
        "violated": 0,
        "mounts": 2,
        "mutants": len(MUTANTS),
        "killed": 1,
    }


def test_a_cell_that_is_violated_once_counts_as_violated() -> None:
    passed = Cell(layer="L1", where="01 open x", **_PASSED)
    violated = Cell.judged(["whole: gone"], layer="L1", where="01 open x", fault="KILL", scenario="replace")
    text = page([passed, violated], {})
    assert "**1 cells, 1 violated, 0 skipped" in text
    assert "1, **1 violated**" in text


def test_a_mutant_that_a_layer_lets_pass_is_told() -> None:
    facts = {"layer": "mutants", "where": "L0", "subject": "no ancestor fsync", "fault": "", "scenario": ""}
    survives = Cell(**facts, verdict="violated")
    assert ["no ancestor fsync", "**not by L0**"] in rows(page([survives], {}), "The tests are tested")
