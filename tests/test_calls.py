"""What a function may return, in which engine it computed it, and how its errors read."""

from __future__ import annotations

import errno
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pyarrow as pa
import pytest

from lakehouse import Lake, Monthly
from lakehouse.calls import call, engine_error, is_reading_error, to_frame
from lakehouse.errors import AuditError, ComputeError, StorageError
from lakehouse.records import Materialization

ROWS = [("a", 1), ("b", 2)]
TABLE = pa.table({"status": ["a", "b"], "n": [1, 2]})


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake over three orders, two in January and one in February; its clock stands still."""
    (tmp_path / "raw.csv").write_text("id,status,t\n1,a,2018-01-05\n2,b,2018-01-06\n3,a,2018-02-05\n")
    lake = Lake("lake")
    lake.base = tmp_path
    lake._clock = lambda: datetime(2019, 6, 1, tzinfo=UTC)
    lake.source("raw", "raw.csv", schema={"id": pl.Int64, "status": pl.String, "t": pl.Date}, time="t")
    return lake


@pytest.fixture
def spool(tmp_path: Path) -> Callable[[], Path]:
    """A new path in a folder of the test's own, each time."""
    folder = tmp_path / "spool"
    folder.mkdir()
    return lambda: folder / str(len(list(folder.iterdir())))


class Streamed:
    """Some other library's frame: all that is known of it is its stream."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.table.__arrow_c_stream__(requested_schema)


# Kinds of results.


@pytest.mark.parametrize(
    "result",
    [
        lambda: pl.LazyFrame({"status": ["a", "b"], "n": [1, 2]}),
        lambda: pl.DataFrame({"status": ["a", "b"], "n": [1, 2]}),
        lambda: duckdb.sql("select * from (values ('a', 1::bigint), ('b', 2)) as t(status, n)"),
        lambda: TABLE,
        TABLE.to_reader,
        lambda: Streamed(TABLE),
        lambda: TABLE.cast(pa.schema({"status": pa.string_view(), "n": pa.int64()})),
        lambda: pa.table({"status": pa.array(["a", "b"]).dictionary_encode(), "n": [1, 2]}),
    ],
    ids=["lazy", "eager", "relation", "table", "reader", "stream", "string view", "dictionary"],
)
def test_every_kind_of_frame_becomes_the_same_rows(result: Callable[[], Any], spool: Callable[[], Path]) -> None:
    frame = to_frame(result(), name="monthly", spool=spool)
    assert isinstance(frame, pl.LazyFrame)
    assert frame.with_columns(pl.col("status").cast(pl.String)).collect().rows() == ROWS


def test_a_stream_without_rows_keeps_its_columns(spool: Callable[[], Path]) -> None:
    frame = to_frame(TABLE.slice(0, 0), name="monthly", spool=spool)
    assert frame.collect().schema == {"status": pl.String, "n": pl.Int64}


@pytest.mark.parametrize(
    ("result", "kind"),
    [
        (None, "NoneType"),
        ([1, 2], "list"),
        ({"a": [1]}, "dict"),
        (pl.Series([1]), "Series"),
        ("select 1", "str"),
        (pl.col("a"), "Expr"),
    ],
)
def test_anything_else_is_refused(result: object, kind: str, spool: Callable[[], Path]) -> None:
    with pytest.raises(ComputeError) as caught:
        to_frame(result, name="monthly", spool=spool)
    assert caught.value.message == f"monthly returned {kind}, not a frame"
    assert caught.value.code == "result-refused"
    assert caught.value.help == (
        "return a Polars LazyFrame or DataFrame, a DuckDB relation, or anything with __arrow_c_stream__"
    )


def test_a_stream_of_no_table_is_refused(spool: Callable[[], Path]) -> None:
    with pytest.raises(ComputeError, match="monthly: "):
        to_frame(pa.chunked_array([[1, 2]]), name="monthly", spool=spool)


def test_a_type_that_no_file_holds_fails_and_leaves_the_connection_free(spool: Callable[[], Path]) -> None:
    """A stream that is left half read would keep DuckDB's connection from ever answering again."""
    connection = duckdb.connect()
    with pytest.raises(ComputeError, match="month_day_nano_interval"):
        to_frame(connection.sql("select interval 1 month as i from range(10)"), name="monthly", spool=spool)
    frame = to_frame(connection.sql("select 1 as i"), name="monthly", spool=spool)
    assert frame.collect().rows() == [(1,)]


def test_a_stream_that_fails_on_the_way_is_the_functions_failure(spool: Callable[[], Path]) -> None:
    def batches() -> Any:
        yield pa.record_batch({"n": [1]})
        raise ZeroDivisionError("division by zero")

    reader = pa.RecordBatchReader.from_batches(pa.schema({"n": pa.int64()}), batches())
    with pytest.raises(ComputeError, match="division by zero"):
        to_frame(reader, name="monthly", spool=spool)


# Results of assets.


def test_a_relation_over_the_argument_is_computed_although_the_function_has_returned(lake: Lake) -> None:
    """DuckDB finds the argument by its name in the function's own frame, which is gone when the relation runs."""

    @lake.asset(partitions=Monthly("2018-01"), version="1")
    def monthly(raw: pl.LazyFrame) -> duckdb.DuckDBPyRelation:  # noqa: ARG001  the SQL names it
        return duckdb.sql("select partition_date, status, count(*) as n from raw group by all")

    lake.materialize("2018-01..2018-02")
    assert sorted(lake.scan("monthly").collect().rows()) == [
        ("a", 1, "2018-01"),
        ("a", 1, "2018-02"),
        ("b", 1, "2018-01"),
    ]


def test_a_hugeint_sum_is_written_without_loss(lake: Lake) -> None:
    """DuckDB sums integers to 128 bits; a float would lose the last digit of 3 * 2^62 + 1."""

    @lake.asset(partitions=Monthly("2018-01"), version="1")
    def monthly(raw: pl.LazyFrame) -> duckdb.DuckDBPyRelation:  # noqa: ARG001  the SQL names it
        return duckdb.sql(
            "select partition_date, sum(x) as total from raw, (values (4611686018427387904::hugeint), "
            "(4611686018427387904), (4611686018427387904), (1)) as t(x) where id = 3 group by all"
        )

    lake.materialize("2018-02")
    frame = lake.scan("monthly").select("total").collect()
    assert frame.schema == {"total": pl.Decimal(38, 0)}
    assert frame.item() == Decimal(3 * 2**62 + 1)
    file = lake.root / "monthly/partition_date=2018-02/part.parquet"
    assert duckdb.connect().execute("select total from read_parquet(?)", [str(file)]).fetchone() == (frame.item(),)


@pytest.mark.parametrize("returns_column", [True, False])
@pytest.mark.parametrize("engine", ["polars", "eager", "duckdb", "pyarrow", "stream"])
def test_a_function_of_one_partition_may_leave_the_column_out(
    lake: Lake, engine: str, *, returns_column: bool
) -> None:
    turned: dict[str, Callable[[pl.LazyFrame], Any]] = {
        "polars": lambda frame: frame,
        "eager": lambda frame: frame.collect(),
        "duckdb": lambda frame: duckdb.sql("from frame"),  # noqa: ARG005  the SQL names it
        "pyarrow": lambda frame: frame.collect().to_arrow(),
        "stream": lambda frame: Streamed(frame.collect().to_arrow()),
    }

    @lake.asset(partitions=Monthly("2018-01"), version="1")
    def monthly(raw: pl.LazyFrame, partition: Any) -> Any:
        assert (partition.start.date(), partition.end.date()) == {
            "2018-01": (date(2018, 1, 1), date(2018, 2, 1)),
            "2018-02": (date(2018, 2, 1), date(2018, 3, 1)),
        }[partition.key]
        columns = ["partition_date", "id"] if returns_column else ["id"]
        return turned[engine](raw.filter(pl.col("partition_date") == partition.key).select(columns))

    lake.materialize("2018-01..2018-02")
    assert sorted(lake.scan("monthly").collect().rows()) == [(1, "2018-01"), (2, "2018-01"), (3, "2018-02")]


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (pl.lit("2018-02"), "key-unrequested"),
        (pl.lit(None, dtype=pl.String), "key-null"),
        (pl.lit(date(2018, 1, 1)), "partition-column-type"),
        (pl.lit(None), "partition-column-type"),
    ],
)
def test_a_function_of_one_partition_may_not_return_another(lake: Lake, value: pl.Expr, code: str) -> None:
    @lake.asset(partitions=Monthly("2018-01"), version="1")
    def monthly(raw: pl.LazyFrame, partition: Any) -> pl.LazyFrame:  # noqa: ARG001  it asks for one key
        return raw.with_columns(partition_date=value)

    assert failure(lake)["code"] == code


def failure(lake: Lake, key: str = "2018-01") -> dict[str, Any]:
    """The error of an attempt that fails."""
    results: list[Materialization] = lake.materialize(key, on_failure="return")
    (result,) = results
    assert result.result in ("failed", "blocked")
    assert result.error is not None
    return dict(result.error)


# Errors.


@pytest.mark.parametrize("code", [0, None, "enough"])
def test_a_function_that_leaves_the_process_has_failed(lake: Lake, code: Any) -> None:
    @lake.asset(partitions=Monthly("2018-01"), version="1")
    def monthly(raw: pl.LazyFrame) -> pl.LazyFrame:  # noqa: ARG001
        raise SystemExit(code)

    error = failure(lake)
    assert (error["code"], error["exit_code"]) == ("asset-raised", 1)
    assert error["message"].startswith("monthly: SystemExit: ")


def test_an_error_of_the_function_shows_its_own_lines_only(lake: Lake) -> None:
    def ratio(returned: int) -> float:
        return returned / 0

    @lake.asset(partitions=Monthly("2018-01"), version="1")
    def monthly(raw: pl.LazyFrame) -> pl.LazyFrame:
        return raw.with_columns(x=pl.lit(ratio(1)))

    error = failure(lake)
    assert (error["code"], error["exit_code"]) == ("asset-raised", 1)
    assert error["message"] == "monthly: ZeroDivisionError: division by zero"
    lines = [line.partition(" in ")[2] for line in error["details"]]
    assert lines == ["monthly:  return raw.with_columns(x=pl.lit(ratio(1)))", "ratio:  return returned / 0"]
    assert all(line.startswith("test_calls.py:") for line in error["details"])


@pytest.mark.parametrize(
    ("engine", "start"),
    [
        ("lazy", "monthly: ColumnNotFoundError: "),
        ("eager", "monthly: ColumnNotFoundError: "),
        ("duckdb", "monthly: BinderException: Binder Error: "),
    ],
)
def test_a_query_that_no_engine_understands_is_the_functions_failure(lake: Lake, engine: str, start: str) -> None:
    @lake.asset(partitions=Monthly("2018-01"), version="1")
    def monthly(raw: pl.LazyFrame) -> Any:
        if engine == "duckdb":
            return duckdb.sql("select nonsense from raw")
        frame = raw.select("nonsense")
        return frame if engine == "lazy" else frame.collect()

    error = failure(lake)
    assert error["code"] == "asset-raised"
    assert error["message"].startswith(start)
    assert "nonsense" in error["message"]
    assert "Resolved plan" not in str(error)


@pytest.mark.parametrize("engine", ["lazy", "eager", "duckdb"])
def test_a_malformed_source_is_the_sources_fault_whoever_met_it(lake: Lake, tmp_path: Path, engine: str) -> None:
    """Told by line and value, and not as an error of the function that asked its engine for rows."""
    (tmp_path / "raw.csv").write_text("id,status,t\n1,a,2018-01-05\nx,b,2018-01-06\n")

    @lake.asset(partitions=Monthly("2018-01"), version="1")
    def monthly(raw: pl.LazyFrame) -> Any:
        if engine == "duckdb":
            return duckdb.sql("select * from raw")
        return raw if engine == "lazy" else raw.collect()

    error = failure(lake)
    assert (error["code"], error["exit_code"]) == ("source-malformed", 5)
    assert error["message"] == "raw.csv: 1 bad value, nothing written"
    assert error["details"] == ["line 3   id  'x'  expected i64"]


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "No such file or directory", "rates.json"),
        ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused"),
        OSError("no errno at all"),
        TimeoutError(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_file_or_a_host_that_the_function_misses_is_no_fault_of_the_disk(lake: Lake, error: OSError) -> None:
    """It fails this partition, and does not end the run."""

    @lake.asset(partitions=Monthly("2018-01"), version="1")
    def monthly(raw: pl.LazyFrame, partition: Any) -> pl.LazyFrame:
        if partition.key == "2018-01":
            raise error
        return raw

    results = lake.materialize("2018-01..2018-02", on_failure="return")
    assert [result.result for result in results] == ["failed", "created"]
    assert (results[0].error or {})["code"] == "asset-raised"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), "disk-full"),
        (pl.exceptions.ComputeError("No space left on device (os error 28)"), "disk-full"),
        (pl.exceptions.PanicException("called `Result::unwrap()`: Os { code: 28 } (os error 28)"), "disk-full"),
        (OSError(errno.EROFS, "Read-only file system"), "read-only"),
        (OSError(errno.EIO, "Input/output error"), "disk-failed"),
        (OSError(errno.EMFILE, "Too many open files"), "too-many-files"),
        (MemoryError(), "out-of-memory"),
    ],
    ids=repr,
)
def test_a_full_or_failing_disk_is_told_apart_whoever_says_it(error: BaseException, code: str) -> None:
    found = engine_error(error, "monthly")
    assert isinstance(found, StorageError)
    assert found.code == code
    assert str(found.help).endswith(", then run the same command again: nothing is lost")
    assert not is_reading_error(error)


def test_an_error_of_the_lake_passes_as_it_is() -> None:
    def refuse() -> None:
        raise AuditError("refused")

    with pytest.raises(AuditError, match=r"^refused$"):
        call(refuse, {}, name="monthly")


def test_a_panic_of_the_engine_is_the_functions_failure() -> None:
    def panic() -> None:
        raise pl.exceptions.PanicException("index out of bounds")

    with pytest.raises(ComputeError, match="monthly: PanicException: index out of bounds"):
        call(panic, {}, name="monthly")


def test_ctrl_c_is_no_failure() -> None:
    def interrupt() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        call(interrupt, {}, name="monthly")


@pytest.mark.parametrize("text", ["", "\n\n", "x" * 5000])
def test_an_error_of_any_text_becomes_one_of_a_line(text: str) -> None:
    found = engine_error(ValueError(text), "monthly")
    assert "\n" not in found.message
    assert len(found.message) < 500
