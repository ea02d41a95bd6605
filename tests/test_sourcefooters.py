"""Which Parquet files may hold rows of a window: never fewer than do, and few more than do."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from lakehouse.callsite import CallSite
from lakehouse.partitions import Daily, Hourly, Monthly, TimePartitions
from lakehouse.sources import footers
from lakehouse.sources.declared import Source
from lakehouse.sources.digestcache import DigestCache
from lakehouse.sources.files import FilesNow
from lakehouse.sources.footers import Ranges, time_range
from lakehouse.windows import limit

BERLIN = ZoneInfo("Europe/Berlin")


def source(path: str = "data/*.parquet", **changed: Any) -> Source:
    """A declaration of rows with a time ``t``."""
    facts: dict[str, Any] = {"format": "parquet", "schema": None, "time": "t", "nullable": (), "track": "content"}
    return Source(name="raw", path=path, where=CallSite("lakefile.py", 9), **{**facts, **changed})


def look(base: Path, cache: DigestCache | None = None, **changed: Any) -> FilesNow:
    """One look."""
    return FilesNow.look(source(**changed), base, cache or DigestCache())


def store(path: Path, values: Any, **options: Any) -> Path:
    """A Parquet file of times."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table({"t": values}), path, **options)
    return path


def month(number: int) -> list[tuple[datetime, datetime]]:
    """The window of a month of 2018 in Berlin."""
    window = Monthly("2018-01", timezone="Europe/Berlin").window(f"2018-{number:02}")
    return [(window.start, window.end)]


def versions(now: FilesNow) -> list[str | None]:
    """The versions of the months of 2018."""
    return [now.version_of_windows(month(number)) for number in range(1, 13)]


# What a footer tells.


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (pa.array([date(1970, 1, 3), date(1969, 12, 31), None]), ["date", -1, 2]),
        (pa.array([1_000_000, None], pa.timestamp("us")), ["naive", 1_000_000, 1_000_000]),
        (pa.array([1500, 2500], pa.timestamp("ms")), ["naive", 1_500_000, 2_500_000]),
        (pa.array([1501, -2501], pa.timestamp("ns")), ["naive", -3, 2]),
        (pa.array([2, 3], pa.timestamp("s")), ["naive", 2_000_000, 3_000_000]),
        (pa.array([2, 3], pa.timestamp("us", "Europe/Berlin")), ["aware", 2, 3]),
        (pa.array([2, 3], pa.timestamp("us", "UTC")), ["aware", 2, 3]),
        (pa.array([None, None], pa.timestamp("us")), []),
        (pa.array([], pa.date32()), []),
        (pa.array(["2018-01-01"]), ["untold"]),
        (pa.array([1]), ["untold"]),
    ],
)
def test_a_range_is_in_days_or_in_microseconds_rounded_outward(tmp_path: Path, values: Any, expected: Any) -> None:
    assert time_range(store(tmp_path / "a.parquet", values), "t") == expected


def test_a_range_spans_all_row_groups_and_passes_over_those_of_nulls(tmp_path: Path) -> None:
    values = pa.array([date(1970, 1, 9), None, date(1970, 1, 2)])
    assert time_range(store(tmp_path / "a.parquet", values, row_group_size=1), "t") == ["date", 1, 8]


@pytest.mark.parametrize("options", [{"write_statistics": False}, {"use_deprecated_int96_timestamps": True}])
def test_without_statistics_nothing_is_told(tmp_path: Path, options: dict[str, bool]) -> None:
    values = pa.array([datetime(2018, 1, 1)])  # noqa: DTZ001  naive on purpose
    assert time_range(store(tmp_path / "a.parquet", values, **options), "t") == ["untold"]


def test_what_polars_writes_is_told(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    moments = pl.Series("t", [datetime(1970, 1, 1, 0, 0, 1)])  # noqa: DTZ001  naive on purpose
    for unit in ("ms", "us", "ns"):
        pl.DataFrame([moments.cast(pl.Datetime(unit))]).write_parquet(path)
        assert time_range(path, "t") == ["naive", 1_000_000, 1_000_000]
    pl.DataFrame([moments.dt.replace_time_zone("Europe/Berlin")]).write_parquet(path)
    assert time_range(path, "t") == ["aware", 1_000_000 - 3_600_000_000, 1_000_000 - 3_600_000_000]


def test_a_damaged_file_or_one_without_the_column_tells_nothing(tmp_path: Path) -> None:
    path = store(tmp_path / "a.parquet", pa.array([date(2018, 1, 1)]))
    assert time_range(path, "other") == ["untold"]
    path.write_bytes(b"PAR1PAR1")
    assert time_range(path, "t") == ["untold"]


# Which files a window may have rows of.


@given(
    st.lists(st.tuples(st.integers(0, 99), st.integers(0, 20)), max_size=12),
    st.tuples(st.integers(-5, 110), st.integers(0, 30)),
)
def test_the_files_of_a_window_are_those_whose_range_meets_it(
    spans: list[tuple[int, int]], window: tuple[int, int]
) -> None:
    low, high = window[0], window[0] + window[1]
    ranges = Ranges.of([["aware", first, first + length] for first, length in spans])
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    start, end = (epoch + timedelta(microseconds=number) for number in (low, high))
    meeting = [place for place, (first, length) in enumerate(spans) if first < high and first + length >= low]
    assert ranges.within([(start, end)]) == meeting


def test_a_file_that_tells_nothing_is_of_every_window_and_one_without_times_of_none() -> None:
    ranges = Ranges.of([["untold"], None, [], ["date", 0, 0]])
    assert ranges.within([]) == ranges.within(month(1)) == [0, 1]
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    assert ranges.within([(epoch, epoch + timedelta(days=1))]) == [0, 1, 3]


def test_files_whose_times_are_of_different_kinds_are_all_of_every_window() -> None:
    assert Ranges.of([["date", 0, 0], ["naive", 0, 0], []]).within(month(1)) == [0, 1, 2]


MOMENTS: list[tuple[str, Callable[[datetime], pl.Series]]] = [
    ("aware", lambda moment: pl.Series("t", [moment.astimezone(UTC)])),
    ("naive", lambda moment: pl.Series("t", [moment.replace(tzinfo=None)])),
    ("date", lambda moment: pl.Series("t", [moment.date()])),
]


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.sampled_from(MOMENTS),
    st.sampled_from(["Europe/Berlin", "America/Sao_Paulo", "Australia/Lord_Howe", "UTC", "Pacific/Apia"]),
    st.sampled_from([Hourly, Daily, Monthly]),
    st.sampled_from([date(2018, 3, 25), date(2018, 10, 28), date(2018, 2, 18), date(2018, 11, 4), date(2018, 4, 1)]),
    st.integers(-36 * 4, 36 * 4),
    st.integers(-3, 3),
)
def test_a_file_with_a_row_of_a_window_is_always_counted_for_it(
    tmp_path: Path,
    kind: tuple[str, Callable[[datetime], pl.Series]],
    zone: str,
    definition: type[TimePartitions],
    day: date,
    quarters: int,
    shift: int,
) -> None:
    """Whichever way clocks are changed nearby: by the very filter that decides which rows a key gets."""
    name, write = kind
    if definition is Hourly:  # dates tell no hours apart, nor do hours fit clocks that change by half of one
        assume(name != "date" and zone != "Australia/Lord_Howe")
    windows = definition("2018-01-01T00" if definition is Hourly else "2018-01-01", timezone=zone)
    noon = datetime(day.year, day.month, day.day, tzinfo=UTC)
    moment = (noon + timedelta(minutes=15 * quarters)).astimezone(ZoneInfo(zone))
    frame = write(moment).to_frame()
    path = tmp_path / "a.parquet"
    frame.write_parquet(path)
    key = windows.at(windows.holding(moment) + shift)
    rows = limit(frame.lazy(), "t", windows, [key], of="raw", into="key").collect()
    window = windows.window(key)
    counted = Ranges.of([time_range(path, "t")]).within([(window.start, window.end)])
    assert rows.is_empty() or counted == [0]


@pytest.mark.parametrize("name", [name for name, _ in MOMENTS])
def test_a_file_of_one_month_is_of_no_other(name: str) -> None:
    """In summer time as in winter, from its first moment to its last."""
    write = dict(MOMENTS)[name]
    for number in range(1, 13):
        (start, end), shown = month(number)[0], []
        for moment in (start, (end.astimezone(UTC) - timedelta(microseconds=1)).astimezone(BERLIN)):
            value = write(moment)[0]
            shown.append(
                (value - date(1970, 1, 1)).days
                if name == "date"
                else (value.replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)
            )
        ranges = Ranges.of([[name, *shown]])
        assert [other for other in range(1, 13) if ranges.within(month(other))] == [number]


# Versions by window.


def test_a_file_with_rows_of_december_leaves_january_fresh(tmp_path: Path) -> None:
    for number in (1, 2):
        store(tmp_path / f"data/{number}.parquet", pa.array([date(2018, number, 1), date(2018, number, 28), None]))
    first = look(tmp_path)
    before = versions(first)
    assert len({*before}) == 3  # January's, February's, and that of no file
    store(tmp_path / "data/3.parquet", pa.array([date(2018, 12, 1), date(2018, 12, 31)]))
    now = look(tmp_path)
    assert versions(now)[:11] == before[:11]
    assert (versions(now)[11] != before[11], now.version != first.version) == (True, True)
    store(tmp_path / "data/2.parquet", pa.array([date(2018, 2, 2)]))
    after = versions(look(tmp_path))
    assert [
        number for number, (one, other) in enumerate(zip(versions(now), after, strict=True), 1) if one != other
    ] == [2]
    (tmp_path / "data/1.parquet").unlink()
    assert versions(look(tmp_path))[0] == before[10]  # that of no file


def test_the_first_further_file_leaves_the_months_of_the_only_one_fresh(tmp_path: Path) -> None:
    store(tmp_path / "data/1.parquet", pa.array([date(2018, 1, 1)]))
    before = versions(look(tmp_path))
    store(tmp_path / "data/2.parquet", pa.array([date(2018, 2, 1)]))
    after = versions(look(tmp_path))
    assert [one == other for one, other in zip(before, after, strict=True)][:3] == [True, False, True]


@pytest.mark.parametrize("track", ["content", "stat"])
def test_several_windows_have_the_version_of_all_their_files(tmp_path: Path, track: str) -> None:
    for number in range(1, 5):
        store(tmp_path / f"data/{number}.parquet", pa.array([date(2018, number, 1)]))
    now = look(tmp_path, track=track)
    spans = [month(1)[0], month(3)[0]]
    first = now.version_of_windows(spans)
    assert first not in [*versions(now), now.version]
    store(tmp_path / "data/2.parquet", pa.array([date(2018, 2, 2), date(2018, 2, 3)]))
    assert look(tmp_path, track=track).version_of_windows(spans) == first
    store(tmp_path / "data/3.parquet", pa.array([date(2018, 3, 2), date(2018, 3, 3)]), compression="none")
    assert look(tmp_path, track=track).version_of_windows(spans) != first


@pytest.mark.parametrize(
    "changed",
    [{"time": None}, {"path": "data/1.parquet"}, {"format": "ipc"}],
    ids=["no time", "one file", "no footers"],
)
def test_where_nothing_is_told_the_version_is_that_of_all(tmp_path: Path, changed: dict[str, Any]) -> None:
    store(tmp_path / "data/1.parquet", pa.array([date(2018, 1, 1)]))
    now = look(tmp_path, **changed)
    assert {*versions(now)} == {now.version}


def test_a_footer_is_opened_once_for_each_state_of_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def noted(path: Path, column: str) -> list[Any]:
        opened.append(path.name)
        return time_range(path, column)

    monkeypatch.setattr(footers, "time_range", noted)
    monkeypatch.setattr("time.time_ns", lambda: 2**62)  # every file has settled
    for number in (1, 2):
        store(tmp_path / f"data/{number}.parquet", pa.array([date(2018, number, 1)]))
    cache = DigestCache()
    first = versions(look(tmp_path, cache))
    kept = DigestCache.from_json(cache.to_json())
    assert versions(look(tmp_path, kept)) == first
    assert (opened, kept.is_changed) == (["1.parquet", "2.parquet"], False)
    store(tmp_path / "data/2.parquet", pa.array([date(2018, 3, 1)]))
    again = versions(look(tmp_path, kept))
    assert opened == ["1.parquet", "2.parquet", "2.parquet"]
    assert [one == other for one, other in pairwise([first[0], again[0]])] == [True]


def test_a_file_that_was_touched_since_the_look_is_of_every_window(tmp_path: Path) -> None:
    path = store(tmp_path / "data/1.parquet", pa.array([date(2018, 1, 1)]))
    now = look(tmp_path)
    assert now.version  # told as it is by now
    store(path, pa.array([date(2018, 2, 1)]))
    assert {*versions(now)} == {now.version_of_windows(month(1))}
    path.unlink()
    assert {*versions(look_gone(now))} == {now.version_of_windows(month(1))}


def look_gone(now: FilesNow) -> FilesNow:
    """The same look, whose footers were not asked for yet."""
    return FilesNow(
        source=now.source,
        base=now.base,
        files=now.files,
        stamps=now.stamps,
        cache=DigestCache(),
        _digests=now._digests,
    )


def test_a_range_is_that_of_the_file_itself_where_its_name_looks_like_a_pattern(tmp_path: Path) -> None:
    store(tmp_path / "x1.parquet", [datetime(2018, 1, 2)])  # noqa: DTZ001  a wall clock
    path = store(tmp_path / "x[1].parquet", [date(1970, 1, 3)])
    assert time_range(path, "t") == ["date", 2, 2]
