"""Readers beside writers that change content without pause: through the lake none fails or sees two commits."""

from __future__ import annotations

import secrets
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from faults import readers, results
from faults.warm import Warm

if TYPE_CHECKING:
    from conftest import Shop

GRACE = "8s"  # more than any answer takes; less than the longer run, so that versions are let go


@pytest.mark.invariant("I2", "I14")
@pytest.mark.parametrize("seconds", [10, pytest.param(60, marks=pytest.mark.sweep)])
def test_readers_through_the_lake_neither_fail_nor_see_two_commits_at_once(tmp_path: Path, seconds: int) -> None:
    """Beside them, plain readers of the Hive tree: what comes of opening a file twice is counted, and published."""
    seed = secrets.randbits(32)
    with Warm(count=1) as warm:
        found = warm.call(
            "faults.storm:storm", str(tmp_path / "shop"), seconds, seed, list(readers.READERS), GRACE, "never"
        )
    for name, counted in found["readers"].items():
        if name not in readers.OPENING_TWICE:
            wrong = [text for text in found["wrong"] if text.startswith(f"{name}: ")]
            facts = {
                "layer": "L4",
                "scenario": f"readers beside writers, {seconds} s",
                "fault": "content that changes",
            }
            results.note(results.Cell.judged(wrong, **facts, where=name))
        assert counted["reads"] > seconds
    results.note_fact("readers", {"seconds": seconds, "commits": found["commits"], "readers": found["readers"]})
    assert found["wrong"] == []
    assert found["commits"] > seconds


@pytest.mark.invariant("I14")
def test_a_lazy_scan_that_collects_late_finds_its_versions_until_their_grace_is_over(shop: Shop) -> None:
    """Five commits later, of which each lets go what it may, the rows are those of the commit that was read."""
    writer = shop.again(keep_versions=0, grace="1h")
    writer.make("2018-01..2018-03")
    late = writer.lake.scan("monthly_orders").select("partition_date", "status", "order_num")
    before = late.collect().rows()
    for number in range(5):
        writer.now += timedelta(minutes=11)
        writer.write(shop.OLD.replace("completed", f"completed-{number}"))
        assert writer.make("2018-01..2018-03") == ["replaced", "unchanged", "replaced"]
        writer.lake.clean()
        assert late.collect().rows() == before
    assert writer.lake.scan("monthly_orders").collect().height == len(before)
    writer.now += timedelta(minutes=20)
    writer.lake.clean()
    with pytest.raises(FileNotFoundError):
        late.collect()
