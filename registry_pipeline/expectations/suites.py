"""The suites, as data: which stored table, read how, and what is expected of it.

Belongs here: queries that sum a table up to a few rows, and expectations on those rows with
their tolerances. A row is a cell of counts (a wave, a quarter, a stratum), never a person.
Does not belong here: running them (see `runner`).

A drift is the distance to the row before: of the wave before, or the quarter before.
"""

from __future__ import annotations

from typing import Final

from registry_pipeline.expectations.suite import Suite, at_most, between, in_set, stated
from schemas.result_codes import HIDDEN_REASON, INDICATOR_LEVEL

_ORDERED: Final = (
    at_most("ci_low", "estimate", "The lower limit is not above the estimate."),
    at_most("estimate", "ci_high", "The upper limit is not below the estimate."),
)
"""An interval holds its estimate."""

DELIVERIES: Final = Suite(
    "deliveries",
    "Deliveries by quarter",
    "meta.delivery",
    "warn",
    """
    SELECT *, n_received / lag(n_received) OVER (PARTITION BY protocol ORDER BY quarter) AS growth
    FROM (
        SELECT protocol, quarter,
            sum(n_received)::BIGINT AS n_received,
            sum(n_quarantined) / nullif(sum(n_received), 0) AS quarantined,
            sum(n_warning) / nullif(sum(n_accepted), 0) AS warned,
            max(extracted_on - (left(quarter, 4) || '-' || 3 * right(quarter, 1)::INTEGER - 2
                || '-01')::DATE) AS days_to_extraction
        FROM meta.delivery
        WHERE status = 'accepted' AND kind = 'full' AND form = 'interviews'
        GROUP BY ALL
    )
    """,
    (
        between(
            "growth",
            0.4,
            2.5,
            "Interviews of a quarter are 0.4 to 2.5 times those of the quarter before.",
            mostly=0.8,
        ),
        between("quarantined", 0, 0.05, "At most 5 % of the rows are quarantined.", mostly=0.9),
        between("warned", 0, 0.05, "At most 5 % of the rows break a soft range.", mostly=0.9),
        between(
            "days_to_extraction",
            None,
            92 + 60,
            "The data are extracted within 60 days of the end of the quarter.",
            mostly=0.9,
        ),
    ),
)
PATIENTS: Final = Suite(
    "patients",
    "Who is enrolled",
    "core.patient",
    "warn",
    """
    SELECT cohort,
        count(birth_year) / count(*) AS birth_year,
        count(unit_id) / count(*) AS unit,
        count(baseline_date) / count(*) AS baseline,
        avg((sex = 'unknown')::INTEGER) AS unknown_sex,
        avg((sex = 'female')::INTEGER) AS women
    FROM core.patient WHERE enrolled GROUP BY cohort
    """,
    (
        between("birth_year", 0.95, None, "The birth year of at least 95 % is known."),
        between("unit", 0.95, None, "The unit of at least 95 % is known."),
        between("baseline", 0.9, None, "At least 90 % have held a first interview."),
        between("unknown_sex", None, 0.05, "The sex of at most 5 % is unknown."),
        between("women", 0.15, 0.6, "Between 15 and 60 % are women."),
    ),
)
INTERVIEWS: Final = Suite(
    "interviews",
    "Interviews by quarter",
    "core.interview",
    "warn",
    """
    SELECT *,
        abs(held - lag(held) OVER quarters) AS held_drift,
        abs(answered - lag(answered) OVER quarters) AS answered_drift,
        abs(hscl10 - lag(hscl10) OVER quarters) AS hscl10_drift
    FROM (
        SELECT cohort, quarter,
            n_held / n AS held,
            n_in_person / nullif(n_held, 0) AS in_person,
            n_answers / nullif(5 * n_held, 0) AS answered,
            hscl10
        FROM (
            SELECT cohort, date_trunc('quarter', interview_date) AS quarter,
                count(*) AS n,
                count(*) FILTER (status IN ('completed', 'partial')) AS n_held,
                nullif(count(*) FILTER (mode = 'in_person'), 0) AS n_in_person,
                nullif(count(housing) + count(employment) + count(coping_score)
                    + count(life_satisfaction) + count(hscl10_score), 0) AS n_answers,
                avg(hscl10_score) AS hscl10
            FROM core.interview GROUP BY ALL HAVING count(*) >= 20
        )
    )
    WINDOW quarters AS (PARTITION BY cohort ORDER BY quarter)
    """,
    (
        between(
            "held", 0.7, None, "At least 70 % of the interviews of a quarter are held.", mostly=0.9
        ),
        between(
            "held_drift",
            None,
            0.2,
            "The share held moves by at most 20 points between quarters.",
            mostly=0.9,
        ),
        between("in_person", 0.5, None, "At least half are held in person.", mostly=0.9),
        between(
            "answered", 0.8, None, "At least 80 % of five central answers are stated.", mostly=0.9
        ),
        between(
            "answered_drift",
            None,
            0.1,
            "Completeness of the five moves by at most 10 points between quarters.",
            mostly=0.9,
        ),
        between(
            "hscl10_drift",
            None,
            0.3,
            "Mean HSCL-10 moves by at most 0.3 between quarters.",
            mostly=0.9,
        ),
    ),
)
RESPONSE: Final = Suite(
    "response_by_wave",
    "Interviews expected and held by wave",
    "derived.response_by_wave",
    "warn",
    """
    SELECT cohort, wave, n_expected, n_completed, response,
        n_expected / first_value(n_expected) OVER waves AS expected_of_baseline,
        n_off_window / nullif(n_completed, 0) AS off_window,
        abs(response - lag(response) OVER waves) AS drift
    FROM derived.response_by_wave WHERE stratum_by = 'all' AND n_expected > 0
    WINDOW waves AS (PARTITION BY cohort ORDER BY wave)
    """,
    (
        at_most("n_completed", "n_expected", "No more interviews are held than expected."),
        between(
            "expected_of_baseline",
            0.7,
            1,
            "Expected at a wave are 70 to 100 % of those at the baseline.",
        ),
        between("response", 0.5, None, "At least half of those expected are interviewed."),
        between(
            "response",
            0.8,
            None,
            "At least 80 % of those expected are interviewed.",
            mostly=0.8,
        ),
        between(
            "drift", None, 0.15, "Response moves by at most 15 points between waves.", mostly=0.8
        ),
        between("off_window", None, 0.1, "At most 10 % are held off the window.", mostly=0.9),
    ),
)
USE: Final = Suite(
    "substance_use",
    "Use of substances by wave",
    "derived.substance_trend",
    "warn",
    """
    SELECT cohort, substance, wave, any_use, mean_days, median_days,
        n_observed, n_expected,
        n_observed / n_expected AS observed,
        abs(any_use - lag(any_use) OVER waves) AS drift
    FROM derived.substance_trend WHERE stratum_by = 'all' AND n_expected > 0
    WINDOW waves AS (PARTITION BY cohort, substance ORDER BY wave)
    """,
    (
        at_most("n_observed", "n_expected", "No more people answer than are expected."),
        between("observed", 0.5, None, "At least half of those expected answer.", mostly=0.9),
        between("mean_days", 0, 28, "Mean days of use lie between 0 and 28."),
        between(
            "drift",
            None,
            0.15,
            "The share with any use moves by at most 15 points between waves.",
            mostly=0.9,
        ),
    ),
)
RETENTION: Final = Suite(
    "retention",
    "Retention at the scheduled days",
    "derived.retention_at",
    "error",
    """
    SELECT cohort, kind, origin, stratum_by, stratum, day, n_at_risk, n,
        retained AS estimate, ci_low, ci_high,
        lag(retained) OVER (PARTITION BY cohort, kind, origin, stratum_by, stratum ORDER BY day)
            AS before
    FROM derived.retention_at
    """,
    (
        *_ORDERED,
        at_most("estimate", "before", "Retention never rises."),
        at_most("n_at_risk", "n", "No more are at risk than there are episodes."),
    ),
)
OUTCOMES: Final = Suite(
    "outcomes",
    "Outcomes by pathway",
    "derived.outcome_by_pathway",
    "error",
    """
    SELECT pathway_rule, pathway, outcome, wave, missing_rule, n, n_expected, n_missing,
        estimate, ci_low, ci_high
    FROM derived.outcome_by_pathway WHERE stratum_by = 'all'
    """,
    (
        *_ORDERED,
        at_most("n", "n_expected", "No more are counted than are expected."),
        at_most("n_missing", "n_expected", "No more answers are missing than are expected."),
    ),
)
INDICATORS: Final = Suite(
    "indicators",
    "Indicators",
    "quality.indicator",
    "error",
    """
    SELECT indicator_id, protocol, unit_id, numerator, denominator, n_missing, level,
        hidden_reason, value AS estimate, ci_low, ci_high
    FROM quality.indicator
    """,
    (
        *_ORDERED,
        at_most("numerator", "denominator", "The numerator is not above the denominator."),
        at_most("n_missing", "denominator", "Missing answers are part of the denominator."),
        in_set("level", INDICATOR_LEVEL.codes, "A level is high, moderate or low."),
        in_set("hidden_reason", HIDDEN_REASON.codes, "A reason for hiding is a known one."),
    ),
)
RULES: Final = Suite(
    "data_quality",
    "Data-quality rules",
    "quality.data_quality",
    "warn",
    """
    SELECT protocol,
        count(*) FILTER (status = 'error') AS n_error,
        count(*) FILTER (status = 'failed') / nullif(count(*) FILTER (status IN
            ('failed', 'passed')), 0) AS failed
    FROM quality.data_quality GROUP BY protocol
    """,
    (
        between("n_error", 0, 0, "Every rule could be computed."),
        between("failed", None, 0.1, "At most 10 % of the rules that apply fail."),
        stated("failed", "Some rule applies."),
    ),
)

SUITES: Final = (
    DELIVERIES,
    PATIENTS,
    INTERVIEWS,
    RESPONSE,
    USE,
    RETENTION,
    OUTCOMES,
    INDICATORS,
    RULES,
)
"""Every suite, in the order data flows."""
