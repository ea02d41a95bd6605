"""What an error of the operating system means to whoever runs a lake: a code, a sentence and a remedy.

Knows error numbers. Knows nothing of what was being done, but for the words that it is given.
"""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lakehouse.errors import StorageError

__all__ = ["storage_errors"]

_REASONS: Final = {
    errno.ENOSPC: ("disk-full", "no space left", "free some space (or inodes: see `df -i`)"),
    errno.EDQUOT: ("disk-quota", "the disk quota is used up", "free some space or raise the quota"),
    errno.EROFS: ("read-only", "the file system is read-only", "mount it writable"),
    errno.EACCES: ("no-rights", "permission denied", "give this user the right to write there"),
    errno.EPERM: ("no-rights", "operation not permitted", "give this user the right to write there"),
    errno.EMFILE: ("too-many-files", "too many open files", "raise `ulimit -n`"),
    errno.ENFILE: ("too-many-files", "too many open files on this machine", "close some"),
    errno.ENAMETOOLONG: ("name-too-long", "a name is too long", "choose a shorter root, asset name or key"),
    errno.EISDIR: ("not-a-file", "a folder stands where a file belongs", "move it away"),
    errno.ENOTDIR: ("not-a-folder", "a file stands where a folder belongs", "move it away"),
    errno.ELOOP: ("folder-is-link", "a link stands where a folder belongs", "make the lake's root the link instead"),
    errno.EXDEV: ("other-device", "lies on another file system than .lake", "keep a lake on one file system"),
    errno.EIO: ("disk-failed", "the disk reports an error", "look at the disk"),
}


@contextlib.contextmanager
def storage_errors(path: Path | str, doing: str) -> Iterator[None]:
    """Turn an ``OSError`` of the block into a `StorageError` that names the path and the remedy."""
    try:
        yield
    except (StorageError, BrokenPipeError):  # a pipe is no part of a lake: whoever read our output has gone
        raise
    except OSError as error:
        code, what, remedy = _REASONS.get(error.errno or 0, ("storage", error.strerror or str(error), "see above"))
        where = error.filename2 or error.filename or path
        raise StorageError(
            f"{where}: {what} ({doing})",
            code=code,
            help=f"{remedy}, then run the same command again: nothing is lost",
            context={"path": str(where), "errno": error.errno},
        ) from error
