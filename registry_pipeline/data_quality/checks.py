"""The check types: what is asked, of which dimension, and how much may fail.

Belongs here: one entry per check type, as data. Thresholds without a published source are the
registry's own choice and stand here, not in code.
Does not belong here: the tables and columns a check is spread over (see the rules' modules).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, kw_only=True)
class Check:
    """One check type.

    Attributes:
        rule_id: its name in quality.data_quality.
        dimension: dimension of data quality, as Norwegian registries report it.
        kahn_category: conformance, completeness or plausibility (Kahn 2016).
        threshold: the largest share of rows that may fail.
        note: the rule in words.
        severity: warn, or error where any use of the data would mislead.
    """

    rule_id: str
    dimension: str
    kahn_category: str
    threshold: float
    note: str
    severity: str = "warn"


# Coverage and completeness

COVERAGE: Final = Check(
    rule_id="coverage",
    dimension="coverage",
    kahn_category="completeness",
    threshold=0.4,
    note="Eligible people are enrolled; below 60 % a result is marked low coverage.",
)
MISSING: Final = Check(
    rule_id="missing",
    dimension="completeness",
    kahn_category="completeness",
    threshold=0.2,
    note="The value is stated, where the unit asks for it at all.",
)
MISSING_OR_UNKNOWN: Final = Check(
    rule_id="missing_or_unknown",
    dimension="completeness",
    kahn_category="completeness",
    threshold=0.2,
    note="The value is stated where the unit asks for it, and it is not the code for unknown.",
)
SCORE_LOST: Final = Check(
    rule_id="score_lost",
    dimension="completeness",
    kahn_category="completeness",
    threshold=0.1,
    note="An instrument that was begun has items enough for its score.",
)
USE_ANSWERED: Final = Check(
    rule_id="use_answered",
    dimension="completeness",
    kahn_category="completeness",
    threshold=0.1,
    note="An interview that was held has days of use for every substance.",
)
WAVE_COMPLETE: Final = Check(
    rule_id="wave_complete",
    dimension="completeness",
    kahn_category="completeness",
    threshold=0.2,
    note="An expected interview was held (guideline 2.10: at least 80 %).",
)
HELD_BACK: Final = Check(
    rule_id="held_back",
    dimension="completeness",
    kahn_category="conformance",
    threshold=0.05,
    note="No rule across forms holds an accepted row back.",
)

UNIT_DELIVERED: Final = Check(
    rule_id="unit_delivered",
    dimension="coverage",
    kahn_category="completeness",
    threshold=0.0,
    note="A unit of the protocol has delivered at least one person.",
)

# Timeliness

DELIVERED_IN_TIME: Final = Check(
    rule_id="delivered_in_time",
    dimension="timeliness",
    kahn_category="plausibility",
    threshold=0.1,
    note="An interview is in a delivery extracted within 122 days: its quarter and 30 days.",
)
OFF_WINDOW: Final = Check(
    rule_id="off_window",
    dimension="timeliness",
    kahn_category="plausibility",
    threshold=0.1,
    note="An interview is held within the window of its wave.",
)
ROWS_IN_BAND: Final = Check(
    rule_id="rows_in_band",
    dimension="completeness",
    kahn_category="plausibility",
    threshold=0.0,
    note="Of a unit's visits of a wave that fell due since the cut-off before, as many have a row "
    "as of those due earlier, within three standard errors.",
)

# Conformance

EXTRACTED_SOON: Final = Check(
    rule_id="extracted_soon",
    dimension="correctness",
    kahn_category="plausibility",
    threshold=0.0,
    note="A full delivery is extracted in the year of its quarter or the next: it is the cut-off.",
)
REFUSED_FILES: Final = Check(
    rule_id="refused_files",
    dimension="correctness",
    kahn_category="conformance",
    threshold=0.05,
    note="A delivered file is accepted.",
)
QUARANTINED: Final = Check(
    rule_id="quarantined",
    dimension="correctness",
    kahn_category="conformance",
    threshold=0.05,
    note="A row of an accepted file is accepted.",
)
SOFT_WARNING: Final = Check(
    rule_id="soft_warning",
    dimension="correctness",
    kahn_category="plausibility",
    threshold=0.05,
    note="An accepted row breaks no soft range.",
)
UNIT_KNOWN: Final = Check(
    rule_id="unit_known",
    dimension="correctness",
    kahn_category="conformance",
    threshold=0.0,
    note="The unit is one of the protocol's.",
)
PATHWAY_KNOWN: Final = Check(
    rule_id="pathway_known",
    dimension="correctness",
    kahn_category="conformance",
    threshold=0.0,
    note="The pathway is one of the protocol's.",
)
SUBSTANCE_KNOWN: Final = Check(
    rule_id="substance_known",
    dimension="correctness",
    kahn_category="conformance",
    threshold=0.0,
    note="The substance is one of the protocol's.",
)
RECALL_PERIOD_KNOWN: Final = Check(
    rule_id="recall_period_known",
    dimension="comparability",
    kahn_category="conformance",
    threshold=0.0,
    note="The recall period is 28, 30 or 90 days.",
)
ITEM_CODE_KNOWN: Final = Check(
    rule_id="item_code_known",
    dimension="correctness",
    kahn_category="conformance",
    threshold=0.0,
    note="The item takes 0, 2 or 4 (DUDIT, items 10 and 11).",
)
NO_ANSWERS_UNHELD: Final = Check(
    rule_id="no_answers_unheld",
    dimension="correctness",
    kahn_category="conformance",
    threshold=0.0,
    note="An interview that was missed or refused has no answers.",
)
ANSWERS_WHEN_HELD: Final = Check(
    rule_id="answers_when_held",
    dimension="completeness",
    kahn_category="conformance",
    threshold=0.0,
    note="A completed interview has answers, of substances or of anything else.",
)

# Uniqueness

ONE_PER_WAVE: Final = Check(
    rule_id="one_per_wave",
    dimension="correctness",
    kahn_category="plausibility",
    threshold=0.02,
    note="An interview that was held holds a wave: no other one took it.",
)
POSSIBLE_DUPLICATE: Final = Check(
    rule_id="possible_duplicate",
    dimension="correctness",
    kahn_category="plausibility",
    threshold=0.01,
    note="No two people agree in sex, birth year, municipality, day of consent and start of "
    "treatment.",
)

# Plausibility

PLANNED_WAVE_AGREES: Final = Check(
    rule_id="planned_wave_agrees",
    dimension="comparability",
    kahn_category="plausibility",
    threshold=0.05,
    note="The wave is the one the interviewer planned.",
)
RECALL_PERIOD_KEPT: Final = Check(
    rule_id="recall_period_kept",
    dimension="comparability",
    kahn_category="plausibility",
    threshold=0.05,
    note="The recall period is that of the person's interview before.",
)
MEDICINE_IN_TREATMENT: Final = Check(
    rule_id="medicine_in_treatment",
    dimension="correctness",
    kahn_category="plausibility",
    threshold=0.05,
    note="A person in a treatment pathway has an OAT medicine.",
)
INJECTION_WITHIN_USE: Final = Check(
    rule_id="injection_within_use",
    dimension="correctness",
    kahn_category="plausibility",
    threshold=0.02,
    note="Days of injection are no more than the days of use of all substances together.",
)
SAME_ANSWER_THROUGHOUT: Final = Check(
    rule_id="same_answer_throughout",
    dimension="reliability",
    kahn_category="plausibility",
    threshold=0.05,
    note="The items of an instrument are not all answered alike, above its lowest answer.",
)
AGREES_WITH_TOXICOLOGY: Final = Check(
    rule_id="agrees_with_toxicology",
    dimension="correctness",
    kahn_category="plausibility",
    threshold=0.2,
    note="A positive test within the recall period goes with reported use of the substance.",
)
PLAUSIBLE_AGE: Final = Check(
    rule_id="plausible_age",
    dimension="correctness",
    kahn_category="plausibility",
    threshold=0.0,
    note="The person is 16 to 90 years old at the origin.",
)
NO_OVERLAP: Final = Check(
    rule_id="no_overlap",
    dimension="correctness",
    kahn_category="plausibility",
    threshold=0.02,
    note="A stay does not begin before the person's stay before it in the pathway ended.",
)
ENDS_BY_DEATH: Final = Check(
    rule_id="ends_by_death",
    dimension="correctness",
    kahn_category="plausibility",
    threshold=0.0,
    note="A stay of a person who died has ended by the day of death.",
)
OUTCOME_HAS_START: Final = Check(
    rule_id="outcome_has_start",
    dimension="correctness",
    kahn_category="conformance",
    threshold=0.0,
    note="A stay that ended in some way has begun, unless the person was never met.",
)
REFERRED_BEFORE_START: Final = Check(
    rule_id="referred_before_start",
    dimension="correctness",
    kahn_category="plausibility",
    threshold=0.0,
    note="A stay does not begin before the person was referred to it.",
)
PARTS_ADD_UP: Final = Check(
    rule_id="parts_add_up",
    dimension="correctness",
    kahn_category="conformance",
    threshold=0.0,
    note="The parts of a total add up to it; what fails is the difference.",
    severity="error",
)
USED_BY_SOMEONE: Final = Check(
    rule_id="used_by_someone",
    dimension="relevance",
    kahn_category="plausibility",
    threshold=0.5,
    note="A substance that is asked about is used by someone.",
)
CONTACT_AFTER_IDENTIFIED: Final = Check(
    rule_id="contact_after_identified",
    dimension="correctness",
    kahn_category="plausibility",
    threshold=0.0,
    note="Contact with the centre does not come before the person was identified.",
)

ALL_CHECKS: Final = tuple(value for value in globals().values() if isinstance(value, Check))
"""Every check type, as they stand above."""
