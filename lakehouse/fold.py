"""What a log adds up to: the state of each key at one position, and the checkpoint that spares reading it again.

Knows how commits follow on each other. Refuses to read files or clocks: commits come in, states come out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final, Self

from msgspec import Struct, field
from msgspec.structs import replace

from lakehouse.commits import Commit, Mark
from lakehouse.records import (
    FORMAT,
    Materialization,
    Provenance,
    Schema,
    Version,
    dump,
    from_instant,
    load,
    to_instant,
)

__all__ = ["Fold", "KeyState", "Superseded"]


class Superseded(Struct, frozen=True):
    """A version that is no longer current and whose bytes are still kept.

    Attributes:
        version: the bytes.
        since: the instant of the commit that superseded it.
    """

    version: Version
    since: datetime


class KeyState(Struct, frozen=True):
    """What the log says of one key.

    Attributes:
        commit: the number of the commit of its newest record of data (the key's *base*); 0 before the first.
        since: the number of the commit that brought its current version's bytes; 0 before the first.
        current: the newest record that names a version; None where there is none.
        attempt: the newest record, where it failed or was blocked after `current`.
        attempt_commit: the number of that attempt's commit.
        superseded: kept versions, oldest first.
        is_frozen: whether it is left as it is until somebody says otherwise, or forces it.
        is_damaged: whether its current version was found to have other bytes than it should.
    """

    commit: int = 0
    since: int = 0
    current: Materialization | None = None
    attempt: Materialization | None = None
    attempt_commit: int = 0
    superseded: tuple[Superseded, ...] = ()
    is_frozen: bool = False
    is_damaged: bool = False

    @property
    def version(self) -> Version | None:
        """The bytes that the key has now."""
        return self.current.version if self.current else None

    @property
    def versions(self) -> list[Version]:
        """Every version whose bytes are kept, oldest first; the current one last."""
        return [*(item.version for item in self.superseded), *([self.version] if self.version else [])]

    def after(self, commit: Commit, record: Materialization) -> KeyState:
        """The state once the commit's record of this key is added; a key that was frozen or damaged no longer is."""
        if record.result in ("failed", "blocked"):
            return replace(self, attempt=record, attempt_commit=commit.number)
        gone = {version.path for version in record.dropped}
        if record.version is not None:
            gone.add(record.version.path)
        # What somebody else put in place of the lake's own file came after it.
        leaving = [version for version in (self.version, record.displaced) if version is not None]
        kept = [*self.superseded, *(Superseded(version, commit.time) for version in leaving)]
        is_same = record.version is not None and record.data_version == (self.version and self.version.digest)
        return KeyState(
            commit=commit.number,
            since=self.since if is_same else commit.number,
            current=record if record.version is not None else None,
            superseded=tuple(item for item in kept if item.version.path not in gone),
        )

    def marked(self, mark: Mark) -> KeyState:
        """The state once a commit's mark on this key is added."""
        gone = {version.path for version in mark.dropped}
        return replace(
            self,
            superseded=tuple(item for item in self.superseded if item.version.path not in gone),
            is_frozen=self.is_frozen if mark.frozen is None else mark.frozen,
            is_damaged=self.is_damaged or (self.version is not None and mark.damaged == self.version.digest),
        )


_NEVER: Final = KeyState()


class _Shared:
    """What the commits share, by their numbers: no part of what a state shows or equals."""

    __slots__ = ("_shared",)

    _shared: dict[int, Provenance]


class Fold(_Shared, Struct):
    """The state of an asset at one position of its log.

    Attributes:
        asset: the asset's name.
        number: the last commit added; 0 for an empty log.
        digest: SHA-256 of that commit's file; None for an empty log.
        time: its instant; None for an empty log.
        schema: the contract; None before anything was made. Attempts that failed leave it as it was.
        partitions: what the keys mean; empty before anything was made.
        keys: the state of each key that the log speaks of.
        listed: for partition columns whose keys are kept in the lake, the keys that there are.
    """

    asset: str
    number: int = 0
    digest: str | None = None
    time: datetime | None = None
    schema: Schema | None = None
    partitions: Mapping[str, str] = field(default_factory=dict)
    keys: dict[str, KeyState] = field(default_factory=dict)
    listed: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._shared = {}

    def key(self, key: str) -> KeyState:
        """The state of one key; that of a key never made, where the log does not speak of it."""
        return self.keys.get(key, _NEVER)

    def add(self, commit: Commit, digest: str) -> None:
        """Go one commit further.

        Raises:
            ValueError: where the commit does not follow on this position.
        """
        if commit.asset != self.asset or commit.number != self.number + 1 or commit.previous != self.digest:
            raise ValueError(f"commit {commit.number} does not follow on commit {self.number}")
        for record in commit.records:
            self.keys[record.key] = self.key(record.key).after(commit, record)
        for mark in commit.marks:
            self.keys[mark.key] = self.key(mark.key).marked(mark)
        self.number, self.digest, self.time = commit.number, digest, commit.time
        self.listed |= commit.listed
        if any(record.is_ok for record in commit.records):
            self.schema = commit.shared.schema or self.schema
            self.partitions = commit.shared.partitions
        self._shared[commit.number] = commit.shared

    def code_parts(self, key: str) -> Mapping[str, str]:
        """Each function, view and declaration that the key's current version was made of."""
        shared = self._shared.get(self.key(key).commit)
        return shared.code_parts if shared else {}

    def outdated(self, keys: Iterable[str]) -> list[str]:
        """Those of some keys whose current version has other columns than the contract has by now."""
        states = ((key, self.key(key).current) for key in keys)
        return [key for key, current in states if current is not None and current.schema != self.schema]

    def to_checkpoint(self) -> bytes:
        """The whole state as bytes, for a cache: `from_checkpoint` reads it again."""
        return dump(
            {
                "format": FORMAT,
                "asset": self.asset,
                "number": self.number,
                "digest": self.digest,
                "time": self.time and from_instant(self.time),
                "schema": self.schema,
                "partitions": dict(self.partitions),
                "keys": {key: _dump_key(state) for key, state in self.keys.items()},
                "listed": self.listed,
                "shared": self._dump_shared(),
            }
        )

    def _dump_shared(self) -> dict[str, Any]:
        """What the commits share, for those commits only that some key still refers to."""
        used = {number for state in self.keys.values() for number in (state.commit, state.attempt_commit)}
        return {str(number): self._shared[number].to_json() for number in sorted(used) if number}

    @classmethod
    def from_checkpoint(cls, data: bytes) -> Self:
        """Read what `to_checkpoint` gave.

        Raises:
            ValueError, KeyError, TypeError: where the bytes are no checkpoint of this release.
        """
        content = load(data)
        shared = {int(number): Provenance.from_json(item) for number, item in dict(content["shared"]).items()}
        asset = content["asset"]
        fold = cls(
            asset=asset,
            number=content["number"],
            digest=content["digest"],
            time=to_instant(content["time"]) if content["time"] else None,
            schema=content["schema"] and tuple((name, kind) for name, kind in content["schema"]),
            partitions=dict(content["partitions"]),
            keys={key: _load_key(item, asset, shared) for key, item in dict(content["keys"]).items()},
            listed={column: tuple(keys) for column, keys in dict(content["listed"]).items()},
        )
        fold._shared = shared
        return fold


def _dump_key(state: KeyState) -> dict[str, Any]:
    return {
        "commit": state.commit,
        "since": state.since,
        "current": state.current and state.current.to_record(),
        "attempt_commit": state.attempt_commit,
        "attempt": state.attempt and state.attempt.to_record(),
        "frozen": state.is_frozen,
        "damaged": state.is_damaged,
        "superseded": [[item.version.to_json(), from_instant(item.since)] for item in state.superseded],
    }


def _load_key(item: Mapping[str, Any], asset: str, shared: Mapping[int, Provenance]) -> KeyState:
    def read(record: Mapping[str, Any] | None, commit: int) -> Materialization | None:
        return Materialization.from_record(record, asset=asset, shared=shared[commit]) if record else None

    return KeyState(
        commit=item["commit"],
        since=item["since"],
        current=read(item["current"], item["commit"]),
        attempt=read(item["attempt"], item["attempt_commit"]),
        attempt_commit=item["attempt_commit"],
        is_frozen=item["frozen"],
        is_damaged=item["damaged"],
        superseded=tuple(
            Superseded(Version.from_json(version), to_instant(since)) for version, since in item["superseded"]
        ),
    )
