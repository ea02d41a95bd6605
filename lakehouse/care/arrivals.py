"""Files that were made elsewhere, each with the key of the folder that it stands in, or why it cannot be taken in.

Knows how Hive folders are named. Refuses to open files.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from lakehouse import layout
from lakehouse.assets import Asset, Source
from lakehouse.errors import AuditError, LakeError, RequestError
from lakehouse.partitions import Partitions
from lakehouse.sources.listing import Listing, files_below, suffixes

__all__ = ["Arrival", "arrivals", "shape_of_folders"]


class Arrival(Struct, frozen=True, kw_only=True):
    """What stands in the folder of one key.

    Attributes:
        key: which; where the folder is of none, its name.
        file: the one file that would be taken in; None where it is refused.
        error: why it is.
    """

    key: str
    file: Path | None = None
    error: LakeError | None = None


def arrivals(
    asset: Asset, partitions: Partitions, folder: Path, keys: Collection[str] | None, *, is_own: bool
) -> list[Arrival]:
    """The files of an asset's keys, in the order of the definition; then folders that are of none.

    Args:
        asset: whose they are to be.
        partitions: its partitions, all keys told.
        folder: holds ``column=value`` folders, as many levels as the asset has columns.
        keys: which are wanted; None: all that there are, and then what is of no key is refused.
        is_own: whether it is the asset's own folder in the lake, where names have to be the lake's.

    Raises:
        RequestError: there is no such folder.
        SourceError: its folders are of other columns.
    """
    if not os.path.isdir(folder):  # noqa: PTH112  Path.is_dir raises for a name that is too long
        raise RequestError(
            f"{folder} is no folder",
            code="nothing-to-adopt",
            help=f"name one that holds {shape_of_folders(partitions)}",
        )
    source = Source(
        name=asset.name,
        path=str(folder),
        format="parquet",
        schema=None,
        time=None,
        nullable=(),
        track="content",
        where=asset.where,
        partitions=partitions,
    )
    folders: Mapping[str, Sequence[str]] = {} if partitions.columns else {partitions.key(()): [str(folder)]}
    strangers: Sequence[str] = ()
    if partitions.columns:
        listing = Listing(source, str(folder))
        listing.read()
        folders, strangers = listing.folders, listing.strangers
    wanted = [key for key in folders if keys is None or key in keys]
    look = _Own(asset, partitions, folder) if is_own else _Others(asset, folder, suffixes(source))
    found = [(key, look(key, folders[key])) for key in sorted(wanted, key=partitions.order)]
    refused = [_stranger(asset, name) for name in strangers] if keys is None else []
    return [*(arrival for _, arrival in found if arrival is not None), *refused]


class _Own(Struct, frozen=True):
    """What stands in the lake itself, where every name is a promise to readers."""

    asset: Asset
    partitions: Partitions
    folder: Path

    def __call__(self, key: str, folders: Sequence[str]) -> Arrival | None:
        partition = layout.partition_path(self.partitions.columns, self.partitions.values(key))
        place = self.folder / partition
        if misnamed := [name for name in folders if Path(name) != place]:
            what = f"{os.path.relpath(misnamed[0], self.folder)} is not how a lake names the folder of {key}"
            return _refused(self.asset, key, what, "name-wrong", f"rename it to {partition}")
        names = sorted(entry.name for entry in place.iterdir())
        if not names:
            return None
        if layout.PART_FILE not in names:
            what = f"{partition} holds {', '.join(names[:3])}, and no {layout.PART_FILE}"
            cure = f"move it elsewhere, and name that: lake adopt {self.asset.name} {key} --from DIR"
            return _refused(self.asset, key, what.lstrip("/"), "name-wrong", cure)
        if others := [name for name in names if name != layout.PART_FILE]:
            what = f"beside {layout.PART_FILE} stands {', '.join(others[:3])}, which readers may take for more rows"
            return _refused(self.asset, key, what, "foreign-beside", "move it away")
        file = place / layout.PART_FILE
        if file.is_symlink() or not file.is_file():
            what = f"{layout.PART_FILE} is a link or a folder, and no file"
            return _refused(self.asset, key, what, "not-a-file", "put the file itself there")
        return Arrival(key=key, file=file)


class _Others(Struct, frozen=True):
    """What stands elsewhere, under whichever name."""

    asset: Asset
    folder: Path
    endings: tuple[str, ...]

    def __call__(self, key: str, folders: Sequence[str]) -> Arrival | None:
        files = sorted(
            path for one in folders for name, path in files_below(one) if name.lower().endswith(self.endings)
        )
        if len(files) == 1:
            return Arrival(key=key, file=Path(files[0]))
        if not files:
            return None
        shown = os.path.relpath(folders[0], self.folder)
        return _refused(
            self.asset,
            key,
            f"there are {len(files)} files in {shown if shown != '.' else self.folder}, and a partition is one",
            "several-files",
            f"write them as one: COPY (FROM read_parquet('{folders[0]}/**/*.parquet', hive_partitioning = false)) "
            "TO 'one.parquet', in DuckDB",
        )


def _refused(asset: Asset, key: str, what: str, code: str, cure: str) -> Arrival:
    return Arrival(key=key, error=AuditError(f"{asset.name} {key}: {what}", code=code, help=cure))


def _stranger(asset: Asset, name: str) -> Arrival:
    what = f"{asset.name}: {name} is of no partition that it has ({asset.where})"
    cure = f"see which it has: lake partitions {asset.name}"
    return Arrival(key=name, error=AuditError(what, code="partition-unknown", help=cure))


def shape_of_folders(partitions: Partitions) -> str:
    """How the folders of an asset's files nest, in words.

    >>> from lakehouse.partitions import Monthly
    >>> shape_of_folders(Monthly("2018-01"))
    'partition_date=…/ONE.parquet'
    """
    return "/".join([*(f"{column}=…" for column in partitions.columns), "ONE.parquet"])
