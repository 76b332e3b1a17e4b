"""The forms of a delivery: one model per form, and the tables made from them at intake.

Belongs here: the list of forms, the protocol's own columns, the provenance of an intake row.
Does not belong here: reading files or judging rows (see `registry_pipeline.gate`).
"""

from __future__ import annotations

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
from schemas.protocol import Protocol, Substance

__all__ = ["FORMS", "PROVENANCE", "InterviewAnswers", "form_table", "has_person", "substance_field"]

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

PROVENANCE: Final[dict[str, pl.DataType]] = {
    "protocol": pl.String(),
    "delivery": pl.String(),
    "quarter": pl.String(),
    "number": pl.Int32(),
    "row_number": pl.Int64(),
    "is_retraction": pl.Boolean(),
}
"""Columns that intake puts before a form's own: where a row came from. A retraction is a row
of its own with the key and nothing else; (quarter, number, delivery) is the order that decides
which row of a key is current."""


def form_table(form: str, protocol: Protocol) -> Table:
    """The table of a form under a protocol.

    Args:
        form: a name in `FORMS`.
        protocol: adds `<substance>_days` to interviews.

    Raises:
        KeyError: there is no such form.
    """
    model = FORMS[form]
    if form != "interviews" or not protocol.substances:
        return describe(model)
    schema = model.to_schema().add_columns(
        {f"{substance.code}_days": substance_field(substance) for substance in protocol.substances}
    )
    plain = describe(model)
    metadata = {
        "table": plain.full_name,
        "key": plain.key,
        "title": plain.title,
        "nb": plain.title_nb,
        "key_fallback": plain.key_fallback,
    }
    return describe_schema(schema, metadata, plain.description)


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
