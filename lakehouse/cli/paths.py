"""A file of the lake as a person would name it.

Knows the current folder. Knows nothing of what lies there.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lakehouse.lake import Lake

__all__ = ["shown_path"]


def shown_path(lake: Lake, path: str) -> str:
    """A path below the lake's root, relative to the current folder where it lies below that; whole otherwise."""
    whole = lake.root / path
    return os.path.relpath(whole) if whole.is_relative_to(Path.cwd()) else str(whole)
