"""One file of Python: its tokens, and where its functions and classes stand.

Knows tokens, syntax trees and their places. Knows nothing of what a function means, nor of objects but the code that
it is to find the text of.

The text is a list of tokens. Neither ``ast.dump`` nor ``ast.unparse`` would do: both print the same tree otherwise in
other Python versions, while the tokens of a text are a matter of the language. F-strings are one token up to 3.11 and
several since; they are put together again, from the source, as the one of before.
"""

from __future__ import annotations

import ast
import functools
import io
import linecache
import tokenize
import warnings
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from types import CodeType
from typing import Any

from msgspec import Struct

__all__ = ["Function", "Position", "Source", "Token", "end_of", "parse", "source_of", "start_of"]

Position = tuple[int, int]  # line, counted from 1, and column in UTF-8 bytes: as ``ast`` has them
Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_DROPPED = {
    tokenize.COMMENT,
    tokenize.NL,
    tokenize.NEWLINE,
    tokenize.INDENT,
    tokenize.DEDENT,
    tokenize.ENDMARKER,
}


class Token(Struct, frozen=True):
    """One token as it is written, with its place ``[start, end)``."""

    text: str
    start: Position
    end: Position


class Source(Struct, frozen=True, kw_only=True):
    """One file, read once: its tokens, and where its functions and classes stand."""

    tokens: tuple[Token, ...]
    functions: tuple[Function, ...]
    classes: Mapping[str, list[ast.ClassDef]]

    def nodes_of(self, code: CodeType) -> list[Function]:
        """The function that was compiled to ``code``; all the lambdas of its line where that cannot be told."""
        found = [
            node
            for node in self.functions
            if start_of(node)[0] == code.co_firstlineno and getattr(node, "name", "<lambda>") == code.co_name
        ]
        lambdas = [node for node in found if isinstance(node, ast.Lambda)]
        if len(lambdas) < 2:  # noqa: PLR2004  a choice of one is none
            return found
        spans = [((a, c), (b, d)) for a, b, c, d in code.co_positions() if None not in (a, b, c, d)]
        spans = [(start, end) for start, end in spans if start != end]
        around = [n for n in lambdas if all(start_of(n.body) <= s and e <= end_of(n.body) for s, e in spans)]
        return [max(around, key=lambda node: start_of(node.body))] if spans and around else found

    def between(self, start: Position, end: Position) -> Sequence[Token]:
        """The tokens that begin in ``[start, end)``."""
        low = bisect_left(self.tokens, start, key=lambda token: token.start)
        return self.tokens[low : bisect_left(self.tokens, end, key=lambda token: token.start)]

    def until(self, start: Position, after: Position, text: str) -> Iterator[Token]:
        """The tokens from ``start`` to the first one past ``after`` that reads ``text``, which is left out."""
        for token in self.between(start, self.tokens[-1].end):
            if token.start >= after and token.text == text:
                return
            yield token


def source_of(filename: str, namespace: Mapping[str, Any]) -> Source | None:
    """The file that a module of that namespace was read from, as it is now; None if it is no Python."""
    linecache.checkcache(filename)
    lines = linecache.getlines(filename, dict(namespace))
    try:
        return parse("".join(lines)) if lines else None
    except (SyntaxError, tokenize.TokenError):  # the file was edited since it was imported
        return None


@functools.lru_cache(maxsize=256)
def parse(text: str) -> Source:
    """The tokens of a file's text, and where its functions and classes stand; ``SyntaxError`` if it is none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the import of the file has given them
        tree = ast.parse(text)
    classes: dict[str, list[ast.ClassDef]] = {}
    functions = tuple(_index(tree, "", classes))
    return Source(tokens=tuple(_tokens(text)), functions=functions, classes=classes)


def _index(node: ast.AST, prefix: str, classes: dict[str, list[ast.ClassDef]]) -> Iterator[Function]:
    for child in ast.iter_child_nodes(node):
        inner = prefix
        if isinstance(child, ast.ClassDef):
            classes.setdefault(prefix + child.name, []).append(child)
            inner = f"{prefix}{child.name}."
        elif isinstance(child, Function):
            yield child
            inner = f"{prefix}{getattr(child, 'name', '<lambda>')}.<locals>."
        yield from _index(child, inner, classes)


def _tokens(text: str) -> Iterator[Token]:
    lines = text.split("\n")

    def place(row: int, column: int) -> Position:
        return row, len(lines[row - 1][:column].encode())

    nested: list[tuple[int, int]] = []  # where the f-strings that are open began
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        kind = tokenize.tok_name[token.type]
        if kind in {"FSTRING_START", "TSTRING_START"}:
            nested.append(token.start)
        elif kind in {"FSTRING_END", "TSTRING_END"}:
            start = nested.pop()
            if not nested:
                yield Token(_slice(lines, start, token.end), place(*start), place(*token.end))
        elif not nested and token.type not in _DROPPED and token.string != ";":
            yield Token(token.string, place(*token.start), place(*token.end))


def _slice(lines: Sequence[str], start: tuple[int, int], end: tuple[int, int]) -> str:
    rows = [*lines[start[0] - 1 : end[0]]]
    rows[-1] = rows[-1][: end[1]]
    rows[0] = rows[0][start[1] :]
    return "\n".join(rows)


def start_of(node: ast.AST) -> Position:
    """Where a node begins, its decorators included."""
    decorators: Sequence[ast.expr] = getattr(node, "decorator_list", ())
    first: Any = decorators[0] if decorators else node
    return first.lineno, first.col_offset


def end_of(node: Any) -> Position:
    """Where a node ends."""
    return node.end_lineno, node.end_col_offset
