"""Fixtures that several test modules share."""

from __future__ import annotations

import importlib.util
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import polars as pl
import pytest
from hypothesis import HealthCheck, settings

from lakehouse import Lake, Monthly

# A machine that is busy with something else breaks no law.
settings.register_profile("lakehouse", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("lakehouse")


@pytest.fixture(autouse=True, scope="session")
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What completion keeps of a project is kept apart from the user's own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield


NOW = datetime(2026, 11, 20, 9, 0, tzinfo=UTC)
Rows = dict[str, int]


class Shop:
    """A folder with `orders.csv`, and a lake of one asset over it: orders by status, from 2018-01 to 2018-06.

    Its clock stands still at `now`, which a test may move. `calls` lists what the disk was asked for. NEW has other
    orders than OLD in January only.
    """

    OLD = (
        "id,order_date,status\n1,2018-01-05,completed\n2,2018-01-20,completed\n3,2018-01-21,returned\n"
        "4,2018-02-03,placed\n5,2018-03-09,completed\n"
    )
    NEW = OLD.replace("returned", "completed") + "6,2018-01-30,placed\n"
    OLD_ROWS: ClassVar = {
        "2018-01": {"completed": 2, "returned": 1},
        "2018-02": {"placed": 1},
        "2018-03": {"completed": 1},
    }
    NEW_ROWS: ClassVar = {**OLD_ROWS, "2018-01": {"completed": 3, "placed": 1}}

    def __init__(
        self,
        folder: Path,
        *,
        root: str = "lake",
        version: str | None = None,
        result: Callable[[pl.LazyFrame], pl.LazyFrame] | None = None,
        **options: Any,
    ) -> None:
        self.folder = folder
        self.root = folder / root
        self.now = NOW
        self.calls: list[tuple[str, str]] = []
        self.lake = lake = Lake(self.root, **options)
        lake.base = folder
        lake._clock = lambda: self.now
        lake._on_call = self._note
        lake.source(
            "orders",
            "orders.csv",
            schema={"id": pl.Int64, "order_date": pl.Date, "status": pl.String},
            time="order_date",
        )

        @lake.asset(partitions=Monthly("2018-01", end="2018-07"), version=version)
        def monthly_orders(orders: pl.LazyFrame) -> pl.LazyFrame:
            counted = orders.group_by("partition_date", "status").agg(order_num=pl.len().cast(pl.Int64))
            return counted if result is None else result(counted)

    def again(self, **options: Any) -> Shop:
        """The same folder, opened anew, with a lake of other options."""
        return Shop(self.folder, **options)

    def _note(self, name: str, path: Path) -> None:
        self.calls.append((name, str(path)))

    def write(self, text: str) -> None:
        """Replace the source in one step."""
        spare = self.folder / "orders.csv.new"
        spare.write_text(text)
        spare.replace(self.folder / "orders.csv")

    def make(self, selection: str = "2018-01", **options: Any) -> list[str]:
        """Materialize; the results, in order."""
        return [item.result for item in self.lake.materialize(selection, **options)]

    def file(self, key: str = "2018-01") -> Path:
        """A partition's file in the Hive tree."""
        return self.root / "monthly_orders" / f"partition_date={key}" / "part.parquet"

    def identity(self, key: str = "2018-01") -> tuple[bytes, int, int, int]:
        """Bytes, modification time, inode and mode of a partition's file."""
        status = self.file(key).stat()
        return self.file(key).read_bytes(), status.st_mtime_ns, status.st_ino, status.st_mode

    def rows(self, key: str = "2018-01") -> Rows:
        """What a plain reader finds in a partition."""
        return dict(pl.read_parquet(self.file(key), hive_partitioning=False).iter_rows())

    def published(self, key: str = "2018-01") -> Rows:
        """What a reader through the lake finds."""
        return dict(self.lake.scan("monthly_orders", key).select("status", "order_num").collect().iter_rows())

    def state(self, key: str = "2018-01") -> tuple[str, str]:
        """Status and reason of a partition."""
        found = self.lake.status(key)[0].partitions[0]
        return found.status, found.reason

    def hive(self) -> list[str]:
        """Everything in the lake's folder outside `.lake`, folders with a slash."""
        return self._listing(path for path in self.root.rglob("*") if ".lake" not in path.parts)

    def staging(self) -> list[str]:
        """What is left in staging."""
        return self._listing((self.root / ".lake/staging").rglob("*"))

    def versions(self) -> list[str]:
        """The files among the versions."""
        return [name for name in self._listing((self.root / ".lake/versions").rglob("*")) if not name.endswith("/")]

    def named(self) -> list[str]:
        """The versions that the log names at its end."""
        states = self.lake.survey().log("monthly_orders").read().keys.values()
        current = [state.version for state in states if state.version]
        return sorted(
            item.path for item in [*current, *(old.version for state in states for old in state.superseded)]
        )

    def log(self) -> Path:
        """The folder of the commits."""
        return self.root / ".lake/log/monthly_orders"

    def commits(self) -> int:
        """How many commits there are."""
        return len(list(self.log().glob("*.json")))

    def _listing(self, paths: Any) -> list[str]:
        return sorted(f"{path.relative_to(self.root)}{'/' if path.is_dir() else ''}" for path in paths)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A shop with the old orders; nothing is made yet."""
    shop = Shop(tmp_path)
    shop.write(Shop.OLD)
    return shop


HEAD = """\
import polars as pl
from lakehouse import All, Categories, Daily, Dynamic, Hourly, Keys, Lake, Latest, Monthly, Periods, Weekly, Yearly

lake = Lake("lake")
"""


class Project:
    """A folder with a `lakefile.py`, of which the fifth line is the first that a test writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = NOW
        self.head = HEAD

    def load(self, text: str, head: str = HEAD) -> Lake:
        """Write the lakefile and import it afresh: the lake that it defines, under this project's clock."""
        path = self.folder / "lakefile.py"
        path.write_text(head + text)
        module = ModuleType(f"lakefile_{secrets.token_hex(8)}")
        module.__file__ = str(path)
        sys.modules[module.__name__] = module  # where code versions look for what a function loads
        # Not by importlib: a .pyc would outlive a rewrite within the same second.
        exec(compile(path.read_text(), str(path), "exec", dont_inherit=True), vars(module))  # noqa: S102  the test's own text
        lake: Lake = module.lake
        lake._clock = lambda: self.now
        return lake

    def write(self, name: str, text: str, *, at: datetime | None = None) -> Path:
        """A file of the project, last changed at a moment."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        if at is not None:
            os.utime(path, (at.timestamp(), at.timestamp()))
        return path


@pytest.fixture
def project(tmp_path: Path) -> Iterator[Project]:
    """An empty project; the modules that it imports are forgotten afterwards."""
    known = set(sys.modules)
    yield Project(tmp_path)
    for name in set(sys.modules) - known:
        if name.startswith("lakefile_"):
            del sys.modules[name]


@pytest.fixture
def cli(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    """The command line in this process, in a project of its own: a `Cli`."""
    if "commandline" not in sys.modules:
        spec = importlib.util.spec_from_file_location("commandline", Path(__file__).parent / "commandline.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules["commandline"] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules["commandline"])
    return sys.modules["commandline"].Cli(tmp_path, monkeypatch, capsys)
