"""pandas, by `read_parquet`, with NumPy's types and with Arrow's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pyarrow as pa
from fsspec.implementations.local import LocalFileSystem
from interop.by_pyarrow import arrow_schema, partitioning
from interop.tables import FOLDER, Answer, Filter, Form, How, Opened, Table

__all__ = ["Pandas", "PandasArrow"]


class Pandas:
    """Reads into NumPy's types; of a pattern, a list of its files."""

    errors = (pa.ArrowException, OSError, ValueError)
    backend: ClassVar[dict[str, Any]] = {}

    def close(self) -> None:
        """Nothing is open."""

    def bare(self, table: Table, form: Form) -> Answer:
        return _answer(pd.read_parquet(table.path(form), **self.backend))

    def read(self, table: Table, form: Form, how: How) -> Answer:
        return _answer(self._frame(table, form, how))

    def opened(self, table: Table, form: Form, filters: Sequence[Filter]) -> Opened:
        files = _Noting(skip_instance_cache=True)
        found = self._frame(table, form, "pinned", filters=list(filters), filesystem=files)
        return Opened(len(files.opened), _answer(found).rows)

    def _frame(self, table: Table, form: Form, how: How, **options: Any) -> pd.DataFrame:
        files = table.path(form) if form == FOLDER else table.files(form)
        if how != "default":
            options["partitioning"] = partitioning(table)
        if how == "coping":
            options["schema"] = arrow_schema(table)
        return pd.read_parquet(files, **self.backend, **options)


class PandasArrow(Pandas):
    """Reads into Arrow's types."""

    backend: ClassVar = {"dtype_backend": "pyarrow"}


class _Noting(LocalFileSystem):  # type: ignore[misc]
    """Notes which files are opened: pandas has no plan to ask."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.opened: set[str] = set()

    def _open(self, path: str, *args: Any, **options: Any) -> Any:
        self.opened.add(path)
        return super()._open(path, *args, **options)


def _answer(frame: pd.DataFrame) -> Answer:
    types = {str(name): str(kind) for name, kind in frame.dtypes.items()}
    columns = [
        [_plain(value, of_arrow=isinstance(frame[name].dtype, pd.ArrowDtype)) for value in frame[name]]
        for name in frame.columns
    ]
    return Answer(types, [dict(zip(types, row, strict=True)) for row in zip(*columns, strict=True)])


def _plain(value: Any, *, of_arrow: bool) -> Any:
    """A cell as a Python value. What pandas takes for missing is null, and that is NaN too, but of Arrow's types."""
    if isinstance(value, np.ndarray | list):
        return [_plain(item, of_arrow=of_arrow) for item in value]
    if isinstance(value, dict):
        return {name: _plain(item, of_arrow=of_arrow) for name, item in value.items()}
    if value is pd.NA or value is pd.NaT or (isinstance(value, float) and math.isnan(value) and not of_arrow):
        return None
    if isinstance(value, pd.Timestamp):
        return value.to_pydatetime()
    return value.item() if isinstance(value, np.generic) else value
