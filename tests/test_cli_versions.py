"""What a person reads of the past: history, differences, the lake as it was, and snapshots."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl
import pytest

from lakehouse.cli.project import load
from lakehouse.looking import Looking

if TYPE_CHECKING:
    from lakehouse import Lake

ROOT = Path(__file__).parent.parent
Run = Callable[..., Any]


@pytest.fixture
def run(cli: Any, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command line as ana runs it on her desk; each command a minute after the one before."""
    args: list[str] = []

    def by(_: Lake) -> dict[str, str]:
        return {"user": "ana", "host": "desk", "command": " ".join(["lake", *args])}

    monkeypatch.setattr(Looking, "_by", by)

    def call(*words: str, **options: Any) -> Any:
        args[:] = words
        cli.now += timedelta(minutes=1)
        return cli(*words, **options)

    return call


def with_february(cli: Any, **counts: int) -> None:
    from commandline import ORDERS

    cli.orders(ORDERS | {"2018-02": counts}, age=timedelta(hours=2))


@pytest.fixture
def shop(cli: Any, run: Run) -> Run:
    """February is made, fails, and is made of more orders; January to March are made with it."""
    run("materialize", "2018-02")
    source = cli.write(
        Path("data/raw_orders.csv").read_text().replace("2018-02-01", "2018-02-99"), "data/raw_orders.csv"
    )
    assert source.exists()
    assert run("materialize", "2018-02").code != 0
    with_february(cli, completed=27, shipped=1)
    run("materialize", "2018-01..2018-03", "-a", "monthly_orders")
    return run


# History


def test_runs_are_shown_newest_first_each_with_who_and_what(cli: Any, shop: Run) -> None:
    cli.golden(
        "history", shop("history"), shop("history", "monthly_orders", "--last", "1"), shop("history", "--failed")
    )


def test_a_partition_is_shown_version_by_version(cli: Any, shop: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.write(Path("lakefile.py").read_text().replace("order_num=pl.len()", "order_num=0 + pl.len()"))
    shop("materialize", "2018-02", "--force")
    monkeypatch.setattr(
        Looking, "_by", lambda _: {"user": "ana", "host": "desk", "command": "lake rollback monthly_orders 2018-02"}
    )
    load(None).rollback("monthly_orders", "2018-02")
    done = shop("history", "monthly_orders", "2018-02")
    assert done.code == 0
    cli.golden("history-partition", done, shop("history", "monthly_orders", "2018-02", "--last", "1"))


def test_what_was_never_made_has_no_history_and_the_command_that_makes_it(cli: Any, run: Run) -> None:
    cli.golden(
        "history-none",
        run("history"),
        run("history", "monthly_orders"),
        run("history", "--failed"),
        run("history", "monthly_orders", "2018-02"),
        run("history", "monthly_orders", "2018-02", "--failed"),
        run("history", "monthly_order"),
        run("history", "monthly_orders", "2018-13"),
    )
    assert not Path("data/lake").exists()


def test_history_for_machines_has_every_field(shop: Run) -> None:
    (newest, failed, oldest) = shop("history", "--json").json["runs"]
    assert newest["by"] == {
        "user": "ana",
        "host": "desk",
        "command": "lake materialize 2018-01..2018-03 -a monthly_orders",
    }
    (asset,) = newest["assets"]
    assert (asset["commits"], asset["keys"]) == ([3], ["2018-01", "2018-02", "2018-03"])
    assert (asset["counts"]["created"], asset["counts"]["replaced"], asset["counts"]["wiped"]) == (2, 1, 0)
    assert failed["assets"][0]["failures"][0]["code"] == "source-malformed"
    assert oldest["finished_at"] == "2026-11-20T09:18:00.000000Z"
    found = shop("history", "monthly_orders", "2018-02", "--json").json
    assert (found["schema_version"], found["asset"], found["key"]) == (1, "monthly_orders", "2018-02")
    third, second, first = found["events"]
    assert [event["result"] for event in (third, second, first)] == ["replaced", "failed", "created"]
    assert (third["row_count"], third["is_current"], first["is_current"], first["is_kept"]) == (2, True, False, True)
    assert third["inputs_changed"] == ["raw_orders"]
    assert (second["row_count"], second["error"]["code"]) == (None, "source-malformed")
    assert third["inputs"]["raw_orders"]["kind"] == "source"


def test_many_failures_are_shown_as_far_as_they_help(cli: Any, shop: Run) -> None:
    cli.write(Path("lakefile.py").read_text().replace("order_num=pl.len()", "order_num=pl.col('nix')"))
    shop("materialize", "2018-01..2018-06")
    cli.golden("history-failures", shop("history", "--last", "1"))


def test_a_change_of_the_list_of_keys_is_a_run_of_its_own(cli: Any, run: Run) -> None:
    listed = """

@lake.asset(partitions=Dynamic("status"), checks=[unique("n", severity="warn")])
def by_status(raw_orders: pl.LazyFrame) -> pl.LazyFrame:
    return raw_orders.select("status", n=pl.lit(1))
"""
    text = Path("lakefile.py").read_text().replace("import Lake, Monthly", "import Dynamic, Lake, Monthly, unique")
    cli.write(text + listed)
    run("partitions", "by_status", "add", "placed")
    run("materialize", "placed", "-a", "by_status")
    with_february(cli, completed=1)
    run("materialize", "placed", "-a", "by_status", "--force")
    cli.golden(
        "history-keys",
        run("history", "by_status"),
        run("history", "by_status", "placed", "--last", "1"),
        run("diff", "by_status", "placed", "2"),
    )


def test_what_a_terminal_would_obey_is_not_shown(cli: Any, run: Run) -> None:
    """Neither of a command line nor of an error's message; machines get both to the letter."""
    raising = "    raise ValueError('a\\x1b[31mred')\n    return stg_orders.group"
    cli.write(Path("lakefile.py").read_text().replace("    return stg_orders.group", raising))
    run("materialize", "2018-02", "--except", "\x1b[2J2018-01")
    run("materialize", "2018-02")
    for words in (("history",), ("history", "monthly_orders", "2018-02")):
        assert "\x1b" not in run(*words).out
        assert "a[31mred" in run(*words).out
    assert "\x1b[31m" in run("history", "--json").json["runs"][0]["assets"][0]["failures"][0]["message"]


def test_history_loads_no_engine(tmp_path: Path) -> None:
    """Not even Polars, where the lakefile itself does not import it."""
    pl.DataFrame({"id": [1, 2], "status": ["placed", "placed"]}).write_parquet(tmp_path / "orders.parquet")
    (tmp_path / "lakefile.py").write_text(
        'from lakehouse import Lake\n\nlake = Lake("lake")\nlake.source("orders", "orders.parquet")\n'
        'lake.sql("counts", "select status, count(*) as n from orders group by status")\n'
    )
    code = "from lakehouse.cli import run\nassert run({!r}) == 0\n"
    commands = [["history"], ["history", "counts"], ["history", "counts", "all", "--json"], ["snapshot", "before"]]
    script = "import sys\n{}print('MODULES', *{{name.partition('.')[0] for name in sys.modules}})"
    for text in (code.format(["materialize", "all", "-q"]), "".join(map(code.format, commands))):
        done = subprocess.run(
            [sys.executable, "-c", script.format(text)],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=True,
            timeout=120,
        )
    loaded = set(done.stdout.rpartition("MODULES ")[2].split())
    assert "counts" in done.stdout
    assert loaded.isdisjoint({"polars", "duckdb", "pyarrow"})


# Differences


def test_a_difference_is_shown_row_by_row(cli: Any, shop: Run) -> None:
    cli.golden(
        "diff",
        shop("diff", "monthly_orders", "2018-02"),
        shop("diff", "monthly_orders", "2018-02", "--by", "status"),
        shop("diff", "monthly_orders", "2018-02", "3"),
        shop("diff", "monthly_orders", "2018-02", "3", "1", "--by", "status"),
    )


def test_other_columns_are_shown_before_the_rows(cli: Any, shop: Run) -> None:
    cli.write(
        Path("lakefile.py")
        .read_text()
        .replace("order_num=pl.len().cast(pl.Int64)", 'n=pl.len().cast(pl.Int64), day=pl.col("order_date").min()')
    )
    shop("materialize", "2018-02", "--allow-schema-change")
    cli.golden("diff-columns", shop("diff", "monthly_orders", "2018-02"))


def test_a_difference_that_there_is_not_is_refused_with_the_way_to_one(cli: Any, shop: Run) -> None:
    cli.golden(
        "diff-refused",
        shop("diff", "monthly_orders", "2018-01"),
        shop("diff", "monthly_orders", "2018-02", "9"),
        shop("diff", "monthly_orders", "2018-02", "1", "2", "3"),
        shop("diff", "monthly_orders", "2018-02", "--by", "nix"),
        shop("diff", "monthly_orders", "2018-02", "2025-01-01"),
        shop("diff", "raw_orders", "2018-02"),
    )


def test_a_version_that_is_gone_is_refused_with_those_that_are_kept(cli: Any, run: Run) -> None:
    cli.write(Path("lakefile.py").read_text().replace('Lake("data/lake")', 'Lake("data/lake", grace="0s")'))
    for count in (1, 2, 3):
        with_february(cli, completed=count)
        run("materialize", "2018-02")
    cli.golden(
        "version-gone",
        run("diff", "monthly_orders", "2018-02", "1"),
        run("query", "FROM monthly_orders", "--as-of", "1"),
        run("history", "monthly_orders", "2018-02"),
    )


def test_a_difference_for_machines_has_every_field(shop: Run) -> None:
    found = shop("diff", "monthly_orders", "2018-02", "--by", "status", "--json").json
    assert (found["old"]["commit"], found["new"]["commit"], found["new"]["row_count"]) == (1, 3, 2)
    assert (found["is_same"], found["by"], found["columns"], found["notes"]) == (False, ["status"], [], [])
    assert found["added"] == {"count": 1, "first": [{"status": "shipped", "order_num": 1}]}
    assert found["removed"] == {"count": 1, "first": [{"status": "return_pending", "order_num": 1}]}
    assert found["changed"] == {
        "count": 1,
        "first": [{"key": {"status": "completed"}, "columns": {"order_num": {"old": 26, "new": 27}}}],
    }


def test_values_are_cut_and_stripped_for_people_and_whole_for_machines(cli: Any, run: Run) -> None:
    long = "\x1b[31m" + "x" * 60
    cli.orders({"2018-02": {"placed": 1}})
    run("materialize", "2018-02")
    cli.orders({"2018-02": {long: 11, **{f"s{i:02}": 1 for i in range(11)}}}, age=timedelta(hours=1))
    run("materialize", "2018-02")
    done = run("diff", "monthly_orders", "2018-02")
    assert "\x1b" not in done.out
    assert f"[31m{'x' * 35}…" in done.out
    assert "12 rows added, 1 removed" in done.out
    assert "  … and 2 more" in done.out
    assert run("diff", "monthly_orders", "2018-02", "--json").json["added"]["first"][0]["status"] == long


# The lake as it was


def test_a_query_of_then_reads_what_was_there(cli: Any, shop: Run) -> None:
    sql = "SELECT partition_date, sum(order_num) AS n FROM monthly_orders GROUP BY ALL ORDER BY ALL"
    cli.golden(
        "query-as-of",
        shop("query", sql, "--format", "csv"),
        shop("query", sql, "--format", "csv", "--as-of", "monthly_orders:1"),
        shop("query", sql, "--format", "csv", "--as-of", "2026-11-20T09:18:30"),
        shop("query", "FROM stg_orders", "--as-of", "1"),
        shop("query", "FROM monthly_orders", "--as-of", "2026-11-20"),
        shop("query", "FROM monthly_orders", "--as-of", "last week"),
    )


def test_at_the_prompt_every_query_is_of_then(shop: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    typed = iter(["FROM monthly_orders SELECT sum(order_num);", "FROM raw_orders;", "exit"])
    monkeypatch.setattr("builtins.input", lambda _: next(typed))
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    done = shop("query", "--as-of", "monthly_orders:1")
    assert "27" in done.out
    assert "error[as-of-source]" in done.err


# Snapshots


def test_a_snapshot_is_taken_listed_and_removed(cli: Any, shop: Run) -> None:
    cli.golden(
        "snapshot",
        shop("snapshot", "before-fix", "--dry-run"),
        shop("snapshot", "before-fix"),
        shop("snapshot", "list"),
        shop("snapshot", "remove", "before-fix", "--dry-run"),
        shop("snapshot", "remove", "before-fix", "--yes"),
        shop("snapshot", "list"),
    )


def test_the_recipe_that_is_printed_reads_the_snapshot(shop: Run) -> None:
    import duckdb

    recipe = shop("snapshot", "before").out.splitlines()[-1].strip()
    assert duckdb.connect().sql(f"{recipe} SELECT sum(order_num)").fetchall() == [(41,)]
    assert shop("snapshot", "quiet", "-q").out.count("read_parquet") == 0


def test_what_is_no_snapshot_is_refused(cli: Any, shop: Run) -> None:
    shop("snapshot", "before")
    (Path("data/lake/.lake/snapshots") / "by-hand").mkdir()
    cli.golden(
        "snapshot-refused",
        shop("snapshot"),
        shop("snapshot", "before"),
        shop("snapshot", "a=b"),
        shop("snapshot", "one", "two"),
        shop("snapshot", "list", "one"),
        shop("snapshot", "remove"),
        shop("snapshot", "remove", "nix", "--yes"),
        shop("snapshot", "remove", "before", "-a", "monthly_orders"),
        shop("snapshot", "other", "-a", "nix"),
        shop("snapshot", "list"),
    )


def test_a_snapshot_for_machines_has_every_field(cli: Any, shop: Run) -> None:
    planned = shop("snapshot", "before", "-n", "--json").json
    taken = shop("snapshot", "before", "--json").json
    assert (planned["dry_run"], taken["dry_run"], taken["exit_code"]) == (True, False, 0)
    (found,) = taken["snapshots"]
    assert found["path"] == str(cli.folder / "data/lake/.lake/snapshots/before")
    assert found["by"]["user"] == "ana"
    assert planned["snapshots"][0]["assets"] == found["assets"]
    assert found["assets"][0] | {"size_bytes": 0} == {
        "asset": "monthly_orders",
        "commit": 3,
        "columns": ["partition_date"],
        "partitions": 3,
        "row_count": 8,
        "size_bytes": 0,
        "pattern": "monthly_orders/*/part.parquet",
    }
    assert shop("snapshot", "list", "--json").json["snapshots"] == [found]
    removed = shop("snapshot", "remove", "before", "--yes", "--json").json
    assert removed["snapshots"] == [found]
    error = json.loads(shop("snapshot", "remove", "before", "--yes", "--json").out)["error"]
    assert error["code"] == "snapshot-unknown"


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, typed: str) -> None:
    monkeypatch.setattr(sys, "stdin", Terminal(typed))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)


def test_before_a_snapshot_is_removed_whoever_is_there_is_asked(shop: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    shop("snapshot", "one")
    shop("snapshot", "two")
    for answer in ("n\n", "\n", ""):
        at_a_terminal(monkeypatch, answer)
        done = shop("snapshot", "remove", "one", "two")
        assert (done.code, done.out) == (0, "")
        assert done.err == "remove the snapshots one, two? [y/N] nothing was removed\n"
    at_a_terminal(monkeypatch, "y\n")
    assert shop("snapshot", "remove", "one").out.startswith("one removed")
    assert [item["name"] for item in shop("snapshot", "list", "--json").json["snapshots"]] == ["two"]


def test_where_nobody_is_there_nothing_is_removed_unasked(shop: Run) -> None:
    shop("snapshot", "one")
    done = shop("snapshot", "remove", "one", stdin="y\n")
    assert (done.code, done.err.splitlines()[0]) == (
        2,
        "error[yes-missing]: nobody is there to be asked: remove the snapshot one?",
    )
    assert len(shop("snapshot", "list", "--json").json["snapshots"]) == 1


# Completion


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("lake history mon", {"monthly_orders"}),
        ("lake history monthly_orders 2018-0", {f"2018-0{month}" for month in range(1, 10)}),
        ("lake diff monthly_orders 2018-1", {"2018-10", "2018-11", "2018-12"}),
        ("lake snapshot ", {"list", "remove"}),
        ("lake snapshot before -a mon", {"monthly_orders"}),
        ("lake query --as", {"--as-of"}),
    ],
)
def test_shells_complete_assets_keys_and_words(
    cli: Any, words: str, offered: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cli("status", "2018-01").code == 0
    monkeypatch.setenv("_LAKE_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split(" ")) - 1))
    assert {line.partition(",")[2] for line in cli().out.splitlines()} == offered
