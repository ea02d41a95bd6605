"""The walk from a function through all that it loads, to the digests of the parts that it is made of.

Knows what decides what a definition computes. Leaves text to `sourcetext`, plain values and Polars to `plainvalues`,
and whose code a thing is to `ownership`. Knows nothing of lakes; what it cannot tell the version of it refuses.
"""

from __future__ import annotations

import enum
import functools
import logging
import typing
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType, NoneType
from typing import Any

from lakehouse.callsite import CallSite
from lakehouse.errors import DefinitionError
from lakehouse.versions.codeobjects import (
    MISSING,
    attributes,
    closure,
    defaults,
    field_names,
    global_loads,
    global_value,
    home,
    methods,
)
from lakehouse.versions.ownership import Project
from lakehouse.versions.plainvalues import Fact, UnversionedError, container, fact_digest, of_polars, plain
from lakehouse.versions.sourcetext import Reading, read_class, read_function

__all__ = ["Walk"]

_HELP = 'give the asset version="1" and raise it when the code changes'
_OF_THE_MODULE = {"__name__", "__file__", "__doc__", "__spec__", "__loader__", "__package__", "__builtins__"}
_NAMED = {"code", "external", "logger", "module", "opaque", "undefined"}  # facts told in the function's own part
_Owner = tuple[str, CallSite]


class Walk:
    """One walk from a function through all that it loads; `parts` fills as it goes."""

    def __init__(self, is_mine: Callable[[str], bool], opaque: Mapping[int, str]) -> None:
        self.parts: dict[str, str] = {}
        self._project = Project(is_mine)
        self._opaque = opaque
        self._known: dict[int, tuple[object, str]] = {}  # holds the object too, so that its id stays its own
        self._open: list[int] = []  # the containers that we are inside of

    def follow_root(self, thing: object, name: str) -> None:
        """Add the part ``name`` for anything but a plain function."""
        try:
            self.parts[name] = fact_digest(self._fact(thing, name))
        except UnversionedError as error:
            raise _untold(f"the version of {name!r} ({error}) cannot be told") from None

    def follow_function(self, function: FunctionType, label: str) -> None:
        """Add the part ``label`` for a function, and the parts for all that it loads."""
        readings = read_function(function.__code__, function.__globals__)
        if not readings:
            why = "it was typed in or generated, or its file changed since"
            message = f"the source text of {function.__name__} cannot be read, so its version cannot be told"
            raise _untold(message, details=[str(_place(function)), why])
        self._follow(function, label, readings, lambda: self._uses_of_function(function, readings))

    def _follow(self, thing: object, label: str, readings: Sequence[Reading], uses: Callable[[], object]) -> None:
        self._known[id(thing)] = (thing, label)
        self.parts[label] = ""  # taken
        opened, self._open = self._open, []  # afresh, so that a part is the same by whichever way it is reached
        self.parts[label] = fact_digest({"text": [reading.tokens for reading in readings], "uses": uses()})
        self._open = opened

    # --- what a definition uses ---

    def _uses_of_function(self, function: FunctionType, readings: Sequence[Reading]) -> dict[str, object]:
        """What each name that the function loads stands for, its defaults and closure among them."""
        owner, namespace, cells = (function.__name__, _place(function)), function.__globals__, closure(function)
        known = {name: ("global", global_value(namespace, name)) for name in global_loads(function.__code__)}
        known |= {name: ("closure", thing) for name, thing in cells.items()}
        known |= self._imported(namespace, readings)
        named = {chain for reading in readings for chain in reading.names}
        unnamed = {(name,) for name in cells.keys() - {first for first, *_ in named}}  # __class__, for super()
        uses = self._uses(owner, named | unnamed, known)
        for name, thing in defaults(function):
            uses[f"default {name}"] = self._use(owner, "default", name, thing)
        return uses

    def _uses_of_class(
        self, cls: type, readings: Sequence[Reading], namespace: Mapping[str, Any]
    ) -> dict[str, object]:
        """What the names in a class stand for, its bases, what its methods hold, and its attributes."""
        # A method may hide behind any kind of descriptor, so each name of the text is taken for a global if there is
        # one: a local of the same name brings in too much, which is safe.
        owner = (cls.__name__, CallSite(str(namespace.get("__file__")), readings[0].line if readings else 0))
        known = {name: ("global", thing) for name, thing in namespace.items()} | self._imported(namespace, readings)
        bases = self._facts(cls.__bases__, cls.__name__)
        uses = {"bases": bases, **self._uses(owner, {chain for r in readings for chain in r.names}, known)}
        for method in methods(cls):
            for name, thing in closure(method).items():
                uses[f"{method.__name__} {name}"] = self._use(owner, "closure", name, thing)
            for name, thing in defaults(method):
                uses[f"{method.__name__} default {name}"] = self._use(owner, "default", name, thing)
        for name, thing in attributes(cls):
            uses[f"attribute {name}"] = self._use(owner, "attribute", f"{cls.__name__}.{name}", thing)
        return uses

    def _imported(self, namespace: Mapping[str, Any], readings: Iterable[Reading]) -> dict[str, tuple[str, object]]:
        statements = [statement for reading in readings for statement in reading.imports]
        return {name: ("global", thing) for name, thing in self._project.imported(namespace, statements).items()}

    def _uses(
        self, owner: _Owner, chains: Iterable[tuple[str, ...]], known: Mapping[str, tuple[str, object]]
    ) -> dict[str, object]:
        """What each chain of names stands for, if its first one is known and so no local."""
        uses: dict[str, object] = {}
        for first, *rest in sorted(chain for chain in chains if chain[0] in known):
            kind, thing = known[first]
            name, thing = self._through_modules(first, thing, rest)
            uses[name] = self._use(owner, kind, name, thing)
        return uses

    def _through_modules(self, name: str, thing: object, rest: Iterable[str]) -> tuple[str, object]:
        """What ``helpers.money.to_cents`` stands for, as far as modules of the project go."""
        for step in rest:
            if not isinstance(thing, ModuleType) or id(thing) in self._opaque or not self._project.has(thing):
                break
            name, thing = f"{name}.{step}", getattr(thing, step, MISSING)
        return name, thing

    def _use(self, owner: _Owner, kind: str, name: str, thing: object) -> Fact:
        """The fact of one name; a value becomes a part of its own."""
        if name in _OF_THE_MODULE:  # where a module lies is no matter of what it computes
            return ["of the module", name]
        try:
            fact = self._fact(thing, name)
        except UnversionedError as error:
            message, place = f"{owner[0]} uses {name!r} ({error}), whose version cannot be told", owner[1]
            cure = f"load what is needed by its name, as in {name}.something"
            cure = cure if isinstance(error.thing, ModuleType) else _HELP
            facts = {"function": owner[0], "name": name, "file": place.filename, "line": place.line}
            raise _untold(message, details=[str(place)], cure=cure, context=facts) from None
        if fact[0] in _NAMED:
            return fact
        digest = fact_digest(fact)
        label = self._free(f"{kind} {name}", digest)
        self.parts[label] = digest
        return ["part", label]

    def _free(self, wanted: str, digest: str | None = None) -> str:
        """A label that no other part has: two modules may each have a RATE."""
        label, number = wanted, 1
        while self.parts.get(label, digest) != digest:
            number += 1
            label = f"{wanted} ({number})"
        return label

    # --- facts ---

    def _fact(self, thing: Any, name: str) -> Fact:
        if id(thing) in self._opaque:
            return ["opaque", self._opaque[id(thing)]]
        if id(thing) in self._known:
            return ["code", self._known[id(thing)][1]]
        if thing is MISSING:
            return ["undefined"]
        if id(thing) in self._open:
            return ["itself", len(self._open) - self._open.index(id(thing))]
        self._open.append(id(thing))
        held = functools.partial(self._fact, name=name)
        fact = plain(thing) or container(thing, held) or of_polars(thing, held)
        fact = fact or self._code(thing, name) or self._instance(thing, name)
        self._open.pop()
        if fact is None:
            raise UnversionedError(thing)
        return fact

    def _facts(self, things: Iterable[object], name: str) -> list[Fact]:
        return [self._fact(thing, name) for thing in things]

    def _code(self, thing: Any, name: str) -> Fact | None:
        kind = type(thing)
        if kind is FunctionType:
            return self._function(thing, name)
        if isinstance(thing, type):
            return self._external(thing) or self._class(thing)
        if kind is ModuleType:
            return None if self._project.has(thing) else ["module", thing.__name__]
        if kind is MethodType:
            return ["method", *self._facts((thing.__func__, thing.__self__), name)]
        if kind is functools.partial:
            return ["partial", *self._facts((thing.func, thing.args, thing.keywords), name)]
        if kind is BuiltinFunctionType and not isinstance(thing.__self__, (ModuleType, NoneType)):
            return ["method", thing.__name__, self._fact(thing.__self__, name)]
        if external := self._external(thing):
            return external
        if kind is functools._lru_cache_wrapper:  # noqa: SLF001  the type has no public name
            return ["cached", self._fact(thing.__wrapped__, name)]
        return None

    def _external(self, thing: Any) -> Fact | None:
        name = self._project.external_name(thing)
        return ["external", name] if name else None

    def _function(self, function: FunctionType, name: str) -> Fact:
        code = function.__code__
        if self._project.has_file(code.co_filename):
            own = function.__name__
            label = self._free(f"helper {name.rpartition('.')[2] if own == '<lambda>' else own}")
            self.follow_function(function, label)
            return ["code", label]
        if external := self._external(function):
            return external
        # Made by a library as it ran, like a decorator's wrapper: what it was made with decides what it does.
        made_with = [*closure(function).values(), *(value for _, value in defaults(function))]
        module = str(function.__globals__.get("__name__"))
        return ["made", module, code.co_qualname, self._facts(made_with, name)]

    def _class(self, cls: type) -> Fact | None:
        filename, namespace = home(cls)
        readings = read_class(cls.__qualname__, filename, namespace)
        if not readings and not hasattr(cls, "_fields") and not issubclass(cls, enum.Enum):  # made by a call
            return None
        label = self._free(f"class {cls.__name__}")
        self._follow(cls, label, readings, lambda: self._uses_of_class(cls, readings, namespace))
        return ["code", label]

    def _instance(self, thing: Any, name: str) -> Fact | None:
        cls = type(thing)
        if isinstance(thing, enum.Enum):
            return ["member", self._fact(cls, name), thing.name, self._fact(thing.value, name)]
        if (fields := field_names(cls)) is not None:
            values = {field: self._fact(getattr(thing, field), name) for field in fields}
            return ["instance", self._fact(cls, name), values]
        if isinstance(thing, tuple) and hasattr(cls, "_fields"):
            return ["named tuple", self._fact(cls, name), self._facts(thing, name)]
        if isinstance(thing, logging.Logger):  # says what happens, and decides nothing
            return ["logger"]
        if (origin := typing.get_origin(thing)) is not None:  # list[int], int | None
            return ["annotation", *self._facts((origin, *typing.get_args(thing)), name)]
        return ["annotation", repr(thing)] if cls.__module__ == "typing" else None


def _untold(
    message: str, *, details: Sequence[str] = (), cure: str = _HELP, context: Mapping[str, Any] | None = None
) -> DefinitionError:
    return DefinitionError(message, code="version-unknown", details=details, help=cure, context=context)


def _place(function: FunctionType) -> CallSite:
    return CallSite(function.__code__.co_filename, function.__code__.co_firstlineno)
