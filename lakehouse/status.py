"""What `Lake.status` tells: each partition of each asset, its state and reasons, counted.

Knows how states are summed up. Refuses to decide them: the survey has asked `staleness.decide`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from lakehouse.assets import Asset
from lakehouse.partitions.dimension import Partitions
from lakehouse.records import Materialization
from lakehouse.staleness import Cause
from lakehouse.survey import Survey
from lakehouse.why import why

__all__ = ["AssetStatus", "PartitionStatus", "asset_status"]


class PartitionStatus(Struct, frozen=True, kw_only=True):
    """One partition.

    Attributes:
        key: which.
        status: *missing*, *fresh*, *empty* (fresh, without rows), *stale*, *unrecorded* or *orphaned*.
        reason: the same in words, with its causes.
        causes: the causes, for machines.
        row_count: rows that it has; None where it has no data, or such as somebody else put there.
        size_bytes: size of its file; None likewise.
        made: when its data was made, in UTC; None likewise.
        last_attempt: the newest attempt, where it failed or was blocked after that.
        is_frozen: whether it is left as it is until it is unfrozen, or made by force.
    """

    key: str
    status: str
    reason: str
    causes: tuple[Cause, ...]
    row_count: int | None
    size_bytes: int | None
    made: datetime | None
    last_attempt: Materialization | None
    is_frozen: bool = False


class AssetStatus(Struct, frozen=True, kw_only=True):
    """One asset, one entry a partition in declared order; orphaned ones last.

    Attributes:
        asset: its name.
        definition: its partitions, all keys told.
        extent: what they span, in words: ``2018-01..2026-10``.
        first: the first window of time that the definition has; None where its keys are no times.
        last: the last one by now; None likewise, and where there is none yet.
        partitions: every partition asked for.
        is_behind: whether commits are not yet projected onto the Hive tree; the next writing command does it.
    """

    asset: str
    definition: Partitions
    extent: str
    first: str | None
    last: str | None
    partitions: tuple[PartitionStatus, ...]
    is_behind: bool

    @property
    def kind(self) -> str:
        """Of its partitions: *monthly*."""
        return self.definition.kind

    @property
    def counts(self) -> dict[str, int]:
        """How many partitions have each status, only those that occur."""
        return dict(Counter(partition.status for partition in self.partitions))

    @property
    def failed_attempts(self) -> int:
        """How many partitions have a last attempt that failed or was blocked."""
        return sum(partition.last_attempt is not None for partition in self.partitions)


def asset_status(survey: Survey, asset: Asset, keys: Sequence[str], *, with_orphans: bool) -> AssetStatus:
    """The status of an asset's partitions.

    Args:
        survey: the lake as it is.
        asset: whose.
        keys: which, in the order of the answer.
        with_orphans: whether to add partitions that the log has and the definition no longer does.
    """
    definition, found = survey.partitions(asset), list(keys)
    if with_orphans:
        made = [key for key, known in survey.fold(asset.name).keys.items() if known.version is not None]
        strangers = sorted((key for key in made if not survey.is_declared(asset, key)), key=definition.order)
        found += [key for key in strangers if survey.state(asset, key).status == "orphaned"]
    windows = definition.time
    return AssetStatus(
        asset=asset.name,
        definition=definition,
        extent=definition.extent(survey.time),
        first=windows.first_key if windows else None,
        last=windows.last_key(survey.time) if windows else None,
        partitions=tuple(_partition(survey, asset, key) for key in found),
        is_behind=survey.is_behind(asset.name),
    )


def _partition(survey: Survey, asset: Asset, key: str) -> PartitionStatus:
    state = survey.state(asset, key)
    has_data = state.status in ("fresh", "stale", "orphaned")
    version, current = (state.known.version, state.known.current) if has_data else (None, None)
    return PartitionStatus(
        key=key,
        status="empty" if state.status == "fresh" and state.is_empty else state.status,
        reason=why(survey, asset, key),
        causes=state.causes,
        row_count=version.row_count if version else None,
        size_bytes=version.size_bytes if version else None,
        made=current.finished if current else None,
        last_attempt=state.known.attempt,
        is_frozen=state.is_frozen,
    )
