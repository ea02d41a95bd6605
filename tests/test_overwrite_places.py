"""Where the writer alone writes: what stands there already, what a path may be, and who else has a say in it."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from overwriting import Target, names

from lakehouse import AuditError, DefinitionError, MaterializeError, StorageError, write_partitions

THREE = pl.DataFrame({"k": ["a", "b", "a"], "n": [3, 2, 1]})


@pytest.fixture(autouse=True)
def no_syncs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody pulls the plug here: waiting for the disk would only take time."""
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture
def target(tmp_path: Path) -> Target:
    return Target(tmp_path)


# Files of others


def test_a_file_that_somebody_else_put_there_stays_until_it_is_forced(target: Target) -> None:
    target.write(THREE)
    mine = target.files()["a"]
    mine.unlink()
    pl.DataFrame({"n": [100]}).write_parquet(mine)
    foreign = mine.read_bytes()
    frame = pl.DataFrame({"k": ["a", "b"], "n": [5, 6]})
    with pytest.raises(MaterializeError, match="1 of 2 partitions were not written; the others are pub") as caught:
        target.write(frame)
    assert [item.result for item in caught.value.results] == ["blocked", "replaced"]
    assert (caught.value.results[0].error or {})["help"] == (
        "to replace it (it is kept as a version), write with force=True"
    )
    assert mine.read_bytes() == foreign
    assert target.rows()["b"] == [(6,)]
    forced = target.results(frame, force=True)
    assert [item.result for item in forced] == ["replaced", "unchanged"]
    assert forced[0].displaced is not None
    assert (target.root / forced[0].displaced.path).read_bytes() == foreign
    assert target.rows() == {"a": [(5,)], "b": [(6,)]}


@pytest.mark.parametrize("name", ["k=a/data_0.parquet", "k=a/j=1/data_0.parquet", "k=%61/part.parquet", "k=a/.x"])
def test_files_that_readers_would_take_for_more_rows_of_a_partition_are_refused(target: Target, name: str) -> None:
    """Forced or not; those of other partitions stay as they are."""
    stray = target.path / name
    stray.parent.mkdir(parents=True)
    pl.DataFrame({"n": [100]}).write_parquet(stray)
    for force in (False, True):
        with pytest.raises(AuditError, match=f"readers would take events/{name.rpartition('/')[0]}") as caught:
            write_partitions(THREE, target.path, by="k", force=force)
        assert caught.value.code == "foreign-beside"
    assert [path for path in target.root.rglob("*") if not path.is_dir()] == [stray]
    assert write_partitions(THREE.filter(k="b"), target.path, by="k")[0].result == "created"


# Paths


def test_a_path_is_taken_from_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    for path in ("events", "./sub/deeper/events", "../there/events", Path("events/")):
        write_partitions(THREE, path, by="k")
    assert sorted(str(path.relative_to(tmp_path).parent) for path in tmp_path.rglob(".lake")) == [
        "here",
        "here/sub/deeper",
        "there",
    ]


@pytest.mark.parametrize("name", ["Events", "e v", "1events", "events.parquet", "con", ".lake", "k=v", "é"])
def test_a_folder_has_a_plain_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(DefinitionError, match="cannot be a name"):
        write_partitions(THREE, tmp_path / "lake" / name, by="k")
    assert names(tmp_path) == []


def test_a_lake_may_be_reached_through_a_link_but_its_folder_may_be_none(target: Target, tmp_path: Path) -> None:
    target.write(THREE)
    (tmp_path / "link").symlink_to(target.root)
    assert {item.result for item in write_partitions(THREE, tmp_path / "link/events", by="k")} == {"unchanged"}
    (target.root / "linked").symlink_to(target.path)
    with pytest.raises(MaterializeError, match="a link stands where a folder belongs"):
        write_partitions(THREE, target.root / "linked", by="k")
    assert target.rows() == {"a": [(1,), (3,)], "b": [(2,)]}


def test_a_file_in_the_way_is_the_disks_fault_and_stays(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StorageError, match="a file stands where a folder belongs"):
        write_partitions(THREE, tmp_path / "file/events", by="k")
    with pytest.raises(MaterializeError, match="a file stands where a folder belongs"):
        write_partitions(THREE, tmp_path / "file", by="k")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_folder_that_cannot_be_written_is_the_disks_fault(target: Target) -> None:
    """As another user than root, to whom rights mean nothing, in a folder that every user can come to."""
    target.write(THREE)  # loads what it needs while it may
    above = Path(tempfile.mkdtemp())
    above.chmod(0o555)
    try:
        with as_nobody(), pytest.raises(StorageError, match="permission denied"):
            write_partitions(THREE, above / "lake/events", by="k")
        assert names(above) == []
    finally:
        above.rmdir()


@contextmanager
def as_nobody() -> Iterator[None]:
    """Without root's rights."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


# What is kept


def test_superseded_versions_are_kept_as_long_as_is_asked_for(target: Target) -> None:
    def kept(**options: object) -> int:
        for number in range(4):
            target.write(pl.DataFrame({"k": ["a"], "n": [next(numbers) + number]}), **options)
        return target.versions()

    numbers = iter(range(0, 1000, 10))
    assert kept(keep_versions=2, grace="0s") == 3
    assert kept(keep_versions=0, grace=timedelta(0)) == 1
    assert kept(keep_versions=0, grace="1d") == 5
    for options in ({"keep_versions": -1}, {"grace": "soon"}):
        with pytest.raises(DefinitionError, match=r"overwriting.py:\d+"):
            target.write(THREE, **options)


# Who else has a say

LAKEFILE = """
lake.source("orders", "orders.csv", schema={{"k": pl.String, "n": pl.Int64}})

@lake.asset(partitions={partitions})
def events(orders: pl.LazyFrame) -> pl.LazyFrame:
    return orders.filter(pl.col("k") != "b")
"""


def test_frozen_partitions_stay_until_they_are_forced(project: Any) -> None:
    target = Target(project.folder)
    target.write(THREE)
    lake = project.load(LAKEFILE.format(partitions='Dynamic("k")'))
    lake.add_partitions("events", ["a", "b"])
    assert lake.freeze("events", "a") == ["a"]
    before = target.identities()["a"]
    frame = pl.DataFrame({"k": ["a", "b"], "n": [7, 8]})
    first, second = target.results(frame)
    assert (first.result, first.is_frozen, first.row_count, second.result) == ("skipped", True, 2, "replaced")
    assert (first.error or {})["help"] == "lake unfreeze events a, or write with force=True"
    assert target.identities()["a"] == before
    assert target.write(frame, force=True) == {"a": "replaced", "b": "unchanged"}
    assert target.rows() == {"a": [(7,)], "b": [(8,)]}


def test_what_is_frozen_while_it_is_written_stays(project: Any) -> None:
    target = Target(project.folder)
    target.write(THREE)
    lake = project.load(LAKEFILE.format(partitions='Dynamic("k")'))
    lake.add_partitions("events", ["a", "b"])

    def freeze(batch: pl.DataFrame) -> pl.DataFrame:
        lake.freeze("events", "a")
        return batch

    frame = pl.DataFrame({"k": ["a", "b"], "n": [7, 8]})
    late = frame.lazy().map_batches(freeze, schema=frame.schema)
    assert target.write(late) == {"a": "skipped", "b": "replaced"}
    assert target.rows() == {"a": [(1,), (3,)], "b": [(8,)]}


def test_a_lakefile_may_declare_the_same_folder_by_the_same_columns(project: Any) -> None:
    """What was written is stale there, as the lakefile's code did not make it, and verified like anything else."""
    target = Target(project.folder)
    project.write("orders.csv", "k,n\na,5\nb,6\n")
    lake = project.load(LAKEFILE.format(partitions='Dynamic("k")'))
    lake.add_partitions("events", ["a", "b"])
    assert target.write(THREE) == {"a": "created", "b": "created"}
    assert [(item.key, item.status) for item in lake.status("a,b", assets=["events"])[0].partitions] == [
        ("a", "stale"),
        ("b", "stale"),
    ]
    assert [item.result for item in lake.materialize("a", assets=["events"])] == ["replaced"]
    assert target.rows() == {"a": [(5,)], "b": [(2,)]}
    assert target.write(THREE) == {"a": "replaced", "b": "unchanged"}
    assert [event.what for event in lake.history("events", "a")] == ["replaced", "replaced", "created"]
    assert lake.verify() == []


def test_a_lakefile_that_declares_other_keys_is_not_written_over(project: Any) -> None:
    target = Target(project.folder, by="partition_date")
    project.write("orders.csv", "k,n\na,5\n")
    lake = project.load(
        LAKEFILE.format(partitions='Monthly("2018-01", end="2018-02")').replace(
            "orders.filter", 'orders.with_columns(partition_date=pl.lit("2018-01")).filter'
        )
    )
    assert [item.result for item in lake.materialize("2018-01")] == ["created"]
    before = target.identities()
    with pytest.raises(DefinitionError, match="kind: monthly became dynamic") as caught:
        target.write(pl.DataFrame({"partition_date": ["2018-01"], "k": ["a"], "n": [1]}))
    assert caught.value.code == "partitions-changed"
    assert target.identities() == before


@pytest.mark.parametrize("is_declared", [False, True], ids=["undeclared", "declared"])
def test_verify_finds_nothing_wrong_and_clean_removes_nothing_that_is_kept(
    project: Any, *, is_declared: bool
) -> None:
    target = Target(project.folder)
    for number in range(3):
        target.write(pl.DataFrame({"k": ["a", "b"], "n": [number, 0]}), keep_versions=2)
    before = (target.identities(), target.versions())
    lake = project.load(LAKEFILE.format(partitions='Dynamic("k")') if is_declared else "")
    found = lake.verify()
    assert [fault.kind for fault in found] == ([] if is_declared else ["undeclared"])
    assert not found.is_damaged
    assert (found.commits, found.versions) == (3, 4)
    assert lake.clean().size_bytes == 0
    assert (target.identities(), target.versions()) == before
    assert before[1] == 4
    damaged = target.files()["a"]
    damaged.chmod(0o644)
    damaged.write_bytes(b"x" + damaged.read_bytes()[1:])
    assert [fault.kind for fault in lake.verify() if fault.is_damage] == ["version-damaged"]
