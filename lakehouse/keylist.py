"""The keys of dynamic partitions that are kept in the lake: added and removed, each time by a commit of the log.

Knows what is on the list. Refuses to touch data: what was made of a removed key stays, and is then orphaned.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from lakehouse.log import Log
from lakehouse.projection import project
from lakehouse.records import Commit, Provenance
from lakehouse.staging import Run
from lakehouse.storage_errors import storage_errors

__all__ = ["KeyList"]


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
