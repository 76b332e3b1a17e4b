"""core.patient: who is enrolled, what day their clocks start, and what happened to them."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from registry_pipeline.transform.people import known_dates, people, with_baseline_pathway
from schemas.protocol import Origin, Protocol, load_shipped

LAR_X = load_shipped("lar_x")
CUTOFF = date(2014, 10, 1)
CONSENT, BASELINE = date(2014, 5, 10), date(2014, 5, 20)
INDEX_START, TREATMENT_START = date(2014, 4, 1), date(2009, 3, 2)

DATES = {
    "baseline_date": BASELINE,
    "index_start_date": INDEX_START,
    "death_date": None,
    "moved_date": None,
    "withdrawn_date": None,
}


def one(both: Any, protocol: Protocol = LAR_X, **facts: Any) -> dict[str, Any]:
    """The row of one person: Anna, consented and interviewed, but for these facts."""
    row = {
        "patient_id": "anna",
        "delivery": "2014-Q3",
        "row_number": 1,
        "sex": "female",
        "birth_year": 1980,
        "consent": "consented",
        "consent_date": CONSENT,
        "legal_basis": None,
        "invited_date": date(2014, 5, 1),
        "assigned_pathway": None,
        "treatment_start_date": TREATMENT_START,
        "primary_substance": "heroin",
        "co_occurring_disorder": True,
    }
    said = {name: value for name, value in facts.items() if name in row}
    dates = DATES | {name: value for name, value in facts.items() if name in DATES}
    dtypes = {name: pl.Date if name.endswith("_date") else pl.String for name in (*row, *DATES)} | {
        "birth_year": pl.Int32,
        "row_number": pl.Int64,
        "co_occurring_disorder": pl.Boolean,
    }
    known = pl.DataFrame(
        [{"patient_id": "anna", **dates}],
        schema={"patient_id": pl.String} | dict.fromkeys(DATES, pl.Date),
    )
    rows = both(
        lambda patients, lines, asked, known: people(patients, known, lines, asked, protocol),
        patients=pl.DataFrame([row | said], schema={name: dtypes[name] for name in row}),
        lines=pl.DataFrame(
            {"delivery": ["2014-Q3"], "sender": ["bergen"], "sender_cutoff_date": [CUTOFF]}
        ),
        asked=pl.DataFrame(
            {
                "sender": ["bergen", "another"],
                "interview_cutoff_date": [facts.get("asked_until"), facts.get("another")],
                "step_cutoff_date": [facts.get("steps_until"), facts.get("another")],
            },
            schema_overrides=dict.fromkeys(("interview_cutoff_date", "step_cutoff_date"), pl.Date),
        ),
        known=known,
    )
    (person,) = rows.to_dicts()
    return person  # type: ignore[no-any-return]


def counting_from(waves: Origin, retention: Origin) -> Protocol:
    return LAR_X.model_copy(
        update={
            "waves": LAR_X.waves.model_copy(update={"origin": waves}),
            "retention": LAR_X.retention.model_copy(update={"origin": retention}),
        }
    )


@pytest.mark.parametrize(
    ("origin", "day"),
    [
        (Origin.BASELINE_INTERVIEW, BASELINE),
        (Origin.CONSENT_DATE, CONSENT),
        (Origin.EPISODE_START, INDEX_START),
        (Origin.TREATMENT_START, TREATMENT_START),
    ],
)
def test_each_clock_counts_from_what_the_protocol_says(
    both_engines: Any, origin: Origin, day: date
) -> None:
    person = one(both_engines, counting_from(origin, Origin.CONSENT_DATE))
    assert (person["origin_date"], person["retention_origin_date"]) == (day, CONSENT)
    person = one(both_engines, counting_from(Origin.CONSENT_DATE, origin))
    assert (person["origin_date"], person["retention_origin_date"]) == (CONSENT, day)


@pytest.mark.parametrize(
    ("origin", "missing", "waves", "retention"),
    [
        (Origin.BASELINE_INTERVIEW, {"baseline_date": None}, CONSENT, CONSENT),
        (Origin.EPISODE_START, {"index_start_date": None}, CONSENT, None),
        (Origin.TREATMENT_START, {"treatment_start_date": None}, CONSENT, None),
        (Origin.BASELINE_INTERVIEW, {"baseline_date": None, "consent_date": None}, None, None),
    ],
)
def test_a_clock_without_its_day(
    both_engines: Any,
    origin: Origin,
    missing: dict[str, None],
    waves: date | None,
    retention: date | None,
) -> None:
    person = one(both_engines, counting_from(origin, origin), **missing)
    assert (person["origin_date"], person["retention_origin_date"]) == (waves, retention)


def test_days_count_from_the_origin(both_engines: Any) -> None:
    person = one(
        both_engines,
        death_date=BASELINE + timedelta(days=400),
        moved_date=BASELINE - timedelta(days=3),
        withdrawn_date=BASELINE + timedelta(days=91),
    )
    assert person["death_day"] == 400
    assert person["moved_day"] == -3
    assert person["withdrawn_day"] == 91
    assert person["treatment_start_day"] == (TREATMENT_START - BASELINE).days
    assert person["cutoff_date"] == CUTOFF
    assert person["cutoff_day"] == (CUTOFF - BASELINE).days


def test_visits_are_due_by_the_cutoff_of_the_interviews(both_engines: Any) -> None:
    """The last delivery's interviews were refused: they are known until an earlier day."""
    until = date(2014, 7, 1)
    person = one(both_engines, another=until)
    assert person["interview_cutoff_day"] == (CUTOFF - BASELINE).days
    person = one(both_engines, asked_until=until)
    assert person["interview_cutoff_day"] == (until - BASELINE).days
    assert person["cutoff_day"] == (CUTOFF - BASELINE).days


def test_no_visit_is_due_where_nobody_sends_interviews(both_engines: Any) -> None:
    person = one(both_engines)
    assert person["interview_cutoff_day"] is None
    assert person["cutoff_day"] == (CUTOFF - BASELINE).days


def test_steps_are_known_until_the_cutoff_of_the_senders_own(both_engines: Any) -> None:
    until = date(2014, 7, 1)
    assert one(both_engines)["step_cutoff_date"] is None
    assert one(both_engines, another=until)["step_cutoff_date"] == CUTOFF
    assert one(both_engines, steps_until=until)["step_cutoff_date"] == until


@pytest.mark.parametrize(
    ("birth_year", "group"),
    [
        (2014 - 22, "under_23"),
        (2014 - 23, "age_23_29"),
        (2014 - 29, "age_23_29"),
        (2014 - 30, "age_30_39"),
        (2014 - 39, "age_30_39"),
        (2014 - 40, "age_40_49"),
        (2014 - 49, "age_40_49"),
        (2014 - 50, "age_50_over"),
        (None, "unknown"),
    ],
)
def test_age_at_the_origin(both_engines: Any, birth_year: int | None, group: str) -> None:
    assert one(both_engines, birth_year=birth_year)["age_group"] == group


def test_age_without_an_origin_is_at_the_invitation_or_the_cutoff(both_engines: Any) -> None:
    known = {"consent": "no_answer", "birth_year": 1990}
    assert one(both_engines, **known, invited_date=date(2012, 12, 31))["age_group"] == "under_23"
    assert one(both_engines, **known, invited_date=None)["age_group"] == "age_23_29"


def test_who_is_not_enrolled_carries_the_invitation_alone(both_engines: Any) -> None:
    person = one(both_engines, consent="declined", death_date=CUTOFF)
    assert person["enrolled"] is False
    assert (person["sex"], person["invited_date"]) == ("female", date(2014, 5, 1))
    empty = (
        "origin_date", "retention_origin_date", "consent_date", "treatment_start_day",
        "cutoff_day", "death_day", "co_occurring_disorder", "primary_substance",
    )  # fmt: skip
    assert [person[name] for name in empty] == [None] * len(empty)


def test_null_means_what_the_form_says(both_engines: Any) -> None:
    person = one(both_engines, sex=None, legal_basis=None)
    assert (person["sex"], person["legal_basis"]) == ("unknown", "consent")


def test_dates_of_the_other_forms(both_engines: Any, cohort: Callable[..., Any]) -> None:
    def on(number: int) -> date:
        return date(2014, 5, number)

    anna = {"patient_id": "anna"}
    forms = cohort(
        interviews=[
            anna | {"interview_date": on(1), "status": "missed"},
            anna | {"interview_date": on(2), "status": "refused"},
            anna | {"interview_date": on(4), "status": "completed"},
            anna | {"interview_date": on(3), "status": "partial"},
        ],
        episodes=[
            anna | {"pathway": "other_oat", "start_date": on(1)},
            anna | {"pathway": "gp_alone", "start_date": on(6)},
            anna | {"pathway": "gp_alone", "start_date": on(5)},
        ],
        events=[
            anna | {"event_date": on(1), "event_type": "overdose"},
            anna | {"event_date": on(9), "event_type": "moved"},
            anna | {"event_date": on(8), "event_type": "moved"},
        ],
        withdrawals=[anna | {"withdrawn_date": on(9), "scope": "stop_interviews"}],
    )
    stays = forms["episodes"].with_columns(is_index=pl.col("pathway") == "gp_alone")
    found = both_engines(
        lambda **rows: known_dates(*rows.values()),
        interviews=forms["interviews"],
        stays=stays,
        events=forms["events"],
        withdrawals=forms["withdrawals"],
    )
    dates = {
        "baseline_date": on(3),
        "index_start_date": on(5),
        "moved_date": on(8),
        "withdrawn_date": on(9),
    }
    assert found.to_dicts() == [anna | dates]


@pytest.mark.parametrize(
    ("assigned", "from_epoch", "pathway"),
    [(None, 100, "gp_alone"), ("other_oat", 100, "other_oat"), (None, 101, None)],
)
def test_pathway_at_baseline(
    both_engines: Any, assigned: str | None, from_epoch: int, pathway: str | None
) -> None:
    place = sorted(item.code for item in LAR_X.pathways).index("gp_alone")
    days = dict.fromkeys(("rank", "is_treatment", "from_epoch", "until_epoch"), pl.Int32)
    rows = both_engines(
        lambda rows, covered: with_baseline_pathway(rows, covered, LAR_X),
        rows=pl.DataFrame(
            {"person": [0], "origin_epoch": [100], "assigned_pathway": [assigned]},
            schema_overrides={"origin_epoch": pl.Int32, "assigned_pathway": pl.String},
        ),
        covered=pl.DataFrame(
            [{"person": 0, "rank": place, "is_treatment": 1, "from_epoch": from_epoch}],
            schema={"person": pl.Int64, **days},
        ),
    )
    assert rows["baseline_pathway"].to_list() == [pathway]


@pytest.mark.parametrize(
    ("stays", "pathway"),
    [
        ([("gp_alone", 100, 100)], "gp_alone"),
        ([("other_oat", 50, None), ("gp_alone", 100, 100)], "other_oat"),
        ([("gp_alone", 99, 99)], None),
        ([("gp_alone", 99, 100)], None),
    ],
    ids=["left on the day", "another covers the day", "left the day before", "ended by the day"],
)
def test_a_stay_that_lasted_no_day_is_the_pathway_at_baseline_where_no_other_is(
    both_engines: Any, stays: list[tuple[str, int, int | None]], pathway: str | None
) -> None:
    codes = sorted(item.code for item in LAR_X.pathways)
    days = dict.fromkeys(("rank", "is_treatment", "from_epoch", "until_epoch"), pl.Int32)
    rows = both_engines(
        lambda rows, covered: with_baseline_pathway(rows, covered, LAR_X),
        rows=pl.DataFrame(
            {"person": [0], "origin_epoch": [100], "assigned_pathway": [None]},
            schema_overrides={"origin_epoch": pl.Int32, "assigned_pathway": pl.String},
        ),
        covered=pl.DataFrame(
            [
                (0, start * len(codes) + codes.index(code), 1, start, end)
                for code, start, end in stays
            ],
            schema={"person": pl.Int64, **days},
            orient="row",
        ),
    )
    assert rows["baseline_pathway"].to_list() == [pathway]
