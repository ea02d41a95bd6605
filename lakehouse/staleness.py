"""The state of a partition and its reasons: one decision, by which everything that asks for states goes.

Knows what makes data stale. Refuses to look anywhere: records, code, inputs, files and the time come in as values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct

from lakehouse.fold import KeyState
from lakehouse.records import Input, Schema

__all__ = ["Cause", "Now", "State", "Status", "decide"]

Status = Literal["missing", "fresh", "stale", "unrecorded", "orphaned"]
CauseCode = Literal[
    "never_made", "wiped", "removed_by_hand", "damaged", "code_changed", "source_changed", "source_unknown",
    "source_unversioned", "upstream_changed", "upstream_stale", "schema_changed", "window_open", "foreign_file",
]  # fmt: skip


class Cause(Struct, frozen=True):
    """One reason for a state.

    Attributes:
        code: the kind of reason, stable for machines.
        input: what it is about: a source, an upstream asset, a function; empty where nothing needs naming.
    """

    code: CauseCode
    input: str = ""


class Now(Struct, frozen=True, kw_only=True):
    """Everything that an asset's records are held against.

    Attributes:
        code: the code version.
        code_parts: what it is made of.
        inputs: the version of each source, and for each upstream asset that of the keys read, by name.
        stale_upstream: upstream assets of which a key that this one reads is to be made itself.
        schema: the contract in force; None before there is one.
        time: the present instant.
    """

    code: str
    code_parts: Mapping[str, str]
    inputs: Mapping[str, Input]
    stale_upstream: Sequence[str] = ()
    schema: Schema | None
    time: datetime


class State(Struct, frozen=True, kw_only=True):
    """What a partition is now, and why.

    Attributes:
        status: *missing*, *fresh*, *stale*, *unrecorded* or *orphaned*.
        causes: why it is not fresh; empty where it is.
        known: what the log says of it.
    """

    status: Status
    causes: tuple[Cause, ...]
    known: KeyState

    @property
    def is_empty(self) -> bool:
        """Whether it was made, and has no rows."""
        return self.known.version is not None and self.known.version.row_count == 0

    @property
    def is_due(self) -> bool:
        """Whether it is made, if that is asked for: it is not fresh, or the last attempt at it failed."""
        is_wanted = self.status != "orphaned" and not self.is_frozen
        return is_wanted and (self.status != "fresh" or self.is_failed)

    @property
    def is_frozen(self) -> bool:
        """Whether it is left as it is, whatever else would make it due."""
        return self.known.is_frozen

    @property
    def is_failed(self) -> bool:
        """Whether the last attempt failed or was blocked, beside whatever data there is."""
        return self.known.attempt is not None


def decide(
    known: KeyState,
    file: Literal["absent", "same", "other"],
    *,
    now: Now,
    window_end: datetime | None,
    code_parts: Mapping[str, str],
    is_declared: bool = True,
) -> State:
    """The state of one partition.

    Args:
        known: what the log says of it.
        file: whether its file in the Hive tree is the one that the log names.
        now: what its record is held against.
        window_end: the exclusive end of its window; None for keys that are no times.
        code_parts: what the code that made it was made of.
        is_declared: whether the definition still has the key.
    """
    if known.current is None or known.version is None:
        if file == "absent":
            return State(status="missing", causes=(Cause("wiped" if known.commit else "never_made"),), known=known)
        return State(status="unrecorded", causes=(Cause("foreign_file"),), known=known)
    if file == "other":
        return State(status="unrecorded", causes=(Cause("foreign_file"),), known=known)
    if file == "absent":
        return State(status="missing", causes=(Cause("removed_by_hand"),), known=known)
    if not is_declared:
        return State(status="orphaned", causes=(), known=known)
    causes = [
        *([Cause("damaged")] if known.is_damaged else []),
        *_code_causes(known, now, code_parts),
        *_input_causes(known, now),
        *([Cause("schema_changed")] if now.schema is not None and known.current.schema != now.schema else []),
        *([Cause("window_open")] if window_end and known.current.started < window_end <= now.time else []),
    ]
    return State(status="stale" if causes else "fresh", causes=tuple(causes), known=known)


def _code_causes(known: KeyState, now: Now, then: Mapping[str, str]) -> list[Cause]:
    if known.current is None or known.current.code == now.code:
        return []
    names = [name for name in {**then, **now.code_parts} if then.get(name) != now.code_parts.get(name)]
    return [Cause("code_changed", name) for name in names] or [Cause("code_changed")]


def _input_causes(known: KeyState, now: Now) -> list[Cause]:
    recorded = known.current.inputs if known.current else {}
    causes = []
    for name, present in now.inputs.items():
        made_of = recorded.get(name)
        if name in now.stale_upstream:
            causes.append(Cause("upstream_stale", name))
        elif made_of is not None and made_of.version is None:
            causes.append(Cause("source_unknown" if present.version else "source_unversioned", name))
        elif made_of is None or present.version is None or made_of.version != present.version:
            causes.append(Cause("upstream_changed" if present.kind == "asset" else "source_changed", name))
    return causes
