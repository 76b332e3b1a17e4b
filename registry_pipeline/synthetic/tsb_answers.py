"""What the drop-out programme's people answer, and one unit's export in another registry's shape.

Belongs here: the interviews form of the cohort `tsb`, and both forms of the unit that delivers
as KVARUS does: other column names, numeric codes, 0 for "choose value", and one column that says
whether the interview was held and where the treatment stands.
Does not belong here: the maps that read that export (see the protocol `tsb`).
"""

from __future__ import annotations

from typing import Final

import numpy as np
import polars as pl

from registry_pipeline.synthetic.draw import Floats, as_date, graded, pick
from registry_pipeline.synthetic.tsb_stays import CUT_OFF, DROP_OUT, FIRST_PLANNED, LAST_PLANNED

WAVES: Final = {0: 0.96, 91: 0.8, 183: 0.7, 274: 0.66, 365: 0.62}
"""Nominal day of an interview to the share of people it is held with."""
SESSIONS: Final = (14, 28, 42)
"""Days of the sessions with a feedback tool, at the units that use one."""
TASTE: Final = {
    "alcohol": 0.1,
    "cannabis": 0.0,
    "benzodiazepine": -0.5,
    "amphetamine": -0.7,
    "cocaine": -1.2,
    "heroin": -1.1,
    "doping": -2.2,
    "other": -1.8,
}
HOUSING: Final = {"rented": 0.5, "own": 0.14, "family": 0.12, "shelter": 0.1, "homeless": 0.14}
"""From the least burdened to the most."""
EMPLOYMENT: Final = {
    "work": 0.14,
    "education": 0.14,
    "activity": 0.16,
    "benefits": 0.42,
    "none": 0.14,
}
NETWORK: Final = {"only": 0.16, "mostly": 0.34, "some": 0.36, "none": 0.14}

KVARUS_PEOPLE: Final = 36
KVARUS_UNIT: Final = "700123"
NOT_REACHED: Final = 6
"""From this status code on nobody was asked: not reached, or refused."""
ASKED: Final = ("BehPlan", "KrisePlan", "Nytte", "Medvirkning", "Paarorende", "Bolig")
BLANKS: Final = 0.06


def draw_interviews(stays: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """The interviews form: five interviews a quarter apart, and sessions with a feedback tool."""
    met = stays.filter(pl.col("turn") == 0, pl.col("start_date").is_not_null()).select(
        "patient_id", "unit_id", "severity", "start_date", "end_date", "exit_type"
    )
    n = met.height
    homeless = np.zeros(n, bool)
    interviews = []
    for wave, (day, share) in enumerate(WAVES.items()):
        burden = met["severity"].to_numpy() - 0.25 * wave + rng.normal(scale=0.5, size=n)
        burden = burden + 0.9 * homeless
        home = graded(burden + rng.normal(scale=0.5, size=n), list(HOUSING.values()))
        homeless = home >= 3
        jitter = rng.integers(0, 6, n) if wave == 0 else rng.integers(-11, 12, n)
        rows = met.with_columns(
            planned_wave=pl.lit(wave),
            interview_date=pl.col("start_date") + day + pl.Series(jitter),
            status=_status(n, share, rng),
            housing=pick(list(HOUSING), home),
            **_answers(burden, rng),
        )
        interviews.append(rows)
    sessions = [
        met.with_columns(
            interview_date=pl.col("start_date") + day,
            status=pl.lit("completed"),
            **_totals(met["severity"].to_numpy() - 0.2 * turn, rng),
        )
        for turn, day in enumerate(SESSIONS, start=1)
    ]
    uses = pl.col("unit_id").is_in(["unn", "oslo"])
    held = pl.col("status").is_in(["completed", "partial"])
    told = ("patient_id", "unit_id", "interview_date", "status", "planned_wave", "recall_days")
    rows = pl.concat([*interviews, *(one.filter(uses) for one in sessions)], how="diagonal")
    return (
        rows.with_columns(
            treatment_status=_treatment_status(),
            ors_total=pl.when(uses).then("ors_total"),
            srs_total=pl.when(uses).then("srs_total"),
        )
        .with_columns(pl.when(held).then(pl.exclude(*told)))
        .filter(pl.col("interview_date") <= CUT_OFF)
        .unique(["patient_id", "interview_date"], keep="first", maintain_order=True)
        .sort("interview_date", "patient_id")
    )


def _status(n: int, share: float, rng: np.random.Generator) -> pl.Series:
    lost = 1 - share
    codes = rng.choice(4, n, p=[share - 0.03, 0.03, 0.8 * lost, 0.2 * lost])
    return pick(["completed", "partial", "missed", "refused"], codes)


def _treatment_status() -> pl.Expr:
    """Active until the stay ends, then as it ended; after a year the follow-up was done."""
    ended = pl.col("end_date") < pl.col("interview_date")
    exits = {**dict.fromkeys(DROP_OUT, "interrupted"), "transfer_unit": "transferred"}
    how = pl.col("exit_type").replace_strict(exits, default="ended_mutual")
    year = pl.col("interview_date") > pl.col("end_date") + 330
    return (
        pl.when(year)
        .then(pl.lit("followup_done"))
        .when(ended)
        .then(how)
        .otherwise(pl.lit("active"))
    )


def _answers(burden: Floats, rng: np.random.Generator) -> dict[str, pl.Series]:
    n = len(burden)
    items = {
        f"hscl10_{item}": 1 + graded(burden + rng.normal(scale=0.8, size=n), [0.3, 0.3, 0.25, 0.15])
        for item in range(1, 11)
    }
    use = {
        f"{code}_days": np.clip(10 * (burden + taste + rng.normal(scale=0.8, size=n)), 0, 28)
        for code, taste in TASTE.items()
    }
    codes = {
        "employment": pick(list(EMPLOYMENT), graded(burden / 1.3, list(EMPLOYMENT.values()))),
        "drug_free_network": pick(list(NETWORK), graded(burden / 1.2, list(NETWORK.values()))),
        "treatment_plan": _yes_no(n, 0.78, rng),
        "crisis_plan": _yes_no(n, 0.55, rng),
        "took_part_in_choice": _yes_no(n, 0.72, rng),
        "network_involved": _yes_no(n, 0.5, rng),
    }
    scores = {
        "coping_score": np.clip(np.round(5.5 - 1.4 * burden + rng.normal(size=n)), 0, 10),
        "life_satisfaction": np.clip(np.round(5 - 1.3 * burden + rng.normal(size=n)), 0, 10),
        "treatment_benefit": np.clip(np.round(3.6 - 0.5 * burden + rng.normal(size=n)), 1, 5),
        "overdose_count": rng.poisson(np.clip(0.05 * (1 + burden), 0, None)),
        "injection_days": np.clip(6 * (burden - 0.7), 0, 28),
        "crime_days": np.clip(4 * (burden - 0.9), 0, 28),
    }
    numbers = {**items, **use, **scores}
    return {
        **{name: pl.Series(np.asarray(values, np.int64)) for name, values in numbers.items()},
        **{name: _blanked(series, rng) for name, series in codes.items()},
        **_totals(burden, rng),
        "recall_days": pl.Series(np.full(n, 28)),
        "mode": pick(["in_person", "phone", "video"], rng.choice(3, n, p=[0.75, 0.2, 0.05])),
        "prescribed_benzodiazepine": pl.Series(rng.random(n) < 0.1),
    }


def _totals(burden: Floats, rng: np.random.Generator) -> dict[str, pl.Series]:
    """Totals of the two feedback scales, to one decimal."""
    n = len(burden)
    ors = np.clip(24 - 5.5 * burden + rng.normal(scale=2.5, size=n), 0, 40)
    srs = np.clip(36.5 - 0.8 * burden + rng.normal(scale=2.5, size=n), 0, 40)
    return {"ors_total": pl.Series(ors.round(1)), "srs_total": pl.Series(srs.round(1))}


def _yes_no(n: int, yes: float, rng: np.random.Generator) -> pl.Series:
    return pick(["yes", "no", "unknown"], rng.choice(3, n, p=[yes, 0.9 - yes, 0.1]))


def _blanked(series: pl.Series, rng: np.random.Generator) -> pl.Series:
    blank = pl.Series(rng.random(len(series)) < BLANKS)
    return series.to_frame("kept").select(pl.when(~blank).then("kept")).to_series()


def draw_export(rng: np.random.Generator) -> dict[str, pl.DataFrame]:
    """Both files of the unit that delivers in the shape of KVARUS."""
    n = KVARUS_PEOPLE
    start = np.linspace(FIRST_PLANNED, LAST_PLANNED, n).astype(np.int64)
    ids = [f"MN-{number:03d}" for number in range(1, n + 1)]
    burden = rng.normal(size=n)
    people = pl.DataFrame(
        {
            "PasientID": ids,
            "Kjonn": pick(["Mann", "Kvinne"], (rng.random(n) < 0.35).astype(np.int64)),
            "Fodselsaar": 2023 - (20 + rng.gamma(3.0, 5.5, n)).astype(int),
            "EnhetID": KVARUS_UNIT,
            "Registrert": start,
            "Reservert": 0,
            "Grunnlag": 2,
            "PsykiskLidelse": pick(["ja", "nei"], (rng.random(n) < 0.55).astype(np.int64)),
        }
    )
    ended = rng.random(n)
    parts = []
    for turn, day in enumerate((0, 90, 185, 275, 560)):
        parts.append(_measurement(ids, start + day, turn, (burden - 0.25 * turn, ended), rng))
    measurements = pl.concat(parts).filter(pl.col("MaaleDato") <= CUT_OFF)
    return {
        "patients": people.with_columns(as_date("Registrert")),
        "interviews": measurements.sort("MaaleDato", "PasientID").with_columns(
            as_date("MaaleDato")
        ),
    }


def _measurement(
    ids: list[str],
    day: np.ndarray,
    turn: int,
    latent: tuple[Floats, Floats],
    rng: np.random.Generator,
) -> pl.DataFrame:
    """One measurement point of everyone: codes as KVARUS has them, 0 where none was chosen."""
    n, (burden, ended) = len(ids), latent
    over = np.where(ended < 0.3, 3, np.where(ended < 0.85, 4, 2))
    after = np.select([ended < 0.3, ended < 0.55], [6, 7], 5)
    status = [np.ones(n, np.int64), np.where(ended < 0.2, 3, 1), over, over, after][turn]
    if turn == 0:
        status = np.where(rng.random(n) < 0.1, 2, 1)
    unset = (rng.random(n) < 0.05) & (turn in (1, 2, 3))
    points = pl.DataFrame(
        {
            "PasientID": ids,
            "EnhetID": KVARUS_UNIT,
            "MaaleDato": day + rng.integers(-7, 8, n) * (turn > 0),
            "BehStatus": np.where(unset, 0, status),
            "BehPlan": rng.choice(4, n, p=[0.05, 0.12, 0.77, 0.06]),
            "KrisePlan": rng.choice(4, n, p=[0.06, 0.3, 0.56, 0.08]),
            "Nytte": np.where(
                rng.random(n) < BLANKS,
                0,
                np.clip(np.round(3.7 - 0.5 * burden + rng.normal(size=n)), 1, 5),
            ).astype(np.int64),
            "Medvirkning": rng.choice(4, n, p=[0.05, 0.2, 0.65, 0.1]),
            "Paarorende": rng.choice(4, n, p=[0.05, 0.4, 0.45, 0.1]),
            "Bolig": rng.choice(6, n, p=[0.04, 0.15, 0.45, 0.15, 0.11, 0.1]),
            "Merknad": "",
        }
    )
    held = pl.col("BehStatus") < NOT_REACHED
    return points.with_columns(pl.when(held).then(pl.col(ASKED)).otherwise(0))
