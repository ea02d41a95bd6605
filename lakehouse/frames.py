"""What an asset's function is given: one LazyFrame an upstream, with just the rows of the requested keys.

Knows which rows belong to which key. Refuses to run a query.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Final

import polars as pl
from msgspec import field

from lakehouse.assets import Asset, Source
from lakehouse.calls import ENGINE_ERRORS, engine_error
from lakehouse.dtypes import parse_type
from lakehouse.errors import DefinitionError
from lakehouse.mapping import Link
from lakehouse.partitions.dimension import ANY_TIME, Dimension, Partitions
from lakehouse.partitions.timekinds import TimePartitions
from lakehouse.reading import Reader, published
from lakehouse.rules import OWN, All, Keys, Latest, Periods
from lakehouse.sources.now import ONE_PASS
from lakehouse.windows import limit

__all__ = ["Frames"]

_KEY_TYPES: Final = (pl.String, pl.Categorical, pl.Enum)


class Frames(Reader, eq=False, kw_only=True):
    """Builds the frames of one asset.

    Attributes:
        asset: whose function is to be called; what is read is what it is made of.
        partitions: the asset's, all keys told.
        links: of what the function reads, what is stored by key, with the rule from key to key.
        reads: by name and key, the upstream keys that there are.
        keys: those that are asked for.
        upstream_bytes: the size of the files that are read for them of other assets.
    """

    asset: Asset
    partitions: Partitions
    links: Mapping[str, Link]
    reads: Callable[[str, str], Sequence[str]]
    keys: Sequence[str] = ()
    upstream_bytes: int = 0
    _carried: dict[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def size_bytes(self) -> int:
        """How much is read; of the rows that a function gives, what is known by now: once it was called."""
        return self.upstream_bytes + sum(now.size_bytes for now in self.sources.values())

    @property
    def unskippable_bytes(self) -> int:
        """How much of that is read whatever is asked of it."""
        return sum(now.size_bytes for now in self.sources.values() if now.source.format in ONE_PASS)

    def arguments(self, keys: Sequence[str]) -> dict[str, pl.LazyFrame]:
        """The function's arguments by name, for these keys."""
        return {name: self.argument(name, keys) for name in self.asset.reads}

    def argument(self, name: str, keys: Sequence[str]) -> pl.LazyFrame:
        """One of them: the rows of these keys, with the partition columns that it carries.

        Raises:
            DefinitionError: its rows cannot be told apart by key.
        """
        if name in self.links:
            return self._stored(name, keys)
        frame, carried = self.whole(name), self.carried(name)
        if not carried:
            return frame
        rule = self.asset.rules.get(name)
        if isinstance(rule, Periods) and rule != OWN:
            return self._periods(frame, name, rule, keys)
        return self._limited(frame, name, carried, keys)

    def every(self, name: str, keys: Sequence[str]) -> pl.LazyFrame:
        """The rows that something without keys of its own has for each of these keys, whatever rule it is read by."""
        carried = self.carried(name)
        return self._limited(self.whole(name), name, carried, keys) if carried else self.whole(name)

    def values_of(self, name: str, column: str) -> pl.LazyFrame | None:
        """The values of a partition column in an argument; None where it does not carry that column."""
        if column not in self.carried(name):
            return None
        if name not in self.links:
            return self.whole(name).select(pl.col(column).cast(pl.String).unique())
        node, upstream = self.graph.node(name), self.links[name].upstream
        if isinstance(node, Asset):
            known = self.upstream[name].keys.items()
            keys = [key for key, state in known if state.version is not None]
        else:
            keys = [*self.sources[name].keys]
        if column not in upstream.columns:
            return self._read(name, keys).select(pl.col(column).cast(pl.String).unique())
        place = upstream.columns.index(column)
        there = frozenset(upstream.dimensions[place].keys(ANY_TIME))  # what it has no longer is nobody's key
        found = sorted({value for key in keys if (value := upstream.values(key)[place]) in there})
        return pl.LazyFrame({column: found}, schema={column: pl.String})

    def extent(self) -> list[str]:
        """What decides, beside the code, which rows have no key: the definition's first and last keys, its values."""
        return [
            f"{d.first_key}..{d.final_key}" if isinstance(d, TimePartitions) else json.dumps(d.keys(ANY_TIME))
            for d in self.partitions.dimensions
        ]

    def carried(self, name: str) -> tuple[str, ...]:
        """The partition columns that an argument holds, by which its rows are told apart; none where it is whole."""
        if name not in self._carried:
            rule = self.asset.rules.get(name)
            is_whole = isinstance(rule, All | Keys) or not self.partitions.columns
            there = () if is_whole else {*self._paired(name), *self._found(name)}
            self._carried[name] = tuple(column for column in self.partitions.columns if column in there)
        return self._carried[name]

    def _paired(self, name: str) -> list[str]:
        """The partition columns that what is stored by key has by its keys."""
        if name not in self.links:
            return []
        link = self.links[name]
        pairs = [pair for pair in link.pairs if pair is not None]
        is_latest = isinstance(link.rule, Latest)
        return [pair.column for pair in pairs if not (is_latest and isinstance(pair, TimePartitions))]

    def _found(self, name: str) -> list[str]:
        """The partition columns of which something has no keys: told by ``time=``, or there by name."""
        paired = {pair.column for pair in self.links[name].pairs if pair} if name in self.links else set[str]()
        lacking = [dimension for dimension in self.partitions.dimensions if dimension.column not in paired]
        time = self.time_of(name)
        if all(time and dimension is self.partitions.time for dimension in lacking):
            return [dimension.column for dimension in lacking]
        columns = self._columns(name)
        return [
            dimension.column
            for dimension in lacking
            if (time and dimension is self.partitions.time)
            or _is_key_column(columns.get(dimension.column), dimension, name)
        ]

    def _columns(self, name: str) -> Mapping[str, pl.DataType]:
        """The columns that something has by itself, those of its keys left out."""
        node = self.graph.node(name)
        if isinstance(node, Asset):
            return {column: parse_type(kind) for column, kind in self.upstream[name].schema or ()}
        try:
            if name not in self.links:
                return self.whole(name).collect_schema()
            now, own = self.sources[name], self.links[name].upstream.columns
            columns = now.only(now.keys[:1]).scan(self.spool).collect_schema()
        except ENGINE_ERRORS as error:
            raise engine_error(error, name) from error
        return {column: dtype for column, dtype in columns.items() if column not in own}

    def time_of(self, name: str) -> str | None:
        """The time column of something that has no windows of its own."""
        has_windows = name in self.links and self.links[name].upstream.time is not None
        return None if has_windows else self.graph.node(name).time

    def limited(self) -> list[str]:
        """The arguments without keys of their own whose rows are told apart by key."""
        return [name for name in self.asset.reads if name not in self.links and self.carried(name)]

    def cut_by_column(self) -> dict[str, tuple[str, ...]]:
        """What is stored by key and cut by columns beside those of its keys: by name, those columns."""
        cut = {name: set(self.carried(name)) - set(self._paired(name)) for name in self.links}
        return {name: tuple(sorted(columns)) for name, columns in cut.items() if columns}

    def uncut(self, name: str) -> pl.LazyFrame:
        """The rows of something stored by key for the keys that are asked for, before they are cut by any column."""
        return self._read(name, list(dict.fromkeys(upper for key in self.keys for upper in self.reads(name, key))))

    def unread_values(self, name: str) -> dict[str, list[str]]:
        """By column, the values that something stored by key has and the asset does not list: they are not read."""
        link, found = self.links[name], dict[str, list[str]]()
        node = self.graph.node(name)
        if isinstance(node, Asset):
            made = [key for key, state in self.upstream[name].keys.items() if state.version is not None]
        else:
            made = [*self.sources[name].keys]
        for place, mine in enumerate(link.pairs):
            if mine is None or isinstance(mine, TimePartitions) or mine.column not in self.carried(name):
                continue
            listed = frozenset(mine.keys(ANY_TIME))
            if strangers := sorted({link.upstream.values(key)[place] for key in made} - listed):
                found[mine.column] = strangers
        return found

    def is_one_pass(self, name: str) -> bool:
        """Whether nothing below a name can be skipped: queries of it lose nothing by being run together."""
        return all(isinstance(node, Source) and node.format in ONE_PASS for node in self.graph.below(name))

    def below_views(self) -> list[str]:
        """The upstream assets that lie below the views whose rows are limited."""
        below = {node.name: node for name in self.limited() for node in self.graph.inputs(name)}
        return [name for name, node in below.items() if isinstance(node, Asset)]

    def read_keys(self) -> dict[str, Sequence[str]]:
        """The keys of each upstream asset whose files may be read; all of them, where a view reads it."""
        below = {node.name for name in self.asset.reads if name not in self.links for node in self.graph.below(name)}
        return {
            name: [*fold.keys]
            if name in below
            else list(dict.fromkeys(upper for key in self.keys for upper in self.reads(name, key)))
            for name, fold in self.upstream.items()
        }

    def keyed(self) -> list[str]:
        """The arguments that hold the rows of the requested keys and no others, with every partition column."""
        return [name for name in self.asset.reads if self.carried(name) == self.partitions.columns]

    def narrowed(self, arguments: Mapping[str, pl.LazyFrame], key: str) -> dict[str, pl.LazyFrame]:
        """The arguments of several keys cut to one of them."""
        values = dict(zip(self.partitions.columns, self.partitions.values(key), strict=True))
        return {
            name: frame.filter([pl.col(column) == values[column] for column in self.carried(name)])
            if self.carried(name)
            else frame
            for name, frame in arguments.items()
        }

    def is_shared_row(self, keys: Sequence[str]) -> bool:
        """Whether some row is read by several of these keys, so that each has to be computed by itself."""
        for name in self.asset.reads:
            rule = self.asset.rules.get(name)
            if isinstance(rule, Periods) and rule != OWN:
                return True
            if name in self.links and self._own_windows(name, keys) is None:
                return True
        return False

    def _limited(self, frame: pl.LazyFrame, name: str, carried: Sequence[str], keys: Sequence[str]) -> pl.LazyFrame:
        """The rows that have one of the keys' values in each of these columns."""
        time = self.time_of(name)
        for dimension in (dimension for dimension in self.partitions.dimensions if dimension.column in carried):
            column, values = pl.col(dimension.column), [value for (value,) in self._wanted([dimension.column], keys)]
            if time and isinstance(dimension, TimePartitions):
                frame = limit(frame, time, dimension, values, of=name, into=dimension.column)
            else:
                frame = frame.filter(column.cast(pl.String).is_in(values)).with_columns(column.cast(pl.String))
        return self._combined(frame, carried, keys)

    def _combined(self, frame: pl.LazyFrame, carried: Sequence[str], keys: Sequence[str]) -> pl.LazyFrame:
        """The rows without those that have a value of one key in one column, and of another key in another."""
        wanted = self._wanted(carried, keys)
        if len(carried) <= 1 or len(wanted) == prod(len(self._wanted([column], keys)) for column in carried):
            return frame
        mark = pl.concat_str(carried, separator="\0")
        return frame.filter(mark.is_in(["\0".join(values) for values in wanted]))

    def _wanted(self, columns: Sequence[str], keys: Sequence[str]) -> list[tuple[str, ...]]:
        """The values that some keys have in these columns, without repetition."""
        places = [self.partitions.columns.index(column) for column in columns]
        every = map(self.partitions.values, keys)
        return list(dict.fromkeys(tuple(values[place] for place in places) for values in every))

    def _periods(self, frame: pl.LazyFrame, name: str, rule: Periods, keys: Sequence[str]) -> pl.LazyFrame:
        """The rows of the windows around one key, each with its own window's key beside the key."""
        windows, (key,) = self.partitions.time, keys
        assert windows is not None  # noqa: S101  the graph has looked
        own = dict(zip(self.partitions.columns, self.partitions.values(key), strict=True))
        value = own[windows.column]
        around = [windows.shift(value, number) for number in range(rule.first, rule.last + 1)]
        time = self.time_of(name)
        assert time is not None  # noqa: S101  likewise
        frame = limit(frame, time, windows, around, of=name, into=f"upstream_{windows.column}")
        others = [column for column in self.carried(name) if column != windows.column]
        frame = frame.filter([pl.col(column).cast(pl.String) == own[column] for column in others] or [pl.lit(True)])  # noqa: FBT003
        return frame.with_columns(pl.lit(own[column]).alias(column) for column in self.carried(name))

    def _stored(self, name: str, keys: Sequence[str]) -> pl.LazyFrame:
        """The rows of what is stored by key, with the asset's keys in the partition columns that it carries."""
        link, carried, paired = self.links[name], self.carried(name), self._paired(name)
        frame = self._read(name, list(dict.fromkeys(upper for key in keys for upper in self.reads(name, key))))
        for number, (theirs, mine) in enumerate(zip(link.upstream.dimensions, link.pairs, strict=True)):
            if mine is not None and mine.column in carried:
                if not link.is_same(number):
                    frame = self._with_own_window(frame, name, theirs, keys)
                elif theirs.column != mine.column:
                    frame = self._renamed(frame, name, theirs.column, mine.column)
            elif theirs.column in self.partitions.columns:
                frame = self._renamed(frame, name, theirs.column, f"upstream_{theirs.column}")
        if link.is_same_key:
            return frame
        frame = self._limited(frame, name, [column for column in carried if column not in paired], keys)
        return self._combined(frame, carried, keys)

    def _read(self, name: str, keys: Sequence[str]) -> pl.LazyFrame:
        """The rows of these keys of something that is stored by key, as they are."""
        node = self.graph.node(name)
        if isinstance(node, Asset):
            return published(self.root, node, self.upstream[name], keys)
        return self.rows_of(self.sources[name].only(keys))

    def _renamed(self, frame: pl.LazyFrame, name: str, old: str, new: str) -> pl.LazyFrame:
        """A column of keys under another name.

        Raises:
            DefinitionError: there is a column of that name.
        """
        self._require_free(frame, name, new)
        return frame.rename({old: new})

    def _require_free(self, frame: pl.LazyFrame, name: str, column: str) -> None:
        if column in frame.collect_schema():
            raise DefinitionError(
                f"{name!r} has a column {column!r} of its own, and its keys would replace it ({self.asset.where})",
                help=f"give it another name where {name} is made",
            )

    def _with_own_window(
        self, frame: pl.LazyFrame, name: str, theirs: Dimension, keys: Sequence[str]
    ) -> pl.LazyFrame:
        """The key of the asset's window in the partition column, and the upstream's own key beside it."""
        windows, kept = self.partitions.time, f"upstream_{theirs.column}"
        assert windows is not None  # noqa: S101  they are paired
        frame = self._renamed(frame, name, theirs.column, kept)
        place = self.partitions.columns.index(windows.column)
        values = list(dict.fromkeys(self.partitions.values(key)[place] for key in keys))
        node, rule = self.graph.node(name), self.asset.rules.get(name)
        if rule in (None, OWN) and isinstance(node, Asset | Source) and node.time:
            return limit(frame, node.time, windows, values, of=name, into=windows.column)
        self._require_free(frame, name, windows.column)
        if len(values) == 1:
            return frame.with_columns(pl.lit(values[0]).alias(windows.column))
        owner = self._own_windows(name, keys) or {}
        key = pl.col(kept).replace_strict(owner, return_dtype=pl.String)
        return frame.with_columns(key.alias(windows.column))

    def _own_windows(self, name: str, keys: Sequence[str]) -> dict[str, str] | None:
        """Of each upstream window that some keys read, the key that does; None where one is read by several."""
        link, windows, node = self.links[name], self.partitions.time, self.graph.node(name)
        number = next((n for n, theirs in enumerate(link.upstream.dimensions) if theirs is link.upstream.time), None)
        if windows is None or number is None or windows.column not in self.carried(name) or link.is_same(number):
            return {}
        if isinstance(node, Asset | Source) and node.time and link.rule in (None, OWN):
            return {}  # cut by its own time
        place, owner = self.partitions.columns.index(windows.column), dict[str, str]()
        for key in keys:
            own = self.partitions.values(key)[place]
            for upper in self.reads(name, key):
                if owner.setdefault(link.upstream.values(upper)[number], own) != own:
                    return None
        return owner


def _is_key_column(dtype: pl.DataType | None, dimension: Dimension, name: str) -> bool:
    """Whether rows can be told apart by a column that is there by the partition column's name.

    Raises:
        DefinitionError: it should, and holds no text; with the cast that helps.
    """
    if dtype is None or isinstance(dimension, TimePartitions):
        return dtype == pl.String
    if not isinstance(dtype, _KEY_TYPES):
        column = dimension.column
        raise DefinitionError(
            f"{name}.{column} is {dtype}, and partition keys are text",
            help=f'cast it in a view: pl.col("{column}").cast(pl.String)',
        )
    return True
