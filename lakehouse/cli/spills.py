"""What engines write to the standard error by themselves: a panic's report is kept back, as the error says it all.

Knows how Rust and C++ say that they give up. Knows nothing of what they computed.

An engine that cannot have its memory ends the whole process (SIGABRT), after a line of its own. Its thread is put to
sleep instead, for some seconds: time enough to read that line, to say it as an error, and to leave in good order.
"""

from __future__ import annotations

import ctypes
import os
import re
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lakehouse.cli.leaving import leave
from lakehouse.errors import StorageError

if TYPE_CHECKING:
    import click

__all__ = ["Sieve", "keep_back", "kept_back"]

_PANIC: Final = re.compile(rb"thread '.*panicked at ")
_GOES_ON: Final = re.compile(rb"\s|$|stack backtrace:|note: ")
_NO_MEMORY: Final = re.compile(rb"memory allocation of \d+ bytes failed|terminate called after .*bad_alloc.*")
_CHUNK: Final = 4096  # asking for more may be asking for too much
_PATIENCE: Final = 2.0  # seconds
_END: Final = b"\x00"


class Sieve:
    """Lets lines through, but for the reports of panics.

    Attributes:
        no_memory: the line that says so, once there was one.
    """

    def __init__(self) -> None:
        self.no_memory = ""
        self._rest = b""
        self._held = b""  # an empty line, which may belong to the report that follows
        self._place = "outside"

    def sift(self, data: bytes) -> bytes:
        """What is to be shown of some more bytes; the beginning of a line waits for its end."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        return b"".join(self._sifted(line) for line in lines)

    def _sifted(self, line: bytes) -> bytes:
        if _PANIC.match(line):
            self._held, self._place = b"", "at its message"
            return b""
        if self._place == "at its message":
            self._place = "after its message"
            return b""
        if self._place == "after its message" and _GOES_ON.match(line):
            return b""
        self._place = "outside"
        if match := _NO_MEMORY.match(line):
            self.no_memory = match[0].decode()
        if not line:
            shown, self._held = self._held, b"\n"
            return shown
        shown, self._held = self._held + line + b"\n", b""
        return shown

    def rest(self) -> bytes:
        """What has waited."""
        return self._held + self._rest


def keep_back(ctx: click.Context, root: Path, *, verbose: bool = False) -> None:
    """Keep the reports of panics back until a command is over; `verbose` shows them all the same."""
    ctx.with_resource(kept_back(partial(leave, root), verbose=verbose))


@contextmanager
def kept_back(end: Callable[[int], object], *, verbose: bool = False) -> Iterator[None]:
    """Keep the reports of panics back for as long as the block runs.

    Args:
        end: ends the process with an exit code, where an engine would end it for lack of memory; called in
            another thread.
        verbose: whether they are shown all the same.
    """
    try:
        shown = os.dup(2)
    except OSError:  # there is no standard error
        yield
        return
    reader, writer = os.pipe()
    is_over = threading.Event()
    listener = threading.Thread(target=_listen, args=(reader, shown, is_over, end, verbose), daemon=True)
    listener.start()  # first: where there is no room for a thread, nothing may be written to whom nobody hears
    before, own = _park_aborting(), sys.stderr
    os.dup2(writer, 2)
    try:
        with suppress(OSError, ValueError, AttributeError):  # another object may stand there, with no descriptor
            if own.fileno() == 2:  # noqa: PLR2004  the standard error itself
                sys.stderr = open(shown, "w", encoding=own.encoding, errors=own.errors, buffering=1, closefd=False)  # noqa: SIM115
        yield
    finally:
        if sys.stderr is not own:
            sys.stderr.flush()
            sys.stderr = own
        os.dup2(shown, 2)
        _take_back(before)
        is_over.set()
        os.write(writer, _END)
        listener.join(_PATIENCE)
        for descriptor in (writer, reader, shown):
            os.close(descriptor)


def _listen(
    reader: int,
    shown: int,
    is_over: threading.Event,
    end: Callable[[int], object],
    verbose: bool,  # noqa: FBT001
) -> None:
    sieve, has_ended = Sieve(), False
    while not has_ended:
        try:
            data = os.read(reader, _CHUNK)
        except OSError:  # it was closed
            return
        with suppress(OSError, MemoryError):  # nobody reads it; or a line is lost, but whoever writes is not kept
            if is_over.is_set() and _END in data:
                data, has_ended = data.replace(_END, b"", 1), True  # an engine's thread may have had the last word
            sifted = sieve.sift(data) + (sieve.rest() if has_ended else b"")
            if sieve.no_memory:
                _end_without_memory(sieve.no_memory, end)
            os.write(shown, data if verbose else sifted)


def _end_without_memory(said: str, end: Callable[[int], object]) -> None:
    from lakehouse.cli.failures import ended_by

    error = StorageError(
        f"no memory left: {said}",
        code="out-of-memory",
        help="free some, or make fewer partitions at once, then run the same command again: nothing is lost",
    )
    assert sys.__stdout__ is not None  # noqa: S101  it is a command's
    sys.stdout = sys.__stdout__  # what the block's code prints may go elsewhere
    end(ended_by(error, sys.argv[1:]))


def _park_aborting() -> Any:
    """Have a thread that aborts sleep, in the C library's own function: no Python runs in it. What was so before."""
    libc = ctypes.CDLL(None)
    libc.signal.restype, libc.signal.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p]
    # The handler's argument is the signal's number, which sleep() takes for seconds: six.
    return libc.signal(signal.SIGABRT, ctypes.cast(libc.sleep, ctypes.c_void_p))


def _take_back(handler: Any) -> None:
    libc = ctypes.CDLL(None)
    libc.signal.restype, libc.signal.argtypes = ctypes.c_void_p, [ctypes.c_int, ctypes.c_void_p]
    libc.signal(signal.SIGABRT, handler)
