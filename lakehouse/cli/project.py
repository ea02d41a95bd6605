"""Which lake a command is about: the nearest definitions upward, loaded.

Knows lakefiles and ``pyproject.toml``. Knows nothing of what they declare.
"""

from __future__ import annotations

import importlib
import importlib.util
import linecache
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import EXTENSION_SUFFIXES, SOURCE_SUFFIXES, ExtensionFileLoader, FileFinder, SourceFileLoader
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from lakehouse.cli.output import Screen, aside
from lakehouse.errors import DefinitionError, LakeError, RequestError
from lakehouse.storage_errors import exhausted, storage_error

if TYPE_CHECKING:
    from lakehouse.lake import Lake
    from lakehouse.survey import Survey

__all__ = ["Project", "find", "load", "note_key_folders", "tell_shells"]

LAKEFILE: Final = "lakefile.py"


class Project(Struct, frozen=True):
    """Where definitions are.

    Attributes:
        folder: against which relative paths resolve.
        module: a file, or a module's dotted name.
        attribute: the name of the `Lake` in it.
    """

    folder: Path
    module: str
    attribute: str = "lake"

    @classmethod
    def named(cls, folder: Path, text: str) -> Project:
        """What ``module:lake`` names, or a file, which may lie elsewhere: then its own folder is the project's."""
        module, _, attribute = text.partition(":")
        if module.endswith(".py"):
            file = Path(os.path.normpath(folder / module))
            return cls(file.parent, str(file), attribute or "lake")
        return cls(folder, module, attribute or "lake")

    @property
    def shown(self) -> str:
        """The file or the module, as errors name it."""
        return Path(self.module).name


def find(start: Path) -> Project:
    """The project of a folder: that of the nearest folder upward that has definitions.

    ``LAKE_DEFINITIONS`` (``module:lake``, or a file) overrides.

    Raises:
        RequestError: there is none.
    """
    if named := os.environ.get("LAKE_DEFINITIONS"):
        return Project.named(start, named)
    for folder in (start, *start.parents):
        if (folder / LAKEFILE).is_file():
            return Project(folder, str(folder / LAKEFILE))
        if named := _declared(folder / "pyproject.toml"):
            return Project.named(folder, named)
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
    named = tools.get("lake", {}).get("definitions") if isinstance(tools.get("lake", {}), dict) else None
    return named if isinstance(named, str) else None


def load(folder: str | None) -> Lake:
    """The lake that the definitions of a folder's project declare, checked.

    Raises:
        RequestError: there are no definitions.
        DefinitionError: they are wrong, or raise; with the user's own frames.
    """
    start = Path(folder or ".").resolve()
    if not start.is_dir():
        raise RequestError(f"{folder} is not a folder", code="project-missing")
    project = find(start)
    found = getattr(_import(project), project.attribute, None)

    from lakehouse.lake import Lake

    if not isinstance(found, Lake):
        attribute = repr(project.attribute)
        raise DefinitionError(
            f"{project.shown} defines no {attribute}"
            if found is None
            else f"{project.shown}: {attribute} is no Lake",
            code="lake-missing",
            help=f'add: {project.attribute} = Lake("data/lake")',
        )
    found.base = project.folder
    found.command = " ".join(["lake", *sys.argv[1:]])
    found.graph  # noqa: B018  a wrong graph is an error now, not later
    _for_shells(project, found)
    return found


def tell_shells(folder: str | None, lake: Lake, survey: Survey) -> None:
    """Write down for completion the keys that are kept in the lake, where there are such."""
    if any(asset.partitions.unknown_columns for asset in lake.graph.assets()):
        _for_shells(find(Path(folder or ".").resolve()), lake, survey)


def _for_shells(project: Project, lake: Lake, survey: Survey | None = None) -> None:
    from lakehouse.cli.known import remember

    remember(project, lake, survey)


def note_key_folders(screen: Screen, root: Path) -> None:
    """Say what readers make of a folder above the lake that is named like a partition's."""
    named = [part for part in root.parts if "=" in part.strip("=")]
    if named and not screen.is_quiet:
        screen.note(
            f"note: the lake lies below {', '.join(named)}, and DuckDB and others show a folder of such a name as a "
            "column of the data"
        )


class _Uncached(SourceFileLoader):
    """Reads the file itself each time.

    Python tells a changed file from its byte code by size and whole seconds, and would run the lakefile of before.
    """

    def path_stats(self, path: str) -> Any:
        """Nothing: without a time there is no byte code to look for, nor any to write."""
        raise OSError(path)


def _read_anew(folder: Path) -> None:
    """Have modules below a folder imported from their source, for the same reason; installed ones are left alone."""
    loaders = (ExtensionFileLoader, EXTENSION_SUFFIXES), (_Uncached, SOURCE_SUFFIXES)
    make = FileFinder.path_hook(*loaders)
    package = Path(__file__).parent.parent

    def hook(path: str) -> Any:
        place = Path(path or ".").resolve()
        if not place.is_relative_to(folder) or place.is_relative_to(package) or "site-packages" in place.parts:
            raise ImportError(path)
        return make(path)

    sys.path_hooks.insert(0, hook)
    for known in [path for path in sys.path_importer_cache if Path(path or ".").resolve().is_relative_to(folder)]:
        del sys.path_importer_cache[known]


def _import(project: Project) -> ModuleType:
    if str(project.folder) not in sys.path:
        sys.path.insert(0, str(project.folder))
    _read_anew(project.folder)
    if not project.module.endswith(".py"):
        with _told(project), aside():
            return importlib.import_module(project.module)
    if not Path(project.module).is_file():
        raise RequestError(f"{project.module} does not exist", code="project-missing")
    name = Path(project.module).stem
    if name != Path(LAKEFILE).stem and (name in sys.modules or name in sys.stdlib_module_names):
        name = f"lakefile_{name}"  # it takes no other module's place
    spec = importlib.util.spec_from_file_location(name, project.module, loader=_Uncached(name, project.module))
    assert spec is not None and spec.loader is not None  # noqa: S101, PT018  a loader is given
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # classes and dataclasses look their module up there
    linecache.checkcache(project.module)  # errors quote it
    with _told(project), aside():
        spec.loader.exec_module(module)
    return module


@contextmanager
def _told(project: Project) -> Iterator[None]:
    """Whatever the definitions raise, told with the user's own frames."""
    try:
        yield
    except (LakeError, KeyboardInterrupt):
        raise
    except OSError as error:
        if error.filename == project.module and error.errno is not None:  # the lakefile itself
            raise storage_error(error, project.module, "reading definitions") from error
        raise exhausted(error) or _raised(error, project) from error
    except BaseException as error:  # an exit in a lakefile, or an engine's panic, is the lakefile's fault too
        raise exhausted(error) or _raised(error, project) from error


def _raised(error: BaseException, project: Project) -> DefinitionError:
    import traceback

    from lakehouse.versions.ownership import is_project_file

    if isinstance(error, SyntaxError) and error.filename:
        message = error.msg
        frames = [f"{Path(error.filename).name}:{error.lineno}:  {(error.text or '').strip()}"]
    else:
        message = str(error)
        frames = [
            f"{Path(frame.f_code.co_filename).name}:{line} in {frame.f_code.co_name}:  "
            f"{linecache.getline(frame.f_code.co_filename, line).strip()}"
            for frame, line in traceback.walk_tb(error.__traceback__)
            if is_project_file(frame.f_code.co_filename)
        ]
    first, *rest = message.splitlines() or [""]
    return DefinitionError(
        f"{project.shown}: {type(error).__name__}: {first}".removesuffix(": "),
        code="definitions-raised",
        details=[*(line.strip() for line in rest if line.strip()), *frames],
    )
