"""What is drawn: glyphs, colours, columns, sizes and times, for the terminal that there is.

Knows streams and widths. Knows nothing of commands.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stdout, suppress
from datetime import datetime
from typing import IO, Any, Final, Literal

import click

from lakehouse.printable import printable, unsteering

__all__ = [
    "GLYPHS",
    "Screen",
    "align",
    "aside",
    "cell",
    "duration",
    "emit",
    "joined",
    "plural",
    "size",
    "stamp",
    "wrapped",
]

GLYPHS: Final = {
    "fresh": ("●", "#", "green"),
    "empty": ("○", "o", "green"),
    "stale": ("◐", "~", "yellow"),
    "missing": ("·", ".", "bright_black"),
    "failed": ("✗", "x", "red"),
    "unrecorded": ("?", "?", "magenta"),
    "orphaned": ("?", "?", "magenta"),
    "running": ("▸", ">", "cyan"),
    "ok": ("✓", "+", "green"),
    "same": ("=", "=", "green"),
}
_NARROW: Final = frozenset(sign[0] for sign in GLYPHS.values()) | {"…"}
_MAX_CELL: Final = 40
_GAP: Final = "   "


class Screen:
    """The terminal, or whatever stands in its place.

    Attributes:
        is_unicode: whether stdout takes more than ASCII.
        width: columns; 80 where nobody tells.
        out_colour, err_colour: whether each stream is coloured.
        is_quiet: whether notes and progress are left out.
    """

    def __init__(
        self, *, is_unicode: bool, width: int, out_colour: bool, err_colour: bool, is_quiet: bool = False
    ) -> None:
        self.is_unicode, self.width, self.is_quiet = is_unicode, width, is_quiet
        self.out_colour, self.err_colour = out_colour, err_colour
        self._painted: set[str] = set()

    @classmethod
    def standard(cls, colour: Literal["auto", "always", "never"] = "auto", *, quiet: bool = False) -> Screen:
        """The standard streams, as the environment describes them."""
        return cls(
            is_unicode=_is_unicode(sys.stdout),
            width=shutil.get_terminal_size((80, 24)).columns,
            out_colour=_is_coloured(colour, sys.stdout),
            err_colour=_is_coloured(colour, sys.stderr),
            is_quiet=quiet,
        )

    def paint(self, text: str, colour: str | None, *, bold: bool = False, to: Literal["out", "err"] = "out") -> str:
        """Text in a colour, where the stream is coloured."""
        if not (self.out_colour if to == "out" else self.err_colour):
            return text
        painted = click.style(printable(text), fg=colour, bold=bold or None)
        self._painted.add(painted)
        return painted

    def glyph(self, name: str, *, to: Literal["out", "err"] = "out") -> str:
        """The sign of a state or a result; ASCII where the stream takes no more."""
        unicode, ascii_sign, colour = GLYPHS[name]
        return self.paint(unicode if self.is_unicode else ascii_sign, colour, to=to)

    def say(self, text: str = "") -> None:
        """A line of the result, on stdout."""
        click.echo(self.fitted(text), color=self.out_colour)

    def note(self, text: str) -> None:
        """Lines beside the result, on stderr; nothing stops because nobody reads them, or nobody can."""
        with suppress(OSError):
            click.echo("\n".join(map(self.fitted, text.split("\n"))), err=True, color=self.err_colour)

    def fitted(self, text: str) -> str:
        """One line as the stream takes it: what was painted, and otherwise nothing that steers a terminal.

        In ASCII, where the stream takes no more.
        """
        shown = text if text.isprintable() else self._plain(text)
        return shown if shown.isascii() or self.is_unicode else _ascii(shown)

    def _plain(self, text: str) -> str:
        """The text without control characters, but for what this screen itself has painted."""
        if "\x1b" not in text or not self._painted:
            return printable(text)
        own = "|".join(map(re.escape, sorted(self._painted, key=len, reverse=True)))
        pieces = re.split(f"({own})", text)
        return "".join(piece if place % 2 else printable(piece) for place, piece in enumerate(pieces))


def _ascii(text: str) -> str:
    return text.replace("…", "...").encode("ascii", "replace").decode()


def emit(content: Mapping[str, Any], out: IO[str] | None = None) -> None:
    """One JSON object on a line of stdout; nothing stops because nobody reads it."""
    out = out or sys.stdout
    try:
        click.echo(unsteering(json.dumps(content, ensure_ascii=False, default=str)), file=out)
    except BrokenPipeError:
        discard(out)


def discard(out: IO[str]) -> None:
    """Let whatever goes to a stream go nowhere: Python must not try to flush, at its end, what nobody wants."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, out.fileno())
    os.close(nowhere)


@contextmanager
def reading_on() -> Iterator[None]:
    """End the block, and nothing else, where nobody reads on: the exit code still tells what came of a run."""
    try:
        yield
    except BrokenPipeError:
        discard(sys.stdout)


def _is_unicode(stream: Any) -> bool:
    """Whether a stream takes more than ASCII: not where its locale is C, for which Python takes UTF-8 regardless."""
    encoding = (getattr(stream, "encoding", None) or "ascii").lower().replace("-", "")
    named = [os.environ.get(name, "") for name in ("LC_ALL", "LC_CTYPE", "LANG")]
    if named[1].upper() in ("C.UTF-8", "C.UTF8"):  # Python itself sets it where LANG is C
        del named[1]
    locale = next((name for name in named if name), "")
    return encoding.startswith("utf") and locale not in ("C", "POSIX")


@contextmanager
def aside() -> Iterator[None]:
    """Whatever the user's own code prints meanwhile goes to stderr: stdout is for results."""
    with redirect_stdout(sys.stderr):
        yield


def _is_coloured(colour: Literal["auto", "always", "never"], stream: Any) -> bool:
    if colour != "auto":
        return colour == "always"
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return bool(stream.isatty()) and os.environ.get("TERM") != "dumb"


def cell(value: object) -> str:
    """One value as it is shown in a table: on one line, without control characters, 40 wide at most."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    return printable(value if isinstance(value, str) else str(value), _MAX_CELL)


def align(rows: Sequence[Sequence[str]], *, right: Sequence[bool], width: int, indent: str = "  ") -> list[str]:
    """Rows as lines of aligned columns; columns that do not fit the width are left out, and counted in the first.

    Args:
        rows: cells; every row has as many.
        right: whether a column is aligned to the right.
        width: of the terminal.
        indent: before each line.
    """
    widths = [max(_width(row[column]) for row in rows) for column in range(len(right))]
    shown, used = 0, len(indent)
    while shown < len(widths) and (shown == 0 or used + widths[shown] <= width):
        used += widths[shown] + len(_GAP)
        shown += 1
    lines = []
    for row in rows:
        cells = [_pad(text, widths[i], right=right[i]) for i, text in enumerate(row[:shown])]
        lines.append((indent + _GAP.join(cells)).rstrip())
    if shown < len(widths):
        lines.append(f"{indent}… and {plural(len(widths) - shown, 'more column')}")
    return lines


def _pad(text: str, width: int, *, right: bool) -> str:
    fill = " " * (width - _width(text))
    return fill + text if right else text + fill


def _width(text: str) -> int:
    text = click.unstyle(text)
    if text.isascii() or all(char in _NARROW for char in text if not char.isascii()):
        return len(text)
    from rich.cells import cell_len  # wide and combining characters are its business

    return cell_len(text)


def plural(count: int, noun: str, figures: int = 0) -> str:
    """``1 row``, ``2 rows``, ``12 345 rows``; the number in at least so many figures."""
    number = f"{count:,}".replace(",", " ") if count >= 10_000 else str(count)  # noqa: PLR2004
    return f"{number:>{figures}} {noun}{'' if count == 1 else 's'}"


def size(size_bytes: int) -> str:
    """``976 B``, ``1.2 kB``, ``34 MB``: powers of 1000."""
    amount, unit = float(size_bytes), "B"
    for larger in ("kB", "MB", "GB", "TB"):
        if amount < 1000:  # noqa: PLR2004
            break
        amount, unit = amount / 1000, larger
    return f"{amount:.0f} {unit}" if unit == "B" or amount >= 10 else f"{amount:.1f} {unit}"  # noqa: PLR2004


def duration(seconds: float) -> str:
    """``0.03s``, ``12.4s``, ``3m 20s``."""
    if seconds < 10:  # noqa: PLR2004
        return f"{seconds:.2f}s"
    if seconds < 60:  # noqa: PLR2004
        return f"{seconds:.1f}s"
    return f"{seconds // 60:.0f}m {seconds % 60:.0f}s"


def stamp(moment: datetime) -> str:
    """An instant in local time, to the minute."""
    return moment.astimezone().strftime("%Y-%m-%d %H:%M")


def joined(items: Iterable[str]) -> str:
    """Parts of a line, three spaces apart."""
    return _GAP.join(item for item in items if item)


def wrapped(items: Sequence[str], *, width: int, indent: str = "") -> list[str]:
    """Parts as lines, three spaces apart, as many a line as fit."""
    lines: list[list[str]] = [[]]
    for item in items:
        if lines[-1] and _width(indent + joined([*lines[-1], item])) > width:
            lines.append([])
        lines[-1].append(item)
    return [indent + joined(line) for line in lines]
