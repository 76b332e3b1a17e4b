"""The derived tables of one cohort: row-level functions, counts and estimates put together.

Belongs here: one module per group of tables; each takes the core frames and the protocol and
gives every table of its group. Does not belong here: formulas (see `statistics`), row-level
logic (see `transform`), writing (see `warehouse`).
"""
