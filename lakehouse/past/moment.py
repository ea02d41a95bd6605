"""A lake as it was: what a person writes for a moment, and the state that each asset had then.

Knows that an instant is one for all assets, and that a commit of one is an instant for the others. Refuses to read
rows, and to tell what was where the bytes are no longer kept.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from msgspec import Struct, field

from lakehouse.assets import Asset, Source, View
from lakehouse.errors import RequestError
from lakehouse.fold import Fold
from lakehouse.log import Log, instant_of
from lakehouse.past.lookback import require_kept
from lakehouse.survey import Survey, require_same_keys

__all__ = ["Past"]

_COMMIT_OF: Final = re.compile(r"([a-z][a-z0-9_]*):([0-9]+)", re.ASCII)


class Past(Struct, eq=False):
    """A lake at a moment.

    Attributes:
        survey: the lake as it is now.
        when: an ISO instant or a datetime; or a commit: ``monthly_orders:3``, or its number in a lake of one asset.
    """

    survey: Survey
    when: str | int | datetime
    _instant: datetime | None = None
    _pinned: dict[str, int] = field(default_factory=dict)
    _folds: dict[str, Fold] = field(default_factory=dict)

    def __post_init__(self) -> None:
        match = _COMMIT_OF.fullmatch(self.when) if isinstance(self.when, str) else None
        if match is not None:
            self._pin(self.survey.graph.asset(match[1]).name, int(match[2]))
        elif isinstance(self.when, int) or (isinstance(self.when, str) and self.when.isdecimal()):
            self._pin(self._only().name, int(self.when))
        else:
            self._instant = instant_of(self.when)

    def _only(self) -> Asset:
        """The asset that a commit is of, if that needs no saying."""
        assets = self.survey.graph.assets()
        if len(assets) != 1:
            examples = [f"{asset.name}:{self.when}" for asset in assets[:1]]
            raise RequestError(
                f"commit {self.when} is of no one asset: each has its own",
                code="as-of-ambiguous",
                help=f"say of which, or name an instant: {', '.join([*examples, '2026-11-20T09:12'])}",
            )
        return assets[0]

    def _pin(self, asset: str, number: int) -> None:
        log = self.survey.log(asset)
        self._pinned[asset] = log.position(number)
        if number == 0:
            raise RequestError(f"{asset} has no commit 0", help="its first commit is 1")
        self._instant = log.commits(number - 1, number)[0].time  # what the others had committed by then

    def fold(self, asset: str) -> Fold:
        """The state of an asset's log at that moment.

        Raises:
            RequestError: the moment cannot be read, or some of the versions of then are no longer kept.
            DefinitionError: the asset's keys meant something else then.
            StorageError: the log cannot be read.
        """
        if asset not in self._folds:
            log = self.survey.log(asset)
            fold = log.read(to=self._position(log))
            require_same_keys(self.survey.graph.asset(asset), fold)
            require_kept(log, fold, [*fold.keys])
            self._folds[asset] = fold
        return self._folds[asset]

    def _position(self, log: Log) -> int:
        if log.asset in self._pinned:
            return self._pinned[log.asset]
        assert self._instant is not None  # noqa: S101  it is one or the other
        return log.position(self._instant)

    def refusal(self, node: Source | View) -> RequestError | None:
        """Why a source, or a view, has no earlier state; None for a view over assets alone, which have one."""
        inputs: Sequence[object] = [node] if isinstance(node, Source) else self.survey.graph.inputs(node.name)
        source = next((item for item in inputs if isinstance(item, Source)), None)
        if source is None:
            return None
        what = "a source" if source is node else f"made of the source {source.name!r}"
        return RequestError(
            f"{node.name!r} is {what}, of which the lake keeps no earlier state",
            code="as-of-source",
            help=f"as of then there are {', '.join(asset.name for asset in self.survey.graph.assets())}",
            context={"name": node.name, "source": source.name},
        )
