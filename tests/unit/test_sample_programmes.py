"""The samples of the other programmes: the figures their sources publish, and their shape."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

SAMPLE = Path(__file__).parents[2] / "data" / "sample"
RANDERS, TSB = SAMPLE / "randers" / "2018-Q2", SAMPLE / "tsb" / "2024-Q4"
KVARUS = SAMPLE / "tsb" / "2024-Q4-kvarus"


def form(folder: Path, name: str, separator: str = ",") -> pl.DataFrame:
    encoding = "windows-1252" if separator == ";" else "utf8"
    return pl.read_csv(
        folder / f"{name}.csv", separator=separator, encoding=encoding, try_parse_dates=True
    )


class TestRanders:
    def test_outcomes_add_up_to_the_identified(self) -> None:
        counts = dict(form(RANDERS, "outreach")["outcome"].value_counts().iter_rows())
        assert counts == {"conversation": 228, "declined": 40, "unable": 7}
        assert sum(counts.values()) == 275

    def test_86_reached_the_centre_between_may_2017_and_january_2018(self) -> None:
        contact = form(RANDERS, "outreach")["centre_contact_date"].drop_nulls()
        assert len(contact) == 86
        assert (contact.min(), contact.max()) > (date(2017, 5, 1), date(2017, 5, 1))
        assert contact.max() <= date(2018, 1, 31)

    def test_contact_was_observed_over_fewer_months_than_the_conversations(self) -> None:
        talks = form(RANDERS, "outreach").filter(outcome="conversation")
        followed = talks.filter(pl.col("centre_observed_until").is_not_null())
        assert followed.height == 170
        assert talks["identified_date"].min() < date(2017, 5, 1)
        assert talks["identified_date"].max() > date(2018, 1, 31)
        assert (talks["centre_contact_date"] >= talks["identified_date"]).drop_nulls().all()

    def test_forty_detox_stays_of_four_days_in_the_mean(self) -> None:
        stays = form(RANDERS, "episodes").filter(level="detox", planned=True)
        days = stays["end_date"] - stays["start_date"]
        assert stays.height == 40
        assert days.sum() == 40 * timedelta(days=4)

    def test_a_person_is_in_one_stay_at_a_time(self) -> None:
        stays = form(RANDERS, "episodes").sort("patient_id", "start_date")
        before = pl.col("end_date").shift().over("patient_id")
        assert stays.filter(pl.col("start_date") < before).is_empty()

    def test_nine_answer_sheets(self) -> None:
        sheets = form(RANDERS, "involvement")
        levels = [
            [int((sheets[f"item_{item}"] == level).sum()) for level in range(1, 6)]
            for item in range(1, 7)
        ]
        assert sheets.height == 9
        assert levels == [
            [0, 1, 1, 3, 4], [0, 0, 3, 3, 3], [0, 0, 1, 6, 2],
            [0, 0, 2, 3, 4], [0, 0, 2, 5, 2], [1, 1, 0, 3, 4],
        ]  # fmt: skip

    @pytest.mark.parametrize(
        ("goal", "steps"),
        [
            (
                "discharge_coordination",
                {"identified": 10, "offered_support": 3, "readmitted": 2, "unrelated_cause": 1},
            ),
            ("training", {"enrolled": 34, "day_1": 31, "day_2": 17}),
            ("offer_card", {"asked": 10, "knew": 10, "used": 0}),
            ("interviews", {"round_1": 5, "round_2": 5}),
        ],
    )
    def test_counts_of_the_goals(self, goal: str, steps: dict[str, int]) -> None:
        counts = form(RANDERS, "goal_counts").filter(goal_id=goal)
        assert dict(counts.select("step", "n").iter_rows()) == steps
        assert counts.select("source_type", "responsible").null_count().row(0) == (0, 0)


class TestDropOutProject:
    def test_every_form_of_the_programme_is_there(self) -> None:
        assert {path.stem for path in TSB.glob("*.csv")} == {
            "patients", "episodes", "events", "interviews", "appointments", "process_events",
        }  # fmt: skip

    def test_young_people_at_one_unit_missed_more_than_one_in_three_appointments(self) -> None:
        people = form(TSB, "patients").select("patient_id", "birth_year")
        rows = form(TSB, "appointments").join(people, on="patient_id").filter(unit_id="oslo")
        young = rows.filter(pl.col("scheduled_date").dt.year() - pl.col("birth_year") < 23)
        counts = dict(young["status"].value_counts().iter_rows())
        missed = counts["no_show"] + counts["cancelled_late"]
        assert missed / (missed + counts["attended"]) > 1 / 3

    def test_stays_have_ends_of_many_kinds_and_people_who_never_came(self) -> None:
        stays = form(TSB, "episodes")
        kinds = set(stays["exit_type"].drop_nulls())
        assert {
            "planned_mutual", "patient_absent", "patient_notified", "institution", "unknown",
            "transfer_unit", "never_met",
        } <= kinds  # fmt: skip
        never = stays.filter(exit_type="never_met")
        assert never.height >= 10
        assert never["start_date"].null_count() == never.height

    def test_every_kind_of_step_is_there(self) -> None:
        from schemas.codes import PROCESS_KIND

        assert set(form(TSB, "process_events")["kind"]) == set(PROCESS_KIND.codes)

    def test_no_row_of_a_person_comes_after_the_death(self) -> None:
        death = form(TSB, "events").filter(event_type="death_overdose").row(0, named=True)
        for name, day in (("appointments", "scheduled_date"), ("process_events", "event_date")):
            rows = form(TSB, name).filter(patient_id=death["patient_id"])
            assert (rows[day] <= death["event_date"]).all()

    def test_one_unit_delivers_in_another_registrys_shape(self) -> None:
        rows = form(KVARUS, "interviews", ";")
        assert set(rows["BehStatus"]) == set(range(8))
        assert set(rows["BehPlan"]) == set(range(4))
        assert (rows["Nytte"] == 0).any()
        assert set(form(KVARUS, "patients", ";")["Kjonn"]) == {"Mann", "Kvinne"}
