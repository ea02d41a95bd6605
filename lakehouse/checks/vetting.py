"""The checks of an asset and of what it reads, asked while its partitions are made.

Knows when each is asked. Refuses to know what they mean, and loads no engine where there are none.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from msgspec import Struct

from lakehouse import layout
from lakehouse.assets import Asset
from lakehouse.checks.declared import Matches
from lakehouse.checks.ofsources import SourceChecks
from lakehouse.errors import AuditError
from lakehouse.sources.now import SourceNow
from lakehouse.survey import Survey

if TYPE_CHECKING:
    from lakehouse.checks.judging import Verdict
    from lakehouse.checks.reconciling import Tallies
    from lakehouse.frames import Frames

__all__ = ["Vetting"]


class Vetting(Struct, frozen=True, kw_only=True):
    """Asks the checks while partitions of one asset are made.

    Attributes:
        asset: whose partitions they are.
        survey: the lake as it is.
        source_checks: what the checks of sources say, in this run.
    """

    asset: Asset
    survey: Survey
    source_checks: SourceChecks

    def require_sound(self, sources: Iterable[SourceNow]) -> tuple[Mapping[str, Any], ...]:
        """What the checks of sources said, for the records of what is made of them.

        Raises:
            SourceError: nothing is to be made of one of them, or it cannot be read.
        """
        said = [judged for now in sources for judged in self.source_checks.of(now)]
        for judged in said:
            if (error := judged.error()) is not None:
                raise error
        return tuple(verdict for judged in said for verdict in judged.for_record())

    def tallies(self, frames: Frames, keys: Sequence[str]) -> Tallies | None:
        """What checks have to know of the upstreams' rows of some keys; None where none asks.

        Raises:
            StorageError: the disk is at fault.
        """
        if not any(isinstance(check.rule, Matches) for check in self.asset.checks):
            return None
        from lakehouse.checks.reconciling import tallies_of

        return tallies_of(self.asset, frames, keys)

    def verdicts(self, key: str, file: Path, tallies: Tallies | None) -> Sequence[Verdict]:
        """What the asset's checks say of the staged file of one partition.

        Raises:
            LakeError: it cannot be read.
        """
        if not self.asset.checks:
            return ()
        from lakehouse.checks.judging import judge_file

        return judge_file(self.asset, self.survey.partitions(self.asset).partition(key), file, tallies)

    def refusal(self, verdicts: Sequence[Verdict], partition: str) -> AuditError | None:
        """Why a partition is not published, naming where its staged file is kept; None where it is."""
        if all(verdict.passed for verdict in verdicts):
            return None
        from lakehouse.checks.judging import refusal

        if (error := refusal(self.asset.name, verdicts)) is not None:
            error.context["staged"] = layout.blocked_file(self.asset.name, partition)
        return error
