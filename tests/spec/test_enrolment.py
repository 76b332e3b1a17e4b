"""Enrolment and response (domain notes, sections 1 and 3), case by case.

A person is one letter per wave and a few fields of the patients form; every case is run on
DuckDB and on Polars.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb
import narwhals as nw
import polars as pl
import pytest

from registry_pipeline.derivations.enrolment import enrolment_tables
from schemas.core import Patient, Visit
from schemas.derived.participation import Enrolment, ResponseByWave
from schemas.fields import describe
from schemas.protocol import load_shipped

LAR_X = load_shipped("lar_x")
MODELS = {"core.patient": Patient, "core.visit": Visit}
STATUS = {
    "C": "completed", "P": "partial", "m": "missed", "r": "refused", "o": "out_of_treatment",
    "d": "dead", "w": "withdrawn", "v": "moved", "_": "not_due",
}  # fmt: skip
CONSENTED = {"sex": "male", "age_group": "age_30_39", "consent": "consented", "enrolled": True}
SILENT = CONSENTED | {"consent": "no_answer", "enrolled": False}

Tables = Mapping[str, pl.DataFrame]


@dataclass(frozen=True)
class Person:
    """A person: a letter per wave, and fields of core.patient beyond CONSENTED."""

    name: str
    waves: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)


Derive = Callable[[Sequence[Person]], Tables]


@pytest.fixture(params=["polars", "duckdb"])
def derive(request: pytest.FixtureRequest) -> Derive:
    """Both tables of a few people, from either engine."""

    def tables(people: Sequence[Person]) -> Tables:
        known = [{"cohort": "lar_x", "patient_id": person.name} for person in people]
        rows = {
            "core.patient": [
                who | CONSENTED | dict(person.fields)
                for who, person in zip(known, people, strict=True)
            ],
            "core.visit": [
                who | {"wave": wave, "status": STATUS[letter]}
                for who, person in zip(known, people, strict=True)
                for wave, letter in enumerate(person.waves)
            ],
        }
        connection = duckdb.connect()
        core = {}
        for name, values in rows.items():
            frame = pl.DataFrame(values, schema=describe(MODELS[name]).dtypes)
            arrow = connection.from_arrow(frame.to_arrow())
            core[name] = nw.from_native(arrow if request.param == "duckdb" else frame.lazy())
        return enrolment_tables(core, LAR_X)

    return tables


def test_70_of_328_enrolled_is_21_percent(derive: Derive) -> None:
    people = [Person(f"c{n}", fields={"sex": "male" if n < 45 else "female"}) for n in range(70)]
    people += [Person(f"n{n}", fields=SILENT) for n in range(258)]
    enrolment = derive(people)["derived.enrolment"]
    margin = enrolment.filter(sex="all", age_group="all").select("group", "n", "denominator")
    assert margin.rows() == [
        ("consented", 70, 328), ("declined", 0, 328), ("eligible", 328, 328),
        ("no_answer", 258, 328),
    ]  # fmt: skip
    [row] = enrolment.filter(group="consented", sex="all", age_group="all").to_dicts()
    percent = [round(100 * row[name], 1) for name in ("share", "ci_low", "ci_high")]
    assert percent == [21.3, 17.3, 26.1]
    assert row["reason"] is None
    assert row["n_missing"] == 258
    by_sex = enrolment.filter(group="consented", age_group="all").select("sex", "n", "denominator")
    assert by_sex.rows() == [("all", 70, 328), ("female", 25, 25), ("male", 45, 45 + 258)]


def test_a_patients_form_without_the_others_is_held_against_the_protocol(
    derive: Derive,
) -> None:
    enrolment = derive([Person("one")])["derived.enrolment"].filter(group="consented")
    [whole] = enrolment.filter(sex="all", age_group="all").to_dicts()
    assert (whole["n"], whole["denominator"]) == (1, 328)
    assert whole["reason"] == "protocol_eligible=328, delivered=1"
    assert whole["n_missing"] == 327
    assert enrolment.filter(sex="male")["denominator"].to_list() == [1, 1]


def test_response_leaves_out_whom_no_interview_is_expected_of(
    derive: Derive,
) -> None:
    people = [
        Person(name, waves=letters)
        for name, letters in {"a": "CP", "b": "Cm", "c": "Cr", "d": "Co", "e": "Cd"}.items()
    ] + [Person("f", waves="Cw"), Person("g", waves="Cv"), Person("h", waves="C_")]
    response = derive(people)["derived.response_by_wave"].filter(stratum_by="all")
    columns = ["n_enrolled", "n_expected", "n_completed", "n_partial"]
    assert response.select(columns).rows() == [(8, 8, 8, 0), (8, 8 - 4, 1, 1)]
    kinds = ["missed", "refused", "out_of_treatment", "dead", "withdrawn", "moved", "not_due"]
    assert response.select(f"n_{kind}" for kind in kinds).rows() == [(0,) * 7, (1,) * 7]
    assert response["response"].to_list() == [8 / 8, 1 / 4]
    assert response["n_missing"].to_list() == [0, 3]


def test_a_wave_nobody_is_expected_at_has_no_response(
    derive: Derive,
) -> None:
    response = derive([Person("one", waves="C_")])["derived.response_by_wave"]
    [row] = response.filter(stratum_by="all", wave=1).to_dicts()
    assert (row["n_expected"], row["response"], row["reason"]) == (0, None, "not_computable")


def test_an_empty_patients_form_enrols_nobody_of_the_eligible(derive: Derive) -> None:
    tables = derive([])
    rows = tables["derived.enrolment"].select("group", "n", "denominator", "share").rows()
    assert rows == [
        ("consented", 0, 328, 0.0), ("declined", 0, 328, 0.0), ("eligible", 328, 328, 1.0),
        ("no_answer", 0, 328, 0.0),
    ]  # fmt: skip
    assert tables["derived.response_by_wave"].is_empty()


def test_both_tables_are_as_their_models_say(derive: Derive) -> None:
    people = [Person("a", "CPmr"), Person("b", "C_"), Person("c", "Cdwv"), Person("d", "oooo")]
    tables = derive([*people, Person("e", fields=SILENT), Person("f", fields={"sex": "unknown"})])
    for model in (Enrolment, ResponseByWave):
        table = describe(model)
        rows = tables[table.full_name].with_columns(as_of_delivery=pl.lit("2014-Q3"))
        table.schema.validate(rows.select(list(table.dtypes)))
        assert not rows.select(table.key).is_duplicated().any()
