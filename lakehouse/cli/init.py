"""``lake init``: a project that works, offline, in an empty folder."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Final, Literal

import click

from lakehouse.cli.help import Command
from lakehouse.cli.options import common, folder_of, screen_of
from lakehouse.cli.project import note_key_folders
from lakehouse.errors import RequestError, StorageError

__all__ = ["command"]

_SOURCES: Final = ("raw_orders.csv", "raw_customers.csv", "raw_payments.csv")
_BLANK: Final = '''"""What this lake keeps."""

import polars as pl

from lakehouse import Lake, Monthly

lake = Lake("data/lake")

# lake.source("raw_orders", "data/raw_orders.csv", schema={"id": pl.Int64, "order_date": pl.Date}, time="order_date")
#
#
# @lake.asset(partitions=Monthly("2024-01"))
# def monthly_orders(raw_orders: pl.LazyFrame) -> pl.LazyFrame:
#     """Orders a month: one row per partition_date."""
#     return raw_orders.group_by("partition_date").agg(order_num=pl.len())
'''


@click.command(
    "init", cls=Command, examples=("lake init shop", "lake init --blank", "lake init -C /tmp analysis --blank")
)
@click.argument("name", metavar="[DIR]", default=".")
@click.option("--blank", is_flag=True, help="A lakefile to fill in, without the demo's data.")
@common()
@click.pass_context
def command(
    ctx: click.Context,
    *,
    name: str,
    blank: bool,
    folder: str | None,
    quiet: bool,
    verbose: bool,  # noqa: ARG001  taken by the error handler
    color: Literal["auto", "always", "never"],
) -> int:
    """Write a demo project into DIR: a lakefile, and small sources to make a lake of.

    Nothing that is there already is replaced.
    """
    screen = screen_of(color, quiet=quiet)
    target = Path(folder_of(ctx, folder) or ".", name)
    files = {"lakefile.py": _BLANK.encode()} if blank else _demo()
    files[".gitignore"] = b"data/lake/\n__pycache__/\n"
    if taken := [file for file in files if file != ".gitignore" and (target / file).exists()]:
        raise RequestError(
            f"{target / taken[0]} is there already; nothing written",
            code="init-taken",
            help="choose an empty folder: lake init DIR",
        )
    for file in _write(target, files):
        screen.say(f"  {os.path.normpath(target / file)}")
    note_key_folders(screen, target.resolve() / "data/lake")
    here = "" if target.resolve() == Path.cwd() else f"cd {shlex.quote(str(target))} && "
    lakefile = os.path.normpath(target / "lakefile.py")
    screen.say(f"next: declare an asset in {lakefile}" if blank else f"next: {here}lake materialize 2018-02")
    return 0


def _demo() -> dict[str, bytes]:
    """The example and its sources, from the installed package or from a checkout."""
    from lakehouse import examples

    package = Path(str(examples.__file__)).parent
    data = next((d for d in (package / "data", package.parent.parent / "data") if (d / _SOURCES[0]).is_file()), None)
    if data is None:
        raise StorageError(
            f"{package / 'data'} does not exist: the installation lacks the demo's data", help="reinstall it"
        )
    return {
        "lakefile.py": (package / "jaffle_shop.py").read_bytes(),
        **{f"data/{name}": (data / name).read_bytes() for name in _SOURCES},
    }


def _write(target: Path, files: dict[str, bytes]) -> list[str]:
    """Write those that are not there yet; their names."""
    written = []
    try:
        for name, content in files.items():
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                path.write_bytes(content)
                written.append(name)
    except OSError as error:
        raise StorageError(
            f"{error.filename}: {error.strerror}", help="choose another folder: lake init DIR"
        ) from error
    return written
