"""Laws of staleness: the table of states and causes, row by row."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from lakehouse.fold import KeyState
from lakehouse.records import Input, Materialization, Version
from lakehouse.staleness import Cause, Now, State, decide

MADE = datetime(2018, 3, 2, 9, 0, tzinfo=UTC)
WINDOW_END = datetime(2018, 3, 1, tzinfo=UTC)
SCHEMA = (("status", "str"),)
PARTS = {"monthly_orders": "1", "stg_orders": "2", "global RATE": "3"}
VERSION = Version(digest="ab", path="v", row_count=2, size_bytes=976, mtime_ns=1, writer="polars 2.1.0")
RECORD = Materialization(
    asset="monthly_orders",
    key="2018-02",
    partition={"partition_date": "2018-02"},
    result="created",
    reason="missing",
    run="r",
    started=MADE,
    finished=MADE + timedelta(seconds=1),
    version=VERSION,
    schema=SCHEMA,
    code="c1",
    inputs={
        "raw_orders": Input(kind="source", version="s1"),
        "daily_orders": Input(kind="asset", version="d1", position=7),
    },
)
MADE_ONCE = KeyState(commit=1, current=RECORD)
NOW = Now(
    code="c1",
    code_parts=PARTS,
    inputs={
        "raw_orders": Input(kind="source", version="s1"),
        "daily_orders": Input(kind="asset", version="d1", position=9),
    },
    schema=SCHEMA,
    time=datetime(2026, 11, 20, 9, 0, tzinfo=UTC),
)
FAILED = replace(RECORD, result="failed", version=None)


def decided(known: KeyState = MADE_ONCE, file: Any = "same", *, now: Now = NOW, **options: Any) -> State:
    return decide(known, file, now=now, **{"window_end": WINDOW_END, "code_parts": PARTS, **options})


def present(**changes: Any) -> Now:
    return replace(NOW, **changes)


def recorded(**changes: Any) -> KeyState:
    return KeyState(commit=1, current=replace(RECORD, **changes))


def reading(**inputs: Input) -> Now:
    return present(inputs={**NOW.inputs, **inputs})


def source(version: str | None) -> Input:
    return Input(kind="source", version=version)


def test_a_partition_is_fresh_if_nothing_changed() -> None:
    assert decided() == State(status="fresh", causes=(), known=MADE_ONCE)


def test_an_upstream_whose_log_went_on_with_the_same_data_changes_nothing() -> None:
    assert NOW.inputs["daily_orders"].position != RECORD.inputs["daily_orders"].position
    assert decided().status == "fresh"


@pytest.mark.parametrize(
    ("known", "file", "status", "cause"),
    [
        (KeyState(), "absent", "missing", "never_made"),
        (KeyState(), "other", "unrecorded", "foreign_file"),
        (KeyState(attempt=FAILED, attempt_commit=1), "absent", "missing", "never_made"),
        (KeyState(commit=2), "absent", "missing", "wiped"),
        (MADE_ONCE, "absent", "missing", "removed_by_hand"),
        (MADE_ONCE, "other", "unrecorded", "foreign_file"),
    ],
)
def test_the_file_is_held_against_the_log_before_all_else(
    known: KeyState, file: Any, status: str, cause: Any
) -> None:
    everything_else_changed = present(code="c2", schema=(("status", "i64"),), stale_upstream=["daily_orders"])
    for now in (NOW, everything_else_changed):
        assert decided(known, file, now=now) == State(status=status, causes=(Cause(cause),), known=known)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("known", "now", "causes"),
    [
        (MADE_ONCE, present(code="c2", code_parts={**PARTS, "stg_orders": "9"}), [("code_changed", "stg_orders")]),
        (
            MADE_ONCE,
            present(code="c2", code_parts={"monthly_orders": "9", "stg_orders": "2", "helper to_cents": "4"}),
            [
                ("code_changed", "monthly_orders"),
                ("code_changed", "global RATE"),
                ("code_changed", "helper to_cents"),
            ],
        ),
        (MADE_ONCE, present(code="c2"), [("code_changed", "")]),
        (MADE_ONCE, reading(raw_orders=source("s2")), [("source_changed", "raw_orders")]),
        (MADE_ONCE, reading(raw_orders=source(None)), [("source_changed", "raw_orders")]),
        (MADE_ONCE, reading(raw_rates=source("r1")), [("source_changed", "raw_rates")]),
        (
            recorded(inputs={**RECORD.inputs, "raw_orders": source(None)}),
            NOW,
            [("source_unknown", "raw_orders")],
        ),
        (
            recorded(inputs={**RECORD.inputs, "raw_orders": source(None)}),
            reading(raw_orders=source(None)),
            [("source_unversioned", "raw_orders")],
        ),
        (
            MADE_ONCE,
            reading(daily_orders=Input(kind="asset", version="d2", position=9)),
            [("upstream_changed", "daily_orders")],
        ),
        (MADE_ONCE, present(stale_upstream=["daily_orders"]), [("upstream_stale", "daily_orders")]),
        (
            MADE_ONCE,
            replace(reading(daily_orders=Input(kind="asset", version="d2")), stale_upstream=["daily_orders"]),
            [("upstream_stale", "daily_orders")],
        ),
        (MADE_ONCE, present(schema=(("status", "str"), ("n", "i64"))), [("schema_changed", "")]),
        (recorded(started=WINDOW_END - timedelta(microseconds=1)), NOW, [("window_open", "")]),
        (
            recorded(started=WINDOW_END - timedelta(days=1), schema=None),
            replace(reading(raw_orders=source("s2")), code="c2", stale_upstream=["daily_orders"]),
            [
                ("code_changed", ""),
                ("source_changed", "raw_orders"),
                ("upstream_stale", "daily_orders"),
                ("schema_changed", ""),
                ("window_open", ""),
            ],
        ),
    ],
    ids=[
        "code of a view",
        "code of several parts",
        "code, and no part tells which",
        "source",
        "source that cannot be told",
        "source that is new",
        "source that changed as it was read",
        "source that never stands still",
        "upstream",
        "upstream that is not fresh",
        "upstream that is not fresh, and changed",
        "schema",
        "window was not over",
        "all at once",
    ],
)
def test_whatever_changed_makes_it_stale_and_is_the_cause(
    known: KeyState, now: Now, causes: list[tuple[Any, str]]
) -> None:
    state = decided(known, now=now)
    assert (state.status, [(cause.code, cause.input) for cause in state.causes]) == ("stale", causes)


@pytest.mark.parametrize(
    ("started", "end", "now"),
    [
        (WINDOW_END, WINDOW_END, NOW.time),  # made at the very end: every row was there
        (WINDOW_END - timedelta(days=1), WINDOW_END, WINDOW_END - timedelta(microseconds=1)),  # still open
        (WINDOW_END - timedelta(days=1), None, NOW.time),  # no time at all
    ],
    ids=["made at its end", "still open", "no window"],
)
def test_a_window_that_was_over_or_is_still_open_makes_nothing_stale(
    started: datetime, end: datetime | None, now: datetime
) -> None:
    assert decided(recorded(started=started), now=present(time=now), window_end=end).status == "fresh"


def test_a_window_counts_as_over_from_its_very_end_on() -> None:
    known = recorded(started=WINDOW_END - timedelta(days=1))
    assert decided(known, now=present(time=WINDOW_END)).causes == (Cause("window_open"),)


def test_before_there_is_a_contract_none_is_broken() -> None:
    assert decided(now=present(schema=None)).status == "fresh"


@pytest.mark.parametrize("status", ["fresh", "stale"])
def test_a_failed_attempt_is_a_note_beside_the_state(status: str) -> None:
    known = KeyState(commit=1, current=RECORD, attempt=FAILED, attempt_commit=2)
    state = decided(known, now=NOW if status == "fresh" else present(code="c2"))
    assert (state.status, state.is_failed, state.known.version) == (status, True, VERSION)
    assert not decided().is_failed


@pytest.mark.parametrize(("rows", "is_empty"), [(0, True), (2, False), (-1, False)])
def test_empty_is_made_and_without_rows(rows: int, is_empty: bool) -> None:  # noqa: FBT001  a table
    assert decided(recorded(version=replace(VERSION, row_count=rows))).is_empty is is_empty


def test_what_was_never_made_is_not_empty() -> None:
    assert not decided(KeyState(), "absent").is_empty


def test_what_the_definition_no_longer_has_is_orphaned_whatever_changed() -> None:
    state = decided(now=present(code="c2", stale_upstream=["daily_orders"]), is_declared=False)
    assert (state.status, state.causes) == ("orphaned", ())


@pytest.mark.parametrize(
    ("known", "file", "status"),
    [(KeyState(), "absent", "missing"), (MADE_ONCE, "absent", "missing"), (MADE_ONCE, "other", "unrecorded")],
)
def test_without_its_data_nothing_is_orphaned(known: KeyState, file: Any, status: str) -> None:
    assert decided(known, file, is_declared=False).status == status


@pytest.mark.parametrize(
    ("state", "is_due"),
    [
        (decided(), False),
        (decided(KeyState(commit=1, current=RECORD, attempt=FAILED, attempt_commit=2)), True),
        (decided(now=present(code="c2")), True),
        (decided(KeyState(), "absent"), True),
        (decided(KeyState(), "other"), True),
        (decided(is_declared=False), False),
    ],
    ids=["fresh", "fresh, and the last attempt failed", "stale", "missing", "unrecorded", "orphaned"],
)
def test_a_partition_is_due_unless_it_is_fresh_or_orphaned(state: State, is_due: bool) -> None:  # noqa: FBT001
    assert state.is_due is is_due
