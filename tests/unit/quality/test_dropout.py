"""Drop-out of planned stays: the national figure, both denominators, and the charts."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

from registry_pipeline.derivations.quality_dropout import dropout, programme_chart
from registry_pipeline.derivations.quality_programmes import Setting
from registry_pipeline.derivations.quality_services import no_show
from registry_pipeline.derivations.quality_stays import stay_rows
from schemas.protocol import Protocol
from schemas.protocol_programmes import Intervention, Programmes

FIRST, LAST = date(2018, 1, 1), date(2019, 12, 31)
PERSON = {"patient_id": "a", "birth_year": 1980, "cutoff_date": LAST}


def setting(protocol: Protocol, **programmes: Any) -> Setting:
    changed = protocol.model_copy(update={"programmes": Programmes(**programmes)})
    return Setting(changed, FIRST, LAST, low_coverage=False)


def stay(
    exit_type: str | None, start: date = FIRST, days: int | None = 20, **cells: Any
) -> dict[str, Any]:
    return {
        "patient_id": "a",
        "pathway": "gp",
        "level": "inpatient",
        "unit_id": "north",
        "planned": True,
        "start_date": start,
        "end_date": None if days is None else start + timedelta(days=days),
        "exit_type": exit_type,
        "is_treatment": True,
        **cells,
    }


def whole(table: pl.DataFrame, measure: str, **cells: Any) -> dict[str, Any]:
    wanted = {
        "unit_id": "all", "period_start": FIRST, "period_end": LAST,
        "group_by": "all", "group": "all", **cells,
    }  # fmt: skip
    rows = table.filter(pl.col("measure") == measure, *(pl.col(k) == v for k, v in wanted.items()))
    return rows.row(0, named=True)


def counts(row: dict[str, Any]) -> tuple[int, int, int]:
    return row["numerator"], row["denominator"], row["n_missing"]


@pytest.fixture
def table(store, protocol):
    def build(stays: list[dict[str, Any]], people: list[dict[str, Any]] | None = None, **rule: Any):
        core = store({"core.patient": people or [PERSON], "core.episode": stays})
        return dropout(stay_rows(core), setting(protocol, **rule))

    return build


def test_the_national_figure_of_the_last_third_of_2018(table):
    """4,506 stays, 63.4 % of ends unknown: 10.2 % drop-out, 27.9 % of the known ends."""
    kinds = {"patient_absent": 460, "unknown": 2857, "planned_mutual": 4506 - 460 - 2857}
    made = table([stay(kind) for kind, n in kinds.items() for _ in range(n)])
    all_ends, known = whole(made, "dropout"), whole(made, "dropout_known")
    assert counts(all_ends) == (460, 4506, 2857)
    assert round(100 * all_ends["value"], 1) == 10.2
    assert round(100 * known["value"], 1) == 27.9
    assert round(100 * whole(made, "unknown_end")["value"], 1) == 63.4


EXITS = (
    ("patient_notified", 1),
    ("patient_absent", 1),
    ("institution", 1),
    ("interrupted_unspecified", 1),
    ("planned_mutual", 0),
    ("transfer_unit", 0),
    ("transfer_specialist", 0),
    ("incarcerated", 0),
    ("death_other", 0),
    ("moved", 0),
    ("unknown", 0),
)


@pytest.mark.parametrize(("exit_type", "is_dropout"), EXITS)
def test_which_ends_are_dropout(table, exit_type, is_dropout):
    assert counts(whole(table([stay(exit_type)]), "dropout"))[:2] == (is_dropout, 1)


@pytest.mark.parametrize(
    "other",
    [
        stay("patient_absent", planned=False),
        stay("patient_absent", level="outpatient"),
        stay(None, days=None),
        stay(None),
        stay("never_met", start=None, end_date=None, days=None, planned_start_date=FIRST),
    ],
    ids=["unplanned", "another level", "still there", "censored", "never met"],
)
def test_what_is_no_ended_planned_stay(table, other):
    made = table([stay("planned_mutual"), other])
    assert counts(whole(made, "dropout")) == (0, 1, 0)


def test_never_met_and_dropped_out_are_two_of_the_same_planned_stays(table):
    planned = {"planned_start_date": FIRST}
    never = stay("never_met", start=None, end_date=None, days=None, **planned)
    made = table([never, stay("patient_absent", **planned), stay("planned_mutual", **planned)])
    assert counts(whole(made, "never_met")) == (1, 3, 0)
    assert counts(whole(made, "dropped_out_later")) == (1, 3, 0)


def test_a_planned_start_after_the_cutoff_is_not_due(table):
    later = stay(
        "never_met", start=None, end_date=None, days=None,
        planned_start_date=LAST + timedelta(days=1),
    )  # fmt: skip
    made = table([later, stay("planned_mutual", planned_start_date=FIRST)])
    assert counts(whole(made, "never_met")) == (0, 1, 0)


def test_early_dropout_is_of_those_followed_that_long(table):
    soon = LAST - timedelta(days=40)
    made = table(
        [
            stay("patient_absent", days=30),
            stay("patient_absent", days=31),
            stay("unknown", days=10),
            stay("patient_absent", start=soon, days=5),
        ]
    )
    by_day = {"group_by": "by_day"}
    assert counts(whole(made, "early_dropout", **by_day, group="30")) == (2, 4, 1)
    assert counts(whole(made, "early_dropout", **by_day, group="90")) == (2, 3, 1)


def test_ages_levels_and_the_disorder_are_groups(table):
    people = [
        {**PERSON, "patient_id": "young", "birth_year": 1997, "co_occurring_disorder": True},
        {**PERSON, "patient_id": "adult", "birth_year": 1990, "co_occurring_disorder": False},
        {**PERSON, "patient_id": "child", "birth_year": 2001},
    ]
    stays = [stay("patient_absent", patient_id=person["patient_id"]) for person in people]
    made = table(stays, people)
    sizes = {
        (row["group_by"], row["group"]): row["denominator"]
        for row in made.filter(
            measure="dropout", unit_id="all", period_start=FIRST, period_end=LAST
        ).iter_rows(named=True)
    }
    assert sizes == {
        ("all", "all"): 2, ("age", "under_23"): 1, ("age", "under_30"): 2,
        ("co_occurring_disorder", "true"): 1, ("co_occurring_disorder", "false"): 1,
        ("level", "inpatient"): 2,
    }  # fmt: skip


def test_units_and_quarters_add_up(table):
    stays = [
        stay(kind, start=start, unit_id=unit)
        for kind in ("patient_absent", "unknown", "planned_mutual")
        for start in (FIRST, date(2018, 5, 1))
        for unit in ("north", "south", None)
    ]
    made = table(stays).filter(measure="dropout", group_by="all")
    numbers = ["numerator", "denominator", "n_missing"]
    quarters = made.filter(pl.col("period_end") < LAST, pl.col("unit_id") != "all")
    total = whole(table(stays), "dropout")
    assert quarters.select(pl.col(numbers).sum()).row(0) == tuple(total[name] for name in numbers)
    assert set(quarters["unit_id"]) == {"north", "south", "unknown"}


def test_a_unit_that_delivered_nothing_has_a_row_that_says_so(table):
    made = table([stay("patient_absent")])
    row = whole(made, "dropout", unit_id="south")
    assert (row["denominator"], row["value"], row["reason"]) == (0, None, "not_computable")


class TestCharts:
    def chart(self, store, protocol, **intervention: Any) -> pl.DataFrame:
        appointments = [
            {"status": status, "scheduled_date": date(2018, month, 10), "unit_id": "north"}
            for month, missed in ((1, 10), (4, 10), (7, 4), (10, 4))
            for status in ("no_show",) * missed + ("attended",) * (20 - missed)
        ]
        core = store({"core.patient": [PERSON], "core.appointment": appointments})
        one = Intervention(
            code="checklist", nb="Sjekkliste", en="Checklist", unit_id="north", **intervention
        )
        where = setting(protocol, interventions=(one,))
        stays = stay_rows(core)
        return programme_chart(no_show(core, stays, where), dropout(stays, where), where)

    def test_each_part_has_its_own_limits(self, store, protocol):
        chart = self.chart(store, protocol, start=date(2018, 7, 1))
        own = chart.filter(intervention="checklist", unit_id="north")
        assert own.select("segment", "value", "centre").rows() == [
            ("before", 0.5, 0.5), ("before", 0.5, 0.5), ("after", 0.2, 0.2), ("after", 0.2, 0.2),
        ]  # fmt: skip
        margin = 3 * (0.5 * 0.5 / 20) ** 0.5
        assert own["lower"][0] == pytest.approx(0.5 - margin, abs=1e-12)
        assert own["upper"][0] == pytest.approx(0.5 + margin, abs=1e-12)
        whole_series = chart.filter(intervention="none", unit_id="north")
        assert whole_series["centre"].to_list() == pytest.approx([28 / 80] * 4, abs=1e-12)

    def test_the_quarter_of_the_start_has_no_limits(self, store, protocol):
        chart = self.chart(store, protocol, start=date(2018, 8, 15))
        own = chart.filter(intervention="checklist", unit_id="north")
        assert own["segment"].to_list() == ["before", "before", "during", "after"]
        during = own.filter(segment="during")
        assert during.select("value", "centre", "lower", "upper").row(0) == (0.2, None, None, None)
        assert own.filter(segment="before")["centre"].to_list() == [0.5, 0.5]
