"""A lake that many processes write and read at once, of rows that tell which commit they are of.

Each generation has other rows: of generation ``g`` every key has ``20 + g``, numbered from ``g`` on. So a file that
was cut, two commits in one answer, and an answer of no commit at all can be told from each other.

Knows what a reader may see. Knows nothing of who is killed, or of when.
"""

from __future__ import annotations

import fcntl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from faults.scenarios import Place

__all__ = [
    "KEYS",
    "ROWS",
    "SQL",
    "Reading",
    "Row",
    "begin",
    "judged",
    "next_generation",
    "reading",
    "states",
    "total",
]

KEYS: Final = tuple(f"k{number}" for number in range(8))
ROWS: Final = 20
LAKEFILE: Final = """\
import polars as pl

from lakehouse import Categories, Lake

lake = Lake("lake", keep_versions={keep}, grace="{grace}")
FOLDER = {folder!r}
KEYS = {keys!r}
ROWS = {rows}


def generation() -> int:
    with open(FOLDER + "/generation") as file:
        return int(file.read())


def version() -> str:
    return str(generation())


@lake.source(version=version)
def numbers() -> pl.DataFrame:
    of = generation()
    each = pl.DataFrame({{"number": range(of, of + of + ROWS)}}).with_columns(generation=pl.lit(of, pl.Int64))
    return pl.DataFrame({{"key": KEYS}}).join(each, how="cross")


@lake.asset(partitions=Categories("key", KEYS))
def batches(numbers: pl.LazyFrame) -> pl.LazyFrame:
    return numbers


@lake.asset(partitions=Categories("key", KEYS))
def sums(batches: pl.LazyFrame) -> pl.LazyFrame:
    of = batches.group_by("key", "generation")
    return of.agg(rows=pl.len().cast(pl.Int64), total=pl.col("number").sum())
"""
SQL: Final = (
    "SELECT key, min(generation) AS first, max(generation) AS last, count(*) AS rows, "
    "count(DISTINCT number) AS numbers, sum(number) AS total FROM {table} GROUP BY ALL ORDER BY key"
)

State = Mapping[str, int]  # by key, the generation


def begin(folder: Path, *, keep: int = 1, grace: str = "30s") -> Place:
    """A place of which nothing is made yet."""
    folder.mkdir(parents=True)
    text = LAKEFILE.format(folder=str(folder), keys=list(KEYS), rows=ROWS, keep=keep, grace=grace)
    (folder / "lakefile.py").write_text(text, encoding="utf-8")
    (folder / "generation").write_text("0", encoding="utf-8")
    return Place(folder)


def next_generation(place: Place) -> int:
    """Change what the lake is made of; the number of the change."""
    with (place.folder / "generation.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        number = int((place.folder / "generation").read_text()) + 1
        spare = place.folder / "generation.new"
        spare.write_text(str(number))
        spare.replace(place.folder / "generation")
    return number


# What an answer tells


@dataclass(frozen=True, slots=True)
class Reading:
    """What one read came to.

    Attributes:
        state: by key, the generation of its rows.
        fault: why there is none: an error.
        torn: what is wrong with the rows, each key by itself.
    """

    state: State = field(default_factory=dict)
    fault: str = ""
    torn: str = ""


Row = tuple[str, int, int, int, int, int]  # key, first and last generation, rows, distinct numbers, their total


def reading(rows: Sequence[Row]) -> Reading:
    """What the rows of an answer tell."""
    wrong = [row for row in rows if not _is_whole(row)]
    return Reading(torn=f"{wrong[:3]}") if wrong else Reading({row[0]: row[1] for row in rows})


def _is_whole(row: Row) -> bool:
    _, first, last, rows, numbers, total_of = row
    expected = ROWS + first
    return first == last and rows == numbers == expected and total_of == total(first)


def total(generation: int) -> int:
    """The sum of the numbers of a key, at a generation."""
    return sum(range(generation, generation + generation + ROWS))


def states(place: Place, asset: str) -> list[State]:
    """What each commit of an asset left, in order, with nothing before the first: by the rows that it recorded."""
    from lakehouse.disk import Disk
    from lakehouse.log import Log

    log, state, found = Log(Disk(place.lake), asset), dict[str, int](), [{}]
    for commit in log.commits(0, log.end()):
        for record in commit.records:
            if record.version is not None:
                state[record.key] = record.version.row_count - ROWS
        found.append(dict(state))
    return found


def judged(readings: Sequence[Reading], allowed: Sequence[State]) -> tuple[list[str], list[str], list[str]]:
    """What is wrong with a reader's answers: errors, torn partitions, and answers that are no commit's."""
    errors = [item.fault for item in readings if item.fault]
    torn = [item.torn for item in readings if item.torn]
    mixed, at = [], 0
    for item in (item for item in readings if not item.fault and not item.torn):
        later = next((number for number in range(at, len(allowed)) if allowed[number] == item.state), None)
        if later is None:
            before = item.state in allowed[:at]
            mixed.append(
                f"{dict(item.state)} is {'older than what it had read before' if before else 'of no commit'}"
            )
        else:
            at = later
    return errors, torn, mixed
