"""``lake query``: one SELECT over the lake, in a DuckDB that can touch nothing else."""

from __future__ import annotations

import csv
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

import click

from lakehouse.cli.options import Format, common, folder_of, screen_of
from lakehouse.cli.output import Screen, align, cell
from lakehouse.errors import LakeError, RequestError, StorageError

if TYPE_CHECKING:
    from lakehouse.lake import Lake
    from lakehouse.sandbox import Result

__all__ = ["command"]

_SHOWN_ROWS = 100
_NUMBERS = ("INT", "DECIMAL", "DOUBLE", "FLOAT")


@click.command("query")
@click.argument("sql", required=False)
@click.option(
    "-i", "--input", "path", type=click.Path(dir_okay=False), metavar="FILE", help="Read the SQL from FILE."
)
@click.option("-o", "--output", metavar="FILE", help="Write the rows to FILE.")
@common("table", "json", "ndjson", "csv")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    sql: str | None,
    path: str | None,
    output: str | None,
    folder: str | None,
    quiet: bool,
    verbose: bool,  # noqa: ARG001  taken by the error handler
    color: Literal["auto", "always", "never"],
    form: Format,
) -> int:
    r"""Run one SELECT over the lake's assets, views and sources, each under its name.

    DuckDB runs it in memory and reads the lake and its sources, nothing else; it writes nothing. Without SQL it is
    read from stdin, or asked for on a terminal.

    \b
    Examples:
      lake query "SELECT * FROM monthly_orders WHERE partition_date = '2018-02'"
      lake query "FROM monthly_orders SELECT sum(order_num)" --format csv
      lake query -i report.sql -o report.csv --format csv
    """
    from lakehouse.cli.project import load

    screen = screen_of(color, quiet=quiet)
    lake = load(folder_of(ctx, folder))
    text = _sql(sql, path)
    if text is None:
        return _prompt(screen, lake)
    with _destination(output) as stream:
        _run(screen, lake, text, form, stream)
    return 0


def _sql(sql: str | None, path: str | None) -> str | None:
    if sql is not None and path is not None:
        raise RequestError("both an SQL text and -i FILE are given", help="leave one out")
    if path is not None:
        try:
            return Path(path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise RequestError(f"{path} cannot be read: {error}", code="input-unreadable") from None
    if sql is None and not sys.stdin.isatty():
        sql = sys.stdin.read()
    return None if sql is None or sql == "" else sql


@contextmanager
def _destination(output: str | None) -> Iterator[IO[str]]:
    if output is None:
        yield sys.stdout
        return
    try:
        with Path(output).open("w", encoding="utf-8", newline="") as file:
            yield file
    except OSError as error:
        raise StorageError(f"{output}: {error.strerror}", help="choose another file for -o") from error


def _run(screen: Screen, lake: Lake, sql: str, form: Format, stream: IO[str]) -> None:
    from lakehouse.query import query

    with query(lake.survey(), sql) as result:
        write = {"table": _table, "json": _json, "ndjson": _ndjson, "csv": _csv}[form]
        write(screen, result, stream)


def _table(screen: Screen, result: Result, stream: IO[str]) -> None:
    rows = result.rows()
    shown = [[cell(value) for value in row] for row in islice(rows, _SHOWN_ROWS)]
    right = [kind.endswith(_NUMBERS) or kind.startswith(_NUMBERS) for kind in result.types]
    for line in align(
        [list(result.columns), [kind.lower() for kind in result.types], *shown], right=right, width=screen.width
    ):
        print(line, file=stream)
    if more := sum(1 for _ in rows):
        print(f"  … {more:,} more rows; all of them: --format csv".replace(",", " "), file=stream)


def _json(_: Screen, result: Result, stream: IO[str]) -> None:
    stream.write("[")
    for number, row in enumerate(result.rows()):
        stream.write(",\n " if number else "\n ")
        stream.write(_object(result, row))
    stream.write("\n]\n")


def _ndjson(_: Screen, result: Result, stream: IO[str]) -> None:
    for row in result.rows():
        stream.write(f"{_object(result, row)}\n")


def _object(result: Result, row: tuple[Any, ...]) -> str:
    return json.dumps(dict(zip(result.columns, row, strict=True)), ensure_ascii=False, default=str)


def _csv(_: Screen, result: Result, stream: IO[str]) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(result.columns)
    writer.writerows(result.rows())


def _prompt(screen: Screen, lake: Lake) -> int:
    """Ask for one statement after the other until the input ends."""
    from lakehouse.cli.failures import print_error

    screen.note(f"Tables: {', '.join(lake.graph.nodes)}. End a statement with ; and the session with Ctrl-D.")
    text = ""
    while True:
        try:
            line = input("lake> " if not text else "  ... ")
        except EOFError:
            screen.note("")
            return 0
        text = f"{text}\n{line}".strip()
        if text.endswith(";"):
            try:
                _run(screen, lake, text, "table", sys.stdout)
            except LakeError as error:
                print_error(screen, error)
            text = ""
