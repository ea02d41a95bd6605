"""All cells of all layers, and the page of what they came to: ``python tests/faults/sweep.py``.

The page is written where nothing was violated. As root, on Linux, with what `.ci/run` installs: a quarter of an hour.
"""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

TESTS = Path(__file__).parents[1]
ROOT = TESTS.parent
PAGE = ROOT / "docs/how-it-is-tested.md"


def _git(*args: str) -> str:
    return subprocess.run(["git", *args], cwd=ROOT, check=True, capture_output=True, text=True).stdout.strip()


def _run(seconds: float) -> dict[str, str]:
    """What ran, where and when."""
    changed = _git("status", "--porcelain", "--", "lakehouse")
    release = re.match(r"[\d.]+", platform.release())
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "commit": _git("rev-parse", "--short=12", "HEAD") + (", with changes" if changed else ""),
        "kernel": f"{platform.system()} {release[0] if release else platform.release()}, {platform.machine()}",
        "Python, Polars": f"{platform.python_version()}, {version('polars')}",
        "DuckDB, PyArrow": f"{version('duckdb')}, {version('pyarrow')}",
        "took": f"{seconds / 60:.0f} minutes on {len(os.sched_getaffinity(0))} cores",
    }


def main() -> int:
    """Run them, write the page, look whether it is one, and give the exit code of the first that failed."""
    sys.path.insert(0, str(TESTS))
    from faults import report, results

    began = time.monotonic()
    faults = str(TESTS / "faults")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cells.jsonl"
        code = _pytest(
            [faults, "-m", "", "--ignore-glob=*/test_page.py", *sys.argv[1:]], **{results.VARIABLE: str(file)}
        )
        cells, facts = results.cells(file)
    facts["run"] = _run(time.monotonic() - began)
    print(report.headline(cells))  # noqa: T201  what the command is for
    if report.figures(cells)["violated"]:
        return code or 1
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(report.page(cells, facts), encoding="utf-8")
    return code or _pytest([f"{faults}/test_page.py"])


def _pytest(args: Sequence[str], **environment: str) -> int:
    command = [sys.executable, "-m", "pytest", "-q", *args]
    return subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
