"""Code versions: a digest over everything that decides what a Python function computes, and what it is made of.

Knows what a version is and which parts of two differ; the walk to the parts is `codewalk`'s. Knows nothing of lakes,
files of data or records. What it cannot tell the version of it refuses, since a guess would call old data fresh.

What a function reaches only as it runs (``getattr`` with a computed name, ``globals()``, ``eval``, the environment, a
method of an argument) is out of its sight, and so are attributes set on function objects.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from types import FunctionType, MappingProxyType

from msgspec import Struct

from lakehouse.versions.codewalk import Walk
from lakehouse.versions.ownership import is_project_file
from lakehouse.versions.plainvalues import fact_digest

__all__ = ["CodeVersion", "changed", "code_version", "digest_of", "is_project_file", "value_digest"]

_NOTHING_OPAQUE: Mapping[int, str] = MappingProxyType({})


class CodeVersion(Struct, frozen=True):
    """The version of a function: one digest, and the named parts that it is made of, the function itself first.

    A part is named like ``monthly_orders``, ``helper to_cents``, ``class Money``, ``global RATE``, ``closure rate``
    or ``default limit``, and its digest is its own: a changed helper leaves the digest of its caller alone.
    """

    digest: str
    parts: tuple[tuple[str, str], ...]


def code_version(
    function: Callable[..., object],
    *,
    project: Callable[[str], bool] | None = None,
    opaque: Mapping[int, str] = _NOTHING_OPAQUE,
) -> CodeVersion:
    """The version of ``function``, the same in every process and on every Python from 3.11 on.

    Args:
        function: what computes. Its own source is read whatever ``project`` says of it.
        project: whether a source file is the user's, so that what it defines is followed;
            `is_project_file` unless given.
        opaque: names for objects, by ``id``, that stand for themselves wherever they are met.

    Raises:
        DefinitionError: it uses something whose version cannot be told, or its source cannot be read.
    """
    name = str(getattr(function, "__name__", None) or type(function).__name__)
    walk = Walk(project or is_project_file, opaque)
    if isinstance(function, FunctionType) and function.__globals__.get("__name__") == function.__module__:
        walk.follow_function(function, name)
    else:
        walk.follow_root(function, name)
    own = walk.parts.pop(name)
    parts = ((name, own), *sorted(walk.parts.items()))
    return CodeVersion(digest_of(dict(parts)), parts)


def value_digest(value: object, *, name: str = "value", opaque: Mapping[int, str] = _NOTHING_OPAQUE) -> str:
    """The digest of one value, by the same rules as a global of that value; ``name`` is for the error.

    Raises:
        DefinitionError: the value is of no kind that has a version.
    """
    walk = Walk(is_project_file, opaque)
    walk.follow_root(value, name)
    return digest_of(walk.parts)


def digest_of(parts: Mapping[str, str]) -> str:
    """The SHA-256, in hex, of a mapping of texts; the order of its keys is of no account.

    >>> digest_of({"a": "1", "b": "2"}) == digest_of({"b": "2", "a": "1"})
    True
    """
    return fact_digest(dict(parts))


def changed(old: Iterable[tuple[str, str]], new: Iterable[tuple[str, str]]) -> list[str]:
    """The names of the parts that differ: first those whose digest does, then those that came, then those that went.

    >>> changed([("f", "1"), ("helper g", "2")], [("f", "1"), ("helper g", "3")])
    ['helper g']
    """
    before, after = dict(old), dict(new)
    differing = [name for name in after if name in before and before[name] != after[name]]
    return differing + [n for n in after if n not in before] + [n for n in before if n not in after]
