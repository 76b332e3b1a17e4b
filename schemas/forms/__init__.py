"""The forms of a delivery: one model per form, and the tables made from them at intake.

Belongs here: the list of forms, the protocol's own columns, the provenance of an intake row.
Does not belong here: reading files or judging rows (see `registry_pipeline.gate`).
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Final

import pandera.polars as pa
import polars as pl

from schemas.fields import RegistryModel, Table, describe, describe_schema
from schemas.forms.contacts import (
    Appointments,
    GoalCounts,
    Involvement,
    Outreach,
    ProcessEvents,
    Toxicology,
)
from schemas.forms.interview import InterviewAnswers, Interviews
from schemas.forms.people import Episodes, Events, Patients, Withdrawals
from schemas.forms.provenance import Provenance, Quarantined
from schemas.protocol import Protocol, Substance

__all__ = [
    "FORMS",
    "InterviewAnswers",
    "form_table",
    "has_person",
    "intake_table",
    "quarantine_table",
    "substance_field",
]

FORMS: Final[dict[str, type[RegistryModel]]] = {
    "patients": Patients,
    "interviews": Interviews,
    "episodes": Episodes,
    "events": Events,
    "toxicology": Toxicology,
    "appointments": Appointments,
    "process_events": ProcessEvents,
    "outreach": Outreach,
    "involvement": Involvement,
    "goal_counts": GoalCounts,
    "withdrawals": Withdrawals,
}
"""Form name to model, in the order forms are taken in."""


def form_table(form: str, protocol: Protocol) -> Table:
    """The table of a form under a protocol.

    Args:
        form: a name in `FORMS`.
        protocol: adds `<substance>_days` to interviews.

    Raises:
        KeyError: there is no such form.
    """
    return _with_substances(form, protocol.substances if form == "interviews" else ())


@cache
def _with_substances(form: str, substances: tuple[Substance, ...]) -> Table:
    plain = describe(FORMS[form])
    if not substances:
        return plain
    schema = plain.schema.add_columns(
        {f"{substance.code}_days": substance_field(substance) for substance in substances}
    )
    metadata = {
        "table": plain.full_name,
        "key": plain.key,
        "title": plain.title,
        "nb": plain.title_nb,
        "key_fallback": plain.key_fallback,
    }
    return describe_schema(schema, metadata, plain.description)


def intake_table(form: str, protocol: Protocol) -> Table:
    """The table `intake.<form>`: provenance, then the form's columns, which may all be null.

    They may be null because a retraction has its key alone; the gate has judged the rest, so
    `schema` stays the form's own.
    """
    own = form_table(form, protocol)
    provenance = describe(Provenance)
    nullable = (replace(column, nullable=True) for column in own.columns)
    return replace(
        own, key=provenance.key, key_fallback={}, columns=(*provenance.columns, *nullable)
    )


def quarantine_table(form: str) -> Table:
    """The table `intake.quarantined_<form>`."""
    plain = describe(Quarantined)
    return replace(plain, name=f"quarantined_{form}", title=f"{plain.title}: {form}")


def has_person(form: str) -> bool:
    """Whether rows of the form carry a patient_id."""
    return "patient_id" in FORMS[form].to_schema().columns


def substance_field(substance: Substance) -> pa.Column:
    """The interview column of one substance: non-prescribed days of use, 0..recall_days."""
    return pa.Column(
        pl.Int32,
        checks=[pa.Check.ge(0), pa.Check.le(90)],
        nullable=True,
        title=f"{substance.en}, days",
        description=f"Days of non-prescribed use within the recall period: {substance.en}.",
        metadata={
            "nb": f"{substance.nb}, dager",
            "unit": "days",
            "low": 0,
            "high": 90,
            "present": False,
            "missing_meaning": "not answered; not asked where the column is absent",
            "source": "KORFOR interview",
        },
    )
