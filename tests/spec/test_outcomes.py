"""Outcomes (domain notes, section 3), case by case: what was answered, and what it counts as.

1 achieved, 0 not achieved, None no answer to count. Each case is one person; every case is run
on DuckDB and on Polars.
"""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import duckdb
import narwhals as nw
import polars as pl
import pytest

from registry_pipeline.transform.outcomes import outcomes
from schemas.core import Interview, Patient, SubstanceUse, Visit
from schemas.derived import RetentionPerson
from schemas.fields import RegistryModel, describe
from schemas.outcomes import OUTCOMES
from schemas.protocol import load_shipped

LAR_X = load_shipped("lar_x")
MAY_1 = date(2014, 5, 1)
MISSING = None

# What one interview answers: outcome, answers, counts as

ANSWERS: list[tuple[str, dict[str, Any], int | None]] = [
    ("no_injection", {"injection_days": 0}, 1),
    ("no_injection", {"injection_days": 1}, 0),
    ("no_injection", {}, MISSING),
    # AUDIT-C: below 4 for men, below 3 for women, no cut-off for anyone else
    ("no_hazardous_alcohol", {"sex": "male", "audit_c_score": 3}, 1),
    ("no_hazardous_alcohol", {"sex": "male", "audit_c_score": 4}, 0),
    ("no_hazardous_alcohol", {"sex": "female", "audit_c_score": 2}, 1),
    ("no_hazardous_alcohol", {"sex": "female", "audit_c_score": 3}, 0),
    ("no_hazardous_alcohol", {"sex": "unknown", "audit_c_score": 0}, MISSING),
    ("no_hazardous_alcohol", {"sex": "other", "audit_c_score": 12}, MISSING),
    ("no_hazardous_alcohol", {"sex": "male"}, MISSING),
    # HSCL-10: below 1.85
    ("hscl10_below_cutoff", {"hscl10_score": 18 / 10}, 1),
    ("hscl10_below_cutoff", {"hscl10_score": 1.85}, 0),
    ("hscl10_below_cutoff", {"hscl10_score": 19 / 10}, 0),
    ("hscl10_below_cutoff", {}, MISSING),
    # Scores are kept as they are, for means
    ("life_satisfaction", {"life_satisfaction": 0}, 0),
    ("life_satisfaction", {"life_satisfaction": 10}, 10),
    ("coping", {"coping_score": 7}, 7),
    ("coping", {}, MISSING),
    *(("stable_housing", {"housing": code}, 1) for code in ("own", "rented")),
    *(
        ("stable_housing", {"housing": code}, 0)
        for code in ("family", "institution", "shelter", "homeless", "prison", "other")
    ),
    ("stable_housing", {"housing": "unknown"}, MISSING),
    ("stable_housing", {}, MISSING),
    *(("work_or_activity", {"employment": code}, 1) for code in ("work", "education", "activity")),
    *(("work_or_activity", {"employment": code}, 0) for code in ("benefits", "none")),
    ("work_or_activity", {"employment": "unknown"}, MISSING),
    ("crime_free", {"crime_days": 0}, 1),
    ("crime_free", {"crime_days": 90}, 0),
    ("crime_free", {}, MISSING),
    *(("drug_free_network", {"drug_free_network": code}, 1) for code in ("mostly", "only")),
    *(("drug_free_network", {"drug_free_network": code}, 0) for code in ("none", "some")),
    ("drug_free_network", {"drug_free_network": "unknown"}, MISSING),
    ("no_overdose", {"overdose_count": 0}, 1),
    ("no_overdose", {"overdose_count": 2}, 0),
    *(("large_benefit", {"treatment_benefit": score}, 1) for score in (4, 5)),
    *(("large_benefit", {"treatment_benefit": score}, 0) for score in (1, 2, 3)),
    ("large_benefit", {}, MISSING),
    # An answer counts when the interview was held, in part or in full
    ("crime_free", {"crime_days": 0, "status": "partial"}, 1),
    *(
        ("crime_free", {"crime_days": 0, "status": status}, MISSING)
        for status in ("missed", "refused", "dead", "withdrawn", "moved", "not_due")
    ),
]

# The protocol's groups: any use is use, all must be abstinent, and unknown is no answer

GROUPS: list[tuple[str, dict[str, str], int | None]] = [
    ("no_opioid", {"any_opioid": "abstinent"}, 1),
    ("no_opioid", {"any_opioid": "episodic"}, 0),
    ("no_opioid", {"any_opioid": "regular"}, 0),
    ("no_opioid", {"any_opioid": "not_asked"}, MISSING),
    ("no_opioid", {"any_opioid": "missed"}, MISSING),
    ("no_opioid", {"any_opioid": "abstinent", "any_illicit": "regular"}, 1),
    ("no_illicit", {"any_opioid": "abstinent", "any_illicit": "regular"}, 0),
    ("no_illicit", {"any_illicit": "abstinent", "alcohol": "regular"}, 1),
    ("no_illicit", {"alcohol": "abstinent"}, MISSING),
]

# Primary substance: days of the recall period at the baseline, then at the wave

PRIMARY: list[tuple[tuple[int, int] | None, tuple[int, int] | None, int | None]] = [
    ((0, 28), (0, 28), 1),  # no use then or now
    ((0, 28), (1, 28), 0),
    ((20, 28), (0, 28), 1),
    ((20, 28), (10, 28), 1),  # half of it
    ((20, 28), (11, 28), 0),
    ((14, 28), (22, 90), 1),  # 22 / 90 is at most half of 14 / 28
    ((14, 28), (23, 90), 0),
    ((20, 28), (28, 28), 0),
    (None, (0, 28), 1),  # no use now is known without the baseline
    (None, (1, 28), MISSING),
    ((20, 28), None, MISSING),
]

# Treatment: stays as (entry, exit, exit type), and the nominal day 91 of wave 1

STAYS: list[tuple[list[tuple[int, int, str | None]], int | None]] = [
    ([(0, 700, None)], 1),
    ([(0, 92, "patient_absent")], 1),
    ([(0, 91, "patient_absent")], 0),  # exit_day > day is retained
    ([(0, 0, "never_met")], 0),
    ([(0, 91, None)], MISSING),  # censored by then
    ([(0, 50, "patient_absent"), (80, 700, None)], 1),  # back again
    ([(0, 50, "patient_absent"), (120, 700, None)], 0),
    ([(0, 50, "patient_absent"), (60, 80, None)], MISSING),
    ([(91, 700, None)], 1),
    ([(92, 700, None)], MISSING),  # not begun yet: nobody can be retained before that
    ([], MISSING),  # no stay: not asked about retention
]


def people_of_cases() -> dict[str, list[dict[str, Any]]]:
    """One person per case, named by the table and the case's number in it."""
    rows: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("patient", "visit", "interview", "use", "retention")
    }

    def person(name: str, wave: int = 1, status: str = "completed", **patient: Any) -> None:
        rows["patient"].append({"patient_id": name, **patient})
        rows["visit"].append({"patient_id": name, "wave": wave, "status": status})

    for number, (_, answers, _) in enumerate(ANSWERS):
        name, said = f"answers {number}", dict(answers)
        person(name, status=said.pop("status", "completed"), sex=said.pop("sex", "male"))
        rows["interview"].append({"patient_id": name, "wave": 1, "status": "completed", **said})
    for number, (_, states, _) in enumerate(GROUPS):
        person(f"groups {number}")
        for substance, state in states.items():
            use = {"patient_id": f"groups {number}", "wave": 1}
            rows["use"].append({**use, "substance": substance, "state": state})
    for number, (before, now, _) in enumerate(PRIMARY):
        person(f"primary {number}", primary_substance="heroin")
        for wave, answer in enumerate((before, now)):
            days, recall = answer or (None, None)
            state = "not_asked" if answer is None else "regular" if days else "abstinent"
            use = {"patient_id": f"primary {number}", "wave": wave, "substance": "heroin"}
            rows["use"].append({**use, "state": state, "days": days, "recall_days": recall})
    for number, (stays, _) in enumerate(STAYS):
        person(f"stays {number}", status="missed")
        for episode_no, (entry, leave, exit_type) in enumerate(stays, start=1):
            stay = {"patient_id": f"stays {number}", "episode_no": episode_no}
            days = {"entry_day": entry, "exit_day": leave, "exit_type": exit_type}
            rows["retention"].append({**stay, **days, "kind": "treatment", "origin": "baseline"})
    return rows


def typed(rows: list[dict[str, Any]], model: type[RegistryModel]) -> pl.DataFrame:
    """The rows with every column of the model; what a row does not say is null."""
    dtypes = describe(model).dtypes
    frame = pl.DataFrame(rows, schema_overrides=dtypes, infer_schema_length=None)
    missing = [name for name in dtypes if name not in frame.columns]
    return frame.with_columns(pl.lit(None, dtypes[name]).alias(name) for name in missing)


def core_of(rows: Mapping[str, list[dict[str, Any]]]) -> dict[str, pl.DataFrame]:
    """Core tables of those rows: one visit per person, due on day 91."""
    models = {
        "patient": Patient,
        "visit": Visit,
        "interview": Interview,
        "use": SubstanceUse,
        "retention": RetentionPerson,
    }
    frames = {name: typed(rows[name], model) for name, model in models.items()}
    frames["patient"] = frames["patient"].with_columns(
        origin_date=MAY_1, retention_origin_date=MAY_1
    )
    frames["visit"] = frames["visit"].with_columns(due_day=pl.lit(91, pl.Int32))
    return {
        "core.patient": frames["patient"],
        "core.visit": frames["visit"],
        "core.interview": frames["interview"],
        "core.substance_use": frames["use"],
        "derived.retention_person": frames["retention"],
    }


@pytest.fixture(scope="module", params=["duckdb", "polars"])
def counted(request: pytest.FixtureRequest) -> dict[str, dict[str, Any]]:
    """Person to the outcomes of that person's one visit, worked out on either engine."""
    frames = core_of(people_of_cases())
    if request.param == "polars":
        core = {name: nw.from_native(frame.lazy()) for name, frame in frames.items()}
        return _by_person(outcomes(core, LAR_X))
    with duckdb.connect() as connection:
        core = {}
        for number, (name, frame) in enumerate(frames.items()):
            connection.register(f"t{number}", frame)
            core[name] = nw.from_native(connection.table(f"t{number}"))
        return _by_person(outcomes(core, LAR_X))


def _by_person(rows: nw.LazyFrame[Any]) -> dict[str, dict[str, Any]]:
    native = rows.collect("polars").to_native()
    return {row["patient_id"]: row for row in native.iter_rows(named=True)}


Counted = dict[str, dict[str, Any]]


@pytest.mark.parametrize(("number", "case"), list(enumerate(ANSWERS)))
def test_answers(counted: Counted, number: int, case: tuple[str, Any, int | None]) -> None:
    assert counted[f"answers {number}"][case[0]] == case[2]


@pytest.mark.parametrize(("number", "case"), list(enumerate(GROUPS)))
def test_groups(counted: Counted, number: int, case: tuple[str, Any, int | None]) -> None:
    assert counted[f"groups {number}"][case[0]] == case[2]


@pytest.mark.parametrize(("number", "case"), list(enumerate(PRIMARY)))
def test_primary_substance(counted: Counted, number: int, case: tuple[Any, Any, Any]) -> None:
    assert counted[f"primary {number}"]["primary_substance_reduced"] == case[2]


@pytest.mark.parametrize(("number", "case"), list(enumerate(STAYS)))
def test_retained_is_known_without_an_interview(
    counted: Counted, number: int, case: tuple[list[Any], int | None]
) -> None:
    person = counted[f"stays {number}"]
    assert person["retained"] == case[1]
    has_begun = any(entry <= 91 for entry, _, _ in case[0])
    assert (person["is_stay_expected"], person["is_stay_excluded"]) == (has_begun, not has_begun)


def test_every_outcome_has_cases(counted: Counted) -> None:
    tried = {case[0] for case in (*ANSWERS, *GROUPS)}
    assert tried | {"primary_substance_reduced", "retained"} == set(OUTCOMES)


@pytest.mark.parametrize(
    ("status", "is_expected", "is_excluded"),
    [
        ("partial", True, False),
        ("missed", True, False),
        ("refused", True, False),
        ("dead", False, True),
        ("withdrawn", False, True),
        ("moved", False, True),
        ("not_due", False, False),
    ],
)
def test_who_is_expected(
    counted: Counted, status: str, is_expected: bool, is_excluded: bool
) -> None:
    number = next(n for n, (_, answers, _) in enumerate(ANSWERS) if answers.get("status") == status)
    person = counted[f"answers {number}"]
    assert (person["is_expected"], person["is_excluded"]) == (is_expected, is_excluded)


def test_retention_counts_on_the_clock_of_the_waves() -> None:
    """With 100 days in treatment before the baseline, its day 191 is the wave's day 91."""
    rows = people_of_cases() | {
        "patient": [{"patient_id": "a"}],
        "visit": [{"patient_id": "a", "wave": 1, "status": "missed"}],
        "retention": [
            {"patient_id": "a", "kind": "treatment", "origin": "baseline", "episode_no": 1,
             "entry_day": 100, "exit_day": 191, "exit_type": "patient_absent"}
        ],
    }  # fmt: skip
    for earlier, retained in ((100, 0), (99, 1)):
        frames = core_of(rows)
        frames["core.patient"] = frames["core.patient"].with_columns(
            retention_origin_date=MAY_1 - timedelta(days=earlier)
        )
        core = {name: nw.from_native(frame.lazy()) for name, frame in frames.items()}
        assert _by_person(outcomes(core, LAR_X))["a"]["retained"] == retained


UNASKED: list[tuple[str, list[tuple[int, int, str | None]], str, int, int | None, bool]] = [
    # who, stays, visit status, stays known until day; at the wave's day 91: retained, left out
    ("still there", [(0, 200, None)], "not_due", 200, 1, False),
    ("left on day 91", [(0, 91, "patient_absent")], "not_due", 200, 0, False),
    ("left on day 92", [(0, 92, "patient_absent")], "not_due", 200, 1, False),
    ("left, and the day not come", [(0, 50, "patient_absent")], "not_due", 90, None, False),
    ("there, and the day not come", [(0, 91, None)], "not_due", 91, None, False),
    ("lost sight of, not known", [(0, 50, None)], "not_due", 200, None, False),
    ("never in treatment", [], "not_due", 200, None, True),
    ("not yet in treatment", [(92, 200, None)], "not_due", 200, None, True),
    ("died", [(0, 50, "death_other")], "dead", 200, None, True),
    ("moved", [(0, 50, "moved")], "moved", 200, None, True),
]


@pytest.mark.parametrize("case", UNASKED, ids=[case[0] for case in UNASKED])
@pytest.mark.parametrize("engine", ["duckdb", "polars"])
def test_retention_is_known_where_nobody_is_interviewed(engine: str, case: Any) -> None:
    """A cohort without a form of interviews: no visit is ever due."""
    who, stays, status, cutoff, retained, left_out = case
    episodes = [
        {"patient_id": "a", "kind": "treatment", "origin": "baseline", "episode_no": number,
         "entry_day": entry, "exit_day": leave, "exit_type": how, "cutoff_day": cutoff}
        for number, (entry, leave, how) in enumerate(stays, start=1)
    ]  # fmt: skip
    frames = core_of(
        people_of_cases()
        | {
            "patient": [{"patient_id": "a", "cutoff_day": cutoff}],
            "visit": [{"patient_id": "a", "wave": 1, "status": status}],
            "interview": [],
            "use": [],
            "retention": episodes,
        }
    )
    with duckdb.connect() as connection:
        core = {
            name: nw.from_native(
                frame.lazy() if engine == "polars" else connection.from_arrow(frame.to_arrow())
            )
            for name, frame in frames.items()
        }
        person = _by_person(outcomes(core, LAR_X))["a"]
    expected = bool(stays) and not left_out and cutoff > 91
    assert (person["retained"], person["is_stay_excluded"]) == (retained, left_out), who
    assert (person["is_stay_expected"], person["is_expected"]) == (expected, False), who
    assert person["no_injection"] is None, who
