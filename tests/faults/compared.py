"""The same faults for other writers of the same partitions: what becomes of what they write.

Knows how each is called, and how its readers find the rows. Each is used as its documentation says; deltalake is read
through its own log, the others as a plain Hive tree.
"""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from faults.calls import FAULTS, armed, steady, traced
from faults.scenarios import SCENARIOS, Place, Scenario
from faults.warm import Child, in_child

__all__ = ["WRITERS", "Writer", "begin", "cell", "undisturbed", "write"]

Found = Sequence[tuple[str, int]] | None  # the rows of a partition, sorted; None: there is none


@dataclass(frozen=True, slots=True)
class Writer:
    """One way to write partitions.

    Attributes:
        name: as the page has it.
        write: makes these partitions of an asset, of the orders that there are.
        read: the rows of one partition.
        is_hive: whether the tree is for readers to scan, so that it may hold nothing but partitions.
    """

    name: str
    write: Callable[[Place, Sequence[str]], None]
    read: Callable[[Place, str], Found]
    is_hive: bool = True


# What they write


def _counted(place: Place, paths: Sequence[str]) -> Any:
    """The rows of these partitions, with their keys."""
    import polars as pl

    orders = pl.scan_csv(place.folder / "orders.csv", try_parse_dates=True)
    keyed = orders.with_columns(partition_date=pl.col("order_date").dt.strftime("%Y-%m"))
    columns = list(_values(paths[0]))
    counted = keyed.group_by(*columns, "status").agg(order_num=pl.len().cast(pl.Int64)).sort(*columns, "status")
    wanted = [pl.all_horizontal(pl.col(name) == value for name, value in _values(path).items()) for path in paths]
    return counted.filter(pl.any_horizontal(wanted))


def _values(path: str) -> dict[str, str]:
    """By column, the key of a partition's path."""
    return dict(folder.split("=") for folder in path.split("/")[1:])


def _each(place: Place, paths: Sequence[str]) -> Iterator[tuple[Path, Any]]:
    """The file of each partition, and its rows without the key."""
    import polars as pl

    rows = _counted(place, paths).collect()
    for path in paths:
        folder = place.lake / path
        folder.mkdir(parents=True, exist_ok=True)
        own = rows.filter(pl.col(name) == value for name, value in _values(path).items())
        yield folder / "part.parquet", own.select("status", "order_num")


def _in_place(place: Place, paths: Sequence[str]) -> None:
    for file, rows in _each(place, paths):
        rows.write_parquet(file)


def _partition_by(place: Place, paths: Sequence[str]) -> None:
    import polars as pl

    target = pl.PartitionBy(place.lake / paths[0].partition("/")[0], key=list(_values(paths[0])), include_key=False)
    _counted(place, paths).sink_parquet(target, mkdir=True)


def _renamed(place: Place, paths: Sequence[str]) -> None:
    for file, rows in _each(place, paths):
        spare = file.with_name("part.parquet.tmp")
        rows.write_parquet(spare)
        spare.replace(file)


def _delta(place: Place, paths: Sequence[str]) -> None:
    import deltalake

    values = [_values(path) for path in paths]
    columns = list(values[0])
    lists = {name: ", ".join(f"'{value}'" for value in sorted({row[name] for row in values})) for name in columns}
    table = place.lake / paths[0].partition("/")[0]
    deltalake.write_deltalake(
        str(table),
        _counted(place, paths).collect(),
        mode="overwrite",
        partition_by=columns,
        predicate=" AND ".join(f"{name} IN ({texts})" for name, texts in lists.items()) if table.exists() else None,
    )


def _lakehouse(place: Place, paths: Sequence[str]) -> None:
    asset = paths[0].partition("/")[0]
    keys = [
        path.partition("/")[2] if len(_values(path)) > 1 else next(iter(_values(path).values())) for path in paths
    ]
    outcome = place.run("materialize", *keys, "-a", asset)
    if outcome.code != 0:
        raise OSError(outcome.err)


# What is read


def _rows_in(place: Place, path: str) -> Found:
    """All that lies in a partition's folder, as a reader of the Hive tree finds it."""
    import polars as pl

    files = sorted((place.lake / path).glob("*.parquet"))
    rows = [row for file in files for row in pl.read_parquet(file, hive_partitioning=False, glob=False).rows()]
    return sorted(rows) if files else None


def _rows_of_delta(place: Place, path: str) -> Found:
    import deltalake

    asset = place.lake / path.partition("/")[0]
    if not (asset / "_delta_log").exists():
        return None
    filters = [(name, "=", value) for name, value in _values(path).items()]
    try:
        table = deltalake.DeltaTable(str(asset)).to_pyarrow_table(filters=filters, columns=["status", "order_num"])
    except deltalake.exceptions.TableNotFoundError:
        return None
    # In its tables a partition without rows is no partition.
    return sorted(zip(table["status"].to_pylist(), table["order_num"].to_pylist(), strict=True)) or None


WRITERS: Final[Mapping[str, Writer]] = {
    writer.name: writer
    for writer in (
        Writer("lakehouse", _lakehouse, _rows_in),
        Writer("write_parquet in place", _in_place, _rows_in),
        Writer("sink_parquet(PartitionBy)", _partition_by, _rows_in),
        Writer("temporary file and rename, no fsync", _renamed, _rows_in),
        Writer("deltalake", _delta, _rows_of_delta, is_hive=False),
    )
}


# What is made to fail


def begin(folder: str, name: str, scenario: str) -> dict[str, Any]:
    """A scenario's partitions as a writer writes them, and the calls of its command where nothing fails."""
    base, spare = Place(Path(folder) / "base"), Place(Path(folder) / "spare")
    in_child(_prepare, str(base.folder), name, scenario).answer()
    shutil.copytree(base.folder, spare.folder)
    child = in_child(_act, str(spare.folder), name, scenario, "", 0)
    child.answer()
    shutil.rmtree(spare.folder)
    return {"calls": traced(child, spare.folder)}


class _Telling(Place):
    """A place of which nobody makes anything: what is prepared there is the orders."""

    def make(self, *args: str) -> None:
        """Nothing."""


def _prepare(folder: str, name: str, scenario: str) -> None:
    place, wanted = Place(Path(folder)), SCENARIOS[scenario]
    place.begin()
    if paths := [*wanted.old, *wanted.idle]:
        WRITERS[name].write(place, paths)
    wanted.prepare(_Telling(place.folder))


def write(folder: str, name: str, scenario: str) -> None:
    """A scenario's command as a writer carries it out."""
    WRITERS[name].write(Place(Path(folder)), list(SCENARIOS[scenario].new))


def _act(folder: str, name: str, scenario: str, fault: str, number: int, *, say: int) -> str:
    """How the writer ended, where it did: with nothing, or with an error."""

    def tried() -> str:
        try:
            write(folder, name, scenario)
        except BaseException as error:  # noqa: BLE001  an engine's own may be of any kind
            return f"{type(error).__name__}: {error}"
        return ""

    return str(armed(Path(folder) / "lake", number, FAULTS.get(fault), tried, say))


def cell(folder: str, name: str, scenario: str, fault: str, number: int) -> dict[str, Any]:
    """One cell: where the fault was, and which promises were broken."""
    place = Path(folder) / f"{fault.replace(' ', '-')}-{number}"
    shutil.copytree(Path(folder) / "base", place)
    child = in_child(_act, str(place), name, scenario, fault, number)
    calls = traced(child, place)
    violations = in_child(_judge, str(place), str(Path(folder) / "base"), name, scenario, _end(child)).answer()
    shutil.rmtree(place)
    at = calls[number - 1] if len(calls) >= number else None
    return {"where": f"{at.name} {steady(at.path)}" if at else "end", "violations": violations}


def _end(child: Child) -> str:
    """``done``, ``failed`` or ``killed``."""
    if child.code == -signal.SIGKILL:
        return "killed"
    return "failed" if child.answer() else "done"


def _judge(folder: str, base: str, name: str, scenario: str, end: str) -> list[str]:
    """The promises that are broken, each by its number."""
    place, wanted, writer = Place(Path(folder)), SCENARIOS[scenario], WRITERS[name]
    wrong = [*_whole(place, wanted, writer, end), *_elsewhere(place, Place(Path(base)), wanted, writer)]
    try:
        writer.write(place, list(wanted.new))
    except BaseException as error:  # noqa: BLE001  an engine's own may be of any kind
        wrong.append(f"R4: the same again ends with {type(error).__name__}")
        return wrong
    again = [text.replace("R1", "R4") for text in _whole(place, wanted, writer, "done")]
    return wrong + again + list(_litter(place, writer))


def _whole(place: Place, scenario: Scenario, writer: Writer, end: str) -> Iterator[str]:
    """Each partition is the new one, or, of a command that was not done, the old one."""
    for path, new in scenario.new.items():
        old = scenario.old.get(path)
        allowed = [_sorted(new, writer), *([] if end == "done" else [_sorted(old, writer)])]
        if not new and old is None:
            allowed.append(None)  # most have no word for a partition that is made, and empty
        try:
            found = writer.read(place, path)
        except BaseException as error:  # noqa: BLE001  an engine's own may be of any kind
            yield f"R1: {path} does not read ({type(error).__name__})"
            continue
        if found not in allowed:
            is_stale = end == "done" and old is not None and set(found or ()) & (set(old.items()) - set(new.items()))
            promise = "R5" if is_stale else {"failed": "R3", "killed": "R1", "done": "R1"}[end]
            yield f"{promise}: {path} holds {found}"


def _sorted(rows: Mapping[str, int] | None, writer: Writer) -> Found:
    if not rows and not writer.is_hive:
        return None
    return None if rows is None else sorted(rows.items())


def _elsewhere(place: Place, base: Place, scenario: Scenario, writer: Writer) -> Iterator[str]:
    for path in scenario.idle:
        if writer.read(place, path) != writer.read(base, path):
            yield f"R6: {path} has changed"


def _litter(place: Place, writer: Writer) -> Iterator[str]:
    """What lies among the partitions and is none, after the same command ran once more."""
    if not writer.is_hive:
        return
    for path in sorted(place.lake.rglob("*")):
        relative = path.relative_to(place.lake).as_posix()
        is_own = relative.startswith(".lake") or path.suffix == ".parquet"
        if path.is_file() and not is_own:
            yield f"R4: {relative} is left"


def undisturbed(folder: str, name: str, scenario: str) -> list[str]:
    """What is broken though nothing fails."""
    place = Path(folder) / "undisturbed"
    shutil.copytree(Path(folder) / "base", place)
    in_child(write, str(place), name, scenario).answer()
    violations = in_child(_judge, str(place), str(Path(folder) / "base"), name, scenario, "done").answer()
    shutil.rmtree(place)
    return list(violations)
