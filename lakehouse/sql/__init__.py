"""SQL in DuckDB, locked in: queries that make assets, and queries that people ask."""
