"""Which types are written as they are, which become another, and which are refused with the cast that helps."""

from __future__ import annotations

import inspect
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.dtypes import conform, from_declared, parse_type, require_columns, schema_of, storable, type_name
from lakehouse.errors import AuditError, DefinitionError

# Each type with its name in the log, and the type under which DuckDB reads the file.
AS_IT_IS: list[tuple[pl.DataType, str, str]] = [
    (pl.Boolean(), "bool", "BOOLEAN"),
    (pl.Int8(), "i8", "TINYINT"),
    (pl.Int16(), "i16", "SMALLINT"),
    (pl.Int32(), "i32", "INTEGER"),
    (pl.Int64(), "i64", "BIGINT"),
    (pl.Float32(), "f32", "FLOAT"),
    (pl.Float64(), "f64", "DOUBLE"),
    (pl.Decimal(10, 2), "decimal[10,2]", "DECIMAL(10,2)"),
    (pl.Decimal(38, 0), "decimal[38,0]", "DECIMAL(38,0)"),
    (pl.String(), "str", "VARCHAR"),
    (pl.Binary(), "binary", "BLOB"),
    (pl.Date(), "date", "DATE"),
    (pl.Datetime("ms"), "datetime[ms]", "TIMESTAMP"),
    (pl.Datetime("us"), "datetime[us]", "TIMESTAMP"),
    (pl.Datetime("us", "Europe/Berlin"), "datetime[us, Europe/Berlin]", "TIMESTAMP WITH TIME ZONE"),
    (pl.List(pl.Int64()), "list[i64]", "BIGINT[]"),
    (
        pl.Struct({"a": pl.Int64(), "b c": pl.String()}),
        'struct["a": i64, "b c": str]',
        'STRUCT(a BIGINT, "b c" VARCHAR)',
    ),
]
NORMALIZED: list[tuple[pl.Series, pl.DataType, Any]] = [
    (pl.Series([2**8 - 1], dtype=pl.UInt8), pl.Int64(), 2**8 - 1),
    (pl.Series([2**16 - 1], dtype=pl.UInt16), pl.Int64(), 2**16 - 1),
    (pl.Series([2**32 - 1], dtype=pl.UInt32), pl.Int64(), 2**32 - 1),
    (pl.Series([2**64 - 1], dtype=pl.UInt64), pl.Decimal(20, 0), Decimal(2**64 - 1)),
    (pl.Series(["a"], dtype=pl.Categorical), pl.String(), "a"),
    (pl.Series(["a"], dtype=pl.Enum(["a", "b"])), pl.String(), "a"),
    (pl.Series([[7]], dtype=pl.List(pl.UInt8)), pl.List(pl.Int64()), [7]),
    (pl.Series([{"x": "a"}], dtype=pl.Struct({"x": pl.Categorical})), pl.Struct({"x": pl.String()}), {"x": "a"}),
]
REFUSED: list[tuple[pl.Series, str, pl.DataType]] = [
    (pl.Series("c", [1], dtype=pl.Int128), 'pl.col("c").cast(pl.Decimal(38, 0))', pl.Decimal(38, 0)),
    (pl.Series("c", [1], dtype=pl.UInt128), 'pl.col("c").cast(pl.Decimal(38, 0))', pl.Decimal(38, 0)),
    (pl.Series("c", [1], dtype=pl.Float16), 'pl.col("c").cast(pl.Float32)', pl.Float32()),
    (pl.Series("c", [time(1)]), 'pl.col("c").cast(pl.String)', pl.String()),
    (pl.Series("c", [timedelta(1)]), 'pl.col("c").dt.total_microseconds()', pl.Int64()),
    (
        pl.Series("c", [datetime(2018, 1, 1)], dtype=pl.Datetime("ns")),  # noqa: DTZ001
        'pl.col("c").dt.cast_time_unit("us")',
        pl.Datetime("us"),
    ),
    (pl.Series("c", [[1, 2]], dtype=pl.Array(pl.Int64, 2)), 'pl.col("c").arr.to_list()', pl.List(pl.Int64())),
    (
        pl.Series("c", [[timedelta(1)]]),
        'pl.col("c").list.eval(pl.element().dt.total_microseconds())',
        pl.List(pl.Int64()),
    ),
    (
        pl.Series('c"', [{"a": [time(1)], "b": 1}]),
        'pl.col("c\\"").struct.with_fields(pl.field("a").list.eval(pl.element().cast(pl.String)))',
        pl.Struct({"a": pl.List(pl.String()), "b": pl.Int64()}),
    ),
]


@pytest.mark.parametrize(
    ("dtype", "name", "sql"), AS_IT_IS, ids=lambda value: value if isinstance(value, str) else ""
)
def test_a_type_that_every_reader_gives_back_is_written_as_it_is(
    dtype: pl.DataType, name: str, sql: str, tmp_path: Path
) -> None:
    assert schema_of({"c": dtype}) == (("c", name),)
    assert storable(dtype) == dtype
    assert parse_type(name) == dtype
    file = tmp_path / "c"
    pl.DataFrame(schema={"c": dtype}).write_parquet(file)
    assert duckdb.connect().execute("describe select * from read_parquet(?)", [str(file)]).fetchall()[0][1] == sql


@pytest.mark.parametrize(("given", "dtype", "value"), NORMALIZED, ids=lambda value: str(getattr(value, "dtype", "")))
def test_a_type_that_some_reader_lacks_becomes_one_that_holds_all_its_values(
    given: pl.Series, dtype: pl.DataType, value: object
) -> None:
    frame = pl.DataFrame({"c": given})
    contract = schema_of(frame.schema)
    assert parse_type(contract[0][1]) == dtype
    written = frame.select(conform(frame.schema, contract))
    assert written.schema == {"c": dtype}
    assert written.row(0) == (value,)


@pytest.mark.parametrize(("given", "cure", "dtype"), REFUSED, ids=lambda value: str(getattr(value, "dtype", "")))
def test_a_refused_type_comes_with_the_cast_that_helps(given: pl.Series, cure: str, dtype: pl.DataType) -> None:
    frame = given.to_frame()
    with pytest.raises(AuditError) as caught:
        schema_of(frame.schema)
    assert caught.value.code == "type-refused"
    assert caught.value.message == (
        f"column {given.name!r} is {given.dtype}, which not every reader of Parquet gives back as it was"
    )
    assert caught.value.help == f"write {cure}"
    cured = frame.select(eval(cure))  # noqa: S307  the advice that a person would paste
    assert cured.dtypes == [dtype]
    schema_of(cured.schema)


def test_a_map_is_refused_and_its_entries_are_not() -> None:
    frame = duckdb.sql("select map {'a': 1} as c").pl()
    with pytest.raises(AuditError, match=r"c.*Map") as caught:
        schema_of(frame.schema)
    assert caught.value.help == 'write pl.col("c").map.entries()'
    assert schema_of(frame.select(pl.col("c").map.entries()).schema)[0][1] == 'list[struct["key": str, "value": i32]]'


def test_an_object_column_is_refused() -> None:
    with pytest.raises(AuditError) as caught:
        schema_of({"c": pl.Object()})
    assert caught.value.help == 'write pl.col("c").map_elements(str, return_dtype=pl.String)'


def test_an_extension_type_is_refused_for_what_it_is_stored_as() -> None:
    with pytest.raises(AuditError) as caught:
        schema_of({"c": pl.Extension("lake.example", pl.Int64)})
    assert caught.value.help == 'write pl.col("c").ext.storage()'


def test_a_column_without_any_type_is_refused_where_nothing_says_which_it_will_have() -> None:
    with pytest.raises(AuditError) as caught:
        schema_of({"c": pl.Null()})
    assert caught.value.help == 'write pl.col("c").cast(<the type of its values>)'


def test_a_column_without_any_type_takes_the_contracts() -> None:
    frame = pl.DataFrame({"c": [None, None]})
    assert frame.select(conform(frame.schema, (("c", "decimal[10,2]"),))).schema == {"c": pl.Decimal(10, 2)}


def test_the_table_says_something_of_every_type_that_polars_has() -> None:
    example: dict[str, pl.DataType] = {
        "Array": pl.Array(pl.Int64, 2),
        "Enum": pl.Enum(["a"]),
        "Extension": pl.Extension("lake.example", pl.Int64),
        "List": pl.List(pl.Int64),
        "Map": duckdb.sql("select map {'a': 1} as c").pl().schema["c"],
        "Struct": pl.Struct({"a": pl.Int64}),
    }
    abstract = {"DataType", "BaseExtension", "Unknown"}
    classes = {
        name: item for name, item in vars(pl).items() if inspect.isclass(item) and issubclass(item, pl.DataType)
    }
    written, refused = set(), set()
    for name in classes.keys() - abstract:
        try:
            storable(example.get(name) or classes[name]())
            written.add(name)
        except ValueError:
            refused.add(name)
    assert refused == {
        "Array", "Duration", "Extension", "Float16", "Int128", "Map", "Null", "Object", "Time", "UInt128",
    }  # fmt: skip
    assert written == {
        "Binary", "Boolean", "Categorical", "Date", "Datetime", "Decimal", "Enum", "Float32", "Float64", "Int8",
        "Int16", "Int32", "Int64", "List", "String", "Struct", "UInt8", "UInt16", "UInt32", "UInt64", "Utf8",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"": pl.Int64()}, "a column has no name"),
        (
            {"Status": pl.Int64(), "status": pl.Int64()},
            "columns 'Status' and 'status' differ only in case, and Spark and DuckDB take them for one",
        ),
        (
            {"Key": pl.Int64()},
            "columns 'key' and 'Key' differ only in case, and Spark and DuckDB take them for one",
        ),
        (
            {"s": pl.List(pl.Struct({"a": pl.Int64, "A": pl.Int64}))},
            "struct fields 'a' and 'A' differ only in case, and Spark and DuckDB take them for one",
        ),
        ({"s": pl.Struct({"t": pl.Struct({"": pl.Int64})})}, "a struct field has no name"),
    ],
)
def test_names_that_a_reader_cannot_tell_apart_are_refused(columns: dict[str, pl.DataType], message: str) -> None:
    with pytest.raises(AuditError) as caught:
        require_columns(columns, ["key"])
    assert (caught.value.message, caught.value.code) == (message, "column-refused")


def test_names_of_any_other_letters_pass() -> None:
    require_columns(dict.fromkeys(["a", "b c", "é", "日本", 'quo"ted', "a.b", "straße"], pl.Int64()), ["key"])


def test_a_declared_schema_takes_classes_and_instances_alike() -> None:
    assert from_declared({"a": pl.Int64, "b": pl.Decimal(10, 2), "c": pl.List(pl.Date)}) == (
        ("a", "i64"),
        ("b", "decimal[10,2]"),
        ("c", "list[date]"),
    )


def test_a_declared_type_that_is_refused_is_a_fault_of_the_definitions() -> None:
    with pytest.raises(DefinitionError, match="column 'a' is Duration"):
        from_declared({"a": pl.Duration})


_leaves = st.sampled_from([dtype for dtype, _, _ in AS_IT_IS if not dtype.is_nested()]) | st.builds(
    pl.Decimal, st.just(38), st.integers(0, 38)
)
_names = st.text(st.characters(codec="utf-8"), max_size=5) | st.sampled_from(
    ['"', "\\", '\\"', "]", '": i64]', "[, ", "\n"]
)
_types = st.recursive(
    _leaves,
    lambda inner: st.builds(pl.List, inner) | st.dictionaries(_names, inner, min_size=1, max_size=3).map(pl.Struct),
    max_leaves=6,
)


@given(_types)
def test_the_name_of_a_type_reads_back_as_that_type(dtype: pl.DataType) -> None:
    assert parse_type(type_name(dtype)) == dtype


@given(_types, st.data())
def test_no_part_of_a_name_is_taken_for_the_name_of_a_nested_type(dtype: pl.DataType, data: st.DataObject) -> None:
    name = type_name(dtype)
    if not dtype.is_nested():
        return
    with pytest.raises(ValueError, match="is not"):
        parse_type(name[: data.draw(st.integers(len("struct["), len(name) - 1))])


@pytest.mark.parametrize(
    "text",
    ["", "int", "i65", "list[i64", "list[i64x", "list[i64,", "list[]", "struct[]", 'struct["a": i64',
     'struct["a" i64]', "datetime[ns]", "datetime", "decimal[10]", "i64 ", "list[i64]]", 'struct["a": i64, ]', "I64"],
)  # fmt: skip
def test_what_is_no_name_of_a_type_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ValueError, match="is not"):
        parse_type(text)


def test_values_of_all_types_survive_the_file_in_both_engines(tmp_path: Path) -> None:
    """One row of values near the edges, written and read by Polars, DuckDB and PyArrow."""
    values = {
        "bool": True,
        "i8": -128,
        "i64": 2**63 - 1,
        "f32": 0.5,
        "f64": -0.1,
        "dec": Decimal("12345678.90"),
        "str": "é日\0'\"",
        "bin": b"\x00\xff",
        "date": date(1600, 2, 29),
        "ms": datetime(2018, 2, 28, 23, 59, 59, 999000),  # noqa: DTZ001
        "us": datetime(2018, 2, 28, 23, 59, 59, 999999),  # noqa: DTZ001
        "list": [1, None, 3],
        "struct": {"a": 1, "b": None},
    }
    frame = pl.DataFrame(
        {name: [value] for name, value in values.items()},
        schema_overrides={"i8": pl.Int8, "f32": pl.Float32, "dec": pl.Decimal(10, 2), "ms": pl.Datetime("ms")},
    ).with_columns(struct=pl.struct(a=pl.lit(1), b=pl.lit(None, dtype=pl.String)))
    contract = schema_of(frame.schema)
    frame.select(conform(frame.schema, contract)).write_parquet(tmp_path / "f")
    expected = tuple(values.values())
    assert pl.read_parquet(tmp_path / "f", hive_partitioning=False).row(0) == expected
    assert duckdb.connect().execute("from read_parquet(?)", [str(tmp_path / "f")]).fetchone() == expected
    assert tuple(pq.read_table(tmp_path / "f").to_pylist()[0].values()) == expected
