"""A page does not give back what another page of the cohort hides.

Each table is filled twice, with everything alike that other pages tell and a small number
different: the two pages must be the same text, or the other page and this one would give it back.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Store = Any
"""The store of `conftest`, which a test cannot import."""

STATES = ("abstinent", "episodic", "regular", "missing")


def put_starts(store: Store, small: int) -> None:
    """100 moves of each substance: of doping agents `small` begin in regular use."""
    begun = {
        "alcohol": (40, 20, 30, 10),
        "doping": (78, 14, small, 8 - small),
    }
    rows = [
        {"substance": substance, "from_state": state, "to_state": to, "denominator": n,
         "n": n if to == "abstinent" else 0, "probability": float(to == "abstinent")}
        for substance, counts in begun.items()
        for state, n in zip(STATES, counts, strict=True)
        for to in STATES
    ]  # fmt: skip
    store.put("derived.substance_transition", rows)


def put_columns(store: Store, small: int) -> None:
    """55 moves end in regular use, as the page by wave tells: `small` of them from no use."""
    moves = {
        "abstinent": (100, 20, small, 12 - small),
        "episodic": (30, 30, 15 - small, 8 + small),
        "regular": (12, 10, 20, 9),
        "missing": (30, 30, 20, 30),
    }
    rows = [
        {"substance": "alcohol", "from_state": state, "to_state": to, "n": n,
         "denominator": sum(counts), "probability": n / sum(counts)}
        for state, counts in moves.items()
        for to, n in zip(STATES, counts, strict=True)
    ]  # fmt: skip
    store.put("derived.substance_transition", rows)


def trend(substance: str, wave: int, counts: tuple[int, int, int, int]) -> dict[str, Any]:
    """A wave of the trend; what is not shown of it may be anything."""
    abstinent, episodic, regular, missing = counts
    n, seen = sum(counts), sum(counts[:3])
    return {"substance": substance, "wave": wave, "n_expected": n, "n_observed": seen,
            "n_missing": missing, "n_abstinent": abstinent, "n_episodic": episodic,
            "n_regular": regular, "any_use": (seen - abstinent) / seen,
            "any_use_missing_is_use": (n - abstinent) / n, "mean_days": 2.0}  # fmt: skip


def put_waves(store: Store, small: int) -> None:
    """Regular use was seen 40 times, as the moves tell: `small` of them at the first wave."""
    waves = [(40, 14, small, 8 - small), (40, 20, 16 - small, 6 + small), (30, 20, 24, 10)]
    rows = [trend("alcohol", wave, counts) for wave, counts in enumerate(waves)]
    store.put("derived.substance_trend", rows)


def put_group(store: Store, small: int) -> None:
    """18 use, as another page tells, `small` of them now and then; 12 are missing."""
    counts = [(30, small, 18 - small, 12), (30, small, 18 - small, 12)]
    rows = [trend("any_illicit", wave, each) for wave, each in enumerate(counts)]
    store.put("derived.substance_trend", rows)


def put_poly_use(store: Store, small: int) -> None:
    """20 of 60 inject or are missing, as the outcomes tell: `small` inject."""
    row = {"measure": "injection", "wave": 1, "n_expected": 60, "n_observed": 40 + small,
           "numerator": small, "n_missing": 20 - small, "estimate": small / (40 + small),
           "missing_is_use": 20 / 60}  # fmt: skip
    whole = {"measure": "primary_substance", "wave": 1, "n_expected": 60, "n_observed": 50,
             "numerator": 20, "n_missing": 10, "estimate": 0.4, "missing_is_use": 0.5}  # fmt: skip
    store.put("derived.poly_use", [row, whole])


def put_coping(store: Store, small: int) -> None:
    """70 people, as everywhere: `small` of them without an answer."""
    row = {"kind": "patient", "model": "univariable", "n": 70 - small, "n_observations": 300,
           "n_missing": small, "outcome": "coping_score", "factor": "sex", "level": "female",
           "reference": "male", "measure": "mean_difference", "estimate": 0.4, "ci_low": -0.2,
           "ci_high": 1.0, "p_value_adjusted": 0.2}  # fmt: skip
    store.put("derived.coping_association", [row])


def put_outcomes(store: Store, small: int) -> None:
    """50 of 68 inject nothing, as use by wave tells; of one pathway all but `small`."""
    rows: list[dict[str, Any]] = []
    pathways = (
        ("gp_alone", 23, 17, 0),
        ("gp_and_municipality", 22, 10 + small, 6 - small),
        ("gp_with_specialist_contact", 23, 23 - small, small),
        ("all", 68, 50, 6),
    )
    for pathway, expected, achieved, failed in pathways:
        for rule, n in (("observed", achieved + failed), ("missing_is_failure", expected)):
            rows.append(
                {"pathway_rule": "baseline", "pathway": pathway, "outcome": "no_injection",
                 "wave": 4, "missing_rule": rule, "n_expected": expected, "n": n,
                 "n_missing": expected - achieved - failed, "n_success": achieved,
                 "estimate": achieved / n}
            )  # fmt: skip
    store.put("derived.outcome_by_pathway", rows)


@pytest.mark.parametrize(
    ("table", "put"),
    [
        pytest.param("derived.substance_transition", put_starts, id="as many moves"),
        pytest.param("derived.substance_transition", put_columns, id="states moved to"),
        pytest.param("derived.substance_trend", put_waves, id="states over the waves"),
        pytest.param("derived.substance_trend", put_group, id="users of a group"),
        pytest.param("derived.poly_use", put_poly_use, id="users and missing"),
        pytest.param("derived.coping_association", put_coping, id="counted and missing"),
        pytest.param("derived.outcome_by_pathway", put_outcomes, id="pathways and everyone"),
    ],
)
def test_what_other_pages_tell_gives_no_small_number_back(
    table: str, put: Callable[[Store, int], None], two_pages: Callable[..., tuple[str, str]]
) -> None:
    one, other = two_pages(table, put, shown=False)
    assert one == other
    assert "hidden" in one.split("| --- |", 1)[1]


def test_a_way_of_leaving_is_hidden_where_few_left_since_it_was_few(
    store: Store, cells: Callable[[str], list[list[str]]]
) -> None:
    exits = (("patient_absent", 600, 4), ("patient_absent", 700, 1), ("transferred", 600, 12))
    rows = [
        {"exit_type": exit_type, "day": day, "n_at_risk": 70, "n_event": n, "incidence": n / 70}
        for exit_type, day, n in exits
    ]
    store.put("derived.cumulative_incidence", rows)
    _, *ways = cells(store.page("derived.cumulative_incidence"))
    assert {way[-1] for way in ways} == {"hidden"}


def test_a_group_is_hidden_where_few_left_since_its_curve_had_a_gap(
    store: Store, cells: Callable[[str], list[list[str]]]
) -> None:
    """Of 17 who left by day 731 five are women, the fifth after the reading on day 700."""
    left = {"all": {600: 16, 720: 1}, "female": {600: 4, 720: 1}, "male": {600: 12}}
    people = {"all": 70, "female": 30, "male": 40}
    curve, at, summary = [], [], []
    for stratum, by_day in left.items():
        same = {"stratum_by": "all" if stratum == "all" else "sex", "stratum": stratum}
        n, gone = people[stratum], 0
        for day, exits in {**by_day, 800: 0}.items():
            at_risk, gone = n - gone, gone + exits
            curve.append({**same, "day": day, "n_at_risk": at_risk, "n_event": exits,
                          "retained": 1 - gone / n})  # fmt: skip
        at.append({**same, "day": 731, "month": 24, "n": n, "n_at_risk": n - gone,
                   "n_event_cum": gone, "retained": 1 - gone / n})  # fmt: skip
        summary.append({**same, "n": n, "from_day": 0})
    store.put("derived.retention_curve", curve)
    store.put("derived.retention_at", at)
    store.put("derived.retention_summary", summary)
    rows = cells(store.page("derived.retention_at"))
    exits = {row[2]: row[-1] for row in rows if row[2] != "Group"}
    assert exits == {"all": "17", "woman": "hidden", "man": "hidden"}
