"""Programme tables counted from contacts: no-show, bridging, involvement, goals.

Belongs here: measures whose rows are appointments, contacts, answer sheets and goal counts.
Does not belong here: measures of people and their stays (see `quality_people`).
"""

from __future__ import annotations

from typing import Final

import narwhals as nw
import polars as pl

from registry_pipeline.derivations.quality_groups import (
    AGE,
    DISORDER,
    GROUP,
    UNIT_QUARTER,
    by_group,
    tally,
    with_person,
)
from registry_pipeline.derivations.quality_programmes import (
    NO_INTERVAL,
    PERIOD,
    Setting,
    in_quarters,
    means,
    measure,
    programme,
    rolled,
    shares,
)
from registry_pipeline.indicators.definition import Core
from registry_pipeline.statistics import reasons
from registry_pipeline.statistics.periods import refused_over_two_periods
from registry_pipeline.transform.engine import Frame, counts, is_empty
from schemas.codes import APPOINTMENT_STATUS
from schemas.quality.programmes import BridgingFunnel, GoalResult, Involvement, NoShow

N: Final = pl.col("n")
CELL: Final = [*UNIT_QUARTER, AGE, DISORDER]
ITEMS: Final = range(1, 7)
LEVELS: Final = range(1, 6)
TOP_TWO: Final = (4, 5)


def no_show(core: Core, stays: Frame, where: Setting) -> pl.DataFrame:
    """quality.no_show by unit and quarter of the appointment, or of the planned start.

    Late cancellations count as no-show (no_show_strict leaves them out); those in time and by
    the unit are in no denominator but that of all scheduled. Planned stays are those marked so,
    those with a planned start and those never met.

    Args:
        core: core.appointment and core.patient.
        stays: `quality_stays.stay_rows`.
        where: the cohort.
    """
    dated = with_person(core["core.appointment"], core["core.patient"], "scheduled_date")
    known = in_quarters(dated, "scheduled_date", where)
    by_status = tally(known, [*CELL, "status"], {"n": nw.lit(value=True)})
    sums = {code: N.filter(pl.col("status") == code).sum() for code in APPOINTMENT_STATUS.codes}
    cells = by_status.group_by(CELL, maintain_order=True).agg(**sums)
    rows = rolled(by_group(cells, where, DISORDER), GROUP, list(sums), where)
    attended, late = pl.col("attended"), pl.col("cancelled_late")
    absent = pl.col("no_show") + late
    scheduled = pl.sum_horizontal(APPOINTMENT_STATUS.codes)
    measures = [
        measure(rows, "no_show", absent, attended + absent, n=scheduled),
        measure(
            rows, "no_show_strict", pl.col("no_show"), attended + pl.col("no_show"), n=scheduled
        ),
        measure(rows, "no_show_of_scheduled", absent, scheduled, n=scheduled),
        measure(rows, "cancelled_late", late, attended + absent, n=scheduled),
        _never_met(stays, where),
    ]
    return programme(NoShow, [shares(part) for part in measures], where)


def _never_met(stays: Frame, where: Setting) -> pl.DataFrame:
    dated = ~nw.col("planned_start_date").is_null()
    planned = stays.filter(nw.col("is_planned") | dated).with_columns(
        day=nw.coalesce("planned_start_date", "start_date")
    )
    sums = {"n": nw.lit(value=True), "never_met": nw.col("is_never_met")}
    cells = tally(in_quarters(planned, "day", where), CELL, sums)
    rows = rolled(by_group(cells, where, DISORDER), GROUP, list(sums), where)
    return measure(rows, "never_met", pl.col("never_met"), N, n=N)


def bridging_funnel(core: Core, where: Setting) -> pl.DataFrame:
    """quality.bridging_funnel by unit and quarter of identification.

    Referral and contact are of the conversations with people identified in the period. A period
    with a conversation that nobody followed to the centre has no share of contact: the people
    and the contacts would be of different periods. Of those who were followed there is one.
    """
    if is_empty(core["core.outreach_contact"]):
        return programme(BridgingFunnel, [], where)
    identified = nw.col("identified_date")
    talked = nw.col("outcome") == "conversation"
    contact = nw.col("centre_contact_date")
    flags = {
        "identified": ~identified.is_null(),
        "conversation": talked,
        "declined": nw.col("outcome") == "declined",
        "unable": nw.col("outcome") == "unable",
        "referred": talked & (nw.col("referred_date") >= identified),
        "centre_contact": talked & (contact >= identified),
        "unfollowed": talked & contact.is_null() & nw.col("centre_observed_until").is_null(),
    }
    contacts = in_quarters(core["core.outreach_contact"], "identified_date", where)
    cells = tally(contacts, UNIT_QUARTER, flags)
    rows = rolled(cells, [], list(flags), where)
    everyone, talks = pl.col("identified"), pl.col("conversation")
    first = [
        measure(rows, step, pl.col(step), everyone, n=everyone)
        for step in ("identified", "conversation", "declined", "unable")
    ]
    referred = measure(rows, "referred", pl.col("referred"), talks, n=talks)
    reached = measure(
        rows,
        "centre_contact",
        pl.col("centre_contact"),
        talks,
        n=talks,
        n_missing=pl.col("unfollowed"),
    )
    followed = talks - pl.col("unfollowed")
    matched = measure(
        rows, "centre_contact_followed", pl.col("centre_contact"), followed, n=followed
    )
    parts = [shares(part) for part in (*first, referred, matched)]
    parts.append(refused_over_two_periods(shares(reached), pl.col("n_missing")))
    return programme(BridgingFunnel, parts, where)


def involvement(core: Core, where: Setting) -> pl.DataFrame:
    """quality.involvement by unit, quarter of the answer and item.

    The share at each level and in the two highest, and the mean; of those who answered the item.
    """
    sheets = in_quarters(core["core.involvement_response"], "answered_on", where)
    if is_empty(sheets):
        return programme(Involvement, [], where)
    long = nw.concat(
        [
            sheets.select(
                *UNIT_QUARTER,
                nw.lit(item, nw.Int32).alias("item"),
                nw.col(f"item_{item}").alias("level"),
            )
            for item in ITEMS
        ]
    )
    cells = counts(long, [*UNIT_QUARTER, "item", "level"])
    level = pl.col("level")
    wide = cells.group_by(*UNIT_QUARTER, "item").agg(
        N.sum(),
        n_missing=N.filter(level.is_null()).sum(),
        total=(N * level).sum(),
        squares=(N * level**2).sum(),
        **{str(number): N.filter(level == number).sum() for number in LEVELS},
    )
    values = ["n", "n_missing", "total", "squares", *map(str, LEVELS)]
    rows = rolled(wide, ["item"], values, where)
    missing = pl.col("n_missing")
    answered = N - missing
    at_level = [
        measure(rows, "level", pl.col(str(number)), answered, n=N, n_missing=missing).with_columns(
            group_by=pl.lit("level"), group=pl.lit(str(number))
        )
        for number in LEVELS
    ]
    top = pl.sum_horizontal(str(number) for number in TOP_TWO)
    top_two = measure(rows, "top_two", top, answered, n=N, n_missing=missing)
    mean = measure(rows, "mean", pl.col("total"), answered, n=N, n_missing=missing)
    return programme(
        Involvement, [*(shares(part) for part in (*at_level, top_two)), means(mean)], where
    )


def goal_result(core: Core, where: Setting) -> pl.DataFrame:
    """quality.goal_result: each goal count as delivered, what was reached of what was planned.

    And for each total of the protocol, whether its parts add up to it.
    """
    goals: pl.DataFrame = core["core.goal_count"].collect("polars").to_native()
    planned = pl.col("n_planned").fill_null(0)
    rows = goals.with_columns(
        pl.col("unit_id").fill_null("all"),
        measure=pl.lit("reached"),
        n_missing=pl.lit(0),
        numerator=N,
        denominator=planned,
        value=pl.when(planned > 0).then(N / planned),
        method=pl.lit("count of plan"),
        reason=pl.when(planned > 0)
        .then(pl.lit(NO_INTERVAL))
        .otherwise(pl.lit(reasons.NOT_COMPUTABLE)),
    )
    return programme(GoalResult, [rows, *_totals(rows, where)], where)


def _totals(rows: pl.DataFrame, where: Setting) -> list[pl.DataFrame]:
    """The parts of each total against it, by unit and period; the value is the difference."""
    key = ["goal_id", "unit_id", *PERIOD]
    parts = []
    for total in where.protocol.programmes.totals:
        of_goal = rows.filter(pl.col("step").is_in([total.whole, *total.parts]), goal_id=total.goal)
        whole = pl.col("step") == total.whole
        summed = of_goal.group_by(key, maintain_order=True).agg(
            N.filter(whole).first().alias("denominator"),
            N.filter(~whole).sum().alias("numerator"),
            pl.col("source_type", "responsible").first(),
        )
        parts.append(
            summed.filter(pl.col("denominator").is_not_null()).with_columns(
                measure=pl.lit("adds_up"),
                step=pl.lit(total.whole),
                n="denominator",
                n_missing=pl.lit(0),
                value=(pl.col("numerator") - pl.col("denominator")).cast(pl.Float64),
                method=pl.lit("difference of the parts from the total"),
                reason=pl.lit(NO_INTERVAL),
            )
        )
    return parts
