"""The committed sample of the Randers cluster: every figure it published, in rows made up for it.

Belongs here: the cohort `randers`, whose counts are set and whose days are drawn.
Does not belong here: the counting (see `derivations.quality`).

The figures are those of the domain notes, section 1. The source does not give the period of its
228 conversations, and its "about half" does not fit 86 of 228: here the outreach runs from January
2017 to April 2018 and contact with the centre is observed from May 2017 to January 2018, as
published, so the rate over the whole period is refused. Of the 228 conversations 170 fall into the
observed months; that number is made up, and so is the matched rate of 86 in 170.
"""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl

from registry_pipeline.synthetic.deliveries import Delivery, write_delivery
from registry_pipeline.synthetic.draw import Ints, day_number, shaped
from schemas.protocol import load_shipped

SEED: Final = 2043
QUARTER: Final = "2018-Q2"
EXTRACTED: Final = date(2018, 7, 1)

OUTCOMES: Final = {"conversation": 228, "declined": 40, "unable": 7}
OUTREACH: Final = (date(2017, 1, 9), date(2018, 4, 27))
OBSERVED: Final = (date(2017, 5, 1), date(2018, 1, 31))
"""The months in which contact with the centre was counted."""
FOLLOWED: Final = 170
REACHED: Final = 86
REFERRED: Final = 128
WARDS: Final = ("akut", "medicin", "kirurgi")
MUNICIPALITIES: Final = ("730", "710", "707", "706")

STAY_DAYS: Final = {2: 4, 3: 10, 4: 14, 5: 8, 6: 2, 7: 2}
"""Length of stay to number of the 40 detox stays: 4 days in the mean."""
PEOPLE: Final = 37
STAYS: Final = 40
EXITS: Final = {"planned_mutual": 33, "patient_absent": 5, "unknown": 2}
NEXT_IN_TIME: Final = 21
NEXT_LATER: Final = 8
READMITTED: Final = {"yes": 4, "no": 1}
"""Admissions to hospital within 30 days of a stay, by whether they have to do with it: the
unrelated one stands for the amputation."""

LEVELS: Final = (
    (0, 1, 1, 3, 4),
    (0, 0, 3, 3, 3),
    (0, 0, 1, 6, 2),
    (0, 0, 2, 3, 4),
    (0, 0, 2, 5, 2),
    (1, 1, 0, 3, 4),
)
"""Answers to the six items on involvement, by level 1 to 5; nine sheets."""

GOALS: Final = (
    # goal, step, n, planned, source, responsible, from, to
    ("bridging", "identified", 275, None, "manual_count", "outreach worker", *OUTREACH),
    ("bridging", "conversation", 228, None, "manual_count", "outreach worker", *OUTREACH),
    ("bridging", "declined", 40, None, "manual_count", "outreach worker", *OUTREACH),
    ("bridging", "unable", 7, None, "manual_count", "outreach worker", *OUTREACH),
    ("bridging", "centre_contact", 86, None, "manual_count", "treatment centre", *OBSERVED),
    ("detox", "admitted", 40, None, "manual_count", "detox unit", *OUTREACH),
    ("somatic_work_up", "audited", 5, 5, "audit", "detox unit", *OUTREACH),
    ("discharge_coordination", "identified", 10, None, "audit", "discharge nurse", *OUTREACH),
    ("discharge_coordination", "offered_support", 3, 10, "audit", "discharge nurse", *OUTREACH),
    ("discharge_coordination", "readmitted", 2, None, "audit", "discharge nurse", *OUTREACH),
    ("discharge_coordination", "unrelated_cause", 1, None, "audit", "discharge nurse", *OUTREACH),
    ("training", "enrolled", 34, None, "manual_count", "course leader", *OUTREACH),
    ("training", "day_1", 31, 34, "manual_count", "course leader", *OUTREACH),
    ("training", "day_2", 17, 34, "manual_count", "course leader", *OUTREACH),
    ("offer_card", "asked", 10, 10, "interview", "ward nurse", *OUTREACH),
    ("offer_card", "knew", 10, 10, "interview", "ward nurse", *OUTREACH),
    ("offer_card", "used", 0, 10, "interview", "ward nurse", *OUTREACH),
    ("interviews", "round_1", 5, 5, "interview", "project leader", *OUTREACH),
    ("interviews", "round_2", 5, 5, "interview", "project leader", *OUTREACH),
)


def write_randers(out: Path) -> None:
    """Writes `<out>/randers`: one delivery with every form the cluster has.

    Raises:
        FileExistsError: the delivery folder is there already; nothing is overwritten.
    """
    protocol = load_shipped("randers")
    rng = np.random.default_rng([SEED, 0])
    stays = _detox_stays(rng)
    forms = {
        "patients": _patients(stays, rng),
        "episodes": pl.concat([stays, _next_stays(stays, rng)], how="diagonal"),
        "events": _admissions(stays, rng),
        "outreach": _outreach(rng),
        "involvement": _involvement(rng),
        "goal_counts": _goals(),
    }
    tables = {form: shaped(form, protocol, rows) for form, rows in forms.items()}
    delivery = Delivery(QUARTER, EXTRACTED, tables, sender="randers")
    write_delivery(out, protocol.id, delivery)


def _between(first: date, last: date, n: int, rng: np.random.Generator) -> Ints:
    return np.sort(rng.integers(day_number(first), day_number(last) + 1, n))


def _outreach(rng: np.random.Generator) -> pl.DataFrame:
    """275 contacts: 228 conversations, 170 of them in the months when contact was observed."""
    first, last = OBSERVED
    day = timedelta(days=1)
    outside = OUTCOMES["conversation"] - FOLLOWED
    spread = [
        _between(OUTREACH[0], first - day, outside // 2, rng),
        _between(first, last - 14 * day, FOLLOWED, rng),
        _between(last + day, OUTREACH[1], outside - outside // 2, rng),
    ]
    talks = pl.DataFrame({"identified_date": np.concatenate(spread)}).with_columns(
        outcome=pl.lit("conversation"),
        conversation_date=pl.col("identified_date") + pl.Series(rng.integers(0, 3, 228)),
        followed=pl.col("identified_date").is_between(day_number(first), day_number(last)),
    )
    wait = pl.Series(rng.integers(1, 12, FOLLOWED))
    followed = (
        talks.filter("followed")
        .with_columns(reached=pl.Series(rng.permutation(FOLLOWED) < REACHED))
        .with_columns(
            centre_observed_until=pl.lit(last),
            centre_contact_date=pl.when("reached").then(pl.col("conversation_date") + wait),
        )
    )
    talks = pl.concat([followed, talks.filter(~pl.col("followed"))], how="diagonal")
    order = pl.col("reached").fill_null(value=False).cast(pl.Int8).rank("ordinal", descending=True)
    talks = talks.with_columns(
        referred_date=pl.when(order <= REFERRED).then(pl.col("conversation_date"))
    )
    others = [
        pl.DataFrame({"identified_date": _between(*OUTREACH, n, rng)}).with_columns(
            outcome=pl.lit(outcome)
        )
        for outcome, n in OUTCOMES.items()
        if outcome != "conversation"
    ]
    rows = pl.concat([talks, *others], how="diagonal").sort("identified_date", "outcome")
    n = rows.height
    return rows.with_columns(
        contact_id=pl.format("RA-{}", pl.int_range(1, n + 1).cast(pl.String).str.zfill(3)),
        unit_id=pl.Series(rng.choice(WARDS, n, p=[0.5, 0.3, 0.2])),
        municipality_code=pl.Series(rng.choice(MUNICIPALITIES, n, p=[0.7, 0.1, 0.1, 0.1])),
    )


def _detox_stays(rng: np.random.Generator) -> pl.DataFrame:
    """The 40 planned detox stays; three people come twice, months apart."""
    length = rng.permutation([days for days, n in STAY_DAYS.items() for _ in range(n)])
    exits = rng.permutation([code for code, n in EXITS.items() for _ in range(n)])
    start = _between(date(2017, 2, 6), date(2018, 4, 9), STAYS, rng)
    person = np.concatenate([np.arange(PEOPLE), np.arange(STAYS - PEOPLE)])
    return pl.DataFrame(
        {
            "patient_id": [f"RD-{number:03d}" for number in person + 1],
            "pathway": "detoxification",
            "level": "detox",
            "unit_id": "afrusning",
            "start_date": start,
            "end_date": start + length,
            "planned_start_date": start,
            "exit_type": exits,
            "planned": True,
        }
    )


def _patients(stays: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    first = stays.group_by("patient_id").agg(pl.col("start_date").min()).sort("patient_id")
    n = first.height
    return first.with_columns(
        sex=pl.Series(rng.choice(["male", "female"], n, p=[0.7, 0.3])),
        birth_year=pl.Series(2017 - np.clip(rng.normal(48, 10, n), 22, 74).astype(int)),
        unit_id=pl.lit("afrusning"),
        municipality_code=pl.Series(rng.choice(MUNICIPALITIES, n, p=[0.7, 0.1, 0.1, 0.1])),
        invited_date=pl.col("start_date") - 14,
        consent=pl.lit("consented"),
        consent_date=pl.col("start_date") - 7,
        primary_substance=pl.lit("alcohol"),
    )


def _next_stays(stays: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    """Treatment at a municipal centre after some of the stays, most within three days."""
    chosen = stays[sorted(rng.permutation(STAYS)[: NEXT_IN_TIME + NEXT_LATER].tolist())]
    in_time, later = rng.integers(0, 4, NEXT_IN_TIME), rng.integers(5, 29, NEXT_LATER)
    wait = rng.permutation(np.concatenate([in_time, later]))
    start = pl.col("end_date") + pl.Series(wait)
    return chosen.with_columns(
        pathway=pl.lit("municipal_treatment"),
        level=pl.lit("municipal"),
        unit_id=pl.lit("rusmiddelcenter"),
        start_date=start,
        end_date=pl.lit(None, pl.Int64),
        planned_start_date=pl.lit(None, pl.Int64),
        exit_type=pl.lit(None, pl.String),
    )


def _admissions(stays: pl.DataFrame, rng: np.random.Generator) -> pl.DataFrame:
    related = [code for code, n in READMITTED.items() for _ in range(n)]
    chosen = stays[sorted(rng.permutation(STAYS - 4)[: len(related)].tolist())]
    return chosen.select(
        "patient_id",
        event_date=pl.col("end_date") + pl.Series(rng.integers(4, 29, len(related))),
        event_type=pl.lit("hospital_admission"),
        related=pl.Series(related),
        unit_id=pl.lit("medicin"),
    )


def _involvement(rng: np.random.Generator) -> pl.DataFrame:
    """Nine answer sheets; which answers stand on one sheet together is drawn."""
    answers = {
        f"item_{item}": rng.permutation(
            [level for level, n in enumerate(counts, start=1) for _ in range(n)]
        )
        for item, counts in enumerate(LEVELS, start=1)
    }
    days = _between(date(2017, 11, 1), date(2018, 1, 31), 9, rng)
    sheets: dict[str, Any] = {
        "response_id": [f"RI-{number}" for number in range(1, 10)],
        "unit_id": "afrusning",
        "answered_on": days,
        **answers,
    }
    return pl.DataFrame(sheets)


def _goals() -> pl.DataFrame:
    names = (
        "goal_id",
        "step",
        "n",
        "n_planned",
        "source_type",
        "responsible",
        "period_start",
        "period_end",
    )
    return pl.DataFrame(GOALS, schema=names, orient="row")
