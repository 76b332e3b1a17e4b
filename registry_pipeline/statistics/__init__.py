"""Estimates from counts: survival, competing exits, comparisons, control charts, transitions.

Belongs here: functions that take small Polars frames of counts and return Polars frames.
Does not belong here: rows of people, definitions (see `registry_pipeline.transform`), suppression
of small numbers (see `registry_pipeline.disclosure`).
"""
