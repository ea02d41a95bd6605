"""An earlier version published again: what was there is there, nothing is copied, and it stays."""

from __future__ import annotations

import os
from pathlib import Path

import polars as pl
import pytest
from conftest import Shop

from lakehouse.errors import AuditError, LakeError, RequestError


@pytest.fixture
def twice(shop: Shop) -> Shop:
    """January made of the old orders, then of the new ones."""
    shop.make("2018-01..2018-03")
    shop.write(Shop.NEW)
    shop.make("2018-01..2018-03")
    return shop


def test_a_rollback_shows_the_version_before_to_every_reader_and_copies_nothing(twice: Shop) -> None:
    assert twice.rows() == Shop.NEW_ROWS["2018-01"]
    files = twice.versions()
    (record,) = twice.lake.rollback("monthly_orders", "2018-01")
    assert record.result == "replaced"
    assert record.reason == "rolled back to commit 1 (2026-11-20T09:00Z)"
    assert twice.rows() == twice.published() == Shop.OLD_ROWS["2018-01"]
    assert twice.versions() == files == twice.named()
    assert twice.file().samefile(twice.root / record.version.path)
    assert twice.staging() == []


def test_a_rollback_is_one_commit_and_the_one_before_stays_readable(twice: Shop) -> None:
    before = twice.commits()
    twice.lake.rollback("monthly_orders", "2018-01")
    assert twice.commits() == before + 1
    then = twice.lake.scan("monthly_orders", "2018-01", as_of=before)
    assert dict(then.select("status", "order_num").collect().iter_rows()) == Shop.NEW_ROWS["2018-01"]


def test_a_key_that_was_rolled_back_is_frozen_until_it_is_unfrozen(twice: Shop) -> None:
    twice.lake.rollback("monthly_orders", "2018-01")
    assert twice.state() == ("stale", "stale: orders.csv changed just now (frozen)")
    calls = len(twice.calls)
    (result,) = twice.lake.materialize("2018-01")
    assert (result.result, result.error and result.error["code"]) == ("skipped", "frozen")
    assert len(twice.calls) == calls, "nothing was written"
    assert twice.rows() == Shop.OLD_ROWS["2018-01"]
    assert twice.lake.unfreeze("monthly_orders", "2018-01") == ["2018-01"]
    assert twice.state()[0] == "stale"
    assert twice.make() == ["replaced"]
    assert twice.rows() == Shop.NEW_ROWS["2018-01"]


def test_force_makes_a_key_that_was_rolled_back_and_thaws_it(twice: Shop) -> None:
    twice.lake.rollback("monthly_orders", "2018-01")
    assert twice.make(force=True) == ["replaced"]
    assert twice.state() == ("fresh", "fresh")


def test_a_version_made_of_what_there_is_now_is_fresh_when_it_comes_back(twice: Shop) -> None:
    twice.lake.rollback("monthly_orders", "2018-01")
    twice.write(Shop.OLD)
    assert twice.state() == ("fresh", "fresh (frozen)")


def test_a_second_rollback_brings_back_what_the_first_took_away(twice: Shop) -> None:
    twice.lake.rollback("monthly_orders", "2018-01")
    twice.lake.rollback("monthly_orders", "2018-01")
    assert twice.rows() == twice.published() == Shop.NEW_ROWS["2018-01"]


@pytest.mark.parametrize("to", [1, "1", "2026-11-20T09:00:00Z"])
def test_a_version_is_named_by_its_commit_or_by_a_moment(twice: Shop, to: int | str) -> None:
    (record,) = twice.lake.rollback("monthly_orders", "2018-01", to=to)
    assert record.row_count == 2
    assert twice.rows() == Shop.OLD_ROWS["2018-01"]


def test_what_is_current_is_no_earlier_version(twice: Shop) -> None:
    with pytest.raises(RequestError, match="commit 2 brought the version that it has now"):
        twice.lake.rollback("monthly_orders", "2018-01", to=2)


def test_of_what_has_no_earlier_version_nothing_is_rolled_back_not_even_the_others(twice: Shop) -> None:
    commits = twice.commits()
    with pytest.raises(RequestError, match="2018-02 has no earlier version"):
        twice.lake.rollback("monthly_orders", "2018-01..2018-02")
    assert twice.commits() == commits
    assert twice.rows() == Shop.NEW_ROWS["2018-01"]


def test_a_version_that_was_let_go_is_not_rolled_back_to(tmp_path: Path) -> None:
    shop = Shop(tmp_path, keep_versions=0, grace="0s")
    shop.write(Shop.OLD)
    shop.make()
    shop.write(Shop.NEW)
    shop.make()
    with pytest.raises(RequestError) as refused:
        shop.lake.rollback("monthly_orders", "2018-01", to=1)
    assert refused.value.code == "version-gone"
    assert "keep_versions" in str(refused.value.help)


def test_a_damaged_version_is_not_published_again(twice: Shop) -> None:
    old = next(path for path in twice.named() if not twice.file().samefile(twice.root / path)
               and "2018-01" in path)  # fmt: skip
    file = twice.root / old
    file.chmod(0o644)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(AuditError, match="the version of commit 1 is damaged"):
        twice.lake.rollback("monthly_orders", "2018-01")
    assert twice.rows() == Shop.NEW_ROWS["2018-01"]


def test_a_version_of_another_contract_is_not_published_again(shop: Shop) -> None:
    shop.make()
    wider = Shop(shop.folder, version="2", result=lambda rows: rows.with_columns(one=pl.lit(1)))
    wider.make(allow_schema_change=True)
    with pytest.raises(AuditError, match="the schema would change"):
        wider.lake.rollback("monthly_orders", "2018-01")


def test_a_file_that_somebody_else_put_there_is_left_alone(twice: Shop) -> None:
    twice.file().unlink()
    twice.file().write_bytes(b"mine")
    with pytest.raises(AuditError, match="put there by somebody else"):
        twice.lake.rollback("monthly_orders", "2018-01")
    assert twice.file().read_bytes() == b"mine"


def test_a_dry_run_tells_the_same_and_writes_nothing(twice: Shop) -> None:
    twice.calls.clear()
    (told,) = twice.lake.rollback("monthly_orders", "2018-01", dry_run=True)
    assert twice.calls == []
    (done,) = twice.lake.rollback("monthly_orders", "2018-01")
    assert (told.version, told.reason, told.result) == (done.version, done.reason, done.result)


def test_rolling_back_over_and_over_keeps_what_retention_says(twice: Shop) -> None:
    for _ in range(4):
        twice.lake.rollback("monthly_orders", "2018-01")
    assert twice.versions() == twice.named()
    assert len([path for path in twice.versions() if "2018-01" in path]) == 2


def test_killed_before_any_call_it_is_rolled_back_or_not_and_the_next_run_finishes(
    twice: Shop, tmp_path_factory: pytest.TempPathFactory
) -> None:
    import shutil

    number, killed = 0, True
    while killed:
        place = tmp_path_factory.mktemp("place")
        shutil.copytree(twice.folder, place, copy_function=os.link, dirs_exist_ok=True)
        shop, calls = Shop(place), iter(range(number))

        def hook(_name: str, _path: Path, calls: object = calls) -> None:
            if next(calls, None) is None:  # type: ignore[call-overload]
                raise KeyboardInterrupt

        shop.lake._on_call = hook
        try:
            shop.lake.rollback("monthly_orders", "2018-01")
            killed = False
        except KeyboardInterrupt:
            pass
        again = Shop(place)
        assert again.rows() in (Shop.OLD_ROWS["2018-01"], Shop.NEW_ROWS["2018-01"])
        is_committed = again.lake.survey().fold("monthly_orders").key("2018-01").is_frozen
        assert is_committed or killed
        again.make("2018-01")
        wanted = Shop.OLD_ROWS if is_committed else Shop.NEW_ROWS
        assert again.rows() == again.published() == wanted["2018-01"]
        assert again.versions() == again.named()
        assert again.staging() == []
        number += 1
    assert number > 8


def test_a_commit_of_another_run_in_between_is_seen(twice: Shop) -> None:
    """The other run makes January anew; with one superseded version kept, the one asked for is still there."""
    other = twice.again()
    fired = []

    def hook(name: str, path: Path) -> None:
        if name == "link" and path.name.endswith(".json") and not fired:
            fired.append(path)
            other.write(Shop.NEW + "7,2018-01-31,placed\n")
            other.make()

    twice.lake._on_call = hook
    twice.lake.rollback("monthly_orders", "2018-01", to=1)
    assert fired
    assert twice.rows() == twice.published() == Shop.OLD_ROWS["2018-01"]
    assert twice.versions() == twice.named()


def test_what_reads_a_rolled_back_partition_turns_stale(shop: Shop) -> None:
    @shop.lake.asset()
    def totals(monthly_orders: pl.LazyFrame) -> pl.LazyFrame:
        return monthly_orders.select(orders=pl.col("order_num").sum())

    shop.lake.materialize("all", assets=["totals"])
    shop.write(Shop.NEW)
    shop.lake.materialize("all", assets=["totals"])
    shop.lake.rollback("monthly_orders", "2018-01")
    (status,) = shop.lake.status(assets=["totals"])
    assert status.partitions[0].reason == "stale: upstream monthly_orders 2018-01 changed"
    shop.lake.materialize("all", assets=["totals"])
    assert shop.lake.scan("totals").collect().item() == 5
    assert shop.lake.status(assets=["totals"])[0].counts == {"fresh": 1}


def test_errors_name_what_there_is(shop: Shop) -> None:
    with pytest.raises(LakeError, match="has no data"):
        shop.lake.rollback("monthly_orders", "2018-01")


def test_of_a_moment_at_which_there_was_nothing_nothing_is_rolled_back(twice: Shop) -> None:
    twice.lake.freeze("monthly_orders", "2018-04")
    with pytest.raises(RequestError, match="2018-02 had no data at commit 0"):
        twice.lake.rollback("monthly_orders", "2018-02", to="2018-01-01T00:00:00Z")
    twice.lake.wipe("monthly_orders", "2018-02")
    twice.make("2018-02")
    wiped = twice.commits() - 1
    with pytest.raises(RequestError, match=f"2018-02 had no data at commit {wiped}"):
        twice.lake.rollback("monthly_orders", "2018-02", to=wiped)


def test_versions_of_two_codes_are_two_commits_each_with_its_own_code(shop: Shop) -> None:
    shop.make("2018-01")
    later = Shop(shop.folder, version="2")
    later.make("2018-02")
    later.write(Shop.NEW + "9,2018-02-11,placed\n")
    later.make("2018-01..2018-02")
    assert later.commits() == 3
    later.lake.rollback("monthly_orders", "2018-01..2018-02")
    assert later.commits() == 5
    assert later.rows() == Shop.OLD_ROWS["2018-01"]
    assert later.rows("2018-02") == Shop.OLD_ROWS["2018-02"]
    assert later.state("2018-01")[1] == (
        "stale: code changed: monthly_orders, closure result, version; orders.csv changed just now (frozen)"
    )
    assert later.state("2018-02")[1] == "stale: orders.csv changed just now (frozen)"


def test_a_version_that_fails_todays_checks_is_not_published_again(shop: Shop) -> None:
    shop.make()
    shop.write(Shop.OLD.replace("returned", "placed"))
    shop.make()

    @shop.lake.check("monthly_orders")
    def nothing_returned(frame: pl.LazyFrame) -> pl.Expr:  # noqa: ARG001  the rule is about each row
        return pl.col("status") != "returned"

    with pytest.raises(AuditError, match="2018-01: check `nothing_returned` failed; nothing published"):
        shop.lake.rollback("monthly_orders", "2018-01")
    assert shop.rows() == {"completed": 2, "placed": 1}


def test_a_rollback_records_what_todays_checks_say(twice: Shop) -> None:
    @twice.lake.check("monthly_orders", severity="warn")
    def few(frame: pl.LazyFrame) -> bool:
        return frame.collect().height < 2

    (record,) = twice.lake.rollback("monthly_orders", "2018-01")
    assert [(check["name"], check["passed"]) for check in record.checks] == [("few", False)]
