"""The rows of a Hive folder's files, with the values of each file's key in columns beside them.

Knows how a row is told which file it is from. Refuses to know which files there are, or what keys mean.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

from lakehouse.sources.declared import Source
from lakehouse.sources.scans import open_files

if TYPE_CHECKING:
    import polars as pl
    from polars._typing import PolarsDataType

__all__ = ["open_keyed"]

_PATH: Final = "\0path"  # a column that no source has


def open_keyed(
    source: Source, files: Mapping[str, Sequence[str]], columns: Mapping[str, PolarsDataType], keys: Sequence[str]
) -> pl.LazyFrame:
    """The scan over files, with their keys' values as String after the columns.

    It is one scan however many keys there are: a frame a key, each with its own literals, would take Polars a time
    that grows with the square of their number.

    Args:
        source: what declares the files.
        files: the values of each file's key, by its path; one file or more.
        columns: of the files, with their types.
        keys: the partition columns.
    """
    import polars as pl

    paths = [Path(path) for path in files]
    if source.format == "parquet" and all(_is_told_by_path(path, keys, values) for path, values in files.items()):
        # Of a filter by key, Polars then opens only the files that it leaves.
        return pl.scan_parquet(
            paths,
            schema=dict(columns),
            extra_columns="ignore",
            hive_schema=dict.fromkeys(keys, pl.String),
            hive_partitioning=True,
            glob=False,
        ).select(*columns, *keys)
    told = [
        pl.col(_PATH)
        .replace_strict({path: values[place] for path, values in files.items()}, return_dtype=pl.String)
        .alias(key)
        for place, key in enumerate(keys)
    ]
    return open_files(source, paths, columns, path=_PATH).with_columns(told).drop(_PATH)


def _is_told_by_path(path: str, keys: Sequence[str], values: Sequence[str]) -> bool:
    """Whether what Polars makes of the folders above a file is its key, and nothing else."""
    named = [folder.partition("=") for folder in path.split("/")[:-1] if "=" in folder]
    return [(name, unquote(text)) for name, _, text in named] == list(zip(keys, values, strict=True))
