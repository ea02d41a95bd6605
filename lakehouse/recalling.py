"""What a lake remembers: its history, what is other between versions, and snapshots, which keep what was.

Knows how a call becomes a look back, or one folder of links. Refuses to change what is published.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, overload

from lakehouse.errors import RequestError
from lakehouse.survey import Survey
from lakehouse.tending import Tending

if TYPE_CHECKING:
    from lakehouse.past.history import KeyEvent
    from lakehouse.past.runs import LakeRun
    from lakehouse.past.snapshots import Snapshot
    from lakehouse.past.versiondiff import Difference

__all__ = ["Recalling"]


class Recalling(Tending):
    """The part of a `Lake` that looks back."""

    @overload
    def history(
        self, asset: str | None = None, key: None = None, *, last: int | None = None, failed: bool = False
    ) -> list[LakeRun]: ...

    @overload
    def history(self, asset: str, key: str, *, last: int | None = None, failed: bool = False) -> list[KeyEvent]: ...

    def history(
        self, asset: str | None = None, key: str | None = None, *, last: int | None = None, failed: bool = False
    ) -> list[LakeRun] | list[KeyEvent]:
        """What was done, newest first: the runs that wrote to the lake, or what became of one partition.

        Args:
            asset: only what was done to this one; one that is no longer declared, too.
            key: a partition of it, those too that the definition no longer has.
            last: so many at most; None: all.
            failed: only runs in which partitions failed or were blocked, or those attempts.

        Raises:
            AssetUnknownError: there is no such asset, and was none.
            RequestError: there is no such partition.
            StorageError: the log cannot be read.
        """
        from lakehouse.past.lookback import events_of, logged_assets, runs_of

        survey = self.survey()
        if asset is None:
            return runs_of(survey.disk, logged_assets(survey.disk), last=last, failed=failed)
        if asset not in (known := logged_assets(survey.disk)):
            self.graph.asset(asset)  # raises: there is none, and was none
        if key is None:
            return runs_of(survey.disk, [asset] if asset in known else [], last=last, failed=failed)
        return events_of(survey.log(asset), self.known_key(survey, asset, key), last=last, failed=failed)

    def known_key(self, survey: Survey, asset: str, text: str) -> str:
        """The one partition that a text means, by the log or by the definition.

        Raises:
            AssetUnknownError: the asset is not declared, and the log knows no such key.
            RequestError: the text means no partition, or several.
        """
        if text in survey.log(asset).read().keys:
            return text
        keys = self.resolve(text, [asset], include_current=True, survey=survey).keys_by_asset[asset]
        if len(keys) != 1:
            raise RequestError(f"{text} is {len(keys)} partitions; name one", help=f"lake status {asset} {text}")
        return keys[0]

    def diff(
        self,
        asset: str,
        key: str,
        old: str | int | datetime | None = None,
        new: str | int | datetime | None = None,
        *,
        by: Sequence[str] | None = None,
    ) -> Difference:
        """What is other in one version of a partition than in an earlier one: columns, and rows.

        Args:
            asset: its name.
            key: the partition.
            old: the one version, by a moment at which the partition had it: the number of a commit, an ISO instant or
                a datetime; None: the last version before the other.
            new: the other version; None: the current one.
            by: columns in which no two rows are alike, so that rows with other values are told as changed; none: rows
                are compared as a whole; None: the columns of a ``unique`` check, if the asset has one.

        Raises:
            AssetUnknownError: there is no such asset.
            RequestError: there is no such partition or version, or its bytes are no longer kept.
            StorageError: the log or a file cannot be read.
        """
        from lakehouse.past.versiondiff import difference_of

        survey, declared = self.survey(), self.graph.asset(asset)
        return difference_of(declared, survey.log(asset), self.known_key(survey, asset, key), old, new, by)

    # Snapshots

    def snapshot(self, name: str, assets: Iterable[str] = (), *, dry_run: bool = False) -> Snapshot:
        """Keep the lake as it is now: a plain Hive tree of hard links that never changes, one commit an asset.

        It lies under ``.lake/snapshots`` in the lake's folder. Its links hold the bytes, whatever becomes of the
        versions; where links cannot be, it has copies.

        Args:
            name: its name: letters, digits, ``-``, ``_`` and ``.``.
            assets: which; none: all that are declared and have data.
            dry_run: whether to write nothing, and only tell.

        Raises:
            RequestError: the name cannot be used, or an asset has no data.
            AuditError: an asset has partitions of two schemas.
            StorageError: the lake cannot be read or written.
        """
        from lakehouse.past.snapshots import planned
        from lakehouse.past.snapshotwriter import take_snapshot

        if not dry_run:
            self.settle()
        survey = self.survey()
        asked = list(dict.fromkeys(assets))
        named = asked or [asset.name for asset in self.graph.assets()]
        for asset in asked:
            self._require_data(survey, asset)
        found = planned(survey.disk, name, [survey.log(asset).read() for asset in named])
        if dry_run:
            return found
        with self._run(survey) as run:
            return take_snapshot(survey.disk, name, named, run=run, time=self._clock(), by=self._by())

    def _require_data(self, survey: Survey, asset: str) -> None:
        from lakehouse.past.lookback import logged_assets

        if asset not in logged_assets(survey.disk):
            self.graph.asset(asset)  # raises: there is none, and was none
        if not any(state.version for state in survey.log(asset).read().keys.values()):
            raise RequestError(
                f"{asset} has no data", code="asset-missing", help=f"make some: lake materialize latest -a {asset}"
            )

    def snapshots(self) -> list[Snapshot]:
        """The snapshots that there are, oldest first.

        Raises:
            StorageError: they cannot be read.
        """
        from lakehouse.past.snapshots import snapshots

        return snapshots(self.survey().disk)

    def remove_snapshot(self, name: str, *, dry_run: bool = False) -> Snapshot:
        """Remove a snapshot; bytes that nothing else holds are gone.

        Args:
            name: which.
            dry_run: whether to remove nothing, and only tell.

        Raises:
            RequestError: there is none of that name.
            StorageError: it cannot be removed.
        """
        from lakehouse.past.snapshots import require_snapshot
        from lakehouse.past.snapshotwriter import remove_snapshot

        survey = self.survey()
        found = require_snapshot(survey.disk, name)
        if not dry_run:
            with self._run(survey) as run:
                remove_snapshot(survey.disk, name, run=run)
        return found
