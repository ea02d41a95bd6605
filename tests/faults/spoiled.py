"""The judge is judged: lakes that are wrong in one way each, of which it has to say so.

Knows how to spoil a lake, or what a command said, by hand.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from faults.oracle import Look, check
from faults.scenarios import SCENARIOS, Outcome, Place
from faults.warm import in_child

__all__ = ["SPOILED", "judged"]

_JANUARY: Final = "monthly_orders/partition_date=2018-01/part.parquet"
_FEBRUARY: Final = "monthly_orders/partition_date=2018-02/part.parquet"
_LOG: Final = ".lake/log/monthly_orders"
Spoil = Callable[[Place, Outcome], Outcome]


def _cut(place: Place, said: Outcome) -> Outcome:
    _write(place.lake / _JANUARY, (place.lake / _JANUARY).read_bytes()[:-9])
    return said


def _write(file: Path, data: bytes) -> None:
    file.unlink(missing_ok=True)
    file.write_bytes(data)


def _mixed(place: Place, said: Outcome) -> Outcome:
    """January holds what February does."""
    _write(place.lake / _JANUARY, (place.lake / _FEBRUARY).read_bytes())
    return said


def _another_writer(place: Place, said: Outcome) -> Outcome:
    """The right rows, in bytes that no commit names."""
    import polars as pl

    rows = pl.read_parquet(place.lake / _JANUARY, hive_partitioning=False)
    (place.lake / _JANUARY).unlink()
    rows.write_parquet(place.lake / _JANUARY, compression="snappy")
    return said


def _removed(place: Place, said: Outcome) -> Outcome:
    shutil.rmtree((place.lake / _JANUARY).parent)
    return said


def _touched(place: Place, said: Outcome) -> Outcome:
    os.utime(place.lake / _FEBRUARY)
    return said


def _litter(place: Place, said: Outcome) -> Outcome:
    (place.lake / "monthly_orders/part.parquet.tmp").touch()
    return said


def _version_gone(place: Place, said: Outcome) -> Outcome:
    newest = max((place.lake / ".lake/versions/monthly_orders/partition_date=2018-01").iterdir())
    newest.unlink()
    return said


def _hole(place: Place, said: Outcome) -> Outcome:
    """The commits are numbered in one row, and the second is of another log."""
    commit = json.loads((place.lake / _LOG / "00000002.json").read_bytes())
    _write(place.lake / _LOG / "00000002.json", json.dumps({**commit, "previous": "0" * 64}).encode())
    return said


def _orphan(place: Place, said: Outcome) -> Outcome:
    (place.lake / ".lake/versions/monthly_orders/partition_date=2018-01/20180101T000000-00000000-1").touch()
    return said


def _says(**what: Any) -> Spoil:
    return lambda _, said: replace(said, **what)


SPOILED: Final[Mapping[str, tuple[str, Spoil]]] = {
    "a file that was cut": ("whole", _cut),
    "rows of another partition": ("kept", _mixed),
    "bytes that no commit names": ("whole", _another_writer),
    "a partition that is gone": ("kept", _removed),
    "a partition that nobody asked for, touched": ("elsewhere", _touched),
    "a temporary file among the partitions": ("elsewhere", _litter),
    "a version that is gone": ("read", _version_gone),
    "a log that was put together": ("read", _hole),
    "a version that no commit names": ("converges", _orphan),
    "a traceback": ("told", _says(code=1, err="error[x]: /y\n  help: z\nTraceback (most recent call last):")),
    "a failure without a message": ("told", _says(code=4, err="")),
    "a failure without a remedy": ("told", _says(code=4, err="error[disk-full]: /y: no space left")),
    "a failure that names nothing": ("told", _says(code=4, err="error[disk-full]: no space left\n  help: z")),
    "an exit code of its own": ("told", _says(code=77)),
    "a command that hung": ("told", _says(code=None)),
    "a file left open": ("told", _says(open_files=("/y",))),
}


def judged(folder: str, before: Mapping[str, Any], name: str) -> list[str]:
    """What the judge says of a lake that was replaced in rightly, and then spoiled."""
    place = Path(folder) / name.replace(" ", "-")
    shutil.copytree(Path(folder) / "base", place)
    found = in_child(_judged, str(place), before, name).answer()
    shutil.rmtree(place)
    return list(found)


def _judged(folder: str, before: Mapping[str, Any], name: str) -> list[str]:
    place, scenario = Place(Path(folder)), SCENARIOS["replace"]
    said = SPOILED[name][1](place, place.run(*scenario.args))
    return check(place, scenario, Look.from_json(before), said)
