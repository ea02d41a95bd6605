"""The checks of sources: carried out once a run on what is read, before anything is made of it.

Knows which rows of a source are judged together. Refuses to know who reads them.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct, field

from lakehouse.errors import LakeError, SourceError

if TYPE_CHECKING:
    from lakehouse.checks.judging import Verdict
    from lakehouse.sources.now import SourceNow

__all__ = ["Judged", "SourceCheckError", "SourceChecks"]


class SourceCheckError(SourceError):
    """A check of a source says that nothing is to be made of it.

    Attributes:
        judged: what its checks said.
    """

    default_code = "source-check-failed"

    def __init__(self, message: str, *, judged: Judged, details: Sequence[str], context: Mapping[str, Any]) -> None:
        super().__init__(message, details=details, context=context)
        self.judged = judged


class Judged(Struct, frozen=True):
    """What the checks of a source said of the rows that they saw together.

    Attributes:
        name: the source's.
        key: of Hive folders, the key whose rows they are; empty where it is all of the source.
        verdicts: one a check.
    """

    name: str
    key: str
    verdicts: tuple[Verdict, ...]

    @property
    def of(self) -> str:
        """What was judged, in words."""
        return f"{self.name} {self.key}" if self.key else self.name

    def error(self) -> SourceCheckError | None:
        """Why nothing can be made of it; None where no check blocks that."""
        from lakehouse.checks.judging import refusal

        found = refusal(self.of, self.verdicts, then="nothing is made of it")
        if found is None:
            return None
        context = {**found.context, "source": self.name, **({"key": self.key} if self.key else {})}
        return SourceCheckError(found.message, judged=self, details=found.details, context=context)

    def to_json(self) -> list[dict[str, Any]]:
        """The verdicts, each with what it is of."""
        key = {"key": self.key} if self.key else {}
        return [{"source": self.name, **key, **verdict.to_json()} for verdict in self.verdicts]

    def for_record(self) -> list[dict[str, Any]]:
        """The same without facts and rows, which need not stand in the record of each key."""
        return [{**verdict, "metadata": {}} for verdict in self.to_json()]


class SourceChecks(Struct, eq=False):
    """What the checks of sources said in one run; each content of a source is asked once.

    Attributes:
        spool: gives paths for results of functions that do not fit in memory.
        judged: what was said so far.
    """

    spool: Callable[[], Path]
    judged: list[Judged] = field(default_factory=list)
    _known: dict[Hashable, Judged] = field(default_factory=dict)

    def of(self, now: SourceNow) -> Iterator[Judged]:
        """What the checks of a source say of it; of Hive folders, of the rows of each key that there is a folder for.

        Raises:
            SourceError: it cannot be read.
        """
        if not now.source.checks:
            return
        if now.source.partitions is None:
            yield self._judged(now, "")
            return
        for key in now.keys:
            yield self._judged(now.only([key]), key)

    def _judged(self, now: SourceNow, key: str) -> Judged:
        entry = now.source.name, key, now.fingerprint()
        if entry not in self._known:
            self._known[entry] = Judged(now.source.name, key, tuple(_judge(now, self.spool)))
            self.judged.append(self._known[entry])
        return self._known[entry]


def _judge(now: SourceNow, spool: Callable[[], Path]) -> Sequence[Verdict]:
    from lakehouse.calls import is_reading_error
    from lakehouse.checks.judging import Rows, judge

    def fault(error: BaseException) -> LakeError | None:
        return now.fault() if is_reading_error(error) else None

    constant = now.source.partitions.columns if now.source.partitions else ()
    return judge(now.source.checks, Rows(frame=now.scan(spool), constant=constant, fault=fault))
