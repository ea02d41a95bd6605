"""Snapshots: plain Hive trees that never change, one pinned commit an asset; those that there are and the next one.

Knows what a snapshot may be called and what it holds. Refuses to write: `snapshotwriter` does that.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Final, Self

from msgspec import Struct, field

from lakehouse import layout
from lakehouse.disk import Disk
from lakehouse.errors import RequestError, StorageError
from lakehouse.fold import Fold
from lakehouse.records import Version, load, to_instant
from lakehouse.storage_errors import storage_errors

__all__ = [
    "FACTS",
    "Pinned",
    "Snapshot",
    "current_versions",
    "planned",
    "require_snapshot",
    "snapshots",
    "taken",
]

FACTS: Final = "snapshot.json"
"""The file beside the assets' folders that tells what a snapshot is."""

_NAME: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9_-])?", re.ASCII)
_LONGEST: Final = 100
_DEVICES: Final = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE | re.ASCII)  # to Windows
_RESERVED: Final = ("list", "remove")  # words of the command line


class Pinned(Struct, frozen=True, kw_only=True):
    """One asset in a snapshot.

    Attributes:
        asset: its name.
        commit: the position of its log.
        columns: its partition columns, in the order of the folders.
        partitions: how many it has.
        row_count: rows of all.
        size_bytes: size of all files.
    """

    asset: str
    commit: int
    columns: tuple[str, ...]
    partitions: int
    row_count: int
    size_bytes: int

    @property
    def pattern(self) -> str:
        """What finds its files in the snapshot's folder: ``monthly_orders/*/part.parquet``."""
        return "/".join([self.asset, *("*" for _ in self.columns), layout.PART_FILE])

    def to_json(self) -> dict[str, Any]:
        """The fields as JSON values."""
        return {name: getattr(self, name) for name in self.__struct_fields__} | {"columns": list(self.columns)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Read what `to_json` gave; fields of later releases are passed over."""
        return cls(**{name: data[name] for name in cls.__struct_fields__} | {"columns": tuple(data["columns"])})


class Snapshot(Struct, frozen=True, kw_only=True):
    """A snapshot.

    Attributes:
        name: which.
        path: its folder, relative to the lake's root.
        made: when it was taken; None where nothing in the folder tells, or it is yet to be taken.
        by: user, host and command.
        assets: what it holds.
    """

    name: str
    path: str
    made: datetime | None = None
    by: Mapping[str, str] = field(default_factory=dict)
    assets: tuple[Pinned, ...] = ()


def snapshots(disk: Disk) -> list[Snapshot]:
    """The snapshots that there are, oldest first; last those whose folder does not tell what it is.

    Raises:
        StorageError: their folder cannot be read.
    """
    folder, names = disk.path(layout.snapshot_folder("")), []
    with storage_errors(folder, "looking for snapshots"), suppress(FileNotFoundError), os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.is_dir(follow_symlinks=False)]
    found = [_read(disk, name) for name in names]
    return sorted(found, key=lambda item: (item.made is None, item.made and item.made.timestamp(), item.name))


def _read(disk: Disk, name: str) -> Snapshot:
    path = layout.snapshot_folder(name)
    try:
        content = load(disk.path(f"{path}/{FACTS}").read_bytes())
        assets = tuple(Pinned.from_json(item) for item in content["assets"])
        return Snapshot(name=name, path=path, made=to_instant(content["made"]), by=dict(content["by"]), assets=assets)
    except (OSError, ValueError, KeyError, TypeError):
        return Snapshot(name=name, path=path)


def require_snapshot(disk: Disk, name: str) -> Snapshot:
    """The snapshot of a name.

    Raises:
        RequestError: there is none.
    """
    found = {snapshot.name: snapshot for snapshot in snapshots(disk)}
    if name not in found:
        raise RequestError(
            f"there is no snapshot {name!r}",
            code="snapshot-unknown",
            help=f"there are {', '.join(found)}" if found else "there is none; take one: lake snapshot NAME",
        )
    return found[name]


def planned(disk: Disk, name: str, folds: Sequence[Fold]) -> Snapshot:
    """The snapshot that may be taken.

    Args:
        disk: the lake's.
        name: the snapshot's.
        folds: each asset at the position that counts; those without data are left out.

    Raises:
        RequestError: the name cannot be that of a snapshot, or is taken; or none of the assets has data.
        AuditError: an asset has partitions of two schemas.
        StorageError: the lake cannot be read, or a partition is damaged.
    """
    _require_free(disk, name)
    if not (pinned := tuple(_pinned(fold) for fold in folds if current_versions(fold))):
        raise RequestError(
            "there is nothing to take a snapshot of: no partition is made",
            code="snapshot-empty",
            help="make some first: lake materialize latest",
        )
    return Snapshot(name=name, path=layout.snapshot_folder(name), assets=pinned)


def _require_free(disk: Disk, name: str) -> None:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST or _DEVICES.fullmatch(name) or name in _RESERVED:
        raise RequestError(
            f"{name!r} cannot be the name of a snapshot",
            code="snapshot-name",
            help="a name is letters, digits, - _ and . within it, such as before-fix; not list or remove",
        )
    # What differs only in case is one folder on some file systems.
    for snapshot in snapshots(disk):
        if snapshot.name.casefold() == name.casefold():
            raise taken(snapshot.name)


def taken(name: str) -> RequestError:
    """The refusal to take a snapshot under a name that one has."""
    return RequestError(
        f"there is a snapshot {name!r} already, and a snapshot never changes",
        code="snapshot-taken",
        help=f"choose another name, or remove it first: lake snapshot remove {name}",
    )


def current_versions(fold: Fold) -> dict[str, Version]:
    """The version of each key that has data."""
    return {key: state.version for key, state in fold.keys.items() if state.version is not None}


def _pinned(fold: Fold) -> Pinned:
    versions = current_versions(fold)
    if outdated := fold.outdated(versions):
        from lakehouse.audit import outdated_columns

        raise outdated_columns(fold.asset, outdated)
    if damaged := [key for key in versions if fold.key(key).is_damaged]:
        raise StorageError(
            f"{fold.asset} {damaged[0]} is damaged: its bytes are not those that were published",
            code="version-damaged",
            help=f"make it again: lake materialize --stale -a {fold.asset}",
            context={"asset": fold.asset, "keys": damaged},
        )
    current = fold.key(next(iter(versions))).current
    return Pinned(
        asset=fold.asset,
        commit=fold.number,
        columns=tuple(current.partition) if current else (),
        partitions=len(versions),
        row_count=sum(version.row_count for version in versions.values()),
        size_bytes=sum(version.size_bytes for version in versions.values()),
    )
