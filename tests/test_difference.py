"""What is other between two versions: each row and column accounted for, once, and none that is the same."""

from __future__ import annotations

import errno
import math
import os
from collections import Counter
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse import Lake, Monthly, RequestError, StorageError, unique
from lakehouse.past import difference
from lakehouse.past.difference import Changed, ColumnChange, RowDifference, compare_rows

if TYPE_CHECKING:
    from conftest import Shop

NAN = math.nan


def compared(folder: Path, old: dict[str, Any], new: dict[str, Any], **options: Any) -> RowDifference:
    """Two frames, each through a file."""
    for name, content in (("old", old), ("new", new)):
        pl.DataFrame(content).write_parquet(folder / name)
    return compare_rows(folder / "old", folder / "new", **options)


# Whole rows


def test_rows_are_a_multiset_of_which_each_copy_counts(tmp_path: Path) -> None:
    found = compared(tmp_path, {"n": [1, 1, 1, 2, 3]}, {"n": [3, 1, 2, 2, 2, 4]})
    assert (found.added.count, found.removed.count, found.changed) == (3, 2, 0)
    assert found.added.first == ({"n": 2}, {"n": 2}, {"n": 4})
    assert found.removed.first == ({"n": 1}, {"n": 1})
    assert not found.is_same


def test_the_order_of_rows_is_no_difference(tmp_path: Path) -> None:
    found = compared(tmp_path, {"n": [1, 2, 3]}, {"n": [3, 1, 2]})
    assert found.is_same
    assert (found.added.first, found.removed.first) == ((), ())


def test_nulls_and_nans_are_like_themselves_and_floats_are_exact(tmp_path: Path) -> None:
    old = {"f": [None, NAN, 0.1, -0.0], "s": [None, "a", "b", ""]}
    new = {"f": [-0.0, None, NAN, 0.1 + 2**-56], "s": ["", None, "a", "b"]}
    found = compared(tmp_path, old, new)
    assert found.added.first == ({"f": 0.1 + 2**-56, "s": "b"},)
    assert found.removed.first == ({"f": 0.1, "s": "b"},)


def test_lists_structs_decimals_times_and_bytes_are_compared_by_their_values(tmp_path: Path) -> None:
    rows = {
        "l": [[1, None], [], None, [2]],
        "s": [{"x": NAN, "y": "a"}, None, {"x": None, "y": None}, {"x": 1.0, "y": "b"}],
        "d": [Decimal("1.10"), None, Decimal("2.20"), Decimal("3.30")],
        "t": [datetime(2018, 1, 1, tzinfo=UTC), None, datetime(2018, 1, 2, tzinfo=UTC), None],
        "b": [b"\x00", b"", None, b"\xff"],
    }
    backward = {name: values[::-1] for name, values in rows.items()}
    assert compared(tmp_path, rows, backward).is_same
    other = backward | {"l": [[2, None], *backward["l"][1:]]}
    found = compared(tmp_path, rows, other)
    assert [row["l"] for row in (*found.removed.first, *found.added.first)] == [[2], [2, None]]


def test_the_first_ten_rows_of_each_kind_are_shown_in_order_and_all_are_counted(tmp_path: Path) -> None:
    found = compared(tmp_path, {"n": [*range(50)]}, {"n": [*range(49, 120)][::-1]})
    assert (found.added.count, found.removed.count) == (70, 49)
    assert [row["n"] for row in found.added.first] == [*range(50, 60)]
    assert [row["n"] for row in found.removed.first] == [*range(10)]


def test_a_version_without_rows_is_compared_like_any(tmp_path: Path) -> None:
    empty = {"n": pl.Series([], dtype=pl.Int64)}
    assert compared(tmp_path, empty, {"n": [1, 1]}).added.count == 2
    assert compared(tmp_path, {"n": [1]}, empty).removed.count == 1
    assert compared(tmp_path, empty, empty).is_same


# Columns


def test_columns_that_came_went_or_have_another_type_are_told_and_rows_go_by_the_others(tmp_path: Path) -> None:
    old = {"a": [1, 2], "b": ["x", "y"], "c": [1.5, 2.5]}
    new = {"a": [1, 3], "c": ["1.5", "2.5"], "d": [True, False]}
    found = compared(tmp_path, old, new)
    assert found.columns == (
        ColumnChange(name="c", old="f64", new="str"),
        ColumnChange(name="d", old=None, new="bool"),
        ColumnChange(name="b", old="str", new=None),
    )
    assert (found.added.first, found.removed.first) == (({"a": 3},), ({"a": 2},))
    assert not found.is_reordered


def test_columns_in_another_order_are_a_difference_of_its_own(tmp_path: Path) -> None:
    found = compared(tmp_path, {"a": [1], "b": [2]}, {"b": [2], "a": [1]})
    assert found.is_reordered
    assert not found.is_same
    assert (found.added.count, found.removed.count, found.columns) == (0, 0, ())


def test_versions_that_share_no_column_share_no_row(tmp_path: Path) -> None:
    found = compared(tmp_path, {"a": [1, 2]}, {"b": [1, 2, 3]})
    assert (found.added.count, found.removed.count) == (3, 2)
    assert (found.added.first, found.removed.first) == ((), ())


# By key


def test_rows_of_the_same_key_with_other_values_are_changed(tmp_path: Path) -> None:
    old = {"k": [1, 2, 3, None], "v": [10, 20, 30, 40], "w": ["a", "b", "c", "d"]}
    new = {"k": [None, 4, 2, 1], "v": [41, 50, 20, 10], "w": ["d", "e", "B", "a"]}
    found = compared(tmp_path, old, new, by=["k"])
    assert (found.added.first, found.removed.first) == (
        ({"k": 4, "v": 50, "w": "e"},),
        ({"k": 3, "v": 30, "w": "c"},),
    )
    assert found.changed == 2
    assert found.first_changed == (
        Changed(key={"k": None}, columns={"v": (40, 41)}),
        Changed(key={"k": 2}, columns={"w": ("b", "B")}),
    )


def test_of_a_row_that_changed_only_what_is_other_is_told_nans_being_alike(tmp_path: Path) -> None:
    old = {"k": [1], "f": [NAN], "l": [[NAN, 1.0]], "s": [{"x": NAN, "y": 1}], "v": [1]}
    found = compared(tmp_path, old, old | {"v": [2]}, by=["k"])
    assert found.first_changed == (Changed(key={"k": 1}, columns={"v": (1, 2)}),)


def test_a_key_may_have_several_columns(tmp_path: Path) -> None:
    old = {"a": [1, 1, 2], "b": ["x", "y", "x"], "v": [1, 2, 3]}
    new = {"a": [1, 1, 2], "b": ["x", "y", "z"], "v": [1, 5, 3]}
    found = compared(tmp_path, old, new, by=["b", "a"])
    assert found.first_changed == (Changed(key={"b": "y", "a": 1}, columns={"v": (2, 5)}),)
    assert (found.added.count, found.removed.count) == (1, 1)


@pytest.mark.parametrize("twice", ["old", "new"])
def test_columns_in_which_rows_are_alike_are_no_key(tmp_path: Path, twice: str) -> None:
    frames = {"old": {"k": [1, 2], "v": [1, 2]}, "new": {"k": [1, 2], "v": [1, 3]}}
    frames[twice]["k"] = [1, 1]
    with pytest.raises(RequestError) as caught:
        compared(tmp_path, frames["old"], frames["new"], by=["k"])
    assert caught.value.code == "rows-alike"
    assert caught.value.message == "2 rows of one version are alike in k: k=1"


def test_a_key_is_of_columns_that_both_versions_have(tmp_path: Path) -> None:
    with pytest.raises(RequestError) as caught:
        compared(tmp_path, {"k": [1], "v": [1]}, {"k": ["1"], "v": [1]}, by=["k"])
    assert caught.value.code == "column-unknown"
    assert caught.value.help == "they share: v"


# However many rows there are

values = st.one_of(st.none(), st.integers(0, 3))
rows = st.lists(
    st.tuples(values, st.sampled_from([None, NAN, 0.0, 1.5]), st.sampled_from(["", "a", "é"])), max_size=12
)


def framed(found: list[tuple[Any, ...]]) -> pl.DataFrame:
    return pl.DataFrame(found, schema={"a": pl.Int64, "b": pl.Float64, "c": pl.String}, orient="row")


def countable(row: tuple[Any, ...]) -> str:
    return repr(row)


@given(old=rows, new=rows, at_once=st.integers(1, 30))
def test_portions_of_any_size_add_up_to_the_difference_of_multisets(
    tmp_path_factory: pytest.TempPathFactory, old: list[Any], new: list[Any], at_once: int
) -> None:
    folder = tmp_path_factory.mktemp("portions")
    framed(old).write_parquet(folder / "old")
    framed(new).write_parquet(folder / "new")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(difference, "_ROWS_AT_ONCE", at_once)
        found = compare_rows(folder / "old", folder / "new")
    before, after = Counter(map(countable, old)), Counter(map(countable, new))
    assert (found.added.count, found.removed.count) == ((after - before).total(), (before - after).total())
    shown = Counter(countable(tuple(row.values())) for row in found.added.first)
    assert shown <= after - before
    assert shown.total() == min((after - before).total(), 10)
    assert found.is_same == (before == after)


def test_portions_by_key_find_what_one_pass_finds_and_what_another_engine_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = pl.DataFrame({"k": [*range(1000)], "v": [i % 7 for i in range(1000)]})
    new = pl.DataFrame({"k": [*range(300, 1200)], "v": [i % 7 + (i % 10 == 0) for i in range(300, 1200)]})
    old.write_parquet(tmp_path / "old")
    new.write_parquet(tmp_path / "new")
    whole = compare_rows(tmp_path / "old", tmp_path / "new", by=["k"])
    monkeypatch.setattr(difference, "_ROWS_AT_ONCE", 100)
    portions = compare_rows(tmp_path / "old", tmp_path / "new", by=["k"])
    assert portions == whole
    query = """
        select count(*) filter (o.k is null), count(*) filter (n.k is null), count(*) filter (o.v <> n.v)
        from read_parquet(?) as o full join read_parquet(?) as n on o.k = n.k
    """
    with duckdb.connect() as connection:
        counted = connection.execute(query, [str(tmp_path / "old"), str(tmp_path / "new")]).fetchone()
    assert (whole.added.count, whole.removed.count, whole.changed) == counted == (200, 300, 70)


def test_no_portion_holds_more_rows_than_are_taken_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files of 20,000 rows in portions of a thousand: of what is other, no more is held at a time."""
    seen: list[int] = []
    concatenated = pl.concat

    def concat(frames: list[Any], **options: Any) -> Any:
        seen.extend(frame.height for frame in frames if isinstance(frame, pl.DataFrame))
        return concatenated(frames, **options)

    monkeypatch.setattr(difference, "_ROWS_AT_ONCE", 1000)
    monkeypatch.setattr(pl, "concat", concat)
    found = compared(tmp_path, {"n": [*range(10_000)]}, {"n": [*range(10_000, 20_000)]})
    assert (found.added.count, found.removed.count) == (10_000, 10_000)
    assert max(seen) < 1000


# Files


def test_a_file_that_cannot_be_read_is_an_error_of_the_lake(tmp_path: Path) -> None:
    pl.DataFrame({"n": [1]}).write_parquet(tmp_path / "old")
    (tmp_path / "new").write_bytes(b"PAR1 nothing else PAR1")
    with pytest.raises(StorageError) as caught:
        compare_rows(tmp_path / "old", tmp_path / "new")
    assert (caught.value.code, caught.value.exit_code) == ("version-damaged", 4)


def test_a_machine_that_is_at_its_end_is_not_taken_for_damage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))

    monkeypatch.setattr(pl, "scan_parquet", refused)
    with pytest.raises(StorageError) as caught:
        compare_rows(tmp_path / "old", tmp_path / "new")
    assert caught.value.code == "too-many-files"


# Versions of a partition


def test_the_current_version_is_compared_with_the_one_before_it(shop: Shop) -> None:
    shop.make()
    shop.write(shop.NEW)
    shop.make()
    found = shop.lake.diff("monthly_orders", "2018-01")
    assert (found.old.commit, found.new.commit) == (1, 2)
    assert found.rows.added.first == (
        {"status": "completed", "order_num": 3},
        {"status": "placed", "order_num": 1},
    )
    assert found.rows.removed.first == (
        {"status": "completed", "order_num": 2},
        {"status": "returned", "order_num": 1},
    )


def test_runs_that_left_it_unchanged_are_not_versions_of_their_own(shop: Shop) -> None:
    shop.make()
    shop.write(shop.NEW)
    shop.make()
    shop.make(force=True)
    shop.make(force=True)
    found = shop.lake.diff("monthly_orders", "2018-01")
    assert (found.old.commit, found.new.commit) == (1, 2)
    assert shop.lake.diff("monthly_orders", "2018-01", 4).rows.is_same
    assert shop.lake.diff("monthly_orders", "2018-01", 1, 3).rows == found.rows


@pytest.mark.parametrize("moment", ["number", "text", "instant", "datetime"])
def test_a_version_is_named_by_a_commit_or_by_an_instant(shop: Shop, moment: str) -> None:
    shop.make()
    first = shop.now
    shop.now += timedelta(hours=1)
    shop.write(shop.NEW)
    shop.make()
    when: Any = {"number": 1, "text": "1", "instant": "2026-11-20T09:30+00:00", "datetime": first}[moment]
    found = shop.lake.diff("monthly_orders", "2018-01", when)
    assert (found.old.commit, found.new.commit, found.rows.added.count) == (1, 2, 2)
    backward = shop.lake.diff("monthly_orders", "2018-01", 2, when)
    assert (backward.rows.added.count, backward.rows.removed) == (2, found.rows.added)


def test_what_was_rolled_back_is_compared_with_what_it_replaced(shop: Shop) -> None:
    shop.make()
    shop.write(shop.NEW)
    shop.make()
    shop.lake.rollback("monthly_orders", "2018-01")
    found = shop.lake.diff("monthly_orders", "2018-01")
    assert (found.old.commit, found.new.commit) == (2, 3)
    assert found.rows.removed.first[1] == {"status": "placed", "order_num": 1}
    assert shop.lake.diff("monthly_orders", "2018-01", 1, 3).rows.is_same


def test_attempts_that_failed_are_passed_over(shop: Shop) -> None:
    shop.make()
    shop.write(shop.NEW)
    shop.make()
    shop.write("id,order_date,status\n1,nix,completed\n")
    shop.make(on_failure="return")
    assert shop.commits() == 3
    assert shop.lake.diff("monthly_orders", "2018-01", 3).rows.is_same


def test_with_one_version_there_is_nothing_to_compare(shop: Shop) -> None:
    shop.make("2018-01..2018-02")
    shop.lake.wipe("monthly_orders", "2018-02")
    shop.make("2018-02")
    for key, commit in (("2018-01", 1), ("2018-02", 3)):
        with pytest.raises(RequestError) as caught:
            shop.lake.diff("monthly_orders", key)
        assert caught.value.code == "version-missing"
        assert f"{key} had no data before commit {commit}:" in caught.value.message
    with pytest.raises(RequestError, match="2018-02 had no data at commit 2"):
        shop.lake.diff("monthly_orders", "2018-02", 2)
    with pytest.raises(RequestError, match="2018-03 has no data"):
        shop.lake.diff("monthly_orders", "2018-03")


def test_a_version_that_is_gone_is_said_to_be_and_those_that_are_kept_are_named(shop: Shop) -> None:
    shop = shop.again(keep_versions=1, grace="0s")
    for text in (shop.OLD, shop.NEW, shop.NEW.replace("placed", "shipped")):
        shop.write(text)
        shop.make()
    with pytest.raises(RequestError) as caught:
        shop.lake.diff("monthly_orders", "2018-01", 1)
    assert caught.value.code == "version-gone"
    assert caught.value.lines()[:2] == [
        "monthly_orders 2018-01: the version of commit 1 is no longer kept",
        "  kept: commit 3 (current), commit 2",
    ]
    shop.lake.wipe("monthly_orders", "2018-01")
    with pytest.raises(RequestError, match="none of its versions is kept"):
        shop.lake.diff("monthly_orders", "2018-01", 2, 3)


def test_a_version_let_go_while_it_is_compared_is_said_to_be_gone(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.make()
    shop.write(shop.NEW)
    shop.make()
    scan = pl.scan_parquet

    def late(path: Path, **options: Any) -> pl.LazyFrame:
        if path.exists():
            shop.lake.wipe("monthly_orders", "2018-01")
        return scan(path, **options)

    monkeypatch.setattr(pl, "scan_parquet", late)
    with pytest.raises(RequestError) as caught:
        shop.lake.diff("monthly_orders", "2018-01")
    assert caught.value.code == "version-gone"


# By the checks of the asset


def lake_with(folder: Path, *checks: Any, **options: Any) -> Lake:
    lake = Lake(folder / "lake")
    lake.base = folder
    rows = {"rows": [("a", 1), ("b", 2)]}

    @lake.asset(partitions=Monthly("2018-01", end="2018-02"), checks=checks, version="1", **options)
    def counts() -> pl.LazyFrame:
        found = [("2018-01", name, n) for name, n in rows["rows"]]
        schema = {"partition_date": pl.String, "name": pl.String, "n": pl.Int64}
        return pl.LazyFrame(found, schema=schema, orient="row")

    def make(*given: tuple[str | None, int]) -> None:
        rows["rows"] = list(given)
        lake.materialize("all", force=True)

    vars(lake)["make"] = make
    make(("a", 1), ("b", 2))
    return lake


def test_by_the_columns_of_a_unique_check_rows_are_told_as_changed(tmp_path: Path) -> None:
    lake: Any = lake_with(tmp_path, unique("n", "name", severity="warn"), unique("partition_date", "name"))
    lake.make(("a", 5), ("c", 2))
    found = lake.diff("counts", "2018-01")
    assert found.rows.by == ("name",)
    assert found.rows.first_changed == (Changed(key={"name": "a"}, columns={"n": (1, 5)}),)
    assert (found.rows.added.count, found.rows.removed.count) == (1, 1)
    whole = lake.diff("counts", "2018-01", by=[])
    assert (whole.rows.by, whole.rows.changed, whole.rows.added.count) == ((), 0, 2)
    assert lake.diff("counts", "2018-01", by=["n"]).rows.by == ("n",)


def test_where_rows_are_alike_in_a_checks_columns_they_are_compared_as_a_whole(tmp_path: Path) -> None:
    """A check that only warns lets them through, and one of nulls takes them for unlike."""
    lake: Any = lake_with(tmp_path, unique("name", severity="warn"))
    lake.make(("a", 1), ("a", 2))
    found = lake.diff("counts", "2018-01")
    assert found.rows.by == ()
    assert found.notes == ("rows are compared as a whole: 2 rows of one version are alike in name: name=a",)
    with pytest.raises(RequestError, match="alike in name"):
        lake.diff("counts", "2018-01", by=["name"])


def test_a_partitions_own_column_tells_no_rows_apart(tmp_path: Path) -> None:
    lake: Any = lake_with(tmp_path)
    lake.make(("a", 1), ("b", 3))
    assert lake.diff("counts", "2018-01", by=["partition_date", "name"]).rows.changed == 1
    with pytest.raises(RequestError, match="'nix' is no column"):
        lake.diff("counts", "2018-01", by=["nix"])


def test_the_same_rows_in_other_bytes_are_no_difference_and_said_to_be_just_that(tmp_path: Path) -> None:
    lake: Any = lake_with(tmp_path, sort_by=None)
    lake.make(("b", 2), ("a", 1))
    found = lake.diff("counts", "2018-01")
    assert found.rows.is_same
    assert found.notes == ("other bytes all the same: rows in another order",)
    assert lake.diff("counts", "2018-01", 2).notes == ()
