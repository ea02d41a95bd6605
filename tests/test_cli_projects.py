"""Which lake a command is about: the nearest definitions upward, wherever it is called from."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

FILE = "data/lake/monthly_orders/partition_date=2018-02/part.parquet"


def moved(cli: Any, name: str) -> Path:
    """The project, one folder further down."""
    folder: Path = cli.folder / name
    folder.mkdir(parents=True)
    for part in ("lakefile.py", "data"):
        shutil.move(cli.folder / part, folder / part)
    return folder


def test_definitions_are_found_in_a_folder_above_and_paths_are_relative_to_it(
    cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The path of what was made is shown from where the person stands, else whole."""
    below = cli.folder / "notebooks/deep"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    done = cli("materialize", "2018-02")
    assert done.code == 0
    assert (cli.folder / FILE).is_file()
    assert done.out.splitlines()[1] == f"  {cli.folder / FILE}"
    assert not any(below.iterdir())


def test_the_nearest_definitions_win(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cli.write("raise RuntimeError('the outer one')\n")
    inner = cli.folder / "inner"
    assert cli("init", "inner").code == 0
    monkeypatch.chdir(inner)
    assert cli("status", "2018-02").code == 0


@pytest.mark.parametrize("args", [("-C", "shop", "materialize", "2018-02"), ("materialize", "-C", "shop", "2018-02")])
def test_another_folder_is_named_before_or_after_the_command(cli: Any, args: tuple[str, ...]) -> None:
    folder = moved(cli, "shop")
    done = cli(*args)
    assert done.code == 0
    assert (folder / FILE).is_file()
    assert done.out.splitlines()[1] == f"  shop/{FILE}"


@pytest.mark.parametrize("args", [("-C", "sub", "init", "shop", "--blank"), ("init", "-C", "sub", "shop", "--blank")])
def test_init_takes_the_folder_alike(cli: Any, args: tuple[str, ...]) -> None:
    assert cli(*args).code == 0
    assert (cli.folder / "sub/shop/lakefile.py").is_file()


@pytest.mark.parametrize("named", ["shop/lakefile.py", "shop/lakefile.py:lake"])
def test_the_environment_names_a_file_and_its_folder_is_the_project(
    cli: Any, named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = moved(cli, "shop")
    monkeypatch.setenv("LAKE_DEFINITIONS", named)
    assert cli("materialize", "2018-02").code == 0
    assert (folder / FILE).is_file()


def test_the_environment_names_a_module_of_the_folder(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    os.renames(cli.folder / "lakefile.py", cli.folder / "shop_by_environment/pond.py")
    monkeypatch.setenv("LAKE_DEFINITIONS", "shop_by_environment.pond:lake")
    assert cli("materialize", "2018-02").code == 0
    assert (cli.folder / FILE).is_file()


def test_the_environment_may_name_what_is_not_there(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LAKE_DEFINITIONS", "nowhere.py")
    assert cli("status").err == f"error[project-missing]: {cli.folder}/nowhere.py does not exist\n"
    monkeypatch.setenv("LAKE_DEFINITIONS", "no_such_module_at_all:lake")
    assert "ModuleNotFoundError: No module named 'no_such_module_at_all'" in cli("status").err


def test_pyproject_names_the_definitions(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder is the project's; a `pyproject.toml` that names none is passed over."""
    text = (
        (cli.folder / "lakefile.py")
        .read_text()
        .replace('\nlake = Lake("data/lake")', '\nlake = pond = Lake("data/lake")')
    )
    (cli.folder / "lakefile.py").unlink()
    cli.write(text, "shop_by_pyproject/definitions.py")
    cli.write('[tool.lake]\ndefinitions = "shop_by_pyproject.definitions:pond"\n', "pyproject.toml")
    cli.write('[project]\nname = "other"\n', "below/pyproject.toml")
    monkeypatch.chdir(cli.folder / "below")
    assert cli("materialize", "2018-02").code == 0
    assert (cli.folder / FILE).is_file()


def test_a_pyproject_that_is_no_toml_is_told(cli: Any) -> None:
    (cli.folder / "lakefile.py").unlink()
    cli.write("[tool.lake\n", "pyproject.toml")
    done = cli("status")
    assert done.code == 2
    assert done.err.startswith(f"error[project-unreadable]: {cli.folder}/pyproject.toml: ")


def test_a_lakefile_imports_modules_beside_it(cli: Any) -> None:
    """Also such as are named like modules of this package or of the standard library that is not loaded yet."""
    text = (cli.folder / "lakefile.py").read_text()
    cli.write("NAMES = {'id': 'order_id'}\n", "selection.py")
    cli.write(
        "from selection import NAMES\n\n\ndef renamed(frame):\n    return frame.rename(NAMES)\n",
        "shop_helpers/__init__.py",
    )
    cli.write(
        "import shop_helpers\n"
        + text.replace('raw_orders.rename({"id": "order_id"})', "shop_helpers.renamed(raw_orders)")
    )
    assert cli("materialize", "2018-02").code == 0
    assert cli("status", "2018-02", "--check").code == 0
    cli.write(
        "from selection import NAMES\n\n\ndef renamed(frame):\n    return frame.rename(NAMES).head(1)\n",
        "shop_helpers/__init__.py",
    )


def test_definitions_named_like_another_module_do_not_take_its_place(
    cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import json

    (cli.folder / "lakefile.py").rename(cli.folder / "json.py")
    monkeypatch.setenv("LAKE_DEFINITIONS", "json.py")
    done = cli("materialize", "2018-02", "--json")
    assert done.code == 0
    assert json.loads(done.out)["ok"] is True


def test_a_lakefile_that_was_just_changed_is_read_anew(cli: Any) -> None:
    """Same size, same second: byte code would count as current. None is kept."""
    text = (cli.folder / "lakefile.py").read_text()
    second = 1_790_000_000
    for text_now, column in ((text, "order_num"), (text.replace("order_num", "order_cnt"), "order_cnt")):
        os.utime(cli.write(text_now), (second, second))
        done = cli("materialize", "2018-02", "--json", "--force", "--allow-schema-change")
        assert done.json["results"][0]["schema"][1]["name"] == column
    assert not (cli.folder / "__pycache__").exists()


def test_classes_of_a_lakefile_find_their_module(cli: Any) -> None:
    head = (
        "from __future__ import annotations\n\nfrom dataclasses import dataclass\nfrom typing import ClassVar\n\n\n"
    )
    head += "@dataclass(slots=True)\nclass Rate:\n    kind: ClassVar[str] = 'rate'\n    value: int = 1\n\n\n"
    cli.write(head + (cli.folder / "lakefile.py").read_text())
    assert cli("status", "2018-02").code == 0


def test_an_edit_that_keeps_size_and_time_of_a_helper_module_is_seen(cli: Any) -> None:
    """Python would run its byte code of before: it tells files by size and whole seconds."""
    text = (cli.folder / "lakefile.py").read_text()
    cli.write(
        text.replace("pl.len().cast(pl.Int64)", "pl.len().cast(pl.Int64) * RATE").replace(
            "import polars as pl", "import polars as pl\nfrom demo_rates import RATE"
        )
    )
    for rate, expected in ((1, "created"), (9, "replaced")):
        helper = cli.folder / "demo_rates.py"
        helper.write_text(f"RATE = {rate}\n")
        os.utime(helper, (1e9, 1e9))
        sys.modules.pop("demo_rates", None)
        assert expected in cli("materialize", "2018-02").out
    assert not list(cli.folder.glob("__pycache__/demo_rates*"))
