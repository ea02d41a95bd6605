"""Whose line this is: the first frame outside the library, so that a definition's error can name its place.

Knows which frames are the library's own. Knows nothing of lakes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import FrameType

from msgspec import Struct

__all__ = ["CallSite", "caller", "is_own_frame"]

_PACKAGE = f"{Path(__file__).parent}{os.sep}"  # a sibling folder, lakehouse_demo/, is not the library
_EXAMPLES = f"{_PACKAGE}examples{os.sep}"


class CallSite(Struct, frozen=True):
    """A line of somebody's source file; shown as ``lakefile.py:9``."""

    filename: str
    line: int

    def __str__(self) -> str:
        return f"{Path(self.filename).name}:{self.line}"


def is_own_frame(filename: str) -> bool:
    """Whether a frame of this file belongs to the library (its examples are user code, made to be copied)."""
    if filename.startswith("<"):  # importlib's frames, and what is generated
        return True
    return filename.startswith(_PACKAGE) and not filename.startswith(_EXAMPLES)


def caller() -> CallSite:
    """The nearest frame up the stack that is not the library's own."""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001  inspect.stack() reads every source file on the way
    while frame is not None and is_own_frame(frame.f_code.co_filename):
        frame = frame.f_back
    if frame is None:
        return CallSite("<unknown>", 0)
    return CallSite(frame.f_code.co_filename, frame.f_lineno)
