"""The shape of the code, where the import contracts cannot tell: who changes files, and how large modules are."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

PACKAGE = Path(__file__).parent.parent / "lakehouse"
MODULES = sorted(path.relative_to(PACKAGE).as_posix() for path in PACKAGE.rglob("*.py"))

CHANGES = frozenset(
    (
        *("chmod", "copy", "copyfile", "copytree", "hardlink_to", "link", "makedirs", "mkdir", "mkfifo", "move"),
        *("rename", "renames", "rmdir", "rmtree", "symlink", "symlink_to", "touch", "truncate", "unlink", "utime"),
        *("write_bytes", "write_text"),
    )
)
# Calls of such a name that are of no file.
OTHERS = {
    **dict.fromkeys(
        ("graph.link", "inputs.link", "survey.inputs.link", "self.link"), "tells which upstream keys a key reads"
    ),
    "frame.rename": "renames columns",
}
# Who else writes, and why it may: none of it is a lake's own file.
ELSEWHERE = {
    "cli/help.py": "click's formatter writes text, and no file",
    "cli/init.py": "writes a new project, before there is a lake",
    "cli/known.py": "writes what shells complete, in the user's own cache folder",
    "cli/query.py": "writes the file that -o names",
    "examples/generate.py": "writes the sample sources",
    "examples/jaffle_shop.py": "renames columns",
    "parts.py": "moves and removes files within the run's own staging folder, before they are anybody's",
}


def changing_calls(module: str) -> Iterator[str]:
    """Calls in a module that change what a folder holds, but for those that go through `Disk`."""
    for node in ast.walk(ast.parse((PACKAGE / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGES:
            owner = ast.unparse(node.func.value)
            if not owner.endswith(("disk", "_disk")) and f"{owner}.{node.func.attr}" not in OTHERS:
                yield f"{module}:{node.lineno} {owner}.{node.func.attr}"


@pytest.mark.parametrize("module", [name for name in MODULES if name != "disk.py" and name not in ELSEWHERE])
def test_only_disk_changes_a_lakes_files(module: str) -> None:
    """Whatever renames, links, removes or writes a lake's files goes through `Disk`, where it is counted (I1, I3)."""
    assert list(changing_calls(module)) == []


def test_the_search_for_such_calls_finds_them() -> None:
    """The test above would see a call: `disk.py` itself is full of them."""
    assert len(list(changing_calls("disk.py"))) > 5


@pytest.mark.parametrize("module", MODULES)
def test_every_module_says_in_its_first_line_what_it_is(module: str) -> None:
    docstring = ast.get_docstring(ast.parse((PACKAGE / module).read_text(encoding="utf-8")))
    assert docstring is not None
    assert docstring.splitlines()[0].endswith((".", ":"))


def test_every_invariant_is_cited_by_a_test_and_every_citation_is_one() -> None:
    """`pytest -m invariant` runs the tests that ARCHITECTURE.md's table speaks of."""
    table = (PACKAGE.parent / "ARCHITECTURE.md").read_text(encoding="utf-8")
    stated = set(re.findall(r"^\| (I\d+) \|", table, re.MULTILINE))
    cited = {
        number
        for path in TESTS.rglob("test_*.py")
        for numbers in re.findall(
            r"^@pytest\.mark\.invariant\((.*)\)$", path.read_text(encoding="utf-8"), re.MULTILINE
        )
        for number in re.findall(r"I\d+", numbers)
    }
    assert len(stated) == 19
    assert cited == stated
