"""What else is done to a lake while it is made to fail: what takes care of partitions, and computes none.

Knows commands and what each leaves, as `scenarios` does.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from typing import Final

from faults.scenarios import NEW, Outcome, Place, Rows, Scenario

__all__ = ["CARE"]

_FIRST: Final = "monthly_orders/partition_date=2018-01"
_SECOND: Final = "monthly_orders/partition_date=2018-02"
_MONTHLY: Final = ("-a", "monthly_orders")
_JANUARY, _NEW_JANUARY, _FEBRUARY = {"completed": 2, "returned": 1}, {"completed": 3}, {"placed": 1}


def _two_months(place: Place) -> None:
    place.make("2018-01..2018-02", *_MONTHLY)


def _two_versions(place: Place) -> None:
    _two_months(place)
    place.orders(NEW)
    place.make("2018-01", *_MONTHLY)


def _nothing_kept(place: Place) -> None:
    file = place.folder / "lakefile.py"
    file.write_text(file.read_text().replace("Lake('lake')", "Lake('lake', keep_versions=0, grace='0s')"))
    _two_months(place)
    place.orders(NEW)


def _foreign(place: Place) -> None:
    place.make("2018-02", *_MONTHLY)
    _put(place, {"mine": 7})


def _replaced_by_hand(place: Place) -> None:
    _two_months(place)
    (place.lake / _FIRST / "part.parquet").unlink()
    _put(place, {"mine": 7})


def _removed(place: Place) -> None:
    _two_months(place)
    shutil.rmtree(place.lake / _FIRST)


def _put(place: Place, rows: Rows) -> None:
    """January as somebody else writes it."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    (place.lake / _FIRST).mkdir(exist_ok=True)
    pq.write_table(pa.table({"status": [*rows], "order_num": [*rows.values()]}), place.lake / _FIRST / "part.parquet")


def _torn_snapshot(place: Place, outcome: Outcome) -> Iterator[str]:
    """A snapshot is there as a whole, or not at all."""
    folder = place.lake / ".lake/snapshots/kept"
    if not folder.exists():
        if outcome.code == 0:
            yield "kept: exit code 0, and there is no snapshot"
        return
    for path in (_FIRST, _SECOND):
        file, version = folder / path / "part.parquet", place.lake / path / "part.parquet"
        if not file.exists() or file.read_bytes() != version.read_bytes():
            yield f"whole: the snapshot's {path} is not that of the lake"
    if not (folder / "snapshot.json").exists():
        yield "whole: the snapshot does not say what it is of"


_TWO: Final = {_FIRST: _JANUARY, _SECOND: _FEBRUARY}

CARE: Mapping[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            name="let go",
            about="a partition replaced whose old version is let go at once",
            args=("materialize", "2018-01", *_MONTHLY),
            prepare=_nothing_kept,
            old={_FIRST: _JANUARY},
            new={_FIRST: _NEW_JANUARY},
            idle={_SECOND: _FEBRUARY},
        ),
        Scenario(
            name="rollback",
            about="an earlier version published again",
            args=("rollback", "monthly_orders", "2018-01", "--to", "1"),
            prepare=_two_versions,
            old={_FIRST: _NEW_JANUARY},
            new={_FIRST: _JANUARY},
            idle={_SECOND: _FEBRUARY},
            settled=("version-current",),
        ),
        Scenario(
            name="wipe",
            about="a partition deleted, with its versions",
            args=("wipe", "monthly_orders", "2018-01", "--yes"),
            prepare=_two_versions,
            old={_FIRST: _NEW_JANUARY},
            new={_FIRST: None},
            idle={_SECOND: _FEBRUARY},
            settled=("partition-missing",),
        ),
        Scenario(
            name="forced",
            about="a file that somebody else put there replaced, and kept as a version",
            args=("materialize", "2018-01", "--force", *_MONTHLY),
            prepare=_replaced_by_hand,
            old={_FIRST: {"mine": 7}},
            new={_FIRST: _JANUARY},
            idle={_SECOND: _FEBRUARY},
            logged={_FIRST: _JANUARY},
        ),
        Scenario(
            name="adopt",
            about="a file that somebody else put there recorded",
            args=("adopt", "monthly_orders", "2018-01"),
            prepare=_foreign,
            old={_FIRST: {"mine": 7}},
            new={_FIRST: {"mine": 7}},
            idle={_SECOND: _FEBRUARY},
            logged={},
        ),
        Scenario(
            name="repair",
            about="a file that was removed linked again",
            args=("verify", "--repair"),
            prepare=_removed,
            old={},
            new={_FIRST: _JANUARY},
            idle={_SECOND: _FEBRUARY},
            logged={_FIRST: _JANUARY},
            commits=False,
            codes=(3,),
        ),
        Scenario(
            name="snapshot",
            about="the lake kept as it is under a name",
            args=("snapshot", "kept"),
            prepare=_two_months,
            old=_TWO,
            new=_TWO,
            idle={},
            commits=False,
            settled=("snapshot-taken",),
            further=_torn_snapshot,
        ),
    )
}
