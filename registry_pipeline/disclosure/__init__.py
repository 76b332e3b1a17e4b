"""Disclosure control: what may be shown outside the house, and what must be hidden.

Belongs here: rules on small numbers, as pure functions on frames of counts.
Does not belong here: how a hidden number looks on a page (see `registry_pipeline.charts`).
"""
