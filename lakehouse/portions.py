"""The work of an attempt in portions, each worth a commit.

Knows when a portion is large or old enough. Refuses to know how partitions are made, or to publish them.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from msgspec import Struct, field

from lakehouse.publish import Staged
from lakehouse.records import Materialization

__all__ = ["Made", "Portion", "Refused"]

_COMMIT_KEYS: Final = 256
_COMMIT_TIME: Final = timedelta(seconds=2)


class Refused(Struct, frozen=True):
    """A staged partition that checks are against.

    Attributes:
        record: of the attempt.
        partition: which, as its Hive folders are called: ``partition_date=2018-02``.
        file: in the run's own folder.
    """

    record: Materialization
    partition: str
    file: Path


Made = Staged | Refused | Materialization
"""What came of one partition: staged, refused, or the record of an attempt that did not come so far."""


class Portion(Struct, eq=False):
    """What is worth a commit: staged partitions, and attempts that failed.

    Attributes:
        began: when it was begun.
        staged: what is to be published.
        failures: the records of the others.
        refused: by partition (``partition_date=2018-02``), the staged files that checks are against.
    """

    began: datetime
    staged: list[Staged] = field(default_factory=list)
    failures: list[Materialization] = field(default_factory=list)
    refused: dict[str, Path] = field(default_factory=dict)

    def add(self, made: Made) -> None:
        """Take what came of one partition."""
        if isinstance(made, Staged):
            self.staged.append(made)
            return
        if isinstance(made, Refused):
            self.refused[made.partition] = made.file
            made = made.record
        self.failures.append(made)

    def is_due(self, now: datetime) -> bool:
        """Whether it is large or old enough: a killed backfill keeps what was committed."""
        return len(self.staged) + len(self.failures) >= _COMMIT_KEYS or now - self.began >= _COMMIT_TIME
