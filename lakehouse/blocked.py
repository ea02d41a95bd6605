"""Staged files that an audit refused: kept beside the lake's data until their partition is made.

Knows where they lie, and that nobody reads them as data. Refuses to know why they were refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from lakehouse import layout
from lakehouse.disk import Disk

__all__ = ["Blocked"]


class Blocked:
    """Those of one asset.

    Attributes:
        disk: the lake's files.
        asset: the asset's name.
    """

    __slots__ = ("_folder", "_has_any", "asset", "disk")

    def __init__(self, disk: Disk, asset: str) -> None:
        self.disk, self.asset = disk, asset
        self._folder = disk.path(layout.blocked_folder(asset))
        self._has_any = self._folder.is_dir()

    def keep(self, files: Mapping[str, Path]) -> None:
        """Move staged files to where the record of their attempt, yet to be committed, says that they are.

        Args:
            files: by partition (``partition_date=2018-02``), the file in the run's own folder.

        Raises:
            OSError: they cannot be moved; they are still staged then.
        """
        if not files:
            return
        targets = {
            self.disk.path(layout.blocked_file(self.asset, partition)): file for partition, file in files.items()
        }
        for target, file in targets.items():
            self.disk.require_place(target, file)
        self.disk.sync_files([*targets.values()])
        self.disk.make_folders([target.parent for target in targets])
        for target, file in targets.items():
            self.disk.move(file, target)
        self.disk.sync_folders([target.parent for target in targets])
        self._has_any = True

    def forget(self, partitions: Iterable[str]) -> None:
        """Remove what is kept of partitions that are settled by now, and the folders that are empty without it."""
        if not self._has_any:
            return
        for partition in partitions:
            file = self.disk.path(layout.blocked_file(self.asset, partition))
            if not file.is_file():
                continue
            self.disk.remove(file)
            folder = file.parent
            while folder.is_relative_to(self._folder) and self.disk.remove_if_empty(folder):
                folder = folder.parent
