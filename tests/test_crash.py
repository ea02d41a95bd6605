"""A run that is killed, or that the disk fails: a partition is the old one or the new, and the next run converges."""

from __future__ import annotations

import ctypes
import errno
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest

from lakehouse import StorageError
from lakehouse.disk import Disk, digest_file

if TYPE_CHECKING:
    from conftest import Shop

WORKER = Path(__file__).with_name("crash_worker.py")
CALLS = 38  # of the first publish of a lake
COMMIT, SYNCS = 25, 18  # of these: the link that is the commit; how many are syncs
# The one of the staged file, which is copied where that fails: its number among the calls, and among the syncs.
STAGED_SYNC, STAGED_SYNC_OF_ALL = 10, 5


def start_worker(*arguments: object) -> subprocess.Popen[str]:
    command = [sys.executable, str(WORKER), *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


# Killed


@pytest.mark.invariant("I1")
def test_however_often_a_run_is_killed_readers_find_the_partitions_and_nothing_else(shop: Shop) -> None:
    months = [f"2018-0{number}" for number in range(1, 7)]
    shop.make("2018-01..2018-06")
    done, seen = threading.Event(), Counter[str]()

    def look() -> None:
        while not done.is_set():
            command = ["find", str(shop.root / "monthly_orders"), "-type", "f", "-printf", "%P\n"]
            seen[subprocess.run(command, check=True, capture_output=True, text=True).stdout] += 1

    observer = threading.Thread(target=look)
    observer.start()
    try:
        for calls in (10, 45, 120):
            worker = start_worker(shop.folder)
            assert worker.stdout is not None
            for _ in range(calls):
                assert worker.stdout.readline()
            worker.kill()
            worker.communicate()
    finally:
        done.set()
        observer.join()
    listings = {tuple(sorted(text.split())) for text in seen}
    assert listings == {tuple(f"partition_date={month}/part.parquet" for month in months)}
    assert seen.total() > 50
    shop.write(shop.NEW)
    shop.make("2018-01..2018-06", force=True)
    assert [shop.rows(month) for month in months] == [*shop.NEW_ROWS.values(), {}, {}, {}]
    assert shop.staging() == []
    assert shop.versions() == shop.named()


# Failed by the disk


def fail_at(shop: Shop, number: int, code: int, *, forever: bool) -> None:
    """Let the disk refuse the nth call, or all from there on but those that remove something."""
    calls = iter(range(1, 10**6))

    def hook(name: str, path: Path) -> None:
        at = next(calls)
        if at == number or (forever and at > number and name not in ("unlink", "rmtree")):
            raise OSError(code, os.strerror(code), str(path))

    shop.lake._on_call = hook


@pytest.mark.invariant("I4")
@pytest.mark.parametrize(
    ("code", "forever"), [(errno.ENOSPC, False), (errno.ENOSPC, True), (errno.EROFS, True)], ids=str
)
def test_an_error_at_any_call_is_exit_code_4_and_changes_nothing_before_the_commit(
    shop: Shop, code: int, *, forever: bool
) -> None:
    codes = []
    for number in range(1, CALLS + 1):
        other = shop.again(root=f"lake{number}")
        fail_at(other, number, code, forever=forever)
        if number == STAGED_SYNC and not forever:
            assert other.make() == ["created"]
            continue
        with pytest.raises(StorageError) as caught:
            other.make()
        assert caught.value.exit_code == 4
        codes.append(caught.value.code)
        is_committed = number > COMMIT
        assert other.file().exists() == (number > 32), number
        other.lake._on_call = lambda *_: None
        assert other.make() == (["fresh"] if is_committed else ["created"]), number
        assert other.rows() == shop.OLD_ROWS["2018-01"]
        assert other.staging() == []
        assert other.versions() == other.named()
    plain = "disk-full" if code == errno.ENOSPC else "read-only"
    before = COMMIT if forever else COMMIT - 1
    assert codes == [plain] * before + ["durability-unconfirmed"] + ["not-projected"] * 11 + [plain]


def test_a_failing_replacement_leaves_the_hive_tree_bit_for_bit_until_the_commit(shop: Shop) -> None:
    shop.make()
    shop.write(shop.NEW)
    before = shop.identity()
    for number in range(1, 13):  # the 12th is the commit
        fail_at(shop, number, errno.ENOSPC, forever=True)
        with pytest.raises(StorageError):
            shop.make()
        assert shop.identity() == before
        assert shop.rows() == shop.published() == shop.OLD_ROWS["2018-01"]
    shop.lake._on_call = lambda *_: None
    assert shop.make() == ["replaced"]
    assert shop.versions() == shop.named()


def test_a_sync_that_failed_is_never_tried_again_on_the_same_file(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel calls the lost pages clean and reports success the second time."""
    fsync, synced = os.fsync, []

    def failing(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        if len(synced) == number:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    for number in range(1, SYNCS + 1):
        synced.clear()
        other = shop.again(root=f"lake{number}")
        if number == STAGED_SYNC_OF_ALL:  # what is published is a copy
            assert other.make() == ["created"]
        else:
            with pytest.raises(StorageError) as caught:
                other.make()
            assert caught.value.context["errno"] == errno.EIO
        assert other.make() in (["created"], ["fresh"])
        failed = synced[number - 1]
        # A folder is: it holds names, which were never lost to the kernel.
        assert synced.count(failed) == 1 or failed.is_dir()
        assert other.rows() == shop.OLD_ROWS["2018-01"]


def test_a_staged_file_is_written_anew_once_and_only_of_bytes_that_are_still_there(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync, failed = os.fsync, list[Path]()

    def failing(descriptor: int) -> None:
        path = Path(f"/proc/self/fd/{descriptor}").readlink()
        if path.is_file() and "staging" in path.parts and len(failed) < times:
            failed.append(path)
            if is_dropped:
                path.chmod(0o644)
                path.write_bytes(bytes(path.stat().st_size))
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", failing)
    for times, is_dropped, expected in ((1, False, ["created"]), (2, False, None), (1, True, None)):
        failed.clear()
        other = shop.again(root=f"lake{times}{is_dropped}")
        if expected is None:
            with pytest.raises(StorageError, match="the disk reports an error"):
                other.make()
            assert (other.hive(), other.versions(), other.staging()) == ([], [], [])
        else:
            assert other.make() == expected
        assert len({*failed}) == len(failed) == times
        assert other.make() in (["created"], ["fresh"])
        assert other.rows() == shop.OLD_ROWS["2018-01"]
        assert other.versions() == other.named()


def test_a_version_that_was_never_committed_goes_with_the_run_that_failed(shop: Shop) -> None:
    fail_at(shop, COMMIT - 1, errno.ENOSPC, forever=True)
    with pytest.raises(StorageError):
        shop.make()
    assert (shop.versions(), shop.staging()) == ([], [])


def test_what_a_failed_run_cannot_remove_a_later_one_does(shop: Shop) -> None:
    def hook(name: str, path: Path) -> None:
        if name == "unlink" or (name == "write" and path.name.startswith("commit")):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    shop.lake._on_call = hook
    with pytest.raises(StorageError):
        shop.make()
    assert (len(shop.versions()), len(shop.staging())) == (1, 1)
    shop.lake._on_call = lambda *_: None
    assert shop.make() == ["created"]
    assert shop.versions() == shop.named()
    assert shop.staging() == []


def test_what_a_dead_run_left_is_off_the_disk_before_the_folder_is_that_tells_of_it(shop: Shop) -> None:
    """Otherwise a power cut in between could bring back a version that nobody would look for."""

    def hook(name: str, path: Path) -> None:
        if name == "unlink" or (name == "write" and path.name.startswith("commit")):
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    shop.lake._on_call = hook
    with pytest.raises(StorageError):
        shop.make()
    left = shop.root / shop.versions()[0]
    shop.lake._on_call = shop._note
    shop.calls.clear()
    assert shop.make() == ["created"]
    assert shop.calls[:2] == [("unlink", str(left)), ("fsync folder", str(left.parent))]
    assert shop.calls[2][0] == "rmtree"


def test_what_is_let_go_is_off_the_disk_before_the_projection_is_done(shop: Shop) -> None:
    """Nobody would remove it again, should a power cut bring it back: it may have been deleted for a reason."""
    shop.make()
    old = shop.root / shop.versions()[0]
    shop.write(shop.NEW)
    brief = shop.again(keep_versions=0, grace="0s")
    assert brief.make() == ["replaced"]
    removed = brief.calls.index(("unlink", str(old)))
    assert brief.calls[removed + 1] == ("fsync folder", str(old.parent))
    assert [name for name, path in brief.calls[:removed] if path == str(shop.log() / "projected")] == []


def test_an_interrupt_while_a_folder_is_removed_is_one_and_no_error_of_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    close = os.close

    def interrupted(descriptor: int) -> None:
        close(descriptor)
        monkeypatch.undo()
        raise KeyboardInterrupt

    folder = tmp_path / "lake" / "folder"
    folder.mkdir(parents=True)
    monkeypatch.setattr(os, "close", interrupted)
    with pytest.raises(KeyboardInterrupt):
        Disk(tmp_path / "lake").remove_tree(folder)


def test_interrupted_anywhere_a_run_leaves_nothing_behind(shop: Shop) -> None:
    for number in range(1, CALLS + 1):
        calls = iter(range(1, 10**6))

        def interrupt(_name: str, _path: Path, calls: Iterator[int] = calls, number: int = number) -> None:
            if next(calls) == number:
                raise KeyboardInterrupt

        other = shop.again(root=f"lake{number}")
        other.lake._on_call = interrupt
        with pytest.raises(KeyboardInterrupt):
            other.make()
        if number in range(9, CALLS):  # the folder of the run is there, and can be removed
            assert other.staging() == [], number
            assert other.versions() == other.named(), number
        other.lake._on_call = lambda *_: None
        assert other.make() == (["fresh"] if number > COMMIT else ["created"]), number
        assert other.rows() == shop.OLD_ROWS["2018-01"]


def test_a_partition_whose_folder_is_closed_does_not_keep_the_others_from_being_projected(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.make("2018-01..2018-02")
    put = Disk.put

    def closed(disk: Disk, version: Path, target: Path, spare: Path) -> None:
        if target == shop.file("2018-01"):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(target))
        put(disk, version, target, spare)

    monkeypatch.setattr(Disk, "put", closed)
    shop.write(shop.NEW.replace("2018-02-03,placed", "2018-02-03,shipped"))
    with pytest.raises(
        StorageError, match=r"monthly_orders: committed, not yet projected: .*permission denied"
    ) as caught:
        shop.make("2018-01..2018-02")
    assert (caught.value.code, caught.value.exit_code) == ("not-projected", 4)
    assert (shop.rows("2018-01"), shop.rows("2018-02")) == (shop.OLD_ROWS["2018-01"], {"shipped": 1})
    assert shop.published("2018-01") == shop.NEW_ROWS["2018-01"]
    monkeypatch.undo()
    assert shop.lake.status()[0].is_behind
    assert shop.make("2018-01..2018-02") == ["fresh", "fresh"]
    assert shop.rows("2018-01") == shop.NEW_ROWS["2018-01"]


# Where hard links are refused


@pytest.fixture(params=[errno.EPERM, errno.EXDEV, errno.EMLINK], ids=lambda code: errno.errorcode[code])
def no_links(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file system that refuses hard links."""

    def refuse(source: Path, target: Path) -> None:
        raise OSError(request.param, os.strerror(request.param), str(source), None, str(target))

    monkeypatch.setattr(os, "link", refuse)


@pytest.mark.usefixtures("no_links")
def test_without_hard_links_partitions_are_copied_and_commits_renamed(shop: Shop) -> None:
    assert shop.make() == ["created"]
    version = shop.root / shop.versions()[0]
    assert digest_file(shop.file()) == digest_file(version)
    assert shop.file().stat().st_ino != version.stat().st_ino
    assert (shop.file().stat().st_mtime_ns, shop.file().stat().st_mode) == (
        version.stat().st_mtime_ns,
        version.stat().st_mode,
    )
    names = [name for name, _ in shop.calls]
    copied = names.index("copy")
    assert names[copied : copied + 4] == ["copy", "seal", "fsync", "replace"]
    shop.write(shop.NEW)
    assert shop.make() == ["replaced"]
    assert shop.make(force=True) == ["unchanged"]
    assert shop.rows() == shop.NEW_ROWS["2018-01"]
    assert shop.state() == ("fresh", "fresh")
    assert shop.staging() == []


@pytest.mark.usefixtures("no_links")
def test_without_hard_links_a_commit_never_replaces_another(shop: Shop) -> None:
    other = shop.again()

    def overtake(name: str, path: Path) -> None:
        if name == "link" and path.parent == shop.log() and not path.exists():
            other.make("2018-02")

    shop.lake._on_call = overtake
    assert shop.make() == ["created"]
    assert shop.commits() == 2
    assert shop.rows("2018-02") == shop.OLD_ROWS["2018-02"]


@pytest.mark.usefixtures("no_links")
def test_without_any_way_to_create_a_commit_nothing_is_published(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: object())
    with pytest.raises(StorageError):
        shop.make()
    assert shop.hive() == []
    assert (shop.versions(), shop.staging()) == ([], [])


@pytest.mark.usefixtures("no_links")
@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOSYS], ids=lambda code: errno.errorcode[code])
def test_a_file_system_that_can_neither_link_nor_rename_safely_is_told_apart(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    monkeypatch.setattr(ctypes, "get_errno", lambda: code)
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: type("Libc", (), {"renameat2": lambda *_: -1}))
    with pytest.raises(StorageError, match=r"/0{7}1\.json: this file system has neither hard links nor") as caught:
        shop.make()
    assert caught.value.code == "not-supported"
    assert shop.hive() == []
    assert (shop.versions(), shop.staging()) == ([], [])


@pytest.mark.usefixtures("no_links")
def test_an_error_of_the_rename_is_told(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "get_errno", lambda: errno.EIO)
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: type("Libc", (), {"renameat2": lambda *_: -1}))
    with pytest.raises(StorageError, match="the disk reports an error"):
        shop.make()


@pytest.mark.parametrize(("name", "code"), [("0000", "disk-failed"), ("link-", "not-projected")])
def test_another_error_of_a_link_is_no_reason_to_copy(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, name: str, code: str
) -> None:
    link = os.link

    def failing(source: Path, target: Path) -> None:
        if target.name.startswith(name):
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(source), None, str(target))
        link(source, target)

    monkeypatch.setattr(os, "link", failing)
    with pytest.raises(StorageError) as caught:
        shop.make()
    assert caught.value.code == code
    assert "copy" not in [call for call, _ in shop.calls]


def test_onto_another_link_of_the_same_file_nothing_is_renamed_and_no_spare_stays(shop: Shop) -> None:
    shop.make()
    disk = shop.lake.survey().disk
    disk.put(shop.root / shop.versions()[0], shop.file(), shop.root / ".lake/spare")
    assert not (shop.root / ".lake/spare").exists()
    assert shop.rows() == shop.OLD_ROWS["2018-01"]


def test_a_pipe_that_nobody_reads_is_no_fault_of_the_disk(shop: Shop) -> None:
    def gone(_: object) -> None:
        raise BrokenPipeError

    survey = shop.lake.survey()
    with pytest.raises(BrokenPipeError):
        shop.lake.run(survey, shop.lake.plan(survey, shop.lake.resolve("2018-01")), on_event=gone)
    assert shop.staging() == []


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "full"), pl.exceptions.ComputeError("No space (os error 28)")]
)
def test_an_engine_that_cannot_write_is_a_fault_of_the_disk(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(pl.DataFrame, "write_parquet", refuse)
    with pytest.raises(StorageError) as caught:
        shop.make()
    assert (caught.value.code, caught.value.exit_code) == ("disk-full", 4)
    assert shop.hive() == []


def test_a_staged_file_that_does_not_open_is_not_published(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    write = pl.DataFrame.write_parquet

    def truncated(frame: pl.DataFrame, path: Path, **options: object) -> None:
        write(frame, path, **options)
        path.write_bytes(path.read_bytes()[:-9])

    monkeypatch.setattr(pl.DataFrame, "write_parquet", truncated)
    assert shop.make(on_failure="return") == ["blocked"]
    assert shop.hive() == []
    assert shop.versions() == []


def test_an_engine_that_cannot_write_for_another_reason_fails_the_partition(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise pl.exceptions.PanicException("not yet implemented")

    monkeypatch.setattr(pl.DataFrame, "write_parquet", refuse)
    assert shop.make(on_failure="return") == ["failed"]
    assert shop.hive() == []


def test_a_file_in_place_of_the_bookkeeping_is_told_with_the_remedy(shop: Shop) -> None:
    shop.root.mkdir()
    (shop.root / ".lake").write_text("mine")
    with pytest.raises(StorageError, match="a file stands where a folder belongs"):
        shop.make()
    (shop.root / ".lake").unlink()
    (shop.root / ".lake").mkdir()
    (shop.root / ".lake/versions").write_text("mine")
    with pytest.raises(StorageError, match=r"versions: a file stands where a folder belongs .*\n.*move it away"):
        shop.make()
    assert shop.hive() == []
