"""The part of a protocol that says when a step of good care is due.

Belongs here: days, each with a default that has no firm source unless it says so.
Does not belong here: what a step is (see `schemas.codes`), the indicators.
"""

from __future__ import annotations

from pydantic import Field

from schemas.protocol_part import Part


class Deadlines(Part):
    """Days within which a step of good care is due; overdue counts as not done.

    Attributes:
        treatment_start: from referral to the first day of the stay.
        assessment_outpatient: from the start of an outpatient stay to its assessment.
        assessment_inpatient: the same of an inpatient stay.
        checklist: from the person's start to the drop-out checklist.
        safety: from the person's start to suicide screening and talk of overdose risk.
        mapping: from the person's start to complete mapping.
        information: from the person's start to what is told and agreed.
        method: from the person's start to an offered or received method.
        support: from the person's start to practical and social support.
        recent: how far back feedback and goals count at the end of a quarter.
        yearly: how far back what is due every year counts at the end of a quarter.
        after_no_show: from a no-show to outreach or a changed frame.
        after_inpatient: from leaving an inpatient stay to day or ambulatory treatment.
        therapist_change: from asking for another therapist to the change.
    """

    treatment_start: int = Field(default=14, ge=0)
    assessment_outpatient: int = Field(default=21, ge=0)
    assessment_inpatient: int = Field(default=7, ge=0)
    checklist: int = Field(default=30, ge=0)
    safety: int = Field(default=30, ge=0)
    mapping: int = Field(default=90, ge=0)
    information: int = Field(default=90, ge=0)
    method: int = Field(default=180, ge=0)
    support: int = Field(default=365, ge=0)
    recent: int = Field(default=90, ge=0)
    yearly: int = Field(default=365, ge=0)
    after_no_show: int = Field(default=14, ge=0)
    after_inpatient: int = Field(default=14, ge=0)
    therapist_change: int = Field(default=90, ge=0)
