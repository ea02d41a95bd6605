"""Laws of the CSV faults: what Polars refuses is named by line, column and value, and nothing else is."""

from __future__ import annotations

import gzip
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lakehouse.sources.csv_faults import CsvFaults, Fault, find_faults, header_error, source_error
from lakehouse.sources.csv_files import has_columns, scan

ORDERS: dict[str, Any] = {"id": pl.Int64, "user_id": pl.Int64, "order_date": pl.Date, "status": pl.String}
HEADER = b"id,user_id,order_date,status\n"
GOOD = b"1,2,2018-01-01,placed\n"


@pytest.fixture
def orders(tmp_path: Path) -> Path:
    return tmp_path / "orders.csv"


def faults_of(path: Path, content: bytes, schema: dict[str, Any] = ORDERS, **options: Any) -> CsvFaults:
    path.write_bytes(content)
    found = find_faults(path, schema, **{"nullable": [], **options})
    assert found is not None
    return found


def said(path: Path, content: bytes, schema: dict[str, Any] = ORDERS, **options: Any) -> list[str]:
    return source_error("data/x.csv", faults_of(path, content, schema, **options)).lines()


def test_the_error_names_line_column_value_and_what_was_expected(orders: Path) -> None:
    content = HEADER + GOOD + b"2,3,2018-13-99,placed\n3,x,2018-01-02,placed\n4,5,2018-01-03\n"
    error = source_error("data/raw_orders.csv", faults_of(orders, content))
    assert str(error) == (
        "data/raw_orders.csv: 3 bad values, nothing written\n"
        "  line 3   order_date  '2018-13-99'  expected date (YYYY-MM-DD)\n"
        "  line 4   user_id     'x'           expected i64\n"
        "  line 5   status      (missing)     row has 3 fields, header has 4\n"
        "  help: fix the rows (3 of 3 shown); a column that may be null is named in nullable=[...]"
    )
    assert (error.code, error.exit_code) == ("source-malformed", 5)
    assert error.context["count"] == 3
    assert error.context["faults"][2] == {
        "line": 5,
        "column": "status",
        "value": None,
        "expected": "row has 3 fields, header has 4",
    }


def test_one_bad_value_is_singular(orders: Path) -> None:
    assert said(orders, HEADER + b"1,x,2018-01-01,placed\n")[0] == "data/x.csv: 1 bad value, nothing written"


def test_all_are_counted_and_the_first_five_shown_in_the_order_of_lines(orders: Path) -> None:
    # 100 rows of two bad values, 12 short ones lacking two columns (one fault each), 3 with a field too many.
    content = HEADER + b"1,x,2018-01-32,placed\n" * 100 + b"1,2\n" * 12 + b"1,2,2018-01-01,placed,\n" * 3
    found = faults_of(orders, content)
    assert found.count == 215
    assert [(fault.line, fault.column) for fault in found.faults] == [
        (2, "user_id"),
        (2, "order_date"),
        (3, "user_id"),
        (3, "order_date"),
        (4, "user_id"),
    ]
    assert source_error("x.csv", found).help == (
        "fix the rows (5 of 215 shown); a column that may be null is named in nullable=[...]"
    )
    assert len(faults_of(orders, content, shown=300).faults) == 215


def test_a_file_without_faults_has_none_also_where_it_has_no_rows(orders: Path) -> None:
    for content in (HEADER, HEADER.strip(), HEADER + GOOD, HEADER + GOOD.strip(), b"\xef\xbb\xbf" + HEADER + GOOD):
        orders.write_bytes(content)
        assert find_faults(orders, ORDERS, nullable=[]) is None
        assert scan([orders], ORDERS).collect(engine="streaming").height == content.count(b"placed")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"", "column holds no nulls"),
        (b'" "', "column holds no nulls"),
        (b"300", "expected i8, -128 to 127"),
        (b"1e2", "expected i8"),
        (b"5 ", "expected i8"),
        (b"1\x00", "expected i8; it holds a NUL byte"),
    ],
)
def test_a_bad_value_is_told_from_an_empty_one(orders: Path, text: bytes, expected: str) -> None:
    (fault,) = faults_of(orders, b"a,b\n" + text + b",1\n", {"a": pl.Int8}).faults
    assert (fault.line, fault.column, fault.expected) == (2, "a", expected)


@pytest.mark.parametrize(
    ("dtype", "text", "expected"),
    [
        (pl.UInt16, "-1", "expected u16, 0 to 65535"),
        (pl.Float64, "1_5", "expected f64"),
        (pl.Boolean, "yes", "expected bool (true or false)"),
        (pl.Date, "20180101", "expected date (YYYY-MM-DD)"),
        (pl.Datetime("us"), "noon", "expected datetime (YYYY-MM-DD HH:MM:SS)"),
        (pl.Decimal(10, 2), "x", "expected decimal(10,2)"),
        (pl.Enum(["placed", "sent"]), "Sent", "expected one of placed, sent"),
    ],
)
def test_each_type_is_expected_in_its_own_words(orders: Path, dtype: Any, text: str, expected: str) -> None:
    (fault,) = faults_of(orders, f"a,b\n{text},1\n".encode(), {"a": dtype}).faults
    assert (fault.value, fault.expected) == (text, expected)


def test_a_date_of_another_format_is_refused_even_if_all_are_written_so(orders: Path) -> None:
    (fault,) = faults_of(orders, b"a\n31/01/2018\n2018-02-01\n", {"a": pl.Date}).faults
    assert (fault.line, fault.expected) == (2, "expected date (YYYY-MM-DD)")


def test_nulls_are_faults_only_in_columns_that_may_hold_none(orders: Path) -> None:
    content = HEADER + b'1,2,,\n2,,2018-01-01,""\n3,4,2018-01-01\n'
    assert [(fault.line, fault.column, fault.value) for fault in faults_of(orders, content).faults] == [
        (2, "order_date", ""),
        (2, "status", ""),
        (3, "user_id", ""),
        (4, "status", None),
    ]  # "" in quotes is a text without letters, not a null
    assert find_faults(orders, ORDERS, nullable=["user_id", "order_date", "status"]) is None
    assert faults_of(orders, content, nullable=["user_id", "status"]).count == 1
    assert find_faults(orders, {"id": pl.Int64}, nullable=[]) is None


def test_a_long_row_is_a_fault_whichever_columns_are_declared(orders: Path) -> None:
    """Polars refuses it when it reads all columns; reading some, it would take shifted values for true."""
    content = b"id,note,status\n1,well, then,placed\n"
    assert said(orders, content, {"id": pl.Int64, "status": pl.String})[1:-1] == [
        "  line 2   (extra)  'placed'  row has 4 fields, header has 3"
    ]


LINES = {
    "plain": (b"a,b\n1,y\nx,y\n", 3),
    "crlf": (b"a,b\r\n1,y\r\nx,y\r\n", 3),
    "bom": (b"\xef\xbb\xbfa,b\nx,y\n", 2),
    "no newline at the end": (b"a,b\n1,y\nx,y", 3),
    "blank lines before the header": (b"\n\r\na,b\n1,y\nx,y\n", 5),
    "a blank line between": (b"a,b\n1,y\n\nx,y\n", 4),
    "newlines in a field before": (b'a,b\n1,"p\nq\n"\nx,y\n', 5),
    "newlines in the same row": (b'a,b\n1,y\nx,"p\nq"\n2,y\n', 3),
    "newlines in the header": (b'a,"b\n1"\n1,y\nx,y\n', 4),
    "newlines in an undeclared field, crlf": (b'a,c\r\n1,"p\r\nq"\r\nx,y\r\n', 4),
    "doubled quotes": (b'a,b\n1,"p""\n"",q"\nx,y\n', 4),
}


@pytest.mark.parametrize("case", LINES)
def test_a_line_is_the_physical_line_at_which_the_row_starts(orders: Path, case: str) -> None:
    content, line = LINES[case]
    found = faults_of(orders, content, {"a": pl.Int64}, nullable=["a"])
    assert [(fault.line, fault.value) for fault in found.faults] == [(line, "x")]


def test_a_blank_line_is_one_fault(orders: Path) -> None:
    found = faults_of(orders, HEADER + GOOD + b"\n" + GOOD + b"\r\n")
    blank = {"column": "id", "value": None, "expected": "the line is blank"}
    assert (found.count, found.faults) == (2, (Fault(line=3, **blank), Fault(line=5, **blank)))


QUOTES = {
    "never closes": (b'1,2,2018-01-01,"placed\n' + GOOD * 3, 3, "status", '"placed', "this quote never closes"),
    "never closes, others do": (
        b'1,2,2018-01-01,"placed\n2,3,2018-01-01,"sent"\n' + GOOD,
        3,
        "status",
        '"placed',
        "this quote never closes",
    ),
    "stray": (
        b'1,2,2018-01-01,5" disk\n' + GOOD,
        3,
        "status",
        '5" disk',
        "a quote within a field that does not start with one",
    ),
    "text after": (b'1,2,2018-01-01,"a"b\n' + GOOD, 3, "status", '"a"b', "text after the closing quote"),
}


@pytest.mark.parametrize("case", QUOTES)
def test_a_bad_quote_is_named_where_it_opens(orders: Path, case: str) -> None:
    rows, line, column, value, expected = QUOTES[case]
    found = faults_of(orders, HEADER + GOOD + rows)
    assert found.faults == (Fault(line=line, column=column, value=value, expected=expected),)
    assert source_error("x.csv", found).message == "x.csv: 1 bad quote, nothing written"
    with pytest.raises(pl.exceptions.ComputeError):
        scan([orders], ORDERS).collect(engine="streaming")


def test_a_quote_that_never_closes_does_not_pull_the_file_into_memory(
    orders: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lakehouse.sources.csv_files.LONGEST_ROW", 10 * len(GOOD))
    content = HEADER + b'1,2,2018-01-01,"placed\n' + GOOD * 1_000 + b'1,2,2018-01-01,closed"\n'
    assert [(fault.line, fault.expected) for fault in faults_of(orders, content).faults] == [
        (2, "this quote never closes")
    ]


def test_bytes_that_are_not_utf8_are_named_with_a_guess(orders: Path) -> None:
    content = HEADER + GOOD + "1,2,2018-01-01,Café\n".encode("cp1252") + "1,2,2018-01-01,Köln\n".encode()
    assert said(orders, content) == [
        "data/x.csv: 1 row not in UTF-8, nothing written",
        "  line 3   status  'Caf�'  expected UTF-8; as Windows-1252 it reads 'Café'",
        "  help: save the file as UTF-8",
    ]
    assert (
        said(orders, HEADER.decode().encode("utf-16"))[0] == "data/x.csv: in UTF-16, expected UTF-8, nothing written"
    )


@pytest.mark.parametrize("content", [b"", b"\n\r\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_told_the_header_it_should_have(orders: Path, content: bytes) -> None:
    assert said(orders, content)[0] == "data/x.csv is empty; expected a header with id, user_id, order_date, status"


HEADERS = {
    "near": (
        b"id,userid,order_date,status",
        "header lacks user_id",
        ["line 1   user_id  (missing)  not in the header; did you mean 'userid'?"],
    ),
    "case and spaces": (
        b"ID, user_id,order_date,status",
        "header lacks id, user_id",
        [
            "line 1   id       (missing)  not in the header; did you mean 'ID'?",
            "line 1   user_id  (missing)  not in the header; did you mean ' user_id'?",
        ],
    ),
    "far": (
        b"id,x,order_date,status",
        "header lacks user_id",
        ["line 1   user_id  (missing)  not in the header: id, x, order_date, status"],
    ),
    "twice": (
        b"id,user_id,order_date,status,id",
        "header repeats id",
        ["line 1   id  'id'  2 columns of this name"],
    ),
    "semicolons": (
        b"id;user_id;order_date;status",
        "fields are separated by ';', expected ','",
        ["line 1   (header)  'id;user_id;order_date;status'  is one field"],
    ),
    "tabs": (
        b"id\tuser_id",
        "fields are separated by tabs, expected ','",
        ["line 1   (header)  'id\\tuser_id'  is one field"],
    ),
    "old newlines": (b"id,user_id,order_date,status\r1,2", "lines end in CR alone, expected LF or CRLF", []),
}


@pytest.mark.parametrize("case", HEADERS)
def test_a_header_fault_is_said_before_any_row_is_read(orders: Path, case: str) -> None:
    header, headline, details = HEADERS[case]
    error = source_error("x.csv", faults_of(orders, header + b"\nbad,rows\n"))
    assert error.message == f"x.csv: {headline}, nothing written"
    assert list(error.details) == details
    assert not has_columns(orders, ORDERS)


def test_an_undeclared_name_twice_is_no_fault(orders: Path) -> None:
    orders.write_bytes(b"id,x,x\n1,2,3\n")
    assert find_faults(orders, {"id": pl.Int64}, nullable=[]) is None


def test_gzip_is_read_like_polars_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv.gz"
    assert faults_of(path, gzip.compress(HEADER + GOOD + b"1,x,2018-01-01,\n")).count == 2


def test_a_scan_gives_declared_columns_in_declared_order(orders: Path) -> None:
    orders.write_bytes(b"extra,status,id\nnot a number,7,1\n")
    frame = scan([orders], {"id": pl.Int8, "status": pl.String}).collect(engine="streaming")
    assert frame.schema == {"id": pl.Int8, "status": pl.String}
    assert frame.rows() == [(1, "7")]


def test_each_file_of_a_scan_has_its_own_header_order(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"id,status\n1,x\n")
    (tmp_path / "b[1].csv").write_bytes(b"status,note,id\ny,?,2\n")
    schema: dict[str, Any] = {"id": pl.Int64, "status": pl.String}
    frame = scan([tmp_path / "a.csv", tmp_path / "b[1].csv"], schema).collect(engine="streaming")
    assert frame.rows() == [(1, "x"), (2, "y")]


def test_a_file_of_several_that_lacks_a_column_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"id,status\n1,x\n")
    (tmp_path / "b.csv").write_bytes(b"id,state\n2,y\n")
    schema: dict[str, Any] = {"id": pl.Int64, "status": pl.String}
    assert has_columns(tmp_path / "a.csv", schema)
    assert not has_columns(tmp_path / "b.csv", schema)
    error = header_error(tmp_path / "b.csv", schema, "data/b.csv")
    assert error is not None
    assert error.message == "data/b.csv: header lacks status, nothing written"
    assert error.details == ("line 1   status  (missing)  not in the header; did you mean 'state'?",)


# The second engine: Polars' strict typed scan, which says no without saying where.

DTYPES = [
    *(pl.Int8, pl.Int16, pl.Int32, pl.Int64, pl.UInt8, pl.UInt16, pl.UInt32, pl.UInt64),
    *(pl.Float32, pl.Float64, pl.Boolean, pl.Date, pl.String, pl.Decimal(10, 2), pl.Decimal(38, 0)),
    *(pl.Datetime("us"), pl.Datetime("ms"), pl.Datetime("us", "Europe/Berlin"), pl.Enum(["placed", "5"])),
]
TEXTS = """5|+5|-5| 5|5 |\t5|"5"|" 5"|127|128|-129|65536|99999999999999999999|1e3|1.0|1.|.5|1.005|1,5|"1,5"
|0x1|1_000|--1|-|" "|  |""|nan|inf|-Infinity|TRUE|true|True|t|yes|1|0|null|é|12345678.90|123456789.5|1\x00
|2018-01-01|2018-1-5| 2018-01-01|2018-01-01 |2018-13-99|2018-02-30|2018/01/01|01-02-2018|01/02/2018|20180101
|0001-01-01|2018-01-01T10:00:00|2018-01-01 10:00:00|2018-01-01 10:00|2018-01-01T10:00:00Z|2018-01-01 24:00:00
|2018-01-01T10:00:00+02:00|2018-01-01 10:00:00.123456|2018-03-25 02:30:00|placed|"placed"|"""


def scans(path: Path, schema: dict[str, Any]) -> bool:
    """Whether the scan goes through; but for dates and naive times, it is Polars' own."""
    try:
        scan([path], schema).collect(engine="streaming")
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException):  # it panics at a field that is one quote
        return False
    return True


@pytest.mark.parametrize(
    ("dtype", "taken"),
    [
        (pl.Date, "2018-01-01 0001-01-01"),
        (
            pl.Datetime("us"),
            """2018-01-01 0001-01-01 2018-01-01T10:00:00 2018-01-01_10:00:00 2018-01-01_10:00
            2018-01-01_10:00:00.123456 2018-03-25_02:30:00""",
        ),
    ],
    ids=["Date", "Datetime"],
)
def test_dates_and_times_are_read_as_iso_8601_and_as_nothing_else(orders: Path, dtype: Any, taken: str) -> None:
    """Whatever stands before them: 03/02/2018 is a date of February or of March, and nobody can tell which."""
    found = set()
    for text in TEXTS.replace("\n", "").split("|"):
        orders.write_bytes(f"a,b\n{text},z\n".encode())
        if scans(orders, {"a": dtype, "b": pl.String}):
            (value,) = scan([orders], {"a": dtype}).collect().to_series()
            assert value is None or str(value).split(".")[0].replace(" ", "T").startswith(text[:10])
            found.add(text.replace(" ", "_"))
    assert found - {"", '""'} == {*taken.split()}


def test_a_time_is_the_one_that_is_written(orders: Path) -> None:
    orders.write_bytes(b"a\n2018-01-05 10:30\n2018-01-05T10:30:01.5\n2018-01-06\n")
    frame = scan([orders], {"a": pl.Datetime("ms")}).collect(engine="streaming")
    assert frame["a"].to_list() == [
        datetime(2018, 1, 5, 10, 30),  # noqa: DTZ001  it is naive
        datetime(2018, 1, 5, 10, 30, 1, 500_000),  # noqa: DTZ001
        datetime(2018, 1, 6),  # noqa: DTZ001
    ]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_value_is_a_fault_exactly_when_the_scan_refuses_it(orders: Path, dtype: Any) -> None:
    verdicts = {}
    for text in TEXTS.replace("\n", "").split("|"):
        orders.write_bytes(f"a,b\n{text},z\n".encode())
        schema = {"a": dtype, "b": pl.String}
        verdicts[text] = (
            find_faults(orders, schema, nullable=["a", "b"]) is None,
            scans(orders, schema),
        )
    assert {text: verdict for text, verdict in verdicts.items() if verdict[0] != verdict[1]} == {}
    assert verdicts[""] == (True, True)


PIECES = ["1", "x", "", " ", '"', '""', '"a"', ",", "\n", "\r\n", "é", "2018-01-01", "01/02/2018", '"1"', '"p\nq"']


@settings(max_examples=400, deadline=None)
@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
@example('1,"x\n1,"y"\n')
@example('x"y,1\nz"w,2\n')
def test_a_file_that_polars_refuses_has_faults_and_one_that_it_takes_has_none(
    tmp_path_factory: pytest.TempPathFactory, body: str
) -> None:
    """But for quotes without a mate: Polars takes some, and not for what they say (``"12`` at the end is 1)."""
    path = tmp_path_factory.getbasetemp() / "any.csv"
    path.write_bytes(f"a,b,c\n{body}\n".encode())
    schema: dict[str, Any] = {"c": pl.Date, "a": pl.Int64, "b": pl.String}
    found, is_taken = find_faults(path, schema, nullable=list(schema)), scans(path, schema)
    assert found or is_taken
    assert not (found and is_taken) or "bad quote" in found.headline


@settings(max_examples=100, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from(["1", "x", ""]), st.sampled_from(["p", "p\nq", 'p"q', "p,q", ""])), max_size=20
    ),
    st.sampled_from(["\n", "\r\n"]),
)
def test_line_column_and_value_are_those_of_the_rows_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]], newline: str
) -> None:
    path = tmp_path_factory.getbasetemp() / "lines.csv"
    text, expected = f"a,b{newline}", []
    for number, note in rows:
        if number != "1":
            expected.append((text.count("\n") + 1, "a", number))
        text += f'{number},"{note.replace(chr(34), chr(34) * 2)}"{newline}'
    path.write_bytes(text.encode())
    found = find_faults(path, {"b": pl.String, "a": pl.UInt8}, nullable=[], shown=100)
    assert [(fault.line, fault.column, fault.value) for fault in found.faults] if found else expected == []
