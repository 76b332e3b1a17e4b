"""The committed sample of the drop-out programme: several units, one of which exports as KVARUS.

Belongs here: putting the cohort `tsb` together into its deliveries, from the committed seed.
Does not belong here: its people, steps and answers (see `tsb_stays`, `tsb_steps`, `tsb_answers`).
"""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from registry_pipeline.synthetic.deliveries import Delivery, write_delivery
from registry_pipeline.synthetic.draw import shaped
from registry_pipeline.synthetic.tsb_answers import draw_export, draw_interviews
from registry_pipeline.synthetic.tsb_stays import (
    draw_events,
    draw_people,
    draw_stays,
    episodes_form,
    with_opted_out,
)
from registry_pipeline.synthetic.tsb_steps import draw_appointments, draw_process_events
from schemas.protocol import load_shipped

SEED: Final = 2041
QUARTER: Final = "2024-Q4"
EXTRACTED: Final = date(2025, 1, 1)
DATED: Final = {
    "interviews": "interview_date",
    "appointments": "scheduled_date",
    "process_events": "event_date",
}


def write_tsb(out: Path) -> None:
    """Writes `<out>/tsb`: the units' common delivery, and the one in another registry's shape.

    Raises:
        FileExistsError: a delivery folder is there already; nothing is overwritten.
    """
    protocol = load_shipped("tsb")
    tables = {name: _asked(shaped(name, protocol, table)) for name, table in draw_tsb().items()}
    common = Delivery(QUARTER, EXTRACTED, tables, sender="drop-out-prosjektet")
    export = Delivery(
        QUARTER,
        EXTRACTED,
        draw_export(np.random.default_rng([SEED, 1])),
        older_export=True,
        sender="midt-norge",
        suffix="kvarus",
    )
    for delivery in (common, export):
        write_delivery(out, protocol.id, delivery)


def draw_tsb() -> dict[str, pl.DataFrame]:
    """The forms of the units that deliver in the registry's own shape, before they are typed."""
    rng = np.random.default_rng([SEED, 0])
    people = draw_people(rng)
    stays = draw_stays(people, rng)
    events = draw_events(stays, rng)
    appointments = draw_appointments(people, rng)
    forms = {
        "interviews": draw_interviews(stays, rng),
        "appointments": appointments,
        "process_events": draw_process_events(stays, appointments, rng),
    }
    dead = events.filter(pl.col("event_type").str.starts_with("death")).select(
        "patient_id", death="event_date"
    )
    alive = {
        form: rows.join(dead, on="patient_id", how="left", maintain_order="left").filter(
            pl.col("death").is_null() | (pl.col(DATED[form]) <= pl.col("death"))
        )
        for form, rows in forms.items()
    }
    return {
        "patients": with_opted_out(people),
        "episodes": episodes_form(stays),
        "events": events,
        **alive,
    }


def _asked(table: pl.DataFrame) -> pl.DataFrame:
    """The columns that anyone filled in: what is not asked has no column."""
    return table.select(column for column in table if column.null_count() < table.height)
