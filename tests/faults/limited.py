"""L3: a command that meets a limit, and the same command once it is lifted.

Knows how a command is run under a limit. Knows nothing of what is right afterwards. What it does is done in a process
of `faults.warm` that has a mount namespace of its own.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Final

from faults import mutants
from faults.calls import outcome_of
from faults.care import CARE
from faults.limits import LIMITS, Limit
from faults.mounts import UnavailableError, shell
from faults.oracle import Look, check, look
from faults.scenarios import SCENARIOS, Outcome, Place, Scenario, command, environment
from faults.warm import Child, in_child

__all__ = ["cells"]

_ALL: Final = {**SCENARIOS, **CARE}
_SECONDS: Final = 60
_CODE: Final = re.compile(r"^error\[([a-z-]+)\]", re.MULTILINE)
_MEANWHILE: Final = frozenset({"not-projected", "durability-unconfirmed"})  # what a limit that is met late is called


def cells(number: int) -> dict[str, Any]:
    """What was wrong with a command that ran into a limit, for each amount; or why there is no such limit here."""
    limit = LIMITS[number]
    scenario = _ALL[limit.scenario]
    with contextlib.ExitStack() as stack:
        try:
            ground = stack.enter_context(limit.ground())
            base = Place(ground / "base")
            prepared = in_child(_prepare, base, scenario).answer()
            with limit.around(base, 0):
                pass
        except UnavailableError as error:
            return {"reason": str(error)}
        before = Look.from_json(prepared["before"])
        for module in prepared["modules"]:  # a child that has given up its rights may not be able to read them
            with contextlib.suppress(ImportError):
                importlib.import_module(module)
        places = {amount: Place(ground / f"place-{amount}") for amount in limit.amounts}
        for place in places.values():  # while there is room
            shell("cp", "-a", str(base.folder), str(place.folder))
        return {"cells": [_cell(place, limit, scenario, amount, before) for amount, place in places.items()]}


def _prepare(place: Place, scenario: Scenario) -> dict[str, Any]:
    """A scenario's lake: the look of it, and what a command imports."""
    place.begin()
    scenario.prepare(place)
    return {"before": look(place).to_json(), "modules": [*sys.modules]}


def _cell(place: Place, limit: Limit, scenario: Scenario, amount: int, before: Look) -> dict[str, Any]:
    with limit.around(place, amount):
        outcome = outcome_of(in_child(_run, place, limit, scenario, amount))
        wrong = [*_told(limit, outcome), *_answer(in_child(_readable, place, limit, scenario, amount))]
        if limit.is_lasting:
            wrong += _answer(in_child(lambda: check(place, scenario, before, outcome, again=not limit.code)))
    if not limit.is_lasting:
        wrong += _answer(in_child(check, place, scenario, before, outcome))
    shutil.rmtree(place.folder)
    return {"left": amount, "violations": wrong, **outcome.to_json()}


def _answer(child: Child) -> list[str]:
    return list(child.value) if child.code == 0 else [f"the judge: {child.fault or child.code}"]


def _readable(place: Place, limit: Limit, scenario: Scenario, amount: int) -> list[str]:
    """What is wrong with reading while there is the limit: it needs no room."""
    if "RLIMIT" in limit.name or not scenario.old:
        return []
    limit.within(amount)
    outcomes = [place.run(*args) for args in (("status",), ("query", "SELECT count(*) FROM monthly_orders"))]
    return [f"read: {outcome.err}" for outcome in outcomes if outcome.code != 0]


def _run(place: Place, limit: Limit, scenario: Scenario, amount: int) -> dict[str, Any]:
    """Run the command under its limit."""
    if limit.is_fresh:
        done = subprocess.run(
            command(place, scenario.args),
            check=False,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            env={**os.environ, **environment(place)},
            preexec_fn=lambda: limit.within(amount),
        )
        return Outcome(code=done.returncode, out=done.stdout, err=done.stderr).to_json()
    if limit.subject in mutants.MUTANTS:
        mutants.apply(limit.subject)
    limit.within(amount)
    return place.run(*scenario.args).to_json()


def _told(limit: Limit, outcome: Outcome) -> Iterator[str]:
    """Whether the limit was called by its name, where it was met."""
    if outcome.code == 0:
        return
    codes = set(_CODE.findall(outcome.err))
    if outcome.code != 4 or not codes or not codes <= {limit.code, *_MEANWHILE}:
        yield f"told: {limit.name} ends with {outcome.code}: {outcome.err}"
    elif limit.says not in outcome.err:
        yield f"told: {limit.says!r} is not in {outcome.err!r}"
