"""A word as a person would type it in a shell.

Knows what shells read in a word. Knows nothing of commands.
"""

from __future__ import annotations

import shlex

__all__ = ["quoted"]

_SPECIAL = " \t\n'\"\\$`&|;()<>*?![]{}#~"
_STAYS_SPECIAL = '"\\$`!\n'  # within double quotes


def quoted(text: str) -> str:
    """The word itself, in quotes where it has to be.

    >>> print(quoted("2018-02"), quoted("gift card"), quoted("'gift card'"))
    2018-02 "gift card" "'gift card'"
    """
    if text and not any(char in text for char in _SPECIAL):
        return text
    return shlex.quote(text) if any(char in text for char in _STAYS_SPECIAL) else f'"{text}"'
