"""A folder that `write_partitions` writes into, and how others find it: what the tests of the writer share."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote

import duckdb

from lakehouse import Materialization, write_partitions

Rows = list[tuple[Any, ...]]


def names(folder: Path) -> list[str]:
    """What is in a folder; nothing, where there is none."""
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


class Target:
    """The folder ``lake/events``, of which nothing is there at first."""

    def __init__(self, folder: Path, *, by: str | list[str] = "k") -> None:
        self.root = folder / "lake"
        self.path = self.root / "events"
        self.by = by

    def write(self, frame: object, **options: Any) -> dict[str, str]:
        """The result of each key."""
        return {item.key: item.result for item in self.results(frame, **options)}

    def results(self, frame: object, **options: Any) -> list[Materialization]:
        return write_partitions(frame, self.path, **{"by": self.by, **options})

    def files(self) -> dict[str, Path]:
        """Each file, by the values that its folders name: ``eu/2018-02-01``; nothing else is there."""
        found = sorted(path for path in self.path.rglob("*") if not path.is_dir())
        assert {path.name for path in found} <= {"part.parquet"}
        names = {path: path.parent.relative_to(self.path).parts for path in found}
        return {"/".join(unquote(name.partition("=")[2]) for name in names[path]): path for path in found}

    def rows(self) -> dict[str, Rows]:
        """The rows of each file, in order, as DuckDB reads them."""
        return {key: self.table(path)[1] for key, path in self.files().items()}

    def table(self, file: Path) -> tuple[list[str], Rows]:
        """The columns and rows of one file, as DuckDB reads it."""
        with duckdb.connect() as connection:
            found = connection.execute("from read_parquet(?, hive_partitioning = false)", [str(file)])
            return [str(column[0]) for column in found.description], found.fetchall()

    def identities(self) -> dict[str, tuple[bytes, int, int]]:
        """Bytes, time and inode of each file."""
        found = {key: (path, path.stat()) for key, path in self.files().items()}
        return {key: (path.read_bytes(), stat.st_mtime_ns, stat.st_ino) for key, (path, stat) in found.items()}

    def left(self) -> list[str]:
        """What is left in staging."""
        return names(self.root / ".lake/staging")

    def versions(self) -> int:
        """How many files are kept."""
        return sum(path.is_file() for path in (self.root / ".lake/versions").rglob("*"))

    def commits(self) -> int:
        return len([*(self.root / ".lake/log/events").glob("*.json")])
