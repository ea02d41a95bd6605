"""Laws of every kind of time partitions: hours, days, weeks, months, quarters and years, in many time zones."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from counting import calls_of
from hypothesis import assume, given
from hypothesis import strategies as st

from lakehouse.errors import DefinitionError, PartitionKeyError
from lakehouse.partitions.dimension import Partition
from lakehouse.partitions.timekinds import Daily, Hourly, Monthly, Quarterly, TimePartitions, Weekly, Yearly

Kind = Callable[..., TimePartitions]
NOW = datetime(2026, 11, 20, 9, 12, tzinfo=UTC)
KINDS: list[Kind] = [Hourly, Daily, Weekly, Monthly, Quarterly, Yearly]
BERLIN, YORK, KOLKATA, SAO_PAULO = "Europe/Berlin", "America/New_York", "Asia/Kolkata", "America/Sao_Paulo"
BEIRUT, APIA, LORD_HOWE = "Asia/Beirut", "Pacific/Apia", "Australia/Lord_Howe"


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@cache
def defined(kind: Kind, timezone: str) -> TimePartitions:
    return kind("2000-01-01", timezone=timezone)


@pytest.mark.parametrize(
    ("kind", "timezone", "key", "start", "end"),
    [
        (Hourly, "UTC", "2018-02-01T05", "2018-02-01T05:00", "2018-02-01T06:00"),
        (Hourly, "UTC", "2018-12-31T23", "2018-12-31T23:00", "2019-01-01T00:00"),
        (Hourly, "UTC", "2020-02-29T23", "2020-02-29T23:00", "2020-03-01T00:00"),
        (Hourly, "Etc/UTC", "2018-02-01T05", "2018-02-01T05:00", "2018-02-01T06:00"),
        # Greenwich's clocks show UTC in winter only
        (Hourly, "Europe/London", "2018-01-01T00+0000", "2018-01-01T00:00", "2018-01-01T01:00"),
        (Hourly, "Europe/London", "2018-07-01T00+0100", "2018-06-30T23:00", "2018-07-01T00:00"),
        # Berlin went from 02:00 to 03:00 on 2018-03-25, and from 03:00 back to 02:00 on 2018-10-28, at 01:00 UTC
        (Hourly, BERLIN, "2018-01-01T00+0100", "2017-12-31T23:00", "2018-01-01T00:00"),
        (Hourly, BERLIN, "2018-03-25T01+0100", "2018-03-25T00:00", "2018-03-25T01:00"),
        (Hourly, BERLIN, "2018-03-25T03+0200", "2018-03-25T01:00", "2018-03-25T02:00"),
        (Hourly, BERLIN, "2018-10-28T02+0200", "2018-10-28T00:00", "2018-10-28T01:00"),
        (Hourly, BERLIN, "2018-10-28T02+0100", "2018-10-28T01:00", "2018-10-28T02:00"),
        (Hourly, BERLIN, "2018-12-31T23+0100", "2018-12-31T22:00", "2018-12-31T23:00"),
        # New York: forward on 2018-03-11 at 07:00 UTC, back on 2018-11-04 at 06:00 UTC
        (Hourly, YORK, "2018-03-11T01-0500", "2018-03-11T06:00", "2018-03-11T07:00"),
        (Hourly, YORK, "2018-03-11T03-0400", "2018-03-11T07:00", "2018-03-11T08:00"),
        (Hourly, YORK, "2018-11-04T01-0400", "2018-11-04T05:00", "2018-11-04T06:00"),
        (Hourly, YORK, "2018-11-04T01-0500", "2018-11-04T06:00", "2018-11-04T07:00"),
        # India is five and a half hours ahead, Nepal five and three quarters, Newfoundland three and a half behind
        (Hourly, KOLKATA, "2018-01-01T00+0530", "2017-12-31T18:30", "2017-12-31T19:30"),
        (Hourly, KOLKATA, "2020-02-29T23+0530", "2020-02-29T17:30", "2020-02-29T18:30"),
        (Hourly, "Asia/Kathmandu", "2018-06-01T00+0545", "2018-05-31T18:15", "2018-05-31T19:15"),
        (Hourly, "America/St_Johns", "2018-01-01T00-0330", "2018-01-01T03:30", "2018-01-01T04:30"),
        # Beirut skipped midnight of 2018-03-25 (22:00 UTC) and struck 23 twice on 2018-10-27 (set back at 21:00 UTC)
        (Hourly, BEIRUT, "2018-03-24T23+0200", "2018-03-24T21:00", "2018-03-24T22:00"),
        (Hourly, BEIRUT, "2018-03-25T01+0300", "2018-03-24T22:00", "2018-03-24T23:00"),
        (Hourly, BEIRUT, "2018-10-27T23+0300", "2018-10-27T20:00", "2018-10-27T21:00"),
        (Hourly, BEIRUT, "2018-10-27T23+0200", "2018-10-27T21:00", "2018-10-27T22:00"),
        # Sao Paulo skipped midnight of 2018-11-04 (03:00 UTC) and struck 23 twice on 2018-02-17 (back at 02:00 UTC)
        (Hourly, SAO_PAULO, "2018-11-04T01-0200", "2018-11-04T03:00", "2018-11-04T04:00"),
        (Hourly, SAO_PAULO, "2018-02-17T23-0200", "2018-02-18T01:00", "2018-02-18T02:00"),
        (Hourly, SAO_PAULO, "2018-02-17T23-0300", "2018-02-18T02:00", "2018-02-18T03:00"),
        (Daily, "UTC", "2018-02-28", "2018-02-28T00:00", "2018-03-01T00:00"),
        (Daily, "UTC", "2020-02-29", "2020-02-29T00:00", "2020-03-01T00:00"),
        (Daily, "UTC", "2000-02-29", "2000-02-29T00:00", "2000-03-01T00:00"),
        (Daily, "UTC", "1900-02-28", "1900-02-28T00:00", "1900-03-01T00:00"),
        (Daily, "UTC", "2018-12-31", "2018-12-31T00:00", "2019-01-01T00:00"),
        (Daily, BERLIN, "2018-03-25", "2018-03-24T23:00", "2018-03-25T22:00"),  # 23 hours
        (Daily, BERLIN, "2018-10-28", "2018-10-27T22:00", "2018-10-28T23:00"),  # 25 hours
        (Daily, YORK, "2018-03-11", "2018-03-11T05:00", "2018-03-12T04:00"),
        (Daily, YORK, "2018-11-04", "2018-11-04T04:00", "2018-11-05T05:00"),
        (Daily, KOLKATA, "2020-02-29", "2020-02-28T18:30", "2020-02-29T18:30"),
        (Daily, SAO_PAULO, "2018-11-04", "2018-11-04T03:00", "2018-11-05T02:00"),  # 01:00 to 24:00
        (Daily, SAO_PAULO, "2018-02-17", "2018-02-17T02:00", "2018-02-18T03:00"),
        (Daily, BEIRUT, "2018-03-25", "2018-03-24T22:00", "2018-03-25T21:00"),
        (Daily, BEIRUT, "2018-10-27", "2018-10-26T21:00", "2018-10-27T22:00"),
        (Daily, LORD_HOWE, "2018-04-01", "2018-03-31T13:00", "2018-04-01T13:30"),  # half an hour longer
        (Daily, LORD_HOWE, "2018-10-07", "2018-10-06T13:30", "2018-10-07T13:00"),
        # Samoa went from ten hours behind UTC to fourteen ahead at midnight, and had no 30th of December
        (Daily, APIA, "2011-12-29", "2011-12-29T10:00", "2011-12-30T10:00"),
        (Daily, APIA, "2011-12-30", "2011-12-30T10:00", "2011-12-30T10:00"),
        (Daily, APIA, "2011-12-31", "2011-12-30T10:00", "2011-12-31T10:00"),
        # an ISO week belongs to the year that holds its Thursday
        (Weekly, "UTC", "2018-W01", "2018-01-01T00:00", "2018-01-08T00:00"),
        (Weekly, "UTC", "2018-W52", "2018-12-24T00:00", "2018-12-31T00:00"),
        (Weekly, "UTC", "2019-W01", "2018-12-31T00:00", "2019-01-07T00:00"),
        (Weekly, "UTC", "2015-W53", "2015-12-28T00:00", "2016-01-04T00:00"),
        (Weekly, "UTC", "2020-W09", "2020-02-24T00:00", "2020-03-02T00:00"),  # holds 29 February, a Saturday
        (Weekly, "UTC", "2020-W53", "2020-12-28T00:00", "2021-01-04T00:00"),
        (Weekly, "UTC", "2021-W01", "2021-01-04T00:00", "2021-01-11T00:00"),
        (Weekly, BERLIN, "2018-W12", "2018-03-18T23:00", "2018-03-25T22:00"),  # ends with the day of 23 hours
        (Weekly, YORK, "2018-W44", "2018-10-29T04:00", "2018-11-05T05:00"),  # ends with the day of 25 hours
        (Monthly, SAO_PAULO, "2018-11", "2018-11-01T03:00", "2018-12-01T02:00"),
        (Monthly, BEIRUT, "2018-10", "2018-09-30T21:00", "2018-10-31T22:00"),
        (Quarterly, "UTC", "2018-Q1", "2018-01-01T00:00", "2018-04-01T00:00"),
        (Quarterly, "UTC", "2018-Q2", "2018-04-01T00:00", "2018-07-01T00:00"),
        (Quarterly, "UTC", "2018-Q3", "2018-07-01T00:00", "2018-10-01T00:00"),
        (Quarterly, "UTC", "2018-Q4", "2018-10-01T00:00", "2019-01-01T00:00"),
        (Quarterly, BERLIN, "2018-Q1", "2017-12-31T23:00", "2018-03-31T22:00"),
        (Quarterly, BERLIN, "2018-Q4", "2018-09-30T22:00", "2018-12-31T23:00"),
        (Quarterly, KOLKATA, "2020-Q1", "2019-12-31T18:30", "2020-03-31T18:30"),
        (Yearly, "UTC", "2018", "2018-01-01T00:00", "2019-01-01T00:00"),
        (Yearly, "UTC", "2020", "2020-01-01T00:00", "2021-01-01T00:00"),
        (Yearly, "UTC", "9998", "9998-01-01T00:00", "9999-01-01T00:00"),
        (Yearly, YORK, "2018", "2018-01-01T05:00", "2019-01-01T05:00"),
        (Yearly, KOLKATA, "2018", "2017-12-31T18:30", "2018-12-31T18:30"),
    ],
)
def test_the_window_of_a_key(kind: Kind, timezone: str, key: str, start: str, end: str) -> None:
    definition = defined(kind, timezone)
    window = definition.window(key)
    assert [window.start.astimezone(UTC), window.end.astimezone(UTC)] == [utc(start), utc(end)]
    assert window.start.tzinfo == window.end.tzinfo == ZoneInfo(timezone)
    if start != end:
        assert definition.at(definition.holding(utc(start))) == key
        assert definition.at(definition.holding(utc(end) - timedelta(microseconds=1))) == key
    assert definition.holding(utc(end)) > definition.index(key)


@pytest.mark.parametrize(
    ("timezone", "day", "hours", "shown"),
    [
        ("UTC", "2018-03-25", 24, ["T00", "T01", "T02", "T03"]),
        (BERLIN, "2018-03-25", 23, ["T00+0100", "T01+0100", "T03+0200", "T04+0200"]),
        (BERLIN, "2018-10-28", 25, ["T00+0200", "T01+0200", "T02+0200", "T02+0100", "T03+0100"]),
        (YORK, "2018-03-11", 23, ["T00-0500", "T01-0500", "T03-0400"]),
        (YORK, "2018-11-04", 25, ["T00-0400", "T01-0400", "T01-0500", "T02-0500"]),
        (SAO_PAULO, "2018-11-04", 23, ["T01-0200", "T02-0200"]),
        (SAO_PAULO, "2018-02-17", 25, ["T00-0200"]),
        (BEIRUT, "2018-03-25", 23, ["T01+0300"]),
        (BEIRUT, "2018-10-27", 25, ["T00+0300"]),
        (KOLKATA, "2018-10-28", 24, ["T00+0530", "T01+0530"]),
    ],
)
def test_a_day_has_as_many_hours_as_its_clocks_struck(timezone: str, day: str, hours: int, shown: list[str]) -> None:
    hourly = Hourly("2018-01-01", timezone=timezone)
    window = Daily("2018-01-01", timezone=timezone).window(day)
    keys = hourly.overlapping(window.start, window.end)
    assert (len(keys), len(set(keys))) == (hours, hours)
    assert [key.removeprefix(day) for key in keys[: len(shown)]] == shown
    assert hourly.coarser(day) == (keys[0], keys[-1])
    assert hourly.between(keys[0], keys[-1]) == keys


@pytest.mark.parametrize(
    ("kind", "start", "end", "first", "last"),
    [
        (Hourly, "2018-02-01T05", "2018-02-01T07", "2018-02-01T05", "2018-02-01T06"),
        (Hourly, "2018-02-01", "2018-02-02", "2018-02-01T00", "2018-02-01T23"),
        (Hourly, date(2018, 2, 1), date(2018, 2, 2), "2018-02-01T00", "2018-02-01T23"),
        (Hourly, "2018-02-01T05:01", "2018-02-01T08:59", "2018-02-01T06", "2018-02-01T07"),
        (Hourly, "2018-02-01T05:00+01:00", None, "2018-02-01T04", "2026-11-20T08"),
        (Hourly, datetime(2018, 2, 1, 5), datetime(2018, 2, 1, 6, 30), "2018-02-01T05", "2018-02-01T05"),  # noqa: DTZ001
        (Hourly, datetime(2018, 2, 1, 5, tzinfo=ZoneInfo(BERLIN)), None, "2018-02-01T04", "2026-11-20T08"),
        (Daily, "2018-02-01", "2018-03-01", "2018-02-01", "2018-02-28"),
        (Daily, date(2020, 2, 28), "2020-03-01", "2020-02-28", "2020-02-29"),
        (Daily, "2018-02-01", None, "2018-02-01", "2026-11-19"),
        (Weekly, "2018-W05", "2018-W07", "2018-W05", "2018-W06"),
        (Weekly, "2018-01-29", "2018-02-11", "2018-W05", "2018-W05"),  # the 11th is the Sunday of W06
        (Weekly, "2018-01-30", "2018-02-12", "2018-W06", "2018-W06"),
        (Weekly, "2021-01-03", None, "2021-W01", "2026-W46"),  # Sunday of 2020-W53; 2026-11-20 is a Friday of W47
        (Quarterly, "2018-Q1", "2019-Q1", "2018-Q1", "2018-Q4"),
        (Quarterly, "2018-01-02", "2018-12-31", "2018-Q2", "2018-Q3"),
        (Quarterly, "2018-Q1", None, "2018-Q1", "2026-Q3"),
        (Yearly, "2018", "2020", "2018", "2019"),
        (Yearly, "2018-01-02", None, "2019", "2025"),
        (Yearly, "2018-01-01", "2019-12-31", "2018", "2018"),
    ],
)
def test_bounds_keep_the_windows_that_lie_within_them(
    kind: Kind, start: Any, end: Any, first: str, last: str
) -> None:
    definition = kind(start, end)
    assert (definition.first_key, definition.last_key(NOW)) == (first, last)
    assert definition.latest(NOW) == [last]


def test_a_bound_of_hours_goes_by_the_zones_clocks() -> None:
    naive = datetime(2018, 10, 28, 2, fold=1)  # noqa: DTZ001  the second of two
    assert Hourly(naive, timezone=BERLIN).first_key == "2018-10-28T02+0100"
    assert Hourly("2018-02-01T05:00", timezone=BERLIN).first_key == "2018-02-01T05+0100"
    assert Hourly("2018-02-01T05:30", timezone=KOLKATA).first_key == "2018-02-01T06+0530"
    assert Hourly("2018-10-28T02+0100", timezone=BERLIN).first_key == "2018-10-28T02+0100"
    assert Hourly("2018-11-04", timezone=SAO_PAULO).first_key == "2018-11-04T01-0200"


@pytest.mark.parametrize(
    ("kind", "now", "last", "running"),
    [
        (Hourly, "2018-03-01T00:59", "2018-02-28T23", "2018-03-01T00"),
        (Hourly, "2018-03-01T01:00", "2018-03-01T00", "2018-03-01T01"),
        (Daily, "2018-02-28T23:59", "2018-02-27", "2018-02-28"),
        (Daily, "2018-03-01T00:00", "2018-02-28", "2018-03-01"),
        (Weekly, "2018-12-30T23:59", "2018-W51", "2018-W52"),
        (Weekly, "2018-12-31T00:00", "2018-W52", "2019-W01"),
        (Quarterly, "2018-06-30T23:59", "2018-Q1", "2018-Q2"),
        (Quarterly, "2018-07-01T00:00", "2018-Q2", "2018-Q3"),
        (Yearly, "2018-12-31T23:59", "2017", "2018"),
        (Yearly, "2019-01-01T00:00", "2018", "2019"),
    ],
)
def test_a_window_counts_from_the_instant_it_has_ended(kind: Kind, now: str, last: str, running: str) -> None:
    assert kind("2017-01-01").last_key(utc(now)) == last
    assert kind("2017-01-01").latest(utc(now), include_current=True) == [running]


@pytest.mark.parametrize(
    ("kind", "key_format", "key", "form"),
    [
        (Hourly, "%Y%m%dT%H", "20180204T05", "YYYYMMDDTHH"),
        (Hourly, "%Y-%j-%H%z", "2018-035-05+0000", "YYYY-DDD-HH+HHMM"),
        (Daily, "%Y%m%d", "20180204", "YYYYMMDD"),
        (Daily, "%Y-%j", "2018-035", "YYYY-DDD"),
        (Daily, "%d.%m.%Y (%j)", "04.02.2018 (035)", "DD.MM.YYYY (DDD)"),
        (Weekly, "%G%V", "201805", "YYYYww"),
        (Weekly, "%Y-%m-%d", "2018-01-29", "YYYY-MM-DD"),
        (Weekly, "%G-W%V from %Y-%m-%d", "2018-W05 from 2018-01-29", "YYYY-Www from YYYY-MM-DD"),
        (Quarterly, "Q%q %Y", "Q1 2018", "Qn YYYY"),
        (Quarterly, "%Y-%m", "2018-01", "YYYY-MM"),
        (Quarterly, "%Y-%m-%d", "2018-01-01", "YYYY-MM-01"),
        (Yearly, "FY%Y", "FY2018", "FYYYYY"),
        (Yearly, "%Y-%m-%d", "2018-01-01", "YYYY-01-01"),
    ],
)
def test_a_format_writes_keys_that_it_reads_back(kind: Kind, key_format: str, key: str, form: str) -> None:
    definition = kind("2018-01-01", format=key_format)
    assert definition.at(definition.holding(utc("2018-02-04T05:30"))) == key  # a Sunday, day 35 of the year
    assert definition.parse(key, exact=True) == key
    assert kind(key, format=key_format).first_key == key
    with pytest.raises(PartitionKeyError) as caught:
        definition.parse("?")
    assert caught.value.help == f"expected {form}"


@pytest.mark.parametrize(
    ("kind", "key_format", "text"),
    [
        (Daily, "%Y-%j", "2018-366"),  # of a year of 365 days
        (Daily, "%Y-%j", "2018-000"),
        (Daily, "%Y-%m-%d %j", "2018-02-04 034"),
        (Weekly, "%G-W%V", "2018-W53"),  # of a year of 52 weeks
        (Weekly, "%G-W%V", "2018-W00"),
        (Weekly, "%Y-%m-%d", "2018-01-30"),  # a Tuesday
        (Quarterly, "%Y-%m", "2018-02"),
        (Quarterly, "%Y-Q%q", "2018-Q5"),
        (Yearly, "%Y-%m", "2018-02"),
        (Hourly, "%Y-%m-%dT%H%z", "2018-02-01T05-0000"),
        (Hourly, "%Y-%m-%dT%H%z", "2018-02-01T05+0100"),  # UTC never showed that
        (Hourly, "%Y-%m-%dT%H", "2018-02-01T24"),
    ],
)
def test_what_has_the_form_but_is_no_window_is_no_key(kind: Kind, key_format: str, text: str) -> None:
    with pytest.raises(PartitionKeyError, match=r"is not an? "):
        kind("2018-01-01", format=key_format).parse(text, exact=True)


@pytest.mark.parametrize(
    ("kind", "timezone", "text", "key"),
    [
        (Hourly, "UTC", "2018-02-01T05:00", "2018-02-01T05"),
        (Hourly, "UTC", "2018-02-01 05:00:00", "2018-02-01T05"),
        (Hourly, BERLIN, "2018-02-01T05:00", "2018-02-01T05+0100"),
        (Hourly, BERLIN, "2018-02-01T05", "2018-02-01T05+0100"),
        (Hourly, BERLIN, "2018-10-28T02:00+01:00", "2018-10-28T02+0100"),
        (Hourly, KOLKATA, "2018-02-01T05:00", "2018-02-01T05+0530"),
        (Weekly, "UTC", "2018-01-29", "2018-W05"),
        (Weekly, "UTC", "2018-12-31", "2019-W01"),
        (Monthly, "UTC", "2018-02-01", "2018-02"),
        (Quarterly, "UTC", "2018-01-01", "2018-Q1"),
        (Quarterly, "UTC", "2018-10-01", "2018-Q4"),
        (Yearly, "UTC", "2018-01-01", "2018"),
    ],
)
def test_the_start_of_a_window_reads_as_its_key_unless_it_must_be_exact(
    kind: Kind, timezone: str, text: str, key: str
) -> None:
    assert defined(kind, timezone).parse(text) == key
    with pytest.raises(PartitionKeyError):
        defined(kind, timezone).parse(text, exact=True)


@pytest.mark.parametrize(
    ("kind", "timezone", "text", "guess"),
    [
        (Hourly, "UTC", "2018-02-01T5", "2018-02-01T05"),
        (Hourly, "UTC", "2018-02-01T05:30", "2018-02-01T05"),
        (Hourly, "UTC", "2018-02-01", "2018-02-01T00"),
        (Hourly, "UTC", "2018-2-1 5h30", "2018-02-01T05"),
        (Hourly, "UTC", "2018-02-01T24", "2018-02-01T23"),
        (Hourly, "UTC", "9999-12-31T00", None),
        (Hourly, BERLIN, "2018-10-28T02:00", "2018-10-28T02+0200"),  # struck twice
        (Hourly, BERLIN, "2018-03-25T02:00", "2018-03-25T03+0200"),  # never struck
        (Hourly, BERLIN, "2018-02-01T05:00Z", "2018-02-01T06+0100"),
        (Hourly, BERLIN, "2018-02-01T05+0200", "2018-02-01T04+0100"),
        (Hourly, BERLIN, "1850-01-01T00", None),  # 53 minutes and 28 seconds ahead of UTC
        (Hourly, BERLIN, "feb", None),
        (Daily, "UTC", "2018-02-30", "2018-02-28"),
        (Daily, "UTC", "2018-2-1", "2018-02-01"),
        (Daily, "UTC", "20180201", "2018-02-01"),
        (Daily, "UTC", "2018-02-01T05:00", "2018-02-01"),
        (Daily, "UTC", "9999-12-31", "9999-12-30"),
        (Daily, "UTC", "2018", None),
        (Weekly, "UTC", "2018W5", "2018-W05"),
        (Weekly, "UTC", "2018-w05", "2018-W05"),
        (Weekly, "UTC", "2018-W53", "2018-W52"),
        (Weekly, "UTC", "2020-W54", "2020-W53"),
        (Weekly, "UTC", "2018-W05-1", "2018-W05"),
        (Weekly, "UTC", "2018-02-01", "2018-W05"),
        (Weekly, "UTC", "1000-W01", "1000-W02"),  # began in the year 999
        (Quarterly, "UTC", "2018Q1", "2018-Q1"),
        (Quarterly, "UTC", "2018-Q5", "2018-Q4"),
        (Quarterly, "UTC", "2018-2", "2018-Q2"),
        (Quarterly, "UTC", "2018-02-15", "2018-Q1"),
        (Quarterly, "UTC", "2018-11", "2018-Q4"),
        (Yearly, "UTC", "2018-02", "2018"),
        (Yearly, "UTC", " 2018", "2018"),
        (Yearly, "UTC", "9999", "9998"),
        (Yearly, "UTC", "18", None),
    ],
)
def test_what_is_no_key_is_refused_with_the_likely_one(
    kind: Kind, timezone: str, text: str, guess: str | None
) -> None:
    definition = defined(kind, timezone)
    with pytest.raises(PartitionKeyError) as caught:
        definition.parse(text)
    assert caught.value.message == f"{text!r} is not {'an' if kind is Hourly else 'a'} {definition.unit}"
    assert caught.value.context == {"key": text, "guess": guess}
    if guess:
        assert caught.value.help == f"did you mean {guess}?"
        assert definition.parse(guess, exact=True) == guess


@pytest.mark.parametrize(
    ("kind", "text", "first", "last"),
    [
        (Hourly, "2018", "2018-01-01T00", "2018-12-31T23"),
        (Hourly, "2020-02", "2020-02-01T00", "2020-02-29T23"),
        (Hourly, "2018-W05", "2018-01-29T00", "2018-02-04T23"),
        (Hourly, "2018-02-01", "2018-02-01T00", "2018-02-01T23"),
        (Daily, "2018", "2018-01-01", "2018-12-31"),
        (Daily, "2018-Q1", "2018-01-01", "2018-03-31"),
        (Daily, "2018-02", "2018-02-01", "2018-02-28"),
        (Daily, "2020-02", "2020-02-01", "2020-02-29"),
        (Daily, "2020-W53", "2020-12-28", "2021-01-03"),
        (Weekly, "2018", "2018-W01", "2019-W01"),  # 2018-12-31 is a Monday
        (Weekly, "2020", "2020-W02", "2020-W53"),  # its first Monday is 6 January
        (Weekly, "2018-02", "2018-W06", "2018-W09"),  # Mondays: 5, 12, 19 and 26 February
        (Weekly, "2018-Q1", "2018-W01", "2018-W13"),
        (Monthly, "2018", "2018-01", "2018-12"),
        (Monthly, "2018-Q4", "2018-10", "2018-12"),
        (Quarterly, "2018", "2018-Q1", "2018-Q4"),
        (Monthly, "9998", "9998-01", "9998-12"),
    ],
)
def test_a_longer_period_holds_the_windows_that_start_in_it(kind: Kind, text: str, first: str, last: str) -> None:
    assert kind("2018-01-01").coarser(text) == (first, last)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        *(
            (kind, text)
            for kind in KINDS
            for text in ("", "feb", "2018-13", "201", "2018-W54", "2018-Q5", "999", "9999")
        ),
        (Hourly, "2018-02-01T05"),
        (Daily, "2018-02-01"),
        (Weekly, "2018-02-01"),
        (Weekly, "2018-W05"),
        (Monthly, "2018-02"),
        (Monthly, "2018-W05"),
        (Monthly, "2018-02-01"),
        (Quarterly, "2018-02"),
        (Quarterly, "2018-Q1"),
        (Yearly, "2018"),
        (Yearly, "2018-Q1"),
    ],
)
def test_any_other_text_names_no_longer_period(kind: Kind, text: str) -> None:
    assert kind("2018-01-01").coarser(text) is None


def test_a_text_that_is_a_key_names_no_longer_period() -> None:
    daily, quarterly = Daily("2018-01-01", format="%Y-%j"), Quarterly("2018-01-01", format="%Y-%m")
    assert (daily.coarser("2018-035"), daily.coarser("2018-02")) == (None, ("2018-032", "2018-059"))
    assert (quarterly.coarser("2018-01"), quarterly.coarser("2018")) == (None, ("2018-01", "2018-10"))


def test_hours_that_a_zone_did_not_have_are_in_no_longer_period() -> None:
    """Before 1893 Berlin's clocks were 53 minutes and 28 seconds ahead of UTC: none of its hours began then."""
    hourly = Hourly("2018-01-01", timezone=BERLIN)
    assert hourly.coarser("1850") is None
    assert hourly.coarser("1900") == ("1900-01-01T00+0100", "1900-12-31T23+0100")
    with pytest.raises(PartitionKeyError, match="no hour has a key"):
        hourly.at(hourly.holding(utc("1850-06-01T00:00")))


NO_WHOLE_HOURS = "has no whole hours here: its clocks change by less than an hour on"


@pytest.mark.parametrize(
    ("kind", "definition", "message", "cure"),
    [
        (
            Hourly,
            {"timezone": LORD_HOWE},
            f"timezone='Australia/Lord_Howe') {NO_WHOLE_HOURS} 2018-04-01",
            'set timezone="UTC"',
        ),
        (
            Hourly,  # half an hour forward for good
            {"start": "2010-01-01", "timezone": "America/Caracas"},
            f"timezone='America/Caracas') {NO_WHOLE_HOURS} 2016-05-01",
            'set timezone="UTC", or start="2016-05-02"',
        ),
        (
            Hourly,
            {"start": "1850-01-01", "end": "1851-01-01", "timezone": YORK},
            "timezone='America/New_York') is no whole minutes from UTC on 1850-01-01, as %z would write it",
            'set timezone="UTC", or a later start',
        ),
        (
            Hourly,
            {"timezone": BERLIN, "format": "%Y-%m-%dT%H"},
            (
                "format='%Y-%m-%dT%H') does not tell hours apart where clocks change, as on 2018-03-25: "
                "expected %z too, as in %Y-%m-%dT%H%z"
            ),
            None,
        ),
        (
            Hourly,
            {"format": "%Y-%m-%d"},
            "format='%Y-%m-%d') does not tell hours apart: expected %Y, %m, %d and %H, as in %Y-%m-%dT%H%z",
            None,
        ),
        (
            Hourly,
            {"start": "2018-10-28T02:00", "timezone": BERLIN},
            "start='2018-10-28T02:00') is not an hour: expected YYYY-MM-DDTHH+HHMM, a date YYYY-MM-DD or a datetime",
            "did you mean 2018-10-28T02+0200?",
        ),
        (
            Daily,
            {"start": "2018-02-30"},
            "start='2018-02-30') is not a day: expected YYYY-MM-DD",
            "did you mean 2018-02-28?",
        ),
        (
            Daily,
            {"start": "2018-02"},
            "start='2018-02') is not a day: expected YYYY-MM-DD",
            "did you mean 2018-02-01?",
        ),
        (
            Daily,
            {"start": datetime(2018, 2, 1, tzinfo=UTC)},
            f"start={datetime(2018, 2, 1, tzinfo=UTC)!r}) is not a day: expected YYYY-MM-DD",
            None,
        ),
        (
            Daily,
            {"format": "%Y-%m"},
            "format='%Y-%m') does not tell days apart: expected %Y, %m and %d, as in %Y-%m-%d",
            None,
        ),
        (
            Weekly,
            {"start": "2018W5"},
            "start='2018W5') is not a week: expected YYYY-Www or a date YYYY-MM-DD",
            "did you mean 2018-W05?",
        ),
        (
            Weekly,  # the year of 2018-12-31 is not that of its week
            {"format": "%Y-W%V"},
            "format='%Y-W%V') does not tell weeks apart: expected both %G and %V, as in %G-W%V",
            None,
        ),
        (
            Quarterly,
            {"format": "%Y-%b"},
            "format='%Y-%b') holds %b: expected only %Y, %q, %m and %d, which read the same everywhere",
            None,
        ),
        (
            Quarterly,
            {"start": "2018-Q2", "end": "2018-06-30"},
            "end='2018-06-30') leaves no quarter: expected one after start='2018-Q2', end is exclusive",
            None,
        ),
        (Yearly, {"start": 2018}, "start=2018) is not a year: expected YYYY or a date YYYY-MM-DD", None),
        (Yearly, {"format": "%m"}, "format='%m') does not tell years apart: expected %Y", None),
        (
            Yearly,
            {"format": "%Y/"},
            "format='%Y/') gives no safe folder names: expected keys without / and NUL, not led by a dot",
            None,
        ),
    ],
)
def test_a_definition_that_cannot_be_is_refused(
    kind: type[TimePartitions], definition: dict[str, Any], message: str, cure: str | None
) -> None:
    with pytest.raises(DefinitionError) as caught:
        kind(**{"start": "2018-01-01", **definition})
    said, _, place = caught.value.message.rpartition(" (")
    assert (said, caught.value.help) == (f"{kind.__name__}({message}", cure)
    assert place.startswith("test_timekinds.py:")


def test_hours_are_refused_only_for_what_clocks_do_between_start_and_end() -> None:
    """Caracas was four and a half hours behind UTC from 2007-12-09 to 2016-05-01, and four before and after."""
    caracas = Hourly("2010-01-01", "2016-05-01", timezone="America/Caracas")
    assert (caracas.first_key, caracas.last_key(NOW)) == ("2010-01-01T00-0430", "2016-04-30T23-0430")
    assert Hourly("2016-05-02", timezone="America/Caracas").first_key == "2016-05-02T00-0400"
    kolkata = Hourly("2018-01-01", timezone=KOLKATA, format="%Y-%m-%dT%H")
    assert kolkata.window("2018-01-01T05").start.astimezone(UTC) == utc("2017-12-31T23:30")
    assert Hourly("2018-11-05", "2019-03-10", timezone=YORK, format="%Y%m%d%H").first_key == "2018110500"


@pytest.mark.parametrize(
    ("kind", "key", "code", "message", "helped"),
    [
        (
            Hourly,
            "2026-11-20T09",
            "partition-incomplete",
            "2026-11-20T09 has not ended; last complete hour: 2026-11-20T08",
            "add --include-current to make it from the data so far",
        ),
        (
            Daily,
            "2017-12-31",
            "partition-before-start",
            "2017-12-31 is before orders begins (2018-01-01)",
            'first key is 2018-01-01; for older data set start="2017-12-31" (here)',
        ),
        (
            Weekly,
            "2026-W48",
            "partition-incomplete",
            "2026-W48 has not begun; last complete week: 2026-W46",
            "orders has 2018-W01..2026-W46",
        ),
        (
            Quarterly,
            "2017-Q4",
            "partition-before-start",
            "2017-Q4 is before orders begins (2018-Q1)",
            'first key is 2018-Q1; for older data set start="2017-Q4" (here)',
        ),
        (
            Yearly,
            "2026",
            "partition-incomplete",
            "2026 has not ended; last complete year: 2025",
            "add --include-current to make it from the data so far",
        ),
    ],
)
def test_a_key_outside_the_definition_is_refused_with_the_way_out(
    kind: Kind, key: str, code: str, message: str, helped: str
) -> None:
    definition = kind("2018-01-01")
    with pytest.raises(PartitionKeyError) as caught:
        definition.check(key, NOW, "orders", "here")
    assert (caught.value.code, caught.value.message, caught.value.help) == (code, message, helped)
    definition.check(definition.latest(NOW)[0], NOW, "orders", "here")


def test_a_key_after_the_end_is_refused_with_the_end_that_would_have_it() -> None:
    with pytest.raises(PartitionKeyError) as caught:
        Weekly("2018-W01", "2019-W01").check("2020-W53", NOW, "orders", "here")
    assert caught.value.lines() == [
        "2020-W53 is after orders ends (2018-W52)",
        '  help: last key is 2018-W52; for newer data set end="2021-W01" (here)',
    ]


def test_what_time_partitions_are_to_the_rest() -> None:
    weekly = Weekly("2018-W01", column="week", timezone=BERLIN)
    window = weekly.window("2018-W05")
    assert (weekly.kind, weekly.unit, weekly.time, weekly.dimensions) == ("weekly", "week", weekly, (weekly,))
    assert weekly.partition("2018-W05") == Partition("2018-W05", window.start, window.end, {"week": "2018-W05"})
    assert (weekly.columns, weekly.values("2018-W05")) == (("week",), ("2018-W05",))
    assert weekly.describe() == {"kind": "weekly", "column": "week", "timezone": BERLIN, "format": "%G-W%V"}
    assert (weekly.extent(NOW), Quarterly("2026-Q4").extent(NOW)) == ("2018-W01..2026-W46", "no quarter yet")
    assert Quarterly("2026-Q4").latest(NOW) == []
    assert (weekly.shift("2019-W01", -1), weekly.shift("2020-W53", 1)) == ("2018-W52", "2021-W01")
    assert weekly.are_neighbours("2018-W52", "2019-W01")
    assert not weekly.are_neighbours("2019-W01", "2018-W52")
    assert [weekly.key_of(day) for day in (date(2018, 12, 31), date(2021, 1, 3))] == ["2019-W01", "2020-W53"]
    with pytest.raises(TypeError, match="a day holds many hours"):
        Hourly("2018-01-01").key_of(date(2018, 1, 1))


def test_the_format_of_hours_depends_on_the_zone_and_is_told_as_it_is() -> None:
    assert Hourly("2018-01-01").describe()["format"] == "%Y-%m-%dT%H"
    assert Hourly("2018-01-01", timezone="Zulu").describe()["format"] == "%Y-%m-%dT%H"
    assert Hourly("2018-01-01", timezone=KOLKATA).describe()["format"] == "%Y-%m-%dT%H%z"
    assert Hourly("2018-01-01") == Hourly("2018-01-01", format="%Y-%m-%dT%H")
    assert hash(Hourly("2018-01-01")) == hash(Hourly("2018-01-01", format="%Y-%m-%dT%H"))
    assert repr(Hourly("2018-01-01")) == (
        "Hourly(start='2018-01-01', end=None, timezone='UTC', format='%Y-%m-%dT%H', column='partition_date', "
        "include_current=False)"
    )
    assert Daily("2018-01-01") != Weekly("2018-01-01", format="%Y-%m-%d")


@pytest.mark.parametrize("kind", KINDS)
def test_there_are_keys_as_far_as_years_have_four_digits(kind: Kind) -> None:
    definition = kind("9990-01-01")
    last = definition.overlapping(utc("9990-01-01T00:00"), datetime.max.replace(tzinfo=UTC))[-1]
    assert definition.window(last).end.year == 9999
    with pytest.raises(PartitionKeyError, match=rf"no {definition.unit} has a key"):
        definition.shift(last, 1)
    first = kind("1000-01-01")
    assert first.window(first.first_key).start.year == 1000
    with pytest.raises(PartitionKeyError, match=rf"no {definition.unit} has a key -1 {definition.unit}s from"):
        first.at(-1)
    assert first.holding(datetime.min.replace(tzinfo=UTC)) < 0


@pytest.mark.parametrize(
    ("kind", "timezone", "start", "end", "keys"),
    [
        # a month reads every week that touches it, its days, its quarter and its year
        (Weekly, "UTC", "2018-02-01T00:00", "2018-03-01T00:00", [f"2018-W{week:02}" for week in range(5, 10)]),
        (Daily, "UTC", "2018-02-01T00:00", "2018-03-01T00:00", [f"2018-02-{day:02}" for day in range(1, 29)]),
        (Quarterly, "UTC", "2018-02-01T00:00", "2018-03-01T00:00", ["2018-Q1"]),
        (Yearly, "UTC", "2018-12-31T23:59", "2019-01-01T00:01", ["2018", "2019"]),
        (Daily, BERLIN, "2018-02-01T00:00", "2018-02-02T00:00", ["2018-02-01", "2018-02-02"]),
        (Hourly, KOLKATA, "2018-02-01T00:00", "2018-02-01T01:00", ["2018-02-01T05+0530", "2018-02-01T06+0530"]),
        # nothing before the first window, nothing of an empty interval
        (Monthly, "UTC", "1999-11-15T00:00", "2000-01-02T00:00", ["2000-01"]),
        (Monthly, "UTC", "1999-01-01T00:00", "2000-01-01T00:00", []),
        (Monthly, "UTC", "2018-02-01T00:00", "2018-02-01T00:00", []),
        (Monthly, "UTC", "2018-03-01T00:00", "2018-02-01T00:00", []),
        (Daily, APIA, "2011-12-30T09:00", "2011-12-30T10:00", ["2011-12-29"]),
        (Daily, APIA, "2011-12-30T10:00", "2011-12-30T11:00", ["2011-12-31"]),
    ],
)
def test_windows_overlap_an_interval(kind: Kind, timezone: str, start: str, end: str, keys: list[str]) -> None:
    assert defined(kind, timezone).overlapping(utc(start), utc(end)) == keys


def test_the_ends_of_an_interval_are_instants_whatever_clocks_show() -> None:
    """Sao Paulo's clocks were set back at midnight, and showed 23:30 of the 17th an hour before and just after."""
    hourly, zone = Hourly("2018-01-01", timezone=SAO_PAULO), ZoneInfo(SAO_PAULO)
    before, after = (datetime(2018, 2, 17, 23, 30, tzinfo=zone, fold=fold) for fold in (0, 1))
    assert hourly.overlapping(before, after) == ["2018-02-17T23-0200", "2018-02-17T23-0300"]
    assert hourly.overlapping(after, before) == []
    assert hourly.overlapping(after, datetime(2018, 2, 18, tzinfo=zone)) == ["2018-02-17T23-0300"]


def test_no_window_overlaps_from_the_end_on_whatever_the_time() -> None:
    daily = Daily("2018-01-01", "2018-02-03")
    assert daily.overlapping(utc("2018-02-01T12:00"), utc("2018-03-01T00:00")) == ["2018-02-01", "2018-02-02"]
    assert Daily("2999-01-01").overlapping(utc("2999-01-01T00:00"), utc("2999-01-01T01:00")) == ["2999-01-01"]


def test_an_instant_must_tell_its_zone() -> None:
    naive = datetime(2018, 1, 1)  # noqa: DTZ001  the very fault
    for asked in (
        lambda: Daily("2018-01-01").holding(naive),
        lambda: Hourly("2018-01-01").keys(naive),
        lambda: Hourly("2018-01-01").overlapping(naive, NOW),
        lambda: Hourly("2018-01-01").overlapping(NOW, naive),
    ):
        with pytest.raises(ValueError, match="must be a datetime with a time zone"):
            asked()


@pytest.mark.parametrize("timezone", ["UTC", BERLIN, KOLKATA])
@pytest.mark.parametrize(("kind", "now"), [(Hourly, "2011-05-29T16:00"), (Daily, "2273-10-16T00:00")])
def test_a_hundred_thousand_keys_take_few_calls_each(kind: Kind, now: str, timezone: str) -> None:
    """For the keys, and for their places, which are told again from memory."""
    definition, keys = kind("2000-01-01", timezone=timezone), list[str]()
    assert calls_of(lambda: keys.extend(definition.keys(utc(now)))) < 12 * 100_000
    assert abs(len(keys) - 100_000) < 10
    assert [definition.index(key) for key in keys] == list(range(len(keys)))
    assert calls_of(lambda: sum(map(definition.index, keys))) < 4 * len(keys)


# Where midnights are skipped or struck twice, hours begin at 15, 30 and 45 past, and a day is missing. All of them
# have whole hours since 2000 but for Lord Howe, whose clocks change by half an hour, and Apia, which skipped a day.
HOUR_ZONES = ["UTC", BERLIN, YORK, KOLKATA, SAO_PAULO, BEIRUT, "America/St_Johns", "Asia/Kathmandu", "America/Havana"]
HOUR_ZONES += ["America/Asuncion", "Africa/Casablanca", APIA]
zones = st.sampled_from([*HOUR_ZONES, LORD_HOWE, "Pacific/Kiritimati"])
definitions = st.one_of(
    st.builds(defined, st.just(Hourly), st.sampled_from(HOUR_ZONES)),
    st.builds(defined, st.sampled_from(KINDS[1:]), zones),
)
instants = st.datetimes(datetime(2000, 1, 3), datetime(2060, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
changes = st.sampled_from([utc(f"{day}T00:00") for day in ("2018-03-25", "2018-10-28", "2018-11-04", "2011-12-30")])
instants |= st.builds(lambda day, hours: day + timedelta(hours=hours), changes, st.floats(-30, 30))


def span(definition: TimePartitions, key: str) -> tuple[datetime, datetime]:
    window = definition.window(key)
    return window.start.astimezone(UTC), window.end.astimezone(UTC)


@given(definitions, instants)
def test_windows_tile_time_without_gap_or_overlap(definition: TimePartitions, instant: datetime) -> None:
    place = definition.holding(instant)
    spans = [span(definition, definition.at(near)) for near in range(place - 2, place + 4)]
    assert all(one[1] == other[0] for one, other in pairwise(spans))
    assert all(start < end or definition.timezone == APIA for start, end in spans)
    if definition.unit == "hour":
        assert all(end - start == timedelta(hours=1) for start, end in spans)


@given(definitions, instants)
def test_each_instant_is_in_the_one_window_that_holds_it(definition: TimePartitions, instant: datetime) -> None:
    """And that window's is the running one, the last that ``include_current`` adds."""
    place = definition.holding(instant)
    near = [definition.at(other) for other in range(place - 2, place + 3)]
    inside = [key for key in near if span(definition, key)[0] <= instant < span(definition, key)[1]]
    assert inside == [definition.at(place)]
    if place >= 0:
        assert definition.latest(instant, include_current=True) == inside


@given(definitions, instants)
def test_keys_read_back_and_are_sorted_by_their_place(definition: TimePartitions, instant: datetime) -> None:
    place = definition.holding(instant)
    keys = [definition.at(near) for near in range(place - 3, place + 4)]
    assert [definition.parse(key, exact=True) for key in keys] == keys
    assert [definition.index(key) for key in keys] == list(range(place - 3, place + 4))
    assert sorted(set(keys), key=definition.order) == keys
    starts = [span(definition, key)[0] for key in keys]
    assert starts == sorted(starts)
    assert definition.between(keys[0], keys[-1]) == keys
    assert definition.between(keys[1], keys[0]) == []


@given(definitions, instants, st.sampled_from(KINDS[1:]))
def test_a_longer_period_holds_exactly_the_windows_that_start_in_it(
    definition: TimePartitions, instant: datetime, longer: Kind
) -> None:
    period = defined(longer, definition.timezone)
    text = period.at(period.holding(instant))
    units = ["hour", "day", "week", "month", "quarter", "year"]
    found = definition.coarser(text)
    if units.index(period.unit) <= units.index(definition.unit):
        assert found is None
        return
    begin, end = span(period, text)
    near = definition.at(definition.holding(begin))
    around = [definition.shift(near, -1), near, definition.shift(near, 1)]
    first = next((key for key in around if span(definition, key)[0] >= begin), "")
    assume(begin < end)  # the day that Samoa skipped: no instant is in it
    if span(definition, first)[0] >= end:
        assert found is None  # no Monday is in it
        return
    assert found is not None
    assert found[0] == first
    assert span(definition, found[1])[0] < end <= span(definition, definition.shift(found[1], 1))[0]


@given(definitions, instants, st.floats(0, 5), st.integers(-3, 3))
def test_overlapping_agrees_with_a_look_at_every_window(
    definition: TimePartitions, instant: datetime, length: float, edge: int
) -> None:
    """Also for intervals that begin and end with windows."""
    place = definition.holding(instant)
    start, unit = instant, span(definition, definition.at(place))[1] - span(definition, definition.at(place))[0]
    if edge:
        start = span(definition, definition.at(max(place + edge, 0)))[0]
    end = start + length * unit
    near = range(max(definition.holding(start) - 3, 0), definition.holding(end) + 4)
    spans = {key: span(definition, key) for key in map(definition.at, near)}
    expected = [key for key, (begin, stop) in spans.items() if start < end and begin < end and start < stop]
    assert definition.overlapping(start, end) == expected


@given(definitions, st.dates(date(2001, 1, 1), date(2040, 1, 1)), st.integers(800, 3000))
def test_a_definition_has_the_windows_between_its_bounds(definition: TimePartitions, start: date, days: int) -> None:
    end = start + timedelta(days)
    bounded = type(definition)(start, end.isoformat(), timezone=definition.timezone)
    zone = ZoneInfo(definition.timezone)
    begin, stop = (datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC) for day in (start, end))
    first, last = bounded.first_key, bounded.latest(utc("2100-01-01T00:00"))[0]
    assert span(definition, definition.shift(first, -1))[0] < begin <= span(definition, first)[0]
    assert span(definition, last)[1] <= stop < span(definition, definition.shift(last, 1))[1]


@given(definitions, st.text() | st.from_regex(r"[0-9]{4}-[0-9]{2}(-[0-9]{2})?(T[0-9]{2}(:00)?)?", fullmatch=True))
def test_any_text_is_a_key_that_stays_itself_or_is_refused(definition: TimePartitions, text: str) -> None:
    try:
        key = definition.parse(text)
    except PartitionKeyError as error:
        guess = error.context["guess"]
        assert guess is None or definition.parse(guess, exact=True) == guess
    else:
        assert definition.at(definition.index(key)) == definition.parse(key, exact=True) == key
