"""Building: the tables of every cohort derived and stored, layer by layer.

Belongs here: what a layer is, which cohorts have changed, where they are derived.
Does not belong here: the derivations themselves (`derivations`), DDL and proof (`warehouse`).
"""
