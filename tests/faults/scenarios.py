"""What is done to a lake while it is made to fail: six commands, what was there before, and what each leaves.

Knows the orders and counts them by hand. Knows nothing of faults, nor of what is right after one.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

__all__ = [
    "SCENARIOS",
    "Outcome",
    "Place",
    "Rows",
    "Scenario",
    "command",
    "copied",
    "descriptors",
    "environment",
]

Rows = Mapping[str, int]  # orders by status

OLD = """\
id,order_date,region,status
1,2018-01-05,eu,completed
2,2018-01-20,us,completed
3,2018-01-21,eu,returned
4,2018-02-03,eu,placed
5,2018-03-09,us,completed
"""
# Of January and March there is less, of March nothing: no row of the old result may stay.
NEW = OLD.replace("returned", "completed").replace("2018-03-09", "2018-02-09")

LAKEFILE = """\
import polars as pl

from lakehouse import Categories, Lake, Monthly

lake = Lake({lake!r})
lake.source(
    "orders",
    "orders.csv",
    schema={{"id": pl.Int64, "order_date": pl.Date, "region": pl.String, "status": pl.String}},
    time="order_date",
)
months = Monthly("2018-01", end="2018-07")


@lake.asset(partitions=months)
def monthly_orders(orders: pl.LazyFrame) -> pl.LazyFrame:
    return orders.group_by("partition_date", "status").agg(order_num=pl.len().cast(pl.Int64))


@lake.asset(partitions=Categories("region", ["eu", "us"]) * months)
def regional_orders(orders: pl.LazyFrame) -> pl.LazyFrame:
    counted = orders.group_by("region", "partition_date", "status")
    return counted.agg(order_num=pl.len().cast(pl.Int64))
"""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a command came to.

    Attributes:
        code: its exit code; below 0 the signal that ended it; None: it hung, and was ended.
        out: what it printed.
        err: what it printed there.
        open_files: the descriptors below the place that it left open.
    """

    code: int | None
    out: str = ""
    err: str = ""
    open_files: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Outcome:
        return cls(**{**content, "open_files": tuple(content["open_files"])})


@dataclass(frozen=True, slots=True)
class Place:
    """A project's folder: `lakefile.py`, `orders.csv`, and the lake, which may lie elsewhere (on another mount)."""

    folder: Path
    elsewhere: Path | None = None

    @property
    def lake(self) -> Path:
        return self.elsewhere or self.folder / "lake"

    def begin(self) -> None:
        """The project, without a lake."""
        self.folder.mkdir(parents=True, exist_ok=True)
        root = "lake" if self.elsewhere is None else str(self.elsewhere)
        (self.folder / "lakefile.py").write_text(LAKEFILE.format(lake=root), encoding="utf-8")
        self.orders(OLD)

    def orders(self, text: str) -> None:
        """Replace the source in one step."""
        spare = self.folder / "orders.csv.new"
        spare.write_text(text, encoding="utf-8")
        spare.replace(self.folder / "orders.csv")

    def lakehouse(self) -> Any:
        """The lake that the lakefile declares."""
        from lakehouse.cli.project import load

        return load(str(self.folder))

    def run(self, *args: str) -> Outcome:
        """Run `lake ARGS` in this process, which is best a child: its own stdout and stderr are read."""
        from lakehouse import cli

        with _taken(1) as out, _taken(2) as err, _environment(self):
            before = descriptors(self.folder) | descriptors(self.lake)
            try:
                code = cli.run(["-C", str(self.folder), *args])
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
            left = (descriptors(self.folder) | descriptors(self.lake)) - before
            return Outcome(code=code, out=_read(out), err=_read(err), open_files=tuple(sorted(left)))

    def make(self, *args: str) -> None:
        """Run `lake materialize ARGS`, which has to succeed."""
        outcome = self.run("materialize", *args)
        assert outcome.code == 0, outcome


def environment(place: Place) -> dict[str, str]:
    """What a command's environment has beside the usual."""
    cache = place.folder / "user-cache"
    return {
        "XDG_CACHE_HOME": str(cache),
        "COLUMNS": "200",
        "NO_COLOR": "1",
        "TZ": "UTC",
        "LC_ALL": "C.UTF-8",
        "RUST_BACKTRACE": "0",
    }


def command(place: Place, args: Sequence[str]) -> list[str]:
    """`lake ARGS` as a process of its own."""
    start = "from lakehouse.cli import main; main()"
    return [sys.executable, "-c", start, "-C", str(place.folder), *args]


def descriptors(folder: Path) -> set[str]:
    """The files below a folder that this process holds open."""
    found = set()
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208
        try:
            target = os.readlink(f"/proc/self/fd/{name}")  # noqa: PTH115
        except FileNotFoundError:  # the listing's own
            continue
        if target.startswith(f"{folder}/"):
            found.add(target)
    return found


@contextmanager
def _taken(number: int) -> Iterator[Any]:
    """What is written to a descriptor goes to a file: engines write there past Python."""
    kept = os.dup(number)
    with tempfile.TemporaryFile() as file:
        os.dup2(file.fileno(), number)
        try:
            yield file
        finally:
            os.dup2(kept, number)
            os.close(kept)


def _read(file: Any) -> str:
    file.seek(0)
    return str(file.read().decode())


@contextmanager
def _environment(place: Place) -> Iterator[None]:
    kept = dict(os.environ)
    os.environ.update(environment(place))
    time.tzset()
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(kept)


def copied(base: Place, folder: Path) -> Place:
    """A place like another one, its files being links: nothing in a lake is ever changed in place."""
    shutil.copytree(base.folder, folder, copy_function=os.link, symlinks=True)
    return Place(folder)


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A command, what was there before it, and what each partition holds before (A) and after it (B).

    Attributes:
        name: as the page has it.
        about: what it is, in a few words.
        args: of `lake`.
        prepare: makes what is there before, in a place that has begun.
        old: A: by path of the partition below the lake; a partition that is not there is left out.
        new: B: the same, and which partitions the command makes; None: it is not to be there.
        idle: what else is in the tree; never to be touched.
        logged: what readers through the lake find before it, where that is not what lies in the tree.
        commits: whether it is a commit that makes it so.
        codes: exit codes of its own for what it found, and could not change.
        settled: the errors by which the same command says that all is as it was asked to be.
        further: what else may be wrong with the lake after it.
    """

    name: str
    about: str
    args: tuple[str, ...]
    prepare: Callable[[Place], None] = field(repr=False)
    old: Mapping[str, Rows]
    new: Mapping[str, Rows | None]
    idle: Mapping[str, Rows]
    logged: Mapping[str, Rows] | None = None
    commits: bool = True
    codes: tuple[int, ...] = ()
    settled: tuple[str, ...] = ()
    further: Callable[[Place, Outcome], Iterable[str]] = field(default=lambda *_: (), repr=False)

    @property
    def assets(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(path.partition("/")[0] for path in self.new))


def _month(number: int) -> str:
    return f"monthly_orders/partition_date=2018-0{number}"


def _region(region: str, number: int) -> str:
    return f"regional_orders/region={region}/partition_date=2018-0{number}"


def _nothing(_place: Place) -> None:
    pass


def _february(place: Place) -> None:
    place.make("2018-02", "-a", "monthly_orders")


def _two_months(place: Place) -> None:
    place.make("2018-01..2018-02", "-a", "monthly_orders")


def _two_months_changed(place: Place) -> None:
    _two_months(place)
    place.orders(NEW)


def _two_of_four_changed(place: Place) -> None:
    place.make("2018-01", "2018-03", "2018-06", "-a", "monthly_orders")
    place.orders(NEW)


def _two_regions(place: Place) -> None:
    place.make("region=eu/partition_date=2018-01..2018-02", "-a", "regional_orders")
    place.orders(NEW)


_JANUARY, _NEW_JANUARY, _FEBRUARY = {"completed": 2, "returned": 1}, {"completed": 3}, {"placed": 1}
_MONTHLY = ("-a", "monthly_orders")

SCENARIOS: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            name="new asset",
            about="the first partition of a lake that is not there yet",
            args=("materialize", "2018-01", *_MONTHLY),
            prepare=_nothing,
            old={},
            new={_month(1): _JANUARY},
            idle={},
        ),
        Scenario(
            name="create",
            about="a further partition",
            args=("materialize", "2018-01", *_MONTHLY),
            prepare=_february,
            old={},
            new={_month(1): _JANUARY},
            idle={_month(2): _FEBRUARY},
        ),
        Scenario(
            name="replace",
            about="a partition that holds more than it will",
            args=("materialize", "2018-01", *_MONTHLY),
            prepare=_two_months_changed,
            old={_month(1): _JANUARY},
            new={_month(1): _NEW_JANUARY},
            idle={_month(2): _FEBRUARY},
        ),
        Scenario(
            name="unchanged",
            about="a partition made again of the same orders",
            args=("materialize", "2018-01", "--force", *_MONTHLY),
            prepare=_two_months,
            old={_month(1): _JANUARY},
            new={_month(1): _JANUARY},
            idle={_month(2): _FEBRUARY},
        ),
        Scenario(
            name="two dimensions",
            about="one region's partition replaced, another's created",
            args=("materialize", "region=eu,us/partition_date=2018-01", "-a", "regional_orders"),
            prepare=_two_regions,
            old={_region("eu", 1): {"completed": 1, "returned": 1}},
            new={_region("eu", 1): {"completed": 2}, _region("us", 1): {"completed": 1}},
            idle={_region("eu", 2): {"placed": 1}},
        ),
        Scenario(
            name="backfill",
            about="four months: one smaller, one new, one emptied, one empty from the start",
            args=("materialize", "2018-01..2018-04", *_MONTHLY),
            prepare=_two_of_four_changed,
            old={_month(1): _JANUARY, _month(3): {"completed": 1}},
            new={_month(1): _NEW_JANUARY, _month(2): {"completed": 1, "placed": 1}, _month(3): {}, _month(4): {}},
            idle={_month(6): {}},
        ),
    )
}
