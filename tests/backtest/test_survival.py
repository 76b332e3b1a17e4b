"""Curves, medians, incidences and tests against R's survival, cmprsk and etm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from registry_pipeline.cohorts.ctn0027 import import_ctn0027
from registry_pipeline.statistics.comparison import log_rank, panel
from registry_pipeline.statistics.competing import cumulative_incidence, gray_test
from registry_pipeline.statistics.cox import Stays, cox
from registry_pipeline.statistics.survival import at_days, kaplan_meier, life_table, summary

pytestmark = pytest.mark.backtest

Counts = tuple[pl.DataFrame, pl.DataFrame]
DAYS_PER_WEEK = 7


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


def curve_figures(counts: Counts, key: dict[str, Any], unit: int = 1) -> Iterator[Any]:
    """Size, median and every point of one keyed curve; `unit` days to one of the key's."""
    exits, entries = counts
    row = summary(kaplan_meier(exits, entries, ["group"]), ["group"], 1).row(0, named=True)
    keyed_low, keyed_high = key["median_ci_loglog"]
    yield "n", row["n"], key["n"]
    yield "events", row["n_event"], key["events"]
    for name, ours, keyed in (
        ("median", row["median_day"], key["median"]),
        ("median low", row["median_ci_low"], keyed_low),
        ("median high", row["median_ci_high"], keyed_high),
    ):
        yield name, ours, keyed and keyed * unit
    days = [round(point["time"] * unit) for point in key["at"]]
    for ours, point in zip(
        at_days(exits, entries, ["group"], days).iter_rows(named=True), key["at"], strict=True
    ):
        # R writes (1, 1) where nobody has left yet; there the contract has no interval.
        inside = 0 < point["survival"] < 1
        low, high = point["ci_loglog"] if inside else (None, None)
        yield f"n_risk {point['time']}", ours["n_at_risk"], point["n_risk"]
        yield f"survival {point['time']}", ours["retained"], point["survival"]
        yield f"std_err {point['time']}", ours["std_error"], point["std_err_greenwood"]
        yield f"low {point['time']}", ours["ci_low"], low
        yield f"high {point['time']}", ours["ci_high"], high


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


def cox_figures(exits: pl.DataFrame, level: str, key: dict[str, Any]) -> Iterator[Any]:
    """The hazard ratio of a level of `group` against the other, all exits of `exits` being one."""
    fit = cox(
        Stays(
            terms=np.array([[0.0], [1.0]]),
            which=(exits["group"] == level).cast(pl.Int64).to_numpy(),
            entry_day=np.zeros(exits.height, dtype=np.int64),
            exit_day=exits["day"].cast(pl.Int64).to_numpy(),
            is_event=exits["exit_type"].is_not_null().to_numpy(),
            people=exits["n"].cast(pl.Int64).to_numpy(),
        )
    )
    assert fit is not None
    [(_, keyed)] = key["coef"].items()
    (value, null), (estimate,), (error,) = fit.log_likelihood, fit.estimate, fit.std_error
    yield "n", exits["n"].sum(), key["n"]
    yield "events", exits.filter(pl.col("exit_type").is_not_null())["n"].sum(), key["events"]
    yield from zip(("null", "fitted"), (null, value), key["loglik"], strict=True)
    yield "likelihood ratio", 2 * (value - null), key["lr_test"][0]
    yield "Wald p", fit.p_value[0], key["wald_test"][2]
    for name, ours in (("coef", estimate), ("hr", np.exp(estimate)), ("se", error)):
        yield name, ours, keyed[name]
    yield "z", estimate / error, keyed["z"]
    yield from zip(("low", "high"), (fit.low[0], fit.high[0]), keyed["ci95_coef"], strict=True)
    yield "ratio low", np.exp(fit.low[0]), keyed["ci95_hr"][0]
    yield "ratio high", np.exp(fit.high[0]), keyed["ci95_hr"][1]


@pytest.mark.parametrize("group", ["Maintained", "Nonmaintained"])
def test_aml_curves(shared_data: Path, answers: Any, agree: Any, group: str) -> None:
    agree(curve_figures(one_group(aml(shared_data), group), answers("surv_aml")["km"][group]))


def test_aml_log_rank(shared_data: Path, answers: Any, agree: Any) -> None:
    agree(log_rank_figures(aml(shared_data), answers("surv_aml")["logrank"]))


def test_alcohol_relapse(shared_data: Path, answers: Any, agree: Any) -> None:
    key = answers("alda")["alcohol_relapse"]["km"]
    agree(curve_figures(alcohol(shared_data), key, DAYS_PER_WEEK))


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
    ours = life_table(*counts, ["group"], breaks).iter_rows(named=True)
    agree(
        (f"{theirs} {row['interval']}", got[name], row[theirs])
        for got, row in zip(ours, key, strict=True)
        for name, theirs in names.items()
        if not (name == "hazard" and row["entered"] == 0)  # null here, 0 in the key
    )


def test_cocaine_relapse(shared_data: Path, answers: Any, agree: Any) -> None:
    key, counts = answers("alda")["cocaine_relapse_1"], cocaine(shared_data)
    agree(curve_figures(pooled(counts), key["km"]))
    for group, curve in key["km_by_needle"].items():
        agree(curve_figures(one_group(counts, group), curve))
    agree(log_rank_figures(counts, key["logrank_needle"]))


def test_cocaine_hazards(shared_data: Path, answers: Any, agree: Any) -> None:
    key = answers("alda")["cocaine_relapse_1"]["discrete_life_table"][1:]
    ours = kaplan_meier(*pooled(cocaine(shared_data)), ["group"]).iter_rows(named=True)
    for row, period in zip(ours, key, strict=True):
        hazard = row["n_event"] / row["n_at_risk"]
        agree(
            [
                ("n", row["n_at_risk"], period["n"]),
                ("events", row["n_event"], period["events"]),
                ("censored", row["n_censored"], period["censored"]),
                ("hazard", hazard, period["hazard"]),
                ("survival", row["retained"], period["survival"]),
            ]
        )


def state_figures(counts: Counts, key: dict[str, Any]) -> Iterator[Any]:
    """Event-free share and incidences of one keyed group at each keyed time."""
    exits, entries = counts
    times = [point["time"] for point in key["at"]]
    free = at_days(exits, entries, ["group"], times)
    types = cumulative_incidence(exits, entries, ["group"])
    for row, point in zip(free.iter_rows(named=True), key["at"], strict=True):
        yield "n_risk", row["n_at_risk"], point["n_risk"]
        ours = {"event_free": (row["retained"], row["std_error"], row["ci_low"], row["ci_high"])}
        until = types.filter(pl.col("day") <= point["time"])
        for kind in ("pcm", "death"):
            last = until.filter(exit_type=kind).row(-1, named=True)
            ours[kind] = (last["incidence"], last["std_error"], last["ci_low"], last["ci_high"])
        for state, values in ours.items():
            keyed = (point[state]["est"], point[state]["se"], *point[state]["ci_loglog"])
            for value, expected in zip(values, keyed, strict=True):
                yield f"{state} {point['time']}", value, expected


def test_mgus2_states(shared_data: Path, answers: Any, agree: Any) -> None:
    key, counts = answers("surv_mgus2"), mgus(shared_data)
    agree(state_figures(pooled(counts), key["aalen_johansen"]))
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
    alone = exits.with_columns(exit_type=marked(pl.col("exit_type") == "pcm"))
    agree(cox_figures(alone, "M", answers("surv_mgus2")["cause_specific_cox_sex"]))


@pytest.mark.parametrize("group", ["0", "1"])
@pytest.mark.parametrize("cause", ["1", "2", "3"])
def test_abortion_delayed_entry(
    shared_data: Path, answers: Any, agree: Any, group: str, cause: str
) -> None:
    key = answers("etm_abortion")["cif"][f"group={group}"][f"CIF {cause}"]
    exits, entries = one_group(abortion(shared_data), group)
    curve = cumulative_incidence(exits, entries, ["group"], )
    curve = curve.filter(exit_type=cause)
    at_risk = at_days(exits, entries, ["group"], [point["time"] for point in key])
    for point, n in zip(key, at_risk["n_at_risk"], strict=True):
        row = curve.filter(pl.col("day") <= point["time"]).row(-1, named=True)
        own = curve.filter(day=point["time"])["n_event"].sum()
        # At incidence 0 etm writes the interval (0, 0); there the contract has none.
        low, high = (point["lower"], point["upper"]) if point["P"] else (None, None)
        agree(
            [
                ("P", row["incidence"], point["P"]),
                ("var", row["std_error"] ** 2, point["var"]),
                ("lower", row["ci_low"], low),
                ("upper", row["ci_high"], high),
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
    agree(cox_figures(counts[0], "buprenorphine", key["cox_dropout_start_bup_vs_met"]))
