"""The sample sources: orders, customers and payments of an invented shop, the same bytes on each run.

Run as ``python -m lakehouse.examples.generate [FOLDER]`` (``data`` by default). Knows nothing of lakes.
"""

from __future__ import annotations

import csv
import random
import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import NamedTuple

from msgspec import Struct

__all__ = ["Customer", "Order", "Payment", "customers", "generate", "orders", "payments"]

_ORDERS_A_MONTH = {1: 437, 2: 291, 3: 562, 4: 388, 5: 743, 6: 626}  # of 2018; uneven, as shops are
_CUSTOMERS = 400
_TODAY = date(2018, 7, 1)

_FIRST_NAMES = (
    *("Ada", "Bela", "Carlo", "Dilan", "Emeka", "Fiona", "Goran", "Hana", "Imre", "Joana", "Kofi", "Lena"),
    *("Marek", "Nadia", "Otto", "Priya", "Quinn", "Rosa", "Samir", "Tove", "Uma", "Vera", "Wen", "Yara"),
    *("Zoë", "Søren", "Jiří", "Łucja"),
)
_LAST_NAMES = (
    *("Abernall", "Brookwick", "Castelmar", "Dunfold", "Eastlore", "Fennimar", "Garrowby", "Hollins-Ray"),
    *("Ivermoor", "Jarnwell", "Kestrova", "Lindqvall", "Merrowen", "Nakatori", "O'Tarrell", "Pemberlot"),
    *("Quillfeather", "Rosenthorn", "Silvanto", "Tamburic", "Umberfield", "Vandermoss", "Wexcombe", "Yardale"),
    *("Müllerin", "Ñandual", "Åkerdal", "Öztepe"),
)

_REGIONS = {"eu": 0.5, "us": 0.35, "apac": 0.15}
_PAYMENT_METHODS = {"credit_card": 0.62, "bank_transfer": 0.24, "gift_card": 0.08, "coupon": 0.06}
_PAID = {"never": 0.02, "once": 0.83, "twice": 0.15}
# What has become of an order, by its age in days: the young ones are still on their way.
_STATUSES_BY_AGE = (
    (31, {"placed": 0.52, "shipped": 0.31, "completed": 0.12, "return_pending": 0.05}),
    (62, {"placed": 0.21, "shipped": 0.42, "completed": 0.27, "return_pending": 0.07, "returned": 0.03}),
    (999, {"shipped": 0.03, "completed": 0.86, "return_pending": 0.03, "returned": 0.08}),
)


class Customer(NamedTuple):
    """One row of ``raw_customers.csv``."""

    id: int
    first_name: str
    last_name: str
    region: str


class Order(NamedTuple):
    """One row of ``raw_orders.csv``."""

    id: int
    user_id: int
    order_date: date
    status: str


class Payment(NamedTuple):
    """One row of ``raw_payments.csv``; ``amount`` is in cents."""

    id: int
    order_id: int
    payment_method: str
    amount: int


class _Dice(Struct, frozen=True):
    """Draws made of ``random()`` alone, the one method whose sequence Python promises to keep."""

    rng: random.Random

    def below(self, end: int) -> int:
        return int(self.rng.random() * end)

    def low(self, end: int) -> int:
        """Below ``end`` and mostly far below: multiplied, not raised, as ``pow`` may round as it likes."""
        point = self.rng.random()
        return int(point * point * end)

    def one_of(self, values: Sequence[str]) -> str:
        return values[self.below(len(values))]

    def weighted(self, shares: dict[str, float]) -> str:
        point = self.rng.random()
        for value, share in shares.items():
            point -= share
            if point < 0:
                return value
        return next(reversed(shares))  # the shares' sum may fall short of 1 by a rounding


def _dice(seed: int) -> _Dice:
    return _Dice(random.Random(seed))  # noqa: S311  repeatable is the point


def customers() -> Iterator[Customer]:
    """Every customer, by id."""
    dice = _dice(11)
    for number in range(1, _CUSTOMERS + 1):
        yield Customer(number, dice.one_of(_FIRST_NAMES), dice.one_of(_LAST_NAMES), dice.weighted(_REGIONS))


def orders() -> Iterator[Order]:
    """Every order, by id; ids follow the dates but for a few days, as orders are entered late now and then."""
    dice = _dice(12)
    entered: list[tuple[float, date]] = []
    for month, count in _ORDERS_A_MONTH.items():
        first = date(2018, month, 1)
        length_days = (date(2018, month + 1, 1) - first).days
        for _ in range(count):
            day = first + timedelta(days=dice.below(length_days))
            entered.append((day.toordinal() + 4 * dice.rng.random(), day))
    for number, (_, day) in enumerate(sorted(entered), start=1):
        yield Order(number, 1 + dice.low(_CUSTOMERS), day, _status(dice, age_days=(_TODAY - day).days))


def _status(dice: _Dice, *, age_days: int) -> str:
    return dice.weighted(next(shares for limit, shares in _STATUSES_BY_AGE if age_days < limit))


def payments(paid_for: Iterable[Order]) -> Iterator[Payment]:
    """The payments of some orders: one or two each, and none for a few."""
    dice = _dice(13)
    number = 0
    for order in paid_for:
        total_cents = 250 + dice.low(9_000)
        part_cents = 50 + dice.below(total_cents - 100)
        amounts = {"never": [], "once": [total_cents], "twice": [part_cents, total_cents - part_cents]}
        for amount in amounts[dice.weighted(_PAID)]:
            number += 1
            yield Payment(number, order.id, dice.weighted(_PAYMENT_METHODS), amount)


def generate(folder: Path) -> list[Path]:
    """Write the three files into ``folder``, made if need be; what was there is replaced. Gives their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    placed = list(orders())
    return [
        _write(folder / "raw_orders.csv", Order._fields, placed),
        _write(folder / "raw_customers.csv", Customer._fields, customers()),
        _write(folder / "raw_payments.csv", Payment._fields, payments(placed)),
    ]


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[object]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
    return path


if __name__ == "__main__":
    generate(Path(sys.argv[1] if len(sys.argv) > 1 else "data"))
