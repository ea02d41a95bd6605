"""What is added to a log at once: records of partitions made, and marks on partitions that were not.

Knows a commit's fields and its file's bytes. Refuses to know where the log lies or how commits add up.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self

from msgspec import Struct, field

from lakehouse import layout
from lakehouse.records import (
    FORMAT,
    Materialization,
    Provenance,
    Version,
    dump,
    from_instant,
    load,
    to_instant,
)

__all__ = ["Commit", "Mark"]


class Mark(Struct, frozen=True, kw_only=True):
    """What a commit says of one key without making it.

    Attributes:
        key: the partition key.
        partition: the key by column.
        frozen: whether the key is left as it is from now on, until somebody says otherwise; None: as before.
        damaged: SHA-256 that the current version's bytes should have and no longer do; None: as before.
        dropped: superseded versions that are let go.
    """

    key: str
    partition: Mapping[str, str]
    frozen: bool | None = None
    damaged: str | None = None
    dropped: tuple[Version, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values, those that are not set left out."""
        shown: dict[str, Any] = {"key": self.key, "partition": dict(self.partition)}
        if self.frozen is not None:
            shown["frozen"] = self.frozen
        if self.damaged is not None:
            shown["damaged"] = self.damaged
        if self.dropped:
            shown["dropped"] = [version.to_json() for version in self.dropped]
        return shown

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave; fields of later releases are passed over."""
        return cls(
            key=data["key"],
            partition=layout.require_partition(data["partition"]),
            frozen=data.get("frozen"),
            damaged=data.get("damaged"),
            dropped=tuple(Version.from_json(item) for item in data.get("dropped", ())),
        )


class Commit(Struct, frozen=True, kw_only=True):
    """One numbered, immutable file of an asset's log.

    Attributes:
        asset: the asset's name.
        number: 1, 2, 3, … without a hole.
        previous: SHA-256 of the file of the commit before; None in the first.
        time: when; later than the commit before, whatever the clock says.
        shared: what its records have in common.
        records: one for each key that it speaks of.
        marks: what it says of keys without making them; they count after the records.
        listed: for partition columns whose keys are kept in the lake, the keys that there are from now on.
    """

    asset: str
    number: int
    previous: str | None
    time: datetime
    shared: Provenance
    records: tuple[Materialization, ...] = ()
    marks: tuple[Mark, ...] = ()
    listed: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def to_bytes(self) -> bytes:
        """The file's bytes."""
        content = {
            "format": FORMAT,
            "asset": self.asset,
            "number": self.number,
            "previous": self.previous,
            "time": from_instant(self.time),
            **self.shared.to_json(),
            "records": [record.to_record() for record in self.records],
            **({"marks": [mark.to_json() for mark in self.marks]} if self.marks else {}),
            **({"listed": {column: list(keys) for column, keys in self.listed.items()}} if self.listed else {}),
        }
        return dump(content, indent=1) + b"\n"

    @classmethod
    def from_bytes(cls, data: bytes) -> tuple[Self, str]:
        """The commit that a file holds, and the file's SHA-256.

        Raises:
            ValueError, KeyError, TypeError: where the bytes are no commit of a known format.
        """
        content = load(data)
        shared = Provenance.from_json(content)
        commit = cls(
            asset=content["asset"],
            number=content["number"],
            previous=content["previous"],
            time=to_instant(content["time"]),
            shared=shared,
            records=tuple(
                Materialization.from_record(record, asset=content["asset"], shared=shared)
                for record in content["records"]
            ),
            marks=tuple(Mark.from_json(mark) for mark in content.get("marks", ())),
            listed={column: tuple(keys) for column, keys in dict(content.get("listed", {})).items()},
        )
        return commit, hashlib.sha256(data).hexdigest()
