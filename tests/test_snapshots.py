"""A snapshot is whole, of one commit an asset, shown in one step, and never changes whatever becomes of the lake."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl
import pyarrow.dataset as ds
import pytest

from lakehouse import AssetUnknownError, AuditError, Lake, RequestError, StorageError
from lakehouse.amend import Amendment, Change
from lakehouse.commits import Mark
from lakehouse.disk import digest_file

if TYPE_CHECKING:
    from conftest import Shop

MONTHS = ["2018-01", "2018-02", "2018-03"]
Rows = list[tuple[Any, ...]]


@pytest.fixture
def made(shop: Shop) -> Shop:
    """A shop with three months made; calls are counted from here."""
    shop.make("2018-01..2018-03")
    shop.calls.clear()
    return shop


def folder(shop: Shop, name: str = "before") -> Path:
    return shop.root / ".lake/snapshots" / name


def listing(of: Path) -> list[str]:
    return sorted(path.relative_to(of).as_posix() for path in of.rglob("*") if path.is_file())


def rows(of: Path) -> Rows:
    """All rows of an asset in a snapshot, to a plain reader."""
    found = duckdb.execute(
        "select partition_date, status, order_num from read_parquet(?, hive_partitioning = true) order by all",
        [f"{of}/monthly_orders/*/part.parquet"],
    )
    return found.fetchall()


def expected(of: dict[str, dict[str, int]]) -> Rows:
    return sorted((month, status, n) for month, counts in of.items() for status, n in counts.items())


FILES = [*(f"monthly_orders/partition_date={month}/part.parquet" for month in MONTHS), "snapshot.json"]


# What it is


def test_a_snapshot_is_a_plain_hive_tree_beside_its_facts(made: Shop) -> None:
    found = made.lake.snapshot("before")
    assert found.path == ".lake/snapshots/before"
    assert listing(folder(made)) == FILES
    assert [(asset.asset, asset.commit, asset.partitions, asset.row_count) for asset in found.assets] == [
        ("monthly_orders", 1, 3, 4)
    ]
    assert made.lake.snapshots() == [found]
    content = json.loads((folder(made) / "snapshot.json").read_bytes())
    assert (content["name"], content["made"], content["assets"][0]["commit"]) == (
        "before",
        "2026-11-20T09:00:00.000000Z",
        1,
    )
    assert content["by"]["host"] == os.uname().nodename


def test_each_engine_reads_it_by_folder_and_by_pattern(made: Shop) -> None:
    (asset,) = made.lake.snapshot("before").assets
    wanted = expected(made.OLD_ROWS)
    assert asset.pattern == "monthly_orders/*/part.parquet"
    assert rows(folder(made)) == wanted
    names = ["partition_date", "status", "order_num"]
    for path in (folder(made) / "monthly_orders", folder(made) / asset.pattern):
        frame = pl.scan_parquet(path, hive_partitioning=True).select(names).collect()
        assert sorted(frame.rows()) == wanted
    table = ds.dataset(folder(made) / "monthly_orders", partitioning="hive").to_table(columns=names)
    assert sorted(tuple(row.values()) for row in table.to_pylist()) == wanted


def test_its_files_are_the_versions_themselves_and_read_only(made: Shop) -> None:
    made.lake.snapshot("before")
    for month in MONTHS:
        status = (folder(made) / f"monthly_orders/partition_date={month}/part.parquet").stat()
        assert status.st_ino == made.file(month).stat().st_ino
        assert status.st_mode & 0o777 == 0o444


def test_where_there_are_no_links_it_has_copies(made: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "link", refused)
    made.lake.snapshot("before")
    monkeypatch.undo()
    assert rows(folder(made)) == expected(made.OLD_ROWS)
    copy = folder(made) / FILES[0]
    assert copy.stat().st_ino != made.file().stat().st_ino
    assert copy.stat().st_mode & 0o777 == 0o444
    assert digest_file(copy) == digest_file(made.file())


def test_whatever_becomes_of_the_lake_it_stays_as_it_was(shop: Shop) -> None:
    """Replaced, let go at once, wiped, and the folders removed by hand: bytes, times and names stay."""
    shop = shop.again(keep_versions=0, grace="0s")
    shop.make("2018-01..2018-03")
    shop.lake.snapshot("before")
    was = {
        name: ((folder(shop) / name).read_bytes(), (folder(shop) / name).stat().st_mtime_ns)
        for name in listing(folder(shop))
    }
    shop.write(shop.NEW)
    shop.make("2018-01..2018-03")
    shop.lake.wipe("monthly_orders", "2018-02")
    shutil.rmtree(shop.root / "monthly_orders")
    shutil.rmtree(shop.root / ".lake/versions")
    assert {
        name: ((folder(shop) / name).read_bytes(), (folder(shop) / name).stat().st_mtime_ns)
        for name in listing(folder(shop))
    } == was
    assert rows(folder(shop)) == expected(shop.OLD_ROWS)


def test_later_runs_leave_it_alone(made: Shop) -> None:
    """The next run sweeps what dead runs left; a snapshot is none of that."""
    made.lake.snapshot("before")
    made.now += timedelta(hours=1)
    made.write(made.NEW)
    made.make("2018-01..2018-03")
    made.lake.snapshot("after")
    assert rows(folder(made)) == expected(made.OLD_ROWS)
    assert rows(folder(made, "after")) == expected(made.NEW_ROWS)
    assert [(item.name, item.assets[0].commit) for item in made.lake.snapshots()] == [("before", 1), ("after", 2)]
    assert made.staging() == []


LAKE = """
@lake.asset
def whole() -> pl.LazyFrame:
    return pl.LazyFrame({"n": [1, 2]})


@lake.asset(partitions=Categories("region", ["eu", "a/b"]) * Monthly("2018-01", end="2018-02"))
def both() -> pl.LazyFrame:
    return pl.LazyFrame({"region": ["eu", "a/b"], "partition_date": ["2018-01"] * 2, "n": [1, 2]})


@lake.asset(partitions=Monthly("2018-01", end="2018-02"))
def never() -> pl.LazyFrame:
    return pl.LazyFrame({"partition_date": ["2018-01"], "n": [1]})
"""


def test_assets_without_partitions_and_with_several_dimensions_have_their_own_patterns(project: Any) -> None:
    lake: Lake = project.load(LAKE)
    lake.materialize("all", assets=["whole", "both"])
    found = lake.snapshot("all-of-it")
    of = lake.root / found.path
    assert [(asset.asset, asset.pattern) for asset in found.assets] == [
        ("whole", "whole/part.parquet"),
        ("both", "both/*/*/part.parquet"),
    ]
    assert listing(of) == [
        "both/region=a%2Fb/partition_date=2018-01/part.parquet",
        "both/region=eu/partition_date=2018-01/part.parquet",
        "snapshot.json",
        "whole/part.parquet",
    ]
    query = "select region, n from read_parquet(?, hive_partitioning = true) order by n"
    assert duckdb.execute(query, [f"{of}/{found.assets[1].pattern}"]).fetchall() == [("eu", 1), ("a/b", 2)]


def test_it_holds_the_assets_that_are_named_or_all_that_have_data(project: Any) -> None:
    lake: Lake = project.load(LAKE)
    with pytest.raises(RequestError) as caught:
        lake.snapshot("nothing")
    assert caught.value.code == "snapshot-empty"
    assert not lake.root.exists()
    lake.materialize("all", assets=["whole", "both"])
    assert [asset.asset for asset in lake.snapshot("one", ["both", "both"]).assets] == ["both"]
    with pytest.raises(RequestError, match="never has no data"):
        lake.snapshot("two", ["both", "never"])
    with pytest.raises(AssetUnknownError, match="no asset 'nix'"):
        lake.snapshot("two", ["nix"])
    with pytest.raises(AssetUnknownError):
        lake.snapshot("two", ["../log"])
    lake = project.load(LAKE.replace("def both", "def other"))
    assert [asset.asset for asset in lake.snapshot("two", ["both"]).assets] == ["both"]
    assert [asset.asset for asset in lake.snapshot("three").assets] == ["whole"]


def test_keys_that_the_definition_no_longer_has_are_part_of_it(project: Any) -> None:
    project.load(LAKE).materialize("all", assets=["both"])
    lake: Lake = project.load(LAKE.replace('["eu", "a/b"])', '["eu"])', 1))
    assert lake.snapshot("orphans").assets[0].partitions == 2


# What is refused


@pytest.mark.parametrize(
    "name",
    [
        *("", ".", "..", "a/b", "/a", "a b", "a=b", ".a", "a.", "-a", "é", "a\0b", "a\n"),
        *("list", "remove", "CON", "nul.x", "x" * 101),
    ],
)
def test_what_cannot_be_a_folders_name_is_no_name(made: Shop, name: str) -> None:
    for dry_run in (True, False):
        with pytest.raises(RequestError) as caught:
            made.lake.snapshot(name, dry_run=dry_run)
        assert caught.value.code == "snapshot-name"
    assert made.calls == []


@pytest.mark.parametrize("name", ["a", "2018-02", "before-fix_1.0", "A.b", "console", "x" * 100])
def test_letters_digits_and_a_few_signs_are_a_name(made: Shop, name: str) -> None:
    assert made.lake.snapshot(name).name == name


def test_a_name_that_is_taken_is_refused_be_it_in_other_letters(made: Shop) -> None:
    made.lake.snapshot("before")
    made.write(made.NEW)
    made.make("2018-01..2018-03")
    for name in ("before", "Before"):
        with pytest.raises(RequestError) as caught:
            made.lake.snapshot(name)
        assert caught.value.code == "snapshot-taken"
    assert rows(folder(made)) == expected(made.OLD_ROWS)


def test_partitions_of_two_schemas_make_no_snapshot(made: Shop) -> None:
    other = made.again(result=lambda frame: frame.with_columns(more=pl.lit("x")))
    other.make("2018-01", allow_schema_change=True)
    with pytest.raises(AuditError) as caught:
        other.lake.snapshot("before")
    assert caught.value.code == "schema-mixed"
    assert not folder(made).parent.exists()


def test_a_partition_that_is_known_to_be_damaged_makes_no_snapshot(made: Shop) -> None:
    lake, survey = made.lake, made.lake.survey()
    version = survey.fold("monthly_orders").key("2018-02").version
    assert version is not None
    mark = Mark(key="2018-02", partition={"partition_date": "2018-02"}, damaged=version.digest)
    with lake._run(survey) as run:
        amendment = Amendment(log=survey.log("monthly_orders"), partitions={}, run=run, by={}, clock=lake._clock)
        amendment.commit(lambda *_: Change(marks=(mark,)))
    with pytest.raises(StorageError) as caught:
        lake.snapshot("before")
    assert (caught.value.code, caught.value.message) == (
        "version-damaged",
        "monthly_orders 2018-02 is damaged: its bytes are not those that were published",
    )
    made.make("2018-02", force=True)
    assert lake.snapshot("before").assets[0].partitions == 3


def test_a_dry_run_tells_the_same_and_writes_nothing(made: Shop) -> None:
    before = sorted(str(path) for path in made.root.rglob("*"))
    told = made.lake.snapshot("before", dry_run=True)
    assert made.calls == []
    assert sorted(str(path) for path in made.root.rglob("*")) == before
    assert told.made is None
    taken = made.lake.snapshot("before")
    assert (told.path, told.assets) == (taken.path, taken.assets)


# While others write


def interfering(shop: Shop, at: Callable[[str, Path], bool], act: Callable[[], object], times: int = 1) -> None:
    """Let another run act, each time before a call of which `at` is true."""
    left = [times]

    def hook(name: str, path: Path) -> None:
        shop._note(name, path)
        if left[0] and at(name, path):
            left[0] -= 1
            act()

    shop.lake._on_call = hook


def is_link(of: str) -> Callable[[str, Path], bool]:
    return lambda name, path: name == "link" and "snapshot-" in str(path) and of in str(path)


@pytest.mark.parametrize("month", MONTHS)
def test_versions_let_go_meanwhile_are_replaced_by_those_of_one_later_commit(shop: Shop, month: str) -> None:
    """All three months change, and their old versions are gone, when one, two or none of them is linked."""
    shop = shop.again(keep_versions=0, grace="0s")
    shop.make("2018-01..2018-03")
    other = shop.again(keep_versions=0, grace="0s")

    def publish() -> None:
        other.write(shop.OLD.replace("completed", "returned").replace("placed", "shipped"))
        other.make("2018-01..2018-03")

    interfering(shop, is_link(f"partition_date={month}"), publish)
    found = shop.lake.snapshot("before")
    assert found.assets[0].commit == 2
    assert rows(folder(shop)) == [("2018-01", "returned", 3), ("2018-02", "shipped", 1), ("2018-03", "returned", 1)]
    assert listing(folder(shop)) == FILES


def test_a_partition_wiped_meanwhile_is_not_part_of_the_later_commit(shop: Shop) -> None:
    shop.make("2018-01..2018-03")
    other = shop.again()
    interfering(shop, is_link("2018-03"), lambda: other.lake.wipe("monthly_orders", ["2018-01", "2018-03"]))
    found = shop.lake.snapshot("before")
    assert (found.assets[0].commit, found.assets[0].partitions, found.assets[0].row_count) == (2, 1, 1)
    assert listing(folder(shop)) == [FILES[1], "snapshot.json"]


def test_commits_that_let_nothing_go_meanwhile_change_nothing(made: Shop) -> None:
    """Versions of the pinned commit are still there: it stays that commit."""
    other = made.again()

    def publish() -> None:
        other.write(made.NEW)
        other.make("2018-01..2018-03")

    interfering(made, is_link("2018-01"), publish)
    assert made.lake.snapshot("before").assets[0].commit == 1
    assert rows(folder(made)) == expected(made.OLD_ROWS)


def test_a_lake_that_never_rests_makes_no_mixture(shop: Shop) -> None:
    shop = shop.again(keep_versions=0, grace="0s")
    shop.make("2018-01..2018-03")
    other = shop.again(keep_versions=0, grace="0s")
    texts = [shop.OLD.replace("completed", f"c{i}") for i in range(50)]

    def publish() -> None:
        other.write(texts.pop())
        other.make("2018-01")

    interfering(shop, is_link("2018-01"), publish, times=50)
    with pytest.raises(StorageError) as caught:
        shop.lake.snapshot("before")
    assert caught.value.code == "too-busy"
    assert shop.lake.snapshots() == []
    assert shop.staging() == []


def test_bytes_that_are_missing_for_good_make_no_snapshot(made: Shop) -> None:
    (made.root / made.versions()[1]).unlink()
    with pytest.raises(StorageError) as caught:
        made.lake.snapshot("before")
    assert (caught.value.code, caught.value.exit_code) == ("version-missing", 4)
    assert not folder(made).exists()
    assert made.staging() == []


def test_of_two_that_take_a_name_at_once_one_has_it(made: Shop) -> None:
    other = made.again()
    interfering(
        made,
        lambda name, path: name == "rename" and path == folder(made),
        lambda: (other.write(made.NEW), other.make("2018-01"), other.lake.snapshot("before")),
    )
    with pytest.raises(RequestError) as caught:
        made.lake.snapshot("before")
    assert caught.value.code == "snapshot-taken"
    assert rows(folder(made)) == expected(made.NEW_ROWS)
    assert made.staging() == []


# Killed, and failed by the disk


class Killed(BaseException):
    """As if the process had ended: no later call reaches the disk either."""


def kill_at(shop: Shop, number: int) -> None:
    calls = iter(range(1, 10**6))

    def hook(_: str, path: Path) -> None:
        if next(calls) >= number:
            raise Killed(path)

    shop.lake._on_call = hook


def calls_of(shop: Shop, act: Callable[[], object]) -> list[tuple[str, str]]:
    """The calls that something takes."""
    shop.calls.clear()
    act()
    return list(shop.calls)


def calls_of_a_snapshot(shop: Shop) -> list[tuple[str, str]]:
    """The calls that one takes where there was one before; neither is left."""
    for _ in range(2):
        calls = calls_of(shop, lambda: shop.lake.snapshot("counted"))
        shop.lake.remove_snapshot("counted")
    return calls


def test_killed_before_any_call_there_is_no_half_snapshot_and_the_same_again_succeeds(made: Shop) -> None:
    count = len(calls_of_a_snapshot(made))
    assert count > 15
    shown = []
    for number in range(1, count + 1):
        killed = made.again()
        kill_at(killed, number)
        with pytest.raises(Killed):
            killed.lake.snapshot("before")
        shown.append(folder(made).exists())
        if shown[-1]:
            assert listing(folder(made)) == FILES
            made.lake.remove_snapshot("before")
        assert made.lake.snapshots() == []
        made.lake.snapshot("before")
        assert rows(folder(made)) == expected(made.OLD_ROWS)
        assert made.staging() == []
        made.lake.remove_snapshot("before")
    assert shown == sorted(shown)  # once it is there, it stays
    assert (shown[0], shown[-1]) == (False, True)


def test_killed_before_any_call_of_a_removal_it_is_there_whole_or_not_at_all(made: Shop) -> None:
    made.lake.snapshot("before")
    count = len(calls_of(made, lambda: made.lake.remove_snapshot("before")))
    shown = []
    for number in range(1, count + 1):
        made.lake.snapshot("before")
        killed = made.again()
        kill_at(killed, number)
        with pytest.raises(Killed):
            killed.lake.remove_snapshot("before")
        shown.append(folder(made).exists())
        if shown[-1]:
            assert listing(folder(made)) == FILES
            made.lake.remove_snapshot("before")
        made.make("2018-01")
        assert listing(folder(made).parent) == []
    assert shown == sorted(shown, reverse=True)
    assert (shown[0], shown[-1]) == (True, False)


def fail_at(shop: Shop, number: int, code: int) -> None:
    calls = iter(range(1, 10**6))

    def hook(_: str, path: Path) -> None:
        if next(calls) == number:
            raise OSError(code, os.strerror(code), str(path))

    shop.lake._on_call = hook


def outcome(shop: Shop) -> str:
    try:
        shop.lake.snapshot("before")
    except StorageError as error:
        return error.code
    return "done"


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS])
def test_a_disk_that_fails_at_any_call_is_said_and_leaves_no_half_snapshot(made: Shop, code: int) -> None:
    count = len(calls_of_a_snapshot(made))
    codes = []
    for number in range(1, count + 1):
        failed = made.again()
        fail_at(failed, number, code)
        codes.append(outcome(failed))
        if folder(made).exists():
            assert listing(folder(made)) == FILES
            made.lake.remove_snapshot("before")
        assert made.lake.snapshots() == []
        assert sorted(path.name for path in made.root.iterdir()) == [".lake", "monthly_orders"]
    assert "durability-unconfirmed" in codes
    assert set(codes[: codes.index("durability-unconfirmed")]) == {
        {errno.ENOSPC: "disk-full", errno.EIO: "disk-failed", errno.EROFS: "read-only"}[code]
    }


def test_all_that_it_holds_is_on_disk_before_it_is_shown(made: Shop) -> None:
    """Each folder that got a name is synced after its last one, the facts before their folder; then the name."""
    calls = calls_of(made, lambda: made.lake.snapshot("before"))
    shown = calls.index(("rename", str(folder(made))))
    assert calls[shown + 1] == ("fsync folder", str(folder(made).parent))
    synced = {path: number for number, (name, path) in enumerate(calls[:shown]) if name == "fsync folder"}
    named = [
        (number, str(Path(path).parent))
        for number, (name, path) in enumerate(calls[:shown])
        if name in ("mkdir", "link", "write")
    ]
    assert len([name for name, _ in calls[:shown] if name == "link"]) == 3
    for number, parent in named:
        assert synced[parent] > number
    assert ("fsync folder", str(made.log())) in calls[:shown]
    facts = next(path for name, path in calls if name == "write")
    assert calls.index(("fsync", facts)) < synced[str(Path(facts).parent)]


# Listed, and removed


def test_they_are_listed_oldest_first_and_what_is_none_is_last(made: Shop) -> None:
    for hours, name in ((2, "z"), (1, "y"), (0, "x")):
        made.now = datetime(2026, 11, 20, 9, 0, tzinfo=UTC) - timedelta(hours=hours)
        made.lake.snapshot(name)
    (folder(made, "by-hand")).mkdir()
    (folder(made, "y") / "snapshot.json").chmod(0o644)
    (folder(made, "y") / "snapshot.json").write_text('{"format": 1, "made": 3}')
    assert [(item.name, item.made is not None) for item in made.lake.snapshots()] == [
        ("z", True),
        ("x", True),
        ("by-hand", False),
        ("y", False),
    ]
    made.lake.remove_snapshot("y")
    made.lake.remove_snapshot("by-hand")
    assert [item.name for item in made.lake.snapshots()] == ["z", "x"]


def test_a_removed_snapshot_is_gone_and_the_lake_keeps_its_own(made: Shop) -> None:
    made.lake.snapshot("before")
    versions = made.versions()
    assert made.lake.remove_snapshot("before", dry_run=True).name == "before"
    assert folder(made).exists()
    assert made.lake.remove_snapshot("before").assets[0].partitions == 3
    assert listing(folder(made).parent) == []
    assert made.versions() == versions
    assert [made.rows(month) for month in MONTHS] == [*made.OLD_ROWS.values()]
    assert made.staging() == []


def test_one_that_there_is_not_cannot_be_removed(made: Shop) -> None:
    for dry_run in (True, False):
        with pytest.raises(RequestError) as caught:
            made.lake.remove_snapshot("nix", dry_run=dry_run)
        assert (caught.value.code, caught.value.help) == (
            "snapshot-unknown",
            "there is none; take one: lake snapshot NAME",
        )
    with pytest.raises(RequestError, match=r"there is no snapshot '\.\./log'"):
        made.lake.remove_snapshot("../log")
    assert made.log().exists()


def test_a_link_planted_among_them_is_no_snapshot(made: Shop, tmp_path: Path) -> None:
    """What it leads to is left alone."""
    made.lake.snapshot("before")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/file").write_text("mine")
    (folder(made, "planted")).symlink_to(tmp_path / "elsewhere")
    assert [item.name for item in made.lake.snapshots()] == ["before"]
    with pytest.raises(RequestError):
        made.lake.remove_snapshot("planted")
    assert (tmp_path / "elsewhere/file").read_text() == "mine"
