"""What shells offer for the words ASSET and KEY: from what is written down of the project, never from its code.

Knows which words a command has been given. It never prints and never fails: whoever presses TAB wants no message.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from lakehouse.partitions.dimension import Partitions

__all__ = ["assets", "assets_and_keys", "dynamic_keys", "keys", "snapshot_words"]

_Items = list[CompletionItem[str]]
_Offer = Callable[[click.Context, Mapping[str, "Partitions"], str], Iterable[CompletionItem[str]]]
_Complete = Callable[[click.Context, click.Parameter, str], _Items]


def _offering(offer: _Offer) -> _Complete:
    """As click calls it, with the partitions of each asset of the project; nothing if anything goes wrong."""

    def complete(ctx: click.Context, _: click.Parameter, typed: str) -> _Items:
        try:
            # What cannot be seen would steer the terminal, or end the line that is being typed.
            return [item for item in offer(ctx, _known(ctx), typed) if item.value.isprintable()]
        except Exception:  # noqa: BLE001  an error would be written over what is being typed
            return []

    return complete


def _known(ctx: click.Context) -> Mapping[str, Partitions]:
    from lakehouse.cli.known import recall
    from lakehouse.cli.project import find

    folder = ctx.params.get("folder") or (ctx.parent.params.get("folder") if ctx.parent else None)
    return recall(find(Path(folder or ".").resolve()))


@_offering
def assets(ctx: click.Context, known: Mapping[str, Partitions], typed: str) -> Iterable[CompletionItem[str]]:
    """The assets."""
    given = _words(ctx)
    return [
        CompletionItem(name, help=partitions.kind)
        for name, partitions in known.items()
        if name.startswith(typed) and name not in given
    ]


@_offering
def keys(ctx: click.Context, known: Mapping[str, Partitions], typed: str) -> Iterable[CompletionItem[str]]:
    """Items of a selection, of the assets that are named already, else of all."""
    from lakehouse.cli.candidates import candidates

    picked = [known[name] for name in _words(ctx) if name in known] or [*known.values()]
    return map(CompletionItem, candidates(picked, typed, datetime.now(UTC)))


@_offering
def assets_and_keys(ctx: click.Context, known: Mapping[str, Partitions], typed: str) -> Iterable[CompletionItem[str]]:
    """Either, where a command takes both: assets first."""
    from lakehouse.cli.candidates import candidates

    given = _words(ctx)
    names = [name for name in known if name.startswith(typed) and name not in given]
    picked = [known[name] for name in given if name in known] or [*known.values()]
    return map(CompletionItem, [*names, *candidates(picked, typed, datetime.now(UTC))])


@_offering
def dynamic_keys(ctx: click.Context, known: Mapping[str, Partitions], typed: str) -> Iterable[CompletionItem[str]]:
    """The keys that can be removed; of those that are added nobody knows any."""
    if ctx.params.get("action") != "remove":
        return []
    dimensions = [d for name in _words(ctx) for d in known[name].dimensions if d.kind == "dynamic"]
    wanted = ctx.params.get("column")
    found = (key for d in dimensions if wanted in (None, d.column) for key in d.keys(datetime.now(UTC)))
    return [CompletionItem(key) for key in found if key.startswith(typed) and key not in ctx.params.get("keys", ())]


def snapshot_words(ctx: click.Context, _: click.Parameter, typed: str) -> _Items:
    """What comes first in place of a name; names of snapshots are not written down where no code is run."""
    if ctx.params.get("words"):
        return []
    return [CompletionItem(word) for word in ("list", "remove") if word.startswith(typed)]


def _words(ctx: click.Context) -> list[str]:
    """The assets that the command line names so far."""
    found: list[str] = []
    for name in ("asset", "assets", "words"):
        given = ctx.params.get(name) or ()
        found += [given] if isinstance(given, str) else given
    return found
