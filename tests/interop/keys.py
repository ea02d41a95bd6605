"""Values of keys that are hard on readers: what folder names escape, what engines take for something else.

Knows values. Knows no reader.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["HARD", "REFUSED"]

HARD: Final = (
    *("plain", "UPPER", "a b", " first", "last ", "two  spaces"),
    *("a/b", "a\\b", "%", "a%b", "a%20b", "%2F", "a=b", "=", "a+b", "a#b", "a?b", "a*b", "a:b"),
    *("a'b", 'a"b', "a`b", "a[b]", "a{b}", "a^b", "a~b", "a|b", "a<b>", "a&b", "a,b", "a;b", "a$b", "${x}", "a@b"),
    *("a!b", "(a)", "-", "~", "..a", "a.", ".hidden", "_hidden", "a.parquet"),
    *("a\tb", "a\nb", "a\rb", "a\x01b", "a\x7fb"),
    *("é", "日本", "🦆", "\u00a0a", "\u200b"),
    *("null", "NaN", "None", "true", "007", "1e5", "0x1F", "2018-02-01", "12:30"),
    "x" * 200,
)
"""All of them text, and one key each."""

_NOTHING: Final = "readers take it for no value at all"
REFUSED: Final[Mapping[str, str]] = {
    "": _NOTHING,
    ".": _NOTHING,
    "..": _NOTHING,
    "__HIVE_DEFAULT_PARTITION__": _NOTHING,
    "x" * 300: "too long for a folder's name",
    "\ud800": "it is no Unicode text",
}
"""What no partition can be called, and why."""
