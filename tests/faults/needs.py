"""What the tests need of the machine: elsewhere its lack skips a test, and is counted; in CI it fails one."""

from __future__ import annotations

import os

import pytest
from faults.results import Cell, note

__all__ = ["need"]


def need(is_there: bool, layer: str, reason: str) -> None:  # noqa: FBT001  what is asked
    """Go on, if it is there."""
    if is_there:
        return
    if os.environ.get("CI"):
        pytest.fail(reason)
    note(Cell(layer=layer, scenario="all", fault="all", where="this machine", verdict="skipped", note=reason))
    pytest.skip(reason)
