"""Laws of records: what the log says is read back as it was written, and by later releases too."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lakehouse.commits import Commit
from lakehouse.fold import Fold
from lakehouse.records import Input, Materialization, Provenance, Version, from_instant, to_instant

NAMES = st.text(max_size=6)  # of any characters, for messages and paths may hold any
INSTANTS = st.timedeltas(timedelta(days=-30_000), timedelta(days=90_000)).map(
    lambda since: datetime(1970, 1, 1, tzinfo=UTC) + since
)
VERSIONS = st.builds(
    Version,
    digest=st.text("0123456789abcdef", min_size=4, max_size=4),
    path=st.from_regex(r"\.lake/versions/a/[^./\0][^/\0]*", fullmatch=True),
    row_count=st.integers(-1, 10**12),
    size_bytes=st.integers(0, 10**15),
    mtime_ns=st.integers(0, 10**19),
    writer=NAMES,
)
INPUTS = st.builds(
    Input,
    kind=st.sampled_from(["source", "asset"]),
    version=st.none() | NAMES,
    position=st.none() | st.integers(0, 9),
)
SCHEMAS = st.none() | st.lists(st.tuples(NAMES, NAMES), min_size=1, max_size=3).map(tuple)
SHARED = st.builds(
    Provenance,
    run=NAMES,
    code=NAMES,
    code_parts=st.dictionaries(NAMES, NAMES, max_size=2),
    schema=SCHEMAS,
    partitions=st.dictionaries(NAMES, NAMES, max_size=2),
    by=st.dictionaries(NAMES, NAMES, max_size=2),
)
JSON = st.none() | st.booleans() | st.integers() | NAMES
FACTS = st.dictionaries(NAMES, JSON, min_size=1, max_size=2)


def records_of(asset: str, shared: Provenance) -> st.SearchStrategy[Materialization]:
    return st.builds(
        Materialization,
        asset=st.just(asset),
        key=NAMES,
        partition=st.dictionaries(st.sampled_from(["region", "partition_date"]), NAMES),
        result=st.sampled_from(["created", "replaced", "unchanged", "blocked", "failed"]),
        reason=NAMES,
        run=st.just(shared.run),
        started=INSTANTS,
        finished=INSTANTS,
        base=st.integers(0, 9),
        version=st.none() | VERSIONS,
        schema=st.just(shared.schema),
        code=st.just(shared.code),
        inputs=st.dictionaries(NAMES, INPUTS, max_size=2),
        checks=st.lists(FACTS, max_size=2).map(tuple),
        error=st.none() | FACTS,
        displaced=st.none() | VERSIONS,
        dropped=st.lists(VERSIONS, max_size=2).map(tuple),
    )


@st.composite
def commits(draw: st.DrawFn) -> Commit:
    shared, asset = draw(SHARED), draw(NAMES)
    return Commit(
        asset=asset,
        number=draw(st.integers(1, 10**8)),
        previous=draw(st.none() | NAMES),
        time=draw(INSTANTS),
        shared=shared,
        records=tuple(draw(st.lists(records_of(asset, shared), max_size=3))),
    )


@given(commits())
@settings(max_examples=60)
def test_a_commit_is_read_back_as_it_was_written_with_the_digest_of_its_file(commit: Commit) -> None:
    written = commit.to_bytes()
    assert Commit.from_bytes(written) == (commit, hashlib.sha256(written).hexdigest())


@given(commits())
@settings(max_examples=30)
def test_a_commit_is_a_text_file_in_utf_8(commit: Commit) -> None:
    text = commit.to_bytes().decode()
    assert text.endswith("}\n")
    assert json.loads(text)["number"] == commit.number


@given(VERSIONS)
@settings(max_examples=20)
def test_a_version_is_read_back_as_it_was_written(version: Version) -> None:
    assert Version.from_json(json.loads(json.dumps(version.to_json()))) == version


@given(INPUTS)
@settings(max_examples=20)
def test_an_input_is_read_back_as_it_was_written(item: Input) -> None:
    assert Input.from_json(json.loads(json.dumps(item.to_json()))) == item


@given(INSTANTS)
@settings(max_examples=30)
def test_an_instant_is_read_back_to_the_microsecond(moment: datetime) -> None:
    assert to_instant(from_instant(moment)) == moment


def test_instants_are_written_in_utc() -> None:
    berlin = timezone(timedelta(hours=1))
    assert from_instant(datetime(2026, 11, 20, 9, 12, tzinfo=berlin)) == "2026-11-20T08:12:00.000000Z"


NOW = datetime(2026, 11, 20, 9, 12, tzinfo=UTC)
COMMIT = Commit(
    asset="monthly_orders",
    number=1,
    previous=None,
    time=NOW,
    shared=Provenance(
        run="20261120T091200-1a2b3c4d",
        code="c0de",
        code_parts={"monthly_orders": "f00d"},
        schema=(("status", "str"), ("order_num", "i64")),
        partitions={"kind": "monthly"},
        by={"user": "ann"},
    ),
    records=(
        Materialization(
            asset="monthly_orders",
            key="2018-02",
            partition={"partition_date": "2018-02"},
            result="created",
            reason="missing",
            run="20261120T091200-1a2b3c4d",
            started=NOW,
            finished=NOW,
            code="c0de",
            schema=(("status", "str"), ("order_num", "i64")),
            version=Version(
                digest="ab", path=".lake/versions/x", row_count=2, size_bytes=976, mtime_ns=1, writer="polars 2.1.0"
            ),
            inputs={"raw_orders": Input(kind="source", version="5e")},
        ),
    ),
)


def test_a_commit_on_disk_reads_as_documented() -> None:
    assert json.loads(COMMIT.to_bytes()) == {
        "format": 1,
        "asset": "monthly_orders",
        "number": 1,
        "previous": None,
        "time": "2026-11-20T09:12:00.000000Z",
        "run": "20261120T091200-1a2b3c4d",
        "code": "c0de",
        "code_parts": {"monthly_orders": "f00d"},
        "schema": [["status", "str"], ["order_num", "i64"]],
        "partitions": {"kind": "monthly"},
        "by": {"user": "ann"},
        "records": [
            {
                "key": "2018-02",
                "partition": {"partition_date": "2018-02"},
                "result": "created",
                "reason": "missing",
                "base": 0,
                "version": {
                    "digest": "ab",
                    "path": ".lake/versions/x",
                    "row_count": 2,
                    "size_bytes": 976,
                    "mtime_ns": 1,
                    "writer": "polars 2.1.0",
                },
                "inputs": {"raw_orders": {"kind": "source", "version": "5e"}},
                "started": "2026-11-20T09:12:00.000000Z",
                "finished": "2026-11-20T09:12:00.000000Z",
            }
        ],
    }


def with_later_fields(item: Any) -> Any:
    """Every object of a JSON value with one more field, except where keys are names."""
    if isinstance(item, list):
        return [with_later_fields(part) for part in item]
    if not isinstance(item, dict):
        return item
    named = ("inputs", "code_parts", "partitions", "partition", "by")
    grown = {name: value if name in named else with_later_fields(value) for name, value in item.items()}
    if "inputs" in item:
        grown["inputs"] = {name: with_later_fields(value) for name, value in item["inputs"].items()}
    return {**grown, "later": ["than", {"this": "release"}]}


def test_fields_of_a_later_release_are_passed_over() -> None:
    later = with_later_fields(json.loads(COMMIT.to_bytes()))
    assert later["records"][0]["version"]["later"]
    assert later["records"][0]["inputs"]["raw_orders"]["later"]
    assert Commit.from_bytes(json.dumps(later).encode())[0] == COMMIT


def test_another_format_is_refused_by_name() -> None:
    other = json.loads(COMMIT.to_bytes()) | {"format": 2}
    with pytest.raises(ValueError, match="format 2; this release reads 1"):
        Commit.from_bytes(json.dumps(other).encode())


def paths(item: Any) -> list[tuple[Any, ...]]:
    """The place of every value in a JSON value."""
    entries = item.items() if isinstance(item, dict) else enumerate(item) if isinstance(item, list) else ()
    return [(), *((name, *rest) for name, value in entries for rest in paths(value))]


def replaced(item: Any, path: tuple[Any, ...], value: Any) -> Any:
    if not path:
        return value
    copy = dict(item) if isinstance(item, dict) else list(item)
    copy[path[0]] = replaced(item[path[0]], path[1:], value)
    return copy


@given(st.data())
@settings(max_examples=150)
def test_a_damaged_commit_or_checkpoint_raises_what_is_documented_and_nothing_else(data: st.DataObject) -> None:
    fold = Fold("monthly_orders")
    fold.add(*Commit.from_bytes(COMMIT.to_bytes()))
    read, whole = data.draw(
        st.sampled_from([(Commit.from_bytes, COMMIT.to_bytes()), (Fold.from_checkpoint, fold.to_checkpoint())])
    )
    content = json.loads(whole)
    path = data.draw(st.sampled_from(paths(content)))
    wrong = data.draw(st.sampled_from([None, 1, "x", [], [1], {}, {"x": 1}, ["ab"]]))
    try:
        read(json.dumps(replaced(content, path, wrong)).encode())
    except (ValueError, KeyError, TypeError):
        return


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe\x00", b"[]", b"1", b"null", b'"x"', b"{}", b'{"format": 1}'])
def test_what_is_no_commit_is_refused(data: bytes) -> None:
    with pytest.raises((ValueError, KeyError, TypeError)):
        Commit.from_bytes(data)
    with pytest.raises((ValueError, KeyError, TypeError)):
        Fold.from_checkpoint(data)


@pytest.mark.parametrize(
    ("result", "is_ok"),
    [
        ("created", True),
        ("replaced", True),
        ("unchanged", True),
        ("fresh", True),
        ("blocked", False),
        ("failed", False),
        ("skipped", False),
    ],
)
def test_a_result_is_either_what_was_asked_for_or_not(result: Any, is_ok: bool) -> None:  # noqa: FBT001  a table
    assert COMMIT.records[0].with_(result=result).is_ok is is_ok


def test_a_record_tells_rows_size_and_digest_of_its_version_and_nothing_without_one() -> None:
    made = COMMIT.records[0]
    assert (made.row_count, made.size_bytes, made.data_version) == (2, 976, "ab")
    none = made.with_(version=None)
    assert (none.row_count, none.size_bytes, none.data_version) == (None, None, None)
