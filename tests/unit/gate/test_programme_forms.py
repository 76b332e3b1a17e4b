"""Bad input of the programmes' forms: which rows go to the quarantine, and by which rule."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from schemas.protocol import load_shipped

TSB, RANDERS = load_shipped("tsb"), load_shipped("randers")
PERSON = "TS-0001,2014-05-01"

BAD = [
    (
        "an ORS total of 41",
        "interviews",
        TSB,
        "patient_id,interview_date,status,ors_total",
        [f"{PERSON},completed,40", f"{PERSON.replace('05-01', '06-01')},completed,41"],
        [(2, "ors_total", "out_of_range")],
    ),
    (
        "answers outside 1 to 5",
        "involvement",
        RANDERS,
        "response_id,unit_id,answered_on,item_1,item_2",
        ["a,akut,2014-05-01,1,5", "b,akut,2014-05-01,0,3", "c,akut,2014-05-01,3,6"],
        [(2, "item_1", "out_of_range"), (3, "item_2", "out_of_range")],
    ),
    (
        "an end without a start",
        "episodes",
        TSB,
        "patient_id,pathway,start_date,end_date,exit_type",
        [
            "TS-0001,detoxification,2014-05-01,2014-05-05,planned_mutual",
            "TS-0002,detoxification,,2014-05-05,planned_mutual",
        ],
        [(2, "start_date", "start_missing")],
    ),
    (
        "never met without a planned start",
        "episodes",
        TSB,
        "patient_id,pathway,start_date,planned_start_date,exit_type",
        [
            "TS-0001,detoxification,,2014-05-05,never_met",
            "TS-0002,detoxification,,,never_met",
        ],
        [(2, "planned_start_date", "never_met_not_planned")],
    ),
    (
        "a negative count of a goal",
        "goal_counts",
        RANDERS,
        "goal_id,period_start,period_end,step,n",
        ["a,2014-01-01,2014-05-01,held,0", "b,2014-01-01,2014-05-01,held,-1"],
        [(2, "n", "out_of_range")],
    ),
    (
        "an outcome of outreach that is none",
        "outreach",
        RANDERS,
        "contact_id,unit_id,identified_date,outcome",
        ["a,akut,2014-05-01,conversation", "b,akut,2014-05-01,maybe"],
        [(2, "outcome", "unknown_code")],
    ),
]


@pytest.mark.parametrize("case", BAD, ids=[one[0] for one in BAD])
def test_the_bad_row_goes_and_the_good_ones_stay(
    gate: Callable[..., Any], case: tuple[Any, ...]
) -> None:
    what, form, protocol, header, lines, expected = case
    judged = gate(
        f"{form}.csv",
        "\n".join([header, *lines]) + "\n",
        protocol=protocol.model_copy(update={"max_quarantine_share": 1.0}),
        quarter="2014-Q2",
    )
    assert sorted(judged.rules) == expected, what
    assert judged.accepted.height == len(lines) - len(expected)


def test_a_contact_before_identification_is_taken_in_and_counted_by_a_rule(
    gate: Callable[..., Any],
) -> None:
    """It may be a typing error in either date: the data-quality rule says so, the funnel leaves
    the contact out."""
    header = "contact_id,unit_id,identified_date,outcome,centre_contact_date\n"
    judged = gate(
        "outreach.csv",
        f"{header}a,akut,2014-05-01,conversation,2014-04-01\n",
        protocol=RANDERS,
        quarter="2014-Q2",
    )
    assert judged.accepted.height == 1
