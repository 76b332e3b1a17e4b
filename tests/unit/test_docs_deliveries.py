"""The page on deliveries and protocols: its examples are read as a run reads them."""

from __future__ import annotations

import re
from pathlib import Path

from pydantic import BaseModel

from registry_pipeline.gate.manifest import Format, Manifest, read_manifest
from schemas.protocol import (
    Disclosure,
    FormMap,
    Group,
    Pathway,
    Protocol,
    Retention,
    Substance,
    Unit,
    Waves,
    parse_protocol,
)

PAGE = (Path(__file__).parents[2] / "docs" / "deliveries.md").read_text("utf-8")
MANIFEST, PROTOCOL, FORMS = re.findall(r"^```toml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def test_the_examples_are_a_manifest_and_a_protocol(tmp_path: Path) -> None:
    (tmp_path / "delivery.toml").write_text(MANIFEST, "utf-8")
    assert read_manifest(tmp_path).protocol == "clinic"
    protocol = parse_protocol(PROTOCOL + FORMS, "clinic")
    assert protocol.form("episodes").source == "interviews"


def test_every_key_is_named() -> None:
    parts: tuple[type[BaseModel], ...] = (
        *(Manifest, Format, Protocol, Waves, Disclosure),
        *(Substance, Group, Pathway, Unit, FormMap),
    )
    keys = {key for part in (*parts, Retention) for key in part.model_fields}
    assert {key for key in keys if not re.search(rf"\b{key}\b", PAGE)} == {
        "min_at_risk_delayed_entry"
    }
