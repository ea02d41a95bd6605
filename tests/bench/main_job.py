"""The main job against its floor: whole processes, interleaved, medians and ratios.

Run it with ``python tests/bench/main_job.py [RUNS]``. It asserts nothing: machines differ, and a ratio is read.
"""

from __future__ import annotations

import os
import platform
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

BARE = """
import polars as pl
schema = {"id": pl.Int64, "user_id": pl.Int64, "order_date": pl.Date, "status": pl.String}
orders = pl.scan_csv("data/raw_orders.csv", schema=schema)
month = pl.col("order_date").dt.strftime("%Y-%m")
made = orders.filter(month == "2018-02").group_by("status").agg(order_num=pl.len()).sort("status").collect()
import os
os.makedirs("bare/monthly_orders/partition_date=2018-02", exist_ok=True)
made.write_parquet("bare/monthly_orders/partition_date=2018-02/part.parquet")
print(made)
"""
LAKE = [sys.executable, "-c", "from lakehouse.cli import main; main()"]
MATERIALIZE = [*LAKE, "materialize", "2018-02", "-a", "monthly_orders"]
FLOOR, CLICK = "bare Polars script", "`python -c 'import click'`"


def measure(command: list[str], folder: Path, *, fresh: bool) -> tuple[float, float]:
    """Wall and CPU seconds of one process."""
    if fresh:
        shutil.rmtree(folder / "data/lake", ignore_errors=True)
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, env=environment())
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def environment() -> dict[str, str]:
    """The environment, but with compiled modules kept: without them imports take three times as long."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def main() -> None:
    """Measure each command in turn, run after run, and print the table."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 15
    cases = {
        FLOOR: ([sys.executable, "-c", BARE], True, FLOOR),
        "`lake materialize 2018-02 -a monthly_orders`, made": (MATERIALIZE, True, FLOOR),
        "the same, fresh": (MATERIALIZE, False, FLOOR),
        "`lake status`": ([*LAKE, "status"], False, FLOOR),
        CLICK: ([sys.executable, "-c", "import click"], False, CLICK),
        "`lake --help`": ([*LAKE, "--help"], False, CLICK),
    }
    figures: dict[str, list[tuple[float, float]]] = {name: [] for name in cases}
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        subprocess.run([*LAKE, "init", "."], cwd=folder, check=True, stdout=subprocess.DEVNULL, env=environment())
        for run in range(runs + 1):  # the first warms caches and is not counted
            for name, (command, fresh, _) in cases.items():
                figure = measure(command, folder, fresh=fresh)
                if run:
                    figures[name].append(figure)
    print(f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, {runs} runs, medians")
    print("\n| whole process | wall | CPU | ratio of CPU | to |\n|---|---|---|---|---|")
    for name, (_, _, floor) in cases.items():
        wall, cpu = (statistics.median(column) for column in zip(*figures[name], strict=True))
        ratio = statistics.median(mine[1] / base[1] for mine, base in zip(figures[name], figures[floor], strict=True))
        print(f"| {name} | {wall:.2f} s | {cpu:.2f} s | {ratio:.2f} | {floor} |")


if __name__ == "__main__":
    main()
