"""What is made of some partitions: which others turn stale when these change.

Knows how keys are read, from asset to asset. Refuses to change anything.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from lakehouse.assets import Asset
from lakehouse.survey import Survey

__all__ = ["made_of"]


def made_of(survey: Survey, asset: str, keys: Collection[str]) -> dict[str, list[str]]:
    """The partitions that are made of some others, by asset, in the order of making; those that have data.

    Args:
        survey: the lake as it is.
        asset: whose partitions change; one that is no longer declared is read by nothing.
        keys: which.
    """
    changed: dict[str, frozenset[str]] = {asset: frozenset(keys)}
    found: dict[str, list[str]] = {}
    for reader in survey.graph.assets():
        upstreams = [node for node in survey.graph.inputs(reader.name) if node.name in changed]
        made = [key for key, state in survey.fold(reader.name).keys.items() if state.version] if upstreams else []
        touched = [key for key in made if survey.is_declared(reader, key) and _reads(survey, reader, key, changed)]
        if touched:
            found[reader.name] = sorted(touched, key=reader.partitions.order)
            changed[reader.name] = frozenset(touched)
    return found


def _reads(survey: Survey, reader: Asset, key: str, changed: Mapping[str, frozenset[str]]) -> bool:
    return any(
        not changed[node.name].isdisjoint(survey.inputs.reads(reader, node, key).keys)
        for node in survey.graph.inputs(reader.name)
        if isinstance(node, Asset) and node.name in changed
    )
