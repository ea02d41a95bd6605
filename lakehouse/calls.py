"""The user's functions: how they are called, what they may return, and how their errors read.

Knows tracebacks and the kinds of frames that other engines give. Knows nothing of partitions.
"""

from __future__ import annotations

import linecache
import re
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import polars as pl

from lakehouse.callsite import is_own_frame
from lakehouse.errors import ComputeError, LakeError
from lakehouse.storage_errors import as_storage_error
from lakehouse.versions import is_project_file

__all__ = ["ENGINE_ERRORS", "call", "engine_error", "is_reading_error", "to_frame"]

# What a Polars query raises; a panic of its Rust code derives from BaseException.
ENGINE_ERRORS: Final = (Exception, pl.exceptions.PanicException)
# What Polars raises for a value, a row or a file that it cannot read; its other errors are about the query.
_READING_ERRORS: Final = (
    OSError,
    pl.exceptions.ComputeError,
    pl.exceptions.InvalidOperationError,  # a value that does not parse, as well as a cast of the function's own
    pl.exceptions.NoDataError,
    pl.exceptions.PanicException,
)
_OTHER_ENGINES: Final = ("duckdb", "pyarrow")
_MAX_MESSAGE: Final = 400


def call(function: Callable[..., Any], arguments: Mapping[str, Any], *, name: str) -> Any:
    """What the function returns.

    Raises:
        ComputeError: it raised; the error shows the user's own frames only.
    """
    try:
        return function(**arguments)
    except LakeError:
        raise
    except (*ENGINE_ERRORS, SystemExit) as error:  # a function that leaves has made nothing
        raise engine_error(error, name) from error


def is_reading_error(error: BaseException) -> bool:
    """Whether what an engine was reading may be at fault, and neither the disk, nor the query, nor a function."""
    if as_storage_error(error) is not None:
        return False
    engine = type(error).__module__.partition(".")[0].lstrip("_")
    return isinstance(error, _READING_ERRORS) or engine in _OTHER_ENGINES


def engine_error(error: BaseException, name: str, *, at: Path | None = None) -> LakeError:
    """An error of the user's code, or of the query that it made, in the lake's words.

    Args:
        error: whatever was raised.
        name: of what was computed.
        at: where files were written meanwhile, if any were.
    """
    if (storage := as_storage_error(error, at, f"making {name}")) is not None:
        return storage
    text = re.split(r"\n\n(?:Resolved plan|This error occurred|Did you)", str(error))[0].strip()
    first, *rest = (text[:_MAX_MESSAGE] or "no message").splitlines()
    return ComputeError(
        f"{name}: {type(error).__name__}: {first}",
        details=[*(line.strip() for line in rest if line.strip()), *_user_frames(error)],
        context={"exception": type(error).__name__, "message": text[:_MAX_MESSAGE]},
    )


def _user_frames(error: BaseException) -> Iterator[str]:
    """The lines of the user's own code that led to the error: ``lakefile.py:14 in monthly_orders:  ratio = …``."""
    for frame, line in traceback.walk_tb(error.__traceback__):
        filename = frame.f_code.co_filename
        if not is_own_frame(filename) and is_project_file(filename):
            source = linecache.getline(filename, line).strip()
            yield f"{Path(filename).name}:{line} in {frame.f_code.co_name}:  {source}"


def to_frame(result: object, *, name: str, spool: Callable[[], Path]) -> pl.LazyFrame:
    """A function's result as a LazyFrame.

    Polars frames are taken as they are. A stream (a DuckDB relation, or anything with ``__arrow_c_stream__``) is
    written to a file batch by batch, so that it need not fit in memory, and that file is scanned.

    Args:
        result: what the function returned.
        name: whose function it was, for the error.
        spool: gives the path of a new file in the run's own folder.

    Raises:
        ComputeError: for anything else, and where the stream itself fails.
    """
    if isinstance(result, pl.LazyFrame):
        return result
    if isinstance(result, pl.DataFrame):
        return result.lazy()
    if not hasattr(result, "__arrow_c_stream__") or isinstance(result, pl.Series):
        raise ComputeError(
            f"{name} returned {type(result).__name__}, not a frame",
            code="result-refused",
            help="return a Polars LazyFrame or DataFrame, a DuckDB relation, or anything with __arrow_c_stream__",
        )
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = spool()
    try:
        # A stream that is left half read would keep its connection busy.
        with (
            pa.RecordBatchReader.from_stream(result) as reader,
            pq.ParquetWriter(path, reader.schema, compression="lz4") as writer,
        ):
            for batch in reader:
                writer.write_batch(batch)
    except ENGINE_ERRORS as error:
        raise engine_error(error, name) from error
    return pl.scan_parquet(path, hive_partitioning=False, glob=False)
