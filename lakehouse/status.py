"""What `Lake.status` tells: each partition of each asset, its state and reasons, counted.

Knows how states are summed up. Refuses to decide them: the survey has asked `staleness.decide`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from lakehouse.assets import Asset
from lakehouse.records import Materialization
from lakehouse.staleness import Cause, State
from lakehouse.survey import Survey

__all__ = ["AssetStatus", "PartitionStatus", "asset_status"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PartitionStatus:
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
    """

    key: str
    status: str
    reason: str
    causes: tuple[Cause, ...]
    row_count: int | None
    size_bytes: int | None
    made: datetime | None
    last_attempt: Materialization | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AssetStatus:
    """One asset, one entry a partition in declared order; orphaned ones last.

    Attributes:
        asset: its name.
        kind: of its partitions: *monthly*.
        first: the first key that the definition has.
        last: the last one by now; None where there is none yet.
        partitions: every partition asked for.
        is_behind: whether commits are not yet projected onto the Hive tree; the next writing command does it.
    """

    asset: str
    kind: str
    first: str
    last: str | None
    partitions: tuple[PartitionStatus, ...]
    is_behind: bool

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
    states: dict[str, State] = {key: survey.state(asset, key) for key in keys}
    if with_orphans:
        made = [key for key, known in survey.fold(asset.name).keys.items() if known.version is not None]
        for key in sorted((key for key in made if not survey.is_declared(asset, key)), key=asset.partitions.index):
            if (state := survey.state(asset, key)).status == "orphaned":
                states[key] = state
    return AssetStatus(
        asset=asset.name,
        kind=asset.partitions.kind,
        first=asset.partitions.first_key,
        last=asset.partitions.last_key(survey.time),
        partitions=tuple(_partition(survey, key, state) for key, state in states.items()),
        is_behind=survey.is_behind(asset.name),
    )


def _partition(survey: Survey, key: str, state: State) -> PartitionStatus:
    has_data = state.status in ("fresh", "stale", "orphaned")
    version, current = (state.known.version, state.known.current) if has_data else (None, None)
    return PartitionStatus(
        key=key,
        status="empty" if state.status == "fresh" and state.is_empty else state.status,
        reason=survey.reason(state),
        causes=state.causes,
        row_count=version.row_count if version else None,
        size_bytes=version.size_bytes if version else None,
        made=current.finished if current else None,
        last_attempt=state.known.attempt,
    )
