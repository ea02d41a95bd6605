"""``lake completion``: what a shell reads at its start, so that TAB completes commands, assets and keys."""

from __future__ import annotations

import sys

import click

from lakehouse.cli.help import Command
from lakehouse.cli.shells import SHELLS, script

__all__ = ["command"]


@click.command(
    "completion", cls=Command, examples=("lake completion bash", "lake completion zsh", "lake completion fish")
)
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(ctx: click.Context, *, shell: str) -> int:
    """Print the script by which a shell completes what is typed.

    One line makes it so from the next shell on:

    \b
    bash, in ~/.bashrc:  eval "$(lake completion bash)"
    zsh, in ~/.zshrc:    eval "$(lake completion zsh)"
    fish, in ~/.config/fish/config.fish:  lake completion fish | source

    TAB never runs your code: assets and keys are those that the last command found. For that a small file is
    kept for each project in ~/.cache/lakehouse/completion (or below XDG_CACHE_HOME).
    """  # noqa: D301  the backspace tells click to leave the lines as they are
    sys.stdout.write(script(ctx.find_root().command, shell))
    return 0
