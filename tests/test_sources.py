"""What a source is at one moment: its files, its version, what is wrong with it, and what a change means."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from lakehouse import Lake, Monthly
from lakehouse.callsite import CallSite
from lakehouse.disk import digest_file
from lakehouse.errors import SourceError
from lakehouse.sources import digestcache
from lakehouse.sources.declared import Source
from lakehouse.sources.json_faults import find_error
from lakehouse.sources.look import DigestCache, SourceNow, look_at, scan, source_fault

SCHEMA = {"id": pl.Int64, "t": pl.Date}
LONG_AGO = 1_500_000_000 * 10**9


def source(path: str, **changed: Any) -> Source:
    """A declaration of ids and days at a path."""
    kind = {"ndjson": "ndjson", "parquet": "parquet", "arrow": "ipc"}.get(path.rpartition(".")[2], "csv")
    facts: dict[str, Any] = {"schema": SCHEMA, "time": "t", "nullable": (), "track": "content", "format": kind}
    return Source(name="raw", path=path, where=CallSite("lakefile.py", 9), **{**facts, **changed})


def look(declared: Source, base: Path) -> SourceNow:
    """One look, without a cache."""
    return look_at(declared, base, DigestCache(), lambda: "stg -> monthly")


def write(path: Path, text: str, *, mtime_ns: int = LONG_AGO) -> Path:
    """A file of some age."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    os.utime(path, ns=(mtime_ns, mtime_ns))
    return path


# Versions.


def test_a_files_version_is_the_digest_of_its_bytes(tmp_path: Path) -> None:
    """Whatever its time; and another with the same size and time is another."""
    path = write(tmp_path / "raw.csv", "id,t\n1,2018-01-01\n")
    first = look(source("raw.csv"), tmp_path)
    assert first.version == digest_file(path)
    assert (first.files, first.size_bytes) == ((path,), 18)
    assert first.changed == datetime(2017, 7, 14, 2, 40, tzinfo=UTC)
    write(path, "id,t\n1,2018-01-01\n", mtime_ns=LONG_AGO + 10**9)
    assert look(source("raw.csv"), tmp_path).version == first.version
    write(path, "id,t\n2,2018-01-01\n")
    assert look(source("raw.csv"), tmp_path).version != first.version


def test_a_file_tracked_by_size_and_time_changes_with_these_and_is_not_read(tmp_path: Path) -> None:
    tracked = source("raw.csv", track="stat")
    path = write(tmp_path / "raw.csv", "id,t\n1,2018-01-01\n")
    first = look(tracked, tmp_path).version
    write(path, "id,t\n2,2018-01-01\n")
    assert look(tracked, tmp_path).version == first
    write(path, "id,t\n2,2018-01-01\n", mtime_ns=LONG_AGO + 1)
    assert look(tracked, tmp_path).version != first
    write(path, "id,t\n22,2018-01-01\n")
    assert look(tracked, tmp_path).version not in (first, None)


@pytest.mark.parametrize("track", ["content", "stat"])
def test_a_globs_version_changes_with_its_files_names_and_contents(tmp_path: Path, track: str) -> None:
    tracked = source("data/*.csv", track=track)
    write(tmp_path / "data/b.csv", "id,t\n1,2018-01-01\n")
    write(tmp_path / "data/a.csv", "id,t\n2,2018-01-01\n")
    write(tmp_path / "data/a.txt", "no part of it")
    first = look(tracked, tmp_path)
    assert [path.name for path in first.files] == ["a.csv", "b.csv"]
    assert look(tracked, tmp_path).version == first.version
    versions = {first.version}
    write(tmp_path / "data/c.csv", "id,t\n3,2018-01-01\n")
    versions.add(look(tracked, tmp_path).version)
    (tmp_path / "data/c.csv").rename(tmp_path / "data/d.csv")
    versions.add(look(tracked, tmp_path).version)
    (tmp_path / "data/d.csv").unlink()
    assert look(tracked, tmp_path).version == first.version
    (tmp_path / "data/a.csv").unlink()
    versions.add(look(tracked, tmp_path).version)
    assert len(versions) == 4


def test_a_file_that_keeps_changing_while_it_is_read_has_no_version(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "raw.csv", "id,t\n")

    def read_late(found: Path) -> str:
        digest = digest_file(found)
        path.write_text(path.read_text() + "1,2018-01-01\n")
        return digest

    monkeypatch.setattr(digestcache, "digest_file", read_late)
    assert look(source("raw.csv"), tmp_path).version is None


def test_the_projects_own_folder_is_no_pattern(tmp_path: Path) -> None:
    base = tmp_path / "[0-9] *?"
    write(base / "data/a.csv", "id,t\n1,2018-01-01\n")
    for path in ("data/*.csv", "data/a.csv"):
        assert look(source(path), base).files == (base / "data/a.csv",)


@pytest.mark.parametrize(
    ("pattern", "shown"),
    [
        ("data/*.csv", "data/data/x.csv"),
        ("data/**/x.csv", "data/data/x.csv"),
        ("data/d?ta/[w-z].csv", "data/data/x.csv"),
        ("../project/data/*/*.csv", "data/data/x.csv"),
    ],
)
def test_a_file_of_a_glob_is_shown_relative_to_the_project(pattern: str, shown: str, tmp_path: Path) -> None:
    base = tmp_path / "project"
    write(base / "data/data/x.csv", "id,t\n1,2018-01-01\n")
    now = look(source(pattern.replace("data/*.csv", "data/*/*.csv")), base)
    assert [now.shown(path) for path in now.files] == [shown]


def test_an_absolute_path_is_shown_as_it_was_declared(tmp_path: Path) -> None:
    path = write(tmp_path / "away/raw.csv", "id,t\n1,2018-01-01\n")
    for declared in (str(path), f"{tmp_path}/away/*.csv"):
        now = look(source(declared), tmp_path / "project")
        assert [now.shown(found) for found in now.files] == [str(path)]


def test_a_source_tells_whether_it_was_touched_since(tmp_path: Path) -> None:
    path = write(tmp_path / "data/a.csv", "id,t\n1,2018-01-01\n")
    now = look(source("data/*.csv"), tmp_path)
    assert now.is_as_it_was
    write(path, "id,t\n2,2018-01-01\n")  # same size and time; the inode's own time tells
    assert not now.is_as_it_was
    now = look(source("data/*.csv"), tmp_path)
    added = write(tmp_path / "data/b.csv", "")
    assert not now.is_as_it_was
    added.unlink()
    assert now.is_as_it_was
    path.unlink()
    assert not now.is_as_it_was


def test_what_became_of_a_glob_tells_how_many_files_there_are(tmp_path: Path) -> None:
    """For one that is gone has left no time."""
    write(tmp_path / "data/a.csv", "id,t\n")
    present = datetime(2017, 7, 14, 3, 40, tzinfo=UTC)
    assert look(source("data/a.csv"), tmp_path).became(present) == "data/a.csv changed 1 h ago"
    now = look(source("data/*.csv"), tmp_path)
    assert now.became(present) == "data/*.csv changed: 1 file now, the newest from 1 h ago"


def test_a_source_without_keys_is_one_whole_for_every_key(tmp_path: Path) -> None:
    write(tmp_path / "data/a.csv", "id,t\n")
    now = look(source("data/a.csv"), tmp_path)
    assert now.only(["2018-01"]) is now
    assert (now.keys, now.strangers, now.version_of("2018-01")) == ((), (), now.version)


# The cache of digests.


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read for their digest."""
    found: list[str] = []

    def noted(path: Path) -> str:
        found.append(path.name)
        return digest_file(path)

    monkeypatch.setattr(digestcache, "digest_file", noted)
    return found


@pytest.fixture
def later(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock an hour on: every file has settled."""
    present = time.time_ns
    monkeypatch.setattr(time, "time_ns", lambda: present() + 3600 * 10**9)


@pytest.mark.usefixtures("later")
def test_a_settled_file_is_read_once(tmp_path: Path, reads: list[str]) -> None:
    path = write(tmp_path / "raw.csv", "id,t\n")
    cache = DigestCache()
    digest = cache.digest(path)
    assert (cache.is_changed, reads) == (True, ["raw.csv"])
    again = DigestCache.from_json(cache.to_json())
    assert (again.digest(path), again.is_changed, reads) == (digest, False, ["raw.csv"])


@pytest.mark.usefixtures("later")
@pytest.mark.parametrize(
    "touch",
    [
        lambda path: write(path, "id,T\n"),
        lambda path: write(path, "id,tt\n"),
        lambda path: os.utime(path, ns=(LONG_AGO + 1, LONG_AGO + 1)),
        lambda path: write(path.with_suffix(".new"), "id,t\n").replace(path),
    ],
    ids=["content", "size", "time", "inode"],
)
def test_a_file_that_was_touched_is_read_again(
    tmp_path: Path, reads: list[str], touch: Callable[[Path], object]
) -> None:
    path = write(tmp_path / "raw.csv", "id,t\n")
    cache = DigestCache()
    cache.digest(path)
    touch(path)
    assert cache.digest(path) == digest_file(path)
    assert len(reads) == 2


def test_a_file_that_changed_a_moment_ago_is_not_trusted_to_stay(tmp_path: Path, reads: list[str]) -> None:
    """A write within the same tick of the file system's clock leaves size and times as they were: a racy one."""
    path = write(tmp_path / "raw.csv", "id,t\n")  # its own time is long ago, its inode's is now
    cache = DigestCache()
    assert cache.digest(path) == cache.digest(path) == digest_file(path)
    assert (cache.is_changed, cache.known, reads) == (False, {}, ["raw.csv"] * 2)


@pytest.mark.usefixtures("later")
def test_a_racy_change_is_noticed_by_the_next_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the clock stood still: the same stamp for two contents, the second written just after the first look."""
    path = write(tmp_path / "raw.csv", "id,t\n1,2018-01-01\n")
    stamp = (18, LONG_AGO, time.time_ns(), 1)
    monkeypatch.setattr(digestcache, "stamp_of", lambda _: stamp)
    cache = DigestCache()
    first = cache.digest(path)
    write(path, "id,t\n2,2018-01-01\n")
    assert DigestCache.from_json(cache.to_json()).digest(path) != first


@pytest.mark.parametrize("text", [b"", b"[]", b"{", b'{"a": 1}', b'{"a": [1, "x"]}', b"\xff", b'{"a": []}', b"null"])
def test_a_cache_that_cannot_be_read_holds_nothing(text: bytes) -> None:
    assert DigestCache.from_json(text).known == {}


# What is missing.


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """The orders of a project, through a view to an asset; its clock stands still."""
    lake = Lake("data/lake")
    lake.base = tmp_path
    lake._clock = lambda: datetime(2019, 6, 1, tzinfo=UTC)
    lake.source("raw_orders", "data/raw_orders.csv", schema={"id": pl.Int64, "t": pl.Date}, time="t")

    @lake.view(time="t")
    def stg_orders(raw_orders: pl.LazyFrame) -> pl.LazyFrame:
        return raw_orders

    @lake.asset(partitions=Monthly("2018-01"), version="1")
    def monthly_orders(stg_orders: pl.LazyFrame) -> pl.LazyFrame:
        return stg_orders.group_by("partition_date").agg(n=pl.len().cast(pl.Int64))

    return lake


def failure(lake: Lake, selection: str = "2018-01") -> dict[str, Any]:
    """The error of an attempt that fails."""
    result = lake.materialize(selection, on_failure="return")[0]
    assert (result.result, result.version) == ("failed", None)
    assert result.error is not None
    return dict(result.error)


def test_a_missing_source_is_told_with_what_needs_it(lake: Lake) -> None:
    with pytest.raises(SourceError) as caught:
        lake.materialize("2018-01")
    assert caught.value.lines() == [
        "data/raw_orders.csv does not exist",
        "  needed by: stg_orders -> monthly_orders",
    ]
    assert (caught.value.code, caught.value.exit_code) == ("source-missing", 5)
    assert not lake.root.exists()


@pytest.mark.parametrize(
    ("path", "message", "code"),
    [
        ("data/none.csv", "data/none.csv does not exist", "source-missing"),
        ("raw.csv/none.csv", "raw.csv/none.csv does not exist", "source-missing"),
        ("data/*.csv", "data/*.csv matches no file", "source-missing"),
        ("folder.csv", "folder.csv cannot be read: Is a directory", "source-unreadable"),
        (f"{'x' * 300}.csv", f"{'x' * 300}.csv cannot be read: File name too long", "source-unreadable"),
    ],
)
@pytest.mark.parametrize("track", ["content", "stat"])
def test_what_cannot_be_read_is_told_as_it_was_declared(
    path: str, message: str, code: str, track: str, tmp_path: Path
) -> None:
    write(tmp_path / "raw.csv", "")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(SourceError) as caught:
        look(source(path, track=track), tmp_path)
    assert (caught.value.message, caught.value.code) == (message, code)
    assert caught.value.details == ("needed by: stg -> monthly",)


def test_a_source_that_goes_away_between_look_and_scan_is_missing(tmp_path: Path) -> None:
    for name in ("raw.csv", "raw.parquet", "raw.arrow"):
        path = tmp_path / name
        frame = pl.DataFrame({"id": [1], "t": [datetime(2018, 1, 1, tzinfo=UTC).date()]})
        {"csv": frame.write_csv, "parquet": frame.write_parquet, "arrow": frame.write_ipc}[name[4:]](path)
        now = look(source(name), tmp_path)
        assert scan(now).collect().equals(frame)
        path.unlink()
        with pytest.raises(SourceError, match=rf"^{name} does not exist$") as caught:
            scan(now)
        assert caught.value.code == "source-missing"
        assert source_fault(now) is not None


# What is in it.


def test_the_files_of_a_glob_may_order_their_columns_as_they_like(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "id,t\n1,2018-01-01\n")
    write(tmp_path / "b.csv", "t,extra,id\n2018-01-02,x,2\n")
    assert scan(look(source("*.csv"), tmp_path)).collect().rows(named=True) == [
        {"id": 1, "t": datetime(2018, 1, 1, tzinfo=UTC).date()},
        {"id": 2, "t": datetime(2018, 1, 2, tzinfo=UTC).date()},
    ]


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_so_may_files_that_describe_themselves(tmp_path: Path, suffix: str) -> None:
    for name, columns in {"a": {"id": [1], "x": ["u"]}, "b": {"y": [0.5], "x": ["v"], "id": [2]}}.items():
        store(pl.DataFrame(columns), tmp_path / f"{name}.{suffix}")
    declared = source(f"*.{suffix}", schema={"x": pl.String, "id": pl.Int64}, time=None)
    frame = scan(look(declared, tmp_path)).collect()
    assert frame.schema == {"x": pl.String, "id": pl.Int64}
    assert frame.rows() == [("u", 1), ("v", 2)]


def store(frame: pl.DataFrame, path: Path) -> Path:
    """A frame as Parquet or Arrow IPC, by the suffix."""
    if path.suffix == ".parquet":
        frame.write_parquet(path)
    else:
        frame.write_ipc(path)
    return path


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
@pytest.mark.parametrize(
    ("columns", "message", "cure"),
    [
        ({"id": [1]}, "has no column 't', which raw declares (lakefile.py:9)", "it has id"),
        (
            {"id": ["1"], "t": [0]},
            ": column 'id' is String, and raw declares Int64",
            "declare it as it is (lakefile.py:9), and cast it in a view",
        ),
    ],
    ids=["column", "type"],
)
def test_a_file_with_other_columns_than_declared_is_refused_by_its_name(
    columns: dict[str, list[Any]], message: str, cure: str, suffix: str, tmp_path: Path
) -> None:
    """Also where an earlier file of the glob is as it should be."""
    (tmp_path / "data").mkdir()
    store(pl.DataFrame(schema=SCHEMA), tmp_path / f"data/a.{suffix}")
    store(pl.DataFrame(columns), tmp_path / f"data/b.{suffix}")
    now = look(source(f"data/*.{suffix}"), tmp_path)
    with pytest.raises(SourceError) as caught:
        scan(now)
    assert caught.value.message == f"data/b.{suffix}{message if message[0] == ':' else ' ' + message}"
    assert (caught.value.help, caught.value.exit_code) == (cure, 5)
    assert source_fault(now) is not None


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": [1.5]}, "b: column 'id' is Float64, and a has Int64"),
        ({"x": [1]}, "b has no column 'id', which a has (lakefile.py:9)"),
        ({"id": [1], "x": [1]}, "a has no column 'x', which b has (lakefile.py:9)"),
    ],
)
def test_files_that_disagree_among_themselves_are_refused_where_nothing_is_declared(
    columns: dict[str, list[Any]], message: str, suffix: str, tmp_path: Path
) -> None:
    store(pl.DataFrame({"id": [1]}), tmp_path / f"a.{suffix}")
    store(pl.DataFrame(columns), tmp_path / f"b.{suffix}")
    with pytest.raises(SourceError) as caught:
        scan(look(source(f"*.{suffix}", schema=None, time=None), tmp_path))
    names = (
        message.replace("b:", f"b.{suffix}:").replace("b has", f"b.{suffix} has").replace("a has", f"a.{suffix} has")
    )
    assert caught.value.message == names


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
@pytest.mark.parametrize("content", [b"", b"id,t\n1,2018-01-01\n", b"PAR1PAR1PAR1", b"ARROW1\0\0ARROW1"])
def test_a_file_that_is_none_of_its_suffix_is_the_sources_fault(suffix: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / f"raw.{suffix}").write_bytes(content)
    for schema in (SCHEMA, None):
        with pytest.raises(SourceError, match=rf"^raw.{suffix} cannot be read: ") as caught:
            scan(look(source(f"raw.{suffix}", schema=schema), tmp_path))
        assert (caught.value.code, len(caught.value.message.splitlines())) == ("source-damaged", 1)


def test_a_fault_of_a_csvs_header_is_told_by_the_path_as_declared(lake: Lake, tmp_path: Path) -> None:
    write(tmp_path / "data/raw_orders.csv", "id,day\n1,2018-01-01\n")
    error = failure(lake)
    assert error["message"].startswith("data/raw_orders.csv: header lacks t")
    assert error["context"]["path"] == "data/raw_orders.csv"
    assert (error["code"], error["exit_code"]) == ("source-malformed", 5)


def test_a_search_for_faults_that_fails_itself_finds_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The error that set it going is then the better one."""

    def fail(*_: object, **__: object) -> None:
        raise pl.exceptions.ComputeError("no idea")

    write(tmp_path / "raw.csv", "id,t\n")
    monkeypatch.setattr("lakehouse.sources.csv_faults.find_faults", fail)
    assert source_fault(look(source("raw.csv"), tmp_path)) is None


def test_a_null_in_a_csv_is_told_by_line_column_and_value(lake: Lake, tmp_path: Path) -> None:
    """In every row of the file, also those that no requested month reads."""
    write(tmp_path / "data/raw_orders.csv", "id,t\n1,2018-01-01\n2,2018-02-01\n,2018-03-01\n4\n")
    error = failure(lake)
    assert error["message"] == "data/raw_orders.csv: 2 bad values, nothing written"
    assert error["details"] == [
        "line 4   id  (empty)    column holds no nulls",
        "line 5   t   (missing)  row has 1 field, header has 2",
    ]


def typed(lake: Lake, path: str, **options: Any) -> None:
    """The asset of a test about one more source."""
    lake.source("other", path, time="t", **options)

    @lake.asset(partitions=Monthly("2018-01"), version="1")
    def of_other(other: pl.LazyFrame) -> pl.LazyFrame:
        return other


DAYS = [datetime(2018, month, 1, tzinfo=UTC).date() for month in (1, 2, 3)]


def of_other(lake: Lake) -> Any:
    """What comes of its January."""
    (result,) = lake.materialize("2018-01", assets=["of_other"], on_failure="return")
    return result


@pytest.fixture(params=["with statistics", "without"])
def parquet(request: pytest.FixtureRequest) -> Callable[[pa.Table, Path], None]:
    """A writer of Parquet in small row groups, with null counts in the footer or without."""
    with_statistics = request.param == "with statistics"
    return lambda table, path: pq.write_table(table, path, row_group_size=1, write_statistics=with_statistics)


def test_nulls_of_a_parquet_are_counted_by_column(
    lake: Lake, tmp_path: Path, parquet: Callable[[pa.Table, Path], None]
) -> None:
    table = pa.table({"t": DAYS, "a": [None, 1, None], "b": [1, None, 2], "c": [None, None, None]})
    table = table.set_column(3, "c", pa.array([None] * 3, pa.int64()))
    parquet(table, tmp_path / "other.parquet")
    schema = {"t": pl.Date, "a": pl.Int64, "b": pl.Int64, "c": pl.Int64}
    typed(lake, "other.parquet", schema=schema, nullable=["c"])
    error = of_other(lake).error
    assert error["message"] == "other.parquet: nulls in columns that hold none: 2 in a, 1 in b; nothing written"
    assert error["help"].startswith("mend the data, or name the columns in nullable=[...] (test_sources.py:")
    assert (error["code"], error["context"]["nulls"]) == ("source-malformed", {"a": 2, "b": 1})


def test_nulls_of_nested_columns_are_counted_too(
    lake: Lake, tmp_path: Path, parquet: Callable[[pa.Table, Path], None]
) -> None:
    """A footer counts the nulls of their leaves, which is something else."""
    table = pa.table({"t": DAYS, "l": [[1], [None], None], "s": [{"x": 1}, {"x": None}, {"x": None}]})
    parquet(table, tmp_path / "other.parquet")
    schema = {"t": pl.Date, "l": pl.List(pl.Int64), "s": pl.Struct({"x": pl.Int64})}
    typed(lake, "other.parquet", schema=schema)
    assert of_other(lake).error["context"]["nulls"] == {"l": 1}


def test_a_parquet_without_nulls_passes(
    lake: Lake, tmp_path: Path, parquet: Callable[[pa.Table, Path], None]
) -> None:
    parquet(pa.table({"t": DAYS, "l": [[1], [None], []]}), tmp_path / "other.parquet")
    typed(lake, "other.parquet", schema={"t": pl.Date, "l": pl.List(pl.Int64)})
    assert of_other(lake).row_count == 1


def test_nulls_of_an_ndjson_are_refused(lake: Lake, tmp_path: Path) -> None:
    lines = [{"id": 1, "t": "2018-01-01"}, {"t": "2018-01-02"}, {"id": None, "t": "2018-01-02"}]
    write(tmp_path / "other.ndjson", "".join(json.dumps(line) + "\n" for line in lines))
    typed(lake, "other.ndjson", schema=SCHEMA)
    error = of_other(lake).error
    assert error["message"] == "other.ndjson: nulls in columns that hold none: 2 in id; nothing written"


def test_nulls_of_an_arrow_file_are_refused(lake: Lake, tmp_path: Path) -> None:
    pl.DataFrame({"t": DAYS, "id": [1, None, 3]}).write_ipc(tmp_path / "other.arrow")
    typed(lake, "other.arrow", schema=SCHEMA)
    assert of_other(lake).error["context"]["nulls"] == {"id": 1}


def test_a_source_is_asked_once_for_each_content(lake: Lake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    run: Callable[..., list[pl.DataFrame]] = pl.collect_all

    def counted(queries: list[pl.LazyFrame], **options: Any) -> list[pl.DataFrame]:
        asked.append(len(queries))
        return run(queries, **options)

    monkeypatch.setattr(pl, "collect_all", counted)
    path = write(tmp_path / "data/raw_orders.csv", "id,t\n1,2018-01-01\n2,2018-02-01\n")
    for month in ("2018-01", "2018-02"):
        lake.materialize(month)
    write(path, "id,t\n1,2018-01-01\n2,2018-02-01\n3,2018-03-01\n")
    lake.materialize("2018-03")
    # The asset's query with two questions (nulls, rows of no month), alone, and with both again.
    assert asked == [3, 1, 3]


# What changes while it is read.


@pytest.fixture
def meanwhile(monkeypatch: pytest.MonkeyPatch) -> list[Callable[[], object]]:
    """What happens after each computation of this test, in turn."""
    pending: list[Callable[[], object]] = []
    run: Callable[..., list[pl.DataFrame]] = pl.collect_all

    def interrupted(queries: list[pl.LazyFrame], **options: Any) -> list[pl.DataFrame]:
        answers = run(queries, **options)
        if pending:
            pending.pop(0)()
        return answers

    monkeypatch.setattr(pl, "collect_all", interrupted)
    return pending


def orders(path: Path, count: int) -> Callable[[], Path]:
    """Writes so many orders of January."""
    return lambda: write(path, "id,t\n" + "".join(f"{number},2018-01-05\n" for number in range(count)))


def test_a_source_that_changed_meanwhile_is_computed_once_more(
    lake: Lake, tmp_path: Path, meanwhile: list[Callable[[], object]]
) -> None:
    path = tmp_path / "data/raw_orders.csv"
    orders(path, 1)()
    meanwhile.append(orders(path, 2))
    (result,) = lake.materialize("2018-01")
    assert lake.scan("monthly_orders").collect().rows() == [(2, "2018-01")]
    assert result.inputs["raw_orders"].version == digest_file(path)
    assert lake.status("2018-01")[0].partitions[0].status == "fresh"


def test_a_source_that_changes_each_time_is_recorded_as_unknown_which_is_never_fresh(
    lake: Lake, tmp_path: Path, meanwhile: list[Callable[[], object]]
) -> None:
    """Even if it turns out, later, to be what was read last."""
    path = tmp_path / "data/raw_orders.csv"
    orders(path, 1)()
    meanwhile += [orders(path, 2), orders(path, 3)]
    (result,) = lake.materialize("2018-01")
    assert result.inputs["raw_orders"].version is None
    for count in (3, 2):
        orders(path, count)()
        found = lake.status("2018-01")[0].partitions[0]
        assert (found.status, found.reason) == ("stale", "stale: raw_orders changed while it was read")
    assert [result.result for result in lake.materialize("2018-01")] == ["unchanged"]
    assert lake.status("2018-01")[0].partitions[0].status == "fresh"


def test_what_was_read_in_between_is_no_verdict_on_the_content_before_and_after(
    lake: Lake, tmp_path: Path, meanwhile: list[Callable[[], object]]
) -> None:
    """Bad content that was away just while it was read: the file's times tell, although its digest is the same."""
    path = tmp_path / "data/raw_orders.csv"
    bad = "id,t\n1,2018-01-05\n,2018-02-05\n"
    write(path, bad)
    survey = lake.survey()
    plan = lake.plan(survey, lake.resolve("2018-01"))
    orders(path, 1)()
    meanwhile.append(lambda: write(path, bad))
    (result,) = lake.run(survey, plan).results
    assert (result.error or {})["details"] == ["line 3   id  (empty)  column holds no nulls"]


def test_a_file_that_joins_a_glob_makes_what_reads_it_stale(tmp_path: Path) -> None:
    lake = Lake("lake")
    lake.base, lake._clock = tmp_path, lambda: datetime(2019, 6, 1, tzinfo=UTC)
    write(tmp_path / "data/a.csv", "id,t\n1,2018-01-05\n")
    typed(lake, "data/*.csv", schema=SCHEMA)
    lake.materialize("2018-01")
    assert lake.status("2018-01")[0].partitions[0].status == "fresh"
    write(tmp_path / "data/b.csv", "t,id\n2018-01-06,2\n")
    assert lake.status("2018-01")[0].partitions[0].status == "stale"
    lake.materialize("2018-01")
    assert sorted(lake.scan("of_other").collect()["id"]) == [1, 2]


def test_a_pipe_is_no_source_and_is_not_waited_for(lake: Lake, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(exist_ok=True)
    os.mkfifo(tmp_path / "data/raw_orders.csv")
    with pytest.raises(SourceError, match=r"data/raw_orders\.csv cannot be read: it is no regular file"):
        lake.materialize("2018-01")


def test_malformed_ndjson_is_told_by_line(tmp_path: Path) -> None:
    lake = Lake("lake")
    lake.base, lake._clock = tmp_path, lambda: datetime(2019, 6, 1, tzinfo=UTC)
    text = '{"id": 1, "t": "2018-01-05"}\n{"id": 2, "t":\n[3]\n{"id": "x", "t": null}\n{"id": 1, "id": 2}\n'
    write(tmp_path / "data/raw.ndjson", text)
    typed(lake, "data/raw.ndjson", schema={"id": pl.Int64, "t": pl.Date})
    (result,) = lake.materialize("2018-01", on_failure="return")
    error = result.error or {}
    assert (error["code"], error["exit_code"]) == ("source-malformed", 5)
    assert error["message"] == "data/raw.ndjson: 4 bad values, nothing written"
    assert error["details"] == [
        'line 2   {"id": 2, "t":  is no JSON: expecting value',
        "line 3   [3]  is no JSON object",
        'line 4   id  "x"  expected Int64',
        "line 5   id  is there 2 times",
    ]


@pytest.mark.parametrize("suffix", ["parquet", "arrow", "csv", "ndjson"])
def test_a_file_whose_name_looks_like_a_pattern_is_read_itself(suffix: str, tmp_path: Path) -> None:
    """And not what the pattern would find: its own columns, and its own rows."""
    base = tmp_path / "[a]{b,c} *"
    (base / "data").mkdir(parents=True)
    for name, column in {"x1": "other", "x[1]": "id"}.items():
        frame = pl.DataFrame({column: [len(name)]})
        write = {"csv": frame.write_csv, "arrow": frame.write_ipc, "ndjson": frame.write_ndjson}
        write.get(suffix, frame.write_parquet)(base / f"data/{name}.{suffix}")  # type: ignore[operator]
    schema = {"id": pl.Int64} if suffix in ("csv", "ndjson") else None
    now = look(source(f"data/x[[]1].{suffix}", schema=schema, format={"arrow": "ipc"}.get(suffix, suffix)), base)
    assert scan(now).collect().to_dicts() == [{"id": 4}]


def test_a_link_to_nothing_among_the_files_of_a_glob_is_an_error_and_no_file_less(tmp_path: Path) -> None:
    """As with a disk that is not mounted."""
    write(tmp_path / "data/a.csv", "id,t\n1,2018-01-01\n")
    (tmp_path / "data/b.csv").symlink_to("nowhere")
    with pytest.raises(SourceError, match=r"data/\*\.csv cannot be read: b\.csv is a link to nothing"):
        look(source("data/*.csv"), tmp_path)


def test_ndjson_that_nests_too_deeply_is_told_by_line(tmp_path: Path) -> None:
    path = write(tmp_path / "raw.ndjson", '{"id": 1}\n' + "[" * 100_000 + "\n")
    error = find_error(path, {"id": pl.Int64()}, "raw.ndjson")
    assert error is not None
    assert error.details == (f"line 2   {'[' * 39}…  is nested too deeply",)


def test_of_many_faults_of_an_ndjson_the_first_are_kept_and_all_are_counted(tmp_path: Path) -> None:
    path = write(tmp_path / "raw.ndjson", "x\n" * 1000)
    error = find_error(path, {"id": pl.Int64()}, "raw.ndjson")
    assert error is not None
    assert (error.message, len(error.details)) == ("raw.ndjson: 1000 bad values, nothing written", 5)
    assert error.help == "fix the lines (5 of 1000 shown); each is one JSON object"
