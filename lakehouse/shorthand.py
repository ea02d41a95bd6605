"""Keys as a person would select them: a list of keys -> the shortest text that names just those.

Knows how neighbours, dimensions and combinations are drawn together. Knows no clock and no states.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lakehouse.errors import PartitionKeyError
from lakehouse.grammar import Dims, Item, Quoted, Range, Value, naming, naming_in_path
from lakehouse.partitions import Dimension, Partitions, Product, Unpartitioned
from lakehouse.partitions.dimension import ANY_TIME

__all__ = ["describe"]


_Box = tuple[tuple[str, ...], ...]
"""Values for each dimension, in each of whose combinations there is a key."""


def describe(keys: Iterable[str], partitions: Partitions) -> str:
    """Keys as a person would select them, neighbours drawn together; selected so, they are the same keys again.

    >>> from lakehouse.partitions import Categories, Monthly
    >>> describe(["2018-01", "2018-02", "2018-03", "2018-06"], Monthly("2018-01"))
    '2018-01..2018-03, 2018-06'
    >>> product = Categories("region", ["eu", "us"]) * Monthly("2018-01")
    >>> describe(["region=eu/partition_date=2018-01", "region=eu/partition_date=2018-02"], product)
    'region=eu/partition_date=2018-01..2018-02'
    """
    if isinstance(partitions, Product):
        return ", ".join(map(str, _of_product(keys, partitions)))
    if isinstance(partitions, Unpartitioned):
        return ", ".join(keys)
    return ", ".join(map(str, _runs(keys, partitions.dimensions[0], in_path=False)))


def _runs(keys: Iterable[str], dimension: Dimension, *, in_path: bool) -> list[Value]:
    """Keys of one dimension, those that are neighbours as a range."""
    runs: list[tuple[str, str]] = []
    for key in keys:
        if runs and _are_neighbours(dimension, runs[-1][1], key):
            runs[-1] = (runs[-1][0], key)
        else:
            runs.append((key, key))
    named = naming_in_path if in_path else naming
    return [named(first) if first == last else Range(named(first), named(last)) for first, last in runs]


def _are_neighbours(dimension: Dimension, one: str, other: str) -> bool:
    try:
        return dimension.are_neighbours(one, other)
    except PartitionKeyError:  # the folder of a key that an earlier definition had
        return False


def _of_product(keys: Iterable[str], product: Product) -> list[Item]:
    """One item or more for each box, then those keys that are no keys of these dimensions."""
    boxes: list[_Box] = []
    others: list[Item] = []
    for key in keys:
        try:
            boxes.append(tuple((value,) for value in product.values(key)))
        except PartitionKeyError:
            others.append(Quoted(key))
    time = product.time
    numbers = [*range(len(product.dimensions))][::-1]
    for number in sorted(numbers, key=lambda number: product.dimensions[number] is not time):  # time first
        boxes = _merged(boxes, number)
    complete = [None if each is time else frozenset(each.keys(ANY_TIME)) for each in product.dimensions]
    return [item for box in boxes for item in _items(box, product, complete)] + others


def _merged(boxes: Sequence[_Box], number: int) -> list[_Box]:
    """Boxes that differ in one dimension alone made one, in the order of the first of each."""
    values: dict[_Box, list[str]] = {}
    for box in boxes:
        values.setdefault(box[:number] + box[number + 1 :], []).extend(box[number])
    return [(*rest[:number], tuple(found), *rest[number:]) for rest, found in values.items()]


def _items(box: _Box, product: Product, complete: Sequence[frozenset[str] | None]) -> list[Item]:
    """A box with only those dimensions named that do not hold all their keys; just the time, where it is alone."""
    told = [number for number, values in enumerate(box) if complete[number] != frozenset(values)] or [0]
    dimensions = product.dimensions
    if [dimensions[number] for number in told] == [product.time]:
        return [*_runs(box[told[0]], dimensions[told[0]], in_path=False)]
    named = (
        (dimensions[number].column, tuple(_runs(box[number], dimensions[number], in_path=True))) for number in told
    )
    return [Dims(tuple(named))]
