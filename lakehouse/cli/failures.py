"""How a command that ends early says so, and with which exit code.

Knows errors, interrupts and bugs apart. Knows nothing of lakes.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from lakehouse.cli.output import Screen, emit
from lakehouse.errors import LakeError, RequestError, StorageError
from lakehouse.printable import printable
from lakehouse.storage_errors import as_storage_error, storage_error

__all__ = ["EXIT_CODES", "STAYS", "Terminated", "ended_by", "print_error", "stopped_by", "usage", "word_of"]

EXIT_CODES: Final[Mapping[int, int]] = {signal.SIGINT: 130, signal.SIGTERM: 143}
_WORDS: Final = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}
_BUG: Final = 70
STAYS = "what was published stays, and the same command goes on from there"


class Terminated(BaseException):
    """The process was asked to end (SIGTERM)."""


class _StoppedError(LakeError):
    """What a run says that was asked to end, and did in good order: no error of anybody's."""


class _InterruptedError(_StoppedError):
    exit_code = EXIT_CODES[signal.SIGINT]
    default_code = _WORDS[signal.SIGINT]


class _TerminatedError(_StoppedError):
    exit_code = EXIT_CODES[signal.SIGTERM]
    default_code = _WORDS[signal.SIGTERM]


def word_of(number: int) -> str:
    """What a signal makes of a command: ``interrupted``, ``terminated``."""
    return _WORDS[signal.Signals(number)]


def stopped_by(number: int, message: str, **facts: Any) -> LakeError:
    """A run that a signal ended in good order: its code is the signal's."""
    return (_TerminatedError if number == signal.SIGTERM else _InterruptedError)(message, **facts)


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
    first, *rest = map(printable, error.lines())
    word, colour = (error.code, "yellow") if isinstance(error, _StoppedError) else (f"error[{error.code}]", "red")
    screen.note(f"{screen.paint(f'{word}:', colour, bold=True, to='err')} {first}")
    for line in rest:
        screen.note(line)


def ended_by(error: BaseException, args: Sequence[str]) -> int:
    """Say what ended the command, on stderr, or on stdout as JSON where that was asked for; the exit code."""
    match error:
        case KeyboardInterrupt():
            return _end_run(signal.SIGINT, error, args)
        case Terminated():
            return _end_run(signal.SIGTERM, error, args)
        case SystemExit():
            return error.code if isinstance(error.code, int) else 1
        case LakeError():
            return _end(error, args)
        case OSError(filename=None, errno=errno.ENOSPC | errno.EDQUOT | errno.EFBIG | errno.EIO):
            # What the lake writes has names: it is the output that cannot be written, so it cannot say this either.
            return _end_unheard(f"the output cannot be written: {error.strerror}")
        case FileNotFoundError(filename=None) if not _has_folder():
            gone = StorageError("the current folder is not there any more", code="folder-gone", help="cd elsewhere")
            return _end(gone, args)
    if (fault := _environment(error, args)) is not None:
        fault.__cause__ = error
        return _end(fault, args)
    import traceback

    Screen.standard().note("".join(traceback.format_exception(error)).rstrip())
    bug = LakeError(f"{type(error).__name__}: {error}", code="bug", help="this is a bug in lake; please report it")
    return _end(bug, args, code=_BUG)


def _has_folder() -> bool:
    try:
        return bool(os.getcwd())  # noqa: PTH109  asked of the system, nothing else
    except OSError:
        return False


def _end_unheard(message: str) -> int:
    full = StorageError(message, code="output-unwritable", help="see to where it goes")
    print_error(Screen.standard(), full)
    return full.exit_code


def _environment(error: BaseException, args: Sequence[str]) -> StorageError | None:
    """What the system or the machine refused, where nobody below has put it into words; None: that is not it."""
    if isinstance(error, OSError) and error.errno is not None:
        return storage_error(error, " ".join(["lake", *args[:1]]), "running the command")
    return as_storage_error(error)


def _end_run(number: int, error: BaseException, args: Sequence[str]) -> int:
    word, code = word_of(number), EXIT_CODES[number]
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
