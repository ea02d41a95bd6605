"""`Lake`: a root folder, the things declared for it, and the verbs.

Knows how a call becomes a survey, a plan and a run. Refuses to do any of them itself.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from lakehouse.assets import Asset
from lakehouse.callsite import caller
from lakehouse.declaring import Declaring
from lakehouse.disk import Disk
from lakehouse.errors import DefinitionError, LakeError, RequestError
from lakehouse.garbage import collected_later
from lakehouse.plan import Filter, Plan
from lakehouse.records import Materialization
from lakehouse.selection import Resolution, Scope, Selection, resolve_all
from lakehouse.survey import Survey

if TYPE_CHECKING:
    import polars as pl

    from lakehouse.inputs import RowTable
    from lakehouse.outcome import Event, Outcome
    from lakehouse.status import AssetStatus
    from lakehouse.validate import Finding

__all__ = ["Lake", "MaterializeError"]

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


class Lake(Declaring):
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
        super().__init__()
        self._where = caller()
        self._given_root = os.fspath(root)
        self._base: Path | None = None
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
        return Survey(
            graph=self.graph,
            disk=disk,
            base=self.base,
            time=self._clock(),
            opaque=opaque,
            measures=_Measures(),
        )

    def resolve(
        self,
        selection: Selection | str | Iterable[str] | None,
        assets: Iterable[str] = (),
        *,
        include_current: bool | None = None,
        survey: Survey | None = None,
    ) -> Resolution:
        """The keys that a selection means, by asset; None means every key.

        Args:
            selection: which partitions.
            assets: which assets; none: all.
            include_current: whether the window that is still running counts; None: as defined.
            survey: the look at the lake that tells keys that are kept in it or found in the data; None: a new one.

        Raises:
            RequestError: the selection names something that there is not; with the fix.
        """
        if selection is None:
            selection = Selection.parse("all")
        if not isinstance(selection, Selection):
            selection = Selection.parse(selection)
        named = [self.graph.asset(name) for name in assets]
        if not (picked := named or self.graph.assets()):
            raise DefinitionError("the lake has no assets", help="declare one: @lake.asset(partitions=Monthly(...))")
        survey = survey or self.survey()
        from lakehouse.planning import faults as faults_of

        faults = {} if named else faults_of(survey)
        scopes = [
            Scope(asset.name, survey.partitions(asset), asset.where)
            for asset in self.graph.assets()
            if asset in picked and asset.name not in faults
        ]
        if not scopes:
            raise next(iter(faults.values()))
        return replace(resolve_all(selection, scopes, survey.time, include_current), faults=faults)

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
        survey = self.survey()
        resolution = self.resolve(selection, assets, survey=survey)
        return self.status_of(survey, resolution, with_orphans=selection is None)

    def status_of(self, survey: Survey, resolution: Resolution, *, with_orphans: bool) -> list[AssetStatus]:
        """The status of resolved keys, by one look."""
        from lakehouse.status import asset_status

        with collected_later():
            found = [
                asset_status(survey, self.graph.asset(name), keys, with_orphans=with_orphans)
                for name, keys in resolution.keys_by_asset.items()
            ]
        survey.sources.keep_digests()
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
        from lakehouse.reading import published

        declared = self.graph.asset(asset)
        log = self.survey().log(asset)
        fold = log.read() if as_of is None else log.read(to=log.position(as_of))
        keys = self._scanned(declared, selection, sorted(fold.keys, key=declared.partitions.order))
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

    def validate(self, *, deep: bool = False) -> list[Finding]:
        """What would go wrong in a run, for each source and asset; nothing is written.

        Args:
            deep: whether to read every row of the sources, rather than their heads.
        """
        from lakehouse.validate import validate

        return validate(self.survey(), deep=deep)

    # Keys that are kept in the lake

    def add_partitions(self, asset: str, keys: Iterable[str], *, column: str | None = None) -> list[str]:
        """Add keys to an asset with dynamic partitions; those are returned that were new.

        Args:
            asset: its name.
            keys: values of the dynamic partition column.
            column: which column, where the asset has several dynamic ones.

        Raises:
            RequestError: the asset has no such partitions, or their keys are found in the data.
            PartitionKeyError: a key cannot be the name of a folder.
            StorageError: the log cannot be written.
        """
        from lakehouse.keylist import kept_by_hand

        survey, declared = self.survey(), self.graph.asset(asset)
        dimension = kept_by_hand(survey.partitions(declared), declared, column)
        wanted = dimension.require_keys(list(keys))
        return self._change_keys(survey, asset, dimension.column, wanted, "add")

    def remove_partitions(self, asset: str, keys: Iterable[str], *, column: str | None = None) -> list[str]:
        """Remove keys from an asset with dynamic partitions; those are returned that were there.

        What was made of them stays as it is, and is orphaned.

        Raises:
            RequestError: the asset has no such partitions, or their keys are found in the data.
            StorageError: the log cannot be written.
        """
        from lakehouse.keylist import kept_by_hand

        survey, declared = self.survey(), self.graph.asset(asset)
        dimension = kept_by_hand(survey.partitions(declared), declared, column)
        return self._change_keys(survey, asset, dimension.column, list(keys), "remove")

    def _change_keys(
        self, survey: Survey, asset: str, column: str, keys: Sequence[str], change: Literal["add", "remove"]
    ) -> list[str]:
        from functools import partial

        from lakehouse.keylist import KeyList
        from lakehouse.retention import forget_versions
        from lakehouse.staging import open_run
        from lakehouse.storage_errors import storage_errors

        with (
            storage_errors(survey.disk.root, "changing the keys"),
            open_run(survey.disk, self._clock(), partial(forget_versions, survey.disk)) as run,
        ):
            listed = KeyList(
                log=survey.log(asset),
                column=column,
                partitions=self.graph.asset(asset).partitions.describe(),
                run=run,
                by=_by(""),
                clock=self._clock,
            )
            return listed.change(keys, change)

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
        from lakehouse.planning import plan_for

        with collected_later():
            return plan_for(survey, resolution.keys_by_asset, force=force, only=only, upstream=upstream)

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
            by=_by(command),
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
        resolution = self.resolve(selection, assets, include_current=include_current, survey=survey)
        plan = self.plan(survey, resolution, force=force, only=only, upstream=upstream)
        for problem in (*resolution.faults.values(), *survey.sources.problems.values()):
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


def _by(command: str) -> dict[str, str]:
    return {"user": _user(), "host": os.uname().nodename, "command": command or Path(sys.argv[0]).name}


class _Measures:
    """Asks the rows; Polars loads when that is needed."""

    def rows(self, survey: Survey, asset: Asset, name: str, keys: Sequence[str]) -> RowTable | None:
        from lakehouse.measure import rows

        return rows(survey, asset, name, keys)

    def values(self, survey: Survey, asset: Asset, column: str) -> list[str] | None:
        from lakehouse.measure import values

        return values(survey, asset, column)


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container may run under a number that has no name
        return str(os.getuid())
