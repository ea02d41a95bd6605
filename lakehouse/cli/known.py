"""What shells are told of a project: its assets and what their keys follow from, in a small file outside of it.

Knows definitions as JSON, and where the file lies. It is only ever a hint: without it nothing is completed.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from lakehouse.errors import LakeError
from lakehouse.partitions import Product, Unpartitioned
from lakehouse.partitions.categories import Categories, Dynamic
from lakehouse.partitions.dimension import Dimension, Partitions
from lakehouse.partitions.timekinds import Daily, Hourly, Monthly, Quarterly, TimePartitions, Weekly, Yearly

if TYPE_CHECKING:
    from datetime import datetime

    from lakehouse.cli.project import Project
    from lakehouse.lake import Lake
    from lakehouse.survey import Survey

__all__ = ["recall", "remember"]

_KINDS: Final = {kind.kind: kind for kind in (Hourly, Daily, Weekly, Monthly, Quarterly, Yearly)}
_ARGUMENTS: Final = ("start", "end", "timezone", "format", "column", "include_current")


def remember(project: Project, lake: Lake, survey: Survey | None = None) -> None:
    """Write down what the project defines, if that changed; where it cannot be written, nothing happens.

    Args:
        project: where the definitions are.
        lake: what they define.
        survey: tells the keys that are kept in the lake; without it those that are written down are kept.
    """
    file = _file(project)
    if file is None:
        return
    before = _read(file)
    with suppress(LakeError, OSError):
        now = survey.time if survey is not None else None
        assets = {}
        for asset in lake.graph.assets():
            partitions = survey.known_partitions(asset) if survey is not None else asset.partitions
            assets[asset.name] = [*_written(partitions.dimensions, now, before.get(asset.name, ()))]
        if assets != before:
            _write(file, {"schema_version": 1, "definitions": _named(project), "assets": assets})


def recall(project: Project) -> dict[str, Partitions]:
    """The partitions of each asset, as they were last written down; none where they cannot be read."""
    file = _file(project)
    found: dict[str, Partitions] = {}
    for asset, dimensions in (_read(file) if file else {}).items():
        with suppress(LakeError, KeyError, TypeError, ValueError):  # another version wrote it
            factors = [_dimension(facts) for facts in dimensions]
            several = len(factors) > 1
            found[asset] = Product(factors) if several else factors[0] if factors else Unpartitioned()
    return found


def _named(project: Project) -> str:
    return f"{project.folder}:{project.module}:{project.attribute}"


def _file(project: Project) -> Path | None:
    """The file of a project below the user's own cache folder; None where there is no such folder."""
    given = os.environ.get("XDG_CACHE_HOME", "")
    cache = Path(given if given.startswith(os.sep) else os.path.expanduser("~/.cache"))  # noqa: PTH111  never raises
    name = hashlib.sha256(os.fsencode(_named(project))).hexdigest()
    return cache / "lakehouse" / "completion" / f"{name}.json" if cache.is_absolute() else None


def _read(file: Path) -> Mapping[str, list[dict[str, Any]]]:
    try:
        content = json.loads(file.read_bytes())
        assets = content["assets"] if content["schema_version"] == 1 else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return assets if isinstance(assets, dict) else {}


def _write(file: Path, content: Mapping[str, Any]) -> None:
    """Replace the file in one step."""
    import tempfile

    file.parent.mkdir(parents=True, exist_ok=True)
    handle, spare = tempfile.mkstemp(dir=file.parent)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as out:
            json.dump(content, out)
        Path(spare).replace(file)
    except BaseException:
        Path(spare).unlink(missing_ok=True)
        raise


def _written(
    dimensions: Iterable[Dimension], now: datetime | None, before: Iterable[Mapping[str, Any]]
) -> Iterable[dict[str, Any]]:
    """What the keys of each dimension follow from: the arguments of a time, the keys of anything else."""
    known = {facts.get("column"): facts.get("keys", []) for facts in before}
    for dimension in dimensions:
        if isinstance(dimension, TimePartitions):
            arguments = {name: getattr(dimension, name) for name in _ARGUMENTS}
            plain = {name: str(value) if isinstance(value, date) else value for name, value in arguments.items()}
            yield {"kind": dimension.kind, "arguments": plain}
        elif isinstance(dimension, Categories):
            yield {"kind": dimension.kind, "column": dimension.column, "keys": list(dimension.categories)}
        else:
            is_untold = now is None or dimension.unknown_columns  # then what was written down before is kept
            keys = known.get(dimension.column, []) if now is None or is_untold else dimension.keys(now)
            yield {"kind": dimension.kind, "column": dimension.column, "keys": keys}


def _dimension(facts: Mapping[str, Any]) -> Dimension:
    """The inverse of what is written of one dimension."""
    if (kind := _KINDS.get(facts["kind"])) is not None:
        return kind(**facts["arguments"])
    column, keys = facts["column"], facts["keys"]
    if facts["kind"] == Dynamic.kind:
        return Dynamic(column).with_keys({column: keys})
    return Categories(column, keys)
