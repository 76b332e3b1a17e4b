"""The outcomes: what each one counts as success, as documented data.

Belongs here: code, labels, kind, direction, definition and source of every outcome.
Does not belong here: the computation (see `registry_pipeline.transform`) and indicators.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from schemas.codes import CodeList


@dataclass(frozen=True)
class Outcome:
    """One outcome of a person at a wave.

    Everyone dead, withdrawn or moved by the wave is left out and counted; "unknown" and not
    answered are missing, and the missing rule says what becomes of them.

    Attributes:
        code: the code in `derived.outcome_by_pathway` and `derived.outcome_comparison`.
        nb: Norwegian label.
        en: English label.
        kind: `proportion` of successes, or `mean` of a score.
        direction: whether a higher estimate is the better one; best and worst case follow it.
        definition: what is success, or which score is averaged.
        source: instrument or convention behind the definition.
    """

    code: str
    nb: str
    en: str
    kind: Literal["proportion", "mean"]
    direction: Literal["higher", "lower"]
    definition: str
    source: str


def _success(code: str, nb: str, en: str, definition: str, source: str) -> Outcome:
    return Outcome(code, nb, en, "proportion", "higher", definition, source)


def _mean(code: str, nb: str, en: str, definition: str, source: str) -> Outcome:
    return Outcome(code, nb, en, "mean", "higher", definition, source)


_LIST: Final = (
    _success(
        "retained",
        "Fortsatt i behandling",
        "Retained in treatment",
        "In OAT on the nominal day of the wave: retention of kind `treatment` has "
        "exit_day > that day. Known of every person whose first stay has begun, interviewed or "
        "not; where a cohort delivers no interviews, as far as the stays are known.",
        "retention of kind treatment",
    ),
    _success(
        "no_opioid",
        "Ingen ikke-forskrevne opioider",
        "No non-prescribed opioid",
        "State of the protocol's opioid group is abstinent: any member used is failure, every "
        "member abstinent is success, else missing.",
        "KORFOR interview; OUD-COS",
    ),
    _success(
        "no_illicit",
        "Ingen illegale rusmidler",
        "No illicit use",
        "State of the protocol's illicit group is abstinent: any member used is failure, every "
        "member abstinent is success, else missing.",
        "KORFOR interview",
    ),
    _success(
        "no_injection",
        "Ingen injisering",
        "No injection",
        "injection_days is 0 in the recall period.",
        "KORFOR interview",
    ),
    _success(
        "no_hazardous_alcohol",
        "Ikke risikofylt alkoholbruk",
        "No hazardous alcohol use",
        "AUDIT-C below 4 for men and below 3 for women; missing where sex is neither.",
        "AUDIT-C",
    ),
    _success(
        "primary_substance_reduced",
        "Ingen eller mindre bruk av hovedrusmiddelet",
        "No or reduced use of the primary substance",
        "No use of the primary substance registered at baseline, whatever the baseline's answer, "
        "or a change of it that is improved. Missing where it is used and the baseline has no "
        "answer. Not defined at the baseline wave.",
        "change rules of derived.substance_change",
    ),
    _success(
        "hscl10_below_cutoff",
        "Psykiske plager under grenseverdi",
        "Distress below the cut-off",
        "HSCL-10 mean below 1.85, with at least 8 of 10 items answered.",
        "Strand 2003",
    ),
    _mean(
        "life_satisfaction",
        "Tilfredshet med livet",
        "Life satisfaction",
        "Mean of life_satisfaction, 0 to 10.",
        "KORFOR interview",
    ),
    _mean("coping", "Mestring", "Coping", "Mean of coping_score, 0 to 10.", "KORFOR interview"),
    _success(
        "stable_housing",
        "Stabil bolig",
        "Stable housing",
        "Housing is own or rented; unknown is missing.",
        "convention of this registry",
    ),
    _success(
        "work_or_activity",
        "Arbeid, utdanning eller aktivitet",
        "Work, education or activity",
        "Employment is work, education or activity; unknown is missing.",
        "convention of this registry",
    ),
    _success(
        "crime_free",
        "Ingen kriminalitet",
        "Crime-free",
        "crime_days is 0 in the recall period.",
        "KORFOR interview",
    ),
    _success(
        "drug_free_network",
        "Rusfritt nettverk",
        "Drug-free network",
        "drug_free_network is mostly or only; unknown is missing.",
        "KORFOR interview",
    ),
    _success(
        "no_overdose",
        "Ingen overdose siden forrige intervju",
        "No overdose since the last interview",
        "overdose_count is 0.",
        "KORFOR interview; OUD-COS",
    ),
    _success(
        "large_benefit",
        "Stort utbytte av behandlingen",
        "Large benefit of treatment",
        "treatment_benefit is 4 or 5 of 5.",
        "KVARUS",
    ),
)

OUTCOMES: Final = {outcome.code: outcome for outcome in _LIST}
"""Code to outcome, in display order."""

OUTCOME: Final = CodeList("outcome", {outcome.code: (outcome.nb, outcome.en) for outcome in _LIST})
"""The outcome codes, for the columns that hold them."""
