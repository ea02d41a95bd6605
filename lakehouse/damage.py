"""Versions whose bytes are not those that the log names, or that are gone: how it is told, and in which words.

Knows digests. Refuses to know what is in a file, or what is to be done about it beyond naming the command.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from lakehouse.disk import digest_file
from lakehouse.errors import DamageError, LakeError
from lakehouse.fold import Fold
from lakehouse.records import Version
from lakehouse.storage_errors import storage_error

__all__ = ["damage", "first_damage"]


def damage(root: Path, asset: str, key: str, version: Version) -> LakeError | None:
    """What is wrong with the bytes of a version; None: nothing. All of them are read.

    Args:
        root: the lake's.
        asset: whose version it is.
        key: of which partition.
        version: as the log names it.
    """
    file, what = root / version.path, "has other bytes than were published"
    code, cure = "version-damaged", f"lake verify --repair, or lake materialize {key} -a {asset} --force"
    try:
        if digest_file(file) == version.digest:
            return None
    except (FileNotFoundError, NotADirectoryError):
        code, what, cure = "version-missing", "is gone", f"unless it was replaced meanwhile: {cure}"
    except IsADirectoryError:
        what = "is a folder"
    except OSError as error:
        return storage_error(error, file, f"reading {asset} {key}")
    return DamageError(
        f"{file}: the version of {asset} {key} {what}",
        code=code,
        help=cure,
        context={"asset": asset, "key": key, "path": version.path},
    )


def first_damage(root: Path, fold: Fold, keys: Iterable[str]) -> LakeError | None:
    """What is wrong with the first of these partitions' versions that is not as it was published; None: nothing."""
    made = ((key, version) for key in keys if (version := fold.key(key).version) is not None)
    return next((error for key, version in made if (error := damage(root, fold.asset, key, version))), None)
