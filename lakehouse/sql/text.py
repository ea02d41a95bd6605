"""A query's text: what is wrong with it at sight, what of it counts as code, and which names it reads as tables.

Knows where a table's name may stand. Asks no engine and parses no more than that: what it cannot tell it leaves for
the run to tell, and it rather takes a name for a table than misses one.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from itertools import pairwise, takewhile
from typing import Final

from msgspec import Struct, field

from lakehouse.sql.tokens import Token, has_odd_blanks, tokens

__all__ = ["bare", "fault", "normalized", "tables_read"]

_NO_TEXT: Final = re.compile(r"[\ud800-\udfff]")

_BEGINNINGS: Final = frozenset(
    {"(", "select", "with", "from", "values", "table", "pivot", "pivot_wider", "unpivot", "pivot_longer", "summarize"}
)
# All but two of these words are reserved, so that each is what it seems wherever it stands by itself; a table called
# by one of the two would only be one name too many.
_BEFORE_TABLE: Final = frozenset({"join", "table", "pivot", "pivot_wider", "pivot_longer", "unpivot", "lateral"})
_BEFORE_TABLE_AT_START: Final = frozenset({"describe", "desc", "show", "summarize"})
_SET_OPERATIONS: Final = frozenset({"union", "except", "intersect"})
_AFTER_TABLES: Final = _SET_OPERATIONS | frozenset(
    {"select", "where", "group", "having", "window", "qualify", "order", "limit", "offset", "fetch"}
)
_TAKE_FROM: Final = frozenset({"extract", "trim", "substring", "overlay"})  # as in extract(year FROM day)


def fault(sql: str) -> str | None:
    """What is wrong with a query, to be read after "the query"; None if it may be one SELECT.

    >>> fault("select 1; select 2")
    'holds 2 statements, where one SELECT is run'
    """
    if _NO_TEXT.search(sql) or "\0" in sql:
        return "holds bytes that are no text"
    cut = list(tokens(sql))
    if cut and cut[-1].kind == "open":
        what = {"/*": "a comment", '"': "a name"}.get(cut[-1].text, "a text")
        return f"leaves {what} open that begins on line {sql.count(chr(10), 0, cut[-1].start) + 1}"
    begins = [token for before, token in zip([None, *cut], cut, strict=False) if _is_beginning(before, token)]
    if not begins:
        return "is empty"
    if len(begins) > 1:
        return f"holds {len(begins)} statements, where one SELECT is run"
    if begins[0].word not in _BEGINNINGS:
        return f"begins with {begins[0].text}, where one SELECT is run"
    return None


def _is_beginning(before: Token | None, token: Token) -> bool:
    return (before is None or _is_end(before)) and not _is_end(token)


def bare(sql: str) -> str:
    """The query without the semicolons around it, each character of the rest where it was.

    >>> bare("select ';'; -- done")
    "select ';'  -- done"
    """
    cut = list(tokens(sql))
    ends = [*takewhile(_is_end, cut), *takewhile(_is_end, reversed(cut))]
    marks = {token.start for token in ends}
    return "".join(" " if place in marks else character for place, character in enumerate(sql))


def _is_end(token: Token) -> bool:
    return token.word == ";"


def normalized(sql: str) -> str:
    r"""The query without comments and layout: queries of the same normalized text mean the same.

    What is in quotes stays to the letter, and so does the case of words; everything does where there are blanks
    beyond ASCII.

    >>> normalized("select a--b\n  , 'c  d' ;")
    "select a , 'c  d'"
    """
    if has_odd_blanks(sql):
        return sql
    cut = list(tokens(bare(sql)))
    parts = [token.text for token in cut[:1]]
    for before, token in pairwise(cut):
        # Texts on two lines are one text, texts on one line are an error.
        is_continued = token.is_below and before.kind == token.kind == "text"
        parts += ["\n" if is_continued else " ", token.text]
    return "".join(parts)


def tables_read(sql: str, names: Collection[str]) -> tuple[str, ...]:
    """Which of the names the query reads as tables, in the order in which they first appear.

    Names are found in any case, quoted or not. A name that the query defines itself, in its WITH, is left out where
    it is in force. Rather one too many than one too few.

    >>> tables_read("select o.id from orders o join returns using (id)", ["returns", "orders", "id"])
    ('orders', 'returns')
    """
    walk = _Walk(list(tokens(sql)), {name.casefold(): name for name in names})
    for number in range(len(walk.tokens)):
        walk.step(number)
    return tuple(walk.found)


class _Scope(Struct):
    """What is known between two brackets.

    Attributes:
        is_from: whether a comma leads to another table.
        function: whose arguments these are.
        names_tables: whether all names are tables, as in ``query_table``.
        defines: the name whose definition this is.
        may_recur: whether that definition may read itself.
        is_with: whether names are being defined here, `is_recursive` ones or not.
        defining: the name whose definition comes next.
        in_force: names that were defined here.
    """

    is_from: bool = False
    function: str = ""
    names_tables: bool = False
    defines: str | None = None
    may_recur: bool = False
    is_with: bool = False
    is_recursive: bool = False
    defining: str | None = None
    in_force: set[str] = field(default_factory=set)


class _Walk(Struct):
    """One pass over the tokens; `expects` if a table's name may come next."""

    tokens: list[Token]
    names: dict[str, str]
    found: dict[str, None] = field(default_factory=dict)
    scopes: list[_Scope] = field(default_factory=lambda: [_Scope()])
    expects: bool = False
    is_qualified: bool = False

    def step(self, number: int) -> None:
        """Take one token in."""
        token, scope = self.tokens[number], self.scopes[-1]
        if token.text in ("(", "[", "{") and token.kind == "mark":
            self._enter(number)
        elif token.text in (")", "]", "}") and token.kind == "mark":
            self._leave(number)
        elif token.word == ",":
            self.expects = scope.is_from
        elif token.word != ":" and not self._is_keyword(number):
            self._name(number)

    def _word(self, number: int) -> str:
        return self.tokens[number].word if 0 <= number < len(self.tokens) else ""

    def _is_start(self, number: int) -> bool:
        return number == 0 or self._word(number - 1) in ("(", ";")

    def _enter(self, number: int) -> None:
        scope, before = self.scopes[-1], self._word(number - 1)
        inner = _Scope(is_from=self.expects, names_tables=scope.names_tables or before == "query_table")
        if self._word(number - 2) != ".":
            inner.function = before
        if scope.defining is not None and before in ("as", "materialized"):
            inner.defines, inner.may_recur, scope.defining = scope.defining, scope.is_recursive, None
        self.scopes.append(inner)

    def _leave(self, number: int) -> None:
        self.expects = False
        if len(self.scopes) == 1:
            return
        left = self.scopes.pop()
        if left.defines is not None:
            self.scopes[-1].in_force.add(left.defines)
            self.scopes[-1].is_with = self._word(number + 1) == ","

    def _is_keyword(self, number: int) -> bool:
        """Whether the token is a word that says what comes next; takes it in, if so."""
        word, before, scope = self._word(number), self._word(number - 1), self.scopes[-1]
        if before in (".", "as"):
            return False
        if word == "from":
            is_told_apart = before == "distinct" and self._word(number - 2) in ("is", "not")
            if not is_told_apart and scope.function not in _TAKE_FROM:
                self.expects = scope.is_from = True
        elif word in _BEFORE_TABLE or (word in _BEFORE_TABLE_AT_START and self._is_start(number)):
            self.expects = True
        elif word in _AFTER_TABLES or (word == "values" and self._is_start(number)):
            self.expects = scope.is_from = False
            if word == "union" and scope.may_recur and scope.defines and self._is_only_operation(number):
                scope.in_force.add(scope.defines)
        elif word == "with" and self._is_start(number):
            scope.is_with, scope.is_recursive = True, self._word(number + 1) == "recursive"
            self.expects = scope.is_from = False
            return True
        else:
            return False
        scope.is_with = False
        return True

    def _is_only_operation(self, number: int) -> bool:
        """Whether a UNION is the only set operation within its brackets: it is what a recursion may begin with."""
        for step in (-1, 1):
            depth, at = 0, number + step
            while 0 <= at < len(self.tokens) and depth >= 0:
                word = self._word(at)
                depth += step * ((word in ("(", "[", "{")) - (word in (")", "]", "}")))
                if not depth and word in _SET_OPERATIONS:
                    return False
                at += step
        return True

    def _name(self, number: int) -> None:
        """Take in a name, or what is none: a sign, a number, a word without a part in this."""
        token, scope, after = self.tokens[number], self.scopes[-1], self._word(number + 1)
        if scope.is_with:
            is_defined = scope.defining is None and self._word(number - 1) in ("with", "recursive", ",")
            if is_defined and not (token.word == "recursive" and after != "as"):
                scope.defining = token.name
            return
        if scope.names_tables:
            self._found(token.name, is_qualified=True)
        if token.word == ".":
            return
        if self._word(number - 1) == "." and self.is_qualified:
            self._found(token.name, is_qualified=True)
            self.is_qualified = after == "."
            return
        if self.expects and after != ":":  # else it is what the table is called here
            if after != "(":
                self._found(token.name, is_qualified=after == ".")
            self.expects, self.is_qualified = False, after == "."

    def _found(self, name: str | None, *, is_qualified: bool) -> None:
        is_own = not is_qualified and any(name in scope.in_force for scope in self.scopes)
        if name in self.names and not is_own:
            self.found[self.names[name]] = None
