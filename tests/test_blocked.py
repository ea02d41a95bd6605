"""Laws of what checks do to a run: what breaks one is not published, and is kept; the rest goes on."""

from __future__ import annotations

import contextlib
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from lakehouse import Lake, Materialization
from lakehouse.errors import StorageError

if TYPE_CHECKING:
    from collections.abc import Iterator

OLD = "id,day,status\n1,2018-01-05,paid\n2,2018-01-20,paid\n3,2018-02-03,paid\n4,2018-03-09,open\n"
NEW = OLD.replace("3,2018-02-03,paid", "3,2018-02-03,lost") + "5,2018-01-31,open\n6,2018-02-04,paid\n"
SOURCE = (
    'lake.source("orders", "orders.csv", schema={"id": pl.Int64, "day": pl.Date, "status": pl.String}, time="day"'
)
MONTHLY = """
@lake.asset(partitions=Monthly("2018-01", end="2018-04"))
def monthly(orders):
    return orders.group_by("partition_date", "status").agg(orders=pl.len().cast(pl.Int64))
"""
KNOWN = """
@lake.check("monthly")
def known(frame):
    return pl.col("status").is_in(["paid", "open"])
"""
MONTHS = 'MONTHS = Monthly("2018-01", end="2018-04")\n'
BLOCKED = ".lake/blocked/monthly/partition_date=2018-02/part.parquet"


@pytest.fixture
def shop(project: Any) -> Any:
    project.head += "from lakehouse import *\n"
    project.write("orders.csv", OLD)
    return project


def load(shop: Any, *parts: str, source: str = "") -> Lake:
    lake: Lake = shop.load("".join([f"{SOURCE}{source})\n", *(parts or (MONTHLY, KNOWN))]), head=shop.head)
    return lake


def make(lake: Lake, selection: str = "all", **options: Any) -> list[Materialization]:
    return lake.materialize(selection, on_failure="return", **options)


def results(made: list[Materialization]) -> dict[str, str]:
    return {one.key: one.result for one in made}


def tree(lake: Lake) -> dict[str, tuple[bytes, int, int, int]]:
    """Everything in the Hive tree, bit for bit: content, time, inode and mode of files, and the folders."""
    paths = sorted(path for path in lake.root.rglob("*") if ".lake" not in path.parts)
    return {
        str(path.relative_to(lake.root)): (
            path.read_bytes() if path.is_file() else b"",
            (status := path.stat()).st_mtime_ns,
            status.st_ino,
            status.st_mode,
        )
        for path in paths
    }


def lakefile() -> Any:
    """The module that was loaded last."""
    return [module for name, module in sys.modules.items() if re.fullmatch("lakefile_[0-9a-f]{16}", name)][-1]


def blocked(lake: Lake) -> list[str]:
    return sorted(str(path.relative_to(lake.root)) for path in lake.root.glob(".lake/blocked/**/*") if path.is_file())


@pytest.mark.invariant("I16")
@pytest.mark.invariant("I4", "I7")
def test_a_blocked_partition_leaves_the_hive_tree_bit_for_bit_as_it_was(shop: Any) -> None:
    lake = load(shop)
    make(lake)
    shop.write("orders.csv", OLD.replace("paid", "lost").replace("open", "lost"))
    before = tree(lake)
    assert results(make(lake)) == dict.fromkeys(("2018-01", "2018-02", "2018-03"), "blocked")
    assert tree(lake) == before
    assert lake.scan("monthly").collect().sort("partition_date", "status").rows() == [
        ("paid", 2, "2018-01"),
        ("paid", 1, "2018-02"),
        ("open", 1, "2018-03"),
    ]


def test_the_other_partitions_of_the_batch_are_published(shop: Any) -> None:
    lake = load(shop)
    make(lake)
    shop.write("orders.csv", NEW)
    before = tree(lake)
    made = make(lake)
    assert results(made) == {"2018-01": "replaced", "2018-02": "blocked", "2018-03": "unchanged"}
    after = tree(lake)
    changed = [name for name in after if after[name] != before[name] and name.endswith(".parquet")]
    assert changed == ["monthly/partition_date=2018-01/part.parquet"]
    record = made[1]
    assert record.error is not None
    assert record.error["code"] == "audit-blocked"
    assert record.error["message"] == "monthly: check `known` failed; nothing published"
    assert record.error["details"] == ["status is 'lost' in 1 of 2 rows"]
    assert record.error["context"] == {"checks": ["known"], "staged": BLOCKED}
    assert (record.kept and record.kept.row_count, record.version) == (1, None)


def test_every_record_tells_what_each_check_said(shop: Any) -> None:
    """In the log too: passed ones, failed ones with the rows, and warnings."""
    warn = '@lake.check("monthly", severity="warn")\ndef many(frame):\n    return pl.col("orders") > 1\n'
    lake = load(shop, MONTHLY, KNOWN, warn)
    shop.write("orders.csv", NEW)
    made = make(lake)
    passed = {"name": "known", "severity": "error", "passed": True, "message": "", "metadata": {}}
    rows = [{"orders": 1, "status": "open"}]
    few = {
        "name": "many",
        "severity": "warn",
        "passed": False,
        "message": "orders is 1 in 1 of 2 rows",
        "metadata": {"failing": 1, "of": 2, "rows": rows},
    }
    assert [dict(check) for check in made[0].checks] == [passed, few]
    failed = made[1].checks[0]
    assert (failed["passed"], failed["metadata"]["rows"]) == (False, [{"status": "lost", "orders": 1}])
    fold = lake.survey().fold("monthly")
    current, attempt = fold.key("2018-01").current, fold.key("2018-02").attempt
    assert current is not None
    assert attempt is not None
    assert (current.checks, attempt.checks) == (made[0].checks, made[1].checks)


def test_the_staged_file_is_kept_until_the_key_succeeds(shop: Any) -> None:
    lake = load(shop)
    shop.write("orders.csv", NEW)
    make(lake)
    assert blocked(lake) == [BLOCKED]
    staged = pl.read_parquet(lake.root / BLOCKED, hive_partitioning=False)
    assert sorted(staged.rows()) == [("lost", 1), ("paid", 1)]
    assert results(make(lake, "2018-01")) == {"2018-01": "fresh"}
    assert results(make(lake)) == {"2018-01": "fresh", "2018-02": "blocked", "2018-03": "fresh"}
    assert blocked(lake) == [BLOCKED]
    shop.write("orders.csv", NEW.replace("lost", "paid"))
    assert results(make(lake, "all", only=["failed"])) == {"2018-02": "created"}
    assert blocked(lake) == []
    assert list(lake.root.glob(".lake/blocked/*")) == []
    assert list(lake.root.glob(".lake/staging/*")) == []


def test_a_partition_that_is_made_at_last_is_forgotten_though_its_bytes_are_as_they_were(shop: Any) -> None:
    lake = load(shop)
    make(lake)
    shop.write("orders.csv", NEW)
    make(lake)
    shop.write("orders.csv", OLD)
    assert results(make(lake)) == {"2018-01": "replaced", "2018-02": "unchanged", "2018-03": "unchanged"}
    assert blocked(lake) == []


def test_a_blocked_attempt_is_a_failed_one_beside_the_state(shop: Any) -> None:
    lake = load(shop)
    make(lake)
    shop.write("orders.csv", NEW)
    make(lake)
    (status,) = lake.status("2018-02")
    (part,) = status.partitions
    assert part.last_attempt is not None
    assert (part.status, part.row_count, part.last_attempt.result) == ("stale", 1, "blocked")
    assert status.failed_attempts == 1


def test_what_comes_out_unchanged_is_checked_too_for_the_check_may_be_new(shop: Any) -> None:
    make(load(shop, MONTHLY))
    lake = load(shop, MONTHLY, KNOWN.replace('"paid", "open"', '"paid"'))
    before = tree(lake)
    assert results(make(lake)) == dict.fromkeys(("2018-01", "2018-02", "2018-03"), "fresh")
    forced = make(lake, force=True)
    assert results(forced) == {"2018-01": "unchanged", "2018-02": "unchanged", "2018-03": "blocked"}
    assert tree(lake) == before


def test_a_check_is_no_part_of_the_code_version(shop: Any) -> None:
    """Declared by a decorator, in the asset's own, or with a source, and then changed: nothing is stale."""
    make(load(shop, MONTHLY))
    ready = MONTHLY.replace('"2018-04")', '"2018-04"), checks=[not_null("status")]')
    for lake in (
        load(shop),
        load(shop, MONTHLY, KNOWN.replace('"open"', '"lost"')),
        load(shop, ready),
        load(shop, ready.replace("not_null", "unique"), source=', checks=[not_null("id")]'),
    ):
        assert [part.status for part in lake.status()[0].partitions] == ["fresh"] * 3


def test_a_check_sees_the_rows_of_one_partition_with_its_columns_and_may_ask_for_the_key(shop: Any) -> None:
    text = """
seen = []

@lake.asset(partitions=Categories("status", ["paid", "open"]) * Monthly("2018-01", end="2018-03"))
def both(orders):
    return orders.group_by("status", "partition_date").agg(orders=pl.len().cast(pl.Int64))

@lake.check("both")
def its_own(rows, partition):
    seen.append((partition.key, partition.values, str(partition.start.date()), rows.collect().rows(named=True)))
    return True
"""
    lake = load(shop, text)
    make(lake)
    seen = lakefile().seen
    assert {key: rows for key, _, _, rows in seen} == {
        "status=paid/partition_date=2018-01": [{"orders": 2, "status": "paid", "partition_date": "2018-01"}],
        "status=paid/partition_date=2018-02": [{"orders": 1, "status": "paid", "partition_date": "2018-02"}],
        "status=open/partition_date=2018-01": [],
        "status=open/partition_date=2018-02": [],
    }
    assert seen[0][1:3] == ({"status": "paid", "partition_date": "2018-01"}, "2018-01-01")


@pytest.mark.parametrize(
    "asset",
    [
        'lake.sql("made", "select partition_date, status from orders", partitions=MONTHS, {})\n',
        '@lake.asset(partitions=MONTHS, {})\ndef made(orders, partition):\n    return orders.select("status")\n',
        '@lake.asset({})\ndef made(orders):\n    return orders.select("status")\n',
    ],
)
def test_whatever_makes_an_asset_is_checked(shop: Any, asset: str) -> None:
    lake = load(shop, MONTHS, asset.format('checks=[accepted_values("status", ["paid"])]'))
    made = make(lake)
    by_key = {"2018-01": "created", "2018-02": "created", "2018-03": "blocked"}
    assert results(made) == ({"all": "blocked"} if len(made) == 1 else by_key)
    place = "part.parquet" if len(made) == 1 else "partition_date=2018-03/part.parquet"
    assert blocked(lake) == [f".lake/blocked/made/{place}"]
    shop.write("orders.csv", OLD.replace("open", "paid"))
    assert {one.result for one in make(lake)} <= {"created", "unchanged"}
    assert blocked(lake) == []


def test_an_empty_partition_is_checked(shop: Any) -> None:
    lake = load(shop, MONTHLY.replace('"2018-04")', '"2018-05"), checks=[row_count(min=1), not_null("status")]'))
    made = make(lake)
    assert results(made) == {**dict.fromkeys(("2018-01", "2018-02", "2018-03"), "created"), "2018-04": "blocked"}
    assert (made[3].error or {})["details"] == ["0 rows, and not at least 1"]


def test_what_is_made_of_a_blocked_partition_is_not_made(shop: Any) -> None:
    total = """
@lake.asset(partitions=Monthly("2018-01", end="2018-04"))
def totals(monthly):
    return monthly.group_by("partition_date").agg(pl.col("orders").sum())
"""
    lake = load(shop, MONTHLY, KNOWN, total)
    shop.write("orders.csv", NEW)
    made = [one for one in make(lake) if one.asset == "totals"]
    assert results(made) == {"2018-01": "created", "2018-02": "skipped", "2018-03": "created"}


def test_a_column_that_is_not_there_blocks_and_is_named(shop: Any) -> None:
    lake = load(shop, MONTHLY.replace('"2018-04")', '"2018-04"), checks=[not_null("state")]'))
    (made,) = make(lake, "2018-01")
    assert (made.result, (made.error or {})["code"]) == ("blocked", "check-raised")
    assert "check `not_null(state)` names 'state', which is no column" in (made.error or {})["message"]
    warned = load(shop, MONTHLY.replace('"2018-04")', '"2018-04"), checks=[not_null("state", severity="warn")]'))
    (made,) = make(warned, "2018-01")
    assert (made.result, made.checks[0]["passed"]) == ("created", False)


class StoppedError(Exception):
    """A run that dies."""


def test_a_run_that_dies_before_the_commit_leaves_only_what_the_next_one_replaces(shop: Any) -> None:
    """Whichever change of the disk is the last: the Hive tree is as it was, and the same command converges."""
    lake = load(shop)
    make(lake)
    shop.write("orders.csv", NEW)
    calls: list[str] = []
    lake._on_call = lambda name, _: calls.append(name)
    make(lake, "2018-02")
    assert calls.count("rename") == 1
    before, moments = tree(lake), len(calls)

    def dying(count: int) -> Any:
        left: Iterator[int] = iter(range(count))

        def on_call(_: str, __: Path) -> None:
            if next(left, None) is None:
                raise StoppedError

        return on_call

    for count in range(moments):
        lake._on_call = dying(count)
        with contextlib.suppress(StoppedError):
            make(lake, "2018-02")
        assert tree(lake) == before
        lake._on_call = lambda *_: None
        assert results(make(lake, "2018-02")) == {"2018-02": "blocked"}
        assert blocked(lake) == [BLOCKED]
        assert list(lake.root.glob(".lake/staging/*")) == []


def test_a_staged_file_that_cannot_be_kept_is_an_error_of_the_disk(shop: Any) -> None:
    """A link planted where the folder belongs would lead out of the lake."""
    lake = load(shop)
    make(lake, "2018-01")
    (shop.folder / "elsewhere").mkdir()
    (lake.root / ".lake/blocked").symlink_to(shop.folder / "elsewhere")
    shop.write("orders.csv", NEW)
    with pytest.raises(StorageError) as caught:
        make(lake, "2018-02")
    assert caught.value.exit_code == 4
    assert list((shop.folder / "elsewhere").iterdir()) == []


def test_without_checks_nothing_of_them_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text(OLD)
    text = f"""
import sys
import polars as pl
from lakehouse import Lake, Monthly
lake = Lake({str(tmp_path / "lake")!r})
lake.base = __import__("pathlib").Path({str(tmp_path)!r})
{SOURCE})
{MONTHLY}
lake.materialize("all")
lake.validate(deep=True)
print(sorted(name for name in sys.modules if name in (
    "lakehouse.checks.judging", "lakehouse.checks.reconciling", "lakehouse.checks.clauses",
    "lakehouse.checks.readymade")))
"""
    (tmp_path / "run.py").write_text(text)
    done = subprocess.run([sys.executable, "run.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# Sources

SOUND = ', checks=[accepted_values("status", ["paid", "open"]), not_null("id")]'
COUNTED = """
calls = []

@lake.check("orders")
def ids(frame):
    calls.append(1)
    return pl.col("id") > 0
"""
OTHER = MONTHLY.replace("def monthly", "def other")


def test_a_source_that_fails_blocks_what_reads_it_before_anything_is_computed(shop: Any) -> None:
    text = "calls = []\n" + MONTHLY.replace("    return", "    calls.append(1)\n    return")
    free = '\n@lake.source(version="1")\ndef rates():\n    return pl.LazyFrame({"rate": [1]})\n'
    free += "\n@lake.asset\ndef kept(rates):\n    return rates\n"
    lake = load(shop, text, free, source=SOUND)
    make(lake)
    shop.write("orders.csv", NEW)
    before, called = tree(lake), len(lakefile().calls)
    made = [one for one in make(lake, force=True) if one.asset == "monthly"]
    assert results(made) == dict.fromkeys(("2018-01", "2018-02", "2018-03"), "failed")
    assert len(lakefile().calls) == called
    assert tree(lake) == before
    error = made[0].error or {}
    assert (error["code"], error["exit_code"]) == ("source-check-failed", 5)
    assert error["message"] == "orders: check `accepted_values(status)` failed; nothing is made of it"
    assert error["details"] == ["status is 'lost' in 1 of 6 rows"]
    assert error["context"] == {"checks": ["accepted_values(status)"], "source": "orders"}
    assert [(check["name"], check["source"], check["passed"]) for check in made[0].checks] == [
        ("accepted_values(status)", "orders", False),
        ("not_null(id)", "orders", True),
    ]
    (kept,) = [one for one in make(lake, force=True) if one.asset == "kept"]
    assert kept.result == "unchanged"


def test_a_source_is_asked_once_a_run_however_many_read_it(shop: Any) -> None:
    lake = load(shop, MONTHLY, OTHER, COUNTED)
    made = make(lake)
    assert {one.result for one in made} == {"created"}
    assert len(lakefile().calls) == 1
    assert {check["name"] for one in made for check in one.checks} == {"ids"}
    make(lake)
    assert len(lakefile().calls) == 1  # nothing was made
    make(lake, "2018-01", force=True)
    assert len(lakefile().calls) == 2


def test_a_warning_about_a_source_is_recorded_and_blocks_nothing(shop: Any) -> None:
    lake = load(shop, MONTHLY, source=', checks=[row_count(max=3, severity="warn")]')
    made = make(lake)
    assert {one.result for one in made} == {"created"}
    assert [(check["source"], check["passed"], check["message"]) for check in made[0].checks] == [
        ("orders", False, "4 rows, and not at most 3")
    ]


def test_a_malformed_source_is_malformed_whatever_its_checks_would_say(shop: Any) -> None:
    shop.write("orders.csv", OLD + "x,2018-01-01,paid\n")
    lake = load(shop, MONTHLY, source=SOUND)
    made = make(lake)
    assert {(one.error or {})["code"] for one in made} == {"source-malformed"}


def test_of_hive_folders_only_what_reads_the_key_that_fails_is_blocked(shop: Any) -> None:
    for day, status in (("2018-01-01", "paid"), ("2018-01-02", "lost"), ("2018-02-01", "paid")):
        folder = shop.folder / "events" / f"day={day}"
        folder.mkdir(parents=True)
        pl.DataFrame({"status": [status]}).write_parquet(folder / "1.parquet")
    text = """
lake.source("events", "events", partitions=Daily("2018-01-01", end="2018-03-01", column="day"),
            checks=[accepted_values("status", ["paid"])])

@lake.asset(partitions=Monthly("2018-01", end="2018-03"))
def months(events):
    return events.group_by("partition_date").agg(n=pl.len().cast(pl.Int64))
"""
    lake = load(shop, text)
    made = make(lake)
    assert results(made) == {"2018-01": "failed", "2018-02": "created"}
    error = made[0].error or {}
    assert error["message"].startswith("events 2018-01-02: check `accepted_values(status)` failed")
    assert error["context"]["key"] == "2018-01-02"
    assert (made[0].checks[0]["key"], made[0].checks[0]["metadata"]) == ("2018-01-02", {})


def test_the_rows_of_a_function_are_checked(shop: Any) -> None:
    text = """
@lake.source(version="1", checks=[unique("day")])
def rates():
    return pl.LazyFrame({"day": ["a", "a"]})

@lake.asset
def copied(rates):
    return rates
"""
    (made,) = make(load(shop, text))
    assert (made.error or {})["message"] == "rates: check `unique(day)` failed; nothing is made of it"


# Matching an upstream


def matched(shop: Any, check: str, asset: str = MONTHLY) -> dict[str, str]:
    """By key, what a check said; empty where it passed."""
    lake = load(shop, asset.replace('"2018-04")', f'"2018-04"), checks=[{check}]'))
    made = make(lake, force=True)
    assert all((one.result == "blocked") != one.checks[0]["passed"] for one in made)
    return {one.key: one.checks[0]["message"] for one in made}


PASSED = dict.fromkeys(("2018-01", "2018-02", "2018-03"), "")


def test_a_partition_adds_up_to_the_rows_that_it_was_made_of(shop: Any) -> None:
    """January has two orders, February and March one each."""
    assert matched(shop, 'matches("orders", pl.sum("orders"))') == PASSED
    assert matched(shop, 'matches("orders")') == {
        **PASSED,
        "2018-01": "it has 1 row, and orders has 2 rows",
    }
    more = matched(shop, 'matches("orders", pl.sum("orders"), pl.len() + 1)')
    assert more["2018-02"] == 'col("orders").sum() is 1, and [(len()) + (dyn int: 1)] of orders is 2'


def test_the_upstream_is_asked_once_for_all_keys_of_a_batch(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    collect_all = pl.collect_all

    def counted(queries: Any, **options: Any) -> Any:
        if sys._getframe(1).f_globals["__name__"] == "lakehouse.checks.reconciling":
            asked.append(len(queries))
        return collect_all(queries, **options)

    monkeypatch.setattr(pl, "collect_all", counted)
    assert matched(shop, 'matches("orders", pl.sum("orders"))') == PASSED
    assert asked == [2]  # the figures of all keys, and what they are without rows


def test_a_key_without_upstream_rows_adds_up_to_nothing(shop: Any) -> None:
    asset = MONTHLY.replace("2018-04", "2018-05")
    lake = load(shop, asset.replace('"2018-05")', '"2018-05"), checks=[matches("orders", pl.sum("orders"))]'))
    assert {one.result for one in make(lake)} == {"created"}


def test_figures_may_have_to_match_for_each_value(shop: Any) -> None:
    check = 'matches("orders", pl.sum("orders"), on="status")'
    assert matched(shop, check) == PASSED
    dropped = MONTHLY.replace("orders.group_by", 'orders.filter(pl.col("status") != "open").group_by')
    lake = load(shop, dropped.replace('"2018-04")', f'"2018-04"), checks=[{check}]'))
    shop.write("orders.csv", NEW)
    made = {one.key: one for one in make(lake)}
    assert {key: one.result for key, one in made.items()} == {
        "2018-01": "blocked",
        "2018-02": "replaced",
        "2018-03": "blocked",
    }
    verdict = made["2018-01"].checks[0]
    assert verdict["message"] == "1 of 2 values of status differ from orders"
    assert verdict["metadata"] == {"failing": 1, "of": 2, "rows": [{"status": "open", "here": None, "orders": 1}]}


def test_floats_match_to_their_ninth_figure(shop: Any) -> None:
    made = MONTHLY.replace("orders=pl.len().cast(pl.Int64)", "orders=pl.len() * {}")
    sums = 'matches("orders", pl.sum("orders"), pl.len() * 1.0)'
    assert matched(shop, sums, made.format("1.0000000001")) == PASSED
    assert all(matched(shop, sums, made.format("1.00000001")).values())


AROUND = """
@lake.asset(partitions=Monthly("2018-01", end="2018-04"), upstream={"orders": Periods(-1, 0)})
def around(orders):
    return orders.select("partition_date", "id")
"""
EVERY = """
@lake.asset(partitions=Monthly("2018-01", end="2018-04"), upstream={"orders": All()})
def every(orders, partition):
    return orders.select("id")
"""
QUERIED = """
lake.sql("queried", "select partition_date, id from orders", partitions=Monthly("2018-01", end="2018-04"))
"""


@pytest.mark.parametrize(
    ("asset", "check"),
    [
        (AROUND, 'matches("orders", on="id")'),  # this window and the one before
        (EVERY, 'matches("orders")'),  # all rows, for each key
        (QUERIED, 'matches("orders", on=["id", "partition_date"])'),
    ],
)
def test_the_upstream_s_rows_are_those_that_the_function_is_given(shop: Any, asset: str, check: str) -> None:
    assert matched(shop, check, asset) == PASSED


def test_rows_of_an_asset_are_matched_by_key(shop: Any) -> None:
    text = (
        MONTHLY
        + """
@lake.asset(partitions=Monthly("2018-01", end="2018-04"), checks=[matches("monthly", pl.sum("n"), pl.sum("orders"))])
def totals(monthly):
    is_march = pl.col("partition_date").first() == "2018-03"
    return monthly.group_by("partition_date").agg(n=pl.col("orders").sum() + is_march)
"""
    )
    made = [one for one in make(load(shop, text)) if one.asset == "totals"]
    assert {one.key: one.checks[0]["message"] for one in made} == {
        **PASSED,
        "2018-03": 'col("n").sum() is 2, and col("orders").sum() of monthly is 1',
    }


@pytest.mark.parametrize(
    ("check", "message"),
    [
        ('matches("orders", pl.col("orders"))', 'compares col("orders"), which is not one value: aggregate it'),
        ('matches("orders", None, pl.col("id"))', 'compares col("id"), which is not one value: aggregate it'),
        ('matches("orders", None, pl.sum("zz"))', 'raised ColumnNotFoundError: unable to find column "zz"'),
        ('matches("orders", pl.sum("zz"))', 'raised ColumnNotFoundError: unable to find column "zz"'),
        ('matches("orders", on="orders")', 'raised ColumnNotFoundError: unable to find column "orders"'),
        ('matches("orders", on="zz")', "names 'zz', which is no column"),
    ],
)
def test_figures_that_cannot_be_told_are_a_fault_of_the_check(shop: Any, check: str, message: str) -> None:
    found = matched(shop, check)
    assert all(one.startswith(message) for one in found.values()), found


# What is published


def findings(lake: Lake) -> list[tuple[str, str, str]]:
    return [(one.subject, one.severity, one.message) for one in lake.validate(deep=True) if one.severity != "ok"]


def test_validate_asks_the_checks_of_what_is_published(shop: Any) -> None:
    """A line a partition and check, of the versions that the log names; and those of sources."""
    shop.write("orders.csv", NEW)
    make(load(shop, MONTHLY))
    many = '@lake.check("monthly", severity="warn")\ndef many(frame, partition):\n    return pl.col("orders") < 2\n'
    lake = load(shop, MONTHLY, KNOWN, many, source=SOUND)
    before = tree(lake)
    assert findings(lake) == [
        ("orders", "error", "check `accepted_values(status)` failed: status is 'lost' in 1 of 6 rows"),
        ("monthly", "warning", "2018-01: check `many` failed: orders is 2 in 1 of 2 rows"),
        ("monthly", "error", "2018-02: check `known` failed: status is 'lost' in 1 of 2 rows"),
    ]
    assert tree(lake) == before
    assert [one.severity for one in lake.validate()] == ["ok", "ok"]


def test_only_what_is_fresh_is_held_against_its_upstream(shop: Any) -> None:
    """Of a partition that is stale, the upstream no longer has the rows that it was made of."""
    lake = load(shop, MONTHLY.replace('"2018-04")', '"2018-04"), checks=[matches("orders", pl.sum("orders"))]'))
    make(lake)
    assert findings(lake) == []
    shop.write("orders.csv", NEW)
    assert findings(lake) == []


def test_validate_finds_a_ready_made_check_of_a_column_that_is_not_there(shop: Any) -> None:
    lake = load(shop, MONTHLY.replace('"2018-04")', '"2018-04"), checks=[not_null("state")]'))
    (found,) = [one for one in lake.validate() if one.severity == "error"]
    assert found.message.startswith(
        "monthly: check `not_null(state)` names 'state', which is no column (lakefile.py:"
    )
    assert found.error is not None
    assert found.error.exit_code == 2


def test_a_published_file_that_is_gone_is_a_finding_and_the_others_are_asked(shop: Any) -> None:
    lake = load(shop)
    make(lake)
    version = lake.survey().fold("monthly").key("2018-01").version
    assert version is not None
    (lake.root / version.path).unlink()
    assert findings(lake) == [("monthly", "error", "monthly 2018-01: its file is missing")]
