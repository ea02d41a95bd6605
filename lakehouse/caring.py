"""What keeps a lake sound: verified, repaired and cleaned, and files of others taken in.

Knows how a call becomes a look at every byte, or a change to the log. Refuses to compute anything.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from lakehouse.errors import RequestError
from lakehouse.recalling import Recalling
from lakehouse.selection import Selection, Word
from lakehouse.survey import Survey

if TYPE_CHECKING:
    from lakehouse.care.clean import Cleaned
    from lakehouse.care.faults import Faults
    from lakehouse.care.verify import Writing
    from lakehouse.records import Materialization

__all__ = ["Caring"]


class Caring(Recalling):
    """The part of a `Lake` that takes care of what is there."""

    def verify(
        self,
        assets: Iterable[str] = (),
        *,
        repair: bool = False,
        dry_run: bool = False,
        on_read: Callable[[int, int], None] = lambda *_: None,
    ) -> Faults:
        """What is not as the log says: every commit, kept version and published file is read, and digested.

        A version that is damaged is marked so in the log: its partition is then stale, and the next run makes it
        again. What a run is publishing meanwhile is no fault.

        Args:
            assets: which; none: all, and whatever else lies in the lake.
            repair: whether to link again what is missing or was replaced in the Hive tree (what stands there is kept
                as a version), and to restore versions from whatever still has their bytes.
            dry_run: whether to write nothing.
            on_read: called with the number of bytes that were read, and about how many there are.

        Returns:
            One fault for each thing that is wrong; none for a lake that is whole. See ``is_damage`` of each.

        Raises:
            AssetUnknownError: there is no such asset, and was none.
            StorageError: the lake cannot be read.
        """
        from lakehouse.care.verify import verify

        if repair and not dry_run:
            self.settle()
        survey = self.survey()
        writing = None if dry_run else self._writing(survey)
        return verify(survey, list(assets), writing, repair=repair, on_read=on_read)

    def clean(self, *, now: bool = False, dry_run: bool = False) -> Cleaned:
        """Remove what nobody needs: leftovers of runs that died, and versions whose grace is over.

        Args:
            now: whether to wait for no version's grace; ``keep_versions`` are kept all the same.
            dry_run: whether to remove nothing, and only tell.

        Raises:
            StorageError: the lake cannot be read or written.
        """
        from lakehouse.care.clean import clean

        survey = self.survey()
        return clean(survey, self._retention, None if dry_run else self._writing(survey), now=now)

    def adopt(
        self,
        asset: str,
        selection: Selection | str | Iterable[str],
        source: str | os.PathLike[str] | None = None,
        *,
        force: bool = False,
        dry_run: bool = False,
    ) -> list[Materialization]:
        """Take in files that were made elsewhere as partitions of an asset, each on its own.

        They are recorded as made of the code and the inputs of now: whoever adopts vouches for that. The files are
        copied, never linked, and have to be what the lake itself would write: one Parquet file a partition with the
        columns of the asset, in their order, without the partition columns. The asset's checks are asked.

        Args:
            asset: its name.
            selection: which partitions; of these, the ones for which there is a file.
            source: a folder of ``column=value`` folders with one Parquet file each, relative to the project's folder;
                None: files that stand in the lake itself, and that its log does not know.
            force: whether frozen partitions take part, and files are replaced that somebody else put in the lake
                (these are kept as versions).
            dry_run: whether to write nothing, and only tell.

        Returns:
            One result a partition that has a file: *created*, *replaced*, *unchanged* (the same bytes), *fresh* (the
            log has it), *blocked* (refused; nothing of it changed), *skipped* (frozen) or *failed*.

        Raises:
            RequestError: the selection is wrong, or there is no file for any of it.
            StorageError: the disk is at fault; what was committed stands.
        """
        from lakehouse.care.adopt import Adoption
        from lakehouse.care.arrivals import arrivals, shape_of_folders

        survey, declared = self.survey(), self.graph.asset(asset)
        chosen = selection if isinstance(selection, Selection) else Selection.parse(selection)
        keys = None
        if chosen.items != (Word("all"),):
            keys = self.resolve(chosen, [asset], include_current=True, survey=survey).keys_by_asset[asset]
        root = Path(survey.disk.root, asset) if source is None else Path(os.path.normpath(self.base / source))
        found = arrivals(declared, survey.partitions(declared), root, keys, is_own=source is None)
        if not found:
            raise RequestError(
                f"{root} has no file for {chosen}",
                code="nothing-to-adopt",
                help="its folders are named like the asset's: " + shape_of_folders(declared.partitions),
            )
        adoption = Adoption(
            asset=declared,
            survey=survey,
            retention=self._retention,
            clock=self._clock,
            by=self._by(),
            is_forced=force,
        )
        if dry_run or all(arrival.file is None for arrival in found):
            return adoption.foreseen(found)
        with self._run(survey) as run:
            return adoption.carry_out(found, run)

    def _writing(self, survey: Survey) -> Writing:
        from lakehouse.care.verify import Writing

        return Writing(
            run=lambda: self._run(survey),
            amendment=lambda asset, fold, run: self._amendment(survey, asset, fold.partitions, run),
        )
