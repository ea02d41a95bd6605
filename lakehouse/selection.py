"""Selections: what a person asks for, resolved to the keys of each asset.

Knows which keys of a definition an item names; how items read and are written it leaves to `lakehouse.grammar`, and
how keys are written as items to `lakehouse.shorthand`.
Knows no states, of assets only their names, and no clock (``now`` comes in); refuses to clip or guess: what a
definition does not have is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime

from msgspec import Struct, field

from lakehouse.callsite import CallSite
from lakehouse.errors import AssetUnknownError, LakeError, PartitionKeyError, RequestError
from lakehouse.grammar import Dims, Glob, Item, Quoted, Range, Value, Word, naming_in_path, read
from lakehouse.partitions import Dimension, Partitions, Product
from lakehouse.shorthand import describe

__all__ = ["Dims", "Glob", "Quoted", "Range", "Resolution", "Scope", "Selection", "Word", "describe", "resolve_all"]

_NAMES_SHOWN = 8


class Scope(Struct, frozen=True):
    """An asset that a selection may be about, and where it was defined."""

    asset: str
    partitions: Partitions
    where: CallSite | str


class Resolution(Struct, frozen=True):
    """The keys of each asset in scope, in declared order; of every other asset, the reason why it is not.

    Attributes:
        keys_by_asset: by name, what was asked for.
        out_of_scope: assets of which the selection names nothing.
        faults: assets whose keys cannot be told, or are no longer those that they were made with.
    """

    keys_by_asset: dict[str, list[str]]
    out_of_scope: dict[str, LakeError]
    faults: dict[str, LakeError] = field(default_factory=dict)


class Selection(Struct, frozen=True):
    """The items that a person asked for; ``str`` writes them so that ``parse`` reads them back."""

    items: tuple[Item, ...]

    @classmethod
    def parse(cls, texts: str | Iterable[str]) -> Selection:
        """The items of texts, in each separated by spaces or commas.

        >>> str(Selection.parse("[2018-01...2018-03],latest"))
        '2018-01..2018-03 latest'

        Raises:
            RequestError: there is no item, a quote is not closed, or an item has no place in the grammar.
        """
        return cls(read(texts))

    def __str__(self) -> str:
        return " ".join(map(str, self.items))

    @property
    def assets(self) -> tuple[str, ...]:
        """The assets that paths among the items name; where there are any, only these are in scope."""
        return tuple(dict.fromkeys(i.asset for i in self.items if isinstance(i, Dims) and i.asset is not None))

    def resolve(self, scope: Scope, now: datetime, include_current: bool | None = None) -> list[str]:  # noqa: FBT001
        """The keys of one asset by ``now``, in declared order without duplicates.

        Raises:
            RequestError: an item does not name anything that the definition has by ``now``.
        """
        if self.assets and scope.asset not in self.assets:
            raise RequestError(f"the path names {' and '.join(self.assets)}, not {scope.asset}")
        request = _Request(scope, now, include_current)
        items = (i for i in self.items if not isinstance(i, Dims) or i.asset in {None, scope.asset})
        first, *others = [request.keys(item) for item in items]
        return sorted({*first}.union(*others), key=scope.partitions.order) if others else first


def resolve_all(
    selection: Selection,
    scopes: Sequence[Scope],
    now: datetime,
    include_current: bool | None = None,  # noqa: FBT001
) -> Resolution:
    """The keys of every asset on which each item resolves.

    Raises:
        AssetUnknownError: a path names an asset that is none of ``scopes``.
        RequestError: no asset is in scope (the first one's error), or one that a path names is not.
    """
    names = [scope.asset for scope in scopes]
    for name in selection.assets:
        if name not in names:
            raise AssetUnknownError(f"no asset {name!r}", help=_nearest(name, names, "Assets"))
    resolution = Resolution({}, {})
    for scope in scopes:
        try:
            resolution.keys_by_asset[scope.asset] = selection.resolve(scope, now, include_current)
        except RequestError as error:
            if scope.asset in selection.assets:
                raise
            resolution.out_of_scope[scope.asset] = error
    if resolution.out_of_scope and not resolution.keys_by_asset:
        raise resolution.out_of_scope[names[0]]
    return resolution


class _Request(Struct, frozen=True):
    """What one asset has at one instant, asked for items."""

    scope: Scope
    now: datetime
    include_current: bool | None

    def keys(self, item: Item) -> list[str]:
        """The keys that an item names, in order."""
        partitions = self.scope.partitions
        if item == Word("all"):
            return partitions.keys(self.now, self.include_current)
        if item == Word("latest") and partitions.time is None:  # none is later than another
            return self._found(partitions.keys(self.now, self.include_current), "latest")
        if not partitions.dimensions:
            return self._undivided(item)
        if isinstance(item, Dims):
            return self._combined({name: self._union(self._dimension(name), values) for name, values in item.values})
        if isinstance(item, Quoted) and (key := self._whole(item.text)) is not None:
            return [key]
        dimension = self._plain(item)
        try:
            return self._combined({dimension.column: self._values(dimension, item)})
        except PartitionKeyError as error:
            if not (named := self._elsewhere(item, dimension)):
                raise
            message, facts = error.message, error.context
            raise PartitionKeyError(message, code=error.code, help=f"write {named}", context=facts) from None

    def _undivided(self, item: Item) -> list[str]:
        """What an item names of an asset that is not partitioned."""
        partitions, asset = self.scope.partitions, self.scope.asset
        if isinstance(item, Dims):
            self._dimension(item.values[0][0])
        key = item.text if isinstance(item, Word | Quoted) else str(item)
        partitions.check(key, self.now, asset, self.scope.where, self.include_current)
        return [key]

    def _combined(self, chosen: dict[str, list[str]]) -> list[str]:
        """The keys with these values in the columns named, and any in the others."""
        partitions = self.scope.partitions
        if not isinstance(partitions, Product):
            return chosen[partitions.columns[0]]
        return partitions.combinations(
            [
                chosen[dimension.column]
                if dimension.column in chosen
                else dimension.keys(self.now, self.include_current)
                for dimension in partitions.dimensions
            ]
        )

    def _union(self, dimension: Dimension, items: Sequence[Value]) -> list[str]:
        first, *others = [self._values(dimension, item) for item in items]
        return sorted({*first}.union(*others), key=dimension.order) if others else first

    def _values(self, dimension: Dimension, item: Value) -> list[str]:
        """The keys of one dimension that an item names, in order."""
        match item:
            case Word("all"):
                return dimension.keys(self.now, self.include_current)
            case Word("latest"):
                return self._found(dimension.latest(self.now, self.include_current), "latest")
            case Word() | Quoted():
                return dimension.between(*self._span(dimension, item))
            case Range(first, last):
                return self._between(dimension, first, last)
            case Glob(pattern):
                keys = dimension.keys(self.now, self.include_current)
                return self._found([*filter(_matcher(pattern), keys)], pattern)

    def _span(self, dimension: Dimension, named: Word | Quoted) -> tuple[str, str]:
        """The first and last key that a text names: both its key or, of a coarser date, what there is of it."""
        text = named.text
        if isinstance(named, Word) and (span := dimension.coarser(text)):
            found: list[str] = []
            if ends := self._ends(dimension):
                begin, end = max(span[0], ends[0], key=dimension.order), min(span[1], ends[1], key=dimension.order)
                found = dimension.between(begin, end)
            found = self._found(found, text)
            return found[0], found[-1]
        key = dimension.parse(text, exact=isinstance(named, Quoted), also=self._extent())
        dimension.check(key, self.now, self.scope.asset, self.scope.where, self.include_current)
        return key, key

    def _between(self, dimension: Dimension, first: Word | Quoted | None, last: Word | Quoted | None) -> list[str]:
        begin = self._span(dimension, first)[0] if first else None
        end = self._span(dimension, last)[1] if last else None
        if begin is None or end is None:
            if (ends := self._ends(dimension)) is None:
                return []
            begin, end = begin or ends[0], end or ends[1]
        if dimension.order(begin) > dimension.order(end):
            message, cure = f"{first}..{last} is reversed", f"did you mean {last}..{first}?"
            raise RequestError(message, code="range-reversed", help=cure)
        return dimension.between(begin, end)

    def _ends(self, dimension: Dimension) -> tuple[str, str] | None:
        """The first and last key that a dimension has by now; None if it has none yet."""
        if (time := dimension.time) is not None:  # which knows them without listing all between
            last = time.last_key(self.now, self.include_current)
            return None if last is None else (time.first_key, last)
        keys = dimension.keys(self.now, self.include_current)
        return (keys[0], keys[-1]) if keys else None

    def _whole(self, text: str) -> str | None:
        """The key of several dimensions that a text is; None for any other text."""
        partitions = self.scope.partitions
        if not isinstance(partitions, Product):
            return None
        try:
            key = partitions.key(partitions.values(text))
        except PartitionKeyError:
            return None
        partitions.check(key, self.now, self.scope.asset, self.scope.where, self.include_current)
        return key

    def _plain(self, item: Value) -> Dimension:
        """The dimension that is meant where none is named: time, or the only one."""
        partitions = self.scope.partitions
        if partitions.time is not None:
            return partitions.time
        if len(partitions.dimensions) == 1:
            return partitions.dimensions[0]
        named = self._elsewhere(item, None) or f"{partitions.columns[0]}={self._example(partitions.dimensions[0])}"
        message = f"{item} is of no one dimension: {self.scope.asset} has {' × '.join(partitions.columns)}"
        raise RequestError(message, code="dimension-unnamed", help=f"write COLUMN=KEY, e.g. {named}")

    def _example(self, dimension: Dimension) -> str:
        ends = self._ends(dimension)
        return str(naming_in_path(ends[0])) if ends else "KEY"

    def _elsewhere(self, item: Value, tried: Dimension | None) -> str:
        """How the other dimension that has a key of this text is named; empty if none has."""
        if not isinstance(item, Word | Quoted):
            return ""
        for dimension in self.scope.partitions.dimensions:
            if dimension is not tried and item.text in dimension.keys(self.now, self.include_current):
                return f"{dimension.column}={naming_in_path(item.text)}"
        return ""

    def _found(self, keys: list[str], text: str) -> list[str]:
        if keys:
            return keys
        message = f"{text} matches no partition of {self.scope.asset}"
        raise RequestError(message, code="partition-unmatched", help=self._extent())

    def _extent(self) -> str:
        return f"{self.scope.asset} has {self.scope.partitions.extent(self.now, self.include_current)}"

    def _dimension(self, name: str) -> Dimension:
        dimensions = {dimension.column: dimension for dimension in self.scope.partitions.dimensions}
        if name not in dimensions:
            cure = _nearest(name, [*dimensions], "Dimensions") if dimensions else "it is not partitioned: write all"
            raise RequestError(f"{self.scope.asset} has no dimension {name!r}", code="dimension-unknown", help=cure)
        return dimensions[name]


def _matcher(pattern: str) -> Callable[[str], re.Match[str] | None]:
    escaped = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(escaped, re.DOTALL).fullmatch


def _nearest(name: str, names: Sequence[str], title: str) -> str:
    import difflib  # only for errors

    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    guess = f"did you mean {near[0]!r}? " if near else ""
    more = ", …" if len(names) > _NAMES_SHOWN else ""
    return f"{guess}{title}: {', '.join(names[:_NAMES_SHOWN])}{more}"
