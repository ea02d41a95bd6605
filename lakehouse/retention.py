"""Which bytes stay under ``.lake/versions``: the superseded ones that are kept, and what dead runs left behind.

Knows what the log names and what it lets go. Refuses to remove anything that a commit still names.
"""

from __future__ import annotations

import contextlib
import glob
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, Self

from msgspec import Struct

from lakehouse import layout
from lakehouse.callsite import CallSite
from lakehouse.disk import Disk
from lakehouse.errors import DefinitionError
from lakehouse.fold import Superseded
from lakehouse.log import Log
from lakehouse.records import Version

__all__ = ["Retention", "forget_versions"]

_DURATION: Final = re.compile(r"(\d+)\s*([smhd])", re.ASCII)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Retention(Struct, frozen=True):
    """Which superseded versions are kept beside the current one.

    Attributes:
        keep: how many, whatever their age.
        grace: how long the others stay, so that a reader that planned on them can finish.
    """

    keep: int = 1
    grace: timedelta = timedelta(hours=24)

    @classmethod
    def declared(cls, keep: int, grace: str | timedelta, where: CallSite) -> Self:
        """What a person wrote: ``keep_versions=1, grace="24h"``.

        Raises:
            DefinitionError: one of them is not what it should be; it names the line.
        """
        if keep < 0:
            raise DefinitionError(f"keep_versions={keep!r} is negative ({where})")
        if isinstance(grace, timedelta):
            return cls(keep, grace)
        if not (match := _DURATION.fullmatch(grace)):
            raise DefinitionError(f"grace={grace!r} is not a duration ({where})", help="write it as 30m, 24h or 7d")
        return cls(keep, timedelta(**{_UNITS[match[2]]: int(match[1])}))

    def expired(self, superseded: Sequence[Superseded], now: datetime) -> tuple[Version, ...]:
        """The versions to let go; ``superseded`` is oldest first."""
        candidates = superseded[: -self.keep] if self.keep else superseded
        return tuple(item.version for item in candidates if item.since + self.grace <= now)


def forget_versions(disk: Disk, run: str) -> None:
    """Remove the versions that a run moved into place and never committed, once it can commit no more."""
    top = disk.path(layout.versions_folder(""))
    leftovers = [path for path in top.glob(f"**/{glob.escape(run)}-*") if path.is_file()]
    for asset in {path.relative_to(top).parts[0] for path in leftovers}:
        fold = Log(disk, asset).read()
        named = {
            version.path
            for state in fold.keys.values()
            for version in (state.version, *(old.version for old in state.superseded))
            if version is not None
        }
        folder = disk.path(layout.versions_folder(asset))
        orphans = [path for path in leftovers if path.is_relative_to(folder)]
        orphans = [path for path in orphans if path.relative_to(disk.root).as_posix() not in named]
        for path in orphans:
            disk.remove(path)
        # Else a power cut could bring them back when the folder is gone that tells of the run. Where that cannot be
        # done, it may.
        with contextlib.suppress(OSError):
            disk.sync_folders([path.parent for path in orphans])
