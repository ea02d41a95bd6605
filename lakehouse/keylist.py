"""The keys of dynamic partitions that are kept in the lake: added and removed, each time by a commit of the log.

Knows what is on the list. Refuses to touch data: what was made of a removed key stays, and is then orphaned.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from lakehouse.amend import Amendment, Change
from lakehouse.assets import Asset
from lakehouse.errors import RequestError
from lakehouse.fold import Fold
from lakehouse.partitions import Categories, Dynamic, Partitions

__all__ = ["change_keys", "kept_by_hand"]


def change_keys(
    amendment: Amendment, column: str, keys: Sequence[str], change: Literal["add", "remove"]
) -> list[str]:
    """Those keys that were not on the list and are now, or were and no longer are; in the order given.

    Where there is none, nothing is written. When this returns, the list is on disk.

    Args:
        amendment: amends the asset's log.
        column: the partition column whose keys are listed.
        keys: which.
        change: what becomes of them.

    Raises:
        StorageError: the log cannot be read or written.
    """
    concerned: dict[str, None] = {}

    def decide(fold: Fold, _: datetime) -> Change | None:
        nonlocal concerned
        listed = dict.fromkeys(fold.listed.get(column, ()))
        concerned = dict.fromkeys(key for key in keys if (key in listed) == (change == "remove"))
        kept = [*listed, *concerned] if change == "add" else [key for key in listed if key not in concerned]
        return Change(listed={column: tuple(kept)}) if concerned else None

    amendment.commit(decide)
    return [*concerned]


def kept_by_hand(partitions: Partitions, asset: Asset, column: str | None) -> Dynamic:
    """The dimension whose keys are added and removed, with its present keys.

    Args:
        partitions: the asset's, all keys told.
        asset: whose.
        column: which column, where there are several; None: the only one.

    Raises:
        RequestError: there is none, or several and none is named.
    """
    kept = {item.column: item for item in partitions.dimensions if isinstance(item, Dynamic) and not item.discover}
    if column in kept:
        return kept[column]
    if column is not None:
        named = ", ".join(kept) or "none"
        raise RequestError(
            f"{asset.name} has no dynamic column {column!r}",
            code="dimension-unknown",
            help=f"dynamic columns: {named} ({asset.where})",
        )
    if len(kept) > 1:
        message = f"{asset.name} has several dynamic columns: {', '.join(kept)}"
        raise RequestError(message, code="dimension-unnamed", help=f"name one: --column {next(iter(kept))}")
    if not kept:
        raise RequestError(
            f"the keys of {asset.name} follow from its definition; none are added or removed",
            code="partitions-fixed",
            help=_where_to_edit(asset),
        )
    return next(iter(kept.values()))


def _where_to_edit(asset: Asset) -> str:
    partitions, where = asset.partitions, asset.where
    if any(isinstance(dimension, Dynamic) for dimension in partitions.dimensions):
        return f"they are the values found in the data: Dynamic(…, discover=True) ({where})"
    listed = next((item for item in partitions.dimensions if isinstance(item, Categories)), None)
    if listed is not None:
        return f"edit the values of Categories({listed.column!r}, […]) ({where})"
    return f"edit start= or end= ({where})" if partitions.time else f"it has one partition ({where})"
