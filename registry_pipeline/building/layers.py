"""The layers after core: the tables each makes, in order, and the functions that make them.

Belongs here: which function makes which layer, and what it reads.
Does not belong here: the derivations themselves (`derivations`), storing what they give (`build`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import narwhals as nw
import polars as pl

from registry_pipeline.derivations.enrolment import enrolment_tables
from registry_pipeline.derivations.pathways import pathway_tables
from registry_pipeline.derivations.quality import quality_tables
from registry_pipeline.derivations.retention import retention_tables
from registry_pipeline.derivations.trajectories import trajectory_tables
from registry_pipeline.transform.engine import Frame, in_memory
from schemas.catalog import TABLES
from schemas.protocol import Protocol

Tables = Mapping[str, pl.DataFrame]
Derived = Mapping[str, Frame | pl.DataFrame]
Builder = Callable[[Mapping[str, Frame], Protocol], Derived]


@dataclass(frozen=True)
class Layer:
    """One layer: the tables it makes, in order, and the functions that make them.

    Attributes:
        tables: in the order they are stored; what pages read beside their own table comes first.
        reads: other layers whose tables it is made from, beside core.
    """

    tables: tuple[str, ...]
    builders: tuple[Builder, ...]
    reads: tuple[str, ...] = ()

    def derived(self, frames: Mapping[str, Frame], protocol: Protocol) -> Derived:
        """A cohort's rows of the tables, from the tables they are made from."""
        made = (builder(frames, protocol).items() for builder in self.builders)
        return {table: frame for tables in made for table, frame in tables}


def _named(schema: str, *names: str) -> tuple[str, ...]:
    return tuple(f"{schema}.{name}" for name in names)


WORKLIST: Final = "core.worklist"
"""Rows of persons, made from the other core tables: core by who may read it, not by its place."""

CORE_TABLES: Final = (
    *(name for name in TABLES if name.startswith("core.") and name != WORKLIST),
    "meta.held",
)

LAYERS: Final[dict[str, Layer]] = {
    "retention": Layer(
        _named(
            "derived",
            "enrolment",
            "response_by_wave",
            "retention_person",
            "retention_curve",
            "retention_at",
            "retention_summary",
            "retention_life_table",
            "cumulative_incidence",
            "retention_comparison",
            "retention_hazard",
            "retention_sensitivity",
            "early_dropout",
            "event_rate",
        ),
        (enrolment_tables, retention_tables),
    ),
    "trajectories": Layer(
        _named(
            "derived",
            "substance_trend",
            "substance_slope",
            "poly_use",
            "substance_transition",
            "substance_change",
            "trajectory",
            "trajectory_profile",
            "trajectory_latent",
            "time_to_event",
            "sequence_measure",
        ),
        (trajectory_tables,),
    ),
    "pathways": Layer(
        _named(
            "derived",
            "outcome_by_pathway",
            "outcome_comparison",
            "covariate_balance",
            "comparison_weight",
            "coping_association",
            "control_chart",
            "funnel",
        ),
        (pathway_tables,),
        reads=("retention",),
    ),
    "quality": Layer(
        (
            *(name for name in TABLES if name.startswith("quality.public")),
            *(name for name in TABLES if name.startswith("quality.") and "public" not in name),
            WORKLIST,
        ),
        (quality_tables,),
    ),
}
"""The layers after core, in an order they can be built in."""


def derived_in_memory(layer: str, rows: Tables, protocol: Protocol) -> Tables:
    """A small cohort's rows of a layer's tables, from the rows they are made from."""
    frames: dict[str, Frame] = {name: nw.from_native(own.lazy()) for name, own in rows.items()}
    made = LAYERS[layer].derived(frames, protocol)
    return {table: in_memory(frame) for table, frame in made.items()}
