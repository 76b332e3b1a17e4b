"""Estimation of every derived table from counts, and some of the same numbers from the rows.

Belongs here: the registry's estimates of all strata of all tables, timed apart from the group-bys
that count for them; and statsmodels on the rows of people.
Does not belong here: deriving core (see `derivation`), any formula.

What the registry does outside its engine (lazy frames and statements of DuckDB, planned and run)
is what it costs to turn counts into estimates.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from inspect import isfunction
from pathlib import Path
from time import perf_counter, process_time
from typing import Any, Final

import duckdb
import narwhals as nw
import numpy as np
import pandas as pd
import scipy.optimize  # noqa: F401 - what is imported on first use is not counted
from narwhals.group_by import LazyGroupBy

from benchmarks.derivation import copy_of
from benchmarks.landing import PROTOCOL
from benchmarks.measure import timed
from registry_pipeline.building.build import build_core, stored_frames
from registry_pipeline.building.layers import LAYERS
from registry_pipeline.derivations.pathways_models import COVARIATES, compared_waves
from registry_pipeline.derivations.strata import STRATA
from registry_pipeline.home import Home
from registry_pipeline.transform.baseline import baseline_factors
from registry_pipeline.transform.engine import forget_steps
from registry_pipeline.transform.outcomes import outcomes
from registry_pipeline.warehouse.database import connect
from registry_pipeline.warehouse.tables import Part, replace
from schemas.catalog import TABLES
from schemas.protocol import load_shipped

ESTIMATED: Final = ("retention", "trajectories", "pathways")
"""The layers whose tables are estimates."""

YEAR: Final = 365
CLOSE: Final = 1e-6


def registry(source: Path, out: Path) -> dict[str, float]:
    """Every table of the three layers, and the seconds of it spent beyond the engine."""
    home = Home(out)
    home.prepare()
    copy_of(source, home.database)
    protocol = load_shipped(PROTOCOL)
    numbers = dict.fromkeys(("total", "cpu", "estimate", "estimate cpu", "rows"), 0.0)
    with connect(home) as connection:
        build_core(connection)
        for layer in ESTIMATED:
            frames = stored_frames(connection, protocol)
            with timed() as spent, _timed_engine() as engine:
                made = [
                    (name, table)
                    for builder in LAYERS[layer].builders
                    for name, table in builder(frames, protocol).items()
                ]
            numbers[layer] = spent["total"] - engine["total"]
            numbers["estimate"] += spent["total"] - engine["total"]
            numbers["estimate cpu"] += spent["cpu"] - engine["cpu"]
            numbers["total"] += spent["total"]
            numbers["cpu"] += spent["cpu"]
            for name, table in made:
                part = Part(table, {"as_of_delivery": "benchmark"})
                numbers["rows"] += replace(connection, TABLES[name], [part])
            forget_steps(connection)
    return numbers


def statsmodels(source: Path, _out: Path) -> dict[str, float]:
    """Curves and adjusted models on the rows of people, held to those of the registry.

    Kaplan-Meier of treatment retention in every stratum, the adjusted logistic regression of every
    outcome at both waves compared, and one of the many estimating equations of coping: that with
    sex. Reading the rows is not counted.

    Raises:
        AssertionError: an estimate differs from the registry's.
    """
    from statsmodels.duration.survfunc import SurvfuncRight  # noqa: PLC0415 - slow to import

    database = Home(source).database
    with duckdb.connect(database, read_only=True) as connection:
        stays = connection.execute(
            f"SELECT exit_day, exit_type IS NOT NULL AS is_exit, {', '.join(STRATA)} "
            "FROM derived.retention_person WHERE kind = 'treatment' AND origin = 'baseline' "
            "AND episode_no = 1 AND entry_day = 0"
        ).df()
        retained = connection.execute(
            "SELECT stratum_by, stratum, retained FROM derived.retention_at WHERE day = ? "
            "AND kind = 'treatment' AND origin = 'baseline'",
            [YEAR],
        ).df()
        compared = connection.execute(
            "SELECT outcome, wave, pathway, estimate FROM derived.outcome_comparison "
            "WHERE measure = 'odds_ratio' AND adjusted AND estimate IS NOT NULL"
        ).df()
        people, coping = _people(connection)
    numbers = {}
    with timed() as spent:
        curves = [
            (by, value, SurvfuncRight(own["exit_day"], own["is_exit"]))
            for by, value, own in _strata(stays)
        ]
    numbers["curves"] = spent["total"]
    with timed() as spent:
        odds = _logistic(people, compared)
    numbers["models"] = spent["total"]
    with timed() as spent:
        _estimating_equation(coping)
    numbers["equation"] = spent["total"]
    known = {(by, stratum): value for by, stratum, value in retained.itertuples(index=False)}
    ours = [known[by, value] for by, value, _ in curves]
    theirs = [
        float(np.append(1.0, curve.surv_prob)[np.searchsorted(curve.surv_times, YEAR, "right")])
        for *_, curve in curves
    ]
    _held([*zip(ours, theirs, strict=True), *odds])
    total = sum(numbers.values())
    sizes = {
        "n curves": len(curves),
        "n models": len(compared.groupby(["outcome", "wave"])),
        "n equation": 1,
        "compared": len(curves) + len(odds),
    }
    return {**numbers, **sizes, "total": total}


def _people(connection: duckdb.DuckDBPyConnection) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One row per person and wave compared with covariates and outcomes; one per coping answer."""
    protocol = load_shipped(PROTOCOL)
    frames = stored_frames(connection, protocol)
    rows = outcomes(frames, protocol)
    factors = baseline_factors(frames, rows, protocol)
    joined = rows.join(factors.select("patient_id", "pathway", *COVARIATES), on="patient_id")
    at_waves = joined.filter(nw.col("wave").is_in(compared_waves(protocol)))
    answered = joined.filter((nw.col("wave") > 0) & ~nw.col("coping").is_null())
    coping = answered.select("patient_id", "coping", "sex").collect("pandas").to_native()
    return at_waves.collect("pandas").to_native(), coping.dropna().sort_values("patient_id")


def _strata(stays: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    yield "all", "all", stays
    for by in STRATA:
        for value, own in stays.groupby(by):
            yield by, str(value).lower(), own


def _logistic(people: pd.DataFrame, compared: pd.DataFrame) -> list[tuple[float, float]]:
    """Our odds ratios and those of statsmodels, a model per outcome and wave."""
    import statsmodels.api as sm  # noqa: PLC0415 - slow to import

    protocol = load_shipped(PROTOCOL)
    pairs = []
    for (outcome, wave), ours in compared.groupby(["outcome", "wave"]):
        own = people[people["wave"] == wave].dropna(subset=[outcome, "pathway", *COVARIATES])
        own = own[own["pathway"].isin([protocol.reference_pathway, *ours["pathway"]])]
        terms = pd.get_dummies(own[["pathway", *COVARIATES]], dtype=float)
        firsts = [f"pathway_{protocol.reference_pathway}"]
        firsts += [next(c for c in terms if c.startswith(f"{name}_")) for name in COVARIATES]
        matrix = sm.add_constant(terms.drop(columns=firsts))
        fit = sm.GLM(own[outcome].astype(float), matrix, family=sm.families.Binomial()).fit()
        for pathway, estimate in zip(ours["pathway"], ours["estimate"], strict=True):
            pairs.append((float(estimate), math.exp(fit.params[f"pathway_{pathway}"])))
    return pairs


def _estimating_equation(coping: pd.DataFrame) -> None:
    """GEE of coping with sex, robust errors."""
    import statsmodels.api as sm  # noqa: PLC0415 - slow to import

    matrix = sm.add_constant((coping["sex"] == "female").astype(float))
    sm.GEE(coping["coping"].astype(float), matrix, groups=coping["patient_id"]).fit()


def _held(pairs: Sequence[tuple[float, float]]) -> None:
    apart = [pair for pair in pairs if not math.isclose(*pair, rel_tol=CLOSE)]
    if apart:
        raise AssertionError(f"{len(apart)} of {len(pairs)} estimates differ")


@contextmanager
def _timed_engine() -> Iterator[dict[str, float]]:
    """The seconds, on the wall and of all threads, of group-bys: from first join to their counts.

    That is every call of a lazy frame, which DuckDB plans as it is written, and every statement.
    """
    spent = {"total": 0.0, "cpu": 0.0}
    depth = 0

    def clocked(compute: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any, **kwargs: Any) -> Any:
            nonlocal depth
            wall, cpu = perf_counter(), process_time()
            depth += 1
            try:
                return compute(*args, **kwargs)
            finally:
                depth -= 1
                if not depth:
                    spent["total"] += perf_counter() - wall
                    spent["cpu"] += process_time() - cpu

        return run

    kept = [(place, name, getattr(place, name)) for place, name in _calls_of_the_engine()]
    for place, name, compute in kept:
        setattr(place, name, clocked(compute))
    try:
        yield spent
    finally:
        for place, name, compute in kept:
            setattr(place, name, compute)


def _calls_of_the_engine() -> Iterator[tuple[Any, str]]:
    for place in (nw.LazyFrame, LazyGroupBy):
        for name, value in vars(place).items():
            if isfunction(value) and not name.startswith("_"):
                yield place, name
    yield duckdb.DuckDBPyConnection, "execute"
    yield duckdb.DuckDBPyConnection, "sql"
