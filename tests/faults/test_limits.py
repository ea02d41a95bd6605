"""L3: a command that meets a real limit says which, changes nothing, and does its work once the limit is lifted."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import pytest
from faults.limits import LIMITS, Limit
from faults.mounts import UnavailableError, alone
from faults.mutants import MUTANTS
from faults.needs import need
from faults.results import Cell, note, note_fact
from faults.warm import Warm

OWN = [limit for limit in LIMITS if limit.subject not in MUTANTS]
SPOILED = [limit for limit in LIMITS if limit.subject in MUTANTS]
Answers = dict[Limit, "Future[dict[str, Any]]"]


def _id(limit: Limit) -> str:
    return f"{limit.name}-{limit.where}-{limit.scenario}".replace(", ", "-").replace(" ", "-")


@pytest.fixture(scope="module")
def answers(request: pytest.FixtureRequest) -> Iterator[Answers]:
    """What came of the limits that were asked for, all begun at once."""
    calls = [getattr(item, "callspec", None) for item in request.session.items if item.module is request.module]
    wanted = [call.params["limit"] for call in calls if call is not None]
    try:
        within = alone()
    except UnavailableError as error:
        need(is_there=False, layer="L3", reason=str(error))
    began, count = time.monotonic(), max(2, len(os.sched_getaffinity(0)))
    with Warm(count=count, within=within) as warm, ThreadPoolExecutor(count) as pool:
        yield {limit: pool.submit(warm.call, "faults.limited:cells", LIMITS.index(limit)) for limit in wanted}
        pool.shutdown(cancel_futures=True)
    note_fact("L3 seconds", round(time.monotonic() - began, 1))


def met(answers: Answers, limit: Limit) -> list[dict[str, Any]]:
    """The cells of a limit, each of them noted."""
    answer = answers[limit].result()
    reason = answer.get("reason")
    need(not reason, "L3", f"{limit.name}, {limit.where}: {reason}")
    for cell in answer["cells"]:
        facts = {"layer": "L3", "scenario": limit.scenario, "fault": limit.name, "subject": limit.subject}
        note(Cell.judged(cell["violations"], where=f"{limit.where}: {cell['left']} left", **facts))
    return list(answer["cells"])


def wrong(found: list[dict[str, Any]]) -> list[str]:
    return [f"{cell['left']} left: {text}" for cell in found for text in cell["violations"]]


@pytest.mark.invariant("I4", "I5")
@pytest.mark.parametrize("limit", OWN, ids=_id)
def test_a_limit_is_called_by_its_name_and_costs_nothing_but_the_message(answers: Answers, limit: Limit) -> None:
    found = met(answers, limit)
    assert wrong(found) == []
    codes = {cell["code"] for cell in found}
    assert codes == ({4} if limit.code else {0}) or (len(found) > 1 and codes == {0, 4})
    assert not limit.code or any(f"error[{limit.code}]: " in cell["err"] for cell in found)


@pytest.mark.parametrize("limit", SPOILED, ids=_id)
def test_who_makes_nothing_of_a_limit_is_seen(answers: Answers, limit: Limit) -> None:
    assert wrong(met(answers, limit))


def test_each_mutant_that_should_stumble_meets_a_limit() -> None:
    assert {limit.subject for limit in SPOILED} == {name for name in MUTANTS if "L3" in MUTANTS[name].dies_by}
