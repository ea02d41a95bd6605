"""The commands that take care of a lake: what they print, ask and answer with, to the letter."""

from __future__ import annotations

import io
import shutil
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from care import everything, flip

LAKE = "data/lake"
MONTHS = "2018-01..2018-04"
DOWNSTREAM = '''

@lake.asset(partitions=Monthly("2018-01", end="2018-05"))
def busiest(monthly_orders: pl.LazyFrame) -> pl.LazyFrame:
    """The most frequent status of each month."""
    return monthly_orders.group_by("partition_date").agg(order_num=pl.col("order_num").max())


@lake.asset()
def total(busiest: pl.LazyFrame) -> pl.LazyFrame:
    """All of it."""
    return busiest.select(pl.col("order_num").sum())
'''


@pytest.fixture
def shop(cli: Any) -> Any:
    """Four months, of which February was made twice."""
    from commandline import ORDERS

    cli("materialize", MONTHS)
    cli.now += timedelta(minutes=5)
    cli.orders(ORDERS | {"2018-02": {"completed": 27}}, age=timedelta(hours=2))
    assert cli("materialize", MONTHS, "-q").code == 0
    return cli


def file(cli: Any, month: str = "2018-02") -> Path:
    return Path(cli.folder / LAKE / f"monthly_orders/partition_date={month}/part.parquet")


def current(cli: Any, month: str) -> Path:
    """The version that is a link of a partition's file."""
    folder = cli.folder / LAKE / f".lake/versions/monthly_orders/partition_date={month}"
    (found,) = (path for path in folder.iterdir() if path.samefile(file(cli, month)))
    return Path(found)


class Terminal(io.StringIO):
    """A terminal at which somebody types."""

    def isatty(self) -> bool:
        return True


def at_a_terminal(cli: Any, monkeypatch: pytest.MonkeyPatch, typed: str, *args: str) -> Any:
    with monkeypatch.context() as patch:
        patch.setattr(sys, "stdin", Terminal(typed))
        patch.setattr(sys.stderr, "isatty", lambda: True)
        return cli(*args)


# verify


def test_a_lake_that_is_whole_is_one_line_and_quietly_none(shop: Any) -> None:
    before = everything(shop.folder / LAKE)
    done = shop("verify")
    assert (done.code, done.err) == (0, "")
    quiet = shop("verify", "-q")
    assert (quiet.code, quiet.out, quiet.err) == (0, "", "")
    assert everything(shop.folder / LAKE) == before
    shop.golden("verify", done)


def damage(cli: Any) -> None:
    """One of each kind that `--repair` mends, and two that it does not."""
    file(cli, "2018-01").unlink()
    file(cli, "2018-02").unlink()
    file(cli, "2018-02").write_bytes(b"mine")
    flip(file(cli, "2018-03"))
    cli.write("", f"{LAKE}/monthly_orders/_SUCCESS")


def test_damage_is_shown_with_what_to_do_and_ends_with_3(shop: Any) -> None:
    damage(shop)
    dry, done = shop("verify", "-n"), shop("verify")
    assert (dry.code, done.code) == (3, 3)
    shop.golden("verify-damaged", done)
    assert "marked as damaged" not in dry.out
    assert "its bytes are damaged" in shop("status").out


def test_a_repair_says_what_it_did_and_what_is_left_to_do(shop: Any) -> None:
    damage(shop)
    would, done = shop("verify", "--repair", "-n"), shop("verify", "--repair")
    assert (would.code, done.code) == (3, 3)
    assert "would be repaired" in would.out
    shop.golden("verify-repair", done)
    assert shop("materialize", "--stale", "-q").code == 0
    (shop.folder / LAKE / "monthly_orders/_SUCCESS").unlink()
    assert shop("verify").code == 0


def test_faults_that_are_alike_are_shown_together(shop: Any) -> None:
    shutil.rmtree(shop.folder / LAKE / "monthly_orders")
    cli_files = [shop(*words) for words in (["verify"], ["verify", "--repair"], ["verify"])]
    assert [done.code for done in cli_files] == [3, 0, 0]
    shop.golden("verify-many", *cli_files)
    shutil.rmtree(shop.folder / LAKE / ".lake")
    lost = shop("verify")
    assert lost.code == 3
    assert "help: record them: lake adopt monthly_orders all" in lost.out


def test_a_damaged_log_is_named_with_its_commit(shop: Any) -> None:
    flip(shop.folder / LAKE / ".lake/log/monthly_orders/00000001.json", 0)
    done = shop("verify")
    assert done.code == 3
    shop.golden("verify-log", done)


def test_leftovers_are_a_note(shop: Any) -> None:
    folder = shop.folder / LAKE / ".lake/staging/20180101T000000-0123abcd"
    folder.mkdir()
    (folder / "part-1").write_bytes(b"12345")
    done = shop("verify")
    assert done.code == 0
    assert "note: 1 leftover, 5 B, no damage: lake clean" in done.err


def test_verify_for_machines(shop: Any) -> None:
    damage(shop)
    told = shop("verify", "--json").json
    assert {name: told[name] for name in ("ok", "exit_code", "commits", "versions", "error")} == {
        "ok": False, "exit_code": 3, "commits": 2, "versions": 5, "error": None,
    }  # fmt: skip
    assert [(fault["kind"], fault["key"], fault["damage"], fault["mendable"]) for fault in told["faults"]] == [
        ("file-missing", "2018-01", True, True),
        ("file-replaced", "2018-02", True, True),
        ("version-damaged", "2018-03", True, False),
        ("foreign", None, True, False),
    ]
    assert shop("verify", "--repair", "--json").json["faults"][0]["done"] == "linked again"


def test_an_asset_that_there_is_not_is_no_lake_to_verify(shop: Any) -> None:
    done = shop("verify", "monthly_order")
    assert done.code == 2
    assert "did you mean 'monthly_orders'?" in done.err


# clean


def test_cleaning_says_what_it_removed_and_asks_before_it_shortens_a_grace(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from commandline import ORDERS

    shop.orders(ORDERS | {"2018-02": {"completed": 28}}, age=timedelta(hours=1))
    shop("materialize", MONTHS, "-q")
    nothing = shop("clean")
    assert nothing.out == "nothing to remove\n"
    assert shop("clean", "-q").out == ""
    dry = shop("clean", "--now", "--dry-run")
    refused = shop("clean", "--now")
    assert refused.code == 2
    declined = at_a_terminal(shop, monkeypatch, "n\n", "clean", "--now")
    assert (declined.code, declined.out) == (0, "")
    assert "remove 1 version whose grace is not over? [y/N] nothing was removed" in declined.err
    done = at_a_terminal(shop, monkeypatch, "y\n", "clean", "--now")
    assert done.code == 0
    shop.golden("clean", nothing, dry, refused, shop("clean", "--now", "--yes"))
    assert "✓ removed: 1 item" in done.out


def test_bytes_that_a_snapshot_holds_are_told(shop: Any) -> None:
    shop("snapshot", "before")
    shop.orders({"2018-01": {"placed": 1}, "2018-02": {"placed": 1}}, age=timedelta(hours=1))
    shop("materialize", "2018-02", "-q")
    shop.orders({"2018-01": {"placed": 1}, "2018-02": {"placed": 2}}, age=timedelta(minutes=30))
    shop("materialize", "2018-02", "-q")
    done = shop("clean", "--now", "--yes")
    assert "note: the bytes of 1 version stay, held by a snapshot or another link" in done.err


def test_clean_for_machines(shop: Any) -> None:
    shop.now += timedelta(days=2)
    folder = shop.folder / LAKE / ".lake/staging/20180101T000000-0123abcd"
    folder.mkdir()
    (folder / "part-1").write_bytes(b"12345")
    told = shop("clean", "--json").json
    assert (told["ok"], told["size_bytes"], told["errors"]) == (True, 5, [])
    assert [(item["kind"], item["held"], item["early"]) for item in told["removed"]] == [("run", False, False)]
    flip(shop.folder / LAKE / ".lake/log/monthly_orders/00000001.json", 0)
    broken = shop("clean", "--json")
    assert (broken.code, broken.json["errors"][0]["code"]) == (4, "log-damaged")
    assert "error[log-damaged]" in shop("clean").err


# adopt


def test_files_of_others_are_adopted_or_refused_each_with_its_reason(shop: Any) -> None:
    import polars as pl

    old = shop.folder / "old"
    for month, frame in {
        "2017-12": {"status": ["placed"], "order_num": [1]},
        "2018-05": {"status": ["placed", "shipped"], "order_num": [1, 2]},
        "2018-06": {"status": ["placed"]},
    }.items():
        (old / f"partition_date={month}").mkdir(parents=True)
        pl.DataFrame(frame).write_parquet(old / f"partition_date={month}/0.parquet")
    before = everything(shop.folder / LAKE)
    dry = shop("adopt", "monthly_orders", "all", "--from", "old", "-n")
    assert everything(shop.folder / LAKE) == before
    done = shop("adopt", "monthly_orders", "all", "--from", "old")
    again = shop("adopt", "monthly_orders", "2018-05", "--from", "old")
    assert (dry.code, done.code, again.code) == (1, 1, 0)
    shop.golden("adopt", dry, done, again)
    assert shop("adopt", "monthly_orders", "2018-05", "-q").out == ""
    assert shop("verify").code == 0


def test_a_whole_lake_is_adopted_in_one_line(shop: Any) -> None:
    shutil.rmtree(shop.folder / LAKE / ".lake")
    done = shop("adopt", "monthly_orders", "all")
    assert done.code == 0
    assert shop("status", "monthly_orders", MONTHS, "--check").code == 0
    shop.golden("adopt-lake", done)


def test_adopt_for_machines(shop: Any) -> None:
    file(shop, "2018-05").parent.mkdir()
    shutil.copyfile(file(shop, "2018-01"), file(shop, "2018-05"))
    shop("freeze", "monthly_orders", "2018-05")
    frozen = shop("adopt", "monthly_orders", "2018-05")
    assert (frozen.code, "2018-05  frozen" in frozen.out) == (0, True)
    told = shop("adopt", "monthly_orders", "2018-05", "--force", "--json").json
    assert told["summary"]["replaced"] == 1
    assert [(item["key"], item["row_count"], item["reason"]) for item in told["results"]] == [
        ("2018-05", 3, "adopted")
    ]
    none = shop("adopt", "monthly_orders", "2018-07", "--json")
    assert (none.code, none.json["error"]["code"]) == (2, "nothing-to-adopt")


# wipe


@pytest.fixture
def chain(shop: Any) -> Any:
    """Two assets below the months."""
    from commandline import LAKEFILE

    shop.write(LAKEFILE + DOWNSTREAM)
    assert shop("materialize", MONTHS, "-a", "busiest", "-q").code == 0
    assert shop("materialize", "-a", "total", "--no-upstream", "-q").code == 0
    return shop


def test_what_goes_and_what_turns_stale_is_shown_before_anything_is_deleted(
    chain: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = everything(chain.folder / LAKE)
    dry = chain("wipe", "monthly_orders", "2018-01..2018-02", "-n")
    unasked = chain("wipe", "monthly_orders", "2018-01..2018-02")
    declined = at_a_terminal(chain, monkeypatch, "\n", "wipe", "monthly_orders", "2018-02")
    assert (dry.code, unasked.code, declined.code) == (0, 2, 0)
    assert "delete 1 partition of monthly_orders for good? [y/N] nothing was deleted" in declined.err
    assert everything(chain.folder / LAKE) == before
    done = chain("wipe", "monthly_orders", "2018-01..2018-02", "--yes")
    assert done.code == 0
    chain.golden("wipe", dry, unasked, done)
    assert not file(chain).parent.exists()
    assert chain("verify").code == 0
    status = chain("status", "busiest", "2018-01..2018-03").out
    assert "◐ 2018-02  upstream monthly_orders 2018-02 is not fresh" in status


def test_at_a_terminal_whoever_agrees_is_obeyed(chain: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    done = at_a_terminal(chain, monkeypatch, "y\n", "wipe", "monthly_orders", "2018-02")
    assert "✓ deleted: 1 partition" in done.out
    assert not file(chain).exists()


def test_wipe_for_machines(chain: Any) -> None:
    told = chain("wipe", "monthly_orders", "2018-02", "--yes", "--json").json
    assert told["stale"] == {"busiest": ["2018-02"], "total": ["all"]}
    assert [(item["key"], item["row_count"], item["versions"]) for item in told["results"]] == [("2018-02", 1, 2)]
    gone = chain("wipe", "monthly_orders", "2018-02", "--yes", "--json")
    assert (gone.code, gone.json["error"]["code"]) == (2, "partition-missing")


def test_an_asset_that_is_no_longer_declared_can_be_wiped(shop: Any) -> None:
    from commandline import LAKEFILE

    shop.write(LAKEFILE.replace("def monthly_orders", "def months"))
    assert "note: monthly_orders: is not declared" in shop("verify").err
    done = shop("wipe", "monthly_orders", "all", "--yes")
    assert done.code == 0
    assert "next:" not in done.out
    assert shop("verify").err == ""


# freeze, unfreeze, rollback


def test_partitions_are_frozen_and_unfrozen(shop: Any) -> None:
    runs = [
        shop(command, "monthly_orders", "2018-01..2018-02", *flags)
        for command, *flags in (["freeze", "-n"], ["freeze"], ["freeze"], ["unfreeze", "-n"], ["unfreeze"])
    ]
    assert [done.code for done in runs] == [0] * 5
    shop.golden("freeze", *runs, shop("unfreeze", "monthly_orders", "2018-02"))
    assert shop("freeze", "monthly_orders", "2018-02", "--json").json["keys"] == ["2018-02"]
    assert shop("unfreeze", "monthly_orders", "all", "-q", "--json").json["keys"] == ["2018-02"]


def test_an_earlier_version_is_published_again_and_frozen(chain: Any) -> None:
    dry = chain("rollback", "monthly_orders", "2018-02", "-n")
    done = chain("rollback", "monthly_orders", "2018-02")
    assert (dry.code, done.code) == (0, 0)
    chain.golden("rollback", dry, done, chain("rollback", "monthly_orders", "2018-02", "--to", "1"))
    assert chain("status", "busiest", "2018-02", "--check").code == 3
    back = chain("rollback", "monthly_orders", "2018-02", "--to", "2", "--json").json
    assert back["stale"] == {"busiest": ["2018-02"], "total": ["all"]}
    assert [(item["row_count"], item["before"]["row_count"]) for item in back["results"]] == [(1, 2)]


def test_somebody_who_watches_sees_how_far_it_is(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lakehouse.cli.reading._DELAY", 0)
    monkeypatch.setenv("TERM", "xterm")
    done = at_a_terminal(shop, monkeypatch, "", "verify")
    assert done.code == 0
    assert "verify" in done.err
    assert done.out.count("\n") == 1
    assert at_a_terminal(shop, monkeypatch, "", "verify", "-q").err == ""


def test_many_refusals_and_many_partitions_fit_one_screen(shop: Any) -> None:
    import polars as pl

    for number in range(13):
        folder = shop.folder / f"old/partition_date=2019-{1 + number % 12:02}"
        folder = folder if number < 12 else shop.folder / "old/partition_date=2020-01"
        folder.mkdir(parents=True)
        columns = {"status": ["placed"], "order_num": [1]} if number < 6 else {"status": ["placed"]}
        pl.DataFrame(columns).write_parquet(folder / "0.parquet")
    done = shop("adopt", "monthly_orders", "all", "--from", "old")
    assert done.code == 1
    assert "  adopted: 2019-01..2019-06\n  refused: 2019-07..2020-01\n" in done.out
    assert done.err.count("error[") == 5
    assert "… and 2 more: --json shows all" in done.err


def test_many_faults_fit_one_screen(shop: Any) -> None:
    for number in range(14):
        shop.write("", f"{LAKE}/monthly_orders/notes{number}.txt")
    done = shop("verify")
    assert done.out.count("✗ foreign") == 10
    assert "… and 4 more (all of them: --json)" in done.out


def test_an_asset_that_is_no_longer_declared_is_verified_by_its_log(shop: Any) -> None:
    from commandline import LAKEFILE

    shop.write(LAKEFILE.replace("def monthly_orders", "def months"))
    shutil.rmtree(shop.folder / LAKE / "monthly_orders")
    done = shop("verify", "--repair", "-n")
    assert "✗ file-missing   monthly_orders   4 partitions: 2018-01, 2018-02, 2018-03, 2018-04" in done.out
