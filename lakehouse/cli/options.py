"""The options that commands share.

Knows click. Knows nothing of what commands do.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

import click

from lakehouse.cli.output import Screen

__all__ = ["Format", "common", "folder_of", "screen_of"]

_F = TypeVar("_F", bound=Callable[..., Any])
Format = Literal["table", "json", "ndjson", "csv", "tree", "mermaid"]


def common(*formats: Format) -> Callable[[_F], _F]:
    """``-C``, ``-q``, ``-v``, ``--color`` and, where a command has formats, ``--format`` and ``--json``.

    The first format is the one that is printed unasked.
    """

    def add(function: _F) -> _F:
        options = [
            click.option("-C", "folder", metavar="DIR", help="Work on the project in DIR."),
            click.option("-q", "--quiet", is_flag=True, help="No progress; nothing if nothing is to do."),
            click.option("-v", "--verbose", is_flag=True, help="Whole tracebacks."),
            click.option("--color", type=click.Choice(["auto", "always", "never"]), default="auto", help="Colours."),
        ]
        if formats:
            options += [
                click.option(
                    "--format", "form", type=click.Choice(formats), default=formats[0], help="How to print it."
                ),
                click.option("--json", "form", flag_value="json", help="Short for --format json."),
            ]
        for option in reversed(options):
            function = option(function)
        return function

    return add


def folder_of(ctx: click.Context, folder: str | None) -> str | None:
    """The folder that ``-C`` names, before or after the command."""
    return folder if folder is not None else ctx.obj


def screen_of(color: Literal["auto", "always", "never"], *, quiet: bool) -> Screen:
    """The terminal as the options want it."""
    return Screen.standard(color, quiet=quiet)
