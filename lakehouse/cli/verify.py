"""``lake verify``: every byte held against the log; what can be repaired is, where that is asked for."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, Literal

import click

from lakehouse.cli import completing
from lakehouse.cli.failures import print_error
from lakehouse.cli.help import Command
from lakehouse.cli.options import Format, common, folder_of, screen_of
from lakehouse.cli.output import Screen, emit, joined, plural, size
from lakehouse.cli.paths import shown_path
from lakehouse.selection import describe

if TYPE_CHECKING:
    from lakehouse.care.faults import Fault, Faults
    from lakehouse.lake import Lake

__all__ = ["command"]

_FOUND_DAMAGE: Final = 3
_FEW: Final = 2  # so many faults that are alike are shown one by one
_MANY: Final = 10  # so many groups of them
_LONG: Final = 48


@click.command(
    "verify",
    cls=Command,
    examples=("lake verify", "lake verify monthly_orders", "lake verify --repair --dry-run", "lake verify --repair"),
)
@click.argument("assets", nargs=-1, metavar="[ASSET]...", shell_complete=completing.assets)
@click.option("--repair", is_flag=True, help="Put right what can be.")
@click.option("-n", "--dry-run", is_flag=True, help="Write nothing: repair nothing, and mark nothing as damaged.")
@common("table", "json")
@click.pass_context
def command(
    ctx: click.Context,
    *,
    assets: tuple[str, ...],
    repair: bool,
    dry_run: bool,
    folder: str | None,
    quiet: bool,
    verbose: bool,  # noqa: ARG001  taken by the error handler
    color: Literal["auto", "always", "never"],
    form: Format,
) -> int:
    """Read every commit, kept version and published file, and hold it against its digest. Exit 3 if there is damage.

    A damaged version is marked in the log: its partition is stale from then on, and the next run makes it again.
    --repair links again what is missing or was replaced among the published files (what stands there is kept as a
    version), and restores a version from wherever its bytes still are. It never invents data: what is lost is named,
    with the command that makes it again. Leftovers are no damage; `lake clean` removes them.
    """
    from lakehouse.cli.interrupts import Interrupts
    from lakehouse.cli.project import load
    from lakehouse.cli.reading import Reading

    screen = screen_of(color, quiet=quiet or form != "table")
    lake = load(folder_of(ctx, folder))
    reading = Reading(screen, "verify")
    with Interrupts(screen, is_at_once=True).taken(), reading.drawn():
        found = lake.verify(assets, repair=repair, dry_run=dry_run, on_read=reading.on_read)
    code = _FOUND_DAMAGE if found.is_damaged else 0
    if form == "json":
        emit(_to_json(found, code, dry_run=dry_run, repair=repair))
        return code
    _print(screen, lake, found, repair=repair, dry_run=dry_run)
    if found.error is not None:
        print_error(screen, found.error)
    return code


def _print(screen: Screen, lake: Lake, found: Faults, *, repair: bool, dry_run: bool) -> None:
    faults = [fault for fault in found if fault.is_damage or fault.kind == "mark-outdated"]
    faults.sort(
        key=lambda fault: not fault.kind.startswith("log-")
    )  # what keeps the rest from being told comes first
    groups: dict[tuple[object, ...], list[Fault]] = {}
    for fault in faults:
        alike = fault.key and (fault.kind, fault.asset, fault.message, fault.done, fault.is_mended)
        groups.setdefault(alike or (fault.identity,), []).append(fault)
    for number, group in enumerate(groups.values()):
        if number == _MANY:
            screen.say(f"… and {sum(map(len, [*groups.values()][_MANY:]))} more (all of them: --json)")
            break
        _print_group(screen, lake, group)
    if not (screen.is_quiet and not faults):
        screen.say(_summary(screen, found, faults))
    for fault in found:
        if fault.kind in ("not-projected", "undeclared"):
            done = f"; {fault.done}" if fault.done else f"; {fault.help}"
            screen.note(f"note: {fault.asset}: {fault.message}{done}") if not screen.is_quiet else None
    leftovers = [fault for fault in found if fault.kind == "leftover"]
    if leftovers and not screen.is_quiet:
        freed = size(sum(fault.size_bytes for fault in leftovers))
        screen.note(f"note: {plural(len(leftovers), 'leftover')}, {freed}, no damage: lake clean")
    mendable = [fault for fault in faults if fault.is_mendable and not fault.is_mended]
    if mendable and not (repair and not dry_run):
        screen.say(f"next: lake verify --repair   {plural(len(mendable), 'fault')}")


def _print_group(screen: Screen, lake: Lake, group: Sequence[Fault]) -> None:
    """Faults that are alike: a few one by one, more of them together."""
    for fault in group if len(group) <= _FEW else group[:1]:
        owner = f"{fault.asset} {fault.key}".strip()
        if len(group) > _FEW:
            owner = f"{fault.asset}   {plural(len(group), 'partition')}: {_span(lake, group)}"
        screen.say(joined([f"{screen.glyph('ok' if fault.is_mended else 'failed')} {fault.kind}", owner]))
        more = f" (and {len(group) - 1} more)" if len(group) > _FEW else ""
        screen.say(f"  {shown_path(lake, fault.path)}{more}")
        told = "; ".join(text for text in (fault.message, fault.done) if text)
        cure = _cure(group) if len(group) > _FEW else fault.help
        for text in (told, f"help: {cure}" if cure and not fault.is_mended else ""):
            for line in _wrapped(text, screen.width):
                screen.say(line)


def _wrapped(text: str, width: int) -> list[str]:
    """Text as lines below a headline; paths and commands in it are not broken."""
    return textwrap.wrap(
        text,
        width=max(width, 40),
        initial_indent="  ",
        subsequent_indent="    " if text.startswith("help: ") else "  ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _span(lake: Lake, group: Sequence[Fault]) -> str:
    keys = [fault.key for fault in group]
    declared = {asset.name: asset.partitions for asset in lake.graph.assets()}
    span = describe(keys, declared[group[0].asset]) if group[0].asset in declared else ", ".join(keys)
    return span if len(span) <= _LONG else f"{keys[0]} …"


def _cure(group: Sequence[Fault]) -> str:
    """What to do about faults that are alike."""
    cures = {fault.help for fault in group}
    if len(cures) == 1:
        return cures.pop()
    asset = group[0].asset
    if group[0].kind == "unrecorded":
        return f"record them: lake adopt {asset} all"
    return f"make them again: lake materialize --stale --missing -a {asset}"


def _summary(screen: Screen, found: Faults, faults: Sequence[Fault]) -> str:
    read = f"{plural(found.commits, 'commit')}, {plural(found.versions, 'version')}, {size(found.size_bytes)} read"
    if not faults:
        return f"{screen.glyph('ok')} {read}: all as the log says"
    mended = sum(fault.is_mended for fault in faults)
    left = plural(len(faults) - mended, "fault")
    parts = [part for part in (f"{mended} repaired" if mended else "", left if len(faults) > mended else "") if part]
    return f"{read}: {', '.join(parts)}"


def _to_json(found: Faults, code: int, *, dry_run: bool, repair: bool) -> dict[str, Any]:
    return {
        "schema_version": 1,
        "ok": code == 0,
        "exit_code": code,
        "dry_run": dry_run,
        "repair": repair,
        "commits": found.commits,
        "versions": found.versions,
        "files": found.files,
        "size_bytes": found.size_bytes,
        "faults": [_fault_json(fault) for fault in found],
        "error": found.error and found.error.to_json(),
    }


def _fault_json(fault: Fault) -> dict[str, Any]:
    return {
        "kind": fault.kind,
        "damage": fault.is_damage,
        "asset": fault.asset or None,
        "key": fault.key or None,
        "path": fault.path,
        "commit": fault.commit,
        "message": fault.message,
        "size_bytes": fault.size_bytes,
        "done": fault.done or None,
        "mendable": fault.is_mendable,
        "mended": fault.is_mended,
        "help": fault.help or None,
    }
