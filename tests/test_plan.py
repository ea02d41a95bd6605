"""Laws of plans: which partitions are made, and each one's reason in words."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from lakehouse.fold import KeyState
from lakehouse.plan import make_plan, matches
from lakehouse.reasons import ago, explain
from lakehouse.records import Materialization
from lakehouse.staleness import Cause, State, Status

NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
FAILED = Materialization(
    asset="a", key="k", partition={}, result="failed", reason="", run="r", started=NOW, finished=NOW
)


def state(status: Status, *causes: Cause, failed: bool = False) -> State:
    return State(status=status, causes=causes, known=KeyState(attempt=FAILED if failed else None))


STATES = {
    "missing": state("missing", Cause("never_made")),
    "fresh": state("fresh"),
    "fresh, failed": state("fresh", failed=True),
    "stale": state("stale", Cause("code_changed")),
    "stale, failed": state("stale", Cause("code_changed"), failed=True),
    "unrecorded": state("unrecorded", Cause("foreign_file")),
    "orphaned": state("orphaned"),
}


def actions(*, forced: bool = False) -> dict[str, str]:
    plan = make_plan(
        {"orders": list(STATES)},
        lambda _, key: STATES[key],
        forced=lambda _asset, _key: forced,
        explained=lambda asset, key: f"{asset} {key}",
    )
    return {step.key: step.action for step in plan.steps}


def test_what_is_not_fresh_is_made_and_what_somebody_else_made_is_refused() -> None:
    assert actions() == {
        "missing": "make",
        "fresh": "keep",
        "fresh, failed": "make",
        "stale": "make",
        "stale, failed": "make",
        "unrecorded": "refuse",
        "orphaned": "keep",
    }


def test_force_makes_all_that_the_definition_has() -> None:
    assert actions(forced=True) == {**dict.fromkeys(STATES, "make"), "orphaned": "keep"}


@pytest.mark.parametrize(
    ("filters", "keys"),
    [
        (["missing"], ["missing"]),
        (["stale"], ["stale", "stale, failed"]),
        (["failed"], ["fresh, failed", "stale, failed"]),
        (["missing", "failed"], ["missing", "fresh, failed", "stale, failed"]),
    ],
)
def test_filters_are_a_union(filters: list[Any], keys: list[str]) -> None:
    assert [key for key in STATES if matches(STATES[key], filters)] == keys


def test_force_may_be_of_some_keys_only() -> None:
    plan = make_plan(
        {"orders": ["2018-01", "2018-02"], "revenue": ["2018-01"]},
        lambda _asset, _key: STATES["fresh"],
        forced=lambda asset, key: (asset, key) == ("orders", "2018-02"),
        explained=lambda asset, key: f"{asset} {key}",
    )
    assert [(step.asset, step.key, step.action) for step in plan.steps] == [
        ("orders", "2018-01", "keep"),
        ("orders", "2018-02", "make"),
        ("revenue", "2018-01", "keep"),
    ]


def test_a_plan_goes_asset_by_asset_and_key_by_key_as_asked() -> None:
    plan = make_plan(
        {"orders": ["2018-02", "2018-01"], "revenue": ["2018-01"], "none": []},
        lambda asset, _: STATES["missing" if asset == "orders" else "fresh"],
        forced=lambda _asset, _key: False,
        explained=lambda asset, key: f"{asset} {key} in words",
    )
    assert [(step.asset, step.key, step.action, step.reason) for step in plan.steps] == [
        ("orders", "2018-02", "make", "orders 2018-02 in words"),
        ("orders", "2018-01", "make", "orders 2018-01 in words"),
        ("revenue", "2018-01", "keep", "revenue 2018-01 in words"),
    ]
    assert plan.assets() == ["orders", "revenue"]
    assert [step.key for step in plan.to_make] == ["2018-02", "2018-01"]
    assert [step.key for step in plan.of("revenue")] == ["2018-01"]


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (state("missing", Cause("never_made")), "missing"),
        (state("missing", Cause("removed_by_hand")), "missing: removed by hand"),
        (state("fresh"), "fresh"),
        (state("fresh", failed=True), "last attempt failed"),
        (state("unrecorded", Cause("foreign_file")), "unrecorded: somebody else put a file there"),
        (state("orphaned"), "orphaned: the definition no longer has it"),
        (state("stale", Cause("code_changed")), "stale: code changed"),
        (state("stale", Cause("code_changed", "helper to_cents")), "stale: code changed: helper to_cents"),
        (
            state("stale", Cause("code_changed", "clean"), Cause("code_changed", "global RATE")),
            "stale: code changed: clean, global RATE",
        ),
        (state("stale", Cause("source_changed", "raw")), "stale: <raw>"),
        (state("stale", Cause("source_unknown", "raw")), "stale: raw changed while it was read"),
        (state("stale", Cause("upstream_changed", "orders")), "stale: upstream orders 2018-02 changed"),
        (state("stale", Cause("upstream_stale", "orders")), "stale: upstream orders 2018-01 is not fresh"),
        (state("stale", Cause("upstream_changed", "rates")), "stale: upstream rates changed"),
        (state("stale", Cause("schema_changed")), "stale: the schema changed"),
        (state("stale", Cause("window_open")), "stale: made before its window was over"),
        (
            state("stale", Cause("code_changed", "clean"), Cause("source_changed", "raw"), Cause("window_open")),
            "stale: code changed: clean; <raw>; made before its window was over",
        ),
        (state("stale", Cause("source_changed", "raw"), Cause("source_changed", "raw")), "stale: <raw>"),
    ],
)
def test_a_state_reads_as_its_causes(found: State, words: str) -> None:
    keys = {Cause("upstream_changed", "orders"): "2018-02", Cause("upstream_stale", "orders"): "2018-01"}
    assert explain(found, source=lambda name: f"<{name}>", keys=lambda cause: keys.get(cause, "")) == words


@pytest.mark.parametrize(
    ("keys", "shown"),
    [
        ("2018-02-03, 2018-02-05..2018-02-09, 2018-02-11", "2018-02-03, 2018-02-05..2018-02-09, …"),
        ("2018-02-03, 2018-02-05, 2018-02-07, 2018-12", "2018-02-03, 2018-02-05, 2018-02-07, 2018-12"),
        ("region=eu,us,apac/partition_date=2018-01..2018-03", "region=eu,us,apac/partition_date=2018-01..2018-03"),
        (
            "region=eu,us,apac/partition_date=2018-01..2018-03, region=mars/partition_date=2018-01",
            "region=eu,us,apac/partition_date=2018-01..2018-03, …",
        ),
    ],
    ids=["two of three", "just fits", "one that is wide", "the first is wide"],
)
def test_of_many_upstream_keys_the_first_few_are_named(keys: str, shown: str) -> None:
    found = state("stale", Cause("upstream_changed", "orders"))
    words = explain(found, source=lambda name: name, keys=lambda _: keys)
    assert words == f"stale: upstream orders {shown} changed"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (-5, "just now"),
        (0, "just now"),
        (9.9, "just now"),
        (10, "10 s ago"),
        (59.9, "59 s ago"),
        (60, "1 min ago"),
        (3599, "59 min ago"),
        (3600, "1 h ago"),
        (7200, "2 h ago"),
        (2 * 86400 - 1, "47 h ago"),
        (2 * 86400, "2 days ago"),
        (400 * 86400, "400 days ago"),
    ],
)
def test_how_long_ago_is_said_in_the_largest_unit_that_fits(seconds: float, words: str) -> None:
    assert ago(NOW - timedelta(seconds=seconds), NOW) == words
