"""What the commands print for machines: the fields are only ever added to."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

RESULT = {
    "asset", "key", "partition", "result", "reason", "row_count", "size_bytes", "data_version", "path", "schema",
    "duration_ms", "preview", "checks", "error",
}  # fmt: skip
SUMMARY = {"created", "replaced", "unchanged", "fresh", "blocked", "failed", "skipped"}
PARTITION = {"key", "status", "row_count", "size_bytes", "made_at", "reasons", "last_attempt"}


def test_materialize_tells_the_run_and_each_partition(cli: Any) -> None:
    done = cli("materialize", "2018-02", "--json")
    assert (done.code, done.err) == (0, "")
    run = done.json
    assert {name: run[name] for name in ("schema_version", "ok", "exit_code", "dry_run", "error")} == {
        "schema_version": 1,
        "ok": True,
        "exit_code": 0,
        "dry_run": False,
        "error": None,
    }
    assert run["run_id"].startswith("20261120T091700-")
    assert isinstance(run["duration_ms"], int)
    assert set(run["summary"]) == SUMMARY
    assert run["summary"] == dict.fromkeys(SUMMARY, 0) | {"created": 1}
    (result,) = run["results"]
    assert set(result) >= RESULT
    file = cli.folder / "data/lake/monthly_orders/partition_date=2018-02/part.parquet"
    assert {name: result[name] for name in RESULT - {"data_version", "duration_ms"}} == {
        "asset": "monthly_orders",
        "key": "2018-02",
        "partition": {"partition_date": "2018-02"},
        "result": "created",
        "reason": "missing",
        "row_count": 2,
        "size_bytes": file.stat().st_size,
        "path": "monthly_orders/partition_date=2018-02/part.parquet",
        "schema": [{"name": "status", "type": "str"}, {"name": "order_num", "type": "i64"}],
        "preview": [{"status": "completed", "order_num": 26}, {"status": "return_pending", "order_num": 1}],
        "checks": [],
        "error": None,
    }


def test_materialize_counts_what_was_fresh_unchanged_and_failed(cli: Any) -> None:
    cli("materialize", "2018-01..2018-02")
    fresh = cli("materialize", "2018-01..2018-03", "--json").json
    assert fresh["summary"] == dict.fromkeys(SUMMARY, 0) | {"created": 1, "fresh": 2}
    assert [result["result"] for result in fresh["results"]] == ["fresh", "fresh", "created"]
    forced = cli("materialize", "2018-01..2018-04", "--force", "--json").json
    assert forced["summary"] == dict.fromkeys(SUMMARY, 0) | {"created": 1, "unchanged": 3}
    assert [result["preview"] for result in forced["results"]] == [[], [], [], []]
    text = (cli.folder / "lakefile.py").read_text()
    cli.write(text.replace("    return stg_orders.group_by", "    1 / 0\n    return stg_orders.group_by"))
    done = cli("materialize", "2018-02", "--json")
    assert done.code == 1
    assert (done.json["ok"], done.json["exit_code"]) == (False, 1)
    assert done.json["summary"] == dict.fromkeys(SUMMARY, 0) | {"failed": 1}
    error = done.json["results"][0]["error"]
    assert error["code"] == "asset-raised"
    assert error["context"] == {"exception": "ZeroDivisionError", "message": "division by zero"}


def test_nothing_to_do_has_the_same_shape(cli: Any) -> None:
    run = cli("materialize", "--stale", "--json").json
    assert (run["ok"], run["run_id"], run["results"]) == (True, None, [])
    assert run["summary"] == dict.fromkeys(SUMMARY, 0)


def test_a_dry_run_is_the_plan(cli: Any) -> None:
    cli("materialize", "2018-01")
    run = cli("materialize", "2018-01..2018-02", "-n", "--json").json
    assert (run["schema_version"], run["ok"], run["exit_code"], run["dry_run"]) == (1, True, 0, True)
    assert run["plan"] == [
        {"asset": "monthly_orders", "key": "2018-01", "action": "keep", "reason": "fresh"},
        {"asset": "monthly_orders", "key": "2018-02", "action": "make", "reason": "missing"},
    ]


def test_ndjson_tells_of_each_partition_while_it_runs(cli: Any) -> None:
    """One object a line, numbered from 0, instants never going back; each partition starts before it finishes."""
    cli("materialize", "2018-01")
    done = cli("materialize", "2018-01..2018-03", "--format", "ndjson")
    events = [json.loads(line) for line in done.out.splitlines()]
    assert [event["seq"] for event in events] == list(range(len(events)))
    assert [event["ts"] for event in events] == sorted(event["ts"] for event in events)
    assert all(event["ts"].endswith("Z") for event in events)
    kinds = [(event["event"], event.get("key")) for event in events]
    assert kinds[0] == ("run_started", None)
    assert kinds[-1] == ("run_finished", None)
    assert kinds.count(("partition_finished", "2018-01")) == 1
    for key in ("2018-02", "2018-03"):
        assert kinds.index(("partition_started", key)) < kinds.index(("partition_finished", key))
    assert set(events[-2]) >= RESULT - {"preview"}
    assert {name: events[-1][name] for name in ("ok", "exit_code", "dry_run")} == {
        "ok": True,
        "exit_code": 0,
        "dry_run": False,
    }
    assert events[-1]["summary"] == dict.fromkeys(SUMMARY, 0) | {"created": 2, "fresh": 1}


def test_status_tells_each_partition_with_its_reasons(cli: Any) -> None:
    from commandline import ORDERS

    cli("materialize", "2018-01..2018-02 2018-05")
    cli.orders(ORDERS | {"2018-02": {"completed": 1}}, age=timedelta(hours=1))
    cli("materialize", "2018-01 2018-05")
    status = cli("status", "2018-01..2018-05", "--json").json
    assert status["schema_version"] == 1
    (asset,) = status["assets"]
    assert {name: asset[name] for name in ("asset", "first", "last", "counts", "failed_attempts")} == {
        "asset": "monthly_orders",
        "first": "2018-01",
        "last": "2026-10",
        "counts": {"fresh": 1, "empty": 1, "stale": 1, "missing": 2, "unrecorded": 0, "orphaned": 0},
        "failed_attempts": 0,
    }
    assert all(set(partition) >= PARTITION for partition in asset["partitions"])
    by_key = {partition["key"]: partition for partition in asset["partitions"]}
    assert {key: partition["status"] for key, partition in by_key.items()} == {
        "2018-01": "fresh",
        "2018-02": "stale",
        "2018-03": "missing",
        "2018-04": "missing",
        "2018-05": "empty",
    }
    assert by_key["2018-02"]["reasons"] == [{"code": "source_changed", "input": "raw_orders"}]
    assert by_key["2018-03"]["made_at"] is None
    assert by_key["2018-01"]["made_at"] == "2026-11-20T09:17:00.000000Z"
    assert by_key["2018-01"]["row_count"] == 3


def test_status_tells_of_a_failed_attempt_beside_the_state(cli: Any) -> None:
    cli("materialize", "2018-02")
    text = (cli.folder / "lakefile.py").read_text()
    cli.write(text.replace("    return stg_orders.group_by", "    1 / 0\n    return stg_orders.group_by"))
    cli("materialize", "2018-02")
    (asset,) = cli("status", "2018-02", "--json").json["assets"]
    (partition,) = asset["partitions"]
    assert asset["failed_attempts"] == 1
    assert partition["status"] == "stale"
    assert partition["row_count"] == 2
    assert partition["last_attempt"]["result"] == "failed"
    assert partition["last_attempt"]["error"]["code"] == "asset-raised"


def test_check_ends_with_3_and_prints_the_same_object(cli: Any) -> None:
    done = cli("status", "2018-02", "--check", "--json")
    assert done.code == 3
    assert done.json["assets"][0]["counts"]["missing"] == 1


def test_show_tells_facts_schema_and_rows(cli: Any) -> None:
    unmade = cli("show", "monthly_orders", "--json").json
    assert (unmade["schema_version"], unmade["asset"], unmade["key"]) == (1, "monthly_orders", None)
    assert (unmade["preview"], unmade["schema"]) == ([], [])
    cli("materialize", "2018-01..2018-02")
    shown = cli("show", "monthly_orders", "2018-02", "--rows", "1", "--json").json
    assert shown["schema"] == [{"name": "status", "type": "str"}, {"name": "order_num", "type": "i64"}]
    assert shown["preview"] == [{"status": "completed", "order_num": 26}]
    assert (shown["status"], shown["row_count"], shown["partitions"], shown["rows"]) == ("fresh", 2, 2, 5)
    assert shown["reads"] == ["stg_orders <- raw_orders (data/raw_orders.csv)"]


@pytest.mark.parametrize("form", ["json", "ndjson"])
def test_rows_of_a_query_are_objects(cli: Any, form: str) -> None:
    """As DuckDB counts, so does Polars over the CSV."""
    cli("materialize", "2018")
    sql = "SELECT partition_date, sum(order_num) AS n FROM monthly_orders GROUP BY ALL ORDER BY ALL"
    out = cli("query", sql, "--format", form).out
    rows = json.loads(out) if form == "json" else [json.loads(line) for line in out.splitlines()]
    orders = pl.read_csv(cli.folder / "data/raw_orders.csv")
    counted = (
        orders.group_by(pl.col("order_date").str.head(7).alias("partition_date")).len("n").sort("partition_date")
    )
    assert rows == counted.to_dicts()


def test_json_is_utf_8_whatever_the_locale(cli: Any) -> None:
    assert cli("query", "SELECT 'é€' AS x", "--json").out == '[\n {"x": "é€"}\n]\n'
