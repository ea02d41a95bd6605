"""pyiceberg, by `add_files` of a snapshot's files as they lie there, and by `append` of its rows."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.dataset as ds
from interop.by_pyarrow import answer_of, arrow_schema, partitioning
from interop.tables import Answer, Filter, Form, How, Opened, Table
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.expressions import And, BooleanExpression, EqualTo, GreaterThanOrEqual

if TYPE_CHECKING:
    from pyiceberg.table import Table as IcebergTable

__all__ = ["IcebergFiles", "IcebergRows"]


class IcebergFiles:
    """Adds each table's files to one of its own, which has the keys among its columns."""

    errors: tuple[type[BaseException], ...] = (Exception,)  # of the errors that it raises, most share no other base

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="interop-")
        self._catalog = SqlCatalog(
            "interop", uri=f"sqlite:///{self._folder.name}/catalog.db", warehouse=f"file://{self._folder.name}"
        )
        self._catalog.create_namespace("lake")
        self._imported: dict[Path, IcebergTable] = {}

    def close(self) -> None:
        """Remove the catalog."""
        self._catalog.close()
        self._folder.cleanup()

    def bare(self, table: Table, form: Form) -> Answer:
        files = table.files(form)
        made = self._catalog.create_table("lake.bare", ds.dataset(files).schema)
        made.add_files(files)
        return answer_of(made.scan().to_arrow())

    def read(self, table: Table, form: Form, how: How) -> Answer:  # noqa: ARG002  there is one form
        return answer_of(self._table(table).scan().to_arrow())

    def opened(self, table: Table, form: Form, filters: Sequence[Filter]) -> Opened:  # noqa: ARG002
        scan = self._table(table).scan(row_filter=_expression(filters))
        return Opened(len(list(scan.plan_files())), scan.to_arrow().to_pylist())

    def _table(self, table: Table) -> IcebergTable:
        if table.snapshot not in self._imported:
            self._imported[table.snapshot] = self._import(table)
        return self._imported[table.snapshot]

    def _import(self, table: Table) -> IcebergTable:
        made = self._catalog.create_table(f"lake.{table.snapshot.name}", arrow_schema(table))
        made.add_files(table.files("snapshot"))
        return made


class IcebergRows(IcebergFiles):
    """Appends the rows that PyArrow reads, to a table that is partitioned by the same columns."""

    def bare(self, table: Table, form: Form) -> Answer:  # noqa: ARG002
        return self._appended("lake.bare", ds.dataset(str(table.snapshot), partitioning="hive").to_table())

    def _appended(self, name: str, rows: pa.Table) -> Answer:
        made = self._catalog.create_table(name, rows.schema)
        made.append(rows)
        return answer_of(made.scan().to_arrow())

    def _import(self, table: Table) -> IcebergTable:
        rows = ds.dataset(str(table.snapshot), partitioning=partitioning(table)).to_table()
        made = self._catalog.create_table(f"lake.{table.snapshot.name}", rows.schema)
        with made.update_spec() as spec:
            for column in table.columns:
                spec.add_identity(column)
        made.append(rows)
        return made


def _expression(filters: Sequence[Filter]) -> BooleanExpression:
    compared: list[BooleanExpression] = [
        EqualTo(name, value) if sign == "==" else GreaterThanOrEqual(name, value) for name, sign, value in filters
    ]
    return reduce(And, compared)
