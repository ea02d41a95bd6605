"""A lake under faults against a plain dict: whatever fails, each key has the rows that it had, or was to get.

The model knows nothing of files or versions: which rows a key has, which keys are frozen, and what somebody did to
the files by hand. The walks are the same each time; `LAKEHOUSE_EXAMPLES` asks for so many others.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from lakehouse import AuditError, Categories, Lake, RequestError, StorageError

EXAMPLES = int(os.environ.get("LAKEHOUSE_EXAMPLES", "25"))
STEPS = int(os.environ.get("LAKEHOUSE_STEPS", "15"))
KEYS = ("a", "b", "c", "d")
ABSENT, FOREIGN = "absent", "somebody else's"

Rows = tuple[tuple[int, ...], ...]
SOME = st.lists(st.sampled_from(KEYS), unique=True, min_size=1)
NUMBERS = st.lists(st.integers(0, 9), max_size=4)


class KilledError(BaseException):
    """The process is gone: nothing that would change a file is done any more."""


class Fault:
    """What happens at a call that changes a file, and from there on."""

    def __init__(self, kind: str, at: int) -> None:
        self.kind, self.at, self.calls = kind, at, 0

    def __call__(self, name: str, path: Path) -> None:
        self.calls += 1
        if self.kind == "kill" and self.calls >= self.at:
            raise KilledError
        if self.kind == "interrupt" and self.calls == self.at:
            raise KeyboardInterrupt
        is_due = self.calls == self.at or (self.kind.endswith("on") and self.calls > self.at)
        if self.kind.startswith("E") and is_due and name not in ("unlink", "rmtree"):
            code = getattr(errno, self.kind.split()[0])
            raise OSError(code, os.strerror(code), str(path))

    def __repr__(self) -> str:
        return f"{self.kind} at {self.at}"


FAULTS = st.one_of(
    st.just(Fault("none", 0)),
    st.builds(
        Fault, st.sampled_from(["kill", "kill", "interrupt", "EIO", "ENOSPC", "ENOSPC on"]), st.integers(1, 45)
    ),
)


class Walk(RuleBasedStateMachine):
    folders: Callable[[], Path]

    def __init__(self) -> None:
        super().__init__()
        self.folder = type(self).folders()
        self.root = self.folder / "lake"
        self.now = datetime(2026, 11, 20, tzinfo=UTC)
        self.source: dict[str, list[int]] = {}
        self.is_wide = False
        self.published: dict[str, Rows] = {}
        self.ever: dict[str, set[Rows]] = {key: set() for key in KEYS}
        self.hive: dict[str, set[Rows | str]] = {key: {ABSENT} for key in KEYS}  # what may stand there
        self.frozen: set[str] = set()
        self.damaged: set[str] = set()
        self.rotted: set[str] = set()  # at some time
        self.numbers = count()

    @initialize(numbers=st.fixed_dictionaries(dict.fromkeys(KEYS, NUMBERS)))
    def begin(self, numbers: dict[str, list[int]]) -> None:
        self.source = numbers
        self.write()

    def lake(self, fault: Fault | None = None) -> Lake:
        """The lake, opened anew, as another process would."""
        lake, is_wide = Lake(self.root, keep_versions=1, grace="1h"), self.is_wide
        self.now += timedelta(seconds=1)
        now = self.now
        lake.base, lake._clock = self.folder, lambda: now
        lake._on_call = fault or (lambda *_: None)
        lake.source("numbers", "numbers.csv", schema={"key": pl.String, "n": pl.Int64})

        @lake.asset(partitions=Categories("key", list(KEYS)), version=str(is_wide))
        def counts(numbers: pl.LazyFrame) -> pl.LazyFrame:
            return numbers.with_columns(m=pl.col("n") * 2) if is_wide else numbers

        return lake

    def write(self) -> None:
        lines = [f"{key},{number}\n" for key, numbers in self.source.items() for number in numbers]
        spare = self.folder / "numbers.new"
        spare.write_text("key,n\n" + "".join(lines))
        spare.replace(self.folder / "numbers.csv")

    def expected(self, key: str) -> Rows:
        return tuple(sorted((number, number * 2) if self.is_wide else (number,) for number in self.source[key]))

    def file(self, key: str) -> Path:
        return self.root / f"counts/key={key}/part.parquet"

    def may_be(self, key: str, what: Rows | str) -> bool:
        return what in self.hive[key]

    # What is done to it

    @rule(key=st.sampled_from(KEYS), numbers=NUMBERS)
    def change(self, key: str, numbers: list[int]) -> None:
        self.source[key] = numbers
        self.write()

    @rule(keys=SOME, force=st.sampled_from([False, False, True]), fault=FAULTS)
    def make(self, keys: list[str], force: bool, fault: Fault) -> None:  # noqa: FBT001
        wanted = {key for key in keys if force or (key not in self.frozen and self.hive[key] != {FOREIGN})}
        becoming = {**self.published, **{key: self.expected(key) for key in wanted}}
        done = self.attempt(
            fault, lambda lake: lake.materialize(keys, force=force, on_failure="return"), becoming, wanted
        )
        if done is None:
            return
        for item in (item for item in done if item.key not in self.damaged):
            if item.key in wanted:
                assert item.result in ("created", "replaced", "unchanged", "fresh"), (item.key, item.error)
            else:
                assert item.result in ("blocked", "skipped", "fresh"), (item.key, item.result)
        if force:
            self.frozen -= {*keys}

    @precondition(
        lambda self: not self.frozen and not self.damaged and all(FOREIGN not in h for h in self.hive.values())
    )
    @rule(fault=FAULTS)
    def change_schema(self, fault: Fault) -> None:
        """All or none: a commit has one contract."""
        self.is_wide = not self.is_wide
        becoming = {key: self.expected(key) for key in KEYS}
        make = lambda lake: lake.materialize("all", allow_schema_change=True, on_failure="return")  # noqa: E731
        self.attempt(fault, make, becoming, {*KEYS})
        if self.published != becoming:
            self.is_wide = not self.is_wide

    @precondition(lambda self: self.published)
    @rule(keys=SOME, fault=FAULTS, is_frozen=st.booleans())
    def freeze(self, keys: list[str], fault: Fault, is_frozen: bool) -> None:  # noqa: FBT001
        keys = [key for key in keys if key in self.published]
        before = {*self.frozen}
        after = before | {*keys} if is_frozen else before - {*keys}
        verb = "freeze" if is_frozen else "unfreeze"
        if keys:
            done = self.attempt(fault, lambda lake: getattr(lake, verb)("counts", keys), dict(self.published), set())
            assert self.frozen in ([after] if done is not None else [before, after])

    @precondition(lambda self: self.published)
    @rule(key=st.sampled_from(KEYS), fault=FAULTS)
    def roll_back(self, key: str, fault: Fault) -> None:
        """To rows that the key had at some time; it is frozen then."""
        if key not in self.published or FOREIGN in self.hive[key] or key in self.damaged:
            return
        before, width = dict(self.published), 2 if self.is_wide else 1
        try:
            done = self.attempt(fault, lambda lake: lake.rollback("counts", key), None, {key})
        except (RequestError, AuditError):  # there is no earlier one, or it has other columns
            assert self.read() == before
            self.may_be_projected()
            return
        assert self.published[key] in {rows for rows in self.ever[key] if not rows or len(rows[0]) == width}
        if done is not None:
            assert key in self.frozen

    @precondition(lambda self: self.published)
    @rule(keys=SOME, fault=FAULTS)
    def wipe(self, keys: list[str], fault: Fault) -> None:
        # A damaged file may be nobody's: after a copy without its times, nothing tells whose it was.
        others = self.frozen | self.damaged | {key for key in KEYS if FOREIGN in self.hive[key]}
        keys = [key for key in keys if key in self.published and key not in others]
        if keys:
            becoming = {key: rows for key, rows in self.published.items() if key not in keys}
            done = self.attempt(fault, lambda lake: lake.wipe("counts", keys), becoming, {*keys})
            if done is not None:
                assert not any(self.file(key).exists() for key in keys)

    @rule(fault=FAULTS, hours=st.sampled_from([0, 2]), now=st.booleans())
    def prune(self, fault: Fault, hours: int, now: bool) -> None:  # noqa: FBT001
        self.now += timedelta(hours=hours)
        self.attempt(fault, lambda lake: lake.clean(now=now), dict(self.published), set())

    # What others do to it

    @rule(key=st.sampled_from(KEYS), what=st.sampled_from(["edit", "delete"]))
    def by_hand(self, key: str, what: str) -> None:
        if not self.file(key).exists():
            return
        self.file(key).unlink()
        self.hive[key] = {ABSENT}
        if what == "edit":
            pl.DataFrame({"stranger": [7]}).write_parquet(self.file(key))
            self.hive[key] = {FOREIGN}

    @rule(is_faithful=st.booleans())
    def copy(self, is_faithful: bool) -> None:  # noqa: FBT001
        """`cp -r` and go on there: other inodes, no hard links any more, and other times unless `-a`."""
        if self.root.exists():
            other = self.folder / f"lake-{next(self.numbers)}"
            shutil.copytree(self.root, other, copy_function=shutil.copy2 if is_faithful else shutil.copy)
            self.root = other

    @precondition(lambda self: self.published)
    @rule(key=st.sampled_from(KEYS), at=st.floats(0, 1, exclude_max=True))
    def rot(self, key: str, at: float) -> None:
        """A byte of the version turns, without its time."""
        version = self.lake().survey().fold("counts").key(key).version
        if version is None or key in self.damaged:
            return
        path = self.root / version.path
        status, data = path.stat(), bytearray(path.read_bytes())
        data[int(at * len(data))] ^= 0x40
        path.chmod(0o644)
        path.write_bytes(data)
        path.chmod(0o444)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        self.damaged.add(key)
        self.rotted.add(key)

    @rule(repair=st.booleans())
    def verify(self, repair: bool) -> None:  # noqa: FBT001
        """Each byte that turned is found, and a lake in which none did is whole."""
        found = self.lake().verify(repair=repair)
        named = {fault.key for fault in found if fault.is_damage}
        assert self.damaged <= named, (self.damaged, found)
        touched = {key for key in KEYS if self.hive[key] != {self.published.get(key, ABSENT)}}
        assert named <= self.rotted | touched, (named, touched, found)
        self.look()
        self.may_be_projected()
        if repair:
            self.hive |= {key: {self.published[key]} for key in self.published if key not in self.damaged}

    @rule(hours=st.integers(1, 48))
    def set_back(self, hours: int) -> None:
        self.now -= timedelta(hours=hours)

    # What comes of it

    def attempt(
        self, fault: Fault, act: Callable[[Lake], Any], becoming: dict[str, Rows] | None, touched: Iterable[str]
    ) -> Any:
        """What an act under a fault gave; None where it failed. Then all of it was done, or nothing."""
        fault = Fault(fault.kind, fault.at)
        before, done = dict(self.published), None
        try:
            done = act(self.lake(fault))
        except (StorageError, KilledError, KeyboardInterrupt) as error:
            note(f"{fault!r}: {type(error).__name__}: {str(error)[:200]}")
            is_of_disk = isinstance(error, StorageError)
            assert fault.kind.startswith("E") if is_of_disk else fault.kind in ("kill", "interrupt")
        found = self.read()
        intact = {key for key in KEYS if key not in self.damaged}
        assert becoming is None or _of(found, intact) in (
            [_of(becoming, intact)] if done is not None else [_of(before, intact), _of(becoming, intact)]
        ), (before, found, becoming)
        self.take(found, done is not None, {*touched})
        return done

    def take(self, found: dict[str, Rows], is_done: bool, touched: set[str]) -> None:  # noqa: FBT001
        """Go on from what is there."""
        for key in KEYS:
            before, after = self.published.get(key, ABSENT), found.get(key, ABSENT)
            if key in touched:
                self.hive[key] = {after} if is_done else self.hive[key] | {before, after}
            elif FOREIGN not in self.hive[key]:
                self.hive[key] |= {before, after}  # what was due is projected with whatever is done, or is not
            if key in found:
                self.ever[key].add(found[key])
        self.published = found
        self.look()

    def may_be_projected(self) -> None:
        """Whatever writes to the log has the Hive tree follow it, in all that was due."""
        for key in [key for key in KEYS if FOREIGN not in self.hive[key]]:
            self.hive[key] |= {self.published.get(key, ABSENT)}

    def look(self) -> None:
        """What the log says of marks; what is healed is as it was made."""
        fold = self.lake().survey().fold("counts")
        self.frozen = {key for key in KEYS if fold.key(key).is_frozen}
        for key in [*self.damaged]:
            version = fold.key(key).version
            if version is None or _digest(self.root / version.path) == version.digest:
                self.damaged.discard(key)

    def read(self) -> dict[str, Rows]:
        """What readers through the lake find: through `lake.scan`, and through DuckDB."""
        lake = self.lake()
        fold = lake.survey().fold("counts")
        keys = [
            key for key in KEYS if fold.key(key).version is not None and not self.is_rotten(fold.key(key).version)
        ]
        found = {}
        for key in keys:
            frame = lake.scan("counts", key).drop("key").collect()
            found[key] = tuple(sorted(frame.rows()))
        rotten = {key: self.published.get(key, ()) for key in KEYS if fold.key(key).version and key not in keys}
        return {**found, **rotten}

    def is_rotten(self, version: Any) -> bool:
        return bool(self.damaged) and _digest(self.root / version.path) != version.digest

    @invariant()
    def holds(self) -> None:
        """The tree holds partitions and nothing else, each whole: one of those that may stand there."""
        if not self.root.exists():
            return
        files = [path for path in self.root.rglob("*") if ".lake" not in path.parts and path.is_file()]
        assert {*files} <= {self.file(key) for key in KEYS}
        for key in [key for key in KEYS if key not in self.damaged]:
            stands = self.standing(key)
            assert stands in self.hive[key], (key, stands, self.hive[key])
            self.hive[key] = {stands}
        numbers = sorted(path.name for path in (self.root / ".lake/log/counts").glob("*.json"))
        assert numbers == [f"{number:08}.json" for number in range(1, len(numbers) + 1)]

    def standing(self, key: str) -> Rows | str:
        """What a plain reader finds."""
        if not self.file(key).exists():
            return ABSENT
        found = duckdb.sql(f"SELECT * FROM read_parquet('{self.file(key)}', hive_partitioning=false)")  # noqa: S608
        return FOREIGN if found.columns == ["stranger"] else tuple(sorted(found.fetchall()))

    def teardown(self) -> None:
        """The same commands without a fault: everything is as it is to be, and nothing is left."""
        if not self.source:
            return
        lake = self.lake()
        if self.published:
            lake.unfreeze("counts", [*self.published])
        made = self.lake().materialize("all", force=True, allow_schema_change=True, on_failure="return")
        assert all(item.is_ok for item in made), [item.error for item in made]
        self.damaged.clear()
        assert self.read() == {key: self.expected(key) for key in KEYS}
        assert [self.standing(key) for key in KEYS] == [self.expected(key) for key in KEYS]
        self.lake().verify(repair=True)
        left = {fault.kind for fault in self.lake().verify() if fault.is_damage}
        assert left <= ({"version-damaged"} if self.rotted else set())  # one that was superseded, and is kept
        assert {item.result for item in self.lake().materialize("all")} == {"fresh"}
        assert [*(self.root / ".lake/staging").iterdir()] == []
        shutil.rmtree(self.folder)


def _of(rows: dict[str, Rows], keys: set[str]) -> dict[str, Rows]:
    return {key: found for key, found in rows.items() if key in keys}


def _digest(path: Path) -> str:
    from lakehouse.disk import digest_file

    return digest_file(path) if path.exists() else ""


@pytest.mark.invariant("I1", "I2", "I4", "I5", "I6", "I7", "I8", "I9", "I10")
def test_whatever_fails_each_key_has_the_rows_that_it_had_or_those_it_was_to_get(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # nobody pulls the plug here
    numbers = count()

    def folders() -> Path:
        folder = tmp_path / f"{next(numbers)}"
        folder.mkdir()
        return folder

    Walk.folders = staticmethod(folders)
    run_state_machine_as_test(
        Walk,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize="LAKEHOUSE_EXAMPLES" not in os.environ,
            suppress_health_check=list(HealthCheck),
            print_blob=True,
        ),
    )
