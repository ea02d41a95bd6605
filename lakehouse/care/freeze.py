"""Partitions that are left as they are: frozen, and unfrozen again, each time by a commit of the log.

Knows the marks. Refuses to touch data.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from lakehouse.amend import Amendment, Change
from lakehouse.commits import Mark
from lakehouse.fold import Fold

__all__ = ["freeze", "not_yet"]


def not_yet(fold: Fold, keys: Mapping[str, Mapping[str, str]], *, frozen: bool) -> list[str]:
    """Those of some keys that would be changed by freezing them, or by unfreezing them."""
    return [key for key in keys if fold.key(key).is_frozen is not frozen]


def freeze(amendment: Amendment, keys: Mapping[str, Mapping[str, str]], *, frozen: bool) -> list[str]:
    """Those keys that were not frozen and are now, or were and no longer are; on disk when this returns.

    Args:
        amendment: amends the asset's log.
        keys: which, each with its value by column.
        frozen: what they are from now on.

    Raises:
        StorageError: the log cannot be read or written.
    """
    changed: list[str] = []

    def decide(fold: Fold, _: datetime) -> Change | None:
        changed[:] = not_yet(fold, keys, frozen=frozen)
        marks = tuple(Mark(key=key, partition=keys[key], frozen=frozen) for key in changed)
        return Change(marks=marks) if marks else None

    amendment.commit(decide)
    return changed
