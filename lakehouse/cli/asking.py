"""The question before something is deleted: on a terminal; elsewhere ``--yes`` has to say so.

Knows streams. Knows nothing of what is deleted.
"""

from __future__ import annotations

import sys

import click

from lakehouse.errors import RequestError

__all__ = ["is_agreed"]


def is_agreed(what: str, *, yes: bool) -> bool:
    """Whether whoever is at the terminal agrees, or has done so beforehand.

    Args:
        what: what is about to be done: ``remove the snapshot before-fix``.
        yes: whether ``--yes`` was given.

    Raises:
        RequestError: nobody can be asked.
    """
    if yes:
        return True
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise RequestError(
            f"nobody is there to be asked: {what}?", code="yes-missing", help="say so beforehand: --yes"
        )
    click.echo(f"{what}? [y/N] ", nl=False, err=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
