"""What a reader is given and what it gives back: tables of a lake, with the rows that were put in, and answers.

Knows paths and values. Knows no reader.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Protocol

if TYPE_CHECKING:
    import polars as pl

__all__ = ["FOLDER", "GLOB", "SNAPSHOT", "Answer", "Filter", "Form", "How", "Opened", "Reader", "Row", "Table"]

Row = dict[str, Any]
Form = Literal["folder", "glob", "snapshot"]
How = Literal["default", "pinned", "coping"]
"""By the reader's own guesses; partition columns pinned to their types; told what the columns are to be."""
Filter = tuple[str, Literal["==", ">="], Any]

FOLDER: Final[Form] = "folder"
GLOB: Final[Form] = "glob"
SNAPSHOT: Final[Form] = "snapshot"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """One asset of a lake, made.

    Attributes:
        folder: its folder, under the lake's root.
        keys: its partition columns, in the order of the folders, with their types: text, or what a frame had.
        schema: its other columns with their types, as the contract has them.
        rows: what was put in.
        file_count: how many partitions it has.
        snapshot: its folder in a snapshot.
        refusal: why it is in none.
    """

    folder: Path
    keys: Mapping[str, pl.DataType]
    schema: Mapping[str, pl.DataType]
    rows: Sequence[Row]
    file_count: int
    snapshot: Path = Path()
    refusal: str = ""

    @property
    def columns(self) -> tuple[str, ...]:
        """Its partition columns, in the order of the folders."""
        return tuple(self.keys)

    @property
    def glob(self) -> str:
        """The pattern of exactly its files."""
        return f"{self.folder}{'/*' * len(self.columns)}/part.parquet"

    def files(self, form: Form) -> list[str]:
        """Its files, for those who have no patterns of their own."""
        folder = self.snapshot if form == SNAPSHOT else self.folder
        return sorted(str(path) for path in folder.glob(f"{'*/' * len(self.columns)}part.parquet"))

    def path(self, form: Form) -> str:
        """What a reader is given."""
        return {FOLDER: str(self.folder), GLOB: self.glob, SNAPSHOT: str(self.snapshot)}[form]


@dataclass(frozen=True, slots=True)
class Answer:
    """What a reader gives: its own names of the types, by column in its own order, and the rows as Python values."""

    types: Mapping[str, str]
    rows: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Opened:
    """What a reader gives under a filter, and how many data files it read for that, by its own plan."""

    file_count: int
    rows: Sequence[Row]


class Reader(Protocol):
    """One way to read a lake.

    Attributes:
        errors: what it raises where it cannot.
    """

    errors: tuple[type[BaseException], ...]

    def bare(self, table: Table, form: Form) -> Answer:
        """The shortest call that there is, without any option."""

    def read(self, table: Table, form: Form, how: How) -> Answer:
        """All rows."""

    def opened(self, table: Table, form: Form, filters: Sequence[Filter]) -> Opened:
        """The rows under filters on partition columns, which are pinned to their types."""

    def close(self) -> None:
        """Leave nothing behind."""
