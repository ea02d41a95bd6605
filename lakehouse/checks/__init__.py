"""Rules about rows: declared as values, asked of staged partitions, of sources, and of what is published."""
