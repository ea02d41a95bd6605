"""What the tests of all readers share: the lakes, each reader once, and the matrix of what came of it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping

import pytest
from interop.cases import CASES, Cells
from interop.lakes import make
from interop.page import summary
from interop.readers import READERS, lacks
from interop.tables import Form, Reader, Table

_FOUND = pytest.StashKey[dict[tuple[str, Form, str], Cells]]()


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, Table]]:
    """The lakes; no reader may leave anything in them."""
    root = tmp_path_factory.mktemp("interop")
    made = make(root)
    before = sorted(root.rglob("*"))
    yield made
    assert sorted(root.rglob("*")) == before


@pytest.fixture(scope="session")
def reader_of(tables: Mapping[str, Table]) -> Iterator[Callable[[str], Reader]]:  # noqa: ARG001  they outlive the readers
    """Gives each reader, made once; skips where it cannot be had, and in CI fails."""
    made: dict[str, Reader] = {}

    def of(name: str) -> Reader:
        if name not in made:
            if reason := lacks(READERS[name].needs):
                (pytest.fail if os.environ.get("CI") else pytest.skip)(reason)
            made[name] = READERS[name].make()
        return made[name]

    yield of
    for reader in made.values():
        reader.close()


@pytest.fixture
def found(request: pytest.FixtureRequest) -> dict[tuple[str, Form, str], Cells]:
    """The cells of this session, by reader, form and case."""
    return request.config.stash.setdefault(_FOUND, {})


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    if cells := config.stash.get(_FOUND, {}):
        terminalreporter.section("readers: cells that are as they should be")
        for line in summary(cells, CASES):
            terminalreporter.write_line(line)
