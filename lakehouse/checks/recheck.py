"""The checks of an asset carried out on what is published.

Knows which file each partition has, and of which an upstream still tells what it was made of. Refuses to change
anything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.assets import Asset
from lakehouse.checks.declared import Matches
from lakehouse.errors import AuditError, LakeError
from lakehouse.survey import Survey

if TYPE_CHECKING:
    from lakehouse.checks.judging import Verdict
    from lakehouse.frames import Frames

__all__ = ["keys_to_match", "recheck"]


def keys_to_match(survey: Survey, asset: Asset) -> list[str]:
    """The partitions that are held against their upstreams: those that are fresh, if any check does that."""
    if not any(isinstance(check.rule, Matches) for check in asset.checks):
        return []
    return [key for key in _published(survey, asset) if survey.state(asset, key).status == "fresh"]


def recheck(
    survey: Survey, asset: Asset, matched: Sequence[str], frames: Frames | None
) -> Iterator[tuple[str, list[Verdict] | LakeError]]:
    """What the checks of an asset say of each published partition, in the order of the keys; or why its file is lost.

    Args:
        survey: the lake as it is.
        asset: whose.
        matched: the partitions that are held against their upstreams.
        frames: gives the upstreams' rows; None where there is nothing to match.

    Raises:
        StorageError: the disk is at fault.
    """
    if not asset.checks:
        return
    from lakehouse.checks.judging import judge_file
    from lakehouse.checks.reconciling import Tallies, tallies_of

    tallies = tallies_of(asset, frames, matched) if frames is not None else Tallies({}, {})
    known = frozenset(matched)
    fold, partitions = survey.fold(asset.name), survey.partitions(asset)
    for key in _published(survey, asset):
        version = fold.key(key).version
        assert version is not None  # noqa: S101  it is published
        file = survey.disk.path(version.path)
        if (damage := _damage(asset, key, file)) is not None:
            yield key, damage
        else:
            yield key, judge_file(asset, partitions.partition(key), file, tallies if key in known else None)


def _damage(asset: Asset, key: str, file: Path) -> AuditError | None:
    """Why a file cannot be judged."""
    import polars as pl

    from lakehouse.calls import ENGINE_ERRORS

    try:
        pl.read_parquet_schema(file)
    except ENGINE_ERRORS as error:
        what = "is missing" if isinstance(error, FileNotFoundError) else "cannot be read"
        return AuditError(f"{asset.name} {key}: its file {what}", code="damaged", help="lake verify finds all such")
    return None


def _published(survey: Survey, asset: Asset) -> list[str]:
    known = survey.fold(asset.name).keys
    return sorted((key for key, state in known.items() if state.version is not None), key=asset.partitions.order)
