"""Retention: each person's observed time, and the curves estimated from it.

Belongs here: tables of time in treatment, in the pathway and in the study.
Does not belong here: exits by type, tests and sensitivity (see `schemas.derived.exits`).
"""

from __future__ import annotations

import polars as pl

from schemas import codes, result_codes, shared
from schemas.fields import field, table
from schemas.shared import Result, Stratified

KAPLAN_MEIER = "Kaplan and Meier 1958"
GREENWOOD = "Greenwood 1926"
NELSON_AALEN = "Nelson 1972; Aalen 1978"
CURVE_KEY = ["cohort", "kind", "origin", "stratum_by", "stratum"]


class RetentionTable(Stratified):
    """Base of every stratified table on retention: which of the three, counted from when."""

    kind: pl.String = field(
        "Kind",
        "Which retention: in treatment, in the index pathway, or in the study; never mixed.",
        nb="Type",
        codes=codes.RETENTION_KIND,
        required=True,
    )
    origin: pl.String = field(
        "Origin",
        "Day zero of the clock; from treatment start, people enter late and the estimate is "
        "conditional on the first day with enough at risk.",
        nb="Startpunkt",
        codes=codes.RETENTION_ORIGIN,
        required=True,
    )
    n: pl.Int64 = shared.count("Episodes", "Behandlingsforløp", "First episodes in the stratum.")
    n_left_out: pl.Int64 = shared.count(
        "Left out",
        "Utelatt",
        "People of the stratum who are not in n: no such stay is known, or it cannot be placed on "
        "the clock because one of the two days is unknown; of the study, no interview was "
        "ever due.",
    )


class RetentionPerson(Result):
    """One row per cohort, person, kind, origin and episode.

    The rows every curve is counted from. At risk at day t: entry_day < t <= exit_day; an exit
    on day 0 counts on day 0. A person without any stay has no row of kind treatment or
    pathway; derived.retention_summary counts them. Made from core.episode, core.visit,
    core.event and core.patient.
    """

    cohort: pl.String = shared.cohort()
    patient_id: pl.String = shared.patient_id()
    kind: pl.String = field(
        "Kind", "Which retention.", nb="Type", codes=codes.RETENTION_KIND, required=True
    )
    origin: pl.String = field(
        "Origin",
        "Day zero of the day columns.",
        nb="Startpunkt",
        codes=codes.RETENTION_ORIGIN,
        required=True,
    )
    episode_no: pl.Int32 = field(
        "Episode",
        "Number of the person's merged episode; re-entry beyond the gap starts a new one.",
        nb="Behandlingsforløp nr.",
        low=1,
        required=True,
    )
    entry_day: pl.Int32 = shared.day(
        "Entry", "Inn", "Day observation starts: 0, or later with delayed entry."
    )
    exit_day: pl.Int32 = shared.day(
        "Exit", "Ut", "Day of leaving plus cover; the cut-off where there was no exit."
    )
    cutoff_day: pl.Int32 = field(
        "Cut-off",
        "Last day the person's deliveries speak of, on the same clock.",
        nb="Skjæringsdag",
        unit="days",
        required=True,
    )
    exit_type: pl.String = field(
        "Exit type",
        "How the episode ended.",
        nb="Avslutning",
        codes=result_codes.RETENTION_EXIT,
        null="censored at exit_day",
    )
    is_dropout: pl.Boolean = field(
        "Drop-out",
        "The exit type is one of the four drop-out types; unknown is not among them.",
        nb="Drop-out",
        required=True,
    )
    unit_id: pl.String = field("Unit", "Unit of the episode.", nb="Enhet", null="not stated")
    sex: pl.String = field("Sex", "Sex.", nb="Kjønn", codes=codes.SEX, required=True)
    age_group: pl.String = field(
        "Age group",
        "Age at baseline, as in core.patient.",
        nb="Aldersgruppe",
        codes=codes.AGE_GROUP,
        required=True,
    )
    pathway: pl.String = field(
        "Pathway",
        "Pathway at baseline, a code of the protocol.",
        nb="Forløp ved start",
        null="no stay at baseline",
    )
    co_occurring_disorder: pl.Boolean = field(
        "Co-occurring disorder",
        "A mental disorder beside the substance use disorder.",
        nb="Samtidig psykisk lidelse",
        null="not known",
    )

    class Config(Result.Config):
        """Table name and key."""

        metadata = table(
            "derived.retention_person",
            ["cohort", "patient_id", "kind", "origin", "episode_no"],
            title="Retention, person by person",
            nb="Retensjon per person",
        )


class RetentionCurve(RetentionTable):
    """One row per cohort, kind, origin, stratum and day with an exit or a censoring.

    The product-limit estimate: any exit is the event. It falls only on days with an exit; an
    exit goes before a censoring of the same day. Beside it the cumulative hazard, whose slope
    tells when people leave. Made from derived.retention_person.
    """

    day: pl.Int32 = shared.day("Day", "Dag", "Days since the origin.")
    n_at_risk: pl.Int64 = shared.count(
        "At risk",
        "Under risiko",
        "Episodes with entry_day < day <= exit_day; on day 0, all that entered on it.",
    )
    n_event: pl.Int64 = shared.count("Exits", "Avslutninger", "Exits of any type on the day.")
    n_censored: pl.Int64 = shared.count("Censored", "Sensurerte", "Episodes censored on the day.")
    retained: pl.Float64 = shared.share(
        "Retained", "Andel igjen", "Share with exit_day > day.", source=KAPLAN_MEIER
    )
    std_error: pl.Float64 = shared.std_error("retained", source=GREENWOOD)
    ci_low: pl.Float64 = shared.share_low("retained, log-log; null where retained is 0 or 1")
    ci_high: pl.Float64 = shared.share_high("retained, log-log; null where retained is 0 or 1")

    cumulative_hazard: pl.Float64 = field(
        "Cumulative hazard",
        "Exits over people at risk, added up over the days so far; the share that has left only "
        "while it is small.",
        nb="Kumulativ hasard",
        low=0,
        null=shared.NOT_COMPUTABLE,
        source=NELSON_AALEN,
    )
    cumulative_hazard_std_error: pl.Float64 = shared.std_error(
        "cumulative_hazard", source=NELSON_AALEN
    )
    cumulative_hazard_ci_low: pl.Float64 = shared.ci_low("the cumulative hazard, log")
    cumulative_hazard_ci_high: pl.Float64 = shared.ci_high("the cumulative hazard, log")

    class Config(RetentionTable.Config):
        """Table name and key."""

        metadata = table(
            "derived.retention_curve",
            [*CURVE_KEY, "day"],
            title="Retention curve",
            nb="Retensjonskurve",
        )


class RetentionAt(RetentionTable):
    """One row per cohort, kind, origin, stratum and scheduled day of the protocol.

    The curve read at the protocol's nominal days. Null, with a reason, beyond the last day
    observed and before enough people are at risk. Made from derived.retention_curve.
    """

    month: pl.Int32 = shared.month()
    day: pl.Int32 = shared.day("Day", "Dag", "A nominal day of the protocol.")
    n_at_risk: pl.Int64 = shared.count("At risk", "Under risiko", "At risk on the day.")
    n_event_cum: pl.Int64 = shared.count(
        "Exits so far", "Avslutninger til nå", "Exits up to and including the day."
    )
    n_censored_cum: pl.Int64 = shared.count(
        "Censored so far", "Sensurerte til nå", "Censored up to and including the day."
    )
    retained: pl.Float64 = shared.share(
        "Retained", "Andel igjen", "Share with exit_day > day.", source=KAPLAN_MEIER
    )
    ci_low: pl.Float64 = shared.share_low("retained, log-log; null where retained is 0 or 1")
    ci_high: pl.Float64 = shared.share_high("retained, log-log; null where retained is 0 or 1")

    class Config(RetentionTable.Config):
        """Table name and key."""

        metadata = table(
            "derived.retention_at",
            [*CURVE_KEY, "day"],
            title="Retention at the scheduled days",
            nb="Retensjon ved målepunktene",
        )


class RetentionSummary(RetentionTable):
    """One row per cohort, kind, origin and stratum.

    The median is null, with a reason, where the curve never reaches one half. The restricted
    mean is the area under the curve up to its horizon, so it compares only at equal horizons.
    Made from derived.retention_curve.
    """

    n_event: pl.Int64 = shared.count("Exits", "Avslutninger", "Exits of any type.")
    n_dropout: pl.Int64 = shared.count("Drop-outs", "Drop-out", "Exits that are drop-out.")
    n_unknown_exit: pl.Int64 = shared.count(
        "Unknown exits", "Ukjent avslutning", "Exits of unknown type, always shown beside drop-out."
    )
    n_censored: pl.Int64 = shared.count("Censored", "Sensurerte", "Episodes without an exit.")
    n_reentries: pl.Int64 = shared.count(
        "Re-entries", "Tilbake igjen", "Later episodes of the stratum, beyond the gap; not in n."
    )
    from_day: pl.Int32 = shared.day(
        "Conditional on",
        "Betinget av dag",
        "The estimates speak of people still in on this day; above 0 only with delayed entry.",
        null="never enough at risk",
    )
    median_day: pl.Float64 = shared.number(
        "Median",
        "Median",
        "First day on which at most half are retained; where exactly half are for a while, the "
        "middle of that while.",
        unit="days",
        source=KAPLAN_MEIER,
    )
    median_ci_low: pl.Float64 = shared.ci_low("the median", unit="days")
    median_ci_high: pl.Float64 = shared.ci_high("the median", unit="days")
    restricted_mean_days: pl.Float64 = shared.number(
        "Restricted mean",
        "Begrenset gjennomsnitt",
        "Mean days retained up to horizon_day.",
        unit="days",
        source="Irwin 1949",
    )
    restricted_mean_ci_low: pl.Float64 = shared.ci_low("the restricted mean", unit="days")
    restricted_mean_ci_high: pl.Float64 = shared.ci_high("the restricted mean", unit="days")
    horizon_day: pl.Int32 = shared.day(
        "Horizon", "Horisont", "Last day of the restricted mean.", null="nobody at risk"
    )

    class Config(RetentionTable.Config):
        """Table name and key."""

        metadata = table(
            "derived.retention_summary",
            CURVE_KEY,
            title="Retention in short",
            nb="Retensjon, sammendrag",
        )
