"""Programme tables counted from contacts: no-show, bridging, involvement, goals.

Belongs here: measures whose rows are appointments, contacts, answer sheets and goal counts.
Does not belong here: measures of people and their stays (see `quality_people`).
"""

from __future__ import annotations

from typing import Final

import narwhals as nw
import polars as pl

from registry_pipeline.derivations.quality_programmes import (
    PERIOD,
    Setting,
    means,
    measure,
    programme,
    quarter,
    rolled,
    shares,
)
from registry_pipeline.indicators.definition import Core
from registry_pipeline.statistics import reasons
from registry_pipeline.transform.engine import Frame, counts
from schemas.codes import APPOINTMENT_STATUS
from schemas.quality.programmes import BridgingFunnel, GoalResult, Involvement, NoShow

N: Final = pl.col("n")
UNIT_QUARTER: Final = ["unit_id", *PERIOD]
ITEMS: Final = range(1, 7)
LEVELS: Final = range(1, 6)
TOP_TWO: Final = (4, 5)
PERIODS_DIFFER: Final = "periods_differ"
NO_INTERVAL: Final = "no_interval"
"""A count against a plan is no sample: it has no interval."""


def no_show(core: Core, where: Setting) -> pl.DataFrame:
    """quality.no_show by unit and quarter of the appointment, or of the planned start.

    Late cancellations count as no-show (no_show_strict leaves them out); those in time and by
    the unit are in no denominator but that of all scheduled. Planned stays are those marked so,
    those with a planned start and those never met.
    """
    cells = _by_code(core["core.appointment"], "scheduled_date", "status")
    sums = {code: N.filter(pl.col("status") == code).sum() for code in APPOINTMENT_STATUS.codes}
    wide = cells.group_by(UNIT_QUARTER).agg(**sums)
    rows = rolled(wide, [], list(sums), where)
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
        _never_met(core["core.episode"], where),
    ]
    return programme(NoShow, [shares(part) for part in measures], where)


def _never_met(episodes: Frame, where: Setting) -> pl.DataFrame:
    never = (nw.col("exit_type") == "never_met").fill_null(value=False)
    dated = ~nw.col("planned_start_date").is_null()
    planned = nw.col("planned").fill_null(value=False) | dated | never
    day = nw.coalesce("planned_start_date", "start_date")
    stays = episodes.filter(planned).with_columns(day=day, is_never_met=never)
    cells = counts(
        stays.select("unit_id", *quarter("day"), "is_never_met"), [*UNIT_QUARTER, "is_never_met"]
    )
    wide = cells.group_by(UNIT_QUARTER).agg(N.sum(), never_met=N.filter("is_never_met").sum())
    rows = rolled(wide, [], ["n", "never_met"], where)
    return measure(rows, "never_met", pl.col("never_met"), N, n=N)


def bridging_funnel(core: Core, where: Setting) -> pl.DataFrame:
    """quality.bridging_funnel by unit and quarter of identification.

    Referral and contact are of the conversations with people identified in the period. A period
    with a conversation that nobody followed to the centre has no share of contact: the people
    and the contacts would be of different periods.
    """
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
    contacts = core["core.outreach_contact"].select(
        "unit_id",
        *quarter("identified_date"),
        *(flag.fill_null(value=False).cast(nw.Int64).alias(name) for name, flag in flags.items()),
    )
    sums = contacts.group_by(UNIT_QUARTER).agg(nw.col(*flags).sum().cast(nw.Int64))
    cells: pl.DataFrame = sums.collect("polars").to_native()
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
    parts = [shares(part) for part in (*first, referred, reached)]
    return programme(BridgingFunnel, [*parts[:-1], _same_period(parts[-1])], where)


def _same_period(rows: pl.DataFrame) -> pl.DataFrame:
    """No share where the denominator holds people whose numerator was not observed."""
    differ = pl.col("n_missing") > 0
    return rows.with_columns(
        pl.when(~differ).then(pl.col("value", "ci_low", "ci_high")),
        reason=pl.when(differ).then(pl.lit(PERIODS_DIFFER)).otherwise("reason"),
    )


def involvement(core: Core, where: Setting) -> pl.DataFrame:
    """quality.involvement by unit, quarter of the answer and item.

    The share at each level and in the two highest, and the mean; of those who answered the item.
    """
    sheets = core["core.involvement_response"]
    long = nw.concat(
        [
            sheets.select(
                "unit_id",
                *quarter("answered_on"),
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
    """quality.goal_result: each goal count as delivered, what was reached of what was planned."""
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
    return programme(GoalResult, [rows], where)


def _by_code(rows: Frame, day: str, code: str) -> pl.DataFrame:
    """Rows per unit, quarter and code."""
    return counts(rows.select("unit_id", *quarter(day), code), [*UNIT_QUARTER, code])
