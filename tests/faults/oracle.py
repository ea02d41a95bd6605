"""The one judge of all layers: what a lake may be after a command was made to fail, and after the next one.

Knows the promises. Knows nothing of how anything was made to fail.

1. whole: each partition reads as A or as B in PyArrow, Polars and DuckDB, and the log knows its digest.
2. kept: exit code 0 means B; a failure before the commit leaves A; after it B comes by the next command.
3. elsewhere: everything else in the Hive tree is the same to the byte, and a listing finds nothing but partitions.
4. told: a documented exit code, one line with path, cause and remedy, no traceback, no hang.
5. converges: the same command again makes B, changes no byte that was right, and leaves nothing behind.
6. read: whoever reads through the lake sees one commit, whole.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from faults.looks import COMMIT, Look, by_engines, digest, look
from faults.scenarios import Outcome, Place, Rows, Scenario

__all__ = ["Look", "by_engines", "check", "converged", "look", "told"]

EXIT_CODES = frozenset({0, 1, 2, 4, 5, 130, 143})
_PART = "part.parquet"
_ERROR = re.compile(r"^error\[[a-z-]+\]: \S.*$", re.MULTILINE)
_MACHINE = re.compile(r"error\[(too-many-files|out-of-memory|no-threads)\]")  # no file is to blame
_CODE = re.compile(r"^error\[([a-z-]+)\]", re.MULTILINE)
_SPILLED = ("Traceback", 'File "', "panicked", "RUST_BACKTRACE", "error[bug]")


def check(place: Place, scenario: Scenario, before: Look, outcome: Outcome, *, again: bool = True) -> list[str]:
    """What is wrong with a lake after a command that was made to fail, or was killed: nothing, as a rule.

    Args:
        place: where it ran.
        scenario: what ran.
        before: the lake before it.
        outcome: what it said of itself.
        again: whether to run the command once more, as whoever met the failure would. It is free of faults.
    """
    now = look(place)
    now.read = before.read
    wrong = [
        *told(outcome, scenario.codes),
        *_listed(scenario, now),
        *_elsewhere(scenario, before, now),
        *_whole(place, scenario, before, now, outcome),
        *_seen(place, scenario, before, outcome),
        *scenario.further(place, outcome),
    ]
    if again:
        wrong += converged(place, scenario, before)
    return wrong


# What it said


def told(outcome: Outcome, codes: Sequence[int] = ()) -> list[str]:
    """Clause 4; some commands have further exit codes of their own."""
    if outcome.code is None:
        return ["told: it hung"]
    wrong = [f"told: {text!r} in the output" for text in _SPILLED if text in outcome.out + outcome.err]
    if outcome.open_files:
        wrong.append(f"told: left open {', '.join(outcome.open_files)}")
    if outcome.code >= 0 and outcome.code not in {*EXIT_CODES, *codes}:
        wrong.append(f"told: exit code {outcome.code} is in no document: {outcome.err}")
    if outcome.code > 0 and outcome.code not in (130, 143):
        errors = _ERROR.findall(outcome.err)
        if not errors:
            wrong.append(f"told: exit code {outcome.code} without a message: {outcome.err!r}")
        if "help:" not in outcome.err:
            wrong.append(f"told: no remedy in {outcome.err!r}")
        if outcome.code in (4, *codes) and not any(
            "/" in error or "orders" in error or _MACHINE.match(error) for error in errors
        ):
            wrong.append(f"told: nothing is named in {outcome.err!r}")
    return wrong


# What lies there


def _listed(scenario: Scenario, now: Look) -> list[str]:
    """Clause 3: nothing but partitions."""
    allowed = {f"{path}/{_PART}" for path in {**scenario.new, **scenario.old, **scenario.idle}}
    folders = {parent.as_posix() for path in allowed for parent in Path(path).parents}
    return [f"elsewhere: {path} is there" for path in sorted({*now.hive} - allowed | ({*now.folders} - folders))]


def _elsewhere(scenario: Scenario, before: Look, now: Look) -> list[str]:
    """Clause 3: what nobody asked for is as it was."""
    paths = [f"{path}/{_PART}" for path in scenario.idle]
    return [f"elsewhere: {path} has changed" for path in paths if before.hive.get(path) != now.hive.get(path)]


def _whole(place: Place, scenario: Scenario, before: Look, now: Look, outcome: Outcome) -> Iterator[str]:
    """Clauses 1 and 2."""
    named = _named_digests(place, scenario)
    committed = _committed(place, scenario, before)
    for path in scenario.new:
        file = f"{path}/{_PART}"
        old, new, found = scenario.old.get(path), scenario.new[path], now.hive.get(file)
        rows = None if found is None else _rows(place, file, now)
        if isinstance(rows, str):
            yield f"whole: {path} {rows}"
        elif outcome.code == 0 and rows != new:
            yield f"kept: exit code 0, and {path} {_holds(rows)}"
        elif rows not in (old, new):
            yield f"whole: {path} {_holds(rows)}"
        if scenario.commits and path not in committed and found != before.hive.get(file):
            yield f"kept: nothing was committed, and {path} is another"
        if found is not None and found[0] not in named and (file not in before.hive or scenario.logged is None):
            yield f"whole: the log does not know what lies at {path}"


def _holds(rows: Rows | None) -> str:
    return "is not there" if rows is None else f"holds {dict(rows)}"


def _committed(place: Place, scenario: Scenario, before: Look) -> set[str]:
    """The partitions of which a commit since then has a version."""
    paths = set[str]()
    for asset in scenario.assets:
        for number, commit in _log(place, asset):
            if number > before.commits.get(asset, 0):
                records = [record for record in commit["records"] if record["result"] not in ("failed", "blocked")]
                paths.update("/".join([asset, *map("=".join, record["partition"].items())]) for record in records)
    return paths


def _log(place: Place, asset: str) -> Iterator[tuple[int, Any]]:
    """The commits of an asset, by their numbers."""
    for file in sorted((place.lake / ".lake/log" / asset).glob("*.json")):
        if match := COMMIT.fullmatch(file.name):
            yield int(match[1]), json.loads(file.read_bytes())


def _rows(place: Place, file: str, now: Look) -> Rows | str:
    """The rows of a file, in which three engines agree; or what is wrong with it."""
    sha256 = now.hive[file][0]
    if sha256 not in now.read:
        try:
            found = by_engines(place.lake / file)
        except BaseException as error:  # noqa: BLE001  an engine's own may be of any kind, and is what is asked for
            return f"does not read: {type(error).__name__}: {str(error)[:100]}"
        if not found[0] == found[1] == found[2]:
            return f"reads differently: {found}"
        now.read[sha256] = dict(found[0])
    return now.read[sha256]


def _named_digests(place: Place, scenario: Scenario) -> set[str]:
    """The digests in the log, read as text."""
    digests = set[str]()
    for asset in scenario.assets:
        for file in (place.lake / ".lake/log" / asset).glob("*.json"):
            digests.update(re.findall(r"\b[0-9a-f]{64}\b", file.read_text(encoding="utf-8")))
    return digests


# Through the lake


def _seen(place: Place, scenario: Scenario, before: Look, outcome: Outcome) -> Iterator[str]:
    """Clause 6: who reads through the lake sees A or B of all partitions alike, and B from the commit on."""
    lake, committed = place.lakehouse(), _committed(place, scenario, before)
    if (
        outcome.code == 0
        and scenario.commits
        and (silent := [path for path in scenario.new if path not in committed])
    ):
        yield f"read: exit code 0, and no commit has {', '.join(silent)}"
    for path in scenario.new:
        then = scenario.old if scenario.logged is None else scenario.logged
        if (rows := (scenario.new if path in committed else then).get(path)) is None:
            continue
        asset, _, partition = path.partition("/")
        try:
            found = _through(lake, asset, partition)
        except Exception as error:  # noqa: BLE001  a reader's failure of any kind is what is asked for
            yield f"read: {path} {type(error).__name__}: {str(error)[:100]}"
            continue
        if found != rows:
            yield f"read: {path} has {found}, not {dict(rows)}"


def _through(lake: Any, asset: str, partition: str) -> Rows:
    columns = [folder.partition("=")[0] for folder in partition.split("/")]
    key = partition if len(columns) > 1 else partition.partition("=")[2]
    return dict(lake.scan(asset, key).select("status", "order_num").collect().iter_rows())


# And again


def converged(place: Place, scenario: Scenario, before: Look) -> list[str]:
    """Clause 5: the same command makes B, and once more nothing."""
    then, wanted = look(place), {**scenario.new, **scenario.idle}
    named = _named_digests(place, scenario)
    then.read = before.read
    right = {
        file: at
        for file, at in then.hive.items()
        if at[0] in named and scenario.logged is None and _rows(place, file, then) == wanted.get(_folder(file))
    }
    outcome = place.run(*scenario.args)
    now = look(place)
    now.read = then.read
    wrong = told(outcome)
    if outcome.code != 0 and not {*_CODE.findall(outcome.err)} & {*scenario.settled}:
        wrong.append(f"the same command ends with {outcome.code}: {outcome.err}")
        return [f"converges: {line}" for line in wrong]
    wrong += [*_listed(scenario, now), *_elsewhere(scenario, before, now)]
    for path, rows in scenario.new.items():
        file = f"{path}/{_PART}"
        found = _rows(place, file, now) if file in now.hive else None
        if found != rows:
            wrong.append(f"{path} {found if isinstance(found, str) else _holds(found)}")
    wrong += [f"{file} was right and has changed" for file in right if now.hive.get(file) != right[file]]
    wrong += scenario.further(place, Outcome(code=0))
    return [f"converges: {line}" for line in (*wrong, *_left(place, scenario))]


def _folder(file: str) -> str:
    return file.rpartition("/")[0]


def _left(place: Place, scenario: Scenario) -> Iterator[str]:
    """What is left behind: unseen work, versions that no commit names or that are not there, a log with a hole."""
    for asset in scenario.assets:
        yield from _broken_log(place, asset)
    staging = place.lake / ".lake/staging"
    if staging.is_dir():
        yield from (f"{path.relative_to(place.lake)} is left" for path in sorted(staging.rglob("*")))
    for asset in scenario.assets:
        versions = place.lake / ".lake/versions" / asset
        there = {path.relative_to(place.lake).as_posix() for path in versions.rglob("*") if path.is_file()}
        named = _named_versions(place, asset)
        yield from (f"{path} is named by no commit" for path in sorted(there - {*named}))
        for path, sha256 in named.items():
            if path not in there:
                yield f"{path} is not there"
            elif digest(place.lake / path) != sha256:
                yield f"{path} is not what the log says"


def _broken_log(place: Place, asset: str) -> Iterator[str]:
    """Where the log of an asset is not numbered in one row, each commit naming the digest of the one before."""
    previous = None
    for expected, (number, commit) in enumerate(_log(place, asset), 1):
        if number != expected or commit["number"] != number or (commit["previous"] or None) != previous:
            yield f"the log of {asset} is broken at commit {number}"
            return
        previous = digest(place.lake / ".lake/log" / asset / f"{number:08}.json")


def _named_versions(place: Place, asset: str) -> dict[str, str]:
    """By path, the digests of the versions that commits name and have not let go."""
    named: dict[str, str] = {}
    for _, commit in _log(place, asset):
        for record in commit["records"]:
            for version in (record.get("version"), record.get("displaced")):
                if version:
                    named[version["path"]] = version["digest"]
            for version in record.get("dropped") or ():
                named.pop(version["path"], None)
    return named
