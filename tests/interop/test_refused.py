"""What lakehouse does not write, for some reader would not give it back: each type and each key, with its words."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest
from interop.columns import REFUSED, WRITTEN
from interop.keys import HARD
from interop.keys import REFUSED as REFUSED_KEYS
from interop.lakes import declare
from polars.datatypes import classes

from lakehouse import Categories, DefinitionError, Lake, Monthly

# Groups of types; Unknown is what a plan has before it is resolved, and no column can be of it.
NO_TYPES = {
    *("DataType", "NumericType", "IntegerType", "SignedIntegerType", "UnsignedIntegerType", "FloatType"),
    *("TemporalType", "NestedType", "ObjectType", "BaseExtension", "Unknown"),
}


def _kinds(kind: type) -> Iterator[type]:
    yield kind
    for below in kind.__subclasses__():
        yield from _kinds(below)


def test_every_type_of_polars_is_written_or_refused() -> None:
    there = {kind.__name__ for kind in _kinds(classes.DataType) if kind.__module__.startswith("polars.")}
    asked = {type(column.dtype).__name__ for column in WRITTEN.values()}
    asked |= {type(series.dtype).__name__ for series, _ in REFUSED.values()}
    assert asked == there - NO_TYPES


@pytest.mark.parametrize("name", REFUSED)
def test_a_refused_type_is_not_written_and_the_refusal_says_what_would_be(name: str, tmp_path: Path) -> None:
    series, cure = REFUSED[name]
    lake = Lake(tmp_path / "lake")
    declare(lake, "one", Monthly("2018-01", end="2018-02"), {"2018-01": pl.DataFrame({"c": series})}, "1")
    (made,) = lake.materialize("all", on_failure="return")
    assert made.result == "blocked"
    assert made.error is not None
    assert made.error["message"].endswith(", which not every reader of Parquet gives back as it was")
    assert made.error["help"] == f'write pl.col("c"){cure}'
    assert not (tmp_path / "lake/one").exists()


@pytest.mark.parametrize("value", REFUSED_KEYS, ids=ascii)
def test_a_refused_key_cannot_be_declared(value: str) -> None:
    with pytest.raises(DefinitionError) as caught:
        Categories("key", ["fine", value])
    assert REFUSED_KEYS[value] in caught.value.message


def test_there_are_forty_hard_keys() -> None:
    assert len(set(HARD)) >= 40
