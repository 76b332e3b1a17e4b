"""The manifest: what is read, and the sentence where it cannot be."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from registry_pipeline.gate.errors import DeliveryError
from registry_pipeline.gate.manifest import Format, read_manifest

GOOD = """
protocol = "lar_x"
quarter = "2014-Q3"
number = 2
extracted_on = 2014-10-01
kind = "correction"
sender = "helse-bergen"
[rows]
interviews = 66
[sha256]
"interviews.csv" = "0000000000000000000000000000000000000000000000000000000000000000"
[format]
encoding = "CP1252"
delimiter = ";"
decimal = ","
[[retract.interviews]]
patient_id = "P1"
interview_date = 2014-05-01
"""


def delivered(folder: Path, text: str | bytes) -> Path:
    place = folder / "lar_x" / "2014-Q3-2"
    place.mkdir(exist_ok=True, parents=True)
    (place / "delivery.toml").write_bytes(text.encode() if isinstance(text, str) else text)
    return place


def test_a_whole_manifest(tmp_path: Path) -> None:
    manifest = read_manifest(delivered(tmp_path, GOOD))
    assert (manifest.protocol, manifest.quarter, manifest.number) == ("lar_x", "2014-Q3", 2)
    assert (manifest.extracted_on, manifest.kind) == (date(2014, 10, 1), "correction")
    assert manifest.rows == {"interviews": 66}
    assert manifest.format == Format(encoding="windows-1252", delimiter=";", decimal=",")
    assert manifest.retract == {
        "interviews": ({"patient_id": "P1", "interview_date": date(2014, 5, 1)},)
    }


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ('quarter = "2014-Q3"', 'quarter = "2014-Q5"', "quarter"),
        ("number = 2", "number = 0", "number"),
        ("number = 2", 'number = "2"', "number"),
        ("extracted_on = 2014-10-01", 'extracted_on = "tomorrow"', "extracted_on"),
        ('kind = "correction"', 'kind = "partial"', "kind"),
        ('sender = "helse-bergen"', "", "sender"),
        ("interviews = 66", "interviews = -1", "rows.interviews"),
        ('"00000000', '"0000000', "sha256.interviews.csv"),
        ('decimal = ","', 'decimal = ";"', "format.decimal"),
        ('encoding = "CP1252"', 'encoding = "latin-9"', "format.encoding"),
        ('delimiter = ";"', 'delimiter = ","', "format"),
        ("retract.interviews", "retract.interview", "retract"),
        ('kind = "correction"', 'kind = "correction"\ncolour = "crimson"', "colour"),
    ],
)
def test_a_wrong_field_is_named_and_its_value_is_not(
    tmp_path: Path, old: str, new: str, field: str
) -> None:
    assert old in GOOD
    with pytest.raises(DeliveryError) as refused:
        read_manifest(delivered(tmp_path, GOOD.replace(old, new, 1)))
    sentence = str(refused.value)
    assert sentence.startswith(f"lar_x/2014-Q3-2/delivery.toml: {field}: ")
    assert not any(value in sentence for value in ("tomorrow", "2014-Q5", "crimson", "latin-9"))
    assert not any(
        theirs in sentence for theirs in ("Input", "should", "Extra", "Field", "pattern")
    )


def test_a_wrong_field_says_what_it_must_be(tmp_path: Path) -> None:
    wrong = GOOD.replace('quarter = "2014-Q3"', "").replace("number = 2", "number = 0")
    with pytest.raises(DeliveryError) as refused:
        read_manifest(delivered(tmp_path, wrong))
    assert str(refused.value) == (
        "lar_x/2014-Q3-2/delivery.toml: quarter: is missing; it must be a quarter, as in 2014-Q3; "
        "number: it must be a whole number from 1 on, without quotes"
    )


def test_a_cut_off_before_the_quarter_is_last_years_by_mistake(tmp_path: Path) -> None:
    january = GOOD.replace("2014-Q3", "2014-Q4").replace("2014-10-01", "2014-01-02")
    with pytest.raises(DeliveryError) as refused:
        read_manifest(delivered(tmp_path, january))
    assert str(refused.value).endswith("delivery.toml: extracted_on lies before the quarter begins")
    first_day = GOOD.replace("2014-10-01", "2014-07-01")
    assert read_manifest(delivered(tmp_path, first_day)).extracted_on == date(2014, 7, 1)


def test_no_manifest_or_none_that_can_be_read(tmp_path: Path) -> None:
    with pytest.raises(DeliveryError, match=r"^lar_x/empty/delivery.toml: there is no manifest$"):
        read_manifest(tmp_path / "lar_x" / "empty")
    for text in ("protocol = ", GOOD.replace("helse", "hælse").encode("cp1252")):
        with pytest.raises(DeliveryError, match=r"/2014-Q3-2/delivery.toml: not a TOML file$"):
            read_manifest(delivered(tmp_path, text))
    (tmp_path / "odd" / "delivery.toml").mkdir(parents=True)
    with pytest.raises(DeliveryError, match="cannot be read"):
        read_manifest(tmp_path / "odd")


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("helse-bergen", "Kontakt: 01019010046", "sender"),
        ('patient_id = "P1"', 'unit_id = "010190 10046"', "retract.interviews entry 1, unit_id"),
        ('patient_id = "P1"', "unit_id = 1019010046", "retract.interviews entry 1, unit_id"),
        (
            'patient_id = "P1"',
            '"01019010046" = "01019010046"',
            "retract.interviews entry 1, (a name that is not shown)",
        ),
    ],
)
def test_an_identity_number_in_what_is_stored_refuses_the_manifest(
    tmp_path: Path, old: str, new: str, place: str
) -> None:
    with pytest.raises(DeliveryError) as refused:
        read_manifest(delivered(tmp_path, GOOD.replace(old, new)))
    assert str(refused.value) == (
        f"lar_x/2014-Q3-2/delivery.toml: {place}: holds a national identity number "
        "(identity_number)"
    )


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("number = 2", 'number = 2\n"01019010046" = 1'),
        ("interviews = 66", '"01019010046" = "x"'),
        ("retract.interviews", 'retract."01019010046"'),
        ("interview_date = 2014-05-01", '"01019010046" = 1.5'),
    ],
)
def test_a_field_that_is_an_identity_number_is_not_told(tmp_path: Path, old: str, new: str) -> None:
    with pytest.raises(DeliveryError) as refused:
        read_manifest(delivered(tmp_path, GOOD.replace(old, new)))
    assert "01019010046" not in str(refused.value)
