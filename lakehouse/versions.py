"""Code versions: a digest over everything that decides what a Python function computes, and what it is made of.

Knows source text, the names that a function loads and the values behind them. Knows nothing of lakes, files of
data or records; what it cannot tell the version of it refuses, since a guess would call old data fresh. What a
function reaches only as it runs (``getattr`` with a computed name, ``globals()``, ``eval``, the environment, a
method of an argument) is out of its sight.
"""

from __future__ import annotations

import ast
import builtins
import collections
import contextlib
import dataclasses
import datetime as dt
import dis
import enum
import functools
import hashlib
import importlib
import importlib.util
import io
import json
import linecache
import logging
import re
import sys
import sysconfig
import tokenize
import typing
import uuid
import warnings
import zoneinfo
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path, PurePath
from types import (
    BuiltinFunctionType,
    CodeType,
    EllipsisType,
    FunctionType,
    MappingProxyType,
    MethodType,
    ModuleType,
    NoneType,
)
from typing import Any

from lakehouse.callsite import CallSite
from lakehouse.errors import DefinitionError

__all__ = ["CodeVersion", "changed", "code_version", "digest_of", "is_project_file", "value_digest"]

_HELP = 'give the asset version="1" and raise it when the code changes'
_NOTHING_OPAQUE: Mapping[int, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class CodeVersion:
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
    walk = _Walk(project or is_project_file, opaque)
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
    walk = _Walk(is_project_file, opaque)
    walk.follow_root(value, name)
    return digest_of(walk.parts)


def digest_of(parts: Mapping[str, str]) -> str:
    """The SHA-256, in hex, of a mapping of texts; the order of its keys is of no account.

    >>> digest_of({"a": "1", "b": "2"}) == digest_of({"b": "2", "a": "1"})
    True
    """
    return _sha256(dict(parts))


def changed(old: Iterable[tuple[str, str]], new: Iterable[tuple[str, str]]) -> list[str]:
    """The names of the parts that differ: first those whose digest does, then those that came, then those that went.

    >>> changed([("f", "1"), ("helper g", "2")], [("f", "1"), ("helper g", "3")])
    ['helper g']
    """
    before, after = dict(old), dict(new)
    differing = [name for name in after if name in before and before[name] != after[name]]
    return differing + [n for n in after if n not in before] + [n for n in before if n not in after]


@functools.lru_cache(maxsize=1024)
def is_project_file(filename: str) -> bool:
    """Whether a source file is the user's: not installed, not of the standard library, not of this package.

    The package's examples count as the user's, being made to be copied.
    """
    path, package = Path(filename).resolve(), Path(__file__).resolve().parent
    if path.is_relative_to(package):
        return path.is_relative_to(package / "examples")
    if filename.startswith("<frozen") or {"site-packages", "dist-packages"} & set(Path(filename).parts):
        return False
    library = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
    return not any(path.is_relative_to(Path(folder).resolve()) for folder in library)


def _sha256(fact: object) -> str:
    return hashlib.sha256(_canonical(fact).encode("ascii")).hexdigest()


def _canonical(fact: object) -> str:
    return json.dumps(fact, sort_keys=True, separators=(",", ":"))


# --- The text of a function -------------------------------------------------------------------------------------
# The text is a list of tokens. Neither ``ast.dump`` nor ``ast.unparse`` would do: both print the same tree otherwise
# in other Python versions, while the tokens of a text are a matter of the language. The tree only says *where* things
# stand: docstrings and annotations to leave out, and blocks, whose marks replace indentation and line ends. F-strings
# are one token up to 3.11 and several since; they are put together again, from the source, as the one of before.

_Position = tuple[int, int]  # line, counted from 1, and column in UTF-8 bytes: as ``ast`` has them
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_DROPPED = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}
_OPEN, _STATEMENT, _CLOSE = "\n+", "\n", "\n-"  # no token begins with a line end


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    start: _Position
    end: _Position


@dataclass(frozen=True, slots=True, kw_only=True)
class _Source:
    """One file, read once: its tokens, and where its functions and classes stand."""

    tokens: tuple[_Token, ...]
    functions: tuple[_Function, ...]
    classes: Mapping[str, list[ast.ClassDef]]

    def nodes_of(self, code: CodeType) -> list[_Function]:
        """The function that was compiled to ``code``; all the lambdas of its line where that cannot be told."""
        found = [
            node
            for node in self.functions
            if _first_line(node) == code.co_firstlineno and getattr(node, "name", "<lambda>") == code.co_name
        ]
        lambdas = [node for node in found if isinstance(node, ast.Lambda)]
        if len(lambdas) < 2:  # noqa: PLR2004  a choice of one is none
            return found
        spans = [((a, c), (b, d)) for a, b, c, d in code.co_positions() if None not in (a, b, c, d)]
        spans = [(start, end) for start, end in spans if start != end]
        around = [n for n in lambdas if all(_start(n.body) <= s and e <= _end(n.body) for s, e in spans)]
        return [max(around, key=lambda node: _start(node.body))] if spans and around else found

    def between(self, start: _Position, end: _Position) -> Sequence[_Token]:
        """The tokens that begin in ``[start, end)``."""
        low = bisect_left(self.tokens, start, key=lambda token: token.start)
        return self.tokens[low : bisect_left(self.tokens, end, key=lambda token: token.start)]

    def until(self, start: _Position, after: _Position, text: str) -> Iterator[_Token]:
        """The tokens from ``start`` to the first one past ``after`` that reads ``text``, which is left out."""
        for token in self.between(start, self.tokens[-1].end):
            if token.start >= after and token.text == text:
                return
            yield token


def _source_of(filename: str, namespace: Mapping[str, Any]) -> _Source | None:
    linecache.checkcache(filename)
    lines = linecache.getlines(filename, dict(namespace))
    try:
        return _parse("".join(lines)) if lines else None
    except (SyntaxError, tokenize.TokenError):  # the file was edited since it was imported
        return None


@functools.lru_cache(maxsize=256)
def _parse(text: str) -> _Source:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the import of the file has given them
        tree = ast.parse(text)
    classes: dict[str, list[ast.ClassDef]] = {}
    functions = tuple(_index(tree, "", classes))
    return _Source(tokens=tuple(_tokens(text)), functions=functions, classes=classes)


def _index(node: ast.AST, prefix: str, classes: dict[str, list[ast.ClassDef]]) -> Iterator[_Function]:
    for child in ast.iter_child_nodes(node):
        inner = prefix
        if isinstance(child, ast.ClassDef):
            classes.setdefault(prefix + child.name, []).append(child)
            inner = f"{prefix}{child.name}."
        elif isinstance(child, _FUNCTIONS):
            yield child
            inner = f"{prefix}{getattr(child, 'name', '<lambda>')}.<locals>."
        yield from _index(child, inner, classes)


def _tokens(text: str) -> Iterator[_Token]:
    lines = text.split("\n")

    def place(row: int, column: int) -> _Position:
        return row, len(lines[row - 1][:column].encode())

    nested: list[tuple[int, int]] = []  # where the f-strings that are open began
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        kind = tokenize.tok_name[token.type]
        if kind in {"FSTRING_START", "TSTRING_START"}:
            nested.append(token.start)
        elif kind in {"FSTRING_END", "TSTRING_END"}:
            start = nested.pop()
            if not nested:
                yield _Token(_slice(lines, start, token.end), place(*start), place(*token.end))
        elif not nested and token.type not in _DROPPED and token.string != ";":
            yield _Token(token.string, place(*token.start), place(*token.end))


def _slice(lines: Sequence[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    rows = [*lines[start[0] - 1 : end[0]]]
    rows[-1] = rows[-1][: end[1]]
    rows[0] = rows[0][start[1] :]
    return "\n".join(rows)


def _start(node: ast.AST) -> _Position:
    decorators: Sequence[ast.expr] = getattr(node, "decorator_list", ())
    first: Any = decorators[0] if decorators else node
    return first.lineno, first.col_offset


def _end(node: Any) -> _Position:
    return node.end_lineno, node.end_col_offset


def _first_line(node: _Function) -> int:
    return _start(node)[0]


class _Reading:
    """What one function or class says: its tokens, without layout, and the names that it loads."""

    def __init__(self, source: _Source, node: _Function | ast.ClassDef) -> None:
        self.names: set[tuple[str, ...]] = set()  # ("helpers", "to_cents") for an attribute of a name
        self.imports: list[ast.Import | ast.ImportFrom] = []
        self.line = node.lineno
        self._source = source
        self._root = node
        self._opens: dict[_Position, str] = {}
        self._closes: collections.Counter[_Position] = collections.Counter()
        self._cut: set[_Token] = set()
        self._unread: set[ast.AST] = set()
        self._tuples: set[_Position] = set()  # ends of those of one item, whose comma is no ornament
        self._visit(node, ())
        # A function's own decorators have done their work: the object at hand is what they made of it. A class's
        # stay, since they work on the class itself: dataclass(order=True).
        start = _start(node) if isinstance(node, ast.ClassDef) else (node.lineno, node.col_offset)
        self.tokens = self._kept(source.between(start, _end(node)))

    def _kept(self, tokens: Iterable[_Token]) -> list[str]:
        texts: list[str] = []
        comma: _Position | None = None  # where the last token ended, if that was a comma
        for token in tokens:
            texts += [self._opens[token.start]] if token.start in self._opens else []
            if token not in self._cut:
                if comma and token.text in {")", "]", "}"} and not {comma, token.end} & self._tuples:
                    texts.pop()
                texts.append(token.text)
                comma = token.end if token.text == "," else None
            texts += [_CLOSE] * self._closes[token.end]
        return texts

    def _visit(self, node: ast.AST, scopes: tuple[type, ...]) -> None:
        """Read a node; ``scopes`` are the functions (`ast.Lambda`) and classes around it, inside the root."""
        if isinstance(node, (ast.Name, ast.Attribute)) and (chain := _chain(node)):
            self.names.add(chain)
            return
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            self.imports.append(node)
        elif isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            # Inside a class or under a decorator an annotation may well be read: dataclasses, validators.
            if ast.ClassDef not in scopes and (node is self._root or not node.decorator_list):
                self._cut_signature(node)
        elif isinstance(node, ast.AnnAssign) and scopes[-1:] == (ast.Lambda,):
            self._cut_annotation(node)
        elif _is_of_one(node):
            self._tuples.add(_end(node))
        for field, child in self._children(node):
            inner: tuple[type, ...] = ()
            if field == "body" and isinstance(node, (*_FUNCTIONS, ast.ClassDef)):
                inner = (ast.ClassDef if isinstance(node, ast.ClassDef) else ast.Lambda,)
            self._visit(child, scopes + inner)

    def _children(self, node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
        for field, value in ast.iter_fields(node):
            if field == "decorator_list" and node is self._root and not isinstance(node, ast.ClassDef):
                continue
            items = value if isinstance(value, list) else [value]
            if items and isinstance(items[0], ast.stmt):
                items = self._block(node, items)
            for item in items:
                if isinstance(item, ast.AST) and item not in self._unread:
                    yield field, item

    def _block(self, node: ast.AST, statements: list[ast.stmt]) -> list[ast.stmt]:
        """Mark where a block opens, goes on and closes; cut its docstring."""
        first = statements[0]
        if isinstance(node, _DEFINITIONS) and isinstance(first, ast.Expr) and _is_text(first.value):
            self._cut |= set(self._source.between(_start(first), _end(first)))
            statements = statements[1:]
        for number, statement in enumerate(statements):
            self._opens[_start(statement)] = _STATEMENT if number else _OPEN
        self._closes.update(_end(statement) for statement in statements[-1:])
        return statements

    def _cut_signature(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg) and argument.annotation:
                self._cut |= set(self._source.between(_start(argument), _end(argument))[1:])
                self._unread.add(argument.annotation)
        if node.returns:
            self._unread.add(node.returns)
            header = self._source.between((node.lineno, node.col_offset), _start(node.returns))
            arrow = max(token.start for token in header if token.text == "->")
            self._cut |= set(self._source.until(arrow, _end(node.returns), ":"))

    def _cut_annotation(self, node: ast.AnnAssign) -> None:
        self._unread.add(node.annotation)
        if node.value:  # without one it only says that the name is local, which is worth keeping
            between = self._source.between(_end(node.target), _start(node.annotation))
            colon = next(token.start for token in between if token.text == ":")
            self._cut |= set(self._source.until(colon, _end(node.annotation), "="))


def _chain(node: ast.expr) -> tuple[str, ...]:
    """The names of ``a.b.c``; nothing where it begins otherwise: ``f().b``."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return (node.id, *reversed(names)) if isinstance(node, ast.Name) else ()


def _is_of_one(node: ast.AST) -> bool:
    if isinstance(node, ast.MatchSequence):
        return len(node.patterns) == 1
    return isinstance(node, ast.Tuple) and len(node.elts) == 1


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str)


# --- What a function loads --------------------------------------------------------------------------------------
# Every object becomes a *fact*: a value of JSON that says what it is, by a tag and what follows, and that no address,
# hash or order of a set has a part in. Functions and classes of the project become parts of their own, once each,
# so that recursion ends; their digest says which part each of their names stands for, so that swapped helpers show.

_MISSING = object()
_OF_THE_MODULE = {"__name__", "__file__", "__doc__", "__spec__", "__loader__", "__package__", "__builtins__"}
_NAMED = {"code", "external", "logger", "module", "opaque", "undefined"}  # facts told in the function's own part


class _UnversionedError(Exception):
    """An object that is of no kind that has a version."""

    def __init__(self, thing: object) -> None:
        super().__init__()
        self.thing = thing


class _Walk:
    """One walk from a function through all that it loads; `parts` fills as it goes."""

    def __init__(self, project: Callable[[str], bool], opaque: Mapping[int, str]) -> None:
        self.parts: dict[str, str] = {}
        self._project = project
        self._opaque = opaque
        self._known: dict[int, tuple[object, str]] = {}  # holds the object too, so that its id stays its own
        self._open: list[int] = []  # the containers that we are inside of

    def follow_root(self, thing: object, name: str) -> None:
        """Add the part ``name`` for anything but a plain function."""
        try:
            self.parts[name] = _sha256(self._fact(thing, name))
        except _UnversionedError as error:
            raise DefinitionError(
                f"the version of {name!r} ({_kind(error.thing)}) cannot be told", code="version-unknown", help=_HELP
            ) from None

    def follow_function(self, function: FunctionType, label: str) -> None:
        """Add the part ``label`` for a function, and the parts for all that it loads."""
        self._known[id(function)] = (function, label)
        self.parts[label] = ""  # taken
        code, namespace = function.__code__, function.__globals__
        source = _source_of(code.co_filename, namespace)
        readings = [_Reading(source, node) for node in source.nodes_of(code)] if source else []
        if not readings:
            raise DefinitionError(
                f"the source text of {function.__name__} cannot be read, so its version cannot be told",
                code="version-unknown",
                details=[str(_place(function)), "it was typed in or generated, or its file changed since"],
                help=_HELP,
            )
        with self._afresh():
            uses = self._loads(function, readings)
        self.parts[label] = _sha256({"text": [reading.tokens for reading in readings], "uses": uses})

    def _loads(self, function: FunctionType, readings: Iterable[_Reading]) -> dict[str, object]:
        """What each name that the function loads stands for, its defaults and closure among them."""
        owner, code = (function.__name__, _place(function)), function.__code__
        names = {chain for reading in readings for chain in reading.names}
        imported = self._imported(function.__globals__, [node for reading in readings for node in reading.imports])
        closure = dict(zip(code.co_freevars, map(_content, function.__closure__ or ()), strict=True))
        names |= {(name,) for name in closure if name not in {chain[0] for chain in names}}
        loaded = set(_global_loads(code))
        uses: dict[str, object] = {}
        for first, *rest in sorted(names):
            if first in imported:
                found = ("global", imported[first])
            elif first in closure:
                found = ("closure", closure[first])
            elif first in loaded:
                found = ("global", _global(function.__globals__, first))
            else:
                continue  # a local
            name, thing = self._through_modules(first, found[1], rest)
            uses[name] = self._use(owner, found[0], name, thing)
        for name, thing in _defaults(function):
            uses[f"default {name}"] = self._use(owner, "default", name, thing)
        return uses

    def _use(self, owner: tuple[str, CallSite], kind: str, name: str, thing: object) -> object:
        """The fact of one name; a value becomes a part of its own."""
        if name in _OF_THE_MODULE:  # where a module lies is no matter of what it computes
            return ["of the module", name]
        try:
            fact = self._fact(thing, name)
        except _UnversionedError as error:
            raise DefinitionError(
                f"{owner[0]} uses {name!r} ({_kind(error.thing)}), whose version cannot be told",
                code="version-unknown",
                details=[str(owner[1])],
                help=f"load what is needed by its name, as in {name}.something"
                if isinstance(error.thing, ModuleType)
                else _HELP,
                context={"function": owner[0], "name": name, "file": owner[1].filename, "line": owner[1].line},
            ) from None
        if isinstance(fact, list) and fact[0] in _NAMED:
            return fact
        digest = _sha256(fact)
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

    def _through_modules(self, name: str, thing: object, rest: Iterable[str]) -> tuple[str, object]:
        """What ``helpers.money.to_cents`` stands for, as far as modules of the project go."""
        for step in rest:
            if not isinstance(thing, ModuleType) or id(thing) in self._opaque or not self._is_mine(thing):
                break
            name, thing = f"{name}.{step}", getattr(thing, step, _MISSING)
        return name, thing

    def _imported(
        self, namespace: Mapping[str, Any], nodes: Iterable[ast.Import | ast.ImportFrom]
    ) -> dict[str, object]:
        """What the imports inside a function bind, as far as it is of the project."""
        bound: dict[str, object] = {}
        package = namespace.get("__package__") or ""
        for node in nodes:
            for alias in node.names:
                if isinstance(node, ast.Import):
                    name = alias.name if alias.asname else alias.name.partition(".")[0]
                    self._load(alias.name)
                    bound[alias.asname or name] = self._load(name)
                else:
                    base = importlib.util.resolve_name("." * node.level + (node.module or ""), package)
                    thing = getattr(self._load(base), alias.name, _MISSING)
                    whole = thing if thing is not _MISSING else self._load(f"{base}.{alias.name}")
                    bound[alias.asname or alias.name] = whole
        return {name: thing for name, thing in bound.items() if thing is not _MISSING}

    def _load(self, name: str) -> object:
        """The module of that name if it is the project's; a part of another library is its text's affair."""
        try:
            spec = importlib.util.find_spec(name.partition(".")[0])
            files = [spec.origin, *(spec.submodule_search_locations or ())] if spec else []
            mine = any(self._project(str(file)) for file in files if file not in {None, "built-in", "frozen"})
            return importlib.import_module(name) if mine else _MISSING
        except (ImportError, ValueError):
            return _MISSING

    def _is_mine(self, module: ModuleType) -> bool:
        file = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)
        if file is None:  # built in; else a session's own, such as __main__ in a notebook
            return getattr(getattr(module, "__spec__", None), "origin", None) not in {"built-in", "frozen"}
        return self._project(file)

    # --- facts ---

    def _fact(self, thing: Any, name: str) -> Any:
        if id(thing) in self._opaque:
            return ["opaque", self._opaque[id(thing)]]
        if id(thing) in self._known:
            return ["code", self._known[id(thing)][1]]
        if thing is _MISSING:
            return ["undefined"]
        if id(thing) in self._open:
            return ["itself", len(self._open) - self._open.index(id(thing))]
        self._open.append(id(thing))
        try:
            for kind in (_plain, self._container, self._of_polars, self._code, self._instance):
                if (fact := kind(thing, name)) is not None:
                    return fact
        finally:
            self._open.pop()
        raise _UnversionedError(thing)

    def _facts(self, things: Iterable[object], name: str) -> list[Any]:
        return [self._fact(thing, name) for thing in things]

    def _container(self, thing: Any, name: str) -> Any:
        kind = type(thing)
        if kind in {list, tuple}:
            return [kind.__name__, self._facts(thing, name)]
        if kind in {set, frozenset}:
            return [kind.__name__, sorted(self._facts(thing, name), key=_canonical)]
        if kind in {dict, collections.OrderedDict, collections.Counter, MappingProxyType}:  # in order: it shows
            return [kind.__name__, [self._facts(item, name) for item in thing.items()]]
        return None

    def _of_polars(self, thing: Any, name: str) -> Any:
        """Types, expressions, schemas and small frames, known by where their class lives: no engine is imported."""
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
            return ["polars series", self._column(thing, name)]
        if "DataFrame" in classes:
            return ["polars frame", [self._column(column, name) for column in thing.get_columns()]]
        return ["external", "polars.col"] if kind.__name__ == "Col" else None

    def _column(self, series: Any, name: str) -> list[Any]:
        # Nanoseconds are lost on the way to Python's own times, and the numbers of categories are each process's own.
        exact = series if "Categorical" in repr(series.dtype) else series.to_physical()
        return [series.name, repr(series.dtype), self._fact(exact.to_list(), name)]

    def _code(self, thing: Any, name: str) -> Any:
        kind = type(thing)
        if kind is FunctionType:
            return self._function(thing, name)
        if isinstance(thing, type):
            return self._class(thing)
        if kind is ModuleType:
            return None if self._is_mine(thing) else ["module", thing.__name__]
        if kind is MethodType:
            return ["method", self._fact(thing.__func__, name), self._fact(thing.__self__, name)]
        if kind is functools.partial:
            return ["partial", *self._facts((thing.func, thing.args, thing.keywords), name)]
        if kind is BuiltinFunctionType and not isinstance(thing.__self__, (ModuleType, NoneType)):
            return ["method", thing.__name__, self._fact(thing.__self__, name)]
        if (external := self._external(thing)) is not None:
            return external
        if kind is functools._lru_cache_wrapper:  # noqa: SLF001  the type has no public name
            return ["cached", self._fact(thing.__wrapped__, name)]
        return None

    def _function(self, function: FunctionType, name: str) -> Any:
        if self._project(function.__code__.co_filename):
            own = function.__name__
            label = self._free(f"helper {name.rpartition('.')[2] if own == '<lambda>' else own}")
            self.follow_function(function, label)
            return ["code", label]
        if (external := self._external(function)) is not None:
            return external
        # Made by a library as it ran, like a decorator's wrapper: what it was made with decides what it does.
        code = function.__code__
        made_with = [*map(_content, function.__closure__ or ()), *(value for _, value in _defaults(function))]
        module = str(function.__globals__.get("__name__"))
        return ["made", module, code.co_qualname, self._facts(made_with, name)]

    def _external(self, thing: Any) -> list[str] | None:
        """Module and name of what another library offers under that name."""
        module = getattr(thing, "__module__", None) or getattr(
            getattr(thing, "__objclass__", None), "__module__", None
        )
        name = getattr(thing, "__qualname__", None) or getattr(thing, "__name__", None)
        home = sys.modules.get(module) if isinstance(module, str) else None
        if home is None or not isinstance(name, str) or self._is_mine(home):
            return None
        found: Any = home
        for step in name.split("."):
            found = getattr(found, step, None)
        hidden = module == "builtins" and isinstance(thing, type)  # NoneType and such are Python's own all the same
        return ["external", f"{module}.{name}"] if found is thing or hidden else None

    def _class(self, cls: type) -> Any:
        if (external := self._external(cls)) is not None:
            return external
        own = _methods(cls)
        namespace = own[0].__globals__ if own else vars(sys.modules.get(cls.__module__, object))
        source = _source_of(own[0].__code__.co_filename if own else str(namespace.get("__file__")), namespace)
        readings = [_Reading(source, node) for node in source.classes.get(cls.__qualname__, ())] if source else []
        if not readings and not hasattr(cls, "_fields") and not issubclass(cls, enum.Enum):  # made by a call
            return None
        label = self._free(f"class {cls.__name__}")
        self._known[id(cls)] = (cls, label)
        self.parts[label] = ""  # taken
        with self._afresh():
            uses = self._loads_of_class(cls, readings, namespace)
        self.parts[label] = _sha256({"text": [reading.tokens for reading in readings], "uses": uses})
        return ["code", label]

    def _loads_of_class(
        self, cls: type, readings: Sequence[_Reading], namespace: Mapping[str, Any]
    ) -> dict[str, object]:
        # A method may hide behind any kind of descriptor, so each name of the text is taken for a global if there is
        # one: a local of the same name brings in too much, which is safe.
        names = {chain for reading in readings for chain in reading.names}
        known = {**namespace, **self._imported(namespace, [node for r in readings for node in r.imports])}
        owner = (cls.__name__, CallSite(str(namespace.get("__file__")), readings[0].line if readings else 0))
        uses: dict[str, object] = {"bases": self._facts(cls.__bases__, cls.__name__)}
        for first, *rest in sorted(name for name in names if name[0] in known):
            name, thing = self._through_modules(first, known[first], rest)
            uses[name] = self._use(owner, "global", name, thing)
        for method in _methods(cls):
            for name, cell in zip(method.__code__.co_freevars, method.__closure__ or (), strict=True):
                uses[f"{method.__name__} {name}"] = self._use(owner, "closure", name, _content(cell))
            for name, value in _defaults(method):
                uses[f"{method.__name__} default {name}"] = self._use(owner, "default", name, value)
        for name, value in _attributes(cls):
            uses[f"attribute {name}"] = self._use(owner, "attribute", f"{cls.__name__}.{name}", value)
        return uses

    @contextlib.contextmanager
    def _afresh(self) -> Iterator[None]:
        """Forget the containers that led here, so that a part is the same by whichever way it is reached."""
        opened, self._open = self._open, []
        try:
            yield
        finally:
            self._open = opened

    def _instance(self, thing: Any, name: str) -> Any:
        cls = type(thing)
        if isinstance(thing, enum.Enum):
            return ["member", self._fact(cls, name), thing.name, self._fact(thing.value, name)]
        if dataclasses.is_dataclass(thing):
            values = {field.name: self._fact(getattr(thing, field.name), name) for field in dataclasses.fields(thing)}
            return ["instance", self._fact(cls, name), values]
        if isinstance(thing, tuple) and hasattr(cls, "_fields"):
            return ["named tuple", self._fact(cls, name), self._facts(thing, name)]
        if isinstance(thing, logging.Logger):  # says what happens, and decides nothing
            return ["logger"]
        if typing.get_origin(thing) is not None:  # list[int], int | None
            return ["annotation", *self._facts((typing.get_origin(thing), *typing.get_args(thing)), name)]
        return ["annotation", repr(thing)] if cls.__module__ == "typing" else None


def _plain(thing: Any, _: str) -> Any:
    """A plain value as its type and an exact text; subclasses are not plain, they may do anything."""
    if isinstance(thing, PurePath):
        return ["path", thing.as_posix()]
    write = _WRITERS.get(type(thing))
    text = write(thing) if write else None
    return None if text is None else [type(thing).__name__, text]


def _time(thing: Any) -> Any:
    zone = None if thing.tzinfo is None else _plain(thing.tzinfo, "")
    if thing.tzinfo is not None and zone is None:
        raise _UnversionedError(thing.tzinfo)
    return [thing.replace(tzinfo=None).isoformat(), thing.fold, zone]


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


def _expression(thing: Any) -> Any:
    """The JSON of a Polars expression; one that holds a Python function holds its pickled bytes, which vary."""
    try:
        text = thing.meta.serialize(format="json")
    except Exception:  # noqa: BLE001  whatever Polars raises where it cannot write one
        raise _UnversionedError(thing) from None
    if '"Anonymous' in text or ",".join(map(str, b"PLPYUDF")) in text:
        raise _UnversionedError(thing)
    return json.loads(text)


def _global_loads(code: CodeType) -> Iterator[str]:
    """The global names that a function loads, those of its comprehensions and inner functions among them."""
    for instruction in dis.get_instructions(code):
        if instruction.opname in {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"}:
            yield str(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _global_loads(constant)


def _global(namespace: Mapping[str, Any], name: str) -> object:
    return namespace[name] if name in namespace else getattr(builtins, name, _MISSING)


def _content(cell: Any) -> object:
    try:
        return cell.cell_contents
    except ValueError:  # not assigned yet
        return _MISSING


def _defaults(function: FunctionType) -> Iterator[tuple[str, object]]:
    code, values = function.__code__, function.__defaults__ or ()
    yield from zip(code.co_varnames[code.co_argcount - len(values) : code.co_argcount], values, strict=True)
    yield from sorted((function.__kwdefaults__ or {}).items())


def _methods(cls: type) -> list[FunctionType]:
    """The functions that the text of a class defines, as far as they show: a property has up to three."""
    wrapped = ("__func__", "__wrapped__", "fget", "fset", "fdel", "func")
    found = [made for member in vars(cls).values() for made in (member, *(getattr(member, n, None) for n in wrapped))]
    functions = [made for made in found if isinstance(made, FunctionType)]
    return [
        function
        for function in functions
        if function.__code__.co_qualname.startswith(f"{cls.__qualname__}.")
        and function.__code__.co_filename != "<string>"  # what dataclasses generate
    ]


def _attributes(cls: type) -> Iterator[tuple[str, object]]:
    """The values that a class holds: neither methods and descriptors, nor what Python itself keeps there."""
    if issubclass(cls, enum.Enum):
        yield from ((member.name, member.value) for member in cls)
        return
    for name, value in vars(cls).items():
        special = (name.startswith("__") and name.endswith("__")) or name.startswith(("_abc_", "_is_protocol"))
        if not special and not hasattr(type(value), "__get__"):
            yield name, value


def _place(function: FunctionType) -> CallSite:
    return CallSite(function.__code__.co_filename, function.__code__.co_firstlineno)


def _kind(thing: object) -> str:
    """The type of a thing under the name that people import it by: ``polars.LazyFrame``."""
    if isinstance(thing, ModuleType):
        return "a module, as a whole"
    if isinstance(thing, type):
        return f"class {thing.__module__}.{thing.__qualname__}"
    cls = type(thing)
    package = cls.__module__.partition(".")[0]
    if package == "builtins":
        return cls.__qualname__
    offered = getattr(sys.modules.get(package), cls.__qualname__, None) is cls
    return f"{package if offered else cls.__module__}.{cls.__qualname__}"
