"""Which lake a command is about: the nearest definitions upward, loaded.

Knows lakefiles and ``pyproject.toml``. Knows nothing of what they declare.
"""

from __future__ import annotations

import importlib
import importlib.util
import linecache
import os
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Final

from lakehouse.callsite import is_own_frame
from lakehouse.errors import DefinitionError, LakeError, RequestError

if TYPE_CHECKING:
    from lakehouse.lake import Lake

__all__ = ["Project", "find", "load"]

LAKEFILE: Final = "lakefile.py"


@dataclass(frozen=True, slots=True)
class Project:
    """Where definitions are.

    Attributes:
        folder: against which relative paths resolve.
        module: a file, or a module's dotted name.
        attribute: the name of the `Lake` in it.
    """

    folder: Path
    module: str
    attribute: str = "lake"


def find(start: Path) -> Project:
    """The project of a folder: that of the nearest folder upward that has definitions.

    ``LAKE_DEFINITIONS`` (``module:lake``, or a file) overrides.

    Raises:
        RequestError: there is none.
    """
    if named := os.environ.get("LAKE_DEFINITIONS"):
        module, _, attribute = named.partition(":")
        return Project(start, module, attribute or "lake")
    for folder in (start, *start.parents):
        if (folder / LAKEFILE).is_file():
            return Project(folder, str(folder / LAKEFILE))
        if named := _declared(folder / "pyproject.toml"):
            module, _, attribute = named.partition(":")
            return Project(folder, module, attribute or "lake")
    raise RequestError(
        f"no {LAKEFILE} in {start} or above",
        code="project-missing",
        help="`lake init shop` makes a demo project; -C DIR names another folder",
    )


def _declared(path: Path) -> str | None:
    if not path.is_file():
        return None
    import tomllib

    try:
        tools = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {})
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DefinitionError(f"{path}: {error}", code="project-unreadable") from error
    named = tools.get("lake", {}).get("definitions")
    return named if isinstance(named, str) else None


def load(folder: str | None) -> Lake:
    """The lake that the definitions of a folder's project declare, checked.

    Raises:
        RequestError: there are no definitions.
        DefinitionError: they are wrong, or raise; with the user's own frames.
    """
    from lakehouse.lake import Lake

    start = Path(folder or ".").resolve()
    if not start.is_dir():
        raise RequestError(f"{folder} is no folder", code="project-missing")
    project = find(start)
    lake = getattr(_import(project), project.attribute, None)
    if not isinstance(lake, Lake):
        raise DefinitionError(
            f"{Path(project.module).name} defines no {project.attribute!r}",
            code="lake-missing",
            help=f'add: {project.attribute} = Lake("data/lake")',
        )
    lake.base = project.folder
    lake.graph  # noqa: B018  a wrong graph is an error now, not later
    return lake


def _import(project: Project) -> ModuleType:
    if str(project.folder) not in sys.path:
        sys.path.insert(0, str(project.folder))
    try:
        if not project.module.endswith(".py"):
            return importlib.import_module(project.module)
        name = Path(project.module).stem
        spec = importlib.util.spec_from_file_location(name, project.folder / project.module)
        assert spec is not None and spec.loader is not None  # noqa: S101, PT018  the name ends in .py
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module  # classes and dataclasses look their module up there
        spec.loader.exec_module(module)
    except LakeError:
        raise
    except FileNotFoundError as error:
        if error.filename != project.module and not str(error.filename).endswith(project.module):
            raise _raised(error, project) from error
        raise RequestError(f"{project.module} does not exist", code="project-missing") from None
    except Exception as error:
        raise _raised(error, project) from error
    return module


def _raised(error: Exception, project: Project) -> DefinitionError:
    if isinstance(error, SyntaxError) and error.filename:
        frames = [f"{Path(error.filename).name}:{error.lineno}:  {(error.text or '').strip()}"]
    else:
        frames = [
            f"{Path(frame.f_code.co_filename).name}:{line} in {frame.f_code.co_name}:  "
            f"{linecache.getline(frame.f_code.co_filename, line).strip()}"
            for frame, line in traceback.walk_tb(error.__traceback__)
            if not is_own_frame(frame.f_code.co_filename)
        ]
    message = error.msg if isinstance(error, SyntaxError) else error
    return DefinitionError(
        f"{Path(project.module).name}: {type(error).__name__}: {message}", code="definitions-raised", details=frames
    )
