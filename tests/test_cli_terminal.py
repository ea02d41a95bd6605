"""Terminals: colours, glyphs, widths, progress, interrupts, and readers that have gone."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

import pytest

from lakehouse.cli.failures import Terminated
from lakehouse.cli.interrupts import Interrupts
from lakehouse.cli.output import Screen, align, cell, duration, plural, size, wrapped
from lakehouse.cli.progress import Progress, binned
from lakehouse.outcome import Event, Outcome
from lakehouse.records import Materialization, Version

ROOT = Path(__file__).parent.parent
LAKE = [sys.executable, "-c", "from lakehouse.cli import main; main()"]


class Terminal:
    """Takes what is written, as a terminal of some encoding."""

    def __init__(self, encoding: str, *, is_terminal: bool = True) -> None:
        self.encoding, self._is_terminal, self.text = encoding, is_terminal, ""

    def isatty(self) -> bool:
        return self._is_terminal

    def write(self, text: str) -> int:
        self.text += text
        return len(text)

    def flush(self) -> None:
        pass


def screen(
    monkeypatch: pytest.MonkeyPatch,
    encoding: str = "utf-8",
    colour: Literal["auto", "always", "never"] = "auto",
    *,
    is_terminal: bool = True,
    **environment: str,
) -> Screen:
    for name in ("LC_ALL", "LC_CTYPE", "LANG", "NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "stdout", Terminal(encoding, is_terminal=is_terminal))
    monkeypatch.setattr(sys, "stderr", Terminal(encoding, is_terminal=is_terminal))
    return Screen.standard(colour)


@pytest.mark.parametrize(
    ("encoding", "environment", "is_unicode"),
    [
        ("utf-8", {}, True),
        ("UTF8", {"LANG": "de_DE.UTF-8"}, True),
        ("latin-1", {"LANG": "de_DE"}, False),
        ("ascii", {}, False),
        ("utf-8", {"LANG": "C"}, False),
        ("utf-8", {"LANG": "C", "LC_CTYPE": "C.UTF-8"}, False),
        ("utf-8", {"LANG": "C", "LC_CTYPE": "en_US.UTF-8"}, True),
        ("utf-8", {"LC_ALL": "POSIX", "LANG": "de_DE.UTF-8"}, False),
        ("utf-8", {"LC_ALL": "C.UTF-8"}, True),
    ],
)
def test_glyphs_are_ascii_where_the_terminal_takes_no_more(
    monkeypatch: pytest.MonkeyPatch,
    encoding: str,
    environment: dict[str, str],
    *,
    is_unicode: bool,
) -> None:
    """Where the locale is C, Python takes UTF-8 for granted and sets LC_CTYPE itself: no word of the terminal's."""
    states = ("fresh", "empty", "stale", "missing", "failed", "unrecorded", "running")
    drawn = screen(monkeypatch, encoding, "never", **environment)
    assert [drawn.glyph(state) for state in states] == list("●○◐·✗?▸" if is_unicode else "#o~.x?>")
    assert drawn.fitted("über… 北") == ("über… 北" if is_unicode else "?ber... ?")


@pytest.mark.parametrize(
    ("colour", "is_terminal", "environment", "is_coloured"),
    [
        ("auto", True, {}, True),
        ("auto", False, {}, False),
        ("auto", True, {"NO_COLOR": "1"}, False),
        ("auto", False, {"FORCE_COLOR": "1"}, True),
        ("auto", True, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        ("auto", True, {"TERM": "dumb"}, False),
        ("always", False, {"NO_COLOR": "1"}, True),
        ("never", True, {"FORCE_COLOR": "1"}, False),
    ],
)
def test_colours_are_for_terminals_and_the_option_wins(
    monkeypatch: pytest.MonkeyPatch,
    colour: Literal["auto", "always", "never"],
    environment: dict[str, str],
    *,
    is_terminal: bool,
    is_coloured: bool,
) -> None:
    drawn = screen(monkeypatch, "utf-8", colour, is_terminal=is_terminal, **environment)
    assert (drawn.out_colour, drawn.err_colour) == (is_coloured, is_coloured)
    assert drawn.glyph("fresh") == ("\x1b[32m●\x1b[0m" if is_coloured else "●")


def test_colour_never_tells_alone(cli: Any) -> None:
    """Without its colours, the coloured output is the plain one."""
    import click

    cli("materialize", "2018-01..2018-02")
    for args in (["status"], ["materialize", "2018-02"], ["show", "monthly_orders"], ["status", "2018", "--list"]):
        plain, coloured = cli(*args), cli(*args, "--color", "always")
        assert coloured.out != plain.out or args[0] == "show"
        assert click.unstyle(coloured.out) == plain.out


def test_a_narrow_grid_has_months_by_their_letter(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    cli("materialize", "2018-01..2018-02 2018-05")
    monkeypatch.setenv("COLUMNS", "40")
    assert cli("status").out.splitlines()[1:4] == [
        "       J F M A M J J A S O N D",
        "  2018 ● ● · · ○ · · · · · · ·",
        "  2019..2026-10   94 missing",
    ]


def test_years_in_which_nothing_was_made_are_drawn_together_wherever_they_are(cli: Any) -> None:
    cli("materialize", "2018-12 2022-01 2026-10")
    assert cli("status").out.splitlines()[2:7] == [
        "  2018   ·   ·   ·   ·   ·   ·   ·   ·   ·   ·   ·   ○",
        "  2019..2021   36 missing",
        "  2022   ○   ·   ·   ·   ·   ·   ·   ·   ·   ·   ·   ·",
        "  2023..2025   36 missing",
        "  2026   ·   ·   ·   ·   ·   ·   ·   ·   ·   ○",
    ]


def test_columns_that_do_not_fit_are_left_out_and_counted() -> None:
    rows = [["a", "b", "c"], ["1", "x" * 20, "y" * 20]]
    assert align(rows, right=[True, False, False], width=30) == [
        "  a   b",
        f"  1   {'x' * 20}",
        "  … and 1 more column",
    ]


def test_wide_characters_take_two_columns() -> None:
    assert align([["北京", "x"], ["a", "y"]], right=[False, False], width=80) == ["  北京   x", "  a      y"]


def test_a_value_stays_on_its_line() -> None:
    """Control characters could move the cursor; long values are cut."""
    assert cell("a\x1b[31m\nb\tc") == "a[31mbc"
    assert cell("x" * 41) == "x" * 39 + "…"
    assert (cell(None), cell(True), cell(1.5)) == ("null", "true", "1.5")  # noqa: FBT003


def test_parts_of_a_line_are_wrapped_at_the_width() -> None:
    assert wrapped(["aaaa", "bbbb", "cccc"], width=12, indent=" ") == [" aaaa   bbbb", " cccc"]


def test_numbers_are_said_for_people() -> None:
    assert [plural(1, "row"), plural(0, "row"), plural(9999, "row"), plural(1234567, "row")] == [
        "1 row",
        "0 rows",
        "9999 rows",
        "1 234 567 rows",
    ]
    assert [size(976), size(1000), size(34_400_000), size(5 * 10**12)] == ["976 B", "1.0 kB", "34 MB", "5.0 TB"]
    assert [duration(0.034), duration(12.34), duration(200)] == ["0.03s", "12.3s", "3m 20s"]


def test_of_partitions_that_share_a_cell_the_worst_is_shown() -> None:
    """A hundred partitions in fifty cells: one that failed shows, however many around it are fresh."""
    states = ["fresh"] * 100
    states[41], states[60], states[61], states[98] = "failed", "empty", "running", "missing"
    cells = binned(states)
    assert len(cells) == 50
    assert {number: state for number, state in enumerate(cells) if state != "fresh"} == {
        20: "failed",
        30: "running",
        49: "missing",
    }
    assert binned(["fresh", "empty"]) == ["fresh", "empty"]


def result(key: str, name: str = "created", rows: int | None = 2) -> Materialization:
    now = datetime(2026, 11, 20, tzinfo=UTC)
    version = Version(digest="d", path="p", row_count=rows or 0, size_bytes=9, mtime_ns=1, writer="w")
    return Materialization(
        asset="orders",
        key=key,
        partition={"partition_date": key},
        result=name,  # type: ignore[arg-type]
        reason="",
        run="r",
        started=now,
        finished=now,
        base=0,
        path="p",
        version=None if rows is None else version,
    )


def test_the_bar_is_the_partitions(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many cells as fit beside the asset, its span, the count and the time that is left."""
    drawn = screen(monkeypatch)
    keys = [f"2018-{month:02}" for month in range(1, 13)]
    progress = Progress(drawn, {"orders": keys, "later": keys}, {"orders": "2018-01..2018-12", "later": "2018"})
    assert progress._bars(80).plain == ""
    for key in keys[:6]:
        progress.on_event(Event("started", "orders", key))
    for key, made in (("2018-01", result("2018-01")), ("2018-02", result("2018-02", rows=0))):
        progress.on_event(Event("finished", "orders", key, made))
    progress.on_event(Event("finished", "orders", "2018-03", result("2018-03", "failed", None)))
    line = progress._bars(80).plain
    assert line.startswith("orders 2018-01..2018-12  ●○✗▸▸▸······   3/12   ")
    assert line.endswith("s left")
    narrow = progress._bars(36).plain
    assert narrow.startswith("orders  ")
    assert "✗" in narrow
    assert len(narrow) <= 36


def test_progress_on_a_terminal_shows_only_what_takes_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is over at once draws nothing; a longer one draws its bar and takes it away again."""
    import lakehouse.cli.progress as module

    drawn = screen(monkeypatch)
    progress = Progress(drawn, {"orders": ["2018-01"]}, {"orders": "2018-01"})
    with progress.drawn():
        progress.on_event(Event("started", "orders", "2018-01"))
    assert sys.stderr.text == ""  # type: ignore[attr-defined]
    monkeypatch.setattr(module, "_DELAY", 0.0)
    shown = threading.Event()
    progress = Progress(drawn, {"orders": ["2018-01"]}, {"orders": "2018-01"})
    bars = progress._bars
    monkeypatch.setattr(Progress, "_bars", lambda _, width: (shown.set(), bars(width))[1])
    with progress.drawn():
        progress.on_event(Event("started", "orders", "2018-01"))
        assert shown.wait(10)
    text = sys.stderr.text  # type: ignore[attr-defined]
    assert "orders 2018-01  " in text
    assert text.rstrip().endswith("\x1b[2K")  # the line is erased
    assert "\x1b[?25h" in text  # the cursor is back


def test_a_dumb_terminal_gets_a_line_a_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = ["2018-01", "2018-02", "2018-03", "2018-04"]
    drawn = screen(monkeypatch, "ascii", TERM="dumb")
    progress = Progress(drawn, {"orders": keys}, {"orders": "2018-01..2018-04"})
    with progress.drawn():
        progress.on_event(Event("started", "orders", "2018-01"))
        progress.on_event(Event("finished", "orders", "2018-01", result("2018-01")))
        progress.on_event(Event("finished", "orders", "2018-02", result("2018-02", "fresh")))
        progress.on_event(Event("finished", "orders", "2018-03", result("2018-03", "failed", None)))
    assert sys.stderr.text == "+ orders 2018-01   created   2 rows\nx orders 2018-03   failed\n"  # type: ignore[attr-defined]


def waiting(until: Any) -> None:
    """Give the thread that hears of signals the time that it needs."""
    deadline = time.monotonic() + 60
    while not until() and time.monotonic() < deadline:
        time.sleep(0.001)
    assert until()


def test_ctrl_c_once_is_for_the_run_to_see(capsys: pytest.CaptureFixture[str]) -> None:
    """What is being published goes on to its end; the handlers of before are back afterwards."""
    interrupts, before = Interrupts(Screen.standard("never")), signal.getsignal(signal.SIGINT)
    with interrupts.taken():
        assert not interrupts.is_asked()
        os.kill(os.getpid(), signal.SIGINT)
        waiting(lambda: interrupts._heard)
        assert interrupts.is_asked()
    said = "finishing what is being published; Ctrl-C again drops what is not yet\n"
    assert capsys.readouterr().err == said
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_twice_ends_it_at_once() -> None:
    interrupts = Interrupts(Screen.standard("never"))

    def work() -> None:
        with interrupts.taken():
            os.kill(os.getpid(), signal.SIGINT)
            waiting(lambda: interrupts._heard)
            os.kill(os.getpid(), signal.SIGINT)
            waiting(lambda: False)

    with pytest.raises(KeyboardInterrupt, match="what was published stays"):
        work()


def test_whoever_presses_on_does_not_disturb_the_cleaning_up() -> None:
    interrupts = Interrupts(Screen.standard("never"))
    with interrupts.taken():
        os.kill(os.getpid(), signal.SIGINT)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)
        waiting(lambda: interrupts._heard == interrupts._handled == 3)


def test_a_signal_that_is_ignored_stays_ignored() -> None:
    """Ctrl-C is not meant for a shell's background jobs."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        interrupts = Interrupts(Screen.standard("never"))
        with interrupts.taken():
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGTERM)
            waiting(lambda: interrupts._heard)
        assert (interrupts.asked, interrupts._heard) == (signal.SIGTERM, 1)
        assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    finally:
        signal.signal(signal.SIGINT, before)


def test_sigterm_ends_a_run_with_its_own_code_and_says_what_is_left(
    cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lakehouse.lake import Lake

    def run(*_: object, should_stop: Any, **__: object) -> Outcome:
        os.kill(os.getpid(), signal.SIGTERM)
        waiting(should_stop)
        return Outcome("")

    monkeypatch.setattr(Lake, "run", run)
    monkeypatch.setattr(sys, "argv", ["lake", "materialize", "2018-02 2018-03", "-q"])
    done = cli("materialize", "2018-02 2018-03", "-q")
    assert (done.code, done.out) == (143, "")
    assert done.err.splitlines() == [
        "finishing what is being published; SIGTERM again drops what is not yet",
        "terminated: 0 partitions made, 2 left",
        "  left: monthly_orders 2018-02..2018-03",
        '  help: the same command goes on from there: lake materialize "2018-02 2018-03" -q',
    ]


def test_a_query_ends_at_the_first_ctrl_c(capsys: pytest.CaptureFixture[str]) -> None:
    """And tells the engine to stop, from the thread that hears of it, as the main one is the engine's."""
    interrupts, stopped = Interrupts(Screen.standard("never"), is_at_once=True), threading.Event()
    interrupts.stop = stopped.set

    def work() -> None:
        with interrupts.taken():
            os.kill(os.getpid(), signal.SIGINT)
            waiting(lambda: False)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert stopped.wait(10)
    with pytest.raises(Terminated), Interrupts(Screen.standard(), is_at_once=True).taken():
        os.kill(os.getpid(), signal.SIGTERM)
    assert capsys.readouterr().err == ""


def test_an_interrupted_run_keeps_what_was_published_and_the_same_command_goes_on(cli: Any, monkeypatch: Any) -> None:
    """Interrupted when the first asset is published: that stays, nothing is left staged, the next run goes on."""
    text = (cli.folder / "lakefile.py").read_text()
    second = (
        '\n\n@lake.asset(partitions=Monthly("2018-01"))\ndef copies(monthly_orders):\n    return monthly_orders\n'
    )
    cli.write(text + second)
    original = Progress.on_event

    def on_event(self: Progress, event: Event) -> None:
        original(self, event)
        if event.asset == "copies":
            raise KeyboardInterrupt

    monkeypatch.setattr(Progress, "on_event", on_event)
    done = cli("materialize", "2018-01..2018-02")
    assert done.code == 130
    assert "interrupted" in done.err
    monkeypatch.setattr(Progress, "on_event", original)
    assert {path.split("/")[2] for path in cli.hive()} == {"monthly_orders"}
    assert list((cli.folder / "data/lake/.lake/staging").iterdir()) == []
    again = cli("materialize", "2018-01..2018-02", "--json").json
    assert (again["summary"]["fresh"], again["summary"]["created"]) == (2, 2)


def test_a_reader_that_has_gone_is_no_error(cli: Any) -> None:
    """`lake query … | head -1` and the like end with 0 and say nothing; a run whose events nobody reads goes on."""
    commands = [
        ["query", "FROM range(1000000)", "--format", "csv"],
        ["materialize", "2018", "--format", "ndjson"],
        ["status", "--list"],
        ["--help"],
    ]
    for args in commands:
        reader, writer = os.pipe()
        os.close(reader)
        done = subprocess.run(
            [*LAKE, *args],
            cwd=cli.folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=writer,
            stderr=subprocess.PIPE,
            check=False,
            timeout=60,
        )
        os.close(writer)
        assert (done.returncode, done.stderr) == (0, b"")
    assert len(cli.hive()) == 12


def test_a_run_that_failed_says_so_by_its_code_though_nobody_reads_on(cli: Any) -> None:
    cli.write("raise ValueError", name="data/raw_orders.csv")
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [*LAKE, "materialize", "2018-01..2018-02"],
        cwd=cli.folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=writer,
        stderr=subprocess.PIPE,
        check=False,
        timeout=60,
    )
    os.close(writer)
    assert done.returncode == 5
    assert b"BrokenPipe" not in done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="needs a device that is always full")
@pytest.mark.parametrize("args", [["status"], ["status", "--json"], ["--help"]])
def test_an_output_that_cannot_be_written_is_no_bug(cli: Any, args: list[str]) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*LAKE, *args],
            cwd=cli.folder,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 4
    assert (
        done.stderr.splitlines()[0]
        == "error[output-unwritable]: the output cannot be written: No space left on device"
    )


def test_on_a_terminal_a_query_is_asked_for(cli: Any) -> None:
    """Statements may span lines, errors end none but themselves, Ctrl-D ends the session."""
    cli("materialize", "2018-02")
    leader, follower = pty.openpty()
    process = subprocess.Popen(
        [*LAKE, "query"],
        cwd=cli.folder,
        env=os.environ | {"PYTHONPATH": str(ROOT), "TERM": "dumb"},
        stdin=follower,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    os.close(follower)
    os.write(leader, b"SELEC;\nFROM monthly_orders\nSELECT sum(order_num) AS n;\nexit\n")
    out, err = process.communicate(timeout=60)
    os.close(leader)
    assert process.returncode == 0
    assert "Tables: raw_orders, stg_orders, monthly_orders." in err
    assert "error[query-failed]: Parser Error" in err
    assert out.count("27") == 1
