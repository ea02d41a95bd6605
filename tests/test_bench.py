"""The benchmarks run, and compare the same work: every contender is held to have made the same rows."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest

ROOT = Path(__file__).parent.parent
BENCH = ROOT / "tests" / "bench"
FLOOR, DUCKDB, PYARROW = "bare Polars", "DuckDB COPY", "PyArrow write_dataset"
LAKE, AGAIN = "lake", "lake, made again (--force)"
COUNTED = [FLOOR, f"{FLOOR}, then fsync", f"{FLOOR}, dt.truncate", DUCKDB, PYARROW, LAKE, AGAIN]
SORTED = [f"{FLOOR}, each file sorted", f"{DUCKDB}, ORDER BY", "lake, sorted"]
STEPS = 8
LAYOUTS, QUESTIONS = 5, 5


def run(*command: str) -> str:
    """What a command of the benchmarks prints."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, *command], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def measured(data: Path, cases: str) -> tuple[dict[str, Any], str]:
    """The figures of some cases at a hundredth of their size, with whom every checkout has; and the printed page."""
    file = data / f"{cases}.json"
    options = ["--quick", "--data", str(data), "--json", str(file), "--peers", "duckdb,pyarrow", "--dagster", ""]
    page = run(str(BENCH), "--cases", cases, *options)
    return json.loads(file.read_text(encoding="utf-8")), page


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the orders are kept for all of these tests."""
    return tmp_path_factory.mktemp("bench")


def names(results: dict[str, Any]) -> dict[str, list[str]]:
    """The contenders of each case; but for those of a call that this checkout may not have."""
    return {
        case["key"]: [one["name"] for one in case["contenders"] if one["name"] != "lake, write_partitions"]
        for case in results["cases"]
    }


def require_sound(results: dict[str, Any], *, compared: bool) -> None:
    """Each contender has figures, and where rows are compared, all made what the source says."""
    for case in results["cases"]:
        for one in case["contenders"]:
            assert one["failed"] is None, (case["key"], one)
            assert one["figures"], (case["key"], one["name"])
            assert all(value > 0 for figure in one["figures"] for value in figure.values()), (case["key"], one)
            assert one["same_rows"] is (True if compared else None), (case["key"], one["name"])


def test_all_who_count_or_split_the_orders_make_the_same_rows(data: Path) -> None:
    """a to d: one month, all months, over the CSV, all rows; the results also print as a table again."""
    results, page = measured(data, "a,b,c,d")
    require_sound(results, compared=True)
    split = [FLOOR, f"{FLOOR}, then fsync", f"{FLOOR}, in memory", DUCKDB]
    assert names(results) == {
        **{f"a {kind}": [FLOOR, DUCKDB, PYARROW, LAKE, AGAIN] for kind in ("unsorted", "by_date")},
        **{f"b {kind}": COUNTED for kind in ("unsorted", "by_date")},
        "c": COUNTED,
        "d unsorted": [*split, PYARROW, LAKE, *SORTED],
        "d by_date": [*split, LAKE, *SORTED],
    }
    assert results["conditions"]["rows"] == 200_000
    assert {"polars", "duckdb", "pyarrow"} <= results["conditions"]["versions"].keys()
    assert run(str(BENCH / "table.py"), str(data / "a,b,c,d.json")) == page
    assert "other rows" not in page


def test_many_rows_many_partitions_and_the_demo_are_measured(data: Path) -> None:
    """e: a million rows in pieces; f: lakes of few and of a thousand partitions; g: the demo."""
    results, _ = measured(data, "e,f,g")
    told = names(results)
    assert told.keys() == {"e", "f", "g", "g help"}
    assert told["e"] == [FLOOR, DUCKDB, PYARROW, LAKE, *SORTED]
    assert len(told["f"]) == 3 * 3
    assert len(told["g"]) == 5
    by_key = {case["key"]: case for case in results["cases"]}
    for key, compared in (("e", True), ("f", False), ("g", True)):
        require_sound({"cases": [by_key[key]]}, compared=compared)


def test_each_safety_step_can_be_left_out_and_its_cost_be_told(data: Path) -> None:
    """A step that is called otherwise by now would cost nothing: then what leaves it out fails, and so does this."""
    results, page = measured(data, "steps")
    require_sound(results, compared=True)
    assert {key: len(found) for key, found in names(results).items()} == {"steps months": STEPS, "steps split": STEPS}
    assert "CPU saved" in page


def test_a_step_that_never_comes_cannot_be_left_out(tmp_path: Path) -> None:
    """One month alone is not probed, so that leaving the probe out fails; leaving the hash out does not."""
    source = run(str(BENCH / "generate.py"), str(tmp_path), "1000", "unsorted").strip()
    for step, code in (("probe", 1), ("hash", 0)):
        command = [sys.executable, str(BENCH / "contenders/ablated.py"), step, "month", source, str(tmp_path / step)]
        done = subprocess.run(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, check=False)
        assert done.returncode == code, (step, done.stderr.decode())


def test_readers_find_the_same_rows_in_every_layout(data: Path) -> None:
    """Each question is asked of each layout in both engines, which fails where two answers differ."""
    results, _ = measured(data, "readers")
    require_sound(results, compared=True)
    assert [len(found) for found in names(results).values()] == [LAYOUTS] * QUESTIONS * 2


@pytest.mark.skipif(shutil.which("strace") is None and "CI" not in os.environ, reason="strace counts what is read")
def test_what_is_read_of_a_source_is_counted(data: Path) -> None:
    """The lake's first run reads all of the file, for its digest; a second one does not."""
    results, _ = measured(data, "bytes")
    require_sound(results, compared=True)
    size = next(data.glob("orders-200000-*/unsorted.parquet")).stat().st_size
    read = {one["name"]: one["figures"][0]["read_bytes"] for one in results["cases"][0]["contenders"]}
    assert read[LAKE] > size
    assert 0 < read[FLOOR] < size


def test_rows_that_are_others_are_seen(tmp_path: Path) -> None:
    """One row lost, doubled, or in another month is told from what is to be there."""
    rows = pl.DataFrame(
        {
            "order_id": [1, 2],
            "customer_id": [1, 1],
            "order_date": [date(2018, 2, 1), date(2018, 3, 1)],
            "status": ["placed", "placed"],
            "amount": [100, 200],
        }
    )
    source = tmp_path / "orders.parquet"
    rows.write_parquet(source)

    def told(*parts: tuple[str, pl.DataFrame]) -> str:
        target = tmp_path / "made"
        shutil.rmtree(target, ignore_errors=True)
        for month, part in parts:
            part.write_parquet(target / f"partition_date={month}" / "part.parquet", mkdir=True)
        return run(str(BENCH / "same_rows.py"), "split", str(source), str(target))

    expected = run(str(BENCH / "same_rows.py"), "split", str(source))
    first, second = rows[:1], rows[1:]
    assert told(("2018-02", first), ("2018-03", second)) == expected
    assert told(("2018-02", first)) != expected
    assert told(("2018-02", pl.concat([first, first])), ("2018-03", second)) != expected
    assert told(("2018-02", second), ("2018-03", first)) != expected


def test_the_orders_are_the_same_whenever_they_are_made(tmp_path: Path) -> None:
    """Made twice, as one file, sorted, as a CSV or in pieces: the same rows, in every month of five years."""
    facts = set()
    for folder, kind in (
        ("one", "unsorted"),
        ("two", "unsorted"),
        ("one", "by_date"),
        ("one", "csv"),
        ("one", "pieces"),
    ):
        path = run(str(BENCH / "generate.py"), str(tmp_path / folder), "30000", kind).strip()
        source = f"{path}/*.parquet" if kind == "pieces" else path
        facts.add(run(str(BENCH / "same_rows.py"), "split", source))
    (found,) = facts
    assert found.startswith("60 months, 30000 rows, ")
    rows = pl.read_parquet(next(tmp_path.glob("one/*/unsorted.parquet")))
    assert rows["order_id"].to_list() == list(range(1, 30_001))
    # As plain integers in Python give it. Other rows need another RECIPE, or kept ones would be taken for them.
    assert (rows["customer_id"].sum(), rows["amount"].sum()) == (748_804_351, 152_924_600)
    assert rows["order_date"].to_physical().sum() == 553_176_583
    counts = {"completed": 21_587, "shipped": 3_673, "placed": 2_362, "returned": 1_495, "return_pending": 883}
    assert dict(rows["status"].value_counts().iter_rows()) == counts
