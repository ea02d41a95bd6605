"""Partitions of no time one after another: ``● eu   ● us   ◐ apac``.

Knows signs and widths. Knows nothing of what keys mean.
"""

from __future__ import annotations

from collections.abc import Sequence

from lakehouse.cli.grid.tally import PAGE, tally
from lakehouse.cli.output import Screen, cell, wrapped
from lakehouse.partitions.dimension import Partitions

__all__ = ["flat"]


def flat(screen: Screen, partitions: Partitions, parts: Sequence[tuple[str, str]]) -> list[str]:
    """The partitions, as many a line as fit; where they fill more than a page, those to look at come first."""
    if not parts:
        return []
    lines = _lines(screen, partitions, parts)
    if len(lines) <= PAGE:
        return lines
    first = sorted(parts, key=lambda part: part[1] in ("fresh", "empty"))
    shown = len(first)
    while len(lines) > PAGE:
        shown = shown * PAGE // len(lines)
        lines = _lines(screen, partitions, first[:shown])
    return [*lines, f"  … and {len(first) - shown} more: {tally(state for _, state in first[shown:])}"]


def _lines(screen: Screen, partitions: Partitions, parts: Sequence[tuple[str, str]]) -> list[str]:
    texts = [f"{screen.glyph(state)} {_name(partitions, key)}" for key, state in parts]
    return wrapped(texts, width=screen.width, indent="  ")


def _name(partitions: Partitions, key: str) -> str:
    """A key without the names of its columns; that of an unpartitioned asset is all that there is of it."""
    return cell("/".join(partitions.values(key)) or key)
