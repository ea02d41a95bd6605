"""Digests of many files, and how far their reading is.

Knows how many are read at once. Refuses to know what the files are.
"""

from __future__ import annotations

import errno
import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from msgspec import Struct

__all__ = ["Hashing"]

_THREADS: Final = 2  # one core hashes about as fast as a disk reads; whoever else is at work keeps the others
_CHUNK: Final = 1 << 20


class Hashing(Struct, eq=False):
    """Takes digests of files, two at a time.

    Attributes:
        on_read: called with the number of bytes, as they are read.
        files, size_bytes: how much was read.
    """

    on_read: Callable[[int], None] = lambda _: None
    files: int = 0
    size_bytes: int = 0

    def digests(self, paths: Iterable[Path]) -> dict[Path, str]:
        """SHA-256 by path; "" where a file is gone or cannot be read from the disk."""
        wanted = sorted(set(paths))
        pool = ThreadPoolExecutor(_THREADS)
        try:
            found = dict(zip(wanted, pool.map(self._digest, wanted), strict=True))
        finally:
            pool.shutdown(cancel_futures=True)
        self.files += len(wanted)
        return found

    def _digest(self, path: Path) -> str:
        digest = hashlib.sha256()
        try:
            with path.open("rb", buffering=0) as file:
                while chunk := file.read(_CHUNK):
                    digest.update(chunk)
                    self.size_bytes += len(chunk)
                    self.on_read(len(chunk))
        except FileNotFoundError:
            return ""
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            return ""
        return digest.hexdigest()
