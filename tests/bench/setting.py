"""What holds for all cases of a run: where data lies and how much there is, how often, and beside whom."""

from __future__ import annotations

import sys
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import generate
from measuring import measured

__all__ = ["FLOOR", "HERE", "LAKE", "Setting"]

HERE: Final = Path(__file__).parent
FLOOR: Final = "bare Polars"
LAKE: Final = "lake"


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What holds for all cases of a run.

    Attributes:
        data: where the orders are kept.
        work: where contenders write.
        rows: how many orders.
        many_rows: how many where memory is measured.
        partitions: the numbers of partitions of the lakes that are asked for their state.
        rounds: how often each contender is measured; None: as often as is usual for the case.
        warms_up: whether a first round is not counted.
        peers: who takes part.
        dagster: the Python that has Dagster; None: nobody has.
    """

    data: Path
    work: Path
    rows: int
    many_rows: int
    partitions: Sequence[int]
    rounds: int | None
    warms_up: bool
    peers: Collection[str]
    dagster: str | None

    def source(self, kind: generate.Kind) -> str:
        """The orders of one kind, as a path or a glob; made where they are not there."""
        rows = self.many_rows if kind == "pieces" else self.rows
        path = generate.location(self.data, rows, kind)
        if not path.exists():
            measured([sys.executable, str(HERE / "generate.py"), str(self.data), str(rows), kind])
        return str(path / "*.parquet") if kind == "pieces" else str(path)

    def times(self, usual: int) -> int:
        """How many rounds."""
        return usual if self.rounds is None else self.rounds
