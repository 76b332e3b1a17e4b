"""The drop-out programme's people and their stays: who is referred, who comes, who leaves early.

Belongs here: the patients, episodes and events forms of the cohort `tsb`.
Does not belong here: what is done with people (see `tsb_steps`), what they answer (see
`tsb_answers`).

The programme's measures go with better courses here, as its teams hope: a call before admission
with attendance, a checklist with fewer drop-outs, peer outreach with a return. That is how the
sample was made, and says nothing of any real unit.
"""

from __future__ import annotations

from datetime import date
from typing import Final

import numpy as np
import polars as pl

from registry_pipeline.synthetic.draw import NEVER, day_number, pick, quota

FIRST_PLANNED: Final = day_number(date(2023, 1, 9))
LAST_PLANNED: Final = day_number(date(2024, 10, 14))
CUT_OFF: Final = day_number(date(2025, 1, 1))
CHECKLISTS_FROM: Final = day_number(date(2024, 1, 1))
"""The day the youth unit began to use the checklist and regular milestone meetings."""

PEOPLE: Final = {"oslo": 40, "stavanger": 44, "sorlandet": 44, "unn": 32}
"""People by the unit that treats them; the sixth unit's people come as another export."""
CALLS: Final = {"oslo": 0.0, "stavanger": 0.4, "sorlandet": 0.7, "unn": 0.4}
"""Share of people who are rung before a planned admission."""
REACHES: Final = {"oslo": 0.2, "stavanger": 0.75, "sorlandet": 0.2, "unn": 0.2}
"""Share of those who dropped out whom peers seek out."""
LEVELS: Final = {
    "oslo": {"inpatient": 0.65, "outpatient": 0.35},
    "stavanger": {"inpatient": 0.6, "outpatient": 0.4},
    "sorlandet": {"detox": 1.0},
    "unn": {"inpatient": 0.75, "outpatient": 0.25},
}
PATHWAY: Final = {
    "inpatient": "inpatient_treatment",
    "outpatient": "outpatient_treatment",
    "detox": "detoxification",
    "municipal": "municipal_follow_up",
}
LENGTH: Final = {
    "detox": (6, 13),
    "inpatient": (60, 150),
    "outpatient": (110, 260),
    "municipal": (120, 400),
}
"""Days a stay lasts that ends as planned, by level: from, up to."""
DROP_OUT: Final = {
    "patient_absent": 0.45,
    "patient_notified": 0.3,
    "interrupted_unspecified": 0.15,
    "institution": 0.1,
}
OTHER_EXIT: Final = {"planned_mutual": 0.72, "unknown": 0.22, "moved": 0.03, "incarcerated": 0.03}
MUNICIPALITY: Final = {"oslo": "0301", "stavanger": "1103", "sorlandet": "4204", "unn": "5501"}


def draw_people(rng: np.random.Generator) -> pl.DataFrame:
    """One row per person, with the patients form's columns and what the course depends on.

    Beside the form's: age, severity (latent, higher is worse), planned and referred (days),
    called (rung before the admission), never_met.
    """
    n = sum(PEOPLE.values())
    unit = pl.Series([unit for unit, people in PEOPLE.items() for _ in range(people)])
    is_oslo = (unit == "oslo").to_numpy()
    age = np.where(is_oslo, 18 + rng.integers(0, 8, n), 20 + rng.gamma(3.0, 5.5, n)).astype(int)
    disorder = quota(rng, n, 0.45)
    severity = 0.5 * (disorder - 0.45) + 0.4 * (age < 23) + rng.normal(size=n)
    planned = np.linspace(FIRST_PLANNED, LAST_PLANNED, n).astype(np.int64)[rng.permutation(n)]
    rings = unit.replace_strict(CALLS, return_dtype=pl.Float64).to_numpy()
    called = rng.random(n) < rings
    never = rng.random(n) < np.where(called, 0.1, 0.24)
    referred = planned - 7 - rng.gamma(2.0, 14, n).astype(np.int64)
    frame = pl.DataFrame(
        {
            "unit_id": unit,
            "age": age,
            "birth_year": 2023 - age,
            "sex": pick(["male", "female"], (rng.random(n) < 0.34).astype(np.int64)),
            "co_occurring_disorder": disorder,
            "severity": severity,
            "planned": planned,
            "referred": referred,
            "called": called,
            "never_met": never,
        }
    ).sort("referred")
    return frame.with_columns(
        patient_id=pl.format("TS-{}", pl.int_range(1, pl.len() + 1).cast(pl.String).str.zfill(4)),
        municipality_code=pl.col("unit_id").replace_strict(MUNICIPALITY),
        invited_date="referred",
        consent=pl.lit("no_answer"),
        legal_basis=pl.lit("opt_out"),
        primary_substance=pick(
            ["alcohol", "cannabis", "amphetamine", "heroin"],
            rng.choice(4, n, p=[0.35, 0.25, 0.2, 0.2]),
        ),
    )


def with_opted_out(patients: pl.DataFrame) -> pl.DataFrame:
    """The patients and three more who opted out, with nothing beside the invitation."""
    others = patients[:3].select(
        "unit_id",
        "sex",
        "birth_year",
        "invited_date",
        "legal_basis",
        patient_id=pl.format("TS-{}", pl.int_range(9001, 9004)),
        consent=pl.lit("opt_out"),
    )
    return pl.concat([patients, others], how="diagonal")


def draw_stays(people: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Every stay with its person's columns; `turn` 0 is the first, `reached` peers came after it.

    People who never came have one stay without a start.
    """
    first = _first_stays(people, rng)
    back = _returns(first, rng)
    later = pl.concat([_next_treatment(first, rng), _after_care(first, rng)])
    moved_on = later.select("patient_id", onward=pl.lit(value=True))
    first = first.join(moved_on, on="patient_id", how="left", maintain_order="left").with_columns(
        exit_type=pl.when("onward").then(pl.lit("transfer_unit")).otherwise("exit_type")
    )
    stays = pl.concat([first.drop("onward"), back, later])
    is_open = pl.col("end_date") > CUT_OFF
    return stays.filter(pl.col("start_date").is_null() | (pl.col("start_date") <= CUT_OFF)).select(
        pl.exclude("end_date", "exit_type"),
        pl.when(~is_open).then("end_date").alias("end_date"),
        pl.when(~is_open.fill_null(value=False)).then("exit_type").alias("exit_type"),
    )


def _first_stays(people: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    n = people.height
    level = pl.Series(
        [
            rng.choice(list(LEVELS[unit]), p=list(LEVELS[unit].values()))
            for unit in people["unit_id"]
        ]
    )
    start = people["planned"].to_numpy() + rng.integers(0, 3, n)
    helped = ((people["unit_id"] == "oslo") & (people["planned"] >= CHECKLISTS_FROM)).to_numpy()
    risk = people["severity"].to_numpy() - 0.9 * helped + rng.normal(scale=0.8, size=n)
    leaves = risk > np.quantile(risk, 0.68)
    other = rng.choice(len(OTHER_EXIT), n, p=list(OTHER_EXIT.values()))
    left = rng.choice(len(DROP_OUT), n, p=list(DROP_OUT.values()))
    length = _lengths(level, rng)
    length = np.where(leaves, (length * rng.uniform(0.08, 0.7, n)).astype(np.int64), length)
    reaches = people["unit_id"].replace_strict(REACHES, return_dtype=pl.Float64)
    disorder = people["co_occurring_disorder"].to_numpy()
    treated = (disorder & (rng.random(n) < 0.6)).astype(np.int64)
    return people.with_columns(
        level=level,
        turn=0,
        start_date=start,
        end_date=start + length,
        leaves=leaves,
        exit_type=pl.when(pl.Series(leaves))
        .then(pick(list(DROP_OUT), left))
        .otherwise(pick(list(OTHER_EXIT), other)),
        is_planned=rng.random(n) < 0.92,
        disorder_treated=pick(["substance", "both"], treated),
        reached=pl.Series(leaves & (rng.random(n) < reaches.to_numpy())),
        stay_unit=pl.col("unit_id"),
    ).with_columns(
        pl.when("never_met").then(None).otherwise("start_date").alias("start_date"),
        pl.when("never_met").then(None).otherwise("end_date").alias("end_date"),
        pl.when("never_met").then(pl.lit("never_met")).otherwise("exit_type").alias("exit_type"),
        is_planned=pl.col("never_met") | pl.col("is_planned"),
        leaves=pl.col("leaves") & ~pl.col("never_met"),
        reached=pl.col("reached") & ~pl.col("never_met"),
    )


def _returns(first: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Those who come back after they dropped out, more of them where peers sought them out."""
    left = first.filter("leaves")
    comes = rng.random(left.height) < np.where(left["reached"], 0.7, 0.3)
    wait = rng.integers(4, 40, left.height)
    return _another(left.with_columns(wait=wait).filter(pl.Series(comes)), rng)


def _next_treatment(first: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """From detox to a private provider, most within three days."""
    left = first.filter(pl.col("level") == "detox", ~pl.col("leaves"), ~pl.col("never_met"))
    comes = rng.random(left.height) < 0.8
    wait = np.where(rng.random(left.height) < 0.7, rng.integers(0, 4, left.height), 0)
    wait += (wait == 0) * (rng.random(left.height) < 0.4) * rng.integers(4, 22, left.height)
    moved = left.with_columns(wait=wait, level=pl.lit("inpatient"), stay_unit=pl.lit("privat"))
    return _another(moved.filter(pl.Series(comes)), rng)


def _after_care(first: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """From an inpatient stay to the municipality."""
    planned = pl.col("exit_type") == "planned_mutual"
    left = first.filter((pl.col("level") == "inpatient") & planned)
    comes = rng.random(left.height) < 0.55
    wait = rng.integers(0, 16, left.height)
    moved = left.with_columns(wait=wait, level=pl.lit("municipal"), stay_unit=pl.lit("kommune"))
    return _another(moved.filter(pl.Series(comes)), rng)


def _another(before: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """The stay that begins `wait` days after another."""
    n = before.height
    how = rng.choice(3, n, p=[0.6, 0.2, 0.2])
    start = pl.col("end_date") + pl.col("wait")
    return before.with_columns(
        turn=1,
        start_date=start,
        end_date=start + pl.Series(_lengths(before["level"], rng)),
        exit_type=pick(["planned_mutual", "patient_absent", "unknown"], how),
        is_planned=pl.lit(value=False),
        leaves=pl.lit(value=False),
        reached=pl.lit(value=False),
    ).drop("wait")


def _lengths(level: pl.Series, rng: np.random.Generator) -> np.ndarray:
    low, high = (np.array([LENGTH[one][end] for one in level], dtype=np.int64) for end in (0, 1))
    return rng.integers(low, high)


def episodes_form(stays: pl.DataFrame) -> pl.DataFrame:
    """The stays with the episodes form's names."""
    planned = pl.when((pl.col("turn") == 0) & pl.col("is_planned"))
    return stays.with_columns(
        pathway=pl.col("level").replace_strict(PATHWAY),
        unit_id="stay_unit",
        planned="is_planned",
        planned_start_date=planned.then("planned"),
        referred_date=pl.when(pl.col("turn") == 0).then("referred"),
    )


def draw_events(stays: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """The events form: admissions to hospital soon after a stay, overdoses, a death."""
    ended = stays.filter(pl.col("end_date").is_not_null(), pl.col("turn") == 0)
    n = ended.height
    admitted = ended.with_columns(
        event_date=pl.col("end_date") + pl.Series(rng.integers(3, 45, n)),
        event_type=pl.lit("hospital_admission"),
        related=pick(["yes", "no", "unknown"], rng.choice(3, n, p=[0.5, 0.35, 0.15])),
    ).filter(pl.Series(rng.random(n) < 0.12))
    overdose = ended.with_columns(
        event_date=pl.col("end_date") + pl.Series(rng.integers(2, 90, n)),
        event_type=pl.lit("overdose"),
        related=pl.lit("unknown"),
    ).filter(pl.Series(rng.random(n) < 0.06) & pl.col("leaves"))
    last = (
        stays.filter(pl.col("start_date").is_not_null())
        .group_by("patient_id")
        .agg(pl.col("end_date").fill_null(NEVER).max(), pl.col("unit_id").first())
    )
    death = last.sort("end_date", "patient_id")[:1].with_columns(
        event_date=pl.col("end_date") + 40,
        event_type=pl.lit("death_overdose"),
        related=pl.lit("unknown"),
    )
    rows = pl.concat([admitted, overdose, death], how="diagonal")
    return rows.filter(pl.col("event_date") <= CUT_OFF).sort("event_date", "patient_id")
