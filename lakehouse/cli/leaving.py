"""A process that ends while an engine still computes, and leaves nothing behind in the lake.

Knows how a process becomes another without its threads. Knows nothing of signals or of what ran.

An engine's threads go on writing until the last, and would fill again what was swept before them. So the process is
replaced, which ends them all at once; what it has become sweeps, under the same number, and ends with the exit code.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final, NoReturn

__all__ = ["leave", "sweep_up"]

_PROGRAM: Final = "import sys; sys.path[:] = sys.argv[3:]; from lakehouse.cli.leaving import _sweep; _sweep()"


def leave(root: Path, code: int) -> NoReturn:
    """End the process at once with an exit code; what its run has staged in the lake goes with it."""
    # No signal may stop the sweeping; what is blocked here is blocked in what comes.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    with suppress(OSError):
        os.execv(sys.executable, [sys.executable, "-c", _PROGRAM, str(root), str(code), *sys.path])  # noqa: S606
    os._exit(code)  # unswept: the next run does it


def sweep_up(root: Path) -> None:
    """Remove what runs of a lake left that are over."""
    from lakehouse.disk import Disk
    from lakehouse.retention import forget_versions
    from lakehouse.staging import sweep

    disk = Disk(root)
    sweep(disk, partial(forget_versions, disk))


def _sweep() -> NoReturn:
    """What the process has become: its run is dead, so its lock is free."""
    try:
        sweep_up(Path(sys.argv[1]))
    finally:
        os._exit(int(sys.argv[2]))
