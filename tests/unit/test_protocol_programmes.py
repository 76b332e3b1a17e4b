"""What a protocol may say of the programmes, and what it may not."""

from __future__ import annotations

import pytest

from schemas.protocol import ProtocolError, parse_protocol, shipped_text

CHECKLIST = """
[[programmes.interventions]]
code = "checklist"
nb = "Sjekkliste"
en = "Checklist"
unit_id = "akut"
start = 2017-06-01
"""


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ('[programmes]\nplanned_levels = ["ward"]', "levels of care are gp, outpatient"),
        ("[programmes]\nchecklist_days = 0", "programmes.checklist_days"),
        ("[programmes]\nchecklist_day = 30", "programmes.checklist_day"),
        (CHECKLIST.replace("akut", "elsewhere"), "not among the units"),
        (CHECKLIST.replace("checklist", "none", 1), "none is called none"),
        (CHECKLIST + CHECKLIST, "a code of its own"),
    ],
)
def test_a_wrong_parameter_is_named(more: str, sentence: str) -> None:
    bare = shipped_text("randers").split("# Counted by hand")[0]
    with pytest.raises(ProtocolError, match=sentence):
        parse_protocol(f"{bare}\n{more}\n", "randers")


def test_the_defaults_are_those_of_the_domain_notes() -> None:
    found = parse_protocol(shipped_text("lar_x"), "lar_x").programmes
    assert (found.planned_levels, found.min_age, found.age_bands) == (("inpatient",), 18, (23, 30))
    assert (found.checklist_days, found.milestone_days, found.return_days) == (30, 90, 30)
    assert (found.readmission_days, found.next_treatment_days) == (30, 3)
    assert (found.reliable_ors, found.ors_cut_off, found.alliance_srs) == (5, 25, 36)
