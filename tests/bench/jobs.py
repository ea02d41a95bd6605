"""One job over one source of orders, and the processes that do it: the floor, the peers, the lake."""

from __future__ import annotations

import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Final

from measuring import Case, Contender
from same_rows import told
from setting import FLOOR, HERE, LAKE

__all__ = ["PEERS", "Job"]

PEERS: Final = {
    "duckdb": "DuckDB COPY",
    "pyarrow": "PyArrow write_dataset",
    "deltalake": "deltalake overwrite",
    "pyiceberg": "pyiceberg overwrite",
}
"""Whom the lake is compared with, by the module that each needs."""
_TABLES: Final = ("deltalake", "pyiceberg")  # in these, a table is there before rows are written


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One job over one source.

    Attributes:
        name: as the contenders' scripts call it.
        source: what they read.
        work: a folder, in which each writes into one of its own.
    """

    name: str
    source: str
    work: Any

    def by(
        self, name: str, script: str, *more: str, job: str = "", before: Sequence[str] = (), **of: Any
    ) -> Contender:
        """A contender whose script is called with the job, the source, and a target of its own."""
        target = self.work / "".join(letter if letter.isalnum() else "-" for letter in name)
        called = [sys.executable, str(HERE / "contenders" / script), *before]
        return Contender(
            name=name, command=[*called, job or self.name, self.source, str(target), *more], target=target, **of
        )

    def floor(self, *more: str, name: str = FLOOR, job: str = "") -> Contender:
        """The bare script."""
        return self.by(name, "bare_polars.py", *more, job=job)

    def peers(self, peers: Collection[str]) -> Iterator[Contender]:
        """The peers, each as its documentation recommends."""
        for peer in (peer for peer in PEERS if peer in peers):
            script = f"with_{peer}.py"
            made = self.by(PEERS[peer], script)
            prepare = self.by(PEERS[peer], script, job=f"prepare_{self.name}").command
            yield replace(made, prepare=[prepare] if peer in _TABLES else [])

    def lake(self) -> list[Contender]:
        """The lake: made first, and once more by force, when its sources' digests and verdicts are known."""
        again = self.by(f"{LAKE}, made again (--force)", "with_lake.py", "--force", is_kept=True)
        return [self.by(LAKE, "with_lake.py"), replace(again, prepare=[again.command[:-1]])]

    def case(self, key: str, title: str, contenders: Sequence[Contender], *, rounds: int) -> Case:
        """The case, in which all are to have made the same rows."""

        @cache
        def expected() -> str:
            return told(self.name, self.source)

        return Case(
            key=key,
            title=title,
            contenders=contenders,
            floor=FLOOR,
            rounds=rounds,
            facts=lambda target: told(self.name, self.source, str(target)),
            expected=expected,
        )
