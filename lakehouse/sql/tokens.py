"""A query's text cut into tokens as DuckDB cuts it, without blanks and comments.

Knows quotes, comments and what may be glued together. Knows no grammar, and takes text that is no SQL as it comes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

__all__ = ["Token", "has_odd_blanks", "tokens"]

# DuckDB takes these for blanks, but takes quotes in comments for quotes as it does so: behind "it's" it leaves them
# between words, and replaces them in texts. Every other character from U+0080 on is a letter.
_BLANK: Final = r"\xa0\u2000-\u200b\u202f\u205f\u2060\u3000\ufeff"
_LETTER: Final = rf"(?:[A-Za-z_]|[^\x00-\x7f{_BLANK}])"
_TOKEN: Final = re.compile(
    rf"""(?P<gap>     [\t-\r {_BLANK}]+ | --[^\n\r]* | /\* )
      |  (?P<text>    [eE]'(?:[^'\\]|\\.|'')*' | [xXbBnN]?'(?:[^']|'')*'
                    | \$\$.*?\$\$ | \$(?P<tag>{_LETTER}(?:{_LETTER}|\d)*)\$.*?\$(?P=tag)\$ )
      |  (?P<quoted>  "(?:[^"]|"")*" )
      |  (?P<open>    [eE]?' | " | \$(?:{_LETTER}(?:{_LETTER}|\d)*)?\$ )
      |  (?P<number>  (?:\d[\d_]*\.?|(?<![\w"$)\]])\.\d)[\d_]*(?:[eE][+-]?\d[\d_]*)? )
      |  (?P<word>    (?:{_LETTER}|[\d$])+ )
      |  (?P<sign>    (?:(?!--|/\*)[-+*/<>=~!@%^&|:?\#`\\])+ )
      |  (?P<mark>    . )""",
    re.VERBOSE | re.DOTALL | re.ASCII,
)
_HAS_BLANK: Final = re.compile(rf"[{_BLANK}]")
_COMMENT_EDGE: Final = re.compile(r"/\*|\*/")


def has_odd_blanks(sql: str) -> bool:
    """Whether there is a blank beyond ASCII, the meaning of which depends on comments."""
    return _HAS_BLANK.search(sql) is not None


class Token(NamedTuple):
    """A piece of the text that is neither blank nor comment.

    Attributes:
        kind: ``text`` in single quotes or dollars, ``quoted`` in double quotes, ``number``, ``word``, ``sign`` (a run
            of operators), ``mark`` (a bracket, comma, dot or semicolon), ``open`` (what begins a quote or a comment
            that nothing closes).
        text: as it was written.
        start: where it begins.
        is_below: whether a line ends between it and the one before.
    """

    kind: str
    text: str
    start: int
    is_below: bool

    @property
    def word(self) -> str:
        """The word in lower case, or what else it is; nothing for what is in quotes, which is never a keyword."""
        return "" if self.kind in ("text", "quoted") else self.text.lower()

    @property
    def name(self) -> str | None:
        """What it names, folded, if it can name a table: a word, or what is in quotes of either kind."""
        if self.kind == "word":
            return self.text.casefold()
        quote = self.text[0]
        is_name = self.kind == "quoted" or (self.kind == "text" and quote == "'")
        return self.text[1:-1].replace(quote * 2, quote).casefold() if is_name else None


def tokens(sql: str) -> Iterator[Token]:
    """The tokens in their order, up to what nothing closes."""
    at, is_below, kind = 0, False, ""
    while kind != "open" and (match := _TOKEN.match(sql, at)):
        start, at, kind = at, match.end(), str(match.lastgroup)
        if match["gap"] == "/*":
            end = _comment_end(sql, at)
            at, kind = (at, "open") if end is None else (end, "gap")
        if kind == "gap":
            is_below = is_below or "\n" in sql[start:at] or "\r" in sql[start:at]
            continue
        yield Token(kind, match[0], start, is_below)
        is_below = False


def _comment_end(sql: str, at: int) -> int | None:
    """Where a comment ends whose beginning was read; comments nest."""
    depth = 1
    for edge in _COMMENT_EDGE.finditer(sql, at):
        depth += 1 if edge[0] == "/*" else -1
        if not depth:
            return edge.end()
    return None
