"""Large sources: one month is read by itself where files can be skipped through, and held against the same made in
company; only the row groups are read that may hold what is asked for.
"""

from __future__ import annotations

import hashlib
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from lakehouse import Daily, Lake, LakeError, MaterializeError, Monthly

SCHEMA = {"id": pl.Int64, "day": pl.Date, "amount": pl.Int64}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake for which every source is large, over `orders.parquet`, four rows a day from January to June."""
    days = [date(2018, 1, 1) + timedelta(number // 4) for number in range(4 * 181)]
    rows = pl.DataFrame({"id": range(len(days)), "day": days, "amount": [number % 7 for number in range(len(days))]})
    rows.write_parquet(tmp_path / "orders.parquet", row_group_size=40)
    lake = Lake(tmp_path / "lake")
    lake.base, lake._in_memory_bytes = tmp_path, 0
    lake.source("orders", "orders.parquet", schema=SCHEMA, time="day", nullable=[])
    return lake


def rows_of(lake: Lake, key: str) -> list[tuple[object, ...]]:
    return sorted(lake.scan("made", key).drop("partition_date").collect().rows())


def test_a_function_that_gives_each_month_its_own_rows_is_made_in_one_pass(lake: Lake) -> None:
    @lake.asset(partitions=Monthly("2018-01", end="2018-07"), version="1")
    def made(orders: pl.LazyFrame) -> pl.LazyFrame:
        return orders.group_by("partition_date").agg(pl.col("amount").sum())

    results = lake.materialize("all")
    assert [result.result for result in results] == ["created"] * 6
    assert not any("key by key" in note for result in results for note in result.notes)
    assert rows_of(lake, "2018-02") == [(sum(number % 7 for number in range(4 * 31, 4 * 59)),)]


@pytest.mark.parametrize("keep", [3, 130])
def test_one_that_does_not_is_made_key_by_key(lake: Lake, keep: int) -> None:
    """`head` over all months starves the last; each month alone has its own first rows."""
    calls: list[int] = []

    @lake.asset(partitions=Monthly("2018-01", end="2018-07"), version="1")
    def made(orders: pl.LazyFrame) -> pl.LazyFrame:
        calls.append(1)
        return orders.sort("id").head(keep)

    results = lake.materialize("all")
    assert [result.row_count for result in results] == [min(keep, 4 * days) for days in (31, 28, 31, 30, 31, 30)]
    assert len(calls) > 6


def test_a_month_in_the_middle_that_others_crowd_out_is_noticed(lake: Lake) -> None:
    """First and last are alone what they are in company; the one that came out empty is not."""

    @lake.asset(partitions=Monthly("2018-01", end="2018-04"), version="1")
    def made(orders: pl.LazyFrame) -> pl.LazyFrame:
        most = orders.select(pl.col("partition_date").unique().sort().first() == "2018-02").collect().item()
        return orders.filter((pl.col("partition_date") != "2018-02") | pl.lit(most))

    results = lake.materialize("all")
    assert [result.row_count for result in results] == [124, 112, 124]


@pytest.mark.parametrize("statistics", [True, False])
def test_a_null_where_none_may_be_is_found_with_statistics_and_without(
    lake: Lake, tmp_path: Path, *, statistics: bool
) -> None:
    rows = pl.read_parquet(tmp_path / "orders.parquet")
    nulls = rows.with_columns(amount=pl.when(pl.col("id").is_in([5, 600])).then(None).otherwise("amount"))
    nulls.write_parquet(tmp_path / "orders.parquet", row_group_size=40, statistics=statistics)

    @lake.asset(partitions=Monthly("2018-01", end="2018-07"), version="1")
    def made(orders: pl.LazyFrame) -> pl.LazyFrame:
        return orders

    with pytest.raises(MaterializeError, match="2 in amount"):
        lake.materialize("2018-03")


@pytest.mark.usefixtures("lake")
def test_more_keys_than_a_sink_has_files_give_the_same_bytes_as_in_memory(tmp_path: Path) -> None:
    """181 days go by way of files of some days each; sorted or not, each file is the one that memory gives."""

    def digests(root: str, in_memory_bytes: int, sort_by: str | None) -> list[str | None]:
        other = Lake(tmp_path / root)
        other.base, other._in_memory_bytes = tmp_path, in_memory_bytes
        other.source("orders", "orders.parquet", schema=SCHEMA, time="day", nullable=[])

        @other.asset(partitions=Daily("2018-01-01", end="2018-07-01"), sort_by=sort_by, version="1")
        def made(orders: pl.LazyFrame) -> pl.LazyFrame:
            return orders.select("partition_date", "amount", "id")

        return [result.data_version for result in other.materialize("all")]

    for sort_by in ("all columns", None):
        small, large = (digests(f"{size}-{sort_by}", size, sort_by) for size in (10**9, 0))
        assert len({*small}) == 181
        assert small == large


def bytes_read() -> int:
    """What this process asked the kernel for so far."""
    text = Path("/proc/self/io").read_text(encoding="ascii")
    return int(text.split("rchar: ")[1].split()[0])


def test_of_a_sorted_file_a_month_reads_its_own_row_groups(tmp_path: Path) -> None:
    """A month of sixty reads less than a tenth of the bytes; of the same rows unsorted, the time column and more."""
    days = [date(2018, 1, 1) + timedelta(number // 1000) for number in range(1000 * 1800)]
    rows = pl.DataFrame({"id": range(len(days)), "day": days}).with_columns(amount=pl.col("id").hash(1) % 1_000_000)
    rows = rows.cast({"amount": pl.Int64})
    read = {}
    for name, given in {"sorted": rows, "unsorted": rows.sample(fraction=1, shuffle=True, seed=1)}.items():
        file = tmp_path / f"{name}.parquet"
        given.write_parquet(file, row_group_size=25_000)
        lake = Lake(tmp_path / f"lake of {name}")
        lake.base = tmp_path
        # Its content is not digested: what is read is read for the rows.
        lake.source("orders", file.name, schema=SCHEMA, time="day", nullable=[], track="stat")

        @lake.asset(partitions=Monthly("2018-01", end="2022-12"), version="1")
        def made(orders: pl.LazyFrame) -> pl.LazyFrame:
            return orders.group_by("partition_date").agg(pl.col("amount").sum())

        lake.materialize("2019-02")  # loads modules, and looks for nulls
        before = bytes_read()
        (result,) = lake.materialize("2019-03")
        read[name] = (bytes_read() - before) / file.stat().st_size
        assert result.row_count == 1
    assert read["sorted"] < 0.1, read
    assert read["unsorted"] > 0.3, read


@pytest.fixture
def digested_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files count as large, and as old enough to be digested while they are read."""
    monkeypatch.setattr("lakehouse.sources.digestcache._LARGE_BYTES", 0)
    monkeypatch.setattr("lakehouse.sources.digestcache._SETTLED_NS", -(10**18))


@pytest.mark.usefixtures("digested_meanwhile")
def test_a_file_that_is_digested_while_it_is_read_has_the_version_that_its_bytes_have(
    lake: Lake, tmp_path: Path
) -> None:
    @lake.asset(partitions=Monthly("2018-01", end="2018-07"), version="1")
    def made(orders: pl.LazyFrame) -> pl.LazyFrame:
        return orders.group_by("partition_date").agg(pl.col("amount").sum())

    first = lake.materialize("all")
    digest = hashlib.sha256((tmp_path / "orders.parquet").read_bytes()).hexdigest()
    assert {result.inputs["orders"].version for result in first} == {digest}
    assert {result.result for result in lake.materialize("all")} == {"fresh"}
    pl.read_parquet(tmp_path / "orders.parquet").reverse().write_parquet(tmp_path / "orders.parquet")
    assert {result.result for result in lake.materialize("all")} == {"unchanged"}


@pytest.mark.usefixtures("digested_meanwhile")
def test_one_that_changes_while_it_is_read_is_read_again(lake: Lake, tmp_path: Path) -> None:
    """The version that is recorded is that of the bytes of which the rows were made."""
    file, calls = tmp_path / "orders.parquet", []

    @lake.asset(partitions=Monthly("2018-01", end="2018-07"), version="1")
    def made(orders: pl.LazyFrame) -> pl.LazyFrame:
        if not calls:
            pl.read_parquet(file).with_columns(amount=pl.lit(1, pl.Int64)).write_parquet(file)
        calls.append(1)
        return orders.group_by("partition_date").agg(pl.col("amount").sum())

    results = lake.materialize("2018-02")
    assert rows_of(lake, "2018-02") == [(4 * 28,)]
    assert results[0].inputs["orders"].version == hashlib.sha256(file.read_bytes()).hexdigest()
    assert len(calls) == 2


@pytest.mark.usefixtures("digested_meanwhile")
def test_one_that_vanishes_before_it_is_digested_is_said_to_be_gone(
    lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @lake.asset(partitions=Monthly("2018-01", end="2018-07"), version="1")
    def made(orders: pl.LazyFrame) -> pl.LazyFrame:
        return orders

    def gone(_: Path) -> str:
        (tmp_path / "orders.parquet").unlink(missing_ok=True)
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr("lakehouse.sources.digestcache.digest_file", gone)
    with pytest.raises(LakeError, match=r"orders\.parquet"):
        lake.materialize("2018-02")
    assert not (tmp_path / "lake/made").exists()
