"""What a function or a class holds: the globals that it loads, its closure, defaults, methods and attributes.

Knows the objects that Python makes of definitions. Knows nothing of their text, of whose they are, nor of versions.
"""

from __future__ import annotations

import builtins
import dataclasses
import dis
import enum
import sys
from collections.abc import Iterator, Mapping
from types import CodeType, FunctionType
from typing import Any

from msgspec import StructMeta

__all__ = [
    "MISSING",
    "attributes",
    "closure",
    "defaults",
    "field_names",
    "global_loads",
    "global_value",
    "home",
    "methods",
]

MISSING = object()  # what a name stands for that is bound to nothing
_WRAPPED = ("__func__", "__wrapped__", "fget", "fset", "fdel", "func")


def global_loads(code: CodeType) -> Iterator[str]:
    """The global names that a function loads, those of its comprehensions and inner functions among them."""
    for instruction in dis.get_instructions(code):
        if instruction.opname in {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}:
            yield str(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from global_loads(constant)


def global_value(namespace: Mapping[str, Any], name: str) -> object:
    """What a name stands for at a module's level; `MISSING` if nothing."""
    return namespace[name] if name in namespace else getattr(builtins, name, MISSING)


def closure(function: FunctionType) -> dict[str, object]:
    """What the names of the functions around it stand for; `MISSING` where none is assigned yet."""
    return dict(zip(function.__code__.co_freevars, map(_content, function.__closure__ or ()), strict=True))


def defaults(function: FunctionType) -> Iterator[tuple[str, object]]:
    """The arguments with a default, and what it is."""
    code, values = function.__code__, function.__defaults__ or ()
    yield from zip(code.co_varnames[code.co_argcount - len(values) : code.co_argcount], values, strict=True)
    yield from sorted((function.__kwdefaults__ or {}).items())


def field_names(cls: type) -> list[str] | None:
    """The fields of a dataclass or a struct of msgspec, as this library's own values are; None for other classes."""
    if dataclasses.is_dataclass(cls):
        return [field.name for field in dataclasses.fields(cls)]
    return [*cls.__struct_fields__] if isinstance(cls, StructMeta) else None


def home(cls: type) -> tuple[str, Mapping[str, Any]]:
    """The file in which a class is defined, and the namespace of its module."""
    if own := methods(cls):
        return own[0].__code__.co_filename, own[0].__globals__
    namespace = vars(sys.modules.get(cls.__module__, object))
    return str(namespace.get("__file__")), namespace


def methods(cls: type) -> list[FunctionType]:
    """The functions that the text of a class defines, as far as they show: a property has up to three."""
    members = vars(cls).values()
    found = [made for member in members for made in (member, *(getattr(member, name, None) for name in _WRAPPED))]
    return [
        made
        for made in found
        if isinstance(made, FunctionType)
        and made.__code__.co_qualname.startswith(f"{cls.__qualname__}.")
        and made.__code__.co_filename != "<string>"  # what dataclasses generate
    ]


def attributes(cls: type) -> Iterator[tuple[str, object]]:
    """The values that a class holds: neither methods and descriptors, nor what Python itself keeps there."""
    if issubclass(cls, enum.Enum):
        yield from ((member.name, member.value) for member in cls)
        return
    for name, value in vars(cls).items():
        special = (name.startswith("__") and name.endswith("__")) or name.startswith(("_abc_", "_is_protocol"))
        if not special and not hasattr(type(value), "__get__"):
            yield name, value


def _content(cell: Any) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return MISSING
