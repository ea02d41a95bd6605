"""What nobody needs is removed, and nothing else: not what a commit names, nor what a run may be about to name."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import pytest
from care import current, everything, flip, found, killed, superseded

from lakehouse import StorageError
from lakehouse.staging import open_run

if TYPE_CHECKING:
    from conftest import Project, Shop

DEAD = "20180101T000000-0123abcd"


def removed(shop: Shop, **options: bool) -> list[tuple[str, str]]:
    """What `clean` removes: kind and path."""
    return [(item.kind, item.path) for item in shop.lake.clean(**options).removed]


def made_thrice(shop: Shop) -> Shop:
    """January was made three times: two versions are superseded, of which one is kept whatever its age."""
    for text in (shop.OLD, shop.NEW, shop.OLD.replace("returned", "placed")):
        shop.write(text)
        shop.make("2018-01..2018-02")
        shop.now += timedelta(hours=1)
    shop.calls.clear()
    return shop


def leftovers(shop: Shop) -> dict[str, str]:
    """One of each kind, by path; of a run that is dead."""
    folder = shop.root / ".lake/staging" / DEAD
    folder.mkdir()
    (folder / "part-1").write_bytes(b"12345")
    files = {
        f".lake/versions/monthly_orders/partition_date=2018-01/{DEAD}-1": "version",
        ".lake/blocked/monthly_orders/partition_date=2018-02/part.parquet": "blocked",
        ".lake/cache/log/gone.json": "cached",
        ".lake/cache/separable/monthly_orders.json": "cached",
        ".lake/cache/log/monthly_orders.json.123-456": "cached",
    }
    for name in files:
        (shop.root / name).parent.mkdir(parents=True, exist_ok=True)
        (shop.root / name).write_bytes(b"{12")
    (shop.root / ".lake/cache/log/gone.json").write_text("{}")
    return {f".lake/staging/{DEAD}": "run", **files}


# Leftovers


def test_where_nothing_is_left_over_nothing_is_removed_or_written(shop: Shop) -> None:
    assert removed(shop) == []
    shop.make("2018-01..2018-03")
    shop.calls.clear()
    before = everything(shop.root)
    assert removed(shop, now=True) == []
    assert shop.calls == []
    assert everything(shop.root) == before


def test_leftovers_of_each_kind_are_removed_and_nothing_else_is(shop: Shop) -> None:
    shop.make("2018-01..2018-03")
    before = everything(shop.root)
    expected = leftovers(shop)
    told = shop.lake.clean(dry_run=True)
    assert {item.path: item.kind for item in told.removed} == expected
    assert told.size_bytes == 5 + 4 * 3 + 2
    assert all((shop.root / path).exists() for path in expected)
    done = shop.lake.clean()
    assert {item.path: item.kind for item in done.removed} == expected
    assert done.size_bytes == told.size_bytes
    assert everything(shop.root) == before
    assert shop.staging() == []
    assert list(shop.lake.verify()) == []


def test_what_a_run_that_is_at_work_may_need_is_left_alone(shop: Shop) -> None:
    """Its folder, the versions that it moved and has not committed, and whatever was refused."""
    shop.make()
    with open_run(shop.lake.survey().disk, shop.now, lambda _: None) as run:
        (run.folder / "part-1").write_bytes(b"12345")
        version = f".lake/versions/monthly_orders/partition_date=2018-01/{run.id}-1"
        refused = ".lake/blocked/monthly_orders/partition_date=2018-02/part.parquet"
        for name in (version, refused):
            (shop.root / name).parent.mkdir(parents=True, exist_ok=True)
            (shop.root / name).write_bytes(b"123")
        assert removed(shop) == []
        assert found(shop) == []
    assert removed(shop) == [("version", version), ("blocked", refused)]


def test_a_refused_file_stays_until_its_partition_is_made(shop: Shop) -> None:
    @shop.lake.check("monthly_orders")
    def few(rows: pl.LazyFrame) -> bool:
        return int(rows.select(pl.len()).collect().item()) < 2

    assert shop.make("2018-01..2018-02", on_failure="return") == ["blocked", "created"]
    refused = ".lake/blocked/monthly_orders/partition_date=2018-01/part.parquet"
    assert (shop.root / refused).is_file()
    assert removed(shop) == []
    shop.write(shop.OLD.replace("returned", "completed"))
    shop.make()
    assert not (shop.root / refused).exists()
    (shop.root / refused).parent.mkdir(parents=True)
    (shop.root / refused).write_bytes(b"123")
    assert removed(shop) == [("blocked", refused)]


# Versions


def test_a_superseded_version_goes_once_its_grace_is_over(shop: Shop) -> None:
    made_thrice(shop)
    oldest = shop.lake.survey().fold("monthly_orders").key("2018-01").superseded[0].version.path
    assert removed(shop) == []
    shop.now += timedelta(hours=30)
    (item,) = shop.lake.clean(dry_run=True).removed
    assert (item.kind, item.path, item.key, item.is_early, item.is_held) == (
        "expired", oldest, "2018-01", False, False,
    )  # fmt: skip
    assert item.size_bytes == (shop.root / oldest).stat().st_size
    commits = shop.commits()
    assert removed(shop) == [("expired", oldest)]
    assert shop.commits() == commits + 1
    assert shop.versions() == shop.named()
    assert len(shop.versions()) == 3
    assert removed(shop) == []
    assert shop.commits() == commits + 1


def test_now_waits_for_no_grace_and_keeps_the_versions_that_are_kept(shop: Shop) -> None:
    made_thrice(shop)
    kept = [superseded(shop), current(shop), current(shop, "2018-02")]
    told = shop.lake.clean(now=True, dry_run=True).removed
    assert [(item.kind, item.is_early) for item in told] == [("expired", True)]
    assert [kind for kind, _ in removed(shop, now=True)] == ["expired"]
    assert shop.versions() == sorted(kept)
    assert shop.published() == {"completed": 2, "placed": 1}
    none = shop.again(keep_versions=0)
    assert removed(none, now=True) == [("expired", kept[0])]
    assert none.versions() == sorted(kept[1:])


def test_the_bytes_of_a_version_that_a_snapshot_holds_stay(shop: Shop) -> None:
    shop.make()
    shop.lake.snapshot("before")
    made_thrice(shop)
    (item,) = shop.lake.clean(now=True).removed
    assert (item.kind, item.is_held, item.size_bytes) == ("expired", True, 0)
    held = shop.root / ".lake/snapshots/before/monthly_orders/partition_date=2018-01/part.parquet"
    assert dict(pl.read_parquet(held, hive_partitioning=False).iter_rows()) == shop.OLD_ROWS["2018-01"]


def test_a_run_that_supersedes_meanwhile_is_taken_into_account(shop: Shop) -> None:
    """Its commit comes first; what is let go is told from the log's end then."""
    made_thrice(shop)
    other = shop.again()

    def overtake(name: str, path: Path) -> None:
        if name == "link" and path.parent == shop.log():
            shop.lake._on_call = lambda *_: None
            other.lake.wipe("monthly_orders", "2018-01")

    shop.lake._on_call = overtake
    shop.lake.clean(now=True)
    assert shop.versions() == shop.named() == [current(shop, "2018-02")]
    assert list(shop.lake.verify()) == []


def test_versions_of_an_asset_that_is_no_longer_declared_expire_too(shop: Shop, project: Project) -> None:
    made_thrice(shop)
    lake = project.load('\n@lake.asset(version="1")\ndef other():\n    return pl.LazyFrame({"n": [1]})\n')
    assert lake.root == shop.root
    assert [item.asset for item in lake.clean(now=True).removed] == ["monthly_orders"]
    assert shop.published() == {"completed": 2, "placed": 1}
    assert shop.state() == ("fresh", "fresh")


# Faults


def test_nothing_of_an_asset_whose_log_is_damaged_is_touched(shop: Shop) -> None:
    made_thrice(shop)
    flip(shop.log() / "00000001.json", 0)
    for name in ("clean", "clean again"):
        before = shop.versions()
        expected = leftovers(shop)
        done = shop.lake.clean(now=True)
        assert [problem.code for problem in done.problems] == ["log-damaged"], name
        left = {path for path in expected if (shop.root / path).exists()}
        assert left == {path for path, kind in expected.items() if kind in ("run", "version", "blocked")}
        assert set(before) <= set(shop.versions())
        shutil.rmtree(shop.root / ".lake/staging" / DEAD)


def test_an_error_of_the_disk_is_told_and_cleaning_again_is_safe(shop: Shop) -> None:
    made_thrice(shop)
    total = 0

    def counted(_name: str, _path: Path) -> None:
        nonlocal total
        total += 1

    probe = shop.folder / "probe"
    shutil.copytree(shop.root, probe)
    copy = shop.again(root="probe")
    leftovers(copy)
    copy.lake._on_call = counted
    copy.lake.clean(now=True)
    assert total > 8
    for number in range(1, total + 1):
        shutil.rmtree(probe)
        shutil.copytree(shop.root, probe)
        leftovers(copy)
        at = iter(range(1, 10**6))

        def fail(_name: str, path: Path, at: Iterator[int] = at, number: int = number) -> None:
            if next(at) >= number:
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

        copy.lake._on_call = fail
        with pytest.raises(StorageError):
            copy.lake.clean(now=True)
        copy.lake._on_call = lambda *_: None
        copy.lake.clean(now=True)
        assert copy.versions() == copy.named()
        assert len(copy.versions()) == 3
        assert copy.staging() == []
        assert list(copy.lake.verify()) == []
        assert copy.published() == {"completed": 2, "placed": 1}


def test_what_is_cached_and_used_stays(shop: Shop) -> None:
    shop.make("2018-01..2018-03")
    caches = [path for path in (shop.root / ".lake/cache").rglob("*") if path.is_file()]
    assert caches
    assert all(json.loads(path.read_text()) for path in caches)
    assert removed(shop, now=True) == []
    assert all(path.exists() for path in caches)


def test_killed_before_any_call_a_cleaning_loses_nothing_and_the_next_one_finishes_it(tmp_path: Path) -> None:
    assert killed("clean", tmp_path) == 19


def test_a_log_that_cannot_be_read_for_another_reason_ends_the_cleaning(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.make()
    expected = leftovers(shop)

    def refuse(path: Path) -> bytes:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))

    with monkeypatch.context() as patch:
        patch.setattr(Path, "read_bytes", refuse)
        with pytest.raises(StorageError) as caught:
            shop.lake.clean()
    assert caught.value.code == "no-rights"
    assert all((shop.root / path).exists() for path in expected)


def test_commits_that_are_not_yet_shown_are_by_cleaning(shop: Shop) -> None:
    def fail(name: str, path: Path) -> None:
        if name == "replace" and path.name == "part.parquet":
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    shop.lake._on_call = fail
    with pytest.raises(StorageError):
        shop.make()
    with pytest.raises(StorageError) as caught:
        shop.lake.clean()
    assert caught.value.code == "not-projected"
    shop.lake._on_call = lambda *_: None
    assert removed(shop) == []
    assert shop.rows() == shop.OLD_ROWS["2018-01"]
