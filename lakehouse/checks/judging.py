"""Checks carried out on the rows of one partition, all of them in one query where nothing fails.

Knows what rules mean and what to say of the rows that break them. Refuses to know where rows come from.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import polars as pl
from msgspec import Struct, field

from lakehouse.calls import ENGINE_ERRORS, call, engine_error
from lakehouse.checks.clauses import MISUSED, Clause, clauses_of, written_clause
from lakehouse.checks.declared import Check, CheckResult, Matches, RowCount, Unique, Written
from lakehouse.checks.failing import MOST_ROWS, MOST_VALUES, kept_rows, plain, said
from lakehouse.checks.reconciling import Tallies, Tally, differences
from lakehouse.errors import AuditError, ComputeError, LakeError, StorageError
from lakehouse.printable import printable

if TYPE_CHECKING:
    from lakehouse.assets import Asset
    from lakehouse.partitions.dimension import Partition

__all__ = ["Rows", "Verdict", "judge", "judge_file", "refusal"]

_MAX_MESSAGE: Final = 400


class Rows(Struct, frozen=True, kw_only=True):
    """What is judged.

    Attributes:
        frame: the rows.
        partition: their key, for checks that ask for it; None: they are of a source.
        constant: columns that are the same in all rows, and not worth showing.
        tallies: by check, the figures of an upstream; a check that has none is not asked.
        fault: tells whether an error is that of the data themselves, rather than of a check.
    """

    frame: pl.LazyFrame
    partition: Partition | None = None
    constant: Sequence[str] = ()
    tallies: Mapping[str, Tally | LakeError] = field(default_factory=dict)
    fault: Callable[[BaseException], LakeError | None] = lambda _: None


class Verdict(Struct, frozen=True, kw_only=True):
    """What came of one check.

    Attributes:
        check: which.
        passed: whether the rows are as it wants them; one that raised has not passed.
        message: why not, in one line; of one that passed, what its function said, if anything.
        metadata: facts for machines; of rows that fail how many, of how many, and the first ten.
        is_fault: whether the check itself is at fault.
        details: the lines of the user's code that led there.
    """

    check: Check
    passed: bool
    message: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    is_fault: bool = False
    details: tuple[str, ...] = ()

    @property
    def is_blocking(self) -> bool:
        """Whether what was judged is not to be published."""
        return not self.passed and self.check.severity == "error"

    def to_json(self) -> dict[str, Any]:
        """The verdict as the log keeps it."""
        return {
            "name": self.check.name,
            "severity": self.check.severity,
            "passed": self.passed,
            "message": self.message,
            "metadata": dict(self.metadata),
        }


def judge(checks: Iterable[Check], rows: Rows) -> list[Verdict]:
    """What each of some checks says of some rows; those that cannot be asked of them are left out.

    Raises:
        LakeError: the rows cannot be read.
    """
    wanted = [check for check in checks if not isinstance(check.rule, Matches) or check.name in rows.tallies]
    told: dict[str, Verdict] = {}
    clauses: dict[str, list[Clause]] = {}
    by_name = {check.name: check for check in wanted}
    for check in wanted:
        with _asked(check, rows, told):
            answer = _answer(check, rows)
            if isinstance(answer, Verdict):
                told[check.name] = answer
            else:
                clauses[check.name] = answer
    row_count, counts = _counted(by_name, clauses, rows, told)
    for name, found in counts.items():
        with _asked(by_name[name], rows, told):
            told[name] = _verdict(by_name[name], clauses[name], found, row_count, rows)
    return [told[check.name] for check in wanted]


@contextmanager
def _asked(check: Check, rows: Rows, told: dict[str, Verdict]) -> Iterator[None]:
    """A block in which one check is asked: what it raises is its verdict, unless data or disk are at fault."""
    try:
        yield
    except StorageError:
        raise
    except ENGINE_ERRORS as error:
        if (fault := rows.fault(error)) is not None:
            raise fault from error
        found = error if isinstance(error, LakeError) else engine_error(error, check.name)
        if isinstance(found, StorageError):
            raise found from error
        message = found.message.removeprefix(f"{check.name}: ")
        is_named = any(Path(check.where.filename).name in line for line in found.details)
        told[check.name] = Verdict(
            check=check,
            passed=False,
            message=printable(message if found.code == MISUSED else f"raised {message}", _MAX_MESSAGE),
            is_fault=True,
            details=found.details if is_named else (*found.details, f"declared at {check.where}"),
        )


def judge_file(asset: Asset, partition: Partition, file: Path, tallies: Tallies | None) -> list[Verdict]:
    """What the checks of an asset say of the file of one of its partitions.

    Args:
        asset: whose.
        partition: which.
        file: its rows, without the partition columns.
        tallies: the figures of upstreams; None: checks that need them are not asked.

    Raises:
        LakeError: the file cannot be read.
    """
    own = dict(partition.values)
    rows = pl.scan_parquet(file, hive_partitioning=False, glob=False)
    frame = rows.with_columns(pl.lit(value).alias(column) for column, value in own.items())
    told = tallies.of(own) if tallies else {}
    return judge(asset.checks, Rows(frame=frame, partition=partition, constant=tuple(own), tallies=told))


def _answer(check: Check, rows: Rows) -> Verdict | list[Clause]:
    """What a check says at once, or what it has to be told of each row."""
    schema = rows.frame.collect_schema()
    if lacking := [name for name in check.rule.columns if name not in schema]:
        raise ComputeError(
            f"names {lacking[0]!r}, which is no column",
            code=MISUSED,
            details=[f"there are {', '.join(schema)} ({check.where})"],
        )
    match check.rule:
        case Matches():
            tally = rows.tallies[check.name]
            if isinstance(tally, LakeError):
                raise tally
            message, facts = differences(check.rule, rows.frame, tally)
            return Verdict(check=check, passed=not message, message=printable(message, _MAX_MESSAGE), metadata=facts)
        case Written():
            return _written(check, check.rule, rows)
    return clauses_of(check.rule, schema)


def _counts(check: Check, rule: RowCount, count: int) -> Verdict:
    if rule.low is not None and count < rule.low:
        bound = f"at least {rule.low}"
    elif rule.high is not None and count > rule.high:
        bound = f"at most {rule.high}"
    else:
        return Verdict(check=check, passed=True)
    return Verdict(check=check, passed=False, message=f"{_rows(count)}, and not {bound}", metadata={"of": count})


def _written(check: Check, rule: Written, rows: Rows) -> Verdict | list[Clause]:
    """What a function of the user's says."""
    key = {"partition": rows.partition} if rule.is_told_key else {}
    answer = call(rule.function, {rule.frame: rows.frame, **key}, name=check.name)
    match answer:
        case bool():
            return Verdict(check=check, passed=answer, message="" if answer else "it returned False")
        case CheckResult(bool() as passed, message, metadata):
            said_why = printable(str(message), _MAX_MESSAGE) or ("" if passed else "it did not pass")
            return Verdict(check=check, passed=passed, message=said_why, metadata=plain(metadata))
        case pl.Expr():
            return [written_clause(answer, rows.frame)]
    shown = f"CheckResult(passed={answer.passed!r})" if isinstance(answer, CheckResult) else _kind(answer)
    raise ComputeError(f"returned {shown}, not a bool, an expression or a CheckResult", code=MISUSED)


def _kind(answer: object) -> str:
    return "None" if answer is None else type(answer).__name__


def _counted(
    checks: Mapping[str, Check], clauses: Mapping[str, list[Clause]], rows: Rows, told: dict[str, Verdict]
) -> tuple[int, dict[str, list[tuple[int, int]]]]:
    """How many rows there are; by check, of each clause how many rows it is not true of, and its length."""
    figures = {
        name: [figure for clause in found for figure in (clause.holds.not_().sum(), clause.holds.len())]
        for name, found in clauses.items()
    }
    if not figures:
        return 0, {}
    try:
        return _collected(figures, rows.frame)
    except ENGINE_ERRORS:
        pass
    row_count, counts = 0, dict[str, list[tuple[int, int]]]()
    for name, own in figures.items():  # one by one, to tell whose fault it is
        with _asked(checks[name], rows, told):
            row_count, found = _collected({name: own}, rows.frame)
            counts |= found
    return row_count, counts


def _collected(
    figures: Mapping[str, list[pl.Expr]], frame: pl.LazyFrame
) -> tuple[int, dict[str, list[tuple[int, int]]]]:
    every = [figure for own in figures.values() for figure in own]
    numbered = [figure.alias(str(number)) for number, figure in enumerate(every)]
    row_count, *numbers = frame.select(pl.len().alias("rows"), *numbered).collect(engine="streaming").row(0)
    pairs = iter(zip(numbers[::2], numbers[1::2], strict=True))
    return row_count, {name: [next(pairs) for _ in own[::2]] for name, own in figures.items()}


def _verdict(
    check: Check, clauses: Sequence[Clause], counts: Sequence[tuple[int, int]], row_count: int, rows: Rows
) -> Verdict:
    """What the numbers say, with the first rows of those that fail."""
    if isinstance(check.rule, RowCount):
        return _counts(check, check.rule, row_count)
    for _, length in counts:
        if length not in (1, row_count):
            what = f"returned an expression of {length} values for {_rows(row_count)}: it takes one for each, or one"
            raise ComputeError(what, code=MISUSED)
    broken = [(clause, failing) for clause, (failing, _) in zip(clauses, counts, strict=True) if failing]
    if not broken:
        return Verdict(check=check, passed=True)
    if any(length == 1 != row_count for _, length in counts):
        return Verdict(check=check, passed=False, message=f"it does not hold of the {_rows(row_count)}")
    columns = list(dict.fromkeys(column for clause, _ in broken for column in clause.columns))
    failing = ~pl.all_horizontal([clause.holds.fill_null(value=True) for clause, _ in broken])
    found = rows.frame.filter(failing)
    if isinstance(check.rule, Unique):
        found = found.sort(columns, maintain_order=True)  # so that those stand together that are alike
    sample, total = pl.collect_all([found.head(MOST_ROWS), found.select(pl.len())], engine="streaming")
    facts = [f"{_told(clause, rows.frame)} in {count} of {_rows(row_count)}" for clause, count in broken]
    metadata = {"failing": total.item(), "of": row_count, **kept_rows(sample, columns, rows.constant)}
    return Verdict(check=check, passed=False, message=printable("; ".join(facts), _MAX_MESSAGE), metadata=metadata)


def _told(clause: Clause, frame: pl.LazyFrame) -> str:
    """What is the matter with the rows of which a clause is not true."""
    if clause.words:
        return clause.words
    if len(clause.columns) != 1 or frame.collect_schema()[clause.columns[0]].is_nested():
        return "it does not hold"
    (column,) = clause.columns
    values = frame.filter(clause.holds.not_()).select(
        pl.col(column).unique(maintain_order=True).head(MOST_VALUES + 1)
    )
    return f"{column} is {said(values.collect(engine='streaming').to_series().to_list())}"


def _rows(count: int) -> str:
    return f"{count} row" if count == 1 else f"{count} rows"


def refusal(of: str, verdicts: Sequence[Verdict], *, then: str = "nothing published") -> AuditError | None:
    """The refusal to publish what some checks are against; None where none of them blocks.

    Args:
        of: what was judged.
        verdicts: what came of its checks.
        then: what becomes of it.
    """
    broken = [verdict for verdict in verdicts if verdict.is_blocking]
    if not broken:
        return None
    failed = [f"`{verdict.check.name}`" for verdict in broken if not verdict.is_fault]
    phrases = [f"check{'s' if len(failed) > 1 else ''} {', '.join(failed)} failed"] if failed else []
    phrases += [f"check `{verdict.check.name}` {verdict.message}" for verdict in broken if verdict.is_fault]
    details: list[str] = []
    for verdict in broken:
        lines = [*verdict.details] if verdict.is_fault else [verdict.message]
        details += [f"`{verdict.check.name}`: {line}" for line in lines] if len(broken) > 1 else lines
    return AuditError(
        f"{of}: {' and '.join(phrases)}; {then}",
        code="audit-blocked" if failed else "check-raised",
        details=details,
        context={"checks": [verdict.check.name for verdict in broken]},
    )
