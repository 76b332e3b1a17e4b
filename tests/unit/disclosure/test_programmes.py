"""The public view of the programmes' tables: what is hidden and why; nothing gives it back."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from typing import Any, ClassVar

import duckdb
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from registry_pipeline.disclosure.checks import attack_programmes, differences
from registry_pipeline.disclosure.printed import (
    CHART,
    FUNNEL,
    GOALS,
    INVOLVEMENT,
    KEY,
    TABLES,
)
from registry_pipeline.disclosure.programmes import public_programmes, recovered
from registry_pipeline.disclosure.release import public_tables
from registry_pipeline.home import Home
from registry_pipeline.warehouse.tables import create_sql, insert
from schemas.catalog import TABLES as MODELS
from schemas.protocol import Disclosure, Protocol, load_shipped, shipped_protocols

PUBLIC, LOG = "quality.public_programme", "quality.programme_log"
WHOLE = {"period_start": date(2023, 1, 1), "period_end": date(2024, 12, 31)}
Rows = list[dict[str, Any]]
Tables = dict[str, pl.DataFrame]


def row(measure: str, n: int, of: int, missing: int = 0, **cells: Any) -> dict[str, Any]:
    return {
        "measure": measure, "unit_id": "all", "group_by": "all", "group": "all", "n": of,
        "n_missing": missing, "numerator": n, "denominator": of,
        "value": n / of if of else None, "method": "share; Wilson", "protocol": "randers",
        "rule_version": "1.0", "as_of_delivery": "2024-Q4", **WHOLE, **cells,
    }  # fmt: skip


def split(measure: str, by: str, parts: dict[str, tuple[int, int]]) -> Rows:
    """Everyone, and a row per part: a unit's, or a group's."""
    whole = row(measure, *(sum(part[at] for part in parts.values()) for at in (0, 1)))
    named = [
        row(measure, n, of, unit_id=name)
        if by == "unit"
        else row(measure, n, of, group_by=by, group=name)
        for name, (n, of) in parts.items()
    ]
    return [whole, *named]


def tables(**given_rows: Rows) -> Tables:
    found = {f"quality.{name}": rows for name, rows in given_rows.items()}
    return {name: pl.DataFrame(found.get(name, []), schema=MODELS[name].dtypes) for name in TABLES}


@pytest.fixture(scope="module")
def protocol() -> Protocol:
    return load_shipped("randers")


def shown(made: Tables, *names: str) -> dict[Any, Any]:
    """The named columns of a row to its numerator and denominator, or `hidden`."""
    return {
        tuple(one[name] for name in names) if len(names) > 1 else one[names[0]]: (
            "hidden" if one["hidden_reason"] else (one["numerator"], one["denominator"])
        )
        for one in made[PUBLIC].iter_rows(named=True)
    }


def put_back(made: Tables, table: Tables, **where: Any) -> pl.DataFrame:
    """The public table with the true counts of the rows that are `where`."""
    chosen = pl.all_horizontal(*(pl.col(name) == value for name, value in where.items()))
    having = (one for one in table.values() if set(where) <= set(one.columns))
    (true,) = (one for one in having if one.filter(chosen).height)
    counts = true.filter(chosen).row(0, named=True)
    return made[PUBLIC].with_columns(
        pl.when(chosen).then(pl.lit(counts[name])).otherwise(name).alias(name)
        for name in ("numerator", "denominator", "n_missing")
    )


def test_the_unknown_ends_do_not_tell_the_few_who_are_known_to_have_stayed(protocol):
    given = tables(dropout=[row("early_dropout", 10, 30, 17, group_by="by_day", group="30")])
    made = public_programmes(given, protocol)
    told = made[PUBLIC].row(by_predicate=pl.col("measure") == "early_dropout", named=True)
    assert (told["numerator"], told["denominator"], told["n_missing"]) == (10, 30, None)
    assert recovered(given, made[PUBLIC], protocol) == 0
    assert recovered(given, put_back(made, given, measure="early_dropout"), protocol) > 0


def test_of_a_cohort_younger_than_a_quarter_the_whole_period_is_printed(protocol):
    quarters = [(date(2024, 1, 1), date(2024, 3, 31)), (date(2024, 4, 1), date(2024, 6, 30))]
    spans = [(20, 40, date(2024, 3, 20), date(2024, 5, 1)), *((10, 20, *one) for one in quarters)]
    given = tables(
        dropout=[
            row("dropout", n, of, period_start=first, period_end=last)
            for n, of, first, last in spans
        ]
    )
    made = public_programmes(given, protocol)
    assert made[PUBLIC].select("period_end", "denominator").rows() == [(date(2024, 5, 1), 40)]


class TestFunnel:
    """60 identified: 47 conversations, 10 declined and 3 unable."""

    given = tables(
        bridging_funnel=[
            row("identified", 60, 60),
            row("conversation", 47, 60),
            row("declined", 10, 60),
            row("unable", 3, 60),
        ]
    )

    def test_the_sum_of_the_outcomes_does_not_give_the_few_back(self, protocol):
        made = public_programmes(self.given, protocol)
        told = shown(made, "measure")
        assert told["identified"] == (60, 60)
        assert (told["unable"], told["declined"]) == ("hidden", "hidden")
        assert recovered(self.given, made[PUBLIC], protocol) == 0

    def test_with_the_declined_shown_the_attacker_works_out_the_unable(self, protocol):
        made = public_programmes(self.given, protocol)
        told = put_back(made, self.given, measure="declined")
        assert shown({PUBLIC: told}, "measure")["conversation"] == (47, 60)
        assert recovered(self.given, told, protocol) == 1

    def test_the_log_says_what_is_small_and_what_protects_it(self, protocol):
        log = public_programmes(self.given, protocol)[LOG]
        why = {
            (one["measure"], one["cell"]): (one["reason"], one["note"])
            for one in log.iter_rows(named=True)
        }
        assert why["unable", "numerator"] == ("small_count", "the count is small")
        assert why["declined", "numerator"] == ("secondary", "measures add up to another")
        assert why["declined", "denominator"][0] == "secondary"
        assert not [measure for measure, _ in why if measure == "identified"]


def test_a_count_by_hand_does_not_give_the_funnel_back(protocol: Protocol) -> None:
    """The same steps are counted in two tables, the second over no more than the outcomes."""
    steps = {"identified": 60, "conversation": 47, "declined": 10, "unable": 3}
    goals = [
        row("reached", n, 0, goal_id="bridging", step=step, method="count of plan")
        for step, n in steps.items()
    ]
    both = tables(bridging_funnel=TestFunnel.given[FUNNEL].to_dicts(), goal_result=goals)
    made = public_programmes(both, protocol)
    told = shown(made, "table_name", "subject", "measure")
    for step in ("unable", "declined"):
        assert told[FUNNEL, "all", step] == told[GOALS, f"bridging.{step}", "reached"] == "hidden"
    assert recovered(both, made[PUBLIC], protocol) == 0
    by_hand = made[PUBLIC].with_columns(
        numerator=pl.when(pl.col("subject") == "bridging.declined").then(10).otherwise("numerator")
    )
    assert recovered(both, by_hand, protocol) == 2  # the unable, in either table


def test_a_group_and_a_unit_do_not_follow_from_everyone(protocol: Protocol) -> None:
    rows = split("no_show", "unit", {"north": (3, 40), "south": (20, 60), "east": (30, 50)})
    rows += split("no_show", "co_occurring_disorder", {"true": (25, 70), "false": (28, 80)})[1:]
    given_tables = tables(no_show=rows)
    made = public_programmes(given_tables, protocol)
    told = shown(made, "unit_id", "group")
    assert told["all", "all"] == (53, 150)
    assert (told["north", "all"], told["south", "all"]) == ("hidden", "hidden")
    assert told["east", "all"] == (30, 50)
    assert told["all", "true"] == (25, 70)
    assert recovered(given_tables, made[PUBLIC], protocol) == 0
    back = put_back(made, given_tables, unit_id="south")
    assert recovered(given_tables, back, protocol) == 1


def test_the_quarters_of_a_chart_do_not_follow_from_the_table(protocol: Protocol) -> None:
    """Eight quarters of 30 appointments, 2 of them missed in the third."""
    missed = (9, 8, 2, 10, 7, 9, 8, 11)
    quarters = [
        {**row("no_show", n, 30), "intervention": "none", "segment": "whole",
         "period_start": date(2023 + at // 4, 1 + 3 * (at % 4), 1),
         "period_end": date(2023 + at // 4, 3 + 3 * (at % 4), 28)}
        for at, n in enumerate(missed)
    ]  # fmt: skip
    given_tables = tables(no_show=[row("no_show", sum(missed), 240)], programme_chart=quarters)
    made = public_programmes(given_tables, protocol)
    told = shown(made, "table_name", "group_by", "period_start")
    hidden = [key for key, what in told.items() if what == "hidden"]
    assert (CHART, "all", date(2023, 7, 1)) in hidden
    assert len(hidden) == 2
    assert told["quality.no_show", "all", WHOLE["period_start"]] == (64, 240)
    assert recovered(given_tables, made[PUBLIC], protocol) == 0


class TestIndicatorsThatCountTheSame:
    """58 of 132 and 31 of 120 appointments in two years, and before them 0 of 3."""

    years: ClassVar = {2022: (0, 3), 2023: (58, 132), 2024: (31, 120)}

    def given(self) -> Tables:
        whole = {"period_start": date(2022, 12, 1), "period_end": date(2024, 12, 31)}
        made = tables(no_show=[row("no_show", 89, 255, **whole)])
        results = [
            {**row("no_show", n, of), "indicator_id": "no_show", "period_type": "year",
             "denominator_known": of, "period_start": date(year, 1, 1),
             "period_end": date(year, 12, 31)}
            for year, (n, of) in self.years.items()
        ]  # fmt: skip
        indicator = pl.DataFrame(results, schema=MODELS["quality.indicator"].dtypes)
        return {**made, "quality.indicator": indicator, **public_tables(indicator, Disclosure())}

    def test_years_that_are_shown_do_not_give_a_small_one_back(self, protocol):
        both = self.given()
        years = both["quality.public_result"].sort("period_start")["denominator"].to_list()
        assert years == [None, 132, 120]
        made = public_programmes(both, protocol)
        assert shown(made, "measure") == {"no_show": "hidden"}
        assert recovered(both, made[PUBLIC], protocol) == 0

    def test_shown_it_is_255_less_252(self, protocol):
        both = self.given()
        told = put_back(
            public_programmes(both, protocol), {"": both["quality.no_show"]}, measure="no_show"
        )
        assert recovered(both, told, protocol) == 2  # 3 appointments, 3 of them kept

    def test_a_chart_shows_the_quarters_that_the_indicator_shows(self, protocol):
        missed = (9, 8, 2, 10)
        quarters = [
            {**row("no_show", n, 30), "period_start": date(2023, 1 + 3 * at, 1),
             "period_end": date(2023, 3 + 3 * at, 28)}
            for at, n in enumerate(missed)
        ]  # fmt: skip
        results = [{**one, "indicator_id": "no_show", "period_type": "quarter",
                    "denominator_known": 30} for one in quarters]  # fmt: skip
        indicator = pl.DataFrame(results, schema=MODELS["quality.indicator"].dtypes)
        public = public_tables(indicator, Disclosure())
        drawn = [{**one, "intervention": "none", "segment": "whole"} for one in quarters]
        both = {**tables(programme_chart=drawn), "quality.indicator": indicator, **public}
        made = public_programmes(both, protocol)
        told = made[PUBLIC].filter(group_by="all").sort("period_start")["numerator"].to_list()
        there = public["quality.public_result"].sort("period_start")["numerator"].to_list()
        assert told == there == [9, 8, None, 10]
        whole = shown(made, "group_by")["none"]
        assert whole == "hidden"  # else 29 less 27
        assert recovered(both, made[PUBLIC], protocol) == 0

    def test_without_the_indicator_nothing_is_hidden(self, protocol):
        alone = tables(no_show=self.given()["quality.no_show"].to_dicts())
        assert shown(public_programmes(alone, protocol), "measure") == {"no_show": (89, 255)}


def test_two_lengths_of_follow_up_do_not_tell_of_the_few_between(protocol: Protocol) -> None:
    rows = [
        row("early_dropout", n, of, group_by="by_day", group=day)
        for day, n, of in (("30", 20, 98), ("90", 32, 96))
    ]
    made = public_programmes(tables(dropout=rows), protocol)
    assert shown(made, "group") == {"30": (20, 98), "90": "hidden"}
    assert recovered(tables(dropout=rows), made[PUBLIC], protocol) == 0
    far = [rows[0], {**rows[1], "denominator": 80}]
    assert "hidden" not in shown(public_programmes(tables(dropout=far), protocol), "group").values()


def test_nine_answer_sheets_are_hidden_whole(protocol: Protocol) -> None:
    levels = (0, 1, 1, 3, 4)
    rows = [
        row("level", n, 9, item=1, group_by="level", group=str(level))
        for level, n in enumerate(levels, start=1)
    ]
    rows.append(row("top_two", 7, 9, item=1))
    rows.append(row("mean", 37, 9, item=1, method="mean; Student t"))
    made = public_programmes(tables(involvement=rows), protocol)
    assert set(made[PUBLIC]["hidden_reason"]) <= {"protected", "small_denominator"}
    numbers = made[PUBLIC].select("numerator", "denominator", "n_missing", "value")
    assert numbers.null_count().row(0) == (7, 7, 7, 7)
    assert set(made[LOG]["table_name"]) == {INVOLVEMENT}


def test_a_cohort_of_low_coverage_shows_nothing_and_says_so(protocol: Protocol) -> None:
    rows = [row("no_show", 20, 60, hidden_reason="low_coverage")]
    made = public_programmes(tables(no_show=rows), protocol)
    assert made[PUBLIC]["hidden_reason"].to_list() == ["low_coverage"]
    assert made[PUBLIC]["value"].to_list() == [None]
    assert set(made[LOG]["reason"]) == {"low_coverage"}


def test_a_cohort_that_delivered_nothing_has_no_rows(protocol: Protocol) -> None:
    silent = row("no_show", 0, 0, reason="not_applicable")
    made = public_programmes(tables(no_show=[silent]), protocol)
    assert made[PUBLIC].is_empty()
    assert made[LOG].is_empty()
    assert recovered(tables(), made[PUBLIC], protocol) == 0


COUNT = st.integers(0, 30)


@st.composite
def programmes(draw: st.DrawFn) -> Tables:
    """No-show at three units and by two groups, with late cancellations, and a funnel."""
    units = ("north", "south", "east")
    strict = {unit: draw(COUNT) for unit in units}
    late = {unit: draw(COUNT) for unit in units}
    kept = {unit: draw(st.integers(5, 60)) for unit in units}
    rows: Rows = []
    for measure, n, of in (
        ("no_show", {u: strict[u] + late[u] for u in units}, None),
        ("cancelled_late", late, None),
        ("no_show_strict", strict, {u: strict[u] + kept[u] for u in units}),
    ):
        among = of or {u: strict[u] + late[u] + kept[u] for u in units}
        rows += split(measure, "unit", {u: (n[u], among[u]) for u in units})
    everyone = rows[0]
    n, of = draw(st.integers(0, everyone["numerator"])), everyone["denominator"]
    rest = of - everyone["numerator"]
    others = draw(st.integers(0, rest))
    groups = {
        "true": (n, n + others),
        "false": (everyone["numerator"] - n, of - n - others),
    }
    rows += split("no_show", "co_occurring_disorder", groups)[1:]
    steps = {step: draw(COUNT) for step in ("conversation", "declined", "unable")}
    whole = sum(steps.values())
    funnel = [row(step, n, whole) for step, n in {"identified": whole, **steps}.items()]
    return tables(no_show=rows, bridging_funnel=funnel)


def test_where_nothing_is_shown_nothing_is_worked_out() -> None:
    """Two people, one declined and one unable: all is hidden, and no sum of it bounds a count."""
    steps = {"identified": 2, "conversation": 0, "declined": 1, "unable": 1}
    given_tables = tables(bridging_funnel=[row(step, n, 2) for step, n in steps.items()])
    protocol = load_shipped("randers")
    public = public_programmes(given_tables, protocol)[PUBLIC]
    assert public["numerator"].null_count() == public.height
    assert recovered(given_tables, public, protocol) == 0


@settings(max_examples=40, deadline=None)
@given(given_tables=programmes())
def test_nothing_small_is_shown_and_nothing_follows(given_tables: Tables) -> None:
    protocol = load_shipped("randers")
    made = public_programmes(given_tables, protocol)
    assert recovered(given_tables, made[PUBLIC], protocol) == 0
    counts = made[PUBLIC].select(
        "numerator", "denominator", rest=pl.col("denominator") - pl.col("numerator")
    )
    assert not counts.select(pl.any_horizontal(pl.all().is_between(1, 4)).any()).item()
    numbers = made[PUBLIC].filter(pl.col("hidden_reason").is_not_null(), pl.col("value").is_null())
    logged = made[LOG].unique(KEY).height
    assert logged == numbers.height
    model = MODELS[PUBLIC].schema
    model.validate(
        made[PUBLIC].with_columns(as_of_delivery=pl.lit("x")).select(model.columns.keys())
    )


def fill(connection: duckdb.DuckDBPyConnection, given_tables: Tables) -> None:
    """The programmes' tables, and what may be shown of them."""
    made = public_programmes(given_tables, load_shipped("randers"))
    text = shipped_protocols()["randers"]
    stored = {
        "meta.protocol": pl.DataFrame(
            [{"protocol": "randers", "sha256": "0" * 64, "content": text}]
        ),
        **given_tables,
        PUBLIC: made[PUBLIC].with_columns(as_of_delivery=pl.lit("2024-Q4")),
    }
    for name, frame in stored.items():
        connection.execute(f"CREATE SCHEMA IF NOT EXISTS {name.split('.')[0]}")
        connection.execute(create_sql(MODELS[name]))
        insert(connection, name, frame)


@pytest.fixture
def live(home: Home) -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(home.database) as connection:
        fill(connection, TestFunnel.given)
        yield connection


@pytest.mark.parametrize(("more", "moved"), [(0, 0), (2, 2), (20, 0)])
def test_a_whole_period_that_grew_by_few_is_counted(
    live: duckdb.DuckDBPyConnection, home: Home, more: int, moved: int
) -> None:
    """Two more conversations in the publication before: of them, and of all identified."""
    rows = [
        {**one, "numerator": one["numerator"] + more * (one["measure"] != "declined"),
         "denominator": 60 + more, "period_end": date(2024, 9, 30)}
        for one in TestFunnel.given[FUNNEL].to_dicts()
        if one["measure"] in {"identified", "conversation"}
    ]  # fmt: skip
    with duckdb.connect(home.analysis) as before:
        fill(before, tables(bridging_funnel=rows))
    assert differences(live, home) == {"randers": moved}


def test_the_check_reads_the_stored_table(live: duckdb.DuckDBPyConnection) -> None:
    assert attack_programmes(live) == {"randers": 0}
    live.execute(f"UPDATE {PUBLIC} SET numerator = 10 WHERE measure = 'declined'")
    assert attack_programmes(live) == {"randers": 1}
    live.execute(f"UPDATE {PUBLIC} SET numerator = 3 WHERE measure = 'unable'")
    assert attack_programmes(live)["randers"] >= 1
