"""What is refused between staging and publishing: another schema, rows without a place, files that do not open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse import Lake, Monthly
from lakehouse.audit import differs, require_staged, same_rows
from lakehouse.errors import AuditError

PARTITION = pl.col("partition_date")


class Project:
    """A folder with three orders, whose asset is declared anew as its definitions change."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.edits = 0
        (folder / "raw.csv").write_text("id,status,t\n1,a,2018-01-05\n2,b,2018-01-06\n3,a,2018-02-05\n")

    def lake(
        self,
        result: Callable[[pl.LazyFrame], Any],
        *,
        schema: Mapping[str, Any] | None = None,
        sort_by: str | None = "all columns",
    ) -> Lake:
        """A lake with one asset, whose function gives `result` of the orders."""
        self.edits += 1
        lake = Lake("lake")
        lake.base = self.folder
        lake._clock = lambda: datetime(2019, 6, 1, tzinfo=UTC)
        lake.source("raw", "raw.csv", schema={"id": pl.Int64, "status": pl.String, "t": pl.Date}, time="t")

        @lake.asset(partitions=Monthly("2018-01"), version=str(self.edits), schema=schema, sort_by=sort_by)
        def monthly(raw: pl.LazyFrame) -> Any:
            return result(raw)

        return lake

    def columns(self, key: str = "2018-01") -> dict[str, pl.DataType]:
        """What the file of a partition holds."""
        file = self.folder / f"lake/monthly/partition_date={key}/part.parquet"
        return dict(pl.read_parquet_schema(file))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """An empty project over three orders."""
    return Project(tmp_path)


def blocked(lake: Lake, key: str = "2018-01", **options: Any) -> dict[str, Any]:
    """The error of a partition that the audit refuses."""
    (result,) = lake.materialize(key, on_failure="return", **options)
    assert (result.result, result.version) == ("blocked", None)
    assert result.error is not None
    return dict(result.error)


# The schema is a contract.


@pytest.mark.parametrize(
    ("changed", "details"),
    [
        (lambda raw: raw.select("id", "partition_date"), ["status: str is no longer there"]),
        (lambda raw: raw.select("id", "status", "partition_date", x=pl.lit(1.5)), ["x: f64 is new"]),
        (
            lambda raw: raw.select(pl.col("id").cast(pl.Int32), "status", "partition_date"),
            ["id: i64 became i32"],
        ),
        (
            lambda raw: raw.select(pl.col("id").cast(pl.String), x="status", partition_date="partition_date"),
            ["status: str is no longer there", "x: str is new", "id: i64 became str"],
        ),
    ],
    ids=["column gone", "column new", "type", "all of it"],
)
def test_another_schema_is_refused_with_each_difference(
    project: Project, changed: Callable[[pl.LazyFrame], pl.LazyFrame], details: list[str]
) -> None:
    project.lake(lambda raw: raw.select("id", "status", "partition_date")).materialize("2018-01")
    before = project.columns()
    error = blocked(project.lake(changed), "2018-02")
    assert (error["code"], error["message"]) == ("schema-changed", "monthly: the schema would change")
    assert error["details"] == details
    assert error["help"] == (
        "if that is meant, run again with --allow-schema-change; partitions made before are then stale"
    )
    lake = project.lake(changed)
    blocked(lake, "2018-01")
    assert project.columns() == before == {"id": pl.Int64, "status": pl.String}
    # Allowed, it becomes the contract, under which the other month is to be made again.
    lake.materialize("2018-02", allow_schema_change=True)
    assert (
        project.columns("2018-02").keys()
        == changed(pl.LazyFrame(schema={"id": pl.Int64, "status": pl.String, "partition_date": pl.String}))
        .drop("partition_date")
        .collect_schema()
        .keys()
    )
    assert lake.status("2018-01")[0].partitions[0].status == "stale"
    assert [result.result for result in lake.materialize("2018-01..2018-02")] == ["replaced", "fresh"]


def test_columns_in_another_order_are_written_in_the_contracts(project: Project) -> None:
    """A reader in the middle of a query on a file that is replaced would take one column for the other."""
    project.lake(lambda raw: raw.select("id", "status", "partition_date")).materialize("2018-01..2018-02")
    results = project.lake(lambda raw: raw.select("status", "partition_date", "id")).materialize("2018-01..2018-02")
    assert [result.result for result in results] == ["unchanged", "unchanged"]
    assert list(project.columns()) == ["id", "status"]


def test_another_declared_order_is_a_change_of_the_schema(project: Project) -> None:
    def result(raw: pl.LazyFrame) -> pl.LazyFrame:
        return raw.select("id", "status", "partition_date")

    project.lake(result, schema={"id": pl.Int64, "status": pl.String}).materialize("2018-01")
    turned = project.lake(result, schema={"status": pl.String, "id": pl.Int64})
    error = blocked(turned, "2018-02")
    assert error["details"] == ["the order of the columns: id, status became status, id"]
    turned.materialize("2018-02", allow_schema_change=True)
    assert list(project.columns("2018-02")) == ["status", "id"]


def test_a_declared_schema_is_held_at_the_first_partition_and_cannot_be_talked_away(project: Project) -> None:
    lake = project.lake(
        lambda raw: raw.select("id", "partition_date", x=pl.lit(1.5)), schema={"id": pl.Int32, "status": pl.String}
    )
    error = blocked(lake, allow_schema_change=True)
    assert error["message"].startswith("monthly: the result is not what it declares (test_audit.py:")
    assert error["details"] == ["status: str is no longer there", "x: f64 is new", "id: i32 became i64"]
    assert error["help"] == "change the function, or the declared schema"


def test_a_declared_schema_gives_the_order_and_the_type_of_empty_columns(project: Project) -> None:
    lake = project.lake(
        lambda raw: raw.select("partition_date", "status", note=pl.lit(None), id="id"),
        schema={"id": pl.Int64, "note": pl.Decimal(10, 2), "status": pl.String},
    )
    lake.materialize("2018-01")
    assert project.columns() == {"id": pl.Int64, "note": pl.Decimal(10, 2), "status": pl.String}


def test_a_column_that_comes_out_empty_later_keeps_its_type(project: Project) -> None:
    project.lake(lambda raw: raw.select("partition_date", note=pl.col("id"))).materialize("2018-01")
    project.lake(lambda raw: raw.select("partition_date", note=pl.lit(None))).materialize("2018-02")
    assert project.columns("2018-02") == {"note": pl.Int64}


def test_a_schema_that_nobody_declares_needs_types(project: Project) -> None:
    error = blocked(project.lake(lambda raw: raw.select("partition_date", note=pl.lit(None))))
    assert (error["code"], error["help"]) == ("type-refused", 'write pl.col("note").cast(<the type of its values>)')


def test_a_result_of_partition_columns_alone_is_refused(project: Project) -> None:
    error = blocked(project.lake(lambda raw: raw.select("partition_date")))
    assert error["message"].startswith("monthly: the result has no columns but the partition's")


def test_a_column_that_differs_from_the_partitions_in_case_only_is_refused(project: Project) -> None:
    error = blocked(project.lake(lambda raw: raw.with_columns(Partition_Date=pl.lit(1))))
    assert error["code"] == "column-refused"


def test_a_missing_column_to_sort_by_is_told_with_those_that_there_are(project: Project) -> None:
    error = blocked(project.lake(lambda raw: raw.select("id", "partition_date"), sort_by="amount"))
    assert error["message"].startswith("monthly: sort_by names amount, which the result does not have")
    assert (error["code"], error["help"]) == ("sort-column-missing", "it has id")


# Each row has its place.


def test_a_result_without_the_partition_column_is_told_both_cures(project: Project) -> None:
    error = blocked(project.lake(lambda raw: raw.group_by("status").agg(n=pl.len())))
    assert error["code"] == "partition-column-missing"
    assert error["message"].startswith(
        'monthly: the result has no column "partition_date", which says where a row belongs (test_audit.py:'
    )
    assert error["help"] == (
        'keep it through every step (group_by(..., "partition_date"), .over("partition_date")), '
        "or give the function a parameter named `partition`, to be called once a key"
    )


@pytest.mark.parametrize(
    ("value", "kind"),
    [(pl.lit(date(2018, 1, 1)), "Date"), (pl.lit(201801), "Int32"), (PARTITION == "2018-01", "Boolean")],
)
def test_a_partition_column_of_another_type_is_refused(project: Project, value: pl.Expr, kind: str) -> None:
    error = blocked(project.lake(lambda raw: raw.with_columns(value.alias("partition_date"))))
    assert error["code"] == "partition-column-type"
    assert error["message"] == f'monthly: the partition column "partition_date" came back as {kind}, not as String'


@pytest.mark.parametrize("dtype", [pl.Categorical, pl.Enum(["2018-01", "2018-02"])])
def test_a_partition_column_that_holds_text_by_another_name_is_taken(project: Project, dtype: Any) -> None:
    lake = project.lake(lambda raw: raw.with_columns(PARTITION.cast(dtype)))
    lake.materialize("2018-01..2018-02")
    assert sorted(lake.scan("monthly").select("id", "partition_date").collect().rows()) == [
        (1, "2018-01"),
        (2, "2018-01"),
        (3, "2018-02"),
    ]


def test_rows_without_a_key_are_refused(project: Project) -> None:
    error = blocked(project.lake(lambda raw: raw.with_columns(pl.when(pl.col("id") == 1).then(PARTITION))))
    assert error["code"] == "key-null"
    assert error["message"].startswith("monthly: rows without a partition_date (test_audit.py:")


@pytest.mark.parametrize("in_memory_bytes", [None, 0], ids=["in memory", "in files"])
@pytest.mark.parametrize(
    ("value", "code", "shown"),
    [
        (pl.lit("2018-02"), "key-unrequested", "2018-02"),
        (pl.lit("a/b=c d?é"), "key-unrequested", "a/b=c d?é"),
        (pl.lit(""), "key-unrequested", ""),
        (pl.format("x{}", "id"), "key-unrequested", "x1, x2"),
        (pl.lit(None, dtype=pl.String), "key-null", ""),
    ],
)
def test_rows_of_partitions_that_nobody_asked_for_are_refused(
    project: Project, in_memory_bytes: int | None, value: pl.Expr, code: str, shown: str
) -> None:
    lake = project.lake(lambda raw: raw.with_columns(partition_date=value))
    lake._in_memory_bytes = in_memory_bytes
    error = blocked(lake)
    assert error["code"] == code
    if code == "key-unrequested":
        where = error["message"].partition("rows of partitions that were not asked for: ")[2]
        assert where.startswith(f"{shown} (test_audit.py:")


def test_of_many_strange_keys_the_first_few_are_shown(project: Project) -> None:
    lake = project.lake(
        lambda raw: (
            raw.select("id", key=pl.int_ranges(7)).explode("key").select("id", partition_date=pl.format("k{}", "key"))
        )
    )
    assert ": k0, k1, k2, k3, k4 … (" in blocked(lake)["message"]


# What is staged is opened again.


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (pl.DataFrame({"a": [1, 2]}), "the staged file holds 2 rows, and 3 were computed"),
        (pl.DataFrame({"b": [1, 2, 3]}), "the staged file holds {'b': Int64}, not {'a': 'i64'}"),
        (pl.DataFrame({"a": [1.0, 2.0, 3.0]}), "the staged file holds {'a': Float64}, not {'a': 'i64'}"),
    ],
    ids=["rows", "name", "type"],
)
def test_a_staged_file_that_holds_something_else_is_refused(
    frame: pl.DataFrame, message: str, tmp_path: Path
) -> None:
    frame.write_parquet(tmp_path / "part")
    with pytest.raises(AuditError) as caught:
        require_staged(tmp_path / "part", (("a", "i64"),), 3)
    assert (caught.value.message, caught.value.code) == (message, "staged-damaged")


@pytest.mark.parametrize("cut", [0, 3, 11, 100, -1, -8])
def test_a_staged_file_that_was_cut_short_is_refused(cut: int, tmp_path: Path) -> None:
    pl.DataFrame({"a": [1, 2, 3]}).write_parquet(tmp_path / "part")
    (tmp_path / "part").write_bytes((tmp_path / "part").read_bytes()[:cut])
    with pytest.raises(AuditError) as caught:
        require_staged(tmp_path / "part", (("a", "i64"),), 3)
    assert caught.value.code == "staged-damaged"


def test_the_order_of_the_columns_counts(tmp_path: Path) -> None:
    pl.DataFrame({"a": [1], "b": [2]}).write_parquet(tmp_path / "part")
    require_staged(tmp_path / "part", (("a", "i64"), ("b", "i64")), 1)
    with pytest.raises(AuditError):
        require_staged(tmp_path / "part", (("b", "i64"), ("a", "i64")), 1)


# Two makings of a partition.

NAN = float("nan")


@pytest.mark.parametrize(
    ("together", "alone", "is_other"),
    [
        ({"a": [1, 2]}, {"a": [2, 1]}, False),
        ({"a": [1, 2]}, {"a": [1, 3]}, True),
        ({"a": [1, 2]}, {"a": [1]}, True),
        ({"a": [1, 1, 2]}, {"a": [1, 2, 2]}, True),
        ({"a": [0.1 + 0.2]}, {"a": [0.3]}, False),
        ({"a": [1e9]}, {"a": [1e9 + 1e-3]}, False),
        ({"a": [1e9]}, {"a": [1e9 + 1e3]}, True),
        ({"a": [1.0]}, {"a": [1.0 + 1e-12]}, False),
        ({"a": [1.0]}, {"a": [1.0001]}, True),
        ({"a": [NAN, 1.0]}, {"a": [1.0, NAN]}, False),
        ({"a": [NAN]}, {"a": [None]}, True),
        ({"a": [None, 1]}, {"a": [1, None]}, False),
        ({"a": [0.1 + 0.2, 0.3], "b": ["x", "y"]}, {"a": [0.3, 0.1 + 0.2], "b": ["x", "y"]}, False),
        ({"a": [0.1, 0.2], "b": ["x", "y"]}, {"a": [0.1, 0.2], "b": ["y", "x"]}, True),
        ({"a": [[1, 2], [3]]}, {"a": [[3], [1, 2]]}, False),
        ({"a": [[1, 2]]}, {"a": [[2, 1]]}, True),
        ({"a": [{"x": 1, "y": "u"}]}, {"a": [{"x": 1, "y": "u"}]}, False),
        ({"a": [{"x": 1, "y": "u"}]}, {"a": [{"x": 1, "y": "v"}]}, True),
        ({"a": [[0.1 + 0.2]]}, {"a": [[0.3]]}, False),
        ({"a": [b"x"]}, {"a": [b"y"]}, True),
        ({"a": []}, {"a": []}, False),
    ],
)
def test_two_makings_differ_in_rows_not_in_their_order_nor_in_a_floats_last_bits(
    together: dict[str, list[Any]],
    alone: dict[str, list[Any]],
    is_other: bool,  # noqa: FBT001  a parameter
) -> None:
    one = pl.DataFrame(together)
    other = pl.DataFrame(alone, schema=one.schema)
    assert differs(one, other, one.columns) == is_other
    assert differs(other, one, one.columns) == is_other


@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("xy"), st.sampled_from([0.0, 1.5, NAN]))), st.randoms())
def test_rows_in_another_order_are_the_same_rows(rows: list[Any], random: Any) -> None:
    schema = {"a": pl.Int64, "b": pl.String, "c": pl.Float64}
    shuffled = random.sample(rows, len(rows))
    one, other = (pl.DataFrame(found, schema=schema, orient="row") for found in (rows, shuffled))
    assert not differs(one, other, list(schema))


def test_two_files_hold_the_same_rows_in_whichever_order(tmp_path: Path) -> None:
    frame = pl.DataFrame({"a": [1, 2, 2], "b": ["x", None, "y"]})
    frame.write_parquet(tmp_path / "one")
    frame.reverse().write_parquet(tmp_path / "other", compression="uncompressed")
    frame.with_columns(pl.col("a").cast(pl.Int32)).write_parquet(tmp_path / "typed")
    frame.head(2).write_parquet(tmp_path / "fewer")
    assert same_rows(tmp_path / "one", tmp_path / "other")
    assert not same_rows(tmp_path / "one", tmp_path / "typed")
    assert not same_rows(tmp_path / "one", tmp_path / "fewer")
