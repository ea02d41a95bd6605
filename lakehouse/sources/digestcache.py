"""Facts of files, such as their digests, kept by path, size, times and inode: what was read once is not read again.

Knows when a fact may be trusted to hold still. Refuses to know what the files are, and where the facts are kept.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import Thread
from typing import Any, Final

from msgspec import Struct, field

from lakehouse.disk import digest_file

__all__ = ["DigestCache", "Stamp", "newest", "stamp_of"]

_TRIES: Final = 3
# A file system's clock ticks in steps; a file changed within the same tick as its digest would look unchanged.
_SETTLED_NS: Final = 2 * 10**9
_DIGEST: Final = "sha256"
_LARGE_BYTES: Final = 8 * 1024 * 1024

Stamp = tuple[int, int, int, int]


def stamp_of(path: Path | str) -> Stamp:
    """Size, modification time, inode's change time (both in nanoseconds) and inode of a file."""
    status = os.stat(path)  # noqa: PTH116  a third of what Path.stat costs, for folders of many thousand files
    return status.st_size, status.st_mtime_ns, status.st_ctime_ns, status.st_ino


def newest(stamps: Iterable[Stamp]) -> datetime:
    """The latest modification time, an instant in UTC."""
    return datetime.fromtimestamp(max(stamp[1] for stamp in stamps) / 10**9, UTC)


def _is_settled(stamp: Stamp) -> bool:
    return time.time_ns() - max(stamp[1], stamp[2]) > _SETTLED_NS


class DigestCache(Struct):
    """Facts of files by path and stamp.

    Args:
        known: what an earlier run kept, as `to_json` gave it.
    """

    known: dict[str, tuple[list[int], dict[str, Any]]] = field(default_factory=dict)
    is_changed: bool = False
    _at_work: dict[str, Thread] = field(default_factory=dict)

    @classmethod
    def from_json(cls, data: bytes) -> DigestCache:
        """Read what `to_json` gave; anything else counts as nothing kept."""
        try:
            return cls({path: (list(stamp), dict(facts)) for path, (stamp, facts) in json.loads(data).items()})
        except (ValueError, TypeError, AttributeError):
            return cls()

    def to_json(self) -> bytes:
        """What is known, for a cache file."""
        return json.dumps(self.known).encode()

    def is_known(self, path: Path | str, stamp: Stamp) -> bool:
        """Whether the digest of a file with this stamp is known."""
        kept = self.known.get(str(path))
        return kept is not None and tuple(kept[0]) == stamp and _DIGEST in kept[1]

    def begin(self, files: Mapping[Path, Stamp]) -> list[Path]:
        """Have large files digested in the background, by the time that it is asked for; those that are not.

        What may still be changing is none of them: it has to be digested before it is read, so that whoever reads it
        reads what was digested, or something later, of which another look then tells.
        """
        large = [path for path, stamp in files.items() if stamp[0] >= _LARGE_BYTES and _is_settled(stamp)]
        unknown = [path for path in large if not self.is_known(path, files[path])]
        if unknown:
            thread = Thread(target=self._digest_all, args=(unknown,), daemon=True)
            self._at_work |= {str(path): thread for path in unknown}
            thread.start()
        return [path for path in files if path not in {*large}]

    def _digest_all(self, files: Sequence[Path]) -> None:
        with contextlib.suppress(OSError):  # whoever asks for the digest tries again, and is told
            for path in files:
                self.fact(path, _DIGEST, digest_file)

    def digest(self, path: Path | str) -> str | None:
        """SHA-256 of a file; None where it changes faster than it can be read."""
        if (thread := self._at_work.pop(str(path), None)) is not None:
            thread.join()
        found = self.fact(path, _DIGEST, digest_file)
        return None if found is None else str(found)

    def fact(self, path: Path | str, name: str, read: Callable[[Path], Any]) -> Any:
        """What ``read`` says of a file, a JSON value; None where it changes faster than it can be read.

        Args:
            path: the file.
            name: under which the fact is kept.
            read: called where it is not known.
        """
        for _ in range(_TRIES):
            stamp, text = stamp_of(path), str(path)
            kept = self.known.get(text)
            if kept and tuple(kept[0]) == stamp and name in kept[1]:
                return kept[1][name]
            found = read(Path(path))
            if stamp_of(path) == stamp:
                if _is_settled(stamp):
                    self._keep(text, stamp, name, found)
                return found
        return None

    def _keep(self, path: str, stamp: Stamp, name: str, found: Any) -> None:
        kept = self.known.get(path)
        others = kept[1] if kept and tuple(kept[0]) == stamp else {}
        self.known[path] = (list(stamp), {**others, name: found})
        self.is_changed = True
