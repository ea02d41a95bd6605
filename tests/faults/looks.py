"""A lake as it lies there, told without its own code: files, digests, commits, and rows as three engines see them.

Knows where things lie. Knows nothing of what is right.
"""

from __future__ import annotations

import hashlib
import re
import stat
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from faults.scenarios import Place, Rows

__all__ = ["COMMIT", "Look", "by_engines", "digest", "look"]

COMMIT = re.compile(r"(\d{8})\.json")


@dataclass(slots=True, kw_only=True)
class Look:
    """A lake as it lies there, as far as nobody needs an engine to tell.

    Attributes:
        hive: by path below the lake, of each file outside `.lake`: digest, modification time and mode.
        folders: the folders there.
        commits: by asset, how many there are.
        read: by digest, the rows that three engines found in such bytes: the same need not be read twice.
    """

    hive: dict[str, tuple[str, int, int]]
    folders: list[str]
    commits: dict[str, int]
    read: dict[str, dict[str, int]] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Look:
        hive = {path: (str(sha256), int(time), int(mode)) for path, (sha256, time, mode) in content["hive"].items()}
        return cls(**{**content, "hive": hive})


def look(place: Place) -> Look:
    """The lake as it is now."""
    hive: dict[str, tuple[str, int, int]] = {}
    folders = []
    for path in sorted(place.lake.rglob("*")):
        relative = path.relative_to(place.lake).as_posix()
        if relative.partition("/")[0] == ".lake":
            continue
        status = path.lstat()
        if stat.S_ISDIR(status.st_mode):
            folders.append(relative)
        else:
            hive[relative] = (digest(path), status.st_mtime_ns, status.st_mode)
    return Look(hive=hive, folders=folders, commits=_commits(place))


def digest(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _commits(place: Place) -> dict[str, int]:
    logs = place.lake / ".lake/log"
    found = {folder.name: [entry.name for entry in folder.iterdir()] for folder in logs.glob("*") if folder.is_dir()}
    return {asset: sum(bool(COMMIT.fullmatch(name)) for name in names) for asset, names in found.items()}


def by_engines(file: Path) -> list[Rows]:
    """One file as PyArrow, Polars and DuckDB read it; whichever cannot raises what it raises."""
    import duckdb
    import polars as pl
    import pyarrow.parquet as pq

    with duckdb.connect() as connection:
        found = connection.read_parquet(str(file), hive_partitioning=False).project("status, order_num")
        by_duckdb = found.fetchall()
    by_arrow = pq.read_table(file, partitioning=None).to_pydict()
    by_polars = pl.read_parquet(file, hive_partitioning=False, glob=False).select("status", "order_num").rows()
    rows = [by_duckdb, list(zip(by_arrow["status"], by_arrow["order_num"], strict=True)), by_polars]
    assert all(len(found) == len(dict(found)) for found in rows), f"{file}: rows stand there twice"
    return [dict(found) for found in rows]
