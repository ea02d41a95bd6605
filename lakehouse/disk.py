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
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

__all__ = ["Disk", "digest_file"]

OnCall = Callable[[str, Path], None]

_READ_ONLY: Final = 0o444
_SYNC_THREADS: Final = 8  # the journal commits many at once; more threads gained nothing
# Where the file system or the kernel refuses a hard link to a file that can be read: copy instead.
_NO_LINK: Final = frozenset({errno.EPERM, errno.EMLINK, errno.EXDEV, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS})


def _nothing(_name: str, _path: Path) -> None:
    """Called before each change; tests count and fail them."""


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
        self._made: set[Path] = set()

    def _call(self, name: str, path: Path) -> None:
        with self._lock:
            self._on_call(name, path)

    def path(self, relative: str) -> Path:
        """Where something lies that is named relative to the root."""
        return self.root / relative

    # Folders

    def make_folders(self, folders: Iterable[Path]) -> None:
        """Make folders and those above them that are missing; they are on disk when this returns.

        A folder that is there may have a maker who died, or has not come so far as to sync its name. So its parent
        is synced too, once; not those further up, for names are synced level by level, before anything is below.
        """
        levels: dict[int, dict[Path, None]] = {}
        for path in folders:
            while not (is_there := path.is_dir()) or self._may_be_unsynced(path):
                levels.setdefault(len(path.parts), {})[path] = None
                if is_there:
                    break
                path = path.parent  # noqa: PLW2901  upward from each
        for _, level in sorted(levels.items()):
            for path in level:
                self._make_folder(path)
            self.sync_folders(path.parent for path in level)
            self._made.update(level)

    def _may_be_unsynced(self, folder: Path) -> bool:
        is_ours = folder.is_relative_to(self.root) and folder not in self._made
        return is_ours and os.access(folder.parent, os.R_OK)  # the root's own may be closed to us

    def _make_folder(self, path: Path) -> None:
        if path.is_dir():
            return
        self._call("mkdir", path)
        try:
            path.mkdir()
        except FileExistsError:  # lost to another process is as good as made
            if not path.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path)) from None

    def require_place(self, target: Path, staged: Path) -> None:
        """Nothing, if a staged file could be renamed onto a target without leaving the lake.

        Raises:
            OSError: a link, a file or another file system stands between the root and the target, or a folder
                where the target belongs.
        """
        device = staged.parent.stat().st_dev
        for path in (self.root, *reversed([path for path in (target, *target.parents) if self.root in path.parents])):
            try:
                status = path.lstat()
            except FileNotFoundError:
                return
            if path == target:
                code = errno.EISDIR if stat.S_ISDIR(status.st_mode) else 0
            elif stat.S_ISLNK(status.st_mode):
                code = errno.ELOOP
            else:
                code = 0 if status.st_dev == device else errno.EXDEV
            if code:
                raise OSError(code, os.strerror(code), str(path))

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
            self._call("fsync", path)
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
        """Give a staged file its name if nobody has it; False where somebody has. The staged name may stay."""
        self._call("link", target)
        try:
            os.link(staged, target)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            return _rename_if_absent(staged, target, error)
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


def _sync(descriptor: int) -> None:
    if sys.platform == "darwin":
        import fcntl

        # There, fsync leaves the bytes in the drive's own cache.
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)
    else:
        os.fsync(descriptor)


def _rename_if_absent(source: Path, target: Path, refused: OSError) -> bool:
    """``renameat2(RENAME_NOREPLACE)``, for file systems without hard links; what was refused, where there is none."""
    at_cwd, no_replace = -100, 1
    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "renameat2"):
        raise refused
    if libc.renameat2(at_cwd, os.fsencode(source), at_cwd, os.fsencode(target), no_replace) == 0:
        return True
    code = ctypes.get_errno()
    if code == errno.EEXIST:
        return False
    raise OSError(code, os.strerror(code), str(source), None, str(target))
