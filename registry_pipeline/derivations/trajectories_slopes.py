"""Slopes of use over the waves: how days and any use change per month, with repeated answers.

Belongs here: derived.substance_slope: which models, what is refused, units.
Does not belong here: the fitting (see `statistics.slopes`), use at one wave (`trajectories_use`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import narwhals as nw
import numpy as np
import polars as pl

from registry_pipeline.derivations.pathways_counts import TOO_FEW_FOR_TERMS
from registry_pipeline.derivations.pathways_models import PEOPLE_PER_TERM, most_terms
from registry_pipeline.derivations.strata import STRATA, roll_up
from registry_pipeline.derivations.trajectories_columns import GROUP
from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.grouping import places
from registry_pipeline.statistics.slopes import Courses, Line, Lines, exchangeable, logistic, mixed
from registry_pipeline.transform.course_sums import course_sums
from registry_pipeline.transform.engine import Frame
from registry_pipeline.version import as_table
from schemas.codes import NOT_EXPECTED, USED_STATES
from schemas.derived.substances import SubstanceSlope
from schemas.protocol import Protocol

MONTH: Final = 30.4375
CELL: Final = ["substance", "answered"]
PRODUCTS: Final = {
    "yy": ("y", "y"),
    "y_day_y": ("y", "day_y"),
    "day_y_day_y": ("day_y", "day_y"),
    "uu": ("used", "used"),
    "u_day_u": ("used", "day_used"),
    "day_u_day_u": ("day_used", "day_used"),
}
SUMS: Final = ("y", "day_y", "y_squares", "used", "day_used", *PRODUCTS)
OF_DAYS: Final = ("y", "day_y", "y_squares", "yy", "y_day_y", "day_y_day_y")
OF_ANY_USE: Final = ("used", "day_used", "used", "uu", "u_day_u", "day_u_day_u")


@dataclass(frozen=True)
class Model:
    """One kind of line: what it is fitted to, and how it is reported.

    Attributes:
        method: in words.
        fit: the fitting of all groups; the reason where there is no line.
        is_ratio: any use, with an odds ratio per month; else days of 28, with a difference.
    """

    method: str
    fit: Callable[[Courses], Lines]
    is_ratio: bool = False

    @property
    def of(self) -> tuple[str, ...]:
        """The sums it is fitted to."""
        return OF_ANY_USE if self.is_ratio else OF_DAYS

    def unit(self, scale: int) -> float:
        """What the sums are divided by: to days of 28, or by nothing."""
        return 1.0 if self.is_ratio else scale / 28

    def per_month(self, line: Line, months: float) -> dict[str, float]:
        """The line's numbers, its slope per month."""
        values = [value / months for value in (line.slope, line.low, line.high)]
        start = line.start
        if self.is_ratio:
            values = [math.exp(value) for value in values]
            start = 1 / (1 + math.exp(-start))
        names = ("start", "estimate", "ci_low", "ci_high", "p_value")
        return dict(zip(names, (start, *values, line.p_value), strict=True))


MODELS: Final = {
    "gee_days": Model("GEE, exchangeable, bias-reduced robust errors", exchangeable),
    "mixed_days": Model("REML, random start and slope, bias-reduced robust errors", mixed),
    "gee_any_use": Model("GEE, logit, independence, bias-reduced robust errors", logistic, True),
}


SCHEMA: Final = {
    **dict.fromkeys(GROUP, pl.String),
    "model": pl.String,
    "measure": pl.String,
    **dict.fromkeys(("n", "n_observations", "n_missing", "n_events"), pl.Int64),
    **dict.fromkeys(("start", "estimate", "ci_low", "ci_high", "p_value"), pl.Float64),
    "reason": pl.String,
}


def substance_slope(
    courses: Frame, use: Frame, cells: pl.DataFrame, protocol: Protocol
) -> pl.DataFrame:
    """derived.substance_slope: every substance and stratum, each by all three models.

    Args:
        courses: rows of `transform.trajectories.words` with the columns of `STRATA`.
        use: core.substance_use of the cohort.
        cells: `trajectories_use.use_cells`: the scale of days, and who was expected.
        protocol: the cohort's protocol.
    """
    recalls = cells["recall_days"].drop_nulls().unique().to_list() or [28]
    scale = math.lcm(*recalls)
    units = {recall: scale // recall for recall in recalls}
    groups = _waves(cells).with_row_index("group_id")
    sums = _sums(course_sums(use, courses, units, protocol.waves))
    sums = sums.join(groups.select(*GROUP, "group_id"), on=GROUP)
    by_model = [_rows(groups, sums, name, scale, protocol) for name in MODELS]
    rows = [row for of_group in zip(*by_model, strict=True) for row in of_group]
    methods = {name: model.method for name, model in MODELS.items()}
    return as_table(
        pl.DataFrame(rows, schema=SCHEMA),
        SubstanceSlope,
        cohort=protocol.id,
        method=pl.col("model").replace_strict(methods, return_dtype=pl.String),
    )


def _sums(people: Frame) -> pl.DataFrame:
    """People (n) and their sums and products per `GROUP` and set of waves answered."""
    made = people.with_columns(
        (nw.col(one) * nw.col(other)).alias(name) for name, (one, other) in PRODUCTS.items()
    )
    sums = made.group_by([*STRATA, *CELL]).agg(
        nw.len().cast(nw.Int64).alias("n"), nw.col(*SUMS).sum().cast(nw.Float64)
    )
    return roll_up(sums.collect("polars").to_native(), CELL, ["n", *SUMS])


def _waves(cells: pl.DataFrame) -> pl.DataFrame:
    """Answers, expected ones without (n_missing) and those with any use (n_events), by `GROUP`."""
    n, state = pl.col("n"), pl.col("state")
    return (
        roll_up(cells, ["substance", "state"])
        .group_by(GROUP, maintain_order=True)
        .agg(
            n_observations=n.filter(state.is_in(USED_STATES)).sum(),
            n_missing=n.filter(~state.is_in([*USED_STATES, *NOT_EXPECTED])).sum(),
            n_events=n.filter(state.is_in(USED_STATES[1:])).sum(),
        )
        .sort(GROUP)
    )


def _rows(
    groups: pl.DataFrame, sums: pl.DataFrame, name: str, scale: int, protocol: Protocol
) -> list[dict[str, Any]]:
    """One model of every group; the months between first and last wave are the unit of time."""
    model = MODELS[name]
    last = protocol.waves.nominal_days[-1]
    months = last / MONTH
    people = np.bincount(sums["group_id"], sums["n"], groups.height).astype(np.int64)
    answers = zip(groups["n_observations"], groups["n_events"], strict=True)
    most = [most_terms(n, n_events) for n, n_events in answers]
    carried = (people >= PEOPLE_PER_TERM) & (not model.is_ratio or np.array(most) > 0)
    lines = np.where((people > 0) & ~carried, TOO_FEW_FOR_TERMS, reasons.NOT_COMPUTABLE).tolist()
    fitted = np.flatnonzero(carried & (last > 0))
    if len(fitted):
        courses = _courses(sums, groups.height, model.of, model.unit(scale), protocol)
        for place, line in zip(fitted, model.fit(courses.of(fitted)), strict=True):
            lines[place] = line
    measure = "odds_ratio" if model.is_ratio else "mean_difference"
    return [
        {**group, "n": n, "model": name, "measure": measure}
        | ({"reason": line} if isinstance(line, str) else model.per_month(line, months))
        for group, n, line in zip(groups.to_dicts(), people.tolist(), lines, strict=True)
    ]


def _courses(
    sums: pl.DataFrame, n_groups: int, of: tuple[str, ...], unit: float, protocol: Protocol
) -> Courses:
    """The sums as the models take them: time from 0 to 1, answers divided by `unit`."""
    last = protocol.waves.nominal_days[-1]
    sets = places(sums, ["answered"])
    letters = np.frombuffer("".join(sets.keys["answered"]).encode("ascii"), dtype=np.uint8)
    table = np.zeros((1 + len(of), n_groups, sets.keys.height))
    table[:, sums["group_id"], sets.of_row] = [sums[name] for name in ("n", *of)]
    people, y, day_y, squares, yy, y_day_y, day_y_day_y = table
    products = [yy, y_day_y / last, y_day_y / last, day_y_day_y / last**2]
    return Courses(
        time=np.array(protocol.waves.nominal_days) / last,
        observed=letters.reshape(sets.keys.height, -1) == ord("1"),
        people=people,
        total=np.stack([y, day_y / last], axis=-1) / unit,
        products=np.stack(products, axis=-1).reshape(*people.shape, 2, 2) / unit**2,
        squares=squares / unit**2,
    )
