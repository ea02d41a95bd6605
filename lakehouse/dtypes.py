"""Which column types a lake writes, under which name the log keeps them, and what becomes of the others.

Knows the table of types: written as they are, normalized, or refused with the cast that helps. Each refusal is a
type that at least one of DuckDB, Spark, PyArrow and Polars reads back as something else, or not at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

import polars as pl

from lakehouse.errors import AuditError, DefinitionError
from lakehouse.records import Schema

if TYPE_CHECKING:
    from polars._typing import PolarsDataType

__all__ = ["conform", "from_declared", "parse_type", "require_columns", "schema_of", "storable", "type_name"]

_SIMPLE: Final[Mapping[str, pl.DataType]] = {
    "bool": pl.Boolean(),
    "i8": pl.Int8(),
    "i16": pl.Int16(),
    "i32": pl.Int32(),
    "i64": pl.Int64(),
    "f32": pl.Float32(),
    "f64": pl.Float64(),
    "str": pl.String(),
    "binary": pl.Binary(),
    "date": pl.Date(),
}
_NAMES: Final = {dtype: name for name, dtype in _SIMPLE.items()}
_NORMALIZED: Final[Mapping[pl.DataType, pl.DataType]] = {
    pl.UInt8(): pl.Int64(),
    pl.UInt16(): pl.Int64(),
    pl.UInt32(): pl.Int64(),
    pl.UInt64(): pl.Decimal(20, 0),
}
_CURES: Final[Mapping[str, str]] = {
    "Int128": ".cast(pl.Decimal(38, 0))",
    "UInt128": ".cast(pl.Decimal(38, 0))",
    "Float16": ".cast(pl.Float32)",
    "Time": ".cast(pl.String)",
    "Duration": ".dt.total_microseconds()",
    "Array": ".arr.to_list()",
    "Map": ".map.entries()",
    "Extension": ".ext.storage()",
    "Object": ".map_elements(str, return_dtype=pl.String)",
    "Null": ".cast(<the type of its values>)",
}
_MAX_DIGITS: Final = 38


def type_name(dtype: pl.DataType) -> str:
    """The name under which the log keeps a type that can be stored.

    >>> type_name(pl.List(pl.Int64()))
    'list[i64]'
    """
    if name := _NAMES.get(dtype):
        return name
    if isinstance(dtype, pl.Datetime):
        return (
            f"datetime[{dtype.time_unit}, {dtype.time_zone}]" if dtype.time_zone else f"datetime[{dtype.time_unit}]"
        )
    if isinstance(dtype, pl.Decimal):
        return f"decimal[{dtype.precision},{dtype.scale}]"
    if isinstance(dtype, pl.List):
        return f"list[{type_name(_instance(dtype.inner))}]"
    if isinstance(dtype, pl.Struct):
        inner = ", ".join(f"{_quote(field.name)}: {type_name(_instance(field.dtype))}" for field in dtype.fields)
        return f"struct[{inner}]"
    return str(dtype)


def _instance(dtype: PolarsDataType) -> pl.DataType:
    return dtype if isinstance(dtype, pl.DataType) else dtype()


def _quote(name: str) -> str:
    return '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '"'


_TOKEN: Final = re.compile(
    r"""datetime\[(?P<unit>ms|us)(?:,\ (?P<zone>[^\]]+))?\]
      | decimal\[(?P<precision>\d+),(?P<scale>\d+)\]
      | (?P<open>list\[|struct\[)
      | (?P<simple>[a-z]\w*)""",
    re.VERBOSE | re.ASCII,
)
_FIELD: Final = re.compile(r'"((?:[^"\\]|\\.)*)": ')


def parse_type(text: str) -> pl.DataType:
    """The type of a name; ``parse_type(type_name(x)) == x`` for every type that is stored."""
    dtype, end = _parse(text, 0)
    if end != len(text):
        raise ValueError(f"{text!r} is not the name of a type: {text[end:]!r} is left over")
    return dtype


def _parse(text: str, at: int) -> tuple[pl.DataType, int]:
    match = _TOKEN.match(text, at)
    if match is None:
        raise ValueError(f"{text[at:]!r} is not the name of a type")
    if match["unit"]:
        return pl.Datetime("ms" if match["unit"] == "ms" else "us", match["zone"]), match.end()
    if match["precision"]:
        return pl.Decimal(int(match["precision"]), int(match["scale"])), match.end()
    if match["simple"]:
        if match["simple"] not in _SIMPLE:
            raise ValueError(f"{match['simple']!r} is not the name of a type")
        return _SIMPLE[match["simple"]], match.end()
    if match["open"] == "list[":
        inner, end = _parse(text, match.end())
        return pl.List(inner), _closed(text, end)
    fields: list[pl.Field] = []
    end = match.end()
    while not fields or text.startswith(", ", end):
        name = _FIELD.match(text, end + 2 if fields else end)
        if name is None:
            raise ValueError(f"{text[end:]!r} is not a field of a struct")
        inner, end = _parse(text, name.end())
        fields.append(pl.Field(re.sub(r"\\(.)", r"\1", name[1]), inner))
    return pl.Struct(fields), _closed(text, end)


def _closed(text: str, at: int) -> int:
    if not text.startswith("]", at):
        raise ValueError(f"{text!r} is not the name of a type: a bracket stays open")
    return at + 1


def storable(dtype: pl.DataType) -> pl.DataType:
    """The type under which a computed column is written.

    Raises:
        ValueError: for a type that is refused; the message is the cast that helps.
    """
    if dtype in _NAMES:
        return dtype
    if dtype in _NORMALIZED:
        return _NORMALIZED[dtype]
    if isinstance(dtype, pl.Categorical | pl.Enum):
        return pl.String()
    if isinstance(dtype, pl.Datetime):
        if dtype.time_unit == "ns":
            raise ValueError('.dt.cast_time_unit("us")')
        return dtype
    if isinstance(dtype, pl.Decimal) and (dtype.precision or _MAX_DIGITS) <= _MAX_DIGITS:
        return pl.Decimal(dtype.precision or _MAX_DIGITS, dtype.scale)
    if isinstance(dtype, pl.List):
        return pl.List(_storable_within(".list.eval(pl.element()", _instance(dtype.inner)))
    if isinstance(dtype, pl.Struct) and dtype.fields:
        names = {field.name: f".struct.with_fields(pl.field({_quote(field.name)})" for field in dtype.fields}
        inner = [(field.name, _storable_within(names[field.name], _instance(field.dtype))) for field in dtype.fields]
        return pl.Struct([pl.Field(name, found) for name, found in inner])
    raise ValueError(_CURES.get(type(dtype).__name__, ".cast(pl.String)"))


def _storable_within(reach: str, inner: pl.DataType) -> pl.DataType:
    """What `storable` gives for a type within another; a cure is led by how an expression reaches in there."""
    try:
        return storable(inner)
    except ValueError as cure:
        raise ValueError(f"{reach}{cure})") from None


def schema_of(columns: Mapping[str, pl.DataType]) -> Schema:
    """The contract that these columns would make: names and types as they are written.

    Raises:
        AuditError: for a type that is refused, with the cast that helps.
    """
    schema = []
    for name, dtype in columns.items():
        try:
            schema.append((name, type_name(storable(dtype))))
        except ValueError as cure:
            raise AuditError(
                f"column {name!r} is {dtype}, which not every reader of Parquet gives back as it was",
                code="type-refused",
                help=f"write pl.col({_quote(name)}){cure}",
            ) from None
    return tuple(schema)


def require_columns(columns: Mapping[str, pl.DataType], partition_columns: Iterable[str]) -> None:
    """Nothing, if every reader can tell the columns apart, and so the fields of a struct.

    Raises:
        AuditError: for an empty name, and for two that differ only in case.
    """
    _require_names(columns, partition_columns, "column")
    pending = list(columns.values())
    while pending:
        dtype = pending.pop()
        if isinstance(dtype, pl.List):
            pending.append(_instance(dtype.inner))
        elif isinstance(dtype, pl.Struct):
            _require_names([field.name for field in dtype.fields], (), "struct field")
            pending += [_instance(field.dtype) for field in dtype.fields]


def _require_names(names: Iterable[str], taken: Iterable[str], what: str) -> None:
    seen = {name.casefold(): name for name in taken}
    for name in names:
        if not name:
            raise AuditError(f"a {what} has no name", code="column-refused", help="give it one")
        if (other := seen.setdefault(name.casefold(), name)) != name:
            raise AuditError(
                f"{what}s {other!r} and {name!r} differ only in case, and Spark and DuckDB take them for one",
                code="column-refused",
                help="rename one of them",
            )


def conform(computed: Mapping[str, pl.DataType], contract: Schema) -> list[pl.Expr]:
    """The columns of a computed frame in the contract's order and types, for ``select``.

    A column without a single value (``Null``) takes the contract's type.
    """
    return [
        pl.col(name) if computed[name] == parse_type(kind) else pl.col(name).cast(parse_type(kind))
        for name, kind in contract
    ]


def from_declared(schema: Mapping[str, PolarsDataType]) -> Schema:
    """The contract of a declared schema.

    Raises:
        DefinitionError: for a type that is refused.
    """
    try:
        return schema_of({name: _instance(dtype) for name, dtype in schema.items()})
    except AuditError as error:
        raise DefinitionError(error.message, code="type-refused", help=error.help) from error
