"""WHEN: the Dagster assets, checks, partitions, sensors and schedules, in the order data flows.

Belongs here: thin wiring; an asset body reads, calls one function and writes.
Does not belong here: logic (see `registry_pipeline`) and definitions of data (see `schemas`).
"""
