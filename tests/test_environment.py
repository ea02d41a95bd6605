"""What is wrong with the machine, the disk or the lake's own files: told in one line, each kind by its own code, with
a documented exit code; nothing published is harmed, and once it is mended the same command goes through."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl
import pytest

from lakehouse.cli import _COMMANDS
from lakehouse.errors import ComputeError, StorageError
from lakehouse.storage_errors import as_storage_error, exhausted, storage_error, storage_errors

if TYPE_CHECKING:
    from conftest import Shop

LAKE = Path("data/lake")
KEPT = LAKE / ".lake"
LOG = KEPT / "log/monthly_orders"
JANUARY = "monthly_orders/partition_date=2018-01"
PART = LAKE / JANUARY / "part.parquet"
IS_ROOT = os.geteuid() == 0


# Harm


def gone(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def file_at(path: Path) -> None:
    gone(path)
    path.write_text("mine")


def folder_at(path: Path) -> None:
    gone(path)
    path.mkdir()


def holding(path: Path, data: bytes) -> None:
    gone(path)
    path.write_bytes(data)


def elsewhere(path: Path) -> None:
    """A link in its place, to what was there."""
    target = Path("elsewhere") / path.name
    target.parent.mkdir(exist_ok=True)
    path.rename(target)
    path.symlink_to(target.resolve())


def version() -> Path:
    """The current version of January, by the digest of what is published."""
    published = PART.read_bytes()
    return next(path for path in (KEPT / "versions" / JANUARY).iterdir() if path.read_bytes() == published)


def commit(number: int) -> Path:
    return LOG / f"{number:08}.json"


# Error numbers, each with its own words

MEANINGS = {
    errno.ENOSPC: ("disk-full", "no space left"),
    errno.EDQUOT: ("disk-quota", "the disk quota is used up"),
    errno.EROFS: ("read-only", "the file system is read-only"),
    errno.EACCES: ("no-rights", "permission denied"),
    errno.EPERM: ("no-rights", "operation not permitted"),
    errno.EMFILE: ("too-many-files", "too many open files"),
    errno.ENFILE: ("too-many-files", "too many open files on this machine"),
    errno.EFBIG: ("file-too-large", "a file is larger than is allowed"),
    errno.ENOMEM: ("out-of-memory", "no memory left"),
    errno.ENAMETOOLONG: ("name-too-long", "a name is too long"),
    errno.EISDIR: ("not-a-file", "a folder stands where a file belongs"),
    errno.ENOTDIR: ("not-a-folder", "a file stands where a folder belongs"),
    errno.ELOOP: ("folder-is-link", "a link stands where a folder belongs"),
    errno.EXDEV: ("other-device", "lies on another file system than .lake"),
    errno.ENOTSUP: ("not-supported", "the file system cannot do this"),
    errno.ENOLCK: ("not-supported", "the file system has no locks"),
    errno.EIO: ("disk-failed", "the disk reports an error"),
    errno.ESTALE: ("disk-gone", "the file system went away"),
    errno.ENOENT: ("vanished", "it is not there"),
    errno.EBADMSG: ("storage", os.strerror(errno.EBADMSG)),
}


@pytest.mark.parametrize("number", MEANINGS, ids=errno.errorcode.get)
def test_each_error_of_the_system_has_a_code_a_sentence_and_a_remedy(number: int) -> None:
    code, what = MEANINGS[number]
    with pytest.raises(StorageError) as caught, storage_errors("/lake", "publishing"):
        raise OSError(number, os.strerror(number), "/lake/part")
    error = caught.value
    assert error.message == f"/lake/part: {what} (publishing)"
    assert (error.code, error.exit_code) == (code, 4)
    assert error.context == {"path": "/lake/part", "errno": number}
    assert str(error.help).endswith(", then run the same command again: nothing is lost")
    assert "\n" not in error.message


def test_without_a_path_of_its_own_an_error_is_about_what_was_being_done() -> None:
    error = storage_error(OSError(errno.EIO, "x"), "/lake", "publishing")
    assert error.message == "/lake: the disk reports an error (publishing)"
    assert storage_error(OSError("out of order"), "/lake", "publishing").message == "/lake: out of order (publishing)"


@pytest.mark.parametrize(
    ("files", "free", "blocks", "code"),
    [(100, 0, 10, "no-inodes"), (100, 0, 0, "disk-full"), (100, 5, 10, "disk-full"), (0, 0, 10, "disk-full")],
    ids=["names", "both", "space", "uncounted"],
)
def test_where_names_and_not_space_are_used_up_it_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, files: int, free: int, blocks: int, code: str
) -> None:
    """A file system that counts no names (btrfs) tells neither."""
    counted = SimpleNamespace(f_files=files, f_favail=free, f_bavail=blocks)
    monkeypatch.setattr(os, "statvfs", lambda path: counted if Path(path).exists() else Path(path).stat())
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(tmp_path / "not/yet"))
    error = storage_error(full, tmp_path, "publishing")
    assert error.code == code
    assert ("df -i" in str(error.help)) == (code == "no-inodes")
    found = as_storage_error(full)
    assert found is not None
    assert found.code == code


def test_of_a_path_the_part_is_named_that_stands_in_the_way(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("mine")
    error = storage_error(NotADirectoryError(errno.ENOTDIR, "x", str(tmp_path / "lake/a/b")), tmp_path, "publishing")
    assert error.message == f"{tmp_path / 'lake'}: a file stands where a folder belongs (publishing)"


@pytest.mark.parametrize("doing", ["reading the log", "looking at the files"])
def test_who_only_reads_is_not_told_to_ask_for_the_right_to_write(doing: str) -> None:
    error = storage_error(PermissionError(errno.EACCES, "x", "/lake/a"), "/lake", doing)
    assert error.help == "give this user the right to read it, then run the same command again: nothing is lost"


class Engine(Exception):  # noqa: N818  named after what raises it
    """An error of DuckDB's own."""

    __module__ = "_duckdb"


ENGINES: list[tuple[BaseException, str, str]] = [
    (OSError(errno.ENOSPC, "No space left on device"), "disk-full", "no space left"),
    (OSError(errno.EDQUOT, "x", "/lake/part"), "disk-quota", "/lake/part: the disk quota is used up"),
    (pl.exceptions.ComputeError("parquet: IO error: No space left on device (os error 28)"), "disk-full", "at"),
    (pl.exceptions.ComputeError("IO error: File too large (os error 27)"), "file-too-large", "at"),
    (OSError("Too many open files (os error 24): /lake/p.parquet"), "too-many-files", "/lake/p.parquet"),
    (pl.exceptions.PanicException("Os { code: 28, kind: StorageFull }"), "disk-full", "at"),
    (pl.exceptions.PanicException("memory allocation of 99 bytes failed"), "out-of-memory", "at"),
    (OSError(errno.ENOSPC, "Error writing bytes to file. Detail: [errno 28] No space left"), "disk-full", "at"),
    (Engine('IO Error: Could not write file "/lake/x": No space left on device'), "disk-full", "/lake/x"),
    (
        Engine('IO Error: {"message":"Could not write file \\"/lake/x\\": File too large"}'),
        "file-too-large",
        "/lake/x",
    ),
    (Engine('IO Error: Cannot open file "/lake/x": Too many open files'), "too-many-files", "/lake/x"),
    (Engine("Out of Memory Error: could not allocate block of size 256.0 KiB"), "out-of-memory", "at"),
    (Engine("Out of Memory Error: failed to offload data block of size 96.0 KiB"), "disk-full", "at"),
    (MemoryError(), "out-of-memory", "at"),
    (RuntimeError("can't start new thread"), "no-threads", "at"),
]


@pytest.mark.parametrize(("error", "code", "where"), ENGINES, ids=repr)
def test_what_an_engine_says_in_its_own_words_is_told_in_the_lakes(
    error: BaseException, code: str, where: str
) -> None:
    found = as_storage_error(error, "at", "making sales")
    assert found is not None
    assert (found.code, found.exit_code) == (code, 4)
    assert found.message.startswith(where if where.startswith("/") else "at: ")
    without = as_storage_error(error)
    assert without is not None
    assert len(without.message.splitlines()) == 1


@pytest.mark.parametrize(
    "error",
    [
        FileNotFoundError(errno.ENOENT, "x", "asked/for"),
        PermissionError(errno.EACCES, "x", "asked/for"),
        ConnectionRefusedError(errno.ECONNREFUSED, "x"),
        BlockingIOError(errno.EAGAIN, "x"),
        ValueError("no space left on device"),
        RuntimeError("something"),
        StorageError("known", code="log-damaged"),
        pl.exceptions.ComputeError("conversion failed"),
    ],
    ids=repr,
)
def test_what_is_about_something_that_was_asked_for_is_no_fault_of_the_machine(error: Exception) -> None:
    assert as_storage_error(error) is None


def test_only_files_memory_and_threads_run_out_for_everybody() -> None:
    assert exhausted(OSError(errno.ENOSPC, "x")) is None
    assert exhausted(ValueError("x")) is None
    found = exhausted(OSError(errno.EMFILE, "x"))
    assert found is not None
    assert found.code == "too-many-files"


# A failing disk, at chosen calls


@pytest.mark.invariant("I4", "I5")
@pytest.mark.parametrize(
    "number", [number for number in MEANINGS if number not in (errno.ENOENT, errno.EISDIR)], ids=errno.errorcode.get
)
@pytest.mark.parametrize("call", ["mkdir", "seal", "fsync", "rename", "write", "link"])
def test_a_call_that_fails_before_the_commit_changes_nothing_and_the_next_run_makes_it(
    shop: Shop, number: int, call: str
) -> None:
    shop.make()
    before = shop.identity()
    shop.write(shop.NEW)

    def fail(name: str, path: Path) -> None:
        if name == call:
            raise OSError(number, os.strerror(number), str(path))

    shop.lake._on_call = fail
    with pytest.raises(StorageError) as caught:
        shop.make("2018-01..2018-02")
    assert (caught.value.code, caught.value.exit_code) == (MEANINGS[number][0], 4)
    assert shop.identity() == before
    shop.lake._on_call = lambda *_: None
    assert shop.make("2018-01..2018-02") == ["replaced", "created"]
    assert (shop.rows(), shop.rows("2018-02")) == (shop.NEW_ROWS["2018-01"], shop.NEW_ROWS["2018-02"])
    assert shop.staging() == []
    assert shop.versions() == shop.named()


def test_a_commit_that_the_disk_did_not_confirm_is_published_and_says_to_run_again(shop: Shop) -> None:
    def fail(name: str, path: Path) -> None:
        if name == "fsync folder" and path.name == "monthly_orders" and shop.commits():
            raise OSError(errno.EIO, os.strerror(errno.EIO), str(path))

    shop.lake._on_call = fail
    with pytest.raises(StorageError, match="committed, but the disk did not confirm it") as caught:
        shop.make()
    assert (caught.value.code, caught.value.exit_code) == ("durability-unconfirmed", 4)
    assert str(caught.value.help).startswith("run the same command again")
    assert shop.published() == shop.OLD_ROWS["2018-01"]
    shop.lake._on_call = lambda *_: None
    assert shop.make() == ["fresh"]
    assert shop.rows() == shop.OLD_ROWS["2018-01"]


# Limits of the process, for real


def limited(folder: Path, *args: str, **limits: int) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own that may have no more than this."""

    def limit() -> None:
        for name, most in limits.items():
            resource.setrlimit(getattr(resource, name), (most, most))

    program = "from lakehouse.cli import main; main()"
    path = os.pathsep.join([str(Path(__file__).parent.parent), *sys.path])
    environment = {**os.environ, "PYTHONPATH": path, "COLUMNS": "80", "NO_COLOR": "1", "LC_ALL": "C.UTF-8"}
    return subprocess.run(
        [sys.executable, "-c", program, *args],
        cwd=folder,
        env=environment,
        preexec_fn=limit,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def require_told(done: subprocess.CompletedProcess[str], *codes: str) -> None:
    """The process ended in good order, with one of these errors."""
    assert done.returncode == 4, done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert any(f"error[{code}]: " in done.stderr for code in codes), done.stderr


@pytest.mark.parametrize("most", [7, 8, 9, 10, 11])
def test_too_many_open_files_are_told_wherever_they_are_met(cli: Any, most: int) -> None:
    """Whichever file is the one too many: a module, the source, the log, the lock."""
    done = limited(cli.folder, "materialize", "2018-01", RLIMIT_NOFILE=most)
    require_told(done, "too-many-files", "not-projected")
    assert "too many open files" in done.stderr
    assert "ulimit -n" in done.stderr or "see to the cause" in done.stderr
    assert cli("materialize", "2018-01").code == 0


def test_a_file_that_may_not_grow_is_told_and_published_nowhere(cli: Any) -> None:
    done = limited(cli.folder, "materialize", "2018-01", RLIMIT_FSIZE=100)
    require_told(done, "file-too-large")
    assert "a file is larger than is allowed" in done.stderr
    assert cli.hive() == {}
    assert cli("materialize", "2018-01").code == 0


def test_an_engine_that_cannot_have_its_memory_ends_the_command_in_good_order(cli: Any) -> None:
    """Rust ends the process where an allocation fails: that is told, and nothing is left behind."""
    text = (cli.folder / "lakefile.py").read_text()
    greedy = "    pl.select(pl.int_range(10**11).shuffle())"
    cli.write(text.replace('    """Orders a month by status."""', greedy))
    done = limited(cli.folder, "materialize", "2018-01", RLIMIT_AS=4 << 30)
    require_told(done, "out-of-memory")
    assert "no memory left" in done.stderr
    assert cli.hive() == {}
    cli.write(text)
    assert cli("materialize", "2018-01").code == 0
    assert list((cli.folder / KEPT / "staging").iterdir()) == []


def test_a_function_that_wants_more_memory_than_there_is_ends_the_run(cli: Any) -> None:
    text = (cli.folder / "lakefile.py").read_text()
    cli.write(text.replace('    """Orders a month by status."""', "    'x' * 10**15"))
    done = cli("materialize", "2018-01")
    assert done.code == 4
    assert done.err == (
        "error[out-of-memory]: making monthly_orders: no memory left\n"
        "  help: free some, or make fewer partitions at once, then run the same command again: nothing is lost\n"
    )


# Where the command writes to, and where it is


@pytest.mark.parametrize("args", [("status",), ("show", "monthly_orders"), ("query", "SELECT 1"), ("graph",)])
@pytest.mark.parametrize("streams", [">/dev/full", ">&-", "2>&-", ">&- 2>&- <&-", ">/dev/full 2>/dev/full"])
def test_output_that_nobody_can_take_ends_no_command_in_a_traceback(
    cli: Any, args: tuple[str, ...], streams: str
) -> None:
    """A full device is an error; a stream that is not there takes nothing, and no file takes its place."""
    assert cli("materialize", "2018-01", "-q").code == 0
    words = " ".join(f"'{word}'" for word in args)
    path = os.pathsep.join([str(Path(__file__).parent.parent), *sys.path])
    done = subprocess.run(
        ["sh", "-c", f'"{sys.executable}" -c "from lakehouse.cli import main; main()" {words} {streams}'],
        cwd=cli.folder,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == (4 if "/dev/full" in streams.partition("2>")[0] else 0)
    assert "Traceback" not in done.stderr
    if streams == ">/dev/full":
        assert done.stderr.startswith("error[output-unwritable]: the output cannot be written: No space left")


def test_a_folder_that_is_gone_under_ones_feet_is_told(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = cli.folder / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    done = cli("status")
    assert (done.code, done.err) == (
        4,
        "error[folder-gone]: the current folder is not there any more\n  help: cd elsewhere\n",
    )


@pytest.mark.parametrize("name", ["HOME", "XDG_CACHE_HOME", "USER", "LOGNAME", "TMPDIR", "PATH"])
@pytest.mark.parametrize("value", [None, "", "relative", "/proc/nowhere/deep", "/dev/null"])
def test_no_variable_of_the_environment_is_needed(
    cli: Any, monkeypatch: pytest.MonkeyPatch, name: str, value: str | None
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(cli.folder / "home"))
    monkeypatch.setattr(tempfile, "tempdir", None)
    if value is None:
        monkeypatch.delenv(name, raising=False)
    else:
        monkeypatch.setenv(name, value)
    for args in (("materialize", "2018-01"), ("status",), ("query", "FROM stg_orders LIMIT 1"), ("validate",)):
        assert cli(*args).code == 0


def test_without_a_folder_for_temporary_files_only_what_needs_one_is_refused(
    cli: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = (cli.folder / "lakefile.py").read_text()
    cli.write(text.replace('"order_id"})', '"order_id"}).collect().to_arrow()'))
    assert cli("materialize", "2018-01", "-q").code == 0
    monkeypatch.setattr(tempfile, "tempdir", None)
    monkeypatch.setattr(tempfile, "_candidate_tempdir_list", lambda: ["/proc/nowhere"])
    assert cli("query", "FROM monthly_orders").code == 0
    assert cli("materialize", "2018-01", "--force", "-q").code == 0
    done = cli("query", "FROM stg_orders")
    assert done.code == 4
    assert "error[no-scratch]: " in done.err
    assert "help: set TMPDIR to one, then run the same command again" in done.err


# Data that is damaged

CHAIN = """

@lake.asset(partitions=Monthly("2018-01"))
def doubled(monthly_orders: pl.LazyFrame) -> pl.LazyFrame:
    return monthly_orders.with_columns(pl.col("order_num") * 2)
"""


@pytest.mark.parametrize(
    ("code", "what", "harm"),
    [
        ("version-missing", "is gone", gone),
        (
            "version-damaged",
            "has other bytes than were published",
            lambda path: holding(path, path.read_bytes()[:99]),
        ),
        ("version-damaged", "is a folder", folder_at),
    ],
    ids=["gone", "cut short", "a folder"],
)
def test_a_damaged_version_fails_what_reads_it_and_nothing_else(
    cli: Any, code: str, what: str, harm: Callable[[Path], object]
) -> None:
    cli.write((cli.folder / "lakefile.py").read_text() + CHAIN)
    assert cli("materialize", "2018-01..2018-02", "-a", "monthly_orders", "-q").code == 0
    path = version()
    harm(path)
    before = cli.hive()
    done = cli("materialize", "2018-01..2018-02", "-a", "doubled")
    assert done.code == 4
    told = f"{path.absolute()}: the version of monthly_orders 2018-01 {what}\n"
    cure = "lake verify --repair, or lake materialize 2018-01 -a monthly_orders --force\n"
    assert f"error[{code}]: doubled 2018-01: {told}" in done.err or f"error[{code}]: {told}" in done.err
    assert done.err.endswith(cure)
    assert {**before, **cli.hive()} == cli.hive()
    assert set(cli.hive()) - set(before) == {"data/lake/doubled/partition_date=2018-02/part.parquet"}
    for args in (("show", "monthly_orders", "2018-01"), ("query", "FROM monthly_orders")):
        refused = cli(*args)
        assert refused.code == 4
        assert refused.err.startswith(f"error[{code}]: {told}")
    if path.is_dir():
        path.rmdir()
    assert cli("materialize", "2018-01", "-a", "monthly_orders", "--force").code == 0
    assert cli("materialize", "2018-01..2018-02", "-a", "doubled").code == 0
    assert cli("query", "FROM doubled").code == 0


def footer_at(data: bytes) -> int:
    """Where a Parquet file's footer begins, by the length that stands before the last four bytes."""
    return len(data) - 8 - int.from_bytes(data[-8:-4], "little")


def parquet_project(cli: Any) -> Path:
    text = (cli.folder / "lakefile.py").read_text()
    cli.write(text.replace("raw_orders.csv", "*.parquet") + CHAIN)
    orders = pl.read_csv(cli.folder / "data/raw_orders.csv", try_parse_dates=True)
    orders.write_parquet(cli.folder / "data/a.parquet")
    orders.clear().write_parquet(cli.folder / "data/b.parquet")
    path: Path = cli.folder / "data/a.parquet"
    return path


@pytest.mark.parametrize(
    ("what", "harm"),
    [
        ("The file must end with PAR1", lambda data: data[:300]),
        ("", lambda data: data[:4] + b"\xff" * (footer_at(data) - 4) + data[footer_at(data) :]),
        ("", lambda data: data[: footer_at(data)] + b"\xff" * 40 + data[footer_at(data) + 40 :]),
        ("", lambda _: b""),
    ],
    ids=["cut short", "pages", "footer", "empty"],
)
def test_a_damaged_parquet_source_is_named_with_what_is_wrong_and_who_needs_it(
    cli: Any, what: str, harm: Callable[[bytes], bytes]
) -> None:
    path = parquet_project(cli)
    assert cli("materialize", "2018-01", "-q").code == 0
    before, right = cli.hive(), path.read_bytes()
    path.write_bytes(harm(right))
    for args in (("materialize", "2018-01"), ("materialize", "2018-01..2018-03"), ("query", "FROM raw_orders")):
        done = cli(*args)
        assert done.code == 5, args
        assert f"error[source-damaged]: data/a.parquet cannot be read: {what}" in done.err.replace(
            "parquet: File out of specification: ", ""
        ).replace("parquet: ", "")
        assert "help: it is damaged, or no parquet: put it back as it was made, or make it again" in done.err
        if args[0] == "materialize":
            assert "\n  needed by: stg_orders -> monthly_orders\n" in done.err
    assert cli.hive() == before
    path.write_bytes(right)
    assert cli("materialize", "2018-01").code == 0


def test_a_damaged_version_is_both_a_failed_computation_and_a_fault_of_the_storage(shop: Shop) -> None:
    @shop.lake.asset(partitions=shop.lake.graph.asset("monthly_orders").partitions)
    def doubled(monthly_orders: pl.LazyFrame) -> pl.LazyFrame:
        return monthly_orders

    shop.make(assets=["monthly_orders"])
    (shop.root / shop.versions()[0]).unlink()
    (result,) = shop.lake.materialize("2018-01", assets=["doubled"], on_failure="return")
    assert (result.result, (result.error or {})["code"]) == ("failed", "version-missing")
    assert (result.error or {})["exit_code"] == 4
    from lakehouse.errors import DamageError

    assert issubclass(DamageError, ComputeError)
    assert issubclass(DamageError, StorageError)
    assert DamageError("x").exit_code == 4


# Every command in every broken lake

COMMANDS: dict[str, tuple[tuple[str, ...], ...]] = {
    "init": (("init", "other"),),
    "materialize": (
        ("materialize", "2018-01", "--force"),
        ("materialize", "2018-01..2018-04"),
    ),
    "status": (("status", "--why"),),
    "show": (("show", "monthly_orders", "2018-01", "--json"),),
    "query": (("query", "FROM monthly_orders"), ("query", "FROM stg_orders", "--json")),
    "history": (("history", "monthly_orders", "2018-01"),),
    "diff": (("diff", "monthly_orders", "2018-01"),),
    "snapshot": (("snapshot", "now"), ("snapshot", "list"), ("snapshot", "remove", "before", "--yes")),
    "rollback": (("rollback", "monthly_orders", "2018-01"),),
    "freeze": (("freeze", "monthly_orders", "2018-02"),),
    "unfreeze": (("unfreeze", "monthly_orders", "all"),),
    "wipe": (("wipe", "monthly_orders", "2018-02", "--yes"),),
    "verify": (("verify",), ("verify", "--repair")),
    "clean": (("clean", "--yes"),),
    "adopt": (("adopt", "monthly_orders", "2018-01"),),
    "partitions": (("partitions", "monthly_orders"),),
    "graph": (("graph",),),
    "validate": (("validate", "--deep"),),
    "completion": (("completion", "bash"),),
}
CODES = {0, 1, 2, 3, 4, 5}
FINDS = {"verify", "validate"}  # what they find is their result, on stdout


def test_every_command_is_tried() -> None:
    assert set(COMMANDS) == set(_COMMANDS)


BROKEN: dict[str, Callable[[], object]] = {
    "root-is-a-file": lambda: file_at(LAKE),
    "root-is-a-link-to-nothing": lambda: (gone(LAKE), LAKE.symlink_to("nowhere")),
    "bookkeeping-is-a-file": lambda: file_at(KEPT),
    "bookkeeping-is-gone": lambda: gone(KEPT),
    "log-is-a-file": lambda: file_at(LOG),
    "log-is-gone": lambda: gone(LOG),
    "versions-is-a-file": lambda: file_at(KEPT / "versions"),
    "staging-is-a-file": lambda: file_at(KEPT / "staging"),
    "cache-is-a-file": lambda: file_at(KEPT / "cache"),
    "asset-is-a-file": lambda: file_at(LAKE / "monthly_orders"),
    "partition-is-a-file": lambda: file_at(LAKE / JANUARY),
    "part-is-a-folder": lambda: folder_at(PART),
    "part-is-gone": lambda: gone(PART),
    "bookkeeping-is-a-link": lambda: elsewhere(KEPT),
    "log-is-a-link": lambda: elsewhere(LOG),
    "versions-is-a-link": lambda: elsewhere(KEPT / "versions"),
    "staging-is-a-link": lambda: elsewhere(KEPT / "staging"),
    "asset-is-a-link": lambda: elsewhere(LAKE / "monthly_orders"),
    "part-is-a-link": lambda: elsewhere(PART),
    "commit-is-garbage": lambda: holding(commit(2), b"\x00garbage"),
    "commit-is-empty": lambda: holding(commit(2), b""),
    "commit-is-nested": lambda: holding(commit(2), b"[" * 10**5),
    "commit-is-gone": lambda: gone(commit(1)),
    "commit-is-changed": lambda: holding(commit(1), commit(1).read_bytes() + b" "),
    "commit-is-a-folder": lambda: folder_at(commit(2)),
    "commit-is-of-a-later-release": lambda: holding(commit(2), b'{"format": 99}'),
    "projected-is-garbage": lambda: holding(LOG / "projected", b"\xff"),
    "lock-is-a-folder": lambda: (folder_at(LOG / "lock"), gone(LOG / "projected")),
    "version-is-gone": lambda: gone(version()),
    "version-is-cut-short": lambda: holding(version(), version().read_bytes()[:100]),
    "version-is-a-folder": lambda: folder_at(version()),
    "source-is-gone": lambda: gone(Path("data/raw_orders.csv")),
    "source-is-a-folder": lambda: folder_at(Path("data/raw_orders.csv")),
    "source-is-garbage": lambda: holding(Path("data/raw_orders.csv"), bytes(range(256)) * 9),
    "lakefile-is-no-text": lambda: holding(Path("lakefile.py"), b"x = 1\x00"),
}
CLOSED: dict[str, tuple[Callable[[], Path], int]] = {
    "root": (lambda: LAKE, 0),
    "root-for-writing": (lambda: LAKE, 0o555),
    "bookkeeping": (lambda: KEPT, 0),
    "log": (lambda: LOG, 0),
    "log-for-writing": (lambda: LOG, 0o555),
    "commit": (lambda: commit(2), 0),
    "lock": (lambda: LOG / "lock", 0o444),
    "versions": (lambda: KEPT / "versions", 0),
    "version": (version, 0),
    "staging-for-writing": (lambda: KEPT / "staging", 0o555),
    "asset": (lambda: LAKE / "monthly_orders", 0),
    "asset-for-writing": (lambda: LAKE / "monthly_orders", 0o555),
    "partition": (lambda: LAKE / JANUARY, 0),
    "part": (lambda: PART, 0),
    "source": (lambda: Path("data/raw_orders.csv"), 0),
    "lakefile": (lambda: Path("lakefile.py"), 0),
    "project": (Path, 0),
}


class Trial(NamedTuple):
    """A project with three months, January with two versions, a snapshot; and the way back to it."""

    cli: Any
    saved: Path

    def restore(self) -> None:
        os.chdir("/")
        shutil.rmtree(self.cli.folder)
        shutil.copytree(self.saved, self.cli.folder, symlinks=True)
        os.chdir(self.cli.folder)

    def published(self) -> dict[str, bytes]:
        """What plain readers find, as far as they can look."""
        found = {}
        for folder, _, names in os.walk(LAKE / "monthly_orders"):
            found |= {f"{folder}/{name}": Path(folder, name).read_bytes() for name in names}
        return found

    def faults(self, args: tuple[str, ...]) -> Iterator[str]:
        """What is wrong with how a command ends."""
        done = self.cli(*args)
        if "Traceback" in done.out + done.err:
            yield "a traceback"
        if done.code not in CODES:
            yield f"exit code {done.code}"
        is_told = "error[" in done.err or ("--json" in args and '"error"' in done.out) or args[0] in FINDS
        if done.code not in (0, 3) and not is_told:
            yield f"exit code {done.code} without an error"
        if any(len(line) > 1000 for line in done.err.splitlines()):
            yield "an error of more than a line"


def started(cli: Any, saved: Path) -> Trial:
    assert cli("materialize", "2018-01..2018-03", "-q").code == 0
    orders = (cli.folder / "data/raw_orders.csv").read_text()
    cli.write(orders.replace("2018-01-03,completed", "2018-01-03,returned"), "data/raw_orders.csv")
    assert cli("materialize", "2018-01..2018-03", "-q").code == 0
    assert cli("snapshot", "before").code == 0
    shutil.copytree(cli.folder, saved, symlinks=True)
    return Trial(cli, saved)


@pytest.fixture
def trial(cli: Any, tmp_path_factory: pytest.TempPathFactory) -> Trial:
    return started(cli, tmp_path_factory.mktemp("saved") / "shop")


@pytest.mark.parametrize("name", BROKEN)
def test_in_a_broken_lake_every_command_ends_in_good_order_and_harms_nothing(trial: Trial, name: str) -> None:
    """No traceback, a documented exit code, an error where there is one; what is published stays."""
    wrong = []
    for args in (args for several in COMMANDS.values() for args in several):
        trial.restore()
        BROKEN[name]()
        before = trial.published()
        wrong += [(" ".join(args), fault) for fault in trial.faults(args)]
        after = trial.published()
        if args[0] not in ("wipe", "rollback"):
            wrong += [(" ".join(args), f"lost {path}") for path in before if path not in after]
            kept = {path: data for path, data in before.items() if path in after and args[0] != "materialize"}
            wrong += [(" ".join(args), f"changed {path}") for path in kept if after[path] != kept[path] != b"mine"]
    assert wrong == []


@contextmanager
def as_nobody() -> Iterator[None]:
    """For root, rights mean nothing: the block runs as another user."""
    if not IS_ROOT:
        yield
        return
    os.setegid(65534)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


def give_away(folder: Path) -> None:
    if IS_ROOT:
        for path, _, names in os.walk(folder):
            for each in (path, *(os.path.join(path, name) for name in names)):  # noqa: PTH118
                os.chown(each, 65534, 65534, follow_symlinks=False)


@pytest.fixture
def unprivileged(cli: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Trial]:
    """The same in a folder that every user can come to, with all that a command imports imported already."""
    above = Path(tempfile.mkdtemp())
    above.chmod(0o755)
    (above / "shop").mkdir()
    (above / "cache").mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(above / "cache"))
    trial = started(type(cli)(above / "shop", monkeypatch, capsys), above / "saved")
    for args in (args for several in COMMANDS.values() for args in several):
        trial.cli(*args)
    yield trial
    os.chdir("/")
    for folder, _, _ in os.walk(above):
        Path(folder).chmod(0o755)
    shutil.rmtree(above)


@pytest.mark.parametrize("name", CLOSED)
def test_without_rights_every_command_ends_in_good_order(unprivileged: Trial, name: str) -> None:
    path, mode = CLOSED[name]
    wrong = []
    for args in (args for several in COMMANDS.values() for args in several):
        for folder, _, _ in os.walk(unprivileged.cli.folder):
            Path(folder).chmod(0o755)
        unprivileged.restore()
        give_away(unprivileged.cli.folder.parent)
        closed = path().absolute()
        closed.chmod(mode)
        with as_nobody():
            wrong += [(" ".join(args), fault) for fault in unprivileged.faults(args)]
        closed.chmod(0o755)
    assert wrong == []
