"""Laws of the rule from a key to the upstream keys that it reads: a table by hand, and its inverse by brute force."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse import Lake
from lakehouse.errors import DefinitionError, PartitionKeyError
from lakehouse.mapping import Link, Named, link
from lakehouse.partitions import (
    Categories,
    Daily,
    Dynamic,
    Hourly,
    Monthly,
    Partitions,
    Quarterly,
    TimePartitions,
    Unpartitioned,
    Weekly,
    Yearly,
)
from lakehouse.rules import All, Keys, Latest, Periods, Rule

NOW = datetime(2019, 3, 10, 12, 0, tzinfo=UTC)
BERLIN, APIA = "Europe/Berlin", "Pacific/Apia"
DAYS, WEEKS, MONTHS = Daily("2018-01-01"), Weekly("2018-01-01"), Monthly("2018-01")
QUARTERS, YEARS, HOURS = Quarterly("2018-Q1"), Yearly("2018"), Hourly("2018-01-01")
REGIONS = Categories("region", ["us", "eu"])
WHOLE = Unpartitioned()


def named(reader: Partitions, upstream: Partitions, key: str, rule: Rule | None = None) -> Named:
    return link(reader, upstream, rule).named(key, NOW)


def keys(reader: Partitions, upstream: Partitions, key: str, rule: Rule | None = None) -> list[str]:
    return [*named(reader, upstream, key, rule).keys]


def days(first: str, count: int) -> list[str]:
    """So many days, counted by the calendar."""
    return [str(date.fromisoformat(first) + timedelta(number)) for number in range(count)]


# Time over time

LONG_WEEKS = ["2018-W48", "2018-W49", "2018-W50", "2018-W51", "2018-W52", "2019-W01"]


@pytest.mark.parametrize(
    ("reader", "upstream", "key", "expected"),
    [
        (MONTHS, DAYS, "2018-02", days("2018-02-01", 28)),
        (Monthly("2020-01"), Daily("2020-01-01"), "2020-02", days("2020-02-01", 29)),
        (DAYS, MONTHS, "2018-02-28", ["2018-02"]),
        (DAYS, MONTHS, "2018-03-01", ["2018-03"]),
        (MONTHS, WEEKS, "2018-02", ["2018-W05", "2018-W06", "2018-W07", "2018-W08", "2018-W09"]),
        (MONTHS, WEEKS, "2018-12", LONG_WEEKS),  # 2018-12-31 is the Monday of 2019-W01
        (
            Monthly("2021-01"),
            Weekly("2020-W01"),
            "2021-01",
            ["2020-W53", "2021-W01", "2021-W02", "2021-W03", "2021-W04"],
        ),
        (Weekly("2020-W01"), Monthly("2020-01"), "2020-W53", ["2020-12", "2021-01"]),
        (WEEKS, MONTHS, "2018-W18", ["2018-04", "2018-05"]),
        (WEEKS, DAYS, "2018-W01", days("2018-01-01", 7)),
        (WEEKS, YEARS, "2019-W01", ["2018", "2019"]),
        (QUARTERS, MONTHS, "2018-Q2", ["2018-04", "2018-05", "2018-06"]),
        (MONTHS, QUARTERS, "2018-06", ["2018-Q2"]),
        (YEARS, QUARTERS, "2018", ["2018-Q1", "2018-Q2", "2018-Q3", "2018-Q4"]),
        (HOURS, DAYS, "2018-02-03T23", ["2018-02-03"]),
        (DAYS, HOURS, "2018-02-03", [f"2018-02-03T{hour:02}" for hour in range(24)]),
        (MONTHS, MONTHS, "2018-02", ["2018-02"]),
    ],
    ids=lambda value: value if isinstance(value, str) else getattr(value, "kind", ""),
)
def test_windows_read_the_windows_that_they_overlap(
    reader: Partitions, upstream: Partitions, key: str, expected: list[str]
) -> None:
    assert named(reader, upstream, key) == Named(tuple(expected))


@pytest.mark.parametrize(
    ("reader", "upstream", "key", "expected"),
    [
        # A day of Berlin is that of UTC from 23:00 (in summer 22:00) of the day before.
        (Daily("2018-01-02", timezone=BERLIN), DAYS, "2018-01-10", ["2018-01-09", "2018-01-10"]),
        (Daily("2018-01-02"), Daily("2018-01-01", timezone=BERLIN), "2018-01-10", ["2018-01-10", "2018-01-11"]),
        (Monthly("2018-02", timezone=BERLIN), MONTHS, "2018-03", ["2018-02", "2018-03"]),
        (MONTHS, Daily("2018-01-01", timezone=BERLIN), "2018-02", [*days("2018-02-01", 28), "2018-03-01"]),
        # The days of 23 and 25 hours; an hour has its own key in each zone.
        (
            Daily("2018-01-02", timezone=BERLIN),
            HOURS,
            "2018-03-25",
            ["2018-03-24T23", *(f"2018-03-25T{hour:02}" for hour in range(22))],
        ),
        (
            Daily("2018-01-02", timezone=BERLIN),
            HOURS,
            "2018-10-28",
            ["2018-10-27T22", "2018-10-27T23", *(f"2018-10-28T{hour:02}" for hour in range(23))],
        ),
        (HOURS, Hourly("2018-01-01", timezone=BERLIN), "2018-10-28T00", ["2018-10-28T02+0200"]),
        (HOURS, Hourly("2018-01-01", timezone=BERLIN), "2018-10-28T01", ["2018-10-28T02+0100"]),
        (
            HOURS,
            Hourly("2018-01-01", timezone="Asia/Kolkata"),
            "2018-02-03T10",
            ["2018-02-03T15+0530", "2018-02-03T16+0530"],
        ),
        # Samoa's clocks skipped 2011-12-30: what has no time reads nothing, and nothing reads it.
        (Daily("2011-12-01", timezone=APIA), Daily("2011-11-01"), "2011-12-30", []),
        (
            Monthly("2011-12", timezone=APIA),
            Daily("2011-12-01", timezone=APIA),
            "2011-12",
            [day for day in days("2011-12-01", 31) if day != "2011-12-30"],
        ),
    ],
)
def test_windows_of_different_zones_are_compared_as_instants(
    reader: Partitions, upstream: Partitions, key: str, expected: list[str]
) -> None:
    assert named(reader, upstream, key) == Named(tuple(expected))


def test_the_same_windows_have_the_same_keys_only_if_they_are_written_alike() -> None:
    compact = Monthly("2018-01", format="%Y%m")
    assert keys(MONTHS, compact, "2018-02") == ["201802"]
    assert keys(compact, MONTHS, "201802") == ["2018-02"]
    assert keys(MONTHS, Monthly("2018-01", column="month"), "2018-02") == ["2018-02"], "whatever the column's name"
    assert link(MONTHS, Monthly("2017-01", end="2030-01"), None).is_same_key
    assert not link(MONTHS, compact, None).is_same_key
    assert not link(MONTHS, Monthly("2018-01", timezone=BERLIN), None).is_same_key


@pytest.mark.parametrize(
    ("upstream", "key", "expected", "beyond"),
    [
        (Daily("2018-02-10"), "2018-02", days("2018-02-10", 19), "before 2018-02-10"),
        (
            Daily("2018-02-10", end="2018-02-12"),
            "2018-02",
            ["2018-02-10", "2018-02-11"],
            "before 2018-02-10, after 2018-02-11",
        ),
        (Daily("2018-01-01", end="2018-02-12"), "2018-02", days("2018-02-01", 11), "after 2018-02-11"),
        (Daily("2018-03-01"), "2018-02", [], "before 2018-03-01"),
        (Daily("2017-01-01", end="2018-02-01"), "2018-02", [], "after 2018-01-31"),
        (Daily("2018-02-01", end="2018-03-01"), "2018-02", days("2018-02-01", 28), ""),
        (Weekly("2018-01-01"), "2018-01", ["2018-W01", "2018-W02", "2018-W03", "2018-W04", "2018-W05"], ""),
        (Weekly("2018-01-02"), "2018-01", ["2018-W02", "2018-W03", "2018-W04", "2018-W05"], "before 2018-W02"),
    ],
)
def test_what_lies_before_the_upstreams_start_or_after_its_end_is_not_read_and_said(
    upstream: Partitions, key: str, expected: list[str], beyond: str
) -> None:
    assert named(MONTHS, upstream, key) == Named(tuple(expected), beyond)


def test_the_same_key_beyond_the_upstreams_start_or_end_is_said_too() -> None:
    later = Monthly("2018-03", end="2018-06")
    assert named(MONTHS, later, "2018-02").beyond == "no 2018-02"
    assert named(MONTHS, later, "2018-06").beyond == "no 2018-06"
    assert named(MONTHS, later, "2018-05") == Named(("2018-05",))


# Columns, and what has none


def test_the_same_column_is_the_same_key() -> None:
    assert keys(REGIONS, REGIONS, "eu") == ["eu"]
    assert keys(Dynamic("region"), REGIONS, "eu") == ["eu"]
    assert link(REGIONS, Categories("region", ["eu", "apac"]), None).is_same_key


def test_a_dimension_that_the_upstream_lacks_is_not_asked_for() -> None:
    regional = REGIONS * MONTHS
    assert keys(regional, MONTHS, "region=eu/partition_date=2018-02") == ["2018-02"]
    assert keys(regional, REGIONS, "region=eu/partition_date=2018-02") == ["eu"]
    assert keys(regional, DAYS, "region=eu/partition_date=2018-02") == days("2018-02-01", 28)
    assert keys(regional, WHOLE, "region=eu/partition_date=2018-02") == ["all"]


def test_a_dimension_that_the_reader_lacks_is_read_whole() -> None:
    regional = REGIONS * Monthly("2018-01", end="2018-03")
    assert keys(MONTHS, regional, "2018-02") == [
        "region=us/partition_date=2018-02",
        "region=eu/partition_date=2018-02",
    ]
    assert keys(REGIONS, regional, "eu") == ["region=eu/partition_date=2018-01", "region=eu/partition_date=2018-02"]
    assert keys(Categories("size", ["s"]), REGIONS, "s") == ["us", "eu"]
    assert keys(MONTHS, REGIONS, "2018-02") == ["us", "eu"]
    assert keys(REGIONS, Monthly("2018-01", end="2018-03"), "eu") == ["2018-01", "2018-02"]


def test_products_are_paired_by_column_whatever_their_order() -> None:
    ours, theirs = REGIONS * MONTHS, Monthly("2018-01") * Categories("region", ["eu"])
    assert keys(ours, theirs, "region=eu/partition_date=2018-02") == ["partition_date=2018-02/region=eu"]
    assert not link(ours, theirs, None).is_same_key, "the keys are written in another order"
    daily = REGIONS * Daily("2018-01-01")
    assert keys(ours, daily, "region=eu/partition_date=2018-02") == [
        f"region=eu/partition_date={day}" for day in days("2018-02-01", 28)
    ]
    assert keys(daily, ours, "region=us/partition_date=2018-02-03") == ["region=us/partition_date=2018-02"]
    assert link(ours, ours, None).is_same_key


def test_what_is_unpartitioned_reads_all_and_is_read_whole() -> None:
    months = Monthly("2018-01", end="2018-04")
    assert named(WHOLE, months, "all") == Named(("2018-01", "2018-02", "2018-03"))
    assert named(months, WHOLE, "2018-02") == Named(("all",))
    assert named(WHOLE, WHOLE, "all") == Named(("all",))
    assert link(WHOLE, months, None).readers("2018-02", NOW) == ["all"]
    assert link(months, WHOLE, None).readers("all", NOW) == ["2018-01", "2018-02", "2018-03"]


def test_dynamic_keys_are_those_that_were_told() -> None:
    told = Dynamic("region").with_keys({"region": ["us", "eu"]})
    assert keys(WHOLE, told, "all") == ["eu", "us"]
    assert keys(MONTHS, told * MONTHS, "2018-02") == [
        "region=eu/partition_date=2018-02",
        "region=us/partition_date=2018-02",
    ]


# Overrides


def test_periods_count_the_readers_windows() -> None:
    assert keys(MONTHS, MONTHS, "2018-05", Periods(-2, 0)) == ["2018-03", "2018-04", "2018-05"]
    assert keys(MONTHS, MONTHS, "2018-05", Periods(-1, -1)) == ["2018-04"]
    assert keys(MONTHS, MONTHS, "2018-05", Periods(1, 2)) == ["2018-06", "2018-07"]
    assert keys(MONTHS, DAYS, "2018-03", Periods(-1, 0)) == days("2018-02-01", 59), "a month, in days"
    assert keys(DAYS, MONTHS, "2018-03-02", Periods(-2, 0)) == ["2018-02", "2018-03"], "days, of which months hold"
    assert keys(MONTHS, QUARTERS, "2018-05", Periods(-3, 0)) == ["2018-Q1", "2018-Q2"]
    assert keys(WEEKS, WEEKS, "2019-W01", Periods(-1, 0)) == ["2018-W52", "2019-W01"]
    assert keys(MONTHS, MONTHS, "2018-05", Periods(0, 0)) == ["2018-05"]
    assert link(MONTHS, MONTHS, Periods(0, 0)).is_same_key


def test_periods_beyond_the_upstream_are_not_read_and_said() -> None:
    assert named(MONTHS, MONTHS, "2018-02", Periods(-2, 0)) == Named(("2018-01", "2018-02"), "before 2018-01")
    assert named(MONTHS, MONTHS, "2018-01", Periods(-1, -1)) == Named((), "before 2018-01")
    short = Monthly("2018-01", end="2018-04")
    assert named(short, short, "2018-03", Periods(0, 1)) == Named(("2018-03",), "after 2018-03")


def test_periods_leave_other_dimensions_as_they_are() -> None:
    regional = REGIONS * MONTHS
    assert keys(regional, regional, "region=eu/partition_date=2018-05", Periods(-1, 0)) == [
        "region=eu/partition_date=2018-04",
        "region=eu/partition_date=2018-05",
    ]


def test_all_is_every_key_of_the_upstream() -> None:
    short = Monthly("2018-01", end="2018-04")
    assert keys(MONTHS, short, "2018-02", All()) == ["2018-01", "2018-02", "2018-03"]
    assert len(keys(MONTHS, REGIONS * short, "2018-02", All())) == 6
    assert keys(MONTHS, short, "2018-02", All()) == keys(MONTHS, short, "2030-01", All())


def test_latest_is_the_last_window_that_has_ended() -> None:
    assert keys(MONTHS, MONTHS, "2018-02", Latest()) == ["2019-02"]
    assert keys(REGIONS, DAYS, "eu", Latest()) == keys(WHOLE, DAYS, "all", Latest()) == ["2019-03-09"]
    assert keys(MONTHS, Monthly("2018-01", end="2018-04"), "2018-02", Latest()) == ["2018-03"]
    assert keys(MONTHS, Monthly("2030-01"), "2018-02", Latest()) == [], "none has ended"
    regional = REGIONS * MONTHS
    assert keys(regional, regional, "region=eu/partition_date=2018-02", Latest()) == [
        "region=eu/partition_date=2019-02"
    ]


def test_keys_are_those_that_are_named_in_the_upstreams_order() -> None:
    assert keys(DAYS, MONTHS, "2018-02-03", Keys(["2018-05", "2018-01"])) == ["2018-01", "2018-05"]
    assert keys(MONTHS, REGIONS, "2018-02", Keys(["eu", "us"])) == ["us", "eu"]
    assert Keys("2018-01").keys == ("2018-01",)


# The rule in words, and what is refused


@pytest.mark.parametrize(
    ("reader", "upstream", "rule", "text"),
    [
        (MONTHS, MONTHS, None, ""),
        (MONTHS, MONTHS, Periods(0, 0), ""),
        (REGIONS, REGIONS, None, ""),
        (REGIONS * MONTHS, REGIONS * MONTHS, None, ""),
        (MONTHS, DAYS, None, "windows that overlap"),
        (MONTHS, WHOLE, None, "all"),
        (WHOLE, MONTHS, None, "all"),
        (MONTHS, REGIONS * MONTHS, None, "every region"),
        (REGIONS, REGIONS * DAYS, None, "every partition_date"),
        (MONTHS, REGIONS * DAYS, None, "every region, windows that overlap"),
        (MONTHS, MONTHS, Periods(-2, 0), "Periods(-2, 0)"),
        (MONTHS, MONTHS, All(), "All()"),
        (MONTHS, MONTHS, Latest(), "Latest()"),
        (MONTHS, MONTHS, Keys(["2018-01"]), "Keys(['2018-01'])"),
    ],
)
def test_the_rule_in_words(reader: Partitions, upstream: Partitions, rule: Rule | None, text: str) -> None:
    assert link(reader, upstream, rule).text() == text


def refusal(make: Any) -> str:
    with pytest.raises(DefinitionError) as caught:
        make()
    return f"{caught.value.message} | {caught.value.help}"


def test_rules_that_are_none_are_refused_at_their_line() -> None:
    assert "Periods(0, -2) is reversed (test_mapping.py:" in refusal(lambda: Periods(0, -2))
    assert "did you mean Periods(-2, 0)?" in refusal(lambda: Periods(0, -2))
    wrong: Any = 0.5
    assert "counts no whole windows (test_mapping.py:" in refusal(lambda: Periods(wrong, 1))
    assert "names no keys (test_mapping.py:" in refusal(lambda: Keys([]))
    nothing: Any = [None]
    assert "names no keys (test_mapping.py:" in refusal(lambda: Keys(nothing))


def test_rules_that_do_not_fit_are_refused() -> None:
    assert "Periods(-1, 0) counts windows of time, and the upstream has none" in refusal(
        lambda: link(MONTHS, REGIONS, Periods(-1, 0))
    )
    assert "Periods(-1, 0) counts windows of time, and the asset has none" in refusal(
        lambda: link(REGIONS, MONTHS, Periods(-1, 0))
    )
    assert "Latest() is the last window of time, and the upstream has none" in refusal(
        lambda: link(MONTHS, REGIONS, Latest())
    )
    clash = refusal(lambda: link(MONTHS, Categories("partition_date", ["x"]), None))
    assert clash == (
        "the column 'partition_date' is monthly here and categories there | give one of them another name"
    )
    with pytest.raises(PartitionKeyError, match="is not a month"):
        link(MONTHS, MONTHS, Keys(["2018-13"]))


def test_a_graph_refuses_what_does_not_fit_and_names_both_assets_and_the_line() -> None:
    lake = Lake("lake")

    @lake.asset(partitions=REGIONS)
    def by_region(partition: Any) -> None: ...

    @lake.asset(partitions=MONTHS, upstream={"by_region": Periods(-1, 0)})
    def by_month(by_region: Any) -> None: ...

    with pytest.raises(DefinitionError) as caught:
        _ = lake.graph
    assert caught.value.code == "upstream-keys"
    assert caught.value.message.startswith("'by_month' reads 'by_region': Periods(-1, 0) counts windows of time")
    assert "(test_mapping.py:" in caught.value.message


# The inverse, and brute force

KINDS: list[Any] = [Daily, Weekly, Monthly, Quarterly, Yearly]
ZONES = ["UTC", BERLIN, "America/New_York", "Asia/Kolkata", APIA]
starts = st.dates(date(2011, 11, 20), date(2012, 2, 10))


@st.composite
def times(draw: st.DrawFn, column: str = "partition_date") -> TimePartitions:
    """A definition of some months around a change of year in which Samoa skipped a day."""
    kind, zone = draw(st.sampled_from([*KINDS, Hourly])), draw(st.sampled_from(ZONES))
    start = draw(starts)
    if kind is Hourly:
        end = start + timedelta(draw(st.integers(1, 3)))
    else:
        end = start + timedelta(
            draw(st.integers(1, 150)) + (750 if kind is Yearly else 190 if kind is Quarterly else 70)
        )
        end = draw(st.sampled_from([end, None])) if kind is not Daily else end
    return kind(start, end, timezone=zone, column=column)  # type: ignore[no-any-return]


@st.composite
def definitions(draw: st.DrawFn, column: str) -> Partitions:
    """A definition of any kind: by time, by a column that both may have, or by both, in either order."""
    time = draw(times(column))
    listed = draw(st.lists(st.sampled_from(["us", "eu", "apac"]), min_size=1, unique=True))
    regions = draw(st.sampled_from([Categories("region", listed), Dynamic("region").with_keys({"region": listed})]))
    return draw(st.sampled_from([time, regions, time * regions, regions * time, WHOLE]))


def rules(reader: Partitions, upstream: Partitions) -> st.SearchStrategy[Rule | None]:
    there = upstream.keys(HORIZON, include_current=True)
    found: list[st.SearchStrategy[Rule | None]] = [st.none(), st.just(All())]
    if there:
        found.append(st.lists(st.sampled_from(there), min_size=1, max_size=3, unique=True).map(Keys))
    if upstream.time is not None:
        found.append(st.just(Latest()))
        if reader.time is not None:
            pairs = st.tuples(st.integers(-3, 3), st.integers(0, 3))
            found.append(pairs.map(lambda pair: Periods(pair[0], pair[0] + pair[1])))
    return st.one_of(found)


HORIZON = datetime(2012, 5, 2, 3, 0, tzinfo=UTC)


@st.composite
def links(draw: st.DrawFn) -> Link:
    reader, upstream = draw(definitions("partition_date")), draw(definitions("day"))
    return link(reader, upstream, draw(rules(reader, upstream)))


@given(links(), st.data())
@settings(max_examples=150)
def test_a_key_is_read_by_those_that_read_it(found: Link, data: st.DataObject) -> None:
    """k is among the readers of u if and only if u is among the keys that k reads, for all k and u that there are."""
    ours = found.reader.keys(HORIZON, include_current=True)
    theirs = found.upstream.keys(HORIZON, include_current=True)
    some = theirs if len(theirs) < 30 else data.draw(st.lists(st.sampled_from(theirs), max_size=30, unique=True))
    read = {key: set(found.named(key, HORIZON).keys) for key in ours}
    for upper in some:
        readers = [key for key in found.readers(upper, HORIZON) if key in read]
        assert readers == [key for key in ours if upper in read[key]]


@given(links())
def test_readers_are_keys_that_the_reader_has(found: Link) -> None:
    ours = {*found.reader.keys(HORIZON, include_current=True)}
    for upper in found.upstream.keys(HORIZON, include_current=True)[:20]:
        assert {*found.readers(upper, HORIZON)} <= ours


def instants(partitions: TimePartitions, key: str) -> tuple[datetime, datetime]:
    window = partitions.window(key)
    return window.start.astimezone(UTC), window.end.astimezone(UTC)


@given(times(), times("day"))
@settings(max_examples=150)
def test_overlap_is_what_comparing_every_pair_of_windows_says(
    reader: TimePartitions, upstream: TimePartitions
) -> None:
    found = link(reader, upstream, None)
    if found.is_same_key:
        return
    theirs = {key: instants(upstream, key) for key in upstream.keys(HORIZON + timedelta(1500), include_current=True)}
    for key in reader.keys(HORIZON)[:40]:
        start, end = instants(reader, key)
        expected = [upper for upper, (first, last) in theirs.items() if max(first, start) < min(last, end)]
        answer = found.named(key, HORIZON)
        assert [*answer.keys] == expected
        # The span is covered exactly where nothing is said to lie beyond.
        covered = sum((min(theirs[upper][1], end) - max(theirs[upper][0], start) for upper in expected), timedelta())
        assert (answer.beyond == "") == (covered == end - start)


@given(times(), times("day"))
def test_every_upstream_window_inside_the_readers_span_is_read_by_someone(
    reader: TimePartitions, upstream: TimePartitions
) -> None:
    ours = reader.keys(HORIZON, include_current=True)
    if not ours:
        return
    begin, stop = instants(reader, ours[0])[0], instants(reader, ours[-1])[1]
    read = {upper for key in ours for upper in link(reader, upstream, None).named(key, HORIZON).keys}
    for upper in upstream.keys(HORIZON):
        first, last = instants(upstream, upper)
        if begin <= first < last <= stop:
            assert upper in read
