"""Outcomes by pathway, and what goes with them: associations, never effects.

Belongs here: outcomes by pathway and the factors that go with coping.
Does not belong here: pathways compared (see `comparisons`), the outcomes' definitions (see
`schemas.outcomes`).

Pathways are chosen by patients and clinicians, so a difference between them is an association.
"""

from __future__ import annotations

import polars as pl

from schemas import codes, result_codes, shared
from schemas.fields import field, table
from schemas.outcomes import OUTCOME
from schemas.shared import Result, Stratified


class OutcomeByPathway(Stratified):
    """One row per cohort, pathway rule, pathway, stratum, outcome, wave and missing rule.

    The dead, withdrawn and moved are left out and counted in n_excluded. With rule `observed`
    n is the answered; with the three others everyone expected. Pathway at the wave and by
    share of time look into the future: descriptive only. A difference between pathways is an
    association, never an effect. Made from core.interview, core.substance_use, core.visit and
    core.episode.
    """

    pathway_rule: pl.String = field(
        "Pathway rule",
        "How a person is given one pathway.",
        nb="Regel for forløp",
        codes=codes.PATHWAY_RULE,
        required=True,
    )
    pathway: pl.String = field(
        "Pathway",
        "A pathway code of the protocol; `all` for everyone, `unknown` for people in none.",
        nb="Forløp",
        required=True,
    )
    outcome: pl.String = field(
        "Outcome", "Code of the outcome.", nb="Utfall", codes=OUTCOME, required=True
    )
    wave: pl.Int32 = shared.wave()
    missing_rule: pl.String = field(
        "Missing rule",
        "What a missing answer counts as.",
        nb="Regel for manglende",
        codes=codes.MISSING_RULE,
        required=True,
    )
    n_expected: pl.Int64 = shared.count(
        "Expected", "Forventede", "People an answer is expected of at the wave."
    )
    n_excluded: pl.Int64 = shared.count(
        "Left out",
        "Utelatt",
        "Dead, withdrawn or moved by the wave; for retained also people whose first stay has not "
        "begun.",
    )
    n_missing: pl.Int64 = shared.count(
        "Missing", "Manglende", "Expected and without an answer, whatever the rule."
    )
    n: pl.Int64 = shared.count("Counted", "Regnet med", "Denominator under the missing rule.")
    n_success: pl.Int64 = shared.count(
        "Successes", "Oppnådd", "People who achieved the outcome.", null="the outcome is a mean"
    )
    sum_score: pl.Int64 = shared.count(
        "Sum of scores", "Sum av skårer", "Sum over n.", null="the outcome is a proportion"
    )
    estimate: pl.Float64 = shared.number(
        "Estimate", "Estimat", "n_success of n (0 to 1), or sum_score of n (0 to 10)."
    )
    ci_low: pl.Float64 = shared.ci_low()
    ci_high: pl.Float64 = shared.ci_high()

    class Config(Stratified.Config):
        """Table name and key."""

        metadata = table(
            "derived.outcome_by_pathway",
            [
                "cohort",
                "pathway_rule",
                "pathway",
                "stratum_by",
                "stratum",
                "outcome",
                "wave",
                "missing_rule",
            ],
            title="Outcome by pathway",
            nb="Utfall etter forløp",
        )


class CopingAssociation(Result):
    """One row per cohort, outcome, factor, level and model.

    Which patient characteristics and which treatment structures go with coping, retention and
    use. Many factors are looked at, so p_value_adjusted is the one to read. People have
    several waves; the errors are robust to that. An association, never an effect. Made from
    core.interview, core.substance_use and core.patient.
    """

    cohort: pl.String = shared.cohort()
    outcome: pl.String = field(
        "Outcome",
        "What the factor goes with.",
        nb="Utfall",
        codes=result_codes.COPING_OUTCOME,
        required=True,
    )
    factor: pl.String = field("Factor", "Name of the factor.", nb="Faktor", required=True)
    level: pl.String = field(
        "Level", "Level of the factor; `per_unit` for a number.", nb="Nivå", required=True
    )
    reference: pl.String = field(
        "Reference", "Level compared with.", nb="Referanse", null="the factor is a number"
    )
    kind: pl.String = field(
        "Kind",
        "A characteristic of the patient, or a structure of the treatment.",
        nb="Type",
        codes=result_codes.FACTOR_KIND,
        required=True,
    )
    model: pl.String = field(
        "Model",
        "The factor alone, or adjusted for the covariates.",
        nb="Modell",
        codes=result_codes.MODEL,
        required=True,
    )
    measure: pl.String = field(
        "Measure", "What the estimate is.", nb="Mål", codes=result_codes.MEASURE, required=True
    )
    n: pl.Int64 = shared.count("People", "Personer", "People in the model.")
    n_observations: pl.Int64 = shared.count(
        "Observations", "Observasjoner", "Rows of those people, one per wave."
    )
    n_events: pl.Int64 = shared.count(
        "Events", "Hendelser", "Observations with the outcome.", null="a score has none"
    )
    n_missing: pl.Int64 = shared.count(
        "Missing", "Manglende", "People left out for a missing outcome or factor."
    )
    covariates: pl.String = field(
        "Covariates",
        "Factors beside this one in the model, comma-separated: all others where the people carry "
        "so many terms, else as many of age, sex, baseline use and distress and co-occurring "
        "disorder as they do.",
        nb="Kovariater",
        null="the factor alone",
    )
    estimate: pl.Float64 = shared.number("Estimate", "Estimat", "The measure's value.")
    ci_low: pl.Float64 = shared.ci_low()
    ci_high: pl.Float64 = shared.ci_high()
    p_value: pl.Float64 = shared.p_value("Two-sided p value of no association.")
    p_value_adjusted: pl.Float64 = shared.p_value(
        "The p value adjusted for all factors of the same outcome and model."
    )

    class Config(Result.Config):
        """Table name and key."""

        metadata = table(
            "derived.coping_association",
            ["cohort", "outcome", "factor", "level", "model"],
            title="What goes with coping",
            nb="Hva som henger sammen med mestring",
        )
