"""The page of the readers says what the tests hold them against, and names each of them with its version."""

from __future__ import annotations

from pathlib import Path

from interop.page import page, versions_of
from interop.readers import READERS

PAGE = Path(__file__).parents[2] / "docs/readers.md"


def test_the_page_is_what_the_outcomes_say() -> None:
    """With the versions that it was written with: what counts is what the readers of now do."""
    text = PAGE.read_text(encoding="utf-8")
    assert text == page(versions_of(text)), "python tests/interop/matrix.py writes it"


def test_the_page_names_the_version_of_every_reader() -> None:
    named = versions_of(PAGE.read_text(encoding="utf-8"))
    assert named.keys() == {entry.distribution for entry in READERS.values()}
