"""Unseen work: each run's own folder, held by a lock, so that a dead run's is known and swept.

Knows runs and their folders. Knows nothing of what is staged.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct, field

from lakehouse import layout
from lakehouse.disk import Disk

__all__ = ["Run", "is_held", "locked", "open_run", "sweep"]


class Run(Struct):
    """One command's place for unseen work.

    Attributes:
        id: sorts by the time at which the run began, and is like no other.
        folder: its own, under ``.lake/staging``.
    """

    id: str
    folder: Path
    _issued: int = field(default=0)

    def number(self) -> int:
        """A number that this run has used for nothing yet."""
        self._issued += 1
        return self._issued

    def spare(self, name: str = "file") -> Path:
        """A path in the run's folder that nothing has used yet."""
        return self.folder / f"{name}-{self.number()}"


@contextlib.contextmanager
def open_run(disk: Disk, now: datetime, forget: Callable[[str], None]) -> Iterator[Run]:
    """A run with its folder, locked for as long as the block runs and removed after it.

    The lock ends with the process however that ends, so no file has to tell who is alive.

    Args:
        disk: the lake's disk.
        now: the present instant.
        forget: called with the run's id where the block ends with an error, to remove what it left elsewhere.
            Should that fail too, the folder stays, and a later `sweep` does it again.
    """
    staging = disk.path(layout.staging_folder())
    stamp = now.astimezone(UTC).strftime("%Y%m%dT%H%M%S")
    disk.make_folders([staging])
    while True:
        run_id = f"{stamp}-{secrets.token_hex(4)}"
        run = Run(run_id, staging / run_id)
        disk.make_folders([run.folder])
        # Between its making and its locking, whoever sweeps may have taken it for a dead run's.
        if (descriptor := _lock(run.folder)) is not None:
            break
    try:
        try:
            yield run
        except BaseException:
            with contextlib.suppress(OSError):
                forget(run.id)
                disk.remove_tree(run.folder)
            raise
        disk.remove_tree(run.folder)
    finally:
        os.close(descriptor)


def sweep(disk: Disk, forget: Callable[[str], None]) -> list[str]:
    """Remove what dead runs left; the ids of those runs. What cannot be removed now is left to a later sweep.

    Args:
        disk: the lake's disk.
        forget: called with a dead run's id, to remove what it left elsewhere, before its folder goes: should
            this run die too, the next one finds the folder and does it again.
    """
    staging, names, dead = disk.path(layout.staging_folder()), [], []
    # No lake yet, another user's folder, or a log that cannot be read: no reason to keep a run from its own work.
    with contextlib.suppress(OSError), os.scandir(staging) as entries:
        names = sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    for name in names:
        with contextlib.suppress(OSError):
            if _remove_if_dead(disk, staging / name, forget):
                dead.append(name)
    return dead


def _remove_if_dead(disk: Disk, folder: Path, forget: Callable[[str], None]) -> bool:
    if (descriptor := _lock(folder)) is None:
        return False
    try:
        forget(folder.name)
        disk.remove_tree(folder)
    finally:
        os.close(descriptor)
    return True


def is_held(folder: Path) -> bool:
    """Whether a run that is alive holds this folder; one that is gone is held by nobody."""
    if (descriptor := _lock(folder)) is None:
        return folder.exists()
    os.close(descriptor)
    return False


def _lock(folder: Path) -> int | None:
    """A descriptor that holds the folder's lock; None where another process holds it or has removed it."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), folder.stat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(descriptor)
        raise
    os.close(descriptor)
    return None


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold the lock of a file, waiting for it."""
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
