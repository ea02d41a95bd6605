"""Runs and their folders: a live one is never touched, a dead one's is swept."""

from __future__ import annotations

import errno
import fcntl
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lakehouse import staging
from lakehouse.disk import Disk
from lakehouse.staging import locked, open_run, sweep

if TYPE_CHECKING:
    from conftest import Shop

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


def keep(run: str) -> None:
    """Remove nothing elsewhere."""


def names(disk: Disk) -> list[str]:
    return sorted(path.name for path in disk.path(".lake/staging").iterdir())


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path / "lake")


def die(disk: Disk, name: str = "20200101T000000-dead") -> str:
    """What a run leaves that was killed: a folder that nobody holds."""
    folder = disk.path(f".lake/staging/{name}")
    folder.mkdir(parents=True)
    (folder / "part-1").write_bytes(b"unfinished")
    return name


def test_a_run_has_a_folder_of_its_own_for_as_long_as_it_lasts(disk: Disk) -> None:
    with open_run(disk, NOW, keep) as one, open_run(disk, NOW, keep) as other:
        assert one.id != other.id
        assert one.id.startswith("20261120T090000-")
        assert names(disk) == sorted([one.id, other.id])
        assert one.spare() != one.spare()
        assert one.spare("part").parent == one.folder == disk.root / ".lake/staging" / one.id
    assert names(disk) == []


def test_a_sweep_removes_what_dead_runs_left_and_leaves_the_living_alone(disk: Disk) -> None:
    dead, forgotten = [die(disk, "20200101T000000-one"), die(disk, "20200101T000000-two")], []
    with open_run(disk, NOW, keep) as run:
        assert sweep(disk, forgotten.append) == dead
        assert names(disk) == [run.id]
    assert forgotten == dead
    assert sweep(disk, keep) == []


def test_a_sweep_of_no_lake_finds_nothing(disk: Disk) -> None:
    assert sweep(disk, keep) == []


def test_a_file_among_the_runs_is_left_alone(disk: Disk) -> None:
    dead = die(disk)
    (disk.root / ".lake/staging/note").write_text("mine")
    assert sweep(disk, keep) == [dead]
    assert names(disk) == ["note"]


def test_a_dead_run_that_cannot_be_forgotten_stays_for_a_later_sweep_and_keeps_nobody(disk: Disk) -> None:
    dead = [die(disk, "20200101T000000-one"), die(disk, "20200101T000000-two")]

    def forget(run: str) -> None:
        if run == dead[0]:
            raise OSError(errno.EIO, "the log cannot be read")

    before = descriptors()
    assert sweep(disk, forget) == [dead[1]]
    assert names(disk) == [dead[0]]
    assert sweep(disk, keep) == [dead[0]]
    assert descriptors() == before


def test_a_run_that_ends_in_an_error_is_forgotten_and_removed(disk: Disk) -> None:
    forgotten: list[str] = []
    before = descriptors()
    with pytest.raises(KeyboardInterrupt), open_run(disk, NOW, forgotten.append) as run:
        raise KeyboardInterrupt
    assert forgotten == [run.id]
    assert names(disk) == []
    assert descriptors() == before


def test_a_run_that_ends_well_has_nothing_to_be_forgotten(disk: Disk) -> None:
    forgotten: list[str] = []
    with open_run(disk, NOW, forgotten.append):
        pass
    assert forgotten == []


def test_where_forgetting_fails_the_error_is_that_of_the_run_and_the_folder_stays(disk: Disk) -> None:
    def forget(run: str) -> None:
        raise OSError(errno.EROFS, run)

    with pytest.raises(ValueError, match="of the run"), open_run(disk, NOW, forget) as run:
        raise ValueError("of the run")
    assert names(disk) == [run.id]
    assert sweep(disk, keep) == [run.id]


@pytest.mark.parametrize("how", ["locked", "removed", "removed once open", "replaced once open"])
def test_a_folder_that_a_sweep_took_before_it_was_locked_is_made_anew(
    disk: Disk, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    lock, flock = staging._lock, fcntl.flock
    taken: list[Path] = []
    held: list[int | None] = []

    def remove_first(descriptor: int, operation: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        taken[0].rmdir()
        if how == "replaced once open":
            taken[0].mkdir()
        flock(descriptor, operation)

    def overtake(folder: Path) -> int | None:
        monkeypatch.setattr(staging, "_lock", lock)
        taken.append(folder)
        if how == "locked":
            held.append(lock(folder))
        elif how == "removed":
            folder.rmdir()
        else:
            monkeypatch.setattr(fcntl, "flock", remove_first)
        return lock(folder)

    monkeypatch.setattr(staging, "_lock", overtake)
    before = descriptors()
    with open_run(disk, NOW, keep) as run:
        assert run.folder not in taken
        assert run.folder.is_dir()
    for descriptor in held:
        assert descriptor is not None
        os.close(descriptor)
    assert descriptors() == before


def test_a_folder_that_cannot_be_locked_leaks_no_descriptor(disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr(fcntl, "flock", refuse)
    before = descriptors()
    with pytest.raises(OSError, match="locks"), open_run(disk, NOW, keep):
        raise AssertionError("it has no lock")
    assert descriptors() == before


def test_a_lock_is_held_for_the_block_and_let_go_after_an_error(tmp_path: Path) -> None:
    def fail_inside() -> None:
        with locked(tmp_path / "lock"):
            assert not is_free(tmp_path / "lock")
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        fail_inside()
    assert is_free(tmp_path / "lock")


def is_free(file: Path) -> bool:
    with file.open() as other:
        try:
            fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


def test_a_run_of_nothing_sweeps_too(shop: Shop) -> None:
    shop.make()
    dead = die(shop.lake.survey().disk)
    left = shop.root / f".lake/versions/monthly_orders/partition_date=2018-01/{dead}-1"
    left.write_bytes(b"never committed")
    assert shop.make() == ["fresh"]
    assert shop.staging() == []
    assert shop.versions() == shop.named()


def test_a_strange_name_among_the_runs_costs_no_version_of_others(shop: Shop) -> None:
    """A name is no pattern: the folder `*` must not stand for every run."""
    shop.make()
    (shop.root / ".lake/staging/*").mkdir()
    live = shop.root / ".lake/versions/monthly_orders/partition_date=2018-01/20991231T000000-live-1"
    live.write_bytes(b"moved and not yet committed")
    assert shop.make() == ["fresh"]
    assert live.exists()
