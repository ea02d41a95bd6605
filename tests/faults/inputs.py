"""L5: sources with bytes that are not as they were written, through the whole of a run, in little memory.

Knows what may come of it: a plain refusal, or the rows that others read as well. Knows nothing of how a lake reads.
"""

from __future__ import annotations

import csv
import io
import os
import re
import resource
import shutil
import signal
import sys
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, Literal

from faults.oracle import told
from faults.scenarios import Outcome, Place, copied
from faults.spoiling import COLUMNS, KINDS, spoil
from faults.warm import Child, in_child

__all__ = ["bombed", "prepare", "spoiled", "unspoiled"]

# Refused in plain words; made, with the rows that another engine reads, or such as Polars alone reads in these bytes.
Ending = Literal["refused", "same", "the engine's own", "out of memory", "wrong"]

LAKEFILE: Final = """\
import polars as pl

from lakehouse import Lake, Monthly

lake = Lake("lake")
lake.source("orders", {file!r}, time="day", {schema})


@lake.asset(partitions=Monthly("2018-01", end="2018-04"))
def copies(orders: pl.LazyFrame) -> pl.LazyFrame:
    return orders.select("partition_date", "id", "day", "region", "amount", "note")
"""
BOMBED: Final = """\
import polars as pl

from lakehouse import Lake

lake = Lake("lake")
lake.source("orders", "orders.parquet")


@lake.asset
def copies(orders: pl.LazyFrame) -> pl.LazyFrame:
    return orders.sort("id").with_columns(other=pl.col("id") * 2)
"""
BOMB_ROWS: Final = 60_000_000
BOMB_MEMORY: Final = 400_000_000  # bytes, for 480,000,000 of them in each column
MONTHS: Final = ("2018-01", "2018-02", "2018-03")
MEMORY: Final = 2 * 1024**3  # bytes, beyond what the engines have reserved when nothing is done yet
PATIENCE: Final = 60  # seconds, of which a run takes a tenth


def prepare(folder: str, kind: str) -> None:
    """A place with a source of a kind, as it was written."""
    file, declared, write = KINDS[kind]
    place = Place(Path(folder))
    place.folder.mkdir(parents=True)
    (place.folder / "lakefile.py").write_text(LAKEFILE.format(file=file, schema=declared), encoding="utf-8")
    in_child(lambda: write(place.folder / file)).answer()


# What comes of it


def spoiled(base: str, folder: str, kind: str, seed: int) -> dict[str, Any]:
    """What comes of a run over such a source: how it ends, and why that is wrong, if it is."""
    place, file = copied(Place(Path(base)), Path(folder)), KINDS[kind][0]
    data = spoil((place.folder / file).read_bytes(), seed)
    (place.folder / file).unlink()
    (place.folder / file).write_bytes(data)
    found = _judged(place, file)
    shutil.rmtree(place.folder)
    return found


def unspoiled(base: str, kind: str) -> dict[str, Any]:
    """The same of a source as it was written."""
    return _judged(Place(Path(base)), KINDS[kind][0])


def _judged(place: Place, file: str) -> dict[str, Any]:
    made = in_child(_within, MEMORY, _make, place, patience=PATIENCE)
    if made.code is None:
        return {"ending": "wrong", "why": "it hung"}
    if made.code:
        return _ended_by_engine(place, made)
    outcome = Outcome.from_json(made.value)
    if outcome.code != 0:
        return _refused(place, outcome)
    published, others = in_child(_published, place).answer(), list[Any]()
    independent = [_by_csv_module] if file.endswith(".csv") else [_by_arrow, _by_duckdb]
    for read in (*independent, _by_polars_alone):
        found = in_child(_within, MEMORY, read, place.folder / file, patience=PATIENCE)
        if found.code == 0 and found.value == published:
            return {"ending": "the engine's own" if read is _by_polars_alone else "same", "why": ""}
        others.append(_difference(published, found.value) if found.code == 0 else found.fault)
    return {"ending": "wrong", "why": f"it published other rows than others read: {others}"}


def _difference(published: list[list[str]], read: list[list[str]]) -> str:
    only = [[row for row in one if row not in other] for one, other in ((published, read), (read, published))]
    return f"{len(published)} rows and {len(read)}; only published {only[0]}, only read {only[1]}"


def _within(memory: int, act: Callable[[Any], Any], argument: Any) -> Any:
    """What an act gives that may take so much memory beyond what is reserved by now."""
    reserved = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (reserved + memory, reserved + memory))
    return act(argument)


def _make(place: Place) -> dict[str, Any]:
    return place.run("materialize", f"{MONTHS[0]}..{MONTHS[-1]}").to_json()


def _ended_by_engine(place: Place, made: Child) -> dict[str, Any]:
    """An engine that cannot have its memory ends the process, after one line of its own."""
    if made.code == -signal.SIGABRT and not _left(place):
        return {"ending": "out of memory", "why": ""}
    return {"ending": "wrong", "why": f"it ended with {made.code}: {made.fault}"}


def _refused(place: Place, outcome: Outcome) -> dict[str, Any]:
    wrong = told(outcome)
    codes = set(re.findall(r"^error\[([a-z-]+)\]", outcome.err, re.MULTILINE))
    if "out-of-memory" in codes and outcome.code == 4 and not wrong:
        return {"ending": "out of memory", "why": ""}
    is_of_source = outcome.code == 5 and codes and all(code.startswith("source-") for code in codes)
    # Of a source without declared columns nobody knows that one has another name by now, but who asks for it.
    if not (is_of_source or re.search(r"ColumnNotFoundError: |has no column '", outcome.err)):
        wrong.append(f"it ended with {outcome.code}: {outcome.err}")
    wrong += _left(place)
    return {"ending": "wrong" if wrong else "refused", "why": "; ".join(wrong), "codes": sorted(codes)}


def _left(place: Place) -> list[str]:
    """What is in the lake though nothing was to be made."""
    return [
        f"{path.relative_to(place.lake)} is left"
        for path in sorted(place.lake.rglob("*"))
        if path.is_file() and (".lake" not in path.parts or "versions" in path.parts or "staging" in path.parts)
    ]


# A few hundred bytes that are half a gigabyte of rows


def bombed(folder: str) -> dict[str, Any]:
    """How a run ends that has not the memory for its source, what it said, and what it left."""
    place = Place(Path(folder))
    place.folder.mkdir(parents=True)
    (place.folder / "lakefile.py").write_text(BOMBED, encoding="utf-8")
    in_child(_write_bomb, place.folder / "orders.parquet").answer()
    size = (place.folder / "orders.parquet").stat().st_size
    made = in_child(_within, BOMB_MEMORY, _make_to_file, place, patience=PATIENCE)
    return {"size": size, "code": made.code, "said": (place.folder / "said").read_text(), "left": _left(place)}


def _write_bomb(path: Path) -> None:
    import polars as pl

    rows = pl.DataFrame({"id": pl.repeat(7, BOMB_ROWS, dtype=pl.Int64, eager=True)})
    rows.write_parquet(path, row_group_size=BOMB_ROWS, data_page_size=2**40, statistics=False)


def _make_to_file(place: Place) -> None:
    """Make it, and end the process: it may become another one, which keeps where it writes to."""
    from lakehouse import cli

    said = os.open(place.folder / "said", os.O_WRONLY | os.O_CREAT, 0o666)
    os.dup2(said, 1)
    os.dup2(said, 2)
    sys.stderr = os.fdopen(2, "w", closefd=False)
    sys.argv = ["lake", "materialize", "all"]
    os._exit(cli.run(["-C", str(place.folder), "materialize", "all"]))


# Who reads it as well: rows of the three months, as texts that do not depend on the engine


def _published(place: Place) -> list[list[str]]:
    import pyarrow.parquet as pq

    found = []
    for month in MONTHS:
        found += pq.read_table(
            place.lake / f"copies/partition_date={month}/part.parquet", partitioning=None
        ).to_pylist()
    return _texts(tuple(row[column] for column in COLUMNS) for row in found)


def _by_csv_module(path: Path) -> list[list[str]]:
    with io.StringIO(path.read_bytes().decode("utf-8-sig"), newline="") as text:
        head, *found = csv.reader(text, strict=True)
    places = [head.index(column) for column in COLUMNS]
    each = ([row[place] for place in places] for row in found if row)
    return _texts(
        (int(i), date.fromisoformat(day), region, float(amount), note) for i, day, region, amount, note in each
    )


def _by_arrow(path: Path) -> list[list[str]]:
    import pyarrow.parquet as pq

    return _texts(tuple(row[name] for name in COLUMNS) for row in pq.read_table(path, partitioning=None).to_pylist())


def _by_duckdb(path: Path) -> list[list[str]]:
    import duckdb

    with duckdb.connect() as connection:
        return _texts(connection.sql(f"SELECT {', '.join(COLUMNS)} FROM read_parquet('{path}')").fetchall())  # noqa: S608


def _by_polars_alone(path: Path) -> list[list[str]]:
    """What Polars itself makes of the file: the lake has added no damage of its own.

    It believes the file's own statistics, and skips rows by them.
    """
    import polars as pl

    asked = (pl.col("day") >= date(2018, 1, 1)) & (pl.col("day") < date(2018, 4, 1))
    if path.suffix == ".parquet":
        frame = pl.scan_parquet(path, hive_partitioning=False).select(COLUMNS).filter(asked)
    else:
        schema = {"id": pl.Int64, "day": pl.Date, "region": pl.String, "amount": pl.Float64, "note": pl.String}
        frame = pl.scan_csv(path, schema_overrides=schema).select(COLUMNS).filter(asked)
    return _texts(frame.collect(engine="streaming").rows())


def _texts(found: Iterable[Sequence[Any]]) -> list[list[str]]:
    """Rows of the three months, in an order of their own."""
    asked = [row for row in found if str(row[1])[:7] in MONTHS]
    return sorted([[_text(value) for value in row] for row in asked])


def _text(value: Any) -> str:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.date().isoformat()
    if isinstance(value, Decimal | float):
        return repr(float(value))
    return "" if value is None else str(value)
