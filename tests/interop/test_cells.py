"""Every reader over every lake: what comes of it is what `outcomes.toml` says, cell by cell."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import pytest
from interop.cases import CASES, Cells
from interop.outcomes import expected, unknown
from interop.readers import READERS

if TYPE_CHECKING:
    from interop.tables import Form, Reader, Table

EACH = [(name, form) for name, entry in READERS.items() for form in entry.forms]


@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize(("name", "form"), EACH, ids=[f"{name}-{form}" for name, form in EACH])
def test_a_reader_gives_what_is_said_of_it(
    name: str,
    form: Form,
    case: str,
    reader_of: Callable[[str], Reader],
    tables: Mapping[str, Table],
    found: dict[tuple[str, Form, str], Cells],
) -> None:
    cells = CASES[case].run(reader_of(name), form, tables)
    found[name, form, case] = cells
    assert cells == expected(name, form, case)


def test_nothing_is_said_of_what_is_not_asked() -> None:
    assert unknown() == []
