"""Help that leads with examples.

Knows click's formatter. Knows nothing of what commands do.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from typing import Any

import click

__all__ = ["Command", "write_help_text"]


class Command(click.Command):
    """A command whose help shows, after one line, how it is called.

    Attributes:
        examples: command lines that run in the demo project, in this order.
    """

    def __init__(self, *args: Any, examples: Sequence[str], **options: Any) -> None:
        super().__init__(*args, **options)
        self.examples = tuple(examples)

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the summary, the examples, and what else there is to say."""
        write_help_text(formatter, self.help or "", self.examples)


def write_help_text(formatter: click.HelpFormatter, text: str, examples: Sequence[str]) -> None:
    """A docstring with the examples after its first paragraph."""
    summary, _, details = inspect.cleandoc(text).partition("\n\n")
    formatter.write_paragraph()
    with formatter.indentation():
        formatter.write_text(summary)
    with formatter.section("Examples"):
        for example in examples:
            formatter.write(f"{'':{formatter.current_indent}}{example}\n")
    if details:
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(details)
