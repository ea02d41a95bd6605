"""The keys of dynamic partitions that are kept in the lake: added and removed, each time by a commit of the log.

Knows what is on the list. Refuses to touch data: what was made of a removed key stays, and is then orphaned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from lakehouse.assets import Asset
from lakehouse.errors import RequestError
from lakehouse.log import Log
from lakehouse.partitions import Categories, Dynamic, Partitions
from lakehouse.projection import project
from lakehouse.records import Commit, Provenance
from lakehouse.staging import Run
from lakehouse.storage_errors import storage_errors

__all__ = ["KeyList", "kept_by_hand"]


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyList:
    """The list of one partition column of one asset.

    Attributes:
        log: the asset's log.
        column: whose keys are listed.
        partitions: what the keys mean.
        run: whose staging folder is used.
        by: user, host and command.
        clock: tells the time.
    """

    log: Log
    column: str
    partitions: Mapping[str, str]
    run: Run
    by: Mapping[str, str]
    clock: Callable[[], datetime]

    def change(self, keys: Sequence[str], change: Literal["add", "remove"]) -> list[str]:
        """Those keys that were not on the list and are now, or were and no longer are; in the order given.

        Where there is none, nothing is written. When this returns, the list is on disk.

        Raises:
            StorageError: the log cannot be read or written.
        """
        with storage_errors(self.log.folder, "changing the keys"):
            fold = self.log.read()
            while True:
                listed = dict.fromkeys(fold.listed.get(self.column, ()))
                concerned = dict.fromkeys(key for key in keys if (key in listed) == (change == "remove"))
                if not concerned:
                    return []
                kept = [*listed, *concerned] if change == "add" else [key for key in listed if key not in concerned]
                now = self.clock()
                commit = Commit(
                    asset=self.log.asset,
                    number=fold.number + 1,
                    previous=fold.digest,
                    time=max(now, fold.time + timedelta(microseconds=1)) if fold.time else now,
                    shared=Provenance(
                        run=self.run.id,
                        code="",
                        code_parts={},
                        schema=fold.schema,
                        partitions=self.partitions,
                        by=self.by,
                    ),
                    records=(),
                    listed={self.column: tuple(kept)},
                )
                if self.log.append(commit, self.run.spare("commit")):
                    if (error := project(self.log, self.run, fold, synced=commit.number).error) is not None:
                        raise error
                    return [*concerned]
                self.log.extend(fold)


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
