"""Synthetic cohorts: people who never lived, in landing folders like real ones.

Belongs here: simulating a cohort of any protocol, and the committed sample with its flaws.
Does not belong here: taking deliveries in (see `registry_pipeline.gate`).
"""

from __future__ import annotations

from registry_pipeline.synthetic.cohort import Summary, write_cohort
from registry_pipeline.synthetic.sample import write_sample

__all__ = ["Summary", "write_cohort", "write_sample"]
