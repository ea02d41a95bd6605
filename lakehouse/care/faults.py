"""What is found wrong in a lake, one value a fault.

Knows the kinds of faults, and which of them are damage. Refuses to look for any.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Literal

from msgspec import Struct
from msgspec.structs import replace

from lakehouse.errors import StorageError

__all__ = ["Fault", "Faults", "Kind"]

Kind = Literal[
    "log-damaged", "log-missing", "projected-damaged", "cache-damaged", "version-damaged", "version-missing",
    "file-missing", "file-replaced", "unrecorded", "foreign", "mark-outdated", "not-projected", "undeclared",
    "snapshot-damaged", "leftover",
]  # fmt: skip

_HARMLESS: Final = frozenset({"mark-outdated", "not-projected", "undeclared", "leftover"})


class Fault(Struct, frozen=True, kw_only=True):
    """One thing that is not as the log says.

    Attributes:
        kind: what sort of thing.
        path: the file or folder, relative to the lake's root.
        message: what is wrong with it.
        asset, key: whose it is; empty where it is nobody's.
        commit: of a log, the number of the commit that is at fault.
        help: what to do about it.
        done: what was done about it, or with a dry run would be; empty: nothing.
        is_mendable: whether a repair can put it right.
        is_mended: whether one did.
        size_bytes: how much a leftover takes up.
    """

    kind: Kind
    path: str
    message: str
    asset: str = ""
    key: str = ""
    commit: int | None = None
    help: str = ""
    done: str = ""
    is_mendable: bool = False
    is_mended: bool = False
    size_bytes: int = 0

    @property
    def is_damage(self) -> bool:
        """Whether something is lost, or is not what readers should find; what is only left over is neither."""
        return self.kind not in _HARMLESS

    @property
    def identity(self) -> tuple[str, str, str]:
        """By what the same fault is known when it is looked for again."""
        return self.kind, self.path, self.key

    def with_(self, **changes: Any) -> Fault:
        """A copy with other fields."""
        return replace(self, **changes)


class Faults(list[Fault]):
    """What was found, and how much was looked at.

    Attributes:
        commits, versions, files: how many of each were read.
        size_bytes: how many bytes of data.
        error: what kept it from noting damage in the log, or from repairing it; None where nothing did.
    """

    def __init__(self, found: Iterable[Fault] = ()) -> None:
        super().__init__(found)
        self.commits = self.versions = self.files = self.size_bytes = 0
        self.error: StorageError | None = None

    @property
    def is_damaged(self) -> bool:
        """Whether damage is left; what was repaired is none any more."""
        return any(fault.is_damage and not fault.is_mended for fault in self)
