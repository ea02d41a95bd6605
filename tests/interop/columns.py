"""A column of each Polars type, with values at its ends: those that are written, and those that are refused.

Knows what is put in, and what is to come out. Knows no reader.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from math import inf, nan
from typing import Any, Final
from zoneinfo import ZoneInfo

import polars as pl

__all__ = ["NAMES", "POSITION", "REFUSED", "WRITTEN", "Column"]

POSITION: Final = "position"
"""A column by which files are sorted, so that values stand in order."""

_FIRST, _LAST = datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999000)  # noqa: DTZ001  without a zone
_BERLIN = ZoneInfo("Europe/Berlin")

NAMES: Final = ("order num", "Größe", "a.b", "a,b;c=d", "select", "1st", "a'b`c", "_", "%41")
"""Names of columns that are hard on readers."""


@dataclass(frozen=True, slots=True)
class Column:
    """Values of one type, the last of them null; `stored` is the type that is written where it is another."""

    dtype: pl.DataType
    values: Sequence[Any]
    stored: pl.DataType | None = None
    wanted: Sequence[Any] | None = None

    @property
    def label(self) -> str:
        """The type as a Polars user writes it."""
        return _label(self.dtype)

    @property
    def stored_label(self) -> str:
        """The type that is written."""
        return _label(self.stored or self.dtype)

    @property
    def series(self) -> pl.Series:
        """What an asset returns."""
        return pl.Series([*self.values, None], dtype=self.dtype)

    @property
    def given_back(self) -> list[Any]:
        """What every reader is to give."""
        return [*(self.values if self.wanted is None else self.wanted), None]


def _label(dtype: Any) -> str:
    if isinstance(dtype, pl.Enum):
        return "Enum"
    if isinstance(dtype, pl.Decimal):
        return f"Decimal({dtype.precision}, {dtype.scale})"
    if isinstance(dtype, pl.Datetime):
        return f"Datetime({', '.join(filter(None, [dtype.time_unit, dtype.time_zone]))})"
    if isinstance(dtype, pl.List):
        return f"List({_label(dtype.inner)})"
    if isinstance(dtype, pl.Struct):
        return f"Struct({', '.join(f'{field.name}: {_label(field.dtype)}' for field in dtype.fields)})"
    return str(dtype)


def _integers(bits: int) -> list[int]:
    return [-(2 ** (bits - 1)), 2 ** (bits - 1) - 1]


_DIGITS: Final = 10**38 - 1
_TIMES: Final = [_FIRST, _LAST]

WRITTEN: Final[Mapping[str, Column]] = {
    "boolean": Column(pl.Boolean(), [True, False]),
    "int8": Column(pl.Int8(), _integers(8)),
    "int16": Column(pl.Int16(), _integers(16)),
    "int32": Column(pl.Int32(), _integers(32)),
    "int64": Column(pl.Int64(), _integers(64)),
    "float32": Column(pl.Float32(), [-inf, nan]),
    "float64": Column(pl.Float64(), [0.1, nan]),
    "decimal_10_2": Column(pl.Decimal(10, 2), [Decimal("-99999999.99"), Decimal("0.01")]),
    "decimal_38_0": Column(pl.Decimal(38, 0), [Decimal(-_DIGITS), Decimal(_DIGITS)]),
    "string": Column(pl.String(), ["", "日本\n🦆\0"]),
    "binary": Column(pl.Binary(), [b"", b"\x00\xff"]),
    "date": Column(pl.Date(), [date.min, date.max]),
    "datetime_ms": Column(pl.Datetime("ms"), _TIMES),
    "datetime_us": Column(pl.Datetime("us"), [_FIRST, _LAST.replace(microsecond=999999)]),
    "datetime_utc": Column(
        pl.Datetime("us", "UTC"), [_FIRST.replace(tzinfo=UTC), datetime(2018, 2, 3, 4, 5, 6, 7, tzinfo=UTC)]
    ),
    "datetime_berlin": Column(
        pl.Datetime("us", "Europe/Berlin"),
        [datetime(2018, 10, 28, 2, 30, fold=fold, tzinfo=_BERLIN) for fold in (0, 1)],
    ),
    "list": Column(pl.List(pl.Int64()), [[], [2**63 - 1, None]]),
    "list_of_lists": Column(pl.List(pl.List(pl.String())), [[[], None], [["a", None]]]),
    "struct": Column(
        pl.Struct({"a": pl.Int64(), "b c": pl.String()}), [{"a": 1, "b c": "x"}, {"a": None, "b c": None}]
    ),
    "list_of_structs": Column(pl.List(pl.Struct({"a": pl.List(pl.Int8())})), [[{"a": [1]}, {"a": None}], [None]]),
    "uint8": Column(pl.UInt8(), [0, 2**8 - 1], pl.Int64()),
    "uint16": Column(pl.UInt16(), [0, 2**16 - 1], pl.Int64()),
    "uint32": Column(pl.UInt32(), [0, 2**32 - 1], pl.Int64()),
    "uint64": Column(pl.UInt64(), [0, 2**64 - 1], pl.Decimal(20, 0), [Decimal(0), Decimal(2**64 - 1)]),
    "categorical": Column(pl.Categorical(), ["a", "é"], pl.String()),
    "enum": Column(pl.Enum(["a", "é"]), ["a", "é"], pl.String()),
}

REFUSED: Final[Mapping[str, tuple[pl.Series, str]]] = {
    "Int128": (pl.Series([1], dtype=pl.Int128), ".cast(pl.Decimal(38, 0))"),
    "UInt128": (pl.Series([1], dtype=pl.UInt128), ".cast(pl.Decimal(38, 0))"),
    "Float16": (pl.Series([1], dtype=pl.Float16), ".cast(pl.Float32)"),
    "Datetime(ns)": (pl.Series([_FIRST.replace(year=2018)], dtype=pl.Datetime("ns")), '.dt.cast_time_unit("us")'),
    "Time": (pl.Series([time(1)]), ".cast(pl.String)"),
    "Duration": (pl.Series([timedelta(1)]), ".dt.total_microseconds()"),
    "Array": (pl.Series([[1, 2]], dtype=pl.Array(pl.Int64, 2)), ".arr.to_list()"),
    "Map": (pl.Series([[{"key": "a", "value": 1}]], dtype=pl.Map(pl.String, pl.Int64)), ".map.entries()"),
    "Extension": (pl.Series([1]).ext.to(pl.Extension("lake.example", pl.Int64)), ".ext.storage()"),
    "Object": (pl.Series([object()], dtype=pl.Object), ".map_elements(str, return_dtype=pl.String)"),
    "Null": (pl.Series([None]), ".cast(<the type of its values>)"),
    "Struct without fields": (pl.Series([{}], dtype=pl.Struct({})), ".cast(pl.String)"),
}
"""Of each type that is refused, a value, and what the refusal says to write."""
