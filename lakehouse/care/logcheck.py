"""An asset's log read from its first commit to its last, each held against the next.

Knows how to tell which commit is at fault. Refuses to trust what is cached, and to look at data.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

from msgspec import Struct, field

from lakehouse import layout
from lakehouse.care.faults import Fault
from lakehouse.commits import Commit
from lakehouse.fold import Fold
from lakehouse.garbage import collected_later
from lakehouse.log import Log
from lakehouse.storage_errors import storage_errors

__all__ = ["LogCheck", "check_log"]

_COMMIT: Final = re.compile(r"(\d{8,})\.json", re.ASCII)
_DIGEST: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_OWN: Final = ("projected", "lock")
# One changed byte in a commit changes half of the letters of its digest; one in a digest, that letter.
_A_FEW: Final = 8


class LogCheck(Struct, eq=False):
    """What came of reading a log.

    Attributes:
        fold: its state at the end; None where it is damaged, so that nothing can be held against it.
        commits: how many were read.
        faults: what is wrong.
    """

    fold: Fold | None
    commits: int
    faults: list[Fault] = field(default_factory=list)


class _Read(Struct, frozen=True):
    """One commit's file."""

    number: int
    digest: str = ""
    commit: Commit | None = None
    fault: str = ""


def check_log(log: Log) -> LogCheck:
    """Read a whole log, and what tells how far the Hive tree follows it.

    Raises:
        StorageError: it cannot be read, for another reason than damage.
    """
    with storage_errors(log.folder, "reading the log"), collected_later():
        claim = _claim(log)  # before the commits: whoever projects has committed
        last, strangers = _listed(log)
        read = [_read(log, number) for number in range(1, last + 1)]
        faults = [*_chain(log, read, claim)]
        told = {fault.path for fault in faults}  # one byte may be told by two other files
        faults += [fault for fault in _held_against(log, read, claim) if fault.path not in told]
        faults += [_stranger(log, name) for name in strangers]
        if any(fault.kind == "log-damaged" for fault in faults):
            return LogCheck(None, len(read), faults)
        fold = Fold(log.asset)
        cached = _cached(log)
        for item in read:
            assert item.commit is not None  # noqa: S101  else it were damaged
            fold.add(item.commit, item.digest)
            if cached is not None and fold.number == cached.number and _plain(fold) != cached:
                faults.append(_wrong_cache(log))
    return LogCheck(fold, len(read), faults)


def _listed(log: Log) -> tuple[int, list[str]]:
    """The number of the last commit, and the names of what is none."""
    numbers, strangers = {0}, []
    with suppress(FileNotFoundError), os.scandir(log.folder) as entries:
        for entry in entries:
            is_file, match = entry.is_file(follow_symlinks=False), _COMMIT.fullmatch(entry.name)
            if match and is_file and f"{int(match[1]):08}" == match[1]:
                numbers.add(int(match[1]))
            elif entry.name not in _OWN or not is_file:
                strangers.append(entry.name)
    return max(numbers), sorted(strangers)


def _read(log: Log, number: int) -> _Read:
    path = log.folder / f"{number:08}.json"
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return _Read(number, fault="is missing")
    digest = hashlib.sha256(data).hexdigest()
    try:
        commit, _ = Commit.from_bytes(data)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        return _Read(number, digest, fault=f"cannot be read ({type(error).__name__}: {error})")
    if (commit.asset, commit.number) != (log.asset, number):
        return _Read(number, digest, fault=f"says that it is commit {commit.number} of {commit.asset}")
    return _Read(number, digest, commit)


def _chain(log: Log, read: Sequence[_Read], claim: tuple[int, str] | None) -> Iterator[Fault]:
    """The commits that are not what the others say."""
    said = {item.number - 1: item.commit.previous for item in read if item.commit is not None}
    if claim is not None:
        said.setdefault(*claim)
    altered = set()
    for before, item in zip([None, *read], read, strict=False):
        if item.commit is None:
            yield _damaged(log, item.number, item.fault)
            continue
        named, digest = item.commit.previous, before.digest if before else None
        if digest in ("", named):  # the one before is missing, and said to be; or it is the one
            continue
        is_own = said.get(item.number, item.digest) != item.digest  # it is not what was committed, say others
        if before is None or named is None or is_own or _is_alike(named, before.digest):
            altered.add(item.number)
            yield _damaged(log, item.number, f"was altered: it names another digest of commit {item.number - 1}")
        elif before.commit is not None and before.number not in altered:
            yield _damaged(log, before.number, f"was altered: commit {item.number} names another digest of it")


def _is_alike(named: str, digest: str) -> bool:
    """Whether what stands as a digest is rather one that was altered than that of other bytes."""
    return not _DIGEST.fullmatch(named) or sum(a != b for a, b in zip(named, digest, strict=True)) < _A_FEW


def _claim(log: Log) -> tuple[int, str] | None:
    """The commit up to which the Hive tree follows, and its digest; (0, "") before the first; None: unreadable."""
    try:
        data = (log.folder / "projected").read_bytes()
    except FileNotFoundError:
        return 0, ""
    try:
        content = json.loads(data)
        claim = int(content["commit"]), str(content["digest"])
    except (ValueError, KeyError, TypeError):
        return None
    return claim if json.dumps(content).encode() == data else None


def _held_against(log: Log, read: Sequence[_Read], claim: tuple[int, str] | None) -> Iterator[Fault]:
    """What `projected` says, held against the log; by nothing else the last commit can be told altered."""
    number, digest = claim or (0, "")
    last = len(read)
    if claim is None:
        yield _wrong_claim(log)
    elif number > last:
        if last and read[-1].digest == digest:
            yield _wrong_claim(log)
        else:
            yield _damaged(log, last + 1, f"is missing: the Hive tree follows the log as far as commit {number}")
    elif number > 0 and (item := read[number - 1]).commit is not None and item.digest != digest:
        if number < last or _is_alike(digest, item.digest):
            yield _wrong_claim(log)
        else:
            yield _damaged(log, number, "is not the one that the Hive tree was made to follow")
    elif number < 0:
        yield _wrong_claim(log)


def _cached(log: Log) -> Fold | None:
    """The state that is cached, which readers start from."""
    with suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        return Fold.from_checkpoint(log.checkpoint.read_bytes())
    return None


def _plain(fold: Fold) -> Fold:
    """The state as it comes out of a cache."""
    return Fold.from_checkpoint(fold.to_checkpoint())


def _relative(log: Log, name: str) -> str:
    return f"{layout.log_folder(log.asset)}/{name}"


def _damaged(log: Log, number: int, what: str) -> Fault:
    asset = log.asset
    return Fault(
        kind="log-damaged",
        path=_relative(log, f"{number:08}.json"),
        asset=asset,
        commit=number,
        message=f"commit {number} {what}; nothing of {asset} can be held against its log",
        help=f"put the file back from a copy of the lake; without one, move {layout.log_folder(asset)} away, and "
        f"record the data anew, which is still readable: lake adopt {asset} all",
    )


def _stranger(log: Log, name: str) -> Fault:
    return Fault(
        kind="foreign",
        path=_relative(log, name),
        asset=log.asset,
        message="is no part of a log",
        help="move it away",
    )


def _wrong_claim(log: Log) -> Fault:
    return Fault(
        kind="projected-damaged",
        path=_relative(log, "projected"),
        asset=log.asset,
        message="does not tell how far the Hive tree follows the log",
        help="lake verify --repair; the next command that writes does it too",
        is_mendable=True,
    )


def _wrong_cache(log: Log) -> Fault:
    return Fault(
        kind="cache-damaged",
        path=log.checkpoint.relative_to(log.disk.root).as_posix(),
        asset=log.asset,
        message="is not what the log adds up to",
        help="remove it: it can be computed again",
        is_mendable=True,
    )
