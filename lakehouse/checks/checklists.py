"""Which checks belong to what: each with the asset or source that it is of, and of a kind that fits.

Knows declarations. Refuses to ask any check.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from lakehouse.assets import PARTITION, Asset, Definitions, Node, Source, View
from lakehouse.checks.declared import Check, Matches, Written
from lakehouse.errors import DefinitionError

__all__ = ["require_read", "with_checks"]


def with_checks(definitions: Definitions) -> Definitions:
    """The definitions with each check at what it is of.

    Raises:
        DefinitionError: it is of nothing that has rows of its own, it has the name of another, or it names a column
            that is not declared; with file and line.
    """
    found = dict(definitions.nodes)
    for subject, check in definitions.checks:
        node = found.get(subject)
        if not isinstance(node, Source | Asset):
            raise _no_subject(subject, check, found)
        found[subject] = replace(node, checks=(*node.checks, check))
    for node in found.values():
        if not isinstance(node, View):
            _require_names(node)
            for check in node.checks:
                _require_fit(node, check)
    return Definitions(found)


def require_read(assets: Iterable[Asset]) -> None:
    """Nothing, if checks hold assets against nothing but what they read.

    Raises:
        DefinitionError: with file and line.
    """
    for asset in assets:
        for check in asset.checks:
            if isinstance(check.rule, Matches) and check.rule.upstream not in asset.reads:
                raise DefinitionError(
                    f"check {check.name!r} names {check.rule.upstream!r}, which {asset.name!r} does not read "
                    f"({check.where})",
                    help=f"it reads {', '.join(asset.reads) or 'nothing'}",
                )


def _no_subject(subject: str, check: Check, nodes: Mapping[str, Node]) -> DefinitionError:
    """The refusal of a check of something that has no rows of its own."""
    others = [name for name, node in nodes.items() if not isinstance(node, View)]
    if subject in nodes:
        what, cure = "a view, which is not stored", "check what reads it, or what it reads"
    else:
        what, cure = "not declared", f"assets and sources have checks: {', '.join(others)}"
    return DefinitionError(
        f"check {check.name!r} is of {subject!r}, which is {what} ({check.where})", code="check-unknown", help=cure
    )


def _require_names(node: Source | Asset) -> None:
    """Nothing, if the checks of one thing have names of their own."""
    known: dict[str, Check] = {}
    for check in node.checks:
        if (other := known.setdefault(check.name, check)) is not check:
            raise DefinitionError(
                f"{node.name!r} has two checks {check.name!r} ({other.where} and {check.where})",
                code="name-taken",
                help="give one of them another name: name=…",
            )


def _require_fit(node: Source | Asset, check: Check) -> None:
    """Nothing, if a check can be asked of what it is of, as far as that is declared."""
    if isinstance(node, Source) and isinstance(check.rule, Matches):
        raise DefinitionError(
            f"check {check.name!r} is of the source {node.name!r}, which is made of nothing ({check.where})",
            help="an asset may match what it reads",
        )
    if isinstance(node, Source) and isinstance(check.rule, Written) and check.rule.is_told_key:
        raise DefinitionError(
            f"check {check.name!r} of the source {node.name!r} asks for {PARTITION!r} ({check.where})",
            help="only a check of an asset can",
        )
    if not node.schema:
        return
    columns = [*node.schema, *(node.partitions.columns if node.partitions else ())]
    if absent := [column for column in check.rule.columns if column not in columns]:
        raise DefinitionError(
            f"check {check.name!r} names {absent[0]!r}, which {node.name!r} does not have ({check.where})",
            help=f"it has {', '.join(columns)}",
        )
