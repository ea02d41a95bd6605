"""The readers, and what each needs: nothing is imported before it is used.

Knows where each is. Refuses to know how it reads.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from typing import Final, cast

from interop.tables import FOLDER, GLOB, SNAPSHOT, Form, Reader

__all__ = ["READERS", "Entry", "lacks"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One reader.

    Attributes:
        home: its module and class.
        distribution: whose version counts.
        needs: modules, and ``java``.
        forms: what it may be given.
    """

    home: str
    distribution: str
    needs: tuple[str, ...]
    forms: tuple[Form, ...] = (FOLDER, GLOB)

    def make(self) -> Reader:
        """The reader, with its engine loaded."""
        module, _, name = self.home.partition(":")
        return cast("Reader", getattr(import_module(f"interop.{module}"), name)())


READERS: Final[Mapping[str, Entry]] = {
    "DuckDB": Entry("by_duckdb:DuckDB", "duckdb", ("duckdb",)),
    "Polars": Entry("by_polars:Polars", "polars", ("polars",)),
    "PyArrow": Entry("by_pyarrow:PyArrow", "pyarrow", ("pyarrow",)),
    "pandas": Entry("by_pandas:Pandas", "pandas", ("pandas", "fsspec")),
    "pandas, Arrow types": Entry("by_pandas:PandasArrow", "pandas", ("pandas", "fsspec")),
    "DataFusion": Entry("by_datafusion:DataFusion", "datafusion", ("datafusion",)),
    "Spark": Entry("by_spark:Spark", "pyspark", ("pyspark", "java")),
    "delta-rs": Entry("by_deltalake:DeltaLake", "deltalake", ("deltalake",), (SNAPSHOT,)),
    "pyiceberg, add_files": Entry("by_iceberg:IcebergFiles", "pyiceberg", ("pyiceberg", "sqlalchemy"), (SNAPSHOT,)),
    "pyiceberg, append": Entry("by_iceberg:IcebergRows", "pyiceberg", ("pyiceberg", "sqlalchemy"), (SNAPSHOT,)),
}


def lacks(needs: tuple[str, ...]) -> str:
    """What of this is not here, and how it comes here; empty where all is."""
    missing = [name for name in needs if name != "java" and find_spec(name) is None]
    if missing:
        return f"there is no {', '.join(missing)}: pip install -e '.[dev,interop]'"
    if "java" in needs and shutil.which("java") is None and "JAVA_HOME" not in os.environ:
        return "there is no Java for Spark: install a JRE of 17 or later, as by apt install openjdk-17-jre-headless"
    return ""
