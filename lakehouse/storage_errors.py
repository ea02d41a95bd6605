"""What an error of the operating system means to whoever runs a lake: a code, a sentence and a remedy.

Knows error numbers, and how engines spell them. Knows nothing of what was being done, but for the words that it is
given.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from lakehouse.errors import LakeError, StorageError

__all__ = ["as_storage_error", "exhausted", "storage_error", "storage_errors"]

_RIGHTS: Final = "give this user the right to write there"
_READING: Final = ("reading", "looking")
_REASONS: Final = {
    errno.ENOSPC: ("disk-full", "no space left", "free some space"),
    errno.EDQUOT: ("disk-quota", "the disk quota is used up", "free some space or raise the quota"),
    errno.EROFS: ("read-only", "the file system is read-only", "mount it writable"),
    errno.EACCES: ("no-rights", "permission denied", _RIGHTS),
    errno.EPERM: ("no-rights", "operation not permitted", _RIGHTS),
    errno.EMFILE: ("too-many-files", "too many open files", "raise `ulimit -n`"),
    errno.ENFILE: ("too-many-files", "too many open files on this machine", "close some"),
    errno.EFBIG: ("file-too-large", "a file is larger than is allowed", "raise `ulimit -f`"),
    errno.ENOMEM: ("out-of-memory", "no memory left", "free some, or make fewer partitions at once"),
    errno.EAGAIN: ("no-threads", "the system starts no further threads", "raise `ulimit -u`, or free memory"),
    errno.ENAMETOOLONG: ("name-too-long", "a name is too long", "choose a shorter root, asset name or key"),
    errno.EISDIR: ("not-a-file", "a folder stands where a file belongs", "move it away"),
    errno.ENOTDIR: ("not-a-folder", "a file stands where a folder belongs", "move it away"),
    errno.ELOOP: ("folder-is-link", "a link stands where a folder belongs", "make the lake's root the link instead"),
    errno.EXDEV: ("other-device", "lies on another file system than .lake", "keep a lake on one file system"),
    errno.ENOTSUP: ("not-supported", "the file system cannot do this", "keep the lake on a local file system"),
    errno.ENOLCK: ("not-supported", "the file system has no locks", "keep the lake on a local file system"),
    errno.EIO: ("disk-failed", "the disk reports an error", "look at the disk"),
    errno.ESTALE: ("disk-gone", "the file system went away", "mount it again"),
    errno.ENOTCONN: ("disk-gone", "the file system went away", "mount it again"),
    errno.ENOENT: ("vanished", "it is not there", "see who removed it"),
}
_NO_INODES: Final = ("no-inodes", "no inodes left, though there is space", "remove some files: `df -i`")
# What neither a file nor the code that asked for it is to blame for, whoever says it.
_MACHINE: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN})
_DISK: Final = _MACHINE | {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO, errno.EFBIG, errno.ESTALE}
_NUMBERED: Final = re.compile(r"(?:os error|\[errno|Os \{ code:) (\d+)")  # Rust, Arrow, and Rust within a panic
_SPELLED: Final = {os.strerror(number).casefold(): number for number in _DISK}
_NAMED: Final = re.compile(r"""file \\*["'](/[^"'\\]+)|os error \d+\): (/.+)""")  # DuckDB's and Polars' ways
_OUT_OF_MEMORY: Final = re.compile(r"out of memory|cannot allocate memory|memory allocation .*failed", re.IGNORECASE)
_EFFECTIVE: Final = os.access in os.supports_effective_ids
_ENGINES: Final = ("polars", "duckdb", "pyarrow", "pyo3_runtime")


@contextlib.contextmanager
def storage_errors(path: Path | str, doing: str) -> Iterator[None]:
    """Turn an ``OSError`` of the block into a `StorageError` that names the path and the remedy."""
    try:
        yield
    except (StorageError, BrokenPipeError):  # a pipe is no part of a lake: whoever read our output has gone
        raise
    except OSError as error:
        raise storage_error(error, path, doing) from error


def storage_error(error: OSError, path: Path | str, doing: str) -> StorageError:
    """The same error with a code of its own, what is wrong, and the remedy.

    Args:
        error: of the operating system.
        path: what it is about, where it does not say so itself.
        doing: what was being done, in words; beginning with *reading* or *looking*, where nothing was to be changed.
    """
    number = error.errno or _number(error)  # Polars tells its number and its path in words only
    where = _culprit(number, error.filename2 or error.filename or _path_in(str(error)) or path)
    code, what, remedy = _reason(number, where) or ("storage", error.strerror or str(error), "see to it")
    if "temporary directory" in (error.strerror or ""):  # Python's own words where there is none
        code, what, remedy = "no-scratch", "no folder for temporary files can be written", "set TMPDIR to one"
    if doing.startswith(_READING) and remedy is _RIGHTS:
        remedy = "give this user the right to read it"
    return _built(f"{where}: {what} ({doing})", code, remedy, number, where)


def as_storage_error(error: BaseException, path: Path | str | None = None, doing: str = "") -> StorageError | None:
    """The error as one of the disk or the machine, where an engine wrapped it in a type of its own; else None.

    An ``OSError`` about a file or a host that somebody asked for is none.

    Args:
        error: whatever was raised.
        path: where files were written, if the error does not say which.
        doing: what was being done, in words.
    """
    number, said = _number(error), str(error).strip().partition("\n")[0]
    if number not in _DISK:
        return None
    where = (isinstance(error, OSError) and error.filename) or _path_in(said) or path
    code, what, remedy = _reason(number, where) or ("storage", said, "see to it")
    if where is None:
        return _built(f"{doing}: {what}".removeprefix(": "), code, remedy, number, where)
    return _built(f"{where}: {what} ({doing})".removesuffix(" ()"), code, remedy, number, where)


def exhausted(error: BaseException) -> StorageError | None:
    """The error as one of the machine (files, memory, threads), whatever was being done; None: it is none."""
    found = as_storage_error(error)
    return found if found is not None and found.context["errno"] in _MACHINE else None


def _reason(number: int | None, where: Path | str | None) -> tuple[str, str, str] | None:
    if number == errno.ENOSPC and where is not None and _has_no_inodes(where):
        return _NO_INODES
    return _REASONS.get(number or 0)


def _built(message: str, code: str, remedy: str, number: int | None, where: Path | str | None) -> StorageError:
    return StorageError(
        message,
        code=code,
        help=f"{remedy}, then run the same command again: nothing is lost",
        context={"errno": number, **({} if where is None else {"path": str(where)})},
    )


def _number(error: BaseException) -> int | None:
    if isinstance(error, LakeError):
        return None
    if isinstance(error, MemoryError):
        return errno.ENOMEM
    if isinstance(error, OSError) and error.errno is not None:
        return None if isinstance(error, BlockingIOError) else error.errno  # a socket that has nothing yet
    said = str(error)
    if isinstance(error, RuntimeError) and "can't start new thread" in said:
        return errno.EAGAIN
    if match := _NUMBERED.search(said):
        return int(match[1])
    engine = type(error).__module__.partition(".")[0].lstrip("_")
    if engine not in _ENGINES and not isinstance(error, OSError):  # Arrow passes on what others raise as OSError
        return None
    if _OUT_OF_MEMORY.search(said):
        return errno.ENOSPC if "failed to offload" in said else errno.ENOMEM  # what DuckDB spills has no room
    folded = said.casefold()
    return next((number for words, number in _SPELLED.items() if words in folded), None)


def _culprit(number: int | None, where: Path | str) -> Path | str:
    """Of a path that cannot be followed, the part that stands in the way; else the path."""
    above = [folder for folder in reversed(Path(where).parents) if number in (errno.ENOTDIR, errno.EACCES)]
    for folder in (folder for folder in above if os.path.exists(folder)):  # noqa: PTH110  pathlib's raises
        if not os.path.isdir(folder):  # noqa: PTH112  likewise
            return folder
        if number == errno.EACCES and not os.access(folder, os.X_OK, effective_ids=_EFFECTIVE):
            return folder
    return where


def _path_in(said: str) -> str | None:
    named = _NAMED.search(said)
    return named and (named[1] or named[2])


def _has_no_inodes(path: Path | str) -> bool:
    """Whether it is names rather than space that a file system lacks; not all of them count names."""
    for folder in (Path(path), *Path(path).parents):
        with contextlib.suppress(OSError):
            found = os.statvfs(folder)
            return found.f_files > 0 and found.f_favail == 0 and found.f_bavail > 0
    return False
