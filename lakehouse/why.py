"""Why a partition is what it is, in words: which upstream keys are behind a cause, and what became of a source.

Knows where to look a cause up. The wording is that of `lakehouse.reasons`.
"""

from __future__ import annotations

from lakehouse.assets import Asset
from lakehouse.reasons import explain
from lakehouse.selection import describe
from lakehouse.staleness import Cause
from lakehouse.survey import Survey

__all__ = ["upstream_behind", "why"]


def why(survey: Survey, asset: Asset, key: str) -> str:
    """The state of one partition in words: ``stale: upstream daily_orders 2018-02-03 changed``."""
    state = survey.state(asset, key)

    def source(name: str) -> str:
        """What became of a source, or of what the rows of an argument come from."""
        sources = survey.inputs.sources_of(name)
        for node in sources:
            if (problem := survey.sources.problems.get(node.name)) is not None:
                return problem.message
        made = state.known.current.started if state.known.current else survey.time
        found = [survey.source_for(asset, node, [key]) for node in sources]
        newer = [now for now in found if now.changed is None or now.changed > made] or found[:1]
        return newer[0].became(survey.time)

    def keys(cause: Cause) -> str:
        found = upstream_behind(survey, asset, key, cause)
        return describe(found, survey.partitions(survey.graph.asset(cause.input))) if found else ""

    return explain(state, source=source, keys=keys)


def upstream_behind(survey: Survey, asset: Asset, key: str, cause: Cause) -> list[str]:
    """The upstream keys behind a cause: those that are due, or were made anew since the partition was."""
    upstream = survey.graph.node(cause.input)
    if not isinstance(upstream, Asset):
        return []
    read = survey.inputs.reads(asset, upstream, key).keys
    if cause.code == "upstream_stale":
        return [upper for upper in read if survey.is_to_be_made(upstream, upper)]
    current, fold = survey.state(asset, key).known.current, survey.fold(upstream.name)
    made_of = current.inputs.get(upstream.name) if current else None
    position = made_of.position if made_of and made_of.position is not None else 0
    return [upper for upper in read if fold.key(upper).since > position]
