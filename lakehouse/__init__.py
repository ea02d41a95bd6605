"""A Polars + Parquet Hive-partitioned lakehouse writer: staged, audited, published by one atomic rename.

Importing it imports nothing else: each name loads its module when it is first used, and Polars, DuckDB and PyArrow
load when they are needed. So `lake --help` costs no more than the command line itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lakehouse.checks.declared import Check, CheckResult
    from lakehouse.checks.readymade import accepted_values, between, matches, not_null, row_count, unique
    from lakehouse.errors import (
        AssetUnknownError,
        AuditError,
        ComputeError,
        DefinitionError,
        LakeError,
        MaterializeError,
        PartitionKeyError,
        RequestError,
        SourceError,
        StorageError,
    )
    from lakehouse.lake import Lake
    from lakehouse.overwrite import write_partitions
    from lakehouse.partitions import (
        Categories,
        Daily,
        Dynamic,
        Hourly,
        Monthly,
        Partition,
        Quarterly,
        Weekly,
        Window,
        Yearly,
    )
    from lakehouse.past.history import KeyEvent
    from lakehouse.past.runs import LakeRun
    from lakehouse.past.snapshots import Snapshot
    from lakehouse.past.versiondiff import Difference
    from lakehouse.records import Input, Materialization, Version
    from lakehouse.rules import All, Keys, Latest, Periods
    from lakehouse.status import AssetStatus, PartitionStatus

__all__ = [
    "All",
    "AssetStatus",
    "AssetUnknownError",
    "AuditError",
    "Categories",
    "Check",
    "CheckResult",
    "ComputeError",
    "Daily",
    "DefinitionError",
    "Difference",
    "Dynamic",
    "Hourly",
    "Input",
    "KeyEvent",
    "Keys",
    "Lake",
    "LakeError",
    "LakeRun",
    "Latest",
    "Materialization",
    "MaterializeError",
    "Monthly",
    "Partition",
    "PartitionKeyError",
    "PartitionStatus",
    "Periods",
    "Quarterly",
    "RequestError",
    "Snapshot",
    "SourceError",
    "StorageError",
    "Version",
    "Weekly",
    "Window",
    "Yearly",
    "accepted_values",
    "between",
    "matches",
    "not_null",
    "row_count",
    "unique",
    "write_partitions",
]

_HOMES = {
    "lakehouse.checks.declared": ("Check", "CheckResult"),
    "lakehouse.checks.readymade": ("accepted_values", "between", "matches", "not_null", "row_count", "unique"),
    "lakehouse.past.history": ("KeyEvent",),
    "lakehouse.lake": ("Lake",),
    "lakehouse.overwrite": ("write_partitions",),
    "lakehouse.rules": ("All", "Keys", "Latest", "Periods"),
    "lakehouse.partitions": (
        *("Categories", "Dynamic", "Hourly", "Daily", "Weekly", "Monthly", "Quarterly", "Yearly"),
        *("Partition", "Window"),
    ),
    "lakehouse.records": ("Input", "Materialization", "Version"),
    "lakehouse.past.runs": ("LakeRun",),
    "lakehouse.past.snapshots": ("Snapshot",),
    "lakehouse.status": ("AssetStatus", "PartitionStatus"),
    "lakehouse.past.versiondiff": ("Difference",),
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module 'lakehouse' has no attribute {name!r}")
    from importlib import import_module

    home = next((module for module, names in _HOMES.items() if name in names), "lakehouse.errors")
    value: object = getattr(import_module(home), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
