"""A graph as lines: a tree for people, a flowchart for Mermaid.

Knows names, kinds and edges. Knows nothing of lakes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, Literal

from msgspec import Struct

from lakehouse.cli.output import Screen, joined

__all__ = ["Edge", "Vertex", "mermaid", "tree"]

_Branch = Literal["fork", "last", "through", "none", "rule"]
_LINES: Final[Mapping[_Branch, tuple[str, str]]] = {
    "fork": ("├─ ", "|- "),
    "last": ("└─ ", "`- "),
    "through": ("│  ", "|  "),
    "none": ("   ", "   "),
    "rule": ("← ", "<- "),
}
_SHAPES: Final = {"source": ('[("', '")]'), "view": ('(["', '"])'), "asset": ('["', '"]')}
_ESCAPED: Final = {ord(char): f"#{ord(char)};" for char in '"#&<>`|\\'} | {ord("\n"): " ", ord("\r"): " "}


class Vertex(Struct, frozen=True):
    """One thing that is declared, with what is said of it beside its name."""

    name: str
    kind: Literal["source", "view", "asset"]
    facts: tuple[str, str]


class Edge(Struct, frozen=True):
    """``lower`` reads ``upper``, by a rule in words; None or empty where there is nothing to say."""

    upper: str
    lower: str
    rule: str | None


class _Row(Struct, frozen=True):
    """A name behind its branches, the branches that go on below it, and what is said of it."""

    name: str
    below: str
    kind: str
    extent: str
    rule: str


def tree(screen: Screen, vertices: Sequence[Vertex], edges: Sequence[Edge]) -> list[str]:
    """Each thing under what it reads, from the roots down.

    What reads several things stands under the one that comes last in order; under the others there is its name.
    """
    by_name = {vertex.name: vertex for vertex in vertices}
    place = {name: number for number, name in enumerate(by_name)}
    home: dict[str, str] = {}
    for edge in edges:
        home[edge.lower] = max(home.get(edge.lower, edge.upper), edge.upper, key=place.__getitem__)
    rows: list[_Row] = []

    def sign(branch: _Branch) -> str:
        return _LINES[branch][0 if screen.is_unicode else 1]

    def add(name: str, head: str, tail: str, edge: Edge | None) -> None:
        rule = f"{sign('rule')}{edge.rule}" if edge is not None and edge.rule else ""
        if edge is not None and home[name] != edge.upper:
            rows.append(_Row(f"{head}{name}", tail, f"(below {home[name]})", "", rule))
            return
        below = [edge for edge in edges if edge.upper == name]
        rows.append(_Row(f"{head}{name}", tail + (sign("through") if below else ""), *by_name[name].facts, rule))
        for down in below:
            ends = down is below[-1]
            add(down.lower, tail + sign("last" if ends else "fork"), tail + sign("none" if ends else "through"), down)

    for name in by_name:
        if name not in home:
            add(name, "", "", None)
    return _aligned(rows, screen.width)


def _aligned(rows: Sequence[_Row], width: int) -> list[str]:
    """The rows with what is said of things below each other: kinds and extents, or kinds alone, where it fits."""
    names = max((len(row.name) for row in rows), default=0)
    kinds = max((len(row.kind) for row in rows if row.extent), default=0)
    lines = [line for row in rows for line in _lines(row, names, kinds, width)]
    if len(lines) == len(rows):
        return lines
    return [line for row in rows for line in _lines(row, names if names <= width // 2 else 0, 0, width)]


def _lines(row: _Row, name_width: int, kind_width: int, width: int) -> list[str]:
    """A row; what does not fit stands below its name."""
    lines, line = [], f"{row.name:{name_width}}"
    for fact in (f"{row.kind:{kind_width}}", row.extent, row.rule):
        if fact and len(joined([line, fact.rstrip()])) > width and line.strip():
            lines.append(line.rstrip())
            line = f"{row.below:{max(len(row.name), name_width)}}"
        line = joined([line, fact])
    return [*lines, line.rstrip()]


def mermaid(vertices: Sequence[Vertex], edges: Sequence[Edge]) -> list[str]:
    """A flowchart from left to right, as GitHub draws it in a block ```` ```mermaid ````."""
    lines = ["flowchart LR"]
    for vertex in vertices:
        begin, end = _SHAPES[vertex.kind]
        facts = " · ".join(fact for fact in vertex.facts if fact)
        lines.append(f"  {_id(vertex.name)}{begin}{_escaped(vertex.name)}<br/>{_escaped(facts)}{end}")
    for edge in edges:
        rule = f'|"{_escaped(edge.rule)}"|' if edge.rule else ""
        lines.append(f"  {_id(edge.upper)} -->{rule} {_id(edge.lower)}")
    return lines


def _id(name: str) -> str:
    """No name is a word of Mermaid's own (``end``, ``click``) with a letter and a dash below before it."""
    return f"n_{name}"


def _escaped(text: str) -> str:
    return text.translate(_ESCAPED)
