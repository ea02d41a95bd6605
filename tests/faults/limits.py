"""L3: the real limits of a machine that a command may meet, how each is set, and what it has to be called.

Knows limits. Knows nothing of what is right afterwards, nor of how a command is run under one.
"""

from __future__ import annotations

import contextlib
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from faults.grounds import Ground, btrfs_with_quota, exfat, image, memory
from faults.mounts import UnavailableError, shell, tmpfs
from faults.scenarios import Place
from faults.warm import in_child

__all__ = ["LIMITS", "Limit"]

_NOBODY: Final = 65534

Around = Callable[[Place, int], AbstractContextManager[object]]


def _no_limit(_amount: int) -> None:
    pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Limit:
    """One kind of limit.

    Attributes:
        name: as figures call it.
        where: the file system, or what else has the limit.
        ground: a mounted folder to work in.
        amounts: how much is left, cell by cell; what that counts is the limit's own.
        code: of the error; "" where the command has to succeed.
        says: what the message has to hold.
        around: sets the limit while the command runs.
        within: sets the limit of the process that runs the command.
        scenario: what is done.
        subject: who does it; a mutant has its own name.
        is_fresh: whether the command is a process of its own from its start, and not a fork of one that is warm.
        is_lasting: whether it is a place that is judged as it is, rather than a limit that is lifted before.
    """

    name: str
    where: str
    ground: Ground
    amounts: tuple[int, ...] = (0,)
    code: str
    says: str = ""
    around: Around = lambda _place, _amount: contextlib.nullcontext()
    within: Callable[[int], None] = _no_limit
    scenario: str = "replace"
    subject: str = "lakehouse"
    is_fresh: bool = False
    is_lasting: bool = False


@contextlib.contextmanager
def _no_space(place: Place, left: int) -> Iterator[None]:
    """All space is taken but so many blocks."""
    filler, block = place.folder.parent / "filler", os.statvfs(place.folder).f_bsize
    with filler.open("wb") as file:
        size = 1 << 30
        while size >= block:
            try:
                os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), size)
            except OSError:
                size //= 2
        file.truncate(max(0, file.seek(0, os.SEEK_END) - left * block))
    os.sync()
    try:
        yield
    finally:
        filler.unlink()
        os.sync()


@contextlib.contextmanager
def _no_inodes(place: Place, left: int) -> Iterator[None]:
    """All inodes are taken but so many."""
    folder, fillers = place.folder.parent / "fillers", list[Path]()
    folder.mkdir()
    with contextlib.suppress(OSError):
        while True:
            filler = folder / str(len(fillers))
            filler.touch()
            fillers.append(filler)
    for filler in fillers[:left]:
        filler.unlink()
    try:
        yield
    finally:
        shutil.rmtree(folder)


@contextlib.contextmanager
def _read_only(place: Place, _amount: int) -> Iterator[None]:
    mount = str(next(path for path in place.folder.parents if path.is_mount()))
    shell("mount", "-o", "remount,ro", mount)
    try:
        yield
    finally:
        shell("mount", "-o", "remount,rw", mount)


@contextlib.contextmanager
def _immutable(place: Place, _amount: int) -> Iterator[None]:
    folder = str(place.lake / ".lake/log/monthly_orders")
    shell("chattr", "+i", folder)
    try:
        yield
    finally:
        shell("chattr", "-i", folder)


def _mounted_over(name: str) -> Around:
    """Another file system lies on a folder of the lake."""

    @contextlib.contextmanager
    def around(place: Place, _amount: int) -> Iterator[None]:
        folder = place.lake / name
        is_new = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        with tmpfs(folder, "mode=0755"):
            yield
        if is_new:
            folder.rmdir()

    return around


@contextlib.contextmanager
def _overlaid(place: Place, _amount: int) -> Iterator[None]:
    """What was there before is in the image of a container."""
    above = place.folder.with_name("above")
    for name in ("upper", "work"):
        (above / name).mkdir(parents=True)
    layers = f"lowerdir={place.folder},upperdir={above}/upper,workdir={above}/work"
    shell("mount", "-t", "overlay", "-o", layers, "overlay", str(place.folder))
    try:
        yield
    finally:
        shell("umount", str(place.folder))
        shutil.rmtree(above)


@contextlib.contextmanager
def _closed(place: Place, amount: int) -> Iterator[None]:
    """Another user may read all, and write nowhere; or, where so much is left to him, in the lake's bookkeeping."""
    own = place.lake / ".lake"
    for path in [own, *own.rglob("*")] if amount else ():
        if path.is_dir() or path.name == "lock":
            path.chmod(0o777)
    yield


@contextlib.contextmanager
def _for_all() -> Iterator[Path]:
    if (child := in_child(_as_nobody, 0)).code != 0:
        raise UnavailableError(f"no other user can be had: {child.fault.strip().rpartition(chr(10))[2]}")
    with memory() as folder:
        yield folder


def _as_nobody(_amount: int) -> None:
    os.setgroups([])
    os.setgid(_NOBODY)
    os.setuid(_NOBODY)


def _file_size(left: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (left, left))


def _open_files(left: int) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (left, left))


_ALSO_FULL: Final = (("backfill", (2, 4, 6, 8)), ("let go", (0, 2, 4)), ("wipe", (0, 1)), ("snapshot", (0, 3)))

LIMITS: Final = (
    Limit(
        name="no space", where="tmpfs", ground=memory, amounts=(0, 1, 2, 3, 4, 5, 6), around=_no_space,
        code="disk-full", says="no space left",
    ),
    Limit(
        name="no space", where="tmpfs", ground=memory, amounts=(0, 1, 2, 3), around=_no_space, code="disk-full",
        subject="ENOSPC swallowed",
    ),
    Limit(
        name="no inodes", where="tmpfs", ground=lambda: memory("size=16m,nr_inodes=800"),
        amounts=(0, 1, 2, 3, 4, 5, 6, 7), around=_no_inodes, code="no-inodes", says="no inodes left",
    ),
    Limit(
        name="no space", where="ext4", ground=image("ext4"), amounts=(0, 1, 2, 3, 4, 5, 6, 8), around=_no_space,
        code="disk-full", says="no space left",
    ),
    Limit(
        name="no space", where="xfs", ground=image("xfs"), amounts=(0, 16, 32, 64), around=_no_space,
        code="disk-full", says="no space left",
    ),
    Limit(
        name="no space", where="btrfs", ground=image("btrfs", "--mixed"), amounts=(0, 16, 64, 256), around=_no_space,
        code="disk-full", says="no space left",
    ),
    Limit(
        name="no inodes", where="ext4", ground=image("ext4", "-N", "256"), amounts=(0, 2, 4, 6), around=_no_inodes,
        code="no-inodes", says="no inodes left",
    ),
    Limit(
        name="quota", where="btrfs", ground=btrfs_with_quota, amounts=(0, 4, 16), around=_no_space,
        code="disk-quota", says="quota",
    ),
    Limit(
        name="read-only", where="tmpfs", ground=memory, around=_read_only, code="read-only",
        says="file system is read-only", is_fresh=True,
    ),
    Limit(
        name="read-only", where="ext4", ground=image("ext4"), around=_read_only, code="read-only",
        says="file system is read-only",
    ),
    Limit(
        name="size of files, RLIMIT_FSIZE", where="tmpfs", ground=memory, amounts=(0, 700, 1500, 2500),
        within=_file_size, code="file-too-large", says="larger than is allowed", is_fresh=True,
    ),
    Limit(
        name="open files, RLIMIT_NOFILE", where="tmpfs", ground=memory, amounts=(5, 7, 8, 9, 10, 11, 12, 13, 14, 16),
        within=_open_files, code="too-many-files", says="too many open files", is_fresh=True,
    ),
    Limit(
        name="another user", where="tmpfs", ground=_for_all, amounts=(0, 1), around=_closed, within=_as_nobody,
        code="no-rights", says="permission denied",
    ),
    Limit(
        name="immutable folder", where="ext4", ground=image("ext4"), around=_immutable, code="no-rights",
        says="operation not permitted",
    ),
    Limit(
        name="another device", where="tmpfs", ground=memory, scenario="create",
        around=_mounted_over("monthly_orders"), code="other-device", says="another file system",
    ),
    *(
        Limit(
            name="no space", where="tmpfs", ground=memory, scenario=scenario, amounts=amounts, around=_no_space,
            code="disk-full", says="no space left",
        )
        for scenario, amounts in _ALSO_FULL
    ),
    *(
        Limit(
            name="overlay", where="overlayfs", ground=memory, scenario=scenario, around=_overlaid, code="",
            is_lasting=True,
        )
        for scenario in ("replace", "backfill", "rollback", "wipe", "adopt", "snapshot")
    ),
    Limit(
        name="no hard links", where="exFAT over FUSE", ground=exfat, scenario="new asset", code="not-supported",
        says="neither hard links nor", is_lasting=True,
    ),
)  # fmt: skip
