"""Work with DuckDB that can be interrupted at any time.

Knows threads and connections. Knows nothing of what is run.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    import duckdb

__all__ = ["interruptibly"]

_PATIENCE_SECONDS: Final = 0.1
T = TypeVar("T")


def interruptibly(act: Callable[[list[duckdb.DuckDBPyConnection]], T]) -> T:
    """What `act` gives, run on another thread; whatever ends the wait for it, as Ctrl-C does, ends it too.

    In the thread that signals come to, DuckDB heeds one only as long as that has a share in the work, and loses one
    that comes while it prepares a statement.

    Args:
        act: adds the connections that it opens to the list that it is given.
    """
    opened: list[duckdb.DuckDBPyConnection] = []
    with ThreadPoolExecutor(max_workers=1) as pool:
        future = pool.submit(act, opened)
        try:
            while not future.done():
                wait([future], timeout=_PATIENCE_SECONDS)  # not every wait without an end wakes up for a signal
        except BaseException:
            while not future.done():
                _interrupt(opened)
                wait([future], timeout=_PATIENCE_SECONDS)  # what comes before a statement has begun is forgotten
            raise
        return future.result()


def _interrupt(opened: list[duckdb.DuckDBPyConnection]) -> None:
    import duckdb

    for connection in opened:
        with suppress(duckdb.ConnectionException):  # it is closed already
            connection.interrupt()
