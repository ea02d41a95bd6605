"""The README is true: its transcripts are run and compared, its Python is run, its commands exist."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from interop.readers import READERS, lacks

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
LAKE = "import sys; from lakehouse.cli import main; main()"


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)


def steady(text: str) -> str:
    """Output without what differs from run to run: durations, sizes, ages, instants, who it was, the last month."""
    text = re.sub(r"\d+\.\d+s\b", "0.00s", text)
    text = re.sub(r"\d+(\.\d+)? (B|kB)\b", "1 kB", text)
    text = re.sub(r"changed just now|changed \d+ s ago", "changed just now", text)
    text = re.sub(r"made .*$", "made …", text, flags=re.MULTILINE)
    text = re.sub(r"\d{8}T\d{6}-[0-9a-f]{8}", "RUN", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d", "WHEN", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\dZ", "WHEN", text)
    text = re.sub(r"\S+@\S+", "WHO", text)
    return re.sub(r"(2018-01\.\.)\d{4}-\d\d   ", r"\g<1>…   ", text)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder in which the README's reader stands: transcripts are run in the order in which they are printed."""
    folder = tmp_path_factory.mktemp("reader")
    (folder / "bin").mkdir()
    lake = folder / "bin" / "lake"
    lake.write_text(f'#!/bin/sh\nexec "{sys.executable}" -c "{LAKE}" "$@"\n', encoding="utf-8")
    lake.chmod(0o755)
    return folder


def run(command: str, shop: Path) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {
        "PATH": f"{shop / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "NO_COLOR": "1",
        "COLUMNS": "80",
        "PYTHONIOENCODING": "utf-8",
    }
    return subprocess.run(
        ["bash", "-c", command], cwd=shop, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def lacking(block: str) -> str:
    """What a block's reader needs and is not here; CI has all of it, and there the block just fails."""
    named = set(re.findall(r"^(?:import|from) (\w+)", block, re.MULTILINE))
    needs = [entry.needs for entry in READERS.values() if named.intersection(entry.needs)]
    return "" if os.environ.get("CI") else next((reason for need in needs if (reason := lacks(need))), "")


def transcript(block: str) -> list[tuple[str, str]]:
    """The commands of a transcript, each with the output that is printed under it."""
    parts = re.split(r"^\$ (.*)\n", block, flags=re.MULTILINE)[1:]
    return list(zip(parts[::2], parts[1::2], strict=True))


def test_every_transcript_gives_what_it_shows(shop: Path) -> None:
    """A reader who types the README's commands, in order, sees the README's output."""
    go_to, seen = ".", 0
    for block in blocks("console"):
        for command, expected in transcript(block):
            if command.startswith("cd "):
                go_to = os.path.normpath(f"{go_to}/{command.removeprefix('cd ')}")
                continue
            done = run(f"cd {go_to} && {command}", shop)
            assert steady(done.stdout) == steady(expected), f"$ {command}\n{done.stdout}\n{done.stderr}"
            seen += 1
    assert seen >= 6


def test_every_python_block_runs(shop: Path) -> None:
    """The README's Python runs in a demo project, block by block, each in a process of its own."""
    done = run("rm -rf py && lake init py && cd py && lake materialize 2018-01..2018-06 -q", shop)
    assert done.returncode == 0, done.stderr
    assert len(blocks("python")) >= 5
    assert run("mkdir -p py/data/events", shop).returncode == 0
    left_out = {reason for block in blocks("python") if (reason := lacking(block))}
    for number, block in enumerate(blocks("python")):
        if lacking(block):
            continue
        script = shop / "py" / f"block_{number}.py"  # a file of its own, for the code of assets is versioned
        script.write_text(textwrap.dedent(block), encoding="utf-8")
        ran = subprocess.run(
            [sys.executable, "-W", "error", script.name],
            cwd=shop / "py",
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert ran.returncode == 0, f"{block}\n{ran.stderr}"
    if left_out:
        pytest.skip(f"all others run: {'; '.join(sorted(left_out))}")


def test_the_declaration_shown_makes_the_same_lake(shop: Path) -> None:
    """The lakefile printed in the README, put in a project, makes the month that the transcript shows."""
    lakefile = next(block for block in blocks("python") if "Lake(" in block)
    done = run("rm -rf own && lake init own", shop)
    assert done.returncode == 0, done.stderr
    (shop / "own/lakefile.py").write_text(lakefile, encoding="utf-8")
    made = run('cd own && lake materialize 2018-02 -q && lake query --format csv "FROM monthly_orders"', shop)
    assert "completed,245,2018-02" in made.stdout, made.stdout + made.stderr


def test_the_cron_line_runs_and_then_has_nothing_to_do(shop: Path) -> None:
    """The recipe for cron makes what is missing, and exits with 0 when nothing is."""
    (line,) = blocks("cron")
    command = line.split(maxsplit=5)[5].replace("/srv/venv/bin/lake", "lake").replace("/srv/shop", "nightly")
    assert run("rm -rf nightly && lake init nightly", shop).returncode == 0
    first, again = run(command, shop), run(command, shop)
    assert (first.returncode, again.returncode) == (0, 0), first.stderr + again.stderr
    assert "created" in first.stdout
    assert (again.stdout, again.stderr) == ("", "")


def test_ci_runs_the_commands_that_set_up_a_fresh_machine() -> None:
    """Both commands stand under the markers by which CI takes them."""
    for name in ("main job", "tests"):
        assert re.search(rf"<!-- command: {name} -->\n```sh\npython3 -m venv .*\n```", README)
        assert f"'{name}'" in (ROOT / ".ci/run").read_text(encoding="utf-8")
