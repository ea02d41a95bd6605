"""What logs tell of runs: for each command that wrote to them, what became of how many partitions of which asset.

Knows how commits, newest first, add up to runs. Refuses to read logs: commits come in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Final

from msgspec import Struct, field

from lakehouse.commits import Commit
from lakehouse.past.history import ATTEMPTS, marked, what
from lakehouse.records import Materialization

__all__ = ["AssetRun", "Failure", "LakeRun", "runs"]

_STAMP: Final = "%Y%m%dT%H%M%S"  # a run's id begins with the instant at which it began


class Failure(Struct, frozen=True, kw_only=True):
    """One partition that a run did not make.

    Attributes:
        key: which.
        what: *failed* or *blocked*.
        code, message: the error's.
    """

    key: str
    what: str
    code: str
    message: str


class AssetRun(Struct, frozen=True, kw_only=True):
    """What a run did to one asset.

    Attributes:
        asset: its name.
        commits: the numbers of its commits in the asset's log, in order.
        counts: how many partitions were *created*, *replaced*, …: the words of `KeyEvent.what` that occur.
        keys: the partitions, in the order of the log.
        failures: those that were not made.
        lists_keys: whether the list of the asset's keys was changed.
    """

    asset: str
    commits: tuple[int, ...]
    counts: Mapping[str, int]
    keys: tuple[str, ...]
    failures: tuple[Failure, ...] = ()
    lists_keys: bool = False


class LakeRun(Struct, frozen=True, kw_only=True):
    """One command, or one call, that wrote to the log.

    Attributes:
        run: its id.
        by: user, host and command.
        started: when its first partition was begun.
        finished: when it made its last commit.
        assets: what it did to each, in the order of its first commit there.
    """

    run: str
    by: Mapping[str, str]
    started: datetime
    finished: datetime
    assets: tuple[AssetRun, ...]


class _AssetTally(Struct, eq=False):
    commits: list[int] = field(default_factory=list)
    counts: Counter[str] = field(default_factory=Counter)
    keys: list[list[str]] = field(default_factory=list)
    failures: list[list[Failure]] = field(default_factory=list)
    lists_keys: bool = False

    def add(self, commit: Commit) -> None:
        made = {record.key for record in commit.records}
        marks = [mark for mark in commit.marks if mark.key not in made]
        self.commits.append(commit.number)
        self.counts.update(map(what, commit.records))
        self.counts.update(word for mark in marks for word in marked(mark))
        self.keys.append([*(record.key for record in commit.records), *(mark.key for mark in marks)])
        self.failures.append([_failure(record) for record in commit.records if record.result in ATTEMPTS])
        self.lists_keys |= bool(commit.listed)

    def told(self, asset: str) -> AssetRun:
        return AssetRun(
            asset=asset,
            commits=tuple(reversed(self.commits)),
            counts=dict(self.counts),
            keys=tuple(dict.fromkeys(key for keys in reversed(self.keys) for key in keys)),
            failures=tuple(failure for found in reversed(self.failures) for failure in found),
            lists_keys=self.lists_keys,
        )


def _failure(record: Materialization) -> Failure:
    error = record.error or {}
    message = str(error.get("message", "")).removeprefix(f"{record.asset}: ")
    return Failure(key=record.key, what=record.result, code=str(error.get("code", "")), message=message)


class _Tally(Struct, eq=False):
    """What has been seen of a run so far, its last commit first."""

    by: Mapping[str, str]
    started: datetime
    finished: datetime
    assets: dict[str, _AssetTally] = field(default_factory=dict)

    def add(self, commit: Commit) -> None:
        self.started = min([self.started, commit.time, *(record.started for record in commit.records)])
        tally = self.assets.pop(commit.asset, None) or _AssetTally()
        self.assets[commit.asset] = tally  # last, for it is the earliest so far
        tally.add(commit)

    @property
    def has_failed(self) -> bool:
        return any(failures for tally in self.assets.values() for failures in tally.failures)

    def told(self, run: str) -> LakeRun:
        assets = tuple(tally.told(asset) for asset, tally in reversed(self.assets.items()))
        return LakeRun(run=run, by=self.by, started=self.started, finished=self.finished, assets=assets)


def runs(commits: Iterable[Commit], *, last: int | None = None, failed: bool = False) -> list[LakeRun]:
    """The runs, newest first by their last commits.

    Args:
        commits: of one log or several, newest first; no more of them are taken than are needed.
        last: so many at most; None: all.
        failed: only those in which a partition failed or was blocked.
    """
    found: dict[str, _Tally] = {}
    for commit in commits:
        run = commit.shared.run
        if run not in found:
            if failed:
                found = {run: tally for run, tally in found.items() if tally.has_failed or not _is_over(run, commit)}
            if last is not None and len(found) >= last and all(_is_over(run, commit) for run in [*found][:last]):
                break
            found[run] = _Tally(commit.shared.by, commit.time, commit.time)
        found[run].add(commit)
    told = [tally.told(run) for run, tally in found.items() if tally.has_failed or not failed]
    return told[:last]


def _is_over(run: str, commit: Commit) -> bool:
    """Whether a run began after a commit, so that none of its own is older."""
    try:
        began = datetime.strptime(run.partition("-")[0], _STAMP).replace(tzinfo=UTC)
    except ValueError:
        return False
    return commit.time < began
