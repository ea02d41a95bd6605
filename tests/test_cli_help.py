"""Help leads with examples, every example runs, and asking for help costs no engine."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

COMMANDS = (
    "init", "materialize", "status", "show", "query", "history", "diff", "snapshot", "graph", "partitions",
    "validate", "rollback", "freeze", "unfreeze", "wipe", "verify", "clean", "adopt", "completion",
)  # fmt: skip
LISTED = """

@lake.asset(partitions=Dynamic("payment_method"))
def orders_by_method(paid_orders: pl.LazyFrame) -> pl.LazyFrame:
    return paid_orders.group_by("payment_method").len()
"""
ROOT = Path(__file__).parent.parent


def examples(text: str) -> list[str]:
    (block,) = re.findall(r"^Examples:\n((?:  .*\n)+)", text, re.MULTILINE)
    return [line.strip() for line in block.splitlines()]


@pytest.mark.parametrize("command", ["", *COMMANDS])
@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_leads_with_examples(cli: Any, command: str, flag: str) -> None:
    """After the usage and one line; before the options; nothing is wider than the terminal."""
    done = cli(*command.split(), flag)
    assert (done.code, done.err) == (0, "")
    assert done.out.index("Usage: ") < done.out.index("Examples:") < done.out.index("Options:")
    assert all(line.startswith("lake ") or "| lake" in line for line in examples(done.out))
    assert len(examples(done.out)) >= 3
    assert max(map(len, done.out.splitlines())) <= 80


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_every_example_in_help_runs(cli: Any, command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a demo project with one month made and a report.sql; each ends with 0."""
    help_text = cli(*command.split(), "--help").out
    assert cli("init", "demo").code == 0
    with (cli.folder / "demo/lakefile.py").open("a") as lakefile:
        lakefile.write(LISTED)  # partitions that are kept by hand, which the demo has none of
    if command == "init":
        (cli.folder / "start").mkdir()
        monkeypatch.chdir(cli.folder / "start")
    elif command:
        monkeypatch.chdir(cli.folder / "demo")
        assert cli("materialize", "2018-02", "-q").code == 0
        cli.write("FROM monthly_orders SELECT status\n", "demo/report.sql")
    if command in ("diff", "rollback"):
        with (cli.folder / "demo/data/raw_orders.csv").open("a") as orders:
            orders.write("3048,21,2018-02-11,completed\n")
        assert cli("materialize", "2018-02", "-a", "monthly_orders", "-q").code == 0
    lines = [line.replace("-C /tmp", f"-C {cli.folder}") for line in examples(help_text)]
    for example in (line.replace("/backup", str(cli.folder / "demo/data/lake")) for line in lines):
        monkeypatch.setattr(sys, "stdin", None)
        for part in example.split(" && "):
            if part.startswith("cd "):
                monkeypatch.chdir(part.removeprefix("cd "))
                continue
            said, _, words = part.rpartition(" | ")
            stdin = " ".join(shlex.split(said)[1:]) if said else None
            done = cli(*shlex.split(words)[1:], stdin=stdin)
            expected = 3 if "--check" in example else 0
            assert done.code == expected, f"{example}\n{done.out}{done.err}"


def test_lake_alone_shows_the_help_and_ends_with_2(cli: Any) -> None:
    done = cli()
    assert (done.code, done.out) == (2, cli("--help").out)


def test_the_version_is_that_of_the_distribution(cli: Any) -> None:
    from importlib.metadata import version

    assert cli("--version").out == f"lake {version('polars-lakehouse')}\n"


def imported(code: str, folder: Path) -> set[str]:
    """The modules that are loaded once the code has run in a process of its own."""
    script = f"import sys\n{code}\nprint('MODULES', *{{name.partition('.')[0] for name in sys.modules}})"
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    return set(done.stdout.rpartition("MODULES ")[2].split())


def test_help_loads_no_engine(cli: Any) -> None:
    code = "\n".join(
        f"from lakehouse.cli import run; assert run({args!r}) == 0"
        for args in (["--help"], *([command, "-h"] for command in COMMANDS))
    )
    assert imported(code, cli.folder).isdisjoint({"polars", "duckdb", "pyarrow", "rich"})


def test_status_loads_no_engine_but_what_the_lakefile_imports(cli: Any) -> None:
    """Polars comes with the lakefile; DuckDB, PyArrow and rich do not."""
    cli("materialize", "2018-01..2018-02")
    code = "from lakehouse.cli import run; assert run(['status', '2018-01..2018-02', '--check']) == 0"
    loaded = imported(code, cli.folder)
    assert "polars" in loaded
    assert loaded.isdisjoint({"duckdb", "pyarrow", "rich"})


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("lake mat", {"materialize"}),
        ("lake materialize --fo", {"--force", "--format"}),
        ("lake query --format n", {"ndjson"}),
    ],
)
def test_shells_complete_commands_options_and_choices(
    cli: Any, words: str, offered: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a look at the project's own code, which may be broken."""
    cli.write("1 / 0\n")
    monkeypatch.setenv("_LAKE_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
    assert {line.partition(",")[2] for line in cli().out.splitlines()} == offered
