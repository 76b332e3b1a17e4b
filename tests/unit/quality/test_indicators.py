"""The indicator engine, the definitions, and the four indicators of KVARUS."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from datetime import date
from typing import Any

import narwhals as nw
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from registry_pipeline.indicators import INDICATORS
from registry_pipeline.indicators.definition import (
    Basis,
    Core,
    Definition,
    Indicator,
    Mark,
    always,
    definition_table,
)
from registry_pipeline.indicators.engine import indicator_tables
from registry_pipeline.indicators.results import hidden, level
from registry_pipeline.transform.engine import Frame
from schemas.catalog import TABLES
from schemas.fields import describe
from schemas.protocol import Protocol, Target
from schemas.quality.indicators import IndicatorDefinition

MAY, AUGUST = date(2014, 5, 1), date(2014, 8, 1)
YEAR = (date(2014, 1, 1), date(2014, 12, 31))


def interviews(*rows: tuple[str, date, str | None, str | None]) -> list[dict[str, Any]]:
    """Interviews of person, day, treatment status and treatment plan."""
    names = ("patient_id", "interview_date", "treatment_status", "treatment_plan")
    return [dict(zip(names, row, strict=True)) for row in rows]


def people(*ids: str, unit: str | None = "north") -> list[dict[str, Any]]:
    return [{"patient_id": id_, "unit_id": unit, "invited_date": date(2014, 4, 1)} for id_ in ids]


def persons(made: dict[str, pl.DataFrame], indicator: str) -> dict[str, Any]:
    """Person to (in_denominator, in_numerator, is_missing)."""
    rows = made["quality.indicator_person"]
    return {
        row["patient_id"]: (row["in_denominator"], row["in_numerator"], row["is_missing"])
        for row in rows.filter(pl.col("indicator_id") == indicator).iter_rows(named=True)
    }


def indicator(made: dict[str, pl.DataFrame], name: str, period: str = "year") -> pl.DataFrame:
    """The rows of an indicator in calendar years, or those of an indicator that counted nobody."""
    wanted = pl.col("period_type").is_in([period, "whole"])
    return made["quality.indicator"].filter(pl.col("indicator_id") == name, wanted)


def tables(frames: dict[str, Frame], protocol: Protocol) -> dict[str, pl.DataFrame]:
    made = indicator_tables(INDICATORS, frames, protocol).by_name
    rows = made["quality.indicator_person"]
    if not isinstance(rows, pl.DataFrame):
        rows = rows.collect("polars").to_native()
    return {**made, "quality.indicator_person": rows}


class TestDefinitions:
    def test_a_definition_states_every_column_of_the_table(self):
        assert {field.name for field in fields(Definition)} == set(
            describe(IndicatorDefinition).dtypes
        )

    @pytest.mark.parametrize("missing", [field.name for field in fields(Definition)])
    def test_a_definition_that_lacks_a_field_is_none(self, missing):
        whole = asdict(INDICATORS[0].definition)
        del whole[missing]
        with pytest.raises(TypeError, match=missing):
            Definition(**whole)

    def test_the_table_obeys_its_model_and_no_text_is_empty(self):
        table = definition_table(INDICATORS)
        describe(IndicatorDefinition).schema.validate(table)
        texts = table.select(pl.col(pl.String)).select(pl.all().str.strip_chars().str.len_chars())
        assert texts.select(pl.min_horizontal(pl.all().min())).item() > 0
        assert table["indicator_id"].is_unique().all()

    def test_each_indicator_with_a_target_has_both_levels_in_order(self):
        for item in (entry.definition for entry in INDICATORS):
            if item.target_green is not None and item.target_yellow is not None:
                best_first = item.target_green >= item.target_yellow
                assert best_first == (item.direction == "higher")


def reached_centre(mark: Mark) -> Indicator:
    """Contact within 30 days of a conversation, over people with the days they were followed."""

    def conversations(core: Core, _: Protocol) -> Frame:
        return core["core.patient"].select(
            "patient_id",
            "unit_id",
            marked_on="invited_date",
            observed_days="cutoff_day",
            reached="co_occurring_disorder",
        )

    basis = Basis("conversation", conversations, followed="observed_days")
    plan = INDICATORS[0].definition
    return Indicator(
        replace(plan, indicator_id="reached", due_days=30),
        basis,
        (),
        lambda _: replace(mark, due_days=nw.lit(30)),
    )


class TestPeriods:
    """228 conversations, 86 of whom came; 58 were asked about in other months."""

    def people(self, unfollowed: int = 58) -> list[dict[str, Any]]:
        kinds = [(True, 12)] * 86 + [(False, 30)] * (228 - 86 - unfollowed)
        kinds += [(False, 29)] * unfollowed
        return [
            {"patient_id": f"p{number}", "unit_id": "north", "invited_date": MAY,
             "co_occurring_disorder": reached, "cutoff_day": followed}
            for number, (reached, followed) in enumerate(kinds)
        ]  # fmt: skip

    def result(self, mark: Mark, frames: dict[str, Frame], protocol: Protocol) -> dict[str, Any]:
        made = indicator_tables([reached_centre(mark)], frames, protocol).results
        return made.filter(unit_id="all", period_type="year").row(0, named=True)

    def test_a_rate_whose_people_were_not_all_followed_is_refused(self, store, protocol):
        frames = store({"core.patient": self.people()})
        row = self.result(Mark(always(), nw.col("reached")), frames, protocol)
        assert (row["numerator"], row["denominator"]) == (86, 228)
        assert row["reason"] == "periods_differ"
        numbers = ("value", "ci_low", "ci_high", "value_known", "level")
        assert [row[name] for name in numbers] == [None] * 5

    def test_of_those_followed_there_is_one(self, store, protocol):
        followed = (nw.col("observed_days") >= 30) | nw.col("reached")
        frames = store({"core.patient": self.people()})
        row = self.result(Mark(followed, nw.col("reached")), frames, protocol)
        assert (row["numerator"], row["denominator"], row["reason"]) == (86, 170, None)
        assert row["value"] == 86 / 170

    def test_with_all_followed_nothing_is_refused(self, store, protocol):
        frames = store({"core.patient": self.people(unfollowed=0)})
        row = self.result(Mark(always(), nw.col("reached")), frames, protocol)
        assert (row["value"], row["reason"]) == (86 / 228, None)

    def test_a_unit_of_its_own_is_refused_by_itself(self, store, protocol):
        south = [{**row, "unit_id": "south"} for row in self.people()[:170]]
        north = [{**row, "patient_id": f"n{row['patient_id']}"} for row in self.people()[170:]]
        frames = store({"core.patient": south + north})
        made = indicator_tables(
            [reached_centre(Mark(always(), nw.col("reached")))], frames, protocol
        ).results.filter(period_type="year")
        reasons = dict(made.select("unit_id", "reason").iter_rows())
        assert reasons == {"all": "periods_differ", "north": "periods_differ", "south": None}


class TestFirstMeasurement:
    def test_unknown_and_missing_stay_in_the_denominator_as_not_fulfilled(self, store, protocol):
        frames = store(
            {
                "core.patient": people("a", "b", "c", "d"),
                "core.interview": interviews(
                    ("a", MAY, "active", "yes"),
                    ("b", MAY, "active", "no"),
                    ("c", MAY, "active", "unknown"),
                    ("d", MAY, "active", None),
                ),
            }
        )
        made = tables(frames, protocol)
        assert persons(made, "treatment_plan_early") == {
            "a": (True, True, False),
            "b": (True, False, False),
            "c": (True, False, True),
            "d": (True, False, True),
        }
        row = indicator(made, "treatment_plan_early").row(0, named=True)
        assert (row["numerator"], row["denominator"], row["n_missing"]) == (1, 4, 2)
        assert row["value"] == 1 / 4
        assert (row["denominator_known"], row["value_known"]) == (4 - 2, 1 / 2)

    def test_the_earliest_counts_and_one_not_active_is_outside(self, store, protocol):
        frames = store(
            {
                "core.patient": people("a", "b", "c"),
                "core.interview": interviews(
                    ("a", AUGUST, "active", "yes"),
                    ("a", MAY, "active", "no"),
                    ("b", MAY, "transferred", "yes"),
                    ("b", AUGUST, "active", "yes"),
                    ("c", MAY, None, "yes"),
                ),
            }
        )
        made = tables(frames, protocol)
        assert persons(made, "treatment_plan_early") == {
            "a": (True, False, False),
            "b": (False, None, False),
            "c": (False, None, False),
        }

    def test_an_interview_that_was_not_held_is_no_measurement_point(self, store, protocol):
        missed = {"patient_id": "a", "interview_date": MAY, "status": "missed"}
        held = interviews(("a", AUGUST, "active", "yes"))
        made = tables(
            store({"core.patient": people("a"), "core.interview": [missed, *held]}), protocol
        )
        assert persons(made, "treatment_plan_early") == {"a": (True, True, False)}

    @pytest.mark.parametrize(("benefit", "fulfilled"), [(5, True), (4, True), (3, False)])
    def test_large_benefit_is_four_or_five(self, store, protocol, benefit, fulfilled):
        row = {"patient_id": "a", "treatment_status": "active", "treatment_benefit": benefit}
        made = tables(store({"core.patient": people("a"), "core.interview": [row]}), protocol)
        assert persons(made, "large_benefit") == {"a": (True, fulfilled, False)}

    def test_the_person_s_unit_stands_in_for_the_interview_s(self, store, protocol):
        frames = store(
            {
                "core.patient": [*people("a"), *people("b", unit=None)],
                "core.interview": interviews(
                    ("a", MAY, "active", "yes"), ("b", MAY, "active", "yes")
                ),
            }
        )
        made = tables(frames, protocol)
        table = indicator(made, "treatment_plan_early")
        assert dict(table.select("unit_id", "denominator").iter_rows()) == {
            "all": 2,
            "north": 1,
            "south": 0,
            "unknown": 1,
        }
        south = table.row(by_predicate=pl.col("unit_id") == "south", named=True)
        assert (south["value"], south["level"], south["reason"]) == (None, None, "not_computable")


class TestEndedByMutualAgreement:
    def test_interrupted_and_mutual_count_once_transferred_and_active_never(self, store, protocol):
        frames = store(
            {
                "core.patient": people("a", "b", "c", "d"),
                "core.interview": interviews(
                    ("a", MAY, "ended_mutual", None),
                    ("a", AUGUST, "ended_mutual", None),
                    ("b", MAY, "interrupted", None),
                    ("c", MAY, "transferred", None),
                    ("d", MAY, "active", None),
                ),
            }
        )
        made = tables(frames, protocol)
        assert persons(made, "ended_by_mutual_agreement") == {
            "a": (True, True, False),
            "b": (True, False, False),
        }
        row = indicator(made, "ended_by_mutual_agreement").row(0, named=True)
        assert (row["unit_id"], row["value"]) == ("all", 1 / 2)


class TestResults:
    def test_the_periods_are_calendar_quarters_and_years(self, store, protocol):
        frames = store(
            {
                "core.patient": people("a", "b"),
                "core.interview": interviews(
                    ("a", date(2014, 12, 31), "active", "yes"),
                    ("b", date(2016, 2, 29), "active", "no"),
                ),
            }
        )
        made = tables(frames, protocol)
        table = indicator(made, "treatment_plan_early")
        everyone = table.filter(pl.col("unit_id") == "all")
        assert everyone.select("period_start", "period_end", "value").rows() == [
            (*YEAR, 1.0),
            (date(2016, 1, 1), date(2016, 12, 31), 0.0),
        ]
        trend = indicator(made, "treatment_plan_early", "quarter").filter(unit_id="all")
        assert trend.select("period_start", "period_end", "value").rows() == [
            (date(2014, 10, 1), date(2014, 12, 31), 1.0),
            (date(2016, 1, 1), date(2016, 3, 31), 0.0),
        ]

    def test_a_question_never_answered_is_not_applicable(self, store, protocol):
        frames = store(
            {
                "core.patient": people("a"),
                "core.interview": interviews(("a", MAY, "active", "yes")),
            }
        )
        made = tables(frames, protocol)
        row = indicator(made, "crisis_plan_early").row(0, named=True)
        assert (row["unit_id"], row["denominator"], row["reason"]) == ("all", 0, "not_applicable")
        assert persons(made, "crisis_plan_early") == {}

    def test_nobody_in_the_denominator_is_not_computable(self, store, protocol):
        frames = store(
            {
                "core.patient": people("a"),
                "core.interview": interviews(("a", MAY, "transferred", "yes")),
            }
        )
        made = tables(frames, protocol)
        table = indicator(made, "treatment_plan_early")
        assert table.select("unit_id", "period_start", "period_end", "value", "reason").rows() == [
            ("all", date(2014, 4, 1), date(2014, 12, 31), None, "not_computable")
        ]

    def test_a_cohort_without_anything_has_a_row_per_indicator(self, store, protocol):
        table = tables(store({}), protocol)["quality.indicator"]
        ids = sorted(entry.definition.indicator_id for entry in INDICATORS)
        assert table["indicator_id"].to_list() == ids
        assert set(table["reason"]) == {"not_applicable"}

    def test_low_coverage_goes_before_a_small_denominator(self, store, protocol):
        rows = {
            "core.patient": people("a"),
            "core.interview": interviews(("a", MAY, "active", "yes")),
        }
        low = replace_protocol(protocol, eligible=2)
        for given_protocol, reason in ((protocol, "small_denominator"), (low, "low_coverage")):
            table = indicator(tables(store(rows), given_protocol), "treatment_plan_early")
            assert table["hidden_reason"][0] == reason

    def test_the_protocol_s_targets_go_before_the_definition_s(self, store, protocol):
        own = replace_protocol(
            protocol, targets={"treatment_plan_early": Target(green=1, yellow=0.9)}
        )
        frames = store(
            {
                "core.patient": people("a"),
                "core.interview": interviews(("a", MAY, "active", "yes")),
            }
        )
        made = tables(frames, own)
        row = indicator(made, "treatment_plan_early").row(0, named=True)
        assert (row["target_green"], row["target_yellow"], row["level"]) == (1, 0.9, "H")

    def test_both_tables_obey_their_models(self, store, protocol):
        frames = store(
            {
                "core.patient": people("a", "b"),
                "core.interview": interviews(
                    ("a", MAY, "active", "yes"), ("b", MAY, "ended_mutual", None)
                ),
            }
        )
        made = tables(frames, protocol)
        for name, table in made.items():
            check_model(name, table)


@pytest.mark.parametrize(
    ("direction", "value", "green", "yellow", "expected"),
    [
        ("higher", 0.80, 0.8, 0.6, "H"),
        ("higher", 0.60, 0.8, 0.6, "M"),
        ("higher", 0.59, 0.8, 0.6, "L"),
        ("higher", 0.79, 0.8, None, "L"),
        ("lower", 0.10, 0.1, 0.2, "H"),
        ("lower", 0.20, 0.1, 0.2, "M"),
        ("lower", 0.21, 0.1, 0.2, "L"),
        ("higher", 0.50, None, None, None),
        ("higher", None, 0.8, 0.6, None),
    ],
)
def test_level(direction, value, green, yellow, expected):
    frame = pl.DataFrame(
        {
            "direction": [direction],
            "value": [value],
            "target_green": [green],
            "target_yellow": [yellow],
        },
        schema_overrides=dict.fromkeys(("value", "target_green", "target_yellow"), pl.Float64),
    )
    assert frame.select(level=level())["level"].item() == expected


@given(
    denominator=st.integers(0, 50),
    minimum=st.none() | st.integers(0, 50),
    low=st.booleans(),
    due=st.integers(0, 200),
)
def test_hidden_reason(denominator, minimum, low, due):
    last = date(2014, 9, 30)
    frame = pl.DataFrame(
        {
            "denominator": [denominator],
            "min_denominator": [minimum],
            "period_end": [date(2014, 6, 30)],
            "due": [due],
            "ends": [last],
        },
        schema_overrides={"min_denominator": pl.Int64},
    )
    few = minimum is not None and denominator < minimum
    is_open = due > (last - date(2014, 6, 30)).days
    expected = (
        "provisional"
        if is_open and denominator
        else "low_coverage"
        if low
        else "small_denominator"
        if few
        else None
    )
    assert frame.select(why=hidden(low_coverage=low))["why"].item() == expected


def replace_protocol(protocol: Protocol, **changes: Any) -> Protocol:
    return protocol.model_copy(update=changes)


def check_model(name: str, table: pl.DataFrame) -> None:
    stamped = {"as_of_delivery": "2014-Q2"} if "as_of_delivery" in TABLES[name].dtypes else {}
    TABLES[name].schema.validate(table.with_columns(**{k: pl.lit(v) for k, v in stamped.items()}))
    assert not table.select(TABLES[name].key).is_duplicated().any()
