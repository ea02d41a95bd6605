"""Which row belongs to which window of time, whatever the unit, the zone and the type of the time column."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import duckdb
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse import Daily, Hourly, Monthly, Quarterly, Weekly, Yearly
from lakehouse.errors import DefinitionError
from lakehouse.partitions.timekinds import TimePartitions
from lakehouse.windows import limit, without_window

YEAR = [f"2018-{month:02}" for month in range(1, 13)]
MINUTE, SECOND, MICROSECOND = timedelta(minutes=1), timedelta(seconds=1), timedelta(microseconds=1)


def limited(frame: pl.LazyFrame, partitions: TimePartitions, keys: Sequence[str]) -> pl.LazyFrame:
    """The rows of a frame whose time ``t`` lies in the windows of some keys, with the key in the partition column."""
    return limit(frame, "t", partitions, keys, of="raw", into=partitions.column)


def keyed(times: pl.Series, partitions: TimePartitions, keys: Sequence[str]) -> dict[int, str]:
    """The key that each row is given, by the row's number; rows that are left out have none."""
    frame = pl.DataFrame({"t": times}).with_row_index("row").lazy()
    found = limited(frame, partitions, keys).select("row", partitions.column)
    return dict(found.collect(engine="streaming").iter_rows())


def edges(first: datetime, step: timedelta) -> list[datetime]:
    """Moments around each month's start from 2017-12 to 2020-03: a step before it, it, and a step after it."""
    starts = [first.replace(year=2017 + n // 12, month=n % 12 + 1) for n in range(11, 39)]
    return [start + offset for start in starts for offset in (-step, timedelta(0), step)]


NAIVE = datetime(2018, 1, 1)  # noqa: DTZ001  wall clock is what is meant


@pytest.mark.parametrize(
    ("dtype", "step"),
    [
        (pl.Date(), timedelta(days=1)),
        (pl.Datetime("ms"), timedelta(milliseconds=1)),
        (pl.Datetime("us"), MICROSECOND),
        (pl.Datetime("ns"), MICROSECOND),
    ],
    ids=str,
)
@pytest.mark.parametrize("keys", [YEAR, ["2018-02"], ["2018-01", "2018-04"], YEAR[::2], [*YEAR, "2020-02"]], ids=len)
@pytest.mark.parametrize("timezone", ["UTC", "America/New_York"])
def test_a_wall_clock_time_belongs_to_the_month_that_it_shows(
    dtype: pl.DataType, step: timedelta, keys: list[str], timezone: str
) -> None:
    """To the last tick, at midnight itself, on 29 February, and with gaps between the requested months."""
    times = pl.Series("t", [*edges(NAIVE, step), datetime(2020, 2, 29, 23), None]).cast(dtype)  # noqa: DTZ001
    frame = pl.DataFrame({"t": times}).with_row_index("row")
    by_sql = duckdb.sql("select row, strftime(t, '%Y-%m') from frame where t is not null").fetchall()
    found = keyed(times, Monthly("2017-01", timezone=timezone), keys)
    assert found == {row: key for row, key in by_sql if key in keys}
    assert set(found.values()) == set(keys)
    assert frame.height == 86


@pytest.mark.parametrize(("unit", "column_zone"), [("us", "UTC"), ("ms", "America/New_York"), ("ns", "Asia/Tokyo")])
@pytest.mark.parametrize("timezone", ["UTC", "America/New_York", "Asia/Kathmandu", "Pacific/Apia"])
@pytest.mark.parametrize("keys", [YEAR, ["2018-03"], ["2018-03", "2018-11"], YEAR[::2] * 2], ids=len)
def test_an_instant_belongs_to_the_month_that_clocks_in_the_definitions_zone_show(
    unit: pl.datatypes.classes.TimeUnit, column_zone: str, timezone: str, keys: list[str]
) -> None:
    """Whatever zone the column is in: around each month's start by clocks there, and in each hour around New Year."""
    by_utc = [*edges(NAIVE, timedelta(hours=1)), *(NAIVE + timedelta(hours=hour) for hour in range(-48, 48))]
    in_zone = pl.Series(edges(NAIVE, timedelta(milliseconds=1))).dt.replace_time_zone(timezone)
    times = pl.concat([pl.Series(by_utc).dt.replace_time_zone("UTC"), in_zone.dt.convert_time_zone("UTC")]).alias("t")
    frame = pl.DataFrame({"t": times}).with_row_index("row")
    sql = f"select row, strftime(t at time zone '{timezone}', '%Y-%m') from frame"  # noqa: S608  a zone of this test's
    column = times.dt.convert_time_zone(column_zone).dt.cast_time_unit(unit)
    found = keyed(column, Monthly("2017-01", timezone=timezone), list(dict.fromkeys(keys)))
    assert found == {row: key for row, key in duckdb.sql(sql).fetchall() if key in keys}
    assert frame.height == 264


@pytest.mark.parametrize(
    ("timezone", "instant", "key"),
    [
        # New York, 2018-03-11 and 2018-11-04: the hours at which clocks change lie within a month.
        ("America/New_York", "2018-03-01T04:59:59Z", "2018-02"),
        ("America/New_York", "2018-03-01T05:00:00Z", "2018-03"),
        ("America/New_York", "2018-04-01T03:59:59Z", "2018-03"),
        ("America/New_York", "2018-04-01T04:00:00Z", "2018-04"),
        # Asunción, 2017-10-01: no midnight; after 23:59:59 comes 01:00, at 04:00 UTC.
        ("America/Asuncion", "2017-10-01T03:59:59Z", "2017-09"),
        ("America/Asuncion", "2017-10-01T04:00:00Z", "2017-10"),
        # Havana, 2015-11-01: clocks are set back from 01:00 to midnight; the first midnight begins the month.
        ("America/Havana", "2015-11-01T03:59:59Z", "2015-10"),
        ("America/Havana", "2015-11-01T04:00:00Z", "2015-11"),
        ("America/Havana", "2015-11-01T05:00:00Z", "2015-11"),
        # St. John's, 2009-11-01: at 00:01 (02:31 UTC) clocks are set back to 23:01 of 31 October.
        ("America/St_Johns", "2009-11-01T02:29:59Z", "2009-10"),
        ("America/St_Johns", "2009-11-01T02:30:00Z", "2009-11"),
        ("America/St_Johns", "2009-11-01T02:31:00Z", "2009-11"),
        ("America/St_Johns", "2009-11-01T03:29:59Z", "2009-11"),
        ("America/St_Johns", "2009-11-01T03:30:00Z", "2009-11"),
    ],
)
def test_clocks_that_change_at_a_months_first_midnight_move_no_row(timezone: str, instant: str, key: str) -> None:
    """Alone or together with its neighbours, the month gets the row."""
    partitions = Monthly("2000-01", timezone=timezone)
    times = pl.Series("t", [datetime.fromisoformat(instant)]).dt.convert_time_zone("UTC")
    around = [partitions.key_of(date.fromisoformat(f"{key}-15") + timedelta(days=days)) for days in (-30, 0, 30)]
    assert keyed(times, partitions, around) == {0: key}
    for one in around:
        assert keyed(times, partitions, [one]) == ({0: key} if one == key else {})


@given(
    st.lists(st.datetimes(datetime(2017, 1, 1), datetime(2020, 12, 31)), max_size=20),  # noqa: DTZ001
    st.sets(
        st.sampled_from([f"{year}-{month:02}" for year in range(2017, 2021) for month in range(1, 13)]), min_size=1
    ),
)
def test_each_row_is_in_the_one_month_that_it_shows_whichever_are_asked_for(
    times: list[datetime], keys: set[str]
) -> None:
    column = pl.Series("t", times, dtype=pl.Datetime("us"))
    expected = {row: f"{time:%Y-%m}" for row, time in enumerate(times)}
    assert keyed(column, Monthly("2017-01"), sorted(keys)) == {r: key for r, key in expected.items() if key in keys}


def test_keys_are_written_in_the_definitions_format_and_column() -> None:
    times = pl.Series("t", [date(2018, 1, 31), date(2018, 2, 1)])
    partitions = Monthly("2018-01", format="m%m-%Y", column="month")
    assert keyed(times, partitions, ["m01-2018", "m02-2018"]) == {0: "m01-2018", 1: "m02-2018"}


# Hours.

BERLIN, KOLKATA, NEW_YORK = "Europe/Berlin", "Asia/Kolkata", "America/New_York"
AUTUMN = [datetime(2018, 10, 27, 20, tzinfo=UTC) + timedelta(minutes=20 * number) for number in range(60)]


def hours(timezone: str) -> Hourly:
    return Hourly("2018-03-01", "2018-12-01", timezone=timezone)


@pytest.mark.parametrize(("unit", "column_zone"), [("us", "UTC"), ("ms", NEW_YORK), ("ns", "Asia/Kathmandu")])
@pytest.mark.parametrize(("timezone", "form"), [("UTC", ""), (BERLIN, "%z"), (KOLKATA, "%z"), (NEW_YORK, "%z")])
@pytest.mark.parametrize("step", [1, 2, 5, 17])
def test_an_instant_belongs_to_the_hour_that_clocks_in_the_definitions_zone_show(
    unit: pl.datatypes.classes.TimeUnit, column_zone: str, timezone: str, form: str, step: int
) -> None:
    """Hours of Kolkata begin at half past in UTC; the one that Berlin had twice on 28 October has two keys."""
    around = [moment + by for moment in AUTUMN for by in (-MICROSECOND * 1000, timedelta(), MICROSECOND * 1000)]
    shown = [f"{moment.astimezone(ZoneInfo(timezone)):%Y-%m-%dT%H{form}}" for moment in around]
    keys = list(dict.fromkeys(shown))[::step]
    times = pl.Series("t", around).dt.convert_time_zone(column_zone).dt.cast_time_unit(unit)
    expected = {row: key for row, key in enumerate(shown) if key in keys}
    assert keyed(times, hours(timezone), keys) == expected
    assert set(expected.values()) == set(keys)


def test_a_wall_clock_time_belongs_to_the_hour_that_it_shows() -> None:
    """In UTC, as DuckDB tells it; also before 1970, where seconds are counted downwards."""
    starts = [datetime(1969, 12, 31, 22), datetime(2018, 2, 28, 22), datetime(2018, 10, 28)]  # noqa: DTZ001
    strikes = [start + timedelta(hours=hour) for start in starts for hour in range(5)]
    frame = pl.DataFrame({"t": [strike + by for strike in strikes for by in (-MICROSECOND, timedelta())]})
    frame = frame.with_row_index("row")
    sql = duckdb.sql("select row, strftime(t, '%Y-%m-%dT%H') from frame").fetchall()
    keys = ["1969-12-31T23", "1970-01-01T00", "2018-02-28T23", "2018-03-01T00", "2018-10-28T02"]
    found = keyed(frame["t"], Hourly("1969-01-01"), keys)
    assert found == {row: key for row, key in sql if key in keys}
    assert sorted(set(found.values())) == keys


@pytest.mark.parametrize(
    ("moment", "key"),
    [
        ("2018-10-28T01:59:59", "2018-10-28T01+0200"),
        ("2018-10-28T02:00:00", "2018-10-28T02+0200"),  # of the doubled hour the first, whichever was meant
        ("2018-10-28T02:59:59", "2018-10-28T02+0200"),
        ("2018-10-28T03:00:00", "2018-10-28T03+0100"),
        ("2018-03-25T01:59:59", "2018-03-25T01+0100"),
        ("2018-03-25T02:00:00", None),  # no clock showed it
        ("2018-03-25T02:59:59", None),
        ("2018-03-25T03:00:00", "2018-03-25T03+0200"),
    ],
)
def test_a_wall_clock_time_of_a_doubled_hour_is_of_the_first_and_that_of_a_skipped_one_of_none(
    moment: str, key: str | None
) -> None:
    """Whichever hours are asked for: all of the night at once, or one alone."""
    times = pl.Series("t", [datetime.fromisoformat(moment)])
    spring = ["2018-03-25T01+0100", "2018-03-25T03+0200"]
    autumn = ["2018-10-28T01+0200", "2018-10-28T02+0200", "2018-10-28T02+0100", "2018-10-28T03+0100"]
    night = autumn if "-10-" in moment else spring
    expected = {} if key is None else {0: key}
    assert keyed(times, hours(BERLIN), night) == expected
    assert keyed(times, hours(BERLIN), [*spring, *autumn]) == expected
    for one in night:
        assert keyed(times, hours(BERLIN), [one]) == (expected if one == key else {})


def test_hours_are_not_told_from_dates() -> None:
    frame = pl.LazyFrame({"t": [date(2018, 1, 1)]})
    with pytest.raises(DefinitionError) as caught:
        limited(frame, Hourly("2018-01-01"), ["2018-01-01T00"])
    assert caught.value.lines() == [
        "raw.t is a date, and tells no hours apart",
        "  help: name a column with a time of day, or use Daily",
    ]


# Days, weeks, quarters, years.

KINDS = {
    Daily: "strftime(t, '%Y-%m-%d')",
    Weekly: "strftime(t, '%G-W%V')",
    Monthly: "strftime(t, '%Y-%m')",
    Quarterly: "year(t) || '-Q' || quarter(t)",
    Yearly: "strftime(t, '%Y')",
}


@pytest.mark.parametrize("step", [1, 2, 7])
@pytest.mark.parametrize("dtype", [pl.Date(), pl.Datetime("us"), pl.Datetime("ms", "UTC")], ids=str)
@pytest.mark.parametrize("kind", list(KINDS), ids=lambda kind: kind.kind)
def test_a_row_belongs_to_the_one_window_that_holds_its_time(
    kind: type[TimePartitions], dtype: pl.DataType, step: int
) -> None:
    """In each of these units as DuckDB tells it, by the clocks of Berlin, over six turns of the year."""
    moments = [datetime(2014, 12, 20) + timedelta(hours=hour) for hour in range(0, 24 * 365 * 6, 13)]  # noqa: DTZ001
    midnights = [datetime(2015 + n, 1, 1) + by for n in range(6) for by in (-timedelta(milliseconds=1), timedelta())]  # noqa: DTZ001
    wall = pl.Series("t", [*moments, *midnights, None], dtype=pl.Datetime("us"))
    if isinstance(dtype, pl.Datetime) and dtype.time_zone:
        # Where clocks show a time twice or never there is no one instant, and none of these is there.
        times = wall.dt.replace_time_zone(BERLIN).dt.convert_time_zone("UTC").cast(dtype)
    else:
        times = wall.cast(dtype)
    clocks = pl.DataFrame({"t": wall}).with_row_index("row").drop_nulls()
    assert clocks.height == wall.len() - 1
    by_sql = duckdb.sql(f"select row, {KINDS[kind]} from clocks order by row").fetchall()  # noqa: S608
    keys = list(dict.fromkeys(key for _, key in by_sql))[::step]
    found = keyed(times, kind("2014-01-01", timezone=BERLIN), keys)
    assert found == {row: key for row, key in by_sql if key in set(keys)}
    assert set(found.values()) == set(keys)


@pytest.mark.parametrize("before", [[], [f"2009-{month:02}-05" for month in range(1, 10)]], ids=len)
@pytest.mark.parametrize("after", [[], ["2009-11-02"], [f"2010-{month:02}-05" for month in range(1, 10)]], ids=len)
def test_an_hour_that_clocks_show_again_is_not_given_to_the_day_before(before: list[str], after: list[str]) -> None:
    """At 00:01 of 1 November 2009 (02:31 UTC) clocks in St. John's went back to 23:01, and 1 November went on.

    Whether it is asked for or not, and however many windows are.
    """
    clock = [(2, 29), (2, 30), (2, 31), (3, 29)]
    times = pl.Series("t", [datetime(2009, 11, 1, hour, minute, tzinfo=UTC) for hour, minute in clock])
    days = Daily("2009-01-01", timezone="America/St_Johns")
    assert keyed(times, days, [*before, "2009-10-31", *after]) == {0: "2009-10-31"}
    assert keyed(times, days, [*before, "2009-11-01", *after]) == dict.fromkeys([1, 2, 3], "2009-11-01")
    assert keyed(times, days, [*before, "2009-10-31", "2009-11-01", *after]) == {
        0: "2009-10-31",
        **dict.fromkeys([1, 2, 3], "2009-11-01"),
    }


def test_a_day_that_a_zone_skipped_has_no_instant() -> None:
    """Samoa went from 29 to 31 December 2011; rows of its day by a calendar are kept apart all the same."""
    days = Daily("2011-12-01", timezone="Pacific/Apia")
    three = ["2011-12-29", "2011-12-30", "2011-12-31"]
    moments = pl.Series("t", [datetime(2011, 12, 30, hour, 59, tzinfo=UTC) for hour in (9, 10)])
    assert keyed(moments, days, three) == {0: "2011-12-29", 1: "2011-12-31"}
    dates = pl.Series("t", [date(2011, 12, day) for day in (29, 30, 31)])
    assert keyed(dates, days, three) == dict(enumerate(three))
    assert keyed(dates, days, ["2011-12-30"]) == {1: "2011-12-30"}


# What reaches the scan.


@pytest.mark.parametrize(
    ("partitions", "keys", "intervals"),
    [
        (hours(BERLIN), ["2018-10-28T01+0200", "2018-10-28T02+0200", "2018-10-28T02+0100", "2018-10-28T03+0100"], 1),
        (hours(BERLIN), ["2018-10-28T02+0200", "2018-10-28T03+0100"], 2),  # the doubled hour's second lies between
        (hours(BERLIN), ["2018-03-25T01+0100", "2018-03-25T03+0200"], 1),  # and here nothing does
        (Daily("2011-12-01", timezone="Pacific/Apia"), ["2011-12-29", "2011-12-31"], 1),
        (Monthly("2018-01"), ["2018-03", "2018-01", "2018-02"], 1),
        (Monthly("2017-01"), [f"{year}-{month:02}" for year in (2017, 2018) for month in (1, 3, 5, 7)], 8),
        (Monthly("2017-01"), [f"{year}-{month:02}" for year in (2017, 2018) for month in (1, 3, 5, 7, 9)], 1),
    ],
    ids=["doubled", "around the doubled", "skipped", "a skipped day", "months", "eight gaps", "more gaps"],
)
def test_windows_that_touch_are_filtered_as_one_interval_and_many_by_their_ends(
    partitions: TimePartitions, keys: list[str], intervals: int
) -> None:
    frame = pl.LazyFrame({"t": pl.Series([datetime(2018, 1, 1, tzinfo=UTC)])})
    plan = limited(frame, partitions, keys).explain(optimized=False)
    assert plan.count('(col("t")) >= ') + plan.count('col("t") >= ') == intervals


def test_without_keys_there_are_no_rows_and_the_column_is_there() -> None:
    found = limited(pl.LazyFrame({"t": [date(2018, 1, 1)]}), Monthly("2018-01"), []).collect()
    assert dict(found.schema) == {"t": pl.Date(), "partition_date": pl.String()}
    assert found.height == 0


# Rows of no window.


@pytest.mark.parametrize(
    ("partitions", "dtype", "counts"),
    [
        (Monthly("2018-03", "2018-11", timezone=BERLIN), pl.Datetime("us"), [1, 1, 2, 0]),
        (Monthly("2018-03", timezone=BERLIN), pl.Datetime("us"), [1, 1, 0, 0]),
        (Hourly("2018-03-01", "2018-11-01", timezone=BERLIN), pl.Datetime("us"), [1, 1, 2, 2]),
        (Hourly("2018-03-01", "2018-11-01"), pl.Datetime("us"), [1, 1, 2, 0]),
        (Hourly("2018-03-01", "2018-11-01", timezone=BERLIN), pl.Datetime("us", "UTC"), [1, 0, 2, 0]),
    ],
    ids=["months", "no end", "hours", "hours in UTC", "aware"],
)
def test_rows_of_no_window_are_counted_by_reason(
    partitions: TimePartitions, dtype: pl.Datetime, counts: list[int]
) -> None:
    """Of 28 February 23:30, 25 March 02:00 and 02:59 (which Berlin skips), 1 November, 2 November, and a null."""
    texts = ["2018-02-28T23:30", "2018-03-25T02:00", "2018-03-25T02:59", "2018-11-01T00:00", "2018-11-02T00:00", None]
    moments = [datetime.fromisoformat(text) if text else None for text in texts]
    times = pl.Series("t", moments, dtype=pl.Datetime("us"))
    if dtype.time_zone:
        times = times.dt.replace_time_zone("UTC")
    (row,) = pl.LazyFrame({"t": times}).select(without_window("t", dtype, partitions)).collect().rows(named=True)
    assert list(row) == ["null", "before", "after", "skipped", "last"]
    assert [row[reason] for reason in ("null", "before", "after", "skipped")] == counts
    assert row["last"].replace(tzinfo=None) == datetime(2018, 11, 2)  # noqa: DTZ001


# What is refused.


@pytest.mark.parametrize(
    ("column", "message", "cure"),
    [
        (pl.Series(["2018-01-01"]), "raw.t is String, not a date or time", 'pl.col("t").str.to_date("%Y-%m-%d")'),
        (pl.Series([0], dtype=pl.Int64), "raw.t is Int64, not a date or time", 'pl.col("t").cast(pl.Datetime("ms"))'),
        (pl.Series([0], dtype=pl.Int32), "raw.t is Int32, not a date or time", 'pl.col("t").cast(pl.Date)'),
    ],
    ids=lambda value: str(getattr(value, "dtype", "")),
)
def test_a_time_column_that_is_none_is_refused_with_the_cast_that_helps(
    column: pl.Series, message: str, cure: str
) -> None:
    frame = pl.DataFrame({"t": column})
    with pytest.raises(DefinitionError) as caught:
        limited(frame.lazy(), Monthly("2018-01"), ["2018-01"])
    assert caught.value.message == message
    assert (caught.value.help or "").startswith(f"cast it in a view: {cure}")
    cured = frame.with_columns(eval(cure))  # noqa: S307  the advice that a person would paste
    limited(cured.lazy(), Monthly("2018-01"), ["2018-01"]).collect()


def test_a_missing_time_column_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(DefinitionError, match="'raw' has no column 't', which its time= names") as caught:
        limited(pl.LazyFrame({"a": [1], "b": [1]}), Monthly("2018-01"), ["2018-01"])
    assert caught.value.help == "it has a, b"


def test_a_column_of_the_partition_columns_name_is_not_replaced_unsaid() -> None:
    frame = pl.LazyFrame({"t": [date(2018, 1, 1)], "partition_date": [7]})
    with pytest.raises(DefinitionError, match="'raw' has a column 'partition_date' of its own") as caught:
        limited(frame, Monthly("2018-01"), ["2018-01"])
    assert caught.value.help == 'rename it in a view, or name the other: Monthly(..., column="partition_date_key")'
    limited(frame, Monthly("2018-01", column="partition_date_key"), ["2018-01"]).collect()


@pytest.mark.parametrize("timezone", [None, "UTC", "Europe/Berlin"])
def test_windows_may_begin_and_end_beyond_what_nanoseconds_reach(timezone: str | None) -> None:
    """They count from 1677-09-21 to 2262-04-11; Polars has no literal of a time beyond."""
    years = Yearly("1600", end="2301", timezone=timezone or "UTC")
    times = pl.Series([-(2**63) + 10**14, 0, 2**63 - 10**14], dtype=pl.Int64).cast(pl.Datetime("ns", timezone))
    keys = ["1600", "1677", "1970", "2262", "2300"]
    assert keyed(times, years, keys) == {0: "1677", 1: "1970", 2: "2262"}
    assert keyed(times, years, years.between("1600", "2300")) == {0: "1677", 1: "1970", 2: "2262"}
    frame = pl.DataFrame({"t": times})
    counts = frame.select(without_window("t", frame.schema["t"], years)).row(0, named=True)
    assert (counts["before"], counts["after"], counts["null"]) == (0, 0, 0)
