"""The command line in this process, in a project of its own: what the tests of its commands share."""

from __future__ import annotations

import difflib
import io
import json
import os
import re
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lakehouse import Lake

if TYPE_CHECKING:
    import pytest

GOLDEN = Path(__file__).parent / "golden"

ORDERS = {
    "2018-01": {"completed": 4, "return_pending": 1, "returned": 2},
    "2018-02": {"completed": 26, "return_pending": 1},
    "2018-03": {"completed": 3, "placed": 1, "shipped": 2},
    "2018-04": {"placed": 5},
}
LAKEFILE = '''import polars as pl

from lakehouse import Lake, Monthly

lake = Lake("data/lake")

lake.source(
    "raw_orders",
    "data/raw_orders.csv",
    schema={"id": pl.Int64, "user_id": pl.Int64, "order_date": pl.Date, "status": pl.String},
    time="order_date",
)


@lake.view(time="order_date")
def stg_orders(raw_orders: pl.LazyFrame) -> pl.LazyFrame:
    return raw_orders.rename({"id": "order_id"})


@lake.asset(partitions=Monthly("2018-01"))
def monthly_orders(stg_orders: pl.LazyFrame) -> pl.LazyFrame:
    """Orders a month by status."""
    return stg_orders.group_by("partition_date", "status").agg(order_num=pl.len().cast(pl.Int64))
'''


@dataclass(frozen=True)
class Done:
    """What a command printed, and its exit code."""

    args: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Cli:
    """A project in the current folder, and the command line: 80 columns, no colours, a clock that stands still."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self.folder, self.now = folder, datetime(2026, 11, 20, 9, 17, tzinfo=UTC)
        self._monkeypatch, self._capsys = monkeypatch, capsys
        made = Lake.__init__

        def init(lake: Lake, *args: Any, **options: Any) -> None:
            made(lake, *args, **options)
            lake._clock = lambda: self.now

        monkeypatch.setattr(Lake, "__init__", init)
        monkeypatch.setattr(sys, "path", [*sys.path])
        monkeypatch.chdir(folder)
        for name, value in {"COLUMNS": "80", "NO_COLOR": "1", "LC_ALL": "C.UTF-8", "TZ": "UTC"}.items():
            monkeypatch.setenv(name, value)
        for name in ("FORCE_COLOR", "LAKE_DEFINITIONS"):
            monkeypatch.delenv(name, raising=False)
        time.tzset()
        self.write(LAKEFILE)
        self.orders(ORDERS)

    def write(self, text: str, name: str = "lakefile.py") -> Path:
        """A file of the project."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def orders(self, counts: dict[str, dict[str, int]], *, age: timedelta = timedelta(days=9)) -> Path:
        """The source: so many orders of each month and status, of days up to the ninth, written so long ago."""
        orders = [
            (month, status) for month, of in counts.items() for status, count in of.items() for _ in range(count)
        ]
        rows = [f"{i},{100 + i},{month}-{1 + i % 8:02},{status}" for i, (month, status) in enumerate(orders, 1)]
        rows[-1] = re.sub(r"-\d\d,", "-09,", rows[-1])
        path = self.write("\n".join(["id,user_id,order_date,status", *rows, ""]), "data/raw_orders.csv")
        os.utime(path, times=((self.now - age).timestamp(),) * 2)
        return path

    def __call__(self, *args: str, stdin: str | None = None) -> Done:
        from lakehouse.cli import run

        self._capsys.readouterr()
        if stdin is not None:
            self._monkeypatch.setattr(sys, "stdin", io.StringIO(stdin))
        code = run(args)
        printed = self._capsys.readouterr()
        return Done(args, code, printed.out, printed.err)

    def hive(self) -> dict[str, tuple[bytes, int, int]]:
        """The Hive tree bit for bit: content, time and inode of each file."""
        files = [p for p in (self.folder / "data/lake").rglob("*") if ".lake" not in p.parts and p.is_file()]
        return {
            str(p.relative_to(self.folder)): (p.read_bytes(), p.stat().st_mtime_ns, p.stat().st_ino) for p in files
        }

    def golden(self, name: str, *runs: Done) -> None:
        """Hold what was printed against `golden/NAME.txt`, without what differs from run to run.

        With UPDATE_GOLDEN set the file is written instead: to be read through before it is kept.
        """
        printed = "\n".join(self._transcript(run) for run in runs)
        path = GOLDEN / f"{name}.txt"
        if os.environ.get("UPDATE_GOLDEN"):
            path.parent.mkdir(exist_ok=True)
            path.write_text(printed, encoding="utf-8")
        expected = path.read_text(encoding="utf-8")
        differing = difflib.unified_diff(
            expected.splitlines(), printed.splitlines(), "golden", "printed", lineterm=""
        )
        assert printed == expected, "\n".join(differing)

    def _transcript(self, run: Done) -> str:
        words = [word if re.fullmatch(r"[-\w./=:*@,]+", word) else f'"{word}"' for word in run.args]
        parts = [f"$ {' '.join(['lake', *words])}\n", run.out]
        if run.err:
            parts += ["-- stderr\n", run.err]
        return self._steady("".join([*parts, f"-- exit {run.code}\n"]))

    def _steady(self, text: str) -> str:
        text = text.replace(str(self.folder), "/shop")
        text = re.sub(r"\b\d+\.\d\ds\b", "0.03s", text)
        text = re.sub(r"\b\d+(\.\d)? (B|kB)\b", "976 B", text)
        text = re.sub(r"\b2026\d{4}T\d{6}-[0-9a-f]{8}\b", "20261120T091700-0123abcd", text)
        return re.sub(r"\b(data|code) [0-9a-f]{12}\b", r"\1 0123456789ab", text)
