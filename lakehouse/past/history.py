"""What a log tells of one partition: what each commit did to it, and what was other than before.

Knows how commits, newest first, read as a story. Refuses to read logs: commits come in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from msgspec import Struct, field
from msgspec.structs import replace

from lakehouse.commits import Commit, Mark
from lakehouse.records import Input, Materialization, Version

__all__ = ["ATTEMPTS", "KeyEvent", "events", "marked", "what"]

ATTEMPTS: Final = ("failed", "blocked")
"""Results that leave a partition as it was."""


class KeyEvent(Struct, frozen=True, kw_only=True):
    """What one commit did to one partition.

    Attributes:
        key: the partition.
        commit: the commit's number, by which the version that it brought is named.
        time: the commit's instant.
        what: *created*, *replaced*, *unchanged*, *rolled back*, *adopted*, *wiped*, *failed* or *blocked*; or, of a
            partition that kept its bytes, *frozen*, *unfrozen*, *damaged* or *cleaned*.
        run: the id of the run.
        by: user, host and command.
        reason: why it was done.
        version: the bytes that the partition had from then on; None where it kept its own, or was left without.
        code: the digest of what computed it; empty where nothing was computed.
        code_changed: of what computed it, the parts that are other than those of the version before.
        inputs: the version of each thing that was read.
        inputs_changed: those that are other than what the version before was made of.
        marks: what the commit says of the partition besides: *frozen*, *unfrozen*, *damaged*.
        checks: what the checks said.
        error: of an attempt that failed or was blocked.
        is_current: whether the partition has these bytes now.
        is_kept: whether the bytes are still there.
    """

    key: str
    commit: int
    time: datetime
    what: str
    run: str
    by: Mapping[str, str]
    reason: str = ""
    version: Version | None = None
    code: str = ""
    code_changed: tuple[str, ...] = ()
    inputs: Mapping[str, Input] = field(default_factory=dict)
    inputs_changed: tuple[str, ...] = ()
    marks: tuple[str, ...] = ()
    checks: tuple[Mapping[str, Any], ...] = ()
    error: Mapping[str, Any] | None = None
    is_current: bool = False
    is_kept: bool = False


def what(record: Materialization) -> str:
    """A record's result, told more closely: versions that another run brought were rolled back to."""
    if record.version is not None and record.result in ("created", "replaced"):
        if not record.version.path.rpartition("/")[2].startswith(f"{record.run}-"):
            return "rolled back"
        if record.reason.startswith("adopted"):
            return "adopted"
    return record.result


def marked(mark: Mark) -> tuple[str, ...]:
    """A mark in words; *cleaned* where versions are let go and nothing else is said."""
    said = (
        *(() if mark.frozen is None else ("frozen" if mark.frozen else "unfrozen",)),
        *(("damaged",) if mark.damaged is not None else ()),
    )
    return said or ("cleaned",)


def events(commits: Iterable[Commit], key: str) -> Iterator[KeyEvent]:
    """What each commit did to a partition, newest first.

    Args:
        commits: of the asset's log, newest first; no more of them are taken than are needed.
        key: the partition.
    """
    # What changed is told by the version before, so an event waits for that, and those before it wait with it.
    waiting: list[tuple[KeyEvent, Commit]] = []
    for commit in commits:
        if (event := _event(commit, key)) is None:
            continue
        if event.version is not None or event.what == "wiped":
            yield from _told(waiting, (event, commit))
            waiting.clear()
        if event.version is not None or waiting:
            waiting.append((event, commit))
        else:
            yield event
    yield from _told(waiting, None)


def _told(waiting: Iterable[tuple[KeyEvent, Commit]], before: tuple[KeyEvent, Commit] | None) -> Iterator[KeyEvent]:
    """The events that wait for the version before theirs; the first of them is the one that brought one."""
    for event, commit in waiting:
        if event.version is None or before is None or before[0].version is None:
            yield event
            continue
        parts, older = commit.shared.code_parts, before[1].shared.code_parts
        code = [name for name in {**parts, **older} if parts.get(name) != older.get(name)]
        inputs = [
            name
            for name in {**event.inputs, **before[0].inputs}
            if _version(event.inputs.get(name)) != _version(before[0].inputs.get(name))
        ]
        yield replace(event, code_changed=tuple(code), inputs_changed=tuple(inputs))


def _version(item: Input | None) -> tuple[str | None, str | None] | None:
    return None if item is None else (item.version, item.keys)


def _event(commit: Commit, key: str) -> KeyEvent | None:
    record = next((record for record in commit.records if record.key == key), None)
    mark = next((mark for mark in commit.marks if mark.key == key), None)
    marks = marked(mark) if mark else ()
    if record is None and not marks:
        return None
    facts: dict[str, Any] = {"key": key, "commit": commit.number, "time": commit.time, "by": commit.shared.by}
    if record is None:
        return KeyEvent(what=marks[0], marks=marks, run=commit.shared.run, **facts)
    version = None if record.result in ATTEMPTS else record.version
    return KeyEvent(
        what=what(record),
        run=record.run,
        reason=record.reason,
        version=version,
        code=record.code if version else "",
        inputs=record.inputs,
        marks=tuple(word for word in marks if word != "cleaned"),
        checks=record.checks,
        error=record.error,
        **facts,
    )
