"""Exits: how people leave, how strata compare, and what the gap rule changes.

Belongs here: competing exits, tests between strata, sensitivity, early drop-out.
Does not belong here: the curves themselves (see `schemas.derived.retention`).
"""

from __future__ import annotations

import polars as pl

from schemas import codes, result_codes, shared
from schemas.derived.retention import CURVE_KEY, KAPLAN_MEIER, RetentionTable
from schemas.fields import field, table
from schemas.shared import Result


class CumulativeIncidence(RetentionTable):
    """One row per cohort, kind, origin, stratum, exit type and day with such an exit.

    The types compete: their incidences and `retained` add up to 1 on every day, while one
    minus a curve of one type alone overstates it. Made from derived.retention_person.
    """

    exit_type: pl.String = field(
        "Exit type",
        "The type of exit counted.",
        nb="Avslutning",
        codes=result_codes.RETENTION_EXIT,
        required=True,
    )
    day: pl.Int32 = shared.day("Day", "Dag", "Days since the origin.")
    n_at_risk: pl.Int64 = shared.count("At risk", "Under risiko", "At risk on the day.")
    n_event: pl.Int64 = shared.count("Exits", "Avslutninger", "Exits of this type on the day.")
    incidence: pl.Float64 = shared.share(
        "Cumulative incidence",
        "Kumulativ insidens",
        "Share that has left in this way by the day.",
        source="Aalen and Johansen 1978",
    )
    std_error: pl.Float64 = shared.std_error("incidence", source="Aalen and Johansen 1978")
    ci_low: pl.Float64 = shared.share_low("incidence, log-log")
    ci_high: pl.Float64 = shared.share_high("incidence, log-log")

    class Config(RetentionTable.Config):
        """Table name and key."""

        metadata = table(
            "derived.cumulative_incidence",
            [*CURVE_KEY, "exit_type", "day"],
            title="Exits by type",
            nb="Avslutninger etter type",
        )


class RetentionComparison(Result):
    """One row per cohort, kind, origin, stratifying variable, test and exit type.

    Compares the strata of one variable; people of unknown stratum are left out and counted.
    An association between stratum and retention, never an effect. Made from
    derived.retention_person.
    """

    cohort: pl.String = shared.cohort()
    kind: pl.String = field(
        "Kind", "Which retention.", nb="Type", codes=codes.RETENTION_KIND, required=True
    )
    origin: pl.String = field(
        "Origin", "Day zero.", nb="Startpunkt", codes=codes.RETENTION_ORIGIN, required=True
    )
    stratum_by: pl.String = field(
        "Compared",
        "The variable whose strata are compared; never `all`.",
        nb="Sammenlignet",
        codes=codes.STRATUM_BY,
        required=True,
    )
    test: pl.String = field(
        "Test",
        "The test: log-rank over the curves, Gray over the incidences of one exit type.",
        nb="Test",
        codes=result_codes.SURVIVAL_TEST,
        required=True,
        source="Mantel 1966; Gray 1988",
    )
    exit_type: pl.String = field(
        "Exit type",
        "The exit counted as event: `any` in the log-rank tests, one type in Gray's.",
        nb="Avslutning",
        codes=result_codes.COMPARED_EXIT,
        required=True,
    )
    stratified_by: pl.String = field(
        "Stratified by",
        "The variable within whose values the stratified test compares.",
        nb="Stratifisert etter",
        codes=codes.STRATUM_BY,
        null="not a stratified test",
    )
    statistic: pl.Float64 = shared.number("Statistic", "Testverdi", "Chi-squared statistic.")
    df: pl.Int32 = field(
        "Degrees of freedom",
        "Strata compared, less one.",
        nb="Frihetsgrader",
        low=1,
        null=shared.NOT_COMPUTABLE,
    )
    p_value: pl.Float64 = shared.p_value()
    n: pl.Int64 = shared.count("Episodes", "Behandlingsforløp", "Episodes compared.")
    n_missing: pl.Int64 = shared.count(
        "Left out", "Utelatt", "Episodes of unknown stratum, left out of n."
    )
    n_events: pl.Int64 = shared.count("Events", "Hendelser", "Exits counted as event.")

    class Config(Result.Config):
        """Table name and key."""

        metadata = table(
            "derived.retention_comparison",
            ["cohort", "kind", "origin", "stratum_by", "test", "exit_type"],
            title="Retention compared between strata",
            nb="Retensjon sammenlignet",
        )


class RetentionSensitivity(RetentionTable):
    """One row per cohort, kind, origin, stratum, gap rule and day (12 and 24 months).

    The same estimate under other rules for how long a gap ends an episode. Kind study has no
    gaps and no rows. Made from core.episode.
    """

    gap_days: pl.Int32 = shared.day(
        "Gap", "Opphold mellom kontakter", "Contacts at most so many days apart are one episode."
    )
    month: pl.Int32 = shared.month()
    day: pl.Int32 = shared.day("Day", "Dag", "The nominal day nearest 12 or 24 months.")
    n_at_risk: pl.Int64 = shared.count("At risk", "Under risiko", "At risk on the day.")
    n_event_cum: pl.Int64 = shared.count(
        "Exits so far", "Avslutninger til nå", "Exits up to and including the day."
    )
    retained: pl.Float64 = shared.share(
        "Retained", "Andel igjen", "Share with exit_day > day.", source=KAPLAN_MEIER
    )
    ci_low: pl.Float64 = shared.share_low("retained, log-log; null where retained is 0 or 1")
    ci_high: pl.Float64 = shared.share_high("retained, log-log; null where retained is 0 or 1")

    class Config(RetentionTable.Config):
        """Table name and key."""

        metadata = table(
            "derived.retention_sensitivity",
            [*CURVE_KEY, "gap_days", "day"],
            title="Retention under other gap rules",
            nb="Retensjon med andre regler for opphold mellom kontakter",
        )


class EarlyDropout(RetentionTable):
    """One row per cohort, kind, origin, stratum and early day (30 and 90 by default).

    Of the episodes whose fate by the day is known, the share that was drop-out. Unknown exits
    are counted beside it, since they may hide drop-out. Made from derived.retention_person.
    """

    day: pl.Int32 = shared.day("By day", "Innen dag", "Drop-out up to and including this day.")
    n_missing: pl.Int64 = shared.count(
        "Censored before", "Sensurert før", "Censored before the day: fate not known."
    )
    denominator: pl.Int64 = shared.count("Known", "Kjent", "n less n_missing.")
    n_dropout: pl.Int64 = shared.count("Drop-outs", "Drop-out", "Drop-out by the day.")
    n_unknown_exit: pl.Int64 = shared.count(
        "Unknown exits", "Ukjent avslutning", "Exits of unknown type by the day."
    )
    n_other_exit: pl.Int64 = shared.count(
        "Other exits", "Andre avslutninger", "Exits by the day that are no drop-out."
    )
    share: pl.Float64 = shared.share(
        "Early drop-out", "Tidlig drop-out", "n_dropout of denominator."
    )
    ci_low: pl.Float64 = shared.share_low()
    ci_high: pl.Float64 = shared.share_high()

    class Config(RetentionTable.Config):
        """Table name and key."""

        metadata = table(
            "derived.early_dropout",
            [*CURVE_KEY, "day"],
            title="Early drop-out",
            nb="Tidlig drop-out",
        )
