"""What one command asks of the kernel, in which order: the log that strace writes, read.

Knows lines of text. Knows nothing of what is right.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from faults.calls import Call
from faults.scenarios import Place, command, environment
from faults.warm import TESTS

__all__ = ["Event", "calls", "run", "trace"]

_TRACED: Final = (
    "open,openat,openat2,creat,write,pwrite64,writev,pwritev,pwritev2,fsync,fdatasync,sync_file_range,rename,renameat,"
    "renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir,chmod,fchmod,fchmodat,utimensat,"
    "truncate,ftruncate,fallocate,copy_file_range,sendfile,io_uring_setup,mmap,splice"
)
_ALIKE: Final = {
    "open": ("openat", "openat2", "creat"),
    "write": ("pwrite64", "writev", "pwritev", "pwritev2", "copy_file_range", "sendfile"),
    "fsync": ("fdatasync",),
    "rename": ("renameat", "renameat2"),
    "link": ("linkat", "symlink", "symlinkat"),
    "mkdir": ("mkdirat",),
    "unlink": ("unlinkat",),
    "chmod": ("fchmod", "fchmodat"),
    "utime": ("utimensat",),
    "truncate": ("ftruncate", "fallocate"),
}
_KINDS: Final = {name: kind for kind, names in _ALIKE.items() for name in names}
_PATH: Final = os.pathsep.join([str(TESTS), str(TESTS.parent), os.environ.get("PYTHONPATH", "")])
_LINE: Final = re.compile(r"(\d+) +(?:<\.\.\. (?P<resumed>\w+) resumed>)?(?P<rest>.*)")
_CALL: Final = re.compile(r"(\w+)\((.*)\)\s+= (-?\d+|\?)(?:<[^>]*>)?(?: (E\w+).*)?$")
_WORD: Final = re.compile(r'"((?:[^"\\]|\\.)*)"(?:\.\.\.)?|(?:\d+|AT_FDCWD)<([^>]*)>')
_CHANGES: Final = re.compile(r"O_CREAT|O_WRONLY|O_RDWR|O_TRUNC")


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One call that came to its end.

    Attributes:
        name: its kind.
        path: what it is about: for two names, the new one.
        source: for two names, the old one.
        text: how strace shows it.
        began: the line of its beginning.
        ended: the line of its end; calls of several threads overlap.
        is_ok: whether it succeeded.
    """

    name: str
    path: str
    source: str
    text: str
    began: int
    ended: int
    is_ok: bool


def run(place: Place, args: Sequence[str], log: Path, *, start: Sequence[str] = ()) -> list[Event]:
    """The events of one command, run as a process of its own; it must succeed.

    Args:
        place: where it runs.
        args: of `lake`.
        log: a file for strace.
        start: another command line than that of `lake`.
    """
    options = ["-f", "-y", "-s", "300", "--seccomp-bpf", "-e", f"trace={_TRACED}", "-e", "signal=none"]
    subprocess.run(
        ["strace", *options, "-o", str(log), *(start or command(place, args))],
        check=True,
        capture_output=True,
        env={**os.environ, **environment(place), "PYTHONPATH": _PATH, "PYTHONDONTWRITEBYTECODE": "1"},
    )
    return list(trace(log.read_text(encoding="utf-8", errors="replace").splitlines()))


def trace(lines: Iterable[str]) -> Iterator[Event]:
    """The events of a log, in the order of their ends."""
    begun: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(lines):
        if (match := _LINE.fullmatch(line)) is None:
            continue
        process, rest, began = match[1], match["rest"], number
        if match["resumed"]:
            began, first = begun.pop(process)
            rest = first + rest
        if rest.endswith("<unfinished ...>"):
            begun[process] = number, rest.removesuffix("<unfinished ...>").rstrip()
        elif (call := _CALL.fullmatch(rest)) is not None:
            yield from _event(call, began, number)


def _event(call: re.Match[str], began: int, ended: int) -> Iterator[Event]:
    kind = _KINDS.get(call[1], call[1])
    words = [(named, opened) for named, opened in _WORD.findall(call[2])]
    if kind == "unlink" and "AT_REMOVEDIR" in call[2]:
        kind = "rmdir"
    if kind == "mmap" and not ("PROT_WRITE" in call[2] and "MAP_SHARED" in call[2] and words):
        return
    if kind == "open" and not _CHANGES.search(call[2]):
        return
    names = (
        list(_names(words))
        if kind in ("open", "rename", "link", "unlink", "mkdir", "rmdir", "chmod", "utime")
        else []
    )
    path = names[-1] if names else next((opened for _, opened in words if opened), "")
    source = names[0] if len(names) > 1 else ""
    yield Event(
        name=kind, path=path, source=source, text=call[0], began=began, ended=ended, is_ok=not call[3].startswith("-")
    )


def _names(words: Sequence[tuple[str, str]]) -> Iterator[str]:
    """The paths among a call's arguments, each joined to the folder that stands before it."""
    folder = ""
    for named, opened in words:
        if opened:
            folder = opened
        else:
            yield os.path.normpath(os.path.join(folder, named))  # noqa: PTH118  as the kernel does


def calls(events: Iterable[Event], place: Place) -> list[Call]:
    """The calls that change files below the place, as the shim counts them."""
    below = f"{place.folder}/"
    return [
        Call(event.name, event.path.removeprefix(below), event.source.removeprefix(below))
        for event in events
        if event.path.startswith(below) or event.path == str(place.folder)
    ]
