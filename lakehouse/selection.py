"""Selections: what a person asks for, resolved to the keys of each asset.

Knows which keys of a definition an item names; how items read and are written it leaves to `lakehouse.grammar`.
Knows no states, of assets only their names, and no clock (``now`` comes in); refuses to clip or guess: what a
definition does not have is an error.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from lakehouse.callsite import CallSite
from lakehouse.errors import AssetUnknownError, LakeError, RequestError
from lakehouse.grammar import Dims, Glob, Item, Quoted, Range, Word, naming, read
from lakehouse.partitions import Monthly

__all__ = ["Dims", "Glob", "Quoted", "Range", "Resolution", "Scope", "Selection", "Word", "describe", "resolve_all"]

_NAMES_SHOWN = 8


@dataclass(frozen=True, slots=True)
class Scope:
    """An asset that a selection may be about, and where it was defined."""

    asset: str
    partitions: Monthly
    where: CallSite | str


@dataclass(frozen=True, slots=True)
class Resolution:
    """The keys of each asset in scope, in declared order; of every other asset, the reason why it is not."""

    keys_by_asset: dict[str, list[str]]
    out_of_scope: dict[str, LakeError]


@dataclass(frozen=True, slots=True)
class Selection:
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
        return sorted({*first}.union(*others), key=scope.partitions.index) if others else first


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


def describe(keys: Iterable[str], partitions: Monthly) -> str:
    """Keys as a person would select them, neighbours drawn together.

    >>> describe(["2018-01", "2018-02", "2018-03", "2018-06"], Monthly("2018-01"))
    '2018-01..2018-03, 2018-06'
    """
    runs: list[tuple[str, str]] = []
    for key in keys:
        if runs and partitions.index(key) == partitions.index(runs[-1][1]) + 1:
            runs[-1] = (runs[-1][0], key)
        else:
            runs.append((key, key))
    ends = ((naming(first), naming(last)) for first, last in runs)
    return ", ".join(str(first if first == last else Range(first, last)) for first, last in ends)


@dataclass(frozen=True, slots=True)
class _Request:
    """What one asset has at one instant, asked for items."""

    scope: Scope
    now: datetime
    include_current: bool | None

    def keys(self, item: Item) -> list[str]:
        """The keys that an item names, in declared order."""
        partitions = self.scope.partitions
        match item:
            case Word("all"):
                return partitions.keys(self.now, self.include_current)
            case Word("latest"):
                last = partitions.last_key(self.now, self.include_current)
                return self._found([last] if last else [], "latest")
            case Word() | Quoted():
                return partitions.between(*self._span(item))
            case Range(first, last):
                return self._between(first, last)
            case Glob(pattern):
                return self._found([*filter(_matcher(pattern), self.keys(Word("all")))], pattern)
            case Dims(values):
                for name, _ in values:
                    self._require_dimension(name)
                return self.keys(values[0][1])  # there is one column, and none is named twice

    def _span(self, named: Word | Quoted) -> tuple[str, str]:
        """The first and last key that a text names: both its key or, of a coarser date, what there is of it."""
        partitions, text = self.scope.partitions, named.text
        if isinstance(named, Word) and (span := partitions.coarser(text)):
            last = partitions.last_key(self.now, self.include_current)
            first = max(span[0], partitions.first_key, key=partitions.index)
            last = min(span[1], last, key=partitions.index) if last else None
            found = self._found(partitions.between(first, last) if last else [], text)
            return found[0], found[-1]
        key = partitions.parse(text, exact=isinstance(named, Quoted), also=self._extent())
        partitions.check(key, self.now, self.scope.asset, self.scope.where, self.include_current)
        return key, key

    def _between(self, first: Word | Quoted | None, last: Word | Quoted | None) -> list[str]:
        partitions = self.scope.partitions
        begin = self._span(first)[0] if first else partitions.first_key
        end = self._span(last)[1] if last else partitions.last_key(self.now, self.include_current)
        if end is None:
            return []
        if partitions.index(begin) > partitions.index(end):
            message, cure = f"{first}..{last} is reversed", f"did you mean {last}..{first}?"
            raise RequestError(message, code="range-reversed", help=cure)
        return partitions.between(begin, end)

    def _found(self, keys: list[str], text: str) -> list[str]:
        if keys:
            return keys
        message = f"{text} matches no partition of {self.scope.asset}"
        raise RequestError(message, code="partition-unmatched", help=self._extent())

    def _extent(self) -> str:
        return f"{self.scope.asset} has {self.scope.partitions.extent(self.now, self.include_current)}"

    def _require_dimension(self, name: str) -> None:
        columns = self.scope.partitions.columns
        if name not in columns:
            cure = _nearest(name, columns, "Dimensions")
            raise RequestError(f"{self.scope.asset} has no dimension {name!r}", code="dimension-unknown", help=cure)


def _matcher(pattern: str) -> Callable[[str], re.Match[str] | None]:
    escaped = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(escaped, re.DOTALL).fullmatch


def _nearest(name: str, names: Sequence[str], title: str) -> str:
    import difflib  # only for errors

    near = difflib.get_close_matches(name, names, n=1, cutoff=0.6)
    guess = f"did you mean {near[0]!r}? " if near else ""
    more = ", …" if len(names) > _NAMES_SHOWN else ""
    return f"{guess}{title}: {', '.join(names[:_NAMES_SHOWN])}{more}"
