"""Curves, medians, incidences and tests against R's survival, cmprsk and etm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import special

from registry_pipeline.cohorts.ctn0027 import import_ctn0027
from registry_pipeline.statistics.comparison import log_rank, panel
from registry_pipeline.statistics.competing import cumulative_incidence, gray_test
from registry_pipeline.statistics.concordance import concordance
from registry_pipeline.statistics.cox import Fit, Stays, cox
from registry_pipeline.statistics.intervals import Scale, with_curve_interval
from registry_pipeline.statistics.life_table import life_table
from registry_pipeline.statistics.subdistribution import fine_gray
from registry_pipeline.statistics.survival import (
    at_days,
    kaplan_meier,
    summary,
    with_cumulative_hazard,
)

pytestmark = pytest.mark.backtest

Counts = tuple[pl.DataFrame, pl.DataFrame]
DAYS_PER_WEEK = 7
SCALES: dict[Scale, str] = {"log_log": "ci_loglog", "log": "ci_log", "plain": "ci_plain"}


def counted(people: pl.DataFrame, entry: pl.Expr | None = None) -> Counts:
    """Exits and entries of people with `group`, `day` and `exit_type`."""
    people = people.with_columns(all=pl.lit("all"), entry=pl.lit(0) if entry is None else entry)
    return (
        people.group_by("all", "group", "day", "exit_type").len("n"),
        people.group_by("all", "group", day="entry").len("n"),
    )


def pooled(counts: Counts) -> Counts:
    """The same counts as one group."""
    exits, entries = (frame.with_columns(group=pl.lit("all")) for frame in counts)
    return exits, entries


def marked(condition: pl.Expr) -> pl.Expr:
    return pl.when(condition).then(pl.lit("exit"))


def aml(folder: Path) -> Counts:
    people = pl.read_csv(folder / "surv_aml.csv")
    return counted(people.select(group="x", day="time", exit_type=marked(pl.col("status") == 1)))


def alcohol(folder: Path) -> Counts:
    people = pl.read_csv(folder / "alda_alcohol_relapse.csv")
    days = (pl.col("weeks") * DAYS_PER_WEEK).round().cast(pl.Int64)
    return counted(
        people.select(group=pl.lit("all"), day=days, exit_type=marked(pl.col("censor") == 0))
    )


def cocaine(folder: Path) -> Counts:
    people = pl.read_csv(folder / "alda_cocaine_relapse_1.csv")
    left = marked(pl.col("censor") == 0)
    group = pl.col("needle").cast(pl.String)
    return counted(people.select(group=group, day="weeks", exit_type=left))


def mgus(folder: Path) -> Counts:
    people = pl.read_csv(folder / "surv_mgus2.csv", null_values="NA")
    exit_type = pl.when(pl.col("event") != "censor").then("event")
    return counted(people.select(group="sex", day="etime", exit_type=exit_type))


def abortion(folder: Path) -> Counts:
    people = pl.read_csv(folder / "etm_abortion.csv")
    group, cause = (pl.col(name).cast(pl.String) for name in ("group", "cause"))
    people = people.select("entry", group=group, day="exit", exit_type=cause)
    return counted(people, pl.col("entry"))


def start(folder: Path, tmp_path: Path) -> Counts:
    """The START trial: weeks until four missing weeks in a row, by arm."""
    landing = import_ctn0027(folder / "ctn0027", tmp_path, "four-missing-weeks").folder
    stays = pl.read_csv(landing / "episodes.csv", try_parse_dates=True)
    length = (pl.col("end_date") - pl.col("start_date")).dt.total_days() + pl.col("cover_days")
    return counted(stays.select("exit_type", group="pathway", day=length // DAYS_PER_WEEK))


def median_figures(curve: pl.DataFrame, key: dict[str, Any], unit: int) -> Iterator[Any]:
    """The median, and its interval on each scale; `unit` days to one of the key's."""
    for scale, name in SCALES.items():
        on_scale = with_curve_interval(curve, "retained", scale)
        row = summary(on_scale, ["group"], 1).row(0, named=True)
        ours = (row[name] for name in ("median_day", "median_ci_low", "median_ci_high"))
        keyed = (key["median"], *key[f"median_{name}"])
        for day, wanted in zip(ours, keyed, strict=True):
            yield f"median {name}", day and day / unit, wanted


def interval_figures(
    rows: pl.DataFrame, points: list[dict[str, Any]], estimate: str
) -> Iterator[Any]:
    """The interval on each scale of rows with `estimate` and `std_error`."""
    for scale, name in SCALES.items():
        on_scale = with_curve_interval(rows, estimate, scale)
        for row, point in zip(on_scale.iter_rows(named=True), points, strict=True):
            # Where nobody has left R writes (1, 1); there the contract has no interval.
            assert (row["ci_low"] is None) == (row[estimate] in (0, 1))
            bounds = [1.0 if row[estimate] == 1 else row[end] for end in ("ci_low", "ci_high")]
            yield from ((name, *pair) for pair in zip(bounds, point[name], strict=True))


def curve_figures(counts: Counts, key: dict[str, Any], unit: int = 1) -> Iterator[Any]:
    """Size, median and every point of one keyed curve; `unit` days to one of the key's."""
    exits, entries = counts
    curve = kaplan_meier(exits, entries, ["group"])
    yield "n", curve["n_event"].sum() + curve["n_censored"].sum(), key["n"]
    yield "events", curve["n_event"].sum(), key["events"]
    yield from median_figures(curve, key, unit)
    days = [round(point["time"] * unit) for point in key["at"]]
    rows = at_days(exits, entries, ["group"], days)
    for ours, point in zip(rows.iter_rows(named=True), key["at"], strict=True):
        yield f"n_risk {point['time']}", ours["n_at_risk"], point["n_risk"]
        yield f"survival {point['time']}", ours["retained"], point["survival"]
        yield f"std_err {point['time']}", ours["std_error"], point["std_err_greenwood"]
    yield from interval_figures(rows, key["at"], "retained")


def one_group(counts: Counts, group: str) -> Counts:
    exits, entries = (frame.filter(group=group) for frame in counts)
    return exits, entries


def log_rank_figures(counts: Counts, key: dict[str, Any]) -> Iterator[Any]:
    test = log_rank(*counts, ["all"], "group").row(0, named=True)
    for name, keyed in (("statistic", "chisq"), ("df", "df"), ("p_value", "p")):
        yield name, test[name], key[keyed]
    n, events = pl.col("n_at_risk"), pl.col("n_event")
    groups = (
        panel(*counts, ["all"], "group")
        .with_columns(expected=n / n.sum().over("day") * events.sum().over("day"))
        .group_by("group")
        .agg(events.sum(), pl.col("expected").sum())
        .sort("group")
    )
    yield from zip(groups["group"], groups["n_event"], key["observed"], strict=True)
    yield from zip(groups["group"], groups["expected"], key["expected"], strict=True)


def stays_of(exits: pl.DataFrame, level: str, event: str | None = None) -> Stays:
    """People of two groups; one exit type is the event, or any."""
    exit_type = pl.col("exit_type")
    is_event = exit_type.is_not_null() if event is None else exit_type.eq_missing(event)
    marked = exits.with_columns(e=is_event, c=exit_type.is_not_null() & ~is_event)
    return Stays(
        terms=np.array([[0.0], [1.0]]),
        which=(exits["group"] == level).cast(pl.Int64).to_numpy(),
        entry_day=np.zeros(exits.height, dtype=np.int64),
        exit_day=exits["day"].cast(pl.Int64).to_numpy(),
        is_event=marked["e"].to_numpy(),
        people=exits["n"].cast(pl.Int64).to_numpy(),
        competes=marked["c"].to_numpy(),
    )


def ratio_figures(fit: Fit, key: dict[str, Any]) -> Iterator[Any]:
    """The one coefficient and the likelihoods of a model."""
    [(_, keyed)] = key["coef"].items()
    value, null = fit.log_likelihood
    yield from zip(("null", "fitted"), (null, value), key["loglik"], strict=True)
    ratio = 2 * (value - null)
    yield "likelihood ratio", ratio, key["lr_test"][0]
    yield "its df", len(fit.estimate), key["lr_test"][1]
    yield "its p", float(special.chdtrc(1, ratio)), key["lr_test"][2]
    yield "coef", fit.estimate[0], keyed["coef"]
    yield "hr", np.exp(fit.estimate[0]), keyed["hr"]


def cox_figures(exits: pl.DataFrame, level: str, key: dict[str, Any], event: str | None) -> Any:
    """The cause-specific hazard ratio of a level of `group` against the other."""
    stays = stays_of(exits, level, event)
    fit = cox(stays)
    assert fit is not None
    [(_, keyed)] = key["coef"].items()
    (estimate,), (error,), (p_value,) = fit.estimate, fit.std_error, fit.p_value
    yield from ratio_figures(fit, key)
    yield "n", stays.people.sum(), key["n"]
    yield "events", stays.people[stays.is_event].sum(), key["events"]
    yield "Wald, as it is printed", round((estimate / error) ** 2, 2), key["wald_test"][0]
    yield "Wald df", 1, key["wald_test"][1]
    yield "Wald p", p_value, key["wald_test"][2]
    yield "p", p_value, keyed["p"]
    yield "se", error, keyed["se"]
    yield "z", estimate / error, keyed["z"]
    yield from zip(("low", "high"), (fit.low[0], fit.high[0]), keyed["ci95_coef"], strict=True)
    yield "ratio low", np.exp(fit.low[0]), keyed["ci95_hr"][0]
    yield "ratio high", np.exp(fit.high[0]), keyed["ci95_hr"][1]
    told = concordance(stays, fit.estimate)
    assert told is not None
    yield from zip(("concordance", "its error"), told, key["concordance"], strict=True)


@pytest.mark.parametrize("group", ["Maintained", "Nonmaintained"])
def test_aml_curves(shared_data: Path, answers: Any, agree: Any, group: str) -> None:
    agree(curve_figures(one_group(aml(shared_data), group), answers("surv_aml")["km"][group]))


def test_aml_log_rank(shared_data: Path, answers: Any, agree: Any) -> None:
    agree(log_rank_figures(aml(shared_data), answers("surv_aml")["logrank"]))


def test_alcohol_relapse(shared_data: Path, answers: Any, agree: Any) -> None:
    key = answers("alda")["alcohol_relapse"]["km"]
    agree(curve_figures(alcohol(shared_data), key, DAYS_PER_WEEK))


def test_alcohol_cumulative_hazard(shared_data: Path, answers: Any, agree: Any) -> None:
    curve = kaplan_meier(*alcohol(shared_data), ["group"])
    hazard = with_cumulative_hazard(curve, ["group"])
    for point in answers("alda")["alcohol_relapse"]["nelson_aalen"]:
        until = hazard.filter(pl.col("day") <= round(point["time"] * DAYS_PER_WEEK))
        row = until.row(-1, named=True)
        agree(
            [
                ("hazard", row["cumulative_hazard"], point["cumhaz"]),
                ("error", row["cumulative_hazard_std_error"], point["se"]),
            ]
        )


def test_alcohol_life_table(shared_data: Path, answers: Any, agree: Any) -> None:
    key = answers("alda")["alcohol_relapse"]["life_table_13wk"]
    counts = alcohol(shared_data)
    breaks = [round(row["interval"][0] * DAYS_PER_WEEK) for row in key]
    names = {
        "n_entered": "entered",
        "n_event": "events",
        "n_censored": "censored",
        "n_effective": "n_eff",
        "hazard": "cond_event",
        "retained": "survival",
    }
    ours = life_table(*counts, ["group"], breaks)
    # Of nobody the key says that 0 % left; here that is null.
    assert ours.filter(pl.col("hazard").is_null() != (pl.col("n_entered") == 0)).is_empty()
    agree(
        (f"{theirs} {row['interval']}", got[name], row[theirs])
        for got, row in zip(
            ours.with_columns(pl.col("hazard").fill_null(0)).iter_rows(named=True), key, strict=True
        )
        for name, theirs in names.items()
    )


def test_cocaine_relapse(shared_data: Path, answers: Any, agree: Any) -> None:
    key, counts = answers("alda")["cocaine_relapse_1"], cocaine(shared_data)
    agree(curve_figures(pooled(counts), key["km"]))
    for group, curve in key["km_by_needle"].items():
        agree(curve_figures(one_group(counts, group), curve))
    agree(log_rank_figures(counts, key["logrank_needle"]))


def test_cocaine_hazards(shared_data: Path, answers: Any, agree: Any) -> None:
    """Weeks of their own, each an interval of a life table; nobody leaves before the first."""
    key = answers("alda")["cocaine_relapse_1"]["discrete_life_table"]
    weeks = [round(period["period"]) for period in key]
    ours = life_table(*pooled(cocaine(shared_data)), ["group"], [*weeks, weeks[-1] + 1])
    names = {
        "n_effective": "n",
        "n_event": "events",
        "n_censored": "censored",
        "hazard": "hazard",
        "hazard_std_error": "se_hazard",
        "retained": "survival",
    }
    for row, period in zip(ours.iter_rows(named=True), key, strict=False):
        agree(
            (theirs, row[name], period[theirs])
            for name, theirs in names.items()
            if theirs in period and not (theirs == "hazard" and row["interval_start"] == 0)
        )


def state_figures(counts: Counts, key: dict[str, Any]) -> Iterator[Any]:
    """Event-free share and incidences of one keyed group at each keyed time."""
    exits, entries = counts
    left = exits.with_columns(kind=pl.col("exit_type").fill_null("censor"))
    yield "n", left["n"].sum(), key["n"]
    for kind, n in key["counts"].items():
        yield kind, left.filter(kind=kind)["n"].sum(), n
    times = [point["time"] for point in key["at"]]
    free = at_days(exits, entries, ["group"], times)
    types = cumulative_incidence(exits, entries, ["group"])
    for row, point in zip(free.iter_rows(named=True), key["at"], strict=True):
        yield "n_risk", row["n_at_risk"], point["n_risk"]
    asked = free.select("group", "day").sort("day")
    rows = {"event_free": free.rename({"retained": "incidence"})} | {
        kind: asked.join_asof(types.filter(exit_type=kind).sort("day"), on="day", by="group")
        for kind in ("pcm", "death")
    }
    for state, on_days in rows.items():
        points = [point[state] for point in key["at"]]
        for row, point in zip(on_days.iter_rows(named=True), points, strict=True):
            yield state, row["incidence"], point["est"]
            yield f"{state} error", row["std_error"], point["se"]
        yield from interval_figures(on_days, points, "incidence")


def test_mgus2_states(shared_data: Path, answers: Any, agree: Any) -> None:
    key, counts = answers("surv_mgus2"), mgus(shared_data)
    whole = key["aalen_johansen"]
    agree(state_figures(pooled(counts), whole))
    agree((kind, float(n), key["counts"][kind]) for kind, n in whole["counts"].items())
    for sex, states in key["aj_by_sex"].items():
        agree(state_figures(one_group(counts, sex), states))


def test_mgus2_one_type_alone_overstates(shared_data: Path, answers: Any, agree: Any) -> None:
    exits, entries = pooled(mgus(shared_data))
    alone = exits.with_columns(exit_type=marked(pl.col("exit_type") == "pcm"))
    agree(curve_figures((alone, entries), answers("surv_mgus2")["naive_1_minus_km_pcm"]))


def test_mgus2_incidence_by_sex(shared_data: Path, answers: Any, agree: Any) -> None:
    key = answers("surv_mgus2")["cuminc_by_sex"]
    ours = cumulative_incidence(*mgus(shared_data), ["group"])
    kinds = {"1": "pcm", "2": "death"}
    for name, estimates in zip(key["rows"], key["est"], strict=True):
        sex, kind = name.split()
        curve = ours.filter(group=sex, exit_type=kinds[kind])
        for month, keyed in zip(key["cols"], estimates, strict=True):
            last = curve.filter(pl.col("day") <= int(month)).row(-1, named=True)
            agree([(f"{name} {month}", last["incidence"], keyed)])


def test_mgus2_gray(shared_data: Path, answers: Any, agree: Any) -> None:
    key = answers("surv_mgus2")["gray_by_sex"]["tests"]
    ours = gray_test(*mgus(shared_data), ["all"], "group")
    for code, kind in (("1", "pcm"), ("2", "death")):
        row = ours.filter(exit_type=kind).row(0, named=True)
        names = {"statistic": "stat", "p_value": "p", "df": "df"}
        agree((kind, row[name], key[code][theirs]) for name, theirs in names.items())


def test_mgus2_cause_specific_hazard(shared_data: Path, answers: Any, agree: Any) -> None:
    exits, _ = mgus(shared_data)
    agree(cox_figures(exits, "M", answers("surv_mgus2")["cause_specific_cox_sex"], "pcm"))


def test_mgus2_subdistribution_hazard(shared_data: Path, answers: Any, agree: Any) -> None:
    """As coxph makes it of R's finegray, and with the conventions and errors of cmprsk's crr."""
    exits, _ = mgus(shared_data)
    stays, key = stays_of(exits, "M", "pcm"), answers("surv_mgus2")
    efron, breslow = fine_gray(stays), fine_gray(stays, "breslow")
    assert efron is not None
    assert breslow is not None
    crr = key["crr_sex"]
    agree(
        [
            *ratio_figures(efron, key["finegray_sex"]),
            ("events", stays.people[stays.is_event].sum(), key["finegray_sex"]["events"]),
            ("crr", breslow.estimate[0], crr["coef"]),
            ("crr error", breslow.std_error[0], crr["se"]),
        ]
    )
    assert efron.std_error[0] == pytest.approx(crr["se"], rel=1e-3)


@pytest.mark.parametrize("group", ["0", "1"])
@pytest.mark.parametrize("cause", ["1", "2", "3"])
def test_abortion_delayed_entry(
    shared_data: Path, answers: Any, agree: Any, group: str, cause: str
) -> None:
    key = answers("etm_abortion")["cif"][f"group={group}"][f"CIF {cause}"]
    exits, entries = one_group(abortion(shared_data), group)
    curve = cumulative_incidence(exits, entries, ["group"]).filter(exit_type=cause)
    curve = with_curve_interval(curve, "incidence", "complementary_log_log")
    at_risk = at_days(exits, entries, ["group"], [point["time"] for point in key])
    for point, n in zip(key, at_risk["n_at_risk"], strict=True):
        row = curve.filter(pl.col("day") <= point["time"]).row(-1, named=True)
        own = curve.filter(day=point["time"])["n_event"].sum()
        # At incidence 0 etm writes the interval (0, 0); there the contract has none.
        bounds = [row[name] if row["incidence"] else 0.0 for name in ("ci_low", "ci_high")]
        assert (row["ci_low"] is None) == (row["incidence"] == 0)
        agree(
            [
                ("P", row["incidence"], point["P"]),
                ("var", row["std_error"] ** 2, point["var"]),
                ("lower", bounds[0], point["lower"]),
                ("upper", bounds[1], point["upper"]),
                ("n.risk", n, point["n.risk"]),
                ("n.event", own, point["n.event"]),
            ]
        )


def test_start_trial(shared_data: Path, tmp_path: Path, answers: Any, agree: Any) -> None:
    key, counts = answers("ctn0027"), start(shared_data, tmp_path)
    curves = key["km_dropout_4wk_missing_uds_weeks"]
    for group, arm in (("methadone", "Methadone"), ("buprenorphine", "Outpatient BUP")):
        agree(curve_figures(one_group(counts, group), curves[arm]))
    methadone_first = {"methadone": "1", "buprenorphine": "2"}
    exits, entries = (
        frame.with_columns(pl.col("group").replace(methadone_first)) for frame in counts
    )
    agree(log_rank_figures((exits, entries), key["logrank_dropout_start"]))
    agree(cox_figures(counts[0], "buprenorphine", key["cox_dropout_start_bup_vs_met"], None))
