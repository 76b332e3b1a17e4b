"""Use of each substance and group at each wave: core.substance_use.

Belongs here: days of use, their share of the recall period, and the state.
Does not belong here: toxicology, which is evidence of its own; change over time.

Definitions: domain notes, section 3, "Substance states per wave". `*_days` are non-prescribed
days: a prescribed medicine is never use.
"""

from __future__ import annotations

from collections.abc import Sequence

import narwhals as nw

from registry_pipeline.transform.engine import Frame
from registry_pipeline.transform.people import HELD
from registry_pipeline.transform.shape import by_value, constants
from schemas.protocol import Protocol


def use_by_visit(visits: Frame, interviews: Frame, protocol: Protocol) -> Frame:
    """One row per visit with the days of each substance and group as `<code>_days`.

    Days and recall_days are null unless the interview was held, wholly or in part.

    Args:
        visits: `visits.visit_rows`: patient_id, wave, status, delivery, row_number.
        interviews: rows of the form: delivery, row_number, recall_days, `<substance>_days`.
        protocol: substances, groups and the recall period where the row does not say.
    """
    held = nw.col("status").is_in(HELD)
    columns = protocol.substance_columns
    answers = interviews.select("delivery", "row_number", "recall_days", *columns)
    recall = nw.col("recall_days").fill_null(protocol.waves.recall_days)
    return (
        visits.select("patient_id", "wave", "status", "delivery", "row_number")
        .join(answers, on=["delivery", "row_number"], how="left")
        .drop("delivery", "row_number")
        .with_columns(
            nw.when(held).then(recall).alias("recall_days"),
            *(nw.when(held).then(nw.col(column)).alias(column) for column in columns),
        )
        .with_columns(
            group_days([f"{member}_days" for member in group.members]).alias(f"{group.code}_days")
            for group in protocol.groups
        )
    )


def group_days(members: Sequence[str]) -> nw.Expr:
    """Days of use of a group: the most of any member, a lower bound.

    Any use among the members answered is use of the group, whatever was not answered. No use
    needs every member answered with 0; otherwise the group was not asked: null.
    """
    most = nw.max_horizontal(*members)
    all_answered = ~nw.any_horizontal(
        *(nw.col(member).is_null() for member in members), ignore_nulls=False
    )
    return nw.when((most > 0) | all_answered).then(most)


def substance_rows(uses: Frame, protocol: Protocol) -> Frame:
    """One row per enrolled person, wave and substance or group.

    Args:
        uses: `use_by_visit`.
        protocol: substances, groups and the cut point between the states.

    Returns:
        patient_id, wave, substance, is_group, days, recall_days, use_share, days_28 (28 x share)
        and state: of the days, not_asked where the interview was held without an answer, else
        what became of the visit.
    """
    codes = [(item.code, False) for item in protocol.substances]
    codes += [(group.code, True) for group in protocol.groups]
    names: list[dict[str, str | int | bool]] = [
        {"place": place, "substance": code, "is_group": is_group}
        for place, (code, is_group) in enumerate(codes)
    ]
    answers = {place: nw.col(f"{code}_days") for place, (code, _) in enumerate(codes)}
    days, recall = nw.col("days"), nw.col("recall_days")
    return (
        uses.join(constants(uses, names), how="cross")
        .with_columns(days=by_value(nw.col("place"), answers))
        .with_columns(
            use_share=days / recall,
            days_28=days * 28 / recall,
            state=use_state(protocol.states.episodic_share),
        )
    )


def use_state(episodic_share: tuple[int, int]) -> nw.Expr:
    """The state of days, recall_days and status: abstinent 0, episodic up to the share, regular.

    Integers alone decide: `days / recall <= a / b` as `days x b <= recall x a`, so that 8 of 28,
    8 of 30 and 23 of 90 days are regular at a quarter.
    """
    most, of = episodic_share
    days = nw.col("days")
    return (
        nw.when(nw.col("recall_days").is_null())
        .then(nw.col("status"))
        .when(days.is_null())
        .then(nw.lit("not_asked"))
        .when(days == 0)
        .then(nw.lit("abstinent"))
        .when(days * of <= nw.col("recall_days") * most)
        .then(nw.lit("episodic"))
        .otherwise(nw.lit("regular"))
    )
