"""The partitions of a frame that nobody declared: staged, audited and published, the last writer's rows staying.

Knows the order of those steps. Refuses to know how rows are divided by key, or how a commit is made.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from lakehouse import layout
from lakehouse.assets import Asset, SortBy
from lakehouse.author import author
from lakehouse.callsite import CallSite
from lakehouse.disk import digest_file
from lakehouse.errors import ComputeError, LakeError, RequestError
from lakehouse.fold import Fold
from lakehouse.framefolders import require_alone
from lakehouse.log import Log
from lakehouse.partitions import Partitions
from lakehouse.portions import Portion
from lakehouse.projection import Projection, project
from lakehouse.publish import Publisher, Staged
from lakehouse.records import Input, Materialization, Provenance
from lakehouse.retention import Retention
from lakehouse.staging import Run
from lakehouse.survey import require_same_keys
from lakehouse.versions import digest_of

if TYPE_CHECKING:
    from lakehouse.compute import Batch

__all__ = ["FrameWriter"]

_RACES: Final = 3
_WRITER: Final = "write_partitions"
_INPUTS: Final = {"frame": Input(kind="source", version=None)}  # nobody can tell whether it is the same another time
_LEFT: Final = "a file that somebody else put there meanwhile was left as it is; the log has newer data"
# What a caller of the function writes where a command has an option.
_HELP: Final = {
    "schema-changed": "if that is meant, write with allow_schema_change=True",
    "unrecorded": "to replace it (it is kept as a version), write with force=True",
    "partitions-changed": "write it by the same columns, or under another name",
}


def _now() -> datetime:
    return datetime.now(UTC)


class FrameWriter(Struct, eq=False, kw_only=True):
    """One call of the writer.

    Attributes:
        log: the asset's.
        run: whose folder is used.
        fold: the log's state as of the last look.
        kind: the definition that the partition columns make, none of its keys told.
        sort_by: how rows are sorted.
        retention: which superseded versions stay.
        may_change: whether the contract may be another from now on.
        is_forced: whether foreign files and frozen partitions are replaced.
        where: the caller's line.
    """

    log: Log
    run: Run
    fold: Fold
    kind: Partitions
    sort_by: SortBy
    retention: Retention
    may_change: bool
    is_forced: bool
    where: CallSite
    _results: dict[str, Materialization] = field(default_factory=dict)

    def write(self, frame: object, asked: Iterable[Any]) -> list[Materialization]:
        """Stage, audit and publish every partition of the frame; one result a key."""
        _require_projected(project(self.log, self.run, self.fold))
        with self._explained():
            batch = self._computed(frame, asked)
        keys = [*batch.parts]
        require_alone(self.log.disk, self.log.asset, map(self._folders, keys))
        publisher = Publisher(
            log=self.log,
            run=self.run,
            retention=self.retention,
            clock=_now,
            is_forced=self.is_forced,
            fold=self.fold,
            contract=self.fold.schema,
        )
        shared = Provenance(
            run=self.run.id,
            code=self._code,
            code_parts={_WRITER: self._code},
            schema=batch.schema,
            partitions=self.kind.describe(),
            by=author(),
        )
        portion = Portion(_now())
        for key in keys:
            record = self._record(key, batch)
            if not self._is_left_frozen(record):
                portion.add(self._staged(record, batch))
            if portion.is_due(_now()):
                self._publish(portion.staged, publisher, shared)
                portion = Portion(_now())
        self._publish(portion.staged, publisher, shared)
        return [self._results[key] for key in keys]

    @property
    def _code(self) -> str:
        """What stands for the code: how the files are laid out."""
        return digest_of({"by": json.dumps(self.kind.columns), "sort_by": json.dumps(self.sort_by)})

    @property
    def _asset(self) -> Asset:
        """What a lakefile would declare."""
        return Asset(
            name=self.log.asset,
            function=None,
            reads=(),
            is_per_key=False,
            partitions=self.kind,
            sort_by=self.sort_by,
            schema=None,
            version=None,
            description="",
            where=self.where,
        )

    def _computed(self, frame: object, asked: Iterable[Any]) -> Batch:
        """The rows of each key, in memory or in files."""
        from lakehouse.framebatch import frame_batch, frame_rows
        from lakehouse.framekeys import frame_keys

        asset, spool = self._asset, partial(self.run.spare, "spool")
        require_same_keys(asset, self.fold)
        rows, room = frame_rows(frame, name=asset.name, spool=spool, where=self.where)
        keys = frame_keys(rows, self.kind, asked, self.fold)
        return frame_batch(rows, keys, asset, self.fold.schema, may_change=self.may_change, spool=room)

    def _folders(self, key: str) -> str:
        return layout.partition_path(self.kind.columns, self.kind.values(key))

    def _record(self, key: str, batch: Batch) -> Materialization:
        """The record of a partition before anything came of it."""
        now, current = _now(), self.fold.key(key).current
        return Materialization(
            asset=self.log.asset,
            key=key,
            partition=dict(zip(self.kind.columns, self.kind.values(key), strict=True)),
            result="skipped",
            reason=_WRITER,
            run=self.run.id,
            started=now,
            finished=now,
            path=layout.hive_file(self.log.asset, self._folders(key)),
            schema=batch.schema,
            code=self._code,
            inputs=_INPUTS,
            kept=None if current is None else current.version,
            kept_made=None if current is None else current.finished,
        )

    def _is_left_frozen(self, record: Materialization) -> bool:
        """Whether a partition is left as it is, and told so, for somebody froze it."""
        state = self.fold.key(record.key)
        if not state.is_frozen or self.is_forced:
            return False
        frozen = RequestError(
            f"{record.asset} {record.key} is frozen",
            code="frozen",
            help=f"lake unfreeze {record.asset} {record.key}, or write with force=True",
        )
        self._results[record.key] = record.with_(version=state.version, error=frozen.to_json())
        return True

    def _staged(self, record: Materialization, batch: Batch) -> Staged:
        """One partition written into the run's folder, opened again, and its digest taken."""
        from lakehouse.audit import has_same_rows, require_staged
        from lakehouse.compute import writer

        part, file = batch.parts.pop(record.key), self.run.spare("part")
        with self._explained():
            part.write(file, batch.order)
            require_staged(file, batch.schema, part.row_count)
        return Staged(
            file=file,
            digest=digest_file(file),
            row_count=part.row_count,
            writer=writer(),
            record=record.with_(finished=_now()),
            same_rows=lambda version: has_same_rows(file, self.log.disk.path(version.path)),
        )

    @contextlib.contextmanager
    def _explained(self) -> Iterator[None]:
        """An engine's error in the block is told in the lake's words."""
        from lakehouse.calls import ENGINE_ERRORS, engine_error

        try:
            yield
        except LakeError as error:
            error.help = _HELP.get(error.code, error.help)
            raise
        except ENGINE_ERRORS as error:
            raise engine_error(error, self.log.asset, at=self.run.folder) from error

    def _publish(self, staged: Sequence[Staged], publisher: Publisher, shared: Provenance) -> None:
        """Publish, and again where another run came between: of two writers, the last one's rows stay."""
        pending = list(staged)
        for _ in range(_RACES):
            if not pending:
                return
            self.log.extend(self.fold)
            with self._explained():
                require_same_keys(self._asset, self.fold)
            pending = [item for item in pending if not self._is_left_frozen(item.record)]
            published = publisher.publish([self._on_the_end(item) for item in pending], (), shared)
            left = published.projection.unrecorded if published.projection else ()
            for record in published.records:
                self._results[record.key] = _told(record, is_left=record.key in left)
            if published.projection is not None:
                _require_projected(published.projection)
            pending = [item for item in pending if item.record.key in published.lost]
        lost = ComputeError(
            f"other runs changed the partition {_RACES} times while it was published",
            code="race-lost",
            help="write it again",
        )
        for item in pending:
            self._results[item.record.key] = item.record.with_(result="failed", error=lost.to_json())

    def _on_the_end(self, item: Staged) -> Staged:
        """A partition planned on the log's end, under a name that publishing may take away."""
        name = self.run.spare("part")
        self.log.disk.link(item.file, name)
        return replace(item, file=name, record=item.record.with_(base=self.fold.key(item.record.key).commit))


def _told(record: Materialization, *, is_left: bool) -> Materialization:
    """A record as its caller reads it."""
    error = record.error and {**record.error, "help": _HELP.get(record.error["code"], record.error["help"])}
    return record.with_(notes=(_LEFT,) if is_left else (), error=error)


def _require_projected(projection: Projection) -> None:
    if projection.error is not None:
        raise projection.error
