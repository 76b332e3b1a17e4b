"""Retention in counts: how many entered and left on each day, and who is left out of the curves.

Belongs here: the one count of rows that every estimate of retention starts from.
Does not belong here: the rows (see `registry_pipeline.transform.retention`), the estimates.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import polars as pl

from registry_pipeline.derivations.strata import STRATA, roll_up, strata_columns
from registry_pipeline.transform.engine import Frame, counts
from registry_pipeline.transform.retention import in_curves, origins
from schemas.protocol import Protocol

CURVE: Final = ("kind", "origin", "stratum_by", "stratum")
"""What one curve is of, within a cohort."""

Estimate = Callable[..., pl.DataFrame]


@dataclass(frozen=True)
class Counted:
    """The counts of one cohort.

    Attributes:
        cells: people in the curves per `STRATA`, kind, origin, entry_day, exit_day, exit_type.
        exits: `CURVE`, day, exit_type, n: the cells by exit day, in every stratum.
        entries: `CURVE`, day, n: the cells by entry day, in every stratum.
        groups: `CURVE`, n_left_out: every curve there could be, also where nobody is in it.
        min_at_risk: for each origin, how many must be at risk for its curves to start.
    """

    cells: pl.DataFrame
    exits: pl.DataFrame
    entries: pl.DataFrame
    groups: pl.DataFrame
    min_at_risk: Mapping[str, int]

    def estimate(self, estimator: Estimate, *args: object) -> pl.DataFrame:
        """An estimator of `statistics` over every curve, conditional where entry is delayed."""
        return pl.concat(
            estimator(
                self.exits.filter(origin=origin),
                self.entries.filter(origin=origin),
                CURVE,
                *args,
                min_at_risk=at_least,
            )
            for origin, at_least in self.min_at_risk.items()
        )


def count_cells(persons: Frame) -> pl.DataFrame:
    """People in the curves, from rows of derived.retention_person; columns as `Counted.cells`."""
    labels = strata_columns("pathway")
    columns = ["kind", "origin", "entry_day", "exit_day", "exit_type"]
    rows = persons.filter(in_curves()).select(*labels, *columns)
    return counts(rows, [*STRATA, *columns])


def count_people(patients: Frame) -> pl.DataFrame:
    """Enrolled people per stratum, from core.patient: stratum_by, stratum, n_people."""
    enrolled = patients.filter("enrolled").select(*strata_columns())
    return roll_up(counts(enrolled, STRATA), []).rename({"n": "n_people"})


def counted(cells: pl.DataFrame, people: pl.DataFrame, protocol: Protocol) -> Counted:
    """The cells in the shape that every estimate takes."""
    keys = ["kind", "origin"]
    exits = roll_up(cells, [*keys, "exit_day", "exit_type"]).rename({"exit_day": "day"})
    clocks = origins(protocol)
    kinds = [(kind, origin) for kind in ("treatment", "pathway") for origin in clocks]
    curves = pl.DataFrame([*kinds, ("study", "baseline")], schema=keys, orient="row")
    n_in = exits.group_by(CURVE).agg(n_in=pl.col("n").sum())
    delayed = protocol.retention.min_at_risk_delayed_entry
    return Counted(
        cells=cells,
        exits=exits,
        entries=roll_up(cells, [*keys, "entry_day"]).rename({"entry_day": "day"}),
        groups=people.join(curves, how="cross")
        .join(n_in, on=CURVE, how="left")
        .select(*CURVE, n_left_out=pl.col("n_people") - pl.col("n_in").fill_null(0))
        .sort(CURVE),
        min_at_risk={"baseline": 0, "treatment_start": delayed},
    )


def with_left_out(
    estimates: pl.DataFrame, groups: pl.DataFrame, keys: Sequence[str] = CURVE
) -> pl.DataFrame:
    """The estimates with how many people their curve leaves out, in words, after the reason."""
    told = pl.when(pl.col("n_left_out") > 0).then(pl.format("left_out={}", "n_left_out"))
    said = pl.concat_str("reason", told, separator=", ", ignore_nulls=True)
    return estimates.join(groups, on=list(keys), how="left", maintain_order="left").with_columns(
        reason=pl.when(said != "").then(said)
    )
