"""A Polars + Parquet Hive-partitioned lakehouse writer."""
