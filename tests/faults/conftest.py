"""What the tests of all layers share: the processes that cells are forked from, and each scenario's lake."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from faults import results
from faults.calls import Call, build_shim
from faults.needs import need
from faults.warm import Warm


@pytest.fixture(autouse=True, scope="session")
def collected(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The file of this session's cells."""
    with pytest.MonkeyPatch.context() as patch:
        if results.VARIABLE not in os.environ:
            patch.setenv(results.VARIABLE, str(tmp_path_factory.mktemp("cells") / "cells.jsonl"))
        yield Path(os.environ[results.VARIABLE])


@pytest.fixture(scope="session")
def warm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Warm]:
    """Processes with the engines imported and the shim loaded."""
    need(shutil.which("gcc") is not None, "L1", "there is no gcc to build the shim")
    shim = build_shim(tmp_path_factory.mktemp("shim"))
    with Warm(environment={"LD_PRELOAD": str(shim)}) as processes:
        yield processes


@dataclass(frozen=True)
class Prepared:
    """A scenario's lake, of which cells take copies.

    Attributes:
        folder: `base` in it is the place.
        before: the look of it, for the judge.
        calls: those of its command where nothing fails.
    """

    folder: Path
    before: dict[str, Any]
    calls: list[Call]


@pytest.fixture(scope="session")
def prepared(warm: Warm, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Prepared]:
    """Gives each scenario's lake, made once."""
    made: dict[str, Prepared] = {}

    def of(name: str) -> Prepared:
        if name not in made:
            folder = tmp_path_factory.mktemp(name.replace(" ", "-"))
            found = warm.call("faults.calls:prepare", str(folder), name)
            made[name] = Prepared(folder, found["before"], [Call(*call) for call in found["calls"]])
        return made[name]

    return of
