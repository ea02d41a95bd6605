"""Plain values as facts: JSON that says exactly what a value is, the same in every process.

Knows Python's own values, containers of them and the objects of Polars, these by where their class lives: no engine
is imported. Knows no code: of functions, classes and their instances it says nothing, and what a container holds it
asks its caller to tell. No address, hash or order of a set has a part in a fact; what has no exact text is refused.
"""

from __future__ import annotations

import collections
import datetime as dt
import hashlib
import json
import re
import sys
import uuid
import zoneinfo
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import PurePath
from types import EllipsisType, MappingProxyType, ModuleType, NoneType
from typing import Any

__all__ = ["Fact", "UnversionedError", "container", "fact_digest", "of_polars", "plain"]

Fact = list[Any]  # a tag, and what follows it


class UnversionedError(Exception):
    """An object that is of no kind that has a version."""

    def __init__(self, thing: object) -> None:
        super().__init__()
        self.thing = thing

    def __str__(self) -> str:
        """The type of the thing under the name that people import it by: ``polars.LazyFrame``."""
        if isinstance(self.thing, ModuleType):
            return "a module, as a whole"
        if isinstance(self.thing, type):
            return f"class {self.thing.__module__}.{self.thing.__qualname__}"
        cls = type(self.thing)
        package = cls.__module__.partition(".")[0]
        if package == "builtins":
            return cls.__qualname__
        offered = getattr(sys.modules.get(package), cls.__qualname__, None) is cls
        return f"{package if offered else cls.__module__}.{cls.__qualname__}"


def fact_digest(fact: object) -> str:
    """The SHA-256, in hex, of a fact or of anything else that JSON writes."""
    return hashlib.sha256(_canonical(fact).encode("ascii")).hexdigest()


def plain(thing: Any) -> Fact | None:
    """A plain value as its type and an exact text; subclasses are not plain, they may do anything."""
    if isinstance(thing, PurePath):
        return ["path", thing.as_posix()]
    write = _WRITERS.get(type(thing))
    text = write(thing) if write else None
    return None if text is None else [type(thing).__name__, text]


def container(thing: Any, fact: Callable[[Any], Fact]) -> Fact | None:
    """A list, tuple, set or mapping as its type and the facts of what it holds."""
    kind = type(thing)
    if kind in {list, tuple}:
        return [kind.__name__, [fact(item) for item in thing]]
    if kind in {set, frozenset}:
        return [kind.__name__, sorted((fact(item) for item in thing), key=_canonical)]
    if kind in {dict, collections.OrderedDict, collections.Counter, MappingProxyType}:  # in order: it shows
        return [kind.__name__, [[fact(key), fact(value)] for key, value in thing.items()]]
    return None


def of_polars(thing: Any, fact: Callable[[Any], Fact]) -> Fact | None:
    """A type, an expression, a schema or a small frame of Polars."""
    kind, meta = type(thing), type(type(thing))
    if kind.__module__.startswith("polars.datatypes") or meta.__module__.startswith("polars.datatypes"):
        return ["polars type", repr(thing)]
    if kind.__module__.partition(".")[0] != "polars":
        return None
    classes = {base.__name__ for base in kind.__mro__}
    if "Expr" in classes:
        return ["polars expression", _expression(thing)]
    if "Schema" in classes:
        return ["polars schema", [[column, repr(dtype)] for column, dtype in thing.items()]]
    if "Series" in classes:
        return ["polars series", _column(thing, fact)]
    if "DataFrame" in classes:
        return ["polars frame", [_column(column, fact) for column in thing.get_columns()]]
    return ["external", "polars.col"] if kind.__name__ == "Col" else None


def _canonical(fact: object) -> str:
    return json.dumps(fact, sort_keys=True, separators=(",", ":"))


def _time(thing: Any) -> Fact:
    zone = None if thing.tzinfo is None else plain(thing.tzinfo)
    if thing.tzinfo is not None and zone is None:
        raise UnversionedError(thing.tzinfo)
    return [thing.replace(tzinfo=None).isoformat(), thing.fold, zone]


def _expression(thing: Any) -> Any:
    """The JSON of a Polars expression; one that holds a Python function holds its pickled bytes, which vary."""
    try:
        text = thing.meta.serialize(format="json")
    except Exception:  # noqa: BLE001  whatever Polars raises where it cannot write one
        raise UnversionedError(thing) from None
    if '"Anonymous' in text or ",".join(map(str, b"PLPYUDF")) in text:
        raise UnversionedError(thing)
    return json.loads(text)


def _column(series: Any, fact: Callable[[Any], Fact]) -> Fact:
    # Nanoseconds are lost on the way to Python's own times, and the numbers of categories are each process's own.
    exact = series if "Categorical" in repr(series.dtype) else series.to_physical()
    return [series.name, repr(series.dtype), fact(exact.to_list())]


_WRITERS: Mapping[type, Callable[[Any], Any]] = {
    NoneType: repr,
    EllipsisType: repr,
    bool: repr,
    int: hex,  # an int of many digits is refused by str
    float: float.hex,
    complex: repr,
    str: str,
    bytes: bytes.hex,
    range: repr,
    Decimal: str,
    uuid.UUID: str,
    re.Pattern: lambda pattern: [repr(pattern.pattern), pattern.flags],
    dt.date: dt.date.isoformat,
    dt.datetime: _time,
    dt.time: _time,
    dt.timedelta: lambda delta: [delta.days, delta.seconds, delta.microseconds],
    dt.timezone: repr,
    zoneinfo.ZoneInfo: lambda zone: zone.key,  # None where it was read from a file
}
