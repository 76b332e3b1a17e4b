"""Scores of the instruments that are free to score.

Belongs here: HSCL-10, AUDIT-C, DUDIT from their items. Does not belong here: cut-offs and
outcomes. Licensed instruments are delivered as totals and pass through.
"""

from __future__ import annotations

from typing import Final

import narwhals as nw

HSCL10: Final = tuple(f"hscl10_{number}" for number in range(1, 11))
AUDIT_C: Final = tuple(f"audit_c_{number}" for number in range(1, 4))
DUDIT: Final = tuple(f"dudit_{number}" for number in range(1, 12))

HSCL10_MIN_ITEMS: Final = 8


def scores() -> list[nw.Expr]:
    """hscl10_score, audit_c_score and dudit_score of a row of interviews.

    - HSCL-10: mean of the answered items; null with fewer than 8 of 10 (Strand 2003).
    - AUDIT-C: sum of its 3 items, 0-12; null when one is missing.
    - DUDIT: sum of its 11 items, 0-44; null when one is missing (Berman 2003).
    """
    n_answered = nw.sum_horizontal((~nw.col(item).is_null()).cast(nw.Int32) for item in HSCL10)
    mean = nw.sum_horizontal(*HSCL10) / n_answered
    return [
        nw.when(n_answered >= HSCL10_MIN_ITEMS).then(mean).alias("hscl10_score"),
        _sum_of_all(AUDIT_C).alias("audit_c_score"),
        _sum_of_all(DUDIT).alias("dudit_score"),
    ]


def _sum_of_all(items: tuple[str, ...]) -> nw.Expr:
    """The sum of the items; null when one is."""
    total = nw.col(items[0])
    for item in items[1:]:
        total = total + nw.col(item)
    return total
