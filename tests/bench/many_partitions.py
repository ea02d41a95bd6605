"""How `lake status` and a run with nothing to do grow with the number of partitions, in CPU seconds a command.

    python tests/bench/many_partitions.py 1000 10000 100000

Each lake has days from 1700 on: one asset over a Parquet file, and with ``--assets 3`` two more, each over the last.
Whole processes, byte code allowed, medians of five runs; the lakes are made first, which takes a while.
"""

from __future__ import annotations

import argparse
import itertools
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
LAKEFILE = """import polars as pl
from datetime import date, timedelta
from lakehouse import Daily, Lake

lake = Lake("lake")
days = Daily("1700-01-01", end=date(1700, 1, 1) + timedelta({number}))
lake.source("raw", "raw.parquet", time="day")


@lake.asset(partitions=days)
def one(raw: pl.LazyFrame) -> pl.LazyFrame:
    return raw.select("partition_date", "value")
"""
MORE = """

@lake.asset(partitions=days)
def {name}({upstream}: pl.LazyFrame) -> pl.LazyFrame:
    return {upstream}.with_columns(pl.col("value") + 1)
"""


def cpu(command: list[str], folder: Path) -> float:
    """CPU seconds of a command, its own and its children's."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    code = "from lakehouse.cli import main; main()"
    subprocess.run(
        [sys.executable, "-c", code, *command],
        cwd=folder,
        env=environment | {"PYTHONPATH": str(ROOT)},
        check=True,
        stdout=subprocess.DEVNULL,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def prepared(folder: Path, number: int, assets: int) -> None:
    """A project with everything made."""
    from datetime import date, timedelta

    import polars as pl

    days = [date(1700, 1, 1) + timedelta(day) for day in range(number)]
    pl.DataFrame({"day": days, "value": range(number)}).write_parquet(folder / "raw.parquet")
    names = ["one", "two", "three"][:assets]
    text = LAKEFILE.format(number=number)
    for upstream, name in itertools.pairwise(names):
        text += MORE.format(name=name, upstream=upstream)
    (folder / "lakefile.py").write_text(text, encoding="utf-8")
    began = time.monotonic()
    cpu(["materialize", "--all", "-q"], folder)
    print(f"{number} partitions × {assets}: made in {time.monotonic() - began:.0f} s", file=sys.stderr)


def main() -> None:
    """Make the lakes, take the times, print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("numbers", type=int, nargs="+")
    parser.add_argument("--assets", type=int, default=1)
    asked = parser.parse_args()
    print("| partitions | `lake status --check -q` | `lake materialize --all -q`, nothing to do |\n|---|---|---|")
    for number in asked.numbers:
        with tempfile.TemporaryDirectory() as folder:
            prepared(Path(folder), number, asked.assets)
            commands = (["status", "--check", "-q"], ["materialize", "--all", "-q"])
            times = [statistics.median(cpu(command, Path(folder)) for _ in range(5)) for command in commands]
        print(f"| {number:,} × {asked.assets} | " + " | ".join(f"{seconds:.2f} CPU-s" for seconds in times) + " |")


if __name__ == "__main__":
    main()
