"""Shells complete commands, assets and keys, from what the last command wrote down and never from the user's code."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from lakehouse.cli.candidates import MOST, candidates
from lakehouse.cli.known import recall, remember
from lakehouse.cli.project import find
from lakehouse.partitions import Categories, Daily, Dynamic, Hourly, Monthly

ROOT = Path(__file__).parent.parent
NOW = datetime(2018, 6, 20, 9, tzinfo=UTC)
LAKEFILE = """from datetime import date

import polars as pl

from lakehouse import Lake
from lakehouse.partitions import Categories, Daily, Dynamic, Monthly, Unpartitioned

lake = Lake("data/lake")


@lake.asset(partitions=Daily(date(2018, 1, 1), end="2018-04-10"))
def daily_orders():
    return pl.LazyFrame({"partition_date": ["2018-01-01"]})


@lake.asset(partitions=Monthly("2018-01", end="2018-05"))
def monthly_orders():
    return pl.LazyFrame({"partition_date": ["2018-01"]})


@lake.asset(partitions=Categories("region", ["eu", "us", "asia pacific"]) * Monthly("2018-01", end="2018-05"))
def regional_orders():
    return pl.LazyFrame({"region": ["eu"], "partition_date": ["2018-01"]})


@lake.asset(partitions=Dynamic("method"))
def orders_by_method():
    return pl.LazyFrame({"method": ["card"]})


@lake.asset(partitions=Unpartitioned())
def order_totals():
    return pl.LazyFrame({"n": [1]})
"""


@pytest.fixture(autouse=True)
def shop(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A project that a command has looked at, and whose code is broken since."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(cli.folder / "cache"))
    cli.write(LAKEFILE)
    assert cli("graph", "-q").code == 0
    cli.write("1 / 0\n")


def files(cli: Any) -> list[Path]:
    return [*(cli.folder / "cache/lakehouse/completion").iterdir()]


def asked(cli: Any, shell: str, line: str) -> subprocess.CompletedProcess[str]:
    """What a process of its own answers, asked as that shell asks."""
    words = line.split(" ")
    environment = {
        "bash": {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1), "COMP_LINE": line},
        "zsh": {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)},
        "fish": {"COMP_WORDS": line, "COMP_CWORD": words[-1]},
    }[shell]
    return subprocess.run(
        [sys.executable, "-c", "from lakehouse.cli import main; main()"],
        cwd=cli.folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "_LAKE_COMPLETE": f"{shell}_complete"} | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def offered(cli: Any, shell: str, line: str) -> list[str]:
    done = asked(cli, shell, line)
    assert (done.returncode, done.stderr) == (0, "")
    lines = [*filter(None, done.stdout.splitlines())]  # click ends even nothing with a new line
    if shell == "zsh":
        return lines[1::3]
    return [answer.partition(",")[2].partition("\t")[0] for answer in lines]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("lake mater", ["materialize"]),
        ("lake materialize -a m", ["monthly_orders"]),
        ("lake status da", ["daily_orders"]),
        ("lake show order", ["orders_by_method", "order_totals"]),
        ("lake materialize -a monthly_orders 2018-0", ["2018-01", "2018-02", "2018-03", "2018-04"]),
        ("lake show daily_orders 2018-04-0", [f"2018-04-0{day}" for day in range(1, 10)]),
        ("lake status monthly_orders 2018-03..2018-0", ["2018-03..2018-03", "2018-03..2018-04"]),
        ("lake materialize -a monthly_orders --except 2018-04", ["2018-04"]),
        ("lake status nothing_of_the_kind 1999", []),
        ("lake nothing_of_the_kind x", []),
    ],
)
def test_each_shell_completes_assets_and_keys(cli: Any, shell: str, line: str, expected: list[str]) -> None:
    assert offered(cli, shell, line) == expected


def test_dimensions_are_completed_by_column_and_value(cli: Any) -> None:
    line = "lake materialize -a regional_orders "
    assert offered(cli, "zsh", f"{line}reg") == ["region=eu", "region=us", "region='asia pacific'"]
    assert offered(cli, "zsh", f"{line}region=e") == ["region=eu"]
    assert offered(cli, "fish", f"{line}region=eu/partition_date=2018-04") == ["region=eu/partition_date=2018-04"]


def test_bash_gets_what_follows_the_sign_that_it_takes_for_the_end_of_a_word(cli: Any) -> None:
    assert offered(cli, "bash", "lake materialize -a regional_orders region=e") == ["eu"]


def test_a_folder_named_before_or_after_the_command_is_the_projects(cli: Any, tmp_path_factory: Any) -> None:
    project, elsewhere = cli.folder, tmp_path_factory.mktemp("elsewhere")
    cli.folder = elsewhere
    assert offered(cli, "bash", "lake show m") == []
    assert offered(cli, "bash", f"lake -C {project} show m") == ["monthly_orders"]
    assert offered(cli, "bash", f"lake show -C {project} m") == ["monthly_orders"]


def test_dynamic_keys_are_offered_once_they_are_known(cli: Any) -> None:
    cli.write(LAKEFILE)
    assert cli("partitions", "orders_by_method", "add", "card", "coupon", "gift card").code == 0
    cli.write("1 / 0\n")
    assert offered(cli, "zsh", "lake partitions orders_by_method remove c") == ["card", "coupon"]
    assert offered(cli, "zsh", "lake partitions orders_by_method add c") == []
    assert offered(cli, "bash", "lake show orders_by_method ca") == ["card"]


def test_a_command_that_does_not_look_at_the_lake_forgets_no_dynamic_key(cli: Any) -> None:
    cli.write(LAKEFILE)
    cli("partitions", "orders_by_method", "add", "card")
    cli("graph", "daily_orders")
    cli.write("1 / 0\n")
    assert offered(cli, "bash", "lake show orders_by_method ca") == ["card"]


def test_nothing_is_offered_and_nothing_said_where_nothing_is_known(cli: Any) -> None:
    for content in (
        "",
        "{}",
        "[]",
        '{"schema_version": 2, "assets": {}}',
        '{"schema_version": 1, "assets": {"a": 1}}',
    ):
        for file in files(cli):
            file.write_text(content)
        assert offered(cli, "bash", "lake show m") == []
    shutil.rmtree(cli.folder / "cache")
    assert offered(cli, "bash", "lake show m") == []


def test_one_asset_that_another_version_wrote_down_hides_no_other(cli: Any) -> None:
    (file,) = files(cli)
    content = json.loads(file.read_text())
    content["assets"]["daily_orders"] = [{"kind": "lunar", "arguments": {}}]
    file.write_text(json.dumps(content))
    assert offered(cli, "bash", "lake show d") == []
    assert offered(cli, "bash", "lake show m") == ["monthly_orders"]


def test_what_is_written_down_gives_the_same_keys_again(cli: Any) -> None:
    """And it is written only when it changed, in one step."""
    cli.write(LAKEFILE)
    (file,) = files(cli)
    before = file.stat()
    cli("graph")
    assert (file.stat().st_mtime_ns, file.stat().st_ino) == (before.st_mtime_ns, before.st_ino)
    known = recall(find(cli.folder))
    assert [*known] == ["daily_orders", "monthly_orders", "regional_orders", "orders_by_method", "order_totals"]
    assert known["daily_orders"].keys(NOW) == Daily("2018-01-01", end="2018-04-10").keys(NOW)
    assert known["regional_orders"].keys(NOW)[0] == "region=eu/partition_date=2018-01"
    assert len(known["regional_orders"].keys(NOW)) == 12
    assert known["order_totals"].keys(NOW) == ["all"]


def test_a_cache_that_cannot_be_written_is_no_failure(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.write(LAKEFILE)
    (cli.folder / "taken").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(cli.folder / "taken"))
    assert cli("graph").code == 0
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "relative")
    assert cli("graph").code == 0
    assert not (cli.folder / "relative").exists()
    assert remember.__doc__ is not None


def test_tab_loads_no_engine_and_not_the_users_code(cli: Any) -> None:
    """The lakefile raises; Polars, DuckDB, PyArrow and rich stay unloaded."""
    script = (
        "import sys\nfrom lakehouse.cli import run\nrun([])\n"
        "print('MODULES', *{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=cli.folder,
        env=os.environ
        | {
            "PYTHONPATH": str(ROOT),
            "_LAKE_COMPLETE": "bash_complete",
            "COMP_WORDS": "lake materialize -a monthly_orders 2018-0",
            "COMP_CWORD": "4",
        },
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert done.stdout.splitlines() == [f"plain,2018-0{month}" for month in range(1, 5)]
    assert {*done.stderr.split()}.isdisjoint({"polars", "duckdb", "pyarrow", "rich", "lakefile"})


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_each_shell_is_printed(cli: Any, shell: str) -> None:
    done = cli("completion", shell)
    assert (done.code, done.err) == (0, "")
    assert f"_LAKE_COMPLETE={shell}_complete" in done.out
    if shutil.which(shell):
        checked = subprocess.run([shell, "-n"], input=done.out, text=True, capture_output=True, check=False)
        assert (checked.returncode, checked.stderr) == (0, "")


def test_a_shell_that_is_not_known_is_an_error(cli: Any) -> None:
    assert cli("completion", "tcsh").code == 2


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
@pytest.mark.parametrize(
    ("line", "replies"),
    [
        ("lake mater", ["materialize"]),
        ("lake show monthly_orders 2018-0", ["2018-01", "2018-02", "2018-03", "2018-04"]),
        ("lake show monthly_orders 2018-03..", ["2018-03..2018", "2018-03..2018-03", "2018-03..2018-04"]),
        ("lake materialize -a regional_orders region=e", ["eu"]),
        ("lake materialize -a regional_orders region=a", ["\"'asia pacific'\""]),
    ],
)
def test_bash_itself_completes(cli: Any, line: str, replies: list[str]) -> None:
    """Its words are parted at ``=``, as bash does it."""
    cli.write(f'#!/bin/sh\nexec "{sys.executable}" -c "from lakehouse.cli import main; main()" "$@"\n', "bin/lake")
    (cli.folder / "bin/lake").chmod(0o755)
    words = line.replace("=", " = ").split(" ")
    script = "\n".join(
        [
            cli("completion", "bash").out,
            f"COMP_WORDS=({' '.join(words)})",
            f"COMP_CWORD={len(words) - 1}",
            f"COMP_LINE='{line}'",
            "COMP_POINT=${#COMP_LINE}",
            "_lake_completion lake",
            "printf '%s\\n' \"${COMPREPLY[@]}\"",
        ]
    )
    path = f"{cli.folder / 'bin'}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        cwd=cli.folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PATH": path},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert (done.stdout.splitlines(), done.stderr) == (replies, "")


def test_longer_periods_come_first_and_keys_while_they_are_not_too_many() -> None:
    days = Daily("2016-01-01")
    assert candidates([days], "", NOW)[:5] == ["2016", "2017", "2018", "2016-01", "2016-02"]
    assert "2018-06-19" not in candidates([days], "", NOW)
    assert candidates([days], "2018-06-1", NOW) == [f"2018-06-{day}" for day in range(10, 20)]
    assert candidates([days], "2018", NOW)[:3] == ["2018", "2018-01", "2018-02"]
    shops = Categories("shop", [f"shop{number}" for number in range(1000)])
    assert len(candidates([shops], "", NOW)) == MOST


def test_the_end_of_a_range_does_not_lie_before_its_begin() -> None:
    months = Monthly("2018-01")
    assert candidates([months], "2018-04..", NOW) == ["2018-04..2018", "2018-04..2018-04", "2018-04..2018-05"]
    assert candidates([months], "2018-04...2018-05", NOW) == ["2018-04...2018-05"]
    assert candidates([months], "nonsense..", NOW) == []
    assert candidates([Categories("region", ["eu", "us", "apac"])], "us..", NOW) == ["us..us", "us..apac"]


def test_of_several_items_the_last_is_completed() -> None:
    assert candidates([Monthly("2018-01")], "2018-01,2018-05", NOW) == ["2018-01,2018-05"]


def test_assets_with_other_keys_are_offered_together_without_duplicates() -> None:
    both = [Monthly("2018-01"), Categories("region", ["eu"]), Dynamic("x"), Monthly("2018-02")]
    found = candidates(both, "", NOW)
    assert len(found) == len({*found})
    assert {"2018-01", "eu", "all", "latest"} <= {*found}


def test_years_of_hours_are_not_listed_to_find_those_of_a_day() -> None:
    hours = Hourly("2000-01-01")
    assert candidates([hours], "2018-06-20T0", NOW) == [f"2018-06-20T0{hour}" for hour in range(9)]
