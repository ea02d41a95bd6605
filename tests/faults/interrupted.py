"""A run that hears Ctrl-C or SIGTERM at one of its moments: before a call that changes a file, or a user's function.

Knows when signals are sent, and what a run may be afterwards. Knows nothing of how they are taken.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from faults.oracle import look, told
from faults.scenarios import OLD, Outcome, Place, command, copied, environment
from faults.warm import in_child

__all__ = ["ARGS", "cell", "during_a_query", "moments", "prepare"]

ARGS: Final = ("materialize", "2018-01..2018-04", "--json")
KEYS: Final = ("2018-01", "2018-02", "2018-03", "2018-04")
ROWS: Final[Mapping[str, Mapping[str, int]]] = {
    "2018-01": {"completed": 2, "returned": 1},
    "2018-02": {"placed": 1},
    "2018-03": {"completed": 1},
    "2018-04": {},
}
LAKEFILE: Final = """\
import polars as pl

from lakehouse import Lake, Monthly

lake = Lake("lake")
lake.source(
    "orders",
    "orders.csv",
    schema={"id": pl.Int64, "order_date": pl.Date, "region": pl.String, "status": pl.String},
    time="order_date",
)
months = Monthly("2018-01", end="2018-07")


@lake.asset(partitions=months)
def first(orders: pl.LazyFrame, partition) -> pl.LazyFrame:
    return orders.group_by("status").agg(order_num=pl.len().cast(pl.Int64))


@lake.asset(partitions=months)
def second(first: pl.LazyFrame) -> pl.LazyFrame:
    return first.select("partition_date", "status", "order_num")
"""
ENDLESS: Final = """\
import polars as pl

from lakehouse import Categories, Lake

lake = Lake("lake")
lake._in_memory_bytes = 0  # so that its result goes into files while it is computed
lake.source("numbers", "numbers.csv", schema={"number": pl.Int64})


@lake.asset(partitions=Categories("parity", ["even", "odd"]), sort_by=None)
def pairs(numbers: pl.LazyFrame) -> pl.LazyFrame:
    pairs = numbers.join(numbers, how="cross").join(numbers, how="cross", suffix="_third")
    return pairs.with_columns(parity=pl.when(pl.col("number") % 2 == 0).then(pl.lit("even")).otherwise(pl.lit("odd")))
"""
PATIENCE: Final = 60  # seconds


def prepare(folder: str) -> None:
    """A place where nothing is made yet."""
    place = Place(Path(folder))
    place.begin()
    (place.folder / "lakefile.py").write_text(LAKEFILE, encoding="utf-8")


# At a moment


def moments(base: str, folder: str) -> list[str]:
    """The moments of a run that nobody interrupts, by name."""

    def act() -> list[str]:
        seen: list[str] = []
        _at_each(seen.append)
        assert copied(Place(Path(base)), Path(folder)).run(*ARGS).code == 0
        return seen

    return list(in_child(act).answer())


def cell(base: str, folder: str, sent: Mapping[str, Sequence[int]]) -> list[str]:
    """What is wrong after a run to which signals were sent: by number of the moment, which.

    The first asks it to end with what it is publishing, the second to end at once.
    """
    place = copied(Place(Path(base)), Path(folder))
    place.orders(OLD)  # its own: of a file that others link, the times change

    def act() -> dict[str, Any]:
        count, called = iter(range(1, 10**6)), dict[str, list[str]](before=[], after=[])

        def interrupt(name: str) -> None:
            if name.startswith("function"):
                called["after" if heard else "before"].append(name)
            for number in sent.get(str(next(count)), ()):
                heard.append(number)
                os.kill(os.getpid(), number)

        heard: list[int] = []
        _at_each(interrupt)
        sys.argv = ["lake", *ARGS]
        return {"outcome": place.run(*ARGS).to_json(), **called}

    came = in_child(act).answer()
    outcome = Outcome.from_json(came["outcome"])
    numbers = [number for at in sent.values() for number in at]
    wrong = list(in_child(_judge, place, outcome, numbers).answer())
    # The computation goes on to its end, which for the second asset takes several calls; no other begins.
    if came["after"] and {*came["before"][-1:], *came["after"]} != {"function second"}:
        wrong.append(f"after the signal came {came['after']}")
    return wrong


def _at_each(act: Callable[[str], None]) -> None:
    """Have something done before each call that changes a file, and each call of a user's function."""
    import lakehouse.work
    from lakehouse.disk import Disk

    call_disk, call_function = Disk._call, lakehouse.work.call

    def on_disk(disk: Disk, name: str, path: Path) -> None:
        act(name)
        call_disk(disk, name, path)

    def on_function(*args: Any, **options: Any) -> Any:
        act(f"function {options['name']}")
        return call_function(*args, **options)

    Disk._call = on_disk  # type: ignore[method-assign]
    lakehouse.work.call = on_function
    os.fsync = lambda _: None  # nobody pulls the plug here


def _judge(place: Place, outcome: Outcome, sent: Sequence[int]) -> list[str]:
    lake = place.lakehouse()
    wrong = [*told(outcome), *_left_behind(lake)]
    code = {signal.SIGINT: 130, signal.SIGTERM: 143}[signal.Signals(sent[-1])]
    if outcome.code != code:
        return [*wrong, f"it ended with {outcome.code}: {outcome.err}"]
    made, said = _published(lake), json.loads(outcome.out)
    if not said["error"] or said["error"]["code"] != {130: "interrupted", 143: "terminated"}[code]:
        wrong.append(f"it said {said}")
    elif len(sent) == 1:
        left = [(asset, key) for asset, keys in said["error"]["context"]["left"].items() for key in keys]
        if said["error"]["context"]["made"] != len(made) or sorted(made + left) != sorted(_all()):
            wrong.append(f"it made {made}, and said {said['error']}")
        if [(result["asset"], result["key"]) for result in said["results"]] != made:
            wrong.append(f"it made {made}, and reported {said['results']}")
        helped = f"the same command goes on from there: lake {' '.join(ARGS)}" if left else None
        if said["error"]["help"] != helped:
            wrong.append(f"it helped with {said['error']['help']}")
    return wrong + _resumed(place, lake, made)


def _all() -> list[tuple[str, str]]:
    return [(asset, key) for asset in ("first", "second") for key in KEYS]


def _published(lake: Any) -> list[tuple[str, str]]:
    """What the log has, in the order of making; it has to be whole."""
    survey, found = lake.survey(), []
    for asset, key in _all():
        if survey.fold(asset).key(key).version is not None:
            found.append((asset, key))
    return found


def _left_behind(lake: Any) -> list[str]:
    """Unseen work, and versions that nobody names."""
    wrong = [f"{path.relative_to(lake.root)} is left" for path in sorted((lake.root / ".lake/staging").rglob("*"))]
    survey, named = lake.survey(), set[str]()
    for asset in ("first", "second"):
        for state in survey.fold(asset).keys.values():
            named.update(old.version.path for old in state.superseded)
            named.update([state.version.path] if state.version else [])
    there = [path for path in (lake.root / ".lake/versions").rglob("*") if path.is_file()]
    return wrong + [
        f"{path} is named by no commit" for path in there if str(path.relative_to(lake.root)) not in named
    ]


def _resumed(place: Place, lake: Any, made: Sequence[tuple[str, str]]) -> list[str]:
    """The same command makes what is left, and only that."""
    before = look(place).hive
    again = place.run(*ARGS)
    if again.code != 0:
        return [f"the same command ends with {again.code}: {again.err}"]
    results = {(result["asset"], result["key"]): result["result"] for result in json.loads(again.out)["results"]}
    expected = {node: "fresh" if node in made else "created" for node in _all()}
    wrong = [] if results == expected else [f"the same command gave {results}, not {expected}"]
    now = look(place).hive
    wrong += [f"{path} has changed" for path in before if before[path] != now.get(path)]
    for asset, key in _all():
        rows = dict(lake.scan(asset, key).select("status", "order_num").collect().iter_rows())
        if rows != ROWS[key]:
            wrong.append(f"{asset} {key} has {rows}")
    files = {f"{asset}/partition_date={key}/part.parquet" for asset, key in _all()}
    return wrong + ([] if {*now} == files else [f"the tree holds {sorted(now)}"]) + _left_behind(lake)


# While an engine computes


def during_a_query(folder: Path, numbers: Sequence[int]) -> tuple[Outcome, list[str]]:
    """How a run ends that gets signals while an endless query writes files, and what is left in the lake."""
    folder.mkdir()
    (folder / "lakefile.py").write_text(ENDLESS, encoding="utf-8")
    (folder / "numbers.csv").write_text("number\n" + "".join(f"{number}\n" for number in range(20_000)))
    place = Place(folder)
    process = subprocess.Popen(
        command(place, ["materialize", "all"]),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment(place)},
    )
    assert process.stderr is not None
    try:
        _wait(lambda: any(path.stat().st_size for path in _files(place.lake / ".lake/staging")))
        said = ""
        for at, number in enumerate(numbers, 1):
            process.send_signal(number)
            while at < len(numbers) and "finishing" not in said:  # two at once may be one
                said += process.stderr.readline()
        out, err = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
        process.communicate()
    left = [str(path.relative_to(place.lake)) for path in sorted((place.lake / ".lake/staging").rglob("*"))]
    return Outcome(code=process.returncode, out=out, err=said + err), left


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def _wait(until: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not until():
        assert time.monotonic() < deadline
        time.sleep(0.01)
