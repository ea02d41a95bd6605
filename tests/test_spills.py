"""What engines write to the standard error: panics' reports are kept back, all else is shown, none is lost."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.cli.spills import Sieve, kept_back

PANIC = (
    b"\nthread 'async-executor-1' (4711) panicked at crates/polars-stream/src/nodes/mod.rs:432:30:\n"
    b'called `Result::unwrap()` on an `Err` value: JoinError::Panic(Id(25), "assertion failed", ...)\n'
)
NOTE = b"note: run with `RUST_BACKTRACE=1` environment variable to display a backtrace\n"
TRACE = b"stack backtrace:\n   0: __rustc::rust_begin_unwind\n             at ./a.rs:1:2\nnote: Some is omitted.\n"


def sifted(text: bytes, size: int = 7) -> bytes:
    sieve = Sieve()
    pieces = [text[at : at + size] for at in range(0, len(text), size)]
    return b"".join(map(sieve.sift, pieces)) + sieve.rest()


@pytest.mark.parametrize("report", [PANIC, PANIC + NOTE, PANIC + TRACE, PANIC + NOTE + PANIC, PANIC + TRACE + PANIC])
@pytest.mark.parametrize("before", [b"", b"a warning\n", b"\n", b"one\n\ntwo\n"])
@pytest.mark.parametrize("after", [b"", b"another\n", b"no end", b"note that this is none\n"])
def test_a_report_is_taken_out_of_what_is_around_it(before: bytes, report: bytes, after: bytes) -> None:
    assert sifted(before + report + after) == before + after


@given(lines=st.lists(st.binary(max_size=12)), size=st.integers(1, 40))
def test_what_is_no_report_comes_through_whole(lines: list[bytes], size: int) -> None:
    text = b"\n".join(lines)
    assert sifted(text, size) == text


@pytest.mark.parametrize(
    "said",
    [
        b"memory allocation of 480000000 bytes failed\n",
        b"terminate called after throwing an instance of 'std::bad_alloc'\n  what():  std::bad_alloc\n",
    ],
)
def test_the_last_words_of_an_engine_without_memory_are_understood(said: bytes) -> None:
    sieve = Sieve()
    sieve.sift(said)
    assert sieve.no_memory.encode() == said.splitlines()[0]


def test_the_standard_error_is_as_it_was_afterwards(capfd: pytest.CaptureFixture[str]) -> None:
    own = sys.stderr
    with kept_back(lambda _: None):
        os.write(2, b"from an engine\n" + PANIC)
        sys.stderr.write("from Python\n")  # in one call; print() makes two
        os.write(2, b"no end")
    os.write(2, b", but this\n")
    assert sys.stderr is own
    said = capfd.readouterr().err
    assert sorted(said.splitlines()) == ["from Python", "from an engine", "no end, but this"]


def test_verbose_it_shows_them_too(capfd: pytest.CaptureFixture[str]) -> None:
    with kept_back(lambda _: None, verbose=True):
        os.write(2, PANIC + TRACE)
    assert capfd.readouterr().err.encode() == PANIC + TRACE


def test_an_error_of_the_block_comes_through(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ZeroDivisionError), kept_back(lambda _: None):
        os.write(2, PANIC) / 0
    assert capfd.readouterr().err == ""


def test_more_than_a_pipe_holds_is_passed_on(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    text = b"".join(b"line %d\n" % number for number in range(50_000))
    (tmp_path / "text").write_bytes(text)
    with kept_back(lambda _: None):
        os.system(f"cat {tmp_path}/text >&2")  # noqa: S605
    assert capfd.readouterr().err.encode() == text
