"""``lake graph``: what is made of what, as a tree, for Mermaid, or for machines."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Literal

import click
from msgspec.structs import replace

from lakehouse.assets import Asset, Source
from lakehouse.cli import completing
from lakehouse.cli.help import Command
from lakehouse.cli.lineage import Edge, Vertex, mermaid, tree
from lakehouse.cli.options import Format, common, folder_of, screen_of
from lakehouse.cli.output import emit
from lakehouse.errors import LakeError
from lakehouse.graph import partitions_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from lakehouse.assets import Node
    from lakehouse.lake import Lake
    from lakehouse.partitions.dimension import Partitions
    from lakehouse.survey import Survey

__all__ = ["command"]


@click.command(
    "graph",
    cls=Command,
    examples=("lake graph", "lake graph monthly_orders", "lake graph --format mermaid", "lake graph --json"),
)
@click.argument("words", nargs=-1, metavar="[ASSET]...", shell_complete=completing.assets)
@common("tree", "mermaid", "json")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    words: tuple[str, ...],
    folder: str | None,
    quiet: bool,
    verbose: bool,  # noqa: ARG001  taken by the error handler
    color: Literal["auto", "always", "never"],
    form: Format,
) -> int:
    """Show what is made of what, from the sources down.

    With ASSET, only what it is made of and what is made of it. Beside an asset stands how its keys read those of
    the asset above it, unless each reads its own. No data is opened.
    """
    from lakehouse.cli.project import load

    screen = screen_of(color, quiet=quiet)
    lake = load(folder_of(ctx, folder))
    shown = _shown(lake, words)
    edges = [Edge(upper, name, _rule(lake, upper, name)) for name in shown for upper in lake.graph.reads(name)]
    edges = [edge for edge in edges if edge.upper in shown]
    plain = [replace(edge, rule=_told(lake, edge)) for edge in edges]
    survey = lake.survey()
    if form == "json":
        nodes = [_node_json(lake, survey, name) for name in shown]
        listed = [{"from": edge.upper, "to": edge.lower, "rule": edge.rule} for edge in edges]
        emit({"schema_version": 1, "nodes": nodes, "edges": listed})
        return 0
    vertices = [_vertex(survey, lake.graph.node(name)) for name in shown]
    for line in mermaid(vertices, plain) if form == "mermaid" else tree(screen, vertices, plain):
        screen.say(line)
    return 0


def _shown(lake: Lake, words: Sequence[str]) -> list[str]:
    """The names, each after what it reads: all, or those above and below the words."""
    for word in words:
        if word not in lake.graph.nodes:
            lake.graph.asset(word)  # raises, with the nearest
    reads = {name: lake.graph.reads(name) for name in lake.graph.nodes}
    readers: dict[str, list[str]] = {name: [] for name in reads}
    for name, uppers in reads.items():
        for upper in uppers:
            readers[upper].append(name)
    wanted = _closure(words, reads) | _closure(words, readers) if words else {*reads}
    order: dict[str, None] = {}
    for name in reads:
        _visit(name, reads, order)
    return [name for name in order if name in wanted]


def _visit(name: str, reads: dict[str, tuple[str, ...]], order: dict[str, None]) -> None:
    if name in order:  # what many read is walked once
        return
    for upper in reads[name]:
        _visit(upper, reads, order)
    order[name] = None


def _closure(names: Iterable[str], below: dict[str, tuple[str, ...]] | dict[str, list[str]]) -> set[str]:
    found: set[str] = set()
    pending = [*names]
    while pending:
        name = pending.pop()
        if name not in found:
            found.add(name)
            pending += below[name]
    return found


def _rule(lake: Lake, upper: str, lower: str) -> str | None:
    """How an asset's keys read those of something that has keys too, in words; None where there are no two such."""
    if not isinstance(lake.graph.node(lower), Asset) or not partitions_of(lake.graph.node(upper)):
        return None
    return lake.graph.rule_text(lower, upper) or "same key"


def _told(lake: Lake, edge: Edge) -> str:
    """The rule as far as a person has to be told: not that each key reads its own, nor that one key reads all."""
    reader, read = lake.graph.node(edge.lower), partitions_of(lake.graph.node(edge.upper))
    if edge.rule in (None, "same key") or not isinstance(reader, Asset) or read is None:
        return ""
    return edge.rule if reader.partitions.dimensions and read.dimensions else ""


def _known(survey: Survey, asset: Asset) -> Partitions:
    """An asset's partitions as far as they can be told: a graph can be drawn of a lake that cannot be read."""
    try:
        return survey.partitions(asset)
    except LakeError:
        return asset.partitions


def _kind(node: Node) -> Literal["source", "view", "asset"]:
    return "asset" if isinstance(node, Asset) else "source" if isinstance(node, Source) else "view"


def _vertex(survey: Survey, node: Node) -> Vertex:
    if isinstance(node, Asset):
        partitions = _known(survey, node)
        extent = partitions.extent(survey.time) if partitions.dimensions else ""
        return Vertex(node.name, "asset", (partitions.kind, extent))
    if isinstance(node, Source):
        return Vertex(node.name, "source", ("source", node.path or "function"))
    return Vertex(node.name, "view", ("view", ""))


def _node_json(lake: Lake, survey: Survey, name: str) -> dict[str, Any]:
    node = lake.graph.node(name)
    facts: dict[str, Any] = {"name": name, "kind": _kind(node), "partitions": None, "path": None}
    if isinstance(node, Asset):
        partitions = _known(survey, node)
        time = partitions.time
        facts["partitions"] = {
            "kind": partitions.kind,
            "columns": list(partitions.columns),
            "extent": partitions.extent(survey.time),
            "first": time and time.first_key,
            "last": time and time.last_key(survey.time),
        }
        facts["path"] = os.path.relpath(lake.root / name, lake.base)
    elif isinstance(node, Source):
        facts["path"] = node.path
    return {**facts, "where": str(node.where)}
