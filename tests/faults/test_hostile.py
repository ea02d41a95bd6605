"""L5: keys, names and values that try to leave the lake, or to do something to whoever reads them."""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Callable
from contextlib import redirect_stderr
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from faults import results
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse import Categories, Dynamic, Lake, LakeError, Monthly
from lakehouse.cli.failures import print_error
from lakehouse.cli.output import Screen

HOSTILE = [
    *("", ".", "..", "/", "../x", "../../x", "a/../../x", "/etc/x", "a/b", "a\\b", "..\\x", "C:\\x", "~", "~root"),
    *("\0", "a\0b", "a\nb", "\r", "\t", "\x1b[31mred", "\x07", "\x7f", "\x80", "\x9b31m"),
    *("\u202ecod.exe", "\u2066a", "\u200b", "\ufeff", "a\u0301", "\u00e1", "\ud800", "\U0001d4b3", "北京"),
    *("con", "CON", "nul", "aux.txt", "COM1", "lpt9", "a.", "a ", " a", "a:b", "a=b"),
    *("a" * 300, "é" * 200, "a" * 255, "a" * 5000),
    *("%2e%2e", "%2F", "..%2fx", "%", "%%", "*", "?", "[a]", "{a,b}", "a*", "$HOME", "`id`", "$(id)", ";", "|", "&"),
    *("'", '"', "a'b", 'a"b', "''); DROP TABLE x; --", "\\", "#", "-rf", "--force", "all", "latest", "2018..2019"),
    *(".lake", ".hidden", "_x", "part.parquet", "__HIVE_DEFAULT_PARTITION__", "null", "NaN", "True", "1e5", "007"),
    *("=SUM(A1)", "+1", "@x", "A", "\U000e0041", "\ud83d"),
]
PIECES = st.sampled_from(
    ["..", "/", "\\", "\0", ".", "a", "é", "\n", "%", "=", " ", "con", "\u202e", "\ud800", "'", '"']
)
TEXTS = st.one_of(
    st.sampled_from(HOSTILE),
    st.lists(PIECES, max_size=6).map("".join),
    st.text(alphabet=st.characters(codec=None), max_size=12),
)
STEERING = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
PATH = re.compile(r"[^/\x00-\x1f\x7f]{1,255}")


class Yard:
    """A folder with a lake in it, and with neighbours that nobody may touch."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "shop").mkdir()
        (folder / "x").write_text("mine")
        (folder / "shop/x").write_text("mine")
        self.before = self._outside()

    def _outside(self) -> dict[str, str]:
        """What lies outside the lake, by path."""
        root, found = self.folder / "shop/lake", {}
        for at, folders, files in os.walk(self.folder):
            folders[:] = [name for name in folders if Path(at, name) != root]
            found |= {str(Path(at, name)): "folder" for name in folders}
            found |= {str(Path(at, name)): hashlib.sha256(Path(at, name).read_bytes()).hexdigest() for name in files}
        return found

    def holds(self, depth: int | None = None) -> list[Path]:
        """Nothing has left the root; the partitions' files, each in as many folders as its asset has dimensions."""
        assert self._outside() == self.before
        root = self.folder / "shop/lake"
        assert not any(path.is_symlink() for path in root.rglob("*"))
        names = [path.relative_to(root).parts for path in root.rglob("*")]
        files = [path for path in names if path[0] != ".lake" and (root / Path(*path)).is_file()]
        for path in files:
            assert path[-1] == "part.parquet", path
            assert depth is None or len(path) == depth + 2, path
            assert all(PATH.fullmatch(part) for part in path), path
        return [root / Path(*path) for path in files]


@pytest.fixture
def yard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Yard:
    monkeypatch.setattr(os, "fsync", lambda _: None)
    return Yard(tmp_path)


def refused(act: Callable[[], Any]) -> bool:
    """Whether the lake refuses something, in words that a terminal can take; nobody else's error comes through."""
    refusal = None
    try:
        act()
    except LakeError as error:
        refusal = error
    if refusal is not None:
        with redirect_stderr(io.StringIO()) as said:
            print_error(Screen.standard("never"), refusal)
        assert not STEERING.search(said.getvalue()), ascii(said.getvalue())
        assert said.getvalue().encode()
    return refusal is not None


def data(yard: Yard, *values: str) -> None:
    """The source: a row for each value."""
    frame = pl.DataFrame({"kind": list(values), "n": range(len(values))}, schema={"kind": pl.String, "n": pl.Int64})
    frame.write_parquet(yard.folder / "shop/numbers.parquet")


def lake_of(yard: Yard, partitions: Any) -> Lake:
    lake = Lake(yard.folder / "shop/lake")
    lake.base = yard.folder / "shop"
    lake.source("numbers", "numbers.parquet")

    @lake.asset(partitions=partitions)
    def counts(numbers: pl.LazyFrame) -> pl.LazyFrame:
        return numbers

    return lake


def is_text(value: str) -> bool:
    """Whether it can be in a file at all."""
    try:
        return bool(value.encode()) or True
    except UnicodeEncodeError:
        return False


def made_and_read_back(yard: Yard, lake: Lake, value: str) -> None:
    """The one partition is there, in one folder, and every reader finds its value as it was."""
    results = lake.materialize("all")
    assert [(item.key, item.result) for item in results] == [(value, "created")]
    assert len(yard.holds(depth=1)) == 1
    root = yard.folder / "shop/lake/counts"
    by_lake = lake.scan("counts").select("kind").collect()["kind"].to_list()
    by_polars = pl.scan_parquet(root, hive_schema={"kind": pl.String}).select("kind").collect()["kind"].to_list()
    options = "hive_partitioning=true, hive_types_autocast=false"
    by_duckdb = duckdb.sql(f"SELECT kind FROM read_parquet('{root}/*/part.parquet', {options})").fetchall()  # noqa: S608
    assert by_lake == by_polars == [value for (value,) in by_duckdb] == [value]


def declared(yard: Yard, value: str) -> None:
    """A value of a definition."""
    lake = lake_of(yard, Categories("kind", [value]))
    made_and_read_back(yard, lake, value)


def discovered(yard: Yard, value: str) -> None:
    """A value that is found in the data."""
    value = value if is_text(value) else "other"
    lake = lake_of(yard, Dynamic("kind", discover=True))
    made_and_read_back(yard, lake, value)


def added(yard: Yard, value: str) -> None:
    """A key that is added by hand."""
    lake = lake_of(yard, Dynamic("kind"))
    assert lake.add_partitions("counts", [value]) == [value]
    made_and_read_back(yard, lake, value)


@pytest.mark.parametrize("way", [declared, discovered, added])
@pytest.mark.parametrize("value", HOSTILE, ids=ascii)
def test_a_value_is_refused_or_is_one_folder_that_every_reader_reads_as_it_was(
    yard: Yard, value: str, way: Callable[[Yard, str], None]
) -> None:
    data(yard, value if is_text(value) else "other")
    yard.before = yard._outside()
    if refused(lambda: way(yard, value)):
        assert yard.holds() == []
    _note(str(way.__doc__), value)


@pytest.mark.parametrize("way", [declared, discovered, added])
@settings(max_examples=int(os.environ.get("LAKEHOUSE_EXAMPLES", "25")), derandomize=True)
@given(value=TEXTS)
def test_so_is_any_other(
    tmp_path_factory: pytest.TempPathFactory, way: Callable[[Yard, str], None], value: str
) -> None:
    yard = Yard(tmp_path_factory.mktemp("yard"))
    data(yard, value if is_text(value) else "other")
    yard.before = yard._outside()
    if refused(lambda: way(yard, value)):
        assert yard.holds() == []


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_a_name_is_refused_or_stays_in_the_lake(yard: Yard, name: str) -> None:
    """Of a column, an asset, a source, a snapshot."""
    data(yard, "a")
    yard.before = yard._outside()
    if not refused(lambda: lake_of(yard, Categories(name, ["a"]))):
        frame = pl.DataFrame({name: ["a"], "n": [1]}, schema={name: pl.String, "n": pl.Int64})
        frame.write_parquet(yard.folder / "shop/numbers.parquet")
        yard.before = yard._outside()
        refused(lambda: lake_of(yard, Categories(name, ["a"])).materialize("all"))
        yard.holds(depth=1)
    lake = lake_of(yard, Categories("other", ["a"]))
    refused(lambda: lake.sql(name, "SELECT 1 AS n"))
    refused(lambda: lake.source(name, "numbers.parquet"))
    refused(lambda: lake.materialize("all", on_failure="return"))
    yard.holds()
    fresh = lake_of(yard, Monthly("2018-01", end="2018-03"))
    refused(lambda: fresh.snapshot(name))
    refused(lambda: fresh.remove_snapshot(name))
    yard.holds()
    _note("a name", name)


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_a_selection_is_refused_or_means_partitions(yard: Yard, text: str) -> None:
    data(yard, "a", "b")
    yard.before = yard._outside()
    lake = lake_of(yard, Categories("kind", ["a", "b"]))
    lake.materialize("a")
    before = yard.holds(depth=1)
    for act in (
        lambda: lake.scan("counts", text).collect(),
        lambda: lake.status(text),
        lambda: lake.history("counts", text),
        lambda: lake.freeze("counts", text),
        lambda: lake.unfreeze("counts", text),
        lambda: lake.rollback("counts", text),
        lambda: lake.adopt("counts", "a", text),
        lambda: lake.scan(text).collect(),
        lambda: lake.verify([text]),
        lambda: lake.materialize("a", assets=[text]),
    ):
        refused(act)
    assert yard.holds(depth=1) == before
    refused(lambda: lake.materialize(text))
    refused(lambda: lake.wipe("counts", text))
    yard.holds(depth=1)
    _note("a selection", text)


@pytest.mark.parametrize("value", [value for value in HOSTILE if is_text(value) and "/" not in value], ids=ascii)
def test_folders_that_others_made_are_adopted_as_what_they_say_or_refused(yard: Yard, value: str) -> None:
    folder = yard.folder / "shop/made" / f"kind={value}"
    try:
        folder.mkdir(parents=True)
    except (OSError, ValueError):  # no folder can have that name
        return
    pl.DataFrame({"n": [1]}).write_parquet(folder / "part.parquet")
    data(yard, "a")
    yard.before = yard._outside()
    lake = lake_of(yard, Dynamic("kind", discover=True))
    refused(lambda: lake.adopt("counts", "all", "made"))
    yard.holds(depth=1)
    _note("a folder to adopt", value)


# Links that were planted


PLANTED = [
    *("counts", "counts/kind=a", "counts/kind=a/part.parquet"),
    *(".lake", ".lake/versions", ".lake/versions/counts", ".lake/log", ".lake/log/counts", ".lake/staging"),
    *(".lake/snapshots", ".lake/cache", ".lake/blocked"),
]


@pytest.mark.parametrize("place", PLANTED)
@pytest.mark.parametrize("is_made", [False, True], ids=["before", "after"])
def test_a_link_planted_in_the_tree_leads_nobody_out_of_it(yard: Yard, place: str, *, is_made: bool) -> None:
    """Whatever is done then, what the link leads to is not changed."""
    data(yard, "a", "b")
    lake, root = lake_of(yard, Categories("kind", ["a", "b"])), yard.folder / "shop/lake"
    if is_made:
        lake.materialize("all")
        lake.snapshot("before")
    outside, link = yard.folder / "outside", root / place
    link.parent.mkdir(parents=True, exist_ok=True)
    if link.exists():
        link.rename(outside)
    elif place.endswith(".parquet"):
        outside.write_text("mine")
    else:
        outside.mkdir()
        (outside / "mine").write_text("mine")
    link.symlink_to(outside)
    frame = pl.DataFrame({"kind": ["a", "b"], "n": [7, 8]})
    frame.write_parquet(yard.folder / "shop/numbers.parquet")
    yard.before = yard._outside()
    for act in (
        lake.status,
        lambda: lake.materialize("all"),
        lambda: lake.materialize("all", force=True),
        lake.verify,
        lambda: lake.verify(repair=True),
        lambda: lake.snapshot("now"),
        lambda: lake.rollback("counts", "a"),
        lambda: lake.clean(now=True),
        lambda: lake.adopt("counts", "a", force=True),
        lambda: lake.remove_snapshot("before"),
        lambda: lake.wipe("counts", "all"),
    ):
        refused(act)
        assert yard._outside() == yard.before, place
    _note("a link planted in the tree", place)


def _note(scenario: str, value: str) -> None:
    facts = {"layer": "L5", "scenario": scenario.rstrip("."), "fault": "hostile text", "where": ascii(value)[:60]}
    results.note(results.Cell.judged([], **facts))
