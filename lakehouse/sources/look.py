"""Looking at sources: each kind by its own rules, and what is said where there is nothing to look at.

Knows which kinds of sources there are. Knows nothing of who reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.errors import SourceError
from lakehouse.sources.declared import Source
from lakehouse.sources.digestcache import DigestCache
from lakehouse.sources.files import FilesNow
from lakehouse.sources.now import ONE_PASS, SourceNow, Spool
from lakehouse.sources.scans import cannot
from lakehouse.storage_errors import exhausted

if TYPE_CHECKING:
    import polars as pl

__all__ = ["ONE_PASS", "DigestCache", "SourceNow", "look_at", "scan", "source_fault"]


def look_at(
    source: Source,
    base: Path,
    cache: DigestCache,
    needed_by: Callable[[], str],
    known: SourceNow | None = None,
) -> SourceNow:
    """What a source is now.

    Args:
        source: its declaration.
        base: the project's folder, against which its path resolves.
        cache: digests known from before.
        needed_by: tells what reads it, for the error.
        known: an earlier look; of a function whose version is still the same, the rows are those that it gave then.

    Raises:
        SourceError: no file is there, one cannot be read, or a function cannot tell its version.
        StorageError: no further file can be opened, whichever it is.
    """
    try:
        return _look_at(source, base, cache, known)
    except OSError as error:
        if (fault := exhausted(error)) is not None:
            raise fault from error
        missing = isinstance(error, FileNotFoundError | NotADirectoryError)
        raise SourceError(
            f"{source.path} {_what(source, base, error) if missing else cannot(error)}",
            code="source-missing" if missing else "source-unreadable",
            details=[f"needed by: {needed_by()}"],
            context={"source": source.name, "path": source.path},
        ) from None


def _look_at(source: Source, base: Path, cache: DigestCache, known: SourceNow | None) -> SourceNow:
    if source.function is not None:
        from lakehouse.sources.functions import FunctionNow  # most lakes have no such source

        found = FunctionNow.look(source)
        is_same = isinstance(known, FunctionNow) and known.source is source and known.version == found.version
        return known if is_same and known is not None else found
    if source.partitions is not None:
        from lakehouse.sources.folders import FolderNow  # likewise

        return FolderNow.look(source, base, cache)
    return FilesNow.look(source, base, cache)


def _what(source: Source, base: Path, error: OSError) -> str:
    """What is the matter with a path where nothing is found."""
    if source.is_glob:
        return "matches no file"
    is_file = (
        isinstance(error, NotADirectoryError) and source.partitions is not None and (base / source.path).is_file()
    )
    return "is no folder, and it is declared with partitions" if is_file else "does not exist"


def scan(now: SourceNow, keys: Iterable[str] | None = None, *, spool: Spool | None = None) -> pl.LazyFrame:
    """The rows of a source; of a partitioned one, those of some keys, or of all.

    Raises:
        SourceError: they cannot be read, or they have other columns or types than were declared.
    """
    return (now if keys is None else now.only(keys)).scan(spool)


def source_fault(now: SourceNow) -> SourceError | None:
    """What is wrong with a source whose reading failed, by line and value where it has lines; None: nothing found."""
    return now.fault()
