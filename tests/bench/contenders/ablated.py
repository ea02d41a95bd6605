"""The lake without one of its safety steps, to tell what that step costs; never a way to use it.

``python ablated.py STEP,STEP with_lake's arguments``

Fails where a step was not come across, for then nothing was left out.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from itertools import count
from typing import Any, Final

numbers = count(1)
used: set[str] = set()


def no_digest(_path: object) -> str:
    """What looks like a digest."""
    return f"{next(numbers):064x}"


def nothing(*_arguments: object) -> None:
    """No work at all."""


def no_questions(*_arguments: object) -> list[object]:
    """Nothing to ask."""
    return []


def unprobed(original: Callable[..., Any]) -> Callable[..., Any]:
    """The computation, with nothing made alone as well."""

    def unprobed_computation(*arguments: Any, probe: bool) -> Any:
        if not probe:  # there is nothing to leave out
            used.discard("probe")
        return original(*arguments, probe=False)

    return unprobed_computation


STEPS: Final = {
    "hash": [("lakehouse.attempt", "digest_file", lambda _: no_digest)],
    "fsync": [("lakehouse.disk", "_sync", lambda _: nothing)],
    "reopen": [("lakehouse.audit", "require_staged", lambda _: nothing)],
    "source": [("lakehouse.sources.digestcache", "digest_file", lambda _: no_digest)],
    "intake": [
        ("lakehouse.intake:Intake", "ask", lambda _: no_questions),
        ("lakehouse.intake:Intake", "judge", lambda _: nothing),
    ],
    "probe": [("lakehouse.compute", "compute_together", unprobed)],
}


def leave_out(step: str) -> None:
    """Put what does less in the place of a step, noting when that is called."""
    for owner, name, replacement in STEPS[step]:
        module, _, inner = owner.partition(":")
        place: Any = importlib.import_module(module)
        place = getattr(place, inner) if inner else place
        lesser = replacement(getattr(place, name))

        def noted(*arguments: Any, _lesser: Callable[..., Any] = lesser, **options: Any) -> Any:
            used.add(step)
            return _lesser(*arguments, **options)

        setattr(place, name, noted)


def main() -> None:
    """Leave the steps out, and run."""
    steps = sys.argv.pop(1).split(",")
    for step in steps:
        leave_out(step)
    import with_lake

    with_lake.main()
    if unused := {*steps} - used:
        sys.exit(f"never came to {', '.join(sorted(unused))}: what is left out here is called otherwise now")


if __name__ == "__main__":
    main()
