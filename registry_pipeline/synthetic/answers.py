"""Answers: what is answered in an interview, and what is left blank.

Belongs here: the interviews form, whose answers hang together through a person's burden, which
moves from wave to wave.
Does not belong here: whether the interview is held (see `visits`), steps of care (see `care`).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import polars as pl

from registry_pipeline.synthetic.course import Course
from registry_pipeline.synthetic.draw import Bools, Floats, Ints, graded, pick, shaped
from registry_pipeline.synthetic.people import People
from registry_pipeline.synthetic.visits import STATUS, Visits
from schemas.protocol import Protocol

Columns = dict[str, Ints | Floats | pl.Series]

BLANK: Final = 0.015
"""Share of single questions left without an answer."""
MEDICINE: Final = {"methadone": 0.41, "buprenorphine": 0.57, "other": 0.02}
HOUSING: Final = {
    "own": 0.08,
    "rented": 0.62,
    "family": 0.08,
    "institution": 0.07,
    "other": 0.05,
    "shelter": 0.06,
    "homeless": 0.04,
}
EMPLOYMENT: Final = {
    "work": 0.10,
    "education": 0.04,
    "activity": 0.18,
    "benefits": 0.52,
    "none": 0.16,
}
NETWORK: Final = {"only": 0.14, "mostly": 0.36, "some": 0.38, "none": 0.12}
"""Shares at the baseline, from the least to the greatest burden, here and in the two above."""
INJECTED: Final = ("amphetamine", "heroin", "opioid", "other_opioid")


def draw_interviews(
    protocol: Protocol, people: People, course: Course, visits: Visits, rng: np.random.Generator
) -> pl.DataFrame:
    """The interviews form: one row per row of `visits`, without answers where it was not held."""
    draw = _Answers(protocol, people, visits, rng)
    first, last = {**draw.use(), **draw.living(visits.away)}, {**draw.instruments(), **draw.views()}
    held, partial = visits.held, visits.status == STATUS.index("partial")
    status = pl.DataFrame(
        {
            "patient_id": people.patient_id.gather(visits.person),
            "interview_date": visits.day,
            "status": pick(STATUS, visits.status),
            "unit_id": people.unit.gather(visits.person),
            "planned_wave": visits.wave,
            "away": visits.away,
            "away_status": course.away_status.gather(visits.person),
            "held": held,
        }
    ).with_columns(
        pl.when("held")
        .then(pl.when("away").then("away_status").otherwise(pl.lit("active")))
        .alias("treatment_status")
    )
    answers = [
        *_blanked({"recall_days": draw.recall, "mode": draw.mode()}, ~held),
        *_blanked(first, ~held, rng),
        *_blanked(last, ~held | partial, rng),
    ]
    return shaped("interviews", protocol, status.with_columns(answers))


def _blanked(
    columns: Columns, missing: Bools, rng: np.random.Generator | None = None
) -> Iterator[pl.Series]:
    """The columns with nulls where the answer is missing, and here and there one more."""
    for name, values in columns.items():
        gone = missing if rng is None else missing | (rng.random(len(missing)) < BLANK)
        yield pl.Series(name, values).set(pl.Series(gone), None)


class _Answers:
    """The draws of one batch, one element per interview row in every array."""

    def __init__(
        self, protocol: Protocol, people: People, visits: Visits, rng: np.random.Generator
    ) -> None:
        self._rng, self._people, self._person = rng, people, visits.person
        self._count = visits.count
        self.burden = _burden(protocol, people, rng)[visits.person, visits.wave]
        usual = np.full(self._count, protocol.waves.recall_days)
        self.recall = np.where(rng.random(self._count) < 0.06, 30, usual)
        self.days = {
            item.code: self._use_days(people.taste[visits.person, position])
            for position, item in enumerate(protocol.substances)
        }

    def use(self) -> Columns:
        """Days of use, injection and crime, and overdoses."""
        injected = self._most([code for code in INJECTED if code in self.days])
        injects = self._trait() < 0.4
        drugs = self._most([code for code in self.days if code != "alcohol"])
        offends = self._trait() < 0.3
        crime = self._rng.poisson(0.25 * drugs * offends)
        return {
            **{f"{code}_days": days for code, days in self.days.items()},
            "injection_days": injected * injects,
            "overdose_count": self._rng.poisson(0.02 * np.exp(0.6 * self.burden)),
            "crime_days": np.minimum(crime, self.recall),
        }

    def living(self, away: Bools) -> Columns:
        """Medicine, housing, employment and network."""
        medicine = np.searchsorted(np.cumsum(list(MEDICINE.values()))[:-1], self._trait())
        return {
            "oat_medicine": pick([*MEDICINE, "none"], np.where(away, len(MEDICINE), medicine)),
            "prescribed_benzodiazepine": pl.Series(self._trait() < 0.25),
            "housing": self._situation(HOUSING),
            "employment": self._situation(EMPLOYMENT),
            "drug_free_network": self._situation(NETWORK),
        }

    def instruments(self) -> Columns:
        """HSCL-10, AUDIT-C, DUDIT, and the totals of ORS and SRS."""
        distress = 1.75 + 0.40 * self.burden + 0.35 * self._people.disorder[self._person]
        alcohol = self.days.get("alcohol", np.zeros(self._count, dtype=np.int64)) / self.recall
        drugs = self._most([code for code in self.days if code != "alcohol"]) / self.recall
        drinks, uses = alcohol > 0, drugs > 0
        audit = {"audit_c_1": np.searchsorted([0.0, 0.1, 0.25, 0.6], alcohol)}
        audit |= {
            f"audit_c_{item}": self._item(2.5 * alcohol + 1, 0, 4) * drinks for item in (2, 3)
        }
        dudit = {f"dudit_{item}": self._item(3 * drugs + 0.5, 0, 4) * uses for item in range(1, 10)}
        dudit |= {
            f"dudit_{item}": 2 * self._item(drugs + 0.3 * self.burden, 0, 2) for item in (10, 11)
        }
        return {
            **{f"hscl10_{item}": self._item(distress, 1, 4) for item in range(1, 11)},
            **audit,
            **dudit,
            "ors_total": self._total(25 - 5 * self.burden),
            "srs_total": self._total(34 + 1.5 * self._people.support[self._person]),
        }

    def views(self) -> Columns:
        """Coping, life satisfaction, benefit, and the questions on the treatment."""
        support = self._people.support[self._person]
        well = 5.6 - 1.2 * self.burden + 0.6 * support
        return {
            "coping_score": self._item(well, 0, 10, 1.0),
            "life_satisfaction": self._item(well - 0.3, 0, 10, 1.2),
            "treatment_benefit": self._item(4.0 - 0.4 * self.burden + 0.2 * support, 1, 5, 0.8),
            "treatment_plan": self._yes_no(0.80),
            "crisis_plan": self._yes_no(0.52),
            "took_part_in_choice": self._yes_no(0.70),
            "network_involved": self._yes_no(0.33),
        }

    def mode(self) -> pl.Series:
        """How the interview was held."""
        return pick(["in_person", "phone", "self"], graded(self._noise(), (0.72, 0.24, 0.04)))

    def _use_days(self, taste: Floats) -> Ints:
        level = taste + 0.7 * self.burden + 0.5 * self._noise()
        share = 1 - np.exp(-0.42 * np.maximum(level, 0))
        days = np.maximum(np.rint(share * self.recall), 1).astype(np.int64)
        return np.where(level > 0, np.minimum(days, self.recall), 0)

    def _most(self, substances: list[str]) -> Ints:
        """The days of the most used of the substances; 0 where none is asked about."""
        most = np.zeros(self._count, dtype=np.int64)
        for code in substances:
            most = np.maximum(most, self.days[code])
        return most

    def _trait(self) -> Floats:
        """A uniform draw per person, the same in every interview."""
        return self._rng.random(self._people.count)[self._person]

    def _noise(self, scale: float = 1.0) -> Floats:
        return self._rng.normal(scale=scale, size=self._count)

    def _situation(self, shares: dict[str, float]) -> pl.Series:
        """A code that mostly stays, gets worse with the burden, and is unknown now and then."""
        own = self._rng.normal(size=self._people.count)[self._person]
        codes = graded(0.8 * own + 0.5 * self.burden, list(shares.values()))
        unknown = self._rng.random(self._count) < 0.02
        return pick([*shares, "unknown"], np.where(unknown, len(shares), codes))

    def _item(self, mean: Floats, low: int, high: int, scale: float = 0.7) -> Ints:
        return np.clip(np.rint(mean + self._noise(scale)), low, high).astype(np.int64)

    def _total(self, mean: Floats) -> Floats:
        return np.clip(mean + self._noise(3.0), 0, 40).round(1)

    def _yes_no(self, yes: float) -> pl.Series:
        return pick(["yes", "no", "unknown"], graded(self._noise(), (yes, 0.93 - yes, 0.07)))


def _burden(protocol: Protocol, people: People, rng: np.random.Generator) -> Floats:
    """The latent burden by person and wave: a level, a trend and a wave's own ups and downs."""
    waves = len(protocol.waves.nominal_days)
    drift = rng.normal(scale=0.35, size=(people.count, waves))
    for wave in range(1, waves):
        drift[:, wave] += 0.6 * drift[:, wave - 1]
    return people.severity[:, None] + people.trend[:, None] * np.arange(waves) + drift
