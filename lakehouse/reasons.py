"""A state in words: what it is, and what became of the things that it was made of.

Knows the wording. Refuses to look at anything, or to decide.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from lakehouse.staleness import Cause, State

__all__ = ["ago", "explain"]

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_WIDE = 44  # so many characters of keys fit beside the rest of a reason


def explain(state: State, *, source: Callable[[str], str], keys: Callable[[Cause], str]) -> str:
    """A state with its causes, in words; whether it is frozen, too.

    Args:
        state: what to explain.
        source: says what became of a source: ``data/raw_orders.csv changed 2 h ago``.
        keys: names the upstream keys behind a cause: ``2018-02-03``.
    """
    told = _explained(state, source, keys)
    return f"{told} (frozen)" if state.is_frozen else told


def _explained(state: State, source: Callable[[str], str], keys: Callable[[Cause], str]) -> str:
    if state.status == "fresh":
        return "last attempt failed" if state.is_failed else "fresh"
    if state.status == "missing":
        how = {Cause("removed_by_hand"): "missing: removed by hand", Cause("wiped"): "missing: wiped"}
        return how.get(state.causes[0], "missing") if state.causes else "missing"
    if state.status == "unrecorded":
        return "unrecorded: somebody else put a file there"
    if state.status == "orphaned":
        return "orphaned: the definition no longer has it"
    names = ", ".join(cause.input for cause in state.causes if cause.code == "code_changed")
    code = f"code changed: {names}" if names else "code changed"
    return "stale: " + "; ".join(dict.fromkeys(_say(cause, source, keys, code) for cause in state.causes))


def _say(cause: Cause, source: Callable[[str], str], keys: Callable[[Cause], str], code: str) -> str:
    match cause.code:
        case "code_changed":
            return code
        case "damaged":
            return "its bytes are damaged"
        case "source_changed":
            return source(cause.input)
        case "source_unknown":
            return f"{cause.input} changed while it was read"
        case "source_unversioned":
            return f"{cause.input} has no version by which it could be told unchanged"
        case "upstream_changed":
            return f"upstream {_some(cause, keys)} changed"
        case "upstream_stale":
            return f"upstream {_some(cause, keys)} is not fresh"
        case "schema_changed":
            return "the schema changed"
        case "window_open":
            return "made before its window was over"
        case _:
            return cause.code.replace("_", " ")


def _some(cause: Cause, keys: Callable[[Cause], str]) -> str:
    """An upstream with the keys that are behind a cause; the first few, where they are many."""
    shown = keys(cause)
    if len(shown) > _WIDE:
        first = shown[:_WIDE].rpartition(", ")[0] or shown.partition(", ")[0]
        shown = first if first == shown else f"{first}, …"
    return f"{cause.input} {shown}".rstrip()


def ago(then: datetime, now: datetime) -> str:
    """How long since, in the largest unit that fits: ``5 min ago``; a time that is yet to come is just now."""
    seconds = (now - then) // timedelta(seconds=1)
    if seconds < _MINUTE:
        return "just now" if seconds < 10 else f"{seconds} s ago"  # noqa: PLR2004
    if seconds < _HOUR:
        return f"{seconds // _MINUTE} min ago"
    if seconds < 2 * _DAY:
        return f"{seconds // _HOUR} h ago"
    return f"{seconds // _DAY} days ago"
