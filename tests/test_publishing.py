"""One publish: the order of its calls, and what it leaves as it was."""

from __future__ import annotations

import errno
import itertools
import os
import shutil
import stat
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from lakehouse import MaterializeError
from lakehouse.projection import compare

if TYPE_CHECKING:
    from conftest import Shop

JANUARY = ["monthly_orders/partition_date=2018-01", "monthly_orders/partition_date=2018-01/part.parquet"]


def foreign(file: Path, status: str = "mine", count: int = 7) -> None:
    """Put a file of somebody else where a partition belongs."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.unlink(missing_ok=True)
    pq.write_table(pa.table({"status": [status], "order_num": pa.array([count], pa.int64())}), file)


def trace(shop: Shop) -> list[tuple[str, str]]:
    """The calls of the last command, paths relative to the lake, the run's own folder as RUN."""
    staging = f"{shop.root}/.lake/staging/"
    run = next(path for _, path in shop.calls if path.startswith(staging)).removeprefix(staging).partition("/")[0]
    return [(name, os.path.relpath(path, shop.root).replace(run, "RUN")) for name, path in shop.calls]


# The order of the calls

BEGIN = [
    ("mkdir", ".lake/staging/RUN"),
    ("fsync folder", ".lake/staging"),
]
COMMIT = [
    ("write", ".lake/staging/RUN/commit-{commit}"),
    ("fsync", ".lake/staging/RUN/commit-{commit}"),
    ("link", ".lake/log/monthly_orders/{number:08}.json"),
    ("fsync folder", ".lake/log/monthly_orders"),
]
FOLLOW = [
    ("link", ".lake/staging/RUN/link-{link}"),
    ("replace", "monthly_orders/partition_date=2018-01/part.parquet"),
    ("fsync folder", "monthly_orders/partition_date=2018-01"),
]
END = [
    ("write", ".lake/staging/RUN/projected-{projected}"),
    ("fsync", ".lake/staging/RUN/projected-{projected}"),
    ("replace", ".lake/log/monthly_orders/projected"),
    ("fsync folder", ".lake/log/monthly_orders"),
    ("rmtree", ".lake/staging/RUN"),
]
JANUARY_VERSIONS = ".lake/versions/monthly_orders/partition_date=2018-01"


def expected(*parts: list[tuple[str, str]], **numbers: int) -> list[tuple[str, str]]:
    return [(name, path.format(**numbers)) for part in parts for name, path in part]


@pytest.mark.invariant("I3")
def test_the_first_publish_of_a_lake_makes_every_folder_durable_and_then_what_lies_in_it(shop: Shop) -> None:
    shop.make()
    assert trace(shop) == expected(
        [
            ("mkdir", "."),
            ("fsync folder", ".."),
            ("mkdir", ".lake"),
            ("fsync folder", "."),
            ("mkdir", ".lake/staging"),
            ("fsync folder", ".lake"),
        ],
        BEGIN,
        [
            ("seal", ".lake/staging/RUN/part-1"),
            ("fsync", ".lake/staging/RUN/part-1"),
            ("mkdir", ".lake/versions"),
            ("fsync folder", ".lake"),
            ("mkdir", ".lake/versions/monthly_orders"),
            ("fsync folder", ".lake/versions"),
            ("mkdir", JANUARY_VERSIONS),
            ("fsync folder", ".lake/versions/monthly_orders"),
            ("rename", f"{JANUARY_VERSIONS}/RUN-2"),
            ("fsync folder", JANUARY_VERSIONS),
            ("mkdir", ".lake/log"),
            ("fsync folder", ".lake"),
            ("mkdir", ".lake/log/monthly_orders"),
            ("fsync folder", ".lake/log"),
        ],
        COMMIT,
        [
            ("mkdir", "monthly_orders"),
            ("fsync folder", "."),
            ("mkdir", "monthly_orders/partition_date=2018-01"),
            ("fsync folder", "monthly_orders"),
        ],
        FOLLOW,
        END,
        commit=3,
        number=1,
        link=4,
        projected=5,
    )
    assert len(shop.calls) == 38


@pytest.mark.invariant("I3")
def test_a_replacement_syncs_bytes_name_commit_and_projection_in_that_order(shop: Shop) -> None:
    shop.make()
    shop.calls.clear()
    shop.write(shop.NEW)
    assert shop.make() == ["replaced"]
    assert trace(shop) == expected(
        [("fsync folder", ".lake")],
        BEGIN,
        [
            ("seal", ".lake/staging/RUN/part-1"),
            ("fsync", ".lake/staging/RUN/part-1"),
            ("fsync folder", ".lake/versions/monthly_orders"),
            ("rename", f"{JANUARY_VERSIONS}/RUN-2"),
            ("fsync folder", JANUARY_VERSIONS),
            ("fsync folder", ".lake/log"),
        ],
        COMMIT,
        [("fsync folder", "monthly_orders")],
        FOLLOW,
        END,
        commit=3,
        number=2,
        link=4,
        projected=5,
    )
    assert len(shop.calls) == 22


@pytest.mark.invariant("I5")
def test_an_unchanged_partition_is_committed_and_its_file_is_not_touched(shop: Shop) -> None:
    shop.make()
    before = shop.identity()
    shop.calls.clear()
    assert shop.make(force=True) == ["unchanged"]
    assert trace(shop) == expected(
        [("fsync folder", ".lake")],
        BEGIN,
        [("unlink", ".lake/staging/RUN/part-1"), ("fsync folder", ".lake/log")],
        COMMIT,
        END,
        commit=2,
        number=2,
        projected=3,
    )
    assert len(shop.calls) == 14
    assert shop.identity() == before
    assert stat.S_IMODE(before[3]) == 0o444


def test_a_fresh_partition_costs_no_call(shop: Shop) -> None:
    shop.make()
    shop.calls.clear()
    assert shop.make() == ["fresh"]
    assert shop.calls == []


def test_each_step_of_a_backfill_is_over_for_all_months_before_the_next_begins(shop: Shop) -> None:
    shop.make()
    shop.write(shop.NEW)
    shop.calls.clear()
    assert shop.make("2018-01..2018-03") == ["replaced", "created", "created"]
    calls = trace(shop)
    assert len(calls) == 42

    def at(name: str, part: str) -> list[int]:
        return [index for index, call in enumerate(calls) if call[0] == name and part in call[1]]

    commit = at("link", "00000002.json")
    steps = [
        at("seal", "part-"),
        at("fsync", "/part-"),
        at("rename", ".lake/versions/"),
        at("fsync folder", ".lake/versions/monthly_orders/"),
        at("fsync", "/commit-"),
        commit,
        [index for index in at("fsync folder", ".lake/log/monthly_orders") if index > commit[0]][:1],
        at("replace", "part.parquet"),
        at("fsync folder", "monthly_orders/partition_date=")[3:],  # the first three are those of the versions
        at("replace", "projected"),
    ]
    assert [len(step) for step in steps] == [3, 3, 3, 3, 1, 1, 1, 3, 3, 1]
    assert all(max(before) < min(after) for before, after in itertools.pairwise(steps))
    for index, (name, path) in enumerate(calls):
        if name == "mkdir":
            followed = calls.index(("fsync folder", os.path.dirname(path)), index)  # noqa: PTH120  relative
            assert followed < (commit[0] if path.startswith(".lake") else at("replace", "part.parquet")[0])


def interrupt_before(shop: Shop, number: int) -> None:
    """Let the nth call never come."""
    calls = iter(range(1, number))

    def hook(_name: str, _path: Path) -> None:
        if next(calls, None) is None:
            raise KeyboardInterrupt

    shop.lake._on_call = hook
    with pytest.raises(KeyboardInterrupt):
        shop.make()
    shop.lake._on_call = shop._note


def test_a_folder_that_an_earlier_run_made_and_did_not_sync_is_synced_before_anything_in_it(shop: Shop) -> None:
    interrupt_before(shop, 16)  # after the mkdir of the folder of January's versions
    assert (shop.root / JANUARY_VERSIONS).is_dir()
    assert shop.make() == ["created"]
    calls = trace(shop)
    renamed = next(index for index, (name, _) in enumerate(calls) if name == "rename")
    assert ("fsync folder", ".lake/versions/monthly_orders") in calls[:renamed]
    assert ("mkdir", JANUARY_VERSIONS) not in calls


def test_a_commit_that_an_earlier_run_did_not_sync_is_synced_before_it_is_projected(shop: Shop) -> None:
    interrupt_before(shop, 26)  # after the link that is the commit
    assert shop.make() == ["fresh"]
    calls = [call for call in trace(shop) if call[1] in ("monthly_orders", ".lake/log/monthly_orders", *JANUARY)]
    assert calls[0] == ("fsync folder", ".lake/log/monthly_orders")


def test_a_file_that_an_earlier_run_put_in_place_and_did_not_sync_is_synced_before_it_counts(shop: Shop) -> None:
    interrupt_before(shop, 33)  # after the file was put in place
    assert shop.file().exists()
    assert shop.make() == ["fresh"]
    calls = trace(shop)
    synced = calls.index(("fsync folder", "monthly_orders/partition_date=2018-01"))
    assert synced < calls.index(("replace", ".lake/log/monthly_orders/projected"))
    assert not [call for call in calls if call[1].endswith("part.parquet")]


# What stays as it was


@pytest.mark.invariant("I4")
def test_a_failed_partition_changes_nothing_of_its_own_and_the_others_are_published(shop: Shop) -> None:
    shop.make()
    before = shop.identity()

    def refuse(frame: pl.LazyFrame) -> pl.LazyFrame:
        def check(rows: pl.DataFrame) -> pl.DataFrame:
            if "2018-01" in rows["partition_date"]:
                raise ValueError("no January, please")
            return rows

        return frame.map_batches(check)

    other = shop.again(version="2", result=refuse)
    with pytest.raises(MaterializeError) as caught:
        other.make("2018-01..2018-02")
    assert [item.result for item in caught.value.results] == ["failed", "created"]
    assert shop.identity() == before
    assert other.rows("2018-02") == {"placed": 1}
    assert other.versions() == other.named()


@pytest.mark.invariant("I4")
def test_a_partition_that_is_audited_and_refused_changes_nothing(shop: Shop) -> None:
    shop.make()
    before = shop.identity()
    other = shop.again(version="2", result=lambda frame: frame.with_columns(more=pl.lit(1)))
    with pytest.raises(MaterializeError, match="1 of 1 partitions failed"):
        other.make()
    assert shop.identity() == before
    assert other.lake.survey().fold("monthly_orders").schema == (("status", "str"), ("order_num", "i64"))


def test_attempts_that_failed_leave_the_contract_as_it_was(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.make()

    def damaged(*_: object) -> None:
        raise pl.exceptions.ComputeError("parquet: File out of specification")

    monkeypatch.setattr("lakehouse.audit.require_staged", damaged)
    other = shop.again(version="2", result=lambda frame: frame.with_columns(more=pl.lit(1)))
    with pytest.raises(MaterializeError, match="out of specification"):
        other.make(allow_schema_change=True)
    assert shop.commits() == 2
    assert other.lake.survey().fold("monthly_orders").schema == (("status", "str"), ("order_num", "i64"))


@pytest.mark.invariant("I6", "I7")
def test_a_smaller_result_leaves_no_old_row_and_other_partitions_as_they_are(shop: Shop) -> None:
    """January loses all but one of its orders: that one is all that is left of it, and February is not touched."""
    shop.make("2018-01..2018-02")
    february = shop.identity("2018-02")
    shop.write("id,order_date,status\n1,2018-01-05,completed\n")
    assert shop.make("2018-01") == ["replaced"]
    assert shop.rows() == {"completed": 1}
    assert shop.identity("2018-02") == february
    shop.write("id,order_date,status\n")
    assert shop.make("2018-01") == ["replaced"]
    assert shop.rows() == {}


def test_without_rows_a_partition_is_made_and_empty(shop: Shop) -> None:
    assert shop.make("2018-06") == ["created"]
    assert pq.read_table(shop.file("2018-06")).schema.names == ["status", "order_num"]
    assert shop.rows("2018-06") == {}
    assert shop.state("2018-06") == ("empty", "fresh")


def test_what_was_published_before_an_error_stands(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """A backfill commits what it has every two seconds; then the disk is full."""
    write = pl.DataFrame.write_parquet
    written = []

    def slowly(frame: pl.DataFrame, path: Path, **options: object) -> None:
        written.append(path)
        if len(written) == 3:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        shop.now += timedelta(seconds=2)
        write(frame, path, **options)

    monkeypatch.setattr(pl.DataFrame, "write_parquet", slowly)
    survey = shop.lake.survey()
    outcome = shop.lake.run(survey, shop.lake.plan(survey, shop.lake.resolve("2018-01..2018-03")))
    assert [(item.key, item.result) for item in outcome.results] == [("2018-01", "created"), ("2018-02", "created")]
    assert outcome.exit_code == 4
    assert shop.commits() == 2
    monkeypatch.undo()
    assert shop.make("2018-01..2018-03") == ["fresh", "fresh", "created"]


def test_the_first_failure_ends_a_run_that_is_to_fail_fast(shop: Shop) -> None:
    def refuse(rows: pl.DataFrame) -> pl.DataFrame:
        if "2018-02" in rows["partition_date"]:
            raise ValueError("no February, please")
        return rows

    other = shop.again(result=lambda frame: frame.map_batches(refuse))
    survey = other.lake.survey()
    outcome = other.lake.run(survey, other.lake.plan(survey, other.lake.resolve("2018-01..2018-03")), fail_fast=True)
    assert [(item.key, item.result) for item in outcome.results] == [("2018-01", "created"), ("2018-02", "failed")]
    assert other.rows() == shop.OLD_ROWS["2018-01"]


def test_a_source_that_changes_once_while_it_is_read_is_read_again(shop: Shop) -> None:
    changes = iter([shop.NEW])

    def change(rows: pl.DataFrame) -> pl.DataFrame:
        if (text := next(changes, None)) is not None:
            shop.write(text)
        return rows

    other = shop.again(version="1", result=lambda frame: frame.map_batches(change))
    assert other.make() == ["created"]
    assert other.rows() == shop.NEW_ROWS["2018-01"]
    assert other.state() == ("fresh", "fresh")


@pytest.mark.invariant("I11")
def test_a_source_that_changes_each_time_it_is_read_leaves_the_partition_stale(shop: Shop) -> None:
    texts = itertools.cycle([shop.NEW, shop.OLD])

    def change(rows: pl.DataFrame) -> pl.DataFrame:
        shop.write(next(texts))
        return rows

    other = shop.again(version="1", result=lambda frame: frame.map_batches(change))
    assert other.make() == ["created"]
    assert other.state() == ("stale", "stale: orders changed while it was read")


# Files that somebody else put there


@pytest.mark.invariant("I10")
@pytest.mark.parametrize("how", ["replaced", "edited in place", "a folder", "a link"])
def test_a_file_edited_by_hand_is_not_replaced(shop: Shop, how: str) -> None:
    shop.make()
    if how == "replaced":
        foreign(shop.file())
    elif how == "edited in place":
        shop.file().chmod(0o644)
        with shop.file().open("ab") as file:
            file.write(b"more")
    else:
        shop.file().unlink()
        shop.file().mkdir() if how == "a folder" else shop.file().symlink_to(shop.folder / "orders.csv")
    before = shop.file().lstat()
    shop.write(shop.NEW)
    assert shop.state() == ("unrecorded", "unrecorded: somebody else put a file there")
    with pytest.raises(MaterializeError, match="put there by somebody else; it is left as it is"):
        shop.make()
    assert shop.file().lstat() == before
    assert shop.commits() == 1


def test_a_link_of_the_same_size_and_time_is_no_version(shop: Shop) -> None:
    shop.make()
    version = shop.lake.survey().fold("monthly_orders").key("2018-01").version
    assert version is not None
    assert compare(shop.file(), [version]) == "same"
    shop.file().unlink()
    shop.file().symlink_to("x" * version.size_bytes)
    os.utime(shop.file(), ns=(version.mtime_ns, version.mtime_ns), follow_symlinks=False)
    assert compare(shop.file(), [version]) == "other"


@pytest.mark.invariant("I10")
def test_with_force_a_file_edited_by_hand_is_replaced_and_kept_as_a_version(shop: Shop) -> None:
    shop.make()
    foreign(shop.file())
    mine = shop.file().read_bytes()
    assert shop.make(force=True) == ["replaced"]
    assert shop.rows() == shop.OLD_ROWS["2018-01"]
    assert shop.state() == ("fresh", "fresh")
    assert mine in [(shop.root / path).read_bytes() for path in shop.versions()]
    assert shop.versions() == shop.named()
    assert len(shop.versions()) == 3


def test_of_several_versions_the_one_that_nobody_can_make_again_is_kept_longest(shop: Shop) -> None:
    once = shop.again(keep_versions=1, grace="0s")
    once.make()
    foreign(once.file())
    mine = once.file().read_bytes()
    once.make(force=True)
    assert sorted((once.root / path).read_bytes() == mine for path in once.versions()) == [False, True]


def test_a_file_that_appears_while_a_partition_is_made_is_left_alone(shop: Shop) -> None:
    shop.make()
    shop.write(shop.NEW)
    shop.lake._on_call = lambda _, path: foreign(shop.file()) if "staging/2026" in str(path) else None
    with pytest.raises(MaterializeError) as caught:
        shop.make()
    assert [item.result for item in caught.value.results] == ["blocked"]
    assert shop.rows() == {"mine": 7}
    assert shop.versions() == shop.named()
    assert shop.staging() == []


def test_a_file_of_somebody_elses_that_is_gone_by_the_time_of_the_run_refuses_nothing(shop: Shop) -> None:
    shop.make()
    version = shop.file().read_bytes()
    shop.file().unlink()
    shop.file().write_bytes(version + b"x")
    survey = shop.lake.survey()
    plan = shop.lake.plan(survey, shop.lake.resolve("2018-01..2018-02"))
    assert [step.action for step in plan.steps] == ["refuse", "make"]
    shop.file().unlink()
    outcome = shop.lake.run(shop.lake.survey(), plan)
    assert [result.result for result in outcome.results] == ["created", "created"]
    assert shop.rows() == shop.OLD_ROWS["2018-01"]


def test_a_file_that_appears_between_commit_and_projection_is_left_alone_and_said(shop: Shop) -> None:
    shop.make()
    shop.write(shop.NEW)
    shop.lake._on_call = lambda _, path: foreign(shop.file()) if path.name == "00000002.json" else None
    survey = shop.lake.survey()
    outcome = shop.lake.run(survey, shop.lake.plan(survey, shop.lake.resolve("2018-01")))
    assert outcome.notes == {
        "monthly_orders": ["2018-01: a file that somebody else put there was left as it is; the log has newer data"]
    }
    assert shop.rows() == {"mine": 7}
    assert shop.published() == shop.NEW_ROWS["2018-01"]
    assert shop.state()[0] == "unrecorded"


def test_a_file_deleted_by_hand_is_missing_and_made_again(shop: Shop) -> None:
    shop.make()
    shop.file().unlink()
    assert shop.state() == ("missing", "missing: removed by hand")
    assert shop.make() == ["created"]
    assert shop.rows() == shop.OLD_ROWS["2018-01"]


def test_a_lake_copied_without_its_times_opens_as_fresh(shop: Shop) -> None:
    shop.make()
    copied = shop.folder / "copied"
    shutil.copytree(shop.root, copied, copy_function=shutil.copyfile)
    shutil.rmtree(shop.root)
    copied.rename(shop.root)
    assert shop.state() == ("fresh", "fresh")
    assert shop.make() == ["fresh"]
    assert shop.make(force=True) == ["unchanged"]


def test_without_its_bookkeeping_the_data_is_readable_and_unrecorded(shop: Shop) -> None:
    shop.make()
    shutil.rmtree(shop.root / ".lake")
    before = shop.identity()
    assert shop.state()[0] == "unrecorded"
    with pytest.raises(MaterializeError, match="put there by somebody else"):
        shop.make()
    assert shop.identity() == before
    assert shop.make(force=True) == ["replaced"]
    assert shop.state() == ("fresh", "fresh")


@pytest.mark.parametrize("which", ["monthly_orders", "monthly_orders/partition_date=2018-01"])
def test_a_folder_that_is_a_link_is_refused_before_the_commit(shop: Shop, which: str) -> None:
    elsewhere = shop.folder / "elsewhere"
    elsewhere.mkdir()
    link = shop.root / which
    link.parent.mkdir(parents=True)
    link.symlink_to(elsewhere)
    with pytest.raises(MaterializeError, match="a link stands where a folder belongs"):
        shop.make()
    assert list(elsewhere.iterdir()) == []
    assert shop.staging() == []
    assert shop.lake.survey().fold("monthly_orders").key("2018-01").version is None


def test_a_file_where_a_folder_belongs_is_refused_before_the_commit(shop: Shop) -> None:
    (shop.root / "monthly_orders").mkdir(parents=True)
    shop.file().parent.write_text("mine")
    with pytest.raises(MaterializeError, match="put there by somebody else"):
        shop.make()
    with pytest.raises(MaterializeError, match="a file stands where a folder belongs"):
        shop.make(force=True)
    shop.file().parent.unlink()
    shop.file().mkdir(parents=True)
    with pytest.raises(MaterializeError, match="a folder stands where a file belongs"):
        shop.make(force=True)
    assert shop.versions() == []


def test_an_asset_on_another_file_system_is_refused_before_the_commit(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    (shop.root / "monthly_orders").mkdir(parents=True)
    lstat = Path.lstat

    def mounted(path: Path) -> os.stat_result:
        status = list(lstat(path))
        status[2] += path.name == "monthly_orders"
        return os.stat_result(status)

    monkeypatch.setattr(Path, "lstat", mounted)
    with pytest.raises(MaterializeError, match=r"lies on another file system than \.lake"):
        shop.make()
    assert shop.lake.survey().fold("monthly_orders").key("2018-01").version is None


# Versions


def test_beside_the_current_version_the_last_one_is_kept_and_older_ones_go_after_the_grace(shop: Shop) -> None:
    def made(text: str, after: timedelta) -> int:
        shop.now += after
        shop.write(text)
        shop.make()
        assert shop.versions() == shop.named()
        return len(shop.versions())

    hour = timedelta(hours=1)
    assert made(shop.OLD, 0 * hour) == 1
    assert made(shop.NEW, hour) == 2
    assert made(shop.OLD, hour) == 3  # the first was superseded an hour ago
    assert made(shop.NEW, 23 * hour) == 3  # it has gone now; the second was superseded 23 hours ago
    assert made(shop.OLD, 48 * hour) == 2  # only the one kept, whatever its age, and the current one


@pytest.mark.parametrize(("keep", "versions"), [(0, 1), (1, 2), (2, 3)])
def test_without_grace_exactly_the_kept_versions_stay(shop: Shop, keep: int, versions: int) -> None:
    lake = shop.again(keep_versions=keep, grace=timedelta(0))
    for text in (shop.OLD, shop.NEW) * 3:
        lake.write(text)
        lake.make()
    assert lake.versions() == lake.named()
    assert len(lake.versions()) == versions
    assert lake.rows() == shop.NEW_ROWS["2018-01"]


@pytest.mark.invariant("I14")
def test_a_reader_that_planned_before_a_replacement_reads_what_it_planned(shop: Shop) -> None:
    shop.make("2018-01..2018-02")
    planned = shop.lake.scan("monthly_orders")
    shop.write(shop.NEW)
    shop.make("2018-01")
    found = planned.filter(pl.col("partition_date") == "2018-01").select("status", "order_num").collect()
    assert dict(found.iter_rows()) == shop.OLD_ROWS["2018-01"]
    assert shop.published() == shop.NEW_ROWS["2018-01"]


def test_the_time_of_a_replacement_is_in_a_later_second_than_that_of_the_file_replaced(shop: Shop) -> None:
    times = []
    for text in (shop.OLD, shop.NEW, shop.OLD):  # within the same instant, as the clock has it
        shop.write(text)
        shop.make()
        times.append(int(shop.file().stat().st_mtime))
    assert times == [int(shop.now.timestamp()) + number for number in range(3)]


def encode_as(monkeypatch: pytest.MonkeyPatch, writer: str) -> None:
    """Write files as another release might: other bytes for the same rows."""
    write = pl.DataFrame.write_parquet

    def differently(frame: pl.DataFrame, path: Path, **options: object) -> None:
        write(frame, path, **{**options, "compression": "lz4", "compression_level": None})

    monkeypatch.setattr(pl.DataFrame, "write_parquet", differently)
    monkeypatch.setattr("lakehouse.compute.writer", lambda: writer)


def test_the_same_rows_from_another_release_are_unchanged(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.make()
    before = shop.identity()
    encode_as(monkeypatch, "polars 99.0.0")
    assert shop.make(force=True) == ["unchanged"]
    assert shop.identity() == before
    shop.write(shop.NEW)
    assert shop.make() == ["replaced"]


def test_the_same_rows_as_other_bytes_of_the_same_release_are_another_version(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.make()
    encode_as(monkeypatch, f"polars {pl.__version__}")
    assert shop.make(force=True) == ["replaced"]


def test_a_version_that_cannot_be_read_any_more_is_replaced(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.make()
    (version,) = shop.versions()
    (shop.root / version).unlink()
    (shop.root / version).write_bytes(b"no Parquet")
    encode_as(monkeypatch, "polars 99.0.0")
    assert shop.make(force=True) == ["replaced"]
    assert shop.published() == shop.OLD_ROWS["2018-01"]


def test_the_files_read_the_same_by_three_engines(shop: Shop) -> None:
    shop.make("2018-01..2018-03")
    folder, counts = shop.root / "monthly_orders", {"2018-01": 3, "2018-02": 1, "2018-03": 1}
    by_polars = pl.scan_parquet(folder, hive_partitioning=True).group_by("partition_date").agg(pl.sum("order_num"))
    by_arrow = (
        ds.dataset(folder, partitioning="hive")
        .to_table()
        .group_by("partition_date")
        .aggregate([("order_num", "sum")])
    )
    query = f"select partition_date, sum(order_num)::int from read_parquet('{folder}/*/*.parquet') group by 1"  # noqa: S608
    with duckdb.connect() as connection:
        by_duckdb = connection.sql(query).fetchall()
    arrow = by_arrow.to_pydict()
    assert dict(by_polars.collect().iter_rows()) == counts
    assert dict(zip(arrow["partition_date"], arrow["order_num_sum"], strict=True)) == counts
    assert dict(by_duckdb) == counts


def test_a_file_damaged_behind_its_size_and_time_is_not_called_unchanged(shop: Shop) -> None:
    """Made again with force it is replaced, whole, although the rows are the same."""
    shop.make()
    status = shop.file().stat()
    whole = shop.file().read_bytes()
    shop.file().chmod(0o644)
    shop.file().write_bytes(whole[:20] + b"oops" + whole[24:])
    os.utime(shop.file(), ns=(status.st_mtime_ns, status.st_mtime_ns))
    assert shop.make(force=True) == ["replaced"]
    assert shop.file().read_bytes() == whole
    assert shop.make(force=True) == ["unchanged"]
