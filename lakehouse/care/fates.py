"""What becomes of a file that is to be adopted, as far as that follows from what the lake has already.

Knows frozen keys, files of others, and what is recorded. Refuses to open the file.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from msgspec import Struct

from lakehouse import layout
from lakehouse.assets import Asset
from lakehouse.care.arrivals import Arrival
from lakehouse.disk import digest_file
from lakehouse.errors import LakeError, RequestError
from lakehouse.fold import KeyState
from lakehouse.projection import compare, foreign_file
from lakehouse.records import Materialization
from lakehouse.survey import Survey

__all__ = ["Fates"]

_REASON: Final = "adopted"


class Fates(Struct, frozen=True, kw_only=True):
    """Gives results their form.

    Attributes:
        asset: whose partitions the files become.
        survey: the lake as it is.
        clock: tells the time.
        is_forced: whether frozen partitions take part, and files are replaced that somebody else put in the lake.
    """

    asset: Asset
    survey: Survey
    clock: Callable[[], datetime]
    is_forced: bool

    def known(self, key: str) -> KeyState:
        """What the log says of a key."""
        return self.survey.fold(self.asset.name).key(key)

    def unopened(self, arrival: Arrival, began: datetime) -> Materialization | None:
        """What becomes of a file that need not be opened; None: it has to be."""
        key = arrival.key
        if arrival.file is None or arrival.error is not None:
            return self.refused(key, began, arrival.error)
        known = self.known(key)
        is_own = arrival.file == self.survey.file(self.asset, key)
        if is_own and known.current is not None and compare(arrival.file, known.versions[-1:]) == "same":
            return self._kept(known.current, key)
        if known.is_frozen and not self.is_forced:
            error = RequestError(
                f"{self.asset.name} {key} is frozen",
                code="frozen",
                help=f"lake unfreeze {self.asset.name} {key}, or adopt it with --force",
            )
            return self.blank(key, began).with_(result="skipped", error=error.to_json(), version=known.version)
        return None

    def unpublished(self, record: Materialization, digest: str) -> Materialization | None:
        """What becomes of a file of these bytes that is as it should be, yet not published; None: it is."""
        known, target = self.known(record.key), self.survey.disk.path(record.path)
        state = self.survey.state(self.asset, record.key)
        if state.status == "fresh" and known.current is not None and known.current.data_version == digest:
            return self._kept(known.current, record.key)
        is_foreign = state.status == "unrecorded" and not self.is_forced
        if is_foreign and not _holds(target, digest):
            return self.refused(record.key, record.started, foreign_file(record.path))
        return None

    def blank(self, key: str, began: datetime) -> Materialization:
        """The record of a file before anything came of it."""
        columns = self.asset.partitions.columns
        values = self.asset.partitions.values(key)
        known = self.known(key)
        return Materialization(
            asset=self.asset.name,
            key=key,
            partition=dict(zip(columns, values, strict=True)),
            result="skipped",
            reason=_REASON,
            run="",
            started=began,
            finished=self.clock(),
            base=known.commit,
            path=layout.hive_file(self.asset.name, layout.partition_path(columns, values)),
            kept=known.version,
            kept_made=known.current.finished if known.current else None,
        )

    def refused(self, key: str, began: datetime, error: LakeError | None) -> Materialization:
        """The result of a file that is not adopted."""
        said = None if error is None else error.to_json()
        if error is None or error.code != "partition-unknown":
            return self.blank(key, began).with_(result="blocked", error=said)
        return Materialization(  # its folder is of no key
            asset=self.asset.name,
            key=key,
            partition={},
            result="blocked",
            reason=_REASON,
            run="",
            started=began,
            finished=began,
            error=said,
        )

    def _kept(self, current: Materialization, key: str) -> Materialization:
        """The result of a file that the lake has already."""
        path = self.blank(key, current.started).path
        return current.with_(result="fresh", reason="the log has it already", path=path, dropped=(), displaced=None)


def _holds(file: Path, digest: str) -> bool:
    return file.is_file() and not file.is_symlink() and digest_file(file) == digest
