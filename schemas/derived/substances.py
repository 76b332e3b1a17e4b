"""Use of substances wave by wave: level, change from baseline, and moves between states.

Belongs here: tables per substance or group of substances and wave.
Does not belong here: a person's whole course (see `schemas.derived.trajectories`).

Days are non-prescribed days, shown as 28 x the share of the recall period; what lies between
two recall periods is unseen.
"""

from __future__ import annotations

import polars as pl

from schemas import codes, result_codes, shared
from schemas.fields import field, table
from schemas.shared import Result, Stratified

DAYS_28 = "days of 28"
WILSON = "Wilson 1927 interval"


class SubstanceTable(Stratified):
    """Base of every stratified table about a substance or a group of substances."""

    substance: pl.String = shared.substance()


class SubstanceTrend(SubstanceTable):
    """One row per cohort, substance or group, stratum and wave.

    Use of the last 28 days among those expected at the wave. Both missing rules stand side by
    side: any_use of the observed, and any_use_missing_is_use of everyone expected. A group's
    days are the maximum of its members', a lower bound. Made from core.substance_use.
    """

    wave: pl.Int32 = shared.wave()
    n_expected: pl.Int64 = shared.count(
        "Expected", "Forventede", "People an interview is expected of."
    )
    n_observed: pl.Int64 = shared.count(
        "Observed", "Observerte", "People with an answer about the substance."
    )
    n_missing: pl.Int64 = shared.count(
        "Missing", "Manglende", "n_expected less n_observed: missed, refused, not asked or out."
    )
    mean_days: pl.Float64 = shared.number(
        "Mean days", "Gjennomsnittlige dager", "Mean days of use, of the observed.", unit=DAYS_28
    )
    mean_days_ci_low: pl.Float64 = shared.ci_low("mean_days", unit=DAYS_28)
    mean_days_ci_high: pl.Float64 = shared.ci_high("mean_days", unit=DAYS_28)
    median_days: pl.Float64 = shared.number(
        "Median days", "Median dager", "Median days of use, of the observed.", unit=DAYS_28
    )
    n_abstinent: pl.Int64 = shared.count("No use", "Ingen bruk", "Observed without use.")
    n_episodic: pl.Int64 = shared.count(
        "Single episodes", "Enkelte ganger", "Observed with episodic use."
    )
    n_regular: pl.Int64 = shared.count(
        "Regular use", "Regelmessig bruk", "Observed with regular use."
    )
    abstinent: pl.Float64 = shared.share(
        "No use, share", "Ingen bruk, andel", "n_abstinent of n_observed."
    )
    episodic: pl.Float64 = shared.share(
        "Single episodes, share", "Enkelte ganger, andel", "n_episodic of n_observed."
    )
    regular: pl.Float64 = shared.share(
        "Regular use, share", "Regelmessig bruk, andel", "n_regular of n_observed."
    )
    any_use: pl.Float64 = shared.share(
        "Any use", "Noe bruk", "Episodic or regular use, of n_observed.", source=WILSON
    )
    any_use_ci_low: pl.Float64 = shared.share_low("any_use")
    any_use_ci_high: pl.Float64 = shared.share_high("any_use")
    any_use_missing_is_use: pl.Float64 = shared.share(
        "Any use, missing as use",
        "Noe bruk, manglende som bruk",
        "Episodic, regular or missing, of n_expected.",
        source=WILSON,
    )
    any_use_missing_is_use_ci_low: pl.Float64 = shared.share_low("any_use_missing_is_use")
    any_use_missing_is_use_ci_high: pl.Float64 = shared.share_high("any_use_missing_is_use")

    class Config(SubstanceTable.Config):
        """Table name and key."""

        metadata = table(
            "derived.substance_trend",
            ["cohort", "substance", "stratum_by", "stratum", "wave"],
            title="Substance use by wave",
            nb="Rusmiddelbruk per måling",
        )


class SubstanceSlope(SubstanceTable):
    """One row per cohort, substance or group, stratum and model.

    How use changes per month over the waves, a straight line through everyone's answers: days
    of use (GEE and mixed model) and the odds of any use (GEE). A person's answers belong
    together: errors are robust to that, and bias-reduced for few people. The mixed model reads
    missing answers as missing at random given the answers there are, the equations as missing
    completely at random. Refused below 15 people, of any use also
    below 10 answers with or without it. Waves stand on their nominal days. Made from
    core.substance_use.
    """

    model: pl.String = field(
        "Model", "What is fitted.", nb="Modell", codes=result_codes.SLOPE_MODEL, required=True
    )
    measure: pl.String = field(
        "Measure",
        "What the estimate is: a difference of days, or an odds ratio, per month.",
        nb="Mål",
        codes=result_codes.MEASURE,
        required=True,
    )
    n: pl.Int64 = shared.count("People", "Personer", "People with an answer at any wave.")
    n_observations: pl.Int64 = shared.count("Answers", "Svar", "Answers over all waves.")
    n_missing: pl.Int64 = shared.count(
        "Missing", "Manglende", "Answers expected and not given, over all waves."
    )
    n_events: pl.Int64 = shared.count("Any use", "Noe bruk", "Answers with any use.")
    start: pl.Float64 = shared.number(
        "At baseline", "Ved start", "The line at baseline: days of 28, or share with any use."
    )
    estimate: pl.Float64 = shared.number(
        "Per month",
        "Per måned",
        "Change per month of 30.4375 days: days of 28, or odds ratio.",
        source="Liang and Zeger 1986; Laird and Ware 1982; Mancl and DeRouen 2001",
    )
    ci_low: pl.Float64 = shared.ci_low()
    ci_high: pl.Float64 = shared.ci_high()
    p_value: pl.Float64 = shared.p_value("Two-sided p value of no change.")

    class Config(SubstanceTable.Config):
        """Table name and key."""

        metadata = table(
            "derived.substance_slope",
            ["cohort", "substance", "stratum_by", "stratum", "model"],
            title="Change of use per month",
            nb="Endring i bruk per måned",
        )


class SubstanceTransition(SubstanceTable):
    """One row per cohort, substance, stratum, pair of adjacent waves and pair of states.

    From every state at one scheduled wave to every state at the next; missing (missed, refused,
    not asked, out of treatment) is a state among the others. Nobody is expected dead, withdrawn,
    moved or before the wave is due, so those pairs of waves are left out. Pooled over all pairs,
    from_wave and to_wave are both null: the key counts null as a value. Pooled intervals come
    from people, since a person counts in several pairs. Made from derived.trajectory.
    """

    from_wave: pl.Int32 = field(
        "From wave", "The earlier wave.", nb="Fra måling", low=0, null="pooled over all waves"
    )
    to_wave: pl.Int32 = field(
        "To wave", "The wave after it.", nb="Til måling", low=1, null="pooled over all waves"
    )
    from_state: pl.String = field(
        "From state",
        "State at the earlier wave.",
        nb="Fra tilstand",
        codes=result_codes.MOVE_STATE,
        required=True,
    )
    to_state: pl.String = field(
        "To state",
        "State at the later wave.",
        nb="Til tilstand",
        codes=result_codes.MOVE_STATE,
        required=True,
    )
    n: pl.Int64 = shared.count("Moves", "Overganger", "People who made this move.")
    denominator: pl.Int64 = shared.count(
        "In from state", "I utgangstilstanden", "People in from_state at the earlier wave."
    )
    n_missing: pl.Int64 = shared.count(
        "Missing later", "Mangler senere", "Of denominator, those missing at the later wave."
    )
    probability: pl.Float64 = shared.share("Probability", "Sannsynlighet", "n of denominator.")
    ci_low: pl.Float64 = shared.share_low("the probability")
    ci_high: pl.Float64 = shared.share_high("the probability")

    class Config(SubstanceTable.Config):
        """Table name and key."""

        metadata = table(
            "derived.substance_transition",
            [
                "cohort",
                "substance",
                "stratum_by",
                "stratum",
                "from_wave",
                "to_wave",
                "from_state",
                "to_state",
            ],
            title="Moves between states of use",
            nb="Overganger mellom tilstander",
        )


class SubstanceChange(Result):
    """One row per cohort, person, substance or group and wave after the baseline.

    Change from the person's own baseline; null, with the kind of missing as reason, where the
    baseline or the wave has no answer. Made from core.substance_use.
    """

    cohort: pl.String = shared.cohort()
    patient_id: pl.String = shared.patient_id()
    substance: pl.String = shared.substance()
    wave: pl.Int32 = field(
        "Wave", "The wave compared with the baseline.", nb="Måling", low=1, required=True
    )
    baseline_days_28: pl.Float64 = field(
        "Days at baseline",
        "Days of use at baseline.",
        nb="Dager ved start",
        unit=DAYS_28,
        low=0,
        high=28,
        null="no answer at baseline",
    )
    days_28: pl.Float64 = field(
        "Days",
        "Days of use at the wave.",
        nb="Dager",
        unit=DAYS_28,
        low=0,
        high=28,
        null="no answer at the wave",
    )
    change: pl.String = field(
        "Change",
        "First that holds: none at either is not_able_to_improve; use after none is "
        "deteriorated; none now is abstinent; at most half is improved; at least one and a half "
        "times and 4 days more is deteriorated; else unchanged.",
        nb="Endring",
        codes=codes.CHANGE,
        null="baseline or wave not answered",
        source="NDTMS/TOP verdicts",
    )
    change_30_percent: pl.String = field(
        "Change, 30 % rule",
        "The same verdicts with 30 % fewer days as improved and 30 % more as deteriorated.",
        nb="Endring, 30 %-regel",
        codes=codes.CHANGE,
        null="baseline or wave not answered",
        source="ATOP 30 % rule",
    )
    reliable: pl.Boolean = field(
        "Reliable",
        "Days changed by more than 1.96 x SD x sqrt(2) x sqrt(1 - r), the SD of the cohort's "
        "baseline and r from the protocol.",
        nb="Sikker endring",
        null="baseline or wave not answered, or no spread at baseline",
        source="Jacobson and Truax 1991",
    )

    class Config(Result.Config):
        """Table name and key."""

        metadata = table(
            "derived.substance_change",
            ["cohort", "patient_id", "substance", "wave"],
            title="Change from baseline",
            nb="Endring fra start",
        )
