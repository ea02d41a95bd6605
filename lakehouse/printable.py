"""Text of others as a terminal may show it: on one line, and unable to do anything but be read.

Knows which characters steer a terminal or hide what is written. Refuses to know who shows it; what machines read
(JSON, CSV) stays exact and does not come through here.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["printable", "unsteering"]

# Controls (C0, DEL, C1: escape sequences begin with one), line and paragraph separators, what turns the direction of
# writing, and what takes no room, so that two different texts look alike. The joiners U+200C and U+200D stay: Persian
# and emoji are spelt with them.
_UNSEEN: Final = re.compile(
    "[\x00-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
    "\U000e0000-\U000e007f]"
)
_HALF: Final = re.compile("[\ud800-\udfff]")  # bytes of a file's name that are no text


def printable(text: str, width: int | None = None) -> str:
    r"""The text without what steers a terminal, and no longer than `width` characters; the last may be "…".

    >>> printable("a\x1b[31mred\nline")
    'a[31mredline'
    >>> printable("0123456789", 8)
    '0123456…'
    """
    # Text that Python itself would show as it is needs no second look.
    shown = text if text.isprintable() else _HALF.sub("?", _UNSEEN.sub("", text))
    return shown if width is None or len(shown) <= width else f"{shown[: max(width - 1, 0)]}…"


def unsteering(json: str) -> str:
    r"""The same JSON with such characters written as ``\uXXXX``: whoever parses it gets what was there.

    >>> unsteering('"a\u202eb"') == r'"a\u202eb"'
    True
    """
    return json if json.isprintable() else _HALF.sub(_as_escape, _UNSEEN.sub(_as_escape, json))


def _as_escape(found: re.Match[str]) -> str:
    """A character as JSON escapes it, in UTF-16; line ends between values stay as they are."""
    units = found[0].encode("utf-16-be", "surrogatepass").hex()
    return found[0] if found[0] == "\n" else "".join(f"\\u{units[i : i + 4]}" for i in range(0, len(units), 4))
