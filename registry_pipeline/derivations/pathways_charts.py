"""Units over time and side by side: control charts by quarter, and funnels.

Belongs here: which measures are charted, over which people and quarters.
Does not belong here: limits and signals (see `statistics.control_charts`), and how a chart looks.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Final

import narwhals as nw
import polars as pl
from polars.dataframe.group_by import GroupBy

from registry_pipeline.derivations.pathways_counts import NOT_ASKED
from registry_pipeline.derivations.pathways_models import compared_waves
from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.control_charts import (
    funnel_limits,
    over_dispersion,
    p_chart,
    run_chart,
    xmr_chart,
)
from registry_pipeline.statistics.intervals import with_wilson
from registry_pipeline.transform.engine import Frame, counts
from registry_pipeline.transform.outcomes import day_zero, treatment_stays
from registry_pipeline.transform.people import HELD
from registry_pipeline.transform.retention import in_curves
from registry_pipeline.version import as_table
from schemas.codes import NOT_EXPECTED
from schemas.derived.units import ControlChart, Funnel
from schemas.protocol import Protocol

ALL: Final = "all"
UNKNOWN: Final = "unknown"
MIN_ANSWERS: Final = 5
"""A quarter with fewer answers has no mean."""

SERIES: Final = ["measure", "unit_id"]
COUNTED: Final = ["numerator", "denominator", "n_missing"]
N: Final = pl.col("n")
IS_WHOLE: Final = pl.col("end") <= pl.col("cutoff_date")
"""The quarter was over by the cut-off of the person's sender: half a quarter has half the exits."""


def control_chart(core: Mapping[str, Frame], rows: Frame, protocol: Protocol) -> pl.DataFrame:
    """derived.control_chart: shares as p charts, coping as an XmR chart, all of them as run charts.

    - `dropout`: drop-outs in the quarter, of the stays in treatment on any day of it; missing are
      exits of unknown type.
    - `missed_interview`: of the follow-up interviews expected in the quarter by their due day,
      those not held. The baseline is what most people enter by, so it is left out.
    - `coping`: mean coping of the interviews held in the quarter; null below 5 answers.

    For all units together, and for each where there are several. Quarters run from the first
    to the last with data; a person counts in those that lie whole before the cut-off of the
    person's sender. One without data between them keeps its row.

    Args:
        core: core.patient, core.visit, derived.retention_person.
        rows: the rows of `transform.outcomes.outcomes`.
        protocol: the cohort's protocol.
    """
    people = day_zero(core["core.patient"], protocol).join(
        core["core.patient"].select("patient_id", "unit_id", "cutoff_date"),
        on="patient_id",
        how="inner",
    )
    until = _cutoff(core["core.patient"])
    parts = [
        _dropout(treatment_stays(core, protocol), people, until),
        _missed(core["core.visit"], people, until),
    ]
    shares = pl.concat(part.select(*SERIES, "period", *COUNTED) for part in parts)
    coping = _coping(core["core.visit"], rows, people, until)
    rate = pl.when(pl.col("denominator") > 0).then(pl.col("numerator") / pl.col("denominator"))
    values = pl.concat([shares.with_columns(value=rate), coping], how="diagonal")
    charts = [
        p_chart(shares, SERIES, "period").with_columns(
            chart=pl.lit("p"), method=pl.lit("p chart, 3 sigma")
        ),
        xmr_chart(coping, SERIES, "period").with_columns(
            chart=pl.lit("xmr"), method=pl.lit("XmR chart, 2.66 mean moving ranges")
        ),
        run_chart(values, SERIES, "period").with_columns(
            chart=pl.lit("run"), method=pl.lit("run chart, median")
        ),
    ]
    never = (pl.col("denominator").sum() == 0).over("measure")
    table = pl.concat(charts, how="diagonal").with_columns(
        reason=pl.when(pl.col("few") & never)
        .then(pl.lit(NOT_ASKED))
        .when(pl.col("few"))
        .then(pl.lit(reasons.TOO_FEW))
        .otherwise("reason")
    )
    return as_table(table, ControlChart, cohort=protocol.id, method=pl.col("method"))


def funnel(core: Mapping[str, Frame], rows: Frame, protocol: Protocol) -> pl.DataFrame:
    """derived.funnel: units against all units together.

    - `retained`: in treatment at the first wave compared (month 12), of those for whom it is
      known; missing are those censored before. A unit where all are left out has a row of nobody.
    - `dropout`: whose first episode of treatment ended as drop-out so far; missing are exits of
      unknown type.

    Args:
        core: core.patient, derived.retention_person.
        rows: the rows of `transform.outcomes.outcomes`.
        protocol: the cohort's protocol.
    """
    units = core["core.patient"].select("patient_id", "unit_id")
    wave = compared_waves(protocol)[0]
    asked = "is_stay_expected"
    there = (nw.col("wave") == wave) & (nw.col(asked) | nw.col("is_stay_excluded"))
    retained = counts(
        rows.filter(there).join(units, on="patient_id", how="left"), ["unit_id", asked, "retained"]
    ).with_columns(
        measure=pl.lit("retained"),
        event=pl.col("retained") == 1,
        n=pl.when(asked).then(N).otherwise(0),
    )
    ended = nw.when(nw.col("exit_type").fill_null("") != UNKNOWN).then("is_dropout")
    dropout = counts(
        treatment_stays(core, protocol).filter(in_curves()).with_columns(event=ended),
        ["unit_id", "event"],
    ).with_columns(measure=pl.lit("dropout"))
    cells = pl.concat([retained.drop("retained", asked), dropout], how="diagonal")
    known = pl.col("event").is_not_null()
    counted = (
        cells.with_columns(pl.col("unit_id").fill_null(UNKNOWN))
        .group_by("measure", "unit_id", maintain_order=True)
        .agg(
            numerator=N.filter(pl.col("event")).sum(),
            n=N.filter(known).sum(),
            n_missing=N.filter(~known).sum(),
        )
        .sort("measure", "unit_id")
    )
    limits = funnel_limits(counted, ["measure"], denominator="n")
    spread = over_dispersion(limits, ["measure"]).select(
        "measure", over_dispersion="phi", over_dispersion_p="p_value"
    )
    table = with_wilson(limits, "numerator", "n", estimate="value").join(
        spread, on="measure", how="left", maintain_order="left"
    )
    several = (pl.col("n") > 0).sum().over("measure") > 1
    alike = pl.when(several).then(pl.lit(reasons.NO_VARIATION)).otherwise(pl.lit(reasons.ONE_GROUP))
    return as_table(
        table.with_columns(
            reason=pl.coalesce("reason", pl.when(pl.col("over_dispersion").is_null()).then(alike))
        ),
        Funnel,
        cohort=protocol.id,
        method="Wilson; exact binomial limits",
    )


def _dropout(stays: Frame, people: Frame, until: date | None) -> pl.DataFrame:
    """`SERIES`, period, numerator, denominator, n_missing: drop-outs of the stays in treatment."""
    own = stays.select(
        "patient_id", "entry_day", "exit_day", "exit_type", "is_dropout", stay_unit="unit_id"
    ).join(people, on="patient_id", how="inner")
    origin = nw.col("origin_epoch") + nw.col("zero")
    dated = own.with_columns(
        unit_id=nw.coalesce("stay_unit", "unit_id"),
        entered=origin + nw.col("entry_day"),
        left=origin + nw.col("exit_day"),
    )
    exits = _by_unit(counts(dated, ["unit_id", "left", "exit_type", "is_dropout", "cutoff_date"]))
    entries = _by_unit(counts(dated, ["unit_id", "entered", "cutoff_date"]))
    days = pl.concat([entries.select(day=_day("entered")), exits.select(day=_day("left"))])
    quarters = _quarters(days["day"], until)
    in_quarter = _day("left").is_between(pl.col("start"), pl.col("end"))
    is_exit = pl.col("exit_type").is_not_null()
    there = (
        entries.join(quarters, how="cross")
        .filter(_day("entered") <= pl.col("end"), IS_WHOLE)
        .group_by("unit_id", "period")
        .agg(entered=N.sum())
    )
    gone = (
        exits.join(quarters, how="cross")
        .filter(IS_WHOLE)
        .group_by("unit_id", "period")
        .agg(
            gone=N.filter(_day("left") < pl.col("start")).sum(),
            numerator=N.filter(in_quarter & pl.col("is_dropout")).sum(),
            n_missing=N.filter(in_quarter & is_exit & (pl.col("exit_type") == UNKNOWN)).sum(),
        )
    )
    counted = there.join(gone, on=["unit_id", "period"], how="left").select(
        "unit_id",
        "period",
        "numerator",
        "n_missing",
        denominator=pl.col("entered") - pl.col("gone"),
    )
    return _every_quarter(counted, quarters, "dropout")


def _missed(visits: Frame, people: Frame, until: date | None) -> pl.DataFrame:
    """The same columns: follow-up interviews expected by their due day, and those not held."""
    status = nw.col("status")
    follow_up = visits.filter((nw.col("wave") > 0) & ~status.is_in(NOT_EXPECTED))
    expected = follow_up.join(people, on="patient_id", how="inner")
    dated = expected.with_columns(
        due=nw.col("origin_epoch") + nw.col("due_day"), is_held=status.is_in(HELD)
    )
    cells = _by_unit(counts(dated, ["unit_id", "due", "is_held", "cutoff_date"]))
    quarters = _quarters(cells.select(day=_day("due"))["day"], until)
    counted = _in_quarters(cells, "due", quarters).agg(
        numerator=N.filter(~pl.col("is_held")).sum(),
        denominator=N.sum(),
        n_missing=pl.lit(0, pl.Int64),
    )
    return _every_quarter(counted, quarters, "missed_interview")


def _coping(visits: Frame, rows: Frame, people: Frame, until: date | None) -> pl.DataFrame:
    """`SERIES`, period, value, denominator (answers), n_missing, few (too few answers)."""
    held = visits.filter(nw.col("status").is_in(HELD)).join(people, on="patient_id", how="inner")
    dated = held.with_columns(
        day=nw.col("origin_epoch") + nw.col("due_day") + nw.col("days_from_nominal")
    ).join(rows.select("patient_id", "wave", "coping"), on=["patient_id", "wave"], how="inner")
    cells = _by_unit(counts(dated, ["unit_id", "day", "coping", "cutoff_date"]))
    quarters = _quarters(cells.select(day=_day("day"))["day"], until)
    score = pl.col("coping")
    counted = _in_quarters(cells, "day", quarters).agg(
        total=(N * score).sum(),
        denominator=N.filter(score.is_not_null()).sum(),
        n_missing=N.filter(score.is_null()).sum(),
    )
    few = pl.col("denominator") < MIN_ANSWERS
    return _every_quarter(counted, quarters, "coping").with_columns(
        few=few,
        value=pl.when(~few).then(pl.col("total") / pl.col("denominator")),
        numerator=pl.lit(None, pl.Int64),
    )


def _by_unit(cells: pl.DataFrame) -> pl.DataFrame:
    """The cells of all units together and, where there are several, of each."""
    together = cells.with_columns(unit_id=pl.lit(ALL))
    if cells["unit_id"].n_unique() < 2:
        return together
    return pl.concat([together, cells.with_columns(pl.col("unit_id").fill_null(UNKNOWN))])


def _day(epoch: str) -> pl.Expr:
    return pl.col(epoch).cast(pl.Int32).cast(pl.Date)


def _quarters(days: pl.Series, until: date | None) -> pl.DataFrame:
    """period, start, end (last day): from the first day's quarter to the last day's, if whole."""
    first, last = days.min(), days.max()
    starts = pl.DataFrame(schema={"start": pl.Date})
    if isinstance(first, date) and isinstance(last, date):
        quarter = pl.date_range(pl.lit(first).dt.truncate("1q"), pl.lit(last), "1q")
        starts = pl.select(start=quarter)
    start = pl.col("start")
    return starts.select(
        "start",
        end=start.dt.offset_by("1q").dt.offset_by("-1d"),
        period=pl.format("{}-Q{}", start.dt.year(), start.dt.quarter()),
    ).filter(pl.col("end") <= pl.lit(until, pl.Date))


def _in_quarters(cells: pl.DataFrame, epoch: str, quarters: pl.DataFrame) -> GroupBy:
    """Cells grouped by unit and quarter; those outside the quarters they count in are left out."""
    dated = cells.filter(pl.col(epoch).is_not_null()).with_columns(
        start=_day(epoch).dt.truncate("1q")
    )
    within = dated.join(quarters, on="start", how="inner").filter(IS_WHOLE)
    return within.group_by("unit_id", "period")


def _every_quarter(counted: pl.DataFrame, quarters: pl.DataFrame, measure: str) -> pl.DataFrame:
    """The counts with a row for every quarter of every unit; nothing counted is 0."""
    grid = counted.select("unit_id").unique().join(quarters.select("period"), how="cross")
    numbers = [name for name in counted.columns if name not in ("unit_id", "period")]
    return (
        grid.join(counted, on=["unit_id", "period"], how="left")
        .with_columns(pl.col(numbers).fill_null(0), measure=pl.lit(measure))
        .sort(*SERIES, "period")
    )


def _cutoff(patients: Frame) -> date | None:
    """The cohort's latest cut-off."""
    latest: pl.DataFrame = (
        patients.select(nw.col("cutoff_date").max()).collect("polars").to_native()
    )
    value: date | None = latest.item()
    return value
