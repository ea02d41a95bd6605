"""Files that were made elsewhere: what fits becomes a partition, what does not is refused, and no byte is changed."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset
import pyarrow.parquet as pq
import pytest
from care import current, everything, found, killed

from lakehouse import AssetUnknownError, RequestError, SourceError, StorageError
from lakehouse.disk import digest_file

if TYPE_CHECKING:
    from conftest import Project, Shop

MINE = {"mine": 7}
TABLE = pa.table({"status": ["mine"], "order_num": pa.array([7], pa.int64())})


def put(file: Path, table: pa.Table = TABLE) -> Path:
    """A file of somebody else's."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    pq.write_table(table, file)
    return file


def put_elsewhere(shop: Shop, month: str, table: pa.Table = TABLE, name: str = "any.parquet") -> Path:
    return put(shop.folder / f"old/partition_date={month}/{name}", table)


def adopt(shop: Shop, selection: str = "all", source: str | None = None, **options: bool) -> dict[str, str]:
    """What becomes of each key; of one that is refused or fails, the code of its error."""
    results = shop.lake.adopt("monthly_orders", selection, source, **options)
    return {item.key: item.error["code"] if item.error else item.result for item in results}


def refusal(shop: Shop, key: str = "2018-01", source: str | None = "old") -> str:
    """Why a file is refused, in words; nothing is written."""
    before = everything(shop.root) if shop.root.exists() else {}
    shop.calls.clear()
    (item,) = shop.lake.adopt("monthly_orders", key, source)
    assert (item.result, item.is_ok) == ("blocked", False)
    assert item.error is not None
    left = everything(shop.root) if shop.root.exists() else {}
    assert {name: data for name, data in left.items() if "/log/" not in name or before} == before
    return "\n".join([item.error["message"], *item.error["details"], item.error["help"] or ""])


# In the lake itself


@pytest.mark.invariant("I1")
def test_a_file_that_stands_in_the_lake_becomes_the_partition(shop: Shop) -> None:
    shop.make("2018-01")
    mine = put(shop.file("2018-05"))
    data, inode = mine.read_bytes(), mine.stat().st_ino
    assert shop.state("2018-05")[0] == "unrecorded"
    assert adopt(shop) == {"2018-01": "fresh", "2018-05": "replaced"}
    assert shop.state("2018-05") == ("fresh", "fresh")
    assert shop.published("2018-05") == shop.rows("2018-05") == MINE
    version = shop.root / current(shop, "2018-05")
    # A copy, for whoever made the file may write to it still; what readers see is the copy.
    assert (version.read_bytes(), version.stat().st_ino == inode) == (data, False)
    assert shop.file("2018-05").stat().st_ino == version.stat().st_ino
    assert version.stat().st_mode & 0o777 == 0o444
    assert found(shop) == []
    assert shop.staging() == []
    record = shop.lake.survey().fold("monthly_orders").key("2018-05").current
    assert record is not None
    assert (record.reason, record.row_count, record.version and record.version.writer) == (
        "adopted", 1, pq.read_metadata(version).created_by,
    )  # fmt: skip


def test_adopted_again_it_is_recorded_already_and_nothing_is_written(shop: Shop) -> None:
    put(shop.file("2018-05"))
    adopt(shop)
    before = everything(shop.root)
    assert adopt(shop) == adopt(shop, "2018-05") == {"2018-05": "fresh"}
    assert everything(shop.root) == before


def test_what_was_adopted_goes_stale_when_its_sources_change_as_if_it_had_been_made(shop: Shop) -> None:
    put(shop.file("2018-05"))
    adopt(shop)
    shop.write(shop.NEW)
    assert shop.state("2018-05")[0] == "stale"
    assert shop.make("2018-05") == ["replaced"]
    assert shop.rows("2018-05") == {}


def test_a_whole_lake_is_recorded_again_once_its_bookkeeping_was_deleted(shop: Shop) -> None:
    """All data is there and readable; the contract is learned from the first of the files."""
    shop.make("2018-01..2018-04")
    files = {month: shop.file(month).read_bytes() for month in ("2018-01", "2018-02", "2018-03", "2018-04")}
    shutil.rmtree(shop.root / ".lake")
    assert shop.state()[0] == "unrecorded"
    assert set(adopt(shop).values()) == {"replaced"}
    assert {month: shop.file(month).read_bytes() for month in files} == files
    assert shop.make("2018-01..2018-04") == ["fresh"] * 4
    assert shop.make("2018-01..2018-04", force=True) == ["unchanged"] * 4
    assert found(shop) == []


def test_without_its_log_a_lake_is_recorded_again_and_old_versions_are_left_over(shop: Shop) -> None:
    shop.make("2018-01..2018-02")
    shutil.rmtree(shop.log())
    assert {fault[0] for fault in found(shop)} == {"unrecorded", "log-missing"}
    adopt(shop)
    assert [fault[0] for fault in found(shop)] == ["leftover", "leftover"]
    assert len(shop.lake.clean().removed) == 2
    assert shop.versions() == shop.named()
    assert shop.make("2018-01..2018-02") == ["fresh", "fresh"]


def test_a_file_that_replaced_a_partition_becomes_it_and_the_one_before_is_kept(shop: Shop) -> None:
    shop.make()
    before = (shop.root / current(shop)).read_bytes()
    put(shop.file())
    assert shop.make(on_failure="return") == ["blocked"]
    assert adopt(shop, "2018-01") == {"2018-01": "replaced"}
    state = shop.lake.survey().fold("monthly_orders").key("2018-01")
    assert [(shop.root / item.version.path).read_bytes() for item in state.superseded] == [before]
    assert (shop.state(), shop.rows()) == (("fresh", "fresh"), MINE)
    shop.lake.rollback("monthly_orders", "2018-01")
    assert shop.rows() == shop.OLD_ROWS["2018-01"]


@pytest.mark.parametrize(
    ("place", "code"),
    [
        ("partition_date=2018-05/_SUCCESS", "foreign-beside"),
        ("partition_date=2018-05/.part.parquet.crc", "foreign-beside"),
        ("partition_date=2018-05/part-2.parquet", "foreign-beside"),
        ("partition_date=2018%2D05/part.parquet", "name-wrong"),
    ],
)
def test_in_the_lake_every_name_has_to_be_the_lakes(shop: Shop, place: str, code: str) -> None:
    put(shop.file("2018-05"))
    put(shop.root / "monthly_orders" / place)
    assert adopt(shop, "2018-05") == {"2018-05": code}
    assert shop.state("2018-05")[0] == "unrecorded"
    assert not shop.log().exists() or shop.commits() == 0


def test_in_the_lake_a_file_of_another_name_and_a_link_are_refused(shop: Shop) -> None:
    put(shop.file("2018-02").with_name("data.parquet"))
    put(shop.folder / "part.parquet")
    shop.file("2018-03").parent.mkdir()
    shop.file("2018-03").symlink_to(shop.folder / "part.parquet")
    shop.file("2018-04").parent.mkdir()
    assert adopt(shop) == {"2018-02": "name-wrong", "2018-03": "not-a-file"}
    assert "no part.parquet" in refusal(shop, "2018-02", None)


def test_a_folder_of_no_partition_is_refused_where_all_are_asked_for(shop: Shop) -> None:
    put(shop.file("2018-05"))
    put(shop.root / "monthly_orders/partition_date=2019-01/part.parquet")
    put(shop.root / "monthly_orders/partition_date=__HIVE_DEFAULT_PARTITION__/part.parquet")
    assert adopt(shop) == {
        "2018-05": "replaced",
        "partition_date=2019-01": "partition-unknown",
        "partition_date=__HIVE_DEFAULT_PARTITION__": "partition-unknown",
    }


# From elsewhere


@pytest.mark.invariant("I7")
def test_files_from_elsewhere_are_copied_in_whatever_they_are_called(shop: Shop) -> None:
    shop.make("2018-01..2018-02")
    before = shop.identity("2018-01")
    files = [put_elsewhere(shop, "2018-02"), put_elsewhere(shop, "2018-05", name="0000-a.PARQUET")]
    (files[0].parent / "_SUCCESS").write_text("")
    (files[0].parent / ".any.parquet.crc").write_text("")
    (shop.folder / "old/_metadata").write_text("")
    data = [file.read_bytes() for file in files]
    assert adopt(shop, source="old") == {"2018-02": "replaced", "2018-05": "created"}
    assert [file.read_bytes() for file in files] == data
    assert [file.stat().st_nlink for file in files] == [1, 1]
    assert shop.identity("2018-01") == before
    for month in ("2018-02", "2018-05"):
        assert shop.rows(month) == shop.published(month) == MINE
        assert shop.state(month) == ("fresh", "fresh")
    assert found(shop) == []
    assert adopt(shop, source="old") == {"2018-02": "fresh", "2018-05": "fresh"}


def test_the_same_bytes_again_are_unchanged_and_recorded_as_of_now(shop: Shop) -> None:
    """Whoever adopts them says that they are what the sources of now give."""
    put_elsewhere(shop, "2018-01")
    adopt(shop, source="old")
    shop.write(shop.NEW)
    assert shop.state()[0] == "stale"
    before = shop.identity()
    assert adopt(shop, source="old") == {"2018-01": "unchanged"}
    assert shop.state() == ("fresh", "fresh")
    assert shop.identity() == before


def test_several_files_of_one_partition_are_refused_with_the_cure(shop: Shop) -> None:
    put_elsewhere(shop, "2018-01")
    put_elsewhere(shop, "2018-01", name="other.parquet")
    said = refusal(shop)
    assert "there are 2 files in partition_date=2018-01, and a partition is one" in said
    assert "COPY (FROM read_parquet(" in said
    with duckdb.connect() as connection:
        cure = (
            said[said.index("COPY") :].partition(", in DuckDB")[0].replace("one.parquet", f"{shop.folder}/1.parquet")
        )
        connection.execute(cure)
        assert connection.sql(f"FROM read_parquet('{shop.folder}/1.parquet')").fetchall() == [
            ("mine", 7),
            ("mine", 7),
        ]


def test_where_there_is_no_file_nothing_is_adopted(shop: Shop) -> None:
    with pytest.raises(RequestError, match=r"old is no folder.*\n.*partition_date=…/ONE\.parquet"):
        adopt(shop, source="old")
    put_elsewhere(shop, "2018-01")
    (shop.folder / "old/partition_date=2018-02").mkdir()
    with pytest.raises(RequestError, match="has no file for 2018-02") as caught:
        adopt(shop, "2018-02", "old")
    assert caught.value.code == "nothing-to-adopt"
    assert adopt(shop, "2018-01..2018-03", "old") == {"2018-01": "created"}
    with pytest.raises(AssetUnknownError):
        shop.lake.adopt("monthly_order", "all")
    with pytest.raises(RequestError, match="2019-01"):
        adopt(shop, "2019-01", "old")


def test_folders_of_another_column_are_refused(shop: Shop) -> None:
    put(shop.folder / "old/month=2018-01/any.parquet")
    with pytest.raises(SourceError, match="is a folder of 'month', where monthly_orders has 'partition_date'"):
        adopt(shop, source="old")


def test_each_file_is_adopted_or_refused_on_its_own(shop: Shop) -> None:
    put_elsewhere(shop, "2018-01")
    put_elsewhere(shop, "2018-02", pa.table({"status": ["mine"]}))
    put_elsewhere(shop, "2018-03").write_bytes(b"no parquet")
    put_elsewhere(shop, "2018-04")
    assert adopt(shop, source="old") == {
        "2018-01": "created",
        "2018-02": "schema-changed",
        "2018-03": "file-unreadable",
        "2018-04": "created",
    }
    assert [name for name in shop.hive() if name.endswith(".parquet")] == [
        "monthly_orders/partition_date=2018-01/part.parquet",
        "monthly_orders/partition_date=2018-04/part.parquet",
    ]
    assert shop.lake.status("2018-02..2018-03")[0].counts == {"missing": 2}
    assert found(shop) == []


def test_many_files_are_adopted_in_several_commits(project: Project) -> None:
    lake = project.load(
        """
@lake.asset(partitions=Daily("2018-01-01", end="2019-01-01"), version="1")
def daily():
    return pl.LazyFrame({"partition_date": ["2018-01-01"], "n": [1]})
"""
    )
    days = lake.resolve("all").keys_by_asset["daily"][:300]
    for day in days:
        put(project.folder / f"old/partition_date={day}/x.parquet", pa.table({"n": [1]}))
    results = lake.adopt("daily", "all", project.folder / "old")
    assert [result.result for result in results] == ["created"] * 300
    assert len(list((lake.root / ".lake/log/daily").glob("*.json"))) == 2
    assert lake.scan("daily").select(pl.len()).collect().item() == 300


# What a file has to be


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (pa.table({"status": ["a"]}), "order_num: i64 is no longer there"),
        (TABLE.append_column("more", pa.array([1])), "more: i64 is new"),
        (pa.table({"status": ["a"], "order_num": ["7"]}), "order_num: i64 became str"),
        (TABLE.select(["order_num", "status"]), "order_num, status, and not status, order_num"),
        (
            TABLE.append_column("partition_date", pa.array(["2018-01"])),
            "holds the partition column 'partition_date'",
        ),
        (TABLE.append_column("Partition_Date", pa.array(["x"])), "holds the partition column 'Partition_Date'"),
    ],
)
def test_a_file_has_to_have_the_columns_of_the_asset_in_their_order(shop: Shop, table: pa.Table, said: str) -> None:
    shop.make("2018-02")
    put_elsewhere(shop, "2018-01", table)
    assert said in refusal(shop)
    assert shop.file("2018-01").exists() is False


@pytest.mark.parametrize(
    ("array", "cure"),
    [
        (pa.array([1], pa.uint32()), ".cast(pl.Int64)"),
        (pa.array([1], pa.timestamp("ns")), '.dt.cast_time_unit("us")'),
        (pa.array([1], pa.time64("us")), ".cast(pl.String)"),
        (pa.array(["a"]).dictionary_encode(), ".cast(pl.String)"),
        (pa.array([[1]], pa.list_(pa.uint8())), ".cast(pl.List(Int64))"),
        (pa.nulls(1), ".cast("),
    ],
)
def test_a_type_that_not_every_reader_gives_back_is_refused_with_the_cast(
    shop: Shop, array: pa.Array, cure: str
) -> None:
    put_elsewhere(shop, "2018-01", pa.table({"status": array}))
    said = refusal(shop)
    assert "column 'status' is " in said
    assert f'write pl.col("status"){cure}' in said


def test_the_first_file_is_the_contract_of_those_that_follow_and_of_what_is_made(shop: Shop) -> None:
    put_elsewhere(shop, "2018-01", pa.table({"status": ["mine"]}))
    put_elsewhere(shop, "2018-02")
    assert adopt(shop, source="old") == {"2018-01": "created", "2018-02": "schema-changed"}
    assert shop.lake.survey().fold("monthly_orders").schema == (("status", "str"),)
    assert shop.make("2018-03", on_failure="return") == ["blocked"]


def test_a_declared_schema_is_the_contract(project: Project) -> None:
    lake = project.load(
        """
@lake.asset(partitions=Categories("region", ["eu", "us"]), version="1", schema={"n": pl.Int64})
def regions():
    return pl.LazyFrame({"region": ["eu"], "n": [1]})
"""
    )
    put(project.folder / "old/region=eu/x.parquet", pa.table({"n": ["1"]}))
    put(project.folder / "old/region=us/x.parquet", pa.table({"n": [1]}))
    results = lake.adopt("regions", "all", "old")
    assert [(item.key, item.result) for item in results] == [("eu", "blocked"), ("us", "created")]


@pytest.mark.parametrize("at", [0, 30, -1])
def test_a_file_that_is_damaged_is_refused(shop: Shop, at: int) -> None:
    """In its head, in a page of its rows, and in its end."""
    file = put_elsewhere(shop, "2018-01", pa.table({"status": ["mine"] * 1000, "order_num": list(range(1000))}))
    data = bytearray(file.read_bytes())
    data[at] ^= 0xFF
    file.write_bytes(data)
    assert "cannot be read as Parquet" in refusal(shop)
    file.write_bytes(file.read_bytes()[:-9])
    assert "cannot be read as Parquet" in refusal(shop)


def test_an_empty_partition_may_be_adopted(shop: Shop) -> None:
    put_elsewhere(shop, "2018-01", TABLE.slice(0, 0))
    assert adopt(shop, source="old") == {"2018-01": "created"}
    assert shop.state()[0] == "empty"


WRITERS: dict[str, Callable[[Path], Any]] = {
    "polars": lambda file: pl.DataFrame({"status": ["mine"], "order_num": [7]}).write_parquet(file),
    "pyarrow": lambda file: pq.write_table(TABLE, file),
    "pandas-like": lambda file: pq.write_table(TABLE, file, version="1.0", compression="gzip"),
    "duckdb": lambda file: duckdb.sql("SELECT 'mine' AS status, 7::BIGINT AS order_num").write_parquet(str(file)),
}


@pytest.mark.parametrize("name", WRITERS)
def test_whoever_wrote_it_a_file_of_the_right_columns_is_adopted(shop: Shop, name: str) -> None:
    shop.make("2018-02")
    file = shop.folder / "old/partition_date=2018-01/x.parquet"
    file.parent.mkdir(parents=True)
    WRITERS[name](file)
    assert adopt(shop, source="old") == {"2018-01": "created"}
    assert shop.published() == MINE


# Checks


def test_the_checks_of_the_asset_are_asked(shop: Shop) -> None:
    @shop.lake.check("monthly_orders")
    def few(rows: pl.LazyFrame) -> pl.Expr:  # noqa: ARG001
        return pl.col("order_num") < 7

    @shop.lake.check("monthly_orders", severity="warn")
    def named(rows: pl.LazyFrame) -> pl.Expr:  # noqa: ARG001
        return pl.col("status") != "mine"

    put_elsewhere(shop, "2018-01")
    put_elsewhere(shop, "2018-02", TABLE.set_column(1, "order_num", pa.array([6], pa.int64())))
    first, second = shop.lake.adopt("monthly_orders", "all", "old", dry_run=True)
    assert (first.error or {})["code"] == "audit-blocked"
    assert second.result == "created"
    first, second = shop.lake.adopt("monthly_orders", "all", "old")
    assert first.error is not None
    assert first.error["message"] == "monthly_orders 2018-01: check `few` failed; nothing adopted"
    assert (second.result, [check["passed"] for check in second.checks]) == ("created", [True, False])
    assert not shop.file("2018-01").exists()
    assert shop.staging() == []


# Frozen, foreign, dry, and forced


def test_a_frozen_partition_is_passed_over_unless_it_is_forced(shop: Shop) -> None:
    shop.make("2018-01")
    shop.lake.freeze("monthly_orders", "2018-01 2018-02")
    put(shop.file("2018-02"))
    put_elsewhere(shop, "2018-01")
    (item,) = shop.lake.adopt("monthly_orders", "2018-01", "old")
    assert (item.result, item.is_frozen, item.is_ok) == ("skipped", True, True)
    assert adopt(shop, "2018-02") == {"2018-02": "frozen"}
    assert shop.rows() == shop.OLD_ROWS["2018-01"]
    assert adopt(shop, source="old", force=True) == {"2018-01": "replaced"}
    assert shop.rows() == MINE
    assert not shop.lake.survey().fold("monthly_orders").key("2018-01").is_frozen


@pytest.mark.invariant("I10")
def test_a_file_of_somebody_else_in_the_lake_is_not_replaced_by_another_unless_it_is_forced(shop: Shop) -> None:
    other = put(shop.file("2018-01"), TABLE.set_column(1, "order_num", pa.array([8], pa.int64())))
    data = other.read_bytes()
    put_elsewhere(shop, "2018-01")
    assert "was put there by somebody else" in refusal(shop)
    assert other.read_bytes() == data
    assert adopt(shop, source="old", force=True) == {"2018-01": "replaced"}
    assert shop.rows() == MINE
    (kept,) = shop.lake.survey().fold("monthly_orders").key("2018-01").superseded
    assert (shop.root / kept.version.path).read_bytes() == data


def test_with_a_dry_run_it_is_told_what_would_become_of_each_and_nothing_is_written(shop: Shop) -> None:
    shop.make("2018-02..2018-03")
    put_elsewhere(shop, "2018-01")
    put_elsewhere(shop, "2018-02")
    shutil.copyfile(shop.file("2018-03"), put_elsewhere(shop, "2018-03"))
    put_elsewhere(shop, "2018-04", pa.table({"status": ["a"]}))
    shop.write(shop.NEW)
    before = everything(shop.root)
    shop.calls.clear()
    told = adopt(shop, source="old", dry_run=True)
    assert told == {
        "2018-01": "created", "2018-02": "replaced", "2018-03": "unchanged", "2018-04": "schema-changed",
    }  # fmt: skip
    assert shop.calls == []
    assert everything(shop.root) == before
    assert adopt(shop, source="old") == told


def test_a_version_that_is_damaged_is_replaced_by_the_same_bytes(shop: Shop) -> None:
    put_elsewhere(shop, "2018-01")
    adopt(shop, source="old")
    version = shop.root / current(shop)
    shop.file().unlink()
    version.unlink()
    shop.lake.verify()
    assert adopt(shop, source="old") == {"2018-01": "created"}
    assert shop.published() == MINE
    assert found(shop) == []


# Products, and what is not partitioned


def test_folders_nest_as_the_columns_do_and_one_file_is_one_table(project: Project) -> None:
    lake = project.load(
        """
@lake.asset(partitions=Categories("region", ["eu", "us"]) * Monthly("2018-01", end="2018-04"), version="1")
def sales():
    return pl.LazyFrame({"region": ["eu"], "partition_date": ["2018-01"], "n": [1]})

@lake.asset(version="1")
def whole():
    return pl.LazyFrame({"n": [1]})

@lake.asset(partitions=Dynamic("method"), version="1")
def methods():
    return pl.LazyFrame({"method": ["gift card"], "n": [1]})
"""
    )
    table = pa.table({"n": [5]})
    put(project.folder / "sales/region=eu/partition_date=2018-02/x.parquet", table)
    put(project.folder / "sales/region=ap/partition_date=2018-02/x.parquet", table)
    found = {item.key: item.result for item in lake.adopt("sales", "all", "sales")}
    assert found == {"region=eu/partition_date=2018-02": "created", "region=ap": "blocked"}
    put(project.folder / "whole/some.parquet", table)
    assert [item.result for item in lake.adopt("whole", "all", "whole")] == ["created"]
    assert lake.scan("whole").collect().to_dicts() == [{"n": 5}]
    put(project.folder / "methods/method=gift card/x.parquet", table)
    assert [item.result for item in lake.adopt("methods", "all", "methods")] == ["blocked"]
    lake.add_partitions("methods", ["gift card"])
    assert [item.result for item in lake.adopt("methods", "all", "methods")] == ["created"]
    shutil.rmtree(lake.root / ".lake")
    assert [item.result for item in lake.adopt("whole", "all")] == ["replaced"]
    assert [item.result for item in lake.adopt("sales", "all")] == ["replaced"]
    assert [fault.kind for fault in lake.verify(["whole", "sales"])] == []


# Others at work, and faults


def test_a_partition_that_another_run_made_meanwhile_is_not_overwritten(shop: Shop) -> None:
    put_elsewhere(shop, "2018-01")
    put_elsewhere(shop, "2018-02")
    other = shop.again()

    def overtake(name: str, path: Path) -> None:
        if name == "link" and path.parent == shop.log():
            shop.lake._on_call = lambda *_: None
            other.make("2018-01")

    shop.lake._on_call = overtake
    assert adopt(shop, source="old") == {"2018-01": "race-lost", "2018-02": "created"}
    assert shop.rows("2018-01") == shop.OLD_ROWS["2018-01"]
    assert adopt(shop, source="old") == {"2018-01": "replaced", "2018-02": "fresh"}
    assert found(shop) == []


def test_commits_that_are_not_yet_shown_are_before_anything_is_adopted(shop: Shop) -> None:
    """Else the lake's own file of before would be taken for somebody else's."""
    shop.make("2018-01")
    shop.write(shop.NEW)

    def fail(name: str, path: Path) -> None:
        if name == "replace" and path.name == "part.parquet":
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    shop.lake._on_call = fail
    with pytest.raises(StorageError):
        shop.make("2018-01")
    shop.lake._on_call = lambda *_: None
    assert adopt(shop) == {"2018-01": "fresh"}
    put_elsewhere(shop, "2018-02")
    assert adopt(shop, source="old") == {"2018-02": "created"}
    assert shop.rows("2018-01") == shop.NEW_ROWS["2018-01"]


def test_an_error_of_the_disk_anywhere_leaves_each_partition_as_it_was_or_adopted(shop: Shop) -> None:
    put_elsewhere(shop, "2018-01")
    assert adopt(shop.again(root="counted"), source="old") == {"2018-01": "created"}
    probe = shop.again(root="probe")
    adopt(probe, source="old")
    total = len(probe.calls)
    assert total > 30
    for number in range(1, total + 1):
        lake, at = shop.again(root=f"lake{number}"), iter(range(1, 10**6))

        def fail(_name: str, path: Path, at: Iterator[int] = at, number: int = number) -> None:
            if next(at) >= number:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

        lake.lake._on_call = fail
        with pytest.raises(StorageError):
            adopt(lake, source="old")
        assert not lake.file().exists() or digest_file(lake.file()) == digest_file(
            shop.folder / "old/partition_date=2018-01/any.parquet"
        )
        lake.lake._on_call = lambda *_: None
        assert set(adopt(lake, source="old")) == {"2018-01"}
        assert lake.published() == lake.rows() == MINE
        assert [fault for fault in found(lake) if fault[0] != "leftover"] == []
        assert lake.staging() == []


@pytest.mark.invariant("I2", "I5")
@pytest.mark.parametrize(("scenario", "calls"), [("adopt", 37), ("adopt-from", 39)])
def test_killed_before_any_call_each_partition_is_as_it_was_or_adopted_and_the_same_command_finishes(
    tmp_path: Path, scenario: str, calls: int
) -> None:
    assert killed(scenario, tmp_path) == calls


def test_what_is_unrecorded_is_blocked_until_it_is_adopted_or_forced(shop: Shop) -> None:
    put(shop.file("2018-05"))
    shop.now += timedelta(days=1)
    assert shop.make("2018-05", on_failure="return") == ["blocked"]
    assert [fault.help for fault in shop.lake.verify()] == ["record it: lake adopt monthly_orders 2018-05"]
    adopt(shop, "2018-05")
    assert shop.make("2018-05") == ["fresh"]


def test_the_same_rows_in_another_encoding_are_unchanged_and_the_lakes_own_file_stays(shop: Shop) -> None:
    shop.make()
    before = shop.identity()
    rows = pl.read_parquet(shop.file(), hive_partitioning=False)
    put_elsewhere(shop, "2018-01", rows.reverse().to_arrow(compat_level=pl.CompatLevel.oldest()))
    shop.write(shop.OLD + "\n")
    assert shop.state()[0] == "stale"
    assert adopt(shop, source="old") == {"2018-01": "unchanged"}
    assert shop.identity() == before
    assert shop.state() == ("fresh", "fresh")


def test_a_partition_that_is_committed_and_cannot_be_shown_is_an_error_and_adopted_all_the_same(shop: Shop) -> None:
    put_elsewhere(shop, "2018-01")

    def fail(name: str, path: Path) -> None:
        if name == "replace" and path.name == "part.parquet":
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    shop.lake._on_call = fail
    for _ in range(2):
        with pytest.raises(StorageError) as caught:
            adopt(shop, source="old")
        assert caught.value.code == "not-projected"
    shop.lake._on_call = lambda *_: None
    assert adopt(shop, source="old") == {"2018-01": "fresh"}
    assert shop.rows() == MINE
