"""Rules on deliveries: what was refused, quarantined or held back, how late it came, and how much.

Belongs here: rules whose rows are lines of the ledger, held rows, first deliveries, and counts
compared with the deliveries before.
Does not belong here: what the delivered rows say.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import narwhals as nw
import polars as pl

from registry_pipeline.data_quality import checks
from registry_pipeline.data_quality.rule import Pass, Rule, of_rows
from registry_pipeline.indicators.definition import Core
from registry_pipeline.transform.engine import Frame, materialise, with_epoch_days
from registry_pipeline.transform.people import HELD
from schemas.protocol import Protocol

LEDGER: Final = "meta.delivery"
TABLE_OF: Final = {
    "interviews": "core.interview",
    "episodes": "core.episode",
    "events": "core.event",
    "toxicology": "core.toxicology",
    "appointments": "core.appointment",
    "process_events": "core.process_event",
    "outreach": "core.outreach_contact",
    "involvement": "core.involvement_response",
    "goal_counts": "core.goal_count",
}
"""Forms whose rows a rule across forms may hold back, and the table they are kept out of."""

MAX_DAYS: Final = 122
SIGMAS: Final = 3
ACCEPTED: Final = nw.col("status") == "accepted"


def _ledger(_: Protocol) -> Sequence[Rule]:
    accepted = ACCEPTED.cast(nw.Int64)
    year = nw.col("quarter").str.slice(0, 4).cast(nw.Int32)
    late = nw.col("extracted_on").dt.year() > year + 1
    return [
        of_rows(
            checks.EXTRACTED_SOON,
            LEDGER,
            "extracted_on",
            ACCEPTED & (nw.col("kind") == "full"),
            late,
        ),
        of_rows(checks.REFUSED_FILES, LEDGER, "status", ~nw.col("status").is_null(), ~ACCEPTED),
        *(
            Rule(check, LEDGER, failed, accepted * nw.col(whole), accepted * nw.col(failed))
            for check, failed, whole in (
                (checks.QUARANTINED, "n_quarantined", "n_received"),
                (checks.SOFT_WARNING, "n_warning", "n_accepted"),
            )
        ),
    ]


def _held(core: Core, _: Protocol) -> Frame:
    """Rows held back and rows in core: one row per form."""
    held = core["meta.held"].select("form", "row_key").unique()
    held_by_form: pl.DataFrame = (
        held.group_by("form").agg(n_held=nw.len().cast(nw.Int64)).collect("polars").to_native()
    )
    kept = {
        form: core[table].select(nw.len().cast(nw.Int64).alias("n")).collect("polars").item()
        for form, table in TABLE_OF.items()
    }
    counts = pl.DataFrame({"form": list(kept), "n_kept": list(kept.values())}).join(
        held_by_form, on="form", how="left"
    )
    return nw.from_native(counts.with_columns(pl.col("n_held").fill_null(0)).lazy())


def _held_rules(_: Protocol) -> Sequence[Rule]:
    held = nw.col("n_held")
    rules = []
    for form, table in TABLE_OF.items():
        this = (nw.col("form") == form).cast(nw.Int64)
        whole = this * (held + nw.col("n_kept"))
        rules.append(Rule(checks.HELD_BACK, table, None, whole, this * held))
    return rules


def _first_deliveries(core: Core, _: Protocol) -> Frame:
    """Days from each interview held to the cut-off of the first delivery that carried it."""
    key = ["patient_id", "interview_date"]
    lines = core[LEDGER].filter(ACCEPTED, nw.col("form") == "interviews")
    cuts = with_epoch_days(lines.select("delivery", "extracted_on").unique(), ["extracted_on"])
    carried = core["intake.interviews"].filter(~nw.col("is_retraction"))
    first = (
        carried.select(*key, "delivery")
        .join(materialise(cuts), on="delivery")
        .group_by(key)
        .agg(nw.col("extracted_on_epoch").min())
    )
    held = core["core.interview"].filter(nw.col("status").is_in(HELD)).select(*key)
    days = with_epoch_days(first.join(held, on=key), ["interview_date"])
    return days.select(days=nw.col("extracted_on_epoch") - nw.col("interview_date_epoch"))


def _in_time(_: Protocol) -> Sequence[Rule]:
    days = nw.col("days")
    checked = ~days.is_null()
    return [
        of_rows(
            checks.DELIVERED_IN_TIME, "core.interview", "interview_date", checked, days > MAX_DAYS
        )
    ]


def _rows_of_units(core: Core, protocol: Protocol) -> Frame:
    """Visits due and visits with a row, of the latest cut-off and of those before it.

    One row per unit and wave: due_now, told_now, due_before, told_before. A visit is of the latest
    cut-off when it was not due at the full delivery of interviews before; no row where there was
    none before.
    """
    full = core[LEDGER].filter(ACCEPTED, nw.col("form") == "interviews", nw.col("kind") == "full")
    days = sorted(set(full.select("extracted_on").collect("polars")["extracted_on"].to_list()))
    since = (days[-1] - days[-2]).days if len(days) > 1 else None
    visits = core["core.visit"].filter("is_due", nw.lit(since is not None))
    people = core["core.patient"].select("patient_id", "unit_id", "cutoff_day")
    due_on = nw.col("due_day") + protocol.waves.in_window_days
    is_now = (due_on > nw.col("cutoff_day") - (since or 0)).cast(nw.Int64)
    is_told = (~nw.col("interview_date").is_null()).cast(nw.Int64)
    return (
        visits.join(people, on="patient_id")
        .select("unit_id", "wave", is_now=is_now, is_told=is_told)
        .group_by("unit_id", "wave")
        .agg(
            due_now=nw.col("is_now").sum(),
            told_now=(nw.col("is_now") * nw.col("is_told")).sum(),
            due_before=(1 - nw.col("is_now")).sum(),
            told_before=((1 - nw.col("is_now")) * nw.col("is_told")).sum(),
        )
    )


def _bands(protocol: Protocol) -> Sequence[Rule]:
    """Three-sigma limits of a p chart (Montgomery 2013), in whole numbers: no square root."""
    n, x = nw.col("due_now"), nw.col("told_now")
    before, told = nw.col("due_before"), nw.col("told_before")
    least = protocol.disclosure.min_count
    off = x * before - n * told
    return [
        of_rows(
            checks.ROWS_IN_BAND,
            "core.visit",
            "interview_date",
            (n >= least) & (before >= least),
            off * off > SIGMAS**2 * n * told * (before - told),
        )
    ]


DELIVERIES: Final = (
    Pass(lambda core, _: core[LEDGER], _ledger),
    Pass(_held, _held_rules),
    Pass(_first_deliveries, _in_time),
    Pass(_rows_of_units, _bands),
)
