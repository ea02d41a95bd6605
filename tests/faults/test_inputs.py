"""L5: whatever is wrong with a source, it is refused in plain words, or read as others read it."""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from faults import results
from faults.spoiling import KINDS, spoil
from faults.warm import Warm

if TYPE_CHECKING:
    from conftest import Shop

FEW, MANY = 300, 4000


@pytest.fixture(scope="module")
def warm() -> Iterator[Warm]:
    with Warm() as processes:
        yield processes


@pytest.mark.parametrize("kind", KINDS)
def test_a_source_as_it_was_written_is_read(warm: Warm, tmp_path: Path, kind: str) -> None:
    """Else what follows would show nothing."""
    warm.call("faults.inputs:prepare", str(tmp_path / "base"), kind)
    assert warm.call("faults.inputs:unspoiled", str(tmp_path / "base"), kind) == {"ending": "same", "why": ""}


@pytest.mark.parametrize("count", [FEW, pytest.param(MANY, marks=pytest.mark.sweep)])
def test_spoiled_bytes_are_refused_in_plain_words_or_read_as_others_read_them(
    warm: Warm, tmp_path: Path, count: int
) -> None:
    """No panic's report, no traceback, no hang, nothing published but what an engine reads in them."""
    seed = secrets.randbits(32)
    kinds = list(KINDS)
    for number, kind in enumerate(kinds):
        warm.call("faults.inputs:prepare", str(tmp_path / f"base-{number}"), kind)
    each = [(number % len(kinds), seed + number) for number in range(count)]
    calls = [(str(tmp_path / f"base-{at}"), str(tmp_path / f"{of}"), kinds[at], of) for at, of in each]
    endings, wrong = Counter[str](), dict[str, str]()
    for (at, of), found in zip(each, warm.map("faults.inputs:spoiled", calls), strict=True):
        endings[found["ending"]] += 1
        if found["ending"] == "wrong":
            wrong[f"{kinds[at]}, seed {of}"] = found["why"]
        fault = "CSV, spoiled bytes" if kinds[at].startswith("CSV") else "Parquet, spoiled bytes"
        facts = {"layer": "L5", "scenario": "a source with spoiled bytes", "fault": fault}
        results.note(
            results.Cell.judged([found["why"]] if found["ending"] == "wrong" else [], **facts, where=f"seed {of}")
        )
    results.note_fact("spoiled sources", {"seed": seed, "files": count, "endings": dict(endings)})
    assert wrong == {}
    assert endings["refused"] > count / 4
    assert endings["same"] > count / 40


def test_a_source_that_grows_beyond_the_memory_ends_in_a_message_and_leaves_nothing(
    warm: Warm, tmp_path: Path
) -> None:
    """Five hundred bytes are half a gigabyte of rows; the engine would end the process with its own last words."""
    found = warm.call("faults.inputs:bombed", str(tmp_path / "shop"))
    wrong = [] if (found["code"], found["left"]) == (4, []) else [f"it ended with {found['code']}: {found['said']}"]
    facts = {
        "layer": "L5",
        "scenario": "a source that grows",
        "fault": "no memory",
        "where": f"{found['size']} bytes",
    }
    results.note(results.Cell.judged(wrong, **facts))
    assert wrong == []
    assert found["size"] < 1000
    first, *rest = found["said"].splitlines()
    assert first.startswith("error[out-of-memory]: ")
    assert [line.strip().split(":")[0] for line in rest] == ["help"]


@pytest.mark.parametrize("count", [60, pytest.param(2000, marks=pytest.mark.sweep)])
@pytest.mark.parametrize("what", ["version", "partition", "commit", "last commit", "snapshot"])
def test_verify_finds_whatever_was_spoiled_in_the_lake_itself(shop: Shop, what: str, count: int) -> None:
    """Readers may not notice: a spoiled file often reads, as other data."""
    shop.make("2018-01..2018-03")
    shop.write(shop.NEW)
    shop.make("2018-01..2018-03")
    shop.lake.snapshot("kept")
    assert list(shop.lake.verify()) == []
    version = shop.lake.survey().fold("monthly_orders").key("2018-01").version
    assert version is not None
    path = {
        "version": shop.root / version.path,
        "partition": shop.file(),
        "commit": shop.log() / "00000001.json",
        "last commit": shop.log() / "00000002.json",
        "snapshot": shop.root / ".lake/snapshots/kept/monthly_orders/partition_date=2018-01/part.parquet",
    }[what]
    status, data = path.stat(), path.read_bytes()
    path.unlink()  # a copy in its place: the others that share its bytes stay as they are
    seed, unfound = secrets.randbits(32), list[str]()
    for number in range(seed, seed + count):
        if (spoiled := spoil(data, number)) == data:
            continue
        path.write_bytes(spoiled)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        found = [fault.path for fault in shop.lake.verify(dry_run=True) if fault.is_damage]
        if not any(path.is_relative_to(shop.root / named) for named in found):
            unfound.append(f"seed {number}: {found}")
    facts = {"layer": "L5", "scenario": "spoiled within the lake", "fault": f"a {what}", "where": f"{count} times"}
    results.note(results.Cell.judged(unfound, **facts))
    assert unfound == []
