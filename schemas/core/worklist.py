"""The clinicians' worklist: who is at risk of dropping out now, and why.

Belongs here: core.worklist, for those who treat the person; no chart and no event shows it.
Does not belong here: counts of any kind (see `schemas.quality`).
"""

from __future__ import annotations

import polars as pl

from schemas import programme_codes, shared
from schemas.fields import RegistryModel, field, table


class Worklist(RegistryModel):
    """One row per person and reason, as of the person's cut-off.

    Grain: person, reason. Key: cohort, patient_id, rule. People with an open treatment stay, and
    those who dropped out a short time ago. Each reason is one rule that can be checked by hand;
    there is no score and no model. Checklists, meetings and sessions count from the start of the
    present stay. Caveat: it is as old as the delivery.
    """

    cohort: pl.String = shared.cohort()
    patient_id: pl.String = shared.patient_id()
    rule: pl.String = field(
        "Reason",
        "Why the person is on the list.",
        nb="Årsak",
        codes=programme_codes.WORKLIST_RULE,
        required=True,
    )
    unit_id: pl.String = field("Unit", "The unit of the stay.", nb="Enhet", null="not stated")
    suggestion: pl.String = field(
        "Suggestion",
        "What the programme suggests.",
        nb="Forslag",
        codes=programme_codes.WORKLIST_SUGGESTION,
        required=True,
    )
    since_date: pl.Date = field(
        "Since", "The day the reason dates from.", nb="Siden", required=True
    )
    number: pl.Float64 = field(
        "Number",
        "What the rule looked at: no-shows, risk level, days without a meeting, the last total.",
        nb="Tall",
        null="the rule looks at no number",
    )
    as_of_date: pl.Date = field(
        "As of", "The person's cut-off: later events are not known.", nb="Per", required=True
    )

    class Config(RegistryModel.Config):
        """Table name and key."""

        metadata = table(
            "core.worklist",
            ["cohort", "patient_id", "rule"],
            title="Worklist",
            nb="Arbeidsliste",
        )
