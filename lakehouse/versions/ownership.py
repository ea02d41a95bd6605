"""Whose code a thing is: the user's, to be read, or another library's, known by its module and name.

Knows files, modules and what modules offer under which name. Knows nothing of what code says, nor of versions.
"""

from __future__ import annotations

import ast
import functools
import importlib
import importlib.util
import sys
import sysconfig
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from msgspec import Struct

__all__ = ["Project", "is_project_file"]


@functools.lru_cache(maxsize=1024)
def is_project_file(filename: str) -> bool:
    """Whether a source file is the user's: not installed, not of the standard library, not of this package.

    The package's examples count as the user's, being made to be copied.
    """
    path, package = Path(filename).resolve(), Path(__file__).resolve().parent.parent
    if path.is_relative_to(package):
        return path.is_relative_to(package / "examples")
    if (
        filename.startswith("<frozen")
        or filename.endswith((".pyx", ".pxi"))
        or {"site-packages", "dist-packages"} & set(Path(filename).parts)
    ):
        return False
    library = (sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"))
    return not any(path.is_relative_to(Path(folder).resolve()) for folder in library)


class Project(Struct, frozen=True):
    """The user's code, told from all other by its files."""

    has_file: Callable[[str], bool]

    def has(self, module: ModuleType) -> bool:
        """Whether a module is the user's."""
        file = getattr(module, "__file__", None) or next(iter(getattr(module, "__path__", ())), None)
        if file is None:  # built in; else a session's own, such as __main__ in a notebook
            return getattr(getattr(module, "__spec__", None), "origin", None) not in {"built-in", "frozen"}
        return self.has_file(file)

    def imported(
        self, namespace: Mapping[str, Any], statements: Iterable[ast.Import | ast.ImportFrom]
    ) -> dict[str, object]:
        """What the imports inside a function of that namespace bind, as far as it is the user's."""
        package = namespace.get("__package__") or ""
        return dict(bound for statement in statements for bound in self._bound(statement, package))

    def external_name(self, thing: Any) -> str | None:
        """Module and name of what another library offers under that name: ``math.floor``."""
        module = getattr(thing, "__module__", None)
        module = module or getattr(getattr(thing, "__objclass__", None), "__module__", None)
        name = getattr(thing, "__qualname__", None) or getattr(thing, "__name__", None)
        home = sys.modules.get(module) if isinstance(module, str) else None
        if home is None or not isinstance(name, str) or self.has(home):
            return None
        found: Any = home
        for step in name.split("."):
            found = getattr(found, step, None)
        hidden = module == "builtins" and isinstance(thing, type)  # NoneType and such are Python's own all the same
        return f"{module}.{name}" if found is thing or hidden else None

    def _bound(self, statement: ast.Import | ast.ImportFrom, package: str) -> Iterator[tuple[str, object]]:
        for alias in statement.names:
            if isinstance(statement, ast.Import):
                module, top = self._load(alias.name), alias.name.partition(".")[0]
                whole = module if alias.asname else self._load(top)
                if whole is not None:
                    yield alias.asname or top, whole
                continue
            base = importlib.util.resolve_name("." * statement.level + (statement.module or ""), package)
            module = self._load(base)
            if module is not None and hasattr(module, alias.name):
                yield alias.asname or alias.name, getattr(module, alias.name)
            elif (inner := self._load(f"{base}.{alias.name}")) is not None:
                yield alias.asname or alias.name, inner

    def _load(self, name: str) -> ModuleType | None:
        """The module of that name if it is the user's; a part of another library is its text's affair."""
        try:
            spec = importlib.util.find_spec(name.partition(".")[0])
            files = [spec.origin, *(spec.submodule_search_locations or ())] if spec else []
            mine = any(self.has_file(str(file)) for file in files if file not in {None, "built-in", "frozen"})
            return importlib.import_module(name) if mine else None
        except (ImportError, ValueError):
            return None
