"""Rules on interviews: answers, scores, waves, and what visit and use say beside them.

Belongs here: rules whose rows are interviews.
Does not belong here: whether an expected interview was held (see `people`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import narwhals as nw

from registry_pipeline.data_quality import checks
from registry_pipeline.data_quality.rule import Pass, Rule, complete, of_rows, unit_known
from registry_pipeline.indicators.definition import Core
from registry_pipeline.transform.engine import Frame
from registry_pipeline.transform.people import HELD
from schemas.core.visits import Interview
from schemas.forms import InterviewAnswers
from schemas.protocol import Protocol

TABLE: Final = "core.interview"
ABOUT: Final = ("status", "unit_id", "recall_days", "planned_wave")
"""Columns that say something of the interview, and are no answers."""

ANSWERS: Final = tuple(name for name in InterviewAnswers.to_schema().columns if name not in ABOUT)
HSCL10: Final = tuple(f"hscl10_{number}" for number in range(1, 11))
INSTRUMENTS: Final = {
    "hscl10_score": HSCL10,
    "audit_c_score": tuple(f"audit_c_{number}" for number in range(1, 4)),
    "dudit_score": tuple(f"dudit_{number}" for number in range(1, 12)),
}
RECALL_DAYS: Final = (28, 30, 90)
IS_HELD: Final = nw.col("status").is_in(HELD)
HAS_WAVE: Final = ~nw.col("wave").is_null()
"""The wave is known."""


def _answered(*columns: str) -> nw.Expr:
    """Any of the columns has a value."""
    return nw.any_horizontal(*(~nw.col(name).is_null() for name in columns), ignore_nulls=False)


def _rules(protocol: Protocol) -> list[Rule]:
    wave, planned, recall = nw.col("wave"), nw.col("planned_wave"), nw.col("recall_days")
    begun = [
        of_rows(
            checks.SCORE_LOST, TABLE, score, IS_HELD & _answered(*items), nw.col(score).is_null()
        )
        for score, items in INSTRUMENTS.items()
    ]
    even = [
        of_rows(checks.ITEM_CODE_KNOWN, TABLE, item, ~nw.col(item).is_null(), nw.col(item) % 2 == 1)
        for item in ("dudit_10", "dudit_11")
    ]
    lowest, highest = nw.min_horizontal(*HSCL10), nw.max_horizontal(*HSCL10)
    every_item = nw.all_horizontal(
        *(~nw.col(name).is_null() for name in HSCL10), ignore_nulls=False
    )
    return [
        *complete(Interview, ANSWERS, IS_HELD),
        *begun,
        *even,
        unit_known(TABLE, protocol),
        of_rows(checks.NO_ANSWERS_UNHELD, TABLE, None, ~IS_HELD, _answered(*ANSWERS)),
        of_rows(
            checks.RECALL_PERIOD_KNOWN,
            TABLE,
            "recall_days",
            ~recall.is_null(),
            ~recall.is_in(RECALL_DAYS),
        ),
        of_rows(
            checks.OFF_WINDOW,
            TABLE,
            "visit_window",
            IS_HELD & HAS_WAVE,
            nw.col("visit_window") == "off_window",
        ),
        of_rows(checks.ONE_PER_WAVE, TABLE, "wave", IS_HELD, ~HAS_WAVE),
        of_rows(
            checks.PLANNED_WAVE_AGREES,
            TABLE,
            "planned_wave",
            HAS_WAVE & ~planned.is_null(),
            planned != wave,
        ),
        of_rows(
            checks.SAME_ANSWER_THROUGHOUT,
            TABLE,
            "hscl10_score",
            IS_HELD & every_item,
            (lowest == highest) & (lowest > 1),
        ),
    ]


def _beside(core: Core, _: Protocol) -> Frame:
    """Interviews that hold a wave, with the pathway and the use at the wave.

    One row per person and wave with an interview held; used_days and n_asked are null where the
    protocol asks of no substance.
    """
    key = ["patient_id", "wave"]
    visits = core["core.visit"].select(*key, "pathway")
    use = core["core.substance_use"].filter(~nw.col("is_group"))
    used = use.group_by(key).agg(
        used_days=nw.col("days").sum(),
        n_asked=nw.len(),
        n_unanswered=(nw.col("state") == "not_asked").cast(nw.Int64).sum(),
    )
    held = core[TABLE].filter(IS_HELD & HAS_WAVE)
    recall = nw.col("recall_days")
    rows = held.select(
        *key,
        "status",
        "injection_days",
        "oat_medicine",
        recall,
        is_answered=_answered(*ANSWERS),
        recall_before=recall.shift(1).over("patient_id", order_by="wave"),
    )
    return rows.join(visits, on=key, how="left").join(used, on=key, how="left")


def _rules_beside(protocol: Protocol) -> Sequence[Rule]:
    recall, before = nw.col("recall_days"), nw.col("recall_before")
    injection, used = nw.col("injection_days"), nw.col("used_days")
    n_asked, n_unanswered = nw.col("n_asked"), nw.col("n_unanswered")
    said_of_use = (n_unanswered < n_asked).fill_null(value=False)
    return [
        of_rows(
            checks.ANSWERS_WHEN_HELD,
            TABLE,
            None,
            nw.col("status") == "completed",
            ~nw.col("is_answered") & ~said_of_use,
        ),
        of_rows(
            checks.RECALL_PERIOD_KEPT,
            TABLE,
            "recall_days",
            ~recall.is_null() & ~before.is_null(),
            recall != before,
        ),
        of_rows(
            checks.MEDICINE_IN_TREATMENT,
            TABLE,
            "oat_medicine",
            nw.col("pathway").is_in(protocol.treatment_pathways)
            & ~nw.col("oat_medicine").is_null(),
            nw.col("oat_medicine") == "none",
        ),
        of_rows(
            checks.INJECTION_WITHIN_USE,
            TABLE,
            "injection_days",
            ~injection.is_null() & (n_unanswered == 0),
            injection > used,
        ),
        Rule(checks.USE_ANSWERED, "core.substance_use", "state", n_asked, n_unanswered),
    ]


def _substances(core: Core, _: Protocol) -> Frame:
    """The most days anyone used each substance: one row per substance that was answered."""
    use = core["core.substance_use"].filter(~nw.col("is_group"), ~nw.col("days").is_null())
    return use.group_by("substance").agg(most=nw.col("days").max())


def _substance_rules(_: Protocol) -> Sequence[Rule]:
    most = nw.col("most")
    return [
        of_rows(
            checks.USED_BY_SOMEONE,
            "core.substance_use",
            "substance",
            ~most.is_null(),
            most == 0,
        )
    ]


INTERVIEWS: Final = (
    Pass(lambda core, _: core[TABLE], _rules),
    Pass(_beside, _rules_beside),
    Pass(_substances, _substance_rules),
)
