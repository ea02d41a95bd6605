"""How shells ask for completions, and the scripts that make them ask.

Knows the shells. Knows nothing of what is offered.
"""

from __future__ import annotations

import os
import sys
from contextlib import redirect_stderr
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from click.shell_completion import (
    BashComplete,
    CompletionItem,
    add_completion_class,
    get_completion_class,
    shell_complete,
    split_arg_string,
)

from lakehouse.cli.quoting import quoted

if TYPE_CHECKING:
    import click

__all__ = ["SHELLS", "VARIABLE", "answer", "script"]

VARIABLE: Final = "_LAKE_COMPLETE"  # by this a shell asks
SHELLS: Final = ("bash", "zsh", "fish")
_NAME: Final = "lake"
_BASH: Final = """\
%(complete_func)s() {
    local response type value
    response=$(env COMP_WORDS="${COMP_WORDS[*]}" COMP_CWORD="$COMP_CWORD" COMP_LINE="${COMP_LINE:0:COMP_POINT}" \\
        %(complete_var)s=bash_complete "$1" 2>/dev/null)
    COMPREPLY=()
    while IFS=, read -r type value; do
        case $type in
            dir) compopt -o dirnames 2>/dev/null ;;
            file) compopt -o default 2>/dev/null ;;
            plain)
                COMPREPLY+=("$value")
                [[ $value == *= ]] && compopt -o nospace 2>/dev/null
                ;;
        esac
    done <<< "$response"
    return 0
}

complete -o nosort -F %(complete_func)s lake lakehouse 2>/dev/null || complete -F %(complete_func)s lake lakehouse
"""


@add_completion_class
class _Bash(BashComplete):
    """Bash takes ``=`` and ``:`` for the end of a word, and quotes nothing by itself."""

    source_template = _BASH
    _kept = ""  # of the word, what bash takes for words before it

    def source(self) -> str:
        return self.source_template % self.source_vars()

    def get_completion_args(self) -> tuple[list[str], str]:
        line = os.environ.get("COMP_LINE")
        if line is None:
            return super().get_completion_args()
        words = split_arg_string(line)
        typed = "" if line[-1:].isspace() or not words else words.pop()
        self._kept = typed[: max(typed.rfind("="), typed.rfind(":")) + 1]
        return words[1:], typed

    def format_completion(self, item: CompletionItem[Any]) -> str:
        value = str(item.value)
        kept = self._kept if value.startswith(self._kept) else ""
        return f"{item.type},{quoted(value.removeprefix(kept))}"


def answer(cli: click.Command, instruction: str) -> int:
    """What a shell asks for, on stdout; nothing else is ever printed, whatever happens."""
    try:
        with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
            code = shell_complete(cli, {}, _NAME, VARIABLE, instruction)
        sys.stdout.flush()
    except Exception:  # noqa: BLE001  an error would be written over what is being typed
        return 0
    return code


def script(cli: click.Command, shell: str) -> str:
    """What a shell reads so that it asks."""
    kind = get_completion_class(shell)
    assert kind is not None  # noqa: S101  it is one of SHELLS
    return kind(cli, {}, _NAME, VARIABLE).source()
