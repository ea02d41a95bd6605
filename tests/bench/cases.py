"""Jobs over the orders, a to e, and where the other parts are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace
from importlib.util import find_spec
from typing import Any, Final

from example import example
from jobs import PEERS, Job
from measuring import Case, Contender, interleaved
from readers import readers
from scaling import scaling
from setting import FLOOR, LAKE, Setting
from steps import bytes_read, steps

__all__ = ["CASES", "installed"]

_KINDS: Final = (("unsorted", "unsorted Parquet"), ("by_date", "Parquet sorted by date"))
_SORTED: Final = f"{FLOOR}, each file sorted"


def month(setting: Setting) -> Iterator[Case]:
    """a: one month of the orders."""
    for kind, title in _KINDS:
        job = Job(name="month", source=setting.source(kind), work=setting.work)
        contenders = [job.floor(), *job.peers(setting.peers), *job.lake()]
        yield job.case(f"a {kind}", f"a. One month, {title}", contenders, rounds=setting.times(9))


def months(setting: Setting) -> Iterator[Case]:
    """b: all months in one pass."""
    for kind, title in _KINDS:
        job = Job(name="months", source=setting.source(kind), work=setting.work)
        contenders = _of_months(job, setting.peers)
        yield job.case(f"b {kind}", f"b. 60 months in one pass, {title}", contenders, rounds=setting.times(9))


def months_of_csv(setting: Setting) -> Iterator[Case]:
    """c: all months in one pass over the CSV."""
    job = Job(name="months", source=setting.source("csv"), work=setting.work)
    contenders = _of_months(job, setting.peers)
    yield job.case("c", "c. 60 months in one pass, CSV", contenders, rounds=setting.times(5))


def _of_months(job: Job, peers: Collection[str]) -> list[Contender]:
    return [
        job.floor(),
        job.floor("--fsync", name=f"{FLOOR}, then fsync"),
        job.floor(name=f"{FLOOR}, dt.truncate", job="truncated"),
        *job.peers(peers),
        *job.lake(),
    ]


def split(setting: Setting) -> Iterator[Case]:
    """d: all rows, split by month."""
    for kind, title in _KINDS:
        job = Job(name="split", source=setting.source(kind), work=setting.work)
        contenders = [
            job.floor(),
            job.floor("--fsync", name=f"{FLOOR}, then fsync"),
            job.floor(name=f"{FLOOR}, in memory", job="split_in_memory"),
            *job.peers(setting.peers if kind == "unsorted" else {*setting.peers} & {"duckdb"}),
            *_by_lake(job),
            *_sorted(job, setting.peers),
        ]
        yield job.case(f"d {kind}", f"d. All rows into 60 partitions, {title}", contenders, rounds=setting.times(3))


def split_many(setting: Setting) -> Iterator[Case]:
    """e: the same with more rows than one likes to hold; without those that hold them all."""
    job = Job(name="split", source=setting.source("pieces"), work=setting.work)
    contenders = [
        job.floor(),
        *job.peers({*setting.peers} & {"duckdb", "pyarrow"}),
        *_by_lake(job),
        *_sorted(job, setting.peers),
    ]
    title = f"e. {setting.many_rows:,} rows into 60 partitions, unsorted Parquet"
    yield replace(job.case("e", title, contenders, rounds=setting.times(1)), warms_up=False)


def _by_lake(job: Job) -> Iterator[Contender]:
    import lakehouse

    yield job.by(LAKE, "with_lake.py")
    if "write_partitions" in lakehouse.__all__:
        yield job.by(f"{LAKE}, write_partitions", "with_lake.py", job="written")


def _sorted(job: Job, peers: Collection[str]) -> Iterator[Contender]:
    """Those that sort as well, which are compared with each other."""
    yield job.floor(name=_SORTED, job="split_sorted")
    if "duckdb" in peers:
        yield job.by("DuckDB COPY, ORDER BY", "with_duckdb.py", job="split_sorted", floor=_SORTED)
    yield job.by(f"{LAKE}, sorted", "with_lake.py", job="split_sorted", floor=_SORTED)


Say = Callable[[str], None]
Figures = Iterator[dict[str, Any]]


def _measured(cases: Callable[[Setting], Iterator[Case]]) -> Callable[[Setting, Say], Figures]:
    """The figures of cases, each prepared when its turn comes."""

    def figures(setting: Setting, say: Say) -> Figures:
        for case in cases(setting):
            yield interleaved(replace(case, warms_up=case.warms_up and setting.warms_up), say)

    return figures


CASES: Final[dict[str, Callable[[Setting, Say], Figures]]] = {
    "a": _measured(month),
    "b": _measured(months),
    "c": _measured(months_of_csv),
    "d": _measured(split),
    "e": _measured(split_many),
    "f": _measured(scaling),
    "g": _measured(example),
    "readers": readers,
    "bytes": _measured(bytes_read),
    "steps": _measured(steps),
}


def installed() -> list[str]:
    """The peers whose modules are there."""
    return [peer for peer in PEERS if find_spec(peer) is not None]
