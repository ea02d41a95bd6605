"""Who is at work, for the log: the user, the host and the command.

Knows the process that it runs in. Knows nothing of lakes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

__all__ = ["author"]


def author(command: str = "") -> dict[str, str]:
    """The user, the host and the command; where none is given, the name of the script."""
    return {"user": _user(), "host": os.uname().nodename, "command": command or Path(sys.argv[0]).name}


def _user() -> str:
    """What getpass would say; to import that is to load what drives terminals, which takes a millisecond."""
    if told := next(filter(None, map(os.environ.get, ("LOGNAME", "USER", "LNAME", "USERNAME"))), None):
        return told
    import pwd  # only where the environment does not tell

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run under a number that has no name
        return str(os.getuid())
