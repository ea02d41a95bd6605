"""What became of one partition, event by event, for people and for machines.

Knows the words and the fields. Knows no lake.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from lakehouse.cli.output import Screen, joined, plural, size, stamp, wrapped
from lakehouse.cli.quoting import quoted
from lakehouse.printable import printable
from lakehouse.records import from_instant

if TYPE_CHECKING:
    from lakehouse.past.history import KeyEvent
    from lakehouse.records import Input

__all__ = ["event_json", "print_events", "who"]

_SHORT: Final = 12  # of a digest
_SIGNS: Final = {
    "unchanged": "same",
    "failed": "failed",
    "blocked": "failed",
    "damaged": "failed",
    "wiped": "missing",
}


def who(by: Mapping[str, str]) -> str:
    """User and host."""
    return printable("@".join(by[name] for name in ("user", "host") if by.get(name)))


def print_events(screen: Screen, asset: str, key: str, events: Sequence[KeyEvent], *, failed: bool) -> None:
    """A few lines an event; a word and the next command, where there is none."""
    screen.say(f"{screen.paint(asset, None, bold=True)} {key}")
    if not events:
        screen.say("no attempt failed" if failed else "it was never made")
        if not failed:
            screen.say(f"next: lake materialize {quoted(key)} -a {asset}")
    width = max((len(str(event.commit)) for event in events), default=0)
    for event in events:
        screen.say(
            joined([f"{screen.glyph(_SIGNS.get(event.what, 'ok'))} commit {event.commit:>{width}}", *_head(event)])
        )
        for line in _details(event, screen.width):
            screen.say(line)


def _head(event: KeyEvent) -> list[str]:
    parts = [stamp(event.time), ", ".join(dict.fromkeys([event.what, *event.marks]))]
    if event.version is not None:
        rows = event.version.row_count
        state = "current" if event.is_current else "kept" if event.is_kept else "no longer kept"
        lost = ", its bytes are missing" if event.is_current and not event.is_kept else ""
        parts += [
            "rows not counted" if rows < 0 else plural(rows, "row"),
            size(event.version.size_bytes),
            state + lost,
        ]
    return parts


def _details(event: KeyEvent, width: int) -> list[str]:
    """What is said of an event below its line."""
    lines = [f"  {printable(event.reason)}"] if event.reason not in ("", event.what) and event.error is None else []
    if event.error is not None:
        lines.append(f"  error[{event.error.get('code', '')}]: {printable(str(event.error.get('message', '')))}")
    lines += [
        f"  check {printable(str(check.get('name')))} failed ({check.get('severity')}): "
        f"{printable(str(check.get('message', '')))}"
        for check in event.checks
        if not check.get("passed")
    ]
    if event.version is not None:
        code = f"code {event.code[:_SHORT]}"
        if event.code_changed:
            code += f" ({', '.join(event.code_changed)} changed)"
        lines.append(f"  {joined([f'data {event.version.digest[:_SHORT]}', code if event.code else ''])}")
        reads = [_read(name, item, is_other=name in event.inputs_changed) for name, item in event.inputs.items()]
        lines += wrapped([f"read {reads[0]}", *reads[1:]], width=width, indent="  ") if reads else []
    command = printable(event.by.get("command", ""))
    return [*lines, *wrapped([who(event.by), command, f"run {event.run}"], width=width, indent="  ")]


def _read(name: str, item: Input, *, is_other: bool) -> str:
    """One thing that was read: ``daily_orders 2018-02-01..2018-02-28 at commit 3, 0123456789ab (changed)``."""
    parts = [name, item.keys or "", f"at commit {item.position}" if item.position is not None else ""]
    version = item.version[:_SHORT] if item.version else "version unknown"
    absent = f"; without {item.absent}" if item.absent else ""
    return f"{' '.join(part for part in [*parts, version] if part)}{' (changed)' if is_other else ''}{absent}"


def event_json(event: KeyEvent) -> dict[str, Any]:
    """An event for machines."""
    version = event.version
    return {
        "commit": event.commit,
        "at": from_instant(event.time),
        "result": event.what,
        "marks": list(event.marks),
        "reason": event.reason,
        "run_id": event.run,
        "by": dict(event.by),
        "row_count": version and version.row_count,
        "size_bytes": version and version.size_bytes,
        "data_version": version and version.digest,
        "writer": version and version.writer,
        "version_path": version and version.path,
        "code_version": event.code or None,
        "code_changed": list(event.code_changed),
        "inputs": {name: item.to_json() for name, item in event.inputs.items()},
        "inputs_changed": list(event.inputs_changed),
        "checks": [dict(check) for check in event.checks],
        "error": event.error,
        "is_current": event.is_current,
        "is_kept": event.is_kept,
    }
