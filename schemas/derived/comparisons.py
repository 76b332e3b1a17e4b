"""Pathways compared: each against the reference, how alike they began, and how they were weighed.

Belongs here: adjusted and unadjusted comparisons, covariate balance, weights.
Does not belong here: outcomes of one pathway and the factors of coping (see `pathways`).

Pathways are chosen by patients and clinicians, so a difference between them is an association,
never an effect.
"""

from __future__ import annotations

import polars as pl

from schemas import result_codes, shared
from schemas.fields import field, table
from schemas.outcomes import OUTCOME
from schemas.shared import Result


class OutcomeComparison(Result):
    """One row per cohort, outcome, wave, pathway, reference, measure, missing rule and model.

    Pathway at baseline against the protocol's reference: plain, adjusted in one model (ratios of
    odds and hazards, differences of means), standardised over everyone in that model (risks), and
    weighted by the inverse probability of the pathway; `method` tells them apart. Refused, with a
    reason, where the events do not carry the degrees of freedom. An association, never an effect.
    Made from the people behind derived.outcome_by_pathway and derived.retention_person.
    """

    cohort: pl.String = shared.cohort()
    outcome: pl.String = field(
        "Outcome", "Code of the outcome.", nb="Utfall", codes=OUTCOME, required=True
    )
    wave: pl.Int32 = field(
        "Wave",
        "The wave compared at; for a hazard ratio the last wave of its horizon.",
        nb="Måling",
        low=0,
        required=True,
    )
    pathway: pl.String = field("Pathway", "The pathway compared.", nb="Forløp", required=True)
    reference: pl.String = field(
        "Reference", "The pathway compared with.", nb="Referanse", required=True
    )
    measure: pl.String = field(
        "Measure", "What the estimate is.", nb="Mål", codes=result_codes.MEASURE, required=True
    )
    missing_rule: pl.String = field(
        "Missing rule",
        "What a missing answer counts as; `imputed` where the protocol asks for imputation.",
        nb="Regel for manglende",
        codes=result_codes.COMPARISON_RULE,
        required=True,
    )
    adjusted: pl.Boolean = field(
        "Adjusted", "Adjusted for the covariates.", nb="Justert", required=True
    )
    covariates: pl.String = field(
        "Covariates",
        "Names of the covariates, comma-separated.",
        nb="Kovariater",
        null="not adjusted",
    )
    n: pl.Int64 = shared.count("People", "Personer", "People compared, both pathways.")
    n_missing: pl.Int64 = shared.count(
        "Left out",
        "Utelatt",
        "People left out for a missing outcome or covariate; with rule `imputed` people with one "
        "imputed, and nobody is left out.",
    )
    n_events: pl.Int64 = shared.count(
        "Events",
        "Hendelser",
        "Successes, or exits for a hazard ratio; observed ones, whatever is imputed.",
        null="a mean has none",
    )
    effective_n: pl.Float64 = shared.number(
        "Effective sample size",
        "Effektivt utvalg",
        "(sum of weights) squared over the sum of squared weights, in each of the two pathways and "
        "added; n without weights.",
        unit="people",
        source="Kish 1965",
    )
    estimate: pl.Float64 = shared.number("Estimate", "Estimat", "The measure's value.")
    ci_low: pl.Float64 = shared.ci_low()
    ci_high: pl.Float64 = shared.ci_high()
    p_value: pl.Float64 = shared.p_value("Two-sided p value of no difference.")

    class Config(Result.Config):
        """Table name and key."""

        metadata = table(
            "derived.outcome_comparison",
            [
                "cohort",
                "outcome",
                "wave",
                "pathway",
                "reference",
                "measure",
                "missing_rule",
                "adjusted",
                "method",
            ],
            title="Pathways compared",
            nb="Forløp sammenlignet",
        )


class CovariateBalance(Result):
    """One row per cohort, pathway, reference, covariate and level.

    How alike two pathways are at baseline, before and after weighting; 0.1 is the usual sign
    of imbalance. Made from core.patient and the baseline of core.interview and
    core.substance_use.
    """

    cohort: pl.String = shared.cohort()
    pathway: pl.String = field("Pathway", "The pathway compared.", nb="Forløp", required=True)
    reference: pl.String = field(
        "Reference", "The pathway compared with.", nb="Referanse", required=True
    )
    covariate: pl.String = field(
        "Covariate", "Name of the covariate.", nb="Kovariat", required=True
    )
    level: pl.String = field(
        "Level", "Level of the covariate; `mean` for a number.", nb="Nivå", required=True
    )
    n: pl.Int64 = shared.count("In pathway", "I forløpet", "People of the pathway.")
    n_reference: pl.Int64 = shared.count(
        "In reference", "I referansen", "People of the reference pathway."
    )
    n_level: pl.Int64 = shared.count("At the level", "På nivået", "Of n, people at the level.")
    n_level_reference: pl.Int64 = shared.count(
        "Reference at the level", "Referansen på nivået", "Of n_reference, people at the level."
    )
    n_missing: pl.Int64 = shared.count(
        "Missing", "Manglende", "People of either pathway without the covariate."
    )
    difference_before: pl.Float64 = shared.number(
        "Before weighting",
        "Før vekting",
        "Standardised difference: difference of means or shares over the pooled SD.",
        unit="SD",
        source="Austin 2009",
    )
    difference_after: pl.Float64 = shared.number(
        "After weighting",
        "Etter vekting",
        "Difference of the weighted means or shares of the people weighed, over the same SD.",
        unit="SD",
        source="Austin 2009",
    )

    class Config(Result.Config):
        """Table name and key."""

        metadata = table(
            "derived.covariate_balance",
            ["cohort", "pathway", "reference", "covariate", "level"],
            title="Covariate balance",
            nb="Balanse i kovariater",
        )


class ComparisonWeight(Result):
    """One row per cohort, pathway, reference and arm.

    The inverse-probability weights behind the weighted rows of derived.outcome_comparison: each
    person of either pathway counts as one over the probability of being in their own, given the
    covariates. An effective sample size far below n says that few people carry the comparison.
    Weighted or not, it is an association, never an effect.
    Made from core.patient and the baseline of core.interview and core.substance_use.
    """

    cohort: pl.String = shared.cohort()
    pathway: pl.String = field("Pathway", "The pathway compared.", nb="Forløp", required=True)
    reference: pl.String = field(
        "Reference", "The pathway compared with.", nb="Referanse", required=True
    )
    arm: pl.String = field(
        "Arm", "The pathway the weights are of: either of the two.", nb="Gruppe", required=True
    )
    covariates: pl.String = field(
        "Covariates",
        "Names of the covariates the two are made alike in, comma-separated.",
        nb="Kovariater",
        null="nobody differs in any",
    )
    n: pl.Int64 = shared.count("People", "Personer", "People weighed.")
    n_missing: pl.Int64 = shared.count(
        "Left out", "Utelatt", "People of the arm left out for a missing covariate."
    )
    mean_weight: pl.Float64 = shared.number(
        "Mean weight", "Gjennomsnittsvekt", "Sum of weights over n; about 1 over the arm's share."
    )
    max_weight: pl.Float64 = shared.number(
        "Largest weight", "Største vekt", "Weight of the person who counts most."
    )
    effective_n: pl.Float64 = shared.number(
        "Effective sample size",
        "Effektivt utvalg",
        "(sum of weights) squared over the sum of squared weights.",
        unit="people",
        source="Kish 1965",
    )

    class Config(Result.Config):
        """Table name and key."""

        metadata = table(
            "derived.comparison_weight",
            ["cohort", "pathway", "reference", "arm"],
            title="Weights of the comparisons",
            nb="Vekter i sammenligningene",
        )
