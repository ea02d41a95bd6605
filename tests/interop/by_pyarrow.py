"""PyArrow, by `pyarrow.dataset`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import reduce
from operator import and_
from typing import Final

import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
from interop.tables import FOLDER, Answer, Filter, Form, How, Opened, Table

__all__ = ["PyArrow", "arrow_keys", "arrow_schema", "expression", "partitioning"]

_KEYS: Final[Mapping[pl.DataType, pa.DataType]] = {
    pl.String(): pa.string(),
    pl.Date(): pa.date32(),
    pl.Int64(): pa.int64(),
}


class PyArrow:
    """Reads a dataset; of a pattern, a list of its files."""

    errors = (pa.ArrowException, OSError)

    def close(self) -> None:
        """Nothing is open."""

    def bare(self, table: Table, form: Form) -> Answer:
        return answer_of(ds.dataset(table.path(form)).to_table())

    def read(self, table: Table, form: Form, how: How) -> Answer:
        return answer_of(self._dataset(table, form, how).to_table())

    def opened(self, table: Table, form: Form, filters: Sequence[Filter]) -> Opened:
        dataset, wanted = self._dataset(table, form, "pinned"), expression(filters)
        return Opened(len(list(dataset.get_fragments(wanted))), dataset.to_table(filter=wanted).to_pylist())

    def _dataset(self, table: Table, form: Form, how: How) -> ds.Dataset:
        files = table.path(form) if form == FOLDER else table.files(form)
        keys = "hive" if how == "default" else partitioning(table)
        return ds.dataset(files, schema=arrow_schema(table) if how == "coping" else None, partitioning=keys)


def partitioning(table: Table) -> ds.Partitioning:
    """Hive folders whose keys are of their types."""
    return ds.partitioning(pa.schema(arrow_keys(table)), flavor="hive")


def arrow_keys(table: Table) -> list[pa.Field]:
    """The partition columns, by their types."""
    return [pa.field(column, _KEYS[dtype]) for column, dtype in table.keys.items()]


def arrow_schema(table: Table) -> pa.Schema:
    """All columns, as the contract has them, with keys."""
    schema = pl.DataFrame(schema=dict(table.schema)).to_arrow().schema
    return pa.schema([*schema, *arrow_keys(table)])


def expression(filters: Sequence[Filter]) -> ds.Expression:
    """All filters at once."""
    return reduce(
        and_,
        (ds.field(name) == value if sign == "==" else ds.field(name) >= value for name, sign, value in filters),
    )


def answer_of(found: pa.Table) -> Answer:
    """The types by Arrow's names, and the rows."""
    return Answer({field.name: str(field.type) for field in found.schema}, found.to_pylist())
