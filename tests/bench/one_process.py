"""One process measured: ``python -I -S one_process.py COMMAND...`` prints its figures as JSON.

A process of its own, and a small one: what a child holds at its peak counts from what its parent held.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time


def main() -> None:
    """Run the command, and say what it and those that it waited for have used."""
    began = time.perf_counter()
    process = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(process.returncode % 256)  # what it said of it is the last that is said
    kibi = 1 if sys.platform == "darwin" else 1024  # the unit of ru_maxrss
    figure = {"wall": wall, "cpu": usage.ru_utime + usage.ru_stime, "peak_bytes": usage.ru_maxrss * kibi}
    print(json.dumps(figure))


if __name__ == "__main__":
    main()
