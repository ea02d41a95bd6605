"""Rules about rows, as values: what has to hold, under which name, and what becomes of rows that break it.

Knows what a well-formed check is. Refuses to see a row.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

from msgspec import Struct, field

from lakehouse.callsite import CallSite
from lakehouse.errors import DefinitionError
from lakehouse.printable import printable

if TYPE_CHECKING:
    import polars as pl

__all__ = [
    "AcceptedValues",
    "Between",
    "Check",
    "CheckResult",
    "Matches",
    "NotNull",
    "RowCount",
    "Rule",
    "Severity",
    "Unique",
    "Written",
    "declare_check",
    "make_check",
    "require_list",
]

Severity = Literal["error", "warn"]

_PARTITION: Final = "partition"  # as in the functions of assets
_MAX_NAME: Final = 120


class CheckResult(Struct, frozen=True):
    """What a check's function may return, where a bool or an expression does not say enough.

    Attributes:
        passed: whether the rows are as they should be.
        message: why not, in one line.
        metadata: further facts, kept in the log; values that JSON lacks are kept as text.
    """

    passed: bool
    message: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


class NotNull(Struct, frozen=True):
    """No null in these columns."""

    columns: tuple[str, ...]


class Unique(Struct, frozen=True):
    """No two rows alike in these columns."""

    columns: tuple[str, ...]


class AcceptedValues(Struct, frozen=True):
    """Only these values in a column."""

    column: str
    values: tuple[Any, ...]

    @property
    def columns(self) -> tuple[str, ...]:
        """The column that it names."""
        return (self.column,)


class Between(Struct, frozen=True):
    """Only values between two bounds in a column, both included; None: there is no such bound."""

    column: str
    low: Any
    high: Any

    @property
    def columns(self) -> tuple[str, ...]:
        """The column that it names."""
        return (self.column,)


class RowCount(Struct, frozen=True):
    """So many rows, both bounds included; None: there is no such bound."""

    low: int | None
    high: int | None

    @property
    def columns(self) -> tuple[str, ...]:
        """None: it names no column."""
        return ()


class Matches(Struct, frozen=True, eq=False):
    """An aggregate of the rows that equals one of the upstream's; None: the number of rows."""

    upstream: str
    own: pl.Expr | None
    theirs: pl.Expr | None
    columns: tuple[str, ...]


class Written(Struct, frozen=True, eq=False):
    """What a function of the user's says."""

    function: Callable[..., Any]
    frame: str
    is_told_key: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """None are known: it may ask for any."""
        return ()


Rule = NotNull | Unique | AcceptedValues | Between | RowCount | Matches | Written


class Check(Struct, frozen=True, kw_only=True):
    """A rule about the rows of one partition.

    Attributes:
        name: unique among the checks of one asset or source.
        severity: *error*: what breaks it is not published; *warn*: it is, and the log and the output say so.
        rule: what has to hold.
        where: the line that declares it.
    """

    name: str
    severity: Severity
    rule: Rule
    where: CallSite


def declare_check(function: Callable[..., Any], *, severity: Severity, name: str | None, where: CallSite) -> Check:
    """A check by a function, if it is one that can be called.

    Args:
        function: takes a LazyFrame and, if it has a parameter named ``partition``, the key.
        severity: what becomes of what breaks it.
        name: what it is called; None: as the function is.
        where: the line on which it stands.

    Raises:
        DefinitionError: names the fault, and file and line.
    """
    named = name or function.__name__
    asked = [
        parameter
        for parameter in inspect.signature(function).parameters.values()
        if parameter.default is parameter.empty
    ]
    frames = [parameter.name for parameter in asked if parameter.name != _PARTITION]
    if len(frames) != 1 or any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD, p.POSITIONAL_ONLY) for p in asked):
        shown = ", ".join(map(str, asked)) or "nothing"
        raise DefinitionError(
            f"check {named!r} takes {shown} ({where})",
            help=f"it takes the rows, and the key if it is named {_PARTITION}: def {function.__name__}(frame)",
        )
    rule = Written(function, frames[0], any(parameter.name == _PARTITION for parameter in asked))
    return make_check(rule, severity, named, where)


def make_check(rule: Rule, severity: Severity, name: str, where: CallSite) -> Check:
    """A check, if its name can be shown and its severity is one.

    Raises:
        DefinitionError: names the fault, and file and line.
    """
    if not name or printable(name, _MAX_NAME) != name:
        raise DefinitionError(
            f"{printable(name, _MAX_NAME)!r} cannot be the name of a check ({where})",
            help=f"a name is at most {_MAX_NAME} characters on one line",
        )
    if severity not in ("error", "warn"):
        raise DefinitionError(
            f"check {name!r} has severity={severity!r} ({where})",
            help='a severity is "error" (what breaks it is not published) or "warn" (it is, and that is said)',
        )
    return Check(name=name, severity=severity, rule=rule, where=where)


def require_list(of: str, checks: Sequence[Check], where: CallSite) -> tuple[Check, ...]:
    """The checks themselves, if that is what they are.

    Raises:
        DefinitionError: one is something else, such as a function.
    """
    listed = (checks,) if isinstance(checks, Check) else tuple(checks)
    for check in listed:
        if not isinstance(check, Check):
            raise DefinitionError(
                f"{of} has checks=[{check!r}], which is no check ({where})",
                help='a function is made one by @lake.check("name"); ready-made are not_null("status") and the like',
            )
    return listed
