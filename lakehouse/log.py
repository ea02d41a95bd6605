"""An asset's log on disk: numbered, immutable commits, each naming the digest of the one before.

Knows how to read the log to its end and how to add one commit if nobody else did. Knows nothing of partitions.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from datetime import datetime
from pathlib import Path
from typing import Final

from msgspec import Struct

from lakehouse import layout
from lakehouse.commits import Commit
from lakehouse.disk import Disk, digest_file
from lakehouse.errors import RequestError, StorageError
from lakehouse.fold import Fold
from lakehouse.garbage import collected_later
from lakehouse.records import FormatError, to_instant
from lakehouse.storage_errors import storage_errors

__all__ = ["Log", "instant_of"]

_COMMIT: Final = re.compile(r"(\d{8,})\.json", re.ASCII)
_CHECKPOINT_EVERY: Final = 64
# What bytes may raise that are no commit.
_NO_COMMIT: Final = (ValueError, KeyError, TypeError, AttributeError, OverflowError)


def instant_of(moment: str | datetime) -> datetime:
    """The aware instant of an ISO text or a datetime; one without an offset is local time.

    Raises:
        RequestError: the text is no instant.
    """
    try:
        return (to_instant(moment) if isinstance(moment, str) else moment).astimezone()
    except (ValueError, OverflowError):  # the ends of the calendar have no time of day everywhere
        raise RequestError(
            f"{moment!r} is neither a commit's number nor an instant",
            help="write it as 2026-11-20T09:12 or with its offset, 2026-11-20T09:12+01:00",
        ) from None


class Log(Struct, frozen=True):
    """The log of one asset."""

    disk: Disk
    asset: str

    @property
    def folder(self) -> Path:
        """The folder of the commits."""
        return self.disk.path(layout.log_folder(self.asset))

    @property
    def checkpoint(self) -> Path:
        """The file of the cached state."""
        return self.disk.path(f"{layout.cache_folder()}/log/{self.asset}.json")

    def _file(self, number: int) -> Path:
        return self.folder / f"{number:08}.json"

    def end(self) -> int:
        """The number of the last commit; 0 where there is none.

        Raises:
            StorageError: where a number is missing.
        """
        with storage_errors(self.folder, "reading the log"):
            try:
                with os.scandir(self.folder) as entries:
                    numbers = {int(match[1]) for entry in entries if (match := _COMMIT.fullmatch(entry.name))}
            except FileNotFoundError:
                return 0
        last = max(numbers, default=0)
        for number in sorted(set(range(1, last + 1)) - numbers):
            # A listing may leave out a name that was added while it was made, and have a later one.
            if not self._file(number).exists():
                raise self._damaged(number, "is missing")
        return last

    def digest(self, number: int) -> str:
        """SHA-256 of a commit's file.

        Raises:
            OSError: there is no such commit.
        """
        return digest_file(self._file(number))

    def read(self, *, to: int | None = None) -> Fold:
        """The state at the end of the log, or at an earlier position.

        Raises:
            StorageError: where the log is damaged; it names the commit.
        """
        end = self.end() if to is None else to
        with collected_later():
            fold = self._from_checkpoint(end)
            start = fold.number
            for number in range(start + 1, end + 1):
                self._add(fold, number)
        if to is None and end - start >= _CHECKPOINT_EVERY:
            self.disk.cache(self.checkpoint, fold.to_checkpoint())
        return fold

    def extend(self, fold: Fold) -> None:
        """Bring a state that was read earlier to the end of the log."""
        while self._file(fold.number + 1).exists():
            self._add(fold, fold.number + 1)

    def commits(self, after: int, to: int) -> list[Commit]:
        """The commits of the half-open span ``(after, to]``."""
        return [self._read(number)[0] for number in range(after + 1, to + 1)]

    def position(self, moment: str | int | datetime) -> int:
        """The last commit that had been made at a moment: its number, an ISO instant, or a datetime.

        Raises:
            RequestError: for a number that no commit has, or a text that is neither.
        """
        end = self.end()
        if isinstance(moment, int) or (isinstance(moment, str) and moment.isdecimal()):
            if not 0 <= int(moment) <= end:
                raise RequestError(f"{self.asset} has no commit {moment}", help=f"its last commit is {end}")
            return int(moment)
        instant = instant_of(moment)
        earlier, later = 0, end + 1
        while later - earlier > 1:
            middle = (earlier + later) // 2
            if self._read(middle)[0].time <= instant:
                earlier = middle
            else:
                later = middle
        return earlier

    def append(self, commit: Commit, spare: Path) -> bool:
        """Add a commit; False where another process has taken its number.

        The commit is on disk when this returns True: it survives a power cut.
        """
        self.disk.make_folders([self.folder])
        self.disk.write_new(spare, commit.to_bytes())
        if not self.disk.create(spare, self._file(commit.number)):
            return False
        try:
            self.disk.sync_folders([self.folder])
        except OSError as error:
            raise StorageError(
                f"{self._file(commit.number)}: committed, but the disk did not confirm it ({error.strerror})",
                code="durability-unconfirmed",
                help="run the same command again: it makes good what is left, and finds the rest done",
                context={"asset": self.asset, "commit": commit.number, "errno": error.errno},
            ) from error
        return True

    def _add(self, fold: Fold, number: int) -> None:
        commit, digest = self._read(number)
        try:
            fold.add(commit, digest)
        except ValueError as error:
            raise self._damaged(number, str(error).removeprefix(f"commit {number} ")) from error

    def _read(self, number: int) -> tuple[Commit, str]:
        try:
            with storage_errors(self._file(number), "reading the log"):
                return Commit.from_bytes(self._file(number).read_bytes())
        except StorageError as error:
            if error.context["errno"] == errno.ENOENT:
                raise self._damaged(number, "is missing") from None
            raise
        except FormatError as error:
            raise StorageError(
                f"{self._file(number)}: commit {number} of the log was written by a later release ({error})",
                code="log-newer",
                help="use that release: pip install --upgrade polars-lakehouse",
                context={"asset": self.asset, "commit": number},
            ) from error
        except _NO_COMMIT as error:
            what = f"it has no {error}" if isinstance(error, KeyError) else error
            raise self._damaged(number, f"cannot be read ({what})") from error

    def _from_checkpoint(self, end: int) -> Fold:
        """The cached state, if its commit is still the one in the log; an empty one otherwise."""
        with contextlib.suppress(OSError, *_NO_COMMIT):
            fold = Fold.from_checkpoint(self.checkpoint.read_bytes())
            if fold.asset == self.asset and 0 < fold.number <= end and self._read(fold.number)[1] == fold.digest:
                return fold
        return Fold(self.asset)

    def _damaged(self, number: int, what: str) -> StorageError:
        return StorageError(
            f"{self._file(number)}: commit {number} of the log {what}",
            code="log-damaged",
            help=f"restore the file from a copy of the lake; the data under {self.asset}/ is still readable",
            context={"asset": self.asset, "commit": number},
        )
