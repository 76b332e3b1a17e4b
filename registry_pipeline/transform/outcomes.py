"""Every outcome of every person at every wave, as a number that can be summed.

Belongs here: what counts as success, row by row, as `schemas.outcomes` defines it.
Does not belong here: shares, means and missing rules (see `derivations.pathways_outcomes`).

Wide, one column per outcome: a cohort has fifteen of them, and a row for each would be fifteen
times the rows to move and group.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import narwhals as nw

from registry_pipeline.transform.change import verdict
from registry_pipeline.transform.engine import Frame, materialise, with_epoch_days
from registry_pipeline.transform.people import HELD
from registry_pipeline.transform.retention import origins
from schemas.codes import NOT_EXPECTED, USED_STATES
from schemas.outcomes import OUTCOMES
from schemas.protocol import Protocol

EXCLUDED: Final = ("dead", "withdrawn", "moved")
"""Nobody waits for their answer; the excluded are shown as left out, the others are early."""

IMPROVED: Final = ("not_able_to_improve", "abstinent", "improved")
AUDIT_C_CUT_OFF: Final = {"male": 4, "female": 3}
HSCL10_CUT_OFF: Final = 1.85
LARGE_BENEFIT: Final = 4
STABLE_HOUSING: Final = ("own", "rented")
OCCUPIED: Final = ("work", "education", "activity")
DRUG_FREE: Final = ("mostly", "only")

PERSON_WAVE: Final = ["patient_id", "wave"]


def outcomes(core: Mapping[str, Frame], protocol: Protocol) -> Frame:
    """Every outcome of a cohort, wide.

    Grain: enrolled person and wave; one row per row of core.visit.

    Args:
        core: core.patient, core.visit, core.interview, core.substance_use and
            derived.retention_person of one cohort.
        protocol: its protocol.

    Returns:
        patient_id, wave, pathway_at_wave, `is_expected` (not dead, withdrawn, moved or not due),
        `is_excluded` (dead, withdrawn, moved), the same of retention, `is_stay_expected` and
        `is_stay_excluded` (see `_of_stays`), and per outcome an Int32: 1 achieved and 0 not, or
        the score; null where nobody is expected or no answer can be had. `unknown` is no answer.
    """
    visits = core["core.visit"].with_columns(
        is_answered=nw.col("status").is_in(HELD),
        is_expected=~nw.col("status").is_in(NOT_EXPECTED),
        is_excluded=nw.col("status").is_in(EXCLUDED),
        pathway_at_wave=nw.col("pathway"),
    )
    people = core["core.patient"].select("patient_id", "sex", "primary_substance", "cutoff_day")
    use = core["core.substance_use"]
    rows = (
        visits.join(people, on="patient_id", how="left")
        .join(_answers(core["core.interview"]), on=PERSON_WAVE, how="left")
        .join(_abstinent(use, protocol), on=PERSON_WAVE, how="left")
        .join(_primary_substance(use, people, protocol), on=PERSON_WAVE, how="left")
        .join(_in_treatment(core, protocol), on=PERSON_WAVE, how="left")
        .join(visits.select(is_asked=nw.col("is_expected").any()), how="cross")
        .with_columns(**_of_stays(), **_by_sex())
    )
    who = {code: "is_stay_expected" if code == "retained" else "is_answered" for code in OUTCOMES}
    return materialise(
        rows.select(
            *PERSON_WAVE,
            "pathway_at_wave",
            "is_expected",
            "is_excluded",
            "is_stay_expected",
            "is_stay_excluded",
            *(
                nw.when(nw.col(asked)).then(nw.col(code)).cast(nw.Int32).alias(code)
                for code, asked in who.items()
            ),
        )
    )


def flag(success: nw.Expr, known: nw.Expr | None = None) -> nw.Expr:
    """1 where it holds, 0 where it does not; null where it or `known` cannot be said."""
    failure = ~success if known is None else ~success & known
    return nw.when(success).then(nw.lit(1)).when(failure).then(nw.lit(0))


def day_zero(patients: Frame, protocol: Protocol) -> Frame:
    """Where each person's clocks start: patient_id, zero, origin_epoch.

    `zero` is day 0 of the main retention clock (the first of `retention.origins`) in days from
    the origin of the waves; `origin_epoch` is that origin in days since 1970-01-01.
    """
    on_baseline = origins(protocol)[0] == "baseline"
    epochs = with_epoch_days(patients, ["origin_date", "retention_origin_date"])
    baseline = nw.col("retention_origin_date_epoch") - nw.col("origin_date_epoch")
    zero = baseline if on_baseline else nw.col("treatment_start_day")
    return epochs.select("patient_id", zero=zero, origin_epoch=nw.col("origin_date_epoch"))


def treatment_stays(core: Mapping[str, Frame], protocol: Protocol) -> Frame:
    """Rows of derived.retention_person of kind treatment on the cohort's main clock."""
    return core["derived.retention_person"].filter(
        (nw.col("kind") == "treatment") & (nw.col("origin") == origins(protocol)[0])
    )


def _answers(interviews: Frame) -> Frame:
    """The outcomes that one interview answers; AUDIT-C waits for the sex of the person."""
    known_housing, known_work, known_network = (
        nw.col(name) != "unknown" for name in ("housing", "employment", "drug_free_network")
    )
    return interviews.filter(~nw.col("wave").is_null()).select(
        *PERSON_WAVE,
        "audit_c_score",
        life_satisfaction=nw.col("life_satisfaction"),
        coping=nw.col("coping_score"),
        no_injection=flag(nw.col("injection_days") == 0),
        hscl10_below_cutoff=flag(nw.col("hscl10_score") < HSCL10_CUT_OFF),
        stable_housing=flag(_is_one_of("housing", STABLE_HOUSING), known_housing),
        work_or_activity=flag(_is_one_of("employment", OCCUPIED), known_work),
        crime_free=flag(nw.col("crime_days") == 0),
        drug_free_network=flag(_is_one_of("drug_free_network", DRUG_FREE), known_network),
        no_overdose=flag(nw.col("overdose_count") == 0),
        large_benefit=flag(nw.col("treatment_benefit") >= LARGE_BENEFIT),
    )


def _by_sex() -> dict[str, nw.Expr]:
    """AUDIT-C against the cut-off of the person's sex; no cut-off is known for another sex."""
    cut_off = nw.when(nw.col("sex") == "male").then(nw.lit(AUDIT_C_CUT_OFF["male"]))
    cut_off = cut_off.when(nw.col("sex") == "female").then(nw.lit(AUDIT_C_CUT_OFF["female"]))
    return {"no_hazardous_alcohol": flag(nw.col("audit_c_score") < cut_off)}


def _abstinent(use: Frame, protocol: Protocol) -> Frame:
    """patient_id, wave, no_opioid, no_illicit: the state of the protocol's two groups.

    A group's state says already that any use is use and that all must be abstinent. A protocol
    that names no such group has no such outcome.
    """
    groups = {"no_opioid": protocol.opioid_group, "no_illicit": protocol.illicit_group}
    observed = use.filter(
        nw.col("state").is_in(USED_STATES)
        & nw.col("substance").is_in([group or "" for group in groups.values()])
    )
    abstinent = flag(nw.col("state") == "abstinent")
    return observed.group_by(PERSON_WAVE).agg(
        **{
            code: nw.when(nw.col("substance") == (group or "")).then(abstinent).max()
            for code, group in groups.items()
        }
    )


def _primary_substance(use: Frame, people: Frame, protocol: Protocol) -> Frame:
    """patient_id, wave after the baseline, primary_substance_reduced.

    No use is success, whatever was answered at the baseline; of any use it is not known without
    that answer whether there is less of it.
    """
    states = protocol.states
    change = verdict(states.improved_share, states.deteriorated_share, states.deteriorated_days_28)
    own = people.select("patient_id", substance="primary_substance")
    primary = materialise(
        use.filter(nw.col("state").is_in(USED_STATES))
        .join(own, on=["patient_id", "substance"], how="inner")
        .select(*PERSON_WAVE, "days", "recall_days")
    )
    baseline = primary.filter(nw.col("wave") == 0).select(
        "patient_id", baseline_days="days", baseline_recall="recall_days"
    )
    return (
        primary.filter(nw.col("wave") > 0)
        .join(baseline, on="patient_id", how="left")
        .select(
            *PERSON_WAVE,
            primary_substance_reduced=flag(
                change.is_in(IMPROVED), ~nw.col("baseline_days").is_null()
            ),
        )
    )


def _of_stays() -> dict[str, nw.Expr]:
    """Of whom retention is expected, and who is left out of it: also those in no stay so far.

    Of those whose interview is; in a cohort that nobody interviews, where no visit is ever due, of
    those whose stays are known beyond the wave's nominal day.
    """
    known = nw.coalesce("is_known", nw.col("due_day") < nw.col("cutoff_day"))
    alone = ~nw.col("is_asked") & (nw.col("status") == "not_due") & known
    due = nw.col("is_expected") | alone.fill_null(value=False)
    has_begun = ~nw.col("is_known").is_null()
    return {
        "is_stay_expected": due & has_begun,
        "is_stay_excluded": nw.col("is_excluded") | (due & ~has_begun),
    }


def _in_treatment(core: Mapping[str, Frame], protocol: Protocol) -> Frame:
    """patient_id, wave, is_known, retained, where a stay in treatment has begun by the wave's day.

    is_known where the stays' cut-off is after the wave's nominal day. Retained is 1 where an
    episode holds that day (entry_day <= day < exit_day), null where none does and one was
    censored by then: it is not known whether it went on.
    """
    day = nw.col("due_day") - nw.col("zero")
    there = day < nw.col("exit_day")
    unknown = nw.col("exit_type").is_null() & (nw.col("exit_day") <= day)
    stays = treatment_stays(core, protocol).select(
        "patient_id", "entry_day", "exit_day", "exit_type", "cutoff_day"
    )
    return (
        core["core.visit"]
        .select(*PERSON_WAVE, "due_day")
        .join(stays, on="patient_id", how="inner")
        .join(day_zero(core["core.patient"], protocol), on="patient_id", how="inner")
        .filter(nw.col("entry_day") <= day)
        .group_by(PERSON_WAVE)
        .agg(
            there=flag(there).max(),
            unknown=flag(unknown).max(),
            known=flag(day < nw.col("cutoff_day")).max(),
        )
        .select(
            *PERSON_WAVE,
            is_known=nw.col("known").fill_null(0) == 1,
            retained=flag(nw.col("there") == 1, nw.col("unknown") == 0),
        )
    )


def _is_one_of(column: str, codes: tuple[str, ...]) -> nw.Expr:
    return nw.col(column).is_in(codes)
