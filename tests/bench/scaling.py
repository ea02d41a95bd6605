"""f: how the state of a lake, and a run with nothing to do, grow with the number of partitions."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

from measuring import Case, Contender, measured
from setting import HERE, Setting

__all__ = ["scaling"]

_LAKE: Final = [sys.executable, "-c", "from lakehouse.cli import main; main()"]
_GROUPED: Final = 10_000
_GROUPS: Final = 100


def scaling(setting: Setting) -> Iterator[Case]:
    """Lakes of ever more partitions of one row each: made once, and asked many times."""
    lakes = [(number, 1) for number in sorted(setting.partitions)]
    if any(number >= _GROUPED for number in setting.partitions):
        lakes.append((_GROUPED, _GROUPS))
    yield Case(
        key="f",
        title="f. Many partitions of one row each",
        contenders=[one for number, groups in lakes for one in _of_lake(setting, number, groups)],
        floor=f"{min(setting.partitions):,}: nothing to do",
        rounds=setting.times(5),
    )


def _of_lake(setting: Setting, number: int, groups: int) -> Iterator[Contender]:
    """One lake: made, run again with nothing to do, and looked at."""
    folder = setting.work / f"many-{number}-{groups}"
    measured([sys.executable, str(HERE / "contenders" / "many_partitions.py"), str(folder), str(number), str(groups)])
    name = f"{number:,}" if groups == 1 else f"{number:,} ({groups} groups)"
    commands = {
        "made": ["materialize", "--all", "-q"],
        "nothing to do": ["materialize", "--all", "-q"],
        "`lake status --check -q`": ["status", "--check", "-q"],
    }
    for what, command in commands.items():
        yield Contender(
            name=f"{name}: {what}",
            command=[*_LAKE, *command],
            target=folder / "lake",
            folder=folder,
            is_kept=what != "made",
            is_once=what == "made",
            units=number,
            floor=f"{min(setting.partitions):,}: {what}",
        )
