"""The grammar of selections: the text that a person types <-> items.

Knows words, quotes, ranges, patterns, dimensions and paths, and writes what it reads. Knows no definition: not which
keys there are, what an item names of them, nor whether an asset or a dimension of that name exists.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace

from lakehouse.errors import RequestError
from lakehouse.layout import unescape

__all__ = ["Dims", "Glob", "Item", "Quoted", "Range", "Value", "Word", "naming", "naming_in_path", "read"]

_QUOTED = r"""'(?:[^']|'')*'|"(?:[^"]|"")*\""""
_SPACED = re.compile(rf"""(?:{_QUOTED}|[^\s'"])+""")
_TOKEN = re.compile(rf"""(?:{_QUOTED}|[^\s,'"])+""")
_SEGMENT = re.compile(rf"""(?:{_QUOTED}|[^/'"])+""")
_ASSIGNED = re.compile(rf"""((?:{_QUOTED}|[^='"])*)=(.*)""", re.DOTALL)
_BARE = r"""(?!\.)(?:(?!\.\.)[^\s,'"\[\]])+(?<!\.)"""  # a dot at its edge would be read as the range's
_RANGE = re.compile(rf"({_QUOTED}|{_BARE})?\.\.\.?({_QUOTED}|{_BARE})?")
_FILE = re.compile(r"""[^='"]*(?:\.parquet|\*)""")  # no other: region=eu/2018-02 would be all of eu
_OF_THE_GRAMMAR = {"all", "latest"}


class Word(Struct, frozen=True):
    """A bare text: a key, the date of its first day, a coarser date (``2018``), ``latest`` or ``all``."""

    text: str

    def __str__(self) -> str:
        return self.text


class Quoted(Struct, frozen=True):
    """A text that is a key to the letter, whatever else it looks like."""

    text: str

    def __str__(self) -> str:
        return "'" + self.text.replace("'", "''") + "'"


class Range(Struct, frozen=True):
    """All from ``first`` to ``last``, both included; where one is None, as far as the definition goes."""

    first: Word | Quoted | None
    last: Word | Quoted | None

    def __str__(self) -> str:
        return f"{self.first or ''}..{self.last or ''}"


class Glob(Struct, frozen=True):
    """The keys that a pattern with ``*`` (any text) and ``?`` (any one character) matches."""

    pattern: str

    def __str__(self) -> str:
        return self.pattern


Value = Word | Quoted | Range | Glob


class Dims(Struct, frozen=True):
    """Values for each dimension named; only of one asset, if the text was a path that names it."""

    values: tuple[tuple[str, tuple[Value, ...]], ...]
    asset: str | None = None

    def __str__(self) -> str:
        named = [f"{name}={','.join(map(str, values))}" for name, values in self.values]
        return "/".join(named if self.asset is None else [self.asset, *named])

    @property
    def names(self) -> frozenset[str]:
        """The dimensions named."""
        return frozenset(name for name, _ in self.values)


Item = Value | Dims


class _Path(Struct, frozen=True):
    """Folders ``name=text`` in a row, with what stands before and after them."""

    before: list[str]
    dims: Dims
    is_closed: bool
    """Whether a file follows, so that nothing that comes after can belong to it."""

    @property
    def asset(self) -> str | None:
        """The folder right before, unless it only says where we are."""
        return self.before[-1] if self.before and self.before[-1].strip(".") else None


def read(texts: str | Iterable[str]) -> tuple[Item, ...]:
    """The items of texts, in each separated by spaces or commas; values of one dimension by commas alone.

    >>> read("[2018-01...2018-03],latest")
    (Range(first=Word(text='2018-01'), last=Word(text='2018-03')), Word(text='latest'))
    >>> [str(item) for item in read("2018 region=eu,us/day=2018-02,day=2018-03")]
    ['2018', 'region=eu,us/day=2018-02', 'day=2018-03']

    Raises:
        RequestError: there is no item, a quote is not closed, or an item has no place in the grammar.
    """
    listed = [texts] if isinstance(texts, str) else texts
    items = tuple(item for text in listed for spaced in _spaced(text) for item in _items(spaced))
    if not items:
        raise RequestError("no partition is named", help="name a key, a range, latest or all")
    if Range(None, None) in items and len(items) > 1:  # 2018-01 .. 2018-03 would be the whole lake
        raise RequestError("'..' stands alone", help="a range has no spaces: 2018-01..2018-03")
    return items


def naming(key: str) -> Word | Quoted:
    """The item that names a key, quoted only where the bare text would be read as something else."""
    plain = re.fullmatch(_BARE, key) and "=" not in key and _value(key) == Word(key) and key not in _OF_THE_GRAMMAR
    return Word(key) if plain else Quoted(key)


def naming_in_path(key: str) -> Word | Quoted:
    """The same for a key after ``column=``, where ``/`` parts folders and Hive's escapes are read."""
    return Quoted(key) if "/" in key or unescape(key) != key else naming(key)


def _spaced(text: str) -> list[str]:
    unread = _SPACED.sub("", text)
    if "'" in unread or '"' in unread:
        raise RequestError(f"a quote is not closed: {text}")
    return _SPACED.findall(text)


def _items(spaced: str) -> list[Item]:
    """The items of a text without spaces; what follows a comma belongs to the dimensions before it if it can."""
    items: list[Item] = []
    open_dims: Dims | None = None  # the last item, while it can still grow
    for token in _TOKEN.findall(spaced):
        path = _path(token) if _ASSIGNED.fullmatch(token) else None
        joined = _joined(open_dims, path, token) if open_dims else None
        if joined is not None:
            items[-1] = joined
        elif path is not None:
            joined = replace(path.dims, asset=path.asset)
            items.append(joined)
        else:
            items.append(_value(token))
        open_dims = None if path is not None and path.is_closed else joined
    return items


def _joined(dims: Dims, path: _Path | None, token: str) -> Dims | None:
    """Dimensions with what follows them after a comma: more values, more dimensions or both; None: neither."""
    if path is None:
        return None if "/" in _unquoted(token) else _with_value(dims, token)
    if dims.names & path.dims.names or len(path.before) > 1 or token.startswith("/"):
        return None
    grown = _with_value(dims, path.before[0]) if path.before else dims
    return replace(grown, values=grown.values + path.dims.values)


def _with_value(dims: Dims, token: str) -> Dims:
    *others, (name, values) = dims.values
    return replace(dims, values=(*others, (name, (*values, _value(token, in_path=True)))))


def _path(token: str) -> _Path:
    """Dimensions, maybe with folders before them and a file's name after them."""
    segments = _SEGMENT.findall(token)
    if is_closed := _FILE.fullmatch(segments[-1]) is not None:
        segments.pop()
    named: dict[str, str] = {}
    while segments and (match := _ASSIGNED.fullmatch(segments[-1])):
        if not (match[1] and match[2]) or match[1] in named:
            raise RequestError(f"{token} does not name a partition", help="write COLUMN=KEY, each column once")
        named = {match[1]: match[2], **named}
        segments.pop()
    if not named:
        raise RequestError(f"{token} does not name a partition", help="a path ends in COLUMN=KEY or a file in it")
    dims = Dims(tuple((name, (_value(text, in_path=True),)) for name, text in named.items()))
    return _Path(segments, dims, is_closed)


def _value(token: str, *, in_path: bool = False) -> Value:
    if re.fullmatch(_QUOTED, token):
        return Quoted(_unquote(token))
    if token.startswith("[") and token.endswith("]") and _RANGE.fullmatch(token[1:-1]):
        token = token[1:-1]
    if match := _RANGE.fullmatch(token):
        first, last = (_named(text, in_path=in_path) if text else None for text in match.groups())
        return Range(first, last)
    if "'" in token or '"' in token:
        raise RequestError(f"a quote must hold a whole key: {token}")
    named = _named(token, in_path=in_path)
    return Glob(token) if isinstance(named, Word) and ("*" in token or "?" in token) else named


def _named(text: str, *, in_path: bool) -> Word | Quoted:
    """A key as it was typed or, in a path, as Hive escapes it."""
    if text[0] in "'\"":
        return Quoted(_unquote(text))
    plain = unescape(text) if in_path else text
    return Word(text) if plain == text else Quoted(plain)


def _unquote(token: str) -> str:
    return token[1:-1].replace(token[0] * 2, token[0])


def _unquoted(token: str) -> str:
    """What of a token stands outside of quotes."""
    return re.sub(_QUOTED, "", token)
