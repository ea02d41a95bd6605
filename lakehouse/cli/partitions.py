"""``lake partitions``: the keys of an asset; those that are kept in the lake, added and removed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import click

from lakehouse.cli import completing
from lakehouse.cli.help import Command
from lakehouse.cli.options import Format, common, folder_of, screen_of
from lakehouse.cli.output import emit, plural
from lakehouse.cli.quoting import quoted
from lakehouse.errors import RequestError
from lakehouse.grammar import naming, naming_in_path
from lakehouse.partitions.categories import Dynamic

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lakehouse.assets import Asset
    from lakehouse.cli.output import Screen
    from lakehouse.lake import Lake
    from lakehouse.survey import Survey

__all__ = ["command"]


@click.command(
    "partitions",
    cls=Command,
    examples=(
        "lake partitions monthly_orders",
        "lake partitions orders_by_method add gift_card coupon",
        "lake partitions orders_by_method remove coupon",
    ),
)
@click.argument("asset", shell_complete=completing.assets)
@click.argument("action", required=False, type=click.Choice(["add", "remove"]), metavar="[add|remove]")
@click.argument("keys", nargs=-1, metavar="[KEY]...", shell_complete=completing.dynamic_keys)
@click.option("--column", metavar="COLUMN", help="Of several dynamic columns, the one that the keys are of.")
@common("table", "json")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    asset: str,
    action: Literal["add", "remove"] | None,
    keys: tuple[str, ...],
    column: str | None,
    folder: str | None,
    quiet: bool,
    verbose: bool,  # noqa: ARG001  taken by the error handler
    color: Literal["auto", "always", "never"],
    form: Format,
) -> int:
    """List the keys of an asset, a line a key; add keys to a dynamic one, or remove some.

    Keys are taken to the letter. Removing a key deletes nothing: data that was made for it stays, as orphaned.
    """
    from lakehouse.cli.project import load, tell_shells
    from lakehouse.keylist import kept_by_hand

    screen = screen_of(color, quiet=quiet)
    lake = load(folder_of(ctx, folder))
    declared = lake.graph.asset(asset)
    survey = lake.survey()
    if action is None:
        _list(screen, survey, declared, form)
        tell_shells(folder_of(ctx, folder), lake, survey)
        return 0
    if not keys:
        raise RequestError(f"no key to {action}", code="usage", help=f"lake partitions {asset} {action} KEY...")
    dimension = kept_by_hand(survey.partitions(declared), declared, column)
    changed = _change(lake, survey, declared, dimension, action, keys)
    after = lake.survey()
    tell_shells(folder_of(ctx, folder), lake, after)
    if form == "json":
        known = kept_by_hand(after.partitions(declared), declared, dimension.column).keys(after.time)
        facts = {"asset": asset, "column": dimension.column, "action": action, "changed": changed, "keys": known}
        emit({"schema_version": 1, "ok": True, "exit_code": 0, **facts})
    elif action == "add":
        _print_added(screen, declared, dimension, changed)
    else:
        _print_removed(screen, lake, after, declared, dimension, changed)
    return 0


def _list(screen: Screen, survey: Survey, asset: Asset, form: Format) -> None:
    partitions = survey.partitions(asset)
    keys, time = partitions.keys(survey.time), partitions.time
    if form != "json":
        for key in keys:
            screen.say(key)
        if not keys and not screen.is_quiet:
            screen.note(f"note: {asset.name} has {partitions.extent(survey.time)}")
        return
    facts = {
        "asset": asset.name,
        "kind": partitions.kind,
        "columns": list(partitions.columns),
        "extent": partitions.extent(survey.time),
        "first": time and time.first_key,
        "last": time and time.last_key(survey.time),
    }
    emit({"schema_version": 1, **facts, "keys": keys})


def _change(
    lake: Lake,
    survey: Survey,
    asset: Asset,
    dimension: Dynamic,
    action: Literal["add", "remove"],
    keys: Sequence[str],
) -> list[str]:
    several = len(asset.partitions.unknown_columns) > 1
    column = {"column": dimension.column} if several else {}
    if action == "add":
        return lake.add_partitions(asset.name, list(dict.fromkeys(keys)), **column)
    for key in keys:
        dimension.check(key, survey.time, asset.name, asset.where)
    return lake.remove_partitions(asset.name, list(dict.fromkeys(keys)), **column)


def _print_added(screen: Screen, asset: Asset, dimension: Dynamic, added: Sequence[str]) -> None:
    if not added:
        screen.say(f"{asset.name} has these keys already")
        return
    screen.say(f"added {plural(len(added), 'key')} to {asset.name}: {', '.join(added)}")
    several = len(asset.partitions.dimensions) > 1
    items = [f"{dimension.column}={naming_in_path(key)}" if several else str(naming(key)) for key in added]
    screen.say(f"next: lake materialize {' '.join(map(quoted, items))} -a {asset.name}")


def _print_removed(
    screen: Screen, lake: Lake, survey: Survey, asset: Asset, dimension: Dynamic, removed: Sequence[str]
) -> None:
    screen.say(f"removed {plural(len(removed), 'key')} from {asset.name}: {', '.join(removed)}")
    place = asset.partitions.columns.index(dimension.column)
    fold = survey.fold(asset.name)
    made = [key for key, known in fold.keys.items() if known.version is not None]
    gone = frozenset(removed)
    left = [key for key in made if asset.partitions.values(key)[place] in gone]
    if left:
        what = f"{plural(len(left), 'partition')} that {'was' if len(left) == 1 else 'were'} made"
        screen.say(f"note: {what} stay{'s' if len(left) == 1 else ''}, orphaned, below {lake.root / asset.name}")
