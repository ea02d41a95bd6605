"""What a partition adds up to, held against what it was made of.

Knows figures of both sides and when they are the same. Refuses to know what becomes of a partition where they differ.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import polars as pl
from msgspec import Struct

from lakehouse.calls import ENGINE_ERRORS, engine_error
from lakehouse.checks.clauses import MISUSED
from lakehouse.checks.declared import Matches
from lakehouse.checks.failing import MOST_ROWS, kept_rows, said
from lakehouse.errors import ComputeError, LakeError, StorageError

if TYPE_CHECKING:
    from lakehouse.assets import Asset
    from lakehouse.frames import Frames

__all__ = ["Tallies", "Tally", "differences", "tallies_of"]

_OWN: Final = "\0own"
_THEIRS: Final = "\0theirs"
_NEAR: Final = 1e-9


class Tally(Struct, frozen=True):
    """The upstream's figures for one key: one row each value of the columns that they are told apart by."""

    frame: pl.DataFrame


class Tallies(Struct, frozen=True):
    """The upstream's figures for several keys, by the name of the check that asks for them.

    Attributes:
        carried: by check, the partition columns by which the upstream's rows are told apart.
        found: by check, the figures, and what they are where there are no rows; or why there are none.
    """

    carried: Mapping[str, tuple[str, ...]]
    found: Mapping[str, tuple[pl.DataFrame, pl.DataFrame] | LakeError]

    def of(self, partition: Mapping[str, str]) -> dict[str, Tally | LakeError]:
        """Those of one key, given by column."""
        told: dict[str, Tally | LakeError] = {}
        for name, figures in self.found.items():
            if isinstance(figures, LakeError):
                told[name] = figures
                continue
            every, none = figures
            its = [pl.col(column) == partition[column] for column in self.carried[name]]
            own = every.filter(its) if its else every
            told[name] = Tally(own if own.height or none.is_empty() else none)
        return told


def tallies_of(asset: Asset, frames: Frames, keys: Sequence[str]) -> Tallies:
    """What an asset's checks need to know of the upstream's rows of some keys, all of it in one query.

    Raises:
        StorageError: the disk is at fault.
    """
    rules = {check.name: check.rule for check in asset.checks if isinstance(check.rule, Matches)}
    carried: dict[str, tuple[str, ...]] = {}
    asked: dict[str, tuple[pl.LazyFrame, pl.LazyFrame]] = {}
    found: dict[str, tuple[pl.DataFrame, pl.DataFrame] | LakeError] = {}
    for name, rule in rules.items():
        try:
            carried[name] = frames.carried(rule.upstream)
            asked[name] = _figures(rule, frames.argument(rule.upstream, keys), carried[name])
        except ENGINE_ERRORS as error:
            found[name] = _fault(error, name)
    queries = [query for pair in asked.values() for query in pair]
    try:
        answers = pl.collect_all(queries, engine="streaming")
        found |= dict(zip(asked, zip(answers[::2], answers[1::2], strict=True), strict=True))
    except ENGINE_ERRORS:
        for name, (every, none) in asked.items():
            try:
                found[name] = every.collect(engine="streaming"), none.collect()
            except ENGINE_ERRORS as error:
                found[name] = _fault(error, name)
    return Tallies(carried, found)


def _fault(error: BaseException, name: str) -> LakeError:
    fault = error if isinstance(error, LakeError) else engine_error(error, name)
    if isinstance(fault, StorageError):
        raise fault from error
    return fault


def _figures(rule: Matches, rows: pl.LazyFrame, carried: Sequence[str]) -> tuple[pl.LazyFrame, pl.LazyFrame]:
    """The queries for the upstream's figures, and for what they are where it has no rows."""
    figure = (pl.len() if rule.theirs is None else rule.theirs).alias(_THEIRS)
    by = list(dict.fromkeys([*carried, *rule.columns]))
    none = rows.limit(0).select(figure)
    every = rows.group_by(*by).agg(figure) if by else rows.select(figure)
    _require_aggregate(rows, figure, rule.theirs)
    if rule.columns:
        none = none.limit(0)  # where there are no rows, there is no value of these columns
    return every, none


def _require_aggregate(rows: pl.LazyFrame, figure: pl.Expr, written: pl.Expr | None) -> None:
    """Nothing, if a figure is one value however many rows there are: of a group, others are lists of values."""
    grouped = rows.group_by(pl.lit(0).alias("\0")).agg(figure).collect_schema()
    single = rows.select(figure).collect_schema()
    if any(grouped[name] == pl.List(dtype) for name, dtype in single.items()):
        raise ComputeError(f"compares {written}, which is not one value: aggregate it", code=MISUSED)


def differences(rule: Matches, frame: pl.LazyFrame, tally: Tally) -> tuple[str, dict[str, Any]]:
    """What differs between a partition's rows and the upstream's, in words and as facts; nothing: empty.

    Raises:
        ComputeError: a figure is no single value.
    """
    figure = (pl.len() if rule.own is None else rule.own).alias(_OWN)
    _require_aggregate(frame, figure, rule.own)
    if not rule.columns:
        both = frame.select(figure).collect(engine="streaming").hstack(tally.frame.select(_THEIRS))
        if both.filter(_differs(both)).is_empty():
            return "", {}
        here, there = both.row(0)
        return f"{_spoken(rule.own, here, 'it')}, and {_spoken(rule.theirs, there, rule.upstream)}", {}
    own = frame.group_by(*rule.columns).agg(figure).collect(engine="streaming")
    columns = list(rule.columns)
    theirs = tally.frame.select(*columns, _THEIRS).cast({name: own.schema[name] for name in columns})
    both = own.join(theirs, on=columns, how="full", coalesce=True, nulls_equal=True)
    differing = both.filter(_differs(both)).sort(columns)
    if differing.is_empty():
        return "", {}
    of = columns[0] if len(columns) == 1 else f"({', '.join(columns)})"
    sides = [pl.col(_OWN).alias(_free("here", columns)), pl.col(_THEIRS).alias(_free(rule.upstream, columns))]
    first = differing.head(MOST_ROWS).select(*columns, *sides)
    facts = {"failing": differing.height, "of": both.height, **kept_rows(first, columns, ())}
    return f"{differing.height} of {both.height} values of {of} differ from {rule.upstream}", facts


def _free(name: str, columns: Sequence[str]) -> str:
    return name if name not in columns else f"{name}'s"


def _differs(both: pl.DataFrame) -> pl.Expr:
    own, theirs = pl.col(_OWN), pl.col(_THEIRS)
    if not (both.schema[_OWN].is_float() or both.schema[_THEIRS].is_float()):
        return own.ne_missing(theirs)
    near = (own - theirs).abs() <= _NEAR * pl.max_horizontal(own.abs(), theirs.abs())
    return ~(near | own.eq_missing(theirs)).fill_null(value=False)  # equal are infinities, NaN and nulls too


def _spoken(figure: pl.Expr | None, value: Any, whose: str) -> str:
    if figure is None:
        return f"{whose} has {value} {'row' if value == 1 else 'rows'}"
    return f"{figure}{'' if whose == 'it' else f' of {whose}'} is {said([value])}"
