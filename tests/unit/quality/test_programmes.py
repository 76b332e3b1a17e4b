"""The programmes' tables, on the figures their sources publish where there are any."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import narwhals as nw
import polars as pl
import pytest

from registry_pipeline.building.layers import LAYERS
from registry_pipeline.derivations.quality import quality_tables
from registry_pipeline.derivations.quality_people import feedback_change
from registry_pipeline.derivations.quality_programmes import Setting, setting
from registry_pipeline.derivations.quality_services import (
    bridging_funnel,
    goal_result,
    involvement,
    no_show,
)
from registry_pipeline.derivations.quality_stays import stay_rows
from schemas.catalog import TABLES
from schemas.protocol_programmes import Programmes, Total

MAY, JUNE, AUGUST = date(2014, 5, 1), date(2014, 6, 1), date(2014, 8, 1)
SECOND_QUARTER = (date(2014, 4, 1), date(2014, 6, 30))
PEOPLE = {"core.patient": [{"invited_date": MAY}], "meta.delivery": [{"extracted_on": AUGUST}]}
WHOLE = (MAY, AUGUST)


@pytest.fixture
def where(protocol) -> Setting:
    return Setting(protocol, *WHOLE, low_coverage=False)


def one(table: pl.DataFrame, measure: str, **cells: Any) -> dict[str, Any]:
    """The one row of a measure for all units over the whole period, or as `cells` say."""
    period = dict(zip(("period_start", "period_end"), WHOLE, strict=True))
    wanted = {"measure": measure, "unit_id": "all", **period, **cells}
    return table.filter(*(pl.col(name) == value for name, value in wanted.items())).row(
        0, named=True
    )


def share(row: dict[str, Any]) -> tuple[int, int, float | None]:
    return row["numerator"], row["denominator"], row["value"]


class TestNoShow:
    @pytest.fixture
    def table(self, store, where) -> pl.DataFrame:
        statuses = {
            "attended": 12,
            "no_show": 4,
            "cancelled_late": 2,
            "cancelled_in_time": 1,
            "cancelled_by_unit": 1,
        }
        appointments = [
            {"status": status, "scheduled_date": MAY, "unit_id": "north"}
            for status, n in statuses.items()
            for _ in range(n)
        ]
        appointments.append({"status": "no_show", "scheduled_date": AUGUST, "unit_id": "south"})
        stays = [
            {"planned": True, "planned_start_date": MAY, "exit_type": exit_type, "unit_id": "north"}
            for exit_type in ("never_met", "planned_mutual", None)
        ]
        core = store({"core.appointment": appointments, "core.episode": stays})
        return no_show(core, stay_rows(core), where)

    @pytest.mark.parametrize(
        ("measure", "numerator", "denominator"),
        [
            ("no_show", 4 + 2, 12 + 4 + 2),
            ("no_show_strict", 4, 12 + 4),
            ("no_show_of_scheduled", 4 + 2, 12 + 4 + 2 + 1 + 1),
            ("cancelled_late", 2, 12 + 4 + 2),
            ("never_met", 1, 3),
        ],
    )
    def test_each_measure_states_its_denominator(self, table, measure, numerator, denominator):
        start, end = SECOND_QUARTER
        row = one(table, measure, unit_id="north", period_start=start, period_end=end)
        assert share(row) == (numerator, denominator, numerator / denominator)

    def test_units_and_quarters_add_up(self, table):
        assert share(one(table, "no_show"))[:2] == (4 + 2 + 1, 12 + 4 + 2 + 1)

    def test_few_are_hidden_outside(self, table):
        assert one(table, "never_met")["hidden_reason"] == "small_denominator"
        assert one(table, "no_show")["hidden_reason"] is None


class TestBridgingFunnel:
    def contacts(self, observed_until: date | None) -> list[dict[str, Any]]:
        outcomes = {"conversation": 228, "declined": 40, "unable": 7}
        contacts = [
            {"outcome": outcome, "identified_date": MAY, "unit_id": "north"}
            for outcome, n in outcomes.items()
            for _ in range(n)
        ]
        for number, contact in enumerate(contacts[:228]):
            contact["centre_contact_date"] = MAY if number < 86 else None
            contact["centre_observed_until"] = observed_until
        return contacts

    def test_the_published_funnel_adds_up(self, store, where):
        table = bridging_funnel(store({"core.outreach_contact": self.contacts(AUGUST)}), where)
        parts = {
            step: share(one(table, step))[0] for step in ("conversation", "declined", "unable")
        }
        assert parts == {"conversation": 228, "declined": 40, "unable": 7}
        assert sum(parts.values()) == one(table, "identified")["numerator"] == 275
        assert share(one(table, "centre_contact")) == (86, 228, 86 / 228)
        assert share(one(table, "centre_contact_followed")) == (86, 228, 86 / 228)

    def test_a_rate_of_people_who_were_not_followed_is_refused(self, store, where):
        table = bridging_funnel(store({"core.outreach_contact": self.contacts(None)}), where)
        row = one(table, "centre_contact")
        assert (row["value"], row["reason"]) == (None, "periods_differ")
        assert row["n_missing"] == 228 - 86
        assert share(one(table, "centre_contact_followed")) == (86, 86, 1)

    def test_a_contact_before_identification_does_not_count(self, store, where):
        contact = {
            "outcome": "conversation",
            "identified_date": MAY,
            "centre_contact_date": MAY - timedelta(days=1),
            "centre_observed_until": AUGUST,
        }
        table = bridging_funnel(store({"core.outreach_contact": [contact]}), where)
        assert share(one(table, "centre_contact")) == (0, 1, 0)


LEVELS = {1: (0, 1, 1, 3, 4), 2: (0, 0, 3, 3, 3), 3: (0, 0, 1, 6, 2)}


class TestInvolvement:
    @pytest.fixture
    def table(self, store, where) -> pl.DataFrame:
        answers = {
            item: [level for level, n in enumerate(counts, start=1) for _ in range(n)]
            for item, counts in LEVELS.items()
        }
        sheets = [
            {
                "response_id": str(number),
                "unit_id": "north",
                "answered_on": MAY,
                **{f"item_{item}": levels[number] for item, levels in answers.items()},
            }
            for number in range(9)
        ]
        return involvement(store({"core.involvement_response": sheets}), where)

    @pytest.mark.parametrize("item", LEVELS)
    def test_the_nine_answer_sheets(self, table, item):
        counts = LEVELS[item]
        shown = [
            share(one(table, "level", item=item, group=str(level)))[:2] for level in range(1, 6)
        ]
        assert shown == [(n, 9) for n in counts]
        assert share(one(table, "top_two", item=item))[:2] == (counts[3] + counts[4], 9)
        total = sum(level * n for level, n in enumerate(counts, start=1))
        assert one(table, "mean", item=item)["value"] == pytest.approx(total / 9, abs=1e-12)

    def test_the_internal_view_shows_what_the_public_one_hides(self, table):
        row = one(table, "top_two", item=1)
        assert (row["value"], row["hidden_reason"]) == ((3 + 4) / 9, "small_denominator")

    def test_an_item_without_answers_is_not_computable(self, table):
        row = one(table, "top_two", item=6)
        assert (row["n_missing"], row["value"], row["reason"]) == (9, None, "not_computable")


def test_goals_are_what_was_reached_of_what_was_planned(store, where):
    rows = [
        {
            "goal_id": goal,
            "step": step,
            "n": n,
            "n_planned": planned,
            "period_start": MAY,
            "period_end": AUGUST,
        }
        for goal, step, n, planned in (
            ("offer_card", "knew", 10, 10),
            ("offer_card", "used", 0, 10),
            ("training", "day_1", 31, None),
            ("interviews", "held", 12, 10),
        )
    ]
    table = goal_result(store({"core.goal_count": rows}), where)
    reached = table.filter(measure="reached")
    found = reached.select("step", "numerator", "denominator", "value", "reason").rows()
    assert found == [
        ("held", 12, 10, 12 / 10, "no_interval"),
        ("knew", 10, 10, 1.0, "no_interval"),
        ("used", 0, 10, 0.0, "no_interval"),
        ("day_1", 31, 0, None, "not_computable"),
    ]


def test_feedback_is_last_against_first(store, where):
    scores = {"a": (20, 25, 36), "b": (20, 15, 35), "c": (20, 24, None), "d": (20, None, 40)}
    interviews = [
        {"patient_id": person, "interview_date": day, "ors_total": ors, "srs_total": srs}
        for person, (first, last, alliance) in scores.items()
        for day, ors, srs in ((JUNE, last, alliance), (MAY, first, None))
    ]
    people = [{"patient_id": person, "unit_id": "north"} for person in scores]
    table = feedback_change(store({"core.patient": people, "core.interview": interviews}), where)
    assert share(one(table, "reliable_improvement")) == (1, 3, 1 / 3)
    assert share(one(table, "reliable_deterioration")) == (1, 3, 1 / 3)
    assert share(one(table, "alliance_concern")) == (1, 3, 1 / 3)
    assert share(one(table, "sessions_per_person")) == (7 + 1, 4, 8 / 4)
    assert share(one(table, "off_track")) == (1, 3, 1 / 3)


@pytest.mark.parametrize(
    ("first", "last", "measure"),
    [(3.2, 8.2, "reliable_improvement"), (8.2, 3.2, "reliable_deterioration")],
)
def test_exactly_five_points_are_reliable_whatever_the_totals(store, where, first, last, measure):
    assert abs(last - first) < 5  # as floats have it
    interviews = [
        {"patient_id": "a", "interview_date": day, "ors_total": ors}
        for day, ors in ((MAY, first), (JUNE, last))
    ]
    people = [{"patient_id": "a", "unit_id": "north"}]
    table = feedback_change(store({"core.patient": people, "core.interview": interviews}), where)
    assert share(one(table, measure)) == (1, 1, 1.0)


def test_a_cohort_without_the_forms_has_a_row_per_measure_that_says_so(store, protocol):
    frames = store(PEOPLE)
    assert setting(frames, protocol) == Setting(protocol, *WHOLE, low_coverage=False)
    made = quality_tables(frames, protocol)
    assert set(made) == set(LAYERS["quality"].tables)
    for name, table in made.items():
        frame = table.collect("polars").to_native() if isinstance(table, nw.LazyFrame) else table
        stored = TABLES[name]
        if "as_of_delivery" in stored.dtypes:
            frame = frame.with_columns(as_of_delivery=pl.lit("2014-Q2"))
        stored.schema.validate(frame)
        assert not frame.select(stored.key).is_duplicated().any()
        if "table_name" in stored.key and "group_by" in stored.dtypes:
            assert frame.is_empty()  # nothing is printed of it
        elif "group_by" in stored.dtypes:
            codes = stored.column("measure").codes
            assert set(frame["measure"]) == set(codes.codes)
            assert set(frame["reason"]) == {"not_applicable"}
            assert frame["value"].null_count() == frame.height


class TestTotals:
    def rows(self, store, protocol, declined: int) -> dict[str, Any]:
        counts = {"identified": 275, "conversation": 228, "declined": declined, "unable": 7}
        goals = [
            {
                "goal_id": "bridging", "step": step, "n": n,
                "period_start": MAY, "period_end": AUGUST,
            }
            for step, n in counts.items()
        ]  # fmt: skip
        total = Total(
            goal="bridging", whole="identified", parts=("conversation", "declined", "unable")
        )
        ruled = protocol.model_copy(update={"programmes": Programmes(totals=(total,))})
        where = Setting(ruled, *WHOLE, low_coverage=False)
        return one(goal_result(store({"core.goal_count": goals}), where), "adds_up")

    def test_228_and_40_and_7_are_275(self, store, protocol):
        row = self.rows(store, protocol, declined=40)
        assert (row["numerator"], row["denominator"], row["value"]) == (275, 275, 0)

    def test_a_mismatch_is_a_difference(self, store, protocol):
        row = self.rows(store, protocol, declined=38)
        assert (row["numerator"], row["denominator"], row["value"]) == (273, 275, -2)
