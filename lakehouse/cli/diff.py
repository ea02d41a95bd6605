"""``lake diff``: what is other in one version of a partition than in an earlier one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Literal

import click

from lakehouse.cli import completing
from lakehouse.cli.help import Command
from lakehouse.cli.options import Format, common, folder_of, screen_of
from lakehouse.cli.output import Screen, align, cell, emit, joined, plural, size, stamp
from lakehouse.errors import RequestError
from lakehouse.printable import printable
from lakehouse.records import from_instant

if TYPE_CHECKING:
    from lakehouse.past.difference import Changed, ColumnChange, RowDifference, Rows
    from lakehouse.past.lookback import Then
    from lakehouse.past.versiondiff import Difference

__all__ = ["command"]


@click.command(
    "diff",
    cls=Command,
    examples=(
        "lake diff monthly_orders 2018-02",
        "lake diff monthly_orders 2018-02 1 2",
        "lake diff monthly_orders 2018-02 --by status",
    ),
)
@click.argument("asset", shell_complete=completing.assets)
@click.argument("key", shell_complete=completing.keys)
@click.argument("versions", nargs=-1, metavar="[V1] [V2]")
@click.option("--by", metavar="COLUMN,...", help="Columns by which a row is known: no two rows are alike in them.")
@common("table", "json")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    asset: str,
    key: str,
    versions: tuple[str, ...],
    by: str | None,
    folder: str | None,
    quiet: bool,
    verbose: bool,
    color: Literal["auto", "always", "never"],
    form: Format,
) -> int:
    """Show what is other in one version of a partition than in an earlier one: columns, and rows.

    V1 and V2 are numbers of commits, as `lake history ASSET KEY` shows them, or instants (2026-11-20T09:12). With V1
    alone, that is compared with the current version; without, the last one before it. By the columns of a unique
    check, or by --by, rows with other values are told as changed; else rows are compared as a whole. At most ten rows
    of each kind are shown.
    """
    from lakehouse.cli.project import load
    from lakehouse.cli.spills import keep_back

    if len(versions) > 2:  # noqa: PLR2004  the old and the new
        raise RequestError(
            f"{len(versions)} versions are given; diff takes two", code="usage", help="lake diff --help"
        )
    screen = screen_of(color, quiet=quiet)
    lake = load(folder_of(ctx, folder))
    keep_back(ctx, lake.root, verbose=verbose)
    columns = None if by is None else [name for name in (part.strip() for part in by.split(",")) if name]
    found = lake.diff(asset, key, *versions, by=columns)
    if form == "json":
        emit(_to_json(found))
    else:
        _print(screen, found)
    return 0


def _print(screen: Screen, found: Difference) -> None:
    screen.say(f"{screen.paint(found.asset, None, bold=True)} {found.key}")
    screen.say(joined([f"  - commit {found.old.commit}", *_facts(found.old)]))
    screen.say(joined([f"  + commit {found.new.commit}", *_facts(found.new)]))
    for note in found.notes:
        screen.say(f"  note: {printable(note)}")
    rows = found.rows
    if rows.is_same:
        screen.say("no difference")
        return
    for line in _columns(rows):
        screen.say(f"  {line}")
    screen.say(_summary(rows))
    _print_rows(screen, "+", "green", rows.added)
    _print_rows(screen, "-", "red", rows.removed)
    _print_changed(screen, rows)


def _facts(version: Then) -> list[str]:
    rows = version.version.row_count
    counted = plural(rows, "row") if rows >= 0 else ""
    return [stamp(version.made), counted, size(version.version.size_bytes)]


def _columns(rows: RowDifference) -> list[str]:
    lines = [f"column {printable(change.name)}: {_change(change)}" for change in rows.columns]
    return [*lines, *(["the columns stand in another order"] if rows.is_reordered else [])]


def _change(change: ColumnChange) -> str:
    if change.old is None:
        return f"added, {change.new}"
    return "removed" if change.new is None else f"{change.old} became {change.new}"


def _summary(rows: RowDifference) -> str:
    counts = [f"{plural(rows.added.count, 'row')} added", f"{rows.removed.count} removed"]
    shared = " of the columns that both have" if rows.columns else ""
    if not rows.by:
        return ", ".join(counts) + shared
    return f"{', '.join([*counts, f'{rows.changed} changed'])}{shared} (by {printable(', '.join(rows.by))})"


def _print_rows(screen: Screen, sign: str, colour: str, rows: Rows) -> None:
    if not rows.first:
        return
    names = list(rows.first[0])
    table = [names, *(list(row.values()) for row in rows.first)]
    right = [all(type(row[name]) in (int, float) for row in rows.first) for name in names]
    _print_table(screen, [[cell(value) for value in line] for line in table], right, f"{sign} ", colour)
    _print_more(screen, rows.count - len(rows.first))


def _print_table(
    screen: Screen, table: Sequence[Sequence[str]], right: Sequence[bool], sign: str, colour: str
) -> None:
    """A head and rows, of which each has the sign and the colour of what became of it."""
    screen.say()
    for number, line in enumerate(align(table, right=right, width=screen.width - len(sign), indent="")):
        is_row = 0 < number < len(table)
        screen.say(screen.paint(f"{sign}{line}", colour) if is_row else f"{'':{len(sign)}}{line}")


def _print_changed(screen: Screen, rows: RowDifference) -> None:
    if not rows.first_changed:
        return
    columns = dict.fromkeys(name for row in rows.first_changed for name in row.columns)
    head = [cell(name) for name in (*rows.by, *columns)]
    table = [head, *(_changed(row, [*columns]) for row in rows.first_changed)]
    _print_table(screen, table, [False] * len(head), "~ ", "yellow")
    _print_more(screen, rows.changed - len(rows.first_changed))


def _changed(row: Changed, columns: Sequence[str]) -> list[str]:
    """A row that changed: its key, then what each column was and is; empty where it is the same."""
    values = [row.columns.get(name) for name in columns]
    told = ("" if pair is None else f"{cell(pair[0])} -> {cell(pair[1])}" for pair in values)
    return [*map(cell, row.key.values()), *told]


def _print_more(screen: Screen, count: int) -> None:
    if count > 0:
        screen.say(f"  … and {count} more")


def _to_json(found: Difference) -> dict[str, Any]:
    rows = found.rows
    return {
        "schema_version": 1,
        "asset": found.asset,
        "key": found.key,
        "old": _version_json(found.old),
        "new": _version_json(found.new),
        "is_same": rows.is_same,
        "columns": [{"name": item.name, "old": item.old, "new": item.new} for item in rows.columns],
        "is_reordered": rows.is_reordered,
        "by": list(rows.by),
        "added": _rows_json(rows.added),
        "removed": _rows_json(rows.removed),
        "changed": {"count": rows.changed, "first": [_changed_json(row) for row in rows.first_changed]},
        "notes": list(found.notes),
    }


def _version_json(version: Then) -> dict[str, Any]:
    return {
        "commit": version.commit,
        "made_at": from_instant(version.made),
        "row_count": version.version.row_count,
        "size_bytes": version.version.size_bytes,
        "data_version": version.version.digest,
    }


def _rows_json(rows: Rows) -> dict[str, Any]:
    from lakehouse.cli.rows import plain

    return {"count": rows.count, "first": [plain(row) for row in rows.first]}


def _changed_json(row: Changed) -> dict[str, Any]:
    from lakehouse.cli.rows import plain

    columns = {name: {"old": plain(old), "new": plain(new)} for name, (old, new) in row.columns.items()}
    return {"key": plain(row.key), "columns": columns}
