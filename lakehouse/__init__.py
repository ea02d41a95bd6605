"""A Polars + Parquet Hive-partitioned lakehouse writer: staged, audited, published by one atomic rename.

Importing it imports no engine: Polars, DuckDB and PyArrow load when they are first used.
"""

from lakehouse.errors import (
    AssetUnknownError,
    AuditError,
    ComputeError,
    DefinitionError,
    LakeError,
    PartitionKeyError,
    RequestError,
    SourceError,
    StorageError,
)
from lakehouse.lake import Lake, MaterializeError
from lakehouse.partitions import Monthly, Partition, Window
from lakehouse.records import Input, Materialization, Version
from lakehouse.status import AssetStatus, PartitionStatus

__all__ = [
    "AssetStatus",
    "AssetUnknownError",
    "AuditError",
    "ComputeError",
    "DefinitionError",
    "Input",
    "Lake",
    "LakeError",
    "Materialization",
    "MaterializeError",
    "Monthly",
    "Partition",
    "PartitionKeyError",
    "PartitionStatus",
    "RequestError",
    "SourceError",
    "StorageError",
    "Version",
    "Window",
]
