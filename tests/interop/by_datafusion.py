"""DataFusion, by `register_parquet`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import reduce
from operator import and_

import pyarrow as pa
from datafusion import DataFrame, SessionContext, col, lit
from interop.by_pyarrow import answer_of, arrow_keys, arrow_schema
from interop.tables import FOLDER, Answer, Filter, Form, How, Opened, Table

__all__ = ["DataFusion"]


class DataFusion:
    """Reads a registered table. Its guesses are those of `CREATE EXTERNAL TABLE`; its patterns have to have `**`."""

    errors = (Exception,)  # it raises nothing narrower

    def close(self) -> None:
        """Nothing is open."""

    def bare(self, table: Table, form: Form) -> Answer:
        return answer_of(SessionContext().read_parquet(table.path(form)).to_arrow_table())

    def read(self, table: Table, form: Form, how: How) -> Answer:
        return answer_of(self._frame(table, form, how).to_arrow_table())

    def opened(self, table: Table, form: Form, filters: Sequence[Filter]) -> Opened:
        compared = [
            col(name) == lit(value) if sign == "==" else col(name) >= lit(value) for name, sign, value in filters
        ]
        frame = self._frame(table, form, "pinned").filter(reduce(and_, compared))
        plan = frame.execution_plan().display_indent()
        return Opened(len(set(re.findall(r"[^\[, ]*part\.parquet", plan))), frame.to_arrow_table().to_pylist())

    def _frame(self, table: Table, form: Form, how: How) -> DataFrame:
        context, path = SessionContext(), str(table.folder) if form == FOLDER else f"{table.folder}/**/part.parquet"
        if how == "default":
            context.sql(f"CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION '{path}'")
            return context.table("t")
        keys = [(field.name, field.type) for field in arrow_keys(table)]
        schema = None
        if how == "coping":
            schema = pa.schema([arrow_schema(table).field(name) for name in table.schema])
        context.register_parquet("t", path, table_partition_cols=keys, schema=schema)
        return context.table("t")
