"""How many calls that change files each command makes, caches aside: another number is another protocol.

To be changed with whatever changes it, so that a new call is seen in review.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["CALLS"]

CALLS: Final[Mapping[str, str]] = {
    "new asset": "1 chmod, 18 fsync, 2 link, 11 mkdir, 5 open, 3 rename, 1 rmdir, 1 unlink, 1 utime, 3 write",
    "create": "1 chmod, 14 fsync, 2 link, 3 mkdir, 5 open, 3 rename, 1 rmdir, 1 unlink, 1 utime, 3 write",
    "replace": "1 chmod, 12 fsync, 2 link, 1 mkdir, 5 open, 3 rename, 1 rmdir, 1 unlink, 1 utime, 3 write",
    "unchanged": "7 fsync, 1 link, 1 mkdir, 5 open, 1 rename, 1 rmdir, 2 unlink, 3 write",
    "two dimensions": "2 chmod, 21 fsync, 3 link, 5 mkdir, 7 open, 5 rename, 1 rmdir, 1 unlink, 2 utime, 4 write",
    "backfill": "4 chmod, 23 fsync, 5 link, 5 mkdir, 11 open, 9 rename, 1 rmdir, 1 unlink, 4 utime, 6 write",
    "let go": "1 chmod, 13 fsync, 2 link, 1 mkdir, 5 open, 3 rename, 1 rmdir, 2 unlink, 1 utime, 3 write",
    "rollback": "9 fsync, 2 link, 1 mkdir, 3 open, 2 rename, 1 rmdir, 1 unlink, 2 write",
    "wipe": "9 fsync, 1 link, 1 mkdir, 3 open, 1 rename, 3 rmdir, 4 unlink, 2 write",
    "forced": "2 chmod, 14 fsync, 2 link, 1 mkdir, 6 open, 3 rename, 1 rmdir, 1 unlink, 2 utime, 5 write",
    "adopt": "2 chmod, 14 fsync, 2 link, 2 mkdir, 4 open, 3 rename, 1 rmdir, 1 unlink, 2 utime, 4 write",
    "repair": "5 fsync, 1 link, 2 mkdir, 2 open, 1 rename, 1 rmdir",
    "snapshot": "15 fsync, 2 link, 6 mkdir, 1 open, 1 rename, 1 rmdir, 1 write",
}
