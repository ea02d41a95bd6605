"""The rows of a frame as Python's values; times that Python has no value for, beyond the year 9999, as text.

Knows types. Knows nothing of what is done with the rows.
"""

from __future__ import annotations

from typing import Any, Final

import polars as pl

__all__ = ["rows_of"]

_BEYOND: Final = (ValueError, OverflowError, pl.exceptions.PanicException)


def rows_of(frame: pl.DataFrame) -> list[tuple[Any, ...]]:
    """The rows; where one holds such a time, all times are text, or numbers where Polars cannot spell them either.

    >>> rows_of(pl.DataFrame({"day": [8_000_000, 17_563]}, schema={"day": pl.Int32}).cast(pl.Date))
    [('+23873-04-04',), ('2018-02-01',)]
    """
    try:
        return frame.rows()
    except _BEYOND:
        pass
    try:
        return _told_as(pl.String(), frame).rows()
    except _BEYOND:
        return _told_as(pl.Int64(), frame).rows()


def _told_as(leaf: pl.DataType, frame: pl.DataFrame) -> pl.DataFrame:
    return frame.cast({name: _replaced(dtype, leaf) for name, dtype in frame.schema.items()})


def _replaced(dtype: Any, leaf: pl.DataType) -> Any:
    """A type with a leaf in the place of each time."""
    match dtype:
        case pl.Date() | pl.Datetime():
            return leaf
        case pl.List():
            return pl.List(_replaced(dtype.inner, leaf))
        case pl.Struct():
            return pl.Struct({field.name: _replaced(field.dtype, leaf) for field in dtype.fields})
    return dtype
