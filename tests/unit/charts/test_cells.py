"""What the cells of the pages say: counts, shares, and four kinds of absence."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from registry_pipeline.charts import text
from schemas.protocol import Disclosure, shipped_protocols

Cells = Callable[[str], list[list[str]]]
Drawings = Callable[[str], list[str]]
Store = Any
RULE = Disclosure()
DAYS = (0, 91, 183, 274, 365, 457, 548, 639, 731)


@pytest.mark.parametrize(
    ("count", "written"),
    [(None, "hidden"), (0, "0"), (1, "<5"), (4, "<5"), (5, "5"), (1269, "1269")],
)
def test_a_count_is_itself_small_or_hidden(count: int | None, written: str) -> None:
    assert text.count(count, RULE) == written


def test_a_share_has_whole_percentages() -> None:
    assert text.share(15 / 22, 0.473, 0.836) == "68 % (47–84)"
    assert text.share(1.0, None, None) == "100 %"
    assert text.share(None, None, None, text.NOT_COMPUTABLE) == "n/a"


def test_numbers_stand_to_the_right_and_words_to_the_left() -> None:
    rows = [
        ["woman", "23–29", "2015-Q1", "68 % (47–84)", "<5", "high"],
        ["man", "30–39", "2015-01-01 to 2015-03-31", "refused", "1,269", "–"],
        ["all", "all", "2015-Q2", "hidden: low coverage", "+4 pp", ""],
    ]
    rule = text.table(["Sex", "Age", "Period", "Value", "Of", "Level"], rows).splitlines()[1]
    assert rule == "| --- | --- | --- | --: | --: | --- |"
    assert text.table(["a", "b"], []) == ""


def test_a_bar_in_a_label_does_not_break_the_table() -> None:
    assert text.table(["a"], [["x|y"]]).splitlines()[-1] == "| x/y |"


def put_curve(store: Store, kind: str, left: dict[int, int], n: int, **same: Any) -> None:
    """A curve of `n` people who leave on the days of `left`, and are followed for 731 days."""
    gone = 0
    for day, exits in left.items():
        share = 1 - (gone + exits) / n
        row = {"day": day, "n_at_risk": n - gone, "n_event": exits, "retained": share,
               "ci_low": share - 0.05, "ci_high": share + 0.02}  # fmt: skip
        store.put("derived.retention_curve", [row], kind=kind, **same)
        gone += exits
    end = {"day": 731, "n_at_risk": n - gone, "n_censored": n - gone, "retained": 1 - gone / n}
    store.put("derived.retention_curve", [end], kind=kind, **same)
    store.put("derived.retention_summary", [{"n": n, "from_day": 0}], kind=kind, **same)
    for day in DAYS:
        out = sum(exits for exit_day, exits in left.items() if exit_day <= day)
        row = {"month": 0, "day": day, "n": n, "n_at_risk": n - out, "n_event_cum": out,
               "retained": 1 - out / n, "ci_low": 0.5, "ci_high": 0.9}  # fmt: skip
        store.put("derived.retention_at", [row], kind=kind, **same)


def test_retention_by_month_hides_and_shows(store: Store, cells: Cells) -> None:
    put_curve(store, "treatment", {20: 3, 200: 7}, n=70)
    header, *rows = cells(store.page("derived.retention_curve"))
    assert header == ["Months", "In treatment, since baseline"]
    assert dict(rows) == {
        "0": "100 % (50–90)",
        "3": "hidden",  # 3 exits
        "6": "hidden",
        **dict.fromkeys(("9", "12", "15", "18", "21", "24"), "86 % (50–90)"),  # 60 of 70
    }


def test_numbers_at_risk_stand_in_the_picture(store: Store, drawings: Drawings) -> None:
    put_curve(store, "treatment", {20: 3, 200: 7}, n=70)
    (drawn,) = drawings(store.page("derived.retention_curve"))
    for at_risk, is_there in (("70", True), ("67", False), ("60", True)):
        assert (f">{at_risk}</text>" in drawn) is is_there


def test_a_sex_is_hidden_where_the_other_would_give_it_away(
    store: Store, cells: Cells, drawings: Drawings
) -> None:
    put_curve(store, "treatment", {20: 8}, n=70)
    put_curve(store, "treatment", {20: 2}, n=25, stratum_by="sex", stratum="female")
    put_curve(store, "treatment", {20: 6}, n=45, stratum_by="sex", stratum="male")
    rows = cells(store.page("derived.retention_at"))
    assert [row[2:] for row in rows if row[3] == "24" and row[2] != "all"] == [
        ["woman", "24", "hidden", "hidden", "hidden"],
        ["man", "24", "hidden", "hidden", "hidden"],
    ]
    (drawn,) = drawings(store.page("derived.retention_curve"))
    assert ">39</text>" not in drawn  # men at risk after the exits
    assert ">62</text>" in drawn  # everyone at risk


def test_from_treatment_start_the_years_count_and_nothing_is_said_before_enough_are_at_risk(
    store: Store, cells: Cells, drawings: Drawings
) -> None:
    late = {"kind": "treatment", "origin": "treatment_start"}
    for day, at_risk, exits, share in (
        (2000, 30, 6, 0.8),
        (3000, 40, 6, 0.68),
        (4000, 28, 0, 0.68),
    ):
        row = {"day": day, "n_at_risk": at_risk, "n_event": exits, "retained": share}
        store.put("derived.retention_curve", [row], **late)
    store.put("derived.retention_summary", [{"n": 60, "from_day": 1500}], **late)
    rows = [{"month": 0, "day": day, "n": 60, "reason": "not_computable"} for day in DAYS]
    store.put("derived.retention_at", rows, **late)
    markdown = store.page("derived.retention_curve")
    assert {cell for _, cell in cells(markdown)[1:]} == {"n/a"}
    assert "Years since treatment start" in drawings(markdown)[0]
    assert not cells(store.page("derived.retention_at"))


def test_exits_by_type_add_up_and_small_ones_stand_together(store: Store, cells: Cells) -> None:
    exits = {"patient_absent": 12, "moved": 2, "death_other": 3, "unknown": 6}
    rows = [
        {"exit_type": code, "day": 300, "n_at_risk": 70, "n_event": n, "incidence": n / 70}
        for code, n in exits.items()
    ]
    store.put("derived.cumulative_incidence", rows)
    table = {row[1]: row[-1] for row in cells(store.page("derived.cumulative_incidence"))[1:]}
    assert table == {
        "ended by the patient, absent": "17 %, 12",
        "unknown": "9 %, 6",
        "other exits together": "7 %, 5",  # 2 + 3
    }


@pytest.mark.parametrize(("moved", "deaths"), [(6, "12.0 (6.2 to 21.0)"), (2, "hidden")])
def test_deaths_are_hidden_where_the_exits_put_ways_together(
    moved: int, deaths: str, store: Store, cells: Cells
) -> None:
    """Two who moved stand with the 12 who died on the page of exits: 12 here would tell of them."""
    store.put(
        "derived.cumulative_incidence",
        [
            {"exit_type": code, "day": 300, "n_at_risk": 70, "n_event": n, "incidence": n / 70}
            for code, n in {"patient_absent": 20, "moved": moved, "death_other": 12}.items()
        ],
    )
    row = {"n": 70, "n_people": 12, "n_event": 12, "person_years": 100.0,
           "rate": 12.0, "ci_low": 6.2, "ci_high": 21.0}  # fmt: skip
    events = ("death", "hospital_admission")
    store.put("derived.event_rate", [{**row, "event": event, "setting": "all"} for event in events])
    shown = {line[0]: line[2] for line in cells(store.page("derived.event_rate"))[1:]}
    assert shown == {"death of any cause": deaths, "hospital admission": "12.0 (6.2 to 21.0)"}


def test_both_sexes_are_left_out_with_one(store: Store, cells: Cells) -> None:
    for sex, answers in (("all", (60, 33, 7)), ("female", (20, 12, 3)), ("male", (40, 21, 4))):
        for group, n in zip(("consented", "declined", "no_answer"), answers, strict=True):
            row = {"group": group, "sex": sex, "age_group": "all", "n": n,
                   "denominator": sum(answers), "share": n / sum(answers)}  # fmt: skip
            store.put("derived.enrolment", [row])
    assert [row[:3] for row in cells(store.page("derived.enrolment"))[1:]] == [
        ["consented", "all", "60"],
        ["declined", "all", "33"],
        ["no answer", "all", "7"],
    ]


def test_missing_hidden_and_not_computable_are_three_things(store: Store, cells: Cells) -> None:
    for pathway, expected, achieved in (("gp_alone", 30, 20), ("gp_and_municipality", 8, 6)):
        row = {"pathway_rule": "baseline", "pathway": pathway, "outcome": "crime_free", "wave": 4,
               "missing_rule": "observed", "n_expected": expected, "n": expected,
               "n_success": achieved, "estimate": achieved / expected}  # fmt: skip
        store.put("derived.outcome_by_pathway", [row])
    nobody = {"pathway_rule": "baseline", "pathway": "gp_and_municipality", "outcome": "retained",
              "wave": 4, "missing_rule": "observed", "n": 0, "n_success": 0}  # fmt: skip
    store.put("derived.outcome_by_pathway", [nobody])
    header, *rows = cells(store.page("derived.outcome_by_pathway"))
    assert header[3:] == ["GP alone", "GP and municipality"]
    assert [row[3:] for row in rows] == [["–", "n/a"], ["20 of 30, 67 %", "hidden"]]


def test_pathways_are_an_association_in_text_and_picture(store: Store, drawings: Drawings) -> None:
    row = {"pathway_rule": "baseline", "pathway": "gp_alone", "outcome": "coping", "wave": 4,
           "missing_rule": "observed", "n_expected": 30, "n": 25, "n_missing": 5,
           "sum_score": 150, "estimate": 6.0, "ci_low": 5.5, "ci_high": 6.5}  # fmt: skip
    store.put("derived.outcome_by_pathway", [row])
    markdown = store.page("derived.outcome_by_pathway")
    assert "| Coping | 12 | observed | 6.0 (5.5–6.5), n = 25 |" in markdown
    assert "**Association, not effect" in markdown
    assert "Association, not effect / sammenheng, ikke effekt" in drawings(markdown)[0]


def test_all_units_are_hidden_in_a_quarter_where_a_unit_is(store: Store, cells: Cells) -> None:
    events = {"all": (15, 17, 15, 18), "a": (8, 9, 2, 3), "b": (7, 8, 13, 15)}
    for unit, numbers in events.items():
        rows = [
            {"measure": "dropout", "unit_id": unit, "chart": "p", "period": f"2015-Q{place}",
             "numerator": n, "denominator": 40, "value": n / 40, "centre": 0.2, "lower": 0.0,
             "upper": 0.4, "signal": "above" if n == 17 else None, "runs_signal": unit == "all"}
            for place, n in enumerate(numbers, start=1)
        ]  # fmt: skip
        store.put("derived.control_chart", rows)
    markdown = store.page("derived.control_chart")
    values = [(row[1], row[4], row[-1]) for row in cells(markdown)[1:]]
    assert values == [
        *(("all units", n, s) for n, s in zip(("15", "17", "hidden", "hidden"),
                                              ("", "above the limits", "", ""), strict=True)),
        *(("a", n, "") for n in ("8", "9", "hidden", "hidden")),
        *(("b", n, "") for n in ("7", "8", "13", "15")),
    ]  # fmt: skip
    assert "few crossings of the middle line: Drop-out in the quarter." in markdown


def test_a_point_below_its_limits_is_seen_to_lie_there(store: Store, cells: Cells) -> None:
    events = (40, 30, 8, 35)
    lines = {"centre": 0.347, "lower": 0.0812, "upper": 0.6934}
    rows = [
        {"measure": "dropout", "unit_id": "all", "chart": "p", "period": f"2015-Q{place}",
         "numerator": n, "denominator": 105, "value": n / 105, **lines,
         "signal": "below" if n == 8 else None}
        for place, n in enumerate(events, start=1)
    ]  # fmt: skip
    store.put("derived.control_chart", rows)
    quarters = [
        {"measure": "dropout", "unit_id": "all", "intervention": "none", "segment": "whole",
         "period_start": date(2015, 3 * place - 2, 1), "period_end": date(2015, 3 * place, 30),
         "numerator": n, "denominator": 105, "value": n / 105, **lines,
         "signal": "below" if n == 8 else None}
        for place, n in enumerate(events, start=1)
    ]  # fmt: skip
    store.put("quality.programme_chart", quarters)
    for table, value in (("derived.control_chart", 3), ("quality.programme_chart", 2)):
        point = cells(store.page(table))[3]
        assert point[value] == "7.6 %", table
        assert point[-2:] == ["34.7 % (8.1 % to 69.3 %)", "below the limits"], table


def test_a_ratio_that_is_not_there_says_why(store: Store, cells: Cells) -> None:
    same = {"exit_type": "any", "hazard": "cause_specific", "factor": "sex", "level": "female",
            "reference": "male", "n": 70, "n_events": 12, "n_level": 40,
            "n_level_events": 4}  # fmt: skip
    rows = [
        {**same, "model": "univariable", "reason": "sparse_cells"},
        {**same, "model": "adjusted", "reason": "too_few_for_terms"},
    ]
    store.put("derived.retention_hazard", rows)
    [_, [*_, alone, _, _, _, together, _, _, _]] = cells(store.page("derived.retention_hazard"))
    assert alone == "n/a: fewer than 5 exits in a group"
    assert together == "n/a: fewer than 10 exits per ratio"


def test_a_mean_of_few_answers_is_hidden_and_an_empty_quarter_is_missing(
    store: Store, cells: Cells
) -> None:
    means = {1: (40, 5.2), 2: (35, 5.6), 3: (9, 7.9), 4: (0, None)}
    rows = [
        {"measure": "coping", "unit_id": "all", "chart": "xmr", "period": f"2015-Q{place}",
         "denominator": n, "value": mean, "centre": 5.5, "lower": 5.0, "upper": 6.0}
        for place, (n, mean) in means.items()
    ]  # fmt: skip
    store.put("derived.control_chart", rows)
    table = cells(store.page("derived.control_chart"))[1:]
    assert [row[3] for row in table] == ["5.2", "hidden", "hidden", "–"]


def test_an_indicator_stands_on_its_target_bands(
    store: Store, cells: Cells, drawings: Drawings
) -> None:
    definitions = (
        ("plan", "Plan", "Plan", "fraction", "higher"),
        ("absent", "No-show", "Ikke møtt", "fraction", "lower"),
    )
    for indicator_id, title, title_nb, kind, direction in definitions:
        row = {"indicator_id": indicator_id, "title": title, "title_nb": title_nb,
               "indicator_type": kind, "direction": direction}  # fmt: skip
        store.put("quality.indicator_definition", [row])
    year = {"unit_id": "all", "period_start": date(2015, 1, 1), "period_end": date(2015, 12, 31)}
    results: tuple[dict[str, Any], ...] = (
        {"indicator_id": "plan", "numerator": 45, "denominator": 60, "value": 0.75,
         "level": "M", "target_green": 0.8, "target_yellow": 0.6},
        {"indicator_id": "absent", "numerator": 6, "denominator": 60, "value": 0.1,
         "level": "H", "target_green": 0.1, "target_yellow": 0.2},
        {"indicator_id": "none", "numerator": 0, "denominator": 0},
    )  # fmt: skip
    store.indicators([{**year, **row} for row in results])
    markdown = store.page("quality.indicator")
    assert {row[0]: row[2:] for row in cells(markdown)[1:]} == {
        "Plan": ["75 %", "45", "60", "0", "80 %", "moderate"],
        "No-show": ["10 %", "6", "60", "0", "10 %", "high"],
        "none": ["n/a", "0", "0", "0", "–", "–"],
    }
    assert "75 %  M" in drawings(markdown)[0]


def test_a_factor_alone_and_in_one_model(store: Store, cells: Cells) -> None:
    same = {"outcome": "retained", "factor": "pathway", "level": "gp_alone", "kind": "structure",
            "reference": "gp_with_specialist_contact", "measure": "odds_ratio", "n": 60,
            "n_observations": 300, "n_events": 200, "n_missing": 3}  # fmt: skip
    alone = {**same, "model": "univariable", "estimate": 1.5, "ci_low": 0.9, "ci_high": 2.5,
             "p_value_adjusted": 0.0001}  # fmt: skip
    store.put("derived.coping_association", [alone, {**same, "model": "adjusted"}])
    (_, row) = cells(store.page("derived.coping_association"))
    assert row[1:] == [
        "pathway: GP alone v. GP with specialist contact", "odds ratio", "hidden", "<5",
        "1.50 (0.90 to 2.50)", "<0.001", "n/a", "n/a",
    ]  # fmt: skip


def test_ages_stand_from_the_youngest_to_the_oldest(store: Store, cells: Cells) -> None:
    ages = ("age_23_29", "age_50_over", "under_23")  # as stored: by their codes
    levels = [
        {"outcome": "retained", "factor": "age_group", "kind": "patient", "level": age,
         "reference": "age_30_39", "measure": "odds_ratio", "n": 60, "n_observations": 300,
         "n_events": 200, "n_missing": 0, "model": "univariable"}
        for age in ages
    ]  # fmt: skip
    store.put("derived.coping_association", levels)
    factors = [row[1] for row in cells(store.page("derived.coping_association"))[1:]]
    groups = [{"stratum_by": "age_group", "stratum": age, "n": 40, "horizon_day": 0}
              for age in ages]  # fmt: skip
    store.put("derived.retention_summary", groups, kind="treatment")
    strata = [row[2] for row in cells(store.page("derived.retention_summary"))[1:]]
    assert strata == ["under 23", "23–29", "50 and over"]
    assert factors == [f"age group: {age} v. 30–39" for age in strata]


def test_time_in_short_is_in_units_of_the_schedule(store: Store, cells: Cells) -> None:
    same = {"n": 40, "n_event": 30, "from_day": 0, "horizon_day": 731}
    left = {"median_day": 100.0, "median_ci_low": 86.0, "median_ci_high": 110.0,
            "restricted_mean_days": 95.0, "restricted_mean_ci_low": 85.0,
            "restricted_mean_ci_high": 106.0}  # fmt: skip
    # beyond the last scheduled day nothing is told of when people left
    late = {"median_day": 862.0, "median_ci_low": 700.0, "restricted_mean_days": 600.0}
    rows = [{**same, **left, "kind": "treatment"}, {**same, **late, "kind": "study"}]
    store.put("derived.retention_summary", rows)
    at_end = [{"kind": row["kind"], "day": 731, "n": 40, "n_event_cum": 10} for row in rows]
    store.put("derived.retention_at", at_end)
    _, treatment, study = cells(store.page("derived.retention_summary"))
    assert treatment[2:] == ["all", "3 (3 to 4)", "3.1 (2.8 to 3.5)"]
    assert study[2:] == ["all", "not reached", "19.7"]


def test_rules_on_gaps_are_shown_where_none_tells_of_few(store: Store, cells: Cells) -> None:
    left = {7: 20, 10: 20, 14: 17, 30: 12}
    rows = [
        {"gap_days": gap, "day": 731, "month": 24, "n": 70, "n_at_risk": 70 - n, "n_event_cum": n,
         "retained": 1 - n / 70, "ci_low": 0.5, "ci_high": 0.9}
        for gap, n in left.items()
    ]  # fmt: skip
    store.put("derived.retention_sensitivity", rows)
    _, row = cells(store.page("derived.retention_sensitivity"))
    assert row[2:] == ["24", "71 % (50–90)", "71 % (50–90)", "hidden", "83 % (50–90)"]
    store.connection.execute(
        "UPDATE derived.retention_sensitivity SET gap_days = 11 WHERE gap_days = 10"
    )
    _, row = cells(store.page("derived.retention_sensitivity"))
    assert row[3:] == ["hidden"] * 4


def test_a_trial_counts_its_weeks(store: Store, cells: Cells) -> None:
    store.protocol("ctn0027", shipped_protocols()["ctn0027"])
    row = {"wave": 6, "n_enrolled": 100, "n_expected": 100, "n_completed": 60, "n_missed": 40,
           "response": 0.6, "ci_low": 0.5, "ci_high": 0.69}  # fmt: skip
    store.put("derived.response_by_wave", [row], "ctn0027")
    header, values = cells(store.page("derived.response_by_wave"))
    assert header[0] == "Weeks"
    assert values[:4] == ["24", "100", "60 % (50–69)", "60"]
