"""``lake query``: one SELECT over the lake, in a DuckDB that can touch nothing else."""

from __future__ import annotations

import glob
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final, Literal

import click

from lakehouse.assets import Source
from lakehouse.cli.help import Command
from lakehouse.cli.options import Format, common, folder_of, screen_of
from lakehouse.cli.output import Screen, aside
from lakehouse.errors import LakeError, RequestError
from lakehouse.storage_errors import storage_error

if TYPE_CHECKING:
    from lakehouse.lake import Lake

__all__ = ["command"]

_LEAVE: Final = ("exit", "quit", "\\q", ".quit", ".exit")


@click.command(
    "query",
    cls=Command,
    examples=(
        "lake query \"SELECT * FROM monthly_orders WHERE partition_date = '2018-02'\"",
        'lake query "FROM monthly_orders SELECT sum(order_num)" --format csv',
        'echo "FROM raw_customers LIMIT 3" | lake query --json',
        "lake query -i report.sql --safe-csv -o report.csv",
        'lake query "FROM monthly_orders" --as-of monthly_orders:1',
    ),
)
@click.argument("sql", required=False)
@click.option("-i", "--input", "path", metavar="FILE", help="Read the SQL from FILE.")
@click.option("-o", "--output", metavar="FILE", help="Write the rows to FILE.")
@click.option(
    "--safe-csv",
    is_flag=True,
    help="CSV for spreadsheets: a text or a column's name that they would take for a formula is led by a '.",
)
@click.option("--as-of", metavar="WHEN", help="Read assets as they were then: an instant, or a commit (ASSET:N).")
@common("table", "json", "ndjson", "csv")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    sql: str | None,
    path: str | None,
    output: str | None,
    safe_csv: bool,
    as_of: str | None,
    folder: str | None,
    quiet: bool,
    verbose: bool,
    color: Literal["auto", "always", "never"],
    form: Format,
) -> int:
    """Run one SELECT over the lake's assets, views and sources, each under its name.

    DuckDB runs it in memory and reads the lake and its sources, nothing else. Without SQL it is read from stdin,
    or asked for on a terminal. A table is shown as far as it fits; the other formats have all of it.

    --as-of reads every asset as it was at one instant (2026-11-20T09:12), or when a commit was made
    (monthly_orders:3; in a lake of one asset, 3). Sources have no past, and may then not be named.

    --safe-csv writes ' before a text that begins with = + - @, a tab or a line's end, so that a spreadsheet shows it
    and runs nothing; numbers stay numbers.
    """
    from lakehouse.cli.project import load
    from lakehouse.cli.spills import keep_back

    writer = _safe(ctx, form) if safe_csv else form
    screen = screen_of(color, quiet=quiet)
    lake = load(folder_of(ctx, folder))
    keep_back(ctx, lake.root, verbose=verbose)
    text = _sql(sql, path)
    if text is None:
        return _prompt(screen, lake, as_of)
    _run(screen, lake, text, writer, output, as_of)
    return 0


def _safe(ctx: click.Context, form: Format) -> str:
    """The writer for ``--safe-csv``, which is a format of its own.

    Raises:
        RequestError: another one is asked for.
    """
    is_unasked = ctx.get_parameter_source("form") is click.core.ParameterSource.DEFAULT
    if form != "csv" and not is_unasked:
        raise RequestError(f"--safe-csv is CSV, and --format {form} is not", code="usage", help="leave one out")
    return "safe-csv"


def _sql(sql: str | None, path: str | None) -> str | None:
    """The text that is given; None where it is to be asked for."""
    if sql is not None and path is not None:
        raise RequestError("both an SQL text and -i FILE are given", help="leave one out")
    if path is not None and path != "-":
        try:
            return Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
            raise RequestError(f"{path} cannot be read: {reason}", code="input-unreadable") from None
    if sql is None and sys.stdin.isatty() and path is None:
        return None
    text = sys.stdin.read() if sql is None else sql
    if not text.strip():
        raise RequestError("no SQL is given", code="query-missing", help='lake query "FROM monthly_orders"')
    return text


def _run(screen: Screen, lake: Lake, sql: str, form: str, output: str | None, as_of: str | None) -> None:
    from lakehouse.cli.interrupts import Interrupts
    from lakehouse.cli.rows import WRITERS
    from lakehouse.query import query

    if output is not None:
        _require_elsewhere(lake, Path(output).resolve(), output)
    stdout, interrupts = sys.stdout, Interrupts(screen, is_at_once=True)
    with (
        interrupts.taken(),
        aside(),
        query(lake.survey(), sql, as_of=as_of) as result,
        _destination(stdout, output) as stream,
    ):
        interrupts.stop = result.interrupt
        if form != "table" and hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8")  # whatever the locale: that is how these formats are read
        WRITERS[form](screen, result, stream)


def _require_elsewhere(lake: Lake, target: Path, output: str) -> None:
    """Nothing, if writing there destroys neither the lake nor what it is made of.

    Raises:
        RequestError: it would.
    """
    sources = {
        (lake.base / name).resolve()
        for node in lake.graph.nodes.values()
        if isinstance(node, Source)
        for name in glob.iglob(node.path, root_dir=lake.base, recursive=True)  # noqa: PTH207  as sources are read
    }
    what = ""
    if target.is_relative_to(lake.root.resolve()):
        what = "lies in the lake, where only partitions are"
    elif target.suffix == ".py":
        what = "is Python code, and may be a definition"
    elif target in sources:
        what = "is a source of the lake"
    if what:
        raise RequestError(f"{output} {what}", code="output-refused", help="choose another -o")


@contextmanager
def _destination(stdout: IO[str], output: str | None) -> Iterator[IO[str]]:
    """Where rows go; a file is there whole or, where the query fails on the way, as it was before."""
    if output is None:
        yield stdout
        return
    target = Path(output).resolve()
    is_file = target.is_file() or not target.exists()
    spare = target.with_name(f".{target.name}.{secrets.token_hex(4)}") if is_file else target
    try:
        with spare.open("w", encoding="utf-8", newline="") as file:
            yield file
        if is_file:
            spare.replace(target)
    except OSError as error:
        if isinstance(error, BrokenPipeError | LakeError):
            raise
        found = storage_error(OSError(error.errno, error.strerror), output, "writing the rows")
        found.help = "choose another file for -o"
        raise found from error
    finally:
        if is_file:
            with suppress(OSError):
                spare.unlink(missing_ok=True)


def _prompt(screen: Screen, lake: Lake, as_of: str | None) -> int:
    """Ask for one statement after the other until the input ends; Ctrl-C drops the one that is being written."""
    from lakehouse.cli.failures import print_error

    with suppress(ImportError):
        import readline  # noqa: F401  lines can be edited, and come back
    screen.note(f"Tables: {', '.join(lake.graph.nodes)}. End a statement with ; and the session with Ctrl-D.")
    text = ""
    while True:
        try:
            line = input("lake> " if not text else "  ... ")
        except EOFError:
            screen.note("")
            return 0
        except KeyboardInterrupt:
            text = ""
            screen.note("")
            continue
        if not text and line.strip().rstrip(";").lower() in _LEAVE:
            return 0
        text = f"{text}\n{line}".strip()
        if text.endswith(";"):
            try:
                _run(screen, lake, text, "table", None, as_of)
            except LakeError as error:
                print_error(screen, error)
            except KeyboardInterrupt:
                screen.note("interrupted")
            text = ""
