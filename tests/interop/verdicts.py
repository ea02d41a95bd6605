"""What an outcome amounts to, in a word: fine, an error, or wrong without one.

Knows outcomes and the best of each. Knows no page.
"""

from __future__ import annotations

import re
from typing import Final, Literal

from interop.cases import TYPED
from interop.judging import WORKS
from interop.lakes import REFUSES

__all__ = ["Verdict", "is_as_it_should_be", "verdict"]

Verdict = Literal["yes", "refused", "error", "wrong"]

_ERROR: Final = re.compile(r"[A-Z]\w+: |\d+ of \d+; \w+(Error|Exception) for ")
_COUNT: Final = re.compile(r"\d+ of \d+")


def is_as_it_should_be(outcome: str, best: str) -> bool:
    """Whether nothing better can be asked for."""
    return outcome == best or (best == TYPED and "; " not in outcome and not _ERROR.match(outcome))


def verdict(outcome: str, best: str) -> Verdict:
    """The word: rows are right, too, where a reader read more files than it had to, or gives a column more."""
    if outcome == REFUSES:
        return "refused"
    if _ERROR.match(outcome):
        return "error"
    is_right = outcome.partition("; ")[0] == WORKS or _COUNT.fullmatch(outcome)
    return "yes" if is_right or is_as_it_should_be(outcome, best) else "wrong"
