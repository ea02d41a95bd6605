"""Partitions deleted: a tombstone in the log, then the file that everyone reads and every kept version.

Knows what goes with a partition. Refuses to touch what a snapshot holds, or a file that somebody else put there.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from lakehouse.amend import Amendment, Change
from lakehouse.errors import RequestError
from lakehouse.fold import Fold
from lakehouse.records import Materialization
from lakehouse.selection import Quoted, Selection, Word

__all__ = ["tombstones", "wipe", "without_definition"]


def wipe(amendment: Amendment, keys: Sequence[str]) -> list[Materialization]:
    """The tombstones of those keys that had data; when this returns, their bytes are gone and the log says so.

    Args:
        amendment: amends the asset's log.
        keys: which.

    Raises:
        StorageError: the log cannot be written, or files could not be removed; the next writing command does it.
    """
    made: list[Materialization] = []

    def decide(fold: Fold, time: datetime) -> Change | None:
        made[:] = tombstones(fold, keys, run=amendment.run.id, time=time)
        return Change(records=tuple(made)) if made else None

    amendment.commit(decide)
    return made


def without_definition(fold: Fold, selection: Selection | str | Iterable[str]) -> list[str]:
    """The keys of a selection, of an asset that is no longer declared: ``all``, or keys to the letter.

    Raises:
        RequestError: the selection names something else, for only a definition tells what that means.
    """
    if not isinstance(selection, Selection):
        selection = Selection.parse(selection)
    made = [key for key, state in fold.keys.items() if state.version is not None]
    found: dict[str, None] = {}
    for item in selection.items:
        text = item.text if isinstance(item, Word | Quoted) else str(item)
        if item != Word("all") and text not in made:
            raise RequestError(
                f"{fold.asset} is no longer declared, and has no data for {text}",
                code="partition-missing",
                help="name keys to the letter, or all",
            )
        found.update(dict.fromkeys(made) if item == Word("all") else {text: None})
    return [*found]


def tombstones(fold: Fold, keys: Sequence[str], *, run: str, time: datetime) -> list[Materialization]:
    """The records that delete those keys which have data; each names all versions that go."""
    states = {key: fold.key(key) for key in dict.fromkeys(keys)}
    return [
        Materialization(
            asset=fold.asset,
            key=key,
            partition=state.current.partition,
            result="wiped",
            reason="wiped",
            run=run,
            started=time,
            finished=time,
            base=state.commit,
            kept=state.version,
            kept_made=state.current.finished,
            dropped=tuple(state.versions),
        )
        for key, state in states.items()
        if state.current is not None
    ]
