"""Rules across forms: which rows wait outside core, and what lets them in (contract, section 3).

Anna consented on 10 May 2014. The delivery of 2014-Q3 knows her until 1 October 2014, that of
2014-Q4 until 5 January 2015.
"""

from datetime import date
from typing import Any

import narwhals as nw
import polars as pl
import pytest

from registry_pipeline.derivations.core import core_tables
from schemas.fields import describe
from schemas.forms import FORMS, intake_table
from schemas.meta.ledger import Delivery
from schemas.protocol import load_shipped

LAR_X = load_shipped("lar_x")
Rows = list[dict[str, Any]]

EXTRACTED = {"2014-Q3": date(2014, 10, 1), "2014-Q4": date(2015, 1, 5)}
ANNA = {"patient_id": "anna", "consent": "consented", "consent_date": date(2014, 5, 10)}
LATER = {"delivery": "2014-Q4", "quarter": "2014-Q4"}
DATED = {
    "interviews": ("interview_date", {"status": "completed"}),
    "episodes": ("start_date", {"pathway": "gp_alone"}),
    "events": ("event_date", {"event_type": "overdose"}),
    "toxicology": ("sample_date", {"substance": "heroin", "result": "negative"}),
    "appointments": ("scheduled_date", {"unit_id": "lar_bergen", "status": "attended"}),
    "process_events": ("event_date", {"kind": "treatment_plan"}),
    "withdrawals": ("withdrawn_date", {"scope": "stop_interviews"}),
}


def of(patient: str, form: str, day: date, **more: Any) -> dict[str, Any]:
    """A row of a form that has nothing unusual but its person and its day."""
    column, rest = DATED[form]
    return {"patient_id": patient, column: day} | rest | more


def death(day: date, **more: Any) -> dict[str, Any]:
    return of("anna", "events", day, event_type="death_overdose", **more)


def core(deliveries: tuple[str, ...] = ("2014-Q3",), **forms: Rows) -> dict[str, pl.DataFrame]:
    """The core tables of what these deliveries brought."""
    came = {"protocol": "lar_x", "delivery": "2014-Q3", "quarter": "2014-Q3", "number": 1}
    intake = {}
    for form in FORMS:
        rows = [
            came | {"row_number": place, "is_retraction": False} | row
            for place, row in enumerate(forms.get(form, []), start=1)
        ]
        brought = [row for row in rows if row["delivery"] in deliveries]
        table = intake_table(form, LAR_X)
        intake[form] = nw.from_native(pl.LazyFrame(brought, schema=table.dtypes))
    ledger = [
        came | {"delivery": name, "quarter": name, "form": form, "sender": "helse-bergen"}
        | {"kind": "full", "status": "accepted", "extracted_on": EXTRACTED[name]}
        for name in deliveries
        for form in FORMS
    ]  # fmt: skip
    lines = nw.from_native(pl.LazyFrame(ledger, schema=describe(Delivery).dtypes))
    tables = core_tables(intake, lines, LAR_X)
    return {
        name: frame if isinstance(frame, pl.DataFrame) else frame.collect("polars").to_native()
        for name, frame in tables.items()
    }


def held(tables: dict[str, pl.DataFrame]) -> list[tuple[str, str]]:
    """(row_key, rule_id) of every held row."""
    return sorted(tables["meta.held"].select("row_key", "rule_id").rows())


JULY, AUGUST, NOVEMBER = date(2014, 7, 1), date(2014, 8, 1), date(2014, 11, 1)


def every_form(patient: str, day: date) -> dict[str, Rows]:
    """One row of each form that is about a person, all of one day."""
    return {form: [of(patient, form, day)] for form in DATED}


def by_form(tables: dict[str, pl.DataFrame]) -> dict[str, str]:
    """Form to the rule its one held row breaks."""
    return dict(tables["meta.held"].select("form", "rule_id").rows())


def test_unknown_person() -> None:
    tables = core(patients=[ANNA], **every_form("nobody", JULY))
    assert by_form(tables) == dict.fromkeys(DATED, "unknown_person")
    assert held(core(patients=[ANNA], **every_form("anna", JULY))) == []


def test_a_held_row_is_named_by_its_key() -> None:
    keys = core(**every_form("nobody", JULY))["meta.held"]["row_key"]
    assert sorted(keys) == [
        "nobody",
        "nobody|2014-07-01",
        "nobody|2014-07-01|heroin",
        "nobody|2014-07-01|lar_bergen|",
        "nobody|2014-07-01|overdose",
        "nobody|2014-07-01|treatment_plan|",
        "nobody|gp_alone|2014-07-01",
    ]


@pytest.mark.parametrize(
    ("consent", "legal_basis", "comes_in"),
    [
        ("consented", None, True),
        ("consented", "consent", True),
        ("declined", None, False),
        ("no_answer", None, False),
        ("opt_out", None, False),
        # on an opt-out basis everyone is in who has not said no
        ("consented", "opt_out", True),
        ("no_answer", "opt_out", True),
        ("opt_out", "opt_out", False),
        ("declined", "opt_out", False),
    ],
)
def test_not_consented(consent: str, legal_basis: str | None, comes_in: bool) -> None:
    bo = {"patient_id": "bo", "consent": consent, "legal_basis": legal_basis}
    tables = core(patients=[bo], **every_form("bo", JULY))
    assert by_form(tables) == ({} if comes_in else dict.fromkeys(DATED, "not_consented"))
    assert tables["core.patient"]["enrolled"].to_list() == [comes_in]


@pytest.mark.parametrize(
    ("day", "rules"),
    [
        (date(2014, 5, 9), ["interview_before_consent"]),
        (date(2014, 5, 10), []),
        (date(2014, 5, 11), []),
    ],
)
def test_interview_before_consent(day: date, rules: list[str]) -> None:
    tables = core(patients=[ANNA], interviews=[of("anna", "interviews", day)])
    assert held(tables) == [(f"anna|{day}", rule) for rule in rules]


def test_only_interviews_wait_for_the_day_of_consent() -> None:
    before = date(2010, 1, 1)
    rows = {form: [of("anna", form, before)] for form in DATED if form != "interviews"}
    assert held(core(patients=[ANNA], **rows)) == []


@pytest.mark.parametrize(("day", "waits"), [(date(2014, 7, 1), False), (date(2014, 7, 2), True)])
def test_after_death(day: date, waits: bool) -> None:
    """Anna died on 1 July: that day itself is still hers."""
    rows = every_form("anna", day)
    rows["events"].append(death(JULY))
    assert by_form(core(patients=[ANNA], **rows)) == (
        dict.fromkeys(DATED, "after_death") if waits else {}
    )


def test_a_death_is_not_held_for_itself_and_the_first_counts() -> None:
    tables = core(patients=[ANNA], events=[death(AUGUST), death(JULY)])
    assert held(tables) == [("anna|2014-08-01|death_overdose", "after_death")]
    assert tables["core.event"]["event_date"].to_list() == [JULY]


def test_an_end_after_death_stands() -> None:
    """The stay is closed at death where time is counted."""
    stay = of("anna", "episodes", date(2014, 5, 1), end_date=AUGUST, exit_type="death_overdose")
    tables = core(patients=[ANNA], events=[death(JULY)], episodes=[stay])
    assert held(tables) == []
    assert tables["core.episode"]["end_date"].to_list() == [AUGUST]


def test_death_by_exit_where_no_event_says_it() -> None:
    stay = of("anna", "episodes", date(2014, 5, 1), end_date=JULY, exit_type="death_other")
    late = of("anna", "interviews", AUGUST)
    tables = core(patients=[ANNA], episodes=[stay], interviews=[late])
    assert held(tables) == [("anna|2014-08-01", "after_death")]
    stated = core(patients=[ANNA], episodes=[stay], interviews=[late], events=[death(AUGUST)])
    assert held(stated) == []


def test_a_stay_planned_for_after_death_and_never_begun_stands() -> None:
    plan = {"patient_id": "anna", "pathway": "gp_alone", "exit_type": "never_met"}
    rows = [plan | {"planned_start_date": AUGUST}]
    assert held(core(patients=[ANNA], events=[death(JULY)], episodes=rows)) == []


@pytest.mark.parametrize(("day", "waits"), [(date(2014, 10, 1), False), (date(2014, 10, 2), True)])
def test_after_the_cutoff(day: date, waits: bool) -> None:
    """A withdrawal is never too new: it counts from the day it is known."""
    timed = [form for form in DATED if form != "withdrawals"]
    tables = core(patients=[ANNA], **every_form("anna", day))
    assert by_form(tables) == (dict.fromkeys(timed, "after_cutoff") if waits else {})


def test_forms_without_a_person_know_only_the_cutoff() -> None:
    sheets = [
        {"response_id": name, "unit_id": "lar_bergen", "answered_on": day}
        for name, day in [("in time", JULY), ("too new", NOVEMBER)]
    ]
    contact = {"contact_id": "unnamed", "unit_id": "lar_bergen", "identified_date": JULY}
    contacts = [contact | {"outcome": "declined"}]
    tables = core(involvement=sheets, outreach=contacts)
    assert held(tables) == [("too new", "after_cutoff")]
    assert tables["core.outreach_contact"]["contact_id"].to_list() == ["unnamed"]


def test_every_rule_a_row_breaks_is_told() -> None:
    bo = ANNA | {"patient_id": "bo", "consent": "declined"}
    tables = core(patients=[bo], interviews=[of("bo", "interviews", date(2014, 4, 1))])
    key = "bo|2014-04-01"
    assert held(tables) == [(key, "interview_before_consent"), (key, "not_consented")]


def test_overlapping_stays_are_not_held() -> None:
    stays = [of("anna", "episodes", day) for day in (date(2014, 5, 1), JULY)]
    tables = core(patients=[ANNA], episodes=stays)
    assert held(tables) == []
    assert tables["core.episode"].height == 2


WAITS = {
    "for its person": {
        "patients": [ANNA | LATER],
        "interviews": [of("anna", "interviews", JULY)],
    },
    "for the consent": {
        "patients": [ANNA | {"consent": "no_answer", "consent_date": None}, ANNA | LATER],
        "interviews": [of("anna", "interviews", JULY)],
    },
    "for an earlier day of consent": {
        "patients": [ANNA | {"consent_date": AUGUST}, ANNA | LATER],
        "interviews": [of("anna", "interviews", JULY)],
    },
    "for a death to be taken back": {
        "patients": [ANNA],
        "interviews": [of("anna", "interviews", AUGUST)],
        "events": [
            death(JULY),
            death(JULY, **LATER, is_retraction=True, row_number=0),
        ],
    },
    "for the next cut-off": {
        "patients": [ANNA],
        "interviews": [of("anna", "interviews", NOVEMBER)],
    },
}


@pytest.mark.parametrize("forms", WAITS.values(), ids=WAITS)
def test_a_held_row_comes_in_when_the_missing_piece_arrives(forms: dict[str, Rows]) -> None:
    first = core(("2014-Q3",), **forms)
    assert len(held(first)) == 1
    assert first["core.interview"].is_empty()
    then = core(("2014-Q3", "2014-Q4"), **forms)
    assert held(then) == []
    assert then["core.interview"].height == 1


def test_a_row_goes_out_again_when_what_it_stood_on_goes() -> None:
    declined = ANNA | LATER | {"consent": "declined"}
    forms = {"patients": [ANNA, declined], "interviews": [of("anna", "interviews", JULY)]}
    assert core(("2014-Q3",), **forms)["core.interview"].height == 1
    tables = core(("2014-Q3", "2014-Q4"), **forms)
    assert held(tables) == [("anna|2014-07-01", "not_consented")]
    assert tables["core.interview"].is_empty()


def test_the_order_of_arrival_does_not_matter() -> None:
    patients = [ANNA, ANNA | LATER | {"consent_date": date(2014, 5, 12)}]
    events = [death(AUGUST), of("anna", "events", NOVEMBER, **LATER)]
    interviews = [of("anna", "interviews", day) for day in (date(2014, 5, 11), JULY, NOVEMBER)]
    results = [
        core(("2014-Q4", "2014-Q3"), patients=told[0], events=told[1], interviews=rows)
        for told in ((patients, events), (patients[::-1], events), (patients, events[::-1]))
        for rows in (interviews, interviews[::-1])
    ]
    expected = [
        ("anna|2014-05-11", "interview_before_consent"),
        ("anna|2014-11-01", "after_death"),
        ("anna|2014-11-01|overdose", "after_death"),
    ]
    assert all(held(tables) == expected for tables in results)
    days = [tables["core.interview"]["interview_date"].to_list() for tables in results]
    assert days == [[JULY]] * len(results)
