"""History is told from the log alone: each run with what it came to, each version of a partition, and who made it."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest

from lakehouse import AssetUnknownError, Lake, RequestError
from lakehouse.commits import Commit, Mark
from lakehouse.past.history import events
from lakehouse.past.runs import runs
from lakehouse.records import Materialization, Provenance, Version

if TYPE_CHECKING:
    from conftest import Shop

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)


# Runs


def counts(lake: Lake, asset: str | None = None, **options: Any) -> list[dict[str, dict[str, int]]]:
    return [{each.asset: dict(each.counts) for each in run.assets} for run in lake.history(asset, **options)]


def test_each_run_is_told_with_what_became_of_how_many_partitions_newest_first(shop: Shop) -> None:
    shop.make("2018-01..2018-03")
    shop.now += timedelta(hours=1)
    shop.write(shop.NEW)
    shop.make("2018-01..2018-04")
    assert counts(shop.lake) == [
        {"monthly_orders": {"replaced": 1, "unchanged": 2, "created": 1}},
        {"monthly_orders": {"created": 3}},
    ]
    newest, oldest = shop.lake.history()
    assert (oldest.started, oldest.finished, newest.finished) == (NOW, NOW, NOW + timedelta(hours=1))
    assert newest.assets[0].keys == ("2018-01", "2018-02", "2018-03", "2018-04")
    assert [run.assets[0].commits for run in (newest, oldest)] == [(2,), (1,)]


def test_it_says_who_ran_it_where_and_how(shop: Shop) -> None:
    shop.lake.command = "lake materialize 2018-01"
    shop.make()
    by = shop.lake.history()[0].by
    assert by["command"] == "lake materialize 2018-01"
    assert by["host"] == os.uname().nodename
    assert by["user"]


def test_a_run_that_has_nothing_to_do_leaves_no_trace(shop: Shop) -> None:
    shop.make()
    shop.make()
    assert len(shop.lake.history()) == 1


CHAIN = """
@lake.source(version="1", time="day")
def orders() -> pl.DataFrame:
    return pl.DataFrame({"id": [1, 2], "day": ["2018-01-05", "2018-02-05"]}).with_columns(pl.col("day").str.to_date())


@lake.asset(partitions=Monthly("2018-01", end="2018-03"))
def base(orders: pl.LazyFrame) -> pl.LazyFrame:
    return orders.group_by("partition_date").agg(n=pl.col("id").sum())


@lake.asset(partitions=Monthly("2018-01", end="2018-03"))
def upper(base: pl.LazyFrame) -> pl.LazyFrame:
    return base.with_columns(pl.col("n") * 2)
"""


def test_a_run_over_several_assets_is_one_run_in_the_order_of_making(project: Any) -> None:
    lake = project.load(CHAIN)
    ticks = itertools.count()
    lake._clock = lambda: NOW + timedelta(milliseconds=next(ticks))
    lake.materialize("all")
    (run,) = lake.history()
    assert [(each.asset, dict(each.counts)) for each in run.assets] == [
        ("base", {"created": 2}),
        ("upper", {"created": 2}),
    ]


def test_of_one_asset_only_what_was_done_to_it_is_told(project: Any) -> None:
    lake = project.load(CHAIN)
    lake.materialize("all")
    lake.materialize("2018-01", assets=["base"], force=True)
    assert counts(lake, "upper") == [{"upper": {"created": 2}}]
    assert counts(lake, "base") == [{"base": {"unchanged": 1}}, {"base": {"created": 2}}]


def test_what_failed_is_told_with_its_message_and_only_that_where_that_is_asked_for(project: Any) -> None:
    lake = project.load(CHAIN)
    lake.materialize("all")
    lake = project.load(CHAIN.replace('pl.col("n") * 2', 'pl.col("nix")'))
    lake.materialize("all", on_failure="return")
    (run,) = lake.history(failed=True)
    assert [each.asset for each in run.assets] == ["upper"]
    assert [(item.key, item.what, item.code) for item in run.assets[0].failures] == [
        ("2018-01", "failed", "asset-raised"),
        ("2018-02", "failed", "asset-raised"),
    ]
    assert run.assets[0].failures[0].message.startswith("ColumnNotFoundError: ")
    assert len(lake.history()) == 2


def test_freezing_rolling_back_and_wiping_are_runs_of_their_own(shop: Shop) -> None:
    shop.make("2018-01..2018-02")
    shop.write(shop.NEW)
    shop.make("2018-01..2018-02")
    shop.lake.rollback("monthly_orders", "2018-01")
    shop.lake.freeze("monthly_orders", "2018-02")
    shop.lake.unfreeze("monthly_orders", "2018-02")
    shop.lake.wipe("monthly_orders", "2018-01")
    assert [run["monthly_orders"] for run in counts(shop.lake)] == [
        {"wiped": 1},
        {"unfrozen": 1},
        {"frozen": 1},
        {"rolled back": 1},
        {"replaced": 1, "unchanged": 1},
        {"created": 2},
    ]


def test_a_change_of_the_list_of_keys_is_told(project: Any) -> None:
    lake = project.load('\n@lake.asset(partitions=Dynamic("kind"))\ndef kinds() -> pl.LazyFrame:\n    ...\n')
    lake.add_partitions("kinds", ["a", "b"])
    (run,) = lake.history()
    assert run.assets[0].lists_keys
    assert (run.assets[0].counts, run.assets[0].keys) == ({}, ())


def test_a_lake_that_was_never_written_to_has_no_history(shop: Shop) -> None:
    assert shop.lake.history() == []
    assert shop.lake.history("monthly_orders") == []
    assert not shop.root.exists()


def test_an_asset_that_is_no_longer_declared_keeps_its_history(project: Any) -> None:
    project.load(CHAIN).materialize("all")
    lake = project.load(CHAIN.partition("@lake.asset")[0] + "@lake.asset\ndef other() -> pl.LazyFrame:\n    ...\n")
    assert counts(lake) == [{"base": {"created": 2}, "upper": {"created": 2}}]
    assert counts(lake, "upper") == [{"upper": {"created": 2}}]
    assert [event.what for event in lake.history("upper", "2018-02")] == ["created"]
    with pytest.raises(AssetUnknownError, match="no asset 'nix'"):
        lake.history("nix")
    with pytest.raises(AssetUnknownError):
        lake.history("../../upper")


# Runs, told from as few commits as that takes


def commit(
    number: int,
    run: str,
    time: datetime,
    records: Sequence[Materialization] = (),
    *,
    asset: str = "orders",
    marks: Sequence[Mark] = (),
    parts: dict[str, str] | None = None,
) -> Commit:
    shared = Provenance(
        run=run, code="c", code_parts=parts or {}, schema=None, partitions={}, by={"user": "ana", "host": "desk"}
    )
    return Commit(
        asset=asset,
        number=number,
        previous=None,
        time=time,
        shared=shared,
        records=tuple(records),
        marks=tuple(marks),
    )


def record(key: str, run: str, result: str = "created", path: str | None = None, **facts: Any) -> Materialization:
    version = None
    if result in ("created", "replaced", "unchanged"):
        name = path or f"{run}-1"
        version = Version(digest=name, path=f"a/{name}", row_count=1, size_bytes=1, mtime_ns=1, writer="w")
    return Materialization(
        asset="orders", key=key, partition={}, result=result, reason="", run=run, started=NOW, finished=NOW,
        version=version, **facts,
    )  # fmt: skip


class Counted:
    """An iterator that knows how often it was asked."""

    def __init__(self, items: Sequence[Commit]) -> None:
        self._items, self.taken = iter(items), 0

    def __iter__(self) -> Iterator[Commit]:
        return self

    def __next__(self) -> Commit:
        item = next(self._items)
        self.taken += 1
        return item


def stamped(moment: datetime) -> str:
    return f"{moment:%Y%m%dT%H%M%S}-0123abcd"


def hourly(count: int, **options: Any) -> list[Commit]:
    """A run an hour of one commit each, newest first; each commits a minute after it began."""
    moments = [NOW - timedelta(hours=hour) for hour in range(count)]
    return [
        commit(count - i, run := stamped(moment), moment + timedelta(minutes=1), [record("k", run, **options)])
        for i, moment in enumerate(moments)
    ]


def test_no_more_commits_are_read_than_the_last_runs_take() -> None:
    commits = Counted(hourly(1000))
    assert len(runs(commits, last=3)) == 3
    assert commits.taken == 4  # the fourth tells that the third is whole


def test_a_run_beside_which_another_committed_is_told_whole() -> None:
    """Two runs of an hour by turns: the last one begins before most commits of the other."""
    one, other = stamped(NOW), stamped(NOW + timedelta(minutes=1))
    turns = [
        commit(i, run, NOW + timedelta(minutes=2 + i), [record(f"k{i}", run)])
        for i, run in zip(range(10, 0, -1), itertools.cycle([one, other]), strict=False)
    ]
    (found,) = runs([*turns, *hourly(3)[1:]], last=1)
    assert (found.run, found.assets[0].counts) == (one, {"created": 5})
    assert found.assets[0].commits == (2, 4, 6, 8, 10)
    assert found.assets[0].keys == ("k2", "k4", "k6", "k8", "k10")


def test_a_clock_set_back_hides_no_commit_of_a_run() -> None:
    """Its id tells an earlier hour than its commits, which the log makes later than those before them."""
    late = stamped(NOW - timedelta(days=1))
    commits = [
        commit(3, late, NOW + timedelta(microseconds=3), [record("b", late)]),
        commit(2, late, NOW + timedelta(microseconds=2), [record("a", late)]),
        commit(1, stamped(NOW), NOW, [record("a", stamped(NOW))]),
    ]
    assert [dict(run.assets[0].counts) for run in runs(commits, last=1)] == [{"created": 2}]


def test_runs_whose_ids_tell_no_time_are_all_read() -> None:
    commits = [commit(i, f"by hand {i % 2}", NOW + timedelta(hours=i)) for i in range(9, 0, -1)]
    assert [run.assets[0].commits for run in runs(commits, last=1)] == [(1, 3, 5, 7, 9)]


def test_of_runs_that_failed_no_more_commits_are_read_than_they_take() -> None:
    commits = hourly(50)
    commits[5] = commit(45, run := stamped(NOW - timedelta(hours=5)), NOW - timedelta(minutes=299))
    failed = record("k", run, "failed", error={"code": "asset-raised", "message": "orders: it broke"})
    commits[5] = commit(45, run, commits[5].time, [failed])
    counted = Counted(commits)
    (found,) = runs(counted, last=1, failed=True)
    assert [failure.message for failure in found.assets[0].failures] == ["it broke"]
    assert counted.taken == 7
    assert [found.run for found in runs(commits, failed=True)] == [run]


# One partition


def test_each_version_of_a_partition_is_told_with_what_it_was_made_of(shop: Shop) -> None:
    shop.make("2018-01..2018-02")
    shop.write(shop.NEW)
    shop.make("2018-01..2018-02")
    newest, oldest = shop.lake.history("monthly_orders", "2018-01")
    assert (newest.commit, newest.what, newest.version and newest.version.row_count) == (2, "replaced", 2)
    assert newest.reason.startswith("stale: orders.csv changed")
    assert newest.inputs_changed == ("orders",)
    assert newest.code_changed == ()
    assert (newest.is_current, newest.is_kept) == (True, True)
    assert (oldest.commit, oldest.what, oldest.reason) == (1, "created", "missing")
    assert (oldest.is_current, oldest.is_kept) == (False, True)
    assert oldest.inputs_changed == ()
    assert [event.what for event in shop.lake.history("monthly_orders", "2018-02")] == ["unchanged", "created"]


def test_it_says_which_part_of_the_code_was_other(project: Any) -> None:
    lake = project.load(CHAIN)
    lake.materialize("all")
    lake = project.load(CHAIN.replace('pl.col("n") * 2', 'pl.col("n") * 3'))
    lake.materialize("all")
    newest, oldest = lake.history("upper", "2018-01")
    assert (newest.code_changed, oldest.code_changed) == (("upper",), ())
    assert newest.code != oldest.code
    assert (newest.inputs["base"].position, newest.inputs_changed) == (1, ())


def test_versions_that_were_let_go_are_told_and_said_to_be_gone(shop: Shop) -> None:
    shop = shop.again(keep_versions=0, grace="0s")
    shop.make()
    shop.write(shop.NEW)
    shop.make()
    assert [(e.commit, e.is_current, e.is_kept) for e in shop.lake.history("monthly_orders", "2018-01")] == [
        (2, True, True),
        (1, False, False),
    ]


def test_a_current_version_whose_bytes_were_removed_is_not_called_kept(shop: Shop) -> None:
    shop.make()
    (path,) = shop.versions()
    (shop.root / path).unlink()
    (event,) = shop.lake.history("monthly_orders", "2018-01")
    assert (event.is_current, event.is_kept) == (True, False)


def test_what_failed_stands_between_the_versions_with_its_error(shop: Shop) -> None:
    shop.make()
    shop.write(shop.OLD.replace("2018-01-05", "2018-01-99"))
    shop.make(on_failure="return")
    shop.write(shop.NEW)
    shop.make()
    found = shop.lake.history("monthly_orders", "2018-01")
    assert [(event.commit, event.what) for event in found] == [(3, "replaced"), (2, "failed"), (1, "created")]
    assert found[1].error is not None
    assert found[1].error["code"] == "source-malformed"
    assert found[1].version is None
    assert shop.lake.history("monthly_orders", "2018-01", failed=True) == [found[1]]
    assert shop.lake.history("monthly_orders", "2018-01", last=2) == found[:2]


def test_a_version_that_was_brought_back_is_told_as_that_and_is_kept_under_both_commits(shop: Shop) -> None:
    shop.make()
    shop.write(shop.NEW)
    shop.make()
    shop.lake.rollback("monthly_orders", "2018-01", to=1)
    found = shop.lake.history("monthly_orders", "2018-01")
    assert [(e.commit, e.what, e.marks, e.is_current, e.is_kept) for e in found] == [
        (3, "rolled back", ("frozen",), True, True),
        (2, "replaced", (), False, True),
        (1, "created", (), True, True),
    ]
    assert found[0].version == found[2].version
    assert found[0].reason.startswith("rolled back to commit 1 ")
    assert found[0].inputs_changed == ("orders",)


def test_a_partition_that_was_wiped_tells_what_it_had(shop: Shop) -> None:
    shop.make()
    shop.lake.wipe("monthly_orders", "2018-01")
    shop.make()
    found = shop.lake.history("monthly_orders", "2018-01")
    assert [(e.commit, e.what, e.is_current, e.is_kept) for e in found] == [
        (3, "created", True, True),
        (2, "wiped", False, False),
        (1, "created", False, False),
    ]
    assert (found[0].code_changed, found[0].inputs_changed) == ((), ())


def test_marks_without_a_record_are_told(shop: Shop) -> None:
    shop.make("2018-01..2018-02")
    shop.lake.freeze("monthly_orders", "2018-01")
    shop.lake.unfreeze("monthly_orders", "2018-01")
    assert [e.what for e in shop.lake.history("monthly_orders", "2018-01")] == ["unfrozen", "frozen", "created"]
    assert [e.what for e in shop.lake.history("monthly_orders", "2018-02")] == ["created"]


def test_damage_and_cleaning_are_told_as_such() -> None:
    run = stamped(NOW)
    gone = record("a", run).version
    assert gone is not None
    commits = [
        commit(4, run, NOW, marks=[Mark(key="a", partition={}, dropped=(gone,))]),
        commit(3, run, NOW, marks=[Mark(key="a", partition={}, damaged="x")]),
        commit(2, run, NOW, marks=[Mark(key="b", partition={}, frozen=True)]),
        commit(1, run, NOW, [record("a", run)], marks=[Mark(key="a", partition={}, dropped=(gone,))]),
    ]
    assert [(e.commit, e.what, e.marks) for e in events(commits, "a")] == [
        (4, "cleaned", ("cleaned",)),
        (3, "damaged", ("damaged",)),
        (1, "created", ()),
    ]
    (found,) = runs(commits)
    assert found.assets[0].counts == {"cleaned": 1, "damaged": 1, "frozen": 1, "created": 1}


def test_what_was_adopted_is_told_as_such() -> None:
    run = stamped(NOW)
    adopted = record("a", run, "replaced").with_(reason="adopted")
    assert [event.what for event in events([commit(1, run, NOW, [adopted])], "a")] == ["adopted"]


def test_no_more_commits_are_read_than_the_last_events_take() -> None:
    commits = Counted(hourly(1000, result="replaced"))
    found = list(itertools.islice(events(commits, "k"), 3))
    assert [event.commit for event in found] == [1000, 999, 998]
    assert commits.taken == 4  # the fourth tells what was other in the third


def test_an_attempt_is_no_version_to_compare_with() -> None:
    run = stamped(NOW)
    commits = [
        commit(3, run, NOW, [record("a", run, "replaced")], parts={"f": "2", "g": "1"}),
        commit(2, run, NOW, [record("a", run, "failed", error={})], parts={"f": "3"}),
        commit(1, run, NOW, [record("a", run)], parts={"f": "1", "g": "1"}),
    ]
    assert [event.code_changed for event in events(commits, "a")] == [("f",), (), ()]


def test_keys_that_the_definition_no_longer_has_keep_their_history(project: Any) -> None:
    project.load(CHAIN).materialize("all")
    lake = project.load(CHAIN.replace('Monthly("2018-01", end="2018-03")', 'Monthly("2018-01", end="2018-02")'))
    assert [event.what for event in lake.history("base", "2018-02")] == ["created"]


def test_a_key_is_named_as_in_a_selection_and_one_that_was_never_made_has_no_events(shop: Shop) -> None:
    shop.make("2018-01..2018-06")
    assert shop.lake.history("monthly_orders", "latest")[0].key == "2018-06"
    assert shop.lake.history("monthly_orders", "2018-06-01")[0].key == "2018-06"
    shop.lake.wipe("monthly_orders", "all")
    other = shop.again(root="other")
    assert other.lake.history("monthly_orders", "2018-01") == []
    with pytest.raises(RequestError, match=r"2018-01\.\.2018-02 is 2 partitions; name one"):
        other.lake.history("monthly_orders", "2018-01..2018-02")
    with pytest.raises(RequestError, match="'2018-13' is not a month"):
        other.lake.history("monthly_orders", "2018-13")


def test_an_asset_without_partitions_has_one_key(project: Any) -> None:
    lake = project.load('\n@lake.asset\ndef one() -> pl.LazyFrame:\n    return pl.LazyFrame({"n": [1]})\n')
    lake.materialize("all")
    assert [event.key for event in lake.history("one", "all")] == ["all"]
