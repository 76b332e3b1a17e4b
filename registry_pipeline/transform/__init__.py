"""Row-level derivations as narwhals functions: LazyFrame in, LazyFrame out.

Belongs here: functions that give the same rows on a DuckDB relation and on a Polars frame.
Does not belong here: estimates (see `statistics`), reading and writing tables (`warehouse`).
"""
