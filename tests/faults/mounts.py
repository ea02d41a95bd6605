"""File systems in sparse files, mounted over a loop device: made, mounted, cut off from power, and taken away again.

Knows mkfs, mount, and how a file system is stopped as a power cut would stop it. Knows nothing of lakes. Whoever uses
it runs in a mount namespace of its own (`alone`): however that process ends, its mounts and loop devices go with it.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

__all__ = [
    "FILE_SYSTEMS",
    "Cut",
    "FileSystem",
    "UnavailableError",
    "alone",
    "copy",
    "mend",
    "mounted",
    "power_cut",
    "shell",
    "tmpfs",
]

_SHUTDOWN: Final = 0x8004587D  # EXT4_IOC_SHUTDOWN and XFS_IOC_GOINGDOWN are one number
_PATH: Final = re.compile(r"(?<=\s)/\S+:? ")
_PATIENCE: Final = 60  # seconds

# At once, nothing is on disk but what was asked to be. Or the journal has just been written, as its timer does every
# few seconds: names are on disk whose bytes are not. Or the disk is copied as it is, for want of a way to stop it.
Cut = Literal["at once", "journal first", "copied"]
_FLAGS: Final[Mapping[Cut, int]] = {"journal first": 1, "at once": 2}


class UnavailableError(Exception):
    """What is asked for cannot be had on this machine; the text tells why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FileSystem:
    """A kind of file system, and how it is made and mounted.

    Attributes:
        name: as figures call it.
        kind: as mount calls it.
        size: of the sparse file that it is in.
        make: the command that makes it, without the file.
        options: what it is mounted with; the journal's timer is put off, so that nothing is saved by chance.
        cuts: the kinds of power cut that it can be given.
        mend: the command that has to be run after one, without the file; most need none.
    """

    name: str
    kind: str
    size: str
    make: tuple[str, ...]
    options: str
    cuts: tuple[Cut, ...]
    mend: tuple[str, ...] = ()

    def format(self, image: Path, *options: str) -> None:
        """Make an empty one in a new file."""
        shell("truncate", "-s", self.size, str(image))
        shell(*self.make, *options, str(image))


_EXT4: Final = ("mkfs.ext4", "-q", "-F", "-m", "0")
_STOPPED: Final = ("at once", "journal first")
_ALL: Final = (
    FileSystem(name="ext4", kind="ext4", size="64M", make=_EXT4, options="commit=300", cuts=_STOPPED),
    FileSystem(
        name="ext4, writeback, noauto_da_alloc",
        kind="ext4",
        size="64M",
        make=_EXT4,
        options="commit=300,data=writeback,noauto_da_alloc",
        cuts=_STOPPED,
    ),
    FileSystem(
        name="ext4 without journal",
        kind="ext4",
        size="64M",
        make=(*_EXT4, "-O", "^has_journal"),
        options="",
        cuts=("copied",),
        mend=("e2fsck", "-f", "-y"),
    ),
    FileSystem(name="xfs", kind="xfs", size="300M", make=("mkfs.xfs", "-q"), options="", cuts=_STOPPED),
    FileSystem(
        name="btrfs",
        kind="btrfs",
        size="128M",
        make=("mkfs.btrfs", "-q", "-m", "single"),
        options="commit=300",
        cuts=("copied",),
    ),
)
FILE_SYSTEMS: Final[Mapping[str, FileSystem]] = {system.name: system for system in _ALL}


def alone() -> list[str]:
    """The command that runs another in a mount namespace of its own; without root's rights, in a user namespace too.

    Raises:
        UnavailableError: this machine has no such thing, or does not allow it.
    """
    if sys.platform != "linux":
        raise UnavailableError("namespaces are Linux's")
    unshare = ["unshare", "--mount", *([] if os.geteuid() == 0 else ["--user", "--map-root-user"])]
    shell(*unshare, "true")
    return unshare


@contextlib.contextmanager
def mounted(system: FileSystem, image: Path, folder: Path, *, options: str = "") -> Iterator[Path]:
    """An image, mounted on a folder for as long as the block runs."""
    wanted = ",".join(text for text in ("loop", system.options, options) if text)
    folder.mkdir(exist_ok=True)
    shell("mount", "-t", system.kind, "-o", wanted, str(image), str(folder))
    with _unmounted(folder):
        yield folder


@contextlib.contextmanager
def tmpfs(folder: Path, options: str) -> Iterator[Path]:
    """A file system in memory on a folder, for as long as the block runs."""
    folder.mkdir(exist_ok=True)
    shell("mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder))
    with _unmounted(folder):
        yield folder


@contextlib.contextmanager
def _unmounted(folder: Path) -> Iterator[None]:
    try:
        yield
    except BaseException:
        shell("umount", "--lazy", str(folder))
        raise
    shell("umount", str(folder))


def power_cut(cut: Cut, image: Path, folder: Path, survivor: Path) -> Callable[[], None]:
    """What cuts the power of the image that is mounted on a folder; `survivor` is then what the disk had."""

    def stop() -> None:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        fcntl.ioctl(descriptor, _SHUTDOWN, struct.pack("=I", _FLAGS[cut]))
        os.close(descriptor)
        survivor.hardlink_to(image)

    return stop if cut in _FLAGS else lambda: copy(image, survivor)


def copy(image: Path, target: Path) -> None:
    """Copy an image, its holes left out."""
    shell("cp", "--sparse=always", str(image), str(target))


def mend(system: FileSystem, image: Path) -> None:
    """What whoever starts the machine again has to do before mounting."""
    if system.mend:
        shell(*system.mend, str(image), expected=(0, 1))  # 1: errors were corrected


def shell(*command: str, expected: Sequence[int] = (0,)) -> str:
    """What a command of the system prints.

    Raises:
        UnavailableError: there is none, or it fails.
    """
    if shutil.which(command[0]) is None:
        raise UnavailableError(f"no {command[0]} on this machine")
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=_PATIENCE)
    if done.returncode not in expected:
        said = (done.stderr or done.stdout).strip().partition("\n")[0]
        raise UnavailableError(f"{command[0]}: {_PATH.sub('', said).removeprefix(f'{command[0]}: ')}")
    return done.stdout
