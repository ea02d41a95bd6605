"""What is wrong with a CSV file, by line, column and value.

Asks Polars itself which values it takes, so that a fault here is a refusal there. Knows nothing of lakes, globs or
partitions, and writes nothing.
"""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from itertools import chain, repeat
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import polars as pl
from msgspec import Struct, field
from msgspec.structs import asdict

from lakehouse.errors import SourceError
from lakehouse.sources.csv_files import UTF_16, as_read, open_rows, read_header, split_fields, value, without_end

if TYPE_CHECKING:
    from polars._typing import PolarsDataType

__all__ = ["CsvFaults", "Fault", "find_faults", "header_error", "source_error"]

_LONGEST_SHOWN = 40
_TYPE_NAMES = {
    "Boolean": "bool (true or false)",
    "Date": "date (YYYY-MM-DD)",
    "Datetime": "datetime (YYYY-MM-DD HH:MM:SS)",
}
_TEXTUAL = (pl.String, pl.Categorical, pl.Enum)
# Polars minds quotes only where a field starts with one. Possessive, so that what does not match fails at once.
_SOUND_FIELD = re.compile(rb'"(?:[^"]++|"")*+"|[^",]*+')
_SOUND_ROW = re.compile(rb"(?:%b)(?:,(?:%b))*+" % (_SOUND_FIELD.pattern, _SOUND_FIELD.pattern))
_SEPARATORS = {";": "';'", "\t": "tabs", "|": "'|'"}
_QUOTED = re.compile(rb'"[^"]*+"')
_ISO_DATETIME = re.compile(r"\d{4}-\d\d-\d\d(?:[T ].+)?")
_WHOLE_NUMBER = re.compile(r"\s*[+-]?\d+")


class Fault(Struct, frozen=True, kw_only=True):
    """One thing wrong, at the physical line where its row starts (from 1, the header counted).

    ``value`` is None where the row ends before the column, ``""`` where the field is empty; ``expected`` is
    the whole phrase that is shown last (``expected i64``).
    """

    line: int
    column: str
    value: str | None
    expected: str


class CsvFaults(Struct, frozen=True, kw_only=True):
    """What is wrong with one file: ``count`` faults, the first few of them in ``faults``, by line.

    ``headline`` follows the path where "3 bad values, nothing written" would not say it; ``help`` likewise.
    """

    path: str
    count: int
    faults: tuple[Fault, ...]
    headline: str = ""
    help: str = ""


class _Table(Struct, frozen=True, kw_only=True):
    """One file's header, as its line, bytes and names, with the declared columns and those without nulls."""

    path: Path
    line: int
    raw: bytes
    names: tuple[str, ...]
    schema: Mapping[str, PolarsDataType]
    required: frozenset[str]


class _Shape(Struct, frozen=True):
    """What a walk over the rows met: all of it counted, the first few faults of each kind kept."""

    shown: int
    counts: Counter[str] = field(default_factory=Counter)
    faults: dict[str, list[Fault]] = field(default_factory=lambda: {"quote": [], "encoding": [], "length": []})
    lengths: dict[int, int] = field(default_factory=dict)  # the fields of the rows in faults["length"]

    def add(self, kind: Literal["quote", "encoding", "length"], fault: Fault | None) -> bool:
        """Count the fault, if there is one, and keep it while few are kept."""
        self.counts[kind] += fault is not None
        if fault and self.counts[kind] <= self.shown:
            self.faults[kind].append(fault)
        return fault is not None


def header_error(path: Path, schema: Mapping[str, PolarsDataType], path_as_declared: str) -> SourceError | None:
    """What keeps the declared columns from being found in the header of a file; None where nothing does."""
    found = _header_faults(_table(path, schema))
    return source_error(path_as_declared, found) if found else None


def find_faults(
    path: str | Path, schema: Mapping[str, PolarsDataType], *, nullable: Collection[str], shown: int = 5
) -> CsvFaults | None:
    """The faults of a local CSV file (plain or gzip) against its declared columns, or None where there are none.

    Faults of the header are reported alone, then quotes, then bytes that are not UTF-8, for they make uncertain
    what follows them; else bad values, nulls in columns not ``nullable`` and rows of a wrong length, counted
    to the last. A short row is one fault, and only where it lacks a column that may hold no nulls. Reads the
    file twice in constant memory, three times where fields hold newlines.
    """
    table = _table(Path(path), schema, nullable)
    if found := _header_faults(table):
        return found
    shape = _walk(table, shown)
    counts, faults = shape.counts, shape.faults
    if counts["quote"]:
        headline = f": {_counted(counts['quote'], 'bad quote')}, nothing written"
        fix = 'put a field that holds a quote in quotes, and write that quote twice: "say ""hi"""'
        return _whole(table, headline, fix, faults["quote"], counts["quote"])
    if counts["encoding"]:
        headline = f": {_counted(counts['encoding'], 'row')} not in UTF-8, nothing written"
        return _whole(table, headline, "save the file as UTF-8", faults["encoding"], counts["encoding"])
    values_count, rows = _bad_values(table, shown)
    count = values_count - counts["missing"] + counts["length"]
    lines = _line_numbers(table, rows, is_plain=not counts["multiline"])
    found_here = list(faults["length"])
    for row, values in rows.items():
        missing = table.names[shape.lengths.get(row, len(table.names)) :]
        found_here += [
            Fault(line=lines[row], column=name, value=value, expected=_expected(schema[name], value))
            for name, value in values.items()
            if name not in missing
        ]
    order = {name: place for place, name in enumerate(table.names)}
    found_here.sort(key=lambda fault: (fault.line, order.get(fault.column, len(order))))
    return CsvFaults(path=str(path), count=count, faults=tuple(found_here[:shown])) if count else None


def source_error(path_as_declared: str, faults: CsvFaults) -> SourceError:
    """The error that says these faults, in aligned lines, under the name that the source was declared by."""
    cells = [(f"line {fault.line} ", _printable(fault.column), _value(fault.value)) for fault in faults.faults]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    details = [
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=True)), fault.expected])
        for row, fault in zip(cells, faults.faults, strict=True)
    ]
    shown = f"({len(cells)} of {faults.count} shown)"
    return SourceError(
        path_as_declared + (faults.headline or f": {_counted(faults.count, 'bad value')}, nothing written"),
        code="source-malformed",
        details=details,
        help=faults.help or f"fix the rows {shown}; a column that may be null is named in nullable=[...]",
        context={"path": path_as_declared, "count": faults.count, "faults": [asdict(f) for f in faults.faults]},
    )


def _walk(table: _Table, shown: int) -> _Shape:
    """The faults of whole rows; goes no further than a quote that leaves open where rows end."""
    shape, width = _Shape(shown), len(table.names)
    lacking = [[name for name in table.names[n:] if name in table.required] for n in range(width)]
    with open_rows(table.path) as rows:
        next(rows)
        for index, (line, row) in enumerate(rows):
            n_fields = row.count(b",") + 1 if len(row) > 2 or without_end(row) else 0  # noqa: PLR2004  the length is the fast test
            if b'"' in row:
                text = without_end(row)
                shape.counts["multiline"] += b"\n" in text
                if _SOUND_ROW.fullmatch(text):
                    n_fields = _QUOTED.sub(b"", text).count(b",") + 1
                else:
                    n_fields = len(split_fields(text))
                    is_bad = shape.add("quote", _bad_quote(table, text, line))
                    if is_bad and (b"\n" in text or text.count(b'"') % 2):
                        break
            if not row.isascii():
                shape.add("encoding", _bad_encoding(table, row, line))
            missing = lacking[n_fields] if n_fields < width else []
            if missing or n_fields > width:
                shape.counts["missing"] += len(missing)
                if shape.add("length", _bad_length(table, row, line, missing)) and shape.counts["length"] <= shown:
                    shape.lengths[index] = n_fields
    return shape


def _line_numbers(table: _Table, wanted: Collection[int], *, is_plain: bool) -> dict[int, int]:
    """The line at which each wanted row starts, by the row's index."""
    if is_plain:
        return {row: table.line + table.raw.count(b"\n") + row for row in wanted}
    with open_rows(table.path) as rows:
        next(rows)
        numbered = zip(range(max(wanted, default=-1) + 1), rows, strict=False)
        return {index: line for index, (line, _) in numbered if index in wanted}


def _bad_values(table: _Table, shown: int) -> tuple[int, dict[int, dict[str, str]]]:
    """How many values Polars refuses or takes as a null that may not be; those of the first rows, by row index.

    The strict scan stops at the first refusal and the lenient one makes it null, so a refusal is a null whose
    text is not blank. A cast from String would judge otherwise: it takes no dates, bools or leading spaces.
    """
    enums = {name: list(kind.categories) for name, kind in table.schema.items() if isinstance(kind, pl.Enum)}
    overrides = {name: pl.String if name in enums else kind for name, kind in as_read(table.schema).items()}
    typed, texts = _lenient_scan(table, overrides), _lenient_scan(table, {}, empty_string_is_null=False)
    flags = []
    for place, (name, kind) in enumerate(table.schema.items()):
        is_null, text = pl.col(f"null{place}"), pl.col(f"text{place}")
        is_blank = (text.str.strip_chars(" \t") if kind.is_numeric() else text) == ""
        is_refused = ~text.is_in(enums[name]) & ~is_null if name in enums else is_null & ~is_blank
        flags.append((is_refused | is_null if name in table.required else is_refused).alias(f"bad{place}"))
    halves = [
        typed.select(
            value(name, kind, strict=False).is_null().alias(f"null{place}")
            for place, (name, kind) in enumerate(table.schema.items())
        ),
        texts.select(pl.col(name).alias(f"text{place}") for place, name in enumerate(table.schema)),
    ]
    judged = pl.concat(halves, how="horizontal").with_columns(flags).with_row_index("row")
    bad = judged.filter(pl.any_horizontal(pl.col("^bad.*$")))
    first, counts = pl.collect_all([bad.head(shown), bad.select(pl.col("^bad.*$").sum())], engine="streaming")
    rows = {
        row["row"]: {name: row[f"text{place}"] or "" for place, name in enumerate(table.schema) if row[f"bad{place}"]}
        for row in first.iter_rows(named=True)
    }
    return sum(counts.row(0)), rows


def _lenient_scan(
    table: _Table, schema: Mapping[str, PolarsDataType], *, empty_string_is_null: bool = True
) -> pl.LazyFrame:
    return pl.scan_csv(
        table.path,
        schema_overrides=dict(schema),
        infer_schema=False,
        glob=False,
        ignore_errors=True,
        truncate_ragged_lines=True,
        empty_string_is_null=empty_string_is_null,
    )


def _table(path: Path, schema: Mapping[str, PolarsDataType], nullable: Collection[str] = ()) -> _Table:
    found = read_header(path)
    required = frozenset(schema).difference(nullable)
    return _Table(path=path, line=found.line, raw=found.raw, names=found.names, schema=schema, required=required)


# In which words.


def _whole(table: _Table, headline: str, fix: str, faults: Sequence[Fault] = (), count: int = 1) -> CsvFaults:
    return CsvFaults(path=str(table.path), count=count, faults=tuple(faults), headline=headline, help=fix)


def _header_faults(table: _Table) -> CsvFaults | None:
    """What keeps the declared columns from being found; a header without rows is no fault."""
    names, schema = table.names, table.schema
    if not table.raw:
        return _whole(table, f" is empty; expected a header with {', '.join(schema)}", "write the header line")
    if table.raw.startswith(UTF_16):
        return _whole(table, ": in UTF-16, expected UTF-8, nothing written", "save the file as UTF-8")
    missing = [name for name in schema if name not in names]
    if missing and "\r" in table.raw.decode(errors="replace").rstrip("\r\n"):
        return _whole(table, ": lines end in CR alone, expected LF or CRLF, nothing written", "save it with LF")
    separator = next((mark for mark in _SEPARATORS if mark in names[0]), "") if missing and len(names) == 1 else ""
    if separator:
        headline = f": fields are separated by {_SEPARATORS[separator]}, expected ',', nothing written"
        fault = Fault(line=table.line, column="(header)", value=names[0], expected="is one field")
        return _whole(table, headline, "save the file with commas", [fault])
    twice = [name for name in schema if names.count(name) > 1]
    faults = [Fault(line=table.line, column=name, value=None, expected=_nearest(name, table)) for name in missing]
    for name in twice:
        expected = f"{names.count(name)} columns of this name"
        faults.append(Fault(line=table.line, column=name, value=name, expected=expected))
    if not faults:
        return None
    headline = ": header " + " and ".join(
        [f"lacks {', '.join(missing)}"] * bool(missing) + [f"repeats {', '.join(twice)}"] * bool(twice)
    )
    fix = "name the column the same in the header and in schema={...}, once"
    return _whole(table, f"{headline}, nothing written", fix, faults, len(faults))


def _nearest(name: str, table: _Table) -> str:
    """The undeclared name of the header that comes nearest, else the first few that it has."""
    others = {other.strip().casefold(): other for other in table.names if other not in table.schema}
    if near := difflib.get_close_matches(name.strip().casefold(), others, n=1):
        return f"not in the header; did you mean {_value(others[near[0]])}?"
    listed = ", ".join(map(_printable, table.names[:8])) + (", ..." if len(table.names) > 8 else "")  # noqa: PLR2004
    return f"not in the header: {listed}"


def _bad_quote(table: _Table, row: bytes, line: int) -> Fault | None:
    """The first field whose quotes Polars does not take; single lines it minds in declared columns only."""
    for name, text in _named(table, row):
        reason = ""
        if text.startswith(b'"') and not _SOUND_FIELD.fullmatch(text):
            if row.count(b'"') % 2:
                reason = "this quote never closes"
            elif name in table.schema and not (text.endswith(b'"') and table.schema[name] in _TEXTUAL):
                reason = "text after the closing quote"
        elif not text.startswith(b'"') and (text.count(b'"') % 2 or (b'"' in text and b"\n" in text)):
            reason = "a quote within a field that does not start with one"
        if reason:
            value = text.split(b"\n")[0].decode(errors="replace")
            return Fault(line=line, column=name, value=value, expected=reason)
        line += text.count(b"\n")
    return None


def _bad_encoding(table: _Table, row: bytes, line: int) -> Fault | None:
    for name, text in _named(table, without_end(row)):
        with suppress(UnicodeDecodeError):
            text.decode()
            continue
        expected = f"expected UTF-8; as Windows-1252 it reads {_value(text.decode('cp1252', errors='replace'))}"
        return Fault(line=line, column=name, value=text.decode(errors="replace"), expected=expected)
    return None


def _bad_length(table: _Table, row: bytes, line: int, missing: Sequence[str]) -> Fault:
    fields, width = split_fields(without_end(row)), len(table.names)
    if not any(fields) and len(fields) == 1:
        return Fault(line=line, column=missing[0], value=None, expected="the line is blank")
    expected = f"row has {_counted(len(fields), 'field')}, header has {width}"
    if missing:
        return Fault(line=line, column=missing[0], value=None, expected=expected)
    return Fault(line=line, column="(extra)", value=fields[width].decode(errors="replace"), expected=expected)


def _named(table: _Table, row: bytes) -> Iterator[tuple[str, bytes]]:
    return zip(chain(table.names, repeat("(extra)")), split_fields(row), strict=False)


def _expected(kind: PolarsDataType, text: str) -> str:
    if not text.strip(" \t"):
        return "column holds no nulls"
    name, note = _type_name(kind), "; it holds a NUL byte" if "\0" in text else ""
    if kind.is_integer() and _WHOLE_NUMBER.fullmatch(text):
        bits = int(name[1:])
        low, high = (0, 2**bits - 1) if name.startswith("u") else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
        note = f", {low} to {high}"
    if getattr(kind, "time_zone", None) and _ISO_DATETIME.fullmatch(text):
        with suppress(ValueError):
            datetime.fromisoformat(text)
            note = " written like the rows before it"  # Polars reads a column by the format it meets first
    return f"expected {name}{note}"


def _type_name(kind: PolarsDataType) -> str:
    if isinstance(kind, pl.Decimal):
        return f"decimal({kind.precision},{kind.scale})"
    if isinstance(kind, pl.Enum):
        return f"one of {', '.join(kind.categories.head(8))}"
    name = str(kind.base_type())
    return _TYPE_NAMES.get(name, re.sub("^(U?)(I)nt|^(F)loat", r"\1\2\3", name).replace("UI", "U").lower())


def _counted(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def _value(text: str | None) -> str:
    if not text:
        return "(missing)" if text is None else "(empty)"
    shown = repr(text)
    return shown if len(shown) <= _LONGEST_SHOWN else f"{shown[: _LONGEST_SHOWN - 2]}…'"


def _printable(name: str) -> str:
    return name if name.isprintable() and name else repr(name)
