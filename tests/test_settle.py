"""What changes the lake first does what runs that died left undone, even where it then finds nothing to change."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lakehouse import RequestError, StorageError

if TYPE_CHECKING:
    from conftest import Shop

ASSET = "monthly_orders"


def killed_after_its_commit(shop: Shop, act: Callable[[], object]) -> None:
    def die(name: str, path: Path) -> None:
        if name in ("replace", "unlink") and path == shop.file():
            raise KeyboardInterrupt

    shop.lake._on_call = die
    with pytest.raises(KeyboardInterrupt):
        act()
    shop.lake._on_call = lambda *_: None
    assert shop.lake.status()[0].is_behind


def leave_a_dead_run(shop: Shop) -> None:
    folder = shop.root / ".lake/staging/20261120T090000-00000000"
    folder.mkdir()
    (folder / "part-1").write_text("half")


@pytest.fixture
def made(shop: Shop) -> Shop:
    shop.make()
    shop.write(shop.NEW)
    shop.make()
    return shop


def test_a_rollback_that_was_committed_is_shown_by_the_same_command(made: Shop) -> None:
    killed_after_its_commit(made, lambda: made.lake.rollback(ASSET, "2018-01", to=1))
    assert made.rows() == made.NEW_ROWS["2018-01"]
    with pytest.raises(RequestError, match="brought the version that it has now"):
        made.lake.rollback(ASSET, "2018-01", to=1)
    assert made.rows() == made.published() == made.OLD_ROWS["2018-01"]
    assert not made.lake.status()[0].is_behind


def test_what_was_wiped_is_gone_once_the_same_command_says_that_there_is_nothing(made: Shop) -> None:
    killed_after_its_commit(made, lambda: made.lake.wipe(ASSET, "2018-01"))
    assert made.hive()
    with pytest.raises(RequestError, match="has no data"):
        made.lake.wipe(ASSET, "2018-01")
    assert (made.hive(), made.versions(), made.staging()) == ([], [], [])


def test_what_a_dead_run_staged_goes_with_a_snapshot_or_a_repair(made: Shop) -> None:
    leave_a_dead_run(made)
    made.lake.snapshot("kept")
    assert made.staging() == []
    leave_a_dead_run(made)
    with pytest.raises(RequestError, match="already"):
        made.lake.snapshot("kept")
    assert made.staging() == []
    leave_a_dead_run(made)
    made.lake.verify(repair=True)
    assert made.staging() == []


def test_a_dry_run_leaves_even_that(made: Shop) -> None:
    leave_a_dead_run(made)
    made.lake.rollback(ASSET, "2018-01", dry_run=True)
    made.lake.wipe(ASSET, "2018-01", dry_run=True)
    made.lake.snapshot("kept", dry_run=True)
    made.lake.verify(repair=True, dry_run=True)
    assert len(made.staging()) == 2


def test_what_cannot_be_shown_is_told_and_nothing_further_is_changed(made: Shop) -> None:
    killed_after_its_commit(made, lambda: made.lake.rollback(ASSET, "2018-01", to=1))
    commits = made.commits()

    def refuse(name: str, path: Path) -> None:
        if name == "replace" and path == made.file():
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))

    made.lake._on_call = refuse
    with pytest.raises(StorageError, match=r"not yet projected: .*the file system is read-only"):
        made.lake.wipe(ASSET, "2018-01")
    assert made.commits() == commits
