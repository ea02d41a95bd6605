"""What is done to a lake beside making partitions: keys kept in it, versions brought back, data deleted or frozen.

Knows how a call becomes one change to an asset's log. Refuses to compute anything.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from lakehouse.assets import Asset
from lakehouse.errors import RequestError
from lakehouse.looking import Looking
from lakehouse.selection import Quoted, Selection, Word
from lakehouse.survey import Survey

if TYPE_CHECKING:
    from lakehouse.amend import Amendment
    from lakehouse.fold import Fold
    from lakehouse.records import Materialization
    from lakehouse.staging import Run

__all__ = ["Tending"]


class Tending(Looking):
    """The part of a `Lake` that keeps what was made."""

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
        from lakehouse.keylist import change_keys, kept_by_hand

        survey, declared = self.survey(), self.graph.asset(asset)
        dimension = kept_by_hand(survey.partitions(declared), declared, column)
        wanted = dimension.require_keys(list(keys))
        with self._run(survey) as run:
            return change_keys(self._amend(survey, declared, run), dimension.column, wanted, "add")

    def remove_partitions(self, asset: str, keys: Iterable[str], *, column: str | None = None) -> list[str]:
        """Remove keys from an asset with dynamic partitions; those are returned that were there.

        What was made of them stays as it is, and is orphaned.

        Raises:
            RequestError: the asset has no such partitions, or their keys are found in the data.
            StorageError: the log cannot be written.
        """
        from lakehouse.keylist import change_keys, kept_by_hand

        survey, declared = self.survey(), self.graph.asset(asset)
        dimension = kept_by_hand(survey.partitions(declared), declared, column)
        with self._run(survey) as run:
            return change_keys(self._amend(survey, declared, run), dimension.column, list(keys), "remove")

    # Partitions that are left as they are

    def freeze(self, asset: str, selection: Selection | str | Iterable[str], *, dry_run: bool = False) -> list[str]:
        """Leave partitions as they are, whatever becomes of what they were made of; those are returned that were not.

        A run does not make a frozen partition, unless it is forced to, which thaws it.

        Args:
            asset: its name.
            selection: which partitions.
            dry_run: whether to write nothing, and only tell.

        Raises:
            RequestError: the selection or the asset's name is wrong.
            StorageError: the log cannot be written.
        """
        return self._freeze(asset, selection, frozen=True, dry_run=dry_run)

    def unfreeze(self, asset: str, selection: Selection | str | Iterable[str], *, dry_run: bool = False) -> list[str]:
        """Make partitions again that were frozen, once they are not fresh; those are returned that were."""
        return self._freeze(asset, selection, frozen=False, dry_run=dry_run)

    def _freeze(
        self, asset: str, selection: Selection | str | Iterable[str], *, frozen: bool, dry_run: bool
    ) -> list[str]:
        from lakehouse.care.freeze import freeze, not_yet

        survey, declared = self.survey(), self.graph.asset(asset)
        keys = {key: _by_column(declared, key) for key in self.recorded_keys(survey, declared, selection, made=False)}
        if dry_run or not (keys := {key: keys[key] for key in not_yet(survey.fold(asset), keys, frozen=frozen)}):
            return [*not_yet(survey.fold(asset), keys, frozen=frozen)]
        with self._run(survey) as run:
            return freeze(self._amend(survey, declared, run), keys, frozen=frozen)

    # Versions

    def rollback(
        self,
        asset: str,
        selection: Selection | str | Iterable[str],
        *,
        to: str | int | datetime | None = None,
        dry_run: bool = False,
    ) -> list[Materialization]:
        """Publish earlier versions of partitions again, and freeze these; what was made of them turns stale.

        Nothing is copied or computed: the version that is kept is shown again. All of the partitions, or none.

        Args:
            asset: its name.
            selection: which partitions.
            to: the number of a commit, an ISO instant or a datetime, whose version is wanted; None: the last one
                before the current.
            dry_run: whether to write nothing, and only tell.

        Returns:
            One record a partition.

        Raises:
            RequestError: the selection is wrong, or there is no such version any more.
            AuditError: the version may not be published today, or somebody else's file is in its place.
            StorageError: the log cannot be written.
        """
        from lakehouse.care.rollback import again, audited, earlier, roll_back
        from lakehouse.projection import foreign_file

        if not dry_run:
            self.settle([asset])
        survey, declared = self.survey(), self.graph.asset(asset)
        fold, log = survey.fold(asset), survey.log(asset)
        position = None if to is None else log.position(to)
        found = {key: earlier(log, fold, key, position) for key in self.recorded_keys(survey, declared, selection)}
        for key, item in found.items():
            partition = survey.partitions(declared).partition(key)
            found[key] = audited(declared, partition, fold, item, survey.disk.path(item.version.path))
            if survey.state(declared, key).status == "unrecorded":
                raise foreign_file(survey.file(declared, key).relative_to(survey.disk.root).as_posix())
        if dry_run:
            return [
                again(fold.key(key), item, self._retention, run="", time=survey.time) for key, item in found.items()
            ]
        with self._run(survey) as run:
            done = roll_back(self._amend(survey, declared, run), self._retention, found)
            _forget_blocked(survey, asset, done)
            return done

    def wipe(
        self, asset: str, selection: Selection | str | Iterable[str], *, dry_run: bool = False
    ) -> list[Materialization]:
        """Delete partitions with all their versions, those too that the definition no longer has.

        Snapshots keep what they hold. What was made of the partitions turns stale.

        Args:
            asset: its name; that of an asset, too, that is no longer declared.
            selection: which partitions.
            dry_run: whether to write nothing, and only tell.

        Returns:
            One record a partition that had data; its ``kept`` is the version that it had.

        Raises:
            RequestError: the selection is wrong.
            StorageError: the log cannot be written.
        """
        from lakehouse.care.wipe import tombstones, wipe, without_definition

        if not dry_run:
            self.settle([asset])
        survey, partitions = self.survey(), dict[str, str]()
        if asset in self._definitions.nodes:
            declared = self.graph.asset(asset)
            keys, fold = self.recorded_keys(survey, declared, selection), survey.fold(asset)
            partitions = declared.partitions.describe()
        else:
            fold = self._undeclared(survey, asset)
            keys, partitions = without_definition(fold, selection), dict(fold.partitions)
        if dry_run:
            return tombstones(fold, keys, run="", time=survey.time)
        with self._run(survey) as run:
            done = wipe(self._amendment(survey, asset, partitions, run), keys)
            _forget_blocked(survey, asset, done)
            return done

    def _undeclared(self, survey: Survey, asset: str) -> Fold:
        """The log of an asset that is no longer declared."""
        from lakehouse.past.lookback import logged_assets

        if asset not in logged_assets(survey.disk):
            self.graph.asset(asset)  # raises: there is none, and was none
        return survey.log(asset).read()

    # How

    def settle(self, assets: Iterable[str] = ()) -> None:
        """Do what runs that died left undone: remove what they staged, and let the Hive tree follow the log.

        What changes the lake begins with it: else a command that is given again would find that its change is
        committed, and leave it at that.

        Args:
            assets: whose Hive trees.

        Raises:
            StorageError: the lake cannot be read or written.
        """
        from functools import partial

        from lakehouse.projection import project, projected
        from lakehouse.retention import forget_versions
        from lakehouse.staging import sweep

        survey = self.survey()
        sweep(survey.disk, partial(forget_versions, survey.disk))
        for log in (survey.log(asset) for asset in assets):
            if projected(survey.disk, log.asset) < log.end():
                with self._run(survey) as run:
                    if (error := project(log, run, log.read()).error) is not None:
                        raise error

    def recorded_keys(
        self, survey: Survey, asset: Asset, selection: Selection | str | Iterable[str], *, made: bool = True
    ) -> list[str]:
        """The keys of a selection, those too that were made and that the definition no longer has.

        Args:
            survey: the lake as it is.
            asset: whose keys.
            selection: which; ``all`` and a key to the letter name what the definition no longer has, too.
            made: whether only keys with data count.

        Raises:
            RequestError: the selection names nothing that there is.
        """
        if not isinstance(selection, Selection):
            selection = Selection.parse(selection)
        fold, found = survey.fold(asset.name), dict[str, None]()
        recorded = [key for key, state in fold.keys.items() if state.version is not None]
        for item in selection.items:
            text = item.text if isinstance(item, Word | Quoted) else str(item)
            if text in recorded:
                found[text] = None
                continue
            if item == Word("all"):
                found.update(dict.fromkeys(recorded))
            elif not recorded and made:
                continue
            one = self.resolve(Selection((item,)), [asset.name], include_current=True, survey=survey)
            found.update(dict.fromkeys(one.keys_by_asset[asset.name]))
        keys = sorted(found, key=survey.partitions(asset).order)
        kept = [key for key in keys if not made or fold.key(key).version is not None]
        if not kept:
            raise RequestError(
                f"{asset.name} has no data for {selection}",
                code="partition-missing",
                help=f"see what it has: lake status {asset.name}",
            )
        return kept

    @contextmanager
    def _run(self, survey: Survey) -> Iterator[Run]:
        """A run for changes that compute nothing; what dead runs left is removed first."""
        from functools import partial

        from lakehouse.retention import forget_versions
        from lakehouse.staging import open_run, sweep
        from lakehouse.storage_errors import storage_errors

        forget = partial(forget_versions, survey.disk)
        with storage_errors(survey.disk.root, "changing the lake"):
            sweep(survey.disk, forget)
            with open_run(survey.disk, self._clock(), forget) as run:
                yield run

    def _amend(self, survey: Survey, asset: Asset, run: Run) -> Amendment:
        return self._amendment(survey, asset.name, asset.partitions.describe(), run)

    def _amendment(self, survey: Survey, asset: str, partitions: Mapping[str, str], run: Run) -> Amendment:
        from lakehouse.amend import Amendment

        return Amendment(
            log=survey.log(asset),
            partitions=partitions,
            run=run,
            by=self._by(),
            clock=self._clock,
        )


def _forget_blocked(survey: Survey, asset: str, settled: Iterable[Materialization]) -> None:
    """Remove the staged files that checks had refused, of partitions that were settled otherwise."""
    from lakehouse.blocked import Blocked
    from lakehouse.layout import partition_path

    paths = (partition_path([*record.partition], [*record.partition.values()]) for record in settled)
    Blocked(survey.disk, asset).forget(paths)


def _by_column(asset: Asset, key: str) -> dict[str, str]:
    return dict(zip(asset.partitions.columns, asset.partitions.values(key), strict=True))
