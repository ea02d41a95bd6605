"""What can be asked of a source as it is at one moment, whatever kind it is of.

Knows the questions, and how digests of files are made one. Refuses to know any one kind of source.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from lakehouse.errors import SourceError
from lakehouse.sources.declared import Source

if TYPE_CHECKING:
    import polars as pl
    from polars._typing import PolarsDataType

__all__ = ["ONE_PASS", "SourceNow", "Spool", "combined", "require_columns"]

ONE_PASS: Final = ("csv", "ndjson", "function")
"""Formats in which nothing can be skipped: whatever is asked of it, all of such a file or of such rows is read."""

Spool = Callable[[], Path]


class SourceNow(Protocol):
    """A source as it is at one moment; what costs something is looked at when it is asked for, and once."""

    @property
    def source(self) -> Source:
        """Its declaration."""

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys that there is a folder for, in their order; none of a source that is not partitioned."""

    @property
    def strangers(self) -> tuple[str, ...]:
        """What lies in a partitioned source and is of no key, relative to it: folders, and files beside them."""

    @property
    def files(self) -> tuple[Path, ...]:
        """What is read, sorted by name; nothing of a function."""

    @property
    def version(self) -> str | None:
        """A digest of all of it; None where it keeps changing, or nobody can tell."""

    @property
    def is_told(self) -> bool:
        """Whether its version is known by now, and need not be waited for."""

    def begin(self) -> None:
        """Take the times of what is to be read; its version may be told while that is read.

        Raises:
            SourceError, OSError: it cannot be read.
        """

    @property
    def changed(self) -> datetime | None:
        """The newest modification time among the files, an instant in UTC; None without files."""

    @property
    def size_bytes(self) -> int:
        """The sum of the files' sizes; of a function's rows, once they were scanned, what they may take."""

    @property
    def is_as_it_was(self) -> bool:
        """Whether what was looked at so far is still as it was."""

    def only(self, keys: Iterable[str]) -> SourceNow:
        """The same limited to some keys: the files, the version, the rows and all else are those of these keys.

        Itself, where the source is not partitioned. What was looked at before is not looked at again.
        """

    def version_of(self, key: str) -> str | None:
        """The version of one key's rows; of all, where the source is not partitioned."""

    def version_of_windows(self, spans: Sequence[tuple[datetime, datetime]]) -> str | None:
        """The version of the rows whose time may lie in windows ``[start, end)``; of all, where that cannot be told.

        Args:
            spans: aware datetimes, in the zone by whose clock dates and naive times are read.
        """

    def fingerprint(self, keys: Iterable[str] | None = None) -> Hashable:
        """What differs from that of another look if anything was touched in between, even if it was put back.

        Args:
            keys: which keys count; None: all.
        """

    def shown(self, path: Path) -> str:
        """A file as the declaration spells it."""

    def became(self, now: datetime) -> str:
        """What became of it, in words: ``data/raw_orders.csv changed 2 h ago``."""

    def scan(self, spool: Spool | None = None) -> pl.LazyFrame:
        """Its rows.

        Args:
            spool: gives the path of a new file, for results of a function that do not fit in memory.

        Raises:
            SourceError: they cannot be read, or they have other columns or types than were declared.
        """

    def fault(self) -> SourceError | None:
        """What is wrong with it, after its reading failed; None: nothing found."""


def combined(facts: Sequence[Sequence[Any]]) -> str | None:
    """One version for several files, of each its name and what stands for its content; None where that is unknown."""
    if any(None in fact for fact in facts):
        return None
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def require_columns(
    source: Source,
    shown: str,
    found: Mapping[str, PolarsDataType],
    wanted: Mapping[str, PolarsDataType],
    who: str,
) -> None:
    """Nothing, if what was found has the columns that are wanted, in their types.

    Args:
        source: whose rows they are.
        shown: what holds them, in words.
        found: the columns there are.
        wanted: the columns there should be.
        who: wants them, in words: ``raw declares``.

    Raises:
        SourceError: one is missing, or of another type.
    """
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
