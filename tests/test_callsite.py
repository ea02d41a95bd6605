"""Laws of call sites: whose line an error names."""

from __future__ import annotations

from pathlib import Path

import pytest

import lakehouse
from lakehouse.callsite import CallSite, caller, is_own_frame
from lakehouse.errors import DefinitionError
from lakehouse.partitions import Monthly

PACKAGE = Path(lakehouse.__file__).parent


@pytest.mark.parametrize(
    "filename",
    [str(PACKAGE / "partitions.py"), str(PACKAGE / "cli" / "__init__.py"), str(PACKAGE / "examples.py"), "<string>"],
)
def test_the_librarys_own_frames_and_generated_ones_are_passed_over(filename: str) -> None:
    assert is_own_frame(filename)


@pytest.mark.parametrize(
    "filename",
    [
        str(PACKAGE / "examples" / "jaffle_shop.py"),
        str(PACKAGE.parent / "lakefile.py"),
        str(PACKAGE.with_name("lakehouse_demo") / "lakefile.py"),
        str(PACKAGE.with_name("lakehouse.py")),
        "/srv/lakehouse/lakefile.py",
    ],
)
def test_the_examples_and_a_folder_beside_the_library_are_the_users(filename: str) -> None:
    assert not is_own_frame(filename)


def test_an_error_in_a_folder_beside_the_library_names_its_line() -> None:
    lakefile = PACKAGE.with_name("lakehouse_demo") / "lakefile.py"
    definition = compile("\n\nMonthly('not a month')\n", str(lakefile), "exec")
    with pytest.raises(DefinitionError) as caught:
        exec(definition, {"Monthly": Monthly})  # noqa: S102
    assert caught.value.message.endswith("(lakefile.py:3)")


def test_the_caller_is_the_nearest_line_outside_the_library() -> None:
    line = test_the_caller_is_the_nearest_line_outside_the_library.__code__.co_firstlineno
    assert caller() == CallSite(__file__, line + 2)
    assert str(CallSite(__file__, 7)) == "test_callsite.py:7"
