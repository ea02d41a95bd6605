"""What can be told of a lake without changing it: where it lies, what a selection means, states, and rows.

Knows how a call becomes a survey. Refuses to make, change or remove anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec.structs import replace

from lakehouse.assets import Asset
from lakehouse.author import author
from lakehouse.callsite import caller
from lakehouse.declaring import Declaring
from lakehouse.disk import Disk
from lakehouse.errors import DefinitionError, RequestError
from lakehouse.garbage import collected_later
from lakehouse.retention import Retention
from lakehouse.selection import Resolution, Scope, Selection, resolve_all
from lakehouse.survey import Survey, require_same_keys

if TYPE_CHECKING:
    import polars as pl

    from lakehouse.inputs import RowTable
    from lakehouse.status import AssetStatus
    from lakehouse.validate import Finding

__all__ = ["Looking"]


class Looking(Declaring):
    """The part of a `Lake` that looks."""

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
        self._retention = Retention.declared(keep_versions, grace, self._where)
        self.command = ""

    def __repr__(self) -> str:
        return f"Lake({self._given_root!r})"

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
        from lakehouse.past.lookback import require_kept
        from lakehouse.reading import published

        declared = self.graph.asset(asset)
        log = self.survey().log(asset)
        fold = log.read() if as_of is None else log.read(to=log.position(as_of))
        require_same_keys(declared, fold)
        keys = self._scanned(declared, selection, sorted(fold.keys, key=declared.partitions.order))
        made = [version for key in keys if (version := fold.key(key).version) is not None]
        if selection is not None and not made:
            raise RequestError(
                f"{asset} has no data for {selection}",
                code="partition-missing",
                help=f"make it: lake materialize {selection} -a {asset}",
            )
        if as_of is not None:
            require_kept(log, fold, keys)
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

    def _by(self) -> dict[str, str]:
        """Who is at work, for the log."""
        return author(self.command)


class _Measures:
    """Asks the rows; Polars loads when that is needed."""

    def rows(self, survey: Survey, asset: Asset, name: str, keys: Sequence[str]) -> RowTable | None:
        from lakehouse.measure import rows

        return rows(survey, asset, name, keys)

    def values(self, survey: Survey, asset: Asset, column: str) -> list[str] | None:
        from lakehouse.measure import values

        return values(survey, asset, column)
