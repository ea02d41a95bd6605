"""A CSV file as Polars sees it: its header, its rows and fields, and the typed scan over it.

Knows how Polars cuts a file. Knows nothing of what may be wrong with one (`csv_faults` does), and imports no engine
until a file is scanned.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, dropwhile
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

if TYPE_CHECKING:
    import gzip

    import polars as pl
    from polars._typing import PolarsDataType

__all__ = [
    "Header",
    "as_read",
    "has_columns",
    "open_rows",
    "read_header",
    "scan",
    "split_fields",
    "value",
    "without_end",
]

_BOM = b"\xef\xbb\xbf"
UTF_16 = (b"\xff\xfe", b"\xfe\xff")
LONGEST_ROW = 64 * 2**20  # bytes: a quote that never closes must not pull the rest of the file into memory
# Polars minds quotes only where a field starts with one. Possessive, so that what does not match fails at once.
_FIELD = re.compile(rb'((?=")(?:"[^"]*+"|[^",])*+|[^,]*+),')


class Header(Struct, frozen=True):
    """The header of a file: the line where it starts, its bytes (none where the file has none), and its names."""

    line: int
    raw: bytes
    names: tuple[str, ...]


def scan(paths: Sequence[Path], schema: Mapping[str, PolarsDataType], *, path: str | None = None) -> pl.LazyFrame:
    """The declared columns, in declared order, of one file or of several under each other; nothing is inferred.

    A file's columns may stand in any order and have others between them, but all declared ones must be there.

    Args:
        paths: of the files.
        schema: the declared columns.
        path: under which name each row tells the path of its file, in a column after the others; None: it does not.
    """
    import polars as pl

    read, made = as_read(schema), [value(name, kind, strict=True) for name, kind in schema.items()]
    made += [] if path is None else [pl.col(path)]
    frames = [
        pl.scan_csv(file, schema_overrides=read, infer_schema=False, glob=False, include_file_paths=path).select(made)
        for file in paths
    ]
    return pl.concat(frames, how="vertical") if len(frames) > 1 else frames[0]


def as_read(schema: Mapping[str, PolarsDataType]) -> dict[str, PolarsDataType]:
    """The types under which Polars is to read the columns: dates and naive times as text, for `value` to parse."""
    import polars as pl

    return {name: pl.String() if _is_wall_clock(kind) else kind for name, kind in schema.items()}


def value(name: str, kind: PolarsDataType, *, strict: bool) -> pl.Expr:
    """A column in its declared type; what is none fails the query, or is null where not ``strict``.

    Dates are YYYY-MM-DD, naive times YYYY-MM-DD HH:MM[:SS[.f]], with a T or a space. Polars by itself would take the
    first value's format, whatever it is, and 03/02/2020 for the third of February.
    """
    import polars as pl

    text = pl.col(name)
    if not _is_wall_clock(kind):
        return text
    if kind == pl.Date:
        return _if(text.str.len_bytes() == len("YYYY-MM-DD"), text).str.to_date("%Y-%m-%d", strict=strict)
    moment = text.str.replace("T", " ", literal=True)
    length = moment.str.len_bytes()
    whole = (
        pl.when(length == len("YYYY-MM-DD"))
        .then(moment + " 00:00:00")
        .when(length == len("YYYY-MM-DD HH:MM"))
        .then(moment + ":00")
        .otherwise(moment)
    )
    unit: Literal["ns", "us", "ms"] = getattr(kind, "time_unit", None) or "us"
    whole = _if(moment.str.slice(len("YYYY"), 1) == "-", whole)
    return whole.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit=unit, strict=strict).alias(name)


def _if(is_well_formed: pl.Expr, text: pl.Expr) -> pl.Expr:
    """The text, where it has the form that is parsed; else one that no format takes. What is empty is null."""
    import polars as pl

    return pl.when(is_well_formed).then(text).when(text.str.len_bytes() > 0).then(pl.lit("?"))


def _is_wall_clock(kind: PolarsDataType) -> bool:
    import polars as pl

    return kind == pl.Date or (kind == pl.Datetime and getattr(kind, "time_zone", None) is None)


def has_columns(path: Path, schema: Mapping[str, PolarsDataType]) -> bool:
    """Whether the header of a file has each declared column once."""
    found = read_header(path)
    return not found.raw.startswith(UTF_16) and all(found.names.count(name) == 1 for name in schema)


def read_header(path: Path) -> Header:
    """The header, with its names as Polars reads them."""
    with open_rows(path) as found:
        line, raw = next(found, (1, b""))
    quoted = re.compile(rb'"(.*)"', re.DOTALL)  # Polars leaves a doubled quote in a name doubled
    names = [quoted.sub(rb"\1", name) for name in split_fields(without_end(raw))] if raw else []
    return Header(line, raw, tuple(name.decode(errors="replace") for name in names))


@contextmanager
def open_rows(path: Path) -> Iterator[Iterator[tuple[int, bytes]]]:
    """The rows, header first, each with the line it starts at; like Polars, cut at newlines outside quotes."""
    with path.open("rb") as probe:
        is_gzip = probe.read(2) == b"\x1f\x8b"
    with _unzipped(path) if is_gzip else path.open("rb") as file:
        lines = enumerate(chain([file.readline().removeprefix(_BOM)], file), 1)
        # Polars skips blank lines before the header, and only there.
        yield _cut(dropwhile(lambda numbered: not without_end(numbered[1]), lines))


def _cut(lines: Iterator[tuple[int, bytes]]) -> Iterator[tuple[int, bytes]]:
    for number, line in lines:
        if b'"' not in line or line.count(b'"') % 2 == 0:
            yield number, line
            continue
        parts, size = [line], len(line)
        for _, more in lines:
            parts.append(more)
            size += len(more)
            if more.count(b'"') % 2 or size > LONGEST_ROW:
                break
        yield number, b"".join(parts)


def _unzipped(path: Path) -> gzip.GzipFile:
    import gzip

    return gzip.GzipFile(path)


def without_end(row: bytes) -> bytes:
    """A row without the end of its line."""
    return row.removesuffix(b"\n").removesuffix(b"\r")


def split_fields(row: bytes) -> list[bytes]:
    """The fields of a row, quotes and all."""
    return _FIELD.findall(row + b",")
