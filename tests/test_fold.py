"""Laws of the fold: what a log adds up to, held against a plain dict."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from lakehouse.commits import Commit
from lakehouse.fold import Fold, KeyState, Superseded
from lakehouse.records import Materialization, Provenance, Result, Schema, Version

ASSET = "monthly_orders"
START = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
KEYS = ["2018-01", "2018-02", "2018-03"]
OLD: Schema = (("status", "str"),)
NEW: Schema = (("status", "str"), ("order_num", "i64"))


def version(name: str) -> Version:
    return Version(
        digest=name * 2,
        path=f".lake/versions/{name.removeprefix('.lake/versions/')}",
        row_count=2,
        size_bytes=976,
        mtime_ns=1,
        writer="polars 2.1.0",
    )


def record(key: str, result: Result, number: int, **fields: Any) -> Materialization:
    shared = {"run": f"run {number}", "code": f"code {number}"}
    return Materialization(
        asset=ASSET,
        key=key,
        partition={},
        result=result,
        reason="",
        started=START,
        finished=START,
        **shared,
        **fields,
    )


def commit(number: int, previous: str | None, *records: Materialization, schema: Schema | None = OLD) -> Commit:
    """A commit as its file gives it back: records hold what the commit shares."""
    return Commit(
        asset=ASSET,
        number=number,
        previous=previous,
        time=START + timedelta(seconds=number),
        shared=Provenance(
            run=f"run {number}",
            code=f"code {number}",
            code_parts={ASSET: f"part {number}"},
            schema=schema,
            partitions={"kind": "monthly"},
            by={},
        ),
        records=tuple(item.with_(schema=schema) for item in records),
    )


def folded(*commits: Commit) -> Fold:
    fold = Fold(ASSET)
    for item in commits:
        fold.add(item, f"digest {item.number}")
    return fold


@dataclass
class Expected:
    """What is to be known of one key, by names of versions and numbers of commits."""

    current: str | None = None
    base: int = 0
    since: int = 0
    kept: list[tuple[str, int]] = field(default_factory=list)
    attempt: int = 0


@st.composite
def steps(draw: st.DrawFn) -> list[list[tuple[str, str, bool, int]]]:
    """Commits, each of one step for some keys: what happened, whether a file was displaced, how many are let go."""
    step = st.tuples(
        st.sampled_from(KEYS),
        st.sampled_from(["made", "made", "unchanged", "failed", "blocked"]),
        st.booleans(),
        st.integers(0, 2),
    )
    return draw(st.lists(st.lists(step, min_size=1, max_size=3, unique_by=lambda step: step[0]), max_size=8))


@given(steps())
@settings(max_examples=150)
def test_a_fold_is_what_a_plain_dict_says(log: list[list[tuple[str, str, bool, int]]]) -> None:
    model = {key: Expected() for key in KEYS}
    fold, schema = Fold(ASSET), None
    for number, happened in enumerate(log, start=1):
        records = []
        for key, kind, has_displaced, let_go in happened:
            known = model[key]
            if kind in ("failed", "blocked"):
                known.attempt = number
                records.append(record(key, "failed" if kind == "failed" else "blocked", number, error={"code": "x"}))
                continue
            schema = NEW if number % 2 else OLD
            made_new = kind == "made" or known.current is None
            result: Result = "unchanged"
            displaced = None
            if made_new:
                result = "replaced" if known.current else "created"
                if known.current:
                    known.kept.append((known.current, number))
                if has_displaced:
                    displaced = version(f"{key} foreign {number}")
                    known.kept.append((displaced.path, number))
                known.current, known.since = version(f"{key} version {number}").path, number
            dropped, known.kept = known.kept[:let_go], known.kept[let_go:]
            known.base, known.attempt = number, 0
            assert known.current is not None
            fields = {"displaced": displaced, "dropped": tuple(version(name) for name, _ in dropped)}
            records.append(record(key, result, number, version=version(known.current), **fields))
        fold.add(
            commit(number, fold.digest, *records, schema=NEW if number % 2 else OLD),
            f"digest {number}",
        )

    for one in (fold, Fold.from_checkpoint(fold.to_checkpoint())):
        assert (one.number, one.schema) == (len(log), schema)
        for key, known in model.items():
            state = one.key(key)
            assert (state.version.path if state.version else None) == known.current
            assert (state.commit, state.since) == (known.base, known.since)
            assert [(item.version.path, item.since) for item in state.superseded] == [
                (name, START + timedelta(seconds=number)) for name, number in known.kept
            ]
            assert (state.attempt_commit, state.attempt is not None) == (known.attempt, known.attempt > 0)
            assert one.code_parts(key) == ({ASSET: f"part {known.base}"} if known.base else {})
    assert Fold.from_checkpoint(fold.to_checkpoint()) == fold


def test_an_empty_log_knows_nothing() -> None:
    fold = Fold(ASSET)
    assert (fold.number, fold.digest, fold.time, fold.schema) == (0, None, None, None)
    assert fold.key("2018-02") == KeyState()
    assert Fold.from_checkpoint(fold.to_checkpoint()) == fold


def test_a_failed_attempt_moves_neither_base_nor_version_nor_contract() -> None:
    made = record("2018-02", "created", 1, version=version("a"))
    fold = folded(
        commit(1, None, made),
        commit(2, "digest 1", record("2018-02", "failed", 2, error={"code": "asset-raised"}), schema=NEW),
    )
    state = fold.key("2018-02")
    assert (state.commit, state.version, fold.schema) == (1, version("a"), OLD)
    assert state.attempt is not None
    assert (state.attempt.error, state.attempt_commit) == ({"code": "asset-raised"}, 2)


def test_before_anything_was_made_keys_mean_nothing_yet() -> None:
    fold = folded(commit(1, None, record("2018-02", "failed", 1)))
    assert (fold.partitions, fold.schema) == ({}, None)
    fold.add(commit(2, "digest 1", record("2018-02", "created", 2, version=version("a"))), "digest 2")
    assert (fold.partitions, fold.schema) == ({"kind": "monthly"}, OLD)


def test_success_clears_the_failed_attempt() -> None:
    fold = folded(
        commit(1, None, record("2018-02", "blocked", 1)),
        commit(2, "digest 1", record("2018-02", "created", 2, version=version("a"))),
    )
    assert fold.key("2018-02") == KeyState(
        commit=2, since=2, current=record("2018-02", "created", 2, version=version("a"), schema=OLD)
    )


def test_a_version_is_there_since_the_commit_that_brought_its_bytes() -> None:
    """So what reads it can tell which keys came out otherwise; made again to the same bytes, it is no younger."""
    log = [
        commit(1, None, record("2018-02", "created", 1, version=version("a"))),
        commit(2, "digest 1", record("2018-02", "unchanged", 2, version=version("a"))),
        commit(3, "digest 2", record("2018-02", "failed", 3, error={"code": "x"})),
    ]
    assert (folded(*log).key("2018-02").commit, folded(*log).key("2018-02").since) == (2, 1)
    removed = [*log, commit(4, "digest 3", record("2018-02", "replaced", 4))]
    assert folded(*removed).key("2018-02").since == 4
    again = [*removed, commit(5, "digest 4", record("2018-02", "created", 5, version=version("a")))]
    assert folded(*again).key("2018-02").since == 5


def test_the_keys_that_are_kept_in_the_lake_are_those_told_last_column_by_column() -> None:
    told = [
        {"method": ("card",)},
        {"method": ("card", "coupon"), "region": ("eu",)},
        {},
        {"region": ()},
    ]
    fold = Fold(ASSET)
    for number, listed in enumerate(told, start=1):
        fold.add(replace(commit(number, fold.digest), listed=listed), f"digest {number}")
    assert fold.listed == {"method": ("card", "coupon"), "region": ()}
    assert (fold.number, fold.keys, fold.partitions) == (4, {}, {})
    again = Fold.from_checkpoint(fold.to_checkpoint())
    assert again == fold
    assert again.listed["method"] == ("card", "coupon")


def test_superseded_versions_are_kept_oldest_first_and_a_foreign_file_counts_as_later_than_ours() -> None:
    fold = folded(
        commit(1, None, record("2018-02", "created", 1, version=version("a"))),
        commit(2, "digest 1", record("2018-02", "replaced", 2, version=version("b"), displaced=version("foreign"))),
        commit(3, "digest 2", record("2018-02", "replaced", 3, version=version("c"), dropped=(version("a"),))),
    )
    second, third = START + timedelta(seconds=2), START + timedelta(seconds=3)
    assert fold.key("2018-02").superseded == (
        Superseded(version("foreign"), second),
        Superseded(version("b"), third),
    )


def test_a_record_without_a_version_leaves_the_key_without_data() -> None:
    fold = folded(
        commit(1, None, record("2018-02", "created", 1, version=version("a"))),
        commit(2, "digest 1", record("2018-02", "replaced", 2)),
    )
    state = fold.key("2018-02")
    assert (state.current, state.version, state.commit) == (None, None, 2)
    assert [item.version.path for item in state.superseded] == [".lake/versions/a"]


@pytest.mark.parametrize(
    "stranger",
    [
        commit(1, "digest 1"),
        commit(3, "digest 1"),
        commit(2, None),
        commit(2, "digest of another"),
    ],
    ids=["again", "a hole", "no commit before", "another before"],
)
def test_a_commit_that_does_not_follow_is_refused_and_changes_nothing(stranger: Commit) -> None:
    fold = folded(commit(1, None, record("2018-02", "created", 1, version=version("a"))))
    before = fold.to_checkpoint()
    with pytest.raises(ValueError, match=f"commit {stranger.number} does not follow on commit 1"):
        fold.add(stranger, "x")
    assert fold.to_checkpoint() == before


def test_a_commit_of_another_asset_is_refused() -> None:
    with pytest.raises(ValueError, match="does not follow"):
        Fold("daily_orders").add(commit(1, None), "x")


def test_a_checkpoint_keeps_what_commits_share_for_those_that_are_still_referred_to() -> None:
    log, previous = [], None
    for number in range(1, 50):
        log.append(commit(number, previous, record("2018-02", "replaced", number, version=version(f"v{number}"))))
        previous = f"digest {number}"
    shared = json.loads(folded(*log).to_checkpoint())["shared"]
    assert list(shared) == ["49"]


def test_a_checkpoint_of_another_release_is_refused() -> None:
    other = json.loads(Fold(ASSET).to_checkpoint()) | {"format": 2}
    with pytest.raises(ValueError, match="format 2; this release reads 1"):
        Fold.from_checkpoint(json.dumps(other).encode())


def test_fields_of_a_later_release_in_a_checkpoint_are_passed_over() -> None:
    fold = folded(commit(1, None, record("2018-02", "created", 1, version=version("a"))))
    content = json.loads(fold.to_checkpoint())
    content["later"] = content["keys"]["2018-02"]["later"] = content["shared"]["1"]["later"] = {"this": "release"}
    assert Fold.from_checkpoint(json.dumps(content).encode()) == fold


def test_text_that_is_no_unicode_survives_a_checkpoint() -> None:
    fold = folded(commit(1, None, record("2018-02", "failed", 1, error={"message": "caf\udce9"})))
    data = fold.to_checkpoint()
    assert data.decode()  # plain UTF-8, whatever a user's exception said
    assert Fold.from_checkpoint(data) == fold
