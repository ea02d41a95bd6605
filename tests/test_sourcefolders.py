"""A Hive folder of somebody else: which keys it has, the version of each, and the rows of just those asked for."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest

from lakehouse.callsite import CallSite
from lakehouse.disk import digest_file
from lakehouse.errors import SourceError
from lakehouse.layout import escape
from lakehouse.partitions import Categories, Daily, Dynamic, Monthly, Partitions
from lakehouse.sources import digestcache
from lakehouse.sources.declared import Source
from lakehouse.sources.digestcache import DigestCache
from lakehouse.sources.folders import FolderNow
from lakehouse.sources.look import look_at, scan, source_fault

DAYS = Daily("2018-01-01", column="day")
REGIONS = Categories("region", ["us", "eu"]) * Monthly("2018-01", column="month")
LONG_AGO = 1_500_000_000 * 10**9


def source(partitions: Partitions = DAYS, **changed: Any) -> Source:
    """A declaration of events."""
    facts: dict[str, Any] = {"format": "parquet", "schema": None, "time": None, "nullable": (), "track": "content"}
    where = CallSite("lakefile.py", 9)
    return Source(name="events", path="data/events", where=where, partitions=partitions, **{**facts, **changed})


def look(base: Path, partitions: Partitions = DAYS, **changed: Any) -> FolderNow:
    """One look, without a cache."""
    now = look_at(source(partitions, **changed), base, DigestCache(), lambda: "events -> daily")
    assert isinstance(now, FolderNow)
    return now


def store(base: Path, name: str, *ids: int, **more: Any) -> Path:
    """A Parquet file of ids at a place in the folder."""
    path = base / "data/events" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    pl.DataFrame({"id": list(ids), **more}, schema_overrides={"id": pl.Int64}).write_parquet(path)
    os.utime(path, ns=(LONG_AGO, LONG_AGO))
    return path


def write(base: Path, name: str, text: str = "") -> Path:
    """A file of text at a place in the folder."""
    path = base / "data/events" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are read for their digest, relative to the folder of their key."""
    found: list[str] = []

    def noted(path: Path) -> str:
        found.append(f"{path.parent.name}/{path.name}")
        return digest_file(path)

    monkeypatch.setattr(digestcache, "digest_file", noted)
    return found


# Which keys there are.


def test_the_keys_are_the_folders_in_the_order_of_the_definition(tmp_path: Path) -> None:
    for name in ("region=eu/month=2018-02", "region=us/month=2018-10", "region=us/month=2018-09"):
        store(tmp_path, f"{name}/part.parquet", 1)
    assert look(tmp_path, REGIONS).keys == (
        "region=us/month=2018-09",
        "region=us/month=2018-10",
        "region=eu/month=2018-02",
    )


def test_a_listing_opens_no_folder_of_a_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for day in (1, 2, 3):
        store(tmp_path, f"day=2018-01-0{day}/part.parquet", day)
    listed: list[str] = []
    scandir: Callable[[Any], Any] = os.scandir
    monkeypatch.setattr(os, "scandir", lambda path: listed.append(str(path)) or scandir(path))
    now = look(tmp_path)
    assert listed == [str(tmp_path / "data/events")]
    assert now.version_of("2018-01-02") is not None
    assert listed[1:] == [str(tmp_path / "data/events/day=2018-01-02")]


def test_what_is_of_no_key_is_told_and_not_read(tmp_path: Path) -> None:
    store(tmp_path, "day=2018-01-01/part.parquet", 1)
    for name in ("day=2017-12-31", "day=2018-1-1", "day=", "archive", "day=__HIVE_DEFAULT_PARTITION__"):
        store(tmp_path, f"{name}/part.parquet", 2)
    store(tmp_path, "beside.parquet", 3)
    for name in ("_SUCCESS", ".hidden/x.parquet", "_temporary/x.parquet", "_SUCCESS.crc", "notes.txt"):
        write(tmp_path, name)
    now = look(tmp_path)
    assert now.keys == ("2018-01-01",)
    assert now.strangers == (
        "archive",
        "beside.parquet",
        "day=",
        "day=2017-12-31",
        "day=2018-1-1",
        "day=__HIVE_DEFAULT_PARTITION__",
    )
    assert now.nameless == ("day=__HIVE_DEFAULT_PARTITION__",)
    assert scan(now).collect().rows() == [(1, "2018-01-01")]


def test_values_are_unescaped_as_hive_escapes_them(tmp_path: Path) -> None:
    store(tmp_path, "name=a%3Ab é/part.parquet", 1)
    store(tmp_path, "name=x/part.parquet", 2)
    store(tmp_path, "name=%78/part.parquet", 3)
    now = look(tmp_path, Dynamic("name", discover=True))
    assert now.keys == ("a:b é", "x")
    assert sorted(scan(now).collect().rows()) == [(1, "a:b é"), (2, "x"), (3, "x")]


@pytest.mark.parametrize("value", ["é", "日本", "a b", "100%"])
def test_values_are_unescaped_as_polars_and_duckdb_escape_them(tmp_path: Path, value: str) -> None:
    frame = pl.LazyFrame({"id": [1], "name": [value]})
    frame.sink_parquet(pl.PartitionBy(tmp_path / "data/events", key="name", include_key=False), mkdir=True)
    rows = f"SELECT 2::BIGINT AS id, '{value}' AS name"
    duckdb.sql(f"COPY ({rows}) TO '{tmp_path}/data/two' (FORMAT parquet, PARTITION_BY name)")
    (made,) = (tmp_path / "data/two").iterdir()
    folder = tmp_path / "data/events" / made.name
    folder.mkdir(exist_ok=True)
    made.rename(folder / "two")
    now = look(tmp_path, Categories("name", [value]))
    assert (now.keys, now.strangers) == ((value,), ())
    assert sorted(scan(now).collect().rows()) == [(1, value), (2, value)]


def test_what_is_escaped_and_no_utf_8_is_taken_byte_by_byte(tmp_path: Path) -> None:
    store(tmp_path, "name=%E9/part.parquet", 1)
    now = look(tmp_path, Dynamic("name", discover=True))
    assert scan(now).collect().rows() == [(1, "é")]


NAMED = Dynamic("name", discover=True)
VALUES = ["é", "a b", "a/b", "x%y", "e=f", "q?*[1]", "%zz", "+", "#"]


@pytest.mark.parametrize("above", ["plain", "[x]{a,b} *?", "k=v", "name=v"])
@pytest.mark.parametrize("suffix", ["parquet", "arrow", "csv", "ndjson"])
def test_each_row_has_the_key_of_its_folder_whatever_that_and_those_above_are_called(
    above: str, suffix: str, tmp_path: Path
) -> None:
    """Of NDJSON and of schemas, Polars takes every path for a pattern."""
    base = tmp_path / above
    for number, value in enumerate(VALUES):
        folder = base / "data/events" / f"name={escape(value)}"
        folder.mkdir(parents=True)
        for name in (f"x1.{suffix}", f"x[1].{suffix}", f"*.{suffix}"):
            frame = pl.DataFrame({"id": [number], "of": [name]})
            write = {"csv": frame.write_csv, "arrow": frame.write_ipc, "ndjson": frame.write_ndjson}
            write.get(suffix, frame.write_parquet)(folder / name)  # type: ignore[operator]
    schema = {"id": pl.Int64, "of": pl.String}
    now = look(base, NAMED, format={"arrow": "ipc"}.get(suffix, suffix), schema=schema)
    names = (f"x1.{suffix}", f"x[1].{suffix}", f"*.{suffix}")
    expected = sorted((number, name, value) for number, value in enumerate(VALUES) for name in names)
    found = scan(now).collect()
    assert found.columns == ["id", "of", "name"]
    assert sorted(found.rows()) == expected
    assert sorted(scan(now, ["é"]).collect().rows()) == [row for row in expected if row[2] == "é"]


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "csv", "ndjson"])
def test_the_keys_of_many_folders_are_no_frame_a_key(tmp_path: Path, suffix: str) -> None:
    """Of frames that differ in a literal, Polars takes a time that grows with the square of their number."""
    for day in range(1, 4):
        folder = tmp_path / f"data/events/day=2018-01-0{day}"
        folder.mkdir(parents=True)
        frame = pl.DataFrame({"id": [day]})
        write = {"csv": frame.write_csv, "arrow": frame.write_ipc, "ndjson": frame.write_ndjson}
        write.get(suffix, frame.write_parquet)(folder / f"x.{suffix}")  # type: ignore[operator]
    now = look(tmp_path, format={"arrow": "ipc"}.get(suffix, suffix), schema={"id": pl.Int64})
    assert scan(now).explain().count("WITH_COLUMNS") <= 1
    assert scan(now).collect().rows() == [(day, f"2018-01-0{day}") for day in (1, 2, 3)]


def test_a_filter_by_key_opens_only_the_files_of_that_key(tmp_path: Path) -> None:
    store(tmp_path, "day=2018-01-01/part.parquet", 1)
    store(tmp_path, "day=2018-01-02/part.parquet", 2)
    frame = scan(look(tmp_path)).filter(pl.col("day") == "2018-01-02")
    assert "day=2018-01-01" not in frame.explain()
    assert frame.collect().rows() == [(2, "2018-01-02")]


def test_a_link_that_leads_back_is_not_followed_and_others_are(tmp_path: Path) -> None:
    path = store(tmp_path, "day=2018-01-01/part.parquet", 1)
    other = tmp_path / "other"
    other.mkdir()
    path.rename(other / "moved.parquet")
    store(tmp_path, "day=2018-01-01/part.parquet", 2)
    for link, target in {"self": ".", "up": "..", "other": "../../../other"}.items():
        (path.parent / link).symlink_to(target)
    (other / "back").symlink_to(path.parent)
    assert sorted(scan(look(tmp_path)).collect().rows()) == [(1, "2018-01-01"), (2, "2018-01-01")]


def test_a_level_of_another_column_is_refused_with_both_names(tmp_path: Path) -> None:
    store(tmp_path, "month=2018-01/region=eu/part.parquet", 1)
    with pytest.raises(SourceError) as caught:
        look(tmp_path, REGIONS)
    assert caught.value.lines() == [
        "data/events/month=2018-01 is a folder of 'month', where events has 'region' (lakefile.py:9)",
        "  help: folders nest in the order of the definition's columns: region, month",
    ]


@pytest.mark.parametrize(
    ("is_file", "message"),
    [
        (False, "data/events does not exist"),
        (True, "data/events is no folder, and it is declared with partitions"),
    ],
)
def test_a_folder_that_is_not_there_is_missing(tmp_path: Path, message: str, is_file: bool) -> None:  # noqa: FBT001
    if is_file:
        (tmp_path / "data").mkdir()
        (tmp_path / "data/events").touch()
    with pytest.raises(SourceError) as caught:
        look(tmp_path)
    assert (caught.value.message, caught.value.code) == (message, "source-missing")
    assert caught.value.details == ("needed by: events -> daily",)


# Versions.


def test_a_keys_version_is_of_its_own_files(tmp_path: Path, reads: list[str]) -> None:
    store(tmp_path, "day=2018-01-01/part.parquet", 1)
    other = store(tmp_path, "day=2018-01-02/part.parquet", 2)
    first = look(tmp_path)
    before = {key: first.version_of(key) for key in first.keys}
    store(tmp_path, "day=2018-01-02/part.parquet", 3)
    now = look(tmp_path)
    assert now.version_of("2018-01-01") == before["2018-01-01"]
    assert now.version_of("2018-01-02") != before["2018-01-02"]
    assert first.version_of("2018-01-02") == before["2018-01-02"]
    assert reads == ["day=2018-01-01/part.parquet", "day=2018-01-02/part.parquet"] * 2
    other.unlink()
    gone = look(tmp_path)
    assert gone.version_of("2018-01-02") == gone.version_of("2018-01-03") != before["2018-01-02"]


def test_names_and_depths_are_part_of_a_version_and_markers_are_not(tmp_path: Path) -> None:
    path = store(tmp_path, "day=2018-01-01/a.parquet", 1)
    versions = [look(tmp_path).version_of("2018-01-01")]
    write(tmp_path, "day=2018-01-01/_SUCCESS")
    write(tmp_path, "day=2018-01-01/.a.parquet.crc")
    write(tmp_path, "day=2018-01-01/_temporary/0/b.parquet")
    assert look(tmp_path).version_of("2018-01-01") == versions[0]
    path.rename(path.with_name("b.parquet"))
    versions.append(look(tmp_path).version_of("2018-01-01"))
    store(tmp_path, "day=2018-01-01/hour=3/c.parquet", 1)
    versions.append(look(tmp_path).version_of("2018-01-01"))
    assert len({*versions}) == 3


def test_a_folder_tracked_by_size_and_time_is_not_read(tmp_path: Path, reads: list[str]) -> None:
    path = store(tmp_path, "day=2018-01-01/part.parquet", 1)
    first = look(tmp_path, track="stat").version_of("2018-01-01")
    store(tmp_path, "day=2018-01-01/part.parquet", 2)
    assert look(tmp_path, track="stat").version_of("2018-01-01") == first
    os.utime(path, ns=(LONG_AGO, LONG_AGO + 1))
    assert look(tmp_path, track="stat").version_of("2018-01-01") != first
    assert reads == []


def test_the_version_of_all_is_of_all_keys_that_have_files(tmp_path: Path) -> None:
    store(tmp_path, "day=2018-01-01/part.parquet", 1)
    first = look(tmp_path)
    (tmp_path / "data/events/day=2018-01-02").mkdir()
    assert look(tmp_path).version == first.version == look(tmp_path).only(["2018-01-01"]).version
    path = store(tmp_path, "day=2018-01-02/part.parquet", 2)
    now = look(tmp_path)
    assert now.version != first.version
    assert now.only(["2018-01-01"]).version == first.version
    assert now.only(["2018-01-02"]).files == (path,)
    assert now.only(["2018-01-02"]).size_bytes == path.stat().st_size
    assert now.size_bytes == sum(path.stat().st_size for path in now.files)
    assert now.changed == datetime(2017, 7, 14, 2, 40, tzinfo=UTC)
    assert now.only([]).changed is None


def test_a_file_that_keeps_changing_leaves_its_key_without_a_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = store(tmp_path, "day=2018-01-01/part.parquet", 1)

    def read_late(found: Path) -> str:
        digest = digest_file(found)
        path.write_bytes(path.read_bytes() + b" ")
        return digest

    monkeypatch.setattr(digestcache, "digest_file", read_late)
    now = look(tmp_path)
    assert (now.version_of("2018-01-01"), now.version) == (None, None)


def test_a_file_that_goes_away_meanwhile_leaves_its_key_without_a_version(tmp_path: Path) -> None:
    path = store(tmp_path, "day=2018-01-01/part.parquet", 1)
    now = look(tmp_path)
    assert now.files == (path,)
    path.unlink()
    assert now.version_of("2018-01-01") is None


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    path = store(tmp_path, "day=2018-01-01/part.parquet", 1)
    path.with_name("loop.parquet").symlink_to("loop.parquet")
    with pytest.raises(SourceError) as caught:
        look(tmp_path).version_of("2018-01-01")
    assert caught.value.message == (
        "data/events/day=2018-01-01/loop.parquet cannot be read: Too many levels of symbolic links"
    )
    assert caught.value.code == "source-unreadable"


def test_a_link_that_leads_nowhere_is_not_passed_over(tmp_path: Path) -> None:
    """Its rows are missing, which is not the same as none."""
    path = store(tmp_path, "day=2018-01-01/part.parquet", 1)
    path.with_name("link.parquet").symlink_to("gone.parquet")
    with pytest.raises(SourceError, match=r"link\.parquet cannot be read: No such file"):
        look(tmp_path).version_of("2018-01-01")


# Whether it held still.


def test_a_fingerprint_is_of_the_keys_asked_for_and_tells_a_file_that_was_put_back(tmp_path: Path) -> None:
    path = store(tmp_path, "day=2018-01-01/part.parquet", 1)
    store(tmp_path, "day=2018-01-02/part.parquet", 2)
    keys = ["2018-01-01"]
    before = look(tmp_path).fingerprint(keys)
    store(tmp_path, "day=2018-01-02/part.parquet", 3)
    assert look(tmp_path).fingerprint(keys) == before == look(tmp_path).only(keys).fingerprint()
    store(tmp_path, "day=2018-01-01/part.parquet", 1)
    assert look(tmp_path).fingerprint(keys) != before  # the same bytes at the same time: the inode's time tells
    path.unlink()
    assert look(tmp_path).fingerprint(keys) != before


@pytest.mark.parametrize("keys", [None, ["2018-01-01", "2018-01-03"]], ids=["all", "some"])
def test_it_is_as_it_was_until_a_file_or_a_folder_of_its_keys_is_touched(
    tmp_path: Path, keys: list[str] | None
) -> None:
    path = store(tmp_path, "day=2018-01-01/part.parquet", 1)
    store(tmp_path, "day=2018-01-02/part.parquet", 2)
    whole = look(tmp_path)
    now = whole if keys is None else whole.only(keys)
    now.fingerprint()
    assert now.is_as_it_was
    store(tmp_path, "day=2018-01-02/part.parquet", 3)
    assert now.is_as_it_was == (keys is not None)
    (tmp_path / "data/events/day=2018-01-03").mkdir()
    assert not now.is_as_it_was
    (tmp_path / "data/events/day=2018-01-03").rmdir()
    store(tmp_path, "day=2018-01-02/part.parquet", 2)
    path.unlink()
    assert not now.is_as_it_was


# Its rows.


def test_only_the_files_of_the_keys_asked_for_are_read(tmp_path: Path) -> None:
    """Another key's may be damaged for all anyone knows."""
    store(tmp_path, "day=2018-01-01/a.parquet", 1)
    store(tmp_path, "day=2018-01-01/sub/b.parquet", 2)
    store(tmp_path, "day=2018-01-03/a.parquet", 3)
    write(tmp_path, "day=2018-01-02/a.parquet", "no Parquet")
    now = look(tmp_path)
    assert scan(now, ["2018-01-03", "2018-01-01", "2018-01-09"]).collect().rows() == [
        (1, "2018-01-01"),
        (2, "2018-01-01"),
        (3, "2018-01-03"),
    ]
    with pytest.raises(SourceError, match=r"^data/events/day=2018-01-02/a\.parquet cannot be read: "):
        scan(now)
    assert source_fault(now.only(["2018-01-01"])) is None
    assert source_fault(now) is not None


def test_the_folder_says_more_than_a_column_of_its_name(tmp_path: Path) -> None:
    """And what lies deeper is plain data, whatever its folder is called."""
    store(tmp_path, "day=2018-01-01/a.parquet", 1, day=[date(2020, 2, 2)])
    store(tmp_path, "day=2018-01-02/hour=3/a.parquet", 2)
    frame = scan(look(tmp_path)).collect()
    assert frame.schema == {"id": pl.Int64, "day": pl.String}
    assert frame.rows() == [(1, "2018-01-01"), (2, "2018-01-02")]
    assert scan(look(tmp_path), ["2018-01-01"]).filter(pl.col("day") == "2018-01-02").collect().is_empty()


def test_each_column_of_a_product_is_attached(tmp_path: Path) -> None:
    store(tmp_path, "region=eu/month=2018-02/part.parquet", 1)
    store(tmp_path, "region=us/month=2018-02/part.parquet", 2)
    frame = scan(look(tmp_path, REGIONS)).collect()
    assert frame.columns == ["id", "region", "month"]
    assert frame.rows() == [(2, "us", "2018-02"), (1, "eu", "2018-02")]


def test_keys_without_files_have_the_columns_of_the_others(tmp_path: Path) -> None:
    store(tmp_path, "day=2018-01-01/a.parquet", 1, day=[1])
    (tmp_path / "data/events/day=2018-01-02").mkdir()
    for keys in (["2018-01-02"], ["2018-01-09"], []):
        frame = scan(look(tmp_path), keys).collect()
        assert (frame.schema, frame.height) == ({"id": pl.Int64, "day": pl.String}, 0)


def test_without_any_file_the_declared_columns_are_those_there_are(tmp_path: Path) -> None:
    (tmp_path / "data/events").mkdir(parents=True)
    with pytest.raises(SourceError) as caught:
        scan(look(tmp_path))
    assert caught.value.lines() == [
        "data/events has no parquet file that tells its columns",
        "  help: declare them, and it may be empty: schema={…} (lakefile.py:9)",
    ]
    frame = scan(look(tmp_path, schema={"id": pl.Int64})).collect()
    assert (frame.schema, frame.height) == ({"id": pl.Int64, "day": pl.String}, 0)


def test_a_key_whose_files_are_all_of_another_format_is_not_empty(tmp_path: Path) -> None:
    write(tmp_path, "day=2018-01-01/000000_0", "x")
    with pytest.raises(SourceError) as caught:
        scan(look(tmp_path, schema={"id": pl.Int64}))
    assert caught.value.lines() == [
        "data/events/day=2018-01-01 has files, none of which is parquet by its suffix: 000000_0",
        '  help: parquet files end in .parquet, .pq; else say format="…" (lakefile.py:9)',
    ]


@pytest.mark.parametrize("format_", ["csv", "ndjson", "ipc"])
def test_other_formats_are_read_alike(tmp_path: Path, format_: str) -> None:
    suffix = {"csv": ".csv", "ndjson": ".jsonl", "ipc": ".arrow"}[format_]
    for number in (1, 2):
        path = write(tmp_path, f"day=2018-01-0{number}/part{suffix}")
        frame = pl.DataFrame({"id": [number], "day": ["x"]})
        {"csv": frame.write_csv, "ndjson": frame.write_ndjson, "ipc": frame.write_ipc}[format_](path)
    now = look(tmp_path, schema={"id": pl.Int64}, format=format_)
    assert scan(now).collect().rows() == [(1, "2018-01-01"), (2, "2018-01-02")]
    assert scan(now, ["2018-01-02"]).collect().rows() == [(2, "2018-01-02")]
    assert source_fault(now) is None


def test_files_with_other_columns_than_declared_are_refused_by_name(tmp_path: Path) -> None:
    store(tmp_path, "day=2018-01-01/a.parquet", 1)
    store(tmp_path, "day=2018-01-02/a.parquet", 1, x=[1])
    with pytest.raises(SourceError) as caught:
        scan(look(tmp_path))
    assert caught.value.message == (
        "data/events/day=2018-01-01/a.parquet has no column 'x', which data/events/day=2018-01-02/a.parquet has "
        "(lakefile.py:9)"
    )
    assert scan(look(tmp_path, schema={"id": pl.Int64})).collect().height == 2
    with pytest.raises(
        SourceError, match=r"^data/events/day=2018-01-01/a\.parquet: column 'id' is Int64, and events"
    ):
        scan(look(tmp_path, schema={"id": pl.String}))


def test_what_became_of_it_tells_how_many_files_there_are(tmp_path: Path) -> None:
    path = store(tmp_path, "day=2018-01-01/a.parquet", 1)
    present = datetime(2017, 7, 14, 3, 40, tzinfo=UTC)
    assert look(tmp_path).became(present) == "data/events changed: 1 file now, the newest from 1 h ago"
    path.unlink()
    assert look(tmp_path).became(present) == "data/events has no files now"
