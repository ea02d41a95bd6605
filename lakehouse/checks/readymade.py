"""Checks that need no function: ``checks=[not_null("status"), row_count(min=1)]``.

Knows what each is called and which arguments make sense. Refuses to carry them out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final

from lakehouse.callsite import caller
from lakehouse.checks.declared import (
    AcceptedValues,
    Between,
    Check,
    Matches,
    NotNull,
    RowCount,
    Rule,
    Severity,
    Unique,
    make_check,
)
from lakehouse.errors import DefinitionError
from lakehouse.printable import printable

if TYPE_CHECKING:
    import polars as pl

__all__ = ["accepted_values", "between", "matches", "not_null", "row_count", "unique"]

_MAX_NAME: Final = 80


def not_null(*columns: str, severity: Severity = "error", name: str | None = None) -> Check:
    """A check that columns hold no null; NaN is no null.

    >>> not_null("status", "order_num").name
    'not_null(status, order_num)'

    Args:
        *columns: at least one.
        severity: ``"error"`` blocks what breaks it, ``"warn"`` records and shows it.
        name: what it is called; None: as it is written.

    Raises:
        DefinitionError: no column is named.
    """
    return _ready("not_null", columns, NotNull(_columns("not_null", columns)), severity, name)


def unique(*columns: str, severity: Severity = "error", name: str | None = None) -> Check:
    """A check that no two rows of a partition are alike in these columns taken together.

    As in SQL, rows that hold a null in one of them are like no other.

    Args:
        *columns: at least one.
        severity: ``"error"`` blocks what breaks it, ``"warn"`` records and shows it.
        name: what it is called; None: as it is written.

    Raises:
        DefinitionError: no column is named.
    """
    return _ready("unique", columns, Unique(_columns("unique", columns)), severity, name)


def accepted_values(
    column: str, values: Iterable[Any], *, severity: Severity = "error", name: str | None = None
) -> Check:
    """A check that a column holds no other values than these; nulls pass, as in SQL: see `not_null`.

    Args:
        column: which.
        values: what it may hold.
        severity: ``"error"`` blocks what breaks it, ``"warn"`` records and shows it.
        name: what it is called; None: ``accepted_values(status)``.

    Raises:
        DefinitionError: the values are none, or one text.
    """
    if isinstance(values, str | bytes) or not (listed := tuple(values)):
        raise DefinitionError(
            f"accepted_values({column!r}) has no list of values: {values!r} ({caller()})",
            help='name them: accepted_values("status", ["placed", "shipped"])',
        )
    (column,) = _columns("accepted_values", (column,))
    return _ready("accepted_values", (column,), AcceptedValues(column, listed), severity, name)


def between(
    column: str, low: Any = None, high: Any = None, *, severity: Severity = "error", name: str | None = None
) -> Check:
    """A check that the values of a column lie between two bounds, both included; NaN does not, and nulls pass.

    >>> between("amount", 0, 100).name
    'between(amount, 0, 100)'

    Args:
        column: which.
        low: the least value; None: any.
        high: the greatest value; None: any.
        severity: ``"error"`` blocks what breaks it, ``"warn"`` records and shows it.
        name: what it is called; None: as it is written.

    Raises:
        DefinitionError: there is no bound, or nothing lies between them.
    """
    _require_bounds(f"between({column!r})", low, high, 'between("amount", 0, 100)')
    (column,) = _columns("between", (column,))
    return _ready("between", (column, low, high), Between(column, low, high), severity, name)


def row_count(
    min: int | None = None,  # noqa: A002  the word that users write
    max: int | None = None,  # noqa: A002
    *,
    severity: Severity = "error",
    name: str | None = None,
) -> Check:
    """A check that a partition has at least and at most so many rows.

    >>> row_count(min=1).name
    'row_count(min=1)'

    Args:
        min: the least number; None: any.
        max: the greatest number; None: any.
        severity: ``"error"`` blocks what breaks it, ``"warn"`` records and shows it.
        name: what it is called; None: as it is written.

    Raises:
        DefinitionError: there is no bound, or nothing lies between them.
    """
    _require_bounds("row_count()", min, max, "row_count(min=1)")
    bounds = [f"{word}={bound}" for word, bound in (("min", min), ("max", max)) if bound is not None]
    return _ready("row_count", bounds, RowCount(min, max), severity, name)


def matches(
    upstream: str,
    own: pl.Expr | None = None,
    theirs: pl.Expr | None = None,
    *,
    on: str | Sequence[str] = (),
    severity: Severity = "error",
    name: str | None = None,
) -> Check:
    """A check that a partition adds up to what it was made of: one figure of its rows, and one of the upstream's.

    ``matches("stg_orders", pl.sum("order_num"))``: as many orders counted as `stg_orders` has rows of the month.
    ``matches("payments", pl.sum("cents"), pl.sum("amount"), on="method")``: the same sum for each method.
    ``matches("stg_orders", on="order_id")``: the same ids, each as often.

    The upstream's rows are those that the function is given for the key. Integers, decimals and all else have to be
    equal, floats to 1e-9 of their size. The upstream's figures of all keys of a batch cost one query over what the
    batch reads, beside the one that computes it. Of what is published, only partitions that are fresh are asked.

    Args:
        upstream: a name that the asset reads.
        own: an aggregate of the partition's rows; None: how many there are.
        theirs: an aggregate of the upstream's rows; None: how many there are.
        on: columns of both, for each value of which the figures have to match; none: one figure of all rows.
        severity: ``"error"`` blocks what breaks it, ``"warn"`` records and shows it.
        name: what it is called; None: ``matches(stg_orders)``.

    Raises:
        DefinitionError: a figure is no Polars expression.
    """
    for figure in (own, theirs):
        if figure is not None and not (type(figure).__module__.startswith("polars") and hasattr(figure, "meta")):
            raise DefinitionError(
                f"matches({upstream!r}) compares {figure!r}, which is no expression ({caller()})",
                help=f'a figure is an aggregate: matches({upstream!r}, pl.sum("order_num"))',
            )
    columns = (on,) if isinstance(on, str) else tuple(on)
    return _ready("matches", (upstream, *columns), Matches(upstream, own, theirs, columns), severity, name)


def _ready(kind: str, arguments: Iterable[Any], rule: Rule, severity: Severity, name: str | None) -> Check:
    shown = ", ".join("" if argument is None else str(argument) for argument in arguments)
    return make_check(rule, severity, printable(f"{kind}({shown})", _MAX_NAME) if name is None else name, caller())


def _columns(kind: str, columns: Sequence[str]) -> tuple[str, ...]:
    if not columns or not all(isinstance(column, str) for column in columns):
        shown = ", ".join(map(repr, columns))
        raise DefinitionError(f"{kind}({shown}) names no column ({caller()})", help=f'{kind}("status")')
    return tuple(columns)


def _require_bounds(shown: str, low: Any, high: Any, cure: str) -> None:
    if low is None and high is None:
        raise DefinitionError(f"{shown} has no bound ({caller()})", help=f"give one: {cure}")
    try:
        is_empty = low is not None and high is not None and not low <= high
    except TypeError:
        raise DefinitionError(f"{shown} compares {low!r} with {high!r} ({caller()})", help=cure) from None
    if is_empty:
        raise DefinitionError(f"nothing lies between {low!r} and {high!r}: {shown} ({caller()})", help=cure)
