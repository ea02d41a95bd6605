"""Two writers of one lake: whoever is stopped wherever, the lake is what one after the other would have made."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from lakehouse import Materialization, MaterializeError, StorageError, projection
from lakehouse.disk import Disk
from lakehouse.projection import project
from lakehouse.publish import Published, Publisher, Staged
from lakehouse.sources.look import DigestCache
from lakehouse.staging import locked, open_run

if TYPE_CHECKING:
    from conftest import Shop

    from lakehouse.records import Provenance

CREATE_CALLS, CREATE_COMMITS_AT = 38, 25  # of the first publish of a lake; before call 25 nothing is committed
LOCKED = range(27, 38)  # the calls of its projection
_PATIENCE = 60  # seconds, for a thread that will never come


@pytest.fixture(autouse=True)
def no_syncs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody pulls the plug here: waiting for the disk would only take time."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


class Pause:
    """Stops a writer before its nth call; `release` lets it go on."""

    def __init__(self, shop: Shop, number: int) -> None:
        self.number = number
        self.calls: list[tuple[str, str]] = []
        self.reached = threading.Event()
        self.release = threading.Event()
        shop.lake._on_call = self

    def __call__(self, name: str, path: Path) -> None:
        self.calls.append((name, path.name))
        if len(self.calls) == self.number:
            self.reached.set()
            assert self.release.wait(_PATIENCE)


class Waiting:
    """Tells when a writer would have to wait for the lock of a projection."""

    def __init__(self) -> None:
        self.event = threading.Event()

    @contextmanager
    def locked(self, file: Path) -> Iterator[None]:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.event.set()
        finally:
            os.close(descriptor)
        with locked(file):
            yield


def race(
    pause: Pause, first: Callable[[], list[str]], second: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> tuple[list[str], list[str]]:
    """Stop the first writer at its pause, run the second to its end or to a lock, let the first go on."""
    waiting = Waiting()
    monkeypatch.setattr(projection, "locked", waiting.locked)
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(first)
        one.add_done_callback(lambda _: pause.reached.set())
        assert pause.reached.wait(_PATIENCE)
        assert not one.done(), f"there is no call {pause.number}"
        other = pool.submit(second)
        other.add_done_callback(lambda _: waiting.event.set())
        try:
            assert waiting.event.wait(_PATIENCE)
        finally:
            pause.release.set()
        return one.result(_PATIENCE), other.result(_PATIENCE)


def _code(result: Materialization) -> str:
    return str((result.error or {}).get("code"))


def each_pause(shop: Shop) -> Iterator[tuple[int, Shop, Shop]]:
    """Two lakes of one empty folder, for each call of the first publish."""
    for number in range(1, CREATE_CALLS + 1):
        shutil.rmtree(shop.root, ignore_errors=True)
        shop.write(shop.OLD)
        yield number, shop.again(), shop.again()


def assert_whole(shop: Shop, at: int) -> None:
    """Nothing is left over, and the log and the Hive tree agree."""
    assert shop.staging() == [], at
    assert shop.versions() == shop.named(), at
    assert not shop.lake.status()[0].is_behind, at


def test_two_writers_of_one_month_make_it_once(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, first, second in each_pause(shop):
        results = race(Pause(first, number), first.make, second.make, monkeypatch)
        is_first = number > CREATE_COMMITS_AT
        assert results == ((["created"], ["fresh"]) if is_first else (["unchanged"], ["created"])), number
        assert shop.commits() == 1, number
        if number in LOCKED:
            assert [name for name, _ in second.calls if name in ("link", "replace")] == [], number
        assert shop.rows() == shop.OLD_ROWS["2018-01"], number
        assert shop.state() == ("fresh", "fresh"), number
        assert_whole(shop, number)


def test_two_writers_of_two_months_do_not_disturb_each_other(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, first, second in each_pause(shop):
        results = race(Pause(first, number), first.make, partial(second.make, "2018-02"), monkeypatch)
        assert results == (["created"], ["created"]), number
        assert shop.commits() == 2, number
        assert (shop.rows("2018-01"), shop.rows("2018-02")) == (shop.OLD_ROWS["2018-01"], shop.OLD_ROWS["2018-02"])
        assert_whole(shop, number)


@pytest.mark.invariant("I9")
def test_the_older_of_two_versions_is_never_put_over_the_newer(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, first, second in each_pause(shop):

        def newer(other: Shop = second) -> list[str]:
            other.write(shop.NEW)
            return other.make()

        results = race(Pause(first, number), first.make, newer, monkeypatch)
        is_first = number > CREATE_COMMITS_AT
        assert results == ((["created"], ["replaced"]) if is_first else (["unchanged"], ["created"])), number
        assert shop.rows() == shop.published() == shop.NEW_ROWS["2018-01"], number
        assert shop.state() == ("fresh", "fresh"), number
        assert_whole(shop, number)


def test_a_projection_that_was_overtaken_does_nothing(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first writer stops after its commit; the second projects it, commits a newer version and projects that."""

    def newer() -> list[str]:
        second.write(shop.NEW)
        return second.make()

    first, second = shop.again(), shop.again()
    pause = Pause(first, CREATE_COMMITS_AT + 1)
    assert race(pause, first.make, newer, monkeypatch) == (["created"], ["replaced"])
    assert pause.calls[CREATE_COMMITS_AT:] == [("fsync folder", "monthly_orders"), ("rmtree", pause.calls[-1][1])]
    assert [name for name, path in second.calls if path.endswith("part.parquet")] == ["replace", "replace"]
    assert shop.rows() == shop.NEW_ROWS["2018-01"]


def test_a_loser_under_a_contract_that_changed_is_audited_anew(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.make("2018-01")
    wider = shop.again(version="2", result=lambda frame: frame.with_columns(more=pl.lit(1, pl.Int64)))
    first = shop.again()
    make = partial(first.lake.materialize, "2018-02", on_failure="return")
    results = race(
        Pause(first, 5),
        lambda: [_code(item) for item in make()],
        partial(wider.make, allow_schema_change=True),
        monkeypatch,
    )
    assert results == (["schema-changed"], ["replaced"])
    assert not shop.file("2018-02").exists()
    assert_whole(shop, 5)


def test_a_failed_attempt_does_not_stand_beside_newer_data(shop: Shop) -> None:
    """The first writer refuses the month, the second makes it meanwhile: the loser looks again, and it is fresh."""
    paused = threading.Event()
    release = threading.Event()

    def refuse(rows: pl.DataFrame) -> pl.DataFrame:
        if not paused.is_set():
            paused.set()
            assert release.wait(_PATIENCE)
            raise ValueError("not now")
        return rows

    first = shop.again(version="1", result=lambda frame: frame.map_batches(refuse))
    second = shop.again(version="1")
    with ThreadPoolExecutor(1) as pool:
        one = pool.submit(first.make)
        assert paused.wait(_PATIENCE)
        assert second.make() == ["created"]
        release.set()
        assert one.result(_PATIENCE) == ["fresh"]
    assert shop.commits() == 1
    assert second.state() == ("fresh", "fresh")


def test_a_key_that_loses_three_races_fails_and_says_so(shop: Shop) -> None:
    rounds = []

    def overtake(name: str, path: Path) -> None:
        if name == "link" and path.parent == shop.log():
            rounds.append(path.name)
            shop.again(version=f"b{len(rounds)}").make()

    first = shop.again(version="a")
    first.lake._on_call = overtake
    with pytest.raises(MaterializeError) as caught:
        first.make()
    assert [(item.result, _code(item)) for item in caught.value.results] == [("failed", "race-lost")]
    assert len(rounds) == 3
    assert shop.commits() == 3
    assert_whole(shop, 0)


def test_a_key_that_loses_twice_is_made_the_third_time(shop: Shop) -> None:
    rounds = []

    def overtake(name: str, path: Path) -> None:
        if name == "link" and path.parent == shop.log() and len(rounds) < 2:
            rounds.append(path.name)
            shop.again(version=f"b{len(rounds)}").make()

    first = shop.again(version="a")
    first.lake._on_call = overtake
    assert first.make() == ["unchanged"]
    assert shop.commits() == 3
    assert_whole(shop, 0)


def test_the_same_work_on_inputs_that_nobody_can_tell_counts_as_other_work(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(DigestCache, "digest", lambda *_: None)  # a file that changes faster than it can be read
    first, second = shop.again(), shop.again()
    results = race(Pause(first, CREATE_COMMITS_AT), first.make, second.make, monkeypatch)
    assert results == (["unchanged"], ["created"])
    assert shop.commits() == 2  # the loser made it once more, and says so


@pytest.mark.parametrize("is_refused", [False, True])
def test_a_version_let_go_by_a_commit_that_is_not_yet_projected_is_not_taken_for_somebody_elses(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, *, is_refused: bool
) -> None:
    """Another run commits while this one computes, lets the version in place go, and dies before it projects."""
    first, second = (shop.again(keep_versions=0, grace="0s") for _ in range(2))
    first.make()
    first.write(shop.NEW)

    def die_after_commit(name: str, path: Path) -> None:
        if name == "replace" and path == shop.file():
            raise KeyboardInterrupt

    def overtake(name: str, path: Path) -> None:
        if name == "mkdir" and path.parent.name == "staging":
            second.lake._on_call = die_after_commit
            with pytest.raises(KeyboardInterrupt):
                second.make()
            if is_refused:
                monkeypatch.setattr(Disk, "put", refuse)

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    first.lake._on_call = overtake
    if is_refused:
        with pytest.raises(StorageError, match=r"not yet projected: .*the file system is read-only"):
            first.make()
        assert shop.rows() == shop.OLD_ROWS["2018-01"]
    else:
        assert first.make() == ["unchanged"]
        assert shop.rows() == shop.NEW_ROWS["2018-01"]
        assert_whole(shop, 0)
    assert shop.commits() == 2


@pytest.mark.invariant("I5")
def test_a_version_let_go_and_still_in_place_is_the_lakes_own_in_the_eyes_of_the_next_run(shop: Shop) -> None:
    """A run commits, lets the version in place go, and dies before it projects; then the source is put back."""
    died = shop.again(keep_versions=0, grace="0s")
    died.make()
    died.write(shop.NEW)

    def die_after_commit(name: str, path: Path) -> None:
        if name == "replace" and path == shop.file():
            raise KeyboardInterrupt

    died.lake._on_call = die_after_commit
    with pytest.raises(KeyboardInterrupt):
        died.make()
    assert shop.rows() == shop.OLD_ROWS["2018-01"]
    assert shop.state() == ("fresh", "fresh")
    shop.write(shop.OLD)
    assert shop.state()[0] == "stale"
    assert shop.make() == ["replaced"]
    assert shop.rows() == shop.published() == shop.OLD_ROWS["2018-01"]
    assert shop.state() == ("fresh", "fresh")


@pytest.mark.invariant("I9")
@pytest.mark.parametrize("is_the_same", [False, True])
def test_a_key_that_another_run_changes_while_its_neighbours_are_settled_is_looked_at_again(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, *, is_the_same: bool
) -> None:
    """January is settled; another run publishes both months, and lets January's version go; then comes February."""
    first, second = (shop.again(keep_versions=0, grace="0s") for _ in range(2))
    first.make("2018-01..2018-02")
    settle, settled = Publisher._settle, []

    def overtake(publisher: Publisher, item: Staged, shared: Provenance, published: Published) -> Any:
        settled.append(item.record.key)
        if len(settled) == 2:
            second.write(shop.NEW + "7,2018-02-05,lost\n")
            second.make("2018-01..2018-02")
        return settle(publisher, item, shared, published)

    first.write(shop.OLD + "8,2018-02-06,gone\n" if is_the_same else shop.NEW.replace("placed", "gone"))
    monkeypatch.setattr(Publisher, "_settle", overtake)
    assert first.make("2018-01..2018-02") == ["unchanged", "unchanged"]
    assert settled[:2] == ["2018-01", "2018-02"]
    for key, rows in {"2018-01": shop.NEW_ROWS["2018-01"], "2018-02": {"placed": 1, "lost": 1}}.items():
        assert shop.rows(key) == shop.published(key) == rows
    assert_whole(first, 0)


@pytest.mark.invariant("I9")
def test_two_versions_of_one_size_and_one_second_are_told_apart(shop: Shop) -> None:
    """Under a clock that stands still, another run projects its version between our look and our commit."""

    def orders(year: int) -> str:
        return shop.OLD.replace("completed", f"made-{year}")

    first, second = shop.again(), shop.again()
    first.write(orders(2001))
    first.make()

    def die_after_commit(name: str, path: Path) -> None:
        if name == "replace" and path == shop.file():
            raise KeyboardInterrupt

    seen: list[str] = []

    def overtake(name: str, path: Path) -> None:
        if name == "mkdir" and path.parent.name == "staging":
            second.write(orders(2002))
            second.lake._on_call = die_after_commit
            with pytest.raises(KeyboardInterrupt):
                second.make()
            second.write(orders(2003))
        if name == "seal" and path.parent.parent.name == "staging" and not seen:
            seen.append(path.name)
            log = shop.lake.survey().log("monthly_orders")
            with open_run(Disk(second.root), second.now, lambda _: None) as run:
                assert project(log, run, log.read()).error is None
            assert shop.rows() == {"made-2002": 2, "returned": 1}

    first.write(orders(2004))
    first.lake._on_call = overtake
    assert first.make() == ["replaced"]
    assert len({shop.root.joinpath(name).stat().st_size for name in shop.versions()}) == 1
    assert shop.rows() == shop.published() == {"made-2003": 2, "returned": 1}
