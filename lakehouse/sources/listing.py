"""Which folders and files a Hive folder of somebody else has.

Knows how Hive folders nest and what lies in them that is no data. Refuses to open files, and to look into a key's
folder before the key is asked for.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Final
from urllib.parse import unquote

from msgspec import Struct, field

from lakehouse.errors import PartitionKeyError, SourceError
from lakehouse.layout import require_key_value, unescape
from lakehouse.partitions.dimension import Dimension, Partitions
from lakehouse.sources.declared import SUFFIXES, Source

__all__ = ["HIVE_NULL", "Listing", "files_below", "suffixes"]

HIVE_NULL: Final = "__HIVE_DEFAULT_PARTITION__"
"""The folder of rows that have no value, and so are of no key."""

_FAR_AWAY: Final = datetime(9000, 1, 1, tzinfo=UTC)
_COMPRESSED: Final = {"csv": (".csv.gz",)}


def suffixes(source: Source) -> tuple[str, ...]:
    """How the names of the source's files end, in small letters."""
    return (*SUFFIXES[source.format], *_COMPRESSED.get(source.format, ()))


def _is_hidden(name: str) -> bool:
    """Whether writers keep something of their own under such a name; a column's may begin with ``_`` too."""
    return name.startswith(".") or (name.startswith("_") and "=" not in name)


def _value(text: str) -> str:
    """The value that a folder's name holds, whoever wrote it.

    Polars, DuckDB and Arrow escape each byte of an ``é``; Hive and Spark leave it as it is, and escape ASCII alone.
    """
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        return unescape(text)


def files_below(folder: str) -> Iterator[tuple[str, str]]:
    """The files below a folder, at any depth, each with its name relative to the folder.

    A link to a folder is followed, unless it leads back to one that it lies in.

    Raises:
        OSError: a folder cannot be listed, or went away meanwhile.
    """
    pending: list[tuple[str, frozenset[str]]] = [(folder, frozenset())]
    while pending:
        path, above = pending.pop()
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_symlink() and entry.is_dir():
                    target, way = os.path.realpath(entry.path), above | {os.path.realpath(path)}
                    if not _is_hidden(entry.name) and not any(_lies_in(one, target) for one in way):
                        pending.append((entry.path, way))
                elif entry.is_dir():
                    if not _is_hidden(entry.name):
                        pending.append((entry.path, above))
                elif entry.name[0] not in "._" and (entry.is_file() or entry.is_symlink()):
                    yield entry.path[len(folder) + 1 :], entry.path


def _lies_in(path: str, folder: str) -> bool:
    return f"{path}/".startswith(f"{folder.rstrip('/')}/")


class Listing(Struct):
    """Walks the levels of the partition columns, and no deeper.

    Attributes:
        source: its declaration, with ``partitions``.
        root: its folder, whole.
        folders: the folders of each key, whole; two of them where one value is escaped in two ways.
        strangers: folders, and files that might be data, that are of no key; relative to ``root``.
        nameless: those of them that hold rows without a value.
    """

    source: Source
    root: str
    folders: dict[str, list[str]] = field(default_factory=dict)
    strangers: list[str] = field(default_factory=list)
    nameless: list[str] = field(default_factory=list)
    _valid: dict[tuple[str, str], bool] = field(default_factory=dict)

    @property
    def partitions(self) -> Partitions:
        """The definition whose columns are the levels."""
        assert self.source.partitions is not None  # noqa: S101  it is a folder for that
        return self.source.partitions

    def read(self) -> None:
        """List all levels.

        Raises:
            OSError: the first cannot be listed.
            SourceError: a level is of another column.
        """
        self._level(self.root, ())

    def _level(self, folder: str, values: tuple[str, ...]) -> None:
        dimensions = self.partitions.dimensions
        dimension = dimensions[len(values)]
        for name, is_folder in self._entries(folder):
            path = f"{folder}/{name}"
            column, sign, text = name.partition("=")
            value = _value(text)
            if is_folder and sign and column != dimension.column:
                raise self._other_column(path, column, dimension.column)
            if not (is_folder and sign and self._is_key(dimension, value)):
                self._put_aside(path, is_nameless=is_folder and text == HIVE_NULL)
            elif len(values) + 1 < len(dimensions):
                self._level(path, (*values, value))
            else:
                self.folders.setdefault(self.partitions.key((*values, value)), []).append(path)

    def _entries(self, folder: str) -> list[tuple[str, bool]]:
        """Folders, and files that might be data; sorted."""
        try:
            with os.scandir(folder) as entries:
                found = [(entry.name, entry.is_dir()) for entry in entries if not _is_hidden(entry.name)]
        except FileNotFoundError:
            if folder == self.root:
                raise
            return []  # gone since it was listed
        endings = suffixes(self.source)
        return sorted(item for item in found if item[1] or item[0].lower().endswith(endings))

    def _put_aside(self, path: str, *, is_nameless: bool) -> None:
        shown = path[len(self.root) + 1 :]
        self.strangers.append(shown)
        if is_nameless:
            self.nameless.append(shown)

    def _is_key(self, dimension: Dimension, value: str) -> bool:
        """Whether the definition can ever have this value."""
        known = dimension.column, value
        if known not in self._valid:
            try:
                require_key_value(dimension.column, value)
                if not dimension.unknown_columns:  # else the folders are what tells the keys
                    dimension.check(value, _FAR_AWAY, self.source.name, self.source.where, include_current=True)
                self._valid[known] = True
            except PartitionKeyError:
                self._valid[known] = False
        return self._valid[known]

    def _other_column(self, path: str, found: str, wanted: str) -> SourceError:
        columns = ", ".join(self.partitions.columns)
        shown = os.path.join(self.source.path, path[len(self.root) + 1 :])  # noqa: PTH118
        return SourceError(
            f"{shown} is a folder of {found!r}, where {self.source.name} has {wanted!r} ({self.source.where})",
            help=f"folders nest in the order of the definition's columns: {columns}",
            context={"source": self.source.name, "path": shown, "column": found},
        )
