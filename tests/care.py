"""What the tests of a lake's care share: damage done to files, and copies that share no bytes with the lake."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conftest import Shop

Found = list[tuple[str, str, str]]
JANUARY = "monthly_orders/partition_date=2018-01/part.parquet"
LOG = ".lake/log/monthly_orders"


def flip(file: Path, at: int = 100, mask: int = 1) -> None:
    """Change one byte of a file, as a disk does: size, times and mode stay."""
    status = file.stat()
    data = bytearray(file.read_bytes())
    data[at % len(data)] ^= mask
    file.chmod(0o644)
    with file.open("r+b") as opened:
        opened.write(data)
    file.chmod(status.st_mode)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def copied(shop: Shop, name: str = "copy") -> Shop:
    """A copy of the shop's lake, with its times, in which no two files are the same."""
    shutil.copytree(shop.root, shop.folder / name)
    return shop.again(root=name)


def found(shop: Shop, **options: bool) -> Found:
    """The faults that `verify` finds: kind, key and path; those repaired are left out."""
    return [(fault.kind, fault.key, fault.path) for fault in shop.lake.verify(**options) if not fault.is_mended]


def everything(root: Path) -> dict[str, bytes]:
    """Every file below a folder, with its bytes; but for what can be computed again, and for locks."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in root.rglob("*")
        if path.is_file() and "cache" not in path.parts and path.name != "lock"
    }


def superseded(shop: Shop, key: str = "2018-01") -> str:
    """The path of the version that a key had before."""
    return shop.lake.survey().fold("monthly_orders").key(key).superseded[-1].version.path


def current(shop: Shop, key: str = "2018-01") -> str:
    """The path of the version that a key has."""
    version = shop.lake.survey().fold("monthly_orders").key(key).version
    assert version is not None
    return version.path


def killed(scenario: str, folder: Path) -> int:
    """Kill a command before each of its calls, and look at what it left; how many calls there are."""
    worker = Path(__file__).with_name("care_worker.py")
    command = [sys.executable, str(worker), scenario, str(folder / "killed")]
    done = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    assert "\n".join(done["faults"]) == ""
    return int(done["calls"])
