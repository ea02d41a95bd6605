"""Polars, by `scan_parquet`."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import polars as pl
from interop.tables import Answer, Filter, Form, How, Opened, Table

__all__ = ["Polars"]


class Polars:
    """Reads lazily."""

    errors = (pl.exceptions.PolarsError, pl.exceptions.PanicException)

    def close(self) -> None:
        """Nothing is open."""

    def bare(self, table: Table, form: Form) -> Answer:
        return _collected(pl.scan_parquet(table.path(form)))

    def read(self, table: Table, form: Form, how: How) -> Answer:
        return _collected(self._scanned(table, form, how))

    def opened(self, table: Table, form: Form, filters: Sequence[Filter]) -> Opened:
        compared = [
            pl.col(column) == value if sign == "==" else pl.col(column) >= value for column, sign, value in filters
        ]
        frame = self._scanned(table, form, "pinned").filter(*compared)
        (files,) = re.findall(r"Parquet SCAN \[(.*?)\]$", frame.explain(), re.MULTILINE)
        others = re.search(r"(\d+) other", files)
        count = files.count("part.parquet") + (int(others[1]) if others else 0)
        return Opened(count, frame.collect().rows(named=True))

    def _scanned(self, table: Table, form: Form, how: How) -> pl.LazyFrame:
        keys = dict(table.keys)
        options: dict[str, Any] = {} if how == "default" else {"hive_schema": keys}
        if how == "coping":
            options |= {
                "schema": {**table.schema, **keys},
                "missing_columns": "insert",
                "extra_columns": "ignore",
                "cast_options": pl.ScanCastOptions(integer_cast=["upcast", "allow-float"]),
            }
        return pl.scan_parquet(table.path(form), hive_partitioning=True, **options)


def _collected(frame: pl.LazyFrame) -> Answer:
    found = frame.collect()
    return Answer({name: str(dtype) for name, dtype in found.schema.items()}, found.rows(named=True))
