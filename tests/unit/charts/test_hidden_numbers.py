"""A page does not depend on the numbers it hides.

Each table is filled twice, with everything shown alike and the hidden numbers different: the two
pages must be the same text, pictures included. So no hidden number, and nothing drawn or computed
from one, is anywhere in the event log.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

Rows = list[dict[str, Any]]
Store = Any
"""The store of `conftest`, which a test cannot import."""

DAYS = (0, 91, 183, 274, 365, 457, 548, 639, 731)


def put_enrolment(store: Store, small: int) -> None:
    """100 eligible: 60 consented, and 40 without a yes, `small` of them without an answer."""
    answers = {"eligible": 100, "consented": 60, "declined": 40 - small, "no_answer": small}
    rows = [
        {"group": group, "sex": "all", "age_group": "all", "n": n, "denominator": 100,
         "share": n / 100, "ci_low": n / 200, "ci_high": n / 100}
        for group, n in answers.items()
    ]  # fmt: skip
    store.put("derived.enrolment", rows)


def put_response(store: Store, small: int) -> None:
    """69 expected, 61 interviewed: 8 not, `small` of them refused; `small` answered in part."""
    row = {"wave": 1, "n_enrolled": 70, "n_expected": 69, "n_completed": 61, "n_partial": small,
           "n_refused": small, "n_missed": 8 - small, "n_dead": 1,
           "response": 61 / 69, "ci_low": 0.79, "ci_high": 0.94}  # fmt: skip
    store.put("derived.response_by_wave", [row])


def put_retention(store: Store, small: int) -> None:
    """70 people, 4 exits before day 91, of them `small` on day 20; 2 more on 250, 12 on 400."""
    exits = {20: small, 75: 4 - small, 250: 2, 400: 12}
    curve: Rows = []
    left = 0
    for day, n in exits.items():
        left += n
        share = 1 - left / 70
        curve.append({"day": day, "n_at_risk": 70 - left + n, "n_event": n, "retained": share,
                      "ci_low": share - 0.1, "ci_high": share + 0.05})  # fmt: skip
    curve.append({"day": 731, "n_at_risk": 52, "n_censored": 52, "retained": 52 / 70,
                  "ci_low": 0.6, "ci_high": 0.85})  # fmt: skip
    store.put("derived.retention_curve", curve)
    store.put("derived.retention_summary", [{"n": 70, "from_day": 0}])
    # 4 exits by day 91 and 183: hidden, so here they may differ
    gone = [0, small, 4, 6, 6, 18, 18, 18, 18]
    at = [
        {"month": round(day / 30.4375), "day": day, "n": 70, "n_at_risk": 70 - n,
         "n_event_cum": n, "retained": 1 - n / 70, "ci_low": 0.5, "ci_high": 0.9}
        for day, n in zip(DAYS, gone, strict=True)
    ]  # fmt: skip
    store.put("derived.retention_at", at)


def put_short(store: Store, small: int) -> None:
    """Of 25 women `small` left, of 45 men the others of 9; of 38 and 32 by disorder 10 each."""
    groups = {
        ("all", "all"): (70, 9, 650.0),
        ("sex", "female"): (25, small, 731 - 100.0 * small),
        ("sex", "male"): (45, 9 - small, 600 + 50.0 * small),
        ("co_occurring_disorder", "true"): (38, 10, 620.0),
        ("co_occurring_disorder", "false"): (32, 10, 640.0),
    }
    rows = [
        {"stratum_by": by, "stratum": stratum, "n": n, "n_event": left, "from_day": 0,
         "horizon_day": 731, "restricted_mean_days": mean, "restricted_mean_ci_low": mean - 40,
         "restricted_mean_ci_high": mean + 40, "median_day": 400.0 if stratum == "true" else None,
         "median_ci_low": 300.0}
        for (by, stratum), (n, left, mean) in groups.items()
    ]  # fmt: skip
    store.put("derived.retention_summary", rows)
    at_end = [
        {"stratum_by": by, "stratum": stratum, "day": 731, "n": n, "n_event_cum": left}
        for (by, stratum), (n, left, _) in groups.items()
    ]
    store.put("derived.retention_at", at_end)


def put_tests(store: Store, small: int) -> None:
    """Log-rank tests between the groups of `put_short`: the one of the sexes tells who left."""
    put_short(store, small)
    same = {"exit_type": "any", "n": 70, "n_events": 9}
    rows = [
        {**same, "test": test, "stratum_by": by, "p_value": p}
        for by, p in (("sex", small / 10), ("co_occurring_disorder", 0.5))
        for test in ("log_rank", "stratified_log_rank")
    ]
    store.put("derived.retention_comparison", rows)


def put_gaps(store: Store, small: int) -> None:
    """20 left by the protocol's 10 days, `small` more by 7 and fewer by 14, 12 by 30 days."""
    left = {7: 20 + small, 10: 20, 14: 20 - small, 30: 12}
    rows = [
        {"gap_days": gap, "day": 731, "month": 24, "n": 70, "n_at_risk": 70 - n, "n_event_cum": n,
         "retained": 1 - n / 70, "ci_low": 0.5, "ci_high": 0.9}
        for gap, n in left.items()
    ]  # fmt: skip
    store.put("derived.retention_sensitivity", rows)


def put_life_table(store: Store, small: int) -> None:
    """The life table of the same people, the same numbers hidden."""
    put_retention(store, small)
    gone = [small, 4, 6, 6, 18, 18, 18, 18]
    rows = [
        {"month": round(day / 30.4375), "start_day": start, "day": day, "n": 70,
         "n_event": n, "retained": 1 - n / 70, "ci_low": 0.5, "ci_high": 0.9,
         "retained_curve": 1 - n / 70}
        for start, day, n in zip(DAYS, DAYS[1:], gone, strict=False)
    ]  # fmt: skip
    store.put("derived.retention_life_table", rows)


def put_hazards(store: Store, small: int) -> None:
    """A ratio that may be shown, and one of a group of 12 in which `small` stayed."""
    same = {"exit_type": "any", "hazard": "cause_specific", "model": "univariable",
            "factor": "sex", "reference": "male", "n": 70, "n_events": 30, "p_value": 0.2,
            "ph_p_value": 0.6, "concordance": 0.6}  # fmt: skip
    rows = [
        {**same, "level": "female", "n_level": 40, "n_level_events": 15, "estimate": 1.4,
         "ci_low": 0.8, "ci_high": 2.4},
        {**same, "level": "other", "n_level": 12, "n_level_events": 12 - small,
         "estimate": 3.0 + small, "ci_low": 1.5, "ci_high": 9.0},
    ]  # fmt: skip
    store.put("derived.retention_hazard", rows)


def put_slopes(store: Store, small: int) -> None:
    """A slope that may be shown, and one with `small` answers of use."""
    same = {"model": "gee_days", "measure": "mean_difference", "n": 60, "n_observations": 400,
            "ci_low": -0.2, "ci_high": 0.1}  # fmt: skip
    rows = [
        {**same, "substance": "alcohol", "n_events": 80, "estimate": -0.05},
        {**same, "substance": "doping", "n_events": small, "estimate": small / 10},
    ]
    store.put("derived.substance_slope", rows)


def put_poly_use(store: Store, small: int) -> None:
    """60 expected: 50 answered and 20 used; `small` inject, and `small` are missing elsewhere."""
    same = {"wave": 1, "n_expected": 60, "ci_low": 0.1, "ci_high": 0.6,
            "missing_is_use_ci_low": 0.2, "missing_is_use_ci_high": 0.8}  # fmt: skip
    counts = {
        "any_illicit": (20, 50),
        "injection": (small, 50),
        "primary_substance": (9, 60 - small),
    }
    rows = [
        {**same, "measure": measure, "numerator": x, "n_observed": n, "n_missing": 60 - n,
         "estimate": x / n, "missing_is_use": (x + 60 - n) / 60}
        for measure, (x, n) in counts.items()
    ]  # fmt: skip
    store.put("derived.poly_use", rows)


def put_exits(store: Store, small: int) -> None:
    """20 left absent; 7 died or moved, `small` of them died."""
    exits = {"patient_absent": 20, "death_other": small, "moved": 7 - small}
    rows = [
        {"exit_type": exit_type, "day": 100, "n_at_risk": 70, "n_event": n, "incidence": n / 70,
         "ci_low": n / 100, "ci_high": n / 50}
        for exit_type, n in exits.items()
    ]  # fmt: skip
    store.put("derived.cumulative_incidence", rows)


def put_rates(store: Store, small: int) -> None:
    """Of 20 overdoses `small` are out of treatment; of 12 deaths `small` have another cause."""
    events = {"hospital_admission": (40, 8), "overdose": (20 - small, small),
              "death": (12, 0), "death_overdose": (12 - small, 0)}  # fmt: skip
    rows = [
        {"event": event, "setting": setting, "n": 70, "n_people": n, "n_event": n,
         "person_years": 100.0, "rate": float(n), "ci_low": n / 2, "ci_high": n * 2.0}
        for event, (inside, outside) in events.items()
        for setting, n in (
            ("all", inside + outside), ("in_treatment", inside), ("out_of_treatment", outside)
        )
    ]  # fmt: skip
    store.put("derived.event_rate", rows)


def put_trend(store: Store, small: int) -> None:
    """59 answered: 50 no use, 9 some, `small` of them single episodes; 10 missing."""
    row = {"substance": "alcohol", "n_expected": 69, "n_observed": 59, "n_missing": 10,
           "n_abstinent": 50, "n_episodic": small, "n_regular": 9 - small,
           "episodic": small / 59, "regular": (9 - small) / 59,
           "any_use": 9 / 59, "any_use_ci_low": 0.08, "any_use_ci_high": 0.27,
           "any_use_missing_is_use": 19 / 69, "any_use_missing_is_use_ci_low": 0.18,
           "any_use_missing_is_use_ci_high": 0.39, "mean_days": 2.5}  # fmt: skip
    # one user: their days would be the mean times the answers
    lone = {**row, "substance": "doping", "n_abstinent": 58, "n_episodic": 1, "n_regular": 0,
            "any_use": 1 / 59, "mean_days": small / 59}  # fmt: skip
    store.put("derived.substance_trend", [row, lone])


def put_moves(store: Store, small: int) -> None:
    """60 moves from no use: 50 stayed, `small` to single episodes, the others to regular use."""
    moves = {"abstinent": 50, "episodic": small, "regular": 10 - small, "missing": 0}
    rows = [
        {"substance": "alcohol", "from_state": "abstinent", "to_state": to, "n": n,
         "denominator": 60, "probability": n / 60}
        for to, n in moves.items()
    ]  # fmt: skip
    store.put("derived.substance_transition", rows)


def put_events(store: Store, small: int) -> None:
    """60 at risk: `small` relapse by day 91, 6 by day 183, 4 are at risk and 7 gone by 274.

    Of the same 60, 50 are abstinent by day 91 and all but `small` by day 183.
    """
    numbers = {
        "relapse": {0: (60, 0), 91: (60, small), 183: (40, 6), 274: (2 + small // 2, 7)},
        "sustained_abstinence": {
            0: (60, 0),
            91: (60, 50),
            183: (10, 60 - small),
            274: (small, 60 - small),
        },
    }
    rows = [
        {"substance": "alcohol", "event": event, "month": round(day / 30.4375), "day": day,
         "n": 60, "n_left_out": 10, "n_at_risk": at_risk, "n_event_cum": n, "share": n / 60,
         "ci_low": n / 90, "ci_high": n / 50}
        for event, of_event in numbers.items()
        for day, (at_risk, n) in of_event.items()
    ]  # fmt: skip
    store.put("derived.time_to_event", rows)


def put_courses(store: Store, small: int) -> None:
    """70 people in three classes, `small` of them improving."""
    classes = {"stable_abstinent": 40, "stable_low": 30 - small, "improving": small}
    classes |= dict.fromkeys(
        ("insufficient_data", "ended", "stable_regular", "deteriorating", "fluctuating"), 0
    )
    rows = [
        {"substance": "alcohol", "trajectory_class": code, "n": n, "denominator": 70}
        for code, n in classes.items()
    ]
    store.put("derived.trajectory_profile", rows)


def put_outcomes(store: Store, small: int) -> None:
    """22 expected: 15 achieved; 7 did not or are missing, `small` of them did not.

    Of 20 the mean coping is 5.4: `small` have none.
    """
    rows: Rows = []
    for pathway, expected, achieved, failed in (
        ("gp_alone", 22, 15, small),
        ("gp_and_municipality", 30, 12, 10),
        ("all", 52, 27, small + 10),
    ):
        observed = {"pathway_rule": "baseline", "pathway": pathway, "outcome": "crime_free",
                    "wave": 4, "n_expected": expected, "n_missing": expected - achieved - failed,
                    "n_success": achieved, "ci_low": 0.2, "ci_high": 0.9}  # fmt: skip
        for rule, n in (("observed", achieved + failed), ("missing_is_failure", expected)):
            rows.append({**observed, "missing_rule": rule, "n": n, "estimate": achieved / n})
    total = {2: 98, 3: 92}[small]
    mean = {
        "pathway_rule": "baseline",
        "pathway": "gp_alone",
        "outcome": "coping",
        "wave": 4,
        "missing_rule": "observed",
        "n_expected": 20,
        "n_missing": small,
        "n": 20 - small,
        "sum_score": total,
        "estimate": total / (20 - small),
        "ci_low": 4.0,
        "ci_high": 6.0,
    }
    rows.append(mean)
    store.put("derived.outcome_by_pathway", rows)


def put_comparison(store: Store, small: int) -> None:
    """The pathways of `put_outcomes` against the reference, 14 of 24: one share is hidden."""
    put_outcomes(store, small)
    same = {"outcome": "crime_free", "wave": 4, "missing_rule": "observed", "adjusted": False}
    reference = {"pathway": "gp_with_specialist_contact", "pathway_rule": "baseline", "n": 24,
                 "n_expected": 30, "n_missing": 6, "n_success": 14, "estimate": 14 / 24,
                 "ci_low": 0.4, "ci_high": 0.8}  # fmt: skip
    store.put("derived.outcome_by_pathway", [same | reference])
    shares = {"gp_alone": 15 / (15 + small), "gp_and_municipality": 12 / 22}
    rows = [
        {**same, "pathway": pathway, "reference": "gp_with_specialist_contact", "n": 46,
         "measure": "risk_difference", "method": method, "estimate": share - 14 / 24,
         "ci_low": share - 14 / 24 - 0.2, "ci_high": share - 14 / 24 + 0.2}
        for pathway, share in shares.items()
        for method in ("two groups; Newcombe", "g-computation, delta")
    ]  # fmt: skip
    store.put("derived.outcome_comparison", rows)


def put_balance(store: Store, small: int) -> None:
    """Of 40 beside 24: sex is shown; of the age groups one has `small` people."""
    same = {"reference": "gp_with_specialist_contact", "pathway": "gp_alone", "n": 40,
            "n_reference": 24}  # fmt: skip
    levels = (
        ("sex", "female", 20, 12),
        ("sex", "male", 20, 12),
        ("age_group", "age_30_39", 40 - small, 12),
        ("age_group", "age_40_49", small, 12),
    )
    rows = [
        {**same, "covariate": covariate, "level": level, "n_level": n, "n_level_reference": n0,
         "difference_before": n / 40 - n0 / 24, "difference_after": (n / 40 - n0 / 24) / 2}
        for covariate, level, n, n0 in levels
    ]  # fmt: skip
    store.put("derived.covariate_balance", rows)


def put_coping(store: Store, small: int) -> None:
    """An odds ratio from `small` events, and a difference of means with `small` missing."""
    same = {"kind": "patient", "model": "univariable", "n": 60, "n_observations": 300}
    store.put(
        "derived.coping_association",
        [
            {**same, "outcome": "retained", "factor": "sex", "level": "female",
             "reference": "male", "measure": "odds_ratio", "n_events": small,
             "estimate": 1 + small, "ci_low": 0.5, "ci_high": 9.0},
            {**same, "outcome": "coping_score", "factor": "sex", "level": "female",
             "reference": "male", "measure": "mean_difference", "n_missing": small,
             "estimate": 0.4, "ci_low": -0.2, "ci_high": 1.0, "p_value_adjusted": 0.2},
        ],
    )  # fmt: skip


def put_control_chart(store: Store, small: int) -> None:
    """Six quarters of 60 people; `small` and 5 - `small` events in two of them.

    Of 100 interviews `small` and 40 - `small` are in two quarters; units are not told of.
    """
    events = [8, 12, small, 10, 5 - small, 9]
    rows = [
        {"measure": "dropout", "unit_id": "all", "chart": "p", "period": f"2015-Q{place}",
         "numerator": n, "denominator": 60, "value": n / 60, "centre": sum(events) / 360,
         "lower": 0.0, "upper": 0.27}
        for place, n in enumerate(events, start=1)
    ]  # fmt: skip
    interviews = {"all": [60, 40 - small, small], "north": [20 + small, 20, small]}
    rows += [
        {"measure": "missed_interview", "unit_id": unit, "chart": "p", "period": f"2015-Q{place}",
         "numerator": of // 2, "denominator": of, "value": 0.5, "centre": 0.5,
         "lower": 0.1, "upper": 0.9}
        for unit, people in interviews.items()
        for place, of in enumerate(people, start=1)
    ]  # fmt: skip
    store.put("derived.control_chart", rows)


def put_funnel(store: Store, small: int) -> None:
    """Four units of 40 people; `small` and 5 - `small` drop-outs at two of them."""
    events = {"north": 12, "south": small, "east": 5 - small, "west": 9}
    rows = [
        {"measure": "dropout", "unit_id": unit, "n": 40, "numerator": n, "value": n / 40,
         "ci_low": n / 80, "ci_high": n / 20, "centre": sum(events.values()) / 160,
         "lower_95": 0.05, "upper_95": 0.4, "lower_998": 0.0, "upper_998": 0.5}
        for unit, n in events.items()
    ]  # fmt: skip
    store.put("derived.funnel", rows)


def put_indicators(store: Store, small: int) -> None:
    """One of `small` fulfilled, one of low coverage, one that may be shown."""
    same = {"unit_id": "all", "period_start": date(2015, 1, 1), "period_end": date(2015, 12, 31),
            "denominator": 60, "target_green": 0.8, "target_yellow": 0.6}  # fmt: skip
    rows = [
        {**same, "indicator_id": "few", "numerator": small, "value": small / 60, "level": "L"},
        {**same, "indicator_id": "covered", "numerator": 30 + small, "level": "M",
         "value": (30 + small) / 60, "hidden_reason": "low_coverage"},
        {**same, "indicator_id": "shown", "numerator": 45, "value": 0.75, "level": "M"},
    ]  # fmt: skip
    store.indicators(rows)


PAGES = {
    "derived.enrolment": put_enrolment,
    "derived.response_by_wave": put_response,
    "derived.retention_curve": put_retention,
    "derived.retention_at": put_retention,
    "derived.retention_summary": put_short,
    "derived.retention_comparison": put_tests,
    "derived.retention_sensitivity": put_gaps,
    "derived.retention_life_table": put_life_table,
    "derived.cumulative_incidence": put_exits,
    "derived.retention_hazard": put_hazards,
    "derived.event_rate": put_rates,
    "derived.substance_slope": put_slopes,
    "derived.poly_use": put_poly_use,
    "derived.substance_trend": put_trend,
    "derived.substance_transition": put_moves,
    "derived.trajectory_profile": put_courses,
    "derived.time_to_event": put_events,
    "derived.outcome_by_pathway": put_outcomes,
    "derived.outcome_comparison": put_comparison,
    "derived.covariate_balance": put_balance,
    "derived.coping_association": put_coping,
    "derived.control_chart": put_control_chart,
    "derived.funnel": put_funnel,
    "quality.indicator": put_indicators,
}


@pytest.mark.parametrize("table", PAGES)
def test_the_page_does_not_depend_on_what_it_hides(
    table: str, two_pages: Callable[..., tuple[str, str]]
) -> None:
    one, other = two_pages(table, PAGES[table], shown=False)
    assert one == other
    assert "hidden" in one.split("| --- |", 1)[1]


@pytest.mark.parametrize("table", PAGES)
def test_without_thresholds_the_same_numbers_would_tell(
    table: str, two_pages: Callable[..., tuple[str, str]]
) -> None:
    one, other = two_pages(table, PAGES[table], shown=True)
    assert one != other


NUMBERS_ONLY = (
    "derived.retention_at", "derived.retention_summary", "derived.retention_comparison",
    "derived.retention_sensitivity", "derived.retention_life_table", "derived.substance_slope",
)  # fmt: skip


@pytest.mark.parametrize("table", [table for table in PAGES if table not in NUMBERS_ONLY])
def test_what_may_be_shown_is_drawn(
    table: str, store: Store, drawings: Callable[[str], list[str]]
) -> None:
    PAGES[table](store, 2)
    (drawn,) = drawings(store.page(table))
    assert drawn.startswith("<svg")
    assert "NaN" not in drawn
    assert "null" not in drawn
