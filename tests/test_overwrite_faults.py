"""The writer alone where the process dies, the disk fails or another writer comes between: each partition is the old
one or the new one, and writing again finishes."""

from __future__ import annotations

import errno
import fcntl
import itertools
import os
import resource
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from overwriting import Rows, Target, names

from lakehouse import DefinitionError, StorageError, overwrite, projection
from lakehouse.disk import Disk
from lakehouse.staging import locked

OLD = pl.DataFrame({"k": ["a", "b"], "n": [1, 2]})
NEW = pl.DataFrame({"k": ["a", "c"], "n": [10, 30]})
BEFORE: dict[str, Rows] = {"a": [(1,)], "b": [(2,)]}
AFTER: dict[str, Rows] = {"a": [(10,)], "b": [(2,)], "c": [(30,)]}
_PATIENCE = 60  # seconds, for a thread that will never come

OnCall = Callable[[str, Path], None]


@pytest.fixture(autouse=True)
def no_syncs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody pulls the plug here: waiting for the disk would only take time."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@contextmanager
def on_call(hook: OnCall) -> Iterator[None]:
    """The writer's disk asks a hook before each change."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(overwrite, "Disk", lambda root: Disk(root, hook))
        yield


def code_of(target: Target) -> str:
    """By which code a write fails; "none" where it does not."""
    try:
        target.write(NEW)
    except StorageError as error:
        return error.code
    return "none"


class Dead(BaseException):
    """The process is no more: nothing cleans up after it, but for the kernel, which lets go of its locks."""


def die_before(number: int) -> OnCall:
    """Let no call through from the nth on."""
    calls = iter(range(1, number))

    def hook(_name: str, _path: Path) -> None:
        if next(calls, None) is None:
            raise Dead

    return hook


def calls_of(target: Target, frame: pl.DataFrame) -> list[str]:
    """What the disk is asked for by a write."""
    calls: list[str] = []
    with on_call(lambda name, _: calls.append(name)):
        target.write(frame)
    return calls


def is_old_or_new(rows: dict[str, Rows]) -> bool:
    """Or not there yet, where there was none."""
    return rows.keys() <= AFTER.keys() and all(found in (BEFORE.get(key), AFTER[key]) for key, found in rows.items())


# Killed


@pytest.mark.parametrize("is_first", [True, False], ids=["first", "again"])
def test_wherever_a_writer_dies_each_partition_is_old_or_new_and_writing_again_finishes(
    tmp_path: Path, *, is_first: bool
) -> None:
    def lake(name: str) -> Target:
        target = Target(tmp_path / name)
        if not is_first:
            target.write(OLD)
        return target

    calls, states = calls_of(lake("calls"), NEW), []
    for number in range(1, len(calls) + 1):
        target = lake(f"{number}")

        with on_call(die_before(number)), pytest.raises(Dead):
            target.write(NEW)
        rows = target.rows()
        assert is_old_or_new(rows), number
        assert is_first or rows.keys() >= BEFORE.keys(), number
        states.append(len([key for key in ("a", "c") if rows.get(key) == AFTER[key]]))
        results = target.write(NEW)
        # What was committed is put in place before anything else, and then is what is to be written.
        assert results.keys() == {"a", "c"}
        assert target.rows() == (AFTER if not is_first else {"a": [(10,)], "c": [(30,)]}), number
        assert target.left() == []
        assert target.versions() == len({*target.rows()}) + (not is_first), number
    assert states == sorted(states)
    assert {*states} == {0, 1, 2}


# Failed by the disk


@pytest.mark.parametrize(("code", "forever"), [(errno.ENOSPC, False), (errno.EROFS, True)], ids=str)
def test_an_error_at_any_call_is_the_disks_and_writing_again_finishes(
    tmp_path: Path, code: int, *, forever: bool
) -> None:
    counted = Target(tmp_path / "calls")
    counted.write(OLD)
    calls = calls_of(counted, NEW)
    codes, commit = [], calls.index("link", calls.index("write"))
    for number in range(len(calls)):
        target = Target(tmp_path / f"{number}")
        target.write(OLD)
        before, at = target.identities(), iter(range(10**6))

        def hook(name: str, path: Path, at: Iterator[int] = at, number: int = number) -> None:
            now = next(at)
            if now == number or (forever and now > number and name not in ("unlink", "rmtree", "rmdir")):
                raise OSError(code, os.strerror(code), str(path))

        with on_call(hook):
            codes.append(code_of(target))
        assert is_old_or_new(target.rows())
        if number <= commit and codes[-1] != "none":
            assert target.identities() == before, number
        target.write(NEW)
        assert target.rows() == AFTER
        assert target.left() == []
    plain = "disk-full" if code == errno.ENOSPC else "read-only"
    assert {*codes} - {"none"} == {plain, "durability-unconfirmed", "not-projected"}
    assert codes[commit] == plain


def test_a_spool_that_outgrows_what_is_allowed_is_the_disks_fault_and_leaves_nothing(tmp_path: Path) -> None:
    """The frame's rows go through files, which are gone afterwards, and so is the folder that nobody had before."""
    target, limits = Target(tmp_path), resource.getrlimit(resource.RLIMIT_FSIZE)
    frame = pl.select(k=pl.int_range(200_000) % 3, n=pl.int_range(200_000).hash()).lazy()
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(StorageError, match="a file is larger than is allowed") as caught:
            target.write(frame)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.code == "file-too-large"
    assert not target.root.exists()


# Two writers


class Pause:
    """Stops a writer before its nth call, until it is let go on."""

    def __init__(self, number: int) -> None:
        self.number, self.calls = number, 0
        self.reached, self.release = threading.Event(), threading.Event()

    def __call__(self, _name: str, _path: Path) -> None:
        self.calls += 1
        if self.calls == self.number:
            self.reached.set()
            assert self.release.wait(_PATIENCE)


def waiting(event: threading.Event) -> Callable[[Path], AbstractContextManager[None]]:
    """The lock of a projection, which tells before it is waited for."""

    @contextmanager
    def held(file: Path) -> Iterator[None]:
        descriptor = os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            event.set()
        finally:
            os.close(descriptor)
        with locked(file):
            yield

    return held


def meet(number: int, first: Callable[[], Any], second: Callable[[], Any]) -> bool:
    """Stop the first writer before its nth call, and run the second to its end or to a lock; False: no such call."""
    pause, event = Pause(number), threading.Event()
    with ThreadPoolExecutor(2) as pool, pytest.MonkeyPatch.context() as patch:
        patch.setattr(projection, "locked", waiting(event))
        with on_call(pause):
            one = pool.submit(first)
            one.add_done_callback(lambda _: pause.reached.set())
            assert pause.reached.wait(_PATIENCE)
        if one.done():
            one.result()
            return False
        other = pool.submit(second)
        other.add_done_callback(lambda _: event.set())
        try:
            assert event.wait(_PATIENCE)
        finally:
            pause.release.set()
        one.result(_PATIENCE)
        other.result(_PATIENCE)
    return True


@pytest.mark.parametrize("is_first", [True, False], ids=["first", "again"])
def test_of_two_writers_of_one_key_the_last_to_commit_stays_and_neither_fails(
    tmp_path: Path, *, is_first: bool
) -> None:
    started = pl.DataFrame({"k": ["a", "d"], "n": [0, 0]})
    last = []
    for number in itertools.count(1):
        target = Target(tmp_path / f"{number}")
        if not is_first:
            target.write(started)
        if not meet(number, lambda: target.write(OLD), lambda: target.write(NEW)):  # noqa: B023
            break
        rows = target.rows()
        last.append(rows.pop("a"))
        assert rows == {"b": [(2,)], "c": [(30,)], **({} if is_first else {"d": [(0,)]})}, number
        assert target.left() == [], number
        again = target.write(pl.DataFrame({"k": ["a"], "n": [last[-1][0][0]]}))
        assert again == {"a": "unchanged"}, number
    # Until the first one commits, it comes last; each comes whole.
    assert last == sorted(last)
    assert {*map(str, last)} == {"[(1,)]", "[(10,)]"}


def test_of_two_first_writers_by_other_columns_one_is_refused(tmp_path: Path) -> None:
    """Or there would be a folder that no reader can tell the keys of."""
    kinds = []
    for number in itertools.count(1):
        one, other = Target(tmp_path / f"{number}", by="k"), Target(tmp_path / f"{number}", by="j")
        refused = []

        def attempt(target: Target, refused: list[str] = refused) -> None:
            try:
                target.write(pl.DataFrame({target.by: [f"{target.by}1"], "n": [1]}))
            except DefinitionError as error:
                refused.append(error.code)

        if not meet(number, lambda: attempt(one), lambda: attempt(other)):  # noqa: B023
            break
        assert refused == ["partitions-changed"], number
        kinds.append({path.partition("=")[0] for path in names(one.path)})
    assert all(len(kind) == 1 for kind in kinds)
