"""The files of a source: which they are, what version they have, and the scan over them.

Knows paths, formats and content digests. Knows nothing of partitions, nor of who reads the source.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lakehouse.assets import Source
from lakehouse.disk import digest_file
from lakehouse.errors import SourceError

if TYPE_CHECKING:
    import polars as pl

__all__ = ["DigestCache", "SourceNow", "look_at", "scan"]

_TRIES: Final = 3
# A file system's clock ticks in steps; a file changed within the same tick as its digest would look unchanged.
_SETTLED_NS: Final = 2 * 10**9

Stamp = tuple[int, int, int, int]


def _stamp(path: Path) -> Stamp:
    status = path.stat()
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


@dataclass(slots=True)
class DigestCache:
    """Digests of files by path, size, times and inode: what was read once is not read again.

    Args:
        known: what an earlier run kept, as `to_json` gave it.
    """

    known: dict[str, tuple[list[int], str]] = field(default_factory=dict)
    is_changed: bool = False

    @classmethod
    def from_json(cls, data: bytes) -> DigestCache:
        """Read what `to_json` gave; anything else counts as nothing kept."""
        try:
            return cls({path: (list(stamp), str(digest)) for path, (stamp, digest) in json.loads(data).items()})
        except (ValueError, TypeError, AttributeError):
            return cls()

    def to_json(self) -> bytes:
        """What is known, for a cache file."""
        return json.dumps(self.known).encode()

    def digest(self, path: Path) -> str | None:
        """SHA-256 of a file; None where it changes faster than it can be read."""
        for _ in range(_TRIES):
            stamp, name = _stamp(path), str(path)
            kept = self.known.get(name)
            if kept and tuple(kept[0]) == stamp:
                return kept[1]
            digest = digest_file(path)
            if _stamp(path) == stamp:
                if time.time_ns() - max(stamp[1], stamp[2]) > _SETTLED_NS:
                    self.known[name] = (list(stamp), digest)
                    self.is_changed = True
                return digest
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceNow:
    """A source as it is at one moment.

    Attributes:
        source: its declaration.
        files: what is read, sorted by name.
        version: a digest of the content (of sizes and times for ``track="stat"``); None where it keeps changing.
        changed: the newest modification time among the files, an instant in UTC.
        size_bytes: the sum of the files' sizes.
    """

    source: Source
    files: tuple[Path, ...]
    version: str | None
    changed: datetime
    size_bytes: int

    def shown(self, path: Path) -> str:
        """A file as the declaration spells it; one of a glob by its name below the pattern's fixed folders."""
        if not self.source.is_glob:
            return self.source.path
        fixed = self.source.path.partition("*")[0].rpartition("/")[0]
        name = path.as_posix()
        return name[name.rindex(fixed) :] if fixed and fixed in name else name


def look_at(source: Source, base: Path, cache: DigestCache, needed_by: Callable[[], str]) -> SourceNow:
    """What a source is now.

    Args:
        source: its declaration.
        base: the project's folder, against which its path resolves.
        cache: digests known from before.
        needed_by: tells what reads it, for the error.

    Raises:
        SourceError: no file is there, or one cannot be read.
    """
    try:
        files = _files(source, base)
        version = _stat_version(files, base) if source.track == "stat" else _content_version(files, base, cache)
        statuses = [path.stat() for path in files]
    except (FileNotFoundError, NotADirectoryError):
        raise SourceError(
            f"{source.path} does not exist",
            code="source-missing",
            details=[f"needed by: {needed_by()}"],
            context={"source": source.name, "path": source.path},
        ) from None
    except (PermissionError, IsADirectoryError) as error:
        raise SourceError(
            f"{source.path} cannot be read: {error.strerror}",
            code="source-unreadable",
            details=[f"needed by: {needed_by()}"],
            context={"source": source.name, "path": source.path},
        ) from None
    return SourceNow(
        source=source,
        files=files,
        version=version,
        changed=datetime.fromtimestamp(max(status.st_mtime for status in statuses), UTC),
        size_bytes=sum(status.st_size for status in statuses),
    )


def _files(source: Source, base: Path) -> tuple[Path, ...]:
    path = os.path.normpath(base / source.path)
    if not source.is_glob:
        return (Path(path),)
    found = sorted(Path(name) for name in glob.iglob(path, recursive=True) if Path(name).is_file())  # noqa: PTH207  absolute
    if not found:
        raise FileNotFoundError(path)
    return tuple(found)


def _name(path: Path, base: Path) -> str:
    return os.path.relpath(path, base)


def _stat_version(files: tuple[Path, ...], base: Path) -> str:
    facts = [(_name(path, base), *_stamp(path)[:2]) for path in files]
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _content_version(files: tuple[Path, ...], base: Path, cache: DigestCache) -> str | None:
    digests = [(_name(path, base), cache.digest(path)) for path in files]
    if any(digest is None for _, digest in digests):
        return None
    if len(digests) == 1:
        return digests[0][1]
    return hashlib.sha256(json.dumps(digests).encode()).hexdigest()


def scan(now: SourceNow) -> pl.LazyFrame:
    """The declared columns, in the declared order and types; nothing is inferred from a few first rows.

    Raises:
        SourceError: a self-describing file holds other columns or types than were declared.
    """
    import polars as pl

    source, files = now.source, [*now.files]
    if source.format == "csv":
        from lakehouse import csv_faults

        assert source.schema is not None  # noqa: S101  the declaration requires it
        return csv_faults.scan(files, source.schema)
    if source.format == "ndjson":
        assert source.schema is not None  # noqa: S101  the declaration requires it
        return pl.scan_ndjson(files, schema=source.schema).select(list(source.schema))
    if source.format == "parquet":
        frame = pl.scan_parquet(files, hive_partitioning=False, glob=False)
    else:
        frame = pl.scan_ipc(files, hive_partitioning=False, glob=False)
    if source.schema is None:
        return frame
    _require_schema(source, frame.collect_schema())
    return frame.select(list(source.schema))


def _require_schema(source: Source, found: Mapping[str, pl.DataType]) -> None:
    for name, dtype in (source.schema or {}).items():
        if name not in found:
            raise SourceError(
                f"{source.path} has no column {name!r}, which {source.name} declares ({source.where})",
                help=f"it has {', '.join(found)}",
                context={"source": source.name, "column": name},
            )
        if found[name] != dtype:
            raise SourceError(
                f"{source.path}: column {name!r} is {found[name]}, and {source.name} declares {dtype}",
                help=f"declare it as it is ({source.where}), and cast it in a view",
                context={"source": source.name, "column": name},
            )
