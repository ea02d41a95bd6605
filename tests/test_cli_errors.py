"""What a person reads when something is wrong: to the letter, with the exit code, and with nothing changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

REQUESTS: dict[str, tuple[str, ...]] = {
    "bad-month": ("materialize", "2018-13"),
    "bad-key": ("materialize", "2018-02-15"),
    "before-start": ("materialize", "2017-12"),
    "not-ended": ("materialize", "2026-11"),
    "not-begun": ("materialize", "2027-02"),
    "range-reversed": ("materialize", "2018-04..2018-02"),
    "range-end-outside": ("materialize", "2018-11..2027-01"),
    "pattern-unmatched": ("materialize", "2017-*"),
    "asset-unknown": ("materialize", "2018-02", "-a", "monthly_order"),
    "asset-is-a-source": ("status", "raw_orders"),
    "all-with-selection": ("materialize", "2018-02", "--all"),
    "nothing-asked": ("materialize",),
    "except-bad": ("materialize", "2018", "--except", "2018-14"),
    "command-unknown": ("materialise", "2018-02"),
    "command-unlike-any": ("frobnicate",),
    "option-unknown": ("materialize", "2018-02", "--forced"),
    "option-unlike-any": ("status", "--zzz"),
    "option-value": ("materialize", "2018-02", "--preview", "many"),
    "argument-missing": ("show",),
    "show-unknown": ("show", "monthly_ordres"),
    "show-many": ("show", "monthly_orders", "2018"),
    "status-unknown": ("status", "monthly_order"),
    "query-copy": ("query", "COPY monthly_orders TO 'out.csv'"),
    "query-attach": ("query", "ATTACH 'other.db'"),
    "query-two-statements": ("query", "SELECT 1; SELECT 2"),
    "query-function": ("query", "SELECT * FROM read_csv('data/raw_orders.csv')"),
    "query-unknown-table": ("query", "SELECT *\nFROM monthly_order"),
    "query-syntax": ("query", "SELEC 1"),
    "query-fails": ("query", "SELECT CAST(status AS INTEGER) FROM monthly_orders"),
    "query-input-missing": ("query", "-i", "report.sql"),
    "query-given-twice": ("query", "SELECT 1", "-i", "report.sql"),
    "query-output-in-lake": ("query", "SELECT 1", "-o", "data/lake/monthly_orders/one.csv"),
    "folder-missing": ("status", "-C", "elsewhere"),
    "init-taken": ("init",),
}


def held(cli: Any, name: str, *args: str, code: int) -> None:
    """The command ends with the code and the golden text; no file of the Hive tree is touched."""
    before = cli.hive()
    done = cli(*args)
    assert done.code == code
    assert "Traceback" not in done.out + done.err
    assert f"error[{'' if code else 'none'}" in done.err
    assert cli.hive() == before
    assert before
    cli.golden(f"error-{name}", done)


@pytest.fixture
def made(cli: Any) -> Any:
    """The project with January to March made an hour ago."""
    assert cli("materialize", "2018-01..2018-03", "-q").code == 0
    return cli


@pytest.mark.parametrize("name", REQUESTS)
def test_a_wrong_request_is_refused_with_the_fix_and_changes_nothing(made: Any, name: str) -> None:
    held(made, name, *REQUESTS[name], code=2)


@pytest.mark.parametrize("name", ["bad-month", "option-unknown", "query-copy", "show-unknown"])
def test_an_error_is_one_json_object_on_stdout_where_json_is_asked_for(made: Any, name: str) -> None:
    for form in (["--json"], ["--format", "ndjson"], ["--format=json"]):
        if "ndjson" in form and name == "show-unknown":
            continue  # it has no such format
        done = made(*REQUESTS[name], *form)
        assert done.code == 2
        assert done.err == ""
        assert set(done.json) == {"schema_version", "ok", "exit_code", "error"}
        assert (done.json["schema_version"], done.json["ok"], done.json["exit_code"]) == (1, False, 2)
        assert set(done.json["error"]) == {"code", "message", "details", "help", "context"}


def test_the_json_error_carries_the_facts(made: Any) -> None:
    error = made("materialize", "2017-12", "--json").json["error"]
    assert error["code"] == "partition-before-start"
    assert error["help"] == 'first key is 2018-01; for older data set start="2017-12" (lakefile.py:20)'
    assert error["context"] == {"asset": "monthly_orders", "key": "2017-12", "first": "2018-01", "last": "2026-10"}


DEFINITIONS: dict[str, Callable[[str], str]] = {
    "syntax": lambda text: text + "def broken(:\n",
    "raises": lambda text: text + "\n\ndef rate(of):\n    return {}[of]\n\n\nRATE = rate('EUR')\n",
    "import-missing": lambda text: "import no_such_module_anywhere\n" + text,
    "exits": lambda text: text + "\n\nraise SystemExit(0)\n",
    "no-lake": lambda text: text.replace("lake = Lake", "pond = Lake").replace("lake.", "pond."),
    "lake-is-no-lake": lambda text: text + "\n\nlake = 'data/lake'\n",
    "upstream-unknown": lambda text: text.replace("def monthly_orders(stg_orders", "def monthly_orders(stg_order"),
    "cycle": lambda text: (
        text.replace("def stg_orders(raw_orders", "def stg_orders(other)  # (").replace("  # (: pl.LazyFrame)", "")
        + "\n\n@lake.view\ndef other(stg_orders):\n    return stg_orders\n"
    ),
    "name-taken": lambda text: text + "\n\n@lake.view\ndef monthly_orders(raw_orders):\n    return raw_orders\n",
    "start-bad": lambda text: text.replace('Monthly("2018-01")', 'Monthly("2018-13")'),
    "no-assets": lambda text: text.partition("@lake.asset")[0],
}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_wrong_definitions_are_told_with_file_and_line_and_change_nothing(made: Any, name: str) -> None:
    text = (made.folder / "lakefile.py").read_text()
    made.write(DEFINITIONS[name](text))
    held(made, f"definitions-{name}", "materialize", "2018-02", "--force", code=2)


def test_without_a_project_the_way_to_one_is_told(made: Any) -> None:
    (made.folder / "lakefile.py").unlink()
    held(made, "project-missing", "status", code=2)


def test_a_missing_source_is_named_with_what_needs_it(made: Any) -> None:
    (made.folder / "data/raw_orders.csv").unlink()
    held(made, "source-missing", "materialize", "2018-02", "--force", code=5)
    held(made, "source-missing-dry-run", "materialize", "2018", "-n", code=5)


def test_a_malformed_source_is_told_by_line_column_and_value(made: Any) -> None:
    lines = (made.folder / "data/raw_orders.csv").read_text().splitlines()
    lines[2] = "2,102,2018-13-99,completed"
    lines[3] = "3,x,2018-01-04,completed"
    lines[4] = "4,104,2018-01-05"
    made.write("\n".join(lines) + "\n", "data/raw_orders.csv")
    held(made, "source-malformed", "materialize", "2018-02", code=5)


def failing(cli: Any) -> None:
    """From now on the function is called once a key, and divides by zero for March."""
    text = (cli.folder / "lakefile.py").read_text()
    text = text.replace("(stg_orders: pl.LazyFrame)", "(stg_orders: pl.LazyFrame, partition)")
    text = text.replace('group_by("partition_date", "status")', 'group_by("status")')
    text = text.replace(
        '    """Orders a month by status."""\n',
        '    """Orders a month by status."""\n    returned, placed = 1, int(partition.key != "2018-03")\n'
        "    ratio = returned / placed\n",
    )
    cli.write(text)


def test_a_function_that_raises_is_told_by_the_users_own_lines_and_keeps_the_data(made: Any) -> None:
    failing(made)
    held(made, "asset-raised", "materialize", "2018-03", code=1)


def test_one_that_fails_among_four_stops_none_of_the_others(made: Any) -> None:
    """The cause comes last, with what was kept; the others are published."""
    failing(made)
    before = made.hive()
    done = made("materialize", "2018-01..2018-04")
    made.golden("one-fails-of-four", done, made("status", "2018"), made("status", "2018", "--why"))
    assert done.code == 1
    after = made.hive()
    march = "data/lake/monthly_orders/partition_date=2018-03/part.parquet"
    april = march.replace("2018-03", "2018-04")
    assert after[march] == before[march]
    assert set(after) == {*before, april}


def test_fail_fast_leaves_the_rest_unbegun_and_says_so(made: Any) -> None:
    failing(made)
    made.golden("fail-fast", made("materialize", "2018-03..2018-06", "--fail-fast"))


def test_what_reads_a_failed_partition_is_skipped(made: Any) -> None:
    failing(made)
    reader = "def yearly(monthly_orders: pl.LazyFrame) -> pl.LazyFrame:\n    return monthly_orders\n"
    text = (made.folder / "lakefile.py").read_text()
    made.write(f'{text}\n\n@lake.asset(partitions=Monthly("2018-01"))\n{reader}')
    done = made("materialize", "2018-03")
    assert done.code == 1
    made.golden("upstream-failed", done)


def test_a_file_that_somebody_else_put_there_is_not_replaced(made: Any) -> None:
    file = made.folder / "data/lake/monthly_orders/partition_date=2018-03/part.parquet"
    other = file.with_name("other")
    other.write_bytes(b"PAR1")
    other.replace(file)
    held(made, "unrecorded", "materialize", "2018-03", code=1)


def test_a_bug_is_told_as_one(made: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 70, with a traceback on stderr: it is ours to read."""
    from lakehouse.lake import Lake

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("impossible")

    monkeypatch.setattr(Lake, "survey", broken)
    done = made("status")
    assert done.code == 70
    assert done.err.endswith(
        "error[bug]: RuntimeError: impossible\n  help: this is a bug in lake; please report it\n"
    )
    as_json = made("status", "--json")
    assert (as_json.code, as_json.json["exit_code"], as_json.json["error"]["code"]) == (70, 70, "bug")


def test_verbose_adds_the_traceback(made: Any) -> None:
    made.write("1 / 0\n")
    assert "Traceback" not in made("status").err
    assert made("status", "-v").err.rstrip().endswith("ZeroDivisionError: division by zero")


def test_verbose_adds_the_traceback_of_a_function_that_raised(made: Any) -> None:
    failing(made)
    assert "Traceback" not in made("materialize", "2018-03").err
    told = made("materialize", "2018-03", "-v").err
    assert told.startswith("Traceback (most recent call last):")
    assert "error[asset-raised]: monthly_orders 2018-03: ZeroDivisionError" in told
