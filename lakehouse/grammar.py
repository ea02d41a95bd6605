"""The grammar of selections: the text that a person types <-> items.

Knows words, quotes, ranges, patterns and paths, and writes what it reads. Knows no definition: not which keys there
are, what an item names of them, nor whether an asset or a dimension of that name exists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from lakehouse.errors import RequestError
from lakehouse.layout import unescape

__all__ = ["Dims", "Glob", "Item", "Quoted", "Range", "Value", "Word", "naming", "read"]

_QUOTED = r"""'(?:[^']|'')*'|"(?:[^"]|"")*\""""
_TOKEN = re.compile(rf"""(?:{_QUOTED}|[^\s,'"])+""")
_SEGMENT = re.compile(rf"""(?:{_QUOTED}|[^/'"])+""")
_ASSIGNED = re.compile(rf"""((?:{_QUOTED}|[^='"])*)=(.*)""", re.DOTALL)
_BARE = r"""(?!\.)(?:(?!\.\.)[^\s,'"\[\]])+(?<!\.)"""  # a dot at its edge would be read as the range's
_RANGE = re.compile(rf"({_QUOTED}|{_BARE})?\.\.\.?({_QUOTED}|{_BARE})?")
_OF_THE_GRAMMAR = {"all", "latest"}


@dataclass(frozen=True, slots=True)
class Word:
    """A bare text: a key, the date of its first day, a coarser date (``2018``), ``latest`` or ``all``."""

    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, slots=True)
class Quoted:
    """A text that is a key to the letter, whatever else it looks like."""

    text: str

    def __str__(self) -> str:
        return "'" + self.text.replace("'", "''") + "'"


@dataclass(frozen=True, slots=True)
class Range:
    """All from ``first`` to ``last``, both included; where one is None, as far as the definition goes."""

    first: Word | Quoted | None
    last: Word | Quoted | None

    def __str__(self) -> str:
        return f"{self.first or ''}..{self.last or ''}"


@dataclass(frozen=True, slots=True)
class Glob:
    """The keys that a pattern with ``*`` (any text) and ``?`` (any one character) matches."""

    pattern: str

    def __str__(self) -> str:
        return self.pattern


Value = Word | Quoted | Range | Glob


@dataclass(frozen=True, slots=True)
class Dims:
    """A value for each dimension named; only of one asset, if the text was a path that names it."""

    values: tuple[tuple[str, Value], ...]
    asset: str | None = None

    def __str__(self) -> str:
        named = [f"{name}={value}" for name, value in self.values]
        return "/".join(named if self.asset is None else [self.asset, *named])


Item = Value | Dims


def read(texts: str | Iterable[str]) -> tuple[Item, ...]:
    """The items of texts, in each separated by spaces or commas.

    >>> read("[2018-01...2018-03],latest")
    (Range(first=Word(text='2018-01'), last=Word(text='2018-03')), Word(text='latest'))

    Raises:
        RequestError: there is no item, a quote is not closed, or an item has no place in the grammar.
    """
    listed = [texts] if isinstance(texts, str) else texts
    items = tuple(_item(token) for text in listed for token in _tokens(text))
    if not items:
        raise RequestError("no partition is named", help="name a key, a range, latest or all")
    if Range(None, None) in items and len(items) > 1:  # 2018-01 .. 2018-03 would be the whole lake
        raise RequestError("'..' stands alone", help="a range has no spaces: 2018-01..2018-03")
    return items


def naming(key: str) -> Word | Quoted:
    """The item that names a key, quoted only where the bare text would be read as something else."""
    plain = re.fullmatch(_BARE, key) and _item(key) == Word(key) and key not in _OF_THE_GRAMMAR
    return Word(key) if plain else Quoted(key)


def _tokens(text: str) -> list[str]:
    unread = _TOKEN.sub("", text)
    if "'" in unread or '"' in unread:
        raise RequestError(f"a quote is not closed: {text}")
    return _TOKEN.findall(text)


def _item(token: str) -> Item:
    return _dims(token) if _ASSIGNED.fullmatch(token) else _value(token)


def _dims(token: str) -> Dims:
    """Dimensions, maybe with folders and the asset's name before them and a file's name after them."""
    segments = _SEGMENT.findall(token)
    if not _ASSIGNED.fullmatch(segments[-1]):
        segments.pop()
    named: dict[str, str] = {}
    while segments and (match := _ASSIGNED.fullmatch(segments[-1])):
        if not (match[1] and match[2]) or match[1] in named:
            raise RequestError(f"{token} does not name a partition", help="write COLUMN=KEY, each column once")
        named = {match[1]: match[2], **named}
        segments.pop()
    if not named:
        raise RequestError(f"{token} does not name a partition", help="a path ends in COLUMN=KEY or a file in it")
    asset = segments[-1] if segments and segments[-1].strip(".") else None
    return Dims(tuple((name, _value(text, in_path=asset is not None)) for name, text in named.items()), asset)


def _value(token: str, *, in_path: bool = False) -> Value:
    if re.fullmatch(_QUOTED, token):
        return Quoted(_unquote(token))
    if token.startswith("[") and token.endswith("]") and _RANGE.fullmatch(token[1:-1]):
        token = token[1:-1]
    if match := _RANGE.fullmatch(token):
        first, last = (_end(text) if text else None for text in match.groups())
        return Range(first, last)
    if "'" in token or '"' in token:
        raise RequestError(f"a quote must hold a whole key: {token}")
    if in_path and (text := unescape(token)) != token:
        return Quoted(text)
    return Glob(token) if "*" in token or "?" in token else Word(token)


def _end(text: str) -> Word | Quoted:
    return Quoted(_unquote(text)) if text[0] in "'\"" else Word(text)


def _unquote(token: str) -> str:
    return token[1:-1].replace(token[0] * 2, token[0])
