"""delta-rs, by `convert_to_deltalake` on a copy of a snapshot: hard links, beside which it writes its log."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Final

from deltalake import DeltaTable, Field, Schema, convert_to_deltalake
from deltalake.schema import PrimitiveType
from interop.by_pyarrow import answer_of, expression
from interop.tables import Answer, Filter, Form, How, Opened, Table
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

if TYPE_CHECKING:
    from pyarrow.dataset import Dataset

__all__ = ["DeltaLake"]

_KEYS: Final = {"String": "string", "Date": "date", "Int64": "long"}


class DeltaLake:
    """Imports each table once, under a schema of its keys, which it demands."""

    errors = (Exception,)  # it raises nothing narrower for a type that it does not know

    def __init__(self) -> None:
        self._folder = TemporaryDirectory(prefix="interop-")
        self._imported: dict[Path, Dataset] = {}

    def close(self) -> None:
        """Remove the copies."""
        self._folder.cleanup()

    def bare(self, table: Table, form: Form) -> Answer:  # noqa: ARG002  there is one form
        copy = self._copied(table, "bare")
        convert_to_deltalake(copy)
        return answer_of(_dataset(copy).to_table())

    def read(self, table: Table, form: Form, how: How) -> Answer:  # noqa: ARG002
        return answer_of(self._import(table).to_table())

    def opened(self, table: Table, form: Form, filters: Sequence[Filter]) -> Opened:  # noqa: ARG002
        dataset, wanted = self._import(table), expression(filters)
        return Opened(len(list(dataset.get_fragments(wanted))), dataset.to_table(filter=wanted).to_pylist())

    def _copied(self, table: Table, purpose: str) -> Path:
        copy = Path(self._folder.name) / purpose / table.snapshot.name
        shutil.copytree(table.snapshot, copy, copy_function=os.link)
        return copy

    def _import(self, table: Table) -> Dataset:
        if table.snapshot not in self._imported:
            copy = self._copied(table, "imported")
            keys = Schema([Field(column, PrimitiveType(_KEYS[str(dtype)])) for column, dtype in table.keys.items()])
            convert_to_deltalake(copy, partition_by=keys, partition_strategy="hive")
            self._imported[table.snapshot] = _dataset(copy)
        return self._imported[table.snapshot]


def _dataset(copy: Path) -> Dataset:
    # PyArrow opens the files itself: its threads that call delta-rs back abort a process that ends under them.
    files = SubTreeFileSystem(str(copy), LocalFileSystem())
    return DeltaTable(copy).to_pyarrow_dataset(filesystem=files)
