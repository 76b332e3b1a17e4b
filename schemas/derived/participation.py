"""Who is in: enrolment of the eligible, and response at each wave.

Belongs here: tables that count people and visits.
Does not belong here: what the interviews said, and retention.
"""

from __future__ import annotations

import polars as pl

from schemas import result_codes, shared
from schemas.fields import field, table
from schemas.shared import Result, Stratified


class Enrolment(Result):
    """One row per cohort, answer to the invitation, sex and age group, margins included.

    `all` in sex or age_group is the margin; `eligible` is everyone invited, so its own share
    is 1. Made from core.patient.
    """

    cohort: pl.String = shared.cohort()
    group: pl.String = field(
        "Answer",
        "What the people counted answered; eligible is everyone.",
        nb="Svar på invitasjonen",
        codes=result_codes.ENROLMENT_GROUP,
        required=True,
    )
    sex: pl.String = field(
        "Sex", "Sex, or both.", nb="Kjønn", codes=result_codes.SEX_OR_ALL, required=True
    )
    age_group: pl.String = field(
        "Age group",
        "Age group as in core.patient, or all ages.",
        nb="Aldersgruppe",
        codes=result_codes.AGE_GROUP_OR_ALL,
        required=True,
    )
    n: pl.Int64 = shared.count("People", "Personer", "People with that answer.")
    denominator: pl.Int64 = shared.count(
        "Eligible", "Aktuelle", "Eligible people of the same sex and age group."
    )
    n_missing: pl.Int64 = shared.count(
        "Without an answer", "Uten svar", "Of denominator, those whose answer is not known."
    )
    share: pl.Float64 = shared.share("Share", "Andel", "n of denominator.")
    ci_low: pl.Float64 = shared.share_low()
    ci_high: pl.Float64 = shared.share_high()

    class Config(Result.Config):
        """Table name and key."""

        metadata = table(
            "derived.enrolment",
            ["cohort", "group", "sex", "age_group"],
            title="Enrolment",
            nb="Inkludering",
        )


class ResponseByWave(Stratified):
    """One row per cohort, stratum and wave of the schedule.

    Every enrolled person is counted once in each wave: n_enrolled = n_completed + n_missed +
    n_refused + n_not_due + n_dead + n_withdrawn + n_moved + n_out_of_treatment, and
    n_expected = n_enrolled - n_dead - n_withdrawn - n_moved - n_not_due. Partial and
    off-window interviews are response; people out of treatment stay expected.
    Made from core.visit.
    """

    wave: pl.Int32 = shared.wave()
    n_enrolled: pl.Int64 = shared.count("Enrolled", "Inkluderte", "People in the cohort.")
    n_expected: pl.Int64 = shared.count(
        "Expected", "Forventede", "People an interview is expected of: the denominator."
    )
    n_completed: pl.Int64 = shared.count(
        "Interviewed", "Intervjuet", "Completed or partial interviews, in any visit window."
    )
    n_missing: pl.Int64 = shared.count(
        "Missing", "Manglende", "n_expected less n_completed: missed, refused or out of treatment."
    )
    n_partial: pl.Int64 = shared.count("Partial", "Delvis", "Of n_completed, the partial ones.")
    n_off_window: pl.Int64 = shared.count(
        "Off window", "Utenfor vinduet", "Of n_completed, those outside the visit window."
    )
    n_missed: pl.Int64 = shared.count("Missed", "Uteblitt", "Due and not interviewed.")
    n_refused: pl.Int64 = shared.count("Refused", "Avslått", "Said no to this interview.")
    n_out_of_treatment: pl.Int64 = shared.count(
        "Out of treatment", "Ute av behandling", "No interview, and out of treatment; expected."
    )
    n_not_due: pl.Int64 = shared.count(
        "Not due", "Ikke forfalt", "The wave's window had not closed at the cut-off; not expected."
    )
    n_dead: pl.Int64 = shared.count("Dead", "Døde", "Died before the wave; not expected.")
    n_withdrawn: pl.Int64 = shared.count(
        "Withdrawn", "Trukket seg", "Stopped the interviews before the wave; not expected."
    )
    n_moved: pl.Int64 = shared.count(
        "Moved", "Flyttet", "Moved away before the wave; not expected."
    )
    response: pl.Float64 = shared.share(
        "Response", "Svarandel", "n_completed of n_expected.", source="Wilson 1927 interval"
    )
    ci_low: pl.Float64 = shared.share_low("the response")
    ci_high: pl.Float64 = shared.share_high("the response")

    class Config(Stratified.Config):
        """Table name and key."""

        metadata = table(
            "derived.response_by_wave",
            ["cohort", "stratum_by", "stratum", "wave"],
            title="Response by wave",
            nb="Svarandel per måling",
        )
