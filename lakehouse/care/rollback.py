"""An earlier version of a partition published again: held against today's contract, committed, and frozen.

Knows which versions the log remembers and which are kept. Refuses to compute anything, and to copy bytes: the record
names the version that lies there already.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from functools import partial
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from lakehouse.amend import Amendment, Change
from lakehouse.assets import Asset
from lakehouse.commits import Commit, Mark
from lakehouse.disk import digest_file
from lakehouse.errors import AuditError, RequestError
from lakehouse.fold import Fold, KeyState, Superseded
from lakehouse.log import Log
from lakehouse.partitions import Partition
from lakehouse.records import Materialization, Provenance, Version, from_instant
from lakehouse.retention import Retention

__all__ = ["Earlier", "again", "audited", "earlier", "roll_back"]


class Earlier(Struct, frozen=True, kw_only=True):
    """What a key is rolled back to.

    Attributes:
        record: the newest record that names the version.
        shared: what that record shares with the others of its commit.
        commit: that commit's number.
    """

    record: Materialization
    shared: Provenance
    commit: int

    @property
    def version(self) -> Version:
        """The bytes."""
        assert self.record.version is not None  # noqa: S101  by which it was found
        return self.record.version


def earlier(log: Log, fold: Fold, key: str, position: int | None) -> Earlier:
    """The version of a key to roll back to.

    Args:
        log: the asset's log.
        fold: its state.
        key: which.
        position: the commit whose version is wanted; None: the last version before the current one.

    Raises:
        RequestError: there is no such version, it is the current one, or its bytes are no longer kept.
    """
    state = fold.key(key)
    if position is None and not state.superseded:
        raise _not_kept(fold, key, "has no earlier version", state)
    wanted = state.superseded[-1].version.path if position is None else None
    for commit in _backward(log, fold.number if position is None else position):
        for record in commit.records:
            if record.key != key or record.result in ("failed", "blocked"):
                continue
            if wanted is None:
                wanted = record.version.path if record.version else ""
            if record.version is not None and record.version.path == wanted:
                found = Earlier(record=record, shared=commit.shared, commit=commit.number)
                return _require_kept(fold, key, found)
        if wanted == "":
            break
    raise _not_kept(fold, key, f"had no data at commit {position}", state)


def _backward(log: Log, end: int) -> Iterator[Commit]:
    for number in range(end, 0, -1):
        yield from log.commits(number - 1, number)


def _require_kept(fold: Fold, key: str, found: Earlier) -> Earlier:
    state = fold.key(key)
    if state.version is not None and state.version.path == found.version.path:
        message = f"{fold.asset} {key}: commit {found.commit} brought the version that it has now"
        raise RequestError(message, code="version-current", help=f"see them: lake history {fold.asset} {key}")
    if found.version.path not in {version.path for version in state.versions}:
        raise _not_kept(fold, key, f"no longer has the version of commit {found.commit}", state)
    return found


def _not_kept(fold: Fold, key: str, what: str, state: KeyState) -> RequestError:
    kept = len(state.superseded)
    beside = "no other is" if not kept else "1 other is" if kept == 1 else f"{kept} others are"
    return RequestError(
        f"{fold.asset} {key} {what}",
        code="version-gone",
        help=f"{beside} kept; Lake(..., keep_versions=…) says how many. See: lake history {fold.asset} {key}",
    )


def audited(asset: Asset, partition: Partition, fold: Fold, found: Earlier, file: Path) -> Earlier:
    """An earlier version, if it may be published today: whole, of the same contract, and passing today's checks.

    Args:
        asset: whose version it is.
        partition: which key it is of.
        fold: the log's state.
        found: the version.
        file: its bytes.

    Raises:
        AuditError: it may not be.
    """
    from lakehouse.audit import contract_for, require_staged
    from lakehouse.dtypes import parse_type

    key, schema = found.record.key, found.record.schema or ()
    if not file.exists() or digest_file(file) != found.version.digest:
        raise AuditError(
            f"{asset.name} {key}: the version of commit {found.commit} is damaged; nothing published",
            code="version-damaged",
            help="see what else is: lake verify",
        )
    contract_for(asset, {name: parse_type(kind) for name, kind in schema}, fold.schema, may_change=False)
    require_staged(file, schema, found.version.row_count)
    if not asset.checks:
        return found
    from lakehouse.checks.judging import judge_file, refusal

    verdicts = judge_file(asset, partition, file, None)
    if (error := refusal(f"{asset.name} {key}", verdicts)) is not None:
        raise error
    return replace(found, record=found.record.with_(checks=tuple(verdict.to_json() for verdict in verdicts)))


def roll_back(amendment: Amendment, retention: Retention, found: Mapping[str, Earlier]) -> list[Materialization]:
    """Publish earlier versions again, and freeze their keys: else the next run would make them as they were.

    Args:
        amendment: amends the asset's log.
        retention: which superseded versions stay.
        found: by key, the version; audited.

    Returns:
        One record a key.

    Raises:
        RequestError: another run changed a key meanwhile, so that its version is no longer kept, or is current.
        StorageError: the log cannot be read or written.
    """
    made: list[Materialization] = []
    # The records of a commit share their code and contract: one commit for all that came of the same.
    groups: dict[str, dict[str, Earlier]] = {}
    for key, item in found.items():
        groups.setdefault(repr((item.shared.code, item.shared.schema)), {})[key] = item
    for group in groups.values():
        amended = amendment.commit(partial(_change, amendment, retention, group))
        if amended is not None:
            made += amended.commit.records
    return made


def _change(
    amendment: Amendment, retention: Retention, found: Mapping[str, Earlier], fold: Fold, time: datetime
) -> Change:
    for key, item in found.items():
        _require_kept(fold, key, item)
    records = tuple(
        again(fold.key(key), item, retention, run=amendment.run.id, time=time) for key, item in found.items()
    )
    marks = tuple(Mark(key=record.key, partition=record.partition, frozen=True) for record in records)
    return Change(records=records, marks=marks, made_by=next(iter(found.values())).shared)


def again(state: KeyState, found: Earlier, retention: Retention, *, run: str, time: datetime) -> Materialization:
    """The record that publishes an earlier version of a key again, in the state that the key is in."""
    leaving = [item for item in state.superseded if item.version.path != found.version.path]
    if state.version is not None:
        leaving.append(Superseded(state.version, time))
    return found.record.with_(
        result="replaced",
        reason=f"rolled back to commit {found.commit} ({from_instant(found.record.finished)[:16]}Z)",
        run=run,
        started=time,
        finished=time,
        base=state.commit,
        kept=state.version,
        kept_made=state.current and state.current.finished,
        displaced=None,
        error=None,
        dropped=retention.expired(leaving, time),
    )
