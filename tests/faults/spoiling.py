"""Sources as they are written by several writers, and ways to spoil their bytes.

Knows formats. Knows nothing of lakes, or of what comes of it.
"""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Any, Final

__all__ = ["COLUMNS", "KINDS", "spoil"]

COLUMNS: Final = ("id", "day", "region", "amount", "note")
SCHEMA: Final = '{"id": pl.Int64, "day": pl.Date, "region": pl.String, "amount": pl.Float64, "note": pl.String}'
_NOTES: Final = ("a", "plain", "with, comma", 'with "quotes"', "two\nlines", "ünïcode ☃", " spaces ")


def rows() -> list[tuple[int, date, str, float, str]]:
    """Forty orders of four months, the last of which nobody asks for."""
    chance = random.Random(7)  # noqa: S311  the same each time
    return [
        (
            number,
            date(2018, 1 + number % 4, 1 + number % 28),
            chance.choice(["eu", "us", "apac"]),
            chance.randrange(10**6) / 100,
            _NOTES[number % len(_NOTES)],
        )
        for number in range(1, 41)
    ]


# What is spoiled


def _as_csv(quoting: int) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, quoting=quoting, lineterminator="\n")
            writer.writerow(COLUMNS)
            writer.writerows(rows())

    return write


def _as_parquet(**options: Any) -> Callable[[Path], None]:
    def write(path: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        columns = dict(zip(COLUMNS, map(list, zip(*rows(), strict=True)), strict=True))
        pq.write_table(pa.table(columns), path, row_group_size=16, **options)

    return write


def _write_by_polars(path: Path) -> None:
    import polars as pl

    pl.DataFrame(rows(), schema=list(COLUMNS), orient="row").write_parquet(path, row_group_size=16)


def _write_by_duckdb(path: Path) -> None:
    import duckdb

    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE orders (id BIGINT, day DATE, region VARCHAR, amount DOUBLE, note VARCHAR)")
        connection.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?)", rows())
        connection.execute(f"COPY orders TO '{path}' (FORMAT parquet)")


_DECLARED: Final = f"schema={SCHEMA}"
KINDS: Final[Mapping[str, tuple[str, str, Callable[[Path], None]]]] = {  # file, what is declared of it, who writes it
    "CSV": ("orders.csv", _DECLARED, _as_csv(csv.QUOTE_MINIMAL)),
    "CSV, all quoted": ("orders.csv", _DECLARED, _as_csv(csv.QUOTE_ALL)),
    "Parquet by Polars": ("orders.parquet", "", _write_by_polars),
    "Parquet by DuckDB": ("orders.parquet", _DECLARED, _write_by_duckdb),
    "Parquet, plain": (
        "orders.parquet",
        _DECLARED,
        _as_parquet(compression="none", use_dictionary=False, write_statistics=False),
    ),
    "Parquet, Snappy, dictionaries": ("orders.parquet", "", _as_parquet(compression="snappy")),
    "Parquet, checksums": ("orders.parquet", "", _as_parquet(compression="zstd", write_page_checksum=True)),
}


def spoil(data: bytes, seed: int) -> bytes:
    """The bytes, spoiled in a way of the seed's: changed, lost, doubled, cut; half of the time near the end.

    There a Parquet file says what is where.
    """
    chance, spoiled = random.Random(seed), bytearray(data)  # noqa: S311  the seed is the point
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        near_end = chance.random() < 0.5
        at = (
            chance.randrange(max(0, len(spoiled) - 600), len(spoiled)) if near_end else chance.randrange(len(spoiled))
        )
        span = chance.randrange(1, 20)
        match chance.randrange(8):
            case 0 | 1 | 2:
                spoiled[at] ^= 1 << chance.randrange(8)
            case 3 | 4:
                spoiled[at] = chance.choice([0, 0xFF, 0x7F, 0x80, 0x22, 0x0A, 0x2C, chance.randrange(256)])
            case 5:
                del spoiled[at : at + span]
            case 6:
                spoiled[at:at] = spoiled[at : at + span]
            case 7:
                del spoiled[at:]
        if not spoiled:
            break
    return bytes(spoiled)
