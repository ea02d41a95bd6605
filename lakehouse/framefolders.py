"""What somebody else's writer left where a partition is to be: readers would take it for more of its rows.

Knows how other writers name folders and files. Refuses to open files, and to remove anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from lakehouse import layout
from lakehouse.disk import Disk
from lakehouse.errors import AuditError

__all__ = ["require_alone"]

_SHOWN: Final = 3


def require_alone(disk: Disk, asset: str, partitions: Iterable[str]) -> None:
    """Nothing, if each partition's folder holds no other file than its own, and has no twin of another spelling.

    Raises:
        AuditError: some do: ``day=2018-02-01/data_0.parquet``, or ``k=a%20b``, which readers take for ``k=a b``.
    """
    known: dict[Path, dict[str, list[str]]] = {}
    found: list[Path] = []
    for partition in partitions:
        folder = disk.path(asset)
        for name in partition.split("/"):
            if folder not in known:
                known[folder] = _by_value(folder)
            found += [folder / other for other in known[folder].get(unquote(name), ()) if other != name]
            folder /= name
        found += [folder / name for names in _by_value(folder).values() for name in names if name != layout.PART_FILE]
    if found:
        shown = [str(path.relative_to(disk.root)) for path in sorted({*found})]
        more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
        raise AuditError(
            f"readers would take {', '.join(shown[:_SHOWN])}{more} for rows of these partitions; nothing written",
            code="foreign-beside",
            help="move away what another program wrote there, or write to another folder",
        )


def _by_value(folder: Path) -> dict[str, list[str]]:
    """The names in a folder, by what readers make of them; none where there is no folder."""
    names: dict[str, list[str]] = {}
    try:
        for name in os.listdir(folder):  # noqa: PTH208  names alone
            names.setdefault(unquote(name), []).append(name)
    except (FileNotFoundError, NotADirectoryError):
        pass
    return names
