"""What lies in the folders of each key of a Hive folder: its files, their stamps and what stands for their contents.

Knows one key at a time, and looks once. Refuses to know what the files hold, or which keys there are.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct, field

from lakehouse.errors import SourceError
from lakehouse.sources.declared import Source
from lakehouse.sources.digestcache import DigestCache, Stamp, stamp_of
from lakehouse.sources.listing import files_below, suffixes
from lakehouse.sources.scans import cannot

__all__ = ["KeyFiles", "KeyNow"]

_TRIES: Final = 3


class KeyNow(Struct):
    """What lies in the folders of one key.

    Attributes:
        names: of its files, relative to its folder, sorted.
        paths: the same, whole.
        stamps: size, times and inode of each, as they were before its content was looked at.
        passed_over: names of further files that are not of the source's format.
        facts: the names with digests of the contents; None before these were asked for.
    """

    names: list[str]
    paths: list[str]
    stamps: list[Stamp]
    passed_over: list[str]
    facts: list[tuple[Any, ...]] | None = None


class KeyFiles(Struct, kw_only=True):
    """The files of keys, each key looked at when it is asked for, and once.

    Attributes:
        source: whose.
        base: the folder against which its path resolves.
        folders: the folders of each key; two of them where one value is escaped in two ways.
        cache: what is known of files from before.
    """

    source: Source
    base: Path
    folders: Mapping[str, Sequence[str]]
    cache: DigestCache
    _looked: dict[str, KeyNow] = field(default_factory=dict)

    def is_known(self, key: str) -> bool:
        """Whether a key was looked at."""
        return key in self._looked

    def of(self, key: str) -> KeyNow:
        """What lies in a key's folders; nothing, where it has none.

        Raises:
            SourceError: it cannot be listed.
        """
        if key not in self._looked:
            self._looked[key] = self._list(key)
        return self._looked[key]

    def facts(self, key: str) -> list[tuple[Any, ...]]:
        """The name of each file with the digest of its content; with its size and time for ``track="stat"``.

        Raises:
            SourceError: one cannot be read.
        """
        found = self.of(key)
        if self.source.track == "stat":
            return [(name, *stamp[:2]) for name, stamp in zip(found.names, found.stamps, strict=True)]
        if found.facts is None:
            found.facts = [(name, self._digest(path)) for name, path in zip(found.names, found.paths, strict=True)]
        return found.facts

    def shown(self, path: Path) -> str:
        """A file relative to the project, unless the folder was declared as an absolute one."""
        return str(path) if Path(self.source.path).is_absolute() else os.path.relpath(path, self.base)

    def _digest(self, path: str) -> str | None:
        try:
            return self.cache.digest(path)
        except FileNotFoundError:  # gone since it was listed
            return None
        except OSError as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: OSError) -> SourceError:
        shown = self.shown(Path(str(error.filename)))
        return SourceError(
            f"{shown} {cannot(error)}",
            code="source-unreadable",
            context={"source": self.source.name, "path": shown},
        )

    def _list(self, key: str) -> KeyNow:
        folders, endings = self.folders.get(key, ()), suffixes(self.source)
        tries = _TRIES
        while True:
            try:
                found = sorted(self._named(folders))
                mine = [item for item in found if item[0].lower().endswith(endings)]
                return KeyNow(
                    names=[name for name, _ in mine],
                    paths=[path for _, path in mine],
                    stamps=[stamp_of(path) for _, path in mine],
                    passed_over=[name for name, _ in found if not name.lower().endswith(endings)],
                )
            except OSError as error:
                # What went away while it was listed is listed once more without it.
                tries -= 1
                if not isinstance(error, FileNotFoundError) or not tries:
                    raise self._unreadable(error) from None
                folders = [folder for folder in folders if os.path.isdir(folder)]  # noqa: PTH112

    def _named(self, folders: Sequence[str]) -> Iterator[tuple[str, str]]:
        """The files of a key's folder by their names in it; of several folders, by these too."""
        for folder in folders:
            above = f"{os.path.basename(folder)}/" if len(folders) > 1 else ""  # noqa: PTH119
            for name, path in files_below(folder):
                yield f"{above}{name}", path
