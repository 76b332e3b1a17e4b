"""Retention in counts: how many entered and left on each day, and who is left out of the curves.

Belongs here: the one count of rows that every estimate of retention starts from.
Does not belong here: the rows (see `registry_pipeline.transform.retention`), the estimates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import narwhals as nw
import numpy as np
import polars as pl

from registry_pipeline.derivations.strata import STRATA, roll_up, strata_columns
from registry_pipeline.statistics.grouping import GROUP, Numbers, as_enums, places, sums
from registry_pipeline.statistics.survival import kaplan_meier
from registry_pipeline.transform.engine import Frame, counts
from registry_pipeline.transform.retention import in_curves, origins
from schemas.protocol import Protocol

CURVE: Final = ("kind", "origin", "stratum_by", "stratum")
"""What one curve is of, within a cohort."""

DAYS: Final = ("entry_day", "exit_day", "exit_type")
N: Final = pl.col("n")


@dataclass(frozen=True)
class Counted:
    """The counts of one cohort under one gap rule.

    Attributes:
        cells: people in the curves on the protocol's own clock, per `STRATA`, kind, origin,
            entry_day, exit_day, exit_type.
        groups: every curve there could be, also where nobody is in it: group_id, `CURVE`,
            n (people in it), n_left_out, min_at_risk (from where on the curve speaks), is_main
            (of the protocol's own clock).
        exits: the cells by curve and exit day: group_id, day, exit_type, n.
        entries: the cells by curve and entry day: group_id, day, n.
    """

    cells: pl.DataFrame
    groups: pl.DataFrame
    exits: pl.DataFrame
    entries: pl.DataFrame

    def estimate(self, estimator: Callable[..., pl.DataFrame], *args: object) -> pl.DataFrame:
        """An estimator of `statistics` over every curve that anyone is in, by group_id."""
        parts = []
        for at_least in {0, *self.groups.filter(N > 0)["min_at_risk"]}:
            groups = self.groups.filter(min_at_risk=at_least)[GROUP]
            these = pl.col(GROUP).is_in(groups.implode())
            exits, entries = self.exits.filter(these), self.entries.filter(these)
            parts.append(estimator(exits, entries, [GROUP], *args, min_at_risk=at_least))
        return pl.concat(parts)

    @cached_property
    def curve(self) -> pl.DataFrame:
        """Every curve by `kaplan_meier`, which more than one table reads."""
        return self.estimate(kaplan_meier)

    def labelled(self, estimates: pl.DataFrame) -> pl.DataFrame:
        """Estimates by group_id with their `CURVE`, sorted, with n and who is left out of it."""
        left_out = pl.col("n_left_out")
        told = pl.when(left_out > 0).then(pl.format("left_out={}", left_out))
        said = pl.concat_str("reason", "told", separator=", ", ignore_nulls=True)
        return (
            self.groups.select(GROUP, *CURVE, "is_main", "n", "n_left_out", told=told)
            .join(estimates.drop("n", strict=False), on=GROUP, maintain_order="left_right")
            .with_columns(reason=pl.when(said != "").then(said))
        )


def count_cells(persons: Frame) -> pl.DataFrame:
    """People in the curves, from rows of derived.retention_person; columns as `Counted.cells`."""
    columns = ["kind", "origin", *DAYS]
    rows = persons.filter(in_curves()).select(*strata_columns("pathway"), *columns)
    return counts(rows, [*STRATA, *columns], in_order=False)


def count_reentries(persons: Frame) -> pl.DataFrame:
    """Episodes after the first, from rows of derived.retention_person: `CURVE`, n_reentries."""
    later = persons.filter(nw.col("episode_no") > 1)
    rows = later.select(*strata_columns("pathway"), "kind", "origin")
    cells = counts(rows, [*STRATA, "kind", "origin"])
    return roll_up(cells, ["kind", "origin"]).rename({"n": "n_reentries"})


def count_people(patients: Frame) -> pl.DataFrame:
    """Enrolled people per stratum, from core.patient: stratum_by, stratum, n_people."""
    enrolled = patients.filter("enrolled").select(*strata_columns())
    return roll_up(counts(enrolled, STRATA), []).rename({"n": "n_people"})


def counted(cells: pl.DataFrame, people: pl.DataFrame, protocol: Protocol) -> Counted:
    """The counts of `count_cells`, and of the people of `count_people` who are not in them."""
    groups = _groups(people, protocol)
    alike = as_enums(cells)
    curves = _curves(alike, groups)
    exits = _by_curve(alike, curves, ["exit_type", "exit_day"])
    left_out = pl.col("n_people") - N
    return Counted(
        cells=cells.filter(_is_main(protocol)),
        groups=groups.join(exits.group_by(GROUP).agg(N.sum()), on=GROUP, how="left")
        .with_columns(N.fill_null(0))
        .with_columns(n_left_out=left_out)
        .drop("n_people")
        .sort(GROUP),
        exits=exits.select(GROUP, pl.col("exit_type").cast(pl.String), "n", day="exit_day"),
        entries=_by_curve(alike, curves, ["entry_day"]).rename({"entry_day": "day"}),
    )


def _groups(people: pl.DataFrame, protocol: Protocol) -> pl.DataFrame:
    """Every curve of a cohort: both kinds with stays on every clock, the study on its own."""
    clocks = origins(protocol)
    kinds = [(kind, origin) for kind in ("treatment", "pathway") for origin in clocks]
    curves = pl.DataFrame([*kinds, ("study", "baseline")], schema=["kind", "origin"], orient="row")
    delayed = pl.col("origin") == "treatment_start"
    at_least = pl.lit(protocol.retention.min_at_risk_delayed_entry)
    return (
        people.join(curves, how="cross")
        .sort(CURVE)
        .with_row_index(GROUP)
        .with_columns(
            min_at_risk=pl.when(delayed).then(at_least).otherwise(0),
            is_main=_is_main(protocol),
        )
    )


def _is_main(protocol: Protocol) -> pl.Expr:
    """Whether an origin is of the protocol's own clock; the study has no other than baseline."""
    return pl.col("origin").is_in([origins(protocol)[0], "baseline"])


def _curves(cells: pl.DataFrame, groups: pl.DataFrame) -> Numbers:
    """The curve of each cell (columns) by each stratifying variable (rows); -1 where none is."""
    clock = ["kind", "origin"]
    clocks = places(cells, clock)
    found = []
    for name in ("all", *STRATA):
        strata = pl.lit("all") if name == "all" else pl.col(name)
        of = places(cells.select(stratum=strata), ["stratum"])
        numbers = (
            clocks.keys.join(of.keys, how="cross", maintain_order="left_right")
            .cast(pl.String)
            .join(
                groups.filter(stratum_by=name).select(GROUP, *clock, "stratum"),
                on=[*clock, "stratum"],
                how="left",
                maintain_order="left",
            )
        )
        curve = numbers[GROUP].cast(pl.Int64).fill_null(-1).to_numpy()
        found.append(curve[clocks.of_row * of.keys.height + of.of_row])
    return np.array(found)


def _by_curve(cells: pl.DataFrame, curves: Numbers, by: list[str]) -> pl.DataFrame:
    """People per curve that a cell belongs to and `by`."""
    rows, there = places(cells, by), curves >= 0
    height = rows.keys.height
    n = np.broadcast_to(cells["n"].to_numpy(), curves.shape)[there]
    found, summed = sums((curves * height + rows.of_row)[there], pl.DataFrame({"n": n}))
    curve, row = np.divmod(found, max(height, 1))
    number = pl.DataFrame({GROUP: curve}, schema={GROUP: pl.get_index_type()})
    return pl.concat([number, rows.keys[row], summed], how="horizontal")
