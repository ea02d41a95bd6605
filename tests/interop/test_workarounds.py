"""What the page advises where a reader misses rows helps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from interop.tables import Reader, Table


def test_datafusion_finds_every_key_where_a_filter_is_no_plain_comparison(
    reader_of: Callable[[str], Reader], tables: Mapping[str, Table]
) -> None:
    """It looks for the folder of an equal key by a name that it does not have; it cannot of ``key || ''``."""
    reader_of("DataFusion")
    import pyarrow as pa
    from datafusion import SessionContext

    table, context = tables["hard_keys"], SessionContext()
    context.register_parquet("t", str(table.folder), table_partition_cols=[("key", pa.string())])
    for row in table.rows:
        quoted = row["key"].replace("'", "''")
        found = context.sql(f"SELECT n, key FROM t WHERE key || '' = '{quoted}'").to_pylist()  # noqa: S608
        assert found == [row]
