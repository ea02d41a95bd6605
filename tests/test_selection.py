"""Laws of selections: what a text names, that it is read back as written, and the words of its errors."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from counting import calls_of
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.errors import AssetUnknownError, LakeError, RequestError
from lakehouse.partitions import (
    Categories,
    Daily,
    Dynamic,
    Hourly,
    Monthly,
    Partitions,
    Quarterly,
    Unpartitioned,
    Weekly,
    Yearly,
)
from lakehouse.selection import (
    Dims,
    Glob,
    Quoted,
    Range,
    Resolution,
    Scope,
    Selection,
    Word,
    describe,
    resolve_all,
)

NOW = datetime(2026, 11, 20, 9, 12, tzinfo=UTC)
ORDERS = Scope("monthly_orders", Monthly("2018-01"), "lakefile.py:9")
KEYS = ORDERS.partitions.keys(NOW)
YEAR = Scope("year_orders", Monthly("2018-03", "2019-03"), "lakefile.py:20")
NEW = Scope("new_orders", Monthly("2026-11"), "lakefile.py:30")


def months(year: int, first: int = 1, last: int = 12) -> list[str]:
    return [f"{year}-{month:02}" for month in range(first, last + 1)]


def refusal(text: str | list[str], scope: Scope = ORDERS, *, include_current: bool | None = None) -> LakeError:
    with pytest.raises(RequestError) as caught:
        Selection.parse(text).resolve(scope, NOW, include_current)
    return caught.value


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("2018-02", ["2018-02"]),
        ("2018-02-01", ["2018-02"]),
        ("'2018-02'", ["2018-02"]),
        ('"2018-02"', ["2018-02"]),
        ("2018-04 2018-01", ["2018-01", "2018-04"]),
        ("2018-04,2018-01,2018-04", ["2018-01", "2018-04"]),
        (" 2018-04 ,\t2018-01\n", ["2018-01", "2018-04"]),
        ("2018", months(2018)),
        ("2026", months(2026, last=10)),
        ("2018-01..2018-03", months(2018, last=3)),
        ("2018-01...2018-03", months(2018, last=3)),
        ("[2018-01...2018-03]", months(2018, last=3)),
        ("'2018-01'..'2018-03'", months(2018, last=3)),
        ("2018-02..2018-02", ["2018-02"]),
        ("2018-01-01..2018-03-01", months(2018, last=3)),
        ("2018..2019", months(2018) + months(2019)),
        ("2018-11..2019", months(2018, 11) + months(2019)),
        ("2018..2019-02", months(2018) + months(2019, last=2)),
        ("2018..2018", months(2018)),
        ("2026..2026", months(2026, last=10)),
        ("2026-09..", ["2026-09", "2026-10"]),
        ("..2018-02", ["2018-01", "2018-02"]),
        ("..2018", months(2018)),
        ("..", KEYS),
        ("...", KEYS),
        ("all", KEYS),
        ("latest", ["2026-10"]),
        ("latest 2018-02", ["2018-02", "2026-10"]),
        ("2018-*", months(2018)),
        ("2018-0?", months(2018, last=9)),
        ("*-02", [f"{year}-02" for year in range(2018, 2027)]),
        ("*", KEYS),
        ("partition_date=2018-02", ["2018-02"]),
        ("partition_date=2018", months(2018)),
        ("partition_date=2018-01..2018-03", months(2018, last=3)),
        ("partition_date=[2018-01...2018-03]", months(2018, last=3)),
        ("partition_date=2018-*", months(2018)),
        ("partition_date=latest", ["2026-10"]),
        ("partition_date='2018-02'", ["2018-02"]),
        ("partition_date=2018-02,2018-04", ["2018-02", "2018-04"]),
        ("partition_date=2018-02/part.parquet", ["2018-02"]),
        ("monthly_orders/partition_date=2018-02/part.parquet", ["2018-02"]),
        ("monthly_orders/partition_date=2018-02/", ["2018-02"]),
        ("/srv/env=prod/data/lake/monthly_orders/partition_date=2018-02/part.parquet", ["2018-02"]),
        ("./data/lake/monthly_orders/partition_date=2018-*/*.parquet", months(2018)),
        ("../partition_date=2018-02", ["2018-02"]),
    ],
)
def test_what_an_item_names(text: str, keys: list[str]) -> None:
    assert Selection.parse(text).resolve(ORDERS, NOW) == keys


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("2018", months(2018, 3)),
        ("2019", ["2019-01", "2019-02"]),
        ("2018..2019", months(2018, 3) + months(2019, last=2)),
        ("2019-01..", ["2019-01", "2019-02"]),
        ("..2018-04", ["2018-03", "2018-04"]),
        ("latest", ["2019-02"]),
    ],
)
def test_a_coarser_date_takes_what_the_definition_has_of_it(text: str, keys: list[str]) -> None:
    assert Selection.parse(text).resolve(YEAR, NOW) == keys


def test_the_running_month_is_there_when_it_is_included() -> None:
    for text in ("2026-11", "latest", "2026-11..", "2026-1? latest 2026-11"):
        assert Selection.parse(text).resolve(ORDERS, NOW, include_current=True)[-1] == "2026-11"
    assert Selection.parse("2026").resolve(ORDERS, NOW, include_current=True) == months(2026, last=11)
    own = Scope("live", Monthly("2026-10", include_current=True), "lakefile.py:1")
    assert Selection.parse("all").resolve(own, NOW) == ["2026-10", "2026-11"]
    assert Selection.parse("all").resolve(own, NOW, include_current=False) == ["2026-10"]


def test_all_of_nothing_is_nothing() -> None:
    for text in ("all", ".."):
        assert Selection.parse(text).resolve(NEW, NOW) == []


def test_keys_in_an_unusual_format_are_named_by_quotes_by_path_and_by_year() -> None:
    scope = Scope("orders", Monthly("12, 2017", format="%m, %Y"), "lakefile.py:1")
    assert Selection.parse("'01, 2018'..'03, 2018'").resolve(scope, NOW) == ["01, 2018", "02, 2018", "03, 2018"]
    assert Selection.parse("'12, 2018' 2017").resolve(scope, NOW) == ["12, 2017", "12, 2018"]
    escaped = Scope("orders", Monthly("2017:12", format="%Y:%m"), "lakefile.py:1")
    assert Selection.parse("orders/partition_date=2018%3A02/part.parquet").resolve(escaped, NOW) == ["2018:02"]


HAS = "monthly_orders has 2018-01..2026-10"
INVALID, BEFORE, INCOMPLETE = "partition-invalid", "partition-before-start", "partition-incomplete"
OLDER = 'first key is 2018-01; for older data set start="2017-12" (lakefile.py:9)'


@pytest.mark.parametrize(
    ("text", "code", "message", "helped"),
    [
        ("2018-13", INVALID, "'2018-13' is not a month", f"did you mean 2018-12? {HAS}"),
        ("2018-00", INVALID, "'2018-00' is not a month", f"did you mean 2018-01? {HAS}"),
        ("2018-2", INVALID, "'2018-2' is not a month", f"did you mean 2018-02? {HAS}"),
        ("201802", INVALID, "'201802' is not a month", f"did you mean 2018-02? {HAS}"),
        ("2018-02-15", INVALID, "'2018-02-15' is not a month", f"did you mean 2018-02? {HAS}"),
        ("2018/02", INVALID, "'2018/02' is not a month", f"did you mean 2018-02? {HAS}"),
        ("feb", INVALID, "'feb' is not a month", f"expected YYYY-MM; {HAS}"),
        ("٢٠١٨-٠٢", INVALID, "'٢٠١٨-٠٢' is not a month", f"expected YYYY-MM; {HAS}"),
        ("'2018'", INVALID, "'2018' is not a month", f"expected YYYY-MM; {HAS}"),
        ("'2018-02-01'", INVALID, "'2018-02-01' is not a month", f"did you mean 2018-02? {HAS}"),
        ("'all'", INVALID, "'all' is not a month", f"expected YYYY-MM; {HAS}"),
        ("2018-02..2018-13", INVALID, "'2018-13' is not a month", f"did you mean 2018-12? {HAS}"),
        ("2018-01..2018-*", INVALID, "'2018-*' is not a month", f"expected YYYY-MM; {HAS}"),
        ("2018-01..2018-02..2018-03", INVALID, "'2018-01..2018-02..2018-03' is not a month", None),
        ("[2018-01", INVALID, "'[2018-01' is not a month", f"expected YYYY-MM; {HAS}"),
        ("2017-12", BEFORE, "2017-12 is before monthly_orders begins (2018-01)", OLDER),
        ("2017-12..2018-02", BEFORE, "2017-12 is before monthly_orders begins (2018-01)", OLDER),
        ("..2017-12", BEFORE, "2017-12 is before monthly_orders begins (2018-01)", OLDER),
        (
            "2018-01..2026-11",
            INCOMPLETE,
            "2026-11 has not ended; last complete month: 2026-10",
            "add --include-current to make it from the data so far",
        ),
        ("2030-01..", INCOMPLETE, "2030-01 has not begun; last complete month: 2026-10", HAS),
        ("2018-04..2018-01", "range-reversed", "2018-04..2018-01 is reversed", "did you mean 2018-01..2018-04?"),
        ("2019...2018", "range-reversed", "2019..2018 is reversed", "did you mean 2018..2019?"),
        ("2017", "partition-unmatched", "2017 matches no partition of monthly_orders", HAS),
        ("2027", "partition-unmatched", "2027 matches no partition of monthly_orders", HAS),
        ("2016..2018", "partition-unmatched", "2016 matches no partition of monthly_orders", HAS),
        ("2017-*", "partition-unmatched", "2017-* matches no partition of monthly_orders", HAS),
        ("2018-0[12]*", "partition-unmatched", "2018-0[12]* matches no partition of monthly_orders", HAS),
        (
            "partition_dat=2018-02",
            "dimension-unknown",
            "monthly_orders has no dimension 'partition_dat'",
            "did you mean 'partition_date'? Dimensions: partition_date",
        ),
        (
            "region=eu/partition_date=2018-02",
            "dimension-unknown",
            "monthly_orders has no dimension 'region'",
            "Dimensions: partition_date",
        ),
        ("other/partition_date=2018-02", "request-invalid", "the path names other, not monthly_orders", None),
    ],
)
def test_what_names_nothing_is_refused_with_the_way_out(
    text: str, code: str, message: str, helped: str | None
) -> None:
    error = refusal(text)
    assert (error.code, error.message) == (code, message)
    assert helped is None or error.help == helped


def test_a_definition_that_has_nothing_yet_says_so() -> None:
    for text in ("latest", "2026", "*"):
        error = refusal(text, NEW)
        assert error.lines() == [
            f"{text} matches no partition of new_orders",
            "  help: new_orders has no month yet",
        ]
    assert refusal("2026-11", NEW).message == "2026-11 has not ended; no month of new_orders has"


def test_a_key_after_the_end_is_refused() -> None:
    assert refusal("2018-03..2019-03", YEAR).lines() == [
        "2019-03 is after year_orders ends (2019-02)",
        '  help: last key is 2019-02; for newer data set end="2019-04" (lakefile.py:20)',
    ]


@pytest.mark.parametrize(
    ("text", "message", "helped"),
    [
        ("", "no partition is named", "name a key, a range, latest or all"),
        (" , ", "no partition is named", "name a key, a range, latest or all"),
        ([], "no partition is named", "name a key, a range, latest or all"),
        ("'2018-01", "a quote is not closed: '2018-01", None),
        ("2018-01 it's", "a quote is not closed: 2018-01 it's", None),
        ("'2018'-01", "a quote must hold a whole key: '2018'-01", None),
        ("2018-01 .. 2018-03", "'..' stands alone", "a range has no spaces: 2018-01..2018-03"),
        (["2018-01", "...", "2018-03"], "'..' stands alone", "a range has no spaces: 2018-01..2018-03"),
        ("a=1/a=2", "a=1/a=2 does not name a partition", "write COLUMN=KEY, each column once"),
        ("a=", "a= does not name a partition", "write COLUMN=KEY, each column once"),
        ("=1", "=1 does not name a partition", "write COLUMN=KEY, each column once"),
        ("a=1/2", "a=1/2 does not name a partition", "a path ends in COLUMN=KEY or a file in it"),
        ("t/a=1/2.5", "t/a=1/2.5 does not name a partition", "a path ends in COLUMN=KEY or a file in it"),
        ("a=1/b/c", "a=1/b/c does not name a partition", "a path ends in COLUMN=KEY or a file in it"),
    ],
)
def test_a_text_without_sense_is_refused(text: str | list[str], message: str, helped: str | None) -> None:
    with pytest.raises(RequestError) as caught:
        Selection.parse(text)
    assert (caught.value.message, caught.value.help) == (message, helped)


@pytest.mark.parametrize(
    ("text", "items", "written"),
    [
        ("2018", (Word("2018"),), "2018"),
        ("a,b  c", (Word("a"), Word("b"), Word("c")), "a b c"),
        ('"a b"', (Quoted("a b"),), "'a b'"),
        ("'it''s'", (Quoted("it's"),), "'it''s'"),
        ('"say ""so"""', (Quoted('say "so"'),), "'say \"so\"'"),
        ("[a...b]", (Range(Word("a"), Word("b")),), "a..b"),
        ("a..", (Range(Word("a"), None),), "a.."),
        ("'a..b'..'c'", (Range(Quoted("a..b"), Quoted("c")),), "'a..b'..'c'"),
        ("a*", (Glob("a*"),), "a*"),
        ("'a*'", (Quoted("a*"),), "'a*'"),
        ("'a=b'", (Quoted("a=b"),), "'a=b'"),
        ("r=eu/d=2018", (Dims((("r", (Word("eu"),)), ("d", (Word("2018"),)))),), "r=eu/d=2018"),
        ("/x/t/d='a/b'/f.parquet", (Dims((("d", (Quoted("a/b"),)),), "t"),), "t/d='a/b'"),
        ("t/d=a%2Fb", (Dims((("d", (Quoted("a/b"),)),), "t"),), "t/d='a/b'"),
        ("d=a%2Fb", (Dims((("d", (Quoted("a/b"),)),)),), "d='a/b'"),
        ("d='a%2Fb'", (Dims((("d", (Quoted("a%2Fb"),)),)),), "d='a%2Fb'"),
        ("d=a%2Fb..c", (Dims((("d", (Range(Quoted("a/b"), Word("c")),)),)),), "d='a/b'..c"),
    ],
)
def test_a_text_becomes_items_that_write_themselves_one_way(text: str, items: tuple[Word, ...], written: str) -> None:
    selection = Selection.parse(text)
    assert selection.items == items
    assert str(selection) == written


@given(st.lists(st.text(alphabet="2018-.*?'\"[]=/, %3Aab\n", max_size=14), max_size=3) | st.text())
def test_whatever_is_read_is_read_again_from_what_it_writes(text: str | list[str]) -> None:
    try:
        selection = Selection.parse(text)
    except RequestError:
        return
    assert Selection.parse(str(selection)) == selection


pieces = st.sampled_from(["a", "b", "=", "=", ",", ",", "/", "..", "'a/b'", "*", ".", "%41", " ", "[", "]", "all"])


@given(st.lists(pieces, max_size=14).map("".join))
def test_dimensions_and_paths_in_any_arrangement_are_read_again_from_what_they_write(text: str) -> None:
    try:
        selection = Selection.parse(text)
    except RequestError:
        return
    assert Selection.parse(str(selection)) == selection


quoted = st.builds(Quoted, st.text())
ends = st.sampled_from(KEYS).map(Word) | st.sampled_from(["2018", "2019"]).map(Word) | quoted
ranges = st.builds(Range, ends, ends | st.none()) | st.builds(Range, st.none(), ends)
values = st.sampled_from([Word("all"), Word("latest"), Glob("2018-*"), Glob("?")]) | ends | ranges
named = st.lists(values, min_size=1, max_size=3).map(tuple)
paired = st.dictionaries(st.sampled_from(["d", "region", "a_b"]), named, min_size=1).map(
    lambda each: tuple(each.items())
)
dims = st.builds(Dims, paired, st.sampled_from([None, "monthly_orders"]))
selections = st.builds(Selection, st.lists(values | dims, min_size=1).map(tuple))


@given(selections)
def test_selections_are_read_as_written(selection: Selection) -> None:
    assert Selection.parse(str(selection)) == selection
    assert Selection.parse([str(item) for item in selection.items]) == selection


def bounded_range(ends: tuple[int, int]) -> str:
    return f"{KEYS[min(ends)]}..{KEYS[max(ends)]}"


places = st.integers(0, len(KEYS) - 1)
lawful = (
    st.sampled_from(KEYS)
    | st.sampled_from(["2018", "2026", "latest", "all", "20?8-*", "2019-11..", "..2020"])
    | st.tuples(places, places).map(bounded_range)
)


@given(st.lists(lawful, min_size=1))
def test_keys_come_in_declared_order_without_duplicates(items: list[str]) -> None:
    union = {key for item in items for key in Selection.parse(item).resolve(ORDERS, NOW)}
    assert Selection.parse(items).resolve(ORDERS, NOW) == [key for key in KEYS if key in union]


@given(places, places)
def test_a_range_is_a_slice(first: int, last: int) -> None:
    text = f"{KEYS[first]}..{KEYS[last]}"
    if first > last:
        assert refusal(text).help == f"did you mean {KEYS[last]}..{KEYS[first]}?"
    else:
        assert Selection.parse(text).resolve(ORDERS, NOW) == KEYS[first : last + 1]
    assert Selection.parse(f"{KEYS[first]}..").resolve(ORDERS, NOW) == KEYS[first:]
    assert Selection.parse(f"..{KEYS[last]}").resolve(ORDERS, NOW) == KEYS[: last + 1]


def test_an_asset_is_in_scope_when_every_item_resolves_on_it() -> None:
    resolution = resolve_all(Selection.parse("2018-03 2020-01"), [YEAR, ORDERS], NOW)
    assert isinstance(resolution, Resolution)
    assert resolution.keys_by_asset == {"monthly_orders": ["2018-03", "2020-01"]}
    assert {asset: str(error.code) for asset, error in resolution.out_of_scope.items()} == {
        "year_orders": "partition-after-end"
    }


def test_the_first_assets_error_is_raised_only_when_none_is_in_scope() -> None:
    with pytest.raises(RequestError, match="2017-12 is before year_orders begins"):
        resolve_all(Selection.parse("2017-12"), [YEAR, ORDERS], NOW)
    assert resolve_all(Selection.parse("2017-12"), [], NOW) == Resolution({}, {})


def test_a_path_keeps_its_asset_alone_in_scope() -> None:
    path = "data/lake/monthly_orders/partition_date=2018-03/part.parquet"
    resolution = resolve_all(Selection.parse([path, "2018-05"]), [YEAR, ORDERS], NOW)
    assert resolution.keys_by_asset == {"monthly_orders": ["2018-03", "2018-05"]}
    assert resolution.out_of_scope["year_orders"].message == "the path names monthly_orders, not year_orders"


def test_paths_of_two_assets_name_the_keys_of_each() -> None:
    both = Selection.parse("monthly_orders/partition_date=2018-01 year_orders/partition_date=2018-03")
    assert both.assets == ("monthly_orders", "year_orders")
    assert resolve_all(both, [YEAR, ORDERS, NEW], NOW).keys_by_asset == {
        "year_orders": ["2018-03"],
        "monthly_orders": ["2018-01"],
    }


def test_an_asset_named_by_a_path_is_never_left_out_unsaid() -> None:
    outside = Selection.parse("monthly_orders/partition_date=2018-01 year_orders/partition_date=2018-01")
    with pytest.raises(RequestError, match="2018-01 is before year_orders begins"):
        resolve_all(outside, [YEAR, ORDERS], NOW)
    unknown = Selection.parse("monthly_orders/partition_date=2018-01 year_order/partition_date=2018-03")
    with pytest.raises(AssetUnknownError) as caught:
        resolve_all(unknown, [YEAR, ORDERS], NOW)
    assert caught.value.message == "no asset 'year_order'"
    assert caught.value.help == "did you mean 'year_orders'? Assets: year_orders, monthly_orders"


def test_at_most_eight_names_are_listed() -> None:
    scopes = [Scope(f"a{number}", Monthly("2018-01"), "lakefile.py:1") for number in range(9)]
    with pytest.raises(AssetUnknownError) as caught:
        resolve_all(Selection.parse("zzz/partition_date=2018-01"), scopes, NOW)
    assert caught.value.help == "Assets: a0, a1, a2, a3, a4, a5, a6, a7, …"


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        ([], ""),
        (["2018-01"], "2018-01"),
        (["2018-01", "2018-02"], "2018-01..2018-02"),
        (["2018-01", "2018-02", "2018-03", "2018-04", "2018-06"], "2018-01..2018-04, 2018-06"),
        (["2018-12", "2019-01", "2020-01"], "2018-12..2019-01, 2020-01"),
        (["latest"], "'latest'"),
        (["all"], "'all'"),
    ],
)
def test_neighbours_are_drawn_together(keys: list[str], text: str) -> None:
    assert describe(keys, ORDERS.partitions) == text


@given(
    st.sets(places, min_size=1),
    st.sampled_from(["%Y-%m", "%m.%Y", "%m, %Y", "%Y:%m", "%Y=%m", "%Y%m.", "%Y'%m.", "[%Y*%m]"]),
)
def test_what_is_described_selects_the_same(chosen: set[int], key_format: str) -> None:
    monthly = Monthly("2018-01-01", format=key_format)
    keys = [key for place, key in enumerate(monthly.keys(NOW)) if place in chosen]
    scope = Scope("orders", monthly, "lakefile.py:1")
    assert Selection.parse(describe(keys, monthly)).resolve(scope, NOW) == keys


REGIONS = Categories("region", ["eu", "us", "apac"])
REGIONAL = Scope("regional", REGIONS * Monthly("2018-01", "2018-11"), "lakefile.py:40")
REGION = Scope("regions", REGIONS, "lakefile.py:50")
METHODS = Dynamic("method").with_keys({"method": ["card", "coupon"]})
BY_METHOD = Scope("by_method", REGIONS * METHODS, "lakefile.py:60")
TOTALS = Scope("totals", Unpartitioned(), "lakefile.py:70")


def cells(regions: str, keys: list[str]) -> list[str]:
    return [f"region={region}/partition_date={key}" for region in regions.split() for key in keys]


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("region=eu/partition_date=2018-02", cells("eu", ["2018-02"])),
        ("partition_date=2018-02/region=eu", cells("eu", ["2018-02"])),
        ("region=eu,partition_date=2018-02", cells("eu", ["2018-02"])),
        ("region=eu", cells("eu", months(2018, last=10))),
        ("region=eu,us", cells("eu us", months(2018, last=10))),
        ("region=us,eu,us/partition_date=2018-02", cells("eu us", ["2018-02"])),
        ("region=eu,us/partition_date=2018-01..2018-03", cells("eu us", months(2018, last=3))),
        ("region=eu,us,partition_date=2018-01,2018-03", cells("eu us", ["2018-01", "2018-03"])),
        ("region=eu partition_date=2018-10", cells("eu", months(2018, last=10)) + cells("us apac", ["2018-10"])),
        ("partition_date=2018-01,partition_date=2018-02", cells("eu us apac", ["2018-01", "2018-02"])),
        (
            "region=us/partition_date=2018-01,region=eu/partition_date=2018-02",
            cells("eu", ["2018-02"]) + cells("us", ["2018-01"]),
        ),
        ("region=eu..us/partition_date=latest", cells("eu us", ["2018-10"])),
        ("region=us../partition_date=latest", cells("us apac", ["2018-10"])),
        ("region=?s/partition_date=..2018-01", cells("us", ["2018-01"])),
        ("region=all/partition_date=2018-01", cells("eu us apac", ["2018-01"])),
        ("region=latest/partition_date=2018-01", cells("eu us apac", ["2018-01"])),
        ("region=eu/partition_date=all", cells("eu", months(2018, last=10))),
        ("region=eu/partition_date=2018", cells("eu", months(2018, last=10))),
        ("2018-02", cells("eu us apac", ["2018-02"])),
        ("2018-02..2018-03", cells("eu us apac", ["2018-02", "2018-03"])),
        ("2018", cells("eu us apac", months(2018, last=10))),
        ("*-02", cells("eu us apac", ["2018-02"])),
        ("latest", cells("eu us apac", ["2018-10"])),
        ("all", cells("eu us apac", months(2018, last=10))),
        ("'region=eu/partition_date=2018-02'", cells("eu", ["2018-02"])),
        ("'2018-02'", cells("eu us apac", ["2018-02"])),
        ("2018-02 region=us/partition_date=2018-02", cells("eu us apac", ["2018-02"])),
        ("data/lake/regional/region=eu/partition_date=2018-02/part.parquet", cells("eu", ["2018-02"])),
        ("data/lake/regional/region=eu", cells("eu", months(2018, last=10))),
        ("/srv/env=prod/lake/regional/region=eu/", cells("eu", months(2018, last=10))),
        ("regional/region=eu,us/partition_date=2018-02", cells("eu us", ["2018-02"])),
        (
            "regional/region=eu/partition_date=2018-01/part.parquet,regional/region=us/partition_date=2018-01/part.parquet",
            cells("eu us", ["2018-01"]),
        ),
        (
            "regional/region=eu/partition_date=2018-01,regional/region=us/partition_date=2018-01",
            cells("eu us", ["2018-01"]),
        ),
    ],
)
def test_what_an_item_names_of_two_dimensions(text: str, keys: list[str]) -> None:
    assert Selection.parse(text).resolve(REGIONAL, NOW) == keys


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("eu", ["eu"]),
        ("apac,eu", ["eu", "apac"]),
        ("'us'", ["us"]),
        ("eu..us", ["eu", "us"]),
        ("us..", ["us", "apac"]),
        ("..us", ["eu", "us"]),
        ("?s", ["us"]),
        ("all", ["eu", "us", "apac"]),
        ("latest", ["eu", "us", "apac"]),
        ("region=us,eu", ["eu", "us"]),
        ("data/lake/regions/region=us/part.parquet", ["us"]),
    ],
)
def test_categories_are_named_alone_and_range_in_declared_order(text: str, keys: list[str]) -> None:
    assert Selection.parse(text).resolve(REGION, NOW) == keys


def test_a_category_that_looks_like_a_year_is_a_category() -> None:
    scope = Scope("years", Categories("year", ["2019", "2018", "2018-02"]), "lakefile.py:1")
    assert Selection.parse("2018").resolve(scope, NOW) == ["2018"]
    assert Selection.parse("2019..2018").resolve(scope, NOW) == ["2019", "2018"]
    assert Selection.parse("2018*").resolve(scope, NOW) == ["2018", "2018-02"]


def test_words_of_the_grammar_are_categories_when_they_are_quoted() -> None:
    odd = ["all", "latest", "a b", "c,d", "e..f", "g*", "h/i", "it's", "%41", "x=y", "2018"]
    scope = Scope("odd", Categories("kind", odd) * Monthly("2018-01", "2018-03"), "lakefile.py:1")
    alone = Scope("alone", Categories("kind", odd), "lakefile.py:1")
    for value in odd:
        written = "'" + value.replace("'", "''") + "'"
        own = scope.partitions.key([value, "2018-02"])
        assert Selection.parse(f"kind={written}/partition_date=2018-02").resolve(scope, NOW) == [own]
        assert Selection.parse(str(Quoted(own))).resolve(scope, NOW) == [own]
        assert Selection.parse(written).resolve(alone, NOW) == [value]
    for value in ["h/i", "it's", "%41", "x=y", "2018", "g*"]:  # written in the key as Hive escapes them
        own = scope.partitions.key([value, "2018-02"])
        assert Selection.parse(own).resolve(scope, NOW) == [own]


def test_without_a_time_each_dimension_is_named() -> None:
    assert Selection.parse("region=us").resolve(BY_METHOD, NOW) == [
        "region=us/method=card",
        "region=us/method=coupon",
    ]
    assert Selection.parse("region=us/method=card").resolve(BY_METHOD, NOW) == ["region=us/method=card"]
    for text in ("all", "latest"):  # where keys are no times, none is later than another
        assert Selection.parse(text).resolve(BY_METHOD, NOW) == BY_METHOD.partitions.keys(NOW)
    for text, example in [("us", "region=us"), ("card", "method=card"), ("u*", "region=eu")]:
        error = refusal(text, BY_METHOD)
        assert error.code == "dimension-unnamed"
        assert error.lines() == [
            f"{text} is of no one dimension: by_method has region × method",
            f"  help: write COLUMN=KEY, e.g. {example}",
        ]
    untold = Scope("untold", Dynamic("a") * Dynamic("b"), "lakefile.py:1")
    assert refusal("x", untold).help == "write COLUMN=KEY, e.g. a=KEY"


def test_what_is_not_partitioned_is_all_or_latest() -> None:
    for text in ("all", "latest", "'all'", "all latest"):
        assert Selection.parse(text).resolve(TOTALS, NOW) == ["all"]
    for text in ("2018-02", "2018-*", "2018..", "'latest'"):
        error = refusal(text, TOTALS)
        assert error.code == "partition-unknown"
        assert error.lines() == [
            f"totals is not partitioned: it has no {text.strip(chr(39))}",
            "  help: its one key is all",
        ]
    assert refusal("region=eu", TOTALS).lines() == [
        "totals has no dimension 'region'",
        "  help: it is not partitioned: write all",
    ]


TWO = "regional has eu, us, apac × 2018-01..2018-10"


@pytest.mark.parametrize(
    ("scope", "text", "code", "message", "helped"),
    [
        (REGION, "use", "partition-unknown", "'use' is not a region of regions", "did you mean us?"),
        (REGION, "US", "partition-unknown", "'US' is not a region of regions", "did you mean us?"),
        (REGION, "mars", "partition-unknown", "'mars' is not a region of regions", "regions has eu, us, apac"),
        (REGION, "us..eu", "range-reversed", "us..eu is reversed", "did you mean eu..us?"),
        (REGION, "x*", "partition-unmatched", "x* matches no partition of regions", "regions has eu, us, apac"),
        (REGIONAL, "region=use", "partition-unknown", "'use' is not a region of regional", "did you mean us?"),
        (
            REGIONAL,
            "region=eu,2018-02",
            "partition-unknown",
            "'2018-02' is not a region of regional",
            "regional has eu, us, apac",
        ),
        (
            REGIONAL,
            "region=eu/partition_date=2018-13",
            INVALID,
            "'2018-13' is not a month",
            f"did you mean 2018-12? {TWO}",
        ),
        (REGIONAL, "eu", INVALID, "'eu' is not a month", "write region=eu"),
        (REGIONAL, "mars", INVALID, "'mars' is not a month", f"expected YYYY-MM; {TWO}"),
        (REGIONAL, "2019-*", "partition-unmatched", "2019-* matches no partition of regional", TWO),
        (
            REGIONAL,
            "'region=mars/partition_date=2018-02'",
            "partition-unknown",
            "'mars' is not a region of regional",
            "regional has eu, us, apac",
        ),
        (
            REGIONAL,
            "regio=eu",
            "dimension-unknown",
            "regional has no dimension 'regio'",
            "did you mean 'region'? Dimensions: region, partition_date",
        ),
    ],
)
def test_what_no_dimension_has_is_refused_in_its_words(
    scope: Scope, text: str, code: str, message: str, helped: str
) -> None:
    error = refusal(text, scope)
    assert (error.code, error.message, error.help) == (code, message, helped)


def test_a_dynamic_dimension_without_keys_has_nothing_to_name() -> None:
    scope = Scope("by_method", Dynamic("method"), "lakefile.py:1")
    assert Selection.parse("all").resolve(scope, NOW) == Selection.parse("..").resolve(scope, NOW) == []
    assert refusal("latest", scope).lines() == [
        "latest matches no partition of by_method",
        "  help: by_method has no keys yet",
    ]
    assert refusal("card", scope).help == "by_method has no keys yet; to add it: lake partitions by_method add card"


@pytest.mark.parametrize(
    ("keys", "partitions", "text"),
    [
        (["2018-01", "old", "2018-02", "2018-03"], ORDERS.partitions, "2018-01, old, 2018-02..2018-03"),
        (["eu", "us"], REGIONS, "eu, us"),
        (["eu", "us", "apac"], REGIONS, "eu, us, apac"),
        (["all", "a b"], Categories("x", ["all", "a b", "c"]), "'all', 'a b'"),
        (["all"], Unpartitioned(), "all"),
        ([], Unpartitioned(), ""),
        ([], REGIONAL.partitions, ""),
        (cells("eu", ["2018-02"]), REGIONAL.partitions, "region=eu/partition_date=2018-02"),
        (
            cells("eu", months(2018, last=3)) + cells("us", ["2018-01"]),
            REGIONAL.partitions,
            "region=eu/partition_date=2018-01..2018-03, region=us/partition_date=2018-01",
        ),
        (cells("eu us", months(2018, last=3)), REGIONAL.partitions, "region=eu,us/partition_date=2018-01..2018-03"),
        (cells("eu us", ["2018-01", "2018-03"]), REGIONAL.partitions, "region=eu,us/partition_date=2018-01,2018-03"),
        (cells("eu us apac", months(2018, last=3)), REGIONAL.partitions, "2018-01..2018-03"),
        (cells("eu us apac", ["2018-01", "2018-03"]), REGIONAL.partitions, "2018-01, 2018-03"),
        (cells("eu us apac", months(2018, last=10)), REGIONAL.partitions, "2018-01..2018-10"),
        (BY_METHOD.partitions.keys(NOW), BY_METHOD.partitions, "region=eu,us,apac"),
        (["region=eu/method=card", "region=eu/method=coupon"], BY_METHOD.partitions, "region=eu"),
        (["region=eu/method=card", "region=us/method=card"], BY_METHOD.partitions, "region=eu,us/method=card"),
        (["region=eu/method=cash", "2018-02"], BY_METHOD.partitions, "region=eu/method=cash, '2018-02'"),
    ],
)
def test_combinations_are_drawn_together(keys: list[str], partitions: Partitions, text: str) -> None:
    assert describe(keys, partitions) == text


hard = st.sampled_from(
    ["eu", "us", "all", "latest", "a b", "c,d", "..", "e..f", "g*", "h/i", "it's", 'k"', "%41", "x=y", "2018", "[z]"]
)
categories = st.lists(
    hard.filter(lambda value: value != "..") | st.text(min_size=1, max_size=3).filter(str.isalnum),
    min_size=1,
    max_size=4,
    unique_by=str.casefold,
)
products = st.tuples(categories, categories, st.permutations(range(3)), st.integers(2, 3))


def of_three(definition: tuple[list[str], list[str], list[int], int]) -> Scope:
    """Two lists of categories and four months, in any order; or only two of them."""
    first, second, order, number = definition
    factors = [Categories("a", first), Dynamic("b").with_keys({"b": second}), Monthly("2018-01", "2018-05")]
    chosen = [factors[place] for place in order][:number]
    partitions: Partitions = chosen[0] * chosen[1]
    return Scope("orders", partitions * chosen[2] if number > 2 else partitions, "lakefile.py:1")


@given(products.map(of_three), st.data())
def test_what_is_described_of_several_dimensions_selects_the_same(scope: Scope, data: st.DataObject) -> None:
    everything = scope.partitions.keys(NOW)
    chosen = data.draw(st.sets(st.integers(0, len(everything) - 1), min_size=1))
    keys = [key for place, key in enumerate(everything) if place in chosen]
    text = describe(keys, scope.partitions)
    assert Selection.parse(text).resolve(scope, NOW) == keys
    assert Selection.parse(str(Selection.parse(text))) == Selection.parse(text)


@given(categories, st.data())
def test_what_is_described_of_categories_selects_the_same(values: list[str], data: st.DataObject) -> None:
    scope = Scope("orders", Categories("a", values), "lakefile.py:1")
    chosen = data.draw(st.sets(st.sampled_from(values), min_size=1))
    keys = [value for value in values if value in chosen]
    assert Selection.parse(describe(keys, scope.partitions)).resolve(scope, NOW) == keys


@given(products.map(of_three))
def test_a_key_in_quotes_is_that_key(scope: Scope) -> None:
    for key in scope.partitions.keys(NOW):
        assert Selection.parse(str(Quoted(key))).resolve(scope, NOW) == [key]


@pytest.mark.parametrize(
    "partitions",
    [
        Hourly("2018-10-27", "2018-10-30", timezone="Europe/Berlin"),
        Hourly("2018-10-27", "2018-10-30") * Categories("region", ["eu", "us"]),
        Daily("2018-02-20", "2018-04-02") * REGIONS,
        Weekly("2018-01-01", "2019-02-04"),
        Quarterly("2018-Q1"),
        REGIONS * Yearly("2015"),
    ],
    ids=lambda partitions: partitions.kind,
)
@given(st.data())
def test_what_is_described_of_any_windows_selects_the_same(partitions: Partitions, data: st.DataObject) -> None:
    scope, everything = Scope("orders", partitions, "lakefile.py:1"), partitions.keys(NOW)
    chosen = data.draw(st.sets(st.integers(0, len(everything) - 1), min_size=1))
    keys = [key for place, key in enumerate(everything) if place in chosen]
    assert Selection.parse(describe(keys, partitions)).resolve(scope, NOW) == keys


@pytest.mark.parametrize(
    ("text", "number", "first", "last"),
    [
        ("2018-02", 28, "2018-02-01", "2018-02-28"),
        ("2018-02..2018-03-03", 31, "2018-02-01", "2018-03-03"),
        ("2018", 365, "2018-01-01", "2018-12-31"),
        ("2018-02-1?", 10, "2018-02-10", "2018-02-19"),
    ],
)
def test_a_month_is_its_days_where_keys_are_days(text: str, number: int, first: str, last: str) -> None:
    scope = Scope("daily", Daily("2018-01-01") * Categories("region", ["eu"]), "lakefile.py:1")
    alone = Scope("alone", Daily("2018-01-01"), "lakefile.py:1")
    keys = Selection.parse(text).resolve(scope, NOW)
    assert (len(keys), keys[0], keys[-1]) == (
        number,
        f"partition_date={first}/region=eu",
        f"partition_date={last}/region=eu",
    )
    assert Selection.parse(f"region=eu/partition_date={text}").resolve(scope, NOW) == keys
    keys = Selection.parse(text).resolve(alone, NOW)
    assert (len(keys), keys[0], keys[-1]) == (number, first, last)


def test_twice_the_combinations_take_twice_the_calls_to_describe_and_select() -> None:
    def scattered(stores: int) -> int:
        named = Categories("store", [f"s{number}" for number in range(stores)])
        scope = Scope("sales", named * Monthly("2010-01", "2018-05"), "lakefile.py:1")
        everything = scope.partitions.keys(NOW)
        assert describe(everything, scope.partitions) == "2010-01..2018-04"
        third = everything[::3]

        def select() -> None:
            assert Selection.parse(describe(third, scope.partitions)).resolve(scope, NOW) == third

        return calls_of(select)

    assert scattered(100) < 2.5 * scattered(50)
