"""A statement run so that it can be interrupted at any time.

Knows threads. Knows nothing of what is run.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Final, TypeVar

if TYPE_CHECKING:
    import duckdb

__all__ = ["interruptibly"]

_PATIENCE_SECONDS: Final = 0.1
T = TypeVar("T")


def interruptibly(connection: duckdb.DuckDBPyConnection, act: Callable[[], T]) -> T:
    """What `act` gives, run on another thread; whatever ends the wait for it ends the connection's statement too.

    DuckDB itself looks for signals only as long as the calling thread has a share in the work, and it forgets an
    interrupt that comes before the statement has begun.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        future = pool.submit(act)
        try:
            return future.result()
        except BaseException:
            while not future.done():
                connection.interrupt()
                wait([future], timeout=_PATIENCE_SECONDS)
            raise
