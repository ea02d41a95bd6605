"""The files of a source: which they are, what version they have, and the scan over them.

Knows paths, formats and content digests. Knows nothing of partitions, nor of who reads the source.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import stat
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
    from polars._typing import PolarsDataType

__all__ = ["ONE_PASS", "DigestCache", "SourceNow", "look_at", "scan", "source_fault"]

ONE_PASS: Final = ("csv", "ndjson")
"""Formats in which nothing can be skipped: whatever is asked of such a file, all of it is read."""

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
        base: the folder against which its path resolves.
        files: what is read, sorted by name.
        stamps: size, times and inode of each file, as they were before its content was looked at.
        version: a digest of the content (of sizes and times for ``track="stat"``); None where it keeps changing.
        changed: the newest modification time among the files, an instant in UTC.
        size_bytes: the sum of the files' sizes.
    """

    source: Source
    base: Path
    files: tuple[Path, ...]
    stamps: tuple[Stamp, ...]
    version: str | None
    changed: datetime
    size_bytes: int

    def shown(self, path: Path) -> str:
        """A file as the declaration spells it: one of a glob relative to the project, unless the glob is absolute."""
        if not self.source.is_glob:
            return self.source.path
        return str(path) if Path(self.source.path).is_absolute() else os.path.relpath(path, self.base)

    @property
    def is_as_it_was(self) -> bool:
        """Whether its files have not been touched since."""
        try:
            return _files(self.source, self.base) == self.files and self.stamps == tuple(map(_stamp, self.files))
        except OSError:
            return False


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
        stamps = tuple(map(_stamp, files))
        version = _stat_version(files, base) if source.track == "stat" else _content_version(files, base, cache)
    except OSError as error:
        missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        what = ("matches no file" if source.is_glob else "does not exist") if missing else _cannot(error)
        raise SourceError(
            f"{source.path} {what}",
            code="source-missing" if missing else "source-unreadable",
            details=[f"needed by: {needed_by()}"],
            context={"source": source.name, "path": source.path},
        ) from None
    return SourceNow(
        source=source,
        base=base,
        files=files,
        stamps=stamps,
        version=version,
        changed=datetime.fromtimestamp(max(stamp[1] for stamp in stamps) / 10**9, UTC),
        size_bytes=sum(stamp[0] for stamp in stamps),
    )


def _cannot(error: OSError) -> str:
    return f"cannot be read: {error.strerror or error}"


def _files(source: Source, base: Path) -> tuple[Path, ...]:
    if not source.is_glob:
        path = Path(os.path.normpath(base / source.path))
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(mode):  # a pipe would be waited for
            raise OSError(errno.EINVAL, "it is no regular file", str(path))
        return (path,)
    # The project's own folder may have brackets in its name, and is no pattern.
    names = glob.iglob(source.path, root_dir=base, recursive=True)  # noqa: PTH207  Path.glob takes no absolute one
    found = sorted({Path(os.path.normpath(base / name)) for name in names if (base / name).is_file()})
    if not found:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), source.path)
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
        SourceError: a file is gone or cannot be read, or it holds other columns or types than were declared.
    """
    import polars as pl

    source, files = now.source, [*now.files]
    if source.format == "csv":
        return _scan_csv(now)
    if source.format == "ndjson":
        assert source.schema is not None  # noqa: S101  the declaration requires it
        return pl.scan_ndjson(files, schema=source.schema).select(list(source.schema))
    found = {path: _schema(now, path) for path in files}
    for path, schema in found.items():
        if source.schema is None:
            _require(now, path, schema, found[files[0]], f"{now.shown(files[0])} has")
            _require(now, files[0], found[files[0]], schema, f"{now.shown(path)} has")
        else:
            _require(now, path, schema, source.schema, f"{source.name} declares")
    if source.format == "parquet":
        # Each file may have further columns, and its columns in an order of its own.
        return pl.scan_parquet(
            files, schema=source.schema, extra_columns="ignore", hive_partitioning=False, glob=False
        )
    names = list(source.schema or found[files[0]])
    frames = [pl.scan_ipc(path, hive_partitioning=False, glob=False).select(names) for path in files]
    return pl.concat(frames, how="vertical") if len(frames) > 1 else frames[0]


def _scan_csv(now: SourceNow) -> pl.LazyFrame:
    from lakehouse import csv_files

    schema = now.source.schema
    assert schema is not None  # noqa: S101  the declaration requires it
    try:
        for path in (path for path in now.files if not csv_files.has_columns(path, schema)):
            from lakehouse import csv_faults

            if error := csv_faults.header_error(path, schema, now.shown(path)):
                raise error
        return csv_files.scan(now.files, schema)
    except OSError as error:
        raise _unreadable(now, Path(error.filename or now.files[0]), _cannot(error)) from None


def _schema(now: SourceNow, path: Path) -> dict[str, pl.DataType]:
    import polars as pl

    try:
        return dict(pl.read_parquet_schema(path) if now.source.format == "parquet" else pl.read_ipc_schema(path))
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise _unreadable(now, path, f"cannot be read: {str(error).splitlines()[0]}") from None


def _unreadable(now: SourceNow, path: Path, what: str) -> SourceError:
    shown = now.shown(path)
    is_gone = not path.exists()
    return SourceError(
        f"{shown} {'does not exist' if is_gone else what}",
        code="source-missing" if is_gone else "source-unreadable",
        context={"source": now.source.name, "path": shown},
    )


def _require(
    now: SourceNow, path: Path, found: Mapping[str, PolarsDataType], wanted: Mapping[str, PolarsDataType], who: str
) -> None:
    source, shown = now.source, now.shown(path)
    for name, dtype in wanted.items():
        if name not in found:
            raise SourceError(
                f"{shown} has no column {name!r}, which {who} ({source.where})",
                help=f"it has {', '.join(found)}",
                context={"source": source.name, "path": shown, "column": name},
            )
        if found[name] != dtype:
            raise SourceError(
                f"{shown}: column {name!r} is {found[name]}, and {who} {dtype}",
                help=f"declare it as it is ({source.where}), and cast it in a view",
                context={"source": source.name, "path": shown, "column": name},
            )


def source_fault(now: SourceNow) -> SourceError | None:
    """What is wrong with a source whose reading failed, by line and value where it has lines; None: nothing found."""
    if now.source.format == "ndjson":
        from lakehouse import json_faults

        schema = now.source.schema or {}
        found = (json_faults.find_error(path, schema, now.shown(path)) for path in now.files)
        return next((error for error in found if error is not None), None)
    if now.source.format != "csv":
        try:
            scan(now)
        except SourceError as error:
            return error
        return None
    import polars as pl

    from lakehouse import csv_faults

    assert now.source.schema is not None  # noqa: S101  the declaration requires it
    for path in now.files:
        try:
            faults = csv_faults.find_faults(path, now.source.schema, nullable=now.source.nullable)
        except OSError as error:
            return _unreadable(now, path, _cannot(error))
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):  # the first error is then the better one
            continue
        if faults is not None:
            return csv_faults.source_error(now.shown(path), faults)
    return None
