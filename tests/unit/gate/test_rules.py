"""Judging columns by their extremes gives what Pandera gives cell by cell."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandera.config import ValidationDepth, config_context
from pandera.errors import SchemaErrors

from registry_pipeline.gate.rules import ColumnJudge, ValidationOffError, canary
from schemas.codes import SEX
from schemas.fields import RegistryModel, Table, describe_schema, field, table


class Model(RegistryModel):
    """One column of each kind."""

    name: pl.String = field("Name", "A key.", required=True)
    code: pl.String = field("Code", "A closed set.", codes=SEX)
    must: pl.String = field("Must", "A closed set, required.", codes=SEX, required=True)
    days: pl.Int32 = field("Days", "A range.", low=0, high=28)
    score: pl.Float64 = field("Score", "A range.", low=0, high=40)
    text: pl.String = field("Text", "A pattern.", pattern="^[a-z]+$")
    day: pl.Date = field("Day", "A day.", required=True)
    flag: pl.Boolean = field("Flag", "A flag.")

    class Config(RegistryModel.Config):
        """Name and key."""

        metadata = table("intake.made", ["name"], title="Made", nb="Laget")


TABLE: Table = describe_schema(Model.to_schema(), Model.Config.metadata, "")
RULES = {
    "not_nullable": "missing_required",
    "isin": "unknown_code",
    "greater_than_or_equal_to": "out_of_range",
    "less_than_or_equal_to": "out_of_range",
    "str_matches": "text_pattern",
}
codes = st.sampled_from(["male", "female", "mann", None])
rows = st.tuples(
    st.sampled_from(["a", None]),
    codes,
    codes,
    st.sampled_from([0, 14, 28, 29, -1, None]),
    st.sampled_from([0.0, 39.5, 40.5, None]),
    st.sampled_from(["a", "b", "B", None]),
    st.sampled_from([date(2014, 5, 1), None]),
    st.sampled_from([True, False, None]),
)


def frame_of(batch: list[tuple[object, ...]]) -> pl.DataFrame:
    return pl.DataFrame(batch, schema=TABLE.dtypes, orient="row")


def by_pandera(frame: pl.DataFrame) -> set[tuple[int, str, str]]:
    try:
        TABLE.schema.validate(frame, lazy=True)
    except SchemaErrors as errors:
        cases = errors.failure_cases.select("index", "column", "check").rows()
        return {(place, column, RULES[check.split("(")[0]]) for place, column, check in cases}
    return set()


@given(batches=st.lists(st.lists(rows, min_size=1, max_size=6), min_size=1, max_size=4))
@settings(max_examples=25, deadline=None)
def test_extremes_find_what_pandera_finds(batches: list[list[tuple[object, ...]]]) -> None:
    judge = ColumnJudge(TABLE)
    for batch in batches:
        frame = frame_of(batch)
        assert set(judge.faults(frame).rows()) == by_pandera(frame)


def test_an_empty_batch_has_no_faults() -> None:
    assert ColumnJudge(TABLE).faults(frame_of([])).is_empty()


def test_a_column_of_the_wrong_type_is_a_mistake_of_ours() -> None:
    frame = frame_of([("a", None, "male", 1, 1.0, "a", date(2014, 5, 1), True)])
    with pytest.raises(RuntimeError, match=r"intake.made: dtype"):
        ColumnJudge(TABLE).faults(frame.cast({"days": pl.Int64}))


@pytest.mark.parametrize(
    "off",
    [{"validation_enabled": False}, {"validation_depth": ValidationDepth.SCHEMA_ONLY}],
)
def test_the_canary_dies_where_validation_is_off(off: dict[str, Any]) -> None:
    canary()
    with config_context(**off), pytest.raises(ValidationOffError, match="switched off"):
        canary()


def test_free_text_in_the_place_of_a_label_is_quarantined(gate: Callable[..., Any]) -> None:
    header = "patient_id,unit_id,scheduled_date,status,appointment_type"
    rows = [f"P1,u,2014-05-01,attended,{'ø' * 64}", f"P2,u,2014-05-01,attended,{'ø' * 65}"]
    judged = gate("appointments.csv", "\n".join([header, *rows]) + "\n")
    assert judged.rules == [(2, "appointment_type", "free_text")]
