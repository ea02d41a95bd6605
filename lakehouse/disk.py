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
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from lakehouse.errors import StorageError

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
        self._own: set[Path] = {self.root}

    def _call(self, name: str, path: Path) -> None:
        self.require_own(path)
        with self._lock:
            self._on_call(name, path)

    def require_own(self, path: Path) -> Path:
        """The path itself, if a change there changes the lake, and nothing beside it; each folder is looked at once.

        The root may be reached through a link; below it none is followed, whoever planted it.

        Raises:
            OSError: a link stands on the way from the root, or the path lies outside of it.
        """
        if path.parent in self._own or path == self.root or path in self.root.parents:
            return path
        if ".." in path.parts or self.root not in path.parents:
            raise StorageError(f"{path} lies outside of the lake", code="outside-lake", context={"path": str(path)})
        for folder in reversed(path.parents[: len(path.parts) - len(self.root.parts) - 1]):
            if folder not in self._own and folder.is_symlink():
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(folder))
            self._own.add(folder)
        return path

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
                if not code and not path.is_file():
                    raise StorageError(
                        f"{path}: a broken link, a pipe or a device stands where a file belongs",
                        code="not-a-file",
                        help="move it away, then run the same command again: nothing is lost",
                        context={"path": str(path)},
                    )
            elif stat.S_ISLNK(status.st_mode):
                code = errno.ELOOP
            else:
                code = 0 if status.st_dev == device else errno.EXDEV
            if code:
                raise OSError(code, os.strerror(code), str(path))

    def sync_folders(self, folders: Iterable[Path]) -> None:
        """Names that were added, replaced or removed in these folders are on disk when this returns."""
        unique = list(dict.fromkeys(folders))
        _raise_first(self._refused("fsync folder", unique, os.O_RDONLY | os.O_DIRECTORY))

    def sync_files(self, files: Sequence[Path]) -> None:
        """The bytes of these files are on disk when this returns.

        A sync that failed is not tried again: the kernel would call the lost pages clean, and report success.
        """
        _raise_first(self._refused("fsync", files, os.O_RDONLY))

    def sync_or_copy(self, digests: Mapping[Path, str], spare: Callable[[], Path]) -> list[Path]:
        """Files with these digests, on disk: each itself, or a copy where its sync failed.

        That is tried once, and the copy is read again: the kernel may have dropped the bytes already.
        """
        placed = {path: path for path in digests}
        for path, error in self._refused("fsync", [*digests], os.O_RDONLY).items():
            placed[path] = spare()
            self._copy(path, placed[path])
            if digest_file(placed[path]) != digests[path]:
                raise error
            self.remove(path)
        return [*placed.values()]

    def _refused(self, name: str, paths: Sequence[Path], flags: int) -> dict[Path, OSError]:
        """The paths whose sync failed, each with its error; the others are on disk."""

        def sync(path: Path) -> OSError | None:
            try:
                self._call(name, path)
                descriptor = os.open(path, flags | os.O_CLOEXEC)
                try:
                    with _naming(path):
                        _sync(descriptor)
                finally:
                    os.close(descriptor)
            except OSError as error:
                return error
            return None

        if len(paths) < 2:  # noqa: PLR2004  a pool for one file costs more than the call
            errors = [sync(path) for path in paths]
        else:
            with ThreadPoolExecutor(min(_SYNC_THREADS, len(paths))) as pool:
                errors = [*pool.map(sync, paths)]
        return {path: error for path, error in zip(paths, errors, strict=True) if error is not None}

    # Files

    def write_new(self, path: Path, data: bytes) -> None:
        """Write a file that was not there; its bytes are on disk when this returns, its name is not yet."""
        self._call("write", path)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with _naming(path), os.fdopen(os.open(path, flags, 0o666), "wb") as file:
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

    def link(self, version: Path, name: Path) -> None:
        """Give a version a further name, or a copy of it where that cannot be; the name is not on disk yet."""
        self._call("link", name)
        try:
            os.link(version, name)
        except OSError as error:
            if error.errno not in _NO_LINK:
                raise
            self._copy(version, name)

    def put(self, version: Path, target: Path, spare: Path) -> None:
        """Make `target` the bytes of `version`, in one step for whoever looks: the old file or the new one."""
        self.link(version, spare)
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
            self.require_own(path)
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

    def remove_if_empty(self, folder: Path) -> bool:
        """Remove a folder that holds nothing; whether it is gone. One that stays, for whatever reason, is no harm."""
        self._call("rmdir", folder)
        try:
            folder.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True

    def remove_tree(self, folder: Path) -> None:
        """Remove a folder with all that is in it."""
        self._call("rmtree", folder)
        try:
            shutil.rmtree(folder, ignore_errors=True)
        except OSError as error:
            # Interrupted just after it closed a folder, it closes that again, and the interrupt is lost to EBADF.
            raise error.__context__ or error from None


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """An error of the block that names no file names this one."""
    try:
        yield
    except OSError as error:
        if error.filename is not None:
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def _raise_first(errors: Mapping[Path, OSError]) -> None:
    for error in errors.values():
        raise error


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
    if code in (errno.EINVAL, errno.ENOSYS):  # through FUSE, as a rule
        raise StorageError(
            f"{target}: this file system has neither hard links nor a rename that replaces nothing",
            code="not-supported",
            help="keep the lake on one that has: ext4, xfs, btrfs, APFS",
            context={"path": str(target), "errno": code},
        ) from refused
    raise OSError(code, os.strerror(code), str(source), None, str(target))
