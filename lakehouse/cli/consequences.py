"""What is printed of partitions that a command changes without making them: which, how much, and what turns stale.

Knows the words. Refuses to decide anything.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from lakehouse.cli.output import Screen, plural
from lakehouse.cli.quoting import quoted
from lakehouse.selection import describe

if TYPE_CHECKING:
    from lakehouse.lake import Lake

__all__ = ["named", "print_stale", "results_json", "span", "turning_stale"]

_LONG: Final = 48


def span(lake: Lake, asset: str, keys: Sequence[str]) -> str:
    """Some keys as a person would write them."""
    declared = {known.name: known for known in lake.graph.assets()}
    return describe(keys, declared[asset].partitions) if asset in declared else ", ".join(keys)


def named(lake: Lake, asset: str, keys: Sequence[str]) -> str:
    """The same as a word of a command line."""
    return quoted(span(lake, asset, keys).replace(", ", ","))


def turning_stale(lake: Lake, asset: str, keys: Sequence[str]) -> dict[str, list[str]]:
    """What is made of these partitions, by asset."""
    from lakehouse.care.downstream import made_of

    return made_of(lake.survey(), asset, keys)


def print_stale(screen: Screen, lake: Lake, stale: Mapping[str, Sequence[str]], *, verb: str) -> None:
    """A line for each asset of which partitions turn stale."""
    for asset, keys in stale.items():
        shown = span(lake, asset, keys)
        shown = shown if len(shown) <= _LONG else f"{shown[:_LONG].rpartition(',')[0] or keys[0]}, …"
        screen.say(f"  {verb}: {asset}   {plural(len(keys), 'partition')}: {shown}")


def results_json(results: Sequence[Mapping[str, Any]], stale: Mapping[str, Sequence[str]], **facts: Any) -> Any:
    """One object for machines."""
    return {
        "schema_version": 1,
        "ok": True,
        "exit_code": 0,
        **facts,
        "results": list(results),
        "stale": {asset: list(keys) for asset, keys in stale.items()},
    }
