"""What each safety step costs: the lake with all of them, and without one."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from jobs import Job
from measuring import Case, Contender, measured
from setting import LAKE, Setting

__all__ = ["bytes_read", "steps"]

_WITHOUT: Final = {
    "hash": "the SHA-256 of each staged file",
    "fsync": "any fsync",
    "reopen": "opening staged files again",
    "source": "the SHA-256 of the source",
    "intake": "asking the source for nulls and strangers",
    "probe": "making partitions alone as well",
}


def steps(setting: Setting) -> Iterator[Case]:
    """The jobs of b and d, each step left out in turn; the difference is what it costs."""
    for name, title in (("months", "60 months in one pass"), ("split", "all rows into 60 partitions")):
        job = Job(name=name, source=setting.source("unsorted"), work=setting.work)
        full = job.by(LAKE, "with_lake.py")
        found = [_without(job, [step], f"without {what}") for step, what in _WITHOUT.items()]
        found.append(_without(job, [*_WITHOUT], "without any of these"))
        made = job.case(f"steps {name}", f"What each step costs: {title}", [full, *found], rounds=setting.times(5))
        yield replace(made, floor=LAKE, shows_difference=True)


def _without(job: Job, steps: list[str], name: str) -> Contender:
    return job.by(name, "ablated.py", before=[",".join(steps)])


def bytes_read(setting: Setting) -> Iterator[Case]:
    """How much of the orders one month needs; counted by strace, so only where that is."""
    if shutil.which("strace") is None:
        print("bytes: strace is not installed", file=sys.stderr)
        return
    for kind, title in (("unsorted", "unsorted Parquet"), ("by_date", "Parquet sorted by date")):
        job = Job(name="month", source=setting.source(kind), work=setting.work)
        contenders = [job.floor(), *job.peers({*setting.peers} & {"duckdb", "pyarrow"}), *job.lake()]
        made = job.case(f"bytes {kind}", f"Bytes of the source read for one month, {title}", contenders, rounds=1)
        yield replace(made, warms_up=False, measure=lambda one, source=job.source: _traced(one, source))


def _traced(contender: Contender, source: str) -> dict[str, float]:
    """Bytes that a process read of a file; not those that it saw by mapping the file (of Polars, the footer)."""
    trace = contender.target.with_name("trace")
    trace.mkdir()
    calls = "trace=read,pread64,readv,preadv,preadv2"
    watch = ["strace", "-ff", "-y", "-qq", "-e", calls, "-o", str(trace / "of")]
    try:
        measured([*watch, *contender.command], contender.folder)
        return {"read_bytes": sum(_read(path, source) for path in trace.iterdir())}
    finally:
        shutil.rmtree(trace)


def _read(trace: Path, source: str) -> int:
    """The sum of what one thread's calls on a file gave."""
    lines = (line for line in trace.read_text(errors="replace").splitlines() if f"<{source}>" in line)
    results: Any = (line.rpartition(" = ")[2].split(" ", 1)[0] for line in lines)
    return sum(int(result) for result in results if result.isdigit())
