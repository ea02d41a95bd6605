"""The lakes that readers are held against, each written by lakehouse, as its users would.

Knows what is put in. Knows no reader.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, datetime
from functools import reduce
from operator import mul
from pathlib import Path
from typing import Any, Final

import polars as pl
from interop.columns import NAMES, POSITION, WRITTEN, Column
from interop.keys import HARD
from interop.tables import Row, Table

from lakehouse import (
    AuditError,
    Categories,
    Daily,
    Dynamic,
    Hourly,
    Lake,
    Monthly,
    Partition,
    Quarterly,
    Weekly,
    Yearly,
    write_partitions,
)
from lakehouse.partitions.dimension import Partitions

__all__ = ["CHANGES", "KINDS", "ORDERS", "REFUSES", "SHOPS", "change_name", "declare", "make"]

_SNAPSHOT: Final = "as-it-was"
_COUNTS: Final = {"status": pl.String(), "order_num": pl.Int64()}
_NUMBER: Final = {"n": pl.Int64()}

Write = tuple[pl.DataFrame, Sequence[tuple[Any, ...]]]

KINDS: Final[Mapping[str, tuple[Partitions, tuple[str, ...]]]] = {
    "months": (Monthly("2018-01", end="2018-05", column="key"), ("2018-01", "2018-02", "2018-03", "2018-04")),
    "days": (Daily("2018-02-01", end="2018-02-04", column="key"), ("2018-02-01", "2018-02-02", "2018-02-03")),
    "hours": (Hourly("2018-02-01T04", end="2018-02-01T06", column="key"), ("2018-02-01T04", "2018-02-01T05")),
    "weeks": (Weekly("2018-W05", end="2018-W08", column="key"), ("2018-W05", "2018-W06", "2018-W07")),
    "quarters": (Quarterly("2018-Q1", end="2018-Q3", column="key"), ("2018-Q1", "2018-Q2")),
    "years": (Yearly("2017", end="2020", column="key"), ("2017", "2018", "2019")),
    "codes": (Categories("key", ["01", "02", "10"]), ("01", "02", "10")),
}
"""Each kind of key, with all keys of it."""

CHANGES: Final[Mapping[str, tuple[pl.DataFrame, pl.DataFrame, Row]]] = {
    "a column more": (
        pl.DataFrame({"n": [1]}),
        pl.DataFrame({"n": [2], "more": ["x"]}),
        {"n": 1, "more": None},
    ),
    "a column less": (pl.DataFrame({"n": [1], "more": ["x"]}), pl.DataFrame({"n": [2]}), {"n": 1}),
    "Int32 to Int64": (pl.DataFrame({"n": [1]}, {"n": pl.Int32}), pl.DataFrame({"n": [2**40]}), {"n": 1}),
    "Int64 to Float64": (pl.DataFrame({"n": [1]}), pl.DataFrame({"n": [1.5]}), {"n": 1.0}),
    "Int64 to String": (pl.DataFrame({"n": [1]}), pl.DataFrame({"n": ["two"]}), {"n": "1"}),
    "Date to Datetime": (
        pl.DataFrame({"n": [date(2018, 1, 1)]}),
        pl.DataFrame({"n": [datetime(2018, 1, 2, 12)]}),  # noqa: DTZ001  without a zone
        {"n": datetime(2018, 1, 1)},  # noqa: DTZ001
    ),
}
"""A month of an asset as it was, one as it is now, and the row of the first under the columns of now."""

SHOPS: Final[Mapping[str, pl.DataType]] = {"region": pl.String(), "day": pl.Date(), "shop": pl.Int64()}
"""The keys of what `write_partitions` wrote, by the types that the frames had them in."""

ORDERS: Final[Mapping[str, tuple[str, str]]] = {
    "old first": ("2018-01", "2018-02"),
    "new first": ("2018-02", "2018-01"),
}
"""The month that is still as it was, and the one that was made again: most readers go by the first file."""


REFUSES: Final = "lakehouse refuses: partitions of two schemas"
"""Why an asset with months of two schemas is in no snapshot."""


def change_name(change: str, order: str) -> str:
    """The asset of one change."""
    return f"{change}_{order}".replace(" ", "_").lower()


def declare(lake: Lake, name: str, partitions: Partitions, frames: Mapping[str, pl.DataFrame], version: str) -> None:
    """An asset that has these rows by key."""

    def asset(partition: Partition) -> pl.DataFrame:
        return frames[partition.key]

    asset.__name__ = asset.__qualname__ = name
    lake.asset(partitions=partitions, version=version)(asset)


def _shops(*rows: tuple[Any, ...]) -> pl.DataFrame:
    return pl.DataFrame(rows, {**SHOPS, **_COUNTS}, orient="row")


_OLD_DAY, _DAY = date(1969, 12, 31), date(2018, 2, 2)
_FIRST_SHOP, _LAST_SHOP = -(2**63), 2**63 - 1
_WRITES: Final[Sequence[Write]] = (
    (
        _shops(
            ("eu", _OLD_DAY, -7, "a", 1),
            ("eu", _OLD_DAY, -7, "bb", 2),
            ("eu", _DAY, -7, "a", 3),
            ("eu", _DAY, 9, "a", 4),
            ("eu", _DAY, 10, "a", 5),
            ("south east", _OLD_DAY, _LAST_SHOP, "a", 6),
            ("south east", _DAY, _FIRST_SHOP, "a", 7),
        ),
        [],
    ),
    (_shops(("eu", _OLD_DAY, -7, "c", 8), ("south east", _DAY, _FIRST_SHOP, "c", 9)), []),
    (_shops(("south east", _DAY, 0, "a", 10)), [("eu", _DAY, 9)]),
)
"""Seven partitions: six at first, of which two are replaced, then one more while another is emptied."""

_SHOP_ROWS: Final = _shops(
    ("eu", _OLD_DAY, -7, "c", 8),
    ("eu", _DAY, -7, "a", 3),
    ("eu", _DAY, 10, "a", 5),
    ("south east", _OLD_DAY, _LAST_SHOP, "a", 6),
    ("south east", _DAY, _FIRST_SHOP, "c", 9),
    ("south east", _DAY, 0, "a", 10),
).rows(named=True)


class _Maker:
    """Puts rows into one lake, asset by asset, and notes them."""

    def __init__(self, root: Path) -> None:
        self.lake = Lake(root)
        self.root = root
        self.tables: dict[str, Table] = {}

    def put(
        self, name: str, partitions: Partitions, schema: Mapping[str, Any], rows: Mapping[str, list[Row]]
    ) -> None:
        """An asset of these partitions, with the rows of each key."""
        frames = {key: pl.DataFrame(own, schema=schema) for key, own in rows.items()}
        declare(self.lake, name, partitions, frames, "1")
        results = self.lake.materialize("all", assets=[name])
        assert [result.key for result in results] == list(frames)
        noted = [row | results[at].partition for at, own in enumerate(rows.values()) for row in own]
        self.note(name, partitions, schema, noted, len(frames))

    def note(
        self, name: str, partitions: Partitions, schema: Mapping[str, Any], rows: Sequence[Row], file_count: int
    ) -> None:
        """A table that is made."""
        folder = self.root / name
        self.tables[name] = Table(
            folder=folder,
            keys=dict.fromkeys(partitions.columns, pl.String()),
            schema=schema,
            rows=rows,
            file_count=file_count,
        )

    def write(self, name: str, writes: Sequence[Write], rows: Sequence[Row], file_count: int) -> None:
        """A folder that frames were written into one after another, then declared, so that snapshots have it."""
        for frame, emptied in writes:
            write_partitions(frame, self.root / name, by=[*SHOPS], partitions=emptied)
        declare(self.lake, name, reduce(mul, map(Dynamic, SHOPS)), {}, "1")
        self.tables[name] = Table(
            folder=self.root / name, keys=SHOPS, schema=_COUNTS, rows=rows, file_count=file_count
        )


def _counted(keys: Sequence[str], among: Callable[[str], bool] = lambda _: True) -> dict[str, list[Row]]:
    return {
        key: [{"status": status, "order_num": 10 * at + len(status)} for status in ("a", "bb") if among(key)]
        for at, key in enumerate(keys)
    }


def make(root: Path) -> dict[str, Table]:
    """All tables by name; those of one schema are in a snapshot too."""
    maker = _Maker(root / "lake")
    for name, (partitions, keys) in KINDS.items():
        maker.put(name, partitions, _COUNTS, _counted(keys))
    months = Monthly("2018-01", end="2018-04", column="month")
    regions = [f"region={region}/month=2018-0{month}" for region in ("eu", "us") for month in (1, 2, 3)]
    maker.put("regions", Categories("region", ["eu", "us"]) * months, _COUNTS, _counted(regions))
    three = ("2018-01", "2018-02", "2018-03")
    maker.put("first_empty", months, _COUNTS, _counted(three, lambda key: key != "2018-01"))
    maker.put("last_empty", months, _COUNTS, _counted(three, lambda key: key != "2018-03"))
    maker.put("all_empty", months, _COUNTS, _counted(three, lambda _: False))
    maker.put("hard_keys", Categories("key", HARD), _NUMBER, {key: [{"n": n}] for n, key in enumerate(HARD)})
    maker.put("names", months, dict.fromkeys(NAMES, pl.Int64()), {key: [dict.fromkeys(NAMES, 1)] for key in three})
    maker.write("shops", _WRITES, _SHOP_ROWS, 7)
    _put_columns(maker, "columns", WRITTEN)
    for name, column in WRITTEN.items():
        _put_columns(maker, f"column_{name}", {name: column})
    maker.lake.snapshot(_SNAPSHOT)
    snapshot = maker.root / ".lake/snapshots" / _SNAPSHOT
    tables = {name: replace(table, snapshot=snapshot / table.folder.name) for name, table in maker.tables.items()}
    return tables | _changed(root / "changed")


def _put_columns(maker: _Maker, asset: str, columns: Mapping[str, Column]) -> None:
    """One partition with these columns."""
    january = Monthly("2018-01", end="2018-02", column="key")
    positions = pl.Series(range(3), dtype=pl.Int64)
    frame = pl.DataFrame({POSITION: positions} | {name: column.series for name, column in columns.items()})
    declare(maker.lake, asset, january, {"2018-01": frame}, "1")
    maker.lake.materialize("all", assets=[asset])
    schema = {POSITION: pl.Int64()} | {name: column.stored or column.dtype for name, column in columns.items()}
    values = {name: column.given_back for name, column in columns.items()}
    rows = [{POSITION: at, "key": "2018-01"} | {name: own[at] for name, own in values.items()} for at in positions]
    maker.note(asset, january, schema, rows, 1)


def _changed(root: Path) -> dict[str, Table]:
    """Assets whose columns have changed, and of which one month was made again since."""
    was, now = _Maker(root), _Maker(root)
    months = Monthly("2018-01", end="2018-03", column="key")
    for change, (old, new, old_row) in CHANGES.items():
        for order, (old_key, new_key) in ORDERS.items():
            name = change_name(change, order)
            declare(was.lake, name, months, dict.fromkeys((old_key, new_key), old), "1")
            was.lake.materialize("all", assets=[name])
            declare(now.lake, name, months, {new_key: new}, "2")
            now.lake.materialize(new_key, assets=[name], allow_schema_change=True)
            rows = [old_row | {"key": old_key}, new.row(0, named=True) | {"key": new_key}]
            now.note(name, months, new.schema, rows, 2)
            with suppress(AuditError):
                now.lake.snapshot(_SNAPSHOT, [name])
                raise AssertionError(f"a snapshot was taken of {name}, which has partitions of two schemas")
    return {name: replace(table, refusal=REFUSES) for name, table in now.tables.items()}
