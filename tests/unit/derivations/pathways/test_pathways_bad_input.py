"""Outcomes and comparisons of cohorts that offer little: the expected row, or the reason.

Never 0 % of nobody, never a wild number: what cannot be said is null and says why.
"""

from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

Tables = dict[str, pl.DataFrame]
Make = Callable[..., Tables]
Person = dict[str, Any]
LAST = 2
FREE, NOT_FREE = {"crime_days": 0, "coping_score": 7}, {"crime_days": 3, "coping_score": 4}


def at_last(n: int, answers: dict[str, int], **person: Any) -> Person:
    return {"n": n, "waves": {LAST: answers}} | person


def outcome(tables: Tables, code: str, **where: Any) -> dict[str, Any]:
    """The one row of an outcome at the last wave, by default of everyone's observed answers."""
    whole = {"pathway_rule": "baseline", "pathway": "all", "stratum_by": "all", "stratum": "all"}
    where = whole | {"missing_rule": "observed", "wave": LAST} | where
    (row,) = tables["derived.outcome_by_pathway"].filter(outcome=code, **where).to_dicts()
    return row


def compared(tables: Tables, code: str, **where: Any) -> pl.DataFrame:
    """The rows of the clinic against gp at the last wave."""
    where = {"wave": LAST, "pathway": "clinic"} | where
    return tables["derived.outcome_comparison"].filter(outcome=code, **where)


def is_refused(rows: pl.DataFrame) -> bool:
    """Whether every number is null and says why."""
    numbers = rows.select("estimate", "ci_low", "ci_high", "p_value")
    empty = numbers.null_count().sum_horizontal().item() == numbers.height * numbers.width
    return bool(rows.height and empty and not rows["reason"].null_count())


def test_one_person_in_a_stratum(pathways: Make) -> None:
    made = pathways([at_last(12, FREE), at_last(1, FREE, sex="female")])
    her = {"stratum_by": "sex", "stratum": "female"}
    share = outcome(made, "crime_free", **her)
    assert (share["n"], share["n_success"], share["estimate"]) == (1, 1, 1.0)
    assert share["ci_low"] == pytest.approx(0.2065, abs=1e-4)  # Wilson says how little one is
    mean = outcome(made, "coping", **her)
    assert (mean["n"], mean["estimate"]) == (1, 7.0)
    assert (mean["ci_low"], mean["reason"]) == (None, "not_computable")


def test_nobody_succeeds(pathways: Make) -> None:
    """No events: the shares and their difference are 0, no ratio and no model exists."""
    made = pathways([at_last(20, NOT_FREE, baseline_pathway="clinic"), at_last(20, NOT_FREE)])
    share = outcome(made, "crime_free")
    assert (share["estimate"], share["ci_low"]) == (0.0, 0.0)
    assert 0 < share["ci_high"] < 0.1
    rows = compared(made, "crime_free", missing_rule="observed")
    (plain,) = rows.filter(measure="risk_difference", adjusted=False).to_dicts()
    assert (plain["estimate"], plain["p_value"], plain["reason"]) == (0.0, None, "sparse_cells")
    rest = rows.filter((pl.col("measure") != "risk_difference") | pl.col("adjusted"))
    assert is_refused(rest)
    assert set(rest["reason"]) == {"sparse_cells"}


def test_everyone_copes_alike(pathways: Make) -> None:
    made = pathways([at_last(20, FREE, baseline_pathway="clinic"), at_last(20, FREE)])
    rows = compared(made, "coping", missing_rule="observed", adjusted=False)
    assert rows["estimate"].to_list() == [0.0]
    assert rows["reason"].to_list() == ["no_variation"]
    adjusted = compared(made, "coping", adjusted=True)
    assert is_refused(adjusted)
    assert set(adjusted["reason"]) == {"no_variation"}


def test_all_missing_at_a_wave(pathways: Make) -> None:
    """Asked at the first follow-up, nobody held the last: no observed share, and bounds 0 and 1."""
    asked = {"waves": {1: FREE}}
    made = pathways([{"n": 20, "baseline_pathway": "clinic"} | asked, {"n": 20} | asked])
    observed = outcome(made, "crime_free")
    assert (observed["n"], observed["n_expected"], observed["n_missing"]) == (0, 40, 40)
    assert (observed["estimate"], observed["reason"]) == (None, "not_computable")
    worst, best = (
        outcome(made, "crime_free", missing_rule=r)["estimate"] for r in ("worst", "best")
    )
    assert (worst, best) == (0.0, 1.0)
    assert is_refused(compared(made, "crime_free", missing_rule="observed"))


def test_a_wave_nobody_has_reached(pathways: Make) -> None:
    young = {"waves": {0: FREE, 1: FREE, LAST: "not_due"}}
    made = pathways([{"n": 20, "baseline_pathway": "clinic"} | young, {"n": 20} | young])
    for rule in ("observed", "missing_is_failure", "best", "worst"):
        row = outcome(made, "crime_free", missing_rule=rule)
        assert (row["n_expected"], row["n"], row["estimate"]) == (0, 0, None)
        assert row["reason"] == "not_computable"
    rows = compared(made, "crime_free")
    assert is_refused(rows)
    assert set(rows["reason"]) == {"not_computable"}


def test_nobody_leaves(pathways: Make) -> None:
    stay = {"treatment": (0, 425, None)}
    made = pathways([{"n": 20, "baseline_pathway": "clinic"} | stay, {"n": 20} | stay])
    rows = compared(made, "retained", measure="hazard_ratio")
    assert is_refused(rows)
    assert set(rows["reason"]) == {"sparse_cells"}
    assert outcome(made, "retained")["estimate"] == 1.0


@pytest.mark.parametrize("day", [0, 100])
def test_all_exits_on_one_day(pathways: Make, day: int) -> None:
    """Ten of 20 leave the clinic and five of 20 leave gp, all that day: one tie, one ratio."""
    gone, stayed = (0, day, "patient_absent"), (0, 425, None)
    made = pathways(
        [
            {"n": 10, "baseline_pathway": "clinic", "treatment": gone},
            {"n": 10, "baseline_pathway": "clinic", "treatment": stayed},
            {"n": 5, "treatment": gone},
            {"n": 15, "treatment": stayed},
        ]
    )
    (row,) = compared(made, "retained", measure="hazard_ratio", adjusted=False).to_dicts()
    assert (row["n_events"], row["reason"]) == (15, None)
    assert 2 < row["estimate"] < 3


def test_everyone_leaves_on_one_day(pathways: Make) -> None:
    gone = {"n": 20, "treatment": (0, 100, "patient_absent")}
    made = pathways([gone, gone | {"baseline_pathway": "clinic"}])
    (row,) = compared(made, "retained", measure="hazard_ratio", adjusted=False).to_dicts()
    assert row["estimate"] == pytest.approx(1)
    assert outcome(made, "retained")["estimate"] == 0.0


def test_a_stay_of_no_length_counts(pathways: Make) -> None:
    """Never dosed: 0 days, and not retained at any wave."""
    made = pathways([{"n": 4, "treatment": (0, 0, "patient_absent")}])
    row = outcome(made, "retained")
    assert (row["n"], row["n_success"], row["n_missing"]) == (4, 0, 0)


def test_an_exit_on_the_day_of_the_wave_is_not_retained(pathways: Make) -> None:
    """The wave is due on day 365: who left that day has left, who was last seen then is unknown."""
    made = pathways(
        [
            {"n": 3, "treatment": (0, 365, "patient_absent")},
            {"n": 2, "treatment": (0, 366, "patient_absent")},
            {"n": 1, "treatment": (0, 365, None)},
        ]
    )
    row = outcome(made, "retained")
    assert (row["n"], row["n_success"], row["n_missing"]) == (5, 2, 1)


def test_nobody_at_all(pathways: Make) -> None:
    made = pathways([])
    for name in ("derived.outcome_by_pathway", "derived.coping_association"):
        assert made[name]["estimate"].null_count() == made[name].height
    weights = made["derived.comparison_weight"]
    assert set(weights["reason"]) <= {"not_computable"}
    assert weights["effective_n"].null_count() == weights.height
