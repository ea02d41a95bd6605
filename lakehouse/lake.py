"""`Lake`: a root folder, the things declared for it, and the verbs.

Knows how a call becomes a survey, a plan and a run. Refuses to do any of them itself.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, TypeVar, overload

from lakehouse import assets
from lakehouse.assets import ALL_COLUMNS, Asset, Definitions, Source, Track
from lakehouse.callsite import caller
from lakehouse.disk import Disk
from lakehouse.errors import DefinitionError, LakeError, RequestError
from lakehouse.graph import Graph
from lakehouse.partitions import Monthly
from lakehouse.plan import Filter, Plan, make_plan, matches
from lakehouse.records import Materialization
from lakehouse.selection import Resolution, Scope, Selection, resolve_all
from lakehouse.survey import Survey

if TYPE_CHECKING:
    import polars as pl
    from polars._typing import PolarsDataType

    from lakehouse.outcome import Event, Outcome
    from lakehouse.status import AssetStatus

__all__ = ["Lake", "MaterializeError"]

_F = TypeVar("_F", bound=Callable[..., Any])
_DURATION: Final = re.compile(r"(\d+)\s*([smhd])", re.ASCII)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class MaterializeError(LakeError):
    """Partitions failed; the others are published.

    Attributes:
        results: one for each partition, the published ones too.
    """

    exit_code = 1
    default_code = "partitions-failed"

    def __init__(self, message: str, *, results: Sequence[Materialization] = (), details: Sequence[str] = ()) -> None:
        super().__init__(message, details=details)
        self.results = list(results)


class Lake:
    """A folder of assets, each plain Parquet in Hive folders.

    Args:
        root: the folder; a relative one resolves against the folder of the file that makes the `Lake`, at first
            use (the command line resolves it against the project's folder, which is the same for a lakefile).
        keep_versions: how many superseded versions of a partition are kept beside the current one.
        grace: how long further superseded versions stay, so that readers that planned on them can finish:
            ``"30m"``, ``"24h"``, ``"7d"`` or a timedelta.

    Raises:
        DefinitionError: one of these is not what it should be.
    """

    def __init__(
        self, root: str | os.PathLike[str], *, keep_versions: int = 1, grace: str | timedelta = "24h"
    ) -> None:
        self._where = caller()
        self._given_root = os.fspath(root)
        self._base: Path | None = None
        self._definitions = Definitions()
        self._graph: Graph | None = None
        self._clock: Callable[[], datetime] = lambda: datetime.now(UTC)
        self._on_call: Callable[[str, Path], None] = lambda *_: None
        self._in_memory_bytes: int | None = None
        if keep_versions < 0:
            raise DefinitionError(f"keep_versions={keep_versions!r} is negative ({self._where})")
        self._keep_versions = keep_versions
        self._grace = self._duration(grace)

    def _duration(self, text: str | timedelta) -> timedelta:
        if isinstance(text, timedelta):
            return text
        if not (match := _DURATION.fullmatch(text)):
            raise DefinitionError(
                f"grace={text!r} is not a duration ({self._where})", help="write it as 30m, 24h or 7d"
            )
        return timedelta(**{_UNITS[match[2]]: int(match[1])})

    def __repr__(self) -> str:
        return f"Lake({self._given_root!r})"

    # Declaring

    def source(
        self,
        name: str,
        path: str | os.PathLike[str],
        *,
        schema: Mapping[str, PolarsDataType] | None = None,
        time: str | None = None,
        nullable: Sequence[str] = (),
        track: Track = "content",
    ) -> Source:
        """Declare data that the lake reads and does not make.

        Args:
            name: under which functions ask for it, by a parameter of that name.
            path: a file or a glob, relative to the project; CSV, Parquet, NDJSON or Arrow IPC by its suffix.
            schema: the columns that are read, with their types; needed for CSV and NDJSON.
            time: the column that decides which time partition a row belongs to.
            nullable: declared columns that may hold nulls; the others hold none.
            track: how a change is noticed: ``"content"`` (SHA-256 of the bytes, read once for each new size or
                time) or ``"stat"`` (size and modification time, for very large files).

        Raises:
            DefinitionError: names the fault, and file and line.
        """
        source = assets.declare_source(
            name, os.fspath(path), schema=schema, time=time, nullable=nullable, track=track
        )
        self._add(source)
        return source

    @overload
    def view(self, function: _F) -> _F: ...
    @overload
    def view(self, *, time: str | None = None) -> Callable[[_F], _F]: ...
    def view(self, function: _F | None = None, *, time: str | None = None) -> _F | Callable[[_F], _F]:
        """Declare a step that is computed when it is read: ``@lake.view`` or ``@lake.view(time="order_date")``.

        The function's parameters name what it reads; it returns a LazyFrame. It sees all rows: whatever reads
        the view gets those whose ``time`` lies in the requested windows. ``time`` is not inherited from a source.

        Raises:
            DefinitionError: names the fault, and file and line.
        """

        def declare(function: _F) -> _F:
            self._add(assets.declare_view(function, time=time))
            return function

        return declare if function is None else declare(function)

    def asset(
        self,
        *function: Callable[..., Any],
        partitions: Monthly | None = None,
        sort_by: str | Sequence[str] | None = ALL_COLUMNS,
        schema: Mapping[str, PolarsDataType] | None = None,
        version: str | None = None,
    ) -> Callable[[_F], _F]:
        """Declare a table that the lake keeps: ``@lake.asset(partitions=Monthly("2018-01"))``.

        The function's parameters name what it reads. Each arrives as a LazyFrame of just the rows of the requested
        partitions, with the partition column attached; the function returns the rows of all of them, with that
        column. With a parameter named ``partition`` it is called once a key instead, gets that key
        (``partition.key``, ``.start``, ``.end``; the end is exclusive), and need not return the column.

        Args:
            function: none; it is what the decorator decorates.
            partitions: which keys the asset has.
            sort_by: the columns by which each file is sorted, the others after them; by default all, left to
                right; None keeps the order of the result, which must then be the same each time.
            schema: the columns with their types; without it the first materialization decides.
            version: replaces what the lake tells from the code; raise it when the code changes.

        Raises:
            DefinitionError: names the fault, and file and line.
        """
        if function or partitions is None:
            raise DefinitionError(
                f"an asset is declared without its partitions ({caller()})",
                help='say which keys it has: @lake.asset(partitions=Monthly("2018-01"))',
            )

        def declare(function: _F) -> _F:
            asset = assets.declare_asset(
                function, partitions=partitions, sort_by=sort_by, schema=schema, version=version
            )
            self._add(asset)
            return function

        return declare

    def _add(self, node: assets.Node) -> None:
        self._definitions.add(node)
        self._graph = None

    @property
    def graph(self) -> Graph:
        """The checked graph of what is declared.

        Raises:
            DefinitionError: something is read and not declared, or a cycle; with file and line.
        """
        if self._graph is None:
            self._graph = Graph(self._definitions)
        return self._graph

    # Looking

    @property
    def base(self) -> Path:
        """The folder against which relative paths resolve."""
        if self._base is None:
            file = Path(self._where.filename)
            # Typed at a prompt or in a notebook, it stands in no file of the user's.
            self._base = file.resolve().parent if file.is_file() else Path.cwd()
        return self._base

    @base.setter
    def base(self, folder: Path) -> None:
        self._base = folder

    @property
    def root(self) -> Path:
        """The lake's folder, absolute."""
        return Path(os.path.normpath(self.base / self._given_root))

    def survey(self) -> Survey:
        """One look at the lake as it is now; states, code versions and logs are read through it."""
        opaque = {id(self): "lake", **{id(node): node.name for node in self._definitions.nodes.values()}}
        disk = Disk(self.root, self._on_call)
        return Survey(graph=self.graph, disk=disk, base=self.base, time=self._clock(), opaque=opaque)

    def scopes(self, names: Iterable[str] = ()) -> list[Scope]:
        """The assets that a selection may be about, upstream first.

        Raises:
            AssetUnknownError: a name is none of the lake's assets.
        """
        picked = [self.graph.asset(name) for name in names] or self.graph.assets()
        return [Scope(asset.name, asset.partitions, asset.where) for asset in self.graph.assets() if asset in picked]

    def resolve(
        self,
        selection: Selection | str | Iterable[str] | None,
        assets: Iterable[str] = (),
        *,
        include_current: bool | None = None,
    ) -> Resolution:
        """The keys that a selection means, by asset; None means every key.

        Raises:
            RequestError: the selection names something that there is not; with the fix.
        """
        if selection is None:
            selection = Selection.parse("all")
        if not isinstance(selection, Selection):
            selection = Selection.parse(selection)
        scopes = self.scopes(assets)
        if not scopes:
            raise DefinitionError("the lake has no assets", help="declare one: @lake.asset(partitions=Monthly(...))")
        return resolve_all(selection, scopes, self._clock(), include_current)

    def status(
        self, selection: Selection | str | Iterable[str] | None = None, *, assets: Iterable[str] = ()
    ) -> list[AssetStatus]:
        """The state of each partition, with its reason; reads the log and looks at files, opens no Parquet.

        Args:
            selection: which partitions (``"2018-01..2018-04"``); None: all.
            assets: which assets; none: all.

        Raises:
            RequestError: the selection or an asset's name is wrong.
        """
        return self.status_of(self.survey(), self.resolve(selection, assets), with_orphans=selection is None)

    def status_of(self, survey: Survey, resolution: Resolution, *, with_orphans: bool) -> list[AssetStatus]:
        """The status of resolved keys, by one look."""
        from lakehouse.status import asset_status

        found = [
            asset_status(survey, self.graph.asset(name), keys, with_orphans=with_orphans)
            for name, keys in resolution.keys_by_asset.items()
        ]
        survey.keep_digests()
        return found

    def scan(
        self,
        asset: str,
        selection: Selection | str | Iterable[str] | None = None,
        as_of: str | int | datetime | None = None,
    ) -> pl.LazyFrame:
        """The published rows of an asset, as one commit left them: never a mixture, whatever is published meanwhile.

        Args:
            asset: its name.
            selection: which partitions; None: all. Of these, the ones that were made are read.
            as_of: an earlier position: the number of a commit, an ISO instant, or a datetime.

        Returns:
            The contract's columns, then the partition columns as String; one row per row of the asset.

        Raises:
            AssetUnknownError: there is no such asset.
            RequestError: the selection is wrong, none of it was made, or the versions of `as_of` are gone.
        """
        from lakehouse.frames import published

        declared = self.graph.asset(asset)
        log = self.survey().log(asset)
        fold = log.read() if as_of is None else log.read(to=log.position(as_of))
        keys = self._scanned(declared, selection, sorted(fold.keys))
        made = [version for key in keys if (version := fold.key(key).version) is not None]
        if selection is not None and not made:
            raise RequestError(
                f"{asset} has no data for {selection}",
                code="partition-missing",
                help=f"make it: lake materialize {selection} -a {asset}",
            )
        if as_of is not None and (gone := [v.path for v in made if not (self.root / v.path).exists()]):
            raise RequestError(
                f"{len(gone)} of the {len(made)} versions that {asset} had then are no longer kept",
                code="version-gone",
                help=f"a lake keeps them with Lake(..., keep_versions=…); now it keeps {self._keep_versions}",
            )
        return published(self.root, declared, fold, keys)

    def _scanned(
        self, asset: Asset, selection: Selection | str | Iterable[str] | None, known: Sequence[str]
    ) -> Sequence[str]:
        if selection is None:
            return known
        return self.resolve(selection, [asset.name], include_current=True).keys_by_asset[asset.name]

    # Making

    def plan(
        self,
        survey: Survey,
        resolution: Resolution,
        *,
        force: bool = False,
        only: Sequence[Filter] = (),
        upstream: bool = True,
    ) -> Plan:
        """What making these partitions takes: they, and before them what they are made of and is not fresh."""
        asked = resolution.keys_by_asset
        order = self.graph.with_upstream(asked) if upstream else [self.graph.asset(name) for name in asked]
        keys: dict[str, list[str]] = {
            asset.name: [key for key in asked.get(asset.name, ()) if matches(survey.state(asset, key), only)]
            for asset in order
        }
        for asset in reversed(order):
            for name in self.graph.upstream_assets(asset.name):
                if name in keys and name not in asked:
                    upper = self.graph.asset(name)
                    needed = survey.upstream_keys(asset, upper, keys[asset.name])
                    keys[name] = sorted({*keys[name], *needed}, key=upper.partitions.index)
        plan = make_plan(
            keys,
            lambda name, key: survey.state(self.graph.asset(name), key),
            forced=list(asked) if force else [],
            explained=lambda _, state: survey.reason(state),
        )
        return Plan(tuple(step for step in plan.steps if step.asset in asked or step.action != "keep"))

    def run(
        self,
        survey: Survey,
        plan: Plan,
        *,
        force: bool = False,
        allow_schema_change: bool = False,
        fail_fast: bool = False,
        command: str = "",
        on_event: Callable[[Event], None] = lambda _: None,
    ) -> Outcome:
        """Carry out a plan; the outcome tells of failures, and is not raised."""
        from lakehouse.materialize import Settings, materialize
        from lakehouse.retention import Retention

        settings = Settings(
            retention=Retention(self._keep_versions, self._grace),
            force=force,
            allow_schema_change=allow_schema_change,
            fail_fast=fail_fast,
            by={"user": _user(), "host": os.uname().nodename, "command": command or Path(sys.argv[0]).name},
            clock=self._clock,
            in_memory_bytes=self._in_memory_bytes,
        )
        return materialize(survey, plan, settings, on_event)

    def materialize(
        self,
        selection: Selection | str | Iterable[str],
        *,
        assets: Iterable[str] = (),
        force: bool = False,
        only: Sequence[Filter] = (),
        include_current: bool | None = None,
        allow_schema_change: bool = False,
        upstream: bool = True,
        on_failure: Literal["raise", "return"] = "raise",
    ) -> list[Materialization]:
        """Make what is not fresh among the selected partitions, each published on its own, in one pass.

        Args:
            selection: which partitions, as on the command line: ``"2018-01..2018-04"``.
            assets: which assets; none: all that have the keys. What they are made of is made first.
            force: make fresh partitions too, and replace files that somebody else put there.
            only: of the selected partitions, those that are ``"missing"``, ``"stale"`` or ``"failed"``.
            include_current: whether the window that is still running may be made; None: as defined.
            allow_schema_change: whether the asset may have other columns from now on.
            upstream: whether to make first what the partitions are made of.
            on_failure: whether partitions that failed raise, once the others are published.

        Returns:
            One result a partition, in the order of making.

        Raises:
            RequestError, DefinitionError: nothing was done.
            SourceError: a source is missing.
            MaterializeError: partitions failed; its ``results`` has all of them.
            StorageError: the disk is at fault; what was committed stands, and doing it again is safe.
        """
        survey = self.survey()
        resolution = self.resolve(selection, assets, include_current=include_current)
        plan = self.plan(survey, resolution, force=force, only=only, upstream=upstream)
        for problem in survey.problems.values():
            raise problem
        outcome = self.run(survey, plan, force=force, allow_schema_change=allow_schema_change)
        if outcome.error is not None:
            raise outcome.error
        failed = [result for result in outcome.results if not result.is_ok]
        if failed and on_failure == "raise":
            raise MaterializeError(
                f"{len(failed)} of {len(outcome.results)} partitions failed; the others are published",
                results=outcome.results,
                details=[f"{result.asset} {result.key}: {(result.error or {}).get('message')}" for result in failed],
            )
        return outcome.results


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may run under a number that has no name
        return str(os.getuid())
