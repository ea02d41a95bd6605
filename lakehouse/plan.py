"""From states to steps: which partitions a command makes, each with its reason.

Knows what was asked for and what the states are. Refuses to look at anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal

from msgspec import Struct

from lakehouse.staleness import State

__all__ = ["Filter", "Plan", "Step", "make_plan", "matches"]

Filter = Literal["missing", "stale", "failed"]


class Step(Struct, frozen=True):
    """One partition of the plan.

    Attributes:
        asset: whose it is.
        key: which.
        action: *make* it, *keep* what is there, or *refuse* (a file that somebody else put there).
        state: what it is now.
        reason: why it is made, in words: ``stale: data/raw_orders.csv changed 2 h ago``.
    """

    asset: str
    key: str
    action: Literal["make", "keep", "refuse"]
    state: State
    reason: str


class Plan(Struct, frozen=True):
    """The steps, asset by asset, each asset after what it reads, keys in declared order.

    Attributes:
        steps: what there is to do.
        open_ended: the assets of which every key is asked for, those too that are found only once upstreams are made.
    """

    steps: tuple[Step, ...]
    open_ended: frozenset[str] = frozenset()

    @property
    def to_make(self) -> list[Step]:
        """The steps that compute something."""
        return [step for step in self.steps if step.action == "make"]

    def of(self, asset: str) -> list[Step]:
        """The steps of one asset."""
        return [step for step in self.steps if step.asset == asset]

    def assets(self) -> list[str]:
        """The assets that have steps, in order."""
        return list(dict.fromkeys(step.asset for step in self.steps))


def matches(state: State, filters: Sequence[Filter]) -> bool:
    """Whether a partition is one of those that the filters ask for; without filters, every one is."""
    return not filters or any(state.is_failed if name == "failed" else state.status == name for name in filters)


def make_plan(
    keys: Mapping[str, Sequence[str]],
    state: Callable[[str, str], State],
    *,
    forced: Callable[[str, str], bool],
    explained: Callable[[str, str], str],
) -> Plan:
    """The plan for these keys.

    Args:
        keys: the requested keys of each asset, assets in the order of making.
        state: tells the state of a partition.
        forced: whether a partition is made even if it is fresh, and a file that somebody else made is replaced.
        explained: says in words what the state of a partition is, and why.
    """
    steps = []
    for asset, wanted in keys.items():
        for key in wanted:
            found = state(asset, key)
            steps.append(Step(asset, key, _action(found, forced=forced(asset, key)), found, explained(asset, key)))
    return Plan(tuple(steps))


def _action(state: State, *, forced: bool) -> Literal["make", "keep", "refuse"]:
    if state.status == "orphaned":  # what reads it may go on doing so; the definition makes it no more
        return "keep"
    if state.is_frozen and not forced:
        return "keep"
    if state.status == "unrecorded":
        return "make" if forced else "refuse"
    return "make" if forced or state.is_due else "keep"
