"""Laws of monthly partitions: keys, windows, extents, and the words of their errors."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from counting import calls_of
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.errors import DefinitionError, PartitionKeyError
from lakehouse.partitions.dimension import Partition, Window
from lakehouse.partitions.timekinds import Monthly

NOW = datetime(2026, 11, 20, 9, 12, tzinfo=UTC)
# St. John's set its clocks back over midnight, Havana had two midnights, Asuncion skipped some, Kiritimati a day.
ZONES = ["UTC", "America/New_York", "Europe/Berlin", "Asia/Kolkata", "America/St_Johns", "America/Havana"]
ZONES += ["America/Asuncion", "Pacific/Kiritimati", "Australia/Lord_Howe"]
zones = st.sampled_from(ZONES)
days = st.dates(date(1900, 1, 1), date(2200, 12, 31))


def refused(**definition: Any) -> tuple[str, str | None]:
    """Message and help of the error, the place taken off the message once it is seen to be right."""
    with pytest.raises(DefinitionError) as caught:
        Monthly(**definition)
    place = f" (test_timepartitions.py:{refused.__code__.co_firstlineno + 3})"
    assert caught.value.message.endswith(place)
    return caught.value.message.removesuffix(place), caught.value.help


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("timezone", "key", "start", "end"),
    [
        ("UTC", "2018-01", "2018-01-01T00:00", "2018-02-01T00:00"),
        ("UTC", "2018-02", "2018-02-01T00:00", "2018-03-01T00:00"),
        ("UTC", "2020-02", "2020-02-01T00:00", "2020-03-01T00:00"),
        ("UTC", "1900-02", "1900-02-01T00:00", "1900-03-01T00:00"),
        ("UTC", "2018-12", "2018-12-01T00:00", "2019-01-01T00:00"),
        ("UTC", "1000-01", "1000-01-01T00:00", "1000-02-01T00:00"),
        ("UTC", "9999-11", "9999-11-01T00:00", "9999-12-01T00:00"),
        ("America/New_York", "2018-01", "2018-01-01T05:00", "2018-02-01T05:00"),
        ("America/New_York", "2018-03", "2018-03-01T05:00", "2018-04-01T04:00"),
        ("America/New_York", "2018-07", "2018-07-01T04:00", "2018-08-01T04:00"),
        ("America/New_York", "2018-11", "2018-11-01T04:00", "2018-12-01T05:00"),
        ("America/New_York", "2018-12", "2018-12-01T05:00", "2019-01-01T05:00"),
        ("Europe/Berlin", "2018-01", "2017-12-31T23:00", "2018-01-31T23:00"),
        ("Europe/Berlin", "2018-03", "2018-02-28T23:00", "2018-03-31T22:00"),
        ("Europe/Berlin", "2020-02", "2020-01-31T23:00", "2020-02-29T23:00"),
        ("Europe/Berlin", "2018-10", "2018-09-30T22:00", "2018-10-31T23:00"),
        ("Asia/Kolkata", "2018-01", "2017-12-31T18:30", "2018-01-31T18:30"),
        ("Asia/Kolkata", "2020-03", "2020-02-29T18:30", "2020-03-31T18:30"),
        # clocks went from 00:00 to 01:00 on 2017-10-01: the day began at 04:00 UTC
        ("America/Asuncion", "2017-10", "2017-10-01T04:00", "2017-11-01T03:00"),
        # midnight struck twice on 2020-11-01: the day began with the first
        ("America/Havana", "2020-11", "2020-11-01T04:00", "2020-12-01T05:00"),
    ],
)
def test_a_window_goes_from_local_midnight_to_local_midnight(timezone: str, key: str, start: str, end: str) -> None:
    window = Monthly("2018-01", timezone=timezone).window(key)
    assert [window.start.astimezone(UTC), window.end.astimezone(UTC)] == [utc(start), utc(end)]
    assert [window.start.hour, window.start.day, window.end.hour, window.end.day] == [0, 1, 0, 1]
    assert window.start.tzinfo == ZoneInfo(timezone)


@pytest.mark.parametrize(
    ("timezone", "now", "included", "last"),
    [
        ("UTC", "2018-01-31T23:59:59.999999", False, None),
        ("UTC", "2018-02-01T00:00", False, "2018-01"),
        ("UTC", "2018-02-01T00:00", True, "2018-02"),
        ("UTC", "2020-02-29T23:59", False, "2020-01"),
        ("UTC", "2018-12-31T23:59", False, "2018-11"),
        ("UTC", "2019-01-01T00:00", False, "2018-12"),
        ("UTC", "2017-06-15T00:00", True, None),
        ("UTC", "2018-01-15T00:00", True, "2018-01"),
        ("America/New_York", "2018-03-01T04:59", False, "2018-01"),
        ("America/New_York", "2018-03-01T05:00", False, "2018-02"),
        ("Europe/Berlin", "2018-02-28T22:59", False, "2018-01"),
        ("Europe/Berlin", "2018-02-28T23:00", False, "2018-02"),
        ("Asia/Kolkata", "2018-02-28T18:29", False, "2018-01"),
        ("Asia/Kolkata", "2018-02-28T18:30", False, "2018-02"),
    ],
)
def test_a_month_counts_from_the_instant_it_has_ended(
    timezone: str,
    now: str,
    included: bool,  # noqa: FBT001  a column of the table
    last: str | None,
) -> None:
    monthly = Monthly("2018-01", timezone=timezone)
    assert monthly.last_key(utc(now), include_current=included) == last
    assert monthly.keys(utc(now), include_current=included)[-1:] == ([last] if last else [])


def test_a_month_that_the_clock_shows_again_has_ended_all_the_same() -> None:
    """On 2009-11-01 at 00:01 in St. John's the clocks went back to 23:01 of October."""
    again = utc("2009-11-01T03:00")
    assert again.astimezone(ZoneInfo("America/St_Johns")).strftime("%Y-%m-%d %H:%M") == "2009-10-31 23:30"
    assert Monthly("2009-01", timezone="America/St_Johns").last_key(again) == "2009-10"


def test_now_may_be_told_in_any_zone_but_must_tell_it() -> None:
    berlin = datetime(2018, 3, 1, 0, 30, tzinfo=ZoneInfo("Europe/Berlin"))  # 2018-02-28 23:30 UTC
    assert Monthly("2018-01").last_key(berlin) == "2018-01"
    with pytest.raises(ValueError, match="now must be a datetime with a time zone"):
        Monthly("2018-01").keys(datetime(2018, 3, 1))  # noqa: DTZ001  the very fault


@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [
        ("2018-01", None, "2018-01", "2026-10"),
        ("2018-01", "2019-01", "2018-01", "2018-12"),
        ("2018-01-01", "2019-01-01", "2018-01", "2018-12"),
        ("2018-01-15", None, "2018-02", "2026-10"),
        ("2018-12-02", None, "2019-01", "2026-10"),
        ("2018-01", "2019-01-15", "2018-01", "2018-12"),
        ("2018-01", "2018-12-31", "2018-01", "2018-11"),
        (date(2020, 2, 29), date(2020, 4, 30), "2020-03", "2020-03"),
        ("2018-01", "2030-01", "2018-01", "2026-10"),
        ("2018-01", date(9999, 12, 31), "2018-01", "2026-10"),
    ],
)
def test_bounds_keep_the_windows_that_lie_within_them(
    start: str | date, end: str | date | None, first: str, last: str
) -> None:
    monthly = Monthly(start, end)
    assert (monthly.first_key, monthly.last_key(NOW)) == (first, last)


def test_the_call_overrides_whether_the_running_month_counts() -> None:
    including, excluding = Monthly("2026-08", include_current=True), Monthly("2026-08")
    complete, running = ["2026-08", "2026-09", "2026-10"], ["2026-08", "2026-09", "2026-10", "2026-11"]
    assert including.keys(NOW) == excluding.keys(NOW, include_current=True) == running
    assert excluding.keys(NOW) == including.keys(NOW, include_current=False) == complete
    assert Monthly("2026-08", "2026-11", include_current=True).keys(NOW) == complete


@pytest.mark.parametrize(
    ("key_format", "keys"),
    [
        ("%Y%m", ["201712", "201801", "201802"]),
        ("%m.%Y", ["12.2017", "01.2018", "02.2018"]),
        ("%Y-%m-%d", ["2017-12-01", "2018-01-01", "2018-02-01"]),
        ("{%Y}%%%m", ["{2017}%12", "{2018}%01", "{2018}%02"]),
        ("%Y %Y-%m", ["2017 2017-12", "2018 2018-01", "2018 2018-02"]),
    ],
)
def test_a_format_writes_keys_that_it_reads_back(key_format: str, keys: list[str]) -> None:
    monthly = Monthly("2017-12", "2018-03", format=key_format)
    assert monthly.keys(NOW) == keys
    assert [monthly.parse(key, exact=True) for key in keys] == keys
    assert [monthly.index(key) for key in keys] == [0, 1, 2]
    assert monthly.coarser("2018") == (keys[1], monthly.key_of(date(2018, 12, 31)))
    assert Monthly(keys[0], keys[2], format=key_format).keys(NOW) == keys[:2]


def test_a_repeated_part_of_a_format_must_agree_with_itself() -> None:
    with pytest.raises(PartitionKeyError, match=r"'2017 2018-01' is not a month"):
        Monthly("2017-12", format="%Y %Y-%m").parse("2017 2018-01")


def test_what_a_key_is_to_a_function_and_to_a_folder() -> None:
    monthly = Monthly("2018-01", column="month", timezone="Asia/Kolkata")
    kolkata = ZoneInfo("Asia/Kolkata")
    start, end = datetime(2018, 2, 1, tzinfo=kolkata), datetime(2018, 3, 1, tzinfo=kolkata)
    assert monthly.partition("2018-02") == Partition("2018-02", start, end, {"month": "2018-02"})
    assert monthly.window("2018-02") == Window(start, end)
    assert (monthly.columns, monthly.values("2018-02")) == (("month",), ("2018-02",))


def test_between_includes_both_ends_and_ignores_the_extent() -> None:
    monthly = Monthly("2018-01", "2018-02")
    assert monthly.between("2017-11", "2018-02") == ["2017-11", "2017-12", "2018-01", "2018-02"]
    assert monthly.between("2018-01", "2018-01") == ["2018-01"]
    assert monthly.between("2018-02", "2018-01") == []


def test_the_description_leaves_the_extent_out() -> None:
    described = {"kind": "monthly", "column": "m", "timezone": "UTC", "format": "%Y%m"}
    one = Monthly("2018-01", column="m", format="%Y%m")
    other = Monthly("2011-01", "2013-01", column="m", format="%Y%m", include_current=True)
    assert one.describe() == other.describe() == described


def test_the_extent_in_words() -> None:
    assert Monthly("2018-01").extent(NOW) == "2018-01..2026-10"
    assert Monthly("2026-10").extent(NOW) == "2026-10"
    assert Monthly("2026-11").extent(NOW) == "no month yet"
    assert Monthly("2026-11").extent(NOW, include_current=True) == "2026-11"


def test_definitions_are_values() -> None:
    assert Monthly("2018-01") == Monthly("2018-01")
    assert hash(Monthly("2018-01")) == hash(Monthly("2018-01"))
    assert Monthly("2018-01") != Monthly("2018-01", timezone="Asia/Kolkata")
    assert repr(Monthly("2018-01")) == (
        "Monthly(start='2018-01', end=None, timezone='UTC', format='%Y-%m', column='partition_date', "
        "include_current=False)"
    )


def test_a_hundred_thousand_keys_take_few_calls_each() -> None:
    keys: list[str] = []
    calls = calls_of(lambda: keys.extend(Monthly("1000-01").keys(datetime(9333, 5, 1, tzinfo=UTC))))
    assert (len(keys), keys[0], keys[-1]) == (100_000, "1000-01", "9333-04")
    assert calls < 6 * len(keys)


@pytest.mark.parametrize(
    ("text", "guess"),
    [
        ("2018-13", "2018-12"),
        ("2018-99", "2018-12"),
        ("2018-00", "2018-01"),
        ("2018-2", "2018-02"),
        ("201802", "2018-02"),
        ("20180215", "2018-02"),
        ("2018-02-15", "2018-02"),
        ("2018-02-31", "2018-02"),
        ("2018/02", "2018-02"),
        ("2018-02\n", "2018-02"),
        (" 2018-02", "2018-02"),
        ("9999-12", "9999-11"),
        ("2018", None),
        ("0999-01", None),
        ("٢٠١٨-٠٢", None),
        ("2018-٠٢", None),
        ("feb", None),
        ("", None),
        ("2018-02-01-01", None),
    ],
)
def test_what_is_no_month_is_refused_with_the_likely_one(text: str, guess: str | None) -> None:
    with pytest.raises(PartitionKeyError) as caught:
        Monthly("2018-01").parse(text)
    helped = f"did you mean {guess}?" if guess else "expected YYYY-MM"
    assert caught.value.lines() == [f"{text!r} is not a month", f"  help: {helped}"]
    assert (caught.value.code, caught.value.context) == ("partition-invalid", {"key": text, "guess": guess})


def test_the_first_day_of_a_month_reads_as_its_key_unless_it_must_be_exact() -> None:
    assert Monthly("2018-01").parse("2018-02-01") == "2018-02"
    assert Monthly("2018-01", format="%m.%Y").parse("2018-02-01") == "02.2018"
    with pytest.raises(PartitionKeyError, match="'2018-02-01' is not a month"):
        Monthly("2018-01").parse("2018-02-01", exact=True)
    with pytest.raises(PartitionKeyError, match="'2018-02-01' is not a month"):
        Monthly("2018-01").index("2018-02-01")


BEFORE, AFTER, INCOMPLETE = "partition-before-start", "partition-after-end", "partition-incomplete"


@pytest.mark.parametrize(
    ("monthly", "key", "code", "message", "helped"),
    [
        (
            Monthly("2018-01"),
            "2017-12",
            BEFORE,
            "2017-12 is before monthly_orders begins (2018-01)",
            'first key is 2018-01; for older data set start="2017-12" (lakefile.py:9)',
        ),
        (
            Monthly("2018-01", "2019-01"),
            "2019-01",
            AFTER,
            "2019-01 is after monthly_orders ends (2018-12)",
            'last key is 2018-12; for newer data set end="2019-02" (lakefile.py:9)',
        ),
        (
            Monthly("2018-01", "2019-01"),
            "2030-12",
            AFTER,
            "2030-12 is after monthly_orders ends (2018-12)",
            'last key is 2018-12; for newer data set end="2031-01" (lakefile.py:9)',
        ),
        (
            Monthly("2018-01"),
            "2026-11",
            INCOMPLETE,
            "2026-11 has not ended; last complete month: 2026-10",
            "add --include-current to make it from the data so far",
        ),
        (
            Monthly("2018-01"),
            "2026-12",
            INCOMPLETE,
            "2026-12 has not begun; last complete month: 2026-10",
            "monthly_orders has 2018-01..2026-10",
        ),
        (
            Monthly("2018-01", include_current=True),
            "2026-12",
            INCOMPLETE,
            "2026-12 has not begun; last complete month: 2026-10",
            "monthly_orders has 2018-01..2026-11",
        ),
        (
            Monthly("2026-11"),
            "2026-11",
            INCOMPLETE,
            "2026-11 has not ended; no month of monthly_orders has",
            "add --include-current to make it from the data so far",
        ),
        (
            Monthly("2030-01"),
            "2030-01",
            INCOMPLETE,
            "2030-01 has not begun; no month of monthly_orders has",
            "monthly_orders has no month yet",
        ),
    ],
)
def test_a_key_outside_the_definition_is_refused_with_the_way_out(
    monthly: Monthly, key: str, code: str, message: str, helped: str
) -> None:
    with pytest.raises(PartitionKeyError) as caught:
        monthly.check(key, NOW, "monthly_orders", "lakefile.py:9")
    assert (caught.value.code, caught.value.message, caught.value.help) == (code, message, helped)
    assert caught.value.context["key"] == key


def test_a_key_inside_the_definition_passes() -> None:
    monthly = Monthly("2018-01", "2027-01")
    for key in ("2018-01", "2026-10"):
        monthly.check(key, NOW, "monthly_orders", "lakefile.py:9")
    monthly.check("2026-11", NOW, "monthly_orders", "lakefile.py:9", include_current=True)


@pytest.mark.parametrize("field", ["start", "end"])
@pytest.mark.parametrize(
    ("value", "guess"),
    [
        ("2018-1", "2018-01"),
        ("2018-13", "2018-12"),
        ("2018-02-30", "2018-02"),
        ("201802", "2018-02"),
        ("2018-W01-1", None),
        ("tomorrow", None),
        ("0999-01", None),
        (2018, None),
        (datetime(2018, 1, 1, tzinfo=UTC), None),
        (date(999, 12, 31), None),
    ],
)
def test_a_bound_that_is_no_month_is_refused_at_its_line(field: str, value: object, guess: str | None) -> None:
    message = f"Monthly({field}={value!r}) is not a month: expected YYYY-MM or a date YYYY-MM-DD"
    cure = f"did you mean {guess}?" if guess else None
    assert refused(**{"start": "2018-01", field: value}) == (message, cure)


UNSAFE = "gives no safe folder names: expected keys without / and NUL, not led by a dot"


@pytest.mark.parametrize(
    ("definition", "message", "cure"),
    [
        (
            {"end": "2018-01"},
            "Monthly(end='2018-01') leaves no month: expected one after start='2018-01', end is exclusive",
            None,
        ),
        (
            {"start": "2018-01-15", "end": "2018-02-15"},
            "Monthly(end='2018-02-15') leaves no month: expected one after start='2018-01-15', end is exclusive",
            None,
        ),
        (
            {"timezone": "Europe/Berln"},
            "Monthly(timezone='Europe/Berln') is not a time zone: expected an IANA name such as Europe/Berlin",
            "did you mean 'Europe/Berlin'?",
        ),
        *(
            (
                {"timezone": name},
                f"Monthly(timezone={name!r}) is not a time zone: expected an IANA name such as Europe/Berlin",
                None,
            )
            for name in ("", "/etc/passwd", "../x", "\0", None, 2)
        ),
        *(
            (
                {"column": name},
                f"Monthly(column={name!r}) is not a column name: expected letters, digits and _, no digit first",
                None,
            )
            for name in ("", "a-b", "2a", "a b", "é", "a\n", None)
        ),
        ({"format": None}, "Monthly(format=None) is not a format: expected text such as %Y-%m", None),
        *(
            (
                {"format": text},
                f"Monthly(format={text!r}) does not tell months apart: expected both %Y and %m, as in %Y-%m",
                None,
            )
            for text in ("", "%Y", "%m", "month", ".", "..", "%%Y-%m")
        ),
        *(
            (
                {"format": text},
                f"Monthly(format={text!r}) holds {what}: expected only %Y, %m and %d, which read the same everywhere",
                None,
            )
            for text, what in (("%Y-%b", "%b"), ("%y-%m", "%y"), ("%Y-%m%", "%"), ("%Y-%-m", "%-"))
        ),
        *(
            (
                {"format": text},
                f"Monthly(format={text!r}) {UNSAFE}",
                None,
            )
            for text in ("%Y/%m", "%Y\0%m", ".%Y-%m", "..%Y%m")
        ),
    ],
)
def test_a_definition_that_cannot_be_is_refused_at_its_line(
    definition: dict[str, Any], message: str, cure: str | None
) -> None:
    assert refused(**{"start": "2018-01", **definition}) == (message, cure)


@given(day=days, timezone=zones)
def test_windows_tile_time_without_gap_or_overlap(day: date, timezone: str) -> None:
    monthly = Monthly("2018-01", timezone=timezone)
    key = monthly.key_of(day)
    window = monthly.window(key)
    before, after = window.start.date() - timedelta(days=1), window.end.date()
    assert monthly.window(monthly.key_of(before)).end == window.start
    assert monthly.window(monthly.key_of(after)).start == window.end
    assert window.start.astimezone(UTC) < window.end.astimezone(UTC)


@given(
    instant=st.datetimes(datetime(1900, 1, 1), datetime(2200, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001
    timezone=zones,
)
def test_each_instant_is_in_exactly_one_window(instant: datetime, timezone: str) -> None:
    """And that window's is the running month, the last one that ``include_current`` adds."""
    monthly = Monthly("1899-01", timezone=timezone)
    day = instant.date()
    near = monthly.between(monthly.key_of(day - timedelta(days=40)), monthly.key_of(day + timedelta(days=40)))
    spans = {key: monthly.window(key) for key in near}
    holding = [key for key, span in spans.items() if span.start.astimezone(UTC) <= instant < span.end.astimezone(UTC)]
    assert holding == [monthly.last_key(instant, include_current=True)]


@given(day=days, timezone=zones)
def test_the_key_of_a_windows_start_is_its_key(day: date, timezone: str) -> None:
    monthly = Monthly("2018-01", timezone=timezone)
    key = monthly.key_of(day)
    assert key == f"{day:%Y-%m}"
    assert monthly.key_of(monthly.window(key).start.date()) == key
    assert monthly.window(key).start.date() <= day < monthly.window(key).end.date()


@given(start=days, now=st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_keys_are_sorted_distinct_and_have_ended(start: date, now: datetime) -> None:
    monthly = Monthly(start)
    keys = monthly.keys(now)
    assert keys == sorted(set(keys))
    assert [monthly.index(key) for key in keys] == list(range(len(keys)))
    assert all(monthly.window(key).end.astimezone(UTC) <= now for key in keys[-1:])
    assert all(monthly.window(key).start.date() >= start for key in keys[:1])
    for key in keys[:1] + keys[-1:]:
        monthly.check(key, now, "asset", "here")


@given(st.text())
def test_any_text_is_a_key_that_stays_itself_or_is_refused(text: str) -> None:
    monthly = Monthly("2018-01")
    try:
        key = monthly.parse(text)
    except PartitionKeyError as error:
        assert error.message == f"{text!r} is not a month"  # noqa: PT017  either outcome is lawful
    else:
        assert monthly.parse(key, exact=True) == key
        assert monthly.window(key).start.date().isoformat() in {text, f"{text}-01"}
