"""The hazard of leaving: interval by interval, and by who people are.

Belongs here: the life table over the schedule, and the hazard ratios with their check.
Does not belong here: curves (see `schemas.derived.retention`), exits by type (see `exits`).
"""

from __future__ import annotations

import polars as pl

from schemas import codes, result_codes, shared
from schemas.derived.retention import CURVE_KEY, GREENWOOD, RetentionTable
from schemas.fields import field, table
from schemas.shared import Result

ACTUARIAL = "Cutler and Ederer 1958"


class RetentionLifeTable(RetentionTable):
    """One row per cohort, kind, origin, stratum and scheduled day after the first.

    For exits that are known only at the interviews: what left between two scheduled days, with no
    claim to the day. People censored or entering late in an interval count as half in it; one
    censored on a scheduled day was there until it. The curve on the same day stands beside it.
    With delayed entry both begin on the first day with enough people at risk: the first interval
    counts from that day, and those that were over by then count nobody and are not_computable.
    On the protocol's own clock. Made from derived.retention_person.
    """

    month: pl.Int32 = shared.month()
    start_day: pl.Int32 = shared.day(
        "After", "Etter", "The scheduled day before; the interval begins the day after it."
    )
    day: pl.Int32 = shared.day("Day", "Dag", "The scheduled day that ends the interval.")
    n_entered: pl.Int64 = shared.count(
        "At the start", "Ved starten", "Episodes there when the interval begins."
    )
    n_late: pl.Int64 = shared.count(
        "Entered late", "Kom til", "Episodes whose observation starts within the interval."
    )
    n_event: pl.Int64 = shared.count("Exits", "Avslutninger", "Exits within the interval.")
    n_censored: pl.Int64 = shared.count(
        "Censored", "Sensurerte", "Episodes censored within the interval."
    )
    effective_n: pl.Float64 = field(
        "Effective number",
        "n_entered and half of n_late, less half of n_censored: the denominator.",
        nb="Effektivt antall",
        low=0,
        null="nobody in the stratum",
    )
    hazard: pl.Float64 = shared.share(
        "Left in the interval",
        "Sluttet i intervallet",
        "n_event of effective_n.",
        source=ACTUARIAL,
    )
    hazard_std_error: pl.Float64 = shared.std_error("hazard, binomial", source=ACTUARIAL)
    hazard_ci_low: pl.Float64 = shared.share_low("hazard, Wilson, of effective_n")
    hazard_ci_high: pl.Float64 = shared.share_high("hazard, Wilson, of effective_n")
    retained: pl.Float64 = shared.share(
        "Retained", "Andel igjen", "Share still there at the end of the interval.", source=ACTUARIAL
    )
    std_error: pl.Float64 = shared.std_error("retained", source=GREENWOOD)
    ci_low: pl.Float64 = shared.share_low("retained, log-log; null where retained is 0 or 1")
    ci_high: pl.Float64 = shared.share_high("retained, log-log; null where retained is 0 or 1")
    retained_curve: pl.Float64 = shared.share(
        "Retained, curve", "Andel igjen, kurve", "The same day read from the retention curve."
    )

    class Config(RetentionTable.Config):
        """Table name and key."""

        metadata = table(
            "derived.retention_life_table",
            [*CURVE_KEY, "day"],
            title="Life table between interviews",
            nb="Levetidstabell mellom målingene",
        )


class RetentionHazard(Result):
    """One row per cohort, kind, origin, exit type, hazard, model, factor and level.

    Hazard of leaving in this way, of people in the level relative to the reference; above 1 they
    leave sooner. Cause-specific: among those still there, any other way of leaving censoring. Of
    drop-out also the hazard of the subdistribution (Fine and Gray), in which people who left in
    another way stay at risk, so that its ratio tells how the cumulative incidence differs; it is
    refused with delayed entry. Levels with fewer than 5 such
    exits are refused and their people left out of the model; the model of all factors is refused
    with more terms than one per 10 exits. The check asks whether the ratio changes with time: a
    small ph_p_value says that one number does not tell it. An association between who people are
    and how they leave, never an effect. On the protocol's own clock, first episodes. Made from
    derived.retention_person.
    """

    cohort: pl.String = shared.cohort()
    kind: pl.String = field(
        "Kind", "Which retention.", nb="Type", codes=codes.RETENTION_KIND, required=True
    )
    origin: pl.String = field(
        "Origin", "Day zero.", nb="Startpunkt", codes=codes.RETENTION_ORIGIN, required=True
    )
    exit_type: pl.String = field(
        "Exit type",
        "The exit counted as event: one type, drop-out of any type, or any exit.",
        nb="Avslutning",
        codes=result_codes.HAZARD_EXIT,
        required=True,
    )
    hazard: pl.String = field(
        "Hazard",
        "Of whom: those still there, or all who have not left in this way.",
        nb="Hasard",
        codes=result_codes.HAZARD,
        required=True,
    )
    model: pl.String = field(
        "Model",
        "The factor alone, or all factors together over people with all of them known.",
        nb="Modell",
        codes=result_codes.MODEL,
        required=True,
    )
    factor: pl.String = field(
        "Factor",
        "What people differ in.",
        nb="Faktor",
        codes=codes.STRATUM_BY,
        required=True,
    )
    level: pl.String = field("Level", "The level compared.", nb="Nivå", required=True)
    reference: pl.String = field(
        "Reference",
        "The level compared with: the largest, of the pathways the protocol's reference.",
        nb="Referanse",
        required=True,
    )
    n: pl.Int64 = shared.count(
        "Episodes",
        "Behandlingsforløp",
        "First episodes in the model; where it is refused, those with every factor known.",
    )
    n_events: pl.Int64 = shared.count("Events", "Hendelser", "Exits of this type among n.")
    n_missing: pl.Int64 = shared.count(
        "Left out", "Utelatt", "Episodes left out: a factor unknown, or a level too sparse."
    )
    n_level: pl.Int64 = shared.count("In the level", "På nivået", "Episodes in the level.")
    n_level_events: pl.Int64 = shared.count(
        "Events in the level", "Hendelser på nivået", "Exits of this type in the level."
    )
    estimate: pl.Float64 = field(
        "Hazard ratio",
        "Hazard in the level over that in the reference.",
        nb="Hasardratio",
        low=0,
        null=shared.NOT_COMPUTABLE,
        source="Cox 1972; Fine and Gray 1999; Efron 1977 for ties",
    )
    ci_low: pl.Float64 = shared.ci_low("the hazard ratio, Wald")
    ci_high: pl.Float64 = shared.ci_high("the hazard ratio, Wald")
    p_value: pl.Float64 = shared.p_value()
    concordance: pl.Float64 = shared.share(
        "Concordance",
        "Konkordans",
        "Of pairs of which one left while the other stayed, the share in which the model says so; "
        "0.5 tells nothing. The same in all rows of a model; of the cause-specific hazard alone.",
        source="Harrell 1982",
    )
    concordance_ci_low: pl.Float64 = shared.share_low("the concordance, normal")
    concordance_ci_high: pl.Float64 = shared.share_high("the concordance, normal")
    ph_statistic: pl.Float64 = field(
        "Proportionality, statistic",
        "Chi-squared score statistic of a change of the factor's ratios with time; the same for "
        "all its levels. Of the cause-specific hazard alone.",
        nb="Proporsjonalitet, testverdi",
        low=0,
        null=shared.NOT_COMPUTABLE,
        source="Grambsch and Therneau 1994",
    )
    ph_df: pl.Int32 = field(
        "Proportionality, degrees of freedom",
        "Levels of the factor in the model, less one.",
        nb="Proporsjonalitet, frihetsgrader",
        low=1,
        null=shared.NOT_COMPUTABLE,
    )
    ph_p_value: pl.Float64 = shared.p_value(
        "p value of the check: small where the hazards are not proportional."
    )

    class Config(Result.Config):
        """Table name and key."""

        metadata = table(
            "derived.retention_hazard",
            ["cohort", "kind", "origin", "exit_type", "hazard", "model", "factor", "level"],
            title="Hazard of leaving by characteristic",
            nb="Risiko for avslutning etter kjennetegn",
        )
