"""Slopes, use of several substances and complexity: by hand, and at the edges."""

import math
import warnings
from collections.abc import Callable
from typing import Any

import narwhals as nw
import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from registry_pipeline.derivations.strata import strata_columns
from registry_pipeline.derivations.trajectories_latent import trajectory_latent
from registry_pipeline.derivations.trajectories_poly import poly_use
from schemas.core import Interview, Patient, SubstanceUse, Visit
from schemas.fields import describe
from schemas.protocol import load_shipped
from schemas.protocol_trajectories import Trajectories

Tables = dict[str, pl.DataFrame]
LAR_X = load_shipped("lar_x")


def rows(frame: pl.DataFrame, **where: Any) -> list[dict[str, Any]]:
    return frame.filter(stratum_by="all").filter(**where).to_dicts()


def cohort(n: int) -> tuple[dict[str, str], dict[str, dict[int, str]]]:
    """People whose use falls over five waves, some of them missed; recall of 28 and 90 days."""
    draw = np.random.default_rng(2)
    words, answers = {}, {}
    for number in range(n):
        missed = draw.random(5) < 0.2
        level = draw.integers(4, 26)
        days = np.clip(level - 3 * np.arange(5) + draw.integers(-3, 4, 5), 0, 28)
        recall = 90 if number % 4 == 0 else 28
        letters = np.where(days == 0, "A", np.where(days <= 7, "E", "R"))
        words[f"p{number}"] = "".join(np.where(missed, "m", letters))
        answers[f"p{number}"] = {
            wave: f"{int(days[wave]) * recall // 28}/{recall}"
            for wave in range(5)
            if not missed[wave]
        }
    return words, answers


def test_slopes_are_those_of_statsmodels_on_the_rows(trajectories: Callable[..., Tables]) -> None:
    import statsmodels.api as sm

    words, answers = cohort(40)
    made = trajectories(words, answers, n_waves=5)["derived.substance_slope"]
    people, x, days = [], [], []
    for person, given in answers.items():
        for wave, answer in given.items():
            used, recall = (int(part) for part in answer.split("/"))
            people.append(person)
            x.append((1.0, wave * 91 / 30.4375))
            days.append(28 * used / recall)
    groups = np.unique(people, return_inverse=True)[1]
    design, y = np.array(x), np.array(days)
    for name, answer, family, structure in (
        ("gee_days", y, sm.families.Gaussian(), sm.cov_struct.Exchangeable()),
        ("gee_any_use", (y > 0) * 1.0, sm.families.Binomial(), sm.cov_struct.Independence()),
    ):
        [row] = rows(made, model=name)
        fit = sm.GEE(answer, design, groups=groups, family=family, cov_struct=structure).fit(
            cov_type="bias_reduced", maxiter=200, ctol=1e-9
        )
        values = np.array([fit.params[1], *fit.conf_int()[1]])
        wanted = np.exp(values) if name == "gee_any_use" else values
        assert [row[n] for n in ("estimate", "ci_low", "ci_high")] == pytest.approx(
            list(wanted), abs=1e-6
        )
        assert row["p_value"] == pytest.approx(fit.pvalues[1], abs=1e-6)
        assert (row["n"], row["n_observations"]) == (40, len(y))
        assert row["n_missing"] == 5 * 40 - len(y)
        assert row["n_events"] == (y > 0).sum()
    [mixed] = rows(made, model="mixed_days")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        years = design / [1, 12]  # with months it stops short of the maximum
        theirs = sm.MixedLM(y, years, groups=groups, exog_re=years).fit(reml=True, gtol=1e-9)
    assert mixed["estimate"] == pytest.approx(theirs.fe_params[1] / 12, abs=1e-6)


def test_each_stratum_has_every_model(trajectories: Callable[..., Tables]) -> None:
    """Fifteen women carry a line of their own, by all three models; fourteen men do not."""
    words, answers = cohort(29)
    made = trajectories(words, answers, n_waves=5)["derived.substance_slope"]
    women = list(words)[::2]
    alone = trajectories(
        {person: words[person] for person in women},
        {person: answers[person] for person in women},
        n_waves=5,
    )["derived.substance_slope"]
    numbers = ["model", "n", "start", "estimate", "ci_low", "ci_high", "p_value", "reason"]
    of_sex = made.filter(stratum_by="sex")
    assert_frame_equal(
        of_sex.filter(stratum="female").select(numbers),
        alone.filter(stratum_by="all").select(numbers),
        rel_tol=1e-9,
    )
    assert of_sex.filter(stratum="female")["estimate"].null_count() == 0
    assert of_sex.filter(stratum="male")["reason"].to_list() == ["too_few_for_terms"] * 3


def test_slopes_are_alike_on_both_engines(trajectories: Callable[..., Tables]) -> None:
    words, answers = cohort(20)
    on_polars, on_duckdb = (
        trajectories(words, answers, n_waves=5, engine=engine)["derived.substance_slope"]
        for engine in ("polars", "duckdb")
    )
    assert on_polars.equals(on_duckdb)


def test_too_few_people_or_answers_have_no_slope(trajectories: Callable[..., Tables]) -> None:
    made = trajectories({f"p{n}": "ARA" for n in range(14)})["derived.substance_slope"]
    assert {(row["estimate"], row["reason"]) for row in rows(made)} == {(None, "too_few_for_terms")}
    alike = trajectories({f"p{n}": "AAA" for n in range(20)})["derived.substance_slope"]
    assert {row["model"]: row["reason"] for row in rows(alike)} == {
        "gee_days": "not_computable",
        "mixed_days": "not_computable",
        "gee_any_use": "too_few_for_terms",
    }
    missing = trajectories({f"p{n}": "mrm" for n in range(20)})["derived.substance_slope"]
    assert {(row["n"], row["n_missing"], row["reason"]) for row in rows(missing)} == {
        (0, 60, "not_computable")
    }
    baseline = trajectories({f"p{n}": "AR"[n % 2] for n in range(40)})["derived.substance_slope"]
    assert {row["reason"] for row in rows(baseline)} == {"not_computable"}


def test_complexity_by_hand(trajectories: Callable[..., Tables]) -> None:
    """ARAR: three changes in three steps, an even spread over two of three states."""
    made = trajectories({"a": "ARAR", "b": "AmAA", "c": "mmmA"})
    changes = made["derived.trajectory"].sort("patient_id")["n_changes"].to_list()
    assert changes == [3, 0, 0]
    profile = {row["trajectory_class"]: row for row in rows(made["derived.trajectory_profile"])}
    expected = math.sqrt(3 / 3 * math.log(2) / math.log(3))
    assert profile["fluctuating"]["mean_complexity"] == pytest.approx(expected)
    assert profile["stable_abstinent"]["mean_complexity"] == 0
    few = profile["insufficient_data"]
    assert (few["n"], few["mean_complexity"], few["reason"]) == (1, None, "not_computable")


# Use of several substances


def poly(people: dict[str, dict[str, Any]]) -> Tables:
    """derived.poly_use of people at one wave: heroin, cannabis, alcohol (days or null), status."""
    patients, visits, interviews, use = [], [], [], []
    for person, given in people.items():
        key = {"cohort": "lar_x", "patient_id": person, "wave": 0}
        status = given.get("status", "completed")
        primary = given.get("primary", "heroin")
        patients.append({"cohort": "lar_x", "patient_id": person, "primary_substance": primary})
        visits.append(key | {"status": status})
        injected = {"status": status, "injection_days": given.get("injection")}
        interviews.append(key | injected)
        members = [given.get(name) for name in ("heroin", "cannabis")]
        illicit = None if None in members and not any(members) else max(m or 0 for m in members)
        answers = {name: given.get(name) for name in ("heroin", "cannabis", "alcohol")}
        for name, days in (answers | {"any_illicit": illicit}).items():
            held = status == "completed"
            state = "not_asked" if days is None else "abstinent" if days == 0 else "regular"
            use.append(
                key
                | {"substance": name, "is_group": name == "any_illicit"}
                | {"days": days if held else None, "recall_days": 28 if held else None}
                | {"state": state if held else status}
            )
    models = {
        "core.patient": (patients, Patient),
        "core.visit": (visits, Visit),
        "core.interview": (interviews, Interview),
        "core.substance_use": (use, SubstanceUse),
    }
    core = {
        name: nw.from_native(pl.DataFrame(given, schema=describe(model).dtypes).lazy())
        for name, (given, model) in models.items()
    }
    strata = core["core.patient"].select("patient_id", *strata_columns())
    return {row["measure"]: row for row in rows(poly_use(core, strata, LAR_X))}  # type: ignore[return-value]


def test_several_substances_by_hand() -> None:
    made: Any = poly(
        {
            "two": {"heroin": 20, "cannabis": 3, "alcohol": 0, "injection": 4},
            "three": {"heroin": 20, "cannabis": 3, "alcohol": 1, "injection": 0},
            "none": {"heroin": 0, "cannabis": 0, "alcohol": 0, "injection": 0},
            "two at least": {"heroin": 1, "alcohol": 1, "primary": "doping"},
            "one at most": {"heroin": 0, "cannabis": 0, "primary": None},
            "missed": {"status": "missed"},
            "dead": {"status": "dead"},
        }
    )
    said = {
        name: tuple(row[c] for c in ("numerator", "n_observed", "n_missing", "n_expected"))
        for name, row in made.items()
    }
    assert said == {
        "any_illicit": (3, 5, 1, 6),
        "two_or_more": (3, 5, 1, 6),
        "three_or_more": (1, 4, 2, 6),
        "number": (5, 3, 3, 6),
        "injection": (1, 3, 3, 6),
        "primary_substance": (2, 3, 3, 6),
    }
    assert made["two_or_more"]["estimate"] == 3 / 5
    assert made["two_or_more"]["missing_is_use"] == 4 / 6
    assert made["number"]["estimate"] == pytest.approx(5 / 3)
    assert made["number"]["missing_is_use"] is None


def test_nobody_expected_is_not_computable() -> None:
    made: Any = poly({"a": {"status": "dead"}, "b": {"status": "not_due"}})
    for row in made.values():
        assert (row["n_expected"], row["estimate"], row["reason"]) == (0, None, "not_computable")


# Latent classes


def test_latent_classes_are_off_unless_the_protocol_asks(
    trajectories: Callable[..., Tables],
) -> None:
    assert trajectories({"a": "AAAA"})["derived.trajectory_latent"].is_empty()


def latent(words: dict[str, str]) -> pl.DataFrame:
    """derived.trajectory_latent of people with words, at most two classes."""
    asked = Trajectories(latent_classes=2, latent_starts=5)
    protocol = LAR_X.model_copy(update={"trajectories": asked})
    observed = {person: sum(letter in "AER" for letter in word) for person, word in words.items()}
    courses = pl.LazyFrame(
        {
            "substance": "heroin",
            "word": list(words.values()),
            "trajectory_class": [
                "fluctuating" if n >= 3 else "insufficient_data" for n in observed.values()
            ],
        }
    )
    return trajectory_latent(nw.from_native(courses), protocol)


def test_two_kinds_of_courses_are_two_latent_classes() -> None:
    words = {f"a{n}": "AAAEm"[n % 2 :] + "A" * (n % 2) for n in range(40)}
    words |= {f"r{n}": "RRRRE" for n in range(20)} | {f"m{n}": "mmmmA" for n in range(5)}
    rows = latent(words).to_dicts()
    assert [(row["n_classes"], row["latent_class"]) for row in rows] == [(1, 1), (2, 1), (2, 2)]
    assert {(row["n"], row["n_left_out"]) for row in rows} == {(60, 5)}
    _, least, most = rows
    assert (least["n_class"], most["n_class"]) == (40, 20)
    assert least["share"] == pytest.approx(40 / 60, abs=1e-6)
    assert most["regular"] == pytest.approx(4 / 5, abs=1e-6)
    assert [row["is_lowest_bic"] for row in rows] == [False, True, True]
    assert least["entropy"] == pytest.approx(1, abs=1e-6)
    # Nobody's class is in doubt, so it is 40 of 60: odds 2, error of their log sqrt(1/40 + 1/20).
    wide = math.exp(1.959964 * math.sqrt(1 / 40 + 1 / 20))
    assert least["ci_low"] == pytest.approx(1 / (1 + wide / 2), abs=1e-5)
    assert least["ci_high"] == pytest.approx(1 / (1 + 1 / (2 * wide)), abs=1e-5)
    assert most["ci_low"] == pytest.approx(1 - least["ci_high"])
    assert [row["reason"] for row in rows] == ["not_defined", None, None]


def test_shares_of_classes_have_no_interval_when_few_people_carry_many_numbers() -> None:
    """60 people of every kind, two classes of five waves: some 20 numbers, and 4 are carried."""
    draw = np.random.default_rng(1)
    words = {f"p{n}": "".join(draw.choice([*"AER"], 5)) for n in range(60)}
    _, least, most = latent(words).to_dicts()
    assert least["share"] + most["share"] == pytest.approx(1)
    for row in (least, most):
        assert (row["ci_low"], row["ci_high"], row["reason"]) == (None, None, "too_few_for_terms")


def test_a_wave_that_nobody_answered_at_changes_nothing() -> None:
    """As where a question came in later: there is nothing to estimate there."""
    words = {f"a{n}": "AAAE" for n in range(40)} | {f"r{n}": "RRRE" for n in range(20)}
    later = {person: f"{word[:2]}m.{word[2:]}" for person, word in words.items()}
    assert_frame_equal(latent(words), latent(later))
    states = latent(later).select(pl.sum_horizontal("abstinent", "episodic", "regular"))
    assert states.to_series().to_list() == pytest.approx([1, 1, 1])


def test_the_states_of_a_class_have_an_interval() -> None:
    """400 answers a wave at two waves, at random: as if 800 had been asked once."""
    draw = np.random.default_rng(1)
    words = {f"p{n}": "".join(draw.choice([*"AE"], 2)) + "R" for n in range(400)}
    single, *_ = latent(words).to_dicts()
    assert single["regular"] == pytest.approx(1 / 3)
    assert single["regular_ci_low"] is None  # certain at each wave, as fitted
    share = single["abstinent"] * 3 / 2
    error = math.sqrt(share * (1 - share) / 800) * 2 / 3
    half = 1.959964 * error / (single["abstinent"] * (1 - single["abstinent"]))
    odds = math.log(single["abstinent"] / (1 - single["abstinent"]))
    assert single["abstinent_ci_low"] == pytest.approx(1 / (1 + math.exp(half - odds)), rel=0.01)
    assert single["abstinent_ci_high"] == pytest.approx(1 / (1 + math.exp(-half - odds)), rel=0.01)
    assert (single["ci_low"], single["reason"]) == (None, "not_defined")


def test_fewer_than_fifty_people_have_no_latent_classes() -> None:
    rows = latent({f"p{n}": "AARRA" for n in range(49)}).to_dicts()
    assert {(row["n"], row["share"], row["bic"], row["reason"]) for row in rows} == {
        (49, None, None, "too_few")
    }


# Missing


def test_every_estimate_counts_its_missing(trajectories: Callable[..., Tables]) -> None:
    made = trajectories({"a": "AAm", "b": "mmm", "c": "A._"})
    assert {row["n_missing"] for row in rows(made["derived.trajectory_profile"])} == {3}
    events = {
        (row["event"], row["n"], row["n_left_out"]) for row in rows(made["derived.time_to_event"])
    }
    assert events == {("relapse", 1, 2), ("sustained_abstinence", 2, 1)}
    moves = rows(made["derived.substance_transition"], from_state="abstinent")
    pooled = [row for row in moves if row["from_wave"] is None]
    assert {(row["denominator"], row["n_missing"]) for row in pooled} == {(3, 2)}
    spread = sorted(rows(made["derived.sequence_measure"]), key=lambda row: row["wave"])
    assert [row["n_missing"] for row in spread] == [1, 2, 2]
