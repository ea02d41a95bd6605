"""Source text: what a function or a class says, apart from how it is laid out, and the names that it loads.

Knows what of a text is layout: comments, docstrings, annotations that nothing reads, line ends and commas. The syntax
tree only says where these stand; what is kept are the tokens, with marks for blocks in place of indentation. Knows
nothing of what a name stands for, nor of what else makes a version.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from types import CodeType
from typing import Any

from lakehouse.versions.sourcefile import Function, Position, Source, Token, end_of, source_of, start_of

__all__ = ["Reading", "read_class", "read_function"]

_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_OPEN, _STATEMENT, _CLOSE = "\n+", "\n", "\n-"  # no token begins with a line end


def read_function(code: CodeType, namespace: Mapping[str, Any]) -> list[Reading]:
    """The texts that may be the function's of that code, one unless lambdas share a line; none if it is not found."""
    source = source_of(code.co_filename, namespace)
    return [Reading(source, node) for node in source.nodes_of(code)] if source else []


def read_class(qualname: str, filename: str, namespace: Mapping[str, Any]) -> list[Reading]:
    """The texts of the classes of that name in a file; none if it is not found."""
    source = source_of(filename, namespace)
    return [Reading(source, node) for node in source.classes.get(qualname, ())] if source else []


class Reading:
    """What one function or class says: its tokens, without layout, and the names that it loads."""

    def __init__(self, source: Source, node: Function | ast.ClassDef) -> None:
        self.names: set[tuple[str, ...]] = set()  # ("helpers", "to_cents") for an attribute of a name
        self.imports: list[ast.Import | ast.ImportFrom] = []
        self.line = node.lineno
        self._source = source
        self._root = node
        self._opens: dict[Position, str] = {}
        self._closes: Counter[Position] = Counter()
        self._cut: set[Token] = set()
        self._unread: set[ast.AST] = set()
        self._tuples: set[Position] = set()  # ends of those of one item, whose comma is no ornament
        self._visit(node, ())
        # A function's own decorators have done their work: the object at hand is what they made of it. A class's
        # stay, since they work on the class itself: dataclass(order=True).
        start = start_of(node) if isinstance(node, ast.ClassDef) else (node.lineno, node.col_offset)
        self.tokens = self._kept(source.between(start, end_of(node)))

    def _kept(self, tokens: Iterable[Token]) -> list[str]:
        """The tokens but for those cut and for ornamental commas, with the marks of blocks between them."""
        texts: list[str] = []
        comma: Position | None = None  # where the last token ended, if that was a comma
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
            self._tuples.add(end_of(node))
        for field, child in self._children(node):
            inner: tuple[type, ...] = ()
            if field == "body" and isinstance(node, Function | ast.ClassDef):
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
            self._cut |= set(self._source.between(start_of(first), end_of(first)))
            statements = statements[1:]
        for number, statement in enumerate(statements):
            self._opens[start_of(statement)] = _STATEMENT if number else _OPEN
        self._closes.update(end_of(statement) for statement in statements[-1:])
        return statements

    def _cut_signature(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        """Cut the annotations of the arguments and of what is returned."""
        for argument in ast.walk(node.args):
            if isinstance(argument, ast.arg) and argument.annotation:
                self._cut |= set(self._source.between(start_of(argument), end_of(argument))[1:])
                self._unread.add(argument.annotation)
        if node.returns:
            self._unread.add(node.returns)
            header = self._source.between((node.lineno, node.col_offset), start_of(node.returns))
            arrow = max(token.start for token in header if token.text == "->")
            self._cut |= set(self._source.until(arrow, end_of(node.returns), ":"))

    def _cut_annotation(self, node: ast.AnnAssign) -> None:
        self._unread.add(node.annotation)
        if node.value:  # without one it only says that the name is local, which is worth keeping
            between = self._source.between(end_of(node.target), start_of(node.annotation))
            colon = next(token.start for token in between if token.text == ":")
            self._cut |= set(self._source.until(colon, end_of(node.annotation), "="))


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
