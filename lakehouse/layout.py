"""Where things lie under a lake's root: names and key values to paths and back, as text.

Knows the two trees (what readers scan, and ``.lake``) and how Hive escapes a value. Refuses to touch the disk.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from lakehouse.errors import DefinitionError, PartitionKeyError

__all__ = [
    "BOOKKEEPING",
    "PART_FILE",
    "blocked_file",
    "blocked_folder",
    "cache_folder",
    "escape",
    "hive_file",
    "hive_file_of",
    "hive_folder",
    "log_folder",
    "partition_path",
    "require_asset_name",
    "require_key_value",
    "require_partition",
    "require_version_path",
    "snapshot_folder",
    "staging_folder",
    "unescape",
    "version_folder",
    "versions_folder",
]

BOOKKEEPING = ".lake"
PART_FILE = "part.parquet"
_VERSIONS = f"{BOOKKEEPING}/versions/"

# What Hive's own escapePathName escapes. Everything else, non-ASCII included, stays as raw UTF-8: Spark decodes
# %XX byte by byte, so an escaped "é" would come back as two characters.
_UNSAFE = re.compile(r"""["#%'*/:=?\\{\[\]^\x00-\x1f\x7f]""")
_ESCAPED = re.compile(r"%([0-9A-Fa-f]{2})")
_NULL_LIKE = frozenset({"", ".", "..", "__HIVE_DEFAULT_PARTITION__"})
_NAME = re.compile(r"[a-z][a-z0-9_]*", re.ASCII)
_COLUMN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
# Windows opens a device by these names in any folder. A value needs no such rule: its folder is `region=con`.
_DEVICE = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]")
_NAME_BYTES = 255  # what ext4, xfs, btrfs, APFS and NTFS let one path component hold


def escape(value: str) -> str:
    """A key value as it stands in a folder's name.

    >>> escape("a/b é=1")
    'a%2Fb é%3D1'
    """
    return _UNSAFE.sub(lambda match: f"%{ord(match[0]):02X}", value)


def unescape(text: str) -> str:
    """The key value that a folder's name holds; ``unescape(escape(x)) == x``."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 16)), text)


def require_asset_name(name: str) -> str:
    """The name itself; it becomes a folder and an SQL view, so it is plain lower-case ASCII, and no device's name.

    Raises:
        DefinitionError: for any other name.
    """
    if _DEVICE.fullmatch(name):
        raise DefinitionError(
            f"{name!r} cannot be a name", help=f"on Windows no folder can have it; another would do: {name}_"
        )
    if not _NAME.fullmatch(name) or len(name) > _NAME_BYTES:
        raise DefinitionError(
            f"{name!r} cannot be a name",
            help="a name is lower-case letters, digits and _, starting with a letter: monthly_orders",
        )
    return name


def require_key_value(column: str, value: str) -> str:
    """The value itself, if readers of Hive folders give it back as it is.

    It cannot lead out of its folder: a slash of either kind is escaped, and after ``region=`` neither ``..`` nor the
    name of a device means anything. A space or a dot at the end is lost on Windows, where no lake is written.

    Raises:
        PartitionKeyError: for null-like values and for names that no file system can hold.
    """
    if value in _NULL_LIKE:
        raise PartitionKeyError(f"{value!r} cannot be a value of {column}: readers take it for no value at all")
    try:
        size_bytes = len(f"{column}={escape(value)}".encode())
    except UnicodeEncodeError:
        raise PartitionKeyError(f"{value!r} cannot be a value of {column}: it is no Unicode text") from None
    if size_bytes > _NAME_BYTES:
        raise PartitionKeyError(f"a value of {column} is too long for a folder's name: {value[:40]!r}…")
    return value


def partition_path(columns: Sequence[str], values: Sequence[str]) -> str:
    """The Hive folders of one key: ``region=eu/partition_date=2018-02``; empty without columns."""
    return "/".join(
        f"{column}={escape(require_key_value(column, value))}" for column, value in zip(columns, values, strict=True)
    )


def _join(*parts: str) -> str:
    return "/".join(part for part in parts if part)


def hive_folder(asset: str, partition: str) -> str:
    """Where one partition of an asset lies, relative to the root."""
    return _join(asset, partition)


def hive_file(asset: str, partition: str) -> str:
    """The one file of a partition: ``monthly_orders/partition_date=2018-02/part.parquet``."""
    return _join(asset, partition, PART_FILE)


def versions_folder(asset: str) -> str:
    """The folder of an asset's kept versions (of all assets': ""), keyed like the Hive tree so that readers prune."""
    return _join(BOOKKEEPING, "versions", asset)


def version_folder(asset: str, partition: str) -> str:
    """The folder of the kept versions of one partition."""
    return _join(versions_folder(asset), partition)


def hive_file_of(version: str) -> str:
    """The file of the partition that a version is of, from the version's path.

    >>> hive_file_of(".lake/versions/monthly_orders/partition_date=2018-02/20261122T104406-1f-3")
    'monthly_orders/partition_date=2018-02/part.parquet'
    """
    folder = version.rpartition("/")[0]
    return f"{folder[len(_VERSIONS) :]}/{PART_FILE}"


def require_version_path(path: object) -> str:
    """The path itself, if it is that of a version: below the folder of versions, by plain names all the way.

    A log may come from anybody, and what it names is opened, and removed once it is let go.

    Raises:
        ValueError: it leads elsewhere.
    """
    if isinstance(path, str) and path.startswith(_VERSIONS) and "\0" not in path:
        names = path[len(_VERSIONS) :].split("/")
        if not {"", ".", ".."}.intersection(names):
            return path
    raise ValueError(f"{path!r} is no version's path")


def require_partition(partition: Mapping[str, str]) -> dict[str, str]:
    """A key by column, if its columns are names and its values texts: they become folders.

    Raises:
        ValueError, TypeError: they are not.
    """
    found = dict(partition)
    for column, value in found.items():
        if not _COLUMN.fullmatch(column) or not isinstance(value, str):
            raise ValueError(f"{column!r}: {value!r} is no partition")
    return found


def log_folder(asset: str) -> str:
    """The folder of an asset's commits (of all assets': "")."""
    return _join(BOOKKEEPING, "log", asset)


def staging_folder() -> str:
    """The folder of the runs' unseen work."""
    return _join(BOOKKEEPING, "staging")


def cache_folder() -> str:
    """The folder of what can be computed again."""
    return _join(BOOKKEEPING, "cache")


def blocked_folder(asset: str) -> str:
    """The folder of the staged files of an asset (of all assets: "") that an audit refused."""
    return _join(BOOKKEEPING, "blocked", asset)


def blocked_file(asset: str, partition: str) -> str:
    """The staged file of one partition that an audit refused, kept until the partition is made."""
    return _join(blocked_folder(asset), partition, PART_FILE)


def snapshot_folder(name: str) -> str:
    """The folder of one snapshot (of all snapshots: ""), a Hive tree of its own below it."""
    return _join(BOOKKEEPING, "snapshots", name)
