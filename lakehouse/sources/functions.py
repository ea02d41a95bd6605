"""A source whose rows a function gives: called once a look, under a version that the function's owner tells.

Knows how its version is asked for and its rows are checked. Refuses to know where the rows come from.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Hashable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct, field

from lakehouse.errors import ComputeError, SourceError
from lakehouse.sources.declared import Source
from lakehouse.sources.now import Spool, require_columns

if TYPE_CHECKING:
    import polars as pl

__all__ = ["FunctionNow"]


class _Given(Struct, frozen=True):
    """What a function gave, with the files that it is read from, and how much memory it may take."""

    frame: pl.LazyFrame
    files: tuple[Path, ...]
    size_bytes: int


class FunctionNow(Struct, frozen=True, eq=False, kw_only=True):
    """A function's rows as they are at one moment; two looks are compared by their `fingerprint`.

    Attributes:
        source: its declaration.
        version: the digest of the version that it was told to have; None: nobody knows.
    """

    source: Source
    version: str | None
    _called: list[_Given] = field(default_factory=list)

    @classmethod
    def look(cls, source: Source) -> FunctionNow:
        """One look: the version is asked for, the rows are not.

        Raises:
            SourceError: the version cannot be told.
        """
        return cls(source=source, version=_version(source))

    @property
    def keys(self) -> tuple[str, ...]:
        """None: it is one whole."""
        return ()

    @property
    def strangers(self) -> tuple[str, ...]:
        """None."""
        return ()

    @property
    def files(self) -> tuple[Path, ...]:
        """None: where its rows come from is its own affair."""
        return ()

    def begin(self) -> None:
        """Look at it, as far as that was not done yet."""
        self.fingerprint()

    @property
    def is_told(self) -> bool:
        """True: it is told when it is looked at."""
        return True

    @property
    def changed(self) -> datetime | None:
        """None: versions have no time."""
        return None

    @property
    def size_bytes(self) -> int:
        """What its rows take, once it was called; of a LazyFrame nobody can tell, and they may not fit in memory."""
        return sum(given.size_bytes for given in self._called)

    @property
    def is_as_it_was(self) -> bool:
        """Whether its version is the same; where nobody knows it, the rows that were given are all there are."""
        try:
            return _version(self.source) == self.version
        except SourceError:
            return False

    def only(self, keys: Iterable[str]) -> FunctionNow:  # noqa: ARG002
        """Itself: it has no keys."""
        return self

    def version_of(self, key: str) -> str | None:  # noqa: ARG002
        """The version of all of it."""
        return self.version

    def version_of_windows(self, spans: Sequence[tuple[datetime, datetime]]) -> str | None:  # noqa: ARG002
        """The version of all of it."""
        return self.version

    def fingerprint(self, keys: Iterable[str] | None = None) -> Hashable:  # noqa: ARG002
        """Its version."""
        return self.version

    def shown(self, path: Path) -> str:  # noqa: ARG002
        """How it is called; it has no files."""
        return self.source.path

    def became(self, now: datetime) -> str:  # noqa: ARG002
        """That its version is another, or that it has none."""
        if self.version is None:
            return f"{self.source.name} has no version, so it may have changed"
        return f"{self.source.name} changed: its version is another"

    def scan(self, spool: Spool | None = None) -> pl.LazyFrame:
        """What the function returns, the declared columns of it; it is called once.

        Args:
            spool: gives the path of a new file for a stream of another engine; without it none is taken.

        Raises:
            SourceError: it raised, or it has other columns or types than were declared.
            ComputeError: it returned no frame.
        """
        for given in self._called:
            if all(path.exists() for path in given.files):  # a file of a run that is over is gone
                return given.frame
        given = self._call(spool)
        self._called[:] = [_Given(self._checked(given.frame), given.files, given.size_bytes)]
        return self._called[0].frame

    def _call(self, spool: Spool | None) -> _Given:
        import polars as pl

        from lakehouse.calls import call, to_frame

        files: list[Path] = []

        def spare() -> Path:
            assert spool is not None  # noqa: S101  whoever reads rows gives one
            files.append(spool())
            return files[-1]

        assert self.source.function is not None  # noqa: S101  it is a function's source
        try:
            result = call(self.source.function, {}, name=self.source.name)
        except ComputeError as error:
            raise _unreadable(self.source, error.message, error.details) from error.__cause__
        frame = to_frame(result, name=self.source.name, spool=spare)
        if isinstance(result, pl.LazyFrame):
            return _Given(frame, (), sys.maxsize)
        in_memory = int(result.estimated_size()) if isinstance(result, pl.DataFrame) else 0
        return _Given(frame, tuple(files), in_memory + sum(path.stat().st_size for path in files))

    def _checked(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """The declared columns, if they are there and of their types."""
        if self.source.schema is None:
            return frame
        from lakehouse.calls import ENGINE_ERRORS, engine_error

        try:
            found = frame.collect_schema()
        except ENGINE_ERRORS as error:
            fault = engine_error(error, self.source.name)
            raise _unreadable(self.source, fault.message, fault.details) from error
        require_columns(self.source, self.source.path, found, self.source.schema, f"{self.source.name} declares")
        return frame.select(list(self.source.schema))

    def fault(self) -> SourceError | None:
        """None: what it gave was checked when it gave it."""
        return None


def _version(source: Source) -> str | None:
    """The digest of the version that a source's owner tells; None: nobody knows."""
    told: object = source.version
    if callable(told):
        try:
            told = told()
        except (Exception, SystemExit) as error:
            from lakehouse.calls import engine_error

            fault = engine_error(error, source.name)
            what = fault.message.removeprefix(f"{source.name}: ")
            raise _unreadable(source, f"{source.name}: its version cannot be told: {what}", fault.details) from error
    if told is None:
        return None
    if not isinstance(told, str):
        what = f"{source.name}: its version is {type(told).__name__}, not a text ({source.where})"
        raise _unreadable(source, what, (), "return a str, or None where it is not known")
    return hashlib.sha256(told.encode(errors="surrogatepass")).hexdigest()


def _unreadable(source: Source, message: str, details: Sequence[str], cure: str | None = None) -> SourceError:
    context = {"source": source.name, "path": source.path}
    return SourceError(message, code="source-unreadable", details=details, help=cure, context=context)
