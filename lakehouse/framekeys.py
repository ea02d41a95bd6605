"""The keys of a frame that nobody declared: the columns that it is written by, their values as text, how many rows.

Knows which types of columns can be keys, and how one is told from a row without slowing a query down. Refuses to know
where partitions go.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from operator import index
from typing import Any, Final

import polars as pl
from msgspec import Struct

from lakehouse.errors import AuditError, PartitionKeyError, RequestError
from lakehouse.fold import Fold
from lakehouse.partitions import Dynamic, Partitions

__all__ = ["FrameKeys", "frame_keys"]

_TEXT: Final = (pl.String, pl.Categorical, pl.Enum)
_CURES: Final = {
    pl.Datetime: ".dt.date(), or .dt.strftime(…)",
    pl.Time: ".dt.strftime(…)",
    pl.Float32: ".cast(pl.Int64)",
    pl.Float64: ".cast(pl.Int64)",
    pl.Decimal: ".cast(pl.Int64), or .cast(pl.String)",
    pl.Duration: ".dt.total_days()",
    pl.List: ".cast(pl.List(pl.String)).list.join(…)",
    pl.Array: ".arr.to_list().cast(pl.List(pl.String)).list.join(…)",
    pl.Struct: ".struct.field(…)",
}
_EXAMPLES: Final = {pl.Date: 'date(2018, 2, 1) or "2018-02-01"', pl.Boolean: 'True or "true"'}
_LAST_DAY: Final = 95_000_000  # since 1970; Polars has no text for dates far beyond, on either side
_TABLE: Final = 1_000_000  # up to so many days or numbers, looking a text up costs a twentieth of formatting it


class FrameKeys(Struct, frozen=True):
    """The keys of a frame.

    Attributes:
        partitions: how keys are made of the columns' values, all keys told.
        counts: the rows of each key, in the order of the keys; 0 for one that was only asked for.
        columns: the expressions that give each row its values, as String.
    """

    partitions: Partitions
    counts: Mapping[str, int]
    columns: Sequence[pl.Expr]


def frame_keys(frame: pl.LazyFrame, kind: Partitions, asked: Iterable[Any], fold: Fold) -> FrameKeys:
    """The keys of a frame, told by one query that reads the columns of the keys alone.

    Args:
        frame: the rows.
        kind: the definition that the columns of the keys make, none of them told.
        asked: further keys: of each its value, or of several columns a tuple or a mapping of values.
        fold: the log's state, for keys that share a folder with one of these.

    Raises:
        RequestError: a column is missing, or its type is no key's, or a key that was asked for has another form.
        AuditError: rows have a null for a key, or a value that cannot name a folder.
    """
    by, columns = kind.columns, frame.collect_schema()
    for name in by:
        _require_type(name, columns)
    found = frame.group_by(by).agg(pl.len().alias("\0rows")).collect(engine="streaming")
    _require_values(found, by)
    texts = found.select(pl.col(name).cast(pl.String) for name in by)
    more = [_asked(key, by, columns) for key in asked]
    partitions = kind.with_keys(_told_keys(by, [*texts.rows(), *more], fold))
    counts = dict.fromkeys(map(partitions.key, more), 0)
    counts |= dict(zip(map(partitions.key, texts.rows()), found["\0rows"].to_list(), strict=True))
    return FrameKeys(
        partitions=partitions,
        counts=dict(sorted(counts.items(), key=lambda item: partitions.order(item[0]))),
        columns=[_text(found[name]).alias(name) for name in by],
    )


def _require_type(name: str, columns: Mapping[str, pl.DataType]) -> None:
    if name not in columns:
        raise RequestError(f"the frame has no column {name!r} to be written by", help=f"it has {', '.join(columns)}")
    dtype = columns[name]
    if not (isinstance(dtype, (*_TEXT, pl.Date, pl.Boolean)) or dtype.is_integer()):
        cure = _CURES.get(type(dtype), ".cast(pl.String)")
        raise RequestError(
            f"{name} is {dtype}, and keys are text, whole numbers, dates or booleans",
            help=f'write by a column of such a type: pl.col("{name}"){cure}',
        )


def _require_values(found: pl.DataFrame, by: Sequence[str]) -> None:
    for name in by:
        if count := found.filter(pl.col(name).is_null())["\0rows"].sum():
            what = "1 row has no {}, and so belongs" if count == 1 else f"{count} rows have no {{}}, and so belong"
            raise AuditError(
                f"{what.format(name)} to no partition; nothing written",
                code="key-null",
                help=f'drop them, .drop_nulls("{name}"), or give them a value, .fill_null(…)',
                context={"column": name, "rows": count},
            )
        if found[name].dtype == pl.Date and (found[name].cast(pl.Int32).cast(pl.Int64).abs() > _LAST_DAY).any():
            raise AuditError(
                f"{name} has dates that are no years' of a calendar; nothing written",
                code="key-unsafe",
                help="look at how they were made: a number of seconds is no number of days",
            )


def _asked(key: Any, by: Sequence[str], columns: Mapping[str, pl.DataType]) -> tuple[str, ...]:
    """The texts of a key as a person wrote it."""
    if isinstance(key, Mapping):
        values = [key[name] for name in by] if {*key} == {*by} else []
    else:
        values = [*key] if isinstance(key, tuple | list) else [key]
    if len(values) != len(by):
        raise RequestError(
            f"partitions= has {key!r}, which is no key by {', '.join(by)}",
            help="a key is one value, or a tuple of one value a column",
        )
    return tuple(_as_text(value, name, columns[name]) for name, value in zip(by, values, strict=True))


def _as_text(value: Any, name: str, dtype: pl.DataType) -> str:
    text = _told(value, dtype)
    if text is None or (isinstance(value, str) and value != text):
        example = '"eu"' if isinstance(dtype, _TEXT) else _EXAMPLES.get(type(dtype), '7 or "7"')
        raise RequestError(f"partitions= has {value!r} for {name}, which is {dtype}", help=f"write it as {example}")
    return text


def _told(value: Any, dtype: pl.DataType) -> str | None:
    """The text of the value; None where no row of the column can have it."""
    if isinstance(dtype, _TEXT):
        return str(value) if isinstance(value, str) else None
    if dtype == pl.Boolean:
        text = str(value).lower() if isinstance(value, bool) else value
        return text if text in ("true", "false") else None
    if dtype == pl.Date:
        if isinstance(value, str):
            dates = pl.Series([value]).str.to_date("%Y-%m-%d", strict=False)
            return None if dates.null_count() else str(dates.cast(pl.String).item())
        return value.isoformat() if type(value) is date else None  # a datetime is none
    if isinstance(value, bool):
        return None
    try:
        number = int(value) if isinstance(value, str) else index(value)
        return str(pl.Series([number], dtype=dtype).item())
    except (pl.exceptions.PolarsError, OverflowError, TypeError, ValueError):
        return None


def _told_keys(by: Sequence[str], rows: Sequence[tuple[str, ...]], fold: Fold) -> Mapping[str, list[str]]:
    """The values of each column, each safe beside the others and those that there are.

    Raises:
        AuditError: one is not.
    """
    states = (state.current for state in fold.keys.values() if state.version is not None)
    there = [tuple(current.partition[name] for name in by) for current in states if current is not None]
    told: dict[str, list[str]] = {}
    for place, name in enumerate(by):
        known = Dynamic(name).with_keys({name: [values[place] for values in there]})
        try:
            told[name] = known.require_keys(list(dict.fromkeys(values[place] for values in rows)))
        except PartitionKeyError as error:
            raise AuditError(f"{error.message}; nothing written", code="key-unsafe", help=error.help) from None
    return told


def _text(values: pl.Series) -> pl.Expr:
    """The value of each row as text; of dates and numbers that lie close together, looked up in a table."""
    column, dtype = pl.col(values.name), values.dtype
    if isinstance(dtype, _TEXT) or dtype == pl.Boolean or values.is_empty():
        return column.cast(pl.String)
    numbers = values.cast(pl.Int32) if dtype == pl.Date else values
    first, last = int(numbers.min()), int(numbers.max())  # type: ignore[arg-type]
    if last - first >= _TABLE or first < -(2**63) or last >= 2**63 - 1:
        return column.cast(pl.String)
    table = pl.int_range(first, last + 1, dtype=pl.Int64, eager=True)
    texts = table.cast(pl.Int32).cast(pl.Date).cast(pl.String) if dtype == pl.Date else table.cast(pl.String)
    number = column.cast(pl.Int32) if dtype == pl.Date else column
    # A frame that is another when it is read again may have what is not in the table: no key, and not the last one,
    # which is what -1 would be.
    place = (number.cast(pl.Int64, strict=False) - first).cast(pl.UInt32, strict=False)
    return pl.lit(texts).gather(place, null_on_oob=True)
