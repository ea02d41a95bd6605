"""Definitions and sources are looked at, each fault is named with its cure, and nothing is written."""

from __future__ import annotations

from typing import Any

import pytest

from lakehouse.cli.validate import _exit_code
from lakehouse.errors import DefinitionError, SourceError
from lakehouse.validate import Finding


@pytest.fixture(autouse=True)
def cache(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(cli.folder / "cache"))


def test_all_in_order(cli: Any) -> None:
    done = cli("validate")
    assert (done.code, done.err) == (0, "")
    assert not (cli.folder / "data/lake").exists()
    assert cli("validate", "--quiet").out == ""
    cli.golden("validate", done)


def test_a_source_that_is_missing_ends_with_5(cli: Any) -> None:
    (cli.folder / "data/raw_orders.csv").unlink()
    done = cli("validate")
    assert done.code == 5
    assert "data/raw_orders.csv does not exist" in done.out
    found = cli("validate", "--json")
    assert (found.code, found.json["ok"], found.json["exit_code"]) == (5, False, 5)
    assert found.json["findings"][0]["subject"] == "raw_orders"
    assert found.json["findings"][0]["error"]["code"] == "source-missing"


def test_a_column_that_the_header_lacks_is_named(cli: Any) -> None:
    path = cli.folder / "data/raw_orders.csv"
    path.write_text(path.read_text().replace("user_id", "customer_id", 1))
    done = cli("validate")
    assert done.code == 5
    assert "user_id" in done.out


def test_a_function_that_names_a_column_that_is_not_there_is_found_without_data(cli: Any) -> None:
    lakefile = cli.folder / "lakefile.py"
    lakefile.write_text(lakefile.read_text().replace('"partition_date", "status"', '"partition_date", "state"'))
    done = cli("validate")
    assert done.code not in (0, 70)
    assert "monthly_orders" in done.out
    assert "state" in done.out


def test_the_graver_of_two_errors_decides() -> None:
    def finding(error: Any) -> Finding:
        return Finding(subject="x", severity="error", message=error.message, help="", error=error)

    source, definition = finding(SourceError("gone")), finding(DefinitionError("wrong"))
    warning = Finding(subject="x", severity="warning", message="hm", help="", error=None)
    cases = [], [warning], [source], [definition, warning], [source, definition]
    assert [_exit_code(found) for found in cases] == [0, 0, 5, 2, 2]


def test_a_deep_look_writes_nothing_into_the_lake_either(cli: Any) -> None:
    assert cli("validate", "--deep").code == 0
    assert not (cli.folder / "data/lake").exists()
