"""What a request takes: the partitions that were asked for, and before them what they are made of and is not fresh.

Knows how a plan follows from a survey, and of what none can be made. Refuses to carry it out, or to decide states.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from msgspec.structs import replace

from lakehouse.assets import Asset
from lakehouse.errors import DefinitionError, LakeError, SourceError
from lakehouse.partitions import Dynamic
from lakehouse.plan import Filter, Plan, make_plan, matches
from lakehouse.survey import Survey
from lakehouse.why import why

__all__ = ["faults", "plan_for"]


def plan_for(
    survey: Survey, asked: Mapping[str, Sequence[str]], *, force: bool, only: Sequence[Filter], upstream: bool
) -> Plan:
    """The plan for keys of assets.

    Args:
        survey: the lake as it is.
        asked: the keys that were asked for, by asset.
        force: whether fresh ones of these are made too.
        only: of these, those in one of these states; none: all.
        upstream: whether what they are made of is made first.
    """
    graph = survey.graph
    order = graph.with_upstream(asked) if upstream else [graph.asset(name) for name in asked]
    keys: dict[str, list[str]] = {
        asset.name: [key for key in asked.get(asset.name, ()) if matches(survey.state(asset, key), only)]
        for asset in order
    }
    named = {name: frozenset(found) for name, found in keys.items()}
    for asset in reversed(order) if upstream else ():
        for name in graph.upstream_assets(asset.name):
            upper, known = graph.asset(name), {*keys[name]}
            needed = survey.inputs.upstream_keys(asset, upper, keys[asset.name])
            if more := [key for key in needed if key not in known and survey.state(upper, key).is_due]:
                keys[name] = sorted([*keys[name], *more], key=survey.partitions(upper).order)
    plan = make_plan(
        keys,
        lambda name, key: survey.state(graph.asset(name), key),
        forced=lambda name, key: force and key in named[name],
        explained=lambda name, key: why(survey, graph.asset(name), key),
    )
    for name in dict.fromkeys(step.asset for step in plan.to_make):
        survey.sources.look_at_all(graph.asset(name))
    if only and "missing" not in only:
        return plan
    open_ended = (name for name, found in asked.items() if _is_open_ended(survey, graph.asset(name), found))
    return replace(plan, open_ended=frozenset(open_ended))


def faults(survey: Survey) -> dict[str, LakeError]:
    """The assets of which nothing can be told, they or what they are made of, with why: others go on without them."""
    found: dict[str, LakeError] = {}
    for asset in survey.graph.assets():
        above = [name for name in survey.graph.upstream_assets(asset.name) if name in found]
        if above:
            found[asset.name] = found[above[0]]
            continue
        try:
            survey.fold(asset.name)
            survey.partitions(asset)
        except (DefinitionError, SourceError) as error:
            found[asset.name] = error
    return found


def _is_open_ended(survey: Survey, asset: Asset, asked: Sequence[str]) -> bool:
    """Whether an asset's keys are found in the data, and all that there are were asked for."""
    dimensions = asset.partitions.dimensions
    is_found = any(isinstance(dimension, Dynamic) and dimension.discover for dimension in dimensions)
    return is_found and {*asked}.issuperset(survey.partitions(asset).keys(survey.time))
