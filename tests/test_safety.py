"""Nothing leads out of a lake, whoever wrote its names, its links or its log; nothing in it steers who shows it."""

from __future__ import annotations

import csv
import io
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse import Categories, Dynamic, Lake, Monthly
from lakehouse.cli.output import Screen, cell
from lakehouse.disk import Disk
from lakehouse.errors import DefinitionError, PartitionKeyError, StorageError
from lakehouse.layout import require_partition, require_version_path
from lakehouse.printable import printable, unsteering

LAKE = Path("data/lake")
KEPT = LAKE / ".lake"
MONTH = "monthly_orders/partition_date=2018-01"


# Names

DEVICES = ["con", "prn", "aux", "nul", "com0", "com1", "com9", "lpt1", "lpt9"]


@pytest.mark.parametrize("name", ["..", ".", "", "a/b", "/etc", "a\\b", "a\0b", "a:b", "a ", "a.", "CON", *DEVICES])
def test_no_asset_view_or_source_has_a_name_that_leads_elsewhere(lake: Lake, name: str) -> None:
    with pytest.raises(DefinitionError, match="cannot be a name"):
        lake.source(name, "data/raw.csv", schema={"id": pl.Int64})


@pytest.mark.parametrize("name", ["console", "aux_orders", "com10", "nulls", "lpt"])
def test_a_name_that_only_begins_like_a_devices_is_a_name(lake: Lake, name: str) -> None:
    lake.source(name, "data/raw.csv", schema={"id": pl.Int64})


@pytest.mark.parametrize("column", ["..", "", "a/b", "../a", "a=b", "a b", "a\0", "1a", "é"])
@pytest.mark.parametrize(
    "kind",
    [Dynamic, lambda column: Categories(column, ["eu"]), lambda column: Monthly("2018-01", column=column)],
    ids=["dynamic", "categories", "monthly"],
)
def test_no_partition_column_has_a_name_that_leads_elsewhere(kind: Callable[[str], object], column: str) -> None:
    with pytest.raises(DefinitionError):
        kind(column)


@pytest.mark.parametrize("value", ["", ".", "..", "__HIVE_DEFAULT_PARTITION__", "a" * 250, "a\ud800"])
def test_a_value_that_no_folder_gives_back_is_no_key(value: str) -> None:
    with pytest.raises(DefinitionError):
        Categories("region", [value])
    with pytest.raises(PartitionKeyError):
        Dynamic("region").require_key(value)


HOSTILE = ["../../outside", "/etc/passwd", "a/../../../b", "..\\..\\b", "a\0b", "CON", "nul.txt", "~", "a.", "a "]


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_value_stays_one_folder_of_the_lake_and_is_given_back(tmp_path: Path, value: str) -> None:
    """A device's name is none after `region=`; of a slash only its escape reaches the disk."""
    lake = Lake(tmp_path / "deep/er/lake")
    lake.base = tmp_path

    @lake.asset(partitions=Categories("region", [value]), version="1")
    def regions() -> pl.LazyFrame:
        return pl.LazyFrame({"region": [value], "n": [1]})

    (result,) = lake.materialize("all")
    assert result.result == "created"
    (folder,) = (lake.root / "regions").iterdir()
    assert [path.name for path in folder.iterdir()] == ["part.parquet"]
    assert sorted(path.name for path in lake.root.iterdir()) == [".lake", "regions"]
    assert [path.name for path in tmp_path.rglob("*") if "lake" not in path.parts] == ["deep", "er"]
    assert lake.scan("regions").collect()["region"].to_list() == [value]


# Links that somebody planted

PLACES = {
    "bookkeeping": KEPT,
    "log": KEPT / "log",
    "an asset's log": KEPT / "log/monthly_orders",
    "staging": KEPT / "staging",
    "versions": KEPT / "versions",
    "an asset's versions": KEPT / "versions/monthly_orders",
    "a partition's versions": KEPT / "versions" / MONTH,
    "snapshots": KEPT / "snapshots",
    "a snapshot": KEPT / "snapshots/before",
    "cache": KEPT / "cache",
    "asset": LAKE / "monthly_orders",
    "partition": LAKE / MONTH,
    "file": LAKE / MONTH / "part.parquet",
}
WRITERS = [
    ("materialize", "2018-01..2018-04"),
    ("materialize", "2018-01", "--force"),
    ("snapshot", "now"),
    ("snapshot", "remove", "before", "--yes"),
    ("rollback", "monthly_orders", "2018-01"),
    ("freeze", "monthly_orders", "2018-01"),
    ("verify", "--repair"),
    ("clean", "--now", "--yes"),
    ("adopt", "monthly_orders", "2018-01"),
    ("wipe", "monthly_orders", "2018-01", "--yes"),
]
MUST_REFUSE = {
    "bookkeeping", "log", "an asset's log", "staging", "asset", "partition",
}  # fmt: skip


def everything(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Each file and folder below, with its mode, size and content; times of folders tell of names come and gone."""
    found = {}
    for path in sorted(folder.rglob("*")):
        status = path.lstat()
        content = path.read_bytes() if path.is_file() else str(status.st_mtime_ns).encode()
        found[str(path.relative_to(folder))] = (status.st_mode, content)
    return found


@pytest.mark.invariant("I18")
@pytest.mark.parametrize("name", PLACES)
def test_through_a_planted_link_nothing_is_written_or_removed(cli: Any, tmp_path_factory: Any, name: str) -> None:
    """Not what the link leads to, nor anything beside it; whoever cannot do without says which link it is."""
    assert cli("materialize", "2018-01..2018-03", "-q").code == 0
    orders = (cli.folder / "data/raw_orders.csv").read_text()
    cli.write(orders.replace("2018-01-03,completed", "2018-01-03,returned"), "data/raw_orders.csv")
    assert cli("materialize", "2018-01", "-q").code == 0
    assert cli("snapshot", "before").code == 0
    (KEPT / "staging/20180101T000000-dead").mkdir()
    saved = tmp_path_factory.mktemp("saved") / "shop"
    shutil.copytree(cli.folder, saved, symlinks=True)
    outside = tmp_path_factory.mktemp("outside")
    for args in WRITERS:
        os.chdir("/")
        for folder in (cli.folder, outside):
            shutil.rmtree(folder)
        shutil.copytree(saved, cli.folder, symlinks=True)
        outside.mkdir()
        os.chdir(cli.folder)
        (outside / "mine").write_text("mine")
        target = outside / PLACES[name].name
        PLACES[name].rename(target)
        PLACES[name].symlink_to(target)
        if target.is_dir():
            (target / "20170101T000000-mine").mkdir()
        before = everything(outside)
        done = cli(*args)
        assert everything(outside) == before, args
        assert done.code in (0, 1, 2, 3, 4), args
        assert "Traceback" not in done.err, args
        if args == ("materialize", "2018-01", "--force") and name in MUST_REFUSE:
            assert done.code == 4
            assert f"error[folder-is-link]: {PLACES[name].absolute()}: a link stands where a folder belongs" in (
                done.err.replace("monthly_orders 2018-01: ", "")
            )
            assert "help: make the lake's root the link instead, then run the same command again" in done.err


def test_the_root_itself_may_be_a_link(cli: Any) -> None:
    (cli.folder / "big-disk").mkdir()
    LAKE.parent.mkdir(exist_ok=True)
    LAKE.symlink_to(cli.folder / "big-disk")
    for args in (("materialize", "2018-01"), ("materialize", "2018-01", "--force"), ("verify",), ("status",)):
        assert cli(*args).code == 0
    assert (cli.folder / "big-disk" / MONTH / "part.parquet").is_file()


@pytest.mark.parametrize("name", ["mkdir", "write", "rename", "unlink"])
def test_a_disk_changes_nothing_outside_of_its_root(tmp_path: Path, name: str) -> None:
    disk, outside = Disk(tmp_path / "lake"), tmp_path / "outside"
    (tmp_path / "lake").mkdir()
    outside.write_text("mine")
    for path in (outside, tmp_path / "lake/../outside", tmp_path / "lake/a/../../outside"):
        with pytest.raises(StorageError, match="lies outside of the lake") as caught:
            {
                "mkdir": lambda path: disk.make_folders([path / "new"]),
                "write": lambda path: disk.write_new(path, b""),
                "rename": lambda path: disk.move(tmp_path / "lake/x", path),
                "unlink": disk.remove,
            }[name](path)
        assert caught.value.code == "outside-lake"
    assert outside.read_text() == "mine"


@pytest.mark.parametrize("special", ["pipe", "broken link", "device"])
def test_what_is_no_file_is_never_opened_nor_replaced(cli: Any, special: str) -> None:
    """Reading a pipe would wait for ever, a device might never end."""
    assert cli("materialize", "2018-01", "-q").code == 0
    part = LAKE / MONTH / "part.parquet"
    part.unlink()
    if special == "pipe":
        os.mkfifo(part)
    else:
        part.symlink_to("nowhere" if special == "broken link" else "/dev/zero")
    done = cli("materialize", "2018-01", "--force")
    assert done.code == 4
    assert "error[not-a-file]: " in done.err
    assert "a broken link, a pipe or a device stands where a file belongs" in done.err
    for args in (("status",), ("show", "monthly_orders", "2018-01"), ("query", "FROM monthly_orders"), ("verify",)):
        assert cli(*args).code in (0, 3)


# A log that somebody else wrote

ESCAPES = [
    "../../outside",
    "/etc/passwd",
    ".lake/versions/../../../outside",
    ".lake/versions/a/../../../../outside",
    ".lake/versions//etc/passwd",
    ".lake/versions/a/./b",
    ".lake/versions/",
    "monthly_orders/partition_date=2018-01/part.parquet",
    ".lake/log/monthly_orders/00000001.json",
    ".lake/versions/a\0b",
    "",
    None,
    5,
    ["a"],
]


@pytest.mark.parametrize("path", ESCAPES, ids=repr)
def test_only_a_path_below_the_versions_is_a_versions_path(path: object) -> None:
    with pytest.raises(ValueError, match="is no version's path"):
        require_version_path(path)


@pytest.mark.parametrize("path", [".lake/versions/a/run-1", ".lake/versions/a/b=..%2F/c=.../1", ".lake/versions/é"])
def test_a_versions_path_is_given_back(path: str) -> None:
    assert require_version_path(path) == path


@pytest.mark.parametrize("partition", [{"../a": "b"}, {"a/b": "c"}, {"": "a"}, {"a": 1}, {"a": None}, {"a=b": "c"}])
def test_a_partition_of_a_log_has_names_and_texts(partition: Any) -> None:
    with pytest.raises(ValueError, match="is no partition"):
        require_partition(partition)


def tampered(change: Callable[[dict[str, Any]], object]) -> None:
    """The last commit, rewritten by somebody who knows what digests are for."""
    file = max((KEPT / "log/monthly_orders").glob("*.json"))
    content = json.loads(file.read_bytes())
    change(content)
    file.chmod(0o644)
    file.write_text(json.dumps(content))
    shutil.rmtree(KEPT / "cache", ignore_errors=True)
    (KEPT / "log/monthly_orders/projected").unlink()  # so that all of it is carried out again


def a_version(content: dict[str, Any]) -> dict[str, Any]:
    return {**content["records"][0]["version"], "path": "../../outside.txt"}


TAMPERED: dict[str, Callable[[dict[str, Any]], object]] = {
    "version": lambda content: content["records"][0]["version"].update(path="../../outside.txt"),
    "absolute": lambda content: content["records"][0]["version"].update(path=str(Path("outside.txt").absolute())),
    "dropped": lambda content: content["records"][0].update(dropped=[a_version(content)]),
    "displaced": lambda content: content["records"][0].update(displaced=a_version(content)),
    "mark": lambda content: content.update(
        marks=[{"key": "2018-01", "partition": {"partition_date": "2018-01"}, "dropped": [a_version(content)]}]
    ),
    "column": lambda content: content["records"][0].update(partition={"../../../outside": "2018-01"}),
    "mark's column": lambda content: content.update(marks=[{"key": "2018-01", "partition": {"../x": "2018-01"}}]),
}


@pytest.mark.invariant("I18")
@pytest.mark.parametrize("name", TAMPERED)
def test_a_log_that_names_files_elsewhere_is_damaged_and_touches_none(cli: Any, name: str) -> None:
    assert cli("materialize", "2018-01", "-q").code == 0
    outside = cli.write("mine", "outside.txt")
    before = cli.hive()
    tampered(TAMPERED[name])
    for args in [("status",), ("query", "FROM monthly_orders"), ("show", "monthly_orders"), *WRITERS]:
        if args[0] == "snapshot" and args[1] == "remove":
            continue  # it reads no log
        done = cli(*args)
        assert done.code in (3, 4), args
        assert "log-damaged" in done.err + done.out, args
        assert "Traceback" not in done.err
        assert outside.read_text() == "mine"
        assert cli.hive() == before
    assert not (cli.folder.parent / "outside").exists()


def test_a_checkpoint_that_names_files_elsewhere_is_passed_over(cli: Any) -> None:
    for number in range(65):
        cli.orders({"2018-01": {"completed": number + 1}})
        assert cli("materialize", "2018-01", "-q").code == 0
    assert cli("status").code == 0
    (cache,) = (KEPT / "cache/log").glob("*.json")
    content = json.loads(cache.read_bytes())
    text = json.dumps(content).replace(".lake/versions/", "../../outside/")
    assert text != json.dumps(content)
    cache.write_text(text)
    done = cli("query", "FROM monthly_orders SELECT order_num", "--json")
    assert (done.code, done.json) == (0, [{"order_num": 65}])


# What a terminal is shown

STEERING = [
    "\x1b[31mred\x1b[0m",
    "\x1b]0;title\x07",
    "\x9b2J",
    "a\rb",
    "a\nb",
    "a\tb",
    "a\u202eb",
    "a\u200bb",
    "\x00",
    "\x7f",
]
CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069]")  # a line ends in \n


@given(st.text())
def test_what_is_printable_is_one_line_that_steers_nothing(text: str) -> None:
    shown = printable(text)
    assert not CONTROLS.search(shown)
    assert len(shown.splitlines()) <= 1
    assert shown.encode().decode() == shown
    assert printable(shown) == shown


@given(st.text(alphabet="aé東🙂 =,'-/"))
def test_plain_text_is_shown_as_it_is(text: str) -> None:
    assert printable(text) == text


@given(st.text(), st.integers(1, 50))
def test_a_printable_text_is_no_longer_than_asked_for(text: str, width: int) -> None:
    shown = printable(text, width)
    assert len(shown) <= width
    assert shown == printable(text) or shown == printable(text)[: width - 1] + "…"


@pytest.mark.parametrize("text", ["नमस्ते", "👩\u200d👩\u200d👧", "\u0644\u200c\u0627", "é", "\u00a0a", "①"])
def test_what_scripts_are_spelt_with_stays(text: str) -> None:
    assert printable(text) == text


@given(
    st.recursive(
        st.none() | st.text() | st.integers(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_json_without_what_steers_a_terminal_is_the_same_json(value: Any) -> None:
    for indent in (None, 1):
        text = unsteering(json.dumps(value, ensure_ascii=False, indent=indent))
        assert json.loads(text) == value
        assert not CONTROLS.search(text)
        assert text.encode()


@pytest.mark.parametrize("text", STEERING)
def test_a_screen_shows_its_own_colours_and_nobody_elses(text: str) -> None:
    for coloured in (False, True):
        screen = Screen(is_unicode=True, width=80, out_colour=coloured, err_colour=coloured)
        painted = screen.paint(f"mine{text}", "red", bold=True)
        shown = screen.fitted(f"{text} {painted} {text} {screen.glyph('fresh')}")
        own = ("\x1b[31m\x1b[1m", "\x1b[0m", "\x1b[32m") if coloured else ("", "", "")
        plain = printable(text)
        assert shown == f"{plain} {own[0]}mine{plain}{own[1]} {plain} {own[2]}●{own[1]}"
        assert not CONTROLS.search(cell(text))


SPICED = """
import polars as pl

from lakehouse import Categories, Lake

lake = Lake("data/lake")
VALUES = {values!r}


@lake.asset(partitions=Categories("region", VALUES), version="1")
def regions(partition) -> pl.LazyFrame:
    if partition.key == VALUES[0]:
        raise ValueError("no " + VALUES[0])
    return pl.LazyFrame({{"region": [partition.key], "what": [partition.key], "a" + VALUES[0]: [1]}})
"""


@pytest.mark.parametrize("colour", ["never", "always"])
def test_no_command_lets_keys_cells_or_messages_steer_the_terminal(
    cli: Any, monkeypatch: pytest.MonkeyPatch, colour: str
) -> None:
    monkeypatch.setattr("sys.path", [*__import__("sys").path])
    cli.write(SPICED.format(values=STEERING))
    own = re.compile("\x1b\\[(\\d|[39]\\d)m")
    commands = [
        ("materialize", "all"),
        ("status",),
        ("status", "--list"),
        ("status", "--why"),
        ("show", "regions"),
        ("query", "SELECT * FROM regions"),
        ("query", f"SELECT '{STEERING[0]}' AS \"x\x1b[31m\""),
        ("query", f"SELECT nothing AS '{STEERING[0]}'"),
        ("partitions", "regions"),
        ("graph",),
        ("validate",),
        ("history",),
        ("history", "regions"),
        ("verify",),
        ("materialize", f"'{STEERING[0]}x'"),
        ("status", "no\x1b[31m"),
        ("show", "no\x1b[31m"),
    ]
    for args in commands:
        done = cli(*args, "--color", colour)
        shown = done.out + done.err
        assert shown, args
        bare = own.sub("", shown) if colour == "always" else shown
        assert not CONTROLS.search(bare), args
        assert "red\x1b[0m" not in shown, args  # a colour of the data's


def test_json_and_csv_keep_what_was_there(cli: Any) -> None:
    texts = [text for text in STEERING if "\0" not in text]
    values = ", ".join(f"({number}, '{text}')" for number, text in enumerate(texts))
    sql = f"SELECT * FROM (VALUES {values}) t(n, s)"  # noqa: S608  the test's own texts
    as_json = cli("query", sql, "--json")
    assert [row["s"] for row in as_json.json] == texts
    assert not CONTROLS.search(as_json.out)
    lines = cli("query", sql, "--format", "ndjson").out.split("\n")[:-1]
    assert [json.loads(line)["s"] for line in lines] == texts
    rows = list(csv.reader(io.StringIO(cli("query", sql, "--format", "csv").out, newline="")))
    assert [row[1] for row in rows[1:]] == texts


# What a spreadsheet is given

FORMULAS = """
SELECT * FROM (VALUES
    ('=1+1', -1, -1.5::DECIMAL(4, 1), NULL),
    ('+1', 2, 0.5, 'plain'),
    ('-2', 3, 0.5, 'a=b'),
    ('@sum(a,b)', 4, 0.5, ' =1'),
    ('	tab', 5, 0.5, ''),
    ('say "=hi"', 6, 0.5, '''quoted')
) t("=name", "-n", d, "x,y")
"""
SAFE = '''\
'=name,'-n,d,"x,y"
'=1+1,-1,-1.5,
'+1,2,0.5,plain
'-2,3,0.5,a=b
"'@sum(a,b)",4,0.5, =1
'\ttab,5,0.5,
"say ""=hi""",6,0.5,'quoted
'''


def test_safe_csv_leads_what_would_be_a_formula_by_a_quote_and_leaves_numbers_numbers(cli: Any) -> None:
    done = cli("query", FORMULAS, "--safe-csv")
    assert (done.code, done.err) == (0, "")
    assert done.out == SAFE


def test_safe_csv_goes_to_a_file_too(cli: Any) -> None:
    assert cli("query", FORMULAS, "--safe-csv", "-o", "out.csv").code == 0
    assert (cli.folder / "out.csv").read_bytes().decode() == SAFE
    assert cli("query", FORMULAS, "--safe-csv", "--format", "csv").out == SAFE


def test_plain_csv_is_exact(cli: Any) -> None:
    out = cli("query", FORMULAS, "--format", "csv").out
    assert out.splitlines()[:2] == ['=name,-n,d,"x,y"', "=1+1,-1,-1.5,"]


@pytest.mark.parametrize(
    "value",
    ["=a", "+a", "-a", "@a", "\ta", "\ra", "\na", "\uff1da", "\uff0ba", "\uff0da", "\uff20a"],
    ids=ascii,
)
def test_whatever_begins_a_formula_is_quoted(cli: Any, value: str) -> None:
    done = cli("query", f"SELECT '{value}' AS a", "--safe-csv")
    assert list(csv.reader(io.StringIO(done.out, newline=""))) == [["a"], [f"'{value}"]]


@pytest.mark.parametrize("args", [("--json",), ("--format", "table"), ("--format", "ndjson"), ("--format", "json")])
def test_safe_csv_is_no_other_format(cli: Any, args: tuple[str, ...]) -> None:
    done = cli("query", "SELECT 1", "--safe-csv", *args)
    assert done.code == 2
    form = args[-1].removeprefix("--")
    assert f"--safe-csv is CSV, and --format {form} is not" in done.out + done.err


def test_the_help_says_what_safe_csv_does(cli: Any) -> None:
    told = " ".join(cli("query", "--help").out.split())
    assert "--safe-csv CSV for spreadsheets: a text or a column's name that they would take for a formula" in told
    assert "--safe-csv writes ' before a text that begins with = + - @, a tab or a line's end" in told


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path / "lake")
    lake.base = tmp_path
    return lake
