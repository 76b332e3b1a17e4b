"""Rules on deliveries: what was refused, quarantined, held back, warned of, and how late it came.

Belongs here: rules whose rows are lines of the ledger, held rows, and first deliveries.
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
ACCEPTED: Final = nw.col("status") == "accepted"


def _ledger(_: Protocol) -> Sequence[Rule]:
    accepted = ACCEPTED.cast(nw.Int64)
    return [
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


DELIVERIES: Final = (
    Pass(lambda core, _: core[LEDGER], _ledger),
    Pass(_held, _held_rules),
    Pass(_first_deliveries, _in_time),
)
