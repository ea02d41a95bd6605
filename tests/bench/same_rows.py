"""What a contender wrote, told by DuckDB: the number of rows of each month, and a sum of their hashes.

``python same_rows.py JOB SOURCE``: what is to be there;
``python same_rows.py JOB SOURCE TARGET``: what is there.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Final

from measuring import environment

__all__ = ["told"]

# The types are said, for a reader takes a count for what its writer took it for.
_COLUMNS: Final = {
    "month": "status::VARCHAR, order_num::BIGINT, amount::BIGINT",
    "months": "status::VARCHAR, order_num::BIGINT, amount::BIGINT",
    "split": "order_id::BIGINT, customer_id::BIGINT, order_date::DATE, status::VARCHAR, amount::BIGINT",
    "example": "status::VARCHAR, order_num::BIGINT",
}
_TYPES: Final = (
    "{'order_id': 'BIGINT', 'customer_id': 'BIGINT', 'order_date': 'DATE', 'status': 'VARCHAR', 'amount': 'BIGINT'}"
)


def told(*arguments: str) -> str:
    """What this script says, in a process of its own; what it cannot read is nobody's rows."""
    command = [sys.executable, __file__, *arguments]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    return done.stdout.strip() or done.stderr[-500:]


def facts(job: str, source: str, target: Path | None) -> str:
    """One line: how many months and rows, and a digest."""
    import duckdb

    columns = _COLUMNS[job]
    relation = _expected(job, source) if target is None else _written(job, target)
    query = (
        f"SELECT partition_date::VARCHAR, count(*), sum(hash({columns})), sum(hash({columns}, 1))"  # noqa: S608
        f" FROM ({relation}) GROUP BY 1 ORDER BY 1"
    )
    found = duckdb.sql(query).fetchall()
    digest = hashlib.sha256(repr(found).encode()).hexdigest()
    return f"{len(found)} months, {sum(row[1] for row in found)} rows, {digest}"


def _expected(job: str, source: str) -> str:
    """A query for what is to be there, from the source."""
    if job == "example":
        reader = f"read_csv('{source}')"
    elif source.endswith(".csv"):
        reader = f"read_csv('{source}', columns = {_TYPES})"
    else:
        reader = f"read_parquet('{source}')"
    keyed = f"SELECT *, strftime(order_date, '%Y-%m') AS partition_date FROM {reader}"  # noqa: S608
    if job == "split":
        return keyed
    amount = "" if job == "example" else ", sum(amount) AS amount"
    only = "" if job == "months" else "WHERE partition_date = '2018-02'"
    return f"SELECT partition_date, status, count(*) AS order_num{amount} FROM ({keyed}) {only} GROUP BY ALL"  # noqa: S608


def _written(job: str, target: Path) -> str:
    """A query for what is there: the rows of the Hive folders, or of a table in a DuckDB file."""
    if databases := [*target.glob("*.duckdb")]:
        import duckdb

        duckdb.sql(f"ATTACH '{databases[0]}' AS made (READ_ONLY)")
        return "FROM made.monthly_orders"
    files = sorted(path for path in target.rglob("*.parquet") if path.parent.name.startswith("partition_date="))
    if job == "example":
        files = [path for path in files if path.parent.parent.name == "monthly_orders"]
    if not files:
        raise FileNotFoundError(f"no partition below {target}")
    types = "{'partition_date': VARCHAR}"
    return f"FROM read_parquet({[*map(str, files)]}, hive_partitioning = true, hive_types = {types})"


def main() -> None:
    """Print the facts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("job")
    parser.add_argument("source")
    parser.add_argument("target", nargs="?", type=Path)
    asked = parser.parse_args()
    print(facts(asked.job, asked.source, asked.target))


if __name__ == "__main__":
    main()
