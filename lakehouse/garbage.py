"""Garbage collection put off while many values are made that live on.

Knows Python's collector: each of its passes walks all that is alive, which took as long as the work itself where
records and states are made by tens of thousands.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["collected_later"]


@contextmanager
def collected_later() -> Iterator[None]:
    """No collection within the block; what could be collected is, later on."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
