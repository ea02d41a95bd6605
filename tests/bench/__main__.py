"""What safety costs: the lake beside bare scripts and other writers, whole processes, taking turns.

``python tests/bench --cases a,b --data orders --json results.json``

Nothing is asserted: machines differ, and a ratio is read. What is compared is first held to be the same rows.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Final

from cases import CASES, installed
from conditions import conditions
from jobs import PEERS
from setting import Setting
from table import page

QUICK: Final = 100


def main() -> None:
    """Measure, write the figures down, and print the tables."""
    asked = arguments()
    scale = QUICK if asked.quick else 1
    results = {"conditions": conditions(asked.data), "cases": []}
    results["conditions"] |= {"command": sys.argv[1:]}
    asked.data.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="bench-", dir=asked.data) as work:
        setting = Setting(
            data=asked.data,
            work=Path(work),
            rows=asked.rows // scale,
            many_rows=asked.many_rows // scale,
            partitions=[number // scale for number in asked.partitions],
            rounds=1 if asked.quick else asked.rounds,
            warms_up=not asked.quick,
            peers=asked.peers,
            dagster=asked.dagster or None,
        )
        results["conditions"] |= {"rows": setting.rows, "many_rows": setting.many_rows}
        for found in (found for key in asked.cases for found in CASES[key](setting, say)):
            results["cases"].append(found)
            if asked.json:  # case by case: what takes hours is not lost to the last minute
                asked.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")
    print(page(results))


def say(line: str) -> None:
    """How it goes, beside the tables."""
    print(line, file=sys.stderr)


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(prog="python tests/bench", description=__doc__)
    parser.add_argument("--cases", type=_listed, default=[*CASES], help=f"of {','.join(CASES)}; default: all")
    parser.add_argument("--rows", type=int, default=20_000_000, help="how many orders")
    parser.add_argument("--many-rows", type=int, default=100_000_000, help="how many for case e")
    parser.add_argument("--partitions", type=_numbers, default=[1_000, 10_000, 100_000], help="for case f")
    parser.add_argument("--rounds", type=int, help="measured runs of each contender; default: as the case needs")
    parser.add_argument(
        "--peers", type=_listed, default=installed(), help=f"of {','.join(PEERS)}; default: installed"
    )
    parser.add_argument("--dagster", default=_dagster(), help="the Python that has dagster; empty: none")
    parser.add_argument("--data", type=Path, default=Path(tempfile.gettempdir()) / "lakehouse-bench", help="is kept")
    parser.add_argument("--json", type=Path, help="a file for the figures")
    parser.add_argument("--quick", action="store_true", help=f"a {QUICK}th of it all, once: does everything run?")
    asked = parser.parse_args()
    if unknown := [*({*asked.cases} - {*CASES}), *({*asked.peers} - {*PEERS})]:
        parser.error(f"unknown: {', '.join(unknown)}")
    return asked


def _listed(text: str) -> list[str]:
    return [part for part in text.split(",") if part]


def _numbers(text: str) -> list[int]:
    return [int(part) for part in _listed(text)]


def _dagster() -> str | None:
    """This Python, where it has Dagster."""
    return sys.executable if shutil.which("dagster", path=str(Path(sys.executable).parent)) else None


if __name__ == "__main__":
    main()
