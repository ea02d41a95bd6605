"""The only module that changes a lake's files: one method for each kind of change, counted, and synced.

Knows the order of system calls that survives a power cut. Knows nothing of what the files mean.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import hashlib
import os
import shutil
import stat
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from lakehouse.errors import StorageError

__all__ = ["Disk", "digest_file", "storage_errors"]

OnCall = Callable[[str, Path], None]

_READ_ONLY: Final = 0o444
_SYNC_THREADS: Final = 8  # the journal commits many at once; more threads gained nothing
_CHUNK: Final = 1 << 20
# Where the file system or the kernel refuses a hard link to a file that can be read: copy instead.
_NO_LINK: Final = frozenset({errno.EPERM, errno.EMLINK, errno.EXDEV, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})

_REASONS: Final = {
    errno.ENOSPC: ("disk-full", "no space left", "free some space"),
    errno.EDQUOT: ("disk-quota", "the disk quota is used up", "free some space or raise the quota"),
    errno.EROFS: ("read-only", "the file system is read-only", "mount it writable"),
    errno.EACCES: ("no-rights", "permission denied", "give this user the right to write there"),
    errno.EPERM: ("no-rights", "operation not permitted", "give this user the right to write there"),
    errno.EMFILE: ("too-many-files", "too many open files", "raise `ulimit -n`"),
    errno.ENFILE: ("too-many-files", "too many open files on this machine", "close some"),
    errno.ENAMETOOLONG: ("name-too-long", "a name is too long", "choose a shorter root, asset name or key"),
    errno.EISDIR: ("not-a-file", "a folder stands where a file belongs", "move it away"),
    errno.ENOTDIR: ("not-a-folder", "a file stands where a folder belongs", "move it away"),
    errno.EIO: ("disk-failed", "the disk reports an error", "look at the disk"),
}


def _nothing(_name: str, _path: Path) -> None:
    """Called before each change; tests count and fail them."""


@contextlib.contextmanager
def storage_errors(path: Path | str, doing: str) -> Iterator[None]:
    """Turn an ``OSError`` of the block into a `StorageError` that names the path and the remedy."""
    try:
        yield
    except StorageError:
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


def digest_file(path: Path | str) -> str:
    """SHA-256 of a file's bytes, hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Disk:
    """Every change to a lake's files.

    Args:
        root: the lake's root; made absolute, links resolved, once.
        on_call: called with a name and a path before each change that the kernel is asked for.
    """

    def __init__(self, root: Path, on_call: OnCall = _nothing) -> None:
        self.root = Path(os.path.realpath(root))
        self._on_call = on_call
        self._lock = threading.Lock()

    def _call(self, name: str, path: Path) -> None:
        with self._lock:
            self._on_call(name, path)

    def path(self, relative: str) -> Path:
        """Where something lies that is named relative to the root."""
        return self.root / relative

    # Folders

    def make_folders(self, folders: Iterable[Path]) -> None:
        """Make folders and those above them that are missing; they are on disk when this returns."""
        parents: dict[Path, None] = {}
        for folder in folders:
            missing = []
            at = folder
            while not at.is_dir():
                missing.append(at)
                at = at.parent
            for path in reversed(missing):
                self._call("mkdir", path)
                # Lost to another process is as good as made; its parent is synced all the same, for the other
                # may not have come so far.
                with contextlib.suppress(FileExistsError):
                    path.mkdir()
                parents[path.parent] = None
        self.sync_folders(parents)

    def sync_folders(self, folders: Iterable[Path]) -> None:
        """Names that were added, replaced or removed in these folders are on disk when this returns."""
        self._each("fsync folder", list(dict.fromkeys(folders)), os.O_RDONLY | os.O_DIRECTORY)

    def sync_files(self, files: Sequence[Path]) -> None:
        """The bytes of these files are on disk when this returns.

        A sync that failed is not tried again: the kernel would call the lost pages clean, and report success.
        """
        self._each("fsync", files, os.O_RDONLY)

    def _each(self, name: str, paths: Sequence[Path], flags: int) -> None:
        def sync(path: Path) -> None:
            self._call(name, path)
            descriptor = os.open(path, flags | os.O_CLOEXEC)
            try:
                _sync(descriptor)
            except OSError as error:
                raise OSError(error.errno, error.strerror, str(path)) from error
            finally:
                os.close(descriptor)

        if len(paths) < 2:  # noqa: PLR2004  a pool for one file costs more than the call
            for path in paths:
                sync(path)
            return
        with ThreadPoolExecutor(min(_SYNC_THREADS, len(paths))) as pool:
            for _ in pool.map(sync, paths):
                pass

    # Files

    def write_new(self, path: Path, data: bytes) -> None:
        """Write a file that was not there; its bytes are on disk when this returns, its name is not yet."""
        self._call("write", path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o666)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            _sync(file.fileno())

    def seal(self, path: Path, mtime_ns: int) -> None:
        """Give a staged file its last mode (read-only, as git's objects are) and its modification time."""
        self._call("seal", path)
        os.utime(path, ns=(mtime_ns, mtime_ns))
        path.chmod(_READ_ONLY)

    def move(self, source: Path, target: Path) -> None:
        """Rename within the lake."""
        self._call("rename", target)
        source.rename(target)

    def create(self, staged: Path, target: Path) -> bool:
        """Give a staged file its name if nobody has it; False where somebody has. The spare name is removed."""
        self._call("link", target)
        try:
            os.link(staged, target)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            return _rename_if_absent(staged, target)
        self.remove(staged)
        return True

    def put(self, version: Path, target: Path, spare: Path) -> None:
        """Make `target` the bytes of `version`, in one step for whoever looks: the old file or the new one."""
        self._call("link", spare)
        try:
            os.link(version, spare)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            self._copy(version, spare)
        self._call("replace", target)
        spare.replace(target)
        # Between two names of one file a rename does nothing, and leaves the first.
        if spare.exists():
            self.remove(spare)

    def copy_in(self, source: Path, target: Path) -> None:
        """Copy a file that somebody else made; the copy is on disk and read-only when this returns."""
        self._copy(source, target)

    def _copy(self, source: Path, target: Path) -> None:
        self._call("copy", target)
        shutil.copyfile(source, target)
        status = source.stat()
        self.seal(target, status.st_mtime_ns)
        self.sync_files([target])

    def overwrite(self, path: Path, data: bytes, spare: Path) -> None:
        """Replace a small file of the lake's own bookkeeping in one step, durably."""
        self.write_new(spare, data)
        self._call("replace", path)
        spare.replace(path)
        self.sync_folders([path.parent])

    def cache(self, path: Path, data: bytes) -> None:
        """Replace a file that can be computed again: in one step, but not synced; failing is no matter."""
        spare = path.with_name(f"{path.name}.{os.getpid()}-{threading.get_ident()}")
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            try:
                spare.write_bytes(data)
                spare.replace(path)
            except OSError:
                spare.unlink(missing_ok=True)
                raise

    def remove(self, path: Path) -> None:
        """Remove a file; one that is not there is as good as removed."""
        self._call("unlink", path)
        path.unlink(missing_ok=True)

    def remove_tree(self, folder: Path) -> None:
        """Remove a folder with all that is in it."""
        self._call("rmtree", folder)
        shutil.rmtree(folder, ignore_errors=True)

    def is_regular(self, path: Path) -> bool:
        """Whether a plain file, no link, stands there."""
        try:
            return stat.S_ISREG(path.lstat().st_mode)
        except FileNotFoundError:
            return False


def _sync(descriptor: int) -> None:
    if sys.platform == "darwin":
        import fcntl

        # There, fsync leaves the bytes in the drive's own cache.
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)


def _rename_if_absent(source: Path, target: Path) -> bool:
    """``renameat2(RENAME_NOREPLACE)``, for file systems without hard links."""
    at_cwd, no_replace = -100, 1
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(at_cwd, os.fsencode(source), at_cwd, os.fsencode(target), no_replace) == 0:
        return True
    code = ctypes.get_errno()
    if code == errno.EEXIST:
        return False
    raise OSError(code, os.strerror(code), str(source), None, str(target))
