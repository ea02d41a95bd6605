"""Folders on file systems of all kinds, each mounted for as long as somebody works in it.

Knows how they are made. Knows nothing of lakes, nor of what is done there.
"""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from faults.mounts import FILE_SYSTEMS, mounted, shell, tmpfs

__all__ = ["Ground", "btrfs_with_quota", "exfat", "image", "memory"]

Ground = Callable[[], AbstractContextManager[Path]]


@contextlib.contextmanager
def memory(options: str = "size=16m") -> Iterator[Path]:
    """A file system in memory, at a path that every user may come to."""
    folder = Path(tempfile.mkdtemp(prefix="lake-"))  # closed to others, but what is mounted there is not
    try:
        with tmpfs(folder, f"mode=0755,{options}"):
            yield folder
    finally:
        folder.rmdir()


def image(name: str, *options: str) -> Ground:
    """A file system in an image, in memory."""

    @contextlib.contextmanager
    def ground() -> Iterator[Path]:
        system = FILE_SYSTEMS[name]
        with memory("size=1g") as folder:
            system.format(folder / "image", *options)
            with mounted(system, folder / "image", folder / "mount") as mount:
                yield mount

    return ground


@contextlib.contextmanager
def btrfs_with_quota() -> Iterator[Path]:
    with image("btrfs")() as mount:
        shell("btrfs", "quota", "enable", str(mount))
        shell("btrfs", "subvolume", "create", str(mount / "limited"))
        shell("btrfs", "qgroup", "limit", "8M", str(mount / "limited"))
        yield mount / "limited"


@contextlib.contextmanager
def exfat() -> Iterator[Path]:
    """exFAT over FUSE: without hard links, without modes, and without a rename that replaces nothing."""
    with memory("size=256m") as folder:
        file, mount = folder / "image", folder / "mount"
        mount.mkdir()
        shell("truncate", "-s", "64M", str(file))
        shell("mkfs.exfat", str(file))
        device = shell("losetup", "--find", "--show", str(file)).strip()
        try:
            shell("mount.exfat-fuse", device, str(mount))
        finally:
            shell("losetup", "--detach", device)  # as soon as it is mounted no longer
        try:
            yield mount
        finally:
            shell("umount", str(mount))
