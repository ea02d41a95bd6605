"""``lake init``: a project that works, offline, in an empty folder."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import click

from lakehouse.cli.output import Screen
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


@click.command("init")
@click.argument("folder", metavar="[DIR]", default=".")
@click.option("--blank", is_flag=True, help="A lakefile to fill in, without the demo's data.")
@click.pass_context
def command(ctx: click.Context, *, folder: str, blank: bool) -> int:
    r"""Write a demo project into DIR: a lakefile, and small sources to make a lake of.

    \b
    Examples:
      lake init shop
      lake init --blank
    """
    screen = Screen.standard()
    target = Path(ctx.obj or ".", folder)
    files = {"lakefile.py": _BLANK.encode()} if blank else _demo()
    files[".gitignore"] = b"data/lake/\n__pycache__/\n"
    if taken := [name for name in files if name != ".gitignore" and (target / name).exists()]:
        raise RequestError(
            f"{target / taken[0]} is there already; nothing written",
            code="init-taken",
            help="choose an empty folder: lake init DIR",
        )
    _write(target, files)
    for name in files:
        screen.say(f"  {os.path.normpath(target / name)}")
    if "=" in "".join(target.resolve().parts):
        screen.note("note: a folder above is named key=value; DuckDB and others will show it as a column of the data")
    here = "" if target.resolve() == Path.cwd() else f"cd {target} && "
    screen.say(f"next: {here}lake {'status' if blank else 'materialize 2018-02'}")
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


def _write(target: Path, files: dict[str, bytes]) -> None:
    try:
        for name, content in files.items():
            path = target / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if not path.exists():
                path.write_bytes(content)
    except OSError as error:
        raise StorageError(
            f"{error.filename}: {error.strerror}", help="choose another folder: lake init DIR"
        ) from error
