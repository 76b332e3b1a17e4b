"""People: who is eligible, who consents, and what they bring with them to the first interview.

Belongs here: the patients form and the latent traits that the rest of the simulation draws on.
Does not belong here: anything that happens after the baseline.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import polars as pl

from registry_pipeline.synthetic.draw import (
    NEVER,
    Bools,
    Floats,
    Ints,
    as_date,
    day_number,
    pick,
    quota,
    shaped,
)
from schemas.protocol import Origin, Protocol

CONSENTED: Final = 70
"""People who consented of the 328 eligible (domain notes, section 1)."""
MEN: Final = 45
"""Men among the 70."""
FIRST_LETTER: Final = date(2014, 5, 5)
LAST_BASELINE: Final = date(2014, 6, 30)
MUNICIPALITIES: Final = ("1201", "1246", "1247", "1243", "1263", "1221", "1224", "1235")
"""Municipalities of Hordaland by their numbers of 2014; Bergen first."""
NEW_STARTERS: Final = (Origin.EPISODE_START, Origin.TREATMENT_START)
"""Origins of waves that make a cohort start treatment at the baseline."""
USE_LEVEL: Final = {
    "alcohol": -0.2,
    "cannabis": -0.3,
    "benzodiazepine": -0.4,
    "amphetamine": -1.0,
    "cocaine": -2.3,
    "heroin": -1.7,
    "opioid": -1.2,
    "other_opioid": -2.0,
    "doping": -2.6,
}
"""Mean latent level of use by substance; any use begins at 0."""
OTHER_LEVEL: Final = -2.4
PRIMARY_LEVEL: Final = {"heroin": 1.8, "opioid": 1.2, "alcohol": -0.8}
"""What is added to the level to find the main problem of people in opioid treatment."""


@dataclass(frozen=True)
class People:
    """The consented people of one batch, one element per person in every array.

    Attributes:
        patient_id: local ids.
        unit: the unit that treats and interviews.
        women: women among them.
        invited: day number of the letter.
        consent: day number of the consent.
        baseline: day number of the baseline interview.
        treatment_start: day number of the first day in treatment: a year or more before, or the
            baseline itself where the protocol counts from the start.
        severity: latent burden, about standard normal, higher is worse.
        trend: change of the burden per wave.
        support: latent continuity of the follow-up, standard normal, higher is better.
        disorder: a mental disorder beside the substance use disorder.
        taste: latent level of use (people x substances of the protocol), use begins at 0.
        pathway: position among the pathways people start in.
    """

    patient_id: pl.Series
    unit: pl.Series
    women: Bools
    invited: Ints
    consent: Ints
    baseline: Ints
    treatment_start: Ints
    severity: Floats
    trend: Floats
    support: Floats
    disorder: Bools
    taste: Floats
    pathway: Ints

    @property
    def count(self) -> int:
        """How many people."""
        return len(self.baseline)


def eligible_people(protocol: Protocol, consented: int) -> int:
    """How many eligible people stand behind that many consents: 328 for every 70.

    A protocol without an eligible count (a trial) has its consented people and no others.
    """
    return round(consented * protocol.eligible / CONSENTED) if protocol.eligible else consented


def start_pathways(protocol: Protocol) -> tuple[str, ...]:
    """The pathways people are in at the baseline: the index pathways, or else any treatment."""
    return protocol.index_pathways or protocol.treatment_pathways


def draw_people(
    protocol: Protocol, first: int, consented: int, rng: np.random.Generator
) -> tuple[pl.DataFrame, People]:
    """Eligible people, of whom `consented` consent.

    Args:
        protocol: gives units, substances and pathways.
        first: number of eligible people drawn before, which the ids continue.
        consented: how many of these people consent.
        rng: the source of chance.

    Returns:
        The patients form, one row per eligible person in the order of the ids, with
        `changed_date` beside it: the day a co-occurring disorder became known, null where
        there is none or it was known all along. And the people who consented.
    """
    eligible = eligible_people(protocol, consented)
    ids = _ids(protocol, first, eligible)
    yes = quota(rng, eligible, consented / eligible)
    people = _draw_consented(protocol, ids.filter(pl.Series(yes)), rng)
    others = _others_form(protocol, ids.filter(pl.Series(~yes)), rng)
    form = pl.concat([_people_form(protocol, people, rng), others])
    return form.sort("patient_id"), people


def _draw_consented(protocol: Protocol, ids: pl.Series, rng: np.random.Generator) -> People:
    n = len(ids)
    invited = _invited(n, rng)
    consent = invited + rng.integers(2, 36, size=n)
    baseline = np.minimum(consent + rng.integers(0, 11, size=n), day_number(LAST_BASELINE))
    treated = np.minimum(365 + rng.gamma(2.0, 900, size=n), 5500).astype(np.int64)
    if protocol.waves.origin in NEW_STARTERS:
        treated[:] = 0
    disorder = quota(rng, n, 0.45)
    severity = 0.35 * (disorder - 0.45) + rng.normal(size=n)
    support = rng.normal(size=n)
    level = [USE_LEVEL.get(item.code, OTHER_LEVEL) for item in protocol.substances]
    abstainer = quota(rng, n, 0.25)
    rank = np.argsort(np.argsort(severity + rng.normal(scale=1.2, size=n)))
    return People(
        patient_id=ids,
        unit=_unit(protocol, n, rng),
        women=~quota(rng, n, MEN / CONSENTED),
        invited=invited,
        consent=consent,
        baseline=baseline,
        treatment_start=baseline - treated,
        severity=severity,
        trend=rng.normal(-0.03 - 0.03 * support, 0.09),
        support=support,
        disorder=disorder,
        taste=np.array(level) + rng.normal(size=(n, len(level))) - 2.0 * abstainer[:, None],
        pathway=rank * len(start_pathways(protocol)) // n,
    )


def _people_form(protocol: Protocol, people: People, rng: np.random.Generator) -> pl.DataFrame:
    n = people.count
    known_late = people.disorder & (rng.random(n) < 0.4)
    known = people.baseline + rng.integers(20, protocol.waves.nominal_days[-1] + 20, size=n)
    frame = pl.DataFrame(
        {
            **_identity(people.women, rng),
            "patient_id": people.patient_id,
            "unit_id": people.unit,
            "invited_date": people.invited,
            "consent_date": people.consent,
            "treatment_start_date": people.treatment_start,
            "co_occurring_disorder": people.disorder,
            "primary_substance": _primary_substance(protocol, people),
        }
    ).with_columns(consent=pl.lit("consented"), legal_basis=pl.lit("consent"))
    changed = pl.Series("changed_date", np.where(known_late, known, NEVER))
    form = shaped("patients", protocol, frame)
    return form.with_columns(changed).with_columns(as_date("changed_date"))


def _others_form(protocol: Protocol, ids: pl.Series, rng: np.random.Generator) -> pl.DataFrame:
    n = len(ids)
    frame = pl.DataFrame(
        {
            **_identity(~quota(rng, n, 0.68), rng),
            "patient_id": ids,
            "unit_id": _unit(protocol, n, rng),
            "invited_date": _invited(n, rng),
            "consent": pick(["declined", "no_answer"], (rng.random(n) > 0.27).astype(np.int64)),
        }
    )
    return shaped("patients", protocol, frame).with_columns(
        changed_date=pl.lit(None, dtype=pl.Date)
    )


def _identity(women: Bools, rng: np.random.Generator) -> dict[str, pl.Series]:
    age = np.clip(rng.normal(45 - 2.0 * women, 8.5), 21, 68).astype(np.int64)
    home = np.where(
        rng.random(len(women)) < 0.6, 0, rng.integers(1, len(MUNICIPALITIES), size=len(women))
    )
    return {
        "sex": pick(["male", "female"], women.astype(np.int64)),
        "birth_year": pl.Series(FIRST_LETTER.year - age),
        "municipality_code": pick(MUNICIPALITIES, home),
    }


def _primary_substance(protocol: Protocol, people: People) -> pl.Series:
    codes = [item.code for item in protocol.substances]
    level = people.taste + np.array([PRIMARY_LEVEL.get(code, 0.0) for code in codes])
    return pick(codes, level.argmax(axis=1))


def _invited(n: int, rng: np.random.Generator) -> Ints:
    return day_number(FIRST_LETTER) + rng.integers(0, 11, size=n)


def _unit(protocol: Protocol, n: int, rng: np.random.Generator) -> pl.Series:
    units = [unit.id for unit in protocol.units] or ["unit_1"]
    return pick(units, rng.integers(len(units), size=n))


def _ids(protocol: Protocol, first: int, n: int) -> pl.Series:
    """Ids such as LX-0001; letters count the ten thousands, so that no long digit run arises."""
    initials = "".join(part[0] for part in protocol.id.split("_")).upper()
    number = np.arange(first + 1, first + n + 1)
    block, rest = np.divmod(number, 10_000)
    names = [f"{initials}{_letters(each)}-" for each in range(block[-1] + 1)]
    return pick(names, block) + pl.Series(rest).cast(pl.String).str.zfill(4)


def _letters(block: int) -> str:
    text = ""
    while block:
        block, letter = divmod(block - 1, 26)
        text = chr(ord("A") + letter) + text
    return text
