"""A source that is a file or a glob: which files it has, and their versions.

Knows paths, content digests and, of Parquet, which files may hold rows of a window. Refuses to know partitions, what
the files hold, or who reads them.
"""

from __future__ import annotations

import errno
import glob
import os
import stat
from collections.abc import Hashable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from lakehouse.errors import SourceError
from lakehouse.reasons import ago
from lakehouse.sources.declared import Source
from lakehouse.sources.digestcache import DigestCache, Stamp, newest, stamp_of
from lakehouse.sources.now import Spool, combined
from lakehouse.sources.scans import cannot, fault_in, scan_files

if TYPE_CHECKING:
    import polars as pl

    from lakehouse.sources.footers import FileRange, Ranges

__all__ = ["FilesNow"]


class FilesNow(Struct, frozen=True, eq=False, kw_only=True):
    """A file or a glob as it is at one moment; two looks are compared by their `fingerprint`.

    Attributes:
        source: its declaration.
        base: the folder against which its path resolves.
        files: what is read, sorted by name.
        stamps: size, times and inode of each file, as they were before its content was looked at.
        cache: what is known of files from before.
    """

    source: Source
    base: Path
    files: tuple[Path, ...]
    stamps: tuple[Stamp, ...]
    cache: DigestCache
    _digests: dict[Path, str | None] = field(default_factory=dict)
    _facts: list[tuple[tuple[Any, ...], ...]] = field(default_factory=list)
    _ranges: list[Ranges] = field(default_factory=list)

    @classmethod
    def look(cls, source: Source, base: Path, cache: DigestCache) -> FilesNow:
        """One look.

        Raises:
            OSError: there is no file, or one cannot be read.
        """
        files = _files(source, base)
        stamps = tuple(map(stamp_of, files))
        if source.track != "stat":
            for path, stamp in zip(files, stamps, strict=True):
                if not cache.is_known(path, stamp):
                    path.open("rb").close()  # one that cannot be read is said to be so at once
        return cls(source=source, base=base, files=files, stamps=stamps, cache=cache)

    @property
    def facts(self) -> tuple[tuple[Any, ...], ...]:
        """Name and content digest of each file (name, size and time for ``track="stat"``), told when it is asked for.

        Raises:
            SourceError: one can no longer be read.
        """
        if not self._facts:
            is_stat = self.source.track == "stat"
            found = zip(self.files, self.stamps, strict=True)
            told = [stamp[:2] if is_stat else (self._digest(path),) for path, stamp in found]
            names = [os.path.relpath(path, self.base) for path in self.files]
            self._facts.append(tuple((name, *fact) for name, fact in zip(names, told, strict=True)))
        return self._facts[0]

    def _digest(self, path: Path) -> str | None:
        if path not in self._digests:
            try:
                self._digests[path] = self.cache.digest(path)
            except OSError as error:
                raise SourceError(f"{self.source.path} {cannot(error)}", code="source-unreadable") from error
        return self._digests[path]

    def begin(self) -> None:
        """Have the contents of its files digested, large ones while they are read.

        Raises:
            SourceError: one can no longer be read.
        """
        if self.source.track != "stat":
            for path in self.cache.begin(dict(zip(self.files, self.stamps, strict=True))):
                self._digest(path)

    @property
    def is_told(self) -> bool:
        """Whether its version is known by now."""
        if self.source.track == "stat":
            return True
        stamps = zip(self.files, self.stamps, strict=True)
        return all(path in self._digests or self.cache.is_known(path, stamp) for path, stamp in stamps)

    @property
    def keys(self) -> tuple[str, ...]:
        """None: it is one whole."""
        return ()

    @property
    def strangers(self) -> tuple[str, ...]:
        """None: each file is its own."""
        return ()

    @property
    def version(self) -> str | None:
        """A digest of the content (of sizes and times for ``track="stat"``); None where it keeps changing."""
        if len(self.facts) == 1 and self.source.track != "stat":
            digest: str | None = self.facts[0][1]
            return digest  # of a single file the one that sha256sum gives
        return combined(self.facts)

    @property
    def changed(self) -> datetime:
        """The newest modification time among the files, an instant in UTC."""
        return newest(self.stamps)

    @property
    def size_bytes(self) -> int:
        """The sum of the files' sizes."""
        return sum(stamp[0] for stamp in self.stamps)

    @property
    def is_as_it_was(self) -> bool:
        """Whether its files have not been touched since."""
        try:
            return FilesNow.look(self.source, self.base, self.cache).fingerprint() == self.fingerprint()
        except (OSError, SourceError):
            return False

    def only(self, keys: Iterable[str]) -> FilesNow:  # noqa: ARG002
        """Itself: it has no keys."""
        return self

    def version_of(self, key: str) -> str | None:  # noqa: ARG002
        """The version of all of it."""
        return self.version

    def version_of_windows(self, spans: Sequence[tuple[datetime, datetime]]) -> str | None:
        """The version of those Parquet files whose footers do not exclude rows of these windows; of other files, all.

        It holds where rows are limited by the source's own ``time``, and not where a view comes between. A footer
        is opened once for each new size or time of a file.
        """
        if self.source.format != "parquet" or self.source.time is None or not self.source.is_glob:
            return self.version
        if not self._ranges:
            from lakehouse.sources.footers import Ranges  # only where files are told apart by their footers

            self._ranges.append(Ranges.of([self._range(place, self.source.time) for place in range(len(self.files))]))
        return combined([self.facts[place] for place in self._ranges[0].within(spans)])

    def _range(self, place: int, column: str) -> FileRange | None:
        """The times that a file holds; None where it is not the one any more that was looked at."""
        from lakehouse.sources.footers import time_range

        path = self.files[place]
        try:
            found = self.cache.fact(path, f"range of {column}", lambda path: time_range(path, column))
            return found if stamp_of(path) == self.stamps[place] else None
        except OSError:
            return None

    def fingerprint(self, keys: Iterable[str] | None = None) -> Hashable:  # noqa: ARG002
        """Its files, with their stamps and what stands for their contents."""
        return self.files, self.stamps, self.facts

    def shown(self, path: Path) -> str:
        """A file as the declaration spells it: one of a glob relative to the project, unless the glob is absolute."""
        if not self.source.is_glob:
            return self.source.path
        return str(path) if Path(self.source.path).is_absolute() else os.path.relpath(path, self.base)

    def became(self, now: datetime) -> str:
        """When a file changed; of a glob with the number of files, for one that is gone has left no time."""
        since = ago(self.changed, now)
        if not self.source.is_glob:
            return f"{self.source.path} changed {since}"
        count = "1 file" if len(self.files) == 1 else f"{len(self.files)} files"
        return f"{self.source.path} changed: {count} now, the newest from {since}"

    def scan(self, spool: Spool | None = None) -> pl.LazyFrame:  # noqa: ARG002
        """The declared columns, or those that the files have.

        Raises:
            SourceError: a file is gone or cannot be read, or it holds other columns or types than were declared.
        """
        return scan_files(self.source, self.files, self.shown)

    def fault(self) -> SourceError | None:
        """What is wrong with its files, by line and value where they have lines; None: nothing found."""
        return fault_in(self.source, self.files, self.shown)


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
    found = sorted({Path(os.path.normpath(base / name)) for name in names if _is_data(base / name)})
    if not found:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), source.path)
    return tuple(found)


def _is_data(path: Path) -> bool:
    """Whether what a pattern found is a file.

    Raises:
        OSError: it is a link to nothing: without its rows, nobody would know of them.
    """
    if path.is_symlink() and not path.exists():
        raise OSError(errno.EINVAL, f"{path.name} is a link to nothing", str(path))
    return path.is_file()
