"""A source that is a Hive folder of somebody else, key by key: the files of each, their versions and their rows.

Knows what is asked of one key at a time. Refuses to look into a key's folder before the key is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct
from msgspec.structs import replace

from lakehouse.errors import SourceError
from lakehouse.layout import partition_path
from lakehouse.partitions.dimension import Partitions
from lakehouse.reasons import ago
from lakehouse.sources.declared import Source
from lakehouse.sources.digestcache import DigestCache, newest
from lakehouse.sources.keyed import open_keyed
from lakehouse.sources.keys import KeyFiles
from lakehouse.sources.listing import Listing, suffixes
from lakehouse.sources.now import Spool, combined
from lakehouse.sources.scans import check_files, fault_in, own_schema

if TYPE_CHECKING:
    import polars as pl

__all__ = ["FolderNow"]


class FolderNow(Struct, frozen=True, eq=False, kw_only=True):
    """A Hive folder as it is at one moment; two looks are compared by their `fingerprint`.

    Attributes:
        source: its declaration, with ``partitions``.
        base: the folder against which its path resolves.
        keys: the keys that there is a folder for, in the order of the definition.
        strangers: folders and files that are of no key of the definition, relative to the source's folder.
        nameless: those of them that hold rows without a value (Hive's default partition).
        found: the files of each key.
        asked: the keys that it is limited to, be there a folder or not; None: it is not.
    """

    source: Source
    base: Path
    keys: tuple[str, ...]
    strangers: tuple[str, ...]
    nameless: tuple[str, ...]
    found: KeyFiles
    asked: tuple[str, ...] | None = None

    @classmethod
    def look(cls, source: Source, base: Path, cache: DigestCache) -> FolderNow:
        """One look at which folders there are.

        Raises:
            OSError: the source's folder cannot be listed.
            SourceError: its folders are of other columns.
        """
        listing = Listing(source, os.path.normpath(base / source.path))
        listing.read()
        return cls(
            source=source,
            base=base,
            keys=tuple(sorted(listing.folders, key=listing.partitions.order)),
            strangers=tuple(sorted(listing.strangers)),
            nameless=tuple(sorted(listing.nameless)),
            found=KeyFiles(source=source, base=base, folders=listing.folders, cache=cache),
        )

    def only(self, keys: Iterable[str]) -> FolderNow:
        """The same limited to some keys; what was looked at before is not looked at again."""
        asked = tuple(sorted({*keys}, key=self._partitions.order))
        return replace(self, keys=tuple(key for key in asked if key in self.found.folders), asked=asked)

    @property
    def _partitions(self) -> Partitions:
        assert self.source.partitions is not None  # noqa: S101  it is a folder for that
        return self.source.partitions

    @property
    def files(self) -> tuple[Path, ...]:
        """The files of all keys, key by key."""
        return tuple(Path(path) for key in self.keys for path in self.found.of(key).paths)

    @property
    def version(self) -> str | None:
        """A digest over the versions of all keys that have files; None where one keeps changing."""
        return combined([(key, self.version_of(key)) for key in self.keys if self.found.of(key).names])

    def begin(self) -> None:
        """Look at it, as far as that was not done yet."""
        self.fingerprint()

    @property
    def is_told(self) -> bool:
        """True: it is told when it is looked at."""
        return True

    @property
    def changed(self) -> datetime | None:
        """The newest modification time among the files, an instant in UTC; None without files."""
        stamps = [stamp for key in self.keys for stamp in self.found.of(key).stamps]
        return newest(stamps) if stamps else None

    @property
    def size_bytes(self) -> int:
        """The sum of the files' sizes."""
        return sum(stamp[0] for key in self.keys for stamp in self.found.of(key).stamps)

    @property
    def is_as_it_was(self) -> bool:
        """Whether its keys are the same, and no file of those has been touched that were looked at.

        Limited to some keys, only their folders are looked at again.
        """
        keys = self.keys if self.asked is None else self.asked
        try:
            again = self._again(keys)
            looked = [key for key in keys if self.found.is_known(key)]
            return again.keys == self.keys and again.fingerprint(looked) == self.fingerprint(looked)
        except (OSError, SourceError):
            return False

    def _again(self, keys: Sequence[str]) -> FolderNow:
        """Another look, of whole folders only where no keys were asked for."""
        if self.asked is None:
            return FolderNow.look(self.source, self.base, self.found.cache)
        root, columns = os.path.normpath(self.base / self.source.path), self._partitions.columns
        there: dict[str, Sequence[str]] = {}
        for key in keys:
            usual = os.path.join(root, partition_path(columns, self._partitions.values(key)))  # noqa: PTH118
            kept = [folder for folder in self.found.folders.get(key, [usual]) if os.path.isdir(folder)]  # noqa: PTH112
            there |= {key: kept} if kept else {}
        found = KeyFiles(source=self.source, base=self.base, folders=there, cache=self.found.cache)
        return replace(self, keys=tuple(key for key in keys if key in there), found=found)

    def version_of(self, key: str) -> str | None:
        """A digest over a key's files: their names and contents (sizes and times for ``track="stat"``).

        None where they keep changing; without any file the same as without the folder.
        """
        return combined(self.found.facts(key))

    def version_of_windows(self, spans: Sequence[tuple[datetime, datetime]]) -> str | None:  # noqa: ARG002
        """The version of all keys: the folders tell more than the files' footers."""
        return self.version

    def stamps_of(self, key: str) -> Hashable:
        """A key's files with their stamps."""
        looked = self.found.of(key)
        return tuple(looked.paths), tuple(looked.stamps)

    def fingerprint(self, keys: Iterable[str] | None = None) -> Hashable:
        """The keys with their files, stamps and versions; to be taken before these files are read."""
        whole = self.keys if self.asked is None else self.asked
        taken = sorted({*(whole if keys is None else keys)})
        return tuple((key, self.stamps_of(key), self.version_of(key)) for key in taken)

    def shown(self, path: Path) -> str:
        """A file relative to the project, unless the folder was declared as an absolute one."""
        return self.found.shown(path)

    def became(self, now: datetime) -> str:
        """When its files changed, and how many there are now, for one that is gone has left no time."""
        if (changed := self.changed) is None:
            return f"{self.source.path} has no files now"
        count = sum(len(self.found.of(key).names) for key in self.keys)
        files = "1 file" if count == 1 else f"{count} files"
        return f"{self.source.path} changed: {files} now, the newest from {ago(changed, now)}"

    def scan(self, spool: Spool | None = None) -> pl.LazyFrame:  # noqa: ARG002
        """The rows of its keys and of no others, with the partition columns as String at the end.

        Raises:
            SourceError: a file is gone or cannot be read, or it holds other columns or types than were declared;
                or no file tells the columns.
        """
        import polars as pl

        self._require_known_files()
        keys = self._partitions.columns
        files = {path: self._partitions.values(key) for key in self.keys for path in self.found.of(key).paths}
        if not files:
            return pl.LazyFrame(schema={**self._columns(), **dict.fromkeys(keys, pl.String)})
        return open_keyed(self.source, files, check_files(self.source, [*map(Path, files)], self.shown), keys)

    def _columns(self) -> Mapping[str, Any]:
        """The columns of its rows where there are none: as declared, or as in the last file that there is."""
        if self.source.schema is not None:
            return self.source.schema
        for key in sorted(self.found.folders, key=self._partitions.order, reverse=True):
            if paths := self.found.of(key).paths:
                return own_schema(self.source, Path(paths[-1]), self.shown)
        raise SourceError(
            f"{self.source.path} has no {self.source.format} file that tells its columns",
            code="source-missing",
            help=f"declare them, and it may be empty: schema={{…}} ({self.source.where})",
            context={"source": self.source.name, "path": self.source.path},
        )

    def _require_known_files(self) -> None:
        """Nothing, unless keys have files but none of the source's format: they would count as empty, unsaid."""
        for key in self.keys:
            if (others := self.found.of(key).passed_over) and not self.found.of(key).names:
                shown = self.shown(Path(self.found.folders[key][0]))
                raise SourceError(
                    f"{shown} has files, none of which is {self.source.format} by its suffix: {others[0]}",
                    help=f"{self.source.format} files end in {', '.join(suffixes(self.source))}; "
                    f'else say format="…" ({self.source.where})',
                    context={"source": self.source.name, "path": shown},
                )

    def fault(self) -> SourceError | None:
        """What is wrong with the files of its keys, by line and value where they have lines; None: nothing found."""
        return fault_in(self.source, self.files, self.shown)
