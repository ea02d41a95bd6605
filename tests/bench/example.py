"""g: one month of the demo, the whole command, beside a script and beside Dagster."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from measuring import ROOT, Case, Contender
from same_rows import told
from setting import FLOOR, HERE, Setting

__all__ = ["example"]

_LAKE: Final = [sys.executable, "-c", "from lakehouse.cli import main; main()"]
_MONTH: Final = [*_LAKE, "materialize", "2018-02", "-a", "monthly_orders"]
_CLICK: Final = "`python -c 'import click'`"


def example(setting: Setting) -> Iterator[Case]:
    """The month made, looked at, and what the command line costs by itself."""
    project = setting.work / "shop"
    lake = project / "data" / "lake"
    names = [path.name for path in (ROOT / "data").glob("*.csv")]
    (project / "data").mkdir(parents=True)
    for name in names:
        shutil.copy(ROOT / "data" / name, project / "data" / name)
    shutil.copy(ROOT / "lakehouse" / "examples" / "jaffle_shop.py", project / "lakefile.py")
    source = str(project / "data" / "raw_orders.csv")
    made = Contender(
        name="`lake materialize 2018-02 -a monthly_orders`",
        command=_MONTH,
        target=lake,
        folder=project,
        is_kept=False,
    )
    kept = replace(made, is_kept=True, prepare=[_MONTH])
    contenders = [
        Contender(
            name=FLOOR,
            command=[sys.executable, str(HERE / "contenders" / "bare_example.py"), "bare"],
            target=project / "bare",
            folder=project,
        ),
        made,
        replace(kept, name="the same, fresh: nothing to do"),
        replace(kept, name="`lake status`", command=[*_LAKE, "status"]),
        replace(made, name="`lake materialize 2018-02`, all assets", command=_MONTH[:-2]),
        *_dagster(setting, project),
    ]
    yield Case(
        key="g",
        title="g. One month of the demo, the whole command",
        contenders=contenders,
        floor=FLOOR,
        rounds=setting.times(15),
        facts=lambda target: told("example", source, str(target)),
        expected=lambda: told("example", source),
    )
    bare = Contender(name=_CLICK, command=[sys.executable, "-c", "import click"], target=project / "none")
    yield Case(
        key="g help",
        title="g. The command line by itself",
        contenders=[bare, replace(bare, name="`lake --help`", command=[*_LAKE, "--help"])],
        floor=_CLICK,
        rounds=setting.times(15),
    )


def _dagster(setting: Setting, project: Path) -> Iterator[Contender]:
    """Its tutorial's asset, whose upstream is in the database already."""
    if setting.dagster is None:
        return
    home = setting.work / "dagster"
    home.mkdir()
    (home / "dagster.yaml").write_text("telemetry:\n  enabled: false\n", encoding="utf-8")
    definitions = str(HERE / "contenders" / "dagster_project.py")
    command = [
        "env",
        f"DAGSTER_HOME={home}",
        setting.dagster,
        "-m",
        "dagster",
        "asset",
        "materialize",
        "-f",
        definitions,
    ]
    target = project / "target"
    yield Contender(
        name="`dagster asset materialize`",
        command=[*command, "--select", "monthly_orders", "--partition", "2018-02-01"],
        prepare=[["mkdir", str(target)], [*command, "--select", "stg_orders"]],
        target=target,
        is_kept=True,
        folder=project,
    )
