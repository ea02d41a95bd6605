"""L0: the rules for the order of calls: nothing is relied on before it is on disk.

Needs no fault: a wrong order is wrong also where nothing fails.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from faults.scenarios import Place
    from faults.trace import Event

__all__ = ["RULES", "broken_rules", "undurable"]

_PASSING: Final = re.compile(r"/\.lake/(cache|log/[^/]+/lock)")  # made again at need
_RESULT: Final = re.compile(r"created|replaced|unchanged|rolled back|deleted|adopted|repaired|snapshot")


def undurable(events: Sequence[Event], place: Place) -> list[str]:
    """What lies below the lake when a process has ended, whoever wrote it, and may be gone after a power cut."""
    done = [event for event in events if event.is_ok]
    origins: dict[str, str] = {}
    named: dict[str, int] = {}
    for event in done:
        if event.name in ("rename", "link"):
            origins[event.path] = origins.get(event.source, event.source)
        if event.name in ("rename", "link", "mkdir") or "O_CREAT" in event.text:
            named[event.path] = event.ended
    wrong = []
    for path, ended in named.items():
        if not path.startswith(f"{place.lake}/") or not Path(path).exists() or _PASSING.search(path):
            continue
        ways = {path, origins.get(path, path)}
        written = [event.ended for event in done if event.name == "write" and event.path in ways]
        if written and not _is_synced(done, ways, after=max(written)):
            wrong.append(f"R2: the bytes of {path} were not synced")
        if not _is_synced(done, {str(Path(path).parent)}, after=ended):
            wrong.append(f"R2: the name of {path} was not synced")
    return wrong


def _is_synced(events: Iterable[Event], paths: set[str], *, after: int) -> bool:
    return any(event.name == "fsync" and event.path in paths and event.began > after for event in events)


# The rules


def broken_rules(events: Sequence[Event], place: Place, *, commits: bool = True) -> dict[str, list[str]]:
    """By rule, what is relied on before it is on disk, or written where nothing may be written.

    Args:
        events: of one command.
        place: where it ran.
        commits: whether it makes a commit; if not, what it shows was committed before.
    """
    rules = _Rules(events, [event for event in events if event.is_ok], place, commits)
    return {name: list(broken(rules)) for name, broken in RULES.items()}


@dataclass(frozen=True, slots=True)
class _Rules:
    """The rules, over all calls, and over those that succeeded."""

    all_events: Sequence[Event]
    events: Sequence[Event]
    place: Place
    commits: bool

    @property
    def lake(self) -> Path:
        return self.place.lake

    def _in(self, folder: str, path: str) -> bool:
        return path.startswith(f"{self.lake}/{folder}")

    def _is_hive(self, path: str) -> bool:
        return path.startswith(f"{self.lake}/") and not self._in(".lake", path)

    def _is_cache(self, path: str) -> bool:
        return self._in(".lake/cache", path)

    def _named(self) -> list[Event]:
        """The calls that give a name which somebody will rely on."""
        named = [event for event in self.events if event.name in ("rename", "link")]
        return [event for event in named if event.path.startswith(f"{self.lake}/") and not self._is_cache(event.path)]

    def _synced(self, path: str, *, after: int, before: int) -> bool:
        syncs = (event for event in self.events if event.name == "fsync" and event.path == path)
        return any(event.began > after and event.ended < before for event in syncs)

    def _end(self) -> int:
        """The line at which success is told, or the last one."""
        told = (event.began for event in self.events if self._is_told(event))
        return min(told, default=max((event.ended for event in self.events), default=0) + 1)

    @staticmethod
    def _is_told(event: Event) -> bool:
        return (
            event.name == "write"
            and re.match(r"(pipe|socket|/dev/)", event.path) is not None
            and bool(_RESULT.search(event.text))
        )

    def names_before_bytes(self) -> Iterator[str]:
        """A file has its last byte written, then is synced, and then gets a name."""
        first_names: dict[str, Event] = {}
        of: dict[str, str] = {}  # the path at which the bytes of a path were written
        for event in self._named():
            origin = of.setdefault(event.path, of.get(event.source, event.source))
            first_names.setdefault(origin, event)
        made = {event.path for event in self.events if event.name == "mkdir"}
        for origin, event in first_names.items():
            if origin in made:
                yield from self._unsynced_within(origin, before=event.began)
                continue
            if event.name == "link" and not self._is_new(origin):
                continue  # a further name of what was on disk before
            written = [write for write in self.events if write.name in ("write", "truncate") and write.path == origin]
            last = max((write.ended for write in written), default=-1)
            if last < 0 or last > event.began:
                yield f"{origin} was written after it had a name, or by a call that was not seen"
            elif not self._synced(origin, after=last, before=event.began):
                yield f"{event.path} got its name before its bytes were synced"

    def _is_new(self, path: str) -> bool:
        return any(event.name == "open" and event.path == path for event in self.events)

    def _unsynced_within(self, folder: str, *, before: int) -> Iterator[str]:
        """The names in a folder that gets another name itself."""
        inside = [event for event in self.events if event.ended < before and event.path.startswith(f"{folder}/")]
        for event in inside:
            parent = os.path.dirname(event.path)  # noqa: PTH120
            if event.name in ("open", "link", "mkdir") and not self._synced(parent, after=event.ended, before=before):
                yield f"{folder} got another name before that of {event.path} was synced"

    def unsynced_folders(self) -> Iterator[str]:
        """A name that was given is synced before success is told."""
        staging = f"{self.lake}/.lake/staging/"
        for event in self._named():
            folder = os.path.dirname(event.path)  # noqa: PTH120
            if not event.path.startswith(staging) and not self._synced(folder, after=event.ended, before=self._end()):
                yield f"the folder of {event.path} was not synced before success was told"

    def unsynced_ancestors(self) -> Iterator[str]:
        """A folder that was made is synced into its parent before anything is put into it."""
        for event in self.events:
            if event.name != "mkdir" or not event.path.startswith(str(self.lake)) or self._is_cache(event.path):
                continue
            inside = [other.began for other in self.events if self._puts_into(other, event.path)]
            first = min((began for began in inside if began > event.ended), default=self._end())
            if not self._synced(os.path.dirname(event.path), after=event.ended, before=first):  # noqa: PTH120
                yield f"{event.path} was made and used before its parent was synced"

    def _puts_into(self, event: Event, folder: str) -> bool:
        is_inside = event.name in ("open", "mkdir", "rename", "link") and event.path.startswith(f"{folder}/")
        return is_inside and not self._is_cache(event.path)

    def _given(self, folder: str) -> list[Event]:
        return [event for event in self._named() if self._in(folder, event.path)]

    def _commits(self) -> list[Event]:
        return [event for event in self._given(".lake/log/") if re.search(r"/\d{8}\.json$", event.path)]

    def commit_before_versions(self) -> Iterator[str]:
        """A commit is made when its versions are in their folders, on disk."""
        first = min((event.began for event in self._commits()), default=None)
        for event in self._given(".lake/versions/") if first is not None else ():
            if not self._synced(os.path.dirname(event.path), after=event.ended, before=first):  # noqa: PTH120
                yield f"the commit was made before {event.path} was on disk"

    def hive_before_commit(self) -> Iterator[str]:
        """The Hive tree follows a commit that is on disk."""
        changed = [event for event in self.events if event.name in ("rename", "unlink") and self._is_hive(event.path)]
        commits = self._commits()
        for event in changed if self.commits else ():
            if not any(self._is_on_disk(commit, before=event.began) for commit in commits):
                yield f"{event.path} was changed before the commit was on disk"

    def _is_on_disk(self, commit: Event, *, before: int) -> bool:
        return self._synced(os.path.dirname(commit.path), after=commit.ended, before=before)  # noqa: PTH120

    def let_go_too_early(self) -> Iterator[str]:
        """A version is removed when the commit that lets it go is on disk, and so is what is read instead."""
        removed = [
            event for event in self.events if event.name == "unlink" and self._in(".lake/versions/", event.path)
        ]
        first = min((event.began for event in removed), default=None)
        if first is None:
            return
        needed = [*self._commits(), *(event for event in self._named() if self._is_hive(event.path))]
        for event in needed:
            if not self._is_on_disk(event, before=first):
                yield f"versions were removed before {event.path} was on disk"

    def success_before_sync(self) -> Iterator[str]:
        """What is told is on disk: no sync comes after it."""
        if not any(self._is_told(event) for event in self.events):
            yield "success was never told"
        for event in self.events:
            if event.name == "fsync" and event.ended > self._end():
                yield f"success was told before {event.path} was synced"

    def out_of_place(self) -> Iterator[str]:
        """Nothing is written in the Hive tree but by a rename, nothing in place, nothing outside lake and cache."""
        cache = self.place.folder / "user-cache"
        allowed = (f"{self.lake}/", f"{cache}/")
        shared = ("/dev/", "/proc/self", "pipe:", "socket:", "anon_inode:", "/memfd:")
        new = {event.path for event in self.events if event.name == "open"}
        for event in self.all_events:
            path = event.path
            is_root = path in (str(self.lake), str(cache)) or event.name == "fsync"
            if event.name == "io_uring_setup":
                yield "calls are made past what can be seen (io_uring)"
            elif path and not path.startswith((*allowed, *shared)) and not is_root:
                yield event.text
            elif self._is_hive(path) and event.name not in ("rename", "mkdir", "fsync", "unlink", "rmdir"):
                yield f"in the Hive tree, {event.text}"
            elif event.name in ("write", "truncate", "mmap") and path.startswith(f"{self.lake}/") and path not in new:
                yield f"written in place, {event.text}"


RULES: Final[Mapping[str, Callable[[_Rules], Iterator[str]]]] = {
    "bytes before the name": _Rules.names_before_bytes,
    "names before success": _Rules.unsynced_folders,
    "a folder before what is in it": _Rules.unsynced_ancestors,
    "versions before the commit": _Rules.commit_before_versions,
    "the commit before the Hive tree": _Rules.hive_before_commit,
    "what replaces it before a version is let go": _Rules.let_go_too_early,
    "all syncs before success": _Rules.success_before_sync,
    "nothing in place, nothing elsewhere": _Rules.out_of_place,
}
