"""What is asked of every reader, and what the best answer is.

Knows cells: the outcome of one question, by its label. Knows no reader.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from interop.columns import WRITTEN
from interop.judging import WORKS, attempted, brief, compared, compared_column, compared_rows
from interop.keys import HARD
from interop.lakes import CHANGES, KINDS, ORDERS, SHOPS, change_name
from interop.tables import SNAPSHOT, Filter, Form, How, Reader, Row, Table

__all__ = ["CASES", "TYPED", "Case", "Cells"]

Tables = Mapping[str, Table]
Cells = dict[str, str]

TYPED: Final = "a reader's own type"
"""The best answer where it is not the same for all."""

_ROWS: Final = {
    "months": "months",
    "regions × months": "regions",
    "the first month empty": "first_empty",
    "the last month empty": "last_empty",
    "all months empty": "all_empty",
}
_FILTERS: Final[Mapping[str, tuple[str, Sequence[Filter], str]]] = {
    "one month": ("months", [("key", "==", "2018-03")], "1 of 4"),
    "from a month on": ("months", [("key", ">=", "2018-03")], "2 of 4"),
    "one month of every region": ("regions", [("month", "==", "2018-02")], "2 of 6"),
    "one region, from a month on": ("regions", [("region", "==", "eu"), ("month", ">=", "2018-02")], "2 of 6"),
    "one day": ("days", [("key", "==", "2018-02-02")], "1 of 3"),
    "from a year on": ("years", [("key", ">=", "2018")], "2 of 3"),
    "the code 01": ("codes", [("key", "==", "01")], "1 of 3"),
    "shop -7": ("shops", [("shop", "==", -7)], "2 of 7"),
    "from shop 9 on": ("shops", [("shop", ">=", 9)], "3 of 7"),
    "one region, from a day on": ("shops", [("region", "==", "eu"), ("day", ">=", date(1970, 1, 1))], "3 of 7"),
    "all three": (
        "shops",
        [("region", "==", "south east"), ("day", "==", date(2018, 2, 2)), ("shop", "==", -(2**63))],
        "1 of 7",
    ),
}
_KEYS: Final = {kind: (kind, "key") for kind in KINDS} | {f"shops: {column}": ("shops", column) for column in SHOPS}
_PINNED: Final = (*KINDS, "shops")


@dataclass(frozen=True, slots=True)
class Case:
    """Questions of one kind.

    Attributes:
        run: asks them of one reader; one outcome a label.
        best: by label, what the outcome is where all is well.
    """

    run: Callable[[Reader, Form, Tables], Cells]
    best: Mapping[str, str]


def _bare(reader: Reader, form: Form, tables: Tables) -> Cells:
    table = tables["months"]
    return {"months": attempted(lambda: compared(reader.bare(table, form), table), reader.errors)}


def _rows(reader: Reader, form: Form, tables: Tables) -> Cells:
    cells = {}
    for label, name in _ROWS.items():
        outcomes = [_whole(reader, form, tables[name], how) for how in ("default", "pinned")]
        cells[label] = "; ".join(dict.fromkeys(outcomes))
    return cells


def _whole(reader: Reader, form: Form, table: Table, how: How) -> str:
    return (
        table.refusal
        if form == SNAPSHOT and table.refusal
        else attempted(lambda: compared(reader.read(table, form, how), table), reader.errors)
    )


def _guessed(reader: Reader, form: Form, tables: Tables) -> Cells:
    def of(table: Table, column: str) -> str:
        answer = reader.read(table, form, "default")
        found = {str(row[column]) for row in answer.rows}
        put = {str(row[column]) for row in table.rows}
        gone, come = sorted(put - found), sorted(found - put)
        return answer.types[column] + (f"; {come[0]} for '{gone[0]}'" if gone else "")

    return {
        label: attempted(lambda name=name, column=column: of(tables[name], column), reader.errors)
        for label, (name, column) in _KEYS.items()
    }


def _pinned(reader: Reader, form: Form, tables: Tables) -> Cells:
    return {kind: _whole(reader, form, tables[kind], "pinned") for kind in _PINNED}


def _filters(reader: Reader, form: Form, tables: Tables) -> Cells:
    def of(table: Table, filters: Sequence[Filter]) -> str:
        opened = reader.opened(table, form, filters)
        wanted = [row for row in table.rows if all(_passes(row, item) for item in filters)]
        outcome = compared_rows(opened.rows, wanted, [*table.schema, *table.columns])
        counted = f"{opened.file_count} of {table.file_count}"
        return counted if outcome == WORKS else f"{counted}; {outcome}"

    return {
        label: attempted(lambda name=name, filters=filters: of(tables[name], filters), reader.errors)
        for label, (name, filters, _) in _FILTERS.items()
    }


def _passes(row: Row, item: Filter) -> bool:
    column, sign, value = item
    return bool(row[column] == value if sign == "==" else row[column] >= value)


def _hard(reader: Reader, form: Form, tables: Tables) -> Cells:
    table = tables["hard_keys"]
    cells = {"all at once": _whole(reader, form, table, "pinned")}
    wrong: dict[str, list[str]] = {}
    for row in table.rows:
        outcome = attempted(lambda row=row: _only(reader, form, table, row), reader.errors)
        if outcome != WORKS:
            # A message names its own key; what counts is the kind of it.
            wrong.setdefault(outcome.partition(":")[0], []).append(row["key"])
    right = len(HARD) - sum(map(len, wrong.values()))
    named = [f"{kind} for {_listed(keys)}" for kind, keys in wrong.items()]
    cells["each by a filter"] = "; ".join([f"{right} of {len(HARD)}", *named])
    return cells


def _listed(keys: Sequence[str]) -> str:
    return "each" if len(keys) == len(HARD) else " ".join(map(repr, keys))


def _only(reader: Reader, form: Form, table: Table, wanted: Row) -> str:
    opened = reader.opened(table, form, [("key", "==", wanted["key"])])
    return compared_rows(opened.rows, [wanted], ["n", "key"])


def _columns(reader: Reader, form: Form, tables: Tables) -> Cells:
    table = tables["columns"]
    try:
        answer = reader.read(table, form, "default")
    except reader.errors as error:
        told = brief(error)
    else:
        return {"all at once": WORKS} | {name: compared_column(name, answer, table) for name in WRITTEN}
    cells = {"all at once": told}
    for name in WRITTEN:
        own = tables[f"column_{name}"]
        cells[name] = attempted(
            lambda name=name, own=own: compared_column(name, reader.read(own, form, "default"), own), reader.errors
        )
    return cells


def _names(reader: Reader, form: Form, tables: Tables) -> Cells:
    return {"names": _whole(reader, form, tables["names"], "default")}


def _changes(how: How) -> Callable[[Reader, Form, Tables], Cells]:
    def run(reader: Reader, form: Form, tables: Tables) -> Cells:
        return {
            f"{change}, {order}": _whole(reader, form, tables[change_name(change, order)], how)
            for change in CHANGES
            for order in ORDERS
        }

    return run


_EACH_CHANGE: Final = {f"{change}, {order}": WORKS for change in CHANGES for order in ORDERS}

CASES: Final[Mapping[str, Case]] = {
    "shortest call": Case(_bare, {"months": WORKS}),
    "rows": Case(_rows, dict.fromkeys(_ROWS, WORKS)),
    "keys guessed": Case(_guessed, dict.fromkeys(_KEYS, TYPED)),
    "keys pinned": Case(_pinned, dict.fromkeys(_PINNED, WORKS)),
    "filters": Case(_filters, {label: best for label, (_, _, best) in _FILTERS.items()}),
    "hard keys": Case(_hard, {"all at once": WORKS, "each by a filter": f"{len(HARD)} of {len(HARD)}"}),
    "types": Case(_columns, {"all at once": WORKS} | dict.fromkeys(WRITTEN, TYPED)),
    "column names": Case(_names, {"names": WORKS}),
    "changed": Case(_changes("default"), _EACH_CHANGE),
    "changed, told": Case(_changes("coping"), _EACH_CHANGE),
}
