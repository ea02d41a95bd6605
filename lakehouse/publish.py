"""Staged partitions made visible: synced, moved among the versions, committed, and projected.

Knows the order of those steps and what a lost race means. Knows nothing of how a partition was computed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Literal

from msgspec import Struct, field

from lakehouse import layout
from lakehouse.amend import Change, commit_after, time_after
from lakehouse.disk import Disk, digest_file
from lakehouse.errors import StorageError
from lakehouse.fold import Fold, Superseded
from lakehouse.log import Log
from lakehouse.projection import Projection, compare, foreign_file, project
from lakehouse.records import Materialization, Provenance, Schema, Version
from lakehouse.retention import Retention
from lakehouse.staging import Run
from lakehouse.storage_errors import storage_errors

__all__ = ["Published", "Publisher", "Staged"]

_SECOND = 10**9


class Staged(Struct, frozen=True, kw_only=True):
    """One audited partition, written and not yet visible.

    Attributes:
        file: in the run's own folder.
        digest: SHA-256 of its bytes.
        row_count: its rows.
        writer: who encoded it.
        record: the record to be, but for its result and version.
        same_rows: whether a version written by another release holds the same rows.
    """

    file: Path
    digest: str
    row_count: int
    writer: str
    record: Materialization
    same_rows: Callable[[Version], bool]


class Published(Struct, eq=False):
    """What came of publishing.

    Attributes:
        records: one for each key that is settled.
        lost: keys that another run changed meanwhile; plan them again.
        projection: how the Hive tree follows; None where there was nothing to commit.
    """

    records: list[Materialization] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    projection: Projection | None = None


class Publisher(Struct, eq=False, kw_only=True):
    """Publishes partitions of one asset within one run.

    Attributes:
        log: the asset's log.
        run: whose staging folder is used.
        retention: which superseded versions stay.
        clock: tells the time.
        is_forced: whether frozen partitions are made too, and files replaced that somebody else put where one
            belongs; such a file is first kept as a version.
        fold: the log's state as of the last look; it moves on with every commit.
        contract: the schema that the work was planned under; None where the log had none.
    """

    log: Log
    run: Run
    retention: Retention
    clock: Callable[[], datetime]
    is_forced: bool
    fold: Fold
    contract: Schema | None

    @property
    def _disk(self) -> Disk:
        return self.log.disk

    def publish(self, staged: Iterable[Staged], attempts: Iterable[Materialization], shared: Provenance) -> Published:
        """Commit the staged partitions, and the records of attempts that failed, then project.

        When this returns without error, every record is on disk and visible; an error before the commit leaves
        what readers see as it was.

        Raises:
            StorageError: exit code 4; its code tells whether the commit was made.
        """
        published = Published()
        with storage_errors(self._disk.root, "publishing"):
            self.log.extend(self.fold)
            records: list[Materialization] = []
            moves: list[tuple[Path, Version]] = []
            for attempt in attempts:
                if self._is_lost(attempt, shared):
                    self._lose(attempt, published)
                else:
                    records.append(attempt)
            for item in staged:
                record = self._settle(item, shared, published)
                if record is None or record.version is None or record.result == "unchanged":
                    self._disk.remove(item.file)
                else:
                    moves.append((item.file, record.version))
                if record is not None:
                    records.append(record)
            self._keep_bytes(moves)
            self._commit(records, shared, published)
        return published

    def _settle(self, item: Staged, shared: Provenance, published: Published) -> Materialization | None:
        """The record with its result; where the bytes are new, the version that they will be.

        None where another run has changed the key since it was planned.
        """
        record = item.record
        target = self._disk.path(record.path)
        try:
            with storage_errors(target, "publishing"):
                self._disk.require_place(target, item.file)
        except StorageError as error:
            return record.with_(result="failed", finished=self.clock(), error=error.to_json())
        if self._is_foreign(item, target):
            # Whoever changes the file commits first: if it was another run, the log says so by now, and once the
            # Hive tree follows the log, a file that it does not know is somebody else's.
            self._catch_up()
        if self._is_lost(record, shared):
            self._lose(record, published)
            return None
        displaced = None
        if self._is_foreign(item, target):
            if not self.is_forced:
                return record.with_(
                    result="blocked", finished=self.clock(), error=foreign_file(record.path).to_json()
                )
            displaced = self._displace(record, target)
        state = self.fold.key(record.key)
        current = None if state.is_damaged else state.version
        in_place = compare(target, [current] if current else [])
        # Size and time may hide damage; what is called unchanged is read again, and hashed.
        if current and in_place == "same" and _is_same(item, current) and self._is_whole(current, target):
            return record.with_(result="unchanged", version=current)
        version = Version(
            digest=item.digest,
            path=self._version_path(record),
            row_count=item.row_count,
            size_bytes=item.file.stat().st_size,
            mtime_ns=self._mtime(target, record.key),
            writer=item.writer,
        )
        result: Literal["replaced", "created"] = "created" if in_place == "absent" else "replaced"
        return record.with_(result=result, version=version, displaced=displaced)

    def _is_whole(self, version: Version, target: Path) -> bool:
        """Whether both kinds of readers find the bytes of a version; as a rule, they are one file of two names."""
        file = self._disk.path(version.path)
        if digest_file(target) != version.digest:
            return False
        try:
            return file.samefile(target) or digest_file(file) == version.digest
        except OSError:
            return False

    def _is_foreign(self, item: Staged, target: Path) -> bool:
        """Whether the Hive tree holds a file that neither the log knows nor is what is to be published."""
        if compare(target, self._known(item.record.key)) != "other":
            return False
        is_alike = target.is_file() and not target.is_symlink() and target.stat().st_size == item.file.stat().st_size
        return not (is_alike and digest_file(target) == item.digest)

    def _catch_up(self) -> None:
        if (error := project(self.log, self.run, self.fold).error) is not None:
            raise error

    def _known(self, key: str) -> list[Version]:
        """The versions of a key that the lake itself may have put into the Hive tree."""
        return self.fold.key(key).versions

    def _version_path(self, record: Materialization) -> str:
        partition = layout.partition_path(tuple(record.partition), tuple(record.partition.values()))
        return f"{layout.version_folder(record.asset, partition)}/{self.run.id}-{self.run.number()}"

    def _mtime(self, target: Path, key: str) -> int:
        """Now, but in a later whole second than the file to be replaced, and than each version that the lake knows.

        DuckDB takes a file of the same path, size and whole second for the one that it has cached; and by size and
        time the projection tells versions apart, of which another run's may take its place at any moment.
        """
        times = [version.mtime_ns for version in self._known(key)]
        with contextlib.suppress(FileNotFoundError):
            times.append(target.stat(follow_symlinks=False).st_mtime_ns)
        later = [(time // _SECOND + 1) * _SECOND for time in times]
        return max([int(self.clock().timestamp() * _SECOND), *later])

    def _displace(self, record: Materialization, target: Path) -> Version:
        """A copy, among the versions, of a file that somebody else put where this one belongs."""
        path = self._version_path(record)
        copy = self._disk.path(path)
        self._disk.make_folders([copy.parent])
        self._disk.copy_in(target, copy)
        self._disk.sync_folders([copy.parent])
        status = copy.stat()
        return Version(
            digest=digest_file(copy),
            path=path,
            row_count=-1,
            size_bytes=status.st_size,
            mtime_ns=status.st_mtime_ns,
            writer="unknown",
        )

    def _keep_bytes(self, moves: Sequence[tuple[Path, Version]]) -> None:
        """Sync the staged files, then move each among the versions; both are on disk when this returns."""
        for staged, version in moves:
            self._disk.seal(staged, version.mtime_ns)
        files = self._disk.sync_or_copy({staged: version.digest for staged, version in moves}, self.run.spare)
        targets = [self._disk.path(version.path) for _, version in moves]
        self._disk.make_folders([target.parent for target in targets])
        for file, target in zip(files, targets, strict=True):
            self._disk.move(file, target)
        self._disk.sync_folders([target.parent for target in targets])

    def _commit(self, records: list[Materialization], shared: Provenance, published: Published) -> None:
        """Add one commit; where others were first, look again at each key until ours is next."""
        # The log may have gone on since the first of these keys was settled: each is looked at again.
        while records := self._still_ours(records, shared, published):
            time = time_after(self.fold, self.clock())
            final = [self._with_dropped(record, time) for record in records]
            commit = commit_after(self.fold, time, shared, Change(records=tuple(final)))
            if self.log.append(commit, self.run.spare("commit")):
                published.records += final
                if any(record.is_ok for record in final):
                    self.contract = shared.schema
                published.projection = project(self.log, self.run, self.fold, synced=commit.number)
                return
            self.log.extend(self.fold)

    def _still_ours(
        self, records: Sequence[Materialization], shared: Provenance, published: Published
    ) -> list[Materialization]:
        """The records of keys that no other run has changed; the versions of the others are removed."""
        kept = []
        for record in records:
            if not self._is_lost(record, shared):
                kept.append(record)
                continue
            for version in (record.version, record.displaced):
                if version is not None and record.result != "unchanged":
                    self._disk.remove(self._disk.path(version.path))
            self._lose(record, published)
        return kept

    def _with_dropped(self, record: Materialization, time: datetime) -> Materialization:
        """The record, naming the versions of its key that are let go with it."""
        if not record.is_ok:
            return record
        state = self.fold.key(record.key)
        # The one that somebody else put there came after ours, and nobody can make it again.
        leaving = [state.version if record.result != "unchanged" else None, record.displaced]
        superseded = [*state.superseded, *(Superseded(version, time) for version in leaving if version)]
        dropped = self.retention.expired(superseded, time)
        # Damaged bytes are of no use to history or rollback: nothing waits for their grace.
        spoilt = [state.version] if state.version and state.is_damaged and record.result != "unchanged" else []
        return record.with_(dropped=(*dropped, *(version for version in spoilt if version not in dropped)))

    def _is_lost(self, record: Materialization, shared: Provenance) -> bool:
        """Whether the key was changed or frozen since it was planned, or the contract was, or what keys mean."""
        state = self.fold.key(record.key)
        is_other = state.commit != record.base or (state.is_frozen and not self.is_forced)
        is_other = is_other or self.fold.schema not in (self.contract, shared.schema)
        return is_other or dict(self.fold.partitions) not in ({}, dict(shared.partitions))

    def _lose(self, record: Materialization, published: Published) -> None:
        """A key that moved: settled where the winner did the same work, to be planned again otherwise."""
        won = self.fold.key(record.key).current
        is_known = all(item.version is not None for item in record.inputs.values())
        if won is not None and is_known and won.code == record.code and dict(won.inputs) == dict(record.inputs):
            published.records.append(record.with_(result="unchanged", version=won.version))
        else:
            published.lost.append(record.key)


def _is_same(item: Staged, current: Version) -> bool:
    """Whether the bytes are those of the current version, or the same rows written by another release."""
    if item.digest == current.digest:
        return True
    return item.writer != current.writer and item.row_count == current.row_count and item.same_rows(current)
