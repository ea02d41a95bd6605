"""The command line: parse, call, print.

Knows the commands by name and loads the one that is asked for. Refuses to decide anything about a lake.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import os
import sys
import threading
from typing import TYPE_CHECKING, NoReturn

import click

from lakehouse.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["cli", "main"]

# Name, module and short help stand here so that `lake --help` imports none of the commands.
_COMMANDS = {
    "init": "Make a demo project that works offline.",
    "materialize": "Make partitions: stage, audit, publish.",
    "status": "Show which partitions are fresh, and why not.",
    "show": "Show an asset or a partition: rows, schema, lineage.",
    "query": "Run one SELECT over the lake, in DuckDB.",
    "history": "Show runs, or the versions of a partition.",
    "diff": "Show what is other between two versions of a partition.",
    "snapshot": "Keep the lake as it is, as a plain Hive tree.",
    "rollback": "Publish an earlier version of a partition again.",
    "freeze": "Leave partitions as they are.",
    "unfreeze": "Let partitions go that were frozen.",
    "wipe": "Delete partitions, with all their versions.",
    "verify": "Hold every byte against the log; repair.",
    "clean": "Remove leftovers and versions that are no longer kept.",
    "adopt": "Record files that were made elsewhere.",
    "partitions": "List the keys of an asset; add or remove dynamic ones.",
    "graph": "Show what is made of what.",
    "validate": "Look at definitions and sources; write nothing.",
    "completion": "Print what makes a shell complete commands and keys.",
}
_COMPLETION = "_LAKE_COMPLETE"  # by this variable a shell asks for completions: `lakehouse.cli.shells`
_EXAMPLES = (
    "lake init shop && cd shop",
    "lake materialize 2018-02",
    "lake materialize 2018-01..2018-06",
    "lake status",
    'lake query "SELECT * FROM monthly_orders"',
)


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002  click's signature
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        command = importlib.import_module(f"lakehouse.cli.{cmd_name}").command
        assert isinstance(command, click.Command)  # noqa: S101  each command's module has one
        return command

    def format_help_text(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        from lakehouse.cli.help import write_help_text

        write_help_text(formatter, self.help or "", _EXAMPLES)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(_COMMANDS.items()))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in _COMMANDS and not args[0].startswith("-"):
            import difflib

            close = difflib.get_close_matches(args[0], _COMMANDS, n=1, cutoff=0.6)
            hint = f"did you mean `lake {close[0]}`?" if close else f"Commands: {', '.join(_COMMANDS)}"
            raise RequestError(f"no command {args[0]!r}", code="usage", help=hint)
        return super().resolve_command(ctx, args)


def _show_version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:  # noqa: FBT001  click's signature
    if wanted:
        from importlib.metadata import version

        click.echo(f"lake {version('polars-lakehouse')}")
        ctx.exit()


@click.group(
    cls=_Commands,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    no_args_is_help=True,
)
@click.option("-C", "folder", metavar="DIR", help="Work on the project in DIR, as if started there.")
@click.option("--version", is_flag=True, expose_value=False, is_eager=True, callback=_show_version, help="Show it.")
@click.pass_context
def cli(ctx: click.Context, folder: str | None) -> None:
    """Plain Parquet in Hive folders, made and re-made one partition at a time.

    Each partition is staged, audited, and published by one atomic rename: doing it again never duplicates, and a
    crash never shows half a file. Definitions are read from lakefile.py in the nearest folder upward.
    """
    ctx.obj = folder


def main(args: Sequence[str] | None = None) -> None:
    """Run the command line and end the process with its exit code."""
    _open_streams()
    # Importing makes many objects and hardly any garbage: looking for it so often costs a tenth of the start.
    gc.set_threshold(100_000, 50, 50)
    code = run(args)
    _leave(code)


def _open_streams() -> None:
    """Stand-ins for standard streams that the process was started without: a file would take their numbers."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            nowhere = os.open(os.devnull, os.O_RDWR)
            if nowhere != number:
                os.dup2(nowhere, number)
                os.close(nowhere)
            setattr(sys, name, open(number, "w" if number else "r", encoding="utf-8", closefd=False))  # noqa: SIM115


def _leave(code: int) -> NoReturn:
    """End the process, handlers run and output written, without taking the interpreter's modules apart.

    That would cost as much as making a partition, and nothing is left to save: what was acknowledged is on disk.
    """
    for thread in threading.enumerate():
        if thread is not threading.current_thread() and not thread.daemon:
            thread.join()
    atexit._run_exitfuncs()  # noqa: SLF001  what the interpreter itself would call first
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):  # whoever read has gone
            stream.flush()
    os._exit(code)


def run(args: Sequence[str] | None = None) -> int:
    """Run the command line; its exit code."""
    from lakehouse.cli.failures import ended_by, usage

    given = sys.argv[1:] if args is None else list(args)
    if (instruction := os.environ.get(_COMPLETION)) is not None:
        from lakehouse.cli.shells import answer

        return answer(cli, instruction)
    try:
        # Not cli.main(), which ends with 1 where the reader of a pipe has gone.
        with cli.make_context("lake", given) as context:
            code = cli.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        click.echo(error.format_message())
        return 2
    except click.ClickException as error:
        return usage(error, given)
    except BrokenPipeError:
        from lakehouse.cli.output import discard

        discard(sys.stdout)
        return 0
    except BaseException as error:  # noqa: BLE001  the last place: each kind is told apart, and none is dropped
        return ended_by(error, given)
    return code if isinstance(code, int) else 0
