"""Definitions and sources looked at before anything is made: what would go wrong, with nothing written to the lake.

Knows the questions. The answers are those of the modules that would meet the fault in a run.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

from msgspec import Struct

from lakehouse.assets import PARTITION, Asset, Source, View
from lakehouse.checks.ofsources import SourceChecks
from lakehouse.checks.recheck import keys_to_match, recheck
from lakehouse.errors import AuditError, DefinitionError, LakeError, SourceError
from lakehouse.survey import Survey
from lakehouse.verdicts import Verdicts

if TYPE_CHECKING:
    from lakehouse.checks.judging import Verdict
    from lakehouse.work import Work

__all__ = ["Finding", "validate"]

_FEW: Final = 5


class Finding(Struct, frozen=True, kw_only=True):
    """What was found of one source or asset.

    Attributes:
        subject: its name.
        severity: *ok*, *warning* or *error*.
        message: what was found.
        help: what would mend it; empty where nothing has to be.
        error: the error that a run would meet; None where there is none.
    """

    subject: str
    severity: Literal["ok", "warning", "error"]
    message: str
    help: str = ""
    error: LakeError | None = None


class _Unkept(Verdicts, frozen=True):
    """Verdicts that are not kept: whoever only looks writes nothing into the lake."""

    def keep(self, subject: str, on: str, verdict: object) -> None:
        """Nothing."""


def validate(survey: Survey, *, deep: bool) -> list[Finding]:
    """One finding or more for each source and each asset, sources first.

    Args:
        survey: the lake as it is.
        deep: whether to read every row of the sources, rather than their heads, and to ask the checks: those of
            sources, and of assets about what is published.
    """
    found: list[Finding] = []
    for node in survey.graph.nodes.values():
        if isinstance(node, Source):
            found += _told(node.name, partial(_source, survey, node))
            if deep and node.checks:
                found += _told(node.name, partial(_source_checks, survey, node))
    with tempfile.TemporaryDirectory(prefix="lakehouse-") as folder:
        numbers = count()

        def spool() -> Path:
            return Path(folder) / str(next(numbers))

        for asset in survey.graph.assets():
            found += _told(asset.name, partial(_asset, survey, asset, spool, deep=deep))
            if deep and asset.checks:
                found += _told(asset.name, partial(_published, survey, asset, spool))
    return found


def _told(subject: str, look: Callable[[], Iterator[Finding]]) -> list[Finding]:
    try:
        return [*look()]
    except LakeError as error:
        return [Finding(subject=subject, severity="error", message=error.message, help=error.help or "", error=error)]


def _source(survey: Survey, source: Source) -> Iterator[Finding]:
    from lakehouse.calls import ENGINE_ERRORS, engine_error

    now = survey.sources.now(source.name)
    with tempfile.TemporaryDirectory(prefix="lakehouse-") as folder:
        try:
            columns = now.scan(lambda: Path(folder) / "spool").collect_schema()
        except LakeError:
            raise
        except ENGINE_ERRORS as error:
            raise now.fault() or engine_error(error, source.name) from error
    what = _counted(len(columns), "column")
    if source.partitions is not None:
        what += f", {_counted(len(now.keys), 'key')}"
    yield Finding(subject=source.name, severity="ok", message=what)
    for stranger in now.strangers[:_FEW]:
        yield Finding(subject=source.name, severity="warning", message=f"{stranger} is of no key, and is not read")


def _asset(survey: Survey, asset: Asset, spool: Callable[[], Path], *, deep: bool) -> Iterator[Finding]:
    from lakehouse.audit import contract_for, require_partition_columns

    survey.code(asset)
    fold = survey.fold(asset.name)
    partitions = survey.partitions(asset)
    keys = partitions.keys(survey.time)
    notes: list[str] = []
    if not keys:
        yield Finding(subject=asset.name, severity="warning", message=partitions.extent(survey.time))
        return
    work = _work(survey, asset, keys if deep else keys[-1:], spool, lambda found, _: notes.extend(found))
    arguments = work.arguments(keys[-1:])
    if asset.is_per_key:
        result = work.call({**arguments, PARTITION: partitions.partition(keys[-1])})
    else:
        result = work.call(arguments)
        require_partition_columns(asset, work.columns(result))
    own = {name: dtype for name, dtype in work.columns(result).items() if name not in partitions.columns}
    schema = contract_for(asset, own, fold.schema, may_change=False)
    if deep:
        work.run([])
    what = f"{_counted(len(schema), 'column')}, {_counted(len(keys), 'partition')}"
    yield Finding(subject=asset.name, severity="ok", message=what)
    _require_columns(asset, [*(name for name, _ in schema), *partitions.columns])
    fold.schema = fold.schema or schema  # of what was never made, so that what reads it can be looked at too
    notes += _split(survey, asset)
    for note in notes:
        yield Finding(subject=asset.name, severity="warning", message=note)


def _require_columns(asset: Asset, columns: Sequence[str]) -> None:
    """Nothing, if there are the columns that the ready-made checks name.

    Raises:
        DefinitionError: one is not there.
    """
    for check in asset.checks:
        if lacking := [column for column in check.rule.columns if column not in columns]:
            raise DefinitionError(
                f"{asset.name}: check `{check.name}` names {lacking[0]!r}, which is no column ({check.where})",
                help=f"there are {', '.join(columns)}",
            )


def _source_checks(survey: Survey, source: Source) -> Iterator[Finding]:
    """What the checks of a source say of it."""
    with tempfile.TemporaryDirectory(prefix="lakehouse-") as folder:
        numbers = count()
        checks = SourceChecks(lambda: Path(folder) / str(next(numbers)))
        for judged in checks.of(survey.sources.now(source.name)):
            yield from _failed(source.name, judged.key, judged.verdicts, SourceError)


def _published(survey: Survey, asset: Asset, spool: Callable[[], Path]) -> Iterator[Finding]:
    """What the checks of an asset say of what is published."""
    matched = keys_to_match(survey, asset)
    frames = _work(survey, asset, matched, spool, lambda *_: None).frames if matched else None
    for key, verdicts in recheck(survey, asset, matched, frames):
        if isinstance(verdicts, LakeError):
            message, cure = verdicts.message, verdicts.help or ""
            yield Finding(subject=asset.name, severity="error", message=message, help=cure, error=verdicts)
        else:
            yield from _failed(asset.name, key if asset.partitions.columns else "", verdicts, AuditError)


def _failed(
    subject: str, key: str, verdicts: Sequence[Verdict], kind: type[AuditError | SourceError]
) -> Iterator[Finding]:
    """A finding for each check that failed."""
    for verdict in (verdict for verdict in verdicts if not verdict.passed):
        what = verdict.message if verdict.is_fault else f"failed: {verdict.message}"
        message = f"{key}{': ' if key else ''}check `{verdict.check.name}` {what}"
        context = {"of": subject, "key": key, "check": verdict.check.name}
        code = "source-check-failed" if kind is SourceError else "check-failed"
        error = kind(message, code=code, details=verdict.details, context=context)
        severity: Literal["error", "warning"] = "error" if verdict.is_blocking else "warning"
        yield Finding(
            subject=subject, severity=severity, message=message, error=error if verdict.is_blocking else None
        )


def _split(survey: Survey, asset: Asset) -> Iterator[str]:
    """What is to be said of upstream windows that several keys read."""
    for name in asset.reads:
        node = survey.graph.node(name)
        if isinstance(node, View) or node.time is not None:
            continue
        if (link := survey.inputs.link(asset, node)) is not None and link.splits_windows:
            mine, theirs = link.reader.time, link.upstream.time
            assert mine is not None and theirs is not None  # noqa: S101, PT018  the link says so
            yield (
                f"a {theirs.unit} of {name} may lie in several {mine.unit}s, each of which reads all of it; "
                f"to cut its rows, declare {name} with the column that tells their time (time=)"
            )


def _work(
    survey: Survey,
    asset: Asset,
    keys: Sequence[str],
    spool: Callable[[], Path],
    on_facts: Callable[[Sequence[str], object], None],
) -> Work:
    from lakehouse.measure import frames_of
    from lakehouse.work import Work

    return Work(
        asset=asset,
        partitions=survey.partitions(asset),
        frames=frames_of(survey, asset, keys, spool),
        contract=survey.fold(asset.name).schema,
        may_change=False,
        verdicts=_Unkept(survey.disk, asset.name),
        code=survey.code(asset).digest,
        on_facts=on_facts,
        spool=spool,
    )


def _counted(count: int, what: str) -> str:
    return f"{count} {what}" if count == 1 else f"{count} {what}s"
