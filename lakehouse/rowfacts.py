"""What only the rows can tell of an asset's inputs, kept for as long as their content is the same.

Knows on what such an answer depends. Asking is left to `Measures`, deciding to others.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct, field

from lakehouse import layout
from lakehouse.assets import Asset, Source
from lakehouse.errors import SourceError
from lakehouse.inputs import RowTable
from lakehouse.verdicts import Verdicts
from lakehouse.versions import digest_of

if TYPE_CHECKING:
    from lakehouse.survey import Survey

__all__ = ["Measures", "RowFacts"]


class Measures(Protocol):
    """Asks the rows what only they can tell; None where they cannot be read."""

    def rows(self, survey: Survey, asset: Asset, name: str, keys: Sequence[str]) -> RowTable | None:
        """A digest of the rows that an argument of an asset's function has for each key."""

    def values(self, survey: Survey, asset: Asset, column: str) -> list[str] | None:
        """The values of a partition column in what an asset's function reads."""


class RowFacts(Struct, eq=False):
    """The answers, each asked once for each content.

    Attributes:
        survey: what the lake is.
        measures: asks.
    """

    survey: Survey
    measures: Measures
    _tables: dict[tuple[str, str], RowTable | None] = field(default_factory=dict)

    def forget(self) -> None:
        """What is read may have changed."""
        self._tables.clear()

    def table(self, asset: Asset, name: str) -> RowTable | None:
        """Digests of the rows that an argument of an asset's function has for each key; None where untold.

        Raises:
            SourceError: a source is missing or cannot be read.
        """
        if (asset.name, name) not in self._tables:
            self._tables[asset.name, name] = self._asked(asset, name)
        return self._tables[asset.name, name]

    def _asked(self, asset: Asset, name: str) -> RowTable | None:
        keys = self.survey.inputs.row_keys(asset, name)
        if (on := self._content(asset, [name], {"keys": keys})) is None:
            return None
        if (kept := self._kept(asset, name, on)) is not None:
            return kept
        table = self.measures.rows(self.survey, asset, name, keys)
        if table is None or not self.survey.sources.is_as_it_was([name]):
            return None
        self._keep(asset, name, on, table)
        return table

    def to_ask(self, asset: Asset) -> dict[str, list[str]]:
        """The arguments whose rows are yet to be digested, with the keys: it may be done along with what reads them.

        Raises:
            SourceError: a source is missing or cannot be read.
        """
        found = {}
        for name in self.survey.inputs.by_rows(asset):
            if (asset.name, name) in self._tables:
                continue
            keys = self.survey.inputs.row_keys(asset, name)
            on = self._content(asset, [name], {"keys": keys})
            if on is not None and self._kept(asset, name, on) is None:
                found[name] = keys
        return found

    def take(self, asset: Asset, name: str, keys: Sequence[str], table: RowTable) -> None:
        """Take the digests of an argument's rows, which were asked while its sources held still."""
        self._tables[asset.name, name] = table
        if (on := self._content(asset, [name], {"keys": keys})) is not None:
            self._keep(asset, name, on, table)

    def _kept(self, asset: Asset, name: str, on: str) -> RowTable | None:
        match Verdicts(self.survey.disk, asset.name).get(f"rows/{name}", on):
            case {"columns": list(columns), "digests": list(digests)}:
                return RowTable(tuple(columns), {tuple(values): digest for values, digest in digests})
        return None

    def _keep(self, asset: Asset, name: str, on: str, table: RowTable) -> None:
        if self._has_place():
            digests = [[list(values), digest] for values, digest in table.digests.items()]
            content = {"columns": table.columns, "digests": digests}
            Verdicts(self.survey.disk, asset.name).keep(f"rows/{name}", on, content)

    def values(self, asset: Asset, column: str) -> list[str]:
        """The keys that a partition column has in the data; where that cannot be read, those that were made."""
        verdicts, subject, on = Verdicts(self.survey.disk, asset.name), f"keys/{column}", None
        try:
            on = self._content(asset, asset.reads, {"column": column, "there": self._there(asset, column)})
        except SourceError:
            found = None
        else:
            if on is not None and isinstance(kept := verdicts.get(subject, on), list):
                return kept
            found = self.measures.values(self.survey, asset, column)
        if found is None:
            return self._made(asset, column)
        if on is not None and self._has_place() and self.survey.sources.is_as_it_was(asset.reads):
            verdicts.keep(subject, on, found)
        return found

    def _there(self, asset: Asset, column: str) -> dict[str, list[str]]:
        """By name, the keys that upstream assets have by a column: what they no longer have is nobody's key."""
        found = {}
        for node in map(self.survey.graph.node, asset.reads):
            if isinstance(node, Asset) and column in node.partitions.columns:
                dimension = self.survey.partitions(node).dimensions[node.partitions.columns.index(column)]
                found[node.name] = dimension.keys(self.survey.time)
        return found

    def _made(self, asset: Asset, column: str) -> list[str]:
        place = asset.partitions.columns.index(column)
        known = self.survey.fold(asset.name).keys.items()
        return sorted({asset.partitions.values(key)[place] for key, state in known if state.version is not None})

    def _content(self, asset: Asset, names: Sequence[str], facts: Mapping[str, object]) -> str | None:
        """A digest of all that decides the rows of some arguments; None where a version cannot be told."""
        survey, versions = self.survey, list[tuple[str, str | None]]()
        for node in {node.name: node for name in names for node in survey.graph.below(name)}.values():
            if not isinstance(node, Source):
                versions.append((node.name, survey.fold(node.name).digest))
            elif (version := survey.sources.now(node.name).version) is not None:
                versions.append((node.name, version))
            else:
                return None
        found = {"code": survey.code(asset).digest, "versions": versions, **facts}
        return digest_of({name: json.dumps(fact) for name, fact in found.items()})

    def _has_place(self) -> bool:
        """Whether there is a lake already: looking at what is none writes nothing."""
        return self.survey.disk.path(layout.BOOKKEEPING).is_dir()
