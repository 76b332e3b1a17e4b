"""Trajectories: a person's whole course, and courses counted.

Belongs here: words, classes, time to relapse or abstinence, spread of states by wave.
Does not belong here: level and change at one wave (see `schemas.derived.substances`).
"""

from __future__ import annotations

import polars as pl

from schemas import codes, result_codes, shared
from schemas.derived.substances import SubstanceTable
from schemas.fields import field, table
from schemas.shared import Result

LETTERS = "".join(codes.STATE_LETTER.values())


class Trajectory(Result):
    """One row per cohort, enrolled person and substance or group.

    The word has one letter per scheduled wave: A no use, E single episodes, R regular use, m
    missed, r refused, d dead, w withdrawn, o out of treatment, v moved, _ not due, . not
    asked. The class follows from the word by rules, in a fixed order. Made from
    core.substance_use.
    """

    cohort: pl.String = shared.cohort()
    patient_id: pl.String = shared.patient_id()
    substance: pl.String = shared.substance()
    word: pl.String = field(
        "Word",
        "One letter per scheduled wave, baseline first.",
        nb="Forløpsord",
        pattern=rf"^[{LETTERS}]+$",
        required=True,
    )
    trajectory_class: pl.String = field(
        "Class",
        "First that holds: fewer than 3 observed or under half of the due waves is "
        "insufficient_data; an exit or death before the last due wave is ended; all A; all R; "
        "no R is stable_low; the last two observed against the first two, scored 0, 1, 2: one "
        "lower is improving, one higher deteriorating; else fluctuating.",
        nb="Forløpsklasse",
        codes=codes.TRAJECTORY_CLASS,
        required=True,
    )
    n_observed: pl.Int32 = field(
        "Observed waves", "Waves with A, E or R.", nb="Observerte målinger", low=0, required=True
    )
    n_due: pl.Int32 = field(
        "Due waves", "Waves due by the cut-off.", nb="Forfalte målinger", low=0, required=True
    )
    n_changes: pl.Int32 = field(
        "Changes",
        "How often the state differs from the observed one before; missing waves are skipped.",
        nb="Skifter",
        low=0,
        required=True,
    )

    class Config(Result.Config):
        """Table name and key."""

        metadata = table(
            "derived.trajectory",
            ["cohort", "patient_id", "substance"],
            title="Trajectories",
            nb="Bruksforløp per person",
        )


class TrajectoryProfile(SubstanceTable):
    """One row per cohort, substance, class and stratum.

    People per class, the classes without data among them. Made from derived.trajectory.
    """

    trajectory_class: pl.String = field(
        "Class",
        "Class of the trajectory.",
        nb="Forløpsklasse",
        codes=codes.TRAJECTORY_CLASS,
        required=True,
    )
    n: pl.Int64 = shared.count("People", "Personer", "People in the class.")
    denominator: pl.Int64 = shared.count(
        "All people", "Alle personer", "People of the stratum, insufficient data included."
    )
    n_missing: pl.Int64 = shared.count(
        "Too few answers", "For få svar", "Of denominator, those with insufficient data."
    )
    share: pl.Float64 = shared.share("Share", "Andel", "n of denominator.")
    ci_low: pl.Float64 = shared.share_low()
    ci_high: pl.Float64 = shared.share_high()
    mean_complexity: pl.Float64 = field(
        "Complexity",
        "Mean complexity of the people in the class with at least two observed waves: the root of "
        "changes per step times the entropy of the person's own states; 0 is no change.",
        nb="Kompleksitet",
        low=0,
        high=1,
        null="nobody in the class with two observed waves",
        source="Gabadinho et al. 2010",
    )

    class Config(SubstanceTable.Config):
        """Table name and key."""

        metadata = table(
            "derived.trajectory_profile",
            ["cohort", "substance", "trajectory_class", "stratum_by", "stratum"],
            title="Trajectories by class",
            nb="Bruksforløp etter klasse",
        )


class TrajectoryLatent(Result):
    """One row per cohort, substance, number of latent classes and class.

    A second opinion beside the rules, where the protocol asks for it; else empty. A mixture over
    the courses of people with enough data: within a class the waves are independent, missing
    waves say nothing. Compare numbers of classes by bic, lower is better, and trust a class only
    where entropy is near 1 and n_class is more than a few people. Classes are in order of use.
    The intervals allow for not knowing who is in which class, and take the number of classes as
    given. What is 0 or 1 as fitted has none, nor has a model of fewer than 15 people for each
    share and probability that is neither. Refused below 50 people. Made from derived.trajectory.
    """

    cohort: pl.String = shared.cohort()
    substance: pl.String = shared.substance()
    n_classes: pl.Int32 = field(
        "Classes fitted", "How many classes the model has.", nb="Antall klasser", low=1,
        high=3, required=True,
    )  # fmt: skip
    latent_class: pl.Int32 = field(
        "Class", "Number of the class, least use first.", nb="Klasse", low=1, high=3, required=True
    )
    n: pl.Int64 = shared.count("People", "Personer", "People in the model.")
    n_left_out: pl.Int64 = shared.count(
        "Left out", "Utelatt", "People with too few answers for a rule to judge."
    )
    n_class: pl.Int64 = shared.count(
        "In the class", "I klassen", "People most likely in the class.", null=shared.NOT_COMPUTABLE
    )
    share: pl.Float64 = shared.share("Share", "Andel", "Estimated share of the class.")
    ci_low: pl.Float64 = shared.share_low("share, given this number of classes")
    ci_high: pl.Float64 = shared.share_high("share, given this number of classes")
    abstinent: pl.Float64 = shared.share(
        "No use", "Ingen bruk", "Probability of no use in the class, mean over the waves."
    )
    abstinent_ci_low: pl.Float64 = shared.share_low("abstinent, given this number of classes")
    abstinent_ci_high: pl.Float64 = shared.share_high("abstinent, given this number of classes")
    episodic: pl.Float64 = shared.share(
        "Single episodes", "Enkelte ganger", "Probability of episodic use, mean over the waves."
    )
    episodic_ci_low: pl.Float64 = shared.share_low("episodic, given this number of classes")
    episodic_ci_high: pl.Float64 = shared.share_high("episodic, given this number of classes")
    regular: pl.Float64 = shared.share(
        "Regular use", "Regelmessig bruk", "Probability of regular use, mean over the waves."
    )
    regular_ci_low: pl.Float64 = shared.share_low("regular, given this number of classes")
    regular_ci_high: pl.Float64 = shared.share_high("regular, given this number of classes")
    log_likelihood: pl.Float64 = shared.number(
        "Log likelihood", "Log-likelihood", "Of the model, at the best of its starts."
    )
    n_parameters: pl.Int32 = field(
        "Parameters", "Free shares and probabilities.", nb="Parametre", low=1,
        null=shared.NOT_COMPUTABLE,
    )  # fmt: skip
    bic: pl.Float64 = shared.number(
        "BIC", "BIC", "Bayesian information criterion: lower is better.", source="Schwarz 1978"
    )
    is_lowest_bic: pl.Boolean = field(
        "Lowest BIC",
        "No other number of classes has a lower BIC.",
        nb="Lavest BIC",
        null=shared.NOT_COMPUTABLE,
    )
    entropy: pl.Float64 = field(
        "Entropy",
        "How clearly people fall into classes: 1 is clear, 0 is not at all.",
        nb="Entropi",
        high=1,
        null="one class, or not computable",
        source="Celeux and Soromenho 1996",
    )

    class Config(Result.Config):
        """Table name and key."""

        metadata = table(
            "derived.trajectory_latent",
            ["cohort", "substance", "n_classes", "latent_class"],
            title="Latent classes of trajectories",
            nb="Latente klasser av bruksforløp",
        )


class TimeToEvent(SubstanceTable):
    """One row per cohort, substance, event, stratum and scheduled day.

    Relapse: regular use after at least two abstinent waves in a row, counted from the second
    of them. Sustained abstinence: two abstinent waves in a row, counted from the baseline. A
    missing wave breaks the run. Known only at the waves, so a life table over the schedule.
    Made from core.substance_use.
    """

    event: pl.String = field(
        "Event",
        "What the time runs to.",
        nb="Hendelse",
        codes=result_codes.WAVE_EVENT,
        required=True,
    )
    month: pl.Int32 = shared.month()
    day: pl.Int32 = shared.day("Day", "Dag", "Scheduled days since the start of the time at risk.")
    n: pl.Int64 = shared.count("People", "Personer", "People ever at risk of the event.")
    n_left_out: pl.Int64 = shared.count(
        "Left out", "Utelatt", "People of the stratum never seen at risk."
    )
    n_at_risk: pl.Int64 = shared.count("At risk", "Under risiko", "At risk on the day.")
    n_event_cum: pl.Int64 = shared.count(
        "Events so far", "Hendelser til nå", "Events up to and including the day."
    )
    share: pl.Float64 = shared.share(
        "Share", "Andel", "Estimated share with the event by the day.", source="life table"
    )
    ci_low: pl.Float64 = shared.share_low("the share, log-log")
    ci_high: pl.Float64 = shared.share_high("the share, log-log")

    class Config(SubstanceTable.Config):
        """Table name and key."""

        metadata = table(
            "derived.time_to_event",
            ["cohort", "substance", "event", "stratum_by", "stratum", "day"],
            title="Time to relapse and to sustained abstinence",
            nb="Tid til tilbakefall og vedvarende rusfrihet",
        )


class SequenceMeasure(SubstanceTable):
    """One row per cohort, substance, stratum and wave.

    How everyone enrolled is spread over all states at the wave, every kind of missing
    included: the shares of the eleven states add up to 1, each with its interval. Entropy is of
    the observed states alone, so that missing data does not look like variety. Made from
    core.substance_use.
    """

    wave: pl.Int32 = shared.wave()
    n: pl.Int64 = shared.count("People", "Personer", "Enrolled people: the denominator.")
    n_observed: pl.Int64 = shared.count("Observed", "Observerte", "People with an observed state.")
    n_missing: pl.Int64 = shared.count(
        "Missing", "Manglende", "Expected and not observed: missed, refused, not asked or out."
    )
    abstinent: pl.Float64 = shared.share("No use", "Ingen bruk", "Share of n without use.")
    abstinent_ci_low: pl.Float64 = shared.share_low("abstinent, Wilson")
    abstinent_ci_high: pl.Float64 = shared.share_high("abstinent, Wilson")
    episodic: pl.Float64 = shared.share(
        "Single episodes", "Enkelte ganger", "Share of n with episodic use."
    )
    episodic_ci_low: pl.Float64 = shared.share_low("episodic, Wilson")
    episodic_ci_high: pl.Float64 = shared.share_high("episodic, Wilson")
    regular: pl.Float64 = shared.share(
        "Regular use", "Regelmessig bruk", "Share of n with regular use."
    )
    regular_ci_low: pl.Float64 = shared.share_low("regular, Wilson")
    regular_ci_high: pl.Float64 = shared.share_high("regular, Wilson")
    not_asked: pl.Float64 = shared.share(
        "Not asked", "Ikke spurt", "Share of n interviewed without an answer about it."
    )
    not_asked_ci_low: pl.Float64 = shared.share_low("not_asked, Wilson")
    not_asked_ci_high: pl.Float64 = shared.share_high("not_asked, Wilson")
    missed: pl.Float64 = shared.share("Missed", "Uteblitt", "Share of n that missed the wave.")
    missed_ci_low: pl.Float64 = shared.share_low("missed, Wilson")
    missed_ci_high: pl.Float64 = shared.share_high("missed, Wilson")
    refused: pl.Float64 = shared.share("Refused", "Avslått", "Share of n that refused it.")
    refused_ci_low: pl.Float64 = shared.share_low("refused, Wilson")
    refused_ci_high: pl.Float64 = shared.share_high("refused, Wilson")
    not_due: pl.Float64 = shared.share(
        "Not due", "Ikke forfalt", "Share of n for whom it was not due."
    )
    not_due_ci_low: pl.Float64 = shared.share_low("not_due, Wilson")
    not_due_ci_high: pl.Float64 = shared.share_high("not_due, Wilson")
    dead: pl.Float64 = shared.share("Dead", "Døde", "Share of n that had died.")
    dead_ci_low: pl.Float64 = shared.share_low("dead, Wilson")
    dead_ci_high: pl.Float64 = shared.share_high("dead, Wilson")
    withdrawn: pl.Float64 = shared.share(
        "Withdrawn", "Trukket seg", "Share of n that had stopped the interviews."
    )
    withdrawn_ci_low: pl.Float64 = shared.share_low("withdrawn, Wilson")
    withdrawn_ci_high: pl.Float64 = shared.share_high("withdrawn, Wilson")
    moved: pl.Float64 = shared.share("Moved", "Flyttet", "Share of n that had moved away.")
    moved_ci_low: pl.Float64 = shared.share_low("moved, Wilson")
    moved_ci_high: pl.Float64 = shared.share_high("moved, Wilson")
    out_of_treatment: pl.Float64 = shared.share(
        "Out of treatment", "Ute av behandling", "Share of n not interviewed, out of treatment."
    )
    out_of_treatment_ci_low: pl.Float64 = shared.share_low("out_of_treatment, Wilson")
    out_of_treatment_ci_high: pl.Float64 = shared.share_high("out_of_treatment, Wilson")
    entropy: pl.Float64 = field(
        "Entropy",
        "Spread over abstinent, episodic and regular among n_observed, -sum(p ln p) / ln 3: 0 is "
        "all in one state, 1 is even.",
        nb="Entropi",
        low=0,
        high=1,
        null=shared.NOT_COMPUTABLE,
        source="Shannon 1948",
    )
    ci_low: pl.Float64 = shared.share_low("entropy, by the delta method")
    ci_high: pl.Float64 = shared.share_high("entropy, by the delta method")

    class Config(SubstanceTable.Config):
        """Table name and key."""

        metadata = table(
            "derived.sequence_measure",
            ["cohort", "substance", "stratum_by", "stratum", "wave"],
            title="States by wave",
            nb="Tilstander per måling",
        )
