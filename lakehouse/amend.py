"""A log amended without computing anything: a change that is decided on the log's end, committed, and projected.

Knows how such a commit gets its number, whoever else writes. Refuses to know what the changes mean.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from msgspec import Struct, field

from lakehouse.commits import Commit, Mark
from lakehouse.fold import Fold
from lakehouse.log import Log
from lakehouse.projection import Projection, project
from lakehouse.records import Materialization, Provenance
from lakehouse.staging import Run
from lakehouse.storage_errors import storage_errors

__all__ = ["Amended", "Amendment", "Change", "commit_after", "time_after"]


class Change(Struct, frozen=True, kw_only=True):
    """What is to be added to a log.

    Attributes:
        records: of partitions that have other data from now on.
        marks: on partitions that keep theirs.
        listed: the keys of partition columns that are kept in the lake.
        made_by: the code and the contract of the records, where these bring back what an earlier commit brought.
    """

    records: tuple[Materialization, ...] = ()
    marks: tuple[Mark, ...] = ()
    listed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    made_by: Provenance | None = None


class Amended(Struct, frozen=True):
    """A change that is on disk.

    Attributes:
        commit: which holds it.
        projection: how the Hive tree follows.
    """

    commit: Commit
    projection: Projection


class Amendment(Struct, frozen=True, kw_only=True):
    """A way to amend the log of one asset.

    Attributes:
        log: the asset's log.
        partitions: what the keys mean.
        run: whose staging folder is used.
        by: user, host and command.
        clock: tells the time.
    """

    log: Log
    partitions: Mapping[str, str]
    run: Run
    by: Mapping[str, str]
    clock: Callable[[], datetime]

    def commit(self, change: Callable[[Fold, datetime], Change | None]) -> Amended | None:
        """Commit a change and project it; None where there is nothing to change, and nothing was written.

        Args:
            change: tells, from the log's end and the commit's instant, what is to be added; asked again where
                another process was first.

        Raises:
            StorageError: the log cannot be read or written; or it was written, and the Hive tree does not follow.
        """
        with storage_errors(self.log.folder, "changing the log"):
            fold = self.log.read()
            while True:
                time = time_after(fold, self.clock())
                if (wanted := change(fold, time)) is None:
                    return None
                commit = commit_after(fold, time, self._shared(fold, wanted), wanted)
                if self.log.append(commit, self.run.spare("commit")):
                    projection = project(self.log, self.run, fold, synced=commit.number)
                    if projection.error is not None:
                        raise projection.error
                    return Amended(commit, projection)
                self.log.extend(fold)

    def _shared(self, fold: Fold, change: Change) -> Provenance:
        made = change.made_by
        return Provenance(
            run=self.run.id,
            code=made.code if made else "",
            code_parts=made.code_parts if made else {},
            schema=made.schema if made else fold.schema,
            partitions=self.partitions,
            by=self.by,
        )


def time_after(fold: Fold, now: datetime) -> datetime:
    """The instant of the next commit: now, or a microsecond after the last where the clock was set back."""
    return now if fold.time is None else max(now, fold.time + timedelta(microseconds=1))


def commit_after(fold: Fold, time: datetime, shared: Provenance, change: Change) -> Commit:
    """The commit that comes next in a log."""
    return Commit(
        asset=fold.asset,
        number=fold.number + 1,
        previous=fold.digest,
        time=time,
        shared=shared,
        records=change.records,
        marks=change.marks,
        listed=change.listed,
    )
