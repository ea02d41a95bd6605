"""Verdicts that hold until code or data change, kept in the cache so that they need not be reached again.

Knows how they are kept. Refuses to know what they mean; without the cache they are reached again.
"""

from __future__ import annotations

import json
from typing import Any

from msgspec import Struct

from lakehouse import layout
from lakehouse.disk import Disk

__all__ = ["Verdicts"]


class Verdicts(Struct, frozen=True):
    """The kept verdicts on one asset, each under the digest of what it was reached on."""

    disk: Disk
    asset: str

    def _file(self, subject: str) -> str:
        return f"{layout.cache_folder()}/{subject}/{self.asset}.json"

    def get(self, subject: str, on: str) -> Any:
        """The verdict, if one was reached on the same digest; None otherwise."""
        try:
            kept = json.loads(self.disk.path(self._file(subject)).read_bytes())
            return kept["verdict"] if kept["on"] == on else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def keep(self, subject: str, on: str, verdict: object) -> None:
        """Keep a verdict in place of the one before."""
        self.disk.cache(self.disk.path(self._file(subject)), json.dumps({"on": on, "verdict": verdict}).encode())
