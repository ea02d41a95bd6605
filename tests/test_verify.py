"""A lake held against its log: whatever is damaged is found, and nothing else is; and put right where that can be."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from care import JANUARY, LOG, copied, current, everything, flip, found, killed, superseded
from conftest import Shop
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse import AssetUnknownError, Lake, StorageError
from lakehouse.disk import digest_file

if TYPE_CHECKING:
    from conftest import Project

MONTHS = "2018-01..2018-03"


@pytest.fixture
def made(shop: Shop) -> Shop:
    """Three months, January made twice: two commits, four versions."""
    shop.make(MONTHS)
    shop.write(shop.NEW)
    shop.make(MONTHS)
    shop.calls.clear()
    return shop


# Nothing wrong


def test_a_healthy_lake_has_no_faults_and_nothing_is_written(made: Shop) -> None:
    before = everything(made.root)
    faults = made.lake.verify()
    assert list(faults) == []
    assert (faults.commits, faults.versions, faults.files) == (2, 4, 4)
    assert faults.size_bytes == sum((made.root / path).stat().st_size for path in made.versions())
    assert not faults.is_damaged
    assert made.calls == []
    assert everything(made.root) == before


def test_where_there_is_no_lake_nothing_is_wrong(shop: Shop) -> None:
    assert found(shop, repair=True) == []
    assert not shop.root.exists()


def test_a_copy_of_a_lake_is_as_healthy_with_its_times_or_without(made: Shop) -> None:
    assert found(copied(made)) == []
    shutil.copytree(made.root, made.folder / "plain", copy_function=shutil.copyfile)
    assert found(made.again(root="plain")) == []


def test_it_tells_how_far_it_is(made: Shop) -> None:
    heard: list[tuple[int, int]] = []
    made.lake.verify(on_read=lambda done, total: heard.append((done, total)))
    assert heard[-1][0] == heard[-1][1] > 0


@pytest.mark.parametrize("command", ["make", "wipe", "freeze", "rollback"])
def test_a_lake_is_healthy_before_each_call_of_a_run_that_is_at_work(made: Shop, command: str) -> None:
    """What a run is about to publish is no damage, and its unseen work is not left over."""
    watcher, seen = made.again(), 0

    def look(_name: str, _path: Path) -> None:
        nonlocal seen
        seen += 1
        assert [fault for fault in watcher.lake.verify(dry_run=True) if fault.kind != "not-projected"] == []

    made.write(made.OLD)
    made.lake._on_call = look
    if command == "make":
        made.make("2018-01..2018-04")
    elif command == "wipe":
        made.lake.wipe("monthly_orders", "2018-02..2018-03")
    elif command == "freeze":
        made.lake.freeze("monthly_orders", "2018-02")
    else:
        made.lake.rollback("monthly_orders", "2018-01")
    assert seen > 10


def test_a_file_that_is_published_while_it_is_read_is_no_fault(made: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The log is asked again before anything is reported: it goes on between the look at it and that at the files."""
    from lakehouse.care import verify as module

    check_log, other = module.check_log, made.again()

    def overtaken(log: object) -> object:
        checked = check_log(log)  # type: ignore[arg-type]
        made.write(made.OLD)
        other.make("2018-01..2018-05")
        other.lake.wipe("monthly_orders", "2018-03")
        return checked

    monkeypatch.setattr(module, "check_log", overtaken)
    assert found(made) == []


# One byte


def test_a_flipped_byte_in_a_version_is_found_once_though_its_link_shares_it(made: Shop) -> None:
    flip(made.root / current(made))
    assert found(made, dry_run=True) == [("version-damaged", "2018-01", current(made))]
    (fault,) = made.lake.verify(dry_run=True)
    assert "the same file" in fault.message
    assert fault.help == "make it again: lake materialize 2018-01 -a monthly_orders"
    assert not fault.is_mendable


def test_a_flipped_byte_in_an_earlier_version_is_found(made: Shop) -> None:
    flip(made.root / superseded(made))
    assert found(made) == [("version-damaged", "2018-01", superseded(made))]
    assert made.state() == ("fresh", "fresh")


def test_in_a_copied_lake_a_flipped_byte_is_of_one_file_only(made: Shop) -> None:
    lake = copied(made)
    flip(lake.file())
    assert found(lake, dry_run=True) == [("file-replaced", "2018-01", JANUARY)]
    flip(lake.root / current(lake, "2018-02"))
    assert found(lake, dry_run=True) == [
        ("file-replaced", "2018-01", JANUARY),
        ("version-damaged", "2018-02", current(lake, "2018-02")),
    ]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_flipped_byte_in_a_commit_is_found_with_its_number_and_nothing_else_is_said(
    made: Shop, number: int
) -> None:
    """Of the last one, too, on which no other commit follows; and whether it can be read or not."""
    made.make("2018-04")
    for at in (0, 20, 500):
        file = made.log() / f"{number:08}.json"
        flip(file, at)
        (fault,) = made.lake.verify()
        assert (fault.kind, fault.commit, fault.path) == ("log-damaged", number, f"{LOG}/{number:08}.json")
        assert fault.is_damage
        assert "move .lake/log/monthly_orders away" in fault.help
        flip(file, at)
    assert found(made) == []


def test_a_flipped_byte_in_what_tells_how_far_the_hive_tree_follows_is_found(made: Shop) -> None:
    file = made.log() / "projected"
    for at in range(len(file.read_bytes())):
        flip(file, at)
        assert found(made, dry_run=True) == [("projected-damaged", "", f"{LOG}/projected")], at
        flip(file, at)


def test_what_is_cached_and_wrong_is_removed_for_readers_start_from_it(made: Shop) -> None:
    log = made.lake.survey().log("monthly_orders")
    log.disk.cache(log.checkpoint, log.read().to_checkpoint())
    assert found(made) == []
    text = log.checkpoint.read_text()
    log.checkpoint.write_text(text.replace('"row_count": 2', '"row_count": 9'))
    assert found(made, dry_run=True) == [("cache-damaged", "", ".lake/cache/log/monthly_orders.json")]
    (fault,) = made.lake.verify()
    assert (fault.is_mended, fault.done) == (True, "removed")
    assert not log.checkpoint.exists()
    assert found(made) == []


@pytest.fixture(scope="module")
def examined(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """A copied lake of seven commits, in which no two files are the same."""
    shop = Shop(tmp_path_factory.mktemp("examined"))
    for number in range(6):
        shop.write(shop.NEW if number % 2 else shop.OLD)
        shop.make(f"2018-01..2018-0{1 + number % 3}", force=True)
    shop.lake.freeze("monthly_orders", "2018-02")
    return copied(shop)


@pytest.mark.invariant("I19")
@given(place=st.integers(0, 10**9), at=st.integers(0, 10**9), mask=st.integers(1, 255))
@settings(max_examples=250)
def test_any_byte_that_is_flipped_anywhere_is_found_where_it_is(
    examined: Shop, place: int, at: int, mask: int
) -> None:
    """In the Hive tree, among the versions, and in the log: that file is named, and no other."""
    names = sorted(name for name in everything(examined.root) if not name.startswith(".lake/cache"))
    file = examined.root / names[place % len(names)]
    before = file.read_bytes()
    flip(file, at, mask)
    try:
        faults = examined.lake.verify(dry_run=True)
        assert [fault.path for fault in faults] == [names[place % len(names)]]
        assert faults.is_damaged
    finally:
        file.chmod(0o644)
        flip(file, at, mask)
    assert file.read_bytes() == before


# Something is missing


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("current", "version-missing"),
        ("superseded", "version-missing"),
        (JANUARY, "file-missing"),
        (f"{LOG}/00000001.json", "log-damaged"),
        (f"{LOG}/00000002.json", "log-damaged"),
        (f"{LOG}/projected", "not-projected"),
    ],
)
def test_a_file_that_is_missing_is_found_and_nothing_else_is_said(made: Shop, name: str, kind: str) -> None:
    path = {"current": current, "superseded": superseded}.get(name, lambda _: name)(made)
    (made.root / path).unlink()
    (fault,) = made.lake.verify(dry_run=True)
    assert fault.kind == kind
    assert fault.path == (path if kind != "not-projected" else "monthly_orders")
    assert fault.is_damage == (kind != "not-projected")


def test_a_partition_that_somebody_removed_is_missing_in_the_status_and_a_fault(made: Shop) -> None:
    shutil.rmtree(made.file().parent)
    assert made.state() == ("missing", "missing: removed by hand")
    assert found(made) == [("file-missing", "2018-01", JANUARY)]


def test_without_a_log_the_files_are_unrecorded_and_the_versions_are_no_leftovers(made: Shop) -> None:
    shutil.rmtree(made.log())
    faults = made.lake.verify()
    assert [(fault.kind, fault.key) for fault in faults] == [
        ("unrecorded", "2018-01"),
        ("unrecorded", "2018-02"),
        ("unrecorded", "2018-03"),
        ("log-missing", ""),
    ]
    assert "4 versions" in faults[-1].message
    before = made.versions()
    assert made.lake.clean(now=True).removed == []
    assert made.versions() == before


def test_a_folder_of_the_log_that_was_emptied_but_for_projected_misses_its_commits(made: Shop) -> None:
    for file in made.log().glob("*.json"):
        file.unlink()
    (fault,) = made.lake.verify()
    assert (fault.kind, fault.commit) == ("log-damaged", 1)
    assert "as far as commit 2" in fault.message


# Something is there that should not be

STRAYS = [
    "notes.txt",
    "other_asset/part.parquet",
    "monthly_orders/part.parquet",
    "monthly_orders/_SUCCESS",
    "monthly_orders/partition_date=2018-01/part-1.parquet",
    "monthly_orders/partition_date=2018-01/deeper/part.parquet",
    "monthly_orders/partition_date=2018-13/part.parquet",
    "monthly_orders/partition_date=2019-01/part.parquet",
    "monthly_orders/month=2018-05/part.parquet",
    "monthly_orders/partition_date=2018-05/other.parquet",
    ".lake/notes.txt",
    ".lake/other/notes.txt",
    ".lake/log/notes.txt",
    ".lake/log/other_asset/00000001.jsn",
    f"{LOG}/00000001.json.bak",
    f"{LOG}/0000000000001.json",
    ".lake/versions/notes.txt",
    ".lake/versions/monthly_orders/partition_date=2018-01/part.parquet",
    ".lake/staging/notes.txt",
    ".lake/blocked/monthly_orders/partition_date=2018-01/rows.csv",
    ".lake/snapshots/notes.txt",
    ".lake/cache/notes.txt",
]


@pytest.mark.parametrize("name", STRAYS)
def test_a_foreign_file_is_found_wherever_it_is_and_left_there(made: Shop, name: str) -> None:
    file = made.root / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("mine")
    faults = made.lake.verify(repair=True)
    assert [fault.kind for fault in faults] == ["foreign"], name
    assert name.startswith(faults[0].path)
    assert faults.is_damaged
    made.lake.clean(now=True)
    assert file.read_text() == "mine"


def test_a_partition_that_the_log_does_not_know_is_unrecorded(made: Shop) -> None:
    made.file("2018-05").parent.mkdir()
    shutil.copyfile(made.file(), made.file("2018-05"))
    (fault,) = made.lake.verify(repair=True)
    assert (fault.kind, fault.key) == ("unrecorded", "2018-05")
    assert fault.help == "record it: lake adopt monthly_orders 2018-05"


def test_an_empty_folder_that_is_of_no_partition_is_foreign(made: Shop) -> None:
    (made.root / "monthly_orders/partition_date=2018-05").mkdir()
    assert found(made) == [("foreign", "", "monthly_orders/partition_date=2018-05")]


def test_links_and_folders_in_place_of_files_and_files_in_place_of_folders_are_found(made: Shop) -> None:
    elsewhere = made.folder / "elsewhere"
    shutil.move(made.file("2018-01").parent, elsewhere)
    made.file("2018-01").parent.symlink_to(elsewhere)
    kept = made.folder / "part.parquet"
    made.file("2018-02").rename(kept)
    made.file("2018-02").symlink_to(kept)
    made.file("2018-03").unlink()
    made.file("2018-03").mkdir()
    folder = "monthly_orders/partition_date"
    assert sorted(found(made, repair=True)) == [
        ("file-replaced", "2018-02", f"{folder}=2018-02/part.parquet"),
        ("file-replaced", "2018-03", f"{folder}=2018-03/part.parquet"),
        ("foreign", "", f"{folder}=2018-01"),
    ]
    shutil.rmtree(made.root / f"{folder}=2018-03")
    (made.root / f"{folder}=2018-03").write_text("mine")
    assert ("foreign", "", f"{folder}=2018-03") in found(made)
    assert elsewhere.is_dir()
    assert kept.is_file()


def test_a_file_in_place_of_an_assets_folder_is_foreign_and_its_partitions_are_missing(made: Shop) -> None:
    shutil.rmtree(made.root / "monthly_orders")
    (made.root / "monthly_orders").write_text("mine")
    assert [fault[0] for fault in found(made)] == ["foreign"]


# Snapshots


def test_a_snapshot_is_verified_too_once_only_it_holds_its_bytes(made: Shop) -> None:
    made.lake.snapshot("before")
    place = ".lake/snapshots/before/monthly_orders/partition_date=2018-01/part.parquet"
    flip(made.root / place)
    assert found(made, dry_run=True) == [("version-damaged", "2018-01", current(made))]  # it is the same file
    made.lake.wipe("monthly_orders", "2018-01")
    assert found(made, repair=True) == [("snapshot-damaged", "2018-01", place)]
    flip(made.root / place)
    assert found(made) == []
    (made.root / place).unlink()
    assert found(made) == [("snapshot-damaged", "2018-01", place)]
    (made.root / ".lake/snapshots/before/snapshot.json").write_text("{}")
    assert found(made) == [("snapshot-damaged", "", ".lake/snapshots/before/snapshot.json")]
    made.lake.remove_snapshot("before")
    assert found(made) == []


# What is left over


def test_leftovers_are_told_and_are_no_damage(made: Shop) -> None:
    run = "20180101T000000-0123abcd"
    folder = made.root / ".lake/staging" / run
    folder.mkdir()
    (folder / "part-1").write_bytes(b"12345")
    version = made.root / f".lake/versions/monthly_orders/partition_date=2018-01/{run}-7"
    version.write_bytes(b"123")
    cached = made.root / ".lake/cache/log/gone.json"
    cached.parent.mkdir(parents=True, exist_ok=True)
    cached.write_text("{}")
    faults = made.lake.verify()
    assert [(fault.kind, fault.size_bytes) for fault in faults] == [("leftover", 5), ("leftover", 3), ("leftover", 2)]
    assert not faults.is_damaged
    assert folder.exists()


def test_an_asset_that_is_no_longer_declared_is_verified_all_the_same(made: Shop, tmp_path: Path) -> None:
    other = Lake(made.root)
    other.base = tmp_path

    @other.asset(version="1")
    def another() -> None: ...

    (fault,) = other.verify()
    assert (fault.kind, fault.asset, fault.is_damage) == ("undeclared", "monthly_orders", False)
    flip(made.root / current(made, "2018-02"))
    kinds = {fault.kind: fault for fault in other.verify()}
    assert kinds["version-damaged"].help == "nothing can make it again: the definitions no longer have it"
    assert [fault.kind for fault in other.verify(["monthly_orders"])] == ["version-damaged", "undeclared"]


def test_only_the_assets_that_are_named_are_verified(made: Shop) -> None:
    (made.root / "notes.txt").write_text("mine")
    assert found(made) == [("foreign", "", "notes.txt")]
    assert list(made.lake.verify(["monthly_orders"])) == []
    with pytest.raises(AssetUnknownError, match="did you mean 'monthly_orders'"):
        made.lake.verify(["monthly_order"])


def test_a_damaged_log_does_not_keep_other_assets_from_being_verified(project: Project) -> None:
    lake = project.load(
        """
@lake.asset(partitions=Categories("region", ["eu", "us"]), version="1")
def one():
    return pl.LazyFrame({"region": ["eu", "us"], "n": [1, 2]})

@lake.asset(version="1")
def two():
    return pl.LazyFrame({"n": [1]})
"""
    )
    lake.materialize("all")
    flip(lake.root / ".lake/log/one/00000001.json")
    flip(lake.root / "two/part.parquet")
    (lake.root / "one/region=eu/part.parquet").unlink()
    faults = lake.verify(repair=True)
    assert [(fault.kind, fault.asset, fault.key, fault.done) for fault in faults] == [
        ("log-damaged", "one", "", ""),
        ("version-damaged", "two", "all", "marked as damaged"),
    ]


# Marked


def test_a_damaged_version_is_marked_so_that_a_run_makes_it_again(made: Shop) -> None:
    flip(made.root / current(made))
    assert made.state() == ("fresh", "fresh")  # size and time are those of before
    (fault,) = made.lake.verify()
    assert fault.done == "marked as damaged"
    assert made.state() == ("stale", "stale: its bytes are damaged")
    commits = made.commits()
    made.lake.verify()
    assert made.commits() == commits  # it is said once
    assert made.make(MONTHS) == ["replaced", "fresh", "fresh"]
    assert made.rows() == made.published() == made.NEW_ROWS["2018-01"]
    assert found(made) == []
    assert made.versions() == made.named()


def test_a_lost_version_is_marked_too_for_readers_through_the_lake_miss_it(made: Shop) -> None:
    made.file().unlink()
    (made.root / current(made)).unlink()
    assert sorted(found(made)) == [
        ("file-missing", "2018-01", JANUARY),
        ("version-missing", "2018-01", current(made)),
    ]
    assert made.make(MONTHS) == ["created", "fresh", "fresh"]
    assert made.published() == made.NEW_ROWS["2018-01"]
    assert found(made, repair=True) == []


def test_with_a_dry_run_nothing_is_marked_or_repaired_and_it_is_told_what_would_be(made: Shop) -> None:
    flip(made.root / current(made))
    made.file("2018-02").unlink()
    before = everything(made.root)
    faults = made.lake.verify(repair=True, dry_run=True)
    assert [(fault.kind, fault.done, fault.is_mended) for fault in faults] == [
        ("version-damaged", "", False),
        ("file-missing", "would be repaired", False),
    ]
    assert faults.is_damaged
    assert everything(made.root) == before
    assert made.calls == []


def test_damage_that_cannot_be_marked_is_told_all_the_same(made: Shop) -> None:
    flip(made.root / current(made))

    def read_only(_name: str, path: Path) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    made.lake._on_call = read_only
    faults = made.lake.verify()
    assert [(fault.kind, fault.done) for fault in faults] == [("version-damaged", "")]
    assert faults.error is not None
    assert faults.error.code == "read-only"


def test_a_lake_that_cannot_be_read_is_an_error_and_no_damage(made: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = Path.open

    def refuse(path: Path, *args: object, **options: object) -> object:
        if "versions" in path.parts:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(path, *args, **options)  # type: ignore[arg-type,call-overload]

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(StorageError) as caught:
        made.lake.verify()
    assert caught.value.code == "no-rights"


def test_a_file_that_the_disk_cannot_read_is_damaged(made: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    opened, bad = Path.open, current(made)

    def fail(path: Path, *args: object, **options: object) -> object:
        if path == made.root / bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))
        return opened(path, *args, **options)  # type: ignore[arg-type,call-overload]

    monkeypatch.setattr(Path, "open", fail)
    assert found(made, dry_run=True) == [("version-damaged", "2018-01", bad)]


# Repaired


def repaired(shop: Shop) -> dict[str, str]:
    """What a repair does: by kind of fault; nothing is left to be found after it."""
    faults = shop.lake.verify(repair=True)
    assert all(fault.is_mended for fault in faults), faults
    assert not faults.is_damaged
    assert found(shop) == []
    assert shop.staging() == []
    for month, rows in shop.NEW_ROWS.items():
        assert shop.rows(month) == shop.published(month) == rows
        assert digest_file(shop.file(month)) == digest_file(shop.root / current(shop, month))
    return {fault.kind: fault.done for fault in faults}


@pytest.mark.invariant("I1")
def test_a_missing_file_is_linked_again(made: Shop) -> None:
    shutil.rmtree(made.root / "monthly_orders")
    assert repaired(made) == {"file-missing": "linked again"}
    assert made.file().stat().st_ino == (made.root / current(made)).stat().st_ino
    assert made.state() == ("fresh", "fresh")


@pytest.mark.invariant("I10")
def test_a_file_that_was_replaced_is_linked_again_and_what_stood_there_is_kept(made: Shop) -> None:
    made.lake.freeze("monthly_orders", "2018-01")
    inputs = dict(made.lake.survey().fold("monthly_orders").key("2018-01").current.inputs)  # type: ignore[union-attr]
    made.file().unlink()
    made.file().write_bytes(b"mine")
    assert made.state()[0] == "unrecorded"
    assert repaired(made) == {"file-replaced": "linked again; what stood there is kept as a version"}
    state = made.lake.survey().fold("monthly_orders").key("2018-01")
    assert (made.root / state.superseded[-1].version.path).read_bytes() == b"mine"
    assert state.is_frozen
    assert state.current is not None
    assert dict(state.current.inputs) == inputs
    assert made.state()[0] == "fresh"


def test_an_earlier_version_that_somebody_put_back_is_no_file_of_theirs(made: Shop) -> None:
    kept = (made.root / superseded(made)).read_bytes()
    made.file().unlink()
    made.file().write_bytes(kept)
    commits = made.commits()
    assert repaired(made) == {"file-replaced": "linked again; what stood there is kept as a version"}
    assert made.commits() == commits


def test_in_a_copied_lake_a_version_is_restored_from_its_file_and_a_file_from_its_version(made: Shop) -> None:
    lake = copied(made)
    flip(lake.root / current(lake, "2018-01"))
    (lake.root / current(lake, "2018-02")).unlink()
    flip(lake.file("2018-03"))
    assert repaired(lake) == {
        "version-damaged": "restored",
        "version-missing": "restored",
        "file-replaced": "linked again; what stood there is kept as a version",
    }


def test_a_mark_of_damage_goes_with_the_damage(made: Shop) -> None:
    lake = copied(made)
    flip(lake.root / current(lake))
    lake.lake.verify()
    assert lake.state() == ("stale", "stale: its bytes are damaged")
    assert repaired(lake) == {"version-damaged": "restored"}
    assert lake.state() == ("fresh", "fresh")
    # Whoever restores it by other means is told that the mark is still there.
    flip(lake.root / current(lake))
    lake.lake.verify()
    flip(lake.root / current(lake))
    (fault,) = lake.lake.verify()
    assert (fault.kind, fault.is_damage) == ("mark-outdated", False)
    assert repaired(lake) == {"mark-outdated": "no longer marked"}


def test_a_damaged_version_is_restored_from_an_earlier_one_of_the_same_bytes(made: Shop) -> None:
    """January is as it was two versions before."""
    made.write(made.OLD)
    made.make(MONTHS)
    flip(made.root / current(made))
    made.write(made.NEW)
    before = superseded(made)
    made.make(MONTHS, force=True)
    assert made.published() == made.NEW_ROWS["2018-01"]
    flip(made.root / current(made))
    kinds = {fault.kind: fault.done for fault in made.lake.verify(repair=True)}
    assert kinds["version-damaged"]
    assert made.published() == made.NEW_ROWS["2018-01"]
    assert before in made.versions()


def test_a_lost_version_is_restored_from_a_snapshot(made: Shop) -> None:
    made.lake.snapshot("before")
    made.file().unlink()
    (made.root / current(made)).unlink()
    assert repaired(made) == {"version-missing": "restored", "file-missing": "linked again"}


def test_an_earlier_version_that_is_lost_is_forgotten_and_one_that_is_damaged_is_not(made: Shop) -> None:
    flip(made.root / superseded(made))
    (fault,) = made.lake.verify(repair=True)
    assert (fault.kind, fault.is_mended) == ("version-damaged", False)
    assert "remove the file" in fault.help
    (made.root / superseded(made)).unlink()
    assert repaired(made) == {"version-missing": "restored"}
    assert made.lake.survey().fold("monthly_orders").key("2018-01").superseded == ()


def test_what_is_lost_is_not_invented(made: Shop) -> None:
    made.file().unlink()
    (made.root / current(made)).unlink()
    faults = made.lake.verify(repair=True)
    assert [(fault.kind, fault.is_mended) for fault in faults] == [
        ("version-missing", False),
        ("file-missing", False),
    ]
    assert faults[1].help == "make it again: lake materialize 2018-01 -a monthly_orders"
    assert not made.file().exists()


def test_a_file_that_was_edited_in_place_has_to_be_replaced_by_force(made: Shop) -> None:
    """It shares its bytes with the version, which are lost; what they are now is somebody's, and kept."""
    made.file().chmod(0o644)
    made.file().write_bytes(b"mine")
    (fault,) = made.lake.verify(repair=True)
    assert fault.help == "make it again: lake materialize 2018-01 -a monthly_orders --force"
    assert made.make(on_failure="return") == ["blocked"]
    assert made.make(force=True) == ["replaced"]
    state = made.lake.survey().fold("monthly_orders").key("2018-01")
    assert any((made.root / version.path).read_bytes() == b"mine" for version in state.versions)


def test_how_far_the_hive_tree_follows_is_worked_out_again(made: Shop) -> None:
    (made.log() / "projected").write_text("{}")
    assert repaired(made) == {"projected-damaged": "worked out again"}
    assert json.loads((made.log() / "projected").read_text())["commit"] == 2
    (made.log() / "projected").write_text((made.log() / "projected").read_text() + " ")
    assert repaired(made) == {"projected-damaged": "worked out again"}
    (made.log() / "projected").unlink()
    assert repaired(made) == {"not-projected": "shown"}


def test_a_partition_of_other_columns_is_linked_again_and_keeps_them(shop: Shop) -> None:
    """A repair is no change of the contract."""
    shop.make(MONTHS)
    wide = shop.again(result=lambda frame: frame.with_columns(wide=1))
    wide.make("2018-01", force=True, allow_schema_change=True)
    schema = wide.lake.survey().fold("monthly_orders").schema
    wide.file("2018-02").unlink()
    wide.file("2018-03").unlink()
    wide.file("2018-03").write_bytes(b"mine")
    left = found(wide, repair=True)
    assert [(kind, key) for kind, key, _ in left] == [("file-replaced", "2018-03")]
    assert wide.lake.survey().fold("monthly_orders").schema == schema
    assert wide.file("2018-02").exists()
    assert wide.file("2018-03").read_bytes() == b"mine"


def test_a_repair_that_the_disk_refuses_anywhere_says_so_and_can_be_done_again(made: Shop) -> None:
    calls = 0

    def damaged(number: int) -> Shop:
        shop = copied(made, f"copy{number}")
        shop.file("2018-01").unlink()
        (shop.root / current(shop, "2018-02")).unlink()
        shop.file("2018-03").chmod(0o644)
        shop.file("2018-03").write_bytes(b"mine")
        return shop

    counted = damaged(0)
    repaired(counted)
    calls = len(counted.calls)
    assert calls > 30
    for number in range(1, calls + 1):
        shop, at = damaged(number), iter(range(1, 10**6))

        def fail(_name: str, path: Path, at: Iterator[int] = at, number: int = number) -> None:
            if next(at) >= number:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

        shop.lake._on_call = fail
        faults = shop.lake.verify(repair=True)
        assert faults.error is not None or not faults.is_damaged
        shop.lake._on_call = lambda *_: None
        left = shop.lake.verify(repair=True)
        assert not left.is_damaged, (number, left)
        assert [name for name in shop.hive() if "part.parquet" in name] == [
            f"monthly_orders/partition_date={month}/part.parquet" for month in shop.NEW_ROWS
        ]
        assert shop.rows("2018-03") == shop.NEW_ROWS["2018-03"]
        if shop.lake.clean().removed:
            assert shop.versions() == shop.named()
        shutil.rmtree(shop.root)


@pytest.mark.invariant("I2")
def test_killed_before_any_call_a_repair_loses_nothing_and_the_next_one_finishes_it(tmp_path: Path) -> None:
    assert killed("repair", tmp_path) == 34


# Others at work while it repairs


def test_a_partition_that_another_run_made_meanwhile_is_not_set_back(made: Shop) -> None:
    """It makes the partition again, by force, between the look at the foreign file and the commit that keeps it."""
    made.file().unlink()
    made.file().write_bytes(b"mine")
    other = made.again()
    other.write(other.OLD)

    def overtake(name: str, path: Path) -> None:
        if name == "link" and path.parent == made.log():
            made.lake._on_call = lambda *_: None
            other.make("2018-01", force=True)

    made.lake._on_call = overtake
    made.lake.verify(repair=True)
    assert made.rows() == made.published() == made.OLD_ROWS["2018-01"]
    assert found(made) in ([], [("leftover", "", next(p for p in made.versions() if p not in made.named()))])
    state = made.lake.survey().fold("monthly_orders").key("2018-01")
    assert any((made.root / version.path).read_bytes() == b"mine" for version in state.versions)


def test_damage_is_not_marked_on_a_version_that_is_no_longer_current(made: Shop) -> None:
    flip(made.root / current(made))
    other = made.again()

    def overtake(name: str, path: Path) -> None:
        if name == "link" and path.parent == made.log():
            made.lake._on_call = lambda *_: None
            other.write(other.OLD)
            other.make("2018-01", force=True)

    made.lake._on_call = overtake
    made.lake.verify()
    assert made.state() == ("fresh", "fresh")


def test_a_commit_of_another_place_or_another_asset_is_damage(made: Shop) -> None:
    first, second = (made.log() / f"0000000{number}.json" for number in (1, 2))
    kept = second.read_bytes()
    second.write_bytes(first.read_bytes())
    (fault,) = made.lake.verify()
    assert (fault.commit, "says that it is commit 1 of monthly_orders" in fault.message) == (2, True)
    second.write_bytes(kept)
    (made.log() / "projected").write_text(json.dumps({"commit": -1, "digest": "0" * 64}))
    assert found(made) == [("projected-damaged", "", f"{LOG}/projected")]


def test_a_copy_that_changes_while_it_is_taken_restores_nothing(made: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = copied(made)
    flip(lake.root / current(lake))
    from lakehouse.care import mend

    monkeypatch.setattr(mend, "digest_file", lambda _: "0" * 64)
    assert found(lake, repair=True) == [("version-damaged", "2018-01", current(lake))]
    assert lake.rows() == lake.NEW_ROWS["2018-01"]


def test_commits_that_cannot_be_shown_stay_committed_and_the_repair_says_why(made: Shop) -> None:
    (made.log() / "projected").unlink()

    def fail(_name: str, path: Path) -> None:
        if path.name.startswith("projected"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    made.lake._on_call = fail
    faults = made.lake.verify(repair=True)
    assert faults.error is not None
    assert faults.error.code == "not-projected"
    assert not faults.is_damaged
