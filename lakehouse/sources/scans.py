"""The rows of files in each format: the scan over them, and what is wrong with files that cannot be read.

Knows CSV, NDJSON, Parquet and Arrow IPC, and the columns that a source declares. Refuses to know which files a
source has.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from lakehouse.errors import SourceError
from lakehouse.sources.declared import Source
from lakehouse.sources.now import require_columns
from lakehouse.storage_errors import exhausted

if TYPE_CHECKING:
    import polars as pl
    from polars._typing import PolarsDataType

__all__ = ["cannot", "check_files", "fault_in", "open_files", "own_schema", "scan_files", "unreadable"]

Shown = Callable[[Path], str]

_PATTERN: Final = re.compile(r"[*?\[]")


def scan_files(source: Source, files: Sequence[Path], shown: Shown) -> pl.LazyFrame:
    """The declared columns, in the declared order and types; nothing is inferred from a few first rows.

    Args:
        source: what declares them.
        files: one or more.
        shown: a file in words.

    Raises:
        SourceError: a file is gone or cannot be read, or it holds other columns or types than were declared.
    """
    return open_files(source, files, check_files(source, files, shown))


def check_files(source: Source, files: Sequence[Path], shown: Shown) -> Mapping[str, PolarsDataType]:
    """The columns of all these files, if they have the same: as declared, else those of the first.

    Raises:
        SourceError: a file is gone or cannot be read, or it holds other columns or types than were declared.
    """
    if source.format == "csv":
        _check_headers(source, files, shown)
    if source.format in ("csv", "ndjson"):
        assert source.schema is not None  # noqa: S101  the declaration requires it
        return source.schema
    found = {path: own_schema(source, path, shown) for path in files}
    first = files[0]
    for path, schema in found.items():
        if source.schema is None:
            require_columns(source, shown(path), schema, found[first], f"{shown(first)} has")
            require_columns(source, shown(first), found[first], schema, f"{shown(path)} has")
        else:
            require_columns(source, shown(path), schema, source.schema, f"{source.name} declares")
    return source.schema or found[first]


def open_files(
    source: Source, files: Sequence[Path], columns: Mapping[str, PolarsDataType], *, path: str | None = None
) -> pl.LazyFrame:
    """The scan over files that `check_files` has looked at, for the columns that it gave.

    Args:
        source: what declares them.
        files: one or more.
        columns: with their types.
        path: under which name each row tells the path of its file, in a column after the others; None: it does not.
    """
    import polars as pl

    wanted = [*columns, *([] if path is None else [path])]
    if source.format == "csv":
        from lakehouse.sources import csv_files

        return csv_files.scan(files, columns, path=path)
    if source.format == "ndjson":
        # Polars takes every path for a pattern here: without a file that matches, it would find no rows.
        literally = [_PATTERN.sub(r"[\g<0>]", str(file)) for file in files]
        return pl.scan_ndjson(literally, schema=dict(columns), include_file_paths=path).select(wanted)
    if source.format == "parquet":
        # Each file may have further columns, and its columns in an order of its own.
        return pl.scan_parquet(
            [*files],
            schema=dict(columns),
            extra_columns="ignore",
            hive_partitioning=False,
            glob=False,
            include_file_paths=path,
        ).select(wanted)
    frames = [
        pl.scan_ipc(file, hive_partitioning=False, glob=False, include_file_paths=path).select(wanted)
        for file in files
    ]
    return pl.concat(frames, how="vertical") if len(frames) > 1 else frames[0]


def _check_headers(source: Source, files: Sequence[Path], shown: Shown) -> None:
    from lakehouse.sources import csv_files

    assert source.schema is not None  # noqa: S101  the declaration requires it
    try:
        for path in (path for path in files if not csv_files.has_columns(path, source.schema)):
            from lakehouse.sources import csv_faults

            if error := csv_faults.header_error(path, source.schema, shown(path)):
                raise error
    except OSError as error:
        raise exhausted(error) or unreadable(source, Path(error.filename or files[0]), shown, cannot(error)) from None


def own_schema(source: Source, path: Path, shown: Shown) -> dict[str, pl.DataType]:
    """The columns that a Parquet or IPC file says it has, without partition columns.

    Raises:
        SourceError: it is gone, or it is none.
    """
    import polars as pl

    # The functions that read a schema alone take a path for a pattern, and answer for another file.
    scan = pl.scan_parquet if source.format == "parquet" else pl.scan_ipc
    try:
        found = scan(path, hive_partitioning=False, glob=False).collect_schema()
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise exhausted(error) or _damaged(source, path, shown, error) from None
    # The folder of a key says more than a column of its name in the file, which need not be in every file.
    folders = source.partitions.columns if source.partitions is not None else ()
    return {name: dtype for name, dtype in found.items() if name not in folders}


def _damaged(source: Source, path: Path, shown: Shown, error: BaseException) -> SourceError:
    """The error of a Parquet or IPC file whose content is not what it should be, or that cannot be opened at all."""
    what = f"cannot be read: {(str(error).splitlines() or [type(error).__name__])[0]}"
    found = unreadable(source, path, shown, what)
    if found.code == "source-missing" or (isinstance(error, OSError) and error.errno is not None):
        return found
    help_text = f"it is damaged, or no {source.format}: put it back as it was made, or make it again"
    return SourceError(found.message, code="source-damaged", help=help_text, context=found.context)


def cannot(error: OSError) -> str:
    """What the system says of a file that cannot be read."""
    return f"cannot be read: {error.strerror or error}"


def unreadable(source: Source, path: Path, shown: Shown, what: str) -> SourceError:
    """The error of a file that cannot be read, or that is not there at all."""
    is_gone = not path.exists()
    return SourceError(
        f"{shown(path)} {'does not exist' if is_gone else what}",
        code="source-missing" if is_gone else "source-unreadable",
        context={"source": source.name, "path": shown(path)},
    )


def fault_in(source: Source, files: Sequence[Path], shown: Shown) -> SourceError | None:
    """What is wrong with files whose reading failed, by line and value where they have lines; None: nothing found."""
    if not files:
        return None
    if source.format == "csv":
        return _csv_fault(source, files, shown)
    if source.format == "ndjson":
        from lakehouse.sources import json_faults

        found = (json_faults.find_error(path, source.schema or {}, shown(path)) for path in files)
        return next((error for error in found if error is not None), None)
    try:
        columns = check_files(source, files, shown)
    except SourceError as error:
        return error
    broken = (_broken_content(source, path, columns, shown) for path in files)
    return next((error for error in broken if error is not None), None)


def _broken_content(
    source: Source, path: Path, columns: Mapping[str, PolarsDataType], shown: Shown
) -> SourceError | None:
    """What is wrong with the rows of a file whose footer is in order; they are read, a batch at a time."""
    import polars as pl

    try:
        rows = open_files(source, [path], columns)
        rows.sink_batches(lambda _: None)
        # Rows that are picked are decoded in another way, which asks more of a file.
        plain = [name for name, dtype in rows.collect_schema().items() if not dtype.is_nested()]
        for name in {*plain[:1], *plain[-1:], *(name for name in plain if name == source.time)}:
            rows.filter(pl.col(name).hash() % 2 == 0).sink_batches(lambda _: None)
    except (OSError, pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        return _damaged(source, path, shown, error)
    return None


def _csv_fault(source: Source, files: Sequence[Path], shown: Shown) -> SourceError | None:
    import polars as pl

    from lakehouse.sources import csv_faults

    assert source.schema is not None  # noqa: S101  the declaration requires it
    for path in files:
        try:
            faults = csv_faults.find_faults(path, source.schema, nullable=source.nullable)
        except OSError as error:
            return unreadable(source, path, shown, cannot(error))
        except (pl.exceptions.PolarsError, pl.exceptions.PanicException):  # the first error is then the better one
            continue
        if faults is not None:
            return csv_faults.source_error(shown(path), faults)
    return None
