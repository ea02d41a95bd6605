"""How fast readers find rows: in what the lake publishes, and in the same rows as DuckDB writes them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from jobs import Job
from measuring import ProcessError, environment, measured
from same_rows import told
from setting import HERE, LAKE, Setting

__all__ = ["readers"]

_PLAIN: Final = "DuckDB COPY"
_LAYOUTS: Final = {
    _PLAIN: ("with_duckdb.py", "split", ""),
    "DuckDB COPY, ORDER BY order_id": ("with_duckdb.py", "split_by_order", ""),
    "DuckDB COPY, ORDER BY customer_id": ("with_duckdb.py", "split_by_customer", ""),
    f"{LAKE}, by all columns": ("with_lake.py", "split_sorted", "split_sorted"),
    f"{LAKE}, by customer_id": ("with_lake.py", "split_by_customer", "split_by_customer"),
}
"""Script, job, and where below the target the Hive folders are."""


def readers(setting: Setting, say: Callable[[str], None]) -> Iterator[dict[str, Any]]:
    """One table an engine and question: the rows laid out in each way, which are first held to be the same rows."""
    job = Job(name="split", source=setting.source("unsorted"), work=setting.work)
    expected = told(job.name, job.source)
    folders, same = {}, {}
    for name, (script, way, below) in _LAYOUTS.items():
        made = job.by(name, script, job=way)
        measured(made.command)
        folders[name] = made.target / below
        same[name] = told(job.name, job.source, str(folders[name])) == expected
        say(f"readers: {name} is written")
    for engine in ("DuckDB", "Polars"):
        for question, by_folder in _answers(engine, setting, [*folders.values()]).items():
            say(f"readers: {engine}: {question}")
            yield _case(f"{question}, in {engine}", folders, same, by_folder)


def _answers(engine: str, setting: Setting, folders: list[Path]) -> dict[str, Any]:
    repeats = str(setting.times(20))
    command = [sys.executable, str(HERE / "contenders" / "reader.py"), engine, repeats, str(setting.rows)]
    done = subprocess.run(
        [*command, *map(str, folders)], env=environment(), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ProcessError(done.stderr[-2000:])
    answers: dict[str, Any] = json.loads(done.stdout)
    return answers


def _case(title: str, folders: dict[str, Path], same: dict[str, bool], by_folder: dict[str, Any]) -> dict[str, Any]:
    """In the form of the other cases' figures."""
    contenders = []
    for name, folder in folders.items():
        groups, total = by_folder[str(folder)]["groups"]
        figures = [{"wall": one, "groups": groups, "all_groups": total} for one in by_folder[str(folder)]["seconds"]]
        found = {"name": name, "units": None, "floor": _PLAIN, "figures": figures}
        contenders.append(found | {"failed": None, "same_rows": same[name]})
    return {
        "key": f"readers {title}",
        "title": f"Reading: {title}",
        "floor": _PLAIN,
        "shows_difference": False,
        "contenders": contenders,
    }
