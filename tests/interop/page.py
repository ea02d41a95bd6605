"""The page "Which reader reads it how", and the matrix that the tests print: the same text for the same outcomes.

Knows how outcomes stand in tables. Refuses to run a reader.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

from interop.cases import CASES, TYPED, Case, Cells
from interop.columns import NAMES, REFUSED, WRITTEN
from interop.judging import WORKS
from interop.keys import HARD
from interop.keys import REFUSED as REFUSED_KEYS
from interop.outcomes import expected
from interop.readers import READERS
from interop.verdicts import is_as_it_should_be, verdict

if TYPE_CHECKING:
    from interop.tables import Form

__all__ = ["installed", "page", "summary", "versions_of"]

_OUTLINE: Final = Path(__file__).with_name("outline.md")
_FORMS: Final[Mapping[Form, str]] = {"folder": "folder", "glob": "pattern", "snapshot": "snapshot"}
_WORDS: Final = {"yes": "yes", "refused": "refused", "error": "error", "wrong": "**wrong**"}
_VERSION: Final = re.compile(r"^\| ([\w-]+) \| (\d[\w.]*) \|$", re.MULTILINE)
_COUNTED: Final = re.compile(r"(\d+ of \d+)(?=; |$)")


def installed() -> dict[str, str]:
    """The versions of all readers that are here, by distribution."""
    return {name: version(name) for name in dict.fromkeys(entry.distribution for entry in READERS.values())}


def versions_of(text: str) -> dict[str, str]:
    """Those that a page names."""
    return dict(_VERSION.findall(text))


def summary(found: Mapping[tuple[str, Form, str], Cells], cases: Mapping[str, Case]) -> Iterator[str]:
    """A line a reader and form, and in it each case: how many of its cells are as they should be."""
    width = max(len(name) for name in READERS)
    yield " ".join([" " * (width + 9), *cases])
    for name, entry in READERS.items():
        for form in entry.forms:
            counts = [_counted(found.get((name, form, case)), cases[case], len(case)) for case in cases]
            yield " ".join([f"{name:{width}} {_FORMS[form]:8}", *counts])


def _counted(cells: Cells | None, case: Case, width: int) -> str:
    if cells is None:
        return f"{'-':>{width}}"
    good = sum(is_as_it_should_be(outcome, case.best[label]) for label, outcome in cells.items())
    return f"{f'{good}/{len(cells)}':>{width}}"


def page(versions: Mapping[str, str]) -> str:
    """The page as a whole."""
    return _OUTLINE.read_text(encoding="utf-8").format(
        versions=_table(("distribution", "version"), [*versions.items()]),
        glance=_table(("", *CASES), [(name, *(_at_a_glance(name, case) for case in CASES)) for name in READERS]),
        hard=", ".join(f"`` {_visible(value)} ``" for value in HARD),
        names=", ".join(f"`` {name} ``" for name in NAMES),
        refused_keys=_table(
            ("value", "why"),
            [(f"`{_visible(value)}`" if value else "no letter at all", why) for value, why in REFUSED_KEYS.items()],
        ),
        refused_types=_table(
            ("type", "what the refusal says to write"),
            [(name, f"`pl.col(…){cure}`") for name, (_, cure) in REFUSED.items()],
        ),
        **{case.replace(" ", "_").replace(",", ""): _section(case) for case in CASES},
    )


def _visible(value: str) -> str:
    """A value with what cannot be seen as Python writes it, and no longer than it need be."""
    text = value if value.isprintable() else ascii(value)[1:-1]
    return f"{text[:8]}… ({len(value)} letters)" if len(text) > 40 else text


def _at_a_glance(name: str, case: str) -> str:
    """All cells of a case in one: *yes*, or how many are what else, each by the worse of its forms."""
    worst = ("wrong", "error", "refused", "yes")
    kinds = Counter(
        min((verdict(expected(name, form, case)[label], best) for form in READERS[name].forms), key=worst.index)
        for label, best in CASES[case].best.items()
    )
    total = sum(kinds.values())
    if kinds["yes"] == total:
        return WORKS
    told = [_WORDS[word] if total == 1 else f"{kinds[word]} {_WORDS[word]}" for word in worst[:-1] if kinds[word]]
    return ", ".join([*told, *([f"{kinds['yes']} yes"] if kinds["yes"] else [])])


def _section(case: str) -> str:
    """The table of a case, a column a reader, and under it what was said in the cells' stead."""
    notes: dict[str, int] = {}
    rows = [
        (_label(case, label), *(_cell(name, case, label, notes) for name in READERS)) for label in CASES[case].best
    ]
    listed = [f"{number}. {_quoted(text)}" for text, number in notes.items()]
    return "\n".join([_table(("", *READERS), rows), *(["", *listed] if listed else [])])


def _label(case: str, label: str) -> str:
    if case != "types" or label not in WRITTEN:
        return label
    column = WRITTEN[label]
    return column.label if column.stored is None else f"{column.label}, written as {column.stored_label}"


def _cell(name: str, case: str, label: str, notes: dict[str, int]) -> str:
    best = CASES[case].best[label]
    shown: dict[str, list[str]] = {}
    for form in READERS[name].forms:
        shown.setdefault(_word(expected(name, form, case)[label], best, notes), []).append(_FORMS[form])
    if len(shown) == 1:
        return next(iter(shown))
    return "<br>".join(f"{', '.join(forms)}: {word}" for word, forms in shown.items())


def _word(outcome: str, best: str, notes: dict[str, int]) -> str:
    """An outcome as it stands in a cell, with the number of its note where that does not say all."""
    word, counted = _WORDS[verdict(outcome, best)], _COUNTED.match(outcome)
    if counted and counted[0] == outcome and word == WORKS:
        return outcome
    if is_as_it_should_be(outcome, best):
        return f"`{outcome}`" if best == TYPED else outcome
    number = notes.setdefault(outcome, len(notes) + 1)
    if counted:
        word = f"{counted[0]}, {word}"
    elif best == TYPED and word == _WORDS["wrong"]:
        word = f"`{outcome.partition('; ')[0]}`, {word}"
    return f"{word} <sup>{number}</sup>"


def _quoted(text: str) -> str:
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
