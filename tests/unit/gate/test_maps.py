"""Another registry's export through rename, recode, source, where and ignore."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from registry_pipeline.gate.errors import RefusedFileError
from schemas.protocol import FormMap, Protocol

INTERVIEWS = FormMap(
    source="patients",
    where={"SkjemaType": ("2", "3")},
    rename={"PasientId": "patient_id", "Dato": "interview_date", "BehStatus": "treatment_status"},
    recode={
        "treatment_status": {"1": "active", "2": "ended_mutual", "9": ""},
        "status": {"ja": "completed", "nei": "missed"},
        "alcohol_days": {"99": ""},
    },
    ignore=("Merknad",),
)
PATIENTS = FormMap(
    where={"SkjemaType": ("1",)},
    rename={"PasientId": "patient_id", "Kjonn": "sex", "På": "consent"},
    recode={"sex": {"Mann": "male", "Kvinne": "female"}, "consent": {"1": "consented"}},
)
EXPORT = """\
PasientId;SkjemaType;Kjonn;Pa\u030a;Dato;BehStatus;status;alcohol_days;Merknad
17;1;Mann;1;;;;;
17;2;;;01.05.2014;1;ja;12;
18;1;Kvinne;1;;;;;
18;3;;;02.05.2014;9;ja;99;
18;3;;;09.05.2014;7;nei;;
19;3;;;02.05.2014;2;nei;;ring 150765 00565
"""


@pytest.fixture
def protocol(lar_x: Protocol) -> Protocol:
    return lar_x.model_copy(update={"forms": {"interviews": INTERVIEWS, "patients": PATIENTS}})


def test_two_forms_of_one_file(gate: Callable[..., Any], protocol: Protocol) -> None:
    patients = gate("patients.csv", EXPORT, protocol=protocol, rows={"patients": 6})
    assert patients.accepted.select("row_number", "sex", "consent").rows() == [
        (1, "male", "consented"),
        (3, "female", "consented"),
    ]
    interviews = gate(
        "patients.csv", EXPORT, form="interviews", protocol=protocol, rows={"patients": 6}
    )
    columns = ("row_number", "interview_date", "treatment_status", "status", "alcohol_days")
    assert interviews.accepted.select(columns).rows() == [
        (2, date(2014, 5, 1), "active", "completed", 12),
        (4, date(2014, 5, 2), None, "completed", None),
    ]
    assert interviews.rules == [
        (5, "treatment_status", "unknown_code"),
        (6, "Merknad", "identity_number"),
    ]


def test_the_original_is_kept_before_the_recode(
    gate: Callable[..., Any], protocol: Protocol
) -> None:
    judged = gate("patients.csv", EXPORT, form="interviews", protocol=protocol)
    assert judged.quarantined["original"].to_list() == [
        (
            '{"SkjemaType":"3","Kjonn":null,"På":null,"Dato":"09.05.2014","BehStatus":"7",'
            '"status":"nei","alcohol_days":null,"Merknad":null}'
        ),
        (
            '{"SkjemaType":"3","Kjonn":null,"På":null,"Dato":"02.05.2014","BehStatus":"2",'
            '"status":"nei","alcohol_days":null,"Merknad":""}'
        ),
    ]


# Types that no form names: another code, none, and one with a blank.
STRAYS = """\
20;9;Mann;1;01.05.2014;1;ja;12;
20;;Mann;1;01.05.2014;1;ja;12;
17;"1 ";Mann;7;1.5;1;ja;12;ring 150765 00565
"""


@pytest.mark.parametrize("block_bytes", [100, 1 << 20])
def test_a_row_that_is_no_forms_is_quarantined_under_the_first_form_of_the_file(
    gate: Callable[..., Any], protocol: Protocol, block_bytes: int
) -> None:
    """Every row of the file is in some count; a stray is no double, and its key is no form's."""
    file = EXPORT + STRAYS
    made = {"protocol": protocol, "rows": {"patients": 9}, "block_bytes": block_bytes}
    patients = gate("patients.csv", file, **made)
    assert patients.accepted["row_number"].to_list() == [1, 3]
    assert patients.rules == [
        (7, "SkjemaType", "no_form"),
        (8, "SkjemaType", "no_form"),
        (9, "Merknad", "identity_number"),
        (9, "SkjemaType", "no_form"),
    ]
    assert patients.quarantined["row_key"].to_list() == [None] * 3
    assert patients.quarantined["patient_id"].null_count() == 0
    assert not patients.quarantined["original"].str.contains("00565|PasientId").any()
    interviews = gate("patients.csv", file, form="interviews", **made)
    assert interviews.accepted.height + interviews.quarantined.height == 4


def test_a_row_that_is_no_forms_is_told_of_under_the_files_column(
    gate: Callable[..., Any], protocol: Protocol
) -> None:
    renamed = PATIENTS.model_copy(update={"rename": {**PATIENTS.rename, "SkjemaType": "unit_id"}})
    maps = {"interviews": INTERVIEWS, "patients": renamed}
    protocol = protocol.model_copy(update={"forms": maps})
    judged = gate("patients.csv", EXPORT + STRAYS, protocol=protocol, rows={"patients": 9})
    columns = {column for _, column, rule in judged.rules if rule == "no_form"}
    assert columns == {"SkjemaType"}


def test_rows_that_the_protocol_leaves_out_are_counted(
    gate: Callable[..., Any], protocol: Protocol
) -> None:
    """They are named by value, an empty cell as an empty text; every other one is quarantined."""
    leaving = INTERVIEWS.model_copy(update={"left_out": {"SkjemaType": ("9", "", "1")}})
    forms = protocol.forms | {"interviews": leaving}
    made = {"protocol": protocol.model_copy(update={"forms": forms}), "rows": {"patients": 9}}
    patients = gate("patients.csv", EXPORT + STRAYS, **made)
    assert patients.accepted["row_number"].to_list() == [1, 3]
    assert patients.quarantined["row_number"].to_list() == [9]
    assert patients.n_left_out == 2
    assert gate("patients.csv", EXPORT + STRAYS, form="interviews", **made).n_left_out == 0


def test_what_is_left_out_is_left_out_of_what_is_chosen() -> None:
    with pytest.raises(ValueError, match="left_out needs where"):
        FormMap(left_out={"SkjemaType": ("9",)})


def test_strays_never_refuse_a_form(gate: Callable[..., Any], protocol: Protocol) -> None:
    strict = protocol.model_copy(update={"max_quarantine_share": 0.01})
    patients = gate("patients.csv", EXPORT + STRAYS, protocol=strict)
    assert (patients.accepted.height, patients.quarantined.height) == (2, 3)


def test_maps_that_the_file_contradicts(gate: Callable[..., Any], protocol: Protocol) -> None:
    cases = {
        "patient_id": (EXPORT.replace("Merknad", "patient_id", 1), "two columns of the file"),
        "SkjemaType": (EXPORT.replace("SkjemaType", "Kommune", 1), "unknown column Kommune"),
    }
    for content, sentence in cases.values():
        with pytest.raises(RefusedFileError, match=sentence):
            gate("patients.csv", content, form="interviews", protocol=protocol)
    without = EXPORT.replace("SkjemaType", "Merknad", 1).replace(";Merknad\n", ";unit_id\n", 1)
    with pytest.raises(RefusedFileError, match="missing column SkjemaType"):
        gate("patients.csv", without, form="interviews", protocol=protocol)


def test_national_ids_in_any_way_of_writing_are_one_person(
    gate: Callable[..., Any], lar_x: Protocol
) -> None:
    protocol = lar_x.model_copy(update={"person_id": "national"})
    header = "patient_id,withdrawn_date,scope\n"
    ways = ["15076500565", "150765 00565", "15.07.65-00565", "15076500565.0"]
    persons = {
        gate("withdrawals.csv", f"{header}{way},2014-09-01,erase\n", protocol=protocol)
        .accepted["patient_id"]
        .item()
        for way in ways
    }
    assert len(persons) == 1
    twice = "".join(f"{way},2014-09-01,erase\n" for way in ways[:2])
    judged = gate("withdrawals.csv", header + twice, protocol=protocol)
    assert [rule for _, _, rule in judged.rules] == ["duplicate_key"] * 2
    assert judged.quarantined["patient_id"].to_list() == [*persons, *persons]
    typo = gate("withdrawals.csv", f"{header}15076500566,2014-09-01,erase\n", protocol=protocol)
    assert typo.rules == [(1, "patient_id", "invalid_person_id")]


def test_one_column_that_says_two_things(gate: Callable[..., Any], lar_x: Protocol) -> None:
    """KVARUS has one code for whether the interview was held and where the treatment stands."""
    maps = FormMap(
        rename={"Status": ("status", "treatment_status")},
        recode={
            "status": {"0": "completed", "1": "completed", "6": "missed"},
            "treatment_status": {"0": "", "1": "active", "6": "followup_not_reached"},
        },
    )
    export = "patient_id,interview_date,Status\n" + "".join(
        f"{code},2014-05-0{code + 1},{code}\n" for code in (0, 1, 6, 7)
    )
    judged = gate(
        "interviews.csv", export, protocol=lar_x.model_copy(update={"forms": {"interviews": maps}})
    )
    assert judged.accepted.select("status", "treatment_status").rows() == [
        ("completed", None),
        ("completed", "active"),
        ("missed", "followup_not_reached"),
    ]
    assert judged.rules == [
        (4, column, "unknown_code") for column in ("status", "treatment_status")
    ]
