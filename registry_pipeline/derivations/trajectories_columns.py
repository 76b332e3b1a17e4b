"""What the tables of use and trajectories share: groups, columns of rows.

Belongs here: what more than one module of this group needs.
Does not belong here: any estimate.
"""

from __future__ import annotations

from typing import Final

import narwhals as nw

from registry_pipeline.transform.engine import Frame
from registry_pipeline.version import ASSEMBLED, RULE_VERSION
from schemas.fields import RegistryModel, describe

GROUP: Final = ["substance", "stratum_by", "stratum"]


def row_table(frame: Frame, model: type[RegistryModel], method: str) -> Frame:
    """As `as_table`, for rows that stay in the engine and carry their cohort."""
    made = frame.with_columns(method=nw.lit(method), rule_version=nw.lit(RULE_VERSION))
    return made.select(name for name in describe(model).dtypes if name != ASSEMBLED)
