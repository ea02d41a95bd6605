"""How a command that ends early says so, and with which exit code.

Knows errors, interrupts and bugs apart. Knows nothing of lakes.
"""

from __future__ import annotations

import json
import traceback
from collections.abc import Sequence
from typing import Any

import click

from lakehouse.cli.output import Screen
from lakehouse.errors import LakeError

__all__ = ["ended_by", "print_error", "usage"]

_INTERRUPTED, _TERMINATED, _BUG = 130, 143, 70


class Terminated(BaseException):
    """The process was asked to end (SIGTERM)."""


def usage(error: click.ClickException) -> int:
    """Say what is wrong with the command line."""
    message, _, rest = error.format_message().partition("\n")
    details = [line.strip() for line in rest.splitlines() if line.strip()]
    help_text = None
    if isinstance(error, click.UsageError) and error.ctx is not None and not details:
        help_text = f"{error.ctx.command_path} --help"
    shown = LakeError(_lower(message), code="usage", help=help_text)
    print_error(Screen.standard(), shown, details)
    return LakeError.exit_code


def _lower(message: str) -> str:
    return message[:1].lower() + message[1:].rstrip(".")


def print_error(screen: Screen, error: LakeError, more: Sequence[str] = ()) -> None:
    """``error[code]: message``, the details under it, and the help."""
    first, *rest = error.lines()
    screen.note(f"{screen.paint(f'error[{error.code}]:', 'red', bold=True, to='err')} {first}")
    helps = [line for line in rest if line.startswith("  help: ")]
    for line in [line for line in rest if line not in helps] + [f"  {line}" for line in more] + helps:
        screen.note(line)


def ended_by(error: BaseException, args: Sequence[str]) -> int:
    """Say what ended the command, on stderr, or on stdout as JSON where that was asked for; the exit code."""
    screen = Screen.standard()
    if isinstance(error, KeyboardInterrupt | click.Abort):
        screen.note("interrupted; what was published stays, and the same command goes on from there")
        return _INTERRUPTED
    if isinstance(error, Terminated):
        screen.note("terminated; what was published stays, and the same command goes on from there")
        return _TERMINATED
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else 1
    if isinstance(error, LakeError):
        if _wants_json(args):
            click.echo(json.dumps(error_json(error), ensure_ascii=False))
        else:
            print_error(screen, error)
            if "-v" in args or "--verbose" in args:
                screen.note("".join(traceback.format_exception(error.__cause__ or error)))
        return error.exit_code
    trace = "".join(traceback.format_exception(error))
    screen.note(
        f"{trace}error[bug]: {type(error).__name__}: {error}\n  help: this is a bug in lake; please report it"
    )
    return _BUG


def _wants_json(args: Sequence[str]) -> bool:
    formats = [after for before, after in zip(args, [*args[1:], ""], strict=True) if before == "--format"]
    return "--json" in args or "--format=json" in args or "json" in formats


def error_json(error: LakeError) -> dict[str, Any]:
    """An error in the form that every command's JSON shares."""
    return {
        "schema_version": 1,
        "ok": False,
        "exit_code": error.exit_code,
        "error": {
            "code": error.code,
            "message": error.message,
            "details": list(error.details),
            "help": error.help,
            "context": error.context,
        },
    }
