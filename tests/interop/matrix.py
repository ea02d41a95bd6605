"""Every reader over every lake, and the page of what each of them does: ``python tests/interop/matrix.py``.

The page is written where every reader did what `outcomes.toml` says. It takes about a minute, and needs Java.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs/readers.md"


def main() -> int:
    """Run them, write the page, look whether it is one, and give the exit code of the first that failed."""
    sys.path.insert(0, str(TESTS))
    from interop.page import installed, page

    interop = str(TESTS / "interop")
    if code := _pytest(interop, "--ignore-glob=*/test_page.py"):
        return code
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(page(installed()), encoding="utf-8")
    return _pytest(f"{interop}/test_page.py")


def _pytest(*args: str) -> int:
    command = [sys.executable, "-m", "pytest", "-q", *args]
    return subprocess.run(command, cwd=TESTS.parent, env={**os.environ, "CI": "true"}, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
