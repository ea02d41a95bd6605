"""The items of a selection that a person may be about to type.

Knows how an item begins. Knows no shell, no disk and no clock (``now`` comes in).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Final

from lakehouse.errors import PartitionKeyError
from lakehouse.grammar import naming, naming_in_path
from lakehouse.partitions.dimension import Dimension, Partitions

__all__ = ["MOST", "candidates"]

MOST: Final = 200
_FEW: Final = 20  # so many values of a further dimension are offered before its name is typed
_RANGE: Final = re.compile(r"(.+?)(\.\.\.?)(.*)", re.DOTALL)
_PERIODS: Final = (4, 7, 10)  # letters of 2018, 2018-02 and 2018-02-01


def candidates(definitions: Sequence[Partitions], typed: str, now: datetime) -> list[str]:
    """What the text may become: longer periods first, then keys, as long as they are not too many.

    Args:
        definitions: of the assets that the selection may be about.
        typed: so far; of several items with commas between them, the last is completed.
        now: the present instant.
    """
    before, comma, item = typed.rpartition(",")
    stem = before + comma
    if "=" in item:
        folders, slash, last = item.rpartition("/")
        column, _, text = last.partition("=")
        dimensions = [d for partitions in definitions for d in partitions.dimensions if d.column == column]
        found = _values(dimensions, text, now, written=naming_in_path)
        return [f"{stem}{folders}{slash}{column}={value}" for value in found]
    main = [*_main(definitions)]
    if match := _RANGE.fullmatch(item):
        first, dots, text = match.groups()
        return [f"{stem}{first}{dots}{value}" for value in _values(main, text, now, after=first)]
    words = [word for word in ("all", "latest") if word.startswith(item)]
    found = [*_values(main, item, now), *_others(definitions, item, now), *words]
    return [stem + text for text in dict.fromkeys(found)][:MOST]


def _main(definitions: Iterable[Partitions]) -> Iterator[Dimension]:
    """The dimensions whose keys are typed without their column: the time, or the only one."""
    for partitions in definitions:
        if partitions.time is not None:
            yield partitions.time
        elif len(partitions.dimensions) == 1:
            yield partitions.dimensions[0]


def _others(definitions: Iterable[Partitions], typed: str, now: datetime) -> Iterator[str]:
    """``region=eu`` of dimensions whose column has to be typed; of many values, ``region=``."""
    for partitions in definitions:
        if len(partitions.dimensions) > 1:
            for dimension in partitions.dimensions:
                if dimension is not partitions.time and dimension.column.startswith(typed):
                    keys = dimension.keys(now)
                    values = map(naming_in_path, keys) if len(keys) <= _FEW else [""]
                    yield from (f"{dimension.column}={value}" for value in values)


def _values(
    dimensions: Iterable[Dimension],
    typed: str,
    now: datetime,
    *,
    after: str | None = None,
    written: Callable[[str], object] = naming,
) -> list[str]:
    """Values and the longer periods that hold some, which begin as typed; the longest periods first."""
    levels: list[dict[str, None]] = [{} for _ in range(len(_PERIODS) + 1)]
    for dimension in dimensions:
        keys = _keys(dimension, typed, now)
        if after is not None:
            keys = _from(dimension, keys, after)
        begun = [key for key in keys if key.startswith(typed)]
        levels[-1] |= dict.fromkeys(str(written(key)) for key in begun)
        for level, letters in zip(levels, _PERIODS, strict=False):
            texts = dict.fromkeys(key[:letters] for key in begun if len(key) > letters >= len(typed))
            level |= {text: None for text in texts if dimension.coarser(text) is not None}
    found: list[str] = []
    for level in levels:
        if found and len(found) + len(level) > MOST:
            break
        found += level
    return [*dict.fromkeys(found)][:MOST]


def _keys(dimension: Dimension, typed: str, now: datetime) -> list[str]:
    """The keys, not many more than those that begin as typed: of hours there may be a hundred thousand."""
    time = dimension.time
    for letters in reversed(_PERIODS):
        if time is not None and len(typed) >= letters and (span := time.coarser(typed[:letters])):
            if (last := time.last_key(now)) is None:
                return []
            return time.between(max(span[0], time.first_key, key=time.index), min(span[1], last, key=time.index))
    return dimension.keys(now)


def _from(dimension: Dimension, keys: list[str], first: str) -> list[str]:
    """The keys from one on, or from the first of a longer period."""
    span = dimension.coarser(first)
    begin = span[0] if span else first
    if begin in keys:
        return keys[keys.index(begin) :]
    time = dimension.time
    if time is None:
        return []
    with suppress(PartitionKeyError):
        return [key for key in keys if time.index(key) >= time.index(begin)]
    return []
