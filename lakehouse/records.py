"""What the log says of a partition: its version, what it was made of, what came of an attempt; and their JSON.

Knows the fields and how they are spelled on disk. Refuses to know what a commit is, or how commits add up.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal, Self

from msgspec import Struct, field
from msgspec.structs import replace

from lakehouse import layout

__all__ = [
    "FORMAT",
    "FormatError",
    "Input",
    "Materialization",
    "Provenance",
    "Result",
    "Schema",
    "Version",
    "dump",
    "from_instant",
    "load",
    "to_instant",
]

FORMAT: Final = 1

Result = Literal["created", "replaced", "unchanged", "fresh", "blocked", "failed", "skipped", "wiped"]
Schema = tuple[tuple[str, str], ...]
"""Column names and type names (``("status", "str")``), in the file's order, partition columns left out."""


def from_instant(moment: datetime) -> str:
    """An instant as it stands in JSON: UTC, ISO 8601, microseconds."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def to_instant(text: str) -> datetime:
    """The aware instant that `from_instant` wrote."""
    return datetime.fromisoformat(text)


def dump(content: Mapping[str, Any], *, indent: int | None = None) -> bytes:
    """JSON in UTF-8: what cannot stand there, such as half of a surrogate pair in a message, is escaped."""
    return json.dumps(content, ensure_ascii=False, indent=indent).encode(errors="backslashreplace")


class FormatError(ValueError):
    """What is written is of a later release's format: no fault of the data's."""


def load(data: bytes) -> dict[str, Any]:
    """What `dump` gave, if it is of this release's format.

    Raises:
        ValueError, KeyError, TypeError: it is not.
    """
    try:
        content = json.loads(data)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(content, dict):
        raise TypeError(f"{type(content).__name__}, not an object")
    if content["format"] != FORMAT:
        what = f"format {content['format']!r}; this release reads {FORMAT}"
        raise FormatError(what) if type(content["format"]) is int and content["format"] > FORMAT else ValueError(what)
    return content


class Version(Struct, frozen=True, kw_only=True):
    """The bytes of one partition, kept once under ``.lake/versions``.

    Attributes:
        digest: SHA-256 of the file's bytes, hexadecimal.
        path: the file, relative to the lake's root.
        row_count: rows in the file; -1 where nobody counted them (a file that somebody else put there).
        size_bytes: its size.
        mtime_ns: its modification time, nanoseconds since the epoch; hard links share it.
        writer: who encoded it (``polars 2.1.0``); other writers encode the same rows as other bytes.
    """

    digest: str
    path: str
    row_count: int
    size_bytes: int
    mtime_ns: int
    writer: str

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {name: getattr(self, name) for name in self.__struct_fields__}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave; fields of later releases are passed over.

        Raises:
            ValueError: the path is not one of a version's.
        """
        return cls(
            digest=data["digest"],
            path=layout.require_version_path(data["path"]),
            row_count=data["row_count"],
            size_bytes=data["size_bytes"],
            mtime_ns=data["mtime_ns"],
            writer=data["writer"],
        )


class Input(Struct, frozen=True, kw_only=True):
    """The version of one thing that was read.

    Attributes:
        kind: a source; an asset of this lake; or the rows that a source or view has for one key.
        version: its digest; None where it cannot be told, which never counts as unchanged.
        position: for an asset, the commit up to which its log was read.
        keys: the upstream keys that were read, as a person would select them; None where it is the key itself.
        absent: what the rule asked for and the upstream does not have, in words; empty where it has all.
    """

    kind: Literal["source", "asset", "rows"]
    version: str | None
    position: int | None = None
    keys: str | None = None
    absent: str = ""

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values, those that are not set left out."""
        shown: dict[str, Any] = {"kind": self.kind, "version": self.version}
        optional = {"position": self.position, "keys": self.keys, "absent": self.absent or None}
        return shown | {name: value for name, value in optional.items() if value is not None}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave; fields of later releases are passed over."""
        return cls(
            kind=data["kind"],
            version=data["version"],
            position=data.get("position"),
            keys=data.get("keys"),
            absent=data.get("absent", ""),
        )


class Provenance(Struct, frozen=True, kw_only=True):
    """What the records of one commit share: who made them, of which code, under which contract.

    Attributes:
        run: the id of the run.
        code: the digest of what computes the asset.
        code_parts: each function, view and declaration that went into it, with its own digest.
        schema: the contract, None before anything was made.
        partitions: what the keys mean (kind, column, time zone, format), never their extent.
        by: user, host and command.
    """

    run: str
    code: str
    code_parts: Mapping[str, str]
    schema: Schema | None
    partitions: Mapping[str, str]
    by: Mapping[str, str]

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {
            "run": self.run,
            "code": self.code,
            "code_parts": dict(self.code_parts),
            "schema": None if self.schema is None else [list(column) for column in self.schema],
            "partitions": dict(self.partitions),
            "by": dict(self.by),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave; fields of later releases are passed over."""
        schema = data["schema"]
        return cls(
            run=data["run"],
            code=data["code"],
            code_parts=dict(data["code_parts"]),
            schema=None if schema is None else tuple((name, kind) for name, kind in schema),
            partitions=dict(data["partitions"]),
            by=dict(data["by"]),
        )


class Materialization(Struct, frozen=True, kw_only=True):
    """What came of one attempt to make one partition: the log's record, and what `Lake.materialize` returns.

    Attributes:
        asset: the asset's name.
        key: the partition key (``2018-02``).
        partition: the key by column (``{"partition_date": "2018-02"}``).
        result: *created*, *replaced*, *unchanged* (computed, same bytes), *fresh* (not computed, no record),
            *blocked* (refused by the audit), *failed*, *skipped*, *wiped* (deleted, with all its versions).
        reason: why it was made, or why not.
        base: the commit of this key that it was planned on; 0 where there was none.
        version: the bytes that the key has now; None where it has none.
        path: the partition's file in the Hive tree, relative to the lake's root.
        schema: names and types of the file's columns.
        code: digest of what computed it.
        inputs: the version of each thing that was read, by name.
        checks: what the checks said.
        run: the id of the run, which all records of one command share.
        started, finished: instants, in UTC.
        error: code, message and details, where the result is *blocked*, *failed* or *skipped*.
        kept: the version that the partition had before the attempt; a failed one left it in place.
        kept_made: when that was made.
        displaced: a copy of the file that somebody else had put there, kept as a version.
        dropped: superseded versions that are let go with this record.
        notes: what a reader of the result should know (rows of no key, a batch made key by key).
    """

    asset: str
    key: str
    partition: Mapping[str, str]
    result: Result
    reason: str
    run: str
    started: datetime
    finished: datetime
    base: int = 0
    version: Version | None = None
    path: str = ""
    schema: Schema | None = None
    code: str = ""
    inputs: Mapping[str, Input] = field(default_factory=dict)
    checks: tuple[Mapping[str, Any], ...] = ()
    error: Mapping[str, Any] | None = None
    kept: Version | None = None
    kept_made: datetime | None = None
    displaced: Version | None = None
    dropped: tuple[Version, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def row_count(self) -> int | None:
        """Rows that the partition has now; None where it has none."""
        return None if self.version is None else self.version.row_count

    @property
    def size_bytes(self) -> int | None:
        """Size of its file; None where it has none."""
        return None if self.version is None else self.version.size_bytes

    @property
    def data_version(self) -> str | None:
        """SHA-256 of its file; None where it has none."""
        return None if self.version is None else self.version.digest

    @property
    def is_ok(self) -> bool:
        """Whether the partition is now what was asked for, or is left alone because it is frozen."""
        return self.result in ("created", "replaced", "unchanged", "fresh") or self.is_frozen

    @property
    def is_frozen(self) -> bool:
        """Whether it was left as it is because it is frozen."""
        return self.result == "skipped" and self.error is not None and self.error["code"] == "frozen"

    @property
    def is_kept(self) -> bool:
        """Whether nothing was computed and nothing is wrong: it was fresh, or frozen."""
        return self.result == "fresh" or self.is_frozen

    def with_(self, **changes: Any) -> Materialization:
        """A copy with other fields."""
        return replace(self, **changes)

    def to_record(self) -> dict[str, Any]:
        """The record as the log keeps it: what the commit shares is left to the commit."""
        shown: dict[str, Any] = {
            "key": self.key,
            "partition": dict(self.partition),
            "result": self.result,
            "reason": self.reason,
            "base": self.base,
            "version": self.version and self.version.to_json(),
            "inputs": {name: item.to_json() for name, item in self.inputs.items()},
            "started": from_instant(self.started),
            "finished": from_instant(self.finished),
        }
        optional = {
            "checks": [dict(check) for check in self.checks],
            "error": self.error and dict(self.error),
            "displaced": self.displaced and self.displaced.to_json(),
            "dropped": [version.to_json() for version in self.dropped],
        }
        return shown | {name: value for name, value in optional.items() if value}

    @classmethod
    def from_record(cls, data: Mapping[str, Any], *, asset: str, shared: Provenance) -> Self:
        """Read what `to_record` wrote, under the commit's own facts."""
        return cls(
            asset=asset,
            key=data["key"],
            partition=layout.require_partition(data["partition"]),
            result=data["result"],
            reason=data["reason"],
            run=shared.run,
            started=to_instant(data["started"]),
            finished=to_instant(data["finished"]),
            base=data["base"],
            version=data["version"] and Version.from_json(data["version"]),
            schema=shared.schema,
            code=shared.code,
            inputs={name: Input.from_json(item) for name, item in dict(data["inputs"]).items()},
            checks=tuple(data.get("checks", ())),
            error=data.get("error"),
            displaced=Version.from_json(data["displaced"]) if "displaced" in data else None,
            dropped=tuple(Version.from_json(item) for item in data.get("dropped", ())),
        )
