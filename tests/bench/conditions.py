"""Under which conditions something was measured: the machine, its load, the releases."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

__all__ = ["conditions"]

_PACKAGES: Final = ("polars", "duckdb", "pyarrow", "deltalake", "pyiceberg", "dagster")


def conditions(folder: Path) -> dict[str, Any]:
    """What a reader of the figures has to know; ``folder`` is where data lies."""
    return {
        "date": datetime.now(UTC).date().isoformat(),
        "machine": platform.machine(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "system": f"{platform.system()} {platform.release()}",
        "file_system": _file_system(folder),
        "load": os.getloadavg()[0],
        "python": platform.python_version(),
        "versions": {name: found for name in _PACKAGES if (found := _version(name))},
    }


def _processor() -> str:
    """What Linux calls it; nothing elsewhere."""
    path = Path("/proc/cpuinfo")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def _file_system(folder: Path) -> str:
    """The kind of the mount that a folder lies on."""
    path = Path("/proc/mounts")
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    mounts = {Path(line.split()[1]): line.split()[2] for line in lines}
    real = folder.resolve()
    return next((mounts[place] for place in (real, *real.parents) if place in mounts), "")


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None
