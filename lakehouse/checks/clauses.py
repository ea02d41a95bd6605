"""What rules mean for each row, as Polars expressions.

Knows that null passes, and how types are compared. Refuses to run a query.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import polars as pl
from msgspec import Struct

from lakehouse.checks.declared import AcceptedValues, Between, NotNull, RowCount, Unique
from lakehouse.errors import ComputeError

__all__ = ["MISUSED", "Clause", "clauses_of", "written_clause"]

MISUSED: Final = "check-misused"
"""The code of an error whose message says itself what is wrong with the check."""


class Clause(Struct, frozen=True):
    """What has to be true of each row; null passes.

    Attributes:
        holds: the expression.
        columns: those that it is about.
        words: what is said of rows of which it is not true; empty: their values.
    """

    holds: pl.Expr
    columns: tuple[str, ...]
    words: str = ""


def clauses_of(
    rule: NotNull | Unique | AcceptedValues | Between | RowCount, schema: Mapping[str, pl.DataType]
) -> list[Clause]:
    """What a ready-made rule wants of each row; nothing where it is about their number.

    Args:
        rule: which.
        schema: the columns with their types; all that the rule names are there.
    """
    match rule:
        case NotNull(columns):
            return [Clause(pl.col(name).is_not_null(), (name,), f"{name} is null") for name in columns]
        case Unique(columns):
            return [_alone(columns)]
        case AcceptedValues(column, values):
            return [_one_of(column, values, schema[column])]
        case Between(column, low, high):
            return [_within(column, low, high, schema[column])]
        case RowCount():
            return []


def _alone(columns: Sequence[str]) -> Clause:
    has_null = pl.any_horizontal(pl.col(columns).is_null())
    named = columns[0] if len(columns) == 1 else f"({', '.join(columns)})"
    together = pl.col(columns[0]) if len(columns) == 1 else pl.struct(columns)
    return Clause(has_null | together.is_unique(), tuple(columns), f"{named} repeats")


def _within(column: str, low: Any, high: Any, dtype: pl.DataType) -> Clause:
    value = pl.col(column)
    bounds = [value >= low] if low is not None else []
    bounds += [value <= high] if high is not None else []
    bounds += [value.is_not_nan()] if dtype.is_float() else []  # a sort puts NaN above all numbers
    return Clause(pl.all_horizontal(bounds), (column,))


def _one_of(column: str, values: Sequence[Any], dtype: pl.DataType) -> Clause:
    value, kind = pl.col(column), dtype
    if isinstance(dtype, pl.Categorical | pl.Enum):
        value, kind = value.cast(pl.String), pl.String()
    accepted = pl.Series([one for one in values if one is not None], dtype=kind, strict=True)
    return Clause(value.is_in(accepted.implode()), (column,))


def written_clause(expression: pl.Expr, frame: pl.LazyFrame) -> Clause:
    """What an expression, which may stand for several columns, has to say of each row.

    Raises:
        ComputeError: it is none of truth values.
    """
    found, schema = frame.select(expression).collect_schema(), frame.collect_schema()
    if strangers := [dtype for dtype in found.values() if dtype not in (pl.Boolean, pl.Null)]:
        raise ComputeError(f"returned an expression of {strangers[0]}, not of Boolean", code=MISUSED)
    roots = dict.fromkeys([*expression.meta.root_names(), *found])
    holds = pl.all_horizontal(expression).cast(pl.Boolean)
    return Clause(holds, tuple(name for name in roots if name in schema))
