"""Rules that override which upstream keys a key reads, as they are declared.

Knows what they say. What they mean between two definitions is for `lakehouse.mapping`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from msgspec import Struct
from msgspec.structs import force_setattr

from lakehouse.callsite import caller
from lakehouse.errors import DefinitionError

__all__ = ["OWN", "All", "Keys", "Latest", "Periods", "Rule"]


class Periods(Struct, frozen=True):
    """The windows from ``first`` to ``last``, both included, counted from the key's own in its own units.

    ``Periods(-2, 0)`` on a monthly asset is the month and the two before it, whatever the upstream's units are.

    Raises:
        DefinitionError: they are no whole numbers, or reversed.
    """

    first: int
    last: int

    def __post_init__(self) -> None:
        if not all(type(number) is int for number in (self.first, self.last)):
            raise DefinitionError(f"{self} counts no whole windows ({caller()})", help="Periods(-2, 0)")
        if self.first > self.last:
            swapped = f"Periods({self.last}, {self.first})"
            raise DefinitionError(f"{self} is reversed ({caller()})", help=f"did you mean {swapped}?")

    def __str__(self) -> str:
        return f"Periods({self.first}, {self.last})"


class All(Struct, frozen=True):
    """All of the upstream for every key; it arrives without the partition column."""

    def __str__(self) -> str:
        return "All()"


class Latest(Struct, frozen=True):
    """The last window that the upstream has by now, for every key; it arrives without the partition column."""

    def __str__(self) -> str:
        return "Latest()"


class Keys(Struct, frozen=True):
    """These upstream keys, for every key; they arrive without the partition column.

    Raises:
        DefinitionError: there are none, or one is no text.
    """

    keys: Sequence[str]

    def __post_init__(self) -> None:
        keys = (self.keys,) if isinstance(self.keys, str) else tuple(self.keys)
        if not keys or not all(isinstance(key, str) for key in keys):
            raise DefinitionError(f"Keys({self.keys!r}) names no keys ({caller()})", help='Keys(["2018-01"])')
        force_setattr(self, "keys", keys)

    def __str__(self) -> str:
        return f"Keys({list(self.keys)!r})"


Rule = Periods | All | Latest | Keys
OWN: Final = Periods(0, 0)
"""The key's own window: what is read where nothing else is said."""
