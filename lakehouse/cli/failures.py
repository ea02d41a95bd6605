"""How a command that ends early says so, and with which exit code.

Knows errors, interrupts and bugs apart. Knows nothing of lakes.
"""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from typing import Any

import click

from lakehouse.cli.output import Screen, emit
from lakehouse.errors import LakeError, RequestError, StorageError

__all__ = ["INTERRUPTED", "STAYS", "TERMINATED", "Terminated", "ended_by", "print_error", "usage"]

INTERRUPTED, TERMINATED, _BUG = 130, 143, 70
STAYS = "what was published stays, and the same command goes on from there"


class Terminated(BaseException):
    """The process was asked to end (SIGTERM)."""


def usage(error: click.ClickException, args: Sequence[str]) -> int:
    """Say what is wrong with the command line."""
    context = error.ctx if isinstance(error, click.UsageError) else None
    message = error.format_message().partition("\n")[0]
    help_text = f"{context.command_path} --help" if context is not None else None
    if isinstance(error, click.NoSuchOption):
        message = f"no option {error.option_name!r}"
        if error.possibilities:
            help_text = f"did you mean {error.possibilities[0]}?"
    shown = RequestError(message[:1].lower() + message[1:].rstrip("."), code="usage", help=help_text)
    return _end(shown, args)


def print_error(screen: Screen, error: LakeError) -> None:
    """``error[code]: message``, the details under it, and the help."""
    first, *rest = error.lines()
    screen.note(f"{screen.paint(f'error[{error.code}]:', 'red', bold=True, to='err')} {first}")
    for line in rest:
        screen.note(line)


def ended_by(error: BaseException, args: Sequence[str]) -> int:
    """Say what ended the command, on stderr, or on stdout as JSON where that was asked for; the exit code."""
    match error:
        case KeyboardInterrupt():
            return _end_run("interrupted", error, INTERRUPTED, args)
        case Terminated():
            return _end_run("terminated", error, TERMINATED, args)
        case SystemExit():
            return error.code if isinstance(error.code, int) else 1
        case LakeError():
            return _end(error, args)
        case OSError(filename=None, errno=errno.ENOSPC | errno.EDQUOT | errno.EFBIG | errno.EIO):
            # What the lake writes has names: it is the output that cannot be written, so it cannot say this either.
            full = StorageError(f"the output cannot be written: {error.strerror}", help="see to where it goes")
            print_error(Screen.standard(), full)
            return full.exit_code
    import traceback

    Screen.standard().note("".join(traceback.format_exception(error)).rstrip())
    bug = LakeError(f"{type(error).__name__}: {error}", code="bug", help="this is a bug in lake; please report it")
    return _end(bug, args, code=_BUG)


def _end_run(word: str, error: BaseException, code: int, args: Sequence[str]) -> int:
    message = "; ".join([word, *map(str, error.args)])
    if _wants_json(args):
        return _end(LakeError(message, code=word), args, code=code)
    Screen.standard().note(f"\n{message}" if sys.stderr.isatty() else message)  # a terminal has echoed ^C
    return code


def _end(error: LakeError, args: Sequence[str], *, code: int | None = None) -> int:
    code = error.exit_code if code is None else code
    if _wants_json(args):
        emit(_error_json(error, code))
        return code
    screen = Screen.standard(_colour(args))
    print_error(screen, error)
    if {"-v", "--verbose"} & {*args}:
        import traceback

        screen.note("".join(traceback.format_exception(error.__cause__ or error)).rstrip())
    return code


def _colour(args: Sequence[str]) -> Any:
    """What ``--color`` says, as far as it can be told from a command line that may be wrong."""
    joined = "=".join(args)
    return next((mode for mode in ("always", "never") if f"--color={mode}" in joined), "auto")


def _wants_json(args: Sequence[str]) -> bool:
    words = "=".join(args) + "="
    return "--json" in args or any(f"--format={form}=" in words for form in ("json", "ndjson"))


def _error_json(error: LakeError, code: int) -> dict[str, Any]:
    """An error in the form that every command's JSON shares."""
    return {
        "schema_version": 1,
        "ok": False,
        "exit_code": code,
        "error": {
            "code": error.code,
            "message": error.message,
            "details": list(error.details),
            "help": error.help,
            "context": error.context,
        },
    }
