"""The log on disk: commits follow on each other without a hole, damage is told, and a checkpoint is only a cache."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lakehouse import RequestError, StorageError
from lakehouse.commits import Commit
from lakehouse.disk import Disk
from lakehouse.fold import Fold
from lakehouse.log import Log
from lakehouse.records import Materialization, Provenance

if TYPE_CHECKING:
    from conftest import Shop

NOON = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
SHARED = Provenance(run="r", code="c", code_parts={}, schema=(("n", "i64"),), partitions={"kind": "monthly"}, by={})


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(Disk(tmp_path / "lake"), "sales")


def next_commit(fold: Fold) -> Commit:
    """A commit that follows on a fold, one minute after the one before."""
    number = fold.number + 1
    record = Materialization(
        asset="sales",
        key=f"2018-{1 + number % 12:02}",
        partition={"partition_date": f"2018-{1 + number % 12:02}"},
        result="failed",
        reason="missing",
        run="r",
        started=NOON,
        finished=NOON,
    )
    time = NOON + timedelta(minutes=number)
    return Commit(asset="sales", number=number, previous=fold.digest, time=time, shared=SHARED, records=(record,))


def append(log: Log, count: int) -> Fold:
    """Add commits; the log's state after them."""
    fold = log.read()
    log.disk.make_folders([log.disk.root / "spare"])
    for _ in range(count):
        commit = next_commit(fold)
        assert log.append(commit, log.disk.root / "spare" / str(commit.number))
        log.extend(fold)
    return fold


def file(log: Log, number: int) -> Path:
    return log.folder / f"{number:08}.json"


def checkpoint(log: Log) -> Path:
    return log.disk.path(".lake/cache/log/sales.json")


@contextmanager
def damaged(log: Log, number: int, what: str) -> Iterator[None]:
    """Whatever reads the log says which commit is damaged, and ends with exit code 4."""
    with pytest.raises(StorageError, match=f"{number:08}.json: commit {number} of the log {what}") as caught:
        yield
    assert (caught.value.code, caught.value.exit_code) == ("log-damaged", 4)
    assert caught.value.context == {"asset": log.asset, "commit": number}


def test_a_log_that_is_not_there_is_empty(log: Log) -> None:
    assert log.end() == 0
    assert log.read() == Fold("sales")


def test_commits_are_read_in_their_order(log: Log) -> None:
    fold = append(log, 3)
    assert log.end() == 3
    assert log.read() == fold
    assert [commit.number for commit in log.commits(1, 3)] == [2, 3]
    assert fold.time == NOON + timedelta(minutes=3)
    assert log.read(to=2).number == 2
    assert log.digest(3) == fold.digest


def test_a_number_that_is_taken_is_not_taken_again(log: Log) -> None:
    append(log, 1)
    before = file(log, 1).read_bytes()
    assert not log.append(next_commit(Fold("sales")), log.disk.root / "spare/other")
    assert file(log, 1).read_bytes() == before
    assert log.end() == 1


def test_a_state_read_earlier_is_brought_to_the_end(log: Log) -> None:
    early = log.read()
    late = append(log, 2)
    log.extend(early)
    assert early == late


@pytest.mark.invariant("I8")
@pytest.mark.parametrize("number", [1, 2, 4])
def test_a_hole_is_damage(log: Log, number: int) -> None:
    append(log, 5)
    file(log, number).unlink()
    with damaged(log, number, "is missing"):
        log.end()
    with damaged(log, number, "is missing"):
        log.read()


def test_a_listing_that_left_out_a_commit_made_meanwhile_shows_no_hole(
    log: Log, monkeypatch: pytest.MonkeyPatch
) -> None:
    append(log, 3)
    scandir = os.scandir

    @contextmanager
    def partial(folder: Path) -> Iterator[Iterator[os.DirEntry[str]]]:
        with scandir(folder) as entries:
            yield (entry for entry in entries if entry.name != file(log, 2).name)

    monkeypatch.setattr(os, "scandir", partial)
    assert log.end() == 3


def test_other_files_beside_the_commits_are_none(log: Log) -> None:
    append(log, 2)
    for name in ("00000009.json.bak", "9.json", "lock", "projected"):
        (log.folder / name).write_text("?")
    assert log.end() == 2


@pytest.mark.invariant("I8")
@pytest.mark.parametrize("number", [1, 2])
def test_a_flipped_bit_anywhere_in_a_commit_that_another_follows_on_is_damage(log: Log, number: int) -> None:
    append(log, 3)
    path = file(log, number)
    right = path.read_bytes()
    for at in range(len(right)):
        path.unlink(missing_ok=True)
        path.write_bytes(right[:at] + bytes([right[at] ^ 1]) + right[at + 1 :])
        with pytest.raises(StorageError) as caught:
            log.read()
        assert (caught.value.code, caught.value.exit_code) == ("log-damaged", 4)


@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"null", b'{"format": 1}', b'{"format": 0}', b"\xff\xfe", b"[" * 10**5]
)
def test_what_is_no_commit_is_damage(log: Log, content: bytes) -> None:
    append(log, 2)
    file(log, 2).unlink()
    file(log, 2).write_bytes(content)
    with damaged(log, 2, "cannot be read"):
        log.read()


def test_a_commit_of_a_later_release_is_no_damage_and_tells_to_upgrade(log: Log) -> None:
    append(log, 2)
    file(log, 2).unlink()
    file(log, 2).write_bytes(b'{"format": 99}')
    with pytest.raises(StorageError, match=r"2\.json: commit 2 of the log was written by a later release") as caught:
        log.read()
    assert (caught.value.code, caught.value.exit_code) == ("log-newer", 4)
    assert caught.value.help == "use that release: pip install --upgrade polars-lakehouse"


def test_a_commit_of_another_asset_or_place_is_damage(log: Log) -> None:
    append(log, 2)
    file(log, 3).write_bytes(file(log, 2).read_bytes())
    with damaged(log, 3, "commit 2 does not follow on commit 2"):
        log.read()


def test_a_commit_that_goes_away_while_it_is_read_is_damage(log: Log) -> None:
    append(log, 2)
    with damaged(log, 3, "is missing"):
        log.commits(0, 3)
    with pytest.raises(FileNotFoundError):
        log.digest(3)


def test_a_commit_that_cannot_be_read_is_told_with_the_remedy(log: Log) -> None:
    append(log, 1)
    file(log, 2).mkdir()
    with pytest.raises(StorageError, match="a folder stands where a file belongs") as caught:
        log.read()
    assert caught.value.code == "not-a-file"


def test_a_damaged_log_is_told_by_each_command_and_the_data_stays_readable(shop: Shop) -> None:
    shop.make("2018-01")
    shop.make("2018-02")
    path = shop.log() / "00000001.json"
    path.unlink()
    for command in (shop.lake.status, shop.make, lambda: shop.lake.scan("monthly_orders")):
        with pytest.raises(StorageError, match="restore the file from a copy of the lake") as caught:
            command()
        assert caught.value.exit_code == 4
    assert shop.rows("2018-01") == shop.OLD_ROWS["2018-01"]


def test_damage_that_comes_with_the_commits_of_others_is_told(shop: Shop) -> None:
    def damage(name: str, path: Path) -> None:
        if name == "fsync folder" and path == shop.log() and shop.commits():
            (shop.log() / "00000002.json").write_text("{}")

    shop.lake._on_call = damage
    with pytest.raises(StorageError) as caught:
        shop.make()
    assert caught.value.code == "log-damaged"


# Checkpoints


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the commits that are read."""
    numbers: list[int] = []
    read = Log._read

    def counting(log: Log, number: int) -> Any:
        numbers.append(number)
        return read(log, number)

    monkeypatch.setattr(Log, "_read", counting)
    return numbers


def test_64_commits_after_the_last_one_a_checkpoint_is_kept_and_spares_reading_them(
    log: Log, reads: list[int]
) -> None:
    append(log, 63)
    log.read()
    assert not checkpoint(log).exists()
    append(log, 1)
    log.read()
    assert checkpoint(log).exists()
    fold = append(log, 2)
    reads.clear()
    assert log.read() == fold
    assert reads == [64, 65, 66]


def test_a_checkpoint_is_no_help_for_an_earlier_position(log: Log, reads: list[int]) -> None:
    append(log, 64)
    log.read()
    reads.clear()
    assert log.read(to=3).number == 3
    assert reads == [1, 2, 3]


@pytest.mark.parametrize(
    "how", ["garbage", "empty", "another asset", "another log", "beyond the end", "another release"]
)
def test_a_wrong_checkpoint_is_ignored(log: Log, how: str) -> None:
    fold = append(log, 64)
    log.read()
    content = json.loads(checkpoint(log).read_bytes())
    changed = {
        "another asset": {"asset": "other"},
        "another log": {"digest": "0" * 64},
        "beyond the end": {"number": 65},
        "another release": {"format": 2},
    }
    text = json.dumps({**content, "keys": {}, **changed.get(how, {})})
    checkpoint(log).write_text({"garbage": "no JSON", "empty": ""}.get(how, text))
    assert log.read() == fold


def test_a_checkpoint_that_cannot_be_kept_is_no_matter(log: Log) -> None:
    fold = append(log, 64)
    checkpoint(log).parent.parent.mkdir(parents=True)
    checkpoint(log).parent.write_text("a file, where a folder belongs")
    assert log.read() == fold
    checkpoint(log).parent.unlink()
    checkpoint(log).mkdir(parents=True)
    assert log.read() == fold
    assert [path.name for path in checkpoint(log).parent.iterdir()] == ["sales.json"]


# Positions


def test_a_position_is_a_number_or_the_last_commit_made_by_then(log: Log) -> None:
    append(log, 3)  # at 12:01, 12:02 and 12:03
    at = NOON.replace(minute=2)
    assert log.position(2) == log.position("2") == 2
    assert log.position(0) == 0
    assert log.position(at) == log.position("2026-11-20T12:02+00:00") == log.position("2026-11-20T13:02+01:00") == 2
    assert log.position(at - timedelta(microseconds=1)) == 1
    assert log.position(at.astimezone(timezone(timedelta(hours=-5)))) == 2
    assert log.position(NOON) == 0
    assert log.position(NOON + timedelta(days=1)) == 3


def test_a_position_that_there_is_not_is_refused(log: Log) -> None:
    append(log, 3)
    with pytest.raises(RequestError, match="sales has no commit 4"):
        log.position(4)
    with pytest.raises(RequestError, match="'yesterday' is neither a commit's number nor an instant"):
        log.position("yesterday")


# Following the log


def test_a_lake_whose_log_was_put_back_from_a_copy_is_compared_anew(shop: Shop) -> None:
    """Other commits under the numbers that were projected before: numbers alone would call them projected."""
    shop.make("2018-01")
    shop.make("2018-02")
    (shop.log() / "00000002.json").unlink()
    assert shop.lake.status()[0].is_behind
    assert shop.make("2018-03") == ["created"]
    assert shop.commits() == 2
    assert not shop.lake.status()[0].is_behind
    assert shop.state("2018-02")[0] == "unrecorded"


def test_without_its_mark_the_projection_is_worked_out_again(shop: Shop) -> None:
    shop.make()
    before = shop.identity()
    (shop.log() / "projected").unlink()
    assert shop.lake.status()[0].is_behind
    assert shop.state() == ("fresh", "fresh")
    assert shop.make() == ["fresh"]
    assert shop.identity() == before
    assert not shop.lake.status()[0].is_behind
