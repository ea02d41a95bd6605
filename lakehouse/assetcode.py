"""The code version of an asset: everything declared and written between it and stored data, part by part.

Knows which parts there are. What version a function or a value has it leaves to `lakehouse.versions`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from msgspec import Struct

from lakehouse.assets import Asset, Source
from lakehouse.graph import Graph
from lakehouse.versions import code_version, digest_of, value_digest

__all__ = ["Code", "code_of"]


class Code(Struct, frozen=True):
    """The version of everything that computes an asset.

    Attributes:
        digest: over all parts.
        parts: each function, view and declaration, with its own digest.
    """

    digest: str
    parts: Mapping[str, str]


def code_of(asset: Asset, graph: Graph, *, opaque: Mapping[int, str]) -> Code:
    """The code version of an asset: its function, the views on the way, and what is declared of them and of sources.

    Args:
        asset: whose.
        graph: what it is made of.
        opaque: the lake's own objects by id, which stand for themselves.

    Raises:
        DefinitionError: a function uses something whose version cannot be told.
    """
    parts: dict[str, str] = {}
    for name, digest in (*_written(asset, graph, opaque), *_declared(asset, graph)):
        # Two modules may each have a global of one name, and an asset may be called what a declaration is called.
        taken = parts.get(name, digest)
        parts[name] = digest if taken == digest else digest_of({"one": taken, "other": digest})
    return Code(digest_of(parts), parts)


def _written(asset: Asset, graph: Graph, opaque: Mapping[int, str]) -> Iterator[tuple[str, str]]:
    if asset.version is not None:
        yield "version", value_digest(asset.version)
        return
    if asset.query is not None:
        from lakehouse.sql.text import normalized  # only for lakes that have queries

        yield asset.name, value_digest(normalized(asset.query))
    sources = (node.function for node in graph.inputs(asset.name) if isinstance(node, Source))
    for function in (asset.function, *(view.function for view in graph.views(asset.name)), *sources):
        if function is not None:
            yield from code_version(function, opaque=opaque).parts


def _declared(asset: Asset, graph: Graph) -> Iterator[tuple[str, str]]:
    for view in graph.views(asset.name):
        yield f"{view.name}(time=)", value_digest(view.time)
    for node in graph.inputs(asset.name):
        if isinstance(node, Source):
            yield f"source {node.name}", digest_of(node.declaration())
    for name in asset.reads:
        upstream = graph.node(name)
        if isinstance(upstream, Asset) and upstream.time is not None:
            yield f"{name}(time=)", value_digest(upstream.time)
        if (rule := asset.rules.get(name)) is not None:
            yield f"upstream {name}", value_digest(str(rule))
    yield "partitions", digest_of(asset.partitions.describe())
    yield "sort_by", value_digest(asset.sort_by)
    # Numbered, for the files have the columns in the declared order.
    columns = enumerate((asset.schema or {}).items())
    yield "schema", digest_of({f"{number} {name}": str(dtype) for number, (name, dtype) in columns})
