"""What each reader is expected to do, from `outcomes.toml`.

Knows which lines there may be. Refuses to run a reader.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from interop.cases import CASES, Cells
from interop.readers import READERS

if TYPE_CHECKING:
    from interop.tables import Form

__all__ = ["expected", "unknown"]

_FILE: Final = Path(__file__).with_name("outcomes.toml")


@cache
def _all() -> Mapping[str, Any]:
    return tomllib.loads(_FILE.read_text(encoding="utf-8"))


def expected(reader: str, form: Form, case: str) -> Cells:
    """Every cell of a case: the best answer, where nothing else is said."""
    best = CASES[case].best
    said = _all().get(reader, {}).get(case, {})
    told = dict.fromkeys(best, said) if isinstance(said, str) else said
    return {label: _of_form(told.get(label, answer), form, answer) for label, answer in best.items()}


def _of_form(said: Any, form: Form, best: str) -> str:
    return str(said.get(form, best) if isinstance(said, dict) else said)


def unknown() -> list[str]:
    """Lines about readers, cases, cells or forms that there are not."""
    lines = []
    for reader, cases in _all().items():
        for case, cells in cases.items():
            labels = CASES[case].best if case in CASES else {}
            if reader not in READERS or not labels:
                lines.append(f"{reader}.{case}")
            elif isinstance(cells, dict):
                lines += [f"{reader}.{case}.{label}" for label in cells if label not in labels]
                forms = {form for told in cells.values() if isinstance(told, dict) for form in told}
                lines += [f"{reader}.{case}: {form}" for form in sorted(forms.difference(READERS[reader].forms))]
    return lines
